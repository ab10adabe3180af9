"""Language models as word vectors; a tiny random one, since none can be passed on."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from newsreplay.errors import SpecError
from newsreplay.recommenders.neural.articles.plm import LanguageModel, PlmWords
from newsreplay.recommenders.neural.models.fields import Columns, Contents
from newsreplay.recommenders.neural.models.model import TINY, Inputs
from newsreplay.recommenders.neural.models.nrms import NRMS

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "rain", "in", "the", "city", "##s"]
PAD, UNK, CLS, SEP, _, RAIN, IN, THE, CITY, S = range(1, 11)  #: their ids


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 3 layers and 10 word pieces."""
    transformers: Any = pytest.importorskip("transformers", reason='needs pip install "newsreplay[plm]"')
    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(PIECES),
        hidden_size=8,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
    return folder


def test_texts_become_the_model_s_own_tokens_above_padding(folder: Path) -> None:
    words = PlmWords(str(folder))
    assert words.rows == 1 + len(PIECES)
    assert words.ids("Rain in the CITYS, hail", 30) == [CLS, RAIN, IN, THE, CITY, S, UNK, UNK, SEP]
    assert words.ids("rain in the city", 4) == [CLS, RAIN, IN, SEP]
    assert words.ids(" ", 30) == []
    assert words.ids_of_names(["rain", "city"], 30) == [CLS, RAIN, CITY, SEP]
    assert (words.words, words.buckets) == ([], 0)
    assert words.buckets_of_rows().tolist() == list(range(11))


def test_its_hidden_states_are_projected_and_padding_is_zero(folder: Path) -> None:
    model = LanguageModel(str(folder), 4).eval()
    out = model(torch.tensor([[CLS, RAIN, SEP, 0], [0, 0, 0, 0]]))
    hidden = model.model(input_ids=torch.tensor([[CLS, RAIN, SEP]]) - 1).last_hidden_state
    assert out.shape == (2, 4, 4)
    torch.testing.assert_close(out[0, :3], model.project(hidden)[0])
    assert not out[0, 3].any()
    assert not out[1].any()


def test_a_pad_changes_no_vector(folder: Path) -> None:
    model = LanguageModel(str(folder), 4)
    ids = torch.tensor([[CLS, RAIN, SEP]])
    wider = torch.tensor([[CLS, RAIN, SEP, 0, 0], [CLS, THE, CITY, S, SEP]])
    torch.testing.assert_close(model(wider)[:1, :3], model(ids))


def test_a_frozen_model_learns_nothing_but_the_projection_and_has_no_dropout(folder: Path) -> None:
    model = LanguageModel(str(folder), 4).train()
    ids = torch.tensor([[CLS, RAIN, SEP]])
    assert torch.equal(model(ids), model(ids))
    model(ids).sum().backward()
    assert {name for name, weight in model.named_parameters() if weight.grad is not None} == {
        "project.weight",
        "project.bias",
    }


def test_the_last_layers_can_be_trained(folder: Path) -> None:
    model = LanguageModel(str(folder), 4, layers_trained=2).train()
    ids = torch.tensor([[CLS, RAIN, SEP]])
    assert not torch.equal(model(ids), model(ids))  # dropout
    model(ids).square().sum().backward()
    trained = {name for name, weight in model.named_parameters() if weight.grad is not None}
    assert {name.split(".")[3] for name in trained if "layer." in name} == {"1", "2"}
    assert not any("embeddings" in name for name in trained)
    with pytest.raises(SpecError, match="has 3 layers, so 4 of them cannot be trained"):
        LanguageModel(str(folder), 4, layers_trained=4)


def test_it_is_the_words_of_a_news_model(folder: Path) -> None:
    words = PlmWords(str(folder))
    model = NRMS(TINY, LanguageModel(str(folder), TINY.word)).eval()
    titles = [words.ids(text, TINY.title) for text in ("rain in the city", "the city", "in")]
    title = torch.tensor([[0] * TINY.title, *(ids + [0] * (TINY.title - len(ids)) for ids in titles)])
    nothing = Columns((), torch.zeros(1, 2, 0))
    history, pool = torch.tensor([[1, 0]]), torch.tensor([[2, 3]])
    requests = Inputs(history, pool, nothing, nothing, nothing, nothing, torch.zeros(1).long())
    scores = model(Contents({"title": title}), requests)
    assert scores.shape == (1, 2)
    assert scores.isfinite().all()
    assert scores[0, 0] != scores[0, 1]


def test_weights_that_would_have_to_be_unpickled_are_refused(folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    torch.save(LanguageModel(str(folder), 4).model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(SpecError, match=r"has no model that can be loaded: .*model\.safetensors"):
        LanguageModel(str(tmp_path), 4)


def test_a_folder_that_is_none_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"language model .*nothing has no tokenizer that can be loaded.*name a folder"):
        PlmWords(str(tmp_path / "nothing"))


def test_loading_leaves_the_library_s_progress_bars_as_they_were(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logging = importlib.import_module("transformers").utils.logging
    assert logging.is_progress_bar_enabled()
    LanguageModel(str(folder), 4)
    assert logging.is_progress_bar_enabled()
    assert capfd.readouterr().err == ""


def test_without_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(SpecError, match=r'some-model needs the package transformers: pip install "newsreplay\[plm\]"'):
        LanguageModel("some-model", 4)

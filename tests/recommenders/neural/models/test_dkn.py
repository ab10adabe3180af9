"""DKN by its equations, with entities and without, and in a replay with files of vectors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.neural.articles.texts import mentions
from newsreplay.recommenders.neural.models.dkn import DKN
from newsreplay.recommenders.neural.models.layers import WordTable
from newsreplay.recommenders.neural.models.model import TINY
from newsreplay.recommenders.neural.recommenders import recommender_of
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from tests.naive import neural_dkn as naive
from tests.naive.neural_aware import weights
from tests.recommenders.neural.models.batches import ARTICLES, WORDS, Batch, build, same, some_batch, stir

WIDTHS = {"entity_vectors": 5, "context_vectors": 3}


def knowing(widths: dict[str, int]) -> DKN:
    torch.manual_seed(1)
    model = DKN(TINY, WordTable(WORDS, TINY.word), widths=widths)
    stir(model)
    return model.eval()


def with_entities(batch: Batch) -> Batch:
    """Entities of which the vectors of some are not known, and words of which some are part of one."""
    entities = {name: torch.randn(ARTICLES, TINY.entities, width) for name, width in WIDTHS.items()}
    entities["entity_vectors"][3] = entities["context_vectors"][4] = 0
    at = torch.randint(0, TINY.entities + 1, (ARTICLES, TINY.title))
    return batch._replace(contents=batch.contents.replaced(mentions=at, **entities))


@pytest.mark.parametrize("channels", [("entity_vectors", "context_vectors"), ("entity_vectors",), ()])
def test_scores_are_those_of_the_equations(channels: tuple[str, ...]) -> None:
    model = knowing({name: WIDTHS[name] for name in channels}).double()
    torch.manual_seed(2)
    batch = with_entities(some_batch(build("dkn", {}), candidates=ARTICLES - 1))
    contents = {name: column.numpy() for name, column in batch.contents.columns.items()}
    doubled = batch.contents.each(lambda x: x.double() if x.is_floating_point() else x)
    scores = model(doubled, batch.requests).detach().numpy()
    expected = naive.scores(weights(model), contents, batch.requests)
    assert np.abs(expected).max() > 0.1
    assert np.abs(scores - expected).max() < 1e-9


def test_without_entities_in_titles_it_is_the_convolution_over_words_alone() -> None:
    knows, plain = knowing(WIDTHS), build("dkn", {})
    batch = with_entities(some_batch(plain))
    state = {name: value.clone() for name, value in knows.state_dict().items() if "channels" not in name}
    for name in [name for name in state if name.startswith("title.convolve") and name.endswith("weight")]:
        state[name] = state[name][:, : TINY.word]
    plain.load_state_dict(state)
    kept = plain(*batch)
    assert not same(knows(*batch), kept)
    none = batch.contents.replaced(mentions=torch.zeros_like(batch.contents.mentions))
    assert same(knows(none, batch.requests), kept)


def test_the_full_size_has_a_hundred_filters_of_each_window() -> None:
    size = replace(DKN.sizes["paper"], users=8, names=8)
    model = DKN(size, torch.nn.Identity(), widths={"entity_vectors": 100, "context_vectors": 100})
    assert [tuple(part.weight.shape) for part in model.title.convolve] == [(100, 900, n) for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("title", "entities", "expected"),
    [
        ("Rain in New York, again", '["Boston", "New York"]', [0, 0, 2, 2, 0, 0]),
        ("The Bears beat the bears", '{"title": [{"WikidataId": "Q1", "SurfaceForms": ["Bears"]}]}', [0, 1, 0, 0, 1]),
        ("New York", '["New York", "York"]', [1, 1]),
        ("New York", '{"title": [{"WikidataId": "Q1"}, {"SurfaceForms": ["York"]}, 7]}', [0, 0]),
        ("New York", '["A", "B", "York"]', [0, 0]),
        ("New York", "[", [0, 0]),
        ("", '["York"]', []),
    ],
)
def test_words_are_part_of_the_entity_whose_form_they_are(title: str, entities: str, expected: list[int]) -> None:
    assert mentions(title, entities, 2) == expected


def test_vectors_of_entities_are_read_from_files_and_a_note_says_which_are_not(tmp_path: Path) -> None:
    log, articles = made_up_log(600, seed=3)
    said = {"title": "Bears win again", "entities": '["Bears"]'}
    from_the_start = np.zeros(len(articles.id), np.int64)
    texts = {
        fact: (pa.array([text] * len(articles.id), pa.large_string()), from_the_start) for fact, text in said.items()
    }
    (tmp_path / "transe.vec").write_text("Bears\t1\t2\t3\n")
    told = recommender_of(DKN)(size="tiny", update=None, entity_vectors=str(tmp_path / "transe.vec"))
    done = replay(log, told, Setting(k=5), articles=articles._replace(texts=texts))
    assert done.self_report is not None
    assert [note for note in done.self_report.notes if "is not given" in note] == [
        "context_vectors is not given: DKN does without"
    ]
    assert told.learned is not None
    contents = told.learned.articles.contents(np.arange(1, told.learned.articles.count + 1))
    assert contents.mentions[0].tolist() == [1, 0, 0, 0, 0, 0]
    assert contents.entity_vectors[0, 0].tolist() == [1, 2, 3]
    assert (told.learned.model.title.channels["entity_vectors"].weight.shape) == (TINY.word, 3)

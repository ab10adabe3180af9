"""FIM by its equations, and what is its alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from newsreplay.recommenders.neural.models.fim import FIM, cells_of, seen_of
from newsreplay.recommenders.neural.models.layers import NameTable, WordTable
from newsreplay.recommenders.neural.models.model import TINY, Size
from tests.naive.neural_fim import Naive
from tests.recommenders.neural.models.batches import ARTICLES, WORDS, Batch, build, same, some_batch

#: Cubes at their full size around little else.
PUBLISHED = replace(TINY, title=32, history=50, channels=(32, 16))
SIZES = {
    "shorter than the ladder": TINY,
    "one cell": replace(TINY, title=15, history=17),
    "of one side a cell more": replace(TINY, title=15, history=27),
    "words drop out": replace(TINY, title=22, history=9, channels=(3, 5)),
}


def fim(size: Size = TINY, stirred: bool = True) -> Any:
    """A `FIM`, of which this file knows what parts it has."""
    return build("fim", {}, size, stirred)


def naive_of(model: Any, batch: Batch, size: Size) -> Naive:
    weights = {key: tensor.double().numpy() for key, tensor in model.state_dict().items()}
    contents = {field: ids.numpy() for field, ids in batch.contents.columns.items()}
    return Naive(weights, contents, size.title, size.history)


# --- the equations --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_scores_are_those_of_the_equations(size: Size) -> None:
    model = fim(size)
    torch.manual_seed(2)
    batch = some_batch(FIM, size, readers=4, candidates=6)
    batch.requests.pool[:, 0] = ARTICLES - 1  # which has no title
    requests = batch.requests
    naive = naive_of(model, batch, size)
    pairs = zip(requests.history.numpy(), requests.pool.numpy(), strict=True)
    expected = np.array([naive.scores(history, pool) for history, pool in pairs])
    assert expected[1].std() > 0.1  # the second reader's history is full
    with torch.inference_mode():
        single = model(*batch).numpy()
        double = model.double()(*batch).numpy()
    assert np.abs(double - expected).max() < 1e-12 * np.abs(expected).max()
    assert np.abs(single - expected).max() < 1e-5 * np.abs(expected).max()


def test_cubes_of_the_published_size_shrink_as_published() -> None:
    model = fim(PUBLISHED).double()
    batch = some_batch(FIM, PUBLISHED, readers=2, candidates=1)
    naive = naive_of(model, batch, PUBLISHED)
    history, pool = batch.requests.history.numpy(), batch.requests.pool.numpy()
    assert (history[1] > 0).all()
    expected = naive.scores(history[1], pool[1])
    assert naive.shapes == [(4, 34, 50, 34), (32, 32, 48, 32), (32, 10, 16, 10), (16, 8, 14, 8), (16, 2, 4, 2)]
    with torch.inference_mode():
        assert model(*batch)[1].numpy() == pytest.approx(expected, rel=1e-12)
        levels = model.encode(batch.contents)
        assert model.features(levels[batch.requests.history[1:, -44:]], levels[batch.requests.pool[1:]]).shape == (
            1,
            1,
            256,
        )


@pytest.mark.parametrize(
    ("side", "cells", "seen"),
    [
        (3, 1, 17),
        (16, 1, 17),
        (17, 1, 17),
        (25, 1, 17),
        (26, 2, 26),
        (34, 2, 26),
        (50, 4, 44),
        (52, 4, 44),
        (53, 5, 53),
    ],
)
def test_cells_are_counted_as_convolutions_and_poolings_leave_them(side: int, cells: int, seen: int) -> None:
    assert cells_of(side) == cells
    assert seen_of(side) == seen
    x = torch.zeros(1, 1, max(side, 17))
    for _ in range(2):
        x = functional.max_pool1d(functional.conv1d(x, torch.ones(1, 1, 3)), 3)
    assert x.shape[2] == cells


def test_the_full_size_has_the_published_number_of_weights() -> None:
    """Tables of words and names apart."""
    with torch.device("meta"):
        model = FIM(FIM.sizes["paper"], torch.nn.Identity())
    tables = sum(part.weight.numel() for part in model.modules() if isinstance(part, NameTable))
    assert sum(parameter.numel() for parameter in model.parameters()) - tables == 318_635
    assert model.cubes.features == 256


def test_the_small_size_loses_no_place_to_a_pooling() -> None:
    size = FIM.sizes["small"]
    assert seen_of(size.history) == size.history
    assert seen_of(2 + size.title) == 2 + size.title


# --- what is read, what is offered ----------------------------------------------------------------------


def test_articles_are_zero_where_they_have_no_word() -> None:
    model = fim()
    contents = some_batch(FIM).contents
    words = (contents.title > 0).sum(1)
    for level in model.levels.split(model.encode(contents)):
        there = level.detach().any(-1)
        assert not there[0].any()  # padding
        for row in range(1, ARTICLES):
            assert not there[row, 2 + words[row] :].any()
        assert there[1:, :2].any()


def test_a_reader_who_has_read_nothing_finds_all_candidates_alike() -> None:
    model = fim()
    batch = some_batch(FIM, candidates=8)
    nobody = model(*batch)[0]
    assert torch.equal(nobody, nobody[:1].expand(8))
    other = model(*some_batch(FIM, candidates=8))[0]
    assert torch.equal(other, nobody)


def test_what_is_offered_and_has_no_word_matches_nothing() -> None:
    """Padding, in parts that are padding alone, too."""
    model = fim()
    batch = some_batch(FIM, candidates=4)
    batch.requests.pool[3] = 0
    scores = model(*batch)
    assert same(scores[3], scores[0])
    assert same(model(*batch.rows([3]))[0], scores[0])


def test_only_the_newest_reads_fill_the_cells() -> None:
    """44 of the published 50; poolings drop the others."""
    size = replace(PUBLISHED, channels=(4, 4))
    model = fim(size)
    batch = some_batch(FIM, size).rows([1])
    history = batch.requests.history
    assert history.all()

    def changed(place: int) -> bool:
        other = history.clone()
        other[0, place] = history[0, place] % (ARTICLES - 1) + 1
        return not torch.equal(model(*batch.but(history=other)), model(*batch))

    assert not any(changed(place) for place in range(6))
    assert any(changed(place) for place in range(6, 15))
    assert any(changed(place) for place in range(44, 50))


def test_how_the_work_is_split_changes_no_score() -> None:
    """More pairs than are worked on at once, of many readers and of many candidates."""
    size = replace(TINY, title=15, history=17)
    model = fim(size)
    batch = some_batch(FIM, size, readers=40, candidates=5)
    wide = batch.candidates([0, 1, 2, 3, 4] * 40).rows([1, 2])
    with torch.inference_mode():
        scores, many = model(*batch), model(*wide)
        for row in (1, 20, 39):
            assert same(model(*batch.rows([row]))[0], scores[row])
    assert same(many, scores[1:3].repeat(1, 40))


def test_candidates_in_another_order_have_their_scores_across_parts() -> None:
    size = replace(TINY, title=15, history=17)
    model = fim(size)
    batch = some_batch(FIM, size, candidates=ARTICLES - 1)
    order = torch.randperm(230) % (ARTICLES - 1)
    with torch.inference_mode():
        assert same(model(*batch.candidates(order.tolist())), model(*batch)[:, order])


def test_training_scores_what_answers_do() -> None:
    """It takes readers by length and leaves nothing out."""
    size = replace(TINY, title=15, history=17, dropout=0.0)
    model = fim(size)
    batch = some_batch(FIM, size, readers=19)
    batch.requests.pool[4, 2:] = 0
    kept = model(*batch)
    for part in model.modules():
        if isinstance(part, NameTable):
            part.unknown = 0.0
    assert same(model.train()(*batch), kept)


def test_levels_reach_as_far_as_their_dilations() -> None:
    """One, three and six places on, from what stands beside a word to half a title."""
    model = FIM(replace(TINY, title=24), WordTable(WORDS, TINY.word)).eval()
    for norm in model.levels.norms:  # which looks at all places
        norm.forward = lambda x: x
    x = torch.randn(1, 26, TINY.word)
    mask = torch.ones(1, 26, dtype=torch.bool)
    other = x.clone()
    other[0, 12] += 100 * torch.randn(TINY.word)
    levels = zip(*(model.levels.split(model.levels(some, mask)) for some in (x, other)), strict=True)
    reach = [(one != two).any(-1)[0].nonzero().squeeze(-1) - 12 for one, two in levels]
    assert [(int(far.min()), int(far.max())) for far in reach] == [(0, 0), (-1, 1), (-3, 3), (-6, 6)]

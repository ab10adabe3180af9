"""GLORY by its equations, and the graph of entities that it is told of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.neural.learning.neighbourhoods import linked_most
from newsreplay.recommenders.neural.models.glory import GLORY
from newsreplay.recommenders.neural.models.model import TINY, Around, Graph
from newsreplay.recommenders.neural.recommenders import recommender_of
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from tests.naive import neural_glory as naive
from tests.naive.neural_aware import weights
from tests.recommenders.neural.models.batches import ARTICLES, build, same, some_batch

LOG, MADE_UP = made_up_log(1_000, seed=3)


def with_entities() -> Any:
    """The articles of `LOG`, each with two of seven entities."""
    rng = np.random.default_rng(1)
    some = [f'["E{a}", "E{b}"]' for a, b in rng.integers(0, 7, (len(MADE_UP.id), 2))]
    from_the_start = np.zeros(len(some), np.int64)
    return MADE_UP._replace(texts=MADE_UP.texts | {"entities": (pa.array(some, pa.large_string()), from_the_start)})


@pytest.mark.parametrize("seed", [2, 3])
def test_scores_are_those_of_the_equations(seed: int) -> None:
    model = build("glory", {}).double()
    torch.manual_seed(seed)
    batch = some_batch(GLORY, candidates=ARTICLES - 1)
    rng = np.random.default_rng(seed)
    before = [[]] + [rng.choice(np.arange(1, ARTICLES), rng.integers(0, 4), replace=False).tolist() for _ in range(23)]
    near = [[]] + [rng.integers(2, TINY.names, rng.integers(0, 5)).tolist() for _ in range(23)]
    nodes = torch.tensor([[*rows, 0, 0, 0][:3] for rows in before])
    entities = torch.tensor([[[*rows, 0, 0, 0, 0][:4]] for rows in near])
    vectors = model.encode(batch.contents)
    for hop in (1, 2, 3):
        around = Around(model.neighbour(vectors)[nodes], (nodes > 0).float(), nodes > 0, hop, entities)
        vectors = model.spread(vectors, around)
    found = model.scores(vectors, batch.requests)[1].detach().numpy()
    contents = {name: column.numpy() for name, column in batch.contents.columns.items()}
    expected = naive.scores(weights(model), TINY, contents, before, near, batch.requests)
    assert np.abs(expected).max() > 0.1
    assert np.abs(found - expected).max() < 1e-9


def test_what_was_read_just_before_changes_reads_and_neighbours_of_entities_candidates() -> None:
    model = build("glory", {})
    vectors = model.encode(some_batch(GLORY).contents)
    none = torch.zeros(ARTICLES, 1, dtype=torch.bool)

    def spread(nodes: torch.Tensor, entity: int) -> tuple[torch.Tensor, torch.Tensor]:
        entities = torch.full((ARTICLES, 1, 1), entity)
        around = Around(nodes.unsqueeze(1), torch.ones(ARTICLES, 1), ~none, 1, entities)
        after = model.spread(vectors, around)
        return model.reading(after), model.offer(after)

    some = model.neighbour(vectors)
    (read, offered), (read_on, offered_alike), (read_alike, offered_on) = (
        spread(some, 5),
        spread(some.roll(1, 0), 5),
        spread(some, 6),
    )
    assert same(offered_alike, offered)
    assert same(read_alike, read)
    assert not same(read_on, read)
    assert not same(offered_on, offered)


def test_entities_are_neighbours_of_those_they_are_linked_with_most() -> None:
    rng = np.random.default_rng(0)
    one, other, often = rng.integers(0, 9, 200), rng.integers(0, 9, 200), rng.integers(1, 4, 200)
    expected = naive.linked_most(zip(one.tolist(), other.tolist(), often.tolist(), strict=True), 4)
    halves = [(one[part], other[part], often[part]) for part in (slice(70), slice(70, None))]
    for parts in ([(one, other, often)], halves, [(other, one, often)]):
        found = linked_most(parts, 9, 4)
        assert [[node for node in row if node] for row in found.tolist()] == [expected.get(row, []) for row in range(9)]
    assert not linked_most([], 9, 4).any()


def test_entities_stand_around_one_another_as_reads_of_the_last_snapshot_link_them() -> None:
    recommender = recommender_of(GLORY)(size="tiny", update="every(hours=12)")
    replay(LOG, recommender, Setting(k=5), articles=with_entities())
    learned = recommender.learned
    assert learned is not None
    assert learned.neighbours is not None
    learned.look_around()
    slots = np.arange(1, learned.articles.count + 1)
    names = learned.articles.contents(slots).entities
    near = learned.neighbours.of(slots)
    links = [
        (one, other, weight)
        for slot in range(len(slots))
        for node, weight in zip(near.nodes[slot].tolist(), near.weights[slot].tolist(), strict=True)
        if node
        for one in names[slot].tolist()
        for other in names[node - 1].tolist()
    ]
    expected = naive.linked_most(links, 10)
    assert len(expected) > 4
    assert near.entities is not None
    for own, around in zip(names.tolist(), near.entities.tolist(), strict=True):
        assert [[row for row in rows if row] for rows in around] == [expected.get(name, []) for name in own]

    # What was kept of articles is what is made of them anew.
    with torch.inference_mode():
        learned.scorer.cache.ensure(slots)
        closure = learned.neighbours.closure(slots)
        vectors = closure.spread(learned.model, learned.model.encode(learned.articles.contents(closure.slots)))
        torch.testing.assert_close(learned.scorer.cache.offer[slots], learned.model.offer(vectors))


def test_new_links_between_entities_are_seen_in_articles_whose_own_edges_are_as_they_were() -> None:
    recommender = recommender_of(GLORY)(size="tiny", update=None, warmup="1d")
    replay(LOG, recommender, Setting(k=5), articles=with_entities())
    learned = recommender.learned
    assert learned is not None
    around = learned.neighbours
    assert around is not None
    known = np.arange(1, learned.articles.count + 1)
    around.refresh()
    assert not len(around.refresh())
    around.near[:] = 0  # as if nothing had been linked
    names = learned.articles.contents(known).entities.numpy()
    assert around.refresh().tolist() == known[(around.near[names] > 0).any((1, 2))].tolist() != []


@pytest.mark.slow
def test_overwriting_the_future_of_articles_with_entities_changes_no_bit_of_an_answer() -> None:
    [entry] = start_list("glory(size=tiny, update=every(hours=12))")
    verdict = check_entry(entry, log=LOG, articles=with_entities(), cuts=3, k=5, apart=False)
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize(("kind", "entities"), [("readers", 3), ("next_read", -1)])
def test_neighbours_of_entities_that_cannot_be_are_refused(kind: Any, entities: int) -> None:
    with pytest.raises(ValueError, match="entities is"):
        Graph(kind, entities=entities)

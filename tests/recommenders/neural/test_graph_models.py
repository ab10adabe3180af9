"""Models that are told who stands around an article: blind, exact, and the same between two snapshots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from newsreplay.log.rows import IMPRESSION, READ
from newsreplay.neural import TITLE, Around, Contents, Graph, NewsModel, Read, Size, layers, recommender_of
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.neural.learned import Learned
from newsreplay.recommenders.neural.learning.samples import Samples
from newsreplay.recommenders.neural.models.model import Columns, Inputs
from newsreplay.recommenders.neural.recommender import Neural
from newsreplay.recommenders.neural.stream.state import Captures, StreamRows
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import Replayed

LOG, ARTICLES = made_up_log(1_000, seed=3)
K, ROOM = 3, 200  # room for all edges: their counts are exact


class Neighbourly(NewsModel):
    """Titles' mean words, a reader's mean reads; what stands around an article is added by a share that is learned."""

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        self.words = words
        self.users = layers.NameTable(size.users, size.word)
        self.share = nn.Parameter(torch.tensor(0.5))

    def encode(self, contents: Contents) -> Tensor:
        real = (contents.title > 0).unsqueeze(-1)
        return 1 + (self.words(contents.title) * real).sum(1) / real.sum(1).clamp(min=1)

    def spread(self, vectors: Tensor, around: Around) -> Tensor:
        weights = around.weights.unsqueeze(-1)
        nodes = around.nodes if around.nodes.is_floating_point() else self.users(around.nodes)
        return vectors + self.share * (weights * nodes).sum(1) / weights.sum(1).clamp(min=1)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        real = read.mask.unsqueeze(-1)
        return ((read.vectors * real).sum(1) / real.sum(1).clamp(min=1),)


class OneHop(Neighbourly):
    graph = Graph("next_read", K, ROOM)


class TwoHops(Neighbourly):
    graph = Graph("next_read", K, ROOM, hops=2)


class Readers(Neighbourly):
    graph = Graph("readers", K, ROOM)


MODELS = (OneHop, TwoHops, Readers)


class Snapshot:
    """Neighbours by article, most often used first, of equal ones that used last; counted from the log."""

    def __init__(self, kind: str, before: int):
        uses: dict[int, Counter[int]] = {}
        last: dict[tuple[int, int], int] = {}
        newest: dict[int, int] = {}
        for row in np.flatnonzero(LOG.kind[:before] == READ).tolist():
            item, user = int(LOG.item[row]), int(LOG.user[row])
            node = newest.get(user, item) if kind == "next_read" else user
            newest[user] = item
            if node != item or kind == "readers":
                uses.setdefault(item, Counter())[node] += kind == "next_read" or 1 - uses[item][node]
                last[item, node] = row
        self.of = {
            item: sorted(nodes.items(), key=lambda use: (-use[1], -last[item, use[0]]))[:K]
            for item, nodes in uses.items()
        }


def from_scratch(learned: Learned, snapshot: Snapshot) -> Tensor:
    """Vectors of all articles, by slot."""
    model, articles = learned.model, learned.articles
    slots = np.arange(articles.count + 1)
    vectors = model.encode(articles.contents(slots))
    assert model.graph is not None
    for _ in range(model.graph.hops):
        after = [vectors[0]]
        for slot in slots[1:].tolist():
            near = snapshot.of.get(int(articles.items(np.array([slot]))[0]), [])
            nodes = np.array([node for node, _ in near], np.int64)
            if model.graph.kind == "next_read":
                told = vectors[articles.slots(nodes)]
            else:
                told = torch.from_numpy(learned.trainer.users_of(nodes))
            weights = torch.tensor([float(count) for _, count in near])
            mask = torch.ones(1, len(near), dtype=torch.bool)
            after.append(model.spread(vectors[slot][None], Around(told[None], weights[None], mask))[0])
        vectors = torch.stack(after)
    return vectors


def made(model: type[NewsModel], **parameters: Any) -> Neural:
    recommender: Neural = recommender_of(model)(size="tiny", **{"update": "every(hours=12)", **parameters})
    return recommender


def answered(recommender: Neural, **options: Any) -> Replayed:
    return replay(LOG, recommender, Setting(k=5, **options), articles=ARTICLES)


@pytest.mark.parametrize("model", MODELS)
def test_overwriting_the_future_changes_no_bit_of_an_answer(model: type[NewsModel]) -> None:
    [entry] = start_list([made(model)])
    verdict = check_entry(entry, log=LOG, articles=ARTICLES, cuts=3, k=5, apart=False)
    assert verdict.cuts == 3
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize("model", MODELS)
def test_every_answer_is_that_of_the_last_snapshot_worked_out_from_scratch(model: type[NewsModel]) -> None:
    assert model.graph is not None
    kind = model.graph.kind

    class Watched(type(made(model))):  # type: ignore[misc]
        row, checked, taken = 0, 0, Snapshot(kind, 0)

        def _before(self, event: Any) -> None:
            self.row = event.row
            super()._before(event)

        def _train_when_due(self, now: int) -> None:
            super()._train_when_due(now)
            if self.learned is not None:
                self.taken = Snapshot(kind, self.row)

        def _answer(self, learned: Learned, captures: Captures) -> None:
            waiting = dict(self.deferred)
            super()._answer(learned, captures)
            learned.model.eval()
            with torch.inference_mode():
                vectors = from_scratch(learned, self.taken)
                for number in np.flatnonzero(captures.kind == IMPRESSION).tolist():
                    scores = scores_of(learned, vectors, captures, number)
                    answer = waiting[int(captures.row[number]), False][0].answer
                    np.testing.assert_allclose(answer, scores.numpy(), rtol=1e-5, atol=1e-5)
                    self.checked += 1

    watched = Watched(size="tiny", update="every(hours=12)")
    done = answered(watched)
    assert done.self_report is not None
    assert len(done.self_report.rounds) > 3
    assert watched.checked > 20
    assert sum(len(near) for near in watched.taken.of.values()) > 100


def scores_of(learned: Learned, vectors: Tensor, captures: Captures, number: int) -> Tensor:
    """What the model says of a request's candidates, given vectors by slot."""
    places = slice(captures.at[number], captures.at[number] + captures.shown[number])
    none = Columns((), torch.zeros(1, 1, 0))
    requests = Inputs(
        torch.from_numpy(learned.articles.slots(captures.history[number]))[None],
        torch.from_numpy(learned.articles.slots(captures.item[places]))[None],
        none,
        Columns(learned.scorer.signals, torch.from_numpy(captures.signals[places])[None]),
        none,
        none,
        torch.from_numpy(learned.trainer.users_of(captures.user[number : number + 1])),
    )
    return learned.model.scores(vectors, requests)[1][0]


def test_answers_one_by_one_are_those_of_a_batch() -> None:
    late, prompt = answered(made(TwoHops)), answered(made(TwoHops), timed=True)
    assert late.scores is not None
    assert prompt.scores is not None
    np.testing.assert_allclose(late.scores, prompt.scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_a_read_changes_vectors_after_the_next_snapshot_and_those_that_hang_on_it_alone(model: type[NewsModel]) -> None:
    recommender = made(model)
    answered(recommender)
    learned = recommender.learned
    assert learned is not None
    cache, slots = learned.scorer.cache, np.arange(1, learned.articles.count + 1)

    def looked_up() -> tuple[Tensor, int, int]:
        encoded, spread = cache.encoded, cache.spread
        with torch.inference_mode():
            cache.ensure(slots)
        return cache.offer[slots].clone(), cache.encoded - encoded, cache.spread - spread

    learned.look_around()
    before, *_ = looked_up()
    item, other = LOG.item[LOG.kind == READ][-2:].tolist()
    # A reader whose row is their own, and who has read neither.
    reader = int(np.setdiff1d(np.flatnonzero(learned.trainer.met), LOG.user[np.isin(LOG.item, [item, other])])[0])
    recommender.stream.advance(reads_of(reader, [other, item] * 5))
    same, *costs = looked_up()
    assert torch.equal(before, same)
    assert costs == [0, 0]

    learned.look_around()
    after, encoded, spread = looked_up()
    changed = set((1 + np.flatnonzero((before != after).any(1).numpy())).tolist())
    touched = set(learned.articles.slots(np.array([item, other])).tolist())
    assert encoded == 0  # what they say is as it was
    assert neighbours_of(learned, touched) >= changed
    assert changed & touched
    assert spread == len(touched) + (len(neighbours_of(learned, touched)) if model is TwoHops else 0)


def neighbours_of(learned: Learned, slots: set[int]) -> set[int]:
    """These articles, and those that one of them is a neighbour of."""
    assert learned.neighbours is not None
    if learned.neighbours.readers:
        return slots
    everything = range(1, learned.articles.count + 1)
    near = {slot: set(learned.neighbours.of(np.array([slot])).nodes[0].tolist()) for slot in everything}
    return slots | {slot for slot in everything if near[slot] & slots}


def reads_of(user: int, items: list[int]) -> StreamRows:
    """One reader's reads after the end of the log."""
    count = len(items)
    reader = np.full(count, user, np.int32)
    return StreamRows(
        LOG.time[-1] + np.arange(count),
        np.full(count, READ, np.uint8),
        reader,
        reader,
        np.array(items, np.int32),
        len(LOG.time) + np.arange(count),
        np.zeros(count + 1, np.int64),
        np.zeros(0, np.int32),
        np.zeros(0, bool),
    )


def test_new_contents_reach_as_far_as_the_hops() -> None:
    recommender = made(TwoHops)
    answered(recommender)
    learned = recommender.learned
    assert learned is not None
    cache, slots = learned.scorer.cache, np.arange(1, learned.articles.count + 1)
    changed = int(learned.articles.slots(LOG.item[LOG.kind == READ][-1:])[0])
    with torch.inference_mode():
        cache.ensure(slots)
        cache.forget(np.array([changed]))
    assert set(slots[cache.stale(slots)].tolist()) == neighbours_of(learned, neighbours_of(learned, {changed}))


@pytest.mark.parametrize("model", MODELS)
def test_a_batchs_articles_have_their_vectors_from_scratch(model: type[NewsModel]) -> None:
    recommender = made(model)
    answered(recommender)
    learned = recommender.learned
    assert learned is not None
    assert learned.neighbours is not None
    learned.look_around()
    learned.model.eval()
    assert model.graph is not None
    some = np.array([0, 5, 9, 30])
    closure = learned.neighbours.closure(some)
    assert closure.slots[:4].tolist() == some.tolist()
    assert len(np.unique(closure.slots)) == len(closure.slots)
    with torch.inference_mode():
        vectors = closure.spread(learned.model, learned.model.encode(learned.articles.contents(closure.slots)))
        expected = from_scratch(learned, Snapshot(model.graph.kind, len(LOG.time)))
    torch.testing.assert_close(vectors[1:], expected[some[1:]])


def test_no_click_that_is_trained_on_is_an_edge_of_the_snapshot_that_training_sees() -> None:
    class Watched(type(made(OneHop))):  # type: ignore[misc]
        last = trainings = reports = 0

        def visible(self) -> Any:
            return self.graph.neighbours(np.arange(LOG.item.max() + 1))[1]

        def _train_when_due(self, now: int) -> None:
            self.before = self.visible()
            super()._train_when_due(now)
            taken = not np.array_equal(self.visible(), self.before)
            assert taken or self.learned is None  # too little to train on
            self.last = now if taken else self.last

        def _keep(self, samples: Samples) -> None:
            assert samples.time.min() >= self.last > 0
            self.trainings += 1
            super()._keep(samples)

        def report(self, line: str) -> None:
            assert np.array_equal(self.visible(), self.before), line
            self.reports += 1

    watched = Watched(size="tiny", update="every(hours=12)", warmup="30h")
    answered(watched, report=watched.report)
    assert watched.reports > watched.trainings > 1
    assert len(watched.reservoir.kept.time) == 0
    assert watched.learned is not None
    assert watched.learned.model.share.item() != 0.5


def test_a_model_that_is_never_trained_again_still_sees_the_graph_grow(tmp_path: Any) -> None:
    trained = made(OneHop)
    answered(trained)
    trained.save_weights(tmp_path / "weights")
    for frozen in (made(OneHop, update=None), made(OneHop, update=None, weights=str(tmp_path / "weights"))):
        assert np.isfinite(answered(frozen).scores).any()
        assert frozen.graph is not None
        last_hour = np.searchsorted(LOG.time, LOG.time[-1] - 3_600_000)
        expected = Snapshot("next_read", int(last_hour)).of
        nodes, _ = frozen.graph.neighbours(np.arange(LOG.item.max() + 1))
        assert (nodes >= 0).sum() >= sum(len(near) for near in expected.values())


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: Graph("friends"), "not of 'friends'"),  # type: ignore[arg-type]
        (lambda: Graph("readers", neighbours=9, room=8), "room"),
        (lambda: Graph("readers", hops=0), "hops"),
    ],
)
def test_graphs_that_cannot_be_are_refused(declare: Callable[[], Graph], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        declare()


def test_a_model_without_a_graph_links_nothing() -> None:
    class Plain(Neighbourly):
        fields = (TITLE,)

    recommender = made(Plain)
    answered(recommender)
    assert recommender.graph is None
    assert recommender.stream._state.graph.nodes.size == 0

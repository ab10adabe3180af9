"""The graph of reads: equal to a recount, bounded, and blind to what comes after a refresh."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsreplay.kernels.compiling import compiled, int64
from newsreplay.recommenders.neural.stream.graph import NEXT_READ, READERS, ReadGraph, link, snapshot
from tests.naive import neural_graph as naive
from tests.naive.neural_graph import Neighbour, Read

USERS, ITEMS = 4, 6
KINDS = {"next_read": NEXT_READ, "readers": READERS}
ALICE, BOB, CAROL, DAVE = range(4)


@compiled
def link_all(graph: Any, newest: Any, users: Any, items: Any) -> None:
    """What a stream does at its reads; `newest` has the last article of every reader."""
    for i in range(users.size):
        user, item = int64(users[i]), int64(items[i])
        link(graph, int64(newest[user]), user, item)
        newest[user] = item


class Walk:
    """A graph and the readers that it is fed by."""

    def __init__(self, kind: str, neighbours: int = 2, room: int = 3, before: int = -1) -> None:
        self.graph = ReadGraph(KINDS[kind], neighbours, room)
        self._newest = np.full(USERS, before, np.int32)

    def read(self, reads: Sequence[Read]) -> None:
        users, items = np.array(reads, np.int32).reshape(-1, 2).T
        self.graph.make_room(1 + int(items.max(initial=-1)))
        link_all(self.graph.state, self._newest, users, items)

    def visible(self, articles: int = ITEMS) -> list[list[Neighbour]]:
        nodes, weights = self.graph.neighbours(np.arange(articles))
        return [as_list(*row) for row in zip(nodes, weights, strict=True)]


def as_list(nodes: Any, weights: Any) -> list[Neighbour]:
    """A row of a snapshot without the places behind its last neighbour."""
    count = int((nodes >= 0).sum())
    assert (nodes[count:] == -1).all()
    assert (weights[count:] == 0).all()
    return list(zip(nodes[:count].tolist(), weights[:count].tolist(), strict=True))


def recount(kind: str, reads: Sequence[Read], neighbours: int, room: int) -> list[list[Neighbour]]:
    return [naive.neighbours(kind, reads, item, neighbours, room) for item in range(ITEMS)]


def walked(kind: str, reads: Sequence[Read], neighbours: int = 2, room: int = 3) -> list[list[Neighbour]]:
    walk = Walk(kind, neighbours, room)
    walk.read(reads)
    walk.graph.refresh()
    return walk.visible()


kinds = st.sampled_from(list(KINDS))
stories = st.lists(st.builds(Read, st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), max_size=40)
cuts = st.lists(st.integers(0, 40), max_size=4).map(sorted)
sizes = st.tuples(st.integers(1, 5), st.integers(0, 3)).map(lambda size: (size[0], sum(size)))  # neighbours, room


def stretches(reads: Sequence[Read], ends: Sequence[int]) -> list[list[Read]]:
    return [list(reads[begin:end]) for begin, end in pairwise([0, *ends, len(reads)])]


# --- what counts ----------------------------------------------------------------------------------------


def test_an_edge_is_counted_each_time_that_a_reader_of_one_article_reads_the_other_next() -> None:
    reads = [
        Read(ALICE, 1), Read(BOB, 1), Read(CAROL, 2), Read(ALICE, 3), Read(BOB, 3), Read(CAROL, 3), Read(BOB, 1),
    ]  # fmt: skip
    assert walked("next_read", reads) == [[], [(3, 1)], [], [(1, 2), (2, 1)], [], []]


def test_of_equally_many_the_edge_used_last_comes_first() -> None:
    reads = [Read(ALICE, 1), Read(ALICE, 3), Read(BOB, 2), Read(BOB, 3)]
    assert walked("next_read", reads)[3] == [(2, 1), (1, 1)]
    again = [*reads, Read(BOB, 2), Read(BOB, 3), Read(CAROL, 1), Read(CAROL, 3)]
    assert walked("next_read", again)[3] == [(1, 2), (2, 2)]


def test_an_article_read_twice_in_a_row_is_no_next_read_but_its_reader_is_its_newest() -> None:
    reads = [Read(ALICE, 1), Read(BOB, 1), Read(ALICE, 1)]
    assert walked("next_read", reads)[1] == []
    assert walked("readers", reads)[1] == [(ALICE, 1), (BOB, 1)]


@pytest.mark.parametrize("before", [-1, -2, -7])
def test_nothing_leads_to_a_read_after_what_the_log_does_not_hold(before: int) -> None:
    walk = Walk("next_read", before=before)
    walk.read([Read(ALICE, 0)])
    assert walk.graph.refresh().size == 0


def test_a_new_edge_takes_the_place_of_the_weakest_and_continues_its_count() -> None:
    reads = [Read(ALICE, 0), Read(ALICE, 5), Read(ALICE, 0), Read(ALICE, 5), Read(BOB, 1), Read(BOB, 5)]
    assert walked("next_read", reads, neighbours=2, room=2)[5] == [(0, 2), (1, 1)]
    reads += [Read(CAROL, 2), Read(CAROL, 5)]
    assert walked("next_read", reads, neighbours=2, room=2)[5] == [(2, 2), (0, 2)]
    reads += [Read(DAVE, 3), Read(DAVE, 5)]
    assert walked("next_read", reads, neighbours=2, room=2)[5] == [(3, 3), (2, 2)]


@given(kinds, stories, sizes)
def test_the_kernels_agree_with_a_recount(kind: str, reads: list[Read], size: tuple[int, int]) -> None:
    assert walked(kind, reads, *size) == recount(kind, reads, *size)


@given(stories)
def test_with_room_for_all_edges_counts_are_exact(reads: list[Read]) -> None:
    for item, found in enumerate(walked("next_read", reads, ITEMS, ITEMS)):
        assert dict(found) == Counter(node for _, node in naive.read_before(reads, item))


@given(stories, st.integers(1, 4))
def test_no_count_is_too_high_by_more_than_the_bound_and_no_frequent_edge_is_lost(reads: list[Read], room: int) -> None:
    for item, found in enumerate(walked("next_read", reads, room, room)):
        true = Counter(node for _, node in naive.read_before(reads, item))
        bound = true.total() / room
        assert {node for node, count in true.items() if count > bound} <= dict(found).keys()
        assert all(true[node] <= count <= true[node] + bound for node, count in found)
        assert sum(count for _, count in found) == true.total()


@given(kinds, stories, sizes)
def test_an_article_keeps_no_more_edges_than_there_is_room_for(
    kind: str, reads: list[Read], size: tuple[int, int]
) -> None:
    walk = Walk(kind, *size)
    for read in reads:
        walk.read([read])
    state = walk.graph.state
    assert state.nodes.shape == state.counts.shape == (state.linked.size, size[1])
    assert state.linked.size < 2 * ITEMS


# --- what is visible ------------------------------------------------------------------------------------


@given(kinds, stories, cuts, st.booleans())
def test_where_stretches_are_cut_and_refreshed_changes_nothing(
    kind: str, reads: list[Read], ends: list[int], refreshed: bool
) -> None:
    walk = Walk(kind)
    for stretch in stretches(reads, ends):
        walk.read(stretch)
        if refreshed:
            walk.graph.refresh()
    walk.graph.refresh()
    assert walk.visible() == walked(kind, reads)


@given(kinds, stories, stories)
def test_what_comes_after_a_refresh_is_not_seen_before_the_next(
    kind: str, reads: list[Read], later: list[Read]
) -> None:
    walk = Walk(kind)
    walk.read(reads)
    walk.graph.refresh()
    walk.read(later)
    assert walk.visible() == walked(kind, reads)
    walk.graph.refresh()
    assert walk.visible() == walked(kind, reads + later)


@given(kinds, stories, cuts)
def test_a_refresh_returns_the_articles_whose_row_differs(kind: str, reads: list[Read], ends: list[int]) -> None:
    walk, every = Walk(kind), np.arange(ITEMS)
    for stretch in stretches(reads, ends):
        before = walk.visible()
        walk.read(stretch)
        changed = walk.graph.refresh()
        differing = [item for item in every if walk.visible()[item] != before[item]]
        assert changed.tolist() == differing
        assert walk.graph.refresh().size == 0


def test_an_article_whose_row_is_what_it_was_has_not_changed() -> None:
    walk = Walk("readers")
    walk.read([Read(ALICE, 0), Read(BOB, 0)])
    assert walk.graph.refresh().tolist() == [0]
    walk.read([Read(ALICE, 0), Read(BOB, 0)])
    assert walk.graph.refresh().tolist() == []
    walk.read([Read(ALICE, 0)])
    assert walk.graph.refresh().tolist() == [0]


def test_new_articles_and_handles_have_no_neighbours() -> None:
    walk = Walk("readers")
    walk.read([Read(BOB, 0)])
    walk.graph.refresh()
    walk.read([Read(BOB, 3)])
    items = np.array([[0, -1, -4], [3, 1, 1000]])
    nodes, weights = walk.graph.neighbours(items)
    assert nodes.dtype == np.int32
    assert weights.dtype == np.float32
    assert nodes.tolist() == [[[BOB, -1], [-1, -1], [-1, -1]], [[-1, -1]] * 3]
    assert weights.tolist() == [[[1, 0], [0, 0], [0, 0]], [[0, 0]] * 3]


def test_what_was_looked_up_stays_as_it_was() -> None:
    walk = Walk("readers")
    walk.read([Read(BOB, 0)])
    walk.graph.refresh()
    nodes, _ = walk.graph.neighbours(np.array([0]))
    walk.read([Read(ALICE, 0)])
    walk.graph.refresh()
    assert nodes.tolist() == [[BOB, -1]]


def test_a_snapshot_is_of_the_articles_asked_for_as_of_now() -> None:
    walk = Walk("next_read")
    walk.read([Read(ALICE, 2), Read(ALICE, 1), Read(BOB, 2), Read(BOB, 1)])
    nodes, weights = snapshot(walk.graph.state, np.array([2, 1]), 1)
    assert nodes.tolist() == [[-1], [2]]
    assert weights.tolist() == [[0], [2]]


@pytest.mark.parametrize(("neighbours", "room"), [(0, 4), (5, 4)])
def test_a_graph_needs_room_for_its_neighbours(neighbours: int, room: int) -> None:
    with pytest.raises(ValueError, match=f"room is {room}, but there must be room for {neighbours} neighbours"):
        ReadGraph(NEXT_READ, neighbours, room)

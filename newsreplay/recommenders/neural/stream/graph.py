"""A graph of articles that grows with the reads, its neighbourhoods bounded, visible as of the last refresh.

It is of one of two kinds:

- `NEXT_READ`: an edge a -> b is counted each time that a reader of a reads b next. The neighbours of b are the a with
  the highest counts; among equal counts, the edge used last comes first. GLORY (Yang et al. 2023) has such a graph.
- `READERS`: the neighbours of an article are its last distinct readers, newest first. CROWN (Ko et al. 2025) has such
  a graph.

**Bounded.** An article keeps `room` edges at most. If all places are taken, a new edge of `READERS` replaces the one
used longest ago. One of `NEXT_READ` replaces the one with the lowest count, among equal counts that used longest ago,
and continues its count: this is Space-Saving (Metwally et al. 2005, section 3). With counts that begin at 1, new edges
would replace one another in the last place, and none could rise among those with high counts. Of n reads counted for
an article, an edge used more than n / room times is always kept, and its count exceeds the true one by n / room at
most; with room for all edges, counts are exact. An empty place is an edge with count 0, so filling the places needs no
rule of its own.

**Causal.** Reads change the state at once, but what models see is a snapshot, taken between stretches of the log. It
depends on the reads before it and their order alone, not on where stretches were cut or when snapshots were taken.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import compiled, int64, kernel
from newsreplay.log.growing import with_room
from newsreplay.log.rows import Column
from newsreplay.recommenders.neural.stream.state import NONE

NEXT_READ, READERS = range(2)  #: kinds of graphs
KINDS = {"next_read": NEXT_READ, "readers": READERS}  #: by the name that models call them


class GraphState(NamedTuple):
    """The edges kept, by the article that they lead to, those used last first."""

    kind: int  # `NEXT_READ` or `READERS`
    nodes: Column  # int32[articles, room], where an edge comes from: an article or a reader, NONE = empty
    counts: Column  # int32[articles, room], how often it was used; 1 for readers, 0 = empty
    linked: Column  # bool[articles], whether an edge was used since the last refresh


def empty_graph(kind: int, room: int) -> GraphState:
    """A graph without articles."""
    return GraphState(kind, np.empty((0, room), np.int32), np.empty((0, room), np.int32), np.empty(0, bool))


@kernel
def link(graph: Any, previous: int, user: int, item: int) -> None:
    """Use the edge of a read, in O(room); to be called before the read enters its reader's history.

    `previous` is the newest article of that history, below 0 = none. A graph without room has no edges.
    """
    if graph.nodes.shape[1] == 0:
        return
    from_reader = graph.kind == READERS
    node = previous
    if from_reader:
        node = user
    elif previous < 0 or previous == item:
        return
    nodes, counts = graph.nodes[item], graph.counts[item]
    place = int64(0)  # of the edge, or of the one that it replaces
    for i in range(nodes.size):
        if counts[i] <= counts[place]:
            place = i
        if nodes[i] == node:
            place = i
            break
    count = counts[place] + 1
    if from_reader:
        count = 1
    for i in range(place, 0, -1):
        nodes[i] = nodes[i - 1]
        counts[i] = counts[i - 1]
    nodes[0] = node
    counts[0] = count
    graph.linked[item] = True


def snapshot(graph: GraphState, items: Column, neighbours: int) -> tuple[Column, Column]:
    """The neighbours of articles as of now, in the order that the kind of graph says.

    Returns node codes, int32[items, neighbours], `NONE` behind the last, and weights, float32[items, neighbours]:
    counts, 1 for readers, 0 behind. `items` are int64 codes of articles that have room.
    """
    nodes = np.full((items.size, neighbours), NONE, np.int32)
    counts = np.zeros((items.size, neighbours), np.int32)
    _choose(graph, items, nodes, counts)
    return nodes, counts.astype(np.float32)


@compiled
def _choose(graph: Any, items: Any, nodes: Any, counts: Any) -> None:
    """Insert edges one by one, last used first, behind those with the same count or more."""
    room, neighbours = graph.nodes.shape[1], nodes.shape[1]
    for i in range(items.size):
        item = items[i]
        for edge in range(room):
            count = graph.counts[item, edge]
            if count <= counts[i, neighbours - 1]:  # empty, or behind as many as are asked for
                continue
            place = neighbours - 1
            while place > 0 and counts[i, place - 1] < count:
                nodes[i, place] = nodes[i, place - 1]
                counts[i, place] = counts[i, place - 1]
                place -= 1
            nodes[i, place] = graph.nodes[item, edge]
            counts[i, place] = count


class ReadGraph:
    """A graph of either kind, and its last snapshot, of `neighbours` an article.

    Raises `ValueError` where fewer edges are kept than neighbours are asked for, or none are.
    """

    def __init__(self, kind: int, neighbours: int, room: int) -> None:
        if not 1 <= neighbours <= room:
            raise ValueError(f"room is {room}, but there must be room for {neighbours} neighbours, 1 at least")
        self.state = empty_graph(kind, room)  #: for kernels; replaced by `make_room`
        self._neighbours = neighbours
        self._nodes, self._weights = snapshot(self.state, np.empty(0, np.int64), neighbours)

    def make_room(self, articles: int) -> None:
        """Have room for the articles below `articles`; to be called before reads of them are linked."""
        state = self.state
        if articles <= state.linked.size:
            return
        self.state = state._replace(
            nodes=with_room(state.nodes, articles, NONE),
            counts=with_room(state.counts, articles, 0),
            linked=with_room(state.linked, articles, 0),
        )
        self._nodes = with_room(self._nodes, articles, NONE)
        self._weights = with_room(self._weights, articles, 0)

    def refresh(self) -> Column:
        """Take the snapshot anew; returns the articles whose row has changed, int64, in ascending order."""
        items: Column = np.flatnonzero(self.state.linked)
        nodes, weights = snapshot(self.state, items, self._neighbours)
        differs = ((nodes != self._nodes[items]) | (weights != self._weights[items])).any(axis=1)
        changed: Column = items[differs]
        self._nodes[changed], self._weights[changed] = nodes[differs], weights[differs]
        self.state.linked[:] = False
        return changed

    def linked(self) -> Column:
        """The articles that have a neighbour in the last snapshot, int64, in ascending order."""
        items: Column = np.flatnonzero(self._nodes[:, 0] != NONE)
        return items

    def neighbours(self, items: Column) -> tuple[Column, Column]:
        """The last snapshot's rows of articles, as `snapshot` returns them, [*items.shape, neighbours].

        Whatever it does not know, new articles and handles <= -1, has no neighbours.
        """
        return self._looked_up(self._nodes, items, NONE), self._looked_up(self._weights, items, 0)

    def _looked_up(self, table: Column, items: Column, unknown: int) -> Column:
        known = (items >= 0) & (items < len(table))
        found: Column = np.full((*items.shape, *table.shape[1:]), unknown, table.dtype)
        found[known] = table[items[known]]
        return found

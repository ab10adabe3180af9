"""What a run will take, from counts of rows and what recommenders are known to cost; nothing is replayed for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from newsreplay.datasets.base import PublisherCard
from newsreplay.machine import cores
from newsreplay.recommenders.built_ins import ALIASES, BUILT_IN
from newsreplay.recommenders.records import COSTS
from newsreplay.recommenders.registry import Entry
from newsreplay.spec import Spec

# On the demo with its 22 baselines, k = 10, two cores of a virtual machine (newsreplay run --profile):
JUDGING = 0.5  #: µs that judging and writing a request's slate take
PAIR = 0.08  #: seconds that the intervals of a pair take
STARTED = 4e8  #: bytes of a process with compiler, Arrow and tables
ROW = 29  #: bytes of a log row
CANDIDATE = 5  #: bytes of a place in a pool
KEPT = 46  #: bytes of a request that all recommenders have in common
REPLICATES = 2e5  #: bytes of a pair's bootstrap


class Stretch(NamedTuple):
    """One publisher's share of a run."""

    publisher: str
    rows: int
    requests: int
    candidates: int


class CostLine(NamedTuple):
    """Recommenders that are known to cost alike."""

    what: str  #: "cheap", "medium", "dear", "measured", "unknown"
    recommenders: list[str]
    seconds: tuple[float, float]  #: of one core, at least and at most


class Estimate(NamedTuple):
    """What a run will take."""

    stretches: list[Stretch]
    pairs: int
    jobs: int
    lines: list[CostLine]
    judging: float  #: seconds of one core
    seconds: tuple[float, float]  #: on all cores, at least and at most; infinite where nobody knows
    memory: float  #: bytes, without what recommenders remember
    disk: float  #: bytes of the run folder, at most


def stretch_of(card: PublisherCard, limit: int | None, asks: str) -> Stretch:
    """The share of a publisher; of the first `limit` rows as many as of all the others, in proportion."""
    share = 1.0 if limit is None else min(1.0, limit / card["rows"])
    requests = card["impressions"] if asks == "impressions" else card["reads"]
    rows, requests, candidates = (math.ceil(share * count) for count in (card["rows"], requests, card["candidates"]))
    return Stretch(card["publisher"], rows, requests, candidates)


def estimate(
    stretches: Sequence[Stretch],
    entries: Sequence[Entry],
    k: int,
    *,
    jobs: int | None = None,
    slates: bool = True,
    measured: Mapping[str, float] | None = None,
) -> Estimate:
    """What it will take to replay and judge `entries`; `measured` has µs per event of some, by label.

    The others cost what their class in `recommenders.records` says: less than its bound, and no less than that of the
    class before.
    """
    at_once = min(jobs or cores(), max(1, len(stretches) * len(entries)))
    rows, requests, candidates = (
        sum(getattr(stretch, name) for stretch in stretches) for name in ("rows", "requests", "candidates")
    )
    lines = _lines(entries, rows, measured or {})
    judging = len(entries) * (requests * JUDGING / 1e6 + len(stretches) * PAIR)
    together = min(cores(), at_once)
    low, high = (
        (sum(line.seconds[end] for line in lines) + judging * share) / together for end, share in ((0, 0.5), (1, 1.0))
    )
    largest = max(stretches, key=lambda stretch: stretch.requests * k + 2 * stretch.candidates)
    answers = largest.requests * 4 * k + largest.candidates * 8
    kept = (requests * 4 * k + candidates * 8) * len(entries) if slates else 0
    return Estimate(
        list(stretches),
        len(stretches) * len(entries),
        at_once,
        lines,
        judging,
        (low, high),
        STARTED + ROW * rows + CANDIDATE * candidates + 2 * at_once * answers,
        kept + KEPT * requests + REPLICATES * len(stretches) * len(entries),
    )


def _lines(entries: Sequence[Entry], rows: int, measured: Mapping[str, float]) -> list[CostLine]:
    """Recommenders by what is known of their costs, the best known first."""
    named: dict[str, list[str]] = {what: [] for what in ("measured", *COSTS, "unknown")}
    for entry in entries:
        named["measured" if entry.label in measured else _class_of(entry)].append(entry.label)
    bounds: dict[str, tuple[float, float]] = {"unknown": (0.0, math.inf)}
    below = 0.0
    for cost, bound in COSTS.items():
        bounds[cost] = (below, bound)
        below = bound
    lines = []
    for what, labels in named.items():
        low, high = (
            sum(measured[label] for label in labels) if what == "measured" else len(labels) * bounds[what][end]
            for end in (0, 1)
        )
        if labels:
            lines.append(CostLine(what, labels, (low * rows / 1e6, high * rows / 1e6)))
    return lines


def _class_of(entry: Entry) -> str:
    """What the list of recommenders says of one; a stranger's is not known."""
    name = entry.source.name if isinstance(entry.source, Spec) else ""
    known = BUILT_IN.get(ALIASES.get(name, name))
    return known.cost if known else "unknown"

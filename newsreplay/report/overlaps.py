"""How much the slates overlap that recommenders gave at the scored requests of a publisher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from newsreplay.errors import RunError
from newsreplay.simulator.judgement.overlap import Overlap, OverlapSums
from newsreplay.simulator.runs.folder import RunFolder

MOST = 100_000  #: scored requests that are looked at; of more, evenly spaced ones


class Overlaps(NamedTuple):
    """The overlap of some pairs of recommenders."""

    pairs: list[Overlap | None]  #: None where a run keeps no slates of one of them
    k: int  #: length of the slates that are compared, the shorter one of two runs
    every: int  #: one in so many of the scored requests was looked at


def overlaps(
    publisher: str, rows: Sequence[tuple[RunFolder, str]], pairs: Sequence[tuple[int, int]], most: int = MOST
) -> Overlaps:
    """The overlap of pairs of `rows`, recommenders of runs of the same log that score the same.

    Raises `RunError` where the slates do not fit each other.
    """
    keeping = {(id(run), pair["recommender"]) for run, _ in rows for pair in run.pairs(publisher) if "slates" in pair}
    needed = sorted({row for pair in pairs for row in pair if (id(rows[row][0]), rows[row][1]) in keeping})
    k = min((int(rows[row][0].info["options"]["k"]) for row in needed), default=0)
    found: list[Overlap | None] = [None] * len(pairs)
    known = [place for place, pair in enumerate(pairs) if {*pair} <= {*needed}]
    if not known:
        return Overlaps(found, k, 1)
    run = rows[needed[0]][0]
    asked = run.request_rows(publisher)
    scored = np.sort(np.searchsorted(asked, run.requests(publisher).row))
    every = max(1, -(-len(scored) // most))
    chosen = scored[::every]
    sums = OverlapSums(np.array([[needed.index(row) for row in pairs[place]] for place in known]))
    begin = 0
    for parts in zip(*(rows[row][0].slate_stretches(publisher, rows[row][1]) for row in needed), strict=False):
        end = begin + len(parts[0])
        low, high = np.searchsorted(chosen, [begin, end])
        if {len(part) for part in parts} != {end - begin}:
            break
        sums.add([np.ascontiguousarray(part[chosen[low:high] - begin][:, :k]) for part in parts])
        begin = end
    if begin != len(asked):
        raise RunError(f"the slates of {publisher} are not answers to the same requests; run them again")
    for place, overlap in zip(known, sums.means(), strict=True):
        found[place] = overlap
    return Overlaps(found, k, every)

"""What is judged a stretch at a time, in mapped files, is what is judged at once, to the last bit."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.arrow import write_batch
from newsreplay.datasets.find import find_data
from newsreplay.log.publisher import Publisher, request_rows
from newsreplay.log.rows import Asks
from newsreplay.simulator import scratch
from newsreplay.simulator.judgement.clusters import KINDS, ClusterSizes, first_rows
from newsreplay.simulator.judgement.judge import known_at
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.judgement.scoring import Answers, Judgement, Scored, longest_sessions, score, select_scored
from newsreplay.simulator.runs.answers import write_requests
from newsreplay.simulator.runs.columns import write_judgement, write_scored
from newsreplay.simulator.runs.paths import pair_files, publisher_files
from newsreplay.simulator.scratch import Scratch
from tests import strategies
from tests.naive.judge import known_at as naive_known_at
from tests.naive.judge import padded, publisher_of


def judged(publisher: Publisher, scope: Scope, sizes: ClusterSizes, late: bool, folder: Path) -> tuple[Any, ...]:
    """All that is judged and written of a publisher, for one who offers what became known last."""
    of = select_scored(publisher, scope, 3, sizes)
    log, rows = publisher.log, request_rows(publisher, scope.requests)
    offered = [[*range(int(log.item[: row + 1].max(initial=-1)), -1, -1)] for row in rows.tolist()]
    slates = [[item for item in items if item != log.item[row]][:9] for items, row in zip(offered, rows, strict=True)]
    scores = np.arange(len(log.pools.item)) % 3 * 1.0
    too_late = np.arange(len(slates)) % 3 == 0 if late else None
    judgement = score(publisher, of, Answers(padded(slates, 9), scores, too_late))
    write_scored(folder, publisher, of)
    write_requests(publisher_files(folder, publisher.name).requests, publisher, scope.requests)
    write_judgement(pair_files(folder, publisher.name, "circular"), judgement, scope.requests)
    written = {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.arrow"))}
    return of, judgement, written


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or (one != one and other != other)


@settings(max_examples=60, deadline=None)
@given(
    log=strategies.logs_with_impressions(),
    stretch=st.integers(1, 9),
    asks=st.sampled_from(["reads", "impressions"]),
    cluster=st.sampled_from([None, *KINDS]),
    most=st.sampled_from([1, 3, 100]),
    late=st.booleans(),
)
def test_stretches_change_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    log: Any,
    stretch: int,
    asks: Asks,
    cluster: str | None,
    most: int,
    late: bool,
) -> None:
    publisher, scope = publisher_of(log), Scope(requests=asks, cluster=cluster)
    sizes = ClusterSizes(most=most, groups=2, most_coarse=most, groups_coarse=2)
    work = tmp_path_factory.mktemp("work")
    whole: tuple[Scored, Judgement, Any] = judged(publisher, scope, sizes, late, work / "whole")
    with scratch.using(Scratch(work, in_memory=0, stretch=stretch)):
        in_stretches = judged(publisher, scope, sizes, late, work / "stretches")
    assert same(whole, in_stretches)


@settings(max_examples=30, deadline=None)
@given(log=strategies.logs(), stretch=st.integers(1, 9))
def test_articles_are_known_and_codes_begin_where_their_first_row_is(log: Any, stretch: int) -> None:
    rows = np.arange(len(log.item))
    with scratch.using(Scratch(stretch=stretch)):
        known, first = known_at(log, rows[::2]), first_rows(log.user, 5, none=-7)
    assert known.tolist() == [len(naive_known_at(log, row)) for row in rows[::2].tolist()]
    users = log.user.tolist()
    assert first.tolist() == [users.index(user) if user in users else -7 for user in range(5)]


@pytest.mark.parametrize("lengths", [[], [2], [3, 2, 3, 3], [2] * 250 + [5] + [2] * 99])
def test_the_longest_hundredth_of_sessions_is_the_first_of_equals(lengths: list[int]) -> None:
    begin = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    order = sorted(range(len(lengths)), key=lambda number: -lengths[number])
    chosen = set(order[: -(-len(lengths) // 100)])
    with scratch.using(Scratch(stretch=3)):
        assert longest_sessions(begin).tolist() == [number in chosen for number in range(len(lengths))]


def peak_of_selecting(publisher: Publisher, folder: Path) -> int:
    """The most bytes that are held, besides files, while what is scored is selected."""
    sizes = ClusterSizes(most=50, groups=20, most_coarse=50, groups_coarse=20)
    with scratch.using(Scratch(folder, in_memory=0, stretch=1000)):
        tracemalloc.start()
        try:
            select_scored(publisher, Scope(), 0, sizes)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def peak_of_judging(publisher: Publisher, folder: Path) -> int:
    """The most bytes that are held, besides files, while a publisher is judged and written, stretch by stretch."""
    folder.mkdir()
    sizes = ClusterSizes(most=50, groups=20, most_coarse=50, groups_coarse=20)
    with scratch.using(Scratch(folder, in_memory=0, stretch=1000)):
        slates = scratch.full((len(publisher.requests.row), 10), -1, np.int32)
        slates[:, 0] = (publisher.log.item[publisher.requests.row] == 0).astype(np.int32)  # known by then
        tracemalloc.start()
        try:
            of = select_scored(publisher, Scope(), 0, sizes)
            judgement = score(publisher, of, Answers(slates, None))
            write_judgement(pair_files(folder, "A", "first"), judgement)
            write_scored(folder, publisher, of)
            write_requests(publisher_files(folder, "A").requests, publisher)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_a_further_read_costs_no_memory(tmp_path: Path) -> None:
    reads = 100_000, 200_000  # both are written in several pieces
    peaks, selecting = [], []
    for number in (2_000, *reads):  # the first one loads what has to be loaded
        rng, rows = np.random.default_rng(0), np.arange(number)
        time = 1_700_000_000_000 + 60_000 * (rows // 1000)
        clicks = tmp_path / f"{number}.arrow"
        table = {"time": time, "user": rng.integers(0, number // 6, number), "item": rows % 500}
        write_batch(clicks, {name: pa.array(values.astype(np.int64)) for name, values in table.items()})
        publisher = find_data(clicks).publisher(clicks.stem)
        selecting.append(peak_of_selecting(publisher, tmp_path))
        peaks.append(peak_of_judging(publisher, tmp_path / f"run-{number}"))
    assert (selecting[2] - selecting[1]) / (reads[1] - reads[0]) < 4  # marks of sessions, and no column of reads
    # Two numbers a row are reserved and never touched (`beyond_accuracy`); marks of sessions are a byte each.
    assert (peaks[2] - peaks[1]) / (reads[1] - reads[0]) < 16 + 4

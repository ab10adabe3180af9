"""Why reads were not hits: each cause by hand, and all of them against the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import newsreplay
from newsreplay.datasets.base import Raw
from newsreplay.datasets.preparing.prepare import plan_of, prepare
from newsreplay.log.rows import HOUR, PUBLISH, READ, Event, Log, make_log
from newsreplay.recommenders.base import Recommender
from newsreplay.report.misses import causes, count
from newsreplay.simulator.judgement.judge import frame, judge
from newsreplay.simulator.runs.columns import Reads
from tests import strategies
from tests.naive import judge as naive_judge
from tests.naive.judge import padded, publisher_of

Slates = Sequence[Sequence[int]]


def counted(log: Log, slates: Slates, k: int, late: Sequence[bool] | None = None) -> dict[str, int]:
    """Cause → reads."""
    publisher = publisher_of(log)
    of = frame(publisher)
    outcomes = judge(publisher, padded(slates, k), of, None if late is None else np.array(late))
    nothing = np.zeros(len(of.request))
    reads = Reads(
        row=nothing,
        time=nothing,
        session=np.repeat(of.session, np.diff(of.begin)),
        cluster=nothing,
        position=of.position,
        asked=of.asked,
        reward=nothing,
        reachable=of.reachable,
        again=of.again,
        age=nothing,
        returning=nothing,
        category=nothing,
        categories=[],
    )
    return dict(zip(causes(k), count(reads, outcomes.place, k).tolist(), strict=True))


@settings(max_examples=50, deadline=None)
@given(log=strategies.logs(), k=st.sampled_from([1, 2, 5]), timed=st.booleans(), data=st.data())
def test_every_later_read_has_the_cause_that_the_oracle_says(
    log: Log, k: int, timed: bool, data: st.DataObject
) -> None:
    slates, late = [], []
    for row in np.flatnonzero(log.kind == READ).tolist():
        known = sorted(naive_judge.known_at(log, row) - {int(log.item[row])})
        slates.append(data.draw(st.permutations(known))[: data.draw(st.integers(0, k))] if known else [])
        late.append(timed and data.draw(st.booleans()))
    found = counted(log, slates, k, late if timed else None)
    later = [fate.cause for fate in naive_judge.fates(log, slates, k, late) if fate.position > 1]
    names = [name for name in naive_judge.CAUSES if k > 1 or name != naive_judge.LOWER]
    assert list(found.values()) == [later.count(name) for name in names]
    assert sum(found.values()) == len(later)


# --- by hand ---------------------------------------------------------------------------------------------------

PUBLISHED = [0, 1, 2, 3]  #: known from the start; 4 and up only when they are read


def session(*items: int) -> Log:
    """Four articles are published, then one session reads these."""
    n = len(items)
    return make_log(
        time=range(4 + n),
        kind=[PUBLISH] * 4 + [READ] * n,
        session=[-1] * 4 + [0] * n,
        user=[-1] * 4 + [0] * n,
        item=PUBLISHED + list(items),
        category=[-1] * (4 + n),
    )


@pytest.mark.parametrize(
    ("cause", "items", "slates", "late"),
    [
        ("hit at 1", (0, 1), [[1, 2], []], None),
        ("hit at 1", (0, 1), [[1, 2], []], [False, True]),  # what comes after it does not matter
        ("ranked 2 to 2", (0, 1), [[2, 1], []], None),
        ("answered too late", (0, 1), [[2, 1], []], [True, False]),
        ("already read", (0, 0), [[1, 2], []], None),
        ("not known yet", (0, 4), [[], []], None),
        ("not known yet", (0, 4), [[1, 2], []], None),
        ("never a candidate", (0, 1), [[2], []], None),
        ("never a candidate", (0, 1), [[], []], None),
        ("never a candidate", (0, 1), [[2, 3], []], [True, False]),  # a late answer counts as none
        ("ranked below 2", (0, 1), [[2, 3], []], None),
    ],
)
def test_a_read_has_the_first_cause_that_applies(
    cause: str, items: tuple[int, ...], slates: Slates, late: list[bool] | None
) -> None:
    found = counted(session(*items), slates, 2, late)
    assert {name: n for name, n in found.items() if n} == {cause: 1}


def test_a_return_that_was_offered_is_a_hit_and_not_already_read() -> None:
    found = counted(session(0, 1, 0), [[], [0], []], 1)
    assert {name: n for name, n in found.items() if n} == {"hit at 1": 1, "never a candidate": 1}


def test_a_return_that_only_a_late_answer_offered_was_answered_too_late() -> None:
    found = counted(session(0, 1, 0), [[], [0], []], 1, [False, True, False])
    assert {name: n for name, n in found.items() if n} == {"answered too late": 1, "never a candidate": 1}


def test_the_best_earlier_place_counts_not_the_last() -> None:
    found = counted(session(0, 1, 2), [[2, 1], [1, 2], []], 2)
    assert {name: n for name, n in found.items() if n} == {"hit at 1": 1, "ranked 2 to 2": 1}
    found = counted(session(0, 1, 2), [[2, 3], [3, 2], []], 2)
    assert {name: n for name, n in found.items() if n} == {"hit at 1": 1, "ranked below 2": 1}


def test_the_first_read_of_a_session_has_no_cause() -> None:
    """Even if another session was offered it: there was nobody to offer it to."""
    log = make_log(
        time=range(5),
        kind=[READ] * 5,
        session=[0, 0, 1, 1, 2],
        user=[0, 0, 1, 1, 2],
        item=[0, 1, 2, 0, 1],
        category=[-1] * 5,
    )
    assert sum(counted(log, [[2], [2], [], [], []], 1).values()) == 2


def test_without_a_scored_session_there_is_no_cause() -> None:
    assert set(counted(session(0), [[]], 3).values()) == {0}


def test_slates_of_one_have_no_lower_places() -> None:
    assert causes(1) == [
        "hit at 1",
        "answered too late",
        "already read",
        "not known yet",
        "never a candidate",
        "ranked below 1",
    ]
    assert causes(10)[1] == "ranked 2 to 10"


# --- of a run --------------------------------------------------------------------------------------------------


class Nobody(Recommender):
    """Has no answer to anything."""

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return ()


def test_a_run_keeps_what_its_misses_are_told_from(tmp_path: Path) -> None:
    """The oracle misses exactly what no recommender could have known or offered; who has no answers, everything."""
    rng = np.random.default_rng(0)
    n = 400
    rows = pa.table(
        {
            "time": pa.array(1_500_000_000_000 + np.sort(rng.integers(0, 40 * HOUR, n))),
            "user": pa.array([f"u{user}" for user in rng.integers(0, 25, n)]),
            "item": pa.array([f"a{item}" for item in (np.arange(n) // 20 + rng.integers(0, 6, n)) % 30]),
        }
    )
    dataset = prepare(plan_of(Raw(rows, rows_in=n)), tmp_path / "data", name="test", kind="table")
    (publisher,) = dataset.publishers
    run = newsreplay.run(dataset, ["recency", "oracle", Nobody()], k=3, out=tmp_path / "run")
    reads, facts = run.reads(publisher), run.facts(publisher)
    found = {
        pair["recommender"]: dict(
            zip(causes(3), count(reads, run.places(publisher, pair["recommender"]), 3).tolist(), strict=True)
        )
        for pair in run.pairs(publisher)
    }
    later = len(reads.row) - facts["scored_sessions"]
    assert later == facts["later_reads"] > 100
    assert {sum(mine.values()) for mine in found.values()} == {later}
    recency, oracle, nobody = found.values()
    assert oracle["hit at 1"] == facts["reachable_reads"] == np.count_nonzero(reads.reachable)
    assert later - oracle["hit at 1"] == oracle["already read"] + oracle["not known yet"]
    assert nobody["hit at 1"] == nobody["ranked 2 to 3"] == nobody["ranked below 3"] == 0
    assert nobody["never a candidate"] > 0
    success = {result.recommender: result.value for result in run.results if result.metric == "event_success@1"}
    for name, mine in found.items():
        assert success[name] == pytest.approx(mine["hit at 1"] / facts["scored_sessions"], rel=1e-11)
    assert 0 < recency["hit at 1"] < oracle["hit at 1"]

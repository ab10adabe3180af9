"""Session neighbours against their oracles, answer by answer, compiled and interpreted alike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.errors import SpecError
from newsreplay.log.rows import HOUR, IMPRESSION, READ, Log, make_log
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import Replayed, replay
from newsreplay.simulator.replay.slates import tidy
from newsreplay.spec import parse_spec
from tests import strategies
from tests.naive import neighbours as naive
from tests.recommenders.baselines.test_baselines import answers, begun_before, busy_log, dearly, interpreted

# Few neighbours, short sessions and windows border more often on the short logs of a test than the defaults do.
SPECS = [
    "vsknn",
    "vsknn(neighbours=2, sample=3, hours=2, decay=div, match=div, length=3)",
    "vsknn(neighbours=1, sample=2, hours=1, idf=true, repeats=true, length=2)",
    "vmis(neighbours=3, sample=5, length=4)",
    "vmis(neighbours=2, sample=1, decay=same, repeats=true, length=1)",
    "stan",
    "stan(neighbours=2, sample=3, hours=2, lambda1=0.7, lambda2=0.5, lambda3=1, length=3, repeats=true)",
    "itemknn",
    "itemknn(sample=2, hours=3, half_life=1, shrink=0, repeats=true, length=2)",
    "association",
    "association(sample=2, hours=1, ordered=false, decay=same, repeats=true, length=3)",
]
NAMES = ["vsknn", "vmis", "stan", "itemknn", "association"]
QUICK = ("association",)


def replayed(log: Log, text: str, k: int = 3, **setting: Any) -> Replayed:
    return replay(log, start_list(text)[0].make(), Setting(k=k, **setting), name=text)


def oracle(log: Log, text: str, k: int, kind: int = READ) -> naive.Answered:
    spec = parse_spec(text)
    return naive.answered(log, spec.name, k, kind, **dict(spec.parameters))


@pytest.mark.parametrize("text", SPECS)
@settings(max_examples=25, deadline=None)
@given(log=strategies.logs(max_rows=40), k=strategies.cut_offs())
def test_reads_are_answered_as_the_oracle_answers_them(text: str, log: Log, k: int) -> None:
    assert answers(replayed(log, text, k).slates) == oracle(log, text, k).slates


@pytest.mark.parametrize("text", SPECS)
@settings(max_examples=20, deadline=None)
@given(log=strategies.logs_with_impressions(max_rows=30, repeats=True), k=strategies.cut_offs())
def test_impressions_are_scored_as_the_oracle_scores_them(text: str, log: Log, k: int) -> None:
    done, expected = replayed(log, text, k), oracle(log, text, k)
    assert answers(done.slates) == expected.slates
    assert done.scores is not None
    assert done.scores.tolist() == expected.scores


@pytest.mark.parametrize("text", dearly(SPECS, QUICK))
@settings(max_examples=20, deadline=None)
@given(log=strategies.logs_with_impressions(max_rows=30, repeats=True), k=strategies.cut_offs())
def test_impressions_are_answered_as_the_oracle_answers_them(text: str, log: Log, k: int) -> None:
    done, expected = replayed(log, text, k, requests="impressions"), oracle(log, text, k, IMPRESSION)
    assert answers(done.slates) == expected.slates
    assert done.scores is not None
    assert done.scores.tolist() == expected.scores


@pytest.mark.parametrize("text", SPECS)
@settings(max_examples=8, deadline=None)
@given(log=strategies.logs(max_rows=40), reads=st.integers(1, 20))
def test_reads_from_before_the_log_are_in_no_session(text: str, log: Log, reads: int) -> None:
    log = begun_before(log, reads)
    assert answers(replayed(log, text).slates) == oracle(log, text, 3).slates


@pytest.mark.parametrize("text", dearly(SPECS, QUICK))
def test_kernels_answer_alike_compiled_and_interpreted(text: str) -> None:
    log = made_up_log(200, 1)[0]
    done = replayed(log, text, requests="impressions")
    slates, scores = interpreted(log, start_list(text)[0].make(), text, 3, "impressions")
    assert np.array_equal(done.slates, slates)
    assert np.array_equal(done.scores, scores)


@pytest.mark.parametrize("text", SPECS)
def test_a_long_busy_log_is_answered_in_pieces_as_in_one_and_as_the_oracle_answers_it(text: str) -> None:
    log = crowded_log(250)
    whole = replayed(log, text, 4)
    pieces = replay(log, start_list(text)[0].make(), Setting(k=4), name=text, stretch=7)
    assert pieces.slates.tobytes() == whole.slates.tobytes()
    assert answers(whole.slates) == oracle(log, text, 4).slates


@pytest.mark.parametrize("text", NAMES)
def test_a_shorter_slate_is_the_beginning_of_a_longer_one_and_holds_what_it_may(text: str) -> None:
    log = busy_log(1000)
    longer = replayed(log, text, 10).slates
    assert replayed(log, text, 2).slates.tolist() == longer[:, :2].tolist()
    assert longer.max() >= 0
    assert tidy(log, READ, 0, len(log.time), longer, 0)[0][:3] == (0, 0, -1)


def crowded_log(reads: int, seed: int = 5) -> Log:
    """Few articles and long sessions that overlap: lists go round, sessions drop their oldest articles."""
    rng = np.random.default_rng(seed)
    item = naive_codes((rng.zipf(1.3, reads) % 25).tolist())
    session = naive_codes((np.arange(reads) // 40 * 6 + rng.integers(0, 12, reads)).tolist())
    time = np.cumsum(rng.integers(0, 180_000, reads)) + 1_500_000_000_000
    return make_log(time=time, kind=[READ] * reads, session=session, user=session, item=item, category=[-1] * reads)


def naive_codes(values: list[int]) -> list[int]:
    codes: dict[int, int] = {}
    return [codes.setdefault(value, len(codes)) for value in values]


# --- worked examples --------------------------------------------------------------------------------------

A, B, C, D, E = range(5)


def sessions_log(*sessions: list[int], minutes: int = 1, pool: list[int] | None = None) -> Log:
    """Sessions one after the other; `pool`: the candidates of an impression that follows, at the last article."""
    rows = [(number, item) for number, items in enumerate(sessions) for item in items]
    impressions = [] if pool is None else [rows[-1]]
    return make_log(
        time=[60_000 * minutes * place for place in range(len(rows) + len(impressions))],
        kind=[READ] * len(rows) + [IMPRESSION] * len(impressions),
        session=[number for number, _ in rows + impressions],
        user=[number for number, _ in rows + impressions],
        item=[item for _, item in rows + impressions],
        category=[-1] * len(rows + impressions),
        impression=[-1] * len(rows) + [0] * len(impressions),
        pools={"at": [0, len(pool)], "item": pool, "clicked": [False] * len(pool)} if pool else None,
    )


def scores_of(text: str, log: Log) -> list[float]:
    scores = replayed(log, text).scores
    assert scores is not None
    return scores.tolist()


def test_vsknn_weighs_the_last_article_most() -> None:
    # The reader of A, B: a session with A is similar by 1/2, one with B by 1, one with both by 3/2.
    log = sessions_log([A, C], [B, D], [A, B, E], [A, B], pool=[A, B, C, D, E])
    assert scores_of("vsknn(decay=linear, match=same)", log) == [0.0, 0.0, 0.5, 1.0, 1.5]
    assert scores_of("vsknn(neighbours=1, match=same)", log) == [0.0, 0.0, 0.0, 0.0, 1.5]
    assert scores_of("vsknn(decay=same, match=same, repeats=true)", log) == [3.0, 3.0, 1.0, 1.0, 2.0]
    assert answers(replayed(log, "vsknn").slates)[-1] == [E, D, C]


def test_vmis_weighs_neighbours_by_their_latest_match_and_articles_by_how_few_hold_them() -> None:
    log = sessions_log([A, C], [B, D], [A, B, E], [A, B], pool=[C, D, E])
    # Of four sessions one holds each; a neighbour that shares A alone counts half of its similarity.
    unit = naive.logarithm(4) / 2**20
    assert scores_of("vmis", log) == [0.25 * unit, unit, 1.5 * unit]
    assert scores_of("vmis", sessions_log([A, B], [A, B], [A], pool=[B])) == [
        2.0 * naive.logarithm(3) / 2**20 - 2.0 * naive.logarithm(2) / 2**20
    ]


def test_an_article_that_every_session_holds_is_no_answer_of_vmis() -> None:
    log = sessions_log([A, B], [B, A])
    assert answers(replayed(log, "vmis").slates)[-1] == []
    assert answers(replayed(sessions_log([A, B], [A]), "vmis").slates)[-1] == [B]


def test_stan_has_three_decays() -> None:
    log = sessions_log([A, C, B, D], [A, B], minutes=30, pool=[C, D])
    # Both shared articles, positions 1 and 0 steps back, lengths 2 and 4; 90 minutes since D was read.
    similarity = (1 + math.exp(-1 / 3)) / math.sqrt(8) * math.exp(-1.5 / 5)
    expected = [similarity * math.exp(-1 / 4)] * 2  # C and D are one step from B
    assert scores_of("stan(lambda1=3, lambda2=5, lambda3=4)", log) == pytest.approx(expected, rel=1e-4)


def test_itemknn_is_the_cosine_and_ages() -> None:
    log = sessions_log([A, B], [A, B], [A, C], [B], [A], pool=[B, C])
    # A is held by four sessions, its reader's included, B by three, C by one.
    assert scores_of("itemknn(shrink=0, half_life=1000)", log) == pytest.approx(
        [2 / math.sqrt(4 * 3), 1 / math.sqrt(4)], rel=1e-3
    )
    assert scores_of("itemknn(shrink=1, half_life=1000)", log) == pytest.approx(
        [2 / math.sqrt(4 * 3) * 2 / 3, 1 / math.sqrt(4) / 2], rel=1e-3
    )
    aged = sessions_log([A, B], [A], minutes=60, pool=[B])  # two and three hours from the first read
    assert scores_of("itemknn(hours=16, shrink=0, half_life=1)", aged) == pytest.approx(
        [0.25 / math.sqrt(1.25 * 0.25)], rel=1e-4
    )


def test_rules_are_sequential_or_of_both_directions() -> None:
    log = sessions_log([C, A, B, D], [A, D], [A], pool=[B, C, D])
    assert scores_of("association", log) == [1.0, 0.0, 1.5]
    assert scores_of("association(decay=same)", log) == [1.0, 0.0, 2.0]
    assert scores_of("association(ordered=false)", log) == [1.0, 1.0, 1.5]


def test_a_session_is_never_its_own_neighbour() -> None:
    for text in NAMES:
        assert answers(replayed(sessions_log([A, B, C, A]), text).slates) == [[]] * 4


def test_another_session_counts_with_what_it_has_read_so_far() -> None:
    log = make_log(
        time=[0, 1, 2, 3],
        kind=[READ] * 4,
        session=[0, 1, 0, 1],
        user=[0, 1, 0, 1],
        item=[A, A, B, A],
        category=[-1] * 4,
    )
    for text in ("vsknn", "stan", "itemknn", "association"):
        assert answers(replayed(log, text).slates) == [[], [], [], [B]]


@pytest.mark.parametrize("text", NAMES)
def test_sessions_leave_the_index_when_the_hours_are_over(text: str) -> None:
    for gap, found in ((HOUR - 2, True), (HOUR - 1, False)):
        log = make_log(
            time=[0, 1, 1 + gap], kind=[READ] * 3, session=[0, 0, 1], user=[0, 0, 1], item=[A, B, A], category=[-1] * 3
        )
        assert bool(answers(replayed(log, f"{text}(hours=1)").slates)[-1]) == found


# --- bounds -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", NAMES)
def test_memory_is_bounded_by_the_window(text: str) -> None:
    log = crowded_log(24_000)
    half = Log(*(column[:12_000] for column in log[:7]), pools=log.pools)
    assert half.item.max() == log.item.max()
    sizes = [
        replay(part, start_list(f"{text}(hours=2)")[0].make(), Setting(k=1), name=text, stretch=500).state_bytes
        for part in (half, log)
    ]
    # What a session is numbered by is all that grows with a log.
    assert sizes[1] - sizes[0] == 8 * (int(log.session.max()) - int(half.session.max()))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("vsknn(decay=log)", "decay must be one of linear, div, same, not 'log'"),
        ("vmis(match=2)", "match must be one of"),
        ("vsknn(idf=1)", "idf must be true or false, not 1"),
        ("vsknn(length=17)", "length must be at most 16, not 17"),
        ("vsknn(sample=65536)", "sample must be at most 65535"),
        ("vsknn(neighbours=0)", "neighbours must be a whole number of at least 1"),
        ("stan(lambda2=0)", "lambda2 must be a number above 0, not 0"),
        ("itemknn(hours=48, half_life=2)", "hours must be at most 16 times half_life"),
        ("association(decay=linear)", "decay must be one of div, same"),
    ],
)
def test_options_that_cannot_be_are_refused(text: str, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        start_list(text)

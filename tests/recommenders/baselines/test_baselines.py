"""Every baseline against its oracle, slate by slate, compiled and interpreted alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.durations import Delays
from newsreplay.kernels.mixing import key_of
from newsreplay.log.rows import ASKING, DAY, HISTORY, HOUR, IMPRESSION, READ, Asks, Excludes, Log, make_log
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.built_ins import ALIASES, PRESETS
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.compiled import interpreted_walk, sizes_of
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.slates import tidy
from newsreplay.spec import parse_spec
from tests import strategies, worked
from tests.naive import baselines as naive

# Small windows and buffers border more often on the short logs of a test than the paper's do.
SPECS = [
    *PRESETS["baselines"],
    *("random(hours=1)", "popular(hours=1)", "circular(size=2)", "circular(size=3)", "trend(hours=3)"),
]


def dearly(texts: Iterable[str], quick: Collection[str]) -> list[Any]:
    """The specs as parameters, those that are not `quick` slow: a walk of another kind is compiled for each of them."""
    return [pytest.param(text, marks=[pytest.mark.slow] * (text not in quick)) for text in texts]


QUICK = ("random(hours=1)", "trend(hours=3)")
DELAYS = (0, 1, strategies.MINUTE, HOUR, 7 * HOUR, 2 * DAY, 20 * DAY)


def answers(slates: Any) -> list[list[int]]:
    return [[item for item in slate if item >= 0] for slate in slates.tolist()]


def named(text: str, keyed: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """The baseline and options of a spec; those that draw get their key."""
    spec = parse_spec(text)
    name = ALIASES.get(spec.name, spec.name)
    return name, dict(spec.parameters) | ({"key": int(key_of(0, text))} if name in keyed else {})


def oracle(log: Log, text: str, k: int, kind: int = READ, exclude: Excludes = "current", delay: int = 0) -> Any:
    name, options = named(text, ("random", "content"))
    return naive.slates(log, name, k, kind=kind, exclude=exclude, delay=delay, **options)


def score_oracle(log: Log, text: str, delay: int = 0) -> list[float]:
    name, options = named(text, ("random",))
    return naive.scores(log, name, delay=delay, **options)


def interpreted(log: Log, recommender: Any, text: str, k: int, requests: Asks = "reads") -> tuple[Any, Any]:
    """Slates and scores of a replay that is not compiled."""
    slates = np.full((int(np.count_nonzero(log.kind == ASKING[requests])), k), -1, np.int32)
    scores = np.full(len(log.pools.item), np.nan)
    state = recommender.room(recommender.state(sizes_of(log, k), key_of(0, text)), len(log.time))
    with np.errstate(over="ignore"):  # 64-bit words are meant to wrap around
        done = interpreted_walk(type(recommender), requests)(log, 0, len(log.time), state, slates, scores, 0, 0)
    assert done == (len(slates), len(scores))
    return slates, scores


@pytest.mark.parametrize("text", SPECS)
@settings(max_examples=100, deadline=None)
@given(log=strategies.logs(), k=strategies.cut_offs())
def test_a_compiled_baseline_answers_like_its_oracle(text: str, log: Log, k: int) -> None:
    recommender = start_list(text)[0].make()
    assert answers(replay(log, recommender, Setting(k=k), name=text).slates) == oracle(log, text, k)


@pytest.mark.parametrize("text", SPECS)
@settings(max_examples=50, deadline=None)
@given(log=strategies.logs_with_impressions(), k=strategies.cut_offs())
def test_a_compiled_baseline_scores_impressions_like_its_oracle(text: str, log: Log, k: int) -> None:
    done = replay(log, start_list(text)[0].make(), Setting(k=k), name=text)
    assert answers(done.slates) == oracle(log, text, k)
    assert done.scores is not None
    assert done.scores.tolist() == score_oracle(log, text)


@pytest.mark.parametrize("text", dearly(SPECS, QUICK))
@settings(max_examples=50, deadline=None)
@given(log=strategies.logs_with_impressions(), k=strategies.cut_offs())
def test_a_compiled_baseline_answers_impressions_like_its_oracle(text: str, log: Log, k: int) -> None:
    done = replay(log, start_list(text)[0].make(), Setting(k=k, requests="impressions"), name=text)
    assert answers(done.slates) == oracle(log, text, k, IMPRESSION)
    assert done.scores is not None
    assert done.scores.tolist() == score_oracle(log, text)


@pytest.mark.parametrize("exclude", ["session", "nothing"])
@pytest.mark.parametrize("text", dearly(SPECS, QUICK))
@settings(max_examples=50, deadline=None)
@given(log=strategies.logs(), k=strategies.cut_offs())
def test_a_compiled_baseline_leaves_out_what_its_oracle_does(text: str, exclude: Excludes, log: Log, k: int) -> None:
    done = replay(log, start_list(text)[0].make(), Setting(k=k, exclude=exclude), name=text)
    assert answers(done.slates) == oracle(log, text, k, exclude=exclude)


@pytest.mark.parametrize("exclude", ["session", "nothing"])
@pytest.mark.parametrize("text", dearly(SPECS, QUICK[:1]))
@settings(max_examples=50, deadline=None)
@given(log=strategies.logs_with_impressions(), k=strategies.cut_offs())
def test_a_compiled_baseline_leaves_the_same_out_at_impressions(text: str, exclude: Excludes, log: Log, k: int) -> None:
    done = replay(log, start_list(text)[0].make(), Setting(k=k, requests="impressions", exclude=exclude), name=text)
    assert answers(done.slates) == oracle(log, text, k, IMPRESSION, exclude)


@pytest.mark.parametrize("requests", ["reads", pytest.param("impressions", marks=pytest.mark.slow)])
@pytest.mark.parametrize("text", dearly(SPECS, QUICK))
@settings(max_examples=60, deadline=None)
@given(
    log=strategies.logs_with_impressions(),
    k=strategies.cut_offs(),
    delays=st.builds(Delays, st.sampled_from(DELAYS), st.sampled_from(DELAYS)),
)
def test_a_compiled_baseline_learns_reads_as_late_as_its_oracle(
    text: str, requests: Asks, log: Log, k: int, delays: Delays
) -> None:
    setting = Setting(k=k, requests=requests, feedback_delay=delays)
    done = replay(log, start_list(text)[0].make(), setting, name=text, stretch=7)
    assert answers(done.slates) == oracle(log, text, k, ASKING[requests], delay=delays.reads)
    assert done.scores is not None
    assert done.scores.tolist() == score_oracle(log, text, delays.reads)


@pytest.mark.parametrize("text", dearly(SPECS, QUICK))
def test_kernels_answer_impressions_alike_compiled_and_interpreted(text: str) -> None:
    log = made_up_log(300, 1)[0]
    done = replay(log, start_list(text)[0].make(), Setting(k=3, requests="impressions"), name=text)
    slates, scores = interpreted(log, start_list(text)[0].make(), text, 3, "impressions")
    assert np.array_equal(done.slates, slates)
    assert np.array_equal(done.scores, scores)


def begun_before(log: Log, reads: int) -> Log:
    """The log with its first reads as reads from before it, which are in no session; the last stays a read."""
    row = np.flatnonzero(log.kind == READ)[:-1][:reads]
    kind, session = log.kind.copy(), log.session.copy()
    kind[row], session[row] = HISTORY, -1
    return log._replace(kind=kind, session=session)


@pytest.mark.parametrize("text", SPECS)
@settings(max_examples=15, deadline=None)
@given(log=strategies.logs(), reads=st.integers(1, 20))
def test_reads_from_before_the_log_are_learned_from_in_no_session(text: str, log: Log, reads: int) -> None:
    log = begun_before(log, reads)
    recommender = start_list(text)[0].make()
    assert answers(replay(log, recommender, Setting(k=3), name=text).slates) == oracle(log, text, 3)


def test_reads_from_before_the_log_are_no_step_of_the_session_that_is_numbered_last() -> None:
    log = make_log(
        time=[0, 1, 2, 3],
        kind=[READ, HISTORY, READ, READ],
        session=[0, -1, 0, 0],
        user=[0, 1, 0, 0],
        item=[0, 1, 2, 0],
        category=[-1] * 4,
    )
    done = replay(log, start_list("sequences")[0].make(), Setting(k=3), name="sequences")
    assert answers(done.slates) == [[], [], [2]]


@pytest.mark.parametrize("text", SPECS)
@settings(max_examples=15, deadline=None)
@given(log=strategies.logs(), k=strategies.cut_offs())
def test_an_interpreted_baseline_answers_like_its_oracle(text: str, log: Log, k: int) -> None:
    recommender = start_list(text)[0].make()
    assert answers(interpreted(log, recommender, text, k)[0]) == oracle(log, text, k)


@pytest.mark.parametrize("text", SPECS)
@settings(max_examples=25, deadline=None)
@given(log=strategies.logs_with_impressions(repeats=True))
def test_a_compiled_baseline_scores_like_its_oracle(text: str, log: Log) -> None:
    done = replay(log, start_list(text)[0].make(), Setting(k=3), name=text)
    assert done.scores is not None
    assert done.scores.tolist() == score_oracle(log, text)
    assert answers(done.slates) == oracle(log, text, 3)  # to have scored changes no answer


@pytest.mark.parametrize("text", SPECS)
@settings(max_examples=5, deadline=None)
@given(log=strategies.logs_with_impressions(repeats=True))
def test_an_interpreted_baseline_scores_like_its_oracle(text: str, log: Log) -> None:
    assert interpreted(log, start_list(text)[0].make(), text, 3)[1].tolist() == score_oracle(log, text)


# Those whose slates are not drawn, with the score of an article that no slate would hold.
RANKING = {
    **dict.fromkeys(("popular", "popular(hours=6)", "sequences", "minhash"), 0.0),
    **dict.fromkeys(("trend(hours=2)", "trend", "recency", "circular(size=3)", "circular"), -np.inf),
}


@pytest.mark.parametrize(("text", "never"), RANKING.items())
@settings(max_examples=20, deadline=None)
@given(log=strategies.logs(), hour=st.integers(0, 30))
def test_a_pool_of_all_other_known_articles_is_ranked_as_the_slate_is(
    text: str, never: float, log: Log, hour: int
) -> None:
    log = everything_shown_after_each_read(log._replace(time=log.time + hour * 3_600_000))
    done = replay(log, start_list(text)[0].make(), Setting(k=100), name=text)
    assert done.scores is not None
    for number, row in enumerate(np.flatnonzero(log.kind == IMPRESSION).tolist()):
        places = slice(log.pools.at[number], log.pools.at[number + 1])
        scores = dict(zip(log.pools.item[places].tolist(), done.scores[places].tolist(), strict=True))
        ranked = naive.Past(log, row).rank({item: score for item, score in scores.items() if score != never}, 100)
        assert ranked == answers(done.slates)[number]


def everything_shown_after_each_read(log: Log, at_most: int = 100) -> Log:
    """The log with an impression after each read: its article on screen, all others known as candidates.

    `at_most` leaves only the newest of them. No log has impressions there, but here the state is that in which the
    read was answered.
    """
    rows, pools = [], []
    for row, kind in enumerate(log.kind.tolist()):
        rows.append([*(int(column[row]) for column in log[:6]), -1])
        if kind == READ:
            known = range(int(log.item[: row + 1].max()) + 1)
            rows.append([*rows[-1][:6], len(pools)])
            rows[-1][1] = IMPRESSION
            pools.append([item for item in known if item != log.item[row]][-at_most:])
    names = ("time", "kind", "session", "user", "item", "category", "impression")
    return make_log(
        **dict(zip(names, zip(*rows, strict=True), strict=True)),
        pools={
            "at": np.cumsum([0, *map(len, pools)]),
            "item": [item for pool in pools for item in pool],
            "clicked": [False for pool in pools for _ in pool],
        },
    )


def test_the_category_that_an_impression_is_the_first_to_tell_counts_for_its_article() -> None:
    log = make_log(
        time=[1, 1, 2], kind=[READ, READ, IMPRESSION], session=[0, 0, 0], user=[0, 0, 0], item=[0, 1, 0],
        category=[-1, 0, 0], impression=[-1, -1, 0], pools={"at": [0, 2], "item": [0, 1], "clicked": [True, False]},
    )  # fmt: skip
    done = replay(log, start_list("content")[0].make(), Setting(k=1))
    assert done.scores is not None
    assert done.scores.tolist() == score_oracle(log, "content") == [1.0, 1.0]


@pytest.mark.parametrize("text", SPECS)
def test_room_made_on_the_way_changes_no_answer(text: str) -> None:
    log = everything_shown_after_each_read(busy_log(), at_most=3)
    recommender = start_list(text)[0].make()
    whole = replay(log, recommender, Setting(k=3), name=text)
    pieces = replay(log, recommender, Setting(k=3), name=text, stretch=7)
    assert pieces.slates.tobytes() == whole.slates.tobytes()
    assert pieces.scores is not None
    assert whole.scores is not None
    assert pieces.scores.tobytes() == whole.scores.tobytes()


@pytest.mark.parametrize("text", SPECS)
def test_a_long_busy_log_is_answered_like_the_oracle_answers_it(text: str) -> None:
    log = busy_log(reads=500)
    recommender = start_list(text)[0].make()
    assert answers(replay(log, recommender, Setting(k=4), name=text).slates) == oracle(log, text, 4)


@pytest.mark.parametrize("text", SPECS)
@pytest.mark.parametrize("k", [2, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 5))])
def test_a_shorter_slate_is_the_beginning_of_a_longer_one(text: str, k: int) -> None:
    log = busy_log()
    recommender = start_list(text)[0].make()
    longer = replay(log, recommender, Setting(k=10), name=text).slates
    assert replay(log, recommender, Setting(k=k), name=text).slates.tolist() == longer[:, :k].tolist()


@pytest.mark.parametrize("text", SPECS)
def test_a_compiled_slate_never_holds_the_current_article_a_repeat_or_an_unknown_one(text: str) -> None:
    log = busy_log()
    slates = replay(log, start_list(text)[0].make(), Setting(k=10), name=text).slates
    assert slates.max() >= 0
    assert tidy(log, READ, 0, len(log.time), slates, 0)[0][:3] == (0, 0, -1)


@pytest.mark.parametrize("column", worked.COLUMNS)
def test_the_eleven_event_table_of_the_specification(column: str) -> None:
    cells = worked.COLUMNS[column]
    recommender = start_list(column)[0].make()
    assert answers(replay(worked.worked_log(), recommender, Setting(k=1), name=column).slates) == cells.slates


@cache
def busy_log(reads: int = 3000, seed: int = 3) -> Log:
    """A log with far more articles than a shortlist holds, at about 60 reads an hour."""
    rng = np.random.default_rng(seed)
    item = naive.code_by_first_appearance((rng.zipf(1.2, reads) % 300).tolist())
    user = naive.code_by_first_appearance(rng.integers(0, reads // 8, reads).tolist())
    time = np.cumsum(rng.integers(0, 120_000, reads)) + 1_500_000_000_000
    session = naive.split_sessions(time.tolist(), user)
    return make_log(
        time=time, kind=[READ] * reads, session=session, user=user, item=item,
        category=[code % 5 if code % 7 else -1 for code in item],
    )  # fmt: skip

"""From answers to results: every metric's value, n and interval, for all recommenders of a publisher together."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.errors import NewsreplayError
from newsreplay.log.rows import DAY, IMPRESSION, OUTCOME, PUBLISH, READ, Log, make_log
from newsreplay.simulator.judgement import intervals, metrics
from newsreplay.simulator.judgement.clusters import KINDS, ClusterSizes
from newsreplay.simulator.judgement.counting import HitSessions, event_bounds
from newsreplay.simulator.judgement.measures import IMPRESSIONS, cut_offs
from newsreplay.simulator.judgement.metrics import Measured, Result, measure
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.judgement.scoring import Answers, Scored, score, select_scored
from newsreplay.simulator.runs.options import Answering, Options
from tests import strategies
from tests.naive import baselines as naive
from tests.naive import beyond_accuracy as naive_beyond
from tests.naive import judge as naive_judge
from tests.naive.judge import padded, publisher_of


class Case(NamedTuple):
    """A log, and the answers of a recommender that scores impressions and of one that does not."""

    log: Log
    k: int
    slates: dict[str, list[list[int]]]
    scores: list[float]

    def answers(self) -> dict[str, Answers]:
        return {
            name: Answers(padded(slates, self.k), np.array(self.scores) if name == "scoring" else None)
            for name, slates in self.slates.items()
        }


@st.composite
def cases(draw: st.DrawFn) -> Case:
    log = draw(strategies.logs_with_impressions())
    k = draw(st.sampled_from([1, 3, 7, 12]))
    slates: dict[str, list[list[int]]] = {"scoring": [], "silent": []}
    for answers in slates.values():
        for row in np.flatnonzero(log.kind == READ).tolist():
            known = sorted(naive_judge.known_at(log, row) - {int(log.item[row])})
            answers.append(draw(st.permutations(known))[: draw(st.integers(0, k))] if known else [])
    places = len(log.pools.item)
    few = st.sampled_from([-math.inf, 0.0, 1.0, 2.5])
    return Case(log, k, slates, draw(st.lists(few, min_size=places, max_size=places)))


def of_all(
    case: Case, seed: int = 0, sizes: ClusterSizes = ClusterSizes(), threads: int | None = None, **scope: Any
) -> tuple[Scored, Measured]:
    publisher = publisher_of(case.log)
    of = select_scored(publisher, Scope(**scope), seed, sizes)
    tallies = {name: score(publisher, of, answers).sums for name, answers in case.answers().items()}
    return of, measure("A", case.k, of, tallies, seed, threads)


def cells(measured: Measured, recommender: str) -> dict[str, Result]:
    return {result.metric: result for result in measured.results if result.recommender == recommender}


def agrees(result: Result, value: float, n: int) -> None:
    """Results are rounded to 12 digits; what has no value is None."""
    if math.isnan(value):
        assert result.value is None
    else:
        assert result.n == n
        assert result.value == pytest.approx(value, rel=1e-11, abs=1e-15)


# --- values --------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(case=cases())
def test_every_value_equals_its_oracle(case: Case) -> None:
    _, measured = of_all(case)
    sessions = naive.scored_sessions(case.log)
    fates = naive_judge.fates(case.log, case.slates["silent"], case.k)
    asked = [any(fate.request == n for fate in fates) for n in range(len(case.slates["silent"]))]
    pools = naive_judge.pools(case.log, case.scores)
    for name, slates in case.slates.items():
        found = cells(measured, name)
        for cut in cut_offs(case.k):
            expected = naive.measure(naive.judge(case.log, slates, sessions, cut), cut)
            for metric, oracle in expected.items():
                agrees(found[metric], *oracle)
                assert found[metric].n == oracle.n
        more = naive_beyond.beyond(case.log, slates, asked, [0 if one else -1 for one in asked], 1)
        for m, metric in enumerate(metrics.MEANS):
            total, n = more.sums[0][m], more.counts[0][m]
            agrees(found[f"{metric}@{case.k}"], total / n if n else math.nan, n)
        for metric in metrics.WHOLES:
            agrees(found[f"{metric}@{case.k}"], getattr(more, metric), more.counts[0][0])
        if not pools:
            assert not set(found) & {*IMPRESSIONS, "auc_pooled"}
            continue
        if name == "silent":
            assert {found[metric][3:] for metric in (*IMPRESSIONS, "auc_pooled")} == {(None, None, None, 0)}
            continue
        agrees(found["auc"], sum(pool.auc for pool in pools) / len(pools), len(pools))
        agrees(found["mrr"], sum(pool.mrr for pool in pools) / len(pools), len(pools))
        agrees(found["ndcg@10"], sum(pool.ndcg10 for pool in pools) / len(pools), len(pools))
        clicked, passed = [s for pool in pools for s in pool.clicked], [s for pool in pools for s in pool.passed]
        agrees(found["auc_pooled"], naive_judge.auc(clicked, passed), len(pools))


@settings(max_examples=25, deadline=None)
@given(case=cases(), data=st.data())
def test_with_a_reward_event_success_sums_the_seconds_of_the_hits_and_nothing_else_changes(
    case: Case, data: st.DataObject
) -> None:
    publisher = publisher_of(case.log)
    reads = len(publisher.requests.row)
    told = data.draw(st.lists(st.sampled_from([None, 0.0, 0.5, 30.0, 125.25]), min_size=reads, max_size=reads))
    active = np.array([np.nan if seconds is None else seconds for seconds in told], np.float32)
    rewarded = publisher._replace(requests=publisher.requests._replace(active=active))
    of = select_scored(rewarded, Scope(reward="dwell"))
    tallies = {name: score(rewarded, of, answers).sums for name, answers in case.answers().items()}
    measured, plain = measure("A", case.k, of, tallies, 0), of_all(case)[1]
    sessions = naive.scored_sessions(case.log)
    for name, slates in case.slates.items():
        found, before = cells(measured, name), cells(plain, name)
        fates = naive_judge.fates(case.log, slates, case.k)
        for cut in cut_offs(case.k):
            hits = [fate for fate in fates if isinstance(fate.place, int) and fate.place <= cut]
            result = found.pop(f"event_success@{cut}")
            before.pop(result.metric)
            seconds = sum(told[hit.request] or 0.0 for hit in hits)
            agrees(result, seconds / len(sessions) if sessions else math.nan, len(sessions))
            if not hits:
                assert (result.low, result.high) == (None, None)
            elif result.value is not None and result.low is not None and result.high is not None:
                assert result.low <= result.value + 1e-9
                assert result.value <= result.high + 1e-9
        assert found == before
    lost = sum(told[fate.request] is None for fate in naive_judge.fates(case.log, case.slates["silent"], case.k))
    assert of.unrewarded == lost


def test_few_hits_are_worth_what_their_share_can_be_times_what_a_hit_brings() -> None:
    counted = HitSessions(*(np.array([n]) for n in (4,)), 100, np.array([4]), np.array([96]), np.array([1.0]))
    drawn = (np.array([0.5]), np.array([3.0]))
    low, high = event_bounds(counted, np.array([1.6]), (np.array([0.011]), np.array([0.0993])), drawn, rewarded=True)
    assert low.tolist() == pytest.approx([min(0.5, 0.011 * 40)])  # 1.6 s a session, 40 s a session with a hit
    assert high.tolist() == pytest.approx([0.0993 * 40])


@settings(max_examples=12, deadline=None)
@given(case=cases())
def test_every_recommender_has_the_same_metrics_in_the_same_order_as_its_replicates(case: Case) -> None:
    _, measured = of_all(case)
    names = [list(cells(measured, name)) for name in case.slates]
    assert names[0] == names[1]
    assert [result.recommender for result in measured.results] == [name for name in case.slates for _ in names[0]]
    assert measured.replicates.shape == (2, len(names[0]), intervals.REPLICATES)


# --- intervals -------------------------------------------------------------------------------------------------


def hit_by(measured: Measured, hits: list[int], cluster: list[int], cut: int, by_session: bool) -> None:
    """Assert that E and P at a cut-off have the intervals that sessions with so many hits in these clusters have."""
    found, drawn = cells(measured, "silent"), {}
    names = list(found)
    for metric in ("event_success", "session_success"):
        replicates = measured.replicates[-1, names.index(f"{metric}@{cut}")]
        drawn[metric] = tuple(np.percentile(replicates[~np.isnan(replicates)], [2.5, 97.5]))
    success = naive_judge.success_interval(hits, cluster, by_session, drawn["session_success"])
    assert found[f"session_success@{cut}"][4:6] == pytest.approx(success, rel=1e-8, abs=1e-12)
    event = naive_judge.event_interval(hits, success, drawn["event_success"])
    assert found[f"event_success@{cut}"][4:6] == pytest.approx(event, rel=1e-8, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(case=cases(), cluster=st.sampled_from(KINDS))
def test_success_has_the_interval_of_the_oracle_whatever_is_the_cluster(case: Case, cluster: str) -> None:
    _, measured = of_all(case, cluster=cluster)
    sessions = naive.scored_sessions(case.log)
    if not sessions:
        assert {result[4:6] for result in measured.results if "_success" in result.metric} == {(None, None)}
        return
    for cut in cut_offs(case.k):
        judged = naive.judge(case.log, case.slates["silent"], sessions, cut)
        first = {s: next(read.time for read in naive.reads_of(case.log) if read.session == s) for s in judged}
        units = [naive_judge.cluster(case.log, cluster, s, first[s]) for s in judged]
        hit_by(measured, [one.hits for one in judged.values()], units, cut, cluster == "session")


@pytest.mark.parametrize("cluster", KINDS)
@pytest.mark.parametrize("sizes", [ClusterSizes(), ClusterSizes(most=30, groups=7, most_coarse=5, groups_coarse=3)])
@pytest.mark.parametrize("articles", [2, pytest.param(9, marks=pytest.mark.slow), 80])
def test_intervals_of_many_sessions_are_those_of_the_oracle_grouped_or_not(
    cluster: str, sizes: ClusterSizes, articles: int
) -> None:
    """With 2 articles most sessions have a hit, with 80 few do: 40 clusters with and without are reached, or not."""
    rng = np.random.default_rng(articles)
    log = made_up(rng, 1200, sessions=240, readers=90, articles=articles)
    answers = naive.code_by_first_appearance(rng.integers(0, articles, 1200).tolist())
    case = Case(
        log, 1, {"silent": [[item] if item != own else [] for item, own in zip(answers, log.item, strict=True)]}, []
    )
    _, measured = of_all(case, sizes=sizes, cluster=cluster)
    judged = naive.judge(log, case.slates["silent"], naive.scored_sessions(log), 1)
    first = {s: next(read.time for read in naive.reads_of(log) if read.session == s) for s in judged}
    units = [naive_judge.cluster(log, cluster, s, first[s]) for s in judged]
    hit_by(measured, [one.hits for one in judged.values()], units, 1, cluster == "session")


def test_without_a_hit_success_may_still_be_more_than_nothing() -> None:
    log = made_up(np.random.default_rng(3))
    _, measured = of_all(Case(log, 1, {"silent": [[]] * 400}, []))
    found = cells(measured, "silent")
    sessions = found["session_success@1"].n
    assert found["session_success@1"][3:6] == (0, 0, pytest.approx(1 - 0.025 ** (1 / sessions)))
    assert found["event_success@1"][3:6] == found["session_success@1"][3:6]


@pytest.mark.parametrize("sizes", [ClusterSizes(), ClusterSizes(most=20, groups=6, most_coarse=5, groups_coarse=4)])
@pytest.mark.parametrize(("hit", "has_one"), [(9, False), (10, True)])
def test_other_metrics_need_ten_clusters_that_are_not_zero_counted_before_any_grouping(
    sizes: ClusterSizes, hit: int, has_one: bool
) -> None:
    """60 sessions of two reads; in some of them the first slate has what is read next."""
    sessions = np.repeat(np.arange(60), 2)
    log = make_log(
        time=np.arange(122) * 1000,
        kind=[PUBLISH, PUBLISH] + [READ] * 120,
        session=[-1, -1, *sessions],
        user=[-1, -1, *sessions],
        item=[0, 1, *[0, 1] * 60],
        category=[-1] * 122,
    )
    slates = [[1] if number % 2 == 0 and number < 2 * hit else [] for number in range(120)]
    _, measured = of_all(Case(log, 1, {"silent": slates}, []), sizes=sizes)
    found = cells(measured, "silent")
    for metric in ("session_hit_rate@1", "session_mrr@1", "session_ndcg@1", "session_recall@1", "age@1"):
        assert found[metric].value
        assert (found[metric].low is not None) == has_one, metric
    assert found["event_success@1"].low is not None
    assert found["session_success@1"].low is not None


@pytest.mark.parametrize("sizes", [ClusterSizes(), ClusterSizes(most=8, groups=4)])
@pytest.mark.parametrize("shown", [9, 10])
def test_impressions_of_fewer_than_ten_sessions_have_no_interval(shown: int, sizes: ClusterSizes) -> None:
    case = Case(shown_log(shown), 1, {"scoring": [[]] * (shown + 1)}, [1.0, 0.0, 0.0] * shown)
    found = cells(of_all(case, sizes=sizes)[1], "scoring")
    for metric in ("auc", "mrr", "ndcg@10", "auc_pooled"):
        assert (found[metric].low is not None) == (shown == 10), metric


# --- what is resampled -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session_ids", "cluster", "expected"),
    [
        (True, None, ("session", "session")),
        (False, None, ("session", "user")),
        *((ids, kind, (kind, kind)) for ids in (True, False) for kind in KINDS),
    ],
)
def test_sessions_are_resampled_and_for_impressions_users_where_the_source_has_no_session_ids(
    session_ids: bool, cluster: str | None, expected: tuple[str, str]
) -> None:
    publisher = publisher_of(naive_judge.eight_shown()[0])._replace(session_ids=session_ids)
    assert select_scored(publisher, Scope(cluster=cluster)).resampled == expected


def test_impressions_of_visits_are_resampled_by_user_and_their_slates_by_session() -> None:
    """Three users of twelve visits each: a visit is one session, and shows one impression."""
    log = shown_log(36)
    log = log._replace(user=np.where(log.session > 0, log.session % 3, 0).astype(np.int32))
    publisher = publisher_of(log)._replace(session_ids=False)
    of = select_scored(publisher, Scope())
    assert len(of.impression_clusters.unit) == 3
    assert len(select_scored(publisher, Scope(cluster="session")).impression_clusters.unit) == 36


def test_each_metric_on_impressions_goes_by_its_own_name() -> None:
    log, scores = naive_judge.eight_shown()
    _, measured = of_all(Case(log, 1, {"scoring": [[], []]}, scores))
    found = {metric: result.value for metric, result in cells(measured, "scoring").items()}
    second, seventh = 1 / math.log2(3), 1 / math.log2(8)
    assert [found[metric] for metric in (*IMPRESSIONS, "auc_pooled")] == pytest.approx(
        [1 / 2, (1 / 2 + 1 / 7) / 2, 1 / 2, second / (1 + second), (second + seventh) / (1 + second), 0, 1 / 2]
    )


# --- replicates ------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(case=cases(), cluster=st.sampled_from(KINDS), seed=st.integers(0, 3))
def test_replicates_equal_the_slow_way_whatever_is_the_cluster(case: Case, cluster: str, seed: int) -> None:
    _, measured = of_all(case, cluster=cluster, seed=seed)
    found = {
        result.metric: replicates[:60]
        for result, replicates in zip(measured.results, measured.replicates.reshape(-1, 1000), strict=True)
        if result.recommender == "scoring"
    }

    def same(metric: str, values: list[float], units: list[int]) -> None:
        slow = naive_judge.replicated(values, units, seed, replicates=60) if values else [None] * 60
        expected = [math.nan if value is None else value for value in slow]
        assert found[metric] == pytest.approx(np.array(expected), rel=1e-9, abs=1e-12, nan_ok=True)

    judged = naive.judge(case.log, case.slates["scoring"], naive.scored_sessions(case.log), case.k)
    first = {s: next(read.time for read in naive.reads_of(case.log) if read.session == s) for s in judged}
    units = {s: naive_judge.cluster(case.log, cluster, s, first[s]) for s in judged}
    same(f"event_success@{case.k}", [one.hits for one in judged.values()], list(units.values()))
    requests = [(request.ndcg, units[s]) for s, one in judged.items() for request in one.requests]
    same(f"session_ndcg@{case.k}", [ndcg for ndcg, _ in requests], [unit for _, unit in requests])
    for metric in ("novelty", "diversity"):
        each = [
            (value, units[read.session])
            for read, slate in zip(naive.reads_of(case.log), case.slates["scoring"], strict=True)
            if read.session in units
            for value in besides(case.log, read.row, slate, metric)
        ]
        same(f"{metric}@{case.k}", [value for value, _ in each], [unit for _, unit in each])
    pools = naive_judge.pools(case.log, case.scores)
    if pools:
        seen = [naive_judge.cluster(case.log, cluster, pool.session, pool.time) for pool in pools]
        same("mrr", [pool.mrr for pool in pools], seen)


def besides(log: Log, row: int, slate: list[int], metric: str) -> list[float]:
    """What one slate adds to a mean: a number per article, or one if it has any."""
    moment = naive_beyond.Moment(log, row)
    if metric == "novelty":
        return [moment.novelty(article) for article in slate]
    diversity = moment.diversity(slate)
    return [] if diversity is None else [diversity]


def test_a_replicate_of_the_pooled_auc_is_near_that_of_the_weighted_candidates() -> None:
    """The linear expansion is exact up to terms of second order: near for many sessions."""
    rng = np.random.default_rng(5)
    n = 400
    clicked = np.tile([True, False, False], n)
    scores = rng.normal(size=3 * n) + clicked
    _, measured = of_all(Case(shown_log(n), 1, {"scoring": [[]] * n, "silent": [[]] * n}, scores.tolist()))
    names = list(cells(measured, "scoring"))
    found = measured.replicates[0, names.index("auc_pooled")]
    for i in range(10):
        weights = np.repeat([naive_judge.weight(0, "A", session, i) for session in range(n)], 3)
        above = (scores[clicked][:, None] > scores[~clicked]) * np.outer(weights[clicked], weights[~clicked])
        assert found[i] == pytest.approx(above.sum() / weights[clicked].sum() / weights[~clicked].sum(), abs=0.003)


def shown_log(n: int) -> Log:
    """n sessions of one read each, which an impression of three candidates before it brought."""
    kind = [READ] + [IMPRESSION, OUTCOME, READ] * n
    of = [0, *(session for session in range(n) for _ in range(3))]
    return make_log(
        time=[0, *(n for n in range(1, n + 1) for _ in range(3))],
        kind=kind,
        session=of,
        user=of,
        item=[0] * len(kind),
        category=[-1] * len(kind),
        impression=[-1, *(number for i in range(n) for number in (i, i, -1))],
        pools={"at": range(0, 3 * n + 1, 3), "item": [0] * 3 * n, "clicked": [True, False, False] * n},
    )


def test_differences_are_paired_since_an_answer_twice_has_the_same_replicates() -> None:
    rng = np.random.default_rng(6)
    log = made_up(rng)
    slates = [[int(item)] for item in rng.integers(0, 9, 400)]
    _, measured = of_all(Case(log, 1, {"scoring": slates, "silent": slates}, []))
    assert np.array_equal(measured.replicates[0], measured.replicates[1], equal_nan=True)
    _, alone = of_all(Case(log, 1, {"silent": slates}, []))
    assert np.array_equal(measured.replicates[1], alone.replicates[0], equal_nan=True)


def made_up(
    rng: np.random.Generator, reads: int = 400, sessions: int = 80, readers: int = 20, articles: int = 9
) -> Log:
    """Reads of sessions of some readers over four days, all mixed."""
    session = naive.code_by_first_appearance(rng.integers(0, sessions, reads).tolist())
    item = naive.code_by_first_appearance(rng.integers(0, articles, reads).tolist())
    return make_log(
        time=np.arange(reads) * (4 * DAY // reads),
        kind=[READ] * reads,
        session=session,
        user=naive.code_by_first_appearance([s % readers for s in session]),
        item=item,
        category=[-1] * reads,
    )


def test_results_are_the_same_for_any_number_of_threads() -> None:
    rng = np.random.default_rng(7)
    slates = [[int(item)] for item in rng.integers(0, 9, 400)]
    case = Case(made_up(rng), 1, {"scoring": slates, "silent": slates[::-1]}, [])
    found = set()
    for threads in (1, 2, 5):
        _, measured = of_all(case, threads=threads)
        found.add((repr(measured.results), measured.replicates.tobytes()))
    assert len(found) == 1


@pytest.mark.parametrize("cluster", ["session", "user"])
def test_many_sessions_are_resampled_in_groups_with_the_same_values(cluster: str) -> None:
    rng = np.random.default_rng(8)
    case = Case(made_up(rng), 1, {"silent": [[int(item)] for item in rng.integers(0, 9, 400)]}, [])
    alone, before = of_all(case, cluster=cluster)
    grouped, after = of_all(case, cluster=cluster, sizes=ClusterSizes(most=15, groups=8))
    assert len(grouped.clusters.unit) == 8 < len(alone.clusters.unit)
    assert grouped.sessions.sum() == alone.sessions.sum() == len(alone.frame.session)
    assert grouped.requests.sum() == alone.requests.sum() == np.count_nonzero(alone.frame.relevant)
    for one, other in zip(before.results, after.results, strict=True):
        assert one[:3] + one[6:] == other[:3] + other[6:]
        assert (one.value is None and other.value is None) or one.value == pytest.approx(other.value, rel=1e-11)
    success = [(result.low, result.high) for result in (before.results[0], after.results[0])]
    assert success[0] != success[1]


def test_a_day_is_resampled_as_a_whole() -> None:
    """Two days, one of hits and one of misses: a replicate's value is a share of whole days."""
    log = make_log(
        time=[0, 1, DAY, DAY + 1, DAY + 2, DAY + 3],
        kind=[READ] * 6,
        session=[0, 0, 1, 1, 2, 2],
        user=[0] * 6,
        item=[0, 1] * 3,
        category=[-1] * 6,
    )
    _, measured = of_all(Case(log, 1, {"silent": [[1], [], [0], [], [0], []]}, []), cluster="day")
    a, b = (np.array([naive_judge.weight(0, "A", day, i) for i in range(1000)]) for day in (0, 1))
    with np.errstate(invalid="ignore"):
        expected = a / (a + 2 * b)
    assert np.array_equal(measured.replicates[0, 0], expected, equal_nan=True)


# --- corners ---------------------------------------------------------------------------------------------------


def test_without_a_scored_session_nothing_has_a_value() -> None:
    log = make_log(time=range(3), kind=[READ] * 3, session=range(3), user=[0] * 3, item=[0, 1, 0], category=[-1] * 3)
    of, measured = of_all(Case(log, 5, {"silent": [[], [0], [1]]}, []))
    assert len(of.clusters.unit) == len(of.longest) == 0
    assert (of.group == -1).all()
    assert measured.results
    assert {result[3:] for result in measured.results} == {(None, None, None, 0)}
    assert np.isnan(measured.replicates).all()


def test_impressions_count_where_no_session_does() -> None:
    case = Case(shown_log(3), 1, {"scoring": [[]] * 4, "silent": [[]] * 4}, [1.0, 0.0, 0.0, 0.0, 1.0, 1.0] + [0.0] * 3)
    _, measured = of_all(case, warmup=1)
    found = cells(measured, "scoring")
    assert found["event_success@1"].value is None
    assert (found["auc"].value, found["auc"].n) == (0.5, 3)
    assert found["tied"].value == pytest.approx(1 / 3)


def test_without_impressions_nothing_is_said_of_them() -> None:
    rng = np.random.default_rng(9)
    of, measured = of_all(Case(made_up(rng), 1, {"silent": [[]] * 400}, []))
    assert len(of.impressions.impression) == 0
    assert not {result.metric for result in measured.results} & {*IMPRESSIONS, "auc_pooled"}


def test_without_recommenders_there_are_no_results() -> None:
    publisher = publisher_of(made_up(np.random.default_rng(10)))
    measured = measure("A", 1, select_scored(publisher, Scope()), {}, 0)
    assert measured.results == []
    assert measured.replicates.shape == (0, 0, intervals.REPLICATES)


def test_the_longest_percent_of_the_sessions_is_at_least_one_and_its_hits_are_told() -> None:
    log = make_log(
        time=range(5), kind=[READ] * 5, session=[0, 0, 0, 1, 1], user=[0] * 5, item=[0, 1, 0, 1, 0], category=[-1] * 5
    )
    publisher = publisher_of(log)
    of = select_scored(publisher, Scope())
    assert of.longest.tolist() == [True, False]
    answers = Answers(padded([[1], [0], [1], [0], [1]], 1), None)
    assert score(publisher, of, answers).sums.hits == (3, 2)


def test_late_answers_count_as_none() -> None:
    log = make_log(time=range(3), kind=[READ] * 3, session=[0] * 3, user=[0] * 3, item=[0, 1, 0], category=[-1] * 3)
    publisher = publisher_of(log)
    of = select_scored(publisher, Scope())
    slates = padded([[1], [0], [1]], 1)
    in_time = score(publisher, of, Answers(slates, None)).sums
    late = score(publisher, of, Answers(slates, None, np.array([True, False, False]))).sums
    assert (in_time.hits[0], late.hits[0]) == (2, 1)
    empty = score(publisher, of, Answers(padded([[], [0], [1]], 1), None)).sums
    assert late.beyond.sums.tolist() == empty.beyond.sums.tolist() != in_time.beyond.sums.tolist()
    assert late.beyond.coverage == empty.beyond.coverage


def test_late_scores_leave_all_candidates_tied() -> None:
    log = make_log(
        time=[0, 0, 0, 1, 1, 2, 2, 3],
        kind=[PUBLISH, PUBLISH, READ, IMPRESSION, OUTCOME, IMPRESSION, OUTCOME, READ],
        session=[-1, -1, *[0] * 6],
        user=[-1, -1, *[0] * 6],
        item=[0, 1, 0, -1, -1, -1, -1, 1],
        category=[-1] * 8,
        impression=[-1, -1, -1, 0, 0, 1, 1, -1],
        pools={"at": [0, 2, 4], "item": [0, 1, 0, 1], "clicked": [True, False, True, False]},
    )
    publisher = publisher_of(log)
    of = select_scored(publisher, Scope())
    answers = Answers(padded([[], []], 1), np.array([2.0, 1.0, 2.0, 1.0]), None, np.array([False, True]))
    ranked = score(publisher, of, answers).ranked
    assert ranked is not None
    assert ranked.values[:, 0].tolist() == [1.0, 0.5]


# --- options ---------------------------------------------------------------------------------------------------


def made(**options: Any) -> Options:
    """Options by name, whichever group they are of."""
    scope = {name: options.pop(name) for name in [*options] if name in Scope.__dataclass_fields__}
    return Options(Scope(**scope), Answering(**options))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"k": 0}, "k must be at least 1, not 0"),
        ({"k": -3}, "k must be at least 1, not -3"),
        ({"k": 40_000}, "k must be at most 32767, not 40000"),
        ({"warmup": -1}, "warm-up cannot be negative"),
        ({"window": 0}, "window must be longer than nothing"),
        ({"window": -5}, "window must be longer than nothing"),
        ({"max_session_length": 1}, "no session of fewer than 2 reads is scored"),
        ({"max_session_length": -1}, "no session of fewer than 2 reads is scored"),
        ({"cluster": "week"}, "no cluster is called 'week'; there are session, user, day"),
        ({"deadline": 0.0}, "deadline must be longer than nothing"),
        ({"deadline": -1.0}, "deadline must be longer than nothing"),
        ({"deadline": math.nan}, "deadline must be longer than nothing"),
        ({"deadline": math.inf}, "deadline must be longer than nothing and end"),
        ({"strict_deadline": True}, "no deadline to be strict about"),
    ],
)
def test_nonsense_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(NewsreplayError, match=told):
        made(**options)


def test_the_limits_themselves_are_fine() -> None:
    made(k=1, warmup=0, window=1, max_session_length=2, cluster="day", deadline=0.001, strict_deadline=True)
    made(k=32_767)


def test_options_read_back_are_those_written() -> None:
    options = made(k=3, seeds=(1, 2), warmup=5, cluster="day", deadline=2.5)
    assert Options.from_flat(json.loads(json.dumps(options.flat()))) == options

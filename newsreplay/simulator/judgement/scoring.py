"""Scoring: one recommender's answers on one publisher, judged and summed by cluster.

`select_scored` selects what is scored, once for all recommenders; `score` judges one of them and adds up all that its
metrics and their intervals are made of. Replays and re-scored run folders come through here alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from newsreplay.log.publisher import Publisher, request_rows
from newsreplay.log.rows import Asks, Column, Excludes
from newsreplay.simulator import scratch
from newsreplay.simulator.judgement.at_impressions import frame_at_impressions, judge_at_impressions
from newsreplay.simulator.judgement.beyond_accuracy import BeyondAccuracy, beyond_accuracy
from newsreplay.simulator.judgement.clusters import (
    Clusters,
    ClusterSizes,
    Resampled,
    clusters,
    coarser,
    counted,
    fitting,
)
from newsreplay.simulator.judgement.counting import FEW, HitSessions, count_hit_sessions
from newsreplay.simulator.judgement.judge import (
    Frame,
    Outcomes,
    frame,
    hit_sessions,
    judge,
    sessions_at,
    tally,
    with_two_reads,
)
from newsreplay.simulator.judgement.measures import cut_offs
from newsreplay.simulator.judgement.rankings import (
    Pooled,
    Ranked,
    ScoredImpressions,
    pooled,
    rank_impressions,
    scored_impressions,
)
from newsreplay.simulator.judgement.scope import Scope

_FRAMES: dict[Asks, Callable[..., Frame]] = {"reads": frame, "impressions": frame_at_impressions}
_JUDGES: dict[Asks, Callable[..., Outcomes]] = {"reads": judge, "impressions": judge_at_impressions}


class Scored(NamedTuple):
    """What is scored of one publisher, and the clusters in which it is resampled."""

    asks: Asks  #: what asks for slates
    exclude: Excludes  #: what a request excludes
    frame: Frame
    resampled: Resampled  #: what its clusters are
    clusters: Clusters  #: of the frame's sessions
    coarse: Clusters  #: of the frame's sessions, in fewer groups: for metrics beyond accuracy
    group: Column  #: int32[requests], the coarse group of each scored request, -1 = not scored
    sessions: Column  #: int64[groups], scored sessions
    requests: Column  #: int64[groups], requests of theirs to which something is relevant
    longest: Column  #: bool[sessions], the longest 1 % of the scored ones
    one_instant: int  #: sessions with two reads that are left out, since all of their reads share one time; none where
    #: impressions ask
    unrewarded: int | None  #: reads whose reward is not known; None = the number of hits is what counts
    impressions: ScoredImpressions
    impression_clusters: Clusters  #: of the scored impressions


class RankedSums(NamedTuple):
    """How one recommender ranked the impressions of each cluster."""

    sums: Column  #: float64[groups, 6]: `measures.IMPRESSIONS`
    pooled: Pooled
    nonzero: Column  #: int64[7], clusters in which these are not zero, counted before any grouping; the last is pooled


class Sums(NamedTuple):
    """What metrics are made of: one recommender's sums by cluster."""

    reads: Column  #: float64[groups, cut-offs, 6]: the judge's measures
    totals: Column  #: float64[cut-offs, 6], of all groups
    hits: tuple[int, int]  #: at 1: of all scored sessions, and of the longest 1 %
    counted: HitSessions
    reads_nonzero: Column  #: int64[cut-offs, 6], clusters in which `reads` are not zero, counted before any grouping
    beyond: BeyondAccuracy
    beyond_nonzero: Column  #: int64[len(MEANS)], likewise of `beyond`
    impressions: RankedSums | None  #: None = it does not score them


class Answers(NamedTuple):
    """One recommender's answers."""

    slates: Column  #: int32[requests, k]
    scores: Column | None  #: float64[places], as the pools of the log; None = it does not score
    late: Column | None = None  #: bool[requests]: slates that count as none, since they came too late
    late_scores: Column | None = None  #: bool[impressions]: likewise


class Judgement(NamedTuple):
    """What became of one recommender's answers."""

    outcomes: Outcomes
    ranked: Ranked | None
    sums: Sums


def select_scored(publisher: Publisher, scope: Scope, seed: int = 0, sizes: ClusterSizes = ClusterSizes()) -> Scored:
    """What is scored of a publisher; `seed` and `sizes` group clusters where there are many."""
    limits = (scope.warmup, scope.window, scope.max_session_length)
    scored = _FRAMES[scope.requests](publisher, *limits, scope.exclude)
    unrewarded = None
    if scope.reward is not None:
        reward, unrewarded = _rewards(publisher, scored.read)
        scored = scored._replace(reward=reward)
    resampled = fitting(publisher, scope.cluster, scope.requests)
    rows = request_rows(publisher, scope.requests)
    begun = scratch.empty(len(scored.session), np.int64)
    for part in scratch.stretches(len(begun)):
        begun[part] = publisher.log.time[rows[scored.request[scored.asks[part]]]]
    by = clusters(publisher, scored.session, begun, resampled.slates, seed, sizes)
    coarse = coarser(by, publisher.name, seed, sizes)
    impressions = scored_impressions(publisher, *limits)
    two_reads = 0 if scope.requests == "impressions" else int(np.count_nonzero(with_two_reads(publisher, *limits)))
    return Scored(
        scope.requests,
        scope.exclude,
        scored,
        resampled,
        by,
        coarse,
        _by_request(scored, coarse.group, len(rows)),
        counted(by.group, len(by.unit)),
        _with_relevant(scored, by),
        longest_sessions(scored.begin),
        max(0, two_reads - len(scored.session)),
        unrewarded,
        impressions,
        clusters(publisher, impressions.session, impressions.time, resampled.impressions, seed, sizes),
    )


def _rewards(publisher: Publisher, read: Column) -> tuple[Column, int]:
    """Seconds that the article of some reads was read, float32[reads], and of how many that was not measured."""
    active, reward = publisher.requests.active, scratch.zeros(len(read), np.float32)
    if active is None:
        return reward, len(read)
    unknown = 0
    for part in scratch.stretches(len(read)):
        dwell = active[read[part]]
        unknown += int(np.count_nonzero(np.isnan(dwell)))
        reward[part] = np.nan_to_num(dwell)
    return reward, unknown


def _by_request(frame: Frame, group: Column, requests: int) -> Column:
    """The group (int32[sessions]) of every request of the log, -1 where it is not scored: int32[requests]."""
    by_request = scratch.full(requests, -1, np.int32)
    for part in scratch.stretches(len(frame.request)):
        by_request[frame.request[part]] = group[sessions_at(frame.asks, part)]
    return by_request


def _with_relevant(frame: Frame, by: Clusters) -> Column:
    """The requests of each group of clusters to which something is relevant: int64[groups]."""
    count = np.zeros(len(by.unit), np.int64)
    for part in scratch.stretches(len(frame.request)):
        asked = by.group[sessions_at(frame.asks, part)][frame.relevant[part] > 0]
        count += np.bincount(asked, minlength=len(by.unit))
    return count


def longest_sessions(begin: Column) -> Column:
    """The longest 1 % of sessions, of equally long ones the first: bool[sessions]."""
    length = scratch.empty(len(begin) - 1, np.int32)
    for part in scratch.stretches(len(length)):
        length[part] = np.diff(begin[part.start : part.stop + 1])
    left = -(-len(length) // 100)
    of_length = counted(length, int(length.max(initial=0)) + 2)
    at_least = np.cumsum(of_length[::-1])[::-1]  # sessions of so many reads or more
    shortest = int(np.count_nonzero(at_least >= max(left, 1))) - 1  # the length of the shortest among them
    left -= int(at_least[shortest + 1])
    longest = scratch.empty(len(length), np.bool_)
    for part in scratch.stretches(len(length)):
        equal = length[part] == shortest
        longest[part] = (length[part] > shortest) | (equal & (np.cumsum(equal) <= left))
        left -= int(np.count_nonzero(equal))
    return longest


def score(publisher: Publisher, scored: Scored, answers: Answers) -> Judgement:
    """Judge one recommender's answers and add them up."""
    outcomes = _JUDGES[scored.asks](publisher, answers.slates, scored.frame, answers.late, scored.exclude)
    slates = answers.slates if answers.late is None else _in_time(answers.slates, answers.late)
    ranked, impressions = _rank(publisher, scored, answers)
    cuts = cut_offs(answers.slates.shape[1])
    reads, totals, reads_nonzero = _tally(scored, outcomes, cuts)
    beyond, beyond_nonzero = _beyond(publisher, scored, slates)
    return Judgement(
        outcomes,
        ranked,
        Sums(
            reads,
            totals,
            _hits(scored, outcomes.place),
            count_hit_sessions(hit_sessions(scored.frame, outcomes.place, cuts), scored.clusters.ungrouped),
            reads_nonzero,
            beyond,
            beyond_nonzero,
            impressions,
        ),
    )


def _in_time(slates: Column, late: Column) -> Column:
    """The slates, those that are `late` (bool[requests]) empty."""
    in_time = scratch.empty(slates.shape, slates.dtype)
    for part in scratch.stretches(len(slates)):
        in_time[part] = np.where(late[part, None], np.int32(-1), slates[part])
    return in_time


def _hits(scored: Scored, place: Column) -> tuple[int, int]:
    """Hits at 1: of all scored sessions, and of the longest 1 %."""
    hits = of_longest = 0
    for part in scratch.stretches(len(place)):
        hit = place[part] == 1
        hits += int(np.count_nonzero(hit))
        of_longest += int(np.count_nonzero(hit & scored.longest[sessions_at(scored.frame.begin, part)]))
    return hits, of_longest


def _tally(scored: Scored, outcomes: Outcomes, cuts: tuple[int, ...]) -> tuple[Column, Column, Column]:
    """The judge's measures by cluster, their sums, and in how many clusters each is not zero."""
    by = scored.clusters
    reads = tally(scored.frame, outcomes, by.group, len(by.unit), cuts)
    totals, nonzero = reads.sum(axis=0), np.count_nonzero(reads, axis=0)
    if _hidden(by, nonzero):
        ungrouped = tally(scored.frame, outcomes, by.ungrouped, int(by.ungrouped.max()) + 1, cuts)
        nonzero = np.count_nonzero(ungrouped, axis=0)
    return reads, totals, nonzero


def _beyond(publisher: Publisher, scored: Scored, slates: Column) -> tuple[BeyondAccuracy, Column]:
    """What slates are besides accurate, and in how many clusters each mean is not zero."""
    by = scored.coarse
    rows = request_rows(publisher, scored.asks)
    beyond = beyond_accuracy(publisher, rows, slates, scored.group, len(by.unit))
    nonzero = np.count_nonzero(beyond.sums, axis=0)
    if _hidden(by, nonzero):
        group = _by_request(scored.frame, by.ungrouped, len(scored.group))
        ungrouped = beyond_accuracy(publisher, rows, slates, group, int(by.ungrouped.max()) + 1)
        nonzero = np.count_nonzero(ungrouped.sums, axis=0)
    return beyond, nonzero


def _rank(publisher: Publisher, scored: Scored, answers: Answers) -> tuple[Ranked | None, RankedSums | None]:
    """How a recommender ranked the impressions, each of them and summed by cluster; None if it scored none."""
    scores = answers.scores
    if scores is None or not len(scored.impressions.impression):
        return None, None
    if answers.late_scores is not None:
        scores = np.where(np.repeat(answers.late_scores, np.diff(publisher.log.pools.at)), -np.inf, scores)
    ranked = rank_impressions(publisher.log, scores, scored.impressions)
    by = scored.impression_clusters

    def summed(group: Column, count: int) -> tuple[Column, Pooled, Column]:
        sums = np.column_stack([np.bincount(group, column, count) for column in ranked.values.T])
        pool = pooled(publisher.log, scores, scored.impressions, group, count)
        return sums, pool, np.append(np.count_nonzero(sums, axis=0), np.count_nonzero(pool.above + pool.below))

    sums, pool, nonzero = summed(by.group, len(by.unit))
    if _hidden(by, nonzero):
        nonzero = summed(by.ungrouped, int(by.ungrouped.max()) + 1)[2]
    return ranked, RankedSums(sums, pool, nonzero)


def _hidden(by: Clusters, nonzero: Column) -> bool:
    """Whether groups that are not zero are too few to say that clusters are: some may share one."""
    return by.group is not by.ungrouped and bool(((nonzero > 0) & (nonzero < FEW)).any())

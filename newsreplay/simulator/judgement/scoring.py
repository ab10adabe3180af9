"""Scoring: one recommender's answers on one publisher, judged and summed by cluster.

`select_scored` selects what is scored, once for all recommenders; `score` judges one of them and adds up all that its
metrics and their intervals are made of. Replays and re-scored run folders come through here alike.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import Column
from newsreplay.simulator.judgement.beyond_accuracy import BeyondAccuracy, beyond_accuracy
from newsreplay.simulator.judgement.clusters import Clusters, ClusterSizes, clusters, coarser
from newsreplay.simulator.judgement.judge import Frame, Outcomes, frame, judge, tally
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


class Scored(NamedTuple):
    """What is scored of one publisher, and the clusters in which it is resampled."""

    frame: Frame
    clusters: Clusters  #: of the frame's sessions
    coarse: Clusters  #: of the frame's sessions, in fewer groups: for metrics beyond accuracy
    group: Column  #: int32[requests], the coarse group of each scored request, -1 = not scored
    sessions: Column  #: int64[groups], scored sessions
    requests: Column  #: int64[groups], requests of theirs after which they read something else
    longest: Column  #: bool[sessions], the longest 1 % of the scored ones
    impressions: ScoredImpressions
    impression_clusters: Clusters  #: of the scored impressions


class RankedSums(NamedTuple):
    """How one recommender ranked the impressions of each cluster."""

    sums: Column  #: float64[groups, 6]: `measures.IMPRESSIONS`
    pooled: Pooled


class Sums(NamedTuple):
    """What metrics are made of: one recommender's sums by cluster."""

    reads: Column  #: float64[groups, cut-offs, 6]: the judge's measures
    hits: tuple[int, int]  #: at 1: of all scored sessions, and of the longest 1 %
    beyond: BeyondAccuracy
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
    scored = frame(publisher, *limits)
    by = clusters(publisher, scored.session, publisher.sessions.first_time[scored.session], scope.cluster, seed, sizes)
    lengths = np.diff(scored.begin)
    group = np.full(len(publisher.requests.row), -1, np.int32)
    coarse = coarser(by, publisher.name, seed, sizes)
    group[scored.request] = np.repeat(coarse.group, lengths)
    longest = np.zeros(len(lengths), bool)
    longest[np.argsort(-lengths, kind="stable")[: -(-len(lengths) // 100)]] = True
    impressions = scored_impressions(publisher, *limits)
    with_successor = np.repeat(by.group, lengths)[scored.relevant > 0]
    return Scored(
        scored,
        by,
        coarse,
        group,
        np.bincount(by.group, minlength=len(by.unit)),
        np.bincount(with_successor, minlength=len(by.unit)),
        longest,
        impressions,
        clusters(publisher, impressions.session, impressions.time, scope.cluster, seed, sizes),
    )


def score(publisher: Publisher, scored: Scored, answers: Answers) -> Judgement:
    """Judge one recommender's answers and add them up."""
    k = answers.slates.shape[1]
    groups = len(scored.clusters.unit)
    outcomes = judge(publisher, answers.slates, scored.frame, answers.late)
    slates = answers.slates if answers.late is None else np.where(answers.late[:, None], np.int32(-1), answers.slates)
    hit = outcomes.place == 1
    ranked = impressions = None
    scores = answers.scores
    if scores is not None and len(scored.impressions.impression):
        if answers.late_scores is not None:
            scores = np.where(np.repeat(answers.late_scores, np.diff(publisher.log.pools.at)), -np.inf, scores)
        ranked = rank_impressions(publisher.log, scores, scored.impressions)
        group, count = scored.impression_clusters.group, len(scored.impression_clusters.unit)
        sums = np.column_stack([np.bincount(group, column, count) for column in ranked.values.T])
        impressions = RankedSums(sums, pooled(publisher.log, scores, scored.impressions, group, count))
    hits_of_longest = hit & np.repeat(scored.longest, np.diff(scored.frame.begin))
    return Judgement(
        outcomes,
        ranked,
        Sums(
            tally(scored.frame, outcomes, scored.clusters.group, groups, cut_offs(k)),
            (int(np.count_nonzero(hit)), int(np.count_nonzero(hits_of_longest))),
            beyond_accuracy(publisher, slates, scored.group >= 0, scored.group, len(scored.coarse.unit)),
            impressions,
        ),
    )

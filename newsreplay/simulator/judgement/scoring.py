"""Scoring: one recommender's answers on one publisher, judged and summed by cluster.

`scored` says what is scored, once for all recommenders; `score` judges one of them and adds up all that its metrics
and their intervals are made of. Replays and re-scored run folders come through here alike.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import Column
from newsreplay.simulator.judgement.beyond import Beyond, beyond
from newsreplay.simulator.judgement.clusters import Clusters, clusters, coarser
from newsreplay.simulator.judgement.judge import Frame, Outcomes, frame, judge, tally
from newsreplay.simulator.judgement.measures import cut_offs
from newsreplay.simulator.judgement.rankings import Pooled, Ranked, Shown, pooled, rank_impressions, shown
from newsreplay.simulator.runs.options import Options


class Scored(NamedTuple):
    """What is scored of one publisher, and the clusters in which it is resampled."""

    frame: Frame
    by: Clusters  #: of the frame's sessions
    coarse: Clusters  #: of the frame's sessions, in fewer groups: for metrics beyond accuracy
    group: Column  #: int32[requests], the coarse group of each scored request, -1 = not scored
    sessions: Column  #: int64[groups], scored sessions
    requests: Column  #: int64[groups], requests of theirs after which they read something else
    longest: Column  #: bool[sessions], the longest 1 % of the scored ones
    shown: Shown  #: scored impressions
    shown_by: Clusters  #: of the scored impressions


class RankedSums(NamedTuple):
    """How one recommender ranked the impressions of each cluster."""

    sums: Column  #: float64[groups, 6]: `measures.IMPRESSIONS`
    pooled: Pooled


class Tally(NamedTuple):
    """What metrics are made of: one recommender's sums by cluster."""

    reads: Column  #: float64[groups, cut-offs, 6]: the judge's measures
    hits: tuple[int, int]  #: at 1: of all scored sessions, and of the longest 1 %
    beyond: Beyond
    impressions: RankedSums | None  #: None = it does not score them


class Answers(NamedTuple):
    """One recommender's answers."""

    slates: Column  #: int32[requests, k]
    scores: Column | None  #: float64[places], as the pools of the log; None = it does not score
    late: Column | None = None  #: bool[requests]: slates that count as none, since they came too late
    late_scores: Column | None = None  #: bool[impressions]: likewise


class Verdict(NamedTuple):
    """What became of one recommender's answers."""

    outcomes: Outcomes
    ranked: Ranked | None
    tally: Tally


def scored(publisher: Publisher, options: Options) -> Scored:
    """What a run with these options scores of a publisher."""
    limits = (options.warmup, options.window, options.max_session_length)
    lined = frame(publisher, *limits)
    by = clusters(publisher, lined.session, publisher.sessions.first_time[lined.session], options.cluster, options.seed)
    lengths = np.diff(lined.begin)
    group = np.full(len(publisher.requests.row), -1, np.int32)
    coarse = coarser(by, publisher.name, options.seed)
    group[lined.request] = np.repeat(coarse.group, lengths)
    longest = np.zeros(len(lengths), bool)
    longest[np.argsort(-lengths, kind="stable")[: -(-len(lengths) // 100)]] = True
    seen = shown(publisher, *limits)
    asked = np.repeat(by.group, lengths)[lined.relevant > 0]
    return Scored(
        lined,
        by,
        coarse,
        group,
        np.bincount(by.group, minlength=len(by.unit)),
        np.bincount(asked, minlength=len(by.unit)),
        longest,
        seen,
        clusters(publisher, seen.session, seen.time, options.cluster, options.seed),
    )


def score(publisher: Publisher, of: Scored, answers: Answers) -> Verdict:
    """Judge one recommender's answers and add them up."""
    k = answers.slates.shape[1]
    groups = len(of.by.unit)
    outcomes = judge(publisher, answers.slates, of.frame, answers.late)
    slates = answers.slates if answers.late is None else np.where(answers.late[:, None], np.int32(-1), answers.slates)
    hit = outcomes.place == 1
    ranked = impressions = None
    scores = answers.scores
    if scores is not None and len(of.shown.impression):
        if answers.late_scores is not None:
            scores = np.where(np.repeat(answers.late_scores, np.diff(publisher.log.pools.at)), -np.inf, scores)
        ranked = rank_impressions(publisher.log, scores, of.shown)
        group, count = of.shown_by.group, len(of.shown_by.unit)
        sums = np.column_stack([np.bincount(group, column, count) for column in ranked.values.T])
        impressions = RankedSums(sums, pooled(publisher.log, scores, of.shown, group, count))
    return Verdict(
        outcomes,
        ranked,
        Tally(
            tally(of.frame, outcomes, of.by.group, groups, cut_offs(k)),
            (int(np.count_nonzero(hit)), int(np.count_nonzero(hit & np.repeat(of.longest, np.diff(of.frame.begin))))),
            beyond(publisher, slates, of.group >= 0, of.group, len(of.coarse.unit)),
            impressions,
        ),
    )

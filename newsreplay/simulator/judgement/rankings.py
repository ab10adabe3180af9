"""Impressions as rankings: how far up a recommender put what readers clicked among what they were shown.

AUC, MRR and nDCG as MIND's official evaluation defines them (Wu et al. 2020), per impression; docs/design.md,
section 3, has the definitions. Candidates of equal score have no order, so every value is the expectation over all
orders of them, in closed form (McSherry & Najork 2008, "Computing information retrieval performance measures
efficiently in the presence of tied scores").

Scores are float64[places], one per candidate of every impression of the log, and lie as `Log.pools.item` does:
higher is better, -inf is not ranked at all (all of those tie), NaN does not occur.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import compiled, int64, kernel
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import IMPRESSION, OUTCOME, Column, Log
from newsreplay.simulator.judgement.judge import span
from newsreplay.simulator.judgement.measures import IMPRESSIONS

_SHORT, _LONG = 5, 10  # the cut-offs of nDCG

# What becomes of an impression.
_OUTSIDE, _UNKNOWN, _SINGLE_CLASS, _SCORED = range(4)


class ScoredImpressions(NamedTuple):
    """The impressions that are scored, the same for every recommender, in log order."""

    impression: Column  #: int32[n], their numbers
    row: Column  #: int64[n], log row
    session: Column  #: int32[n]
    time: Column  #: int64[n], ms since the epoch, UTC
    unknown: int  #: left out: no row tells their outcome
    single_class: int  #: left out: all or none of their candidates were clicked


class Ranked(NamedTuple):
    """What a recommender's scores are worth, impression by impression."""

    values: Column  #: float64[n, len(IMPRESSIONS)]


class Pooled(NamedTuple):
    """One AUC over the candidates of all impressions together, and what its interval needs.

    The sums are the terms of its Hájek projection, so that a replicate of a bootstrap over groups with the
    weights w is `w @ above / (w @ clicked) + w @ below / (w @ passed) - value`: the weighted AUC up to terms of second
    order (DeLong et al. 1988; for clusters Obuchowski 1997).
    """

    value: float  #: P(clicked > passed over) + P(equal) / 2; NaN without impressions
    above: Column  #: float64[groups], over the clicked: the share of all passed over that lie below, equal ones half
    below: Column  #: float64[groups], over the passed over: the share of all clicked that lie above, equal ones half
    clicked: Column  #: int64[groups], candidates
    passed: Column  #: int64[groups], candidates


def scored_impressions(
    publisher: Publisher,
    warmup: int = 0,
    window: int | None = None,
    max_session_length: int | None = None,
) -> ScoredImpressions:
    """The scored impressions: after the warm-up, within the window (ms), with something clicked and something not.

    Warm-up and window count as for sessions (`judge.frame`), from the first read of the log. Impressions in sessions of
    more than `max_session_length` reads are left out too. Those left out by their time or session are not counted as
    unknown or of a single class.
    """
    log = publisher.log
    begin, end = span(publisher, warmup, window)
    longest = np.iinfo(np.int64).max if max_session_length is None else max_session_length
    impressions = len(log.pools.at) - 1
    row = np.zeros(impressions, np.int64)
    fate = np.full(impressions, _OUTSIDE, np.uint8)
    _decide(log, publisher.sessions.reads, begin, end, longest, row, fate)
    impression = np.flatnonzero(fate == _SCORED)
    row = row[impression]
    return ScoredImpressions(
        impression.astype(np.int32),
        row,
        log.session[row],
        log.time[row],
        int(np.count_nonzero(fate == _UNKNOWN)),
        int(np.count_nonzero(fate == _SINGLE_CLASS)),
    )


@compiled
def _decide(log: Any, reads: Any, begin: int, end: int, longest: int, row: Any, fate: Any) -> None:
    for i in range(log.kind.size):
        if log.kind[i] == IMPRESSION:
            if begin <= log.time[i] < end and reads[log.session[i]] <= longest:
                number = log.impression[i]
                row[number] = i
                fate[number] = _UNKNOWN
        elif log.kind[i] == OUTCOME:
            number = log.impression[i]
            if fate[number] == _UNKNOWN:
                first, last = log.pools.at[number], log.pools.at[number + 1]
                clicked = 0
                for place in range(first, last):
                    clicked += log.pools.clicked[place]
                fate[number] = _SCORED if 0 < clicked < last - first else _SINGLE_CLASS


def rank_impressions(log: Log, scores: Column, scored: ScoredImpressions) -> Ranked:
    """Judge the scored impressions one by one by a recommender's scores (float64[places])."""
    pools = log.pools
    most = int((pools.at[scored.impression + 1] - pools.at[scored.impression]).max(initial=0))
    discount = 1 / np.log2(np.arange(2, _LONG + 2))
    scratch = _Blocks(np.empty(most), *(np.empty(most, np.int64) for _ in range(3)))
    values = np.empty((len(scored.impression), len(IMPRESSIONS)))
    _rank_all(pools, scored.impression, scores, discount, np.cumsum(discount), scratch, values)
    return Ranked(values)


class _Blocks(NamedTuple):
    """The blocks of an impression: the distinct scores of its clicked candidates, best first."""

    score: Column  # float64[most]
    clicked: Column  # int64[most]: candidates clicked that have this score
    equal: Column  # int64[most]: those passed over that have it
    before: Column  # int64[most]: those passed over that stand right before the block


@compiled
def _rank_all(pools: Any, impression: Any, scores: Any, discount: Any, ideal: Any, scratch: Any, values: Any) -> None:
    for number in range(impression.size):
        begin, end = pools.at[impression[number]], pools.at[impression[number] + 1]
        clicked = 0
        for place in range(begin, end):
            if pools.clicked[place]:
                scratch.score[clicked] = scores[place]
                clicked += 1
        _sort(scratch.score, clicked)
        blocks = _merge(scratch, clicked)
        for place in range(begin, end):
            if not pools.clicked[place]:
                _place(scores[place], blocks, scratch)
        _measure(number, blocks, clicked, end - begin - clicked, discount, ideal, scratch, values)


@kernel
def _sort(score: Any, n: int) -> None:
    """Sort the first n scores, best first, by heap sort: the worst of those not yet in place is on top."""
    for step in range(n // 2 + n - 1):
        if step < n // 2:  # make the heap
            top, size = n // 2 - 1 - step, n
        else:  # take its top off
            top, size = 0, n - 1 - (step - n // 2)
            score[0], score[size] = score[size], score[0]
        value = score[top]
        child = 2 * top + 1
        while child < size:
            if child + 1 < size and score[child + 1] < score[child]:
                child += 1
            if score[child] >= value:
                break
            score[top] = score[child]
            top, child = child, 2 * child + 1
        score[top] = value


@kernel
def _merge(scratch: Any, clicked: int) -> int:
    """Make blocks of the sorted scores of the clicked candidates, with nothing else in them yet."""
    blocks = 0
    for i in range(clicked):
        score = scratch.score[i]
        if blocks == 0 or score != scratch.score[blocks - 1]:
            scratch.score[blocks] = score
            scratch.clicked[blocks] = 0
            scratch.equal[blocks] = 0
            scratch.before[blocks] = 0
            blocks += 1
        scratch.clicked[blocks - 1] += 1
    return blocks


@kernel
def _place(score: float, blocks: int, scratch: Any) -> None:
    """Count a candidate that was passed over where it stands."""
    low, high = 0, blocks
    while low < high:
        middle = (low + high) >> 1
        if scratch.score[middle] > score:
            low = middle + 1
        else:
            high = middle
    if low < blocks:  # what stands below all clicked candidates changes nothing
        if scratch.score[low] == score:
            scratch.equal[low] += 1
        else:
            scratch.before[low] += 1


@kernel
def _measure(
    number: int, blocks: int, clicked: int, passed: int, discount: Any, ideal: Any, scratch: Any, values: Any
) -> None:
    above = 0  # candidates ranked above the block at hand
    ahead = 0  # those of them that were passed over
    wins, reciprocal, short, long = 0.0, 0.0, 0.0, 0.0
    tied = False
    for block in range(blocks):
        above += scratch.before[block]
        ahead += scratch.before[block]
        here, equal = scratch.clicked[block], scratch.equal[block]
        size = here + equal
        share = here / size  # the chance that a place of the block is taken by a clicked candidate
        wins += here * (passed - ahead - 0.5 * equal)
        for rank in range(above + 1, above + size + 1):
            reciprocal += share / rank
        for rank in range(above + 1, min(above + size, _LONG) + 1):
            gain = share * discount[rank - 1]
            long += gain
            if rank <= _SHORT:
                short += gain
        if block == 0:
            values[number, 2] = _first(above, here, equal)
        tied |= equal > 0
        above += size
        ahead += equal
    values[number, 0] = wins / (clicked * passed)
    values[number, 1] = reciprocal / clicked
    values[number, 3] = short / ideal[min(clicked, _SHORT) - 1]
    values[number, 4] = long / ideal[min(clicked, _LONG) - 1]
    values[number, 5] = tied


@kernel
def _first(above: int, clicked: int, equal: int) -> float:
    """The expectation of 1/rank of the first clicked candidate of a block that begins below `above` candidates."""
    expected, size = 0.0, clicked + equal
    chance = clicked / size  # that it is the block's first place, then its second, ...
    for place in range(1, equal + 2):
        expected += chance / (above + place)
        # C(size - place - 1, clicked - 1) / C(size - place, clicked - 1)
        if place <= equal:
            chance *= (equal + 1 - place) / (size - place)
    return expected


def pooled(log: Log, scores: Column, scored: ScoredImpressions, group: Column, groups: int) -> Pooled:
    """One AUC over the candidates of all scored impressions together, from a recommender's scores (float64[places]).

    `group` (int32[n]) is the group in 0 … groups - 1 in which each scored impression is summed.
    """
    pools = log.pools
    places = int((pools.at[scored.impression + 1] - pools.at[scored.impression]).sum())
    candidates = _Candidates(np.empty(places), np.empty(places, np.int32), np.empty(places, np.bool_))
    _gather(pools, scored.impression, scores, group, candidates)
    result = Pooled(np.nan, np.zeros(groups), np.zeros(groups), np.zeros(groups, np.int64), np.zeros(groups, np.int64))
    _sum(candidates, np.argsort(candidates.score), result)
    clicked, passed = int(result.clicked.sum()), int(result.passed.sum())
    if not clicked:
        return result
    # Until here all sums are whole or half numbers: exact, in whatever order the sort left equal scores.
    value = float(result.above.sum()) / (clicked * passed)
    return result._replace(value=value, above=result.above / passed, below=result.below / clicked)


class _Candidates(NamedTuple):
    score: Column  # float64[places]
    group: Column  # int32[places]
    clicked: Column  # bool[places]


@compiled
def _gather(pools: Any, impression: Any, scores: Any, group: Any, candidates: Any) -> None:
    n = 0
    for number in range(impression.size):
        for place in range(pools.at[impression[number]], pools.at[impression[number] + 1]):
            candidates.score[n] = scores[place]
            candidates.group[n] = group[number]
            candidates.clicked[n] = pools.clicked[place]
            n += 1


@compiled
def _sum(candidates: Any, order: Any, result: Any) -> None:
    """From the worst candidate to the best, one block of equal scores after the other."""
    all_clicked = 0
    for i in range(order.size):
        all_clicked += candidates.clicked[i]
    clicked, passed = 0, 0  # those worse than the block
    begin = 0
    while begin < order.size:
        end, here = begin, 0
        while end < order.size and candidates.score[order[end]] == candidates.score[order[begin]]:
            here += candidates.clicked[order[end]]
            end += 1
        equal = end - begin - here
        worse = passed + 0.5 * equal
        better = all_clicked - clicked - 0.5 * here
        for i in range(begin, end):
            group = int64(candidates.group[order[i]])
            if candidates.clicked[order[i]]:
                result.above[group] += worse
                result.clicked[group] += 1
            else:
                result.below[group] += better
                result.passed[group] += 1
        clicked += here
        passed += equal
        begin = end

"""The slow, obvious oracle of judging: places, causes of misses, oracle slates, slices, clusters and the bootstrap.

Written from docs/design.md, section 3, and docs/metrics.md. Every number is worked out anew from all rows of a log,
with lists and dicts; quadratic and worse, for logs of some dozens of rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from scipy.special import betaincinv

from newsreplay.kernels.mixing import key_of
from newsreplay.log.catalog import bare_articles
from newsreplay.log.publisher import Publisher, Requests, Sessions
from newsreplay.log.rows import DAY, HISTORY, HOUR, IMPRESSION, OUTCOME, PUBLISH, READ, Column, Excludes, Log, make_log
from tests.naive import baselines as naive

Slates = Sequence[Sequence[int]]

HIT, LOWER, LATE, AGAIN, UNKNOWN, NEVER, BELOW = "hit", "lower", "late", "again", "unknown", "never", "below"
CAUSES = (HIT, LOWER, LATE, AGAIN, UNKNOWN, NEVER, BELOW)


def publisher_of(log: Log, name: str = "A") -> Publisher:
    """A publisher around a log made by hand, its trail walked the slow way."""
    rows = [row for row in range(len(log.time)) if log.kind[row] == READ]
    sessions = range(int(log.session.max()) + 1)
    trails = [[request for request, row in enumerate(rows) if log.session[row] == session] for session in sessions]
    before = {later: earlier for trail in trails for earlier, later in pairwise(trail)}
    return Publisher(
        name,
        log,
        bare_articles(log),
        pa.array([str(user) for user in range(int(log.user.max()) + 1)]),
        Requests(np.array(rows, np.int32), np.array([before.get(n, -1) for n in range(len(rows))], np.int32)),
        Sessions(
            pa.array([str(session) for session in sessions]),
            np.array([trail[-1] if trail else -1 for trail in trails], np.int32),
            np.array([len(trail) for trail in trails], np.int32),
            np.array([log.time[rows[trail[0]]] if trail else 0 for trail in trails], np.int64),
        ),
    )


def padded(slates: Slates, k: int) -> Column:
    """Slates as recommenders hand them over: int32[requests, k], padded with -1."""
    return np.array([[*slate, *[-1] * (k - len(slate))] for slate in slates], np.int32).reshape(len(slates), k)


# --- reads ------------------------------------------------------------------------------------------------


class Fate(NamedTuple):
    """What became of one read of a scored session."""

    request: int
    row: int
    session: int
    position: int  #: 1 + the reads of its session at earlier times
    place: int | str  #: the best one at which it was offered in time, at an earlier instant, or LATE, BELOW, NEVER
    matches: list[bool]  #: for each place of its own slate, whether that article is read at a later time
    relevant: int
    reachable: bool
    again: bool

    @property
    def cause(self) -> str:
        """Why it was not a hit at 1; for reads after the first instant of their session."""
        if isinstance(self.place, int):
            return HIT if self.place == 1 else LOWER
        if self.place == LATE:
            return LATE
        if self.again:
            return AGAIN
        return self.place if self.reachable else UNKNOWN


def known_at(log: Log, row: int) -> set[int]:
    """The articles that some row up to this one carries."""
    return {int(item) for item in log.item[: row + 1] if item >= 0}


def scored_sessions(log: Log, warmup: int = 0, window: int | None = None, longest: int | None = None) -> list[int]:
    """The sessions that are scored; those of more than `longest` reads are not."""
    lengths = [sum(read.session == session for read in naive.reads_of(log)) for session in range(len(log.time))]
    return [s for s in naive.scored_sessions(log, warmup, window) if longest is None or lengths[s] <= longest]


def fates(
    log: Log,
    slates: Slates,
    k: int,
    late: Sequence[bool] | None = None,
    sessions: Sequence[int] | None = None,
    exclude: Excludes = "current",
) -> list[Fate]:
    """The fates of all reads of scored sessions, session by session."""
    late = [False] * len(slates) if late is None else late
    found = []
    for session in scored_sessions(log) if sessions is None else sessions:
        reads = [(request, read) for request, read in enumerate(naive.reads_of(log)) if read.session == session]
        for request, read in reads:
            earlier = [(other, read_before) for other, read_before in reads if read_before.time < read.time]
            in_time = [slates[other] for other, _ in earlier if not late[other]]
            too_late = [slates[other] for other, _ in earlier if late[other]]
            places = [list(slate).index(read.item) + 1 for slate in in_time if read.item in slate]
            place: int | str
            if places:
                place = min(places)
            elif any(read.item in slate for slate in too_late):
                place = LATE
            else:
                place = BELOW if any(len(slate) == k for slate in in_time) else NEVER
            relevant = {other.item for _, other in reads if other.time > read.time}
            relevant -= naive.excluded(log, read.row, exclude)
            found.append(
                Fate(
                    request,
                    read.row,
                    session,
                    len(earlier) + 1,
                    place,
                    [not late[request] and item in relevant for item in slates[request]],
                    len(relevant),
                    any(
                        read.item in known_at(log, other.row) - naive.excluded(log, other.row, exclude)
                        for _, other in earlier
                    ),
                    any(other.item == read.item for _, other in earlier),
                )
            )
    return found


# --- requests at impressions ------------------------------------------------------------------------------


class Impression(NamedTuple):
    """An impression as what asks for a slate."""

    number: int
    row: int
    time: int
    session: int
    item: int  #: on screen, -1 = none
    clicked: list[int]  #: by its outcome, in pool order
    brought: list[int]  #: rows of the reads that its outcome brings
    excluded: set[int]  #: what it excludes

    def counts_for(self, read: naive.Read) -> bool:
        """Whether its slate counts for a read of its session."""
        return self.time < read.time or read.row in self.brought

    def can_offer(self, log: Log, item: int) -> bool:
        """Whether an article is not excluded and was known before this instant."""
        known = any(log.item[row] == item and log.time[row] < self.time for row in range(len(log.time)))
        return known and item not in self.excluded

    def relevant(self, log: Log) -> set[int]:
        """What it shows and what is clicked, as far as it could be offered."""
        return {item for item in self.clicked if self.can_offer(log, item)}


def impressions_of(log: Log, exclude: Excludes = "current") -> list[Impression]:
    """All impressions of a log; every click brings the first read of its article and instant that no other brought."""
    taken: set[int] = set()
    found = []
    for row in range(len(log.time)):
        if log.kind[row] != IMPRESSION:
            continue
        number, session = int(log.impression[row]), int(log.session[row])
        places = range(int(log.pools.at[number]), int(log.pools.at[number + 1]))
        outcomes = [other for other in range(len(log.time)) if log.kind[other] == OUTCOME]
        told = [other for other in outcomes if log.impression[other] == number]
        clicked = [int(log.pools.item[place]) for place in places if told and log.pools.clicked[place]]
        brought = []
        for item in clicked:
            reads = [read.row for read in naive.reads_of(log) if (read.session, read.item) == (session, item)]
            free = [read for read in reads if read not in taken and log.time[read] == log.time[told[0]]]
            if free:
                taken.add(free[0])
                brought.append(free[0])
        out = naive.excluded(log, row, exclude)
        found.append(Impression(number, row, int(log.time[row]), session, int(log.item[row]), clicked, brought, out))
    return found


def sessions_at_impressions(
    log: Log, warmup: int = 0, window: int | None = None, longest: int | None = None
) -> list[int]:
    """The sessions that are scored where impressions ask."""
    begin = naive.reads_of(log)[0].time + warmup
    scored, impressions = [], impressions_of(log)
    for session in range(int(log.session.max()) + 1):
        mine = [impression for impression in impressions if impression.session == session]
        length = sum(read.session == session for read in naive.reads_of(log))
        if (
            any(impression.clicked for impression in mine)
            and mine[0].time >= begin
            and (window is None or mine[0].time < begin + window)
            and (longest is None or length <= longest)
        ):
            scored.append(session)
    return scored


class FateAtImpressions(NamedTuple):
    """What became of one read of a scored session where impressions ask."""

    row: int
    session: int
    position: int
    place: int | str  #: the best one in the slates that count for the read, or LATE, BELOW, NEVER
    reachable: bool
    again: bool
    asked: bool  #: some slate counts for it


def fates_at_impressions(
    log: Log,
    slates: Slates,
    k: int,
    late: Sequence[bool],
    sessions: Sequence[int],
    exclude: Excludes = "current",
) -> list[FateAtImpressions]:
    """The fates of all reads of these sessions, session by session."""
    found, impressions = [], impressions_of(log, exclude)
    for session in sessions:
        reads = [read for read in naive.reads_of(log) if read.session == session]
        for read in reads:
            asked = [one for one in impressions if one.session == session and one.counts_for(read)]
            able = [one for one in asked if one.can_offer(log, read.item)]
            in_time = [slates[one.number] for one in able if not late[one.number]]
            too_late = [slates[one.number] for one in able if late[one.number]]
            places = [list(slate).index(read.item) + 1 for slate in in_time if read.item in slate]
            full = any(len(slates[one.number]) == k for one in asked if not late[one.number])
            place: int | str = BELOW if full else NEVER
            if places:
                place = min(places)
            elif any(read.item in slate for slate in too_late):
                place = LATE
            earlier = [other for other in reads if other.time < read.time]
            again = any(other.item == read.item for other in earlier)
            found.append(FateAtImpressions(read.row, session, len(earlier) + 1, place, bool(able), again, bool(asked)))
    return found


def matches_at_impressions(
    log: Log, slates: Slates, late: Sequence[bool], session: int, exclude: Excludes = "current"
) -> list[list[bool]]:
    """For each impression of a session: for each place of its slate, whether that article is relevant."""
    return [
        [not late[one.number] and item in one.relevant(log) for item in slates[one.number]]
        for one in impressions_of(log, exclude)
        if one.session == session
    ]


def measured_at_impressions(
    log: Log, slates: Slates, sessions: Sequence[int], k: int, exclude: Excludes = "current"
) -> dict[str, naive.Metric]:
    """The overall values at a cut-off."""
    judgements = {}
    fates = fates_at_impressions(log, [slate[:k] for slate in slates], k, [False] * len(slates), sessions, exclude)
    for session in sessions:
        hits = [isinstance(fate.place, int) for fate in fates if fate.session == session]
        requests = [
            naive.judge_request(one.row, slates[one.number], one.relevant(log), k)
            for one in impressions_of(log, exclude)
            if one.session == session and one.relevant(log)
        ]
        judgements[session] = naive.SessionJudgement(len(hits), sum(hits), requests)
    return naive.measure(judgements, k)


def oracle_at_impressions(log: Log, k: int, exclude: Excludes = "current") -> list[list[int]]:
    """For each impression: its clicks in pool order, then what its session reads later, turned as for reads."""
    slates, impressions = [], impressions_of(log, exclude)
    for one in impressions:
        mine = [other for other in impressions if other.session == one.session]
        later = [read.item for read in naive.reads_of(log) if read.session == one.session and read.time > one.time]
        listed = list(dict.fromkeys(item for item in later if one.can_offer(log, item)))
        before = sum(other.time == one.time and other.row < one.row for other in mine)
        turned = [listed[(before + place) % len(listed)] for place in range(len(listed))]
        clicks = [item for item in one.clicked if one.can_offer(log, item)]
        slates.append(list(dict.fromkeys([*clicks, *turned]))[:k])
    return slates


def oracle_slates(log: Log, k: int, exclude: Excludes = "current") -> list[list[int]]:
    """For each read: what its session reads at later times, is known and not excluded, each article once.

    The second read of an instant begins with the second of these, and so on around.
    """
    reads = naive.reads_of(log)
    slates = []
    for n, read in enumerate(reads):
        later = [other.item for other in reads if other.session == read.session and other.time > read.time]
        able = known_at(log, read.row) - naive.excluded(log, read.row, exclude)
        listed = list(dict.fromkeys(item for item in later if item in able))
        before = sum(other.session == read.session and other.time == read.time for other in reads[:n])
        turned = [listed[(before + place) % len(listed)] for place in range(len(listed))]
        slates.append(turned[:k])
    return slates


def eight_shown() -> tuple[Log, list[float]]:
    """One impression of eight articles before one read, and scores that rank the clicked second and seventh."""
    log = make_log(
        time=[*range(8), 8, 9, 10, 10],
        kind=[PUBLISH] * 8 + [READ, IMPRESSION, OUTCOME, READ],
        session=[-1] * 8 + [0] * 4,
        user=[-1] * 8 + [0] * 4,
        item=[*range(8), 0, 0, 0, 1],
        category=[-1] * 12,
        impression=[-1] * 9 + [0, 0, -1],
        pools={"at": [0, 8], "item": range(8), "clicked": [place in (1, 6) for place in range(8)]},
    )
    return log, [8.0 - place for place in range(8)]


# --- impressions ------------------------------------------------------------------------------------------


class Pool(NamedTuple):
    """A scored impression."""

    row: int
    session: int
    time: int
    clicked: list[float]  #: scores
    passed: list[float]

    @property
    def auc(self) -> float:
        return auc(self.clicked, self.passed)

    @property
    def mrr(self) -> float:
        """The mean of 1/rank over the clicked; a tied one's is its expectation."""
        return self._over_ranks(lambda rank: 1 / rank) / len(self.clicked)

    @property
    def ndcg10(self) -> float:
        ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(10, len(self.clicked)) + 1))
        return self._over_ranks(lambda rank: 1 / math.log2(rank + 1) if rank <= 10 else 0.0) / ideal

    def _over_ranks(self, gain: Callable[[int], float]) -> float:
        """The sum of the gains of all clicked, each at every rank at which it may stand, equally likely."""
        total = 0.0
        for score in self.clicked:
            better = sum(other > score for other in self.clicked + self.passed)
            equal = sum(other == score for other in self.clicked + self.passed)
            total += sum(gain(better + i) for i in range(1, equal + 1)) / equal
        return total


def auc(clicked: Sequence[float], passed: Sequence[float]) -> float:
    """P(clicked > passed over) + P(equal) / 2."""
    return sum((a > b) + (a == b) / 2 for a in clicked for b in passed) / (len(clicked) * len(passed))


def pools(log: Log, scores: Sequence[float]) -> list[Pool]:
    """The impressions from the first read on that have something clicked and something passed over."""
    found = []
    begin = naive.reads_of(log)[0].time
    for row in range(len(log.time)):
        if log.kind[row] != IMPRESSION or log.time[row] < begin:
            continue
        number = log.impression[row]
        places = range(int(log.pools.at[number]), int(log.pools.at[number + 1]))
        told = any(log.kind[other] == OUTCOME and log.impression[other] == number for other in range(len(log.time)))
        clicked = [float(scores[place]) for place in places if log.pools.clicked[place]]
        passed = [float(scores[place]) for place in places if not log.pools.clicked[place]]
        if told and clicked and passed:
            found.append(Pool(row, int(log.session[row]), int(log.time[row]), clicked, passed))
    return found


# --- clusters and the bootstrap ---------------------------------------------------------------------------


def rows_of(log: Log, session: int) -> list[int]:
    """All rows of a session, impressions too."""
    return [row for row in range(len(log.time)) if log.session[row] == session]


def cluster(log: Log, kind: str, session: int, time: int) -> int:
    """What a session that begins at a time, or an impression of it, is resampled with."""
    if kind == "session":
        return session
    if kind == "user":
        return int(log.user[rows_of(log, session)[0]])
    return (datetime.fromtimestamp(time / 1000, UTC).date() - datetime(1970, 1, 1, tzinfo=UTC).date()).days


def hashed(unit: int, groups: int, seed: int = 0, publisher: str = "A") -> int:
    """The group in which a cluster is resampled where there are too many."""
    return naive.draw(int(key_of(seed, publisher, "group")), unit, 0) % groups


#: The distribution function of Poisson(1), times 2^32.
POISSON = [round(2**32 * math.fsum(math.exp(-1) / math.factorial(i) for i in range(n + 1))) for n in range(13)]


@lru_cache(maxsize=100_000)
def weight(seed: int, publisher: str, unit: int, replicate: int) -> int:
    """A Poisson(1) draw by inversion: how many values of the distribution function a random number reaches."""
    word = naive.draw(int(key_of(seed, publisher, "bootstrap")), unit, replicate) >> 32
    return sum(word >= step for step in POISSON)


def interval(
    values: list[float], units: list[int], seed: int = 0, publisher: str = "A", replicates: int = 1000
) -> tuple[float, float]:
    """The 95 % percentile bootstrap of a mean of values, each of which is resampled with its unit."""
    means = replicated(values, units, seed, publisher, replicates)
    low, high = np.percentile([mean for mean in means if mean is not None], [2.5, 97.5])
    return float(low), float(high)


def replicated(
    values: list[float], units: list[int], seed: int = 0, publisher: str = "A", replicates: int = 1000
) -> list[float | None]:
    """The weighted mean in each replicate, None where all weights are nought."""
    counts = {unit: units.count(unit) for unit in units}
    sums = {u: sum(Fraction(value) for value, unit in zip(values, units, strict=True) if unit == u) for u in counts}
    found: list[float | None] = []
    for replicate in range(replicates):
        weights = {unit: weight(seed, publisher, unit, replicate) for unit in counts}
        n = sum(weights[unit] * counts[unit] for unit in counts)
        found.append(float(sum(weights[unit] * sums[unit] for unit in counts) / n) if n else None)
    return found


def clopper_pearson(hits: float, trials: float) -> tuple[float, float]:
    """The exact interval of a share, of broken numbers too."""
    low = float(betaincinv(hits, trials - hits + 1, 0.025)) if hits > 0 else 0.0
    return low, float(betaincinv(hits + 1, trials - hits, 0.975)) if hits < trials else 1.0


def success_interval(
    hits: Sequence[int], units: Sequence[int], by_session: bool, drawn: tuple[float, float]
) -> tuple[float, float]:
    """Of session-level success: `hits` and `units` are those of the sessions, `drawn` is what the bootstrap says."""
    sessions, hit = len(hits), sum(n > 0 for n in hits)
    if by_session:
        return clopper_pearson(hit, sessions)
    clusters = {unit: [n > 0 for n, own in zip(hits, units, strict=True) if own == unit] for unit in units}
    if sum(any(c) for c in clusters.values()) >= 40 and sum(not all(c) for c in clusters.values()) >= 40:
        return drawn
    share = Fraction(hit, sessions)
    if share in (0, 1):
        inflation = Fraction(sum(len(c) ** 2 for c in clusters.values()), sessions)
    else:
        squares = sum((sum(c) - share * len(c)) ** 2 for c in clusters.values())
        inflation = max(Fraction(1), squares / (sessions * share * (1 - share)))
    return clopper_pearson(float(hit / inflation), float(sessions / inflation))


def event_interval(
    hits: Sequence[int], success: tuple[float, float], drawn: tuple[float, float]
) -> tuple[float, float]:
    """Of event-level success, given that of session-level success at the same cut-off."""
    hit = sum(n > 0 for n in hits)
    if hit >= 40:
        return drawn
    each = sum(hits) / hit if hit else 1.0
    return min(drawn[0], success[0] * each), max(drawn[1], success[1] * each)


# --- slices -----------------------------------------------------------------------------------------------


def hour(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%H")


def day(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%d")


def reads_bin(n: int) -> str:
    """The position of a read, or the length of a session."""
    if n <= 3:
        return str(n)
    return "4 to 5" if n <= 5 else "6 to 10" if n <= 10 else "11 and more"


def age_bin(age: int) -> str:
    if age < HOUR:
        return "under 1 h"
    if age < 6 * HOUR:
        return "1 to 6 h"
    if age < DAY:
        return "6 to 24 h"
    return "1 to 7 days" if age < 7 * DAY else "7 days and more"


def age(log: Log, row: int) -> int:
    """Of the article of a row: ms since the first row that carries it."""
    first = min(other for other in range(row + 1) if log.item[other] == log.item[row])
    return int(log.time[row] - log.time[first])


def category(log: Log, row: int) -> int | None:
    """Of the article of a row, as the first row up to this one that tells it has it."""
    told = [int(log.category[i]) for i in range(row + 1) if log.item[i] == log.item[row] and log.category[i] >= 0]
    return told[0] if told else None


def reader(log: Log, session: int) -> str:
    """Whether the session's reader has read something before its first row."""
    first = rows_of(log, session)[0]
    reads = [row for row in range(first) if log.kind[row] in (READ, HISTORY) and log.user[row] == log.user[first]]
    return "returning" if reads else "new"


def slice_of_read(log: Log, by: str, fate: Fate) -> str | int | None:
    """The slice of a read; of categories their codes."""
    if by == "position":
        return reads_bin(fate.position)
    if by == "age":
        return age_bin(age(log, fate.row))
    return category(log, fate.row)


def slice_of_session(log: Log, by: str, reads: Sequence[Fate]) -> str:
    """The slice of a session, from all its reads."""
    begins = int(log.time[reads[0].row])
    if by in ("hour", "day"):
        return {"hour": hour, "day": day}[by](begins)
    return reads_bin(len(reads)) if by == "length" else reader(log, reads[0].session)

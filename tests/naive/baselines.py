"""The slow, obvious oracle: every baseline, the judge and the session rule, written from the specification.

Nothing here keeps state between requests: each slate is worked out anew from all rows up to its read, with
lists, dicts and exact integers. Quadratic and worse, for logs of some dozens of rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from newsreplay.log.rows import DAY, HISTORY, HOUR, IMPRESSION, OUTCOME, READ, Excludes, Log

# --- random numbers ---------------------------------------------------------------------------------------

GOLDEN = 0x9E3779B97F4A7C15
MASK = 2**64 - 1


def mix(z: int) -> int:
    """The finaliser of splitmix64, of any integer modulo 2^64."""
    z &= MASK
    z ^= z >> 30
    z = (z * 0xBF58476D1CE4E5B9) & MASK
    z ^= z >> 27
    z = (z * 0x94D049BB133111EB) & MASK
    z ^= z >> 31
    return z


def draw(key: int, row: int, j: int) -> int:
    """The j-th 64-bit number of a row."""
    return mix(mix(key + row * GOLDEN) + j * GOLDEN)


def draw_without_replacement(candidates: Sequence[int], k: int, key: int, row: int) -> list[int]:
    """The first k places of a Fisher-Yates shuffle."""
    cards = list(candidates)
    n = len(cards)
    for j in range(min(k, n)):
        r = j + (((draw(key, row, j) >> 32) * (n - j)) >> 32)
        cards[j], cards[r] = cards[r], cards[j]
    return cards[:k]


# --- what a recommender may know --------------------------------------------------------------------------


class Read(NamedTuple):
    row: int
    time: int
    session: int
    user: int
    item: int


class Past:
    """The rows of a log up to and including a read or an impression, which is the request."""

    def __init__(self, log: Log, row: int, exclude: Excludes = "current", delay: int = 0) -> None:
        self.row = row
        self.now = int(log.time[row])
        self.current = int(log.item[row])
        self.left_out = set() if exclude == "nothing" else {self.current}
        self.user, self.session = int(log.user[row]), int(log.session[row])
        self.reads: list[Read] = []  #: learned by now, in log order, the request's own, if it is one, last
        self.published: dict[int, int] = {}  #: article -> publication time, in the order of becoming known
        self.category: dict[int, int] = {}  #: article -> category, in the order in which it became known
        for i in range(row + 1):
            time, item, category = int(log.time[i]), int(log.item[i]), int(log.category[i])
            if item >= 0 and item not in self.published:
                self.published[item] = time
            if category >= 0 and item not in self.category:
                self.category[item] = category
            late = delay > 0 and log.kind[i] == READ
            if log.kind[i] in (READ, HISTORY) and not (late and (i == row or time + delay > self.now)):
                self.reads.append(Read(i, time, int(log.session[i]), int(log.user[i]), item))

    def within(self, time: int, hours: int | None) -> bool:
        """Whether a time lies in (now - hours, now]."""
        return hours is None or self.now - hours * HOUR < time <= self.now

    def rank(self, scores: Mapping[int, int], k: int) -> list[int]:
        """The k best articles: higher score, then read most recently, then known last."""
        last_read = {read.item: read.row for read in self.reads}
        known = list(self.published)
        others = [item for item in scores if item not in self.left_out]
        others.sort(key=lambda item: (scores[item], last_read.get(item, -1), known.index(item)), reverse=True)
        return others[:k]


def pool_of(log: Log, row: int) -> list[int]:
    """The candidates that a recommender is shown with a row: those of an impression, and again with its outcome."""
    if log.kind[row] not in (IMPRESSION, OUTCOME):
        return []
    begin, end = log.pools.at[log.impression[row]], log.pools.at[log.impression[row] + 1]
    return [int(log.pools.item[place]) for place in range(begin, end)]


def clicked_of(log: Log, row: int) -> list[bool]:
    """Which of them were clicked: told with the outcome only."""
    if log.kind[row] != OUTCOME:
        return []
    begin, end = log.pools.at[log.impression[row]], log.pools.at[log.impression[row] + 1]
    return [bool(log.pools.clicked[place]) for place in range(begin, end)]


# --- the baselines ----------------------------------------------------------------------------------------


def random(past: Past, k: int, *, key: int, hours: int | None = None) -> list[int]:
    """Any known article, or any that was published in the window."""
    candidates = [
        item for item, time in past.published.items() if past.within(time, hours) and item not in past.left_out
    ]
    return draw_without_replacement(candidates, k, key, past.row)


def content(past: Past, k: int, *, key: int) -> list[int]:
    """Any known article of the category of the one in view."""
    view = article_in_view(past, past.session)
    if view not in past.category:
        return []
    category = past.category[view]
    candidates = [item for item, c in past.category.items() if c == category and item not in past.left_out]
    return draw_without_replacement(candidates, k, key, past.row)


def popular(past: Past, k: int, *, hours: int | None = None) -> list[int]:
    """Reads in the window."""
    count: dict[int, int] = {}
    for read in past.reads:
        if past.within(read.time, hours):
            count[read.item] = count.get(read.item, 0) + 1
    return past.rank(count, k)


def recency(past: Past, k: int) -> list[int]:
    """Publication time."""
    return past.rank(past.published, k)


def circular(past: Past, k: int, *, size: int = 100) -> list[int]:
    """The last reads, walked back from the newest, each article once."""
    slate: list[int] = []
    for read in reversed(past.reads[-size:]):
        if read.item not in past.left_out and read.item not in slate:
            slate.append(read.item)
    return slate[:k]


def sequences(past: Past, k: int) -> list[int]:
    """How often a session went from the article in view to this one next."""
    view = article_in_view(past, past.session)
    successors: dict[int, int] = {}
    for session in {read.session for read in past.reads} - {-1}:  # reads from before the log are in none
        items = [read.item for read in past.reads if read.session == session]
        for before, after in pairwise(items):
            if before == view and after != before:
                successors[after] = successors.get(after, 0) + 1
    return past.rank(successors, k)


def trend(past: Past, k: int, *, hours: int = 6) -> list[int]:
    """The slope of the hourly reads, as the integer that orders slopes of the same window."""
    slope: dict[int, int] = {}
    for read in past.reads:
        if past.within(read.time, hours):
            full_hours_ago = (past.now - read.time) // HOUR
            slope[read.item] = slope.get(read.item, 0) + (hours - 1) - 2 * full_hours_ago
    return past.rank(slope, k)


GROUPS = 10  #: clusters of a user
VOTES_COUNT_FOR = 96 * HOUR

Cluster = tuple[int, int, int]  #: (group, minimum of its first hash function, minimum of its second)


@lru_cache(maxsize=100_000)
def article_hash(j: int, item: int) -> int:
    """The j-th of the 20 hash functions of an article code."""
    return mix(mix(item * GOLDEN + 1) + (j + 1) * GOLDEN)


@lru_cache(maxsize=100_000)
def clusters_of_profile(profile: frozenset[int]) -> list[Cluster]:
    """The clusters of a user who has read these articles."""
    return [
        (
            group,
            min(article_hash(2 * group, item) for item in profile),
            min(article_hash(2 * group + 1, item) for item in profile),
        )
        for group in range(GROUPS)
    ]


def clusters(reads: Iterable[Read], user: int) -> list[Cluster]:
    """The clusters of a user after these reads of all users."""
    return clusters_of_profile(frozenset(read.item for read in reads if read.user == user))


def vote_weight(time: int) -> int:
    """2^(time in days) in exact integers: sums of these compare as sums of 2^(-age / 24 h)."""
    days, rest = divmod(time, DAY)
    within_day: float = 2.0 ** (rest / DAY)
    return round(2**32 * within_day) << days


def minhash(past: Past, k: int) -> list[int]:
    """Decayed votes of the reader's clusters."""
    mine = clusters(past.reads, past.user) if any(read.user == past.user for read in past.reads) else []
    score: dict[int, int] = {}
    for n, read in enumerate(past.reads):
        if past.now - read.time > VOTES_COUNT_FOR:
            continue
        shared = len(set(mine) & set(clusters(past.reads[: n + 1], read.user)))
        if shared:
            score[read.item] = score.get(read.item, 0) + shared * vote_weight(read.time)
    return past.rank(score, k)


BASELINES: dict[str, Callable[..., list[int]]] = {
    "random": random,
    "popular": popular,
    "recency": recency,
    "circular": circular,
    "sequences": sequences,
    "content": content,
    "minhash": minhash,
    "trend": trend,
}


def slates(
    log: Log,
    spec_name: str,
    k: int,
    *,
    hours: int | None = None,
    size: int | None = None,
    key: int | None = None,
    kind: int = READ,
    exclude: Excludes = "current",
    delay: int = 0,
) -> list[list[int]]:
    """The slate of every read of a log, or of every impression (`kind`), in log order: codes, best first, at most k.

    `key` is the 64-bit key of `random` and `content`; an option left out keeps the baseline's default. Reads are
    learned `delay` ms late.
    """
    given = {"hours": hours, "size": size, "key": key}
    options = {name: value for name, value in given.items() if value is not None}
    recommend = BASELINES[spec_name]
    found = []
    for row in range(len(log.time)):
        if log.kind[row] == kind:
            more = read_besides(log, row) if exclude == "session" else set()
            answer = recommend(Past(log, row, exclude, delay), k + len(more), **options)
            found.append([item for item in answer if item not in more][:k])
    return found


def read_besides(log: Log, row: int) -> set[int]:
    """What the session of a row has read up to it, the article on screen excepted."""
    return {read.item for read in reads_of(log) if read.session == log.session[row] and read.row <= row} - {
        int(log.item[row])
    }


def excluded(log: Log, row: int, exclude: Excludes) -> set[int]:
    """What the request of a row excludes."""
    if exclude == "nothing":
        return set()
    return {int(log.item[row])} | (read_besides(log, row) if exclude == "session" else set())


# --- the baselines as scorers of a pool -------------------------------------------------------------------

NOT_RANKED = -math.inf


def article_in_view(past: Past, session: int) -> int | None:
    """The article on screen, or the session's last read if there is none."""
    if past.current >= 0:
        return past.current
    return next((read.item for read in reversed(past.reads) if read.session == session), None)


def score_random(past: Past, pool: list[int], *, key: int, hours: int | None = None) -> list[float]:
    """A random number of 53 bits for each place."""
    return [
        (draw(key, past.row, place) >> 11) / 2**53 if past.within(past.published[item], hours) else NOT_RANKED
        for place, item in enumerate(pool)
    ]


def score_content(past: Past, pool: list[int], *, session: int) -> list[float]:
    """Whether it is of the same category."""
    view = article_in_view(past, session)
    if view not in past.category:
        return [0.0] * len(pool)
    return [float(past.category.get(item) == past.category[view]) for item in pool]


def score_popular(past: Past, pool: list[int], *, hours: int | None = None) -> list[float]:
    """Reads in the window."""
    return [float(sum(past.within(read.time, hours) for read in past.reads if read.item == item)) for item in pool]


def score_recency(past: Past, pool: list[int]) -> list[float]:
    """Publication time."""
    return [float(past.published[item]) for item in pool]


def score_circular(past: Past, pool: list[int], *, size: int = 100) -> list[float]:
    """The last place in the buffer, counted from the oldest."""
    places = {read.item: float(place) for place, read in enumerate(past.reads[-size:], start=1)}
    return [places.get(item, NOT_RANKED) for item in pool]


def score_sequences(past: Past, pool: list[int], *, session: int) -> list[float]:
    """How often a session went from the article in view to this one next."""
    steps: list[tuple[int, int]] = []
    for one in {read.session for read in past.reads} - {-1}:
        steps += pairwise(read.item for read in past.reads if read.session == one)
    view = article_in_view(past, session)
    return [float(steps.count((view, item)) if view is not None and item != view else 0) for item in pool]


def score_trend(past: Past, pool: list[int], *, hours: int = 6) -> list[float]:
    """The slope of the hourly reads, as the integer that orders slopes of the same window."""
    scores: list[float] = []
    for item in pool:
        ages = [past.now - read.time for read in past.reads if read.item == item and past.within(read.time, hours)]
        scores.append(float(sum((hours - 1) - 2 * (age // HOUR) for age in ages)) if ages else NOT_RANKED)
    return scores


def score_minhash(past: Past, pool: list[int], *, user: int) -> list[float]:
    """Decayed votes of the reader's clusters; one of the first moment of the day counts 2^36."""
    mine = set(clusters(past.reads, user)) if any(read.user == user for read in past.reads) else set()
    votes = dict.fromkeys(pool, 0)
    for n, read in enumerate(past.reads):
        if read.item in votes and past.now - read.time <= VOTES_COUNT_FOR:
            votes[read.item] += len(mine & set(clusters(past.reads[: n + 1], read.user))) * vote_weight(read.time)
    return [float(votes[item] >> max(0, past.now // DAY - 4)) for item in pool]


SCORERS: dict[str, Callable[..., list[float]]] = {
    "random": score_random,
    "popular": score_popular,
    "recency": score_recency,
    "circular": score_circular,
    "sequences": score_sequences,
    "content": score_content,
    "minhash": score_minhash,
    "trend": score_trend,
}


def scores(log: Log, spec_name: str, *, delay: int = 0, **options: int) -> list[float]:
    """The scores of all candidates of all impressions of a log, in log order; options as for `slates`."""
    found: list[float] = []
    for row in range(len(log.time)):
        if log.kind[row] == IMPRESSION:
            who = {
                "sequences": {"session": int(log.session[row])},
                "content": {"session": int(log.session[row])},
                "minhash": {"user": int(log.user[row])},
            }.get(spec_name, {})
            found += SCORERS[spec_name](Past(log, row, delay=delay), pool_of(log, row), **who, **options)
    return found


# --- sessions ---------------------------------------------------------------------------------------------


def code_by_first_appearance(values: Iterable[Hashable]) -> list[int]:
    """Dense codes 0, 1, … in the order in which the values first appear."""
    codes: dict[Hashable, int] = {}
    return [codes.setdefault(value, len(codes)) for value in values]


def split_sessions(times: Sequence[int], users: Sequence[Hashable], gap_ms: int = 3_600_000) -> list[int]:
    """Codes of reads in time order; more than `gap_ms` since the user's last read starts a new one."""
    sessions: list[int] = []
    for i, (time, user) in enumerate(zip(times, users, strict=True)):
        earlier = [n for n in range(i) if users[n] == user]
        if earlier and time - times[earlier[-1]] <= gap_ms:
            sessions.append(sessions[earlier[-1]])
        else:
            sessions.append(len(set(sessions)))
    return sessions


# --- the judge --------------------------------------------------------------------------------------------


class RequestJudgement(NamedTuple):
    """One request of a scored session with something relevant, all at k."""

    row: int
    hit_rate: float
    mrr: float
    ndcg: float
    recall: float


class SessionJudgement(NamedTuple):
    reads: int
    hits: int
    requests: list[RequestJudgement]


def reads_of(log: Log) -> list[Read]:
    """All reads of a log in log order."""
    return [
        Read(row, int(log.time[row]), int(log.session[row]), int(log.user[row]), int(log.item[row]))
        for row in range(len(log.time))
        if log.kind[row] == READ
    ]


def scored_sessions(log: Log, warmup_ms: int = 0, window_ms: int | None = None) -> list[int]:
    """The sessions that are scored, in the order of their codes."""
    reads = reads_of(log)
    scored: list[int] = []
    for session in sorted({read.session for read in reads}):
        times = [read.time for read in reads if read.session == session]
        start = reads[0].time + warmup_ms
        in_window = times[0] >= start and (window_ms is None or times[0] < start + window_ms)
        if times[-1] > times[0] and in_window:
            scored.append(session)
    return scored


def hit_rows(log: Log, slates: Sequence[Sequence[int]], k: int) -> list[int]:
    """The rows of all reads whose article a slate of their session at an earlier time has in its first k places."""
    answered = list(zip(reads_of(log), slates, strict=True))
    rows: list[int] = []
    for read, _ in answered:
        earlier = [slate for other, slate in answered if other.session == read.session and other.time < read.time]
        if any(read.item in slate[:k] for slate in earlier):
            rows.append(read.row)
    return rows


def judge_request(row: int, slate: Sequence[int], relevant: Collection[int], k: int) -> RequestJudgement:
    """The ranking metrics of one slate against a non-empty set of relevant articles."""
    ranks = [rank for rank, item in enumerate(slate[:k], start=1) if item in relevant]
    ideal = range(1, min(k, len(relevant)) + 1)
    return RequestJudgement(
        row=row,
        hit_rate=1.0 if ranks else 0.0,
        mrr=1.0 / ranks[0] if ranks else 0.0,
        ndcg=sum(1.0 / math.log2(r + 1) for r in ranks) / sum(1.0 / math.log2(r + 1) for r in ideal),
        recall=len(ranks) / len(relevant),
    )


def judge(
    log: Log,
    slates: Sequence[Sequence[int]],
    scored_sessions: Collection[int],
    k: int,
    exclude: Excludes = "current",
) -> dict[int, SessionJudgement]:
    """What the slates (one per read of the log, in log order) brought each scored session."""
    hits = hit_rows(log, slates, k)
    judgements: dict[int, SessionJudgement] = {}
    for session in scored_sessions:
        answered = [(read, slate) for read, slate in zip(reads_of(log), slates, strict=True) if read.session == session]
        requests: list[RequestJudgement] = []
        for read, slate in answered:
            later = {other.item for other, _ in answered if other.time > read.time}
            relevant = later - excluded(log, read.row, exclude)
            if relevant:
                requests.append(judge_request(read.row, slate, relevant, k))
        judgements[session] = SessionJudgement(
            reads=len(answered), hits=sum(read.row in hits for read, _ in answered), requests=requests
        )
    return judgements


class Metric(NamedTuple):
    value: float  #: not a number when n is 0
    n: int


def mean(values: Sequence[float]) -> Metric:
    return Metric(math.fsum(values) / len(values) if values else math.nan, len(values))


def measure(judgements: Mapping[int, SessionJudgement], k: int) -> dict[str, Metric]:
    """The overall values: n is scored sessions for the two success rates, requests for the rest."""
    sessions = list(judgements.values())
    requests = [request for session in sessions for request in session.requests]
    return {
        f"event_success@{k}": mean([session.hits for session in sessions]),
        f"session_success@{k}": mean([1.0 if session.hits > 0 else 0.0 for session in sessions]),
        f"session_hit_rate@{k}": mean([request.hit_rate for request in requests]),
        f"session_mrr@{k}": mean([request.mrr for request in requests]),
        f"session_ndcg@{k}": mean([request.ndcg for request in requests]),
        f"session_recall@{k}": mean([request.recall for request in requests]),
    }

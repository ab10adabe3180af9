"""The baselines as a competent engineer writes them in plain Python, made for speed at k = 1.

Nothing here is imported by newsreplay. It is the other side of the benchmark "compiled against good plain
Python", and a second implementation to compare answers with. Every class has `learn(event)` and
`recommend(request, k)`; an event of a read is also the request that it raises.
"""

from __future__ import annotations

import heapq
import random
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from newsreplay.log.rows import HOUR, PUBLISH, READ, Event, Log

WORD = 2**64 - 1


class Plain(Protocol):
    def learn(self, event: Event) -> None: ...
    def recommend(self, request: Event, k: int) -> Sequence[int]: ...


class Random:
    """Any known article, or any that became known in the last hours."""

    def __init__(self, hours: int | None = None, seed: int = 0) -> None:
        self.window = None if hours is None else hours * HOUR
        self.known: set[int] = set()
        self.articles: list[int] = []
        self.published: list[int] = []
        self.dice = random.Random(seed)

    def learn(self, event: Event) -> None:
        if event.item not in self.known:
            self.known.add(event.item)
            self.articles.append(event.item)
            self.published.append(event.time)

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        first = 0 if self.window is None else bisect_right(self.published, request.time - self.window)
        return _draw(self.dice, self.articles, first, request.item, k)


class Popular:
    """Most reads so far. Counts only grow, so the best k + 1 can be kept sorted."""

    def __init__(self, k: int = 1) -> None:
        self.places = k + 1
        self.count: dict[int, int] = {}
        self.best: list[int] = []

    def learn(self, event: Event) -> None:
        if event.kind != READ:
            return
        item, best, count = event.item, self.best, self.count
        reads = count[item] = count.get(item, 0) + 1
        if best and best[0] == item:
            return
        if item in best:
            best.remove(item)
        elif len(best) == self.places:
            if reads < count[best[-1]]:
                return
            best.pop()
        place = len(best)
        while place and count[best[place - 1]] <= reads:
            place -= 1
        best.insert(place, item)

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return [item for item in self.best if item != request.item][:k]


class Leaders:
    """The best of scores that rise by a push and fall silently: a heap of upper bounds, mended at its top."""

    def __init__(self) -> None:
        self.score: dict[int, int] = {}
        self.last: dict[int, int] = {}  # row of the latest read
        self.listed: dict[int, tuple[int, int]] = {}  # the one heap entry of an article that counts
        self.heap: list[tuple[int, int, int]] = []

    def push(self, item: int) -> None:
        key = self.listed[item] = (-self.score[item], -self.last[item])
        heapq.heappush(self.heap, (*key, item))

    def forget(self, item: int) -> None:
        del self.score[item], self.listed[item]

    def best(self, k: int, current: int) -> list[int]:
        found: list[int] = []
        aside: list[tuple[int, int, int]] = []
        heap, listed = self.heap, self.listed
        while heap and len(found) < k:
            entry = heap[0]
            item = entry[2]
            if listed.get(item) != entry[:2]:
                heapq.heappop(heap)
            elif -entry[0] != self.score[item]:
                key = listed[item] = (-self.score[item], -self.last[item])
                heapq.heapreplace(heap, (*key, item))
            else:
                aside.append(heapq.heappop(heap))
                if item != current:
                    found.append(item)
        for entry in aside:
            heapq.heappush(heap, entry)
        return found


class PopularWindow:
    """Most reads in (t - hours, t]."""

    def __init__(self, hours: int) -> None:
        self.window = hours * HOUR
        self.reads: deque[tuple[int, int]] = deque()
        self.leaders = Leaders()

    def learn(self, event: Event) -> None:
        self._expire(event.time)
        if event.kind == READ:
            leaders, item = self.leaders, event.item
            self.reads.append((event.time, item))
            leaders.score[item] = leaders.score.get(item, 0) + 1
            leaders.last[item] = event.row
            leaders.push(item)

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        self._expire(request.time)
        return self.leaders.best(k, request.item)

    def _expire(self, now: int) -> None:
        reads, score, oldest = self.reads, self.leaders.score, now - self.window
        while reads and reads[0][0] <= oldest:
            item = reads.popleft()[1]
            if score[item] == 1:
                self.leaders.forget(item)
            else:
                score[item] -= 1


class Recency:
    """The articles that became known last."""

    def __init__(self) -> None:
        self.known: set[int] = set()
        self.articles: list[int] = []

    def learn(self, event: Event) -> None:
        if event.item not in self.known:
            self.known.add(event.item)
            self.articles.append(event.item)

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return list(islice((item for item in reversed(self.articles) if item != request.item), k))


class Circular:
    """The latest reads of everybody, walked back from the newest."""

    def __init__(self, size: int = 100) -> None:
        self.buffer: deque[int] = deque(maxlen=size)

    def learn(self, event: Event) -> None:
        if event.kind == READ:
            self.buffer.append(event.item)

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        found: list[int] = []
        for item in reversed(self.buffer):
            if item != request.item and item not in found:
                found.append(item)
                if len(found) == k:
                    break
        return found


class Sequences:
    """What readers opened next, most often. The front runners of each article are kept at hand."""

    def __init__(self) -> None:
        self.next: dict[int, dict[int, int]] = {}
        self.front: dict[int, tuple[int, list[int]]] = {}
        self.open: dict[int, int] = {}  # session -> the article on its screen
        self.last: dict[int, int] = {}

    def learn(self, event: Event) -> None:
        if event.kind != READ:
            return
        item = event.item
        self.last[item] = event.row
        before = self.open.get(event.session)
        self.open[event.session] = item
        if before is None or before == item:
            return
        followers = self.next.setdefault(before, {})
        count = followers[item] = followers.get(item, 0) + 1
        most, front = self.front.get(before, (0, []))
        if count > most:
            self.front[before] = (count, [item])
        elif count == most:
            front.append(item)

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        if request.item not in self.next:
            return []
        if k == 1:
            return [max(self.front[request.item][1], key=self.last.__getitem__)]
        followers = self.next[request.item]
        return heapq.nlargest(k, followers, key=lambda item: (followers[item], self.last[item]))


class Content:
    """Any article of the current one's category."""

    def __init__(self, seed: int = 0) -> None:
        self.category: dict[int, int] = {}
        self.articles: dict[int, list[int]] = {}
        self.dice = random.Random(seed)

    def learn(self, event: Event) -> None:
        if event.category >= 0 and event.item not in self.category:
            self.category[event.item] = event.category
            self.articles.setdefault(event.category, []).append(event.item)

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        category = self.category.get(request.item)
        if category is None:
            return []
        return _draw(self.dice, self.articles[category], 0, request.item, k)


class Cluster:
    """The decayed votes of one cluster; masses are in units of a vote cast at `since`."""

    __slots__ = ("cast", "mass", "since")

    def __init__(self, now: int) -> None:
        self.since = now
        self.cast: deque[tuple[int, int]] = deque()
        self.mass: dict[int, list[float]] = {}  # article -> [mass, votes]


class MinHash:
    """Das et al. 2007: readers with the same minima vote for each other's articles."""

    half_life = 24 * HOUR
    oldest = 96 * HOUR

    def __init__(self, groups: int = 10, minima: int = 2, seed: int = 0) -> None:
        self.groups, self.minima = groups, minima
        self.salts = [_mix(seed * 1000 + place + 1) for place in range(groups * minima)]
        self.codes: dict[int, list[int]] = {}
        self.profile: dict[int, set[int]] = {}
        self.least: dict[int, list[int]] = {}
        self.home: dict[int, list[Cluster]] = {}  # reader -> clusters
        self.clusters: dict[tuple[int, ...], Cluster] = {}
        self.last: dict[int, int] = {}

    def learn(self, event: Event) -> None:
        if event.kind != READ:
            return
        self.last[event.item] = event.row
        profile = self.profile.setdefault(event.user, set())
        if event.item not in profile:
            profile.add(event.item)
            self._move(event)
        for cluster in self.home[event.user]:
            self._expire(cluster, event.time)
            if event.time - cluster.since > 20 * self.half_life:
                self._rebase(cluster, event.time)
            vote = cluster.mass.setdefault(event.item, [0.0, 0])
            vote[0] += 2.0 ** ((event.time - cluster.since) / self.half_life)
            vote[1] += 1
            cluster.cast.append((event.time, event.item))

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        score: dict[int, float] = {}
        for cluster in self.home.get(request.user, ()):
            self._expire(cluster, request.time)
            now = 2.0 ** ((cluster.since - request.time) / self.half_life)
            for item, vote in cluster.mass.items():
                score[item] = score.get(item, 0.0) + vote[0] * now
        score.pop(request.item, None)
        last = self.last
        if k == 1 and score:
            most = max(score.values())
            return [max((item for item, votes in score.items() if votes == most), key=last.__getitem__)]
        return heapq.nlargest(k, score, key=lambda item: (score[item], last[item]))

    def _move(self, event: Event) -> None:
        codes = self.codes.get(event.item)
        if codes is None:
            codes = self.codes[event.item] = [_mix(event.item ^ salt) for salt in self.salts]
        before = self.least.get(event.user)
        least = self.least[event.user] = codes if before is None else list(map(min, before, codes))
        if least != before:
            p = self.minima
            keys = [(group, *least[group * p : (group + 1) * p]) for group in range(self.groups)]
            self.home[event.user] = [self._cluster(key, event.time) for key in keys]

    def _cluster(self, key: tuple[int, ...], now: int) -> Cluster:
        cluster = self.clusters.get(key)
        if cluster is None:
            cluster = self.clusters[key] = Cluster(now)
        return cluster

    def _expire(self, cluster: Cluster, now: int) -> None:
        cast, mass, oldest = cluster.cast, cluster.mass, now - self.oldest
        while cast and cast[0][0] < oldest:
            time, item = cast.popleft()
            vote = mass[item]
            if vote[1] == 1:
                del mass[item]
            else:
                vote[0] -= 2.0 ** ((time - cluster.since) / self.half_life)
                vote[1] -= 1

    def _rebase(self, cluster: Cluster, now: int) -> None:
        shrink = 2.0 ** ((cluster.since - now) / self.half_life)
        cluster.since = now
        for vote in cluster.mass.values():
            vote[0] *= shrink


class Trend:
    """The steepest line through hourly reads. A read's weight drops by 2 each time it grows an hour older."""

    def __init__(self, hours: int = 6) -> None:
        self.hours = hours
        self.held: dict[int, int] = {}  # article -> its reads in the window
        self.aging: list[deque[tuple[int, int]]] = [deque() for _ in range(hours)]  # per full hour of age
        self.leaders = Leaders()

    def learn(self, event: Event) -> None:
        self._age(event.time)
        if event.kind == READ:
            leaders, item = self.leaders, event.item
            self.aging[0].append((event.time, item))
            self.held[item] = self.held.get(item, 0) + 1
            leaders.score[item] = leaders.score.get(item, 0) + self.hours - 1
            leaders.last[item] = event.row
            leaders.push(item)

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        self._age(request.time)
        return self.leaders.best(k, request.item)

    def _age(self, now: int) -> None:
        score = self.leaders.score
        for age in range(self.hours):  # youngest first, so that a long silence moves reads all the way
            reads, due = self.aging[age], now - (age + 1) * HOUR
            older = self.aging[age + 1] if age + 1 < self.hours else None
            while reads and reads[0][0] <= due:
                read = reads.popleft()
                if older is None:
                    self._leave(read[1])
                else:
                    score[read[1]] -= 2
                    older.append(read)

    def _leave(self, item: int) -> None:
        leaders = self.leaders
        if self.held[item] == 1:
            del self.held[item]
            leaders.forget(item)
        else:
            self.held[item] -= 1
            leaders.score[item] += self.hours - 1
            leaders.push(item)


#: the 22 baselines of the 2019 paper, as specs are written there
BASELINES: dict[str, Callable[[], Plain]] = {
    "random": Random,
    **{f"random(hours={h})": lambda h=h: Random(h) for h in (6, 12, 24, 48)},
    "popular": Popular,
    **{f"popular(hours={h})": lambda h=h: PopularWindow(h) for h in (6, 12, 24, 48)},
    "recency": Recency,
    **{f"circular(size={n})": lambda n=n: Circular(n) for n in (100, 200, 500, 1000)},
    "sequences": Sequences,
    "content": Content,
    "minhash": MinHash,
    **{f"trend(hours={h})": lambda h=h: Trend(h) for h in (2, 6, 12, 24)},
}


class Success(NamedTuple):
    event_level: float  # E@1
    session_level: float  # P@1
    sessions: int  # scored: at least two reads


def replay(log: Log, recommender: Plain) -> Success:
    """Show a log to a recommender at k = 1 and count its hits."""
    return judge(log, answers(log, recommender))


def answers(log: Log, recommender: Plain) -> list[int]:
    """What the recommender answers to every row, -1 for nothing (and for publish rows)."""
    given: list[int] = []
    for event in events(log):
        recommender.learn(event)
        slate = recommender.recommend(event, 1) if event.kind != PUBLISH else ()
        given.append(slate[0] if slate else -1)
    return given


def judge(log: Log, given: Sequence[int]) -> Success:
    offered: dict[int, set[int]] = {}
    reads: dict[int, int] = {}
    hits: dict[int, int] = {}
    for session, item, answer in zip(log.session.tolist(), log.item.tolist(), given, strict=True):
        if session < 0:
            continue
        before = offered.setdefault(session, set())
        reads[session] = reads.get(session, 0) + 1
        if item in before:
            hits[session] = hits.get(session, 0) + 1
        before.add(answer)
    scored = sum(count > 1 for count in reads.values())
    return Success(sum(hits.values()) / max(scored, 1), len(hits) / max(scored, 1), scored)


def events(log: Log) -> Iterable[Event]:
    columns = (log.time, log.kind, log.session, log.user, log.item, log.category)
    for row, values in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        yield Event(row, *values)


def _draw(dice: random.Random, articles: list[int], first: int, current: int, k: int) -> list[int]:
    """Up to k different articles of `articles[first:]`, never the current one."""
    if len(articles) - first <= k:
        return [item for item in articles[first:] if item != current]
    found: list[int] = []
    while len(found) < k:
        item = articles[first + int(dice.random() * (len(articles) - first))]
        if item != current and item not in found:
            found.append(item)
    return found


def _mix(value: int) -> int:
    """splitmix64."""
    value = (value + 0x9E3779B97F4A7C15) & WORD
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & WORD
    return value ^ (value >> 31)

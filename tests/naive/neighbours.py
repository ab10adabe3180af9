"""The slow, obvious oracle of session neighbours, written from the papers' equations and docs/recommenders.md.

As in `tests.naive.baselines`, every answer is worked out anew from all rows up to its request. Weights that the
papers give as fractions are fractions here; exponentials and logarithms are rounded where the specification says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, NamedTuple

from newsreplay.log.rows import HOUR, IMPRESSION, READ, Log
from tests.naive.baselines import Past, pool_of


class Visit:
    """A session in the index: from its first read until the hours are over."""

    def __init__(self, session: int, begun: int) -> None:
        self.session, self.begun, self.latest = session, begun, begun
        self.items: list[int] = []  #: distinct, in the order of their latest reads
        self.since: dict[int, int] = {}  #: article -> which of all entries in lists is this visit's last in its list


class Sessions:
    """What the index holds at a request."""

    def __init__(self, past: Past, hours: int, length: int, sample: int) -> None:
        visits: list[Visit] = []
        self.lists: dict[int, list[tuple[int, Visit]]] = {}
        entries = 0
        for read in past.reads:
            if read.session < 0:
                continue
            of = [visit for visit in visits if visit.session == read.session]
            if not of or read.time - of[-1].begun >= hours * HOUR:
                visits.append(Visit(read.session, read.time))
                of = [visits[-1]]
            visit = of[-1]
            visit.latest = read.time
            if read.item in visit.items:
                visit.items.remove(read.item)
            else:
                visit.since[read.item] = entries
                self.lists.setdefault(read.item, []).append((entries, visit))
                entries += 1
            visit.items = [*visit.items, read.item][-length:]
        self.visits = [visit for visit in visits if past.now - visit.begun < hours * HOUR]
        mine = [visit for visit in self.visits if visit.session == past.session]
        self.own = mine[-1] if mine else None
        self.sample = sample
        known = list(reversed(self.own.items)) if self.own else []
        if past.current >= 0:
            known = [past.current, *(item for item in known if item != past.current)]
        self.evolving = known[:length]  #: the last article first

    def listed(self, item: int) -> list[tuple[int, Visit]]:
        """Other sessions that hold an article, as far as its list goes back, the last to come to hold it first."""
        last = self.lists.get(item, [])[-self.sample :]
        return [
            (entry, visit)
            for entry, visit in reversed(last)
            if visit in self.visits and item in visit.items and visit.since[item] == entry and visit is not self.own
        ]

    def sampled(self, items: Iterable[int]) -> list[Visit]:
        """The sessions that came to hold one of these articles last, the most recent first."""
        entries = sorted((pair for item in items for pair in self.listed(item)), key=lambda pair: -pair[0])
        found: list[Visit] = []
        for _, visit in entries:
            if visit not in found:
                found.append(visit)
        return found[: self.sample]

    def shared(self, visit: Visit) -> list[int]:
        """How many steps back the articles stand under which a session is listed, the latest first."""
        return [back for back, item in enumerate(self.evolving) if visit in [other for _, other in self.listed(item)]]

    def holders(self, item: int) -> int:
        return sum(item in visit.items for visit in self.visits)


def weights(decay: str, n: int) -> list[Fraction]:
    """The weights of the places of a session of n articles, the last first."""
    return {
        "linear": [Fraction(n - back, n) for back in range(n)],
        "div": [Fraction(1, 1 + back) for back in range(n)],
        "same": [Fraction(1)] * n,
    }[decay]


def logarithm(n: int) -> int:
    return round(2**20 * math.log(n))


def positive(values: dict[int, float], sessions: Sessions, repeats: bool) -> dict[int, float]:
    left_out = [] if repeats else sessions.evolving
    return {item: value for item, value in values.items() if value > 0 and item not in left_out}


def vsknn(
    past: Past, *, neighbours: int = 100, sample: int = 1000, hours: int = 48, decay: str = "div",
    match: str = "div", idf: bool = False, repeats: bool = False, length: int = 16,
) -> dict[int, float]:  # fmt: skip
    """Ludewig & Jannach 2018, section 3.2.3; with match and idf, Kersbergen et al. 2022, section 2."""
    sessions = Sessions(past, hours, length, sample)
    n = len(sessions.evolving)
    shared = {visit: sessions.shared(visit) for visit in sessions.sampled(sessions.evolving)}
    similarity = {visit: sum(weights(decay, n)[back] for back in places) for visit, places in shared.items()}
    near = sorted(similarity, key=lambda visit: -similarity[visit])[:neighbours]  # stable: the more recent first
    total: dict[int, Fraction] = {}
    for visit in near:
        for item in visit.items:
            total[item] = total.get(item, Fraction(0)) + similarity[visit] * weights(match, n)[min(shared[visit])]
    values = {item: float(value) for item, value in total.items()}
    if idf:
        everybody = logarithm(len(sessions.visits)) if near else 0
        values = {item: v * ((everybody - logarithm(sessions.holders(item))) / 2**20) for item, v in values.items()}
    return positive(values, sessions, repeats)


def vmis(past: Past, **options: Any) -> dict[int, float]:
    """Kersbergen et al. 2022, section 2."""
    return vsknn(past, **{"sample": 500, "decay": "linear", "match": "linear", "idf": True, **options})


def stan(
    past: Past, *, neighbours: int = 100, sample: int = 500, hours: int = 48, lambda1: float = 2.0,
    lambda2: float = 24.0, lambda3: float = 2.0, repeats: bool = False, length: int = 16,
) -> dict[int, float]:  # fmt: skip
    """Garg et al. 2019, section 3: similarities in units of 2^-30, weights of articles in units of 2^-16."""
    sessions = Sessions(past, hours, length, sample)
    similarity: dict[Visit, int] = {}
    for visit in sessions.sampled(sessions.evolving):
        dot = sum(round(2**30 * math.exp(-back / lambda1)) for back in sessions.shared(visit))
        cosine = dot / math.sqrt(len(sessions.evolving) * len(visit.items))
        similarity[visit] = round(cosine * math.exp(-(past.now - visit.latest) / (lambda2 * HOUR)))
    total: dict[int, int] = {}
    for visit in sorted(similarity, key=lambda visit: -similarity[visit])[:neighbours]:
        middle = visit.items.index(sessions.evolving[min(sessions.shared(visit))])
        for place, item in enumerate(visit.items):
            weight = round(2**16 * math.exp(-abs(place - middle) / lambda3))
            total[item] = total.get(item, 0) + similarity[visit] * weight
    return positive({item: value / 2**46 for item, value in total.items()}, sessions, repeats)


def association(
    past: Past, *, sample: int = 1000, hours: int = 48, ordered: bool = True, decay: str = "div",
    repeats: bool = False, length: int = 16,
) -> dict[int, float]:  # fmt: skip
    """Ludewig & Jannach 2018, section 3.1: sequential rules, or association rules."""
    sessions = Sessions(past, hours, length, sample)
    total: dict[int, Fraction] = {}
    for view in sessions.evolving[:1]:
        for visit in sessions.sampled([view]):
            middle = visit.items.index(view)
            for place, item in enumerate(visit.items):
                if place > middle or (place < middle and not ordered):
                    weight = Fraction(1, abs(place - middle)) if decay == "div" else Fraction(1)
                    total[item] = total.get(item, Fraction(0)) + weight
    return positive({item: float(value) for item, value in total.items()}, sessions, repeats)


def itemknn(
    past: Past, *, sample: int = 1000, hours: int = 48, half_life: int = 12, shrink: int = 20,
    repeats: bool = False, length: int = 16,
) -> dict[int, float]:  # fmt: skip
    """The cosine over weighted sessions, shrunk: 2^-16 is the unit of a weight at the beginning of the window."""
    sessions = Sessions(past, hours, length, sample)
    period = half_life * HOUR
    first = (past.now - hours * HOUR) // period

    def weight(time: int) -> int:
        since, rest = divmod(time, period)
        part: float = 2.0 ** (rest / period)
        return round(2**16 * part) << (since - first)

    def mass(item: int) -> int:
        return sum(weight(visit.begun) for visit in sessions.visits if item in visit.items)

    values: dict[int, float] = {}
    for view in sessions.evolving[:1]:
        both: dict[int, int] = {}
        for visit in sessions.sampled([view]):
            for item in set(visit.items) - {view}:
                both[item] = both.get(item, 0) + weight(visit.begun)
        for item, common in both.items():
            cosine = common / math.sqrt(float(mass(item)) * float(mass(view)))
            values[item] = cosine * (common / (common + shrink * float(weight(past.now))))
    return positive(values, sessions, repeats)


NEIGHBOURS: dict[str, Callable[..., dict[int, float]]] = {
    "vsknn": vsknn,
    "vmis": vmis,
    "stan": stan,
    "itemknn": itemknn,
    "association": association,
}


class Answered(NamedTuple):
    """All answers to a log."""

    slates: list[list[int]]  #: of its reads, or of its impressions
    scores: list[float]  #: of all candidates of its impressions


def answered(log: Log, name: str, k: int, kind: int = READ, **options: Any) -> Answered:
    """Every slate and every score of a log, in log order."""
    slates: list[list[int]] = []
    scores: list[float] = []
    for row in range(len(log.time)):
        if log.kind[row] in (kind, IMPRESSION):
            past = Past(log, row)
            values = NEIGHBOURS[name](past, **options)
            if log.kind[row] == kind:
                # Past.rank orders numbers of any kind; the article on screen is no candidate.
                slates.append(past.rank(values, k))  # type: ignore[arg-type]
            if log.kind[row] == IMPRESSION:
                scores += [values.get(item, 0.0) for item in pool_of(log, row)]
    return Answered(slates, scores)

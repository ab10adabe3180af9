"""One request told whole, as plain data and in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from newsreplay.report.tables.tables import plain_text

TITLE = 60  #: characters of a title in words; plain data have it whole


@dataclass(frozen=True)
class Article:
    """An article, with all that any row of the log tells of it."""

    id: str
    category: str | None
    title: str | None


@dataclass(frozen=True)
class SessionRead:
    """A read of the session."""

    row: int
    time: str  #: ISO 8601, UTC
    article: Article


@dataclass(frozen=True)
class Offer:
    """An article of a slate, and what became of it."""

    place: int  #: from 1
    article: Article
    became: str  #: "hit", "read later" where the session is not scored, "read before", "not read later" …
    read: SessionRead | None  #: the first read of the session that made it so


@dataclass(frozen=True)
class Candidate:
    """A candidate of an impression."""

    article: Article
    clicked: bool | None  #: None = the outcome is not known


@dataclass(frozen=True)
class RankedCandidate:
    """A candidate as a recommender ranked it."""

    rank: int  #: from 1: how many have a higher score, and one
    score: float | None  #: None = it could not have been in a slate at all
    candidate: Candidate


@dataclass(frozen=True)
class Answer:
    """What a recommender answered."""

    recommender: str
    slate: list[Offer] | None  #: None where there is none, for the reason in `missing`
    ranking: list[RankedCandidate] | None  #: of an impression's candidates, best first; None where it did not score
    missing: str | None


@dataclass(frozen=True)
class Place:
    """Where a recommender's slate had an article that was read next."""

    recommender: str
    place: int | None  #: from 1; None = not in the slate of this request, or there is no slate
    why_not: str | None  #: why it is not in it
    judged: str | None  #: what the read became for all of the session's slates that count for it; None = not scored


@dataclass(frozen=True)
class NextRead:
    """A read of the session after the request."""

    read: SessionRead
    counts: bool  #: the request's slate counts for it; not for reads of the request's own instant
    again: bool  #: the session had read the article before the request
    places: list[Place]


class Line(NamedTuple):
    """A line of the explanation in words, and how a terminal shows it."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Explanation:
    """One request, or one impression: who asked, what each recommender answered, and what was read next.

    Printing it tells it in words; `_asdict` gives plain data that JSON can hold.
    """

    publisher: str
    row: int
    time: str  #: ISO 8601, UTC
    kind: str  #: "read" or "impression"
    reader: str
    session: str
    scored: bool
    why_not_scored: str | None
    reads_in_session: int
    earlier_reads: int  #: of the reader in other sessions, or before the log
    profile: int  #: articles that the source says the reader read before the log, without times
    history: list[SessionRead]  #: what the session had read before, oldest first
    current: Article | None  #: the article on screen
    pool: list[Candidate]
    k: int
    answers: list[Answer]
    next: list[NextRead]

    def _asdict(self) -> dict[str, object]:
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join(line.text for line in self.lines())

    def lines(self) -> Iterator[Line]:
        """The explanation in words; foreign text in it is escaped."""
        yield Line(f"{self.kind} at row {self.row} of {plain_text(self.publisher)}, {_when(self.time)} UTC", "bold")
        yield Line(f"reader {plain_text(self.reader)}, session {plain_text(self.session)}{self._session()}")
        if self.earlier_reads or self.profile:
            profile = f", {self.profile:,} articles in the profile that came with the log" if self.profile else ""
            yield Line(f"the reader's reads before this session: {self.earlier_reads:,}{profile}")
        yield from _block("read before in this session", [_read(read) for read in self.history], "nothing")
        on_screen = [_article(self.current)] if self.current else []
        yield from _block("on screen", on_screen, "no article")
        if self.pool:
            rows = [(_clicked(candidate), *_article(candidate.article)) for candidate in self.pool]
            yield from _block(f"shown: {len(self.pool)} candidates", rows, "", marked="clicked")
        for answer in self.answers:
            yield from self._answer(answer)
        yield from self._next()

    def _session(self) -> str:
        number = len(self.history) + (self.kind == "read")
        of = f": read {number}" if self.kind == "read" else f": after read {number}"
        return f"{of} of {self.reads_in_session}" + ("" if self.scored else f"; not scored, {self.why_not_scored}")

    def _answer(self, answer: Answer) -> Iterator[Line]:
        name = plain_text(answer.recommender)
        if answer.slate is not None:
            rows = [(str(offer.place), *_article(offer.article), _became(offer)) for offer in answer.slate]
            yield from _block(f"{name}: slate", rows, "empty", marked="hit")
        if answer.ranking is not None:
            shown = [one for one in answer.ranking if one.rank <= self.k or one.candidate.clicked]
            rows = [
                (str(one.rank), _score(one.score), *_article(one.candidate.article), _clicked(one.candidate))
                for one in shown
            ]
            left = len(answer.ranking) - len(shown)
            more = f" ({left} more below {self.k} and not clicked)" if left else ""
            yield from _block(f"{name}: ranks and scores{more}", rows, "none", marked="clicked")
        if answer.missing:
            yield Line("")
            yield Line(f"{name}: {plain_text(answer.missing, longest=500)}")

    def _next(self) -> Iterator[Line]:
        yield Line("")
        yield Line("read next in this session", "bold")
        if not self.next:
            yield Line("  nothing")
        for one, row in zip(self.next, _aligned([_read(one.read) for one in self.next]), strict=True):
            notes = [
                *(["read before"] if one.again else []),
                *([] if one.counts else ["at the request's own instant: its slates do not count"]),
            ]
            yield Line(f"  {row}{'  (' + '; '.join(notes) + ')' if notes else ''}")
            groups: dict[tuple[int, str], list[str]] = {}
            for place in one.places:
                groups.setdefault(_where(place), []).append(plain_text(place.recommender))
            for (order, text), names in sorted(groups.items()):
                yield Line(f"      {text}: {', '.join(names)}", "green" if order < _NOT_IN_IT and one.counts else "dim")


_NOT_IN_IT = 1 << 20  #: above all places


def _where(place: Place) -> tuple[int, str]:
    """Where a slate had an article, to sort by and in words."""
    if place.place is not None:
        return place.place, f"at {place.place}"
    hit = place.judged is not None and place.judged.startswith(("hit", "ranked 2"))
    elsewhere = ", but in another slate of the session" if hit else ""
    return _NOT_IN_IT, f"not in it, {place.why_not}{elsewhere}"


def _block(head: str, rows: Sequence[tuple[str, ...]], empty: str, marked: str = "\0") -> Iterator[Line]:
    """A heading and rows in columns; those whose first or last column begins with `marked` stand out."""
    yield Line("")
    yield Line(head, "bold")
    if not rows:
        yield Line(f"  {empty}")
    for cells, text in zip(rows, _aligned(rows), strict=True):
        stands_out = any(cell.startswith(marked) for cell in (cells[0], cells[-1]))
        yield Line(f"  {text}", "green" if stands_out else "")


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _article(article: Article) -> tuple[str, ...]:
    return (
        plain_text(article.id),
        plain_text(article.category or "-"),
        plain_text(article.title or "-", longest=TITLE),
    )


def _read(read: SessionRead) -> tuple[str, ...]:
    return (_when(read.time), f"row {read.row}", *_article(read.article))


def _became(offer: Offer) -> str:
    return offer.became if offer.read is None else f"{offer.became} ({_when(offer.read.time)}, row {offer.read.row})"


def _clicked(candidate: Candidate) -> str:
    return {None: "?", False: "", True: "clicked"}[candidate.clicked]


def _score(score: float | None) -> str:
    return "not ranked" if score is None else f"{score:.6g}"


def _when(time: str) -> str:
    """An ISO 8601 time in UTC as it is read: without a zone, and without milliseconds where there are none."""
    return time.removesuffix("+00:00").removesuffix(".000").replace("T", " ")

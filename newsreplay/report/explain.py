"""Telling one request of a run whole: what its session had read, what each recommender answered, what was read next.

All is looked up: in the log of the run's data set, in the answers that the run keeps, and in what the judge made of
them. Nothing is replayed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.errors import NewsreplayError, did_you_mean
from newsreplay.log.publisher import Publisher, request_rows
from newsreplay.log.rows import IMPRESSION, KIND_NAMES, OUTCOME, READ, Column
from newsreplay.report import misses
from newsreplay.report.explanation import (
    Answer,
    Article,
    Candidate,
    Explanation,
    NextRead,
    Offer,
    Place,
    RankedCandidate,
    SessionRead,
)
from newsreplay.report.facts import display_name
from newsreplay.simulator.judgement.judge import span
from newsreplay.simulator.runs.folder import RunFolder, dataset_of, options_of
from newsreplay.simulator.runs.options import DataSource
from newsreplay.simulator.runs.records import PairRecord


def explain(
    run: RunFolder,
    row: int | None = None,
    *,
    publisher: str | None = None,
    at: str | None = None,
    user: str | None = None,
    recommenders: Sequence[str] | None = None,
    data: DataSource | None = None,
) -> Explanation:
    """One request of a run told whole, or an impression: what was known, answered and read next.

    It is that of log row `row`, or the first of reader `user` (an id of the publisher's) at or after `at` (ISO 8601,
    UTC unless it says otherwise). `publisher` is needed where the run has several. `recommenders` are those whose
    answers are told, as the run calls them, by default all. The data are looked for where they lay; `data` names them
    otherwise.

    Raises `NewsreplayError` for a row that asked for nothing, with those before and after it that did, and for what
    the run does not have.
    """
    if publisher is None and len(run.publishers) > 1:
        raise NewsreplayError(f"{run.folder} has several publishers; name one of {', '.join(run.publishers)}")
    publisher = run.publishers[0] if publisher is None else publisher
    run.facts(publisher)  # which names those that there are
    pairs = _chosen(run, publisher, recommenders)
    log = dataset_of(run.info, run.folder, data).publisher(publisher)
    asking = np.union1d(request_rows(log, run.asks), np.flatnonzero(log.log.kind == IMPRESSION))
    if row is None:
        if at is None or user is None:
            raise NewsreplayError("say which request: the number of its log row, or a time and a reader")
        row = _found(log, asking, _milliseconds(at), user)
    else:
        _check_row(log, asking, row)
    return _Request(run, log, row).told(pairs)


def _chosen(run: RunFolder, publisher: str, recommenders: Sequence[str] | None) -> list[PairRecord]:
    pairs = {pair["recommender"]: pair for pair in run.pairs(publisher)}
    for name in recommenders or ():
        if name not in pairs:
            hint = did_you_mean(name, pairs) or f"It has {', '.join(pairs)}."
            raise NewsreplayError(f"{run.folder} has no {name!r} on {publisher}. {hint}")
    return [pairs[name] for name in pairs] if recommenders is None else [pairs[name] for name in recommenders]


# --- which request --------------------------------------------------------------------------------------


def _check_row(publisher: Publisher, asking: Column, row: int) -> None:
    rows = len(publisher.log.time)
    place = int(np.searchsorted(asking, row))
    if place < len(asking) and asking[place] == row:
        return
    near = [(side, where) for side, where in ((place - 1, "before"), (place, "after")) if 0 <= side < len(asking)]
    told = " and ".join(f"row {asking[side]} {where} it" for side, where in near)
    if not 0 <= row < rows:
        raise NewsreplayError(
            f"{publisher.name} has no row {row}, only 0 to {rows - 1}; the nearest that asked is {told}"
        )
    raise NewsreplayError(
        f"row {row} of {publisher.name} is a row of kind {KIND_NAMES[int(publisher.log.kind[row])]}, which asked for "
        f"nothing; the nearest that did: {told}"
    )


def _found(publisher: Publisher, asking: Column, time: int, user: str) -> int:
    """The first row of a reader at or after a time that asked for something."""
    code = pc.index(publisher.users, pa.scalar(user, publisher.users.type)).as_py()
    if code < 0:
        raise NewsreplayError(f"{publisher.name} has no reader {user!r}; write the id as the publisher has it")
    own = asking[publisher.log.user[asking] == code]
    if not own.size:
        raise NewsreplayError(f"nothing was asked for reader {user!r} of {publisher.name}")
    place = int(np.searchsorted(publisher.log.time[own], time))
    if place == len(own):
        last = int(own[-1])
        raise NewsreplayError(
            f"nothing was asked for reader {user!r} of {publisher.name} from then on; the last request is row {last}, "
            f"{_iso(int(publisher.log.time[last]))}"
        )
    return int(own[place])


def _milliseconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NewsreplayError(f"{text!r} is no time; write 2019-01-01T12:00, in UTC") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def _iso(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).isoformat(timespec="milliseconds")


# --- what there is to tell ------------------------------------------------------------------------------


#: The columns of reads that causes of misses are worked out from.
_BY_READ = ("row", "asked", "again", "reachable")


class _Later(NamedTuple):
    """The reads of the session after the request."""

    row: Column  #: int64[reads]
    counts: Column  #: bool[reads], the request's slate counts for them


class _Request:
    """A row that asked, with what is around it."""

    def __init__(self, run: RunFolder, publisher: Publisher, row: int):
        self.run, self.publisher, self.row = run, publisher, row
        log = publisher.log
        self.time = int(log.time[row])
        self.session = int(log.session[row])
        self.k = int(run.info["options"]["k"])
        self.has_slates = bool(log.kind[row] == READ) or run.asks == "impressions"
        self.is_impression = bool(log.kind[row] == IMPRESSION)
        self.current = int(log.item[row])
        reads = self._reads()
        self.before = reads[reads < row]
        after = reads[reads > row]
        self.clicked = self._clicked()
        own = np.zeros(len(after), bool)
        if self.clicked is not None:
            pool = log.pools.item[self._pool()]
            own = np.isin(log.item[after], pool[self.clicked]) & (log.time[after] == self.time)
        self.after = _Later(after, (log.time[after] > self.time) | own)
        # What could have been offered: at impressions, what became known at their own instant could not.
        if self.is_impression:
            self.known = int(np.searchsorted(publisher.articles.published, self.time))
        else:
            self.known = int(log.item[: row + 1].max()) + 1
        frame = run.reads(publisher.name)
        at = np.flatnonzero(frame.session == self.session)
        self.scored = bool(at.size)
        self.frame, self.places = frame._replace(**{name: getattr(frame, name)[at] for name in _BY_READ}), at

    def _reads(self) -> Column:
        """The rows of all reads of the session, in order."""
        rows: list[int] = []
        number = int(self.publisher.sessions.last[self.session])
        while number >= 0:
            rows.append(int(self.publisher.requests.row[number]))
            number = int(self.publisher.requests.previous[number])
        return np.array(rows[::-1], np.int64)

    def _pool(self) -> slice:
        pools, number = self.publisher.log.pools, int(self.publisher.log.impression[self.row])
        return slice(int(pools.at[number]), int(pools.at[number + 1]))

    def _clicked(self) -> Column | None:
        """Which candidates were clicked, bool[candidates]; None where there are none or their outcome is not known."""
        log = self.publisher.log
        if not self.is_impression:
            return None
        told = np.any((log.kind == OUTCOME) & (log.impression == log.impression[self.row]))
        return log.pools.clicked[self._pool()] if told else None

    def told(self, pairs: Sequence[PairRecord]) -> Explanation:
        """The whole."""
        publisher, log, user = self.publisher, self.publisher.log, int(self.publisher.log.user[self.row])
        reader_rows = np.flatnonzero((log.user[: self.row] == user) & (log.kind[: self.row] >= READ))
        slates = {pair["recommender"]: self._slate(pair) for pair in pairs if pair["status"] == "done"}
        return Explanation(
            publisher=publisher.name,
            row=self.row,
            time=_iso(self.time),
            kind="impression" if self.is_impression else "read",
            reader=str(publisher.users[user].as_py()),
            session=str(publisher.sessions.id[self.session].as_py()),
            scored=self.scored,
            why_not_scored=None if self.scored else self._why_not_scored(),
            reads_in_session=int(publisher.sessions.reads[self.session]),
            earlier_reads=len(reader_rows) - len(self.before),
            profile=self._profile(user),
            history=[self._read(int(row)) for row in self.before],
            current=self._article(self.current) if self.current >= 0 else None,
            pool=self._candidates(),
            k=self.k,
            answers=[self._answer(pair, slates.get(pair["recommender"])) for pair in pairs],
            next=self._next(pairs, slates),
        )

    def _profile(self, user: int) -> int:
        """How many articles a reader's profile has that came with the log."""
        profiles = self.publisher.articles.profiles
        own = np.flatnonzero(profiles.user == user) if profiles else ()
        return sum(int(profiles.at[place + 1] - profiles.at[place]) for place in own) if profiles else 0

    def _why_not_scored(self) -> str:
        """Why the session is not scored (docs/design.md, "Scored sessions")."""
        publisher, scope = self.publisher, options_of(self.run.info).scope
        sessions = publisher.sessions
        reads, first = int(sessions.reads[self.session]), int(sessions.first_time[self.session])
        begin, end = span(publisher, scope.warmup, scope.window)
        if scope.max_session_length is not None and reads > scope.max_session_length:
            return f"its session has more than {scope.max_session_length} reads"
        if self.run.asks == "impressions":
            return "no impression of its session was clicked, or the session begins where it does not count"
        if reads < 2:
            return "its session has a single read"
        if first < begin:
            return "its session begins in the warm-up"
        if first >= end:
            return "its session begins after the window"
        return "all reads of its session share one time"

    # --- answers ----------------------------------------------------------------------------------------

    def _slate(self, pair: PairRecord) -> list[int] | None:
        """The codes that a recommender answered with; None where no slate was due, or it is not kept."""
        if not self.has_slates or "slates" not in pair:
            return None
        number = int(np.searchsorted(request_rows(self.publisher, self.run.asks), self.row))
        codes: list[int] = self.run.slate_at(self.publisher.name, pair["recommender"], number).tolist()
        return codes

    def _answer(self, pair: PairRecord, slate: list[int] | None) -> Answer:
        name, missing = display_name(self.run, pair["recommender"]), []
        if pair["status"] == "failed":
            return Answer(name, None, None, f"failed: {pair['error']}")
        if self.has_slates and slate is None:
            missing.append("the run keeps no slates (--no-slates)")
        ranking = self._ranking(pair) if self.is_impression else None
        if self.is_impression and ranking is None:
            missing.append("the run has no scores of it")
        late = self._came_late(pair)
        offers = None
        if slate is not None:
            offers = [self._offer(place, code, late) for place, code in enumerate(slate, 1)]
        return Answer(name, offers, ranking, "; ".join(missing) or None)

    def _came_late(self, pair: PairRecord) -> bool:
        """Whether the judge found nothing of a slate relevant since it came beyond a strict deadline.

        Which answers came late is not kept. At impressions it cannot be told: there only their clicks are relevant.
        """
        if not self.scored or self.is_impression or not self.run.info["options"]["strict_deadline"]:
            return False
        place = np.flatnonzero(self.run.requests(self.publisher.name).row == self.row)[0]
        return not self.run.matches(self.publisher.name, pair["recommender"])[place].any()

    def _offer(self, place: int, code: int, late: bool) -> Offer:
        became, row = self._became(code)
        if late and became == "hit":
            became = "read later, but the answer came too late to count"
        return Offer(place, self._article(code), became, None if row is None else self._read(row))

    def _became(self, code: int) -> tuple[str, int | None]:
        """What became of an offered article, and the read that shows it."""
        item = self.publisher.log.item
        again = self.after.row[item[self.after.row] == code]
        counting = self.after.row[self.after.counts & (item[self.after.row] == code)]
        if counting.size:
            if code >= self.known:
                return "read later, but it became known at the request's own instant", int(counting[0])
            return "hit" if self.scored else "read later", int(counting[0])
        if again.size:
            return "read at the request's own instant, which does not count", int(again[0])
        earlier = self.before[item[self.before] == code]
        return ("read before", int(earlier[-1])) if earlier.size else ("not read later", None)

    def _candidates(self) -> list[Candidate]:
        if not self.is_impression:
            return []
        items = self.publisher.log.pools.item[self._pool()].tolist()
        clicked = [None] * len(items) if self.clicked is None else self.clicked.tolist()
        return [Candidate(self._article(item), click) for item, click in zip(items, clicked, strict=True)]

    def _ranking(self, pair: PairRecord) -> list[RankedCandidate] | None:
        if "scores" not in pair:
            return None
        number = int(self.publisher.log.impression[self.row])
        scores = self.run.scores_at(self.publisher.name, pair["recommender"], number)
        ranked = [
            RankedCandidate(
                1 + int(np.count_nonzero(scores > score)), None if score == -math.inf else float(score), candidate
            )
            for score, candidate in zip(scores, self._candidates(), strict=True)
        ]
        return sorted(ranked, key=lambda one: one.rank)

    # --- what was read next -----------------------------------------------------------------------------

    def _next(self, pairs: Sequence[PairRecord], slates: dict[str, list[int] | None]) -> list[NextRead]:
        log = self.publisher.log
        judged = {pair["recommender"]: self._judged(pair) for pair in pairs}
        result = []
        for row, counts in zip(self.after.row.tolist(), self.after.counts.tolist(), strict=True):
            item = int(log.item[row])
            places = []
            for pair in pairs:
                name = pair["recommender"]
                slate = slates.get(name)
                place = 1 + slate.index(item) if slate is not None and item in slate else None
                why_not = None if place else self._why_not(item, pair, slate)
                places.append(Place(display_name(self.run, name), place, why_not, judged[name].get(row)))
            again = bool(np.any(log.item[self.before] == item))
            result.append(NextRead(self._read(row), counts, again, places))
        return result

    def _judged(self, pair: PairRecord) -> dict[int, str]:
        """By row, what the judge made of the session's reads: causes of hits and misses."""
        if not self.scored or pair["status"] != "done":
            return {}
        places = self.run.places(self.publisher.name, pair["recommender"])[self.places]
        texts = misses.causes(self.k)
        causes = misses.cause_of(self.frame, places, self.k).tolist()
        return {row: texts[cause] for row, cause in zip(self.frame.row.tolist(), causes, strict=True) if cause >= 0}

    def _why_not(self, item: int, pair: PairRecord, slate: list[int] | None) -> str:
        """Why an article is not in a slate."""
        if item >= self.known:
            return "not known yet"
        if item == self.current and self.run.exclude != "nothing":
            return "on screen"
        if self.run.exclude == "session" and np.any(self.publisher.log.item[self.before] == item):
            return "read before"
        if slate is None:
            if pair["status"] == "failed":
                return "it failed"
            return "its slate is not kept" if self.has_slates else "no slate was due"
        if len(slate) < self.k:
            return f"never a candidate: it had {len(slate)} of {self.k}"
        return f"ranked below {self.k}"

    # --- facts ------------------------------------------------------------------------------------------

    def _read(self, row: int) -> SessionRead:
        log = self.publisher.log
        return SessionRead(row, _iso(int(log.time[row])), self._article(int(log.item[row])))

    def _article(self, code: int) -> Article:
        articles = self.publisher.articles
        category = int(articles.category[code])
        title = articles.texts["title"][0][code].as_py() if "title" in articles.texts else None
        name = str(articles.categories[category].as_py()) if category >= 0 else None
        return Article(str(articles.id[code].as_py()), name, title)

"""Answers made elsewhere as a row of the leaderboard: slates or scores of a file, judged as a recommender's are."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from newsreplay.errors import RecommenderError, SpecError
from newsreplay.files import file_name
from newsreplay.log.rows import Column
from newsreplay.recommenders.base import MADE_ELSEWHERE, Recommender, SelfReport
from newsreplay.recommenders.references.answer_columns import MadeAnswers, What, read_made, shape_of

if TYPE_CHECKING:
    from newsreplay.log.catalog import Catalog
    from newsreplay.log.rows import Event

PUBLISHER = "{publisher}"  #: stands in a file's path for the publisher's name, as file names have it

#: Why such a recommender cannot be checked.
UNPROVEN = (
    "nothing can be said of it: its answers were made elsewhere and are the same whatever the log is. Whoever made "
    "them can check what made them"
)


class MadeElsewhere(Recommender):
    """Slates or scores that were made elsewhere, read from a file: a TREC run, Parquet, Arrow, CSV or lines of JSON.

    `replayed(answers.parquet)` answers from a file of slates, or of scores of impressions where it holds nothing else;
    `replayed(slates.run, scores=scores.run)` from both. {publisher} in a path stands for the publisher's name. Answers
    go by row of the log, or by time and reader. What has no answer is a miss; articles that are not known by then are
    left out, and the next take their places. docs/answers-made-elsewhere.md has the forms.
    """

    def __init__(self, slates: str | None = None, scores: str | None = None):
        for file in (slates, scores):
            if not isinstance(file, str | None):
                raise SpecError(f"{file!r} is not the path of a file")
        if slates is None and scores is None:
            raise SpecError("it needs a file: replayed(answers.parquet), replayed(scores=scores.parquet)")
        if slates is not None and scores is None and _held(slates) == ("scores",):
            slates, scores = None, slates
        self.files: dict[What, str] = {}
        if slates is not None:
            self.files["slates"] = slates
        if scores is not None:
            self.files["scores"] = scores
            self.score = self._score  # the class has none: without a file of scores there is nothing to be judged
        for what, file in self.files.items():
            if what not in (held := _held(file)):
                raise SpecError(f"{file} holds {held[0]}, no {what}; name it as {held[0]}='{file}'")

    def start(self, catalog: Catalog) -> None:
        """Read the files. Raises `RecommenderError` that names file, line and value where they cannot be used."""
        self.found = {
            what: _Lookup(_path_for(file, self.setting.publisher), what, self.setting.publisher, catalog)
            for what, file in self.files.items()
        }

    def recommend(self, request: Event, k: int) -> Column | tuple[()]:
        """The answer that the file has for this request."""
        slates = self.found.get("slates")
        return () if slates is None else slates.slate(request, k)

    def _score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        """The scores that the file has for this impression; -inf for candidates without one."""
        return self.found["scores"].scores(request, pool)

    def self_report(self) -> SelfReport:
        """What the file was, and how much of it was of use.

        Raises `RecommenderError` where nothing was, and where time and reader do not tell requests apart.
        """
        return SelfReport(notes=(MADE_ELSEWHERE, *(found.account() for found in self.found.values())))


def _path_for(file: str, publisher: str) -> Path:
    return Path(file.replace(PUBLISHER, file_name(publisher)))


def _held(file: str) -> tuple[What, ...]:
    """What a file holds; of one for each publisher, what the first does. Raises `SpecError` where there is none."""
    path = file
    if PUBLISHER in file:
        paths = sorted(glob.glob(glob.escape(file).replace(glob.escape(PUBLISHER), "*")))  # noqa: PTH207 - not below "."
        if not paths:
            raise SpecError(f"there is no file {file} for any publisher (looked in {Path.cwd()})")
        path = paths[0]
    try:
        return shape_of(Path(path)).what
    except RecommenderError as error:
        raise SpecError(str(error)) from None


class _Lookup:
    """The answers of a file in a replay: finds a request's, and counts what becomes of all."""

    def __init__(self, path: Path, what: What, publisher: str, catalog: Catalog):
        self.path, self.what, self.catalog = path, what, catalog
        self.made: MadeAnswers = read_made(path, what, publisher)
        self.digest = _digest(path)
        self.code = np.full(len(self.made.ids), -1, np.int64)  # article codes by place in `ids`, -1 = not known yet
        self.place = {id: place for place, id in enumerate(self.made.ids.to_pylist())}
        self.known = 0  # articles of the catalog that were looked up in `place`
        self.used = np.zeros(len(self.made.at) - 1, np.bool_)
        self.requests = self.unanswered = 0
        self.unknown = np.zeros(len(self.made.ids), np.int64)  # places left out, by id
        self.places = 0  # of the answers used
        self.cut = 0  # answers longer than k
        self.not_shown = self.unscored = 0  # scores of what is no candidate, candidates without a score
        self.clashes, self.first_clash = 0, -1  # requests that share time and reader with one before
        self.at = 0  # the first answer that is not of an earlier time or row
        self.now = -1  # the time whose readers are in `readers`
        self.readers: dict[str, int] = {}  # answers of that time, by reader
        self.asked: set[str] = set()  # readers who have asked at that time

    def slate(self, request: Event, k: int) -> Column:
        """The articles of an answer that are known by now, k at most; codes."""
        codes = self._codes(request)[0]
        self.cut += len(codes) > k
        return codes[:k]

    def scores(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        """A number per candidate."""
        codes, score = self._codes(request)
        if len(codes) == len(pool) and codes.tolist() == list(pool):  # a candidate that is listed twice may have two
            told: list[float] = score.tolist()
            return told
        by_code = dict(zip(codes.tolist(), score.tolist(), strict=True))
        answer = [by_code.get(item, -np.inf) for item in pool]
        shown = set(pool)
        self.not_shown += sum(code not in shown for code in by_code)
        if len(codes):
            self.unscored += sum(item not in by_code for item in pool)
        return answer

    def _codes(self, request: Event) -> tuple[Column, Column]:
        """The known articles of the answer to a request, and their scores where it has scores; none without answer."""
        self.requests += 1
        number = self._by_row(request) if len(self.made.row) else self._by_reader(request)
        if number < 0:
            self.unanswered += 1
            return self.code[:0], self.made.score[:0]
        self.used[number] = True
        self._look_up()
        begin, end = self.made.at[number : number + 2]
        item = self.made.item[begin:end]
        codes, score = self.code[item], self.made.score[begin:end]
        self.places += len(codes)
        if codes.min(initial=0) >= 0:
            return codes, score
        known = codes >= 0
        np.add.at(self.unknown, item[~known], 1)
        return codes[known], score[known] if len(score) else score

    def _look_up(self) -> None:
        """Find the codes of articles that became known since the last answer."""
        while self.known < self.catalog.known:
            place = self.place.get(self.catalog.id(self.known), -1)
            if place >= 0:
                self.code[place] = self.known
            self.known += 1

    def _by_row(self, request: Event) -> int:
        row = self.made.row
        while self.at < len(row) and row[self.at] < request.row:
            self.at += 1
        if self.at == len(row) or row[self.at] != request.row:
            return -1
        if len(self.made.time) and self.made.time[self.at] != request.time:
            raise RecommenderError(
                f"{self.path} answers row {request.row} at {_iso(self.made.time[self.at])}; in this log it is of "
                f"{_iso(request.time)}: the answers are of other data, or of these prepared otherwise"
            )
        return self.at

    def _by_reader(self, request: Event) -> int:
        time, user = self.made.time, self.made.user
        if request.time != self.now:
            self.now = request.time
            self.asked = set()
            begin, end = np.searchsorted(time, [request.time, request.time + 1])
            readers = self.made.users.take(user[begin:end]).to_pylist() if end > begin else []
            self.readers = dict(zip(readers, range(begin, end), strict=True))
        if not self.readers or request.user < 0:
            return -1
        reader = self.catalog.user_id(request.user)
        number = self.readers.get(reader, -1)
        if number >= 0 and reader in self.asked:
            self.clashes += 1
            self.first_clash = request.row if self.first_clash < 0 else self.first_clash
        self.asked.add(reader)
        return number

    # --- what became of them ----------------------------------------------------------------------------

    def account(self) -> str:
        """How much of the file was of use. Raises `RecommenderError` where it cannot be judged."""
        asked = "requests" if self.what == "slates" else "impressions"
        if self.clashes:
            raise RecommenderError(
                f"{self.path}: {self.clashes:,} of {self.requests:,} {asked} share time and reader with an earlier one "
                f"(the first is row {self.first_clash}), so that nothing tells their answers apart; give them by row"
            )
        answered = self.requests - self.unanswered
        unmatched = int(np.count_nonzero(~self.used))
        unknown = int(self.unknown.sum())
        if len(self.used) and self.requests and (not answered or (self.places and unknown == self.places)):
            found = f"{answered:,} of {self.requests:,} {asked} have an answer there"
            raise RecommenderError(
                f"{self.path} is of no use here: {found}, and none has an article that is known by then; it is of "
                "other data, of another publisher, or of other ids"
            )
        self._look_up()
        never = int(self.unknown[self.code < 0].sum())
        counts = {
            f"{asked} without one": self.unanswered,
            f"answers that match no {asked[:-1]}": unmatched,
            "places left out, since the article is not known by then": unknown - never,
            "places left out, since the log has no such id": never,
            "answers cut to the length of a slate": self.cut,
            "scores of what is no candidate": self.not_shown,
            "candidates without a score in an answer, not ranked": self.unscored,
        }
        told = f"{self.path} (sha256 {self.digest}): {answered:,} of {self.requests:,} {asked} have an answer"
        return "; ".join([told, *(f"{what}: {count:,}" for what, count in counts.items() if count)])


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _iso(time: int) -> str:
    return f"{np.datetime64(int(time), 'ms')}Z"

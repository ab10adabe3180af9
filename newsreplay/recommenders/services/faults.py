"""What goes wrong with a service: one miss each, counted by kind, and no end of the run before there is no hope."""

from __future__ import annotations

from collections import Counter
from enum import Enum

from newsreplay.errors import RecommenderError
from newsreplay.escaping import escaped

HOPELESS = 50  #: messages in a row without any answer; then the service is given up
_SHOWN = 100  # characters of what a service said


class Fault(Enum):
    """The kinds; the values say it in a note, behind a number."""

    LATE = "late"
    SILENT = "without an answer in time"
    REFUSED = "not connected"
    CLOSED = "cut off before the end"
    STATUS = "of a bad status"
    NOT_HTTP = "not HTTP"
    NOT_JSON = "not JSON"
    FORM = "of another form"
    LARGE = "too large"


#: Those after which nobody is there, perhaps.
_DEAD = frozenset((Fault.SILENT, Fault.REFUSED, Fault.CLOSED))


class ServiceFault(Exception):  # noqa: N818 - it is named after the thing
    """A message went wrong; `what` has more than the kind, in words."""

    def __init__(self, kind: Fault, what: str = ""):
        super().__init__(kind, what)
        self.kind, self.what = kind, what

    def __str__(self) -> str:
        return self.what or self.kind.value


def quoted(text: bytes | str) -> str:
    """The beginning of what a service said, as it may be shown.

    >>> quoted(b"<html>" + b" " * 1000)[:12]
    "'<html>     "
    """
    text = text[:_SHOWN].decode("utf-8", "replace") if isinstance(text, bytes) else text[:_SHOWN]
    return f"'{escaped(text)}'"


class Tally:
    """How a service did: messages and answers, and what went wrong with them."""

    def __init__(self, name: str, late: str):
        """`name`: of the service, as it may be shown; `late`: how long an answer may take, in words."""
        self.name, self.late = name, late
        self.told = self.asked = 0
        self.untold: Counter[Fault] = Counter()  #: messages that it should have learned from
        self.misses: Counter[Fault] = Counter()  #: requests
        self.rubbish = 0  #: lines that are no answers
        self.unknown = 0  #: ids in slates that no article has that is known
        self.first = ""  #: what went wrong first, in words
        self.in_a_row = [0, 0]  #: messages, and requests, up to now that nobody answered

    def note(self, row: int, fault: ServiceFault, miss: bool) -> None:
        """Count what went wrong at a row. Raises `RecommenderError` where there is no hope."""
        (self.misses if miss else self.untold)[fault.kind] += 1
        self._note_first(row, str(fault))
        self.in_a_row[miss] = self.in_a_row[miss] + 1 if fault.kind in _DEAD else 0
        if self.in_a_row[miss] >= HOPELESS:
            what = "requests" if miss else "messages"
            raise RecommenderError(f"{self.name}: no answer to {HOPELESS} {what} in a row by row {row:,}: {fault}")

    def note_unknown(self, row: int, ids: list[str]) -> None:
        """Count ids that no known article has."""
        self.unknown += len(ids)
        self._note_first(row, f"the id {quoted(ids[0])}, which no article known by then has")

    def note_rubbish(self, row: int, line: bytes) -> None:
        """Count a line that is no answer."""
        self.rubbish += 1
        self._note_first(row, f"the line {quoted(line)}, which is no answer")

    def _note_first(self, row: int, what: str) -> None:
        self.first = self.first or f"row {row:,}: {what}"

    def add(self, other: Tally) -> None:
        """Count what another tally of the same service has counted."""
        self.told += other.told
        self.asked += other.asked
        self.untold += other.untold
        self.misses += other.misses
        self.rubbish += other.rubbish
        self.unknown += other.unknown
        self.first = self.first or other.first

    def notes(self) -> tuple[str, ...]:
        """What stands below tables: nothing where all went well."""
        told = []
        if self.misses:
            told.append(f"{self.misses.total():,} of {self.asked:,} answers are misses ({self._listed(self.misses)})")
        if self.untold:
            told.append(f"{self.untold.total():,} of {self.told:,} messages not taken ({self._listed(self.untold)})")
        if self.unknown:
            told.append(f"{self.unknown:,} unknown ids left out of slates")
        if self.rubbish:
            told.append(f"{self.rubbish:,} lines that are no answers, passed over")
        if not told:
            return ()
        return (f"{self.name}: {'; '.join(told)}; first at {self.first}. It depends on the machine.",)

    def _listed(self, counts: Counter[Fault]) -> str:
        return ", ".join(
            f"{count:,} {kind.value}{f' (> {self.late})' if kind is Fault.LATE else ''}"
            for kind, count in sorted(counts.items(), key=lambda one: -one[1])
        )

"""The forms in which times are written, and which of them is a column's."""

from __future__ import annotations

from typing import Any

import numpy as np

from newsreplay.datasets.base import EARLIEST, LATEST
from newsreplay.kernels.compiling import compiled
from newsreplay.log.rows import Column

# As seconds, milli-, micro- and nanoseconds the ranges do not overlap, so that a usable number has only one reading.
FIRST, LAST = EARLIEST, LATEST
EMPTY, UNREADABLE, OUTSIDE, CALENDAR, SECONDS, MILLIS, MICROS, NANOS, DAY_FIRST, MONTH_FIRST, EITHER = range(11)
KINDS_OF_FORMS = EITHER + 1
NUMBERS = {SECONDS, MILLIS, MICROS, NANOS}
NOWHERE = np.int64(2**62)
FORMS = {
    CALENDAR: "ISO 8601",
    SECONDS: "epoch seconds",
    MILLIS: "epoch milliseconds",
    MICROS: "epoch microseconds",
    NANOS: "epoch nanoseconds",
    DAY_FIRST: "day/month/year",
    MONTH_FIRST: "month/day/year",
    EITHER: "day/month/year or month/day/year",
}
HOUR = 3_600_000  # ms
DAY = 24 * HOUR


@compiled
def _count(form: Any, before: int, counts: Any, first: Any) -> None:
    for i in range(form.size):
        if not counts[form[i]]:
            first[form[i]] = before + i
        counts[form[i]] += 1


class FormTally:
    """How many values of a column are in each form, and where each form comes first."""

    def __init__(self) -> None:
        self.values = 0
        self.counts = np.zeros(KINDS_OF_FORMS, np.int64)
        self.first = np.full(KINDS_OF_FORMS, NOWHERE)

    def add(self, form: Column) -> None:
        """Count the values that follow."""
        _count(form, self.values, self.counts, self.first)
        self.values += form.size

    def append(self, after: FormTally) -> None:
        """Count what was tallied of the values that follow."""
        self.first = np.minimum(self.first, np.where(after.first < NOWHERE, after.first + self.values, NOWHERE))
        self.counts += after.counts
        self.values += after.values

    @property
    def only(self) -> int:
        """The form of all usable values; 0 if there is none, or another value may decide how they are read."""
        forms = np.flatnonzero(self.counts[CALENDAR:]) + CALENDAR
        return int(forms[0]) if forms.size == 1 and forms[0] in (CALENDAR, *NUMBERS) else 0

    @property
    def unit(self) -> int:
        """The form of most usable values, of the first one among equals; 0 if there are none.

        Dates like 1/2/2020 are those of the order that others of the column show, and `EITHER` where none does.
        """
        counts, first = self.counts.copy(), self.first.copy()
        orders = [DAY_FIRST, MONTH_FIRST]
        if counts[orders].any():
            decided = min(orders, key=lambda form: (-counts[form], first[form]))
            counts[decided] += counts[EITHER]
            first[decided] = min(first[decided], first[EITHER])
            counts[EITHER] = 0
        most = counts[CALENDAR:].max()
        tied = np.flatnonzero(counts[CALENDAR:] == most) + CALENDAR
        return int(tied[np.argmin(first[tied])]) if most else 0

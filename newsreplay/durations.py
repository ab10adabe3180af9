"""Durations as people type them."""

import operator
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from newsreplay.errors import NewsreplayError

Duration = str | timedelta | int  #: "1d12h", a timedelta, or whole milliseconds

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_LONGEST = 36_525 * _UNITS["d"]


def parse_duration(text: str) -> int:
    """Milliseconds from `1d`, `36h`, `90m`, `1d12h`, `100ms`.

    >>> parse_duration("1d12h")
    129600000
    """
    pieces = re.findall(r"(\d+(?:\.\d+)?)(ms|[dhms])", text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text.strip():
        raise NewsreplayError(f"{text!r} is no duration; write 1d, 36h, 90m, 1d12h or 100ms")
    total = sum(float(number) * _UNITS[unit] for number, unit in pieces)
    if total > _LONGEST:
        raise NewsreplayError(f"{text!r} is longer than a century")
    if 0 < total < 1:
        raise NewsreplayError(f"{text!r} is shorter than a millisecond")
    return round(total)


def milliseconds(duration: Duration) -> int:
    """Whole milliseconds of a duration: text as `parse_duration` reads it, a timedelta, or milliseconds already.

    >>> milliseconds("1d"), milliseconds(timedelta(hours=36)), milliseconds(500)
    (86400000, 129600000, 500)

    Raises `NewsreplayError` where it is none of these or no whole number of milliseconds.
    """
    if isinstance(duration, str):
        return parse_duration(duration)
    if isinstance(duration, timedelta):
        if duration % timedelta(milliseconds=1):
            raise NewsreplayError(f"{duration!r} is no whole number of milliseconds")
        return duration // timedelta(milliseconds=1)
    try:
        if not isinstance(duration, bool):
            return operator.index(duration)
    except TypeError:
        pass
    raise NewsreplayError(f"{duration!r} is no duration; write '1d', '36h' or '100ms', a timedelta, or milliseconds")


def duration_text(ms: int) -> str:
    """Milliseconds as `parse_duration` reads them.

    >>> duration_text(129600000), duration_text(0)
    ('1d12h', 'none')
    """
    pieces = []
    for unit, size in _UNITS.items():
        number, ms = divmod(ms, size)
        pieces += [f"{number}{unit}"] if number else []
    return "".join(pieces) or "none"


class Delays(NamedTuple):
    """How long feedback takes to be learned, ms; 0 = it is learned at its row."""

    reads: int = 0
    outcomes: int = 0  #: of impressions

    def __str__(self) -> str:
        if self.reads == self.outcomes:
            return duration_text(self.reads)
        return ",".join(f"{name}={duration_text(ms) if ms else 0}" for name, ms in self._asdict().items())


NO_DELAYS = Delays()
FeedbackDelay = Duration | Mapping[str, Duration] | Delays  #: what `delays` reads


def delays(value: FeedbackDelay) -> Delays:
    """Delays from a duration, of reads and outcomes alike, or from one for each: as text or a mapping, the others 0.

    >>> delays("5m"), delays("reads=0,outcomes=5m"), delays({"outcomes": 1000})
    (Delays(reads=300000, outcomes=300000), Delays(reads=0, outcomes=300000), Delays(reads=0, outcomes=1000))

    Raises `NewsreplayError` where it is neither.
    """
    if isinstance(value, Delays):
        return value
    if isinstance(value, str) and "=" in value:
        pairs = [piece.split("=", 1) for piece in value.split(",")]
        named = {pair[0].strip(): pair[-1].strip() for pair in pairs}
        if len(named) < len(pairs) or any(len(pair) < 2 for pair in pairs):
            raise NewsreplayError(f"{value!r} is no delay; write 5m, or reads=0,outcomes=5m")
        value = named
    if not isinstance(value, Mapping):
        return Delays(*[_delay(value)] * 2)
    for name in value:
        if name not in Delays._fields:
            raise NewsreplayError(f"{name!r} cannot be delayed; reads and outcomes can: reads=0,outcomes=5m")
    return Delays(**{name: _delay(duration) for name, duration in value.items()})


def _delay(duration: Duration) -> int:
    ms = 0 if duration == "0" else milliseconds(duration)
    if ms < 0:
        raise NewsreplayError(f"feedback cannot come before it is given: {duration!r} is less than 0")
    return ms

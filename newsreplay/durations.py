"""Durations as people type them."""

import operator
import re
from datetime import timedelta

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

"""Durations as people type them."""

import re

from newsreplay.errors import NewsreplayError

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

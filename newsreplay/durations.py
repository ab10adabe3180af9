"""Durations as people type them."""

import re

from newsreplay.errors import NewsreplayError

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000}
_LONGEST = 36_525 * _UNITS["d"]


def parse_duration(text: str) -> int:
    """Milliseconds from `1d`, `36h`, `90m`, `1d12h`.

    >>> parse_duration("1d12h")
    129600000
    """
    pieces = re.findall(r"(\d+(?:\.\d+)?)([dhms])", text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text.strip():
        raise NewsreplayError(f"{text!r} is no duration; write 1d, 36h, 90m or 1d12h")
    total = sum(float(number) * _UNITS[unit] for number, unit in pieces)
    if total > _LONGEST:
        raise NewsreplayError(f"{text!r} is longer than a century")
    return int(total)

"""What the recommenders of session neighbours are told, checked."""

from __future__ import annotations

import math
from typing import NamedTuple

from newsreplay.errors import SpecError
from newsreplay.recommenders.base import Sizes
from newsreplay.recommenders.baselines import neighbours, session_index
from newsreplay.spec import whole


class IndexOptions(NamedTuple):
    """How much the index of sessions keeps."""

    sample: int  #: sessions an article lists, and of a sample
    hours: int  #: that a session is in the index for
    length: int  #: articles a session holds

    @classmethod
    def of(cls, sample: object, hours: object, length: object) -> IndexOptions:
        """The options, if they can be. Raises `SpecError`."""
        options = cls(
            whole("sample", sample, at_least=1), whole("hours", hours, at_least=1), whole("length", length, at_least=1)
        )
        for name, value, most in (
            ("sample", options.sample, neighbours.LARGEST),
            ("length", options.length, neighbours.LONGEST),
        ):
            if value > most:
                raise SpecError(f"{name} must be at most {most}, not {value}")
        return options

    def empty_index(self, sizes: Sizes, half_life: int = 0) -> session_index.SessionIndex:
        """The empty index; see `session_index`."""
        return session_index.session_index(sizes, self.hours, self.length, self.sample, half_life)

    def scratch(self, sizes: Sizes) -> neighbours.Neighbours:
        """The scratch of a search."""
        return neighbours.neighbours(sizes, self.length, self.sample)


def positive(name: str, value: object) -> float:
    """`value` if it is a finite number above 0, else a `SpecError` that says so."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise SpecError(f"{name} must be a number above 0, not {value!r}")
    return float(value)


def yes_or_no(name: str, value: object) -> bool:
    """`value` if it is true or false, else a `SpecError` that says so."""
    if not isinstance(value, bool):
        raise SpecError(f"{name} must be true or false, not {value!r}")
    return value

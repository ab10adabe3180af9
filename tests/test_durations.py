"""Durations, as people type them and as they are shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsreplay.durations import duration_text, milliseconds, parse_duration
from newsreplay.errors import NewsreplayError


@given(st.integers(1, 36_525 * 86_400_000))
def test_what_is_shown_can_be_typed(ms: int) -> None:
    assert parse_duration(duration_text(ms)) == ms


@pytest.mark.parametrize(
    ("text", "ms"),
    [("100ms", 100), ("2s100ms", 2100), ("0.29s", 290), ("1.001s", 1001), ("4.35s", 4350), ("1m", 60_000), ("0h", 0)],
)
def test_milliseconds_are_counted(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize("text", ["0.5ms", "0.0001s"])
def test_less_than_a_millisecond_is_refused(text: str) -> None:
    with pytest.raises(NewsreplayError, match="is shorter than a millisecond"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["5", "ms", "5 ms", "5m s", "-5ms", "1e3ms", ""])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(NewsreplayError, match="is no duration; write 1d, 36h, 90m, 1d12h or 100ms"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration", "ms"),
    [("1d12h", 129_600_000), (timedelta(minutes=90), 5_400_000), (250, 250), (np.int64(7), 7), (timedelta(0), 0)],
)
def test_durations_of_any_type_are_milliseconds(duration: Any, ms: int) -> None:
    assert milliseconds(duration) == ms
    assert type(milliseconds(duration)) is int


@pytest.mark.parametrize("duration", [1.0, None, False, b"1d", timedelta(microseconds=1500)])
def test_other_types_and_fractions_are_refused(duration: Any) -> None:
    with pytest.raises(NewsreplayError, match=r"is no (duration; write '1d'|whole number of milliseconds)"):
        milliseconds(duration)

"""Values that stand in a text, as strings and as codes, are those that Python and Arrow make of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.datasets.reading.fields import LOOK, scan_fields, words_of
from newsreplay.datasets.reading.forms import KINDS_OF_FORMS, FormTally
from newsreplay.datasets.reading.usual_times import whole_numbers
from newsreplay.datasets.reading.words import are_utf8, encoded, first_bytes, holds, is_utf8, places_of, strings

# Alike in their first eight or sixteen bytes, and in those and their length; short ones, and one that ends in a NUL.
alike = ["a" * n for n in (0, 1, 7, 8, 9, 15, 16, 17, 24, 25)] + ["a" * 16 + end for end in ("b", "bc", "cb", "\0")]
texts = st.lists(st.one_of(st.none(), st.sampled_from(alike), st.text(max_size=20)), max_size=40)


@settings(max_examples=200, deadline=None)
@given(texts)
def test_values_are_encoded_by_first_appearance(values: list[str | None]) -> None:
    data, begin, end = places_of(pa.array(values, pa.string()))
    missing = np.array([value is None for value in values], bool)
    found = encoded(data, np.where(missing, 1, begin).astype(np.int32), np.where(missing, 0, end).astype(np.int32))
    expected = pa.array(values, pa.string()).dictionary_encode()
    assert found.to_pylist() == values
    assert found.equals(expected)
    found.validate(full=True)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=20), st.integers(0, 3))
def test_strings_and_what_is_asked_of_them(values: list[str], cut: int) -> None:
    column = pa.array(values, pa.string())[cut:]
    assert strings(*places_of(column)).equals(column)
    assert first_bytes(column).tolist() == [value.encode()[0] if value else 0 for value in values[cut:]]
    assert are_utf8(column)


def test_a_character_that_two_values_share_is_not_utf8() -> None:
    data = np.frombuffer("é".encode(), np.uint8)
    halves = np.array([0, 1], np.int32)
    assert is_utf8(data.tobytes())
    assert not are_utf8(strings(data, halves, halves + np.int32(1)))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40), st.binary(min_size=1, max_size=1))
def test_whether_a_byte_is_among_others(data: bytes, byte: bytes) -> None:
    assert holds(np.frombuffer(data, np.uint8), byte) == (byte in data)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 10**19).map(str), st.text("0123456789:/ax-", max_size=20)), max_size=4))
def test_whole_numbers_are_those_that_python_reads(values: list[str]) -> None:
    numbers = whole_numbers(*places_of(pa.array(values, pa.string())))
    fit = all(value.isdigit() and len(value) < 20 and (len(value) < 19 or value[0] < "9") for value in values)
    assert (numbers is not None) == fit
    assert numbers is None or numbers.tolist() == [int(value) for value in values]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, KINDS_OF_FORMS - 1), max_size=5), max_size=4))
def test_forms_are_tallied_in_pieces_as_together(pieces: list[list[int]]) -> None:
    tally, after = FormTally(), FormTally()
    for piece in pieces:
        tally.add(np.array(piece, np.int8))
        alone = FormTally()
        alone.add(np.array(piece, np.int8))
        after.append(alone)
    together = [form for piece in pieces for form in piece]
    for form in range(KINDS_OF_FORMS):
        assert tally.counts[form] == after.counts[form] == together.count(form)
        if form in together:
            assert tally.first[form] == after.first[form] == together.index(form)


@pytest.mark.parametrize("short", [1, 5])
def test_short_records_after_long_ones_find_room(short: int) -> None:
    data = (b"x" * 1000 + b",a\n") * (LOOK // 1000 + 1) + b"y,b\n" * 1000 * short
    found = scan_fields(data, ",", 2, [1])
    assert (found.size, found.line.size) == (len(data), LOOK // 1000 + 1 + 1000 * short)
    assert words_of(found, 0).dictionary.to_pylist() == ["a", "b"]

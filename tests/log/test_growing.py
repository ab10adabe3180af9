"""Arrays that grow keep what they hold."""

from __future__ import annotations

import numpy as np
import pytest

from newsreplay.log.growing import enlarged, ring_with_room, with_room


def test_an_enlarged_array_keeps_its_rows_and_fills_new_ones() -> None:
    array = np.arange(6, dtype=np.int32).reshape(3, 2)
    larger = enlarged(array, 5, -1)
    assert larger.dtype == np.int32
    assert larger.tolist() == [[0, 1], [2, 3], [4, 5], [-1, -1], [-1, -1]]
    assert enlarged(array, 3) is array
    assert enlarged(array, 4, None)[:3].tolist() == array.tolist()


@pytest.mark.parametrize(("rows", "length"), [(3, 3), (4, 6), (6, 6), (7, 7)])
def test_an_array_with_room_at_least_doubles(rows: int, length: int) -> None:
    array = np.array([4, 5, 6])
    longer = with_room(array, rows)
    assert longer.tolist() == [4, 5, 6] + [0] * (length - 3)
    assert with_room(np.empty(0, bool), 2).tolist() == [False, False]
    assert len(with_room(array, 20)) == 20


def test_only_the_rows_in_use_are_kept_of_a_slice() -> None:
    longer = enlarged(np.array([7, 8, 9], np.int64)[:2], 10, None)
    assert (len(longer), longer[:2].tolist(), longer.dtype) == (10, [7, 8], np.int64)


@pytest.mark.parametrize(("begin", "end"), [(0, 0), (0, 4), (3, 7), (1022, 1025)])
def test_entries_of_a_ring_stand_at_their_number_modulo_its_length(begin: int, end: int) -> None:
    ring = np.zeros(4, np.int64)
    for number in range(begin, end):
        ring[number % 4] = number
    assert ring_with_room(ring, begin, end, 4 - (end - begin)) is ring
    larger = ring_with_room(ring, begin, end, 7)
    assert len(larger) >= end - begin + 7
    assert len(larger) & (len(larger) - 1) == 0
    assert [larger[number % len(larger)] for number in range(begin, end)] == list(range(begin, end))

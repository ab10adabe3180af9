"""Larger arrays hold what the smaller ones held."""

from __future__ import annotations

import numpy as np
import pytest

from newsreplay.recommenders.growing import lengthened, ring_for, room_for


def test_an_array_with_room_is_left_alone_and_another_at_least_doubles() -> None:
    array = np.arange(6, dtype=np.int32).reshape(3, 2)
    assert room_for(array, 3) is array
    larger = room_for(array, 4, fill=-1)
    assert larger.shape == (6, 2)
    assert larger.dtype == np.int32
    assert larger[:3].tolist() == array.tolist()
    assert (larger[3:] == -1).all()
    assert len(room_for(array, 20)) == 20
    assert room_for(np.empty(0), 1).tolist() == [0]


def test_what_is_used_is_kept_when_an_array_is_lengthened() -> None:
    longer = lengthened(np.array([7, 8, 9], np.int64), 10, 2)
    assert (len(longer), longer[:2].tolist(), longer.dtype) == (10, [7, 8], np.int64)


@pytest.mark.parametrize(("begin", "end"), [(0, 0), (0, 4), (3, 7), (1022, 1025)])
def test_entries_of_a_ring_stand_at_their_number_modulo_its_length(begin: int, end: int) -> None:
    ring = np.zeros(4, np.int64)
    for number in range(begin, end):
        ring[number % 4] = number
    assert ring_for(ring, begin, end, 4 - (end - begin)) is ring
    larger = ring_for(ring, begin, end, 7)
    assert len(larger) >= end - begin + 7
    assert len(larger) & (len(larger) - 1) == 0
    assert [larger[number % len(larger)] for number in range(begin, end)] == list(range(begin, end))

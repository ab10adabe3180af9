"""Arrays that grow keep what they hold."""

from __future__ import annotations

import numpy as np
import pytest

from newsreplay.log.growing import enlarged, with_room


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

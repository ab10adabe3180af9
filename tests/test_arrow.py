"""Columns go from Arrow to NumPy and back as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from newsreplay.arrow import dictionary_of, in_one_piece, lists_of, map_batch, to_arrow, to_numpy, write_batch


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint64, np.float32, np.float64, bool])
@pytest.mark.parametrize("length", [0, 1, 19])
def test_numbers_and_booleans_come_back_as_they_were(dtype: type, length: int) -> None:
    values = (np.arange(length) % 3).astype(dtype)
    array = to_arrow(values)
    assert array.equals(pa.array(values.tolist(), array.type))
    assert to_numpy(array).dtype == values.dtype
    assert to_numpy(array).tolist() == values.tolist()
    assert to_numpy(array.slice(min(1, length))).tolist() == values[1:].tolist()
    assert to_numpy(pa.chunked_array([array, array[:1]])).tolist() == [*values.tolist(), *values[:1].tolist()]


def test_nulls_are_what_stands_for_them() -> None:
    array = to_arrow(np.array([4, 5, 6], np.int32), valid=np.array([True, False, True]))
    assert array.to_pylist() == [4, None, 6]
    assert to_numpy(array, -1).tolist() == [4, -1, 6]
    assert to_numpy(pa.array([True, None]), False).tolist() == [True, False]
    assert to_numpy(pa.array(["a", None, "b", "a"]).dictionary_encode(), -1).tolist() == [0, -1, 1, 0]


def test_a_column_of_texts_is_codes_into_them() -> None:
    column = dictionary_of(np.array([1, 0, 0], np.int32), pa.array(["a", "b"]), valid=np.array([True, True, False]))
    assert column.to_pylist() == ["b", "a", None]
    assert lists_of(np.array([0, 2, 2, 3]), column).to_pylist() == [["b", "a"], [], [None]]


def test_pieces_are_joined_and_none_is_an_empty_column() -> None:
    assert in_one_piece(pa.chunked_array([[1], [2, 3]])).to_pylist() == [1, 2, 3]
    assert in_one_piece(pa.chunked_array([], pa.int8())).to_pylist() == []


def test_columns_are_mapped_as_they_were_written(tmp_path: Path) -> None:
    columns = {"a": pa.array([1, 2]), "b": pa.array(["x", None])}
    write_batch(tmp_path / "x.arrow", columns)
    assert map_batch(tmp_path / "x.arrow").to_pydict() == {"a": [1, 2], "b": ["x", None]}


def test_pandas_is_not_imported() -> None:
    code = (
        "import sys, numpy as np; from newsreplay.arrow import *;"
        "to_numpy(to_arrow(np.arange(3), valid=np.ones(3, bool)), -1); assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

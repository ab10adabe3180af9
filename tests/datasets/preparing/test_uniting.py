from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsreplay.datasets.preparing.background import Summing, made_ahead
from newsreplay.datasets.preparing.uniting import Uniting
from newsreplay.datasets.preparing.work import coded

WORDS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=5), max_size=6)


@given(WORDS, st.sampled_from([1, 30, 1 << 20]))
def test_united_codes_are_those_of_the_distinct_values_by_first_appearance(
    dictionaries: list[list[str]], group: int
) -> None:
    uniting = Uniting(group)
    for values in dictionaries:
        uniting.add(pa.array(values, pa.large_string()))
    united = uniting.done()
    distinct = list(dict.fromkeys(value for values in dictionaries for value in values))
    assert united.values.to_pylist() == distinct
    assert [codes.tolist() for codes in united.codes] == [
        [*(distinct.index(value) for value in values), -1] for values in dictionaries
    ]


def test_a_dictionary_that_has_a_null_is_coded_without_it() -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None]), pa.array(["a", None, "b"]))
    assert coded(column).to_pylist() == ["a", None, "b", None]
    assert coded(column).dictionary.to_pylist() == ["a", "b"]


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("given", [0, 1, 2, 9])
def test_what_is_made_ahead_comes_in_order(given: int, count: int) -> None:
    assert list(made_ahead(lambda n: n * n, range(given), count)) == [n * n for n in range(given)]


def test_an_error_of_what_is_made_ahead_is_raised_in_its_turn() -> None:
    made = made_ahead(lambda n: 1 // n, [1, 0, 2], 2)
    assert next(made) == 1
    with pytest.raises(ZeroDivisionError):
        next(made)


def test_each_file_is_summed_as_it_stands_and_the_digest_is_of_all_below_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "publishers" / "0"
    (folder / "log").mkdir(parents=True)
    (folder / "log" / "time.npy").write_bytes(b"early")
    with Summing(tmp_path) as summing:
        summing.begin(folder)
        (folder / "users.arrow").write_bytes(b"late")
        digest = summing.digest(folder)
        sums = summing.checksums()
    assert sums == {f"publishers/0/{name}": [zlib.crc32(text)] for name, text in NAMES.items()}
    lines = [f"{name} {hashlib.blake2b(text, digest_size=16).hexdigest()}" for name, text in NAMES.items()]
    assert digest == hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


NAMES = {"log/time.npy": b"early", "users.arrow": b"late"}

"""Files of vectors by name or id: text, Parquet and .npz, read alike."""

from __future__ import annotations

import gzip
import math
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.errors import DataError, NewsreplayError, SpecError
from newsreplay.recommenders.neural.articles.vectors import Vectors, WordVectors

Rows = list[tuple[str, list[float]]]

TRANSE = "Q41\t0.5\t-1\t2\t\nQ1860\t3\t4e-1\t-5\t\nNew York\t6\t7\t8\t\n"


def write_tabs(path: Path, rows: Rows) -> None:
    path.write_text("".join("\t".join([name, *map(repr, numbers)]) + "\n" for name, numbers in rows), "utf-8")


def write_blanks(path: Path, rows: Rows) -> None:
    path.write_text("".join(" ".join([name, *map(repr, numbers)]) + " \n" for name, numbers in rows), "utf-8")


def write_gzipped(path: Path, rows: Rows) -> None:
    write_tabs(path, rows)
    path.write_bytes(gzip.compress(path.read_bytes(), 1))


def write_parquet(path: Path, rows: Rows, kind: pa.DataType | None = None) -> None:
    names, vectors = [name for name, _ in rows], [numbers for _, numbers in rows]
    table = {"article_id": names, "google-bert/bert.base": pa.array(vectors, kind or pa.list_(pa.float64()))}
    pq.write_table(pa.table(table), path, row_group_size=2)


def write_npz(path: Path, rows: Rows) -> None:
    np.savez(path, ids=np.array([name for name, _ in rows]), vectors=np.array([numbers for _, numbers in rows], float))


WRITERS: dict[str, Callable[[Path, Rows], None]] = {
    "entities.vec": write_tabs,
    "glove.txt": write_blanks,
    "entities.vec.gz": write_gzipped,
    "image_embeddings.parquet": write_parquet,
    "sentences.npz": write_npz,
}


@pytest.fixture(params=WRITERS)
def write(request: pytest.FixtureRequest, tmp_path: Path, empty_home: Path) -> Callable[[Rows], Path]:
    """Write rows to a file of one kind."""

    def written(rows: Rows) -> Path:
        path: Path = tmp_path / request.param
        WRITERS[request.param](path, rows)
        return path

    return written


# --- every kind -----------------------------------------------------------------------------------------

ROWS: Rows = [("9001", [1, 0.5]), ("9002", [-2, 3e-9]), ("9001", [7, 7])]


def test_vectors_are_looked_up_by_id_and_the_first_row_of_an_id_counts(write: Callable[[Rows], Path]) -> None:
    path = write(ROWS)
    vectors = Vectors.open(path)
    assert (vectors.path, vectors.width) == (path, 2)
    found, known = vectors.look_up(["9002", "9003", "9001", ""])
    assert found.tolist() == [[-2, float(np.float32(3e-9))], [0, 0], [1, 0.5], [0, 0]]
    assert found.dtype == np.float32
    assert known.tolist() == [True, False, True, False]
    assert vectors.look_up([])[0].shape == (0, 2)


def test_a_file_of_any_kind_is_read_once_and_then_mapped(write: Callable[[Rows], Path], empty_home: Path) -> None:
    path = write(ROWS)
    first = Vectors.open(path).look_up(["9002"])
    (folder,) = (empty_home / "vectors").iterdir()
    written = (folder / "vectors.f32").stat()
    assert Vectors.open(path).look_up(["9002"])[0].tolist() == first[0].tolist()
    assert (folder / "vectors.f32").stat() == written
    assert [entry.name for entry in (empty_home / "vectors").iterdir()] == [folder.name]


def test_a_file_of_any_kind_is_read_without_a_home_that_can_be_written(
    write: Callable[[Rows], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NEWSREPLAY_HOME", str(tmp_path / "file" / "home"))
    assert Vectors.open(write(ROWS)).look_up(["9001"])[0].tolist() == [[1, 0.5]]


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e39])
def test_numbers_that_are_not_finite_are_told_by_row_and_value(write: Callable[[Rows], Path], bad: float) -> None:
    path = write([*ROWS, ("9004", [0, bad]), ("9005", [bad, 1])])
    for _ in range(2):  # read, and kept
        with pytest.raises(DataError, match=r"number 2 of '9004' is '?(nan|inf|1e\+39)'?; correct the row or leave it"):
            Vectors.open(path)


def test_word_vectors_leave_out_and_count_the_rows_that_others_refuse(write: Callable[[Rows], Path]) -> None:
    vectors = WordVectors.open(write([*ROWS, ("Rain", [math.nan, 1]), ("rain", [5, 6])]))
    assert vectors.skipped == 1
    assert vectors.look_up(["Rain", "RAIN"])[0].tolist() == [[5, 6], [5, 6]]


def test_ids_are_looked_up_as_they_are(write: Callable[[Rows], Path]) -> None:
    vectors = Vectors.open(write([("q41", [1, 2]), ("é", [3, 4])]))
    assert vectors.look_up(["Q41", "q41", "é", "É"])[1].tolist() == [False, True, True, False]


NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=6)
NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("kind", WRITERS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_is_written_is_looked_up(kind: str, data: st.DataObject) -> None:
    width = data.draw(st.integers(2, 5))
    vectors = st.lists(NUMBERS, min_size=width, max_size=width)
    rows = data.draw(st.lists(st.tuples(NAMES, vectors), min_size=1, max_size=8))
    expected = dict(reversed(rows))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / kind
        WRITERS[kind](path, rows)
        read = Vectors.open(path)
        found, known = read.look_up([*expected, "no such name"])
    assert read.width == width
    assert known.tolist() == [True] * len(expected) + [False]
    np.testing.assert_array_equal(found[:-1], np.array(list(expected.values()), np.float32))


def damage(content: bytes, place: int, byte: int) -> bytes:
    at = place % len(content)
    return content[:at] + bytes([byte]) + content[at + 1 :]


@pytest.mark.parametrize("kind", WRITERS)
@settings(max_examples=20, deadline=None)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255), end=st.booleans())
def test_a_damaged_file_is_read_or_refused_by_its_name(kind: str, place: int, byte: int, end: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / kind
        WRITERS[kind](path, ROWS)
        content = path.read_bytes()
        path.write_bytes(content[: place % len(content)] if end else damage(content, place, byte))
        try:
            vectors = Vectors.open(path)
        except NewsreplayError as error:
            said = str(error)
        else:
            assert np.isfinite(vectors.look_up(["9001", "9002"])[0]).all()
            return
    assert str(path) in said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.parq", r"Did you mean '\.parquet'\?"),
        ("a.NPY", r"Did you mean '\.npz'\?"),
        ("a", "Rename a text file, convert others"),
        ("a.bin", "Rename a text file, convert others"),
    ],
)
def test_an_ending_without_a_reader_is_told_with_those_there_are(
    tmp_path: Path, empty_home: Path, name: str, said: str
) -> None:
    (tmp_path / name).write_bytes(b"a 1 2\n")
    known = r"has no ending of a file of vectors, which are \.gz, \.npz, \.parquet, \.txt, \.vec\. "
    with pytest.raises(SpecError, match=name + " " + known + said):
        Vectors.open(tmp_path / name)


def test_an_ending_may_be_in_upper_case(tmp_path: Path, empty_home: Path) -> None:
    (tmp_path / "A.TXT").write_text("a 1 2\n")
    assert Vectors.open(tmp_path / "A.TXT").width == 2


# --- text -----------------------------------------------------------------------------------------------


def test_entity_vectors_of_mind_have_tabs_one_behind_the_numbers_too(tmp_path: Path, empty_home: Path) -> None:
    path = tmp_path / "entity_embedding.vec"
    path.write_text(TRANSE)
    found, known = Vectors.open(path).look_up(["Q41", "Q1860", "New York", "Q4"])
    assert found.tolist() == np.array([[0.5, -1, 2], [3, 0.4, -5], [6, 7, 8], [0, 0, 0]], np.float32).tolist()
    assert known.tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Q5\t1\t2\n", r"is no vector: 'Q5' has width 2, most lines have 3"),
        ("Q5\t1\t2\t3\t4\n", r"is no vector: 'Q5' has width 4, most lines have 3"),
        ("Q5\t1\tx\t3\n", r"is no vector: number 2 of 'Q5' is 'x'"),
        ("Q5\t1\t\t3\n", r"is no vector: number 2 of 'Q5' is ''"),
        ("Q5\t1\t2 0\t3\n", r"is no vector: number 2 of 'Q5' is '2 0'"),
        ("\t1\t2\t3\n", r"is '1\\t2\\t3': no name with its numbers"),
        ("\n", r"is '': no name with its numbers"),
        ("Q5 1 2 3\n", r"is no vector: 'Q5 1 2 3' has width 0"),
        ("Q5\t1\r1\t2\t3\n", r"is no vector: number 1 of 'Q5' is '1\\r1'"),
        ("Q5\t1\t2\r2\t3\n", r"is no vector: number 2 of 'Q5' is '2\\r2'"),
    ],
)
def test_a_line_that_is_no_vector_is_told_by_number_and_value(
    tmp_path: Path, empty_home: Path, line: str, said: str
) -> None:
    path = tmp_path / "entity_embedding.vec"
    path.write_bytes((TRANSE + line + "Q6\t1\n").encode())
    with pytest.raises(DataError, match=r"entity_embedding\.vec line 4 " + said):
        Vectors.open(path)


def test_a_longer_line_between_blanks_is_no_name_with_a_blank(tmp_path: Path, empty_home: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("2 2\na 1 2\nb 1 2 3\n")
    with pytest.raises(DataError, match=r"vectors\.txt line 3 is no vector: 'b' has width 3, most lines have 2"):
        Vectors.open(path)
    assert WordVectors.open(path).look_up(["b 1"])[0].tolist() == [[2, 3]]  # as in GloVe's ". . . 7 8 9"


def test_lines_are_counted_from_the_header_and_over_blocks(tmp_path: Path, empty_home: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(b"60 2\n" + (b"n" * 400_000 + b" 1 2\n") * 58 + b"short 1\n")  # 23 MB: two blocks
    with pytest.raises(DataError, match=r"line 60 is no vector: 'short' has width 1, most lines have 2"):
        Vectors.open(path)


def test_a_line_without_an_end_is_not_read_to_it(tmp_path: Path, empty_home: Path) -> None:
    path = tmp_path / "vectors.gz"
    path.write_bytes(gzip.compress(b"a 1 2\n" + b"0" * 3_000_000))
    with pytest.raises(DataError, match=r"vectors\.gz line 2 has more than 1,048,576 bytes, so these are no vectors"):
        Vectors.open(path)


# --- Parquet --------------------------------------------------------------------------------------------


def table_of(path: Path, **columns: pa.Array) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    "ids",
    [
        *(pa.array([1, 2, 3], kind) for kind in (pa.int8(), pa.int32(), pa.int64(), pa.uint64())),
        *(pa.array(["1", "2", "3"], kind) for kind in (pa.string(), pa.large_string())),
        pa.array(["1", "2", "3"]).dictionary_encode(),
    ],
    ids=lambda ids: str(ids.type),
)
@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.float16(), 2)], ids=str
)
def test_a_column_of_ids_and_one_of_lists_are_found_by_their_types(
    tmp_path: Path, empty_home: Path, ids: pa.Array, kind: pa.DataType
) -> None:
    values = pa.array([[np.float16(1), np.float16(2)], None, [np.float16(3), np.float16(4)]], kind)
    path = table_of(tmp_path / "a.parquet", seen=pa.array([0.5, 1, 2]), vector=values, key=ids)
    found, known = Vectors.open(path).look_up(["3", "2", "1"])
    assert found.tolist() == [[3, 4], [0, 0], [1, 2]]
    assert known.tolist() == [True, False, True]  # null says that there is no vector


NUMBERED = pa.array([1, 2, 3])
LISTS = pa.array([[1.0], [2.0], [3.0]])


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"id": NUMBERED, "row": NUMBERED, "v": LISTS}, r"2 columns of ids .*, not one \('id': int64, 'row': int64\)"),
        ({"id": NUMBERED, "v": LISTS, "w": LISTS}, r"2 columns of vectors \(lists of floats\), not one \('v': list"),
        ({"v": LISTS}, r"no column of ids \(whole numbers or strings\), not one \('v': list"),
        ({"id": NUMBERED, "v": pa.array([1.0, 2, 3])}, r"no column of vectors .*\('id': int64, 'v': double\)"),
        ({"id": NUMBERED, "v": pa.array([["a"], [], []])}, "no column of vectors"),
    ],
)
def test_columns_that_cannot_be_told_apart_are_named(
    tmp_path: Path, empty_home: Path, columns: dict[str, pa.Array], said: str
) -> None:
    path = table_of(tmp_path / "a.parquet", **columns)
    with pytest.raises(DataError, match=rf"a\.parquet has {said}.*; write it with those two columns alone"):
        Vectors.open(path)


@pytest.mark.parametrize(
    ("ids", "lists", "said"),
    [
        ([1, 2, 3], [[1.0, 2], [3.0], [4.0, 5]], "row 2 is no vector: '2' has width 1, most rows have 2"),
        ([1, 2, 3], [None, [1.0, 2], []], "row 3 is no vector: '3' has width 0, most rows have 2"),
        ([1, 2, 3], [None, [3.0, None], [4.0, 5]], "row 2 is no vector: number 2 of '2' is nan"),
        ([1, None, 3], [[1.0], [2.0], [3.0]], "row 2 has no id"),
        (["a", "", "c"], [[1.0], [2.0], [3.0]], "row 2 has no id"),
        ([1, 2, 3], [[], [], []], "has no row with a vector; expected are names or ids with their vectors"),
        ([], [], "has no row with a vector; expected are names or ids with their vectors"),
    ],
)
def test_a_row_that_is_no_vector_is_told_by_number_and_id(
    tmp_path: Path, empty_home: Path, ids: list[object], lists: list[object], said: str
) -> None:
    keys = pa.array(ids, pa.string() if "a" in ids else pa.int64())
    path = table_of(tmp_path / "a.parquet", article_id=keys, vector=pa.array(lists, pa.list_(pa.float32())))
    with pytest.raises(DataError, match=rf"a\.parquet {said}"):
        Vectors.open(path)


def test_names_of_columns_that_are_no_text_are_a_damage(tmp_path: Path, empty_home: Path) -> None:
    path = table_of(tmp_path / "a.parquet", idid=NUMBERED, vector=LISTS)
    path.write_bytes(path.read_bytes().replace(b"idid", b"id\xff\xff"))
    with pytest.raises(SpecError, match=r"the vectors of .*a\.parquet cannot be read: "):
        Vectors.open(path)


def test_rows_of_parquet_are_counted_over_batches(tmp_path: Path, empty_home: Path) -> None:
    lists = pa.array([None] * 1_500 + [[1.0, 2.0]] * 1_500 + [[3.0]])
    path = table_of(tmp_path / "a.parquet", article_id=pa.array(range(3_001)), vector=lists)
    with pytest.raises(DataError, match=r"row 3001 is no vector: '3000' has width 1, most rows have 2"):
        Vectors.open(path)
    assert WordVectors.open(path).look_up(["1499", "1500", "2999"])[1].tolist() == [False, True, True]


# --- .npz -----------------------------------------------------------------------------------------------

MATRIX = np.array([[1, 2], [3, 4], [5, 6]], np.float32)


@pytest.mark.parametrize("ids", [np.array([7, 8, 9], ">i4"), np.array(["7", "8", "9"]), np.array([b"7", b"8", b"9"])])
@pytest.mark.parametrize("kind", ["<f2", ">f4", "<f8"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_numpy_are_read_in_any_type(
    tmp_path: Path, empty_home: Path, ids: np.ndarray, kind: str, save: Callable[..., None]
) -> None:
    save(tmp_path / "a.npz", ids=ids, vectors=MATRIX.astype(kind), other=np.zeros(5))
    found, known = Vectors.open(tmp_path / "a.npz").look_up(["9", "7"])
    assert found.tolist() == [[5, 6], [1, 2]]
    assert known.all()


IDS = np.array([7, 8, 9])


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"id": IDS, "vectors": MATRIX}, r"no array 'ids', but 'id', 'vectors'; Did you mean 'id'\? Or save it with"),
        ({"ids": IDS}, r"no array 'vectors', but 'ids'"),
        ({"ids": IDS.astype(object), "vectors": MATRIX}, "array 'ids' has Python objects, which are never unpickled"),
        ({"ids": IDS, "vectors": MATRIX.astype(object)}, "array 'vectors' has Python objects"),
        ({"ids": IDS, "vectors": np.asfortranarray(MATRIX)}, r"lies by columns; make it np\.ascontiguousarray"),
        ({"ids": IDS.astype(float), "vectors": MATRIX}, r"array 'ids' is float64\[3\]; save it with np\.savez"),
        ({"ids": IDS, "vectors": MATRIX.astype(int)}, r"array 'vectors' is int64\[3, 2\]"),
        ({"ids": IDS, "vectors": MATRIX[0]}, r"array 'vectors' is float32\[2\]"),
        ({"ids": IDS, "vectors": MATRIX[:, :0]}, r"array 'vectors' is float32\[3, 0\]"),
        ({"ids": IDS[:2], "vectors": MATRIX}, "has 2 ids, but 3 vectors"),
        ({"ids": IDS[:0], "vectors": MATRIX[:0]}, "has no row with a vector"),
        ({"ids": IDS.astype("S2000000"), "vectors": MATRIX}, "array 'ids' has more than 1,048,576 bytes a row"),
        ({"ids": np.array(["a", "", "c"]), "vectors": MATRIX}, r"vectors\[1\] has no id"),
        ({"ids": IDS, "vectors": MATRIX * [[1], [np.nan], [1]]}, r"vectors\[1\] is no vector: number 1 of '8' is nan"),
    ],
)
def test_arrays_that_are_no_vectors_are_told_with_the_way_to_save_them(
    tmp_path: Path, empty_home: Path, arrays: dict[str, np.ndarray], said: str
) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, **arrays)
    with pytest.raises(DataError, match=rf"a\.npz .*{said}"):
        Vectors.open(path)


def test_a_file_of_an_archive_that_is_no_array_is_not_taken_for_one(tmp_path: Path, empty_home: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("ids", b"1")
        archive.writestr("vectors.npy", b"2")
    with pytest.raises(DataError, match=r"a\.npz has no array 'ids', but 'vectors'"):
        Vectors.open(tmp_path / "a.npz")


def test_an_array_that_ends_before_its_header_says_is_refused(tmp_path: Path, empty_home: Path) -> None:
    whole = tmp_path / "whole.npz"
    np.savez(whole, ids=IDS, vectors=MATRIX)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(tmp_path / "a.npz", "w") as new:
        for entry in old.namelist():
            new.writestr(entry, old.read(entry)[:-4])
    with pytest.raises(DataError, match=r"a\.npz cannot be read: 'ids' ends too early; save it with"):
        Vectors.open(tmp_path / "a.npz")


def test_an_array_of_many_blocks_is_read_whole(tmp_path: Path, empty_home: Path) -> None:
    vectors = np.arange(3_000, dtype=np.float64).repeat(2_000).reshape(3_000, 2_000)  # 48 MB: three blocks
    np.savez_compressed(tmp_path / "a.npz", ids=np.arange(3_000), vectors=vectors)
    found, known = Vectors.open(tmp_path / "a.npz").look_up(["0", "1500", "2999"])
    assert found[:, -1].tolist() == [0, 1500, 2999]
    assert known.all()

"""All lines of a text file arrive, whole and once, however it is packed; what is damaged is not read in silence."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.datasets.reading.parts import chunks, is_archive, is_stray, text_parts
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.errors import DataError

LINES = b"".join(b"line %d of some\n" % n for n in range(2000))


def zstd(data: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd").compress(data, asbytes=True)
    return packed


def tar_of(members: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            if name.endswith("/"):
                folder = tarfile.TarInfo(name)
                folder.type = tarfile.DIRTYPE
                archive.addfile(folder)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def contents(
    path: Path, wanted: Callable[[str], bool] = lambda name: True, size: int = 1000, **sizes: int
) -> dict[str, bytes]:
    """What each file of a path holds, in the order in which it comes."""
    found: dict[str, bytes] = {}
    cuts = ReadSizes(chunk=size, **sizes)
    for part in text_parts(path, wanted, sizes=cuts):
        for chunk in chunks(part, wanted, sizes=cuts):
            found[chunk.file] = found.get(chunk.file, b"") + chunk.data
    return found


def written(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


# --- plain files ------------------------------------------------------------------------------------------


@given(
    lines=st.lists(st.text('a,"\r\0é', max_size=12).map(str.encode), max_size=30),
    end=st.booleans(),
    stretch=st.integers(1, 60),
    size=st.integers(1, 40),
    header=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_the_stretches_and_chunks_of_a_file_are_the_file_and_end_at_line_ends(
    lines: list[bytes], end: bool, stretch: int, size: int, header: bool
) -> None:
    data = b"\n".join(lines) + (b"\n" if end and lines else b"")
    skip = len(lines[0]) + 1 if header and lines else 0
    sizes = ReadSizes(stretch=stretch, chunk=size)
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder) / "f.csv", data)
        found = text_parts(path, skip=skip, sizes=sizes)
        assert (found[0].begin, found[-1].end) == (skip, max(len(data), skip))
        assert all(one.end == other.begin for one, other in pairwise(found))
        assert all(part.weight == (part.end or 0) - part.begin for part in found)
        assert all(part.name == "f.csv" for part in found)
        read = [chunk for part in found for chunk in chunks(part, sizes=sizes)]
        assert b"".join(chunk.data for chunk in read) == data[skip:]
        assert all(chunk.data.endswith(b"\n") for chunk in read[:-1])
        assert all(chunk.data for chunk in read)


def test_a_large_file_is_many_parts_of_about_a_stretch(tmp_path: Path) -> None:
    found = text_parts(written(tmp_path / "f.csv", LINES), sizes=ReadSizes(stretch=1000))
    assert all(1000 <= part.weight < 2000 for part in found)


def test_chunks_are_of_the_size_that_was_asked_for(tmp_path: Path) -> None:
    (part,) = text_parts(written(tmp_path / "f.csv", LINES))
    sizes = [len(chunk.data) for chunk in chunks(part, sizes=ReadSizes(chunk=500))]
    assert max(sizes) < 520
    assert min(sizes[:-1]) > 480


# --- compressed files and archives --------------------------------------------------------------------------

TWO = {"b/one.csv": LINES, "a/two.csv": b"x\ny"}
PACKED: dict[str, tuple[bytes, dict[str, bytes]]] = {
    "f.csv": (LINES, {"f.csv": LINES}),
    "f.csv.gz": (gzip.compress(LINES), {"f.csv.gz": LINES}),
    "two-streams.gz": (gzip.compress(b"a\nb") + gzip.compress(b"c\n"), {"two-streams.gz": b"a\nbc\n"}),
    "plain.gz": (LINES, {"plain.gz": LINES}),
    "compressed": (gzip.compress(LINES), {"compressed": LINES}),
    "f.zst": (zstd(LINES), {"f.zst": LINES}),
    "two-frames.zst": (zstd(b"a\nb") + zstd(b"c\n"), {"two-frames.zst": b"a\nbc\n"}),
    "f.bz2": (bz2.compress(LINES), {"f.bz2": LINES}),
    "f.tar": (tar_of(TWO), TWO),
    "f.tar.gz": (tar_of(TWO, "w:gz"), TWO),
    "f.tgz": (tar_of(TWO, "w:gz"), TWO),
    "f.tar.bz2": (tar_of(TWO, "w:bz2"), TWO),
    "f.tar.xz": (tar_of(TWO, "w:xz"), TWO),
    "f.tar.zst": (zstd(tar_of(TWO)), TWO),
    "plain.tar.gz": (tar_of(TWO), TWO),
    "tar.gz": (tar_of(TWO, "w:gz"), TWO),
    "f.zip": (zip_of(TWO), TWO),
    "F.ZIP": (zip_of(TWO), TWO),
    "folders.tar": (tar_of({"b/": b"", **TWO}), TWO),
    "folders.zip": (zip_of({"b/": b"", **TWO}), TWO),
    "empty.csv": (b"", {}),
    "empty.gz": (b"", {}),
    "nothing.gz": (gzip.compress(b""), {}),
    "nothing.zst": (zstd(b""), {}),
    "nothing.bz2": (bz2.compress(b""), {}),
    "nothing.tar": (tar_of({}), {}),
    "nothing.zip": (zip_of({}), {}),
    "empty-member.zip": (zip_of({"x.csv": b""}), {}),
}


@pytest.mark.parametrize("name", PACKED)
def test_a_file_is_read_whatever_it_is_packed_in(tmp_path: Path, name: str) -> None:
    data, expected = PACKED[name]
    found = contents(written(tmp_path / name, data))
    assert list(found.items()) == list(expected.items())


@pytest.mark.parametrize("name", PACKED)
def test_what_lies_in_a_folder_is_read_as_it_is_on_its_own(tmp_path: Path, name: str) -> None:
    data, expected = PACKED[name]
    written(tmp_path / "below" / name, data)
    own = {file if "/" in file else f"below/{name}" for file in expected}
    assert {*contents(tmp_path)} == own


def test_a_member_ends_where_it_ends_and_its_last_line_stays_its_own(tmp_path: Path) -> None:
    path = written(tmp_path / "f.tar", tar_of({"a": b"1\n2", "b": b"3\n4"}))
    (part,) = text_parts(path)
    assert [tuple(chunk) for chunk in chunks(part)] == [("a", b"1\n"), ("a", b"2"), ("b", b"3\n"), ("b", b"4")]


def test_an_archive_is_known_by_its_contents(tmp_path: Path) -> None:
    names = [name for name in PACKED if is_archive(written(tmp_path / name, PACKED[name][0]))]
    assert names == [name for name in PACKED if ".tar" in name or name.lower().endswith((".zip", ".tgz", "tar.gz"))]


# --- which files --------------------------------------------------------------------------------------------

STRAYS = ["._one.csv", ".DS_Store", "__MACOSX/._one.csv", "__MACOSX/one.csv", "a/.hidden", "a/Thumbs.db"]


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_what_operating_systems_leave_behind_is_left_out_of_archives(
    tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    path = written(
        tmp_path / "f.tar" if pack is tar_of else tmp_path / "f.zip",
        pack(dict.fromkeys([*STRAYS, "a/one.csv"], b"x\n")),
    )
    assert contents(path) == {"a/one.csv": b"x\n"}


def test_what_operating_systems_leave_behind_is_left_out_of_folders(tmp_path: Path) -> None:
    for name in [*STRAYS, "a/one.csv", "._f.zip"]:
        written(tmp_path / name, b"x\n")
    assert contents(tmp_path) == {"a/one.csv": b"x\n"}
    assert all(map(is_stray, STRAYS))
    assert not is_stray("a.b/one..csv")
    assert is_stray("a\\._one.csv")


def test_files_of_a_folder_come_by_name_and_only_those_wanted(tmp_path: Path) -> None:
    for name in ("c/b.csv", "a.csv", "c/a.txt", "b.csv"):
        written(tmp_path / name, name.encode())
    written(tmp_path / "d.zip", zip_of({"z.csv": b"z", "y.txt": b"y"}))
    found = contents(tmp_path, lambda name: name.endswith(".csv"))
    assert list(found) == ["a.csv", "b.csv", "c/b.csv", "z.csv"]


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.csv: there is no such file or folder"):
        text_parts(tmp_path / "nowhere.csv")


# --- damage ---------------------------------------------------------------------------------------------------

NOISE = bytes(range(256)) * 8
ONE_MEMBER = {"one.csv": LINES}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("f.gz", gzip.compress(LINES)),
        ("f.zst", zstd(LINES)),
        ("f.bz2", bz2.compress(LINES)),
        ("f.zip", zip_of(ONE_MEMBER)),
        ("f.tar", tar_of(ONE_MEMBER)),
        ("f.tar.gz", tar_of(ONE_MEMBER, "w:gz")),
        ("f.tar.xz", tar_of(ONE_MEMBER, "w:xz")),
        ("f.tar.bz2", tar_of(ONE_MEMBER, "w:bz2")),
        ("f.tar.zst", zstd(tar_of(ONE_MEMBER))),
    ],
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_that_is_cut_short_is_an_error_with_the_way_out(
    tmp_path: Path, name: str, data: bytes, share: float
) -> None:
    end = int(len(data) * share) if name != "f.tar" else int(len(LINES) * share)
    path = written(tmp_path / name, data[:end])
    with pytest.raises(DataError, match=rf"^{name} cannot be read: .*; is it complete\? Copy it again"):
        contents(path)


@pytest.mark.parametrize("cut", [512 + 512, 512 + 512 + 100])
def test_an_archive_that_is_cut_short_between_its_members_is_an_error_too(tmp_path: Path, cut: int) -> None:
    data = tar_of({"one.csv": b"1\n", "two.csv": b"2\n"})
    path = written(tmp_path / "f.tar", data[:cut])
    with pytest.raises(DataError, match=r"^f\.tar cannot be read"):
        contents(path)


def test_a_name_that_is_not_utf_8_is_told_with_escapes(tmp_path: Path) -> None:
    try:
        written(tmp_path / "\udcff.csv", LINES)
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    written(tmp_path / "f.tar", tar_of({"\udcfe.csv": LINES}))
    assert [chunk.file for part in text_parts(tmp_path) for chunk in chunks(part)] == ["\\udcfe.csv", "\\udcff.csv"]


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_a_flipped_bit_in_an_archive_is_an_error_and_no_other_line(tmp_path: Path, kind: str) -> None:
    data = bytearray(tar_of(ONE_MEMBER, f"w:{kind}"))
    data[len(data) // 2] ^= 4
    with pytest.raises(DataError, match=rf"^f\.tar\.{kind} cannot be read"):
        contents(written(tmp_path / f"f.tar.{kind}", bytes(data)))


def test_a_member_that_is_damaged_or_locked_is_an_error(tmp_path: Path) -> None:
    data = bytearray(zip_of(ONE_MEMBER))
    data[60:70] = NOISE[:10]
    with pytest.raises(DataError, match=r"^f\.zip cannot be read"):
        contents(written(tmp_path / "f.zip", bytes(data)))
    locked = bytearray(zip_of({"x": b"1\n"}))
    locked[6] |= 1  # the flag of encryption, in both headers
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(DataError, match=r"^g\.zip cannot be read"):
        contents(written(tmp_path / "g.zip", bytes(locked)))


@pytest.mark.parametrize("name", ["f.zip", "f.tar", "f.tar.zst"])
def test_a_file_that_is_no_archive_despite_its_name_is_an_error_or_plain(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, LINES)
    if name == "f.tar":
        assert contents(path) == {name: LINES}
    else:
        with pytest.raises(DataError, match="cannot be read"):
            contents(path)


@pytest.mark.parametrize("name", ["f.csv", "f.csv.gz", "f.zip"])
def test_a_line_over_the_limit_is_an_error(tmp_path: Path, name: str) -> None:
    data = b"a\n" + b"b" * (3 << 20) + b"\nc\n"
    packed = {"f.csv": data, "f.csv.gz": gzip.compress(data), "f.zip": zip_of({"m.csv": data})}[name]
    with pytest.raises(DataError, match=r"(f\.csv|m\.csv).*: a line is longer than 1 MB; is this a text file\?"):
        contents(written(tmp_path / name, packed), size=100_000, longest_line=1 << 20)


def test_a_line_below_the_limit_is_a_line(tmp_path: Path) -> None:
    data = b"a\n" + b"b" * 900_000 + b"\nc\n"
    sizes = {"longest_line": 1 << 20, "stretch": 1000}
    assert contents(written(tmp_path / "f.csv", data), size=100_000, **sizes) == {"f.csv": data}


def test_a_file_that_goes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path / "f.csv", LINES)
    (part,) = text_parts(path)
    path.unlink()
    with pytest.raises(DataError, match=r"f\.csv cannot be read: .*No such file"):
        list(chunks(part))


@given(
    data=st.binary(max_size=200),
    name=st.sampled_from(["f.gz", "f.zip", "f.tar", "f.tar.gz", "f.zst", "f.bz2", "f"]),
    like=st.sampled_from([b"", b"\x1f\x8b\x08", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh9"]),
)
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_lines_or_an_error(data: bytes, name: str, like: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder) / name, like + data)
        with suppress(DataError):
            contents(path, size=10)

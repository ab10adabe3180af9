"""Damage to prepared data is an error in words, whatever file it strikes and however; never other results."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.datasets.base import Block, Part, Plan
from newsreplay.datasets.checksums import NAME, Checksums, write_checksums
from newsreplay.datasets.find import find_data, prepare_data
from newsreplay.datasets.preparing.prepare import prepare
from newsreplay.datasets.store import Dataset
from newsreplay.errors import DataError
from newsreplay.log.rows import IMPRESSION, PUBLISH, READ
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.run import run

T0 = 1_577_836_800_000  # 2020-01-01


def everything() -> Plan:
    """Two publishers with all that a data set can hold: impressions, profiles, flags, dwell times and every text."""
    rows, profiles = [], []
    for n in range(60):
        kind = (READ, IMPRESSION, READ, PUBLISH)[n % 4]
        item, user = f"item {n * n % 7}", f"reader {n % 5}"
        row = {"publisher": "pq"[n % 8 // 4], "kind": kind, "time": T0 + n * 1000, "user": user, "item": item}
        if kind == IMPRESSION:
            row |= {"item": None, "pool": ["item 0", "item 1", "item 2"], "clicked": [False, True, False]}
        elif kind == PUBLISH:
            row |= {"user": None, "recommendable": n % 3 == 0, "category": f"c{n % 3}", "title": f"T{n}"}
        else:
            row |= {"active": float(n)}
        rows.append(row)
        profiles.append({"publisher": row["publisher"], "user": user, "time": T0, "items": ["item 1", f"old {n}"]})
    kinds = pa.schema(
        [
            *((name, pa.string()) for name in ("publisher", "user", "item", "category", "title")),
            *(("kind", pa.uint8()), ("time", pa.int64()), ("active", pa.float32()), ("recommendable", pa.bool_())),
            *(("pool", pa.list_(pa.string())), ("clicked", pa.list_(pa.bool_()))),
        ]
    )
    articles = [
        {"publisher": name, "item": f"item {n}", "body": f"Body {n}", "abstract": f"Abstract {n}"}
        for n in range(7)
        for name in "pq"
    ]
    block = Block(
        "f",
        rows=pa.Table.from_pylist(rows, kinds),
        articles=pa.Table.from_pylist(articles),
        profiles=pa.Table.from_pylist(profiles),
        records=60,
        kept=60,
    )
    return Plan(
        parts=[Part(Path(), "")],
        read=lambda part: [block],
        splits={"test": (T0, None)},
        leaks=["a"],
        made_up=["b"],
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set that is left as it is."""
    return prepare(everything(), tmp_path_factory.mktemp("whole") / "data", name="data", kind="table").folder


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def flip_last(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def delete(path: Path) -> None:
    path.unlink()


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(8))


def swap_for_zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def swap_for_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def swap_for_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = (
    flip,
    flip_last,
    truncate,
    empty,
    delete,
    lengthen,
    swap_for_zeros,
    swap_for_pipe,
    swap_for_folder,
)


def open_all(folder: Path) -> None:
    """Open a data set as a run does."""
    dataset = Dataset(folder)
    for name in dataset.publishers:
        dataset.publisher(name)


#: One of a kind; that no file is missing here is a test of its own.
FILES = (
    "card.json",
    NAME,
    *(f"publishers/0/log/{name}.npy" for name in ("time", "kind", "session", "user", "item", "category", "impression")),
    *(f"publishers/0/pools/{name}.npy" for name in ("at", "item", "clicked")),
    *(f"publishers/0/requests/{name}.npy" for name in ("row", "previous", "active")),
    *(f"publishers/0/updates/{name}.npy" for name in ("row", "item", "recommendable")),
    *(f"publishers/0/sessions/{name}.npy" for name in ("last", "reads", "first_time")),
    *(f"publishers/0/{name}.arrow" for name in ("articles", "users", "sessions", "categories", "profiles", "outside")),
)


def test_the_files_damaged_here_are_all_that_a_publisher_has(whole: Path) -> None:
    found = {path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file()}
    assert {name for name in found if not name.startswith("publishers/1/")} == {*FILES, "rejects.csv"}
    assert {name.replace("s/1/", "s/0/") for name in found if name.startswith("publishers/1/")} < set(FILES)


@pytest.fixture(scope="module")
def victim(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that is damaged and mended again."""
    return Path(shutil.copytree(whole, tmp_path_factory.mktemp("victim") / "data"))


@contextmanager
def mended(path: Path) -> Iterator[None]:
    """Puts a file back as it was."""
    content = path.read_bytes()
    try:
        yield
    finally:
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_bytes(content)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_every_damage_to_every_file_is_refused_in_words(
    victim: Path, name: str, damage: Callable[[Path], None]
) -> None:
    open_all(victim)  # whatever is remembered of it
    path = victim / name
    before = path.stat()
    with mended(path):
        damage(path)
        if path.is_file():  # at another time, to the nanosecond, than what was compared
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        with pytest.raises(DataError, match=rf"{Path(name).name}\b.* prepared again") as told:
            open_all(victim)
    assert "\n" not in str(told.value)


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), name=st.sampled_from(FILES))
@settings(max_examples=50, deadline=None)
def test_no_flipped_bit_passes(victim: Path, where: float, bit: int, name: str) -> None:
    path = victim / name
    content = bytearray(path.read_bytes())
    at = int(where * len(content))
    spaces = name == NAME and content[at : at + 1].isspace()  # others of JSON's mean the same
    content[at] ^= 1 << bit
    with mended(path):
        path.write_bytes(content)
        if not spaces:
            with pytest.raises(DataError):
                open_all(victim)


def test_blocks_are_compared_one_by_one_and_the_damaged_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    path = tmp_path / "deep" / "column"
    path.write_bytes(bytes(range(100)))
    for block in (1, 7, 50, 99, 100, 101):
        write_checksums(tmp_path, block=block)
        Checksums.read(tmp_path).compare()
    write_checksums(tmp_path, block=30)
    content = bytearray(range(100))
    content[95] += 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="deep/column is damaged: bytes 90 to 100 are not what was written"):
        Checksums.read(tmp_path).compare()


def test_what_was_compared_is_not_read_again_until_it_changes(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_all(whole)
    read: list[str] = []
    monkeypatch.setattr(Checksums, "_compare_block", lambda self, name, number: read.append(name))
    open_all(whole)
    assert read == []
    (whole / "publishers/0/users.arrow").touch()
    open_all(whole)
    assert read == ["publishers/0/users.arrow"]


def test_opening_one_publisher_does_not_read_the_others(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "data"))
    flip(folder / "publishers/1/log/item.npy")
    assert Dataset(folder).publisher("p").name == "p"
    with pytest.raises(DataError, match=r"publishers/1/log/item\.npy is damaged"):
        Dataset(folder).publisher("q")


def test_a_file_that_nobody_wrote_changes_nothing(whole: Path, tmp_path: Path) -> None:
    rows = [{"item": "a", "time": T0 + n, "user": "ann"} for n in range(3)]
    block = Block("f", rows=pa.Table.from_pylist(rows), records=3, kept=3)
    plan = Plan(parts=[Part(Path(), "")], read=lambda part: [block], publisher="p")
    folder = prepare(plan, tmp_path / "data", name="data", kind="table").folder
    for name in ("profiles.arrow", "outside.arrow", "requests/active.npy"):
        shutil.copy(whole / "publishers/0" / name, folder / "publishers/0" / name)
    publisher = Dataset(folder).publisher("p")
    assert publisher.articles.profiles is None
    assert publisher.requests.active is None


def test_rejects_are_for_people_who_may_change_them(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "data"))
    (folder / "rejects.csv").unlink()
    Dataset(folder).compare()
    open_all(folder)


def test_the_way_out_of_damage_to_named_data_is_their_own_command(empty_home: Path, tmp_path: Path) -> None:
    source = tmp_path / "my clicks.csv"
    source.write_text("time,user,item\n2020-01-01,ann,a\n2020-01-02,ann,b\n")
    folder = prepare_data("table", source, name="tuesday").folder
    again = f"prepare it again: newsreplay data prepare table '{source}' --name tuesday"
    flip(folder / "publishers/0/log/time.npy")
    with pytest.raises(DataError) as told:
        find_data("tuesday").publisher("my clicks")
    assert str(told.value).endswith(again)
    delete(folder / "card.json")
    with pytest.raises(DataError, match="prepare it again: newsreplay data prepare KIND PATH --name tuesday"):
        _ = find_data("tuesday").card
    open_all(prepare_data("table", source, name="tuesday").folder)


def test_the_way_out_of_damage_to_data_without_a_name_is_to_remove_them(empty_home: Path, tmp_path: Path) -> None:
    source = tmp_path / "clicks.csv"
    source.write_text("time,user,item\n2020-01-01,ann,a\n2020-01-02,ann,b\n")
    folder = find_data(source).folder
    flip(folder / "publishers/0/log/time.npy")
    with pytest.raises(DataError, match=rf"remove the folder {folder}, and these data are prepared again when"):
        open_all(find_data(source).folder)
    shutil.rmtree(folder)
    open_all(find_data(source).folder)


def test_data_of_a_version_without_checksums_are_refused(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "data"))
    card = (folder / "card.json").read_text()
    (folder / "card.json").write_text(card.replace('"format": 3', '"format": 2'))
    (folder / NAME).unlink()
    with pytest.raises(DataError, match=r"another version of newsreplay \(format 2, this one reads 3\); prepare it"):
        _ = Dataset(folder).card


def test_a_run_refuses_what_is_damaged_before_it_begins(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "data"))
    path = folder / "publishers/0/log/item.npy"
    item = np.load(path)
    item[len(item) // 2] = 2**31 - 1  # far outside of every array
    np.save(path, item)
    with pytest.raises(DataError, match=r"log/item\.npy is damaged"):
        run(Dataset(folder), start_list(["recency"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()

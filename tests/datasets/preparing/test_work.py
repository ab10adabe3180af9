"""Parts are read once, in parallel, into a folder that outlives an interruption; nothing read is lost on the way."""

from __future__ import annotations

import csv
import os
import resource
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from newsreplay.arrow import map_batch
from newsreplay.datasets.base import Block, Part, Plan, Reject
from newsreplay.datasets.preparing import prepare as prepare_module
from newsreplay.datasets.preparing.work import Intake, Processing, read_parts, work_folder
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.datasets.sources.table.plan import plan_table
from newsreplay.datasets.store import Dataset
from newsreplay.errors import DataError
from newsreplay.locks import own_folder

T0 = 1_577_836_800_000  # 2020-01-01


def rows_of(*items: str, publisher: str | None = None, time: int = T0) -> pa.Table:
    """One read by ann of each article, a second apart."""
    columns: dict[str, Any] = {
        "time": [time + 1000 * n for n in range(len(items))],
        "user": ["ann"] * len(items),
        "item": list(items),
    }
    return pa.table(columns | ({} if publisher is None else {"publisher": [publisher] * len(items)}))


def block_of(file: str, lines: int, bad: tuple[int, ...] = (), **more: Any) -> Block:
    """A block of `lines` lines, each a read but the `bad` ones."""
    kept = lines - len(bad)
    rejects = [Reject(file, line, f"bad {file} {line}", "text") for line in bad]
    return Block(file, rows_of(*["a"] * kept), None, None, lines, lines, kept, rejects, **more)


def intake_of(plan: Plan, work: Path, *, strict: bool = False, jobs: int = 1) -> Intake:
    return read_parts(plan, work, strict=strict, processing=Processing(jobs=jobs))


def prepare(plan: Plan, folder: Path, key: str | None = "k", **options: Any) -> Dataset:
    processing = Processing(key, **options)
    return prepare_module.prepare(plan, folder, name="test", kind="table", processing=processing)


class Source:
    """Five parts of two blocks with one read each; counts how often each is read."""

    def __init__(self) -> None:
        self.read_parts: list[int] = []
        self.stop_at: int | None = None
        self.error: BaseException = KeyboardInterrupt()
        self.plan = Plan([Part(Path(), f"f{n}", n, weight=10) for n in range(5)], self.read, "p")

    def read(self, part: Part) -> Iterator[Block]:
        self.read_parts.append(part.begin)
        for half in range(2):
            if half == 1 and part.begin == self.stop_at:
                raise self.error
            rows = rows_of(f"{part.begin}.{half}", time=T0 + part.begin)
            yield Block(part.name, rows, lines=2, records=2, kept=1, rejects=[Reject(part.name, 2, "bad", "text")])


# --- the intake ------------------------------------------------------------------------------------------


def rejects_in(dataset: Dataset) -> list[tuple[str, int, str]]:
    with (dataset.folder / "rejects.csv").open(newline="", encoding="utf-8") as file:
        return [(row["file"], int(row["line"]), row["reason"]) for row in csv.DictReader(file)]


def test_rejects_have_their_line_in_the_file_across_blocks_and_parts(tmp_path: Path) -> None:
    blocks = {
        0: [block_of("f", 10, (1, 10)), block_of("g", 3, (2,)), block_of("f", 5, (4,))],
        1: [block_of("f", 7, (7,)), block_of("g", 4, (1,))],
    }
    plan = Plan([Part(Path(), "f", 0), Part(Path(), "f", 1)], lambda part: blocks[part.begin], "p")
    dataset = prepare(plan, tmp_path / "data", jobs=2)
    assert rejects_in(dataset) == [
        ("f", 1, "bad f 1"),
        ("f", 10, "bad f 10"),
        ("g", 2, "bad g 2"),
        ("f", 14, "bad f 4"),
        ("f", 22, "bad f 7"),
        ("g", 4, "bad g 1"),
    ]
    assert dataset.card["first_reject"] == ["f", 1, "bad f 1", "text"]
    assert (dataset.card["rows_in"], dataset.card["kept"], dataset.card["rejected"]) == (29, 23, 6)


def test_strict_raises_the_first_reject_in_source_order_whichever_part_is_done_first(tmp_path: Path) -> None:
    later_is_done = threading.Event()

    def read(part: Part) -> Iterator[Block]:
        if part.begin == 0:
            assert later_is_done.wait(30)
            yield block_of("f", 8)
            yield block_of("f", 8, (3, 5))
        else:
            yield block_of("f", 8, (1,))
            later_is_done.set()

    plan = Plan([Part(Path(), "f", 0), Part(Path(), "f", 1)], read, "p", unit="row")
    with pytest.raises(DataError, match=r"^f row 11: bad f 3; without --strict it is left out$"):
        intake_of(plan, tmp_path, strict=True, jobs=2)


def test_without_rejects_strict_is_no_different(tmp_path: Path) -> None:
    plan = Plan([Part(Path(), "f")], lambda part: [block_of("f", 3)], "p")
    assert intake_of(plan, tmp_path, strict=True).kept == 3


def test_what_is_dropped_and_counted_is_summed_over_blocks_and_parts_for_the_notes(tmp_path: Path) -> None:
    def read(part: Part) -> Iterator[Block]:
        for _ in range(2):
            dropped, counts = Counter({"blank line": 2}), Counter({"odd": part.begin + 1})
            yield Block("f", rows_of("a"), records=3, kept=1, dropped=dropped, counts=counts)

    plan = Plan([Part(Path(), "f", n) for n in range(2)], read, "p", notes=lambda counts: [f"{counts['odd']} odd"])
    card = prepare(plan, tmp_path / "data").card
    assert card["dropped"] == {"blank line": 8}
    assert card["notes"][0] == "6 odd"
    assert (card["rows_in"], card["kept"]) == (12, 4)


@pytest.mark.parametrize("records", [2, 4])
def test_a_block_whose_account_does_not_add_up_is_an_error(tmp_path: Path, records: int) -> None:
    block = Block("x.csv", rows_of("a"), records=records, kept=1, rejects=[Reject("x.csv", 1, "bad", "")])
    block.dropped["blank line"] = 1
    plan = Plan([Part(Path(), "x.csv")], lambda part: [block], "p")
    with pytest.raises(AssertionError, match=rf"x\.csv: {records} records in, but 1 kept, 1 rejected and 1 left out"):
        intake_of(plan, tmp_path)


def test_progress_counts_the_weight_of_the_parts_that_are_done(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    read_parts(Source().plan, tmp_path, strict=False, processing=Processing(progress=lambda *args: told.append(args)))
    assert told == [("reading", done, 50) for done in (10, 20, 30, 40, 50)]


# --- publishers -------------------------------------------------------------------------------------------


def shares(intake: Intake) -> dict[str, list[list[str]]]:
    """Per publisher and block, the articles of its rows, then of its articles, then its profiles' users."""
    return {
        name: [
            [
                value
                for path, column in zip(paths, ("item", "item", "user"), strict=True)
                if path is not None
                for value in map_batch(path).column(column).to_pylist()
            ]
            for paths in blocks
        ]
        for name, blocks in intake.publishers.items()
    }


@pytest.mark.parametrize("names", [pa.array(["p", "q", "p"]), pa.array(["p", "q", "p"]).dictionary_encode()])
def test_rows_articles_and_profiles_are_split_by_publisher(tmp_path: Path, names: pa.Array) -> None:
    rows = rows_of("a", "b", "c").append_column("publisher", names)
    articles = pa.table({"publisher": ["r", "q"], "item": ["d", "e"]})
    profiles = pa.table({"publisher": ["q"], "user": ["bob"], "time": [T0], "items": [["a"]]})
    blocks = [
        Block("f", rows, articles, profiles, records=3, kept=3),
        Block("f", rows_of("z", publisher="q"), records=1, kept=1),
    ]
    intake = intake_of(Plan([Part(Path(), "f")], lambda part: blocks), tmp_path)
    assert shares(intake) == {"p": [["a", "c"]], "q": [["b", "e", "bob"], ["z"]], "r": [["d"]]}


def test_publishers_may_be_numbers(tmp_path: Path) -> None:
    rows = rows_of("a", "b").append_column("publisher", pa.array([9_007_199_254_740_993, 7]))
    intake = intake_of(Plan([Part(Path(), "f")], lambda part: [Block("f", rows, records=2, kept=2)]), tmp_path)
    assert shares(intake) == {"9007199254740993": [["a"]], "7": [["b"]]}


def test_without_a_column_everything_is_the_plans_only_publishers(tmp_path: Path) -> None:
    blocks = [Block("f", rows_of("a"), pa.table({"item": ["b"]}), records=1, kept=1)]
    intake = intake_of(Plan([Part(Path(), "f")], lambda part: blocks, "only"), tmp_path)
    assert shares(intake) == {"only": [["a", "b"]]}


# --- interruptions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("gone"), DataError("damaged")])
def test_what_was_read_before_an_interruption_is_not_read_again(tmp_path: Path, error: BaseException) -> None:
    source = Source()
    source.stop_at, source.error = 2, error
    with pytest.raises((DataError, KeyboardInterrupt)):
        prepare(source.plan, tmp_path / "data")
    assert source.read_parts[:3] == [0, 1, 2]
    assert not (tmp_path / "data").exists()
    source.stop_at, source.read_parts = None, []
    dataset = prepare(source.plan, tmp_path / "data")
    # The parts after it may have been read while the interruption made itself heard.
    assert source.read_parts in ([2, 3, 4], [2, 4], [2])
    straight = prepare(Source().plan, tmp_path / "straight")
    assert dataset.card == straight.card
    assert rejects_in(dataset) == rejects_in(straight) != []


def test_the_half_of_a_part_that_was_read_is_read_again(tmp_path: Path) -> None:
    source = Source()
    source.stop_at = 0
    with pytest.raises(KeyboardInterrupt):
        prepare(source.plan, tmp_path / "data")
    source.stop_at = None
    assert prepare(source.plan, tmp_path / "data").card["kept"] == 10


def test_other_inputs_start_afresh(tmp_path: Path) -> None:
    source = Source()
    source.stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        prepare(source.plan, tmp_path / "data", "one")
    source.stop_at, source.read_parts = None, []
    prepare(source.plan, tmp_path / "data", "two")
    assert source.read_parts == [0, 1, 2, 3, 4]


def test_without_a_key_nothing_is_left_of_an_interruption(tmp_path: Path) -> None:
    source = Source()
    source.stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        prepare(source.plan, tmp_path / "home" / "data", None)
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("key", [None, "k"])
def test_nothing_but_the_data_is_left_after_success(tmp_path: Path, key: str | None) -> None:
    prepare(Source().plan, tmp_path / "home" / "data", key)
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["data"]


def test_an_interruption_while_sorting_leaves_nothing_that_doubles_rows(tmp_path: Path) -> None:
    sizes = {"bucket": 3, "in_memory": 0}
    straight = prepare(Source().plan, tmp_path / "straight", **sizes).card

    def interrupt(what: str, done: int, of: int) -> None:
        if what != "reading":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(Source().plan, tmp_path / "data", progress=interrupt, **sizes)
    again = Source()
    assert prepare(again.plan, tmp_path / "data", **sizes).card == straight
    assert again.read_parts == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "straight"]


def test_a_part_that_fails_stops_those_that_run_and_those_that_have_not_begun(tmp_path: Path) -> None:
    begun, blocks = [], iter(range(2000))

    def read(part: Part) -> Iterator[Block]:
        begun.append(part.begin)
        if part.begin == 0:
            raise DataError("damaged")
        for _ in blocks:
            yield block_of("f", 1)

    with pytest.raises(DataError, match="damaged"):
        intake_of(Plan([Part(Path(), "f", n) for n in range(20)], read, "p"), tmp_path)
    assert begun in ([0], [0, 1], [0, 1, 2])
    assert next(blocks) < 2000


def test_a_second_process_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(work_folder(tmp_path / "data", "k"))
        with work_folder(tmp_path / "data", "k") as other:
            assert other != first
            (other / "x").touch()
            assert list(first.iterdir()) == []
        assert not other.exists()
        assert first.is_dir()
        dataset = prepare(Source().plan, tmp_path / "data")
        assert dataset.card["kept"] == 10
        assert first.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_process_that_ends_leaves_its_folder_to_the_next(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), work_folder(tmp_path / "data", "k") as first:
        raise KeyboardInterrupt
    with work_folder(tmp_path / "data", "k") as second_folder:
        assert second_folder == first


# --- leftovers -------------------------------------------------------------------------------------------


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_preparation_left_is_removed_by_the_next_that_succeeds(tmp_path: Path) -> None:
    for name in (".data-1a2b", ".other-1a2b", ".data-work-1a2b", ".work-data-old"):
        (tmp_path / name / "000000").mkdir(parents=True)
        (tmp_path / f"{name}.lock").touch()
    prepare(Source().plan, tmp_path / "data")
    assert names_in(tmp_path) == ["data"]


def test_what_another_data_set_may_go_on_with_stays_for_a_day(tmp_path: Path) -> None:
    fresh, old, alike = (
        tmp_path / f".work-{name}" for name in ("other-0123abcd", "old-0123abcd", "data-more-0123abcd")
    )
    for folder in (fresh, old, alike):
        folder.mkdir()
    os.utime(old, (0, 0))
    prepare(Source().plan, tmp_path / "data")
    assert names_in(tmp_path) == [alike.name, fresh.name, "data"]


def test_what_a_process_is_at_work_on_stays(tmp_path: Path) -> None:
    with (
        own_folder(tmp_path, ".other-") as own,
        work_folder(tmp_path / "data", "k2") as kept,
        work_folder(tmp_path / "data", None) as other,
    ):
        for folder in (own, kept, other):
            (folder / "half").touch()
            os.utime(folder, (0, 0))
        prepare(Source().plan, tmp_path / "data")
        assert all((folder / "half").exists() for folder in (own, kept, other))
    assert names_in(tmp_path) == ["data"]


def test_a_preparation_that_fails_removes_nothing_of_others(tmp_path: Path) -> None:
    (tmp_path / ".other-1a2b3c4d").mkdir()
    source = Source()
    source.stop_at, source.error = 2, DataError("damaged")
    with pytest.raises(DataError, match="damaged"):
        prepare(source.plan, tmp_path / "data")
    assert (tmp_path / ".other-1a2b3c4d").is_dir()


# --- a full disk -----------------------------------------------------------------------------------------


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The system lets no file grow larger, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("key", ["k", None])
@pytest.mark.parametrize("in_memory", [0, 1 << 28])
def test_whichever_file_the_disk_has_no_room_for_it_is_said_and_nothing_is_left(
    tmp_path: Path, key: str | None, in_memory: int
) -> None:
    rows = rows_of(*(f"article {n}" for n in range(200)))
    rejects = [Reject("f", 1, "bad", "text")] * 3
    block = Block("f", rows, None, None, 203, 203, 200, rejects)
    plan = Plan([Part(Path(), "f")], lambda part: [block], "p")
    how = {"key": key, "in_memory": in_memory, "bucket": 50}
    whole = prepare(plan, tmp_path / "whole" / "data", **how).folder
    sizes = {path.stat().st_size for path in whole.rglob("*") if path.is_file()}
    for size in sorted(sizes):
        full = pytest.raises(DataError, match=r"cannot write to .*/home: File too large; make room there or set NEWS")
        with files_of_at_most(size - 1), full:
            prepare(plan, tmp_path / "home" / "data", **how)
        assert names_in(tmp_path / "home") == []
    assert prepare(plan, tmp_path / "home" / "data", **how).card["digest"] == Dataset(whole).card["digest"]


def test_a_full_disk_while_data_are_prepared_again_leaves_the_old(tmp_path: Path) -> None:
    dataset = prepare(Source().plan, tmp_path / "data")
    with files_of_at_most(200), pytest.raises(DataError, match="make room there"):
        prepare(Source().plan, tmp_path / "data")
    assert names_in(tmp_path) == ["data"]
    assert Dataset(tmp_path / "data").publisher("p").users.to_pylist() == dataset.publisher("p").users.to_pylist()


# --- publishers ------------------------------------------------------------------------------------------


def test_more_publishers_in_one_block_than_the_limit_are_refused_before_any_is_written(tmp_path: Path) -> None:
    names = [f"reader {n}" for n in range(4)]
    rows = rows_of(*"abcd").append_column("publisher", pa.array(names))
    plan = Plan([Part(Path(), "f")], lambda part: [Block("clicks.csv", rows, records=4, kept=4)])
    with pytest.raises(
        DataError, match=r"clicks\.csv: rows of 4 publishers or more \('reader 0', .* at most 3, .*readers"
    ):
        prepare(plan, tmp_path / "data", publishers=3)
    assert list(tmp_path.rglob("*.arrow")) == []
    assert len(prepare(plan, tmp_path / "data", publishers=4).publishers) == 4


def test_publishers_are_counted_over_all_parts_and_the_rest_is_not_read(tmp_path: Path) -> None:
    begun = []

    def read(part: Part) -> Iterator[Block]:
        begun.append(part.begin)
        yield Block("f", rows_of("a", publisher=f"p{part.begin}"), records=1, kept=1)

    plan = Plan([Part(Path(), f"f{n}", n) for n in range(500)], read)
    with pytest.raises(DataError, match="f3: rows of 4 publishers or more"):
        prepare(plan, tmp_path / "data", publishers=3)
    assert len(begun) < 500
    many = [Part(Path(), f"f{n}", n % 3) for n in range(50)]
    assert len(prepare(Plan(many, read), tmp_path / "data", "k2", publishers=3).publishers) == 3


def test_a_reading_anew_that_was_interrupted_leaves_nothing_read_the_other_way(tmp_path: Path) -> None:
    """The first lines of every stretch are in seconds, most others but the last in milliseconds: all is read twice.

    Killed before the last stretch, a plan that is made anew would find nothing there that belies it.
    """
    times = [str(1_577_865_600 + n) if n % 40 < 6 or n >= 120 else str(1_577_865_600_000 + n) for n in range(200)]
    lines = [f"{time},ann,{n:0{19 - len(time)}}\n" for n, time in enumerate(times)]  # of 25 bytes each
    path = tmp_path / "clicks.csv"
    path.write_text("time,user,item\n" + "".join(lines))
    reads: list[Part] = []

    def planned(most: int) -> Plan:
        plan = plan_table(path, sizes=ReadSizes(stretch=1_000, chunk=60))
        reads.clear()

        def read(part: Part) -> Iterable[Block]:
            reads.append(part)
            if len(reads) > most:
                raise KeyboardInterrupt
            return plan.read(part)

        return replace(plan, read=read)

    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole = intake_of(planned(1_000), tmp_path / "whole")
    parts = len(reads) // 2
    assert (parts > 2, whole.kept, whole.rejects) == (True, 102, 98)
    with pytest.raises(KeyboardInterrupt):
        intake_of(planned(2 * parts - 1), tmp_path / "killed")
    again = intake_of(planned(1_000), tmp_path / "killed")
    assert again._replace(publishers={}) == whole._replace(publishers={})

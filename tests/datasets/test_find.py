"""Data are found by name, by KIND:PATH and by file, and prepared once."""

from __future__ import annotations

import io
import os
import re
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import csv

from newsreplay.datasets import (
    find,
    find_data,
    kinds,
    leftovers,
    prepare_data,
    prepared,
    remove_cached,
    remove_leftovers,
)
from newsreplay.datasets.sources.synthetic import newsroom as synthetic
from newsreplay.datasets.store import Dataset
from newsreplay.errors import DataError
from newsreplay.locks import locked, own_folder

ROWS = "time,user,item\n2020-01-01T00:00:00Z,ann,a\n2020-01-01T00:01:00Z,ann,b\n"
OTHER = "ts,reader_no,doc\n2020-01-01T00:00:00Z,ann,a\n"
COLUMNS = {"time": "ts", "user": "reader_no", "item": "doc"}

pytestmark = pytest.mark.usefixtures("empty_home")


class Said(list[str]):
    """Keeps what is said."""

    def __call__(self, text: str) -> None:
        self.append(text)


@pytest.fixture
def clicks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    path = tmp_path / "work" / "clicks.csv"
    path.write_text(ROWS)
    return path


@pytest.fixture
def tiny_demo(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A demo of two reads; the list has the folders it was generated in."""
    folders = []

    def synthesize(folder: Path, *args: Any, **options: Any) -> None:
        folders.append(folder)
        (folder / "reads.csv").write_text("publisher," + ROWS.replace("\n2", "\nA,2"))

    monkeypatch.setattr(synthetic, "synthesize", synthesize)
    return folders


def error_of(*args: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        find_data(*args, **options)
    return str(caught.value)


def articles(dataset: Dataset) -> list[str]:
    ids: list[str] = dataset.publisher(dataset.publishers[0]).articles.id.to_pylist()
    return ids


# --- the demo ---------------------------------------------------------------------------------------------


def test_the_demo_is_generated_once(tiny_demo: list[Path]) -> None:
    said = Said()
    first = find_data("demo", report=said)
    assert said == ["generating the demo: three synthetic publishers (once)"]
    assert find_data("demo", report=said).folder == first.folder
    assert len(said) == len(tiny_demo) == 1
    assert not tiny_demo[0].exists()
    assert first.name == "demo"
    assert "Everything" in first.card["made_up"][0]


def test_the_demo_is_generated_anew_by_other_code(tiny_demo: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    first = find_data("demo")
    monkeypatch.setattr(find, "sources", lambda: "other code")
    assert find_data("demo").folder != first.folder
    assert len(tiny_demo) == 2


def test_an_interrupted_demo_is_generated_again(tiny_demo: list[Path]) -> None:
    first = find_data("demo")
    (first.folder / "card.json").unlink()
    assert articles(find_data("demo")) == ["a", "b"]
    assert len(tiny_demo) == 2


# --- files ------------------------------------------------------------------------------------------------


def test_a_data_set_is_itself(clicks: Path) -> None:
    dataset = find_data(clicks)
    assert find_data(dataset) is dataset


def test_another_gap_between_sessions_makes_other_data(clicks: Path) -> None:
    clicks.write_text("time,user,session,item\n" + "".join(f"2020-01-01T00:{n:02}:00Z,u,s,a\n" for n in (0, 20, 50)))
    plain = find_data(clicks)
    folders = [
        find_data(clicks, preparing={"session_gap": gap}).folder for gap in ("20m", 1_200_000, timedelta(hours=1))
    ]
    assert folders[0] == folders[1]
    assert len({plain.folder, *folders}) == 3
    names = [Dataset(folder).publisher("clicks").sessions.id.to_pylist() for folder in (plain.folder, *folders[1:])]
    assert names == [["s"], ["s.1", "s.2"], ["s.1"]]
    digests = {dataset.card["digest"] for dataset in (plain, *map(Dataset, folders))}
    assert len(digests) == 3
    frame = pd.read_csv(clicks)
    split = find_data(frame, preparing={"session_gap": "20m"})
    assert split.publisher("frame").sessions.id.to_pylist() == ["s.1", "s.2"]


@pytest.mark.parametrize(
    ("gap", "reason"), [("soon", "'soon' is no duration"), (-1, "give 0 or more"), (1.5, "1.5 is no")]
)
def test_a_gap_that_is_none_is_refused(clicks: Path, gap: object, reason: str) -> None:
    assert reason in error_of(clicks, preparing={"session_gap": gap})


def test_what_is_prepared_already_has_its_gap(clicks: Path, tiny_demo: list[Path]) -> None:
    assert "demo is prepared already; --session-gap goes with" in error_of("demo", preparing={"session_gap": "1h"})


def test_a_file_is_prepared_once_however_it_is_named(clicks: Path) -> None:
    said = Said()
    folders = {
        find_data(name, report=said).folder for name in (clicks, "clicks.csv", "./clicks.csv", "table:clicks.csv")
    }
    assert len(folders) == 1
    assert said[0].startswith("preparing ")
    assert sum(text.startswith("preparing ") for text in said) == 1
    assert find_data("clicks.csv").name == "clicks"


def test_a_changed_file_is_prepared_again(clicks: Path) -> None:
    find_data("clicks.csv")
    clicks.write_text(ROWS.replace("ann,b", "ann,c"))
    os.utime(clicks, ns=(1, 1))
    assert articles(find_data("clicks.csv")) == ["a", "c"]


def test_a_folder_in_which_a_file_changed_is_prepared_again(tmp_path: Path) -> None:
    folder = tmp_path / "gazette"
    folder.mkdir()
    (folder / "reads.csv").write_text(ROWS)
    assert find_data(folder).publishers == ["gazette"]
    (folder / "articles.csv").write_text("item,published\nnew,2020-01-01T00:00:30Z\n")
    assert articles(find_data(folder)) == ["a", "new", "b"]


def test_columns_are_part_of_how_a_file_is_found_again(clicks: Path) -> None:
    clicks.write_text(OTHER + "2020-01-01T00:00:01Z,bob,b\n")
    columns = COLUMNS
    assert articles(find_data("clicks.csv", columns=columns)) == ["a", "b"]
    swapped = COLUMNS | {"user": "doc", "item": "reader_no"}
    assert articles(find_data("clicks.csv", columns=swapped)) == ["ann", "bob"]
    assert articles(find_data("clicks.csv", columns=columns)) == ["a", "b"]


def test_rows_that_cannot_be_used_are_told_with_the_first(clicks: Path) -> None:
    clicks.write_text(ROWS + "noon,ann,c\n\n")
    said = Said()
    dataset = find_data("clicks.csv", report=said)
    (line,) = [text for text in said if "could not be used" in text]
    assert line.startswith(f"1 of 4 rows could not be used and lie in {dataset.folder / 'rejects.csv'}")
    assert "clicks.csv line 4" in line
    assert "1 rows left out: blank line" in said


def test_a_frame_is_a_table_and_is_found_again_by_its_contents(clicks: Path) -> None:
    frame = pd.read_csv(clicks)
    said = Said()
    first = find_data(frame, report=said)
    assert articles(first) == ["a", "b"]
    assert find_data(frame.copy(), report=said).folder == first.folder
    assert sum(text.startswith("preparing ") for text in said) == 1
    assert articles(find_data(frame.head(1))) == ["a"]


def test_what_is_neither_a_name_nor_a_table_is_refused() -> None:
    with pytest.raises(DataError, match="data is a int; give a name, a path, a Dataset, a pandas frame or a table"):
        find_data(5)  # type: ignore[arg-type]


class Streamed:
    """What polars, DuckDB and others have of an Arrow table."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


def test_whatever_hands_out_an_arrow_stream_is_a_table(clicks: Path) -> None:
    plain = csv.read_csv(clicks)
    views = plain.set_column(2, "item", plain["item"].cast(pa.string_view()))
    coded = plain.set_column(1, "user", plain["user"].dictionary_encode())
    for table in (plain, views, coded, plain.append_column("odd", pa.nulls(2))):
        for data in (table, Streamed(table)):
            said = Said()
            dataset = find_data(data, report=said)
            assert articles(dataset) == ["a", "b"]
            assert not any("/" in line for line in said if "frame" in line)
            assert dataset.card["options"]["path"] == "the frame"


def test_a_frame_may_have_columns_of_any_type_and_name_its_index(clicks: Path) -> None:
    frame = pd.read_csv(clicks).rename(columns={"user": "user_id"})
    frame["mixed"] = [{"a": 1}, "text"]
    assert articles(find_data(frame)) == ["a", "b"]
    assert articles(find_data(frame.assign(item=[7, "8"]))) == ["7", "8"]
    assert articles(find_data(frame.assign(item=[UUID(int=1), None], title=["x", 1]).iloc[:1])) == [str(UUID(int=1))]
    timed = frame.assign(time=pd.to_datetime(frame["time"]))
    assert find_data(timed).card["reads"] == 2
    assert articles(find_data(timed.set_index("time"))) == ["a", "b"]
    assert articles(find_data(timed.astype({"item": "category"}))) == ["a", "b"]
    twice = pd.concat([frame, frame[["mixed"]]], axis=1)
    assert articles(find_data(twice)) == ["a", "b"]


def test_errors_about_frames_name_columns_and_speak_python(clicks: Path) -> None:
    frame = pd.read_csv(clicks)
    for item in ([1.5, "x"], [True, "x"], [["a"], "x"]):
        error = error_of(frame.assign(item=item))
        assert re.match(
            r"the frame: the column 'item' \(for item\) holds values of type (bool|float|list), str;", error
        )
    error = error_of(frame.assign(time=["2020-01-01", 1577836800]).rename(columns={"time": "ts"}))
    assert "the column 'ts' (for time) holds values of type int, str; make all of them datetimes" in error
    error = error_of(frame.rename(columns={"time": "tim", "user": "usr"}), columns={"item": "item"})
    assert error.endswith("Did you mean columns={'item': 'item', 'time': 'tim', 'user': 'usr'}?")
    assert error_of(pd.concat([frame, frame[["user"]]], axis=1)).startswith("the frame has 2 columns called 'user'")
    error = error_of(frame.assign(user=[0.5, 1.0]))
    assert error.startswith("the frame row 1: user 0.5 is a float")
    assert error_of(frame.assign(time=["noon", "dusk"])).startswith(
        "the frame: none of 2 rows is a usable read: 2 cannot be used"
    )
    assert error_of(pa.table({"time": [1], "user": ["u"]})).startswith(
        "the frame: no column 'item'; it has time, user."
    )


def test_rows_none_of_which_is_a_read_are_counted_by_reason(clicks: Path) -> None:
    clicks.write_text("time,user,item\nnoon,a,b\ndusk,a,b\n5,a,b\n\n2020-01-01,a\n")
    iso = "is not ISO 8601, epoch seconds or milliseconds"
    assert error_of(clicks) == (
        f"{clicks}: none of 5 rows is a usable read: 1 left out: blank line; 4 cannot be used (2: time … {iso}, "
        "1: time … lies outside 1990-01-01 to 2100-01-01 (UTC), 1: 2 fields where the header has 3: …), "
        f"the first: clicks.csv line 2: time 'noon' {iso}; write it like 2019-12-31T23:59:59Z"
    )


def test_articles_none_of_which_is_read_are_noted(tmp_path: Path) -> None:
    (tmp_path / "reads.csv").write_text(ROWS)
    (tmp_path / "articles.csv").write_text("item\nA\nB\n")
    told = "articles that files tell of: 2, none of which is read; do ids agree? Reads have a, the articles A"
    assert told in find_data(tmp_path).card["notes"]
    (tmp_path / "articles.csv").write_text("item\nA\nb\n")
    assert not any("do ids agree" in note for note in find_data(tmp_path).card["notes"])


def test_a_file_of_the_same_size_and_time_is_prepared_again_if_it_is_another(clicks: Path) -> None:
    first, stat = find_data(clicks), clicks.stat()
    clicks.write_text(ROWS.replace(",a\n", ",c\n"))
    os.utime(clicks, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert articles(first) == ["a", "b"]
    assert articles(find_data(clicks)) == ["c", "b"]


def test_a_folder_of_part_files_and_a_pattern_are_found(clicks: Path) -> None:
    shop = clicks.parent / "shop"
    shop.mkdir()
    for number, line in enumerate(ROWS.splitlines()[1:]):
        (shop / f"part-{number}.csv").write_text(f"time,user,item\n{line}\n")
    folder, pattern = find_data("shop"), find_data("shop/part-*.csv")
    assert (folder.name, pattern.name) == ("shop", "shop")
    assert folder.card["digest"] == pattern.card["digest"] == find_data(clicks).card["digest"]
    (shop / "part-2.csv").write_text(ROWS)
    assert find_data("shop/part-*.csv").card["reads"] == 4
    assert "there is no data set and no file" in error_of("shop/day-*.csv")


# --- prepared names ---------------------------------------------------------------------------------------


def test_a_prepared_name_is_found_from_anywhere(clicks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_data("table", clicks, name="tuesday")
    monkeypatch.chdir(tmp_path)
    clicks.unlink()
    assert articles(find_data("tuesday")) == ["a", "b"]
    assert [dataset.name for dataset in prepared()] == ["tuesday"]


def test_a_table_is_called_like_its_file_and_another_kind_like_itself(clicks: Path) -> None:
    assert prepare_data("table", clicks).name == "clicks"
    assert prepared()[0].folder.name == "clicks"


def test_preparing_a_name_again_replaces_it(clicks: Path) -> None:
    prepare_data("table", clicks, name="tuesday")
    clicks.write_text(ROWS.replace("ann,b", "ann,c"))
    prepare_data("table", clicks, name="tuesday")
    assert articles(find_data("tuesday")) == ["a", "c"]
    assert len(prepared()) == 1


def test_a_name_is_prepared_by_one_process_at_a_time(clicks: Path, empty_home: Path) -> None:
    (empty_home / "data").mkdir(parents=True)
    with locked(empty_home / "data" / "clicks"):
        with pytest.raises(DataError, match=rf"^clicks is being prepared by process {os.getpid()} on .*; wait until"):
            prepare_data("table", clicks)
        assert prepare_data("table", clicks, name="another").publishers
    assert prepare_data("table", clicks).publishers


def test_a_failed_preparation_leaves_the_name_as_it_was(clicks: Path) -> None:
    prepare_data("table", clicks, name="tuesday")
    clicks.write_text("")
    with pytest.raises(DataError):
        prepare_data("table", clicks, name="tuesday")
    assert articles(find_data("tuesday")) == ["a", "b"]


def test_half_written_folders_are_not_listed(clicks: Path, empty_home: Path) -> None:
    folder = prepare_data("table", clicks, name="tuesday").folder
    folder.rename(folder.with_name(".tuesday-k3j4h5"))
    (empty_home / "data" / "wednesday").mkdir()
    assert prepared() == []
    assert "wednesday is no prepared data set" in _error_of_opening("wednesday")


def _error_of_opening(name: str) -> str:
    with pytest.raises(DataError) as caught:
        _ = find_data(name).publishers
    return str(caught.value)


@pytest.mark.parametrize("name", ["demo", "../up", ".hidden", "a/b", "a b", "-rf"])
def test_a_name_that_could_be_mistaken_is_refused(clicks: Path, name: str) -> None:
    with pytest.raises(DataError, match="a data set cannot be called"):
        prepare_data("table", clicks, name=name)
    assert prepared() == []


def test_strict_refuses_the_first_row_that_cannot_be_used(clicks: Path) -> None:
    clicks.write_text(ROWS + "noon,ann,c\n")
    with pytest.raises(DataError, match=r"clicks\.csv line 4"):
        prepare_data("table", clicks, strict=True)
    assert prepared() == []


# --- what is not there ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fetch", "prepare"),
    [
        ("globo", "globo", "globo {raw}/globo"),
        ("adressa", "adressa", ""),
        ("ADRESSA", "adressa", ""),
        ("plista", "newsreel", "newsreel {raw}/newsreel"),
        ("mind", "mind-demo --no-prepare", "mind {raw}/mind-demo"),
        ("mind-small", "mind-small", ""),
        ("MIND_Small", "mind-small", ""),
        ("EB-NeRD", "ebnerd-demo --no-prepare", "ebnerd {raw}/ebnerd-demo"),
        ("ebnerd_large", "ebnerd-large", ""),
        ("tianchi", "tianchi", "tianchi {raw}/tianchi"),
    ],
)
def test_a_known_source_that_is_not_prepared_names_the_lines_to_type(name: str, fetch: str, prepare: str) -> None:
    message = error_of(name)
    assert message.startswith(f"{name!r} is not prepared yet. To fetch ")
    lines = [line.strip() for line in message.splitlines()]
    assert f"newsreplay data fetch {fetch}" in lines
    prepares = [line.removeprefix("newsreplay data prepare ") for line in lines if f"{find.home()}" in line]
    assert prepares == ([prepare.format(raw=find.home() / "raw")] if prepare else [])
    assert any(line.startswith("newsreplay data prepare ") and " PATH" in line for line in lines)


def test_what_is_prepared_is_found_in_another_writing_and_kinds_too(clicks: Path) -> None:
    folder = prepare_data("table", clicks, name="my-clicks").folder
    said = Said()
    assert {find_data(name, report=said).folder for name in ("my-clicks", "My_Clicks", "MYCLICKS")} == {folder}
    assert said == ["My_Clicks is prepared as my-clicks", "MYCLICKS is prepared as my-clicks"]
    assert find_data("TABLE:clicks.csv").folder == find_data("table:clicks.csv").folder


def test_what_is_prepared_of_the_same_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "behaviors.tsv").write_text("1\tU1\t11/12/2019 9:05:58 AM\tN5\tN7-0 N8-1\n")
    prepare_data("mind", tmp_path, name="mine")
    assert error_of("mind-small").endswith("Prepared of this kind: mine")


@pytest.mark.parametrize("name", ["adressa", "nowhere", "mind:nowhere", "table:nowhere.csv"])
def test_nothing_is_begun_for_data_that_are_not_there(name: str) -> None:
    begun: list[int] = []
    with pytest.raises(DataError):
        find_data(name, planned=lambda impressions: begun.append(1))
    assert not begun


def test_what_is_found_is_said_once_before_it_is_prepared(clicks: Path) -> None:
    begun: list[str] = []
    frame = pd.read_csv(clicks)
    for what in (clicks, clicks, frame):
        find_data(
            what, report=begun.append, planned=lambda impressions: begun.append(f"planned, impressions: {impressions}")
        )
    assert begun.count("planned, impressions: False") == 3
    assert begun[:2] == [f"preparing {clicks}", "planned, impressions: False"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tusday", "Did you mean 'tuesday'?"),
        ("dem", "Did you mean 'demo'?"),
        ("glob", "Did you mean 'globo'?"),
        ("nowhere.csv", "there is no data set and no file 'nowhere.csv'"),
        ("zzzzz", "Prepared: demo, tuesday. Prepare one with 'newsreplay data prepare KIND PATH --name NAME'"),
        (
            "adresa:x",
            "there is no kind of data called 'adresa'; there are adressa, deskdrop",
        ),
        ("table:nowhere.csv", "nowhere.csv"),
        ("globo:nowhere", "nowhere"),
        ("", "there is no data set and no file ''"),
        ("../../etc", "there is no data set and no file"),
    ],
)
def test_what_is_not_there_is_named_with_a_hint(clicks: Path, name: str, hint: str) -> None:
    prepare_data("table", clicks, name="tuesday")
    assert hint in error_of(name)


def test_an_unknown_kind_is_refused_with_a_suggestion(clicks: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"no kind of data called 'tabel'; there are .*, table, tianchi\. Did you mean 'table'",
    ):
        prepare_data("tabel", clicks)
    assert {"adressa", "globo", "mind", "table"} <= set(kinds())


def test_columns_go_with_tables_only(clicks: Path) -> None:
    for name in ("globo:clicks.csv", "globo"):
        with pytest.raises(DataError, match="globo has columns of its own; --columns goes with tables"):
            prepare_data("globo", clicks, columns=COLUMNS) if name == "globo" else find_data(name, columns=COLUMNS)


def test_columns_are_refused_where_they_would_be_ignored(clicks: Path, tiny_demo: list[Path]) -> None:
    prepare_data("table", clicks, name="tuesday")
    for name in ("demo", "tuesday"):
        assert error_of(name, columns=COLUMNS) == (
            f"{name} is prepared already; --columns goes with KIND:PATH or 'newsreplay data prepare'"
        )


# --- what is no file, and what is no data -----------------------------------------------------------------


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # such names may not be long
        server.bind(path.name)
        os.chdir(here)


def make_link_to_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


SORTS = [(make_pipe, "a pipe"), (make_socket, "a socket"), (make_link_to_device, "a device")]


@pytest.mark.parametrize(("make", "sort"), SORTS)
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "tsv", "parquet", "arrow"])
def test_what_is_no_plain_file_is_refused_as_a_table(
    clicks: Path, make: Callable[[Path], None], sort: str, ending: str
) -> None:
    make(Path(f"stream.{ending}"))
    wanted = f"stream.{ending} is {sort}, not a file: save what it brings as a file and name that"
    assert error_of(f"stream.{ending}") == error_of(f"table:stream.{ending}") == wanted


@pytest.mark.parametrize(("make", "sort"), SORTS)
@pytest.mark.parametrize("kind", kinds())
def test_what_is_no_plain_file_is_refused_by_every_kind_also_in_a_folder(
    clicks: Path, make: Callable[[Path], None], sort: str, kind: str
) -> None:
    make(Path("stream"))
    assert f"stream is {sort}, not a file" in error_of(f"{kind}:stream")
    name = {"mind": "behaviors.tsv", "table": "reads.csv"}.get(kind, "20170101.csv")
    Path("folder/deep").mkdir(parents=True)
    path = Path("folder") / ("" if kind == "table" else "deep") / name
    make(path)
    assert f"{path} is {sort}, not a file" in error_of(f"{kind}:folder")


@pytest.mark.parametrize("stdin", [subprocess.PIPE, subprocess.DEVNULL])
def test_standard_input_is_refused(stdin: int) -> None:
    code = "import newsreplay.datasets as d; d.find_data('/dev/stdin')"
    with subprocess.Popen([sys.executable, "-c", code], stdin=stdin, stderr=subprocess.PIPE, text=True) as process:
        error = process.communicate()[1]
    assert "DataError: /dev/stdin is a " in error
    assert "not a file: save what it brings as a file" in error


def test_pipes_that_nobody_would_read_are_no_obstacle(clicks: Path) -> None:
    Path("folder").mkdir()
    Path("folder/reads.csv").write_text(ROWS)
    make_pipe(Path("folder/other"))
    assert articles(find_data("folder")) == ["a", "b"]
    Path("news/.git").mkdir(parents=True)
    make_pipe(Path("news/.git/monitor"))
    make_pipe(Path("news/.pipe"))
    assert "is a pipe" not in error_of("newsreel:news")


PAGES = [
    b"<!DOCTYPE html>\n<html><body>Please log in</body></html>",
    b"\n\r\n  <!doctype HTML PUBLIC '-//W3C//DTD'><p>",
    b"<HTML lang=en>",
    b"\xef\xbb\xbf<html>",
]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "tsv", "tsv.zst", "parquet", "arrow", "feather"])
def test_a_web_page_is_not_taken_for_a_table(clicks: Path, page: bytes, ending: str) -> None:
    Path(f"week.{ending}").write_bytes(page)
    assert error_of(f"week.{ending}").startswith(f"week.{ending} is a web page, not data: ")


@pytest.mark.parametrize("kind", kinds())
def test_a_web_page_is_not_taken_for_data_of_any_kind(clicks: Path, kind: str) -> None:
    for name in ("week.zip", "week.tar.gz", "20170101", "behaviors.tsv"):
        Path(name).write_bytes(PAGES[0])
        assert error_of(f"{kind}:{name}").startswith(f"{name} is a web page, not data: ")
    Path("folder").mkdir()
    name = "folder/reads.csv" if kind == "table" else "folder/news.tsv"
    Path(name).write_bytes(PAGES[0])
    assert error_of(f"{kind}:folder").startswith(f"{name} is a web page, not data: ")


def test_a_page_that_says_that_it_is_one_may_lie_beside_the_data(clicks: Path) -> None:
    Path("folder").mkdir()
    Path("folder/reads.csv").write_text(ROWS)
    Path("folder/reads.html").write_bytes(PAGES[0])
    assert articles(find_data("folder")) == ["a", "b"]


def test_text_that_has_marks_is_no_page(clicks: Path) -> None:
    clicks.write_text(ROWS.replace("ann", "<html>"))
    assert articles(find_data(clicks)) == ["a", "b"]


# --- limits -----------------------------------------------------------------------------------------------


def test_a_column_of_readers_named_as_publishers_is_refused_with_a_hint(clicks: Path, empty_home: Path) -> None:
    rows = [f"2020-01-01T00:00:00Z,reader {n},a\n" for n in range(2_000)]
    clicks.write_text("time,user,item\n" + "".join(rows))
    error = error_of(clicks, columns={"publisher": "user"})
    assert "clicks.csv: rows of 1,001 publishers or more ('reader 0', 'reader 1', 'reader 10', …)" in error
    assert "at most 1,000" in error
    assert "Is the publisher's column one of readers, sessions or articles?" in error
    assert not [*(empty_home / "prepared").glob("*/publishers")]
    assert len(find_data(clicks).publishers) == 1


def test_a_frame_that_the_folder_for_temporary_files_has_no_room_for_is_an_error_in_words() -> None:
    frame = pd.read_csv(io.StringIO(ROWS))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        error = error_of(frame)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert re.fullmatch("cannot write to .*: File too large; make room there or set TMPDIR to a folder for it", error)


# --- leftovers --------------------------------------------------------------------------------------------


def test_what_killed_preparations_left_is_listed_with_its_size_and_removed(empty_home: Path, clicks: Path) -> None:
    find_data(clicks)
    assert leftovers() == []
    for place, name, size in (("data", ".work-x-0123abcd", 300), ("prepared", ".x-1a2b3c4d", 20)):
        (empty_home / place / name / "deep").mkdir(parents=True)
        (empty_home / place / name / "deep" / "half").write_bytes(bytes(size))
    assert [(left.folder.name, left.size) for left in leftovers()] == [(".work-x-0123abcd", 300), (".x-1a2b3c4d", 20)]
    with own_folder(empty_home / "data", ".busy-") as busy:
        assert len(leftovers()) == 2
        assert remove_leftovers() == 2
        assert remove_cached() == 1
        assert busy.is_dir()
    assert leftovers() == []
    assert [*(empty_home / "prepared").iterdir()] == [*(empty_home / "data").iterdir()] == []

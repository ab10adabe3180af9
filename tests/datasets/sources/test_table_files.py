"""Tables as publishers export them: part files, partitions, patterns, other names and delimiters."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import shlex
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.commands.options import parse_columns
from newsreplay.datasets.base import Raw
from newsreplay.datasets.preparing.prepare import prepare
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.datasets.sources.table.columns import aliases_of
from newsreplay.datasets.sources.table.plan import plan_table
from newsreplay.errors import DataError
from tests import reading
from tests.naive import table as naive_table

HEADER = "time,user,item\n"
DAYS = [
    "1577836800,ann,a1\n1577836801,bob,a2\n",
    "1577923200,ann,a2\n1577923201,,a3\n",
    "1578009600,eve,a1\n",
]


def read(path: Path, **options: Any) -> Raw:
    return reading.read(plan_table(path, **options))


def error_of(path: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(path, **options)
    return str(caught.value)


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def write_parquet(path: Path, text: str) -> Path:
    """The rows of a CSV table, as columns of strings."""
    names, *rows = (line.split(",") for line in text.splitlines())
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({name: [row[at] or None for row in rows] for at, name in enumerate(names)}), path)
    return path


def whole(publisher: str) -> list[reading.Row]:
    """What the slow reader makes of all days as one file."""
    read = naive_table.read_csv(HEADER + "".join(DAYS), publisher)
    assert read is not None
    return read.rows


# ---- several files

LAYOUTS = {
    "parts": ["part-00000-c000.snappy", "part-00001-c000.snappy", "part-00002-c000.snappy"],
    "days": ["clicks_2020-01-01", "clicks_2020-01-02", "clicks_2020-01-03"],
    "hive": ["date=2020-01-01/part-0", "date=2020-01-02/part-0", "date=2020-01-03/part-0"],
    "deep": ["y=2020/m=01/a", "y=2020/m=01/b", "y=2020/m=02/a"],
    "reads": ["reads/part-0", "reads/part-1", "reads/part-2"],
}


@pytest.mark.parametrize(("form", "write_one"), [(".csv", write), (".parquet", write_parquet)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_several_files_are_one_table_in_the_order_of_their_names(
    tmp_path: Path, layout: str, form: str, write_one: Callable[[Path, str], Path]
) -> None:
    for name, rows in reversed([*zip(LAYOUTS[layout], DAYS, strict=True)]):
        write_one(tmp_path / "shop" / f"{name}{form}", HEADER + rows)
    raw = read(tmp_path / "shop")
    assert reading.rows_of(raw) == whole("shop")
    assert any(
        note.startswith("reads: 3 files are read as one table, in the order of their names") for note in raw.notes
    )
    assert "3 rows name no publisher" not in raw.notes
    assert "5 rows name no publisher; it is 'shop', after the folder" in raw.notes


@pytest.mark.parametrize("pattern", ["*.csv", "click[s]_2020-*.csv", "**/*.csv"])
def test_a_pattern_names_several_files(tmp_path: Path, pattern: str) -> None:
    for name, rows in zip(LAYOUTS["days"], DAYS, strict=True):
        write(tmp_path / "shop" / f"{name}.csv", HEADER + rows)
    write(tmp_path / "shop" / "notes.txt", "hello")
    assert reading.rows_of(read(tmp_path / "shop" / pattern)) == whole("shop")


def test_a_pattern_of_folders_has_their_files_and_partitions(tmp_path: Path) -> None:
    for name, rows in zip(LAYOUTS["hive"], DAYS, strict=True):
        write(tmp_path / "shop" / f"{name}.csv", HEADER + rows)
    raw = read(tmp_path / "shop" / "date=2020-01-0[12]")
    assert reading.rows_of(raw) == whole("shop")[:4]
    assert "reads: columns of folders, not read unless they are named: date=2020-01-01 …" in raw.notes


def test_a_pattern_that_names_nothing_is_refused(tmp_path: Path) -> None:
    assert "nothing is called like that" in error_of(tmp_path / "*.csv")
    write(tmp_path / "a.txt", "x")
    assert "no table is called like that, but a.txt" in error_of(tmp_path / "*.txt")


def test_what_is_hidden_or_no_table_is_left_out_and_said(tmp_path: Path) -> None:
    write(tmp_path / "part-0.csv", HEADER + DAYS[0])
    for name in ("_SUCCESS", ".part-0.csv.crc", "_temporary/0/part-9.csv", "readme.txt", "._part-0.csv"):
        write(tmp_path / name, "nothing")
    raw = read(tmp_path)
    assert raw.rows_in == 2
    assert (
        "files left out, which are hidden or no tables: 5 "
        "(._part-0.csv, .part-0.csv.crc, _SUCCESS, _temporary/0/part-9.csv, readme.txt)"
    ) in raw.notes


def test_a_reject_names_the_file_with_its_folders_and_the_line_in_it(tmp_path: Path) -> None:
    write(tmp_path / "date=1" / "part-0.csv", HEADER + DAYS[0])
    write(tmp_path / "date=2" / "part-0.csv", HEADER + DAYS[1] + "never,u,a\n")
    (reject,) = read(tmp_path).rejects
    assert reject[:2] == ("date=2/part-0.csv", 4)


def test_a_column_of_folders_is_one_if_it_has_our_name_or_is_named(tmp_path: Path) -> None:
    write(tmp_path / "publisher=The%20Times" / "day=2020-01-02" / "0.csv", "user,item\nann,a1\n")
    write(tmp_path / "publisher=__HIVE_DEFAULT_PARTITION__" / "day=2020-01-03" / "0.csv", "user,item\nbob,a2\n")
    raw = read(tmp_path, columns={"time": "day"})
    assert [(row.publisher, row.time, row.user) for row in reading.rows_of(raw)] == [
        ("The Times", 1577923200000, "ann"),
        (tmp_path.name, 1578009600000, "bob"),
    ]
    assert "time: ISO 8601; 2 values without a zone are taken as UTC" in raw.notes


def test_a_column_of_the_file_counts_before_one_of_its_folder(tmp_path: Path) -> None:
    write(tmp_path / "user=folder" / "0.csv", HEADER + DAYS[0])
    assert [row.user for row in reading.rows_of(read(tmp_path))] == ["ann", "bob"]


def test_files_may_have_units_of_their_own_and_the_notes_count_them(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", HEADER + DAYS[0])
    write(tmp_path / "b.csv", HEADER + "1577923200000,ann,a2\n")
    raw = read(tmp_path)
    assert raw.rows.num_rows == 3
    assert "time: epoch seconds (2 rows), epoch milliseconds (1 rows), by file" in raw.notes


def test_some_files_may_be_without_rows_but_not_all(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", HEADER)
    write(tmp_path / "b.csv", HEADER + DAYS[0])
    assert read(tmp_path).rows.num_rows == 2
    write(tmp_path / "b.csv", HEADER)
    assert error_of(tmp_path) == "a.csv has a header but no rows; export it again"


def test_files_of_other_columns_are_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", HEADER + DAYS[0])
    write(tmp_path / "b.csv", "a,b\n1,2\n")
    assert error_of(tmp_path).startswith("b.csv: no column 'time', 'item', 'user' or 'session'; it has a, b.")
    write(tmp_path / "b.csv", "time,session,item\n1577923200,s,a2\n")
    assert error_of(tmp_path).startswith("a.csv has no column 'session', but b.csv has one. All 2 tables there")


def test_tables_of_two_forms_are_not_mixed(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", HEADER + DAYS[0])
    write_parquet(tmp_path / "a.parquet", HEADER + DAYS[0])
    assert "holds tables of several forms: a.csv and a.parquet" in error_of(tmp_path)


def test_a_folder_of_a_published_log_is_refused_with_how_to_name_it(tmp_path: Path) -> None:
    write(tmp_path / "one_week.tar.gz", "")
    assert "a published log is named with its kind, as mind:FOLDER" in error_of(tmp_path)
    write(tmp_path / "behaviors.tsv", "1\tU1\t11/9/2019 9:00:00 AM\tN9\tN1-1 N2-0\n")
    write(tmp_path / "news.tsv", "N1\tnews\tlocal\tTitle\t\thttp://x\t[]\t[]\n")
    assert "a published log is named with its kind, as mind:FOLDER" in error_of(tmp_path)


def test_a_delta_table_is_not_read_without_its_log(tmp_path: Path) -> None:
    write(tmp_path / "_delta_log" / "0.json", "{}")
    write_parquet(tmp_path / "part-0.parquet", HEADER + DAYS[0])
    assert "is a Delta table" in error_of(tmp_path)


def test_part_files_of_articles_lie_in_a_folder_of_theirs(tmp_path: Path) -> None:
    write(tmp_path / "clicks" / "part-0.csv", HEADER + DAYS[0])
    write(tmp_path / "articles" / "part-0.csv", "article_id,headline\na1,One\n")
    write(tmp_path / "articles" / "part-1.csv", "article_id,headline\na2,Two\n")
    raw = read(tmp_path)
    assert reading.rows_of(raw) == whole(tmp_path.name)[:2]
    assert [(article.item, article.facts) for article in reading.articles_of(raw)] == [
        ("a1", (("title", "One"),)),
        ("a2", (("title", "Two"),)),
    ]
    assert "articles: columns found by their usual names: item=article_id, title=headline (--columns names others)" in (
        raw.notes
    )


# ---- names of columns


@pytest.mark.parametrize(
    "names",
    [
        "Time,User,Item",
        "timestamp,user_id,article_id",
        "timestamp:float,user_id:token,item_id:token",
        "TS,UserId,ItemID",
        "event time,session-id,news_id",
        "Timestamp,SessionId,ItemId",
        "click_timestamp,visitor_id,click_article_id",
    ],
)
def test_columns_are_found_by_their_usual_names_and_the_notes_say_so(tmp_path: Path, names: str) -> None:
    raw = read(write(tmp_path / "shop.csv", names + "\n" + DAYS[0]))
    whose = "session" if "ession" in names else "user"
    assert [(row.time, getattr(row, whose), row.item) for row in reading.rows_of(raw)] == [
        (row.time, row.user, row.item) for row in whole("shop")[:2]
    ]
    time, user, item = names.split(",")
    said = {"time": time, whose: user, "item": item}
    told = next(note for note in raw.notes if note.startswith("reads: columns found by their usual names: "))
    pairs = told.removeprefix("reads: columns found by their usual names: ").split(" (")[0].split(", ")
    assert dict(pair.split("=") for pair in pairs) == said


def test_our_own_names_count_before_usual_ones(tmp_path: Path) -> None:
    raw = read(write(tmp_path / "shop.csv", "time,user,item,article_id,timestamp\n1577836800,ann,a1,b,c\n"))
    assert raw.rows.to_pylist()[0]["item"] == "a1"
    assert not any("usual" in note for note in raw.notes)


def test_two_columns_that_may_both_be_meant_are_refused_with_both_names(tmp_path: Path) -> None:
    path = write(tmp_path / "shop.csv", "timestamp,user_id,visitor_id,item\n1577836800,ann,v,a1\n")
    error = error_of(path)
    assert error == ("shop.csv: 'user_id' and 'visitor_id' may both be user; say which, as in --columns user=user_id")
    assert reading.rows_of(read(path, columns={"user": "user_id"}))[0].user == "ann"


def test_every_usual_name_is_of_one_column_only() -> None:
    assert {*aliases_of("reads").values()} == {
        *("time", "user", "session", "item", "publisher", "published", "category", "title", "dwell")
    }
    assert aliases_of("articles")["createdatts"] == "published"
    assert "createdatts" not in aliases_of("reads")


def test_names_may_be_of_one_sort_of_files(tmp_path: Path) -> None:
    write(tmp_path / "reads.csv", "t,u,doc\n1577836800,ann,a1\n")
    write(tmp_path / "articles.csv", "key,doc,headline\na1,x,One\n")
    columns = {"time": "t", "user": "u", "reads.item": "doc", "articles.item": "key"}
    raw = read(tmp_path, columns=columns)
    assert reading.rows_of(raw)[0].item == reading.articles_of(raw)[0].item == "a1"
    assert "Did you mean 'reads.item'?" in error_of(tmp_path, columns={"reads.itm": "doc"})
    assert "is none of" in error_of(tmp_path, columns={"articles.user": "doc"})


@pytest.mark.parametrize(
    "header", ["tim,usr,itm", "tim e,us'r,i$tem", "times,users,items", "tim,user_id,items", "time,usr,doc no"]
)
def test_what_is_suggested_can_be_pasted_as_it_stands(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "reads.csv", header + "\n" + DAYS[0])
    columns: dict[str, str] = {"item": "doc no"} if "doc" in header else {}
    suggested = error_of(path, columns=columns).rpartition("Did you mean ")[2].removesuffix("?")
    option, value = shlex.split(suggested)
    assert option == "--columns"
    assert read(path, columns=parse_columns(None, None, value)).kept == 2  # type: ignore[arg-type]


def test_a_suggestion_for_articles_leaves_the_names_of_the_reads(tmp_path: Path) -> None:
    write(tmp_path / "reads.csv", "t,user,doc\n1577836800,ann,a1\n")
    write(tmp_path / "articles.csv", "itm,headline\na1,One\n")
    error = error_of(tmp_path, columns={"time": "t", "item": "doc"})
    assert error.endswith("Did you mean --columns time=t,item=doc,articles.item=itm?")


# ---- delimiters


@pytest.mark.parametrize("mark", [",", ";", "|", "\t"])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_what_separates_fields_is_found_by_looking(tmp_path: Path, mark: str, ending: str) -> None:
    text = (HEADER + "".join(DAYS)).replace(",", mark)
    path = write(tmp_path / f"shop.{ending}", text.replace("ann", f'"a{mark}n"') + f"1577836800{mark}x\n")
    raw = read(path)
    assert reading.rows_of(raw) == [
        row._replace(user=f"a{mark}n") if row.user == "ann" else row for row in whole("shop")
    ]
    assert "2 fields where the header has 3" in raw.rejects[0].reason
    is_odd = mark != {"csv": ",", "tsv": "\t"}[ending]
    assert any("fields are separated by " in note for note in raw.notes) == is_odd


def test_without_a_column_found_the_likeliest_delimiter_speaks(tmp_path: Path) -> None:
    error = error_of(write(tmp_path / "shop.csv", "tim;usr;itm,x\n1;2;3\n"))
    assert "it has tim, usr, itm,x." in error


# ---- forms of files

ZIPPED = {"shop.csv.zip": ["shop.csv"], "shop.zip": ["__MACOSX/._x.csv", "deep/", "deep/some name.csv"]}


def packed(name: str, data: bytes) -> bytes:
    """Data as the extension of a file says."""
    if name in ZIPPED:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as target:
            for member in ZIPPED[name]:
                target.writestr(member, data if member.endswith(("shop.csv", "name.csv")) else b"")
        return archive.getvalue()
    ending = name.split(".")[-1]
    if ending == "gz":
        return gzip.compress(data)
    if ending == "bz2":
        return bz2.compress(data)
    return lzma.compress(data) if ending == "xz" else data


def as_json_lines(text: str) -> str:
    """A CSV table as JSON lines, numbers as numbers."""
    names, *rows = (line.split(",") for line in text.splitlines())
    values = [[int(cell) if cell.isdecimal() else cell or None for cell in row] for row in rows]
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in values)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("name", ["shop.csv", "shop.csv.gz", "shop.csv.bz2", "shop.csv.xz", *ZIPPED, "shop.jsonl"])
def test_text_is_read_in_every_packing_and_encoding(tmp_path: Path, name: str, encoding: str) -> None:
    text = HEADER + "".join(DAYS).replace("eve", "\u00e8ve")
    text = as_json_lines(text) if name == "shop.jsonl" else text
    data = ("\ufeff" * (encoding == "utf-16-be") + text).encode(encoding)
    raw = read(write(tmp_path / name, packed(name, data)), sizes=ReadSizes(chunk=40, stretch=30, piece=20))
    assert reading.rows_of(raw) == [
        row._replace(user="\u00e8ve") if row.user == "eve" else row for row in whole("shop")
    ]
    assert raw.rejects == []


@pytest.mark.parametrize("name", ["shop.csv.bz2", "shop.csv.xz", "shop.csv.zip", "shop.csv"])
def test_what_is_cut_off_is_refused_and_not_half_read(tmp_path: Path, name: str) -> None:
    text = HEADER + "".join(f"{1577836800 + i},u{i * i},a{i % 97}\n" for i in range(3000))
    data = packed(name, text.encode("utf-8" if name != "shop.csv" else "utf-16"))
    for cut in (len(data) // 2 | 1, len(data) - 1):
        path = write(tmp_path / name, data[:cut])
        try:
            raw = read(path)
        except DataError as error:
            assert str(error).startswith(name)  # noqa: PT017
        else:
            assert name == "shop.csv"  # half a character is not seen, a line that is cut off is
            assert len(raw.rejects) <= 1


def test_an_archive_of_several_files_is_no_table(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        for name in ("a.csv", "b.csv"):
            archive.writestr(name, HEADER + DAYS[0])
    assert "two.zip: it holds no table alone" in error_of(tmp_path / "two.zip")
    assert "broken.zip cannot be read" in error_of(write(tmp_path / "broken.zip", b"PK no"))


JSON_LINES = st.sampled_from(
    [
        *['{"time": 1577836800, "user": "u", "item": "a"}'] * 3,
        '{"time": "1577836801", "item": 7, "user": null, "more": {"item": [1]}}',
        '{"item": 12345678901234567890, "user": 1.50, "time": 1577836802}',
        '{"time": 1577836803, "user": "\\u00e9\\n", "item": "x"}',
        '{"time": 1577836804, "user": "u", "item": "b", "item": "c"}',
        *("", "  ", "[1]", "{", '"text"', "null", '{"item": "a"}', '{"time": 1577836805}'),
        '{"time": 1577836806, "user": "u", "item": {"id": 1}}',
        '{"time": 1577836806, "user": true, "item": "a"}',
        '{"time": 1577836807, "user": "\\ud800", "item": "a"}',
        '{"time": 1577836808, "user": "u", "item": "\udce9"}',
        '{"time": "2020-01-01", "user": "u", "item": "a"}',
        '{"time": 1577836809, "user": NaN, "item": "a"}',
    ]
)


@settings(deadline=None, max_examples=60)
@given(st.lists(JSON_LINES, min_size=1, max_size=12), st.integers(8, 200), st.sampled_from(["\n", "\r\n"]))
def test_json_lines_are_read_as_the_slow_reader_reads_them(lines: list[str], chunk: int, end: str) -> None:
    lines = ['{"time": 1577836800, "user": "first", "item": "a"}', '{"time": 1577836800, "item": "b"}', *lines]
    data = end.join([*lines, ""]).encode(errors="surrogateescape")
    slow = naive_table.read_json_lines(data, "shop")
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "shop.jsonl", data)
        raw = read(path, sizes=ReadSizes(chunk=chunk, stretch=chunk, lines=3))
    assert reading.rows_of(raw) == slow.rows
    assert [reject.line for reject in raw.rejects] == slow.rejects
    assert raw.dropped.get("blank line", 0) == slow.blank
    assert all(
        reject.text == lines[reject.line - 1].encode(errors="surrogateescape").decode(errors="backslashreplace")
        for reject in raw.rejects
    )


def test_json_lines_that_are_none_say_so(tmp_path: Path) -> None:
    assert "write JSON lines, one object a line" in error_of(write(tmp_path / "a.jsonl", '[{"time": 1}]\n'))
    assert "is empty" in error_of(write(tmp_path / "b.jsonl", "\n\n"))
    error = error_of(write(tmp_path / "c.jsonl", '{"tim": 1577836800, "usr": "u", "item": "a"}\n'))
    assert error.endswith("it has tim, usr, item. Did you mean --columns time=tim,user=usr?")


# ---- times


@pytest.mark.parametrize(("per_second", "form"), [(10**6, "microseconds"), (10**9, "nanoseconds")])
@pytest.mark.parametrize("name", ["shop.csv", "shop.parquet", "shop.jsonl"])
def test_finer_epochs_are_told_by_their_range(tmp_path: Path, name: str, per_second: int, form: str) -> None:
    times = [1577836800 * per_second + 123 * per_second // 1000, 1577836801 * per_second]
    if name == "shop.parquet":
        pq.write_table(pa.table({"time": times, "user": ["u", "v"], "item": ["a", "b"]}), tmp_path / name)
    else:
        text = HEADER + "".join(f"{time},{user}\n" for time, user in zip(times, ("u,a", "v,b"), strict=True))
        write(tmp_path / name, as_json_lines(text) if name == "shop.jsonl" else text)
    raw = read(tmp_path / name)
    assert [row.time for row in reading.rows_of(raw)] == [1577836800123, 1577836801000]
    assert f"time: epoch {form}" in raw.notes


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (["2020-01-01", "2020-01-02"], "dates alone: order within a day, sessions and hours are made up"),
        (["2020-01-01T05:00:00", "2020-01-02T00:00:00"], "whole hours: order within a hour and sessions are made up"),
        (["2020-01-01T05:00:01", "2020-01-02T00:00:00"], None),
    ],
)
def test_times_that_are_too_coarse_are_noted(tmp_path: Path, times: list[str], said: str | None) -> None:
    raw = read(write(tmp_path / "shop.csv", HEADER + "".join(f"{time},u,a\n" for time in times)))
    assert [note for note in raw.notes if "made up" in note] == ([f"time: {said}"] if said else [])


def test_typed_dates_are_noted_too(tmp_path: Path) -> None:
    table = pa.table({"time": pa.array([18262, 18263], pa.date32()), "user": ["u", "u"], "item": ["a", "b"]})
    pq.write_table(table, tmp_path / "shop.parquet")
    assert any("dates alone" in note for note in read(tmp_path / "shop.parquet").notes)


def test_times_of_float32_are_refused(tmp_path: Path) -> None:
    table = pa.table({"time": pa.array([1577836800.0], pa.float32()), "user": ["u"], "item": ["a"]})
    pq.write_table(table, tmp_path / "shop.parquet")
    assert "time is of type float, which tells times of today to two minutes" in error_of(tmp_path / "shop.parquet")


def test_the_order_of_day_and_month_is_that_which_the_column_shows(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    for odd, month in (("13/1/2020 10:00", 2), ("1/13/2020 10:00", 1)):
        raw = read(write(path, HEADER + f"1/2/2020 10:00,u,a\n{odd},u,b\n"))
        expected = datetime(2020, month, 3 - month, 10, tzinfo=UTC).timestamp() * 1000
        assert reading.rows_of(raw)[0].time == expected
        assert raw.notes[0].endswith("year; 2 values without a zone are taken as UTC")
    error = error_of(write(path, HEADER + "1/2/2020 10:00,u,a\n"))
    assert error.startswith("shop.csv: time may be day/month/year or month/day/year, and no date decides")


def test_of_several_files_one_decides_on_day_and_month(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", HEADER + "1/2/2020,u,a\n")
    write(tmp_path / "b.csv", HEADER + "13/2/2020,u,a\n")
    assert [row.time for row in reading.rows_of(read(tmp_path))] == [1580515200000, 1581552000000]
    write(tmp_path / "c.csv", HEADER + "2/13/2020,u,a\n")
    assert "and they differ" in error_of(tmp_path)


# ---- ids


def test_whole_floats_of_a_column_are_whole_numbers(tmp_path: Path) -> None:
    write(tmp_path / "reads.csv", HEADER + "1577836800,007.0,1000.0\n1577836801,1.0,1001.0\n1577836802,,1000.0\n")
    write(tmp_path / "articles.csv", "item,title\n1000,One\n")
    raw = read(tmp_path)
    assert [(row.user, row.item) for row in reading.rows_of(raw)] == [
        ("007.0", "1000"),
        ("1.0", "1001"),
        (None, "1000"),
    ]
    assert "item: 3 ids are whole floats like 1000.0 and are read as whole numbers: 1000" in raw.notes


@pytest.mark.parametrize("last", ["1000", "a", "01.0", "1.5", "-0.0", "1e5"])
def test_one_value_of_another_form_leaves_a_column_as_it_is(tmp_path: Path, last: str) -> None:
    path = write(tmp_path / "shop.csv", HEADER + f"1577836800,u,1000.0\n1577836801,u,{last}\n")
    assert [row.item for row in reading.rows_of(read(path, sizes=ReadSizes(chunk=20, piece=20)))] == ["1000.0", last]


@pytest.mark.parametrize("name", ["shop.parquet", "shop.jsonl"])
def test_whole_floats_are_found_in_every_form(tmp_path: Path, name: str) -> None:
    text = HEADER + "1577836800,u,1000.0\n1577836801,u,1001.0\n"
    if name == "shop.parquet":
        write_parquet(tmp_path / name, text)
    else:
        write(tmp_path / name, as_json_lines(text))
    raw = read(tmp_path / name)
    assert [row.item for row in reading.rows_of(raw)] == ["1000", "1001"]
    assert any("2 ids are whole floats" in note for note in raw.notes)


def test_ids_that_have_lost_digits_or_mean_nothing_are_counted(tmp_path: Path) -> None:
    rows = ["NULL,1.23457E+12", "NULL,1.23457e+12", "nan,5e12", "Nancy,1E5"]
    raw = read(write(tmp_path / "shop.csv", HEADER + "".join(f"1577836801,{row}\n" for row in rows)))
    assert len(raw.rows) == 4
    assert [note for note in raw.notes if "ids are in scientific" in note or "like any other" in note] == [
        "user: 'nan' 1 times, 'NULL' 2 times is an id like any other; leave the value empty where there is none",
        "item: 2 ids are in scientific notation, as 1.23457E+12, and have lost digits: different ones became one; "
        "export the column as text",
    ]


def test_sixteen_bytes_are_a_uuid(tmp_path: Path) -> None:
    ids = [UUID(int=0), UUID(int=2**127 + 5), None]
    raw_ids = pa.array([one and one.bytes for one in ids], pa.binary(16))
    pq.write_table(pa.table({"time": [1577836800] * 3, "user": raw_ids, "item": ["a"] * 3}), tmp_path / "shop.parquet")
    assert [row.user for row in reading.rows_of(read(tmp_path / "shop.parquet"))] == [one and str(one) for one in ids]
    other = pa.array([b"abc"] * 3, pa.binary(3))
    pq.write_table(pa.table({"time": [1577836800] * 3, "user": other, "item": ["a"] * 3}), tmp_path / "shop.parquet")
    assert "user is of type fixed_size_binary[3], which is no id" in error_of(tmp_path / "shop.parquet")


def rows_of_units(name: str, times: list[int]) -> str:
    """A table of one reader, as CSV or as JSON lines."""
    if name.endswith(".jsonl"):
        return "".join(f'{{"time": {time}, "user": "ann", "item": "a{n}"}}\n' for n, time in enumerate(times))
    return "time,user,item\n" + "".join(f"{time},ann,a{n}\n" for n, time in enumerate(times))


@pytest.mark.parametrize("name", ["clicks.csv", "clicks.csv.gz", "clicks.jsonl"])
@pytest.mark.parametrize("strict", [False, True])
def test_the_unit_of_most_times_counts_where_the_first_lines_have_another(
    name: str, strict: bool, tmp_path: Path
) -> None:
    seconds, millis = [1_577_865_600 + n for n in range(10)], [1_577_869_200_000 + 1000 * n for n in range(90)]
    text = rows_of_units(name.removesuffix(".gz"), seconds + millis).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    plan = plan_table(path, sizes=ReadSizes(chunk=200))
    if strict:
        line = 1 if name.endswith(".jsonl") else 2
        with pytest.raises(
            DataError, match=f"line {line}: time '1577865600' is in epoch seconds, but the column is in"
        ):
            prepare(plan, tmp_path / "out", name="clicks", kind="table", strict=True)
        return
    dataset = prepare(plan, tmp_path / "out", name="clicks", kind="table")
    assert dataset.publisher("clicks").log.time.tolist() == millis
    assert (dataset.card["rejected"], dataset.card["kept"]) == (10, 90)
    assert "time: epoch milliseconds" in dataset.card["notes"]


@pytest.mark.parametrize(("late", "again"), [(1_577_865_600_000, False), (1_577_865_600, True)])
def test_planning_looks_at_the_first_lines_alone(late: int, again: bool, tmp_path: Path) -> None:
    """The blocks tell what planning did not see: later times of another unit, of which there are more."""
    first = [1_577_865_600_000 + n for n in range(20)]
    path = tmp_path / "clicks.csv"
    path.write_text(rows_of_units("clicks.csv", first + [late + n for n in range(80)]))
    plan = plan_table(path, sizes=ReadSizes(chunk=200))
    counts: Counter[str] = Counter()
    for part in plan.parts:
        for block in plan.read(part):
            counts.update(block.counts)
    assert plan.revise(counts) == again


def test_days_and_months_of_reads_and_articles_are_told_apart_by_each_file(tmp_path: Path) -> None:
    write(tmp_path / "reads.csv", "time,user,item,published\n1577865600,ann,a,31/12/2019\n")
    write(tmp_path / "articles.csv", "item,published\na,12/31/2019\n")
    raw = read(tmp_path)
    assert len(raw.rows) == 1

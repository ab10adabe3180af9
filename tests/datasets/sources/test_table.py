import csv
import gzip
import io
import struct
import tempfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsreplay.datasets.base import gather
from newsreplay.datasets.reading import times
from newsreplay.datasets.reading.fields import scan_fields
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.datasets.reading.usual_times import usual_times
from newsreplay.datasets.reading.words import places_of
from newsreplay.datasets.sources.table import text as table_text
from newsreplay.datasets.sources.table.plan import MADE_UP, plan_table
from newsreplay.datasets.sources.table.text import TextTable
from newsreplay.errors import DataError
from tests import reading
from tests.naive import table as naive_table

T0 = 1_577_836_800_000  # 2020-01-01
ROW = "2020-01-01T00:00:00Z,ann,a1\n"
THREE = "time,user,item\n" + ROW + "2020-01-01T00:00:01Z,bob,a2\n2020-01-01T00:00:02Z,ann,a3\n"
GOOD = [
    {"publisher": "clicks", "time": T0, "user": "ann", "item": "a1"},
    {"publisher": "clicks", "time": T0 + 1000, "user": "bob", "item": "a2"},
    {"publisher": "clicks", "time": T0 + 2000, "user": "ann", "item": "a3"},
]


def read_table(path, **options):
    return gather(plan_table(path, **options))


def write(folder, text, name="clicks.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(folder, text, name="clicks.csv", **options):
    return read_table(write(folder, text, name), **options)


def rows_of(raw):
    assert raw.kept == raw.rows.num_rows + (raw.articles.num_rows if raw.articles is not None else 0)
    assert raw.rows_in == raw.kept + len(raw.rejects) + sum(raw.dropped.values())
    return raw.rows.to_pylist()


def only_reject(raw):
    (reject,) = raw.rejects
    return reject


def error_of(folder, text, name="clicks.csv", **options):
    with pytest.raises(DataError) as caught:
        read(folder, text, name, **options)
    return str(caught.value)


def both(folder, text, monkeypatch, name="clicks.csv"):
    """What the fast and the exact reader make of a text."""
    path = write(folder, text, name)
    fast = read_table(path)
    monkeypatch.setattr(table_text, "scan_fields", lambda data, *args: scan_fields(b"", *args))
    exact = read_table(path)
    monkeypatch.undo()
    return fast, exact


def is_fast(path):
    """Whether no line is read record by record."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextTable, "_exact", lambda *args: found.append(args))
        try:
            read_table(path)
        except AttributeError:
            return False
    return not found


# ---- formats


def test_a_csv_is_read_and_its_publisher_is_the_name_of_the_file(tmp_path):
    raw = read(tmp_path, THREE)
    assert rows_of(raw) == GOOD
    assert raw.articles is None
    assert raw.notes == ["time: ISO 8601", "3 rows name no publisher; it is 'clicks', after the file"]


def test_the_result_has_the_promised_types(tmp_path):
    reads = read(
        tmp_path, "time,user,session,item,published,category,title\n2020-01-01,u,s,i,2019-12-31,news,Hello\n"
    ).rows
    words = pa.dictionary(pa.int32(), pa.string())
    assert {field.name: field.type for field in reads.schema} == {
        **dict.fromkeys(("publisher", "user", "session", "item", "category", "title"), words),
        **dict.fromkeys(("time", "published"), pa.int64()),
    }


@pytest.mark.parametrize("name", ["clicks.csv.gz", "clicks.csv.zst", "clicks.CSV"])
def test_compressed_text_reads_like_text(tmp_path, name):
    codec = {"gz": "gzip", "zst": "zstd"}.get(name.split(".")[-1])
    data = pa.compress(THREE.encode(), codec=codec, asbytes=True) if codec else THREE
    assert rows_of(read(tmp_path, data, name)) == GOOD


def test_a_gzip_of_several_members_is_read_to_its_end(tmp_path):
    header, rows = THREE.split("\n", 1)
    data = gzip.compress(header.encode() + b"\n") + gzip.compress(rows.encode())
    assert rows_of(read(tmp_path, data, "clicks.csv.gz")) == GOOD


def test_a_tsv_is_read(tmp_path):
    assert rows_of(read(tmp_path, THREE.replace(",", "\t"), "clicks.tsv")) == GOOD


def test_a_name_with_dots_loses_only_its_extensions(tmp_path):
    raw = read(tmp_path, gzip.compress(THREE.encode()), "clicks.2020-01.csv.gz")
    assert rows_of(raw)[0]["publisher"] == "clicks.2020-01"


def arrow_table():
    return pa.table(
        {
            "time": pa.array([T0, T0 + 1000, T0 + 2000], pa.timestamp("ms", "UTC")),
            "user": ["ann", "bob", "ann"],
            "item": pa.array(["a1", "a2", "a3"]).dictionary_encode(),
        }
    )


@pytest.mark.parametrize("name", ["clicks.parquet", "clicks.arrow", "clicks.feather"])
def test_parquet_and_arrow_are_read(tmp_path, name):
    path = tmp_path / name
    pq.write_table(arrow_table(), path) if name == "clicks.parquet" else pyarrow.feather.write_feather(
        arrow_table(), path
    )
    assert rows_of(read_table(path)) == GOOD


def test_an_arrow_stream_is_read(tmp_path):
    with pa.ipc.new_stream(tmp_path / "clicks.arrow", arrow_table().schema) as stream:
        stream.write_table(arrow_table())
    assert rows_of(read_table(tmp_path / "clicks.arrow")) == GOOD


def test_a_folder_has_reads_and_articles_and_gives_its_name_to_the_publisher(tmp_path):
    folder = tmp_path / "gazette"
    folder.mkdir()
    pq.write_table(arrow_table(), folder / "reads.parquet")
    articles = {
        "item": ["a1", "a9"],
        "published": [T0, None],
        "category": ["news", ""],
        "title": ["One", "Nine"],
    }
    pq.write_table(pa.table(articles), folder / "articles.parquet")
    raw = read_table(folder)
    assert rows_of(raw)[0]["publisher"] == "gazette"
    assert raw.articles.to_pylist() == [
        {"item": "a1", "published": T0, "category": "news", "title": "One"},
        {"item": "a9", "published": None, "category": None, "title": "Nine"},
    ]


def test_articles_may_be_text_with_names_of_their_own(tmp_path):
    write(tmp_path, THREE.replace("item", "doc"), "reads.csv")
    write(tmp_path, "item,published\na1,soon\n,2020-01-01\n", "articles.csv")
    raw = read_table(tmp_path, columns={"item": "doc"})
    assert raw.articles.to_pylist() == [{"item": "a1"}]
    assert (raw.rows_in, raw.kept) == (5, 4)
    assert only_reject(raw) == ("articles.csv", 3, "item is empty; every row needs one", ",2020-01-01")
    assert "articles.csv: published: 1 values cannot be used as a time and became null" in raw.notes


def test_a_bad_article_is_a_reject(tmp_path):
    write(tmp_path, THREE, "reads.csv")
    write(tmp_path, "item\na1\n\x00\n", "articles.csv")
    reject = only_reject(read_table(tmp_path))
    assert reject[:2] == ("articles.csv", 3)
    assert reject.reason.startswith("item '\\x00' holds a NUL byte")


def test_articles_with_a_header_only_are_no_articles(tmp_path):
    write(tmp_path, THREE, "reads.csv")
    write(tmp_path, "item,title\n", "articles.csv")
    assert not read_table(tmp_path).articles


def test_a_folder_without_tables_says_what_it_expected_and_what_is_there(tmp_path):
    write(tmp_path, THREE, "clicks.txt")
    write(tmp_path, THREE, "notes.md")
    with pytest.raises(DataError, match=r"expected reads\.csv, .* found clicks\.txt, notes\.md; name the table"):
        read_table(tmp_path)


def test_a_folder_with_two_reads_is_refused(tmp_path):
    write(tmp_path, THREE, "reads.csv")
    write(tmp_path, THREE, "reads.tsv")
    with pytest.raises(DataError, match=r"holds reads\.csv and reads\.tsv; keep one of them"):
        read_table(tmp_path)


def test_a_path_that_does_not_exist_gets_near_names(tmp_path):
    write(tmp_path, THREE)
    with pytest.raises(DataError, match=r"click\.csv does not exist; did you mean clicks\.csv\?"):
        read_table(tmp_path / "click.csv")
    with pytest.raises(DataError, match=r"nothing in .* is called like that"):
        read_table(tmp_path / "q")
    with pytest.raises(DataError, match=r"the folder .*nowhere does not exist either"):
        read_table(tmp_path / "nowhere" / "clicks.csv")


@pytest.mark.parametrize("name", ["clicks.xlsx", "clicks", "clicks.csv.lz4", "clicks.parquet.gz"])
def test_an_unknown_extension_lists_the_known_ones(tmp_path, name):
    assert "is unknown; expected .csv, .tsv, .jsonl (each also .gz, .zst" in error_of(tmp_path, THREE, name)


@pytest.mark.parametrize("name", ["clicks.parquet", "clicks.arrow"])
def test_a_broken_parquet_or_arrow_file_is_no_traceback(tmp_path, name):
    assert error_of(tmp_path, b"PAR1" + b"x" * 50, name).startswith(f"{name} cannot be read as ")


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_a_truncated_file_is_refused_and_not_half_read(tmp_path, codec):
    rng = np.random.default_rng(1)
    text = "time,user,item\n" + "".join(f"{T0 + i},u{rng.integers(1 << 40)},a\n" for i in range(5000))
    data = pa.compress(text.encode(), codec=codec, asbytes=True)
    name = "clicks.csv." + {"gzip": "gz", "zstd": "zst"}[codec]
    assert read(tmp_path, data, name).rows.num_rows == 5000
    for cut in (5, 100, len(data) // 2, len(data) - 1):
        assert f"{name} cannot be read: " in error_of(tmp_path, data[:cut], name)


def test_truncated_articles_are_named(tmp_path):
    write(tmp_path, THREE, "reads.csv")
    write(tmp_path, gzip.compress(b"item\n" * 99)[:-4], "articles.csv.gz")
    with pytest.raises(DataError, match=r"^articles\.csv\.gz cannot be read: Truncated"):
        read_table(tmp_path)


# ---- columns


def test_columns_may_go_by_other_names(tmp_path):
    names = {"time": "ts", "item": "article_id", "user": "reader"}
    text = THREE.replace("time,user,item", "ts,reader,article_id")
    assert rows_of(read(tmp_path, text, columns=names)) == GOOD


def test_a_missing_column_lists_those_there_are_and_what_may_be_meant(tmp_path):
    message = error_of(tmp_path, THREE.replace("time,", "tim,"))
    assert message == "clicks.csv: no column 'time'; it has tim, user, item. Did you mean --columns time=tim?"
    message = error_of(tmp_path, THREE.replace("time,user,item", "tim,usr,what"))
    assert message == (
        "clicks.csv: no column 'time', 'item', 'user' or 'session'; it has tim, usr, what. "
        "Did you mean --columns time=tim,user=usr?"
    )
    message = error_of(tmp_path, THREE.replace(",item", ",what"))
    assert message.endswith("it has time, user, what. Say which one it is with --columns item=…")


def test_neither_a_user_nor_a_session_column_is_a_missing_column(tmp_path):
    message = error_of(tmp_path, "time,item\n2020-01-01,a\n")
    assert message.startswith("clicks.csv: no column 'user' or 'session'; it has time, item")


def test_a_file_without_a_header_is_asked_for_one(tmp_path):
    assert "If the first line is no header, add one" in error_of(tmp_path, ROW)


def test_a_named_column_that_is_not_there_is_an_error_even_if_optional(tmp_path):
    message = error_of(tmp_path, THREE, columns={"title": "usr"})
    assert message == "clicks.csv has no column 'usr' (for title); it has time, user, item. Did you mean 'user'?"


def test_a_target_that_is_none_of_ours_gets_a_suggestion(tmp_path):
    assert "Did you mean 'time'?" in error_of(tmp_path, THREE, columns={"tiem": "ts"})
    assert "Did you mean 'item'?" in error_of(tmp_path, THREE, columns={"article_id": "item"})


def test_a_column_that_is_there_twice_is_refused_only_if_it_is_used(tmp_path):
    assert "2 columns called 'user'" in error_of(tmp_path, "time,user,item,user\n2020-01-01,u,i,v\n")
    assert read(tmp_path, "time,user,item,x,x\n2020-01-01,u,i,1,2\n").rows.num_rows == 1


def test_columns_that_are_null_throughout_are_left_out(tmp_path):
    assert read(tmp_path, "time,user,session,item,title\n2020-01-01,u,,i,\n").rows.column_names == [
        "publisher",
        "time",
        "user",
        "item",
    ]


def test_a_session_stands_in_where_the_user_is_empty(tmp_path):
    rows = rows_of(read(tmp_path, "time,user,session,item\n2020-01-01,,s1,a\n2020-01-01,u1, ,a\n"))
    assert [(row["user"], row["session"]) for row in rows] == [(None, "s1"), ("u1", None)]


def test_an_empty_publisher_is_the_file_and_the_notes_say_so(tmp_path):
    raw = read(tmp_path, "time,user,item,publisher\n2020-01-01,u,a,gazette\n2020-01-02,u,b,\n")
    assert [row["publisher"] for row in rows_of(raw)] == ["gazette", "clicks"]
    assert "1 rows name no publisher; it is 'clicks', after the file" in raw.notes


# ---- times


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2020-01-01", T0),
        ("2020-01-01T00:00", T0),
        ("2020-01-01 00:00:01", T0 + 1000),
        (" 2020-01-01 00:00:01 ", T0 + 1000),
        ("2020-01-01T00:00:00.5", T0 + 500),
        ("2020-01-01T00:00:00.123999", T0 + 123),
        ("2020-01-01T00:00:00.123456789Z", T0 + 123),
        ("2020-01-01T01:00:00+01:00", T0),
        ("2019-12-31T19:00:00-0500", T0),
        ("2020-01-01 00:00:00 UTC", T0),
        ("2020-01-01 00:00:00.123456+00", T0 + 123),
        ("20200101T000000Z", T0),
        ("1577836800", T0),
        ("1577836800.0", T0),
        ("1577836800.123", T0 + 123),
        ("1577836800123", T0 + 123),
        ("1990-01-01", 631_152_000_000),
        ("631152000", 631_152_000_000),
        ("2099-12-31T23:59:59.999Z", 4_102_444_799_999),
        ("4102444799999", 4_102_444_799_999),
        ("1577836800123456", T0 + 123),
        ("1577836800123456789", T0 + 123),
        ("4102444799999999999", 4_102_444_799_999),
        ("13/1/2020", T0 + 12 * 86_400_000),
        ("1/13/2020 8:05 PM", T0 + 12 * 86_400_000 + 72_300_000),
        ("13.01.2020 08:05:01.5", T0 + 12 * 86_400_000 + 29_101_500),
        ("13-01-2020 12:00 AM", T0 + 12 * 86_400_000),
    ],
)
def test_a_time_means_the_same_alone_and_next_to_a_bad_one(tmp_path, text, ms):
    alone = read(tmp_path, f"time,user,item\n{text},u,a\n")
    among = read(tmp_path, f"time,user,item\n{text},u,a\nnever,u,a\n")
    assert rows_of(alone)[0]["time"] == rows_of(among)[0]["time"] == ms


BAD_TIMES = "31/31/2019 yesterday 2020-02-30 2020-01-01T24:00:00 2020-01-01T10:00:60 0x5E0BE100 1e9 nan ١٥٧٧٨٣٦٨٠٠"


@pytest.mark.parametrize("text", BAD_TIMES.split())
def test_an_unparsable_time_is_rejected_with_its_line_and_the_way_out(tmp_path, text):
    raw = read(tmp_path, THREE + f"{text},eve,a4\n" + ROW)
    assert rows_of(raw) == [*GOOD, GOOD[0]]
    assert only_reject(raw) == (
        "clicks.csv",
        5,
        f"time '{text}' is not ISO 8601, epoch seconds or milliseconds; write it like 2019-12-31T23:59:59Z",
        f"{text},eve,a4",
    )


def test_a_row_with_a_year_9999_time_is_rejected_with_its_line(tmp_path):
    reject = only_reject(read(tmp_path, THREE + "9999-12-31T23:59:59Z,u,a\n"))
    assert (reject.line, reject.reason) == (
        5,
        "time '9999-12-31T23:59:59Z' lies outside 1990-01-01 to 2100-01-01 (UTC); correct it, or delete the row",
    )


@pytest.mark.parametrize("text", ["-1", "0", "99999999999999", "1" * 400, "-" + "9" * 5000, "631151999999"])
def test_a_number_that_is_no_time_of_ours_is_rejected(tmp_path, text):
    assert "lies outside 1990-01-01" in only_reject(read(tmp_path, f"time,user,item\n{T0},u,a\n{text},u,a\n")).reason


def test_the_end_of_the_range_is_out_and_its_beginning_is_in(tmp_path):
    raw = read(tmp_path, "time,user,item\n1990-01-01,u,a\n2100-01-01,u,b\n1989-12-31T23:59:59.999,u,c\n")
    assert [row["item"] for row in rows_of(raw)] == ["a"]


def test_the_unit_is_that_of_most_rows_and_the_others_are_rejected(tmp_path):
    raw = read(tmp_path, f"time,user,item\n1577836800,u,a\n{T0},u,b\n{T0},u,c\n2020-01-01,u,d\n")
    assert [row["item"] for row in rows_of(raw)] == ["b", "c"]
    assert raw.notes[0] == "time: epoch milliseconds"
    assert [(reject.line, reject.reason) for reject in raw.rejects] == [
        (2, said("1577836800", "epoch seconds")),
        (5, said("2020-01-01", "ISO 8601")),
    ]


def said(text, form):
    return f"time '{text}' is in {form}, but the column is in epoch milliseconds; write all times in one unit"


def test_of_two_equally_common_units_the_first_counts(tmp_path):
    raw = read(tmp_path, f"time,user,item\n1577836800,u,a\n{T0},u,b\n")
    assert raw.notes[0] == "time: epoch seconds"


def test_naive_times_are_utc_and_counted_next_to_zoned_ones(tmp_path):
    raw = read(tmp_path, "time,user,item\n2020-01-01T00:00:00,u,a\n2020-01-01T02:00:00+02:00,u,b\n")
    assert [row["time"] for row in rows_of(raw)] == [T0, T0]
    assert raw.notes[0] == "time: ISO 8601; 1 values without a zone are taken as UTC"


def test_an_unusable_publication_time_costs_the_value_and_not_the_read(tmp_path):
    raw = read(tmp_path, f"time,user,item,published\n{T0},u,a,{T0}\n{T0},u,b,soon\n{T0},u,c,\n{T0},u,d,99\n")
    assert [row["published"] for row in rows_of(raw)] == [T0, None, None, None]
    assert "published: epoch milliseconds" in raw.notes
    assert "published: 2 values cannot be used as a time and became null" in raw.notes


def test_publication_times_have_a_unit_of_their_own(tmp_path):
    assert (
        rows_of(read(tmp_path, f"time,user,item,published\n{T0},u,a,2019-12-31\n"))[0]["published"] == T0 - 86_400_000
    )


def test_rows_that_go_back_in_time_stay_where_they_are_and_are_counted(tmp_path):
    raw = read(tmp_path, f"time,user,item\n{T0 + 5},u,a\n{T0},u,b\n{T0 + 9},u,c\n{T0 + 8},u,d\n")
    assert [row["item"] for row in rows_of(raw)] == ["a", "b", "c", "d"]


def test_exact_duplicates_are_kept_and_counted(tmp_path):
    raw = read(tmp_path, THREE + ROW + ROW + "2020-01-01T00:00:00Z,ann,a2\n")
    assert raw.rows.num_rows == 6


# ---- dirty text


def test_an_empty_file_is_refused(tmp_path):
    assert error_of(tmp_path, "") == "clicks.csv is empty; export it again, with a header line"
    assert "clicks.csv.gz is empty" in error_of(tmp_path, gzip.compress(b""), "clicks.csv.gz")


def test_blank_lines_alone_are_no_table(tmp_path):
    assert "nothing but blank lines" in error_of(tmp_path, "\n\n")
    assert "nothing but blank lines" in error_of(tmp_path, "\ufeff")


def test_a_header_alone_is_refused(tmp_path):
    for text in ("time,user,item", "time,user,item\n", "time,user,item\r\n\r\n"):
        assert error_of(tmp_path, text) == "clicks.csv has a header but no rows; export it again"


def test_a_file_without_a_usable_row_has_rejects_only(tmp_path):
    raw = read(tmp_path, "time,user,item\nx,u,a\ny,u,a\n")
    assert (raw.rows.num_rows, raw.rows_in, raw.notes) == (0, 2, [])
    assert [(reject.line, reject.reason.split(" is")[0]) for reject in raw.rejects] == [
        (2, "time 'x'"),
        (3, "time 'y'"),
    ]


def test_a_line_with_the_wrong_number_of_fields_is_rejected_and_its_neighbours_are_kept(tmp_path):
    raw = read(tmp_path, THREE + "2020-01-01,u\n" + ROW + "2020-01-01,u,a,b\n")
    assert rows_of(raw) == [*GOOD, GOOD[0]]
    assert [(reject.line, reject.text) for reject in raw.rejects] == [
        (5, "2020-01-01,u"),
        (7, "2020-01-01,u,a,b"),
    ]
    assert raw.rejects[0].reason == (
        "2 fields where the header has 3: '2020-01-01,u'; quote fields that hold a comma, or correct the line"
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",u,a", "time is empty; every read needs one"),
        ("2020-01-01,u,", "item is empty; every row needs one"),
        ("2020-01-01,u, ", "item is empty; every row needs one"),
        (
            "2020-01-01,u,a\0",
            "item 'a\\x00' holds a NUL byte; the file was damaged: copy or export it again",
        ),
    ],
)
def test_a_row_that_lacks_something_is_rejected_with_its_line(tmp_path, line, reason):
    reject = only_reject(read(tmp_path, THREE + line + "\n" + ROW))
    assert reject == ("clicks.csv", 5, reason, line)


def test_bytes_that_are_not_utf8_cost_their_row_and_name_the_byte(tmp_path):
    raw = read(tmp_path, THREE.encode() + "2020-01-01,ren\xe9,a\n".encode("latin-1") + ROW.encode())
    assert rows_of(raw) == [*GOOD, GOOD[0]]
    reject = only_reject(raw)
    assert (reject.line, reject.text) == (5, "2020-01-01,ren\\xe9,a")
    assert reject.reason == (
        "user 'ren\\xe9' has the byte 0xE9, which is not UTF-8; "
        "convert it, from Latin-1 for example: iconv -f latin1 -t utf-8 clicks.csv"
    )


def test_damage_in_a_column_that_is_not_read_costs_nothing(tmp_path, monkeypatch):
    text = b"time,user,item,note\n2020-01-01,u,a,caf\xe9\0\n2020-01-01,u,b,x\n"
    for raw in both(tmp_path, text, monkeypatch):
        assert [row["item"] for row in rows_of(raw)] == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_utf16_file_without_its_mark_is_refused_with_the_way_out(tmp_path, encoding):
    assert error_of(tmp_path, THREE.encode(encoding)) == (
        "clicks.csv is not UTF-8 but looks like UTF-16; convert it: iconv -f utf-16 -t utf-8 clicks.csv"
    )


def test_blank_lines_are_dropped_and_counted_and_do_not_shift_line_numbers(tmp_path):
    raw = read(tmp_path, "\n" + THREE + "\n  \nx,u,a\n\n")
    assert rows_of(raw) == GOOD
    assert raw.dropped == {"blank line": 3}
    assert only_reject(raw).line == 8


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_other_line_ends_are_line_ends(tmp_path, monkeypatch, ending):
    for raw in both(tmp_path, THREE.replace("\n", ending), monkeypatch):
        assert rows_of(raw) == GOOD
    assert is_fast(tmp_path / "clicks.csv")
    assert only_reject(read(tmp_path, (THREE + "x,u,a\n").replace("\n", ending))).line == 5


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path, monkeypatch):
    for raw in both(tmp_path, "\ufeff" + THREE, monkeypatch):
        assert rows_of(raw) == GOOD


def test_a_last_line_without_an_end_is_a_line(tmp_path, monkeypatch):
    for raw in both(tmp_path, THREE.rstrip(), monkeypatch):
        assert rows_of(raw) == GOOD


def test_quoted_fields_may_hold_commas_quotes_and_line_ends(tmp_path):
    text = 'time,user,item,"title"\n2020-01-01,u,a,"One, ""two"""\n2020-01-01,u,b,"up\n\r\ndown"\nx,u,c,d\n'
    raw = read(tmp_path, text)
    assert [row["title"] for row in rows_of(raw)] == ['One, "two"', "up\n\r\ndown"]
    assert only_reject(raw).line == 6


def test_commas_and_quotes_within_a_line_stay_on_the_fast_path(tmp_path, monkeypatch):
    text = 'time,user,item,title\n2020-01-01,u,a,"One, ""two"""\n2020-01-01,u,"b"c,5" disk\n'
    fast, exact = both(tmp_path, text, monkeypatch)
    assert is_fast(tmp_path / "clicks.csv")
    assert rows_of(fast) == rows_of(exact)
    assert [row["item"] for row in rows_of(fast)] == ["a", "bc"]


@pytest.mark.parametrize("last", ["", "\n", '""\n'])
def test_a_stray_quote_costs_its_own_line_only(tmp_path, last):
    stray = '2020-01-01,u,"a'
    middle = read(tmp_path, f"{THREE}{stray}\n{ROW}" + '2020-01-01,"u",a9\n')
    assert [row["item"] for row in rows_of(middle)] == ["a1", "a2", "a3", "a1", "a9"]
    assert only_reject(middle).line == 5
    assert only_reject(read(tmp_path, f"{THREE}{stray}{last}")).reason.startswith("a quote opens a field and does not")


def test_an_unclosed_quote_does_not_swallow_a_long_file(tmp_path):
    raw = read(tmp_path, THREE + '2020-01-01,u,"a\n' + ROW * 3000)
    assert (raw.rows.num_rows, only_reject(raw).line) == (3003, 5)


def test_a_header_may_be_quoted_over_two_lines(tmp_path):
    raw = read(tmp_path, '"a\nnote",time,user,item\n,2020-01-01,u,a\n,x,u,a\n')
    assert (raw.rows.num_rows, only_reject(raw).line) == (1, 4)


def test_a_quote_that_opens_in_the_header_is_refused(tmp_path):
    assert "line 1: a quote in the header does not close" in error_of(tmp_path, 'time,user,"item\n' + ROW)


@pytest.mark.parametrize("name", ["clicks.csv", "clicks.csv.gz"])
def test_a_line_in_compressed_text_is_that_of_the_text(tmp_path, name):
    text = THREE + "x,u,a\n"
    assert only_reject(read(tmp_path, gzip.compress(text.encode()) if name.endswith("gz") else text, name)).line == 5


def test_ids_may_be_long_and_of_any_script(tmp_path, monkeypatch):
    ids = [
        "x" * 300_000,
        "статья-1",
        "記事",
        "9007199254740993",
        "00012",
        "null",
        "NA",
        "👩‍💻",
        " a",
        "é",
        "é",
    ]
    text = "time,user,item\n" + "".join(f"{T0},{word},{word}\n" for word in ids)
    for raw in both(tmp_path, text, monkeypatch):
        assert [row["item"] for row in rows_of(raw)] == ids


def test_a_rejected_row_is_kept_as_it_stood_but_shortened(tmp_path):
    assert only_reject(read(tmp_path, THREE + "x" * 900 + ",u,a\n")).text == "x" * 500


def test_what_is_read_in_batches_is_read_whole(tmp_path):
    text = f"time,user,item\n1577836800,u,a\n{T0},u,b\n1577836800,u,c\n1577836800,v,a\n1,u,d\n"
    raw = read(tmp_path, text, sizes=ReadSizes(chunk=20))
    assert [row["item"] for row in rows_of(raw)] == ["a", "c", "a"]
    assert [reject.line for reject in raw.rejects] == [3, 6]


# ---- typed columns


def parquet(folder, **columns):
    pq.write_table(pa.table({"time": [T0], "user": ["u"], "item": ["a"], **columns}), folder / "clicks.parquet")
    return folder / "clicks.parquet"


NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (pa.array([NOON], pa.timestamp("s", "Europe/Oslo")), "timestamps"),
        (pa.array([NOON], pa.timestamp("us", "UTC")), "timestamps"),
        (pa.array([NOON], pa.timestamp("ns")), "timestamps; 1 values without a zone are taken as UTC"),
        (pa.array([1_577_880_000], pa.int32()), "epoch seconds"),
        (pa.array([1_577_880_000_000], pa.uint64()), "epoch milliseconds"),
        (pa.array([1_577_880_000.0]), "epoch seconds"),
        (pa.array([Decimal("1577880000.000")]), "epoch seconds"),
        (pa.array(["2020-01-01T12:00:00Z"], pa.large_string()), "ISO 8601"),
        (pa.array(["2020-01-01T12:00:00Z"]).dictionary_encode(), "ISO 8601"),
        (pa.array([b"2020-01-01T12:00:00Z"]), "ISO 8601"),
    ],
)
@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_typed_times_are_understood(tmp_path, values, note, ending):
    reads = pa.table({"time": values, "user": ["u"], "item": ["a"]})
    path = tmp_path / f"clicks.{ending}"
    pq.write_table(reads, path) if ending == "parquet" else pyarrow.feather.write_feather(reads, path)
    raw = read_table(path)
    assert rows_of(raw)[0]["time"] == T0 + 12 * 3_600_000
    assert raw.notes[0] == f"time: {note}"


def test_dates_are_midnight_utc(tmp_path):
    assert rows_of(read_table(parquet(tmp_path, time=pa.array([date(2020, 1, 1)]))))[0]["time"] == T0


def test_fractions_of_float_seconds_are_milliseconds(tmp_path):
    assert rows_of(read_table(parquet(tmp_path, time=[1_577_836_800.123])))[0]["time"] == T0 + 123


def test_rejects_of_parquet_carry_their_row(tmp_path):
    year_9999 = 253_402_300_799_000_000
    columns = {
        "time": pa.array([year_9999, T0 * 1000, None, T0 * 1000, -(2**62)], pa.timestamp("us", "Europe/Oslo")),
        "user": ["u", "u", "u", None, "u"],
        "item": [1, 2, 3, 4, 5],
    }
    pq.write_table(pa.table(columns), tmp_path / "clicks.parquet")
    raw = read_table(tmp_path / "clicks.parquet")
    assert [row["item"] for row in rows_of(raw)] == ["2", "4"]
    assert [(reject.line, reject.reason.split(";")[0]) for reject in raw.rejects[:2]] == [
        (1, "time '9999-12-31 23:59:59.000000' lies outside 1990-01-01 to 2100-01-01 (UTC)"),
        (3, "time is empty"),
    ]
    assert raw.rejects[1].text == "time=, user=u, item=3"


def test_large_ids_survive_to_the_last_digit(tmp_path):
    values = {"user": pa.array([2**64 - 1], pa.uint64()), "item": pa.array([2**53 + 1], pa.int64())}
    row = rows_of(read_table(parquet(tmp_path, **values)))[0]
    assert (row["user"], row["item"]) == ("18446744073709551615", "9007199254740993")


def test_ids_that_became_floats_are_whole_numbers_again_or_refused(tmp_path):
    assert rows_of(read_table(parquet(tmp_path, user=[123.0])))[0]["user"] == "123"
    for value in (0.5, 2.0**60):
        with pytest.raises(DataError, match=r"row 1: user .* is a float, .*write the column as int64 or strings"):
            read_table(parquet(tmp_path, user=[value]))


def test_a_gap_in_a_float_id_is_empty(tmp_path):
    raw = read_table(parquet(tmp_path, user=pa.array([float("nan")]), session=["s"]))
    assert rows_of(raw)[0]["session"] == "s"


def test_a_list_is_no_id_and_no_time(tmp_path):
    with pytest.raises(DataError, match=r"item is of type list<.*, which is no id; write it as strings"):
        read_table(parquet(tmp_path, item=[["a"]]))
    with pytest.raises(DataError, match=r"time is of type list<.*; write timestamps, ISO 8601"):
        read_table(parquet(tmp_path, time=[["a"]]))


def test_parquet_text_that_is_not_utf8_costs_its_row(tmp_path):
    def strings(*values):
        offsets = struct.pack("<4i", 0, *np.cumsum([len(value) for value in values]))
        return pa.StringArray.from_buffers(3, pa.py_buffer(offsets), pa.py_buffer(b"".join(values)))

    times = strings(b"2020-01-01", b"2020-01-02", b"2020\xff")
    columns = {"time": times, "user": ["u"] * 3, "item": strings(b"a", b"\xe9", b"c")}
    pyarrow.feather.write_feather(pa.table(columns), tmp_path / "clicks.arrow")
    raw = read_table(tmp_path / "clicks.arrow")
    assert [row["item"] for row in rows_of(raw)] == ["a"]
    assert raw.rejects[0].reason.startswith("item '\\xe9' is not UTF-8")
    assert raw.rejects[1].reason.startswith("time '2020\\xff' is not ISO 8601")


def test_a_parquet_file_without_rows_or_columns_is_refused(tmp_path):
    pq.write_table(arrow_table()[:0], tmp_path / "clicks.parquet")
    with pytest.raises(DataError, match=r"has columns but no rows"):
        read_table(tmp_path / "clicks.parquet")
    pq.write_table(arrow_table().rename_columns(["tim", "user", "item"]), tmp_path / "clicks.parquet")
    with pytest.raises(DataError, match=r"no column 'time'; it has tim, user, item. Did you mean --columns time=tim\?"):
        read_table(tmp_path / "clicks.parquet")


# ---- properties

NOT_IN_A_LINE = "\r\n\0"
word = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=NOT_IN_A_LINE), min_size=1, max_size=8)
word = word.filter(lambda text: text.strip() and text.strip("\ufeff"))
moment = st.datetimes(datetime(1990, 1, 2), datetime(2099, 12, 30))
early = st.datetimes(datetime(1989, 12, 31), datetime(1990, 1, 2))
zone = st.sampled_from(["", "Z", "+05:30", "-0800", "+01", " UTC"])


def written(moments):
    return st.tuples(moments, st.sampled_from("T "), zone).map(lambda it: it[0].isoformat(it[1]) + it[2])


iso = written(moment)
seconds = st.integers(631_152_000, 4_102_444_799).map(str)
millis = st.integers(631_152_000_000, 4_102_444_799_999).map(str)
finer = st.one_of(
    st.integers(631_152_000_000_000, 4_102_444_799_999_999), st.integers(631_152 * 10**12, 4_102_444_800 * 10**9 - 1)
).map(str)
clock = st.tuples(moment, st.sampled_from(["%d/%m/%Y", "%m/%d/%Y %H:%M", "%d.%m.%Y %I:%M:%S %p"])).map(
    lambda it: it[0].strftime(it[1])
)
property_test = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def rows_with(times):
    return st.lists(st.tuples(times, word, word, st.one_of(st.just(""), word)), min_size=1, max_size=12)


rows = st.one_of(rows_with(iso), rows_with(seconds), rows_with(millis))


def quoted(text, always=False):
    return '"' + text.replace('"', '""') + '"' if always or set(text) & set('",\t') else text


def as_text(rows, mark=",", always=False):
    lines = [mark.join(quoted(field, always) for field in row) for row in rows]
    return "\n".join(["time,user,item,title".replace(",", mark), *lines, ""])


@property_test
@given(rows, st.sampled_from([("clicks.csv", ","), ("clicks.tsv", "\t")]), st.booleans())
def test_the_fast_and_the_exact_reader_agree(tmp_path, monkeypatch, rows, form, always):
    name, mark = form
    fast, exact = both(tmp_path, as_text(rows, mark, always), monkeypatch, name)
    assert is_fast(tmp_path / name)
    assert fast.rows.equals(exact.rows)
    assert (fast.rows_in, fast.notes, fast.rejects) == (exact.rows_in, exact.notes, [])
    assert [(row["user"], row["item"]) for row in rows_of(fast)] == [row[1:3] for row in rows]


@property_test
@given(st.lists(st.one_of(iso, written(early)), min_size=1, max_size=8))
def test_times_parsed_together_equal_those_parsed_one_by_one(texts):
    ms, form, naive = times.chunk_times(pa.array(texts))
    alone = [times.parse_time(text) for text in texts]
    assert list(zip(ms.tolist(), form.tolist(), strict=True)) == [each[:2] for each in alone]
    assert naive == sum(each[2] for each in alone)
    for text, each in zip(texts, ms.tolist(), strict=True):
        moment = datetime.fromisoformat(text.replace(" UTC", "Z"))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        inside = 1990 <= moment.astimezone(UTC).year < 2100
        assert each == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) * inside


@property_test
@given(st.data(), rows_with(millis))
def test_a_corrupt_line_never_costs_a_clean_one_and_all_rows_are_accounted_for(tmp_path, data, rows):
    lines = as_text(rows).encode().split(b"\n")[:-1]
    at = data.draw(st.integers(1, len(lines) - 1))
    junk = data.draw(st.one_of(st.binary(max_size=20), st.sampled_from([b'"', b"", b",,,", b"x,u,a,t", b'1,"u,a,t'])))
    lines[at] = junk.replace(b"\n", b"").replace(b"\r", b"")
    lines += [b"1577836800000,u,last,", b""]
    raw = read(tmp_path, b"\n".join(lines))
    items = [row["item"] for row in rows_of(raw)]
    assert raw.rows_in == len(lines) - 2
    clean = [row[2] for position, row in enumerate(rows, 1) if position != at]
    assert len(items) in (len(clean) + 1, len(clean) + 2)
    assert [*items[: at - 1], *items[len(items) - len(clean) + at - 2 :]] == [*clean, "last"]
    for reject in raw.rejects:
        assert reject.line == at + 1


@property_test
@given(st.data(), rows)
def test_rows_in_are_kept_rejected_or_dropped_whatever_the_bytes(tmp_path, monkeypatch, data, rows):
    text = bytearray(as_text(rows).encode())
    header = len("time,user,item,title\n")
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(header, len(text)))
        mess = st.one_of(st.binary(max_size=4), st.sampled_from([b'"', b",", b"\n", b"\r", b'""', b'"\n']))
        text[at : at + data.draw(st.integers(0, 3))] = data.draw(mess)
    try:
        fast, exact = both(tmp_path, bytes(text), monkeypatch)
    except DataError as error:
        assert str(error).startswith("clicks.csv")  # noqa: PT017
        return
    assert rows_of(fast) == rows_of(exact)
    assert (fast.rejects, fast.dropped, fast.notes) == (exact.rejects, exact.dropped, exact.notes)
    assert fast.rows_in <= len(bytes(text).splitlines()) - 1


# ---- streaming

bits = st.sampled_from(
    [
        *["1577836800000,u,a,x\n"] * 4,
        "1577836800,u,b,x\n",
        "2020-01-01,u,c,\n",
        "\n",
        "  \r\n",
        '1577836800000,u,d,"two\nlines"\n',
        '1577836800000,"u",e,"one ""line"""\n',
        '1577836800000,"u,f\n',
        "1577836800000,u\n",
        "1577836800000,,g,x\r\n",
        "soon,u,h,x\n",
        "1577836800000,u,i,x\r",
        "1577836800000,u,\udce9,x\n",
        "\ufeff,u,j,x\n",
        "1577836800000,u,,\n",
        "1577836800000, ,k,\n",
    ]
)


def account(raw):
    return raw.rows.to_pylist(), raw.rejects, raw.dropped, raw.notes, raw.rows_in, raw.kept


@property_test
@given(st.lists(bits, min_size=1, max_size=25), st.integers(1, 90), st.integers(1, 40), st.booleans())
def test_the_cuts_of_a_file_change_nothing(tmp_path, monkeypatch, lines, chunk, piece, packed):
    text = "time,user,item,title\n" + "".join(lines)
    data = text.encode(errors="surrogateescape")
    path = write(tmp_path, gzip.compress(data) if packed else data, "clicks.csv" + ".gz" * packed)
    if not text.split("\n", 1)[1].strip(" \r\n"):
        return
    whole = read_table(path)
    cut = read_table(path, sizes=ReadSizes(chunk=chunk, stretch=chunk, piece=piece))
    assert account(cut) == account(whole)
    assert account(both(tmp_path, data, monkeypatch)[1]) == account(read_table(write(tmp_path, data)))


def test_a_file_without_quotes_is_cut_into_parts_and_one_with_quotes_is_not(tmp_path):
    sizes = ReadSizes(stretch=40)
    plain = plan_table(write(tmp_path, THREE + ROW * 9), sizes=sizes)
    assert len(plain.parts) > 3
    assert rows_of(gather(plain)) == [*GOOD, *[GOOD[0]] * 9]
    assert len(plan_table(write(tmp_path, THREE + ROW * 9 + ROW.replace("ann", '"ann"')), sizes=sizes).parts) == 1


@pytest.mark.parametrize("late", ["", '"', "gz"])
def test_the_unit_is_that_of_most_rows_of_all_parts(tmp_path, late):
    text = "time,user,item\n" + "1577836800,u,a\n" * 20 + f"{T0},u,b\n" * 21 + f"{T0},u,{late}c{late}\n"
    name = "clicks.csv.gz" if late == "gz" else "clicks.csv"
    data = gzip.compress(text.encode()) if late == "gz" else text
    raw = read(tmp_path, data, name, sizes=ReadSizes(stretch=60, chunk=30))
    assert [reject.line for reject in raw.rejects] == list(range(2, 22))
    assert len(rows_of(raw)) == 22


def test_no_block_holds_much_more_than_a_chunk(tmp_path):
    record = '1577836800000,u,a,"over\ntwo lines"\n'
    path = write(tmp_path, "time,user,item,title\n" + (record * 9 + '1577836800000,"u\n') * 100)
    plan = plan_table(path, sizes=ReadSizes(chunk=1000, piece=100))
    blocks = [block for part in plan.parts for block in plan.read(part)]
    assert sum(block.kept for block in blocks) == 900
    assert max(block.lines for block in blocks) < 120


@property_test
@given(
    st.lists(st.one_of(iso, seconds, millis, finer, clock, written(early), word, st.just("")), min_size=1, max_size=9)
)
def test_usual_times_are_those_that_are_parsed_one_by_one(texts):
    column = pa.array(texts, pa.string())
    alone = [times.parse_time(text.strip()) for text in texts]
    found = usual_times(*places_of(column))
    if found is not None:
        ms, form, naive = found
        assert list(zip(ms.tolist(), form.tolist(), strict=True)) == [each[:2] for each in alone]
        assert naive == sum(each[2] for each in alone)


@pytest.mark.parametrize(
    "text",
    [
        *("1577836800", "1577836800000", "1577836800000000000", "2020-01-01", "2020-01-01 00:00:00", ""),
        *("2020-01-01T00:00:00Z", "2020-01-01T00:00:00.5+01:00", "2020-12-31T23:59:59.999999-23:59"),
    ],
)
def test_usual_times_need_no_closer_look(text):
    assert usual_times(*places_of(pa.array([text, text]))) is not None


@pytest.mark.parametrize(
    "text", ["2020-02-29", "1990-12-31", "+1577836800", "1577836800.5", " 1577836800", "31/12/2019"]
)
def test_unusual_times_need_a_closer_look(text):
    assert usual_times(*places_of(pa.array(["2020-01-01", text]))) is None


@pytest.mark.parametrize("name", ["clicks.parquet", "clicks.arrow"])
def test_row_groups_and_batches_are_parts_and_blocks(tmp_path, name):
    rows = pa.table({"time": [*range(1577836800, 1577836819), T0], "user": ["u"] * 20, "item": list(range(20))})
    path = tmp_path / name
    if name == "clicks.parquet":
        pq.write_table(rows, path, row_group_size=4)
    else:
        pyarrow.feather.write_feather(rows, path, chunksize=4)
    plan = plan_table(path, sizes=ReadSizes(rows=3, part_rows=5))
    assert len(plan.parts) == 3
    raw = gather(plan)
    assert [row["item"] for row in rows_of(raw)] == [str(item) for item in range(19)]
    assert only_reject(raw).line == 20
    assert max(block.records for part in plan.parts for block in plan.read(part)) <= 3


@property_test
@given(
    st.lists(
        st.one_of(st.none(), st.sampled_from([0, 1, T0 // 1000, T0 // 1000 + 1, T0, T0 * 1000, T0 * 10**6, 2**62, -5])),
        min_size=1,
        max_size=9,
    ),
    st.sampled_from(["int64", "uint64"]),
)
def test_statistics_tell_the_unit_that_the_values_have(tmp_path, values, kind):
    times_ = pa.array([value if kind == "int64" or (value or 0) >= 0 else 0 for value in values], kind)
    rows = pa.table({"time": times_, "user": ["u"] * len(values), "item": ["a"] * len(values)})
    found = []
    for told in (True, False):
        pq.write_table(rows, tmp_path / "clicks.parquet", row_group_size=3, write_statistics=told)
        found.append(account(read_table(tmp_path / "clicks.parquet")))
    assert found[0] == found[1]


def test_a_float_that_is_no_id_is_told_by_its_row_in_the_file(tmp_path):
    ids = pa.table({"time": [T0] * 9, "user": [1.0] * 8 + [0.5], "item": ["a"] * 9})
    pq.write_table(ids, tmp_path / "clicks.parquet", row_group_size=2)
    with pytest.raises(DataError, match=r"row 9: user 0\.5 is a float"):
        read_table(tmp_path / "clicks.parquet")


def test_an_arrow_file_with_a_code_outside_its_dictionary_is_refused(tmp_path):
    codes = pa.DictionaryArray.from_arrays(pa.array([7], pa.int32()), pa.array(["a"]), safe=False)
    broken = pa.table({"time": [T0], "user": ["u"], "item": codes})
    pyarrow.feather.write_feather(broken, tmp_path / "clicks.arrow", compression="uncompressed")
    with pytest.raises(DataError, match=r"cannot be read as Arrow IPC: a code is outside its dictionary"):
        read_table(tmp_path / "clicks.arrow")


@pytest.mark.parametrize(("second", "publisher"), [("gazette", "gazette"), ("tribune", None)])
def test_articles_that_name_no_publisher_belong_to_the_only_one(tmp_path, second, publisher):
    write(tmp_path, f"time,user,item,publisher\n{T0},u,a,gazette\n{T0},u,b,{second}\n", "reads.csv")
    write(tmp_path, "item,category\na,news\n", "articles.csv")
    assert plan_table(tmp_path).publisher == publisher


def test_a_name_that_is_not_utf8_is_written_with_escapes(tmp_path):
    path = tmp_path / "gaz\udce9.csv"
    path.write_text(THREE + "x,u,a\n")
    raw = read_table(path)
    assert (rows_of(raw)[0]["publisher"], only_reject(raw).file) == ("gaz\\udce9", "gaz\\udce9.csv")


def test_a_header_of_very_many_names_makes_a_short_error(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text("tim," + ",".join(["x" * 1000] * 5000) + "\n1,2\n")
    with pytest.raises(DataError, match=r"it has tim, x+….* and 4,981 more") as caught:
        plan_table(path)
    assert len(str(caught.value)) < 4_000


def test_a_parquet_file_whose_column_name_is_no_text_is_refused(tmp_path):
    path = tmp_path / "odd.parquet"
    pq.write_table(pa.table({"time": [T0], "user": ["u"], "item": ["a"], "blåbær": ["x"]}), path)
    path.write_bytes(path.read_bytes().replace("blåbær".encode(), b"bl\xe5\xe5b\xe6\xe6r"))
    with pytest.raises(DataError, match=r"odd\.parquet cannot be read as Parquet"):
        plan_table(path)


# ---- against the slow reader

TIMES = st.sampled_from(
    [
        *(
            "2020-01-01T00:00:00Z",
            "2020-01-01 00:00:01",
            "2020-01-01T01:00:00.123+01:00",
            "1577836800",
            "1577836800123",
        ),
        *("1577836800123456", "1577836800123456789", "13/01/2020 10:00", "1/13/2020", "2/1/2020"),
        *("", "  ", "noon", "1", "1899-01-01T00:00:00Z", "99999999999999999999"),
    ]
)
CELLS = st.sampled_from(["a", "b c", "007", "", "  ", '"', "x,y", "two\nlines", "ü", " padded "])
COLUMNS = ("time", "user", "session", "item", "publisher", "published", "category", "title", "other")


@given(
    names=st.permutations(COLUMNS).map(lambda order: [*order[:4], *({"time", "item", "user"} - {*order[:4]})]),
    rows=st.lists(st.lists(st.tuples(TIMES, CELLS), min_size=7, max_size=7), min_size=1, max_size=12),
    short=st.sets(st.integers(0, 11)),
    chunk=st.sampled_from([40, 8 << 20]),
)
@settings(max_examples=200, deadline=None)
def test_any_well_quoted_table_is_read_as_the_slow_reader_reads_it(names, rows, short, chunk):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for number, row in enumerate(rows):
        cells = [
            time if name in ("time", "published") else cell for name, (time, cell) in zip(names, row, strict=False)
        ]
        # Of a record of another width only the first line is taken for it.
        writer.writerow([cell.replace("\n", " ") for cell in cells[:-1]] if number in short else cells)
    slow = naive_table.read_csv(text.getvalue(), "gazette")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gazette.csv"
        path.write_text(text.getvalue(), encoding="utf-8", newline="")
        if slow is None:
            with pytest.raises(DataError, match=r"may be day/month/year or month/day/year, and no date decides"):
                plan_table(path)
            return
        raw = reading.read(plan_table(path, sizes=ReadSizes(chunk=chunk)))
    assert [row._replace(publisher=row.publisher or "gazette") for row in reading.rows_of(raw)] == slow.rows
    assert [reject.line for reject in raw.rejects] == slow.rejects
    assert raw.dropped.get("blank line", 0) == slow.blank


def test_a_file_that_says_its_rows_are_made_up_is_believed_and_cannot_break_a_line(tmp_path):
    path = tmp_path / "synth.parquet"
    table = pa.table({"time": [T0], "user": ["u"], "item": ["a"]})
    pq.write_table(table, path)
    assert plan_table(path).made_up == []
    pq.write_table(table.replace_schema_metadata({MADE_UP: "Every\nthing: " + "x" * 1000}), path)
    (told,) = plan_table(path).made_up
    assert told.startswith("Every\\nthing: x")
    assert len(told) < 600

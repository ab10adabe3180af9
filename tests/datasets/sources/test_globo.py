"""Globo.com hour files: what is read, what is left out, and what is said about it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.datasets.base import Raw, gather
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.datasets.sources.globo import EARLIEST, LATEST, plan_globo
from newsreplay.errors import DataError
from tests.naive import globo as naive_globo
from tests.reading import articles_of, read, rows_of

HEADER = (
    "user_id,session_id,session_start,session_size,click_article_id,click_timestamp,click_environment,"
    "click_deviceGroup,click_os,click_country,click_region,click_referrer_type"
)
FIRST = "0,1506825423271737,1506825423000,2,157541,1506826828020,4,3,20,1,20,2"
SECOND = "0,1506825423271737,1506825423000,2,68866,1506826858020,4,3,20,1,20,2"
THIRD = "1,1506825426267738,1506825426000,2,235840,1506827017951,4,1,17,1,16,2"
ARTICLES = "article_id,category_id,created_at_ts,publisher_id,words_count\n973,1,1453205323000,0,224\n"


def read_globo(path: Path) -> Raw:
    return gather(plan_globo(path))


def click(user: object = 0, session: object = 9, item: object = 5, time: object = 1_506_826_828_020) -> str:
    return f"{user},{session},1506825423000,2,{item},{time},4,3,20,1,20,2"


def globo(folder: Path, *files: list[str] | bytes, articles: str | None = ARTICLES) -> Path:
    """A folder of hour files, each either lines below the usual header or bytes as they are."""
    (folder / "clicks").mkdir()
    for hour, content in enumerate(files):
        data = content if isinstance(content, bytes) else "\n".join([HEADER, *content, ""]).encode()
        (folder / "clicks" / f"clicks_hour_{hour:03}.csv").write_bytes(data)
    if articles is not None:
        (folder / "articles_metadata.csv").write_text(articles, encoding="utf-8")
    return folder


def column(table: pa.Table | None, name: str) -> list[object]:
    assert table is not None
    return list(table[name].to_pylist())


def adds_up(raw: Raw) -> bool:
    articles = 0 if raw.articles is None else raw.articles.num_rows
    return raw.rows_in == raw.rows.num_rows + articles + len(raw.rejects) + sum(raw.dropped.values())


def test_clicks_keep_the_order_of_files_and_lines(tmp_path: Path) -> None:
    raw = read_globo(globo(tmp_path, [FIRST, SECOND], [THIRD]))
    assert column(raw.rows, "item") == ["157541", "68866", "235840"]
    assert column(raw.rows, "time") == [1506826828020, 1506826858020, 1506827017951]
    assert column(raw.rows, "user") == ["0", "0", "1"]
    assert column(raw.rows, "session") == ["1506825423271737"] * 2 + ["1506825426267738"]
    assert raw.rows_in == 3 + 1  # and an article
    assert not raw.rejects
    assert not raw.dropped


def test_ids_are_dictionary_encoded_strings_and_times_int64(tmp_path: Path) -> None:
    reads = read_globo(globo(tmp_path, [FIRST, SECOND], [THIRD])).rows
    encoded = pa.dictionary(pa.int32(), pa.string())
    assert {name: reads.schema.field(name).type for name in ("user", "session", "item")} == {
        "user": encoded,
        "session": encoded,
        "item": encoded,
    }
    assert reads.schema.field("time").type == pa.int64()
    assert all(column.null_count == 0 for column in reads.columns)


def test_ids_of_any_length_are_kept_as_they_stand(tmp_path: Path) -> None:
    raw = read_globo(globo(tmp_path, [click("007", "9" * 25, "0"), click("7", "1", "00")]))
    assert column(raw.rows, "user") == ["007", "7"]
    assert column(raw.rows, "session") == ["9" * 25, "1"]
    assert column(raw.rows, "item") == ["0", "00"]


def test_a_session_that_spans_two_files_is_one_session(tmp_path: Path) -> None:
    raw = read_globo(globo(tmp_path, [click(session=4)], [click(session=4, item=6)]))
    assert column(raw.rows, "session") == ["4", "4"]
    assert len(raw.rows["session"].chunk(0).dictionary) == 1


def test_hour_1000_comes_after_hour_999(tmp_path: Path) -> None:
    for hour in (1000, 999):
        (tmp_path / f"clicks_hour_{hour}.csv").write_text(f"{HEADER}\n{click(item=hour)}\n", encoding="utf-8")
    assert column(read_globo(tmp_path).rows, "item") == ["999", "1000"]


def test_click_files_may_lie_directly_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "clicks_hour_000.csv").write_text(f"{HEADER}\n{FIRST}\n", encoding="utf-8")
    (tmp_path / "clicks_sample.csv").write_text("something else\n", encoding="utf-8")
    (tmp_path / "._clicks_hour_000.csv").write_bytes(b"\0\5\26\7")
    assert read_globo(tmp_path).rows.num_rows == 1


@pytest.mark.parametrize(
    ("names", "clicks", "note"),
    [
        (("clicks/clicks/clicks_hour_000.csv", "clicks_sample.csv"), ["0"], "the same clicks again: clicks_sample.csv"),
        (("clicks/clicks_hour_000.csv", "clicks.csv"), ["0"], "the same clicks again: clicks.csv"),
        (("clicks_sample.csv",), ["0"], "clicks_sample.csv holds the first clicks of these data only"),
        (("clicks.csv", "clicks_sample.csv"), ["0"], "the same clicks again: clicks_sample.csv"),
        (("clicks/clicks.csv",), ["0"], "click files: 1"),
    ],
)
def test_the_layouts_of_kaggle_are_read(tmp_path: Path, names: tuple[str, ...], clicks: list[str], note: str) -> None:
    for number, name in enumerate(names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{HEADER}\n{click(user=number)}\n")
    raw = read_globo(tmp_path)
    assert column(raw.rows, "user") == clicks
    assert any(note in one for one in raw.notes)


def test_a_large_file_is_read_in_parts_with_its_line_numbers(tmp_path: Path) -> None:
    lines = [click(item=item) for item in range(100)]
    (tmp_path / "clicks.csv").write_text("\n".join([HEADER, *lines, click(user="anna"), ""]))
    plan = plan_globo(tmp_path, sizes=ReadSizes(stretch=1_000))
    assert len(plan.parts) > 3
    raw = gather(plan)
    assert column(raw.rows, "item") == [str(item) for item in range(100)]
    assert [(reject.file, reject.line) for reject in raw.rejects] == [("clicks.csv", 102)]
    assert adds_up(raw)


def test_whole_numbers_written_as_decimals_are_whole_numbers(tmp_path: Path) -> None:
    rows = [
        "0.0,9007199254740993.0,1,2,5.0,1506826828020.0,4,3,20,1,20,2",
        "007.0,9.0,1,2,5.0,1506826828020.0,4,3,20,1,2,2",
    ]
    rows += ["1,9.0,1,2,5.0,1506826828020.0,4,3,20,1,20,2", "2.0,9.0,1,2,5.5,1506826828020.0,4,3,20,1,20,2"]
    articles = (
        "article_id,category_id,created_at_ts,publisher_id,words_count\n973.0,,1453205323000.0,0,224\n974.0,1.0,,0,1\n"
    )
    raw = read_globo(globo(tmp_path, rows, rows[:1], articles=articles))
    assert column(raw.rows, "user") == ["0", "0"]
    assert column(raw.rows, "session") == ["9007199254740993"] * 2
    assert column(raw.rows, "time") == [1506826828020] * 2
    assert column(raw.articles, "published") == [1453205323000, None]
    assert column(raw.articles, "category") == [None, "1"]
    assert [reject.line for reject in raw.rejects] == [3, 4, 5]
    assert "is not of the form 12.0, as the first value of its column is" in raw.rejects[0].reason
    assert "user_id written as 12.0, read as 12: 2" in raw.notes
    assert adds_up(raw)


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_line_ends_of_any_system_are_understood(tmp_path: Path, end: str) -> None:
    raw = read_globo(globo(tmp_path, end.join([HEADER, FIRST, SECOND, ""]).encode()))
    assert column(raw.rows, "item") == ["157541", "68866"]
    assert not raw.rejects


def test_a_byte_order_mark_and_a_missing_last_line_end_do_no_harm(tmp_path: Path) -> None:
    raw = read_globo(globo(tmp_path, f"{HEADER}\n{FIRST}".encode("utf-8-sig")))
    assert column(raw.rows, "user") == ["0"]


def test_columns_are_found_by_name_and_further_ones_ignored(tmp_path: Path) -> None:
    data = b"note,click_timestamp,click_article_id,session_id,user_id\nhi,1506826828020,5,9,3\n"
    raw = read_globo(globo(tmp_path, data))
    assert raw.rows.select(["user", "session", "item", "time"]).to_pylist() == [
        {"user": "3", "session": "9", "item": "5", "time": 1506826828020}
    ]


def test_articles_carry_publication_time_and_category(tmp_path: Path) -> None:
    raw = read_globo(globo(tmp_path, [FIRST]))
    assert raw.articles is not None
    assert raw.articles.to_pylist() == [{"item": "973", "published": 1453205323000, "category": "1"}]


@pytest.mark.parametrize("time", ["", "0", "-1", "1453205323", "soon", "99999999999999999999", "9" * 5000])
def test_an_article_without_a_usable_time_is_given_without_one(tmp_path: Path, time: str) -> None:
    raw = read_globo(globo(tmp_path, [FIRST], articles=f"{ARTICLES}974,2,{time},0,10\n"))
    assert column(raw.articles, "published") == [1453205323000, None]
    assert column(raw.articles, "category") == ["1", "2"]
    assert "articles without a usable created_at_ts: 1; known when first read" in raw.notes
    assert not raw.rejects


def test_an_article_without_a_category_is_given_without_one(tmp_path: Path) -> None:
    raw = read_globo(globo(tmp_path, [FIRST], articles=f"{ARTICLES}974,,1453205323000,0,10\n"))
    assert column(raw.articles, "category") == ["1", None]
    assert "articles without a usable category_id: 1" in raw.notes


def test_a_metadata_line_that_names_no_article_is_a_reject(tmp_path: Path) -> None:
    raw = read_globo(globo(tmp_path, [FIRST], articles=f"{ARTICLES},2,1453205323000,0,10\n97"))
    assert column(raw.articles, "item") == ["973"]
    assert [(reject.file, reject.line) for reject in raw.rejects] == [
        ("articles_metadata.csv", 3),
        ("articles_metadata.csv", 4),
    ]
    assert adds_up(raw)


def test_missing_metadata_are_said(tmp_path: Path) -> None:
    raw = read_globo(globo(tmp_path, [FIRST], articles=None))
    assert raw.articles is None
    assert any(note.startswith("no articles_metadata.csv") for note in raw.notes)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0,15068", "12 cells are expected, the line has 2"),
        (f"{FIRST},7", "12 cells are expected, the line has 13"),
        (click(time="soon"), "click_timestamp 'soon' is not a time"),
        (click(time=""), "click_timestamp '' is not a time"),
        (click(time="1506826828020.5"), "click_timestamp '1506826828020.5' is not a time"),
        (click(time="0x15ed8ac0"), "click_timestamp '0x15ed8ac0' is not a time"),
        (click(time=-5), "click_timestamp '-5' is outside 1990 to 2100"),
        (click(time=1506826828), "click_timestamp '1506826828' is outside 1990 to 2100"),
        (click(time=253_370_764_800_000), "click_timestamp '253370764800000' is outside 1990 to 2100"),
        (click(time=EARLIEST - 1), "is outside 1990 to 2100"),
        (click(time=LATEST), "is outside 1990 to 2100"),
        (click(time="9" * 30), "is outside 1990 to 2100"),
        (click(time="9" * 5000), "is outside 1990 to 2100"),
        (click(user=""), "user_id '' is not an id"),
        (click(user=-1), "user_id '-1' is not an id"),
        (click(user="anna"), "user_id 'anna' is not an id"),
        (click(user="١"), "user_id '١' is not an id"),
        (click(user='"1"'), "user_id '\"1\"' is not an id"),
        (click(session="NULL"), "session_id 'NULL' is not an id"),
        (click(item="12.0"), "click_article_id '12.0' is not an id"),
        (click(item=" 5"), "click_article_id ' 5' is not an id"),
        (click(item="5\0"), "the line holds a NUL byte"),
        ("\0" * 40, "the line holds a NUL byte"),
    ],
)
def test_a_line_that_cannot_be_used_is_a_reject_and_its_neighbours_are_read(
    tmp_path: Path, line: str, reason: str
) -> None:
    raw = read_globo(globo(tmp_path, [FIRST], [SECOND, line, THIRD]))
    assert column(raw.rows, "item") == ["157541", "68866", "235840"]
    (reject,) = raw.rejects
    assert (reject.file, reject.line) == ("clicks_hour_001.csv", 3)
    assert reason in reject.reason
    assert len(reject.reason) < 200
    assert reject.text == line[:500]
    assert raw.rows_in == 4 + 1
    assert adds_up(raw)


def test_bytes_that_are_no_text_are_a_reject(tmp_path: Path) -> None:
    raw = read_globo(globo(tmp_path, f"{HEADER}\n{FIRST}\n".encode() + b"\xff\xfe,1\n"))
    assert raw.rows.num_rows == 1
    assert raw.rejects[0].text == "\N{REPLACEMENT CHARACTER}" * 2 + ",1"


def test_times_from_1990_up_to_2100_are_read(tmp_path: Path) -> None:
    raw = read_globo(globo(tmp_path, [click(time=EARLIEST), click(time=LATEST - 1)]))
    assert column(raw.rows, "time") == [EARLIEST, LATEST - 1]


def test_a_file_reads_the_same_at_once_and_line_by_line(tmp_path: Path) -> None:
    lines = [FIRST, SECOND, THIRD, click("007", "0", "5")]
    (tmp_path / "clean").mkdir()
    (tmp_path / "damaged").mkdir()
    clean = read_globo(globo(tmp_path / "clean", lines)).rows
    damaged = read_globo(globo(tmp_path / "damaged", [*lines, "?"])).rows
    assert clean.schema == damaged.schema
    assert clean.to_pylist() == damaged.to_pylist()


def test_blank_lines_are_no_rows_but_count_as_lines(tmp_path: Path) -> None:
    raw = read_globo(globo(tmp_path, [FIRST, "", "  ", "broken", ""]))
    assert [reject.line for reject in raw.rejects] == [5]
    assert raw.rows_in == 2 + 1


def test_a_log_of_nothing_but_rejects_still_adds_up(tmp_path: Path) -> None:
    raw = read_globo(globo(tmp_path, ["broken", "1,2"]))
    assert raw.rows.num_rows == 0
    assert raw.rows_in == 2 + 1
    assert len(raw.rejects) == 2


def test_the_imputed_last_click_the_source_and_the_terms_are_said(tmp_path: Path) -> None:
    raw = read_globo(globo(tmp_path, [FIRST]))
    assert "exactly 30 seconds after the click before it" in raw.made_up[0]
    assert "News Portal User Interactions by Globo.com" in raw.source
    assert "kaggle.com" in raw.source
    assert "Kaggle page" in raw.licence


@pytest.mark.parametrize("nothing", [b"", b"\n\n", f"{HEADER}\n".encode(), HEADER.encode()])
def test_a_file_without_clicks_is_named(tmp_path: Path, nothing: bytes) -> None:
    raw = read_globo(globo(tmp_path, [FIRST], nothing))
    assert raw.rows_in == 1 + 1
    assert "no clicks in clicks_hour_001.csv: empty, or only a header" in raw.notes


def test_empty_metadata_are_metadata_of_no_article(tmp_path: Path) -> None:
    raw = read_globo(globo(tmp_path, [FIRST], articles=""))
    assert raw.articles is not None
    assert raw.articles.num_rows == 0
    assert "articles with metadata: 0" in raw.notes


def test_a_missing_column_is_named_with_file_and_line(tmp_path: Path) -> None:
    data = HEADER.replace("click_timestamp", "time").encode()
    with pytest.raises(DataError, match=r"clicks_hour_001\.csv line 1: column 'click_timestamp' is missing"):
        read_globo(globo(tmp_path, [FIRST], data))


def test_a_file_without_its_header_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"clicks_hour_000\.csv line 1: column 'user_id' is missing"):
        read_globo(globo(tmp_path, f"{FIRST}\n".encode()))


def test_a_column_that_stands_there_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'user_id' stands there more than once"):
        read_globo(globo(tmp_path, f"{HEADER},user_id\n{FIRST},3\n".encode()))


def test_metadata_without_a_needed_column_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"articles_metadata\.csv line 1: column 'created_at_ts' is missing"):
        read_globo(globo(tmp_path, [FIRST], articles="article_id,category_id\n1,2\n"))


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: None, "there is no such folder"),
        (lambda path: path.mkdir(), "found an empty folder"),
        (lambda path: path.write_text(FIRST, encoding="utf-8"), "found a file, not a folder"),
        (lambda path: (path / "clicks_hour_000.csv").mkdir(parents=True), r"found clicks_hour_000\.csv"),
    ],
)
def test_a_folder_without_click_files_says_what_is_expected_and_where_to_get_it(
    tmp_path: Path, make: object, found: str
) -> None:
    path = tmp_path / "globo"
    assert callable(make)
    make(path)
    with pytest.raises(DataError, match=found) as error:
        read_globo(path)
    for part in ("clicks/clicks_hour_*.csv", "articles_metadata.csv", "https://www.kaggle.com/"):
        assert part in str(error.value)


def test_a_long_folder_listing_is_cut(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number:02}.txt").touch()
    with pytest.raises(DataError, match=r"found 00\.txt, .*, 09\.txt, …\. Expected"):
        read_globo(tmp_path)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *mode: str) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    folder = globo(tmp_path, [FIRST])
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"clicks_hour_000\.csv cannot be read: Permission denied"):
        read_globo(folder)


def test_the_real_log_has_its_901032_clicks_318563_sessions_and_175775_users() -> None:
    data = os.environ.get("NEWSREPLAY_TEST_DATA")
    if not data:
        pytest.skip("set NEWSREPLAY_TEST_DATA to a folder with globo/ to read the real log")
    if not (Path(data) / "globo").is_dir():
        pytest.skip("the folder of NEWSREPLAY_TEST_DATA has no globo/")
    raw = read_globo(Path(data) / "globo")
    assert raw.rows.num_rows == 901_032
    assert raw.rows_in == raw.kept == 901_032 + 9_867
    assert {name: len(raw.rows[name].unique()) for name in ("session", "user", "item")} == {
        "session": 318_563,
        "user": 175_775,
        "item": 16_998,
    }
    assert raw.articles is not None
    assert raw.articles.num_rows == 9_867
    assert raw.articles["published"].null_count == 0
    last = raw.rows.to_pandas().sort_values("time", kind="stable").groupby("session", observed=True)["time"]
    assert (last.nth(-1).to_numpy().sum() - last.nth(-2).to_numpy().sum()) == 30_000 * 318_563


def same_as_the_slow_reader(folder: Path) -> None:
    raw, slow = read(plan_globo(folder)), naive_globo.read_globo(folder)
    assert rows_of(raw) == slow.rows
    assert articles_of(raw) == slow.articles
    assert [(reject.file, reject.line) for reject in raw.rejects] == slow.rejects


CELLS = st.sampled_from(["5", "007", "9" * 25, "1506826828020", "-1", "", "x", "5 ", "\0", "1e3", "ü", "631151999999"])
LINES = st.one_of(
    st.just(FIRST),
    st.builds(click, CELLS, CELLS, CELLS, CELLS),
    st.sampled_from(["", "  ", "1,2", FIRST + ",3", '"0",1,2', FIRST + "\r"]),
)


@given(files=st.lists(st.lists(LINES, max_size=6), min_size=1, max_size=3), articles=st.lists(CELLS, max_size=5))
@settings(max_examples=150, deadline=None)
def test_any_files_are_read_as_the_slow_reader_reads_them(files: list[list[str]], articles: list[str]) -> None:
    lines = [f"{cell},{articles[0]},{articles[-1]},0,1" for cell in articles]
    with tempfile.TemporaryDirectory() as folder:
        same_as_the_slow_reader(globo(Path(folder), *files, articles="\n".join([ARTICLES.split("\n")[0], *lines])))


def test_the_real_log_is_read_as_the_slow_reader_reads_it(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "clicks").mkdir()
    for hour in (0, 41, 95):
        name = f"clicks/clicks_hour_{hour:03}.csv"
        shutil.copy(real_data / "globo" / name, tmp_path / name)
    shutil.copy(real_data / "globo" / "articles_metadata.csv", tmp_path)
    same_as_the_slow_reader(tmp_path)


def test_further_columns_are_kept_and_what_is_no_number_in_them_is_null(tmp_path: Path) -> None:
    odd = FIRST.removesuffix(",2") + ",web"
    raw = gather(plan_globo(globo(tmp_path, [FIRST, odd]), keep=["click_deviceGroup", "click_referrer_type"]))
    assert column(raw.rows, "extra.click_deviceGroup") == ["3", "3"]
    assert column(raw.rows, "extra.click_referrer_type") == ["2", None]
    assert raw.rejects == []
    with pytest.raises(DataError, match="column 'click_device' is missing"):
        gather(plan_globo(tmp_path, keep=["click_device"]))


def test_a_first_line_without_an_end_is_no_header(tmp_path: Path) -> None:
    long = f"{HEADER}{' ' * 70_000}\n{FIRST}\n".encode()
    with pytest.raises(DataError, match=r"line 1 is longer than 65,536 bytes, and so no header"):
        read_globo(globo(tmp_path, long))


def test_the_size_that_a_session_will_have_cannot_be_kept(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'session_size' is known after its row only"):
        plan_globo(globo(tmp_path, [FIRST]), keep=["click_os", "session_size"])

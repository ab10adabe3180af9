"""StreamingRec's files, in both forms: what is read, what is left out, and what is said about it."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.datasets.base import Raw
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.datasets.sources import streamingrec
from newsreplay.datasets.sources.streamingrec import EARLIEST, LATEST, plan_streamingrec
from newsreplay.errors import DataError
from newsreplay.log.rows import READ
from tests.naive.csv_sources import read_streamingrec
from tests.reading import Article, Row, articles_of, read, rows_of

NEW = "ItemID,UserId,TimeStamp"
PLISTA = "Publisher,Category,ItemID,Cookie,Timestamp,keywords"
ITEMS = "Publisher,CreatedAt,ItemID,URL,Title"
TIME = 1_383_778_799_938


def folder_of(folder: Path, clicks: str | bytes, items: str | bytes | None = None) -> Path:
    for name, content in (("Clicks.csv", clicks), ("Items.csv", items)):
        if content is not None:
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def of(folder: Path, clicks: str | bytes, items: str | bytes | None = None) -> Raw:
    return read(plan_streamingrec(folder_of(folder, clicks, items)))


def test_a_click_is_a_read_without_a_session(tmp_path: Path) -> None:
    raw = of(tmp_path, f"{NEW}\n147354771,9007199254740993,{TIME}\n007,0,{TIME}\n")
    assert rows_of(raw) == [Row(READ, TIME, "147354771", "9007199254740993"), Row(READ, TIME, "007", "0")]
    assert plan_streamingrec(tmp_path).publisher == "streamingrec"


def test_the_older_form_names_publisher_and_category(tmp_path: Path) -> None:
    raw = of(tmp_path, f"{PLISTA}\n418,17,5,9,{TIME},word-2#other-1\n1677,0,6,9,{TIME}\n")
    assert rows_of(raw) == [
        Row(READ, TIME, "5", "9", publisher="418", facts=(("category", "17"),)),
        Row(READ, TIME, "6", "9", publisher="1677"),
    ]
    assert plan_streamingrec(tmp_path).publisher is None


def test_clicks_on_nothing_are_left_out_by_a_rule_and_those_of_nobody_are_kept(tmp_path: Path) -> None:
    raw = of(tmp_path, f"{PLISTA}\n418,1,null,9,{TIME},\n418,1,0,0,{TIME},\n418,1,5,0,{TIME},\n418,1,5,9,{TIME},\n")
    assert raw.dropped == {"click on no article (ItemID null, or 0 in plista's form)": 2}
    assert [(row.item, row.user) for row in rows_of(raw)] == [("5", None), ("5", "9")]


@pytest.mark.parametrize("reader", ["", "null"])
def test_a_click_without_a_reader_is_kept(tmp_path: Path, reader: str) -> None:
    raw = of(tmp_path, f"{NEW}\n5,{reader},{TIME}\n6,9,{TIME}\n")
    assert [row.user for row in rows_of(raw)] == [None, "9"]


ITEM = "418,2013-11-06 07:00:00,5,http://news.test/5,A title,17,Some text,word-2"


def test_items_have_more_cells_than_their_header(tmp_path: Path) -> None:
    raw = of(
        tmp_path,
        f"{NEW}\n5,9,{TIME}\n",
        f"{ITEMS}\n{ITEM}\n1,2013-11-06 07:00:00,6,,null,0,null,\n1,soon,7,u,Short\n",
    )
    morning = 1_383_721_200_000
    assert articles_of(raw) == [
        Article("5", None, morning, (("body", "Some text"), ("category", "17"), ("title", "A title"))),
        Article("6", None, morning),
        Article("7", None, None, (("title", "Short"),)),
    ]
    assert "articles without a usable CreatedAt; known when first read: 1" in raw.notes


def test_articles_have_a_publisher_where_clicks_have_one(tmp_path: Path) -> None:
    (article,) = articles_of(of(tmp_path, f"{PLISTA}\n418,17,5,9,{TIME},\n", f"{ITEMS}\n{ITEM}\n"))
    assert article.publisher == "418"


@pytest.mark.parametrize(
    ("created", "hour"),
    [("12:30:00", 0), ("00:30:00", 0), ("01:30:00", 1), ("11:30:00", 11), ("13:30:00", 13), ("23:30:00", 23)],
)
def test_on_a_clock_of_twelve_hours_12_is_0(tmp_path: Path, created: str, hour: int) -> None:
    raw = of(tmp_path, f"{NEW}\n", f"{ITEMS}\n1,1990-01-01 {created},5,u,t,1,x,\n")
    assert [article.published for article in articles_of(raw)] == [EARLIEST + hour * 3_600_000 + 1_800_000]


@pytest.mark.parametrize(
    "created",
    [
        "",
        "null",
        "2013-02-30 01:00:00",
        "2013-02-03",
        "2013-02-03T01:00:00",
        "1989-12-31 11:00:00",
        "2100-01-01 01:00:00",
        "2013-02-03 24:00:00",
        "2013-2-03  01:00:00",
        "２013-02-03 01:00:00",
    ],
)
def test_a_created_at_that_is_none_is_not_told(tmp_path: Path, created: str) -> None:
    raw = of(tmp_path, f"{NEW}\n", f"{ITEMS}\n1,{created},5,u,t,1,x,\n")
    assert [article.published for article in articles_of(raw)] == [None]


def test_that_publications_may_be_12_hours_early_is_said(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, f"{NEW}\n", f"{ITEMS}\n")
    plan = plan_streamingrec(folder)
    assert any("12-hour clock" in note for note in read(plan).notes)
    assert "12 hours before it was" in plan.made_up[0]
    (folder / "Items.csv").unlink()
    plan = plan_streamingrec(folder)
    assert not plan.made_up
    assert any(note.startswith("no Items.csv") for note in read(plan).notes)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("5,9", "3 cells are expected, the line has 2"),
        (f"5,9,{TIME},1", "3 cells are expected, the line has 4"),
        (f",9,{TIME}", "ItemID '' is no id"),
        ("5,9,", "TimeStamp '' is no time: milliseconds"),
        ("5,9,soon", "TimeStamp 'soon' is no time"),
        (f"5,9, {TIME}", "is no time"),
        ("5,9,0x1422f3a4b5c", "is no time"),
        (f"5,9,-{TIME}", "is no time"),
        (f"5,9,{TIME // 1000}", "is no time"),
        (f"5,9,{EARLIEST - 1}", "is no time"),
        (f"5,9,{LATEST}", "is no time"),
        ("5,9,1e400", "is no time"),
        ("5,9," + "9" * 5000, "is no time"),
        ("5,9,١٣٨٣٧٧٨٧٩٩٩٣٨", "is no time"),
        (f"5\0,9,{TIME}", "NUL"),
        (f"5,9,{TIME}\r\r", "is no time"),
    ],
)
def test_a_line_that_cannot_be_used_is_a_reject_and_its_neighbours_are_read(
    tmp_path: Path, line: str, reason: str
) -> None:
    raw = of(tmp_path, f"{NEW}\n1,9,{TIME}\n{line}\n2,9,{TIME}\n")
    assert [row.item for row in rows_of(raw)] == ["1", "2"]
    (reject,) = raw.rejects
    assert (reject.file, reject.line) == ("Clicks.csv", 3)
    assert reason in reject.reason
    assert reject.text == line.removesuffix("\r")[:500]


def test_bytes_that_are_not_utf8_are_a_reject(tmp_path: Path) -> None:
    raw = of(tmp_path, f"{NEW}\n1,9,{TIME}\n".encode() + f"\udcff,9,{TIME}\n".encode("utf-8", "surrogateescape"))
    assert [(reject.line, reject.reason) for reject in raw.rejects] == [(3, "the line holds bytes that are not UTF-8")]


def test_a_quote_is_a_letter(tmp_path: Path) -> None:
    items = f'{ITEMS}\n1,,5,u,"Hi" he said,1,"open,\n1,,6,u,t,1,x,\n'
    articles = articles_of(of(tmp_path, f"{NEW}\n", items))
    assert articles[0].facts == (("body", '"open'), ("category", "1"), ("title", '"Hi" he said'))
    assert len(articles) == 2


@pytest.mark.parametrize("item", ["", "null"])
def test_an_item_without_an_id_is_a_reject(tmp_path: Path, item: str) -> None:
    raw = of(tmp_path, f"{NEW}\n", f"{ITEMS}\n{ITEM}\n1,,{item},u,t,1,x,\n")
    assert [(reject.file, reject.line, reject.reason) for reject in raw.rejects] == [
        ("Items.csv", 3, f"ItemID {item!r} is no id")
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path: Path, end: str) -> None:
    raw = of(tmp_path, end.join([f"\ufeff{NEW}", f"1,9,{TIME}", "", "  ", f"2,9,{TIME}"]))
    assert [row.item for row in rows_of(raw)] == ["1", "2"]
    assert raw.dropped == {"blank line": 2}


def test_a_compressed_file_is_read_too(tmp_path: Path) -> None:
    raw = of(tmp_path, gzip.compress(f"{NEW}\n1,9,{TIME}\n".encode()))
    assert [row.item for row in rows_of(raw)] == ["1"]


def test_a_large_file_is_read_in_stretches(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, f"{NEW}\n" + "".join(f"{item},9,{TIME}\n" for item in range(100)) + "bad\n")
    sizes = ReadSizes(stretch=200)
    assert len(plan_streamingrec(folder, sizes=sizes).parts) > 5
    assert everything(folder, sizes) == everything(folder)


@pytest.mark.parametrize("header", ["", "\n", f"1,2,{TIME}\n", "itemid,userid,timestamp\n"])
def test_another_header_is_an_error(tmp_path: Path, header: str) -> None:
    with pytest.raises(DataError, match=r"Clicks\.csv line 1: the header is .*; expected 'ItemID,.* or 'Publisher,"):
        plan_streamingrec(folder_of(tmp_path, header))
    with pytest.raises(DataError, match=r"Items\.csv line 1: the header is .*; expected 'Publisher,CreatedAt"):
        plan_streamingrec(folder_of(tmp_path, f"{NEW}\n", header))


def test_a_folder_without_clicks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no Clicks\.csv in this folder.*https://github\.com/mjugo/StreamingRec"):
        plan_streamingrec(tmp_path)
    with pytest.raises(DataError, match="there is no such folder"):
        plan_streamingrec(tmp_path / "nowhere")


def everything(folder: Path, sizes: ReadSizes = SIZES) -> tuple[Any, ...]:
    raw = read(plan_streamingrec(folder, sizes=sizes))
    return rows_of(raw), articles_of(raw), raw.rejects, raw.dropped, raw.notes, raw.rows_in


def one_of(*choices: str) -> st.SearchStrategy[str]:
    return st.sampled_from(choices)


def joined(*cells: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*cells).map(",".join)


ident = one_of("1", "22", "007", "22", "1", "22", "0", "null", "", '"', "é")
clock = one_of(str(TIME), str(TIME + 5), "0" * 20 + str(TIME), str(TIME), "", "7", " 1383778799938", "0x5", "1\0", "٥")
text = one_of("", "null", "0", "17", '"quoted', "a b")
odd = one_of("", " ", "a,b", "\r", f"1,1,{TIME}\r", "\udcff,1,1")
created = one_of("2013-11-06 12:00:00", "2013-11-06 07:00:00", "2013-11-06 07:00:00", "soon", "", "2013-02-30 01:00:00")
item_line = joined(ident, created, ident, text, text, text, text, text) | joined(ident, created, ident, text, text)


def lines(*kinds: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.one_of(*kinds), max_size=12)


@settings(max_examples=300, deadline=None)
@given(
    lines(joined(ident, ident, clock), odd).map(lambda some: [NEW, *some])
    | lines(joined(text, text, ident, ident, clock, text), joined(text, text, ident, ident, clock), odd).map(
        lambda some: [PLISTA, *some]
    ),
    lines(item_line, odd).map(lambda some: [ITEMS, *some]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.integers(1, 200),
)
def test_any_lines_are_read_as_the_slow_reader_reads_them(
    clicks: list[str], items: list[str], end: str, last: bool, size: int
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        written = [(end.join(some) + end * last).encode("utf-8", "surrogateescape") for some in (clicks, items)]
        folder = folder_of(Path(name), *written)
        naive = read_streamingrec(folder)
        whole = everything(folder)
        assert whole[0] == naive.rows
        assert whole[1] == naive.articles
        assert [(reject.file, reject.line) for reject in whole[2]] == naive.rejects
        assert whole[3] == naive.dropped
        sizes = ReadSizes(chunk=size, stretch=size)
        assert everything(folder, sizes) == whole  # most small chunks are clean
        patch.setattr(streamingrec, "_fast", lambda name, data, form: None)
        assert everything(folder, sizes) == whole

"""Deskdrop's two files: what is read, what is left out, and what is said about it."""

from __future__ import annotations

import csv
import io
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.datasets.base import Raw
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.datasets.sources import deskdrop
from newsreplay.datasets.sources.deskdrop import plan_deskdrop
from newsreplay.errors import DataError
from newsreplay.log.rows import READ
from tests.naive.csv_sources import read_deskdrop
from tests.reading import Article, Row, articles_of, read, rows_of

HEADER = "timestamp,eventType,contentId,personId,sessionId,userAgent,userRegion,userCountry"
ARTICLES = (
    "timestamp,eventType,contentId,authorPersonId,authorSessionId,authorUserAgent,authorRegion,authorCountry,"
    "contentType,url,title,text,lang"
)
CLIENT = ("userAgent", "userRegion", "userCountry")
TIME = 1_465_413_032


def view(
    time: object = TIME, item: object = 5, user: object = -7, session: object = 9, event: str = "VIEW", agent: str = ""
) -> str:
    return f"{time},{event},{item},{user},{session},{agent},,"


def shared(item: object = 5, title: str = "A title", text: str = "Text", time: object = TIME, event: str = "") -> str:
    return f"{time},{event or 'CONTENT SHARED'},{item},1,2,,,,HTML,http://news.test/{item},{title},{text},en"


def folder_of(folder: Path, clicks: list[str] | bytes, articles: list[str] | bytes | None = None) -> Path:
    for name, header, content in (
        ("users_interactions.csv", HEADER, clicks),
        ("shared_articles.csv", ARTICLES, articles),
    ):
        if content is not None:
            data = content if isinstance(content, bytes) else "\n".join([header, *content, ""]).encode()
            (folder / name).write_bytes(data)
    return folder


def of(folder: Path, clicks: list[str] | bytes, articles: list[str] | bytes | None = None) -> Raw:
    return read(plan_deskdrop(folder_of(folder, clicks, articles)))


def test_a_view_is_a_read_in_the_sources_session(tmp_path: Path) -> None:
    raw = of(tmp_path, [view(item=-3499919498720038879, user=-8845298781299428018, session=1264196770339959068)])
    time = TIME * 1000
    assert rows_of(raw) == [Row(READ, time, "-3499919498720038879", "-8845298781299428018", "1264196770339959068")]


@pytest.mark.parametrize("event", ["LIKE", "BOOKMARK", "FOLLOW", "COMMENT CREATED"])
def test_what_is_no_view_is_left_out_by_a_rule_of_its_own(tmp_path: Path, event: str) -> None:
    raw = of(tmp_path, [view(), view(event=event, time="never"), view(item=6)])
    assert raw.dropped == {f"{event}: not a read": 1}
    assert raw.kept == 2


def test_quoted_agents_may_hold_commas_quotes_and_line_ends(tmp_path: Path) -> None:
    agents = ['"Mozilla, like Gecko"', '"say ""hi"", please"', '"two\nlines"', '"two\r\nlines, ""\n"""']
    raw = of(tmp_path, [view(item=item, agent=agent) for item, agent in enumerate(agents)])
    assert [row.item for row in rows_of(raw)] == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (view(event="SHARE"), "eventType 'SHARE': expected VIEW, LIKE, BOOKMARK, FOLLOW, COMMENT CREATED"),
        (view(time=""), "timestamp '' is no time: seconds"),
        (view(time="0x5757F2A8"), "timestamp '0x5757F2A8' is no time"),
        (view(time=" 1465413032"), "is no time"),
        (view(time=TIME * 1000), "is no time"),
        (view(time=631_151_999), "is no time"),
        (view(time=4_102_444_800), "is no time"),
        (view(time="9" * 5000), "is no time"),
        (view(time="1e400"), "is no time"),
        (view(time="NaN"), "is no time"),
        (view(time="١٤٦٥٤١٣٠٣٢"), "is no time"),
        (view(item=""), "contentId '' is no id"),
        (view(item="5\0"), "NUL"),
        ("1465413032,VIEW", "8 cells are expected, the line has 2"),
        (view() + ",", "8 cells are expected, the line has 9"),
        (view(agent='"Mozilla'), "a quote is opened and not closed"),
    ],
)
def test_a_line_that_cannot_be_used_is_a_reject_and_its_neighbours_are_read(
    tmp_path: Path, line: str, reason: str
) -> None:
    raw = of(tmp_path, [view(item=1, agent='"a\nb"'), line, view(item=2, agent='"c"')])
    assert [row.item for row in rows_of(raw)] == ["1", "2"]
    (reject,) = raw.rejects
    assert (reject.file, reject.line, reject.text) == ("users_interactions.csv", 4, line[:500])
    assert reason in reject.reason


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_bytes_that_are_not_utf8_are_a_reject(tmp_path: Path, end: str) -> None:
    data = end.join([HEADER, view(item=1), "\udcff" + view(), view(item=2), ""]).encode("utf-8", "surrogateescape")
    raw = of(tmp_path, data)
    assert [row.item for row in rows_of(raw)] == ["1", "2"]
    assert [(reject.line, reject.reason) for reject in raw.rejects] == [(3, "the line holds bytes that are not UTF-8")]
    assert raw.rejects[0].text.startswith("\N{REPLACEMENT CHARACTER}1465")


def test_a_read_without_a_session_is_kept_and_counted(tmp_path: Path) -> None:
    raw = of(tmp_path, [view(session=""), view()])
    assert [row.session for row in rows_of(raw)] == [None, "9"]
    assert "reads without a sessionId: 1" in raw.notes


def test_a_read_without_a_reader_is_kept(tmp_path: Path) -> None:
    raw = of(tmp_path, [view(user="", session=""), view(user="")])
    assert [(row.user, row.session) for row in rows_of(raw)] == [(None, None), (None, "9")]


@pytest.mark.parametrize("described_first", [True, False])
@pytest.mark.parametrize("chunk", [1, 1 << 20])
def test_a_view_logged_twice_in_one_second_is_one_view_the_one_with_more_description(
    tmp_path: Path, described_first: bool, chunk: int
) -> None:
    twins = [view(item=1, agent="Mozilla"), view(item=1)]
    others = [view(item=2), view(item=1, time=TIME + 1), view(item=1, user=8), view(item=1, session=8)]
    lines = [*(twins if described_first else twins[::-1]), *others]
    lines = [lines[0], *lines[2:], lines[1]]
    raw = read(plan_deskdrop(folder_of(tmp_path, lines), sizes=ReadSizes(chunk=chunk)))
    rows = rows_of(raw)
    kept = [rows[0], *rows[1:]] if described_first else [rows[-1], *rows[:-1]]
    assert [(row.item, row.time, row.user, row.session) for row in kept] == [
        ("1", TIME * 1000, "-7", "9"),
        *[("2", TIME * 1000, "-7", "9"), ("1", TIME * 1000 + 1000, "-7", "9")],
        *[("1", TIME * 1000, "8", "9"), ("1", TIME * 1000, "-7", "8")],
    ]
    assert raw.dropped == {deskdrop.RESENT: 1}


@pytest.mark.parametrize("agent", ["", "Mozilla"])
def test_views_that_are_alike_to_the_last_cell_are_all_kept(tmp_path: Path, agent: str) -> None:
    raw = of(tmp_path, [view(agent=agent), view(agent=agent), view(agent=agent and '"Mozilla"')])
    assert (len(rows_of(raw)), raw.dropped) == (3, {})


def test_a_byte_order_mark_a_blank_line_and_a_missing_last_line_end_do_no_harm(tmp_path: Path) -> None:
    raw = of(tmp_path, f"{HEADER}\r\n{view(item=1)}\r\n\r\n{view(item=2)}".encode("utf-8-sig"))
    assert [row.item for row in rows_of(raw)] == ["1", "2"]
    assert raw.dropped == {"blank line": 1}


def test_shared_articles_tell_time_title_and_text(tmp_path: Path) -> None:
    quoted = shared(6, title='"A ""quoted"" title, with comma"', text='"Line one.\r\n\r\nLine ""two"""')
    raw = of(tmp_path, [view()], [shared(), quoted, shared(7, event="CONTENT REMOVED"), shared(8, "", "", time="?")])
    assert articles_of(raw) == [
        Article("5", None, TIME * 1000, (("body", "Text"), ("title", "A title"))),
        Article(
            "6",
            None,
            TIME * 1000,
            (("body", 'Line one.\r\n\r\nLine "two"'), ("title", 'A "quoted" title, with comma')),
        ),
        Article("8"),
    ]
    assert raw.dropped == {"CONTENT REMOVED: not a publication": 1}
    assert "shared articles without a usable timestamp; known when first read: 1" in raw.notes


def test_an_article_without_an_id_is_a_reject(tmp_path: Path) -> None:
    raw = of(tmp_path, [view()], [shared(), shared("")])
    assert [(reject.file, reject.line) for reject in raw.rejects] == [("shared_articles.csv", 3)]


def test_the_file_alone_is_read_without_articles(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [view()], [shared()])
    raw = read(plan_deskdrop(folder / "users_interactions.csv"))
    assert raw.articles is None
    assert any(note.startswith("no shared_articles.csv") for note in raw.notes)


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    data = b"personId,contentId,sessionId,eventType,timestamp,more\n7,5,9,VIEW,1465413032,x\n"
    assert rows_of(of(tmp_path, data)) == [Row(READ, TIME * 1000, "5", "7", "9")]


@pytest.mark.parametrize("data", [b"", b"\n", view().encode(), HEADER.replace("personId", "person").encode()])
def test_a_file_without_its_header_is_an_error(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DataError, match=r"users_interactions\.csv line 1: column '\w+' is missing; .*kaggle"):
        plan_deskdrop(folder_of(tmp_path, data))


def test_a_header_that_names_a_column_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'personId' stands there more than once"):
        plan_deskdrop(folder_of(tmp_path, f"{HEADER},personId\n".encode()))


def test_files_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no users_interactions\.csv in this folder.*https://www\.kaggle\.com"):
        plan_deskdrop(tmp_path)
    with pytest.raises(DataError, match="there is no such file or folder"):
        plan_deskdrop(tmp_path / "nowhere")


def test_a_header_alone_is_no_rows(tmp_path: Path) -> None:
    for data in (HEADER.encode(), f"{HEADER}\n".encode()):
        raw = of(tmp_path, data)
        assert (raw.rows_in, raw.rows.num_rows) == (0, 0)


def test_the_source_and_its_terms_are_said(tmp_path: Path) -> None:
    plan = plan_deskdrop(folder_of(tmp_path, [view()]))
    assert plan.publisher == "deskdrop"
    assert "kaggle.com/datasets/gspmoreira/articles-sharing-reading-from-cit-deskdrop" in plan.source
    assert "Open Database License" in plan.licence
    assert "Kaggle page" in plan.licence


def test_of_a_view_that_was_logged_twice_the_fuller_description_is_kept(tmp_path: Path) -> None:
    described = f'{TIME},VIEW,5,-7,9,"Mozilla, 5",SP,'
    raw = read(plan_deskdrop(folder_of(tmp_path, [view(), described]), keep=["userAgent", "userCountry", "personId"]))
    kept = {name: raw.rows[f"extra.{name}"].to_pylist() for name in ("userAgent", "userCountry", "personId")}
    assert kept == {"userAgent": ["Mozilla, 5"], "userCountry": [None], "personId": ["-7"]}
    with pytest.raises(DataError, match="no column 'device' to keep; it has timestamp, eventType"):
        plan_deskdrop(tmp_path, keep=["device"])


def test_an_id_can_be_kept_besides_whichever_way_records_are_read(tmp_path: Path) -> None:
    damaged = view(time="soon", item=7)  # read record by record, as all of its chunk
    folder = folder_of(tmp_path, [*(view(item=item) for item in range(40)), damaged])
    raw = read(plan_deskdrop(folder, keep=["contentId"], sizes=replace(SIZES, chunk=600)))
    assert raw.rows["extra.contentId"].to_pylist() == [str(item) for item in range(40)]


def slow(folder: Path, sizes: ReadSizes = SIZES) -> tuple[Any, ...]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deskdrop, "_clean", lambda data, longest, *, last: None)
        return everything(folder, sizes)


def everything(folder: Path, sizes: ReadSizes = SIZES) -> tuple[Any, ...]:
    raw = read(plan_deskdrop(folder, keep=CLIENT, sizes=sizes))
    client = [tuple(row[f"extra.{name}"] for name in CLIENT) for row in raw.rows.to_pylist()]
    return rows_of(raw), articles_of(raw), raw.rejects, raw.dropped, client, raw.notes, raw.rows_in


def agree(folder: Path, sizes: ReadSizes = SIZES) -> None:
    rows, articles, rejects, dropped, client, *_ = everything(folder, sizes)
    naive = read_deskdrop(folder)
    assert rows == naive.rows
    assert articles == naive.articles
    assert [(reject.file, reject.line) for reject in rejects] == naive.rejects
    assert dropped == naive.dropped
    assert client == naive.client


def cells(*choices: str) -> st.SearchStrategy[str]:
    return st.sampled_from(choices)


text = st.text(alphabet='ab ",\né', max_size=6)
clock = cells(str(TIME), "0" + str(TIME), "", "0", "soon", "4102444800", "631152000", "0x57")
number = cells("1", "-3499919498720038879", "007", "", "1\0")
interaction = st.tuples(clock, cells("VIEW", "VIEW", "LIKE", "VEIW"), number, number, number, text, text, text)
publication = st.tuples(
    clock, cells("CONTENT SHARED", "CONTENT REMOVED", "x"), number, *[cells("", "x")] * 7, text, text, cells("en")
)


def written(header: str, records: list[tuple[str, ...]], end: str, last: bool) -> bytes:
    buffer = io.StringIO()
    buffer.write(header + end)
    writer = csv.writer(buffer, lineterminator=end)
    for record in records:
        if record:
            writer.writerow(record)
        else:
            buffer.write(end)
    data = buffer.getvalue().encode()
    return data if last else data.removesuffix(end.encode())


@settings(max_examples=200, deadline=None)
@given(
    st.lists(interaction | st.just(()) | st.tuples(clock, number), max_size=8),
    st.lists(publication, max_size=5),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.integers(1, 300),
)
def test_well_quoted_files_are_read_as_the_slow_reader_reads_them(
    clicks: list[tuple[str, ...]], articles: list[tuple[str, ...]], end: str, last: bool, size: int
) -> None:
    sizes = ReadSizes(chunk=size)
    with tempfile.TemporaryDirectory() as name:
        folder = folder_of(Path(name), written(HEADER, clicks, end, last), written(ARTICLES, articles, end, last))
        agree(folder, sizes)
        assert everything(folder, sizes) == slow(folder, sizes)


pieces = st.sampled_from(
    [view(agent=agent) for agent in ("", '"a, b"', '"a\nb"', '"', '"a\n\n\n\n\nb"', 'a"b"', '"ab"c', '"ab" "c"')]
    + [view(item=item) for item in ('"5"', '"5"6', '5"6"', '"5" "6"', '"5""6"')]
    + ['"', "\n", "\r", ",", "x", "\0", '""', '"\n']
)


@settings(max_examples=150, deadline=None)
@given(st.lists(pieces | st.just("\n"), max_size=25), st.integers(1, 120))
def test_any_bytes_are_read_the_same_at_once_record_by_record_and_in_small_chunks(some: list[str], size: int) -> None:
    short, both_short = ReadSizes(longest_record=4), ReadSizes(longest_record=4, chunk=size)
    with tempfile.TemporaryDirectory() as name:
        folder = folder_of(Path(name), f"{HEADER}\n{''.join(some)}".encode())
        whole = everything(folder, short)
        assert slow(folder, short) == whole
        assert everything(folder, both_short) == whole
        assert slow(folder, both_short) == whole


def test_a_file_of_one_open_quote_and_many_lines_is_read_line_by_line(tmp_path: Path) -> None:
    raw = of(tmp_path, [view(agent='"open'), *[view(item=item) for item in range(3_000)]])
    assert len(raw.rejects) == 1
    assert raw.kept == 3_000


def test_the_real_log_is_read_as_the_slow_reader_reads_it(real_data: Path) -> None:
    folder = real_data / "deskdrop"
    if not folder.is_dir():
        pytest.skip("the folder of NEWSREPLAY_TEST_DATA has no deskdrop/")
    agree(folder)
    raw = read(plan_deskdrop(folder))
    assert (raw.rows_in, raw.kept, raw.rejects) == (61_425, 49_589, [])
    assert raw.dropped["LIKE: not a read"] == 4_918

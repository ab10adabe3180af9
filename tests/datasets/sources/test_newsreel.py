"""plista / CLEF NewsREEL logs: what is read, what is left out, and what is said about it."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsreplay.datasets.base import Raw
from newsreplay.datasets.preparing.prepare import prepare
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.datasets.sources.newsreel import plan as newsreel
from newsreplay.datasets.sources.newsreel.message import _TYPES, BLANK, ERROR, NO_ARTICLE, OTHER
from newsreplay.datasets.sources.newsreel.page_views import PAGE_VIEW, RESENT, SAME_VIEW
from newsreplay.datasets.sources.newsreel.plan import plan_newsreel
from newsreplay.errors import DataError
from newsreplay.log.catalog import Catalog, Revealed
from newsreplay.log.rows import IMPRESSION, PUBLISH, READ
from tests.naive import newsreel as naive_newsreel
from tests.reading import Row, read, rows_of

TIME = 1_383_778_799_938
GONE: Any = object()  # a key that is missing


def body(
    item: object = 11,
    user: object = 7,
    publisher: object = 596,
    time: object = TIME,
    widget: object = 970,
    shown: object = GONE,
    **more: object,
) -> str:
    """A message as JSON."""
    simple = {"25": item, "27": publisher, "57": user, "39": widget, "23": 23}
    context = {"simple": {key: value for key, value in simple.items() if value is not GONE}, "lists": {"8": [1, 2]}}
    whole = {"recs": {"ints": {} if shown is GONE else {"3": shown}}, "context": context, "timestamp": time, **more}
    return json.dumps({key: value for key, value in whole.items() if value is not GONE})


def idomaar(message: str, number: object = 1, word: str = "impression", time: object = TIME) -> str:
    return f'{word}\t{number}\t{time}\t{message}\t{{"userID":7}}\t'


def view(number: object = 1, word: str = "impression", **facts: Any) -> str:
    return idomaar(body(event_type=word, **facts), number, word, facts.get("time", TIME))


def update(**facts: object) -> str:
    told = {"id": "11", "domainid": "596", "title": "A", "text": "B", "img": "C", "flag": 0}
    whole = {**told, "created_at": "2013-01-15 12:00:00", "updated_at": "2013-07-15 12:00:00", **facts}
    return json.dumps({key: value for key, value in whole.items() if value is not GONE})


def log(folder: Path, *lines: str | bytes, name: str = "log.txt") -> Path:
    folder.mkdir(exist_ok=True)
    data = b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines)
    (folder / name).write_bytes(data)
    return folder / name


def raw_of(folder: Path, *lines: str | bytes, sizes: ReadSizes = SIZES) -> Raw:
    # one good line makes it a log; it is read last, so that it changes nothing before it
    return read(plan_newsreel(log(folder, *lines, view(999, item=99, user=99, time=TIME + 9)), sizes=sizes))


def rows(folder: Path, *lines: str | bytes) -> list[Row]:
    return rows_of(raw_of(folder, *lines))[:-1]


def reads(folder: Path, *lines: str | bytes) -> list[Row]:
    return [row for row in rows(folder, *lines) if row.kind == READ]


def test_the_three_forms_say_the_same(tmp_path: Path) -> None:
    message = body()
    expected = Row(READ, TIME, "11", "7", None, "596")
    assert rows(tmp_path / "iv", idomaar(message)) == [expected]
    assert rows(tmp_path / "ii", f"impression\t{message}\t2013-11-06 23:59:59,938") == [expected]
    assert rows(tmp_path / "iii", message) == [expected]


def test_forms_may_be_mixed_in_a_file(tmp_path: Path) -> None:
    lines = [
        body(item=1),
        idomaar(body(item=2)),
        f"event_notification\t{body(item=3, type='impression')}\t2013-11-06 23:59:59,938",
        f"recommendation_request\t{body(item=4)}\t2013-11-06 23:59:59,938",
        body(item=5, notification_type="impression"),
        body(item=6, event_type="impression_empty"),
    ]
    assert [row.item for row in rows(tmp_path, *lines)] == ["1", "2", "3", "4", "5", "6"]


def test_a_list_shown_stands_before_its_read(tmp_path: Path) -> None:
    assert rows(tmp_path, view(shown=[5, "6", 5, 0, 7])) == [
        Row(IMPRESSION, TIME, "11", "7", None, "596", ("5", "6", "7")),
        Row(READ, TIME, "11", "7", None, "596"),
    ]


def test_a_recommendation_request_is_a_page_view(tmp_path: Path) -> None:
    message = body(event_type="recommendation_request", shown=[5])
    found = rows(tmp_path, idomaar(message, word="recommendation"))
    assert [(row.kind, row.item) for row in found] == [(IMPRESSION, "11"), (READ, "11")]


def test_a_further_widget_of_a_page_view_adds_its_list_but_no_read(tmp_path: Path) -> None:
    lines = [view(1, widget=748, shown=[5]), view(2, widget=10018, shown=[6], time=TIME + PAGE_VIEW - 1)]
    found = rows(tmp_path, *lines)
    assert [(row.kind, row.pool) for row in found] == [(IMPRESSION, ("5",)), (READ, None), (IMPRESSION, ("6",))]


def test_the_same_widget_again_is_another_page_view(tmp_path: Path) -> None:
    lines = [view(number, widget=widget, time=TIME + number) for number, widget in enumerate([748, 748, 10018, 10018])]
    assert [row.time for row in reads(tmp_path, *lines)] == [TIME, TIME + 1, TIME + 3]


def test_a_widget_much_later_is_another_page_view(tmp_path: Path) -> None:
    lines = [view(1, widget=748), view(2, widget=10018, time=TIME + PAGE_VIEW)]
    assert len(reads(tmp_path, *lines)) == 2


@pytest.mark.parametrize("other", [{"user": 8}, {"item": 12}, {"publisher": 694}])
def test_another_reader_article_or_publisher_is_another_page_view(tmp_path: Path, other: dict[str, Any]) -> None:
    assert len(reads(tmp_path, view(1, widget=748), view(2, widget=10018, **other))) == 2


def test_a_further_widget_without_a_list_is_left_out_and_counted(tmp_path: Path) -> None:
    raw = raw_of(tmp_path, view(1, widget=748), view(2, widget=10018))
    assert raw.dropped == {SAME_VIEW: 1}


def test_a_page_view_has_no_more_widgets_than_pages_have(tmp_path: Path) -> None:
    lines = [view(number, widget=1 + number, shown=[5]) for number in range(45)]
    agree([("log.txt", b"\n".join(line.encode() for line in lines))], tmp_path)
    found = rows_of(read(plan_newsreel(tmp_path)))
    assert sum(row.kind == READ for row in found) == 3


def test_a_click_is_a_read_of_what_was_clicked_and_its_page_view_no_second_one(tmp_path: Path) -> None:
    click = f"event_notification\t{body(item=3, type='click', shown=[11])}\t2013-11-06 23:59:59,938"
    found = rows(tmp_path, click, view(1, time=TIME + 900, shown=[5]), view(2, time=TIME + 2000))
    assert [(row.kind, row.item, row.time) for row in found] == [
        (READ, "11", TIME),
        (IMPRESSION, "11", TIME + 900),
        (READ, "11", TIME + 2000),
    ]


def test_each_click_of_an_unknown_reader_stands_in_a_session_of_its_own(tmp_path: Path) -> None:
    found = rows(tmp_path, body(user=0, event_type="click", shown=[5, 6]))
    assert [(row.item, row.user, row.session) for row in found] == [
        ("5", None, "message:log.txt:0"),
        ("6", None, "message:log.txt:1"),
    ]


@pytest.mark.parametrize("user", [0, "0", "", None, True, GONE, 1.5, "\ud800", "a\0b", -5])
def test_an_unknown_reader_is_a_session_of_one_message(tmp_path: Path, user: object) -> None:
    first = view(1, user=user, shown=[5])
    found = rows(tmp_path, first, view(2, user=user))
    assert {row.user for row in found} == {None}
    second = f"message:log.txt:{len(first) + 1}"
    assert [row.session for row in found] == ["message:log.txt:0"] * 2 + [second]


def test_sessions_of_unknown_readers_are_told_apart_across_files(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        log(tmp_path, view(1, user=0), name=name)
    found = rows_of(read(plan_newsreel(tmp_path)))
    assert [row.session for row in found] == ["message:a.txt:0", "message:b.txt:0"]


@pytest.mark.parametrize("item", [0, "0", "", None, False, GONE])
def test_a_page_without_an_article_is_left_out_and_counted(tmp_path: Path, item: object) -> None:
    assert raw_of(tmp_path, view(item=item, shown=[5])).dropped == {NO_ARTICLE: 1}


@pytest.mark.parametrize("value", ["007", "x-1", 2**53 + 1, 10**30, "9223372036854775808"])
def test_ids_are_kept_as_they_stand(tmp_path: Path, value: object) -> None:
    found = rows(tmp_path, view(item=value, user=value, publisher=value, shown=[value]))
    assert found[0] == Row(IMPRESSION, TIME, str(value), str(value), None, str(value), (str(value),))


def test_an_id_is_the_same_as_a_number_and_as_a_string(tmp_path: Path) -> None:
    lines = [view(1, widget=748), view(2, widget="10018", user="7", item="11", publisher="596", shown=[5])]
    assert [row.kind for row in rows(tmp_path, *lines)] == [READ, IMPRESSION]


def test_a_message_sent_again_is_left_out_and_counted(tmp_path: Path) -> None:
    raw = raw_of(tmp_path, view(5), view(5), view(6))
    assert raw.dropped == {RESENT: 1}


def test_a_message_id_used_again_later_is_no_resend(tmp_path: Path) -> None:
    assert len(reads(tmp_path, view(5), view(5, time=TIME + 1))) == 2


def test_resends_and_page_views_are_followed_from_chunk_to_chunk(tmp_path: Path) -> None:
    raw = raw_of(tmp_path, view(5, widget=1), view(5, widget=1), view(6, widget=2), sizes=ReadSizes(chunk=64))
    assert raw.dropped == {RESENT: 1, SAME_VIEW: 1}


def test_only_what_was_seen_of_late_is_remembered(tmp_path: Path) -> None:
    few = ReadSizes(chunk=64, remembered=2)
    lines = [view(number, user=number, widget=1) for number in range(20)]
    assert raw_of(tmp_path / "near", *lines, view(18, user=18), sizes=few).dropped == {RESENT: 1}
    assert raw_of(tmp_path / "far", *lines, view(0, user=0), sizes=few).dropped == {}


def test_a_request_without_a_time_has_that_of_its_line(tmp_path: Path) -> None:
    message = body(time=GONE)
    found = rows(
        tmp_path,
        f"recommendation_request\t{message}\t2013-11-06 23:59:59,938",
        idomaar(body(time=None, item=3), time=5 * 10**11),
        idomaar(body(time=None, item=3), time=TIME),
    )
    assert [row.time for row in found] == [1_383_778_799_938, TIME]


@pytest.mark.parametrize(
    ("clock", "utc"),
    [
        ("2013-01-15 12:00:00,250", 1_358_247_600_250),  # winter: one hour ahead of UTC
        ("2013-07-15 12:00:00,000", 1_373_882_400_000),  # summer: two
        ("2013-10-27 02:30:00,000", 1_382_833_800_000),  # struck twice: the first time
    ],
)
def test_times_without_a_zone_are_german_clock_time(tmp_path: Path, clock: str, utc: int) -> None:
    (row,) = rows(tmp_path, f"item_update\t{update()}\t{clock}")
    assert (row.kind, row.time) == (PUBLISH, utc)


def test_an_update_has_the_time_of_its_line_else_of_the_update_else_of_the_article(tmp_path: Path) -> None:
    found = rows(
        tmp_path,
        idomaar(update(), word="item_update"),
        update(),
        update(updated_at="0000-00-00 00:00:00"),
    )
    assert [row.time for row in found] == [TIME, 1_373_882_400_000, 1_358_247_600_000]


def test_an_update_publishes_title_body_and_image(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, update(title="Ä\ud800", img=""))
    assert row == Row(PUBLISH, 1_373_882_400_000, "11", publisher="596", facts=(("body", "B"), ("title", "Ä\ufffd")))


@pytest.mark.parametrize(
    ("flag", "expected"),
    [(0, True), ("0", True), (4, False), ("1", False), (False, True), (True, False), (None, None), ("x", None)],
)
def test_flag_0_means_recommendable(tmp_path: Path, flag: object, expected: bool | None) -> None:
    assert raw_of(tmp_path, update(flag=flag)).rows["recommendable"].to_pylist() == [expected, None]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('error_notification\t{"code": 440, "timestamp": 1376482070}\t2013-11-06 23:59:59,938', ERROR),
        ('{"code": 440, "message": "empty response"}', ERROR),
        (body(event_type="engagement"), OTHER),
        (body(event_type="click"), NO_ARTICLE),
        (update(id="0"), NO_ARTICLE),
        ("", BLANK),
        (" \t \r", BLANK),
    ],
)
def test_what_is_left_out_is_counted_by_its_rule(tmp_path: Path, line: str, rule: str) -> None:
    raw = raw_of(tmp_path, line)
    assert raw.dropped == {rule: 1}
    assert not raw.rejects


FAULTY = {
    "nested": '{"context": ' + "[" * 100_000,
    "nested soundly": '{"context": {"x": ' + "[" * 100_000 + "]" * 100_000 + "}}",
    "long number": body().replace("11", "1" * 5000),
    "negative": body(item=-5),
    "fraction": body(item=1.5),
    "huge": body().replace("11", "1e400"),
    "surrogate": body(item="\ud800"),
    "control": body(item="a\0"),
    "NaN": body(user=float("nan")),
    "infinite": body(user=float("inf")),
    "no publisher": body(publisher=None),
    "seconds": body(time=1_383_778_799),
    "far future": body(time=4_102_444_800_000),
    "text for a time": body(time="now"),
    "no time": body(time=GONE),
    "cut off": body()[:-1],
    "two": body() + body(),
    "list": "[1]",
    "number": "impression\t1\t2\t3\t{}\t",
    "words": "to be or not to be",
    "too few cells": "impression\t1\t" + body(),
    "type no text": body(event_type=True),
    "nothing known": "{}",
    "clicks on no ids": body(event_type="click", shown=[[]]),
    "update of no time": update(created_at="", updated_at=5),
    "update without publisher": update(domainid=None),
    "not UTF-8": b'{"context": "\xff"}',
    "bad UTF-8 in a view": view().encode().replace(b'"userID"', b'"\xff"'),
    "NUL": b"\0\0\0",
}


@pytest.mark.parametrize("line", FAULTY.values(), ids=list(FAULTY))
def test_a_line_that_cannot_be_used_is_a_reject_with_its_place(tmp_path: Path, line: str | bytes) -> None:
    raw = raw_of(tmp_path, view(1), line)
    (reject,) = raw.rejects
    assert (reject.file, reject.line) == ("log.txt", 2)
    assert 0 < len(reject.reason) <= 300
    assert len(reject.text) <= 500
    assert raw.rows.num_rows == 2


def test_a_duplicate_key_counts_the_last_time(tmp_path: Path) -> None:
    assert [row.item for row in rows(tmp_path, body().replace('"25": 11', '"25": 11, "25": 12'))] == ["12"]


def test_unusable_lists_and_readers_are_taken_for_missing_and_counted(tmp_path: Path) -> None:
    raw = raw_of(tmp_path, view(1, shown=[5, 1.5]), view(2, user=-4))
    assert [row.pool for row in rows_of(raw)] == [None] * 3
    assert any("taken for unknown readers" in note and ": 1;" in note for note in raw.notes)
    assert any("hold what is no article id: 1;" in note for note in raw.notes)


def test_line_ends_byte_order_mark_and_a_missing_last_line_end_change_nothing(tmp_path: Path) -> None:
    lines = [view(1), f"impression\t{body(item=3)}\t2013-11-06 23:59:59,938", body(item=4)]
    log(tmp_path / "plain", *lines)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "log.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    plain, odd = (rows_of(read(plan_newsreel(tmp_path / name))) for name in ("plain", "odd"))
    assert plain == odd
    assert len(plain) == 3


def test_a_folder_is_read_without_the_files_that_are_no_logs(tmp_path: Path) -> None:
    log(tmp_path, view(1))
    log(tmp_path, 'a:1:{s:7:"context";N;}', name="serialised.txt")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0\n\xff" * 50)
    (tmp_path / "empty").touch()
    raw = read(plan_newsreel(tmp_path))
    assert raw.rows_in == 1
    assert any("empty, picture.png, serialised.txt" in note for note in raw.notes)


def test_archives_and_compressed_files_are_read_like_plain_ones(tmp_path: Path) -> None:
    lines = [view(1), body(item=3)]
    plain = log(tmp_path / "plain", *lines)
    expected = rows_of(read(plan_newsreel(plain)))
    with tarfile.open(tmp_path / "plista.tar.gz", "w:gz") as archive:
        archive.add(plain, "log.txt")
        info = tarfile.TarInfo("readme.txt")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"hello"))
    raw = read(plan_newsreel(tmp_path / "plista.tar.gz"))
    assert rows_of(raw) == expected
    assert any("readme.txt" in note for note in raw.notes)
    (tmp_path / "log.txt.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert rows_of(read(plan_newsreel(tmp_path / "log.txt.gz"))) == expected


def test_what_is_no_log_says_what_was_expected_and_where_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello\n")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(DataError, match=r"no log of plista.*notes\.txt.*tabs.*clef-newsreel"):
            plan_newsreel(path)
    with pytest.raises(DataError, match="no such file"):
        plan_newsreel(tmp_path / "missing")


IDS: Any = st.sampled_from([0, 1, 2, "1", "2", "007", "", "x", None, True, -3, 1.5, 2**60, 10**18, "\ud800", [], "ü"])
POOLS = st.one_of(st.just(GONE), st.lists(IDS, max_size=4), st.lists(st.integers(0, 5), max_size=80), IDS)
TIMES = st.one_of(st.integers(TIME, TIME + 5), st.sampled_from([TIME + PAGE_VIEW, str(TIME), None, GONE, 7, 1.5]))
WORDS = st.sampled_from([*_TYPES, "event_notification", "impressio", "impressions", "", "engagement", None, GONE, 3])
TAILS = st.sampled_from(["2013-03-31 02:30:00,000", "2013-10-27 02:30:00", "2013-02-30 00:00:00,000", "", "x"])


@st.composite
def messages(draw: Any) -> Any:
    told = {key: draw(WORDS) for key in draw(st.sets(st.sampled_from(["event_type", "type", "notification_type"])))}
    if draw(st.integers(0, 4)) == 0:
        return update(id=draw(IDS), domainid=draw(IDS), flag=draw(IDS), title=draw(IDS), updated_at=draw(TAILS), **told)
    facts = {"item": draw(IDS), "user": draw(IDS), "publisher": draw(st.one_of(st.sampled_from([1, "1"]), IDS))}
    text = body(**facts, time=draw(TIMES), widget=draw(IDS), shown=draw(POOLS), **told)
    return draw(st.sampled_from([text, text, text, text.replace(" ", ""), text.replace('"25"', '"\\u0032\\u0035"')]))


@st.composite
def lines(draw: Any) -> Any:
    text: str = draw(messages())
    word = draw(WORDS.filter(lambda word: isinstance(word, str)))
    form = draw(st.integers(0, 6))
    if form <= 2:
        number = draw(st.sampled_from(["1", "2", "03", "0", "", "x"]))
        text = f"{word}\t{number}\t{draw(st.sampled_from([TIME, 5, '']))}\t{text}\t{{}}" + draw(
            st.sampled_from(["", "\t"])
        )
    elif form <= 4:
        text = f"{word}\t{text}\t{draw(TAILS)}"
    data = text.encode("utf-8", "surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 3]))):  # damage
        at = draw(st.integers(0, max(0, len(data) - 1)))
        data = (
            data[:at]
            + draw(st.sampled_from([b"", b"\t", b"\xff", b"\0", b" ", b"{", b'"', b"9", b"\r", b"-"]))
            + data[at + 1 :]
        )
    return data + draw(st.sampled_from([b"", b"", b"", b"\r", b" ", b"\t"]))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(lines(), max_size=12), size=st.sampled_from([100, 1000, 1 << 20]), cut=st.booleans())
def test_the_naive_reader_finds_the_same(contents: list[bytes], size: int, cut: bool, tmp_path: Path) -> None:
    data = b"\n".join([*contents, view(77).encode(), b""])
    agree([("log.txt", data[:-1] if cut else data)], tmp_path, ReadSizes(chunk=size))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_as_the_naive_reader_reads_them(data: bytes, tmp_path: Path) -> None:
    agree([("log.txt", view(77).encode() + b"\n" + data)], tmp_path)


def agree(files: list[tuple[str, bytes]], folder: Path, sizes: ReadSizes = SIZES) -> None:
    for name, data in files:
        (folder / name).write_bytes(data)
    raw = read(plan_newsreel(folder, sizes=sizes))
    found = naive_newsreel.read_files(files)
    assert rows_of(raw) == found.rows
    assert [(reject.file, reject.line) for reject in raw.rejects] == found.rejects
    assert raw.dropped == found.dropped
    if found.recommendable:
        told = [row for row in raw.rows.to_pylist() if row["kind"] == PUBLISH]
        assert [row["recommendable"] for row in told] == found.recommendable


def test_clean_views_need_no_closer_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(newsreel, "parse_message")
    clean = [
        *(view(1, shown=[5, 6]), view(2, "recommendation_request", user="8"), body(item=3)),
        f"event_notification\t{body(item=4, type='impression', widget=GONE)}\t2013-11-06 23:59:59,938",
        view(3, item=0),
    ]
    assert len(reads(tmp_path, *clean)) == 4


def test_the_real_sample_is_read_as_the_naive_reader_reads_it(real_data: Path) -> None:
    raw = read(plan_newsreel(real_data / "newsreel", sizes=ReadSizes(chunk=50_000)))
    found = naive_newsreel.read_files(naive_newsreel.files_of(real_data / "newsreel"))
    assert rows_of(raw) == found.rows
    assert raw.dropped == found.dropped == {NO_ARTICLE: 49}
    assert not raw.rejects
    assert raw.rows_in == 702
    assert (sum(row.kind == READ for row in found.rows), sum(row.kind == IMPRESSION for row in found.rows)) == (
        590,
        653,
    )


def test_the_catalog_tells_whether_an_article_may_be_recommended_as_far_as_it_was_told(tmp_path: Path) -> None:
    def update(minute: int, flag: int) -> str:
        body = {
            "id": "7",
            "domainid": "1",
            "created_at": "2014-06-30 10:00:00",
            "flag": flag,
            "title": "T",
            "version": 1,
        }
        body["updated_at"] = f"2014-06-30 12:{minute:02}:00"
        return json.dumps(body)

    reading = {"context": {"simple": {"25": 7, "27": 1, "57": 5}}, "type": "impression", "timestamp": 1_404_130_000_000}
    path = tmp_path / "log.txt"
    path.write_text("\n".join([update(1, 0), update(3, 1), json.dumps(reading)]) + "\n")
    publisher = prepare(plan_newsreel(path), tmp_path / "data", name="test", kind="newsreel").publisher("1")
    revealed = Revealed()
    catalog = Catalog(publisher.articles, revealed)
    revealed.known = 1
    told = []
    for row in range(len(publisher.log.time)):
        revealed.row = row
        told.append((publisher.log.kind[row], catalog.recommendable(0)))
    assert told == [(PUBLISH, True), (PUBLISH, False), (READ, False)]


def test_a_file_whose_name_is_not_utf_8_is_read(tmp_path: Path) -> None:
    try:
        path = log(tmp_path, view(user=0), name="\udcff.log")
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    assert [row.session for row in rows_of(read(plan_newsreel(path)))] == ["message:\\udcff.log:0"]

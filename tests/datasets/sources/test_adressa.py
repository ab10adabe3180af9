"""Adressa day files: what is read, what is left out, and what is said about it."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsreplay.datasets.base import Raw
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.datasets.sources.adressa import plan_adressa
from newsreplay.errors import DataError
from newsreplay.log.rows import READ
from tests.naive.adressa import naive_adressa
from tests.reading import Row, read, rows_of

NO_ARTICLE = "home page or other page without an article id"
ABSENT = object()
VIEW: dict[str, Any] = {
    "eventId": 7,
    "profile": [{"item": "sol", "groups": [{"count": 1, "group": "concept", "weight": 0.5}]}],
    "category1": "nyheter|trondheim",
    "userId": "cx:u1",
    "publishtime": "2017-01-01T10:00:00.500Z",
    "title": "Sn\u00f8 i byen",
    "id": "a1",
    "time": 1483268400,
    "activeTime": 8,
    "sessionStart": True,
}
READ_OF_VIEW = Row(
    kind=READ,
    time=1_483_268_400_000,
    item="a1",
    user="cx:u1",
    published=1_483_264_800_500,
    facts=(("category", "nyheter"), ("subcategory", "nyheter|trondheim"), ("title", "Snø i byen")),
    active=8.0,
)


def view(**changes: object) -> str:
    """A line of the log; ABSENT leaves a key out."""
    return json.dumps({key: value for key, value in {**VIEW, **changes}.items() if value is not ABSENT})


def day(path: Path, *lines: str | bytes, name: str = "20170101") -> Path:
    path.mkdir(exist_ok=True)
    data = b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines)
    (path / name).write_bytes(data)
    return path


def only(path: Path, line: str | bytes) -> Row:
    (row,) = rows_of(read(plan_adressa(day(path, line))))
    return row


def account(raw: Raw) -> tuple[list[Row], list[tuple[str, int]], dict[str, int]]:
    return rows_of(raw), [(reject.file, reject.line) for reject in raw.rejects], dict(raw.dropped)


def said(raw: Raw, text: str) -> bool:
    return any(text in note for note in raw.notes)


def test_a_view_of_an_article_is_a_read_with_all_that_is_told(tmp_path: Path) -> None:
    assert only(tmp_path, view()) == READ_OF_VIEW


def test_a_line_without_an_article_is_left_out_and_counted(tmp_path: Path) -> None:
    lines = [view(id=ABSENT), view(id=None), view(id=""), view(id=ABSENT, time=ABSENT, userId=ABSENT), view()]
    raw = read(plan_adressa(day(tmp_path, *lines)))
    assert account(raw) == ([READ_OF_VIEW], [], {NO_ARTICLE: 4})


def test_blank_lines_are_left_out_and_counted(tmp_path: Path) -> None:
    raw = read(plan_adressa(day(tmp_path, "", view(), " \t\r", "")))
    assert account(raw) == ([READ_OF_VIEW], [], {"blank line": 3})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"time": ABSENT}, "time is missing: seconds since 1970, UTC, are expected"),
        ({"time": None}, "time is missing"),
        ({"time": True}, "time True is not a time: whole seconds since 1970, UTC, are expected"),
        ({"time": "1483268400"}, "time '1483268400' is not a time"),
        ({"time": [1]}, "time a list is not a time"),
        ({"time": 1483268400.5}, "time 1483268400.5 is not a time: whole seconds"),
        ({"time": float("nan")}, "time nan is not a time"),
        ({"time": float("inf")}, "time inf is not a time"),
        ({"time": 1483268400000}, "time 1483268400000 is outside 1990 to 2100"),
        ({"time": 0}, "time 0 is outside 1990 to 2100"),
        ({"time": 631151999}, "time 631151999 is outside"),
        ({"time": 4102444800}, "time 4102444800 is outside"),
        ({"time": 10**400}, "is outside 1990 to 2100"),
        ({"userId": False}, "userId False is not an id: text or a whole number is expected"),
        ({"userId": {"a": 1}}, "userId an object is not an id"),
        ({"userId": "\ud800"}, "userId '\\ud800' is not an id"),
        ({"id": True}, "id True is not an id"),
        ({"id": 1.5}, "id 1.5 is not an id"),
        ({"id": ["a1"]}, "id a list is not an id"),
        ({"id": "\udc00a"}, "id '\\udc00a' is not an id"),
    ],
)
def test_an_article_line_without_a_usable_id_time_or_user_is_a_reject(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    raw = read(plan_adressa(day(tmp_path, view(), view(**changes), view())))
    assert rows_of(raw) == [READ_OF_VIEW, READ_OF_VIEW]
    (reject,) = raw.rejects
    assert (reject.file, reject.line) == ("20170101", 2)
    assert reason in reject.reason
    assert reject.text == view(**changes)[:500]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "the line is not JSON: Expecting property name"),
        (view().encode()[:-1], "the line is not JSON"),
        (view().encode() + b"x", f"the line is not JSON: Extra data at character {len(view()) + 1}"),
        (b"[1]", "a JSON object is expected, the line is a list"),
        (b"null", "a JSON object is expected, the line is None"),
        (b'"a"', "a JSON object is expected, the line is 'a'"),
        (view().encode().replace(b"sol", b"s\xff"), "the line is not UTF-8"),
        (view().encode().replace(b"sol", b"s\x00"), "the line is not JSON: Invalid control character"),
        (b'{"id": "a1", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deep"),
        (b'{"x": ' * 100_000, "nested too deep"),
        (b'{"id": ' + b"9" * 5000 + b"}", "the line is not JSON that can be read: Exceeds the limit"),
        (b"\x00" * 1000, "the line is not JSON"),
    ],
)
def test_a_line_that_is_no_json_object_is_a_reject(tmp_path: Path, line: bytes, reason: str) -> None:
    raw = read(plan_adressa(day(tmp_path, view(), line, view())))
    assert account(raw)[:2] == ([READ_OF_VIEW, READ_OF_VIEW], [("20170101", 2)])
    assert reason in raw.rejects[0].reason
    assert len(raw.rejects[0].reason) <= 200
    assert raw.rejects[0].text == line.decode(errors="replace")[:500]


@pytest.mark.parametrize(
    "line",
    [
        view(time=1483268400.0),
        view().replace("1483268400", "14832684e2"),
        view().replace('{"eventId"', '{"id": "other", "eventId"'),
        view().replace('"id"', '"\\u0069d"'),
        view().replace('"eventId": 7', '"eventId": NaN'),
        view(profile="\ud800"),
        b"\xef\xbb\xbf" + view().encode(),
        view() + "\r",
        " " + view() + "\t",
        json.dumps(VIEW, ensure_ascii=False),
    ],
)
def test_other_ways_to_write_a_line_give_the_same_read(tmp_path: Path, line: str | bytes) -> None:
    raw = read(plan_adressa(day(tmp_path, line, view())))
    assert account(raw) == ([READ_OF_VIEW, READ_OF_VIEW], [], {})


def test_ids_stay_as_they_stand_in_the_file(tmp_path: Path) -> None:
    row = only(tmp_path, view(id=2**70 + 1, userId=" 007 "))
    assert (row.item, row.user) == (str(2**70 + 1), " 007 ")


@pytest.mark.parametrize(
    ("path", "category", "subcategory"),
    [
        ("sport", "sport", None),
        ("sport|fotball|x", "sport", "sport|fotball|x"),
        ("|sport|", "sport", None),
        ("", None, None),
        ("||", None, None),
        (5, None, None),
        (["sport"], None, None),
        ("\ud800|a", None, None),
    ],
)
def test_the_category_is_the_first_element_and_the_subcategory_the_whole_path(
    tmp_path: Path, path: object, category: str | None, subcategory: str | None
) -> None:
    facts = dict(only(tmp_path, view(category1=path)).facts)
    assert (facts.get("category"), facts.get("subcategory")) == (category, subcategory)


@pytest.mark.parametrize(
    ("text", "published"),
    [
        ("2017-01-03T08:37:46Z", 1_483_432_666_000),
        ("2017-01-03T08:37:46.123456Z", 1_483_432_666_123),
        ("2017-01-03T09:37:46+01:00", 1_483_432_666_000),
        ("2017-01-03T08:37:46", None),
        ("2017-01-03", None),
        ("2017-02-30T08:37:46Z", None),
        ("2017-01-03T24:00:00Z", None),
        ("1989-12-31T23:59:59Z", None),
        ("2100-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("x" * 1000, None),
        ("\ud800", None),
        (1483432666, None),
    ],
)
def test_publication_times_need_a_zone_and_are_null_where_unusable(
    tmp_path: Path, text: object, published: int | None
) -> None:
    plan = plan_adressa(day(tmp_path, view(publishtime=text), view()))
    assert [row.published for row in rows_of(read(plan))] == [published, READ_OF_VIEW.published]
    assert said(read(plan), "reads without publishtime: 0; with one that is unusable: 1") == (published is None)


@pytest.mark.parametrize(
    ("value", "active"),
    [(0, 0.0), (2.5, 2.5), (1e1, 10.0), (-1, None), (True, None), ("8", None), (10**9, None), (10**400, None)],
)
def test_active_times_are_seconds_and_null_where_unusable(tmp_path: Path, value: object, active: float | None) -> None:
    assert only(tmp_path, view(activeTime=value)).active == active
    assert only(tmp_path, view(activeTime=value).replace('"eventId": 7', '"eventId": NaN')).active == active


def test_facts_that_are_missing_or_unusable_are_counted_apart(tmp_path: Path) -> None:
    lines = [
        view(title=ABSENT, category1=None, publishtime=""),
        view(title="", category1=ABSENT, publishtime=ABSENT, activeTime=ABSENT),
        view(title=5, category1=[], publishtime="soon", activeTime=-1),
        view(title="\ud800"),
        view(),
        view(id=ABSENT, title=ABSENT),
    ]
    raw = read(plan_adressa(day(tmp_path, *lines)))
    assert "reads without title: 2; with one that is unusable: 2" in raw.notes
    assert "reads without category1: 2; with one that is unusable: 1" in raw.notes
    assert "reads without activeTime: 1; with one that is unusable: 1" in raw.notes
    assert said(raw, "reads without publishtime: 2; with one that is unusable: 1; articles without one are known")


def test_units_days_and_sessions_are_said(tmp_path: Path) -> None:
    raw = read(plan_adressa(day(tmp_path, view(), view(id=ABSENT))))
    assert "reads: 1; times in whole seconds UTC; the files are days of Oslo, cut at midnight there" in raw.notes
    assert said(raw, "no session ids")
    assert not said(raw, "reads without")
    assert raw.made_up == []
    assert "http://reclab.idi.ntnu.no/dataset/" in raw.source


def as_tar(mode: str) -> Callable[[Path, dict[str, bytes]], None]:
    def make(path: Path, files: dict[str, bytes]) -> None:
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))

    return make


def as_zip(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


ARCHIVES = [("w.tar.gz", as_tar("w")), ("w.tar.gz", as_tar("w:gz")), ("w.tar", as_tar("w")), ("w.zip", as_zip)]


@pytest.mark.parametrize(("name", "make"), ARCHIVES)
def test_archives_are_read_member_by_member(
    tmp_path: Path, name: str, make: Callable[[Path, dict[str, bytes]], None]
) -> None:
    make(
        tmp_path / name,
        {
            "one_week/20170101": view().encode(),
            "one_week/._20170101": b"\x00\x05\x16\x07",
            "one_week/20170102.json": f"{view(id='a2')}\n{{".encode(),
            "one_week/readme.txt": b"read me",
            "one_week/20170103.gz": gzip.compress(f"{view(id='a3')}\n".encode()) + gzip.compress(b"["),
            "one_week/20170104.gz": view(id="a4").encode(),
        },
    )
    raw = read(plan_adressa(tmp_path / name))
    reads = [READ_OF_VIEW, *(READ_OF_VIEW._replace(item=item) for item in ("a2", "a3", "a4"))]
    assert account(raw) == (reads, [("one_week/20170102.json", 2), ("one_week/20170103.gz", 2)], {})
    assert "files that are no day files, ignored: 1: one_week/readme.txt" in raw.notes


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: data[:10] + b"?" * 10 + data[20:]])
def test_a_day_that_is_damaged_inside_an_archive_is_not_read_in_silence(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    as_tar("w")(tmp_path / "w.tar", {"20170101.gz": damage(gzip.compress(view().encode() * 1000))})
    with pytest.raises(DataError, match=r"w\.tar cannot be read"):
        read(plan_adressa(tmp_path / "w.tar"))


def test_folders_are_read_in_order_of_names_and_other_files_are_ignored(tmp_path: Path) -> None:
    folder = day(tmp_path / "log", view(id="3"), name="20170103.jsonl")
    day(folder, view(id="1"))
    (folder / "20170102.gz").write_bytes(gzip.compress(view(id="2").encode()))
    as_tar("w")(folder / "more.tar", {"20170104": view(id="4").encode(), "x": b""})
    for other in ("201701", "20170101.txt", "._20170105", ".DS_Store"):
        (folder / other).write_bytes(b"\x00")
    raw = read(plan_adressa(folder))
    assert [row.item for row in rows_of(raw)] == ["1", "2", "3", "4"]
    assert raw.rejects == []
    assert "files that are no day files, ignored: 3: 201701, 20170101.txt, x" in raw.notes


def test_many_ignored_files_are_not_all_named(tmp_path: Path) -> None:
    folder = day(tmp_path, view())
    for number in range(7):
        (folder / f"{number}.txt").touch()
    assert (
        "files that are no day files, ignored: 7: 0.txt, 1.txt, 2.txt, 3.txt, 4.txt, …"
        in read(plan_adressa(folder)).notes
    )


def test_a_single_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    day(tmp_path, view(), name="sample.txt")
    (tmp_path / "sample.gz").write_bytes(gzip.compress(view().encode()))
    for name in ("sample.txt", "sample.gz"):
        assert rows_of(read(plan_adressa(tmp_path / name))) == [READ_OF_VIEW]


def test_empty_files_hold_no_reads(tmp_path: Path) -> None:
    raw = read(plan_adressa(day(tmp_path)))
    assert account(raw) == ([], [], {})
    as_zip(tmp_path / "w.zip", {"20170101": b"", "readme.txt": b"read me"})
    assert account(read(plan_adressa(tmp_path / "w.zip"))) == ([], [], {})


@pytest.mark.parametrize(("name", "make"), ARCHIVES)
def test_an_archive_without_day_files_says_what_is_expected_and_where_to_get_it(
    tmp_path: Path, name: str, make: Callable[[Path, dict[str, bytes]], None]
) -> None:
    make(tmp_path / name, {"._20170101": b"x", "clicks.csv": b"x"})
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(DataError, match=r"named for their day, as 20170101.*http://reclab\.idi\.ntnu\.no/dataset/"):
            plan_adressa(path)


def test_a_folder_without_day_files_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found an empty folder"):
        plan_adressa(tmp_path)
    (tmp_path / "clicks.csv").touch()
    with pytest.raises(DataError, match=r"found clicks\.csv\. Expected .*20170101"):
        plan_adressa(tmp_path)
    with pytest.raises(DataError, match="there is no such file or folder"):
        plan_adressa(tmp_path / "none")


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "20170101.gz").write_bytes(gzip.compress(view().encode() * 1000)[:-20])
    with pytest.raises(DataError, match=r"20170101\.gz cannot be read"):
        read(plan_adressa(tmp_path))
    (tmp_path / "w.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"w\.zip cannot be read"):
        plan_adressa(tmp_path / "w.zip")


QUIRKS: dict[str, st.SearchStrategy[Any]] = {
    "id": st.sampled_from(["a1", "a2", "æ", "", None, 7, True, 1.5, "\ud83d\ude00", "\ud800", [], ABSENT]),
    "time": st.sampled_from([1483268400, 1483268401.0, 0, -1, 1.5, True, "1", None, 10**30, float("nan"), ABSENT]),
    "userId": st.sampled_from(["u1", "u2", "", None, 7, False, {}, "\udc00", 'q"\\\n', ABSENT]),
    "publishtime": st.sampled_from(
        ["2017-01-01T10:00:00.500Z", "2017-01-01T10:00:00+01:00", "2017", "", None, 5, "1969-01-01T00:00:00Z", ABSENT]
    ),
    "title": st.sampled_from(["Sn\u00f8", "x\u0000", "", None, 5, "\ud800", ABSENT]),
    "category1": st.sampled_from(["a", "a|b", "a|b|c", "|", "", None, [], ABSENT]),
    "activeTime": st.sampled_from([0, 8, 8.5, 1e-3, -1, True, "8", None, 10**12, float("inf"), ABSENT]),
}


@st.composite
def line_of_any_kind(draw: st.DrawFn) -> bytes:
    spoilt = draw(st.lists(st.sampled_from(sorted(QUIRKS)), max_size=2))
    record = {**VIEW, **{key: draw(QUIRKS[key]) for key in spoilt}}
    record = {key: value for key, value in record.items() if value is not ABSENT}
    line = json.dumps(record, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")
    cut = draw(st.sampled_from([None, None, None, None, 0, 1, 30, -1]))
    return line[:cut] + draw(st.sampled_from([b"", b"", b"\r", b" ", b"x", b"\xff"]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(line_of_any_kind(), max_size=6), min_size=1, max_size=3),
    st.sampled_from([1, 64, 400, 1 << 20]),
    st.sampled_from([1, 2, 1 << 16]),
    st.booleans(),
)
def test_any_lines_in_any_pieces_are_read_as_the_slow_reader_reads_them(
    tmp_path_factory: pytest.TempPathFactory, days: list[list[bytes]], size: int, most: int, ended: bool
) -> None:
    folder = tmp_path_factory.mktemp("log")
    files = [(f"2017010{number}", b"\n".join(lines) + b"\n" * ended) for number, lines in enumerate(days)]
    for name, data in files:
        (folder / name).write_bytes(data)
    sizes = ReadSizes(chunk=size, stretch=2 * size, lines=most)
    assert account(read(plan_adressa(folder, sizes=sizes))) == tuple(naive_adressa(files))


def test_the_real_sample_is_read_as_the_slow_reader_reads_it(real_data: Path) -> None:
    path = real_data / "adressa_toy" / "one_week.tar.gz"
    if not path.is_file():
        pytest.skip("no adressa_toy/one_week.tar.gz among the real logs")
    files = []
    with tarfile.open(path) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is not None and "/._" not in member.name:
                files.append((member.name, stream.read()))
    raw = read(plan_adressa(path))
    assert account(raw) == tuple(naive_adressa(files))
    assert (raw.rows_in, raw.kept, len(raw.rejects), raw.dropped[NO_ARTICLE]) == (38, 25, 5, 8)


def test_further_keys_are_kept_read_fast_or_line_by_line(tmp_path: Path) -> None:
    lines = [view(deviceType="Mobile"), view(deviceType=""), view(deviceType=7), view(), view(deviceType="TV")]
    doubtful = view(deviceType="Tablet").encode().replace(b'"id"', b'"i\\u0064"')
    raw = read(plan_adressa(day(tmp_path, *lines, doubtful), keep=["deviceType"]))
    assert raw.rows["extra.deviceType"].to_pylist() == ["Mobile", None, None, None, "TV", "Tablet"]


@pytest.mark.parametrize("key", ["activeTime", "sessionStop"])
def test_what_tells_of_the_time_after_an_event_cannot_be_kept(tmp_path: Path, key: str) -> None:
    with pytest.raises(DataError, match=f"'{key}' is known after its row only"):
        plan_adressa(day(tmp_path, view()), keep=["city", key])

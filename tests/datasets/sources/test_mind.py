"""MIND: what is read, what is left out, what is refused; and that the fast reader agrees with the slow one."""

from __future__ import annotations

import json
import re
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsreplay.datasets import find_data
from newsreplay.datasets.base import Plan, Raw
from newsreplay.datasets.preparing.prepare import prepare
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.datasets.sources.mind import impressions
from newsreplay.datasets.sources.mind.plan import plan_mind
from newsreplay.errors import DataError
from newsreplay.log.catalog import Catalog, Revealed
from newsreplay.log.rows import IMPRESSION
from tests.naive.mind import Naive, add_profile, naive_mind
from tests.reading import Profile, Row, articles_of, profiles_of, read, rows_of

NINE = "11/12/2019 9:05:58 AM"


def line(
    user: str = "U1", time: str = NINE, history: str = "N5 N6", candidates: str = "N7-0 N8-1", number: int = 1
) -> str:
    return f"{number}\t{user}\t{time}\t{history}\t{candidates}"


def article(item: str = "N7", *cells: str) -> str:
    given = cells or ("news", "newsworld", 'The "title', "An abstract", "https://example.org", "[]", "[]")
    return "\t".join([item, *given])


def mind_folder(folder: Path, behaviors: list[str] | bytes, news: list[str] | bytes | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("behaviors.tsv", behaviors), ("news.tsv", news)):
        if content is not None:
            data = content if isinstance(content, bytes) else "".join(f"{line}\n" for line in content).encode()
            (folder / name).write_bytes(data)
    return folder


def read_mind(folder: Path, behaviors: list[str] | bytes, news: list[str] | bytes | None = None) -> Raw:
    return read(plan_mind(mind_folder(folder, behaviors, news)))


def earliest(profiles: list[Profile]) -> dict[str, Profile]:
    """Of each user: blocks do not know of each other, whoever joins them takes the earliest."""
    found: dict[str, Profile] = {}
    for profile in profiles:
        add_profile(found, profile)
    return found


def assert_same(raw: Raw, naive: Naive) -> None:
    assert rows_of(raw) == naive.rows
    assert articles_of(raw) == naive.articles
    assert earliest(profiles_of(raw)) == naive.profiles
    assert [(reject.file, reject.line) for reject in raw.rejects] == naive.rejects
    assert raw.dropped == naive.dropped
    assert raw.rows_in == naive.lines


# Impressions


def test_a_line_is_one_impression_with_its_candidates_in_file_order(tmp_path: Path) -> None:
    raw = read_mind(tmp_path, [line(candidates="N9-0 N7-1 N8-0 N10-1")])
    assert rows_of(raw) == [
        Row(
            kind=IMPRESSION,
            time=int(datetime(2019, 11, 12, 9, 5, 58, tzinfo=UTC).timestamp()) * 1000,
            item=None,
            user="U1",
            pool=("N9", "N7", "N8", "N10"),
            clicked=(False, True, False, True),
        )
    ]


def test_lines_keep_their_order_and_every_file_of_ids_one_dictionary(tmp_path: Path) -> None:
    raw = read_mind(tmp_path, [line("U2"), line("u2"), line("U1"), line("U2")])
    assert [row.user for row in rows_of(raw)] == ["U2", "u2", "U1", "U2"]
    assert raw.rows["user"].chunk(0).dictionary.to_pylist() == ["U2", "u2", "U1"]
    assert raw.rows["pool"].chunk(0).values.dictionary.to_pylist() == ["N5", "N6", "N7", "N8"]


@pytest.mark.parametrize(
    ("clock", "hour"),
    [("12:00:00 AM", 0), ("1:00:00 AM", 1), ("12:00:00 PM", 12), ("1:00:00 PM", 13), ("11:00:00 PM", 23)],
)
def test_twelve_is_midnight_in_the_morning_and_noon_after_it(tmp_path: Path, clock: str, hour: int) -> None:
    (row,) = rows_of(read_mind(tmp_path, [line(time=f"11/9/2019 {clock}")]))
    assert datetime.fromtimestamp(row.time / 1000, UTC) == datetime(2019, 11, 9, hour, tzinfo=UTC)


def test_every_day_from_1990_to_2099_has_its_time(tmp_path: Path) -> None:
    days = [date(1990, 1, 1) + timedelta(days=day) for day in range((date(2100, 1, 1) - date(1990, 1, 1)).days)]
    raw = read_mind(tmp_path, [line(time=f"{day.month}/{day.day:02}/{day.year} 11:59:59 PM") for day in days])
    first = 631_152_000_000 + 86_399_000
    assert raw.rows["time"].to_pylist() == [first + 86_400_000 * number for number in range(len(days))]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("1\tU1\t11/12/2019 9:05:58 AM\tN5", "5 cells are expected, the line has 4"),
        (line() + "\ttrain", "5 cells are expected, the line has 6"),
        (line(time=""), "time '' is not of the form"),
        (line(time="11/12/2019 9:05:58"), "has neither AM nor PM"),
        (line(time="11/12/2019 19:05"), "has neither AM nor PM"),
        (line(time="2019-11-12"), "is not of the form"),
        (line(time="2019-11-12 9:05:58"), "is not of the form"),
        (line(time="2019-11-12 24:00:00"), "is not of the form"),
        (line(time="2019-11-31 09:05:58"), "is in no calendar"),
        (line(time="1989-12-31 23:59:59"), "is outside 1990 to 2100"),
        (line(candidates="N7-0,N8-1"), "candidates 'N7-0,N8-1' are separated by commas"),
        (line(time="11/12/2019 9:5:58 AM"), "is not of the form"),
        (line(time="11/12/2019 9:05:58 am"), "is not of the form"),
        (line(time="11/12/2019  9:05:58 AM"), "is not of the form"),
        (line(time="111/12/2019 9:05:58 AM"), "is not of the form"),
        (line(time="11/12/12019 9:05:58 AM"), "is not of the form"),
        (line(time="٣/12/2019 9:05:58 AM"), "is not of the form"),
        (line(time="13/12/2019 9:05:58 AM"), "is in no calendar"),
        (line(time="2/29/2019 9:05:58 AM"), "is in no calendar"),
        (line(time="11/31/2019 9:05:58 AM"), "is in no calendar"),
        (line(time="0/1/2019 9:05:58 AM"), "is in no calendar"),
        (line(time="1/0/2019 9:05:58 AM"), "is in no calendar"),
        (line(time="11/12/2019 0:05:58 AM"), "is in no calendar"),
        (line(time="11/12/2019 13:05:58 PM"), "is in no calendar"),
        (line(time="11/12/2019 9:60:58 AM"), "is in no calendar"),
        (line(time="11/12/2019 9:05:60 AM"), "is in no calendar"),
        (line(time="12/31/1989 9:05:58 AM"), "is outside 1990 to 2100"),
        (line(time="1/1/2100 12:00:00 AM"), "is outside 1990 to 2100"),
        (line(candidates="N7-0 N8"), "candidate 'N8' has no label"),
        (line(candidates="N7-0 N8-2"), "candidate 'N8-2' has no label"),
        (line(candidates="N7-0 N8-10"), "candidate 'N8-10' has no label"),
        (line(candidates="N7-0 -1"), "candidate '-1' has no article id"),
        (line(history="N5 \0"), "the line holds a NUL byte"),
        ("x" * 5000, "5 cells are expected, the line has 1"),
    ],
)
def test_a_line_that_cannot_be_used_is_a_reject_and_its_neighbours_are_read(
    tmp_path: Path, broken: str, reason: str
) -> None:
    raw = read_mind(tmp_path, [line("U1"), line("U2"), broken, line("U3")])
    assert [row.user for row in rows_of(raw) if row.user != "U1" or row.pool == ("N7", "N8")] == ["U1", "U2", "U3"]
    (reject,) = raw.rejects
    assert (reject.file, reject.line) == ("behaviors.tsv", 3)
    assert reason in reject.reason
    assert len(reject.reason) < 200
    assert reject.text == broken[:500]


def test_a_line_that_is_no_text_is_a_reject(tmp_path: Path) -> None:
    raw = read_mind(tmp_path, f"{line()}\n".encode() + line(history="N5 \N{EURO SIGN}").encode()[:-12] + b"\tN7-1\n")
    assert raw.kept == 1
    assert raw.rejects[0].line == 2
    assert "is not UTF-8" in raw.rejects[0].reason


@pytest.mark.parametrize(
    "item",
    [
        "n-77",
        "N007",
        "N",
        "77",
        "N-1",
        "N12345678",
        "N99999999999999999999",
        "x\N{GREEK SMALL LETTER PI}",
        '"N1"',
        "N7",
    ],
)
def test_ids_of_any_form_are_kept_as_they_stand(tmp_path: Path, item: str) -> None:
    raw = read_mind(tmp_path, [line(), line(f"{item}u", NINE, f"N5 {item}", f"{item}-1 N5-0"), line("U3", NINE, item)])
    odd = rows_of(raw)[1]
    assert (odd.user, odd.pool) == (f"{item}u", (item, "N5"))
    assert [profile.items for profile in profiles_of(raw)] == [("N5", "N6"), ("N5", item), (item,)]
    names = raw.rows["pool"].chunk(0).values.dictionary.to_pylist()
    assert len(names) == len(set(names))


def test_only_the_line_in_doubt_is_read_slowly_and_leaves_no_ids_behind(tmp_path: Path) -> None:
    lines = [line(), line(candidates="N100-1 N200-0 N300"), line(), line("v1"), line()]
    with patch.object(impressions, "_exact", wraps=impressions._exact) as exact:
        raw = read_mind(tmp_path, lines)
    assert exact.call_count == 2
    assert "N100" not in raw.rows["pool"].chunk(0).values.dictionary.to_pylist()


def test_spaces_around_ids_are_no_ids(tmp_path: Path) -> None:
    raw = read_mind(tmp_path, [line(), line("U2", NINE, " N5  N6 ", " N7-0  N8-1 ")])
    first, second = rows_of(raw)
    assert second == first._replace(user="U2")
    assert [profile.items for profile in profiles_of(raw)] == [("N5", "N6")] * 2


def test_an_impression_without_candidates_is_left_out_and_counted(tmp_path: Path) -> None:
    raw = read_mind(tmp_path, [line(), line(candidates=""), line(candidates=" ")])
    assert raw.kept == 1
    assert raw.dropped == {"impression without candidates": 2}


def test_blank_lines_are_left_out_and_counted_as_lines(tmp_path: Path) -> None:
    raw = read_mind(tmp_path, [line(), "", " \t\t\t\t", "broken"], [article(), "", "broken"])
    assert raw.dropped == {"blank line": 3}
    assert [(reject.file, reject.line) for reject in raw.rejects] == [("behaviors.tsv", 4), ("news.tsv", 3)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark_do_no_harm(tmp_path: Path, end: str, last: bool, mark: str) -> None:
    behaviors = mark + end.join([line("U1"), line("U2"), line("U3", candidates="N9-0")]) + end * last
    news = mark + end.join([article("N7"), article("N8")]) + end * last
    raw = read_mind(tmp_path, behaviors.encode(), news.encode())
    assert [row.user for row in rows_of(raw)] == ["U1", "U2", "U3"]
    assert [found.item for found in articles_of(raw)] == ["N7", "N8"]
    assert articles_of(raw)[1].facts[-1] == ("title", 'The "title')
    assert not raw.rejects


# What went through other tools


@pytest.mark.parametrize("time", ["2019-11-12 09:05:58", "2019-11-12T09:05:58", "2019-11-12 10:05:58+01:00"])
def test_a_time_in_iso_8601_is_the_same_time(tmp_path: Path, time: str) -> None:
    raw = read_mind(tmp_path, [line(), line(time=time), line()])
    assert len({row.time for row in rows_of(raw)}) == 1
    assert ("times with a zone, read as such: 1" in raw.notes) == ("+" in time)


def test_only_clocks_with_a_fraction_or_a_zone_are_read_slowly(tmp_path: Path) -> None:
    lines = [line(time=f"2019-11-12{t}09:05:5{n}{rest}") for t in " T" for n in range(5) for rest in ("", ".5", "Z")]
    with patch.object(impressions, "_exact", wraps=impressions._exact) as exact:
        raw = read_mind(tmp_path, lines)
    assert exact.call_count == 20
    assert raw.kept == 30


def test_labels_that_became_decimals_are_labels_and_read_fast(tmp_path: Path) -> None:
    with patch.object(impressions, "_exact", wraps=impressions._exact) as exact:
        raw = read_mind(tmp_path, [line(candidates="N7-0.0 N8-1.0"), line(candidates="N7-0.0 n8-1.0")])
    assert [(row.pool, row.clicked) for row in rows_of(raw)] == [
        (("N7", "N8"), (False, True)),
        (("N7", "n8"), (False, True)),
    ]
    assert exact.call_count == 1


@pytest.mark.parametrize("history", ["['N5', 'N6']", '["N5", "N6"]', "[N5 N6]", "('N5', 'N6')", "N5,N6", "N5, N6"])
def test_a_history_written_as_a_list_is_its_articles(tmp_path: Path, history: str) -> None:
    raw = read_mind(tmp_path, [line(history=history)])
    assert [profile.items for profile in profiles_of(raw)] == [("N5", "N6")]
    assert "histories written as lists, as ['N1', 'N2'], read as their articles: 1" in raw.notes


@pytest.mark.parametrize("history", ["nan", "NaN", "NULL", "None", "[]"])
def test_a_history_that_says_there_is_none_is_empty(tmp_path: Path, history: str) -> None:
    raw = read_mind(tmp_path, [line(history=history)])
    assert [profile.items for profile in profiles_of(raw)] == [()]
    assert "impressions with an empty history: 1" in raw.notes


def test_articles_that_no_news_tell_of_are_counted_in_rows_and_in_histories(tmp_path: Path) -> None:
    folder = mind_folder(tmp_path / "raw", [line(history="N5 N6 N9 N7")], [article("N7"), article("N9")])
    dataset = prepare(plan_mind(folder), tmp_path / "data", name="test", kind="mind")
    assert "articles of the rows that the files of articles do not tell of: 1 of 2" in dataset.card["notes"]
    assert any(note.endswith("that the files of articles do not tell of: 2") for note in dataset.card["notes"])


def test_impressions_without_a_click_are_counted_where_there_is_no_read(tmp_path: Path) -> None:
    folder = mind_folder(tmp_path / "raw", [line(candidates="N7-0 N8-0"), line(candidates="N7-0"), ""], [article()])
    with pytest.raises(DataError, match=r"none of 4 rows .*: 2 impressions, none with a click; 1 articles; 1 left out"):
        prepare(plan_mind(folder), tmp_path / "data", name="test", kind="mind")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("header", ["", "nid\ttitle\tabstract", "\ufeffnid\tTitle\tabstract"])
def test_titles_and_abstracts_of_xmind_stand_beside_the_behaviours_of_mind(
    tmp_path: Path, header: str, end: str
) -> None:
    texts = [*([header] if header else []), "N7\tTitel\tKurz", "N8\tAnderer\t", "\tkein\tArtikel", "N9\tzu kurz"]
    raw = read_mind(tmp_path, [line()], "".join(f"{text}{end}" for text in texts).encode())
    assert [(found.item, dict(found.facts)) for found in articles_of(raw)] == [
        ("N7", {"title": "Titel", "abstract": "Kurz"}),
        ("N8", {"title": "Anderer"}),
    ]
    assert [reject.line - bool(header) for reject in raw.rejects] == [3, 4]
    assert "news.tsv is xMIND's: no categories" in raw.notes


@pytest.mark.parametrize(
    ("behaviors", "news"),
    [
        ("train/behaviors.tsv", "train/news.tsv"),
        ("train/behaviors.tsv", "news.tsv"),
        ("a/b/train/behaviors.tsv", "a/news.tsv"),
        ("behaviors.tsv/behaviors.tsv", "news.tsv/news.tsv"),
        ("train/behaviors.tsv/behaviors.tsv", "train/news.tsv/news.tsv"),
        ("train/behaviors.tsv", "news.tsv/news.tsv"),
    ],
)
def test_news_are_found_beside_or_above_the_behaviours_and_in_the_folders_of_kaggle(
    tmp_path: Path, behaviors: str, news: str
) -> None:
    for name, text in ((behaviors, line()), (news, article())):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    raw = read(plan_mind(tmp_path))
    assert [found.item for found in articles_of(raw)] == ["N7"]
    assert not any(note.startswith("no ") for note in raw.notes)


def test_the_nearest_news_count_and_are_read_once(tmp_path: Path) -> None:
    for name in ("train", "dev"):
        mind_folder(tmp_path / name, [line(name)], [article("N8")] if name == "dev" else None)
    (tmp_path / "news.tsv").write_text(article("N7") + "\n")
    (tmp_path / "valid").mkdir()
    mind_folder(tmp_path / "valid", [line("v")])
    assert [found.item for found in articles_of(read(plan_mind(tmp_path)))] == ["N7", "N8"]


def test_the_same_behaviours_twice_are_refused_by_name(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "MINDsmall_train", tmp_path / "MINDsmall_dev"):
        mind_folder(folder, [line("U1" if folder.name != "MINDsmall_dev" else "U2")])
    with pytest.raises(DataError, match=r"MINDsmall_train/behaviors.tsv and behaviors.tsv are the same, byte for byte"):
        plan_mind(tmp_path)


def test_a_train_file_that_is_the_dev_file_too_is_noted(tmp_path: Path) -> None:
    for name in ("train", "dev"):
        mind_folder(tmp_path / name, [line()])
    notes = read(plan_mind(tmp_path)).notes
    assert any(note.startswith("train/behaviors.tsv and dev/behaviors.tsv are the same") for note in notes)


@pytest.mark.parametrize(
    ("names", "sizes"),
    [
        (("MINDsmall_train", "MINDlarge_dev"), "large.*small"),
        (("MINDdemo_train", "MINDsmall_dev"), "demo.*small"),
        (("mind-large/train", "mind_small/dev"), "large.*small"),
        (("xMINDsmall_train", "xMINDlarge_dev"), "large.*small"),
    ],
)
def test_folders_of_two_sizes_are_refused_by_name(tmp_path: Path, names: tuple[str, str], sizes: str) -> None:
    for number, name in enumerate(names):
        mind_folder(tmp_path / name, [line(f"U{number}")])
    with pytest.raises(DataError, match=f"{sizes}.*are of different sizes of MIND"):
        plan_mind(tmp_path)
    assert plan_mind(tmp_path / names[0]).parts


# Profiles


def test_a_users_history_is_one_profile_at_their_earliest_line(tmp_path: Path) -> None:
    later, first = "11/13/2019 9:00:00 AM", "11/12/2019 9:00:00 PM"
    raw = read_mind(
        tmp_path,
        [
            line("U1", later, "N1"),
            line("U2", later, "N2 N3"),
            line("U1", first, "N1 N1"),
            line("U1", first, "N4"),
            line("U3", first, ""),
            line("U4", first, ""),
            line("U4", later, "N6"),
        ],
    )
    found = [(profile.user, profile.items) for profile in profiles_of(raw)]
    assert found == [("U2", ("N2", "N3")), ("U1", ("N1", "N1")), ("U3", ()), ("U4", ())]
    assert raw.profiles is not None
    assert raw.profiles["differ"].to_pylist() == [False, True, False, True]
    assert "impressions with an empty history: 2" in raw.notes
    assert raw.kept == 7


def test_a_history_that_differs_within_a_file_or_between_files_is_noted_and_that_of_the_first_line_counts(
    tmp_path: Path,
) -> None:
    times = [f"11/12/2019 9:0{n}:00 AM" for n in range(4)]
    days = {
        "train": [line("U1", times[0], ""), line("U1", times[1], "N5"), line("U2", times[0], "N5")],
        "dev": [line("U2", times[2], "N5 N6"), line("U3", times[2], "N5"), line("U3", times[3], "N5")],
    }
    for name, lines in days.items():
        mind_folder(tmp_path / name, lines)
    dataset = prepare(plan_mind(tmp_path), tmp_path / "data", name="test", kind="mind")
    publisher = dataset.publisher("mind")
    revealed = Revealed()
    catalog = Catalog(publisher.articles, revealed)
    revealed.row, revealed.known = len(publisher.log.time) - 1, len(publisher.articles.id)
    histories = {str(name): catalog.profile(user) for user, name in enumerate(publisher.users.to_pylist())}
    assert histories == {"U1": [], "U2": ["N5"], "U3": ["N5"]}
    assert any(
        note.startswith("readers whose history differs between their impressions: 2;") for note in dataset.card["notes"]
    )


def test_an_impression_without_a_user_is_nobodys(tmp_path: Path) -> None:
    raw = read_mind(tmp_path, [line(user=""), line()])
    assert [row.user for row in rows_of(raw)] == [None, "U1"]
    assert len(profiles_of(raw)) == 1
    assert raw.kept == 2


@pytest.mark.parametrize(("history", "frozen"), [("dynamic", False), ("static", True)])
def test_histories_grow_with_what_is_read_unless_they_are_static(tmp_path: Path, history: str, frozen: bool) -> None:
    assert plan_mind(mind_folder(tmp_path, [line()]), history=history).frozen is frozen
    assert plan_mind(tmp_path).frozen is False


def test_another_word_for_the_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'frozen': expected dynamic .* or static"):
        plan_mind(mind_folder(tmp_path, [line()]), history="frozen")


# Articles


def test_an_article_has_its_category_texts_and_entities(tmp_path: Path) -> None:
    title, abstract = '[{"Label": "Oslo"}]', "[]"
    cells = ("news", "newsworld", 'A "lone quote', "An abstract", "https://example.org", title, abstract)
    (found,) = articles_of(read_mind(tmp_path, [line()], [article("N7", *cells)]))
    facts = dict(found.facts)
    assert (found.item, found.published) == ("N7", None)
    assert json.loads(facts.pop("entities")) == {"title": [{"Label": "Oslo"}], "abstract": []}
    assert facts == {
        "category": "news",
        "subcategory": "newsworld",
        "title": 'A "lone quote',
        "abstract": "An abstract",
    }


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize(
    "cells",
    [
        ("a", "b", "c", "d", "e"),
        ("a", "b", "c", "d", "e", "[]"),
        ("a", "b", "c", "d", "e", "[]", ""),
        ("a", "b", "c", "d", "e", "[]", '"[]"'),
        ("a", "b", "c", "d", "e", "[1", "[]"),
        ("", "", "", "", "", "", ""),
    ],
)
def test_what_an_article_lacks_is_not_told_and_counted(tmp_path: Path, cells: tuple[str, ...], slow: bool) -> None:
    raw = read_mind(tmp_path, [line()], [article("N7", *cells), article("N8", *cells), *["?"] * slow])
    lacking = sum(not cell for cell in cells[:4]) + 1
    assert [len(found.facts) for found in articles_of(raw)] == [5 - lacking] * 2
    assert "articles without entities: 2" in raw.notes
    assert ("articles without title: 2" in raw.notes) == (not cells[2])


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (article("", "a", "b", "c", "d", "e", "[]", "[]"), "the article id is missing"),
        (article("N9", "a", "b", "c", "d"), "6 or 7 or 8 cells are expected, the line has 5"),
        (article("N9", "a", "b", "c", "d", "e", "[]", "[]", "train"), "the line has 9"),
        (article("N9", "a", "b", "c\0", "d", "e", "[]", "[]"), "the line holds a NUL byte"),
    ],
)
def test_an_article_that_cannot_be_used_is_a_reject(tmp_path: Path, broken: str, reason: str) -> None:
    raw = read_mind(tmp_path, [line()], [article("N7"), broken, article("N8")])
    assert [found.item for found in articles_of(raw)] == ["N7", "N8"]
    (reject,) = raw.rejects
    assert (reject.file, reject.line) == ("news.tsv", 2)
    assert reason in reject.reason


def test_an_article_of_megabytes_is_read(tmp_path: Path) -> None:
    text = "word " * 700_000
    found = articles_of(read_mind(tmp_path, [line()], [article(), article("N9", "a", "b", "c", text, "e", "[]", "[]")]))
    assert dict(found[1].facts)["abstract"] == text


def test_news_that_are_not_there_are_said(tmp_path: Path) -> None:
    raw = read_mind(tmp_path, [line()])
    assert raw.articles is None
    assert "no news.tsv: categories and texts of its articles are unknown" in raw.notes


# Planning


def names(plan: Plan) -> list[tuple[str, str]]:
    return [(part.name, part.role) for part in plan.parts]


def test_train_comes_before_dev_and_strays_are_left_out(tmp_path: Path) -> None:
    for folder in ("A_dev", "A_train", "__MACOSX/A_train", "B/validation"):
        mind_folder(tmp_path / folder, [line(folder)], None if "dev" in folder else [article()])
    plan = plan_mind(tmp_path)
    assert names(plan) == [
        ("A_train/behaviors.tsv", "behaviors"),
        ("A_dev/behaviors.tsv", "behaviors"),
        ("B/validation/behaviors.tsv", "behaviors"),
        ("A_train/news.tsv", "articles"),
        ("B/validation/news.tsv", "articles"),
    ]
    assert any(note.startswith("no A_dev/news.tsv") for note in read(plan).notes)


def test_a_large_file_is_read_in_several_parts(tmp_path: Path) -> None:
    lines = [line(f"U{number}") for number in range(50)]
    plan = plan_mind(mind_folder(tmp_path, [*lines, "broken"], [article("N1")] * 20), sizes=ReadSizes(stretch=200))
    assert len(plan.parts) > 10
    raw = read(plan)
    assert [row.user for row in rows_of(raw)] == [f"U{number}" for number in range(50)]
    assert raw.rejects[0].line == 51


HEADER = "impression_id\tuser_id\ttime\thistory\timpressions"


@pytest.mark.parametrize(
    ("behaviors", "found"),
    [
        ([HEADER, line()], [r"behaviors\.tsv line 1: a header row", "tail -n \\+2 behaviors.tsv`", "msnews"]),
        ([line() + "\ttrain"] * 3, [r"behaviors\.tsv line 1: the lines have 6 cells", "`cut -f 1-5"]),
        (
            [HEADER + "\tset", line() + "\ttrain"],
            [r"behaviors\.tsv line 1: a header row .* 6 cells", r"`tail -n \+2 behaviors.tsv \| cut -f 1-5`"],
        ),
        ([line().replace("\t", ",")], ["the lines have 1 cells", "Get it from https://msnews"]),
        (b"\r".join([line().encode()] * 3), ["the lines have 13 cells"]),
        (line().encode("utf-16"), ["NUL bytes: it is no UTF-8 text"]),
        (b"", ["behaviors.tsv is empty", "Get it again"]),
        (b"\n \n", ["behaviors.tsv is empty"]),
    ],
)
def test_another_layout_is_refused_with_the_way_out(
    tmp_path: Path, behaviors: list[str] | bytes, found: list[str]
) -> None:
    for match in found:
        with pytest.raises(DataError, match=match):
            plan_mind(mind_folder(tmp_path, behaviors))


@pytest.mark.parametrize(
    ("news", "found"),
    [
        (
            ["news_id\tcategory\tsubcategory\ttitle\tabstract\turl\ta\tb", article()],
            "line 1: a header row stands there",
        ),
        ([article() + "\ttrain"], "the lines have 9 cells.*cut -f 1-8"),
        (["N1,news,world"], "the lines have 1 cells"),
    ],
)
def test_news_of_another_layout_are_refused(tmp_path: Path, news: list[str], found: str) -> None:
    with pytest.raises(DataError, match=found):
        plan_mind(mind_folder(tmp_path, [line()], news))


def test_empty_news_are_news_of_no_article(tmp_path: Path) -> None:
    assert articles_of(read_mind(tmp_path, [line()], b"")) == []


@pytest.mark.parametrize("broken", ["1\tU1", "broken", line(candidates="N7 N8"), line(time="soon") + "\0"])
def test_a_damaged_first_line_is_a_reject_and_no_other_layout(tmp_path: Path, broken: str) -> None:
    raw = read_mind(tmp_path, [broken, line()])
    assert [reject.line for reject in raw.rejects] == [1]


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: None, "there is no such folder"),
        (lambda path: path.mkdir(), "found an empty folder"),
        (lambda path: path.write_text("x", encoding="utf-8"), "found a file, not a folder"),
        (lambda path: (path / "behaviors.tsv").mkdir(parents=True), r"found behaviors\.tsv"),
    ],
)
def test_a_folder_without_impressions_says_what_is_expected_and_where_to_get_it(
    tmp_path: Path, make: object, found: str
) -> None:
    assert callable(make)
    make(tmp_path / "mind")
    for match in (found, "behaviors.tsv and news.tsv", "https://msnews.github.io/"):
        with pytest.raises(DataError, match=match):
            plan_mind(tmp_path / "mind")


def test_splits_are_days_of_november_2019(tmp_path: Path) -> None:
    def midnight(day: int) -> int:
        return int(datetime(2019, 11, day, tzinfo=UTC).timestamp()) * 1000

    assert plan_mind(mind_folder(tmp_path, [line()])).splits == {
        "official": (midnight(15), midnight(16)),
        "awrs": (midnight(15), midnight(16)),
        "awrs-validation": (midnight(14), midnight(15)),
        "stream": (midnight(10), None),
    }


def test_the_zone_the_missing_publication_times_the_source_and_the_terms_are_said(tmp_path: Path) -> None:
    raw = read_mind(tmp_path, [line()])
    assert "times are of no stated zone and read as UTC" in raw.notes
    assert "no publication time" in raw.made_up[0]
    assert "https://msnews.github.io/" in raw.source
    assert "Microsoft Research License" in raw.licence
    assert "no redistribution" in raw.licence


# Against the slow reader

IDS = st.one_of(
    st.integers(0, 20).map(lambda number: f"N{number}"),
    st.sampled_from(
        ["N007", "N", "n-7", "N-1", "N9999999", "N10000000", "N123456789012", "-", "\N{SNOWMAN}", "N1\x0b"]
    ),
)
USERS = st.one_of(st.integers(0, 5).map(lambda number: f"U{number}"), st.sampled_from(["", "U01", "v", "U 1", " "]))
TIMES = st.one_of(
    st.datetimes(datetime(1989, 12, 1), datetime(2100, 2, 1)).map(
        lambda time: f"{time.month}/{time.day}/{time.year} {time.hour % 12 or 12}:{time:%M:%S} {time:%p}"
    ),
    st.sampled_from(
        ["2/29/2100 1:00:00 AM", "2/30/2020 1:00:00 AM", "01/02/2019 03:04:05 PM", "1/1/2019 0:00:00 AM", ""]
    ),
    st.datetimes(datetime(1989, 12, 1), datetime(2100, 2, 1)).map(lambda time: time.isoformat(" ", "seconds")),
    st.sampled_from(
        ["2019-11-12T09:05:58", "2019-11-12 09:05:58.25Z", "2019-11-12T09:05:58+01:00", "2020-02-30 00:00:00"]
    ),
    st.sampled_from(["2019-11-12 9:05:58", "2019-1-12 09:05:58", "2019-11-12 24:00:00", "2019-11-12T09:05:58+0100"]),
    st.sampled_from(["1/1/2019 1:00:00 XM", "1/1/2019 1:00:00 AMX", "1/1/2019 1:00:00  AM", "001/1/2019 1:00:00 AM"]),
)
SPACES = st.sampled_from([" "] * 8 + ["  ", "   "])
LABELS = st.sampled_from(["-0", "-1"] * 8 + ["-0.0", "-1.0"] * 2 + ["", "-2", "-", "-01", "-1.", "-1.00", "-0,"])
PARTS = st.lists(st.tuples(IDS, SPACES), max_size=4).map(lambda words: "".join(word + space for word, space in words))
HISTORIES = st.one_of(
    PARTS,
    st.sampled_from(
        ["nan", " NaN ", "NULL", "None", "[]", "()", "[", "]", "N1,N2", "N1, N2,", "N1,n2", "N1,,N2", ",N1"]
    ),
    st.lists(IDS, max_size=3).map(str),
    st.lists(IDS, max_size=3).map(lambda ids: f'"{tuple(ids)}"'),
)
SHOWN = st.lists(st.tuples(IDS, LABELS, SPACES), max_size=4).map(lambda words: "".join(map("".join, words)))
TRIM = st.sampled_from([str.strip] * 4 + [str])
ENDS = st.sampled_from([b"\n"] * 6 + [b"\r\n", b"\n\n", b"\r\r\n", b"\t\n", b"\0\n", b"\xff\n", b" \n"])


@st.composite
def behavior_lines(draw: st.DrawFn, timed: bool = True) -> bytes:
    middle = [draw(TIMES)] if timed else []
    cells = ["1", draw(USERS), *middle, draw(TRIM)(draw(HISTORIES)), draw(TRIM)(draw(SHOWN))]
    if draw(st.integers(0, 9)) == 0:
        cells = cells[: draw(st.integers(0, len(cells)))] + draw(st.sampled_from([[], ["x"], [""]]))
    return "\t".join(cells).encode() + draw(ENDS)


CELLS = st.sampled_from(["", "a", "[]", '[{"a": "]"}]', "[", "]", '"', '"x', "\N{SNOWMAN}", " ", "x\r"])


@st.composite
def news_lines(draw: st.DrawFn, width: int = 8) -> bytes:
    wide = width if draw(st.integers(0, 5)) else draw(st.integers(1, 9))
    return "\t".join([draw(IDS), *(draw(CELLS) for _ in range(wide - 1))]).encode() + draw(ENDS)


FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FUZZ
@given(
    st.lists(behavior_lines(), max_size=12), st.lists(news_lines(), max_size=8), st.sampled_from([1, 7, 100, 10_000])
)
def test_the_fast_reader_agrees_with_the_slow_one(behaviors: list[bytes], news: list[bytes], size: int) -> None:
    good = f"{line()}\n".encode(), f"{article()}\n".encode()  # what planning looks for
    with tempfile.TemporaryDirectory() as folder:
        path = mind_folder(Path(folder), good[0] + b"".join(behaviors), good[1] + b"".join(news))
        assert_same(read(plan_mind(path, sizes=ReadSizes(chunk=size))), naive_mind(path))


def test_a_test_split_is_read_as_impressions_without_an_outcome_that_keep_their_ids(tmp_path: Path) -> None:
    rows = rows_of(
        read_mind(tmp_path, [line(number=9, candidates="N7 N8 N7"), line(user="", number=2, candidates="N8")])
    )
    assert [(row.withheld, row.pool, row.clicked, row.user) for row in rows] == [
        ("9", ("N7", "N8", "N7"), None, "U1"),
        ("2", ("N8",), None, None),
    ]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (line(candidates="N7 N8-1"), "candidate 'N8-1' has a label, unlike those of the file's first lines"),
        (line(candidates="N7,N8"), "candidates 'N7,N8' are separated by commas"),
        (line(candidates="N7").replace("1\t", "\t", 1), "impression id '' is none"),
        (line(candidates="N7").replace("1\t", "1 2\t", 1), "impression id '1 2' is none"),
    ],
)
def test_a_line_of_a_test_split_that_cannot_be_answered_is_a_reject(tmp_path: Path, broken: str, reason: str) -> None:
    first = line(history="N5 " * 15_000, candidates="N7")
    raw = read_mind(tmp_path, [first, first, broken, line(candidates="N8")])  # planning looks at the first alone
    assert (raw.kept, [reject.line for reject in raw.rejects]) == (3, [3])
    assert reason in raw.rejects[0].reason


def test_the_test_split_is_read_after_train_and_dev(tmp_path: Path) -> None:
    for name in ("MINDlarge_test", "MINDlarge_dev", "MINDlarge_train"):
        mind_folder(tmp_path / name, [line(candidates="N7" if name.endswith("test") else "N7-1", number=len(name))])
    assert [Path(part.name).parent.name for part in plan_mind(tmp_path).parts] == [
        "MINDlarge_train",
        "MINDlarge_dev",
        "MINDlarge_test",
    ]


@FUZZ
@given(st.lists(behavior_lines(), max_size=12), st.sampled_from([1_000, 10_000]))
def test_a_test_split_is_read_as_the_slow_reader_reads_it(behaviors: list[bytes], size: int) -> None:
    unlabelled = [re.sub(rb"-[01]\b", b"", text) if n % 3 else text for n, text in enumerate(behaviors)]
    with tempfile.TemporaryDirectory() as folder:
        good = f"{line(history='N5 ' * 15_000, candidates='N7 N8')}\n".encode() * 2  # planning looks at one alone
        mind_folder(Path(folder) / "test", good + b"".join(unlabelled))
        raw, naive = read(plan_mind(Path(folder), sizes=ReadSizes(chunk=size))), naive_mind(Path(folder), ("test/",))
        assert_same(raw, naive)


@FUZZ
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_read_to_the_end_and_accounted_for(behaviors: bytes, news: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = mind_folder(Path(folder), f"{line()}\n".encode() + behaviors, f"{article()}\n".encode() + news)
        assert_same(read(plan_mind(path)), naive_mind(path))


def test_the_real_sample_is_read_as_the_slow_reader_does(real_data: Path) -> None:
    naive = naive_mind(real_data / "mind_sample")
    for sizes in (SIZES, ReadSizes(chunk=200_000)):
        raw = read(plan_mind(real_data / "mind_sample", sizes=sizes))
        assert_same(raw, naive)
        assert not raw.rejects
        rows = rows_of(raw)
        assert len(rows) == 5_000
        assert sum(len(row.pool or ()) for row in rows) == 189_359
        assert sum(sum(row.clicked or ()) for row in rows) == 7_542
        assert "impressions with an empty history: 107" in raw.notes


def test_the_real_file_with_a_header_and_a_sixth_column_is_refused(real_data: Path) -> None:
    with pytest.raises(DataError, match=r"behaviors\.tsv line 1: a header row .* and the lines have 6 cells"):
        plan_mind(real_data / "malformed" / "mind_mini")


def test_news_text_tells_what_news_does_not(tmp_path: Path) -> None:
    folder = mind_folder(tmp_path, [line()], [article("N7", "news", "newsworld", "Of news.tsv", "", "", "[]", "[]")])
    (folder / "news_text.csv").write_text(
        "News_ID,Category,SubCategory,Title,Abstract\n"
        'N7,sports,golf,"[\'of\', \'text\']","[\'abstract\', ""coast\'s""]"\n'
        "N8,sports,golf,\"['birdie']\",\n"
        "N9,sports,golf,birdie,\n"
        "N10,sports\n"
    )
    raw = read(plan_mind(folder))
    assert [(one.item, dict(one.facts)) for one in articles_of(raw)][-2:] == [
        ("N7", {"category": "sports", "subcategory": "golf", "title": "of text", "abstract": "abstract coast's"}),
        ("N8", {"category": "sports", "subcategory": "golf", "title": "birdie"}),
    ]
    assert [(reject.file, reject.line, reject.reason[:6]) for reject in raw.rejects] == [
        ("news_text.csv", 4, "a list"),
        ("news_text.csv", 5, "5 cell"),
    ]


def test_a_news_text_with_another_header_is_refused(tmp_path: Path) -> None:
    folder = mind_folder(tmp_path, [line()])
    (folder / "news_text.csv").write_text("id,title\nN7,storm\n")
    with pytest.raises(DataError, match=r"news_text.csv line 1: expected the header News_ID.*'id,title'"):
        plan_mind(folder)


def test_what_news_tells_comes_before_what_news_text_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSREPLAY_HOME", str(tmp_path / "home"))
    folder = mind_folder(
        tmp_path / "raw", [line()], [article("N7", "news", "newsworld", "Of news.tsv", "", "", "[]", "[]")]
    )
    (folder / "news_text.csv").write_text(
        "News_ID,Category,SubCategory,Title,Abstract\nN7,sports,golf,\"['other']\",\"['an', 'abstract']\"\n"
    )
    publisher = find_data(f"mind:{folder}").publisher("mind")
    place = publisher.articles.id.to_pylist().index("N7")
    told = {fact: texts[place].as_py() for fact, (texts, _) in publisher.articles.texts.items()}
    assert (told["title"], told["abstract"]) == ("Of news.tsv", "an abstract")

"""The pictures of a data set: their numbers against slow, obvious versions, and what is drawn of them."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from html import unescape
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.errors import NewsreplayError
from newsreplay.log.catalog import bare_articles
from newsreplay.log.rows import DAY, HOUR, READ, Log, make_log
from newsreplay.report.pictures.curves import AGES, MINUTE, YEAR, Curves, curves, over_time, top, younger
from newsreplay.report.pictures.dataset import PICTURES, DatasetPicture, draw
from newsreplay.report.pictures.drawing import labels_of
from newsreplay.simulator.judgement.inequality import gini
from tests import worked
from tests.strategies import logs

START = worked.MIDNIGHT
WORKED = worked.worked_log()
NAMES = ["reads_over_time", "session_lengths", "article_ages", "popularity"]
HOSTILE = [
    "$x^2$ and $\\frac$",
    "_private",
    "a\nb\t\x1b[31m\x00",
    "新聞",
    "x" * 600 + "1",
    "x" * 600 + "2",
    "<b>&--> ]]> é",
    "\u202eevil\u202c",
    "שלום",
    " ",
]


def log_of(reads: list[tuple[int, int, int]]) -> Log:
    """A log of reads (time in ms after `START`, session, article) without publish rows."""
    time, session, item = zip(*sorted(reads), strict=True)
    codes: dict[int, int] = {}
    return make_log(
        time=np.array(time) + START,
        kind=[READ] * len(reads),
        session=session,
        user=session,
        item=[codes.setdefault(each, len(codes)) for each in item],
        category=[-1] * len(reads),
    )


def dataset_of(data: dict[str, Log | None], name: str = "gazette") -> Any:
    """A prepared data set as the pictures see it; None is a publisher without a read."""
    facts = [
        {"publisher": publisher, "reads": 0 if log is None else int(np.count_nonzero(log.kind == READ))}
        for publisher, log in data.items()
    ]

    def publisher(wanted: str) -> Any:
        log = data[wanted]
        assert log is not None
        return SimpleNamespace(name=wanted, log=log, articles=bare_articles(log))

    return SimpleNamespace(name=name, card={"publishers": facts}, publisher=publisher)


def curves_of(log: Log, width: int = HOUR) -> Curves:
    return curves("p", log, bare_articles(log).published, width)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def text_of(path: Path) -> str:
    """What an SVG says: matplotlib draws text as outlines and notes it in a comment."""
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    tree = ElementTree.parse(path, parser)
    comment: Any = ElementTree.Comment
    said = "\n".join(each.text or "" for each in tree.iter() if each.tag is comment)
    return unescape(said).replace("- -", "--")  # which a comment may not have


# --- numbers --------------------------------------------------------------------------------------------


def test_the_worked_example() -> None:
    found = curves_of(WORKED)
    assert found.reads == 11
    assert [(start - START) // HOUR for start in found.bins] == [10, 11, 12]
    assert found.over_time.tolist() == [6, 2, 3]
    assert {hour: reads for hour, reads in enumerate(found.by_hour.tolist()) if reads} == {10: 6, 11: 2, 12: 3}
    assert found.lengths.tolist() == [1, 2, 3]
    assert found.sessions_with.tolist() == [5, 4, 2]
    # Ages in minutes: A (09:00) 60, 65, 100, 135, 140; B (09:30) 40, 60, 205; C (10:15) 5, 150, 155.
    by_age = dict(zip((found.ages // MINUTE).tolist(), found.read_by.tolist(), strict=True))
    assert [by_age[age] for age in (1, 4, 5, 40, 60, 120)] == [0, 0, 1, 2, 4, 6]
    assert list(by_age.values())[-2:] == [10, 11]
    assert found.median_age == 100 * MINUTE
    assert found.undated == 0
    assert found.ranks.tolist() == [1, 2, 3]
    assert found.read_of_top.tolist() == [5, 8, 11]
    assert found.gini == 4 / 33


def naive_gini(counts: list[int]) -> Fraction:
    differences = sum(abs(one - other) for one in counts for other in counts)
    return Fraction(differences, 2 * len(counts) * sum(counts))


@settings(max_examples=60)
@given(logs(), st.sampled_from([HOUR, DAY]))
def test_a_logs_numbers_are_those_of_slow_loops(log: Log, width: int) -> None:
    found = curves_of(log, width)
    rows = [row for row in range(len(log.time)) if log.kind[row] == READ]
    time = [int(log.time[row]) for row in rows]
    known: dict[int, int] = {}
    for row in range(len(log.time)):
        known.setdefault(int(log.item[row]), row)
    age = [int(log.time[row] - log.time[known[int(log.item[row])]]) for row in rows]

    assert found.reads == len(rows)
    expected = Counter(each // width for each in time)
    stretches = range(time[0] // width, time[-1] // width + 1)
    assert found.bins.tolist() == [stretch * width for stretch in stretches]
    assert found.over_time.tolist() == [expected[stretch] for stretch in stretches]
    assert found.by_hour.tolist() == [sum(each // HOUR % 24 == hour for each in time) for hour in range(24)]

    lengths = Counter(int(log.session[row]) for row in rows).values()
    assert found.lengths.tolist() == sorted(set(lengths))
    assert found.sessions_with.tolist() == [sum(one >= n for one in lengths) for n in sorted(set(lengths))]

    assert found.read_by.tolist() == [sum(one <= limit for one in age) for limit in found.ages]
    assert found.read_by[-1] == len(rows)
    assert len(found.ages) == 1 or found.read_by[-2] < len(rows)
    assert found.median_age == median(age)

    reads = Counter(int(log.item[row]) for row in rows)
    most = sorted(reads.values(), reverse=True)
    assert found.ranks.tolist() == list(range(1, len(most) + 1))
    assert found.read_of_top.tolist() == [sum(most[:rank]) for rank in found.ranks]
    assert found.gini == pytest.approx(float(naive_gini(most)))


@settings(max_examples=40)
@given(logs())
def test_articles_are_undated_if_their_first_read_made_them_known(log: Log) -> None:
    first: dict[int, tuple[int, int]] = {}
    for time, kind, item in zip(log.time.tolist(), log.kind.tolist(), log.item.tolist(), strict=True):
        first.setdefault(item, (time, kind))
    read_at: dict[int, int] = {}
    for time, kind, item in zip(log.time.tolist(), log.kind.tolist(), log.item.tolist(), strict=True):
        if kind == READ:
            read_at.setdefault(item, time)
    undated = {item for item, time in read_at.items() if first[item][0] == time}
    assert curves_of(log).undated == sum(item in undated for item in log.item[log.kind == READ].tolist())


def test_hours_without_a_read_are_there_and_zero() -> None:
    starts, reads = over_time(np.array([START + 59 * MINUTE, START + 3 * HOUR]), HOUR)
    assert ((starts - START) // HOUR).tolist() == [0, 1, 2, 3]
    assert reads.tolist() == [1, 0, 0, 1]


def test_an_age_counts_up_to_and_with_its_limit() -> None:
    ages, reads = younger(np.array([HOUR, HOUR + 1]))
    assert reads[ages.tolist().index(HOUR)] == 1
    assert ages[-1] > HOUR
    assert reads[-1] == 2


def test_ages_are_whole_ascending_minutes_and_hold_every_article() -> None:
    assert (np.diff(AGES) > 0).all()
    assert (AGES % MINUTE == 0).all()
    assert AGES[0] == MINUTE
    assert AGES[-1] == 10_000 * YEAR
    assert set(np.array([1, 6, 12, 24, 48]) * HOUR) <= set(AGES.tolist())


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=400).filter(any))
def test_a_popularity_curve_has_its_ends_and_few_points(counts: list[int]) -> None:
    ranks, reads = top(np.array(counts))
    most = sorted(filter(None, counts), reverse=True)
    assert (ranks[0], ranks[-1]) == (1, len(most))
    assert len(ranks) <= 200
    assert reads.tolist() == [sum(most[:rank]) for rank in ranks]
    assert gini(np.array(counts)) == pytest.approx(float(naive_gini(counts)))


def test_the_gini_coefficient_of_the_corners() -> None:
    assert gini(np.array([7])) == 0
    assert gini(np.array([4, 4, 4])) == 0
    assert gini(np.array([10**9] + [1] * 999)) == pytest.approx(0.999, abs=1e-5)


# --- files ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The pictures of the worked example."""
    return draw(dataset_of({"A": WORKED}), tmp_path_factory.mktemp("pictures") / "new" / "folder")


def test_each_picture_is_png_and_svg_and_its_numbers_are_csv(drawn: list[Path]) -> None:
    folder = drawn[0].parent
    assert {file.name for file in drawn} == {
        *(f"{name}.{kind}" for name in NAMES for kind in ("png", "svg", "csv")),
        "reads_by_hour.csv",
    }
    assert set(drawn) == set(folder.iterdir())
    for name in NAMES:
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "gazette: " in text_of(folder / f"{name}.svg")


def test_tables_have_the_numbers_that_are_drawn(drawn: list[Path]) -> None:
    folder = drawn[0].parent
    assert table(folder / "reads_over_time.csv")[1] == {
        "publisher": "A",
        "start": "2017-03-01T11:00:00+00:00",
        "reads": "2",
    }
    hours = table(folder / "reads_by_hour.csv")
    assert hours[12] == {"publisher": "A", "hour": "12", "reads": "3", "share": str(3 / 11)}
    assert table(folder / "session_lengths.csv")[1] == {
        "publisher": "A",
        "at_least_reads": "2",
        "sessions": "4",
        "share": "0.8",
    }
    (hour,) = (row for row in table(folder / "article_ages.csv") if row["at_most_minutes"] == "60")
    assert hour == {
        "publisher": "A",
        "at_most_minutes": "60",
        "reads": "4",
        "share": str(4 / 11),
        "median_minutes": "100.0",
        "share_undated": "0.0",
    }
    assert table(folder / "popularity.csv")[1] == {
        "publisher": "A",
        "top_articles": "2",
        "share_of_articles": str(2 / 3),
        "reads": "8",
        "share_of_reads": str(8 / 11),
        "gini": str(4 / 33),
    }


CORNERS: dict[str, list[tuple[int, int, int]]] = {
    "one read": [(5, 0, 0)],
    "no session longer than one": [(n * 5 * HOUR, n, n % 7) for n in range(50)],
    "one article": [(n * MINUTE, n // 4, 0) for n in range(20)],
    "an hour": [(n * HOUR // 7, n % 3, n % 4) for n in range(7)],
    "a bot": [(n, 0, n % 3) for n in range(50_000)] + [(DAY, 1, 0)],
    "twenty years": [(0, 0, 0), (20 * YEAR, 0, 0)],
}


@pytest.mark.parametrize(
    "names", [["one read"], ["no session longer than one", "one article", "an hour", "a bot"], ["twenty years"]]
)
def test_corners_are_drawn_without_a_warning(names: list[str], tmp_path: Path) -> None:
    assert len(draw(dataset_of({name: log_of(CORNERS[name]) for name in names}), tmp_path)) == 13


def picture(name: str) -> DatasetPicture:
    (found,) = (each for each in PICTURES if each.name == name)
    return found


def test_a_single_point_is_drawn() -> None:
    shown = [curves_of(log_of(CORNERS["one read"]))]
    for name, draw_one, _ in PICTURES[1:]:
        line = draw_one("title", "", shown, ["p"]).axes[0].lines[0]
        assert len(line.get_xdata()) == 1, name  # type: ignore[arg-type]
        assert line.get_marker() not in ("", "None"), name
        assert line.get_markevery() is None, name


def test_logs_of_more_than_60_days_are_drawn_by_the_day(tmp_path: Path) -> None:
    draw(dataset_of({"p": log_of([(HOUR, 0, 0), (HOUR + 60 * DAY, 1, 0)])}), tmp_path / "hours", PICTURES[:1])
    assert len(table(tmp_path / "hours" / "reads_over_time.csv")) == 60 * 24 + 1
    assert "reads per hour" in text_of(tmp_path / "hours" / "reads_over_time.svg")
    short, long = log_of([(HOUR, 0, 0)]), log_of([(HOUR, 0, 0), (HOUR + 60 * DAY + 1, 1, 0)])
    draw(dataset_of({"short": short, "long": long}), tmp_path / "days", PICTURES[:1])
    assert len(table(tmp_path / "days" / "reads_over_time.csv")) == 1 + 61
    assert "reads per day" in text_of(tmp_path / "days" / "reads_over_time.svg")


def test_of_many_publishers_the_ten_with_most_reads_are_drawn_and_strangers_names_are_plain_text(
    tmp_path: Path,
) -> None:
    small = log_of([(MINUTE, n, 0) for n in range(10)])
    draw(dataset_of({"small": small, **dict.fromkeys(HOSTILE, WORKED), "smaller": small}, name="$\n$"), tmp_path)
    for name in [*NAMES, "reads_by_hour"]:
        drawn = [row["publisher"] for row in table(tmp_path / f"{name}.csv")]
        assert list(dict.fromkeys(drawn)) == HOSTILE, name
    for name in NAMES:
        said = text_of(tmp_path / f"{name}.svg")
        assert "The 10 publishers with most reads, of 12." in said, name
        assert "$\\n$: " in said, name
        for label in labels_of(HOSTILE):
            assert label in said, (name, label)


def test_a_publisher_without_a_read_is_left_out(tmp_path: Path) -> None:
    draw(dataset_of({"silent": None, "A": WORKED}), tmp_path, PICTURES[3:])
    assert {row["publisher"] for row in table(tmp_path / "popularity.csv")} == {"A"}


def test_without_any_read_there_is_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(NewsreplayError, match="gazette has no reads to draw"):
        draw(dataset_of({"silent": None}), tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NewsreplayError, match=r"cannot write to .*file"):
        draw(dataset_of({"A": WORKED}), tmp_path / "file")


def test_the_share_of_undated_articles_is_said() -> None:
    def note(*shown: Curves) -> str:
        return picture("article_ages").draw("title", "", list(shown), ["p"] * len(shown)).get_supxlabel()

    dated, undated = curves_of(WORKED), curves_of(log_of([(0, 0, 0), (HOUR, 0, 1)]))
    assert note(undated).startswith("100.0% of reads are of articles without a publication time")
    assert note(dated, undated).startswith("By publisher, 0.0% to 100.0% of reads are of articles without")
    assert note(dated) == ""


# --- names ----------------------------------------------------------------------------------------------


def test_labels_are_short_single_lines() -> None:
    assert labels_of(HOSTILE) == [
        "$x^2$ and $\\frac$",
        "_private",
        "a\\nb\\t\\x1b[31m\\x00",
        "\\u65b0\\u805e",
        "xxxxxxxxxxxxxxxx…xxxxxx1",
        "xxxxxxxxxxxxxxxx…xxxxxx2",
        "<b>&--> ]]> é",
        "\\u202eevil\\u202c",
        "שלום",
        "(no name)",
    ]


def test_labels_that_differ_in_the_middle_alone_keep_it() -> None:
    middle = ["x" * 30 + letter + "y" * 30 for letter in "abc"]
    assert labels_of(middle) == [f"xxxxxxxxxx…{letter}…yyyyyyyyyyy" for letter in "abc"]
    hours = [f"blend(trend(hours={hours}),popular(hours=48))" for hours in (6, 12, 24)]
    assert [label.split("…")[1] for label in labels_of(hours)] == ["6", "12", "24"]


def test_labels_that_look_alike_are_numbered() -> None:
    long = ["x" * 30 + letter * 30 + "y" * 30 for letter in "ab"]
    assert [label[-2:] for label in labels_of(long)] == ["yy", "#2"]
    assert labels_of(["a", "a #2", "a "]) == ["a", "a #2", "a #3"]


@given(st.lists(st.text(max_size=60), max_size=12))
def test_labels_are_printable_distinct_and_bounded(names: list[str]) -> None:
    labels = labels_of(names)
    assert len(set(labels)) == len(names)
    assert all(label.isprintable() and 0 < len(label) <= 28 for label in labels)


# --- manners --------------------------------------------------------------------------------------------


def test_ten_publishers_look_different_without_colour_too() -> None:
    shown = [curves_of(WORKED)] * 10
    lines = picture("popularity").draw("title", "", shown, [str(n) for n in range(10)]).axes[0].lines[:10]
    assert len({line.get_marker() for line in lines}) == 10
    assert len({(line.get_color(), str(line.get_linestyle()), line.get_marker()) for line in lines}) == 10


def test_equal_data_give_equal_bytes_whatever_the_users_settings(drawn: list[Path], tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
import matplotlib
unlike = {{"font.size": 20, "text.usetex": True, "figure.dpi": 30, "svg.fonttype": "none", "timezone": "Asia/Tokyo"}}
matplotlib.rcParams.update(unlike)
before = dict(matplotlib.rcParams)
from tests.report.pictures.test_dataset import WORKED, dataset_of, draw
draw(dataset_of({{"A": WORKED}}), Path({os.fspath(tmp_path)!r}))
print(before == dict(matplotlib.rcParams))
"""
    assert python("-c", code, PYTHONHASHSEED="7", TZ="America/New_York", MPLBACKEND="tkagg") == "True"
    for file in drawn:
        assert file.read_bytes() == (tmp_path / file.name).read_bytes(), file.name


ROOT = Path(__file__).parents[3]


def python(*words: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.fspath(ROOT)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_matplotlib_is_imported_for_pictures_only_and_pyplot_never() -> None:
    loaded = "import sys; {}; print('matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    cli = "from newsreplay.cli import main; main(['--help'], standalone_mode=False)"
    assert python("-c", loaded.format(cli)).splitlines()[-1] == "False False"
    assert python("-c", loaded.format("import newsreplay.report.tables.describe")) == "False False"
    assert python("-c", loaded.format("import newsreplay.report.pictures.dataset")) == "True False"


def test_without_matplotlib_the_way_out_is_named() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from newsreplay.errors import NewsreplayError\n"
        "try: import newsreplay.report.pictures.dataset\n"
        "except NewsreplayError as error: print(error)"
    )
    assert "pip install matplotlib" in python("-c", code)

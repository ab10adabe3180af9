"""The pictures of a run: what is drawn, what is left out and said to be, and that the tables hold what was drawn."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from newsreplay.errors import NewsreplayError
from newsreplay.log.rows import HOUR
from newsreplay.report.pictures.arranged import arranged
from newsreplay.report.pictures.drawing import drawing_into, labels_of
from newsreplay.report.pictures.labels import upper_hull
from newsreplay.report.pictures.run import draw_run, pictures_of
from newsreplay.report.pictures.sheets import look_of
from tests.report.made_up_contents import mean_ranks_of
from tests.report.pictures.test_dataset import HOSTILE, python, table, text_of

#: The 22 baselines with E@1 in per cent and µs per event, near what a run of them gives.
BASELINES = {
    "random": (0.02, 0.21),
    "random(hours=6)": (0.9, 0.3),
    "random(hours=12)": (0.6, 0.31),
    "random(hours=24)": (0.4, 0.3),
    "random(hours=48)": (0.25, 0.33),
    "popular": (1.1, 0.5),
    "popular(hours=6)": (9.7, 1.1),
    "popular(hours=12)": (9.2, 1.2),
    "popular(hours=24)": (8.3, 1.15),
    "popular(hours=48)": (7.2, 1.3),
    "recency": (2.4, 0.18),
    "circular(size=100)": (3.4, 0.6),
    "circular(size=200)": (3.45, 0.61),
    "circular(size=500)": (3.5, 0.62),
    "circular(size=1000)": (3.5, 0.66),
    "sequences": (11.3, 2.4),
    "content": (1.3, 0.8),
    "minhash": (8.9, 14.0),
    "trend(hours=2)": (6.1, 1.4),
    "trend(hours=6)": (6.9, 1.5),
    "trend(hours=12)": (6.6, 1.5),
    "trend(hours=24)": (5.9, 1.6),
}
HIT, FAR, BELOW = "hit at 1", "ranked 2 to 10", "ranked below 10"
CAUSES = [HIT, FAR, BELOW, "never a candidate", "already read", "not known yet", "answered too late"]
START = 1_488_326_400_000  # 1 March 2017, 00:00 UTC
SLICES = [
    ("position", "position in the session", ["1", "2", "3", "4–5", "6–10", "> 10"]),
    ("hour", "hour of day (UTC)", [str(hour) for hour in range(24)]),
    ("category", "category", ["sport", "news|domestic and more of that kind", "$", "culture"]),
]
E, P = "event_success@1", "session_success@1"
NAMES = {
    *("success_over_time", "event_against_session", "quality_against_cost", "publishers_by_recommenders"),
    *("rank_stability", "slices_position", "slices_category", "misses", "impressions"),
}


def made_up(
    publishers: list[str] | None = None,
    recommenders: list[str] | None = None,
    *,
    oracle: float | None = 61.0,
    stretches: int = 24,
    slices: list[tuple[str, str, list[str]]] | None = None,
) -> Any:
    """Contents such as a run has, of numbers that are made up; `oracle`, in per cent, foresees."""
    names = list(BASELINES) if recommenders is None else recommenders
    sections = [
        publisher_of(name, number, names, oracle, stretches, SLICES if slices is None else slices)
        for number, name in enumerate(["Gazette", "Courier", "Herald"] if publishers is None else publishers)
    ]
    return {
        "title": "made-up",
        "format": 1,
        "notes": [],
        "manifest": [],
        "commands": [],
        "interval": "Percentile bootstrap of sessions, 1,000 replicates.",
        "mean_ranks": mean_ranks_of(sections),
        "publishers": sections,
    }


def publisher_of(
    name: str, number: int, ranked: list[str], oracle: float | None, stretches: int, slices: list[Any]
) -> dict[str, Any]:
    random = np.random.default_rng(number)
    sessions = 90_000 // (number + 1)

    def cell(value: float, n: int = sessions) -> list[Any]:
        half = 1.96 * (max(value, 1e-4) / n) ** 0.5
        return [float(value), float(max(0, value - half)), float(value + half), n]

    success, cost = {}, {}
    for each in ranked:
        percent, micros = BASELINES.get(each, (0.3 + 9 * random.random(), 10 ** (3 * random.random() - 1)))
        success[each], cost[each] = percent / 100 * random.uniform(0.75, 1.2), micros * random.uniform(0.9, 1.1)
    best_first = sorted(ranked, key=lambda each: -success[each])
    optimal = {each for each in ranked if not any(beats(other, each, success, cost) for other in ranked)}
    if oracle is not None:
        success["oracle"], cost["oracle"] = oracle / 100 * random.uniform(0.9, 1.1), 3.0
    rows = []
    for each, value in success.items():
        rank = best_first.index(each) + 1 if each in ranked else 0
        spread = int(random.integers(0, 3))
        missed = random.dirichlet([8, 20, 9, 3, 6, 0.3]) * (1 - value)
        rows.append(
            {
                "recommender": each,
                "status": "done",
                "error": None,
                "foresees": each not in ranked,
                "leaks": None,
                "results": {
                    E: cell(value),
                    P: cell(value * (0.95 - random.random() * value)),
                    "auc": cell(min(1, 0.5 + value), sessions // 40),
                    "mrr": cell(min(1, 0.2 + value), sessions // 40),
                    "ndcg@10": cell(min(1, 0.25 + 1.2 * value), sessions // 40),
                },
                "rank": [rank, max(1, rank - spread), min(len(ranked), rank + spread)] if rank else None,
                "stable": spread == 0,
                "against_best": None,
                "cost": {"us_per_event": float(cost[each]), "state_bytes": 1000, "train_s": 2.5},
                "pareto": each in optimal,
                "misses": dict(zip(CAUSES, [float(value), *missed.tolist()], strict=True)),
            }
        )
    starts = [START + 6 * HOUR * stretch for stretch in range(stretches)]

    def around(each: str, factor: float, parts: int) -> list[Any]:
        return cell(success[each] * factor * random.uniform(0.93, 1.07), sessions // parts)

    return {
        "name": name,
        "facts": [],
        "headline": E,
        "few_sessions": None,
        "metrics": list(rows[0]["results"]),
        "rows": rows,
        "causes": CAUSES,
        "ceiling": 0.62 + 0.03 * number,
        "over_time": {
            "label": "time",
            "metric": E,
            "starts": starts,
            "width": 6 * HOUR,
            "cells": {
                each: [around(each, 1 + 0.2 * np.sin(start / HOUR / 24 * 2 * np.pi), stretches) for start in starts]
                for each in success
            },
        },
        "slices": [
            {
                "by": by,
                "label": label,
                "groups": groups,
                "metrics": [P, E],
                "cells": {
                    metric: {
                        each: [around(each, 1 / (1 + place / 9), len(groups)) for place in range(len(groups))]
                        for each in success
                    }
                    for metric in (P, E)
                },
            }
            for by, label, groups in slices
        ],
    }


def beats(other: str, one: str, success: dict[str, float], cost: dict[str, float]) -> bool:
    return success[other] > success[one] and cost[other] < cost[one]


def small(**options: Any) -> Any:
    """Two publishers, four recommenders and an oracle; few numbers of each."""
    names = ["popular", "sequences", "recency", "minhash"]
    few = {"publishers": ["A", "B"], "recommenders": names, "stretches": 3, "slices": SLICES[::2]}
    return made_up(**{**few, **options})


def rows_of(contents: Any) -> list[dict[str, Any]]:
    return [row for each in contents["publishers"] for row in each["rows"]]


def bare(contents: Any, *keys: str) -> Any:
    """The contents without what some pictures are drawn from."""
    for each in contents["publishers"]:
        each.update({"over_time": None, "slices": []})
        for row in each["rows"]:
            row.update({"misses": None, "cost": None, "rank": None})
            row["results"] = {metric: row["results"][metric] for metric in keys}
    return contents


def figures_of(contents: Any, folder: Path, *names: str) -> dict[str, Figure]:
    """The pictures by name, not yet written."""
    with drawing_into(folder):
        run = arranged(contents)
        drawn = {name: draw_one(run) for name, draw_one, _, _ in pictures_of(contents) if not names or name in names}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def said(figure: Figure) -> list[str]:
    return [each.get_text() for each in words_of(figure)]


def words_of(figure: Figure) -> list[Any]:
    """What is written on a figure, without the labels of ticks outside the frame, which are not drawn."""
    ticks = {
        tick: axis.get_view_interval()
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    }
    unseen = {
        label
        for tick, view in ticks.items()
        for label in (tick.label1, tick.label2)
        if not min(view) <= tick.get_loc() <= max(view)
    }
    words: list[Any] = figure.findobj(Text)
    return [each for each in words if each.get_text().strip() and each.get_visible() and each not in unseen]


def note(figure: Figure) -> str:
    return " ".join(figure.get_supxlabel().split("\n")).replace("\u00a0", " ")


# --- files ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return draw_run(small(), tmp_path_factory.mktemp("plots") / "new" / "folder")


def test_each_picture_is_png_and_svg_and_its_numbers_are_csv(drawn: list[Path]) -> None:
    folder = drawn[0].parent
    assert {file.name for file in drawn} == {f"{name}.{kind}" for name in NAMES for kind in ("png", "svg", "csv")}
    assert set(drawn) == set(folder.iterdir())
    for name in NAMES:
        png = (folder / f"{name}.png").read_bytes()
        assert png.startswith(b"\x89PNG")
        assert png.endswith(b"IEND\xaeB`\x82")
        assert int.from_bytes(png[16:20]) == 6.8 * 150  # the width of a page's text
        assert ElementTree.parse(folder / f"{name}.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
        told = text_of(folder / f"{name}.svg")
        assert "made-up: " in told
        for label in ["A", "B", "sequences", "popular", "recency", "minhash"]:
            assert label in told.split("\n") or f" {label} " in told, (name, label)


def cells(values: list[Any]) -> list[str]:
    """Values as a CSV file has them."""
    return ["" if value is None else str(value) for value in values]


def test_tables_have_the_numbers_of_the_contents(drawn: list[Path]) -> None:
    contents, folder = small(), drawn[0].parent
    expected: dict[str, list[list[Any]]] = {name: [] for name in NAMES}
    for each in contents["publishers"]:
        publisher = each["name"]
        best = max(row["results"][E][0] for row in each["rows"] if not row["foresees"])
        for row in each["rows"]:
            name, results = row["recommender"], row["results"]
            who, foresees = [publisher, name], row["foresees"]
            few = not foresees
            for start, cell in zip(each["over_time"]["starts"], each["over_time"]["cells"][name], strict=True):
                when = datetime.fromtimestamp(start / 1000, UTC).isoformat()
                expected["success_over_time"].append([*who, E, when, *cell, few])
            expected["event_against_session"].append([*who, *results[E][:3], *results[P], foresees, True])
            spent = (row["cost"]["us_per_event"], 1000, 2.5, None, None)
            expected["quality_against_cost"].append([*who, E, *results[E][:3], *spent, row["pareto"], foresees, True])
            relative = results[E][0] / best
            expected["publishers_by_recommenders"].append([*who, E, results[E][0], relative, foresees, True])
            if not foresees:
                expected["rank_stability"].append([*who, E, results[E][0], *row["rank"], row["stable"], True])
            expected["misses"] += [
                [*who, cause, share, each["ceiling"], foresees, True] for cause, share in row["misses"].items()
            ]
            expected["impressions"] += [
                [*who, metric, *results[metric], foresees, True] for metric in ("auc", "mrr", "ndcg@10")
            ]
            for part in each["slices"]:
                expected[f"slices_{part['by']}"] += [
                    [*who, part["by"], group, metric, *cell, few]
                    for metric in part["metrics"]
                    for group, cell in zip(part["groups"], part["cells"][metric][name], strict=True)
                ]
    for name in NAMES:
        found = [list(row.values()) for row in table(folder / f"{name}.csv")]
        assert found == [cells(row) for row in expected[name]], name


def one() -> Any:
    """Contents for two pictures: lines with bands, and points with labels."""
    contents = small(publishers=["A"], stretches=2)
    over_time = contents["publishers"][0]["over_time"]
    bare(contents, E, P)["publishers"][0]["over_time"] = over_time
    return contents


def test_equal_contents_give_equal_bytes_whatever_the_users_settings(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
import matplotlib
matplotlib.rcParams.update({{"font.size": 20, "text.usetex": True, "figure.dpi": 30, "svg.fonttype": "none"}})
before = dict(matplotlib.rcParams)
from tests.report.pictures.test_run import draw_run, one
draw_run(one(), Path({os.fspath(tmp_path)!r}))
print(before == dict(matplotlib.rcParams))
"""
    assert python("-c", code, PYTHONHASHSEED="7", TZ="America/New_York", MPLBACKEND="tkagg") == "True"
    files = draw_run(one(), tmp_path / "here")
    assert {file.stem for file in files} == {"success_over_time", "event_against_session"}
    for file in files:
        assert file.read_bytes() == (tmp_path / file.name).read_bytes(), file.name


def test_matplotlib_is_asked_for_by_name_and_pyplot_is_never_imported() -> None:
    loaded = "import sys, newsreplay.report.pictures.run; print('matplotlib.pyplot' in sys.modules)"
    assert python("-c", loaded) == "False"
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from newsreplay.errors import NewsreplayError\n"
        "try: import newsreplay.report.pictures.run\n"
        "except NewsreplayError as error: print(error)"
    )
    assert "pip install matplotlib" in python("-c", code)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NewsreplayError, match=r"cannot write to .*file"):
        draw_run(small(), tmp_path / "file")


# --- what is left out -----------------------------------------------------------------------------------


def test_a_run_of_failures_has_nothing_to_draw(tmp_path: Path) -> None:
    contents = small()
    for row in rows_of(contents):
        row.update({"status": "failed", "error": "ValueError", "results": {}})
    with pytest.raises(NewsreplayError, match="made-up has nothing to draw: every recommender failed"):
        draw_run(contents, tmp_path / "pictures")
    assert not (tmp_path / "pictures").exists()


def test_a_run_without_a_value_has_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(NewsreplayError, match="made-up has nothing to draw: its recommenders have no values"):
        draw_run(bare(small()), tmp_path)


def test_pictures_without_data_are_left_out(tmp_path: Path) -> None:
    assert set(figures_of(bare(small(), E), tmp_path)) == {"publishers_by_recommenders"}
    assert set(figures_of(bare(small(), E, P), tmp_path)) == {"publishers_by_recommenders", "event_against_session"}
    assert set(figures_of(bare(small(), "auc"), tmp_path)) == {"impressions"}
    assert set(figures_of(small(publishers=["A"]), tmp_path)) == NAMES - {"publishers_by_recommenders"}


def test_what_failed_is_named_and_left_out(tmp_path: Path) -> None:
    contents = small()
    failed = contents["publishers"][0]["rows"][1]
    assert failed["recommender"] == "sequences"
    failed.update({"status": "failed", "results": {}, "rank": None, "cost": None, "misses": None, "pareto": False})
    for name, figure in figures_of(contents, tmp_path).items():
        assert "Failed and left out: sequences on A." in note(figure), name
    heat = figures_of(contents, tmp_path, "publishers_by_recommenders")["publishers_by_recommenders"]
    assert said(heat).count("failed") == 1
    run = arranged(contents)
    for name, _, _, rows in pictures_of(contents):
        assert {(row[0], row[1]) for row in rows(run)} >= {("B", "sequences")}, name
        assert ("A", "sequences") not in {(row[0], row[1]) for row in rows(run)}, name


def best_of(contents: Any, publisher: str, names: list[str]) -> set[str]:
    """The five of these with most success on a publisher."""
    [own] = [each for each in contents["publishers"] if each["name"] == publisher]
    value = {row["recommender"]: row["results"][E][0] for row in own["rows"]}
    return {*sorted(names, key=lambda name: -value[name])[:5]}


def test_over_time_and_by_slice_each_publisher_has_its_own_best(tmp_path: Path) -> None:
    names = [f"mine.py:Mine(size={number})" for number in range(9)]
    contents = made_up(["A", "B"], names, stretches=2, slices=SLICES[:1])
    best = {publisher: best_of(contents, publisher, names) for publisher in ("A", "B")}
    assert best["A"] != best["B"]
    run = arranged(contents)
    for name, _, _, rows in pictures_of(contents):
        if name in ("success_over_time", "slices_position"):
            drawn = {(row[0], row[1]) for row in rows(run) if row[-1]}
            assert drawn == {(publisher, one) for publisher, few in best.items() for one in few}, name
    figure = figures_of(contents, tmp_path, "success_over_time")["success_over_time"]
    for axes, publisher in zip(figure.axes, ("A", "B"), strict=True):
        assert {text.get_text() for text in axes.get_legend().get_texts()} >= {*labels_of(sorted(best[publisher]))}


@pytest.mark.slow
def test_of_a_thousand_recommenders_the_best_sixty_are_drawn(tmp_path: Path) -> None:
    names = [f"mine.py:Mine(size={number})" for number in range(1000)]
    contents = made_up(["A", "B"], names, stretches=1, slices=SLICES[:1])
    ranks = dict.fromkeys(names, 0)
    for row in rows_of(contents):
        if not row["foresees"]:
            ranks[row["recommender"]] += row["rank"][0]
    by_rank = sorted(names, key=lambda name: ranks[name])
    pictures = NAMES - {"impressions", "quality_against_cost"}  # as the others; each takes its time
    figures = figures_of(contents, tmp_path, *pictures)
    for name, figure in figures.items():
        assert figure.get_figheight() < 25, name
        by_publisher = name in ("success_over_time", "slices_position")
        told = (
            "Each publisher's best 5 by E@1, of 1000; not drawn: "
            if by_publisher
            else "The best 60 of 1000 recommenders by mean rank"
        )
        assert told in note(figure).replace("\n", " "), name
    heat = figures["publishers_by_recommenders"]
    assert [label.get_text() for label in heat.axes[0].get_yticklabels()] == [*labels_of(by_rank[:60]), "oracle"]
    run = arranged(contents)
    for name, _, _, rows in pictures_of(contents):
        if name in figures:
            drawn = {row[1]: row[-1] for row in rows(run)}
            assert set(drawn) >= set(names), name
            if name in ("success_over_time", "slices_position"):
                assert best_of(contents, "A", by_rank[:60]) == {
                    row[1] for row in rows(run) if row[0] == "A" and row[-1]
                }
            else:
                assert {each for each in names if drawn[each]} == set(by_rank[:60]), name


@pytest.mark.slow
def test_of_many_publishers_the_six_with_most_scored_sessions_are_drawn(tmp_path: Path) -> None:
    contents = small(publishers=list("ABCDEFGH"), slices=SLICES[:1])
    for each, sessions in zip(contents["publishers"], [10, 80, 70, 60, 20, 50, 40, 30], strict=True):
        for row in each["rows"]:
            row["results"][E][3] = sessions
    for name, figure in figures_of(contents, tmp_path).items():
        assert "The 6 publishers with most scored sessions, of 8." in note(figure), name
        assert [label for label in said(figure) if label in set("ABCDEFGH")] == list("BCDFGH"), name
    run = arranged(contents)
    for name, _, _, rows in pictures_of(contents):
        assert {row[0] for row in rows(run)} == set("ABCDEFGH"), name
        assert {row[0] for row in rows(run) if row[-1]} == set("BCDFGH"), name


@pytest.mark.parametrize("oracle", [None, 9.0, 61.0])
def test_what_foresees_is_drawn_for_reference_and_never_ranked(oracle: float | None, tmp_path: Path) -> None:
    figures = figures_of(small(oracle=oracle, slices=SLICES[:1]), tmp_path)
    assert "oracle" not in said(figures["rank_stability"])
    for name in NAMES - {"rank_stability", "slices_category"}:
        within = "oracle" in said(figures[name])
        beyond = "as it sees the future: oracle on A (" in note(figures[name])
        listed = name in ("publishers_by_recommenders", "misses", "impressions")
        assert within == (oracle is not None and (listed or oracle == 9)), name
        assert beyond == (oracle == 61 and not listed), name
    labels = [label.get_text() for label in figures["publishers_by_recommenders"].axes[0].get_yticklabels()]
    assert ("oracle" in labels) == (oracle is not None)
    assert "oracle" not in labels[:4]
    shares = [row[4] for row in _rows("publishers_by_recommenders", small(oracle=oracle)) if not row[5]]
    assert max(shares) == 1


def _rows(name: str, contents: Any) -> list[Any]:
    (rows,) = (rows for each, _, _, rows in pictures_of(contents) if each == name)
    return list(rows(arranged(contents)))


# --- corners --------------------------------------------------------------------------------------------


def test_one_recommender_of_one_publisher_is_drawn(tmp_path: Path) -> None:
    contents = made_up(["A"], ["popular"], oracle=None, stretches=1, slices=[("reader", "reader", ["all"])])
    assert len(draw_run(contents, tmp_path)) == 3 * 7


def test_cells_without_a_value_or_an_interval_are_drawn_as_what_there_is(tmp_path: Path) -> None:
    contents = small(stretches=5)
    nothing: list[Any] = [None, None, None, 0]
    a, b = contents["publishers"]
    for row in rows_of(contents):
        row["results"] = {metric: [cell[0], None, None, cell[3]] for metric, cell in row["results"].items()}
    a["rows"][0]["results"] = {E: nothing, P: nothing}
    a["rows"][1]["cost"] = {"us_per_event": None}
    b["rows"][2].update({"rank": None, "misses": None})
    a["over_time"]["cells"]["sequences"] = [nothing, [0.1, 0.05, 0.15, 3], nothing, [0.2, None, None, 1], nothing]
    a["over_time"]["cells"]["popular"] = [nothing] * 5
    del a["over_time"]["cells"]["recency"]
    for part in b["slices"]:
        part["cells"][E]["minhash"] = [nothing] * len(part["groups"])
        part["cells"][E]["popular"] = []
    b["ceiling"] = None
    figures = figures_of(contents, tmp_path)
    assert set(figures) == NAMES
    for figure in figures.values():
        figure.draw_without_rendering()
    assert said(figures["publishers_by_recommenders"]).count("–") == 1
    gaps = [row for row in _rows("success_over_time", contents) if row[:2] == ("A", "sequences")]
    assert [row[4] for row in gaps] == [None, 0.1, None, 0.2, None]
    axes = figures["success_over_time"].axes[0]
    points = [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]
    assert any(np.array_equal(each, [10, 20]) for each in points)  # without neighbours they are points


def test_values_of_nothing_but_zero_are_drawn(tmp_path: Path) -> None:
    contents = small(publishers=["A"], slices=SLICES[:1])
    (each,) = contents["publishers"]
    for row in each["rows"]:
        row["results"] = {metric: [0.0, 0.0, 0.0, 5] for metric in row["results"]}
    for part in (each["over_time"]["cells"], *each["slices"][0]["cells"].values()):
        part.update({name: [[0.0, 0.0, 0.0, 5]] * len(values) for name, values in part.items()})
    figures = figures_of(contents, tmp_path)
    assert len(figures) == 7
    for figure in figures.values():
        figure.draw_without_rendering()


def test_strangers_names_are_plain_text(tmp_path: Path) -> None:
    slices = [("category", "category", HOSTILE)]
    contents = small(publishers=HOSTILE[:2], recommenders=HOSTILE, slices=slices)
    contents["title"] = "$\n$"
    for each in contents["publishers"]:
        each["causes"] = HOSTILE[:7]
        for row in each["rows"]:
            row["misses"] = dict(zip(HOSTILE[:7], row["misses"].values(), strict=True))
    draw_run(contents, tmp_path, pictures_of(contents)[1:4:2])
    for name in ("event_against_session", "publishers_by_recommenders"):
        told = text_of(tmp_path / f"{name}.svg")
        assert "$\\n$: " in told, name
        for label in labels_of(HOSTILE):
            assert label in told, (name, label)
        names = [row["recommender"] for row in table(tmp_path / f"{name}.csv")]
        assert list(dict.fromkeys(names)) == [*HOSTILE, "oracle"], name
    figures = figures_of(contents, tmp_path, "slices_category", "misses")
    assert set(said(figures["slices_category"])) > set(labels_of(HOSTILE))
    assert set(said(figures["misses"])) > {*labels_of(HOSTILE), *labels_of(HOSTILE[:7])}


# --- manners --------------------------------------------------------------------------------------------


def test_sixty_recommenders_look_different() -> None:
    run = arranged(made_up(["A"], [str(number) for number in range(60)], stretches=1))
    looks = [look_of(run, name) for name in [*run.ranked, *run.foresee]]
    assert len({(look["color"], look["marker"]) for look in looks}) == 61
    assert len({look["marker"] for look in looks[:6]}) == len({look["color"] for look in looks[:6]}) == 6


def boxes_of(figure: Figure) -> list[tuple[str, Any]]:
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    return [(each.get_text(), Text.get_window_extent(each, renderer)) for each in words_of(figure)]


@pytest.mark.parametrize(
    "publishers", [["Gazette"], pytest.param(["Gazette", "Courier", "Herald"], marks=pytest.mark.slow)]
)
def test_no_words_lie_upon_each_other_or_leave_the_page(publishers: list[str], tmp_path: Path) -> None:
    figures = figures_of(made_up(publishers, stretches=5), tmp_path)
    for name, figure in figures.items():
        page = figure.bbox.extents
        boxes = [(text, box.extents) for text, box in boxes_of(figure)]
        for text, box in boxes:
            assert (box[:2] >= page[:2] - 1).all(), (name, text)
            assert (box[2:] <= page[2:] + 1).all(), (name, text)
        for (one, a), (other, b) in combinations(boxes, 2):
            covered = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
            assert covered.min() < 1.5, (name, one, other)  # px of 100 an inch: boxes are wider than their ink


def test_the_upper_hull_and_the_pareto_front_are_labelled(tmp_path: Path) -> None:
    contents = made_up(["Gazette"], oracle=None, stretches=1)
    (each,) = contents["publishers"]
    figures = figures_of(contents, tmp_path, "event_against_session", "quality_against_cost")
    at = [(row["results"][P][0], row["results"][E][0]) for row in each["rows"]]
    for name, expected in (
        ("event_against_session", {each["rows"][number]["recommender"] for number in upper_hull(at)}),
        ("quality_against_cost", {row["recommender"] for row in each["rows"] if row["pareto"]}),
    ):
        labelled = {text.get_text() for text in figures[name].findobj(Annotation)}  # type: ignore[attr-defined]
        assert labelled >= expected, name
        assert len(expected) > 1


points = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=12, unique=True)


@settings(max_examples=200)
@given(points)
def test_the_upper_hull_is_what_no_two_others_hide(points: list[tuple[int, int]]) -> None:
    def hidden(point: tuple[int, int]) -> bool:
        """On or below what joins two other points, or below another one."""
        x, y = point
        return any(
            (a == b == x and max(c, d) >= y) or (a < b and a <= x <= b and c + Fraction((d - c) * (x - a), b - a) >= y)
            for (a, c) in points
            for (b, d) in points
            if (a, c) != point and (b, d) != point
        )

    inner = [points[number] for number in upper_hull([(float(x), float(y)) for x, y in points])]
    assert inner == sorted(inner)
    least = min(points)  # from where the hull begins, whatever stands above it
    assert set(inner) - {least} == {point for point in points if not hidden(point)} - {least}


def test_seconds_that_hits_were_read_have_no_line_where_they_equal_a_share(tmp_path: Path) -> None:
    name = "event_against_session"
    for contents, has_line in ((small(), True), (small() | {"reward": "dwell"}, False)):
        figure = figures_of(contents, tmp_path, name)[name]
        words = "\n".join(said(figure))
        assert ("Grey line: E@1 = P@1" in words) == has_line
        assert ("E dwell@1 (s)" in words) == (not has_line)
        diagonals = [line for axes in figure.axes for line in axes.lines if line.get_color() == "#999999"]
        assert bool(diagonals) == has_line

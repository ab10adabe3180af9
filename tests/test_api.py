"""What `import newsreplay` offers: typed, documented, imported on first use; durations and checks as on both doors."""

from __future__ import annotations

import ast
import base64
import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import newsreplay
from newsreplay import api
from newsreplay.log import rows
from newsreplay.machine import home
from newsreplay.recommenders.base import Recommender
from newsreplay.report.pictures.run import Drawn
from tests.report.by_hand import Values, run_of
from tests.report.conftest import story

HOUR = 3_600_000


def test_the_package_offers_what_api_does() -> None:
    assert sorted(newsreplay.__all__) == sorted([*api.__all__, "__version__"])
    assert {*newsreplay.__all__} <= {*dir(newsreplay)}
    for name in api.__all__:
        assert getattr(newsreplay, name) is getattr(api, name)
    with pytest.raises(AttributeError, match="has no attribute 'ran'"):
        newsreplay.ran  # noqa: B018


def test_api_lists_all_its_public_functions_and_classes() -> None:
    defined = {
        name for name, value in vars(api).items() if getattr(value, "__module__", "") == api.__name__ and name[0] != "_"
    }
    assert defined == {"Run", "run", "resume", "add", "extend", "open", "check"}
    assert defined < {*api.__all__}


def test_type_checkers_see_every_name() -> None:
    tree = ast.parse(Path(inspect.getfile(newsreplay)).read_text("utf-8"))
    (guarded,) = [node for node in tree.body if isinstance(node, ast.If)]
    (imported,) = [node for node in guarded.body if isinstance(node, ast.ImportFrom)]
    assert {alias.name for alias in imported.names} == {*api.__all__}


@pytest.mark.parametrize("name", sorted(api.__all__))
def test_every_name_has_a_docstring(name: str) -> None:
    value = getattr(newsreplay, name)
    assert isinstance(value, int) or (value.__doc__ or "").strip()


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, newsreplay; newsreplay.__version__, dir(newsreplay); "
        "assert not {'numba', 'torch', 'pandas', 'pyarrow', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_kinds_are_the_numbers_that_events_have() -> None:
    assert [(kind.name, int(kind)) for kind in newsreplay.Kind] == [
        ("PUBLISH", 0),
        ("IMPRESSION", 1),
        ("OUTCOME", 2),
        ("READ", 3),
        ("HISTORY", 4),
    ]
    for kind in newsreplay.Kind:
        assert getattr(newsreplay, kind.name) == kind
        assert type(getattr(rows, kind.name)) is int  # what kernels compile


def test_errors_are_a_documented_tree() -> None:
    from newsreplay import errors

    for name in ("DataError", "SpecError", "RecommenderError", "RunError"):
        error = getattr(newsreplay, name)
        assert error.__bases__ == (newsreplay.NewsreplayError,)
        assert name in (errors.__doc__ or "")


# --- run -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        lambda ms: ms,
        lambda ms: timedelta(milliseconds=ms),
        lambda ms: f"{ms}ms",
    ],
)
def test_durations_may_be_text_timedeltas_or_milliseconds(typed: Callable[[int], Any]) -> None:
    run = newsreplay.run(
        story(("A",)), "recency", warmup=typed(2 * HOUR), window=typed(90 * HOUR), deadline=typed(1_500)
    )
    options = run.info["options"]
    assert (options["warmup"], options["window"], options["deadline"]) == (2 * HOUR, 90 * HOUR, 1_500)
    assert options["timed"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"warmup": "1 week"}, "'1 week' is no duration; write 1d"),
        ({"warmup": 1.5}, "1.5 is no duration; write '1d', '36h' or '100ms', a timedelta, or milliseconds"),
        ({"window": True}, "True is no duration"),
        ({"warmup": timedelta(days=-1)}, "the warm-up cannot be negative"),
        ({"deadline": timedelta(microseconds=1)}, "is no whole number of milliseconds"),
        ({"deadline": 0}, "a deadline must be longer than nothing"),
    ],
)
def test_what_is_no_duration_is_refused_in_words(options: dict[str, Any], told: str) -> None:
    with pytest.raises(newsreplay.NewsreplayError, match=told):
        newsreplay.run(story(("A",)), "recency", **options)


def test_a_run_is_compared_from_python(tmp_path: Path) -> None:
    run = newsreplay.run(story(("A",)), "recency,popular", out=tmp_path / "run")
    table = newsreplay.compare(run, "recency", "popular")
    assert "difference" in table
    assert "recency" in table
    with pytest.raises(newsreplay.NewsreplayError, match="has no results of 'recent'"):
        newsreplay.compare(run, "recent")


# --- check -----------------------------------------------------------------------------------------------------


class Peeker(Recommender):
    """Recommends what it learned in the last replay of any of its copies."""

    last: list[int] = []  # noqa: RUF012

    def learn(self, event: Any) -> None:
        if event.item >= 0:
            Peeker.last.append(event.item)

    def recommend(self, request: Any, k: int) -> Any:
        return [item for item in Peeker.last[-1 - len(Peeker.last) // 7 :][:1] if item < request.item]


def test_a_recommender_is_checked_by_its_spec() -> None:
    checked = newsreplay.check("recency", cuts=3)
    assert (checked.recommender, checked.cuts, checked.finding) == ("recency", 3, None)
    assert str(checked) == (
        "recency: blind to the future at 3 cuts; "
        "a peek on 78 % of requests or 95 % of scored impressions is found with 95 %"
    )


def test_a_recommender_object_is_checked_and_what_it_sees_is_named() -> None:
    checked = newsreplay.check(Peeker(), cuts=3)
    assert checked.finding is not None
    assert str(checked).startswith("Peeker: SEES WHAT IT SHOULD NOT: the answer at row ")


def test_a_recommender_is_checked_on_data_of_ones_own() -> None:
    assert newsreplay.check("recency", story(("A", "B")), publisher="B", cuts=2).finding is None
    with pytest.raises(newsreplay.DataError, match="has no publisher 'C'"):
        newsreplay.check("recency", story(("A",)), publisher="C")


def test_one_recommender_is_checked_at_a_time() -> None:
    with pytest.raises(newsreplay.SpecError, match="one recommender is checked at a time, not 2; name one"):
        newsreplay.check("recency,popular")


def test_a_keyword_that_run_does_not_have_is_refused_with_the_nearest_that_it_has() -> None:
    with pytest.raises(TypeError, match=r"run\(\) has no keyword 'deadlin'\. Did you mean 'deadline'\?"):
        newsreplay.run(deadlin=3)  # type: ignore[call-arg]


def test_a_run_is_opened_again_and_shown_in_notebooks_as_on_terminals(tmp_path: Path) -> None:
    values: Values = {"recency": {"A": (0.5, 0.5)}, "mine": {"A": "ValueError: <b>no</b>"}}
    made = run_of(tmp_path / "run", values, made_up=["the times"])
    run = newsreplay.open(made.folder)
    assert repr(run) == f"<Run {str(made.folder)!r}: 2 recommenders on A; print() shows the leaderboard>"
    shown = run._repr_html_()
    for text in (
        "50.00",
        "±0.00",
        "failed",
        "FAILED: mine on A: ValueError: &lt;b&gt;no&lt;/b&gt;",
        "made up: the times",
    ):
        assert text in shown
    with pytest.raises(newsreplay.RunError, match="holds no run"):
        newsreplay.open(tmp_path / "nothing")


def test_a_run_without_a_folder_lasts_below_the_home_and_one_like_it_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "lasting.csv"
    path.write_text("time,user,item\n2020-01-01T00:00:00Z,ann,a\n2020-01-01T00:01:00Z,ann,b\n")
    first = newsreplay.run(path, ["recency"])
    assert first.folder == home() / "runs" / "lasting-1"
    assert f"the run lies in {first.folder}" in str(first)
    again = newsreplay.run(path, ["recency"])
    assert again.folder == first.folder
    assert newsreplay.run(path, ["popular"]).folder == home() / "runs" / "lasting-2"
    # What was opened before goes on telling its numbers.
    assert first.results == again.results
    assert first.slates("lasting", "recency").equals(again.slates("lasting", "recency"))
    assert first.timing["pairs"]
    assert "recency" in str(newsreplay.open(home() / "runs" / "lasting-1"))


def test_a_notebook_shows_the_pictures_that_were_drawn(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one.csv", "one.png", "one.svg", "two.svg")]
    for file in files:
        file.write_bytes(f"<svg>{file.name}</svg>".encode())
    drawn = Drawn(files)
    assert drawn == files
    pictures = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', drawn._repr_html_())
    assert [base64.b64decode(picture) for picture in pictures] == [b"<svg>one.svg</svg>", b"<svg>two.svg</svg>"]

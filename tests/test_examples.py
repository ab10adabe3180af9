"""The examples and the README's class do what they say."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import newsreplay
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay

ROOT = Path(__file__).parent.parent
OWN = f"{ROOT}/examples/my_recommender.py:SameSection(size=50)"


def test_the_example_class_is_fifteen_lines_and_stands_in_the_docs_as_it_is() -> None:
    code = (ROOT / "examples/my_recommender.py").read_text().split('"""')[2].strip()
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    for page in ("README.md", "docs/recommenders.md"):
        assert code in (ROOT / page).read_text()


def test_the_example_class_is_blind_to_the_future() -> None:
    assert newsreplay.check(OWN).finding is None


def test_the_example_model_is_sixty_lines_and_stands_in_the_docs_as_it_is() -> None:
    code = (ROOT / "examples/my_neural_model.py").read_text()
    assert len(code.splitlines()) <= 60
    assert code in (ROOT / "docs/neural-models.md").read_text()


def test_the_example_model_learns_and_is_blind_to_the_future() -> None:
    spec = f"{ROOT}/examples/my_neural_model.py:Lately(size=tiny, update=every(hours=12))"
    assert newsreplay.check(spec, cuts=3).finding is None


def test_the_example_metrics_stand_in_the_docs_as_they_are() -> None:
    assert (ROOT / "examples/my_metrics.py").read_text() in (ROOT / "docs/packages.md").read_text()


def test_the_example_of_sortedcontainers_answers_as_popularity_within_the_hour_that_it_counts(tmp_path: Path) -> None:
    spec = f"{ROOT}/examples/window_popularity.py:WindowPopularity(minutes=120)"
    assert newsreplay.check(spec).finding is None
    log = made_up_log(600, 5)[0]
    own, built_in = (replay(log, start_list(name)[0].make(), Setting(k=5)) for name in (spec, "popular(hours=2)"))
    assert own.slates.tolist() == built_in.slates.tolist()


def test_the_example_of_river_prints_the_leaderboard_and_marks_drift(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    log = [f"2020-01-01T{n // 60:02}:{n % 60:02}:00,A,u{n // 2},{n * n % 7}" for n in range(600)]
    Path("clicks.csv").write_text("time,publisher,user,item\n" + "\n".join(log))
    runpy.run_path(str(ROOT / "examples/river_example.py"))["main"]("clicks.csv")
    printed = capsys.readouterr().out
    assert re.search(r"^River\(model='StandardScaler \| LogisticRegression', candidates=50.* +\d", printed, re.M)
    assert re.search(r"^River\(model=BiasedMF.* +\d", printed, re.M)
    assert "drew pictures/success_over_time.png" in printed


def test_the_example_script_prints_the_leaderboard_and_frames(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "examples"), *sys.path])
    runpy.run_path(str(ROOT / "examples/from_python.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert re.search(r"^SameSection\(size=50\) +\d", printed, re.M)
    assert "session_ndcg@10" in printed
    assert "slate" in printed


def test_the_compiled_example_answers_as_the_plain_one_does_and_is_blind_to_the_future() -> None:
    compiled = f"{ROOT}/examples/my_kernel.py:SameSection(size=50)"
    run = newsreplay.run(ROOT / "examples/clicks.csv", [OWN, compiled], k=5)
    plain, fast = (run.slates("clicks", name)["slate"].map(list).tolist() for name in (OWN, compiled))
    assert plain == fast
    assert any(plain)
    assert newsreplay.check(compiled, cuts=4).passed


def test_every_cell_of_the_example_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = json.loads((ROOT / "examples/my_recommender.ipynb").read_text("utf-8"))
    shutil.copy(ROOT / "examples/clicks.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert names["run"].info["recommenders"] == ["MostRead", "trend", "sequences"]
    assert names["newsreplay"].check(names["MostRead"]()).passed
    shown = [output for cell in notebook["cells"] for output in cell.get("outputs", ()) if "data" in output]
    assert "".join(shown[0]["data"]["text/html"]) == names["run"]._repr_html_()  # it was run by this version

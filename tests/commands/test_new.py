"""`newsreplay new`: a package that installs, is found by name, and passes its own tests."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from newsreplay.version import __version__
from tests.commands.conftest import Cli, complaint

ROOT = Path(__file__).parents[2]


def test_it_writes_a_package_and_says_what_to_do_with_it(cli: Cli) -> None:
    done = cli("new", "my-recommender")
    assert done.exit_code == 0
    assert "pip install -e 'my_recommender[test]'" in done.stdout
    folder = Path("my_recommender")
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")) == [
        "README.md",
        "pyproject.toml",
        "src/my_recommender/__init__.py",
        "src/my_recommender/recommender.py",
        "tests/test_my_recommender.py",
    ]
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "my-recommender"
    assert project["dependencies"] == [f"newsreplay>={__version__}"]
    assert project["entry-points"]["newsreplay.recommenders"] == {
        "my-recommender": "my_recommender.recommender:MyRecommender"
    }
    texts = [path.read_text() for path in folder.rglob("*.*")]
    assert not [word for word in ("MODULE", "NAME", "CLASS", "VERSION") if any(word in text for text in texts)]
    for path in folder.rglob("*.py"):
        ast.parse(path.read_text())


def test_a_folder_that_is_there_is_never_written_to(cli: Cli) -> None:
    Path("my_news").mkdir()
    assert complaint(cli("new", "my_news")) == (
        "my_news is there already; choose another name, or another folder with --to"
    )
    assert not [*Path("my_news").iterdir()]
    assert cli("new", "my_news", "--to", "elsewhere/deep").exit_code == 0
    assert Path("elsewhere/deep/src/my_news/recommender.py").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My", "cannot be the name of a module"),
        ("../x", "cannot be the name of a module"),
        ("class", "cannot be the name of a module"),
        ("a__b", "cannot be the name of a module"),
        ("2nd", "cannot be the name of a module"),
        ("random", "'random' is a module that is there already"),
        ("newsreplay", "'newsreplay' is a module that is there already"),
        ("nrms_bert", "is a recommender of newsreplay's own"),
        ("trend", "is a recommender of newsreplay's own"),
        ("baselines", "is a recommender of newsreplay's own"),
    ],
)
def test_names_that_would_not_work_are_refused(cli: Cli, name: str, message: str) -> None:
    assert message in complaint(cli("new", name))
    assert not Path(name.replace("-", "_")).exists()


@pytest.mark.slow
def test_the_package_is_built_installed_found_by_name_and_run(cli: Cli, tmp_path: Path) -> None:
    assert cli("new", "my_recommender").exit_code == 0
    target, variables = tmp_path / "target", dict(os.environ)
    variables["PYTHONPATH"] = os.pathsep.join([str(target), str(ROOT)])

    def python(*words: str) -> str:
        done = subprocess.run([sys.executable, *words], env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    offline = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    python("-m", "pip", "wheel", *offline, "--wheel-dir", "dist", "./my_recommender")
    (wheel,) = Path("dist").glob("my_recommender-0.1.0-*.whl")
    python("-m", "pip", "install", *offline, "--target", str(target), str(wheel))
    assert "4 passed" in python("-m", "pytest", "-p", "no:cacheprovider", "my_recommender")
    assert "my-recommender  my-recommender  The articles with most of" in python("-m", "newsreplay", "recommenders")
    board = python(
        *("-m", "newsreplay", "run", "--data", "clicks.csv", "--recommenders", "my-recommender(size=50)", "--out", "o"),
        *("--metrics", "E@1"),
    )
    assert "my-recommender(size=50)" in board

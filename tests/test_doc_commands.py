"""The commands that pages show: all are commands that there are; those of some pages are run, line by line."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from newsreplay.cli import main

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
INDENTED = re.compile(r"^    (newsreplay .*)$", re.M)
#: Pages whose commands are run here, and those that other tests follow.
RUN_HERE = ("docs/asked-elsewhere.md", "docs/every-day.md")  # the first one compiles much, and is slow
RUN_ELSEWHERE = {
    "README.md": "test_the_commands_of_the_readme_run, and its first two blocks by .ci/run",
    "docs/tutorial.md": "tests/test_tutorial.py",
    "docs/one-event.md": "tests/test_docs.py",
}
#: Pages whose commands are checked for being well-formed alone, and why.
NOT_RUN = {
    "docs/answers-made-elsewhere.md": "answers of the reader's; tests/recommenders/references has such files",
    "docs/check.md": "minutes of replays; tests/simulator/test_checks.py has what they print",
    "docs/live.md": "servers of Kafka and Redis; tests/live has messages of both",
    "docs/neural-models.md": "minutes of training; tests/test_examples.py trains a small one",
    "docs/services.md": "services of the reader's; tests/recommenders/services starts such ones",
    "CONTRIBUTING.md": "none is newsreplay's but the check of a recommender that is not written yet",
    "docs/certificates.md": "runs and certificates of several people; tests/simulator/test_certificates.py makes them",
    "docs/clusters.md": "schedulers and workers; tests/simulator/test_cluster.py has them on one machine",
    "docs/commands.md": "usage lines, written by scripts/make_docs.py",
    "docs/data.md": "published logs that the project may not pass on; tests/datasets has such files, made up",
    "docs/design.md": "the commands of the README on other data",
    "docs/experiment-files.md": "a file of the reader's; tests/commands/test_experiments.py writes such ones",
    "docs/explain.md": "runs of a week of a publisher's own; tests/report/test_explain.py has what they print",
    "docs/first-run.md": "the demo and Globo's log, minutes of work; tests/test_real_results.py has the figures",
    "docs/interruptions.md": "runs that are killed; tests/test_resumed_kills.py kills them",
    "docs/neural.md": "minutes of training; tests/recommenders/neural has the options",
    "docs/packages.md": "a package is installed for them; tests/commands/test_packages.py does that",
    "docs/recommenders.md": "recommenders that the reader writes; tests/test_examples.py runs such ones",
    "docs/tuning.md": "a minute of the demo; tests/commands/test_tuning.py tunes on less",
    **{
        f"docs/models/{page}.md": "hours of training on the reader's logs and files; tests/recommenders has small ones"
        for page in (
            *("cross-encoders", "crown", "feature-models", "fim", "imrec", "mccm", "news-models", "nrms-bert", "punr"),
            *("sessions", "trees-and-graphs"),
        )
    },
}
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
}


def commands(page: str) -> list[list[str]]:
    """The words of each command in the page's blocks, without comments."""
    fenced = "\n".join(block for _, block in BLOCK.findall(PAGES[page]))
    indented = "\n".join(INDENTED.findall(BLOCK.sub("", PAGES[page])))
    text = f"{fenced}\n{indented}".replace("\\\n", " ")
    lines = [line.removeprefix("$ ") for line in text.splitlines()]
    found = [shlex.split(line, comments=True) for line in lines if re.match(r"newsreplay (?!COMMAND)[a-z]", line)]
    return [words[1 : words.index("|")] if "|" in words else words[1:] for words in found]


def test_the_commands_of_every_page_are_run_or_it_is_said_why_not() -> None:
    with_commands = {page for page in PAGES if commands(page)}
    listed = {*RUN_HERE, *RUN_ELSEWHERE, *NOT_RUN}
    assert with_commands <= listed
    assert {page for page in listed if page not in PAGES} == set()


@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/commands.md" and commands(page)])
def test_every_command_of_a_page_has_options_that_there_are(page: str) -> None:
    for words in commands(page):
        # A command keeps the help option of the first context that it meets.
        context = click.Context(main, info_name="newsreplay", **main.context_settings)
        command: click.Command | None = main
        while isinstance(command, click.Group):
            name, *words = words
            command = command.get_command(context, name)
        assert command is not None, name
        words = [word for word in words if word != "…" and not word.endswith(".toml")]  # a file would be read
        command.make_context(name, words, context)


def followed(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the commands of a page, in their order."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for words in commands(page):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, (words, done.output)


@pytest.mark.parametrize("page", [pytest.param(RUN_HERE[0], marks=pytest.mark.slow), RUN_HERE[1]])
def test_the_commands_of_a_page_run_as_they_stand(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "clicks.csv", tmp_path / "examples")
    followed(page, tmp_path, monkeypatch)


def test_the_commands_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "examples" / "clicks.csv", tmp_path)
    [code] = [code for language, code in BLOCK.findall(PAGES["README.md"]) if language == "python"]
    (tmp_path / "my_ranker.py").write_text(code)
    followed("README.md", tmp_path, monkeypatch)

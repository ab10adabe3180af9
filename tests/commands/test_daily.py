"""Options of every day: a trial, a dry run, how much is said, help in groups, what a shell completes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from newsreplay.cli import COMMANDS, main
from newsreplay.commands.groups import GROUPS
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.estimate import Stretch, estimate
from tests.commands.conftest import MORE, Cli, complaint, python


def grown(folder: Path) -> None:
    with (folder / "clicks.csv").open("a") as file:
        file.writelines(MORE)


def test_a_limit_makes_a_trial_of_the_first_rows(cli: Cli, folder: Path) -> None:
    grown(folder)
    done = cli("run", "--data", "clicks.csv", "--recommenders", "recency", "--limit", "10")
    assert done.exit_code == 0, done.output
    assert "data: clicks-first-10; " in done.stdout
    assert "a trial: of each publisher the first 10 rows alone were replayed (--limit)" in done.stdout
    assert "the run lies in runs/clicks-first-10-1" in done.stdout
    assert cli("verify", "runs/clicks-first-10").exit_code == 0


@pytest.mark.parametrize("value", ["0", "-3", "many"])
def test_a_limit_is_a_number_of_rows(cli: Cli, value: str) -> None:
    assert "Invalid value for '--limit'" in complaint(cli("run", "--limit", value))


# --- a dry run --------------------------------------------------------------------------------------------


def test_a_dry_run_prints_the_pairs_and_writes_nothing(
    cli: Cli, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown(folder)
    monkeypatch.setenv("NEWSREPLAY_HOME", str(tmp_path / "home"))
    words = ("run", "--data", "clicks.csv", "--recommenders", "recency,vsknn,nrms,mine.py:Newest")
    before = sorted(folder.rglob("*"))
    first = cli(*words, "--dry-run")
    assert first.exit_code == 0, first.output
    assert "clicks.csv, which is not prepared yet (0.0 MB)" in first.stdout
    assert "kernels: compiled first" in first.stdout
    assert [path for path in sorted(folder.rglob("*")) if "__pycache__" not in path.parts] == before


def test_a_dry_run_knows_rows_of_prepared_data_and_costs_of_an_earlier_run(cli: Cli, folder: Path) -> None:
    grown(folder)
    words = ("run", "--data", "clicks.csv", "--recommenders")
    assert cli(*words, "recency").exit_code == 0
    text = cli(*words, "recency,vsknn,nrms,mine.py:Newest", "--dry-run", "--jobs", "1").stdout
    assert (
        "8 pairs on clicks, 1 at a time: 4 recommenders on A (66 rows, 66 requests), B/2 (2 rows, 2 requests)" in text
    )
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert "recency" in lines["as in runs/clicks"]
    assert "vsknn" in lines["medium: 1 to 100 µs"]
    assert "nrms" in lines["dear: above 100 µs"]
    assert "mine.py:Newest" in lines["not known"]
    assert text.endswith("nothing was written\n")
    assert "12 pairs" in cli(*words, "recency,nrms", "--seeds", "1,2,3,4,5", "--dry-run").stdout
    part = cli(*words, "recency", "--limit", "33", "--publishers", "A", "--dry-run").stdout
    assert "1 pairs on clicks" in part
    assert "A (33 rows, 33 requests)" in part


def test_a_dry_run_is_as_wide_as_the_terminal(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grown(folder)
    assert cli("run", "--data", "clicks.csv", "--recommenders", "recency").exit_code == 0
    for width in (80, 140):
        monkeypatch.setenv("COLUMNS", str(width))
        text = cli("run", "--data", "clicks.csv", "--recommenders", "baselines", "--dry-run").stdout
        table = text.split("\n\n")[1].splitlines()
        assert width - 25 < max(map(len, table)) <= width, text  # 25: of a name


def test_a_dry_run_refuses_what_a_run_would(cli: Cli) -> None:
    assert "Did you mean 'trend'" in complaint(cli("run", "--recommenders", "trnd", "--dry-run"))
    assert "no file 'nothing.csv'" in complaint(cli("run", "--data", "nothing.csv", "--dry-run"))
    assert "Did you mean" in complaint(cli("run", "--metrics", "ndgc@10", "--dry-run"))


def test_an_estimate_is_what_classes_of_costs_say_of_rows() -> None:
    entries = start_list("trend,recency,vsknn")
    stretches = [Stretch("A", 3_000_000, 1_000_000, 0), Stretch("B", 1_000_000, 1_000_000, 0)]
    told = estimate(stretches, entries, 10, jobs=1)
    assert {line.what: line.seconds for line in told.lines} == {"cheap": (0, 8), "medium": (4, 400)}
    assert told.pairs == 6
    assert told.seconds[1] == pytest.approx(408 + told.judging)
    # Every answer takes ten codes of four bytes.
    assert told.disk - estimate(stretches, entries, 10, slates=False).disk == 2_000_000 * 3 * 40
    known = estimate(stretches, entries, 10, jobs=1, measured={"vsknn": 2.5})
    assert {line.what: line.seconds for line in known.lines} == {"measured": (10, 10), "cheap": (0, 8)}


# --- how much is said -------------------------------------------------------------------------------------


def test_who_wants_quiet_has_the_table_alone_and_who_wants_all_hears_where_things_lie(cli: Cli, folder: Path) -> None:
    words = ("run", "--data", "clicks.csv", "--recommenders", "recency", "--slates")
    quiet = cli(*words, "--quiet")
    assert quiet.exit_code == 0
    assert quiet.stderr == ""
    assert "recommender" in quiet.stdout
    grown(folder)
    assert "preparing clicks.csv" in cli(*words).stderr
    loud = cli(*words, "--verbose")
    assert re.search(r"^data: clicks, prepared in .*prepared", loud.stderr, re.M)
    assert re.search(r"^kernels: \d+ loaded from .*kernels, \d+ compiled by this process$", loud.stderr, re.M)
    assert "\nstage " in loud.stdout


def test_errors_are_printed_quietly_too(cli: Cli) -> None:
    assert "no file 'nothing.csv'" in complaint(cli("run", "--data", "nothing.csv", "-q"))


@pytest.mark.slow
def test_what_is_compiled_after_the_first_start_is_said_once(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWSREPLAY_HOME", str(tmp_path / "home"))
    words = ("-m", "newsreplay", "run", "--data", "clicks.csv", "--recommenders")
    assert "compiling the kernels (once after installation" in python(*words, "recency").stderr
    second = python(*words, "circular").stderr
    assert second.count("compiling the replay of circular (once)") == 1
    assert "compiling" not in python(*words, "circular").stderr


# --- help and completion ----------------------------------------------------------------------------------


def test_the_help_of_a_large_command_has_its_options_in_groups(cli: Cli) -> None:
    text = cli("run", "--help").stdout
    headings = re.findall(r"^(\S.*):$", text, re.M)
    assert headings[: len(GROUPS)] == list(GROUPS)
    for option in COMMANDS["run"].load().params:
        assert option.opts[0] in text
    assert text.index("--limit") < text.index("--recommenders TEXT") < text.index("--warmup") < text.index("--jobs")


def test_every_option_that_a_group_names_is_one_of_a_command() -> None:
    there = {option.name for command in COMMANDS.values() for option in command.load().params}
    named = [name for names in GROUPS.values() for name in names]
    assert set(named) <= there
    assert len(set(named)) == len(named)


def offered(*words: str, incomplete: str) -> list[str]:
    """What a shell would offer."""
    complete = ShellComplete(main, {}, "newsreplay", "_NEWSREPLAY_COMPLETE")
    return [item.value for item in complete.get_completions(list(words), incomplete) if item.type == "plain"]


def test_a_shell_completes_names_of_data_and_recommenders(cli: Cli, folder: Path) -> None:
    assert cli("data", "prepare", "table", "clicks.csv", "--name", "tuesday").exit_code == 0
    assert offered("run", "--data", incomplete="tu") == ["tuesday"]
    assert "demo" in offered("run", "--data", incomplete="")
    assert offered("run", "--data", incomplete="glo") == ["globo:"]
    assert offered("run", "--recommenders", incomplete="vs") == ["vsknn"]
    assert offered("run", "--recommenders", incomplete="trend,vsk") == ["trend,vsknn"]
    assert "baselines" in offered("run", "--recommenders", incomplete="base")
    assert offered("train", "--recommender", incomplete="nrms-i") == ["nrms-im"]
    assert offered("check", incomplete="circ") == ["circular", "circular_buffer"]
    cli("data", "remove", "tuesday")


def test_completing_imports_nothing_heavy() -> None:
    code = (
        "import os, sys\n"
        "typed = {'COMP_WORDS': 'newsreplay run --data ', 'COMP_CWORD': '3'}\n"
        "os.environ |= {'_NEWSREPLAY_COMPLETE': 'bash_complete', **typed}\n"
        "from newsreplay.cli import main\n"
        "try: main(prog_name='newsreplay')\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = python("-c", code)
    assert "plain,demo" in done.stdout
    assert not {"numba", "numpy", "torch", "pandas", "pyarrow"} & set(done.stderr.split())

"""Options: what they accept, and the one line in which a wrong one is refused."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from newsreplay.commands.options import FileOptions, file_options, gathered, stacked
from tests.commands.conftest import CLICKS, NAMED, Cli, complaint, e1


def test_columns_may_be_called_otherwise(cli: Cli, folder: Path) -> None:
    (folder / "clicks.csv").write_text(CLICKS.replace("time,publisher,user,item", "när,paper,who,what"))
    words = ("run", "--data", "clicks.csv", "--recommenders", "recency", "--columns")
    result = cli(*words, "time=när,publisher=paper,user=who,item=what", *NAMED)
    assert e1(result.stdout) == {"recency": "100.0*"}
    assert "write time=ts,item=article_id" in complaint(cli(*words, "time"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--warmup", "5"), "'5' is no duration; write 1d, 36h, 90m, 1d12h or 100ms"),
        (("--warmup", "-1d"), "'-1d' is no duration"),
        (("--window", "1 day"), "'1 day' is no duration"),
        (("--window", ""), "'' is no duration"),
        (("--window", "0h"), "the window must be longer than nothing"),
        (("--warmup", "9999999999999999999d"), "is longer than a century"),
        (("--deadline", "0.5ms"), "'0.5ms' is shorter than a millisecond"),
        (("--deadline", "0ms"), "a deadline must be longer than nothing"),
        (("--strict-deadline",), "there is no deadline to be strict about; give one with --deadline 100ms"),
        (("--cluster", "week"), "'week' is not one of 'session', 'user', 'day'"),
        (("-k", "0"), "0 is not in the range x>=1"),
        (("--jobs", "0"), "0 is not in the range x>=1"),
        (("--max-session-length", "1"), "1 is not in the range x>=2"),
        (("--format", "pdf"), "'pdf' is not one of"),
        (("--recommenders", "tredn"), "no recommender is called 'tredn'. Did you mean 'trend'?"),
        (("--recommenders", "trend(hour=6)"), "trend has no parameter 'hour'. Did you mean 'hours'?"),
        (("--recommenders", "trend("), "cannot read the recommender 'trend('"),
        (("--recommenders", ""), "no recommender named; 'newsreplay recommenders' lists them"),
        (("--recommenders", "recency,recency"), "recency stands on the list twice; name it once"),
        (("--recommenders", "mine.py:Nobody"), "mine.py has no 'Nobody'"),
        (("--out", "clicks.csv/run"), "cannot write to clicks.csv/run: Not a directory; name another folder"),
        (("--out", "clicks.csv"), "clicks.csv holds something that is not a run; name another folder with --out"),
        (("--out", "."), ". holds something that is not a run; name another folder with --out"),
    ],
)
def test_a_wrong_option_is_said_in_one_line(cli: Cli, words: tuple[str, ...], message: str) -> None:
    first = () if "--recommenders" in words else ("--recommenders", "recency")
    assert message in complaint(cli("run", "--data", "clicks.csv", *first, *words))
    assert not Path("runs/clicks/run.json").exists()
    assert Path("clicks.csv").read_text() == CLICKS


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--split", "official"), "the split 'official' begins after the data end; is a part of them missing?"),
        (("--split", "tuesday"), "mind has no split 'tuesday'; it has official, awrs, awrs-validation, stream"),
        (("--split", "stream", "--warmup", "1d"), "a split says what is scored; leave --warmup and --window out"),
        (("--impressions", "sampled"), "has impressions of its own; leave --impressions out"),
        (("--impressions", "all"), "impressions cannot be 'all'; use sampled, sampled:popularity, sampled:uniform-all"),
        (("--history", "frozen"), "'frozen'"),
        (("--file-order",), "mind has no option --file-order"),
    ],
)
def test_what_does_not_fit_a_source_is_said_in_one_line(
    cli: Cli, mind: Path, words: tuple[str, ...], message: str
) -> None:
    assert message in complaint(cli("run", "--data", f"mind:{mind}", "--recommenders", "recency", *words))


def test_names_for_recommenders_that_are_not_run_are_refused_before_the_work(cli: Cli, folder: Path) -> None:
    words = ("run", "--data", "clicks.csv", "--recommenders", "recency,circular:size=3", "--names")
    message = "there is no recommender 'trend' to name 'Trend'; there are recency, circular(size=3)"
    assert complaint(cli(*words, "trend=Trend")) == message
    assert "'recency' is not SPEC=NAME" in complaint(cli(*words, "recency"))
    assert not Path("runs").exists()


def test_options_are_gathered_in_the_order_of_the_help() -> None:
    received: list[tuple[object, ...]] = []

    @click.command()
    @click.option("--first")
    @stacked(click.option("--a", type=int), click.option("--b", type=int), gathered("both", ("a", "b", "c")))
    @click.option("--c", type=int)
    def command(first: str | None, both: dict[str, int]) -> None:
        received.append((first, both))

    assert [option.name for option in command.params] == ["first", "a", "b", "c"]
    for words in (["--b", "2", "--first", "x"], ["--a", "0", "--c", "3"], []):
        CliRunner().invoke(command, words, catch_exceptions=False)
    assert received == [("x", {"b": 2}), (None, {"a": 0, "c": 3}), (None, {})]


def test_what_shapes_preparing_is_handed_on_only_where_it_was_given() -> None:
    received: list[FileOptions] = []

    @click.command()
    @file_options
    def command(files: FileOptions) -> None:
        received.append(files)

    for words in ([], ["--columns", "time=ts, item = id", "--file-order", "--session-gap", "30m", "--history", ""]):
        CliRunner().invoke(command, words, catch_exceptions=False)
    assert received == [
        FileOptions(None, {}),
        FileOptions({"time": "ts", "item": "id"}, {"session_gap": 1_800_000, "history": "", "file_order": True}),
    ]

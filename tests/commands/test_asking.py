"""`--exclude` and `--feedback-delay` from the command line and from Python: what they change, keep and say."""

from __future__ import annotations

from pathlib import Path

import pytest

import newsreplay
from tests.commands.conftest import NAMED, Cli, complaint, files_of, info_of

SHARED = ("run", "--data", "clicks.csv", "--recommenders", "recency,oracle", "-k", "2", *NAMED)


def slates(folder: str) -> list[list[str]]:
    return newsreplay.Run(folder).slates("A", "recency")["slate"].map(list).tolist()


@pytest.fixture
def usual(cli: Cli) -> str:
    """A run without either."""
    assert cli(*SHARED, "--out", "usual").exit_code == 0
    return "usual"


def test_what_is_excluded_does_not_stand_in_slates_and_the_run_keeps_and_says_it(cli: Cli, usual: str) -> None:
    # ann reads a, b; bob b, a; ann a; zoe b.
    assert slates(usual) == [[], ["a"], ["a"], ["b"], ["b"], ["a"]]
    expected = {"session": [[], [], ["a"], [], [], ["a"]], "nothing": [["a"], *[["b", "a"]] * 5]}
    for exclude, found in expected.items():
        result = cli(*SHARED, "--exclude", exclude, "--out", exclude)
        assert result.exit_code == 0, result.output
        assert slates(exclude) == found
        assert info_of(exclude)["options"]["exclude"] == exclude
        for words in (("leaderboard", exclude), ("leaderboard", exclude, "--misses"), ("compare", exclude)):
            assert f"(--exclude {exclude}), so figures of slates are not to be" in cli(*words).stdout
        assert "all 4 pairs" in cli("verify", exclude).stdout
        before = newsreplay.Run(exclude).results
        assert cli("score", exclude).exit_code == 0
        assert newsreplay.Run(exclude).results == before
    assert "do not score the same (exclude is current and session)" in complaint(cli("leaderboard", "session", usual))


def test_reads_are_learned_late_and_the_run_keeps_and_says_it(cli: Cli, usual: str) -> None:
    result = cli(
        "run", "--data", "clicks.csv", "--recommenders", "sequences", "--out", "late", "--feedback-delay", "2m"
    )
    assert "in late feedback is learned late: --feedback-delay 2m" in result.stdout
    assert info_of("late")["options"]["feedback_delay"] == {"reads": 120_000, "outcomes": 120_000}
    words = ("--feedback-delay", "reads=150s,outcomes=0", "--out", "parted")
    result = cli("run", "--data", "clicks.csv", "--recommenders", "sequences", *words)
    assert "--feedback-delay reads=2m30s,outcomes=0" in result.stdout
    found = {
        folder: newsreplay.Run(folder).slates("A", "sequences")["slate"].map(list).tolist()
        for folder in ("late", "parted")
    }
    # That ann went from a to b at minute 1 is learned at minute 3, or 3.5; that bob went from b to a at 5, or 5.5.
    assert found == {"late": [[], [], [], ["b"], ["b"], ["a"]], "parted": [[], [], [], [], ["b"], ["a"]]}
    assert "all 2 pairs" in cli("verify", "late").stdout
    assert cli("leaderboard", "late", usual).exit_code == 0  # both are judged alike


def test_no_delay_changes_no_byte(cli: Cli, usual: str) -> None:
    for number, none in enumerate(("0", "reads=0,outcomes=0", "0s")):
        assert cli(*SHARED, "--out", f"none{number}", "--feedback-delay", none).exit_code == 0
        before, after = files_of(usual), files_of(f"none{number}")
        assert {name for name in before if before[name] != after[name]} <= {"run.json", "timing.json", "SHA256SUMS"}
        assert info_of(f"none{number}")["key"] == info_of(usual)["key"]
    assert not {"exclude", "feedback_delay"} & {*info_of(usual)["options"]}


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("5 minutes", "'5 minutes' is no duration"),
        ("clicks=5m", "'clicks' cannot be delayed; reads and outcomes can"),
        ("reads=1m,reads=2m", "is no delay; write 5m, or reads=0,outcomes=5m"),
    ],
)
def test_a_delay_that_is_none_is_refused_with_the_way_out(cli: Cli, value: str, what: str) -> None:
    result = cli("run", "--data", "clicks.csv", "--feedback-delay", value)
    assert result.exit_code == 2
    assert what in result.stderr


def test_the_check_takes_both(cli: Cli) -> None:
    words = ("--exclude", "session", "--feedback-delay", "1h", "--cuts", "4")
    assert cli("check", "recency", *words).stdout.startswith("recency: blind to the future at 4 cuts; ")


def test_from_python_both_are_keywords(cli: Cli, folder: Path) -> None:
    run = newsreplay.run("clicks.csv", "recency", k=2, exclude="nothing", feedback_delay={"reads": "1m"})
    assert (run.exclude, run.feedback_delay) == ("nothing", (60_000, 0))
    assert newsreplay.check("recency", cuts=3, exclude="session", feedback_delay="1h").passed
    with pytest.raises(
        newsreplay.NewsreplayError, match="'everything' cannot be excluded; current, session, nothing can"
    ):
        newsreplay.run("clicks.csv", "recency", exclude="everything")  # type: ignore[arg-type]
    with pytest.raises(newsreplay.NewsreplayError, match="'everything' cannot be excluded"):
        newsreplay.check("recency", exclude="everything")  # type: ignore[arg-type]
    with pytest.raises(newsreplay.NewsreplayError, match="-5 is less than 0"):
        newsreplay.run("clicks.csv", "recency", feedback_delay=-5)

"""Commands on data sets: prepared, listed, described, drawn, made up and removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsreplay import machine as home
from newsreplay.datasets import find_data
from newsreplay.datasets.fetching.sources import SOURCES
from newsreplay.errors import DataError
from tests.commands.conftest import Cli, complaint, files_of, info_of, python

KINDS = "adressa, deskdrop, ebnerd, globo, mind, nemig, newsreel, outbrain, pens, streamingrec, table, tianchi"


@pytest.mark.usefixtures("own_home")
def test_data_are_prepared_listed_and_described(cli: Cli) -> None:
    listed = cli("data", "list").stdout.splitlines()
    assert listed[:2] == [
        "Prepared (newsreplay run --data NAME)",
        "  demo  synthetic, three publishers, generated at first use",
    ]
    assert max(map(len, listed)) <= 80
    prepared = cli("data", "prepare", "table", "clicks.csv", "--name", "tuesday")
    assert prepared.exit_code == 0
    described = cli("data", "describe", "tuesday")
    assert described.stdout == prepared.stdout
    lines = [line.split("  ") for line in described.stdout.splitlines()]
    rows = {line[0]: [cell.strip() for cell in line[1:] if cell.strip()] for line in lines}
    assert rows["tuesday"] == ["A", "B/2"]
    assert rows["events (reads)"] == ["6", "2"]
    assert rows["sessions"] == ["3", "1"]
    assert rows["single-event sessions"] == ["1", "0"]
    assert rows["mean session length"] == ["2.00", "2.00"]
    assert rows["first read (UTC)"] == ["2020-01-01 00:00", "2020-01-01 00:05"]
    assert "  tuesday  table, 8 reads, 2 publishers\n" in cli("data", "list").stdout


@pytest.mark.usefixtures("own_home")
def test_the_list_names_what_can_be_got_and_what_a_path_can_be(cli: Cli) -> None:
    blocks = cli("data", "list").stdout.split("\n\n")
    heads = [block.splitlines()[0] for block in blocks]
    assert heads == [
        "Prepared (newsreplay run --data NAME)",
        "To be fetched (newsreplay data fetch NAME)",
        "To be got by hand (newsreplay data fetch NAME says how)",
        "Paths (newsreplay run --data PATH)",
    ]
    names = [[line.split()[0] for line in block.splitlines()[1:]] for block in blocks]
    assert names[1] == [name for name, source in SOURCES.items() if source.files]
    assert names[2] == ["globo", "deskdrop", "nemig", "newsreel", "pens", "outbrain", "streamingrec", "tianchi"]
    assert names[3][:6] == [
        "clicks.csv",
        "FOLDER",
        "'clicks/*.parquet'",
        "KIND:PATH",
        "s3://bucket/path",
        "https://host/file",
    ]
    assert " ".join(blocks[3].split()).endswith(f"KIND is one of {KINDS}")


def test_the_list_imports_no_heavy_library(folder: Path) -> None:
    code = "import sys; from newsreplay.cli import main; main(['data', 'list'], standalone_mode=False)"
    done = python("-c", f"{code}; print({{'numba', 'torch', 'pyarrow.fs'}} & set(sys.modules), file=sys.stderr)")
    assert done.stderr == "set()\n"


@pytest.mark.usefixtures("own_home")
def test_one_damaged_data_set_does_not_cost_the_list(cli: Cli) -> None:
    for name in ("monday", "tuesday"):
        cli("data", "prepare", "table", "clicks.csv", "--name", name)
    (home.home() / "data" / "monday" / "card.json").write_text("{")
    result = cli("data", "list")
    assert result.exit_code == 0
    assert "monday is no prepared data set" in result.stdout
    assert "  tuesday  table, 8 reads, 2 publishers\n" in result.stdout


@pytest.mark.usefixtures("own_home")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("prepare", "tabel", "clicks.csv"), f"there is no kind of data called 'tabel'; there are {KINDS}."),
        (("prepare", "table", "nowhere.csv"), "nowhere.csv"),
        (("prepare", "table", "clicks.csv", "--name", "demo"), "a data set cannot be called 'demo'"),
        (("prepare", "globo", ".", "--columns", "time=ts"), "--columns goes with tables"),
        (("describe", "tuesday"), "there is no data set and no file 'tuesday'"),
    ],
)
def test_a_wrong_word_about_data_is_said_in_one_line(cli: Cli, words: tuple[str, ...], message: str) -> None:
    assert message in complaint(cli("data", *words))


def test_a_synthetic_log_that_cannot_be_made_is_said_in_one_line(cli: Cli) -> None:
    words = ("data", "synth", "clicks.csv/made", "--reads", "10")
    assert "cannot write to clicks.csv/made: Not a directory" in complaint(cli(*words))
    assert "no synthetic publisher 'Z'; there are A, B, C" in complaint(cli(*words, "--publishers", "A, Z"))


def test_a_synthetic_log_can_be_replayed(cli: Cli) -> None:
    made = cli("data", "synth", "made", "--publishers", "B", "--reads", "300")
    assert made.exit_code == 0
    assert made.stdout == "wrote made; replay it with: newsreplay run --data made\n"
    result = cli("run", "--data", "made", "--recommenders", "recency")
    assert result.exit_code == 0
    assert [facts["reads"] for facts in info_of("runs/made")["publishers"]] == [300]


def test_data_are_removed_by_name_and_what_was_cached_all_at_once(cli: Cli, empty_home: Path) -> None:
    cli("data", "prepare", "table", "clicks.csv", "--name", "tuesday")
    cli("data", "describe", "clicks.csv")
    assert cli("data", "remove", "tuesday").stdout == "removed tuesday\n"
    assert not (empty_home / "data" / "tuesday").exists()
    assert "Did you mean" not in complaint(cli("data", "remove", "tuesday"))
    assert cli("data", "remove", "--cached").stdout == "removed 1 data sets that were prepared without a name\n"
    assert [*(empty_home / "prepared").iterdir()] == []
    assert cli("data", "remove").exit_code == 2


def test_describe_draws(cli: Cli) -> None:
    result = cli("data", "describe", "clicks.csv", "--draw", "pictures")
    assert result.exit_code == 0, result.output
    assert "drew pictures/session_lengths.png" in result.stdout
    assert Path("pictures/popularity.svg").read_text().startswith("<?xml")


# --- damage, leftovers, foreign text ----------------------------------------------------------------------

FITS = """
from newsreplay import Recommender
class Fits(Recommender):
    def fit(self): pass
    def save_weights(self, path): pass
    def recommend(self, request, k): return []
"""


@pytest.mark.parametrize(
    "words",
    [
        ("data", "describe", "tuesday"),
        ("data", "describe", "tuesday", "--draw", "pictures"),
        ("run", "--data", "tuesday", "--recommenders", "recency", "--out", "run"),
        ("check", "recency", "--data", "tuesday"),
        (
            "train",
            "--recommender",
            "fits.py:Fits",
            "--data",
            "tuesday",
            "--publisher",
            "A",
            "--warmup",
            "1m",
            "--out",
            "weights",
        ),
        ("score", "done"),
        ("verify", "done"),
    ],
    ids=" ".join,
)
def test_every_command_refuses_damaged_data_in_one_line(cli: Cli, folder: Path, words: tuple[str, ...]) -> None:
    (folder / "fits.py").write_text(FITS)
    try:
        assert cli("data", "prepare", "table", "clicks.csv", "--name", "tuesday").exit_code == 0
        done = cli("run", "--data", "tuesday", "--recommenders", "recency", "--out", "done")
        assert done.exit_code == 0, done.output
        before = files_of("done")
        path = home.home() / "data" / "tuesday" / "publishers" / "0" / "log" / "item.npy"
        content = bytearray(path.read_bytes())
        content[-2] ^= 0x40
        path.unlink()  # this process may still hold what it was
        path.write_bytes(content)
        again = "prepare it again: newsreplay data prepare table clicks.csv --name tuesday"
        said = complaint(cli(*words))
        assert "publishers/0/log/item.npy is damaged: bytes 0 to " in said
        assert said.endswith(again)
        assert files_of("done") == before
        assert not {"run", "weights", "pictures"} & {left.name for left in folder.iterdir()}
    finally:
        cli("data", "remove", "tuesday")


@pytest.mark.usefixtures("own_home")
def test_what_killed_preparations_left_is_listed_and_removed(cli: Cli) -> None:
    cli("data", "prepare", "table", "clicks.csv", "--name", "tuesday")
    left = home.home() / "data" / ".work-monday-0123abcd"
    (left / "000000").mkdir(parents=True)
    (left / "000000" / "half").write_bytes(bytes(1_500_000))
    listed = cli("data", "list").stdout
    assert "Left by preparations that were interrupted: 1 folders, 1.5 MB" in listed
    assert "'data remove --leftovers' removes them" in listed
    assert f"{left}: 1.5 MB" in listed
    assert cli("data", "remove", "--leftovers").stdout == "removed 1 folders that were left unfinished\n"
    assert not left.exists()
    assert "Left by" not in cli("data", "list").stdout
    assert "tuesday  table" in cli("data", "list").stdout


@pytest.mark.usefixtures("own_home")
def test_foreign_text_is_shown_escaped_by_the_commands_on_data(cli: Cli, folder: Path) -> None:
    evil = "\x1b[2Jevil\u202e"
    (folder / "clicks.csv").write_text(f"time,publisher,user,item\n2020-01-01,{evil},ann,a\nnoon{evil},A,ann,b\n")
    prepared = cli("data", "prepare", "table", "clicks.csv", "--name", "tuesday")
    described = cli("data", "describe", "tuesday")
    with pytest.raises(DataError, match=r"has no publisher 'B'; it has \\x1b\[2Jevil\\u202e"):
        find_data("tuesday").publisher("B")
    card = home.home() / "data" / "tuesday" / "card.json"
    card.write_text(card.read_text().replace('"format": 3', f'"format": "{evil}"'.replace("\x1b", r"\u001b")))
    for result in (prepared, described, cli("data", "list")):
        assert r"\x1b[2Jevil\u202e" in result.output
        assert all(c == "\n" or c.isprintable() for c in result.output)

"""`newsreplay extend`: what the longer run says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Cli, complaint


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_publishers_that_came_since_are_left_out_and_the_command_says_so(cli: Cli) -> None:
    def written(rows: int, publisher: str) -> None:
        with Path("days.csv").open("a") as file:
            file.writelines(f"{1_577_836_800 + n},{n // 2 % 9},{n % 7},{publisher}\n" for n in range(rows, rows + 60))

    Path("days.csv").write_text("time,user,item,publisher\n")
    written(0, "A")
    done = cli("run", "--data", "days.csv", "--recommenders", "recency", "--out", "run")
    assert done.exit_code == 0, done.output
    written(60, "B")
    written(120, "A")
    done = cli("extend", "run", "--data", "days.csv")
    assert done.exit_code == 0, done.output
    record = json.loads(Path("run/run.json").read_text())
    assert [(facts["publisher"], facts["rows"]) for facts in record["publishers"]] == [("A", 120)]
    assert record["command"].endswith("--data days.csv --publishers A")


def test_the_next_day_alone_is_refused_and_told_what_is_wanted(cli: Cli) -> None:
    def written(name: str, begin: int, rows: int) -> None:
        lines = (f"{begin + n},{n % 5},{n % 7},A\n" for n in range(rows))
        Path(name).write_text("time,user,item,publisher\n" + "".join(lines))

    written("day-1.csv", 1_577_836_800, 60)
    assert cli("run", "--data", "day-1.csv", "--recommenders", "recency", "--out", "run").exit_code == 0
    written("day-2.csv", 1_577_936_800, 9)
    said = complaint(cli("extend", "run", "--data", "day-2.csv"))
    assert "--data is to be all of the log, the run's rows and what came after their last moment" in said
    done = cli("extend", "run", "--data", "day-*.csv")
    assert done.exit_code == 0, done.output
    assert json.loads(Path("run/run.json").read_text())["publishers"][0]["rows"] == 69

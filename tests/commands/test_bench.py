"""`newsreplay bench` on a log of a few rows."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from newsreplay.cli import main
from newsreplay.report.tables.bench import bench_table
from newsreplay.simulator.bench import Bench, Cost, Machine

MACHINE = Machine("a processor", 2, 8_000_000_000, "Linux", "3.11.0", "0.68", "0.1.0")
BENCH = Bench(
    *("few", "A", 2_000, 1_500, 10, 3, MACHINE),
    floor=0.004,
    plain_loop=0.1,
    costs=[Cost("recency", 0.05, 0.02, None, None, 4_000), Cost("mine.py:Mine", 0.5, 2.0, 1.25, 0.5, 1_500)],
)


ASKED = """
def note(text):
    with open(asked, "a") as file:
        file.write(text)

class Mine:
    def start(self, catalog):
        note("\\n")
    def recommend(self, request, k):
        note("a")
        return []
"""


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    path = tmp_path / "clicks.csv"
    rows = [f"2024-01-01 10:{n:02},u{n % 3},{item}\n" for n, item in enumerate("xyzxyyzx")]
    path.write_text("".join(["time,user,item\n", *rows]))
    return path


def bench(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["bench", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_it_measures_what_is_named_on_the_rows_that_are_asked_for(clicks: Path) -> None:
    printed = bench("recency,circular(size=2)", "--data", str(clicks), "--rows", "5", "-k", "2", "--format", "json")
    records = json.loads(printed)
    assert [record["recommender"] for record in records] == ["recency", "circular(size=2)"]
    for record in records:
        assert (record["rows"], record["reads"], record["k"], record["repeats"]) == (5, 5, 2, 3)
        assert record["us_per_event"] > 0
        assert record["floor_us"] > 0
        assert record["state_bytes"] > 0
        assert record["learn_us"] is None
        assert record["cores"] >= 1


def test_the_start_is_until_the_first_answer_whatever_was_published_before(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "clicks.csv").write_text("time,user,item\n2024-01-01 10:00,u,x\n2024-01-01 10:01,u,y\n")
    published = "".join(f"{item},2024-01-01 09:00\n" for item in "xyz")
    (tmp_path / "data" / "articles.csv").write_text(f"item,published\n{published}")
    mine, asked = tmp_path / "mine.py", tmp_path / "asked"
    mine.write_text(f"asked = {str(asked)!r}\n" + ASKED)
    bench(f"{mine}:Mine", "--data", str(tmp_path / "data"), "--repeats", "1")
    assert [len(line) for line in asked.read_text().split()] == [1, 2]


def test_a_recommender_of_ones_own_is_timed_call_by_call_and_may_print(clicks: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("class Mine:\n    def recommend(self, request, k):\n        print('hello')\n        return []\n")
    printed = bench(f"{mine}:Mine", "--data", str(clicks), "--timed", "--repeats", "1", "--format", "csv")
    (record,) = csv.DictReader(io.StringIO(printed))
    assert float(record["recommend_us"]) > 0
    assert record["reads"] == "8"


def test_the_oracle_is_not_replayed(clicks: Path) -> None:
    result = CliRunner().invoke(main, ["bench", "oracle", "--data", str(clicks)])
    assert result.exit_code == 1
    assert "oracle is worked out from the log, and not replayed; leave it out" in result.output


def test_the_table_says_what_it_costs_beside_the_floors_and_where_that_was() -> None:
    lines = bench_table(BENCH).splitlines()
    assert lines[0].split("  ")[0] == "recommender"
    recency, mine = (line.split() for line in lines[2:4])
    assert recency == ["recency", "50,000,000", "0.020", "5", "0.2", "4", "0.050", "-", "-"]
    assert mine == ["mine.py:Mine", "500,000", "2.000", "500", "20", "2", "0.500", "1.250", "0.500"]
    told = " ".join(lines[4:])
    assert "the first 2,000 rows (1,500 reads) of A in few, k = 10; medians of 3 replays" in told
    assert "a processor, 2 cores, 8 GB, Python 3.11.0" in told

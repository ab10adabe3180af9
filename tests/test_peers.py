"""benchmarks/peers: every process that is installed runs on one stream, and the loops count hits."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest

from tests.scripts import script


def test_the_stream_is_a_log_of_interleaved_sessions(tmp_path: Path) -> None:
    script("compare", "benchmarks/peers").write_stream(tmp_path / "clicks.csv", 500)
    with (tmp_path / "clicks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 500
    assert [int(row["time"]) for row in rows] == sorted(int(row["time"]) for row in rows)
    sessions = [row["session"] for row in rows]
    assert 1 < len({*sessions}) < 500
    assert sum(one != other for one, other in pairwise(sessions)) > 250


def test_a_loop_counts_the_reads_that_the_slate_before_them_held(tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("time,session,user,item\n1,s,u,a\n2,s,u,b\n3,s,u,a\n4,t,v,b\n5,t,v,a\n6,t,v,c\n")
    loops = script("loops", "benchmarks/peers")
    # After a, b: the slate is a, and a is read; after b at t: a, and a is read; c was never read before.
    assert loops.replay(loops.LOOPS["script"](), path) == 2


@pytest.mark.skipif(find_spec("river") is None, reason="river is not installed")
def test_river_ranks_what_was_read_last(tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("time,session,user,item\n1,s,u,a\n2,s,u,b\n3,s,u,a\n4,s,u,b\n")
    loops = script("loops", "benchmarks/peers")
    assert loops.replay(loops.LOOPS["river"](), path) == 2


@pytest.mark.slow
def test_all_that_is_installed_is_measured_and_the_rest_is_said_to_be_skipped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script("compare", "benchmarks/peers").main(["--reads", "300", "--repeats", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert [line[:28].strip() for line in lines[1:4:2]] == ["a careful script, popular"] + (
        ["newsreplay, prepare"] if find_spec("river") else ["newsreplay run, popular"]
    )
    assert ("flurs                       not installed, skipped" in lines) == (find_spec("flurs") is None)

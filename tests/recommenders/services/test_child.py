"""A command as a recommender: what it does wrong ends no run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from newsreplay.errors import RecommenderError, SpecError
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.registry import start_list
from newsreplay.recommenders.services.child import StdinService
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import Replayed
from tests.recommenders.services.test_web import reads

#: Reads messages; `answer(message)` is what differs.
FRAME = """
import json, os, sys, time
asked = 0
for line in sys.stdin:
    message = json.loads(line)
    if message["type"] == "recommend":
        asked += 1
        {}
"""
GOOD = 'print(json.dumps({"items": ["0", "1"]}), flush=True)'


def outcome(tmp_path: Path, answer: str, rows: int = 40, **options: Any) -> tuple[Replayed, str]:
    file = tmp_path / "child.py"
    file.write_text(FRAME.format(answer))
    done = replay(reads(rows), StdinService(f"'{sys.executable}' '{file}'", **options), Setting(k=2))
    assert done.self_report is not None
    return done, " ".join(done.self_report.notes)


def test_a_command_learns_and_answers(tmp_path: Path) -> None:
    done, notes = outcome(tmp_path, GOOD, timeout="5s")
    assert "misses" not in notes
    assert done.slates[38:].tolist() == [[1, -1], [0, -1]]


def test_lines_that_are_no_answers_are_passed_over_and_counted(tmp_path: Path) -> None:
    done, notes = outcome(tmp_path, f'print("debugging"); print("{{}}"); {GOOD}', timeout="5s")
    assert "80 lines that are no answers" in notes
    assert done.slates[39].tolist() == [0, -1]


def test_an_answer_that_was_given_up_is_not_taken_for_the_next_ones(tmp_path: Path) -> None:
    late = 'time.sleep(0.5 * (asked == 20)); print(json.dumps({"items": [str(1 - message["time"] % 2)]}), flush=True)'
    done, notes = outcome(tmp_path, late, timeout="200ms", patience="200ms")
    assert "without an answer in time" in notes
    assert done.slates[30:, 0].tolist() == [1, 0] * 5


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("sys.exit(3)", "its process ended .exit status 3."),
        ("os.close(1); time.sleep(60)", "closed its input or output"),
        ('print("x" * 3_000_000, flush=True)', "more than 1,048,576 bytes"),
    ],
)
def test_a_command_that_cannot_go_on_is_given_up(tmp_path: Path, answer: str, complaint: str) -> None:
    with pytest.raises(RecommenderError, match=complaint):
        outcome(tmp_path, answer)


def test_a_command_that_hangs_is_given_up(tmp_path: Path) -> None:
    hangs = f"{GOOD} if asked == 1 else time.sleep(60)"
    with pytest.raises(RecommenderError, match="no answer to 50 requests in a row"):
        outcome(tmp_path, hangs, rows=200, timeout="5ms", patience="5ms")


def test_a_command_that_is_none_is_refused() -> None:
    with pytest.raises(SpecError, match="no command"):
        start_list("'stdin:'")
    with pytest.raises(SpecError, match="is no command"):
        start_list('"stdin:python3 \'x"')
    with pytest.raises(RecommenderError, match="cannot be started"):
        replay(reads(), StdinService("no-such-command-anywhere"), Setting())

"""Progress bars: on a terminal alone."""

from __future__ import annotations

import io

import pytest

from newsreplay.commands.bars import download_bar, progress_bar, training_bars


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def look_at(stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """`stderr` in place of the process's; called in the test, as pytest puts its own back before that."""
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    return stderr


def test_a_terminal_sees_a_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = look_at(Screen(), monkeypatch)
    with download_bar() as progress:
        progress("week.tar", 5_000_000, 10_000_000)
    assert "week.tar" in screen.getvalue()
    assert "5.0/10.0 MB" in screen.getvalue()


def test_a_terminal_sees_how_far_a_replay_is(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = look_at(Screen(), monkeypatch)
    with progress_bar() as progress:
        progress("replaying [A]", 3, 4)
    assert "replaying [A]" in screen.getvalue()
    assert "75%" in screen.getvalue()


def test_a_terminal_sees_how_training_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = look_at(Screen(), monkeypatch)
    with training_bars() as (progress, report):
        progress("replaying", 3, 4)
        report("epoch 2 of 3 [loss 0.5]")
    assert "replaying" in screen.getvalue()
    assert "epoch 2 of 3" in screen.getvalue()


def test_a_pipe_sees_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = look_at(io.StringIO(), monkeypatch)
    with progress_bar() as progress, download_bar() as download, training_bars() as (replaying, report):
        progress("replaying", 3, 4)
        download("week.tar", 5, None)
        replaying("replaying", 3, 4)
        report("epoch 2 of 3")
    assert pipe.getvalue() == ""

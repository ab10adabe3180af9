"""What commands print on: a terminal of some width, or a pipe."""

from __future__ import annotations

import io

import pytest

from newsreplay.commands.screens import screen
from newsreplay.report.tables.tables import Screen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_width_and_colours_unless_they_are_unwanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "93")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert screen() == Screen(93, colour=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert screen() == Screen(93, colour=False)


def test_a_pipe_has_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.StringIO())
    monkeypatch.setenv("COLUMNS", "93")
    assert screen() == Screen(None, colour=False)

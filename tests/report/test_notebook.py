"""Progress in notebooks: a bar that a display shows anew, and that goes at the end."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from newsreplay.report.notebook import notebook_progress
from newsreplay.simulator.runs.options import quiet


class Display:
    """What IPython shows, in the order in which it was shown."""

    def __init__(self) -> None:
        self.shown: list[Any] = []

    def __call__(self, what: Any, display_id: bool) -> Display:
        self.shown.append(what)
        return self

    update = lambda self, what: self.shown.append(what)  # noqa: E731


def in_notebook(monkeypatch: pytest.MonkeyPatch, **shell: Any) -> Display:
    display = Display()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(**shell)))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    return display


def test_a_notebook_shows_a_bar_that_goes_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    display = in_notebook(monkeypatch, kernel=object())
    with notebook_progress(quiet) as progress:
        progress("replaying · <b>mine</b>\x1b[31m", 3, 4)
    first, bar, last = display.shown
    assert "0%" in repr(first)
    assert repr(bar) == "replaying · <b>mine</b>\\x1b[31m: 75%"
    assert 'max="4" value="3"' in bar._repr_html_()
    assert "&lt;b&gt;mine" in bar._repr_html_()
    assert (repr(last), last._repr_html_()) == ("", "")


def test_it_goes_after_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    display = in_notebook(monkeypatch, kernel=object())
    with pytest.raises(ValueError, match="broken"), notebook_progress(quiet):
        raise ValueError("broken")
    assert repr(display.shown[-1]) == ""


def test_elsewhere_and_where_somebody_follows_the_run_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def mine(what: str, done: int, total: int) -> None: ...

    with notebook_progress(quiet) as progress:
        assert progress is quiet
    display = in_notebook(monkeypatch, kernel=object())
    with notebook_progress(mine) as progress:
        assert progress is mine
    assert not display.shown
    display = in_notebook(monkeypatch)  # IPython in a terminal has no kernel
    with notebook_progress(quiet) as progress:
        assert progress is quiet
    assert not display.shown

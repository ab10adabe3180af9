"""Errors of strangers' code in a line: what was raised, at which row of a log, in which line of their files."""

from __future__ import annotations

from pathlib import Path
from textwrap import shorten
from types import TracebackType

from newsreplay.errors import NewsreplayError

AT_ROW = "at row "  #: how the note on an error begins that says where in a log it was raised
LONGEST = 500  #: characters of an error's own words that are shown

_PACKAGE = Path(__file__).parent
#: What calls strangers' classes and functions.
_ENGINE = (_PACKAGE / "simulator", _PACKAGE / "recommenders" / "registry.py", _PACKAGE / "datasets" / "readers.py")


def one_line(error: BaseException) -> str:
    """An error in a line, its kind in front and its place behind unless newsreplay raised it on purpose."""
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be shown)"
    if isinstance(error, NewsreplayError):
        return shorten(text, LONGEST, placeholder=" …")
    return shorten(f"{type(error).__name__}: {text}".removesuffix(": "), LONGEST, placeholder=" …") + place_of(error)


def place_of(error: BaseException) -> str:
    """Where a stranger's code raised an error, ", at row 12 (acme.py:37)"; "" where neither is known.

    The line is the last one in the files of the class: what lies in the folder of the first one that newsreplay called.
    """
    notes = [note for note in getattr(error, "__notes__", ()) if isinstance(note, str) and note.startswith(AT_ROW)]
    line = _own_line(error.__traceback__)
    return "".join([*(f", {note}" for note in notes[-1:]), *([f" ({line})"] if line else [])])


def defined_at(method: object) -> str:
    """Where a stranger's method begins, "acme.py:37"; "" where it is newsreplay's, or not written in Python."""
    code = getattr(method, "__code__", None)
    if code is None or Path(code.co_filename).is_relative_to(_PACKAGE):
        return ""
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}"


def _own_line(traceback: TracebackType | None) -> str:
    own: Path | None = None
    last, called = "", False
    while traceback is not None:
        path = Path(traceback.tb_frame.f_code.co_filename)
        if own is None and any(path.is_relative_to(engine) for engine in _ENGINE):
            called = True
        elif own is None and called:
            own = path.parent
        if own is not None and _is_below(path, own):
            last = f"{path.name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return "" if own is None or own.is_relative_to(_PACKAGE) else last


def _is_below(path: Path, own: Path) -> bool:
    """Whether a file is the class's own: installed packages are not, though they may lie in a folder below."""
    return path.is_relative_to(own) and "site-packages" not in path.relative_to(own).parts

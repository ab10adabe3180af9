"""Files and folders are written whole or not at all."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from newsreplay import files
from newsreplay.files import (
    LockedError,
    folder_written_whole,
    locked,
    old_of,
    recover,
    replace_folder,
    written_whole,
)


def test_what_is_not_written_whole_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    with written_whole(path) as work:
        work.write_text("old")
    with pytest.raises(ZeroDivisionError), written_whole(path) as work:  # noqa: PT012
        work.write_text("half of the n")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_not_filled_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    with pytest.raises(KeyboardInterrupt), folder_written_whole(folder) as work:  # noqa: PT012
        (work / "half").touch()
        raise KeyboardInterrupt
    assert list(folder.parent.iterdir()) == []
    with folder_written_whole(folder) as work:
        (work / "file").write_text("all of it")
        assert not folder.exists()
    assert (folder / "file").read_text() == "all of it"
    assert list(folder.parent.iterdir()) == [folder]


def test_of_two_that_write_one_folder_the_first_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with folder_written_whole(folder) as work:
        (work / "file").write_text("second")
        folder.mkdir()
        (folder / "file").write_text("first")
    assert (folder / "file").read_text() == "first"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_is_to_be_replaced_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").touch()
    with folder_written_whole(folder, replace=True) as work:
        (work / "new").touch()
        assert [path.name for path in folder.iterdir()] == ["old"]
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["folder", "folder/new"]


def test_a_folder_written_whole_is_for_the_same_eyes_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with folder_written_whole(tmp_path / "folder"):
        pass
    assert (tmp_path / "folder").stat().st_mode == (tmp_path / "other").stat().st_mode


class KilledError(BaseException):
    """In place of SIGKILL: nothing after it is done."""


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("steps", range(8))
def test_a_folder_is_the_old_or_the_new_one_whenever_its_replacing_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool, steps: int
) -> None:
    folder, new = tmp_path / "folder", tmp_path / "new"
    for path in (folder, new):
        path.mkdir()
        (path / "a").write_text(path.name)
        (path / "b").write_text(path.name)
    left = steps

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **options: Any) -> Any:
            nonlocal left
            if not left:
                raise KilledError
            left -= 1
            return function(*words, **options)

        return call

    if not at_once:
        monkeypatch.setattr(files, "_exchange", refuse)
    with monkeypatch.context() as patch:
        for where, name in ((Path, "rename"), (files, "_exchange"), (os, "unlink"), (os, "rmdir")):
            patch.setattr(where, name, counted(getattr(where, name)))
        with suppress(KilledError):
            replace_folder(new, folder)
    there = next(path for path in (folder, old_of(folder)) if path.exists())
    assert {(there / name).read_text() for name in "ab"} in ({"folder"}, {"new"})
    recover(folder)
    assert {(folder / name).read_text() for name in "ab"} in ({"folder"}, {"new"})
    assert not old_of(folder).exists()


def refuse(one: Path, other: Path) -> None:
    raise NotImplementedError


HOLDER = """
import sys
from pathlib import Path
from newsreplay.files import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_lock_names_who_has_it_and_goes_with_its_process(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    words = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(LockedError, match=rf"^process {holder.pid} on {socket.gethostname()}$"), locked(folder):
            pass
        holder.kill()
        holder.wait()
        with locked(folder):
            pass
    assert [*tmp_path.iterdir()] == []


def test_a_lock_keeps_out_whoever_else_writes_in_the_same_process(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path / "folder"), pytest.raises(LockedError), locked(tmp_path / "folder"):
            pass

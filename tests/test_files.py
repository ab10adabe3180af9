"""Files and folders are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from newsreplay import files
from newsreplay.files import (
    cannot_write,
    folder_written_whole,
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


@pytest.mark.parametrize(("number", "room"), [(28, True), (122, True), (27, True), (13, False), (30, False)])
def test_a_full_disk_is_told_from_one_that_may_not_be_written(number: int, room: bool) -> None:
    text = str(cannot_write(Path("home"), OSError(number, "words of its own")))
    assert text.startswith(f"cannot write to home: {os.strerror(number)}; ")
    assert ("make room there or set NEWSREPLAY_HOME" in text) == room

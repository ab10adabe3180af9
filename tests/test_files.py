"""Files and folders are written whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from newsreplay.files import (
    abandoned,
    cannot_write,
    folder_written_whole,
    held,
    remove_abandoned,
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
    with folder_written_whole(folder, "file") as work:
        (work / "file").write_text("second")
        folder.mkdir()
        (folder / "file").write_text("first")
    assert (folder / "file").read_text() == "first"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_is_in_the_way_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "other").touch()
    with pytest.raises(OSError, match="not empty"), folder_written_whole(folder, "file") as work:
        (work / "file").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "other"]


HOLDER = """
import sys
from pathlib import Path
from newsreplay.files import own_folder
with own_folder(Path(sys.argv[1]), ".data-") as folder:
    (folder / "half").write_text("half")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_abandoned_once_its_process_was_killed_and_not_before(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert (folder / "half").exists()
        assert abandoned(tmp_path) == []
        assert not remove_abandoned(folder)
        process.kill()
        process.wait()
    assert (folder / "half").exists()
    assert abandoned(tmp_path) == [folder]
    assert remove_abandoned(folder)
    assert list(tmp_path.iterdir()) == []


def test_only_hidden_folders_can_be_abandoned(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / ".file").touch()
    (tmp_path / ".link").symlink_to(tmp_path / "data")
    assert abandoned(tmp_path) == abandoned(tmp_path / "nowhere") == []


def test_a_lock_is_held_by_one_and_then_by_the_next(tmp_path: Path) -> None:
    lock = tmp_path / "data.lock"
    with held(lock) as first, held(lock) as second:
        assert (first, second) == (True, False)
    assert not lock.exists()
    with held(lock) as third:
        assert third


@pytest.mark.parametrize(("number", "room"), [(28, True), (122, True), (27, True), (13, False), (30, False)])
def test_a_full_disk_is_told_from_one_that_may_not_be_written(number: int, room: bool) -> None:
    text = str(cannot_write(Path("home"), OSError(number, "words of its own")))
    assert text.startswith(f"cannot write to home: {os.strerror(number)}; ")
    assert ("make room there or set NEWSREPLAY_HOME" in text) == room

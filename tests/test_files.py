"""Files and folders are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsreplay.files import folder_written_whole, written_whole


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

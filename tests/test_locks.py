"""Locks go with their process, and what a killed process left is found."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from newsreplay.locks import (
    LockedError,
    abandoned,
    held,
    in_turn,
    locked,
    own_folder,
    remove_abandoned,
    remove_idle_locks,
)

HOLDER = """
import sys
from pathlib import Path
from newsreplay.locks import locked
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


def test_whoever_wants_a_turn_waits_for_the_process_that_has_it(tmp_path: Path) -> None:
    lock = tmp_path / "kernel.lock"
    entered = threading.Event()

    def enter() -> None:
        with in_turn(lock):
            entered.set()

    words = [sys.executable, "-c", HOLDER.replace("locked", "in_turn"), str(lock)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "in_turn\n"
        threading.Thread(target=enter, daemon=True).start()
        assert not entered.wait(0.2)
        holder.kill()
        assert entered.wait(60)


def test_where_no_lock_can_be_made_nobody_waits(tmp_path: Path) -> None:
    for lock in (None, tmp_path / "nowhere" / "kernel.lock"):
        with in_turn(lock), in_turn(lock):
            pass


def test_a_lock_keeps_out_whoever_else_writes_in_the_same_process(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path / "folder"), pytest.raises(LockedError), locked(tmp_path / "folder"):
            pass


OWNER = """
import sys
from pathlib import Path
from newsreplay.locks import own_folder
with own_folder(Path(sys.argv[1]), ".data-") as folder:
    (folder / "half").write_text("half")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_abandoned_once_its_process_was_killed_and_not_before(tmp_path: Path) -> None:
    words = [sys.executable, "-c", OWNER, str(tmp_path)]
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


def test_only_hidden_folders_with_such_names_can_be_abandoned(tmp_path: Path) -> None:
    for name in ("data", "data-0123abcd", ".git", ".ipynb_checkpoints", ".data-work"):
        (tmp_path / name).mkdir()
    (tmp_path / ".file").touch()
    (tmp_path / ".link").symlink_to(tmp_path / "data")
    assert abandoned(tmp_path) == abandoned(tmp_path / "nowhere") == []
    (tmp_path / ".data-0123abcd").mkdir()
    assert abandoned(tmp_path) == [tmp_path / ".data-0123abcd"]


def test_a_lock_is_held_by_one_and_then_by_the_next(tmp_path: Path) -> None:
    lock = tmp_path / "data.lock"
    with held(lock) as first, held(lock) as second:
        assert (first, second) == (True, False)
    assert not lock.exists()
    with held(lock) as third:
        assert third


def test_locks_of_folders_that_are_gone_are_removed_unless_somebody_has_them(tmp_path: Path) -> None:
    left = tmp_path / ".data-0123abcd.lock"  # of a process that was killed once its folder had taken its place
    others = [tmp_path / ".data.lock", tmp_path / ".other-89abcdef.lock"]
    for lock in (left, others[0]):
        lock.touch()
    with held(others[1]), own_folder(tmp_path, ".mine-") as mine:
        remove_idle_locks(tmp_path)
        assert sorted(tmp_path.iterdir()) == sorted([*others, mine, mine.with_name(f"{mine.name}.lock")])

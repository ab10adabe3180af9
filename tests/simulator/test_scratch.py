"""Large arrays lie in temporary files that nobody sees and nothing is left of, or are refused in words."""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path

import numpy as np
import pytest

from newsreplay.datasets.find import find_data
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator import scratch
from newsreplay.simulator.pairs import replay_pair
from newsreplay.simulator.runs.options import Options
from newsreplay.simulator.runs.pair import Pair
from newsreplay.simulator.scratch import NoRoomError, Scratch


def is_mapped(array: np.ndarray) -> bool:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array.base is not None


def test_what_is_large_is_mapped_and_the_rest_is_not(tmp_path: Path) -> None:
    with scratch.using(Scratch(tmp_path, in_memory=400)):
        assert not is_mapped(scratch.empty(100, np.int32))
        assert is_mapped(scratch.empty(101, np.int32))
        assert is_mapped(scratch.zeros((51, 2), np.int32))
        assert not is_mapped(scratch.empty(0, np.int32))


def test_arrays_hold_what_they_are_asked_for_and_what_is_written(tmp_path: Path) -> None:
    with scratch.using(Scratch(tmp_path, in_memory=0)):
        assert scratch.zeros((2, 3), np.int16).tolist() == [[0, 0, 0], [0, 0, 0]]
        array = scratch.full(4, -np.inf, np.float64)
        array[1:3] = 1, 2
        assert array.tolist() == [-np.inf, 1, 2, -np.inf]


def test_a_mapped_array_has_no_file_that_a_crash_could_leave(tmp_path: Path) -> None:
    with scratch.using(Scratch(tmp_path, in_memory=0)):
        array = scratch.full(1000, 7, np.int64)
        assert [*tmp_path.iterdir()] == []
    assert array.sum() == 7000  # it lives as long as somebody has it


def test_a_full_disk_is_an_error_in_words_before_anything_is_written(tmp_path: Path) -> None:
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, usual[1]))
    try:
        with scratch.using(Scratch(tmp_path, in_memory=0)), pytest.raises(NoRoomError) as raised:
            scratch.empty(10_000_000, np.int64)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert str(raised.value) == (
        f"no room for 0.08 GB of temporary files in {tmp_path}: File too large; make room there, or set TMPDIR to a "
        "folder with more"
    )


def test_arrays_lie_where_the_run_does_unless_a_folder_is_named_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.delenv("TMPDIR", raising=False)
    with scratch.using(Scratch(in_memory=0)):
        with scratch.beside(tmp_path / "run"), pytest.raises(NoRoomError, match=f"in {tmp_path / 'run'}: No such file"):
            scratch.empty(1, np.int8)
        monkeypatch.setenv("TMPDIR", "somewhere")
        with scratch.beside(tmp_path / "run"), pytest.raises(NoRoomError, match="in a folder for temporary files"):
            scratch.empty(1, np.int8)


def test_without_room_a_run_ends_and_no_recommender_is_blamed(tmp_path: Path) -> None:
    clicks = tmp_path / "clicks.csv"
    clicks.write_text("time,user,item\n" + "".join(f"2024-01-01 10:0{n},u,{item}\n" for n, item in enumerate("xyzx")))
    pair = Pair(find_data(clicks).folder, "clicks", start_list("recency")[0], Options(), tmp_path / "nowhere")
    with scratch.using(Scratch(in_memory=1)), pytest.raises(NoRoomError):
        replay_pair(pair)

"""A replay that stops and goes on from its checkpoint in another process answers as one that never stopped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsreplay.durations import Delays
from newsreplay.log.rows import Column, Event, Log
from newsreplay.recommenders.base import Compiled, Recommender, Setting
from newsreplay.recommenders.built_ins import BUILT_IN
from newsreplay.recommenders.registry import find, start_list
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.checkpoints import RECORD, Checkpoints, DamagedError, opened_line, sealed_line
from newsreplay.simulator.replay.plain_data import packed, unpacked
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.tuples import KeepingError, flat, made_of, refilled
from newsreplay.simulator.replay.walk import AnswerArrays, Replayed

K = 3
STRETCH = 50


class StoppedReplayError(Exception):
    pass


class Counting(Recommender):
    """Ranks by reads, and keeps its state as plain data."""

    def start(self, catalog: Any) -> None:
        self.reads: dict[int, int] = {}
        self.last = np.full(4, -1)

    def learn(self, event: Event) -> None:
        if event.item >= 0:
            self.reads[event.item] = self.reads.get(event.item, 0) + 1
            self.last = np.append(self.last[1:], event.item)

    def recommend(self, request: Event, k: int) -> list[int]:
        order = sorted(self.reads, key=lambda item: (-self.reads[item], item))
        return [int(self.last[-2]), *order][int(self.last[-2] < 0) :]

    def score(self, request: Event, pool: Sequence[int]) -> list[float]:
        return [float(self.reads.get(item, 0)) for item in pool]

    def state_dict(self) -> dict[str, Any]:
        return {"reads": self.reads, "last": self.last}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.reads, self.last = state["reads"], state["last"]


def answered(
    log: Log, make: Callable[[], Any], setting: Setting, folder: Path | None = None, stop: int | None = None
) -> Replayed:
    """A replay, with checkpoints behind every stretch if there is a `folder`; it stops with row `stop`."""

    def progress(rows: int) -> None:
        if stop is not None and rows >= stop:
            raise StoppedReplayError

    requests = int(np.count_nonzero(log.kind == {"reads": 3, "impressions": 1}[setting.requests]))
    arrays = AnswerArrays(
        np.full((requests, setting.k), -1, np.int32),
        np.full(len(log.pools.item), -np.inf),
        None if folder is None else Checkpoints(folder, 0.0, pytest.fail),
    )
    return replay(log, make(), setting, name="it", arrays=arrays, progress=progress, stretch=STRETCH)


def assert_goes_on(log: Log, make: Callable[[], Any], setting: Setting, folder: Path) -> None:
    """Stopped twice it answers what it answers undisturbed."""
    whole = answered(log, make, setting)
    for stop in (3 * STRETCH, 5 * STRETCH):
        with pytest.raises(StoppedReplayError):
            answered(log, make, setting, folder, stop)
        assert opened_line((folder / RECORD).read_bytes())["reached"][0] == stop - STRETCH
    again = answered(log, make, setting, folder)
    assert again.slates.tobytes() == whole.slates.tobytes()
    assert (again.scores is None) == (whole.scores is None)
    if whole.scores is not None and again.scores is not None:
        assert again.scores.tobytes() == whole.scores.tobytes()
    assert again.drops == whole.drops


LOG, _ = made_up_log(STRETCH * 8)
OURS = [
    name
    for name in BUILT_IN
    if BUILT_IN[name].target.split(".")[0] in ("baselines", "bandits", "counters:CounterRanker")
]
COMPILED = [*(name for name in OURS if issubclass(find(name), Compiled)), "counters(model=gbdt, every=1)"]
QUICK = ("random", "circular", "popular", "minhash", "vsknn", "thompson")  #: the others are `slow`
SETTINGS = {
    "reads": Setting(k=K),
    "impressions": Setting(k=K, requests="impressions"),
    "delayed": Setting(k=K, feedback_delay=Delays(600_000, 60_000)),
    "session": Setting(k=K, exclude="session"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in COMPILED]
)
def test_a_compiled_recommender_goes_on_from_its_state(name: str, tmp_path: Path) -> None:
    assert_goes_on(LOG, start_list(name)[0].make, SETTINGS["reads"], tmp_path / "kept")


@pytest.mark.parametrize("setting", list(SETTINGS))
@pytest.mark.parametrize("make", [start_list("circular")[0].make, Counting], ids=["compiled", "plain"])
def test_what_is_around_a_recommender_goes_on_as_well(make: Callable[[], Any], setting: str, tmp_path: Path) -> None:
    assert_goes_on(LOG, make, SETTINGS[setting], tmp_path / "kept")


@pytest.mark.parametrize("file", ["slates", "scores", "state", RECORD])
@pytest.mark.parametrize("harm", ["changed", "cut", "gone"])
def test_a_damaged_checkpoint_is_said_and_the_replay_begins_anew(file: str, harm: str, tmp_path: Path) -> None:
    folder, said = tmp_path / "kept", list[str]()
    whole = answered(LOG, Counting, SETTINGS["reads"])
    with pytest.raises(StoppedReplayError):
        answered(LOG, Counting, SETTINGS["reads"], folder, 3 * STRETCH)
    [path] = folder.glob(f"{file}*")
    content = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-2] if harm == "cut" else bytes([content[0] ^ 1]) + content[1:])
    checkpoints = Checkpoints(folder, 0.0, said.append)
    arrays = AnswerArrays(np.full_like(whole.slates, -1), np.full(len(LOG.pools.item), -np.inf), checkpoints)
    again = replay(LOG, Counting(), SETTINGS["reads"], name="it", arrays=arrays, stretch=STRETCH)
    assert again.slates.tobytes() == whole.slates.tobytes()
    if (file, harm) != (RECORD, "gone"):  # then it is one that was never finished
        assert [line.split(":")[0] for line in said] == ["begins anew"]


def test_a_state_that_is_no_plain_data_is_said_once_and_costs_nothing_else(tmp_path: Path) -> None:
    class Odd(Counting):
        def state_dict(self) -> dict[str, Any]:
            return {"reads": Counter(self.reads)}

    said: list[str] = []
    whole = answered(LOG, Counting, SETTINGS["reads"])
    arrays = AnswerArrays(
        np.full_like(whole.slates, -1), np.full(len(LOG.pools.item), -np.inf), Checkpoints(tmp_path, 0.0, said.append)
    )
    done = replay(LOG, Odd(), SETTINGS["reads"], name="it", arrays=arrays, stretch=STRETCH)
    assert done.slates.tobytes() == whole.slates.tobytes()
    assert said == [
        "goes on without checkpoints: state_dict()['reads'] is a Counter; "
        "make it of numbers, texts, lists, tuples, dicts and NumPy arrays"
    ]


def test_where_checkpoints_cannot_be_written_the_replay_goes_on_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said: list[str] = []
    arrays = AnswerArrays(
        np.full((int(np.count_nonzero(LOG.kind == 3)), K), -1, np.int32),
        np.full(len(LOG.pools.item), -np.inf),
        Checkpoints(tmp_path / "file" / "kept", 0.0, said.append),
    )
    replay(LOG, Counting(), SETTINGS["reads"], arrays=arrays, stretch=STRETCH)
    assert said[-1].startswith("goes on without checkpoints: ")


# --- as files hold it ---------------------------------------------------------------------------------------


class Inner(NamedTuple):
    mass: Column
    count: int


class Outer(NamedTuple):
    inner: Inner
    maybe: Inner | None
    pair: tuple[int, int]
    share: float
    rows: Column


def outer(inner: bool) -> Outer:
    part = Inner(np.arange(3), 5)
    return Outer(part, part._replace(mass=np.ones(2)) if inner else None, (1, 2), 0.5, np.zeros((2, 2)))


@pytest.mark.parametrize("inner", [True, False])
def test_a_named_tuple_comes_back_as_it_was(inner: bool) -> None:
    value = outer(inner)
    arrays = flat(value)
    like = refilled(value._replace(rows=np.zeros((9, 2)), share=0.0), arrays)
    for again in (made_of(Outer, arrays), like):
        assert again._replace(inner=value.inner, rows=value.rows, maybe=None) == value._replace(maybe=None)
        assert again.inner.mass.tolist() == [0, 1, 2]
        assert again.rows.shape == (2, 2)
        assert (again.maybe is None) == (not inner)


def test_what_would_not_come_back_is_refused() -> None:
    shared = np.arange(4)
    with pytest.raises(KeepingError, match=r"^0 and 1 share memory$"):
        flat((shared, shared[1:]))
    with pytest.raises(KeepingError, match=r"^0.1 is a list$"):
        flat(((1, [2]),))


numbers = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
keys = st.integers() | st.text() | st.tuples(st.integers(), st.text())
values = st.recursive(
    numbers, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(keys, inner), max_leaves=12
)


@given(values)
def test_plain_data_comes_back_as_it_was(value: Any) -> None:
    arrays: dict[str, Column] = {}
    text = json.dumps(packed({"it": value, "array": np.arange(3)}, arrays))
    again = unpacked(json.loads(text), arrays)
    assert again["it"] == value
    assert repr(again["it"]) == repr(value)  # types and order as well
    assert again["array"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"a": {1, 2}}, r"^state_dict\(\)\['a'\] is a set; make it of"),
        ([1, [object()]], r"^state_dict\(\)\[1\]\[0\] is a object; make it of"),
        ({frozenset(): 1}, r"^a key of state_dict\(\) is a frozenset; make it of"),
        (np.array([None]), r"^state_dict\(\) is an array of objects; make it one of numbers"),
    ],
)
def test_anything_else_is_refused_by_its_place(state: object, said: str) -> None:
    with pytest.raises(KeepingError, match=said):
        packed(state, {})


def test_a_line_that_was_cut_or_changed_is_refused() -> None:
    line = sealed_line({"a": [1, "ü\n"]})
    assert line.count(b"\n") == 1
    assert opened_line(line) == {"a": [1, "ü\n"]}
    for harmed in (line[:-1], line[:-3] + b"\n", line.replace(b"1", b"2"), b"\0" * len(line), b"\n"):
        with pytest.raises(DamagedError):
            opened_line(harmed)

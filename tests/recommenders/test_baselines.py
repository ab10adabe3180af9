"""Every baseline against its oracle, slate by slate, compiled and interpreted alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from newsreplay.registry import ALIASES, PRESETS, start_list
from newsreplay.simulator.log import READ, Log
from newsreplay.simulator.mixing import key_of
from newsreplay.simulator.replay import interpreted_walk, replay, sizes_of
from newsreplay.simulator.slates import tidy
from newsreplay.spec import parse_spec
from tests import naive, strategies, worked

# Small windows and buffers border more often on the short logs of a test than the paper's do.
SPECS = [
    *PRESETS["baselines"],
    *("random(hours=1)", "popular(hours=1)", "circular(size=2)", "circular(size=3)", "trend(hours=3)"),
]


def answers(slates: Any) -> list[list[int]]:
    return [[item for item in slate if item >= 0] for slate in slates.tolist()]


def oracle(log: Log, text: str, k: int) -> list[list[int]]:
    spec = parse_spec(text)
    name = ALIASES.get(spec.name, spec.name)
    options: dict[str, Any] = dict(spec.parameters)
    if name in ("random", "content"):
        options["key"] = int(key_of(0, text))
    return naive.slates(log, name, k, **options)


@pytest.mark.parametrize("text", SPECS)
@settings(max_examples=100, deadline=None)
@given(log=strategies.logs(), k=strategies.cut_offs())
def test_a_compiled_baseline_answers_like_its_oracle(text: str, log: Log, k: int) -> None:
    recommender = start_list(text)[0].make()
    assert answers(replay(log, recommender, k, name=text).slates) == oracle(log, text, k)


@pytest.mark.parametrize("text", SPECS)
@settings(max_examples=15, deadline=None)
@given(log=strategies.logs(), k=strategies.cut_offs())
def test_an_interpreted_baseline_answers_like_its_oracle(text: str, log: Log, k: int) -> None:
    recommender = start_list(text)[0].make()
    slates = np.full((int(np.count_nonzero(log.kind == READ)), k), -1, np.int32)
    state = recommender.room(recommender.state(sizes_of(log, k), key_of(0, text)), len(log.time))
    with np.errstate(over="ignore"):  # 64-bit words are meant to wrap around
        interpreted_walk(type(recommender))(log, 0, len(log.time), state, slates, 0)
    assert answers(slates) == oracle(log, text, k)


@pytest.mark.parametrize("text", SPECS)
def test_room_made_on_the_way_changes_no_answer(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log = busy_log()
    recommender = start_list(text)[0].make()
    whole = replay(log, recommender, 3, name=text).slates
    monkeypatch.setattr("newsreplay.simulator.replay.STRETCH", 7)
    assert replay(log, recommender, 3, name=text).slates.tobytes() == whole.tobytes()


@pytest.mark.parametrize("text", SPECS)
def test_a_long_busy_log_is_answered_like_the_oracle_answers_it(text: str) -> None:
    log = busy_log(reads=500)
    recommender = start_list(text)[0].make()
    assert answers(replay(log, recommender, 4, name=text).slates) == oracle(log, text, 4)


@pytest.mark.parametrize("text", SPECS)
@pytest.mark.parametrize("k", [1, 2, 5])
def test_a_shorter_slate_is_the_beginning_of_a_longer_one(text: str, k: int) -> None:
    log = busy_log()
    recommender = start_list(text)[0].make()
    longer = replay(log, recommender, 10, name=text).slates
    assert replay(log, recommender, k, name=text).slates.tolist() == longer[:, :k].tolist()


@pytest.mark.parametrize("text", SPECS)
def test_a_compiled_slate_never_holds_the_current_article_a_repeat_or_an_unknown_one(text: str) -> None:
    log = busy_log()
    slates = replay(log, start_list(text)[0].make(), 10, name=text).slates
    assert slates.max() >= 0
    assert tidy(log, 0, len(log.time), slates, 0, 0)[0][:3] == (0, 0, -1)


@pytest.mark.parametrize("column", worked.COLUMNS)
def test_the_eleven_event_table_of_the_specification(column: str) -> None:
    cells = worked.COLUMNS[column]
    recommender = start_list(column)[0].make()
    assert answers(replay(worked.worked_log(), recommender, 1, name=column).slates) == cells.slates


def busy_log(reads: int = 3000, seed: int = 3) -> Log:
    """A log with far more articles than a shortlist holds, at about 60 reads an hour."""
    from newsreplay.simulator.log import make_log

    rng = np.random.default_rng(seed)
    item = naive.code_by_first_appearance((rng.zipf(1.2, reads) % 300).tolist())
    user = naive.code_by_first_appearance(rng.integers(0, reads // 8, reads).tolist())
    time = np.cumsum(rng.integers(0, 120_000, reads)) + 1_500_000_000_000
    session = naive.split_sessions(time.tolist(), user)
    return make_log(
        time=time, kind=[READ] * reads, session=session, user=user, item=item,
        category=[code % 5 if code % 7 else -1 for code in item],
    )  # fmt: skip

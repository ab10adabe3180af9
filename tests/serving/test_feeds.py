"""A recommender that is fed row by row, over messages, answers as it does in a replay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from newsreplay.errors import NewsreplayError
from newsreplay.log.rows import READ, Event, Log
from newsreplay.recommenders.base import Recommender, Setting, Sizes
from newsreplay.recommenders.built_ins import BUILT_IN
from newsreplay.recommenders.registry import MIXTURES, start_list
from newsreplay.recommenders.services.faults import Tally
from newsreplay.recommenders.services.lanes import MessageLine
from newsreplay.recommenders.services.orp import OrpSpeech
from newsreplay.recommenders.services.service import Service
from newsreplay.recommenders.services.speech import JsonSpeech, Object, decoded, encoded
from newsreplay.serving import orp, plain_json
from newsreplay.serving.publishers import Serving
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay

TINY = Sizes(articles=2, users=3, sessions=2, categories=1, k=0)
NEURAL = [name for name, record in BUILT_IN.items() if record.target.startswith("neural.")]
SERVED = [name for name in BUILT_IN if name not in (*NEURAL, *MIXTURES, "logged", "oracle")]
MADE_UP = made_up_log(300, seed=3)[0]


class Direct(Service):
    """A service in this process: messages go out as they would over HTTP, and are taken as they would be there."""

    def __init__(self, serving: Serving, protocol: str):
        super().__init__(
            "direct", JsonSpeech() if protocol == "json" else OrpSpeech(), "10s", "10s", protocol == "json"
        )
        self.serving, self.protocol = serving, protocol

    def lines(self) -> list[MessageLine]:
        return [DirectLine(self.serving, self.protocol)]


class DirectLine:
    def __init__(self, serving: Serving, protocol: str):
        self.serving, self.protocol = serving, protocol

    def open(self) -> None: ...
    def close(self) -> None: ...

    def tell(self, message: bytes) -> None:
        self.ask(message, 0, Tally("", ""))

    def ask(self, message: bytes, row: int, tally: Tally) -> Object:
        if self.protocol == "orp":
            kind, body = orp.fields(message)
            answer: Any = self.serving.take(orp.told(kind, decoded(body)))
            return decoded(encoded({} if answer is None else orp.answer(answer)))
        told = plain_json.told(decoded(message))
        answer = self.serving.take(told)
        return decoded(encoded({"scores" if told.ask and told.ask.scores else "items": answer}))


def both(log: Log, spec: str, protocol: str, setting: Setting) -> tuple[Any, Any]:
    """What a recommender answers in a replay, and what it does when it is served."""
    entry = start_list(spec)[0]
    alone = replay(log, entry.make(), setting, name=entry.label)
    service = Direct(Serving(entry, setting, TINY), protocol)
    served = replay(log, service, setting)
    assert served.self_report is not None
    assert [note for note in served.self_report.notes if "misses" in note or "not taken" in note] == []
    return alone, served


def test_a_recommender_that_is_served_answers_as_it_does_in_a_replay() -> None:
    check_the_same("circular")


def check_the_same(spec: str) -> None:
    alone, served = both(MADE_UP, spec, "json", Setting(seed=4, k=5))
    assert np.array_equal(alone.slates, served.slates)
    assert np.array_equal(alone.scores, served.scores)


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec", [*SERVED, "random(hours=6)", "blend(trend, popular, random)", "fallback(trend, recency)", "lifetime(trend)"]
)
def test_so_does_every_other_one(spec: str) -> None:
    check_the_same(spec)


@pytest.mark.parametrize("requests", ["reads", "impressions"])
def test_orp_brings_the_same_slates_as_json(requests: Any) -> None:
    alone, served = both(MADE_UP, "circular", "orp", Setting(k=5, requests=requests))
    assert np.array_equal(alone.slates, served.slates)


@pytest.mark.parametrize("exclude", ["session", "nothing"])
def test_what_requests_exclude_is_told(exclude: Any) -> None:
    alone, served = both(MADE_UP, "circular", "json", Setting(k=5, exclude=exclude))
    assert np.array_equal(alone.slates, served.slates)


class Ids(Recommender):
    """Plain: what was read last, by its id, for whoever has an id."""

    answers = "ids"

    def __init__(self) -> None:
        self.read: list[str | None] = []

    def learn(self, event: Event) -> None:
        if event.kind >= READ:
            self.read = [event.item_id, *self.read]

    def recommend(self, request: Event, k: int) -> list[str | None]:  # type: ignore[override]
        assert request.user_id is not None
        return list(dict.fromkeys(self.read))[:k]


def test_a_plain_class_is_served_too() -> None:
    entry = start_list([Ids()])[0]
    alone = replay(MADE_UP, entry.make(), Setting(k=5))
    served = replay(MADE_UP, Direct(Serving(entry, Setting(k=5)), "orp"), Setting(k=5))
    assert np.array_equal(alone.slates, served.slates)


def test_what_needs_the_future_is_not_served() -> None:
    with pytest.raises(NewsreplayError, match="the whole log"):
        Serving(start_list("oracle")[0], Setting())

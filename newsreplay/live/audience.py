"""The recommenders of a live run: each publisher's log as it grows, and what they answer to it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout

from newsreplay.datasets.messages import TopicMessage
from newsreplay.live.growing import GrowingLog
from newsreplay.log.catalog import Articles
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import LOG_DTYPES, Log
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.registry import Entry
from newsreplay.simulator.replay.growing import GrowingReplay, growing_replay
from newsreplay.simulator.replay.walk import Replayed


class Listener:
    """A recommender on one publisher; once it has raised, it is shown nothing more."""

    def __init__(self, entry: Entry, setting: Setting, log: Log, articles: Articles):
        self.error: BaseException | None = None
        self.replay: GrowingReplay | None = None
        self._guarded(lambda: self._start(entry, setting, log, articles))

    def _start(self, entry: Entry, setting: Setting, log: Log, articles: Articles) -> None:
        self.replay = growing_replay(entry.make(), setting, entry.label, log, articles)

    def advance(self, log: Log, articles: Articles) -> None:
        """Show the rows that have come."""
        replay = self.replay
        if self.error is None and replay is not None:
            self._guarded(lambda: replay.advance(log, articles))

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            with redirect_stdout(sys.stderr):  # what recommenders print
                call()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a stranger's class may raise anything
            self.error = error

    def done(self) -> Replayed:
        """What it answered; raises what it raised."""
        if self.error is not None or self.replay is None:
            raise self.error or AssertionError("a recommender that was never started")
        return self.replay.done()


class Hall:
    """A publisher's log, and the recommenders that listen to it."""

    def __init__(self, entries: list[Entry], setting: Setting):
        self.log = GrowingLog()
        log, articles = self.log.log(), self.log.articles()
        self.listeners = {entry.label: Listener(entry, setting, log, articles) for entry in entries}

    def advance(self) -> None:
        """Show all recommenders the rows that have come."""
        log, articles = self.log.log(), self.log.articles()
        for listener in self.listeners.values():
            listener.advance(log, articles)

    def is_beginning_of(self, publisher: Publisher) -> None:
        """Raise `AssertionError` where a prepared log has other rows than were shown, sessions that are split aside."""
        log = self.log.log()
        pairs = [(getattr(log, name), getattr(publisher.log, name)) for name in LOG_DTYPES if name != "session"]
        pairs += zip(log.pools, publisher.log.pools, strict=True)
        same = all(mine.tobytes() == theirs.tobytes() for mine, theirs in pairs)
        if not same or not self.log.articles().id.equals(publisher.articles.id):
            raise AssertionError(f"{publisher.name}: preparing gives other rows than the recommenders were shown")


class Audience:
    """All publishers of a topic."""

    def __init__(self, entries: list[Entry], setting: Setting):
        self.entries, self.setting = entries, setting
        self.halls: dict[str, Hall] = {}
        self._spare: Hall | None = Hall(entries, setting)  # made, and its kernels compiled, before the first message

    def show(self, instants: list[list[TopicMessage]]) -> None:
        """Show what happened, in event order, an instant at a time."""
        reached = set()
        for instant in instants:
            by_publisher: dict[str, list[TopicMessage]] = {}
            for message in instant:
                by_publisher.setdefault(message.publisher, []).append(message)
            for name, messages in by_publisher.items():
                if name not in self.halls:
                    self.halls[name] = self._spare or Hall(self.entries, self.setting)
                    self._spare = None
                self.halls[name].log.add(messages)
                reached.add(name)
        for name in sorted(reached):
            self.halls[name].advance()

    def unsure(self) -> int:
        """How many rows may have been shown in another session than they are judged in."""
        return sum(hall.log.unsure() for hall in self.halls.values())

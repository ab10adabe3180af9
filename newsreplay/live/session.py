"""A live run: listen to a topic until it is over, judge what was answered, and write the run folder.

While it goes on, the folder holds `live/messages.jsonl`, every message that came, and `live/live.json`, what the run
is. A run that was killed goes on from there: recommenders are shown again what had come, and the topic is read from
behind the last message.
"""

from __future__ import annotations

import json
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from newsreplay.datasets.preparing.prepare import prepare
from newsreplay.datasets.sources.messages import plan_messages
from newsreplay.datasets.store import Dataset
from newsreplay.errors import NewsreplayError, RunError
from newsreplay.live.audience import Audience
from newsreplay.live.intake import Arrived, Bounds, Counts, RowIntake
from newsreplay.live.topics.address import AwayError, TopicAddress
from newsreplay.live.topics.opening import Topic, open_topic
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.registry import Entry
from newsreplay.simulator.pairs import replay_pair
from newsreplay.simulator.replay.foresight import foresight_of
from newsreplay.simulator.run import RunProgress, check_asking
from newsreplay.simulator.runs.options import Options
from newsreplay.simulator.runs.origin import file_digests
from newsreplay.simulator.runs.pair import Judged, Pair
from newsreplay.simulator.runs.place import UNFINISHED, claimed, writing
from newsreplay.simulator.runs.write import Manifest
from newsreplay.simulator.stages import StageClock
from newsreplay.version import __version__

FOLDER = "live"  #: below the run's
POLL = 0.5  #: seconds to wait for a message at a time
_SOONEST, _LATEST = 0.1, 5.0  #: seconds until a broker that is away is asked again
_AGAIN = 1_000  #: messages shown at once that had come before


class Listening(NamedTuple):
    """How a topic is listened to."""

    watermark: int = 2_000  #: ms by which event times may be disordered
    bounds: Bounds = Bounds()
    now: bool = False  #: only what comes from now on, not all that is there


class LiveReports(NamedTuple):
    """Who is told what."""

    report: Callable[[str], None] = lambda line: None
    progress: Callable[[Counts], None] = lambda counts: None


USUAL = Listening()
UNREPORTED = LiveReports()


def live(
    address: TopicAddress,
    entries: list[Entry],
    out: Path,
    options: Options,
    listening: Listening = USUAL,
    *,
    reports: LiveReports = UNREPORTED,
    command: str | None = None,
) -> Path:
    """Listen to a topic with recommenders, in shadow mode, until it is over, and write the run folder `out`.

    It is over where the topic or `listening.bounds` end it, and with the first Ctrl-C or SIGTERM. Every message is
    shown to all recommenders in event order, and they are asked as in a replay; nobody is shown what they answer.
    What foresees the log, as the oracle, is replayed at the end. Raises `NewsreplayError`.
    """
    run = Manifested(entries, options, file_digests(entries), command)
    place = LiveFolder(out, _identity(address, entries, options, listening))
    answering, scope = options.answering, options.scope
    setting = Setting(answering.seed, answering.k, scope.warmup, report=reports.report, requests=scope.requests)
    shown = [entry for entry in entries if not _foresees(entry)]
    audience = Audience(shown, setting)
    with place.claimed():
        intake = RowIntake(address.name, listening.watermark, audience.show, place.append, listening.bounds)
        after = place.restore(intake)
        if after is not None:
            reports.report(f"going on after {after}, with {intake.counts().events:,} messages that had come")
        with closing(open_topic(address, after, now=listening.now)) as topic, stopped_by_signals() as stop:
            reports.report(f"listening to {address.shown}; what comes lies in {out}, and Ctrl-C ends it")
            listen(topic, intake, stop, place.keep, reports)
        intake.end()
    counts = intake.counts()
    if not place.messages.exists():
        raise RunError(f"nothing came from {address.shown}, so that nothing can be judged")
    aside = f"; {counts.aside:,} of later events left aside (--until)" if counts.aside else ""
    refused = f"{counts.late:,} late and {counts.malformed:,} that could not be read"
    reports.report(f"the end: {counts.events:,} messages, {refused}{aside}")
    return judge(place, address.name, audience, run, reports.report)


def _foresees(entry: Entry) -> bool:
    """Whether a recommender is replayed at the end, when there is a log to foresee."""
    try:
        return foresight_of(entry.make()) is not None
    except Exception:  # it raises again where that becomes its error
        return False


def _identity(address: TopicAddress, entries: list[Entry], options: Options, listening: Listening) -> dict[str, object]:
    """What makes another live run the same."""
    return {
        "topic": address.shown,
        "recommenders": [entry.label for entry in entries],
        "options": options.flat(),
        "watermark": listening.watermark,
        "newsreplay": __version__,
    }


class LiveFolder:
    """The run folder while its messages come."""

    def __init__(self, out: Path, identity: dict[str, object]):
        self.out, self.identity = out, json.loads(json.dumps(identity))
        self.folder = out / FOLDER
        self.messages = self.folder / "messages.jsonl"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """In here messages can be appended; one process at a time. Raises `RunError`."""
        with self._written():
            self.out.parent.mkdir(parents=True, exist_ok=True)
        with writing(self.out):
            with self._written():
                self._begin()
                self.file = self.messages.open("a", encoding="utf-8", errors="backslashreplace")
            try:
                with closing(self.file):
                    yield
            finally:
                if not self.messages.stat().st_size:  # nothing came, as where there is no such topic
                    shutil.rmtree(self.out)

    def append(self, line: str) -> None:
        """Write a line of the file of messages."""
        with self._written():
            self.file.write(line)

    def keep(self) -> None:
        """Have what is written last, whatever becomes of this process."""
        with self._written():
            self.file.flush()

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            why = error.strerror or error
            raise RunError(f"cannot write to {self.out}: {why}; make room, or name another folder with --out") from None

    def _begin(self) -> None:
        mark = self.folder / "live.json"
        if (self.out / "run.json").exists() or (self.out.exists() and not mark.exists() and any(self.out.iterdir())):
            raise RunError(f"{self.out} holds something already; name another folder with --out")
        if mark.exists():
            if json.loads(mark.read_text("utf-8")) != self.identity:
                raise RunError(
                    f"{self.out} holds a live run of another topic, or with other recommenders or options, that has "
                    "not ended; name another folder with --out"
                )
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.out / UNFINISHED).write_text(json.dumps({"this run": "has not ended"}) + "\n", "utf-8")
        mark.write_text(json.dumps(self.identity, indent=1) + "\n", "utf-8")

    def restore(self, intake: RowIntake) -> str | None:
        """Show again what had come; returns where the last message stood, None where none had come."""
        whole = self._drop_torn_line()
        last = None
        with self.messages.open("rb") as file, intake.again():
            while lines := list(islice(file, _AGAIN)):
                records = [json.loads(line) for line in lines]
                intake.refused(record["refused"] for record in records if "refused" in record)
                taken = [
                    (record["at"], line) for record, line in zip(records, lines, strict=True) if "refused" not in record
                ]
                intake.take((Arrived(at, line) for at, line in taken), _now())
                last = records[-1]["at"]
        return last if whole else None

    def _drop_torn_line(self) -> bool:
        """Cut off what a killed process wrote of a line; whether there is any."""
        with self.messages.open("r+b") as file:
            data = file.read()
            file.truncate(data.rfind(b"\n") + 1)
            return b"\n" in data


def listen(
    topic: Topic, intake: RowIntake, stop: threading.Event, keep: Callable[[], None], reports: LiveReports
) -> None:
    """Take in what a topic brings until it ends, its bounds are reached, or `stop` is set; `keep` after each batch."""
    idle, heard, pause = intake.bounds.idle, time.monotonic(), 0.0
    while not intake.over and not stop.is_set():
        try:
            batch = topic.poll(POLL)
        except AwayError as error:
            if not pause:
                reports.report(f"{error}; trying again")
            pause = min(_LATEST, max(_SOONEST, 2 * pause))
            stop.wait(pause)
            batch = []
        else:
            if pause:
                reports.report("it answers again")
            pause = 0.0
        if batch is None:
            return
        if batch:
            heard = time.monotonic()
            intake.take(batch, _now())
            keep()
        elif idle is not None and time.monotonic() - heard > idle:
            return
        reports.progress(intake.counts())


def _now() -> int:
    return time.time_ns() // 1_000_000


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets, so that no row is shown by half; the next one interrupts."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handler(number: int, frame: object) -> None:
        stop.set()
        restore()

    def restore() -> None:
        for number, usual in before.items():
            signal.signal(number, usual)

    for number in before:
        signal.signal(number, handler)
    try:
        yield stop
    finally:
        restore()


# --- judging --------------------------------------------------------------------------------------------


class Manifested(NamedTuple):
    """What the run is of."""

    entries: list[Entry]
    options: Options
    files: dict[str, str]  #: digests of the files that the entries name, as the run began
    command: str | None


def judge(
    place: LiveFolder, publisher: str, audience: Audience, run: Manifested, report: Callable[[str], None]
) -> Path:
    """Prepare the messages, judge what was answered to them, and write the run. Raises `NewsreplayError`."""
    try:
        dataset = _prepared(place, publisher, audience)
        check_asking(dataset, dataset.publishers, run.options.scope.requests)
    except NewsreplayError as error:
        raise RunError(f"nothing can be judged: {error}; the messages lie in {place.messages}") from None
    manifest = Manifest(dataset, dataset.publishers, run.entries, run.options, run.files, run.command)
    with claimed(place.out, manifest.key(), overwrite=True, report=report) as claim:
        pairs = [
            Pair(dataset.folder, name, entry, run.options, claim.partial)
            for name in dataset.publishers
            for entry in run.entries
        ]
        progress = RunProgress(claim.partial, manifest, pairs, StageClock())
        for pair in pairs:
            progress.add(_judged(pair, audience))
        claim.finish()
    return place.out


def _prepared(place: LiveFolder, publisher: str, audience: Audience) -> Dataset:
    plan = plan_messages(place.messages, publisher=publisher)
    source = str(place.identity["topic"])
    notes = [f"messages came from {source}, event times disordered by up to {place.identity['watermark']} ms"]
    if unsure := audience.unsure():
        notes.append(
            f"rows without a user, of sessions whose ids several users have: {unsure:,}; recommenders may have been "
            "shown them in another session than they are judged in"
        )
    plan = replace(plan, source=source, notes=lambda counts: notes)
    dataset = prepare(plan, place.folder / "data", name=publisher, kind="messages", options={"path": source})
    for name in dataset.publishers:
        audience.halls[name].is_beginning_of(dataset.publisher(name))
    return dataset


def _judged(pair: Pair, audience: Audience) -> Judged:
    hall = audience.halls[pair.publisher]
    listener = hall.listeners.get(pair.entry.label)
    return replay_pair(pair, answered=None if listener is None else listener.done)

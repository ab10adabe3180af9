"""Training: a recommender learns the first part of a log and is saved, to be replayed later."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from newsreplay.datasets import find_data
from newsreplay.datasets.store import Dataset
from newsreplay.durations import Duration, milliseconds
from newsreplay.errors import NewsreplayError
from newsreplay.escaping import escaped
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import DAY, IMPRESSION, READ, cut
from newsreplay.recommenders.base import SelfReport, Setting
from newsreplay.recommenders.protocols import SupportsFit, SupportsSaveWeights, SupportsSelfReport
from newsreplay.recommenders.registry import Entry, start_list
from newsreplay.simulator.replay.replay import ignore, replay
from newsreplay.simulator.runs.options import DataSource, Progress, quiet
from newsreplay.spec import Spec


class Trained(NamedTuple):
    """What became of a training."""

    recommender: str  #: the spec as typed
    publisher: str
    several: bool  #: whether the data set has others
    begin: int  #: first read, ms UTC
    until: int  #: rows before this moment were learned, ms UTC
    rows: int
    impressions: int
    reads: int  #: clicks and page views
    seconds: float  #: of replaying, fitting and saving
    self_report: SelfReport
    path: Path  #: of the weights


class Callbacks(NamedTuple):
    """Who follows a training: lines on what takes a while, how far the replay is, lines on how fitting goes."""

    say: Callable[[str], None] = ignore
    progress: Progress = quiet
    report: Callable[[str], None] = ignore


def train(
    data: DataSource,
    recommender: str | Spec | object,
    *,
    out: str | Path,
    warmup: Duration | None = None,
    until: int | datetime | None = None,
    publisher: str | None = None,
    seed: int = 0,
    callbacks: Callbacks = Callbacks(),
) -> Trained:
    """Replay the first part of a log before one recommender, fit it and save it.

    `data` is as in `run`, `recommender` is one spec or object that has `fit()` and `save_weights(path)`. The part ends
    `warmup` after the first read ("3d", a timedelta, or ms; by default a day), or at the moment `until` (a datetime
    with its time zone, or ms UTC); rows at its end belong to what comes after.

    Raises `NewsreplayError` where the recommender cannot be trained, where nothing is read in that part, and where the
    data set has several publishers and none was chosen.
    """
    begun = time.perf_counter()
    entry, made = trainee(recommender)
    if warmup is not None and until is not None:
        raise NewsreplayError("give --warmup or --until, not both: each says where the stretch ends")
    dataset = find_data(data, report=callbacks.say, progress=callbacks.progress)
    chosen = _publisher(dataset, publisher)
    begin, last = _span(chosen)
    end = begin + (DAY if warmup is None else milliseconds(warmup)) if until is None else _moment(until)
    log = cut(chosen.whole_log, end)
    reads = int(np.count_nonzero(log.kind == READ))
    if not reads:
        raise NewsreplayError(f"nothing is read at {chosen.name} in the stretch to be learned from; let it end later")

    # As long as the warm-up goes on it does not train by itself; that is left to `fit`.
    replay(
        log,
        made,
        Setting(seed=seed, warmup=end - begin, report=callbacks.report),
        articles=chosen.whole_articles,
        name=entry.label,
        progress=lambda rows: callbacks.progress("replaying", rows, len(log.time)),
    )
    made.fit()
    made.save_weights(Path(out))
    return Trained(
        recommender=entry.label,
        publisher=chosen.name,
        several=len(dataset.publishers) > 1,
        begin=begin,
        until=min(end, last + 1),
        rows=len(log.time),
        impressions=int(np.count_nonzero(log.kind == IMPRESSION)),
        reads=reads,
        seconds=time.perf_counter() - begun,
        self_report=made.self_report() if isinstance(made, SupportsSelfReport) else SelfReport(),
        path=Path(out),
    )


def _moment(until: int | datetime) -> int:
    """Milliseconds since the epoch, UTC."""
    return until if isinstance(until, int) else round(until.timestamp() * 1000)


def _span(publisher: Publisher) -> tuple[int, int]:
    """Time of the first read and of the last row; nothing at all is as good as a log without reads."""
    if not len(publisher.requests.row):
        raise NewsreplayError(f"nothing is read at {publisher.name}; there is nothing to be learned from")
    return int(publisher.log.time[publisher.requests.row[0]]), int(publisher.log.time[-1])


def trainee(recommender: str | Spec | object) -> tuple[Entry, Any]:
    """The entry of a recommender that is to be trained, and a fresh one. Raises `NewsreplayError` if it cannot be."""
    entries = start_list([recommender])
    if len(entries) > 1:
        raise NewsreplayError(f"one recommender is trained at a time, not {len(entries)}; name one")
    given = dict(entries[0].source.parameters) if isinstance(entries[0].source, Spec) else {}
    for name in ("warmup", "weights"):
        if given.get(name) is not None:
            raise NewsreplayError(
                f"{entries[0].label}: leave {name} out; 'train' fits a fresh model to the stretch that --warmup or "
                "--until gives"
            )
    made = entries[0].make()
    for method, protocol in (("fit", SupportsFit), ("save_weights", SupportsSaveWeights)):
        if not isinstance(made, protocol):
            raise NewsreplayError(
                f"{entries[0].label} cannot be trained and saved, it has no {method}(); neural recommenders can be: "
                "nrms, naml, awrs …"
            )
    return entries[0], made


def _publisher(dataset: Dataset, name: str | None) -> Publisher:
    if name is None and len(dataset.publishers) > 1:
        raise NewsreplayError(
            f"{dataset.name} has {len(dataset.publishers)} publishers, {escaped(', '.join(dataset.publishers))}; "
            "choose one with --publisher"
        )
    return dataset.publisher(dataset.publishers[0] if name is None else name)

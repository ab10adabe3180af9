"""One recommender on one publisher: replayed, judged and written."""

from __future__ import annotations

import math
import tempfile
import threading
import traceback
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np

from newsreplay.datasets.store import Dataset
from newsreplay.errors import NewsreplayError
from newsreplay.log.publisher import Publisher
from newsreplay.recommenders.references.oracle import Oracle
from newsreplay.simulator.judgement.oracle import foresee
from newsreplay.simulator.judgement.scoring import Answers, Scored, score, scored
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.slates import Drops
from newsreplay.simulator.replay.walk import Replayed
from newsreplay.simulator.runs.columns import write_scores, write_slates, write_verdict
from newsreplay.simulator.runs.options import Options
from newsreplay.simulator.runs.pair import Judged, Pair, Times
from newsreplay.simulator.runs.paths import pair_files

IN_MEMORY = 1 << 28  #: bytes; larger slates live in a temporary file while they are judged


class StoppedError(Exception):
    """The run was interrupted."""


def replay_pair(
    pair: Pair,
    progress: Callable[[int], None] = lambda rows: None,
    tell: Callable[[str], None] = lambda line: None,
) -> Judged:
    """Replay and judge one recommender on one publisher; whatever it raises becomes its error.

    `progress` is told the number of rows done, now and then, and `tell` what the recommender tells.
    """
    publisher, of = scored_of(Dataset(pair.data), pair.publisher, pair.options)
    rows = len(publisher.log.time)
    try:
        with tempfile.TemporaryDirectory(prefix="newsreplay-") as work:
            recommender = pair.entry.make()
            answered = _replay(pair, recommender, publisher, Path(work), progress, tell)
            times, late, late_scores = _timed(answered.times, pair.options)
            verdict = score(publisher, of, Answers(answered.slates, answered.scores, late, late_scores))
            files = pair_files(pair.folder, pair.publisher, pair.entry.shown)
            write_verdict(files, verdict)
            if pair.options.slates:
                write_slates(files.slates, publisher, answered.slates)
                if answered.scores is not None and len(answered.scores):
                    write_scores(files.scores, publisher, answered.scores)
    except (StoppedError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a stranger's class may raise anything, SystemExit too
        return failed(pair, _one_line(error), traceback.format_exc(), rows)
    learning = None if answered.times is None else answered.times.learn / 1e9
    return Judged(
        pair.publisher,
        pair.entry.shown,
        verdict.tally,
        verdict.tally.hits,
        None,
        None,
        answered.drops,
        answered.seconds,
        rows,
        answered.state_bytes,
        times,
        learning,
        isinstance(recommender, Oracle),
        answered.self_report,
        answered.foresaw,
        pair.of,
    )


def failed(pair: Pair, error: str, details: str | None, rows: int) -> Judged:
    return Judged(
        publisher=pair.publisher,
        recommender=pair.entry.shown,
        tally=None,
        hits=None,
        error=error,
        details=details,
        drops=Drops(0, 0),
        seconds=0.0,
        rows=rows,
        state_bytes=None,
        times=None,
        learning=None,
        of=pair.of,
    )


_lining_up = threading.Lock()


def scored_of(dataset: Dataset, publisher: str, options: Options) -> tuple[Publisher, Scored]:
    """A publisher and what a run scores of it, made once for all its recommenders."""
    with _lining_up:
        return _scored_once(dataset.folder, dataset.card["digest"], publisher, options)


@lru_cache(maxsize=2)
def _scored_once(data: Path, digest: str, publisher: str, options: Options) -> tuple[Publisher, Scored]:
    # Other data prepared in the same folder have another digest.
    opened = Dataset(data).publisher(publisher)
    return opened, scored(opened, options)


def _replay(
    pair: Pair,
    recommender: Any,
    publisher: Publisher,
    work: Path,
    progress: Callable[[int], None],
    tell: Callable[[str], None],
) -> Replayed:
    """The pair's replay, or, for the oracle, what it knows without one."""
    k = pair.options.k
    slates = _room(work / "slates.npy", np.int32, (len(publisher.requests.row), k), -1)
    scores = _room(work / "scores.npy", np.float64, publisher.log.pools.item.shape, -np.inf)
    if isinstance(recommender, Oracle):
        foresee(publisher, slates, scores)
        return Replayed(slates, scores, Drops(0, 0), 0, None, 0.0)
    return replay(
        publisher.log,
        recommender,
        k,
        articles=publisher.articles,
        seed=pair.options.seed,
        name=pair.entry.shown,
        slates=slates,
        scores=scores,
        timed=pair.options.timed,
        warmup=pair.options.warmup,
        tell=tell,
        progress=progress,
    )


def _timed(times: Any, options: Options) -> tuple[Times | None, Any, Any]:
    """How long answers took, and which slates and scores came too late to count (None: none)."""
    if times is None or not len(times.recommend) + len(times.score):
        return None, None, None
    took = np.concatenate([times.recommend, times.score]) / 1e6
    p50, p95, p99 = np.percentile(took, [50, 95, 99]).tolist()
    deadline = options.deadline
    if deadline is None:
        return Times(len(took), p50, p95, p99, float(took.max()), None), None, None
    told = Times(len(took), p50, p95, p99, float(took.max()), float(np.mean(took > deadline)))
    if not options.strict_deadline:
        return told, None, None
    return told, times.recommend / 1e6 > deadline, times.score / 1e6 > deadline if len(times.score) else None


def _one_line(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be shown)"
    if not isinstance(error, NewsreplayError):
        text = f"{type(error).__name__}: {text}"
    return shorten(text, 500, placeholder=" …")


def _room(path: Path, dtype: Any, shape: tuple[int, ...], fill: float) -> Any:
    if np.dtype(dtype).itemsize * math.prod(shape) <= IN_MEMORY:
        return np.full(shape, fill, dtype)
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    array[:] = fill
    return array

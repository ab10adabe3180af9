"""One recommender on one publisher: replayed, judged and written."""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from newsreplay.datasets.store import Dataset
from newsreplay.log.publisher import Publisher, request_rows
from newsreplay.log.rows import Column
from newsreplay.recommenders.base import SelfReport, Setting
from newsreplay.simulator import scratch
from newsreplay.simulator.judgement.oracle import foresee
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.judgement.scoring import Answers, Judgement, Scored, score, select_scored
from newsreplay.simulator.replay.checkpoints import Checkpoints
from newsreplay.simulator.replay.clock import Times
from newsreplay.simulator.replay.foresight import foresight_of, leaks_of
from newsreplay.simulator.replay.replay import ignore, replay
from newsreplay.simulator.replay.slates import NO_DROPS, unanswered
from newsreplay.simulator.replay.walk import STRETCH, AnswerArrays, Replayed
from newsreplay.simulator.runs.answers import write_scores, write_slates
from newsreplay.simulator.runs.columns import write_judgement
from newsreplay.simulator.runs.options import Answering
from newsreplay.simulator.runs.pair import AnswerTimes, Judged, Pair
from newsreplay.simulator.runs.paths import checkpoint_folder, pair_files
from newsreplay.simulator.runs.write import write_sums
from newsreplay.simulator.stages import StageClock
from newsreplay.traces import one_line


class StoppedError(Exception):
    """The run was interrupted."""


def replay_pair(
    pair: Pair,
    progress: Callable[[int], None] = ignore,
    report: Callable[[str], None] = ignore,
    *,
    keep_raised: bool = False,
    answered: Callable[[], Replayed] | None = None,
    now: Callable[[], float] = time.thread_time,
) -> Judged:
    """Replay and judge one recommender on one publisher; whatever it raises becomes its error, `keep_raised`: as it is.

    `answered` is called in place of the replay where that has been. `progress` takes the number of rows done, now and
    then, and `report` the lines that the recommender reports. `now` tells the processor seconds that its stages take.
    Raises `RunError` where what came of it cannot be written.
    """
    with scratch.beside(pair.folder):
        return _replay_pair(pair, progress, report, keep_raised=keep_raised, answered=answered, now=now)


def _replay_pair(
    pair: Pair,
    progress: Callable[[int], None],
    report: Callable[[str], None],
    *,
    keep_raised: bool,
    answered: Callable[[], Replayed] | None,
    now: Callable[[], float],
) -> Judged:
    options, clock = pair.options, StageClock(now)
    with clock.stage("load"):
        publisher, scored = load_scored(Dataset(pair.data), pair.publisher, options.scope, options.answering.seed)
    rows = len(publisher.log.time)
    try:
        with clock.stage("replay"):
            replayed = answered() if answered else _replay(pair, publisher, progress, report)
        times, late, late_scores = _timed(replayed.times, options.answering)
        with clock.stage("judge"):
            judgement = score(publisher, scored, Answers(replayed.slates, replayed.scores, late, late_scores))
        self_report = _plain(replayed.self_report)
    except (StoppedError, KeyboardInterrupt, scratch.NoRoomError):  # a full disk is not the recommender's fault
        raise
    except BaseException as error:  # a stranger's class may raise anything, SystemExit too
        answer = failed(pair, one_line(error), traceback.format_exc(), rows)
        return replace(answer, raised=error) if keep_raised else answer
    progress(rows)  # nothing is written once nobody waits for it
    with clock.stage("write"):
        _write(pair, publisher, replayed, judgement)
    return Judged(
        publisher=pair.publisher,
        recommender=pair.entry.label,
        without_seed=pair.without_seed,
        sums=judgement.sums,
        hits=judgement.sums.hits,
        drops=replayed.drops,
        seconds=replayed.seconds,
        rows=rows,
        state_bytes=replayed.state_bytes,
        times=times,
        learning=None if replayed.times is None else replayed.times.learn / 1e9,
        foresight=replayed.foresight,
        leaks=leaks_of(replayed.foresight, self_report),
        self_report=self_report,
        stages=clock.seconds
        | {"compile": replayed.loading, "replay": max(0.0, clock.seconds["replay"] - replayed.loading)},
    )


def _write(pair: Pair, publisher: Publisher, replayed: Replayed, judgement: Judgement) -> None:
    files = pair_files(pair.folder, pair.publisher, pair.entry.label)
    write_judgement(files, judgement, pair.options.scope.requests)
    write_sums(files.sums, judgement.sums)
    if pair.options.keeping.slates:
        write_slates(files.slates, publisher, replayed.slates)
        if replayed.scores is not None and len(replayed.scores):
            write_scores(files.scores, publisher, replayed.scores)


def failed(pair: Pair, error: str, details: str | None, rows: int) -> Judged:
    """A pair that brought no answers; `error` is one line, `details` the traceback."""
    return Judged(
        publisher=pair.publisher,
        recommender=pair.entry.label,
        without_seed=pair.without_seed,
        error=error,
        details=details,
        rows=rows,
    )


def _plain(report: SelfReport | None) -> SelfReport | None:
    """A report of nothing but text and numbers, whatever a stranger put into it; raises where that is neither."""
    if report is None:
        return None
    rounds = tuple({_text(name): _number(value) for name, value in one.items()} for one in report.rounds)
    costs = (float(report.training), float(report.updating), float(report.answering))
    counts = (_whole(int(report.answers)), _whole(int(report.parameters)))
    return SelfReport(tuple(map(_text, report.notes)), _text(report.leaks), *costs, *counts, rounds)


def _text(value: str) -> str:
    return "".join(map(chr, map(ord, value)))  # of a class of its own it would be made where it is received


def _number(value: float | None) -> float | None:
    if type(value) is int:
        return _whole(value)
    return value if type(value) in (float, type(None)) else float(value or 0)


def _whole(value: int) -> int:
    if abs(value) >= 1 << 63:  # no file of numbers can hold it
        raise OverflowError(f"a self report with a whole number of {value.bit_length():,} bits")
    return value


_selecting = threading.Lock()


def load_scored(dataset: Dataset, publisher: str, scope: Scope, seed: int) -> tuple[Publisher, Scored]:
    """A publisher and what is scored of it, made once for all its recommenders."""
    with _selecting:
        return _load_scored_once(dataset.folder, dataset.card["digest"], publisher, scope, seed)


@lru_cache(maxsize=2)
def _load_scored_once(data: Path, digest: str, name: str, scope: Scope, seed: int) -> tuple[Publisher, Scored]:
    # Other data prepared in the same folder have another digest.
    publisher = Dataset(data).publisher(name)
    return publisher, select_scored(publisher, scope, seed)


def _replay(
    pair: Pair,
    publisher: Publisher,
    progress: Callable[[int], None],
    report: Callable[[str], None],
) -> Replayed:
    """The pair's replay, or, for the oracle, what is worked out without one."""
    recommender = pair.entry.make()
    answering, scope = pair.options.answering, pair.options.scope
    requests = len(request_rows(publisher, scope.requests))
    slates, scores = unanswered(requests, answering.k, len(publisher.log.pools.item))
    if foresight_of(recommender) == "oracle":
        foresee(publisher, slates, scores, scope.requests, scope.exclude)
        return Replayed(slates, scores, NO_DROPS, 0, None, 0.0, foresight="oracle")
    checkpoints, last = None, None
    if pair.options.keeping.states:
        last = len(publisher.log.time) // STRETCH * STRETCH
    if pair.checkpoint_every is not None or last:
        kept = checkpoint_folder(pair.folder, pair.publisher, pair.entry.label)
        every = math.inf if pair.checkpoint_every is None else pair.checkpoint_every
        checkpoints = Checkpoints(kept, every, report, last)
    return replay(
        publisher.whole_log,
        recommender,
        Setting(
            answering.seed,
            answering.k,
            scope.warmup,
            answering.timed,
            report,
            scope.requests,
            scope.exclude,
            answering.feedback_delay,
            answering.answer_timeout,
            publisher=pair.publisher,
        ),
        articles=publisher.whole_articles,
        name=pair.entry.label,
        arrays=AnswerArrays(slates, scores, checkpoints),
        progress=progress,
    )


def _timed(times: Times | None, answering: Answering) -> tuple[AnswerTimes | None, Column | None, Column | None]:
    """How long answers took, and which slates and scores came too late to count (None: none)."""
    if times is None or not len(times.recommend) + len(times.score):
        return None, None, None
    took = np.concatenate([times.recommend, times.score]) / 1e6
    p50, p95, p99 = np.percentile(took, [50, 95, 99]).tolist()
    deadline = answering.deadline
    share = None if deadline is None else float(np.mean(took > deadline))
    summary = AnswerTimes(len(took), p50, p95, p99, float(took.max()), share)
    if deadline is None or not answering.strict_deadline:
        return summary, None, None
    return summary, times.recommend / 1e6 > deadline, times.score / 1e6 > deadline if len(times.score) else None

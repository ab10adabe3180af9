"""The replay: every row is revealed to a recommender; it answers a read with a slate, an impression with scores.

With requests at impressions these are answered with slates, too, and reads are not.

`walk` is the whole loop. It is compiled with the kernels of a compiled recommender in place of `reveal`,
`score`, `learn` and `recommend`, and run as it stands with those of a plain-Python one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np

from newsreplay.kernels.mixing import key_of
from newsreplay.log.catalog import Articles, bare_articles
from newsreplay.log.rows import ASKING, Column, Log
from newsreplay.recommenders.base import Compiled, SelfReport, Setting
from newsreplay.recommenders.mixtures import Mixture
from newsreplay.recommenders.protocols import SupportsForesee
from newsreplay.recommenders.reranking import GivenAnswers, Reranking, given
from newsreplay.simulator import scratch
from newsreplay.simulator.replay.clock import Times
from newsreplay.simulator.replay.compiled import compiled
from newsreplay.simulator.replay.foresight import foresight_of, leaks_of
from newsreplay.simulator.replay.plain import PlainRecommender, plain
from newsreplay.simulator.replay.slates import Drops, unanswered
from newsreplay.simulator.replay.walk import STRETCH, AnswerArrays, Replayed, can_score


def ignore(value: object) -> None:
    """A callback for what nobody looks at."""


def replay(
    log: Log,
    recommender: Compiled[Any] | Mixture | PlainRecommender,
    setting: Setting = Setting(),
    *,
    articles: Articles | None = None,
    name: str = "",
    arrays: AnswerArrays | None = None,
    progress: Callable[[int], None] = ignore,
    stretch: int = STRETCH,
) -> Replayed:
    """Replay a log before a recommender, compiled or plain, or before each part of a mixture.

    `setting` has the slate length, what asks for slates, the seed and what else a plain recommender is handed; with
    `setting.timed` every call is clocked, which slows the replay down by some 0.1 µs an event. The seed and `name` (the
    spec) key random choices. `arrays` are what answers are written to; by default they are made. With checkpoints
    beside them it goes on from the last one, if the recommender is compiled or has a `state_dict`; mixtures, and
    whoever is timed, begin anew. `progress` takes the number of rows done, after every `stretch` of rows.

    >>> from newsreplay.log.rows import make_log, READ
    >>> from newsreplay.recommenders.baselines.circular import Circular
    >>> log = make_log(time=[1, 2, 3], kind=[READ] * 3, session=[0, 1, 0], user=[0, 1, 0],
    ...                item=[0, 1, 0], category=[-1] * 3)
    >>> replay(log, Circular(), Setting(k=1)).slates.tolist()
    [[-1], [0], [1]]

    which is the same as doing it by hand:

    >>> latest, answers = [], []
    >>> for row, item in enumerate(log.item.tolist()):
    ...     latest = [item] + [other for other in latest if other != item]   # learn
    ...     answers.append((latest[1:] or [-1])[:1])                         # recommend
    >>> answers
    [[-1], [0], [1]]

    Raises `RecommenderError` where a plain recommender's answer is not a sequence of known article codes, where
    the scores of any are not a number below inf for each candidate, where deferred answers come from one that cannot
    settle them, and where its self_report is none.
    """
    if arrays is None:
        requests = int(np.count_nonzero(log.kind == ASKING[setting.requests]))
        arrays = AnswerArrays(*unanswered(requests, setting.k, len(log.pools.item)))
    if not can_score(recommender):
        arrays = arrays._replace(scores=None)
    if isinstance(recommender, Compiled):
        key = key_of(setting.seed, name)
        if isinstance(recommender, SupportsForesee):
            recommender.foresee(log, bare_articles(log) if articles is None else articles)
        done = compiled(log, recommender, arrays, key, setting, progress, stretch)
        return done._replace(foresight=foresight_of(recommender))
    if isinstance(recommender, Mixture):
        return _mixed(log, recommender, arrays, articles, setting, progress, stretch)
    return plain(log, recommender, arrays, articles, setting, progress, stretch)


def _mixed(
    log: Log,
    mixture: Mixture,
    arrays: AnswerArrays,
    articles: Articles | None,
    setting: Setting,
    progress: Callable[[int], None],
    stretch: int,
) -> Replayed:
    """Replay a log before each part of a mixture, and mix what they answer; a part draws as it does alone."""
    slates, scores = arrays.slates, arrays.scores
    requests, k = slates.shape
    number = len(mixture.parts)
    scorers = [part for part in range(number) if can_score(mixture.parts[part])]
    done = []
    listed = scratch.full((number, requests, mixture.depth(k)), -1, np.int32)
    ranked = scratch.full((len(scorers), len(log.pools.item)), -np.inf, np.float64)
    unscored = np.empty(0)
    for part, entry in enumerate(mixture.entries):
        one = replay(
            log,
            mixture.parts[part],
            setting._replace(k=mixture.depth(k)),
            articles=articles,
            name=entry.label,
            arrays=AnswerArrays(listed[part], ranked[scorers.index(part)] if part in scorers else unscored),
            progress=lambda rows, part=part: progress((part * len(log.time) + rows) // number),  # type: ignore[misc]
            stretch=stretch,
        )
        done.append(one._replace(slates=unscored, scores=None))
    if isinstance(mixture, Reranking):
        answers = given(listed[0], ranked[0] if scorers else unscored)
        seconds = _rerank(log, mixture, answers, arrays, setting, stretch)
    else:
        mix(mixture, listed[:, :0], slates[:0], scorers, ranked, log.pools.at[:1], scores)  # compiled, or loaded
        begun = time.perf_counter()
        mix(mixture, listed, slates, scorers, ranked, log.pools.at, scores)
        seconds = time.perf_counter() - begun
    return of_parts(mixture, done, slates, scores, seconds + sum(one.seconds for one in done))


def _rerank(
    log: Log, reranking: Reranking, answers: GivenAnswers, out: AnswerArrays, setting: Setting, stretch: int
) -> float:
    """Rank what the part answered anew, and write it; returns the seconds that it took."""
    reranker = reranking.reranker()
    reranker.answers = answers
    setting = setting._replace(timed=False, exclude="current")  # what is excluded is not in the part's slates
    out = out._replace(checkpoints=None)
    return compiled(log, reranker, out, np.uint64(0), setting, ignore, stretch).seconds


def of_parts(mixture: Mixture, done: list[Replayed], slates: Column, scores: Column | None, seconds: float) -> Replayed:
    """What a mixture answered, with what its parts tell of themselves."""
    return Replayed(
        slates,
        scores,
        Drops(sum(one.drops.current for one in done), sum(one.drops.repeated for one in done)),
        sum(one.state_bytes for one in done),
        _together([one.times for one in done if one.times is not None]),
        seconds,
        _reported(mixture, done),
        next((one.foresight for one in done if one.foresight), None),
        sum(one.loading for one in done),
    )


def mix(
    mixture: Mixture,
    listed: Column,
    slates: Column,
    scorers: list[int],
    ranked: Column,
    at: Column,
    scores: Column | None,
) -> None:
    """Mix what the parts answered: slates, and scores where there are any."""
    mixture.recommend(listed, slates)
    if scores is not None:
        mixture.score(scorers, ranked, at, scores)


def _together(times: list[Times]) -> Times | None:
    """How long the parts took together; their answers are mixed in next to no time."""
    if not times:
        return None
    scored = [one.score for one in times if len(one.score)]
    score = np.sum(scored, axis=0) if scored else times[0].score
    return Times(np.sum([one.recommend for one in times], axis=0), score, sum(one.learn for one in times))


def _reported(mixture: Mixture, done: list[Replayed]) -> SelfReport | None:
    """What the parts report of themselves, as one report."""
    labels = [entry.label for entry in mixture.entries]
    reports = [one.self_report or SelfReport() for one in done]
    if not any(one.self_report or one.foresight for one in done):
        return None
    leaks = [leaks_of(one.foresight, one.self_report) for one in done]
    return SelfReport(
        notes=tuple(f"{label}: {note}" for label, one in zip(labels, reports, strict=True) for note in one.notes),
        leaks="; ".join(f"{label}: {leak}" for label, leak in zip(labels, leaks, strict=True) if leak),
        training=sum(one.training for one in reports),
        updating=sum(one.updating for one in reports),
        answering=sum(one.answering for one in reports),
        answers=sum(one.answers for one in reports),
        parameters=sum(one.parameters for one in reports),
        rounds=tuple(chain.from_iterable(one.rounds for one in reports)),
    )

"""The replay: every row is revealed to a recommender; it answers a read with a slate, an impression with scores.

With requests at impressions these are answered with slates, too, and reads are not.

`walk` is the whole loop. It is compiled with the kernels of a compiled recommender in place of `reveal`,
`score`, `learn` and `recommend`, and run as it stands with those of a plain-Python one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from newsreplay.kernels.mixing import key_of
from newsreplay.log.catalog import Articles
from newsreplay.log.rows import ASKING, Column, Log
from newsreplay.recommenders.base import Compiled, Setting
from newsreplay.simulator.replay.compiled import compiled
from newsreplay.simulator.replay.plain import PlainRecommender, plain
from newsreplay.simulator.replay.walk import STRETCH, Replayed, can_score


def ignore(value: object) -> None:
    """A callback for what nobody looks at."""


def replay(
    log: Log,
    recommender: Compiled[Any] | PlainRecommender,
    setting: Setting = Setting(),
    *,
    articles: Articles | None = None,
    name: str = "",
    arrays: tuple[Column, Column] | None = None,
    progress: Callable[[int], None] = ignore,
    stretch: int = STRETCH,
) -> Replayed:
    """Replay a log before a recommender, compiled or plain.

    `setting` has the slate length, what asks for slates, the seed and what else a plain recommender is handed; with
    `setting.timed` every call is clocked, which slows the replay down by some 0.1 µs an event. The seed and `name` (the
    spec) key random choices. `arrays` are the slates and scores to write to, int32[requests, k] filled with -1 and
    float64[places of `log.pools.item`] filled with -inf; by default they are made. `progress` takes the number of rows
    done, after every `stretch` of rows.

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
        slates = np.full((int(np.count_nonzero(log.kind == ASKING[setting.requests])), setting.k), -1, np.int32)
        arrays = slates, np.full(len(log.pools.item), -np.inf)
    slates, scores = arrays[0], arrays[1] if can_score(recommender) else None
    if isinstance(recommender, Compiled):
        key = key_of(setting.seed, name)
        return compiled(log, recommender, slates, scores, key, setting, progress, stretch)
    return plain(log, recommender, slates, scores, articles, setting, progress, stretch)

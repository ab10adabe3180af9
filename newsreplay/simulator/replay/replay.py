"""The replay: every row is shown to a recommender; a read asks it for a slate, an impression for scores.

`walk` is the whole loop. It is compiled with the kernels of a compiled recommender in place of `reveal`,
`score`, `learn` and `recommend`, and run as it stands with those of a plain-Python one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from newsreplay.kernels.mixing import key_of
from newsreplay.log.catalog import Articles
from newsreplay.log.rows import READ, Column, Log
from newsreplay.recommenders.base import Compiled, Setting
from newsreplay.simulator.replay.compiled import compiled
from newsreplay.simulator.replay.plain import plain
from newsreplay.simulator.replay.walk import Replayed, can_score


def replay(
    log: Log,
    recommender: Any,
    k: int = 10,
    *,
    articles: Articles | None = None,
    seed: int = 0,
    name: str = "",
    slates: Column | None = None,
    scores: Column | None = None,
    timed: bool = False,
    warmup: int = 0,
    tell: Callable[[str], None] = lambda line: None,
    progress: Callable[[int], None] = lambda rows: None,
) -> Replayed:
    """Replay a log before a recommender, compiled or plain.

    `seed` and `name` (the spec as shown) key its random choices. `warmup` (ms from the first read on that are not
    scored) and `tell` (takes a line of progress) are handed to a plain one in its `setting`. `slates` and `scores`
    may give the arrays to write to, int32[requests, k] filled with -1 and float64[places of `log.pools.item`] filled
    with -inf. With `timed` every call is clocked, which slows the replay down by some 0.1 µs an event. `progress` is
    told the number of rows done, now and then.

    >>> from newsreplay.log.rows import make_log, READ
    >>> from newsreplay.recommenders.baselines.circular import Circular
    >>> log = make_log(time=[1, 2, 3], kind=[READ] * 3, session=[0, 1, 0], user=[0, 1, 0],
    ...                item=[0, 1, 0], category=[-1] * 3)
    >>> replay(log, Circular(), k=1).slates.tolist()
    [[-1], [0], [1]]

    which is the same as doing it by hand:

    >>> latest, answers = [], []
    >>> for row, item in enumerate(log.item.tolist()):
    ...     latest = [item] + [other for other in latest if other != item]   # learn
    ...     answers.append((latest[1:] or [-1])[:1])                         # recommend
    >>> answers
    [[-1], [0], [1]]

    Raises `RecommenderError` where a plain recommender's answer is not a sequence of known article codes, where
    the scores of any are not a number below inf for each candidate, where late answers come from one that cannot
    settle them, and where its self_report is none.
    """
    if slates is None:
        slates = np.full((int(np.count_nonzero(log.kind == READ)), k), -1, np.int32)
    if not can_score(recommender):
        scores = None
    elif scores is None:
        scores = np.full(len(log.pools.item), -np.inf)
    if isinstance(recommender, Compiled):
        return compiled(log, recommender, slates, scores, key_of(seed, name), timed, progress)
    setting = Setting(seed, slates.shape[1], warmup, timed, tell)
    return plain(log, recommender, slates, scores, articles, setting, progress)

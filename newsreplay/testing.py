"""Tests of recommenders, for the test suites of their authors.

import pytest
from newsreplay.testing import PROPERTIES, check_recommender

from my_pkg.ranker import Mine


@pytest.mark.parametrize("name", PROPERTIES)
def test_mine(name):
    check_recommender(Mine, only=name)
"""

from __future__ import annotations

import pickle
import tempfile
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from newsreplay.errors import RecommenderError, SpecError, did_you_mean
from newsreplay.log.catalog import Articles
from newsreplay.log.rows import ASKING, Asks, Log
from newsreplay.recommenders.base import Compiled, Setting
from newsreplay.recommenders.protocols import SupportsStateDict
from newsreplay.recommenders.registry import Entry, start_list
from newsreplay.simulator import edge_logs
from newsreplay.simulator.apart import Apart, Given, Here, NotSentError
from newsreplay.simulator.checks import DECLARE, SHORT, check_entry, probes_of
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.pool_order import order_used
from newsreplay.simulator.probes import shortened
from newsreplay.simulator.replay.checkpoints import Checkpoints
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import AnswerArrays, Replayed
from newsreplay.spec import Spec

FEW, MANY = 500, 4_000  #: rows between which time and memory are seen to grow
#: How many times as long an event takes, and as many bytes, beyond which growth is warned of: eightfold both, where
#: each event goes through all before it.
SLOWER, LARGER = 8, 4
LEAST = 1.0  #: µs an event; less is not told from noise

__all__ = ["PROPERTIES", "GrowthWarning", "check_recommender"]


class GrowthWarning(UserWarning):
    """A recommender takes far more time, or memory, per event as the log becomes longer."""


class _Subject(NamedTuple):
    """What is tested."""

    entry: Entry
    setting: Setting
    cuts: int | None

    def here(self, log: Log, articles: Articles) -> Given:
        """What it answers in this process."""
        return Here(self.entry, self.setting).answers(log, articles)


def check_recommender(
    recommender: object,
    *,
    only: str | Iterable[str] | None = None,
    cuts: int | None = 20,
    k: int = 10,
    seed: int = 0,
    requests: Asks = "reads",
) -> dict[str, str]:
    """Test all `PROPERTIES` of a recommender, or `only` those named; returns what was seen, a line for each.

    `recommender`: a class that can be made without parameters, an object of it, or a spec ("trend(hours=2)",
    "mine.py:Mine"). `cuts`: at how many places the future is changed; None = at every row of short logs, which takes
    longer and finds rare peeks. `k`: slate length; `requests`: what asks for slates, "reads" or "impressions".

    Raises `AssertionError` with a line for each property that is broken, and `SpecError` where there is no such
    recommender, or no such property. Time or memory that grows steeply is a `GrowthWarning`, since it depends on
    machines.

        >>> check_recommender("recency", only=["one_article", "valid_answers"])
        {'valid_answers': 'answers to 1424 requests, scores of 192 impressions', 'one_article': 'answered'}
    """
    __tracebackhide__ = True  # pytest shows the caller's line
    names = list(PROPERTIES) if only is None else [only] if isinstance(only, str) else list(only)
    for name in names:
        if name not in _TESTS:
            raise SpecError(f"no property is called {name!r}. {did_you_mean(name, _TESTS)}".rstrip())
    subject = _Subject(_entry(recommender), Setting(seed, k, requests=requests), cuts)
    seen: dict[str, str] = {}
    broken = []
    for name, test in _TESTS.items():
        if name in names:
            try:
                seen[name] = test(subject)
            except (AssertionError, RecommenderError) as error:
                broken.append(f"{name}: {error}")
    if broken:
        raise AssertionError(f"{subject.entry.label} breaks {len(broken)} of {len(names)}:\n" + "\n".join(broken))
    return seen


def _entry(recommender: object) -> Entry:
    if isinstance(recommender, type):
        try:
            recommender = recommender()
        except Exception as error:
            name = recommender.__name__ if isinstance(recommender, type) else recommender
            raise SpecError(
                f"{name}() cannot be made: {type(error).__name__}: {error}; pass an object of it"
            ) from error
    one = recommender if isinstance(recommender, str | Spec) else [recommender]
    entries = start_list(one)
    if len(entries) > 1:
        raise SpecError(f"one recommender is tested at a time, not {len(entries)}; name one")
    return entries[0]


def blind(subject: _Subject) -> str:
    """No answer changes when only what comes after it does, as `newsreplay check` tests it."""
    entry, setting, cuts = subject
    check = check_entry(entry, cuts=cuts, k=setting.k, seed=setting.seed, requests=setting.requests)
    if check.error is not None or check.finding is not None:
        raise AssertionError(check.error or str(check.finding))
    return f"at {check.cuts} cuts; {check.power}"


def deterministic(subject: _Subject) -> str:
    """The same log gets the same answers again, in this process and in another."""
    return _same_again(subject, *_short_log(subject))


def _short_log(subject: _Subject) -> tuple[Log, Articles]:
    return shortened(*made_up_log(FEW, subject.setting.seed), SHORT)


def _same_again(subject: _Subject, log: Log, articles: Articles) -> str:
    first = subject.here(log, articles)
    if not _same(first, subject.here(log, articles)):
        raise AssertionError(
            "a second replay of the same log is answered otherwise; keep state in self, set up in start(), and choose "
            "at random from a generator seeded there"
        )
    try:
        with Apart(subject.entry, subject.setting) as elsewhere:
            same = _same(first, elsewhere.answers(log, articles))
    except NotSentError:
        return "the same answers again (it cannot be sent to another process)"
    if not same:
        raise AssertionError(
            "another process answers the same log otherwise; hash() of text and the order of sets of text differ there"
        )
    return "the same answers again and in another process"


def _same(first: Given, second: Given) -> bool:
    return all(
        (one is None) == (other is None) and (one is None or other is None or one.tobytes() == other.tobytes())
        for one, other in zip(first, second, strict=True)
    )


def pool_order(subject: _Subject) -> str:
    """Scores follow the candidates in whatever order a pool lists them, unless `uses_pool_order` is True."""
    if getattr(subject.entry.make(), "uses_pool_order", False) is True:
        return "uses the order of pools, as it says"
    probe = probes_of(None, None, subject.cuts, subject.setting)[-1]

    def answers(log: Log) -> Given:
        return subject.here(log, probe.articles)

    used = order_used(probe.log, answers(probe.log), answers, probe.turned, subject.setting)
    if used is not None:
        raise AssertionError(f"in {probe.name}, {used}; {DECLARE}")
    return "answers do not depend on the order of pools"


def valid_answers(subject: _Subject) -> str:
    """Slates hold known articles, each once; scores are numbers, or -inf for what is not to be ranked."""
    log, articles = made_up_log(2_000, subject.setting.seed)
    done = replay(log, subject.entry.make(), subject.setting, articles=articles, name=subject.entry.label)
    if done.drops.repeated:
        raise AssertionError(f"{done.drops.repeated} repeated articles were dropped from its slates")
    asked = log.kind == ASKING[subject.setting.requests]
    # Slates of kernels are taken as they are.
    for row, slate in zip(np.flatnonzero(asked).tolist(), done.slates, strict=True):
        listed = slate[slate >= 0].tolist()
        if len({*listed}) < len(listed):
            raise AssertionError(f"an article stands twice in the slate at row {row}: {listed}")
        if int(log.item[row]) in listed:
            raise AssertionError(f"the article on screen stands in the slate at row {row}: {listed}")
        if max(listed, default=-1) > log.item[: row + 1].max():
            raise AssertionError(f"an article that is not known yet stands in the slate at row {row}: {listed}")
    scores = "" if done.scores is None else f", scores of {len(log.pools.at) - 1} impressions"
    return f"answers to {int(asked.sum())} requests{scores}"


def empty_log(subject: _Subject) -> str:
    """A log without rows, and one of publications only, are replayed."""
    subject.here(*edge_logs.empty_log())
    subject.here(*edge_logs.publications_only())
    return "replayed"


def unknown_readers(subject: _Subject) -> str:
    """Readers of whom nothing is known, and sessions of one row, are answered."""
    subject.here(*edge_logs.strangers_only())
    return "answered"


def one_article(subject: _Subject) -> str:
    """With a single article, on screen at every read, there is nothing to recommend, and that is answered."""
    subject.here(*edge_logs.one_article())
    return "answered"


def huge_pools(subject: _Subject) -> str:
    """Pools of thousands of candidates are scored."""
    log, articles = edge_logs.huge_pools()
    subject.here(log, articles)
    return f"{int(np.diff(log.pools.at).max())} candidates at a time"


def ties(subject: _Subject) -> str:
    """Where all counts are equal, answers are the same again, in this process and in another."""
    return _same_again(subject, *edge_logs.ties_only())


def interpreted(subject: _Subject) -> str:
    """Kernels answer the same where they are not compiled."""
    if not isinstance(subject.entry.make(), Compiled):
        return "has no kernels"
    log, articles = _short_log(subject)
    compiled = subject.here(log, articles)
    # Whole numbers of 64 bits are meant to wrap around, which NumPy warns of.
    uncompiled = {"NUMBA_DISABLE_JIT": "1", "PYTHONWARNINGS": "ignore::RuntimeWarning"}
    try:
        with Apart(subject.entry, subject.setting, **uncompiled) as elsewhere:
            plain = elsewhere.answers(log, articles)
    except NotSentError:
        return "cannot be sent to another process, where kernels would not be compiled"
    rows = np.flatnonzero(log.kind == ASKING[subject.setting.requests])
    other = np.flatnonzero((plain.slates != compiled.slates).any(axis=1))
    if len(other):
        slates = compiled.slates[other[0]].tolist(), plain.slates[other[0]].tolist()
        raise AssertionError(
            f"the slate at row {rows[other[0]]} is {slates[0]}, but {slates[1]} where kernels are not compiled"
        )
    both = None if compiled.scores is None or plain.scores is None else (compiled.scores, plain.scores)
    if both is not None and not np.allclose(both[0], both[1], rtol=1e-9, atol=1e-12):
        raise AssertionError("scores differ where kernels are not compiled")
    return f"the same answers to {len(rows)} requests"


def picklable(subject: _Subject) -> str:
    """It can be sent to a process of its own, before `start`, and answers the same there."""
    try:
        sent: Entry = pickle.loads(pickle.dumps(subject.entry))
    except Exception as error:
        raise AssertionError(
            f"cannot be pickled: {type(error).__name__}: {error}; make functions, files and connections in start()"
        ) from error
    log, articles = edge_logs.ties_only()
    again = Here(sent, subject.setting).answers(log, articles)
    if not _same(subject.here(log, articles), again):
        raise AssertionError("answers otherwise once it was pickled")
    return "answers the same once it was pickled"


def goes_on(subject: _Subject) -> str:
    """Stopped between two rows and gone on with from its state, it answers the same."""
    if not isinstance(subject.entry.make(), Compiled | SupportsStateDict):
        return "keeps no state, so an interrupted replay begins anew"
    log, articles = made_up_log(2_000, subject.setting.seed)
    first = subject.here(log, articles)
    said: list[str] = []
    with tempfile.TemporaryDirectory(prefix="newsreplay-") as work:

        def answers(stop: int) -> Replayed:
            slates, scores = np.full_like(first.slates, -1), np.full(len(log.pools.item), -np.inf)
            return replay(
                log,
                subject.entry.make(),
                subject.setting,
                articles=articles,
                name=subject.entry.label,
                arrays=AnswerArrays(slates, scores, Checkpoints(Path(work), 0.0, said.append)),
                progress=lambda rows: _stop(rows >= stop),
                stretch=500,
            )

        with suppress(_StoppedOnPurposeError):
            answers(1_500)  # its last checkpoint is that of row 1,000
        if said:
            raise AssertionError(said[0])
        again = answers(len(log.time) + 1)
    if not _same(first, Given(again.slates, again.scores)):
        raise AssertionError("answers otherwise once it went on from its state_dict(); is something missing there?")
    return "the same answers after a stop"


class _StoppedOnPurposeError(Exception):
    """A replay is stopped on purpose."""


def _stop(now: bool) -> None:
    if now:
        raise _StoppedOnPurposeError


def growth(subject: _Subject) -> str:
    """Time and memory per event do not grow steeply with the log; else there is a `GrowthWarning`."""
    times, sizes = [], []
    for rows in (FEW, MANY):
        log, articles = made_up_log(rows, subject.setting.seed)
        done = [
            replay(log, subject.entry.make(), subject.setting, articles=articles, name=subject.entry.label)
            for _ in range(2)
        ]
        times.append(min(one.seconds for one in done) / rows * 1e6)
        sizes.append(done[0].state_bytes / rows)
    seen = (
        f"{times[0]:.3g} µs an event at {FEW} rows, {times[1]:.3g} at {MANY}; "
        f"{sizes[0]:.3g} bytes of state an event, then {sizes[1]:.3g}"
    )
    if times[1] > SLOWER * max(times[0], LEAST) or sizes[1] > LARGER * sizes[0]:
        warnings.warn(GrowthWarning(f"{subject.entry.label} grows steeply: {seen}"), stacklevel=4)
    return seen


_TESTS: dict[str, Callable[[_Subject], str]] = {
    test.__name__: test
    for test in (
        *(valid_answers, deterministic, blind, pool_order),
        *(empty_log, unknown_readers, one_article, huge_pools, ties),
        *(interpreted, picklable, goes_on, growth),
    )
}
#: What is tested, by name, in the order in which it is.
PROPERTIES: dict[str, str] = {name: test.__doc__ or "" for name, test in _TESTS.items()}

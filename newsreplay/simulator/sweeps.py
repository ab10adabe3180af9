"""Sweeps: a spec whose lists stand for several values, unfolded; the stretches to choose on and to report on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from math import prod
from typing import NamedTuple

import numpy as np

from newsreplay.datasets.store import Dataset
from newsreplay.errors import NewsreplayError, SpecError
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.splits import split_span
from newsreplay.spec import Spec, Value

MOST = 1_000  #: candidates of a grid; a larger one is sampled


class Sweep(NamedTuple):
    """A spec with lists, unfolded."""

    spec: Spec  #: as it was typed
    values: dict[str, tuple[Value, ...]]  #: of each parameter that is swept
    candidates: list[Spec]  #: in the order of the grid, the last parameter changing fastest
    default: Spec  #: the spec without these parameters


def unfold(spec: Spec, trials: int | None = None, seed: int = 0) -> Sweep:
    """All combinations of the values in a spec's lists; or `trials` of them, drawn without replacement by `seed`.

    A parameter that takes a list itself is swept over lists, and one such list alone is its value.

    >>> [str(one) for one in unfold(Spec("trend", (("hours", (1, 2)),))).candidates]
    ['trend(hours=1)', 'trend(hours=2)']
    >>> [str(one) for one in unfold(Spec("mine", (("layers", ((64,), (64, 32))), ("rate", 0.1)))).candidates]
    ['mine(layers=[64], rate=0.1)', 'mine(layers=[64, 32], rate=0.1)']

    Raises `SpecError` where nothing is swept, a value stands twice, or the whole grid is too large.
    """
    values = {name: value for name, value in spec.parameters if isinstance(value, tuple)}
    if not any(len(several) > 1 for several in values.values()):
        raise SpecError(f"{spec} has nothing to tune; give a parameter several values: {spec.name}(parameter=[1, 2])")
    for name, several in values.items():
        if not several or len({repr(value) for value in several}) < len(several):
            raise SpecError(f"{spec}: {name} has no values, or one of them twice; name each once")
    size = prod(map(len, values.values()))
    if min(size, trials or size) > MOST:
        raise SpecError(f"{spec} has {size:,} combinations; try some of them, --trials 100")
    places = np.arange(size)
    if trials is not None and trials < size:
        places = np.sort(np.random.default_rng(seed).choice(size, trials, replace=False))
    candidates = [_candidate(spec, values, place) for place in places.tolist()]
    kept = tuple((name, value) for name, value in spec.parameters if name not in values)
    return Sweep(spec, values, candidates, spec._replace(parameters=kept))


def _candidate(spec: Spec, values: dict[str, tuple[Value, ...]], place: int) -> Spec:
    """The combination at a place of the grid."""
    at = np.unravel_index(place, [len(several) for several in values.values()])
    chosen = {name: several[int(i)] for (name, several), i in zip(values.items(), at, strict=True)}
    return spec._replace(parameters=tuple((name, chosen.get(name, value)) for name, value in spec.parameters))


class Stretches(NamedTuple):
    """What is scored to choose, and what to report on what was chosen."""

    early: Scope
    late: Scope


def stretches(
    dataset: Dataset,
    scope: Scope,
    choose: int | None,
    split: str | None = None,
    publishers: Collection[str] | None = None,
) -> Stretches:
    """A scope in two: the sessions that begin within `choose` ms after its warm-up, and those after them.

    By default that is half of the time that `publishers` (None: all) have. With `split` the later stretch is a data
    set's named one, and the early one all between the warm-up and it. Raises `NewsreplayError` where nothing is left of
    either.
    """
    if split is not None:
        if choose is not None or scope.window is not None:
            raise NewsreplayError("a split says what is reported on; leave --choose and --window out")
        begin, window = split_span(dataset, split)
        end = begin if window is None else begin + window
        choose = begin - scope.warmup
    else:
        facts = [one for one in dataset.card["publishers"] if publishers is None or one["publisher"] in publishers]
        if not facts:
            raise NewsreplayError(
                f"{dataset.name} has none of these publishers; it has {', '.join(dataset.publishers)}"
            )
        whole = max(one["last"] - one["first"] for one in facts) + 1
        window = scope.window
        end = whole if window is None else min(whole, scope.warmup + window)
        choose = (end - scope.warmup) // 2 if choose is None else choose
        begin = scope.warmup + choose
        window = None if window is None else window - choose
    if choose <= 0 or (split is None and begin >= end):
        raise NewsreplayError(
            "the stretch to choose on, or the one to report on, is empty; the log is scored for "
            f"{max(0, end - scope.warmup) / 3_600_000:.1f} hours after the warm-up: give --choose a part of them"
        )
    return Stretches(replace(scope, window=choose), replace(scope, warmup=begin, window=window))

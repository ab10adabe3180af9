"""Metrics of one's own: a function over the judged columns of a run, measured as newsreplay's own metrics are.

    def late_night_success(judged):
        late = judged.reads.time // 3_600_000 % 24 >= 22
        return judged.per_read(100 * (judged.place == 1), late)

It is a ratio of sums over sessions, reads, requests or impressions (`JudgedColumns.per_session` and its like), with the
paired bootstrap of `intervals`. Higher is better. An installed package offers one under a short name with an entry
point:

    [project.entry-points."newsreplay.metrics"]
    late_night_success = "my_pkg.metrics:late_night_success"
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import NamedTuple

import numpy as np

from newsreplay.errors import DataError, NewsreplayError, SpecError
from newsreplay.log.rows import Column
from newsreplay.plug_ins import PlugIns
from newsreplay.recommenders.registry import check_values, construct, load
from newsreplay.simulator.judgement.counting import FEW
from newsreplay.simulator.judgement.intervals import REPLICATES, percentiles, ratios, resample
from newsreplay.simulator.judgement.measures import IMPRESSIONS, MEANS, POOLED, SLATES, WHOLES
from newsreplay.simulator.judgement.metrics import Result
from newsreplay.simulator.runs.columns import ungrouped
from newsreplay.simulator.runs.folder import AddedMetric, RunFolder
from newsreplay.simulator.runs.judged import JudgedColumns, Ratio, ScoredColumns
from newsreplay.spec import Spec, parse_spec
from newsreplay.traces import one_line, place_of

#: Metrics that are measured where they are named alone, as one's own are: their classes.
ON_DEMAND = {
    name: f"newsreplay.simulator.runs.normative:{name.capitalize()}"
    for name in ("calibration", "fragmentation", "activation", "representation")
}
_OWN = {
    *(name.partition("@")[0] for name in (*SLATES, *IMPRESSIONS, POOLED, *MEANS, *WHOLES, "read_success")),
    *ON_DEMAND,
}
PLUG_INS = PlugIns("newsreplay.metrics", "metric", lambda name: name.partition("@")[0] in _OWN)


class OwnMetric(NamedTuple):
    """A metric of one's own."""

    name: str  #: as it is shown
    function: Callable[[JudgedColumns], object]


def is_own(name: str) -> bool:
    """Whether a metric is measured where it is named alone: a file's, a package's, or one of `ON_DEMAND`."""
    try:
        return ":" in name or parse_spec(name).name in (*ON_DEMAND, *PLUG_INS.names())
    except SpecError:  # no name at all
        return False


def find_metric(name: str) -> OwnMetric:
    """The metric that "my_metrics.py:late", "my_pkg.metrics:Late(hour=22)" or a short name names.

    Parameters are those of a function after its first, or of a class, whose object is called. Raises `SpecError`.
    """
    spec = parse_spec(name)
    if spec.name in ON_DEMAND:
        measure = load(ON_DEMAND[spec.name], spec.name)
        return OwnMetric(str(spec), construct(measure, spec, spec.positional, dict(spec.parameters)))
    try:
        offer = PLUG_INS.find(spec.name)
    except NewsreplayError as error:
        raise SpecError(str(error)) from None
    with redirect_stdout(sys.stderr):  # what strangers print
        found = load(offer.target if offer else spec.name, spec.name)
        if inspect.isclass(found):
            found = construct(found, spec, spec.positional, dict(spec.parameters))
        elif callable(found):
            found = _with_values(found, spec)
    return own_metric(found, str(spec))


def own_metric(function: object, name: str | None = None) -> OwnMetric:
    """A function, or an object that can be called, as a metric; by default it is called as the function is.

    Raises `SpecError` where it cannot be called, has no name, or that of one of newsreplay's metrics.
    """
    if not callable(function) or inspect.isclass(function):
        raise SpecError(f"{name or repr(function)[:60]} is no metric: write a function that takes the judged columns")
    name = name or str(getattr(function, "__name__", type(function).__name__))
    if PLUG_INS.is_own(name):
        raise SpecError(f"a metric cannot be called {name!r}, which is one of newsreplay's; choose another name")
    if name == "<lambda>":
        raise SpecError("a lambda has no name; give one: measure(function, name='late')")
    return OwnMetric(name, function)


def _with_values(function: Callable[..., object], spec: Spec) -> Callable[[JudgedColumns], object]:
    """A function with the values that its name was given, which follow the columns."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise SpecError(f"{spec.name} is no function in Python") from None
    parameters = [*signature.parameters.values()]
    if not parameters:
        raise SpecError(f"{spec.name} takes nothing; a metric takes the judged columns")
    check_values(spec, signature.replace(parameters=parameters[1:]))

    @functools.wraps(function)
    def call(judged: JudgedColumns) -> object:
        return function(judged, *spec.positional, **dict(spec.parameters))

    return call


def measure(run: RunFolder, metric: OwnMetric) -> list[Result]:
    """Measure a metric of one's own on a run, which has it from then on; returns its results.

    What its function does wrong costs no more than the values it is wrong about, and is told in `AddedMetric.errors`;
    what it needs and a publisher does not tell (`DataError`), in `AddedMetric.untold`.
    """
    added = AddedMetric([], {}, {}, {}, [])
    for publisher in run.publishers:
        _measure_publisher(run, publisher, metric, added)
    run.add(metric.name, added)
    return added.results


def _measure_publisher(run: RunFolder, publisher: str, metric: OwnMetric, added: AddedMetric) -> None:
    scored = ScoredColumns(run, publisher)
    names = list(dict.fromkeys(result.recommender for result in run.results if result.publisher == publisher))
    found: dict[str, Ratio] = {}
    for name in names:
        try:
            found[name] = _ratio(metric, JudgedColumns(scored, name), next(iter(found.values()), None))
        except DataError as error:  # a fact of the data, no failure
            if str(error) not in added.untold:
                added.untold.append(str(error))
        except Exception as error:
            added.errors.setdefault(_told(error), []).append(f"{name} on {publisher}")
    units, unit, alone = _clusters(scored, next(iter(found.values()), None))
    tables = {
        name: np.column_stack([np.bincount(unit, column, len(units)) for column in ratio[1:]])
        for name, ratio in found.items()
    }
    seed = int(run.info["options"]["seed"])
    drawn = dict(zip(found, resample([*tables.values()], units, seed=seed, publisher=publisher), strict=True))
    replicates = np.full((len(names), REPLICATES), np.nan)
    for place, name in enumerate(names):
        if name not in found:
            added.results.append(Result(publisher, name, metric.name, None, None, None, 0))
            added.ratios[publisher, name] = np.zeros(int(alone.max(initial=-1)) + 1)
            continue
        above, below = (np.bincount(alone, column) for column in found[name][1:])
        replicates[place] = ratios(*drawn[name])
        added.ratios[publisher, name] = np.divide(above, below, out=np.zeros(len(above)), where=below > 0)
        few = int(np.count_nonzero(above)) < FEW
        added.results.append(_result(publisher, name, metric.name, found[name], tables[name], replicates[place], few))
    added.replicates[publisher] = replicates


def _result(
    publisher: str, name: str, metric: str, ratio: Ratio, table: Column, replicates: Column, few: bool
) -> Result:
    above, below = table.sum(axis=0)
    value = float(f"{above / below:.12g}") if below else None
    bounds = (float(bound[0]) for bound in percentiles(replicates[None]))
    low, high = (None if few or np.isnan(bound) else float(f"{bound:.12g}") for bound in bounds)
    return Result(publisher, name, metric, value, low, high, int(np.count_nonzero(ratio.below)))


def _ratio(metric: OwnMetric, judged: JudgedColumns, before: Ratio | None) -> Ratio:
    """What a metric makes of a recommender's columns; `before` is what it made of another's."""
    with redirect_stdout(sys.stderr):  # what strangers print
        made = metric.function(judged)
    if not isinstance(made, Ratio):
        raise NewsreplayError(
            f"it returned {type(made).__name__}; return judged.per_session(…), per_read(…), per_request(…) or "
            "per_impression(…)"
        )
    if before is not None and before.over != made.over:
        raise NewsreplayError(f"it returned per_{made.over} here and per_{before.over} before; return one of them")
    return made


def _clusters(scored: ScoredColumns, ratio: Ratio | None) -> tuple[Column, Column, Column]:
    """What is resampled, which of it each entry of a ratio is in, and that before any grouping, counted from 0."""
    if ratio is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
    facts = scored.run.facts(scored.publisher)
    if ratio.over == "session":
        cluster, alone = scored.sessions.cluster, scored.sessions.ungrouped
    elif ratio.over == "impression":
        assert scored.impressions is not None
        cluster, alone = scored.impressions.cluster, ungrouped(scored.impressions, facts["impressions_resampled"])
    else:
        columns = scored.reads if ratio.over == "read" else scored.requests
        cluster, alone = columns.cluster, ungrouped(columns, facts["resampled"])
    units, unit = np.unique(cluster, return_inverse=True)
    return units.astype(np.int64), unit, np.unique(alone, return_inverse=True)[1]


def _told(error: Exception) -> str:
    """An error of a metric's function in a line, with the last line of its own files."""
    return one_line(error) + (place_of(error) if isinstance(error, NewsreplayError) else "")

"""What is shown of a publisher: few scored sessions tell nothing of slates.

`results.json` keeps such values with their n; tables, pictures and pages show none, unless a metric is asked for by
name. `hides` is where that is decided.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from newsreplay.report.headings import HEADLINE, heading, is_of_slates, metric_named
from newsreplay.report.records import Note
from newsreplay.simulator.judgement.metrics import Measured, Result
from newsreplay.simulator.runs.folder import RunFolder
from newsreplay.simulator.runs.own_metrics import find_metric, is_own, measure
from newsreplay.simulator.runs.records import PublisherRecord

FEW_SESSIONS = 30  #: scored sessions of a publisher; with fewer, metrics of slates are not shown


def hides(facts: PublisherRecord, metric: str, named: Collection[str] = (), few: int = FEW_SESSIONS) -> bool:
    """Whether a metric of a publisher has no value where it is shown: it is of slates, of fewer than `few` sessions.

    `named` are the metrics that somebody asked for by name: those are shown.
    """
    return facts["scored_sessions"] < few and is_of_slates(metric) and metric not in named


def shown(run: RunFolder, publisher: str, named: Collection[str] = (), few: int = FEW_SESSIONS) -> Measured:
    """A publisher's results and replicates as they are shown: what `hides` says has no value, but its n."""
    facts, measured = run.facts(publisher), run.measured(publisher)
    hidden = [hides(facts, result.metric, named, few) for result in measured.results]
    if not any(hidden):
        return measured
    results = [
        result._replace(value=None, low=None, high=None) if is_hidden else result
        for result, is_hidden in zip(measured.results, hidden, strict=True)
    ]
    mask = np.array(hidden).reshape(measured.replicates.shape[:2])
    return measured._replace(results=results, replicates=np.where(mask[:, :, None], np.nan, measured.replicates))


def metrics_of(runs: Sequence[RunFolder], names: Iterable[str]) -> list[str]:
    """The metrics that somebody asked for, by heading or name; those of their own are measured first.

    Raises `SpecError` where one of their own cannot be had.
    """
    found = []
    for text in names:
        name = metric_named(text)
        without = [run for run in runs if all(result.metric != name for result in run.results)]
        if without and is_own(name):
            metric = find_metric(name)
            for run in without:
                measure(run, metric)
            name = metric.name
        found.append(name)
    return found


def usual_metric(results: Iterable[Result]) -> str:
    """The metric that ranks by default, of results as they are shown: E@1, or AUC where only that has values."""
    valued = {result.metric for result in results if result.value is not None}
    return "auc" if "auc" in valued and HEADLINE not in valued else HEADLINE


def headline(facts: PublisherRecord) -> str:
    """The metric that ranks on a publisher: E@1, or AUC where E@1 is not shown and impressions are scored."""
    return "auc" if hides(facts, HEADLINE) and facts["scored_impressions"] else HEADLINE


def few_notes(facts: PublisherRecord, named: Collection[str] = (), few: int = FEW_SESSIONS) -> list[Note]:
    """Why metrics of slates have no value on a publisher, and a warning of those that were asked for by name."""
    name, sessions = facts["publisher"], facts["scored_sessions"]
    if not hides(facts, HEADLINE, few=few) or not (sessions or facts["scored_impressions"]):
        return []  # enough sessions; or nothing at all is scored, which has its own note
    text = (
        f"{name} has {sessions:,} scored session{'' if sessions == 1 else 's'}, fewer than {few}: too few for metrics "
        "of slates (E, P, hits, rankings of slates, misses), which are not shown unless they are asked for by name; "
        "it is left out of mean ranks by them"
    )
    asked = [heading(metric).text for metric in dict.fromkeys(named) if is_of_slates(metric)]
    result = [Note("warning", text)]
    if asked and sessions:
        text = f"{', '.join(asked)} of {name}: asked for by name, but {sessions:,} scored sessions tell little"
        result.append(Note("warning", text))
    return result


def own_notes(run: RunFolder) -> list[Note]:
    """What went wrong with metrics of somebody's own, and what data do not tell that those on demand need."""
    untold = [
        Note("note", f"{metric.partition('(')[0]}: {text}")
        for metric, added in run.added.items()
        for text in added.untold
    ]
    return untold + [
        Note("failed", f"FAILED: {metric} of {pairs[0]}{f' and {len(pairs) - 1} more' * (len(pairs) > 1)}: {text}")
        for metric, added in run.added.items()
        for text, pairs in added.errors.items()
    ]

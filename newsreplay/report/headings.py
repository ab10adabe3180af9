"""How metrics are headed and formatted: the column of `event_success@1` is E@1, in per cent."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from newsreplay.errors import NewsreplayError, did_you_mean
from newsreplay.simulator.judgement.measures import SLATES

if TYPE_CHECKING:
    from newsreplay.log.rows import Asks
    from newsreplay.simulator.judgement.measures import Reward

HEADLINE = "event_success@1"  #: the metric that ranks by default


class Heading(NamedTuple):
    """A metric as it is shown."""

    text: str  #: heading of its column, without the cut-off
    unit: str  #: "%" (a share, shown times 100), "bits", "h", "s"
    higher_is_better: bool | None  #: None = it describes a recommender, it does not judge it
    meaning: str  #: half a sentence


HEADINGS = {
    "event_success": Heading("E", "%", True, "event-level success: hits per scored session"),
    "session_success": Heading("P", "%", True, "session-level success: share of scored sessions with a hit"),
    "read_success": Heading("hits", "%", True, "share of the reads after a session's first instant that were hits"),
    "session_hit_rate": Heading("hit rate", "%", True, "share of requests with a relevant article in the slate"),
    "session_mrr": Heading("slate MRR", "%", True, "mean of 1 / rank of the first relevant article of a slate"),
    "session_ndcg": Heading("slate nDCG", "%", True, "nDCG of slates"),
    "session_recall": Heading("recall", "%", True, "share of the relevant articles that stand in the slate"),
    "auc": Heading("AUC", "%", True, "per impression: chance that a clicked candidate scores above one passed over"),
    "mrr": Heading("MRR", "%", True, "per impression: mean of 1 / rank over all clicked candidates, as MIND has it"),
    "mrr_first": Heading("MRR first", "%", True, "per impression: 1 / rank of the first clicked candidate"),
    "ndcg": Heading("nDCG", "%", True, "nDCG of impressions"),
    "auc_pooled": Heading("pooled AUC", "%", True, "AUC over the candidates of all impressions together"),
    "tied": Heading("tied", "%", None, "share of impressions in which a clicked and a passed-over candidate tie"),
    "coverage": Heading("coverage", "%", None, "share of the known articles that were recommended at all"),
    "novelty": Heading("novelty", "bits", None, "mean self-information of the recommended articles' reads so far"),
    "popularity": Heading("popularity", "%", None, "mean percentile of the recommended articles by reads so far"),
    "age": Heading("age", "h", None, "mean time since the recommended articles became known"),
    "category_diversity": Heading("categories", "%", None, "evenness of the recommended categories (entropy)"),
    "diversity": Heading("diversity", "%", None, "share of a slate's pairs whose categories differ"),
    "gini": Heading("Gini", "%", None, "inequality of how often articles are recommended; 0 = all alike"),
}
#: Of metrics that are measured where they are named alone (docs/metrics.md, normative diversity).
NORMATIVE = {
    "calibration": "distance of slates from what the reader read before; 0 = alike, 1 = nothing in common",
    "fragmentation": "distance of slates from what another reader was offered just before",
    "activation": "distance of how stirring slates are from how stirring the articles of the last hours are",
    "representation": "distance of slates from the articles of the last hours",
}


_READ_AT_IMPRESSIONS = "share of the reads that an impression brought, or that follow one, that were hits"


def titled(name: str, asks: Asks) -> str:
    """What stands above a report of a data set: its name, and what asked for slates if reads did not."""
    return name if asks == "reads" else f"{name}, requests at impressions (lower bounds)"


LEAKS = " (leaks)"  #: behind the name of a recommender that was given the future, wherever it is shown
#: In the words of a note.
IN_UNITS = {"%": "in per cent", "h": "in hours", "s": "in seconds", "bits": "in bits", "": "as it is"}


OF_SLATES = (*SLATES, "read_success")  #: metrics that judge slates by what scored sessions read


def is_of_slates(metric: str) -> bool:
    """Whether a metric judges slates by what scored sessions read.

    >>> is_of_slates("event_success@1"), is_of_slates("auc")
    (True, False)
    """
    return metric.partition("@")[0] in OF_SLATES


_FILE = re.compile(r"^[^(]*:")  #: of somebody's own metric, as my_metrics.py:late(hour=22)
_DWELL = "event-level success: seconds for which hits were read, per scored session"


def heading(metric: str, asks: Asks = "reads", reward: Reward | None = None) -> Heading:
    """The heading of a metric, its cut-off in the text; those of slates say so where impressions asked for these.

    A `reward` other than None is what event-level success sums.

    >>> heading("event_success@1").text, heading("auc").unit, heading("event_success@1", "impressions").text
    ('E@1', '%', 'impr. E@1')
    >>> heading("my_metrics.py:late(hour=22)").text
    'late(hour=22)'
    """
    name, _, cut = metric.partition("@")
    if (named := name.partition("(")[0]) in NORMATIVE:
        return Heading(metric, "", None, NORMATIVE[named])
    known = HEADINGS.get(name, Heading(_FILE.sub("", name), "", True, name))  # somebody's own (docs/packages.md)
    if reward == "dwell" and name == "event_success":
        known = known._replace(text="E dwell", unit="s", meaning=_DWELL)
    if asks == "impressions" and is_of_slates(metric):
        meaning = _READ_AT_IMPRESSIONS if name == "read_success" else known.meaning
        known = known._replace(text=f"impr. {known.text}", meaning=f"{meaning}; at impressions, a lower bound")
    return known._replace(text=f"{known.text}@{cut}") if cut else known


def metric_named(text: str) -> str:
    """The metric of a heading ("E@1") or of its own name ("event_success@1").

    >>> metric_named("E@1"), metric_named("p@1"), metric_named("nDCG@10"), metric_named("Calibration(by=article)")
    ('event_success@1', 'session_success@1', 'ndcg@10', 'calibration(by=article)')
    """
    named, bracket, values = text.partition("(")
    if named.lower() in NORMATIVE:
        return f"{named.lower()}{bracket}{values}"
    name, at, cut = text.partition("@")
    names = {known.text.lower(): metric for metric, known in HEADINGS.items()}
    return f"{names.get(name.lower(), name)}{at}{cut}"


def no_such_metric(metric: str, known: Iterable[str]) -> NewsreplayError:
    """The error for a name that no metric has: the nearest of those that are known, or all of them.

    >>> print(no_such_metric("slate ndgc@10", ["session_mrr@10", "session_ndcg@10"]))
    no metric is called 'slate ndgc@10'. Did you mean 'session_ndcg@10'?
    >>> print(no_such_metric("Calibraton", ["session_mrr@10"]))
    no metric is called 'Calibraton'. Did you mean 'calibration'?
    """
    names = list(dict.fromkeys([*known, *NORMATIVE]))
    heads = {heading(name).text: name for name in names}
    near = (
        did_you_mean(metric_named(metric), names)
        or did_you_mean(metric, heads)
        or did_you_mean(metric.lower(), NORMATIVE)
    )
    for text, name in heads.items():
        near = near.replace(repr(text), repr(name))
    hint = near or f"There are {', '.join(names)}."
    return NewsreplayError(f"no metric is called {metric!r}. {hint}")


def check_rank(metric: str) -> None:
    """Raise `NewsreplayError` for a metric that describes recommenders and does not judge them."""
    if heading(metric).higher_is_better is None:
        raise NewsreplayError(f"{metric} describes recommenders, it does not judge them; rank by another metric")


def question(metric: str) -> str:
    """What a metric answers, in words: metrics of one question can stand in a table of their own.

    >>> question("session_mrr@10"), question("auc"), question("novelty@10"), question("my_metrics.py:late")
    ('slates against what was read next', 'candidates of impressions', 'beyond accuracy', "somebody's own")
    """
    if heading(metric).higher_is_better is None and metric != "tied":
        return "beyond accuracy"
    if metric.partition("@")[0] not in HEADINGS and not is_of_slates(metric):
        return "somebody's own"
    return "slates against what was read next" if is_of_slates(metric) else "candidates of impressions"


DIGITS = 2  #: decimals of a column without intervals
SKEWED = 1.5  #: an interval is, if one end lies this many times as far from the value as the other


def digits_for(halves: Iterable[float], metric: str, reward: Reward | None = None) -> int:
    """How many decimals a column deserves: its widest half-width gets two significant digits, with 1 to 3 decimals.

    >>> digits_for([0.00324, 0.00012], "event_success@1"), digits_for([0.052], "auc"), digits_for([], "auc")
    (2, 1, 2)
    """
    widest = _in_unit(max(halves, default=0.0), metric, reward)
    return min(max(1 - math.floor(math.log10(widest)), 1), 3) if widest else DIGITS


def format_half(value: float, metric: str, reward: Reward | None = None, digits: int = 3) -> str:
    """Half the width of an interval as text; one that rounds to nothing is less than the last digit.

    >>> format_half(0.0004, "event_success@1"), format_half(0.000004, "event_success@1"), format_half(0.0, "auc")
    ('0.040', '<0.001', '0.000')
    """
    text = format_value(value, metric, reward, digits)
    return f"<{10**-digits:.{digits}f}" if value > 0 and not float(text) else text


def format_interval(
    value: float, low: float, high: float, metric: str, reward: Reward | None = None, digits: int = 3
) -> str:
    """An interval as text: half its width, or both ends where one is clearly farther from the value than the other.

    >>> format_interval(0.5, 0.48, 0.52, "auc"), format_interval(0.01, 0.004, 0.03, "auc")
    ('±2.000', '0.400–3.000')
    """
    near, far = sorted(round(_in_unit(side, metric, reward) * 10**digits) for side in (value - low, high - value))
    if far > SKEWED * near and far > near + 1:
        return "–".join(format_value(end, metric, reward, digits) for end in (low, high))
    return f"±{format_half((high - low) / 2, metric, reward, digits)}"


def format_value(value: float | None, metric: str, reward: Reward | None = None, digits: int = 3) -> str:
    """A value as text without its unit: shares in per cent.

    >>> format_value(0.11297, "event_success@1"), format_value(7.25, "novelty@10"), format_value(None, "auc")
    ('11.297', '7.250', '-')
    """
    return "-" if value is None else f"{_in_unit(value, metric, reward):z.{digits}f}"


def _in_unit(value: float, metric: str, reward: Reward | None) -> float:
    return 100 * value if heading(metric, reward=reward).unit == "%" else value

"""The names of metrics; docs/metrics.md says what they mean. Imports nothing heavy: command lines are checked by it."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Reward: TypeAlias = Literal["dwell"]  #: what a hit is worth: the seconds for which its article was read
REWARDS: tuple[Reward, ...] = get_args(Reward)

#: What is summed per cut-off: as it is reported, and whether it is a mean over sessions or over requests.
SLATES = {
    "event_success": "sessions",
    "session_success": "sessions",
    "session_hit_rate": "requests",
    "session_mrr": "requests",
    "session_ndcg": "requests",
    "session_recall": "requests",
}
#: Per impression. `mrr` is the mean of 1/rank over all clicked candidates, `mrr_first` 1/rank of the first of them;
#: `tied` is 1 if some clicked and some passed-over candidate have the same score.
IMPRESSIONS = ("auc", "mrr", "mrr_first", "ndcg@5", "ndcg@10", "tied")
POOLED = "auc_pooled"  #: over the candidates of all impressions together
MEANS = ("novelty", "popularity", "age", "diversity")  #: beyond accuracy, averaged over what was recommended
WHOLES = ("coverage", "gini", "category_diversity")  #: beyond accuracy, of all recommendations together


def cut_offs(k: int) -> tuple[int, ...]:
    """The cut-offs reported for slates of k: 1, 5 and 10 as far as k reaches, and k.

    >>> cut_offs(7)
    (1, 5, 7)
    """
    return tuple(sorted({cut for cut in (1, 5, 10, k) if cut <= k}))


def names(k: int) -> list[str]:
    """The metrics of a run with slates of k; some need impressions.

    >>> names(1)[:2], names(1)[-1]
    (['event_success@1', 'session_success@1'], 'category_diversity@1')
    """
    reads = [f"{name}@{cut}" for cut in cut_offs(k) for name in SLATES]
    return [*reads, *IMPRESSIONS, POOLED, *(f"{name}@{k}" for name in (*MEANS, *WHOLES))]

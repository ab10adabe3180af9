"""Pairs of a reader and a candidate: a request's first candidates, scored again from contents."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from newsreplay.log.rows import Column
from newsreplay.recommenders.neural.articles.article_table import ArticleTable
from newsreplay.recommenders.neural.models.fields import Contents
from newsreplay.recommenders.neural.models.model import Inputs, NewsModel

PAIRS = 32  #: scored at a time


def pair_logits(model: NewsModel, contents: Contents, requests: Inputs, first: Tensor, real: Tensor) -> Tensor:
    """Scores [B, W] of the pairs that are `real`, bool[B, W], and 0 elsewhere; `first` are [B, W], too."""
    first = first.float()
    owner, place = real.nonzero(as_tuple=True)
    read, offered = requests.history[owner], requests.pool[owner, place]
    scores = model.score_pairs(
        contents.each(lambda column: column[read]), read > 0, contents.each(lambda column: column[offered]), first[real]
    )
    return torch.zeros_like(first).masked_scatter(real, scores.float())


def scores_of_pairs(
    model: NewsModel,
    articles: ArticleTable,
    device: torch.device,
    history: Column,
    slots: Column,
    first: Column,
    together: int = PAIRS,
) -> Column:
    """float32[P], scores of pairs: of slots read, int64[P, H], offered, int64[P], and scores so far, float32[P].

    So many are scored `together`; the last pair stands in for those that are missing.
    """
    out = np.empty(len(slots), np.float32)
    for begin in range(0, len(slots), together):
        which = np.minimum(np.arange(begin, begin + together), len(slots) - 1)
        read = articles.contents(history[which].ravel()).each(
            lambda column: column.reshape(together, -1, *column.shape[1:]).to(device)
        )
        offered = articles.contents(slots[which]).each(lambda column: column.to(device))
        mask, so_far = (torch.from_numpy(column).to(device) for column in (history[which] > 0, first[which]))
        scores = model.score_pairs(read, mask, offered, so_far).float().cpu().numpy()
        out[begin : begin + together] = scores[: len(slots) - begin]
    return out


def above(scores: Column, short: Column, again: Column) -> Column:
    """Scores of one request's candidates, float32[n], with those of its shortlist, bool[n], replaced by others.

    All else goes below these, in steps: a sum would round its order away. What has no score, -inf, keeps none.
    """
    out = scores.copy()
    out[short] = again
    others = ~short & (scores > -np.inf)
    if short.any() and others.any():
        lowest = float(again.min())
        _, rank = np.unique(-scores[others], return_inverse=True)  # equal ones share a step
        out[others] = lowest - (1 + rank) * max(1.0, abs(lowest) / 1_024)
    return out

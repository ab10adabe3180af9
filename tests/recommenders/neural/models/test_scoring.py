"""Every model as a replay has it answer: from kept vectors, with histories cut and batches padded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from newsreplay.recommenders.neural.articles.article_table import ArticleTable
from newsreplay.recommenders.neural.articles.texts import Vocabulary
from newsreplay.recommenders.neural.cards.features import CardFeatures
from newsreplay.recommenders.neural.learning.cache import VectorCache
from newsreplay.recommenders.neural.learning.pairs import above, pair_logits
from newsreplay.recommenders.neural.learning.requests import RequestBatch
from newsreplay.recommenders.neural.learning.scoring import Scorer
from newsreplay.recommenders.neural.models.fields import CardView, Columns, Contents
from newsreplay.recommenders.neural.models.model import TINY, UNKNOWN, Inputs, NewsModel
from newsreplay.recommenders.neural.models.popularity import PopularityHead
from newsreplay.recommenders.neural.stream.signals import SIGNALS
from tests.recommenders.neural.cards.small_networks import Ink
from tests.recommenders.neural.models.batches import WIDTHS, WORDS, build, some_context, some_signals, stir
from tests.recommenders.neural.models.cases import MODELS, Case, named

SIZE = replace(TINY, history=20)
ITEMS = 90
NAMES = [f"word{number}" for number in range(WORDS - 9)]
FACTS = ("title", "abstract", "category", "subcategory", "entities", "image", "sentiment")
#: Variants of a model, and the models that are of the same kinds as others, are `slow`.
QUICK = ("nrms", "lstur", "caum", "awrs", "crown", "fim", "unbert", "npa", "miner", "glory", "gru4rec", "sasrec")
CASES = [
    pytest.param(case, id=named(case), marks=[pytest.mark.slow] * (case[0] not in QUICK or bool(case[1])))
    for case in MODELS
]


class MadeUp:
    """Facts of articles, the same whenever they are asked for; every seventh has no title."""

    def id(self, item: int) -> str:
        return f"N{item}"

    def category(self, item: int) -> str | None:
        return self.text(item, "category")

    def text(self, item: int, fact: str) -> str | None:
        rng = np.random.default_rng([item, FACTS.index(fact)])
        if fact in ("title", "abstract"):
            count = 0 if item % 7 == 0 else rng.integers(1, 9)
            return " ".join(rng.choice(NAMES, count))
        return str(rng.integers(6)) if fact != "entities" else f'["Q{rng.integers(9)}"]'

    def has_fact(self, fact: str) -> bool:
        return True


def scorer_of(case: Case) -> Scorer:
    """A model with a head, its articles, and nothing kept yet."""
    model = build(*case, SIZE)
    model.head = PopularityHead()
    model.head.calibrate(some_signals(200))
    stir(model.head)
    views = [field.name for field in model.fields if isinstance(field, CardView)]
    cards = CardFeatures(Ink(WIDTHS), None, views) if views else None
    articles = ArticleTable(model.fields, SIZE, Vocabulary(NAMES, 8), MadeUp(), cards=cards)
    articles.slots(np.arange(ITEMS))
    return Scorer(model, VectorCache(model, articles, torch.device("cpu")), SIGNALS)


def some_requests(model: type[NewsModel], pools: list[int], seed: int) -> RequestBatch:
    """Inputs of readers who have read between nothing and all there is room for, with pools of these lengths."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    count = len(pools)
    length = rng.permutation(np.linspace(0, SIZE.history, count).astype(int))
    shape = (count, SIZE.history)
    history = rng.integers(1, ITEMS + 1, shape)
    history[np.arange(SIZE.history) >= length[:, None]] = 0
    at = np.cumsum([0, *pools])
    return RequestBatch(
        rng.integers(UNKNOWN, SIZE.users, count),
        history,
        some_signals(*shape, names=model.signals).values.numpy(),
        some_context(*shape, names=model.context).values.numpy(),
        at,
        np.concatenate([1 + rng.permutation(ITEMS)[:pool] for pool in pools]),
        some_signals(at[-1]).values.numpy(),
        some_context(at[-1], names=model.context).values.numpy(),
        np.arange(count),
        np.arange(count),
    )


def in_full(scorer: Scorer, batch: RequestBatch) -> np.ndarray:
    """The same scores by `forward`, request by request: no history is cut, no batch padded, nothing kept."""
    model = scorer.model
    scores = []
    with torch.inference_mode():
        contents = scorer.cache.articles.contents(np.arange(ITEMS + 1))
        vectors = model.encode(contents)
    for number in range(len(batch.user)):
        own, places = slice(number, number + 1), slice(batch.at[number], batch.at[number + 1])
        history, history_signals, history_context, slots, signals, context, user = map(
            torch.from_numpy,
            (
                batch.history[own],
                batch.history_signals[own],
                batch.history_context[own],
                batch.slot[places][None],
                batch.signals[places][None],
                batch.context[places][None],
                batch.user[own],
            ),
        )
        requests = Inputs(
            history,
            slots,
            Columns(model.signals, history_signals),
            Columns(SIGNALS, signals),
            Columns(model.context, history_context),
            Columns(model.context, context),
            user,
        )
        with torch.inference_mode():
            first = model.scores(vectors, requests, contents)[1 + number % 2]
            scores.append(with_pairs(model, contents, requests, first))
    return np.concatenate(scores)


def with_pairs(model: NewsModel, contents: Contents, requests: Inputs, first: torch.Tensor) -> np.ndarray:
    """Scores of a request, [1, W] → [W], the first of them scored again beside what was read if the model has pairs."""
    scores = first[0].numpy()
    if not model.pairs:
        return scores
    short = np.isin(np.arange(len(scores)), np.argsort(-scores, kind="stable")[: model.pairs])
    again = pair_logits(model, contents, requests, first, torch.from_numpy(short)[None])[0].numpy()
    return above(scores, short, again[short])


def every_other(batch: RequestBatch) -> np.ndarray:
    """Every other request asks for a slate."""
    return np.arange(len(batch.user)) % 2 == 1


def close(scores: np.ndarray, expected: np.ndarray) -> None:
    """To 1e-5 of a score, or of the largest where it is a difference of larger ones."""
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5 * float(np.abs(expected).max()))


@pytest.mark.parametrize("case", CASES)
def test_scores_are_those_of_the_model_that_is_shown_all_in_full(case: Case) -> None:
    scorer = scorer_of(case)
    batch = some_requests(type(scorer.model), [1, 33, 5, 70, 3, 90, 12, 32, 4, 2], seed=5)
    assert {*(batch.history > 0).sum(1).tolist()} >= {0, 20}
    expected = in_full(scorer, batch)
    assert expected.std() > 0.1
    close(scorer.scores(batch, every_other(batch)), expected)
    close(scorer.scores(batch, every_other(batch)), expected)  # from what is kept
    close(
        Scorer(scorer.model, scorer.cache, SIGNALS, requests=1).scores(batch, every_other(batch)), expected
    )  # one by one


@pytest.mark.parametrize("case", CASES)
def test_later_requests_of_a_batch_change_no_bit_of_earlier_ones(case: Case) -> None:
    kept = []
    for pools in ([3], [90, 70, 8, 40, 11]):
        scorer = scorer_of(case)
        first = some_requests(type(scorer.model), [1, 33, 5, 70, 3, 90, 12, 32, 4], seed=7)
        later = some_requests(type(scorer.model), pools, seed=len(pools))
        both = joined(first, later)
        kept.append(scorer.scores(both, every_other(both), 20)[: first.at[-1]].tobytes())
    assert kept[0] == kept[1]


def joined(first: RequestBatch, later: RequestBatch) -> RequestBatch:
    columns = {
        name: np.concatenate([getattr(first, name), getattr(later, name)]) for name in first._fields if name != "at"
    }
    return RequestBatch(at=np.concatenate([first.at, first.at[-1] + later.at[1:]]), **columns)

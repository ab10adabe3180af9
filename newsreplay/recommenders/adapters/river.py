"""river's online models as recommenders (Montiel et al. 2021, "River: machine learning for streaming data in Python").

river is an extra: `pip install "newsreplay[river]"`; it is imported with the first model that is made.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from newsreplay.errors import SpecError
from newsreplay.recommenders.adapters.features import FEATURES
from newsreplay.recommenders.adapters.online import Learner, OfferedArticles, Online
from newsreplay.recommenders.registry import build_value

Told = dict[str, float | str]  #: features by name


class River(Online):
    """What an online model of river rates highest among the articles read last: a classifier, regressor or ranker.

    `model` is a spec, `river(model=river.linear_model.LogisticRegression(l2=0.1))`, or in Python an object,
    `River(model=LogisticRegression(l2=0.1))`. Classifiers and regressors are told `FEATURES` by name
    (`newsreplay.recommenders.adapters.features`), and with `ids` also `reader`, `article` and `category` as text, for
    those that take text (`river.facto`, trees, naive Bayes); classifiers rate by the probability of a click. Rankers
    (`river.reco`) are told reader and article, and the features where they are contextual.

    A slate is chosen among the `candidates` articles read last, within `hours`; a read, or an outcome, is learned
    beside `negatives` articles alive that are drawn at random. A model that a spec names and that draws at random gets
    the run's seed, if it has none; an object is copied as it is.
    """

    def __init__(
        self,
        model: object = "river.linear_model.LogisticRegression(river.optim.SGD(0.05))",
        candidates: int = 100,
        negatives: int = 4,
        hours: int = 24,
        ids: bool = False,
    ):
        super().__init__(candidates, negatives, hours)
        if not isinstance(ids, bool):
            raise SpecError(f"ids must be true or false, not {ids!r}")
        self.ids = ids
        self._is_spec = isinstance(model, str)
        self._estimator = build_value(model) if isinstance(model, str) else model
        self.model = str(model)  # what an object is shown with
        _kind(self._estimator)

    def learner(self) -> Learner:
        """See `Online.learner`."""
        model = _seeded(self._estimator, self.setting.seed) if self._is_spec else copy.deepcopy(self._estimator)
        kind = _kind(model)
        return (
            _Ranker(model) if kind == "ranker" else _OnFeatures(model, kind, self.categories_of if self.ids else None)
        )

    def categories_of(self, items: Sequence[int]) -> list[int]:
        """The numbers of articles' categories, -1 = none."""
        return [int(self.categories.inside[item]) for item in items]


def _kind(model: object) -> str:
    """Whether a model, or the last step of a pipeline, is a classifier, a regressor or a ranker."""
    try:
        from river import base, reco
    except ModuleNotFoundError:
        raise SpecError('river is not installed: pip install "newsreplay[river]"') from None

    kinds = {"ranker": reco.base.Ranker, "classifier": base.Classifier, "regressor": base.Regressor}
    for kind, of_kind in kinds.items():
        if isinstance(model, of_kind):
            return kind
    raise SpecError(f"model must be a classifier, regressor or ranker of river, not {model!r:.100}")


def _seeded(model: Any, seed: int) -> Any:
    """A fresh model that draws from this seed wherever it has none."""
    return model.clone(_with_seed(model._get_params(), seed))


def _with_seed(parameters: dict[str, object], seed: int) -> dict[str, object]:
    """The parameters that `clone` takes, those called `seed` filled in where they are None, however deep."""
    filled: dict[str, object] = {}
    for name, value in parameters.items():
        if isinstance(value, dict):  # a step of a pipeline
            filled[name] = _with_seed(value, seed)
        elif isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], dict):  # an object inside
            filled[name] = (value[0], _with_seed(value[1], seed))
        else:
            filled[name] = seed if name == "seed" and value is None else value
    return filled


class _Ranker:
    """A ranker of one replay."""

    def __init__(self, model: Any):
        self.model = model

    def _contexts(self, offered: OfferedArticles) -> list[Told | None]:
        return [*_by_name(offered)] if self.model.is_contextual else [None] * len(offered.items)

    def rate(self, offered: OfferedArticles) -> list[float]:
        """See `Learner.rate`."""
        told = zip(offered.items, self._contexts(offered), strict=True)
        return [float(self.model.predict_one(offered.user, item, x)) for item, x in told]

    def learn(self, offered: OfferedArticles, clicked: Sequence[bool]) -> None:
        """See `Learner.learn`."""
        for item, x, y in zip(offered.items, self._contexts(offered), clicked, strict=True):
            self.model.learn_one(offered.user, item, float(y), x)


class _OnFeatures:
    """A classifier or regressor of one replay."""

    def __init__(self, model: Any, kind: str, categories_of: Callable[[Sequence[int]], list[int]] | None):
        self.model = model
        self.categories_of = categories_of
        self.target: type = bool if kind == "classifier" else float
        self.predict: Callable[[Told], float] = self._probability if kind == "classifier" else self._value

    def _told(self, offered: OfferedArticles) -> list[Told]:
        told = _by_name(offered)
        if self.categories_of is not None:
            for x, item, category in zip(told, offered.items, self.categories_of(offered.items), strict=True):
                x.update(reader=str(offered.user), article=str(item), category=str(category))
        return told

    def _probability(self, x: Told) -> float:
        try:
            return float(self.model.predict_proba_one(x).get(True, 0.0))
        except NotImplementedError:  # it has labels only
            self.predict = self._value
            return self._value(x)

    def _value(self, x: Told) -> float:
        return float(self.model.predict_one(x) or 0.0)

    def rate(self, offered: OfferedArticles) -> list[float]:
        """See `Learner.rate`."""
        return [self.predict(x) for x in self._told(offered)]

    def learn(self, offered: OfferedArticles, clicked: Sequence[bool]) -> None:
        """See `Learner.learn`."""
        for x, y in zip(self._told(offered), clicked, strict=True):
            self.model.learn_one(x, self.target(y))


def _by_name(offered: OfferedArticles) -> list[Told]:
    return [dict(zip(FEATURES, row, strict=True)) for row in offered.features.tolist()]

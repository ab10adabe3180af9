"""river's online models as recommenders (Montiel et al. 2021, "River: machine learning for streaming data in Python").

river is an extra: `pip install "newsreplay[river]"`; it is imported with the first model that is made.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from newsreplay.errors import SpecError
from newsreplay.recommenders.adapters.features import FEATURES
from newsreplay.recommenders.adapters.online import Learner, OfferedArticles, Online
from newsreplay.recommenders.registry import build_value

if TYPE_CHECKING:
    from river.base import Base, Classifier, Regressor
    from river.reco.base import Ranker

Told: TypeAlias = dict[Hashable, float | str]  #: features by name
CategoriesOf: TypeAlias = Callable[[Sequence[int]], list[int]]


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
        self._estimator: Any = build_value(model) if isinstance(model, str) else model
        self.model = str(model)  # what an object is shown with
        _learner(self._estimator, None)

    def learner(self) -> Learner:
        """See `Online.learner`."""
        model = _seeded(self._estimator, self.setting.seed) if self._is_spec else copy.deepcopy(self._estimator)
        return _learner(model, self.categories_of if self.ids else None)

    def categories_of(self, items: Sequence[int]) -> list[int]:
        """The numbers of articles' categories, -1 = none."""
        return [int(self.categories.inside[item]) for item in items]


def _learner(model: object, categories_of: CategoriesOf | None) -> Learner:
    """A model of river, or a pipeline that ends in one, as a learner."""
    try:
        from river import base, reco
    except ModuleNotFoundError:
        raise SpecError('river is not installed: pip install "newsreplay[river]"') from None

    if isinstance(model, reco.base.Ranker):
        return _Ranker(model)
    if isinstance(model, base.Classifier):
        return _Classifier(model, categories_of)
    if isinstance(model, base.Regressor):
        return _Regressor(model, categories_of)
    raise SpecError(f"model must be a classifier, regressor or ranker of river, not {model!r:.100}")


def _seeded(model: Base, seed: int) -> Base:
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

    def __init__(self, model: Ranker):
        self.model = model

    def _contexts(self, offered: OfferedArticles) -> list[Told | None]:
        return [*_by_name(offered)] if self.model.is_contextual else [None] * len(offered.items)

    def rate(self, offered: OfferedArticles) -> list[float]:
        """See `Learner.rate`."""
        told = zip(offered.items, self._contexts(offered), strict=True)
        return [float(self.model.predict_one(offered.user, item, x)) for item, x in told]  # type: ignore[arg-type]

    def learn(self, offered: OfferedArticles, clicked: Sequence[bool]) -> None:
        """See `Learner.learn`."""
        for item, x, y in zip(offered.items, self._contexts(offered), clicked, strict=True):
            self.model.learn_one(offered.user, item, y, x)


class _OnFeatures(ABC):
    """A model of one replay that is told features."""

    target: ClassVar[type] = float  #: what it learns: 1.0 and 0.0, or True and False

    def __init__(self, model: Classifier | Regressor, categories_of: CategoriesOf | None):
        self.model = model
        self.categories_of = categories_of

    @abstractmethod
    def _predicted(self, x: Told) -> float: ...

    def _told(self, offered: OfferedArticles) -> list[Told]:
        told = _by_name(offered)
        if self.categories_of is not None:
            for x, item, category in zip(told, offered.items, self.categories_of(offered.items), strict=True):
                x.update(reader=str(offered.user), article=str(item), category=str(category))
        return told

    def rate(self, offered: OfferedArticles) -> list[float]:
        """See `Learner.rate`."""
        return [self._predicted(x) for x in self._told(offered)]

    def learn(self, offered: OfferedArticles, clicked: Sequence[bool]) -> None:
        """See `Learner.learn`."""
        for x, y in zip(self._told(offered), clicked, strict=True):
            self.model.learn_one(x, self.target(y))


class _Classifier(_OnFeatures):
    """A classifier of one replay: the probability of a click, or the label where it tells nothing else."""

    target = bool
    model: Classifier

    def _predicted(self, x: Told) -> float:
        try:
            return float(self.model.predict_proba_one(x).get(True, 0.0))
        except NotImplementedError:
            return float(bool(self.model.predict_one(x)))


class _Regressor(_OnFeatures):
    """A regressor of one replay."""

    model: Regressor

    def _predicted(self, x: Told) -> float:
        return float(self.model.predict_one(x))


def _by_name(offered: OfferedArticles) -> list[Told]:
    return [dict(zip(FEATURES, row, strict=True)) for row in offered.features.tolist()]

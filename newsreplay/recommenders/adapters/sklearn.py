"""scikit-learn's models with `partial_fit` as recommenders (Pedregosa et al. 2011).

scikit-learn is an extra: `pip install "newsreplay[sklearn]"`; it is imported with the first model that is made.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from newsreplay.errors import SpecError
from newsreplay.log.rows import Column
from newsreplay.recommenders.adapters.online import Learner, OfferedArticles, Online
from newsreplay.recommenders.registry import build_value
from newsreplay.spec import whole


class Sklearn(Online):
    """What a model of scikit-learn with `partial_fit` rates highest among the articles read last.

    `model` is a spec, `sklearn(model=sklearn.linear_model.SGDClassifier(loss=log_loss))`, or in Python an object, a
    classifier or regressor with `partial_fit(X, y)`. A row of X has the `FEATURES` in their order
    (`newsreplay.recommenders.adapters.features`). Examples are taken in `batch` at a time; until the first of these is
    full all articles are equal, and slates are of those read last. Classifiers rate by their decision function or,
    without one, by the probability of a click.

    `candidates`, `negatives` and `hours` are those of `river`. A model that a spec names and that draws at random gets
    the run's seed, if it has none; an object is copied as it is.
    """

    def __init__(
        self,
        model: object = "sklearn.linear_model.SGDClassifier(loss=log_loss)",
        candidates: int = 100,
        negatives: int = 4,
        hours: int = 24,
        batch: int = 100,
    ):
        super().__init__(candidates, negatives, hours)
        self.batch = whole("batch", batch, at_least=1)
        self._is_spec = isinstance(model, str)
        self._estimator: Any = build_value(model) if isinstance(model, str) else model
        self.model = " ".join(str(model).split())  # what an object is shown with
        if not callable(getattr(self._estimator, "partial_fit", None)):
            raise SpecError(f"model must have partial_fit(X, y), which {self.model:.100} has not")

    def learner(self) -> Learner:
        """See `Online.learner`."""
        model = copy.deepcopy(self._estimator)
        if self._is_spec:
            unseeded = [
                name
                for name, value in model.get_params().items()
                if name.split("__")[-1] == "random_state" and value is None
            ]
            model.set_params(**dict.fromkeys(unseeded, self.setting.seed % 2**32))
        return _Batches(model, self.batch)


class _Batches:
    """A model of one replay, and the examples that it has not been taught yet."""

    def __init__(self, model: Any, batch: int):
        from sklearn.base import is_classifier

        self.model = model
        self.batch = batch
        self.fitted = False
        self.examples: list[Column] = []
        self.clicked: list[bool] = []
        self.classes: dict[str, list[bool]] = {"classes": [False, True]} if is_classifier(model) else {}

    def rate(self, offered: OfferedArticles) -> Sequence[float]:
        """See `Learner.rate`."""
        if not self.fitted:
            return [0.0] * len(offered.items)
        if not self.classes:
            rates = self.model.predict(offered.features)
        elif hasattr(self.model, "decision_function"):
            rates = self.model.decision_function(offered.features)
        else:
            rates = self.model.predict_proba(offered.features)[:, 1]
        rated: list[float] = np.asarray(rates, np.float64).reshape(-1).tolist()
        return rated

    def learn(self, offered: OfferedArticles, clicked: Sequence[bool]) -> None:
        """See `Learner.learn`."""
        self.examples.append(offered.features)
        self.clicked += clicked
        if len(self.clicked) >= self.batch:
            self.model.partial_fit(np.concatenate(self.examples), np.array(self.clicked), **self.classes)
            self.examples, self.clicked, self.fitted = [], [], True

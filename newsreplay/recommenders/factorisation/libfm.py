"""LibFM: a factorisation machine over ids and texts (Rendle 2012), taught event by event."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from newsreplay.kernels.mixing import key_of
from newsreplay.log.catalog import Catalog
from newsreplay.log.rows import DAY, Column, Event
from newsreplay.recommenders.adapters.online import Learner, OfferedArticles, Online
from newsreplay.recommenders.factorisation.described import Described
from newsreplay.recommenders.factorisation.machine import FactorisationMachine, FieldSums, RequestFeatures, Values
from newsreplay.spec import number, whole

USER, READ_TERM, ARTICLE, CATEGORY, TERM = range(5)  #: fields of features
FIELDS = 5


class MachineLearner:
    """A factorisation machine that is told of what it is offered by ids and texts."""

    def __init__(self, texts: Described, machine: FactorisationMachine):
        self.texts, self.machine = texts, machine

    def rate(self, offered: OfferedArticles) -> Sequence[float]:
        """See `Learner.rate`."""
        examples = self.machine.examples(*self._described(offered))
        rates: list[float] = self.logits(examples, self.machine.sums(examples)).tolist()
        return rates

    def learn(self, offered: OfferedArticles, clicked: Sequence[bool]) -> None:
        """See `Learner.learn`; a step on the mean of the log losses of what was offered together."""
        common, own = self._described(offered)
        self.machine.meet([common, *own])
        examples = self.machine.examples(common, own)
        sums = self.machine.sums(examples)
        error = 0.5 * (1 + np.tanh(0.5 * self.logits(examples, sums))) - np.array(clicked)
        self.descend(examples, sums, error / len(error))

    def logits(self, examples: RequestFeatures, sums: FieldSums) -> Column:
        """float64[examples]."""
        return sums.logit

    def descend(self, examples: RequestFeatures, sums: FieldSums, error: Column) -> None:
        """A step, from the derivatives of the loss by the logits."""
        self.machine.learn(examples, sums, error)

    def _described(self, offered: OfferedArticles) -> tuple[Values, list[Values]]:
        """The reader's features, and those of each article."""
        read = self.texts.together(offered.read)
        common: dict[tuple[int, object], float] = {(USER, offered.user): 1.0}
        common.update({(READ_TERM, term): weight for term, weight in read.items()})
        categories = self.texts.of(np.array(offered.items, np.int64)).tolist()
        own: list[Values] = []
        for item, category in zip(offered.items, categories, strict=True):
            values: dict[tuple[int, object], float] = {(ARTICLE, item): 1.0}
            if category >= 0:
                values[CATEGORY, category] = 1.0
            values.update({(TERM, term): weight for term, weight in self.texts.terms(item).items()})
            own.append(values)
        return common, own


class Factorised(Online):
    """Base class of recommenders that rate articles by a factorisation machine; a subclass makes the learner."""

    texts: Described

    def __init__(self, width: int, rate: float, penalty: float, candidates: int, negatives: int, hours: int):
        super().__init__(candidates, negatives, hours)
        self.width = whole("width", width, at_least=1)
        self.rate = number("rate", rate, at_least=1e-6)
        self.penalty = number("penalty", penalty, at_least=0)

    def start(self, catalog: Catalog) -> None:
        """See `Recommender.start`."""
        self.day = -1
        super().start(catalog)

    def described(self, catalog: Catalog) -> Described:
        """See `Online.described`."""
        self.texts = Described(catalog)
        return self.texts

    def machine(self) -> FactorisationMachine:
        """One that has learned nothing."""
        return FactorisationMachine(
            FIELDS, self.width, self.rate, self.penalty, int(key_of(self.setting.seed, "weights"))
        )

    def _make_room(self, event: Event) -> None:
        """See `Online`; before the first row of a day terms are weighed anew, by what was known before it."""
        if event.time // DAY != self.day:
            self.day = event.time // DAY
            self.settle()
            self.texts.weigh()
        super()._make_room(event)


class LibFM(Factorised):
    """A factorisation machine over ids and texts, taught event by event (Rendle 2012: LibFM).

    Features are the reader, the article, its category, the TF-IDF of the terms of its title and abstract, and the
    largest TF-IDF of each term in the reader's 30 latest reads. Terms are weighed anew at midnight (UTC) by the
    articles known by then; readers, articles and terms that no example has had yet count for nothing. Vectors are
    `width` wide and fitted by AdaGrad with the learning rate `rate` and `penalty` on their squares to the log loss of
    every outcome, clicked or passed over; for slates to that of what was read beside `negatives` of the articles alive
    (those read in the last `hours` hours), drawn at random; slates are of the `candidates` read last.

    LibFM itself samples its weights (MCMC) from all data at once, which a stream has not.
    """

    def __init__(
        self,
        width: int = 16,
        rate: float = 0.05,
        penalty: float = 1e-4,
        candidates: int = 100,
        negatives: int = 4,
        hours: int = 24,
    ):
        super().__init__(width, rate, penalty, candidates, negatives, hours)

    def learner(self) -> Learner:
        """See `Online.learner`."""
        return MachineLearner(self.texts, self.machine())

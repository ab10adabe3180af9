"""DeepFM: a factorisation machine, and a network over the same vectors (Guo et al. 2017), taught event by event."""

from __future__ import annotations

import numpy as np

from newsreplay.kernels.mixing import key_of
from newsreplay.log.rows import Column
from newsreplay.recommenders.adapters.online import Learner
from newsreplay.recommenders.factorisation.described import Described
from newsreplay.recommenders.factorisation.libfm import FIELDS, Factorised, MachineLearner
from newsreplay.recommenders.factorisation.machine import FactorisationMachine, FieldSums, RequestFeatures, descend
from newsreplay.spec import whole


class Network:
    """Two layers of ReLU and a linear one: float64[n, wide] → float64[n]; taught by AdaGrad."""

    def __init__(self, wide: int, hidden: int, rate: float, seed: int):
        rng = np.random.default_rng(seed)
        self.rate = rate
        self.weights = [_glorot(rng, *sides) for sides in ((wide, hidden), (hidden, hidden), (hidden, 1))]
        self.biases = [np.zeros(weight.shape[1]) for weight in self.weights]
        self.squares = [np.zeros_like(table) for table in (*self.weights, *self.biases)]

    def layers(self, x: Column) -> list[Column]:
        """What goes into each layer, and the logits, [n, 1]."""
        found = [x]
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x @ weight + bias
            x = x if number == len(self.weights) - 1 else np.maximum(x, 0)
            found.append(x)
        return found

    def learn(self, x: Column, error: Column) -> Column:
        """A step, from the derivatives of a loss by the logits; those by x, as it was before."""
        found, down = self.layers(x), error[:, None]
        gradients: list[tuple[Column, Column]] = []
        for weight, inside in zip(self.weights[::-1], found[-2::-1], strict=True):
            gradients.insert(0, (inside.T @ down, down.sum(0)))
            down = (down @ weight.T) * (inside > 0 if inside is not found[0] else 1.0)
        by_weight, by_bias = zip(*gradients, strict=True)
        tables = (*self.weights, *self.biases)
        for table, squares, gradient in zip(tables, self.squares, (*by_weight, *by_bias), strict=True):
            descend(table, squares, gradient, self.rate)
        return down


def _glorot(rng: np.random.Generator, inside: int, outside: int) -> Column:
    limit = np.sqrt(6 / (inside + outside))
    return rng.uniform(-limit, limit, (inside, outside))


class DeepLearner(MachineLearner):
    """A factorisation machine whose logits a network over the sums of its fields adds to."""

    def __init__(self, texts: Described, machine: FactorisationMachine, network: Network):
        super().__init__(texts, machine)
        self.network = network

    def logits(self, examples: RequestFeatures, sums: FieldSums) -> Column:
        """See `MachineLearner.logits`."""
        return sums.logit + self.network.layers(_side_by_side(sums))[-1][:, 0]

    def descend(self, examples: RequestFeatures, sums: FieldSums, error: Column) -> None:
        """See `MachineLearner.descend`."""
        further = self.network.learn(_side_by_side(sums), error)
        self.machine.learn(examples, sums, error, further.reshape(sums.field.shape))


def _side_by_side(sums: FieldSums) -> Column:
    return sums.field.reshape(len(sums.field), -1)


class DeepFM(Factorised):
    """A factorisation machine, and a network over the same vectors, taught event by event (Guo et al. 2017).

        s = FM(x) + MLP(e_1 ⊕ … ⊕ e_5),  e_f = Σ x_i v_i of a field

    Features and all else are those of `libfm`; fields are the reader, terms read, the article, its category, its terms.
    The network has two layers of `hidden` rectified units.
    """

    def __init__(
        self,
        width: int = 32,
        hidden: int = 128,
        rate: float = 0.05,
        penalty: float = 1e-4,
        candidates: int = 100,
        negatives: int = 4,
        hours: int = 24,
    ):
        super().__init__(width, rate, penalty, candidates, negatives, hours)
        self.hidden = whole("hidden", hidden, at_least=1)

    def learner(self) -> Learner:
        """See `Online.learner`."""
        seed = int(key_of(self.setting.seed, "network"))
        return DeepLearner(self.texts, self.machine(), Network(FIELDS * self.width, self.hidden, self.rate, seed))

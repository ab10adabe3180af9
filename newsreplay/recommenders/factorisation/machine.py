"""A factorisation machine over named features (Rendle 2010), taught by AdaGrad (Duchi et al. 2011).

    s(x) = w_0 + Σ_i w_i x_i + Σ_{i<j} (v_i · v_j) x_i x_j

The pairs are ½ (|Σ_i x_i v_i|² - Σ_i x_i² |v_i|²), so that it takes as long as there are features. A feature that was
in no example yet is not there. The articles of one request have the reader's features in common, which are summed once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from newsreplay.log.growing import with_room
from newsreplay.log.rows import Column

NOISE = 0.01  #: standard deviation of the vectors of new features
EPSILON = 1e-8

Feature = tuple[int, object]  #: its field, and what it is there
Values = Mapping[Feature, float]


class Features(NamedTuple):
    """Features of examples, one behind the other."""

    row: Column  #: int64[n], of the tables
    value: Column  #: float64[n]
    field: Column  #: int64[n]
    owner: Column  #: int64[n], the example; of those in common 0


class RequestFeatures(NamedTuple):
    """Articles of one request."""

    common: Features
    own: Features
    articles: int


class FieldSums(NamedTuple):
    """What a machine makes of examples."""

    logit: Column  #: float64[examples]
    field: Column  #: float64[examples, fields, width], Σ x_i v_i of each field


class FactorisationMachine:
    """Weights and vectors of features, in the order in which they were first learned from."""

    def __init__(self, fields: int, width: int, rate: float, penalty: float, seed: int):
        self.fields, self.width, self.rate, self.penalty = fields, width, rate, penalty
        self.rng = np.random.default_rng(seed)
        self.rows: dict[Feature, int] = {}
        self.weight = np.zeros(0)
        self.vector = np.zeros((0, width))
        self.bias = np.zeros(1)
        self.squares = [np.zeros(0), np.zeros((0, width)), np.zeros(1)]  # sums of squared gradients of each

    def examples(self, common: Values, own: Sequence[Values]) -> RequestFeatures:
        """RequestFeatures from the values of their features; those that were never learned from are left out."""
        return RequestFeatures(self._features([common]), self._features(own), len(own))

    def meet(self, values: Sequence[Values]) -> None:
        """Make rows of features that have none yet."""
        begin = len(self.rows)
        for features in values:
            for feature in features:
                self.rows.setdefault(feature, len(self.rows))
        count = len(self.rows)
        self.weight, self.vector = with_room(self.weight, count), with_room(self.vector, count)
        self.squares[:2] = [with_room(table, count) for table in self.squares[:2]]
        self.vector[begin:count] = self.rng.normal(0, NOISE, (count - begin, self.width))

    def sums(self, examples: RequestFeatures) -> FieldSums:
        """Logits, and sums by field."""
        linear, square = np.full(examples.articles, self.bias[0]), np.zeros(examples.articles)
        field = np.zeros((examples.articles, self.fields, self.width))
        common, own = examples.common, examples.own
        scaled, weighed, squared = self._each(common)
        once = np.zeros(field.shape[1:])
        np.add.at(once, common.field, scaled)
        field += once
        linear += weighed.sum()
        square += squared.sum()
        scaled, weighed, squared = self._each(own)
        np.add.at(field, (own.owner, own.field), scaled)
        np.add.at(linear, own.owner, weighed)
        np.add.at(square, own.owner, squared)
        total = field.sum(1)
        return FieldSums(linear + 0.5 * ((total * total).sum(1) - square), field)

    def learn(self, examples: RequestFeatures, sums: FieldSums, error: Column, further: Column | None = None) -> None:
        """A step of AdaGrad from the derivatives of a loss by each logit, float64[examples].

        `further`, float64[examples, fields, width], are its derivatives by the sums of fields, where it hangs on these
        by another way, too.
        """
        by_field = np.repeat((error[:, None] * sums.field.sum(1))[:, None], self.fields, 1)
        by_field = by_field if further is None else by_field + further
        common, own = examples.common, examples.own
        row = np.concatenate([common.row, own.row])
        value = np.concatenate([common.value, own.value])
        errors = np.concatenate([np.full(len(common.row), error.sum()), error[own.owner]])
        gradients = np.concatenate([by_field.sum(0)[common.field], by_field[own.owner, own.field]])
        distinct, place = np.unique(row, return_inverse=True)
        by_weight = self.penalty * self.weight[distinct]
        by_vector = self.penalty * self.vector[distinct]
        np.add.at(by_weight, place, value * errors)
        scaled = value[:, None] * self.vector[row]
        np.add.at(by_vector, place, value[:, None] * (gradients - errors[:, None] * scaled))
        descend(self.weight, self.squares[0], by_weight, self.rate, distinct)
        descend(self.vector, self.squares[1], by_vector, self.rate, distinct)
        descend(self.bias, self.squares[2], error.sum(), self.rate)

    def _each(self, features: Features) -> tuple[Column, Column, Column]:
        """x v, x w and |x v|² of features."""
        scaled = features.value[:, None] * self.vector[features.row]
        return scaled, features.value * self.weight[features.row], (scaled * scaled).sum(1)

    def _features(self, values: Sequence[Values]) -> Features:
        rows = self.rows
        some = [
            (rows[feature], value, feature[0], owner)
            for owner, features in enumerate(values)
            for feature, value in features.items()
            if feature in rows
        ]
        row, value, field, owner = zip(*some, strict=True) if some else ((), (), (), ())
        return Features(
            np.array(row, np.int64), np.array(value, float), np.array(field, np.int64), np.array(owner, np.int64)
        )


def descend(
    table: Column, squares: Column, gradient: Column | float, rate: float, rows: Column | slice = slice(None)
) -> None:
    """A step of AdaGrad on some rows of a table, each once."""
    squares[rows] += gradient * gradient
    table[rows] -= rate * gradient / (np.sqrt(squares[rows]) + EPSILON)

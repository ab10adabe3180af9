"""Which further methods a recommender has is found without calling it."""

from __future__ import annotations

import pytest

from newsreplay.recommenders import protocols
from newsreplay.recommenders.base import Recommender
from newsreplay.recommenders.baselines.trend import Trend
from newsreplay.recommenders.registry import start_list

ALL = [thing for name, thing in vars(protocols).items() if name.startswith("Supports")]


def supported(recommender: object) -> set[str]:
    return {protocol.__name__.removeprefix("Supports") for protocol in ALL if isinstance(recommender, protocol)}


def test_the_base_class_promises_nothing() -> None:
    assert len(ALL) == 7
    assert supported(Recommender()) == set()


def test_a_method_on_the_object_counts_and_none_in_its_place_does_not() -> None:
    class Scores(Recommender):
        def score(self, request, pool):
            return [0.0] * len(pool)

    class ScoresNothing(Scores):
        score = None

    made = Recommender()
    made.settle = lambda: None
    assert supported(Scores()) == {"Score"}
    assert supported(ScoresNothing()) == set()
    assert supported(made) == {"Settle"}


def test_a_state_dict_needs_both_its_methods() -> None:
    class Half(Recommender):
        def state_dict(self):
            return {}

    class Whole(Half):
        def load_state_dict(self, arrays):
            pass

    assert supported(Half()) == set()
    assert supported(Whole()) == {"StateDict"}


def test_compiled_recommenders_score_by_their_kernel() -> None:
    class Silent(Trend):
        score = None

    assert supported(Trend()) == {"Score"}
    assert supported(Silent()) == set()


@pytest.mark.parametrize(("spec", "more"), [("nrms", set()), ("awrs", set()), ("awrs(leaky=true)", {"Foresee"})])
def test_neural_recommenders_are_settled_fitted_and_saved_and_foresee_only_on_purpose(spec: str, more: set) -> None:
    [entry] = start_list(spec)
    assert supported(entry.make()) == {"Score", "Settle", "SelfReport", "Fit", "SaveWeights"} | more

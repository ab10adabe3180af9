"""How much slates overlap: numbers that are published, the oracle on random slates, and what must hold of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.simulator.judgement.overlap import Overlap, OverlapSums
from tests.naive import overlap as naive

Slate = Sequence[int]


def padded(slates: Sequence[Slate], k: int) -> np.ndarray:
    return np.array([[*slate, *[-1] * (k - len(slate))] for slate in slates], np.int32).reshape(len(slates), k)


def overlap(a: Sequence[Slate], b: Sequence[Slate], p: float = 0.9, k: int = 8) -> Overlap:
    sums = OverlapSums(np.array([[0, 1]]), p)
    sums.add([padded(a, k), padded(b, k)])
    return sums.means()[0]


def letters(text: str) -> list[int]:
    return [ord(letter) - ord("a") for letter in text]


def test_agreement_at_each_depth_is_that_of_the_papers_example() -> None:
    """Figure 3 of Webber, Moffat and Zobel: <a b c d e f g> and <z c a v w x y>."""
    one, other = letters("abcdefg"), letters("zcavwxy")
    expected = [0, 0, 2 / 3, 2 / 4, 2 / 5, 2 / 6, 2 / 7]
    assert [naive.agreement(one, other, depth) for depth in range(1, 8)] == expected
    p = 0.9
    by_hand = (1 - p) / p * sum(p**depth * a for depth, a in enumerate(expected, 1)) + p**7 * 2 / 7  # equation 30
    assert overlap([one], [other]).rbo == pytest.approx(by_hand, rel=1e-12)


def test_two_lists_of_five_have_the_published_value() -> None:
    assert overlap([[1, 2, 3, 4, 5]], [[2, 3, 4, 1, 5]]).rbo == pytest.approx(0.828, abs=5e-4)


def test_a_shorter_list_goes_on_as_it_agreed_so_far() -> None:
    assert overlap([[3]], [[3, 4]]).rbo == pytest.approx(1)  # what <3> would have had next is taken for the 4
    # <4> and <3 4> agree by 0 at depth 1, and by (1 + 0) / 2 from there on.
    assert overlap([[4]], [[3, 4]]).rbo == pytest.approx(0.9 / 2)


SLATES = st.lists(st.integers(0, 9), max_size=8, unique=True)


@settings(max_examples=300, deadline=None)
@given(pairs=st.lists(st.tuples(SLATES, SLATES), max_size=6), p=st.sampled_from([0.1, 0.5, 0.9, 0.98]))
def test_every_mean_equals_the_oracle(pairs: list[tuple[list[int], list[int]]], p: float) -> None:
    found = overlap([a for a, _ in pairs], [b for _, b in pairs], p)
    some = [(a, b) for a, b in pairs if a or b]
    assert found.requests == len(some)
    if some:
        expected = [(naive.rbo(a, b, p), naive.jaccard(a, b), a == b) for a, b in some]
        assert found[:3] == pytest.approx(np.mean(expected, axis=0), rel=1e-9, abs=1e-12)
    else:
        assert np.isnan(found[:3]).all()


@settings(max_examples=100, deadline=None)
@given(a=SLATES, b=SLATES)
def test_it_is_symmetric_between_nothing_in_common_and_the_same(a: list[int], b: list[int]) -> None:
    there, back = overlap([a], [b]), overlap([b], [a])
    assert there == pytest.approx(back, nan_ok=True)
    if a or b:
        assert 0 <= there.rbo <= 1 + 1e-12
        assert (there.rbo == 0) == (there.jaccard == 0) == (not {*a} & {*b})
    if a:
        assert overlap([a], [a])[:3] == pytest.approx((1, 1, 1))


def test_stretches_add_up_to_the_whole_and_pairs_do_not_meddle() -> None:
    rng = np.random.default_rng(0)
    slates = [np.array([rng.permutation(20)[:5] for _ in range(30)], np.int32) for _ in range(3)]
    pairs = np.array([[0, 1], [1, 2], [0, 0]])
    whole, parts = OverlapSums(pairs), OverlapSums(pairs)
    whole.add(slates)
    for begin in (0, 7, 20):
        end = {0: 7, 7: 20, 20: 30}[begin]
        parts.add([each[begin:end] for each in slates])
    assert np.array(parts.means()) == pytest.approx(np.array(whole.means()))
    assert whole.means()[2][:3] == pytest.approx((1, 1, 1))
    assert whole.means()[0] == overlap(slates[0].tolist(), slates[1].tolist(), k=5)

"""User behaviour masking: its budgets, whatever was read, and what stands for a hidden word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from newsreplay.recommenders.neural.models.masking import (
    NOT_HIDDEN,
    BehaviourMasking,
    Budget,
    budget,
    masked,
    replaced,
)
from tests.naive import neural_punr

MARKS = (90, 91, 92)
SHARES = st.floats(0, 1)
#: titles of words that each continue the one before, or do not
TITLES = st.lists(st.lists(st.booleans(), max_size=14), max_size=12)


def text_of(titles: list[list[bool]]) -> tuple[np.ndarray, np.ndarray]:
    """The number of the title that a word is of, with marks in front and behind, and which words continue."""
    title, continues = [NOT_HIDDEN], [False]
    for number, words in enumerate(titles):
        title += [number] * len(words) + [NOT_HIDDEN]
        continues += [*words, False]
    return np.array(title), np.array(continues)


def by_title(title: np.ndarray, chosen: np.ndarray, count: int) -> list[list[bool]]:
    return [chosen[title == number].tolist() for number in range(count)]


@given(TITLES, SHARES, SHARES, st.integers(1, 80), st.integers(0, 9))
def test_what_is_masked_is_what_the_obvious_way_masks(
    titles: list[list[bool]], alpha: float, beta: float, most: int, seed: int
) -> None:
    title, continues = text_of(titles)
    chosen = masked(title, continues, alpha, beta, most, np.random.default_rng(seed))
    expected = neural_punr.masked(titles, alpha, beta, most, np.random.default_rng(seed))
    assert by_title(title, chosen, len(titles)) == expected


@given(TITLES, SHARES, SHARES, st.integers(0, 9))
@example([[False] * 12] * 3, 0.3, 0.3, 0)
@example([[False], [False, True]], 1.0, 1.0, 0)
def test_budgets_are_kept_and_used_up(titles: list[list[bool]], alpha: float, beta: float, seed: int) -> None:
    title, continues = text_of(titles)
    words, count = sum(map(len, titles)), len(title)
    chosen = masked(title, continues, alpha, beta, 512, np.random.default_rng(seed))
    assert not chosen[title == NOT_HIDDEN].any()
    if alpha == 0 or not words:
        assert not chosen.any()
        return
    allowed = max(1, round(alpha * count))
    longest = max(len(word) for text in titles for word in words_of(text))
    assert chosen.sum() <= allowed
    assert chosen.sum() >= min(allowed, words) - (longest - 1)
    for text, flags in zip(titles, by_title(title, chosen, len(titles)), strict=True):
        place = 0
        for word in words_of(text):  # whole words
            assert len(set(flags[place : place + len(word)])) == 1
            place += len(word)


def words_of(text: list[bool]) -> list[list[bool]]:
    words: list[list[bool]] = []
    for continues in text:
        if continues and words:
            words[-1].append(continues)
        else:
            words.append([continues])
    return words


class NoFill:
    """A generator that draws titles and no words."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)

    def integers(self, high: int) -> int:
        return int(self.rng.integers(high))

    def permutation(self, count: int) -> np.ndarray:
        return np.zeros(0, np.int64)


@given(TITLES, SHARES, SHARES, st.integers(0, 9))
@example([[False] * 12] * 3, 0.3, 0.3, 0)
def test_titles_are_masked_whole_and_within_their_share(
    titles: list[list[bool]], alpha: float, beta: float, seed: int
) -> None:
    title, continues = text_of(titles)
    rng: Any = NoFill(seed)
    chosen = by_title(title, masked(title, continues, alpha, beta, 512, rng), len(titles))
    words = sum(map(len, titles))
    allowed = round(beta * min(512, max(1, round(alpha * words)))) if alpha and words else 0
    assert all(all(flags) or not any(flags) for flags in chosen)
    assert sum(map(sum, chosen)) <= allowed
    left = allowed - sum(map(sum, chosen))
    assert all(len(flags) > left for flags in chosen if flags and not any(flags))  # none that would fit is left
    if all(len(text) > allowed for text in titles):
        assert not any(map(any, chosen))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((36, 40, 0.3, 0.3, 512), Budget(3, 12)),  # three titles of twelve words: none fits into M_b
        ((100, 109, 0.3, 0.3, 512), Budget(9, 33)),
        ((1, 3, 0.1, 1.0, 512), Budget(1, 1)),  # one word at least
        ((100, 109, 0.0, 0.3, 512), Budget(0, 0)),  # in the public code one word
        ((100, 109, 0.3, 0.0, 512), Budget(0, 33)),
        ((2_000, 2_100, 0.3, 0.3, 512), Budget(154, 512)),
        ((0, 1, 0.3, 0.3, 512), Budget(0, 0)),  # nothing to mask
    ],
)
def test_budgets_by_hand(words: tuple[int, int, float, float, int], expected: Budget) -> None:
    assert budget(*words) == expected


def test_every_title_that_fits_is_drawn_about_as_often() -> None:
    title, continues = text_of([[False] * 3] * 4 + [[False] * 30])
    rng: Any = NoFill(0)
    times = np.zeros(5)
    for _ in range(2_000):
        times += [any(flags) for flags in by_title(title, masked(title, continues, 0.3, 0.3, 512, rng), 5)]
    assert times[4] == 0
    np.testing.assert_allclose(times[:4], 500, atol=5 * (2_000 * 0.25 * 0.75) ** 0.5)


@pytest.mark.parametrize("mixed", [True, False])
def test_eight_in_ten_hidden_words_are_marks_one_is_any_word_and_one_stays(mixed: bool) -> None:
    rng = np.random.default_rng(0)
    ids, chosen = np.full(100_000, 5), np.arange(100_000) % 2 == 0
    after = replaced(ids, chosen, 92, (1, 90), mixed, rng)
    assert (after[~chosen] == 5).all()
    found = after[chosen]
    if not mixed:
        assert (found == 92).all()
        return
    shares = [(found == 92).mean(), (found == 5).mean(), ((found != 92) & (found != 5)).mean()]
    np.testing.assert_allclose(shares, [0.8, 0.1 + 0.1 / 89, 0.1 * 88 / 89], atol=0.007)  # 5 standard errors
    others = found[(found != 92) & (found != 5)]
    assert (others.min(), others.max()) == (1, 89)
    assert len(np.unique(others)) == 88


def test_texts_are_masked_each_by_itself_and_by_the_generator_alone() -> None:
    masking = BehaviourMasking(0.5, 0.5, "mixed", 40)
    masking.generator = torch.Generator()
    ids = torch.randint(1, 80, (6, 30))
    ids[:, 0], ids[:, [9, 19, 29]], ids[3:, 20:] = 90, 91, 0
    segments = (torch.arange(30).clamp(min=0) // 10).expand(6, 30)
    made = []
    before = torch.get_rng_state()
    for seed in (1, 1, 2):
        masking.generator.manual_seed(seed)
        made.append(masking(ids, segments, MARKS, (1, 80), None))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one, other) for one, other in zip(made[0], made[1], strict=True))
    assert not torch.equal(made[0][0], made[2][0])
    for after, chosen in made:
        assert torch.equal(after[~chosen], ids[~chosen])
        assert not chosen[(ids == 0) | (ids == 90) | (ids == 91)].any()
        assert chosen[:3].sum(1).tolist() == [15] * 3
        assert chosen[3:].sum(1).tolist() == [10] * 3  # of the words that there are
        assert (after > 0).equal(ids > 0)

"""Models that score a shortlist again, pair by pair: above all others, exact, and blind."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from newsreplay.log.rows import IMPRESSION
from newsreplay.neural import Around, Contents, Graph, NewsModel, Read, Size, recommender_of
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.neural.learned import Learned
from newsreplay.recommenders.neural.learning.pairs import PAIRS, above, scores_of_pairs
from newsreplay.recommenders.neural.recommender import Neural
from newsreplay.recommenders.neural.stream.state import Captures
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import Replayed

LOG, ARTICLES = made_up_log(1_000, seed=3)
SHORT = 2  # candidates of a shortlist; impressions have up to five


class SharedWords(NewsModel):
    """Mean words, mean reads; the shortlist is scored by the share of a title's words that were read before, too."""

    pairs = SHORT

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        self.words = words
        self.weight = nn.Parameter(torch.tensor(1.0))

    def encode(self, contents: Contents) -> Tensor:
        real = (contents.title > 0).unsqueeze(-1)
        return (self.words(contents.title) * real).sum(1) / real.sum(1).clamp(min=1)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        real = read.mask.unsqueeze(-1)
        return ((read.vectors * real).sum(1) / real.sum(1).clamp(min=1),)

    def score_pairs(self, read: Contents, mask: Tensor, offered: Contents, first: Tensor) -> Tensor:
        seen = (read.title * mask.unsqueeze(-1)).flatten(1)
        words = offered.title
        shared = ((words.unsqueeze(2) == seen.unsqueeze(1)).any(2) & (words > 0)).sum(1)
        return first + self.weight * shared / (words > 0).sum(1).clamp(min=1)


class Everything(SharedWords):
    """With neighbours besides."""

    graph = Graph("next_read", 3)

    def spread(self, vectors: Tensor, around: Around) -> Tensor:
        return vectors + 0.1 * around.nodes.sum(1)


def made(model: type[NewsModel] = SharedWords, **parameters: Any) -> Neural:
    recommender: Neural = recommender_of(model)(size="tiny", **{"update": "every(hours=12)", **parameters})
    return recommender


def answered(recommender: Neural, **options: Any) -> Replayed:
    return replay(LOG, recommender, Setting(k=5, **options), articles=ARTICLES)


def test_overwriting_the_future_changes_no_bit_of_an_answer() -> None:
    [entry] = start_list([made(Everything)])
    verdict = check_entry(entry, log=LOG, articles=ARTICLES, cuts=3, k=5, apart=False)
    assert verdict.cuts == 3
    assert verdict.passed, str(verdict)


def test_the_shortlist_is_scored_from_contents_and_stands_above_the_others_in_their_order() -> None:
    class Watched(type(made())):  # type: ignore[misc]
        checked = 0

        def _answer(self, learned: Learned, captures: Captures) -> None:
            waiting = dict(self.deferred)
            super()._answer(learned, captures)
            learned.model.pairs = 0  # type: ignore[misc]  # of this object, while the first scores are asked for
            first = learned.scores(captures, self.most)
            del learned.model.pairs  # type: ignore[misc]
            for number in np.flatnonzero(captures.kind == IMPRESSION).tolist():
                begin = int(captures.at[number])
                places = np.arange(begin, begin + captures.shown[number])
                answer = waiting[int(captures.row[number]), False][0].answer
                order = np.argsort(-first[places], kind="stable")
                short, others = order[:SHORT], order[SHORT:]
                expected = [overlap(learned, captures, number, place) for place in places[short].tolist()]
                weight = learned.model.weight.item()
                np.testing.assert_allclose(
                    answer[short], first[places[short]] + weight * np.array(expected), 1e-5, 1e-5
                )
                assert (answer[others] < answer[short].min()).all()
                assert (np.diff(answer[others]) <= 0).all()
                assert ((np.diff(answer[others]) == 0) == (np.diff(first[places[others]]) == 0)).all()
                self.checked += len(others) > 1

    watched = Watched(size="tiny", update="every(hours=12)")
    answered(watched)
    assert watched.checked > 10


def overlap(learned: Learned, captures: Captures, number: int, place: int) -> float:
    """The share of a candidate's words that are in titles read before."""
    titles = learned.articles.contents(learned.articles.slots(captures.history[number])).title
    read = {word for title in titles.tolist() for word in title if word}
    [title] = learned.articles.contents(learned.articles.slots(captures.item[place : place + 1])).title.tolist()
    words = [word for word in title if word]
    return sum(word in read for word in words) / max(1, len(words))


def test_answers_one_by_one_are_those_of_a_batch() -> None:
    late, prompt = answered(made()), answered(made(), timed=True)
    assert late.scores is not None
    assert prompt.scores is not None
    np.testing.assert_allclose(late.scores, prompt.scores, rtol=1e-4, atol=1e-5)


def test_later_pairs_change_no_bit_of_earlier_ones() -> None:
    recommender = made()
    answered(recommender)
    learned = recommender.learned
    assert learned is not None
    rng = np.random.default_rng(0)
    count = 2 * PAIRS + 9
    history = rng.integers(0, learned.articles.count, (count, 6))
    slots, first = rng.integers(1, learned.articles.count, count), rng.random(count, np.float32)
    device = torch.device("cpu")
    with torch.inference_mode():
        scores = scores_of_pairs(learned.model, learned.articles, device, history, slots, first)
        for some in (1, PAIRS, PAIRS + 3, count - 1):
            few = scores_of_pairs(learned.model, learned.articles, device, history[:some], slots[:some], first[:some])
            assert few.tobytes() == scores[:some].tobytes()


def test_training_fits_the_pairs_and_the_scores_that_the_shortlist_is_made_by() -> None:
    class Alone(SharedWords):
        """The second scores do without the first: nothing but a loss of their own can fit these."""

        def score_pairs(self, read: Contents, mask: Tensor, offered: Contents, first: Tensor) -> Tensor:
            return super().score_pairs(read, mask, offered, torch.zeros_like(first))

    recommender = made(Alone)
    answered(recommender)
    assert recommender.learned is not None
    model = recommender.learned.model
    assert model.weight.item() != 1.0
    assert model.words.weight.grad.abs().sum() > 0


SCORES = st.lists(st.sampled_from([-np.inf, -1e6, -1.0, -0.5, np.nextafter(np.float32(-0.5), np.float32(0)), 3.0, 1e6]))


@given(st.data(), SCORES)
def test_others_stand_below_the_shortlist_and_keep_their_order_and_their_ties(data: Any, values: list[float]) -> None:
    scores = np.array(values, np.float32)
    short = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))), bool)
    short &= scores > -np.inf
    again = data.draw(
        st.lists(st.floats(-1e6, 1e6, width=32), min_size=sum(short.tolist()), max_size=sum(short.tolist()))
    )
    out = above(scores, short, np.array(again, np.float32))
    assert out[short].tolist() == again
    others, before = out[~short], scores[~short]
    if short.any():
        assert (others < min(again)).all()
    assert (np.isneginf(others) == np.isneginf(before)).all()
    others, before = others[np.isfinite(before)], before[np.isfinite(before)]
    assert (np.greater.outer(others, others) == np.greater.outer(before, before)).all()

"""Readers that are kept: exact, no longer than they hold, in bounds, and as late as is allowed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from newsreplay.recommenders.neural.articles.article_table import ArticleTable
from newsreplay.recommenders.neural.articles.texts import Vocabulary
from newsreplay.recommenders.neural.learning.cache import VectorCache
from newsreplay.recommenders.neural.learning.readers import KeptReaders, Staleness, reads_between
from newsreplay.recommenders.neural.learning.requests import RequestBatch
from newsreplay.recommenders.neural.models.model import NewsModel, Read
from tests.recommenders.neural.models.batches import build
from tests.recommenders.neural.models.test_scoring import ITEMS, NAMES, SIZE, MadeUp

MINUTE = 60_000


class Counted:
    """Readers of a model, and how often it was asked for any."""

    def __init__(self, together: int = 64, **options: Any):
        self.model: NewsModel = build("punr", {}, SIZE)
        articles = ArticleTable(self.model.fields, SIZE, Vocabulary(NAMES, 8), MadeUp())
        articles.slots(np.arange(ITEMS))
        self.cache = VectorCache(self.model, articles, torch.device("cpu"))
        self.kept = KeptReaders(self.model, self.cache, together, **options)

    @torch.inference_mode()
    def of(
        self, histories: list[list[int]], readers: list[int] | None = None, times: list[int] | None = None
    ) -> Tensor:
        """Vectors of requests of readers, 0, 1 … by default, at times in minutes."""
        count = len(histories)
        history = np.zeros((count, SIZE.history), np.int64)
        for row, reads in enumerate(histories):
            history[row, : len(reads)] = reads
        none = np.zeros((0, 0), np.float32)
        batch = RequestBatch(
            *(np.zeros(count, np.int64), history, none, none, np.zeros(count + 1, np.int64)),
            *(np.zeros(0, np.int64), none, none),
            time=MINUTE * np.array(times or [0] * count, np.int64),
            reader=np.array(range(count) if readers is None else readers),
        )
        (vectors,) = self.kept.of(batch, count)
        return vectors

    @torch.inference_mode()
    def fresh(self, reads: list[int]) -> Tensor:
        """The vector of a reader by itself."""
        contents = self.cache.articles.contents(np.array([reads])).each(
            lambda column: column.view(1, -1, column.shape[-1])
        )
        nothing: Any = None
        mask = torch.tensor([reads]) > 0
        return self.model.readers(Read(nothing, mask, nothing, nothing, nothing, contents))[0][0]


def close(found: Tensor, expected: Tensor) -> bool:
    return bool((found - expected).abs().max() < 1e-5 * expected.abs().max())


HISTORIES = st.lists(st.lists(st.integers(1, ITEMS), max_size=SIZE.history), min_size=1, max_size=12)
COUNTED = Counted()


@given(HISTORIES)
def test_readers_are_those_of_the_model(histories: list[list[int]]) -> None:
    for vector, reads in zip(COUNTED.of(histories), histories, strict=True):
        assert close(vector, COUNTED.fresh(reads or [0]))


def test_what_was_read_is_worked_out_once_whoever_read_it() -> None:
    counted = Counted()
    first = counted.of([[3, 4], [5], [3, 4], [4, 3]])
    assert counted.kept.made == 3
    assert torch.equal(first[0], first[2])
    again = counted.of([[5], [4, 3], [3, 4, 6], []])
    assert counted.kept.made == 5
    assert torch.equal(again[0], first[1])
    assert torch.equal(again[1], first[3])


def test_readers_hold_until_the_model_or_an_article_changes() -> None:
    counted = Counted()
    before = counted.of([[3, 4], [5]])
    counted.cache.forget(np.array([4]))
    assert torch.equal(counted.of([[3, 4], [5]]), before)  # nothing has changed in truth
    assert counted.kept.made == 3
    with torch.no_grad():
        counted.model.get_submodule("encoder").get_parameter("segments").add_(1.0)
    assert torch.equal(counted.of([[3, 4], [5]]), before)
    counted.cache.renew()
    assert not torch.equal(counted.of([[3, 4], [5]]), before)
    assert counted.kept.made == 5


def test_no_more_is_kept_than_there_is_room_for_and_what_was_used_last_stays() -> None:
    counted = Counted(most=2_000)
    for number in range(1, 60):
        counted.of([[number], [7]])
        assert counted.kept.bytes == sum(
            len(key) + sum(row.nbytes for row in rows) for key, rows in counted.kept.kept.items()
        )
        assert counted.kept.bytes < 2_000 + 2 * 300
    assert counted.kept.made == 59  # 7 once, the others each


def test_one_by_one_they_are_the_same() -> None:
    histories = [[3, 4], [5], [1, 2, 3, 4, 5, 6, 7], [], [9] * SIZE.history]
    assert close(Counted(together=1).of(histories), Counted().of(histories))


def test_readers_before_others_have_the_same_bits_whoever_follows() -> None:
    histories = [[3, 4], [5], [1, 2, 3, 4], [], [8, 9], [2, 1]]
    alone = Counted().of(histories)
    followed = Counted().of([*histories, [5, 3], [6, 7], [1] * 9, [8], [2, 2]])
    assert torch.equal(followed[: len(histories)], alone)


# --- later than they should be --------------------------------------------------------------------------


def test_a_lazy_vector_is_used_for_so_long_by_its_reader_alone() -> None:
    counted = Counted(lazy_ms=10 * MINUTE)
    before = counted.of([[3, 4]], [7], [100])
    for minute, reads, stale in ((105, [3, 4, 5], True), (109, [3, 4, 5, 6], True), (110, [3, 4, 5, 6], False)):
        vector = counted.of([reads], [7], [minute])
        assert torch.equal(vector, before) == stale
        assert stale or close(vector[0], counted.fresh(reads))
    assert counted.kept.staleness == Staleness(4, 2, 3)
    assert not torch.equal(counted.of([[3, 4, 5]], [8], [111]), before)  # of another reader nothing is known
    counted.cache.renew()
    assert close(counted.of([[3, 4, 5, 6, 1]], [7], [111])[0], counted.fresh([3, 4, 5, 6, 1]))


def test_a_vector_that_is_right_is_as_fresh_as_one_that_is_made() -> None:
    counted = Counted(lazy_ms=10 * MINUTE)
    before = counted.of([[3]], [7], [0])
    assert torch.equal(counted.of([[3]], [7], [60]), before)
    assert torch.equal(counted.of([[3, 4]], [7], [69]), before)  # so was the reader nine minutes ago
    assert counted.kept.staleness == Staleness(3, 1, 1)


def test_in_a_batch_readers_go_on_in_the_order_of_their_requests() -> None:
    counted = Counted(lazy_ms=10 * MINUTE)
    vectors = counted.of([[3], [5], [3, 4], [3, 4, 6], [5, 1]], [7, 8, 7, 7, 8], [0, 0, 5, 11, 9])
    assert counted.kept.made == 3
    assert torch.equal(vectors[2], vectors[0])
    assert close(vectors[3], counted.fresh([3, 4, 6]))
    assert torch.equal(vectors[4], vectors[1])
    one_by_one = Counted(lazy_ms=10 * MINUTE)
    for reads, reader, time, vector in zip(
        [[3], [5], [3, 4], [3, 4, 6], [5, 1]], [7, 8, 7, 7, 8], [0, 0, 5, 11, 9], vectors, strict=True
    ):
        assert close(one_by_one.of([reads], [reader], [time])[0], vector)


def test_without_laziness_nothing_is_known_of_readers() -> None:
    counted = Counted()
    counted.of([[3]], [7], [0])
    assert close(counted.of([[3, 4]], [7], [0])[0], counted.fresh([3, 4]))
    assert counted.kept.staleness == Staleness()
    assert not counted.kept.last


@pytest.mark.parametrize(
    ("before", "now", "count"),
    [([], [], 0), ([], [4], 1), ([4], [4], 0), ([4, 7], [4, 7, 9, 1], 2), ([4, 7, 2], [7, 2, 9], 1), ([4], [5, 6], 2)],
)
def test_reads_between_by_hand(before: list[int], now: list[int], count: int) -> None:
    assert reads_between(np.array(before), np.array(now)) == count


@given(st.lists(st.integers(1, 10**6), unique=True, max_size=20), st.data())
def test_reads_between_are_those_that_came(all_reads: list[int], data: Any) -> None:
    """However many a history holds."""
    then = data.draw(st.integers(0, len(all_reads)))
    most = data.draw(st.integers(1, 20))
    before, now = all_reads[:then][-most:], all_reads[-most:]
    assert reads_between(np.array(before), np.array(now)) == min(len(all_reads) - then, len(now))

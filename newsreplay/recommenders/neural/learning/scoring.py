"""Scoring from kept article vectors, in batches whose shapes never change.

A fixed shape makes the bits of a row depend on its place and content alone, so that no later request can
change an earlier score.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from newsreplay.log.rows import Column
from newsreplay.recommenders.neural.learning.cache import PARTS, STRETCH, VectorCache, autocast, part_of
from newsreplay.recommenders.neural.learning.pairs import PAIRS, above, scores_of_pairs
from newsreplay.recommenders.neural.learning.readers import KeptReaders
from newsreplay.recommenders.neural.learning.requests import RequestBatch
from newsreplay.recommenders.neural.learning.samples import stretches
from newsreplay.recommenders.neural.models.fields import Columns
from newsreplay.recommenders.neural.models.model import NewsModel, Offered, Read, dot_product
from newsreplay.recommenders.neural.models.popularity import PopularityHead

FEW = 16  #: readers worked out at a time, those together who read about as much
TOGETHER = 4_096  #: candidates whose popularity is worked out at a time
MANY = 64  #: candidates beyond which a request is scored against whole stretches of the cache


class Scorer:
    """Scores of a model from its cache."""

    def __init__(
        self,
        model: NewsModel,
        cache: VectorCache,
        signals: Sequence[str] = (),
        requests: int = 64,
        lazy_ms: int = 0,
    ):
        self.model = model
        self.cache = cache
        self.requests = requests  #: of a batch
        self.width = 32  #: candidates of a row; a longer pool has several
        self.rows = 128 if model.dot else 16  #: scored at a time
        self.signals = tuple(signals)  #: of candidates, by name
        #: where the model reads contents
        self.readers = KeptReaders(model, cache, requests, lazy_ms) if model.reads_contents else None

    @torch.inference_mode()
    def scores(self, batch: RequestBatch, slate: Column, most: int | None = None) -> Column:
        """float32[places], the score of every candidate of every request; `slate`, bool[n], tells which ask for one.

        Of a slate's candidates at most `most` are scored, those that the popularity head ranks first; the others are
        -inf. None = all are.
        """
        self.model.eval()
        out = np.empty(len(batch.slot), np.float32)
        for first in range(0, len(batch.user), self.requests):
            which = np.arange(first, min(first + self.requests, len(batch.user)))
            part = out[batch.at[first] : batch.at[which[-1] + 1]]
            some = batch.some(which)
            part[:] = self._batch(some, slate[which], most)
            if self.model.pairs:
                part[:] = self._again(some, part)
        return out

    def _again(self, batch: RequestBatch, first: Column) -> Column:
        """Scores [places] of which the highest of each request are those of pairs, above all others."""
        parts = np.split(first, batch.at[1:-1])
        short = [_first(part, self.model.pairs) & (part > -np.inf) for part in parts]
        together = batch.candidates(np.concatenate(short))
        owner = np.repeat(np.arange(len(parts)), np.diff(together.at))
        # By itself a request is in no need of padding for others.
        count = PAIRS if self.requests > 1 else min(PAIRS, 1 << max(len(owner) - 1, 0).bit_length())
        with autocast(self.cache.device):
            again = scores_of_pairs(
                self.model,
                self.cache.articles,
                self.cache.device,
                batch.history[owner],
                together.slot,
                first[np.concatenate(short)],
                count,
            )
        return np.concatenate([*map(above, parts, short, np.split(again, together.at[1:-1]))])

    def _batch(self, batch: RequestBatch, slate: Column, most: int | None) -> Column:
        head = self.model.head
        if head is None:
            return self._content(batch)
        scale = head.scale.cpu().numpy()
        of_slate = np.repeat(slate, np.diff(batch.at)).astype(np.int64)
        scores: Column = self._prior(head, batch.signals)[np.arange(len(of_slate)), of_slate]
        if most is None:
            scores += scale[of_slate] * self._content(batch)
            return scores
        limits = np.where(slate, most, len(scores)).tolist()
        parts = zip(np.split(scores, batch.at[1:-1]), limits, strict=True)
        first = np.concatenate([_first(*part) for part in parts])
        scores[first] += scale[of_slate[first]] * self._content(batch.candidates(first))
        scores[~first] = -np.inf
        return scores

    def _content(self, batch: RequestBatch) -> Column:
        owner = np.repeat(np.arange(len(batch.user)), np.diff(batch.at))
        if self.readers is None:
            self._encode(batch.history, batch.slot, owner)
            return (
                self._by_dot_product(self._readers(batch), batch, owner) if self.model.dot else self._by_length(batch)
            )
        self._encode(batch.history[:, :0], batch.slot, owner)
        readers = self.readers.of(batch, self.requests)
        return self._by_dot_product(readers[:1], batch, owner) if self.model.dot else self._rows(readers, batch)

    def _by_dot_product(self, readers: tuple[Tensor, ...], batch: RequestBatch, owner: Column) -> Column:
        """Readers are one vector each, and long pools are ranked by whole stretches of articles."""
        # Decided request by request: how many candidates others have must not change how a sum is added up.
        many = np.diff(batch.at)[owner] > MANY
        out = np.empty(len(owner), np.float32)
        if many.any():
            out[many] = self._ranked(readers[0], batch.slot[many], owner[many])
        if not many.all():
            out[~many] = self._rows(readers, batch.candidates(~many))
        return out

    def _by_length(self, batch: RequestBatch) -> Column:
        """Requests of readers who read about as much go together, their histories cut to a power of two.

        Which power is a matter of a reader's own history, as all that shapes the bits of a score.
        """
        width = 1 << np.ceil(np.log2(np.maximum((batch.history > 0).sum(1), 1))).astype(np.int64)
        out = np.empty(len(batch.slot), np.float32)
        few = min(FEW, self.requests)
        for length in np.unique(width).tolist():
            places = np.flatnonzero(width == length)
            for first in range(0, len(places), few):
                which = places[first : first + few]
                some = batch.some(which)
                readers = self._together(some, length, few)
                out[stretches(batch.at, which)[0]] = self._rows(readers, some)
        return out

    def _prior(self, head: PopularityHead, signals: Column) -> Column:
        """What the head adds to scores in impressions and in slates, float32[places, 2]."""
        count = len(signals)
        # By itself a request is in no need of padding for others.
        together = TOGETHER if self.requests > 1 else 1 << max(count - 1, 0).bit_length()
        padded = _padded(signals, together * -(-count // together))
        parts = [
            head.prior(Columns(self.signals, torch.from_numpy(padded[first : first + together]).to(self.cache.device)))
            for first in range(0, count, together)
        ]
        prior: Column = torch.cat(parts).cpu().numpy()[:count] if parts else np.zeros((0, 2), np.float32)
        return prior

    def _encode(self, history: Column, slots: Column, owner: Column) -> None:
        # In the order of the requests, so that what an earlier one needs stands where it stood without the later ones.
        flat = np.concatenate([history.ravel(), slots])
        whose = np.concatenate([np.repeat(np.arange(len(history)), history.shape[1]), owner])
        stale = self.cache.stale(flat)
        if stale.any():
            self.cache.ensure(flat[stale][np.argsort(whose[stale], kind="stable")])

    def _readers(self, batch: RequestBatch) -> tuple[Tensor, ...]:
        """The vectors that candidates are set against; those of short histories cost less."""
        if self.requests < FEW:
            return self._together(batch, batch.history.shape[1], self.requests)[:1]
        part = part_of(torch.from_numpy(batch.history))
        rows, vectors = [], []
        for length in np.unique(part).tolist():
            places = np.flatnonzero(part == length)
            width = -(-batch.history.shape[1] * length // PARTS)
            for first in range(0, len(places), FEW):
                few = places[first : first + FEW]
                vectors.append(self._together(batch.some(few), width, FEW)[0][: len(few)])
                rows.append(few)
        out = vectors[0].new_zeros(self.requests, vectors[0].shape[1])
        out[torch.from_numpy(np.concatenate(rows)).to(out.device)] = torch.cat(vectors)
        return (out,)

    def _together(self, batch: RequestBatch, width: int, count: int) -> tuple[Tensor, ...]:
        """Readers of a batch padded to `count` requests, their histories cut to `width`."""
        device = self.cache.device
        slots, signals, context = (
            torch.from_numpy(_padded(column[:, :width], count)).to(device)
            for column in (batch.history, batch.history_signals, batch.history_context)
        )
        user = torch.from_numpy(_padded(batch.user, count)).to(device)
        model = self.model
        with autocast(device):
            return model.readers(
                Read(
                    self.cache.reading[slots],
                    slots > 0,
                    Columns(model.signals, signals),
                    Columns(model.context, context),
                    user,
                )
            )

    def _ranked(self, reader: Tensor, slots: Column, owner: Column) -> Column:
        """Scores by dot product with whole stretches of the cache, for pools that share most of their articles."""
        out = np.empty(len(slots), np.float32)
        stretch = slots // STRETCH
        order = np.argsort(stretch, kind="stable")
        numbers, begin = np.unique(stretch[order], return_index=True)
        for number, places in zip(numbers.tolist(), np.split(order, begin[1:]), strict=True):
            table = self.cache.offer[number * STRETCH : (number + 1) * STRETCH]
            with autocast(self.cache.device):
                scores = dot_product(reader, table).cpu().numpy()
            out[places] = scores[owner[places], slots[places] - number * STRETCH]
        return out

    def _rows(self, readers: tuple[Tensor, ...], batch: RequestBatch) -> Column:
        """Scores of rows of `width` candidates, `rows` at a time."""
        device, width = self.cache.device, self.width
        lengths = np.diff(batch.at)
        owner = np.repeat(np.arange(len(lengths)), lengths)
        rows = -(-lengths // width)
        first = np.concatenate([[0], np.cumsum(rows)])
        # By itself a request is in no need of padding for others.
        together = self.rows if self.requests > 1 else 1 << (int(first[-1]) - 1).bit_length()
        total = together * -(-int(first[-1]) // together)
        place = np.arange(len(owner)) - batch.at[owner] + first[owner] * width

        def in_rows(column: Column, fill: float) -> Tensor:
            padded = np.full((total * width, *column.shape[1:]), fill, column.dtype)
            padded[place] = column
            return torch.from_numpy(padded.reshape(total, width, *column.shape[1:])).to(device)

        whose = np.zeros(total, np.int64)
        whose[: first[-1]] = np.repeat(np.arange(len(lengths)), rows)
        slots, signals, context = in_rows(batch.slot, 0), in_rows(batch.signals, np.nan), in_rows(batch.context, 0)
        reader_rows = torch.from_numpy(whose).to(device)
        parts = []
        for begin in range(0, total, together):
            part = slice(begin, begin + together)
            some = tuple(tensor[reader_rows[part]] for tensor in readers)
            offered = Offered(
                self.cache.offer[slots[part]],
                Columns(self.signals, signals[part]),
                Columns(self.model.context, context[part]),
            )
            with autocast(device):
                parts.append(self.model.score(some, offered).float())
        if not parts:
            return np.zeros(0, np.float32)
        scores: Column = torch.cat(parts).cpu().numpy().ravel()[place]
        return scores


def _first(values: Column, most: int) -> Column:
    """bool[n], the `most` highest values; of equal ones the first."""
    first = np.ones(len(values), bool)
    if len(values) > most:
        first[np.argsort(-values, kind="stable")[most:]] = False
    return first


def _padded(values: Column, count: int) -> Column:
    """The same with `count` rows, zeros behind."""
    if len(values) == count:
        return np.ascontiguousarray(values)
    out = np.zeros((count, *values.shape[1:]), values.dtype)
    out[: len(values)] = values
    return out

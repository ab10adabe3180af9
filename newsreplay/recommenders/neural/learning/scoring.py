"""Scoring from kept article vectors, in batches whose shapes never change.

A fixed shape makes the bits of a row depend on its place and content alone, so that no later request can
change an earlier score.
"""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from newsreplay.log.growing import enlarged
from newsreplay.log.rows import Column
from newsreplay.recommenders.neural.articles.article_table import ArticleTable
from newsreplay.recommenders.neural.models.model import NewsModel, dot_product

BLOCK = 64  #: articles encoded at a time
FEW = 16  #: readers worked out at a time, where those who read about as much go together
PARTS = 4  #: texts and histories are cut to so many lengths, the shortest that holds all of one
STRETCH = 512  #: slots ranked at a time
MANY = 64  #: candidates beyond which a request is scored against whole stretches of the cache


def autocast(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """bf16 on a GPU, float32 elsewhere."""
    if device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16)
    return contextlib.nullcontext()


class VectorCache:
    """What the stages of a model keep of articles, by slot, with the version of the model that made it."""

    def __init__(self, model: NewsModel, articles: ArticleTable, device: torch.device):
        self.model = model
        self.articles = articles
        self.device = device
        self.version = 1
        self.made = np.zeros(0, np.int32)  #: version by slot; 0 = none
        self.encoded = 0  #: articles, how often
        self.reading = torch.zeros(0, 0)
        self.offer = torch.zeros(0, 0)
        model.eval()
        with torch.inference_mode():
            self._encode(np.zeros(0, np.int64), 1)  # to find how wide the tables are

    def renew(self) -> None:
        """The model has changed: nothing that was kept holds any longer."""
        self.version += 1

    def forget(self, slot: int) -> None:
        """The contents of an article have changed."""
        if slot < len(self.made):
            self.made[slot] = 0

    def stale(self, slots: Column) -> Column:
        """Whether slots, int64[n], must be encoded (anew); padding never."""
        self._grow(int(slots.max(initial=0)))
        stale: Column = (self.made[slots] != self.version) & (slots > 0)
        return stale

    def ensure(self, slots: Column) -> None:
        """Encode those of the slots, in this order, that are not kept."""
        wanted = np.fromiter(dict.fromkeys(slots[self.stale(slots)].tolist()), np.int64)
        if not len(wanted):
            return
        contents = self.articles.contents(wanted)
        # Which of the lengths depends on an article's own texts alone, as all that shapes its bits does.
        part = np.maximum(_part(contents.title), _part(contents.abstract))
        for length in np.unique(part).tolist():
            places = np.flatnonzero(part == length)
            for first in range(0, len(places), BLOCK):
                self._encode(wanted[places[first : first + BLOCK]], length)

    def _encode(self, slots: Column, length: int) -> None:
        block = np.zeros(BLOCK, np.int64)
        block[: len(slots)] = slots
        contents = self.articles.contents(block)
        contents = contents._replace(title=_cut(contents.title, length), abstract=_cut(contents.abstract, length))
        with autocast(self.device):
            vectors = self.model.encode(type(contents)(*(column.to(self.device) for column in contents)))
            reading, offer = self.model.reading(vectors).float(), self.model.offer(vectors).float()
        self._widen(reading, offer)
        rows = torch.from_numpy(slots).to(self.device)
        self.reading[rows] = reading[: len(slots)]
        self.offer[rows] = offer[: len(slots)]
        self.made[slots] = self.version
        self.encoded += len(slots)

    def _grow(self, slot: int) -> None:
        if slot < len(self.made):
            return
        count = STRETCH * -(-max(slot + 1, 2 * len(self.made)) // STRETCH)
        self.made = enlarged(self.made, count)
        self.reading = _longer(self.reading, count)
        self.offer = _longer(self.offer, count)

    def _widen(self, reading: Tensor, offer: Tensor) -> None:
        if not self.reading.shape[1]:
            self.reading = torch.zeros(len(self.made), reading.shape[1], device=self.device)
            self.offer = torch.zeros(len(self.made), offer.shape[1], device=self.device)


def _part(texts: Tensor) -> Column:
    """Which of the `PARTS` lengths holds each text, int64[N], from 1; 1 where there is no room for any."""
    longest = (texts > 0).sum(1).numpy()
    parts: Column = np.maximum(-(-longest * PARTS // max(1, texts.shape[1])), 1)
    return parts


def _cut(texts: Tensor, part: int) -> Tensor:
    return texts[:, : -(-texts.shape[1] * part // PARTS)]


def _longer(table: Tensor, count: int) -> Tensor:
    return torch.cat([table, table.new_zeros(count - len(table), table.shape[1])])


class RequestBatch(NamedTuple):
    """n requests by slot: what readers had read, and what is to be scored for them."""

    user: Column  #: int64[n], rows of the table of users
    history: Column  #: int64[n, H], 0 = padding
    history_signals: Column  #: float32[n, H, signals]
    at: Column  #: int64[n + 1]
    slot: Column  #: int64[places]
    signals: Column  #: float32[places, signals]


class Scorer:
    """Scores of a model from its cache."""

    def __init__(self, model: NewsModel, cache: VectorCache, requests: int = 64):
        self.model = model
        self.cache = cache
        self.requests = requests  #: of a batch
        self.width = 32  #: candidates of a row; a longer pool has several
        self.rows = 128 if model.dot else 16  #: scored at a time

    @torch.inference_mode()
    def scores(self, batch: RequestBatch) -> Column:
        """float32[places], the score of every candidate of every request."""
        self.model.eval()
        out = np.empty(len(batch.slot), np.float32)
        for first in range(0, len(batch.user), self.requests):
            end = min(first + self.requests, len(batch.user))
            begin, stop = batch.at[first], batch.at[end]
            out[begin:stop] = self._batch(batch, first, end)
        return out

    def _batch(self, batch: RequestBatch, first: int, end: int) -> Column:
        count = end - first
        at = batch.at[first : end + 1] - batch.at[first]
        slots = batch.slot[batch.at[first] : batch.at[end]]
        signals = batch.signals[batch.at[first] : batch.at[end]]
        owner = np.repeat(np.arange(count), np.diff(at))
        self._encode(batch.history[first:end], slots, owner)
        readers = self._readers(batch.history[first:end], batch.history_signals[first:end], batch.user[first:end])
        # Decided request by request: how many candidates others have must not change how a sum is added up.
        many = self.model.dot & (np.diff(at)[owner] > MANY)
        out = np.empty(len(slots), np.float32)
        if many.any():
            out[many] = self._ranked(readers[0], slots[many], owner[many])
        if not many.all():
            few = np.bincount(owner[~many], minlength=count)
            begin = np.concatenate([[0], np.cumsum(few)])
            out[~many] = self._rows(readers, begin, slots[~many], owner[~many], signals[~many])
        return out

    def _encode(self, history: Column, slots: Column, owner: Column) -> None:
        # In the order of the requests, so that what an earlier one needs stands where it stood without the later ones.
        flat = np.concatenate([history.ravel(), slots])
        whose = np.concatenate([np.repeat(np.arange(len(history)), history.shape[1]), owner])
        stale = self.cache.stale(flat)
        if stale.any():
            self.cache.ensure(flat[stale][np.argsort(whose[stale], kind="stable")])

    def _readers(self, history: Column, signals: Column, user: Column) -> tuple[Tensor, ...]:
        """Readers of a batch; by dot product they are one vector each, and those of short histories cost less."""
        if not self.model.dot or self.requests < FEW:
            return self._together(history, signals, user, self.requests)
        part = _part(torch.from_numpy(history))
        rows, vectors = [], []
        for length in np.unique(part).tolist():
            places = np.flatnonzero(part == length)
            width = -(-history.shape[1] * length // PARTS)
            for first in range(0, len(places), FEW):
                few = places[first : first + FEW]
                (readers,) = self._together(history[few, :width], signals[few, :width], user[few], FEW)
                rows.append(few)
                vectors.append(readers[: len(few)])
        out = vectors[0].new_zeros(self.requests, vectors[0].shape[1])
        out[torch.from_numpy(np.concatenate(rows)).to(out.device)] = torch.cat(vectors)
        return (out,)

    def _together(self, history: Column, signals: Column, user: Column, count: int) -> tuple[Tensor, ...]:
        device = self.cache.device
        slots = torch.from_numpy(_padded(history, count)).to(device)
        with autocast(device):
            return self.model.readers(
                self.cache.reading[slots],
                slots > 0,
                torch.from_numpy(_padded(signals, count)).to(device),
                torch.from_numpy(_padded(user, count)).to(device),
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

    def _rows(self, readers: tuple[Tensor, ...], at: Column, slots: Column, owner: Column, signals: Column) -> Column:
        """Scores of rows of `width` candidates, `rows` at a time."""
        device = self.cache.device
        lengths = np.diff(at)
        rows = -(-lengths // self.width)
        first = np.concatenate([[0], np.cumsum(rows)])
        # By itself a request is in no need of padding for others.
        together = self.rows if self.requests > 1 else 1 << (int(first[-1]) - 1).bit_length()
        total = together * -(-int(first[-1]) // together)
        place = np.arange(len(slots)) - at[owner] + first[owner] * self.width
        padded = np.zeros(total * self.width, np.int64)
        padded[place] = slots
        padded_signals = np.full((total * self.width, signals.shape[1]), np.nan, np.float32)
        padded_signals[place] = signals
        whose = np.zeros(total, np.int64)
        whose[: first[-1]] = np.repeat(np.arange(len(lengths)), rows)
        candidates = torch.from_numpy(padded.reshape(total, self.width)).to(device)
        features = torch.from_numpy(padded_signals.reshape(total, self.width, -1)).to(device)
        reader_rows = torch.from_numpy(whose).to(device)
        parts = []
        for begin in range(0, total, together):
            part = slice(begin, begin + together)
            some = tuple(tensor[reader_rows[part]] for tensor in readers)
            with autocast(device):
                parts.append(self.model.score(some, self.cache.offer[candidates[part]], features[part]).float())
        if not parts:
            return np.zeros(0, np.float32)
        scores: Column = torch.cat(parts).cpu().numpy().ravel()[place]
        return scores


def _padded(values: Column, count: int) -> Column:
    """The same with `count` rows, zeros behind."""
    if len(values) == count:
        return np.ascontiguousarray(values)
    out = np.zeros((count, *values.shape[1:]), values.dtype)
    out[: len(values)] = values
    return out

"""Scoring from kept article vectors, in batches whose shapes never change.

A fixed shape makes the bits of a row depend on its place and content alone, so that no later request can
change an earlier score.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from newsreplay.log.growing import enlarged
from newsreplay.log.rows import Column
from newsreplay.recommenders.neural.articles.article_table import ArticleTable
from newsreplay.recommenders.neural.learning.neighbourhoods import Neighbourhoods
from newsreplay.recommenders.neural.learning.pairs import PAIRS, above, scores_of_pairs
from newsreplay.recommenders.neural.learning.samples import stretches
from newsreplay.recommenders.neural.models.fields import Columns, Words
from newsreplay.recommenders.neural.models.model import NewsModel, Offered, Read, dot_product
from newsreplay.recommenders.neural.models.popularity import PopularityHead

BLOCK = 64  #: articles encoded at a time
FEW = 16  #: readers worked out at a time, those together who read about as much
PARTS = 4  #: lengths that texts are cut to, and histories of readers who are one vector
STRETCH = 512  #: slots ranked at a time
TOGETHER = 4_096  #: candidates whose popularity is worked out at a time
MANY = 64  #: candidates beyond which a request is scored against whole stretches of the cache


def autocast(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """bf16 on a GPU, float32 elsewhere."""
    if device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16)
    return contextlib.nullcontext()


class VectorCache:
    """What the stages of a model keep of articles, by slot, with the version of the model that made it.

    With neighbours, the vectors before each hop are kept as well, and hold until the article, or one around it that
    they hang on, changes.
    """

    def __init__(
        self,
        model: NewsModel,
        articles: ArticleTable,
        device: torch.device,
        neighbours: Neighbourhoods | None = None,
    ):
        self.model = model
        self.articles = articles
        self.device = device
        self.neighbours = neighbours
        self.hops = 0 if neighbours is None else neighbours.hops
        self.texts = [field.name for field in model.fields if isinstance(field, Words)]
        self.version = 1
        self.made = np.zeros((0, self.hops + 1), np.int32)  #: version by slot and hop; 0 = none
        self.encoded = 0  #: articles, how often
        self.spread = 0  #: articles, how often their neighbours were looked at
        self.vectors = [torch.zeros(0, 0) for _ in range(self.hops)]  #: before each hop
        self.reading = torch.zeros(0, 0)
        #: one table where a model reads articles as it offers them: those of FIM are large
        self.is_shared = (type(model).reading, type(model).offer) == (NewsModel.reading, NewsModel.offer)
        self._offer = torch.zeros(0, 0)
        model.eval()
        self._grow(0)
        with torch.inference_mode():
            self._encode(np.zeros(0, np.int64), 1)  # to find how wide the tables are
            for hop in range(1, self.hops + 1):
                self._spread(np.zeros(0, np.int64), hop)

    @property
    def offer(self) -> Tensor:
        """What `score` needs of offered articles, by slot."""
        return self.reading if self.is_shared else self._offer

    def renew(self) -> None:
        """The model has changed: nothing that was kept holds any longer."""
        self.version += 1

    def forget(self, slots: Column, hop: int = 0) -> None:
        """Of articles, the contents have changed, or with hop 1 the neighbours: so has all that hangs on them."""
        for later in range(hop, self.hops + 1):
            self.made[slots[slots < len(self.made)], later] = 0
            if self.neighbours is not None and later < self.hops:
                slots = self.neighbours.reaching(slots)

    def stale(self, slots: Column) -> Column:
        """Whether slots, int64[n], must be encoded (anew); padding never."""
        return self._stale(slots, self.hops)

    def ensure(self, slots: Column) -> None:
        """Encode those of the slots, in this order, that are not kept."""
        self._ensure(slots, self.hops)

    def _stale(self, slots: Column, hop: int) -> Column:
        self._grow(int(slots.max(initial=0)))
        stale: Column = (self.made[slots, hop] != self.version) & (slots > 0)
        return stale

    def _ensure(self, slots: Column, hop: int) -> None:
        wanted = np.fromiter(dict.fromkeys(slots[self._stale(slots, hop)].tolist()), np.int64)
        if not len(wanted):
            return
        if self.neighbours is not None and hop:
            self._ensure(self.neighbours.articles_of(wanted), hop - 1)
            for first in range(0, len(wanted), BLOCK):
                self._spread(wanted[first : first + BLOCK], hop)
            return
        contents = self.articles.contents(wanted)
        # Which of the lengths depends on an article's own texts alone, as all that shapes its bits does.
        part = np.ones(len(wanted), np.int64)
        for name in self.texts:
            part = np.maximum(part, _part(contents.columns[name]))
        for length in np.unique(part).tolist():
            places = np.flatnonzero(part == length)
            for first in range(0, len(places), BLOCK):
                self._encode(wanted[places[first : first + BLOCK]], length)

    def _encode(self, slots: Column, length: int) -> None:
        block = np.zeros(BLOCK, np.int64)
        block[: len(slots)] = slots
        contents = self.articles.contents(block)
        contents = contents.replaced(**{name: _cut(contents.columns[name], length) for name in self.texts})
        with autocast(self.device):
            vectors = self.model.encode(contents.each(lambda column: column.to(self.device)))
            self._keep(slots, vectors, 0)
        self.encoded += len(slots)

    def _spread(self, slots: Column, hop: int) -> None:
        assert self.neighbours is not None
        block = np.zeros(BLOCK, np.int64)
        block[: len(slots)] = slots
        before, rows = self.vectors[hop - 1], torch.from_numpy(block).to(self.device)
        with autocast(self.device):
            vectors = self.neighbours.of(block).on(self.device).spread(self.model, before[rows], before)
            self._keep(slots, vectors, hop)
        self.spread += len(slots)

    def _keep(self, slots: Column, vectors: Tensor, hop: int) -> None:
        """What a block's vectors after a hop are needed for: the next hop, or the other stages."""
        rows = torch.from_numpy(slots).to(self.device)
        if hop < self.hops:
            self.vectors[hop] = self._with(self.vectors[hop], rows, vectors.float())
        else:
            self.reading = self._with(self.reading, rows, self.model.reading(vectors).float())
            if not self.is_shared:
                self._offer = self._with(self._offer, rows, self.model.offer(vectors).float())
        self.made[slots, hop] = self.version

    def _grow(self, slot: int) -> None:
        if slot < len(self.made):
            return
        count = STRETCH * -(-max(slot + 1, 2 * len(self.made)) // STRETCH)
        self.made = enlarged(self.made, count)
        self.reading = _longer(self.reading, count)
        self._offer = _longer(self._offer, count)
        self.vectors = [_longer(table, count) for table in self.vectors]

    def _with(self, table: Tensor, rows: Tensor, vectors: Tensor) -> Tensor:
        """A table with the vectors of some rows, made when it is known how wide they are."""
        if not table.shape[1]:
            table = torch.zeros(len(self.made), vectors.shape[1], device=self.device)
        table[rows] = vectors[: len(rows)]
        return table


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
    history_context: Column  #: float32[n, H, context]
    at: Column  #: int64[n + 1]
    slot: Column  #: int64[places]
    signals: Column  #: float32[places, signals]
    context: Column  #: float32[places, context]

    def some(self, which: Column) -> RequestBatch:
        """Some of the requests, int64[m], in that order."""
        places, at = stretches(self.at, which)
        user, history, signals, context = (column[which] for column in self[:4])
        return RequestBatch(user, history, signals, context, at, *(column[places] for column in self[5:]))

    def candidates(self, which: Column) -> RequestBatch:
        """The same requests with some of their candidates, bool[places]."""
        at = np.concatenate([[0], np.cumsum(which)])[self.at]
        return self._replace(at=at, slot=self.slot[which], signals=self.signals[which], context=self.context[which])


class Scorer:
    """Scores of a model from its cache."""

    def __init__(self, model: NewsModel, cache: VectorCache, signals: Sequence[str] = (), requests: int = 64):
        self.model = model
        self.cache = cache
        self.requests = requests  #: of a batch
        self.width = 32  #: candidates of a row; a longer pool has several
        self.rows = 128 if model.dot else 16  #: scored at a time
        self.signals = tuple(signals)  #: of candidates, by name

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
        self._encode(batch.history, batch.slot, owner)
        return self._by_dot_product(batch, owner) if self.model.dot else self._by_length(batch)

    def _by_dot_product(self, batch: RequestBatch, owner: Column) -> Column:
        """Readers are one vector each, and long pools are ranked by whole stretches of articles."""
        readers = self._readers(batch)
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
        part = _part(torch.from_numpy(batch.history))
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

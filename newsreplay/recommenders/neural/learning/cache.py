"""What is kept of articles: encoded once, in batches whose shapes never change, until the model or the article does."""

from __future__ import annotations

import contextlib

import numpy as np
import torch
from torch import Tensor

from newsreplay.log.growing import enlarged
from newsreplay.log.rows import Column
from newsreplay.recommenders.neural.articles.article_table import ArticleTable
from newsreplay.recommenders.neural.learning.neighbourhoods import Neighbourhoods
from newsreplay.recommenders.neural.models.fields import Words
from newsreplay.recommenders.neural.models.model import NewsModel

BLOCK = 64  #: articles encoded at a time
PARTS = 4  #: lengths that texts are cut to, and histories of readers who are one vector
STRETCH = 512  #: slots that a table grows by, and that are ranked at a time


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
        self.changed = np.zeros(0, np.int32)  #: by slot, how often the contents have
        self.encoded = 0  #: articles, how often
        self.spread = 0  #: articles, how often their neighbours were looked at
        self.vectors = [torch.zeros(0, 0) for _ in range(self.hops)]  #: before each hop
        self.reading = torch.zeros(0, 0)
        #: one table where a model reads articles as it offers them: those of FIM are large
        self.is_shared = not model.reads_contents and (
            (type(model).reading, type(model).offer) == (NewsModel.reading, NewsModel.offer)
        )
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
        if not hop:
            self._grow(int(slots.max(initial=0)))
            self.changed[slots] += 1
        for later in range(hop, self.hops + 1):
            self.made[slots[slots < len(self.made)], later] = 0
            if self.neighbours is not None and later < self.hops:
                slots = self.neighbours.reaching(slots)

    def changes(self, slots: Column) -> Column:
        """How often the contents of slots have changed, of the same shape."""
        self._grow(int(slots.max(initial=0)))
        return self.changed[slots]

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
            part = np.maximum(part, part_of(contents.columns[name]))
        for length in np.unique(part).tolist():
            places = np.flatnonzero(part == length)
            for first in range(0, len(places), BLOCK):
                self._encode(wanted[places[first : first + BLOCK]], length)

    def _encode(self, slots: Column, length: int) -> None:
        block = np.zeros(BLOCK, np.int64)
        block[: len(slots)] = slots
        contents = self.articles.contents(block)
        contents = contents.replaced(**{name: cut(contents.columns[name], length) for name in self.texts})
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
            vectors = self.neighbours.of(block).on(self.device).spread(self.model, before[rows], before, hop)
            self._keep(slots, vectors, hop)
        self.spread += len(slots)

    def _keep(self, slots: Column, vectors: Tensor, hop: int) -> None:
        """What a block's vectors after a hop are needed for: the next hop, or the other stages."""
        rows = torch.from_numpy(slots).to(self.device)
        if hop < self.hops:
            self.vectors[hop] = self._with(self.vectors[hop], rows, vectors.float())
        else:
            reading = vectors[:, :0] if self.model.reads_contents else self.model.reading(vectors).float()
            self.reading = self._with(self.reading, rows, reading)
            if not self.is_shared:
                self._offer = self._with(self._offer, rows, self.model.offer(vectors).float())
        self.made[slots, hop] = self.version

    def _grow(self, slot: int) -> None:
        if slot < len(self.made):
            return
        count = STRETCH * -(-max(slot + 1, 2 * len(self.made)) // STRETCH)
        self.made = enlarged(self.made, count)
        self.changed = enlarged(self.changed, count)
        self.reading = _longer(self.reading, count)
        self._offer = _longer(self._offer, count)
        self.vectors = [_longer(table, count) for table in self.vectors]

    def _with(self, table: Tensor, rows: Tensor, vectors: Tensor) -> Tensor:
        """A table with the vectors of some rows, made when it is known how wide they are."""
        if not table.shape[1]:
            table = torch.zeros(len(self.made), vectors.shape[1], device=self.device)
        table[rows] = vectors[: len(rows)]
        return table


def part_of(texts: Tensor) -> Column:
    """Which of the `PARTS` lengths holds each text, int64[N], from 1; 1 where there is no room for any."""
    longest = (texts > 0).sum(1).numpy()
    parts: Column = np.maximum(-(-longest * PARTS // max(1, texts.shape[1])), 1)
    return parts


def cut(texts: Tensor, part: int) -> Tensor:
    """Texts [N, L] cut to one of the `PARTS` lengths."""
    return texts[:, : -(-texts.shape[1] * part // PARTS)]


def _longer(table: Tensor, count: int) -> Tensor:
    return torch.cat([table, table.new_zeros(count - len(table), table.shape[1])])

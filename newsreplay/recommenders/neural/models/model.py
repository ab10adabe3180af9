"""What a neural news model is: articles to vectors, readers from what they read, scores of what they are offered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

#: Signals of an article at a moment, float32, in this order (`newsreplay.recommenders.neural.stream`).
SIGNALS = ("exposure", "avoidance", "clicks", "rate", "age")
#: share of the impressions that showed it; share of its exposures without a click; both NaN where it was never shown
EXPOSURE, AVOIDANCE = 0, 1
CLICKS = 2  #: how often it was clicked
RATE = 3  #: clicks per exposure in the last bucket that counts
AGE = 4  #: full hours since it became known, rounded up, at least 1

UNKNOWN = 1  #: the trained row of every table for what has no row of its own; 0 is padding


class Contents(NamedTuple):
    """Contents of N articles, as whole numbers; 0 is padding throughout."""

    title: Tensor  #: int64[N, L], word ids
    abstract: Tensor  #: int64[N, M], word ids; M = 0 for models that do not read it
    category: Tensor  #: int64[N], `UNKNOWN` where there is none
    subcategory: Tensor  #: int64[N], likewise
    entities: Tensor  #: int64[N, E]


@dataclass(frozen=True)
class Size:
    """How large a model is; the defaults are what the papers share."""

    word: int = 300  #: width of word vectors
    heads: int = 20  #: of self-attention
    head: int = 20  #: width of one
    filters: int = 400  #: of convolutions; the width of article vectors where no attention sets it
    query: int = 200  #: of additive attention
    dense: tuple[int, int] = (400, 256)  #: hidden layers of dense attention
    category: int = 100  #: width of category, subcategory and entity embeddings
    dropout: float = 0.2
    title: int = 30  #: words of a title
    abstract: int = 50  #: words of an abstract, for models that read it
    entities: int = 5  #: entities of a title, for models that read them
    history: int = 50  #: newest reads of a reader
    categories: int = 1_024  #: rows of tables that names are hashed to
    subcategories: int = 4_096
    names: int = 16_384  #: entities
    users: int = 16_384


SMALL = Size(
    word=64, heads=4, head=16, filters=64, query=32, dense=(64, 32), category=16, title=20, abstract=20, history=30
)
TINY = Size(
    word=8, heads=2, head=4, filters=8, query=4, dense=(8, 4), category=4, title=6, abstract=6, entities=2, history=6,
    categories=16, subcategories=16, names=32, users=32,
)  # fmt: skip


@dataclass(frozen=True)
class Training:
    """How a model is fitted."""

    rate: float = 1e-4  #: Adam's learning rate
    epochs: int = 5  #: at most, over the warm-up
    patience: int = 2  #: epochs without a better validation AUC before it stops
    passes: int = 1  #: over the new impressions of a later update
    gentler: float = 0.3  #: learning rate of updates, as a share of that of the warm-up
    batch: int = 64  #: clicks a step
    negatives: int = 4  #: passed-over candidates beside a click (npratio)
    clip: float = 2.0  #: largest gradient norm


SIZES = {"paper": Size(), "small": SMALL, "tiny": TINY}
TRAININGS = {
    "paper": Training(),
    "small": Training(rate=1e-3, passes=3, gentler=1.0),
    "tiny": Training(rate=1e-2, epochs=2, batch=16),
}


def dot_product(a: Tensor, b: Tensor) -> Tensor:
    """Dot products along the last dimension, a [..., W, q] and b [..., 1, q] → [..., W]; unrounded under autocast."""
    with torch.autocast(a.device.type, enabled=False):
        product: Tensor = (unrounded(a) @ unrounded(b).transpose(-1, -2)).squeeze(-1)
        return product


def unrounded(x: Tensor) -> Tensor:
    """At least float32: scores that are sums of half precision would tie."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


class NewsModel(nn.Module):
    """Base class: three stages, so that all that depends on an article alone is computed once and kept.

        vectors = encode(contents)                       articles to vectors, [N, width]
        readers = readers(reading(vectors)[history])     what they read to readers
        scores  = score(readers, offer(vectors)[pool])   what they are offered to scores

    `reading` and `offer` hold what the second and third stage can compute of one article by itself (query, key and
    value projections of a history, say). All three stages treat every row by itself: the score of a candidate depends
    neither on the other candidates nor on the other readers of a batch.

    A subclass is made with `Model(size, words)`, where `words` turns int64[N, L] word ids into
    float32[N, L, size.word]; further options are keywords.
    """

    sizes: ClassVar[dict[str, Size]] = SIZES
    trainings: ClassVar[dict[str, Training]] = TRAININGS
    abstracts: ClassVar[bool] = False  #: reads abstracts
    entities: ClassVar[bool] = False  #: reads entities
    signals: ClassVar[bool] = False  #: reads `SIGNALS`
    counted: ClassVar[bool] = False  #: among them exposure, avoidance or clicks
    options: ClassVar[type | None] = None  #: a dataclass of its keywords; None = they are its constructor's
    dot: ClassVar[bool] = False  #: a score is the dot product of readers[0], [R, q], and what is offered, [R, W, q]

    def encode(self, contents: Contents) -> Tensor:
        """Article vectors, [N, width]."""
        raise NotImplementedError

    def reading(self, vectors: Tensor) -> Tensor:
        """What `readers` needs of each read article, [N, p]."""
        return vectors

    def offer(self, vectors: Tensor) -> Tensor:
        """What `score` needs of each offered article, [N, q]."""
        return vectors

    def readers(self, read: Tensor, mask: Tensor, signals: Tensor, user: Tensor) -> tuple[Tensor, ...]:
        """Readers from what they read, oldest first.

        `read` is [B, H, p], `mask` bool[B, H] (True = a read; a reader may have none), `signals` float32[B, H, 5] of
        the read articles at the moment of the request, `user` int64[B], rows of a table of users. Each of the tensors
        returned has B rows.
        """
        raise NotImplementedError

    def score(self, readers: tuple[Tensor, ...], offered: Tensor, signals: Tensor) -> Tensor:
        """Scores [R, W] of W candidates for each of R readers: `offered` is [R, W, q], `signals` float32[R, W, 5]."""
        return dot_product(offered, readers[0].unsqueeze(-2))

    def auxiliary(self, vectors: Tensor, contents: Contents) -> Tensor:
        """A loss over a batch's distinct articles that is added to that of the clicks; 0 for most."""
        return vectors.new_zeros(())

    def calibrate(self, signals: Tensor) -> None:
        """Fit what is fitted to the distribution of signals, float32[n, 5], once, before training."""

    def forward(
        self, contents: Contents, history: Tensor, pool: Tensor, history_signals: Tensor, signals: Tensor, user: Tensor
    ) -> Tensor:
        """Scores [B, W] by rows of `contents`: `history` int64[B, H], `pool` int64[B, W], 0 = padding.

        Row 0 of `contents` must be padding throughout.
        """
        return self.scores(self.encode(contents), history, pool, history_signals, signals, user)

    def scores(
        self, vectors: Tensor, history: Tensor, pool: Tensor, history_signals: Tensor, signals: Tensor, user: Tensor
    ) -> Tensor:
        """The second and third stage of `forward`."""
        read = self.reading(vectors)[history]
        return self.score(self.readers(read, history > 0, history_signals, user), self.offer(vectors)[pool], signals)


def padding(size: Size, model: type[NewsModel], count: int = 1) -> Contents:
    """Empty contents of `count` articles."""
    return Contents(
        torch.zeros(count, size.title, dtype=torch.int64),
        torch.zeros(count, size.abstract if model.abstracts else 0, dtype=torch.int64),
        torch.zeros(count, dtype=torch.int64),
        torch.zeros(count, dtype=torch.int64),
        torch.zeros(count, size.entities if model.entities else 0, dtype=torch.int64),
    )

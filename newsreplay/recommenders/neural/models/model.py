"""What a neural news model is: articles to vectors, readers from what they read, scores of what they are offered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from newsreplay.recommenders.neural.models.fields import TITLE, Columns, Contents, Field
from newsreplay.recommenders.neural.models.popularity import PopularityHead
from newsreplay.recommenders.neural.models.visual import (
    CardWidths,
    GlobalImpression,
    Impression,
    LocalImpression,
    card_fields,
)

UNKNOWN = 1  #: the trained row of every table for what has no row of its own; 0 is padding


@dataclass(frozen=True)
class Size:
    """How large a model is; the defaults are what the papers share."""

    word: int = 300  #: width of word vectors
    heads: int = 20  #: of self-attention
    head: int = 20  #: width of one
    filters: int = 400  #: of convolutions; the width of article vectors where no attention sets it
    query: int = 200  #: of additive attention
    dense: tuple[int, int] = (400, 256)  #: hidden layers of dense attention
    channels: tuple[int, int] = (32, 16)  #: of convolutions over cubes of what matches
    category: int = 100  #: width of category, subcategory and entity embeddings
    dropout: float = 0.2
    title: int = 30  #: words of a title
    abstract: int = 50  #: words of an abstract, for models that read it
    body: int = 100  #: words of a body, for models that read it
    together: int = 512  #: words of all titles that a reader read, for models that read these as one text
    layers: int = 2  #: of self-attention: a language model's that is not given, those over what was read
    entities: int = 5  #: entities of a title, for models that read them
    history: int = 50  #: newest reads of a reader
    categories: int = 1_024  #: rows of tables that names are hashed to
    subcategories: int = 4_096
    names: int = 16_384  #: entities, or articles by their ids
    users: int = 16_384


SMALL = Size(
    word=64,
    heads=4,
    head=16,
    filters=64,
    query=32,
    dense=(64, 32),
    category=16,
    title=20,
    abstract=20,
    body=40,
    together=128,
    history=30,
)
TINY = Size(
    word=8, heads=2, head=4, filters=8, query=4, dense=(8, 4), channels=(4, 4), category=4, title=6, abstract=6, body=6,
    together=24, entities=2, history=6, categories=16, subcategories=16, names=32, users=32,
)  # fmt: skip


@dataclass(frozen=True)
class Training:
    """How a model is fitted."""

    rate: float = 1e-4  #: Adam's learning rate
    epochs: int = 5  #: at most, over the warm-up
    patience: int = 2  #: epochs without a better validation AUC before it stops
    passes: int = 1  #: over the new impressions of a later update, of a model without a popularity head
    gentler: float = 0.3  #: learning rate of updates, as a share of that of the warm-up
    batch: int = 64  #: clicks a step
    npratio: int = 4  #: candidates beside a click, of those passed over and of those drawn
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


@dataclass(frozen=True)
class Read:
    """What B readers read, H places each, oldest first."""

    vectors: Tensor  #: float32[B, H, p], of `NewsModel.reading`; p is 0 where the model reads contents
    mask: Tensor  #: bool[B, H], True = a read; a reader may have none
    signals: Columns  #: float32[B, H, …], of `NewsModel.signals`, of the read articles at the moment of the request
    context: Columns  #: float32[B, H, …], of `NewsModel.context`
    user: Tensor  #: int64[B], rows of a table of users
    contents: Contents | None = None  #: [B, H, …], where the model reads contents


@dataclass(frozen=True)
class Offered:
    """W candidates for each of R readers."""

    vectors: Tensor  #: float32[R, W, q], of `NewsModel.offer`
    signals: Columns  #: float32[R, W, …], of `NewsModel.signals`
    context: Columns  #: float32[R, W, …], of `NewsModel.context`


@dataclass(frozen=True)
class Inputs:
    """B requests by rows of the distinct articles that they share, 0 = padding."""

    history: Tensor  #: int64[B, H], oldest first
    pool: Tensor  #: int64[B, W]
    history_signals: Columns  #: float32[B, H, …]
    signals: Columns  #: float32[B, W, …]
    history_context: Columns
    context: Columns
    user: Tensor  #: int64[B]


@dataclass(frozen=True)
class LossInputs:
    """What a loss is made of: B clicks, each the first of its candidates, and all that the model made of them.

    Of a stage on what readers read (`Stage.reads`), B readers, no candidates, and only `contents` and `requests`; all
    else is empty.
    """

    logits: Tensor  #: float32[B, W], as candidates of an impression; of pairs where the model scores them
    #: float32[B, W], likewise as candidates of a slate, less the logarithm of the probability that a draw is of the
    #: article (Bengio & Senécal 2008); without a popularity head the same but for this
    slate_logits: Tensor
    real: Tensor  #: bool[B, W], False where a candidate is padding
    drawn: Tensor  #: bool[B, W], candidates that were not shown but drawn from the articles alive
    readers: tuple[Tensor, ...]
    vectors: Tensor  #: [N, width], of distinct articles; with `reads_contents` zero unless they are offered
    contents: Contents  #: of these
    requests: Inputs
    alive: Tensor  #: float32[B], how many articles were alive, of which some were drawn


@dataclass(frozen=True)
class Stage:
    """A stage of training before the one on clicks, such as a pre-training on texts or on what readers read."""

    name: str  #: as it is shown
    epochs: int  #: over the warm-up
    again: bool = False  #: repeated, one pass over what is new, before every later update
    #: it is on readers who read that much at least, each once with the newest of what is known of them, and on nothing
    #: else: nothing is scored for it; None = it is on clicks
    reads: int | None = None


@dataclass(frozen=True)
class Graph:
    """The graph of reads that a model is told of.

    Raises `ValueError` for an unknown kind, fewer than one hop, where there is no room for the neighbours, and for
    neighbours of entities where articles are not linked.
    """

    #: of what an article's neighbours are: `next_read`, the articles that readers read just before it, most often first
    #: (GLORY, Yang et al. 2023); `readers`, those who read it last (CROWN, Ko et al. 2025)
    kind: Literal["next_read", "readers"]
    neighbours: int = 8  #: K, of an article, at most
    room: int = 32  #: edges that are counted for an article, at most
    hops: int = 1  #: how often `NewsModel.spread` is applied
    #: neighbours of each of an article's `ENTITIES`, at most; of `next_read`: those of a graph in which each edge
    #: between two articles links every entity of the one with every entity of the other
    entities: int = 0

    def __post_init__(self) -> None:
        if self.kind not in ("next_read", "readers"):
            raise ValueError(f"a graph is of next_read or readers, not of {self.kind!r}")
        if not 1 <= self.neighbours <= self.room:
            raise ValueError(
                f"room is {self.room}, but there must be room for {self.neighbours} neighbours, 1 at least"
            )
        if self.hops < 1:
            raise ValueError(f"hops must be 1 or more, not {self.hops}")
        if self.entities < 0 or (self.entities and self.kind == "readers"):
            raise ValueError(f"entities is {self.entities}, but must be 0 or more, and 0 in a graph of readers")


@dataclass(frozen=True)
class Around:
    """The neighbours of N articles, K places each."""

    #: `next_read`: float32[N, K, p], `NewsModel.neighbour` of their vectors before this hop; `readers`: int64[N, K],
    #: rows of a table of users; 0 where there is none
    nodes: Tensor
    weights: Tensor  #: float32[N, K], how often the edge was used; 1 for readers; 0 where there is none
    mask: Tensor  #: bool[N, K], True = a neighbour; an article may have none
    hop: int = 1  #: which of the hops it is, from 1
    #: int64[N, E, `Graph.entities`], neighbours of the article's entities, those linked most often first, by rows of
    #: the table of `ENTITIES`; 0 where there is none; None where the graph has none at all
    entities: Tensor | None = None


#: Parameters that share a learning rate: {"params": …, "lr": …}, as optimisers of torch take them. Without "lr" it is
#: that of the `Training`.
Group: TypeAlias = dict[str, Any]


class NewsModel(nn.Module):
    """Base class: three stages, so that all that depends on an article alone is computed once and kept.

        vectors = encode(contents)                              articles to vectors, [N, width]
        readers = readers(Read(reading(vectors)[history]))      what they read to readers
        scores  = score(readers, Offered(offer(vectors)[pool])) what they are offered to scores

    `reading` and `offer` hold what the second and third stage can compute of one article by itself (query, key and
    value projections of a history, say). All three stages treat every row by itself: the score of a candidate depends
    neither on the other candidates nor on the other readers of a batch.

    What a model is to be told is declared by class attributes: `fields` of articles, `signals` of the stream at the
    moment of a request, `context` of reads and candidates, a `graph` of reads.

    With a `graph`, vectors are changed by those of their neighbours, `spread` after `encode`, before all else. The
    neighbours are those of the last snapshot, which is taken at every training: in between none of them changes.

    With `reads_contents`, `readers` is told contents of what was read in the place of vectors, and there is no
    `reading`: encoders of all that a reader read as one text. What it makes of a reader must then depend on nothing
    else, and is kept until the reader reads again.

    With `pairs`, that many candidates of a request, those which the stages above rank first, are scored again by
    `score_pairs`, each beside all that was read, from contents: cross-encoders, matching of single words. They stand
    above all other candidates of the request, which keep their order.

    A subclass is made with `Model(size, words)`, where `words` turns int64[N, L] word ids into
    float32[N, L, size.word]; further options are keywords. One whose fields are in files (`Vector`, `NameVectors`) is
    made with `widths` besides, the widths of these vectors by field.
    """

    sizes: ClassVar[dict[str, Size]] = SIZES
    trainings: ClassVar[dict[str, Training]] = TRAININGS
    fields: ClassVar[tuple[Field, ...]] = (TITLE,)  #: of `Contents`
    #: of articles at the moment of a request: names of `newsreplay.recommenders.neural.stream.signals.SIGNALS`
    signals: ClassVar[tuple[str, ...]] = ()
    #: of reads: `category` and `subcategory` (rows of their tables), `age` (hours since the read), `hour` (UTC, of the
    #: read), `session` (1 = read in the session of the request); of candidates: the names likewise, the age of the
    #: article, the hour and 1; of both `kept_NAME`, the text of the request's row in a column that was kept, as a
    #: number of 20 bits, -1 = none
    context: ClassVar[tuple[str, ...]] = ()
    history: ClassVar[Literal["reader", "session"]] = "reader"  #: whose reads they are
    options: ClassVar[type | None] = None  #: a dataclass of its keywords; None = they are its constructor's
    graph: ClassVar[Graph | None] = None  #: whose neighbourhoods `spread` is told; None = of none
    reads_contents: ClassVar[bool] = False  #: `readers` is told contents of what was read, not vectors
    pairs: ClassVar[int] = 0  #: candidates of a request that `score_pairs` scores again, at most
    described: ClassVar[bool] = False  #: whether descriptions of categories may stand behind its titles
    #: what of news cards it is told by default, one of `VISUAL`, where its `encode` calls `words_seen` and `card_seen`;
    #: None = it does not, and is told nothing
    visual: ClassVar[str | None] = None
    #: a score is the dot product of readers[0], [R, q], and what is offered, [R, W, q]; an object's own may differ
    dot: bool = False

    head: PopularityHead | None  #: changes scores by what readers do just now
    impression: Impression | None  #: changes words and articles by what their news cards show
    article_width: int  #: of the vectors that `card_seen` is given

    def __init__(self, *_: Any, **options: Any) -> None:
        super().__init__(**options)
        self.head = None
        self.impression = None

    def show_cards(self, visual: str, size: Size, widths: CardWidths) -> None:
        """Have the model told of news cards from now on; the weights that takes are drawn here, after all others."""
        fields = card_fields(visual)
        self.fields = (*self.fields, *fields)  # type: ignore[misc]  # of this model alone
        self.impression = Impression(
            LocalImpression(size.word, widths.cues) if visual in ("local", "both") else None,
            self.whole_impression(size, widths.card) if visual in ("global", "both") else None,
        )

    def whole_impression(self, size: Size, card: int) -> nn.Module:
        """What is made of whole cards, features so wide."""
        return GlobalImpression(self.article_width, card)

    def words_seen(self, words: Tensor, contents: Contents) -> Tensor:
        """Vectors of a title's words, [N, L, word], as the cues of its card change them; zeros behind them."""
        if self.impression is None or self.impression.local is None:
            return words
        seen: Tensor = self.impression.local(words, contents.cues)
        return seen.masked_fill(contents.title.unsqueeze(-1) == 0, 0.0)

    def card_seen(self, vectors: Tensor, contents: Contents) -> Tensor:
        """Vectors of articles, [N, article_width], as their whole card changes them."""
        if self.impression is None or self.impression.whole is None:
            return vectors
        seen: Tensor = self.impression.whole(vectors, contents.card)
        return seen

    def encode(self, contents: Contents) -> Tensor:
        """Article vectors, [N, width]."""
        raise NotImplementedError

    def spread(self, vectors: Tensor, around: Around) -> Tensor:
        """Article vectors [N, width] as their neighbours change them; applied `Graph.hops` times."""
        raise NotImplementedError

    def neighbour(self, vectors: Tensor) -> Tensor:
        """What `spread` needs of each neighbour, [N, p]."""
        return vectors

    def reading(self, vectors: Tensor) -> Tensor:
        """What `readers` needs of each read article, [N, p]."""
        return vectors

    def offer(self, vectors: Tensor) -> Tensor:
        """What `score` needs of each offered article, [N, q]."""
        return vectors

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """Readers from what they read: tensors of B rows each, one vector a reader or several."""
        raise NotImplementedError

    def score(self, readers: tuple[Tensor, ...], offered: Offered) -> Tensor:
        """Scores [R, W] of W candidates for each of R readers."""
        return dot_product(offered.vectors, readers[0].unsqueeze(-2))

    def score_pairs(self, read: Contents, mask: Tensor, offered: Contents, first: Tensor) -> Tensor:
        """Scores [P] of P pairs of a reader and a candidate, each pair by itself.

        `read` are contents [P, H, …] of what the reader read, oldest first, `mask` bool[P, H], True = a read;
        `offered` contents [P, …] of the candidate; `first` float32[P] its scores so far.
        """
        raise NotImplementedError

    def loss(self, batch: LossInputs) -> Tensor:
        """What training makes small: a click set against what was passed over, by default."""
        return click_loss(batch.logits, batch.slate_logits, batch.real, batch.drawn)

    def stages(self) -> Sequence[Stage]:
        """Stages of training before the one on clicks; none by default."""
        return ()

    def stage_loss(self, stage: Stage, batch: LossInputs) -> Tensor:
        """What a stage makes small."""
        raise NotImplementedError

    def finish(self, stage: Stage) -> None:
        """What is to happen when a stage is over for the first time; nothing by default."""

    def groups(self, rate: float) -> list[Group]:
        """The model's parameters that are fitted, without those of its head, and their rates; one group by default."""
        own = [p for name, p in self.named_parameters() if p.requires_grad and not name.startswith("head.")]
        return [{"params": own, "lr": rate}]

    def calibrate(self, signals: Columns, first: bool) -> None:
        """Fit what is fitted to the distribution of signals of candidates, float32[n, …].

        Before the first training these are those of the warm-up, before a later one those of the last day.
        """

    def survey(self, contents: Contents) -> None:
        """Take in what all articles say that are known before a training, as words that are in few of them.

        Nothing by default.
        """

    def forward(self, contents: Contents, requests: Inputs) -> Tensor:
        """Scores [B, W] in impressions, of articles without neighbours, before pairs are scored; row 0 is padding."""
        return self.scores(self.encode(contents), requests, contents)[1]

    def scores(
        self, vectors: Tensor, requests: Inputs, contents: Contents | None = None
    ) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """The second and third stage of `forward`: readers, and scores [B, W] in impressions and in slates.

        `contents`, of the same articles, are needed by models that read them.
        """
        history, pool = requests.history, requests.pool
        read = Read(
            vectors[:, :0][history] if self.reads_contents else self.reading(vectors)[history],
            history > 0,
            requests.history_signals,
            requests.history_context,
            requests.user,
            contents.each(lambda column: column[history]) if self.reads_contents and contents is not None else None,
        )
        readers = self.readers(read)
        scores = self.score(readers, Offered(self.offer(vectors)[pool], requests.signals, requests.context))
        if self.head is None:
            return readers, scores, scores
        return readers, *self.head(scores, requests.signals).unbind(-1)


def click_loss(logits: Tensor, slate_logits: Tensor, real: Tensor, drawn: Tensor) -> Tensor:
    """Mean of -log p(click) among a click, in the first column, and the real ones of its negatives.

    Those that were passed over in the same impression and those that were drawn, as candidates of a slate are, are set
    against the click apart: a sum of two softmaxes where there are both.
    """
    total = logits.new_zeros((), dtype=torch.float32)
    for scores, others in ((logits, real & ~drawn), (slate_logits, drawn)):
        among = others.clone()
        among[:, 0] = True
        some = among[:, 1:].any(-1)
        if some.any():
            losses = -functional.log_softmax(scores[some].float().masked_fill(~among[some], -math.inf), -1)[:, 0]
            total = total + losses.sum()
    return total / len(logits)

"""Inputs at random, in the columns that models declare, and models to score them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.learning.requests import CONTEXT
from newsreplay.recommenders.neural.models.fields import (
    CUES,
    CardView,
    Columns,
    Contents,
    Field,
    Name,
    Names,
    Number,
    Words,
)
from newsreplay.recommenders.neural.models.fine_tuning import FineTuning
from newsreplay.recommenders.neural.models.language import Marks, Transformer
from newsreplay.recommenders.neural.models.layers import NameTable, WordTable
from newsreplay.recommenders.neural.models.model import TINY, UNKNOWN, Around, Graph, Inputs, NewsModel, Size
from newsreplay.recommenders.neural.models.sessions import IdRows
from newsreplay.recommenders.neural.models.visual import CardWidths
from newsreplay.recommenders.neural.stream.signals import SIGNALS

WORDS = 40  #: rows of the word table
ARTICLES = 24
WIDTHS = CardWidths(cues=5, card=7)

PER_READ = ("history", "history_signals", "history_context")
PER_CANDIDATE = ("pool", "signals", "context")


class Batch(NamedTuple):
    """What `NewsModel.forward` takes."""

    contents: Contents
    requests: Inputs

    def but(self, **parts: Any) -> Batch:
        """The same with other requests in part."""
        return self._replace(requests=replace(self.requests, **parts))

    def each(self, names: Iterable[str], change: Callable[[Tensor], Tensor]) -> Batch:
        """The same with some of the tensors changed."""
        parts = {name: getattr(self.requests, name) for name in names}
        return self.but(
            **{name: part.each(change) if isinstance(part, Columns) else change(part) for name, part in parts.items()}
        )

    def rows(self, rows: Sequence[int]) -> Batch:
        """Some of the requests, over the same articles."""
        return self.each([field.name for field in fields(Inputs)], lambda part: part[list(rows)])

    def candidates(self, columns: Sequence[int]) -> Batch:
        """The same requests with some of the candidates."""
        return self.each(PER_CANDIDATE, lambda part: part[:, list(columns)])

    def reads(self, columns: Sequence[int]) -> Batch:
        """The same requests of readers who have read this in another order."""
        return self.each(PER_READ, lambda part: part[:, list(columns)])

    def told(self, side: str = "signals", **columns: Any) -> Batch:
        """The same with some columns of `signals` or `history_signals` set to numbers."""
        kept = getattr(self.requests, side)
        values = kept.values.clone()
        for name, value in columns.items():
            values[..., kept.names.index(name)] = value
        return self.but(**{side: Columns(kept.names, values)})


def some_signals(*shape: int, names: Sequence[str] = SIGNALS) -> Columns:
    """Signals as a stream has them: shares, counts, hours; some of them unknown for every sixth article."""

    def signal(name: str) -> Tensor:
        if name.startswith(("clicks", "reads_", "shown_", "age")):
            return torch.randint(1, 50, shape).float()
        hours = 100.0 if name.endswith("_hours") else 1.0
        unknown = torch.rand(*shape) < 1 / 6
        return (hours * torch.rand(*shape)).masked_fill(unknown & (name not in ("rate", "known_hours")), torch.nan)

    values = [signal(name) for name in names]
    return Columns(tuple(names), torch.stack(values, -1) if values else torch.zeros(*shape, 0))


def some_context(*shape: int, names: Sequence[str] = CONTEXT) -> Columns:
    """What models may be told of reads and candidates: rows of a table, hours, and 0 or 1."""
    below = {"category": 5, "subcategory": 4, "age": 72, "hour": 24, "session": 2}
    values = [torch.randint(0, below[name], shape).float() for name in names]
    return Columns(tuple(names), torch.stack(values, -1) if values else torch.zeros(*shape, 0))


def some_contents(wanted: Sequence[Field], size: Size) -> Contents:
    """Row 0 is padding; the others have 1 to all of their words, the last one no title, the fourth no abstract.

    The third has no card, the fifth one without cues, the others some cues.
    """

    def several(length: int, rows: int) -> Tensor:
        ids = torch.randint(1, rows, (ARTICLES, length))
        return ids.masked_fill(torch.arange(length) >= torch.randint(1, length + 1, (ARTICLES, 1)), 0)

    def column(field: Field) -> Tensor:
        match field:
            case Words():
                return several(getattr(size, field.name), WORDS)
            case Name("id"):  # one row each, lest articles be the same
                return UNKNOWN + torch.randperm(getattr(size, field.rows) - UNKNOWN)[:ARTICLES]
            case Name():
                return torch.randint(UNKNOWN, getattr(size, field.rows), (ARTICLES,))
            case Names():
                return several(getattr(size, field.name), getattr(size, field.rows))
            case Number():
                return (2 * torch.rand(ARTICLES) - 1).masked_fill(torch.rand(ARTICLES) < 1 / 6, torch.nan)
            case CardView():
                return some_of_cards(field.name)
        raise TypeError(f"{field} needs a file")

    columns = {field.name: column(field) for field in wanted}
    if "cues" in columns:
        columns["cues"][[2, 4]] = 0
    if "card" in columns:
        columns["card"][2] = 0
    for name, row in (("title", ARTICLES - 1), ("abstract", 3)):
        if name in columns:
            columns[name][row] = 0
    return Contents(columns).each(lambda ids: ids.index_fill(0, torch.tensor([0]), 0))


def some_of_cards(name: str) -> Tensor:
    if name == "card":
        return torch.randn(ARTICLES, WIDTHS.card)
    return torch.randn(ARTICLES, CUES, WIDTHS.cues) * (torch.rand(ARTICLES, CUES, 1) < 0.5)


def some_batch(
    model: type[NewsModel] | NewsModel,
    size: Size = TINY,
    readers: int = 5,
    candidates: int = 4,
    most: int | None = None,
) -> Batch:
    """Inputs of readers who have read between nothing (the first) and `most` articles (the second)."""
    most = size.history if most is None else most
    length = torch.randint(0, most + 1, (readers, 1))
    length[0] = 0
    length[1:2] = most
    return Batch(
        some_contents(model.fields, size),
        Inputs(
            torch.randint(1, ARTICLES, (readers, most)).masked_fill(torch.arange(most) >= length, 0),
            torch.stack([1 + torch.randperm(ARTICLES - 1)[:candidates] for _ in range(readers)]),
            some_signals(readers, most, names=model.signals),
            some_signals(readers, candidates),  # a head is told more of candidates than the model
            some_context(readers, most, names=model.context),
            some_context(readers, candidates, names=model.context),
            torch.arange(readers) % (size.users - UNKNOWN) + UNKNOWN,
        ),
    )


def some_readers(articles: int, most: int, size: Size = TINY) -> Around:
    """Those who read articles last, nobody the first of them, and as many as there is room for the second."""
    length = torch.randint(0, most + 1, (articles, 1))
    length[0] = 0
    length[1:2] = most
    mask = torch.arange(most) < length
    return Around(torch.randint(UNKNOWN, size.users, mask.shape).masked_fill(~mask, 0), mask.float(), mask)


def spread(model: NewsModel, vectors: Tensor) -> Tensor:
    """Vectors after all hops, of articles among readers or neighbours at random, the same each time.

    Of a model without a graph they are as given.
    """
    if model.graph is None:
        return vectors
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return _spread(model, model.graph, vectors)


def _spread(model: NewsModel, graph: Graph, vectors: Tensor) -> Tensor:
    for hop in range(1, graph.hops + 1):
        around = some_readers(len(vectors), graph.neighbours)
        if graph.kind == "next_read":
            rows = torch.randint(1, len(vectors), around.mask.shape)
            nodes = model.neighbour(vectors)[rows].masked_fill(~around.mask.unsqueeze(-1), 0)
            entities = torch.randint(0, TINY.names, (len(vectors), TINY.entities, graph.entities))
            around = replace(around, nodes=nodes, hop=hop, entities=entities)
        vectors = model.spread(vectors, around)
    return vectors


def model_class(name: str) -> type[NewsModel]:
    """The one model of a module."""
    module = importlib.import_module(f"newsreplay.recommenders.neural.models.{name}")
    (found,) = (
        thing
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, NewsModel) and thing.__module__ == module.__name__
    )
    return found


def build(
    kind: str | type[NewsModel], options: dict[str, Any], size: Size = TINY, stirred: bool = True, table: bool = False
) -> NewsModel:
    """A model that is not training; `stirred`: with larger weights, so that everything in it matters.

    `table`: over a table of words, even where it is made for a language model. The option `visual` is not the
    constructor's: it shows the model cards.
    """
    torch.manual_seed(1)
    kind = model_class(kind) if isinstance(kind, str) else kind
    words = WordTable(WORDS, size.word) if table else words_for(kind, size)
    visual = options.get("visual", kind.visual or "none")
    model = kind(size, words, **{k: v for k, v in options.items() if k != "visual"})
    if visual != "none":
        model.show_cards(visual, size, WIDTHS)
    model.calibrate(some_signals(500), True)
    if stirred:
        stir(model)
    for part in model.modules():
        if isinstance(part, IdRows):  # as if it had been trained
            part.met.fill_(True)
    return model.eval()


def words_for(kind: type[NewsModel], size: Size) -> nn.Module:
    """What models are made over: a table, or a language model for those that are made for one."""
    table = WordTable(WORDS, size.word)
    tuned = kind.options is not None and issubclass(kind.options, FineTuning)
    return Transformer(table, size, Marks(WORDS - 3, WORDS - 2, WORDS - 1)) if tuned else table


def stir(model: torch.nn.Module) -> None:
    """Draw larger weights."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
        for part in model.modules():
            if isinstance(part, NameTable | WordTable):
                part.weight[0] = 0


def same(first: Tensor, second: Tensor) -> bool:
    """Equal to 1e-6 of the largest."""
    return bool((first - second).abs().max() <= 1e-6 * second.abs().max().clamp(min=1))

"""Titles, categories and entities of articles, as the whole numbers that models read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from newsreplay.errors import SpecError
from newsreplay.log.entities import entity_names
from newsreplay.log.growing import with_room
from newsreplay.recommenders.neural.articles.descriptions import Descriptions
from newsreplay.recommenders.neural.articles.texts import Vocabulary, hashed, mentions
from newsreplay.recommenders.neural.articles.vectors import Vectors, WordVectors
from newsreplay.recommenders.neural.cards.features import CardFeatures, Face
from newsreplay.recommenders.neural.models.fields import (
    CardView,
    Contents,
    Field,
    Mentions,
    Name,
    Names,
    NameVectors,
    Number,
    ReadField,
    Vector,
    Words,
    fact_of,
)
from newsreplay.recommenders.neural.models.layers import WordTable
from newsreplay.recommenders.neural.models.model import UNKNOWN, Size

LARGEST = float(np.finfo(np.float32).max)  #: number of an article
NOISE = 0.1  #: standard deviation of the rows of words without a pretrained vector


class WordIds(Protocol):
    """Texts to ids: a `Vocabulary`, or a language model's tokens."""

    def ids(self, text: str, length: int) -> list[int]:
        """Ids of a text's first `length` words, none of them 0."""

    def ids_of_names(self, names: Sequence[str], length: int) -> list[int]:
        """Ids of names that stand for a text."""

    def ids_behind(self, text: str, length: int) -> list[int]:
        """Ids of a text's first words, at most `length`, that stand behind those of another text."""


class ArticleFacts(Protocol):
    """The facts of `newsreplay.log.catalog.Catalog`, of which any source can stand in for it."""

    def id(self, item: int) -> str:
        """The publisher's own id."""

    def category(self, item: int) -> str | None:
        """The category's name, None = not known by now."""

    def text(self, item: int, fact: str) -> str | None:
        """Another fact, None = not known by now."""

    def has_fact(self, fact: str) -> bool:
        """Whether the source has such a fact at all."""


def names_of(catalog: ArticleFacts, item: int) -> list[str]:
    """What stands for a missing title: `category:NAME` and `subcategory:NAME`, if known, and `article:ID`."""
    facts = {"category": catalog.category(item), "subcategory": catalog.text(item, "subcategory")}
    return [*(f"{fact}:{name}" for fact, name in facts.items() if name is not None), f"article:{catalog.id(item)}"]


class ArticleTable:
    """Contents of articles by *slot*: dense numbers, handed out when an article is first needed; slot 0 is padding.

    An item is an article's code, or the catalog's handle (-2 and below) of an article that only profiles have. Its
    contents are read from `catalog` when it gets its slot, and again by `refresh`. A title that is missing, or has no
    words, is replaced by names (`names_of`). Names are hashed to the rows of their tables. `files` holds, by field,
    what fields of vectors are read from, `cards` the features of news cards. With `descriptions`, that of an article's
    category stands behind its title, as many words of it as an abstract has at most.
    """

    def __init__(
        self,
        fields: Sequence[Field],
        size: Size,
        words: WordIds,
        catalog: ArticleFacts,
        files: Mapping[str, Vectors] | None = None,
        cards: CardFeatures | None = None,
        descriptions: Descriptions | None = None,
    ):
        self.fields: tuple[ReadField, ...] = tuple(field for field in fields if not isinstance(field, CardView))
        self.cards = cards
        self.descriptions = descriptions
        self.size = size
        self.words = words
        self.catalog = catalog
        self.files = files or {}
        self.count = 0  #: articles that have a slot
        self.without_text = 0  #: of these, how many have no title by now
        #: by field of numbers or vectors, the slots whose number is none, or whose vector its file lacks
        self.unusable: dict[str, set[int]] = {}
        self.undescribed: set[int] = set()  #: slots of articles whose category `descriptions` does not describe
        self.described: set[str] = set()  #: the names among those of `descriptions` that an article has
        facts = (fact_of(field) for field in fields)
        # Categories stand for titles that are missing.
        self._facts = list(dict.fromkeys([*filter(None, facts), "title", "category", "subcategory"]))
        self._columns = {field.name: self._empty(field) for field in self.fields}  # by slot
        self._missing: dict[int, list[str]] = {0: []}  # by slot: the facts that are not known yet
        self._category = np.zeros(1, np.int32)  # by slot
        self._subcategory = np.zeros(1, np.int32)  # by slot
        self._item = np.full(1, -1, np.int64)  # by slot
        self._named = np.zeros(1, bool)  # by slot: whether its title is made of names
        self._slot = np.zeros(64, np.int32)  # by _place: 0 = no slot yet; that of NONE, -1, remains padding

    def slot(self, item: int) -> int:
        """The slot of an item, a new one if it has none yet. Raises KeyError where the catalog does not know it."""
        place = _place(item)
        self._slot = with_room(self._slot, place + 1)
        if not self._slot[place] and place:
            self._add(item)
        return int(self._slot[place])

    def slots(self, items: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """Slots of items, int64 of the same shape; 0 where the item is -1."""
        wide = items.astype(np.int64)
        place = np.where(wide >= 0, 2 * wide + 1, -2 * wide - 2)  # as _place
        self._slot = with_room(self._slot, int(place.max(initial=0)) + 1)
        slots = self._slot[place]
        new = (slots == 0) & (place > 0)
        if new.any():
            for item in np.unique(items[new]).tolist():
                self._add(item)
            slots = self._slot[place]
        return slots.astype(np.int64)

    def lacks(self, name: str) -> bool:
        """Whether no article that has a slot, of which there are some, has a number in a field of numbers."""
        return self.count > 0 and bool(np.isnan(self._columns[name][1 : self.count + 1]).all())

    def items(self, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The items of slots, of the same shape; -1 for padding."""
        return self._item[slots]

    def contents(self, slots: npt.NDArray[np.int64], trim: bool = False) -> Contents:
        """Contents of int64[N] slots; trimmed, texts and names are as wide as the longest of them, at least 1."""
        columns: dict[str, torch.Tensor] = {}
        if self.cards is not None:
            columns = {name: torch.from_numpy(column) for name, column in self.cards.of(slots).items()}
        chosen = {field.name: self._columns[field.name][slots] for field in self.fields}
        for name, column in (self._trimmed(chosen) if trim else chosen).items():
            columns[name] = torch.from_numpy(column.astype(np.int64) if column.dtype == np.int32 else column)
        return Contents(columns)

    def categories(self, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """The rows of the articles' categories, float32 of the same shape; `UNKNOWN` where there is none."""
        return self._category[slots].astype(np.float32)

    def subcategories(self, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """The same of subcategories."""
        return self._subcategory[slots].astype(np.float32)

    def rows_of_names(self, field: str, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The rows of the articles' names, of a field of `Names`, int64[N, E]; 0 = none."""
        return self._columns[field][slots].astype(np.int64)

    def refresh(self, item: int) -> bool:
        """Read an item with a slot anew if the catalog has come to hold more of it; True if its contents changed."""
        if not self.is_stale(item):
            return False
        slot = self.slot(item)
        before = [column[slot].copy() for column in self._columns.values()]
        looks_otherwise = self._read(item, slot)
        now = (column[slot] for column in self._columns.values())
        return looks_otherwise or any(
            not np.array_equal(old, new, equal_nan=True) for old, new in zip(before, now, strict=True)
        )

    def is_stale(self, item: int) -> bool:
        """Whether the catalog has come to hold more of an item with a slot than was read."""
        return any(self._fact(item, fact) is not None for fact in self._missing[self.slot(item)])

    def is_complete(self, item: int) -> bool:
        """Whether nothing can be added: all that the model reads is known, or the article is outside the log."""
        return item < 0 or not self._missing[self.slot(item)]

    def _trimmed(self, columns: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Columns without the places that are padding in all rows; names and their vectors stay as wide as another."""
        fact = {field.name: fact_of(field) for field in self.fields if isinstance(field, Words | Names | NameVectors)}
        width = dict.fromkeys(fact.values(), 1)
        for name, of in fact.items():
            places = columns[name].nonzero()[1]
            width[of] = max(width[of], 1 + int(places.max(initial=0)))
        return {name: column[:, : width[fact[name]]] if name in fact else column for name, column in columns.items()}

    def _add(self, item: int) -> None:
        slot = self.count + 1
        self._columns = {name: with_room(column, slot + 1) for name, column in self._columns.items()}
        self._category = with_room(self._category, slot + 1)
        self._subcategory = with_room(self._subcategory, slot + 1)
        self._item = with_room(self._item, slot + 1)
        self._named = with_room(self._named, slot + 1)
        self._read(item, slot)
        self.count = slot
        self._item[slot] = item
        self._slot[_place(item)] = slot

    def _fact(self, item: int, fact: str) -> str | None:
        if fact == "id":
            return self.catalog.id(item)
        return self.catalog.category(item) if fact == "category" else self.catalog.text(item, fact)

    def _empty(self, field: ReadField) -> npt.NDArray[Any]:
        """The column of a field with the slot of padding alone."""
        match field:
            case Name():
                return np.zeros(1, np.int32)
            case Number():
                return np.zeros(1, np.float32)
            case Vector():
                return np.zeros((1, self.files[field.name].width), np.float32)
            case NameVectors():
                return np.zeros((1, getattr(self.size, field.of), self.files[field.name].width), np.float32)
            case Mentions():
                return np.zeros((1, self.size.title), np.int32)
            case Words(name="title") if self.descriptions is not None:
                return np.zeros((1, self.size.title + self.size.abstract), np.int32)
        return np.zeros((1, getattr(self.size, field.name)), np.int32)

    def _read(self, item: int, slot: int) -> bool:
        """Read what is known of an item; True if its card, which it had, looks otherwise now."""
        facts = {fact: self._fact(item, fact) for fact in self._facts}
        title = self.words.ids(facts["title"] or "", self.size.title)
        named = not title
        if named:
            title = self.words.ids_of_names(names_of(self.catalog, item), self.size.title)
        if self.descriptions is not None:
            title = [*title, *self._description(self.descriptions, slot, facts)]
        for field in self.fields:
            column = self._columns[field.name]
            values = title if field.name == "title" else self._values(field, item, facts)
            cells = column[slot] if column.ndim > 1 else column[slot : slot + 1]  # a view
            cells[:] = 0
            cells[: len(values)] = values[: len(cells)]
            if _is_unusable(field, facts, cells):
                self.unusable.setdefault(field.name, set()).add(slot)
            elif field.name in self.unusable:
                self.unusable[field.name].discard(slot)
        self._category[slot] = _hashed(facts["category"], self.size.categories)
        self._subcategory[slot] = _hashed(facts["subcategory"], self.size.subcategories)
        self.without_text += named - int(self._named[slot])
        self._named[slot] = named
        # What the source has of no article need not be looked up again.
        self._missing[slot] = [fact for fact in self._facts if facts[fact] is None and self.catalog.has_fact(fact)]
        if self.cards is None:
            return False
        face = Face(self.catalog.id(item), facts["title"], facts["category"], facts["image"])
        return self.cards.show(slot, face)

    def _description(self, descriptions: Descriptions, slot: int, facts: Mapping[str, str | None]) -> list[int]:
        """The words of the text that describes the category of an article."""
        names = facts["category"], facts["subcategory"]
        self.described.update(name for name in names if name in descriptions.texts)
        text = descriptions.of(*names)
        if text:
            self.undescribed.discard(slot)
        else:
            self.undescribed.add(slot)
        return self.words.ids_behind(text, self.size.abstract)

    def _values(self, field: ReadField, item: int, facts: Mapping[str, str | None]) -> Any:
        """What a field holds of an article: as many values as there are, at most."""
        match field:
            case Words():
                return self.words.ids(facts[field.name] or "", getattr(self.size, field.name))
            case Name():
                return [_hashed(facts[field.name], getattr(self.size, field.rows))]
            case Number(of_title=None):
                return [_number(facts[field.name])]
            case Number(of_title=made):
                return [made(facts["title"]) if made is not None and facts["title"] else math.nan]
            case Vector():
                return self.files[field.name].look_up([self.catalog.id(item)])[0][0]
            case NameVectors():
                return self.files[field.name].look_up(entity_names(facts[field.of]))[0]
            case Mentions():
                if not isinstance(self.words, Vocabulary):
                    return []
                return mentions(facts["title"] or "", facts[field.of], getattr(self.size, field.of))
        return [_hashed(name, getattr(self.size, field.rows)) for name in entity_names(facts[field.name])]


def word_table(
    vocabulary: Vocabulary, vectors: WordVectors | None, width: int, generator: torch.Generator
) -> WordTable:
    """The table of a vocabulary's words: their pretrained vectors where there are any, else noise.

    Rows of words without a vector are the mean of those found plus N(0, 0.1²); buckets, which many words share, are
    N(0, 0.1²), and so is every row without `vectors`. Raises `SpecError` if the vectors are not `width` wide.
    """
    if vectors is not None and vectors.width != width:
        raise SpecError(
            f"the word vectors of {vectors.path} have {vectors.width} numbers, the model takes {width}: "
            f"choose vectors of {width}, or another size of the model"
        )
    with torch.random.fork_rng(devices=[]):  # the layer's own noise is replaced by the generator's
        table = WordTable(vocabulary.rows, width)
    rows = torch.empty(vocabulary.rows, width).normal_(0, NOISE, generator=generator)
    rows[0] = 0
    if vectors is not None:
        known, have_vectors = map(torch.from_numpy, vectors.look_up(vocabulary.words))
        words = rows[1 + vocabulary.buckets :]
        if have_vectors.any():
            words += known[have_vectors].mean(0)
        words[have_vectors] = known[have_vectors]
    with torch.no_grad():
        table.weight.copy_(rows)
    return table


def grow(table: WordTable, vocabulary: Vocabulary, vectors: WordVectors) -> None:
    """Append the vectors of the words that have come up since the table was made or grown last."""
    fresh = vocabulary.later[len(table.later) :]
    if fresh:
        table.grow(torch.from_numpy(vectors.look_up(fresh)[0]))


def _hashed(name: str | None, rows: int) -> int:
    return UNKNOWN if name is None else 2 + hashed(name, rows - 2)


def _number(text: str | None) -> float:
    """NaN where the text is no number that float32 holds."""
    try:
        number = float(text or "nan")
    except ValueError:
        return math.nan
    return number if abs(number) <= LARGEST else math.nan


def _is_unusable(field: ReadField, facts: Mapping[str, str | None], cells: npt.NDArray[Any]) -> bool:
    """Whether what stands for a number or for vectors of an article, in `cells`, was not to be had."""
    match field:
        case Number():
            return facts.get(field.name) is not None and bool(np.isnan(cells[0]))
        case Vector():
            return not cells.any()
        case NameVectors():
            return bool(entity_names(facts[field.of])) and not cells.any()
    return False


def _place(item: int) -> int:
    """-1, 0, -2, 1, -3 … as 0, 1, 2, 3, 4 …: handles and codes side by side."""
    return 2 * item + 1 if item >= 0 else -2 * item - 2

"""What models can be told of an article's contents, and the columns in which they are told it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor


@dataclass(frozen=True)
class Words:
    """The first words of a text, int64[N, L] word ids; L is the size's number of the same name."""

    name: str  #: title, abstract, body


@dataclass(frozen=True)
class Name:
    """One name, int64[N], hashed to the rows of a table; `UNKNOWN` where there is none.

    Called `id` it is the article's own id.
    """

    name: str
    rows: str  #: the size's number of rows, by name


@dataclass(frozen=True)
class Names:
    """Several names, int64[N, E], hashed to the rows of a table; E is the size's number of the same name.

    In training texts and names are cut to the longest of a batch: L and E are at most as large as said here.
    """

    name: str
    rows: str  #: the size's number of rows, by name


@dataclass(frozen=True)
class Number:
    """A number, float32[N]; NaN where it is not known.

    It is the fact of its name, or what `of_title` makes of a title.
    """

    name: str
    of_title: Callable[[str], float] | None = None


@dataclass(frozen=True)
class Vector:
    """A vector of each article, float32[N, width], from the file of the parameter `name`; zeros where unknown."""

    name: str


@dataclass(frozen=True)
class NameVectors:
    """Vectors of several names, float32[N, E, width], from a file that the parameter `name` names, as TransE's.

    E is the size's number called `of`; zeros where a name is unknown.
    """

    name: str
    of: str  #: the fact that holds the names
    optional: bool = False  #: whether the model does without the file; then it must not have the field


@dataclass(frozen=True)
class Mentions:
    """Which of several names each word of the title is part of, int64[N, L], by place from 1; 0 = none.

    L is the size's `title`, whatever texts are cut to. Titles that are read by a language model have none.
    """

    name: str
    of: str  #: the fact that holds the names


@dataclass(frozen=True)
class CardView:
    """What an article's news card shows, as `newsreplay.recommenders.neural.cards` makes it of title, category, cover.

    `cues`: float16 or float32[N, CUES, width], of its parts, zeros where there is nothing; `card`: [N, width], of all
    of it, zeros where there is no card.
    """

    name: str


ReadField: TypeAlias = Words | Name | Names | Number | Vector | NameVectors | Mentions
Field: TypeAlias = ReadField | CardView

TITLE, ABSTRACT, BODY = Words("title"), Words("abstract"), Words("body")
CATEGORY, SUBCATEGORY = Name("category", "categories"), Name("subcategory", "subcategories")
ENTITIES = Names("entities", "names")
SENTIMENT = Number("sentiment")  #: from -1, negative, to 1
ID = Name("id", "names")  #: the publisher's own, which every article has
CARD_CUES, WHOLE_CARD = CardView("cues"), CardView("card")

WORD_CUES = 15  #: of the first words of a title
COVER_CUES = 9  #: of a cover, three by three
CUES = WORD_CUES + COVER_CUES + 1  #: the last one is that of the category


def fact_of(field: Field) -> str | None:
    """The fact of the catalog that a field is made of; None where that is the article's id.

    Of a card it is the one beside title and category, which are read for every article.
    """
    if isinstance(field, Vector):
        return None
    if isinstance(field, Number) and field.of_title is not None:
        return "title"
    if isinstance(field, CardView):
        return "image"
    return field.of if isinstance(field, NameVectors | Mentions) else field.name


@dataclass(frozen=True)
class Contents:
    """Contents of N articles by field, as attributes too; 0 is padding throughout.

    >>> import torch
    >>> Contents({"title": torch.tensor([[3, 4, 0]])}).title.shape
    torch.Size([1, 3])
    """

    columns: Mapping[str, Tensor]  #: N rows each

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self.__dict__["columns"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(f"contents have no {name!r}; the model's `fields` must name it") from None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def each(self, change: Callable[[Tensor], Tensor]) -> Contents:
        """The same with every column changed."""
        return Contents({name: change(column) for name, column in self.columns.items()})

    def replaced(self, **columns: Tensor) -> Contents:
        """The same with other columns in the place of some."""
        return Contents({**self.columns, **columns})


@dataclass(frozen=True)
class Columns:
    """Numbers side by side, float32[..., n], and by name as attributes, float32[...].

    >>> import torch
    >>> Columns(("clicks", "age"), torch.tensor([[7.0, 2.0], [0.0, 1.0]])).age
    tensor([2., 1.])
    """

    names: tuple[str, ...]
    values: Tensor

    def __getattr__(self, name: str) -> Tensor:
        own = self.__dict__
        if name not in own.get("names", ()):
            raise AttributeError(f"no column is called {name!r}; the model must declare it")
        return own["values"][..., own["names"].index(name)]  # type: ignore[no-any-return]

    def each(self, change: Callable[[Tensor], Tensor]) -> Columns:
        """The same with the numbers changed."""
        return Columns(self.names, change(self.values))

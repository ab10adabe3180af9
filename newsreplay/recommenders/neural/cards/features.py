"""Features of news cards: what a network sees of an article's title, cover and category where they stand."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from newsreplay.log.growing import with_room
from newsreplay.recommenders.neural.cards.backbones import CELLS, SIDE, Backbone
from newsreplay.recommenders.neural.cards.covers import Covers, opened
from newsreplay.recommenders.neural.cards.rendering import COVER, Box, NewsCard, news_card
from newsreplay.recommenders.neural.models.fields import CARD_CUES, COVER_CUES, CUES, WHOLE_CARD, WORD_CUES

if TYPE_CHECKING:
    from PIL.Image import Image

TITLE_AREA = (220, 10, 610, 140)  #: left, top, right, bottom, px
CATEGORY_AREA = (220, 138, 610, 190)
BANDS = ((0, 9), (9, 18), (18, 28))  #: rows of a map, of the three lines of a title, and thirds of a cover
LARGEST = 60_000.0  #: that float16 holds


class Face(NamedTuple):
    """What there is to see of an article, as of the moment that it was read."""

    article: str  #: its id
    title: str | None
    category: str | None
    image: str | None  #: the fact of that name


class CardFeatures:
    """Features of articles' news cards by slot, made when they are first asked for, one card at a time.

    So an article's features go by its own face alone. Those of cards without a cover that say the same are kept once.
    `wanted` names the fields that are asked for.
    """

    def __init__(self, backbone: Backbone, covers: Covers | None, wanted: Collection[str]):
        self.backbone = backbone
        self.covers = covers
        self.wanted = tuple(wanted)
        self.made = 0  #: cards, of as many articles
        self.with_cover: set[int] = set()  #: slots
        self.broken: set[int] = set()  #: slots whose cover cannot be read
        self._faces: dict[int, Face] = {}  # by slot
        self._row = np.zeros(1, np.int32)  # by slot; 0 = none yet
        self._rows = 0  # that hold features
        self._row_of: dict[tuple[str | None, str | None], int] = {}  # by title and category, without a cover
        widths = backbone.widths
        kind = np.float16 if backbone.rounded else np.float32
        shapes = {CARD_CUES.name: (CUES, widths.cues), WHOLE_CARD.name: (widths.card,)}
        self._tables = {name: np.zeros((1, *shapes[name]), kind) for name in self.wanted}  # by row

    def show(self, slot: int, face: Face) -> bool:
        """Tell how an article looks; True if it looked otherwise."""
        changed = self._faces.get(slot) not in (None, face)
        self._faces[slot] = face
        self._row = with_room(self._row, slot + 1)
        if changed:
            self._row[slot] = 0
        return changed

    def of(self, slots: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
        """The wanted features of int64[N] slots, by field; zeros for padding."""
        self._row = with_room(self._row, int(slots.max(initial=0)) + 1)
        for slot in np.unique(slots[(self._row[slots] == 0) & (slots > 0)]).tolist():
            self._make(slot)
        rows = self._row[slots]
        return {name: table[rows] for name, table in self._tables.items()}

    def _make(self, slot: int) -> None:
        face = self._faces[slot]
        cover = self._cover(slot, face)
        self.made += 1
        says = face.title, face.category
        if cover is None and says in self._row_of:
            self._row[slot] = self._row_of[says]
            return
        card = news_card(*says, cover)
        self._rows += 1
        if cover is None:
            self._row_of[says] = self._rows
        for name in self.wanted:
            table = self._tables[name] = with_room(self._tables[name], self._rows + 1)
            features = cues_of(card, self.backbone) if name == CARD_CUES.name else whole_of(card, self.backbone)
            table[self._rows] = features.clip(-LARGEST, LARGEST)
        self._row[slot] = self._rows

    def _cover(self, slot: int, face: Face) -> Image | None:
        self.with_cover.discard(slot)
        self.broken.discard(slot)
        path = None if self.covers is None else self.covers.find(face.article, face.image)
        if path is None:
            return None
        cover = opened(path)
        (self.broken if cover is None else self.with_cover).add(slot)
        return cover


def whole_of(card: NewsCard, backbone: Backbone) -> npt.NDArray[np.float32]:
    """float32[card], of a whole card; zeros of an empty one."""
    if not (card.words or card.category or card.cover):
        return np.zeros(backbone.widths.card, np.float32)
    whole: npt.NDArray[np.float32] = backbone.whole(_picture(card.image, None)).numpy()
    return whole


def cues_of(card: NewsCard, backbone: Backbone) -> npt.NDArray[np.float32]:
    """float32[CUES, cues]: means of the map where words, thirds by thirds of the cover, and the category stand.

    A word has the rows of its line and the columns that it is rendered in, at least one. Areas are resized to what the
    network is shown, and nothing is cut off. Zeros where there is nothing.
    """
    cues = np.zeros((CUES, backbone.widths.cues), np.float32)
    if card.words:
        seen = backbone.map(_picture(card.image, TITLE_AREA)).numpy()
        for place, (line, box) in enumerate(card.words[:WORD_CUES]):
            cues[place] = _mean(seen, BANDS[line], columns(box, TITLE_AREA))
    if card.cover:
        seen = backbone.map(_picture(card.image, COVER)).numpy()
        for place in range(COVER_CUES):
            cues[WORD_CUES + place] = _mean(seen, BANDS[place // 3], BANDS[place % 3])
    if card.category is not None:
        seen = backbone.map(_picture(card.image, CATEGORY_AREA)).numpy()
        cues[-1] = _mean(seen, (0, CELLS), columns(card.category, CATEGORY_AREA))
    return cues


def columns(box: Box, area: tuple[int, int, int, int]) -> tuple[int, int]:
    """The columns of a map of an area, first and behind the last, that hold a box, at least one."""
    left, _, right, _ = area
    scale = CELLS / (right - left)
    first = min(max(math.floor((box.left - left) * scale + 0.5), 0), CELLS - 1)
    last = min(math.floor((box.right - left) * scale + 0.5), CELLS)
    return first, max(last, first + 1)


def _mean(seen: npt.NDArray[np.float32], rows: tuple[int, int], places: tuple[int, int]) -> npt.NDArray[np.float32]:
    part: npt.NDArray[np.float32] = seen[:, rows[0] : rows[1], places[0] : places[1]].mean((1, 2))
    return part


def _picture(image: Image, area: tuple[int, int, int, int] | None) -> Tensor:
    """An area of a picture, or all of it, as a network is shown it: float32[3, 224, 224]."""
    from PIL import Image as Images

    resized = image.resize((SIDE, SIDE), Images.Resampling.BILINEAR, area)
    pixels = np.asarray(resized, np.float32) / 255
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

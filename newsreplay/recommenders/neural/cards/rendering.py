"""News cards as pictures: cover, title, category, as on the page that MIND's readers clicked on (Xun et al. 2021).

Geometry and colours are those of IMRec (section 4, and its released script where the two differ). Its font is not free:
cards are set in DejaVu Sans, which comes with matplotlib. It is wider, so it is set smaller.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

WIDTH, HEIGHT = 615, 195  #: of a card, px
COVER = (15, 15, 215, 180)  #: left, top, right, bottom of the cover, px
LEFT, TOP, RIGHT = 227.725, 15.0, 600.0  #: of the title, px
PITCH = 39.5  #: from one line to the next, px: 29 of the font that is not free, and 10.5
LINES, CHARACTERS = 3, 27  #: of a title, at most
CATEGORY_TOP = 142.5  #: px
TITLE_SIZE, CATEGORY_SIZE, SMALLEST = 22, 19, 6  #: of the font, px
TITLE_COLOUR, CATEGORY_COLOUR = "#2b2b2b", "#666666"
DOTS = "..."
SHOWN_AS = {"foodanddrink": "food and drink"}


class Box(NamedTuple):
    """Where something stands on a card, px."""

    left: float
    top: float
    right: float
    bottom: float


class NewsCard(NamedTuple):
    """A picture, and where what is on it stands."""

    image: Image  #: RGB, 615 x 195
    words: tuple[tuple[int, Box], ...]  #: of the title in their order: the line, from 0, and the box
    category: Box | None  #: None = there is none
    cover: bool


def shown(text: str | None) -> str:
    """A text as a card can show it: without what has no look (controls, surrogates), blanks as single spaces."""
    if not text:
        return ""
    return " ".join("".join(map(_printable, text)).split())


def _printable(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Cc" or kind[0] == "Z":
        return " "
    return "" if kind[0] == "C" else character


def wrapped(title: str) -> list[str]:
    """A title, as of `shown`, in at most three lines of at most 27 characters, by greedy wrapping.

    >>> wrapped("It rains again in the north of the country, and so it will tomorrow, they say")
    ['It rains again in the north', 'of the country, and so it', 'will tomorrow, they say']
    >>> wrapped("rain " * 20)[-1]
    'rain rain rain rain rain...'

    A longer word is broken. Where words are left over, the last line ends with "...", and as many of its words as it
    takes go; a word alone in its line is cut.
    """
    lines: list[str] = []
    for word in _pieces(title):
        if lines and len(lines[-1]) + 1 + len(word) <= CHARACTERS:
            lines[-1] += f" {word}"
        elif len(lines) < LINES:
            lines.append(word)
        else:
            lines[-1] = _with_dots(lines[-1])
            break
    return lines


def _pieces(title: str) -> Sequence[str]:
    words = title[: 8 * LINES * CHARACTERS].split(" ")  # far more than there is room for
    return [word[at : at + CHARACTERS] for word in words for at in range(0, len(word), CHARACTERS)]


def _with_dots(line: str) -> str:
    while len(line) + len(DOTS) > CHARACTERS and " " in line:
        line = line.rsplit(" ", 1)[0]
    return line[: CHARACTERS - len(DOTS)] + DOTS


@lru_cache(maxsize=64)
def _font(size: int) -> FreeTypeFont:
    import matplotlib as mpl
    from PIL import ImageFont

    path = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    # The other layout engine is not in every build of Pillow.
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def _fitting(lines: Sequence[str], size: int) -> FreeTypeFont:
    """The font in this size, or as much smaller as it takes for lines not to leave the card."""
    font = _font(size)
    while size > SMALLEST and (longest := max(map(font.getlength, lines))) > RIGHT - LEFT:
        size = max(SMALLEST, min(size - 1, int(size * (RIGHT - LEFT) / longest)))
        font = _font(size)
    return font


def news_card(title: str | None, category: str | None, cover: Image | None) -> NewsCard:
    """The card of an article, any of whose parts may be missing; `cover` is RGB, 200 x 165 (see `Covers`).

    What is missing leaves its place empty, and nothing moves there.
    """
    from PIL import Image as Images
    from PIL import ImageDraw

    image = Images.new("RGB", (WIDTH, HEIGHT), "white")
    if cover is not None:
        image.paste(cover, COVER[:2])
    draw = ImageDraw.Draw(image)
    words: list[tuple[int, Box]] = []
    lines = wrapped(shown(title))
    if lines:
        font = _fitting(lines, TITLE_SIZE)
        for number, line in enumerate(lines):
            top = TOP + PITCH * number
            draw.text((LEFT, top), line, TITLE_COLOUR, font)
            words += [(number, box) for box in _boxes(line, font, top)]
    name = shown(category)
    name = SHOWN_AS.get(name, name)
    box = None
    if name:
        name = name[: 2 * CHARACTERS]
        font = _fitting([name], CATEGORY_SIZE)
        draw.text((LEFT, CATEGORY_TOP), name, CATEGORY_COLOUR, font)
        box = _box(LEFT, font.getlength(name), font, CATEGORY_TOP)
    return NewsCard(image, tuple(words), box, cover is not None)


def _boxes(line: str, font: FreeTypeFont, top: float) -> list[Box]:
    """Where the words of a line stand."""
    boxes, begin = [], 0
    for word in line.split(" "):
        boxes.append(_box(LEFT + font.getlength(line[:begin]), font.getlength(word), font, top))
        begin += len(word) + 1
    return boxes


def _box(left: float, width: float, font: FreeTypeFont, top: float) -> Box:
    ascent, descent = font.getmetrics()
    return Box(left, top, min(left + width, WIDTH), top + ascent + descent)

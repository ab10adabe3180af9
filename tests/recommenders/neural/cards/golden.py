"""Cards as they should look, beside this file: `python -m tests.recommenders.neural.cards.golden` writes them anew.

Look at what has changed before it is kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from newsreplay.recommenders.neural.cards.rendering import COVER, NewsCard, news_card

FOLDER = Path(__file__).parent / "golden"


def made_up_cover() -> Image.Image:
    """A sky, a hill and a sun, 200 x 165."""
    width, height = COVER[2] - COVER[0], COVER[3] - COVER[1]
    y, x = np.mgrid[:height, :width]
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0], pixels[..., 1], pixels[..., 2] = 120 + y // 2, 170 + y // 4, 235
    pixels[y > 120 - 30 * np.sin(x / 40)] = (70, 120, 60)
    pixels[(x - 150) ** 2 + (y - 40) ** 2 < 400] = (250, 220, 120)
    return Image.fromarray(pixels)


CARDS: dict[str, tuple[str | None, str | None, bool]] = {
    "all": ("Heavy Rain Floods the Old Town, and What You Can Do About It", "news", True),
    "no-cover": ("Ten Soups for Cold Days", "foodanddrink", False),
    "too-long": (
        "Officials Say That the Bridge Between Both Parts of the City Will Be Closed for at Least Nine Weeks",
        "news",
        True,
    ),
    "wide": ("WWWWWWWWWWWWWWWWWWWWWWWWWWW MMMM", "autos", False),
    "no-title": (None, "lifestyle", True),
}


def card_of(name: str) -> NewsCard:
    """One of the cards."""
    title, category, has_cover = CARDS[name]
    return news_card(title, category, made_up_cover() if has_cover else None)


def pixels_of(image: Any) -> np.ndarray[Any, Any]:
    """Colours of a picture, int16[195, 615, 3]."""
    return np.asarray(image.convert("RGB"), np.int16)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in CARDS:
        card_of(name).image.save(FOLDER / f"{name}.png", optimize=True)

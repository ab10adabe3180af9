"""Covers of articles: pictures in a folder, which come from strangers and may be anything."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from newsreplay.errors import SpecError
from newsreplay.recommenders.neural.cards.rendering import COVER

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
FORMATS = ("JPEG", "PNG", "WEBP")
SIZE = (COVER[2] - COVER[0], COVER[3] - COVER[1])  #: 200 x 165
MOST = 50_000_000  #: pixels of a picture that is opened at all
LONGEST = 200  #: characters of a name


class Covers:
    """Covers in a folder, named by the id of their article, or as its fact `image` says, with an ending of `ENDINGS`.

    Nothing outside the folder is looked at, whatever names say and links lead to. Raises `SpecError` where there is no
    such folder.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder).expanduser()
        if not self.folder.is_dir():
            raise SpecError(f"covers={folder}: there is no such folder; name one with pictures called ID.jpg")
        self._inside = self.folder.resolve()

    def find(self, article: str, image: str | None) -> Path | None:
        """The picture of an article; None where there is none."""
        for name in (article, image):
            for path in self._paths(name or ""):
                try:
                    if path.is_file() and path.resolve().is_relative_to(self._inside):
                        return path
                except (OSError, RuntimeError):  # a name that is too long for the disk, links in a circle
                    continue
        return None

    def _paths(self, name: str) -> list[Path]:
        if not 0 < len(name) <= LONGEST or not name.isprintable() or "\\" in name or ".." in name:
            return []
        if name.startswith(("/", "~")) or ":" in name:
            return []
        path = self.folder / name
        return [path] if path.suffix.lower() in ENDINGS else [path.with_name(path.name + end) for end in ENDINGS]


def opened(path: Path) -> Image | None:
    """A picture as a cover, RGB, 200 x 165; None where it is none, broken, or too large.

    Of several the first counts; what is transparent is white.
    """
    from PIL import Image as Images

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is odd in a picture
            with Images.open(path, formats=FORMATS) as image:
                if image.width * image.height > MOST:
                    return None
                image.draft("RGB", (2 * SIZE[0], 2 * SIZE[1]))  # of a JPEG no more is read than that takes
                image.load()
                return _in_colour(image).resize(SIZE)
    except Exception:  # whatever decoders raise of a stranger's file
        return None


def _in_colour(image: Image) -> Image:
    from PIL import Image as Images

    if image.mode.startswith("I"):  # 16 bits of grey, of which RGB would keep the lower ones
        grey = np.asarray(image).astype(np.int64) >> 8
        return Images.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        ground = Images.new("RGBA", clear.size, "white")
        return Images.alpha_composite(ground, clear).convert("RGB")
    return image.convert("RGB")

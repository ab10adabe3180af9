"""Texts that describe categories, from a file: what stands behind the titles of their articles.

Yada & Yamana 2024, News Recommendation with Category Description by a Large Language Model.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Self

from newsreplay.errors import SpecError

_HEADER = ["category", "description"]
_EXPECTED = "expected is a category or subcategory, a tab and the text that describes it, in each line"


class Descriptions:
    """Texts by the names of categories and subcategories, which are compared as they are written."""

    def __init__(self, path: Path, texts: dict[str, str], digest: str):
        self.path = path
        self.texts = texts
        self.digest = digest  #: of the file, BLAKE2b of 128 bits, in hexadecimal digits

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Those of a TSV file in UTF-8, a name and its text a line.

        Empty lines are nothing, and so is a first line `category`, tab, `description`. Raises `SpecError` if the file
        cannot be read, or a line is none of two columns, has no name or no text, or describes a name again.
        """
        path = Path(path)
        try:
            data = path.read_bytes()
            lines = data.decode("utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(
                f"category_descriptions={path} cannot be read ({error}); name a text file in UTF-8, a category, a tab "
                "and its description in each line"
            ) from None
        texts: dict[str, str] = {}
        told: dict[str, int] = {}
        for number, line in enumerate(lines, 1):
            cells = [cell.strip() for cell in line.split("\t")]
            if not any(cells) or (number == 1 and cells == _HEADER):
                continue
            if len(cells) != 2 or not all(cells):
                raise SpecError(
                    f"{path} line {number} is {line.rstrip()[:80]!r}: {_EXPECTED}; correct it or leave it out"
                )
            name, text = cells
            if name in texts:
                raise SpecError(
                    f"{path} line {number} describes {name!r}, which line {told[name]} does, too; leave one of them out"
                )
            texts[name], told[name] = text, number
        if not texts:
            raise SpecError(f"{path} describes no category; {_EXPECTED}")
        return cls(path, texts, blake2b(data, digest_size=16).hexdigest())

    def of(self, category: str | None, subcategory: str | None) -> str:
        """The text of an article's subcategory if there is one, else that of its category, else none ("")."""
        return self.texts.get(subcategory or "") or self.texts.get(category or "") or ""

"""What the pictures of data sets and of runs share: their look, names as they can be shown, files.

All of matplotlib that a picture needs comes through here, so that its absence is reported in one place and it is
imported only where pictures are drawn. Nothing here opens a window or touches pyplot; matplotlib's
settings are changed while a picture is drawn and then put back, so draw in one thread at a time. Equal data
give equal bytes with the same version of matplotlib.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newsreplay.errors import NewsreplayError
from newsreplay.escaping import for_spreadsheet
from newsreplay.log.rows import Column

try:
    from matplotlib import style
    from matplotlib.artist import Artist as Artist
    from matplotlib.axes import Axes as Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg as FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator as AutoDateLocator
    from matplotlib.dates import ConciseDateFormatter as ConciseDateFormatter
    from matplotlib.dates import date2num
    from matplotlib.figure import Figure as Figure
    from matplotlib.font_manager import FontProperties, findfont, get_font
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D as Line2D
    from matplotlib.patches import Patch as Patch
    from matplotlib.textpath import TextPath
    from matplotlib.ticker import FixedLocator as FixedLocator
    from matplotlib.ticker import FuncFormatter as FuncFormatter
    from matplotlib.ticker import MaxNLocator as MaxNLocator
    from matplotlib.ticker import NullFormatter as NullFormatter
    from matplotlib.ticker import NullLocator as NullLocator
    from matplotlib.transforms import blended_transform_factory as blended_transform_factory
except ModuleNotFoundError as error:
    raise NewsreplayError(f"pictures need matplotlib ({error}): pip install matplotlib") from None

LONGEST_NAME = 24  #: characters of a name that are shown
WIDTH = 6.8  #: inches, the width of the text of a page

#: With the seven colours of `colours.SERIES`, no two of ten look alike, in black and white too.
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)))
MARKERS = "os^DvPX<>*"

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": 8,
    "axes.titlesize": 9,
    "figure.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.handlelength": 3.2,
    "hatch.linewidth": 0.5,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "savefig.dpi": 150,
    "svg.hashsalt": "newsreplay",
    "text.parse_math": False,  # a $ in a publisher's name is a dollar
}

Rows = Iterable[Sequence[object]]


@contextmanager
def drawing_into(folder: Path) -> Iterator[None]:
    """Make `folder` and draw in the style of all pictures; `NewsreplayError` if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with style.context(["default", _STYLE]):
            yield
    except OSError as error:
        raise NewsreplayError(f"cannot write to {folder}: {error.strerror or error}") from None


def labels_of(names: Sequence[str]) -> list[str]:
    """Names as they can be shown: one line of characters that the font has, not too long, no two the same.

    Other characters become escapes as in Python (`\\n`, `\\u4e2d`); long names lose their middle, unless that alone
    tells them from each other: then they keep it, and lose what is left and right of it.

    >>> labels_of(["a\\nb", "x" * 30 + "1"])
    ['a\\\\nb', 'xxxxxxxxxxxxxxxx…xxxxxx1']
    >>> labels_of([f"blend(trend(hours={hours}),popular(hours=48))" for hours in (6, 12)])
    ['blend(tren…6…(hours=48))', 'blend(tren…12…hours=48))']
    """
    wholes = [_escaped(name) or "(no name)" for name in names]
    labels: dict[str, None] = {}
    for label in _shortened(wholes):
        number, unique = 1, label
        while unique in labels:
            number += 1
            unique = f"{label} #{number}"
        labels[unique] = None
    return list(labels)


def _shortened(names: Sequence[str]) -> list[str]:
    """Names of at most `LONGEST_NAME` characters, without their middles or, where these differ, what is around them."""
    cut = [_without_middle(name) for name in names]
    for label in {label for label in cut if cut.count(label) > 1}:
        alike = sorted({name for name, other in zip(names, cut, strict=True) if other == label})
        if len(alike) < 2:
            continue
        before = _in_common(alike)
        after = _in_common([name[before:][::-1] for name in alike])
        for number, name in enumerate(names):
            if cut[number] == label:
                told = name[before : len(name) - after]
                room = LONGEST_NAME - 2 - len(told)
                if room >= 4:
                    cut[number] = f"{name[: room // 2]}…{told}…{name[len(name) - (room - room // 2) :]}"
    return cut


def _in_common(names: Sequence[str]) -> int:
    """With how many same characters all of them begin."""
    ends = min(map(len, names))
    return next((at for at, signs in enumerate(zip(*names, strict=False)) if len({*signs}) > 1), ends)


def _without_middle(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 8]}…{name[-7:]}"


def _escaped(text: str) -> str:
    font = get_font(findfont(FontProperties(family="DejaVu Sans")))
    return "".join(
        character
        if character.isprintable() and not unicodedata.combining(character) and font.get_char_index(ord(character))
        else character.encode("unicode_escape").decode()
        for character in unicodedata.normalize("NFC", text).strip()
    )


def new_figure(title: str, note: str, height: float) -> Figure:
    """A figure as wide as a page's text and `height` inches high, its title above and its note below."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left")
    if note:
        figure.supxlabel(note, x=0.01, ha="left", fontsize=7)
    return figure


def legend(axes: Axes, lines: Sequence[Artist], labels: list[str]) -> None:
    """A legend right of `axes`."""
    numbers = [str(number) for number in range(len(lines))]
    name_entries(axes.legend(lines, numbers, loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0), labels)


def name_entries(legend: Legend, labels: Sequence[str]) -> None:
    """Label the entries of a legend: when it is made, it leaves out what begins with an underscore."""
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_text(label)


def width_of(label: str, size: float) -> float:
    """How wide a label is, in inches, at a font size in points."""
    if not label.strip():
        return 0.0
    outline = TextPath((0, 0), label, size=size, prop=FontProperties(family="DejaVu Sans"))
    return float(outline.vertices[:, 0].max()) / 72


def dates(ms: Column) -> NDArray[np.float64]:
    """Milliseconds since the epoch as matplotlib counts time."""
    return np.asarray(date2num(ms.astype("datetime64[ms]")))  # type: ignore[no-untyped-call]


def thousands(value: float, _: int | None) -> str:
    """For an axis: 12,000."""
    return f"{value:,.0f}"


def plain(value: float, _: int | None) -> str:
    """For an axis: a number without an exponent."""
    return f"{value:.10f}".rstrip("0").rstrip(".")


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as PNG and SVG; the files."""
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("png", "svg")]
    figure.savefig(paths[0], metadata={"Software": None})
    figure.set_layout_engine("none")  # as it has been laid out
    figure.savefig(paths[1], metadata={"Date": None, "Creator": None})
    return paths


def write_table(path: Path, header: list[str], rows: Rows) -> Path:
    """Write the numbers of a picture as CSV."""
    with path.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([for_spreadsheet(*cell) for cell in zip(header, row, strict=True)] for row in rows)
    return path

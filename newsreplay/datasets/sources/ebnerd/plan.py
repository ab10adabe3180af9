"""EB-NeRD: the impression log of the Danish newspaper Ekstra Bladet (RecSys Challenge 2024), as Parquet files.

Facts of the format that shape this reader:

- A split is a folder with `behaviors.parquet`, seven days of impressions, and `history.parquet`, what its
  readers clicked in the 21 days before. Times are naive and read as UTC, which their hourly profile fits.
- A record of the behaviours is both a page view (of `article_id`; null is the front page) and the impression
  shown on it. Whoever clicks gets a page view of the article clicked, which is mostly a record of its own:
  the same read twice. So a page view is left out if an impression of the same session clicked its article at
  an earlier or the same time, in time order, then row order; every click excuses one later page view at most.
  A record's own click comes after its page view. The walk needs the whole file: it is done first, on the
  narrow columns, which stay in memory (some 50 bytes a record); the long lists are streamed.
- `read_time`, the seconds spent on the page, was known only after the fact: the judge alone sees it. That of a page
  view that a click caused goes to the click's read; of several clicks in hand, to that of the latest.
- `scroll_percentage`, `next_read_time` and `next_scroll_percentage`, `read_time_fixed` of histories and the `total_…`
  columns of the articles were known only after the fact, too: they are never read.
- An article may be clicked twice in one impression; that is one click here.
- Each split numbers its sessions on its own: read together, they are called `train:21` and `validation:21`.
- Column types differ between releases: list, large_list or fixed_size_list, string or large_string, any width of whole
  numbers. What went through other tools has ids as text, and lists of ids as text (`[9774516, 9771051]`): both are
  read. Readers may be any text; articles and sessions are whole numbers, or the row is a reject.
- Archives hold a folder `ebnerd_small`, which unpacking may put into one of the same name. The test set has no clicks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from newsreplay.datasets.base import Block, Part, Plan
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.datasets.sources.ebnerd.articles import ARTICLE, GARBLED, UNDATED, read_articles
from newsreplay.datasets.sources.ebnerd.behaviors import (
    AGAIN,
    BEHAVIORS,
    CAUSED,
    DWELL,
    HOLES,
    IDS,
    NUMBERS,
    TIMES,
    UNSEEN,
    read_behaviors,
)
from newsreplay.datasets.sources.ebnerd.columns import PAGE, is_text, named
from newsreplay.datasets.sources.ebnerd.history import HISTORY_COLUMNS, LATE, SplitFolder, read_history, scored
from newsreplay.errors import DataError

SPLITS = ("train", "validation")  #: in time order
WITHOUT_CLICKS = "it can be neither replayed nor scored. Use train or validation"
#: Columns of ids that may be text, and lists of ids as text.
AS_TEXT = ("user_id", "session_id", "article_id", "article_ids_inview", "article_ids_clicked", "article_id_fixed")
TEXTS = "Titles and texts are those of an article's last modification, which may be later than its reads."


def plan_ebnerd(path: Path, *, sizes: ReadSizes = SIZES) -> Plan:
    """How an EB-NeRD folder is read: a split, or a folder with `train` and/or `validation`.

    A split holds `behaviors.parquet` and, perhaps, `history.parquet`; `articles.parquet` may be missing, and may lie in
    the folder or, for a split, in the one above. Where a folder holds none of that, its only folder that does is looked
    into. A record of the behaviours becomes an impression (if articles were in view) and a read of the article on
    screen (if there is one and no click caused it), at the same time, in that order. A clicked article that was not in
    view is a read without an impression. Reads of a history are rows of kind `HISTORY`, without a session. A reader's
    history is taken from the first split that has one. Times from 1990 up to 2100 are accepted.

    Records are the rows of the behaviours, the clicks of the histories, and the articles. A record whose
    only content is a page view that a click caused is dropped; any other such page view leaves its record's
    impression behind and is a count. Rejected are records without a time, with a user or session that is no whole
    number, or without anything in view, on screen or clicked, history clicks without a user, time or article, and
    articles without an id.

    Raises `DataError` when files or columns are missing, for the test split (its clicks were not published),
    and when a file cannot be read.
    """
    splits = _find_splits(path)
    files = [
        (split.folder / f"{role}.parquet", role, columns)
        for split in splits
        for role, columns in (("history", HISTORY_COLUMNS), ("behaviors", BEHAVIORS))
        if role == "behaviors" or (split.folder / f"{role}.parquet").is_file()
    ]
    lacking = [split.name for split in splits if not (split.folder / "history.parquet").is_file()]
    folders = [path, *(split.folder.parent for split in splits)]
    articles = next(
        (folder / "articles.parquet" for folder in folders if (folder / "articles.parquet").is_file()), None
    )
    if articles is not None:
        files.append((articles, "articles", ARTICLE))
    for file, _, columns in files:
        _check(file, columns)
    return Plan(
        parts=[_part(file, path, role) for file, role, _ in files],
        read=partial(_read, splits=splits, sizes=sizes),
        publisher="ebnerd",
        notes=partial(_notes, articles=articles is not None, lacking=lacking),
        unit="row",
        made_up=[TEXTS] if articles is not None else [],
        source=f"EB-NeRD, the Ekstra Bladet News Recommendation Dataset: {PAGE}",
        licence=f"For research; the terms are on {PAGE}. newsreplay does not pass these data on.",
        splits=scored(splits) if len(splits) > 1 else {},
    )


def _find_splits(path: Path) -> list[SplitFolder]:
    if (path / "behaviors.parquet").is_file():
        return [SplitFolder(path.name, path)]
    splits = [SplitFolder(name, path / name) for name in SPLITS if (path / name / "behaviors.parquet").is_file()]
    if splits:
        return splits
    if (path / "test" / "behaviors.parquet").is_file():
        raise DataError(f"{path / 'test'}: this is the test set, whose clicks were not published: {WITHOUT_CLICKS}")
    inside = [folder for folder in _folders(path) if any(folder.rglob("behaviors.parquet"))]
    if len(inside) == 1:
        return _find_splits(inside[0])
    if inside:
        raise DataError(
            f"{path}: {', '.join(folder.name for folder in inside)} are several sets, which hold the same events. Name "
            f"one, as ebnerd:{inside[0]}"
        )
    if not path.is_dir():
        contents = "found a file, not a folder" if path.exists() else "there is no such folder"
    else:
        names = sorted(entry.name for entry in path.iterdir())
        more = ", …" if len(names) > 10 else ""
        contents = f"found {', '.join(names[:10])}{more}" if names else "found an empty folder"
    raise DataError(
        f"{path}: {contents}. Expected a folder with behaviors.parquet and history.parquet, or with such folders "
        f"named train and validation. Get EB-NeRD from {PAGE} and unpack it there"
    )


def _folders(path: Path) -> list[Path]:
    return sorted(folder for folder in path.iterdir() if folder.is_dir()) if path.is_dir() else []


def _part(file: Path, root: Path, role: str) -> Part:
    name = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
    return Part(file, name, weight=file.stat().st_size, role=role)


def _check(file: Path, columns: dict[str, tuple[str, bool]]) -> None:
    """Whether a Parquet file has its columns, of types that can be read."""
    if not file.is_file():
        raise DataError(f"{file}: there is no such file. Get EB-NeRD from {PAGE} and unpack it there")
    with named(file), pq.ParquetFile(file) as parquet:
        schema = parquet.schema_arrow
    for name, (wanted, listed) in columns.items():
        times = schema.names.count(name)
        if not times and (name == DWELL or (columns is ARTICLE and name != "article_id")):
            continue
        if not times and name == "article_ids_clicked":
            raise DataError(
                f"{file}: column 'article_ids_clicked' is missing. This looks like the test split, whose clicks "
                f"were not published: {WITHOUT_CLICKS}"
            )
        if times != 1:
            fault = "stands there more than once" if times else "is missing"
            raise DataError(f"{file}: column {name!r} {fault}; the columns are {', '.join(schema.names)[:500]}")
        kind = schema.field(name).type
        if name in AS_TEXT and is_text(kind):
            continue
        tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        is_list = any(test(kind) for test in tests)
        if name in AS_TEXT and is_list and is_text(kind.value_type):
            continue
        if is_list != listed or not _fits(kind.value_type if is_list else kind, wanted):
            raise DataError(f"{file}: column {name!r} is {kind}; expected {'lists of ' if listed else ''}{wanted}")


def _fits(kind: pa.DataType, wanted: str) -> bool:
    types = pa.types
    if types.is_null(kind):
        return True
    if wanted in (IDS, NUMBERS):
        return bool(types.is_integer(kind) or types.is_floating(kind))  # what pandas makes of numbers with nulls
    if wanted == TIMES:
        return bool(types.is_timestamp(kind))
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _read(part: Part, splits: list[SplitFolder], sizes: ReadSizes) -> Iterator[Block]:
    if part.role == "articles":
        yield from read_articles(part, sizes)
        return
    place = next(number for number, split in enumerate(splits) if split.folder == part.path.parent)
    if part.role == "history":
        yield from read_history(part, splits[place], splits[:place], sizes)
    else:
        yield from read_behaviors(part, splits[place].name if len(splits) > 1 else "", sizes)


def _notes(counts: Counter[str], articles: bool, lacking: list[str]) -> list[str]:
    notes = [
        "times are naive in these data and read as UTC; sessions are the source's",
        f"{CAUSED}, dropped: {counts[CAUSED]:,}; the impressions of the same records are kept",
    ]
    notes += [f"{what}: {counts[what]:,}" for what in (UNSEEN, AGAIN, HOLES, LATE, UNDATED, GARBLED) if counts[what]]
    notes += [f"no history.parquet in {name}: what its readers read before is unknown" for name in lacking]
    if not articles:
        notes.append("no articles.parquet: publication times, categories and texts of the articles are unknown")
    return notes

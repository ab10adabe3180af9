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
- Archives hold a folder `ebnerd_small`, which unpacking may put into one of the same name. The test set is one of its
  own, `ebnerd_testset`, and may lie beside another: both are read as one log.
- The test split withholds `article_ids_clicked` and `article_id`: its rows are impressions without an outcome, which
  keep their ids, so that `newsreplay submit` can write the competition's file. 200,000 of its rows are of one second,
  show the same 250 articles and have the impression id 0 (`is_beyond_accuracy`): impressions like the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from newsreplay.datasets.base import Block, Part, Plan, check_kept
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
from newsreplay.datasets.sources.ebnerd.withheld import ANSWERED, WITHHELD, read_withheld
from newsreplay.errors import DataError, did_you_mean

LABELLED = ("train", "validation")
SPLITS = (*LABELLED, "test")  #: in time order
#: Columns of ids that may be text, and lists of ids as text.
AS_TEXT = (
    *("impression_id", "user_id", "session_id", "article_id"),
    *("article_ids_inview", "article_ids_clicked", "article_id_fixed"),
)
TEXTS = "Titles and texts are those of an article's last modification, which may be later than its reads."


def plan_ebnerd(path: Path, *, keep: Sequence[str] = (), sizes: ReadSizes = SIZES) -> Plan:
    """How an EB-NeRD folder is read: a split, or a folder with `train`, `validation` and/or `test`.

    A split holds `behaviors.parquet` and, perhaps, `history.parquet`; `articles.parquet` may be missing, and may lie in
    the folder or, for a split, in the one above. Where a folder holds none of that, its only folder that does is looked
    into; a test set beside another set is taken with it. A record of the behaviours becomes an impression (if articles
    were in view) and a read of the article on screen (if there is one and no click caused it), at the same time, in
    that order. A clicked article that was not in view is a read without an impression. A record of a test split, which
    has no `article_ids_clicked`, is an impression that is answered and never judged. Reads of a history are rows of
    kind `HISTORY`, without a session. A reader's history is taken from the first split that has one. Times from 1990 up
    to 2100 are accepted.

    Records are the rows of the behaviours, the clicks of the histories, and the articles. A record whose
    only content is a page view that a click caused is dropped; any other such page view leaves its record's
    impression behind and is a count. Rejected are records without a time, with a user or session that is no whole
    number, or without anything in view, on screen or clicked, those of a test split without an impression id or a whole
    list in view, history clicks without a user, time or article, and articles without an id. `keep` names further
    columns of the behaviours that are kept with what comes of their records, as `device_type`.

    Raises `DataError` when files or columns are missing, and when a file cannot be read.
    """
    check_kept(keep, AHEAD, "EB-NeRD's behaviours")
    splits = _find_splits(path)
    withheld = [split for split in splits if _is_withheld(split)]
    files: list[tuple[Path, str, dict[str, tuple[str, bool]]]] = []
    for split in splits:
        history, behaviors = split.folder / "history.parquet", split.folder / "behaviors.parquet"
        files += [(history, "history", HISTORY_COLUMNS)] if history.is_file() else []
        files.append((behaviors, "withheld", WITHHELD) if split in withheld else (behaviors, "behaviors", BEHAVIORS))
    lacking = [split.name for split in splits if not (split.folder / "history.parquet").is_file()]
    articles = _find_articles(path, splits)
    files += [(file, "articles", ARTICLE) for file in articles]
    for file, _, columns in files:
        _check(file, columns)
    for file, role, _ in files:
        if role in ("behaviors", "withheld"):
            _check_kept(file, keep)
    return Plan(
        parts=[_part(file, path, role) for file, role, _ in files],
        read=partial(_read, splits=splits, keep=tuple(keep), sizes=sizes),
        publisher="ebnerd",
        notes=partial(_notes, articles=bool(articles), lacking=lacking),
        unit="row",
        made_up=[TEXTS] if articles else [],
        source=f"EB-NeRD, the Ekstra Bladet News Recommendation Dataset: {PAGE}",
        licence=f"For research; the terms are on {PAGE}. newsreplay does not pass these data on.",
        splits=_scored(splits, withheld),
        impressions=True,
    )


def _find_splits(path: Path) -> list[SplitFolder]:
    if (path / "behaviors.parquet").is_file():
        return [SplitFolder(path.name, path)]
    splits = [SplitFolder(name, path / name) for name in SPLITS if (path / name / "behaviors.parquet").is_file()]
    if splits:
        return splits
    inside = [folder for folder in _folders(path) if any(folder.rglob("behaviors.parquet"))]
    if len(inside) == 1:
        return _find_splits(inside[0])
    if inside:
        if both := _with_test(inside):
            return both
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
        f"named train, validation and test. Get EB-NeRD from {PAGE} and unpack it there"
    )


def _with_test(folders: list[Path]) -> list[SplitFolder]:
    """The splits of a set and of the test set beside it; none where these are not what the folders hold."""
    found = sorted((_find_splits(folder) for folder in folders), key=lambda splits: splits[0].name == SPLITS[-1])
    alone = [[split.name for split in splits] == [SPLITS[-1]] for splits in found]
    whole = alone == [False, True] and {split.name for split in found[0]} <= set(LABELLED)
    return [*found[0], *found[1]] if whole else []


def _is_withheld(split: SplitFolder) -> bool:
    """Whether the clicks of a split are withheld."""
    file = split.folder / "behaviors.parquet"
    if split.name in LABELLED:
        return False
    with named(file):
        return "article_ids_clicked" not in pq.read_schema(file).names


def _scored(splits: list[SplitFolder], withheld: list[SplitFolder]) -> dict[str, tuple[int, int | None]]:
    """The stretches of the splits that can be judged."""
    if len(splits) < 2:
        return {}
    names = [split.name for split in withheld]
    return {name: stretch for name, stretch in scored(splits).items() if name not in names}


def _find_articles(path: Path, splits: list[SplitFolder]) -> list[Path]:
    """The `articles.parquet` of a folder, else those beside its splits: one for each set."""
    beside = dict.fromkeys(split.folder.parent for split in splits)
    folders = [path] if (path / "articles.parquet").is_file() else beside
    return [file for folder in folders if (file := folder / "articles.parquet").is_file()]


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
                f"{file}: column 'article_ids_clicked' is missing. This looks like the test split, whose clicks were "
                f"not published: put it into a folder called {SPLITS[-1]}"
            )
        if times != 1:
            fault = "stands there more than once" if times else "is missing"
            raise DataError(f"{file}: column {name!r} {fault}; the columns are {', '.join(schema.names)[:500]}")
        kind = schema.field(name).type
        if name in AS_TEXT and is_text(kind):
            continue
        tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        is_list = any(test(kind) for test in tests)
        if name in AS_TEXT and is_list and listed and is_text(kind.value_type):
            continue
        if is_list != listed or not _fits(kind.value_type if is_list else kind, wanted):
            raise DataError(f"{file}: column {name!r} is {kind}; expected {'lists of ' if listed else ''}{wanted}")


#: What is clicked, and what is measured after the row.
AHEAD = ("article_ids_clicked", DWELL, "scroll_percentage", "next_read_time", "next_scroll_percentage")


def _check_kept(file: Path, keep: Sequence[str]) -> None:
    """Whether a Parquet file has the columns that are kept, as text or numbers."""
    with named(file):
        schema = pq.read_schema(file)
    for name in keep:
        if schema.names.count(name) != 1:
            hint = did_you_mean(name, schema.names)
            there = ", ".join(schema.names)[:500]
            raise DataError(f"{file} has no column {name!r} to keep; it has {there}. {hint}".strip())
        kind = schema.field(name).type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind):
            raise DataError(f"{file}: the column {name!r} is {kind}, which is no text and no number, and is not kept")


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


def _read(part: Part, splits: list[SplitFolder], keep: tuple[str, ...], sizes: ReadSizes) -> Iterator[Block]:
    if part.role == "articles":
        yield from read_articles(part, sizes)
        return
    place = next(number for number, split in enumerate(splits) if split.folder == part.path.parent)
    if part.role == "history":
        yield from read_history(part, splits[place], splits[:place], sizes)
        return
    read = read_withheld if part.role == "withheld" else read_behaviors
    yield from read(part, splits[place].name if len(splits) > 1 else "", keep, sizes)


def _notes(counts: Counter[str], articles: bool, lacking: list[str]) -> list[str]:
    notes = [
        "times are naive in these data and read as UTC; sessions are the source's",
        f"{CAUSED}, dropped: {counts[CAUSED]:,}; the impressions of the same records are kept",
    ]
    told = (UNSEEN, AGAIN, HOLES, LATE, UNDATED, GARBLED, ANSWERED)
    notes += [f"{what}: {counts[what]:,}" for what in told if counts[what]]
    notes += [f"no history.parquet in {name}: what its readers read before is unknown" for name in lacking]
    if not articles:
        notes.append("no articles.parquet: publication times, categories and texts of the articles are unknown")
    return notes

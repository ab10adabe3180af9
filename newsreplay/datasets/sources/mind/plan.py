"""MIND: the impression log of Microsoft News, sizes demo, small and large, as TSV files.

Facts of the format that shape this reader:

- `behaviors.tsv` has five cells per line and no header: impression id, user, time, history (articles, oldest
  first, may be empty) and candidates (`N123-1` clicked, `N123-0` passed over), separated by spaces and
  shuffled. Quoting is off: titles hold lone quotes. Lines are in no order of time.
- Times are `M/D/YYYY h:mm:ss AM|PM` of no stated zone and are read as UTC.
- A user's history is the same in all lines of a split: it was frozen before the split and lacks the clicks of
  the split itself. It has no times, so it is a profile and not a row: that of the user's first impression by event
  time, empty if that one is. Later ones, which may hold what was clicked meanwhile, are only compared with it.
- An empty user cell is an unknown reader.
- `news.tsv` has eight cells (the prose that comes with it counts seven), and no publication time. It may lie beside the
  behaviours or in a folder above; Kaggle's copy has folders `behaviors.tsv` and `news.tsv`, with files of these names
  in them. xMIND's has three cells, id, title and abstract in another language, perhaps below a header.
- What went through pandas has labels `-1.0` and `-0.0`, times as `2019-11-12 09:05:58`, histories as `nan` or as
  `['N1', 'N2']`. All of that has one reading only and is read. A time as `11/12/2019 9:05:58` has two, half a day
  apart, and candidates separated by commas are no longer ids with labels: such lines are rejects.
- The test split (`MINDlarge_test`) has candidates without labels, as `N123 N456`: what was clicked is withheld. Its
  lines are impressions without an outcome, which keep their ids, so that `newsreplay submit` can write the
  competition's file. Whether a file has labels is seen on its first lines; a line of the other sort is a reject.
- Article and user ids differ between demo, small and large: the same id means two articles, and nothing in the files
  shows it. So a folder that holds folders of two sizes, by their names, is refused; and one that holds the same
  behaviours twice, as an archive unpacked both flat and into a folder of its own.

A line is nearly all ids such as `N123`. A compiled scanner turns those into codes at once; the line on which it
stumbles is read by `_exact`, which takes any id, and has a reason for each line that cannot be used.
"""

from __future__ import annotations

import filecmp
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations
from pathlib import Path

from newsreplay.datasets.base import Block, Part, Plan
from newsreplay.datasets.reading import parts
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.datasets.sources.mind.articles import read_articles
from newsreplay.datasets.sources.mind.impressions import read_lines
from newsreplay.datasets.sources.mind.layout import MIND, PAGE, XMIND, Layout, quoted
from newsreplay.datasets.sources.mind.texts import NEWS_TEXT, ROLE, text_blocks, text_parts
from newsreplay.errors import DataError
from newsreplay.log.rows import DAY

PUBLISHER = "mind"
BEHAVIORS = "behaviors.tsv"
NEWS = "news.tsv"
HEAD = 64 << 10  #: bytes of a file that planning looks at
_NOV_10 = 1_573_344_000_000  # 2019-11-10 00:00, ms UTC
SPLITS: dict[str, tuple[int, int | None]] = {
    "official": (_NOV_10 + 5 * DAY, _NOV_10 + 6 * DAY),
    "awrs": (_NOV_10 + 5 * DAY, _NOV_10 + 6 * DAY),
    "awrs-validation": (_NOV_10 + 4 * DAY, _NOV_10 + 5 * DAY),
    "stream": (_NOV_10, None),
}
UNLABELLED = "behaviors without labels"  #: the role of a test split's `behaviors.tsv`
TRANSLATED = "articles of xMIND"  #: the role of a `news.tsv` of three cells
_SIZE = re.compile(r"(?<![a-z])(?:x?mind)?[-_]?(demo|small|large)(?![a-z])")
_LABELLED = re.compile(rb"-[01](?:\.0)?(?:,|$)")  # what commas separate is a reject with a reason
_MARK = b"\xef\xbb\xbf"  # of byte order, which means nothing in UTF-8


def plan_mind(path: Path, *, history: str = "dynamic", sizes: ReadSizes = SIZES) -> Plan:
    """The impressions of a folder with `behaviors.tsv` and `news.tsv`, or of a folder of such folders.

    The `news.tsv` of some behaviours is that beside them, or in the nearest folder above, up to `path`; categories and
    texts are unknown without one. A `news_text.csv` beside them (`newsreplay.datasets.sources.mind.texts`) has facts
    that `news.tsv` lacks.

    Folders are read by name, `train` before `dev` or `valid`, before `test`. A test split, whose candidates carry no
    labels, is answered and never judged. All must be of one size (demo, small or large).
    Every line of `behaviors.tsv` is one impression; times are ms UTC. Ids are kept as they stand. The history of a
    user's first impression is their profile; with `history="dynamic"` their reads are appended to it as they happen,
    with `"static"` it stays as it was, as in published numbers. Users without a history are kept.

    The splits: `official` scores the dev file's day, 15 November 2019; `awrs` is the same day and
    `awrs-validation` the day before, the last of the training week, as in the AWRS paper, which also leaves out
    impressions with an empty history (here they stay: some 3 % more impressions than in that paper); `stream` scores
    all after a first day of warming up.

    Raises `DataError` when the files are not there or not in MIND's layout, are there twice or of two sizes, and when
    `history` is neither word.
    """
    if history not in ("dynamic", "static"):
        raise DataError(f"history={history!r}: expected dynamic (reads are appended) or static (as in the files)")
    behaviors = sorted(
        (file for file in path.rglob(BEHAVIORS) if file.is_file() and not parts.is_stray(_name(file, path))),
        key=lambda file: (_is_late(_name(file, path)), _name(file, path)),
    )
    if not behaviors:
        raise DataError(
            f"{path}: {found_in(path)}. Expected a folder with {BEHAVIORS} and {NEWS}, or a folder of such folders, "
            f"as MINDsmall_train and MINDsmall_dev. Get the archives from {PAGE} and unpack them there"
        )
    copies = _check_copies(behaviors, path)
    news = {file: _news_of(file, path) for file in behaviors}
    described = list(dict.fromkeys(file for file in news.values() if file is not None))
    texts = [file for file in (other.with_name(NEWS_TEXT) for other in behaviors) if file.is_file()]
    impressions = [part for file in behaviors for part in behavior_parts(file, _name(file, path), MIND, sizes)]
    articles = [part for file in described for part in _news_parts(file, _name(file, path), sizes)]
    remarks = [*copies, *_news_remarks(news, articles, path)]
    return Plan(
        parts=[
            *impressions,
            *articles,
            *(part for file in texts for part in text_parts(file, _name(file, path), sizes)),
        ],
        read=partial(_read, sizes=sizes),
        publisher=PUBLISHER,
        notes=partial(notes_on, ["times are of no stated zone and read as UTC", *remarks]),
        made_up=["Articles have no publication time: each is known from its first appearance as a candidate."],
        source=f"MIND, the Microsoft News Dataset: {PAGE}",
        licence=(
            "Microsoft Research License Terms: non-commercial research only, no redistribution. newsreplay does not "
            "pass these data on."
        ),
        splits=SPLITS,
        frozen=history == "static",
        impressions=True,
    )


def _check_copies(behaviors: list[Path], path: Path) -> list[str]:
    """Refuse folders of two sizes, and the same behaviours twice; notes about train and dev files that are the same."""
    above = path.resolve().name
    sizes = {size: file for file in reversed(behaviors) if (size := _size_of(f"{above}/{_name(file, path)}"))}
    if len(sizes) > 1:
        some = " and ".join(f"{_name(file, path)} ({size})" for size, file in sorted(sizes.items()))
        raise DataError(
            f"{path}: {some} are of different sizes of MIND, in which the same id means different articles and "
            "readers. Name a folder that holds one size, or move the others elsewhere"
        )
    notes = []
    for one, other in combinations(behaviors, 2):
        if one.stat().st_size != other.stat().st_size or not filecmp.cmp(one, other, shallow=False):
            continue
        names = f"{_name(one, path)} and {_name(other, path)}"
        if _is_late(_name(one, path)) == _is_late(_name(other, path)):
            deeper = max(one, other, key=lambda file: len(file.parts)).parent
            raise DataError(
                f"{path}: {names} are the same, byte for byte: every impression would count twice. Was one archive "
                f"unpacked twice? Name one of the folders, as mind:{deeper}, or move the other elsewhere"
            )
        notes.append(f"{names} are the same, byte for byte: every impression is there twice")
    return notes


def _size_of(name: str) -> str:
    """The size that the innermost of a file's folders is named for that is named for any; "" = none is."""
    found: list[str] = _SIZE.findall(name.lower())
    return found[-1] if found else ""


def _news_of(behaviors: Path, path: Path) -> Path | None:
    """The `news.tsv` of some behaviours: beside them, or in the nearest folder above, up to `path`."""
    folder = behaviors.parent
    while True:
        for file in (folder / NEWS, folder / NEWS / NEWS):
            if file.is_file():
                return file
        if folder in (path, folder.parent):
            return None
        folder = folder.parent


def _news_remarks(news: dict[Path, Path | None], articles: list[Part], path: Path) -> list[str]:
    """What is to be said of the `news.tsv` of all behaviours."""
    translated = dict.fromkeys(part.name for part in articles if part.role == TRANSLATED)
    lacking = [_name(file.with_name(NEWS), path) for file, found in news.items() if found is None]
    return [
        *(f"{name} is xMIND's: no categories" for name in translated),
        *(f"no {name}: categories and texts of its articles are unknown" for name in lacking),
    ]


def _news_parts(file: Path, name: str, sizes: ReadSizes) -> list[Part]:
    """The parts of a `news.tsv` of MIND or xMIND."""
    lines = _head(Part(file, name))
    widths = Counter(line.count(b"\t") + 1 for line in lines)
    if widths.keys() & set(MIND.widths) or not widths.keys() & set(XMIND.widths):
        return article_parts(file, name, MIND, sizes)
    return [part._replace(role=TRANSLATED) for part in article_parts(file, name, XMIND, sizes)]


def _read(part: Part, sizes: ReadSizes) -> Iterator[Block]:
    if part.role == TRANSLATED:
        return blocks(part._replace(role="articles"), XMIND, sizes)
    return blocks(part, MIND, sizes)


def _name(file: Path, path: Path) -> str:
    return file.relative_to(path).as_posix()


def _is_late(name: str) -> int:
    """The place in time of the split that a file is of, by its name."""
    name = name.lower()
    if "train" in name:
        return 0
    return 1 if "dev" in name or "valid" in name else 2 * ("test" in name)


def found_in(path: Path) -> str:
    """What lies at a path that is no data set, for an error."""
    if not path.exists():
        return "there is no such folder"
    if not path.is_dir():
        return "found a file, not a folder"
    names = sorted(entry.name for entry in path.iterdir())
    more = ", …" if len(names) > 10 else ""
    return f"found {', '.join(names[:10])}{more}" if names else "found an empty folder"


def notes_on(remarks: list[str], counts: Counter[str]) -> list[str]:
    """Remarks on the files, and what blocks counted."""
    return [*remarks, *(f"{what}: {count:,}" for what, count in sorted(counts.items()))]


def blocks(part: Part, layout: Layout, sizes: ReadSizes) -> Iterator[Block]:
    """The blocks of a part of any role."""
    if part.role == ROLE:
        yield from text_blocks(part, sizes)
        return
    read = _READ.get(part.role, read_lines)
    start = part.begin
    for chunk in parts.chunks(part, sizes=sizes):
        data = chunk.data if start else chunk.data.removeprefix(_MARK)
        if not start and part.role == "articles" and (header := _header(data, layout)):
            yield Block(part.name, lines=1)
            data = data[header:]
        yield read(part.name, data, layout)
        start += len(chunk.data)


_READ: dict[str, Callable[[str, bytes, Layout], Block]] = {
    "articles": read_articles,
    UNLABELLED: partial(read_lines, labelled=False),
}


def _header(data: bytes, layout: Layout) -> int:
    """The bytes that the header takes up which a layout allows."""
    first, end, _ = data.partition(b"\n")
    allowed = layout.header and first.removesuffix(b"\r").lower() == layout.header
    return len(first) + len(end) if allowed else 0


# Planning


def behavior_parts(file: Path, name: str, layout: Layout, sizes: ReadSizes) -> list[Part]:
    """The parts of a `behaviors.tsv`; `DataError` where its first lines are not in the layout."""
    planned = [part._replace(name=name, role="behaviors") for part in parts.text_parts(file, sizes=sizes)]
    lines = _head(planned[0])
    if not lines:
        raise DataError(f"{name} is empty. Get it again from {layout.page}")
    width = len(layout.cells)
    header = lines[0].count(b"\t") + 1 >= width and not re.search(rb"\d", lines[0])
    expected = f"{width} cells separated by tabs ({', '.join(layout.cells)}) and no header row"
    _check(name, lines, header, (width,), expected, layout)
    cells = (line.split(b"\t") for line in lines)
    candidates = b" ".join(words[-1] for words in cells if len(words) == width).split()
    if not candidates or any(_LABELLED.search(word) for word in candidates):
        return planned
    if "time" not in layout.cells:
        raise DataError(
            f"{name}: the candidates carry no labels (-1 clicked, -0 not), as {quoted(candidates[0])}, and nothing can "
            f"be judged. Get the file again from {layout.page}"
        )
    return [part._replace(role=UNLABELLED) for part in planned]


def article_parts(file: Path, name: str, layout: Layout, sizes: ReadSizes) -> list[Part]:
    """The parts of a `news.tsv`; `DataError` where its first lines are not in the layout."""
    planned = [part._replace(name=name, role="articles") for part in parts.text_parts(file, sizes=sizes)]
    lines = _head(planned[0])
    cells = lines[0].lower().split(b"\t") if lines else []
    header = len(cells) > 1 and cells[1] in (b"category", b"topic") and not re.search(rb"\d", cells[0])
    expected = f"{' or '.join(map(str, layout.widths))} cells separated by tabs and no header row"
    _check(name, lines, header, layout.widths, expected, layout)
    return planned


def _head(part: Part) -> list[bytes]:
    chunk = next(parts.chunks(part, sizes=ReadSizes(chunk=HEAD)), None)
    return [line for line in chunk.data.split(b"\n") if line.strip()] if chunk else []


def _check(name: str, lines: list[bytes], header: bool, widths: tuple[int, ...], expected: str, layout: Layout) -> None:
    counts = Counter(line.count(b"\t") + 1 for line in lines)
    faults = [f"a header row stands there: {quoted(lines[0])}"] if header else []
    if lines and all(b"\0" in line for line in lines):
        faults.append("there are NUL bytes: it is no UTF-8 text")
    ways = [f"tail -n +2 {Path(name).name}"] if header else []
    if lines and not counts.keys() & set(widths):
        width = counts.most_common(1)[0][0]
        faults.append(f"the lines have {width:,} cells")
        ways += [f"cut -f 1-{max(widths)}"] if width > max(widths) else []
    if faults:
        way = f"Make it so with `{' | '.join(ways)}`, or get" if ways else "Get"
        raise DataError(f"{name} line 1: {' and '.join(faults)}. Expected {expected}. {way} it from {layout.page}")

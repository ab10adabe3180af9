"""What can be named with --data, as lines of at most 80 columns but for names, paths and errors that are longer."""

from __future__ import annotations

from collections.abc import Iterator

from newsreplay.errors import NewsreplayError
from newsreplay.escaping import escaped

#: What a path can be: how it is written, and what it means.
PATHS = (
    ("clicks.csv", "a table, .csv, .tsv, .jsonl (.gz …), .parquet, .arrow"),
    ("FOLDER", "a folder of part files, also below date=2020-01-01/"),
    ("'clicks/*.parquet'", "all that a pattern names; ** for any folders"),
    ("KIND:PATH", "files of a kind, as mind:downloads/mind"),
    ("s3://bucket/path", "any of these in a bucket; also gs://bucket/path"),
    ("https://host/file", "a single file on the web; also http:// and file:///path"),
)
WIDTH = 80


def lines() -> Iterator[str]:
    """The list, line by line."""
    from newsreplay.datasets.fetching.sources import SOURCES
    from newsreplay.datasets.readers import PLUG_INS, READERS
    from newsreplay.plug_ins import passed_over

    yield "Prepared (newsreplay run --data NAME)"
    yield from _columns(_prepared())
    yield from _leftovers()
    yield "\nTo be fetched (newsreplay data fetch NAME)"
    yield from _columns([(name, source.title) for name, source in SOURCES.items() if source.files])
    yield "\nTo be got by hand (newsreplay data fetch NAME says how)"
    yield from _columns([(name, source.title) for name, source in SOURCES.items() if not source.files])
    yield "\nPaths (newsreplay run --data PATH)"
    yield from _columns(list(PATHS))
    yield from _wrapped(f"KIND is one of {', '.join(READERS)}")
    for offer in PLUG_INS.offers():
        if not PLUG_INS.is_own(offer.name):
            yield escaped(f"  or {offer.name}, of the package {offer.package}")
    yield from map(escaped, passed_over(PLUG_INS))


def _prepared() -> list[tuple[str, str]]:
    from newsreplay.datasets import prepared

    rows = [("demo", "synthetic, three publishers, generated at first use")]
    for dataset in prepared():
        try:
            card = dataset.card
        except NewsreplayError as error:  # one that cannot be read does not cost the list
            rows.append((dataset.folder.name, escaped(str(error))))
            continue
        reads = sum(facts["reads"] for facts in card["publishers"])
        count = len(card["publishers"])
        publishers = f"{count:,} publisher{'' if count == 1 else 's'}"
        rows.append((dataset.folder.name, f"{escaped(card['kind'])}, {reads:,} reads, {publishers}"))
    return rows


def _leftovers() -> Iterator[str]:
    from newsreplay.datasets import leftovers

    left = leftovers()
    if not left:
        return
    size = sum(leftover.size for leftover in left) / 1e6
    yield f"\nLeft by preparations that were interrupted: {len(left):,} folders, {size:,.1f} MB"
    yield "  (the same command may go on with them; 'data remove --leftovers' removes them)"
    for leftover in left:
        yield f"  {escaped(str(leftover.folder))}: {leftover.size / 1e6:,.1f} MB"


def _columns(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in rows)
    return [f"  {name:<{width}}  {text}" for name, text in rows]


def _wrapped(text: str) -> list[str]:
    from textwrap import wrap

    return wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")

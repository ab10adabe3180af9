"""EB-NeRD's `articles.parquet`."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from newsreplay.datasets.base import Block, Part, Reject
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.datasets.sources.ebnerd.behaviors import IDS, NUMBERS, TEXT, TIMES
from newsreplay.datasets.sources.ebnerd.columns import (
    as_lists,
    batches,
    entries,
    is_given,
    named,
    to_times,
    whole_numbers,
    without_empty,
)

UNDATED = "articles without a usable published_time; known when first read"
SENTIMENTS = {"Negative": -1, "Neutral": 0, "Positive": 1}
GARBLED = "texts of articles that are not UTF-8: left out"
ARTICLE = {
    "article_id": (IDS, False),
    "published_time": (TIMES, False),
    "title": (TEXT, False),
    "subtitle": (TEXT, False),
    "body": (TEXT, False),
    "category_str": (TEXT, False),
    "category": (IDS, False),
    "subcategory": (IDS, True),
    "ner_clusters": (TEXT, True),
    "image_ids": (IDS, True),
    "sentiment_label": (TEXT, False),
    "sentiment_score": (NUMBERS, False),
}


def read_articles(part: Part, sizes: ReadSizes) -> Iterator[Block]:
    """The blocks of `articles.parquet`."""
    with named(part.path):
        names = pq.read_schema(part.path).names
    columns = [name for name in ARTICLE if name in names]
    for batch in batches(part.path, sizes.entries, columns):
        block = Block(part.name, lines=batch.num_rows, records=batch.num_rows)
        item = whole_numbers(batch["article_id"])
        given = is_given(item)
        for row in np.flatnonzero(~given).tolist():
            title = _text(batch["title"].slice(row, 1), block.counts)[0] if "title" in columns else ""
            reason = "article_id is null or no whole number"
            block.rejects.append(Reject(part.name, row + 1, reason, f"title={title}"[:500]))
        block.kept = int(given.sum())
        facts = {"item": item, **_facts({name: batch[name] for name in columns}, block.counts)}
        block.articles = pa.table(facts).filter(pa.array(given))
        block.counts[UNDATED] = block.articles["published"].null_count if "published" in facts else block.kept
        yield block


def _facts(columns: dict[str, pa.Array], counts: Counter[str]) -> dict[str, pa.Array]:
    facts: dict[str, pa.Array] = {}
    if "published_time" in columns:
        time, timed = to_times(columns["published_time"])
        facts["published"] = pa.array(time, mask=~timed)
    for fact, name in (("title", "title"), ("abstract", "subtitle"), ("body", "body"), ("category", "category_str")):
        if name in columns:
            facts[fact] = _text(columns[name], counts)
    if "category" in columns and "category" not in facts:
        facts["category"] = whole_numbers(columns["category"]).cast(pa.string())
    if "subcategory" in columns:
        sizes, ids, _ = entries(as_lists(columns["subcategory"]))
        offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int64()).cast(pa.int32())
        joined = pc.binary_join(pa.ListArray.from_arrays(offsets, ids.cast(pa.string())), "|")
        facts["subcategory"] = without_empty(joined)
    if "ner_clusters" in columns:
        facts["entities"] = pa.array(_entities(columns["ner_clusters"], counts), pa.string())
    if "image_ids" in columns:
        sizes, ids, _ = entries(as_lists(columns["image_ids"]))
        first = np.where(sizes > 0, np.cumsum(sizes) - sizes, 0)
        facts["image"] = ids.take(pa.array(first, mask=sizes == 0)).cast(pa.string())
    if "sentiment_label" in columns and "sentiment_score" in columns:
        labels = _text(columns["sentiment_label"], counts).to_pylist()
        facts["sentiment"] = pa.array(map(_sentiment, labels, columns["sentiment_score"].to_pylist()), pa.string())
    return facts


def _sentiment(label: str | None, score: float | None) -> str | None:
    """How sure the source is of a label, 0 to 1, as a number from -1 to 1; None where either is missing."""
    sign = SENTIMENTS.get(label or "")
    return None if sign is None or score is None or math.isnan(score) else f"{sign * score:.4g}"


def _entities(column: pa.Array, counts: Counter[str]) -> list[str | None]:
    """Each list of names as JSON."""
    texts: list[str | None] = []
    for entry in column:
        try:
            names = [name for name in entry.as_py() or () if name is not None]
        except UnicodeDecodeError:
            names = []
            counts[GARBLED] += 1
        texts.append(json.dumps(names, ensure_ascii=False) if names else None)
    return texts


def _text(column: pa.Array, counts: Counter[str]) -> pa.Array:
    """Text that is UTF-8 for sure, which Parquet does not promise; null where there is none."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    raw = column.cast(pa.binary())
    try:
        text = raw.cast(pa.string())  # validates
    except pa.ArrowInvalid:
        decoded = [value if value is None else _decoded(value) for value in raw.to_pylist()]
        text = pa.array(decoded, pa.string())
        counts[GARBLED] += text.null_count - raw.null_count
    return without_empty(text)


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None

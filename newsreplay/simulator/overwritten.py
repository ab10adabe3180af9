"""Logs with another future: the same up to a row, and other rows, more or fewer of them, from there on."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.kernels.mixing import key_of, mix_all
from newsreplay.log.catalog import Articles, Profiles, Updates, handed_over
from newsreplay.log.rows import (
    HOUR,
    IMPRESSION,
    LOG_DTYPES,
    OUTCOME,
    PUBLISH,
    READ,
    Column,
    ExtraColumn,
    Log,
    Pools,
    make_log,
)

LATEST = 300  #: rows by which a made-up text comes after its article, at most


def overwritten(log: Log, articles: Articles, cut: int, seed: int, rows: int | None = None) -> tuple[Log, Articles]:
    """The same log up to row `cut`, other rows and other articles from there on, `rows` in all (None = as many).

    What replaces them is a valid log: times do not decrease and codes still count up by first appearance; a longer one
    has more articles, readers and sessions, one that ends at the cut has only those before it. Clicks
    whose outcome lies behind the cut are overwritten too. What a profile handed over before the cut makes readable,
    ids, texts and categories of the articles in it, stays.
    """
    length = len(log.time)
    rows = length if rows is None else rows
    if cut >= length:
        return log, articles
    rng = np.random.default_rng([seed, cut])
    fresh = {
        name: np.concatenate([getattr(log, name)[:cut], np.zeros(rows - cut, dtype)])
        for name, dtype in LOG_DTYPES.items()
    }
    kind = _kinds(rows - cut, cut, rng)
    gaps = rng.choice([0, 1, 1000, 60_000, HOUR], rows - cut, p=[0.1, 0.1, 0.3, 0.45, 0.05])
    gaps[kind == OUTCOME] = 0  # of its impression's time
    before = np.append(log.kind[cut - 1] if cut else PUBLISH, kind)[:-1]
    gaps[(gaps == 0) & (kind < before)] = 1  # of one instant the kinds come in their order
    begin = int(log.time[cut - 1]) if cut else int(log.time[0])
    fresh["time"][cut:] = begin + np.cumsum(gaps)
    fresh["kind"][cut:] = kind
    outcome = cut + np.flatnonzero(kind == OUTCOME)  # each follows its impression
    for name in ("item", "session", "user"):
        column = fresh[name]
        column[cut:] = -1
        # Impressions bring no new articles; an outcome has the reader of its impression.
        carries = (kind == PUBLISH) | (kind == READ) if name == "item" else (kind == IMPRESSION) | (kind == READ)
        place = cut + np.flatnonzero(carries)
        codes = len(articles.id) if name == "item" else int(getattr(log, name).max()) + 1
        column[place] = _codes(column, cut, codes + _more(rows, length), rng, len(place))
        column[outcome] = column[outcome - 1]
    pools, fresh["impression"][cut:] = _pools(log, fresh["item"], kind, cut, rng)
    other = _overwritten_articles(log, fresh, articles, cut, rng)
    extra = tuple(_overwritten_extra(column, cut, rows, rng) for column in log.extra)
    return make_log(**fresh, pools=pools)._replace(extra=extra), other


def _more(rows: int, length: int) -> int:
    """How many more codes of a sort a log of `rows` rows has than one of `length`."""
    return max(0, rows - length) // 8


def _overwritten_articles(
    log: Log, fresh: dict[str, Column], articles: Articles, cut: int, rng: np.random.Generator
) -> Articles:
    """Other articles from row `cut` on, to go with the columns `fresh`; writes their categories into `fresh`."""
    rows = len(fresh["item"])
    item = fresh["item"]
    known = int(item[:cut].max(initial=-1)) + 1
    handed = handed_over(articles) < cut
    handed, handed_outside = handed[: len(articles.id)], handed[len(articles.id) :]
    longer = len(articles.id) + _more(rows, len(log.time))
    last_handed = int(np.flatnonzero(handed).max(initial=-1))
    count = longer if rows > cut else max(known, last_handed + 1)
    articles, handed = _resized(articles, count, rows), np.resize(np.append(handed, np.zeros(longer, bool)), count)
    category = articles.category.astype(np.int32)
    late = (articles.category_row >= cut) & ~handed
    categories = max(1, len(articles.categories))
    category[late] = rng.integers(-1, categories, int(late.sum()))
    category_row = np.where(articles.category_row < cut, articles.category_row, cut)
    fresh["category"][cut:] = np.append(category, np.int32(-1))[item[cut:]]
    first = np.full(count + 1, rows, np.int64)
    first[item[::-1]] = np.arange(rows)[::-1]
    first = first[:-1]
    names = _names(count, rng)
    keep = pa.array((np.arange(count) < known) | handed)
    return Articles(
        id=_chosen(keep, articles.id, names),
        published=np.where(first < rows, np.append(fresh["time"], 0)[first], 0),
        category=category,
        category_row=np.where(category >= 0, np.maximum(category_row, first), rows),
        texts={
            fact: (
                _chosen(pa.array((row < cut) | handed), texts, names),
                np.where(row < cut, row, np.maximum(cut, first)),
            )
            for fact, (texts, row) in articles.texts.items()
        },
        categories=articles.categories if len(articles.categories) else pa.array(["other"], pa.large_string()),
        profiles=_profiles(articles.profiles, cut, handed_outside, rng),
        updates=_updates(articles.updates, cut, rows),
        readers=_readers(articles.readers, fresh["user"], cut, rng),
    )


def _overwritten_extra(column: ExtraColumn, cut: int, rows: int, rng: np.random.Generator) -> ExtraColumn:
    """Other values from row `cut` on, none of them the text of a value that appears only there."""
    code = np.concatenate([column.code[:cut], np.zeros(rows - cut, np.int32)])
    known = int(column.code[:cut].max(initial=-1)) + 1
    names = _names(max(1, len(column.values)), rng).to_pylist()
    code[cut:] = _codes(code, cut, len(names), rng)
    return column._replace(code=code, values=(*column.values[:known], *names[known:]))


def _resized(articles: Articles, count: int, rows: int) -> Articles:
    """The first `count` articles; those there are too few of are known of no fact in a log of `rows` rows."""
    more = max(0, count - len(articles.id))

    def text(column: pa.Array) -> pa.Array:
        return pa.concat_arrays([column[:count], pa.nulls(more, column.type)])

    def row(column: Column) -> Column:
        return np.append(column[:count], np.full(more, rows, column.dtype))

    return articles._replace(
        id=text(articles.id),
        category=np.append(articles.category[:count], np.full(more, -1, articles.category.dtype)),
        category_row=row(articles.category_row),
        texts={fact: (text(texts), row(at)) for fact, (texts, at) in articles.texts.items()},
    )


def _names(count: int, rng: np.random.Generator) -> pa.Array:
    """Ids and texts that tell nothing: whether they were overwritten, and which code they have."""
    words = mix_all(key_of(int(rng.integers(1 << 31)), "names"), np.arange(count))
    return pa.array([f"{word:016x}" for word in words.tolist()], pa.large_string())


def _readers(readers: pa.Array | None, user: Column, cut: int, rng: np.random.Generator) -> pa.Array | None:
    """The ids of the readers who appear before the cut, and other ones of the others."""
    if readers is None:
        return None
    known, count = (int(column.max(initial=-1)) + 1 for column in (user[:cut], user))
    return pa.concat_arrays([readers[:known], _names(count - known, rng).cast(readers.type)])


def _updates(updates: Updates | None, cut: int, rows: int) -> Updates | None:
    """The updates before the cut; those behind it are reversed, as far as the log goes."""
    if updates is None:
        return None
    kept = updates.row < rows
    row = updates.row[kept]
    return Updates(row, updates.item[kept], updates.recommendable[kept] ^ (row >= cut))


def _profiles(profiles: Profiles | None, cut: int, handed: Column, rng: np.random.Generator) -> Profiles | None:
    """The profiles handed over before the cut; others are of the first article throughout.

    `handed`, bool[outside], are the articles outside the log that some profile handed over before the cut holds.
    """
    if profiles is None:
        return None
    late = np.repeat(profiles.row >= cut, np.diff(profiles.at))
    names = _names(len(handed), rng)
    outside = profiles.outside
    columns = [_chosen(pa.array(handed), column, names.cast(column.type)) for column in outside.columns]
    return profiles._replace(
        item=np.where(late, np.int32(0), profiles.item),
        outside=pa.RecordBatch.from_arrays(columns, names=outside.schema.names),
    )


def _kinds(count: int, cut: int, rng: np.random.Generator) -> Column:
    """Kinds of rows: mostly reads, some publications, some impressions that are followed by their outcome."""
    kind = rng.choice([PUBLISH, IMPRESSION, READ], count, p=[0.1, 0.1, 0.8]).astype(np.uint8)
    if not cut:
        kind[:1] = READ  # a log has a reader
    after = np.flatnonzero(kind[:-1] == IMPRESSION) + 1
    kind[after[np.append(True, np.diff(after) > 1)[: len(after)]]] = OUTCOME
    follows = np.append(kind, np.uint8(READ))[1:] == OUTCOME
    kind[(kind == IMPRESSION) & ~follows] = READ
    return kind


def _pools(log: Log, item: Column, kind: Column, cut: int, rng: np.random.Generator) -> tuple[Pools, Column]:
    """The pools of the impressions before the cut and of new ones after it, and the new rows' impressions."""
    before = int(np.count_nonzero(log.kind[:cut] == IMPRESSION))
    at = log.pools.at[: before + 1]
    clicked = log.pools.clicked[: at[-1]].copy()
    has_outcome = np.zeros(before, bool)
    has_outcome[log.impression[:cut][log.kind[:cut] == OUTCOME]] = True
    clicked ^= np.repeat(~has_outcome, np.diff(at))
    place = np.flatnonzero(kind == IMPRESSION)
    known = 1 + np.maximum.accumulate(item)[cut + place].astype(np.int64)
    lengths = np.minimum(known, rng.integers(1, 6, len(place)))
    start = rng.integers(0, np.maximum(known, 1))
    step = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    pool = (np.repeat(start, lengths) + step) % np.repeat(known, lengths)
    impression = np.full(len(kind), -1, np.int32)
    impression[place] = before + np.arange(len(place))
    impression[place + 1] = impression[place]
    pools = Pools(
        np.concatenate([at, at[-1] + np.cumsum(lengths)]),
        np.concatenate([log.pools.item[: at[-1]], pool]),
        np.concatenate([clicked, rng.random(len(pool)) < 0.3]),
    )
    return pools, impression


def _chosen(keep: pa.Array, old: pa.Array, new: pa.Array) -> pa.Array:
    return pc.if_else(keep, old, new)


def _codes(column: Column, cut: int, limit: int, rng: np.random.Generator, count: int | None = None) -> Column:
    """Random codes to follow `column[:cut]`, new ones counting up by first appearance, all below `limit`."""
    count = len(column) - cut if count is None else count
    highest = int(column[:cut].max(initial=-1))
    new = rng.random(count) < 0.2
    if highest < 0 and count:
        new[0] = True
    seen = np.minimum(highest + np.cumsum(new), limit - 1)
    codes = np.where(new, seen, (rng.random(count) * (seen + 1)).astype(np.int64))
    return np.asarray(codes, np.int32)


def made_up_log(rows: int, seed: int = 0) -> tuple[Log, Articles]:
    """A small busy log for checks: several readers at a time, titles, categories, quiet hours."""
    users, items = max(2, rows // 12), max(2, rows // 10)
    log = make_log(
        time=np.full(rows, 1_600_000_000_000),
        kind=np.full(rows, READ),
        session=np.arange(rows) % users,
        user=np.arange(rows) % users,
        item=np.zeros(rows),
        category=np.full(rows, -1),
    )
    articles = Articles(
        id=pa.nulls(items, pa.large_string()),
        published=np.zeros(items, np.int64),
        category=np.full(items, -1, np.int32),
        category_row=np.full(items, rows, np.int64),
        texts={"title": (pa.nulls(items, pa.large_string()), np.full(items, rows, np.int64))},
        categories=pa.array([f"section {i}" for i in range(8)], pa.large_string()),
    )
    return overwritten(log, articles, 0, seed)


def with_facts(articles: Articles, rows: int, seed: int = 0) -> Articles:
    """The same articles with all the texts that a catalog may have of one, most of them told later than the title.

    The articles are those of a log of `rows` rows from `made_up_log`. Texts come up to `LATEST` rows after the article,
    so that what is not known yet can be told from what is.
    """
    rng = np.random.default_rng([seed, 1])
    count = len(articles.id)

    def sentences(most: int) -> list[str]:
        return [
            " ".join(f"word{word}" for word in rng.integers(0, 50, rng.integers(1, most + 1))) for _ in range(count)
        ]

    made = {
        "subcategory": [f"part {number}" for number in rng.integers(0, 6, count)],
        "title": sentences(6),
        "abstract": sentences(12),
        "body": sentences(24),
        "entities": [json.dumps([f"word{word}" for word in rng.integers(0, 50, 2)]) for _ in range(count)],
        "image": [f"{number}.jpg" for number in range(count)],
        "sentiment": [f"{number:.2f}" for number in rng.uniform(-1, 1, count)],
    }
    first = articles.texts["title"][1]
    return articles._replace(
        texts={
            fact: (
                pa.array(texts, pa.large_string()),
                np.minimum(first + rng.choice([0, LATEST // 10, LATEST // 3, LATEST], count), rows),
            )
            for fact, texts in made.items()
        }
    )

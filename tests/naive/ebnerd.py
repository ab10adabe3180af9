"""EB-NeRD read the slow, obvious way: one record after the other, from the format's description."""

from __future__ import annotations

import json
import struct
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from newsreplay.log.rows import HISTORY, IMPRESSION, READ
from tests.reading import Article, Row

EPOCH, FROM, UNTIL = datetime(1970, 1, 1), datetime(1990, 1, 1), datetime(2100, 1, 1)
MILLISECOND = timedelta(milliseconds=1)


class Naive(NamedTuple):
    rows: list[Row]
    articles: list[Article]
    rejects: list[tuple[str, int]]
    dropped: Counter[str]


def read_naively(folder: Path) -> Naive:
    naive = Naive([], [], [], Counter())
    single = (folder / "behaviors.parquet").exists()
    splits = (
        [folder] if single else [folder / name for name in ("train", "validation", "test") if (folder / name).exists()]
    )
    seen: set[int] = set()
    for split in splits:
        prefix = "" if single else f"{split.name}/"
        seen |= _history(split, prefix, seen, naive)
        read = _behaviors if "article_ids_clicked" in pq.read_schema(split / "behaviors.parquet").names else _withheld
        read(split, prefix, "" if len(splits) == 1 else f"{split.name}:", naive)
    for file in [folder / "articles.parquet", folder.parent / "articles.parquet"][: 2 if single else 1]:
        if file.exists():
            _articles(file, naive)
            break
    return naive


def _history(split: Path, prefix: str, seen: set[int], naive: Naive) -> set[int]:
    found = set()
    for line, record in enumerate(pq.read_table(split / "history.parquet").to_pylist(), 1):
        user = record["user_id"]
        items, times = record["article_id_fixed"] or [], record["impression_time_fixed"] or []
        if user is not None:
            found.add(user)
        if user is None or len(items) != len(times):
            if items or times:
                naive.rejects.append((f"{prefix}history.parquet", line))
            continue
        for item, time in zip(items, times, strict=True):
            if user in seen:
                naive.dropped["history of a reader whose history an earlier split has"] += 1
            elif item is None or ms(time) is None:
                naive.rejects.append((f"{prefix}history.parquet", line))
            else:
                naive.rows.append(Row(HISTORY, ms(time) or 0, str(item), str(user)))
    return found


def _behaviors(split: Path, prefix: str, session_prefix: str, naive: Naive) -> None:
    records = pq.read_table(split / "behaviors.parquet").to_pylist()
    good = [ms(r["impression_time"]) is not None and _whole(r["user_id"]) and _whole(r["session_id"]) for r in records]
    caused = _caused(records, good)
    spent = {(click, records[view]["article_id"]): _seconds(records[view]) for view, click in caused.items()}
    for number, record in enumerate(records):
        if not good[number]:
            naive.rejects.append((f"{prefix}behaviors.parquet", number + 1))
            continue
        shown = [item for item in record["article_ids_inview"] or [] if item is not None]
        clicked = None
        if record["article_ids_clicked"] is not None:
            clicked = [item for item in record["article_ids_clicked"] if item is not None]
        page = record["article_id"]
        user, session = record["user_id"], record["session_id"]
        who = {
            "user": None if user is None else str(user),
            "session": None if session is None else f"{session_prefix}{session}",
        }
        time = ms(record["impression_time"]) or 0
        rows = []
        if shown:
            first = [item not in shown[:place] for place, item in enumerate(shown)]
            flags = None if clicked is None else tuple(i in clicked and f for i, f in zip(shown, first, strict=True))
            pool = tuple(str(item) for item in shown)
            dwell = None
            if flags is not None:
                dwell = tuple(spent.get((number, i)) for i, flag in zip(shown, flags, strict=True) if flag)
                dwell = dwell if any(dwell) else None
            on_screen = None if page is None else str(page)
            rows.append(Row(IMPRESSION, time, on_screen, pool=pool, clicked=flags, dwell=dwell, **who))
        if page is not None and number not in caused:
            rows.append(Row(READ, time, str(page), active=_seconds(record), **who))
        unseen = [item for item in dict.fromkeys(clicked or []) if item not in shown]
        rows += [Row(READ, time, str(item), active=spent.get((number, item)), **who) for item in unseen]
        naive.rows.extend(rows)
        if not rows and number in caused:
            naive.dropped["page views that are the read of a click"] += 1
        elif not rows:
            naive.rejects.append((f"{prefix}behaviors.parquet", number + 1))


def _withheld(split: Path, prefix: str, session_prefix: str, naive: Naive) -> None:
    for number, record in enumerate(pq.read_table(split / "behaviors.parquet").to_pylist(), 1):
        shown, time, name = record["article_ids_inview"] or [], ms(record["impression_time"]), record["impression_id"]
        user, session = record["user_id"], record["session_id"]
        if name is None or time is None or not shown or None in shown or not (_whole(user) and _whole(session)):
            naive.rejects.append((f"{prefix}behaviors.parquet", number))
            continue
        who = {
            "user": None if user is None else str(user),
            "session": None if session is None else f"{session_prefix}{session}",
        }
        naive.rows.append(Row(IMPRESSION, time, None, pool=tuple(map(str, shown)), withheld=str(name), **who))


def _whole(number: Any) -> bool:
    """Whether an id may be one; null is that of nobody known."""
    return number is None or number == int(number)


def _seconds(record: dict[str, Any]) -> float | None:
    seconds = record.get("read_time")
    usable = seconds is not None and 0 <= seconds < 10**9
    return struct.unpack("f", struct.pack("f", seconds))[0] if usable else None


def _caused(records: list[dict[str, Any]], good: list[bool]) -> dict[int, int]:
    """Walk each session; every click in hand excuses one page view, the latest first: page view → click."""
    sessions = defaultdict(list)
    for number, record in enumerate(records):
        if good[number] and record["session_id"] is not None:
            sessions[record["session_id"]].append(number)
    caused = {}
    for numbers in sessions.values():
        in_hand: dict[int, list[int]] = defaultdict(list)
        for number in sorted(numbers, key=lambda n: (ms(records[n]["impression_time"]), n)):
            page = records[number]["article_id"]
            if page is not None and in_hand[page]:
                caused[number] = in_hand[page].pop()
            for item in {item for item in records[number]["article_ids_clicked"] or [] if item is not None}:
                in_hand[item].append(number)
    return caused


def _articles(file: Path, naive: Naive) -> None:
    for line, record in enumerate(pq.read_table(file).to_pylist(), 1):
        if record["article_id"] is None:
            naive.rejects.append((file.name, line))
            continue
        category = record["category_str"] if "category_str" in record else record.get("category")
        images = [image for image in record.get("image_ids") or [] if image is not None]
        names = [name for name in record.get("ner_clusters") or [] if name is not None]
        facts = {
            "title": record.get("title"),
            "abstract": record.get("subtitle"),
            "body": record.get("body"),
            "category": None if category is None else str(category),
            "subcategory": "|".join(str(part) for part in record.get("subcategory") or [] if part is not None),
            "entities": json.dumps(names, ensure_ascii=False) if names else None,
            "image": str(images[0]) if images else None,
            "sentiment": sentiment(record.get("sentiment_label"), record.get("sentiment_score")),
        }
        told = tuple(sorted((name, text) for name, text in facts.items() if text))
        naive.articles.append(Article(str(record["article_id"]), None, ms(record.get("published_time")), told))


def sentiment(label: str | None, score: float | None) -> str | None:
    """Positive ones as they are, negative ones below 0, neutral ones 0."""
    if score is None or score != score:
        return None
    if label == "Neutral":
        return f"{score * 0:.4g}"
    return {"Positive": f"{score:.4g}", "Negative": f"{-score:.4g}"}.get(label or "")


def ms(time: datetime | None) -> int | None:
    """Milliseconds of a naive time from 1990 up to 2100, read as UTC."""
    if time is None or not FROM <= time < UNTIL:
        return None
    return (time - EPOCH) // MILLISECOND

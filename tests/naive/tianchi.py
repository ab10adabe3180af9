"""The slow, obvious reader of Tianchi's click logs, written from the format's description."""

from __future__ import annotations

from pathlib import Path

from newsreplay.log.rows import READ
from tests.naive.globo import Read, is_id, is_time, lines_of
from tests.reading import Article, Row


def read_tianchi(folder: Path) -> Read:
    rows, articles, rejects = [], [], []
    for name in ("train_click_log.csv", "testA_click_log.csv", "testB_click_log.csv"):
        for number, cells in lines_of(folder / name) if (folder / name).exists() else []:
            good = cells is not None and is_id(cells["user_id"]) and is_id(cells["click_article_id"])
            if cells is None or not good or not is_time(cells["click_timestamp"]):
                rejects.append((name, number))
                continue
            rows.append(Row(READ, int(cells["click_timestamp"]), cells["click_article_id"], cells["user_id"]))
    for number, cells in lines_of(folder / "articles.csv"):
        if cells is None or not is_id(cells["article_id"]):
            rejects.append(("articles.csv", number))
            continue
        time, category = cells["created_at_ts"], cells["category_id"]
        facts = (("category", category),) if is_id(category) else ()
        articles.append(Article(cells["article_id"], None, int(time) if is_time(time) else None, facts))
    return Read(rows, articles, rejects)

"""MIND and NeMig read slowly and obviously, from the description of the formats alone."""

from __future__ import annotations

import ast
import csv
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from newsreplay.log.rows import IMPRESSION
from tests.reading import Article, Profile, Row


@dataclass
class Naive:
    """What a slow reader finds."""

    rows: list[Row] = field(default_factory=list)
    articles: list[Article] = field(default_factory=list)
    profiles: dict[str, Profile] = field(default_factory=dict)  #: the earliest of each user, of equal ones the first
    rejects: list[tuple[str, int]] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    lines: int = 0


class NotUsableError(Exception):
    """A line that cannot be used."""


def need(condition: bool) -> None:
    if not condition:
        raise NotUsableError


def number(text: str, least: int, most: int) -> int:
    need(text.isascii() and text.isdigit() and least <= len(text) <= most)
    return int(text)


def time_of(cell: str) -> int:
    if cell[4:5] == "-":
        return iso_time_of(cell)
    words = cell.split(" ")
    need(len(words) == 3 and words[2] in ("AM", "PM"))
    date, clock = words[0].split("/"), words[1].split(":")
    need(len(date) == 3 and len(clock) == 3)
    month, day, year = number(date[0], 1, 2), number(date[1], 1, 2), number(date[2], 4, 4)
    hour, minute, second = number(clock[0], 1, 2), number(clock[1], 2, 2), number(clock[2], 2, 2)
    need(1 <= hour <= 12)
    if hour == 12:
        hour = 0
    if words[2] == "PM":
        hour += 12
    try:
        when = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise NotUsableError from None
    need(1990 <= year <= 2099)
    since = when - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000


def iso_time_of(cell: str) -> int:
    need(cell.isascii() and len(cell) >= 19)
    need(
        "".join(letter if letter in "-:T " else "0" for letter in cell[:19]) in [f"0000-00-00{t}00:00:00" for t in "T "]
    )
    need(all(letter in "0123456789-:T " for letter in cell[:19]) and cell[11:13] < "24")
    rest = cell[19:]
    if rest.startswith("."):
        digits = rest[1:].replace("Z", "+").replace("-", "+").split("+")[0]
        need(digits.isdigit() and len(digits) <= 6)
        rest = rest[1 + len(digits) :]
    need(rest in ("", "Z") or (len(rest) == 6 and rest[0] in "+-" and rest[3] == ":" and rest[1:].count(":") == 1))
    try:
        when = datetime.fromisoformat(cell)
    except ValueError:
        raise NotUsableError from None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    since = when - datetime(1970, 1, 1, tzinfo=UTC)
    ms = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    need(631_152_000_000 <= ms < 4_102_444_800_000)
    return ms


BLANKS = " \t\v\f\r"  # a line's own; other blanks are letters of ids


def words_of(cell: str, between: str = "") -> list[str]:
    for letter in BLANKS + between:
        cell = cell.replace(letter, " ")
    return [word for word in cell.split(" ") if word != ""]


def history_of(cell: str, prefix: str) -> tuple[str, ...]:
    if cell.strip(BLANKS).lower() in ("nan", "null", "none"):
        return ()
    bare = cell.strip('"' + BLANKS)
    if bare[:1] in ("[", "(") and bare[-1:] in ("]", ")") and len(bare) > 1:
        return tuple(words_of(bare[1:-1], ",'\""))
    words = words_of(cell, ",")
    if "," in cell and cell[:1] == prefix[:1] and all(is_plain(word, prefix) for word in words):
        return tuple(words)
    return tuple(word for word in cell.split(" ") if word != "")


def is_plain(word: str, prefix: str) -> bool:
    rest = word.removeprefix(prefix)
    return rest != word and rest.isascii() and rest.isdigit()


def lines_of(file: Path, name: str, found: Naive) -> list[tuple[int, bytes]]:
    """Lines that are not blank with their numbers from 1."""
    data = file.read_bytes()
    if data[:3] == b"\xef\xbb\xbf":
        data = data[3:]
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    found.lines += len(lines)
    kept = []
    for place, line in enumerate(lines, 1):
        if line.endswith(b"\r"):
            line = line[:-1]
        if line.strip() == b"":
            found.dropped["blank line"] += 1
        else:
            kept.append((place, line))
    return kept


def text_of(line: bytes) -> str:
    need(0 not in line)
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        raise NotUsableError from None


def read_impressions(file: Path, name: str, found: Naive, *, timed: bool, labelled: bool = True) -> None:
    for place, line in lines_of(file, name, found):
        try:
            cells = text_of(line).split("\t")
            need(len(cells) == (5 if timed else 4))
            user = cells[1]
            time = time_of(cells[2]) if timed else 1_577_836_800_000 + 60_000 * (place - 1)
            candidates = [word for word in cells[-1].split(" ") if word != ""]
            if not candidates:
                found.dropped["impression without candidates"] += 1
                continue
            if not labelled:
                need(cells[0] != "" and all("!" <= letter <= "~" for letter in cells[0]))
                need(not any("," in word or is_labelled(word) for word in candidates))
                candidates = [f"{word}-0" for word in candidates]
            candidates = [word[:-2] if word[-4:] in ("-0.0", "-1.0") else word for word in candidates]
            for word in candidates:
                need(len(word) > 2 and word[-2:] in ("-0", "-1"))
                need(not any(label in word for label in ("-0,", "-1,", "-0.0,", "-1.0,")))
        except NotUsableError:
            found.rejects.append((name, place))
            continue
        pool = tuple(word[:-2] for word in candidates)
        clicked = tuple(word[-1] == "1" for word in candidates) if labelled else None
        withheld = None if labelled else cells[0]
        found.rows.append(Row(IMPRESSION, time, None, user=user or None, pool=pool, clicked=clicked, withheld=withheld))
        history = history_of(cells[-2], "N" if timed else "news_")
        if user:
            add_profile(found.profiles, Profile(user, time, history))


def is_labelled(word: str) -> bool:
    return any(word.endswith(label) for label in ("-0", "-1", "-0.0", "-1.0"))


def add_profile(profiles: dict[str, Profile], profile: Profile) -> None:
    known = profiles.get(profile.user)
    if known is None or profile.time < known.time:
        profiles[profile.user] = profile


def read_news(file: Path, name: str, found: Naive, facts: dict[str, int], widths: tuple[int, ...]) -> None:
    for place, line in lines_of(file, name, found):
        try:
            cells = text_of(line).split("\t")
            need(len(cells) in widths)
            need(cells[0] != "")
        except NotUsableError:
            found.rejects.append((name, place))
            continue
        told = {fact: cells[cell] for fact, cell in facts.items() if cells[cell] != ""}
        if len(cells) == 8 and all(cell[:1] == "[" and cell[-1:] == "]" for cell in cells[6:]):
            told["entities"] = '{"title": ' + cells[6] + ', "abstract": ' + cells[7] + "}"
        found.articles.append(Article(cells[0], facts=tuple(sorted(told.items()))))


def naive_mind(path: Path, folders: tuple[str, ...] = ("",)) -> Naive:
    """Every `behaviors.tsv`, then every `news.tsv`, of the folders in this order."""
    found = Naive()
    for folder in folders:
        read_impressions(
            path / folder / "behaviors.tsv", f"{folder}behaviors.tsv", found, timed=True, labelled="test" not in folder
        )
    for folder in folders:
        if (path / folder / "news.tsv").exists():
            facts = {"category": 1, "subcategory": 2, "title": 3, "abstract": 4}
            read_news(path / folder / "news.tsv", f"{folder}news.tsv", found, facts, (6, 7, 8))
    for folder in folders:
        if (path / folder / "news_text.csv").exists():
            read_texts(path / folder / "news_text.csv", found)
    return found


def read_texts(file: Path, found: Naive) -> None:
    """A `news_text.csv` whose lines are all as they should be."""
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            facts = {"category": row["Category"], "subcategory": row["SubCategory"]}
            for fact, column in (("title", "Title"), ("abstract", "Abstract")):
                facts[fact] = " ".join(ast.literal_eval(row[column] or "[]"))
            told = {name: value for name, value in facts.items() if value}
            found.lines += 1
            found.articles.append(Article(row["News_ID"], facts=tuple(sorted(told.items()))))


def naive_nemig(path: Path) -> Naive:
    found = Naive()
    read_impressions(path / "behaviors.tsv", "behaviors.tsv", found, timed=False)
    if (path / "news.tsv").exists():
        facts = {"category": 1, "sentiment": 2, "title": 3, "abstract": 4}
        read_news(path / "news.tsv", "news.tsv", found, facts, (7,))
        numbers = {"Negative": "-1", "Neutral": "0", "Positive": "1"}
        found.articles = [
            one._replace(facts=tuple((k, numbers.get(v, v) if k == "sentiment" else v) for k, v in one.facts))
            for one in found.articles
        ]
    return found

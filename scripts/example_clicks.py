"""Writes examples/clicks.csv, the log of the tutorial: a made-up site of three days, small enough to look through.

Readers come for what is new and stay within a section; every article loses half of its readers in six hours.
"""

from __future__ import annotations

import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

FILE = Path(__file__).parent.parent / "examples" / "clicks.csv"
SECTIONS = ("politics", "sports", "culture", "local")
BEGIN = datetime(2026, 3, 2, 6, tzinfo=UTC)
VISITS = 1_500
HOURS = 72


def clicks(seed: int = 0) -> list[tuple[str, str, str, str, str]]:
    """Time, reader, article, section and title of every read, in the order of time."""
    rng = random.Random(seed)
    published = {f"{section[:3]}-{n}": rng.uniform(-6, HOURS) for section in SECTIONS for n in range(1, 41)}
    liked = {article: rng.paretovariate(1.5) for article in published}
    section_of = {article: next(name for name in SECTIONS if name[:3] == article[:3]) for article in published}
    reads = []
    for _ in range(VISITS):
        hour = rng.uniform(0, HOURS)
        reader = f"reader{rng.randrange(600)}"
        section = rng.choice(SECTIONS)
        for _ in range(min(8, 1 + int(rng.expovariate(0.6)))):
            section = section if rng.random() < 0.8 else rng.choice(SECTIONS)
            alive = [one for one, when in published.items() if when < hour and section_of[one] == section]
            if not alive:
                break
            weights = [liked[one] * 0.5 ** ((hour - published[one]) / 6) for one in alive]
            article = rng.choices(alive, weights)[0]
            time = (BEGIN + timedelta(hours=hour)).replace(microsecond=0).isoformat()
            reads.append((time, reader, article, section, f"{section.title()} story {article.split('-')[1]}"))
            hour += rng.uniform(0.5, 5) / 60
    return sorted(reads)


if __name__ == "__main__":
    with FILE.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(("time", "user", "item", "category", "title"))
        lines.writerows(clicks())

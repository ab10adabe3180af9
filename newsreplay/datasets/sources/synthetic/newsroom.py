"""Synthetic publishers: click logs of any size whose every finding comes from a mechanism with a switch.

Nothing here was measured. `DEMO` imitates what Kille & Lommatzsch 2019 ("Defining a Meaningful Baseline for
News Recommender Systems", section 4.3) found at publishers A, B and C; `docs/synthetic.md` has which
mechanism makes which finding. A visit is a function of (seed, publisher, number of the visit) and of the
clock alone, so that logs stream to disk in bounded memory and a longer log begins like a shorter one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from newsreplay.datasets.sources.synthetic.publishers import DEMO, Choice, SyntheticPublisher
from newsreplay.datasets.sources.synthetic.visits import (
    LONGEST_VISIT,
    MINUTE,
    SLOT,
    Array,
    Fresh,
    ReadBatch,
    Traits,
    categories_of,
    count_published,
    count_reads,
    front_pages,
    publications,
    scramble,
    visits,
)
from newsreplay.datasets.sources.table.plan import MADE_UP
from newsreplay.kernels.mixing import key_of
from newsreplay.log.rows import DAY, HOUR

START = 1_704_067_200_000  #: the first day of every synthetic log: Monday, 2024-01-01 00:00 UTC, in ms
CHUNK = 1 << 18  #: reads generated at a time, about, unless another number is given
# Tables carry this on, so that nobody takes their leaderboards for a real publisher's.
READS = pa.schema(
    [
        ("publisher", pa.string()),
        ("time", pa.timestamp("ms", tz="UTC")),
        ("user", pa.string()),
        ("item", pa.string()),
        ("category", pa.string()),
    ]
).with_metadata({MADE_UP: "Everything: synthetic readers and articles (newsreplay data synth)."})
ARTICLES = pa.schema(
    [
        ("publisher", pa.string()),
        ("item", pa.string()),
        ("published", pa.timestamp("ms", tz="UTC")),
        ("category", pa.string()),
        ("title", pa.string()),
    ]
)


def synthesize(
    folder: Path,
    publishers: Mapping[str, SyntheticPublisher] = DEMO,
    *,
    reads: int | None = None,
    seed: int = 0,
    chunk: int = CHUNK,
) -> None:
    """Write `reads.parquet` and `articles.parquet` of some publishers into a folder.

    The files hold one publisher after the other, each in time order, and are written in row groups of about
    `chunk` reads, so that memory does not grow with the length. `reads` overrides the length of every
    publisher's log, which then lasts more or fewer days at the same traffic. The same publishers, reads and
    seed give the same bytes.

    `reads.parquet`: publisher, time, user, item, category; sessions are left to the 60-minute rule.
    `articles.parquet`: publisher, item, published, category, title of every article published by the last
    read, whether it was read or not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (
        pq.ParquetWriter(folder / "reads.parquet", READS) as read_file,
        pq.ParquetWriter(folder / "articles.parquet", ARTICLES) as article_file,
    ):
        for name, publisher in publishers.items():
            newsroom = Newsroom(name, publisher, seed, chunk)
            for batch in newsroom.batches(publisher.reads if reads is None else reads):
                article_file.write_table(newsroom.article_table(batch.published_until))
                read_file.write_table(newsroom.read_table(batch))


class Newsroom:
    """Writes one publisher's days, a few at a time. Articles are numbered, first those of the archive."""

    def __init__(self, name: str, publisher: SyntheticPublisher, seed: int, chunk: int = CHUNK) -> None:
        self.name = name
        self.publisher = publisher
        self.chunk = chunk
        self.traits = _traits(name, publisher, seed)
        self.articles_written = 0

    def batches(self, reads: int) -> Iterator[ReadBatch]:
        """The log in batches of whole days. Reads of visits that outlast a batch wait for the next."""
        days = max(1, self.chunk // self.publisher.reads_per_day)
        waiting = np.empty((3, 0), np.int64)
        day = 0
        while reads:
            end = (day + days) * DAY
            both = np.concatenate([waiting, self._opened(day, day + days)], axis=1)
            both = both[:, np.argsort(both[0], kind="stable")]
            ready = min(int(np.searchsorted(both[0], end)), reads)
            reads -= ready
            time, user, item = both[:, :ready]
            yield ReadBatch(time, user, item, end if reads else int(time[-1]))
            waiting = both[:, ready:]
            day += days

    def article_table(self, until: int) -> pa.Table:
        """The articles published up to a moment and not handed out before."""
        number, published = self._articles(until)
        self.articles_written += len(number)
        return pa.table(
            [
                _repeat(self.name, len(number)),
                self._ids("", number),
                _timestamps(published),
                self._categories(number),
                _headlines(number, self.traits.key),
            ],
            schema=ARTICLES,
        )

    def read_table(self, batch: ReadBatch) -> pa.Table:
        """The rows of `reads.parquet`."""
        return pa.table(
            [
                _repeat(self.name, len(batch.time)),
                _timestamps(batch.time),
                self._ids("u", batch.user),
                self._ids("", batch.item),
                self._categories(batch.item),
            ],
            schema=READS,
        )

    def _articles(self, until: int) -> tuple[Array, Array]:
        archive = self.publisher.archive
        fresh_from = max(self.articles_written - archive, 0)
        fresh = self._published(fresh_from, until)
        number = np.arange(fresh_from, fresh_from + len(fresh)) + archive
        if self.articles_written:
            return number, fresh
        days = self.publisher.archive_days
        old = (np.arange(archive) / archive * days - days).astype(np.float64) * DAY
        old -= self.publisher.seen_days * DAY
        return np.arange(archive + len(fresh)), np.concatenate([old.astype(np.int64), fresh])

    def _opened(self, first_day: int, last_day: int) -> Array:
        """Times, readers and articles (int64[3, n]) of the visits that begin in some days, visit by visit."""
        first = math.ceil(first_day * self.traits.visits_per_day)
        last = math.ceil(last_day * self.traits.visits_per_day)
        rows = np.empty((3, count_reads(self.traits, first, last)), np.int64)
        return rows[:, : visits(self.traits, self._fresh(first_day, last_day), first, last, rows)]

    def _fresh(self, first_day: int, last_day: int) -> Fresh:
        """Everything that can be on a front page from a day's start to the end of the last day's visits."""
        seen = self.publisher.seen_days
        # From a day earlier, because a top story's tenure may have begun on the day before.
        first = int(self.publisher.articles_per_day * max(first_day - 1, 0))
        until = last_day * DAY + LONGEST_VISIT + SLOT
        published = self._published(first, until)
        pages = (until - first_day * DAY) // SLOT
        front = np.empty((pages, _most_in_window(published, seen * DAY)))
        fresh = Fresh(first, published, first_day * DAY, np.empty(pages, np.int64), front)
        front_pages(self.traits, fresh, np.empty(len(published)))
        return fresh

    def _published(self, first: int, until: int) -> Array:
        """Publication times of the fresh articles from `first` on, in ms since `START`."""
        published = np.empty(count_published(self.traits, first, until), np.int64)
        publications(self.traits, first, published)
        return published

    def _ids(self, letter: str, number: Array) -> pa.Array:
        prefix = pa.scalar(f"{self.name}-{letter}")
        return pc.binary_join_element_wise(prefix, pc.cast(pa.array(number), pa.string()), "")

    def _categories(self, number: Array) -> pa.Array:
        names = pa.array([f"{self.name}-c{category}" for category in range(self.publisher.categories)])
        categories = np.empty(len(number), np.int32)
        categories_of(self.traits, number, categories)
        return names.take(pa.array(categories))


def _traits(name: str, publisher: SyntheticPublisher, seed: int) -> Traits:
    return Traits(
        key=key_of("synthetic", seed, name),
        clock=_clock(publisher.rhythm, publisher.peak_hour),
        entry=_cumulative(publisher.entry),
        next=_cumulative(publisher.next),
        regulars_next=_cumulative(publisher.regulars_next or publisher.next),
        go_on=publisher.go_on,
        regulars=publisher.regulars,
        regulars_go_on=publisher.regulars_go_on,
        pause=publisher.pause * 1000,
        newcomers=publisher.newcomers,
        readers=2 * math.ceil(publisher.visits_per_day * publisher.revisit_days / 2),
        visits_per_day=publisher.visits_per_day,
        archive=publisher.archive,
        categories=publisher.categories,
        evergreens=publisher.evergreens,
        evergreen_skew=publisher.evergreen_skew,
        articles_per_day=publisher.articles_per_day,
        seen_days=publisher.seen_days,
        shown_every=publisher.shown_every,
        appeal_skew=publisher.appeal_skew,
        rise=publisher.rise_hours * HOUR,
        life=publisher.life_hours * HOUR,
        top=round(publisher.top_minutes * MINUTE),
        top_reach=publisher.top_reach,
        wave=round(publisher.wave_minutes * MINUTE),
        link_reach=publisher.link_reach,
    )


def _cumulative(choice: Choice) -> Array:
    ways = (choice.link, choice.top, choice.evergreen, choice.wave, choice.category, choice.archive)
    return np.cumsum(ways)


def _clock(rhythm: float, peak_hour: float) -> Array:
    """Time of day (share of a day) by which each 1/1440 of the day's traffic has come."""
    day = np.linspace(0, 1, 1441)
    angle = 2 * np.pi * (day - peak_hour / 24 + 0.25)
    come = day - rhythm * (np.cos(angle) - np.cos(angle[0])) / (2 * np.pi)
    return np.interp(day, come, day)


def _most_in_window(published: Array, window: int) -> int:
    if len(published) == 0:
        return 1
    return int(np.max(np.arange(len(published)) - np.searchsorted(published, published - window))) + 1


def _repeat(text: str, length: int) -> pa.Array:
    return pa.array([text]).take(pa.array(np.zeros(length, np.int64)))


def _timestamps(since_start: Array) -> pa.Array:
    return pa.array(since_start + START, pa.int64()).cast(pa.timestamp("ms", tz="UTC"))


WHO = ["Council", "Mayor", "Coach", "Minister", "Engineers", "Farmers", "Students", "Court", "Union", "Museum"]
WHAT = ["delayed", "backed", "questioned", "opened", "rejected", "tested", "celebrated", "rescued", "sold", "debated"]
WHICH = ["new", "old", "costly", "popular", "disputed", "forgotten", "electric", "unfinished", "quiet", "famous"]
THING = ["bridge", "stadium", "budget", "railway", "orchard", "motorway", "theatre", "harbour", "school", "race"]


def _headlines(number: Array, key: np.uint64) -> pa.Array:
    code = np.empty(len(number), np.int64)
    scramble(key, number, code)
    words = [
        pa.array(choice).take(pa.array(code // 10**place % 10))
        for place, choice in enumerate((WHO, WHAT, WHICH, THING))
    ]
    return pc.binary_join_element_wise(*words, " ")

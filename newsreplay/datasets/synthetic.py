"""Synthetic publishers: click logs of any size whose every finding comes from a mechanism with a switch.

Nothing here was measured. `DEMO` imitates what Kille & Lommatzsch 2019 ("Defining a Meaningful Baseline for
News Recommender Systems", section 4.3) found at publishers A, B and C; `docs/synthetic.md` says which
mechanism makes which finding. A visit is a function of (seed, publisher, number of the visit) and of the
clock alone, so that logs stream to disk in bounded memory and a longer log begins like a shorter one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from newsreplay.datasets.table import MADE_UP
from newsreplay.errors import DataError
from newsreplay.simulator.kernels import compiled, kernel
from newsreplay.simulator.log import DAY, HOUR
from newsreplay.simulator.mixing import GOLDEN, key_of, mix

MINUTE = 60_000
START = 1_704_067_200_000  #: the first day of every synthetic log: Monday, 2024-01-01 00:00 UTC, in ms
LONGEST_VISIT = 4 * HOUR  #: a visit opens no article later than this after its first read
LONGEST_PAUSE = 30 * MINUTE
MOST_READS = 100  #: of a visit
SLOT = 15 * MINUTE  #: the front page is set anew this often
CHUNK = 1 << 18  #: reads generated at a time, about

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

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Choice:
    """How a reader finds the next article: shares of reads, 0 to 1 and 1 in all at most.

    What is left goes to the front page: fresh articles by appeal and age.
    """

    link: float = 0.0  #: the "read next" link of the fresh article on screen; other articles have none
    top: float = 0.0  #: the top story
    evergreen: float = 0.0  #: an evergreen page
    wave: float = 0.0  #: the archive article that is doing the rounds right now
    category: float = 0.0  #: any archive article in the category of the one on screen
    archive: float = 0.0  #: any archive article

    def __post_init__(self) -> None:
        shares = [*vars(self).values()]
        if min(shares) < 0 or sum(shares) > 1 + 1e-9:
            raise DataError(f"{self}: shares lie between 0 and 1 and sum to at most 1")


@dataclass(frozen=True)
class Publisher:
    """A made-up publisher. Shares and chances are between 0 and 1; a mechanism is off at 0."""

    entry: Choice  #: how visits begin (`link` and `category` mean nothing yet: nothing is on screen)
    next: Choice  #: how they go on
    regulars_next: Choice | None = None  #: how visits of regulars go on; None = like all others
    reads: int = 150_000  #: length of the log
    reads_per_day: int = 15_000  #: traffic, about
    rhythm: float = 0.7  #: daily rhythm: traffic swings by this share around its mean
    peak_hour: float = 17.0  #: hour of the day (UTC) with the most traffic
    go_on: float = 0.5  #: chance that a reader opens another article after each
    regulars: float = 0.0  #: share of readers who are regulars
    regulars_go_on: float = 0.5  #: their chance to open another article
    pause: float = 90.0  #: mean seconds between two reads of a visit (exponential, 5 s to 30 min)
    newcomers: float = 0.5  #: share of visits by readers who are never seen again
    revisit_days: float = 3.0  #: mean days between two visits of the other readers, at least 1
    archive: int = 20_000  #: articles published before the log starts, evergreen pages included
    archive_days: int = 1_000  #: the archive goes back that many days
    categories: int = 12  #: number of categories
    evergreens: int = 1  #: evergreen pages
    evergreen_skew: float = 1.0  #: 1 = all are read alike; at s, the first share x gets x^(1/s) of reads
    articles_per_day: float = 100.0  #: fresh articles, published in the daily rhythm
    shown_every: int = 1  #: the front page shows every so many-th fresh article, links lead to all
    appeal_skew: float = 0.5  #: appeal of the article at share u of the ranking is u^-skew; 0 = all alike
    rise_hours: float = 1.0  #: interest in a fresh article rises from nothing over this time …
    life_hours: float = 4.0  #: … and then decays, to 1/e after this time
    #: mean tenure of a top story; whoever has just read it opens an archive article next; 0 = no top stories
    top_minutes: float = 0.0
    top_reach: int = 1  #: a top story is one of that many newest articles at the moment its tenure begins
    wave_minutes: float = 60.0  #: mean length of a wave
    link_reach: int = 20  #: a "read next" link leads to one of that many articles published before

    def __post_init__(self) -> None:
        for name in ("rhythm", "go_on", "regulars", "regulars_go_on", "newcomers"):
            if not 0 <= getattr(self, name) < 1:
                raise DataError(f"{name} is {getattr(self, name)}; it must be at least 0 and below 1")
        for name in ("reads_per_day", "articles_per_day", "life_hours", "wave_minutes", "categories"):
            if getattr(self, name) <= 0:
                raise DataError(f"{name} is {getattr(self, name)}; it must be above 0")
        if self.revisit_days < 1:
            raise DataError(f"revisit_days is {self.revisit_days}: below 1, two visits could become one")
        if not 0 < self.evergreens < self.archive:
            raise DataError(f"{self.evergreens} evergreen pages do not fit into an archive of {self.archive}")
        if not 0 <= self.top_minutes <= 720:
            raise DataError(f"top_minutes is {self.top_minutes}; it must lie between 0 (none) and 720")

    @property
    def visits_per_day(self) -> float:
        """Visits that make `reads_per_day`."""
        casual, regular = 1 / (1 - self.go_on), 1 / (1 - self.regulars_go_on)
        return self.reads_per_day / (casual + self.regulars * (regular - casual))

    @property
    def seen_days(self) -> int:
        """Days after which nobody finds a fresh article on the front page any more."""
        return math.ceil((self.rise_hours + 8 * self.life_hours) / 24)


DEMO: dict[str, Publisher] = {
    "A": Publisher(
        reads=150_000,
        entry=Choice(evergreen=0.04, archive=0.30),
        next=Choice(link=0.21, evergreen=0.06, archive=0.60),
        go_on=0.42,
        regulars=0.06,
        regulars_go_on=0.8,
        articles_per_day=300,
        shown_every=5,
        appeal_skew=0.5,
        rise_hours=0.25,
        life_hours=1,
    ),
    "B": Publisher(
        reads=165_000,
        entry=Choice(top=0.80, evergreen=0.025, archive=0.175),
        next=Choice(evergreen=0.006, category=0.05, archive=0.944),
        regulars_next=Choice(top=0.35, evergreen=0.006, category=0.05, archive=0.594),
        go_on=0.45,
        regulars=0.02,
        regulars_go_on=0.94,
        newcomers=0.2,
        archive=60_000,
        categories=3_000,
        top_minutes=14,
        top_reach=7,
        articles_per_day=300,
    ),
    "C": Publisher(
        reads=155_000,
        entry=Choice(evergreen=0.55, wave=0.13, archive=0.25),
        next=Choice(wave=0.11, evergreen=0.004, archive=0.831),
        rhythm=0.35,
        go_on=0.4,
        categories=2_500,
        evergreens=30,
        evergreen_skew=2.0,
        articles_per_day=60,
        shown_every=6,
        appeal_skew=0.2,
        rise_hours=12,
        life_hours=0.5,
        wave_minutes=6,
    ),
}


def synthesize(
    folder: Path, publishers: Mapping[str, Publisher] = DEMO, *, reads: int | None = None, seed: int = 0
) -> None:
    """Write `reads.parquet` and `articles.parquet` of some publishers into a folder.

    The files hold one publisher after the other, each in time order, and are written in row groups of about
    `CHUNK` reads, so that memory does not grow with the length. `reads` overrides the length of every
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
            newsroom = Newsroom(name, publisher, seed)
            for stretch in newsroom.stretches(publisher.reads if reads is None else reads):
                article_file.write_table(newsroom.article_table(stretch.published_until))
                read_file.write_table(newsroom.read_table(stretch))


class Stretch(NamedTuple):
    """Reads of some days, in time order."""

    time: Array  #: int64, ms since `START`
    user: Array  #: int64, number of the reader
    item: Array  #: int64, number of the article
    published_until: int  #: ms since `START`: articles that exist by the end


class Fresh(NamedTuple):
    """The fresh articles of some days and the front pages they make."""

    first: int  #: number of the first of them, counted without the archive
    published: Array  #: int64, ms since `START`
    front_at: int  #: ms since `START` of the first front page
    front_first: Array  #: int64 per front page: its oldest article, as a position in `published`
    front: Array  #: float64 per front page and article: running sum of interest


class Traits(NamedTuple):
    """What the compiled functions need to know of a publisher."""

    key: np.uint64
    clock: Array
    entry: Array
    next: Array
    regulars_next: Array
    go_on: float
    regulars: float
    regulars_go_on: float
    pause: float
    newcomers: float
    readers: int
    visits_per_day: float
    archive: int
    categories: int
    evergreens: int
    evergreen_skew: float
    articles_per_day: float
    seen_days: int
    shown_every: int
    appeal_skew: float
    rise: float
    life: float
    top: int
    top_reach: int
    wave: int
    link_reach: int


class Newsroom:
    """Writes one publisher's days, a few at a time. Articles are numbered, first those of the archive."""

    def __init__(self, name: str, publisher: Publisher, seed: int) -> None:
        self.name = name
        self.publisher = publisher
        self.traits = _traits(name, publisher, seed)
        self.articles_written = 0

    def stretches(self, reads: int) -> Iterator[Stretch]:
        """The log in stretches of whole days. Reads of visits that outlast a stretch wait for the next."""
        days = max(1, CHUNK // self.publisher.reads_per_day)
        waiting = np.empty((3, 0), np.int64)
        day = 0
        while reads:
            end = (day + days) * DAY
            both = np.concatenate([waiting, self._opened(day, day + days)], axis=1)
            both = both[:, np.argsort(both[0], kind="stable")]
            ready = min(int(np.searchsorted(both[0], end)), reads)
            reads -= ready
            time, user, item = both[:, :ready]
            yield Stretch(time, user, item, end if reads else int(time[-1]))
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

    def read_table(self, stretch: Stretch) -> pa.Table:
        """The rows of `reads.parquet`."""
        return pa.table(
            [
                _repeat(self.name, len(stretch.time)),
                _timestamps(stretch.time),
                self._ids("u", stretch.user),
                self._ids("", stretch.item),
                self._categories(stretch.item),
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
        rows = np.empty((3, _count_reads(self.traits, first, last)), np.int64)
        return rows[:, : _visits(self.traits, self._fresh(first_day, last_day), first, last, rows)]

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
        _front_pages(self.traits, fresh, np.empty(len(published)))
        return fresh

    def _published(self, first: int, until: int) -> Array:
        """Publication times of the fresh articles from `first` on, in ms since `START`."""
        published = np.empty(_count_published(self.traits, first, until), np.int64)
        _publications(self.traits, first, published)
        return published

    def _ids(self, letter: str, number: Array) -> pa.Array:
        prefix = pa.scalar(f"{self.name}-{letter}")
        return pc.binary_join_element_wise(prefix, pc.cast(pa.array(number), pa.string()), "")

    def _categories(self, number: Array) -> pa.Array:
        names = pa.array([f"{self.name}-c{category}" for category in range(self.publisher.categories)])
        categories = np.empty(len(number), np.int32)
        _categories_of(self.traits, number, categories)
        return names.take(pa.array(categories))


def _traits(name: str, publisher: Publisher, seed: int) -> Traits:
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
    _scramble(key, number, code)
    words = [
        pa.array(choice).take(pa.array(code // 10**place % 10))
        for place, choice in enumerate((WHO, WHAT, WHICH, THING))
    ]
    return pc.binary_join_element_wise(*words, " ")


# What follows is compiled. Random numbers are a function of (key, purpose, number, draw); the purposes:
VISIT, ARTICLE, TENURE, WAVE_LENGTH, WAVE_ARTICLE, CYCLE, HEADLINE = range(7)
LINK, TOP, EVERGREEN, WAVE, CATEGORY, ARCHIVE = range(6)  # ways of finding an article, as in `Choice`
NOTHING = -1
DRAWS = 4  # random numbers per read


@kernel
def _bits(key: np.uint64, purpose: int, number: int, draw: int) -> np.uint64:
    stream = mix(key + np.uint64(number) * GOLDEN + np.uint64(purpose))
    return mix(stream + np.uint64(draw) * GOLDEN)


@kernel
def _uniform(key: np.uint64, purpose: int, number: int, draw: int) -> float:
    """In [0, 1)."""
    return float(_bits(key, purpose, number, draw) >> np.uint64(11)) * 2.0**-53


@kernel
def _moment(clock: Array, days: float) -> int:
    """The ms at which this many days' worth of traffic has come."""
    day = math.floor(days)
    place = (days - day) * (len(clock) - 1)
    left = min(int(place), len(clock) - 2)
    return int((day + clock[left] + (place - left) * (clock[left + 1] - clock[left])) * DAY)


@kernel
def _publication(traits: Traits, fresh: int) -> int:
    days = (fresh + _uniform(traits.key, ARTICLE, fresh, 0)) / traits.articles_per_day
    return _moment(traits.clock, days - traits.seen_days)


@compiled
def _count_published(traits: Traits, first: int, until: int) -> int:
    count = 0
    while _publication(traits, first + count) <= until:
        count += 1
    return count


@compiled
def _publications(traits: Traits, first: int, published: Array) -> None:
    for place in range(len(published)):
        published[place] = _publication(traits, first + place)


@compiled
def _front_pages(traits: Traits, fresh: Fresh, appeal: Array) -> None:
    """Fill `front_first` and `front`; `appeal` is a scratch array as long as `published`."""
    published = fresh.published
    for place in range(len(published)):
        rank = 1.0 - _uniform(traits.key, ARTICLE, fresh.first + place, 1)
        shown = (fresh.first + place) % traits.shown_every == 0
        appeal[place] = rank**-traits.appeal_skew if shown else 0.0
    left = 0
    for page in range(len(fresh.front)):
        now = fresh.front_at + page * SLOT
        while left < len(published) and published[left] <= now - traits.seen_days * DAY:
            left += 1
        fresh.front_first[page] = left
        total = 0.0
        for place in range(fresh.front.shape[1]):
            if left + place < len(published) and published[left + place] <= now:
                age = now - published[left + place]
                total += appeal[left + place] * _interest(age, traits.rise, traits.life)
            fresh.front[page, place] = total


@kernel
def _interest(age: int, rise: float, life: float) -> float:
    return age / rise if age < rise else math.exp((rise - age) / life)


@compiled
def _count_reads(traits: Traits, first: int, last: int) -> int:
    """Reads of some visits, or a little more."""
    count = 0
    for visit in range(first, last):
        count += _reads_of(traits, visit, _reader_of(traits, visit))
    return count


@compiled
def _visits(traits: Traits, fresh: Fresh, first: int, last: int, rows: Array) -> int:
    """Fill int64[3, n] with times, readers and articles, visit by visit; returns the number of reads."""
    row = 0
    for visit in range(first, last):
        reader = _reader_of(traits, visit)
        start = _moment(traits.clock, (visit + _uniform(traits.key, VISIT, visit, 2)) / traits.visits_per_day)
        shares = traits.regulars_next if _is_regular(traits, reader) else traits.next
        now = start
        item = NOTHING
        for read in range(_reads_of(traits, visit, reader)):
            if read:
                now += _pause(traits, visit, read)
                if now > start + LONGEST_VISIT:
                    break
            item = _choose(traits, fresh, shares if read else traits.entry, visit, read, item, now)
            rows[0, row], rows[1, row], rows[2, row] = now, reader, item
            row += 1
    return row


@kernel
def _reader_of(traits: Traits, visit: int) -> int:
    """Known readers come in turn, each turn shuffled within its halves, so never again within half a turn."""
    if _uniform(traits.key, VISIT, visit, 0) < traits.newcomers:
        return traits.readers + visit
    turn, place = divmod(visit, traits.readers)
    half = traits.readers // 2
    shift = int(_uniform(traits.key, CYCLE, turn, 0) * half)
    return place // half * half + (place + shift) % half


@kernel
def _is_regular(traits: Traits, reader: int) -> bool:
    return _uniform(traits.key, CYCLE, reader, 1) < traits.regulars


@kernel
def _reads_of(traits: Traits, visit: int, reader: int) -> int:
    go_on = traits.regulars_go_on if _is_regular(traits, reader) else traits.go_on
    if go_on <= 0.0:
        return 1
    luck = 1.0 - _uniform(traits.key, VISIT, visit, 1)
    return min(1 + int(math.log(luck) / math.log(go_on)), MOST_READS)


@kernel
def _pause(traits: Traits, visit: int, read: int) -> int:
    luck = 1.0 - _uniform(traits.key, VISIT, visit, DRAWS * read + 3)
    return min(5_000 + int(-math.log(luck) * (traits.pause - 5_000)), LONGEST_PAUSE)


@kernel
def _choose(traits: Traits, fresh: Fresh, shares: Array, visit: int, read: int, current: int, now: int) -> int:
    """The article that a reader opens now; an archive article where the way chosen leads nowhere new."""
    luck = _uniform(traits.key, VISIT, visit, DRAWS * read + 4)
    which = _uniform(traits.key, VISIT, visit, DRAWS * read + 5)
    way = 0
    while way < len(shares) and luck >= shares[way]:
        way += 1
    top = _top_story(traits, fresh, now)
    if way == ARCHIVE or (current == top and top != NOTHING):
        item = NOTHING
    elif way == LINK and current >= traits.archive:
        item = _linked(traits, current)
    elif way == TOP:
        item = top
    elif way == EVERGREEN:
        item = int(traits.evergreens * which**traits.evergreen_skew)
    elif way == WAVE:
        item = _wave(traits, now)
    elif way == CATEGORY and current != NOTHING:
        item = _same_category(traits, current, which)
    else:
        item = _from_front_page(traits, fresh, which, now)
    if item in (NOTHING, current):
        item = traits.evergreens + int(which * (traits.archive - traits.evergreens))
    return item


@kernel
def _linked(traits: Traits, current: int) -> int:
    back = 1 + int(_uniform(traits.key, ARTICLE, current - traits.archive, 2) * traits.link_reach)
    return max(current - back, traits.archive)


@kernel
def _top_story(traits: Traits, fresh: Fresh, now: int) -> int:
    """One of the newest articles at the moment the present tenure began."""
    if traits.top == 0:
        return NOTHING
    tenure = _stretch(traits.key, TENURE, traits.top, now)
    began = _began(traits.key, TENURE, traits.top, tenure)
    back = 1 + int(_uniform(traits.key, TENURE, tenure, 1) * traits.top_reach)
    return traits.archive + fresh.first + max(_first_above(fresh.published, began) - back, 0)


@kernel
def _wave(traits: Traits, now: int) -> int:
    wave = _stretch(traits.key, WAVE_LENGTH, traits.wave, now)
    luck = _uniform(traits.key, WAVE_ARTICLE, wave, 0)
    return traits.evergreens + int(luck * (traits.archive - traits.evergreens))


@kernel
def _began(key: np.uint64, purpose: int, length: int, stretch: int) -> int:
    return int((stretch + _uniform(key, purpose, stretch, 0)) * length)


@kernel
def _stretch(key: np.uint64, purpose: int, length: int, now: int) -> int:
    """Number of the stretch (of a mean length) that is going on."""
    stretch = now // length
    return stretch if _began(key, purpose, length, stretch) <= now else stretch - 1


@kernel
def _same_category(traits: Traits, current: int, which: float) -> int:
    category = _category(traits, current)
    members = (traits.archive - category - 1) // traits.categories + 1
    return category + traits.categories * int(which * members)


@kernel
def _from_front_page(traits: Traits, fresh: Fresh, which: float, now: int) -> int:
    page = (now - fresh.front_at) // SLOT
    interest = fresh.front[page]
    if interest[-1] == 0.0:
        return NOTHING
    place = _first_above(interest, which * interest[-1])
    return int(traits.archive + fresh.first + fresh.front_first[page] + place)


@kernel
def _first_above(ascending: Array, value: float) -> int:
    low, high = 0, len(ascending)
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] <= value:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _category(traits: Traits, item: int) -> int:
    if item < traits.archive:
        return item % traits.categories
    return int(_uniform(traits.key, ARTICLE, item - traits.archive, 3) * traits.categories)


@compiled
def _categories_of(traits: Traits, items: Array, categories: Array) -> None:
    for place in range(len(items)):
        categories[place] = _category(traits, items[place])


@compiled
def _scramble(key: np.uint64, numbers: Array, codes: Array) -> None:
    for place in range(len(numbers)):
        codes[place] = np.int64(_bits(key, HEADLINE, numbers[place], 0) >> np.uint64(1))

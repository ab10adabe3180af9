"""The parameters of the three synthetic publishers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from newsreplay.errors import DataError


@dataclass(frozen=True)
class Choice:
    """How a reader finds the next article: shares of reads, 0 to 1 and 1 in all at most.

    What is left goes to the front page: fresh articles by appeal and age.
    """

    link: float = 0.0  #: the "read next" link of the fresh article on screen; other articles have none
    top: float = 0.0  #: the top story
    evergreen: float = 0.0  #: an evergreen page
    wave: float = 0.0  #: the archive article that is doing the rounds right now, unless it was read in this visit
    category: float = 0.0  #: any archive article in the category of the one on screen
    archive: float = 0.0  #: any archive article

    def __post_init__(self) -> None:
        shares = [*vars(self).values()]
        if min(shares) < 0 or sum(shares) > 1 + 1e-9:
            raise DataError(f"{self}: shares lie between 0 and 1 and sum to at most 1")


@dataclass(frozen=True)
class SyntheticPublisher:
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
    link_reach: int = 20  #: a "read next" link leads to one of that many articles published before, of the archive, too

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


DEMO: dict[str, SyntheticPublisher] = {
    "A": SyntheticPublisher(
        reads=150_000,
        entry=Choice(evergreen=0.04, archive=0.48),
        next=Choice(link=0.345, evergreen=0.01, archive=0.585),
        go_on=0.42,
        regulars=0.03,
        regulars_go_on=0.7,
        newcomers=0.0,
        revisit_days=1,
        articles_per_day=4_800,
        shown_every=96,
        appeal_skew=0.9,
        rise_hours=4,
        life_hours=0.25,
        link_reach=10_000,
    ),
    "B": SyntheticPublisher(
        reads=165_000,
        entry=Choice(top=0.06, evergreen=0.08, wave=0.56, archive=0.08),
        next=Choice(wave=0.004, evergreen=0.0021, category=0.05, archive=0.8759),
        regulars_next=Choice(top=0.058, wave=0.34, evergreen=0.001, category=0.025, archive=0.5718),
        rhythm=0.35,
        go_on=0.45,
        regulars=0.0155,
        regulars_go_on=0.994,
        pause=32,
        newcomers=0.0,
        revisit_days=1,
        archive=240_000,
        categories=14_000,
        articles_per_day=5_000,
        shown_every=50,
        appeal_skew=0.9,
        rise_hours=1.7,
        life_hours=0.25,
        top_minutes=1,
        wave_minutes=2.5,
    ),
    "C": SyntheticPublisher(
        reads=155_000,
        entry=Choice(evergreen=0.53, wave=0.16, archive=0.25),
        next=Choice(top=0.035, wave=0.12, evergreen=0.005, archive=0.787),
        rhythm=0.35,
        go_on=0.4,
        newcomers=0.2,
        revisit_days=1,
        categories=2_500,
        evergreens=30,
        evergreen_skew=2.0,
        articles_per_day=800,
        shown_every=80,
        appeal_skew=0.2,
        rise_hours=12,
        life_hours=0.5,
        top_minutes=3,
        top_reach=120,
        wave_minutes=6,
    ),
}

"""What an online model is told of an article at a request: numbers, each by a name, all of them known by then.

What is counted of articles is the neural recommenders' (`newsreplay.recommenders.neural.stream.signals.ROLLING`), and
so are the articles alive and the draws among them; what the reader's history adds is worked out here. Counts and hours
enter as log(1 + x), so that no model needs a scaler.
"""

from __future__ import annotations

import numpy as np

from newsreplay.log.catalog import Catalog
from newsreplay.log.growing import with_room
from newsreplay.log.rows import DAY, Column, Event
from newsreplay.recommenders.neural.stream.signals import ROLLING
from newsreplay.recommenders.neural.stream.state import Captures

#: Of the reader's latest reads: the share of the article's category; whether that is the last one's category; whether
#: the article is among them; the logarithm of 1 + how many of them are of this session. And the time of day, 0 to 1.
READER = ("taste", "same_category", "read_before", "session_reads", "time_of_day")
#: The features, in the order in which scikit-learn gets them. An article that was never read is idle since it became
#: known; one that was not shown has a click rate of 0.
FEATURES = (*ROLLING, *READER)

_IDLE, _KNOWN = ROLLING.index("idle_hours"), ROLLING.index("known_hours")
_RATES = ROLLING.index("click_rate_10m")  # those before it are counts and hours


class Categories:
    """The categories of articles, numbered by first appearance, as far as they are known; -1 = none."""

    def __init__(self, catalog: Catalog):
        self.catalog = catalog
        self.numbers: dict[str, int] = {}
        self.inside = np.empty(0, np.int32)  # by code
        self.outside = np.empty(0, np.int32)  # by -2 - handle, of articles that only profiles hold

    def note(self, item: int) -> None:
        """Take in what the catalog tells of an article now."""
        name = self.catalog.category(item)
        number = -1 if name is None else self.numbers.setdefault(name, len(self.numbers))
        if item >= 0:
            self.inside = with_room(self.inside, item + 1, -1)
            self.inside[item] = number
        else:
            self.outside = with_room(self.outside, -1 - item, -1)
            self.outside[-2 - item] = number

    def has_more(self, event: Event) -> bool:
        """Whether a row tells what was not known of its article."""
        return event.category >= 0 and bool(self.inside[event.item] < 0)

    def of(self, items: Column) -> Column:
        """Those of articles by code or handle, -1 = no article: int32, of the same shape."""
        out = np.full(items.shape, -1, np.int32)
        inside, outside = items >= 0, items <= -2
        out[inside] = self.inside[items[inside]]
        out[outside] = self.outside[-2 - items[outside]]
        return out


def features(captures: Captures, categories: Categories) -> Column:
    """The features of all candidates of all requests, float64[places, features], finite.

    The stream must have captured `ROLLING`, and the ages of reads.
    """
    lengths = np.diff(captures.at)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    out = np.empty((len(owner), len(FEATURES)))
    counted = out[:, : len(ROLLING)]
    counted[:] = captures.signals
    idle = counted[:, _IDLE]
    idle[np.isnan(idle)] = counted[np.isnan(idle), _KNOWN]
    np.log1p(counted[:, :_RATES], out=counted[:, :_RATES])
    np.nan_to_num(counted[:, _RATES:], copy=False)
    history, reads = captures.history, captures.length
    own, read = categories.of(captures.item), categories.of(history)
    alike = (read[owner] == own[:, None]) & (own >= 0)[:, None]
    newest = np.where(reads > 0, read[np.arange(len(reads)), np.maximum(reads - 1, 0)], -1)
    told = out[:, len(ROLLING) :]
    told[:, 0] = alike.sum(1) / np.maximum(reads, 1)[owner]
    told[:, 1] = (newest[owner] == own) & (own >= 0)
    told[:, 2] = (history[owner] == captures.item[:, None]).any(1)
    told[:, 3] = np.log1p(captures.history_session.sum(1))[owner]
    told[:, 4] = (captures.time % DAY / DAY)[owner]
    return out

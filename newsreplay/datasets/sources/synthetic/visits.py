"""How synthetic readers visit and choose, as compiled kernels."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from newsreplay.kernels.compiling import compiled, kernel
from newsreplay.kernels.mixing import GOLDEN, mix
from newsreplay.log.rows import DAY, HOUR

MINUTE = 60_000
LONGEST_VISIT = 4 * HOUR  #: a visit opens no article later than this after its first read
LONGEST_PAUSE = 30 * MINUTE
MOST_READS = 100  #: of a visit
SLOT = 15 * MINUTE  #: the front page is set anew this often
Array = npt.NDArray[Any]


class ReadBatch(NamedTuple):
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
def count_published(traits: Traits, first: int, until: int) -> int:
    """How many fresh articles from `first` on are published up to a time."""
    count = 0
    while _publication(traits, first + count) <= until:
        count += 1
    return count


@compiled
def publications(traits: Traits, first: int, published: Array) -> None:
    """Fill in the publication times of the fresh articles from `first` on."""
    for place in range(len(published)):
        published[place] = _publication(traits, first + place)


@compiled
def front_pages(traits: Traits, fresh: Fresh, appeal: Array) -> None:
    """Fill `front_first` and `front`; `appeal` is a scratch array as long as `published`."""
    published = fresh.published
    for place in range(len(published)):
        rank = 1.0 - _uniform(traits.key, ARTICLE, fresh.first + place, 1)
        on_front = (fresh.first + place) % traits.shown_every == 0
        appeal[place] = rank**-traits.appeal_skew if on_front else 0.0
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
def count_reads(traits: Traits, first: int, last: int) -> int:
    """Reads of some visits, or a little more."""
    count = 0
    for visit in range(first, last):
        count += _reads_of(traits, visit, _reader_of(traits, visit))
    return count


@compiled
def visits(traits: Traits, fresh: Fresh, first: int, last: int, rows: Array) -> int:
    """Fill int64[3, n] with times, readers and articles, visit by visit; returns the number of reads."""
    row = 0
    for visit in range(first, last):
        reader = _reader_of(traits, visit)
        start = _moment(traits.clock, (visit + _uniform(traits.key, VISIT, visit, 2)) / traits.visits_per_day)
        shares = traits.regulars_next if _is_regular(traits, reader) else traits.next
        now = start
        item = wave = NOTHING
        for read in range(_reads_of(traits, visit, reader)):
            if read:
                now += _pause(traits, visit, read)
                if now > start + LONGEST_VISIT:
                    break
            item = _choose(traits, fresh, shares if read else traits.entry, visit, read, item, wave, now)
            if item == _wave(traits, now):
                wave = item
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
def _choose(
    traits: Traits, fresh: Fresh, shares: Array, visit: int, read: int, current: int, wave: int, now: int
) -> int:
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
    if item in (NOTHING, current) or (way == WAVE and item == wave):
        item = traits.evergreens + int(which * (traits.archive - traits.evergreens))
    return item


@kernel
def _linked(traits: Traits, current: int) -> int:
    back = 1 + int(_uniform(traits.key, ARTICLE, current - traits.archive, 2) * traits.link_reach)
    return max(current - back, traits.evergreens)


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
def categories_of(traits: Traits, items: Array, categories: Array) -> None:
    """Fill in the categories of articles."""
    for place in range(len(items)):
        categories[place] = _category(traits, items[place])


@compiled
def scramble(key: np.uint64, numbers: Array, codes: Array) -> None:
    """Fill in a random word of 63 bits for every number."""
    for place in range(len(numbers)):
        codes[place] = np.int64(_bits(key, HEADLINE, numbers[place], 0) >> np.uint64(1))

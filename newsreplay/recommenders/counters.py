"""A logistic ranker that learns row by row from what is counted of articles (FTRL-proximal: McMahan et al. 2013).

Each feature is cut into bins, of which one is on: the logit is the sum of the weights of the bins that are on. So the
model is additive in curves that it finds itself, and every weight has a learning rate of its own. Boosted trees may
take its place (`trees`), which are told the same numbers unbinned.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from newsreplay.errors import SpecError
from newsreplay.kernels.compiling import int64, kernel, routine
from newsreplay.kernels.mixing import below, draw
from newsreplay.log.catalog import Articles
from newsreplay.log.rows import HOUR, IMPRESSION, OUTCOME, READ, Column, Log
from newsreplay.recommenders import trees
from newsreplay.recommenders.bandits import arms, readers
from newsreplay.recommenders.bandits.arms import CLICKED, READS, SHOWN, Arms
from newsreplay.recommenders.bandits.ranking import Ranking, clear, offer, ranking, write_best
from newsreplay.recommenders.bandits.readers import Readers
from newsreplay.recommenders.base import Compiled, Sizes
from newsreplay.recommenders.trees import Examples, Forest
from newsreplay.spec import number, whole

MINUTE = HOUR // 60
HALF_LIVES = np.array([10, 60, 360, 1440], np.int64) * MINUTE
SPANS = HALF_LIVES.size
LONGEST = 512  #: half-lives from the origin to now
BINS = 24
# What is measured of an article: reads, exposures, clicks per exposure by half-life; its age; and, by whoever is given
# the future, how often it is shown within the next hour.
AGE = 3 * SPANS
NEXT = AGE + 1
VALUES = NEXT + 1
# Where the weights of features begin: the constant, idle time, taste, the category in view, hour by age, position by
# reads, values, and their ranks within a pool.
CONSTANT, IDLE, TASTE, VIEW, HOURS = (BINS * i for i in range(5))
POSITION = HOURS + 8 * BINS
OWN = POSITION + 4 * BINS
RANKS = OWN + VALUES * BINS
WEIGHTS = RANKS + VALUES * BINS
FIXED = 6  #: features that are no values
#: What trees are told besides values and ranks: idle time, taste, the category in view, the hour, the position.
CONTEXT = 5
# There are two models: which of the articles shown is clicked is another question than which of all alive is read.
IMPRESSIONS, SLATES = 0, 1
DRAWN = 20  #: articles alive that a read is set against
MODELS = ("logistic", "gbdt")


class CountersState(NamedTuple):
    """What is counted, and the weights."""

    key: np.uint64
    rate: float
    l1: float
    l2: float
    arms: Arms
    readers: Readers
    ranking: Ranking
    known_at: Column  #: int64[articles], ms
    read_at: Column  #: int64[articles], ms, of the last read
    lately: Column  #: float64[articles, 3, spans], what was counted; a count weighs 2 ** (half-lives since the origin)
    origin: Column  #: int64[spans], ms
    kept: Column  #: float64[spans], scratch: what a count at the origin weighs by now
    z: Column  #: float64[2, weights]
    squares: Column  #: float64[2, weights], sums of squared gradients
    weight: Column  #: float64[2, weights]
    values: int  #: how many are measured
    shown_at: Column  #: int64[articles + 1], article i is shown at shown_time[shown_at[i]:shown_at[i + 1]]
    shown_time: Column  #: int64, ms: the future, or nothing
    value: Column  #: float32[articles, values], scratch; so short that sums in another order are equal
    on: Column  #: int64[features], scratch: the bins that are on
    row: Column  #: float32[numbers], scratch: the same unbinned
    rows: Examples  #: such rows, to fit trees to; there is room for none if there are no trees
    forest: Forest


@kernel
def _look_at_clock(state: Any, time: int) -> None:
    """Note how much of what was counted at the origin is left at a time, and what counts then."""
    for span in range(SPANS):
        state.kept[span] = 0.5 ** ((time - state.origin[span]) / HALF_LIVES[span])


@routine
def _move_origin(origin: Any, lately: Any, known: int, time: int) -> None:
    """Keep what counts within the range of floats: a power of two is taken out of all counts, which stay exact."""
    for span in range(SPANS):
        if known == 0:
            origin[span] = time
        while time - origin[span] > LONGEST * HALF_LIVES[span]:
            origin[span] += LONGEST * HALF_LIVES[span]
            for item in range(known):
                for what in range(3):
                    lately[item, what, span] *= 0.5**LONGEST


@kernel
def _count(state: Any, item: int, what: int) -> None:
    for span in range(SPANS):
        state.lately[item, what, span] += 1 / state.kept[span]


@kernel
def _measure(state: Any, item: int, time: int, mean: float) -> None:
    """Write what is measured of an article at a time, the one that the clock was looked at."""
    counts = state.lately[item]
    for span in range(SPANS):
        kept = state.kept[span]
        state.value[item, span] = kept * counts[READS, span]
        state.value[item, SPANS + span] = kept * counts[SHOWN, span]
        # As if it had been clicked once more, at the mean rate.
        rate = (kept * counts[CLICKED, span] + 1) / (kept * counts[SHOWN, span] + 1 / mean)
        state.value[item, 2 * SPANS + span] = rate / mean
    state.value[item, AGE] = (time - state.known_at[item]) / (10 * MINUTE)
    if state.values > NEXT:
        state.value[item, NEXT] = _shown_within(state.shown_time, state.shown_at[item], state.shown_at[item + 1], time)


@routine
def _shown_within(shown: Any, begin: int, end: int, time: int) -> int:
    """How many of these times, which ascend, lie in the hour after `time`."""
    times = shown[begin:end]
    return int64(np.searchsorted(times, time + HOUR, "right") - np.searchsorted(times, time, "right"))


@kernel
def _bin(value: float) -> int:
    """Two bins to each doubling of 1 + value; no whole number lies on an edge."""
    return min(int64(2 * math.log2(1 + value) + 0.5), BINS - 1)


@kernel
def _rate_bin(ratio: float) -> int:
    """Four bins to each doubling of a rate, the mean one in the middle of its bin."""
    return max(int64(0), min(int64(math.floor(4 * math.log2(ratio) + 0.5)) + BINS // 2, int64(BINS - 1)))


@kernel
def _switch_on(state: Any, event: Any, time: int, view: int, item: int) -> None:
    """Write the numbers of an article that has been measured at a time, and the bins that are on, but for ranks."""
    on, row = state.on, state.row
    for i in range(state.values):
        value = state.value[item, i]
        row[CONTEXT + i] = value
        own = _rate_bin(value) if 2 * SPANS <= i < 3 * SPANS else _bin(value)
        on[FIXED + i] = OWN + i * BINS + own
    on[0] = CONSTANT
    idle = int64(BINS - 1)
    row[0] = -1.0
    if state.arms.read_row[item] >= 0:
        row[0] = (time - state.read_at[item]) / MINUTE
        idle = min(_bin((time - state.read_at[item]) / MINUTE), BINS - 2)
    on[1] = IDLE + idle
    category = int64(state.readers.category[item])
    taste = same = int64(0)
    row[1] = -1.0
    if category >= 0:
        share = readers.taste_of(state.readers, event.user, category)
        row[1] = share
        taste = 1 + int64(10 * share)
        same = 1 + int64(view >= 0) + int64(view == category)
    row[2] = same
    on[2] = TASTE + taste
    on[3] = VIEW + same
    hour = (time // HOUR) % 24 // 3
    row[3] = time // HOUR % 24
    on[4] = HOURS + hour * BINS + _bin(state.value[item, AGE])
    position = int64(0)
    row[4] = -1.0
    if event.session >= 0:
        row[4] = state.readers.position[event.session]
        position = min(int64(state.readers.position[event.session]), int64(3))
    on[5] = POSITION + position * BINS + _bin(state.value[item, 1])


@routine
def _rank(value: Any, values: int, pool: Any, place: int, on: Any, row: Any) -> None:
    """Write the ranks that a candidate's values have within its pool, equal ones half, and their bins."""
    item = pool[place]
    for i in range(values):
        lower = 0.0
        for other in range(len(pool)):
            if value[pool[other], i] < value[item, i]:
                lower += 1
            elif value[pool[other], i] == value[item, i]:
                lower += 0.5
        row[CONTEXT + values + i] = lower / len(pool)
        on[FIXED + values + i] = RANKS + i * BINS + int64(lower * BINS / (len(pool) + 0.5))


@kernel
def _leave_unranked(state: Any) -> None:
    """Take out the ranks of the pool before: among all articles alive there are none."""
    for i in range(state.values):
        state.row[CONTEXT + state.values + i] = 0


@kernel
def _solve(state: Any, model: int, place: int) -> None:
    """Write the weight that follows from what has been summed up for a bin."""
    z = state.z[model, place]
    if abs(z) <= state.l1:
        state.weight[model, place] = 0.0
        return
    shrunk = z - state.l1 if z > 0 else z + state.l1
    state.weight[model, place] = -shrunk / ((1 + math.sqrt(state.squares[model, place])) / state.rate + state.l2)


@kernel
def _logit(state: Any, model: int, count: int) -> float:
    total = 0.0
    for i in range(count):
        total += state.weight[model, state.on[i]]
    return total


@kernel
def _train(state: Any, model: int, count: int, clicked: bool) -> None:
    """One step of FTRL-proximal for the bins that are on."""
    logit = _logit(state, model, count)
    gradient = 1 / (1 + math.exp(-max(-30.0, min(30.0, logit)))) - int64(clicked)
    square = gradient * gradient
    for i in range(count):
        place = state.on[i]
        before = state.squares[model, place]
        sigma = (math.sqrt(before + square) - math.sqrt(before)) / state.rate
        state.z[model, place] += gradient - sigma * state.weight[model, place]
        state.squares[model, place] = before + square
        _solve(state, model, place)


@kernel
def _rate(state: Any, model: int, count: int) -> float:
    """What an article is ranked by whose numbers, and bins, are written: trees once there are any, else the logit."""
    state.forest.asked[model] += 1
    if state.forest.trees[model] > 0:
        return trees.score(state.forest, model, state.row)
    return _logit(state, model, count)


@kernel
def _take(state: Any, model: int, count: int, event: Any, clicked: bool) -> None:
    """Learn whether the article was clicked whose numbers, and bins, are written; the logit, until there are trees."""
    trees.note(state.rows, model, state.row, clicked, event.row)
    if state.forest.trees[model] == 0:
        _train(state, model, count, clicked)


@kernel
def _train_on_outcome(state: Any, event: Any) -> None:
    mean, now = arms.mean_rate(state.arms), int64(state.arms.clock[arms.TIME])
    view = readers.category_in_view(state.readers, event)
    for i in range(len(event.pool)):
        _measure(state, int64(event.pool[i]), now, mean)
    for i in range(len(event.pool)):
        _switch_on(state, event, now, view, int64(event.pool[i]))
        _rank(state.value, state.values, event.pool, i, state.on, state.row)
        _take(state, int64(IMPRESSIONS), FIXED + 2 * state.values, event, event.clicked[i])


@kernel
def _train_on_read(state: Any, event: Any) -> None:
    """Train on what was read, if it was alive, and on articles alive that were drawn at random."""
    alive = int64(state.arms.clock[arms.ALIVE])
    if event.item >= state.arms.clock[arms.KNOWN] or state.arms.place[event.item] < 0:
        return
    mean, now = arms.mean_rate(state.arms), int64(state.arms.clock[arms.TIME])
    view = readers.last_category(state.readers, event)
    _leave_unranked(state)
    for i in range(DRAWN + 1):
        item = int64(event.item)
        if i > 0:
            item = int64(state.arms.item[below(alive, draw(state.key, event.row, i))])
        if i == 0 or item != event.item:
            _measure(state, item, now, mean)
            _switch_on(state, event, now, view, item)
            _take(state, int64(SLATES), FIXED + state.values, event, i == 0)


@kernel
def learn(state: Any, event: Any) -> None:
    """Train on a row by what was known before it, then count it; one that is learned late, at its own time."""
    item = int64(event.item)
    arms.advance(state.arms, event.time)
    now = int64(state.arms.clock[arms.TIME])
    _move_origin(state.origin, state.lately, int64(state.arms.clock[arms.KNOWN]), now)
    _look_at_clock(state, now)
    if event.kind >= READ:
        _train_on_read(state, event)
    elif event.kind == OUTCOME:
        _train_on_outcome(state, event)
    if event.time != now:
        _look_at_clock(state, event.time)
    if item >= state.arms.clock[arms.KNOWN]:
        state.known_at[item] = event.time
    readers.note_category(state.readers, event)
    arms.count_row(state.arms, event)
    readers.note_read(state.readers, event)
    if event.kind >= READ:
        state.read_at[item] = event.time
        _count(state, item, int64(READS))
    elif event.kind == OUTCOME:
        for i in range(len(event.pool)):
            _count(state, int64(event.pool[i]), int64(SHOWN))
            if event.clicked[i]:
                _count(state, int64(event.pool[i]), int64(CLICKED))


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """The articles alive that are most likely to be read next."""
    arms.advance(state.arms, request.time)
    _look_at_clock(state, request.time)
    mean = arms.mean_rate(state.arms)
    view = readers.category_in_view(state.readers, request)
    clear(state.ranking)
    _leave_unranked(state)
    for i in range(state.arms.clock[arms.ALIVE]):
        item = int64(state.arms.item[i])
        if item != request.exclude:
            _measure(state, item, request.time, mean)
            _switch_on(state, request, request.time, view, item)
            offer(state.ranking, 0, item, _rate(state, int64(SLATES), FIXED + state.values), state.arms.read_row)
    write_best(state.ranking, slate, state.arms.read_row, 0)


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """The logits of the candidates."""
    arms.advance(state.arms, request.time)
    _look_at_clock(state, request.time)
    mean = arms.mean_rate(state.arms)
    view = readers.category_in_view(state.readers, request)
    for i in range(out.size):
        _measure(state, int64(request.pool[i]), request.time, mean)
    for i in range(out.size):
        _switch_on(state, request, request.time, view, int64(request.pool[i]))
        _rank(state.value, state.values, request.pool, i, state.on, state.row)
        out[i] = _rate(state, int64(IMPRESSIONS), FIXED + 2 * state.values)


class CounterRanker(Compiled[CountersState]):
    """The articles that a logistic model of what is counted up to the request holds most likely to be read, or clicked.

    Of an article: reads, exposures and clicks per exposure, halved every 10 minutes, 1, 6 and 24 hours; its age, the
    time since its last read; the share of the reader's reads that its category has, whether that is in view; the hour
    of the day by age, the session's reads so far by the article's; in a pool, the ranks of these counts within it.
    Each is cut into bins, one weight a bin, fitted by FTRL-proximal with the learning rate `rate` and the penalties
    `l1` and `l2`. There are two models: of candidates, trained on every outcome; of articles alive (the last `hours`
    hours, see `arms`), trained on every read against 20 of them drawn at random. With `leaky` a further count is how
    often an article is shown (where there are no impressions, read) within the hour after the request: what that brings
    is the price of a leak, and its rows are marked.

    With `model=gbdt` the candidates of an outcome, and a read with the articles drawn against it, are kept, the latest
    `rows` of each model. Every `every` hours (since 1970, UTC) each model that was asked anything in the meantime is
    fitted anew to all that it keeps, by boosted trees that rank (see `trees`). Until its first fit it answers as the
    logistic model, which learns till then.
    """

    learn = learn
    recommend = recommend
    score = score
    slow = True
    extends = True

    def __init__(
        self,
        hours: int = 24,
        rate: float = 0.1,
        l1: float = 0,
        l2: float = 1,
        leaky: bool = False,
        model: str = "logistic",
        every: int = 6,
        rows: int = 100_000,
    ):
        if model not in MODELS:
            raise SpecError(f"model must be {' or '.join(MODELS)}, not {model!r}")
        if not isinstance(leaky, bool):
            raise SpecError(f"leaky must be true or false, not {leaky!r}")
        self.hours = whole("hours", hours, at_least=1)
        self.rate = number("rate", rate, at_least=1e-6)
        self.l1 = number("l1", l1, at_least=0)
        self.l2 = number("l2", l2, at_least=0)
        self.model = model
        self.every = whole("every", every, at_least=1)
        self.rows = whole("rows", rows, at_least=1)
        if model == "gbdt":
            trees.check_installed()
            self.refit_every = self.every * HOUR
        self.values = VALUES if leaky else NEXT
        self.shown_at, self.shown_time = np.zeros(1, np.int64), np.zeros(0, np.int64)
        if leaky:
            self.foresee = self._foresee  # the engine hands the future to whoever has this

    def state(self, sizes: Sizes, key: np.uint64) -> CountersState:
        """See `Compiled.state`."""
        n = sizes.articles
        return CountersState(
            key,
            self.rate,
            self.l1,
            self.l2,
            arms.arms(sizes, self.hours),
            readers.readers(sizes),
            ranking(2, sizes.k),
            np.zeros(n, np.int64),
            np.zeros(n, np.int64),
            np.zeros((n, 3, SPANS)),
            np.zeros(SPANS, np.int64),
            np.ones(SPANS),
            np.zeros((2, WEIGHTS)),
            np.zeros((2, WEIGHTS)),
            np.zeros((2, WEIGHTS)),
            self.values,
            self.shown_at,
            self.shown_time,
            np.zeros((n, self.values), np.float32),
            np.zeros(FIXED + 2 * self.values, np.int64),
            np.zeros(CONTEXT + 2 * self.values, np.float32),
            trees.rows(2, self.rows if self.refit_every else 0, CONTEXT + 2 * self.values),
            trees.forest(2),
        )

    def room(self, state: CountersState, reads: int) -> CountersState:
        """See `Compiled.room`."""
        return state._replace(readers=readers.room(state.readers, reads))

    def refit(self, state: CountersState) -> None:
        """See `Compiled.refit`."""
        trees.refit(state.forest, state.rows)

    def _foresee(self, log: Log, articles: Articles) -> None:
        """Note when articles will be shown, or read where there are no impressions."""
        impression = np.flatnonzero(log.kind == IMPRESSION)
        item, time = log.pools.item, np.repeat(log.time[impression], np.diff(log.pools.at))
        if not len(impression):
            read = log.kind >= READ
            item, time = log.item[read], log.time[read]
        order = np.lexsort((time, item))
        self.shown_time = time[order].astype(np.int64)
        self.shown_at = np.searchsorted(item[order], np.arange(int(log.item.max(initial=-1)) + 2)).astype(np.int64)

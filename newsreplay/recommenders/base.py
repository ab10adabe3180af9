"""What a recommender is, in plain Python and compiled.

A plain-Python recommender is any class with `recommend`, with `start` and `learn` if it wants to be told of the log,
and `score` if it ranks impressions too; `Recommender` has empty ones to inherit:

    class Newest(Recommender):
        def start(self, catalog):
            self.catalog = catalog

        def recommend(self, request, k):
            return range(self.catalog.known - 1, -1, -1)

A compiled one is a `Compiled` with two kernels, or three, over a NamedTuple of arrays. Both are replayed by the same
loop (`newsreplay.simulator.replay.walk.walk`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from newsreplay.durations import NO_DELAYS, Delays

if TYPE_CHECKING:
    from newsreplay.log.catalog import Catalog
    from newsreplay.log.rows import Asks, Event, Excludes


def _silent(line: str) -> None:
    pass


class Setting(NamedTuple):
    """The circumstances of a replay: a plain-Python recommender's attribute `setting`, set before `start`."""

    seed: int = 0  #: of random choices: the run's
    k: int = 10  #: slate length
    warmup: int = 0  #: ms from the first read on that are not scored
    timed: bool = False  #: every answer is timed, so `Deferred` ones are settled one by one
    report: Callable[[str], None] = _silent  #: takes a line of progress, as while training, to be shown on a terminal
    requests: Asks = "reads"  #: what asks for slates: "reads" or "impressions"
    exclude: Excludes = "current"  #: what a request excludes: "current", "session" or "nothing"; it tells itself, too
    feedback_delay: Delays = NO_DELAYS  #: how long reads and outcomes are held back from `learn`
    answer_timeout: int | None = None  #: ms after which an answer is given up, as far as Python can; None = never
    publisher: str = ""  #: whose log it is


class Resources(NamedTuple):
    """What a recommender takes of a machine; one that takes more than the usual has it as its attribute `resources`."""

    threads: int = 1
    memory: int = 0  #: bytes; 0 = not known
    gpus: int = 0


class Deferred:
    """An answer that is worked out later, together with others: in a replay no answer changes the log.

    Return one from `recommend` or `score`, and set its `answer` by the time `settle` returns, from what was known at
    the request. The engine calls `settle` now and then, and after the last row.
    """

    __slots__ = ("answer",)

    def __init__(self) -> None:
        self.answer: Sequence[int] | Sequence[float] | npt.NDArray[np.number] = ()


#: Article codes or ids, best first.
Slate: TypeAlias = Sequence[int] | Sequence[str] | npt.NDArray[np.integer] | Deferred
#: One number per candidate, higher is better.
Scores: TypeAlias = Sequence[float] | npt.NDArray[np.number] | Deferred
#: One round of training: its time, loss, AUC … by name; None = not measured.
Round: TypeAlias = dict[str, float | None]


#: The note of recommenders whose answers come from a file.
MADE_ELSEWHERE = "made elsewhere: nobody checked what these answers were made from"


class SelfReport(NamedTuple):
    """What a plain-Python recommender's method `self_report` returns after the last row."""

    notes: tuple[str, ...] = ()  #: remarks that belong below every table it stands in
    leaks: str = ""  #: what of the future it was given, on purpose; marks its rows in every table
    training: float = 0.0  #: seconds of fitting on the warm-up
    updating: float = 0.0  #: seconds of later updates
    answering: float = 0.0  #: seconds of working deferred answers out
    answers: int = 0  #: how many those were
    parameters: int = 0  #: numbers that are fitted
    rounds: tuple[Round, ...] = ()  #: how training went


class Recommender:
    """Base class of plain-Python recommenders; override what you need.

    The engine makes a fresh one for every publisher: keep all state in `self`, set up in `start`.

    Articles are codes, whole numbers from 0; `request.item_id` and `catalog.id(code)` are the publisher's own ids. A
    class whose slates have such ids says so with an attribute, `answers = "ids"`; text in a slate always is an id.

    A recommender that ranks what impressions show has one method more, which this class leaves out because its
    presence means that impressions can be scored:

        def score(self, request, pool):
            return [self.reads[item] for item in pool]

    `request` is the impression, not learned yet: its outcome is unknown, and its exposure counts nothing so far.
    `request.item` is the article on screen, -1 = none. `pool` are the candidates' codes, all known, as the source
    lists them. The answer is one number per candidate, higher is better, -inf for what is not to be ranked at all;
    anything else is an error.

    It may have further methods, such as `settle` where answers are `Deferred`, `self_report` and `foresee`: all are
    listed in `newsreplay.recommenders.protocols`.
    """

    setting: Setting = Setting()  #: the engine's, set before `start`
    uses_pool_order: bool = False  #: in which order impressions list candidates is meant to shape answers

    def start(self, catalog: Catalog) -> None:
        """Called once before the first row; the catalog grows with the replay and shows known articles only."""

    def learn(self, event: Event) -> None:
        """Take in one row: a read, an article's publication, an impression or its outcome."""

    def recommend(self, request: Event, k: int) -> Slate:
        """Answer a read with at most `k` article codes, or ids, best first; an empty answer is a miss.

        `request` is the read itself, already learned; `request.item` is the article on screen. That one, unless
        `request.exclude` is "nothing", and repeated articles are dropped from the answer (and counted); an article that
        is not known is an error. Where it is "session", `k` is larger by what the session has read besides, which is
        taken out of the answer.

        With requests at impressions (`setting.requests`) it is an impression without its `pool`, after `score` was
        asked for that and before the impression is learned; all known articles may be recommended, and
        `request.item` is -1 where no article is on screen.
        """
        raise NotImplementedError(f"{type(self).__name__} has no recommend(request, k)")


class Sizes(NamedTuple):
    """How large the arrays of a compiled recommender's state must be: one place per code of a log."""

    articles: int
    users: int
    sessions: int
    categories: int
    k: int  #: length of the longest slate


#: The state of a compiled recommender, a NamedTuple of arrays and scalars.
State = TypeVar("State")


class Compiled(Generic[State]):
    """Base class of compiled recommenders.

    A subclass names its kernels (`newsreplay.kernels.compiling.kernel`) and makes their state:

    - `learn(state, event)` takes in one row;
    - `recommend(state, request, slate)` writes article codes, best first, into `slate` (int32, at most `Sizes.k`
      places, filled with -1); it must not write the article `request.exclude` (the one on screen; -1 = none is
      excluded), an unknown one or one twice. An impression that asks is not learned yet, has no pool and may have no
      article on screen (`request.item` is -1);
    - `score(state, request, out)`, if it has one, writes one number per candidate of `request.pool`, an impression
      that it has not learned yet, into `out` (float64[candidates], filled with -inf = not ranked at all); higher is
      better, NaN and inf are errors.

    Only what a kernel has been handed may shape its answers. `state` is sized for the whole log but holds nothing of
    its contents.
    """

    learn: ClassVar[Callable[..., None]]
    recommend: ClassVar[Callable[..., None]]
    score: ClassVar[Callable[..., None] | None] = None  #: None = cannot score impressions
    uses_pool_order: ClassVar[bool] = False  #: in which order impressions list candidates is meant to shape answers
    slow: ClassVar[bool] = False  #: replayed first, so that it does not run on alone at the end
    #: Its state can go on over a longer log: arrays whose first length `state` takes from the sizes of the log have a
    #: place for each code, or are filled from the first place on, and hold in new places what they hold when empty.
    extends: ClassVar[bool] = False
    refit_every: int = 0  #: ms of event time between two calls of `refit`; 0 = never

    def state(self, sizes: Sizes, key: np.uint64) -> State:
        """The empty state; `key` seeds random choices."""
        raise NotImplementedError

    def room(self, state: State, reads: int) -> State:
        """The state with room for `reads` more reads; called between stretches of the log."""
        return state

    def refit(self, state: State) -> None:
        """Fit, in place, what no kernel can to what kernels noted in the state.

        Called between two rows, before the first one of every `refit_every` ms (since 1970, UTC) but the log's first.
        """

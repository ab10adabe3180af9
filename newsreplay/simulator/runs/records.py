"""The JSON files of a run folder, as types: what is written is what is read. docs/run-folder.md explains them.

`docs/run-folder.schema.json` is made from these types by `scripts/run_folder_schema.py`.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict, get_args

from newsreplay.log.rows import Asks, Excludes
from newsreplay.simulator.judgement.measures import Reward
from newsreplay.simulator.stages import Stage

FORMAT = 4  #: of the run folder


class PreparingRecord(TypedDict, total=False):
    """How files were prepared; only what was asked for."""

    impressions: str
    session_gap: str  #: a duration
    keep: list[str]
    history: str
    file_order: bool


class AskedRecord(TypedDict):
    """What a run's data were asked for by."""

    data: NotRequired[str]
    object: NotRequired[str]  #: where it was one from Python: what it was
    columns: dict[str, str]
    preparing: PreparingRecord
    limit: NotRequired[int]
    folder: str  #: the current one, where paths in `data` and in specs begin


class DataRecord(TypedDict):
    """What data a run was about."""

    name: str
    kind: str
    digest: str
    source: str
    licence: str
    notes: list[str]
    made_up: list[str]
    leaks: list[str]
    rows_in: int
    rejected: int
    options: dict[str, str | int | float | bool | None]
    folder: str
    asked: NotRequired[AskedRecord]


class DelaysRecord(TypedDict):
    """How long feedback was held back from learning, ms."""

    reads: int
    outcomes: int


class OptionsRecord(TypedDict):
    """The options of a run; times in ms."""

    k: int
    seed: int
    seeds: list[int]
    timed: bool
    deadline: float | None
    strict_deadline: bool
    answer_timeout: NotRequired[int]  #: none where it is missing
    warmup: int
    window: int | None
    max_session_length: int | None
    cluster: str | None
    requests: NotRequired[Asks]  #: "reads" where it is missing
    exclude: NotRequired[Excludes]  #: what requests exclude; "current" where it is missing
    reward: NotRequired[Reward]  #: what event-level success sums; the number of hits where it is missing
    feedback_delay: NotRequired[DelaysRecord]  #: none where it is missing
    slates: bool
    states: NotRequired[bool]  #: whether states are kept; false where it is missing


class ScopeRecord(TypedDict, total=False):
    """Options with which a run was scored again."""

    warmup: int
    window: int | None
    max_session_length: int | None
    cluster: str | None
    reward: Reward | None


class PublisherRecord(TypedDict):
    """One publisher: its log, and what was scored of it."""

    publisher: str
    rows: int
    reads: int
    sessions: int
    articles: int
    first: int
    last: int
    digest: str
    scored_sessions: int
    sessions_of_one_instant: int
    scored_reads: int
    reads_at_one_time: int
    later_reads: int
    unrewarded_reads: NotRequired[int]  #: of the scored ones, whose dwell is not known, where that is the reward
    reachable_reads: int
    impressions: int
    scored_impressions: int
    impressions_without_outcome: int
    impressions_of_one_class: int
    resampled: str
    impressions_resampled: str
    clusters: int
    impression_clusters: int
    hits: int
    hits_of_longest: int


class DropsRecord(TypedDict):
    """Articles dropped from answers."""

    current: int
    repeated: int


PairFile = Literal["slates", "scores", "outcomes", "rankings", "matches"]
PAIR_FILES: tuple[PairFile, ...] = get_args(PairFile)


class PairRecord(TypedDict):
    """One recommender on one publisher; files are named below the run folder where they exist."""

    publisher: str
    recommender: str
    status: Literal["done", "failed"]
    without_seed: NotRequired[str]
    foresight: NotRequired[Literal["oracle", "given", "leaky"]]
    leaks: NotRequired[str]
    notes: NotRequired[list[str]]
    error: NotRequired[str]
    errors: NotRequired[str]  #: the file with the traceback
    dropped: NotRequired[DropsRecord]
    slates: NotRequired[str]
    scores: NotRequired[str]
    outcomes: NotRequired[str]
    rankings: NotRequired[str]
    matches: NotRequired[str]


class RunRecord(TypedDict):
    """run.json: what a run was and how it went."""

    format: int
    partial: NotRequired[bool]
    pairs_in_all: NotRequired[int]
    newsreplay: str
    code: NotRequired[str]  #: a digest of what answers, judgements and metrics come from
    files: NotRequired[dict[str, str]]  #: digests of the files that recommenders name, by spec
    python: str
    packages: dict[str, str]
    platform: str
    command: str | None
    key: str | None
    data: DataRecord
    options: OptionsRecord
    rescored: ScopeRecord
    recommenders: list[str]
    objects: list[str]
    names: NotRequired[dict[str, str]]  #: display names by recommender, where there are any
    publishers: list[PublisherRecord]
    pairs: list[PairRecord]


class AnswerTimesRecord(TypedDict):
    """How long answers took, ms."""

    answers: int
    p50: float
    p95: float
    p99: float
    longest: float
    late: NotRequired[float]


class PairTimingRecord(TypedDict):
    """What one recommender cost on one publisher."""

    publisher: str
    recommender: str
    seconds: float
    events_per_second: int | None
    state_bytes: int | None
    answers: NotRequired[AnswerTimesRecord]
    learn_seconds: NotRequired[float | None]
    training_seconds: NotRequired[float]
    updating_seconds: NotRequired[float]
    answering_seconds: NotRequired[float]
    late_answers: NotRequired[int]
    answer_ms: NotRequired[float | None]
    parameters: NotRequired[int]
    stages: NotRequired[dict[Stage, float]]  #: processor seconds of its thread, or of its process


class TimingRecord(TypedDict):
    """timing.json: what a run cost."""

    seconds: float
    stages: StagesRecord
    pairs: list[PairTimingRecord]


class StagesRecord(TypedDict):
    """Seconds by stage of a run: find, load, compile, replay, judge, intervals, write."""

    wall: dict[Stage, float]  #: of what the run's own process does between pairs, one thing at a time
    processor: dict[Stage, float]  #: of all pairs together, which share the cores: of their threads, or processes


class TrainingRecord(TypedDict):
    """One entry of training.json: how one recommender was trained on one publisher, round by round."""

    publisher: str
    recommender: str
    rounds: list[dict[str, object]]

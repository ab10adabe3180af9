"""Neural models as recommenders: trained on the first stretch of a log, then kept up to date as it goes on.

In a replay no answer changes the log, so requests wait (`Deferred`) until there is a batch of them or the model is
about to change. The compiled `Stream` then takes in all rows since, and captures what was known at each request's row.
A batch's shapes never change; when it is worked out depends on earlier rows only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from newsreplay.durations import duration_text
from newsreplay.errors import NewsreplayError
from newsreplay.kernels.mixing import key_of
from newsreplay.log.catalog import Articles, Catalog
from newsreplay.log.rows import ASKING, DAY, HOUR, IMPRESSION, OUTCOME, READ, Column, Event, Log
from newsreplay.recommenders.base import Deferred, Recommender, Resources, Scores, SelfReport, Slate
from newsreplay.recommenders.neural.articles.article_table import ArticleTable
from newsreplay.recommenders.neural.cards.backbones import RandomNetwork
from newsreplay.recommenders.neural.cards.features import CardFeatures
from newsreplay.recommenders.neural.learned import BATCH, Learned, Surroundings, blueprint_of_weights
from newsreplay.recommenders.neural.learning.collector import Collector, choose_captures, shown_alone
from newsreplay.recommenders.neural.learning.requests import KeptNumbers
from newsreplay.recommenders.neural.learning.samples import Reservoir, Samples, joined
from newsreplay.recommenders.neural.models.fields import Number, Words
from newsreplay.recommenders.neural.models.model import NewsModel
from newsreplay.recommenders.neural.options import ALIVE, Blueprint, NeuralOptions, blueprint_of, parse_update
from newsreplay.recommenders.neural.stream.graph import KINDS, ReadGraph
from newsreplay.recommenders.neural.stream.published import Published, published_table
from newsreplay.recommenders.neural.stream.state import ASKED, NONE, SAMPLED, Captures, StreamOptions, rows_of_events
from newsreplay.recommenders.neural.stream.stream import Stream
from newsreplay.recommenders.neural.weights import load_weights

WAITING = 512  #: rows that are taken in together, at most: so many are still at hand in a processor's cache
FEWEST = 20  #: impressions with an outcome without which nothing is trained
SAMPLES = 20  #: alive articles that are drawn for a read, or beside the candidates of an impression
NOT_DUE = np.iinfo(np.int64).max

COMMON = tuple(NeuralOptions.__dataclass_fields__)  #: names of the parameters that all neural recommenders share


class Neural(Recommender):
    """A neural model that is trained on the first stretch of a log and then kept up to date.

    Parameters are those of `NeuralOptions`, and the model's own keywords. Raises `SpecError` where one cannot be.
    """

    model_class: ClassVar[type[NewsModel]]
    slow: ClassVar[bool] = True

    def __init__(self, **parameters: Any):
        # As attributes, so that an object is shown with the parameters that it was made with.
        vars(self).update(parameters)
        self.options = NeuralOptions(**{name: value for name, value in parameters.items() if name in COMMON})
        own = {name: value for name, value in parameters.items() if name not in COMMON}
        self.blueprint = blueprint_of(self.model_class, self.options, own)
        self.update_policy = parse_update(self.options.update)
        self.published: Published | None = None
        self.resources = Resources(self.options.threads, gpus=int(self.options.device == "cuda"))
        if self.options.leaky:
            self.foresee = self._foresee

    def _foresee(self, log: Log, articles: Articles) -> None:
        """Work the statistics of the whole log out, as published AWRS does."""
        self.published = published_table(log, self.options.bucket_ms, self.options.lag)

    def start(self, catalog: Catalog) -> None:
        """See `Recommender.start`."""
        options = self.options
        torch.set_num_threads(options.threads)
        self.catalog = catalog
        self.key = self.setting.seed if options.seed is None else options.seed
        self.until = 0  #: event time up to which the model has learned, ms
        self.loaded_until = 0  #: that of the weights which were loaded
        self.queue: list[Event] = []
        # By row, and whether it is a slate; beside each how many articles were asked for.
        self.deferred: dict[tuple[int, bool], tuple[Deferred, int]] = {}
        self.batch = 1 if self.setting.timed else BATCH
        self.early: list[Samples] = []  # what was collected before the first training
        self.impressions = False  # whether the log has any
        self.known = self.users = 0
        self.profiled: dict[int, None] = {}  # what profiles held before the first training
        self.first = -1  # time of the first read
        self.due = self.warm = NOT_DUE
        self.since = 0  # outcomes since the last training; reads, in a log without impressions
        self.now = 0
        self.trained_at = 0
        self.learned: Learned | None = None
        self.kept = KeptNumbers(self.model_class.context)
        declared = self.model_class.graph
        self.graph = None if declared is None else ReadGraph(KINDS[declared.kind], declared.neighbours, declared.room)
        # With a graph none are kept: by the time they are drawn again, their clicks are edges, and tell themselves.
        self.reservoir = Reservoir(options.memory if self.graph is None else 0)
        self.seconds = {"training": 0.0, "updating": 0.0, "answering": 0.0}
        self.answers = 0
        blueprint, weights = self.blueprint, None
        if options.weights is not None:
            weights = load_weights(options.weights)
            blueprint = blueprint_of_weights(blueprint, weights, options)
        self.most = options.scored(blueprint.popularity)  # articles of a slate
        delays = self.setting.feedback_delay
        self.asks = ASKED if delays.reads and self.setting.requests == "reads" else ASKING[self.setting.requests]
        passed_over = options.set_against(blueprint.popularity) != "alive"
        self.collector = Collector(self.key, passed_over=passed_over, delay=delays.outcomes)
        self.noted = bool(blueprint.signals)  # whether any signals are
        self.history = blueprint.size.history
        self.stream = self._stream_for(blueprint)
        if weights is not None:
            self.until = self.loaded_until = weights.facts["until"]
            self._answer_with(Learned.loaded(blueprint, weights, self._surroundings()))

    def score(self, request: Event, pool: Sequence[int]) -> Scores:
        """A number for each candidate, by the model as it is now; none before the first training."""
        self._before(request)
        self.kept.note(request)
        self.queue.append(request)
        self.impressions = True
        if self._learns():
            self.collector.add_impression(request)
        if self.learned is None:
            return [-np.inf] * len(pool)
        return self._defer(request.row, slate=False, k=0)

    def learn(self, event: Event) -> None:
        """Take in a row; impressions are taken in by `score`."""
        if event.kind == IMPRESSION:
            return
        self._before(event)
        if event.kind == READ:  # impressions are noted when they are scored; nothing else asks
            self.kept.note(event)
        if self.noted or event.kind >= READ:  # the others change nothing but signals
            self.queue.append(event)
        if event.kind == OUTCOME:
            self.since += 1
            if self._learns():
                self.collector.add_outcome(event)
        elif event.kind == READ and not self.impressions:
            self.since += 1

    def recommend(self, request: Event, k: int) -> Slate:
        """The best of the articles that were read within the last `alive` hours."""
        if self.learned is None or not self.most:
            return ()
        if self.asks == ASKED:  # its read will be learned later
            self._before(request)
            self.kept.note(request)
            self.queue.append(request._replace(kind=ASKED))
        return self._defer(request.row, slate=True, k=k)

    def settle(self) -> None:
        """Work out the answers that wait."""
        if not self.queue:
            return
        captures = self.stream.advance(rows_of_events(self.queue))
        self.queue.clear()
        if self._learns():
            self.collector.take(choose_captures(captures, (captures.kind == IMPRESSION) | (captures.kind == SAMPLED)))
        if self.learned is not None and self.deferred:
            begun = time.perf_counter()
            self._answer(self.learned, choose_captures(captures, captures.kind != SAMPLED))
            self.seconds["answering"] += time.perf_counter() - begun

    def self_report(self) -> SelfReport:
        """Notes on the data and the training, what the future leaked into, and costs."""
        learned = self.learned
        return SelfReport(
            notes=tuple(self._notes()),
            leaks=self._leaks(),
            training=self.seconds["training"],
            updating=self.seconds["updating"],
            answering=self.seconds["answering"],
            answers=self.answers,
            parameters=0 if learned is None else learned.parameters,
            rounds=() if learned is None else tuple(learned.rounds),
        )

    def fit(self) -> None:
        """Train now, on all that was seen, unless it has been. Raises `NewsreplayError` where that is too little."""
        self.settle()
        if self.learned is None:
            self._train()
        if self.learned is None:
            raise NewsreplayError(
                f"there are fewer than {FEWEST} impressions with a click to train on; take a longer stretch of the log"
            )

    def save_weights(self, path: str | Path) -> None:
        """Keep the model in a safetensors file, which `weights=…` reads."""
        if self.learned is None:
            raise NewsreplayError("there is nothing to save: the model has not been trained")
        self.learned.save_weights(Path(path), self.until)

    def _stream_for(self, blueprint: Blueprint) -> Stream:
        """A stream that notes what a model is to be told."""
        options, model = self.options, self.model_class
        return Stream(
            StreamOptions(
                blueprint.size.history,
                bucket_ms=options.bucket_ms,
                lag=options.lag,
                kept=1.0 if options.half_life is None else 0.5 ** (options.bucket / options.half_life),
                per_bucket=options.counting == "per_bucket",
                alive_ms=options.alive_ms,
                # With a head, it is the head that chooses among all that are alive.
                candidates=max(self.most, 1 if blueprint.popularity == "none" else ALIVE),
                sampled=SAMPLES,
                drawn=options.set_against(blueprint.popularity) != "impression",
                slates=NONE,
                leaves_out=self.setting.exclude != "nothing",
                by_session=model.history == "session",
                ages=bool({*model.context} - {"category"}),
                keep_reads=not self.catalog.frozen,
                key=np.uint64(int(key_of(self.key, "sampled")) >> 1),
            ),
            model.signals,
            blueprint.signals,
            self.published,
            self.graph,
        )

    # Taking rows in.

    def _learns(self) -> bool:
        """Whether samples are still of use."""
        return self.learned is None or bool(self.update_policy.every or self.update_policy.impressions)

    def _defer(self, row: int, slate: bool, k: int) -> Deferred:
        deferred = Deferred()
        self.deferred[row, slate] = deferred, k
        return deferred

    def _before(self, event: Event) -> None:
        """What must be done before a row is taken in."""
        self.now = max(self.now, event.time)
        if event.time >= self.due or (self.learned is not None and 0 < self.update_policy.impressions <= self.since):
            self._train_when_due(event.time)
        if len(self.deferred) >= self.batch or len(self.queue) >= WAITING:
            self.settle()
        if self.first < 0 and event.kind == READ:
            self._begin(event.time)
        if event.user >= self.users:
            self.users = event.user + 1
            if self.model_class.history == "reader":
                self._take_profile(event.user)
        if event.item >= 0 and self.learned is not None:
            self._take_article(self.learned, event.item)
        self.known = max(self.known, event.item + 1)

    def _take_profile(self, user: int) -> None:
        """What a reader read before the log."""
        before = self.catalog.before(user)
        if not before:
            return
        newest = np.array(before[-self.history :], np.int32)
        self.stream.profile(user, newest)
        if self.learned is None:
            self.profiled.update(dict.fromkeys(newest.tolist()))
        else:
            self.learned.articles.slots(newest)

    def _take_article(self, learned: Learned, item: int) -> None:
        """What a row adds to the facts of its article; requests that wait are answered from those before."""
        if item >= self.known:
            learned.articles.slot(item)
        elif learned.articles.is_stale(item):
            self.settle()
            learned.refresh(item)

    # When it is trained.

    def _begin(self, first: int) -> None:
        self.first = first
        if self.learned is None:
            warmup = self.options.warmup_ms
            length = max(1, warmup if warmup is not None else self.setting.warmup or DAY)
            self.warm = first + length
            self.due = self.warm if self.graph is None else first + length // 2
        else:
            self.due = self._next(first)

    def _next(self, now: int) -> int:
        """When the model is trained next; where it never is, when the snapshot of its graph is taken next."""
        policy = self.update_policy
        every = policy.every
        if self.graph is not None and not self._learns():
            every = HOUR
        if not every:
            return NOT_DUE
        start = 0 if policy.daily else self.first
        return start + every * ((now - start) // every + 1)

    def _train_when_due(self, now: int) -> None:
        self.settle()
        if self.graph is not None and now < self.warm and self.learned is None:
            self._take_first_snapshot(self.graph)
        elif self.learned is None:
            self._train()
            # Too little to train on: tried again in an hour.
            self.due = now + HOUR if self.learned is None else self._next(now)
        else:
            self._renew(self.learned)
            self.learned.look_around()
            self.due = self._next(now)
        self.since = 0

    def _take_first_snapshot(self, graph: ReadGraph) -> None:
        """Half of the warm-up makes the graph that the other half is trained on.

        A click that is in the snapshot would be told by the edge that it made. So what is trained on is what came
        after the last snapshot, here and in every update, and the next is taken when that is over.
        """
        graph.refresh()
        self.collector.complete(self.now)
        self.due = self.warm

    def _train(self) -> None:
        """The first training, on everything so far."""
        samples = self.collector.complete(self.now)
        self.early += [] if samples is None else [samples]
        if sum(len(part.time) for part in self.early) < FEWEST:
            return
        begun = time.perf_counter()
        together = joined(self.early)
        self.early.clear()
        learned = Learned.fresh(self.blueprint, self._items(), self._surroundings())
        self._answer_with(learned)
        learned.fit(together)
        learned.look_around()
        self.trained_at = self.now
        self._keep(together)
        self.seconds["training"] += time.perf_counter() - begun

    def _renew(self, learned: Learned) -> None:
        """A later training, on what came since and some of what was kept."""
        samples = self.collector.complete(self.now)
        if samples is None:
            return
        begun = time.perf_counter()
        learned.update(samples, self.reservoir.kept)
        self._keep(samples)
        self.seconds["updating"] += time.perf_counter() - begun

    def _keep(self, samples: Samples) -> None:
        """Samples that were trained on: some are kept for later trainings."""
        self.until = int(samples.time[-1])
        rng = np.random.default_rng([self.key, self.reservoir.seen])
        self.reservoir.put(samples, rng)
        if not self._learns():
            self.collector.clear()

    def _items(self) -> list[int]:
        """All articles that are known, and those that profiles held."""
        return list(dict.fromkeys(chain(range(self.known), self.profiled)))

    def _surroundings(self) -> Surroundings:
        report = partial(_report_as, self.model_class.__name__.lower(), self.setting.report)
        return Surroundings(self.catalog, self.key, self.batch, report, self.graph, self.kept, self.options.lazy_ms)

    def _answer_with(self, learned: Learned) -> None:
        """Answer from now on."""
        self.learned = learned
        self.stream.ask(self.asks if self.most else NONE)

    # Answers.

    def _answer(self, learned: Learned, captures: Captures) -> None:
        """Answer the requests that wait from what was known at each."""
        slate = captures.kind != IMPRESSION
        asked = zip(captures.row.tolist(), slate.tolist(), strict=True)
        wanted = np.array([request in self.deferred for request in asked], bool)
        captures = shown_alone(choose_captures(captures, wanted))
        scores = learned.scores(captures, self.most)
        self.answers += len(captures.row)
        for row, is_slate, begin, end in zip(
            captures.row.tolist(),
            (captures.kind != IMPRESSION).tolist(),
            captures.at[:-1].tolist(),
            captures.at[1:].tolist(),
            strict=True,
        ):
            deferred, k = self.deferred.pop((row, is_slate))
            if is_slate:
                deferred.answer = captures.item[begin:end][best(scores[begin:end], k)].tolist()
            else:
                deferred.answer = scores[begin:end].astype(np.float64)

    def _notes(self) -> list[str]:
        notes = []
        if self.learned is None:
            return [f"never trained: fewer than {FEWEST} impressions with a click came after its warm-up or in it"]
        if self.options.weights is None:
            hours = -(-(self.trained_at - self.first) // HOUR) * HOUR
            if hours - HOUR > self.setting.warmup:
                text = duration_text(hours)
                notes.append(
                    f"trained on the first {text}, it answers nothing before; --warmup {text} leaves them unscored"
                )
        if self.learned.model.head is not None:
            notes.append("with a popularity head, trained jointly; popularity=none is the model as published")
        notes += self.learned.notes()
        if not self.stream.impressions_seen:
            notes.append(
                f"no impressions in this log: it learns from reads, each against {SAMPLES} articles alive then"
            )
            if {"exposure", "avoidance"} & {*self.model_class.signals}:
                notes.append("without impressions exposure and avoidance are unknown, and clicks are reads")
        if self.collector.dropped:
            notes.append(f"{self.collector.dropped:,} samples that there was no room for were left out at random")
        return notes + _notes_on(self.learned.articles)

    def _leaks(self) -> str:
        leaks = []
        if self.options.leaky:
            leaks.append("exposure, avoidance and clicks are statistics of the whole log, as published")
        scored = self.first + self.setting.warmup
        if self.options.weights is not None and self.first >= 0 and self.loaded_until > scored:
            leaks.append("its weights were trained on events later than the first that are scored")
        return "; ".join(leaks)


def _notes_on(articles: ArticleTable) -> list[str]:
    """What articles lack."""
    notes = []
    missing, count = articles.without_text, articles.count
    if missing and any(isinstance(field, Words) for field in articles.fields):
        share = "no article has" if missing == count else f"{missing:,} of {count:,} articles have no"
        title = "a title" if missing == count else "title"
        notes.append(f"{share} {title}: category and article id stand for it")
    for name, slots in articles.unusable.items():
        share = f"{len(slots):,} of {count:,} articles"
        if slots and name in articles.files:
            notes.append(f"{share} have no vector in {articles.files[name].path} ({name}): zeros stand for it")
        elif slots:
            notes.append(f"{share} have a {name} that is no number: it counts as missing")
    notes += _notes_on_descriptions(articles)
    numbers = [field.name for field in articles.fields if isinstance(field, Number)]
    notes += [f"no article has a {name}: what it is for is left out" for name in numbers if articles.lacks(name)]
    return notes + ([] if articles.cards is None else _notes_on_cards(articles.cards))


def _notes_on_descriptions(articles: ArticleTable) -> list[str]:
    """Which categories and which descriptions do not go together."""
    descriptions = articles.descriptions
    if descriptions is None:
        return []
    notes = [f"descriptions of categories stand behind titles, from {descriptions.path}"]
    if articles.undescribed:
        notes.append(
            f"{len(articles.undescribed):,} of {articles.count:,} articles have no category that {descriptions.path} "
            "describes: nothing stands behind their titles"
        )
    idle = [name for name in descriptions.texts if name not in articles.described]
    if idle:
        notes.append(
            f"{len(idle):,} of {len(descriptions.texts):,} names in {descriptions.path} are of no category of the log, "
            f"such as {idle[0]!r}"
        )
    return notes


def _notes_on_cards(cards: CardFeatures) -> list[str]:
    """What news cards were made of."""
    notes = []
    if isinstance(cards.backbone, RandomNetwork):
        notes.append("news cards are seen by a small network with random weights; vision=FOLDER names a pretrained one")
    if cards.covers is None:
        notes.append("news cards have no covers; covers=FOLDER says where they are")
    else:
        with_cover = f"{len(cards.with_cover):,} of {cards.made:,} news cards have a cover from {cards.covers.folder}"
        count = len(cards.broken)
        broken = f"; {count:,} cannot be read and count{'s' * (count == 1)} as missing" if count else ""
        notes.append(with_cover + broken)
    return notes


def _report_as(name: str, report: Callable[[str], None], line: str) -> None:
    report(f"{name}: {line}")


def best(scores: Column, k: int) -> Column:
    """Positions of the k highest scores, best first; equal ones in their order."""
    if len(scores) > k:
        threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
        near = np.flatnonzero(scores >= threshold)
        return near[np.argsort(-scores[near], kind="stable")][:k]
    return np.argsort(-scores, kind="stable")

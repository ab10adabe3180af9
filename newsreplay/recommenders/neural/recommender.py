"""Neural models as recommenders: trained on the first stretch of a log, then kept up to date as it goes on.

In a replay no answer changes the log, so requests wait (`Deferred`) until there is a batch of them or the model is about
to change. The compiled `Stream` then takes in all rows since, and captures what each request saw at its row. A batch's
shapes never change; when it is worked out depends on earlier rows only.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from newsreplay.durations import duration_text, parse_duration
from newsreplay.errors import NewsreplayError, SpecError, did_you_mean
from newsreplay.kernels.mixing import key_of
from newsreplay.log.catalog import Catalog
from newsreplay.log.rows import DAY, HOUR, IMPRESSION, OUTCOME, READ, Column, Event, Log
from newsreplay.recommenders.base import Deferred, Recommender, SelfReport
from newsreplay.recommenders.neural.articles.shelf import Shelf, grow, names_of, word_table
from newsreplay.recommenders.neural.articles.texts import Vocabulary
from newsreplay.recommenders.neural.articles.vectors import WordVectors
from newsreplay.recommenders.neural.learning.collector import Collector, choose_captures
from newsreplay.recommenders.neural.learning.samples import Reservoir, Samples, joined
from newsreplay.recommenders.neural.learning.scoring import Asked, Scorer, VectorCache
from newsreplay.recommenders.neural.learning.training import Trainer
from newsreplay.recommenders.neural.models.layers import Table
from newsreplay.recommenders.neural.models.model import UNKNOWN, NewsModel, Size
from newsreplay.recommenders.neural.options import SIGNALS, _weights, parse_update, try_options
from newsreplay.recommenders.neural.stream.published import published_table
from newsreplay.recommenders.neural.stream.state import SAMPLED, Captures, Rows
from newsreplay.recommenders.neural.stream.stream import Stream
from newsreplay.recommenders.neural.weights import Weights, load_weights, save_weights
from newsreplay.spec import whole

BATCH = 64  #: requests that are answered together
WAITING = 512  #: rows that are taken in together, at most: so many are still at hand in a processor's cache
FEWEST = 20  #: impressions with an outcome without which nothing is trained
SAMPLES = 20  #: alive articles that a read is set against where a log has no impressions
NEVER = np.iinfo(np.int64).max


class Neural(Recommender):
    """A neural model that is trained on the first stretch of a log and then kept up to date."""

    model_class: ClassVar[type[NewsModel]]
    slow: ClassVar[bool] = True

    def __init__(
        self,
        *,
        size: str = "small",
        update: str | None = "every(hours=6)",
        warmup: str | None = None,
        words: str | None = None,
        plm: str | None = None,
        weights: str | None = None,
        seed: int | None = None,
        device: str = "auto",
        threads: int = 1,
        alive: float = 24,
        candidates: int = 2_000,
        memory: int = 20_000,
        rate: float | None = None,
        epochs: int | None = None,
        passes: int | None = None,
        negatives: int | None = None,
        bucket: float = 1,
        lag: int = 0,
        counting: str = "cumulative",
        leaky: bool = False,
        **options: Any,
    ):
        model = self.model_class
        if size not in model.sizes:
            hint = did_you_mean(str(size), model.sizes) or f"There are {', '.join(model.sizes)}."
            raise SpecError(f"no size is called {size!r}. {hint}")
        self.size_name = size
        self.size: Size = model.sizes[size]
        given = {"rate": rate, "epochs": epochs, "passes": passes, "negatives": negatives}
        self.changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        self.training = replace(model.trainings[size], **self.changed)
        if self.training.rate <= 0 or whole("epochs", self.training.epochs, 1) < 1:
            raise SpecError(f"rate must be above 0, not {rate!r}")
        whole("passes", self.training.passes, 1)
        whole("negatives", self.training.negatives, 1)
        self.update = parse_update(update)
        try:
            self.warmup = None if warmup is None else parse_duration(str(warmup))
        except NewsreplayError as error:
            raise SpecError(f"warmup: {error}") from None
        if device not in ("auto", "cpu", "cuda"):
            raise SpecError(f"device must be auto, cpu or cuda, not {device!r}")
        if device == "cuda" and not torch.cuda.is_available():
            raise SpecError("device=cuda: torch finds no GPU here; leave it out or say device=cpu")
        cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
        self.device = torch.device("cuda" if cuda else "cpu")
        if words is not None and plm is not None:
            raise SpecError("words and plm exclude each other: titles are read by one of them")
        for what, path in (("words", words), ("weights", weights)):
            if path is not None and not Path(path).is_file():
                raise SpecError(f"{what}={path}: there is no such file")
        if counting not in ("cumulative", "per_bucket"):
            raise SpecError(f"counting must be cumulative or per_bucket, not {counting!r}")
        for what, hours in (("bucket", bucket), ("alive", alive)):
            if not 1 <= hours * HOUR <= 3_650 * DAY:
                raise SpecError(f"{what} must be hours, above 0 and at most ten years, not {hours!r}")
        if weights is not None and warmup is not None:
            raise SpecError("weights and warmup exclude each other: what has been trained needs no warm-up")
        self.words, self.plm, self.weights = words, plm, weights
        self.seed = None if seed is None else whole("seed", seed, 0)
        self.threads = whole("threads", threads, 1)
        self.alive = round(alive * HOUR)
        self.candidates = whole("candidates", candidates, 0)
        self.memory = whole("memory", memory, 1)
        self.bucket, self.counting = round(bucket * HOUR), counting
        self.lag = whole("lag", lag, -1 if leaky else 0)
        self.leaky = leaky
        if leaky:
            self.foresee = self._foresee
        self.options = options
        self.published: Any = None
        try_options(model, options)

    def _foresee(self, log: Log, articles: Any) -> None:
        """Work the statistics of the whole log out, as published AWRS does."""
        self.published = published_table(log, self.bucket, self.lag)

    def start(self, catalog: Catalog) -> None:
        """See `Recommender.start`."""
        torch.set_num_threads(self.threads)
        self.catalog = catalog
        self.key = self.setting.seed if self.seed is None else self.seed
        self.until = 0  #: event time up to which the model has learned, ms
        self.queue: list[Event] = []
        self.lates: dict[int, Deferred] = {}
        self.batch = 1 if self.setting.timed else BATCH
        self.collector = Collector(self.key)
        self.early: list[Samples] = []  # what was collected before the first training
        self.impressions = False  # whether the log has any
        self.known = self.users = 0
        self.handed: dict[int, None] = {}  # what profiles held before the first training
        self.first = -1  # time of the first read
        self.due = NEVER
        self.since = 0  # outcomes since the last training; reads, in a log without impressions
        self.now = 0
        self.trained_at = 0
        self.scorer: Scorer | None = None
        self.trainer: Trainer | None = None
        self.reservoir = Reservoir(self.memory)
        loaded = None if self.weights is None else self._loaded(self.weights)
        self.seconds = {"training": 0.0, "updating": 0.0, "answering": 0.0}
        self.answers = 0
        self.stream = Stream(
            self.size.history,
            bucket_ms=self.bucket,
            lag=self.lag,
            counting=self.counting,
            alive_ms=self.alive,
            candidates=max(1, self.candidates),
            sampled=SAMPLES,
            slates=False,
            signals=self.model_class.signals,
            keep_reads=not catalog.frozen,
            key=int(key_of(self.key, "sampled")) >> 1,
            **({} if self.published is None else {"published": self.published}),
        )
        if loaded is not None:
            self._take_up(loaded)

    def score(self, request: Event, pool: Sequence[int]) -> Any:
        """A number for each candidate, by the model as it is now; none before the first training."""
        self._before(request)
        self.queue.append(request)
        self.impressions = True
        if self._learns():
            self.collector.show(request)
        if self.scorer is None:
            return [-np.inf] * len(pool)
        return self._late(request.row)

    def learn(self, event: Event) -> None:
        """Take in a row; impressions are taken in by `score`."""
        if event.kind == IMPRESSION:
            return
        self._before(event)
        if self.model_class.signals or event.kind >= READ:  # the others change nothing but signals
            self.queue.append(event)
        if event.kind == OUTCOME:
            self.since += 1
            if self._learns():
                self.collector.tell(event)
        elif event.kind == READ and not self.impressions:
            self.since += 1

    def recommend(self, request: Event, k: int) -> Any:
        """The best of the articles that were read within the last `alive` hours."""
        if self.scorer is None or not self.candidates:
            return ()
        return self._late(request.row)

    def settle(self) -> None:
        """Work out the answers that wait."""
        if not self.queue:
            return
        captures = self.stream.advance(_rows(self.queue))
        self.queue.clear()
        if self._learns():
            self.collector.take(choose_captures(captures, captures.kind != READ))
        if self.lates:
            begun = time.perf_counter()
            self._answer(choose_captures(captures, captures.kind != SAMPLED))
            self.seconds["answering"] += time.perf_counter() - begun

    def self_report(self) -> SelfReport:
        """What training cost and what must be known of it."""
        model = None if self.scorer is None else self.scorer.model
        return SelfReport(
            notes=tuple(self._notes()),
            leaks=self._leaks(),
            training=self.seconds["training"],
            updating=self.seconds["updating"],
            answering=self.seconds["answering"],
            answers=self.answers,
            parameters=0 if model is None else sum(each.numel() for each in model.parameters() if each.requires_grad),
            rounds=() if self.trainer is None else tuple(self.trainer.rounds),
        )

    def fit(self) -> None:
        """Train now, on all that was seen, unless it has been. Raises `NewsreplayError` where that is too little."""
        self.settle()
        if self.trainer is None:
            self._train()
        if self.trainer is None:
            raise NewsreplayError(
                f"there are fewer than {FEWEST} impressions with a click to train on; take a longer stretch of the log"
            )

    def save(self, path: str | Path) -> None:
        """Keep the model in a safetensors file, which `weights=…` reads."""
        if self.scorer is None:
            raise NewsreplayError("there is nothing to save: the model has not been trained")
        assert self.trainer is not None
        facts = {
            "model": self.model_class.__name__,
            "size": self.size_name,
            "numbers": asdict(self.size),
            "options": self.options,
            "buckets": 0 if self.plm else self.vocabulary.buckets,
            "until": self.until,
            "training": self.trainer.rounds,
            "plm": self.plm,
            "words": self.words is not None,
        }
        words = [] if self.plm else self.vocabulary.words
        save_weights(Path(path), facts, words, self.scorer.model)

    # Taking rows in.

    def _learns(self) -> bool:
        """Whether samples are still of use."""
        return self.trainer is None or bool(self.update.every or self.update.impressions)

    def _late(self, row: int) -> Deferred:
        late = self.lates[row] = Deferred()
        return late

    def _before(self, event: Event) -> None:
        """What must be done before a row is taken in."""
        self.now = event.time
        if event.time >= self.due or (self.trainer is not None and 0 < self.update.impressions <= self.since):
            self._train_when_due(event.time)
        if len(self.lates) >= self.batch or len(self.queue) >= WAITING:
            self.settle()
        if self.first < 0 and event.kind == READ:
            self._begin(event.time)
        if event.user >= self.users:
            self.users = event.user + 1
            before = self.catalog.before(event.user)
            if before:
                newest = np.array(before[-self.size.history :], np.int32)
                self.stream.profile(event.user, newest)
                if self.scorer is None:
                    self.handed.update(dict.fromkeys(newest.tolist()))
                else:
                    self.shelf.slots(newest)
        if event.item >= 0 and self.scorer is not None:
            self._article(event)
        self.known = max(self.known, event.item + 1)

    def _article(self, event: Event) -> None:
        """Note what a row tells of its article; what waits is answered from what was known before."""
        if event.item >= self.known:
            self.shelf.slot(event.item)
        elif self.shelf.news(event.item):
            self.settle()
            self.shelf.tell(event.item)
            assert self.scorer is not None
            self.scorer.cache.forget(self.shelf.slot(event.item))

    # When it is trained.

    def _begin(self, first: int) -> None:
        self.first = first
        if self.scorer is None:
            warmup = self.warmup if self.warmup is not None else self.setting.warmup or DAY
            self.due = first + max(1, warmup)
        else:
            self.due = self._next(first)

    def _next(self, now: int) -> int:
        """When the model is trained next."""
        if not self.update.every:
            return NEVER
        start = 0 if self.update.daily else self.first
        return start + self.update.every * ((now - start) // self.update.every + 1)

    def _train_when_due(self, now: int) -> None:
        self.settle()
        if self.trainer is None and self.scorer is None:
            self._train()
            # Too little to train on: tried again in an hour.
            self.due = self._next(now) if self.scorer is not None else now + HOUR
        else:
            self._renew()
            self.due = self._next(now)
        self.since = 0

    def _train(self) -> None:
        """The first training, on everything so far."""
        samples = self.collector.complete(self.now)
        self.early += [] if samples is None else [samples]
        if sum(len(part.time) for part in self.early) < FEWEST:
            return
        begun = time.perf_counter()
        together = joined(self.early)
        self.early.clear()
        self._make_vocabulary()
        self._make_scorer(self._make_model())
        assert self.trainer is not None
        self.trainer.fit(together)
        self.trained_at = self.now
        self._trained(together)
        self.seconds["training"] += time.perf_counter() - begun

    def _renew(self) -> None:
        """A later training, on what came since and some of what was kept."""
        samples = self.collector.complete(self.now)
        if samples is None or self.trainer is None:
            return
        begun = time.perf_counter()
        self._grow()
        self.trainer.update(samples, self.reservoir.kept)
        self._trained(samples)
        self.seconds["updating"] += time.perf_counter() - begun

    def _trained(self, samples: Samples) -> None:
        self.until = int(samples.time[-1])
        rng = np.random.default_rng([self.key, self.reservoir.seen])
        self.reservoir.put(samples, rng)
        if not self._learns():
            self.collector.clear()

    # The model.

    def _make_vocabulary(self) -> None:
        self.vectors = None if self.words is None else WordVectors.open(Path(self.words))
        if self.vectors is not None and self.weights is None:
            self.size = replace(self.size, word=self.vectors.width)
        facts = ("title", "abstract") if self.model_class.abstracts else ("title",)
        if self.plm is not None:
            from newsreplay.recommenders.neural.articles.plm import PlmWords

            self.vocabulary: Any = PlmWords(self.plm)
        else:
            items = dict.fromkeys(chain(range(self.known), self.handed))
            texts = (text for item in items for fact in facts if (text := self.catalog.text(item, fact)))
            names = (names_of(self.catalog, item) for item in items if not self.catalog.text(item, "title"))
            self.vocabulary = Vocabulary.learn(texts, vectors=self.vectors, names=chain.from_iterable(names))

    def _make_model(self) -> NewsModel:
        """A fresh model, its weights drawn from the seed alone."""
        generator = torch.Generator().manual_seed(int(key_of(self.key, "words")) >> 1)
        with _weights, torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(key_of(self.key, "weights")) >> 1)
            if self.plm is not None:
                from newsreplay.recommenders.neural.articles.plm import LanguageModel

                words: torch.nn.Module = LanguageModel(self.plm, self.size.word)
            else:
                words = self.table = word_table(self.vocabulary, self.vectors, self.size.word, generator)
            return self.model_class(self.size, words, **self.options).to(self.device)

    def _make_scorer(self, model: NewsModel) -> None:
        self.shelf = Shelf(self.model_class, self.size, self.vocabulary, self.catalog)
        cache = VectorCache(model, self.shelf, self.device)
        self.scorer = Scorer(model, cache, self.batch)
        of_samples = Scorer(model, cache, BATCH)
        # All that is known gets its slot now, and the others as they come: no order of answers shapes training.
        self.shelf.slots(np.array([*range(self.known), *self.handed], np.int64))
        self.stream.ask_reads(self.candidates > 0)
        buckets = np.zeros(0, np.int64) if self.plm is not None else self.vocabulary.buckets_of_rows()
        self.trainer = Trainer(
            model,
            self.shelf,
            of_samples,
            self.training,
            self.key,
            buckets,
            self.device,
            partial(_told, self.setting.report, self.model_class.__name__.lower()),
        )

    def _grow(self) -> None:
        """Words that came up since and have pretrained vectors get theirs."""
        if self.vectors is not None and self.scorer is not None:
            assert self.trainer is not None
            grow(self.table, self.vocabulary, self.vectors)
            self.trainer.learn_words(self.vocabulary.buckets_of_rows())

    def _loaded(self, path: str) -> Weights:
        """A file of weights, whose size and options take the place of this one's."""
        loaded = load_weights(Path(path))
        if loaded.facts["model"] != self.model_class.__name__:
            raise SpecError(f"weights={path} are of {loaded.facts['model']}, not of {self.model_class.__name__}")
        told = loaded.facts
        if self.size_name not in ("small", told["size"]):
            raise SpecError(f"weights={path} are of size={told['size']}, not {self.size_name}; leave size out")
        for name, value in self.options.items():
            if told["options"].get(name, value) != value:
                raise SpecError(f"weights={path} are of {name}={told['options'][name]}; leave {name} out")
        if self.plm not in (None, told["plm"]):
            raise SpecError(f"weights={path} were not trained with plm={self.plm}; leave plm out")
        if self.words is not None and not told["words"]:
            raise SpecError(f"weights={path} were trained without word vectors; leave words out")
        self.size_name, self.size = told["size"], loaded.size
        self.training = replace(self.model_class.trainings[self.size_name], **self.changed)
        self.options, self.plm = told["options"], told["plm"]
        self.until = self.loaded_until = loaded.facts["until"]
        return loaded

    def _take_up(self, loaded: Weights) -> None:
        """Go on with weights that were trained elsewhere; no reader is known to them."""
        self._make_vocabulary()
        if self.plm is None:
            self.vocabulary = Vocabulary(loaded.words, loaded.facts["buckets"], self.vectors)
        made = self._make_model()
        loaded.fill(made)
        self._make_scorer(made)
        users = getattr(made, "users", None)
        if isinstance(users, Table):  # its rows are of the readers of another log
            with torch.no_grad():
                users.weight[2:] = users.weight[UNKNOWN]

    # Answers.

    def _answer(self, captures: Captures) -> None:
        """Answer the requests that wait from what they saw."""
        assert self.scorer is not None
        assert self.trainer is not None
        wanted = np.array([row in self.lates for row in captures.row.tolist()], bool)
        captures = choose_captures(captures, wanted)
        self._grow()
        asked = Asked(
            self.trainer.users_of(captures.user),
            self.shelf.slots(captures.history),
            captures.history_signals,
            captures.at,
            self.shelf.slots(captures.item),
            captures.signals,
        )
        scores = self.scorer.scores(asked)
        self.answers += len(captures.row)
        for row, kind, begin, end in zip(
            captures.row.tolist(),
            captures.kind.tolist(),
            captures.at[:-1].tolist(),
            captures.at[1:].tolist(),
            strict=True,
        ):
            late = self.lates.pop(row)
            mine = scores[begin:end]
            if kind == IMPRESSION:
                late.answer = mine.astype(np.float64)
            else:
                late.answer = captures.item[begin:end][best(mine, self.setting.k)].tolist()

    def _notes(self) -> list[str]:
        notes = []
        if self.scorer is None:
            return [f"never trained: fewer than {FEWEST} impressions with a click came after its warm-up or in it"]
        if self.weights is None:
            learned = -(-(self.trained_at - self.first) // HOUR) * HOUR
            if learned - HOUR > self.setting.warmup:
                text = duration_text(learned)
                notes.append(
                    f"trained on the first {text}, it answers nothing before; --warmup {text} leaves them unscored"
                )
        if not self.stream.impressions_seen:
            notes.append(
                f"no impressions in this log: it learns from reads, each against {SAMPLES} articles alive then"
            )
            if self.model_class.signals:
                notes.append("without impressions exposure and avoidance are unknown, and clicks are reads")
        missing, count = self.shelf.without_text, self.shelf.count
        if self.collector.dropped:
            notes.append(f"{self.collector.dropped:,} samples that there was no room for were left out at random")
        if missing:
            share = "no article has" if missing == count else f"{missing:,} of {count:,} articles have no"
            title = "a title" if missing == count else "title"
            notes.append(f"{share} {title}: category and article id stand for it")
        return notes

    def _leaks(self) -> str:
        leaks = []
        if self.leaky:
            leaks.append("exposure, avoidance and clicks are statistics of the whole log, as published")
        scored = self.first + self.setting.warmup
        if self.weights is not None and self.first >= 0 and self.loaded_until > scored:
            leaks.append("its weights were trained on events later than the first that are scored")
        return "; ".join(leaks)


def _told(tell: Callable[[str], None], name: str, line: str) -> None:
    tell(f"{name}: {line}")


def best(scores: Column, k: int) -> Column:
    """Positions of the k highest scores, best first; equal ones in their order."""
    if len(scores) > k:
        bar = np.partition(scores, len(scores) - k)[len(scores) - k]
        near = np.flatnonzero(scores >= bar)
        return near[np.argsort(-scores[near], kind="stable")][:k]
    return np.argsort(-scores, kind="stable")


def _rows(queue: list[Event]) -> Rows:
    """Events as columns."""
    row, times, kind, _, user, item, _, pools, clicked = zip(*queue, strict=True)
    lengths = np.fromiter(map(len, pools), np.int64, len(pools))
    at = np.concatenate([[0], np.cumsum(lengths)])
    told = np.fromiter(map(len, clicked), np.int64, len(clicked)) > 0
    flags = np.zeros(at[-1], bool)
    flags[np.repeat(told, lengths)] = np.fromiter(chain.from_iterable(clicked), bool)
    return Rows(
        np.array(times, np.int64),
        np.array(kind, np.uint8),
        np.array(user, np.int32),
        np.array(item, np.int32),
        np.array(row, np.int64),
        at,
        np.fromiter(chain.from_iterable(pools), np.int32, at[-1]),
        flags,
    )


def recommender_of(model: type[NewsModel]) -> type[Neural]:
    """The recommender of a model, its parameters those of `Neural` and the model's own keywords."""
    own = [p for p in inspect.signature(model).parameters.values() if p.kind is p.KEYWORD_ONLY]
    common = [
        p
        for p in inspect.signature(Neural).parameters.values()
        if p.kind is p.KEYWORD_ONLY
        and (model.signals or p.name not in SIGNALS)
        and (model.counted or p.name != "leaky")
    ]
    made = type(model.__name__, (Neural,), {"model_class": model, "__doc__": model.__doc__})
    made.__module__ = __name__
    made.__signature__ = inspect.Signature([*common, *own])  # type: ignore[attr-defined]
    return made

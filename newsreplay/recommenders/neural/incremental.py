"""Neural models as recommenders: trained on the first stretch of a log, then kept up to date as it goes on.

In a replay no answer changes the log, so requests wait (`Late`) until there is a batch of them or the model is about
to change. The compiled `Stream` then takes in all rows since, and captures what each request saw at its row. A batch's
shapes never change; when it is worked out depends on earlier rows only.
"""

from __future__ import annotations

import inspect
import re
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from newsreplay.durations import duration_text, parse_duration
from newsreplay.errors import NewsreplayError, SpecError
from newsreplay.recommenders.base import Account, Late, Recommender
from newsreplay.recommenders.neural.cache import Asked, Scorer, VectorCache
from newsreplay.recommenders.neural.layers import WordTable
from newsreplay.recommenders.neural.model import NewsModel, Size
from newsreplay.recommenders.neural.samples import Reservoir, Samples, choose, stretches
from newsreplay.recommenders.neural.shelf import Shelf, grow, names_of, word_table
from newsreplay.recommenders.neural.stream import SAMPLED, Captures, Rows, Stream, published_table
from newsreplay.recommenders.neural.texts import Vocabulary, WordVectors
from newsreplay.recommenders.neural.training import Trainer
from newsreplay.recommenders.neural.weights import Weights, load_weights, save_weights
from newsreplay.registry import did_you_mean
from newsreplay.simulator.catalog import Catalog
from newsreplay.simulator.log import DAY, HOUR, IMPRESSION, OUTCOME, READ, Column, Event, Log
from newsreplay.simulator.mixing import key_of
from newsreplay.spec import whole

BATCH = 64  #: requests that are answered together
WAITING = 1 << 14  #: rows that are taken in together, at most
FEWEST = 20  #: impressions with an outcome without which nothing is trained
SAMPLES = 20  #: alive articles that a read is set against where a log has no impressions
NEVER = np.iinfo(np.int64).max


_weights = threading.Lock()  # layers draw their first weights from torch's one generator


class Update(NamedTuple):
    """When a model is trained again: after so much time, or so many impressions; never if neither."""

    every: int = 0  #: ms
    impressions: int = 0
    daily: bool = False  #: at midnight UTC


def parse_update(text: Any) -> Update:
    """An update policy from its text.

    >>> parse_update("every(hours=6)")
    Update(every=21600000, impressions=0, daily=False)

    Raises `SpecError` for anything else than none, daily, every(hours=6) and every(impressions=500).
    """
    if text is None or text == "none":
        return Update()
    if text == "daily":
        return Update(DAY, daily=True)
    match = re.fullmatch(r"every\((hours|impressions)=(\d+(?:\.\d+)?)\)", str(text).replace(" ", ""))
    if match and match[1] == "hours" and float(match[2]) * HOUR >= 1:
        return Update(round(float(match[2]) * HOUR))
    if match and match[1] == "impressions" and match[2].isdecimal() and int(match[2]):
        return Update(impressions=int(match[2]))
    raise SpecError(f"update must be none, daily, every(hours=6) or every(impressions=500), not {text!r}")


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
        if not 0 < bucket <= 24 * 365 or not 0 < alive <= 24 * 3_650:
            raise SpecError("bucket and alive are hours above 0")
        self.words, self.plm, self.weights, self.seed = words, plm, weights, seed
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
        try:
            with torch.device("meta"):  # makes nothing, but looks at the options now rather than after the warm-up
                model(model.sizes["tiny"], WordTable(1, model.sizes["tiny"].word), **options)
        except (ValueError, TypeError) as error:
            raise SpecError(str(error)) from None

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
        self.lates: dict[int, Late] = {}
        self.batch = 1 if self.setting.prompt else BATCH
        self.shown: dict[tuple[int, Any], deque[int]] = {}  # impressions without their outcome yet
        self.outcomes: dict[int, Any] = {}
        self.captured: list[Captures] = []
        self.known = self.users = 0
        self.handed: dict[int, None] = {}  # what profiles held before the first training
        self.first = -1  # time of the first read
        self.due = NEVER
        self.since = 0  # outcomes since the last training
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
        if self._learns():
            self.shown.setdefault((request.session, request.pool), deque()).append(request.row)
        if self.scorer is None:
            return [-np.inf] * len(pool)
        return self._late(request.row)

    def learn(self, event: Event) -> None:
        """Take in a row; impressions are taken in by `score`."""
        if event.kind == IMPRESSION:
            return
        self._before(event)
        self.queue.append(event)
        if event.kind == OUTCOME:
            self._outcome(event)

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
            kept = choose_captures(captures, captures.kind != READ)
            if len(kept.row):
                self.captured.append(kept)
        if self.lates:
            begun = time.perf_counter()
            self._answer(choose_captures(captures, captures.kind != SAMPLED))
            self.seconds["answering"] += time.perf_counter() - begun

    def account(self) -> Account:
        """What training cost and what must be known of it."""
        model = None if self.scorer is None else self.scorer.model
        return Account(
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
        }
        words = [] if self.plm else self.vocabulary.words
        save_weights(Path(path), facts, words, self.scorer.model)

    # Taking rows in.

    def _learns(self) -> bool:
        """Whether samples are still of use."""
        return self.trainer is None or bool(self.update.every or self.update.impressions)

    def _late(self, row: int) -> Late:
        late = self.lates[row] = Late()
        return late

    def _before(self, event: Event) -> None:
        """What must be done before a row is taken in."""
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

    def _outcome(self, event: Event) -> None:
        self.since += 1
        if not self._learns():
            return
        waiting = self.shown.get((event.session, event.pool))
        if waiting:
            self.outcomes[waiting.popleft()] = event.clicked
            if not waiting:
                del self.shown[event.session, event.pool]

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
        samples = self._samples()
        if samples is None or len(samples.time) < FEWEST:
            return
        begun = time.perf_counter()
        self._make_vocabulary()
        model = self._make_model()
        self._make_scorer(model)
        assert self.trainer is not None
        self.trainer.fit(samples, self.users)
        self._trained(samples)
        self.seconds["training"] += time.perf_counter() - begun

    def _renew(self) -> None:
        """A later training, on what came since and some of what was kept."""
        samples = self._samples()
        if samples is None or self.trainer is None:
            return
        begun = time.perf_counter()
        self._grow()
        self.trainer.update(samples, self.reservoir.kept, self.users)
        self._trained(samples)
        self.seconds["updating"] += time.perf_counter() - begun

    def _trained(self, samples: Samples) -> None:
        self.until = int(samples.time[-1])
        rng = np.random.default_rng([self.key, self.reservoir.seen])
        self.reservoir.put(samples, rng)
        if not self._learns():
            self.captured.clear()
            self.outcomes.clear()
            self.shown.clear()

    def _samples(self) -> Samples | None:
        """The captured impressions whose outcome is known by now; the others go on waiting."""
        if not self.captured:
            return None
        captured = join_captures(self.captured)
        told = np.array(
            [
                kind == SAMPLED or row in self.outcomes
                for row, kind in zip(captured.row.tolist(), captured.kind, strict=True)
            ]
        )
        rest = choose_captures(captured, ~told)
        self.captured = [rest] if len(rest.row) else []
        if not told.any():
            return None
        mine = choose_captures(captured, told)
        clicked = np.zeros(len(mine.item), bool)
        for row, kind, begin, end in zip(
            mine.row.tolist(), mine.kind.tolist(), mine.at[:-1].tolist(), mine.at[1:].tolist(), strict=True
        ):
            if kind == SAMPLED:
                clicked[begin] = True
            else:
                clicked[begin:end] = self.outcomes.pop(row)
        samples = Samples(
            mine.time,
            mine.user,
            mine.history,
            mine.length,
            mine.history_signals,
            mine.at,
            mine.item,
            clicked,
            mine.signals,
        )
        any_clicked = np.add.reduceat(np.append(clicked, False), mine.at[:-1]) > 0 if len(clicked) else told[:0]
        any_clicked &= np.diff(mine.at) > 0
        useful = choose(samples, np.flatnonzero(any_clicked))
        return useful if len(useful.time) else None

    # The model.

    def _make_vocabulary(self) -> None:
        self.vectors = None if self.words is None else WordVectors.open(Path(self.words))
        if self.vectors is not None:
            self.size = replace(self.size, word=self.vectors.width)
        facts = ("title", "abstract") if self.model_class.abstracts else ("title",)
        if self.plm is not None:
            from newsreplay.recommenders.neural.plm import PlmWords

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
                from newsreplay.recommenders.neural.plm import LanguageModel

                words: torch.nn.Module = LanguageModel(self.plm, self.size.word)
            else:
                words = self.table = word_table(self.vocabulary, self.vectors, self.size.word, generator)
            return self.model_class(self.size, words, **self.options).to(self.device)

    def _make_scorer(self, model: NewsModel) -> None:
        self.shelf = Shelf(self.model_class, self.size, self.vocabulary, self.catalog)
        cache = VectorCache(model, self.shelf, self.device)
        self.scorer = Scorer(model, cache, self.batch)
        # All that is known gets its slot now, and the others as they come: no order of answers shapes training.
        self.shelf.slots(np.array([*range(self.known), *self.handed], np.int64))
        self.stream.ask_reads(self.candidates > 0)
        buckets = np.zeros(0, np.int64) if self.plm is not None else self.vocabulary.buckets_of_rows()
        self.trainer = Trainer(
            model, self.shelf, self.scorer, self.training, self.key, buckets, self.device, self._tell
        )

    def _tell(self, line: str) -> None:
        self.setting.tell(f"{self.model_class.__name__.lower()}: {line}")

    def _grow(self) -> None:
        """Words that came up since and have pretrained vectors get theirs."""
        if self.vectors is not None and self.scorer is not None:
            grow(self.table, self.vocabulary, self.vectors)

    def _loaded(self, path: str) -> Weights:
        """A file of weights, whose size and options take the place of this one's."""
        loaded = load_weights(Path(path))
        if loaded.facts["model"] != self.model_class.__name__:
            raise SpecError(f"weights={path} are of {loaded.facts['model']}, not of {self.model_class.__name__}")
        self.size_name, self.size = loaded.facts["size"], loaded.size
        self.training = replace(self.model_class.trainings[self.size_name], **self.changed)
        self.options = loaded.facts["options"]
        self.plm = loaded.facts.get("plm")
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
        assert self.trainer is not None
        self.trainer.users = 0

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
            return [f"it was never trained: fewer than {FEWEST} impressions with a click came in its warm-up"]
        if self.weights is None:
            warmup = self.warmup if self.warmup is not None else self.setting.warmup or DAY
            if warmup > self.setting.warmup:
                text = duration_text(warmup)
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
        if missing:
            share = "no article has" if missing == count else f"{missing:,} of {count:,} articles have no"
            title = "a title" if missing == count else "title"
            notes.append(f"{share} {title}: category and article id stand for it")
        return notes

    def _leaks(self) -> str:
        if self.leaky:
            return "exposure, avoidance and clicks are statistics of the whole log, as published"
        scored = self.first + self.setting.warmup
        if self.weights is not None and self.first >= 0 and self.loaded_until > scored:
            return "its weights were trained on events later than the first that are scored"
        return ""


def best(scores: Column, k: int) -> Column:
    """Positions of the k highest scores, best first; equal ones in their order."""
    if len(scores) > k:
        bar = np.partition(scores, len(scores) - k)[len(scores) - k]
        near = np.flatnonzero(scores >= bar)
        return near[np.argsort(-scores[near], kind="stable")][:k]
    return np.argsort(-scores, kind="stable")


def choose_captures(captures: Captures, which: Column) -> Captures:
    """Some captures, bool[c], in their order."""
    if which.all():
        return captures
    chosen = np.flatnonzero(which)
    places, at = stretches(captures.at, chosen)
    columns = {
        name: getattr(captures, name)[places if name in ("item", "signals") else chosen]
        for name in Captures._fields
        if name != "at"
    }
    return Captures(at=at, **columns)


def join_captures(parts: Sequence[Captures]) -> Captures:
    """Captures of several stretches."""
    begin = np.cumsum([0, *(part.at[-1] for part in parts)])
    at = [part.at[:-1] + first for part, first in zip(parts, begin, strict=False)]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in Captures._fields if name != "at"
    }
    return Captures(at=np.concatenate([*at, begin[-1:]]), **columns)


def _rows(queue: list[Event]) -> Rows:
    """Events as columns."""
    row, times, kind, _, user, item, _, pools, clicked = zip(*queue, strict=True)
    at = np.concatenate([[0], np.cumsum([len(pool) for pool in pools])])
    flags = np.zeros(at[-1], bool)
    for place, mine in zip(at.tolist(), clicked, strict=False):
        if mine:
            flags[place : place + len(mine)] = mine
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


_SIGNALS = ("bucket", "lag", "counting", "leaky")


def recommender_of(model: type[NewsModel]) -> type[Neural]:
    """The recommender of a model, its parameters those of `Neural` and the model's own keywords."""
    own = [p for p in inspect.signature(model).parameters.values() if p.kind is p.KEYWORD_ONLY]
    common = [
        p
        for p in inspect.signature(Neural).parameters.values()
        if p.kind is p.KEYWORD_ONLY and (model.signals or p.name not in _SIGNALS)
    ]
    made = type(model.__name__, (Neural,), {"model_class": model, "__doc__": model.__doc__})
    made.__module__ = __name__
    made.__signature__ = inspect.Signature([*common, *own])  # type: ignore[attr-defined]
    return made

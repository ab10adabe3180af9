"""Training: click against passed-over candidates of the same impression, by batches of distinct articles."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields, replace
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from newsreplay.kernels.mixing import key_of
from newsreplay.log.rows import DAY, Column
from newsreplay.recommenders.base import Round
from newsreplay.recommenders.neural.learning.cache import autocast
from newsreplay.recommenders.neural.learning.neighbourhoods import Closure
from newsreplay.recommenders.neural.learning.pairs import pair_logits
from newsreplay.recommenders.neural.learning.requests import Context, batch_of
from newsreplay.recommenders.neural.learning.samples import (
    Samples,
    choose,
    clicks,
    joined,
    negatives,
    newest_of_readers,
    with_candidates,
)
from newsreplay.recommenders.neural.learning.scoring import Scorer
from newsreplay.recommenders.neural.models.fields import Columns, Contents
from newsreplay.recommenders.neural.models.layers import Drawing
from newsreplay.recommenders.neural.models.model import (
    UNKNOWN,
    Inputs,
    LossInputs,
    NewsModel,
    Stage,
    Training,
    click_loss,
)

HIDDEN = 0.05  #: share of words that are shown as the bucket of unknown words they would fall into
TAIL = 0.1  #: share of the warm-up's impressions, the last ones, that early stopping is judged by
FEWEST = 100  #: impressions in the tail below which their AUC is too noisy to stop by
HEAD = 10.0  #: learning rate of the popularity head, as a multiple of that of the model: it has few weights
NEWEST = 0.7  #: share of an update's clicks that are new; the others are drawn from those kept


class Batch(NamedTuple):
    """B clicks, first of their candidates, by rows of their distinct articles."""

    contents: Contents  #: row 0 is padding
    requests: Inputs
    real: Tensor  #: bool[B, W], candidates that are no padding
    drawn: Tensor  #: bool[B, W], of these the ones that were not shown but drawn
    log_chance: Tensor  #: float32[B, W], logarithm of the probability that a draw is of this article; 0 without draws
    alive: Tensor  #: float32[B], how many articles were alive
    closure: Closure | None  #: of the articles, those of the requests first; None = the model has no graph

    def on(self, device: torch.device) -> Batch:
        """The same on a device."""

        def moved(requests: Inputs) -> dict[str, Any]:
            return {
                field.name: value.to(device) if isinstance(value, Tensor) else value.each(lambda x: x.to(device))
                for field in fields(requests)
                for value in [getattr(requests, field.name)]
            }

        return Batch(
            self.contents.each(lambda column: column.to(device)),
            replace(self.requests, **moved(self.requests)),
            self.real.to(device),
            self.drawn.to(device),
            self.log_chance.to(device),
            self.alive.to(device),
            None if self.closure is None else self.closure.on(device),
        )


#: What training makes small, from a batch and what the model made of it.
Loss: TypeAlias = Callable[[LossInputs], Tensor]


class Trainer:
    """Fits a model to samples, and keeps the optimiser's state from one time to the next."""

    def __init__(
        self,
        model: NewsModel,
        context: Context,
        scorer: Scorer,
        training: Training,
        seed: int,
        buckets: Column,
        report: Callable[[str], None],
    ):
        self.model = model
        self.context = context
        self.articles = context.articles
        self.scorer = scorer
        self.training = training
        self.device = scorer.cache.device
        self.report = report
        self.seed = seed
        self.met = np.zeros(0, bool)  #: readers who are in a sample
        self.learn_words(buckets)
        self.rounds: list[Round] = []
        groups = model.groups(training.rate)
        if model.head is not None:
            groups.append({"params": model.head.parameters(), "lr": HEAD * training.rate})
        self.optimiser = torch.optim.Adam(groups, training.rate, fused=self.device.type == "cpu")
        groups = self.optimiser.param_groups  # in which parameters are lists, and each has a rate
        self.rates = [group["lr"] for group in groups]
        self.fitted = [parameter for group in groups for parameter in group["params"]]
        self.generator = torch.Generator(self.device)
        self.hiding = torch.Generator()
        for layer in model.modules():
            if isinstance(layer, Drawing):
                layer.generator = self.generator

    def learn_words(self, buckets: Column) -> None:
        """The bucket that each word id shares with unknown words, int64[word ids]."""
        self.buckets = torch.from_numpy(buckets)

    def fit(self, samples: Samples) -> None:
        """Train on a warm-up: epochs over its head until its tail is ranked no better, then on the tail."""
        self.meet(samples)
        head, tail = self._tail(samples)
        self._calibrate(head, first=True)
        for stage in self.model.stages():
            for epoch in range(1, stage.epochs + 1):
                self._stage(stage, head, f"epoch {epoch} of {stage.epochs}")
            self.model.finish(stage)
        best, kept, worse = -math.inf, None, 0
        for epoch in range(1, self.training.epochs + 1):
            begun = time.perf_counter()
            loss = self._epoch(head, f"epoch {epoch} of {self.training.epochs}")
            record: Round = {"epoch": epoch, "loss": loss, "seconds": round(time.perf_counter() - begun, 3)}
            self.rounds.append(record)
            if tail is None:
                self.report(f"epoch {epoch} of {self.training.epochs}, loss {loss:.4f}")
                continue
            auc = self.auc(tail)
            record["auc"] = auc
            self.report(f"epoch {epoch} of {self.training.epochs}, loss {loss:.4f}, AUC {auc:.4f}")
            if auc > best:
                best, worse = auc, 0
                kept = deepcopy((self.model.state_dict(), self.optimiser.state_dict()))
            else:
                worse += 1
                if worse >= self.training.patience:
                    break
        if kept is not None:
            self.model.load_state_dict(kept[0])
            self.optimiser.load_state_dict(kept[1])  # of the epoch that is kept, too
            self.scorer.cache.renew()
        if tail is not None:
            self.update(tail, head)

    def update(self, new: Samples, kept: Samples | None) -> None:
        """Train on new impressions, mixed with some that were kept."""
        self.meet(new)
        impression, place = clicks(new)
        if not len(impression):
            return
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = self.training.gentler * rate
        both = new if kept is None else joined([new, kept])
        self._calibrate(choose(both, np.flatnonzero(both.time > new.time[-1] - DAY)), first=False)
        for stage in self.model.stages():
            if stage.again:
                self._stage(stage, new, "again")
        begun = time.perf_counter()
        number = len(self.rounds)
        rng = np.random.default_rng([self.seed, number])
        old = tuple(column[len(impression) :] for column in clicks(both))
        share = math.ceil(NEWEST * self.training.batch) if len(old[0]) else self.training.batch
        order = np.concatenate([rng.permutation(len(impression)) for _ in range(self.training.passes)])
        losses = []
        self._seed(number)
        for first in range(0, len(order), share):
            some = order[first : first + share]
            drawn = rng.integers(0, max(1, len(old[0])), self.training.batch - share if len(old[0]) else 0)
            which = np.concatenate([impression[some], old[0][drawn]]), np.concatenate([place[some], old[1][drawn]])
            losses.append(self.step(self.batch(both, *which, rng)))
        self.scorer.cache.renew()
        loss = float(np.mean(losses))
        self.rounds.append(
            {
                "time": int(new.time[-1]),
                "impressions": len(new.time),
                "loss": loss,
                "seconds": round(time.perf_counter() - begun, 3),
            }
        )
        self.report(f"update {number}, {len(new.time)} impressions, loss {loss:.4f}")

    def auc(self, samples: Samples) -> float:
        """Mean AUC of impressions, ties as halves; candidates that were drawn count where nothing was passed over."""
        owner = np.repeat(np.arange(len(samples.time)), np.diff(samples.at))
        passed = np.bincount(owner[~samples.clicked & ~samples.drawn], minlength=len(samples.time)) > 0
        samples = with_candidates(samples, ~(samples.drawn & passed[owner]))
        batch = batch_of(samples, self.articles, self.context, self.users_of)
        scores = self.scorer.scores(batch, slate=~passed)
        return mean_auc(scores, samples)

    def users_of(self, user: Column) -> Column:
        """Rows of the table of users; readers whom no sample was about have none of their own."""
        met = np.append(self.met, False)[np.minimum(user, len(self.met))]
        return np.where(met, 2 + user.astype(np.int64) % (self.articles.size.users - 2), UNKNOWN)

    def meet(self, samples: Samples) -> None:
        """Give the readers of samples rows of their own in the table of users."""
        most = int(samples.user.max(initial=-1)) + 1
        if most > len(self.met):
            self.met = np.append(self.met, np.zeros(most - len(self.met), bool))
        self.met[samples.user] = True

    def _tail(self, samples: Samples) -> tuple[Samples, Samples | None]:
        count = len(samples.time)
        cut = count - int(TAIL * count)
        if count - cut < FEWEST:
            return samples, None
        return choose(samples, np.arange(cut)), choose(samples, np.arange(cut, count))

    def _calibrate(self, samples: Samples, first: bool) -> None:
        """Fit what is fitted to the distribution of signals, or to all articles that are known."""
        if type(self.model).survey is not NewsModel.survey:
            known = self.articles.contents(np.arange(1, self.articles.count + 1))
            self.model.survey(known.each(lambda column: column.to(self.device)))
            self.scorer.cache.renew()
        signals = Columns(self.scorer.signals, torch.from_numpy(samples.signals).to(self.device))
        if self.model.signals:
            self.model.calibrate(signals, first)
        if self.model.head is not None and first:  # its weights are for features that are standardised like this
            self.model.head.calibrate(signals)

    def _stage(self, stage: Stage, samples: Samples, what: str) -> None:
        """A pass of a stage before the one on clicks."""
        begun = time.perf_counter()
        loss = self._epoch(samples, f"{stage.name}, {what}", stage)
        self.rounds.append({"loss": loss, "seconds": round(time.perf_counter() - begun, 3)})
        self.report(f"{stage.name}, {what}, loss {loss:.4f}")

    def _epoch(self, samples: Samples, what: str, stage: Stage | None = None) -> float:
        """A pass over all clicks, or over what a stage is on; its mean loss, 0 of nothing."""
        number = len(self.rounds)
        rng = np.random.default_rng([self.seed, number])
        self._seed(number)
        loss = None if stage is None else partial(self.model.stage_loss, stage)
        least = None if stage is None else stage.reads
        impression, place = clicks(samples) if least is None else (newest_of_readers(samples, least), None)
        order = rng.permutation(len(impression))
        losses = []
        reported = time.perf_counter()
        for first in range(0, len(order), self.training.batch):
            some = order[first : first + self.training.batch]
            if place is None:
                batch = self.batch_of_reads(samples, impression[some])
            else:
                batch = self.batch(samples, impression[some], place[some], rng)
            losses.append(self.step(batch, loss))
            if time.perf_counter() - reported > 1:
                reported = time.perf_counter()
                self.report(f"{what}, {first / len(order):.0%}, loss {np.mean(losses[-50:]):.4f}")
        self.scorer.cache.renew()
        return float(np.mean(losses)) if losses else 0.0

    def _seed(self, number: int) -> None:
        self.generator.manual_seed(int(key_of(self.seed, number, "dropout")) >> 1)
        self.hiding.manual_seed(int(key_of(self.seed, number, "words")) >> 1)

    def step(self, batch: Batch, loss: Loss | None = None) -> float:
        """One step of the optimiser; returns the loss, which is the model's own by default.

        Where pairs are scored again, the loss is theirs, and the first scores have one beside it.
        """
        self.model.train()
        batch = batch._replace(contents=self._hide(batch.contents)).on(self.device)
        if loss is not None and not batch.real.shape[1]:
            nothing = torch.zeros(0, device=self.device)
            with autocast(self.device):
                small = loss(
                    LossInputs(
                        *(nothing, nothing, batch.real, batch.drawn, (), nothing),
                        *(batch.contents, batch.requests, batch.alive),
                    )
                )
        else:
            small = self._scored(batch, loss)
        self.optimiser.zero_grad(set_to_none=True)
        small.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.fitted, self.training.clip)
        self.optimiser.step()
        return float(small.detach())

    def _scored(self, batch: Batch, loss: Loss | None) -> Tensor:
        """A loss of what the model makes of clicks and their candidates."""
        contents, requests, real, drawn, log_chance, alive, closure = batch
        with autocast(self.device):
            vectors = self._vectors(contents, requests)
            if closure is not None:
                vectors = closure.spread(self.model, vectors)
                contents = contents.each(lambda column: column[: len(vectors)])
            readers, *both = self.model.scores(vectors, requests, contents)
            first, first_slate = (logits.float() for logits in both)
            logits, slate = first, first_slate
            again = self.model.pairs > 0 and loss is None
            if again:
                logits, slate = (pair_logits(self.model, contents, requests, some, real) for some in (logits, slate))
        # What is drawn more often counts for less: a softmax over samples becomes one over all articles alive.
        first_slate, slate = first_slate - log_chance, slate - log_chance
        trained = LossInputs(logits, slate, real, drawn, readers, vectors, contents, requests, alive)
        small = (self.model.loss if loss is None else loss)(trained)
        return small + click_loss(first, first_slate, real, drawn) if again else small

    def _vectors(self, contents: Contents, requests: Inputs) -> Tensor:
        """Vectors of articles, [N, width]; where contents are told of what is read, zero of what is not offered."""
        if not self.model.reads_contents or self.model.graph is not None:
            return self.model.encode(contents)
        offered = torch.unique(requests.pool)
        vectors = self.model.encode(contents.each(lambda column: column[offered]))
        return vectors.new_zeros(len(contents), vectors.shape[1]).index_put((offered,), vectors)

    def batch(self, samples: Samples, impression: Column, place: Column, rng: np.random.Generator) -> Batch:
        """Clicks, by impression and place, with freshly drawn negatives; every distinct article once."""
        passed, real = negatives(samples, impression, self.training.npratio, rng)
        real = np.column_stack([np.ones(len(place), bool), real])
        return self._batch(samples, impression, np.column_stack([place, passed]), real)

    def batch_of_reads(self, samples: Samples, impression: Column) -> Batch:
        """What readers had read at impressions, without candidates."""
        nothing = np.zeros((len(impression), 0), np.int64)
        return self._batch(samples, impression, nothing, nothing > 0)

    def _batch(self, samples: Samples, impression: Column, pool: Column, real: Column) -> Batch:
        """Impressions with candidates by place, int64[B, W], of which some are `real`, bool[B, W]."""
        longest = max(1, int(samples.length[impression].max(initial=0)))
        history = self.articles.slots(samples.history[impression, :longest])
        offered = self.articles.slots(samples.item[pool])
        offered[~real] = 0
        flat = np.concatenate([[0], history.ravel(), offered.ravel()])
        slots, rows = np.unique(flat, return_inverse=True)
        ages, sessions = (column[impression, :longest] for column in (samples.history_age, samples.history_session))
        row = samples.row[impression]
        when, signals = samples.time[impression], torch.from_numpy(samples.signals[pool])
        context = self.context.of_candidates(offered, when[:, None], samples.signals[pool], row[:, None])
        read_context = self.context.of_reads(history, when, ages, sessions, row)
        model, names = self.model, self.scorer.signals
        requests = Inputs(
            torch.from_numpy(rows[1 : 1 + history.size].reshape(history.shape)),
            torch.from_numpy(rows[1 + history.size :].reshape(offered.shape)),
            Columns(model.signals, torch.from_numpy(samples.history_signals[impression, :longest])),
            Columns(names, signals),
            Columns(model.context, torch.from_numpy(read_context)),
            Columns(model.context, torch.from_numpy(context)),
            torch.from_numpy(self.users_of(samples.user[impression])),
        )
        drawn = real & samples.drawn[pool]
        around = self.scorer.cache.neighbours
        closure = None if around is None or not real.size else around.closure(slots)
        contents = self.articles.contents(slots if closure is None else closure.slots, trim=True)
        chance = samples.chance[pool]
        log_chance = torch.from_numpy(np.log(np.where(chance > 0, chance, 1)))
        alive = torch.from_numpy(samples.alive[impression].astype(np.float32))
        return Batch(contents, requests, torch.from_numpy(real), torch.from_numpy(drawn), log_chance, alive, closure)

    def _hide(self, contents: Contents) -> Contents:
        texts = self.scorer.cache.texts
        return contents.replaced(**{name: self._hidden(contents.columns[name]) for name in texts})

    def _hidden(self, ids: Tensor) -> Tensor:
        if not ids.numel() or not len(self.buckets):
            return ids
        hide = torch.empty(ids.shape).bernoulli_(HIDDEN, generator=self.hiding) > 0
        return torch.where(hide, self.buckets[ids.clamp(max=len(self.buckets) - 1)], ids)


def mean_auc(scores: Column, samples: Samples) -> float:
    """P(clicked > passed) + ½ P(equal) of each impression, averaged over those that have both."""
    aucs = [
        _auc(scores[begin:end], samples.clicked[begin:end])
        for begin, end in zip(samples.at[:-1].tolist(), samples.at[1:].tolist(), strict=True)
    ]
    defined = [auc for auc in aucs if auc is not None]
    return float(np.mean(defined)) if defined else math.nan


def _auc(scores: Column, clicked: Column) -> float | None:
    won, lost = scores[clicked], scores[~clicked]
    if not len(won) or not len(lost):
        return None
    return float(np.mean((won[:, None] > lost) + 0.5 * (won[:, None] == lost)))

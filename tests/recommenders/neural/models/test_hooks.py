"""What models of one's own can say of their training and of what they are told, in replays of a small log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from newsreplay.errors import RecommenderError
from newsreplay.log.rows import DAY, HOUR, READ, ExtraColumn, Log
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.neural.learning.requests import NUMBERS, number_of
from newsreplay.recommenders.neural.learning.training import HEAD
from newsreplay.recommenders.neural.models.fields import CATEGORY, TITLE, Columns
from newsreplay.recommenders.neural.models.model import (
    TINY,
    TRAININGS,
    UNKNOWN,
    Group,
    LossInputs,
    NewsModel,
    Offered,
    Read,
    Size,
    Stage,
    Training,
)
from newsreplay.recommenders.neural.recommender import Neural
from newsreplay.recommenders.neural.recommenders import recommender_of
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from tests.recommenders.neural.models.small_models import InContext, Several, Small

LOG, ARTICLES = made_up_log(1_500, seed=3)
ROUND = Training(rate=1e-2, epochs=1, batch=16, gentler=0.5)


def answered(model: type[NewsModel], **parameters: Any) -> Neural:
    """A model's recommender after a replay in which it was updated and answered."""
    recommender = recommender_of(model)(size="tiny", **{"update": "every(hours=6)", "popularity": "none", **parameters})
    done = replay(LOG, recommender, Setting(k=5), articles=ARTICLES)
    assert done.scores is not None
    assert np.isfinite(done.scores).any()
    assert sum("impressions" in one for one in recommender.self_report().rounds) > 1
    return recommender


def trainer_of(recommender: Neural) -> Any:
    assert recommender.learned is not None
    return recommender.learned.trainer


# --- context --------------------------------------------------------------------------------------------


def watched(model: type[NewsModel], seen: dict[str, list[Any]]) -> type[NewsModel]:
    """The same model, which keeps what it is given when it is trained and when it answers."""

    class Watched(model):  # type: ignore[valid-type, misc]
        def loss(self, batch: LossInputs) -> Tensor:
            seen.setdefault("trained", []).append(batch)
            return super().loss(batch)

        def readers(self, read: Read) -> tuple[Tensor, ...]:
            if not self.training:
                seen.setdefault("read", []).append(read)
            return super().readers(read)

        def score(self, readers: tuple[Tensor, ...], offered: Offered) -> Tensor:
            if not self.training:
                seen.setdefault("offered", []).append((readers, offered))
            return super().score(readers, offered)

    return Watched


class InSession(InContext):
    fields: ClassVar = (TITLE, CATEGORY)


class InAll(InSession):
    history: ClassVar = "reader"


def of_reads(batches: Iterable[LossInputs], name: str) -> Tensor:
    """One column of the context of all that was read, one after the other."""
    columns = [getattr(batch.requests.history_context, name)[batch.requests.history > 0] for batch in batches]
    return torch.cat(columns)


def test_a_model_of_the_session_is_told_of_reads_and_candidates_what_it_declares() -> None:
    seen: dict[str, list[Any]] = {}
    answered(watched(InSession, seen))
    for batch in seen["trained"]:
        requests = batch.requests
        some = requests.history > 0
        read, offered = requests.history_context, requests.context
        assert read.names == offered.names == InContext.context
        assert read.values.shape == (*requests.history.shape, 4)
        assert offered.values.shape == (*requests.pool.shape, 4)
        assert requests.signals.names == ("known_hours",)
        assert (read.session[some] == 1).all()
        assert (offered.session == 1).all()
        assert torch.equal(read.category[some].long(), batch.contents.category[requests.history][some])
        assert torch.equal(offered.category[batch.real].long(), batch.contents.category[requests.pool][batch.real])
        assert torch.equal(offered.age[batch.real], requests.signals.known_hours[batch.real])
        older, newer = read.age[:, :-1], read.age[:, 1:]
        assert (older >= newer)[some[:, 1:]].all()
        since = (offered.hour[:, :1] - read.age - read.hour)[some] % 24
        assert torch.minimum(since, 24 - since).max() < 1e-3
    ages, hours = of_reads(seen["trained"], "age"), of_reads(seen["trained"], "hour")
    assert len(ages) > 100
    assert ages.min() >= 0
    read_at = torch.from_numpy(LOG.time[LOG.kind == READ] / HOUR % 24)
    assert (hours[:, None] - read_at).abs().amin(1).max() < 1e-3  # all are hours of reads
    assert len(of_reads(seen["trained"], "category").unique()) > 2


@pytest.mark.parametrize("model", [InSession, InAll])
def test_what_it_is_told_holds_nothing_of_the_future(model: type[NewsModel]) -> None:
    [entry] = start_list([recommender_of(model)(size="tiny", update="every(hours=12)")])
    verdict = check_entry(entry, log=LOG, articles=ARTICLES, cuts=3, k=5, apart=False)
    assert verdict.cuts == 3
    assert verdict.passed, str(verdict)


def test_it_is_told_the_same_when_it_answers() -> None:
    seen: dict[str, list[Any]] = {}
    answered(watched(InSession, seen))
    read = [(read.context.session[read.mask], read.context.age[read.mask]) for read in seen["read"]]
    sessions, ages = (torch.cat(parts) for parts in zip(*read, strict=True))
    assert len(ages) > 100
    assert (sessions == 1).all()
    assert (ages >= 0).all()
    for _, offered in seen["offered"]:
        assert offered.context.names == InContext.context
        assert offered.context.values.shape == (*offered.vectors.shape[:2], 4)
        real = offered.context.session == 1  # the rest fills rows up
        assert torch.equal(offered.context.age[real], offered.signals.known_hours[real])
        assert (offered.context.category[real] >= UNKNOWN).all()
        assert ((offered.context.hour >= 0) & (offered.context.hour < 24)).all()


@pytest.mark.parametrize(("model", "sessions"), [(InSession, {1.0}), (InAll, {0.0, 1.0})])
def test_reads_of_a_reader_are_of_this_session_and_of_others(model: type[NewsModel], sessions: set[float]) -> None:
    seen: dict[str, list[Any]] = {}
    answered(watched(model, seen))
    assert set(of_reads(seen["trained"], "session").unique().tolist()) == sessions


# --- readers and losses ---------------------------------------------------------------------------------


def test_a_reader_may_be_several_vectors() -> None:
    seen: dict[str, list[Any]] = {}
    answered(watched(Several, seen))
    for batch in seen["trained"]:
        vectors, count = batch.readers
        assert vectors.shape == (len(batch.logits), 2, TINY.filters)
        assert torch.equal(count, 1 + (batch.requests.history > 0).sum(1))
    for (vectors, count), offered in seen["offered"]:
        assert vectors.shape == (len(offered.vectors), 2, TINY.filters)
        assert count.shape == (len(offered.vectors),)


def test_a_reader_of_dot_products_may_be_more_than_one_vector() -> None:
    """Of which the first one is what candidates are set against."""

    class Both(Several):
        dot = True

        def readers(self, read: Read) -> tuple[Tensor, ...]:
            vectors, count = super().readers(read)
            return vectors[:, 0], count

        score = NewsModel.score

    answered(Both)


def test_a_loss_is_given_readers_articles_and_what_they_say() -> None:
    seen: list[LossInputs] = []

    class Topical(Small):
        """Readers, too, have a topic: that of what they click."""

        fields: ClassVar = (TITLE, CATEGORY)

        def __init__(self, size: Size, words: nn.Module):
            super().__init__(size, words)
            self.topic = nn.Linear(size.filters, size.categories)
            nn.init.zeros_(self.topic.weight)

        def loss(self, batch: LossInputs) -> Tensor:
            seen.append(batch)
            clicked = batch.contents.category[batch.requests.pool[:, 0]]
            of_readers = nn.functional.cross_entropy(self.topic(batch.readers[0]), clicked)
            return super().loss(batch) + of_readers + self.topic(batch.vectors).square().mean()

    recommender = answered(Topical)
    assert recommender.learned is not None
    assert recommender.learned.model.get_submodule("topic").get_parameter("weight").any()
    assert any(batch.drawn.any() for batch in seen)
    for batch in seen:
        requests, count = batch.requests, len(batch.logits)
        assert batch.logits.dtype == torch.float32
        assert batch.logits.shape == batch.real.shape == batch.drawn.shape == requests.pool.shape
        assert batch.readers[0].shape == (count, TINY.filters)
        assert batch.vectors.shape == (len(batch.contents), TINY.filters)
        assert requests.history.shape[0] == requests.user.shape[0] == count
        assert batch.real[:, 0].all()
        assert not batch.drawn[:, 0].any()
        assert not (batch.drawn & ~batch.real).any()
        assert torch.equal(batch.real, requests.pool > 0)
        assert not batch.contents.title[0].any()
        assert batch.contents.category[0] == 0
        assert batch.contents.category[1:].all()
        needed = torch.cat([requests.pool.flatten(), requests.history.flatten(), torch.zeros(1, dtype=torch.int64)])
        assert torch.equal(needed.unique(), torch.arange(len(batch.contents)))  # each article once, and no other
        expected = batch.vectors[requests.pool] @ batch.readers[0].unsqueeze(-1)
        assert torch.allclose(batch.logits, expected.squeeze(-1), atol=1e-5)


# --- stages ---------------------------------------------------------------------------------------------


class Staged(Small):
    """Two stages before clicks; the first is repeated before every update. It notes what it is asked for."""

    trainings: ClassVar = TRAININGS | {"tiny": ROUND}
    signals: ClassVar = ("clicks",)
    asked: ClassVar[list[tuple[str, int]]]

    def __init__(self, size: Size, words: nn.Module):
        super().__init__(size, words)
        self.early = nn.Parameter(torch.zeros(size.filters))
        self.late = nn.Parameter(torch.zeros(size.filters))

    def stages(self) -> tuple[Stage, ...]:
        return Stage("what is read", 2, again=True), Stage("what is offered", 1)

    def stage_loss(self, stage: Stage, batch: LossInputs) -> Tensor:
        self.asked.append((stage.name, len(batch.logits)))
        own = self.early if stage.again else self.late
        return (own - 1).square().sum() + 0 * batch.logits.sum()

    def loss(self, batch: LossInputs) -> Tensor:
        self.asked.append(("clicks", len(batch.logits)))
        return super().loss(batch)

    def calibrate(self, signals: Columns, first: bool) -> None:
        self.asked.append((f"calibrated, {first=}", len(signals.values)))


def test_stages_come_before_clicks_and_again_before_updates() -> None:
    Staged.asked = []
    recommender = answered(Staged)
    passes = [(name, [count for _, count in some]) for name, some in groupby(Staged.asked, lambda asked: asked[0])]
    names = [name for name, _ in passes]
    warm_up = ["calibrated, first=True", "what is read", "what is offered", "clicks"]
    update = ["calibrated, first=False", "what is read", "clicks"]
    updates = (len(names) - len(warm_up)) // len(update)
    assert names == warm_up + updates * update
    assert updates > 1
    _, read, offered, clicks = (sum(counts) for _, counts in passes[:4])
    assert (read, offered) == (2 * clicks, clicks)  # two epochs over the warm-up, and one
    for place in range(4, len(passes), 3):
        assert sum(passes[place + 1][1]) <= sum(passes[place + 2][1])  # over what is new alone
    rounds = recommender.self_report().rounds
    assert len(rounds) == 2 + 1 + 1 + 2 * updates
    assert all(np.isfinite(one["loss"]) for one in rounds)


def test_a_stage_trains_what_only_its_loss_depends_on() -> None:
    Staged.asked = []
    model = trainer_of(answered(Staged)).model
    assert 0 < model.late.max() < model.early.max() <= 1.1


def test_a_stage_without_a_loss_is_refused() -> None:
    class Unfinished(Small):
        def stages(self) -> tuple[Stage, ...]:
            return (Stage("unfinished", 1),)

    with pytest.raises(NotImplementedError):
        answered(Unfinished)


# --- groups ---------------------------------------------------------------------------------------------


class Grouped(Small):
    """Words are left as they are, and what they are projected with is fitted ten times as fast as the rest."""

    trainings: ClassVar = TRAININGS | {"tiny": ROUND}

    def groups(self, rate: float) -> list[Group]:
        return [
            {"params": self.words.parameters(), "lr": 0.0},
            {"params": [self.nobody], "lr": rate},
            {"params": self.project.parameters(), "lr": 10 * rate},
        ]


class Alike(Small):
    trainings: ClassVar = TRAININGS | {"tiny": ROUND}


@pytest.mark.parametrize("popularity", ["none", "joint"])
def test_groups_keep_their_rates_and_updates_are_gentler_by_the_same_share(popularity: str) -> None:
    trainer = trainer_of(answered(Grouped, popularity=popularity))
    head = [HEAD * ROUND.rate] if popularity == "joint" else []
    rates = [0.0, ROUND.rate, 10 * ROUND.rate, *head]
    assert trainer.rates == rates
    assert [group["lr"] for group in trainer.optimiser.param_groups] == [ROUND.gentler * rate for rate in rates]


def first_and_last(kind: type[NewsModel]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights before the first training and after the last update."""
    first: dict[str, Tensor] = {}

    class Started(kind):  # type: ignore[valid-type, misc]
        signals: ClassVar = ("clicks",)

        def calibrate(self, signals: Columns, first_time: bool) -> None:
            if first_time:
                first.update({name: value.clone() for name, value in self.state_dict().items()})

    return first, trainer_of(answered(Started)).model.state_dict()


def test_what_has_no_rate_does_not_move_and_what_has_a_higher_one_moves_further() -> None:
    first, grouped = first_and_last(Grouped)
    same_first, alike = first_and_last(Alike)
    assert torch.equal(first["words.weight"], same_first["words.weight"])
    assert torch.equal(grouped["words.weight"], first["words.weight"])
    assert not torch.equal(alike["words.weight"], first["words.weight"])
    moved = [float((last["project.weight"] - first["project.weight"]).abs().mean()) for last in (grouped, alike)]
    assert moved[0] > 2 * moved[1] > 0


def test_a_group_without_a_rate_has_that_of_the_training() -> None:
    class Half(Small):
        trainings: ClassVar = TRAININGS | {"tiny": ROUND}

        def groups(self, rate: float) -> list[Group]:
            return [{"params": [self.nobody], "lr": 2 * rate}, {"params": self.project.parameters()}]

    assert trainer_of(answered(Half)).rates == [2 * ROUND.rate, ROUND.rate]


# --- calibration ----------------------------------------------------------------------------------------


def test_a_model_is_calibrated_with_the_warm_up_and_then_with_the_last_day() -> None:
    shown: list[tuple[bool, Columns]] = []

    class Calibrated(Small):
        trainings: ClassVar = TRAININGS | {"tiny": ROUND}
        signals: ClassVar = ("age", "clicks")

        def calibrate(self, signals: Columns, first: bool) -> None:
            shown.append((first, replace(signals)))

    recommender = answered(Calibrated, popularity="joint")
    assert recommender.learned is not None
    assert [first for first, _ in shown] == [True, *(len(shown) - 1) * [False]]
    assert len(shown) > 2
    for _, signals in shown:
        assert signals.names == recommender.blueprint.signals
        assert signals.values.shape == (len(signals.values), len(signals.names))
        assert signals.age.min() >= 1
    kept = [len(signals.values) for _, signals in shown]
    assert LOG.time[-1] - LOG.time[0] > 2 * DAY
    assert kept[-1] < sum(kept[:-1])  # of all that it has learned from, the last day's


def test_a_model_without_signals_is_not_calibrated() -> None:
    class Bare(Small):
        def calibrate(self, signals: Columns, first: bool) -> None:
            raise AssertionError("there is nothing to calibrate with")

    answered(Bare, popularity="joint")


class OnDevice(Small):
    """Candidates are told on which device the request is made."""

    context: ClassVar = ("kept_device",)

    def __init__(self, size: Size, words: nn.Module):
        super().__init__(size, words)
        self.device = nn.Embedding(8, 1)

    def score(self, readers: tuple[Tensor, ...], offered: Offered) -> Tensor:
        suits = self.device(offered.context.kept_device.long().clamp(min=-1).add(1).remainder(8)).squeeze(-1)
        return super().score(readers, offered) + suits


def on_devices() -> Log:
    code = (np.arange(len(LOG.time)) % 3 - 1).astype(np.int32)
    return LOG._replace(extra=(ExtraColumn("device", code, ("phone", "tv")),))


def test_a_model_is_told_what_was_kept_of_the_row_of_the_request_as_a_number_of_its_text() -> None:
    seen: dict[str, list[Any]] = {}
    recommender = recommender_of(watched(OnDevice, seen))(size="tiny", update="every(hours=12)")
    replay(on_devices(), recommender, Setting(k=5), articles=ARTICLES)
    known = {-1, number_of("phone"), number_of("tv")}
    assert seen["trained"]
    trained = torch.cat([batch.requests.context.kept_device[batch.real] for batch in seen["trained"]])
    answered_with = torch.cat([offered.context.kept_device.flatten() for _, offered in seen["offered"]])
    assert {int(number) for number in trained.unique()} == known
    assert {int(number) for number in answered_with.unique()} - {0} <= known
    for batch in seen["trained"]:
        kept = batch.requests.context.kept_device
        assert all(len(row[real].unique()) == 1 for row, real in zip(kept, batch.real, strict=True))


def test_what_was_kept_of_later_rows_is_out_of_its_reach_and_without_the_column_it_says_so() -> None:
    [entry] = start_list([recommender_of(OnDevice)(size="tiny", update="every(hours=12)")])
    verdict = check_entry(entry, log=on_devices(), articles=ARTICLES, cuts=3, k=5, apart=False)
    assert verdict.passed, str(verdict)
    with pytest.raises(RecommenderError, match="--keep device"):
        replay(LOG, entry.make(), Setting(k=5), articles=ARTICLES)


def test_a_text_has_the_same_number_in_every_log() -> None:
    assert number_of("phone") == 506_355  # models that are saved were told so
    assert number_of("phone") != number_of("tv")
    assert 0 <= number_of("phone") < NUMBERS

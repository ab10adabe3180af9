"""PUNR in the stream: pre-trained on what readers read, over either kind of language model, blind to what comes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from newsreplay.errors import NewsreplayError
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.neural.articles.plm import LanguageModel
from newsreplay.recommenders.neural.articles.texts import tokens
from newsreplay.recommenders.neural.models.fields import Contents
from newsreplay.recommenders.neural.models.model import TRAININGS, LossInputs, Offered, Read, Size, Stage, Training
from newsreplay.recommenders.neural.recommender import Neural
from newsreplay.recommenders.neural.recommenders import NRMSBERT, PUNR, recommender_of
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import Replayed
from tests.recommenders.neural.models.small_models import Small
from tests.recommenders.neural.test_language_models import minilm  # noqa: F401  # a fixture
from tests.recommenders.neural.tiny_bert import LAYERS

LOG, ARTICLES = made_up_log(1_000, seed=3)
VARIANTS = ("", "lazy=90, continual=true", "siamese=false, pooling=attention", "popularity=none, replace=mask")
SLOW = [pytest.param(options, marks=pytest.mark.slow) for options in VARIANTS[2:]]


def tiny(**parameters: Any) -> Neural:
    made: Neural = PUNR(**{"size": "tiny", "update": "every(hours=12)"} | parameters)
    return made


def answered(recommender: Neural, seed: int = 0, **options: Any) -> Replayed:
    return replay(LOG, recommender, Setting(k=5, seed=seed, **options), articles=ARTICLES)


def scores_of(done: Replayed) -> Any:
    assert done.scores is not None
    return done.scores


def learned(recommender: Neural) -> Any:
    """What exists after training."""
    assert recommender.learned is not None
    return recommender.learned


def notes_of(done: Replayed) -> str:
    assert done.self_report is not None
    return "; ".join(done.self_report.notes)


@pytest.mark.parametrize("options", [*VARIANTS[:2], *SLOW])
def test_overwriting_the_future_changes_no_bit_of_an_answer(options: str) -> None:
    [entry] = start_list(f"punr(size=tiny, update=every(hours=12), {options})".replace(", )", ")"))
    verdict = check_entry(entry, log=LOG, articles=ARTICLES, cuts=2, k=5, apart=False)
    assert verdict.cuts == 2
    assert verdict.finding is None, str(verdict.finding)


@pytest.mark.slow
def test_overwriting_the_future_changes_no_bit_over_a_language_model(bert: Path) -> None:
    [entry] = start_list(f"punr(size=tiny, plm='{bert}', plm_rate=0.01, update=every(hours=12))")
    verdict = check_entry(entry, log=LOG, articles=ARTICLES, cuts=2, k=5, apart=False)
    assert verdict.finding is None, str(verdict.finding)


@pytest.mark.slow
@pytest.mark.parametrize("spec", [*(f"punr(size=tiny, {options})" for options in VARIANTS[:2]), "nrms-bert(size=tiny)"])
def test_overwriting_the_future_changes_nothing_at_twenty_cuts(spec: str) -> None:
    [entry] = start_list(spec.replace(", )", ")"))
    verdict = check_entry(entry, cuts=20, apart=False)
    assert verdict.finding is None, str(verdict.finding)


def test_the_seed_alone_decides_what_is_learned_and_answered() -> None:
    """Masks included."""
    found = []
    for seed, elsewhere in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(elsewhere)
        found.append(scores_of(answered(tiny(update=None), seed)).tobytes())
        after = torch.get_rng_state()
        torch.manual_seed(elsewhere)
        assert torch.equal(torch.get_rng_state(), after)
    assert found[0] == found[1] != found[2]


def test_answers_one_by_one_are_those_of_a_batch() -> None:
    late, prompt = answered(tiny()), answered(tiny(), timed=True)
    np.testing.assert_allclose(scores_of(late), scores_of(prompt), rtol=1e-4, atol=1e-5)


def test_pre_training_changes_what_is_learned_and_may_be_left_out() -> None:
    found = {pretrain: tiny(update=None, pretrain=pretrain) for pretrain in (0, 1)}
    scores = [scores_of(answered(recommender)) for recommender in found.values()]
    assert not np.array_equal(*scores)
    assert [len(recommender.self_report().rounds) for recommender in found.values()] == [2, 3]


def test_pre_training_goes_on_with_what_is_new_if_it_is_continual() -> None:
    rounds = {}
    for continual in (False, True):
        recommender = tiny(continual=continual, pretrain=1)
        answered(recommender)
        rounds[continual] = recommender.self_report().rounds
    updates = sum("impressions" in one for one in rounds[True])
    assert updates > 1
    assert len(rounds[True]) - len(rounds[False]) == updates


# --- what it reads with ---------------------------------------------------------------------------------


def test_a_language_model_that_started_from_random_numbers_is_said_to_have(bert: Path) -> None:
    for made in (PUNR, NRMSBERT):
        assert "started from random numbers" in notes_of(answered(made(size="tiny", update=None)))
    assert "random numbers" not in notes_of(answered(tiny(plm=str(bert), update=None, epochs=1, pretrain=1)))


def test_nrms_bert_without_a_language_model_trains_one_wholly(tmp_path: Path) -> None:
    recommender = NRMSBERT(size="tiny", update=None)
    scores = scores_of(answered(recommender))
    assert np.isfinite(scores[-50:]).all()
    rates = {group["lr"] for group in learned(recommender).trainer.optimiser.param_groups}
    assert not rates & {1e-5}
    recommender.save_weights(tmp_path / "weights")
    again = scores_of(answered(NRMSBERT(weights=str(tmp_path / "weights"), update=None)))
    trained = np.isfinite(scores)
    np.testing.assert_allclose(scores[trained], again[trained], rtol=1e-5, atol=1e-6)


def test_training_changes_the_last_layers_and_nothing_else_of_the_language_model(bert: Path) -> None:
    recommender = tiny(plm=str(bert), layers_trained=1, plm_rate=1e-2, update=None)
    done = answered(recommender)
    assert np.isfinite(scores_of(done)[-50:]).all()
    before, after = LanguageModel(str(bert), None).state_dict(), learned(recommender).words.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[3] for name in changed} == {str(LAYERS - 1)}


@pytest.mark.parametrize("options", [{}, {"siamese": False}, {"words": True}], ids=str)
def test_saved_weights_answer_as_the_model_that_was_saved(
    options: dict[str, Any], tmp_path: Path, empty_home: Path
) -> None:
    """With word vectors, of later words too."""
    if "words" in options:
        titles = ARTICLES.texts["title"][0].to_pylist()
        found = sorted({word for title in titles for word in tokens(title or "")})
        lines = [f"{word} {' '.join(str((n * k) % 7 / 7) for k in range(8))}\n" for n, word in enumerate(found)]
        (tmp_path / "vectors.txt").write_text("".join(lines))
        options = {"words": str(tmp_path / "vectors.txt")}
    first = tiny(update=None, **options)
    scores = scores_of(answered(first))
    first.save_weights(tmp_path / "weights")
    words = {"words": options["words"]} if "words" in options else {}
    again = scores_of(answered(tiny(weights=str(tmp_path / "weights"), size="small", update=None, **words)))
    trained = np.isfinite(scores)
    assert trained.any()
    np.testing.assert_allclose(scores[trained], again[trained], rtol=1e-5, atol=1e-6)


def test_saved_weights_over_a_language_model_have_the_trained_layers_alone(bert: Path, tmp_path: Path) -> None:
    first = tiny(plm=str(bert), layers_trained=1, update=None)
    scores = scores_of(answered(first))
    first.save_weights(tmp_path / "weights")
    of_words = {name for name in load_file(tmp_path / "weights") if ".words." in name}
    own = LanguageModel(str(bert), None).state_dict()
    assert of_words == {f"encoder.words.{name}" for name in own if f"layer.{LAYERS - 1}." in name}
    again = scores_of(answered(PUNR(weights=str(tmp_path / "weights"), update=None)))
    trained = np.isfinite(scores)
    np.testing.assert_allclose(scores[trained], again[trained], rtol=1e-5, atol=1e-6)


def test_weights_whose_words_have_no_marks_are_damaged(tmp_path: Path) -> None:
    first = tiny(update=None, epochs=1, pretrain=0)
    answered(first)
    first.save_weights(tmp_path / "weights")
    kept = load_file(tmp_path / "weights")
    words = bytes(kept["vocabulary"].tolist()).decode().replace("[MASK]", "masked")
    kept["vocabulary"] = torch.tensor(list(words.encode()), dtype=torch.uint8)
    with safe_open(tmp_path / "weights", framework="pt") as file:
        metadata = file.metadata()
    save_file(kept, tmp_path / "damaged", metadata)
    with pytest.raises(NewsreplayError, match=r"is damaged \(there is no \[MASK\] among the words\); make it again"):
        answered(PUNR(weights=str(tmp_path / "damaged")))


# --- readers that are kept ------------------------------------------------------------------------------


def test_readers_who_read_nothing_since_are_not_read_again() -> None:
    recommender = tiny(update=None)
    done = answered(recommender)
    kept = learned(recommender).scorer.readers
    assert done.self_report is not None
    assert 0 < kept.made < 0.9 * done.self_report.answers
    assert "before their last" not in notes_of(done)


def test_laziness_reads_less_and_says_how_far_readers_had_gone_on() -> None:
    lazy, fresh = tiny(update=None, lazy=240), tiny(update=None)
    done = answered(lazy)
    answered(fresh)
    assert learned(lazy).scorer.readers.made < 0.8 * learned(fresh).scorer.readers.made
    found = re.search(
        r"([\d.]+)% of the answers are for readers as they were before their last ([\d.]+) reads", notes_of(done)
    )
    assert found is not None
    staleness = learned(lazy).scorer.readers.staleness
    assert float(found[1]) == pytest.approx(100 * staleness.stale / staleness.answers, abs=0.05)
    assert staleness.answers == lazy.self_report().answers
    assert float(found[2]) == pytest.approx(staleness.behind / staleness.stale, abs=0.05)
    assert float(found[2]) >= 1


# --- models of one's own that read contents, and stages on reads ----------------------------------------


class Joint(Small):
    """The words of all that was read make a reader; a stage on reads comes first, and again."""

    reads_contents: ClassVar = True
    trainings: ClassVar = TRAININGS | {"tiny": Training(rate=1e-2, epochs=1, batch=16)}
    seen: ClassVar[list[Any]]
    encoded: ClassVar[list[int]]

    def reading(self, vectors: Tensor) -> Tensor:
        raise AssertionError("what was read is told by its contents")

    def encode(self, contents: Contents) -> Tensor:
        self.encoded.append(len(contents))
        return super().encode(contents)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        assert read.contents is not None
        assert read.vectors.shape[-1] == 0
        assert read.contents.title.shape[:2] == read.mask.shape
        words = torch.tanh(self.project(self.words(read.contents.title).sum(2)))
        return self.mean(words, read.mask), read.mask.sum(1)

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("reads", 2, again=True, reads=3),)

    def stage_loss(self, stage: Stage, batch: LossInputs) -> Tensor:
        self.seen.append((batch, len(self.encoded)))
        return self.nobody.square().sum()

    def finish(self, stage: Stage) -> None:
        self.seen.append(stage)


class Several(Joint):
    """Not by a dot product."""

    def score(self, readers: tuple[Tensor, ...], offered: Offered) -> Tensor:
        return super().score(readers, offered) + 0.1 * readers[1].unsqueeze(-1)


class Whole(Joint):
    dot: ClassVar = True


@pytest.mark.parametrize("model", [Several, Whole])
def test_a_model_of_ones_own_may_read_contents(model: type[Joint]) -> None:
    model.seen, model.encoded = [], []
    [entry] = start_list([recommender_of(model)(size="tiny", update="every(hours=12)")])
    verdict = check_entry(entry, log=LOG, articles=ARTICLES, cuts=2, k=5, apart=False)
    assert verdict.finding is None, str(verdict.finding)


def test_a_stage_on_reads_is_on_every_reader_once_and_scores_nothing() -> None:
    Whole.seen, Whole.encoded = [], []
    recommender = recommender_of(Whole)(size="tiny", update="every(hours=12)")
    answered(recommender)
    places = [place for place, one in enumerate(Whole.seen) if isinstance(one, Stage)]
    assert len(places) == 1  # when the stage is over for the first time
    first, later = Whole.seen[: places[0]], Whole.seen[places[0] + 1 :]
    assert later
    assert len({count for _, count in first}) == 1  # nothing was encoded in between
    for batch, _ in (*first, *later):
        history = batch.requests.history
        assert ((history > 0).sum(1) >= 3).all()
        assert batch.contents.title[history].shape[:2] == history.shape
        assert batch.real.shape == batch.drawn.shape == batch.requests.pool.shape == (len(history), 0)
        assert batch.logits.numel() == batch.slate_logits.numel() == batch.vectors.numel() == 0
        assert batch.readers == ()
    users = torch.cat([batch.requests.user for batch, _ in first])
    half = len(users) // 2
    assert 2 * half == len(users)  # two epochs
    assert sorted(users[:half].tolist()) == sorted(users[half:].tolist())
    # rows of the table of users are shared by some readers; there are fewer readers than clicks
    assert half <= len(learned(recommender).trainer.met)
    names = [one for one in recommender.self_report().rounds if "impressions" not in one]
    assert len(names) == 2 + 1 + sum("impressions" in one for one in recommender.self_report().rounds)


def test_what_is_read_alone_is_not_encoded_in_training() -> None:
    seen: list[tuple[int, LossInputs]] = []

    class Noted(Whole):
        def loss(self, batch: LossInputs) -> Tensor:
            seen.append((self.encoded[-1], batch))
            return super().loss(batch)

        def stages(self) -> tuple[Stage, ...]:
            return ()

    Noted.seen, Noted.encoded = [], []
    answered(recommender_of(Noted)(size="tiny", update=None, popularity="none"))
    assert any(count < len(batch.contents) for count, batch in seen)
    for count, batch in seen:
        offered = batch.requests.pool.unique()
        assert count == len(offered)
        rest = torch.ones(len(batch.contents), dtype=torch.bool)
        rest[offered] = False
        assert not batch.vectors[rest].any()
        expected = (batch.vectors[batch.requests.pool] @ batch.readers[0].unsqueeze(-1)).squeeze(-1)
        torch.testing.assert_close(batch.logits, expected)


def test_a_stage_nobody_has_read_enough_for_is_passed_over() -> None:
    class Demanding(Whole):
        def stages(self) -> tuple[Stage, ...]:
            return (Stage("reads", 1, reads=1_000),)

    Demanding.seen, Demanding.encoded = [], []
    recommender = recommender_of(Demanding)(size="tiny", update=None)
    answered(recommender)
    assert recommender.self_report().rounds[0]["loss"] == 0.0


def test_word_models_need_not_be_language_models() -> None:
    """`words` of such models are what `plm` or the log makes them."""

    class Plain(Whole):
        def __init__(self, size: Size, words: nn.Module):
            super().__init__(size, words)
            assert not hasattr(words, "marks")

    Plain.seen, Plain.encoded = [], []
    answered(recommender_of(Plain)(size="tiny", update=None))


# --- real weights ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_real_language_model_is_pre_trained_tuned_saved_and_loaded(minilm: Path, tmp_path: Path) -> None:  # noqa: F811
    first = PUNR(size="tiny", plm=str(minilm), update=None, epochs=1, pretrain=1, layers_trained=1)
    scores = scores_of(answered(first))
    assert [one["loss"] > 0 for one in first.self_report().rounds][:2] == [True, True]
    first.save_weights(tmp_path / "weights")
    again = scores_of(answered(PUNR(weights=str(tmp_path / "weights"), update=None)))
    trained = np.isfinite(scores)
    assert trained.any()
    np.testing.assert_allclose(scores[trained], again[trained], rtol=1e-5, atol=1e-6)

"""Neural models in the stream: blind to the future, exact in batches, never stale."""

from __future__ import annotations

import math
import pickle
from dataclasses import FrozenInstanceError, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from newsreplay.errors import NewsreplayError, SpecError
from newsreplay.log.rows import DAY, HOUR, IMPRESSION, OUTCOME, READ, make_log
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.built_ins import BUILT_IN
from newsreplay.recommenders.neural import recommenders
from newsreplay.recommenders.neural.learned import Learned
from newsreplay.recommenders.neural.learning.collector import choose_captures, shown_alone
from newsreplay.recommenders.neural.learning.requests import batch_of
from newsreplay.recommenders.neural.learning.training import NEWEST, Trainer
from newsreplay.recommenders.neural.models import nrms
from newsreplay.recommenders.neural.models.fields import Columns
from newsreplay.recommenders.neural.models.model import Inputs, Training
from newsreplay.recommenders.neural.options import NeuralOptions, Update, parse_update
from newsreplay.recommenders.neural.recommender import Neural, best
from newsreplay.recommenders.neural.stream.state import Captures
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log, with_facts
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import Replayed

OTHERS = ("sasrec", "narm", "stamp", "cennewsrec", "sentirec", "mins", "manner-cr")  #: told what another one is: `slow`
LATER = ("hierec", "glory", "cne-sue", "dkn", "mccm", "dssm")  #: of which the suite tests that they are blind
NAMES = (
    *("nrms", "naml", "lstur", "tanr", "caum", "pprec", "awrs", "crown", "fim", "npa", "miner", "gru4rec"),
    *(*LATER, *OTHERS),
)
EACH = [pytest.param(name, marks=[pytest.mark.slow] * (name in OTHERS + LATER)) for name in NAMES]
BLIND = [pytest.param(name, marks=[pytest.mark.slow] * (name in ("fim", *OTHERS))) for name in NAMES]
SPELLED = {"pprec": "PPRec", "hierec": "HieRec", "cne-sue": "CNESUE", "gru4rec": "GRU4Rec", "sasrec": "SASRec"}
SPELLED |= {"cennewsrec": "CenNewsRec", "sentirec": "SentiRec", "manner-cr": "MANNeRCR"}
QUICK = ("nrms", "awrs", "crown")  #: whose saved weights are tested in the suite; those of the others are `slow`
LOG, ARTICLES = made_up_log(1_500, seed=3)
TOLD = with_facts(ARTICLES, len(LOG.time))
#: The same readers without impressions.
READS = make_log(
    **{
        name: getattr(LOG, name)[(LOG.kind != IMPRESSION) & (LOG.kind != OUTCOME)]
        for name in ("time", "kind", "session", "user", "item", "category")
    }
)


def answered(recommender: Any, log: Any = LOG, **options: Any) -> Replayed:
    return replay(log, recommender, Setting(k=5, **options), articles=ARTICLES if log is LOG else None)


def tiny(name: str = "nrms", **parameters: Any) -> Neural:
    made: Neural = getattr(recommenders, SPELLED.get(name, name.upper()))(size="tiny", **parameters)
    return made


def test_no_neural_recommender_goes_without_the_check_for_looks_ahead() -> None:
    elsewhere = {"nrms-bert", "punr", "nrms-im", "fim-im", "unbert", "amm"}  # in the tests of these kinds of models
    neural = {name for name, record in BUILT_IN.items() if "neural" in record.needs.split()}
    assert neural == {*NAMES} | elsewhere


@pytest.mark.parametrize("name", BLIND)
def test_overwriting_the_future_changes_no_bit_of_an_answer(name: str) -> None:
    [entry] = start_list(f"{name}(size=tiny, update=every(hours=12))")
    verdict = check_entry(entry, log=LOG, articles=TOLD, cuts=3, k=5, apart=False)
    assert verdict.cuts == 3
    assert verdict.finding is None, str(verdict.finding)


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    [
        *(f"{name}(size=tiny)" for name in NAMES),
        "nrms(size=tiny, update=every(impressions=20))",
        "caum(size=tiny, update=daily)",
        "awrs(size=tiny, bucket=2, lag=1, counting=per_bucket)",
        "awrs(size=tiny, half_life=6)",
        "nrms(size=tiny, popularity=none)",
        "nrms(size=tiny, negatives=alive)",
        "nrms(size=tiny, candidates=3)",
    ],
)
def test_overwriting_the_future_changes_nothing_at_twenty_cuts(spec: str) -> None:
    [entry] = start_list(spec)
    verdict = check_entry(entry, cuts=20, apart=False)
    assert verdict.finding is None, str(verdict.finding)


def test_a_log_of_reads_alone_is_learned_from_without_a_look_ahead() -> None:
    [entry] = start_list("awrs(size=tiny)")
    verdict = check_entry(entry, log=READS, cuts=3, k=5, apart=False)
    assert verdict.finding is None, str(verdict.finding)
    assert (answered(entry.make(), READS).slates[-1] >= 0).any()


class Repeated(nrms.NRMS):
    """Three passes in an update, where there is no head."""

    trainings: ClassVar = {"tiny": Training(rate=1e-2, epochs=1, batch=16, passes=3)}


@pytest.mark.parametrize(("options", "passes"), [({}, 1), ({"popularity": "none"}, 3), ({"passes": 2}, 2)])
def test_updates_beside_a_head_are_one_pass_if_not_told(
    options: dict[str, Any], passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    step, update = Trainer.step, Trainer.update

    def updated(self: Trainer, *samples: Any) -> None:
        steps.append(0)
        update(self, *samples)

    def stepped(self: Trainer, *batch: Any) -> float:
        if steps:
            steps[-1] += 1
        return step(self, *batch)

    monkeypatch.setattr(Trainer, "update", updated)
    monkeypatch.setattr(Trainer, "step", stepped)
    recommender = recommenders.recommender_of(Repeated)(size="tiny", update="every(hours=4)", **options)
    answered(recommender, READS)
    clicks = [int(str(one["impressions"])) for one in recommender.self_report().rounds if "impressions" in one]
    share = math.ceil(NEWEST * 16)  # of a batch is new
    assert len(clicks) > 2
    assert steps == [math.ceil(passes * count / share) for count in clicks]


def test_statistics_of_the_whole_period_are_found_out_and_declared() -> None:
    # lag -1 looks up the bucket that is still being counted; the published lag leaks by its normalisation alone.
    [entry] = start_list("awrs(size=tiny, leaky=true, lag=-1, update=none, warmup=12h, bucket=12)")
    assert check_entry(entry, log=LOG, articles=ARTICLES, cuts=8, k=5, apart=False).finding is not None
    done = answered(entry.make())
    assert done.foresight == "given"
    assert done.self_report is not None
    assert "whole log" in done.self_report.leaks


@pytest.mark.parametrize("name", EACH)
def test_every_answer_is_what_the_model_says_when_asked_from_scratch(name: str) -> None:
    """Batched, from kept vectors, across updates: the score is that of the model as it is then, computed anew."""

    class Watched(type(tiny(name))):  # type: ignore[misc]
        checked = 0

        def _answer(self, learned: Learned, captures: Captures) -> None:
            waiting = dict(self.deferred)
            super()._answer(learned, captures)
            captures = shown_alone(captures)
            model = learned.model.eval()
            for number, row in enumerate(captures.row.tolist()):
                if captures.kind[number] != IMPRESSION or (row, False) not in waiting:
                    continue
                one = batch_of(
                    choose_captures(captures, np.arange(len(captures.row)) == number),
                    learned.articles, learned.context, learned.trainer.users_of,
                )  # fmt: skip
                slots = np.concatenate([[0], one.history[0], one.slot])
                h = one.history.shape[1]
                history = torch.where(torch.from_numpy(one.history[0]) > 0, torch.arange(1, 1 + h), 0)[None]
                names = learned.scorer.signals
                with torch.inference_mode():
                    contents = learned.articles.contents(slots, trim=True)
                    if learned.neighbours is None:
                        vectors = model.encode(contents)
                    else:
                        distinct, where = np.unique(slots, return_inverse=True)
                        near = learned.neighbours.closure(distinct)
                        vectors = near.spread(model, model.encode(learned.articles.contents(near.slots)))[where]
                    requests = Inputs(
                        history,
                        torch.arange(1 + h, len(slots))[None],
                        Columns(model.signals, torch.from_numpy(one.history_signals)),
                        Columns(names, torch.from_numpy(one.signals)[None]),
                        Columns(model.context, torch.from_numpy(one.history_context)),
                        Columns(model.context, torch.from_numpy(one.context)[None]),
                        torch.from_numpy(one.user),
                    )
                    scores = model.scores(vectors, requests, contents)[1][0]
                np.testing.assert_allclose(waiting[row, False][0].answer, scores.numpy(), rtol=1e-4, atol=1e-5)
                type(self).checked += 1

    watched = Watched(size="tiny", update="every(hours=12)")
    done = answered(watched)
    assert done.self_report is not None
    assert len(done.self_report.rounds) > 3
    assert Watched.checked > 20


def test_answers_one_by_one_are_those_of_a_batch() -> None:
    late, prompt = answered(tiny()), answered(tiny(), timed=True)
    assert late.scores is not None
    assert prompt.scores is not None
    np.testing.assert_allclose(late.scores, prompt.scores, rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_bytes_and_another_other_answers() -> None:
    first, again = answered(tiny("caum", seed=1)), answered(tiny("caum", seed=1))
    assert first.slates.tobytes() == again.slates.tobytes()
    assert first.scores is not None
    assert again.scores is not None
    assert first.scores.tobytes() == again.scores.tobytes()
    other = answered(tiny("caum"), seed=2)
    assert other.scores is not None
    assert first.scores.tobytes() != other.scores.tobytes()


@pytest.mark.slow
def test_sentirec_without_sentiments_answers_as_nrms_to_the_bit() -> None:
    ours, base = tiny("sentirec"), tiny("nrms")
    done, plain = answered(ours), answered(base)
    assert done.scores is not None
    assert plain.scores is not None
    assert done.scores.tobytes() == plain.scores.tobytes()
    assert done.slates.tobytes() == plain.slates.tobytes()
    assert set(ours.self_report().notes) - set(base.self_report().notes) == {
        "no article has a sentiment: what it is for is left out"
    }


def test_torchs_own_generator_is_neither_used_nor_moved() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    answered(tiny("lstur"))
    assert torch.equal(before, torch.get_rng_state())


def test_nothing_is_answered_before_the_warm_up_is_over_and_all_after_it() -> None:
    done = answered(tiny(warmup="2d", update=None))
    assert done.scores is not None
    asked = np.flatnonzero(LOG.kind == IMPRESSION)
    first = LOG.time[LOG.kind == READ][0]
    for number, row in enumerate(asked.tolist()):
        mine = done.scores[LOG.pools.at[number] : LOG.pools.at[number + 1]]
        assert np.isfinite(mine).all() == (LOG.time[row] >= first + 2 * DAY)


def test_the_warm_up_is_the_runs_where_none_is_given() -> None:
    recommender = tiny()
    answered(recommender, warmup=2 * DAY)
    self_report = recommender.self_report()
    assert not any("warmup" in note for note in self_report.notes)
    recommender = tiny()
    answered(recommender)
    assert any("--warmup 1d" in note for note in recommender.self_report().notes)


def test_frozen_models_are_trained_once() -> None:
    frozen = answered(tiny(update=None)).self_report
    assert frozen is not None
    assert frozen.updating == 0
    assert not any("impressions" in one and one["time"] > LOG.time[0] + 2 * DAY for one in frozen.rounds)


def test_too_little_to_train_on_is_told() -> None:
    self_report = answered(tiny(warmup="90d")).self_report
    assert self_report is not None
    assert "never trained" in self_report.notes[0]


def test_missing_titles_are_told() -> None:
    self_report = answered(tiny(), READS).self_report
    assert self_report is not None
    assert any("no article has a title" in note for note in self_report.notes)
    assert any("no impressions" in note for note in self_report.notes)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in QUICK)) for n in NAMES])
def test_saved_weights_answer_as_the_model_that_was_saved(name: str, tmp_path: Any) -> None:
    first = tiny(name, update=None, **({"bins": 3} if name == "awrs" else {}))
    done = answered(first)
    first.save_weights(tmp_path / "weights.safetensors")
    loaded = type(first)(weights=str(tmp_path / "weights.safetensors"), update=None)
    again = answered(loaded)
    assert done.scores is not None
    assert again.scores is not None
    assert np.isfinite(again.scores).all()
    assert "later than" in loaded.self_report().leaks  # they were trained on what it scores
    trained = np.isfinite(done.scores)
    if hasattr(first.learned.model, "users"):  # readers of another log are strangers
        assert (done.scores[trained] != again.scores[trained]).any()
    else:
        np.testing.assert_allclose(done.scores[trained], again.scores[trained], rtol=1e-5, atol=1e-6)


def test_weights_of_another_model_are_refused(tmp_path: Any) -> None:
    first = tiny()
    answered(first)
    first.save_weights(tmp_path / "nrms.safetensors")
    with pytest.raises(NewsreplayError, match="NRMS"):
        answered(tiny("naml", weights=str(tmp_path / "nrms.safetensors")))
    untrained = tiny(warmup="90d")
    answered(untrained)
    with pytest.raises(NewsreplayError, match="not been trained"):
        untrained.save_weights(tmp_path / "none")


def test_a_slow_start_is_waited_for_not_thrown_away() -> None:
    """Six clicked impressions an hour: too few at the end of the warm-up, enough some hours later."""
    rows, clicks = 60, 3
    self_report = answered(tiny(warmup="1h"), few_an_hour(rows, clicks)).self_report
    assert self_report is not None
    assert self_report.rounds
    assert any("trained on the first" in note for note in self_report.notes)


def few_an_hour(hours: int, each: int) -> Any:
    times, kind, impression = [], [], []
    for hour in range(hours):
        for one in range(each):
            number = hour * each + one
            times += 3 * [hour * HOUR + one * 60_000]
            kind += [IMPRESSION, OUTCOME, READ]
            impression += [number, number, -1]
    count = hours * each
    publish = 6
    return make_log(
        time=[0] * publish + times,
        kind=[0] * publish + kind,
        session=[-1] * publish + np.repeat(np.arange(count) % 7, 3).tolist(),
        user=[-1] * publish + np.repeat(np.arange(count) % 7, 3).tolist(),
        item=[*range(publish), *(one for number in range(count) for one in (-1, -1, number % publish))],
        category=[-1] * (publish + len(times)),
        impression=[-1] * publish + impression,
        pools={
            "at": np.arange(count + 1) * 2,
            "item": np.stack([np.arange(count) % publish, (np.arange(count) + 1) % publish], 1).ravel(),
            "clicked": np.tile([True, False], count),
        },
    )


@pytest.mark.parametrize("log", [LOG, READS])
def test_updates_are_due_after_so_many_impressions_or_reads(log: Any) -> None:
    self_report = answered(tiny(update="every(impressions=40)"), log).self_report
    assert self_report is not None
    assert sum("impressions" in one for one in self_report.rounds) > 1


def test_long_pools_beside_short_ones_change_no_bit_of_their_scores() -> None:
    """How many candidates a later request of the batch has must not decide how an earlier one is added up."""
    rng = np.random.default_rng(0)
    cut = len(LOG.time) * 3 // 4
    last = int(np.searchsorted(np.flatnonzero(LOG.kind == IMPRESSION), cut))

    def with_pools(later: int) -> Any:
        known = np.maximum.accumulate(np.where(LOG.kind <= 0, LOG.item, -1))
        items, clicked, at = [], [], [0]
        for number, row in enumerate(np.flatnonzero(LOG.kind == IMPRESSION).tolist()):
            length = 40 if number < last else later
            size = min(length, int(max(known[row], LOG.item[:row].max())) + 1)
            items.append(rng.permutation(size))
            clicked.append(np.arange(size) == 0)
            at.append(at[-1] + size)
        return LOG._replace(
            pools=LOG.pools._replace(
                at=np.array(at), item=np.concatenate(items).astype(np.int32), clicked=np.concatenate(clicked)
            )
        )

    short = with_pools(40)
    rng = np.random.default_rng(0)
    long = with_pools(250)
    begin = short.pools.at[last]
    assert np.diff(long.pools.at).max() > 64
    scores = [replay(log, tiny(update=None), Setting(k=5), articles=ARTICLES).scores for log in (short, long)]
    assert scores[0] is not None
    assert scores[1] is not None
    assert np.isfinite(scores[0][:begin]).any()
    assert scores[0][:begin].tobytes() == scores[1][:begin].tobytes()


def test_what_is_fitted_changes_with_every_update_only() -> None:
    recommender = tiny(update="every(impressions=30)")
    self_report = answered(recommender).self_report
    assert self_report is not None
    assert sum("impressions" in one for one in self_report.rounds) > 1
    assert self_report.parameters > 0
    assert recommender.learned is not None
    # A version for every epoch and update, and for the best epoch.
    assert recommender.learned.scorer.cache.version >= len(self_report.rounds)


@pytest.mark.parametrize(
    ("text", "update"),
    [
        (None, Update()),
        ("none", Update()),
        ("daily", Update(DAY, daily=True)),
        ("every(hours=0.5)", Update(HOUR // 2)),
        ("every( impressions = 7 )", Update(impressions=7)),
    ],
)
def test_update_policies(text: str | None, update: Update) -> None:
    assert parse_update(text) == update


@pytest.mark.parametrize("text", ["hourly", "every(days=1)", "every(impressions=0.5)", "every(hours=0)", 6])
def test_other_update_policies_are_refused(text: Any) -> None:
    with pytest.raises(SpecError, match="update must be none, daily"):
        parse_update(text)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nrms(size=smal)", "Did you mean 'small'"),
        ("nrms(leaky=true)", "no parameter 'leaky'"),
        ("pprec(leaky=true)", "no parameter 'leaky'"),  # it reads nothing that could leak
        ("nrms(seed=-1)", "seed"),
        ("awrs(bucket=0.0000001)", "bucket"),
        ("caum(neighbours=none)", "neighbours"),
        ("awrs(lag=-1)", "lag"),
        ("awrs(counting=sometimes)", "cumulative or per_bucket, not 'sometimes'"),
        ("nrms(words=nowhere.txt)", "no such file"),
        ("nrms(device=tpu)", "auto, cpu or cuda"),
        ("nrms(warmup=soon)", "no duration"),
        ("nrms(rate=0)", "rate"),
        ("caum(heads=3)", "no parameter 'heads'"),
    ],
)
def test_what_cannot_be_is_refused_at_once(spec: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        start_list(spec)


def test_the_best_are_the_highest_in_order_and_equal_ones_as_they_came() -> None:
    scores = np.array([1, 3, 2, 3, -math.inf, 2], np.float32)
    assert best(scores, 4).tolist() == [1, 3, 2, 5]
    assert best(scores, 9).tolist() == [1, 3, 2, 5, 0, 4]


def test_an_object_is_shown_with_the_parameters_it_was_made_with_and_can_be_pickled() -> None:
    made = recommenders.AWRS(size="tiny", alive=12, bins=3)
    assert [entry.label for entry in start_list([made, tiny()])] == [
        "AWRS(size=tiny, alive=12, bins=3)",
        "NRMS(size=tiny)",
    ]
    again = pickle.loads(pickle.dumps(made))
    assert type(again) is recommenders.AWRS
    assert again.options == made.options


def test_options_cannot_be_changed_once_they_are_checked() -> None:
    options = NeuralOptions(alive=12)
    with pytest.raises(FrozenInstanceError):
        options.threads = 0  # type: ignore[misc]
    assert (options.alive_ms, options.bucket_ms) == (12 * HOUR, HOUR)
    assert replace(options, threads=2).threads == 2
    with pytest.raises(SpecError, match="threads must be a whole number of at least 1, not 0"):
        replace(options, threads=0)

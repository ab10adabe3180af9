"""Models that know articles by their ids, in the stream: told of the session alone, and of ids alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from newsreplay.errors import SpecError
from newsreplay.log.catalog import Profiles
from newsreplay.log.rows import READ
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.built_ins import PRESETS
from newsreplay.recommenders.neural.articles.texts import hashed
from newsreplay.recommenders.neural.models.model import TINY
from newsreplay.recommenders.neural.recommenders import GRU4Rec, SASRec
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import Replayed

LOG, ARTICLES = made_up_log(1_000, seed=3)


def answered(log: Any = LOG, articles: Any = ARTICLES, recommender: Any = None) -> Replayed:
    made = GRU4Rec(size="tiny", popularity="none", negatives="mixed") if recommender is None else recommender
    return replay(log, made, Setting(k=5), articles=articles)


def scores(done: Replayed) -> Any:
    assert done.scores is not None
    assert np.isfinite(done.scores).any()
    return done.scores


def test_what_a_reader_read_in_another_session_changes_nothing() -> None:
    """All sessions being one reader's; but not all reads being one session's."""
    in_session = LOG.session >= 0
    kept = scores(answered())
    one_reader = LOG._replace(user=np.where(in_session, 0, LOG.user).astype(np.int32))
    one_session = LOG._replace(session=np.where(in_session, 0, LOG.session).astype(np.int32))
    assert scores(answered(one_reader)).tobytes() == kept.tobytes()
    assert scores(answered(one_session)).tobytes() != kept.tobytes()


def test_what_readers_read_before_the_log_changes_nothing() -> None:
    """It is of no session, whatever numbers readers and sessions share."""
    users, rows = np.unique(LOG.user[LOG.user >= 0], return_index=True)
    first = np.flatnonzero(LOG.user >= 0)[rows]
    told = Profiles(
        user=users.astype(np.int32),
        row=first,
        at=np.arange(len(users) + 1),
        item=np.arange(len(users), dtype=np.int32) % 5,
        outside=pa.record_batch({"id": pa.array([], pa.large_string())}),
        frozen=False,
    )
    assert scores(answered(articles=ARTICLES._replace(profiles=told))).tobytes() == scores(answered()).tobytes()


def test_articles_are_rows_by_their_ids() -> None:
    recommender = GRU4Rec(size="tiny")
    done = answered(recommender=recommender)
    assert recommender.learned is not None
    table, model = recommender.learned.articles, recommender.learned.model
    known = np.arange(20)
    expected = [2 + hashed(recommender.catalog.id(item), TINY.names - 2) for item in known.tolist()]
    assert table.contents(table.slots(known)).id.tolist() == expected
    assert torch.equal(model.eval().encode(table.contents(np.array([0])))[0], torch.zeros(TINY.filters))
    assert done.self_report is not None
    assert not any("title" in note for note in done.self_report.notes)


def test_losses_are_told_how_many_articles_are_alive() -> None:
    told: list[tuple[int, int]] = []

    class Watched(SASRec):  # type: ignore[misc, valid-type]
        def _answer_with(self, learned: Any) -> None:
            super()._answer_with(learned)
            loss = learned.model.loss

            def watched(batch: Any) -> Any:
                told.extend(zip(batch.alive.tolist(), batch.drawn.sum(1).tolist(), strict=True))
                return loss(batch)

            learned.model.loss = watched

    answered(recommender=Watched(size="tiny", update=None))
    articles = len(np.unique(LOG.item[LOG.kind == READ]))
    assert len({alive for alive, _ in told}) > 1
    assert all(drawn <= alive <= articles for alive, drawn in told)
    assert max(alive for alive, _ in told) > max(drawn for _, drawn in told)


@pytest.mark.parametrize("name", ["words", "plm"])
def test_what_reads_no_texts_takes_no_words(name: str) -> None:
    with pytest.raises(SpecError, match=f"gru4rec has no parameter '{name}'"):
        start_list(f"gru4rec({name}=some)")


def test_a_calibration_that_cannot_be_is_refused_before_the_replay() -> None:
    with pytest.raises(SpecError, match="calibration must be from 0 to 1, not 2"):
        start_list("sasrec(calibration=2)")


def test_their_preset_has_rules_neighbours_and_networks() -> None:
    rules = "sequences association itemknn vsknn vmis stan gru4rec sasrec narm stamp"
    assert PRESETS["sessions"] == tuple(rules.split())
    assert [entry.label for entry in start_list("sessions")] == rules.split()


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    [
        "gru4rec(size=tiny, popularity=none)",
        "sasrec(size=tiny, negatives=alive)",
        "sasrec(size=tiny, popularity=none, calibration=1)",
        "narm(size=tiny, update=daily)",
        "stamp(size=tiny, update=every(impressions=20))",
    ],
)
def test_overwriting_the_future_changes_nothing_at_twenty_cuts(spec: str) -> None:
    [entry] = start_list(spec)
    verdict = check_entry(entry, cuts=20, apart=False)
    assert verdict.finding is None, str(verdict.finding)

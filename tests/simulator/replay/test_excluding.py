"""What requests exclude: the article on screen, all that the session has read, or nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.errors import RecommenderError
from newsreplay.log.catalog import Catalog, Revealed, bare_articles
from newsreplay.log.rows import ASKING, EXCLUDES, IMPRESSION, PUBLISH, READ, Asks, Event, Excludes, Log, make_log
from newsreplay.recommenders.base import Deferred, Recommender, Setting
from newsreplay.recommenders.built_ins import BUILT_IN
from newsreplay.recommenders.registry import MIXTURES, start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.answers import Codes, collected
from newsreplay.simulator.replay.excluding import Trimming
from newsreplay.simulator.replay.replay import replay
from tests import strategies
from tests.naive import baselines as naive
from tests.simulator.replay.latest import Latest

#: Three articles; the first session reads 0, 1, 0, 2, the second 1 in between.
LOG = make_log(
    time=[0, 0, 0, 10, 20, 25, 30, 40],
    kind=[PUBLISH] * 3 + [READ] * 5,
    session=[-1] * 3 + [0, 0, 1, 0, 0],
    user=[-1] * 3 + [0, 0, 1, 0, 0],
    item=[0, 1, 2, 0, 1, 1, 0, 2],
    category=[-1] * 8,
)


class Everything(Recommender):
    """Answers with all articles, whatever it is asked for, and notes what that was."""

    def __init__(self, answer: Any = (2, 1, 0)) -> None:
        self.answer = answer
        self.asked: list[tuple[int, str, int]] = []

    def recommend(self, request: Event, k: int) -> Any:
        self.asked.append((request.row, request.exclude, k))
        return self.answer


def answers(slates: Any) -> list[list[int]]:
    return [[item for item in slate if item >= 0] for slate in slates.tolist()]


def test_a_request_says_what_it_excludes_and_so_does_the_setting() -> None:
    for exclude in EXCLUDES:
        recommender = Everything()
        replay(LOG, recommender, Setting(k=2, exclude=exclude))
        assert {said for _, said, _ in recommender.asked} == {exclude}
        assert recommender.setting.exclude == exclude


def test_as_many_more_are_asked_for_as_the_session_has_read_besides_the_article_on_screen() -> None:
    recommender = Everything()
    replay(LOG, recommender, Setting(k=2, exclude="session"))
    assert [(row, k) for row, _, k in recommender.asked] == [(3, 2), (4, 3), (5, 2), (6, 3), (7, 4)]


def test_what_the_session_has_read_is_taken_out_and_the_rest_cut_to_k() -> None:
    done = replay(LOG, Everything(), Setting(k=1, exclude="session"))
    assert answers(done.slates) == [[2], [2], [2], [2], []]
    done = replay(LOG, Everything([0, 1, 2]), Setting(k=1, exclude="session"))
    assert answers(done.slates) == [[], [], [0], [], []]  # the one on screen takes a place, as ever
    assert done.drops.current == 4


def test_where_nothing_is_excluded_the_article_on_screen_may_stand() -> None:
    done = replay(LOG, Everything(), Setting(k=3, exclude="nothing"))
    assert answers(done.slates) == [[2, 1, 0]] * 5
    assert done.drops == (0, 0)


@pytest.mark.parametrize("requests", ["reads", "impressions"])
@settings(max_examples=40, deadline=None)
@given(log=strategies.logs_with_impressions(), k=strategies.cut_offs(), exclude=st.sampled_from(EXCLUDES))
def test_a_plain_class_and_a_kernel_with_the_same_rule_leave_the_same_out(
    requests: Asks, log: Log, k: int, exclude: Excludes
) -> None:
    slates = replay(log, Latest(), Setting(k=k, requests=requests, exclude=exclude)).slates
    assert answers(slates) == naive.slates(log, "circular", k, size=1000, kind=ASKING[requests], exclude=exclude)


class Late(Latest):
    """Works all its answers out when it is told to settle, and gives more than it is asked for."""

    def recommend(self, request: Event, k: int) -> Any:
        waiting = Deferred()
        waiting.answer = super().recommend(request, len(self.latest))
        return waiting

    def settle(self) -> None:
        """All of them have been worked out."""


@pytest.mark.parametrize("timed", [False, True])
@settings(max_examples=15, deadline=None)
@given(log=strategies.logs())
def test_late_answers_are_trimmed_alike(timed: bool, log: Log) -> None:
    slates = replay(log, Late(), Setting(k=2, exclude="session", timed=timed), stretch=7).slates
    assert answers(slates) == naive.slates(log, "circular", 2, size=1000, exclude="session")


def test_an_unknown_article_is_an_error_at_its_row_also_beyond_k() -> None:
    with pytest.raises(RecommenderError, match="recommended 3 at row 4, where only the article codes 0 to 2 are known"):
        replay(LOG, Everything([2, 0, 3]), Setting(k=2, exclude="session"))


@settings(max_examples=25, deadline=None)
@given(log=strategies.logs(), room=st.integers(1, 20), data=st.data())
def test_answers_are_trimmed_alike_however_few_at_a_time(log: Log, room: int, data: st.DataObject) -> None:
    codes = Codes(Catalog(bare_articles(log), Revealed()))
    few, many = Trimming(log, READ, 2, codes, "it", room), Trimming(log, READ, 2, codes, "it")
    known = [int(log.item[: row + 1].max()) + 1 for row in np.flatnonzero(log.kind == READ)]
    given_to = [
        data.draw(st.lists(st.integers(0, count - 1), max_size=length))
        for count, length in zip(known, many.lengths, strict=True)
    ]
    written = []
    for trimming in (few, many):
        slates = np.full((len(given_to), 2), -1, np.int32)
        done = trimming.write(0, len(log.time), 0, collected(given_to), slates, 0)
        written.append((slates.tolist(), done))
    assert written[0] == written[1]


# --- built-ins ------------------------------------------------------------------------------------------------

QUICK = ("circular", "recency", "logged", "fallback(circular, recency)", "lifetime(recency)")
ELSEWHERE = ("oracle", *MIXTURES, *(name for name, one in BUILT_IN.items() if "neural" in one.needs))
SLOW = [name for name in BUILT_IN if name not in (*ELSEWHERE, *QUICK)]
NAMES = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]


@pytest.mark.parametrize("text", NAMES)
def test_a_built_in_offers_nothing_that_the_session_has_read_where_that_is_excluded(text: str) -> None:
    log = made_up_log(400, 3)[0]
    for requests, kind in ASKING.items():
        done = replay(log, start_list(text)[0].make(), Setting(k=5, requests=requests, exclude="session"), name=text)
        rows = np.flatnonzero(log.kind == kind).tolist()
        for row, slate in zip(rows, answers(done.slates), strict=True):
            assert not {*slate} & naive.excluded(log, row, "session")
            assert len({*slate}) == len(slate)


@pytest.mark.parametrize("exclude", ["session", "nothing"])
@pytest.mark.parametrize("text", NAMES)
def test_a_built_in_is_blind_to_the_future_whatever_is_excluded(text: str, exclude: Excludes) -> None:
    assert check_entry(start_list(text)[0], cuts=6, apart=False, exclude=exclude).passed


#: Those whose definition leaves the article on screen out itself (successors and neighbours are other articles), and
#: what was logged, which no list of this log has.
OTHERS_ONLY = ("logged", "association", "itemknn", "sequences", "stan", "vmis", "vsknn")


@pytest.mark.parametrize("text", NAMES)
def test_a_built_in_may_offer_the_article_on_screen_where_nothing_is_excluded(text: str) -> None:
    log = made_up_log(400, 3)[0]
    done = replay(log, start_list(text)[0].make(), Setting(k=5, exclude="nothing"), name=text)
    current = log.item[log.kind == READ]
    offered = bool((done.slates == current[:, None]).any())
    assert offered == (text not in OTHERS_ONLY)


def test_the_article_on_screen_of_an_impression_is_left_out_only_where_it_is_excluded() -> None:
    log = make_log(
        time=range(4),
        kind=[PUBLISH, READ, IMPRESSION, IMPRESSION],
        session=[-1, 0, 0, 1],
        user=[-1, 0, 0, 1],
        item=[0, 1, 0, 0],
        category=[-1] * 4,
        impression=[-1, -1, 0, 1],
        pools={"at": [0, 1, 2], "item": [0, 0], "clicked": [False, False]},
    )
    expected: dict[Excludes, Any] = {"current": [[1], [1]], "session": [[], [1]], "nothing": [[1, 0], [1, 0]]}
    for exclude, slates in expected.items():
        done = replay(log, start_list("recency")[0].make(), Setting(k=2, requests="impressions", exclude=exclude))
        assert answers(done.slates) == slates

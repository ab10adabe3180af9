"""A zoo of recommenders that know what they should not, each with the probe that catches it, and some that none can."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from newsreplay.kernels.mixing import key_of
from newsreplay.log.catalog import Catalog
from newsreplay.log.rows import IMPRESSION, OUTCOME, READ, Event, Log
from newsreplay.recommenders.base import Deferred, Recommender, Setting
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import Finding, Power, check_entry, probes_of
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from tests.simulator.peeking import HastyClickPeeker, PatientClickReader, checked, log_on_the_stack


def article_after(log: Log, request: Event) -> list[int]:
    """The article of the row after a request, if it is known by then."""
    known = log.item[: request.row + 1].max()
    return [item for item in log.item[request.row + 1 : request.row + 2].tolist() if 0 <= item <= known]


# --- caught by another future -----------------------------------------------------------------------------


class Frames(Recommender):
    """Finds the log on the call stack."""

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return article_after(log_on_the_stack(), request)


class Length(Recommender):
    """Answers by how long the log is."""

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return [len(log_on_the_stack().time) % (request.item + 1)]


class LateNumber:
    """A whole number that is only looked up when somebody asks for it."""

    def __init__(self, items: list[int], known: int):
        self.items, self.known = items, known

    def __index__(self) -> int:
        return self.items[-1] % self.known


class LateNumbers(Recommender):
    """Answers with an object that is a number only later: always the article read last of all."""

    def start(self, catalog: Catalog) -> None:
        self.items = [0]

    def learn(self, event: Event) -> None:
        if event.kind == READ:
            self.items[-1] = event.item

    def recommend(self, request: Event, k: int) -> Sequence[Any]:
        return [LateNumber(self.items, request.item + 1)]


class LateAnswers(Recommender):
    """Works a deferred answer out of what came after the request."""

    def start(self, catalog: Catalog) -> None:
        self.late: list[tuple[Deferred, int]] = []
        self.last = 0

    def learn(self, event: Event) -> None:
        self.last = max(event.item, 0)

    def recommend(self, request: Event, k: int) -> Deferred:
        self.late.append((Deferred(), request.item + 1))
        return self.late[-1][0]

    def settle(self) -> None:
        for answer, known in self.late:
            answer.answer = [self.last % known]
        self.late.clear()


@pytest.mark.parametrize("cheater", [Frames, Length, LateAnswers])
def test_who_looks_ahead_in_memory_is_caught_by_another_future(cheater: type[Recommender]) -> None:
    finding = checked(cheater(), cuts=12).finding
    assert finding is not None
    assert finding.change in ("overwritten", "cut off", "overwritten and made more")
    assert finding.row < finding.cut


def test_a_number_that_is_looked_up_later_is_no_answer() -> None:
    assert "article codes are whole numbers" in str(checked(LateNumbers(), cuts=1).error)


class OwnList(Recommender):
    """Answers with a list that it goes on writing to."""

    def start(self, catalog: Catalog) -> None:
        self.slate: list[int] = []

    def learn(self, event: Event) -> None:
        if event.kind == READ:
            self.slate.insert(0, event.item)

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return self.slate


def test_a_list_that_is_written_to_after_it_was_answered_gains_nothing() -> None:
    class Copies(OwnList):
        def recommend(self, request: Event, k: int) -> Sequence[int]:
            return list(self.slate)

    assert checked(OwnList(), cuts=4).passed
    assert answers(OwnList()) == answers(Copies())


def answers(recommender: Recommender) -> bytes:
    log, articles = made_up_log(200)
    return replay(log, recommender, articles=articles).slates.tobytes()


# --- caught by another replay -----------------------------------------------------------------------------


class Leak(Recommender):
    """Keeps on the class what it saw in all replays."""

    seen: ClassVar[list[int]] = []

    def learn(self, event: Event) -> None:
        self.seen.append(event.item)

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return [item for item in self.seen[request.row + 1 : request.row + 2] if 0 <= item < request.item]


class Dice(Recommender):
    """Chooses at random without a seed."""

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return [int(np.random.default_rng().integers(request.item + 1))]


@pytest.mark.parametrize("cheater", [Leak, Dice])
def test_state_that_outlives_a_replay_and_unseeded_chance_are_caught_by_a_second_replay(
    cheater: type[Recommender],
) -> None:
    finding = checked(cheater(), cuts=1).finding
    assert finding is not None
    assert finding.change == "nothing"


ELSEWHERE = """
import gc

class Plain:
    def start(self, catalog): pass
    def learn(self, event): pass

class Hashes(Plain):
    def recommend(self, request, k):
        return [hash(str(request.item)) % (request.item + 1)]

class Collector(Plain):
    # Finds the log among all objects of the process, the youngest of its kind.
    def start(self, catalog):
        self.log = [thing for thing in gc.get_objects() if type(thing).__name__ == "Log"][-1]
    def recommend(self, request, k):
        return [item for item in self.log.item[request.row + 1:][:1].tolist() if 0 <= item < request.item]
"""


def elsewhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Finding | None:
    """What is found of a recommender in processes of its own."""
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    (tmp_path / "elsewhere.py").write_text(ELSEWHERE)
    monkeypatch.syspath_prepend(tmp_path)
    return check_entry(start_list(f"elsewhere:{name}")[0], cuts=8).finding


def test_what_differs_between_processes_is_not_taken_for_a_look_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = elsewhere("Hashes", tmp_path, monkeypatch)
    assert finding is not None
    assert finding.change == "another process"
    assert str(finding).endswith("in another process that replayed the same log")


@pytest.mark.slow
def test_who_searches_all_objects_of_the_process_for_the_log_is_caught_by_another_future(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = elsewhere("Collector", tmp_path, monkeypatch)
    assert finding is not None
    assert finding.change in ("overwritten", "cut off", "overwritten and made more")


# --- caught by outcomes that come late --------------------------------------------------------------------


class InOrderOfCodes(PatientClickReader):
    """Recommends told clicks, not in the order in which the impression listed them."""

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return sorted(self.clicked)


def test_who_reads_an_outcome_before_it_is_told_is_caught_where_outcomes_come_late() -> None:
    finding = checked(HastyClickPeeker()).finding
    assert finding is not None
    assert finding.log == "short log 1, whose outcomes come 10 minutes later"
    assert f"at row {finding.row} of short log 1, whose outcomes come 10 minutes later changed from" in str(finding)
    assert checked(InOrderOfCodes()).passed


# --- caught where every row is a cut ----------------------------------------------------------------------


class Rarely(Frames):
    """Looks ahead at 1 % of requests, whose last read it is otherwise."""

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        if int(key_of(request.time, request.user, "now and then")) % 100:
            return [request.item // 2]
        return super().recommend(request, k)


def test_a_rare_look_ahead_passes_at_twenty_cuts_and_is_caught_where_every_row_is_one() -> None:
    assert checked(Rarely()).passed
    finding = checked(Rarely(), cuts=None).finding
    assert finding is not None
    assert finding.cut == finding.row + 1


@pytest.mark.slow
def test_of_recommenders_that_peek_at_a_share_of_requests_as_many_are_found_as_the_verdict_says() -> None:
    """Seventy of them, which peek at different requests, at the share that is found with 70 %."""
    log, articles = made_up_log(200)
    found, power = 0, checked(Truthful(), log=log, articles=articles, cuts=6).power
    share = 1 - 0.3 ** (1 / power.requests)
    for number in range(70):
        found += not checked(Sometimes(share, number), log=log, articles=articles, cuts=6).passed
    assert 37 < found < 61  # 49, and three standard errors


class Truthful(Recommender):
    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return [request.item // 2]


class Sometimes(Recommender):
    """Shuffles articles by the kind and article of the next row, at a share of requests."""

    def __init__(self, share: float, number: int):
        self.share, self.number = share, number

    def start(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        drawn = int(key_of(request.row, self.number, "sometimes")) % 1_000_000
        if drawn >= self.share * 1_000_000:
            return [request.item // 2]
        log = log_on_the_stack()
        coming = [*log.kind[request.row + 1 :][:1].tolist(), *log.item[request.row + 1 :][:1].tolist()]
        return sorted(range(self.catalog.known), key=lambda item: int(key_of(*coming, item)))


def test_the_power_is_of_as_many_answers_as_stood_before_a_cut() -> None:
    assert Power.share(1) == pytest.approx(0.95)
    assert 1 - (1 - Power.share(59)) ** 59 == pytest.approx(0.95)
    assert Power.share(0) == 1
    assert str(Power(59, 0)) == "a peek on 5 % of requests is found with 95 %"
    assert str(Power(713, 89)) == "a peek on 0.42 % of requests or 3.3 % of scored impressions is found with 95 %"
    assert str(Power(0, 0)) == "no request was right before a cut, so a peek at the next row is not found"


@pytest.mark.slow
def test_where_every_row_is_a_cut_less_than_one_peek_in_a_hundred_is_found() -> None:
    power = checked(Truthful(), cuts=None).power
    asked = sum(
        int((probe.log.kind[np.array(probe.cuts) - 1] == READ).sum())
        for probe in probes_of(None, None, None, Setting())
    )
    assert Power.share(power.requests) < 0.01
    assert 0.9 * asked < power.requests <= asked  # a row overwritten with its like shows nothing


# --- caught by another order of pools ---------------------------------------------------------------------


class FirstIsBest(Truthful):
    """Ranks candidates as they are listed."""

    def score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        return range(len(pool), 0, -1)


class TieByPlace(Truthful):
    """Has equal scores but for a millionth by which those listed first are higher."""

    def score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        return [1 + (item % 3) - 1e-5 * place for place, item in enumerate(pool)]


class LearnsPlaces(Recommender):
    """Ranks candidates by the place that they had when they were listed last."""

    def start(self, catalog: Catalog) -> None:
        self.place: dict[int, int] = {}

    def learn(self, event: Event) -> None:
        if event.kind == IMPRESSION:
            self.place |= {item: place for place, item in enumerate(event.pool)}

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return []

    def score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        return [-self.place.get(item, 9) for item in pool]


class AnswersAsListed(LearnsPlaces):
    """Recommends the lists shown last, as they were listed."""

    score = None  # type: ignore[assignment]

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return list(reversed(self.place))

    def learn(self, event: Event) -> None:
        for item in reversed(event.pool if event.kind == IMPRESSION else ()):
            self.place.pop(item, None)
            self.place[item] = 0


@pytest.mark.parametrize(
    ("user", "what"),
    [
        (FirstIsBest, "candidate by candidate, when its pool was listed the other way round"),
        (TieByPlace, "candidate by candidate, when its pool was listed the other way round"),
        (LearnsPlaces, "its scores lean to the order in which pools list candidates"),
        (AnswersAsListed, "its slates lean to the order in which pools list candidates"),
    ],
)
def test_who_uses_the_order_of_pools_is_caught_unless_it_says_so(user: type[Recommender], what: str) -> None:
    check = checked(user())
    assert not check.passed
    assert check.order is not None
    assert what in check.order
    assert ": USES THE ORDER OF POOLS: " in str(check)
    says_so = type(user.__name__, (user,), {"uses_pool_order": True})
    assert checked(says_so()).passed
    assert "; uses the order of pools, as it says" in str(checked(says_so()))


FEATURES = np.random.default_rng(0).normal(size=(500, 8)) / 3


class OneByOne(Recommender):
    """Takes one step for each candidate of an outcome after the other, so that their order changes the last digits."""

    def start(self, catalog: Catalog) -> None:
        self.weights = np.zeros(8)

    def learn(self, event: Event) -> None:
        for item, clicked in zip(event.pool, event.clicked, strict=False):
            shown = FEATURES[item]
            self.weights += 0.3 * (clicked - self.weights @ shown) * shown

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return np.argsort(FEATURES[: request.item] @ -self.weights)[:k].tolist()

    def score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        return [float(self.weights @ FEATURES[item]) for item in pool]


class Chaotic(OneByOne):
    """Learns something altogether different as soon as a list is in another order."""

    def learn(self, event: Event) -> None:
        if event.kind == OUTCOME:
            self.weights = np.random.default_rng(abs(hash((event.pool, *self.weights.tolist())))).normal(size=8)


@pytest.mark.parametrize("learner", [OneByOne, Chaotic])
def test_who_learns_otherwise_from_another_order_but_does_not_lean_to_it_passes(learner: type[Recommender]) -> None:
    check = checked(learner(), cuts=3)
    assert check.finding is None
    assert check.order is None


# --- caught by none ---------------------------------------------------------------------------------------


def test_who_reads_the_future_from_a_file_passes_as_the_documentation_says(tmp_path: Path) -> None:
    file = tmp_path / "clicks.txt"
    file.write_text(" ".join(map(str, made_up_log(2_000)[0].item.tolist())))

    class Reader(Recommender):
        def recommend(self, request: Event, k: int) -> Sequence[int]:
            coming = map(int, file.read_text().split()[request.row + 1 : request.row + 2])
            return [item for item in coming if 0 <= item <= request.item]

    assert checked(Reader(), cuts=3).passed

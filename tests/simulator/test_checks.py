"""The blindness check passes for all built-ins and catches those who look ahead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar
from zlib import crc32

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.datasets.base import FACTS
from newsreplay.log.catalog import Articles, Catalog, Profiles, bare_articles
from newsreplay.log.rows import IMPRESSION, LOG_DTYPES, OUTCOME, PUBLISH, READ, Column, Event, Log, make_log
from newsreplay.recommenders.base import Recommender, Setting
from newsreplay.recommenders.built_ins import PRESETS
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import Change, _cuts, check_entry
from newsreplay.simulator.overwritten import made_up_log, overwritten
from tests import strategies
from tests.simulator.peeking import HastyClickPeeker, PatientClickReader, checked, clicks_behind, log_on_the_stack

NEIGHBOURS = ("vsknn", "vmis", "stan", "itemknn", "association")


@pytest.mark.parametrize("spec", [*PRESETS["baselines"], *NEIGHBOURS, "logged"])
def test_a_baseline_is_blind_to_the_future(spec: str) -> None:
    assert check_entry(start_list(spec)[0], apart=False).passed


class RowPeeker(Recommender):
    """Finds the log on the call stack and recommends what will be read next."""

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        log = log_on_the_stack()
        following = log.item[request.row + 1 : request.row + 2]
        return [int(item) for item in following if 0 <= item <= request.item]


class ArticlePeeker(Recommender):
    """Reads from the article table behind the catalog how many articles there will be of a category."""

    def start(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        table = self.catalog._articles
        later = np.bincount(table.category[table.category >= 0], minlength=1)
        return [int(later.argmax()) * 7 % self.catalog.known]


class FactPeeker(ArticlePeeker):
    """Answers by a text of the article on screen, whether it is known by now or not."""

    fact: ClassVar[str]

    def text(self, item: int) -> str | None:
        texts, _ = self.catalog._articles.texts.get(self.fact, ({}, 0))
        return str(texts[item]) if texts else None

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return [crc32(str(self.text(request.item)).encode()) % self.catalog.known]


class FactReader(FactPeeker):
    """Answers by it as far as it is known."""

    def text(self, item: int) -> str | None:
        return self.catalog.text(item, self.fact)


@pytest.mark.parametrize("fact", [fact for fact in FACTS if fact != "category"])
def test_who_reads_a_text_of_an_article_before_it_is_known_is_caught(fact: str) -> None:
    """Of everything that an article may have: what comes after its first row is not known at that row."""
    cheater, honest = (type(kind.__name__, (kind,), {"fact": fact})() for kind in (FactPeeker, FactReader))
    assert not checked(cheater, cuts=4).passed
    assert checked(honest, cuts=4).passed


class Rememberer(Recommender):
    """Keeps what it saw in the last replay on the class."""

    seen: ClassVar[list[int]] = []

    def learn(self, event: Event) -> None:
        self.seen.append(event.item)

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return [item for item in self.seen[request.row + 1 : request.row + 2] if 0 <= item < request.item]


class ClickPeeker(Recommender):
    """Recommends what will be clicked in the next impression."""

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        log = log_on_the_stack()
        seen = int(log.impression[: request.row + 1].max())
        if seen + 2 >= len(log.pools.at):
            return []
        return [item for item in clicks_behind(log, seen + 1) if item <= log.item[: request.row + 1].max()]


@pytest.mark.parametrize("cheater", [RowPeeker, ArticlePeeker, Rememberer, ClickPeeker])
def test_a_cheater_is_caught(cheater: type[Recommender]) -> None:
    finding = checked(cheater()).finding
    assert finding is not None
    assert finding.row < finding.cut
    assert "changed from" in str(finding)


def log_with_late_outcomes() -> Log:
    """Six published articles; forty times an impression of all of them, a read, and then the outcome."""
    rng = np.random.default_rng(3)
    rounds = 40
    return make_log(
        time=np.arange(6 + 3 * rounds),
        kind=[PUBLISH] * 6 + [IMPRESSION, READ, OUTCOME] * rounds,
        session=[-1] * 6 + [0, 1, 0] * rounds,
        user=[-1] * 6 + [0, 1, 0] * rounds,
        item=[*range(6), *[-1, 0, -1] * rounds],
        category=[-1] * (6 + 3 * rounds),
        impression=[-1] * 6 + [number for n in range(rounds) for number in (n, -1, n)],
        pools={
            "at": 6 * np.arange(rounds + 1),
            "item": list(range(6)) * rounds,
            "clicked": rng.random(6 * rounds) < 0.5,
        },
    )


def test_who_knows_the_clicks_of_an_impression_before_its_outcome_is_caught() -> None:
    log = log_with_late_outcomes()
    finding = checked(HastyClickPeeker(), log=log).finding
    assert finding is not None
    assert finding.cut == finding.row + 1  # between the read and the outcome
    assert checked(PatientClickReader(), log=log).finding is None


class ScorePeeker(Recommender):
    """Scores the candidates of an impression by its outcome, which it finds in the log."""

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return []

    def score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        log = log_on_the_stack()
        impression = int(log.impression[request.row])
        return log.pools.clicked[log.pools.at[impression] : log.pools.at[impression + 1]]


class PatientScorer(PatientClickReader):
    """Scores by what was clicked the last time that an outcome was told."""

    def score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        return [item in self.clicked for item in pool]


@pytest.mark.parametrize("log", [None, log_with_late_outcomes()], ids=["made up", "late outcomes"])
def test_who_scores_by_the_outcome_of_the_very_impression_is_caught(log: Log | None) -> None:
    finding = checked(ScorePeeker(), log=log).finding
    assert finding is not None
    assert finding.what == "scores"
    assert finding.row < finding.cut <= finding.row + 2  # before the outcome
    assert finding.after == [1.0 - score for score in finding.before]
    assert checked(PatientScorer(), log=log).finding is None


class DriftingScorer(PatientScorer):
    """Scores by what it has seen in all replays together."""

    total: ClassVar[list[int]] = [0]

    def score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        self.total[0] += 1
        return [-np.inf] * (len(pool) - 1) + [self.total[0]]


def test_scores_that_differ_between_two_replays_are_a_finding() -> None:
    log = log_with_late_outcomes()
    finding = checked(DriftingScorer(), log=log).finding
    assert finding is not None
    assert str(finding) == (
        "the scores at row 6 changed from [-inf, -inf, -inf, -inf, -inf, 1.0] "
        "to [-inf, -inf, -inf, -inf, -inf, 41.0] in a second replay of the same log"
    )


def test_an_unseeded_random_choice_is_caught() -> None:
    rng = np.random.default_rng()

    class Dice(Recommender):
        def __deepcopy__(self, memo: Any) -> Dice:
            return self

        def recommend(self, request: Event, k: int) -> Sequence[int]:
            return [int(rng.integers(0, request.item + 1))]

    assert checked(Dice()).finding is not None


def test_there_are_as_many_cuts_as_asked_for_half_after_a_request_and_a_quarter_after_an_impression() -> None:
    log, _ = made_up_log(2_000)
    cuts = _cuts(log, 20, Setting())
    assert len(cuts) >= 20
    assert sum(log.kind[cut - 1] == READ for cut in cuts) >= 10
    assert sum(log.kind[cut - 1] == IMPRESSION for cut in cuts) >= 5
    cuts = _cuts(log, 20, Setting(requests="impressions"))
    assert sum(log.kind[cut - 1] == IMPRESSION for cut in cuts) >= 15


def test_who_looks_ahead_at_impressions_is_found() -> None:
    class Clairvoyant(Recommender):
        def foresee(self, log: Log, articles: Any) -> None:
            self.items = log.item.tolist()

        def recommend(self, request: Event, k: int) -> Sequence[int]:
            later = [item for item in self.items[request.row :] if item >= 0]
            return [min(later[-1], 3)] if later else []

    entry = start_list([Clairvoyant()])[0]
    log, articles = made_up_log(2_000)
    check = check_entry(entry, log=log, articles=articles, requests="impressions", apart=False)
    assert check.finding is not None
    assert log.kind[check.finding.row] == IMPRESSION


def highest_so_far(column: Column) -> Column:
    highest: Column = np.maximum.accumulate(column)
    return highest


@settings(max_examples=150, deadline=None)
@given(log=strategies.logs() | strategies.logs_with_impressions(), cut=st.integers(0, 60), seed=st.integers(0, 9))
def test_an_overwritten_log_is_valid_and_untouched_before_the_cut(log: Log, cut: int, seed: int) -> None:
    cut = min(cut, len(log.time))
    other, articles = overwritten(log, bare_articles(log), cut, seed)
    for name in LOG_DTYPES:
        assert getattr(other, name)[:cut].tolist() == getattr(log, name)[:cut].tolist()
    assert (np.diff(other.time) >= 0).all()
    who = other.kind != PUBLISH
    for column in (other.item, other.session[who], other.user[who]):
        assert (np.diff(highest_so_far(column), prepend=-1) <= 1).all()
    assert (other.item[(other.kind == PUBLISH) | (other.kind == READ)] >= 0).all()
    assert (other.session[who] >= 0).all()
    assert (other.user[who] >= 0).all()
    told = other.category >= 0
    assert (articles.category[other.item[told]] == other.category[told]).all()


@settings(max_examples=150, deadline=None)
@given(log=strategies.logs_with_impressions(), cut=st.integers(0, 60), seed=st.integers(0, 9))
def test_overwritten_impressions_are_valid_and_untouched_before_the_cut_but_for_clicks_not_told_yet(
    log: Log, cut: int, seed: int
) -> None:
    cut = min(cut, len(log.time))
    other, _ = overwritten(log, bare_articles(log), cut, seed)
    pools = other.pools
    shown = np.flatnonzero(other.kind == IMPRESSION).tolist()
    assert other.impression[shown].tolist() == list(range(len(shown)))
    assert (other.impression[(other.kind != IMPRESSION) & (other.kind != OUTCOME)] == -1).all()
    for row in np.flatnonzero(other.kind == OUTCOME).tolist():
        impression = shown[other.impression[row]]
        assert impression < row
        for name in ("time", "session", "user", "item", "impression"):
            assert getattr(other, name)[impression] == getattr(other, name)[row]
    assert pools.at.tolist() == sorted(pools.at.tolist())
    assert (len(pools.at), pools.at[0], pools.at[-1]) == (len(shown) + 1, 0, len(pools.item))
    assert len(pools.item) == len(pools.clicked)
    known = 1 + highest_so_far(other.item)
    told = {*log.impression[:cut][log.kind[:cut] == OUTCOME].tolist()}
    for number, row in enumerate(shown):
        places = slice(pools.at[number], pools.at[number + 1])
        pool = pools.item[places].tolist()
        assert all(0 <= item < known[row] for item in pool)
        assert len({*pool}) == len(pool)
        if row < cut:
            assert pool == log.pools.item[log.pools.at[number] : log.pools.at[number + 1]].tolist()
            same = pools.clicked[places] == log.pools.clicked[places]
            assert same.all() if number in told or cut == len(log.time) else not same.any()


def test_what_is_overwritten_differs_in_rows_and_articles() -> None:
    log, articles = made_up_log(500)
    other, others = overwritten(log, articles, 250, seed=1)
    assert (other.item[250:] != log.item[250:]).mean() > 0.5
    assert (others.category != articles.category).any()


def test_the_log_that_is_made_up_for_a_check_has_all_that_a_recommender_may_be_asked_about() -> None:
    log, articles = made_up_log(2_000)
    assert {*log.kind.tolist()} == {PUBLISH, IMPRESSION, OUTCOME, READ}
    assert 0.2 < log.pools.clicked.mean() < 0.4
    assert np.diff(log.pools.at).max() > 1
    assert len(articles.categories) == len({*log.category[log.category >= 0].tolist()})


class Seer(Recommender):
    """Is handed the whole log, and recommends what will be read next."""

    def foresee(self, log: Log, articles: Articles) -> None:
        self.coming = log.item.tolist()

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return [item for item in self.coming[request.row + 1 : request.row + 2] if 0 <= item < request.item]


def test_who_is_handed_the_log_is_caught() -> None:
    assert checked(Seer()).finding is not None


def log_with_profiles() -> tuple[Log, Articles]:
    """Six published articles and twenty readers, each with an impression of all; articles are told of at the end.

    Every reader has read two articles before, one of them outside the log; half of the articles have no category.
    """
    rng = np.random.default_rng(5)
    readers, rows = 20, 6 + 3 * 20
    log = make_log(
        time=np.arange(rows),
        kind=[PUBLISH] * 6 + [IMPRESSION, OUTCOME, READ] * readers,
        session=[-1] * 6 + [reader for reader in range(readers) for _ in range(3)],
        user=[-1] * 6 + [reader for reader in range(readers) for _ in range(3)],
        item=[*range(6), *[-1, -1, 0] * readers],
        category=[-1] * rows,
        impression=[-1] * 6 + [number for n in range(readers) for number in (n, n, -1)],
        pools={
            "at": 6 * np.arange(readers + 1),
            "item": list(range(6)) * readers,
            "clicked": rng.random(6 * readers) < 0.5,
        },
    )
    words = ["sun", "rain", "fog", "hail", "wind", "snow"]
    articles = Articles(
        id=pa.array([f"n{item}" for item in range(6)], pa.large_string()),
        published=np.arange(6),
        category=np.array([0, -1] * 3, np.int32),
        category_row=np.array([rows - 1, rows] * 3),
        texts={"title": (pa.array([f"about {word}" for word in words], pa.large_string()), np.full(6, rows - 1))},
        categories=pa.array(["weather"], pa.large_string()),
        profiles=Profiles(
            user=np.arange(readers, dtype=np.int32),
            row=6 + 3 * np.arange(readers),
            at=2 * np.arange(readers + 1),
            item=np.stack([np.arange(readers) % 6, -2 - np.arange(readers)], axis=1).astype(np.int32).ravel(),
            outside=pa.record_batch(
                {
                    "id": pa.array([f"o{number}" for number in range(readers)], pa.large_string()),
                    "category": pa.array(["sport", None] * (readers // 2), pa.large_string()),
                    "title": pa.array([words[number % 6] for number in range(readers)], pa.large_string()),
                }
            ),
            frozen=False,
        ),
    )
    return log, articles


class ProfileReader(Recommender):
    """Scores by all that is told of what the reader read before; of the candidates it asks nothing."""

    def start(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return []

    def read(self, user: int) -> str:
        ask = self.catalog
        return "".join(f"{ask.id(one)} {ask.title(one)} {ask.category(one)}" for one in ask.before(user))

    def score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        told = self.read(request.user)
        return [sum(told.encode()) + item for item in pool]


def test_who_reads_what_a_profile_told_is_blind_to_the_future() -> None:
    log, articles = log_with_profiles()
    assert checked(ProfileReader(), log=log, articles=articles).finding is None


class HastyReader(ProfileReader):
    """Reads an article that a later reader's profile will hand over."""

    def start(self, catalog: Catalog) -> None:
        super().start(catalog)
        self.profiles = catalog._articles.profiles
        self.titles = catalog._articles.texts["title"][0]


class TitlePeeker(HastyReader):
    def read(self, user: int) -> str:
        return str(self.titles[(user + 1) % 6].as_py())


class OutsidePeeker(HastyReader):
    def read(self, user: int) -> str:
        assert self.profiles is not None
        return str(self.profiles.outside.column("title")[min(user + 1, 19)].as_py())


class CategoryPeeker(HastyReader):
    def read(self, user: int) -> str:
        return str(self.catalog._articles.category[(user + 1) % 6])


class ProfilePeeker(HastyReader):
    def read(self, user: int) -> str:
        assert self.profiles is not None
        return str(self.profiles.item[min(2 * user + 2, 38)])


@pytest.mark.parametrize("peeker", [TitlePeeker, OutsidePeeker, CategoryPeeker, ProfilePeeker])
def test_who_reads_what_only_a_later_profile_tells_is_caught(peeker: type[Recommender]) -> None:
    log, articles = log_with_profiles()
    finding = checked(peeker(), log=log, articles=articles, cuts=50).finding
    assert finding is not None
    assert finding.what == "scores"


# --- what is changed --------------------------------------------------------------------------------------


class LengthPeeker(Recommender):
    """Answers by the number of rows of the whole log."""

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return [len(log_on_the_stack().time) % (request.item + 1)]


class SizePeeker(LengthPeeker):
    """Answers by the number of articles of the whole log."""

    def start(self, catalog: Catalog) -> None:
        self.articles = len(catalog._articles.id)

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return [self.articles % (request.item + 1)]


@pytest.mark.parametrize("peeker", [LengthPeeker, SizePeeker])
def test_who_knows_how_long_the_log_is_is_caught(peeker: type[Recommender]) -> None:
    finding = checked(peeker()).finding
    assert finding is not None
    assert finding.change in ("cut off", "overwritten and made more")


LENGTHS: dict[Change, int] = {"overwritten": 300, "cut off": 120, "overwritten and made more": 450}


@pytest.mark.parametrize("rows", LENGTHS.values())
def test_a_log_of_another_length_is_valid_and_untouched_before_the_cut(rows: int) -> None:
    log, articles = made_up_log(300)
    other, others = overwritten(log, articles, 120, 0, rows)
    assert len(other.time) == rows
    for name in LOG_DTYPES:
        assert getattr(other, name)[:120].tolist() == getattr(log, name)[:120].tolist()
    assert (np.diff(other.time) >= 0).all()
    assert (np.diff(highest_so_far(other.item), prepend=-1) <= 1).all()
    assert len(others.id) == len(others.published) == len(others.category) == len(others.texts["title"][0])
    assert len(others.id) > other.item.max()
    known = log.item[:120].max() + 1
    assert others.id[:known].to_pylist() == articles.id[:known].to_pylist()
    assert len(articles.id) == 30
    assert len(others.id) == {300: 30, 120: known, 450: 30 + 150 // 8}[rows]


@settings(max_examples=60, deadline=None)
@given(
    log=strategies.logs() | strategies.logs_with_impressions(), cut=st.integers(0, 60), more=st.sampled_from([0, 1, 9])
)
def test_a_log_may_end_at_the_cut_or_go_on_for_longer(log: Log, cut: int, more: int) -> None:
    cut = min(cut, len(log.time) - 1)
    rows = len(log.time) + more if more else cut
    other, articles = overwritten(log, bare_articles(log), cut, 0, rows)
    assert len(other.time) == rows
    assert other.item.max(initial=-1) < len(articles.id)
    assert len(other.pools.at) == 1 + np.count_nonzero(other.kind == IMPRESSION)
    assert len(other.pools.item) == other.pools.at[-1]


def test_the_profiles_of_a_log_that_ends_at_the_cut_are_there_as_far_as_they_were_handed_over() -> None:
    log, articles = log_with_profiles()
    assert checked(ProfileReader(), log=log, articles=articles, cuts=60).passed


def test_ids_and_titles_tell_neither_their_code_nor_what_was_overwritten() -> None:
    log, articles = made_up_log(300)
    _, others = overwritten(log, articles, 120, 0)
    for texts in (articles.id, others.id, articles.texts["title"][0], others.texts["title"][0]):
        words = texts.to_pylist()
        assert all(len(word) == 16 and set(word) <= set("0123456789abcdef") for word in words)
        assert len({*words}) == len(words)
        assert sorted(words) != words


# --- in processes of their own ----------------------------------------------------------------------------


MINE = """
import os, sys

class Plain:
    def start(self, catalog): self.catalog = catalog
    def learn(self, event): pass
    def recommend(self, request, k): return [0]

class Outermost(Plain):
    # Recommends by what the outermost frame that has a log reads next.
    def recommend(self, request, k):
        frame, log = sys._getframe(), None
        while frame is not None:
            log = frame.f_locals.get("log", log) if hasattr(frame.f_locals.get("log"), "pools") else log
            frame = frame.f_back
        coming = log.item[request.row + 1:request.row + 2].tolist()
        return [item for item in coming if 0 <= item < self.catalog.known]

class Counter(Plain):
    replays = 0
    def start(self, catalog):
        self.catalog = catalog
        Counter.replays += 1
    def recommend(self, request, k): return [self.replays % self.catalog.known]

class Quits(Plain):
    def recommend(self, request, k): os._exit(7)

class Unordered(Plain):
    def recommend(self, request, k): return {0}

class Raises(Plain):
    def learn(self, event): raise SystemExit(3)

class Prints(Plain):
    def recommend(self, request, k):
        print("here I am")
        os.write(1, b"and here")
        return [0]

class OwnDeque(Plain):
    def start(self, catalog):
        from collections import deque
        self.last = deque(maxlen=5)
    def learn(self, event):
        if event.kind >= 3: self.last.append(event.item)
    def recommend(self, request, k): return self.last
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "blind_or_not.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)


def verdict(name: str, cuts: int = 3) -> str:
    entry = start_list([f"blind_or_not:{name}"])[0]
    check = check_entry(entry, cuts=cuts)
    assert check.apart
    return str(check).removeprefix(f"{entry.label}: ")


@pytest.mark.usefixtures("mine")
def test_who_finds_the_untouched_log_anywhere_in_the_memory_of_the_process_is_caught() -> None:
    assert verdict("Outermost", cuts=10).startswith("SEES WHAT IT SHOULD NOT: the answer at row")


@pytest.mark.usefixtures("mine")
def test_what_a_replay_leaves_behind_in_a_class_is_found() -> None:
    assert "in a second replay of the same log" in verdict("Counter")


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Quits", "FAILED: its process ended with exit status 7"),
        ("Unordered", "FAILED: Unordered.recommend returned an object of type set, which has no order or no length"),
        ("Raises", "FAILED: SystemExit: 3"),
        ("Prints", "blind to the future at 3 cuts"),
        ("OwnDeque", "blind to the future at 3 cuts"),
    ],
)
def test_a_mistake_is_a_verdict_not_an_error_of_the_check(name: str, line: str) -> None:
    assert verdict(name).startswith(line)


def test_an_object_that_cannot_be_sent_is_replayed_here_and_the_verdict_says_so() -> None:
    class Local(PatientScorer):
        pass

    check = check_entry(start_list([Local()])[0], log=log_with_late_outcomes(), cuts=2)
    assert check.passed
    assert not check.apart
    assert str(check) == (
        "Local: blind to the future at 2 cuts; a peek on 78 % of requests is found with 95 % "
        "(replayed in this process: it cannot be sent to another)"
    )

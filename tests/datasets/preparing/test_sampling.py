"""Pseudo-impressions are what their rules say, by a slow look at every read, and by counting many draws."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.datasets.base import Block, Part, Plan
from newsreplay.datasets.preparing import prepare as prepare_module
from newsreplay.datasets.preparing.buckets import RECORD
from newsreplay.datasets.preparing.gather import KINDS
from newsreplay.datasets.preparing.prepare import DEFAULT
from newsreplay.datasets.preparing.sampling import METHODS, NEGATIVES, Sampler
from newsreplay.datasets.preparing.work import Processing
from newsreplay.datasets.store import Dataset
from newsreplay.errors import DataError
from newsreplay.log.rows import DAY, HISTORY, HOUR, IMPRESSION, OUTCOME, PUBLISH, READ, Column

T0 = 1_577_836_800_000  # 2020-01-01
MINUTE = 60_000
CAUSAL = METHODS[:2]
(LEAKING,) = METHODS[2:]


class Read(NamedTuple):
    time: int
    user: str
    item: str


class Shown(NamedTuple):
    """One impression: its candidates in order, and the one clicked."""

    time: int
    user: str
    pool: tuple[str, ...]
    clicked: str


def plan_of(reads: list[Read], blocks: int = 1, *, more: dict[str, Any] | None = None) -> Plan:
    """A plan that hands the reads over as they stand, in so many blocks."""
    columns = {name: [getattr(read, name) for read in reads] for name in Read._fields} | (more or {})
    rows = pa.table(columns)
    step = -(-len(reads) // blocks)

    def read(part: Part) -> list[Block]:
        shares = [rows[begin : begin + step] for begin in range(0, len(reads), step)]
        return [Block("f", share, records=share.num_rows, kept=share.num_rows) for share in shares]

    return Plan([Part(Path(), "f")], read, "p")


def prepare(plan: Plan, folder: Path, method: str, processing: Processing = DEFAULT) -> Dataset:
    return prepare_module.prepare(
        plan, folder, name="test", kind="table", shaping=prepare_module.Shaping(method), processing=processing
    )


def impressions_of(dataset: Dataset) -> list[Shown]:
    """What was shown, in log order; every impression is followed by its outcome with one click."""
    publisher = dataset.publisher("p")
    log, ids, users = publisher.log, publisher.articles.id.to_pylist(), publisher.users.to_pylist()
    known = np.maximum.accumulate(log.item)
    told = {int(number): row for row, number in enumerate(log.impression) if log.kind[row] == OUTCOME}
    found: list[Shown] = []
    for row in np.flatnonzero(log.kind == IMPRESSION).tolist():
        number = int(log.impression[row])
        assert number == len(found)
        begin, end = log.pools.at[number : number + 2]
        pool = log.pools.item[begin:end]
        clicked = [ids[item] for item in pool[log.pools.clicked[begin:end]]]
        outcome = told[number]
        # Nobody knows which article was on screen.
        assert log.item[row] == log.item[outcome] == -1
        assert row < outcome
        for column in (log.time, log.user, log.session):
            assert column[row] == column[outcome]
        assert (pool <= known[row]).all()
        (click,) = clicked
        found.append(Shown(int(log.time[row]), users[log.user[row]], tuple(ids[item] for item in pool), click))
    return found


def shown_by(reads: list[Read], method: str, *, blocks: int = 1, bucket: int = 2_000_000) -> list[Shown]:
    with tempfile.TemporaryDirectory() as folder:
        processing = Processing(bucket=bucket, in_memory=0)
        return impressions_of(prepare(plan_of(reads, blocks), Path(folder) / "data", method, processing))


def eligible(reads: list[Read], read: Read) -> set[str]:
    """What may stand beside a read: read by somebody in the 24 hours before, and never before by its reader."""
    recent = {other.item for other in reads if read.time - DAY <= other.time < read.time}
    own = {other.item for other in reads if other.user == read.user and other.time < read.time}
    return recent - own - {read.item}


def repeats(reads: list[Read], read: Read) -> bool:
    """Whether its reader read the same article in the 30 minutes before."""
    return any(
        (other.user, other.item) == (read.user, read.item) and 0 < read.time - other.time <= 30 * MINUTE
        for other in reads
    )


GAPS = [0, 0, 1, MINUTE, 10 * MINUTE, 30 * MINUTE, 30 * MINUTE + 1, 3 * HOUR, 12 * HOUR, DAY - 1, DAY, DAY + 1]


@st.composite
def logs(draw: st.DrawFn) -> list[Read]:
    """Reads in any source order; no reader reads one article twice at one instant."""
    seed = draw(st.randoms(use_true_random=False))
    items, users = draw(st.sampled_from([(3, 2), (8, 3), (30, 4), (70, 5)]))
    dense = draw(st.booleans())
    reads: dict[Read, None] = {}
    time = T0
    for _ in range(draw(st.sampled_from([3, 12, 40, 150]))):
        time += seed.choice(GAPS[:5] if dense else GAPS)
        read = Read(time, f"u{seed.randrange(users)}", f"a{seed.randrange(items)}")
        reads[read] = None
    order = list(reads)
    if draw(st.booleans()):
        seed.shuffle(order)
    return order


@settings(max_examples=60, deadline=None)
@given(reads=logs(), method=st.sampled_from(CAUSAL))
def test_an_impression_shows_what_its_reader_could_have_read(reads: list[Read], method: str) -> None:
    shown = shown_by(reads, method)
    expected = [read for read in reads if not repeats(reads, read) and eligible(reads, read)]
    assert Counter((one.time, one.user, one.clicked) for one in shown) == Counter(expected)
    for one in shown:
        read = Read(one.time, one.user, one.clicked)
        negatives = [item for item in one.pool if item != one.clicked]
        assert len(negatives) + 1 == len(one.pool) == len({*one.pool})
        assert {*negatives} <= eligible(reads, read)
        assert len(negatives) == min(NEGATIVES, len(eligible(reads, read)))


def test_the_window_and_the_30_minutes_include_their_ends(tmp_path: Path) -> None:
    reads = [
        Read(T0, "bob", "x"),
        Read(T0 + DAY, "ann", "a"),  # exactly 24 hours after x
        Read(T0 + DAY + 1, "zoe", "b"),  # x is too old, a is not
        Read(T0 + DAY + 30 * MINUTE, "ann", "a"),  # exactly 30 minutes after the last time
        Read(T0 + DAY + 60 * MINUTE + 1, "ann", "a"),
    ]
    shown = impressions_of(prepare(plan_of(reads), tmp_path / "data", "sampled"))
    assert [(one.time - T0 - DAY, one.clicked, {*one.pool}) for one in shown] == [
        (0, "a", {"a", "x"}),
        (1, "b", {"b", "a"}),
        (60 * MINUTE + 1, "a", {"a", "b"}),
    ]


def test_reads_of_one_instant_do_not_stand_beside_each_other(tmp_path: Path) -> None:
    reads = [Read(T0, "ann", "a"), Read(T0, "bob", "b"), Read(T0 + 1, "zoe", "c"), Read(T0 + 1, "eve", "d")]
    shown = impressions_of(prepare(plan_of(reads), tmp_path / "data", "sampled"))
    assert [(one.user, {*one.pool}) for one in shown] == [("zoe", {"a", "b", "c"}), ("eve", {"a", "b", "d"})]


def test_a_reader_who_has_read_nearly_everything_is_shown_the_rest(tmp_path: Path) -> None:
    # The draws with rejection find hardly anything, so all candidates are looked at.
    reads = [Read(T0 + n, "bob", f"a{n}") for n in range(300)]
    reads += [Read(T0 + HOUR + n, "ann", f"a{n}") for n in range(297)]
    reads.append(Read(T0 + 2 * HOUR, "ann", "new"))
    for method in CAUSAL:
        shown = impressions_of(prepare(plan_of(reads), tmp_path / method, method))
        assert {*shown[-1].pool} == {"a297", "a298", "a299", "new"}
        assert all(len({*one.pool}) == len(one.pool) for one in shown)
        assert [len(one.pool) for one in shown if one.user == "ann"][-30:-26] == [21, 21, 21, 21]


def test_no_candidates_make_no_impression(tmp_path: Path) -> None:
    dataset = prepare(plan_of([Read(T0 + n * MINUTE, "ann", f"a{n}") for n in range(5)]), tmp_path / "data", "sampled")
    assert impressions_of(dataset) == []
    assert {*dataset.publisher("p").log.kind.tolist()} <= {PUBLISH, READ}


@settings(max_examples=25, deadline=None)
@given(reads=logs(), method=st.sampled_from(METHODS), seed=st.integers(0, 9))
def test_the_same_reads_are_shown_with_the_same_pools_however_they_are_cut_and_encoded(
    reads: list[Read], method: str, seed: int
) -> None:
    one = shown_by(reads, method)
    assert shown_by(reads, method, blocks=3, bucket=3) == one
    shuffled = random.Random(seed).sample(sorted({read.item for read in reads}), len({read.item for read in reads}))
    codes = pa.array([shuffled.index(read.item) for read in reads], pa.int32())
    items = pa.DictionaryArray.from_arrays(codes, pa.array(shuffled))
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_of(reads, more={"item": items})
        assert impressions_of(prepare(plan, Path(folder) / "data", method)) == one


@settings(max_examples=40, deadline=None)
@given(reads=logs(), method=st.sampled_from(CAUSAL), at=st.integers(1, 149), seed=st.integers(0, 9))
def test_reads_after_a_moment_do_not_change_the_pools_before_it(
    reads: list[Read], method: str, at: int, seed: int
) -> None:
    cut = sorted(read.time for read in reads)[min(at, len(reads) - 1)]
    before = [read for read in reads if read.time < cut]
    if before:
        rng = random.Random(seed)
        others = [
            read if read.time < cut else Read(read.time, f"u{rng.randrange(9)}", f"b{rng.randrange(9)}")
            for read in reads
        ]
        shown = [one for one in shown_by(reads, method) if one.time < cut]
        assert shown_by(before, method) == shown
        assert [one for one in shown_by(others, method) if one.time < cut] == shown


def test_other_publishers_draw_otherwise(tmp_path: Path) -> None:
    reads = [Read(T0 + n, f"u{n % 9}", f"a{n}") for n in range(90)]
    pools = []
    for publisher in ("p", "q"):
        plan = plan_of(reads)
        plan.publisher = publisher
        log = prepare(plan, tmp_path / publisher, "sampled").publisher(publisher).log
        pools.append(log.pools.item.tolist())
    assert pools[0] != pools[1]


# --- many draws -------------------------------------------------------------------------------------------

DRAWS = 20_000


def drawn(method: str, reads: dict[int, int]) -> tuple[Column, Column]:
    """The pools of many readers who all click article 0 at one instant, after so many reads of each other one.

    Returns int32[DRAWS, candidates], and the place of the click in each.
    """
    items = np.repeat(np.array(list(reads), np.int32), np.array(list(reads.values())))
    records = np.zeros(len(items) + DRAWS, RECORD)
    time = np.append(T0 + np.arange(len(items)), np.full(DRAWS, T0 + HOUR))
    records["key"] = time * KINDS + READ
    records["place"] = np.arange(len(records))
    records["item"][: len(items)] = items
    records["user"][len(items) :] = 1 + np.arange(DRAWS)
    records["session"] = -1
    sampler = Sampler(method, 7, "p", max(reads) + 1, iter(()))
    _, (at, item, clicked) = sampler.draw(records)
    first = len(at) - 1 - DRAWS
    size = np.diff(at)[first:]
    assert (size == size[0]).all()
    pools = item[at[first] :].reshape(DRAWS, size[0])
    clicks = clicked[at[first] :].reshape(DRAWS, size[0])
    assert (pools[clicks] == 0).all()
    return pools, clicks.argmax(axis=1)


def far_off(counts: Column, expected: Column, n: int) -> float:
    """The largest distance from what is expected of n draws, in standard deviations."""
    return float((np.abs(counts - n * expected) / np.sqrt(n * expected * (1 - expected))).max())


def in_turn(weights: dict[int, int], count: int, draws: int) -> Column:
    """How often each article is among `count` drawn one after the other in proportion to its weight; slow."""
    rng = np.random.default_rng(1)
    items, weight = np.array(list(weights)), np.array(list(weights.values()), float)
    found = np.zeros(len(items))
    for _ in range(draws):
        found[rng.choice(len(items), count, replace=False, p=weight / weight.sum())] += 1
    return found / draws


@pytest.mark.parametrize("items", [25, 40, 60])  # all looked at; the border; drawn with rejection
def test_the_click_stands_anywhere_and_all_candidates_are_as_likely(items: int) -> None:
    pools, places = drawn("sampled", dict.fromkeys(range(1, items + 1), 1) | {1: 9})
    assert pools.shape[1] == NEGATIVES + 1
    assert far_off(np.bincount(places, minlength=21), np.full(21, 1 / 21), DRAWS) < 5
    counts = np.bincount(pools.ravel(), minlength=items + 1)[1:]
    assert far_off(counts, np.full(items, NEGATIVES / items), DRAWS) < 5
    # Nor is one of two places more likely for anything: candidates stand in random order.
    first = np.bincount(pools[places > 0, 0], minlength=items + 1)[1:]
    assert far_off(first, np.full(items, 1 / items), int(first.sum())) < 5


@pytest.mark.parametrize("items", [25, 60])
def test_by_popularity_candidates_are_drawn_in_turn_in_proportion_to_their_reads(items: int) -> None:
    weights = {item: [1, 2, 10][item % 3] for item in range(1, items + 1)}
    pools, places = drawn("sampled:popularity", weights)
    assert far_off(np.bincount(places, minlength=21), np.full(21, 1 / 21), DRAWS) < 5
    first = np.bincount(pools[places > 0, 0], minlength=items + 1)[1:]
    share = np.array(list(weights.values())) / sum(weights.values())
    assert far_off(first, share, int(first.sum())) < 5
    counts = np.bincount(pools.ravel(), minlength=items + 1)[1:]
    expected = in_turn(weights, NEGATIVES, 4000)
    for weight in (1, 2, 10):
        mine = np.array([weights[item] == weight for item in weights])
        assert abs(counts[mine].mean() / DRAWS - expected[mine].mean()) < 0.02


def test_readers_of_one_instant_draw_independently_of_each_other() -> None:
    pools, places = drawn("sampled", dict.fromkeys(range(1, 61), 1))
    assert len({tuple(sorted(pool)) for pool in pools[:1000].tolist()}) == 1000
    # Where one click stands says nothing of the next: 21 · 21 cells are as likely.
    pairs = np.bincount(places[:-1] * 21 + places[1:], minlength=441)
    assert far_off(pairs, np.full(441, 1 / 441), DRAWS - 1) < 5


# --- from the whole log, as published ---------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(reads=logs())
def test_from_the_whole_log_come_all_that_the_reader_never_reads(reads: list[Read]) -> None:
    shown = shown_by(reads, LEAKING)
    ever = defaultdict(set)
    for read in reads:
        ever[read.user].add(read.item)
    everything = {read.item for read in reads}
    expected = [read for read in reads if not repeats(reads, read) and everything - ever[read.user]]
    assert Counter((one.time, one.user, one.clicked) for one in shown) == Counter(expected)
    for one in shown:
        negatives = [item for item in one.pool if item != one.clicked]
        assert len(negatives) == len({*negatives}) == min(NEGATIVES, len(everything - ever[one.user]))
        assert {*negatives} <= everything - ever[one.user]


def test_from_the_whole_log_every_article_is_known_from_the_first_read_on_and_the_card_says_that_it_leaks(
    tmp_path: Path,
) -> None:
    reads = [Read(T0 + 5, "ann", "b"), Read(T0 + DAY, "bob", "a"), Read(T0 + 9 * DAY, "ann", "c")]
    dataset = prepare(plan_of(reads), tmp_path / "data", LEAKING)
    publisher = dataset.publisher("p")
    assert publisher.articles.id.to_pylist() == ["a", "b", "c"]
    assert publisher.articles.published.tolist() == [T0 + 5] * 3
    assert publisher.log.kind.tolist()[:4] == [PUBLISH] * 3 + [IMPRESSION]
    assert [{*one.pool} for one in impressions_of(dataset)] == [{"b", "a"}, {"a", "b", "c"}, {"c", "a"}]
    assert "leaks the future" in dataset.card["leaks"][0]
    assert prepare(plan_of(reads), tmp_path / "causal", "sampled").card["leaks"] == []


def test_from_the_whole_log_articles_are_known_from_the_first_read_and_not_from_a_publish_row_before_it(
    tmp_path: Path,
) -> None:
    reads = [Read(T0, "x", "old"), Read(T0 + HOUR, "ann", "b"), Read(T0 + DAY, "bob", "a")]
    more = {"kind": pa.array([PUBLISH, READ, READ], pa.uint8()), "user": pa.array([None, "ann", "bob"])}
    publisher = prepare(plan_of(reads, more=more), tmp_path / "data", LEAKING).publisher("p")
    assert dict(zip(publisher.articles.id.to_pylist(), (publisher.articles.published - T0).tolist(), strict=True)) == {
        "old": 0,
        "a": HOUR,
        "b": HOUR,
    }


# --- what else is said ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_the_card_says_that_the_impressions_are_made_up(tmp_path: Path, method: str) -> None:
    card = prepare(plan_of([Read(T0, "ann", "a"), Read(T0 + 1, "bob", "b")]), tmp_path / "data", method).card
    (said,) = card["made_up"]
    assert said.startswith("Impressions: each read with 20 articles drawn")
    assert card["publishers"][0]["impressions"] == (2 if method == LEAKING else 1)
    assert card["publishers"][0]["clicks"] == card["publishers"][0]["outcomes"] == card["publishers"][0]["impressions"]
    assert card["publishers"][0]["reads"] == 2
    json.dumps(card)


def test_reads_from_before_the_log_make_no_impressions(tmp_path: Path) -> None:
    reads = [Read(T0, "ann", "a"), Read(T0 + 1, "bob", "b"), Read(T0 + 2, "eve", "c")]
    more = {"kind": pa.array([READ, HISTORY, READ], pa.uint8())}
    shown = impressions_of(prepare(plan_of(reads, more=more), tmp_path / "data", "sampled"))
    assert [one.clicked for one in shown] == ["c"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pool", [["a", "b"], []])
def test_a_log_with_impressions_of_its_own_is_refused(tmp_path: Path, method: str, pool: list[str]) -> None:
    more = {
        "kind": pa.array([READ, IMPRESSION], pa.uint8()),
        "item": pa.array(["a", None], pa.string()),
        "pool": pa.array([None, pool], pa.list_(pa.string())),
    }
    plan = plan_of([Read(T0, "ann", "a"), Read(T0 + 1, "bob", "b")], more=more)
    with pytest.raises(DataError, match="test has impressions of its own; leave --impressions out"):
        prepare(plan, tmp_path / "data", method)


def test_an_unknown_method_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'drawn'; use sampled, sampled:popularity, sampled:uniform-all"):
        prepare(plan_of([Read(T0, "ann", "a")]), tmp_path / "data", "drawn")
    assert list(tmp_path.iterdir()) == []

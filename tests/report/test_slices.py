"""Slices of a run folder: every cell against the oracle, and what they add up to."""

from __future__ import annotations

import json
import math
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.api import Run
from newsreplay.errors import NewsreplayError
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import DAY, HISTORY, HOUR, PUBLISH, READ, Log, make_log
from newsreplay.report.records import Estimate
from newsreplay.report.slices import DIMENSIONS, PublisherColumns, Slices, over_time, sliced
from newsreplay.simulator.judgement.clusters import KINDS, ClusterSizes
from newsreplay.simulator.judgement.metrics import measure
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.judgement.scoring import Answers, score, select_scored
from newsreplay.simulator.runs.columns import write_judgement, write_scored
from newsreplay.simulator.runs.options import Answering, Options
from newsreplay.simulator.runs.paths import pair_files
from newsreplay.simulator.runs.records import FORMAT, PairRecord
from newsreplay.simulator.runs.write import name_files
from tests import strategies
from tests.naive import baselines as naive
from tests.naive import judge as naive_judge
from tests.naive.judge import padded, publisher_of
from tests.sealed import sealed

BY_READ, BY_SESSION = ("position", "age", "category"), ("hour", "day", "reader", "length")


def folder_of(
    folder: Path,
    publisher: Publisher,
    answers: dict[str, Answers],
    options: Options,
    sizes: ClusterSizes = ClusterSizes(),
    sessions: int = 1000,
) -> Run:
    """A run folder with these answers, as far as slices look at it.

    It says that `sessions` are scored, which are enough to show them.
    """
    of = select_scored(publisher, options.scope, options.answering.seed, sizes)
    write_scored(folder, publisher, of)
    tallies = {}
    for name, answer in answers.items():
        verdict = score(publisher, of, answer)
        write_judgement(pair_files(folder, publisher.name, name), verdict)
        tallies[name] = verdict.sums
    results = measure(publisher.name, options.answering.k, of, tallies, options.answering.seed).results
    pairs: list[PairRecord] = [{"publisher": publisher.name, "recommender": name, "status": "done"} for name in answers]
    for pair in pairs:
        name_files(pair, pair_files(folder, publisher.name, pair["recommender"]), folder)
    failed = {"publisher": publisher.name, "recommender": "broken", "status": "failed", "error": "it broke"}
    facts = {
        "publisher": publisher.name,
        "resampled": of.resampled.slates,
        "impressions_resampled": of.resampled.impressions,
        "scored_sessions": sessions,
        "scored_impressions": len(of.impressions.impression),
    }
    info = {"format": FORMAT, "options": options.flat(), "publishers": [facts]}
    (folder / "run.json").write_text(json.dumps(info | {"pairs": [*pairs, failed]}))
    (folder / "timing.json").write_text("{}")
    (folder / "results.json").write_text(json.dumps([result._asdict() for result in results]))
    return Run(sealed(folder))


class Case(NamedTuple):
    """A log, and the answers of a recommender that scores impressions and of one that does not."""

    log: Log
    k: int
    slates: dict[str, list[list[int]]]
    scores: list[float]

    def run(self, folder: str | Path, **options: str) -> Run:
        answers = {
            name: Answers(padded(slates, self.k), np.array(self.scores) if name == "scoring" else None)
            for name, slates in self.slates.items()
        }
        return folder_of(
            Path(folder),
            publisher_of(self.log),
            answers,
            Options(Scope(cluster=options["cluster"]), Answering(k=self.k)),
        )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    log = draw(strategies.logs_with_impressions())
    begin = draw(st.sampled_from([0, *log.time[log.kind == READ].tolist()]))
    log = log._replace(kind=np.where((log.kind == READ) & (log.time < begin), HISTORY, log.kind).astype(np.uint8))
    k = draw(st.sampled_from([1, 2, 5]))
    slates: dict[str, list[list[int]]] = {"scoring": [], "silent": []}
    for answers in slates.values():
        for row in np.flatnonzero(log.kind == READ).tolist():
            known = sorted(naive_judge.known_at(log, row) - {int(log.item[row])})
            answers.append(draw(st.permutations(known))[: draw(st.integers(0, k))] if known else [])
    places = len(log.pools.item)
    few = st.sampled_from([-math.inf, 0.0, 1.0, 2.5])
    return Case(log, k, slates, draw(st.lists(few, min_size=places, max_size=places)))


class Values(NamedTuple):
    """What one cell is the mean of, and what each is resampled with."""

    values: list[float]
    units: list[int]


def expected(case: Case, name: str, by: str, cluster: str) -> dict[tuple[str, str], Values]:
    """Metric and slice → values, of one recommender."""
    found: dict[tuple[str, str], Values] = defaultdict(lambda: Values([], []))

    def add(metric: str, group: str, value: float, unit: int) -> None:
        found[metric, group].values.append(value)
        found[metric, group].units.append(unit)

    fates = naive_judge.fates(case.log, case.slates[name], case.k)
    for session in {fate.session for fate in fates}:
        mine = [fate for fate in fates if fate.session == session]
        unit = naive_judge.cluster(case.log, cluster, session, int(case.log.time[mine[0].row]))
        for cut in {1, case.k}:
            hits = [isinstance(fate.place, int) and fate.place <= cut for fate in mine]
            if by in BY_SESSION:
                group = naive_judge.slice_of_session(case.log, by, mine)
                add(f"event_success@{cut}", group, sum(hits), unit)
                add(f"session_success@{cut}", group, any(hits), unit)
                continue
            for fate, hit in zip(mine, hits, strict=True):
                if fate.position == 1:  # of the session's first instant
                    continue
                of = naive_judge.slice_of_read(case.log, by, fate)
                add(f"read_success@{cut}", "no category" if of is None else str(of), hit, unit)
    for pool in naive_judge.pools(case.log, case.scores) if name == "scoring" else []:
        unit = naive_judge.cluster(case.log, cluster, pool.session, pool.time)
        if by in ("hour", "day", "reader"):
            of = naive_judge.reader(case.log, pool.session)
            group = {"hour": naive_judge.hour(pool.time), "day": naive_judge.day(pool.time), "reader": of}[by]
            add("auc", group, pool.auc, unit)
            add("mrr", group, pool.mrr, unit)
            add("ndcg@10", group, pool.ndcg10, unit)
    return dict(found)


def bounds(metric: str, group: str, values: dict[tuple[str, str], Values], cluster: str) -> tuple[float, float] | None:
    """The interval of a metric in a slice, of one recommender's values."""
    each, units = values[metric, group]
    name, _, cut = metric.partition("@")
    if name not in ("event_success", "session_success"):
        some = {unit for value, unit in zip(each, units, strict=True) if value}
        return naive_judge.interval(each, units) if len(some) >= 10 else None
    hits = [int(value) for value in values[f"event_success@{cut}", group].values]
    drawn = naive_judge.interval([float(n > 0) for n in hits], units)
    success = naive_judge.success_interval(hits, units, cluster == "session", drawn)
    if name == "session_success":
        return success
    return naive_judge.event_interval(hits, success, naive_judge.interval(each, units))


# --- against the oracle ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", DIMENSIONS)
@settings(max_examples=8, deadline=None)
@given(case=cases(), cluster=st.sampled_from(KINDS))
def test_every_cell_equals_the_oracle(by: str, case: Case, cluster: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = sliced(PublisherColumns(case.run(folder, cluster=cluster), "A"), by)
    for name in case.slates:
        every = expected(case, name, by, cluster)
        values = every.copy()
        assert {group for _, group in values} <= set(found.groups)
        for metric, rows in found.cells.items():
            cells = dict(zip(found.groups, rows[name], strict=True))
            for group, (value, low, high, n) in cells.items():
                if (metric, group) not in values:
                    assert (value, low, high, n) == (None, None, None, 0)
                    continue
                each = values.pop((metric, group)).values
                assert n == len(each)
                assert value == pytest.approx(math.fsum(each) / n, rel=1e-11, abs=1e-15)
                told = bounds(metric, group, every, cluster)
                assert (low, high) == (pytest.approx(told, rel=1e-9, abs=1e-12) if told else (None, None))
        assert not values


@pytest.mark.parametrize("by", BY_SESSION)
@settings(max_examples=6, deadline=None)
@given(case=cases())
def test_slices_of_sessions_add_up_to_the_whole(by: str, case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = case.run(folder, cluster="session")
        found = sliced(PublisherColumns(run, "A"), by)
    for result in run.results:
        if result.metric in found.metrics and result.value is not None:
            cells = found.cells[result.metric][result.recommender]
            assert sum(cell[3] for cell in cells) == result.n
            whole = sum(cell[0] * cell[3] for cell in cells if cell[0] is not None)
            assert whole / result.n == pytest.approx(result.value, rel=1e-11, abs=1e-15)


@pytest.mark.parametrize("by", BY_READ)
@settings(max_examples=6, deadline=None)
@given(case=cases())
def test_slices_of_reads_add_up_to_the_later_reads_and_their_hits(by: str, case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = case.run(folder, cluster="session")
        found = sliced(PublisherColumns(run, "A"), by)
    fates = naive_judge.fates(case.log, case.slates["silent"], case.k)
    cells = found.cells["read_success@1"]["silent"]
    assert sum(cell[3] for cell in cells) == sum(fate.position > 1 for fate in fates)
    hits = sum(round(cell[0] * cell[3]) for cell in cells if cell[0] is not None)
    assert hits == sum(fate.place == 1 for fate in fates)


@settings(max_examples=8, deadline=None)
@given(case=cases())
def test_few_sessions_have_their_counts_and_no_values_but_of_impressions_and_of_what_is_named(case: Case) -> None:
    answers = {"scoring": Answers(padded(case.slates["scoring"], case.k), np.array(case.scores))}
    options = Options(answering=Answering(k=case.k))
    for by in (*BY_SESSION, *BY_READ):
        with tempfile.TemporaryDirectory() as folder:
            enough = PublisherColumns(folder_of(Path(folder), publisher_of(case.log), answers, options), "A")
            whole, named = sliced(enough, by), [f"{what}@1" for what in ("event_success", "read_success")]
            enough.run.info["publishers"][0]["scored_sessions"] = 29
            few, asked = sliced(enough, by), sliced(enough, by, named)
        for metric, cells in whole.cells.items():
            bare = [(None, None, None, cell[3]) for cell in cells["scoring"]]
            hidden = metric.partition("@")[0] in ("event_success", "session_success", "read_success")
            assert few.cells[metric]["scoring"] == (bare if hidden else cells["scoring"])
            assert asked.cells[metric]["scoring"] == (bare if hidden and metric not in named else cells["scoring"])


@pytest.mark.parametrize("few", [1, 3])
@settings(max_examples=12, deadline=None)
@given(case=cases())
def test_success_over_time_is_that_of_the_sessions_that_begin_then(few: int, case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        starts, width, cells = over_time(PublisherColumns(case.run(folder, cluster="session"), "A"), few)
    fates = naive_judge.fates(case.log, case.slates["silent"], case.k)
    first = {fate.session: int(case.log.time[fate.row]) for fate in fates if fate.position == 1}
    begun = [time // width for time in first.values()]
    enough = sorted({stretch for stretch in begun if begun.count(stretch) >= few})
    if not enough:
        assert (len(starts), cells) == (0, {})
        return
    assert set(cells) == set(case.slates)
    assert (starts // width).tolist() == list(range(enough[0], enough[-1] + 1))
    for start, (value, _, _, n) in zip(starts.tolist(), cells["silent"], strict=True):
        mine = {session for session, time in first.items() if start <= time < start + width}
        assert n == (len(mine) if len(mine) >= few else 0)
        if n:
            hits = sum(fate.place == 1 for fate in fates if fate.session in mine)
            assert value == pytest.approx(hits / n, rel=1e-11)
    assert len(starts) <= 122


def test_a_slice_of_many_clusters_is_resampled_in_groups(tmp_path: Path) -> None:
    visits = [(session, number % 2) for session in range(120) for number in range(4 + session % 2)]
    run = reads(tmp_path, [(time, session, item) for time, (session, item) in enumerate(visits)])
    alone = sliced(PublisherColumns(run, "A"), "length").cells["event_success@1"]
    sizes = ClusterSizes(most_coarse=50, groups_coarse=100)
    grouped = sliced(PublisherColumns(run, "A", sizes=sizes), "length").cells["event_success@1"]
    for name, cells in alone.items():
        for (value, low, high, n), (other, other_low, other_high, m) in zip(cells, grouped[name], strict=True):
            assert (value, n) == (other, m)
            if n:
                assert (low, high) != (other_low, other_high)
                assert other_high - other_low == pytest.approx(high - low, rel=0.35)


# --- by hand ---------------------------------------------------------------------------------------------------


def reads(folder: Path, rows: list[tuple[int, int, int]], hits: bool = True, **columns: list[int]) -> Run:
    """Reads (time, session, article), each answered with the next read's article; readers are sessions."""
    time, session, item = (list(column) for column in zip(*rows, strict=True))
    columns = {"kind": [READ] * len(rows), "user": session, "category": [-1] * len(rows)} | columns
    log = make_log(time=time, session=session, item=item, **columns)
    following = [
        [after] if hits and after != now else [] for now, after in zip(item, [*item[1:], item[-1]], strict=True)
    ]
    answers = [slate for slate, kind in zip(following, columns["kind"], strict=True) if kind == READ]
    return folder_of(
        folder, publisher_of(log), {"mine": Answers(padded(answers, 1), None)}, Options(answering=Answering(k=1))
    )


def cells_of(found: Slices, metric: str) -> dict[str, tuple[float | None, int]]:
    """Slice → value and n, where there is something."""
    cells: list[Estimate] = found.cells[metric]["mine"]
    return {group: (cell[0], cell[3]) for group, cell in zip(found.groups, cells, strict=True) if cell[3]}


def test_positions_count_from_the_second_read(tmp_path: Path) -> None:
    run = reads(tmp_path, [(i, 0, i % 2) for i in range(12)])
    found = sliced(PublisherColumns(run, "A"), "position")
    assert found.label == "position of the read in its session"
    assert found.groups == ["2", "3", "4 to 5", "6 to 10", "11 and more"]
    counts = {group: n for group, (_, n) in cells_of(found, "read_success@1").items()}
    assert counts == {"2": 1, "3": 1, "4 to 5": 2, "6 to 10": 5, "11 and more": 2}
    assert [metric for metric in found.metrics if found.cells[metric]] == ["read_success@1"]


@pytest.mark.parametrize(
    ("length", "group"),
    [(2, "2"), (3, "3"), (4, "4 to 5"), (5, "4 to 5"), (6, "6 to 10"), (10, "6 to 10"), (11, "11 and more")],
)
def test_a_session_is_in_the_slice_of_its_length(length: int, group: str, tmp_path: Path) -> None:
    found = sliced(PublisherColumns(reads(tmp_path, [(i, 0, i % 2) for i in range(length)]), "A"), "length")
    assert cells_of(found, "event_success@1") == {group: (length - 1, 1)}
    assert cells_of(found, "session_success@1") == {group: (1.0, 1)}


@pytest.mark.parametrize(
    ("age", "group"),
    [
        (0, "under 1 h"),
        (HOUR - 1, "under 1 h"),
        (HOUR, "1 to 6 h"),
        (6 * HOUR, "6 to 24 h"),
        (DAY - 1, "6 to 24 h"),
        (DAY, "1 to 7 days"),
        (7 * DAY, "7 days and more"),
    ],
)
def test_an_article_of_exactly_a_bound_is_in_the_older_slice(age: int, group: str, tmp_path: Path) -> None:
    rows = [(1, -1, 0), (age, 0, 1), (age + 1, 0, 0)]
    run = reads(tmp_path, rows, kind=[PUBLISH, READ, READ])
    assert cells_of(sliced(PublisherColumns(run, "A"), "age"), "read_success@1") == {group: (1.0, 1)}


def test_a_session_over_midnight_is_of_the_hour_and_the_day_in_which_it_begins(tmp_path: Path) -> None:
    run = reads(tmp_path, [(DAY - 1, 0, 0), (DAY, 0, 1), (DAY, 1, 0), (DAY + HOUR, 1, 1)])
    hours, days = sliced(PublisherColumns(run, "A"), "hour"), sliced(PublisherColumns(run, "A"), "day")
    assert hours.groups == [f"{hour:02}" for hour in range(24)]
    assert {group: n for group, (_, n) in cells_of(hours, "event_success@1").items()} == {"00": 1, "23": 1}
    assert days.groups == ["1970-01-01", "1970-01-02"]


def test_readers_are_returning_from_their_second_session_on(tmp_path: Path) -> None:
    run = reads(
        tmp_path,
        [(0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1), (4, 2, 0), (5, 2, 1)],
        user=[0, 0, 0, 0, 1, 1],
    )
    found = sliced(PublisherColumns(run, "A"), "reader")
    assert found.groups == ["new", "returning"]
    assert cells_of(found, "event_success@1") == {"new": (1.0, 2), "returning": (1.0, 1)}


def test_impressions_are_sliced_by_their_auc_mrr_and_ndcg_at_ten(tmp_path: Path) -> None:
    log, scores = naive_judge.eight_shown()
    answers = Answers(padded([[], []], 1), np.array(scores))
    found = sliced(
        PublisherColumns(
            folder_of(tmp_path, publisher_of(log), {"mine": answers}, Options(answering=Answering(k=1))), "A"
        ),
        "reader",
    )
    assert found.metrics == ["event_success@1", "session_success@1", "auc", "mrr", "ndcg@10"]
    second, seventh = 1 / np.log2(3), 1 / np.log2(8)
    for metric, value in (("auc", 1 / 2), ("mrr", 9 / 28), ("ndcg@10", (second + seventh) / (1 + second))):
        assert cells_of(found, metric) == {"new": (pytest.approx(value), 1)}


def categories(folder: Path, names: list[str | None]) -> Slices:
    """Sessions that read one article each after another one; the n-th category is read n times, at least once."""
    folder.mkdir(exist_ok=True)
    known = [name for name in dict.fromkeys(names) if name is not None]
    rows, told = [(0, -1, 0)], [-1]
    session = 0
    for n, name in enumerate(names):
        for _ in range(n + 1):
            rows += [(2 * session, session, 0), (2 * session + 1, session, n + 1)]
            told += [-1, -1 if name is None else known.index(name)]
            session += 1
    time, sessions, item = (list(column) for column in zip(*rows, strict=True))
    log = make_log(
        time=time, kind=[PUBLISH] + [READ] * (len(rows) - 1), session=sessions, user=sessions, item=item, category=told
    )
    publisher = publisher_of(log)
    publisher = publisher._replace(articles=publisher.articles._replace(categories=pa.array(known, pa.large_string())))
    answers = Answers(padded([[]] * (len(rows) - 1), 1), None)
    return sliced(
        PublisherColumns(folder_of(folder, publisher, {"mine": answers}, Options(answering=Answering(k=1))), "A"),
        "category",
    )


def test_the_categories_read_most_are_shown_by_name_and_the_others_together(tmp_path: Path) -> None:
    found = categories(tmp_path, [None, *(f"c{n}" for n in range(15))])
    assert found.groups == [*(f"c{n}" for n in range(14, 2, -1)), "other categories", "no category"]
    cells = cells_of(found, "read_success@1")
    assert cells["c14"] == (0.0, 16)
    assert cells["c3"] == (0.0, 5)
    assert cells["other categories"] == (0.0, 2 + 3 + 4)
    assert cells["no category"] == (0.0, 1)


def test_up_to_twelve_categories_leave_no_others(tmp_path: Path) -> None:
    assert categories(tmp_path, [f"c{n}" for n in range(12)]).groups == [f"c{n}" for n in range(11, -1, -1)]


def test_without_categories_there_is_one_slice(tmp_path: Path) -> None:
    assert categories(tmp_path, [None, None]).groups == ["no category"]


@pytest.mark.parametrize("name", ["", "<script>alert(1)</script>", "no\tcategory\n", "Ü & Ö", "None", "0", "\0"])
def test_a_category_may_have_any_name(name: str, tmp_path: Path) -> None:
    assert categories(tmp_path, [None, name]).groups == [name, "no category"]


def test_a_category_may_be_called_as_those_without_a_name_are(tmp_path: Path) -> None:
    found = categories(tmp_path / "few", [None, "no category"])
    assert cells_of(found, "read_success@1") == {"no category": (0.0, 2), "(no category)": (0.0, 1)}
    found = categories(tmp_path / "many", [None, *(f"c{n}" for n in range(12)), "other categories", "no category"])
    cells = cells_of(found, "read_success@1")
    assert cells["no category"] == (0.0, 15)
    assert cells["other categories"] == (0.0, 14)
    assert cells["(other categories)"] == (0.0, 2 + 3)
    assert cells["(no category)"] == (0.0, 1)
    assert sum(n for _, n in cells.values()) == 15 * 16 // 2


# --- corners ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", DIMENSIONS)
def test_without_a_scored_session_no_cell_has_a_value(by: str, tmp_path: Path) -> None:
    run = reads(tmp_path, [(0, 0, 0), (1, 1, 0)])
    found = sliced(PublisherColumns(run, "A"), by)
    assert {cell for rows in found.cells.values() for cells in rows.values() for cell in cells} <= {
        (None, None, None, 0)
    }
    starts, width, cells = over_time(PublisherColumns(run, "A"))
    assert (len(starts), width, cells) == (0, HOUR, {})


@pytest.mark.parametrize("by", DIMENSIONS)
def test_recommenders_that_failed_are_in_no_slice(by: str, tmp_path: Path) -> None:
    log = make_log(time=[0, 1], kind=[READ] * 2, session=[0, 0], user=[0, 0], item=[0, 1], category=[-1] * 2)
    found = sliced(
        PublisherColumns(folder_of(tmp_path, publisher_of(log), {}, Options(answering=Answering(k=1))), "A"), by
    )
    assert not any(found.cells.values())


def test_many_recommenders_are_resampled_in_batches_with_the_same_cells(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    n = 300
    session = naive.code_by_first_appearance(rng.integers(0, 60, n).tolist())
    item = naive.code_by_first_appearance(rng.integers(0, 9, n).tolist())
    log = make_log(time=range(n), kind=[READ] * n, session=session, user=session, item=item, category=[-1] * n)
    answers = {f"r{i}": Answers(rng.integers(0, 9, (n, 1)).astype(np.int32), None) for i in range(5)}
    run = folder_of(tmp_path, publisher_of(log), answers, Options(answering=Answering(k=1)))
    for by in ("length", "position"):
        at_once = sliced(PublisherColumns(run, "A"), by)
        for batch in (1, 120):
            assert sliced(PublisherColumns(run, "A", batch=batch), by) == at_once


def sessions_of_two(folder: Path, hits: list[bool], sizes: ClusterSizes = ClusterSizes()) -> PublisherColumns:
    """Sessions of two reads, some of which were offered the second."""
    rows = [(2 * session + i, session, i) for session in range(len(hits)) for i in (0, 1)]
    time, session, item = (list(column) for column in zip(*rows, strict=True))
    nothing = [-1] * len(rows)
    log = make_log(time=time, kind=[READ] * len(rows), session=session, user=session, item=item, category=nothing)
    answers = Answers(padded([[1] if hits[s] and i == 0 else [] for _, s, i in rows], 1), None)
    run = folder_of(folder, publisher_of(log), {"mine": answers}, Options(answering=Answering(k=1)), sizes)
    return PublisherColumns(run, "A")


def test_slices_of_many_sessions_are_resampled_in_the_groups_of_the_run_and_counted_before(tmp_path: Path) -> None:
    hits = [session % 3 == 0 for session in range(40)]
    columns = sessions_of_two(tmp_path, hits, ClusterSizes(most=20, groups=6))
    drawn = naive_judge.interval([float(hit) for hit in hits], [naive_judge.hashed(s, 6) for s in range(40)])
    exact = naive_judge.clopper_pearson(14, 40)
    event = min(drawn[0], exact[0]), max(drawn[1], exact[1])
    cells = sliced(columns, "length").cells | sliced(columns, "position").cells
    for metric, told in {"event_success": event, "session_success": exact, "read_success": drawn}.items():
        assert cells[f"{metric}@1"]["mine"][0] == (14 / 40, *map(pytest.approx, told), 40)


@pytest.mark.parametrize(("clicked", "told"), [(9, False), (10, True)])
def test_reads_have_an_interval_where_ten_sessions_have_a_hit(clicked: int, told: bool, tmp_path: Path) -> None:
    columns = sessions_of_two(tmp_path, [session < clicked for session in range(40)])
    value, *bounds_of, n = sliced(columns, "position").cells["read_success@1"]["mine"][0]
    assert (value, n) == (clicked / 40, 40)
    assert [bound is not None for bound in bounds_of] == [told, told]


@pytest.mark.parametrize(("by", "told"), [("postion", "Did you mean 'position'"), ("xyzzy", "There are hour, day")])
def test_another_dimension_is_refused_with_what_there_is(by: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(NewsreplayError, match=told):
        sliced(PublisherColumns(reads(tmp_path, [(0, 0, 0), (1, 0, 0)]), "A"), by)

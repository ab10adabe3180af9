"""The columns of a run folder: what is written is read back, and what is damaged is refused."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.errors import RunError
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import HISTORY, IMPRESSION, OUTCOME, PUBLISH, READ, make_log
from newsreplay.simulator.judgement import clusters
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.judgement.scoring import Answers, score, select_scored
from newsreplay.simulator.runs.columns import (
    read_impressions,
    read_outcomes,
    read_rankings,
    read_reads,
    read_scores,
    write_impressions,
    write_judgement,
    write_scored,
    write_scores,
)
from newsreplay.simulator.runs.paths import file_name, pair_files, publisher_files
from tests import strategies
from tests.naive import judge as naive_judge
from tests.naive.judge import padded, publisher_of


@st.composite
def publishers(draw: st.DrawFn) -> Publisher:
    """Impressions, reads from before the log, and categories with names that nobody would expect."""
    log = draw(strategies.logs_with_impressions())
    begin = draw(st.sampled_from([0, *log.time[log.kind == READ].tolist()]))
    log = log._replace(kind=np.where((log.kind == READ) & (log.time < begin), HISTORY, log.kind).astype(np.uint8))
    publisher = publisher_of(log)
    count = len(publisher.articles.categories)
    names = draw(st.lists(st.text(max_size=4), min_size=count, max_size=count, unique=True))
    return publisher._replace(articles=publisher.articles._replace(categories=pa.array(names, pa.large_string())))


def plain_reads(session: list[int]) -> Publisher:
    """Reads of two articles in turn, without categories and impressions."""
    n = len(session)
    return publisher_of(
        make_log(
            time=range(n),
            kind=[READ] * n,
            session=session,
            user=session,
            item=[i % 2 for i in range(n)],
            category=[-1] * n,
        )
    )


# --- what is scored --------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(publisher=publishers(), cluster=st.sampled_from(clusters.KINDS))
def test_scored_reads_and_impressions_are_read_back_as_the_oracle_has_them(publisher: Publisher, cluster: str) -> None:
    log, names = publisher.log, publisher.articles.categories.to_pylist()
    with tempfile.TemporaryDirectory() as folder:
        files = publisher_files(Path(folder), "A")
        write_scored(Path(folder), publisher, select_scored(publisher, Scope(cluster=cluster)))
        reads, seen = read_reads(files.frame), read_impressions(files.scored_impressions)
    fates = naive_judge.fates(log, [[]] * len(publisher.requests.row), 1)
    first = {fate.session: int(log.time[fate.row]) for fate in reversed(fates)}
    assert reads.row.tolist() == [fate.row for fate in fates]
    assert reads.time.tolist() == [log.time[fate.row] for fate in fates]
    assert reads.session.tolist() == [fate.session for fate in fates]
    assert reads.cluster.tolist() == [naive_judge.cluster(log, cluster, f.session, first[f.session]) for f in fates]
    assert reads.relevant.tolist() == [fate.relevant for fate in fates]
    assert reads.reachable.tolist() == [fate.reachable for fate in fates]
    assert reads.again.tolist() == [fate.again for fate in fates]
    assert reads.age.tolist() == [naive_judge.age(log, fate.row) for fate in fates]
    assert reads.returning.tolist() == [naive_judge.reader(log, fate.session) == "returning" for fate in fates]
    told = [naive_judge.category(log, fate.row) for fate in fates]
    found = [None if code < 0 else reads.categories[code] for code in reads.category.tolist()]
    assert found == [None if code is None else names[code] for code in told]

    pools = naive_judge.pools(log, [0.0] * len(log.pools.item))
    if not pools:
        assert seen is None
        return
    assert seen is not None
    assert seen.row.tolist() == [pool.row for pool in pools]
    assert seen.time.tolist() == [pool.time for pool in pools]
    assert seen.session.tolist() == [pool.session for pool in pools]
    assert seen.cluster.tolist() == [naive_judge.cluster(log, cluster, pool.session, pool.time) for pool in pools]
    assert seen.returning.tolist() == [naive_judge.reader(log, pool.session) == "returning" for pool in pools]
    assert seen.candidates.tolist() == [len(pool.clicked) + len(pool.passed) for pool in pools]


def test_columns_have_the_types_that_are_promised(tmp_path: Path) -> None:
    publisher = plain_reads([0, 0, 1])
    write_scored(tmp_path, publisher, select_scored(publisher, Scope()))
    reads = read_reads(publisher_files(tmp_path, "A").frame)
    assert {name: str(column.dtype) for name, column in reads._asdict().items() if name != "categories"} == {
        **dict.fromkeys(("row", "time", "cluster", "age"), "int64"),
        **dict.fromkeys(("session", "relevant", "category"), "int32"),
        **dict.fromkeys(("reachable", "again", "returning"), "bool"),
    }


def test_without_a_scored_session_the_reads_are_none(tmp_path: Path) -> None:
    publisher = plain_reads([0, 1])
    write_scored(tmp_path, publisher, select_scored(publisher, Scope()))
    reads = read_reads(publisher_files(tmp_path, "A").frame)
    assert [len(column) for column in reads] == [0] * len(reads)
    assert read_impressions(publisher_files(tmp_path, "A").scored_impressions) is None


def test_a_reader_with_a_read_from_before_the_log_is_returning(tmp_path: Path) -> None:
    log = make_log(
        time=range(6),
        kind=[PUBLISH, HISTORY, READ, READ, READ, READ],
        session=[-1, 0, 1, 1, 2, 2],
        user=[-1, 0, 0, 0, 1, 1],
        item=[0] * 6,
        category=[-1] * 6,
    )
    publisher = publisher_of(log)
    write_scored(tmp_path, publisher, select_scored(publisher, Scope()))
    reads = read_reads(publisher_files(tmp_path, "A").frame)
    assert reads.session.tolist() == [1, 1, 2, 2]
    assert reads.returning.tolist() == [True, True, False, False]


def test_what_an_earlier_scoring_left_of_impressions_goes_if_none_is_scored_now(tmp_path: Path) -> None:
    """A run folder may be scored again, with a warm-up that no impression survives."""
    publisher = with_impressions()
    pair, files = pair_files(tmp_path, "A", "mine"), publisher_files(tmp_path, "A")
    for warmup, there in ((0, True), (10, False)):
        of = select_scored(publisher, Scope(warmup=warmup))
        write_scored(tmp_path, publisher, of)
        write_judgement(pair, score(publisher, of, Answers(padded([[]] * 2, 1), np.array([1.0, 0.0]))))
        assert (read_impressions(files.scored_impressions) is not None) is there
        assert (read_rankings(pair.rankings) is not None) is there


def with_impressions() -> Publisher:
    """One impression before the second of two reads, of the first one's article and another one, which is clicked."""
    log = make_log(
        time=[0, 0, 0, 1, 2, 2],
        kind=[PUBLISH, PUBLISH, READ, IMPRESSION, OUTCOME, READ],
        session=[-1, -1, 0, 0, 0, 0],
        user=[-1, -1, 0, 0, 0, 0],
        item=[0, 1, 0, 0, 0, 1],
        category=[-1] * 6,
        impression=[-1, -1, -1, 0, 0, -1],
        pools={"at": [0, 2], "item": [0, 1], "clicked": [False, True]},
    )
    return publisher_of(log)


# --- what became of answers ------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(publisher=publishers(), k=st.sampled_from([1, 8, 9, 20]), scores=st.booleans(), data=st.data())
def test_a_verdict_is_read_back(publisher: Publisher, k: int, scores: bool, data: st.DataObject) -> None:
    items = range(len(publisher.articles.id))
    answers = padded([data.draw(st.permutations(items))[:k] for _ in publisher.requests.row], k)
    given_scores = np.arange(len(publisher.log.pools.item), dtype=float) if scores else None
    verdict = score(publisher, select_scored(publisher, Scope()), Answers(answers, given_scores))
    with tempfile.TemporaryDirectory() as folder:
        files = pair_files(Path(folder), "A", "mine")
        write_judgement(files, verdict)
        outcomes, ranked = read_outcomes(files.outcomes), read_rankings(files.rankings)
    assert outcomes.place.dtype == np.int16
    assert outcomes.place.tolist() == verdict.outcomes.place.tolist()
    assert outcomes.relevant.tolist() == verdict.outcomes.relevant.tolist()
    assert outcomes.relevant.shape == verdict.outcomes.relevant.shape
    if verdict.ranked is None:
        assert ranked is None
    else:
        assert ranked is not None
        assert np.array_equal(ranked.values, verdict.ranked.values)


# --- scores ----------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(publisher=publishers(), data=st.data())
def test_scores_and_the_impressions_they_are_for_are_read_back(publisher: Publisher, data: st.DataObject) -> None:
    log, places = publisher.log, len(publisher.log.pools.item)
    one = st.one_of(st.just(-math.inf), st.floats(allow_nan=False))
    scores = np.array(data.draw(st.lists(one, min_size=places, max_size=places)), float)
    with tempfile.TemporaryDirectory() as folder:
        files, pair = publisher_files(Path(folder), "A"), pair_files(Path(folder), "A", "mine")
        write_scores(pair.scores, publisher, scores)
        write_impressions(files.impressions, publisher)
        found = read_scores(pair.scores, publisher)
        rows = pq.read_table(pair.scores).to_pylist()
        told = pq.read_table(files.impressions).to_pylist() if files.impressions.exists() else []
    assert found is not None
    assert found.tolist() == scores.tolist()
    expected = []
    for row in np.flatnonzero(log.kind == IMPRESSION).tolist():
        at = range(int(log.pools.at[log.impression[row]]), int(log.pools.at[log.impression[row] + 1]))
        expected.append(
            {
                "row": row,
                "time": int(log.time[row]),
                "session": str(log.session[row]),
                "user": str(log.user[row]),
                "candidates": [str(log.pools.item[place]) for place in at],
                "clicked": [bool(log.pools.clicked[place]) for place in at],
                "outcome_known": any(
                    log.impression[i] == log.impression[row] for i in np.flatnonzero(log.kind == OUTCOME)
                ),
                "scores": [scores[place] for place in at],
            }
        )
    assert [row["scores"] for row in rows] == [one.pop("scores") for one in expected]
    assert [row["row"] for row in rows] == [one["row"] for one in expected]
    assert [one | {"time": round(one["time"].timestamp() * 1000)} for one in told] == expected


def test_without_impressions_no_file_is_written_for_them(tmp_path: Path) -> None:
    write_impressions(tmp_path / "impressions.parquet", plain_reads([0, 0]))
    assert not (tmp_path / "impressions.parquet").exists()
    assert read_scores(tmp_path / "scores.parquet", plain_reads([0, 0])) is None


def test_scores_of_another_log_are_refused(tmp_path: Path) -> None:
    write_scores(tmp_path / "scores.parquet", with_impressions(), np.array([1.0, 0.0]))
    with pytest.raises(RunError, match=r"scores.parquet holds 2 scores; the log has 0 candidates"):
        read_scores(tmp_path / "scores.parquet", plain_reads([0, 0]))


# --- damage ----------------------------------------------------------------------------------------------------


def written(folder: Path) -> dict[Path, Callable[[Path], Any]]:
    """All files of a run, and what reads each."""
    publisher = with_impressions()
    of = select_scored(publisher, Scope())
    verdict = score(publisher, of, Answers(padded([[1], []], 1), np.array([1.0, 0.0])))
    pair, files = pair_files(folder, "A", "mine"), publisher_files(folder, "A")
    write_scored(folder, publisher, of)
    write_judgement(pair, verdict)
    write_scores(pair.scores, publisher, np.array([1.0, 0.0]))
    return {
        files.frame: read_reads,
        files.scored_impressions: read_impressions,
        pair.outcomes: read_outcomes,
        pair.rankings: read_rankings,
        pair.scores: lambda path: read_scores(path, publisher),
    }


@pytest.mark.parametrize("damage", ["cut", "empty", "other", "columns", "types", "nulls"])
def test_a_damaged_file_is_refused_by_name(damage: str, tmp_path: Path) -> None:
    for path, read in written(tmp_path).items():
        read(path)
        data, table = path.read_bytes(), pq.read_table(path)
        if damage in ("cut", "empty", "other"):
            path.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "other": b"PAR1 is no more\n" * 9}[damage])
        elif damage == "columns":
            pq.write_table(table.drop_columns(table.column_names[-1:]), path)
        else:
            other = pa.array([None if damage == "nulls" else "x"] * len(table), pa.string())
            pq.write_table(table.set_column(len(table.column_names) - 1, table.column_names[-1], other), path)
            if path.parent.name == "frame":
                continue  # the last column is the category: a text, or none
        with pytest.raises(RunError, match=path.name):
            read(path)


@pytest.mark.parametrize("column", ["row", "time", "session", "cluster", "relevant", "reachable", "again", "age"])
def test_scored_reads_with_a_column_of_another_type_or_with_gaps_are_refused(column: str, tmp_path: Path) -> None:
    path = next(iter(written(tmp_path)))
    table = pq.read_table(path)
    place = table.column_names.index(column)
    for other in (pa.array([0.5] * len(table)), pa.nulls(len(table), table.column(column).type)):
        pq.write_table(table.set_column(place, column, other), path)
        with pytest.raises(RunError, match=column):
            read_reads(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    for read in (read_reads, read_outcomes):
        with pytest.raises(RunError, match=r"gone.parquet cannot be read"):
            read(tmp_path / "gone.parquet")


# --- names -----------------------------------------------------------------------------------------------------


@given(names=st.lists(st.text(min_size=1, max_size=300), min_size=2, max_size=5, unique=True))
def test_file_names_stay_in_their_folder_and_are_told_apart(names: list[str]) -> None:
    found = [file_name(name) for name in names]
    assert len(set(found)) == len(names)
    for name in found:
        assert not set(name) & set('/\\:*?"<>|\0')
        assert not name.startswith(".")
        assert len(f"{name}.parquet".encode()) <= 255


@pytest.mark.parametrize("name", ["..", ".", "../../up", "a/b", "C:\\x", "\ud800", "\0", "x" * 5000, "ü" * 100])
def test_a_hostile_name_is_a_file_like_any_other(name: str, tmp_path: Path) -> None:
    publisher = plain_reads([0, 0])._replace(name=name)
    of = select_scored(publisher, Scope())
    write_scored(tmp_path, publisher, of)
    files = pair_files(tmp_path, name, name)
    write_judgement(files, score(publisher, of, Answers(padded([[1], []], 1), None)))
    assert read_outcomes(files.outcomes).place.tolist() == [-1, 1]
    assert len(read_reads(publisher_files(tmp_path, name).frame).row) == 2
    assert {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")} == {"frame", "outcomes"}

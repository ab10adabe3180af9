"""The columns of a run folder: what is written is read back, and what is damaged is refused."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.files import file_name
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import HISTORY, IMPRESSION, OUTCOME, PUBLISH, READ, make_log
from newsreplay.simulator.judgement import clusters
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.judgement.scoring import Answers, score, select_scored
from newsreplay.simulator.runs.columns import (
    read_impressions,
    read_matches,
    read_places,
    read_rankings,
    read_reads,
    read_requests,
    write_judgement,
    write_scored,
)
from newsreplay.simulator.runs.paths import pair_files, publisher_files
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
        reads, requests = read_reads(files.frame), read_requests(files.frame)
        seen = read_impressions(files.scored_impressions) if files.scored_impressions.exists() else None
    fates = naive_judge.fates(log, [[]] * len(publisher.requests.row), 1)
    first = {fate.session: int(log.time[fate.row]) for fate in reversed(fates)}
    assert reads.row.tolist() == [fate.row for fate in fates]
    assert reads.time.tolist() == [log.time[fate.row] for fate in fates]
    assert reads.session.tolist() == [fate.session for fate in fates]
    assert reads.cluster.tolist() == [naive_judge.cluster(log, cluster, f.session, first[f.session]) for f in fates]
    assert requests.relevant.tolist() == [fate.relevant for fate in fates]
    assert requests.session.tolist() == reads.session.tolist()
    assert reads.asked.tolist() == [fate.position > 1 for fate in fates]
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
        **dict.fromkeys(("session", "position", "category"), "int32"),
        **dict.fromkeys(("reachable", "again", "asked", "returning"), "bool"),
        "reward": "float32",
    }


def test_without_a_scored_session_the_reads_are_none(tmp_path: Path) -> None:
    publisher = plain_reads([0, 1])
    write_scored(tmp_path, publisher, select_scored(publisher, Scope()))
    reads = read_reads(publisher_files(tmp_path, "A").frame)
    assert [len(column) for column in reads] == [0] * len(reads)
    assert not publisher_files(tmp_path, "A").scored_impressions.exists()


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
        assert files.scored_impressions.exists() is there
        assert pair.rankings.exists() is there


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
        place, relevant = read_places(files.outcomes), read_matches(files.outcomes)
        ranked = read_rankings(files.rankings) if files.rankings.exists() else None
    assert place.dtype == np.int16
    assert place.tolist() == verdict.outcomes.place.tolist()
    assert relevant.tolist() == verdict.outcomes.relevant.tolist()
    assert relevant.shape == verdict.outcomes.relevant.shape
    if verdict.ranked is None:
        assert ranked is None
    else:
        assert ranked is not None
        assert np.array_equal(ranked.values, verdict.ranked.values)


# --- names -----------------------------------------------------------------------------------------------------


@given(names=st.lists(st.text(min_size=1, max_size=300), min_size=2, max_size=5, unique=True))
def test_file_names_stay_in_their_folder_and_are_told_apart(names: list[str]) -> None:
    found = [file_name(name) for name in names]
    assert len(set(found)) == len(names)
    for name in found:
        assert not set(name) & set('/\\:*?"<>|\0')
        assert not name.startswith(".")
        assert len(f"{name}.arrow".encode()) <= 255


@pytest.mark.parametrize("name", ["..", ".", "../../up", "a/b", "C:\\x", "\ud800", "\0", "x" * 5000, "ü" * 100])
def test_a_hostile_name_is_a_file_like_any_other(name: str, tmp_path: Path) -> None:
    publisher = plain_reads([0, 0])._replace(name=name)
    of = select_scored(publisher, Scope())
    write_scored(tmp_path, publisher, of)
    files = pair_files(tmp_path, name, name)
    write_judgement(files, score(publisher, of, Answers(padded([[1], []], 1), None)))
    assert read_places(files.outcomes).tolist() == [-1, 1]
    assert len(read_reads(publisher_files(tmp_path, name).frame).row) == 2
    assert {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")} == {"frame", "outcomes"}

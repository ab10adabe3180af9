"""The first rows of a data set: a log that ends there, for recommenders and the judge alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import newsreplay
from newsreplay.datasets.first_rows import first_rows
from newsreplay.datasets.store import Dataset
from newsreplay.errors import DataError, NewsreplayError, RunError
from newsreplay.log.catalog import Catalog
from newsreplay.log.rows import HISTORY, LOG_DTYPES, OUTCOME, PUBLISH, READ
from newsreplay.simulator.runs.folder import dataset_of
from tests.small_logs import SmallLog, small_logs

KINDS = [log for log in small_logs() if log.name in ("ebnerd", "ebnerd-test", "mind", "newsreel-mixed", "table-csv")]
LINES = [f"2020-01-01T00:{n:02}:00Z,{'AB'[n % 7 == 0]},{'uvw'[n % 3]},{'abcdefgh'[n * n % 8]}" for n in range(60)]


def prepared(log: SmallLog, folder: Path) -> Dataset:
    for name, content in log.files.items():
        path = folder / log.name / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return newsreplay.find_data(f"{log.kind}:{folder / log.name / log.path}", preparing=dict(log.options))


def table(folder: Path, lines: list[str]) -> Dataset:
    path = folder / f"clicks{len(lines)}.csv"
    path.write_text("\n".join(["time,publisher,user,item", *lines, ""]))
    return newsreplay.find_data(path)


@pytest.mark.parametrize("log", KINDS, ids=lambda log: log.name)
def test_the_log_is_the_beginning_of_the_whole_one_and_its_reads_and_sessions_are_counted_anew(
    log: SmallLog, tmp_path: Path
) -> None:
    whole = prepared(log, tmp_path)
    for limit in (5, 17, 40):
        part = first_rows(whole, limit)
        part.compare()
        for name in whole.publishers:
            before, after = whole.publisher(name), part.publisher(name)
            begin = next(row for row, kind in enumerate(before.log.kind) if kind not in (PUBLISH, HISTORY))
            rows = min(begin + limit, len(before.log.time))
            for column in LOG_DTYPES:
                assert getattr(after.log, column).tolist() == getattr(before.log, column)[:rows].tolist()
            reads = [row for row in range(rows) if before.log.kind[row] == READ]
            assert after.requests.row.tolist() == reads
            sessions: dict[int, list[int]] = {}
            for request, row in enumerate(reads):
                sessions.setdefault(int(before.log.session[row]), []).append(request)
            for session, requests in sessions.items():
                assert after.sessions.reads[session] == len(requests)
                assert after.sessions.last[session] == requests[-1]
                assert after.sessions.first_time[session] == before.log.time[reads[requests[0]]]
                assert after.sessions.id[session] == before.sessions.id[session]
            assert after.sessions.reads.sum() == len(reads)
            card = next(facts for facts in part.card["publishers"] if facts["publisher"] == name)
            assert (card["rows"], card["reads"], card["sessions"]) == (rows, len(reads), len(sessions))


def test_what_was_clicked_after_the_last_row_is_not_known(tmp_path: Path) -> None:
    whole = prepared(KINDS[0], tmp_path)
    [name] = whole.publishers
    for limit in range(5, 30):
        log = first_rows(whole, limit).publisher(name).log
        told = set(log.impression[log.kind == OUTCOME].tolist())
        for impression in range(len(log.pools.at) - 1):
            clicked = log.pools.clicked[log.pools.at[impression] : log.pools.at[impression + 1]]
            assert impression in told or not clicked.any()


def test_it_is_what_a_file_of_these_rows_alone_would_be(tmp_path: Path) -> None:
    first = first_rows(table(tmp_path, LINES), 8)
    of_a = [line for line in LINES if ",A," in line][:8]
    of_b = [line for line in LINES if ",B," in line][:8]
    alone = table(tmp_path, sorted([*of_a, *of_b]))
    for name in ("A", "B"):
        one, other = first.publisher(name), alone.publisher(name)
        for column in LOG_DTYPES:
            assert getattr(one.log, column).tolist() == getattr(other.log, column).tolist()
        assert one.users.to_pylist() == other.users.to_pylist()
        for columns in ("requests", "sessions"):
            for left, right in zip(getattr(one, columns), getattr(other, columns), strict=True):
                assert np.array_equal(np.asarray(left), np.asarray(right))
    same = (
        "rows",
        "reads",
        "sessions",
        "single_read_sessions",
        "longest_session",
        "users",
        "articles",
        "first",
        "last",
    )
    for one_card, other_card in zip(first.card["publishers"], alone.card["publishers"], strict=True):
        assert [one_card[fact] for fact in same] == [other_card[fact] for fact in same]


class Remembers:
    """Answers with what it has seen, newest first."""

    def start(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def recommend(self, request: newsreplay.Event, k: int) -> list[int]:
        return [item for item in range(self.catalog.known - 1, -1, -1) if item != request.item][:k]


def test_recommenders_answer_as_they_do_in_the_whole_log_and_the_run_says_that_it_is_a_trial(tmp_path: Path) -> None:
    whole = prepared(KINDS[0], tmp_path)
    names = ["popular", "trend", Remembers()]
    of_all = newsreplay.run(whole, names, out=tmp_path / "all")
    trial = newsreplay.run(whole, names, limit=40, out=tmp_path / "trial")
    [publisher] = whole.publishers
    for name in ("popular", "trend", "Remembers"):
        slates = trial.slates(publisher, name)
        assert len(slates) == trial.facts(publisher)["reads"]
        beginning = of_all.slates(publisher, name)[: len(slates)]
        assert [*map(list, slates.slate)] == [*map(list, beginning.slate)]
    assert trial.info["data"]["options"]["limit"] == 40
    assert "a trial: of each publisher the first 40 rows alone were replayed (--limit)" in str(trial)
    assert f"data: {whole.name}-first-40;" in str(trial)
    assert "trial" not in str(of_all)


def test_a_trial_finds_its_data_again_where_only_the_whole_data_are_named(tmp_path: Path) -> None:
    whole = table(tmp_path, LINES)
    trial = newsreplay.run(whole, ["recency"], limit=8, out=tmp_path / "trial")
    assert dataset_of(trial.info, trial.folder, whole).card["options"]["limit"] == 8
    with pytest.raises(RunError, match="does not hold the data"):
        dataset_of(trial.info, trial.folder, table(tmp_path, LINES[:20]))


def test_with_no_more_rows_than_the_limit_the_data_are_themselves(tmp_path: Path) -> None:
    whole = table(tmp_path, LINES)
    assert first_rows(whole, 60) is whole
    assert first_rows(whole, 50).card["publishers"][1] | {"digest": ""} == whole.card["publishers"][1] | {"digest": ""}


def test_a_limit_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NewsreplayError, match="a limit of 0 rows leaves nothing to replay; give 1 or more"):
        newsreplay.run(table(tmp_path, LINES), ["recency"], limit=0)
    with pytest.raises(DataError, match=r"no read among the first 1 rows of .*; give a higher limit"):
        first_rows(prepared(KINDS[0], tmp_path), 1)

"""Metrics of one's own: newsreplay's numbers where they are the same, and what goes wrong with strangers'."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import newsreplay
from newsreplay.errors import NewsreplayError, SpecError
from newsreplay.report.gate import gate
from newsreplay.simulator.judgement.metrics import Result
from newsreplay.simulator.runs.by_cluster import ByCluster
from newsreplay.simulator.runs.own_metrics import find_metric


def log(sessions: int = 160) -> pd.DataFrame:
    """Sessions of two to five reads of 12 articles, most of which a popular one begins; two publishers."""
    rng = np.random.default_rng(0)
    begin = pd.Timestamp("2020-01-01", tz="UTC")
    rows = [
        {
            "publisher": "AB"[session % 5 == 0],
            "time": begin + pd.Timedelta(minutes=37 * session + 2 * read),
            "user": f"u{session % 40}",
            "session": f"s{session}",
            "item": f"a{int(rng.zipf(1.6)) % 12}",
            "category": "news",
        }
        for session in range(sessions)
        for read in range(int(rng.integers(2, 6)))
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = newsreplay.run(
        log(),
        ["popular", "recency", "circular(size=3)", "editorial"],
        k=3,
        preparing={"impressions": "sampled"},
        out=tmp_path_factory.mktemp("own") / "run",
    )
    return run.folder


@pytest.fixture
def run(folder: Path) -> newsreplay.Run:
    return newsreplay.Run(folder)


def values(run: newsreplay.Run, metric: str, publisher: str = "A") -> dict[str, tuple[Any, ...]]:
    """Value, low, high and n by recommender."""
    return {
        result.recommender: result[3:]
        for result in run.results
        if (result.metric, result.publisher) == (metric, publisher)
    }


# --- the same as newsreplay's own -------------------------------------------------------------------------


def hits_per_session(judged: newsreplay.JudgedColumns) -> object:
    return judged.per_session(judged.sum_by_session(judged.place == 1))


def own_auc(judged: newsreplay.JudgedColumns) -> object:
    return judged.per_impression(judged.rankings["auc"])


def rank_of_first(judged: newsreplay.JudgedColumns) -> object:
    first = np.where(judged.relevant.any(axis=1), 1 / (1 + judged.relevant.argmax(axis=1)), 0)
    return judged.per_request(first, judged.requests.relevant > 0)


@pytest.mark.parametrize(
    ("function", "name"), [(hits_per_session, "event_success@1"), (own_auc, "auc"), (rank_of_first, "session_mrr@3")]
)
def test_a_metric_written_anew_has_the_value_interval_and_replicates_of_the_built_in_one(
    run: newsreplay.Run, function: Any, name: str
) -> None:
    run.measure(function)
    own, built_in = values(run, function.__name__), values(run, name)
    for recommender in ("popular", "circular(size=3)"):  # with 40 hits and more, below which E has bounds of its own
        assert own[recommender] == built_in[recommender]
        assert None not in own[recommender]
    assert [cell[0] for cell in own.values()] == [cell[0] for cell in built_in.values()]
    for publisher in run.publishers:
        table = run.measured(publisher)
        metrics = [result.metric for result in table.results[: table.replicates.shape[1]]]
        mine, theirs = (table.replicates[:, metrics.index(which)] for which in (function.__name__, name))
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)


def test_few_clusters_give_no_interval_as_they_give_none_to_newsreplays_own(run: newsreplay.Run) -> None:
    for count in (9, 10):
        run.measure(lambda judged, n=count: judged.per_session(np.arange(len(judged.sessions.time)) < n), f"{count}")
    assert values(run, "9", "B")["popular"] == (0.28125, None, None, 32)
    assert None not in values(run, "10", "B")["popular"]


def test_comparisons_and_gates_find_what_they_find_with_the_built_in_metric(run: newsreplay.Run) -> None:
    run.measure(hits_per_session)
    mine, theirs = (
        newsreplay.compare(run, "popular", "recency", metrics=[name], style="json")
        for name in ("hits_per_session", "event_success@1")
    )
    assert mine.replace('"hits_per_session"', '"event_success@1"') == theirs
    verdicts = [gate(run, "popular", "recency", metric=name) for name in ("hits_per_session", "event_success@1")]
    assert [verdict["verdict"] for verdict in verdicts] == ["promote", "promote"]
    assert verdicts[0]["publishers"][0]["p"] == verdicts[1]["publishers"][0]["p"]
    board = newsreplay.leaderboard([run], metrics=["E@1", "hits_per_session"], rank_by="hits_per_session", style="csv")
    assert board.count("hits_per_session,") == 8


def test_signs_are_counted_in_the_clusters_that_differ_also_where_the_divisors_do(run: newsreplay.Run) -> None:
    def share_of_the_answered(judged: newsreplay.JudgedColumns) -> object:
        return judged.per_read(judged.place == 1, judged.place >= 0)

    run.measure(share_of_the_answered)
    sums = ByCluster(run, "A").sums("popular", "share_of_the_answered")
    assert len(sums) == run.facts("A")["clusters"]
    assert 0 <= sums.min() < sums.max() <= 1


# --- what it is handed ------------------------------------------------------------------------------------


def test_slates_are_those_of_the_scored_requests_by_the_codes_of_the_data(run: newsreplay.Run) -> None:
    seen: dict[str, Any] = {}

    def look(judged: newsreplay.JudgedColumns) -> object:
        seen[judged.publisher, judged.recommender] = judged
        return judged.per_request(judged.slates[:, 0] >= 0)

    run.measure(look)
    judged = seen["A", "popular"]
    frame = run.slates("A", "popular").set_index("row").loc[judged.requests.row]
    ids = np.append(judged.data.articles.id.to_pylist(), "none")
    assert judged.slates.shape == (len(judged.reads.row), 3)
    assert [[ids[code] for code in slate if code >= 0] for slate in judged.slates.tolist()] == frame.slate.map(
        list
    ).tolist()
    assert [ids[code] for code in judged.data.log.item[judged.reads.row]] == frame.item.tolist()
    assert judged.sessions.length.sum() == len(judged.reads.row)


def test_the_example_metrics_say_what_they_promise(run: newsreplay.Run) -> None:
    example = f"{Path(__file__).parents[3] / 'examples' / 'my_metrics.py'}"
    late, new, sections = (
        run.measure(f"{example}:{name}") for name in ("late_night_success(since=12)", "new_readers", "sections")
    )
    seen = [(row.value, row.n) for row in sections if row.publisher == "A" and row.recommender == "popular"]
    frame = run.slates("A", "popular")
    scored = frame[frame.row.isin(run.requests("A").row)]
    assert seen == [((scored.slate.map(len) > 0).mean().round(12), len(scored))]  # there is one section
    hits = run.places("A", "popular") == 1
    reads = run.reads("A")
    in_time = (reads.time // 3_600_000 % 24 >= 12) & reads.asked
    assert late[0].value == pytest.approx(100 * hits[in_time].mean(), rel=1e-11)
    lengths = {int(session): 0 for session in reads.session[~reads.returning]}
    for session in reads.session[hits & ~reads.returning]:
        lengths[int(session)] += 1
    assert new[0].value == pytest.approx(100 * np.mean([*lengths.values()]), rel=1e-11)


@pytest.mark.parametrize("column", ["place", "slates", "relevant", "reads.time", "sessions.time", "impressions.row"])
def test_columns_cannot_be_written_to(run: newsreplay.Run, column: str) -> None:
    def write(judged: Any) -> object:
        columns = judged
        for name in column.split("."):
            columns = getattr(columns, name)
        columns[:] = 0
        return judged.per_session(judged.sessions.length)

    run.measure(write)
    ((error, pairs),) = run.added["write"].errors.items()
    assert "read-only" in error
    assert len(pairs) == 8


# --- what counts ------------------------------------------------------------------------------------------


def test_what_is_nan_above_or_below_does_not_count(run: newsreplay.Run) -> None:
    def of_long_ones(judged: newsreplay.JudgedColumns) -> object:
        return judged.per_session(np.where(judged.sessions.length > 2, judged.sessions.length, np.nan))

    def divided(judged: newsreplay.JudgedColumns) -> object:
        long = judged.sessions.length > 2
        return judged.per_session(judged.sessions.length, np.where(long, 1.0, np.nan))

    for function in (of_long_ones, divided):
        run.measure(function)
    kept = run.requests("A")
    lengths = np.unique(kept.session, return_counts=True)[1]
    value, *_, n = values(run, "of_long_ones")["popular"]
    assert n == np.count_nonzero(lengths > 2)
    assert value == pytest.approx(lengths[lengths > 2].mean(), rel=1e-11)
    assert values(run, "divided") == values(run, "of_long_ones")


def test_a_metric_of_nothing_has_no_value(run: newsreplay.Run) -> None:
    run.measure(lambda judged: judged.per_session(np.full(len(judged.sessions.length), np.nan)), name="nothing")
    assert values(run, "nothing")["popular"] == (None, None, None, 0)
    assert "nothing" in newsreplay.leaderboard([run], metrics=["nothing"])


def test_a_metric_measured_again_takes_the_place_of_the_earlier_one(run: newsreplay.Run) -> None:
    before = len(run.results)
    for number in (1, 2):
        run.measure(lambda judged, number=number: judged.per_session(number * judged.sessions.length), name="length")
    assert len(run.results) == before + 8
    assert run.measured("A").replicates.shape[1] == before // 8 + 1
    assert isinstance(run.results[-1], Result)


# --- strangers' mistakes ----------------------------------------------------------------------------------

WRONG = '''
import newsreplay

HOUR = 3_600_000


def late(judged, hour=22, until=24):
    """Hits among the reads from an hour on."""
    print("a word on stdout")
    reads = judged.reads.time // HOUR % 24
    chosen = (reads >= hour) & (reads < until)
    return judged.per_read(100 * (chosen & (judged.place == 1)), chosen)


class Late:
    def __init__(self, hour=22):
        self.hour = hour

    def __call__(self, judged):
        return late(judged, self.hour)


def fails_on_recency(judged):
    if judged.recommender == "recency":
        return 1 / 0
    return judged.per_session(judged.sum_by_session(judged.place == 1))


def shape(judged):
    return judged.per_session(judged.place == 1)


def words(judged):
    return judged.per_session(["a"])


def number(judged):
    return 0.5


def infinite(judged):
    return judged.per_session(judged.sessions.length / 0.0)


def negative(judged):
    return judged.per_session(judged.sessions.length, -judged.sessions.length)


def two_sorts(judged):
    if judged.recommender == "popular":
        return judged.per_read(judged.place)
    return judged.per_session(judged.sessions.length)


def no_columns():
    return None


THREE = 3
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(WRONG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("own")
def test_a_metric_is_found_by_its_file_with_parameters_of_a_function_or_a_class(
    run: newsreplay.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["mine.py:late(hour=12, until=20)", "mine.py:late(12, 20)", "mine.py:Late(hour=12)"]
    text = newsreplay.leaderboard([run], metrics=["E@1", *names], rank_by=names[0])
    assert "E@1: in per cent; late(hour=12, until=20), late(12, 20), Late(hour=12): as it is" in text
    assert values(run, names[0]) == values(run, names[1])
    assert values(run, names[2])["popular"] != values(run, names[0])["popular"]
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("own")
def test_an_error_names_the_function_and_its_line_and_costs_that_value_alone(run: newsreplay.Run) -> None:
    with np.errstate(all="ignore"):
        text = newsreplay.leaderboard([run], metrics=["E@1", "mine.py:fails_on_recency"])
    told = (
        "FAILED: mine.py:fails_on_recency of recency on A and 1 more: ZeroDivisionError: division by zero (mine.py:25)"
    )
    assert told in text
    assert values(run, "mine.py:fails_on_recency")["recency"] == (None, None, None, 0)
    others = {name: cell for name, cell in values(run, "event_success@1").items() if name != "recency"}
    assert others.items() <= values(run, "mine.py:fails_on_recency").items()
    assert "mine.py:25" in newsreplay.compare(run, metrics=["mine.py:fails_on_recency"])
    with pytest.raises(NewsreplayError, match=r"has no value for popular and recency on A; FAILED: .*mine\.py:25"):
        gate(run, "popular", "recency", metric="mine.py:fails_on_recency")


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "shape",
            "per_session takes a number for each session, an array of shape (128,), not one of shape (4",
        ),
        ("shape", "that is one for each read, which per_read takes (mine.py:30)"),
        ("words", "per_session takes columns of numbers, not ['a']"),
        ("number", "it returned float; return judged.per_session(…), per_read(…)"),
        ("infinite", "per_session was given a number that is infinite; leave out what has none with NaN"),
        ("negative", "per_session divides by numbers of 0 or more, not by -5"),
        ("two_sorts", "it returned per_session here and per_read before; return one of them"),
    ],
)
def test_a_wrong_answer_is_told_with_what_would_be_right(run: newsreplay.Run, name: str, message: str) -> None:
    with np.errstate(all="ignore"):
        run.measure(f"mine.py:{name}")
    told = run.added[f"mine.py:{name}"].errors
    assert any(message in error for error in told), told


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.py:late", "there is no file nowhere.py"),
        ("mine.py:lat", "mine.py has no 'lat'. Did you mean 'late'?"),
        ("mine.py:late(hours=3)", "mine.py:late has no parameter 'hours'. Did you mean 'hour'?"),
        ("mine.py:Late(hours=3)", "mine.py:Late has no parameter 'hours'. Did you mean 'hour'?"),
        ("mine.py:no_columns", "mine.py:no_columns takes nothing; a metric takes the judged columns"),
        ("mine.py:THREE", "mine.py:THREE is no metric: write a function that takes the judged columns"),
    ],
)
def test_a_metric_that_cannot_be_had_is_refused_in_a_line(name: str, message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        find_metric(name)


def test_names_of_newsreplays_metrics_and_none_at_all_are_refused(run: newsreplay.Run) -> None:
    with pytest.raises(SpecError, match="which is one of newsreplay's"):
        run.measure(own_auc, "auc")
    with pytest.raises(SpecError, match="a lambda has no name; give one"):
        run.measure(lambda judged: judged.per_session(judged.sessions.length))
    with pytest.raises(NewsreplayError, match="no metric is called 'lat'"):
        newsreplay.leaderboard([run], metrics=["lat"])

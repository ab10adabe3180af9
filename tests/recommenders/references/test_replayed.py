"""Answers made elsewhere: what a file says is what is judged, whatever its form; what it cannot mean is refused."""

from __future__ import annotations

import gzip
import json
import math
import re
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import newsreplay
from newsreplay.errors import RecommenderError, SpecError
from newsreplay.log.catalog import Articles, bare_articles
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import IMPRESSION, OUTCOME, PUBLISH, READ, Log, make_log
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.references.replayed import MADE_ELSEWHERE, MadeElsewhere
from newsreplay.report.tables.by_slice import by_slice
from newsreplay.report.tables.costs import costs
from newsreplay.report.tables.missed import missed
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import Replayed
from newsreplay.simulator.runs.answers import (
    scores_table,
    slates_table,
    write_impressions,
    write_requests,
    write_scores,
    write_slates,
)
from newsreplay.simulator.runs.export import FORMATS, export_table
from newsreplay.simulator.runs.paths import pair_files, publisher_files
from tests.naive.judge import publisher_of
from tests.strategies import logs_with_impressions

#: Articles a … e appear at rows 0, 1, 2 and 8; u reads and sees an impression, then v reads.
LOG = make_log(
    time=[0, 0, 0, 1000, 2000, 3000, 3000, 4000, 5000],
    kind=[PUBLISH, PUBLISH, PUBLISH, READ, READ, IMPRESSION, OUTCOME, READ, PUBLISH],
    session=[-1, -1, -1, 0, 0, 0, 0, 1, -1],
    user=[-1, -1, -1, 0, 0, 0, 0, 1, -1],
    item=[0, 1, 2, 0, 1, -1, -1, 0, 3],
    category=[-1] * 9,
    impression=[-1] * 5 + [0, 0, -1, -1],
    pools={"at": [0, 3], "item": [2, 0, 1], "clicked": [True, False, False]},
)
READS = (3, 4, 7)
ARTICLES = bare_articles(LOG)._replace(id=pa.array(list("abcd")), readers=pa.array(["u", "v"]))


def answered(file: Path | str, log: Log = LOG, articles: Articles = ARTICLES, k: int = 3, **options: Any) -> Replayed:
    recommender = MadeElsewhere(*([str(file)] if file else []), **{name: str(path) for name, path in options.items()})
    return replay(log, recommender, Setting(k=k, publisher="A"), articles=articles)


def slates(file: Path | str, **options: Any) -> list[str]:
    """The slates as words: one letter an article."""
    done = answered(file, **options)
    return ["".join("abcd"[code] for code in slate if code >= 0) for slate in done.slates.tolist()]


def notes(done: Replayed) -> tuple[str, ...]:
    assert done.self_report is not None
    return done.self_report.notes


def file_of(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


# --- our own files ----------------------------------------------------------------------------------------


def exported(publisher: Publisher, done: Replayed, folder: Path, form: str) -> dict[str, Path]:
    """Answers as `newsreplay export` writes them."""
    pair, asked = pair_files(folder, "A", "x"), publisher_files(folder, "A")
    write_requests(asked.requests, publisher)
    write_slates(pair.slates, publisher, done.slates)
    files = {"slates": folder / f"slates.{form}"}
    export_table(slates_table(asked.requests, pair.slates), files["slates"], form)
    if done.scores is not None and len(done.scores):
        write_impressions(asked.impressions, publisher)
        write_scores(pair.scores, publisher, done.scores)
        files["scores"] = folder / f"scores.{form}"
        export_table(scores_table(asked.impressions, pair.scores), files["scores"], form)
    return files


class Chance:
    """Answers of any length, with ties and candidates that are not ranked, a number each for candidates shown twice."""

    def __init__(self, seed: int):
        self.draw = np.random.default_rng(seed)

    def start(self, catalog: newsreplay.Catalog) -> None:
        self.catalog = catalog

    def recommend(self, request: newsreplay.Event, k: int) -> list[int]:
        return self.draw.permutation(self.catalog.known)[: self.draw.integers(k + 1)].tolist()

    def score(self, request: newsreplay.Event, pool: list[int]) -> list[float]:
        palette = np.array([-math.inf, 0.1, -2.5, 1e300, 1 / 3])
        return self.draw.choice(palette, len(pool)).tolist()


ALL_FORMS = pytest.mark.parametrize("form", [*FORMATS])


@ALL_FORMS
@settings(max_examples=25, deadline=None)
@given(log=logs_with_impressions(repeats=True), seed=st.integers(0, 99), k=st.integers(1, 6))
def test_what_is_exported_and_replayed_is_answered_the_same(form: str, log: Log, seed: int, k: int) -> None:
    publisher = publisher_of(log)
    first = replay(log, Chance(seed), Setting(k=k), articles=publisher.whole_articles)
    with tempfile.TemporaryDirectory() as folder:
        files = exported(publisher, first, Path(folder), form)
        again = answered("", log, publisher.whole_articles, k, **files)
    assert again.slates.tobytes() == first.slates.tobytes()
    if "scores" in files:
        assert first.scores is not None
        assert again.scores is not None
        assert again.scores.tobytes() == first.scores.tobytes()
    told = notes(again)
    assert told[0] == MADE_ELSEWHERE
    assert all(re.search(r": ([\d,]+) of \1 (requests|impressions) have an answer$", note) for note in told[1:])


def test_a_run_of_two_publishers_is_replayed_from_its_files_with_the_same_results(tmp_path: Path) -> None:
    clicks = pd.DataFrame(
        [
            (
                1_500_000_000_000 + minute * 60_000 + number,
                publisher,
                f"u{minute % 3}",
                f"{publisher}{(minute * 7) % 5}",
            )
            for number, publisher in enumerate(("A", "B/2"))
            for minute in range(60)
        ],
        columns=["time", "publisher", "user", "item"],
    )
    run = newsreplay.run(clicks, "recency", k=5, out=tmp_path / "run")
    run.export("parquet", tmp_path / "out")
    spec = f"replayed('{tmp_path}/out/slates/{{publisher}}/recency.parquet')"
    both = newsreplay.run(clicks, ["recency", spec], k=5)
    for publisher in ("A", "B/2"):
        values = [
            [tuple(row[2:]) for row in both.results if (row.publisher, row.recommender) == (publisher, label)]
            for label in ("recency", both.info["recommenders"][1])
        ]
        assert values[0] == values[1]
        assert values[0]
    tables = [str(both), newsreplay.compare(both), by_slice(both, "hour"), costs(both), missed(both)]
    assert [text.count(f": {MADE_ELSEWHERE}\n") > 0 for text in tables] == [True] * 5
    assert tables[0].count(MADE_ELSEWHERE) == 1
    # The same in one file, whose rows say whose they are.
    parts = [run.slates(name, "recency").assign(publisher=name) for name in ("A", "B/2")]
    pd.concat(parts)[["publisher", "time", "user", "slate"]].to_parquet(tmp_path / "all.parquet")
    alone = newsreplay.run(clicks, [MadeElsewhere(str(tmp_path / "all.parquet"))], k=5)
    assert [row[2:] for row in alone.results] == [row[2:] for row in run.results]


# --- the forms --------------------------------------------------------------------------------------------

#: row, its time and reader, and the answer
ANSWERS = [(3, 1000, "u", "bc"), (4, 2000, "u", "ca"), (7, 4000, "v", "cb")]


def lines(rows: Iterable[Iterable[object]], between: str = ",") -> str:
    return "".join(between.join(map(str, row)) + "\n" for row in rows)


def long_rows(key: Callable[[int, int, str], tuple[object, ...]]) -> list[tuple[object, ...]]:
    return [
        (*key(row, time, user), place, item)
        for row, time, user, answer in ANSWERS
        for place, item in enumerate(answer, 1)
    ]


FORMS: dict[str, str] = {
    "long.csv": "row,rank,item\n" + lines(long_rows(lambda row, time, user: (row,))),
    "any order.csv.gz": "row,rank,item\n" + lines(long_rows(lambda row, time, user: (row,))[::-1]),
    "semicolons.csv": "item;row;rank\n" + lines(((r[2], r[0], r[1]) for r in long_rows(lambda r, t, u: (r,))), ";"),
    "tabs.tsv": "rank\titem\ttime\tuser\n"
    + lines(((r[2], r[3], r[0], r[1]) for r in long_rows(lambda row, time, user: (time, user))), "\t"),
    "numbered.csv": "row,item2,item10,item1\n" + lines((row, a[1], "", a[0]) for row, _, _, a in ANSWERS),
    "iso.csv": "time,user,item1,item2\n"
    + lines((f"1970-01-01T00:00:0{time // 1000}Z", user, *a) for _, time, user, a in ANSWERS),
    "lists.jsonl": lines([json.dumps({"row": row, "items": list(a)})] for row, _, _, a in ANSWERS),
    "long.json.gz": lines(
        [json.dumps(dict(zip(("row", "rank", "item"), told, strict=True)))] for told in long_rows(lambda r, t, u: (r,))
    ),
    "neat.run": lines(
        ((row, "Q0", item, place, 1 / place, "us") for row, place, item in long_rows(lambda r, t, u: (r,))), " "
    ),
    "ragged.trec.gz": "\n"
    + lines((("", row, "\t0", item, place, "7  ", "us") for row, place, item in long_rows(lambda r, t, u: (r,))), "  ")
    + " \n\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_the_same_slates_is_answered_the_same(name: str, tmp_path: Path) -> None:
    assert slates(file_of(tmp_path, name, FORMS[name])) == [answer for *_, answer in ANSWERS]


def test_columns_of_numbers_dates_and_dictionaries_are_read_from_parquet_and_arrow(tmp_path: Path) -> None:
    articles = ARTICLES._replace(id=pa.array(["10", "20", "30", "40"]))
    told = pa.table(
        {
            "time": pa.array([t for _, t, _, _ in ANSWERS], pa.timestamp("ms", "UTC")).cast(pa.timestamp("ns", "UTC")),
            "user": pa.array(["u", "u", "v"]).dictionary_encode(),
            "slate": pa.array(
                [[10 * ("abcd".index(item) + 1) for item in a] for *_, a in ANSWERS], pa.list_(pa.int32())
            ),
            "text that is nobody's business": ["x"] * 3,
        }
    )
    pq.write_table(told, tmp_path / "x.parquet")
    feather.write_feather(told, tmp_path / "x.arrow")
    with pa.OSFile(str(tmp_path / "x.ipc"), "wb") as sink, pa.ipc.new_stream(sink, told.schema) as writer:
        writer.write_table(told)
    for name in ("x.parquet", "x.arrow", "x.ipc"):
        assert slates(tmp_path / name, articles=articles) == [answer for *_, answer in ANSWERS]


def test_ids_with_zeros_in_front_and_numbers_in_json_are_the_text_that_they_are(tmp_path: Path) -> None:
    articles = ARTICLES._replace(id=pa.array(["7", "007", "0x7", "7.0"]))
    told = file_of(tmp_path, "x.csv", "row,item1,item2,item3\n4,007,0x7,7\n7,0x7,7.0,007\n")
    assert slates(told, articles=articles) == ["", "ca", "cb"]
    told = file_of(tmp_path, "x.json", '{"row": 4, "slate": [7, "0x7"]}\n')
    assert slates(told, articles=articles) == ["", "ac", ""]


def test_scores_are_read_long_and_as_lists_and_of_a_trec_run(tmp_path: Path) -> None:
    long = file_of(tmp_path, "long.csv", "row,item,score\n5,b,0.25\n5,c,-1e3\n5,d,9\n")
    lists = file_of(tmp_path, "x.json", '{"row": 5, "candidates": ["b", "c", "a"], "scores": [0.25, -1000, null]}\n')
    run = file_of(tmp_path, "x.run", "5 Q0 b 1 0.25 us\n5 Q0 c 2 -1e3 us\n")
    for done in (answered(long), answered(lists), answered("", scores=run), answered("", scores=long)):
        assert done.scores is not None
        assert done.scores.tolist() == [-1000, -math.inf, 0.25]


def test_slates_alone_are_not_judged_as_scores(tmp_path: Path) -> None:
    assert answered(file_of(tmp_path, "x.run", FORMS["neat.run"])).scores is None


# --- what is not there, not known, too much ----------------------------------------------------------------


def test_everything_that_is_not_of_use_is_counted_and_shown(tmp_path: Path) -> None:
    told = file_of(tmp_path, "x.csv", "row,item1,item2,item3,item4\n3,d,b,?,c\n4,a,c,,\n5,a,,,\n9999,b,,,\n")
    done = answered(told, k=1)
    assert done.slates.tolist() == [[1], [0], [-1]]  # d is published later
    note = notes(done)[1]
    assert note.startswith(f"{told} (sha256 ")
    assert note.partition("): ")[2] == (
        "2 of 3 requests have an answer; requests without one: 1; answers that match no request: 2; places left out, "
        "since the article is not known by then: 1; places left out, since the log has no such id: 1; answers cut to "
        "the length of a slate: 2"
    )


def test_scores_of_no_candidate_and_candidates_without_a_score_are_counted(tmp_path: Path) -> None:
    told = answered(file_of(tmp_path, "x.csv", "row,item,score\n5,b,0.25\n5,d,9\n5,?,7\n"))
    assert notes(told)[1].partition("): ")[2] == (
        "1 of 1 impressions have an answer; places left out, since the article is not known by then: 1; places left "
        "out, since the log has no such id: 1; candidates without a score in an answer, not ranked: 2"
    )


def test_an_impression_without_scores_ranks_nothing(tmp_path: Path) -> None:
    log = make_log(
        time=range(6),
        kind=[READ, IMPRESSION, OUTCOME, IMPRESSION, OUTCOME, READ],
        session=[0] * 6,
        user=[0] * 6,
        item=[0, -1, -1, -1, -1, 1],
        category=[-1] * 6,
        impression=[-1, 0, 0, 1, 1, -1],
        pools={"at": [0, 1, 2], "item": [0, 0], "clicked": [True, False]},
    )
    done = answered(file_of(tmp_path, "x.csv", "row,item,score\n3,0,1\n3,1,5\n"), log, bare_articles(log))
    assert done.scores is not None
    assert done.scores.tolist() == [-math.inf, 1]
    assert "impressions without one: 1" in notes(done)[1]


def test_an_empty_file_is_nothing_but_misses(tmp_path: Path) -> None:
    for told in (file_of(tmp_path, "x.csv", "row,rank,item\n"), file_of(tmp_path, "x.run", "")):
        assert slates(told) == ["", "", ""]


def test_an_article_on_screen_and_repeats_are_dropped_as_of_anybody(tmp_path: Path) -> None:
    done = answered(file_of(tmp_path, "x.json", '{"row": 4, "items": ["b", "a", "a", "c"]}\n'))
    assert done.slates.tolist()[1] == [0, -1, -1]
    assert (done.drops.current, done.drops.repeated) == (1, 1)


# --- what cannot be meant ----------------------------------------------------------------------------------

DAMAGED = [
    ("x.csv", "row,rank,item\n3,1,a\n3,1,b\n", "x.csv line 3: rank 1 for row 3, as in .*x.csv line 2; 1 rows say"),
    ("x.csv", "row,item,score\n5,b,1\n4,c,2\n5,b,3\n", "line 4: a score of 'b' for row 5, as in .* line 2"),
    ("x.csv", "row,item1\n3,a\n4,b\n3,a\n", "line 4: row 3 is answered as in .* line 2"),
    ("x.csv", "time,user,item1\n1000,u,a\n1000,u,b\n", "line 3: time 1000 and user 'u' is answered as in"),
    ("x.csv", "row,item,score\n5,b,nan\n", "line 2: 'nan' as score; it must be below inf"),
    ("x.csv", "row,item,score\n5,b,inf\n", "line 2: 'inf' as score; it must be below inf"),
    ("x.csv", "row,item,score\n5,b,1\n5,c,high\n", "line 3: 'high' as score; it must be a number"),
    ("x.csv", "row,rank,item\n3,1,a\nthree,2,b\n", "line 3: 'three' as row; it must be a whole number"),
    ("x.csv", "row,rank,item\n3,1,a\n-3,2,b\n", "line 3: '-3' as row; it must be a row of the log"),
    ("x.csv", "row,rank,item\n3,1.5,a\n", "line 2: '1.5' as rank; it must be a whole number"),
    ("x.csv", "time,user,item1\n1970-01-01T00:00:01Z,u,a\nyesterday,u,b\n", "line 3: 'yesterday' as time; .* ISO 8601"),
    ("x.csv", "row,rank,item\n3,1\n", "x.csv cannot be read: CSV parse error: Expected 3 columns, got 2"),
    ("x.csv", 'row,slate\n3,"[""a"""\n', "line 2 is no JSON"),
    ("x.csv", 'row,slate\n3,"[""a"", null]"\n', "line 2: .* as slate; it must be a list of ids"),
    ("x.json", '{"row": 3, "slate": ["a"]}\n{"row": 4, "slate": "b"}\n', 'line 2: "b" as slate; it must be a list'),
    ("x.json", '{"row": 3, "slate": ["a"]}\n[4]\n', "line 2 is no JSON object"),
    ("x.json", '{"row": 3, "slate": ["a"]}\n{"row": 4}\n', "line 2: no slate; every row needs one"),
    ("x.json", '{"row": 3, "rank": 1, "item": "a"}\n{"row": 4, "rank": 1}\n', "line 2: no item; every row needs one"),
    ("x.json", '{"row": 3.5, "slate": ["a"]}\n', "line 1: 3.5 as row; it must be a whole number"),
    ("x.json", '{"row": 5, "candidates": ["a", "b"], "scores": [1]}\n', "line 1: 1 scores for 2 candidates"),
    ("x.json", '{"row": 5, "candidates": ["a", "b"], "scores": [1, NaN]}\n', "line 1: 'nan' as scores"),
    ("x.run", "3 Q0 a 1 0.5 us\n3 Q0 b 2 0.4\n", "line 2: .* is no line of a TREC run"),
    ("x.run", "3 Q0 a 1 0.5 us\n3 Q0 b one 0.4 us\n", "line 2: 'one' as rank"),
    ("x.run", "q3 Q0 a 1 0.5 us\n", "line 1: 'q3' as row; it must be a whole number"),
    ("x.csv", "row,time,item1\n3,1001,a\n", "answers row 3 at 1970-01-01T00:00:01.001Z; in this log it is of"),
    (
        "x.csv",
        "row,item1\n3,x\n4,y\n",
        "is of no use here: 2 of 3 requests have an answer there, and none has an article",
    ),
    ("x.csv", "row,item1\n12,a\n", "is of no use here: 0 of 3 requests have an answer there"),
    ("x.csv", "row,publisher,item1\n3,B,a\n", "has no answers for publisher 'A'; it has 'B'"),
]


@pytest.mark.parametrize(("name", "text", "message"), DAMAGED)
def test_what_cannot_be_meant_is_refused_by_file_line_and_value(
    name: str, text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(RecommenderError, match=message):
        answered(file_of(tmp_path, name, text))


NO_ANSWERS = [
    ("x.csv", "rank,item\n1,a\n", "has the columns rank, item; it lacks row, or time and user"),
    ("x.csv", "row,item\n3,a\n", "has the columns row, item; it lacks slate"),
    ("x.csv", "", r"has the columns \(none\)"),
    ("x.csv", "row,row,item,rank\n", "has the column row twice"),
    ("x.json", "row\n", "line 1 is no JSON"),
    ("x.parquet", "PAR1", "x.parquet cannot be read"),
    ("x.arrow", "nothing", "x.arrow cannot be read"),
    ("x.csv.gz", None, "cannot be read: Not a gzipped file"),
    ("x.xlsx", "", "has none of the endings by which answers are read: .parquet"),
]


@pytest.mark.parametrize(("name", "text", "message"), NO_ANSWERS)
def test_a_file_that_holds_no_answers_is_refused_before_anything_is_replayed(
    name: str, text: str | None, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("plain" if text is None else text)
    with pytest.raises(SpecError, match=message):
        MadeElsewhere(str(tmp_path / name))


def test_what_is_no_file_or_holds_the_other_thing_is_refused_at_once(tmp_path: Path) -> None:
    told = file_of(tmp_path, "x.csv", "row,item1\n3,a\n")
    for files, message in [
        ({}, "it needs a file"),
        ({"slates": 7}, "7 is not the path of a file"),
        ({"slates": str(tmp_path / "y.csv")}, "there is no file"),
        ({"slates": str(tmp_path / "{publisher}" / "y.csv")}, "there is no file .* for any publisher"),
        ({"scores": str(told)}, "holds slates, no scores; name it as slates="),
    ]:
        with pytest.raises(SpecError, match=message):
            MadeElsewhere(**files)  # type: ignore[arg-type]


def test_requests_that_share_time_and_reader_are_refused_with_their_number(tmp_path: Path) -> None:
    log = make_log(time=[0, 1, 1, 1, 2], kind=[READ] * 5, session=[0] * 5, user=[0, 0, 0, 0, 0], item=[0, 1, 0, 1, 0],
                   category=[-1] * 5)  # fmt: skip
    told = file_of(tmp_path, "x.csv", "time,user,item1\n0,0,1\n1,0,0\n")
    with pytest.raises(RecommenderError, match=r"2 of 5 requests share .* \(the first is row 2\).*; give them by row"):
        answered(told, log, bare_articles(log))
    told = file_of(tmp_path, "x.csv", "time,user,item1\n0,0,1\n2,0,1\n")  # none is there for those
    assert answered(told, log, bare_articles(log)).slates[:, 0].tolist() == [-1, -1, -1, -1, 1]


def test_a_publishers_name_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    file_of(tmp_path, "secret.csv", "row,item1\n3,a\n")
    (tmp_path / "in").mkdir()
    file_of(tmp_path / "in", "A.csv", "row,item1\n3,a\n")
    recommender = MadeElsewhere(str(tmp_path / "in" / "{publisher}.csv"))
    with pytest.raises(RecommenderError, match=r"there is no file .*in/%2E.%2Fsecret.csv"):
        replay(LOG, recommender, Setting(publisher="../secret"), articles=ARTICLES)


# --- the check ---------------------------------------------------------------------------------------------


def test_the_check_says_that_nothing_can_be_said(tmp_path: Path) -> None:
    told = file_of(tmp_path, "x.csv", "row,item1\n3,a\n")
    for recommender in (f"replayed('{told}')", MadeElsewhere(str(told)), f"fallback(trend, 'replayed({told})')"):
        checked = newsreplay.check(recommender, cuts=2)
        assert not checked.passed
        assert "nothing can be said of it" in str(checked)

"""One request told whole: what it says is what the log, the answers and the judge say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import newsreplay
from newsreplay.api import Run
from newsreplay.errors import NewsreplayError
from newsreplay.log.rows import READ
from newsreplay.report import misses
from newsreplay.report.explanation import Answer, Explanation, Place
from tests.report.conftest import WORDS
from tests.report.test_gate import log

K = 3
NAMES = ("sequences", "popular", "random", "oracle")


class Broken:
    def start(self, catalog: object) -> None: ...
    def learn(self, event: object) -> None: ...
    def recommend(self, request: object, k: int) -> list[int]:
        raise RuntimeError("no")


#: ann reads a, b, c, a within minutes and d later; e becomes known after her first three reads.
CLICKS = [
    ("2020-01-01T00:00:00Z", "ann", "a", "Article A", "news"),
    ("2020-01-01T00:01:00Z", "bob", "c", "Article C", "sport"),
    ("2020-01-01T00:02:00Z", "ann", "b", "Article B", "news"),
    ("2020-01-01T00:03:00Z", "ann", "c", "Article C", "sport"),
    ("2020-01-01T00:03:00Z", "ann", "b", "Article B", "news"),
    ("2020-01-01T00:04:00Z", "bob", "e", "Article E", ""),
    ("2020-01-01T00:05:00Z", "ann", "a", "Article A", "news"),
    ("2020-01-01T00:06:00Z", "ann", "e", "Article E", ""),
    ("2020-01-02T00:00:00Z", "ann", "b", "Article B", "news"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("explain")


@pytest.fixture(scope="module")
def small(folder: Path) -> Run:
    """Newest first, and one that fails; rows are as the log has them, without publications."""
    clicks = pd.DataFrame(CLICKS, columns=["time", "user", "item", "title", "category"])
    return newsreplay.run(clicks, ["recency", Broken()], k=2, out=folder / "small")


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return newsreplay.run(log(reads=400), ",".join(NAMES), k=K, out=folder / "run")


def rows_of(run: Run, *kinds: int) -> list[int]:
    kind = newsreplay.Dataset(Path(run.info["data"]["folder"])).publisher(run.publishers[0]).log.kind
    return [row for row, value in enumerate(kind.tolist()) if value in kinds]


def offers(answer: Answer) -> list[tuple[str, str]]:
    assert answer.slate is not None
    return [(offer.article.id, offer.became) for offer in answer.slate]


def places(explanation: Explanation, recommender: str) -> list[tuple[str, int | None, str | None, str | None]]:
    found: list[tuple[str, Place]] = [
        (one.read.article.id, place)
        for one in explanation.next
        for place in one.places
        if place.recommender == recommender
    ]
    return [(item, place.place, place.why_not, place.judged) for item, place in found]


def test_a_request_worked_by_hand(small: Run) -> None:
    reads = rows_of(small, READ)
    told = small.explain(reads[2])  # ann reads b
    assert (told.publisher, told.kind, told.time) == ("frame", "read", "2020-01-01T00:02:00.000+00:00")
    assert (told.reader, told.scored, told.reads_in_session, told.earlier_reads) == ("ann", True, 6, 0)
    assert [(read.row, read.article.title) for read in told.history] == [(reads[0], "Article A")]
    assert told.current is not None
    assert (told.current.id, told.current.category) == ("b", "news")
    assert [read.read.row for read in told.next] == [reads[n] for n in (3, 4, 6, 7)]
    assert [one.again for one in told.next] == [False, False, True, False]
    recency, broken = told.answers
    assert offers(recency) == [("c", "hit"), ("a", "hit")]
    assert recency.slate is not None
    assert [offer.read and offer.read.row for offer in recency.slate] == [reads[3], reads[6]]
    assert broken.slate is None
    assert broken.missing is not None
    assert broken.missing.startswith("failed: RuntimeError: no")
    assert places(told, "recency") == [
        ("c", 1, None, "hit at 1"),
        ("b", None, "on screen", "already read"),
        ("a", 2, None, "ranked 2 to 2"),
        ("e", None, "not known yet", "hit at 1"),  # in the slate of a
    ]
    assert [text for _, _, text, _ in places(told, "Broken")] == [
        "it failed",
        "on screen",
        "it failed",
        "not known yet",
    ]


def test_reads_of_the_requests_own_instant_do_not_count(small: Run) -> None:
    reads = rows_of(small, READ)
    told = small.explain(reads[3])  # ann reads c, and b at the same time
    assert [(one.read.article.id, one.counts) for one in told.next] == [("b", False), ("a", True), ("e", True)]
    (recency, _) = told.answers
    assert offers(recency) == [
        ("b", "read at the request's own instant, which does not count"),
        ("a", "hit"),
    ]
    assert "its slates do not count" in str(told)


def test_an_unscored_session_says_why(small: Run, folder: Path) -> None:
    reads = rows_of(small, READ)
    alone = small.explain(reads[8])
    assert (alone.scored, alone.why_not_scored, alone.earlier_reads) == (False, "its session has a single read", 6)
    assert {place.judged for one in small.explain(reads[8]).next for place in one.places} == set()
    clicks = pd.DataFrame(CLICKS, columns=["time", "user", "item", "title", "category"])
    later = newsreplay.run(clicks, "recency", k=2, warmup="1h", out=folder / "later")
    told = later.explain(reads[2])
    assert told.why_not_scored == "its session begins in the warm-up"
    assert offers(told.answers[0]) == [("c", "read later"), ("a", "read later")]
    short = newsreplay.run(clicks, "recency", k=2, max_session_length=3, out=folder / "short")
    assert short.explain(reads[2]).why_not_scored == "its session has more than 3 reads"
    window = newsreplay.run(clicks, "recency", k=2, window="30s", out=folder / "window")
    assert window.explain(reads[1]).why_not_scored == "its session begins after the window"


def test_hits_and_causes_are_the_judges_at_every_request(run: Run) -> None:
    (publisher,) = run.publishers
    reads, requests = run.reads(publisher), run.requests(publisher)
    rows = requests.row.tolist()
    causes = misses.causes(K)
    judged = {
        name: dict(
            zip(reads.row.tolist(), misses.cause_of(reads, run.places(publisher, name), K).tolist(), strict=True)
        )
        for name in NAMES
    }
    matches = {name: run.matches(publisher, name) for name in NAMES}
    slates = {name: run.slates(publisher, name).set_index("row").slate for name in NAMES}
    for number in range(0, len(rows), 7):
        told = run.explain(rows[number])
        assert told.scored
        for answer in told.answers:
            found = offers(answer)
            assert [item for item, _ in found] == list(slates[answer.recommender][rows[number]])
            bits = [bool(matches[answer.recommender][number, 0] >> place & 1) for place in range(len(found))]
            assert [became == "hit" for _, became in found] == bits
        for one in told.next:
            for place in one.places:
                cause = judged[place.recommender][one.read.row]
                assert place.judged == (causes[cause] if cause >= 0 else None)
                assert (place.place is None) == (place.why_not is not None)
                if place.place and one.counts:
                    assert cause in (0, 1)  # this slate had it, and some slate as high or higher


def test_a_reader_and_a_time_find_the_first_request_from_then_on(small: Run) -> None:
    reads = rows_of(small, READ)
    for at, row in (
        ("2020-01-01", reads[0]),
        ("2020-01-01T00:02", reads[2]),
        ("2020-01-01T01:02:00.001+01:00", reads[3]),
    ):
        assert small.explain(at=at, user="ann").row == row
    for at, user, message in [
        ("noon", "ann", "'noon' is no time; write 2019-01-01T12:00"),
        ("2020-01-01", "zoe", "frame has no reader 'zoe'"),
        ("2021-01-01", "ann", rf"the last request is row {reads[8]}, 2020-01-02T00:00:00"),
    ]:
        with pytest.raises(NewsreplayError, match=message):
            small.explain(at=at, user=user)


def test_a_row_that_asked_for_nothing_is_refused_with_those_beside_it_that_did(small: Run) -> None:
    first, *_, last = rows_of(small, READ)
    with pytest.raises(
        NewsreplayError, match=rf"frame has no row {last + 5}, .*the nearest that asked is row {last} before"
    ):
        small.explain(last + 5)
    with pytest.raises(NewsreplayError, match="say which request"):
        small.explain()
    with pytest.raises(NewsreplayError, match=r"has no 'recncy' on frame\. Did you mean 'recency'"):
        small.explain(first, recommenders=["recncy"])
    with pytest.raises(NewsreplayError, match="has no publisher 'gazette'"):
        small.explain(first, publisher="gazette")


def test_without_slates_the_history_is_told_all_the_same(folder: Path, small: Run) -> None:
    clicks = pd.DataFrame(CLICKS, columns=["time", "user", "item", "title", "category"])
    without = newsreplay.run(clicks, "recency", k=2, slates=False, out=folder / "without")
    row = rows_of(small, READ)[2]
    told, whole = without.explain(row), small.explain(row)
    assert told.history == whole.history
    assert told.answers == [Answer("recency", None, None, "the run keeps no slates (--no-slates)")]
    assert [text for _, _, text, _ in places(told, "recency")] == [
        *("its slate is not kept", "on screen", "its slate is not kept", "not known yet")
    ]
    assert [judged for *_, judged in places(told, "recency")] == [judged for *_, judged in places(whole, "recency")]
    assert "--no-slates" in str(told)


def test_answers_beyond_a_strict_deadline_are_told_as_late(folder: Path) -> None:
    class Slow(newsreplay.Recommender):
        def start(self, catalog: Any) -> None:
            self.catalog = catalog

        def recommend(self, request: Any, k: int) -> Any:
            import time

            time.sleep(0.02)
            return range(self.catalog.known)

    clicks = pd.DataFrame(CLICKS, columns=["time", "user", "item", "title", "category"])
    late = newsreplay.run(clicks, Slow(), k=2, deadline="1ms", strict_deadline=True, out=folder / "late")
    told = late.explain(rows_of(late, READ)[2])
    assert [became for _, became in offers(told.answers[0])] == [
        "read later, but the answer came too late to count"
    ] * 2
    assert {judged for *_, judged in places(told, "Slow")} >= {"answered too late"}


# --- impressions ----------------------------------------------------------------------------------------

MIND = """1\tU1\t11/9/2019 9:00:00 AM\tN9\tN1-1 N2-0 N3-0
2\tU1\t11/9/2019 9:05:00 AM\tN9\tN2-1 N1-0
3\tU2\t11/14/2019 9:00:00 AM\t\tN3-0 N1-1
"""


@pytest.fixture(scope="module")
def mind(folder: Path) -> Path:
    (folder / "mind").mkdir()
    (folder / "mind" / "behaviors.tsv").write_text(MIND)
    news = "".join(f"N{n}\tnews\tlocal\tTitle {n}\t\thttp://x\t[]\t[]\n" for n in (1, 2, 3, 9))
    (folder / "mind" / "news.tsv").write_text(news)
    return folder / "mind"


def test_an_impression_is_told_with_its_candidates_ranks_and_scores(folder: Path, mind: Path) -> None:
    run = newsreplay.run(f"mind:{mind}", "popular,recency", k=2, out=folder / "scores")
    shown = rows_of(run, newsreplay.IMPRESSION)
    told = run.explain(shown[1])
    assert (told.kind, told.reader, told.profile, told.current) == ("impression", "U1", 1, None)
    assert [(one.article.id, one.article.title, one.clicked) for one in told.pool] == [
        ("N2", "Title 2", True),
        ("N1", "Title 1", False),
    ]
    assert [read.article.id for read in told.history] == ["N1"]
    popular, _ = told.answers
    assert popular.slate is None
    assert popular.missing is None
    assert popular.ranking is not None
    assert [(one.rank, one.candidate.article.id) for one in popular.ranking] == [(1, "N1"), (2, "N2")]
    assert popular.ranking[0].score == 1
    kept = run.scores(run.publishers[0], "popular").set_index("row").scores[shown[1]]
    assert [one.score for one in popular.ranking][::-1] == [None if score == -float("inf") else score for score in kept]
    assert "no slate was due" in str(told)
    assert "clicked" in str(told)


def test_where_impressions_ask_their_own_clicks_are_hits(folder: Path, mind: Path) -> None:
    run = newsreplay.run(f"mind:{mind}", "recency,oracle", k=2, requests="impressions", out=folder / "slates")
    shown, reads = rows_of(run, newsreplay.IMPRESSION), rows_of(run, READ)
    told = run.explain(shown[1])
    assert told.scored
    oracle = told.answers[1]
    assert offers(oracle) == [("N2", "hit")]
    assert [one.counts for one in told.next] == [True]
    assert [(item, place) for item, place, _, _ in places(told, "oracle")] == [("N2", 1)]
    first = run.explain(shown[0])
    assert places(first, "recency")[0][2] == "not known yet"  # published by being shown
    asked = rf"which asked for nothing; the nearest that did: row {shown[0]} before it and row {shown[1]} after it"
    with pytest.raises(NewsreplayError, match=rf"row {reads[0]} of .* is a row of kind read, {asked}"):
        run.explain(reads[0])


# --- words ----------------------------------------------------------------------------------------------


def test_plain_data_are_json_and_hold_the_whole(small: Run) -> None:
    told = small.explain(rows_of(small, READ)[2], recommenders=["recency"])
    data = json.loads(json.dumps(told._asdict()))
    assert [*data] == [*Explanation.__dataclass_fields__]
    assert data["answers"][0]["slate"][0]["article"] == {"id": "c", "category": "sport", "title": "Article C"}
    assert [place["recommender"] for place in data["next"][0]["places"]] == ["recency"]


def test_words_have_it_all_and_hits_stand_out(small: Run) -> None:
    told = small.explain(rows_of(small, READ)[2])
    lines = list(told.lines())
    assert str(told) == "\n".join(line.text for line in lines)
    text = str(told)
    assert text.startswith(f"read at row {told.row} of frame, 2020-01-01 00:02:00 UTC\nreader ann, session ")
    for piece in ("read 2 of 6", "Article C", "hit (2020-01-01 00:03:00", "at 1: recency", "not in it, on screen"):
        assert piece in text
    assert "Broken: failed: RuntimeError: no" in text
    green = [line.text for line in lines if line.style == "green"]
    assert any("Article C" in line for line in green)
    assert not any("not read later" in line for line in green)


def test_foreign_text_is_escaped(hostile_run: Run) -> None:
    (publisher, *_) = hostile_run.publishers
    for row in hostile_run.requests(publisher).row[:40].tolist():
        told = hostile_run.explain(row, publisher=publisher)
        assert all(line.text.isprintable() for line in told.lines())
        json.dumps(told._asdict(), ensure_ascii=False).encode()
    assert any(word in str(told) for word in WORDS[:1])
    with pytest.raises(NewsreplayError, match="has several publishers; name one of A, "):
        hostile_run.explain(0)

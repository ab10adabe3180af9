"""NeMig: it has no times, so it is walked in file order, on request only."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsreplay.datasets.base import Raw
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.datasets.sources.nemig import START, plan_nemig
from newsreplay.errors import DataError
from newsreplay.log.rows import IMPRESSION
from tests.datasets.sources.test_mind import FUZZ, assert_same, behavior_lines, mind_folder, news_lines
from tests.naive.mind import naive_nemig
from tests.reading import Profile, Row, articles_of, profiles_of, read, rows_of

FIRST = "10\tU3\tnews_1 news_2\tnews_3-0 news_4-1"
ARTICLE = "news_3\ttopic_a\tNegative\tA title\tAn abstract\thttps://example.org\t2022-05-24"


def read_nemig(
    folder: Path, behaviors: list[str] | bytes, news: list[str] | bytes | None = None, sizes: ReadSizes = SIZES
) -> Raw:
    return read(plan_nemig(mind_folder(folder, behaviors, news), file_order=True, sizes=sizes))


def test_without_times_it_is_not_replayed_unless_file_order_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"NeMig has no event times, so it cannot be replayed .* --file-order"):
        plan_nemig(mind_folder(tmp_path, [FIRST]))


def test_lines_are_impressions_a_minute_apart_from_2020_on(tmp_path: Path) -> None:
    raw = read_nemig(tmp_path, [FIRST, FIRST.replace("U3", "U4"), "", "broken", FIRST])
    expected = Row(kind=IMPRESSION, time=START, item=None, user="U3", pool=("news_3", "news_4"), clicked=(False, True))
    assert rows_of(raw) == [
        expected,
        expected._replace(user="U4", time=START + 60_000),
        expected._replace(time=START + 240_000),
    ]
    assert profiles_of(raw) == [
        Profile("U3", START, ("news_1", "news_2")),
        Profile("U4", START + 60_000, ("news_1", "news_2")),
    ]
    assert [reject.line for reject in raw.rejects] == [4]


def test_times_count_through_the_whole_file(tmp_path: Path) -> None:
    lines = [FIRST if number % 3 else "broken" for number in range(1, 61)]
    raw = read_nemig(tmp_path, lines, sizes=ReadSizes(chunk=100, stretch=300))
    assert [row.time for row in rows_of(raw)] == [START + 60_000 * number for number in range(60) if (number + 1) % 3]


def test_an_article_has_its_topic_as_category_and_no_publication_time(tmp_path: Path) -> None:
    raw = read_nemig(tmp_path, [FIRST], [ARTICLE, ARTICLE.replace("An abstract", "")])
    found = articles_of(raw)
    assert [(one.item, one.published) for one in found] == [("news_3", None)] * 2
    assert dict(found[0].facts) == {
        "category": "topic_a",
        "sentiment": "-1",
        "title": "A title",
        "abstract": "An abstract",
    }
    assert "articles without abstract: 1" in raw.notes


def test_made_up_times_are_said_and_missing_news_too(tmp_path: Path) -> None:
    raw = read_nemig(tmp_path, [FIRST])
    assert raw.made_up[0].startswith("Every time")
    assert "no news.tsv: categories and texts of its articles are unknown" in raw.notes
    assert "NeMig" in raw.source


@pytest.mark.parametrize(
    ("behaviors", "found"),
    [
        (["impression_id\tuser_id\thistory\timpressions", FIRST], "line 1: a header row"),
        (["1\tU1\t11/12/2019 9:05:58 AM\tnews_1\tnews_2-1"], "the lines have 5 cells. Expected 4 cells"),
        ([FIRST.replace("-0", "").replace("-1", "")], "the candidates carry no labels"),
        (b"", "is empty"),
    ],
)
def test_another_layout_is_refused(tmp_path: Path, behaviors: list[str] | bytes, found: str) -> None:
    with pytest.raises(DataError, match=found):
        plan_nemig(mind_folder(tmp_path, behaviors), file_order=True)


def test_news_with_a_header_are_refused(tmp_path: Path) -> None:
    header = "id\ttopic\tsentiment\ttitle\tabstract\turl\tdate"
    with pytest.raises(DataError, match=r"news\.tsv line 1: a header row"):
        plan_nemig(mind_folder(tmp_path, [FIRST], [header, ARTICLE]), file_order=True)


def test_a_folder_without_impressions_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found an empty folder\. Expected a folder with behaviors\.tsv"):
        plan_nemig(tmp_path)


@FUZZ
@given(
    st.lists(behavior_lines(timed=False), max_size=12),
    st.lists(news_lines(width=7), max_size=8),
    st.sampled_from([1, 7, 100, 10_000]),
)
def test_the_fast_reader_agrees_with_the_slow_one(behaviors: list[bytes], news: list[bytes], size: int) -> None:
    lines = b"".join(behaviors).replace(b"N", b"news_")
    with tempfile.TemporaryDirectory() as folder:
        path = mind_folder(Path(folder), f"{FIRST}\n".encode() + lines, f"{ARTICLE}\n".encode() + b"".join(news))
        assert_same(read(plan_nemig(path, file_order=True, sizes=ReadSizes(chunk=size))), naive_nemig(path))


def test_the_real_sample_is_read_as_the_slow_reader_does(real_data: Path) -> None:
    naive = naive_nemig(real_data / "nemig_en")
    for sizes in (SIZES, ReadSizes(chunk=200_000)):
        raw = read(plan_nemig(real_data / "nemig_en", file_order=True, sizes=sizes))
        assert_same(raw, naive)
        assert not raw.rejects
        assert (raw.kept, len(naive.rows)) == (25_814, 15_000)

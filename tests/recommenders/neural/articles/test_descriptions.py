"""Files of texts that describe categories, and which text an article has."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsreplay.errors import SpecError
from newsreplay.recommenders.neural.articles.article_table import ArticleTable
from newsreplay.recommenders.neural.articles.descriptions import Descriptions
from newsreplay.recommenders.neural.articles.texts import MarkedVocabulary, Vocabulary
from newsreplay.recommenders.neural.models.fields import ABSTRACT, TITLE
from newsreplay.recommenders.neural.models.model import TINY
from tests.recommenders.neural.articles.test_article_table import FakeCatalog

WORDS = Vocabulary.learn(["rain in the north", "what teams do", "what happens and more of it"], buckets=8)
TEXT = "category\tdescription\nsports\tWhat teams do\nnews\tWhat happens, and more of it\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "descriptions.tsv"
    path.write_bytes(text.encode())
    return path


def test_names_and_texts_are_read_with_or_without_a_header_a_mark_and_carriage_returns(tmp_path: Path) -> None:
    expected = {"sports": "What teams do", "news": "What happens, and more of it"}
    bare = TEXT.partition("\n")[2]
    for text in (TEXT, bare, "\ufeff" + TEXT, TEXT.replace("\n", "\r\n"), bare.replace("\n", "\n\n")):
        assert Descriptions.read(written(tmp_path, text)).texts == expected


@given(
    texts=st.dictionaries(
        st.text("abc é-_", min_size=1).map(str.strip).filter(bool),
        st.text("abc é,.'\"", min_size=1).map(str.strip).filter(bool),
        min_size=1,
    )
)
def test_whatever_is_written_is_read(texts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = written(tmp_path_factory.mktemp("written"), "".join(f"{name}\t{text}\n" for name, text in texts.items()))
    assert Descriptions.read(path).texts == texts


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT)
    assert Descriptions.read(path).digest == blake2b(path.read_bytes(), digest_size=16).hexdigest()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sports\tTeams\nnews\n", r"line 2 is 'news': expected is a category or subcategory, a tab .* leave it out"),
        ("sports,Teams\n", r"line 1 is 'sports,Teams': expected"),
        ("sports\tTeams\tmore\n", r"line 1 is 'sports.tTeams.tmore': expected"),
        ("\tTeams\n", r"line 1 is '.tTeams': expected"),
        ("sports\t \n", r"line 1 is 'sports': expected"),
        ("a\tb\n\nsports\tTeams\na\tc\n", r"line 4 describes 'a', which line 1 does, too; leave one of them out"),
        ("", "describes no category; expected"),
        ("category\tdescription\n", "describes no category; expected"),
    ],
)
def test_a_line_that_is_no_category_with_its_text_is_refused_by_number(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError, match=rf"descriptions.tsv {message}"):
        Descriptions.read(written(tmp_path, text))


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.tsv").write_bytes(b"sports\t\xff\xfe\n")
    for path in (tmp_path, tmp_path / "other.tsv", tmp_path / "missing.tsv"):
        with pytest.raises(SpecError, match=r"cannot be read .* name a text file in UTF-8"):
            Descriptions.read(path)


def test_a_subcategory_that_is_described_goes_before_the_category() -> None:
    described = Descriptions(Path("x"), {"sports": "teams", "golf": "clubs"}, "")
    assert described.of("sports", "golf") == "clubs"
    assert described.of("sports", "tennis") == described.of("sports", None) == "teams"
    assert described.of("news", "tennis") == described.of(None, None) == ""
    assert described.of("", "") == ""


# --- in the table of articles -------------------------------------------------------------------------


def table_of(facts: dict[int, dict[str, str]], texts: dict[str, str]) -> ArticleTable:
    described = Descriptions(Path("x"), texts, "")
    return ArticleTable((TITLE, ABSTRACT), TINY, WORDS, FakeCatalog(facts), descriptions=described)


def title_of(table: ArticleTable, item: int) -> list[int]:
    ids: list[int] = table.contents(np.array([table.slot(item)])).title[0].tolist()
    return ids


def test_the_text_stands_behind_the_title_and_nothing_where_there_is_none() -> None:
    facts = {0: {"title": "Rain", "category": "sports"}, 1: {"title": "Rain", "category": "news"}, 2: {"title": "Rain"}}
    table = table_of(facts, {"sports": "what teams do"})
    for item, text in enumerate(["rain what teams do", "rain", "rain"]):
        ids = WORDS.ids(text, 12)
        assert title_of(table, item) == ids + [0] * (12 - len(ids))
    assert table.undescribed == {table.slot(1), table.slot(2)}
    assert table.described == {"sports"}


def test_title_and_text_are_each_cut_and_names_stand_for_a_title_as_ever() -> None:
    long = "rain in the north rain in the north rain"
    table = table_of({0: {"title": long, "category": "sports"}, 1: {"category": "sports"}}, {"sports": long})
    six = WORDS.ids(long, 6)
    assert title_of(table, 0) == six + six
    names = WORDS.ids_of_names(["category:sports", "article:N1"], 6)
    assert title_of(table, 1) == names + six + [0] * (6 - len(names))
    assert table.without_text == 1


def test_a_category_that_is_told_later_brings_its_text_then() -> None:
    facts = {0: {"title": "rain"}}
    table = table_of(facts, {"sports": "what teams do", "golf": "north"})
    assert title_of(table, 0)[1] == 0
    facts[0]["category"] = "sports"
    assert table.refresh(0)
    assert title_of(table, 0)[:4] == WORDS.ids("rain what teams do", 4)
    assert not table.undescribed
    facts[0]["subcategory"] = "golf"
    assert table.refresh(0)
    assert title_of(table, 0)[:3] == [*WORDS.ids("rain north", 2), 0]
    assert table.described == {"sports", "golf"}


def test_behind_a_title_there_is_no_second_mark_of_a_beginning() -> None:
    words = MarkedVocabulary.learn(["rain north"], buckets=8)
    begin, rain, end = words.ids("rain", 6)
    assert words.ids_behind("rain", 6) == [rain, end]
    assert words.ids_behind("rain " * 9, 4) == [rain, rain, end]
    assert words.ids_behind("", 6) == []
    assert begin == words.marks.begin

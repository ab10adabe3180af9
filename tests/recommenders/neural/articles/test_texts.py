"""Texts as word ids, and what is read of files with word vectors."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.errors import DataError, SpecError
from newsreplay.log.entities import entity_names
from newsreplay.recommenders.neural.articles.texts import MarkedVocabulary, Vocabulary, tokens
from newsreplay.recommenders.neural.articles.vectors import WordVectors
from tests.naive.neural_texts import read_vectors

GLOVE = b"rain 1 0.5 -2\nsun 0 3e-1 4\n. . . 7 8 9\n"


@pytest.fixture
def glove(tmp_path: Path, empty_home: Path) -> Path:
    path = tmp_path / "glove.txt"
    path.write_bytes(GLOVE)
    return path


def vector(vectors: WordVectors, word: str) -> list[float] | None:
    found, known = vectors.look_up([word])
    return found[0].tolist() if known[0] else None


# --- words --------------------------------------------------------------------------------------------


def test_a_text_is_split_into_words_and_marks_and_nothing_else_is_kept() -> None:
    assert tokens("It's 5°C – Zürich, RAIN_again?!") == ["it", "s", "5", "c", "zürich", ",", "rain_again", "?", "!"]
    assert tokens(" \n–") == []


def test_words_have_the_rows_behind_padding_and_buckets() -> None:
    vocabulary = Vocabulary.learn(["Rain in the north", "the rain"], buckets=10)
    assert vocabulary.words == ["rain", "in", "the", "north"]
    assert vocabulary.rows == 1 + 10 + 4
    assert vocabulary.ids("The North", 30) == [13, 14]


def test_a_text_is_cut_to_its_first_words() -> None:
    vocabulary = Vocabulary.learn(["a b c d"], buckets=1)
    assert vocabulary.ids("d c b a", 2) == [5, 4]
    assert vocabulary.ids("", 2) == []


def test_rare_words_get_no_row() -> None:
    assert Vocabulary.learn(["a a b", "b c"], least=2).words == ["a", "b"]


def test_an_unknown_word_is_in_the_same_bucket_in_every_process() -> None:
    # 1 + CRC-32 of its UTF-8 bytes modulo 2,048
    assert Vocabulary.learn([]).ids("Zebra", 30) == Vocabulary.learn(["some words"]).ids("zebra", 30) == [1463]


@settings(max_examples=30, deadline=None)
@given(st.text(), st.integers(1, 5))
def test_unknown_words_are_never_padding_and_stay_within_the_buckets(text: str, buckets: int) -> None:
    vocabulary = Vocabulary([], buckets)
    assert all(1 <= word <= buckets for word in vocabulary.ids(text, 30))
    assert len(vocabulary.ids(text, 30)) == min(len(tokens(text)), 30)


def test_names_that_stand_for_a_text_are_hashed_as_they_are() -> None:
    # 1 + CRC-32 of "category:news" modulo 2,048
    assert Vocabulary.learn(["category", "news"]).ids_of_names(["category:news", "article:N1"], 1) == [811]


def test_names_that_are_learned_have_rows_like_words() -> None:
    names = ["category:news", "article:N1", "category:news"]
    vocabulary = Vocabulary.learn(["category news", "rain"], least=1, buckets=4, names=names)
    assert vocabulary.words == ["category", "news", "rain", "category:news", "article:N1"]
    assert vocabulary.ids_of_names(["article:N1", "category:news"], 6) == [9, 8]
    assert vocabulary.ids("category:news article:N1", 6)[:2] == [5, 6]
    assert vocabulary.ids_of_names(["article:N2"], 6) == Vocabulary([], 4).ids_of_names(["article:N2"], 6)
    assert Vocabulary(vocabulary.words, 4).ids_of_names(["article:N1"], 6) == [9]


def test_a_vocabulary_is_rebuilt_from_its_words() -> None:
    learned = Vocabulary.learn(["rain in the north"], buckets=7)
    again = Vocabulary(learned.words, 7)
    assert again.ids("the storm in the north", 30) == learned.ids("the storm in the north", 30)


def test_words_with_vectors_that_come_later_get_rows_as_they_come_up(glove: Path) -> None:
    vocabulary = Vocabulary.learn(["north wind"], buckets=5, vectors=WordVectors.open(glove))
    assert vocabulary.later == []
    sun, storm, rain = vocabulary.ids("sun storm rain", 30)
    assert vocabulary.later == ["sun", "rain"]
    assert (sun, rain) == (vocabulary.rows, vocabulary.rows + 1)
    assert 1 <= storm <= 5
    assert vocabulary.ids("rain sun rain", 30) == [rain, sun, rain]
    assert vocabulary.later == ["sun", "rain"]


def test_a_word_beyond_the_cut_does_not_come_up(glove: Path) -> None:
    vocabulary = Vocabulary.learn([], vectors=WordVectors.open(glove))
    vocabulary.ids("north sun", 1)
    assert vocabulary.later == []


def test_every_row_has_the_bucket_that_its_word_would_be_hashed_to(glove: Path) -> None:
    vocabulary = Vocabulary.learn(["north wind"], buckets=5, vectors=WordVectors.open(glove))
    vocabulary.ids("sun", 30)
    hashed = Vocabulary([], 5).ids("north wind sun", 30)
    assert vocabulary.buckets_of_rows().tolist() == [0, 1, 2, 3, 4, 5, *hashed]


# --- entities -----------------------------------------------------------------------------------------


def test_entities_are_the_title_s_in_order_and_once() -> None:
    title = [{"WikidataId": "Q2", "Label": "Rain"}, {"WikidataId": "Q1"}, {"WikidataId": "Q2"}]
    assert entity_names(json.dumps({"title": title, "abstract": [{"WikidataId": "Q3"}]})) == ["Q2", "Q1"]
    assert entity_names('["Rain", "Snow", "Rain"]') == ["Rain", "Snow"]


@pytest.mark.parametrize(
    "text",
    [None, "", "[", "5", "null", '{"title": 5}', '{"abstract": []}', '[{"Label": 1}, null, 3, ""]', "[" * 100_000],
)
def test_what_is_no_list_of_entities_has_none(text: str | None) -> None:
    assert entity_names(text) == []


# --- word vectors -------------------------------------------------------------------------------------


def test_a_glove_file_is_read_words_with_blanks_included(glove: Path) -> None:
    vectors = WordVectors.open(glove)
    assert (vectors.width, vectors.skipped) == (3, 0)
    assert vector(vectors, "sun") == [0, np.float32(0.3), 4]
    assert vector(vectors, ". . .") == [7, 8, 9]
    assert vector(vectors, "snow") is None


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_fasttext_s_header_line_is_no_word(tmp_path: Path, empty_home: Path, pack: type[bytes]) -> None:
    path = tmp_path / "cc.vec"
    path.write_bytes(pack(b"3 2\n3 1.5 2 \nzwei 3 4 \r\n\xc3\xa4 5 6"))
    vectors = WordVectors.open(path)
    assert (vectors.width, vectors.skipped) == (2, 0)
    assert [vector(vectors, word) for word in ("3", "zwei", "ä")] == [[1.5, 2], [3, 4], [5, 6]]


def test_look_ups_give_zeros_where_there_is_nothing(glove: Path) -> None:
    found, known = WordVectors.open(glove).look_up(["snow", "rain", "snow"])
    assert found.tolist() == [[0, 0, 0], [1, 0.5, -2], [0, 0, 0]]
    assert known.tolist() == [False, True, False]
    assert WordVectors.open(glove).look_up([])[0].shape == (0, 3)


def test_a_word_is_looked_up_as_it_is_first_and_in_lower_case_then(tmp_path: Path, empty_home: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("US 1\nus 2\nthem 3\nThey 4\n")
    vectors = WordVectors.open(path)
    assert [vector(vectors, word) for word in ("US", "us", "Them", "they")] == [[1], [2], [3], None]


def test_lines_that_are_no_vector_are_skipped_and_counted(tmp_path: Path, empty_home: Path) -> None:
    path = tmp_path / "vectors.txt"
    bad = ["short 1", "not 1 x", "far 1 1e99", "nan 1 nan", " 1 2", "", "double  1", "null NULL 1", "return \r1 2"]
    path.write_bytes("\n".join([f"word{place} {place} 0" for place in range(12)] + bad + ["last 3 4"]).encode())
    vectors = WordVectors.open(path)
    assert vectors.skipped == len(bad)
    assert vector(vectors, "last") == [3, 4]
    assert vector(vectors, "word8") == [8, 0]


def test_a_carriage_return_makes_no_second_line(tmp_path: Path, empty_home: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(b"a 1\nb 2\r3\nc 4\r\nd 5\n")
    vectors = WordVectors.open(path)
    assert [vector(vectors, word) for word in "abcd"] == [[1], None, [4], [5]]
    assert vectors.skipped == 1


def test_the_first_of_many_lines_of_a_word_counts(tmp_path: Path, empty_home: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("".join(f"word{place % 7} {place}\n" for place in range(5_000)))
    vectors = WordVectors.open(path)
    assert [vector(vectors, f"word{place}") for place in range(7)] == [[place] for place in range(7)]


LINES = st.lists(
    st.one_of(
        st.builds(
            lambda word, numbers: b" ".join([word, *numbers]),
            st.sampled_from([b"a", b"A", b"b", b"b c", b". .", b"\xff", b"\xc2\xa0", b"1", b""]),
            st.lists(
                st.sampled_from([b"1", b"-0.25", b"1e-3", b"1e40", b"inf", b"nan", b"x", b"", b"1_0"]), max_size=4
            ),
        ),
        st.lists(st.sampled_from([b"1", b" ", b"a", b"-", b"\t", b"\r", b'"', b"\0"]), max_size=8).map(b"".join),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(LINES)
def test_any_lines_are_read_as_a_slow_reader_reads_them(lines: list[bytes]) -> None:
    lines = [b"w%d 0.5 %d" % (place, place) for place in range(100)] + lines  # enough to tell the width from
    expected, skipped = read_vectors(lines, 2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.txt"
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        vectors = WordVectors.open(path)
    assert vectors.skipped == skipped
    words = [word for word in (b"a", b"A", b"b", b"b c", b". .", b"1", b"w7", b"\xc2\xa0") if word in expected]
    found, known = vectors.look_up([word.decode() for word in words])
    assert known.all()
    assert found.tolist() == [expected[word] for word in words]


def test_a_file_is_read_through_once(glove: Path) -> None:
    times = glove.stat()
    WordVectors.open(glove)
    glove.write_bytes(GLOVE.replace(b"7", b"6"))
    os.utime(glove, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert vector(WordVectors.open(glove), ". . .") == [7, 8, 9]  # nobody looked


def test_a_file_that_changed_is_read_again(glove: Path) -> None:
    times = glove.stat()
    WordVectors.open(glove)
    glove.write_bytes(GLOVE.replace(b"7", b"6"))
    os.utime(glove, ns=(times.st_atime_ns, times.st_mtime_ns + 1_000))
    assert vector(WordVectors.open(glove), ". . .") == [6, 8, 9]
    glove.write_bytes(GLOVE + b"snow 1 2 3\n")
    os.utime(glove, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert vector(WordVectors.open(glove), "snow") == [1, 2, 3]


def test_a_home_that_cannot_be_written_is_no_hindrance(
    glove: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NEWSREPLAY_HOME", str(tmp_path / "file" / "home"))
    vectors = WordVectors.open(glove)
    assert (vectors.skipped, vector(vectors, "sun")) == (0, [0, np.float32(0.3), 4])


def test_a_file_may_be_opened_by_several_at_once(glove: Path, empty_home: Path) -> None:
    glove.write_bytes(GLOVE * 5_000)  # long enough to overlap
    with ThreadPoolExecutor(4) as threads:
        opened = list(threads.map(WordVectors.open, [glove] * 4))
    assert [vector(vectors, "rain") for vectors in opened] == [[1, 0.5, -2]] * 4
    assert len(list((empty_home / "vectors").iterdir())) == 1


def test_nothing_is_kept_of_a_file_that_cannot_be_read(tmp_path: Path, empty_home: Path) -> None:
    path = tmp_path / "vectors.gz"
    path.write_bytes(gzip.compress(GLOVE * 1000)[:-20])
    with pytest.raises(SpecError, match=r"the vectors of .*vectors\.gz cannot be read"):
        WordVectors.open(path)
    assert list((empty_home / "vectors").iterdir()) == []


def test_what_is_kept_is_never_unpickled(glove: Path, empty_home: Path) -> None:
    WordVectors.open(glove)
    (folder,) = (empty_home / "vectors").iterdir()
    np.save(folder / "row.npy", np.array([{}, {}, {}], object), allow_pickle=True)
    with pytest.raises(DataError, match="are damaged, delete the folder"):
        WordVectors.open(glove)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"the vectors of .*nothing\.txt cannot be read: .*No such file"):
        WordVectors.open(tmp_path / "nothing.txt")
    with pytest.raises(SpecError, match="is no file of vectors; name a file, such as GloVe"):
        WordVectors.open(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"line 1 is '': no name with its numbers; expected is a word or id and its numbers"),
        (b"a b\nc d\n", r"line 1 is 'a b': no name with its numbers"),
        (b"a 1 2\nsome text here\nmore text again\n", r"line 2 is 'some text here'"),
        (b"2 3\na 1 2\nb 3 4\n", r"line 1 says '2 3', 3 numbers a word, but most of the lines behind it have 2"),
        (b"PK\x03\x04\0\0" + b"\xff" * 2_000_000, r"line 1 has more than 1,048,576 bytes.*unpack a \.zip first"),
    ],
)
def test_what_is_no_file_of_word_vectors_is_told_by_its_line(
    tmp_path: Path, empty_home: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"file\.txt " + said):
        WordVectors.open(path)


def test_real_glove_vectors_are_read_as_a_slow_reader_reads_them(real_data: Path, empty_home: Path) -> None:
    path = real_data / "vectors" / "glove.twitter.25d.subset.txt"
    if not path.exists():
        pytest.skip("the folder of NEWSREPLAY_TEST_DATA has no vectors/glove.twitter.25d.subset.txt")
    lines = path.read_bytes().splitlines()
    expected, skipped = read_vectors(lines, 25)
    vectors = WordVectors.open(path)
    found, known = vectors.look_up([word.decode() for word in expected])
    assert (vectors.width, vectors.skipped, skipped) == (25, 0, 0)
    assert len(expected) == 11_925
    assert known.all()
    assert found.tolist() == list(expected.values())


# --- marks ----------------------------------------------------------------------------------------------


def test_marks_stand_in_front_of_a_text_and_behind_it() -> None:
    words = MarkedVocabulary.learn(["rain in the city", "[CLS] rain [MASK]"], names=["category:news"])
    assert isinstance(words, MarkedVocabulary)
    begin, end, hidden = words.marks
    plain = {word: 1 + words.buckets + place for place, word in enumerate(words.words)}
    assert [plain[mark] for mark in words.MARKS] == [begin, end, hidden]
    assert words.ids("rain in the city", 9) == [begin, *(plain[word] for word in ["rain", "in", "the", "city"]), end]
    assert words.ids("rain in the city", 4) == [begin, plain["rain"], plain["in"], end]
    assert words.ids("rain", 2) == words.ids("  ", 9) == []
    assert words.ids_of_names(["category:news", "article:a"], 3) == [begin, plain["category:news"], end]
    again = MarkedVocabulary(words.words, words.buckets)
    assert again.marks == words.marks
    assert again.ids("rain [SEP]", 9) == words.ids("rain [SEP]", 9)


def test_no_text_holds_a_mark_and_none_is_shown_as_another_word() -> None:
    words = MarkedVocabulary.learn(["rain"])
    assert isinstance(words, MarkedVocabulary)
    assert not {*words.ids("[CLS] [SEP] [MASK] mask", 20)[1:-1]} & {*words.marks}
    buckets = words.buckets_of_rows()
    assert buckets[list(words.marks)].tolist() == list(words.marks)
    assert 0 < buckets[words.ids("rain", 3)[1]] <= words.buckets
    with pytest.raises(ValueError, match=r"there is no \[SEP\] among the words"):
        MarkedVocabulary(["rain", "[CLS]"])

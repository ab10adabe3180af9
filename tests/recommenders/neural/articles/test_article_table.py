"""What articles say as whole numbers, when it is asked for, and the table of word vectors."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from newsreplay.errors import SpecError
from newsreplay.recommenders.neural.articles.article_table import ArticleTable, grow, names_of, word_table
from newsreplay.recommenders.neural.articles.texts import Vocabulary
from newsreplay.recommenders.neural.articles.vectors import Vectors, WordVectors
from newsreplay.recommenders.neural.models.fields import (
    ABSTRACT,
    BODY,
    CATEGORY,
    ENTITIES,
    SUBCATEGORY,
    TITLE,
    Field,
    NameVectors,
    Number,
    Vector,
)
from newsreplay.recommenders.neural.models.model import TINY, UNKNOWN

WORDS = Vocabulary.learn(["rain in the north", "a b c d e f g"], buckets=8)


TITLES = (TITLE,)
ALL_FIELDS = (TITLE, ABSTRACT, CATEGORY, SUBCATEGORY, ENTITIES)


class FakeCatalog:
    """Facts by item, which tests change as a log would; it counts how often it is asked for one."""

    def __init__(self, facts: dict[int, dict[str, str]]):
        self.facts = facts
        self.asked = 0

    def id(self, item: int) -> str:
        return f"N{item}"

    def category(self, item: int) -> str | None:
        return self.text(item, "category")

    def text(self, item: int, fact: str) -> str | None:
        self.asked += 1
        return self.facts[item].get(fact)

    def has_fact(self, fact: str) -> bool:
        return fact not in self.never

    never: tuple[str, ...] = ()


ALL = {
    "title": "Rain in the north",
    "abstract": "A b c",
    "category": "news",
    "subcategory": "weather",
    "entities": '{"title": [{"WikidataId": "Q2"}], "abstract": []}',
}


def table_of(
    facts: dict[int, dict[str, str]],
    fields: tuple[Field, ...] = ALL_FIELDS,
    files: dict[str, Vectors] | None = None,
) -> tuple[ArticleTable, FakeCatalog]:
    catalog = FakeCatalog(facts)
    return ArticleTable(fields, TINY, WORDS, catalog, files), catalog


def row_of(name: str, rows: int) -> int:
    """The row of a name in a table, whose first two are padding and UNKNOWN."""
    return 2 + zlib.crc32(name.encode()) % (rows - 2)


def says(table: ArticleTable, item: int) -> list[Any]:
    return [column[0].tolist() for column in table.contents(np.array([table.slot(item)])).columns.values()]


def padded(ids: list[int], length: int = 6) -> list[int]:
    return ids + [0] * (length - len(ids))


# --- slots --------------------------------------------------------------------------------------------


def test_slots_are_handed_out_as_articles_are_needed_and_kept() -> None:
    table, _ = table_of({5: ALL, 70_000: ALL, 2: ALL})
    assert [table.slot(item) for item in (5, 70_000, 5, 2)] == [1, 2, 1, 3]
    assert table.count == 3


def test_handles_and_codes_have_slots_of_their_own_and_none_is_padding() -> None:
    table, _ = table_of(dict.fromkeys((-4, -3, -2, 0, 1, 2), ALL))
    slots = table.slots(np.array([[-1, 0, -2], [1, -4, -1]], np.int32))
    assert slots.dtype == np.int64
    assert slots.shape == (2, 3)
    assert slots[0, 0] == slots[1, 2] == 0
    assert sorted(slots[slots > 0].tolist()) == [1, 2, 3, 4]
    assert table.slots(np.array([-1, 0, -2, 1, -4])).tolist() == [0, *(table.slot(item) for item in (0, -2, 1, -4))]
    assert table.slots(np.zeros(0, np.int32)).tolist() == []


def test_many_articles_keep_what_they_say() -> None:
    titles = ["rain", "north", "a", "b"]
    table, _ = table_of({item: {"title": titles[item % 4]} for item in range(-300, 300)})
    items = np.random.default_rng(7).permutation(np.r_[-300:-1, 0:300])
    for part in np.array_split(items, 20):
        table.slots(part)
    assert table.count == len(items)
    found = table.contents(table.slots(items)).title[:, 0]
    assert found.tolist() == [WORDS.ids(titles[item % 4], 1)[0] for item in items.tolist()]


def test_an_article_that_is_not_known_gets_no_slot() -> None:
    table, catalog = table_of({0: ALL})
    with pytest.raises(KeyError):
        table.slots(np.array([0, 1]))
    catalog.facts[1] = ALL | {"title": "north"}
    assert table.slots(np.array([0, 1])).tolist() == [1, 2]
    assert says(table, 1)[0] == padded(WORDS.ids("north", 6))


# --- contents -----------------------------------------------------------------------------------------


def test_an_article_says_the_words_and_names_it_was_told_with() -> None:
    table, _ = table_of({3: ALL})
    assert says(table, 3) == [
        padded(WORDS.ids("rain in the north", 6)),
        padded(WORDS.ids("a b c", 6)),
        row_of("news", TINY.categories),
        row_of("weather", TINY.subcategories),
        [row_of("Q2", TINY.names), 0],
    ]
    assert table.without_text == 0


def test_what_a_model_does_not_read_is_not_kept() -> None:
    table, _ = table_of({3: ALL}, TITLES)
    contents = table.contents(np.array([table.slot(3)]))
    assert {name: column.shape for name, column in contents.columns.items()} == {"title": (1, 6)}


def test_padding_says_nothing_and_names_that_are_not_told_are_unknown() -> None:
    table, _ = table_of({0: {"title": "rain"}})
    contents = table.contents(np.array([0, table.slot(0), 0]))
    assert contents.category.tolist() == contents.subcategory.tolist() == [0, UNKNOWN, 0]
    assert all(ids.dtype == torch.int64 and not ids[[0, 2]].any() for ids in contents.columns.values())
    assert contents.entities[1].tolist() == [0, 0]


def test_texts_and_entities_are_cut_to_the_size() -> None:
    table, _ = table_of(
        {0: ALL | {"title": "a b c d e f g", "abstract": "g f e d c b a", "entities": '["x", "y", "z"]'}}
    )
    title, abstract, _, _, entities = says(table, 0)
    assert title == WORDS.ids("a b c d e f", 6)
    assert abstract == WORDS.ids("g f e d c b", 6)
    assert entities == [row_of("x", TINY.names), row_of("y", TINY.names)]


def test_trimmed_texts_are_as_wide_as_the_longest() -> None:
    table, _ = table_of({0: ALL | {"title": "rain"}, 1: ALL | {"title": "a b c", "abstract": ""}})
    slots = table.slots(np.array([0, 1]))
    whole, trimmed = table.contents(slots), table.contents(slots, trim=True)
    assert trimmed.title.tolist() == whole.title[:, :3].tolist()
    assert trimmed.abstract.tolist() == whole.abstract[:, :3].tolist()
    assert table.contents(np.array([0]), trim=True).title.tolist() == [[0]]
    none = table.contents(np.zeros(0, np.int64), trim=True)
    assert [column.shape[0] for column in none.columns.values()] == [0] * 5


def test_an_article_without_a_title_is_given_what_it_is_known_by() -> None:
    table, _ = table_of({4: {"category": "news", "subcategory": "local"}, 5: {}, 6: ALL | {"title": "–"}})
    assert says(table, 4)[0] == padded(WORDS.ids_of_names(["category:news", "subcategory:local", "article:N4"], 6))
    assert says(table, 5)[0] == padded(WORDS.ids_of_names(["article:N5"], 6))
    assert says(table, 6)[0] == padded(WORDS.ids_of_names(["category:news", "subcategory:weather", "article:N6"], 6))
    assert (table.count, table.without_text) == (3, 3)


def test_the_names_of_an_article_can_be_learned_as_words() -> None:
    catalog = FakeCatalog({4: {"category": "news"}})
    words = Vocabulary.learn(["rain"], buckets=8, names=names_of(catalog, 4))
    table = ArticleTable(TITLES, TINY, words, catalog)
    assert says(table, 4)[0] == padded([10, 11])


def test_categories_have_rows_whatever_a_model_reads() -> None:
    table, _ = table_of({0: ALL, 1: {}}, (TITLE,))
    slots = np.array([0, table.slot(0), table.slot(1)])
    assert table.categories(slots).tolist() == [0, row_of("news", TINY.categories), UNKNOWN]
    subcategory = row_of(ALL["subcategory"], TINY.subcategories)
    assert table.subcategories(slots).tolist() == [0, subcategory, UNKNOWN]


# --- what is told later -------------------------------------------------------------------------------


def test_what_is_told_later_changes_an_article_once_it_is_refreshed() -> None:
    table, catalog = table_of({0: {"category": "news"}})
    table.slot(0)
    assert not table.refresh(0)
    catalog.facts[0] = ALL
    assert says(table, 0)[0] == padded(WORDS.ids_of_names(["category:news", "article:N0"], 6))
    assert table.refresh(0)
    assert says(table, 0) == says(table_of({0: ALL})[0], 0)
    assert not table.refresh(0)
    assert table.without_text == 0
    assert table.count == 1


def test_a_title_that_is_told_later_takes_the_place_of_all_names() -> None:
    table, catalog = table_of({0: {"category": "news", "subcategory": "local"}})
    table.slot(0)
    catalog.facts[0] = {"title": "rain"}
    assert table.refresh(0)
    assert says(table, 0)[0] == padded(WORDS.ids("rain", 6))


def test_what_changes_no_number_is_no_change() -> None:
    table, catalog = table_of({0: {"title": "rain"}})
    table.slot(0)
    catalog.facts[0] = {"title": "rain", "entities": "[]", "abstract": " "}
    assert not table.refresh(0)


def test_an_article_that_was_told_in_full_is_not_asked_for_again() -> None:
    table, catalog = table_of({0: ALL, -2: {}})
    assert table.is_complete(0)
    assert table.is_complete(-2)  # no row of the log carries it
    asked = catalog.asked
    assert not table.refresh(0)
    assert catalog.asked == asked


@pytest.mark.parametrize("fact", ALL)
def test_an_article_is_complete_once_all_is_told_that_the_model_reads(fact: str) -> None:
    told = {name: text for name, text in ALL.items() if name != fact}
    table, catalog = table_of({0: told})
    assert not table.is_complete(0)
    assert table_of({0: told}, TITLES)[0].is_complete(0) == (fact in ("abstract", "entities"))
    catalog.facts[0] = ALL
    assert table.refresh(0)
    assert table.is_complete(0)


# --- every kind of field ------------------------------------------------------------------------------


POPULARITY = Number("popularity")
IMAGE, TRANSE = Vector("image"), NameVectors("transe", "entities")


@pytest.fixture
def files(tmp_path: Path, empty_home: Path) -> dict[str, Vectors]:
    """Vectors of two articles, and of two entities."""
    (tmp_path / "images.txt").write_text("N3 1 2 3\nN4 4 5 6\n")
    (tmp_path / "transe.txt").write_text("Q1 1 -1\nQ2 2 -2\n")
    return {"image": Vectors.open(tmp_path / "images.txt"), "transe": Vectors.open(tmp_path / "transe.txt")}


def test_a_body_is_words_cut_to_a_size_of_its_own() -> None:
    table, _ = table_of({0: {"title": "rain", "body": "a b c d e f g"}, 1: {"title": "rain"}}, (TITLE, BODY))
    body = table.contents(table.slots(np.array([0, 1]))).body
    assert body.tolist() == [WORDS.ids("a b c d e f", 6), [0] * 6]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("inf", np.nan),
        ("-1e39", np.nan),
        ("1e38", 1e38),
        ("3.5", 3.5),
        ("-2e3", -2_000),
        (" 7 ", 7),
        ("many", np.nan),
        ("", np.nan),
        (None, np.nan),
    ],
)
def test_a_number_is_not_known_where_its_text_is_none(text: str | None, number: float) -> None:
    table, _ = table_of({0: {} if text is None else {"popularity": text}}, (POPULARITY,))
    column = table.contents(np.array([0, table.slot(0)])).popularity
    assert column.dtype == torch.float32
    np.testing.assert_array_equal(column.numpy(), np.array([0, number], np.float32))


def test_a_number_may_be_made_of_the_title() -> None:
    table, catalog = table_of({0: {"title": "rain again"}, 1: {}}, (TITLE, Number("length", len)))
    slots = np.r_[0, table.slots(np.array([0, 1]))]
    np.testing.assert_array_equal(table.contents(slots).length.numpy(), np.array([0, 10, np.nan], np.float32))
    assert not table.lacks("length")
    catalog.facts[1] = {"title": "sun"}
    assert table.refresh(1)
    assert table.contents(slots).length.tolist() == [0, 10, 3]
    assert not table.unusable.get("length")
    table, _ = table_of({0: {}, 1: {}}, (TITLE, Number("length", len)))
    assert not table.lacks("length")  # there are no articles yet
    table.slots(np.array([0, 1]))
    assert table.lacks("length")


def test_articles_have_the_vectors_of_their_ids(files: dict[str, Vectors]) -> None:
    table, _ = table_of(dict.fromkeys((4, 5, 3), ALL), (TITLE, IMAGE), files)
    image = table.contents(np.r_[0, table.slots(np.array([4, 5, 3]))]).image
    assert image.dtype == torch.float32
    assert image.tolist() == [[0, 0, 0], [4, 5, 6], [0, 0, 0], [1, 2, 3]]


def test_names_have_the_vectors_of_their_file_as_many_as_there_is_room_for(files: dict[str, Vectors]) -> None:
    named = {0: '["Q2", "Q9"]', 1: '["Q9", "Q1", "Q2"]', 2: "[]", 3: None}
    table, _ = table_of(
        {item: {} if names is None else {"entities": names} for item, names in named.items()}, (TRANSE, ENTITIES), files
    )
    contents = table.contents(np.r_[0, table.slots(np.arange(4))])
    nothing = [[0, 0], [0, 0]]
    assert contents.transe.dtype == torch.float32
    assert contents.transe.tolist() == [nothing, [[2, -2], [0, 0]], [[0, 0], [1, -1]], nothing, nothing]
    assert contents.entities[1].tolist() == [row_of("Q2", TINY.names), row_of("Q9", TINY.names)]


def test_articles_whose_number_is_none_or_that_files_lack_are_counted(files: dict[str, Vectors]) -> None:
    told: dict[int, dict[str, str]] = {
        3: {"popularity": "many", "entities": '["Q9"]'},
        4: {"popularity": "1", "entities": '["Q9", "Q1"]'},
        5: {"entities": "[]"},
        6: {},
    }
    table, catalog = table_of(told, (TITLE, POPULARITY, IMAGE, TRANSE), files)
    slots = {item: table.slot(item) for item in told}
    assert table.unusable == {"popularity": {slots[3]}, "image": {slots[5], slots[6]}, "transe": {slots[3]}}
    catalog.facts[6] = {"popularity": "?", "entities": '["Q9"]'}
    table.refresh(6)
    assert table.unusable["popularity"] == {slots[3], slots[6]}
    assert table.unusable["transe"] == {slots[3], slots[6]}


def test_trimmed_names_and_their_vectors_are_as_wide_as_each_other(files: dict[str, Vectors]) -> None:
    named = {0: '["Q1"]', 1: '["Q2"]', 2: '["Q9", "Q1"]', 3: '["Q1", "Q9"]', 4: "[]"}
    table, _ = table_of({item: {"entities": names} for item, names in named.items()}, (TRANSE, ENTITIES), files)
    slots = table.slots(np.arange(5))
    for some, width in ((slots[[0, 1, 4]], 1), (slots[[2]], 2), (slots[[3]], 2), (slots[[4]], 1), (slots[:0], 1)):
        whole, trimmed = table.contents(some), table.contents(some, trim=True)
        assert trimmed.entities.tolist() == whole.entities[:, :width].tolist()
        assert trimmed.transe.tolist() == whole.transe[:, :width].tolist()
        assert trimmed.transe.shape == (len(some), width, 2)
        assert not whole.entities[:, width:].any()


def test_numbers_and_vectors_that_are_told_later_are_read_anew(files: dict[str, Vectors]) -> None:
    table, catalog = table_of({3: {"title": "rain"}}, (TITLE, POPULARITY, IMAGE, TRANSE), files)
    title, image = padded(WORDS.ids("rain", 6)), [1, 2, 3]
    assert says(table, 3)[0] == title
    assert says(table, 3)[2:] == [image, [[0, 0], [0, 0]]]
    assert not table.refresh(3)
    assert not table.is_complete(3)
    catalog.facts[3] = {"title": "rain", "popularity": "5"}
    assert table.is_stale(3)
    assert table.refresh(3)
    assert says(table, 3) == [title, 5, image, [[0, 0], [0, 0]]]
    catalog.facts[3] = {"title": "rain", "popularity": "5", "entities": '["Q1"]'}
    assert table.refresh(3)
    assert says(table, 3) == [title, 5, image, [[1, -1], [0, 0]]]
    catalog.facts[3] |= {"category": "news", "subcategory": "weather"}
    assert not table.refresh(3)  # no column of the model's holds these
    assert table.is_complete(3)


def test_a_number_that_remains_unknown_is_no_change() -> None:
    table, catalog = table_of({0: {"title": "rain"}}, (TITLE, POPULARITY))
    table.slot(0)
    catalog.facts[0] = {"title": "rain", "popularity": "none"}
    assert table.is_stale(0)
    assert not table.refresh(0)
    assert not table.is_stale(0)


def test_categories_are_known_of_articles_whose_model_reads_none() -> None:
    table, catalog = table_of({0: {"category": "news"}, 1: {}}, TITLES)
    slots = table.slots(np.array([[-1, 0], [1, 0]]))
    news = row_of("news", TINY.categories)
    assert table.categories(slots).tolist() == [[0, news], [UNKNOWN, news]]
    catalog.facts[1] = {"category": "sports"}
    table.refresh(1)
    assert table.categories(slots)[1, 0] == row_of("sports", TINY.categories)
    assert table.categories(slots).dtype == np.float32


# --- word vectors -------------------------------------------------------------------------------------


@pytest.fixture
def vectors(tmp_path: Path, empty_home: Path) -> WordVectors:
    path = tmp_path / "glove.txt"
    path.write_text("rain 1 2\nnorth 3 4\nsnow 5 6\nhail 7 8\n")
    return WordVectors.open(path)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_words_with_vectors_have_them_and_others_lie_around_their_mean(vectors: WordVectors) -> None:
    words = Vocabulary(["north", *(f"word{place}" for place in range(500)), "rain"], 300, vectors)
    weight = word_table(words, vectors, 2, generator()).weight.detach()
    assert weight.shape == (words.rows, 2)
    assert weight[0].tolist() == [0, 0]
    assert weight[301].tolist() == [3, 4]
    assert weight[-1].tolist() == [1, 2]
    others, buckets = weight[302:-1], weight[1:301]
    assert torch.allclose(others.mean(0), torch.tensor([2.0, 3.0]), atol=0.03)
    assert torch.allclose(buckets.mean(0), torch.zeros(2), atol=0.03)
    assert torch.allclose(others.std(0), torch.full((2,), 0.1), atol=0.015)
    assert torch.allclose(buckets.std(0), torch.full((2,), 0.1), atol=0.015)


def test_a_table_without_vectors_is_noise_of_its_generator_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second, other = (word_table(WORDS, None, 4, generator(seed)).weight for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert first.requires_grad
    assert torch.equal(torch.get_rng_state(), before)


def test_vectors_of_none_of_the_words_leave_noise(vectors: WordVectors) -> None:
    words = Vocabulary.learn(["nothing", "of this"])
    assert torch.equal(
        word_table(words, vectors, 2, generator()).weight, word_table(words, None, 2, generator()).weight
    )
    assert word_table(Vocabulary([], 4), vectors, 2, generator()).weight.shape == (5, 2)


def test_vectors_of_another_width_are_refused(vectors: WordVectors) -> None:
    with pytest.raises(
        SpecError, match=r"glove\.txt have 2 numbers, the model takes 8: choose vectors of 8, or another"
    ):
        word_table(WORDS, vectors, 8, generator())


def test_words_that_come_later_are_appended_to_the_table(vectors: WordVectors) -> None:
    words = Vocabulary(["rain"], 4, vectors)
    table = word_table(words, vectors, 2, generator())
    trained = table.weight.detach().clone()
    grow(table, words, vectors)
    ids = words.ids("snow rain", 6)
    grow(table, words, vectors)
    ids += words.ids("hail snow", 6)
    grow(table, words, vectors)
    grow(table, words, vectors)
    assert table(torch.tensor([ids])).tolist() == [[[5, 6], [1, 2], [7, 8], [5, 6]]]
    assert len(table.later) == 2
    assert torch.equal(table.weight, trained)


def test_what_the_source_never_tells_is_not_asked_for_again() -> None:
    catalog = FakeCatalog({0: {"title": "Rain"}})
    catalog.never = ("category", "subcategory")
    table = ArticleTable(TITLES, TINY, Vocabulary(["rain"]), catalog)
    table.slot(0)
    assert table.is_complete(0)
    asked = catalog.asked
    assert not table.is_stale(0)
    assert catalog.asked == asked

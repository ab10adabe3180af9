"""The catalog: what a recommender may ask about what readers read before the log."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from newsreplay.log.catalog import NOT_HANDED_OVER, Articles, Catalog, Profiles, Revealed, handed_over

FOREVER = 100
ARTICLES = Articles(
    id=pa.array(["a", "b", "c"]),
    published=np.array([0, 10, 20]),
    category=np.array([0, 1, -1], np.int32),
    category_row=np.array([0, 50, FOREVER]),
    texts={"title": (pa.array(["A", "B", None]), np.array([0, 50, FOREVER]))},
    categories=pa.array(["news", "sport"]),
    profiles=Profiles(
        user=np.array([0, 2], np.int32),
        row=np.array([3, 5]),
        at=np.array([0, 2, 5]),
        item=np.array([-2, 2, 1, -2, -3], np.int32),
        outside=pa.record_batch({"id": ["x", "y"], "category": [None, "culture"], "title": ["X", None]}),
        frozen=False,
    ),
)


def test_what_was_read_before_the_log_is_told_with_the_reader_s_first_row() -> None:
    revealed = Revealed()
    catalog = Catalog(ARTICLES, revealed)
    told = []
    for revealed.row in (2, 3, 5):
        told.append([catalog.before(user) for user in (0, 1, 2)])
    assert told == [[[], [], []], [[-2, 2], [], []], [[-2, 2], [], [1, -2, -3]]]
    assert catalog.profile(0) == ["x", "c"]
    assert catalog.profile(2) == ["b", "x", "y"]


def test_an_article_of_a_profile_can_be_asked_about_as_soon_as_the_first_profile_with_it_is_handed_over() -> None:
    revealed = Revealed()
    catalog = Catalog(ARTICLES, revealed)

    def told(item: int) -> tuple[str, str | None, str | None] | None:
        try:
            return catalog.id(item), catalog.category(item), catalog.title(item)
        except KeyError:
            return None

    revealed.row = 2
    assert [told(item) for item in (1, 2, -2, -3)] == [None] * 4
    revealed.row = 3
    assert [told(item) for item in (1, 2, -2, -3)] == [None, ("c", None, None), ("x", None, "X"), None]
    revealed.row = 5
    assert told(1) == ("b", "sport", "B")
    assert told(-3) == ("y", "culture", None)


def test_a_known_article_s_texts_are_told_by_a_row_or_a_profile_whichever_is_first() -> None:
    revealed = Revealed()
    catalog = Catalog(ARTICLES, revealed)
    revealed.known = 2
    for row, title, category in [(4, None, None), (5, "B", "sport"), (50, "B", "sport")]:
        revealed.row = row
        assert (catalog.title(1), catalog.category(1)) == (title, category)
    revealed = Revealed()
    without = Catalog(ARTICLES._replace(profiles=None), revealed)
    revealed.known, revealed.row = 2, 49
    assert (without.title(1), without.category(1)) == (None, None)


@pytest.mark.parametrize("item", [-1, -4, 3, 99])
def test_what_is_neither_an_article_nor_a_handle_cannot_be_asked_about(item: int) -> None:
    revealed = Revealed()
    catalog = Catalog(ARTICLES, revealed)
    revealed.row, revealed.known = 99, 3
    for ask in (catalog.id, catalog.category, catalog.title):
        with pytest.raises(KeyError, match=f"article {item} is not known yet"):
            ask(item)


def test_a_profile_makes_no_article_known() -> None:
    revealed = Revealed()
    catalog = Catalog(ARTICLES, revealed)
    revealed.row = 5
    for item in (1, -2):
        for ask in (catalog.published, catalog.recommendable):
            with pytest.raises(KeyError, match="is not known yet"):
                ask(item)


@pytest.mark.parametrize("together", [1, 2])
def test_articles_are_handed_over_with_the_first_profile_that_holds_them(together: int) -> None:
    assert handed_over(ARTICLES, together).tolist() == [NOT_HANDED_OVER, 5, 3, 3, 5]
    assert handed_over(ARTICLES._replace(profiles=None), together).tolist() == [NOT_HANDED_OVER] * 3

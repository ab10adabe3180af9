"""What networks are shown of news cards, and what is kept of what they see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from newsreplay.recommenders.neural.articles.article_table import ArticleTable
from newsreplay.recommenders.neural.cards.backbones import RandomNetwork
from newsreplay.recommenders.neural.cards.covers import Covers
from newsreplay.recommenders.neural.cards.features import CardFeatures, Face, columns, cues_of, whole_of
from newsreplay.recommenders.neural.cards.rendering import Box, news_card
from newsreplay.recommenders.neural.models.fields import CARD_CUES, CUES, TITLE, WHOLE_CARD
from newsreplay.recommenders.neural.models.model import TINY
from tests.recommenders.neural.articles.test_article_table import WORDS, FakeCatalog
from tests.recommenders.neural.cards.golden import card_of, made_up_cover
from tests.recommenders.neural.cards.small_networks import Ink, Places

BOTH = (CARD_CUES.name, WHOLE_CARD.name)
TITLE_OF_MANY = "a b c d e f g h i j k l m n o p q r s"  # 19 words


def features(covers: Covers | None = None, network: Any = None) -> CardFeatures:
    return CardFeatures(network or Ink(), covers, BOTH)


# --- cues -----------------------------------------------------------------------------------------------


def test_there_is_a_cue_for_what_is_there_and_for_nothing_else() -> None:
    for title, category, cover, rows in (
        ("Rain in the north", "news", made_up_cover(), [*range(4), *range(15, 25)]),
        ("Rain in the north", None, None, [*range(4)]),
        (None, "news", None, [24]),
        (TITLE_OF_MANY, None, made_up_cover(), [*range(24)]),
        (None, None, None, []),
    ):
        card = news_card(title, category, cover)
        assert np.flatnonzero(cues_of(card, Ink()).any(1)).tolist() == rows
        assert whole_of(card, Ink()).any() == bool(rows)


def test_cues_are_true_means_of_where_things_stand() -> None:
    """Rows and columns as the mean of their numbers from 1, after the whole area has been squeezed into the picture."""
    card = card_of("all")
    cues = cues_of(card, Places())
    for place, (line, box) in enumerate(card.words):
        row, column = cues[place]
        assert row == [5.0, 14.0, 23.5][line]
        middle = ((box.left + box.right) / 2 - 220) / 390 * 28 + 0.5
        assert abs(column - middle) <= 0.5
    thirds = [5.0, 14.0, 23.5]
    assert cues[15:24].tolist() == [[row, column] for row in thirds for column in thirds]
    assert card.category is not None
    assert cues[24][0] == 14.5
    assert abs(cues[24][1] - (((card.category.left + card.category.right) / 2 - 220) / 390 * 28 + 0.5)) <= 0.5


def test_words_of_a_line_share_its_columns_as_they_are_rendered() -> None:
    card = news_card("I WWWWWWWWWWWW incomprehensible", None, None)
    spans = [columns(box, (220, 10, 610, 140)) for _, box in card.words]
    (a, b), (c, d) = spans[:2]
    assert (b - a, c - a) == (1, 0)  # a thin word has a column all the same, which it may share
    assert d - c > 8
    assert spans[2] != spans[1]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (220, 610, (0, 28)),
        (220, 220, (0, 1)),
        (609, 640, (27, 28)),
        (230, 231, (1, 2)),
        (0, 1000, (0, 28)),
        (233.9, 247.9, (1, 2)),
    ],
)
def test_columns_are_at_least_one_and_none_lies_outside(left: float, right: float, expected: tuple[int, int]) -> None:
    assert columns(Box(left, 0, right, 1), (220, 10, 610, 140)) == expected


def test_cues_are_worked_out_as_a_slow_sum_does() -> None:
    card, network = card_of("all"), Ink()
    cues = cues_of(card, network)
    title, cover, category = (network.map(picture).numpy() for picture in network.seen[:3])
    bands = [(0, 9), (9, 18), (18, 28)]

    def mean(seen: Any, rows: tuple[int, int], places: tuple[int, int]) -> list[float]:
        cells = [seen[:, i, j] for i in range(*rows) for j in range(*places)]
        return [sum(float(cell[k]) for cell in cells) / len(cells) for k in range(3)]

    for place, (line, box) in enumerate(card.words):
        expected = mean(title, bands[line], columns(box, (220, 10, 610, 140)))
        np.testing.assert_allclose(cues[place], expected, rtol=1e-5)
    for place in range(9):
        np.testing.assert_allclose(cues[15 + place], mean(cover, bands[place // 3], bands[place % 3]), rtol=1e-5)
    assert card.category is not None
    np.testing.assert_allclose(
        cues[24], mean(category, (0, 28), columns(card.category, (220, 138, 610, 190))), rtol=1e-5
    )


def test_networks_are_shown_whole_areas_with_nothing_cut_off() -> None:
    """Ink at the outermost pixels is seen at the outermost pixels."""
    card = news_card("Rain", "news", None)
    for x in (220, 609):
        for y in (10, 139):
            card.image.putpixel((x, y), (0, 0, 0))
    network = Ink()
    cues_of(card, network)
    whole_of(card, network)
    title, _, whole = network.seen
    assert title.shape == whole.shape == (3, 224, 224)
    for part in (title[0, 0], title[0, -1]):
        assert part[0] < 1
        assert part[-1] < 1
    assert (whole >= 0).all()
    assert (whole <= 1).all()
    edges = news_card(None, "news", Image.new("RGB", (200, 165), "black"))
    whole_of(edges, network)
    dark = (network.seen[-1][0] < 0.5).any(0).nonzero().flatten()
    assert int(dark[0]) == round(15 / 615 * 224)


# --- what is kept ---------------------------------------------------------------------------------------


def test_features_are_made_when_asked_for_once_and_padding_has_none() -> None:
    cards = features()
    for slot in (1, 2, 3):
        cards.show(slot, Face(f"N{slot}", f"Rain {slot}", "news", None))
    assert cards.made == 0
    found = cards.of(np.array([0, 2, 2, 0, 3]))
    assert cards.made == 2
    assert {name: part.shape for name, part in found.items()} == {"cues": (5, CUES, 3), "card": (5, 3)}
    assert not found["cues"][[0, 3]].any()
    assert not found["card"][[0, 3]].any()
    assert (found["card"][1] == found["card"][2]).all()
    assert found["card"][1].tolist() == pytest.approx(whole_of(news_card("Rain 2", "news", None), Ink()))
    cards.of(np.array([2, 3]))
    assert cards.made == 2
    assert cards.of(np.zeros(0, np.int64))["cues"].shape == (0, CUES, 3)


def test_features_go_by_an_article_s_own_face_alone() -> None:
    """To the bit, whatever is made before and beside."""
    faces = [Face(f"N{slot}", f"Rain in town {slot}", "news" if slot % 2 else None, None) for slot in range(1, 9)]
    kept = []
    for order in ([1, 2, 3, 4, 5, 6, 7, 8], [8, 3, 1, 7, 2, 6, 5, 4]):
        cards = features(network=RandomNetwork())
        for slot, face in enumerate(faces, 1):
            cards.show(slot, face)
        for slot in order[:4]:
            cards.of(np.array([slot]))
        cards.of(np.array(order))
        kept.append([cards.of(np.array([slot]))[name].tobytes() for slot in range(1, 9) for name in BOTH])
    assert kept[0] == kept[1]
    assert len(set(kept[0])) == 16


def test_an_article_that_looks_otherwise_is_looked_at_again() -> None:
    cards = features()
    assert not cards.show(1, Face("N1", "Rain", None, None))
    before = cards.of(np.array([1]))["card"]
    assert not cards.show(1, Face("N1", "Rain", None, None))
    cards.of(np.array([1]))
    assert cards.made == 1
    assert cards.show(1, Face("N1", "Rain", "news", None))
    after = cards.of(np.array([1]))["card"]
    assert cards.made == 2
    assert not np.array_equal(before, after)


def test_rounded_features_are_half_as_large_and_finite() -> None:
    cards = features(network=Places())
    cards.show(1, Face("N1", "Rain", "news", None))
    found = cards.of(np.array([1]))
    assert found["cues"].dtype == found["card"].dtype == np.float16
    assert found["card"].tolist() == [[60_000.0]]  # of 1e9
    plain = features()
    plain.show(1, Face("N1", "Rain", "news", None))
    assert plain.of(np.array([1]))["card"].dtype == np.float32


def test_broken_covers_count_as_none_and_are_counted(tmp_path: Path) -> None:
    made_up_cover().save(tmp_path / "N1.png")
    (tmp_path / "N2.jpg").write_bytes(b"nothing")
    cards = features(Covers(tmp_path))
    for slot in (1, 2, 3):
        cards.show(slot, Face(f"N{slot}", "Rain", "news", None))
    found = cards.of(np.array([1, 2, 3]))
    assert (cards.with_cover, cards.broken) == ({1}, {2})
    assert found["cues"][:, 15:24].any((1, 2)).tolist() == [True, False, False]
    assert np.array_equal(found["cues"][1], found["cues"][2])
    assert np.array_equal(found["cues"][0, :4], found["cues"][2, :4])


def test_cards_that_say_the_same_are_looked_at_once(tmp_path: Path) -> None:
    """Those with a cover are not the same, whatever they say."""
    made_up_cover().save(tmp_path / "N4.png")
    network = Ink()
    cards = features(Covers(tmp_path), network)
    for slot, title in enumerate(("Rain", "Rain", "Rain?", "Rain"), 1):
        cards.show(slot, Face(f"N{slot}", title, None, None))
    found = cards.of(np.array([1, 2, 3, 4]))["card"]
    assert cards.made == 4
    assert len(network.seen) == 2 + 2 + 3
    assert np.array_equal(found[0], found[1])
    assert len(np.unique(found, axis=0)) == 3


def test_only_what_is_wanted_is_worked_out() -> None:
    for wanted, pictures in ((("card",), 1), (("cues",), 2)):
        network = Ink()
        cards = CardFeatures(network, None, wanted)
        cards.show(1, Face("N1", "Rain", "news", None))
        assert cards.of(np.array([1])).keys() == set(wanted)
        assert len(network.seen) == pictures


# --- in the table of articles ---------------------------------------------------------------------------


def table_of(facts: dict[int, dict[str, str]]) -> ArticleTable:
    return ArticleTable((TITLE, CARD_CUES, WHOLE_CARD), TINY, WORDS, FakeCatalog(facts), cards=features())


def test_articles_have_the_cards_of_their_title_and_category() -> None:
    table = table_of({0: {"title": "Rain in the north", "category": "news"}, 1: {"title": "Rain"}})
    slots = table.slots(np.array([0, -1, 1]))
    contents = table.contents(slots)
    assert contents.title[1].tolist() == [0] * 6
    assert contents.cues.shape == (3, CUES, 3)
    assert contents.card.dtype == torch.float32
    assert not contents.card[1].any()
    expected = whole_of(news_card("Rain in the north", "news", None), Ink())
    assert contents.card[0].tolist() == pytest.approx(expected.tolist())
    assert table.contents(slots, trim=True).cues.shape == (3, CUES, 3)


def test_a_card_is_what_was_known_when_the_article_was_read_last() -> None:
    """A title that the catalog has by now is not seen before `refresh`, when requests that wait have been answered."""
    facts: dict[int, dict[str, str]] = {0: {"title": "Rain"}}
    table = table_of(facts)
    slots = table.slots(np.array([0]))
    facts[0]["category"] = "news"
    before = table.contents(slots).card
    assert before[0].tolist() == pytest.approx(whole_of(news_card("Rain", None, None), Ink()).tolist())
    assert table.is_stale(0)
    assert table.refresh(0)
    assert not table.refresh(0)
    after = table.contents(slots).card
    assert after[0].tolist() == pytest.approx(whole_of(news_card("Rain", "news", None), Ink()).tolist())


def test_an_image_that_becomes_known_is_asked_for(tmp_path: Path) -> None:
    made_up_cover().save(tmp_path / "77.png")
    facts: dict[int, dict[str, str]] = {0: {"title": "Rain", "category": "news", "subcategory": "x"}}
    cards = features(Covers(tmp_path))
    table = ArticleTable((TITLE, CARD_CUES, WHOLE_CARD), TINY, WORDS, FakeCatalog(facts), cards=cards)
    slots = table.slots(np.array([0]))
    assert not table.is_complete(0)
    assert not table.contents(slots).cues[0, 15:24].any()
    facts[0]["image"] = "77"
    assert table.refresh(0)
    assert table.contents(slots).cues[0, 15:24].any(-1).all()
    assert table.is_complete(0)

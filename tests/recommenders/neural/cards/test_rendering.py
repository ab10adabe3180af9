"""News cards: where things stand, how titles are wrapped, and that no title stops one from being made."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from newsreplay.recommenders.neural.cards.rendering import COVER, LEFT, RIGHT, news_card, shown, wrapped
from tests.naive import neural_cards
from tests.recommenders.neural.cards.golden import CARDS, FOLDER, card_of, made_up_cover, pixels_of

ROOT = Path(__file__).parents[4]
WHITE = (255, 255, 255)
#: Short, long and very long words, and a few of one letter.
TITLES = st.lists(
    st.one_of(st.integers(1, 12), st.integers(20, 60), st.just(27)).map(
        lambda length: "abcdefghij"[length % 10] * length
    ),
    max_size=25,
).map(" ".join)
HOSTILE = {
    "nothing": "",
    "blanks": " \t\n ",
    "controls": "Rain\x00\x07\x1b[31m in the\u202e north\u200b\ufeff",
    "lines": "Rain\nin\r\nthe\u2028north",
    "arabic": "أمطار غزيرة في الشمال مرة أخرى",
    "hebrew among others": "Rain גשם in the צפון",
    "emoji": "Rain ☔🌧️ again 👨‍👩‍👧‍👦 🏳️‍🌈",
    "ideographs": "北部で再び大雨となり多くの町が水につかりましたがあすには晴れるとみられています" * 4,
    "surrogates": "Rain \ud800\udfff in",
    "marks": "Z" + "\u0301" * 300 + "algo",
    "long": "rain in the north " * 600,
    "one word": "w" * 300,
    "the widest": "\ufdfd" * 90,
    "tags": "<b>Rain</b> & <script>alert(1)</script> %s {0}",
}


def test_the_cover_is_pasted_where_it_belongs_and_nothing_else_is_there() -> None:
    dark = Image.new("RGB", (COVER[2] - COVER[0], COVER[3] - COVER[1]), "black")
    image = news_card("Rain", "news", dark).image
    assert (image.mode, image.size) == ("RGB", (615, 195))
    for x, y in ((14, 14), (14, 100), (100, 14), (215, 100), (100, 180), (215, 180)):
        assert image.getpixel((x, y)) == WHITE
    for x, y in ((15, 15), (16, 16), (214, 15), (15, 179), (214, 179)):
        assert image.getpixel((x, y)) == (0, 0, 0)


def ink(image: Image.Image, left: float, top: float, right: float, bottom: float) -> bool:
    """Whether there is anything in a part of a card."""
    return bool((pixels_of(image)[round(top) : round(bottom), round(left) : round(right)] < 255).any())


def test_what_is_missing_leaves_its_place_empty_and_nothing_moves() -> None:
    cover = made_up_cover()
    whole = news_card("Rain in the north", "news", cover)
    for title, category, picture in (
        (None, "news", cover),
        ("Rain in the north", None, cover),
        ("Rain in the north", "news", None),
        (None, None, None),
    ):
        card = news_card(title, category, picture)
        assert ink(card.image, 0, 0, 220, 195) == card.cover == (picture is not None)
        assert ink(card.image, 220, 0, 615, 140) == bool(card.words) == (title is not None)
        assert ink(card.image, 220, 140, 615, 195) == (card.category is not None) == (category is not None)
        parts = [(slice(0, 220), picture), (slice(220, 615), None)]
        for columns, there in parts:
            if there is not None:
                assert (pixels_of(card.image)[:, columns] == pixels_of(whole.image)[:, columns]).all()
        if title:
            assert card.words == whole.words
        if category:
            assert card.category == whole.category


def test_boxes_hold_the_ink_of_their_words_and_no_other_s() -> None:
    card = news_card("Heavy rain floods the old town, and what you can do about it", "news", None)
    assert [line for line, _ in card.words] == sorted(line for line, _ in card.words)
    assert {line for line, _ in card.words} == {0, 1, 2}
    assert len(card.words) == 13
    for line, box in card.words:
        assert LEFT <= box.left < box.right <= RIGHT
        assert ink(card.image, *box)
        assert box.top == 15 + 39.5 * line
    for (line, box), (other, following) in zip(card.words, card.words[1:], strict=False):
        if line == other:
            assert following.left > box.right + 2
            assert not ink(card.image, box.right + 2, box.top, following.left - 1, box.bottom)
    covered = Image.new("L", card.image.size, 0)
    assert card.category is not None
    for box in (*(box for _, box in card.words), card.category):
        covered.paste(1, tuple(round(side) for side in (box.left - 1, box.top, box.right + 2, box.bottom + 1)))
    outside = np.asarray(covered) == 0
    assert (pixels_of(card.image)[outside] == 255).all()


def test_colours_are_those_of_the_page() -> None:
    card = news_card("IIIIII", "llllll", None)
    assert card.category is not None
    for (_, box), colour in ((card.words[0], 0x2B), ((0, card.category), 0x66)):
        part = pixels_of(card.image)[round(box.top) : round(box.bottom), round(box.left) : round(box.right)]
        assert part.min((0, 1)).tolist() == [colour] * 3


@pytest.mark.parametrize(
    ("category", "like"), [("foodanddrink", "food and drink"), ("food\tand\ndrink ", "food and drink")]
)
def test_categories_are_shown_as_readers_see_them(category: str, like: str) -> None:
    one, other = (news_card(None, name, None).image for name in (category, like))
    assert (pixels_of(one) == pixels_of(other)).all()


def test_the_widest_letters_stay_on_the_card() -> None:
    for letter in ("W", "@", "\ufdfa"):
        card = news_card(" ".join([letter * 27] * 3), letter * 60, None)
        assert len(card.words) == 3
        assert max(box.right for _, box in card.words) <= 615
        if letter != "\ufdfa":
            assert max(box.right for _, box in card.words) <= RIGHT
            assert not ink(card.image, RIGHT + 1, 0, 615, 195)


# --- wrapping -------------------------------------------------------------------------------------------


@given(TITLES)
@settings(deadline=None)
def test_titles_are_wrapped_as_by_trying(title: str) -> None:
    lines = wrapped(shown(title))
    assert lines == neural_cards.wrapped(title)
    assert len(lines) <= 3
    assert all(0 < len(line) <= 27 for line in lines)
    words = neural_cards.pieces(title)
    if not lines or not lines[-1].endswith("..."):
        assert " ".join(lines).split() == words
    else:
        kept = " ".join(lines)[:-3].split()
        assert kept[:-1] == words[: len(kept) - 1]
        assert words[len(kept) - 1].startswith(kept[-1])


@given(st.text(max_size=200))
@settings(deadline=None)
def test_any_text_makes_a_card(title: str) -> None:
    card = news_card(title, title[:40], None)
    lines = wrapped(shown(title))
    assert len(lines) <= 3
    assert all(0 < len(line) <= 27 for line in lines)
    assert len(card.words) == sum(len(line.split(" ")) for line in lines)
    assert card.image.size == (615, 195)


@pytest.mark.parametrize("title", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_titles_are_survived(title: str) -> None:
    for category in ("news", title):
        card = news_card(title, category, None)
        lines = wrapped(shown(title))
        assert len(lines) <= 3
        assert all(len(line) <= 27 for line in lines)
        assert not any(mark in line for line in lines for mark in "\x00\x1b\n\u202e\ud800")
        assert bool(card.words) == bool(lines)
        assert not ink(card.image, 0, 0, 220, 195)


def test_a_word_that_is_alone_in_a_full_line_is_cut_for_the_dots() -> None:
    assert wrapped(" ".join(["a" * 27, "b" * 27, "c" * 27, "d"])) == ["a" * 27, "b" * 27, "c" * 24 + "..."]
    assert wrapped(" ".join(["a" * 27, "b" * 27, "c" * 24, "d" * 9])) == ["a" * 27, "b" * 27, "c" * 24 + "..."]
    assert wrapped("w" * 300) == ["w" * 27, "w" * 27, "w" * 24 + "..."]
    assert wrapped("x" * 81) == ["x" * 27] * 3


# --- how they look --------------------------------------------------------------------------------------


def pinned(package: str) -> bool:
    """Whether the installed version is that of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return f"{package}=={importlib.metadata.version(package)}" in lines


@pytest.mark.parametrize("name", CARDS)
def test_cards_look_as_they_did(name: str) -> None:
    made = pixels_of(card_of(name).image)
    with Image.open(FOLDER / f"{name}.png") as kept:
        difference = np.abs(made - pixels_of(kept))
    if pinned("pillow") and pinned("matplotlib"):
        assert difference.max() == 0
    assert difference.max() <= 96  # of 255: another version of the font's rasteriser draws edges otherwise
    assert difference.mean() < 0.5


def test_there_is_no_golden_card_without_a_recipe() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(CARDS)

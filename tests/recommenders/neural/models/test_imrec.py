"""IMRec's modules within NRMS and FIM by their equations, and what must not change with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from newsreplay.recommenders.neural.models.crown import CROWN
from newsreplay.recommenders.neural.models.fields import CARD_CUES, CUES, TITLE, WHOLE_CARD
from newsreplay.recommenders.neural.models.fim import FIM, CardMatches, seen_of
from newsreplay.recommenders.neural.models.fim_im import FIMIM
from newsreplay.recommenders.neural.models.layers import NameTable
from newsreplay.recommenders.neural.models.model import SIZES, TINY, NewsModel
from newsreplay.recommenders.neural.models.naml import NAML
from newsreplay.recommenders.neural.models.nrms import NRMS
from newsreplay.recommenders.neural.models.nrms_im import NRMSIM
from newsreplay.recommenders.neural.models.visual import (
    CardWidths,
    GlobalImpression,
    LocalImpression,
    card_fields,
)
from tests.naive.neural_imrec import NaiveFIMIM, NaiveNRMSIM, cues_there, shares
from tests.recommenders.neural.models.batches import ARTICLES, WIDTHS, Batch, build, same, some_batch, stir

VISUAL = ("local", "global", "both")
#: A history longer than the reads whose words count in FIM's cubes.
LONG = replace(TINY, history=25)


def numbers(model: NewsModel, batch: Batch) -> tuple[dict[str, Any], dict[str, Any]]:
    """Weights and contents as numpy has them."""
    weights = {key: tensor.double().numpy() for key, tensor in model.state_dict().items()}
    return weights, {field: column.numpy() for field, column in batch.contents.columns.items()}


# --- the equations --------------------------------------------------------------------------------------


@pytest.mark.parametrize("visual", ["none", *VISUAL])
def test_nrms_im_scores_what_the_equations_say(visual: str) -> None:
    model = build("nrms_im", {"visual": visual})
    torch.manual_seed(2)
    batch = some_batch(model, candidates=ARTICLES - 1)  # all, those without a card or a title too
    naive = NaiveNRMSIM("nrms", *numbers(model, batch), TINY.heads)
    requests = batch.requests
    rows = zip(requests.history.numpy(), requests.pool.numpy(), requests.user.numpy(), strict=True)
    compared(model, batch, np.array([naive.scores(*row) for row in rows]))


@pytest.mark.parametrize("visual", ["none", *VISUAL])
def test_fim_im_scores_what_the_equations_say(visual: str) -> None:
    assert seen_of(LONG.history) < LONG.history
    model = build("fim_im", {"visual": visual}, LONG)
    torch.manual_seed(2)
    batch = some_batch(model, LONG, readers=3, candidates=8)
    batch.requests.pool[:, :2] = torch.tensor([2, ARTICLES - 1])  # one without a card, one without a title
    naive = NaiveFIMIM(*numbers(model, batch), LONG.title, LONG.history)
    pairs = zip(batch.requests.history.numpy(), batch.requests.pool.numpy(), strict=True)
    compared(model, batch, np.array([naive.scores(history, pool) for history, pool in pairs]))


def compared(model: NewsModel, batch: Batch, expected: np.ndarray[Any, Any]) -> None:
    """Scores in single and in double precision with those expected."""
    largest = np.abs(expected).max()
    assert expected[1].std() > 0.05
    with torch.inference_mode():
        single = np.abs(model(*batch).numpy() - expected).max() / largest
        double = np.abs(model.double()(*batch).numpy() - expected).max() / largest
    print(f"largest relative difference: {single:.1e} in float32, {double:.1e} in float64")
    assert single < 1e-5
    assert double < 1e-12


def test_the_published_sizes_have_the_weights_that_the_equations_need() -> None:
    """Tables of words and names apart; ResNet-101's features."""
    widths = CardWidths(cues=512, card=2_048)
    counts = {}
    for kind in (NRMSIM, FIMIM):
        with torch.device("meta"):
            model = kind(kind.sizes["paper"], torch.nn.Identity())
            plain = sum(parameter.numel() for parameter in model.parameters())
            model.show_cards("both", kind.sizes["paper"], widths)
        assert model.impression is not None
        counts[kind] = sum(parameter.numel() for parameter in model.impression.parameters())
        assert sum(parameter.numel() for parameter in model.parameters()) == plain + counts[kind]
    local = 2 * (100 * 100 + 100) + 512 * 100 + (512 * 100 + 100)  # q, v; k; v'
    assert counts[NRMSIM] == local + (2_048 * 150 + 150) + (300 * 150 + 150)
    assert counts[FIMIM] == local + (2_048 * 150 + 150) + 50
    assert (NRMSIM.sizes["paper"].title, NRMSIM.sizes["paper"].history) == (15, 60)
    assert (FIMIM.sizes["paper"].title, FIMIM.sizes["paper"].history) == (30, 50)
    assert NRMSIM.trainings["paper"].batch == FIMIM.trainings["paper"].batch == 32
    assert NRMSIM.sizes["small"] == SIZES["small"]
    assert FIMIM.sizes["small"] == FIM.sizes["small"]


# --- attention and gate ---------------------------------------------------------------------------------


def some_local() -> LocalImpression:
    torch.manual_seed(4)
    local = LocalImpression(TINY.word, WIDTHS.cues)
    stir(local)
    return local


def some_cues() -> Tensor:
    """Of three titles: all cues, five, none."""
    torch.manual_seed(5)
    cues = torch.randn(3, CUES, WIDTHS.cues)
    cues[1, [0, 1, 2, 7, 8, *range(10, CUES)]] = 0
    cues[1, 24] = torch.randn(WIDTHS.cues)
    cues[2] = 0
    return cues


def test_attention_to_cues_sums_to_one_over_what_is_there() -> None:
    local, cues = some_local(), some_cues()
    words = torch.randn(3, TINY.title, TINY.word)
    found = local.shares(words, cues)
    there = cues.any(-1)
    assert there.sum(-1).tolist() == [25, 6, 0]
    assert (found[:2] >= 0).all()
    torch.testing.assert_close(found.sum(-1), torch.tensor([1.0, 1.0, 0.0])[:, None].expand(3, TINY.title))
    assert not found[~there[:, None].expand_as(found)].any()
    weights = {f"impression.local.{key}": tensor.double().numpy() for key, tensor in local.state_dict().items()}
    expected = shares(weights, words[1, 0].double().numpy(), cues_there(cues[1].double().numpy()))
    np.testing.assert_allclose(found[1, 0][there[1]].detach().numpy(), expected, rtol=1e-5)


def test_cues_that_are_not_there_are_as_good_as_absent() -> None:
    local, cues = some_local(), some_cues()
    words = torch.randn(3, TINY.title, TINY.word)
    seen = local(words, cues)
    alone = local(words[1:2], cues[1:2, cues[1].any(-1)])
    assert same(seen[1:2], alone)
    assert torch.equal(seen[2], local.value(words)[2])  # the memory is skipped


def test_cues_in_another_order_say_the_same() -> None:
    local, cues = some_local(), some_cues()
    words = torch.randn(3, TINY.title, TINY.word)
    assert same(local(words, cues), local(words, cues.flip(1)))


def test_the_gate_lies_between_zero_and_one_and_is_shut_without_a_card() -> None:
    torch.manual_seed(6)
    mix = GlobalImpression(8, WIDTHS.card)
    stir(mix)
    vectors, card = torch.randn(5, 8), torch.randn(5, WIDTHS.card)
    card[3] = 0
    seen, projected = mix(vectors, card), mix.project(card)
    share = mix.share(vectors, projected)
    assert share.shape == (5, 8)  # one for every number
    assert ((share > 0) & (share < 1)).all()
    assert torch.equal(seen[3], vectors[3])
    lower, upper = torch.minimum(vectors, projected), torch.maximum(vectors, projected)
    inside = (seen >= lower - 1e-6) & (seen <= upper + 1e-6)
    assert inside[[0, 1, 2, 4]].all()
    assert not torch.equal(seen[0], vectors[0])


def test_articles_without_a_card_add_nothing_in_fim() -> None:
    torch.manual_seed(7)
    matches = CardMatches(WIDTHS.card, 6, 4)
    assert not matches.weigh.weight.any()  # it starts as FIM
    stir(matches)
    card = torch.randn(3, WIDTHS.card)
    card[1] = 0
    looks = matches.looks(card)
    assert not looks[1].any()
    read = torch.stack([looks[0], looks[2], looks[1], torch.zeros(6)])[None]
    candidates = looks[None]
    weights = matches.weigh.weight[0].tolist()
    expected = [
        sum(weight * float((looks[row] @ one).detach()) for weight, one in zip(weights, read[0], strict=True))
        for row in range(3)
    ]
    torch.testing.assert_close(matches(read, candidates)[0].detach(), torch.tensor(expected))
    assert expected[1] == 0


# --- what does not change -------------------------------------------------------------------------------

BASES: list[tuple[type[NewsModel], type[NewsModel]]] = [(NRMSIM, NRMS), (FIMIM, FIM), (NAML, NAML), (CROWN, CROWN)]


@pytest.mark.parametrize(("kind", "base"), BASES, ids=["nrms", "fim", "naml", "crown"])
def test_without_cards_nothing_is_different_to_the_bit(kind: type[NewsModel], base: type[NewsModel]) -> None:
    plain, shown = build(base, {}, stirred=False), build(kind, {"visual": "none"}, stirred=False)
    assert plain.impression is shown.impression is None
    assert shown.fields == base.fields == kind.fields
    batch = some_batch(plain)
    assert torch.equal(plain(*batch), shown(*batch))


@pytest.mark.parametrize("visual", VISUAL)
@pytest.mark.parametrize(("kind", "base"), BASES, ids=["nrms", "fim", "naml", "crown"])
def test_weights_that_cards_need_are_drawn_after_all_others(
    kind: type[NewsModel], base: type[NewsModel], visual: str
) -> None:
    plain, shown = build(base, {}, stirred=False), build(kind, {"visual": visual}, stirred=False)
    own, more = plain.state_dict(), shown.state_dict()
    assert all(torch.equal(own[name], more[name]) for name in own)
    assert {name.split(".")[0] for name in more.keys() - own.keys()} == {"impression"}
    assert shown.fields == (*base.fields, *card_fields(visual))
    assert base.fields == kind.fields == plain.fields


@pytest.mark.parametrize("visual", VISUAL)
@pytest.mark.parametrize(
    "name",
    [
        *("nrms", "caum", "crown", "fim", "hierec"),
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("naml", "lstur", "tanr", "awrs", "pprec", "glory", "cne_sue", "dkn")
        ),
    ],
)
def test_any_model_can_be_shown_cards(name: str, visual: str) -> None:
    """They change the scores of articles that have one, and those of others not at all."""
    model = build(name, {"visual": visual})
    torch.manual_seed(3)
    batch = some_batch(model, candidates=ARTICLES - 1)
    batch = batch.but(history=batch.requests.history.clamp(max=1))  # all have read one article
    if name == "fim":
        batch = batch.rows([1, 2, 3, 4])
    changed = {field: 2 * column for field, column in batch.contents.columns.items() if field in ("cues", "card")}
    for column in changed.values():
        column[1] = batch.contents.columns["cues" if column.dim() == 3 else "card"][1]  # what was read
    other = batch._replace(contents=batch.contents.replaced(**changed))
    moved = (model(*other) != model(*batch)).any(0)
    pool = batch.requests.pool
    assert moved.shape == (ARTICLES - 1,)
    by_article = {int(article): bool(model_moved(model, batch, other, int(article))) for article in pool[0]}
    there = {row: bool(any(batch.contents.columns[field][row].any() for field in changed)) for row in by_article}
    there[1] = False
    if visual == "local":
        there[ARTICLES - 1] = False  # no words that could attend
    assert by_article == there


def model_moved(model: NewsModel, batch: Batch, other: Batch, article: int) -> bool:
    """Whether one article's score differs, to whoever."""
    alone = torch.full_like(batch.requests.pool[:, :1], article)

    def scored(which: Batch) -> Tensor:
        return model(
            which.contents,
            replace(
                which.requests,
                pool=alone,
                signals=which.candidates([0]).requests.signals,
                context=which.candidates([0]).requests.context,
            ),
        )

    return not torch.equal(scored(batch), scored(other))


def test_only_crowns_look_before_reading_is_at_the_card() -> None:
    """How far title and contents agree is a matter of texts."""
    model: Any = build("crown", {"visual": "global"})
    plain: Any = build("crown", {})
    plain.load_state_dict(model.state_dict(), strict=False)
    contents = some_batch(model).contents
    title, news = model.before_and_after(contents)
    plain_title, plain_news = plain.before_and_after(contents)
    assert same(news - title, plain_news - plain_title)
    assert not same(title, plain_title)
    assert torch.equal(title[2], plain_title[2])  # which has no card


def test_padding_words_stay_zero_whatever_cues_say() -> None:
    model = build("nrms_im", {})
    assert isinstance(model, NRMSIM)
    contents = some_batch(model).contents
    seen = model.words_seen(model.words(contents.title), contents)
    assert not seen[contents.title == 0].any()
    assert seen[contents.title > 0].any(-1).all()


def test_fields_are_those_of_what_is_asked_for() -> None:
    assert card_fields("none") == ()
    assert card_fields("local") == (CARD_CUES,)
    assert card_fields("global") == (WHOLE_CARD,)
    assert card_fields("both") == (CARD_CUES, WHOLE_CARD)
    assert NRMS.fields == (TITLE,)


def test_name_tables_are_found_in_models_that_look() -> None:
    """A trainer seeds them by looking through the modules."""
    model = build("fim_im", {})
    assert sum(isinstance(part, NameTable) for part in model.modules()) == 2


def test_more_reads_than_cubes_hold_are_matched_by_their_cards() -> None:
    model = build("fim_im", {"visual": "global"}, LONG)
    batch = some_batch(model, LONG, readers=2).rows([1])
    history = batch.requests.history.clone()
    assert history.all()
    history[0, 0] = 2 if int(history[0, 0]) != 2 else 3  # the oldest, which falls out of the cube
    other = model(*batch.but(history=history))
    assert not torch.equal(other, model(*batch))
    plain = build("fim", {}, LONG)
    assert torch.equal(plain(*batch), plain(*batch.but(history=history)))

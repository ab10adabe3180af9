"""CenNewsRec, SentiRec, MINS, NPA, MINER and MANNeR-CR by their equations, and what is theirs alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from newsreplay.recommenders.neural.models.cennewsrec import CenNewsRec
from newsreplay.recommenders.neural.models.fields import SENTIMENT, TITLE, Columns, Contents, Number
from newsreplay.recommenders.neural.models.layers import NameTable, TextEncoder, WordTable
from newsreplay.recommenders.neural.models.manner_cr import MANNeRCR, one_behind_the_other
from newsreplay.recommenders.neural.models.miner import MINER, MINEROptions
from newsreplay.recommenders.neural.models.mins import MINS, Channels
from newsreplay.recommenders.neural.models.model import TINY, UNKNOWN, LossInputs, NewsModel, Read, click_loss
from newsreplay.recommenders.neural.models.npa import NPA
from newsreplay.recommenders.neural.models.nrms import NRMS
from newsreplay.recommenders.neural.models.sentirec import SentiRec, vader
from tests.naive import neural_news as naive
from tests.recommenders.neural.models.batches import ARTICLES, WORDS, Batch, build, same, some_batch
from tests.recommenders.neural.models.test_equations import attention

SIZE = replace(TINY, history=24)  #: more than CenNewsRec's recurrence is told of
PLAIN: dict[str, Any] = {"aggregation": "max", "category_bias": False, "codes": 3}
BY_EQUATIONS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in naive.NAIVE),
    ("miner", PLAIN),
    ("miner", {"aggregation": "mean"}),
]


def weights_of(model: NewsModel) -> dict[str, np.ndarray[Any, Any]]:
    return {key: tensor.numpy() for key, tensor in model.state_dict().items()}


def slow(name: str, model: NewsModel, batch: Batch, **options: Any) -> Any:
    contents = {field: ids.numpy() for field, ids in batch.contents.columns.items()}
    made = naive.NAIVE[name](weights_of(model), contents, TINY.heads)
    made.aggregation = options.get("aggregation", "weighted")
    return made


@pytest.mark.parametrize(("name", "options"), BY_EQUATIONS)
def test_scores_are_those_of_the_equations(name: str, options: dict[str, Any]) -> None:
    model = build(name, options, SIZE, table=True).double()
    torch.manual_seed(2)
    batch = some_batch(type(model), SIZE, readers=3, candidates=ARTICLES - 1)  # some without a title or an abstract
    scores = model(*batch).detach().numpy()
    requests = [part.numpy() for part in (batch.requests.history, batch.requests.pool, batch.requests.user)]
    expected = [slow(name, model, batch, **options).scores(*request) for request in zip(*requests, strict=True)]
    assert np.abs(expected).max() > 0.1
    assert np.abs(scores - expected).max() < 1e-9 * np.abs(expected).max()


RECURRENCE = 400 * 1_200 + 400 * 1_200 + 2 * 1_200
ENTITIES = 3 * 100 * 160 + attention(160)


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        # convolution; words; reads; recurrence; both; nobody
        (CenNewsRec, 360_400 + 4 * 480_000 // 2 + attention(400) * 3 + RECURRENCE + 400),
        (SentiRec, 1_000_800 + 400 + 401),  # section 5's NRMS, a vector of ours, and what predicts
        # two texts; two names; views; reads; six networks of 50; channels; nobody
        (
            MINS,
            2 * (3 * 300 * 300 + attention(300))
            + 2 * (100 * 300 + 300)
            + attention(300)
            + 3 * 300 * 300
            + 6 * (2 * 50 * 150 + 2 * 150)
            + attention(50)
            + 300,
        ),
        # convolution; keys of words and of reads; a query of each; nobody
        (NPA, 360_400 + 2 * (400 * 200 + 200) + 2 * (100 * 200 + 200) + 400),
        # over states as wide as word vectors are; hidden and codes; target; how much a category counts; nobody
        (MINER, 300 * 256 + 256 + 256 * 200 + 200 * 32 + 256 * 256 + 1 + 256),
        (MANNeRCR, ENTITIES + (300 + 160) * 768 + 768 + 768),
    ],
)
def test_full_sizes_have_as_many_weights_as_the_equations(kind: type[NewsModel], count: int) -> None:
    """Tables of words, names and readers apart."""
    with torch.device("meta"):
        model = kind(kind.sizes["paper"], torch.nn.Identity())
    tables = sum(part.weight.numel() for part in model.modules() if isinstance(part, NameTable))
    assert sum(parameter.numel() for parameter in model.parameters()) - tables == count


def losses_of(model: NewsModel, batch: Batch) -> LossInputs:
    """What a loss is given; the last candidate of the second reader is padding, every other one was drawn."""
    vectors = model.encode(batch.contents)
    readers, logits, slate = model.scores(vectors, batch.requests, batch.contents)
    real = torch.ones_like(logits, dtype=torch.bool)
    real[1:2, -1] = False
    drawn = real.clone()
    drawn[:, ::2] = False
    return LossInputs(logits, slate, real, drawn, readers, vectors, batch.contents, batch.requests, real.sum(1).float())


# --- SentiRec -------------------------------------------------------------------------------------------


def sentirec() -> tuple[SentiRec, Batch]:
    model = build("sentirec", {})
    assert isinstance(model, SentiRec)
    return model, some_batch(SentiRec)


def with_sentiments(batch: Batch, sentiments: Tensor) -> Batch:
    return batch._replace(contents=batch.contents.replaced(sentiment=sentiments))


def test_sentiments_are_predicted_and_those_like_the_readers_penalised() -> None:
    model, batch = sentirec()
    told = losses_of(model, batch)
    predicted = model.predict(told.vectors).squeeze(-1).detach().tolist()
    history, pool = batch.requests.history.numpy(), batch.requests.pool.numpy()
    scores, real = told.logits.detach().numpy(), told.real.numpy()
    sentiments = batch.contents.sentiment.tolist()
    missed, alike = naive.sentiment_losses(sentiments, predicted, history, pool, scores, real)
    assert min(missed, alike) > 1e-3
    clicks = click_loss(told.logits, told.slate_logits, told.real, told.drawn)
    assert model.loss(told).item() == pytest.approx(clicks.item() + 0.4 * missed + 10 * alike, rel=1e-5)


def test_without_any_sentiment_it_is_nrms_to_the_bit() -> None:
    model, batch = sentirec()
    batch = with_sentiments(batch, torch.full((ARTICLES,), torch.nan))
    base = build("nrms", {})
    base.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("predict.")})
    told, plain = losses_of(model, batch), losses_of(base, batch)
    assert torch.equal(told.logits, plain.logits)
    fitted = dict(model.named_parameters())
    ours = torch.autograd.grad(model.loss(told), [*fitted.values()], allow_unused=True)
    theirs = torch.autograd.grad(base.loss(plain), [*base.parameters()])
    gradients = dict(zip(fitted, ours, strict=True))
    assert gradients.pop("predict.weight") is gradients.pop("predict.bias") is None
    for (name, _), gradient in zip(base.named_parameters(), theirs, strict=True):
        assert torch.equal(gradients.pop(name), gradient)
    assert not gradients


def test_sentiments_change_no_score() -> None:
    model, batch = sentirec()
    assert torch.equal(model(*with_sentiments(batch, torch.ones(ARTICLES))), model(*batch))


def test_sentiments_are_those_given_or_vaders() -> None:
    assert SentiRec.fields == (TITLE, SENTIMENT)
    wrong: Callable[..., SentiRec] = SentiRec
    with pytest.raises(ValueError, match="sentiment is 'mood', neither 'given' nor 'vader'"):
        wrong(TINY, WordTable(WORDS, TINY.word), sentiment="mood")


def test_vader_tells_how_a_title_sounds() -> None:
    pytest.importorskip("vaderSentiment")
    model = SentiRec(TINY, WordTable(WORDS, TINY.word), sentiment="vader")
    (made,) = (field.of_title for field in model.fields if isinstance(field, Number))
    assert made is not None
    assert -1 <= made("A terrible, horrible disaster") < -0.5 < 0.5 < made("A wonderful, happy victory") <= 1
    assert made("Council meets on Monday") == 0


def test_without_its_package_vader_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vaderSentiment.vaderSentiment", None)
    with pytest.raises(ValueError, match=r'pip install "newsreplay\[sentiment\]"'):
        vader.__wrapped__()


def test_the_same_weights_are_drawn_as_for_nrms() -> None:
    model, base = build("sentirec", {}, stirred=False), build("nrms", {}, stirred=False)
    ours = model.state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in base.state_dict().items())
    assert isinstance(base, NRMS)


# --- MINS -----------------------------------------------------------------------------------------------


def test_channels_that_weigh_the_same_are_side_by_side() -> None:
    model = build("mins", {})
    assert isinstance(model, MINS)
    torch.nn.init.zeros_(model.channel_pool.weigh.weight)
    batch = some_batch(MINS)
    history = batch.requests.history
    nothing = Columns((), torch.zeros(*history.shape, 0))
    read = Read(model.reading(model.encode(batch.contents))[history], history > 0, nothing, nothing, history[:, 0])
    (readers,) = model.readers(read)
    attended = model.read.attend(read.vectors, read.mask)
    parts = attended.view(*history.shape, model.channels, -1)
    assert same(readers[1:], model.interests.last(parts, read.mask).flatten(1)[1:])


def test_every_channel_is_a_recurrent_network_of_its_own() -> None:
    """torch's own, one after the other."""
    torch.manual_seed(0)
    channels = Channels(3, 4)
    x, mask = torch.randn(2, 5, 3, 4), torch.ones(2, 5, dtype=torch.bool)
    found = channels.last(x, mask)
    for channel in range(3):
        gru = torch.nn.GRU(4, 4, batch_first=True)
        own = {
            f"{kind}_{side}_l0": getattr(layer, kind)[channel].view(getattr(gru, f"{kind}_{side}_l0").shape)
            for side, layer in (("ih", channels.project), ("hh", channels.recur))
            for kind in ("weight", "bias")
        }
        gru.load_state_dict(own)
        assert same(found[:, channel], gru(x[:, :, channel])[1][0])


@pytest.mark.parametrize(("size", "channels"), [("paper", 6), ("small", 4), ("tiny", 4)])
def test_channels_are_as_many_as_divide_the_width(size: str, channels: int) -> None:
    with torch.device("meta"):
        model = MINS(MINS.sizes[size], torch.nn.Identity())
    assert model.channels == channels


# --- NPA ------------------------------------------------------------------------------------------------


def test_the_same_article_is_another_one_to_another_reader() -> None:
    model = build("npa", {})
    batch = some_batch(NPA).rows([1, 1, 1])
    first, second, unknown = model(*batch.but(user=torch.tensor([8, 9, UNKNOWN])))
    assert not same(first, second)
    assert not same(first, unknown)


def test_readers_whose_queries_are_zero_weigh_all_words_the_same() -> None:
    """Then it is the mean of a convolution, that of what was read, and their dot product."""
    model = build("npa", {})
    assert isinstance(model, NPA)
    for layer in (model.word_query, model.read_query):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    batch = some_batch(NPA)
    plain = TextEncoder(TINY.word, TINY.filters, TINY.query, 0.0)
    plain.convolution.load_state_dict(model.convolution.state_dict())
    torch.nn.init.zeros_(plain.pool.weigh.weight)
    title = batch.contents.title
    vectors = plain(model.words(title), title > 0)
    history, pool = batch.requests.history[1:], batch.requests.pool[1:]
    read = history > 0
    readers = (vectors[history] * read.unsqueeze(-1)).sum(1) / read.sum(1, keepdim=True).clamp(min=1)
    readers = torch.where(read.any(1, keepdim=True), readers, model.nobody)
    assert same(model(*batch)[1:], (vectors[pool] @ readers.unsqueeze(-1)).squeeze(-1))


# --- MINER ----------------------------------------------------------------------------------------------


def miner(**options: Any) -> MINER:
    model = build("miner", options, table=True)
    assert isinstance(model, MINER)
    return model


def test_the_vectors_of_a_reader_are_kept_apart() -> None:
    model = miner().double()
    batch = some_batch(MINER)
    told = losses_of(model, batch)
    told = replace(told, real=torch.ones_like(told.real))
    history, pool = batch.requests.history.numpy(), batch.requests.pool.numpy()
    expected = slow("miner", model, batch).agreement(history, pool)
    assert abs(expected) > 0.01
    assert model.agreement(told).item() == pytest.approx(expected, abs=1e-9)
    clicks = click_loss(told.logits, told.slate_logits, told.real, told.drawn)
    assert model.loss(told).item() == pytest.approx(clicks.item() + 0.8 * expected, abs=1e-6)


def test_padding_and_readers_without_reads_agree_on_nothing() -> None:
    model = miner()
    batch = some_batch(MINER)
    told = losses_of(model, batch)
    readers = told.readers[0], torch.zeros_like(told.readers[1])
    assert model.agreement(replace(told, readers=readers)).item() == 0
    some = model.agreement(replace(told, real=told.real & (torch.arange(4) < 2)))
    fewer = losses_of(model, batch.candidates([0, 1]))  # none is padding below
    assert same(some, model.agreement(replace(fewer, real=torch.ones_like(fewer.real))))


def test_one_code_without_categories_is_additive_attention() -> None:
    model = miner(codes=1, category_bias=False, aggregation="mean")
    batch = some_batch(MINER)
    vectors = model.encode(batch.contents)
    logits = model.codes(torch.tanh(model.hidden(vectors)))[..., 0]
    history = batch.requests.history
    weights = logits[history].masked_fill(history == 0, -1e9).softmax(-1)
    readers = (weights.unsqueeze(-2) @ vectors[history]).squeeze(-2)
    expected = (vectors[batch.requests.pool] @ readers.unsqueeze(-1)).squeeze(-1)
    assert same(model(*batch)[1:], expected[1:])
    told = losses_of(model, batch)
    assert torch.equal(model.loss(told), click_loss(told.logits, told.slate_logits, told.real, told.drawn))


def test_what_was_read_in_the_candidates_category_counts_for_more() -> None:
    model = miner()
    with torch.no_grad():
        model.bias.fill_(100.0)  # type: ignore[union-attr]
    batch = some_batch(MINER).rows([1])
    category = torch.arange(ARTICLES) % 12 + 2
    contents = batch.contents.replaced(category=category)
    told = model.readers(
        Read(
            model.reading(model.encode(contents))[batch.requests.history],
            batch.requests.history > 0,
            batch.requests.history_signals,
            batch.requests.history_context,
            batch.requests.user,
        )
    )
    counts = model._attention(told, model.offer(model.encode(contents))[batch.requests.history])[0]
    alike = category[batch.requests.history[0]]
    for place, category_of in enumerate(alike):
        assert torch.allclose(counts[place][:, alike == category_of].sum(-1), torch.ones(32), atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codes": 0}, "codes is 0"),
        ({"codes": True}, "codes is True"),
        ({"aggregation": "sum"}, "aggregation is 'sum', none of weighted, max, mean"),
        ({"category_bias": 1}, "category_bias is 1"),
        ({"disagreement": -1}, "disagreement is -1"),
        ({"disagreement": float("inf")}, "disagreement is inf"),
        ({"plm_rate": 0}, "plm_rate is 0"),
    ],
)
def test_keywords_of_miner_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    wrong: Callable[..., MINEROptions] = MINEROptions
    with pytest.raises(ValueError, match=message):
        wrong(**options)


# --- MANNeR-CR ------------------------------------------------------------------------------------------


def test_a_further_read_moves_the_mean_by_its_share() -> None:
    model = build("manner_cr", {})
    batch = some_batch(MANNeRCR)
    vectors = model.encode(batch.contents)

    def reader(history: list[int]) -> Tensor:
        place = torch.tensor([history])
        nothing = Columns((), torch.zeros(*place.shape, 0))
        return model.readers(Read(vectors[place], place > 0, nothing, nothing, place[:, 0]))[0]

    assert same(reader([3, 7, 5, 9]), (3 * reader([3, 7, 5]) + reader([9])) / 4)


def test_the_contrastive_loss_is_the_softmax_over_a_tenth() -> None:
    model = build("manner_cr", {})
    batch = some_batch(MANNeRCR, readers=2).rows([1])
    told = losses_of(model, batch)
    told = replace(told, real=torch.ones_like(told.real), drawn=torch.zeros_like(told.real))
    vectors = told.vectors
    mean = vectors[batch.requests.history[0]].mean(0)
    similar = vectors[batch.requests.pool[0]] @ mean
    expected = -(similar[0] / 0.1 - torch.logsumexp(similar / 0.1, 0))
    assert model.loss(told).item() == pytest.approx(expected.item(), rel=1e-4)


def test_title_and_abstract_are_one_text_with_padding_behind_both() -> None:
    first = torch.tensor([[5, 6, 0], [0, 0, 0], [7, 8, 9]])
    second = torch.tensor([[1, 0], [2, 3], [4, 0]])
    expected = [[5, 6, 1, 0, 0], [2, 3, 0, 0, 0], [7, 8, 9, 4, 0]]
    assert one_behind_the_other(first, second).tolist() == expected
    assert one_behind_the_other(first[:, :0], second[:, :0]).shape == (3, 0)


def test_an_abstract_begins_with_no_mark_of_its_own() -> None:
    model = build("manner_cr", {})
    seen: list[Tensor] = []
    model.words.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))  # type: ignore[union-attr]
    rows = {"title": torch.tensor([[37, 5, 38]]), "abstract": torch.tensor([[37, 6, 7, 38]])}
    model.encode(Contents({**rows, "entities": torch.zeros(1, 2, dtype=torch.int64)}))
    assert [ids.tolist() for ids in seen] == [[[37, 5, 38, 6, 7, 38]]]

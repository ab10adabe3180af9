"""The contract: what every model must do (the specification's section 16)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from newsreplay.recommenders.neural.models.cross_encoder import CrossEncoder
from newsreplay.recommenders.neural.models.fields import TITLE, Contents, Names, Words
from newsreplay.recommenders.neural.models.layers import DenseAttention, Drawing, WordTable
from newsreplay.recommenders.neural.models.model import TINY, LossInputs, NewsModel, Offered, Read
from newsreplay.recommenders.neural.models.popularity import PopularityHead
from newsreplay.recommenders.neural.models.punr import PUNR
from newsreplay.recommenders.neural.models.sessions import IdRows
from tests.recommenders.neural.models.batches import (
    ARTICLES,
    PER_READ,
    Batch,
    build,
    model_class,
    same,
    some_batch,
    some_context,
    some_signals,
    spread,
    stir,
)
from tests.recommenders.neural.models.cases import MODELS, Case, named
from tests.recommenders.neural.models.small_models import InContext

ORDERLESS = {
    "nrms",
    "nrms_bert",
    "nrms_im",
    "naml",
    "tanr",
    "pprec",
    "crown",
    "sentirec",
    "npa",
    "miner",
    "manner_cr",
    "hierec",
    "glory",
    "cne_sue",
    "dkn",
    "mccm",
    "dssm",
    "unbert",
    InContext,
}  #: the order of what a reader read does not matter
SESSIONS = {"gru4rec", "sasrec", "narm", "stamp"}
QUICK_BY_HEART = {"nrms", "naml", "caum", "crown", "gru4rec"}  #: all others are learned by heart when slow tests run
ALIKE = {"fim", "fim_im", *SESSIONS}  #: to a reader who has read nothing all candidates are the same
VARIANTS: list[Case] = [
    ("miner", {"aggregation": "max", "category_bias": False, "codes": 3})
]  #: whose tests are `slow`
UNROUNDED = {"fim", "fim_im"}  #: of float32 under autocast, too


@pytest.fixture(
    params=[pytest.param(case, marks=[pytest.mark.slow] * (case in VARIANTS)) for case in MODELS],
    ids=map(named, MODELS),
)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def model(case: Case) -> NewsModel:
    return build(*case)


@pytest.fixture
def batch(model: NewsModel) -> Batch:
    return some_batch(model)


def read_of(model: NewsModel, batch: Batch) -> Read:
    """What `NewsModel.readers` is given."""
    requests = batch.requests
    return Read(
        reading_of(model, model.encode(batch.contents))[requests.history],
        requests.history > 0,
        requests.history_signals,
        requests.history_context,
        requests.user,
        batch.contents.each(lambda column: column[requests.history]) if model.reads_contents else None,
    )


def reading_of(model: NewsModel, vectors: Tensor) -> Tensor:
    """What is kept of articles for `NewsModel.readers`."""
    return vectors[:, :0] if model.reads_contents else model.reading(vectors)


def offered_of(model: NewsModel, batch: Batch) -> Offered:
    """What `NewsModel.score` is given."""
    requests = batch.requests
    return Offered(model.offer(model.encode(batch.contents))[requests.pool], requests.signals, requests.context)


def trained(model: NewsModel, batch: Batch) -> LossInputs:
    """What `NewsModel.loss` is given; every other candidate behind the click is a drawn one."""
    vectors = spread(model, model.encode(batch.contents))
    readers, scores, slate = model.scores(vectors, batch.requests, batch.contents)
    drawn = torch.zeros_like(scores, dtype=torch.bool)
    drawn[:, 2::2] = True
    told = readers, vectors, batch.contents, batch.requests, torch.full((len(drawn),), float(ARTICLES))
    return LossInputs(scores, slate, torch.ones_like(drawn), drawn, *told)


@pytest.mark.parametrize("preset", ["paper", "small", "tiny"])
def test_every_preset_makes_a_model_that_scores(case: Case, preset: str) -> None:
    kind = model_class(case[0]) if isinstance(case[0], str) else case[0]
    size = replace(kind.sizes[preset], users=64, names=64, categories=64, subcategories=64)
    assert preset in kind.trainings
    model = build(*case, size, stirred=False)
    with torch.inference_mode():
        scores = model(*some_batch(model, size, readers=2, most=3))
    assert scores.shape == (2, 4)
    assert scores.isfinite().all()


@pytest.mark.parametrize(("readers", "candidates", "most"), [(1, 1, 0), (1, 1, 1), (3, 1, 6), (1, 4, 1), (3, 4, 0)])
def test_shapes_are_right_for_one_and_for_nothing(model: NewsModel, readers: int, candidates: int, most: int) -> None:
    batch = some_batch(model, readers=readers, candidates=candidates, most=most)
    assert model.encode(batch.contents).dim() == 2
    scores = model(*batch)
    assert scores.shape == (readers, candidates)
    assert scores.isfinite().all()
    loss = model.loss(trained(model, batch))
    assert loss.shape == ()
    assert loss.isfinite()


def test_a_reader_who_has_read_nothing_gets_finite_scores_that_differ_where_they_should(case: Case) -> None:
    model = build(*case)
    batch = some_batch(model)
    scores = model(*batch)[0]
    assert not batch.requests.history[0].any()
    assert scores.isfinite().all()
    assert (len(scores.unique()) > 1) == (case[0] not in ALIKE)


def test_what_stands_behind_the_reads_counts_for_nothing(model: NewsModel, batch: Batch) -> None:
    """Whatever a cached row of the padding article, its signals or its context may hold."""
    read, offered = read_of(model, batch), offered_of(model, batch)

    def elsewhere(x: Tensor, other: Tensor) -> Tensor:
        return torch.where(read.mask.unsqueeze(-1), x, other)

    signals = some_signals(*read.mask.shape, names=model.signals)
    context = some_context(*read.mask.shape, names=model.context)
    contents = read.contents
    if contents is not None:
        others = batch.contents.each(lambda column: column[torch.randint(1, ARTICLES, read.mask.shape)])
        contents = Contents(
            {
                name: torch.where(
                    read.mask.reshape(*read.mask.shape, *[1] * (column.dim() - 2)), column, others.columns[name]
                )
                for name, column in contents.columns.items()
            }
        )
    other = replace(
        read,
        contents=contents,
        vectors=elsewhere(read.vectors, 1e3 * torch.randn_like(read.vectors)),
        signals=read.signals.each(lambda values: elsewhere(values, signals.values)),
        context=read.context.each(lambda values: elsewhere(values, context.values)),
    )
    assert torch.equal(model.score(model.readers(other), offered), model.score(model.readers(read), offered))


def test_a_request_scores_the_same_whoever_shares_its_batch(model: NewsModel, batch: Batch) -> None:
    """Bit by bit in batches of one shape; rounding apart in others."""
    kept = model(*batch)
    for row in range(len(kept)):
        others = [row if place == row else (place + 2) % len(kept) for place in range(len(kept))]
        assert torch.equal(model(*batch.rows(others))[row], kept[row])
        assert same(model(*batch.rows([row]))[0], kept[row])


def test_an_article_is_the_same_vector_whatever_is_encoded_beside_it(model: NewsModel, batch: Batch) -> None:
    kept = model.encode(batch.contents)
    assert same(model.encode(batch.contents.each(lambda column: column.roll(1, 0))).roll(-1, 0), kept)
    assert same(model.encode(batch.contents.each(lambda column: column[2:3]))[0], kept[2])


def test_candidates_in_another_order_have_the_same_scores(model: NewsModel, batch: Batch) -> None:
    kept, order = model(*batch), [2, 0, 3, 1]
    assert same(model(*batch.candidates(order)), kept[:, order])


def test_a_candidate_scores_the_same_whatever_else_is_offered(model: NewsModel, batch: Batch) -> None:
    kept = model(*batch)
    assert same(model(*batch.candidates([1])), kept[:, [1]])
    assert same(model(*batch.candidates([3, 1, 3, 3, 3, 3])), kept[:, [3, 1, 3, 3, 3, 3]])


def longer(contents: Contents, wanted: tuple[Any, ...], change: Any) -> Contents:
    """The same with every text and every list of names changed."""
    several = [field.name for field in wanted if isinstance(field, Words | Names)]
    return contents.replaced(**{name: change(contents.columns[name]) for name in several})


def test_more_padding_changes_no_score(model: NewsModel, batch: Batch) -> None:
    contents = longer(batch.contents, model.fields, lambda ids: functional.pad(ids, (0, 3)))
    assert same(model(contents, batch.requests), model(*batch))

    def behind(part: Tensor) -> Tensor:
        rest = part.new_zeros(len(part), 2, *part.shape[2:])
        return torch.cat([part, rest.fill_(torch.nan) if part.is_floating_point() else rest], 1)

    assert same(model(*batch.each(PER_READ, behind)), model(*batch))


def test_texts_may_be_cut_to_the_longest_even_if_nobody_has_any(model: NewsModel, batch: Batch) -> None:
    empty = longer(batch.contents, model.fields, torch.zeros_like)
    cut = longer(empty, model.fields, lambda ids: ids[:, :0])
    assert same(model(cut, batch.requests), model(empty, batch.requests))


def test_the_order_of_reads_matters_exactly_where_it_should(case: Case) -> None:
    model = build(*case)
    batch = some_batch(model).rows([1])
    assert batch.requests.history.all()
    turned = batch.reads([3, 0, 5, 1, 4, 2])
    assert same(model(*turned), model(*batch)) == (case[0] in ORDERLESS)


def test_what_was_read_matters(model: NewsModel, batch: Batch) -> None:
    history = batch.requests.history
    other = batch.but(history=torch.where(history > 0, history % (ARTICLES - 1) + 1, 0))
    changed = (model(*other) - model(*batch)).abs().amax(-1) > 1e-4
    assert changed.tolist() == history.any(-1).tolist()


def test_a_model_sees_the_signals_that_it_declares_and_no_others(model: NewsModel, batch: Batch) -> None:
    kept = model(*batch)
    for name in batch.requests.signals.names:
        moved = not torch.equal(model(*batch.told(**{name: 7.0})), kept)
        assert not moved or name in model.signals
    if model.signals:
        assert not torch.equal(model(*batch.told(**dict.fromkeys(model.signals, 7.0))), kept)


def test_signals_are_told_by_name_in_any_order(model: NewsModel, batch: Batch) -> None:
    """More of them are noted of candidates where there is a head."""
    kept = batch.requests.signals
    order = list(reversed(range(len(kept.names))))
    turned = replace(kept, names=tuple(kept.names[place] for place in order), values=kept.values[..., order])
    assert torch.equal(model(*batch.but(signals=turned)), model(*batch))


def test_stages_from_kept_rows_give_the_scores_of_the_whole(model: NewsModel, batch: Batch) -> None:
    """Articles encoded one by one and in another order, their rows kept, then gathered."""
    whole, requests = model(*batch), batch.requests
    with torch.inference_mode():
        order = torch.randperm(ARTICLES).tolist()
        parts = {row: model.encode(batch.contents.each(lambda part, row=row: part[row : row + 1])) for row in order}
        vectors = torch.cat([parts[row] for row in range(ARTICLES)])
        reading = torch.cat([reading_of(model, vectors[:7]), reading_of(model, vectors[7:])])
        offer = torch.cat([model.offer(vectors[:9]), model.offer(vectors[9:])])
        readers = model.readers(replace(read_of(model, batch), vectors=reading[requests.history]))
        scores = model.score(readers, replace(offered_of(model, batch), vectors=offer[requests.pool]))
    assert all(len(part) == len(requests.history) for part in readers)
    assert same(scores, whole)
    if model.dot:
        assert same((offer[requests.pool] @ readers[0].unsqueeze(-1)).squeeze(-1), whole)


def without_effect(model: NewsModel) -> set[str]:
    """Biases that move all logits of a softmax alike, and what clicks do not train."""
    shared = {"suits.bias"} if isinstance(model, InContext) else set()
    if isinstance(model, CrossEncoder):  # what only pairs have
        first = ("words.", "title_pool.", "narrow.", "nobody")
        shared |= {name for name, _ in model.named_parameters() if not name.startswith(first)}
    if isinstance(model, PUNR):  # what only pre-training has
        shared |= {name for name, _ in model.named_parameters() if name.startswith("behaviours.")}
    return shared | {f"{name}.4.bias" for name, part in model.named_modules() if isinstance(part, DenseAttention)}


def test_every_parameter_is_reached_by_a_gradient(model: NewsModel, batch: Batch) -> None:
    model.loss(trained(model, batch)).backward()
    unreached = {
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any())
    }
    assert unreached <= without_effect(model)
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


def test_every_parameter_is_in_one_group_of_the_given_rate(model: NewsModel) -> None:
    model.head = PopularityHead()  # which is not the model's own to fit
    rates = [(id(parameter), group["lr"]) for group in model.groups(0.25) for parameter in group["params"]]
    assert sorted(rates) == sorted(
        (id(parameter), 0.25) for name, parameter in model.named_parameters() if not name.startswith("head.")
    )


def test_half_precision_gives_about_the_same_scores_and_gradients(case: Case) -> None:
    model = build(*case)
    batch = some_batch(model)

    def learn() -> tuple[Tensor, Tensor]:
        scores = model(*batch)
        table = next(part for part in model.modules() if isinstance(part, WordTable | IdRows))
        (gradient,) = torch.autograd.grad(scores[1:].sum(), table.weight)
        return scores.float(), gradient

    whole = learn()
    with torch.autocast("cpu", torch.bfloat16):
        half = learn()
    # `grad` is within autocast, too, and rounds what it multiplies
    assert [*map(torch.equal, half, whole)] == [case[0] in UNROUNDED, False]
    for rough, exact in zip(half, whole, strict=True):
        assert (rough - exact).abs().max() < 0.05 * exact.abs().max()


def test_half_precision_can_be_learned_from(model: NewsModel, batch: Batch) -> None:
    whole = model.loss(trained(model, batch))
    with torch.autocast("cpu", torch.bfloat16):
        half = trained(model, batch)
    half = replace(half, logits=half.logits.float(), slate_logits=half.slate_logits.float())  # as a trainer does
    loss = model.loss(half)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, whole, rtol=0.05, atol=0.05)
    loss.backward()


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=[pytest.mark.slow] * (case[0] not in QUICK_BY_HEART))
        for case in {kind: (kind, options) for kind, options in reversed(MODELS)}.values()
    ],
    ids=lambda case: named(case),
)
def test_a_batch_can_be_learned_by_heart(case: Case) -> None:
    size = replace(TINY, word=16, head=8, filters=16, query=8, dense=(16, 8))
    model = build(*case, size, stirred=False)
    batch = some_batch(model, size, readers=12)
    history = batch.requests.history
    batch = batch.but(history=torch.where(history[:, :1] > 0, history, 1 + torch.arange(12)[:, None]))
    if TITLE in model.fields:
        # a title of no words is no vector to learn from, and two that are the same cannot be told apart
        batch.contents.title[1:, 0] = torch.arange(1, ARTICLES)
    clicked = torch.arange(12) % 4
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    before = (model(*batch).argmax(-1) == clicked).float().mean()
    assert before < 0.8
    for _ in range(150):
        scores = model(*batch)
        if (scores.argmax(-1) == clicked).all():
            break
        optimiser.zero_grad()
        functional.cross_entropy(scores, clicked).backward()
        optimiser.step()
    assert (model(*batch).argmax(-1) == clicked).all()


def test_a_state_dict_makes_the_same_model(case: Case, batch: Batch) -> None:
    model = build(*case)
    kept = model(*batch)
    other = build(*case, stirred=False)
    assert not torch.equal(other(*batch), kept)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(*batch), kept)


def test_what_training_draws_comes_from_the_models_generator(model: NewsModel, batch: Batch) -> None:
    generator = torch.Generator()
    drawing = [part for part in model.modules() if isinstance(part, Drawing)]
    for part in drawing:
        part.generator = generator
    assert drawing
    model.train()
    made = []
    before = torch.get_rng_state()
    for seed in (5, 5, 6):
        generator.manual_seed(seed)
        made.append(model(*batch))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_a_model_that_does_not_train_draws_nothing(model: NewsModel, batch: Batch) -> None:
    before = torch.get_rng_state()
    assert torch.equal(model(*batch), model(*batch))
    assert torch.equal(torch.get_rng_state(), before)


# --- popularity -----------------------------------------------------------------------------------------


def test_a_head_adds_what_goes_by_the_candidates_own_signals_alone(model: NewsModel, batch: Batch) -> None:
    """The same for other readers and other articles, to whom the same happened."""
    head = stirred_head()
    prior = head.prior(batch.requests.signals)
    others = batch.but(history=batch.requests.history.flip(0), pool=batch.requests.pool.flip(0))
    for some in (batch, others):
        content = model(*some)
        model.head = head
        assert same(model(*some), 1.5 * content + prior[..., 0])
        _, shown, slate = model.scores(model.encode(some.contents), some.requests, some.contents)
        assert same(torch.stack([shown, slate], -1), 1.5 * content.unsqueeze(-1) + prior)
        model.head = None
    assert prior.std() > 0.1


def stirred_head() -> PopularityHead:
    head = PopularityHead()
    head.calibrate(some_signals(200))
    stir(head)
    with torch.no_grad():
        head.scale.fill_(1.5)
    return head

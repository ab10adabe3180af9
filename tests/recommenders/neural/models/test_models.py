"""What every model must do (the specification's section 16), and each by its equations."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from newsreplay.recommenders.neural.models.layers import DenseAttention, Dropout, NameTable, WordTable
from newsreplay.recommenders.neural.models.lstur import LSTUR
from newsreplay.recommenders.neural.models.model import SIGNALS, TINY, UNKNOWN, Contents, NewsModel, Size, padding
from newsreplay.recommenders.neural.models.naml import NAML
from newsreplay.recommenders.neural.models.nrms import NRMS
from newsreplay.recommenders.neural.models.tanr import TANR
from tests.naive.neural_models import Naive

MODELS: list[tuple[str, dict[str, Any]]] = [
    ("nrms", {}),
    ("naml", {}),
    ("tanr", {}),
    ("lstur", {}),
    ("lstur", {"variant": "con"}),
    ("caum", {}),
    ("caum", {"attention": "paper"}),
    ("pprec", {}),
    ("awrs", {}),
    ("awrs", {"avoidance": False}),
]
ORDERLESS = {"nrms", "naml", "tanr", "pprec"}  #: the order of what a reader read does not matter

WORDS = 40  #: rows of the word table
ARTICLES = 24


def model_class(name: str) -> type[NewsModel]:
    """The one model of a module."""
    module = importlib.import_module(f"newsreplay.recommenders.neural.models.{name}")
    (found,) = (
        thing
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, NewsModel) and thing.__module__ == module.__name__
    )
    return found


class Batch(NamedTuple):
    contents: Contents
    history: Tensor
    pool: Tensor
    history_signals: Tensor
    signals: Tensor
    user: Tensor

    def requests(self, rows: list[int]) -> Batch:
        """Some of the requests, over the same articles."""
        return Batch(self.contents, *(part[rows] for part in self[1:]))

    def candidates(self, columns: list[int]) -> Batch:
        """The same requests with some of the candidates."""
        return self._replace(pool=self.pool[:, columns], signals=self.signals[:, columns])


def some_signals(*shape: int) -> Tensor:
    """Signals as a stream has them: shares, counts, ages; the shares unknown for every sixth article."""
    signals = torch.rand(*shape, len(SIGNALS))
    signals[..., 2] = torch.randint(0, 50, shape)
    signals[..., 4] = torch.randint(1, 72, shape)
    signals[..., :2] = signals[..., :2].masked_fill(torch.rand(*shape, 1) < 1 / 6, torch.nan)
    return signals


def some_contents(model: type[NewsModel], size: Size) -> Contents:
    """Row 0 is padding; the others have 1 to all of their words, the last one no title."""

    def texts(length: int, rows: int) -> Tensor:
        ids = torch.randint(1, rows, (ARTICLES, length))
        ids = ids.masked_fill(torch.arange(length) >= torch.randint(1, length + 1, (ARTICLES, 1)), 0)
        ids[0] = 0
        return ids

    def names(rows: int) -> Tensor:
        return torch.randint(UNKNOWN, rows, (ARTICLES,)).index_fill(0, torch.tensor([0]), 0)

    title = texts(size.title, WORDS).index_fill(0, torch.tensor([ARTICLES - 1]), 0)
    nothing = torch.zeros(ARTICLES, 0, dtype=torch.int64)
    return Contents(
        title,
        texts(size.abstract, WORDS).index_fill(0, torch.tensor([3]), 0) if model.abstracts else nothing,
        names(size.categories),
        names(size.subcategories),
        texts(size.entities, size.names) if model.entities else nothing,
    )


def some_batch(
    model: type[NewsModel], size: Size = TINY, readers: int = 5, candidates: int = 4, most: int | None = None
) -> Batch:
    """Requests of readers who have read between nothing (the first) and `most` articles (the second)."""
    most = size.history if most is None else most
    length = torch.randint(0, most + 1, (readers, 1))
    length[0] = 0
    length[1:2] = most
    history = torch.randint(1, ARTICLES, (readers, most)).masked_fill(torch.arange(most) >= length, 0)
    pool = torch.stack([1 + torch.randperm(ARTICLES - 1)[:candidates] for _ in range(readers)])
    user = torch.arange(readers) % (size.users - UNKNOWN) + UNKNOWN
    return Batch(
        some_contents(model, size),
        history,
        pool,
        some_signals(readers, most),
        some_signals(readers, candidates),
        user,
    )


def build(name: str, options: dict[str, Any], size: Size = TINY, stirred: bool = True) -> NewsModel:
    """A model that is not training; `stirred`: with larger weights, so that everything in it matters."""
    torch.manual_seed(1)
    model = model_class(name)(size, WordTable(WORDS, size.word), **options)
    model.calibrate(some_signals(500))
    if stirred:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.3 * torch.randn_like(parameter)
            for part in model.modules():
                if isinstance(part, NameTable | WordTable):
                    part.weight[0] = 0
    return model.eval()


def same(first: Tensor, second: Tensor) -> bool:
    """Equal to 1e-6 of the largest."""
    return bool((first - second).abs().max() <= 1e-6 * second.abs().max().clamp(min=1))


@pytest.fixture(params=MODELS, ids=[" ".join([name, *map(str, options.values())]) for name, options in MODELS])
def case(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return request.param


@pytest.fixture
def model(case: tuple[str, dict[str, Any]]) -> NewsModel:
    return build(*case)


@pytest.fixture
def batch(model: NewsModel) -> Batch:
    return some_batch(type(model))


@pytest.mark.parametrize("preset", ["paper", "small", "tiny"])
def test_every_preset_makes_a_model_that_scores(case: tuple[str, dict[str, Any]], preset: str) -> None:
    kind = model_class(case[0])
    size = replace(kind.sizes[preset], users=64, names=64, categories=64, subcategories=64)
    assert preset in kind.trainings
    model = build(*case, size, stirred=False)
    with torch.inference_mode():
        scores = model(*some_batch(kind, size, readers=2, most=3))
    assert scores.shape == (2, 4)
    assert scores.isfinite().all()


@pytest.mark.parametrize(("readers", "candidates", "most"), [(1, 1, 0), (1, 1, 1), (3, 1, 6), (1, 4, 1), (3, 4, 0)])
def test_shapes_are_right_for_one_and_for_nothing(model: NewsModel, readers: int, candidates: int, most: int) -> None:
    batch = some_batch(type(model), readers=readers, candidates=candidates, most=most)
    vectors = model.encode(batch.contents)
    assert vectors.dim() == 2
    scores = model(*batch)
    assert scores.shape == (readers, candidates)
    assert scores.isfinite().all()
    assert model.auxiliary(vectors, batch.contents).shape == ()


def test_a_reader_who_has_read_nothing_gets_finite_scores_that_differ(model: NewsModel, batch: Batch) -> None:
    scores = model(*batch)[0]
    assert not batch.history[0].any()
    assert scores.isfinite().all()
    assert len(scores.unique()) > 1


def test_what_stands_behind_the_reads_counts_for_nothing(model: NewsModel, batch: Batch) -> None:
    """Whatever a cached row of the padding article or its signals may hold."""
    read = model.reading(model.encode(batch.contents))[batch.history]
    mask = batch.history > 0
    other = torch.where(mask.unsqueeze(-1), read, 1e3 * torch.randn_like(read))
    signals = torch.where(mask.unsqueeze(-1), batch.history_signals, some_signals(*mask.shape))
    offered = model.offer(model.encode(batch.contents))[batch.pool]
    kept = model.score(model.readers(read, mask, batch.history_signals, batch.user), offered, batch.signals)
    assert torch.equal(model.score(model.readers(other, mask, signals, batch.user), offered, batch.signals), kept)


def test_a_request_scores_the_same_whoever_shares_its_batch(model: NewsModel, batch: Batch) -> None:
    """Bit by bit in batches of one shape; rounding apart in others."""
    kept = model(*batch)
    for row in range(len(kept)):
        others = [row if place == row else (place + 2) % len(kept) for place in range(len(kept))]
        assert torch.equal(model(*batch.requests(others))[row], kept[row])
        assert same(model(*batch.requests([row]))[0], kept[row])


def test_an_article_is_the_same_vector_whatever_is_encoded_beside_it(model: NewsModel, batch: Batch) -> None:
    kept = model.encode(batch.contents)
    turned = Contents(*(part.roll(1, 0) for part in batch.contents))
    assert same(model.encode(turned).roll(-1, 0), kept)
    assert same(model.encode(Contents(*(part[2:3] for part in batch.contents)))[0], kept[2])


def test_candidates_in_another_order_have_the_same_scores(model: NewsModel, batch: Batch) -> None:
    kept, order = model(*batch), [2, 0, 3, 1]
    assert same(model(*batch.candidates(order)), kept[:, order])


def test_a_candidate_scores_the_same_whatever_else_is_offered(model: NewsModel, batch: Batch) -> None:
    kept = model(*batch)
    assert same(model(*batch.candidates([1])), kept[:, [1]])
    assert same(model(*batch.candidates([3, 1, 3, 3, 3, 3])), kept[:, [3, 1, 3, 3, 3, 3]])


def test_more_padding_changes_no_score(model: NewsModel, batch: Batch) -> None:
    contents = batch.contents
    longer = contents._replace(
        title=functional.pad(contents.title, (0, 3)),
        abstract=functional.pad(contents.abstract, (0, 3 if model.abstracts else 0)),
        entities=functional.pad(contents.entities, (0, 3 if model.entities else 0)),
    )
    more = some_signals(len(batch.history), 2)
    assert same(model(longer, *batch[1:]), model(*batch))
    reads = batch._replace(
        history=functional.pad(batch.history, (0, 2)), history_signals=torch.cat([batch.history_signals, more], 1)
    )
    assert same(model(*reads), model(*batch))


def test_texts_may_be_cut_to_the_longest_even_if_nobody_has_any(model: NewsModel, batch: Batch) -> None:
    empty = padding(TINY, type(model), ARTICLES)._replace(category=batch.contents.category)
    cut = empty._replace(title=empty.title[:, :0], abstract=empty.abstract[:, :0], entities=empty.entities[:, :0])
    assert same(model(cut, *batch[1:]), model(empty, *batch[1:]))


def test_the_order_of_reads_matters_exactly_where_it_should(case: tuple[str, dict[str, Any]]) -> None:
    model = build(*case)
    batch = some_batch(type(model)).requests([1])
    assert batch.history.all()
    order = [3, 0, 5, 1, 4, 2]
    turned = batch._replace(history=batch.history[:, order], history_signals=batch.history_signals[:, order])
    assert same(model(*turned), model(*batch)) == (case[0] in ORDERLESS)


def test_what_was_read_matters(model: NewsModel, batch: Batch) -> None:
    other = batch._replace(history=torch.where(batch.history > 0, batch.history % (ARTICLES - 1) + 1, 0))
    changed = (model(*other) - model(*batch)).abs().amax(-1) > 1e-4
    assert changed.tolist() == batch.history.any(-1).tolist()


def test_stages_from_kept_rows_give_the_scores_of_the_whole(model: NewsModel, batch: Batch) -> None:
    """Articles encoded one by one and in another order, their rows kept, then gathered."""
    whole = model(*batch)
    with torch.inference_mode():
        order = torch.randperm(ARTICLES).tolist()
        parts = {row: model.encode(Contents(*(part[row : row + 1] for part in batch.contents))) for row in order}
        vectors = torch.cat([parts[row] for row in range(ARTICLES)])
        reading = torch.cat([model.reading(vectors[:7]), model.reading(vectors[7:])])
        offer = torch.cat([model.offer(vectors[:9]), model.offer(vectors[9:])])
        readers = model.readers(reading[batch.history], batch.history > 0, batch.history_signals, batch.user)
        scores = model.score(readers, offer[batch.pool], batch.signals)
    assert all(len(part) == len(batch.history) for part in readers)
    assert same(scores, whole)
    if model.dot:
        assert same((offer[batch.pool] @ readers[0].unsqueeze(-1)).squeeze(-1), whole)


def without_effect(model: NewsModel) -> set[str]:
    """Biases that move all logits of a softmax alike."""
    return {f"{name}.4.bias" for name, part in model.named_modules() if isinstance(part, DenseAttention)}


def test_every_parameter_is_reached_by_a_gradient(model: NewsModel, batch: Batch) -> None:
    vectors = model.encode(batch.contents)
    scores = model.scores(vectors, *batch[1:])
    clicks = functional.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.int64))
    (clicks + model.auxiliary(vectors, batch.contents)).backward()
    unreached = {
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any())
    }
    assert unreached <= without_effect(model)
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


def test_half_precision_gives_about_the_same_scores_and_gradients(model: NewsModel, batch: Batch) -> None:
    def learn() -> tuple[Tensor, Tensor]:
        scores = model(*batch)
        (words,) = {part for part in model.modules() if isinstance(part, WordTable)}
        (gradient,) = torch.autograd.grad(scores[1:].sum(), words.weight)
        return scores.float(), gradient

    whole = learn()
    with torch.autocast("cpu", torch.bfloat16):
        half = learn()
    for rough, exact in zip(half, whole, strict=True):
        assert not torch.equal(rough, exact)
        assert (rough - exact).abs().max() < 0.05 * exact.abs().max()


def test_a_batch_can_be_learned_by_heart(case: tuple[str, dict[str, Any]]) -> None:
    size = replace(TINY, word=16, head=8, filters=16, query=8, dense=(16, 8))
    model = build(*case, size, stirred=False)
    batch = some_batch(type(model), size, readers=12)
    batch = batch._replace(history=torch.where(batch.history[:, :1] > 0, batch.history, 1 + torch.arange(12)[:, None]))
    batch.contents.title[-1, 0] = 1  # a title of no words is no vector to learn from
    clicked = torch.arange(12) % 4
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    before = (model(*batch).argmax(-1) == clicked).float().mean()
    for _ in range(150):
        optimiser.zero_grad()
        functional.cross_entropy(model(*batch), clicked).backward()
        optimiser.step()
    assert before < 0.8
    assert (model(*batch).argmax(-1) == clicked).all()


def test_a_state_dict_makes_the_same_model(case: tuple[str, dict[str, Any]], batch: Batch) -> None:
    model = build(*case)
    kept = model(*batch)
    other = build(*case, stirred=False)
    assert not torch.equal(other(*batch), kept)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(*batch), kept)


def test_what_training_draws_comes_from_the_models_generator(model: NewsModel, batch: Batch) -> None:
    generator = torch.Generator()
    drawing = [part for part in model.modules() if isinstance(part, Dropout | NameTable)]
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


NAIVE = [case for case in MODELS if case[0] in {"nrms", "naml", "tanr", "lstur"}]


@pytest.mark.parametrize(("name", "options"), NAIVE)
@pytest.mark.parametrize("seed", [2, 3])
def test_scores_are_those_of_the_equations(name: str, options: dict[str, Any], seed: int) -> None:
    model = build(name, options).double()
    torch.manual_seed(seed)
    batch = some_batch(type(model), candidates=ARTICLES - 1)  # all, those without a title or an abstract too
    contents = {field: ids.numpy() for field, ids in batch.contents._asdict().items()}
    weights = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    naive = Naive(name, weights, contents, TINY.heads, **options)
    scores = model(*batch).detach().numpy()
    expected = [
        naive.scores(history, pool, user)
        for history, pool, user in zip(batch.history.numpy(), batch.pool.numpy(), batch.user.numpy(), strict=True)
    ]
    assert np.abs(expected).max() > 0.1
    assert np.abs(scores - expected).max() < 1e-9
    if name == "tanr":
        loss = float(model.auxiliary(model.encode(batch.contents), batch.contents).detach())
        assert loss == pytest.approx(naive.topic_loss(), abs=1e-9)


def attention(width: int) -> int:
    """Weights of additive attention of 200 queries: a layer with bias, and a vector."""
    return width * 200 + 200 + 200


@pytest.mark.parametrize(
    ("kind", "options", "count"),
    [
        # section 5 counts 1,000,800; the vector of readers without reads is ours
        (NRMS, {}, 1_000_800 + 400),
        # two texts, two names, views, reads, nobody
        (NAML, {}, 2 * (360_400 + attention(400)) + 2 * (100 * 400 + 400) + 2 * attention(400) + 400),
        (TANR, {}, 360_400 + 2 * attention(400) + 400 * 1_022 + 1_022 + 400),
        # articles are 400 + 100 + 100 wide; three gates from inputs and from states, each with a bias
        (LSTUR, {}, 360_400 + attention(400) + 2 * (600 * 1_800 + 1_800)),
        (LSTUR, {"variant": "con"}, 360_400 + attention(400) + 600 * 900 + 300 * 900 + 2 * 900 + 600 * 300 + 300),
    ],
)
def test_full_sizes_have_the_published_number_of_weights(
    kind: type[NewsModel], options: dict[str, Any], count: int
) -> None:
    """Tables of words, names and readers apart."""
    with torch.device("meta"):
        model = kind(kind.sizes["paper"], torch.nn.Identity(), **options)
    tables = sum(part.weight.numel() for part in model.modules() if isinstance(part, NameTable))
    assert sum(parameter.numel() for parameter in model.parameters()) - tables == count


def test_topics_are_told_of_articles_with_a_category_only() -> None:
    model = build("tanr", {})
    batch = some_batch(TANR)
    category = torch.full((ARTICLES,), UNKNOWN).index_fill(0, torch.tensor([0]), 0)
    vectors = model.encode(batch.contents)
    loss = model.auxiliary(vectors, batch.contents._replace(category=category))
    loss.backward()
    assert loss.item() == 0
    category[3] = 7
    told = model.auxiliary(vectors, batch.contents._replace(category=category))
    chances = model.get_submodule("topic")(vectors[3]).softmax(-1)
    assert len(chances) == TINY.categories - 2
    assert torch.allclose(told, -0.2 * chances[7 - 2].log())


def test_a_long_term_embedding_is_all_there_is_of_a_reader_without_reads() -> None:
    model = build("lstur", {})
    batch = some_batch(LSTUR).requests([0, 0])._replace(user=torch.tensor([UNKNOWN, 9]))
    vectors = model.encode(batch.contents)
    (readers,) = model.readers(
        model.reading(vectors)[batch.history], batch.history > 0, batch.history_signals, batch.user
    )
    assert torch.equal(readers, model.get_submodule("users").get_parameter("weight")[[UNKNOWN, 9]])


@pytest.mark.parametrize("variant", ["ini", "con"])
def test_readers_are_told_apart_by_training_only(variant: str) -> None:
    model = build("lstur", {"variant": variant}, stirred=False)
    batch = some_batch(LSTUR).requests([1, 1])
    first, second = model(*batch._replace(user=torch.tensor([8, 9])))
    assert torch.equal(first, second)
    with torch.no_grad():
        model.get_submodule("users").get_parameter("weight")[9] += 1
    first, second = model(*batch._replace(user=torch.tensor([8, 9])))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("variant", ["ini", "con"])
def test_half_of_the_long_term_embeddings_are_masked_in_training(variant: str) -> None:
    model = build("lstur", {"variant": variant}).train()
    readers = 2_000
    read = torch.zeros(readers, 1, model.get_submodule("recurrence.project").out_features)
    mask, signals = torch.zeros(readers, 1, dtype=torch.bool), torch.zeros(readers, 1, len(SIGNALS))
    (made,) = model.readers(read, mask, signals, torch.full((readers,), 9))
    model.eval()
    (unseen,) = model.readers(read[:1], mask[:1], signals[:1], torch.tensor([UNKNOWN]))
    masked = (made - unseen).abs().amax(-1) < 1e-6
    assert float(masked.float().mean()) == pytest.approx(0.5, abs=0.06)  # 5 standard errors
    assert len(made[~masked].unique(dim=0)) == 1


def test_a_variant_that_does_not_exist_is_refused() -> None:
    wrong: Callable[..., NewsModel] = LSTUR
    with pytest.raises(ValueError, match="'sum'"):
        wrong(TINY, WordTable(WORDS, TINY.word), variant="sum")

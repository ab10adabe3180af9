"""CROWN by its equations, and what is its alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from newsreplay.recommenders.neural.models.crown import CROWN, CROWNOptions, Hop, consistency
from newsreplay.recommenders.neural.models.layers import NameTable
from newsreplay.recommenders.neural.models.model import TINY, UNKNOWN, Around, LossInputs, Read, click_loss
from tests.naive.neural_crown import Naive
from tests.recommenders.neural.models.batches import ARTICLES, Batch, build, same, some_batch, some_readers, stir

NETWORKS = ("gat", "gcn", "sage", "lightgcn")
EVERY: list[dict[str, Any]] = [
    *({"gnn": gnn, "user": user} for gnn, user in product(NETWORKS, ("hybrid", "gnn"))),
    {"user": "attention"},
    {"user": "average"},
    {"intents": 0},
    {"intents": 1},
    {"category": False},
    {"consistency": False},
    {"intents": 0, "consistency": False},
    {"beta": 0},
    *(
        {"preset": "release", **options}
        for options in ({}, {"intents": 0}, {"category": False}, {"consistency": False})
    ),
]


def named(options: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in options.items())


def crown(**options: Any) -> Any:
    """A `CROWN`, of which this file knows what parts it has."""
    return build("crown", options)


def scores(model: Any, batch: Batch, around: Around | None = None) -> Tensor:
    """In impressions, of articles that were read by those around them; nobody = None."""
    with torch.no_grad():
        vectors = model.encode(batch.contents)
        found: Tensor = model.scores(vectors if around is None else model.spread(vectors, around), batch.requests)[1]
        return found


# --- the equations --------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", EVERY, ids=map(named, EVERY))
def test_scores_are_those_of_the_equations(options: dict[str, Any]) -> None:
    model = crown(**options).double()
    torch.manual_seed(2)
    batch = some_batch(CROWN, readers=4, candidates=ARTICLES - 1)  # all, those without a title or an abstract too
    around = some_readers(ARTICLES, 4)
    contents = {field: ids.numpy() for field, ids in batch.contents.columns.items()}
    weights = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    nodes = {row: near[mask].tolist() for row, (near, mask) in enumerate(zip(around.nodes, around.mask, strict=True))}
    naive = Naive(weights, TINY.heads, contents, nodes, **options)
    requests = [part.numpy() for part in (batch.requests.history, batch.requests.pool, batch.requests.user)]
    expected = np.array([naive.scores(*request) for request in zip(*requests, strict=True)])
    assert np.abs(expected).max() > 0.1
    assert np.abs(scores(model, batch, around).numpy() - expected).max() < 1e-9 * np.abs(expected).max()
    if model.beta:
        loss = float(model.topic_loss(model.encode(batch.contents), batch.contents).detach())
        assert loss == pytest.approx(naive.topic_loss(), rel=1e-9)


@pytest.mark.parametrize("options", [{}, {"preset": "release"}], ids=named)
def test_single_precision_comes_close_to_the_equations(options: dict[str, Any]) -> None:
    model = crown(**options)
    batch, around = some_batch(CROWN), some_readers(ARTICLES, 4)
    single = scores(model, batch, around).double()
    double = scores(model.double(), batch, around)
    assert ((single - double).abs().max() / double.abs().max()) <= 1e-5


# --- consistency ----------------------------------------------------------------------------------------


def test_consistency_is_one_for_equal_a_half_for_orthogonal_and_zero_for_opposite_vectors() -> None:
    a = torch.tensor([[3.0, 4.0, 0.0]])
    assert consistency(a, 5 * a).item() == pytest.approx(1, abs=1e-6)
    assert consistency(a, torch.tensor([[-4.0, 3.0, 7.0]])).item() == pytest.approx(0.5, abs=1e-6)
    assert consistency(a, -0.1 * a).item() == pytest.approx(0, abs=1e-6)


def test_consistency_never_leaves_its_range_and_knows_what_to_say_of_zeros() -> None:
    a, b = torch.randn(2, 500, 3)
    for other in (a, b, -a):
        agreed = consistency(a, other)
        assert agreed.min() >= 0
        assert agreed.max() <= 1
    zero = torch.zeros(1, 3, requires_grad=True)
    agreed = consistency(zero, torch.ones(1, 3))
    assert agreed.item() == 0.5
    agreed.sum().backward()  # type: ignore[no-untyped-call]
    assert zero.grad is not None
    assert zero.grad.isfinite().all()


def test_half_precision_is_compared_in_full() -> None:
    a, b = torch.randn(2, 10, 8).bfloat16()
    assert torch.equal(consistency(a, b), consistency(a.float(), b.float()))


def test_contents_count_in_proportion_to_consistency() -> None:
    model, whole = crown(), crown(consistency=False)
    whole.load_state_dict(model.state_dict())
    contents = some_batch(CROWN).contents
    with torch.no_grad():
        (title, news), (_, all_of_it) = model.before_and_after(contents), whole.before_and_after(contents)
    share = (news - title).norm(dim=1) / (all_of_it - title).norm(dim=1)
    assert share[3].isnan()  # has none
    known = share[~share.isnan()]
    assert known.min() > 0
    assert known.max() < 1
    assert known.std() > 1e-3


# --- texts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["paper", "release"])
@pytest.mark.parametrize("text", ["title", "abstract"])
def test_padding_changes_neither_title_nor_contents(preset: str, text: str) -> None:
    model = crown(preset=preset)
    contents = some_batch(CROWN).contents
    longer = contents.replaced(**{text: torch.nn.functional.pad(contents.columns[text], (0, 5))})
    with torch.no_grad():
        for more, kept in zip(model.before_and_after(longer), model.before_and_after(contents), strict=True):
            assert same(more, kept)


def test_words_have_places_in_the_release_alone() -> None:
    contents = some_batch(CROWN).contents
    title = contents.title.clone()
    for row, length in enumerate((title > 0).sum(1).tolist()):
        title[row, :length] = title[row, :length].flip(0)
    turned = contents.replaced(title=title)
    for preset in ("paper", "release"):
        model = crown(preset=preset)
        with torch.no_grad():
            assert same(model.before_and_after(turned)[0], model.before_and_after(contents)[0]) == (preset == "paper")


def test_an_article_without_contents_is_its_title() -> None:
    model, batch = crown(), some_batch(CROWN)
    empty = batch.contents.replaced(abstract=torch.zeros_like(batch.contents.abstract))
    with torch.no_grad():
        title, news = model.before_and_after(empty)
    assert torch.equal(title, news)


def test_the_contents_of_candidates_are_seen_in_the_release_alone() -> None:
    """A reader has read contents; what they are offered are titles."""
    batch = some_batch(CROWN).rows([1])
    history = torch.where(batch.requests.history > 0, 5, 0)
    pool = torch.tensor([[6, 7, 8, 9]])
    batch = batch.but(history=history, pool=pool)
    other = batch.contents.abstract.roll(3, 1).clone()
    other[:, 0] = 7
    for preset in ("paper", "release"):
        model = crown(preset=preset)
        kept = scores(model, batch)
        offered, read = batch.contents.abstract.clone(), batch.contents.abstract.clone()
        offered[6:10], read[5] = other[6:10], other[5]
        unseen = torch.equal(scores(model, batch._replace(contents=batch.contents.replaced(abstract=offered))), kept)
        assert unseen == (preset == "paper")
        assert not same(scores(model, batch._replace(contents=batch.contents.replaced(abstract=read))), kept)


# --- ablations ------------------------------------------------------------------------------------------


def test_one_intent_has_all_the_weight_whatever_the_attention() -> None:
    model, batch = crown(intents=1), some_batch(CROWN)
    kept = scores(model, batch)
    for attention in (model.articles.title_intents, model.articles.content_intents):
        stir(attention)
    assert torch.equal(scores(model, batch), kept)


def test_equal_intents_are_one() -> None:
    """Three intents of the same weights: whatever their shares are, they sum to one."""
    one, three, batch = crown(intents=1), crown(), some_batch(CROWN)
    state = one.state_dict()
    for part in ("articles.intents.weight", "articles.intents.bias"):
        state[part] = torch.cat([state[part]] * 3)
    three.load_state_dict(state)
    assert same(scores(three, batch), scores(one, batch))


def test_without_intents_vectors_of_texts_are_used_as_they_are() -> None:
    model, contents = crown(intents=0), some_batch(CROWN).contents
    with torch.no_grad():
        title = model.articles.title(model.articles.words(contents.title), contents.title > 0)
        assert torch.equal(model.before_and_after(contents)[0], title)


def test_without_categories_intents_are_those_of_guides_that_weigh_nothing() -> None:
    guided, plain, batch = crown(), crown(category=False), some_batch(CROWN)
    with torch.no_grad():
        guided.articles.intents.weight[:, TINY.word :] = 0
    state = guided.state_dict()
    state["articles.intents.weight"] = state["articles.intents.weight"][:, : TINY.word]
    names = ("articles.categories", "articles.subcategories", "articles.guide")
    plain.load_state_dict({name: value for name, value in state.items() if not name.startswith(names)})
    assert same(scores(guided, batch), scores(plain, batch))


def test_consistency_is_of_no_matter_where_there_are_no_contents() -> None:
    model, whole, batch = crown(), crown(consistency=False), some_batch(CROWN)
    whole.load_state_dict(model.state_dict())
    assert not same(scores(whole, batch), scores(model, batch))
    empty = batch._replace(contents=batch.contents.replaced(abstract=torch.zeros_like(batch.contents.abstract)))
    assert torch.equal(scores(whole, empty), scores(model, empty))


def test_a_query_that_hears_nothing_of_the_graph_is_that_of_attention_to_the_bit() -> None:
    hybrid, attention, batch = crown(), crown(user="attention"), some_batch(CROWN)
    with torch.no_grad():
        hybrid.reader.ask.weight.zero_()
    state = {name: value for name, value in hybrid.state_dict().items() if name in attention.state_dict()}
    attention.load_state_dict({**state, "reader.query": hybrid.reader.ask.bias})
    assert torch.equal(scores(hybrid, batch, some_readers(ARTICLES, 4)), scores(attention, batch))


def test_a_query_of_zeros_is_the_average_to_the_bit() -> None:
    attention, average, batch = crown(user="attention"), crown(user="average"), some_batch(CROWN)
    with torch.no_grad():
        attention.reader.query.zero_()
    average.load_state_dict(
        {name: value for name, value in attention.state_dict().items() if name in average.state_dict()}
    )
    assert torch.equal(scores(attention, batch), scores(average, batch))


def test_without_beta_the_loss_is_that_of_the_clicks_and_the_scores_are_the_same() -> None:
    with_it, without, batch = crown(), crown(beta=0), some_batch(CROWN)
    without.load_state_dict(
        {name: value for name, value in with_it.state_dict().items() if not name.startswith("topic.")}
    )
    assert torch.equal(scores(with_it, batch), scores(without, batch))
    clicks, alone = (float(loss_of(without, batch, whole)) for whole in (False, True))
    assert alone == clicks
    vectors = with_it.encode(batch.contents)
    topics = 0.3 * float(with_it.topic_loss(vectors, batch.contents).detach())
    assert topics > 0.01
    assert float(loss_of(with_it, batch, True)) == pytest.approx(clicks + topics, rel=1e-6)


def loss_of(model: Any, batch: Batch, whole: bool) -> Tensor:
    """The model's own loss, or that of its clicks alone."""
    with torch.no_grad():
        vectors = model.encode(batch.contents)
        readers, logits, slate = model.scores(vectors, batch.requests)
        real = torch.ones_like(logits, dtype=torch.bool)
        inputs = LossInputs(logits, slate, real, ~real, readers, vectors, batch.contents, batch.requests, real.sum(1))
        own: Tensor = model.loss(inputs) if whole else click_loss(logits, slate, real, ~real)
        return own


# --- the loss of categories -----------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["paper", "release"])
def test_the_loss_of_categories_alone_learns_them_from_titles(preset: str) -> None:
    size = replace(TINY, word=16, filters=16, head=8)
    model: Any = build("crown", {"preset": preset, "category": False}, size, stirred=False)
    contents = some_batch(CROWN, size).contents
    known = (contents.category > UNKNOWN) & (contents.title > 0).any(1)
    contents = contents.each(lambda column: column[known])
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    losses = []
    for _ in range(50):
        optimiser.zero_grad()
        loss = model.topic_loss(model.encode(contents), contents)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    right = model.topic(model.encode(contents)[:, : size.filters]).argmax(1) == contents.category - UNKNOWN - 1
    assert right.float().mean() > 0.95


def test_padding_and_unknown_categories_are_no_topics() -> None:
    model, batch = crown(), some_batch(CROWN)
    vectors, contents = model.encode(batch.contents), batch.contents
    assert contents.category[0] == 0
    contents = contents.replaced(category=contents.category.index_fill(0, torch.tensor([4]), UNKNOWN))
    kept = [row for row in range(1, ARTICLES) if contents.category[row] > UNKNOWN]
    few = contents.each(lambda column: column[kept])
    assert torch.allclose(model.topic_loss(vectors, contents), model.topic_loss(vectors[kept], few))
    nothing = contents.replaced(category=torch.zeros_like(contents.category))
    assert model.topic_loss(vectors, nothing).item() == 0


# --- the graph ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gnn", NETWORKS)
def test_who_read_an_article_changes_what_its_readers_are_and_no_candidate(gnn: str) -> None:
    model = crown(gnn=gnn)
    batch, around = some_batch(CROWN), some_readers(ARTICLES, 4)
    vectors = model.encode(batch.contents)
    spread = model.spread(vectors, around)
    assert torch.equal(model.offer(spread), model.offer(vectors))
    assert torch.equal(spread[0], vectors[0])  # nobody read it
    changed = (scores(model, batch, around) - scores(model, batch)).abs().amax(1) > 1e-4
    # A query that is a reader's own weighs what they read: of one read, all weight is its own.
    assert changed.tolist() == ((batch.requests.history > 0).sum(1) > 1).tolist()
    one = replace(around, nodes=around.nodes.clone())
    read = int(batch.requests.history[1, 0])
    assert around.mask[read].any()
    one.nodes[read, 0] = one.nodes[read, 0] % (TINY.users - 2) + 2  # another reader
    moved = (scores(model, batch, one) - scores(model, batch, around)).abs().amax(1) > 1e-5
    has_read = (batch.requests.history == read).any(1)
    assert moved[1]
    assert not moved[~has_read].any()


@pytest.mark.parametrize("gnn", NETWORKS)
def test_neighbours_are_a_set_and_empty_places_none(gnn: str) -> None:
    model, around = crown(gnn=gnn), some_readers(ARTICLES, 4)
    vectors = model.encode(some_batch(CROWN).contents)
    kept = model.spread(vectors, around)
    turned = Around(*(part.flip(1) for part in (around.nodes, around.weights, around.mask)))
    longer = Around(*(torch.nn.functional.pad(part, (0, 3)) for part in (around.nodes, around.weights, around.mask)))
    assert same(model.spread(vectors, turned), kept)
    assert same(model.spread(vectors, longer), kept)
    for row in (0, 1, 7):
        some = slice(row, row + 1)
        assert same(model.spread(vectors[some], Around(around.nodes[some], around.weights[some], around.mask[some])),
                    kept[some])  # fmt: skip


def test_a_layer_of_two_neighbours_by_hand() -> None:
    itself, others = torch.tensor([[1.0, 0.0]]), torch.tensor([[[0.0, 2.0], [0.0, 4.0], [9.0, 9.0]]])
    mask = torch.tensor([[True, True, False]])
    expected = {"gcn": [1 / 3, 2.0], "sage": [1.0, 3.0], "lightgcn": [0.5, 1.5], "gat": [1 / 3, 2.0]}
    for gnn, vector in expected.items():
        hop = Hop(gnn, 2)  # type: ignore[arg-type]
        with torch.no_grad():
            for layer in (hop.itself, hop.others):
                if layer is not None:
                    layer.weight.copy_(torch.eye(2))
            if hop.look is not None:
                hop.look.zero_()  # all neighbours, and the node itself, alike
            assert torch.allclose(hop(itself, hop.gather(itself, others, mask)), torch.tensor([vector])), gnn
            alone = hop(itself, hop.gather(itself, others, torch.zeros_like(mask)))
            assert torch.equal(alone, itself), gnn
            assert torch.equal(hop(itself, hop.alone(itself)), itself), gnn


def test_attention_of_the_graph_by_hand() -> None:
    hop = Hop("gat", 1)
    with torch.no_grad():
        hop.itself.weight.fill_(2.0)  # type: ignore[union-attr]
        hop.look.copy_(torch.tensor([[0.5], [1.0]]))  # type: ignore[union-attr]
        # logits: 0.5·2·1 + 2·1 = 3 of itself, 1 + 2·(-1) = -1 of the neighbour, a fifth of that below zero
        itself = torch.ones(1, 1)
        found = hop(itself, hop.gather(itself, torch.full((1, 1, 1), -1.0), torch.ones(1, 1, dtype=torch.bool)))
    share = np.exp(-0.2) / (np.exp(3) + np.exp(-0.2))
    assert found.item() == pytest.approx(2 * (1 - share) - 2 * share, rel=1e-6)


def test_a_reader_whom_no_training_met_has_the_row_of_strangers() -> None:
    model, batch = crown(user="gnn"), some_batch(CROWN)
    stranger = batch.but(user=torch.full_like(batch.requests.user, UNKNOWN))
    assert scores(model, stranger).isfinite().all()
    before = scores(model, stranger)
    with torch.no_grad():
        model.users.weight[UNKNOWN] += 1
    assert ((scores(model, stranger) - before).abs().amax(1) > 1e-4).all()


def test_a_tenth_of_the_readers_are_strangers_in_training() -> None:
    users = crown().users
    assert isinstance(users, NameTable)
    users.generator = torch.Generator().manual_seed(4)
    users.train()
    with torch.no_grad():
        rows = users(torch.full((20_000,), 5))
        share = (rows == users.weight[UNKNOWN]).all(1).float().mean()
    assert share.item() == pytest.approx(0.1, abs=0.01)


def test_readers_are_who_they_are_beside_what_they_read() -> None:
    """Two readers of the same articles differ by their rows, as far as the graph says so."""
    batch = some_batch(CROWN).rows([1, 1])
    batch = batch.but(user=torch.tensor([3, 9]))
    for user, differs in (("hybrid", True), ("gnn", True), ("attention", False), ("average", False)):
        one, other = scores(crown(user=user), batch)
        assert torch.equal(one, other) != differs


def test_only_where_a_graph_is_asked_for_neighbours_matter() -> None:
    around, batch = some_readers(ARTICLES, 4), some_batch(CROWN)
    for options in ({"user": "attention"}, {"user": "average"}, {"preset": "release"}):
        model = crown(**options)
        assert model.users is None
        vectors = model.encode(batch.contents)
        assert model.spread(vectors, around) is vectors


# --- the release ----------------------------------------------------------------------------------------


def test_a_candidate_makes_a_reader_of_the_release_from_what_was_read_alone() -> None:
    """There readers depended on the size of their batch, and pads of histories were attended to."""
    model, batch = crown(preset="release"), some_batch(CROWN)
    kept = scores(model, batch)
    for row in range(5):
        assert same(scores(model, batch.rows([row]))[0], kept[row])
        length = int((batch.requests.history[row] > 0).sum())
        assert same(scores(model, batch.rows([row]).reads(range(length)))[0], kept[row])


def test_the_reader_of_one_read_is_what_was_read() -> None:
    model = crown(preset="release")
    batch = some_batch(CROWN).rows([1]).reads([0])
    with torch.no_grad():
        vectors = model.encode(batch.contents)
        h, c = vectors[batch.requests.history[0, 0]], vectors[batch.requests.pool[0]]
        expected = c @ (model.pairing.itself(h) + model.pairing.others(h))
    assert same(scores(model, batch)[0], expected)


# --- size and options -----------------------------------------------------------------------------------


def count(module: torch.nn.Module) -> int:
    """Weights, those of tables of names and readers apart."""
    tables = sum(part.weight.numel() for part in module.modules() if isinstance(part, NameTable))
    return sum(parameter.numel() for parameter in module.parameters()) - tables


def test_the_full_size_is_that_of_the_paper_and_as_large_as_the_public_code() -> None:
    size = CROWN.sizes["paper"]
    assert (size.heads * size.head, size.title, size.abstract, size.history, size.word) == (300, 32, 128, 50, 300)
    with torch.device("meta"):
        paper, release = (CROWN(size, torch.nn.Identity(), preset=preset) for preset in ("paper", "release"))
    # theirs have biases of queries, keys and values, and tell 18 categories apart
    assert count(release.articles) + 2 * 900 + 18 * 401 == 2_095_892
    assert release.pairing is not None
    # theirs has 32 rows of 900 that take no part, ours a vector of readers who have read nothing
    assert count(release.pairing) - 900 + 32 * 900 == 2_370_100
    assert count(paper.articles) == count(release.articles)
    assert paper.reader is not None
    # two hops with a matrix, a bias and two vectors each; W_a, W_q and the vector of readers who have read nothing
    assert count(paper.reader) == 2 * (400 * 400 + 400 + 800) + 2 * (400 * 400 + 400) + 400


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "code"}, "preset is 'code', none of 'paper', 'release'"),
        ({"user": "graph"}, "user is 'graph', none of 'hybrid', 'gnn', 'attention', 'average'"),
        ({"gnn": "gatv2"}, "gnn is 'gatv2', none of 'gat', 'gcn', 'sage', 'lightgcn'"),
        ({"intents": -1}, "intents is -1, not a whole number of 0 or more"),
        ({"intents": 2.5}, "intents is 2.5, not a whole number of 0 or more"),
        ({"intents": True}, "intents is True, not a whole number of 0 or more"),
        ({"category": "no"}, "category is 'no', none of True, False"),
        ({"consistency": 1}, "consistency is 1, none of True, False"),
        ({"beta": -0.1}, "beta is -0.1, not a number of 0 or more"),
        ({"beta": float("nan")}, "beta is nan, not a number of 0 or more"),
        ({"preset": "release", "user": "gnn"}, "user is 'gnn', but preset='release' has its own; leave it out"),
        ({"preset": "release", "gnn": "gcn"}, "gnn is 'gcn', but preset='release' has its own; leave it out"),
    ],
)
def test_an_unknown_option_is_refused_with_what_there_is(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        CROWNOptions(**options)


def test_a_reader_who_has_read_nothing_is_a_vector_that_is_learned() -> None:
    model = crown()
    batch = some_batch(CROWN)
    read = Read(
        model.reading(model.encode(batch.contents))[batch.requests.history[:1]],
        batch.requests.history[:1] > 0,
        batch.requests.history_signals,
        batch.requests.history_context,
        batch.requests.user[:1],
    )
    (reader,) = model.readers(read)
    assert torch.equal(reader[0], model.reader.nobody)

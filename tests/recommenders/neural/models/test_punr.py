"""PUNR by its equations, over a model of its own and over a language model, and what is its alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from newsreplay.errors import SpecError
from newsreplay.recommenders.neural.articles.plm import LanguageModel, PlmWords
from newsreplay.recommenders.neural.models.language import Transformer
from newsreplay.recommenders.neural.models.layers import Drawing, WordTable
from newsreplay.recommenders.neural.models.model import TINY, Inputs, LossInputs, Stage
from newsreplay.recommenders.neural.models.punr import PUNR, SEGMENTS, PUNROptions, joined
from tests.naive.neural_punr import Naive
from tests.recommenders.neural.models.batches import ARTICLES, WORDS, Batch, build, same, some_batch
from tests.recommenders.neural.tiny_bert import LAYERS

SIZE = replace(TINY, together=14)
STAGE = Stage("pre-training", 1, reads=2)


def own(stirred: bool = True, **options: Any) -> PUNR:
    """A model that started from random numbers and is not training."""
    model = build("punr", options, SIZE, stirred)
    assert isinstance(model, PUNR)
    return model


def over(bert: Path, **options: Any) -> PUNR:
    """One over a language model, with larger weights above it."""
    torch.manual_seed(1)
    known = PlmWords(str(bert))
    words = LanguageModel(str(bert), None, PUNROptions(**options).layers_trained)
    words.marks, words.continuing = known.marks, torch.from_numpy(known.continuing())
    model = PUNR(replace(SIZE, word=8), words, **options)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".words." not in name:
                parameter += 0.3 * torch.randn_like(parameter)
    return model.eval()


@pytest.fixture(params=["own", "bert"])
def kind(request: pytest.FixtureRequest) -> Any:
    """Makes a model of either kind."""
    if request.param == "own":
        return own
    bert = request.getfixturevalue("bert")
    return lambda **options: over(bert, **options)


def batch_of(model: PUNR, seed: int = 2, **options: Any) -> Batch:
    """Titles of its words between its marks; the last article has none."""
    torch.manual_seed(seed)
    batch = some_batch(PUNR, SIZE, **options)
    title, words = batch.contents.title, model.encoder.words
    title = torch.where(title > 0, words.first + torch.randint(1, len(words.rows()), title.shape), 0)
    length = (title > 0).sum(1).clamp(min=1)
    title[torch.arange(ARTICLES), length - 1] = model.marks.end
    title[:, 0] = model.marks.begin
    title[0] = 0
    title[-1, :3] = torch.tensor([*model.marks[:2], 0])  # no word between the marks
    return batch._replace(contents=batch.contents.replaced(title=title))


def naive_of(model: PUNR, batch: Batch, pooling: str = "cls") -> Naive:
    weights = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    heads = model.encoder.words.heads
    return Naive(weights, batch.contents.title.numpy(), model.marks.begin, model.room, heads, pooling)


def relative(found: Any, expected: Any, what: str) -> float:
    """The largest difference, as a share of the largest number."""
    difference = float(np.abs(np.asarray(found) - expected).max() / np.abs(expected).max())
    print(f"PUNR, {what}: largest relative difference {difference:.1e}")
    return difference


# --- equations ------------------------------------------------------------------------------------------

WAYS = [{}, {"pooling": "average"}, {"pooling": "attention"}, {"siamese": False, "pooling": "attention"}]


@pytest.mark.parametrize("options", WAYS, ids=str)
def test_scores_are_those_of_the_equations(kind: Any, options: dict[str, Any]) -> None:
    model = kind(**options)
    batch = batch_of(model, candidates=ARTICLES - 1)
    naive = naive_of(model, batch, options.get("pooling", "cls"))
    history = batch.requests.history.tolist()
    reads = [sum(row > 0 for row in rows) for rows in history]
    assert {len(set(naive.text(rows)[1])) < count for rows, count in zip(history, reads, strict=True)} == {False, True}
    with torch.inference_mode():
        scores = model(*batch).numpy()
    requests = zip(history, batch.requests.pool.tolist(), strict=True)
    expected = np.array([naive.scores(*map(np.array, request)) for request in requests])
    assert expected.std() > 0.1
    assert relative(scores, expected, f"scores {options}") < 1e-5


class Watched(nn.Module):
    """A masking that keeps what it was asked for and what it said."""

    def __init__(self, masking: nn.Module):
        super().__init__()
        self.masking = masking

    def forward(self, *asked: Any) -> Any:
        self.asked, self.said = asked, self.masking(*asked)
        return self.said


def pre_training(model: PUNR, batch: Batch) -> Tensor:
    """Its loss."""
    nothing, flags = torch.zeros(0), torch.zeros(len(batch.requests.history), 0, dtype=torch.bool)
    return model.stage_loss(
        STAGE, LossInputs(nothing, nothing, flags, flags, (), nothing, batch.contents, batch.requests, nothing)
    )


@pytest.mark.parametrize("replacing", ["mixed", "mask"])
def test_pre_training_makes_small_what_the_equations_say(kind: Any, replacing: str) -> None:
    model = kind(replace=replacing, alpha=0.4)
    model.masking = watched = Watched(model.masking)
    batch = batch_of(model).rows([1, 2, 3, 4])
    naive = naive_of(model, batch)
    loss = float(pre_training(model, batch).detach())
    (hidden, chosen), asked = watched.said, watched.asked[0]
    of_masked: list[float] = []
    of_following: list[float] = []
    for row, history in enumerate(batch.requests.history.tolist()):
        ids, of = naive.text(history)
        count = len(ids)
        assert asked[row, :count].tolist() == ids
        masked_ids, flags = hidden[row, :count].tolist(), chosen[row, :count].tolist()
        if any(flags):
            of_masked += [naive.masked_loss(ids, masked_ids, of, flags)] * sum(flags)
        reader = naive.pooled("encoder", naive.encoder.states(masked_ids, of))
        of_following += [naive.generation_loss(reader, ids, of)] * (count - 1)
    assert sum(map(sum, chosen.tolist())) == len(of_masked) > 4
    expected = np.mean(of_masked) + np.mean(of_following)
    assert relative(loss, expected, "pre-training") < 1e-5
    (alone,) = {float(pre_training(without(model), batch).detach())}
    assert alone == pytest.approx(float(np.mean(of_masked)), rel=1e-5)


def without(model: PUNR) -> PUNR:
    """The same model, which repeats its last masking, without the generation."""

    class Repeated(nn.Module):
        def forward(self, *asked: Any) -> Any:
            return said

    said = model.masking.said  # type: ignore[union-attr]
    model.choices = replace(model.choices, generation=False)
    model.masking = Repeated()  # type: ignore[assignment]
    return model


def test_states_of_the_decoder_are_those_of_the_equations(kind: Any) -> None:
    model = kind()
    batch = batch_of(model)
    naive = naive_of(model, batch)
    ids, of = naive.text(batch.requests.history[1].tolist())
    reader = torch.randn(1, model.encoder.words.width)
    with torch.inference_mode():
        states = following(model, reader, ids, of)
    assert relative(states[0], naive.following(reader[0].double().numpy(), ids, of), "decoder") < 1e-5


def following(model: PUNR, reader: Tensor, ids: Sequence[int], of: Sequence[int]) -> Tensor:
    assert model.behaviours is not None
    added = model.encoder.segments[torch.tensor([of])]
    return model.behaviours.following(model.encoder.words, reader, torch.tensor([ids]), added)


def test_a_word_is_told_from_the_reader_and_the_words_before_it_alone(kind: Any) -> None:
    model = kind()
    width = model.encoder.words.width
    ids, of = [model.marks.begin, 5, 6, 7, model.marks.end, 8, 9], [0, 0, 0, 0, 0, 1, 1]
    reader = torch.randn(1, width)
    with torch.inference_mode():
        kept = following(model, reader, ids, of)
        for place in range(1, len(ids)):
            other = [*ids[:place], 2, *ids[place + 1 :]]
            changed = following(model, reader, other, of)
            assert torch.equal(changed[:, :place], kept[:, :place])
            assert not torch.equal(changed[:, place], kept[:, place])
        assert torch.equal(following(model, reader, [2, *ids[1:]], of), kept)  # the reader stands in its place
        moved = (following(model, reader + 1e-2 * torch.randn(1, width), ids, of) - kept).abs().amax(-1)
    assert (moved > 1e-6).all()


# --- texts of readers -----------------------------------------------------------------------------------


def test_a_text_by_hand() -> None:
    title = torch.tensor([[[9, 1, 8, 0], [9, 2, 3, 8], [9, 4, 8, 0]], [[9, 5, 8, 0], [0] * 4, [0] * 4]])
    mask = torch.tensor([[True, True, True], [True, False, False]])
    ids, segments = joined(title, mask, begin=9, room=12, tight=False)
    assert ids.tolist() == [[9, 1, 8, 2, 3, 8, 4, 8, 0, 0], [9, 5, 8, 0, 0, 0, 0, 0, 0, 0]]
    assert segments.tolist() == [[0, 0, 0, 1, 1, 1, 2, 2, 0, 0], [0] * 10]
    assert joined(title, mask, 9, 12, tight=True)[0].tolist() == [row[:8] for row in ids.tolist()]
    for room, expected in ((8, ids.tolist()[0][:8]), (7, [9, 2, 3, 8, 4, 8]), (5, [9, 4, 8]), (2, [9])):
        ids, segments = joined(title[:1], mask[:1], 9, room, tight=True)
        assert ids.tolist() == [expected]
        assert segments[0].max() == len([word for word in expected if word == 8][1:])
    assert joined(title, ~mask & False, 9, 12, tight=True)[0].tolist() == [[9], [9]]
    assert joined(title[..., :0], mask, 9, 12, tight=False)[0].tolist() == [[9], [9]]


def test_news_are_told_apart_up_to_the_number_of_segments() -> None:
    reads = SEGMENTS + 7
    title = torch.stack([torch.full((reads,), 9), torch.arange(1, reads + 1), torch.full((reads,), 100)], 1)[None]
    ids, segments = joined(title, torch.ones(1, reads, dtype=torch.bool), 9, 512, tight=True)
    assert ids[0, 1::2].tolist() == list(range(8, reads + 1))  # the newest
    assert segments[0, 1::2].tolist() == list(range(SEGMENTS))
    assert (segments.diff() >= 0).all()


def test_the_same_object_reads_candidates_and_readers_unless_they_are_apart(kind: Any) -> None:
    siamese, separate = kind(), kind(siamese=False)
    assert siamese.apart is None
    assert not any(name.startswith("apart.") for name in siamese.state_dict())
    assert separate.apart is not separate.encoder
    batch = batch_of(siamese)
    for model in (siamese, separate):
        candidate, reader = (
            model.encode(batch.contents),
            model.scores(model.encode(batch.contents), batch.requests, batch.contents)[0][0],
        )
        with torch.no_grad():
            model.encoder.segments += 1
        assert torch.equal(model.encode(batch.contents), candidate) == (model is separate)
        after = model.scores(candidate, batch.requests, batch.contents)[0][0]
        assert not torch.equal(after[1:], reader[1:])


def test_what_was_pre_trained_is_where_what_reads_candidates_begins() -> None:
    model = own(siamese=False)
    batch = batch_of(model)
    before = model.encode(batch.contents)
    model.finish(STAGE)
    assert model.apart is not None
    assert all(
        torch.equal(one, other) for one, other in zip(model.apart.parameters(), model.encoder.parameters(), strict=True)
    )
    after = model.encode(batch.contents)
    assert not torch.equal(before, after)
    with torch.no_grad():
        model.encoder.segments += 1
    assert torch.equal(model.encode(batch.contents), after)


def test_padding_changes_no_score_over_a_language_model(bert: Path) -> None:
    model = over(bert)
    batch = batch_of(model)
    longer = batch.contents.each(lambda ids: functional.pad(ids, (0, 4)))
    assert same(model(longer, batch.requests), model(*batch))


@pytest.mark.parametrize("row", range(5))
def test_a_request_scores_the_same_by_itself_over_a_language_model(bert: Path, row: int) -> None:
    model = over(bert)
    batch = batch_of(model)
    assert same(model(*batch.rows([row]))[0], model(*batch)[row])


# --- training -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{"continual": True}, {"beta": 0.9}, {"replace": "mask"}, {"pretrain": 7}, {"masking": False}, {"alpha": 0.0}],
    ids=str,
)
def test_what_is_about_pre_training_alone_changes_no_bit_of_a_score(options: dict[str, Any]) -> None:
    base, other = own(), own(stirred=False, **options)
    batch = batch_of(base)
    other.load_state_dict(base.state_dict(), strict=False)
    assert torch.equal(other(*batch), base(*batch))


def test_pooling_over_one_word_is_that_word() -> None:
    """All ways of pooling are the same where there is one state."""
    scores = []
    for pooling in ("cls", "average", "attention"):
        model = own(stirred=False, pooling=pooling)
        model.load_state_dict(own().state_dict(), strict=False)
        ids = torch.tensor([[5, 0, 0]])
        scores.append(model.encoder(ids, torch.zeros_like(ids))[1])
    assert same(scores[0], scores[1])
    assert same(scores[0], scores[2])


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({}, ["block", "head"]),
        ({"masking": False}, ["block", "head"]),
        ({"alpha": 0}, ["block", "head"]),
        ({"generation": False}, ["head"]),
        ({"masking": False, "generation": False}, []),
        ({"pretrain": 0}, []),
    ],
    ids=str,
)
def test_stages_are_there_for_what_there_is_to_learn(options: dict[str, Any], parts: list[str]) -> None:
    model = own(**options)
    names = [name for name, _ in model.named_parameters() if name.startswith("behaviours.")]
    assert {name.split(".")[1] for name in names} == set(parts)
    assert [stage.reads for stage in model.stages()] == ([2] if parts else [])
    assert (model.masking is None) == (not options.get("alpha", 1) or options.get("masking") is False)


def test_gradients_reach_all_that_pre_training_is_about(kind: Any) -> None:
    model = kind()
    pre_training(model, batch_of(model).rows([1, 2, 3, 4])).backward()
    trained = {id(parameter) for group in model.groups(1.0) for parameter in group["params"]}
    for name, parameter in model.named_parameters():
        reached = parameter.grad is not None and bool(parameter.grad.abs().max() > 0)
        assert reached == (id(parameter) in trained and name != "nobody") or name.endswith("key.bias"), name


def test_generation_reaches_the_encoder_through_the_reader_and_the_words_alone() -> None:
    model = own(masking=False)
    batch = batch_of(model).rows([1, 2])
    assert model.behaviours is not None
    history = batch.requests.history
    ids = joined(batch.contents.title[history], history > 0, 1, 14, tight=True)[0]
    added = torch.zeros(*ids.shape, model.encoder.words.width)
    model.behaviours.of_following(model.encoder.words, torch.zeros(2, 8), ids, added).backward()
    reached = {name for name, p in model.encoder.named_parameters() if p.grad is not None and p.grad.any()}
    assert reached == {"words.table.weight", "words.places", "words.norm.weight", "words.norm.bias"}


def test_pre_training_draws_from_the_models_generator(kind: Any) -> None:
    model = kind().train()
    batch = batch_of(model).rows([1, 2, 3])
    generator = torch.Generator()
    for part in model.modules():
        if isinstance(part, Drawing):
            part.generator = generator
    made = []
    before = torch.get_rng_state()
    for seed in (5, 5, 6):
        generator.manual_seed(seed)
        made.append(float(pre_training(model, batch).detach()))
    assert torch.equal(torch.get_rng_state(), before)
    assert made[0] == made[1] != made[2]


def test_words_that_came_later_are_read_and_not_asked_for() -> None:
    model = own(alpha=1.0, replace="mask")
    batch = batch_of(model).rows([1, 2])
    table = model.encoder.words.table
    assert isinstance(table, WordTable)
    known = float(pre_training(model, batch).detach())
    table.grow(torch.randn(3, table.width))
    title = batch.contents.title.clone()
    title[:, 1] = torch.where(title[:, 1] == model.marks.end, title[:, 1], WORDS + 2)
    other = batch._replace(contents=batch.contents.replaced(title=title))
    assert np.isfinite(float(pre_training(model, other).detach()))
    assert float(pre_training(model, other).detach()) != known
    assert not torch.equal(model(*other), model(*batch))


def test_the_order_of_reads_matters(kind: Any) -> None:
    model = kind()
    batch = batch_of(model).rows([1])
    few = batch.reads([0, 1])
    assert not same(model(*few.reads([1, 0])), model(*few))


@pytest.mark.parametrize("layers", [0, 1, LAYERS])
def test_the_language_model_s_last_layers_have_a_rate_of_their_own(bert: Path, layers: int) -> None:
    for siamese in (True, False):
        model = over(bert, layers_trained=layers, plm_rate=0.5, siamese=siamese)
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        rates = {names[id(parameter)]: group["lr"] for group in model.groups(0.25) for parameter in group["params"]}
        assert rates.keys() == {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        assert {name for name, rate in rates.items() if rate == 0.5} == {name for name in rates if ".words." in name}
        assert bool(layers) == any(".words." in name for name in rates)
        assert any("apart.words." in name for name in rates) == (bool(layers) and not siamese)


# --- what it cannot be ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "max"}, "pooling is 'max', none of 'cls', 'average', 'attention'"),
        ({"siamese": 1}, "siamese is 1, none of True, False"),
        ({"replace": "none"}, "replace is 'none'"),
        ({"masking": "no"}, "masking is 'no'"),
        ({"generation": None}, "generation is None"),
        ({"continual": 0}, "continual is 0"),
        ({"pretrain": -1}, "pretrain is -1, not a whole number of 0 or more"),
        ({"pretrain": True}, "pretrain is True"),
        ({"alpha": 1.5}, "alpha is 1.5, not a share from 0 to 1"),
        ({"alpha": float("nan")}, "alpha is nan"),
        ({"beta": "much"}, "beta is 'much'"),
        ({"layers_trained": -1}, "layers_trained is -1"),
    ],
)
def test_keywords_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PUNROptions(**options)


def test_what_it_cannot_read_with_is_refused(bert: Path) -> None:
    with pytest.raises(ValueError, match="PUNR reads with a language model, not with a WordTable"):
        PUNR(SIZE, WordTable(WORDS, 8))
    with pytest.raises(
        SpecError, match="needs a language model with tokens for the beginning, the end and a hidden word"
    ):
        PUNR(SIZE, LanguageModel(str(bert), None))

    class Narrow(Transformer):
        def embedded(self, ids: Tensor, added: Tensor) -> Tensor:
            return super().embedded(ids, added)[..., :3]

    class Broken(Transformer):
        def embedded(self, ids: Tensor, added: Tensor) -> Tensor:
            raise TypeError("no such argument")

    for odd, message in ((Narrow, "its embeddings are 3 wide"), (Broken, "no such argument")):
        with pytest.raises(SpecError, match=rf"cannot tell this language model .*{message}.*; give one like BERT"):
            PUNR(SIZE, odd(WordTable(WORDS, 8), SIZE, own().marks))


def test_full_size_has_the_published_number_of_weights() -> None:
    """The decoder's block of 7,087,872 without its last norm, and 50 segments of BERT base's width."""
    with torch.device("meta"):
        size = replace(PUNR.sizes["paper"], word=768, heads=12, head=64)
        words = Transformer(WordTable(10, 768), size, own().marks)
        model = PUNR(size, words)
    assert model.behaviours is not None
    assert model.behaviours.block is not None
    block = sum(p.numel() for name, p in model.behaviours.block.named_parameters() if "last_norm" not in name)
    assert (block, model.encoder.segments.numel()) == (7_087_872, 38_400)


def test_a_padded_batch_of_readers_has_no_reader_more() -> None:
    """A reader who has read nothing is the learned one, whatever stands in the places."""
    model = own()
    batch = batch_of(model)
    assert isinstance(batch.requests, Inputs)
    readers = model.scores(model.encode(batch.contents), batch.requests, batch.contents)[0][0]
    assert torch.equal(readers[0], model.nobody)
    assert not torch.equal(readers[1], model.nobody)

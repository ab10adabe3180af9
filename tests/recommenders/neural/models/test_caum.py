import math

import pytest
import torch

from newsreplay.recommenders.neural.models import caum
from newsreplay.recommenders.neural.models.caum import CAUM, exponentials
from newsreplay.recommenders.neural.models.layers import Dropout, NameTable, WordTable, masked_softmax
from tests.naive import neural_aware as naive
from tests.recommenders.neural.models.aware_batches import batch, made, scores

TINY = CAUM.sizes["tiny"]


@pytest.mark.parametrize("neighbours", ["zero", "wrap"])
@pytest.mark.parametrize("attention", ["code", "paper"])
@pytest.mark.parametrize("training", [False, True])
def test_scores_are_those_of_the_equations(neighbours, attention, training):
    model, some = made(CAUM, neighbours=neighbours, attention=attention), batch(TINY)
    if training:
        without_noise(model.train())
        model.interest.about_as_long = 2
    expected = naive.caum(
        model,
        TINY,
        some.contents,
        some.requests,
        wrap=neighbours == "wrap",
        paper=attention == "paper",
    )
    torch.testing.assert_close(scores(model, some).double(), torch.from_numpy(expected), rtol=1e-5, atol=1e-5)


def without_noise(model):
    for module in model.modules():
        if isinstance(module, Dropout):
            module.share = 0.0
        elif isinstance(module, NameTable):
            module.unknown = 0.0


def test_the_reads_count_as_much_as_the_equations_say(monkeypatch):
    model, some = made(CAUM), batch(TINY)
    kept = []

    def kept_softmax(logits, mask):
        kept.append(masked_softmax(logits, mask))
        return kept[-1]

    monkeypatch.setattr(caum, "masked_softmax", kept_softmax)
    scores(model, some)
    (shares,) = kept  # [R, W, H]
    real = (some.requests.history > 0).unsqueeze(1)
    assert not shares.masked_select(~real).any()
    torch.testing.assert_close(shares.sum(-1), torch.tensor([1.0, 1, 1, 0]).unsqueeze(1).expand(4, 3))
    w = naive.weights(model)
    articles = [naive.caum_article(w, TINY, some.contents, article) for article in range(20)]
    _, expected = naive.caum_reader(w, TINY, articles[4:9], articles[13], wrap=False, paper=False)
    assert shares[1, 0].tolist() == pytest.approx(expected, abs=1e-5)
    assert max(expected) - min(expected) > 0.01


@pytest.mark.parametrize("neighbours", ["zero", "wrap"])
def test_the_order_of_what_was_read_matters(neighbours):
    model, some = made(CAUM, neighbours=neighbours), batch(TINY)
    shuffled = some.reads([1, 0, 2, 3, 4])
    assert (scores(model, some)[1] - scores(model, shuffled)[1]).abs().min() > 1e-3
    rolled = scores(model, some.reads([4, 0, 1, 2, 3]))[1]
    # rolled all around, every article keeps its neighbours if they wrap
    assert torch.allclose(rolled, scores(model, some)[1], atol=1e-5) == (neighbours == "wrap")


def test_a_candidate_changes_the_reader():
    model, some = made(CAUM), batch(TINY)
    with torch.no_grad():
        vectors = model.encode(some.contents)
        readers, *_ = model.scores(vectors, some.requests)
        reader, _ = model.interest(readers, model.offer(vectors)[some.requests.pool])
    assert (reader[:3, 0] - reader[:3, 1]).abs().amax(-1).min() > 1e-3


def test_many_readers_are_worked_on_in_stretches_with_the_same_result():
    model, some = made(CAUM), batch(TINY)
    together = scores(model, some)
    model.interest.values_on_cpu = 1
    torch.testing.assert_close(scores(model, some), together)


def test_exponentials_survive_any_logits():
    logits = torch.tensor([[1e4, -1e4, 0.0], [0.0, 1.0, 5.0], [3.0, 2.0, 1.0]])
    mask = torch.tensor([[True, True, True], [True, True, False], [False, False, False]])
    powers = exponentials(logits, mask, -1)
    assert powers[0].tolist() == [1, pytest.approx(4.25e-18, rel=1e-2), pytest.approx(4.25e-18, rel=1e-2)]
    assert powers[1, 0] / powers[1, 1] == pytest.approx(math.exp(-1))
    assert powers[1, 2] == 0
    assert not powers[2].any()
    assert powers[0].amin() ** 2 > 1e-36  # what `CandidateAware` divides by at least


def test_it_is_as_large_as_published():
    size = CAUM.sizes["paper"]
    model = CAUM(size, WordTable(2, size.word))
    tables = sum(w.weight.numel() for w in (model.articles.words, model.articles.entities, model.articles.categories))
    # the release has a bias after each of the two poolings, which cancels in their softmax; it has no vector for nobody
    assert sum(p.numel() for p in model.parameters()) - tables - size.filters + 2 == 2_979_815


@pytest.mark.parametrize("options", [{"neighbours": "none"}, {"attention": "mine"}])
def test_an_unknown_option_is_refused(options):
    with pytest.raises(ValueError, match=r"neither '(zero|code)' nor '(wrap|paper)'"):
        made(CAUM, **options)

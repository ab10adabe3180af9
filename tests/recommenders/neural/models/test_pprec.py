import torch

from newsreplay.recommenders.neural.models.layers import WordTable
from newsreplay.recommenders.neural.models.pprec import PPRec
from tests.naive import neural_aware as naive
from tests.recommenders.neural.models.aware_batches import batch, made, scores
from tests.recommenders.neural.models.batches import PER_CANDIDATE

TINY = PPRec.sizes["tiny"]
NAN = float("nan")


def constant(model, part, value):
    """Let the last of these linear layers answer this, whatever it is shown."""
    with torch.no_grad():
        part[-1].weight.zero_()
        part[-1].bias.fill_(value)
    return model


def oldest_has(some, rate):
    """The same with another click rate of the oldest read."""
    rates = some.requests.history_signals.rate.clone()
    rates[:, 0] = rate
    return some.told("history_signals", rate=rates)


def test_scores_are_those_of_the_equations():
    model, some = made(PPRec), batch(TINY)
    expected = naive.pprec(model, TINY, some.contents, some.requests)
    torch.testing.assert_close(scores(model, some).double(), torch.from_numpy(expected), rtol=1e-5, atol=1e-5)


def test_how_popular_what_was_read_is_now_changes_the_reader():
    model, some = made(PPRec), batch(TINY)
    changed = (scores(model, oldest_has(some, 0.99)) != scores(model, some)).all(1)
    assert changed.tolist() == [True, True, False, False]  # of one read there is nothing to weigh


def test_bins_of_rates_are_of_half_a_percent_and_the_last_holds_all_beyond():
    model, some = made(PPRec), batch(TINY)

    def at(rate):
        return scores(model, oldest_has(some, rate))[:2]

    assert torch.equal(at(0.0101), at(0.0149))
    assert not torch.equal(at(0.0149), at(0.0151))
    assert torch.equal(at(0.996), at(1.0))
    assert torch.equal(at(NAN), at(0.0))


def test_a_reader_who_goes_by_popularity_alone_gets_the_same_scores_as_any_other():
    model = made(PPRec)
    constant(model, model.reliance, -100.0)
    some = batch(TINY)
    same = some.each(PER_CANDIDATE, lambda part: part[:1].expand(4, *part.shape[1:]))
    torch.testing.assert_close(scores(model, same), scores(model, same)[:1].expand(4, 3))
    constant(model, model.reliance, 100.0)
    assert not torch.allclose(scores(model, same)[0], scores(model, same)[1])


def test_a_reader_who_goes_by_interest_alone_does_not_see_popularity():
    model = made(PPRec)
    constant(model, model.reliance, 100.0)
    some = batch(TINY)
    assert torch.equal(scores(model, some.told(rate=0.5)), scores(model, some))
    assert torch.equal(scores(model, some.told(age=3.0)), scores(model, some))


def test_the_rate_of_clicks_counts_by_its_weight():
    model = made(PPRec)
    constant(model, model.reliance, -100.0)
    with torch.no_grad():
        model.rate.fill_(19.0)
    some = batch(TINY)
    more = scores(model, some.told(rate=0.3)) - scores(model, some.told(rate=0.1))
    torch.testing.assert_close(more, torch.full((4, 3), 2 * 19 * 0.2), rtol=1e-4, atol=0)
    assert torch.equal(scores(model, some.told(rate=NAN)), scores(model, some.told(rate=0.0)))


def test_ages_are_of_two_hours_and_the_last_holds_all_beyond():
    model, some = made(PPRec), batch(TINY)

    def at(hours):
        return scores(model, some.told(age=hours))

    assert torch.equal(at(2.0), at(3.0))
    assert not torch.equal(at(3.0), at(4.0))
    assert not torch.equal(at(2997.0), at(2998.0))
    assert torch.equal(at(2998.0), at(1e6))
    assert torch.equal(at(NAN), at(1.0))


def test_the_sizes_of_the_paper():
    size = PPRec.sizes["paper"]
    model = PPRec(size, WordTable(2, size.word))
    shapes = {name: tuple(value.shape) for name, value in model.named_parameters()}
    assert shapes["popularity.weight"] == (200, 400)
    assert shapes["age.weight"] == (1500, 100)
    assert shapes["suited.merge.weight"] == (400, 1000)
    assert shapes["suited.title.other.keys.weight"] == (2 * 5 * 40, 100)
    assert [shapes[f"content.{place}.weight"] for place in (0, 2, 4, 6)] == [
        (256, 400),
        (256, 256),
        (128, 256),
        (1, 128),
    ]
    assert [shapes[f"recency.{place}.weight"] for place in (0, 2, 4)] == [(64, 100), (64, 64), (1, 64)]
    assert model.rate.item() == 19

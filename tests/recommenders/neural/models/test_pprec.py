import torch
from torch import nn

from newsreplay.recommenders.neural.models.layers import WordTable
from newsreplay.recommenders.neural.models.model import AGE, RATE
from newsreplay.recommenders.neural.models.pprec import PPRec
from tests.naive import neural_aware as naive
from tests.recommenders.neural.models.aware_batches import batch, fitted, made, without_gradient

TINY = PPRec.sizes["tiny"]
NAN = float("nan")


def scores(model, some):
    with torch.no_grad():
        return model(*some)


def constant(model, part, value):
    """Let the last of these linear layers answer this, whatever it is shown."""
    with torch.no_grad():
        part[-1].weight.zero_()
        part[-1].bias.fill_(value)
    return model


def with_signal(some, column, value):
    signals = some.signals.clone()
    signals[..., column] = value
    return some._replace(signals=signals)


def test_scores_are_those_of_the_equations():
    model, some = made(PPRec), batch(TINY)
    expected = naive.pprec(model, TINY, some.contents, *(column.numpy() for column in some[1:5]))
    torch.testing.assert_close(scores(model, some).double(), torch.from_numpy(expected), rtol=1e-5, atol=1e-5)


def test_the_order_of_what_was_read_does_not_matter():
    model, some = made(PPRec), batch(TINY)
    order = [1, 4, 2, 0, 3]
    shuffled = some._replace(history=some.history[:, order], history_signals=some.history_signals[:, order])
    torch.testing.assert_close(scores(model, shuffled), scores(model, some))


def test_how_popular_what_was_read_is_now_changes_the_reader():
    model, some = made(PPRec), batch(TINY)
    read = some.history_signals.clone()
    read[:, 0, RATE] = 0.99
    changed = (scores(model, some._replace(history_signals=read)) != scores(model, some)).all(1)
    assert changed.tolist() == [True, True, False, False]  # of one read there is nothing to weigh


def test_bins_of_rates_are_of_half_a_percent_and_the_last_holds_all_beyond():
    model, some = made(PPRec), batch(TINY)

    def at(rate):
        read = some.history_signals.clone()
        read[:, 0, RATE] = rate
        return scores(model, some._replace(history_signals=read))[:2]

    assert torch.equal(at(0.0101), at(0.0149))
    assert not torch.equal(at(0.0149), at(0.0151))
    assert torch.equal(at(0.996), at(1.0))
    assert torch.equal(at(NAN), at(0.0))


def test_a_reader_who_goes_by_popularity_alone_gets_the_same_scores_as_any_other():
    model = made(PPRec)
    constant(model, model.reliance, -100.0)
    some = batch(TINY)
    same = some._replace(pool=some.pool[:1].expand(4, 3), signals=some.signals[:1].expand(4, 3, 5))
    torch.testing.assert_close(scores(model, same), scores(model, same)[:1].expand(4, 3))
    constant(model, model.reliance, 100.0)
    assert not torch.allclose(scores(model, same)[0], scores(model, same)[1])


def test_a_reader_who_goes_by_interest_alone_does_not_see_popularity():
    model = made(PPRec)
    constant(model, model.reliance, 100.0)
    some = batch(TINY)
    assert torch.equal(scores(model, with_signal(some, RATE, 0.5)), scores(model, some))
    assert torch.equal(scores(model, with_signal(some, AGE, 3.0)), scores(model, some))


def test_the_rate_of_clicks_counts_by_its_weight():
    model = made(PPRec)
    constant(model, model.reliance, -100.0)
    with torch.no_grad():
        model.rate.fill_(19.0)
    some = batch(TINY)
    more = scores(model, with_signal(some, RATE, 0.3)) - scores(model, with_signal(some, RATE, 0.1))
    torch.testing.assert_close(more, torch.full((4, 3), 2 * 19 * 0.2), rtol=1e-4, atol=0)
    assert torch.equal(scores(model, with_signal(some, RATE, NAN)), scores(model, with_signal(some, RATE, 0.0)))


def test_ages_are_of_two_hours_and_the_last_holds_all_beyond():
    model, some = made(PPRec), batch(TINY)

    def at(hours):
        return scores(model, with_signal(some, AGE, hours))

    assert torch.equal(at(2.0), at(3.0))
    assert not torch.equal(at(3.0), at(4.0))
    assert not torch.equal(at(2997.0), at(2998.0))
    assert torch.equal(at(2998.0), at(1e6))
    assert torch.equal(at(NAN), at(1.0))


def test_a_score_depends_on_no_other_candidate_reader_or_pad():
    model, some = made(PPRec), batch(TINY)
    together = scores(model, some)
    for row in range(4):
        alone = some._replace(
            history=nn.functional.pad(some.history[row : row + 1], (0, 2)),
            history_signals=nn.functional.pad(some.history_signals[row : row + 1], (0, 0, 0, 2), value=NAN),
            pool=some.pool[row : row + 1, 1:2],
            signals=some.signals[row : row + 1, 1:2],
            user=some.user[row : row + 1],
        )
        torch.testing.assert_close(scores(model, alone), together[row : row + 1, 1:2])


def test_padding_of_titles_and_entities_says_nothing():
    model, some = made(PPRec), batch(TINY)
    longer = some._replace(
        contents=some.contents._replace(
            title=nn.functional.pad(some.contents.title, (0, 3)),
            entities=nn.functional.pad(some.contents.entities, (0, 2)),
        )
    )
    torch.testing.assert_close(scores(model, longer), scores(model, some))


def test_a_batch_is_learned_by_heart():
    torch.manual_seed(1)
    model = PPRec(TINY, WordTable(30, TINY.word)).eval()
    assert fitted(model, TINY, steps=25, rate=0.03) == 1


def test_every_parameter_learns():
    assert without_gradient(made(PPRec), TINY) == set()


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

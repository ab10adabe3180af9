import math

import pytest
import torch

from newsreplay.recommenders.neural.models.awrs import AWRS, Engagement, Time2Vec
from newsreplay.recommenders.neural.models.caum import CAUM
from newsreplay.recommenders.neural.models.fields import Columns
from newsreplay.recommenders.neural.models.layers import WordTable
from newsreplay.recommenders.neural.stream.signals import COUNTED
from tests.naive import neural_aware as naive
from tests.recommenders.neural.models.aware_batches import batch, made, scores

TINY = AWRS.sizes["tiny"]
NAN = float("nan")
SIGNALS = ("signals", "history_signals")


def index(engagement, exposure, avoidance):
    return engagement(shown(torch.tensor(exposure), torch.tensor(avoidance))).item()


def shown(exposure, avoidance):
    return Columns(("exposure", "avoidance"), torch.stack([exposure, avoidance], -1))


def rows(signals):
    """[..., n] → [rows, n]"""
    return signals.each(lambda values: values.flatten(0, -2))


@pytest.mark.parametrize("quantiser", ["paper", "equal_width"])
@pytest.mark.parametrize(("times", "clicks"), [("logspace", "log1p"), ("paper", "raw")])
def test_scores_are_those_of_the_equations(quantiser, times, clicks):
    model, some = made(AWRS, bins=4, quantiser=quantiser, time2vec=times, clicks=clicks), batch(TINY)
    expected = naive.awrs(
        model,
        TINY,
        some.contents,
        some.requests,
        bins=4,
        quantiser=quantiser,
        times=times,
        log=clicks == "log1p",
    )
    torch.testing.assert_close(scores(model, some).double(), torch.from_numpy(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("quantiser", "expected"), [("paper", 12), ("equal_width", 13), ("quantile", 13)])
def test_the_index_of_half_exposure_and_avoidance_of_six_tenths(quantiser, expected):
    assert index(Engagement(5, quantiser), 0.5, 0.6) == expected


@pytest.mark.parametrize("quantiser", ["paper", "equal_width", "quantile"])
@pytest.mark.parametrize("bins", [1, 2, 5, 7])
def test_the_index_is_below_the_square_of_the_bins_and_that_where_unknown(quantiser, bins):
    engagement = Engagement(bins, quantiser)
    known = torch.rand(2, 1000, generator=torch.Generator().manual_seed(1))
    known[:, 0], known[:, 1] = 0, 1
    known = shown(*known)
    engagement.fit(known)
    assert engagement(known).min() == 0
    assert engagement(known).max() == bins**2 - 1
    assert index(engagement, NAN, NAN) == index(engagement, NAN, 0.5) == index(engagement, 0.5, NAN) == bins**2


@pytest.mark.parametrize("quantiser", ["paper", "equal_width"])
@pytest.mark.parametrize("bins", [1, 2, 5, 8])
def test_the_index_is_that_of_the_formula(quantiser, bins):
    engagement = Engagement(bins, quantiser)
    for exposure in (0.0, 0.01, 0.3, 0.62, 0.99, 1.0):
        for avoidance in (0.0, 0.11, 0.51, 0.96, 1.0):
            expected = naive.engagement_index(exposure, avoidance, bins, quantiser)
            assert index(engagement, exposure, avoidance) == expected


def test_quantiles_of_the_warm_up_cut_it_into_equal_parts():
    engagement = Engagement(4, "quantile")
    shuffled = torch.randperm(4000, generator=torch.Generator().manual_seed(2)) / 4000
    warm = shown(shuffled**3, 1 - shuffled.flip(0) / 20)  # exposures are mostly close to 0
    assert engagement(warm).bincount().max() > 2000
    engagement.fit(warm.each(lambda values: torch.cat([values, torch.full((500, 2), NAN)])))
    exposure, avoidance = engagement(warm) // 4, engagement(warm) % 4
    assert exposure.bincount().tolist() == avoidance.bincount().tolist() == [1000] * 4


def test_quantiles_belong_to_the_saved_model_and_only_calibrate_changes_them():
    model, some = made(AWRS), batch(TINY)
    before = scores(model, some)
    model.calibrate(rows(some.requests.signals), first=True)
    after = scores(model, some)
    assert not torch.equal(after, before)
    other = made(AWRS, seed=8)
    other.load_state_dict(model.state_dict())
    assert torch.equal(scores(other, some), after)
    for fixed in ("paper", "equal_width"):
        model = made(AWRS, quantiser=fixed)
        before = scores(model, some)
        model.calibrate(rows(some.requests.signals), first=True)
        assert torch.equal(scores(model, some), before)


def tied():
    """Signals of which more than half are the smallest, and many others the same."""
    exposure = torch.tensor([0.1] * 6 + [0.2] * 3 + [0.5])
    avoidance = torch.tensor([0.5] + [0.9] * 4 + [1.0] * 5)
    return shown(exposure, avoidance)


def test_equal_quantiles_are_one_edge_and_the_smallest_value_is_none():
    engagement = Engagement(5, "quantile")
    engagement.fit(tied())
    # at 2, 4, 6 and 8 of 10 in order: 0.1, 0.1, 0.2, 0.2 and 0.9, 0.9, 1, 1
    assert engagement.edges.tolist() == torch.tensor([[0.2, *3 * [math.inf]], [0.9, 1, math.inf, math.inf]]).tolist()
    assert engagement(tied()).tolist() == [0, 1, 1, 1, 1, 2, 7, 7, 7, 7]  # 5 times the bin of exposure, and the other
    engagement.fit(shown(torch.full((9,), 0.3), torch.linspace(0, 1, 9)))
    assert engagement.edges[0].tolist() == 4 * [math.inf]  # a value that never varies has one bin


def test_a_value_equal_to_an_edge_has_the_bin_above_it():
    engagement = Engagement(5, "quantile")
    engagement.fit(tied())
    just_below = 0.2 - 1e-7
    assert [index(engagement, value, 0.6) for value in (just_below, 0.2, 0.21)] == [0, 5, 5]
    assert [index(engagement, 0.1, value) for value in (0.899, 0.9, 0.999, 1.0)] == [0, 1, 1, 2]


def test_edges_are_fitted_anew_before_a_later_training_unless_they_are_fixed():
    signals, later = tied(), shown(torch.rand(50), torch.rand(50))
    for edges, moves in (("refitted", True), ("fixed", False)):
        model = made(AWRS, edges=edges)
        model.calibrate(signals, first=True)
        assert model.index.edges[0, 0] == torch.tensor(0.2)
        kept = model.index.edges.clone()
        model.calibrate(later, first=False)
        assert torch.equal(model.index.edges, kept) != moves
        fresh = Engagement(5, "quantile")
        fresh.fit(later)
        assert torch.equal(model.index.edges, fresh.edges) == moves


def test_nothing_to_take_quantiles_of_changes_nothing():
    engagement = Engagement(5, "quantile")
    engagement.fit(shown(*torch.full((2, 10), NAN)))
    assert index(engagement, 0.5, 0.6) == 13


@pytest.mark.parametrize("options", [{}, {"neighbours": "wrap"}, {"attention": "paper"}])
def test_without_its_modules_it_is_caum_to_the_bit(options):
    model, some = made(CAUM, **options), batch(TINY)
    bare = AWRS(TINY, WordTable(30, TINY.word), avoidance=False, relevance=False, **options).eval()
    bare.load_state_dict(model.state_dict())
    assert torch.equal(scores(bare, some), scores(model, some))


def test_so_it_is_with_one_bin_whose_row_is_zero():
    model, some = made(AWRS, bins=1, relevance=False), batch(TINY)
    with torch.no_grad():
        model.engagement.weight[0] = 0
    known = some.each(SIGNALS, lambda values: values.nan_to_num(0.5))
    at_first = scores(model, known)
    # counters no longer matter, and 416 - 400 columns that meet nothing but zeros can go
    assert torch.equal(scores(model, known.each(["signals"], lambda values: values / 2)), at_first)
    bare = AWRS(TINY, WordTable(30, TINY.word), avoidance=False, relevance=False).eval()
    width, with_ = TINY.filters, TINY.filters + 16
    state = {}
    for name, value in model.state_dict().items():
        if name in ("engagement.weight", "index.edges"):
            continue
        if name in ("interest.local.weight", "interest.join.weight", "interest.dense.0.weight"):
            value = value.view(len(value), -1, with_)[:, :, :width].flatten(1)
        elif name.startswith("interest.fuse") or name == "interest.nobody":
            value = value[:width]
        state[name] = value
    bare.load_state_dict(state)
    with torch.no_grad():  # what `fuse` makes of the 16 columns meets zero in the score, but not in `dense`
        model.interest.fuse.weight[width:] = 0
        model.interest.fuse.bias[width:] = 0
    torch.testing.assert_close(scores(model, known), scores(bare, known))


def test_what_was_shown_matters_for_candidates_and_for_what_was_read():
    model, some = made(AWRS), batch(TINY)
    before = scores(model, some)
    offered = scores(model, some.told(exposure=0.9, avoidance=0.1))
    read = scores(model, some.told("history_signals", exposure=0.9, avoidance=0.1))
    assert (offered - before).abs().amax(1).min() > 1e-3
    assert (read - before)[:2].abs().amax(1).min() > 1e-3
    assert torch.equal(read[3], before[3])  # has read nothing


def test_an_article_never_shown_has_a_row_of_its_own():
    model, some = made(AWRS, relevance=False), batch(TINY)
    new = some.each(["signals"], lambda values: torch.full_like(values, NAN))
    low = some.each(["signals"], torch.zeros_like)
    assert (scores(model, new) - scores(model, low))[:3].abs().amax(1).min() > 1e-3
    with torch.no_grad():
        model.engagement.weight[25] = model.engagement.weight[0]
    torch.testing.assert_close(scores(model, new), scores(model, low))


def test_signals_that_say_nothing_give_finite_scores():
    model, some = made(AWRS), batch(TINY)
    assert scores(model, some.each(SIGNALS, lambda values: torch.full_like(values, NAN))).isfinite().all()


def test_clicks_alone_rank_by_clicks():
    model, some = made(AWRS), batch(TINY)
    with torch.no_grad():
        model.relevance.weight.copy_(torch.tensor([0.3, 0.0]))
        model.mix.weight.zero_()
        model.mix.bias.fill_(-100)  # η = 0
    assert torch.equal(scores(model, some).argsort(1), some.requests.signals.clicks.argsort(1))


def test_raw_clicks_saturate_where_their_logarithm_still_ranks():
    some = batch(TINY).told(clicks=torch.tensor([100.0, 200.0, 400.0]))
    for clicks, distinct in (("raw", 1), ("log1p", 3)):
        model = made(AWRS, clicks=clicks)
        with torch.no_grad():
            model.relevance.weight.copy_(torch.tensor([0.5, 0.0]))
            model.mix.weight.zero_()
            model.mix.bias.fill_(-100)
        assert len(scores(model, some)[0].unique()) == distinct


@pytest.mark.parametrize("times", ["logspace", "paper"])
def test_only_the_first_component_of_time_is_linear(times):
    time = Time2Vec(12, times)
    with torch.no_grad():
        vectors = time(torch.arange(0.0, 2000, 10))
    steps = vectors[1:] - vectors[:-1]
    torch.testing.assert_close(steps[:, 0], steps[:1, 0].expand(199), rtol=0, atol=1e-2 * abs(steps[0, 0].item()))
    assert vectors[:, 1:].abs().max() <= 1
    assert (steps[:, 1:].std(0) > 1e-3).all()


def test_logspaced_frequencies_reach_from_an_hour_to_a_month():
    rates = Time2Vec(400, "logspace").rate.detach()[1:]
    assert rates[0] == 1
    assert rates[-1].item() == pytest.approx(1 / 720)
    ratios = rates[1:] / rates[:-1]
    torch.testing.assert_close(ratios, ratios[:1].expand(398), rtol=1e-4, atol=0)


def test_the_linear_term_is_of_days_or_hours():
    for times, unit in (("logspace", 24), ("paper", 1)):
        time = Time2Vec(3, times)
        vectors = time(torch.tensor([0.0, 48.0])).detach()
        assert (vectors[1, 0] - vectors[0, 0]).item() == pytest.approx(48 / unit * time.rate[0].item(), rel=1e-4)


def test_only_relevance_sees_age_and_clicks_and_neither_sees_the_rate():
    some = batch(TINY)
    for relevance in (False, True):
        model = made(AWRS, relevance=relevance)
        before = scores(model, some)
        for signal in ("age", "clicks", "rate"):
            more = getattr(some.requests.signals, signal) + 5
            unmoved = torch.equal(scores(model, some.told(**{signal: more})), before)
            assert unmoved == (not relevance or signal == "rate")


def test_it_is_as_large_as_published():
    size = AWRS.sizes["paper"]
    model = AWRS(size, WordTable(2, size.word))

    def count(part):
        return sum(parameter.numel() for parameter in part.parameters())

    # their self-attention has biases and an output projection, none of their tables a row for what was never shown
    assert count(model.interest) + 3 * 400 + 400 * 400 + 400 - 416 + 25 * 16 == 2_410_529
    assert count(model.relevance) - 16 == 2_837
    assert count(model.mix) == 417
    # and their articles have 692,900 parameters, with such attention over words and entities as wide as their vectors
    assert 2_410_529 + 2_837 + 417 + 692_900 == 3_106_683


@pytest.mark.parametrize(
    "options",
    [
        {"quantiser": "even"},
        {"clicks": "none"},
        {"time2vec": "none"},
        {"neighbours": "none"},
        {"bins": 0},
        {"edges": "none"},
    ],
)
def test_an_unknown_option_is_refused(options):
    with pytest.raises(ValueError, match=f"^{next(iter(options))} is "):
        made(AWRS, **options)


def test_relevance_is_between_zero_and_one():
    model = made(AWRS)
    known = Columns(COUNTED, torch.rand(50, 5) * torch.tensor([1, 1, math.e**9, 1, 2000]))
    with torch.no_grad():
        r = model.relevance(torch.randn(50, 2), model.index(known), known)
    assert r.min() >= 0
    assert r.max() <= 1

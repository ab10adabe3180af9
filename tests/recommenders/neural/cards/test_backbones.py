"""Networks that see: one that is always there, those of a folder, and one's own."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from newsreplay.errors import SpecError
from newsreplay.recommenders.neural.cards.backbones import FolderNetwork, RandomNetwork
from newsreplay.recommenders.neural.cards.features import cues_of, whole_of
from newsreplay.recommenders.neural.cards.rendering import news_card
from newsreplay.recommenders.neural.models.visual import CardWidths
from tests.recommenders.neural.cards.golden import card_of, made_up_cover
from tests.recommenders.neural.cards.small_networks import write_resnet


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_resnet(tmp_path_factory.mktemp("resnet"))


def test_the_random_network_is_the_same_whatever_is_drawn_elsewhere() -> None:
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        network = RandomNetwork()
        assert torch.equal(torch.get_rng_state(), before)
        found.append((network.digest(), cues_of(card_of("all"), network).tobytes()))
    assert found[0] == found[1]
    assert not any(parameter.requires_grad for parameter in RandomNetwork().parameters())


def test_the_random_network_sees_where_there_is_ink_and_what_colour() -> None:
    network = RandomNetwork()
    plain = whole_of(news_card("Rain", None, None), network)
    assert len(plain) == network.widths.card
    with_cover, lower = (
        whole_of(news_card(title, category, cover), network)
        for title, category, cover in (("Rain", None, made_up_cover()), (None, "Rain", None))
    )
    assert abs(plain - with_cover).max() > 0.1
    assert abs(plain - lower).max() > 0.01
    cues = cues_of(card_of("all"), network)
    assert cues.shape == (25, network.widths.cues)
    assert abs(cues[15] - cues[23]).max() > 0.1  # sky and hill


def test_a_folder_s_network_is_seen_through_its_second_stage_and_its_pooled_output(resnet: Path) -> None:
    transformers: Any = importlib.import_module("transformers")
    network = FolderNetwork(str(resnet))
    assert network.widths == CardWidths(cues=12, card=20)
    assert network.rounded
    picture = torch.rand(3, 224, 224)
    model = transformers.ResNetModel.from_pretrained(resnet).eval()
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        seen = model(((picture - mean[:, None, None]) / deviation[:, None, None])[None], output_hidden_states=True)
    assert seen.hidden_states[2].shape == (1, 12, 28, 28)
    torch.testing.assert_close(network.map(picture), seen.hidden_states[2][0])
    torch.testing.assert_close(network.whole(picture), seen.pooler_output[0, :, 0, 0])
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network.map(picture)
    assert torch.equal(rounded, network.map(picture))


def test_loading_a_network_draws_nothing_from_torch_s_generator(resnet: Path) -> None:
    before = torch.get_rng_state()
    FolderNetwork(str(resnet))
    assert torch.equal(torch.get_rng_state(), before)


def test_networks_are_told_apart(resnet: Path, tmp_path: Path) -> None:
    moved, other = shutil.copytree(resnet, tmp_path / "moved"), tmp_path / "other"
    other.mkdir()
    write_resnet(other, seed=1)
    digests = [FolderNetwork(str(folder)).digest() for folder in (resnet, moved, other)]
    assert digests[0] == digests[1] != digests[2]


def test_folders_without_such_a_network_are_refused(resnet: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is no such folder; name a folder with config"):
        FolderNetwork(str(tmp_path / "nowhere"))
    with pytest.raises(SpecError, match="has no model that can be loaded"):
        FolderNetwork(str(tmp_path))
    pickled = shutil.copytree(resnet, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(SpecError, match="has no model that can be loaded"):
        FolderNetwork(str(pickled))
    damaged = shutil.copytree(resnet, tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(SpecError, match="has no model that can be loaded"):
        FolderNetwork(str(damaged))
    foreign = shutil.copytree(resnet, tmp_path / "foreign")
    config = json.loads((foreign / "config.json").read_text())
    (foreign / "config.json").write_text(json.dumps(config | {"model_type": "odd", "auto_map": {"AutoModel": "x.Y"}}))
    with pytest.raises(SpecError, match="has no model that can be loaded"):
        FolderNetwork(str(foreign))


def test_networks_of_other_kinds_are_refused(bert: Path, resnet: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot look at a picture of 224 x 224"):
        FolderNetwork(str(bert))
    coarse = tmp_path / "coarse"
    transformers: Any = importlib.import_module("transformers")
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, patch_size=32
    )
    transformers.ViTModel(config).save_pretrained(coarse)
    with pytest.raises(SpecError, match="has no hidden state of 28 x 28 places"):
        FolderNetwork(str(coarse))


def test_without_transformers_it_is_said_what_to_install(resnet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(SpecError, match=r'needs the package transformers: pip install "newsreplay\[vision\]"'):
        FolderNetwork(str(resnet))

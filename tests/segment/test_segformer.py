"""SegFormer is an optional extra: without its package one sentence, with it a Segmenter."""
from __future__ import annotations

import importlib.util

import pytest
import torch

from core import segment
from core.errors import BadInput, MissingPackage, MissingWeights, UnknownName
from core.segment import segformer

INSTALLED = importlib.util.find_spec("transformers") is not None


def test_names_on_the_hub() -> None:
    assert segformer.repository("segformer-b0") == ("nvidia/segformer-b0-finetuned-ade-512-512", 512)
    assert segformer.repository("segformer-b5") == ("nvidia/segformer-b5-finetuned-ade-640-640", 640)


@pytest.mark.skipif(INSTALLED, reason="transformers is installed")
def test_without_the_package_one_sentence_says_what_to_install() -> None:
    assert "segformer-b0" not in segment.names()
    with pytest.raises(MissingPackage, match="pip install transformers"):
        segment.load("segformer-b0")


@pytest.mark.skipif(not INSTALLED, reason="transformers is not installed")
def test_tiny_network_keeps_the_contract() -> None:
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.manual_seed(0)
    config = SegformerConfig(id2label={0: "wall", 1: "building", 2: "sky"}, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1],
                             num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=8)
    net = SegformerForSemanticSegmentation(config)
    s = segformer.SegFormerSegmenter(net, name="tiny", fingerprint=segformer.fingerprint_of(net, "tiny"), side=64)
    assert [x.name for x in s.labels] == ["no label", "wall", "building", "sky"]
    images = torch.rand(2, 3, 48, 40) * 2 - 1
    out = s(images)
    assert out.shape == (2, 1, 16, 16)
    assert out.min() >= 1
    assert out.max() <= 3
    x = images.clone().requires_grad_(True)
    total = sum(s.scores(x, k) for k in (1, 2, 3))
    torch.testing.assert_close(total, torch.ones_like(total))
    s.scores(x, 3).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert s.features(images).shape == (2, 16)
    with pytest.raises(UnknownName):
        s.scores(images, 4)
    with pytest.raises(BadInput):
        s(images[0])


@pytest.mark.skipif(not INSTALLED, reason="transformers is not installed")
def test_offline_and_not_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_DISSECTION_OFFLINE", "1")
    with pytest.raises(MissingWeights, match="hub's cache"):
        segformer.load("segformer-b0", device="cpu")

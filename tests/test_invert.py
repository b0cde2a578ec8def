"""Photo into generator: the start, the descent, the verdict, the correction."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from core import image as pictures
from core.errors import BadFile, BadInput, MissingWeights
from core.invert import Domain, correct, invert, lost, prepare, psnr
from core.segment.base import Label
from core.training.encoder import EncoderConfig, train
from core.zoo import encoder as encoders
from core.zoo.generator import ChainGenerator
from core.zoo.proggan import ProgGANNet


@pytest.fixture(scope="module")
def generator() -> ChainGenerator:
    torch.manual_seed(3)
    net = ProgGANNet([8, 16, 16, 16, 8])  # 32 px
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.6 if parameter.ndim > 1 else 0.1)
    return ChainGenerator(net, name="tiny", fingerprint="f" * 64, z_dim=8)


def sample(generator: ChainGenerator, seed: int) -> np.ndarray:
    with torch.no_grad():
        return pictures.to_u8(generator.span(generator.z_for_seeds([seed]), None, None))[0]


def test_prepare_crops_the_centre_and_keeps_the_shape() -> None:
    photo = np.zeros((40, 100, 3), np.uint8)
    photo[:, 30:70] = 200
    out = prepare(photo, (32, 32))
    assert out.shape == (32, 32, 3)
    assert out.min() == 200
    with pytest.raises(BadInput):
        prepare(photo[..., 0], (32, 32))


def test_descent_comes_closer_to_a_sample_of_the_generator_itself(generator: ChainGenerator) -> None:
    target = sample(generator, 500)  # not among the random starts
    shots: list[int] = []
    found = invert(generator, target, layer="layer4", steps=60, preview_every=20, preview=lambda step, _: shots.append(step.step))
    assert shots == [0, 20, 40, 60]
    assert found.psnr > found.curve[0].psnr + 3
    again = pictures.to_u8(generator.tail(torch.from_numpy(found.acts), "layer4"))[0]
    np.testing.assert_array_equal(again, found.image)


def test_a_cancelled_inversion_stops(generator: ChainGenerator) -> None:
    def stop(done: int, total: int, note: str = "") -> None:
        if done >= 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        invert(generator, sample(generator, 1), layer="layer4", steps=50, report=stop)


def test_wrong_size_and_foreign_encoder_are_refused(generator: ChainGenerator) -> None:
    with pytest.raises(BadInput, match="prepare"):
        invert(generator, np.zeros((8, 8, 3), np.uint8), layer="layer4")
    foreign = encoders.Encoder(encoders.EncoderNet(32, 8, 16, 8, 8), "layer4", "other", "x")
    with pytest.raises(BadInput, match="other weights"):
        invert(generator, sample(generator, 1), layer="layer4", encoder=foreign)


def test_encoder_learns_resumes_and_survives_a_file(generator: ChainGenerator, tmp_path: Path) -> None:
    config = EncoderConfig("layer4", images=48, batch=8, width=8)
    straight = train(config, generator, tmp_path / "a")
    train(config, generator, tmp_path / "b", stop_after=24)
    resumed = train(config, generator, tmp_path / "b")
    for key, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    path = tmp_path / "e.safetensors"
    encoders.save(straight, path, layer="layer4", generator=generator.fingerprint)
    loaded = encoders.load(path)
    images = pictures.from_u8(sample(generator, 2))
    z, acts = loaded(images)
    assert z.shape == (1, 8)
    assert acts.shape == (1, 16, 8, 8)
    assert torch.allclose(acts, straight(images)[1], atol=2e-2, rtol=2e-2)
    found = invert(generator, sample(generator, 2), layer="layer4", encoder=loaded, steps=0)
    assert [s.step for s in found.curve] == [0]


def test_missing_and_damaged_encoder_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="core.training encoder"):
        encoders.load(tmp_path / "none.safetensors")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"nonsense")
    with pytest.raises(BadFile, match="bad.safetensors"):
        encoders.load(bad)


def test_correction_brings_the_kept_pixels_closer(generator: ChainGenerator) -> None:
    found = invert(generator, sample(generator, 900), layer="layer4", steps=10)
    photo = np.clip(found.target.astype(int) + 30, 0, 255).astype(np.uint8)  # a brightness the generator did not draw
    moved = type(found)(found.layer, photo, found.image, found.z, found.acts, found.curve, found.seconds)
    keep = np.ones(photo.shape[:2], bool)
    keep[8:16, 8:16] = False
    out = correct(generator, moved, found.acts, keep, steps=30)
    assert psnr(out[keep][None], photo[keep][None]) > psnr(found.image[keep][None], photo[keep][None]) + 1


class TwoLabels:
    """Bright is sky, dark is nothing."""

    name, fingerprint = "two", "2"
    labels = (Label(0, "no label", "none"), Label(1, "sky", "object"))

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return (images.mean(1, keepdim=True) > 0).long()


def test_what_the_reconstruction_loses_is_listed() -> None:
    bright, dark = np.full((4, 4, 3), 255, np.uint8), np.zeros((4, 4, 3), np.uint8)
    (row,) = lost(TwoLabels(), bright, dark)  # type: ignore[arg-type]
    assert (row.label, row.before, row.after) == ("sky", 1.0, 0.0)
    assert lost(TwoLabels(), dark, dark) == []  # type: ignore[arg-type]


def test_the_domain_threshold_splits_what_can_be_split() -> None:
    domain = Domain(inside=(18.0, 20.0, 22.0), outside=(9.0, 11.0, 12.0))
    assert 12 < domain.threshold < 18
    assert domain.verdict(19) == "in domain"
    assert domain.verdict(10) == "out of domain"

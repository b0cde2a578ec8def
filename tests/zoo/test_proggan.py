"""The generator equals the reference's: sizes, names, activations, pictures; old files too; bad files are refused."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import BadFile, BadInput, UnknownName
from core.image import to_u8
from core.zoo import proggan
from core.zoo.generator import ChainGenerator

GOLDEN = Path(__file__).parents[1] / "golden" / "proggan.npz"


@pytest.fixture(scope="module")
def g() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


def state(g: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {k[3:]: torch.from_numpy(v) for k, v in g.items() if k.startswith("sd/")}


@pytest.fixture(scope="module")
def generator(g: dict[str, np.ndarray]) -> ChainGenerator:
    return ChainGenerator(proggan.build(state(g)), name="golden", fingerprint="golden", z_dim=32)


def test_sizes_and_names_are_read_off_the_tensors(g: dict[str, np.ndarray], generator: ChainGenerator) -> None:
    assert proggan.sizes_of(state(g)) == g["sizes"].tolist()
    assert [name for name, _ in generator.net.named_children()] == g["layer_names"].tolist()
    assert [info.name for info in generator.layers] == g["layer_names"].tolist()[:-1]
    assert generator.image_size == (64, 64)
    assert {info.name: (info.units, info.size) for info in generator.layers}["layer4"] == (40, (8, 8))


def test_pictures_and_activations_equal_the_reference(g: dict[str, np.ndarray], generator: ChainGenerator) -> None:
    z = torch.from_numpy(g["z"]).flatten(1)
    with torch.no_grad():
        images = generator.span(z, None, None)
        for layer in ("layer1", "layer4", "layer6"):
            acts = generator.head(z, layer)
            np.testing.assert_allclose(acts.numpy(), g[f"act/{layer}"], atol=1e-4)
            torch.testing.assert_close(generator.tail(acts, layer), images, rtol=0, atol=0)
    np.testing.assert_allclose(images.numpy(), g["images"], atol=1e-4)
    bytes_ = to_u8(images).transpose(0, 3, 1, 2).astype(int)
    assert np.abs(bytes_ - g["images_byte"].astype(int)).max() <= 1
    assert (bytes_ != g["images_byte"]).mean() < 1e-3


def test_an_old_file_gives_the_same_picture_bit_by_bit(g: dict[str, np.ndarray], generator: ChainGenerator) -> None:
    new = state(g)
    old = dict(zip(g["old_state_keys"].tolist(), (new[k] for k in g["state_keys"].tolist()), strict=True))
    other = ChainGenerator(proggan.build(old | {"features.0.wscale.scale": torch.ones(1)}), name="o", fingerprint="o", z_dim=32)
    z = torch.from_numpy(g["z"]).flatten(1)
    torch.testing.assert_close(other.span(z, None, None), generator.span(z, None, None), rtol=0, atol=0)


def test_a_seed_is_the_same_picture_alone_and_in_a_batch(generator: ChainGenerator) -> None:
    batch = generator.z_for_seeds([3, 7, 11])
    torch.testing.assert_close(generator.z_for_seeds([7]), batch[1:2], rtol=0, atol=0)
    np.testing.assert_array_equal(batch[1].numpy(), np.random.RandomState(7).standard_normal(32).astype(np.float32))


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True, "7"])
def test_what_is_no_seed_is_refused(seed: object, generator: ChainGenerator) -> None:
    with pytest.raises(BadInput, match="seed"):
        generator.z_for_seeds([seed])  # type: ignore[list-item]


def test_an_unknown_layer_is_named_with_those_that_are_known(generator: ChainGenerator) -> None:
    with pytest.raises(UnknownName, match=r"layer99.*layer1"):
        generator.head(generator.z_for_seeds([1]), "layer99")


def test_files_that_do_not_fit_are_refused(g: dict[str, np.ndarray]) -> None:
    whole = state(g)
    missing = {k: v for k, v in whole.items() if k != "layer4.wscale.b"}
    odd = {k: v for k, v in whole.items() if not k.startswith("layer10.")}
    flat = whole | {"layer3.conv.weight": whole["layer3.conv.weight"].flatten()}
    for broken in (missing, odd, flat):
        with pytest.raises(BadFile):
            proggan.build(broken)

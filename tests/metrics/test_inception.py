"""Inception v3 for the FID: read from the user's file, under the published names and shapes."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core import store
from core.errors import BadFile
from core.metrics import inception
from core.metrics.frechet import frechet

A = ((192, 32), (256, 64), (288, 64))


def shapes() -> dict[str, tuple[int, ...]]:
    """Convolutions of the published network: (out, in, h, w). Szegedy et al. 2016, figures 5 to 7."""
    out: dict[str, tuple[int, ...]] = {
        "Conv2d_1a_3x3": (32, 3, 3, 3), "Conv2d_2a_3x3": (32, 32, 3, 3), "Conv2d_2b_3x3": (64, 32, 3, 3),
        "Conv2d_3b_1x1": (80, 64, 1, 1), "Conv2d_4a_3x3": (192, 80, 3, 3),
        "Mixed_6a.branch3x3": (384, 288, 3, 3), "Mixed_6a.branch3x3dbl_1": (64, 288, 1, 1),
        "Mixed_6a.branch3x3dbl_2": (96, 64, 3, 3), "Mixed_6a.branch3x3dbl_3": (96, 96, 3, 3),
        "Mixed_7a.branch3x3_1": (192, 768, 1, 1), "Mixed_7a.branch3x3_2": (320, 192, 3, 3),
        "Mixed_7a.branch7x7x3_1": (192, 768, 1, 1), "Mixed_7a.branch7x7x3_2": (192, 192, 1, 7),
        "Mixed_7a.branch7x7x3_3": (192, 192, 7, 1), "Mixed_7a.branch7x7x3_4": (192, 192, 3, 3)}
    for name, (n, pool) in zip(("Mixed_5b", "Mixed_5c", "Mixed_5d"), A, strict=True):
        out |= {f"{name}.{k}": v for k, v in {
            "branch1x1": (64, n, 1, 1), "branch5x5_1": (48, n, 1, 1), "branch5x5_2": (64, 48, 5, 5),
            "branch3x3dbl_1": (64, n, 1, 1), "branch3x3dbl_2": (96, 64, 3, 3), "branch3x3dbl_3": (96, 96, 3, 3),
            "branch_pool": (pool, n, 1, 1)}.items()}
    for name, c in zip(("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), (128, 160, 160, 192), strict=True):
        out |= {f"{name}.{k}": v for k, v in {
            "branch1x1": (192, 768, 1, 1), "branch7x7_1": (c, 768, 1, 1), "branch7x7_2": (c, c, 1, 7), "branch7x7_3": (192, c, 7, 1),
            "branch7x7dbl_1": (c, 768, 1, 1), "branch7x7dbl_2": (c, c, 7, 1), "branch7x7dbl_3": (c, c, 1, 7),
            "branch7x7dbl_4": (c, c, 7, 1), "branch7x7dbl_5": (192, c, 1, 7), "branch_pool": (192, 768, 1, 1)}.items()}
    for name, n in zip(("Mixed_7b", "Mixed_7c"), (1280, 2048), strict=True):
        out |= {f"{name}.{k}": v for k, v in {
            "branch1x1": (320, n, 1, 1), "branch3x3_1": (384, n, 1, 1), "branch3x3_2a": (384, 384, 1, 3),
            "branch3x3_2b": (384, 384, 3, 1), "branch3x3dbl_1": (448, n, 1, 1), "branch3x3dbl_2": (384, 448, 3, 3),
            "branch3x3dbl_3a": (384, 384, 1, 3), "branch3x3dbl_3b": (384, 384, 3, 1), "branch_pool": (192, n, 1, 1)}.items()}
    return out


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    out = {}
    for name, shape in shapes().items():
        out[f"{name}.conv.weight"] = torch.randn(shape) * (2 / np.prod(shape[1:])) ** 0.5
        out |= {f"{name}.bn.{k}": torch.full((shape[0],), v) for k, v in
                {"weight": 1.0, "bias": 0.1, "running_mean": 0.0, "running_var": 1.0}.items()}
    return out


def test_without_a_file_there_is_no_fid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "CACHE", tmp_path)
    assert inception.load() is None


def test_the_users_file_gives_2048_numbers_a_picture(
        state: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "CACHE", tmp_path)
    (tmp_path / "weights").mkdir()
    torch.save(state | {"fc.weight": torch.zeros(1008, 2048)}, tmp_path / "weights" / f"{inception.STEM}.pth")
    net = inception.load()
    assert net is not None
    with torch.inference_mode():
        found = net(torch.rand(2, 3, 16, 16) * 2 - 1)
    assert found.shape == (2, 2048)
    assert (found >= 0).all()
    assert not torch.equal(found[0], found[1])


def test_another_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "CACHE", tmp_path)
    (tmp_path / "weights").mkdir()
    save_file({"layer1.conv.weight": torch.zeros(4, 3, 3, 3)}, tmp_path / "weights" / f"{inception.STEM}.safetensors")
    with pytest.raises(BadFile, match="not the Inception network"):
        inception.load()


def test_means_at_the_border_leave_the_padding_out() -> None:
    assert torch.equal(inception._mean(torch.ones(1, 1, 4, 4)), torch.ones(1, 1, 4, 4))


def test_few_pictures_of_many_numbers_give_the_same_distance() -> None:
    rng = np.random.RandomState(0)
    a, b = rng.randn(6, 5), rng.randn(7, 5) + 0.3
    wide = [np.hstack([x, np.zeros((len(x), 20))]) for x in (a, b)]      # the same, in more dimensions than there are pictures
    assert frechet(*wide) == pytest.approx(frechet(a, b), abs=1e-6)

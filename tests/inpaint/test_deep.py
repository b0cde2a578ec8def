"""Learned fills from a user's file, with a stand-in net of the same signature: hole = mean of the known pixels."""
from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core import inpaint
from core.errors import MissingWeights
from core.inpaint import Inpainter, deep, fill_hole
from tests.inpaint.test_contract import mask, picture


class StandInLama(nn.Module):
    """0..1 in, 0..1 out; refuses sides that are no multiple of 8."""

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        assert image.shape[2] % 8 == 0
        assert image.shape[3] % 8 == 0
        known = 1 - hole
        mean = (image * known).sum(dim=(2, 3), keepdim=True) / known.sum()
        return image * known + mean * hole


class StandInMigan(nn.Module):
    """−1..1; first channel 0.5 − mask; 512 × 512 only."""

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[2] == 512
        assert x.shape[3] == 512
        hole, image = 0.5 - x[:, :1], x[:, 1:]
        known = 1 - hole
        return image + image.sum(dim=(2, 3), keepdim=True) / known.sum() * hole


def saved(net: nn.Module, folder: Path, name: str, kind: str = "sha256") -> deep.Weights:
    torch.jit.save(torch.jit.script(net), str(folder / name))
    data = (folder / name).read_bytes()
    return deep.Weights(name, len(data), f"{kind}:{hashlib.new(kind, data).hexdigest()}", "none")


@pytest.fixture(params=["lama", "migan"])
def method(request, tmp_path, monkeypatch) -> Inpainter:
    monkeypatch.setenv(deep.FOLDER_VARIABLE, str(tmp_path))
    if request.param == "lama":
        weights = saved(StandInLama(), tmp_path, "a.pt")
        return Inpainter("lama", "LaMa", deep.lama(weights), "x.", missing=partial(deep.missing, weights))
    weights = saved(StandInMigan(), tmp_path, "b.pt", "md5")
    return Inpainter("migan", "MI-GAN", deep.migan(weights), "x.", missing=partial(deep.missing, weights))


@pytest.mark.parametrize("size", [(48, 64), (45, 61), (16, 20), (600, 700)])
def test_hole_becomes_the_mean_of_what_is_known(method, size):
    image = picture(*size)
    image[...] = (200, 40, 90)
    m = mask(*size, slice(4, 12), slice(5, 13))
    image[m] = 0
    filled = fill_hole(method, image, m, grow=0, feather=0)
    assert np.abs(filled.image[m].astype(int) - (200, 40, 90)).max() <= 2
    assert np.array_equal(filled.image[~m], image[~m])


def test_colours_keep_their_order_and_place(method):
    image = picture(64, 64)
    m = mask(64, 64, slice(20, 24), slice(20, 24))
    filled = fill_hole(method, image, m, grow=0, feather=0)
    expected = image[~m].reshape(-1, 3).mean(axis=0)
    assert np.abs(filled.image[m].mean(axis=0) - expected).max() < 4
    assert np.abs(filled.raw[:10].astype(int) - image[:10]).max() <= 2


def test_method_without_its_file_says_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setenv(deep.FOLDER_VARIABLE, str(tmp_path))
    assert "lama" not in inpaint.names()
    assert "lama" in inpaint.names(usable=False)
    with pytest.raises(MissingWeights, match="put the published file big-lama.pt"):
        inpaint.get("lama")


def test_file_of_another_hash_is_never_loaded(tmp_path, monkeypatch):
    monkeypatch.setenv(deep.FOLDER_VARIABLE, str(tmp_path))
    (tmp_path / "big-lama.pt").write_bytes(b"not the published file")
    monkeypatch.setattr(torch.jit, "load", lambda *a, **k: pytest.fail("loaded"))
    with pytest.raises(MissingWeights, match="is not the published file"):
        inpaint.get("lama")(picture(), mask(48, 64, slice(4, 8), slice(4, 8)))
    with pytest.raises(Exception, match="is not the published file"):
        deep.lama()(picture(), mask(48, 64, slice(4, 8), slice(4, 8)), avoid=None, seed=0)

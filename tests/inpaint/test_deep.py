"""Learned fills from a user's file, with a stand-in net of the same signature: hole = mean of the known pixels."""
from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from core import inpaint
from core.errors import MissingWeights
from core.inpaint import Inpainter, deep, fill_hole
from tests.inpaint.standins import StandInLama, StandInMigan, saved
from tests.inpaint.test_contract import mask, picture


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

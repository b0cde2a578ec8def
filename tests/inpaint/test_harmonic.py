"""The harmonic fill is the solution of Laplace's equation."""
from __future__ import annotations

import numpy as np
import pytest

from core.inpaint.harmonic import membrane


@pytest.mark.parametrize("size", [12, 40, 90])
def test_plane_is_continued_exactly(size):
    y, x = np.mgrid[:size, :size]
    plane = np.stack([2.0 * x + y, 50 - 0.5 * x, 0 * x + 7.0], axis=-1)
    hole = np.zeros((size, size), bool)
    hole[size // 4: -size // 4, size // 4: -size // 4] = True
    damaged = np.where(hole[..., None], 0, plane)
    assert np.allclose(membrane(damaged, hole), plane, atol=0.05)


def test_every_filled_pixel_is_the_mean_of_its_neighbours():
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 255, (60, 50, 1))
    hole = np.zeros((60, 50), bool)
    hole[15:45, 10:40] = True
    out = membrane(values, hole)[..., 0]
    inner = np.zeros_like(hole)
    inner[15:45, 10:40] = True
    mean = (np.roll(out, 1, 0) + np.roll(out, -1, 0) + np.roll(out, 1, 1) + np.roll(out, -1, 1)) / 4
    assert np.abs(out - mean)[inner].max() < 0.05


def test_no_fill_leaves_the_range_of_the_known_pixels():
    rng = np.random.default_rng(1)
    values = rng.uniform(40, 60, (40, 40, 3))
    hole = rng.random((40, 40)) < 0.6
    out = membrane(values, hole)
    assert out.min() >= 39.9
    assert out.max() <= 60.1

"""Distances between sets of descriptors: known values, symmetry, and agreement with scipy."""
from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from core.errors import BadInput
from core.metrics.frechet import frechet, kernel_distance
from core.metrics.precision import members, precision_recall


@pytest.fixture
def sets() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.RandomState(0)
    return rng.randn(60, 5), rng.randn(80, 5) @ rng.randn(5, 5) + 0.5


def test_frechet_equals_the_formula_with_a_matrix_root(sets: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = sets
    ca, cb = np.cov(a.T), np.cov(b.T)
    want = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * scipy.linalg.sqrtm(ca @ cb).real)
    assert frechet(a, b) == pytest.approx(want, rel=1e-6)
    assert frechet(a, b) == pytest.approx(frechet(b, a), rel=1e-6)


def test_frechet_of_a_set_with_itself_is_zero_and_a_shift_adds_its_square(sets: tuple[np.ndarray, np.ndarray]) -> None:
    a, _ = sets
    assert frechet(a, a) == pytest.approx(0, abs=1e-8)
    assert frechet(a, a + 3) == pytest.approx(9 * 5, rel=1e-6)


def test_kernel_distance_is_near_zero_for_one_distribution_whatever_the_size() -> None:
    rng = np.random.RandomState(1)
    same = np.mean([kernel_distance(rng.randn(20, 4), rng.randn(20, 4)) for _ in range(200)])
    other = kernel_distance(rng.randn(50, 4), rng.randn(50, 4) + 1)
    assert abs(same) < 0.1 * other


def test_precision_and_recall_tell_missing_variety_from_bad_pictures() -> None:
    rng = np.random.RandomState(2)
    real = np.concatenate([rng.randn(100, 3), rng.randn(100, 3) + 20])
    narrow = rng.randn(100, 3)                                          # good pictures of half the world
    wild = np.concatenate([rng.randn(100, 3), rng.randn(100, 3) + 20, rng.randn(200, 3) - 60])
    precision, recall = precision_recall(real, narrow)
    assert precision > 0.9
    assert 0.4 < recall < 0.55
    precision, recall = precision_recall(real, wild)
    assert 0.4 < precision < 0.55
    assert recall > 0.9


def test_members_say_which_pictures_lie_inside() -> None:
    rng = np.random.RandomState(4)
    real = np.concatenate([rng.randn(60, 3), rng.randn(60, 3) + 20])
    generated = np.concatenate([rng.randn(60, 3), rng.randn(40, 3) - 60])
    generated_in, real_in = members(real, generated)
    assert generated_in[:60].mean() > 0.9
    assert not generated_in[60:].any()
    assert real_in[:60].mean() > 0.9
    assert not real_in[60:].any()
    assert precision_recall(real, generated) == (generated_in.mean(), real_in.mean())


def test_a_set_lies_within_itself() -> None:
    x = np.random.RandomState(3).randn(30, 4)
    assert precision_recall(x, x) == (1.0, 1.0)


def test_unusable_sets_are_refused() -> None:
    with pytest.raises(BadInput, match="one length"):
        frechet(np.zeros((4, 3)), np.zeros((4, 2)))
    with pytest.raises(BadInput, match="more than 3"):
        precision_recall(np.zeros((3, 2)), np.zeros((9, 2)))

"""Improved precision and recall: how much of one set of pictures lies within the other (Kynkäänniemi et al. 2019).

    precision, recall = precision_recall(real, generated)      # (N,D), (M,D) descriptors

A set's manifold is the union of balls around its members, each reaching to its k-th nearest neighbour. Precision is the share of
generated pictures inside the real manifold, recall the share of real ones inside the generated manifold.
"""
from __future__ import annotations

import numpy as np

from core.errors import BadInput


def precision_recall(real: np.ndarray, generated: np.ndarray, k: int = 3) -> tuple[float, float]:
    """(precision, recall), each 0..1. Raises BadInput when a set has no k neighbours."""
    generated_in, real_in = members(real, generated, k)
    return float(generated_in.mean()), float(real_in.mean())


def members(real: np.ndarray, generated: np.ndarray, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """(M,) bool: which generated pictures lie inside the real manifold; (N,) bool: which real ones inside the generated one.
    Raises BadInput."""
    if real.ndim != 2 or generated.ndim != 2 or real.shape[1] != generated.shape[1]:
        raise BadInput(f"two sets of descriptors (N,D) of one length are needed, got {real.shape} and {generated.shape}")
    if min(len(real), len(generated)) <= k:
        raise BadInput(f"more than {k} pictures a set are needed, got {len(real)} and {len(generated)}")
    across = distances(real, generated)
    return np.asarray((across <= _radius(real, k)[:, None]).any(0)), np.asarray((across <= _radius(generated, k)[None]).any(1))


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N,D), (M,D) -> (N,M) Euclidean distances."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    squared = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None] - 2 * a @ b.T
    return np.sqrt(squared.clip(0))


def _radius(x: np.ndarray, k: int) -> np.ndarray:
    """(N,D) -> (N,): distance of each member to its k-th nearest other member."""
    own = distances(x, x)
    np.fill_diagonal(own, np.inf)
    return np.asarray(np.partition(own, k - 1, axis=1)[:, k - 1])

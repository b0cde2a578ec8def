"""Distances between two sets of pictures, from one descriptor a picture: Fréchet and kernel.

    frechet(real, generated)         # (N,D), (M,D): 0 = same mean and covariance
    kernel_distance(real, generated)

With few pictures the Fréchet distance is biased upwards; compare only figures with the same numbers of pictures.
"""
from __future__ import annotations

import numpy as np

from core.errors import BadInput


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """|μa − μb|² + tr(Σa + Σb − 2 (Σa Σb)^½) of (N,D) and (M,D) descriptors (Heusel et al. 2017, eq. 6). Raises BadInput."""
    a, b = _descriptors(a, b)
    if max(len(a), len(b)) < a.shape[1]:  # fewer pictures than dimensions: tr (Σa Σb)^½ is the sum of singular values of A Bᵀ
        da, db = (x - x.mean(0) for x in (a, b))
        da, db = da / np.sqrt(len(a) - 1), db / np.sqrt(len(b) - 1)
        shared = np.linalg.svd(da @ db.T, compute_uv=False).sum()
        return max(0.0, float(np.square(a.mean(0) - b.mean(0)).sum() + np.square(da).sum() + np.square(db).sum() - 2 * shared))
    cov_a, cov_b = np.cov(a, rowvar=False).reshape(a.shape[1], -1), np.cov(b, rowvar=False).reshape(b.shape[1], -1)
    root = _root(cov_a)
    cross = np.linalg.eigvalsh(root @ cov_b @ root).clip(0)  # same eigenvalues as Σa Σb, and symmetric
    distance = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * np.sqrt(cross).sum()
    return max(0.0, float(distance))


def kernel_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased squared MMD with the kernel (x·y/D + 1)³ of (N,D) and (M,D) descriptors (Bińkowski et al. 2018). Raises BadInput.

    Around 0 (it can be slightly negative) when both sets come from one distribution, whatever their size.
    """
    a, b = _descriptors(a, b)
    n, m, d = len(a), len(b), a.shape[1]
    aa, bb, ab = (a @ a.T / d + 1) ** 3, (b @ b.T / d + 1) ** 3, (a @ b.T / d + 1) ** 3
    within = (aa.sum() - np.trace(aa)) / (n * (n - 1)) + (bb.sum() - np.trace(bb)) / (m * (m - 1))
    return float(within - 2 * ab.mean())


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T


def _descriptors(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise BadInput(f"two sets of descriptors (N,D) of one length are needed, got {a.shape} and {b.shape}")
    if min(len(a), len(b)) < 2:
        raise BadInput(f"at least 2 pictures a set are needed, got {len(a)} and {len(b)}")
    return np.asarray(a, np.float64), np.asarray(b, np.float64)

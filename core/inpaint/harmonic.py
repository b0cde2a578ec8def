"""The smoothest fill there is: every pixel the mean of its neighbours (Laplace's equation). The floor to compare with.

It draws fog, and that is its use: scores that rank it high do not measure what people see.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

COARSEST = 16
TOLERANCE = 1e-5
STEPS = 400


def harmonic(image: np.ndarray, hole: np.ndarray, *, avoid: np.ndarray | None, seed: int) -> np.ndarray:
    """Solves Laplace's equation in the hole, known pixels fixed, no flow across the picture's border.

    See core.inpaint.base.Fill.
    """
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    box = slice(max(0, rows[0] - 1), rows[-1] + 2), slice(max(0, columns[0] - 1), columns[-1] + 2)
    out = image.copy()
    out[box] = np.rint(np.clip(membrane(image[box].astype(np.float64), hole[box]), 0, 255)).astype(np.uint8)
    return out


def membrane(values: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """float64 (H,W,C), bool (H,W) -> the same with hole pixels harmonic; they may hold anything before.

    Conjugate gradients, started from the solution at half the size, so that far corners of a large hole are reached.
    """
    out = values.copy()
    if not hole.any() or hole.all():
        return out
    out[hole] = _guess(values, hole)[hole]
    across, pull = _beside(hole), _neighbour_sum(np.where(hole[..., None], 0.0, values))[hole]
    count = _neighbour_sum(np.ones((*hole.shape, 1)))[hole][:, 0]
    for channel in range(values.shape[2]):
        out[hole, channel] = _solve(lambda x: count * x - across @ x, pull[:, channel], out[hole, channel])
    return out


def _beside(hole: np.ndarray) -> Any:
    """Sparse (n,n), n = pixels of the hole: 1 where two of them are neighbours."""
    from scipy.sparse import csr_matrix

    number = np.where(hole, np.cumsum(hole).reshape(hole.shape) - 1, -1)
    pairs = np.concatenate([np.stack([a.ravel(), b.ravel()]) for a, b in ((number[1:], number[:-1]), (number[:, 1:], number[:, :-1]))],
                           axis=1)
    one, other = pairs[:, (pairs >= 0).all(axis=0)]
    n = int(number.max()) + 1
    half = csr_matrix((np.ones(len(one)), (one, other)), (n, n))
    return (half + half.T).tocsr()


def _solve(operator: Callable[[np.ndarray], np.ndarray], wanted: np.ndarray, x: np.ndarray) -> np.ndarray:
    """x (N,) with operator(x) ≈ wanted, from a first x, by conjugate gradients.

    Not scipy's, whose products of vectors go through BLAS: on a busy machine waking its threads took 15 times as long as the work.
    """
    left = wanted - operator(x)
    way, size = left, np.square(left).sum()
    enough = TOLERANCE**2 * np.square(wanted).sum()
    for _ in range(STEPS):
        if size <= enough:
            break
        seen = operator(way)
        step = size / (way * seen).sum()
        x, left = x + step * way, left - step * seen
        before, size = size, np.square(left).sum()
        way = left + size / before * way
    return x


def _guess(values: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """A first solution (H,W,C): the known pixels' mean at the coarsest size, else the solution at half the size, enlarged."""
    if min(hole.shape) <= COARSEST:
        return np.broadcast_to(values[~hole].mean(axis=0), values.shape)
    size = (hole.shape[1] + 1) // 2, (hole.shape[0] + 1) // 2
    known = (~hole).astype(np.float64)
    weight = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(values * known[..., None], size, interpolation=cv2.INTER_AREA).reshape(*weight.shape, -1)
    small = small / np.maximum(weight, 1e-9)[..., None]
    solved = membrane(small, weight < 1e-6)
    return np.asarray(cv2.resize(solved, hole.shape[::-1], interpolation=cv2.INTER_LINEAR)).reshape(values.shape)


def _neighbour_sum(field: np.ndarray) -> np.ndarray:
    """(H,W,C) -> sum of the four neighbours that exist."""
    total = np.zeros_like(field)
    total[1:] += field[:-1]
    total[:-1] += field[1:]
    total[:, 1:] += field[:, :-1]
    total[:, :-1] += field[:, 1:]
    return total

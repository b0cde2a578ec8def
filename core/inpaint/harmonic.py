"""The smoothest fill there is: every pixel the mean of its neighbours (Laplace's equation). The floor to compare with.

It draws fog, and that is its use: scores that rank it high do not measure what people see.
"""
from __future__ import annotations

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
    from scipy.sparse.linalg import LinearOperator, cg

    out = values.copy()
    if not hole.any() or hole.all():
        return out
    out[hole] = _guess(values, hole)[hole]
    neighbours = _neighbour_count(hole.shape)[hole]

    def laplace(x: np.ndarray) -> np.ndarray:
        field = np.zeros(hole.shape)
        field[hole] = x
        return neighbours * x - _neighbour_sum(field)[hole]

    n = int(hole.sum())
    for channel in range(values.shape[2]):
        known = np.where(hole, 0.0, values[..., channel])
        operator = LinearOperator((n, n), matvec=laplace, dtype=np.float64)
        out[hole, channel], _ = cg(operator, _neighbour_sum(known)[hole], x0=out[hole, channel], rtol=TOLERANCE,
                                   maxiter=STEPS)
    return out


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
    """(H,W) -> sum of the four neighbours that exist."""
    total = np.zeros_like(field)
    total[1:] += field[:-1]
    total[:-1] += field[1:]
    total[:, 1:] += field[:, :-1]
    total[:, :-1] += field[:, 1:]
    return total


def _neighbour_count(shape: tuple[int, ...]) -> np.ndarray:
    return _neighbour_sum(np.ones(shape))

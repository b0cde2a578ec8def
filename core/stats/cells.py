"""From a value to the number of levels below it, by looking it up: a value falls in one of CELLS equal cells of its unit's range,
and a table says how many levels lie in lower cells. Only a cell that a level cuts in two needs a comparison.

cell(v) = (v − low)·scale, clipped and cut to a whole number, never decreases in v, rounding included: so a level in a lower
cell is below v, and the result is exact for any levels. `snapped` moves levels to the cells' edges, where nothing is cut.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CELLS = 2048
UNSURE = np.uint16(1 << 15)


@dataclass(frozen=True)
class Cells:
    """low, scale (U,) float32 of each unit's cells."""

    low: np.ndarray
    scale: np.ndarray

    def of(self, values: np.ndarray) -> np.ndarray:
        """(U,n) float32 -> (U,n) int32 cell numbers, with the arithmetic of `core.kernels`."""
        with np.errstate(over="ignore", invalid="ignore"):
            at = (values - self.low[:, None]) * self.scale[:, None]
        return np.clip(at, np.float32(0), np.float32(CELLS - 1)).astype(np.int32)


def cells(low: np.ndarray, high: np.ndarray) -> Cells:
    """Cells over low … high (U,); a unit without range has one."""
    low = np.asarray(low, np.float32)
    with np.errstate(over="ignore"):
        span = np.asarray(high, np.float32) - low
    return Cells(low, np.divide(np.float32(CELLS - 1), span, out=np.zeros_like(span), where=(span > 1e-30) & np.isfinite(span)))


def table(levels: np.ndarray, by: Cells) -> np.ndarray:
    """levels (U,T) ascending -> (U,CELLS) uint16: levels in lower cells, with UNSURE set where a level cuts the cell."""
    here = by.of(levels)
    rows = np.arange(len(levels))[:, None]
    counts = np.zeros((len(levels), CELLS), np.int64)
    np.add.at(counts, (rows, here), 1)
    out = (np.cumsum(counts, 1) - counts).astype(np.uint16)
    cut = by.of(np.nextafter(levels, np.float32(np.inf))) == here
    rows, here = np.broadcast_to(rows, here.shape)[cut], here[cut]
    out[rows, here] |= UNSURE
    return out


def snapped(levels: np.ndarray, by: Cells) -> np.ndarray:
    """Each level (U,T) moved down to the last value of the cell below its own (up to the first cell's last value)."""
    want = np.maximum(by.of(levels), 1)
    low, high = _ordered(np.minimum(by.low[:, None], levels)), _ordered(np.maximum(by.low[:, None], levels))
    low, high = np.broadcast_to(low, want.shape).copy(), np.broadcast_to(high, want.shape).copy()
    reached = by.of(_floats(high)) >= want  # where a unit has no range the level stays
    for _ in range(33):
        middle = (low + high) // 2
        below = by.of(_floats(middle)) < want
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(reached, _floats(low), levels).astype(np.float32)


def _ordered(x: np.ndarray) -> np.ndarray:
    """float32 -> int64 in the same order."""
    bits = np.asarray(x, np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _floats(order: np.ndarray) -> np.ndarray:
    """The inverse of `_ordered`."""
    bits = np.where(order < 0, (-order) | 0x80000000, order)
    return bits.astype(np.uint32).view(np.float32)

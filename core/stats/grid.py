"""From a layer's map to the counting grid: bilinear upsampling with half-pixel centres, as both reference codes do.

Target pixel t samples source position (t + ½)·h/H − ½. `border` repeats the edge (2018 code), `zeros` blends towards 0 outside
(2020 code). Weights are float32 and each product and sum is rounded once, the same here and in `core.kernels`.
"""
from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from core.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

Padding = Literal["border", "zeros"]
DENSE_VALUES = 2**24  # how many upsampled values the plain-torch way holds at a time


@dataclass(frozen=True)
class Resampling:
    """Taps of one map size onto one grid: rows y0, y1 with weights wy0, wy1 (H,), columns x0, x1, wx0, wx1 (W,)."""

    source: tuple[int, int]
    grid: tuple[int, int]
    padding: Padding
    y0: np.ndarray
    y1: np.ndarray
    wy0: np.ndarray
    wy1: np.ndarray
    x0: np.ndarray
    x1: np.ndarray
    wx0: np.ndarray
    wx1: np.ndarray

    @property
    def taps(self) -> tuple[np.ndarray, ...]:
        """In the order the kernels take them; indices unsigned, so that they need no check."""
        y0, y1, x0, x1 = (i.astype(np.uint32) for i in (self.y0, self.y1, self.x0, self.x1))
        return y0, y1, self.wy0, self.wy1, x0, x1, self.wx0, self.wx1

    def matrices(self) -> tuple[np.ndarray, np.ndarray]:
        """(H,h) and (W,w) float32: upsampled = rows @ map @ columns.T, up to rounding."""
        return _matrix(self.y0, self.y1, self.wy0, self.wy1, self.source[0]), \
            _matrix(self.x0, self.x1, self.wx0, self.wx1, self.source[1])


@lru_cache(maxsize=64)
def resampling(source: tuple[int, int], grid: tuple[int, int], padding: Padding = "border") -> Resampling:
    """Taps from maps of `source` (h,w) to `grid` (H,W). Raises BadInput on an unknown padding."""
    if padding not in ("border", "zeros"):
        raise BadInput(f"padding is 'border' or 'zeros', got {padding!r}")
    if min(*source, *grid) < 1:
        raise BadInput(f"maps of {source} cannot be counted on a grid of {grid}")
    return Resampling(source, grid, padding, *_axis(source[0], grid[0], padding), *_axis(source[1], grid[1], padding))


def _axis(source: int, target: int, padding: Padding) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    at = (np.arange(target) + 0.5) * source / target - 0.5
    if padding == "border":
        at = at.clip(0, source - 1)
    low = np.floor(at).astype(np.int64)
    share = at - low
    w0 = np.where(low >= 0, 1 - share, 0).astype(np.float32)
    w1 = np.where(low + 1 < source, share, 0).astype(np.float32)
    return low.clip(0, source - 1), (low + 1).clip(0, source - 1), w0, w1


def _matrix(i0: np.ndarray, i1: np.ndarray, w0: np.ndarray, w1: np.ndarray, source: int) -> np.ndarray:
    m = np.zeros((len(i0), source), np.float32)
    np.add.at(m, (np.arange(len(i0)), i0), w0)
    np.add.at(m, (np.arange(len(i0)), i1), w1)
    return m


def dense(acts: Tensor, to: Resampling) -> Tensor:
    """(N,U,h,w) float32 -> (N,U,H,W) upsampled, on the device of `acts`; the same bits as the fused kernels count."""
    import torch

    def weight(w: np.ndarray) -> Tensor:
        return torch.from_numpy(w).to(acts.device)

    x0, x1, y0, y1 = (torch.from_numpy(i).to(acts.device) for i in (to.x0, to.x1, to.y0, to.y1))
    wide = acts[..., x0] * weight(to.wx0) + acts[..., x1] * weight(to.wx1)
    return wide[..., y0, :] * weight(to.wy0)[:, None] + wide[..., y1, :] * weight(to.wy1)[:, None]


def over_units(units: int, work: Callable[[int, int], None]) -> None:
    """Runs work(first, last) over blocks of units, on as many threads as torch may use (kernels hold no Python lock)."""
    import torch

    threads = min(torch.get_num_threads(), os.cpu_count() or 1, units)
    if threads <= 1:
        work(0, units)
        return
    cuts = np.linspace(0, units, threads + 1).astype(int)
    for done in [_pool(threads).submit(work, int(a), int(b)) for a, b in zip(cuts, cuts[1:], strict=False)]:
        done.result()


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="count")

"""How a unit's values lie, seen on the level images: their histogram, and their mean where each label is present."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.segment.base import Label
from core.stats import LabelMap, Padding, resampling
from core.stats.grid import over_units

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Region:
    """Where labels are, as weights on a layer's map: the transpose of the upsampling, so that
    sum over grid pixels of (upsampled value × label) = sum over map cells of (value × weight)."""

    present: np.ndarray
    weights: Tensor


def regions(labels: LabelMap, n_labels: int, size: tuple[int, int], grid: tuple[int, int], padding: Padding,
            like: Tensor) -> Region:
    """Labels present in a micro-batch (P,) and their weights (N,h·w,P) on maps of `size`, on the device of `like`."""
    import torch

    present = np.flatnonzero(labels.pixels[:n_labels])
    member = np.zeros((len(labels.columns), len(present)), np.float32)
    for j, label in enumerate(present):
        member[:, j] = (labels.columns == label).any(1)
    where = torch.from_numpy(member[labels.codes]).to(like.device)
    if size != grid:
        rows, columns = (torch.from_numpy(m).to(like.device) for m in resampling(size, grid, padding).matrices())
        where = (rows.T @ where.flatten(2)).reshape(len(where), size[0], grid[1], len(present))
        where = columns.T @ where
    return Region(present, where.flatten(1, 2))


class Means:
    """Mean of the upsampled map over the pixels of each label, (U,C)."""

    def __init__(self, units: int, labels: Sequence[Label]) -> None:
        self._sums = np.zeros((units, len(labels)))
        self._pixels = np.zeros(len(labels), np.int64)

    def add(self, acts: Tensor, labels: LabelMap, region: Region) -> None:
        """(N,U,h,w) float32, label maps of the same images, and their regions on maps of this size."""
        import torch

        self._pixels += labels.pixels[:len(self._pixels)]
        self._sums[:, region.present] += torch.bmm(acts.flatten(2), region.weights).sum(0).cpu().numpy()

    def result(self) -> np.ndarray:
        """(U,C) float32, nan where a label never occurred."""
        there = self._pixels > 0
        return np.divide(self._sums, self._pixels, out=np.full(self._sums.shape, np.nan), where=there).astype(np.float32)

    def state(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps."""
        return {"sums": self._sums, "pixels": self._pixels}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continues from `state()`."""
        self._sums[...], self._pixels[...] = state["sums"], state["pixels"]


class Histogram:
    """Raw values of each unit in equal bins between edges (U,B+1); the end bins take what lies outside."""

    def __init__(self, edges: np.ndarray) -> None:
        self.edges = edges
        self.counts = np.zeros((len(edges), edges.shape[1] - 1), np.int64)
        self._low = edges[:, 0].copy()
        self._scale = (self.counts.shape[1] / (edges[:, -1] - edges[:, 0])).astype(np.float32)

    def add(self, acts: Tensor) -> None:
        """(N,U,h,w) float32."""
        import torch

        if acts.device.type == "cpu":
            from core import kernels

            values = acts.contiguous().numpy()
            over_units(len(self.counts), lambda a, b: kernels.histogram(values, self._low, self._scale, a, b, self.counts))
            return
        units, bins = self.counts.shape
        low, scale = (torch.from_numpy(x).to(acts.device)[:, None, None] for x in (self._low, self._scale))
        bin_of = ((acts - low) * scale).clamp(0, bins - 1).long() + torch.arange(units, device=acts.device)[:, None, None] * bins
        self.counts += torch.bincount(bin_of.reshape(-1), minlength=units * bins).reshape(units, bins).cpu().numpy()

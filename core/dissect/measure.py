"""What is counted of one layer on the measuring images, and how it becomes a Dissection."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.dissect.record import Dissection, Threshold, read
from core.dissect.thresholds import Levels, conditioned
from core.segment.base import Label
from core.stats import CrossCounts, LabelMap, Padding, TopK, resampling
from core.stats.cells import Cells
from core.stats.counts import Condition, width
from core.stats.grid import over_units
from core.store import Run

if TYPE_CHECKING:
    from torch import Tensor

TOP = 8  # top images kept a unit


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


class Measure:
    """Counts, top images, histogram and class means of one layer."""

    def __init__(self, layer: str, units: int, size: tuple[int, int], grid: tuple[int, int], padding: Padding,
                 levels: Levels, labels: Sequence[Label], *, condition: Condition = "all", top: int = TOP) -> None:
        self.layer, self.size, self.levels, self._labels = layer, size, levels, tuple(labels)
        self._condition: Condition = condition
        self._counts = CrossCounts(levels.grid, width(labels, condition), resampling(size, grid, padding),
                                   Cells(levels.cell_low, levels.cell_scale))
        self._top = TopK(units, top, size, grid)
        self._channel_pixels = np.zeros(len(labels), np.int64)
        self._sums = np.zeros((units, len(labels)))
        edges = levels.hist_edges
        self._hist = np.zeros((units, edges.shape[1] - 1), np.int64)
        self._hist_low = edges[:, 0].copy()
        self._hist_scale = (self._hist.shape[1] / (edges[:, -1] - edges[:, 0])).astype(np.float32)

    def add(self, acts: Tensor, labels: LabelMap, region: Region, seeds: np.ndarray) -> None:
        """(N,U,h,w) float32; label maps, their regions on this layer's size, and the seeds of the same images."""
        import torch

        self._counts.add(acts, labels)
        self._top.add(acts, seeds)
        self._channel_pixels += labels.channel_pixels
        self._add_histogram(acts)
        sums = torch.bmm(acts.flatten(2), region.weights).sum(0).cpu().numpy()
        self._sums[:, region.present] += sums

    def _add_histogram(self, acts: Tensor) -> None:
        import torch

        if acts.device.type == "cpu":
            from core import kernels

            values = acts.contiguous().numpy()
            over_units(len(self._hist), lambda a, b: kernels.histogram(
                values, self._hist_low, self._hist_scale, a, b, self._hist))
            return
        units, bins = self._hist.shape
        low, scale = (torch.from_numpy(x).to(acts.device)[:, None, None] for x in (self._hist_low, self._hist_scale))
        bin_of = ((acts - low) * scale).clamp(0, bins - 1).long() + torch.arange(units, device=acts.device)[:, None, None] * bins
        self._hist += torch.bincount(bin_of.reshape(-1), minlength=units * bins).reshape(units, bins).cpu().numpy()

    def state(self) -> dict[str, np.ndarray]:
        """Everything a checkpoint keeps."""
        return {**self._counts.state(), "channel_pixels": self._channel_pixels, "sums": self._sums, "hist": self._hist,
                "scores": self._top.scores, "seeds": self._top.seeds, "maps": self._top.maps}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continues where `state` was taken."""
        self._counts.restore(state)
        for name, mine in self.state().items():
            mine[...] = state[name]

    def result(self, run: Run, threshold: Threshold) -> Dissection:
        """The dissection of all images added."""
        c, levels = len(self._labels), self.levels
        counts = conditioned(self._counts, self._channel_pixels, self._labels, self._condition)
        pixels = counts.pixels[:c].astype(np.float64)
        means = np.divide(self._sums, pixels, out=np.full(self._sums.shape, np.nan), where=pixels > 0)
        own = levels.quantile if threshold == "quantile" else levels.iqr
        iou, iqr = read(counts, levels.grid, np.repeat(own[:, None], c, 1))
        found = Dissection(
            run, self.layer, self._labels, levels=own, level_grid=levels.grid, iou=iou, iqr=iqr, hist=self._hist.astype(np.int32),
            hist_edges=levels.hist_edges, top_seeds=self._top.seeds, top_acts=self._top.maps, top_scores=self._top.scores,
            q99=levels.q99, mean_present=means.astype(np.float32),
            label_share=(pixels / max(int(counts.pixels[c]), 1)).astype(np.float32), quantile_levels=levels.quantile,
            iqr_levels=levels.iqr, pair_levels=levels.pair, pair_iqr=levels.pair_iqr, counts=counts, threshold=threshold)
        for value in vars(found).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
        return found

"""What is counted of one layer on the measuring images, and how it becomes a Dissection."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.dissect.record import Dissection, Threshold, read
from core.dissect.thresholds import Levels, conditioned
from core.segment.base import Label
from core.stats import CrossCounts, LabelMap, Padding, TopK, resampling
from core.stats.cells import Cells
from core.stats.counts import Condition, width
from core.store import Run

if TYPE_CHECKING:
    from torch import Tensor

TOP = 8  # top images kept a unit


class Measure:
    """Counts and top images of one layer."""

    def __init__(self, layer: str, units: int, size: tuple[int, int], grid: tuple[int, int], padding: Padding,
                 levels: Levels, labels: Sequence[Label], *, condition: Condition = "all", top: int = TOP) -> None:
        self.layer, self.size, self.levels, self._labels = layer, size, levels, tuple(labels)
        self._condition: Condition = condition
        self._counts = CrossCounts(levels.grid, width(labels, condition), resampling(size, grid, padding),
                                   Cells(levels.cell_low, levels.cell_scale))
        self._top = TopK(units, top, size, grid)
        self._channel_pixels = np.zeros(len(labels), np.int64)

    def add(self, acts: Tensor, labels: LabelMap, seeds: np.ndarray) -> None:
        """(N,U,h,w) float32; label maps and seeds of the same images."""
        self._top.add(acts, seeds, self._counts.add(acts, labels))
        self._channel_pixels += labels.channel_pixels

    def state(self) -> dict[str, np.ndarray]:
        """Everything a checkpoint keeps."""
        return {**self._counts.state(), "channel_pixels": self._channel_pixels, "scores": self._top.scores,
                "seeds": self._top.seeds, "maps": self._top.maps}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continues where `state` was taken."""
        self._counts.restore(state)
        self._channel_pixels[...] = state["channel_pixels"]
        self._top.restore(state["scores"], state["seeds"], state["maps"])

    def result(self, run: Run, threshold: Threshold) -> Dissection:
        """The dissection of all images added."""
        c, levels = len(self._labels), self.levels
        counts = conditioned(self._counts, self._channel_pixels, self._labels, self._condition)
        pixels = counts.pixels[:c].astype(np.float64)
        own = levels.quantile if threshold == "quantile" else levels.iqr
        iou, iqr = read(counts, levels.grid, np.repeat(own[:, None], c, 1))
        found = Dissection(
            run, self.layer, self._labels, levels=own, level_grid=levels.grid, iou=iou, iqr=iqr, hist=levels.hist,
            hist_edges=levels.hist_edges, top_seeds=self._top.seeds, top_acts=self._top.maps, top_scores=self._top.scores,
            q99=levels.q99, mean_present=levels.mean_present,
            label_share=(pixels / max(int(counts.pixels[c]), 1)).astype(np.float32), quantile_levels=levels.quantile,
            iqr_levels=levels.iqr, pair_levels=levels.pair, pair_iqr=levels.pair_iqr, counts=counts, threshold=threshold)
        for value in vars(found).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
        return found

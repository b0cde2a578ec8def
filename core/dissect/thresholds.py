"""Where a unit counts as active: levels chosen on images that do not measure it afterwards.

`LevelFinder` watches the level images of one layer once, and gives: the exact top-quantile level; a grid of candidate levels
(log-spaced fractions, as the 2018 search); for every unit and label the candidate of highest information quality ratio.
"""
from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.dissect.profile import Histogram, Means, Region
from core.dissect.record import Counts, edges_of
from core.segment.base import Label
from core.stats import CrossCounts, LabelMap, Quantiles, Resampling, Tail, dense, hazen, resampling, scores
from core.stats.cells import Cells, cells, snapped
from core.stats.counts import Condition, categories, joined, width
from core.stats.quantiles import tail_length

if TYPE_CHECKING:
    import torch
    from torch import Tensor

KEEP_BYTES = 24 * 2**20  # maps of a layer held until the candidate levels are chosen from them
KEEP_IMAGES = 8  # … but at least so many images
ALL_VALUES = 2**15  # up to so many values a unit, candidates are exact quantiles
SAMPLES = 2**14  # above, they are quantiles of an even sample of so many, moved to the edges of the counting cells
TAIL_VALUES = 2**17  # longest tail a unit keeps; larger quantiles are answered within the rank error of Quantiles
LOWEST_FRACTION = 1e-3
LEAST_SHARE = 1e-3  # labels below this share of pixels get no IQR level (2018 code)
LEAST_AGREEMENT = 0.8
HIST_BINS = 64


@dataclass(frozen=True)
class Levels:
    """What the level images say of one layer. grid (U,T) ascending holds every other level; hist (U,B) and hist_edges (U,B+1)
    of raw values; mean_present (U,C).

    cell_low, cell_scale (U,): the cells the levels are counted by.
    """

    grid: np.ndarray
    quantile: np.ndarray
    iqr: np.ndarray
    pair: np.ndarray
    pair_iqr: np.ndarray
    q99: np.ndarray
    hist: np.ndarray
    hist_edges: np.ndarray
    mean_present: np.ndarray
    cell_low: np.ndarray
    cell_scale: np.ndarray


class LevelFinder:
    """Feed `images` images of one layer with `add` and then `settle`; at the end ask `finish`."""

    def __init__(self, units: int, size: tuple[int, int], grid: tuple[int, int], images: int, labels: Sequence[Label], *,
                 padding: str, quantile: float, quantile_of: str, condition: Condition, steps: int) -> None:
        self._labels, self._condition, self._quantile, self._steps = labels, condition, quantile, steps
        self._to = resampling(size, grid, padding)
        self._columns = width(labels, condition)
        self._channel_pixels = np.zeros(len(labels), np.int64)
        raw = resampling(size, size, "border")
        self._level = _Top(units, images, quantile, raw if quantile_of == "raw" else self._to)
        self._q99 = _Top(units, images, 0.01, raw)
        self._waiting: deque[tuple[Tensor, LabelMap]] = deque()
        self._hold = max(KEEP_IMAGES, KEEP_BYTES // (4 * units * size[0] * size[1]))
        self._counts: CrossCounts | None = None
        self._open = True  # maps are still held back
        self._histogram = Histogram(edges_of(np.zeros((units, 2)) + [0, 1], HIST_BINS))
        self._means = Means(units, labels)
        self._by = cells(np.zeros(units), np.zeros(units))

    def add(self, acts: Tensor, labels: LabelMap, region: Region) -> None:
        """(N,U,h,w) float32 with the label maps of the same images and their regions on maps of this size."""
        self._means.add(acts, labels, region)
        self._channel_pixels += labels.channel_pixels
        if self._open:
            self._waiting.append((acts.clone(), labels))
            return
        self._level.add(acts)
        self._q99.add(acts)
        self._count(acts, labels)

    @property
    def full(self) -> bool:
        """Enough maps are held back, or the levels are chosen and some are not counted yet: it is time to `settle`."""
        return bool(self._waiting) and (not self._open or sum(len(a) for a, _ in self._waiting) >= self._hold)

    def settle(self) -> bool:
        """One step: chooses the candidate levels from the maps held back; then counts these, a batch a call, and lets them go.
        False when there is nothing left to do."""
        if not self._waiting:
            return False
        if self._open:
            self._choose()
        else:
            self._count(*self._waiting.popleft())
        return True

    def state(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps."""
        import torch

        out = {"channel_pixels": self._channel_pixels} | _under("level", self._level.state()) | _under("q99", self._q99.state()) \
            | _under("means", self._means.state())
        if self._waiting:
            held = joined([labels for _, labels in self._waiting])
            out |= _under("held", vars(held)) | {"held/acts": torch.cat([a for a, _ in self._waiting]).cpu().numpy()}
        if self._open:
            return out
        out |= {"edges": self._histogram.edges, "hist": self._histogram.counts, "cell_low": self._by.low, "cell_scale": self._by.scale}
        return out if self._counts is None else out | {"grid": self._counts.levels} | _under("counts", self._counts.state())

    def restore(self, state: Mapping[str, np.ndarray], device: torch.device) -> None:
        """Continues from `state()` of a finder made alike."""
        import torch

        self._channel_pixels[...] = state["channel_pixels"]
        for name, part in (("level", self._level), ("q99", self._q99), ("means", self._means)):
            part.restore(_below(name, state))
        self._open = "edges" not in state
        held = _below("held", state)
        if held:
            self._waiting.append((torch.from_numpy(held.pop("acts")).to(device), LabelMap(**held)))
        if self._open:
            return
        self._histogram = Histogram(state["edges"])
        self._histogram.counts[...] = state["hist"]
        self._by = Cells(state["cell_low"], state["cell_scale"])
        if "grid" in state:
            self._counts = CrossCounts(state["grid"], self._columns, self._to, self._by)
            self._counts.restore(_below("counts", state))

    def finish(self) -> Levels:
        """Raises nothing; one image at least must have been seen."""
        while self.settle():
            pass
        quantile = self._level.top(self._quantile)
        if self._counts is None:
            pair = np.repeat(quantile[:, None], len(self._labels), 1)
            return self._levels(quantile[:, None], quantile, quantile, pair, np.zeros_like(pair))
        counts = conditioned(self._counts, self._channel_pixels, self._labels, self._condition)
        pair_iqr, pair = search(counts, self._counts.levels, len(self._labels))
        best = pair_iqr[:, 1:].argmax(1) + 1
        rows = np.arange(len(best))
        found = pair_iqr[rows, best] > 0
        iqr = np.where(found, pair[rows, best], self._counts.levels[:, -1])
        grid = np.sort(np.concatenate([self._counts.levels, quantile[:, None]], 1), 1)
        return self._levels(grid, quantile, iqr, pair, pair_iqr)

    def _levels(self, grid: np.ndarray, quantile: np.ndarray, iqr: np.ndarray, pair: np.ndarray, pair_iqr: np.ndarray) -> Levels:
        return Levels(grid, quantile, iqr, pair, pair_iqr, self._q99.top(0.01),
                      self._histogram.counts.astype(np.int32), self._histogram.edges, self._means.result(), self._by.low,
                      self._by.scale)

    def _choose(self) -> None:
        import torch

        maps = torch.cat([a for a, _ in self._waiting])
        for top in (self._level, self._q99):
            top.begin(maps)
        if self._steps > 1:
            fractions = np.geomspace(1.0, LOWEST_FRACTION, self._steps - 1)
            grid = np.maximum.accumulate(hazen(_sampled(maps, self._to), 1 - fractions), 1)
            self._by = cells(grid[:, 0], grid[:, -1])
            if len(maps) * self._to.grid[0] * self._to.grid[1] > ALL_VALUES:
                grid = snapped(grid, self._by)
            self._counts = CrossCounts(grid, self._columns, self._to, self._by)
        low, high = (f((0, 2, 3)).cpu().numpy() for f in (maps.amin, maps.amax))
        pad = np.where(high > low, np.float32(0), np.float32(0.5))
        self._histogram = Histogram(edges_of(np.stack([low - pad, high + pad], 1), HIST_BINS))
        self._open = False

    def _count(self, acts: Tensor, labels: LabelMap) -> None:
        self._histogram.add(acts)
        if self._counts is not None:
            self._counts.add(acts, labels)


class _Top:
    """The level that the top `fraction` exceeds: exact from a tail, or from a sketch when the tail would not fit."""

    def __init__(self, units: int, images: int, fraction: float, to: Resampling) -> None:
        count = images * to.grid[0] * to.grid[1]
        self._to = to
        self._tail = Tail(units, count, fraction, to) if tail_length(count, fraction) <= TAIL_VALUES else None
        self._sketch = Quantiles(units)

    def add(self, acts: Tensor) -> None:
        if self._tail is not None:
            self._tail.add(acts)
        else:
            for one in acts:
                self._sketch.add(dense(one[None], self._to)[0].flatten(1).cpu().numpy())

    def begin(self, maps: Tensor) -> None:
        """The first maps there are, together."""
        if self._tail is not None:
            self._tail.begin(maps, _sampled(maps, self._to))
        else:
            self.add(maps)

    def top(self, fraction: float) -> np.ndarray:
        return self._tail.top(fraction) if self._tail is not None else self._sketch.quantile(1 - fraction)

    def state(self) -> dict[str, np.ndarray]:
        return (self._tail or self._sketch).state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        (self._tail or self._sketch).restore(state)


def _under(name: str, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}/{key}": value for key, value in state.items()}


def _below(name: str, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key.removeprefix(f"{name}/"): value for key, value in state.items() if key.startswith(f"{name}/")}


def _sampled(maps: Tensor, to: Resampling) -> np.ndarray:
    """(U,n) float32 upsampled values: every grid pixel of every image, or above ALL_VALUES an even sample."""
    from core import kernels
    from core.stats.grid import over_units

    images, units = maps.shape[:2]
    pixels = to.grid[0] * to.grid[1]
    each = pixels if images * pixels <= ALL_VALUES else max(1, min(pixels, SAMPLES // images))
    step = pixels / each
    shift = (np.arange(images) * 0.6180339887) % 1.0 if each < pixels else np.zeros(images)
    at = np.floor((np.arange(each) + shift[:, None]) * step).astype(np.int64) % pixels
    out = np.empty((units, images * each), np.float32)
    values = maps.cpu().contiguous().numpy()
    over_units(units, lambda a, b: kernels.sample(values, at, *to.taps, a, b, out))
    return out


def conditioned(found: CrossCounts, channel_pixels: np.ndarray, labels: Sequence[Label], condition: Condition) -> Counts:
    """Counts with each label's world: all pixels, or (2018 code) the pixels of images in which its category occurs.

    The 2018 code also counts a label twice in the truth where two channels of a pixel carry it.
    """
    c = len(labels)
    if condition == "all":
        return Counts(found.counts, found.pixels, found.pixels[:c].copy(), np.full(c, c))
    names = categories(labels)
    scope = np.array([c] + [c + 1 + names.index(label.category) for label in labels[1:]])
    return Counts(found.counts, found.pixels, channel_pixels.copy(), scope)


def search(counts: Counts, levels: np.ndarray, c: int) -> tuple[np.ndarray, np.ndarray]:
    """For every unit and label the level of highest IQR: (max_iqr (U,C), level (U,C)), algorithms §3d.

    A level counts only where it is above 0, mask and label agree on more than 0.8 of the pixels, and it is not the lowest one.
    Labels below 1e-3 of the pixels, and column 0, have 0.
    """
    pixels = max(int(counts.pixels[c]), 1)
    best = np.zeros((len(levels), c))
    at = np.repeat(levels[:, -1:], c, 1)
    share = counts.truth / pixels
    for label in range(1, c):
        union = int(counts.pixels[label])
        if union == 0 or share[label] < LEAST_SHARE:
            continue
        inter = counts.above[:, label] / union * share[label]
        above = counts.above[:, counts.scope[label]] / max(int(counts.pixels[counts.scope[label]]), 1)
        quality = scores.iqr(inter, above, share[label])
        agree = scores.agreement(inter, above, share[label])
        quality[(agree <= LEAST_AGREEMENT) | (levels <= 0)] = 0
        quality[:, 0] = 0
        t = quality.shape[1] - 1 - quality[:, ::-1].argmax(1)
        best[:, label] = np.take_along_axis(quality, t[:, None], 1)[:, 0]
        at[:, label] = np.take_along_axis(levels, t[:, None], 1)[:, 0]
    return best.astype(np.float32), at.astype(np.float32)

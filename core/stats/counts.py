"""Pixels by unit, label and level: the one set of whole numbers from which IoU, IQR and all their curves are read.

A pixel may carry several labels (object, part, material). Its combination of labels is coded once a micro-batch for all
layers; units then count combinations, and combinations are spread over the columns they count for:

    0 … C−1        the labels; column 0 = pixels without any label; a label in two channels of one pixel counts once
    C              every pixel
    C+1 … C+K      where asked for, the categories: every pixel of an image in which some label of the category occurs (2018)
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from core.errors import BadInput
from core.segment.base import Label
from core.stats.cells import Cells, cells, table
from core.stats.grid import DENSE_VALUES, Resampling, dense, over_units

if TYPE_CHECKING:
    from torch import Tensor

LOOKUP = 2**20  # label combinations up to this number are found by a table instead of sorting


Condition = Literal["all", "category"]


def categories(labels: Sequence[Label], condition: Condition = "category") -> tuple[str, ...]:
    """Categories of labels[1:], in order of first appearance; none where labels count everywhere ("all")."""
    return tuple(dict.fromkeys(label.category for label in labels[1:])) if condition == "category" else ()


def width(labels: Sequence[Label], condition: Condition) -> int:
    """How many columns there are."""
    return len(labels) + 1 + len(categories(labels, condition))


@dataclass(frozen=True)
class LabelMap:
    """Label maps of a micro-batch on the counting grid, ready to count.

    codes (N,H,W) int32 label combinations; columns (M,k) int32 what each combination counts for (−1 = nothing);
    pixels (columns,) int64 pixels of each column; channel_pixels (C,) int64 the same summed over channels (label 0 as in pixels).
    """

    codes: np.ndarray
    columns: np.ndarray
    pixels: np.ndarray
    channel_pixels: np.ndarray


def column_of(labels: Sequence[Label]) -> np.ndarray:
    """Label id -> column, −1 for unknown ids."""
    lookup = np.full(max(label.id for label in labels) + 1, -1, np.int64)
    lookup[[label.id for label in labels]] = np.arange(len(labels))
    return lookup


def label_map(segs: np.ndarray, labels: Sequence[Label], grid: tuple[int, int], condition: Condition = "all") -> LabelMap:
    """(N,S,h,w) int label ids -> LabelMap on `grid` (nearest pixel centre). Raises BadInput on ids that are not in `labels`."""
    if segs.ndim != 4 or segs.dtype.kind not in "iu":
        raise BadInput(f"label maps are whole numbers (N,S,h,w), got {segs.dtype} {segs.shape}")
    segs = to_grid(segs, grid).astype(np.int64)
    lookup = column_of(labels)
    if segs.size and (segs.min() < 0 or segs.max() >= len(lookup) or (lookup[segs] < 0).any()):
        bad = next(int(i) for i in np.unique(segs) if not 0 <= i < len(lookup) or lookup[i] < 0)
        raise BadInput(f"the label maps hold id {bad}, which is not among the {len(labels)} labels")
    columns = lookup[segs]
    names = categories(labels, condition)
    n_labels, n_columns = len(labels), width(labels, condition)
    category = np.array([-1] + [names.index(label.category) if names else -1 for label in labels[1:]])
    present = np.zeros((len(segs), n_labels), bool)
    for i in range(len(segs)):
        present[i, columns[i].ravel()] = True
    pattern = np.zeros(len(segs), np.int64)
    for k in range(len(names)):
        pattern |= present[:, category == k].any(1).astype(np.int64) << k
    key = np.broadcast_to(pattern[:, None, None], (len(segs), *grid)).copy()
    for s in range(columns.shape[1]):
        key = key * n_labels + columns[:, s]
    unique, codes, count = _unique(key, n_labels**columns.shape[1] << len(names))
    spread = [_columns_of(int(k), columns.shape[1], n_labels, len(names)) for k in unique]
    spread_table = np.full((len(unique), columns.shape[1] + 1 + len(names)), -1, np.int32)
    pixels = np.zeros(n_columns, np.int64)
    for m, mine in enumerate(spread):
        spread_table[m, :len(mine)] = mine
        pixels[mine] += count[m]
    by_channel = np.bincount(columns.ravel(), minlength=n_labels).astype(np.int64)
    by_channel[0] = pixels[0]
    return LabelMap(codes.astype(np.int32), spread_table, pixels, by_channel)


def joined(maps: Sequence[LabelMap]) -> LabelMap:
    """Label maps of several micro-batches as one."""
    first = np.cumsum([0, *(len(m.columns) for m in maps)]).astype(np.int32)
    return LabelMap(np.concatenate([m.codes + start for m, start in zip(maps, first, strict=False)]),
                    np.concatenate([m.columns for m in maps]), np.sum([m.pixels for m in maps], 0),
                    np.sum([m.channel_pixels for m in maps], 0))


def _unique(key: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """np.unique with inverse and counts, without sorting while keys below `limit` fit a table."""
    if limit > LOOKUP:
        unique, codes, count = np.unique(key, return_inverse=True, return_counts=True)
        return unique, codes.reshape(key.shape), count
    count = np.bincount(key.ravel(), minlength=limit)
    unique = np.flatnonzero(count)
    place = np.zeros(limit, np.int32)
    place[unique] = np.arange(len(unique))
    return unique, place[key], count[unique]


def _columns_of(key: int, channels: int, n_labels: int, n_categories: int) -> list[int]:
    seen = set()
    for _ in range(channels):
        key, label = divmod(key, n_labels)
        seen.add(label)
    return sorted(seen - {0} or {0}) + [n_labels] + [n_labels + 1 + k for k in range(n_categories) if key >> k & 1]


def to_grid(segs: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """(…,h,w) -> (…,H,W): the value at each grid pixel's centre."""
    h, w = segs.shape[-2:]
    if (h, w) == grid:
        return segs
    y = np.minimum((np.arange(grid[0]) * 2 + 1) * h // (2 * grid[0]), h - 1)
    x = np.minimum((np.arange(grid[1]) * 2 + 1) * w // (2 * grid[1]), w - 1)
    return segs[..., y[:, None], x]


class CrossCounts:
    """Counts (U,columns,T+1) int32: pixels of a column whose upsampled value is above exactly b of the unit's T levels.

    levels (U,T) float32 ascending, T < 2¹⁵. `add` micro-batches in any order, `merge` other counts of the same levels.
    `by` (by default over the levels' range) only changes the speed.
    """

    def __init__(self, levels: np.ndarray, columns: int, to: Resampling, by: Cells | None = None) -> None:
        if not np.isfinite(levels).all() or (np.diff(levels, axis=1) < 0).any():
            raise BadInput("levels must be finite and ascending")
        self.levels, self.to = np.ascontiguousarray(levels, np.float32), to
        self.pixels = np.zeros(columns, np.int64)
        self._total = np.zeros((levels.shape[0], columns, levels.shape[1] + 1), np.int32)
        self._there: Tensor | None = None
        self._edges = np.concatenate([self.levels, np.full((len(levels), 1), np.inf, np.float32)], 1)
        self._by = by or cells(self.levels[:, 0], self.levels[:, -1])
        self._table = table(self.levels, self._by) if levels.shape[1] > 1 else np.empty((len(levels), 0), np.uint16)

    def add(self, acts: Tensor, labels: LabelMap) -> np.ndarray:
        """(N,U,h,w) float32 activations of the images that `labels` describes. Returns each map's largest value (N,U), which is seen
        on the way."""
        self.pixels += labels.pixels
        if self.pixels.max() > np.iinfo(np.int32).max:
            raise BadInput("more than 2³¹ pixels in one count; use fewer images or a coarser counting grid")
        if acts.device.type == "cpu":
            from core import kernels

            values, peaks = acts.contiguous().numpy(), np.empty(acts.shape[:2], np.float32)
            if self.levels.shape[1] == 1:
                over_units(len(self.levels), lambda a, b: kernels.count_one(
                    values, labels.codes, labels.columns, self.levels, *self.to.taps, a, b, self._total, peaks))
                return peaks
            codes = labels.codes.astype(np.uint32) * np.uint32(self._edges.shape[1])
            over_units(len(self.levels), lambda a, b: kernels.count(
                values, codes, labels.columns, self._edges, self._by.low, self._by.scale, self._table, *self.to.taps,
                a, b, self._total, peaks))
            return peaks
        self._add_torch(acts, labels)
        return np.asarray(acts.amax((2, 3)).cpu().numpy())

    def _add_torch(self, acts: Tensor, labels: LabelMap) -> None:
        """The same numbers from dense tensors, a block of units at a time; sums stay on the device until asked for."""
        import torch

        device = acts.device
        if self._there is None:
            self._there = torch.zeros(self._total.shape[0], self._total.shape[1] + 1, self._total.shape[2], dtype=torch.int32,
                                      device=device)  # the last column takes what counts for nothing
        codes = torch.from_numpy(labels.codes).to(device).reshape(-1).long()
        columns = torch.from_numpy(labels.columns).to(device).long()
        columns = torch.where(columns < 0, self._total.shape[1], columns)
        levels = torch.from_numpy(self.levels).to(device)
        bins, n_codes = self.levels.shape[1] + 1, len(columns)
        block = max(1, DENSE_VALUES // max(codes.numel(), n_codes * bins))
        for first in range(0, len(levels), block):
            part = acts[:, first:first + block]
            units = part.shape[1]
            values = dense(part, self.to).transpose(0, 1).reshape(units, -1).contiguous()
            bin_of = torch.searchsorted(levels[first:first + units], values)  # left: levels strictly below
            unit = torch.arange(units, device=device)[:, None]
            flat = ((unit * n_codes + codes) * bins + bin_of).reshape(-1)
            found = torch.bincount(flat, minlength=units * n_codes * bins).reshape(units, n_codes, bins).int()
            for k in range(columns.shape[1]):
                self._there[first:first + units].index_add_(1, columns[:, k], found)

    def _gather(self) -> np.ndarray:
        """Sums of both places; bin 0 is left out."""
        if self._there is not None:
            self._total += self._there[:, :-1].cpu().numpy()
            self._there = None
        self._total[:, :, 0] = 0
        return self._total

    def merge(self, other: CrossCounts) -> CrossCounts:
        """Counts of both streams together. Raises BadInput when the levels differ."""
        if not np.array_equal(self.levels, other.levels) or self._total.shape != other._total.shape:
            raise BadInput("counts of different levels or labels cannot be merged")
        both = CrossCounts(self.levels, len(self.pixels), self.to)
        both.pixels = self.pixels + other.pixels
        both._total = self._gather() + other._gather()
        return both

    @property
    def counts(self) -> np.ndarray:
        """(U,columns,T+1) int32, bin 0 included: each unit's bins of a column add up to the column's pixels."""
        full = self._gather().copy()
        full[:, :, 0] = self.pixels - full[:, :, 1:].sum(2)
        return full

    def state(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps."""
        return {"total": self._gather(), "pixels": self.pixels}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continues from `state()` of counts with the same levels."""
        self._total[...] = state["total"]
        self.pixels[...] = state["pixels"]

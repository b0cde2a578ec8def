"""What is known of one layer after a dissection, and how it is kept. Imports neither torch nor numba.

Notation: U units, C labels (column 0 = no label), T levels, K top images, B histogram bins.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from core.errors import StoreError, UnknownName
from core.segment.base import Label
from core.stats import scores
from core.store import Run, Saved
from core.units import Ranking, ranked

Threshold = Literal["quantile", "iqr", "pair"]
CATEGORY_ORDER = ("object", "part", "material", "colour", "color")


@dataclass(frozen=True)
class Counts:
    """Pixels by unit, column and level; see `core.stats.counts`. Everything below is read off them.

    bins (U,columns,T+1) int32: pixels of a column above exactly b levels; pixels (columns,) int64; truth (C,) int64: pixels of
    each label as the IoU's denominator takes them; scope (C,): the column whose pixels are a label's world ("every pixel", or
    its category's under the 2018 conditioning).
    """

    bins: np.ndarray
    pixels: np.ndarray
    truth: np.ndarray
    scope: np.ndarray

    @cached_property
    def above(self) -> np.ndarray:
        """(U,columns,T) int64: pixels of a column whose value is above level t."""
        return np.cumsum(self.bins[:, :, ::-1], axis=2, dtype=np.int64)[:, :, -2::-1]

    def tables(self, units: slice | np.ndarray = slice(None)) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """inter (U,C,T), above (U,C,T), truth (C,1), total (C,1) for `core.stats.scores`."""
        inter = self.above[units][:, :len(self.truth)]
        return inter, self.above[units][:, self.scope], self.truth[:, None], self.pixels[self.scope][:, None]


@dataclass(frozen=True)
class Dissection:
    """One layer of one generator, dissected. Arrays are read-only; methods only read.

    levels (U,) float32        the threshold of each unit (see `threshold`); a pixel counts when its value is above it
    level_grid (U,T) float32   the levels of the curves, ascending; contains the quantile level and the IQR level of the unit
    iou, iqr (U,C) float32     with every label, at `levels`
    hist (U,B), hist_edges (U,B+1)   raw activations of the level images; the end bins take what lies outside
    top_seeds (U,K) int64, top_scores (U,K) float32, top_acts (U,K,h,w) float16   strongest images by maximum activation
    q99 (U,)                   0.99 quantile of the raw activations of the level images: what a draw brush inserts
    mean_present (U,C)         mean activation where the class is present in the level images; nan where it never is
    label_share (C,)           share of pixels that carry the label
    quantile_levels, iqr_levels (U,)   both thresholds, chosen on the level seeds
    pair_levels, pair_iqr (U,C)        the level of highest IQR of each unit and label, and that IQR (on the level seeds)
    """

    run: Run
    layer: str
    labels: tuple[Label, ...]
    levels: np.ndarray
    level_grid: np.ndarray
    iou: np.ndarray
    iqr: np.ndarray
    hist: np.ndarray
    hist_edges: np.ndarray
    top_seeds: np.ndarray
    top_acts: np.ndarray
    top_scores: np.ndarray
    q99: np.ndarray
    mean_present: np.ndarray
    label_share: np.ndarray
    quantile_levels: np.ndarray
    iqr_levels: np.ndarray
    pair_levels: np.ndarray
    pair_iqr: np.ndarray
    counts: Counts
    threshold: Threshold = "quantile"

    def best(self, unit: int) -> tuple[Label, float]:
        """The label of highest IoU (never "no label"); a unit that meets no label is (labels[0], 0.0)."""
        return next(iter(self._ordered(unit, 1)), (self.labels[0], 0.0))

    def runners_up(self, unit: int, k: int = 3) -> list[tuple[Label, float]]:
        """The next k labels after the best one, those with an IoU above 0."""
        return self._ordered(unit, k + 1)[1:]

    def _ordered(self, unit: int, k: int) -> list[tuple[Label, float]]:
        row = self.iou[unit, 1:]
        order = np.argsort(-row, kind="stable")[:k] + 1
        return [(self.labels[c], float(self.iou[unit, c])) for c in order if self.iou[unit, c] > 0]

    def column(self, label: str | Label) -> int:
        """The column of a label. Raises UnknownName."""
        name = label.name if isinstance(label, Label) else label
        for c, known in enumerate(self.labels):
            if known.name == name:
                return c
        raise UnknownName("class", name, [known.name for known in self.labels[1:]])

    def label(self, name: str) -> Label:
        """A label by its name. Raises UnknownName."""
        return self.labels[self.column(name)]

    def ceiling(self, label: str | Label, unit: int | None = None) -> float:
        """The highest IoU that is possible with this label for a mask that covers `quantile` of the pixels, or for this unit's, which
        on the measured pictures covers a little more or less; 1.0 for IQR levels, which are free to cover as much as the label
        does. 0.0 for a label that never occurs."""
        share = float(self.label_share[self.column(label)])
        if share == 0 or self.threshold != "quantile":
            return float(share > 0)
        covered = float(self.run.params["quantile"])
        if unit is not None:
            covered = float(self.share_curve(unit)[np.abs(self.level_grid[unit] - self.levels[unit]).argmin()])
        return min(share, covered) / max(share, covered)

    def units_for(self, label: str, k: int) -> tuple[int, ...]:
        """The k units of highest IoU with a label: by rank, whatever the cut. Raises UnknownName."""
        return self.ranking(label).top(k)

    def ranking(self, label: str) -> Ranking:
        """All units by IoU with a label, ties by IQR. Raises UnknownName."""
        c = self.column(label)
        return ranked(self.run, self.layer, self.labels[c].name, self.iou[:, c], "iou", tie=self.iqr[:, c])

    def interpretable(self, cut: float = 0.04, min_iqr: float = -1.0) -> np.ndarray:
        """(U,) bool: best IoU above `cut` (0.04: Bau et al. 2020), and, where asked, IQR with that label above `min_iqr`
        (2019: cut 0.05 with min_iqr 0.01)."""
        best = self.iou[:, 1:].argmax(1) + 1
        rows = np.arange(len(self.iou))
        return np.asarray((self.iou[rows, best] > cut) & (self.iqr[rows, best] > min_iqr))

    def distribution(self, cut: float = 0.04, min_iqr: float = -1.0) -> list[tuple[Label, tuple[int, ...]]]:
        """Labels with the interpretable units they name: by category (object, part, material, …), then most units, then best
        IoU. Units of a label in falling order of IoU. Distinct labels of a category are its number of rows."""
        best = self.iou[:, 1:].argmax(1) + 1
        value = self.iou[np.arange(len(best)), best]
        groups = []
        for c in np.unique(best[self.interpretable(cut, min_iqr)]):
            units = np.flatnonzero(self.interpretable(cut, min_iqr) & (best == c))
            units = units[np.argsort(-value[units], kind="stable")]
            groups.append((self.labels[int(c)], tuple(int(u) for u in units)))
        order = {name: i for i, name in enumerate(CATEGORY_ORDER)}
        return sorted(groups, key=lambda g: (order.get(g[0].category, 99), g[0].category, -len(g[1]), -value[g[1][0]]))

    def iou_curve(self, unit: int) -> np.ndarray:
        """(C,T) IoU with every label at every level of level_grid[unit]."""
        inter, above, truth, _ = self.counts.tables(np.array([unit]))
        return scores.iou(inter, above, truth)[0]

    def iqr_curve(self, unit: int) -> np.ndarray:
        """(C,T) information quality ratio."""
        return scores.iqr(*self._shares(unit))

    def agreement_curve(self, unit: int) -> np.ndarray:
        """(C,T) share of pixels on which mask and label agree."""
        return scores.agreement(*self._shares(unit))

    def share_curve(self, unit: int) -> np.ndarray:
        """(T,) share of all pixels above each level."""
        every = len(self.labels)
        return np.asarray(self.counts.above[unit, every] / max(int(self.counts.pixels[every]), 1))

    def _shares(self, unit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        inter, above, truth, total = self.counts.tables(np.array([unit]))
        total = np.maximum(total, 1)
        return inter[0] / total, above[0] / total, truth / total

    def at(self, threshold: Threshold) -> Dissection:
        """The same dissection read at the other thresholds, from the counts.

        "quantile" and "iqr": one level a unit. "pair": every unit and label at its own level (the paper's Eq. 2); `levels` is
        then the one of the unit's best label. Labels without a level of positive IQR are read at the unit's IQR level.
        """
        if threshold == "quantile":
            levels = np.repeat(self.quantile_levels[:, None], len(self.labels), 1)
        elif threshold == "iqr":
            levels = np.repeat(self.iqr_levels[:, None], len(self.labels), 1)
        elif threshold == "pair":
            levels = np.where(self.pair_iqr > 0, self.pair_levels, self.iqr_levels[:, None])
        else:
            raise UnknownName("threshold", threshold, ("quantile", "iqr", "pair"))
        iou, iqr = read(self.counts, self.level_grid, levels)
        best = iou[:, 1:].argmax(1) + 1
        return replace(self, threshold=threshold, iou=iou, iqr=iqr, levels=levels[np.arange(len(levels)), best])


def read(counts: Counts, grid: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """IoU and IQR (U,C) float32 at levels (U,C), each of which is one of the unit's grid (U,T)."""
    t = np.abs(grid[:, None, :] - levels[:, :, None]).argmin(2)[:, :, None]
    inter, above, truth, total = counts.tables()
    inter, above = np.take_along_axis(inter, t, 2)[..., 0], np.take_along_axis(above, t, 2)[..., 0]
    truth, total = truth[:, 0], np.maximum(total[:, 0], 1)
    return scores.iou(inter, above, truth).astype(np.float32), \
        scores.iqr(inter / total, above / total, truth / total).astype(np.float32)


STEPS = 63
ARRAYS = ("levels", "level_grid", "iou", "iqr", "hist", "top_seeds", "top_scores", "q99", "mean_present",
          "label_share", "quantile_levels", "iqr_levels", "pair_iqr")


def to_arrays(d: Dissection) -> dict[str, np.ndarray]:
    """What is stored: small types, top maps in STEPS steps of their range, counts in byte planes, which compress well."""
    arrays = {name: getattr(d, name) for name in ARRAYS}
    low = d.top_acts.astype(np.float32).min((2, 3), keepdims=True)
    span = d.top_acts.astype(np.float32).max((2, 3), keepdims=True) - low
    steps = np.divide(d.top_acts - low, span, out=np.zeros(d.top_acts.shape, np.float32), where=span > 0)
    arrays |= {"top_low": low, "top_span": span, "top_steps": np.round(steps * STEPS).astype(np.uint8),
               "hist_range": d.hist_edges[:, [0, -1]],
               "pair_step": np.abs(d.level_grid[:, None, :] - d.pair_levels[:, :, None]).argmin(2).astype(np.uint8),
               "counts": _planes(d.counts.bins), "pixels": d.counts.pixels, "truth": d.counts.truth, "scope": d.counts.scope}
    return arrays


def edges_of(ends: np.ndarray, bins: int) -> np.ndarray:
    """(U,2) lowest and highest -> (U,bins+1) float32 equal bins."""
    return np.linspace(ends[:, 0].astype(np.float64), ends[:, 1].astype(np.float64), bins + 1, axis=1).astype(np.float32)


def _planes(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(np.ascontiguousarray(x, "<i4").view(np.uint8).reshape(*x.shape, 4), -1, 0))


def _unplaned(planes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(planes, 0, -1)).view("<i4")[..., 0]


def labels_of(manifest: Mapping[str, Any]) -> tuple[Label, ...]:
    """The labels a manifest lists as [id, name, category]."""
    return tuple(Label(int(i), str(name), str(category)) for i, name, category in manifest["labels"])


def labels_for(labels: Sequence[Label]) -> list[list[Any]]:
    """What `labels_of` reads."""
    return [[label.id, label.name, label.category] for label in labels]


def from_saved(saved: Saved) -> Dissection:
    """A stored dissection. Raises StoreError when the record is not one of this version."""
    a, params = saved.arrays, saved.run.params
    try:
        top = (a["top_low"] + a["top_span"] * (a["top_steps"].astype(np.float32) / STEPS)).astype(np.float16)
        grid = a["level_grid"]
        pair = np.take_along_axis(grid, a["pair_step"].astype(np.int64), 1)
        return Dissection(saved.run, str(params["layer"]), labels_of(saved.manifest), top_acts=top, pair_levels=pair,
                          hist_edges=edges_of(a["hist_range"], a["hist"].shape[1]),
                          counts=Counts(_unplaned(a["counts"]), a["pixels"], a["truth"], a["scope"]),
                          threshold="quantile", **{name: a[name] for name in ARRAYS})
    except (KeyError, ValueError, TypeError) as error:
        raise StoreError(f"the stored dissection {saved.run.key[:12]} cannot be read ({error}); run again") from error

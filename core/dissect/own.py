"""The same dissection for activations and label maps that the caller already has."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from core.dissect.engine import LEVELS, check, level_batch
from core.dissect.measure import TOP, Measure
from core.dissect.record import Dissection, Threshold
from core.dissect.thresholds import LevelFinder
from core.errors import BadInput
from core.segment.base import Label
from core.stats import Padding, label_map
from core.stats.counts import Condition
from core.store import Run

BATCH = 8


def dissect_activations(acts: np.ndarray, segs: np.ndarray, labels: Sequence[Label], *, threshold: Threshold = "quantile",
                        quantile: float = 0.01, padding: Padding = "border",
                        quantile_of: Literal["upsampled", "raw"] = "upsampled", condition: Condition = "all",
                        levels: int = LEVELS, top: int = TOP, layer: str = "activations") -> Dissection:
    """acts (N,U,h,w) float32 and segs (N,S,H,W) int label ids of the same N images -> Dissection; seeds are 0 … N−1.

    labels[0] is "no label" and column c of every result belongs to labels[c]. Activations are upsampled to H × W; levels are
    chosen and measured on the same images. The conventions of both reference codes: quantile_of "raw" (2018) or "upsampled"
    (2020); condition "category" counts a label only in images in which its category occurs (2018), "all" everywhere (2020).
    The IQR search tries levels − 1 candidates. Raises BadInput.
    """
    import torch

    acts, segs = np.asarray(acts), np.asarray(segs)
    _check(acts, segs, labels)
    check(quantile, padding, threshold, levels)
    if quantile_of not in ("upsampled", "raw") or condition not in ("all", "category"):
        raise BadInput(f"quantile_of is 'upsampled' or 'raw', condition 'all' or 'category'; got {quantile_of!r}, {condition!r}")
    grid = (segs.shape[2], segs.shape[3])
    units, size = acts.shape[1], (acts.shape[2], acts.shape[3])
    finder = LevelFinder(units, size, grid, len(acts), labels, padding=padding, quantile=quantile,
                         quantile_of=quantile_of, condition=condition, steps=levels)
    parts = [slice(i, i + BATCH) for i in range(0, len(acts), BATCH)]
    tensors = [torch.from_numpy(np.ascontiguousarray(acts[part], np.float32)) for part in parts]
    maps = [label_map(segs[part], labels, grid, condition) for part in parts]
    for x, mapped in zip(tensors, maps, strict=True):
        level_batch({layer: finder}, {layer: x}, mapped, len(labels), grid, padding)
        while finder.full:
            finder.settle()
    measure = Measure(layer, units, size, grid, padding, finder.finish(), labels, condition=condition, top=top)
    for part, x, mapped in zip(parts, tensors, maps, strict=True):
        measure.add(x, mapped, np.arange(len(acts))[part])
    run = Run("dissect", {"model": "", "layer": layer, "images": len(acts), "quantile": quantile, "padding": padding,
                          "threshold": threshold, "quantile_of": quantile_of, "condition": condition, "levels": levels})
    return measure.result(run, threshold)


def _check(acts: np.ndarray, segs: np.ndarray, labels: Sequence[Label]) -> None:
    if acts.ndim != 4 or acts.dtype.kind != "f" or 0 in acts.shape:
        raise BadInput(f"activations are floats (N,U,h,w), got {acts.dtype} {acts.shape}")
    if segs.ndim != 4 or segs.dtype.kind not in "iu" or len(segs) != len(acts):
        raise BadInput(f"label maps are whole numbers (N,S,H,W) for the same {len(acts)} images, got {segs.dtype} {segs.shape}")
    if not np.isfinite(acts).all():
        raise BadInput("the activations hold values that are not finite")
    if len(labels) < 2 or labels[0].id != 0:
        raise BadInput("labels[0] must be \"no label\" with id 0, and at least one label must follow")
    if len({label.id for label in labels}) != len(labels):
        raise BadInput("two labels have the same id")

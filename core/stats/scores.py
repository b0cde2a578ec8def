"""IoU, information quality ratio and agreement from pixel counts. All arrays broadcast; 0/0 is 0.

inter: pixels above the level that carry the label; above: pixels above the level; truth: pixels that carry the label;
total: pixels. IQR = mutual information / joint entropy of the 2 × 2 table (Wijaya et al. 2017; algorithms §3d).
"""
from __future__ import annotations

import numpy as np


def iou(inter: np.ndarray, above: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Intersection over union, float64 0..1; 0 where both are empty."""
    union = np.asarray(above + truth - inter, np.float64)
    return np.divide(inter, union, out=np.zeros(union.shape), where=union > 0)


def table(inter: np.ndarray, above: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of pixels (0..1) -> mutual information and joint entropy, natural logs, of
    [[inter, above − inter], [truth − inter, 1 − (above + truth − inter)]], each cell clipped to 0..1."""
    cells = [np.clip(c, 0.0, 1.0) for c in (inter, above - inter, truth - inter, 1 - (above + truth - inter))]
    rows, columns = (above, above, 1 - above, 1 - above), (truth, 1 - truth, truth, 1 - truth)
    mutual, joint = np.zeros(np.broadcast(*cells).shape), np.zeros(np.broadcast(*cells).shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        for cell, row, column in zip(cells, rows, columns, strict=True):
            expected = np.asarray(row * column, np.float64)
            mutual += np.where((cell > 0) & (expected > 0), cell * np.log(cell / expected), 0.0)
            joint -= np.where(cell > 0, cell * np.log(cell), 0.0)
    return mutual, joint


def iqr(inter: np.ndarray, above: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Information quality ratio 0..1 of shares of pixels."""
    mutual, joint = table(inter, above, truth)
    # of an independent pair the four terms cancel, and rounding may leave a hair less than 0
    return np.divide(np.maximum(mutual, 0.0), joint, out=np.zeros(mutual.shape), where=joint > 0)


def agreement(inter: np.ndarray, above: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Share of pixels on which mask and label agree (both or neither), 0..1, from shares of pixels."""
    return np.asarray(np.clip(inter, 0, 1) + np.clip(1 - (above + truth - inter), 0, 1))

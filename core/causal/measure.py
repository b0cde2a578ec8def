"""Pictures under an edit, counted by a segmenter: pixels of every label, and how much the picture changed where."""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from core.image import GREY_LEVELS

BATCH = 4       # pictures a forward pass; small, so that background work yields to people often


def label_counts(segmentation: Tensor, labels: int) -> np.ndarray:
    """(N,S,h,w) label ids -> (N,C) int64 pixels of each label; a pixel with a label in two channels counts once.

    Column 0 (no label) is 0.
    """
    n, channels = segmentation.shape[:2]
    maps = segmentation.flatten(2).clone()
    for s in range(1, channels):
        maps[:, s][(maps[:, :s] == maps[:, s:s + 1]).any(1)] = 0
    flat = maps.flatten(1) + labels * torch.arange(n, device=maps.device)[:, None]
    counts = torch.bincount(flat.flatten(), minlength=n * labels).view(n, labels)
    counts[:, 0] = 0
    return counts.cpu().numpy()


def grey_change(before: Tensor, after: Tensor) -> Tensor:
    """Two (N,3,H,W) float pictures -> (N,H,W) mean absolute difference of the channels in grey levels 0..255."""
    return (after.clamp(-1, 1) - before.clamp(-1, 1)).abs().mean(1) * GREY_LEVELS


def switched_off(acts: Tensor, units: Tensor) -> Tensor:
    """(N,U,h,w) with the units of each picture set to 0: units (N,k) numbers, -1 = none."""
    keep = torch.ones(acts.shape[:2], device=acts.device)
    for k in range(units.shape[1]):
        chosen = units[:, k]
        rows = torch.nonzero(chosen >= 0)[:, 0]
        keep[rows, chosen[rows]] = 0
    return acts * keep[:, :, None, None]

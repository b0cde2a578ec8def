"""Strokes to masks: the one place that says which pixels a stroke covers. Imports no torch.

Pixel (row r, column c) is covered when its centre (c + ½, r + ½) is; at least the pixels under a free stroke's points are.
"""
from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from core.paint.document import Stroke

LEAST_RADIUS = 0.7072  # half a pixel's diagonal: the finest brush still covers the pixel it is in

Points = tuple[tuple[float, float], ...]


def mask_of(stroke: Stroke, shape: tuple[int, int]) -> np.ndarray:
    """The stroke on a picture of `shape` (H,W) -> bool (H,W), read-only. Outside the picture nothing is covered."""
    return _mask(stroke.shape, stroke.points, stroke.size, int(shape[0]), int(shape[1]))


def union(strokes: Iterable[Stroke], shape: tuple[int, int]) -> np.ndarray:
    """All pixels that any of the strokes covers -> bool (H,W)."""
    out = np.zeros(shape, bool)
    for stroke in strokes:
        out |= mask_of(stroke, shape)
    return out


@lru_cache(maxsize=1024)
def _mask(shape: str, points: Points, size: float, height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    if shape == "all":
        mask[:] = True
    elif shape == "rect":
        (x0, y0), (x1, y1) = points[0], points[1]
        _fill(mask, ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))
    elif shape == "polygon":
        _fill(mask, points)
    else:
        _brush(mask, points, max(size / 2, LEAST_RADIUS))
    mask.flags.writeable = False
    return mask


def _brush(mask: np.ndarray, points: Points, radius: float) -> None:
    """A round brush along the points: pixel centres at most `radius` from the path."""
    height, width = mask.shape
    for (x0, y0), (x1, y1) in zip(points, points[1:] or points, strict=False):
        left, right = max(0, int(min(x0, x1) - radius - 1)), min(width, int(max(x0, x1) + radius + 2))
        top, bottom = max(0, int(min(y0, y1) - radius - 1)), min(height, int(max(y0, y1) + radius + 2))
        if left >= right or top >= bottom:
            continue
        px = np.arange(left, right)[None, :] + 0.5 - x0
        py = np.arange(top, bottom)[:, None] + 0.5 - y0
        dx, dy = x1 - x0, y1 - y0
        length = dx * dx + dy * dy
        t = np.clip((px * dx + py * dy) / length, 0, 1) if length > 0 else 0.0
        mask[top:bottom, left:right] |= (px - t * dx) ** 2 + (py - t * dy) ** 2 <= radius * radius


def _fill(mask: np.ndarray, points: Points) -> None:
    """Inside of a polygon by the even-odd rule."""
    height, width = mask.shape
    xs = np.arange(width)[None, :] + 0.5
    for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
        low, high = min(y0, y1), max(y0, y1)
        top, bottom = max(0, int(np.ceil(low - 0.5))), min(height, int(np.ceil(high - 0.5)))
        if top < bottom:
            ys = np.arange(top, bottom)[:, None] + 0.5
            mask[top:bottom] ^= xs > x0 + (ys - y0) * (x1 - x0) / (y1 - y0)

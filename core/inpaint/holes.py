"""Holes of known shape and size for measuring: blobs, strokes, and silhouettes of objects.

Each is a function (shape, share, rng) -> bool mask with `share` of the picture's pixels, the same for the same rng state; that of
objects also takes the picture's own labels, to keep away from things of its kind.
"""
from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Maker = Callable[..., np.ndarray]

ROUGHNESS = 0.6
SILHOUETTES = ("tree", "building", "person", "bench", "lamp", "fence", "cloud")
SOURCE_SEEDS = range(9_000_000, 9_000_400)
SOURCE_SIDE = 128
PLACES = 24


def blob(shape: tuple[int, int], share: float, rng: np.random.Generator) -> np.ndarray:
    """A round patch with an uneven outline, somewhere in the picture; it may touch the border."""
    y, x = _grid(shape)
    centre = rng.uniform(0.15, 0.85, 2) * shape
    radius = np.sqrt(share * shape[0] * shape[1] / np.pi)
    noise = cv2.GaussianBlur(rng.standard_normal(shape).astype(np.float32), (0, 0), max(1.0, radius / 3))
    noise /= max(1e-6, float(noise.std()))
    return _lowest(np.hypot(y - centre[0], x - centre[1]) / radius + ROUGHNESS / 3 * noise, share)


def stroke(shape: tuple[int, int], share: float, rng: np.random.Generator) -> np.ndarray:
    """The trace of a brush: one bent line of even width."""
    points = [rng.uniform(0.1, 0.9, 2) * shape]
    heading = rng.uniform(0, 2 * np.pi)
    for _ in range(6):
        heading += rng.normal(0, 0.7)
        step = rng.uniform(0.1, 0.22) * max(shape)
        ahead = points[-1] + step * np.array([np.sin(heading), np.cos(heading)])
        if not ((ahead >= 0) & (ahead < shape)).all():
            heading += np.pi * 0.75
            ahead = points[-1] + step * np.array([np.sin(heading), np.cos(heading)])
        points.append(np.clip(ahead, 0, np.array(shape) - 1))
    line = np.ones(shape, np.uint8)
    corners = np.rint(np.array(points)[:, ::-1]).astype(np.int32)
    cv2.polylines(line, [corners.reshape(-1, 1, 2)], False, 0, 1)
    return _lowest(cv2.distanceTransform(line, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), share)


def object_shape(shape: tuple[int, int], share: float, rng: np.random.Generator, objects: np.ndarray | None = None) -> np.ndarray:
    """The outline of a thing of the painted world (a tree, a person, a church), at a place where no such thing is.

    objects: the picture's own object labels (H,W), where they are known: of 24 places the one with fewest of the thing's pixels.
    """
    want = share * shape[0] * shape[1]
    while True:
        label, outline = _silhouette(rng)
        scale = np.sqrt(want / outline.sum())
        size = np.maximum(1, np.rint(np.array(outline.shape) * scale)).astype(int)
        if (size >= np.array(shape)).any():
            continue
        small = cv2.resize(outline.astype(np.float32), (int(size[1]), int(size[0])), interpolation=cv2.INTER_LINEAR) > 0.5
        height, width = small.shape
        places = rng.integers(0, (shape[0] - height + 1, shape[1] - width + 1), (PLACES, 2)).tolist()
        if objects is not None:
            same = objects == label
            places.sort(key=lambda p: int((same[p[0]: p[0] + height, p[1]: p[1] + width] & small).sum()))
        top, left = places[0]
        mask = np.zeros(shape, bool)
        mask[top: top + height, left: left + width] = small
        if mask.any():
            return mask


def _silhouette(rng: np.random.Generator) -> tuple[int, np.ndarray]:
    """One connected thing of a scene: its label, and its pixels cut to their bounding box, bool (h,w)."""
    from core.scenes import IDS, paint_scene

    while True:
        objects = paint_scene(int(rng.choice(SOURCE_SEEDS)), SOURCE_SIDE).labels[0]
        name = SILHOUETTES[int(rng.integers(len(SILHOUETTES)))]
        count, parts, stats, _ = cv2.connectedComponentsWithStats((objects == IDS[name]).astype(np.uint8), connectivity=4)
        if count < 2:
            continue
        largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        x, y, w, h, area = (int(v) for v in stats[largest])
        if area >= 60:
            return IDS[name], parts[y: y + h, x: x + w] == largest


def _grid(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return y + 0.5, x + 0.5


def _lowest(field: np.ndarray, share: float) -> np.ndarray:
    """The `share` of pixels where the field is lowest: exactly that many. A stable sort, since ties must fall the same way."""
    mask = np.zeros(field.size, bool)
    mask[np.argsort(field, axis=None, kind="stable")[: max(1, round(share * field.size))]] = True
    return mask.reshape(field.shape)


KINDS: dict[str, Maker] = {"blob": blob, "stroke": stroke, "object": object_shape}

"""What a score is made from (Case), what a score is (Metric), and the regions and colours they share.

Definitions: Ω = the hole (True pixels of `hole`), R = the ring 3 to 12 pixels outside it, x = before, y = after.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np

RING = (3.0, 12.0)
WIDE_RING = 25.0

Better = Literal["higher", "lower", "one"]
Needs = Literal["truth", "raw", "labels"]


@dataclass(frozen=True)
class Case:
    """One filled hole, with what is known about it.

    before, after (H,W,3) uint8; hole (H,W) bool. raw_before, raw_after, raw_hole: the same before known pixels were copied
    back (sizes may differ from the picture's); truth (H,W,3) uint8: what belongs into the hole; labels_before,
    labels_after (S,H,W) int: label maps of the judge, 0 = no label, channel 0 = objects; label: the class to be removed.
    """

    before: np.ndarray
    after: np.ndarray
    hole: np.ndarray
    truth: np.ndarray | None = None
    raw_before: np.ndarray | None = None
    raw_after: np.ndarray | None = None
    raw_hole: np.ndarray | None = None
    labels_before: np.ndarray | None = None
    labels_after: np.ndarray | None = None
    label: int = 0

    @cached_property
    def away(self) -> np.ndarray:
        """(H,W) float32: distance of each pixel to the hole, 0 inside."""
        return distance(self.hole)

    @cached_property
    def ring(self) -> np.ndarray:
        """(H,W) bool: R."""
        return (self.away >= RING[0]) & (self.away <= RING[1])

    def known(self) -> set[str]:
        """Which of truth, raw and labels the case has."""
        parts = {"truth": self.truth, "raw": self.raw_after, "labels": self.labels_after}
        return {name for name, value in parts.items() if value is not None}


@dataclass(frozen=True)
class Metric:
    """A number for one case. `better`: "one" = the nearer to 1 the better; `score` gives nan where it has no meaning."""

    name: str
    title: str
    unit: str
    better: Better
    meaning: str
    needs: frozenset[Needs]
    score: Callable[[Case], float]
    digits: int = 2


def distance(hole: np.ndarray) -> np.ndarray:
    """bool (H,W) -> float32 (H,W): Euclidean distance to the nearest True pixel, 0 on it; inf where there is none."""
    if not hole.any():
        return np.full(hole.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE))


def lab(image: np.ndarray) -> np.ndarray:
    """uint8 RGB (H,W,3) -> float32 CIELAB (D65), L 0..100."""
    return np.asarray(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))


def grey(image: np.ndarray) -> np.ndarray:
    """uint8 RGB (H,W,3) -> float32 luma (H,W), 0..255."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)).astype(np.float32)


def mean(values: np.ndarray) -> float:
    """The mean, or nan of nothing (without numpy's warning)."""
    return float(values.mean()) if values.size else float("nan")

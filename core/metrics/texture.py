"""Texture ratio: is there as much detail in the hole as there should be?"""
from __future__ import annotations

import cv2
import numpy as np

from core.metrics.base import WIDE_RING, Case, Metric, grey, mean

ERODE = 2


def texture_ratio(case: Case) -> float:
    """Mean |Laplacian| of y in the hole (2 pixels off its edge) ÷ that of the truth there, or of the ring up to 25 pixels.

    0 = flat blur, 1 = like its surroundings. nan where the hole is too thin to measure, or there is no detail to compare with.
    """
    inner = cv2.distanceTransform(np.pad(case.hole.astype(np.uint8), 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1] > ERODE
    detail = mean(_laplacian(case.after)[inner])
    if case.truth is not None:
        expected = mean(_laplacian(case.truth)[inner])
    else:
        ring = (case.away >= ERODE) & (case.away <= WIDE_RING)
        expected = mean(_laplacian(case.before)[ring])
    return detail / expected if expected > 0 else float("nan")


def _laplacian(image: np.ndarray) -> np.ndarray:
    return np.abs(cv2.Laplacian(grey(image), cv2.CV_32F))


METRIC = Metric("texture", "Texture", "×", "one",
                "Detail in the fill against its surroundings (or the truth): 0 is fog, 1 is right.", frozenset(),
                texture_ratio)

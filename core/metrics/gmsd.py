"""Gradient magnitude similarity deviation on the hole's box, against the truth (Xue, Zhang, Mou and Bovik 2014)."""
from __future__ import annotations

import cv2
import numpy as np

from core.metrics.base import Case, Metric, grey

STABILISER = 170.0
PREWITT = np.array([[1, 0, -1]] * 3, np.float32) / 3


def gmsd(case: Case) -> float:
    """Standard deviation of the gradient similarity over the hole's bounding box; 0 when equal."""
    assert case.truth is not None
    rows, columns = (slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(case.hole))
    a, b = _gradient(grey(case.after))[rows, columns], _gradient(grey(case.truth))[rows, columns]
    return float(np.std((2 * a * b + STABILISER) / (a * a + b * b + STABILISER)))


def _gradient(image: np.ndarray) -> np.ndarray:
    across = cv2.filter2D(image, cv2.CV_32F, PREWITT)
    down = cv2.filter2D(image, cv2.CV_32F, np.ascontiguousarray(PREWITT.T))
    return np.hypot(across, down)


METRIC = Metric("gmsd", "GMSD", "", "lower", "How unevenly edges differ from those that were there.",
                frozenset({"truth"}), gmsd, 3)

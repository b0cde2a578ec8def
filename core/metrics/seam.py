"""Seam ratio: does the edge of the hole show?"""
from __future__ import annotations

import numpy as np

from core.metrics.base import Case, Metric, lab, mean


def seam_ratio(case: Case) -> float:
    """Mean ΔE76 of neighbouring pixels across the hole's edge ÷ that of neighbours inside the ring.

    Well over 1: an edge shows; well under 1: blur. nan where there is no ring or it is perfectly flat.
    """
    values = lab(case.after)
    across, inside = [], []
    for axis in (0, 1):
        first, second = _pairs(case.hole, axis)
        ring_a, ring_b = _pairs(case.ring, axis)
        a, b = _pairs(values, axis)
        step = np.linalg.norm(a - b, axis=-1)
        across.append(step[first != second])
        inside.append(step[ring_a & ring_b])
    around = mean(np.concatenate(inside))
    return mean(np.concatenate(across)) / around if around > 0 else float("nan")


def _pairs(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    return (values[:-1], values[1:]) if axis == 0 else (values[:, :-1], values[:, 1:])


METRIC = Metric("seam", "Seam", "×", "one",
                "Colour steps across the hole's edge against those around it: over 1 the edge shows, under 1 it is blurred.",
                frozenset(), seam_ratio)

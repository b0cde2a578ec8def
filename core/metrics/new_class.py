"""New classes: things in the hole that are nowhere around it."""
from __future__ import annotations

import numpy as np

from core.metrics.base import Case, Metric

LEAST = 0.02


def new_class(case: Case) -> float:
    """Number of object labels covering at least 2 % of the hole in y that do not occur in the ring; the removed class apart."""
    assert case.labels_after is not None
    objects = case.labels_after[0]
    around = set(np.unique(objects[case.ring]).tolist()) | {0, case.label}
    found, counts = np.unique(objects[case.hole], return_counts=True)
    if not len(found) or not case.ring.any():
        return float("nan")
    return float(sum(int(c) not in around and n >= LEAST * counts.sum() for c, n in zip(found, counts, strict=True)))


METRIC = Metric("new_class", "New classes", "", "lower",
                "Kinds of object in the hole that are nowhere around it, as the judge sees it.", frozenset({"labels"}),
                new_class, 0)

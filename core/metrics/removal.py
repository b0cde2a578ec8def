"""Removal success: how much of the class is gone, as the judge sees it."""
from __future__ import annotations

import numpy as np

from core.metrics.base import Case, Metric


def removal(case: Case) -> float:
    """1 − area of the class in y ∩ Ω ÷ area in x ∩ Ω, in per cent; nan when it was not there."""
    return _gone(case, case.hole)


def removal_whole(case: Case) -> float:
    """The same over the whole picture."""
    return _gone(case, np.ones_like(case.hole))


def _gone(case: Case, where: np.ndarray) -> float:
    assert case.labels_before is not None
    assert case.labels_after is not None
    before = int(((case.labels_before == case.label).any(axis=0) & where).sum())
    after = int(((case.labels_after == case.label).any(axis=0) & where).sum())
    return 100 * (1 - after / before) if case.label and before else float("nan")


METRIC = Metric("removal", "Removed", "%", "higher", "How much of the class is gone from the hole, as the judge sees it.",
                frozenset({"labels"}), removal, 0)
WHOLE = Metric("removal_whole", "Removed, whole picture", "%", "higher",
               "How much of the class is gone from the whole picture, as the judge sees it.", frozenset({"labels"}),
               removal_whole, 0)

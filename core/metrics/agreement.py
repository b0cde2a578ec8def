"""Background agreement: is the hole filled with what lies around it?"""
from __future__ import annotations

import numpy as np

from core.metrics.base import Case, Metric, mean


def agreement(case: Case) -> float:
    """Share of the hole whose object label in y occurs in the ring (the removed class does not count), in per cent."""
    assert case.labels_after is not None
    objects = case.labels_after[0]
    around = sorted(set(np.unique(objects[case.ring]).tolist()) - {case.label})
    return 100 * mean(np.isin(objects[case.hole], around)) if around else float("nan")


METRIC = Metric("agreement", "Background", "%", "higher",
                "Part of the hole that shows what also lies around it, as the judge sees it.", frozenset({"labels"}),
                agreement, 0)

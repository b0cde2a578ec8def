"""Collateral change: what the method did outside the hole, before known pixels were copied back."""
from __future__ import annotations

import numpy as np

from core.metrics.base import Case, Metric, lab, mean

VISIBLE = 1.0


def _change(case: Case) -> np.ndarray:
    """ΔE76 of every pixel outside the hole."""
    assert case.raw_before is not None
    assert case.raw_after is not None
    assert case.raw_hole is not None
    step = np.linalg.norm(lab(case.raw_after) - lab(case.raw_before), axis=-1)
    return np.asarray(step[~case.raw_hole])


def collateral(case: Case) -> float:
    """Share of pixels outside the hole that changed by more than ΔE 1, in per cent."""
    return 100 * mean(_change(case) > VISIBLE)


def collateral_delta(case: Case) -> float:
    """Mean ΔE76 outside the hole."""
    return mean(_change(case))


METRIC = Metric("collateral", "Changed outside", "%", "lower",
                "Pixels outside the hole that visibly changed (ΔE > 1), before known pixels are copied back.",
                frozenset({"raw"}), collateral, 1)
AMOUNT = Metric("collateral_delta", "Change outside", "ΔE", "lower",
                "Mean colour change outside the hole, before known pixels are copied back.", frozenset({"raw"}),
                collateral_delta)

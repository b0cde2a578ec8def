"""Mean absolute error inside the hole, against the truth."""
from __future__ import annotations

import numpy as np

from core.metrics.base import Case, Metric, mean


def hole_mae(case: Case) -> float:
    """Mean |y − truth| over the hole's pixels and channels, 0..255."""
    assert case.truth is not None
    return mean(np.abs(case.after[case.hole].astype(np.float64) - case.truth[case.hole]))


METRIC = Metric("hole_mae", "MAE in the hole", "grey levels", "lower",
                "How far the fill is from what was there, on average.", frozenset({"truth"}), hole_mae, 1)

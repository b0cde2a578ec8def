"""Peak signal-to-noise ratio inside the hole, against the truth."""
from __future__ import annotations

import numpy as np

from core.metrics.base import Case, Metric, mean


def hole_psnr(case: Case) -> float:
    """10·log10(255² / mean squared error over the hole), dB; inf when equal."""
    assert case.truth is not None
    error = mean((case.after[case.hole].astype(np.float64) - case.truth[case.hole]) ** 2)
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(255.0**2 / np.float64(error)))


METRIC = Metric("hole_psnr", "PSNR in the hole", "dB", "higher",
                "Closeness to what was there. Rewards fog: the mean of all guesses is never far off.",
                frozenset({"truth"}), hole_psnr, 1)

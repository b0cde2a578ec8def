"""Structural similarity inside the hole, against the truth (Wang et al. 2004)."""
from __future__ import annotations

import numpy as np

from core.metrics.base import Case, Metric, mean

WINDOW = 7


def hole_ssim(case: Case) -> float:
    """Mean of the SSIM map (7×7 windows, range 255, mean of channels) over the hole; nan for pictures under 7 pixels."""
    from skimage.metrics import structural_similarity

    assert case.truth is not None
    if min(case.hole.shape) < WINDOW:
        return float("nan")
    rows, columns = (slice(max(0, int(i.min()) - WINDOW), int(i.max()) + WINDOW + 1) for i in np.nonzero(case.hole))
    if min(case.hole[rows, columns].shape) < WINDOW:
        return float("nan")
    _, full = structural_similarity(case.after[rows, columns], case.truth[rows, columns], win_size=WINDOW, data_range=255,
                                    channel_axis=-1, full=True)
    return mean(full[case.hole[rows, columns]])


METRIC = Metric("hole_ssim", "SSIM in the hole", "", "higher",
                "Likeness in brightness, contrast and pattern to what was there. Rewards fog too.",
                frozenset({"truth"}), hole_ssim, 3)

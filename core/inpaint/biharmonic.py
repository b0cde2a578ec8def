"""Biharmonic fill: smooth in value and in slope. Good for scratches; overshoots to black and white in large holes.

Damelin and Hoang, "On surface completion and image inpainting by biharmonic functions" (2018), as in scikit-image.
"""
from __future__ import annotations

import numpy as np

MAX_HOLE = 20_000


def biharmonic(image: np.ndarray, hole: np.ndarray, *, avoid: np.ndarray | None, seed: int) -> np.ndarray:
    """See core.inpaint.base.Fill."""
    from skimage.restoration import inpaint_biharmonic

    filled = inpaint_biharmonic(image, hole, split_into_regions=True, channel_axis=-1)
    return np.rint(np.clip(filled, 0, 1) * 255).astype(np.uint8)

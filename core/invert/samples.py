"""Pictures to bring in: painted scenes that no training saw, and crops of photographs that show none. Imports no torch."""
from __future__ import annotations

import numpy as np

from core.errors import BadInput
from core.inpaint import samples

# seeds that belong to nobody else (core/training/seeds.py): those offered on the page, and those every figure is measured on
SCENES = range(20_000, 21_000)
HELD_OUT = range(21_000, 21_050)


def sample_scene(number: int, side: int) -> np.ndarray:
    """Held-out scene `number`, 0 … 999, painted for a generator of `side` pixels: uint8 RGB, square. Raises BadInput."""
    if not 0 <= number < len(SCENES):
        raise BadInput(f"held-out scenes are numbered 0 to {len(SCENES) - 1}, got {number}")
    return scene(SCENES[number], side)


def scene(seed: int, side: int) -> np.ndarray:
    """The painted scene of a seed at the world's size nearest to `side` (32 … 256 px)."""
    from core.scenes import paint_scene

    return paint_scene(seed, max(32, min(256, side))).image


def unrelated() -> list[np.ndarray]:
    """50 pictures that are no church scenes: of each of scikit-image's ten photographs the whole and its four quarters."""
    out = []
    for name in samples.SAMPLES:
        photo = samples.load(name)
        h, w = photo.shape[0] // 2, photo.shape[1] // 2
        out += [photo, photo[:h, :w], photo[:h, w:], photo[h:, :w], photo[h:, w:]]
    return out

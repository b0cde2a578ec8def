"""Real pictures to compare with: painted scenes for models of the bundled world, else a folder the user filled, else none."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from core import store, zoo
from core.errors import BadInput
from core.image import decode, resize

FIRST_SCENE = 12_000          # of the painter's "world" seeds: no segmenter and no generator was trained on them
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def folder(model: str) -> Path:
    """Where real pictures of a model's kind are looked for."""
    return store.CACHE / "real" / model


def source(model: str) -> str:
    """"scenes", "folder", or "" when nothing real is known for this model."""
    if "scenes" in zoo.card(model).segmenters:
        return "scenes"
    return "folder" if folder(model).is_dir() else ""


def pictures(model: str, size: tuple[int, int], n: int) -> np.ndarray | None:
    """n real pictures, uint8 (N,H,W,3) of `size`, always the same ones; None when there are none.

    Raises BadInput when the user's folder holds fewer.
    """
    where = source(model)
    if where == "scenes":
        from core.scenes import paint_scenes

        return paint_scenes(range(FIRST_SCENE, FIRST_SCENE + n), size[0])[0]
    if where == "folder":
        files = sorted(f for f in folder(model).iterdir() if f.suffix.lower() in SUFFIXES)
        if len(files) < n:
            raise BadInput(f"{folder(model)} holds {len(files)} pictures; {n} are needed")
        return np.stack([resize(_square(decode(f.read_bytes())), size) for f in files[:n]])
    return None


def _square(picture: np.ndarray) -> np.ndarray:
    """The largest square in the middle."""
    h, w = picture.shape[:2]
    side = min(h, w)
    y, x = (h - side) // 2, (w - side) // 2
    return picture[y:y + side, x:x + side]

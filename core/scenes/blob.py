"""Billowing shapes made of overlapping puffs: clouds and tree crowns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from core.scenes import textures
from core.scenes.canvas import SIDE

Array = np.ndarray


@dataclass(frozen=True)
class Blob:
    """At canvas pixel (x, y): cover uint8 (h, w) and relief float32 (h, w), 0 in shade to 1 in light."""

    x: int
    y: int
    cover: Array
    relief: Array


def billow(
    puffs: Sequence[tuple[float, float, float]],
    *,
    light: tuple[float, float],
    softness: float,
    ragged: float,
    offset: tuple[int, int],
    floor: float | None = None,
    grain: float = 1.0,
) -> Blob:
    """Merge puffs (x, y, radius; unit lengths, back to front) into one shape.

    `light` is the direction the light comes from, `softness` the blur of the rim in canvas pixels, `ragged` how much
    noise eats into it, `floor` an optional y below which nothing is drawn (flat-bottomed clouds).
    """
    values = np.asarray(puffs, np.float32) * SIDE
    reach = values[:, 2].max() * 0.3 + 6
    low = np.floor((values[:, :2] - values[:, 2:]).min(0) - reach).astype(int)
    high = np.ceil((values[:, :2] + values[:, 2:]).max(0) + reach).astype(int)
    w, h = (int(v) for v in high - low)
    solid = np.zeros((h, w), np.uint8)
    relief = np.full((h, w), 70, np.uint8)
    for x, y, radius in (values - (low[0], low[1], 0)).tolist():
        at = (round((x - 0.5) * 16), round((y - 0.5) * 16))
        cv2.circle(solid, at, round(radius * 16), 255, -1, cv2.LINE_AA, 4)
        cv2.circle(relief, at, round(radius * 16), 92, -1, cv2.LINE_AA, 4)
        for step, value in ((0.26, 168), (0.42, 236)):
            lit = (round((x - 0.5 + light[0] * radius * step) * 16), round((y - 0.5 + light[1] * radius * step) * 16))
            cv2.circle(relief, lit, round(radius * (1.02 - step) * 16), value, -1, cv2.LINE_AA, 4)
    if floor is not None:
        solid[max(int(floor * SIDE - low[1]), 0) :] = 0
    oy, ox = offset
    edge = cv2.GaussianBlur(solid, (0, 0), softness).astype(np.float32)
    if ragged:
        edge += textures.noise(grain, 7)[oy : oy + h, ox : ox + w] * ragged
    cover = np.clip((edge - 127) * (softness * 0.9) + 127, 0, 255).astype(np.uint8)
    cover[solid_far(solid)] = 0
    soft = cv2.GaussianBlur(relief, (0, 0), softness * 1.3).astype(np.float32) / 255
    return Blob(int(low[0]), int(low[1]), cover, soft)


def solid_far(solid: Array) -> Array:
    """True where no puff is near, so that noise alone draws no islands."""
    return cv2.dilate(solid, np.ones((9, 9), np.uint8)) == 0

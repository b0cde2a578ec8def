"""Surface textures of the scenes: brightness tiles around 1.0, made once per process and cut at random offsets.

Every tile is float32 (512, 512): a canvas of 256 and an offset of up to 250, so that a cut needs no wrapping. They are
drawn for the 256-pixel canvas: one brick is 16 x 8 canvas pixels, 8 x 4 in a 128-pixel picture.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

TILE = 512
Array = np.ndarray


@cache
def noise(beta: float, key: int, stretch: tuple[int, int] = (1, 1)) -> Array:
    """(512, 512) float32 noise with amplitude ~ frequency**-beta, mean 0, deviation 1, within ±3; stretch is (y, x)."""
    white = np.random.RandomState(key).standard_normal((TILE, TILE))
    fy = np.fft.fftfreq(TILE)[:, None] * stretch[0]
    fx = np.fft.rfftfreq(TILE)[None, :] * stretch[1]
    radius = np.sqrt(fy * fy + fx * fx)
    radius[0, 0] = np.inf
    field = np.fft.irfft2(np.fft.rfft2(white) * radius**-beta, s=(TILE, TILE))
    field = np.clip((field - field.mean()) / field.std(), -3, 3)
    return np.round(field * 64).astype(np.float32) / 64


@cache
def brick() -> Array:
    """Running bond with light mortar."""
    rng = np.random.RandomState(11)
    tile = np.empty((TILE, TILE), np.float32)
    for row in range(TILE // 8):
        tone = np.repeat(rng.uniform(0.80, 1.08, TILE // 16), 16)
        tone[14:16] = 1.3
        tone.reshape(-1, 16)[:, 14:] = 1.3
        tile[row * 8 : row * 8 + 8] = np.roll(tone, 8 * (row % 2))
        tile[row * 8 + 6 : row * 8 + 8] = 1.3
    return tile * (1 + 0.03 * noise(0.6, 12))


@cache
def stone() -> Array:
    """Coursed blocks of uneven size with dark joints."""
    rng = np.random.RandomState(21)
    tile = np.empty((TILE, TILE), np.float32)
    y = 0
    while y < TILE:
        height = int(rng.choice([14, 18, 22]))
        x = 0
        while x < TILE:
            width = int(rng.randint(18, 40))
            tile[y : y + height, x : x + width] = rng.uniform(0.84, 1.12)
            tile[y : y + height, x : x + 2] = 0.66
            x += width
        tile[y : y + 2] = 0.66
        y += height
    return tile * (1 + 0.04 * noise(0.8, 22))


@cache
def plaster() -> Array:
    """Smooth wall with weather stains."""
    return 1 + 0.035 * noise(1.6, 31) + 0.01 * noise(0.3, 32)


@cache
def slate() -> Array:
    """Rows of thin shingles."""
    rng = np.random.RandomState(41)
    tile = np.empty((TILE, TILE), np.float32)
    for row in range(TILE // 8):
        tone = np.roll(np.repeat(rng.uniform(0.84, 1.14, TILE // 8), 8), 4 * (row % 2))
        tile[row * 8 : row * 8 + 8] = tone
        tile[row * 8 + 6 : row * 8 + 8] = 0.68
    return tile


@cache
def tile() -> Array:
    """Rounded roof tiles: vertical ribs broken by rows."""
    rng = np.random.RandomState(51)
    ribs = 1 + 0.14 * np.cos(np.arange(TILE) * (2 * np.pi / 8))
    rows = np.where(np.arange(TILE) % 10 < 2, 0.76, 1.0)
    spots = np.repeat(np.repeat(rng.uniform(0.9, 1.1, (TILE // 8, TILE // 8)), 8, 0), 8, 1)
    return (ribs[None] * rows[:, None] * spots).astype(np.float32)


@cache
def copper() -> Array:
    """Standing seams and streaks of patina."""
    seams = np.where(np.arange(TILE) % 20 < 2, 0.82, 1.0).astype(np.float32)
    return seams[None] * (1 + 0.06 * noise(1.2, 61, (1, 6)))


@cache
def planks() -> Array:
    """Upright boards with dark gaps."""
    rng = np.random.RandomState(71)
    tone = np.repeat(rng.uniform(0.86, 1.12, TILE // 8), 8)
    tone.reshape(-1, 8)[:, 7] = 0.62
    return (tone[None] * (1 + 0.05 * noise(0.9, 72, (8, 1)))).astype(np.float32)


@cache
def leaves() -> Array:
    """Clumps of foliage."""
    return 1 + 0.13 * noise(0.9, 81)


@cache
def lawn() -> Array:
    """Grass on a plane that runs to the horizon; row 0 is the horizon, 128 rows reach the viewer."""
    return _perspective(1 + 0.10 * noise(1.0, 91) + 0.05 * noise(0.2, 92))


@cache
def gravel() -> Array:
    """Path surface on the same plane as `lawn`."""
    return _perspective(1 + 0.07 * noise(0.5, 95) + 0.05 * noise(1.4, 96))


@cache
def flowers() -> Array:
    """0..1 dots on the same plane as `lawn`."""
    rng = np.random.RandomState(97)
    dots = np.zeros((TILE, TILE), np.float32)
    for x, y in rng.randint(6, TILE - 6, (900, 2)):
        cv2.circle(dots, (int(x), int(y)), 3, 1.0, -1, cv2.LINE_AA)
    return np.clip(_perspective(dots), 0, 1)


@cache
def disc() -> Array:
    """(64, 64) float32 soft round falloff, 1 in the middle, 0 at the rim: light around lamps, sun and moon."""
    axis = (np.arange(64) - 31.5) / 32
    radius = np.sqrt(axis[:, None] ** 2 + axis[None] ** 2)
    return (np.clip(1 - radius, 0, 1) ** 2).astype(np.float32)


def _perspective(flat: Array) -> Array:
    """(512, 512) texture of a plane -> (160, 512) rows seen at growing scale from the horizon (row 0) downwards."""
    rows = np.arange(160, dtype=np.float32)
    scale = 0.25 + rows / 90
    depth = np.cumsum(2.2 / scale).astype(np.float32)
    columns = np.arange(TILE, dtype=np.float32)
    map_x = (columns[None] - TILE / 2) / scale[:, None] % (TILE - 1)
    map_y = np.repeat((depth % (TILE - 1))[:, None], TILE, axis=1)
    return cv2.remap(flat.astype(np.float32), map_x.astype(np.float32), map_y, cv2.INTER_LINEAR)

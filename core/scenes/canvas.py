"""The surface a scene is painted on: colour and labels together, in unit coordinates.

The canvas is always 256 x 256, whatever the size of the picture asked for, so a scene is the same at every size. x runs
right and y down, both 0..1. A pixel takes a shape's labels exactly where the shape covers at least half of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from core.scenes import textures
from core.scenes.labels import IDS

SIDE = 256
Array = np.ndarray
Point = tuple[float, float]


def tag(thing: str, part: str = "no label", material: str = "no label") -> int:
    """Label ids of one surface, packed into one number: object + 256 part + 65536 material."""
    return IDS[thing] | IDS[part] << 8 | IDS[material] << 16


def rgb(*values: float) -> Array:
    """A colour, float32 (3,), 0..255."""
    return np.array(values, np.float32)


def plane(colour: Array) -> Array:
    """(3,) -> (3, 1, 1), so that a colour spreads over (h, w) shading."""
    return colour[:, None, None]


def ramp(start: float, stop: float, steps: int) -> Array:
    """float32 (steps,) from start to stop."""
    return np.arange(steps, dtype=np.float32) * np.float32((stop - start) / max(steps - 1, 1)) + np.float32(start)


def mix(a: Array, b: Array, t: float) -> Array:
    """a at t = 0, b at t = 1."""
    return a + (b - a) * np.float32(t)


@dataclass(frozen=True)
class Paint:
    """A colour with an optional texture tile and linear shading over the shape's box.

    `rise` is the brightness at (top, bottom), `turn` at (left, right).
    """

    colour: Array
    texture: Array | None = None
    offset: tuple[int, int] = (0, 0)
    rise: tuple[float, float] | None = None
    turn: tuple[float, float] | None = None

    def cut(self, x: int, y: int, w: int, h: int) -> Array:
        """Colours of the canvas box at (x, y), float32 (3, h, w) or (3, 1, 1)."""
        shade: Array | None = None
        if self.texture is not None:
            oy, ox = self.offset
            shade = self.texture[y + oy : y + oy + h, x + ox : x + ox + w]
        if self.rise is not None:
            down = ramp(*self.rise, h)[:, None]
            shade = down if shade is None else shade * down
        if self.turn is not None:
            across = ramp(*self.turn, w)[None]
            shade = across if shade is None else shade * across
        if shade is None:
            return plane(self.colour)
        return np.broadcast_to(shade, (h, w)) * plane(self.colour)


@dataclass
class Canvas:
    """Colour float32 (3, 256, 256), 0..255, and packed labels uint32 (256, 256), see `tag`."""

    colour: Array = field(default_factory=lambda: np.zeros((3, SIDE, SIDE), np.float32))
    packed: Array = field(default_factory=lambda: np.zeros((SIDE, SIDE), np.uint32))

    def stamp(self, x: int, y: int, cover: Array, colours: Array, tags: int | None, opacity: float = 1.0) -> None:
        """Lay colours through a uint8 cover (h, w) whose corner is canvas pixel (x, y); clipped to the canvas.

        Without tags only the colour changes.
        """
        h, w = cover.shape
        x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + w, SIDE), min(y + h, SIDE)
        if x0 >= x1 or y0 >= y1:
            return
        inner = (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x))
        outer = (slice(y0, y1), slice(x0, x1))
        cover = cover[inner]
        if colours.shape[1:] != (1, 1):
            colours = colours[:, *inner]
        below = self.colour[:, *outer]
        change = colours - below
        change *= cover * np.float32(opacity / 255)
        below += change
        if tags is not None:
            np.copyto(self.packed[outer], np.uint32(tags), where=cover > 127)

    def shape(self, points: Sequence[Point], paint: Paint, tags: int | None, opacity: float = 1.0) -> None:
        """Fill a polygon given in unit coordinates."""
        made = cover_of(points)
        if made is None:
            return
        x, y, cover = made
        self.stamp(x, y, cover, paint.cut(x, y, cover.shape[1], cover.shape[0]), tags, opacity)

    def shadow(self, points: Sequence[Point], strength: float, softness: float, tint: Array) -> None:
        """Darken towards tint under a polygon with a soft rim; softness in unit lengths."""
        pad = softness * 2
        made = cover_of(points, pad)
        if made is None:
            return
        x, y, cover = made
        cover = cv2.GaussianBlur(cover, (0, 0), max(softness * SIDE, 0.4))
        h, w = cover.shape
        self.colour[:, y : y + h, x : x + w] *= 1 - cover * plane(np.float32(strength / 255) * (1 - tint))

    def glow(self, x: float, y: float, radius: float, light: Array) -> None:
        """Add soft round light."""
        side = max(int(radius * 2 * SIDE), 2)
        left, top = round(x * SIDE - side / 2), round(y * SIDE - side / 2)
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, SIDE), min(top + side, SIDE)
        if x0 >= x1 or y0 >= y1:
            return
        falloff = cv2.resize(textures.disc(), (side, side))[y0 - top : y1 - top, x0 - left : x1 - left]
        self.colour[:, y0:y1, x0:x1] += falloff * plane(light)


def cover_of(points: Sequence[Point], pad: float = 0.0) -> tuple[int, int, Array] | None:
    """Polygon in unit coordinates -> (x, y, uint8 cover (h, w)) of its box inside the canvas; None when outside."""
    corners = np.asarray(points, np.float32) * SIDE - 0.5
    margin = 1 + int(pad * SIDE)
    low = np.floor(corners.min(0)).astype(int) - margin
    high = np.ceil(corners.max(0)).astype(int) + margin + 1
    x0, y0 = int(max(low[0], 0)), int(max(low[1], 0))
    x1, y1 = int(min(high[0], SIDE)), int(min(high[1], SIDE))
    if x0 >= x1 or y0 >= y1:
        return None
    cover = np.zeros((y1 - y0, x1 - x0), np.uint8)
    fixed = np.round((corners - (x0, y0)) * 16).astype(np.int32)
    cv2.fillPoly(cover, [fixed], 255, cv2.LINE_AA, 4)
    return x0, y0, cover


def rect(x0: float, y0: float, x1: float, y1: float) -> list[Point]:
    """Corners of an upright rectangle."""
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def oval(x: float, y: float, rx: float, ry: float, start: float = 0.0, stop: float = 360.0) -> list[Point]:
    """Points on an ellipse, degrees clockwise from the right on screen."""
    angle = np.radians(np.linspace(start, stop, 28))
    return list(zip((x + rx * np.cos(angle)).tolist(), (y + ry * np.sin(angle)).tolist(), strict=True))


def arch(x: float, base: float, width: float, height: float, kind: str) -> list[Point]:
    """Outline of an opening standing on `base`: kind is "flat", "round" or "pointed"."""
    half = width / 2
    if kind == "flat":
        return rect(x - half, base - height, x + half, base)
    if kind == "round":
        return [*oval(x, base - height + half, half, half, 180, 360), (x + half, base), (x - half, base)]
    rise = width * 0.95
    angle = np.linspace(0, 1, 9)
    curve = [
        (x - half * float(np.cos(a * np.pi / 2)), base - height + rise * (1 - float(np.sin(a * 1.15) / np.sin(1.15))))
        for a in angle
    ]
    other = [(2 * x - px, py) for px, py in reversed(curve)]
    return [*curve, *other, (x + half, base), (x - half, base)]

"""Everything behind and below the church: sky, clouds, hills, far trees, grass and the path."""

from __future__ import annotations

import cv2
import numpy as np

from core.scenes import textures
from core.scenes.blob import billow
from core.scenes.canvas import SIDE, Canvas, Paint, Point, mix, oval, plane, ramp, rgb, tag
from core.scenes.dice import Dice
from core.scenes.light import Light

Array = np.ndarray


def paint_sky(canvas: Canvas, dice: Dice, light: Light, horizon: float) -> None:
    """Three-colour gradient, brighter towards the sun, with stars, a moon or a low sun."""
    rows = np.minimum(ramp(0, 1 / horizon, SIDE), 1)
    stops = np.stack([light.zenith, light.middle, light.horizon])
    shades = np.stack([np.interp(rows, (0.0, 0.55, 1.0), stops[:, c]) for c in range(3)])
    canvas.colour[:] = shades[:, :, None]
    canvas.packed[:] = tag("sky")
    x = 0.5 + light.sun * dice.between(0.25, 0.45)
    low = dice.between(0.12, 0.3)
    if light.time == "night":
        stars = np.random.RandomState(dice.whole(0, 999)).randint(0, SIDE, (26, 2))
        for sx, sy in stars.tolist():
            if sy < horizon * SIDE * 0.8:
                canvas.colour[:, sy : sy + 2, sx : sx + 2] += 90
        canvas.glow(x, low, 0.22, rgb(46, 52, 66))
        canvas.shape(oval(x, low, 0.036, 0.036), Paint(rgb(236, 236, 220)), None)
    elif light.time in ("dawn", "dusk"):
        canvas.glow(x, horizon - 0.05, 0.55, rgb(74, 50, 26))
        canvas.glow(x, horizon - 0.05, 0.2, rgb(70, 60, 40))
    else:
        canvas.glow(x, low, 0.6, rgb(34, 30, 22))


def paint_clouds(canvas: Canvas, dice: Dice, light: Light) -> None:
    """Up to four flat-bottomed clouds; a pixel is cloud where the cloud hides at least half of the sky."""
    count = dice.pick((0, 1, 2, 3, 4), (0.16, 0.2, 0.26, 0.24, 0.14))
    start = dice.between(0, 1)
    for index in range(count):
        x = (start + index * 0.41 + dice.between(-0.07, 0.07)) % 1.2 - 0.1
        width = dice.between(0.28, 0.52)
        base = dice.between(0.1, 0.38) + width * 0.08
        heap = dice.between(-0.45, 0.45)
        puffs = []
        for _ in range(dice.whole(2, 3)):
            radius = width * dice.between(0.11, 0.17)
            puffs.append((x + (heap + dice.between(-0.35, 0.35)) * width * 0.5, base - width * dice.between(0.16, 0.24), radius))
        number = dice.whole(5, 7)
        for step in range(number):
            along = (step + 0.5) / number * 2 - 1
            radius = width * (0.155 - 0.085 * abs(along - heap * 0.6) ** 1.5) * dice.between(0.75, 1.2)
            radius = max(radius, width * 0.06)
            puffs.append((x + along * width * 0.5, base - radius * dice.between(0.35, 0.8), radius))
        blob = billow(puffs, light=(light.sun * 0.5, -0.8), softness=2.6, ragged=34, offset=dice.offset(), floor=base, grain=1.5)
        h, w = blob.cover.shape
        shade = np.clip(np.clip(blob.relief * 0.75 + 0.35, 0, 1) * ramp(1.15, 0.45, h)[:, None], 0, 1)
        colours = plane(light.cloud_shade) + shade * plane(light.cloud_light - light.cloud_shade)
        cover = cv2.GaussianBlur(blob.cover, (0, 0), 1.2)
        canvas.stamp(blob.x, blob.y, cover, colours, tag("cloud"), 0.96)


def _ridge(dice: Dice, base: float, height: float, waves: tuple[float, ...]) -> list[Point]:
    """The outline of hills standing on y = base + 0.1."""
    x = np.linspace(0, 1, 40)
    y = np.zeros_like(x)
    for frequency in waves:
        y += np.sin(2 * np.pi * (x * frequency * dice.between(0.8, 1.2) + dice.roll())) / frequency
    y = (y - y.min()) / (y.max() - y.min() + 1e-6)
    top = (base - height * (0.25 + 0.75 * y)).tolist()
    return [(-0.02, base + 0.1), *zip(x.tolist(), top, strict=True), (1.02, base + 0.1)]


def paint_hills(canvas: Canvas, dice: Dice, light: Light, horizon: float, leaf: Array) -> None:
    """One or two ranges of hills, hazier with distance; or a far treeline; or both."""
    kind = dice.pick(("hills", "trees", "both"), (0.52, 0.28, 0.2))
    if kind in ("hills", "both"):
        bare = mix(leaf, rgb(110, 126, 150), 0.55)
        if dice.chance(0.55):
            far = mix(light.on(bare, 0.5), light.haze, 0.62)
            canvas.shape(_ridge(dice, horizon, dice.between(0.27, 0.4), (1.1, 2.3)), Paint(far), tag("hill"))
        near = mix(light.on(mix(leaf, rgb(96, 120, 110), 0.35), 0.5), light.haze, 0.34)
        paint = Paint(near, textures.plaster(), dice.offset(), rise=(1.05, 0.95))
        canvas.shape(_ridge(dice, horizon, dice.between(0.14, 0.26), (1.3, 2.9)), paint, tag("hill"))
    if kind in ("trees", "both"):
        radius = dice.between(0.045, 0.07)
        number = 17
        puffs = []
        for index in range(number):
            size = radius * dice.between(0.7, 1.25)
            puffs.append((index / (number - 1), horizon - size * dice.between(0.3, 0.7), size))
        blob = billow(puffs, light=(light.sun * 0.6, -0.75), softness=1.4, ragged=30, offset=(dice.whole(0, 250), 0), floor=None)
        h, w = blob.cover.shape
        shade = mix(light.on(leaf, 0.1), light.haze, 0.14)
        bright = mix(light.on(leaf * 1.1, 0.9), light.haze, 0.2)
        canvas.stamp(
            blob.x,
            blob.y,
            blob.cover,
            plane(shade) + blob.relief * plane(bright - shade),
            tag("tree", "crown", "foliage"),
        )


def paint_ground(canvas: Canvas, dice: Dice, light: Light, horizon: float, green: Array) -> None:
    """Grass from the horizon down, paler far away, with flowers now and then."""
    top = round(horizon * SIDE)
    h = SIDE - top
    ox = dice.whole(0, 250)
    shade = textures.lawn()[:h, ox : ox + SIDE]
    far = mix(light.on(green * 1.12, 0.8), light.haze, 0.22)
    near = light.on(green * 0.9, 0.7)
    colours = shade * (plane(far) + plane(near - far) * ramp(0, 1, h)[:, None])
    if dice.chance(0.25):
        petals = light.on(dice.pick((rgb(244, 240, 230), rgb(240, 206, 70), rgb(222, 96, 110))), 0.8)
        dots = textures.flowers()[:h, ox : ox + SIDE] * np.float32(0.8)
        colours += dots * (plane(petals) - colours)
    canvas.colour[:, top:] = colours
    canvas.packed[top:] = tag("grass")


def paint_path(canvas: Canvas, dice: Dice, light: Light, horizon: float, door: Point, width: float) -> float:
    """A gravel path from the door to the lower edge, wider towards us; returns its middle at the lower edge."""
    bottom = door[0] + dice.between(-0.16, 0.16)
    wide = dice.between(0.2, 0.3)
    bend = dice.between(-0.05, 0.05)
    left, right = [], []
    for step in range(9):
        t = step / 8
        y = door[1] + (1.03 - door[1]) * t
        x = door[0] + (bottom - door[0]) * t * t + bend * np.sin(t * np.pi)
        half = (width + (wide - width) * t) / 2
        left.append((x - half, y))
        right.append((x + half, y))
    colour = dice.jitter(dice.pick((rgb(206, 186, 150), rgb(190, 182, 172), rgb(198, 160, 122))), 0.06)
    paint = Paint(light.on(colour, 0.75), textures.gravel(), (-round(horizon * SIDE), dice.whole(0, 250)))
    outline = [*left, *reversed(right)]
    edge = [(x - 0.008, y) for x, y in left] + [(x + 0.008, y) for x, y in reversed(right)]
    canvas.shape(edge, Paint(light.on(rgb(96, 100, 60), 0.4)), None, 0.55)
    canvas.shape(outline, paint, tag("path", "no label", "gravel"))
    return bottom

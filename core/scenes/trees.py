"""Trees: round broadleaf, conifer and cypress, each a trunk and a crown."""

from __future__ import annotations

import numpy as np

from core.scenes import textures
from core.scenes.blob import billow
from core.scenes.canvas import Canvas, Paint, mix, oval, plane, rgb, tag
from core.scenes.dice import Dice
from core.scenes.light import Light

Array = np.ndarray

CROWN = tag("tree", "crown", "foliage")
TRUNK = tag("tree", "trunk", "wood")


def leaf_colour(dice: Dice) -> Array:
    """Summer greens mostly, autumn now and then."""
    greens = (rgb(74, 120, 52), rgb(96, 138, 58), rgb(58, 104, 62), rgb(112, 142, 66))
    autumn = (rgb(206, 132, 44), rgb(188, 84, 40), rgb(214, 172, 62))
    return dice.jitter(dice.pick(autumn) if dice.chance(0.17) else dice.pick(greens), 0.08)


def paint_tree(
    canvas: Canvas, dice: Dice, light: Light, *, kind: str, x: float, base: float, size: float, leaf: Array, haze: float
) -> None:
    """One tree standing on (x, base); size is the crown's radius in unit lengths."""
    if kind == "round":
        _round(canvas, dice, light, x, base, size, leaf, haze)
    else:
        _conifer(canvas, dice, light, x, base, size, leaf, haze, slim=kind == "cypress")


def _trunk(canvas: Canvas, dice: Dice, light: Light, x: float, base: float, top: float, width: float, haze: float) -> None:
    bark = mix(light.on(dice.jitter(rgb(112, 82, 58)), 0.6), light.haze, haze)
    half = width / 2
    points = [(x - half * 1.35, base), (x - half * 0.9, base - 0.02), (x - half * 0.8, top)]
    points += [(x + half * 0.8, top), (x + half * 0.9, base - 0.02), (x + half * 1.35, base)]
    turn = (0.72, 1.18) if light.sun > 0 else (1.18, 0.72)
    canvas.shape(points, Paint(bark, textures.planks(), dice.offset(), turn=turn), TRUNK)


def _round(canvas: Canvas, dice: Dice, light: Light, x: float, base: float, size: float, leaf: Array, haze: float) -> None:
    foot = size * dice.between(0.65, 0.95)
    middle = base - foot - size * 0.9
    shade_on_ground(canvas, light, x, base, size * 1.1)
    _trunk(canvas, dice, light, x, base, middle, max(size * 0.3, 0.036), haze)
    tall = dice.between(0.95, 1.2)
    puffs = [(x, middle, size * 0.72)]
    number = 9
    turn = dice.roll() * 2 * np.pi
    ring = []
    for step in range(number):
        angle = turn + step * 2 * np.pi / number
        far = size * dice.between(0.52, 0.66)
        ring.append(
            (
                x + far * float(np.cos(angle)),
                middle + far * tall * float(np.sin(angle)),
                size * dice.between(0.34, 0.46),
            )
        )
    puffs += sorted(ring, key=lambda puff: -puff[1])
    puffs += [(x + light.sun * size * 0.2, middle - size * 0.25, size * 0.42)]
    blob = billow(puffs, light=(light.sun * 0.65, -0.75), softness=1.3, ragged=34, offset=dice.offset())
    _lay(canvas, light, blob.x, blob.y, blob.cover, blob.relief, leaf, haze, dice.offset())


def _conifer(
    canvas: Canvas, dice: Dice, light: Light, x: float, base: float, size: float, leaf: Array, haze: float, slim: bool
) -> None:
    height = size * (3.7 if slim else 3.0)
    half = size * (0.5 if slim else 0.86)
    foot = 0.055 if slim else 0.07
    leaf = mix(leaf, rgb(44, 84, 66), 0.75)
    shade_on_ground(canvas, light, x, base, half * 1.1)
    _trunk(canvas, dice, light, x, base, base - foot - 0.04, 0.036, haze)
    bottom, top = base - foot, base - foot - height
    if slim:
        puffs = []
        for step in range(10):
            t = step / 9
            puffs.append(
                (
                    x,
                    bottom + (top - bottom) * t * 0.96 - half * 0.6,
                    half * float(np.sin(0.5 + 2.35 * t) ** 0.8 * (1 - 0.25 * t)),
                )
            )
        blob = billow(puffs, light=(light.sun * 0.9, -0.3), softness=1.2, ragged=24, offset=dice.offset())
        _lay(canvas, light, blob.x, blob.y, blob.cover, blob.relief, leaf, haze, dice.offset())
        return
    tiers = 4
    for step in range(tiers):
        low = bottom + (top - bottom) * step / tiers
        tip = min(low + (top - bottom) * 0.46, low) if step < tiers - 1 else top
        wide = half * (1 - 0.2 * step)
        droop = size * 0.09
        points = [
            (x, tip),
            (x + wide, low),
            (x + wide * 0.45, low - droop),
            (x, low + droop * 0.4),
            (x - wide * 0.45, low - droop),
            (x - wide, low),
        ]
        turn = (0.62, 1.3) if light.sun > 0 else (1.3, 0.62)
        colour = mix(light.on(leaf, 0.6), light.haze, haze)
        canvas.shape(points, Paint(colour, textures.leaves(), dice.offset(), rise=(1.22, 0.74), turn=turn), CROWN)


def _lay(
    canvas: Canvas,
    light: Light,
    x: int,
    y: int,
    cover: Array,
    relief: Array,
    leaf: Array,
    haze: float,
    offset: tuple[int, int],
) -> None:
    dark = mix(light.on(mix(leaf, rgb(34, 60, 70), 0.35) * 0.72, 0.15), light.haze, haze)
    bright = mix(light.on(mix(leaf, rgb(236, 220, 120), 0.2) * 1.15, 0.9), light.haze, haze)
    h, w = relief.shape
    oy, ox = offset
    grain = textures.leaves()[oy : oy + h, ox : ox + w]
    canvas.stamp(x, y, cover, (plane(dark) + relief * plane(bright - dark)) * grain, CROWN)


def shade_on_ground(canvas: Canvas, light: Light, x: float, base: float, half: float) -> None:
    """A soft shadow on the ground, away from the sun."""
    depth = 0.42 * (1 - 0.6 * light.dark)
    canvas.shadow(oval(x - light.sun * half * 0.4, base, half, max(half * 0.2, 0.012)), depth, 0.008, rgb(0, 0, 0.15))

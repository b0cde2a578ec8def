"""From a seed to a scene: decide, then paint from back to front."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import index

import cv2
import numpy as np

from core.errors import BadInput
from core.scenes.canvas import SIDE, Canvas
from core.scenes.church import Church, draw_church, paint_church
from core.scenes.dice import Dice
from core.scenes.landscape import paint_clouds, paint_ground, paint_hills, paint_path, paint_sky
from core.scenes.light import Light, draw_light
from core.scenes.props import paint_bench, paint_fence, paint_lamp, paint_person
from core.scenes.trees import leaf_colour, paint_tree

WORLD_VERSION = 2
"""Raised whenever a pixel of any scene changes: the bundled weights were trained on exactly this world."""

SIZES = (32, 256)
"""Smallest and largest side of a picture."""


@dataclass(frozen=True)
class Scene:
    """One picture and its truth: image uint8 (H,W,3) RGB, labels uint8 (3,H,W) ids of object, part and material."""

    seed: int
    image: np.ndarray
    labels: np.ndarray


def paint_scene(seed: int, size: int = 128) -> Scene:
    """The scene of a seed as a size x size picture; the same scene at every size from 32 to 256. Raises BadInput."""
    seed, size = _whole("seed", seed), _side(size)
    if seed < 0:
        raise BadInput(f"scene seed {seed} is negative; seeds are whole numbers from 0 on")
    canvas = _paint(Dice(seed))
    colour = cv2.merge([cv2.convertScaleAbs(np.maximum(band, 0)) for band in canvas.colour])
    labels = canvas.packed.astype("<u4").view(np.uint8).reshape(SIDE, SIDE, 4)[:, :, :3].transpose(2, 0, 1)
    if size == SIDE:
        return Scene(seed, colour, np.ascontiguousarray(labels))
    middle = ((np.arange(size) + 0.5) * (SIDE / size)).astype(int)
    image = cv2.resize(colour, (size, size), interpolation=cv2.INTER_AREA)
    return Scene(seed, image, np.ascontiguousarray(labels[:, middle[:, None], middle[None]]))


def paint_scenes(seeds: Iterable[int], size: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Scenes of many seeds: images uint8 (N,H,W,3) and labels uint8 (N,3,H,W). Raises BadInput."""
    seeds = list(seeds)
    side = _side(size)
    images = np.empty((len(seeds), side, side, 3), np.uint8)
    labels = np.empty((len(seeds), 3, side, side), np.uint8)
    for at, seed in enumerate(seeds):
        scene = paint_scene(seed, side)
        images[at], labels[at] = scene.image, scene.labels
    return images, labels


def _whole(name: str, value: int) -> int:
    try:
        return index(value)
    except TypeError:
        raise BadInput(f"scene {name} {value!r} is not a whole number") from None


def _side(size: int) -> int:
    side = _whole("size", size)
    if not SIZES[0] <= side <= SIZES[1]:
        raise BadInput(f"scene size {side} is out of range; scenes are painted at {SIZES[0]} to {SIZES[1]} pixels")
    return side


def _paint(dice: Dice) -> Canvas:
    canvas = Canvas()
    light = draw_light(dice)
    church = draw_church(dice, light)
    leaf = leaf_colour(dice)
    green = dice.jitter(np.array((104, 140, 66), np.float32), 0.12)
    horizon = dice.between(0.62, 0.7)

    paint_sky(canvas, dice, light, horizon)
    paint_clouds(canvas, dice, light)
    paint_hills(canvas, dice, light, horizon + 0.01, leaf * 0.9)
    paint_ground(canvas, dice, light, horizon, green)
    _trees(canvas, dice, light, church, leaf, behind=True, horizon=horizon)
    walk = paint_path(canvas, dice, light, horizon, church.door, church.door_width * 1.05)
    paint_church(canvas, dice, light, church)
    _trees(canvas, dice, light, church, leaf, behind=False, horizon=horizon)
    _props(canvas, dice, light, church, walk)
    return canvas


def _trees(canvas: Canvas, dice: Dice, light: Light, church: Church, leaf: np.ndarray, *, behind: bool, horizon: float) -> None:
    for way in (-1, 1):
        if not dice.chance(0.4 if behind else 0.66):
            continue
        kind = dice.pick(("round", "conifer", "cypress"), (0.6, 0.24, 0.16))
        size = dice.between(0.085, 0.12) if behind else dice.between(0.115, 0.16)
        x = 0.5 + way * (dice.between(0.26, 0.4) if behind else dice.between(0.36, 0.46))
        base = dice.between(horizon + 0.05, church.base - 0.04) if behind else church.base + dice.between(0, 0.06)
        own = dice.jitter(leaf, 0.07)
        paint_tree(canvas, dice, light, kind=kind, x=x, base=base, size=size, leaf=own, haze=0.12 if behind else 0.0)


def _props(canvas: Canvas, dice: Dice, light: Light, church: Church, walk: float) -> None:
    fence = dice.chance(0.3)
    ways = (dice.pick((-1, 1)), dice.pick((-1, 1)), dice.pick((-1, 1)))
    if dice.chance(0.3):
        x = church.x + ways[0] * dice.between(0.21, 0.3)
        paint_lamp(canvas, dice, light, x, church.base + dice.between(0.03, 0.06))
    if dice.chance(0.3):
        x = 0.5 + ways[1] * dice.between(0.25, 0.34)
        paint_bench(canvas, dice, light, x, church.base + dice.between(0.045, 0.075))
    if fence:
        paint_fence(canvas, dice, light, (walk - 0.19, walk + 0.19))
    if dice.chance(0.34):
        x = church.x + ways[2] * dice.between(0.1, 0.17)
        paint_person(canvas, dice, light, x, church.base + dice.between(0.04, 0.1))
        if dice.chance(0.3):
            paint_person(canvas, dice, light, x + ways[2] * 0.1, church.base + dice.between(0.04, 0.1))

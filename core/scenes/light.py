"""Time of day and weather: the sky's colours and the light that falls on everything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.scenes.canvas import mix, rgb
from core.scenes.dice import Dice

Array = np.ndarray

TIMES = ("day", "dawn", "dusk", "night")


@dataclass(frozen=True)
class Light:
    """One scene's light. Colours 0..255; `ambient` and `key` multiply a surface's own colour.

    `sun` is -1 when the light comes from the left, +1 from the right. `dark` is 0 by day, 1 at night.
    """

    time: str
    zenith: Array
    middle: Array
    horizon: Array
    haze: Array
    ambient: Array
    key: Array
    cloud_light: Array
    cloud_shade: Array
    sun: int
    dark: float

    def on(self, colour: Array, facing: float) -> Array:
        """A surface's colour in this light; facing is 0 in shade and 1 full in the sun."""
        return np.minimum(colour * (self.ambient + self.key * np.float32(facing)), 250)


_SKIES: dict[str, tuple[Array, ...]] = {
    # zenith, middle, horizon, haze, ambient, key, cloud light, cloud shade
    "day": (
        rgb(66, 124, 198), rgb(122, 172, 222), rgb(196, 220, 236), rgb(188, 208, 226),
        rgb(0.52, 0.55, 0.62), rgb(0.62, 0.57, 0.47), rgb(255, 253, 250), rgb(196, 206, 222),
    ),
    "grey": (
        rgb(118, 140, 166), rgb(156, 174, 192), rgb(196, 206, 212), rgb(190, 200, 206),
        rgb(0.64, 0.66, 0.70), rgb(0.34, 0.33, 0.31), rgb(244, 246, 248), rgb(190, 198, 208),
    ),
    "dawn": (
        rgb(104, 132, 192), rgb(198, 172, 198), rgb(255, 212, 172), rgb(232, 200, 192),
        rgb(0.52, 0.50, 0.59), rgb(0.56, 0.43, 0.32), rgb(255, 236, 224), rgb(226, 168, 176),
    ),
    "dusk": (
        rgb(50, 58, 118), rgb(150, 92, 136), rgb(250, 158, 92), rgb(196, 128, 116),
        rgb(0.36, 0.34, 0.47), rgb(0.64, 0.40, 0.23), rgb(255, 196, 150), rgb(168, 92, 116),
    ),
    "night": (
        rgb(13, 20, 50), rgb(28, 40, 82), rgb(60, 76, 122), rgb(46, 60, 100),
        rgb(0.29, 0.32, 0.45), rgb(0.20, 0.22, 0.30), rgb(126, 140, 180), rgb(70, 82, 124),
    ),
}  # fmt: skip


def draw_light(dice: Dice) -> Light:
    """Roll the time of day, the weather and the side of the sun."""
    time = dice.pick(TIMES, (0.54, 0.16, 0.19, 0.11))
    colours = list(_SKIES[time])
    if time == "day":
        grey = dice.pick((0.0, 0.5, 1.0), (0.6, 0.2, 0.2))
        colours = [mix(a, b, grey) for a, b in zip(colours, _SKIES["grey"], strict=True)]
    other = {"day": "dawn", "dawn": "day", "dusk": "dawn", "night": "dusk"}[time]
    lean = dice.between(0, 0.22)
    colours = [mix(a, b, lean) for a, b in zip(colours, _SKIES[other], strict=True)]
    tint = rgb(dice.between(0.95, 1.05), dice.between(0.96, 1.04), dice.between(0.95, 1.05))
    for index in range(4):
        colours[index] = np.minimum(colours[index] * tint, 255)
    dark = {"day": 0.0, "dawn": 0.15, "dusk": 0.6, "night": 1.0}[time]
    zenith, middle, horizon, haze, ambient, key, cloud_light, cloud_shade = colours
    return Light(
        time=time,
        zenith=zenith,
        middle=middle,
        horizon=horizon,
        haze=haze,
        ambient=ambient,
        key=key,
        cloud_light=cloud_light,
        cloud_shade=cloud_shade,
        sun=1 if dice.chance(0.5) else -1,
        dark=dark,
    )

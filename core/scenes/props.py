"""Things that stand in front of the church: fence, lamp, bench, people."""

from __future__ import annotations

import numpy as np

from core.scenes.canvas import Canvas, Paint, oval, rect, rgb, tag
from core.scenes.dice import Dice
from core.scenes.light import Light
from core.scenes.trees import shade_on_ground

Array = np.ndarray

BENCH = tag("bench", "no label", "wood")
FENCE = tag("fence", "no label", "wood")
LAMP = tag("lamp")
PERSON = tag("person")


def paint_fence(canvas: Canvas, dice: Dice, light: Light, gap: tuple[float, float]) -> None:
    """Upright boards along the lower edge, open where the path runs through `gap`."""
    colour = dice.jitter(dice.pick((rgb(236, 234, 226), rgb(150, 108, 72), rgb(112, 132, 128))), 0.04)
    base, high = dice.between(0.95, 0.975), dice.between(0.085, 0.1)
    pitch = 0.042
    for start, stop in ((-0.02, gap[0]), (gap[1], 1.02)):
        number = int((stop - start) / pitch)
        if number < 2:
            continue
        stop = start + number * pitch if start < 0.3 else stop
        start = stop - number * pitch
        canvas.shadow(rect(start, base - 0.004, stop, base + 0.014), 0.4, 0.006, rgb(0, 0, 0.15))
        outline = [(start, base)]
        for index in range(number):
            x = start + index * pitch
            outline += [(x, base - high + 0.016), (x + pitch / 2, base - high), (x + pitch, base - high + 0.016)]
        outline.append((stop, base))
        canvas.shape(outline, Paint(light.on(colour, 0.75), None, rise=(1.06, 0.86)), FENCE)
        gap_paint = Paint(light.on(colour * 0.45, 0.4))
        for index in range(1, number):
            x = start + index * pitch
            canvas.shape(rect(x - 0.004, base - high + 0.018, x + 0.004, base), gap_paint, None, 0.7)
        rail = Paint(light.on(colour * 1.04, 0.95))
        canvas.shape(rect(start, base - high * 0.62, stop, base - high * 0.62 + 0.016), rail, None)
        canvas.shape(rect(start, base - high * 0.62 + 0.016, stop, base - high * 0.62 + 0.022), gap_paint, None, 0.5)


def paint_lamp(canvas: Canvas, dice: Dice, light: Light, x: float, base: float) -> None:
    """An iron street lamp; it shines in the evening."""
    iron = Paint(light.on(dice.pick((rgb(44, 48, 54), rgb(34, 62, 56))), 0.7), turn=(1.3, 0.7) if light.sun < 0 else (0.7, 1.3))
    high = dice.between(0.29, 0.35)
    top = base - high
    shade_on_ground(canvas, light, x, base, 0.04)
    canvas.shape(rect(x - 0.013, top, x + 0.013, base), iron, LAMP)
    canvas.shape(rect(x - 0.027, base - 0.03, x + 0.027, base), iron, LAMP)
    canvas.shape(rect(x - 0.024, top - 0.004, x + 0.024, top + 0.012), iron, LAMP)
    bright = light.dark > 0.5
    lens = Paint(rgb(255, 226, 150)) if bright else Paint(light.on(rgb(240, 232, 196), 0.8), turn=(1.05, 0.8))
    canvas.shape([(x - 0.022, top), (x - 0.034, top - 0.062), (x + 0.034, top - 0.062), (x + 0.022, top)], lens, LAMP)
    canvas.shape([(x - 0.042, top - 0.06), (x, top - 0.092), (x + 0.042, top - 0.06)], iron, LAMP)
    if bright:
        canvas.glow(x, top - 0.03, 0.17, rgb(90, 66, 26))


def paint_bench(canvas: Canvas, dice: Dice, light: Light, x: float, base: float) -> None:
    """A park bench seen from the front: back rest, seat and two legs."""
    half = dice.between(0.095, 0.115)
    wood = light.on(dice.jitter(dice.pick((rgb(196, 132, 74), rgb(170, 100, 58), rgb(92, 128, 96)))), 0.8)
    leg = Paint(light.on(rgb(58, 56, 58), 0.6))
    shade_on_ground(canvas, light, x, base, half)
    for way in (-1, 1):
        foot = x + way * half * 0.78
        canvas.shape(rect(foot - 0.014, base - 0.05, foot + 0.014, base), leg, BENCH)
    canvas.shape(rect(x - half, base - 0.115, x + half, base - 0.05), Paint(wood, rise=(1.08, 0.86)), BENCH)
    line = Paint(wood * 0.5)
    canvas.shape(rect(x - half, base - 0.088, x + half, base - 0.082), line, None, 0.8)
    canvas.shape(rect(x - half - 0.008, base - 0.06, x + half + 0.008, base - 0.034), Paint(wood * 1.12, rise=(1.1, 0.8)), BENCH)


def paint_person(canvas: Canvas, dice: Dice, light: Light, x: float, base: float) -> None:
    """Someone in a bright coat, facing us."""
    coats = (
        rgb(206, 52, 56),
        rgb(44, 92, 182),
        rgb(238, 186, 48),
        rgb(34, 150, 150),
        rgb(150, 68, 148),
        rgb(236, 120, 44),
    )
    coat = light.on(dice.pick(coats), 0.85)
    legs = light.on(dice.pick((rgb(44, 46, 62), rgb(70, 58, 50), rgb(60, 72, 96))), 0.7)
    skin = light.on(dice.pick((rgb(236, 194, 164), rgb(198, 146, 110), rgb(126, 84, 62))), 0.8)
    hair = light.on(dice.pick((rgb(46, 34, 28), rgb(112, 74, 42), rgb(196, 162, 96), rgb(120, 120, 122))), 0.7)
    s = dice.between(1.1, 1.3)
    turn = (0.75, 1.15) if light.sun > 0 else (1.15, 0.75)
    shade_on_ground(canvas, light, x, base, 0.04 * s)
    canvas.shape(rect(x - 0.021 * s, base - 0.075 * s, x + 0.021 * s, base), Paint(legs, turn=turn), PERSON)
    canvas.shape(rect(x - 0.002, base - 0.06 * s, x + 0.002, base), Paint(legs * 0.5), None, 0.8)
    shoulder, hem = 0.026 * s, 0.037 * s
    body = [
        (x - shoulder, base - 0.158 * s),
        (x + shoulder, base - 0.158 * s),
        (x + hem, base - 0.062 * s),
        (x - hem, base - 0.062 * s),
    ]
    canvas.shape(body, Paint(coat, turn=turn), PERSON)
    canvas.shape(oval(x, base - 0.185 * s, 0.024 * s, 0.027 * s), Paint(hair), PERSON)
    canvas.shape(oval(x, base - 0.179 * s, 0.018 * s, 0.021 * s), Paint(skin, turn=turn), PERSON)

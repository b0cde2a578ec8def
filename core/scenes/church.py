"""The church: gabled, towered or domed, always facing us, in brick, stone or plaster.

Frames of windows and of the door are one or two pixels wide at 128 px: they count as the wall they sit in, part and material.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.scenes import textures
from core.scenes.canvas import Canvas, Paint, Point, arch, mix, oval, rect, rgb, tag
from core.scenes.dice import Dice
from core.scenes.light import Light

Array = np.ndarray


@dataclass(frozen=True)
class Stuff:
    """A material as it is used on one church: its label, its own colour, its texture."""

    name: str
    colour: Array
    texture: Array | None


@dataclass(frozen=True)
class Church:
    """Everything decided before painting. `door` is the middle of the door's foot; lengths in units."""

    style: str
    x: float
    base: float
    scale: float
    deep: float
    wall: Stuff
    roof: Stuff
    cap: Stuff
    trim: Array
    door: Point
    door_width: float
    door_height: float
    door_colour: Array
    opening: str
    lit: bool
    glass: Array


def draw_church(dice: Dice, light: Light) -> Church:
    """Roll the church."""
    wall = _wall(dice)
    roof = _roof(dice, tiled=0.3 if wall.name == "brick" else 0.6)
    style = dice.pick(("gable", "tower", "dome"), (0.31, 0.33, 0.36))
    cap = roof
    if style == "dome" or dice.chance(0.45):
        green = (rgb(98, 172, 148), rgb(126, 188, 172), rgb(84, 156, 150))
        patina = rgb(206, 158, 76) if style == "dome" and dice.chance(0.22) else dice.pick(green)
        cap = Stuff("copper", dice.jitter(patina), textures.copper())
    deep = dice.pick((-1, 1)) * dice.between(0.1, 0.18)
    x = 0.5 + dice.between(-0.05, 0.05) - (0.3 * deep if style == "gable" else 0)
    base = dice.between(0.82, 0.86)
    scale = dice.between(1.1, 1.3)
    doors = (rgb(116, 74, 42), rgb(150, 98, 54), rgb(140, 44, 38), rgb(44, 82, 112), rgb(50, 92, 66))
    warm = dice.chance(0.9 if light.dark > 0.5 else 0.12)
    return Church(
        style=style,
        x=x,
        base=base,
        scale=scale,
        deep=deep,
        wall=wall,
        roof=roof,
        cap=cap,
        trim=dice.jitter(rgb(226, 216, 196) if wall.name != "plaster" else rgb(190, 176, 154), 0.05),
        door=(x, base),
        door_width=dice.between(0.1, 0.12) * scale,
        door_height=dice.between(0.155, 0.185) * scale,
        door_colour=dice.jitter(dice.pick(doors)),
        opening=dice.pick(("round", "pointed", "flat"), (0.45, 0.35, 0.2)),
        lit=warm,
        glass=dice.jitter(rgb(60, 84, 112), 0.1),
    )


def _wall(dice: Dice) -> Stuff:
    kind = dice.pick(("brick", "stone", "plaster"), (0.6, 0.2, 0.2))
    if kind == "brick":
        return Stuff(
            kind,
            dice.jitter(dice.pick((rgb(172, 84, 62), rgb(190, 106, 70), rgb(150, 66, 56))), 0.05),
            textures.brick(),
        )
    if kind == "stone":
        return Stuff(
            kind,
            dice.jitter(dice.pick((rgb(172, 168, 160), rgb(196, 182, 152), rgb(150, 154, 160))), 0.05),
            textures.stone(),
        )
    shades = (rgb(240, 234, 222), rgb(240, 218, 166), rgb(232, 204, 190), rgb(206, 218, 224))
    return Stuff(kind, dice.jitter(dice.pick(shades), 0.03), textures.plaster())


def _roof(dice: Dice, tiled: float) -> Stuff:
    if not dice.chance(tiled):
        return Stuff("slate", dice.jitter(dice.pick((rgb(84, 94, 112), rgb(104, 106, 114), rgb(72, 80, 92)))), textures.slate())
    return Stuff("tile", dice.jitter(dice.pick((rgb(206, 104, 58), rgb(184, 88, 56), rgb(214, 132, 78)))), textures.tile())


def paint_church(canvas: Canvas, dice: Dice, light: Light, church: Church) -> None:
    """Paint the body, its roofs, the door and the windows."""
    Builder(canvas, dice, light, church).build()


class Builder:
    """One church being painted; methods go from large masses to openings."""

    def __init__(self, canvas: Canvas, dice: Dice, light: Light, church: Church) -> None:
        self.canvas, self.dice, self.light, self.church = canvas, dice, light, church
        self.offset = dice.offset()

    def build(self) -> None:
        church = self.church
        {"gable": self.gable, "tower": self.tower, "dome": self.dome}[church.style]()
        self.door()

    # ---- styles ------------------------------------------------------------------------------------------------
    def gable(self) -> None:
        """A gabled front whose nave runs back to one side; sometimes a side tower."""
        c, s, dice = self.church, self.church.scale, self.dice
        half, high, rise = dice.between(0.165, 0.2) * s, dice.between(0.26, 0.31) * s, dice.between(0.15, 0.2) * s
        deep = (c.deep * 1.15 * s, -0.02)
        self.ground_shadow(c.x, half + abs(deep[0]) * 0.5)
        side = 1 if deep[0] > 0 else -1
        if dice.chance(0.5):
            wide = dice.between(0.075, 0.09) * s
            self.turret(c.x - side * (half + wide * 0.72), wide, (high + rise) * dice.between(0.84, 0.98), True)
        wall_x, top, y = c.x + side * half, c.base - high, c.base
        far = wall_x + deep[0]
        self.wall([(wall_x, y), (far, y + deep[1]), (far, top + deep[1]), (wall_x, top)], self.side_facing(side), "wall")
        for step in (0.32, 0.72):
            self.window(
                wall_x + deep[0] * step,
                y + deep[1] * step - high * 0.3,
                abs(deep[0]) * 0.2,
                high * 0.42,
                self.side_facing(side),
            )
        over = 0.016
        roof = [(c.x, top - rise - over), (c.x + deep[0], top - rise - over + deep[1])]
        roof += [(far + side * over, top + deep[1] + over), (wall_x + side * over, top + over)]
        self.roof(roof, 0.9 if side == self.light.sun else 0.4)
        self.wall([(c.x - half, y), (c.x + half, y), (c.x + half, top), (c.x, top - rise), (c.x - half, top)], 0.7, "wall")
        thick = 0.024 * s
        for way in (-1, 1):
            eave = (c.x + way * (half + over), top + over)
            edge = [(c.x, top - rise - over), eave, (eave[0], eave[1] + thick), (c.x, top - rise - over + thick * 1.5)]
            self.shade([(px, py + 0.014) for px, py in edge], 0.3)
            self.roof(edge, 0.9 if way == self.light.sun else 0.45)
        if dice.chance(0.6):
            self.rose(c.x, top - rise * 0.22, 0.045 * s)
        else:
            self.window(c.x, top + high * 0.06, 0.055 * s, 0.115 * s, 0.7)
        for way in (-1, 1):
            self.window(c.x + way * half * 0.66, y - high * 0.3, 0.055 * s, high * 0.44, 0.7)
        self.cross(c.x, top - rise - over)

    def tower(self) -> None:
        """A nave seen from its long side with a tower in front of it."""
        c, s, dice = self.church, self.church.scale, self.dice
        half, high, rise = dice.between(0.26, 0.32) * s, dice.between(0.21, 0.26) * s, dice.between(0.1, 0.14) * s
        shift = dice.pick((0.0, 0.0, -0.1, 0.1)) * s
        middle, top, y = c.x + shift, c.base - 0.012 - high, c.base - 0.012
        self.ground_shadow(middle, half)
        self.wall(rect(middle - half, top, middle + half, y), 0.7, "wall")
        over, slope = 0.02, dice.between(0.03, 0.07)
        self.shade(rect(middle - half, top, middle + half, top + 0.03), 0.28)
        self.roof(
            [
                (middle - half - over, top + 0.006),
                (middle - half + slope, top - rise),
                (middle + half - slope, top - rise),
                (middle + half + over, top + 0.006),
            ],
            0.75,
        )
        wide = dice.between(0.085, 0.1) * s
        for way in (-1, 1):
            left, right = c.x + way * (wide + 0.01), middle + way * half
            room = abs(right - left)
            number = 2 if room > 0.15 else 1
            for step in range(number):
                self.window(left + (right - left) * (step + 0.5) / number, y - high * 0.24, 0.056 * s, high * 0.52, 0.7)
        self.turret(c.x, wide, dice.between(0.4, 0.46) * s, dice.chance(0.8))

    def dome(self) -> None:
        """A broad body with a drum and a dome, and a pediment over the door."""
        c, s, dice = self.church, self.church.scale, self.dice
        half, high = dice.between(0.235, 0.28) * s, dice.between(0.23, 0.28) * s
        top, y = c.base - high, c.base
        self.ground_shadow(c.x, half)
        rx, ry = dice.between(0.145, 0.18) * s, dice.between(0.14, 0.19) * s
        drum = dice.between(0.05, 0.075) * s
        self.wall(rect(c.x - rx * 0.92, top - drum, c.x + rx * 0.92, top + 0.01), 0.65, "wall", rounded=True)
        for step in (-0.62, -0.21, 0.21, 0.62):
            self.window(c.x + step * rx, top - drum * 0.16, 0.032 * s, drum * 0.66, 0.65)
        self.moulding(c.x - rx * 1.02, top - drum - 0.012, c.x + rx * 1.02, top - drum + 0.006)
        self.bowl(c.x, top - drum - 0.012, rx, ry)
        if dice.chance(0.4):
            for way in (-1, 1):
                self.turret(c.x + way * (half - 0.01), 0.05 * s, high * dice.between(1.35, 1.5), True, slim=True)
        self.wall(rect(c.x - half, top, c.x + half, y), 0.7, "wall")
        self.moulding(c.x - half - 0.014, top - 0.012, c.x + half + 0.014, top + 0.012)
        self.shade(rect(c.x - half, top + 0.012, c.x + half, top + 0.028), 0.25)
        porch, gable = c.door_width * 0.98, 0.085 * s
        crest = c.base - c.door_height - 0.03 * s
        number = 2 if half - porch > 0.19 else 1
        for way in (-1, 1):
            for step in range(number):
                at = c.x + way * (porch + (half - porch) * (step + 0.52) / number)
                self.window(at, y - high * 0.26, 0.056 * s, high * 0.48, 0.7)
        self.wall(rect(c.x - porch, crest, c.x + porch, y), 0.85, "wall")
        self.shade(
            [
                (c.x - porch - 0.02, crest + 0.01),
                (c.x + porch + 0.02, crest + 0.01),
                (c.x + porch, crest + 0.03),
                (c.x - porch, crest + 0.03),
            ],
            0.25,
        )
        self.roof([(c.x - porch - 0.026, crest + 0.008), (c.x, crest - gable), (c.x + porch + 0.026, crest + 0.008)], 0.8)

    # ---- masses ------------------------------------------------------------------------------------------------
    def side_facing(self, side: int) -> float:
        """How much sun a wall that looks to one side gets."""
        return 0.95 if side == self.light.sun else 0.12

    def wall(self, points: list[Point], facing: float, part: str, rounded: bool = False) -> None:
        wall = self.church.wall
        turn = ((0.6, 1.15) if self.light.sun > 0 else (1.15, 0.6)) if rounded else None
        paint = Paint(self.light.on(wall.colour, facing), wall.texture, self.offset, rise=(1.05, 0.9), turn=turn)
        self.canvas.shape(points, paint, tag("building", part, wall.name))

    def roof(self, points: list[Point], facing: float) -> None:
        roof = self.church.roof
        paint = Paint(self.light.on(roof.colour, facing), roof.texture, self.offset, rise=(1.06, 0.94))
        self.canvas.shape(points, paint, tag("building", "roof", roof.name))

    def turret(self, x: float, half: float, high: float, spire: bool, slim: bool = False) -> None:
        """A tower standing on the ground, with a spire or a low pyramid on top."""
        c, s, light = self.church, self.church.scale, self.light
        top = c.base - high
        turn = (0.82, 1.1) if light.sun > 0 else (1.1, 0.82)
        paint = Paint(light.on(c.wall.colour, 0.75), c.wall.texture, self.offset, rise=(1.05, 0.9), turn=turn)
        self.canvas.shape(rect(x - half, top, x + half, c.base), paint, tag("building", "tower", c.wall.name))
        rise = self.dice.between(0.19, 0.26) * s * (0.75 if slim else 1) if spire else 0.1 * s
        rise = min(rise, top - 0.045)
        over = half * 1.16
        self.shade(rect(x - half, top, x + half, top + 0.024), 0.28)
        self.moulding(x - half - 0.008, top - 0.006, x + half + 0.008, top + 0.01, "tower")
        tip = (x, top - rise)
        name = tag("building", "spire" if spire else "roof", c.cap.name)
        bright, dim = light.on(c.cap.colour, 0.95), light.on(c.cap.colour, 0.25)
        fold = x - light.sun * over * 0.25
        lit = [(x + light.sun * over, top - 0.004), tip, (fold, top + 0.004)]
        dark = [(x - light.sun * over, top - 0.004), tip, (fold, top + 0.004)]
        self.canvas.shape(dark, Paint(dim, c.cap.texture, self.offset), name)
        self.canvas.shape(lit, Paint(bright, c.cap.texture, self.offset), name)
        self.cross(*tip)
        if slim:
            self.window(x, top + high * 0.24, half * 0.8, high * 0.16, 0.75, "tower")
        else:
            self.window(x, top + 0.13 * s, half * 0.72, 0.105 * s, 0.75, "tower")

    def bowl(self, x: float, y: float, rx: float, ry: float) -> None:
        """The dome: half an ellipse shaded round, with ribs and a lantern."""
        c, light = self.church, self.light
        turn = (0.5, 1.22) if light.sun > 0 else (1.22, 0.5)
        name = tag("building", "dome", c.cap.name)
        outline = [*oval(x, y, rx, ry, 180, 360), (x + rx, y + 0.004), (x - rx, y + 0.004)]
        self.canvas.shape(
            outline, Paint(light.on(c.cap.colour, 0.75), c.cap.texture, self.offset, rise=(1.12, 0.92), turn=turn), name
        )
        rib = Paint(light.on(c.cap.colour, 0.1))
        for step in (-0.66, -0.25, 0.25, 0.66):
            arc = oval(x, y, rx * abs(step), ry, 270, 360 if step > 0 else 180)
            outer = oval(x, y, rx * abs(step) + 0.008, ry, 270, 360 if step > 0 else 180)
            self.canvas.shape([*arc, *reversed(outer)], rib, None, 0.5)
        glint = Paint(light.on(rgb(255, 255, 245), 0.9))
        self.canvas.shape(oval(x + light.sun * rx * 0.42, y - ry * 0.62, rx * 0.16, ry * 0.13), glint, None, 0.3)
        lantern = Paint(light.on(c.trim, 0.8), turn=turn)
        self.canvas.shape(
            rect(x - rx * 0.14, y - ry - 0.035, x + rx * 0.14, y - ry + 0.01), lantern, tag("building", "dome", "stone")
        )
        self.canvas.shape(oval(x, y - ry - 0.033, rx * 0.18, 0.026, 180, 360), Paint(light.on(c.cap.colour, 0.7)), name)
        self.cross(x, y - ry - 0.055)

    # ---- details -----------------------------------------------------------------------------------------------
    def shade(self, points: list[Point], strength: float) -> None:
        self.canvas.shadow(points, strength, 0.006, rgb(0, 0, 0.2))

    def ground_shadow(self, x: float, half: float) -> None:
        base, sun = self.church.base, self.light.sun
        depth = 0.45 * (1 - 0.6 * self.light.dark)
        far = x - sun * (half + 0.16)
        points = [
            (x - half, base - 0.01),
            (x + half, base - 0.01),
            (x + half, base + 0.018),
            (x - sun * half, base + 0.03),
            (far, base + 0.012),
            (far, base - 0.02),
        ]
        self.canvas.shadow(points, depth, 0.012, rgb(0, 0, 0.15))

    def moulding(self, x0: float, y0: float, x1: float, y1: float, part: str = "wall") -> None:
        """A band of pale stone."""
        paint = Paint(self.light.on(self.church.trim, 0.85), rise=(1.08, 0.82))
        self.canvas.shape(rect(x0, y0, x1, y1), paint, tag("building", part, "stone"))

    def cross(self, x: float, y: float) -> None:
        """A small gilded cross: building, but no named part."""
        paint = Paint(self.light.on(rgb(226, 190, 92), 0.8))
        self.canvas.shape(rect(x - 0.004, y - 0.036, x + 0.004, y + 0.004), paint, tag("building"))
        self.canvas.shape(rect(x - 0.013, y - 0.028, x + 0.013, y - 0.02), paint, tag("building"))

    def pane(self) -> Paint:
        """Window glass: warm when lit, else a piece of sky."""
        c, light = self.church, self.light
        if c.lit and light.dark > 0.5:
            return Paint(rgb(255, 202, 108), rise=(0.86, 1.0))
        if c.lit:
            return Paint(rgb(226, 186, 120), rise=(0.8, 1.0))
        return Paint(mix(light.on(c.glass, 0.5), light.zenith, 0.25), rise=(1.3, 0.75))

    def window(self, x: float, base: float, width: float, height: float, facing: float, part: str = "wall") -> None:
        """A framed window standing on `base`."""
        c, light = self.church, self.light
        frame = 0.009 if width > 0.045 else 0.005
        kind = c.opening
        rim = Paint(light.on(c.trim, facing))
        self.canvas.shape(
            arch(x, base + frame, width + 2 * frame, height + 2 * frame, kind), rim, tag("building", part, c.wall.name)
        )
        self.canvas.shape(arch(x, base, width, height, kind), self.pane(), tag("building", "window", "glass"))
        if width > 0.045:
            bar = Paint(light.on(c.trim * 0.55, facing))
            self.canvas.shape(rect(x - 0.003, base - height * 0.96, x + 0.003, base), bar, None, 0.8)
            self.canvas.shape(
                rect(x - width / 2, base - height * 0.5, x + width / 2, base - height * 0.5 + 0.006), bar, None, 0.8
            )
        if c.lit and light.dark > 0.5:
            self.canvas.glow(x, base - height / 2, height * 0.8, rgb(34, 20, 6))

    def rose(self, x: float, y: float, radius: float) -> None:
        """A round window with spokes."""
        c, light = self.church, self.light
        self.canvas.shape(
            oval(x, y, radius + 0.01, radius + 0.01), Paint(light.on(c.trim, 0.75)), tag("building", "wall", c.wall.name)
        )
        self.canvas.shape(oval(x, y, radius, radius), self.pane(), tag("building", "window", "glass"))
        bar = Paint(light.on(c.trim * 0.55, 0.7))
        for angle in (0.0, np.pi / 3, 2 * np.pi / 3):
            dx, dy = radius * float(np.cos(angle)), radius * float(np.sin(angle))
            nx, ny = -0.003 * float(np.sin(angle)), 0.003 * float(np.cos(angle))
            self.canvas.shape(
                [
                    (x - dx - nx, y - dy - ny),
                    (x + dx - nx, y + dy - ny),
                    (x + dx + nx, y + dy + ny),
                    (x - dx + nx, y - dy + ny),
                ],
                bar,
                None,
                0.8,
            )

    def door(self) -> None:
        """The door: planks in a stone frame, a step in front."""
        c, light = self.church, self.light
        x, y = c.door
        kind = c.opening
        frame = 0.013
        part = "tower" if c.style == "tower" else "wall"
        self.canvas.shape(
            arch(x, y, c.door_width + 2 * frame, c.door_height + frame, kind),
            Paint(light.on(c.trim, 0.8)),
            tag("building", part, c.wall.name),
        )
        wood = Paint(light.on(c.door_colour, 0.7), textures.planks(), self.offset, rise=(0.78, 1.08))
        self.canvas.shape(arch(x, y, c.door_width, c.door_height, kind), wood, tag("building", "door", "wood"))
        self.canvas.shape(
            rect(x - 0.0035, y - c.door_height * 0.97, x + 0.0035, y),
            Paint(light.on(c.door_colour * 0.35, 0.5)),
            None,
            0.9,
        )
        knob = Paint(light.on(rgb(232, 200, 110), 0.9))
        for way in (-1, 1):
            self.canvas.shape(oval(x + way * 0.014, y - c.door_height * 0.42, 0.005, 0.005), knob, None)
        step = Paint(light.on(c.trim * 0.92, 0.9), rise=(1.1, 0.8))
        half = c.door_width / 2 + 0.022
        self.canvas.shape(rect(x - half, y - 0.002, x + half, y + 0.014), step, tag("building", "wall", "stone"))

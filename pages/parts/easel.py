"""A painting on a canvas: undo and redo live here, the canvas is one editor of them.

The list of strokes is the document; a `Timeline` of documents is the history. The canvas sends its whole drawing after each
stroke: `arrived` finds out what that means (an echo, the toolbar's undo or redo, new strokes, an edit). Whatever changes the
painting from outside the canvas goes through `set_now`, which asks the canvas to load the new drawing and remembers that until
it answers; a drawing that was on its way meanwhile is recognised, and its new strokes are kept.

A stroke's colour tells its class and mode, and its lowest bits carry the number of the settings it was drawn with, so that every
stroke keeps the settings that it was drawn with, however late it arrives. No Streamlit in here: all of it is tested as values.
"""
from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from core.errors import BadInput
from core.paint import Mode, Painting, Stroke, Timeline
from core.paint.document import Order, Value
from core.units import UnitSet
from pages.parts import canvas
from pages.parts.canvas import Mark
from pages.parts.colours import BRUSH_COLOURS, NEUTRAL, rgb

ALPHA: dict[str, int] = {"draw": 0xA0, "remove": 0x58}
MAX_STYLES = 4096


@dataclass(frozen=True)
class Style:
    """The settings a stroke is drawn with. `unit_set` is what the brush names when it is no class."""

    brush: str
    mode: Mode
    units: int
    strength: float
    value: Value = "q99"
    order: Order = "best"
    unit_set: UnitSet | None = None


@dataclass(frozen=True)
class Easel:
    """A visitor's painting of one model.

    load: what the canvas was last asked to show. waiting: the marks of that load while the canvas has not answered; shown: the
    marks that were on the canvas before it, at the scale `was`. scale: canvas pixels for one image pixel. veiled: strokes are on
    the canvas unseen.
    """

    timeline: Timeline
    styles: tuple[Style, ...] = ()
    load: dict[str, Any] | None = None
    nonce: int = 0
    waiting: tuple[Mark, ...] | None = None
    shown: tuple[Mark, ...] = ()
    scale: float = 1.0
    was: float = 1.0
    veiled: bool = False

    @property
    def now(self) -> Painting:
        """The present painting."""
        return self.timeline.now


def start(painting: Painting) -> Easel:
    """An easel with a painting and no history."""
    return Easel(Timeline.start(painting))


# --- settings and colours -----------------------------------------------------------------------------------------------------
def with_style(easel: Easel, style: Style) -> tuple[Easel, str]:
    """The easel that knows these settings, and the colour ("#rrggbbaa") that strokes with them are drawn in."""
    if style not in easel.styles:
        if len(easel.styles) >= MAX_STYLES:
            raise BadInput("too many different brush settings in one visit; save the painting and reload the page")
        easel = replace(easel, styles=(*easel.styles, style))
    return easel, colour_of(style, easel.styles.index(style))


def colour_of(style: Style, number: int) -> str:
    """The brush's colour with the number of the settings in the lowest four bits of red, green and blue."""
    base = rgb(BRUSH_COLOURS.get(style.brush, NEUTRAL) if style.unit_set is None else NEUTRAL)
    coded = [(c & 0xF0) | (number >> shift & 0xF) for c, shift in zip(base, (8, 4, 0), strict=True)]
    return "#" + "".join(f"{c:02x}" for c in (*coded, ALPHA[style.mode]))


def _style_of(easel: Easel, colour: str) -> Style:
    try:
        value = int(colour[1:7], 16) if colour[0] == "#" and len(colour) == 9 else -1
    except (ValueError, IndexError):
        value = -1
    number = (value >> 16 & 0xF) << 8 | (value >> 8 & 0xF) << 4 | value & 0xF
    if value < 0 or number >= len(easel.styles) or colour_of(easel.styles[number], number) != colour.lower():
        raise BadInput(f"a stroke of colour {colour[:12]!r} arrived, which no brush of this painting has")
    return easel.styles[number]


def _stroke(easel: Easel, mark: Mark) -> tuple[Stroke, UnitSet | None]:
    style = _style_of(easel, mark.colour)
    return Stroke(style.brush, style.mode, style.units, style.strength, mark.size, mark.points, mark.shape, style.value,
                  style.order), style.unit_set


def marks_of(easel: Easel, painting: Painting) -> tuple[Easel, tuple[Mark, ...]]:
    """What the canvas shows of a painting: a mark for each stroke that has a place, hidden ones too."""
    marks = []
    for stroke in painting.strokes:
        if stroke.shape == "all":
            continue
        easel, colour = with_style(easel, Style(stroke.brush, stroke.mode, stroke.units, stroke.strength, stroke.value,
                                                stroke.order, painting.unit_set(stroke.brush)))
        points = _simplified(stroke.points) if stroke.shape == "free" else stroke.points
        marks.append(Mark(stroke.shape, points, stroke.size if stroke.shape in ("free", "line") else 1.0, colour))
    return easel, tuple(marks)


@lru_cache(maxsize=4096)
def _simplified(points: tuple[canvas.Point, ...]) -> tuple[canvas.Point, ...]:
    return canvas.simplified(points)


# --- from outside the canvas --------------------------------------------------------------------------------------------------
def set_now(easel: Easel, timeline: Timeline) -> Easel:
    """Another present state (undo, redo, a changed stroke, another seed): the canvas is asked to load it."""
    return _push(replace(easel, timeline=timeline), *_canvas(easel))


def step(easel: Easel, painting: Painting) -> Easel:
    """One more step in the history, made outside the canvas."""
    return set_now(easel, easel.timeline.push(painting))


def show(easel: Easel, *, scale: float | None = None, veiled: bool | None = None) -> Easel:
    """Another size of canvas, or strokes seen or unseen; the painting stays."""
    new = replace(easel, scale=scale or easel.scale, veiled=easel.veiled if veiled is None else veiled)
    if (new.scale, new.veiled) == (easel.scale, easel.veiled):
        return easel
    return _push(new, *_canvas(easel))


def mounted(easel: Easel, scale: float) -> Easel:
    """A canvas that was just put on the page: it shows the present painting from the start, and nothing is on its way."""
    return replace(_push(replace(easel, scale=scale, veiled=False), (), scale), waiting=None)


def _push(easel: Easel, shown: tuple[Mark, ...], was: float) -> Easel:
    easel, marks = marks_of(easel, easel.now)
    nonce = easel.nonce + 1
    load = {"objects": canvas.objects(marks, easel.scale, opacity=0.0 if easel.veiled else 1.0), "nonce": nonce}
    return replace(easel, load=load, nonce=nonce, waiting=marks, shown=shown, was=was)


def _canvas(easel: Easel) -> tuple[tuple[Mark, ...], float]:
    """What is on the canvas before a load, and its scale: while one is under way, still what was there before that."""
    return (easel.shown, easel.was) if easel.waiting is not None else (marks_of(easel, easel.now)[1], easel.scale)


# --- from the canvas ----------------------------------------------------------------------------------------------------------
def arrived(easel: Easel, objects: object) -> Easel:
    """The easel after the canvas sent its drawing. Raises BadInput on forged data; the painting is then as it was."""
    marks = canvas.read(objects, easel.scale)
    for mark in marks:
        _style_of(easel, mark.colour)
    if easel.waiting is None:
        return _understood(easel, marks)
    asked, before = easel.waiting, easel.shown
    earlier = canvas.read(objects, easel.was)
    loaded, stale = marks[: len(asked)] == asked, earlier[: len(before)] == before
    if stale and len(earlier) > len(before) >= (len(asked) if loaded else 0):
        # it left before the load came, or cannot be told from that: strokes added meanwhile are kept and shown
        return _push(_added(easel, earlier[len(before):]), earlier, easel.was)
    if loaded and not (stale and len(before) > len(asked)):
        return _understood(replace(easel, waiting=None, shown=()), marks)
    return easel if stale else _push(easel, marks, easel.scale)  # neither: show the painting again


def up_to_date(easel: Easel, sent: object) -> Easel:
    """The easel with what the canvas sent in the same message as, say, a click on undo, whose callback may be called first.

    What was understood before changes nothing; forged data neither: the canvas's own callback speaks about that.
    """
    with suppress(BadInput):
        return arrived(easel, sent) if isinstance(sent, list) else easel
    return easel


def _understood(easel: Easel, marks: tuple[Mark, ...]) -> Easel:
    timeline = easel.timeline
    for cursor in (timeline.cursor, *range(timeline.cursor - 1, -1, -1), *range(timeline.cursor + 1, len(timeline.steps))):
        painting = timeline.steps[cursor]
        if (painting.seed, painting.layer) != (easel.now.seed, easel.now.layer):
            continue
        if sum(s.shape != "all" for s in painting.strokes) != len(marks):
            continue
        if marks_of(easel, painting)[1] == marks:  # an echo, or the toolbar's undo or redo
            return replace(easel, timeline=timeline.at(cursor))
    here = marks_of(easel, easel.now)[1]
    if marks[: len(here)] == here:
        return _added(easel, marks[len(here):])
    return _edited(easel, here, marks)


def _added(easel: Easel, new: Sequence[Mark]) -> Easel:
    """Each new stroke is a step of its own."""
    for mark in new:
        stroke, unit_set = _stroke(easel, mark)
        easel = replace(easel, timeline=easel.timeline.push(easel.now.add(stroke, unit_set)))
    return easel


def _edited(easel: Easel, here: tuple[Mark, ...], marks: tuple[Mark, ...]) -> Easel:
    """Strokes moved, deleted or reordered with the toolbar's edit tool: one step. Whole-picture strokes keep their places."""
    placed = [s for s in easel.now.strokes if s.shape != "all"]
    strokes: list[Stroke] = []
    painting = easel.now
    matcher = difflib.SequenceMatcher(a=[repr(m) for m in here], b=[repr(m) for m in marks], autojunk=False)
    for what, a0, a1, b0, b1 in matcher.get_opcodes():
        if what == "equal":
            strokes += placed[a0:a1]
        elif what in ("insert", "replace"):
            for mark in marks[b0:b1]:
                stroke, unit_set = _stroke(easel, mark)
                painting = painting.add(stroke, unit_set)
                strokes.append(stroke)
    for index, stroke in enumerate(easel.now.strokes):
        if stroke.shape == "all":
            strokes.insert(min(index, len(strokes)), stroke)
    return replace(easel, timeline=easel.timeline.push(replace(painting, strokes=tuple(strokes))))

"""What the browser draws becomes marks; what is hostile is refused; what is loaded again comes back the same."""
from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.paint.document import MAX_POINTS, MAX_STROKES
from pages.parts import canvas
from pages.parts.canvas import Mark, read

COLOUR = "#009e73a0"
GRID = st.integers(0, 512).map(lambda n: n / 8)
# as Chromium and Fabric 7.4 send them for a canvas of 6 pixels for one image pixel
FREE = {"type": "Path", "originX": "center", "originY": "center", "left": 84.976, "top": 72.5, "width": 110.048, "height": 25,
        "stroke": COLOUR, "strokeWidth": 48, "strokeUniform": False, "scaleX": 1, "scaleY": 1, "angle": 0, "flipX": False,
        "flipY": False, "skewX": 0, "skewY": 0,
        "path": [["M", 29.952, 60], ["Q", 30, 60, 85, 60], ["Q", 140, 60, 140, 72], ["L", 140, 85]]}
DOT = FREE | {"left": 200, "top": 200, "width": 0.096, "height": 0, "path": [["M", 199.952, 200], ["L", 200.048, 200]]}
LINE = {"type": "Line", "originX": "center", "originY": "center", "left": 125, "top": 320, "width": 150, "height": 40,
        "stroke": COLOUR, "strokeWidth": 48, "x1": -75, "x2": 75, "y1": -20, "y2": 20}
RECT = {"type": "Rect", "originX": "left", "originY": "top", "left": 220, "top": 40, "width": 80, "height": 50, "stroke": COLOUR,
        "strokeWidth": 2, "strokeUniform": True}
POLYGON = {"type": "Polygon", "originX": "center", "originY": "center", "left": 50, "top": 240, "width": 60, "height": 80,
           "stroke": COLOUR, "strokeWidth": 2, "points": [{"x": 20, "y": 200}, {"x": 80, "y": 210}, {"x": 60, "y": 280}]}


@st.composite
def marks(draw: st.DrawFn) -> Mark:
    shape = draw(st.sampled_from(["free", "line", "rect", "polygon"]))
    count = {"free": draw(st.integers(1, 8)), "line": 2, "rect": 2, "polygon": draw(st.integers(3, 8))}[shape]
    points = tuple(draw(st.tuples(GRID, GRID)) for _ in range(count))
    if shape == "rect":
        (x0, y0), (x1, y1) = points
        points = ((min(x0, x1), min(y0, y1)), (max(x0, x1) + 1, max(y0, y1) + 1))
    if shape == "free":
        points = canvas.simplified(points)
    size = draw(st.integers(4, 200)) / 8 if shape in ("free", "line") else 1.0
    return Mark(shape, points, size, COLOUR)  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(st.lists(marks(), max_size=5), st.sampled_from([0.5, 1, 2, 4, 6, 8]))
def test_what_is_loaded_is_read_back_the_same(drawn: list[Mark], scale: float) -> None:
    loaded = [{k: round(v, 4) if isinstance(v, float) else v for k, v in o.items()} for o in canvas.objects(drawn, scale)]
    assert read(loaded, scale) == tuple(drawn)


def test_what_a_browser_sends_is_understood() -> None:
    free, dot, line, rect, polygon = read([FREE, DOT, LINE, RECT, POLYGON], 6)
    assert free.shape == "free"
    assert free.points[0] == (5, 10)
    assert free.points[-1] == (23.375, 14.125)
    assert free.size == 8
    assert dot == Mark("free", ((33.375, 33.375),), 8, COLOUR)
    assert line == Mark("line", ((8.375, 50), (33.375, 56.625)), 8, COLOUR)
    assert rect == Mark("rect", ((36.875, 6.875), (50.125, 15.125)), 1, COLOUR)
    assert polygon == Mark("polygon", ((3.375, 33.375), (13.375, 35), (10, 46.625)), 1, COLOUR)


def test_a_stroke_moved_with_the_edit_tool_moves() -> None:
    moved = read([DOT | {"left": 200 + 60, "top": 200 - 30}], 6)[0]
    assert moved.points == ((43.375, 28.375),)
    assert read([POLYGON | {"left": 110, "top": 300}], 6)[0].points == ((13.375, 43.375), (23.375, 45), (20, 56.625))


def test_a_stroke_turned_and_stretched_follows() -> None:
    a, b = read([LINE | {"angle": 90, "scaleX": 2, "scaleY": 2}], 1)[0].points
    assert a == (125 + 40, 320 - 150)
    assert b == (125 - 40, 320 + 150)
    assert read([LINE | {"angle": 90, "scaleX": 2, "scaleY": 2}], 1)[0].size == 96
    turned = read([RECT | {"angle": 45}], 1)[0]
    assert turned.shape == "polygon"
    assert len(turned.points) == 4


@pytest.mark.parametrize("objects", [
    None, "x", {}, 7, [7], [None], [{}], [FREE] * (MAX_STROKES + 1), [FREE | {"type": "Image"}], [FREE | {"type": None}],
    [FREE | {"stroke": None}], [FREE | {"stroke": "x" * 100}], [FREE | {"path": None}], [FREE | {"path": []}],
    [FREE | {"path": [["M", 1]]}], [FREE | {"path": [["Q", 1, 2, 3, 4]]}], [FREE | {"path": [["M", "1", 2]]}],
    [FREE | {"path": [["M", math.nan, 2]]}], [FREE | {"path": [["M", math.inf, 2]]}], [FREE | {"path": [["M", 1e9, 2]]}],
    [FREE | {"path": [["A", 1, 2]]}], [FREE | {"path": [[]]}], [FREE | {"path": [["M", 1, 2]] * 30_000}],
    [FREE | {"left": "a"}], [FREE | {"left": math.inf}], [FREE | {"scaleX": 1e300}], [FREE | {"strokeWidth": -1}],
    [FREE | {"strokeWidth": True}], [FREE | {"angle": {}}], [{"type": "Line", "stroke": COLOUR}], [LINE | {"x1": None}],
    [RECT | {"width": -5}], [POLYGON | {"points": []}], [POLYGON | {"points": [{"x": 1}] * 3}], [POLYGON | {"points": "abc"}],
    [POLYGON | {"points": [{"x": 1, "y": 1}] * 5000}],
])
def test_forged_drawings_are_refused(objects: Any) -> None:
    with pytest.raises(BadInput):
        read(objects, 6)


json_like = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
                         lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                             st.sampled_from(["type", "path", "stroke", "left", "points", "x", "y", "x1", "width"]), inner,
                             max_size=5),
                         max_leaves=12)


@settings(max_examples=200, deadline=None)
@given(json_like, st.sampled_from(sorted(FREE)), json_like)
def test_nothing_but_bad_input_comes_of_anything(objects: Any, field: str, value: Any) -> None:
    for sent in (objects, [objects], [FREE | {field: value}], [POLYGON | {field: value}]):
        try:
            read(sent, 6)
        except BadInput:
            continue


def test_a_long_wild_path_becomes_few_points_that_stay() -> None:
    rng = np.random.RandomState(0)
    points = [(float(x), float(y)) for x, y in np.round(rng.uniform(0, 64, (3000, 2)) * 8) / 8]
    once = canvas.simplified(points)
    assert len(once) <= MAX_POINTS
    assert canvas.simplified(once) == once
    straight = canvas.simplified([(n / 8, 3.0) for n in range(400)])
    assert straight == ((0, 3), (399 / 8, 3))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(GRID, GRID), min_size=1, max_size=60))
def test_simplifying_twice_changes_nothing_and_stays_near(points: list[tuple[float, float]]) -> None:
    once = canvas.simplified(points)
    assert canvas.simplified(once) == once
    assert (once[0], once[-1]) == (points[0], points[-1])
    from core.paint import Stroke, mask_of

    full = mask_of(Stroke("a", points=tuple(points), size=8), (70, 70))
    wider = mask_of(Stroke("a", points=once, size=8 + 2 * canvas.TOLERANCE + 0.25), (70, 70))
    assert not (full & ~wider).any()


def test_the_canvas_is_a_whole_number_of_image_pixels() -> None:
    assert [canvas.scale_for((64, 64), c) for c in "SML"] == [4, 6, 8]
    assert canvas.scale_for((64, 64), "L", narrow=True) * 64 <= canvas.NARROW
    assert canvas.scale_for((256, 256), "S") == 1
    assert canvas.scale_for((1024, 1024), "M") == 1 / 3


def test_marks_make_a_mask() -> None:
    mask = canvas.mask(read([RECT, DOT], 6), (64, 64))
    assert mask[10, 40]
    assert mask[33, 33]
    assert not mask[60, 60]

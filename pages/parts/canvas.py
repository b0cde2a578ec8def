"""The drawing canvas: a picture to draw on, and what was drawn as marks in image pixels.

    marks = canvas.draw(image, key="mask", tool="free", colour="#009E7399", size=12, scale=6)
    mask = canvas.mask(marks, image.shape[:2])                     # bool (H,W)

Everything the browser sends is hostile until `read` has checked it: kinds of objects, numbers of objects and points, finite
numbers. Facts about the component that this relies on: one key, never a new one; the drawing is loaded again only when
`load` changes, and then the component's own undo history is empty. By itself it sends a stroke 0.2 s after the pointer is up, and
forgets it when something is loaded or the page is left before that, or its beginning when something is loaded while it is drawn;
the `JS` here sends at once, and whole.
"""
from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from core.errors import BadInput
from core.image import encode
from core.paint import Shape, Stroke, union
from core.paint.document import GRID, MAX_POINTS, MAX_STROKES

TOOLS = {"free": "freedraw", "line": "line", "rect": "rect", "polygon": "polygon"}
SIZES = {"S": 256, "M": 384, "L": 512}
NARROW = 340          # widest canvas on a phone, in CSS pixels
OUTLINE = 2           # width of the line around rectangles and polygons, in canvas pixels
TOLERANCE = 0.35      # image pixels by which a stored path may differ from the drawn one
MAX_COMMANDS = 20_000
MAX_NUMBER = 1e5
HEAD = 36             # height of the component's own toolbar, which floats above the canvas, in CSS pixels
_ORIGIN = {"left": 0.0, "top": 0.0, "center": 0.5, "right": 1.0, "bottom": 1.0}

Point = tuple[float, float]


@dataclass(frozen=True)
class Mark:
    """Something drawn: points and width in image pixels (as in Stroke), the colour as it was asked for ("#rrggbbaa")."""

    shape: Shape
    points: tuple[Point, ...]
    size: float
    colour: str


def scale_for(size: tuple[int, int], choice: str = "M", *, narrow: bool = False) -> float:
    """Canvas pixels for one image pixel: a whole number, or one over a whole number for pictures larger than the canvas."""
    room = min(SIZES[choice], NARROW) if narrow else SIZES[choice]
    side = max(size)
    return float(room // side) if room >= side else 1 / math.ceil(side / room)


# What the component does not do by itself. A stroke is sent when the pen is lifted, so that whatever is done next (undo, another
# page) comes after it: the toolbar's own send button is pressed. And when the canvas was loaded or given another brush while the
# pen was down, which makes it forget how the stroke began, the pen's way is gone through once more before it is lifted. A polygon
# is not drawn with one stroke of the pen: the component sends it when it is closed, and a load takes an unclosed one away.
JS = """
const heads = new WeakMap();
const again = (e) => e.touches
  ? new TouchEvent(e.type, { bubbles: true, composed: true, cancelable: true, touches: [...e.touches],
                             targetTouches: [...e.targetTouches], changedTouches: [...e.changedTouches] })
  : new MouseEvent(e.type, e);
const watch = () => {
  const head = { data: null, all: new AbortController() };
  let stroke = null;
  const gone = () => { stroke = null; };
  const down = (e) => {
    const box = e.isTrusted && e.composedPath().find((n) => n.classList?.contains('dc-container'));
    if (box) stroke = { root: box.closest('.dc-root'), target: e.composedPath()[0], way: [e], canvas: head.data.canvas };
    else if (e.isTrusted) gone();
  };
  const move = (e) => {
    if (!e.isTrusted || !stroke) return;
    if (e.buttons === 0) gone();              // lifted where nobody saw it
    else stroke.way.push(e);
  };
  const lift = (e) => {
    if (!e.isTrusted || !stroke || !head.data.sends || stroke.canvas === head.data.canvas) return;
    for (const old of stroke.way) stroke.target.dispatchEvent(again(old));
  };
  const lifted = (e) => {
    if (!e.isTrusted || !stroke) return;
    if (head.data.sends) stroke.root.querySelector('.dc-toolbar button')?.click();
    gone();
  };
  const key = (e) => {                        // an undo, or another brush, in the middle of a stroke would take it away
    if (stroke) { e.preventDefault(); e.stopImmediatePropagation(); }
  };
  const on = (names, act, capture) => names.forEach((n) => window.addEventListener(n, act, { capture, signal: head.all.signal }));
  on(['mousedown', 'touchstart'], down, true);
  on(['mousemove', 'touchmove'], move, true);
  on(['mouseup', 'touchend'], lift, true);    // before the canvas's own
  on(['mouseup', 'touchend'], lifted, false); // after it
  on(['touchcancel', 'blur'], gone, false);    // of the window, not of what had the focus
  on(['keydown'], key, true);
  return head;
};
export default function ({ data, parentElement }) {
  if (!heads.has(parentElement)) heads.set(parentElement, watch());
  heads.get(parentElement).data = data;
  return () => { heads.get(parentElement)?.all.abort(); heads.delete(parentElement); };
}
"""

_head = st.components.v2.component("gan_dissection_canvas_head", html="<span></span>", js=JS)


def draw(image: np.ndarray, *, key: str, tool: str = "free", colour: str = "#009E7399", size: float = 8, scale: float = 1.0,
         load: Mapping[str, Any] | None = None, on_change: Callable[[], None] | None = None) -> tuple[Mark, ...]:
    """Shows the picture (H,W,3) uint8 as a canvas and gives what is drawn on it, in order. Raises BadInput on forged data.

    Above it are HEAD pixels of room for the component's own toolbar.

    tool: free, line, rect, polygon. size: width of the brush in image pixels. load: a drawing to show instead, whenever it
    changes.
    """
    from streamlit_drawable_canvas import st_canvas

    height, width = (round(n * scale) for n in image.shape[:2])
    line = OUTLINE if tool in ("rect", "polygon") else max(1, round(size * scale))
    above = st.container()  # filled after the canvas: what it is told must not come before what it is told about
    try:
        result = st_canvas(fill_color=colour, stroke_color=colour, stroke_width=line, background_color="",
                           background_image=picture_bytes(image, scale), height=height, width=width, drawing_mode=TOOLS[tool],
                           initial_drawing=dict(load) if load is not None else None, key=key, on_change=on_change)
    except (AttributeError, TypeError, KeyError) as error:  # the component reads what the browser sent without a check
        raise BadInput("the drawing that arrived is damaged; reload the page") from error
    told = json.dumps([tool, colour, line, load])
    with above:
        _head(key=f"{key}.head", height=HEAD, data={"sends": tool != "polygon", "canvas": zlib.crc32(told.encode())})
    return read((result.json_data or {}).get("objects", []) if isinstance(result.json_data, dict) else None, scale)


def sent(key: str) -> object:
    """In an on_change callback: the objects that the browser sent, unchecked; `read` checks them."""
    from pages.parts import state

    value = state.get(key)
    for name in ("drawing", "raw", "objects"):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def picture_bytes(image: np.ndarray, scale: float) -> bytes:
    """The picture enlarged by whole pixels, unblurred, as JPEG bytes (a small fraction of what a PNG takes)."""
    factor = max(1, round(scale))
    return encode(image.repeat(factor, 0).repeat(factor, 1), "JPEG", quality=92)


def mask(marks: Sequence[Mark], shape: tuple[int, int]) -> np.ndarray:
    """All pixels that the marks cover -> bool (H,W)."""
    return union([Stroke("mask", size=m.size, points=m.points, shape=m.shape) for m in marks], shape)


# --- from the browser's objects to marks ------------------------------------------------------------------------------------
def read(objects: object, scale: float) -> tuple[Mark, ...]:
    """The drawing's objects -> marks in image pixels. Raises BadInput with what is wrong."""
    if not isinstance(objects, list):
        raise BadInput("the drawing that arrived is damaged: its objects are not a list")
    if len(objects) > MAX_STROKES:
        raise BadInput(f"at most {MAX_STROKES} strokes can be used, {len(objects)} arrived; undo or delete some")
    try:
        return tuple(_mark(item, scale) for item in objects)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, IndexError) as error:
        raise BadInput(f"the drawing that arrived is damaged ({str(error)[:80]})") from error


def _mark(item: Any, scale: float) -> Mark:
    if not isinstance(item, dict):
        raise BadInput("the drawing that arrived is damaged: an object is no object")
    kind = str(item.get("type", "")).lower()
    colour = item.get("stroke")
    if not isinstance(colour, str) or len(colour) > 32:
        raise BadInput("the drawing that arrived has an object without a colour")
    move = _placement(item)
    width = _number(item.get("strokeWidth", 1), low=0)
    stretched = (abs(_number(item.get("scaleX", 1))) + abs(_number(item.get("scaleY", 1)))) / 2
    stretch = 1.0 if item.get("strokeUniform") else stretched
    size = min(4096.0, max(1 / GRID, width * stretch / scale))
    if kind == "path":
        raw, extremes = _path(item["path"])
        points = simplified([_snap(p, scale) for p in move(raw, _box_centre(extremes))])
        return Mark("free", points, _grid(size), colour)
    if kind == "line":
        ends = [(_number(item["x1"]), _number(item["y1"])), (_number(item["x2"]), _number(item["y2"]))]
        a, b = (_snap(p, scale) for p in move(ends, (0.0, 0.0)))
        return Mark("line", (a, b), _grid(size), colour)
    if kind == "rect":
        w, h = _number(item["width"], low=0) / 2, _number(item["height"], low=0) / 2
        corners = [_snap(p, scale) for p in move([(-w, -h), (w, -h), (w, h), (-w, h)], (0.0, 0.0))]
        if _number(item.get("angle", 0)) == 0 and not item.get("skewX") and not item.get("skewY"):
            xs, ys = zip(*corners, strict=True)
            return Mark("rect", ((min(xs), min(ys)), (max(xs), max(ys))), 1.0, colour)
        return Mark("polygon", tuple(corners), 1.0, colour)
    if kind == "polygon":
        given = item["points"]
        if not isinstance(given, list) or not 3 <= len(given) <= MAX_POINTS:
            raise BadInput(f"a polygon has 3 to {MAX_POINTS} corners")
        raw = [(_number(p["x"]), _number(p["y"])) for p in given]
        return Mark("polygon", tuple(_snap(p, scale) for p in move(raw, _box_centre(raw))), 1.0, colour)
    raise BadInput(f"the drawing that arrived has an object of kind {kind[:20]!r}; known: path, line, rect, polygon")


def _path(commands: Any) -> tuple[list[Point], list[Point]]:
    """Commands M, L, Q of a free stroke -> its points (a curve gives its middle and its end), and points that span its box."""
    if not isinstance(commands, list) or not 1 <= len(commands) <= MAX_COMMANDS:
        raise BadInput(f"a free stroke has 1 to {MAX_COMMANDS} pieces")
    points: list[Point] = []
    extremes: list[Point] = []
    for name, *given in commands:
        numbers = [_number(n) for n in given]
        if name in ("M", "L") and len(numbers) == 2:
            points.append((numbers[0], numbers[1]))
        elif name == "Q" and len(numbers) == 4 and points:
            (x0, y0), (cx, cy, x1, y1) = points[-1], numbers
            points += [((x0 + 2 * cx + x1) / 4, (y0 + 2 * cy + y1) / 4), (x1, y1)]
            extremes.append((_bulge(x0, cx, x1), _bulge(y0, cy, y1)))
        else:
            raise BadInput("a free stroke is made of moves, lines and curves")
    return points, points + extremes


def _bulge(a: float, control: float, b: float) -> float:
    """The coordinate furthest out of a quadratic curve, or its start when it bulges nowhere."""
    bend = a - 2 * control + b
    t = (a - control) / bend if bend else 0.0
    return a + 2 * t * (control - a) + t * t * bend if 0 < t < 1 else a


def _placement(item: Mapping[str, Any]) -> Callable[[list[Point], Point], list[Point]]:
    """How the object was moved, turned and stretched by the toolbar's edit tool, as a function of its points and their centre."""
    def number(name: str, usual: float = 0.0) -> float:
        return _number(item.get(name, usual))

    sx = number("scaleX", 1) * (-1 if item.get("flipX") else 1)
    sy = number("scaleY", 1) * (-1 if item.get("flipY") else 1)
    turn, kx, ky = (math.radians(number(name)) for name in ("angle", "skewX", "skewY"))
    edge = _number(item.get("strokeWidth", 1), low=0)
    grown = (edge, edge) if item.get("strokeUniform") else (edge * abs(sx), edge * abs(sy))
    width = number("width") * abs(sx) + grown[0]
    height = number("height") * abs(sy) + grown[1]
    # left and top say where the origin is; from there to the middle, in the turned frame
    ox = (0.5 - _ORIGIN.get(str(item.get("originX", "center")), 0.5)) * width
    oy = (0.5 - _ORIGIN.get(str(item.get("originY", "center")), 0.5)) * height
    cos, sin = math.cos(turn), math.sin(turn)
    cx, cy = number("left") + cos * ox - sin * oy, number("top") + sin * ox + cos * oy

    def move(points: list[Point], centre: Point) -> list[Point]:
        plain = (sx, sy, turn, kx, ky) == (1, 1, 0, 0, 0)
        if plain and abs(cx - centre[0]) < 0.05 and abs(cy - centre[1]) < 0.05:
            return points  # not moved: exactly as drawn
        out = []
        for x, y in points:
            x, y = x - centre[0], y - centre[1]
            x, y = x + math.tan(kx) * y, y
            x, y = (x, y + math.tan(ky) * x) if ky else (x, y)
            x, y = x * sx, y * sy
            out.append((cx + cos * x - sin * y, cy + sin * x + cos * y))
        return out

    return move


def simplified(points: Sequence[Point], tolerance: float = TOLERANCE) -> tuple[Point, ...]:
    """Fewer points for the same path (Ramer, Douglas and Peucker), at most MAX_POINTS; doing it twice changes nothing."""
    kept = [p for i, p in enumerate(points) if i == 0 or p != points[i - 1]]
    result = _thinned(kept, tolerance)
    while len(result) > MAX_POINTS:
        tolerance *= 1.5
        result = _thinned(kept, tolerance)
    return tuple(result)


def _thinned(points: list[Point], tolerance: float) -> list[Point]:
    if len(points) < 3:
        return points
    line = np.asarray(points)
    keep = np.zeros(len(points), bool)
    keep[[0, -1]] = True
    todo = [(0, len(points) - 1)]
    while todo:
        first, last = todo.pop()
        if last - first < 2:
            continue
        inner, start, end = line[first + 1:last], line[first], line[last]
        along = end - start
        length = float(along @ along)
        t = np.clip((inner - start) @ along / length, 0, 1)[:, None] if length else np.zeros((len(inner), 1))
        away = np.square(inner - start - t * along).sum(axis=1)
        furthest = int(away.argmax())
        if away[furthest] > tolerance * tolerance:
            middle = first + 1 + furthest
            keep[middle] = True
            todo += [(first, middle), (middle, last)]
    return [p for p, k in zip(points, keep, strict=True) if k]


def _box_centre(points: Sequence[Point]) -> Point:
    xs, ys = zip(*points, strict=True)
    return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2


def _number(value: object, low: float = -MAX_NUMBER) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= MAX_NUMBER:
        raise BadInput("the drawing that arrived has a number that cannot be used")
    return float(value)


def _grid(x: float) -> float:
    return round(x * GRID) / GRID + 0.0


def _snap(point: Point, scale: float) -> Point:
    x, y = (max(-4096.0, min(4096.0, _grid(n / scale))) for n in point)
    return x, y


# --- from marks to objects that the canvas can load -------------------------------------------------------------------------
def objects(marks: Sequence[Mark], scale: float, *, opacity: float = 1.0) -> list[dict[str, Any]]:
    """What the canvas loads to show the marks; `read` gives the same marks back."""
    return [_object(m, scale) | {"opacity": opacity} for m in marks]


def _object(mark: Mark, scale: float) -> dict[str, Any]:
    points = [(x * scale, y * scale) for x, y in mark.points]
    cx, cy = _box_centre(points)
    common: dict[str, Any] = {"originX": "center", "originY": "center", "left": cx, "top": cy, "stroke": mark.colour,
                              "strokeWidth": mark.size * scale, "scaleX": 1, "scaleY": 1, "angle": 0}
    if mark.shape == "line":
        (x0, y0), (x1, y1) = points
        return common | {"type": "Line", "x1": x0 - cx, "y1": y0 - cy, "x2": x1 - cx, "y2": y1 - cy, "fill": mark.colour}
    if mark.shape == "rect":
        (x0, y0), (x1, y1) = points
        return common | {"type": "Rect", "width": x1 - x0, "height": y1 - y0, "fill": mark.colour, "strokeWidth": OUTLINE,
                         "strokeUniform": True}
    if mark.shape == "polygon":
        return common | {"type": "Polygon", "points": [{"x": x, "y": y} for x, y in points], "fill": mark.colour,
                         "strokeWidth": OUTLINE}
    path: list[list[Any]] = [["M", *points[0]], *(["L", *p] for p in points[1:])]
    if len(points) == 1:
        path.append(["L", points[0][0] + 0.001, points[0][1]])
    return common | {"type": "Path", "path": path, "fill": None, "strokeLineCap": "round", "strokeLineJoin": "round"}

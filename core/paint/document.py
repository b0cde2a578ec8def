"""The painting as a document: a list of strokes on one seed, from which the picture follows. Imports no torch.

    p = Painting("scenes", "layer4", 7, (Stroke("tree", "draw", points=((20, 40), (36, 44)), size=12),))
    text = p.to_json();  p == Painting.from_json(text)

Whatever comes from outside (a file, a link, a canvas) becomes a document here or is refused with a sentence: sizes, numbers and
names are bounded, numbers are finite. Coordinates and sizes are kept on a grid of 1/8 pixel and strengths in thousandths, so
that a document is the same after every way of saving it.
"""
from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, cast, get_args

from core.errors import BadInput
from core.store import canonical
from core.units import UnitSet

Mode = Literal["draw", "remove"]
Shape = Literal["free", "line", "rect", "polygon", "all"]
Value = Literal["q99", "mean"]
Order = Literal["best", "ace", "iou"]

MAX_STROKES = 200
MAX_POINTS = 400
MAX_SETS = 16
MAX_UNITS = 4096
MAX_SIDE = 4096.0
MAX_NAME = 80
MAX_TEXT = 512 * 1024
MAX_SEED = 2**32 - 1
GRID = 8
VERSION = 1
_POINTS = {"free": (1, MAX_POINTS), "line": (2, 2), "rect": (2, 2), "polygon": (3, MAX_POINTS), "all": (0, MAX_POINTS)}
_RUN = re.compile(r"([0-9a-f]{64})?")
T = TypeVar("T")


@dataclass(frozen=True)
class Stroke:
    """One brush stroke.

    brush: a class of the dissection, or the name of one of the painting's own unit sets. units: how many units of the brush, best
    first (a set: its first ones). strength 0..1. size: width of the brush in image pixels (free and line). points: (x, y) in
    image pixels, the origin at the picture's upper left corner: a path, a line's two ends, two opposite corners (rect), a
    polygon's corners; none for "all", the whole picture. value: what drawing inserts: each unit's 0.99 quantile, or its mean
    where the class is present. order: units by causal effect where it is known ("best"), or by one ranking. hidden: kept in
    the document, not painted.
    """

    brush: str
    mode: Mode = "draw"
    units: int = 20
    strength: float = 1.0
    size: float = 24.0
    points: tuple[tuple[float, float], ...] = ()
    shape: Shape = "free"
    value: Value = "q99"
    order: Order = "best"
    hidden: bool = False

    def __post_init__(self) -> None:
        _name(self.brush, "a brush")
        for field, kinds in (("mode", Mode), ("shape", Shape), ("value", Value), ("order", Order)):
            _one_of(getattr(self, field), get_args(kinds), f"a stroke's {field}")
        _whole(self.units, 1, MAX_UNITS, "a stroke's number of units")
        if not isinstance(self.hidden, bool):
            raise BadInput(f"a stroke's hidden is true or false, got {_short(self.hidden)}")
        object.__setattr__(self, "strength", round(_number(self.strength, 0, 1, "a stroke's strength") * 1000) / 1000)
        object.__setattr__(self, "size", _snap(_number(self.size, 1 / GRID, MAX_SIDE, "a brush's size")))
        points = self.points
        if not isinstance(points, (tuple, list)):
            raise BadInput(f"a stroke's points are a list, got {_short(points)}")
        least, most = _POINTS[self.shape]
        if not least <= len(points) <= most:
            raise BadInput(f"a {self.shape} stroke has {least} to {most} points, got {len(points)}")
        snapped = tuple(_point(p) for p in points)
        if self.shape == "rect":
            xs, ys = zip(*snapped, strict=True)
            snapped = ((min(xs), min(ys)), (max(xs), max(ys)))
        object.__setattr__(self, "points", snapped if self.shape != "all" else ())

    def as_dict(self) -> dict[str, Any]:
        """Plain values; what has its usual value and is no part of the short form is left out."""
        out: dict[str, Any] = {"brush": self.brush, "mode": self.mode, "units": self.units, "strength": self.strength,
                               "size": self.size, "points": [list(p) for p in self.points]}
        for field, usual in (("shape", "free"), ("value", "q99"), ("order", "best"), ("hidden", False)):
            if getattr(self, field) != usual:
                out[field] = getattr(self, field)
        return out

    @classmethod
    def from_dict(cls, data: object) -> Stroke:
        """Checked; raises BadInput."""
        known = tuple(cls.__dataclass_fields__)
        values = _record(data, known, ("brush",), "a stroke")
        if isinstance(values.get("points"), list):
            values["points"] = tuple(values["points"])
        return cls(**values)


@dataclass(frozen=True)
class Painting:
    """Strokes on the picture of one seed, painted in order.

    sets: the unit sets that strokes name as their brush. dissection: key of the run that classes get their units and values
    from, so that the picture stays the same when a newer dissection is made; "" = the one at hand.
    """

    model: str
    layer: str
    seed: int
    strokes: tuple[Stroke, ...] = ()
    sets: tuple[UnitSet, ...] = ()
    dissection: str = ""

    def __post_init__(self) -> None:
        _name(self.model, "a model")
        _name(self.layer, "a layer")
        _whole(self.seed, 0, MAX_SEED, "a seed")
        if len(self.strokes) > MAX_STROKES:
            raise BadInput(f"a painting has at most {MAX_STROKES} strokes, got {len(self.strokes)}; delete some in the history")
        if len(self.sets) > MAX_SETS:
            raise BadInput(f"a painting uses at most {MAX_SETS} unit sets of its own, got {len(self.sets)}")
        if len({s.name for s in self.sets}) != len(self.sets):
            raise BadInput("two unit sets of the painting have the same name")
        if not isinstance(self.dissection, str) or not _RUN.fullmatch(self.dissection):
            raise BadInput(f"a painting's dissection is a run's key of 64 hexadecimal digits, got {_short(self.dissection)}")

    @property
    def visible(self) -> tuple[Stroke, ...]:
        """The strokes that are painted."""
        return tuple(s for s in self.strokes if not s.hidden)

    def unit_set(self, name: str) -> UnitSet | None:
        """The painting's own set of that name, or None when the name is a class."""
        return next((s for s in self.sets if s.name == name), None)

    # --- one change at a time: each gives a new painting ---
    def add(self, stroke: Stroke, unit_set: UnitSet | None = None) -> Painting:
        """With one stroke more; `unit_set` is what its brush names, when that is a set."""
        sets = self.sets
        if unit_set is not None:
            sets = (*(s for s in sets if s.name != unit_set.name), unit_set)
        return replace(self, strokes=(*self.strokes, stroke), sets=sets)

    def without(self, index: int) -> Painting:
        """Without stroke number `index`."""
        self._check(index)
        return replace(self, strokes=self.strokes[:index] + self.strokes[index + 1:])

    def change(self, index: int, **changes: Any) -> Painting:
        """With other values in stroke number `index`, such as strength=0.5 or hidden=True."""
        self._check(index)
        return replace(self, strokes=(*self.strokes[:index], replace(self.strokes[index], **changes), *self.strokes[index + 1:]))

    def on(self, seed: int, *, keep: bool = True) -> Painting:
        """On the picture of another seed, with the strokes or without."""
        return replace(self, seed=seed) if keep else replace(self, seed=seed, strokes=(), sets=())

    def _check(self, index: int) -> None:
        if not 0 <= index < len(self.strokes):
            raise BadInput(f"there is no stroke {index}; the painting has {len(self.strokes)}")

    # --- JSON ---
    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        used = {s.brush for s in self.strokes}
        out: dict[str, Any] = {"version": VERSION, "model": self.model, "layer": self.layer, "seed": self.seed,
                               "strokes": [s.as_dict() for s in self.strokes]}
        sets = [{"name": s.name, "layer": s.layer, "units": [int(u) for u in s.units],
                 "values": [float(v) for v in s.values]}
                for s in self.sets if s.name in used]
        return out | ({"sets": sets} if sets else {}) | ({"dissection": self.dissection} if self.dissection else {})

    def to_json(self) -> str:
        """Canonical JSON: the same painting is the same text."""
        return canonical(self.as_dict())

    @classmethod
    def from_dict(cls, data: object) -> Painting:
        """Checked; raises BadInput."""
        known = ("version", "model", "layer", "seed", "strokes", "sets", "dissection")
        values = _record(data, known, ("model", "layer", "seed"), "a painting")
        version = values.pop("version", VERSION)
        if version != VERSION or isinstance(version, bool):
            raise BadInput(f"this program reads paintings of version {VERSION}, got {_short(version)}")
        model = _name(values["model"], "a model")
        strokes = _items(values.get("strokes", []), MAX_STROKES, "strokes")
        sets = _items(values.get("sets", []), MAX_SETS, "sets")
        return cls(model, values["layer"], values["seed"], tuple(Stroke.from_dict(s) for s in strokes),
                   tuple(_unit_set(s, model) for s in sets), values.get("dissection", ""))

    @classmethod
    def from_json(cls, text: str | bytes) -> Painting:
        """Reads what `to_json` wrote, or a file that somebody sent. Raises BadInput."""
        if len(text) > MAX_TEXT:
            raise BadInput(f"a painting has at most {MAX_TEXT // 1024} kB, got {len(text) // 1024} kB")
        try:
            data = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"this is not a painting in JSON ({str(error)[:100]})") from error
        return cls.from_dict(data)


def _unit_set(data: object, model: str) -> UnitSet:
    values = _record(data, ("name", "layer", "units", "values"), ("name", "layer", "units"), "a unit set")
    units = _items(values["units"], MAX_UNITS, "units of a set")
    levels = _items(values.get("values", []), MAX_UNITS, "values of a set")
    return UnitSet(_name(values["name"], "a unit set"), model, _name(values["layer"], "a layer"),
                   tuple(_whole(u, 0, MAX_UNITS, "a unit") for u in units),
                   tuple(_number(v, -1e6, 1e6, "a unit's value") for v in levels))


def _record(data: object, known: tuple[str, ...], needed: tuple[str, ...], what: str) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise BadInput(f"{what} is a JSON object, got {_short(data)}")
    for key in data:
        if key not in known:
            raise BadInput(f"{what} has no field {_short(key)}; known: {', '.join(known)}")
    for key in needed:
        if key not in data:
            raise BadInput(f"{what} needs the field {key!r}")
    return dict(data)


def _items(data: object, most: int, what: str) -> list[Any]:
    if not isinstance(data, (list, tuple)):
        raise BadInput(f"{what} are a list, got {_short(data)}")
    if len(data) > most:
        raise BadInput(f"at most {most} {what} can be used, got {len(data)}")
    return list(data)


def _name(value: object, what: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_NAME or not value.isprintable():
        raise BadInput(f"{what} has a name of 1 to {MAX_NAME} printable characters, got {_short(value)}")
    return value


def _one_of(value: T, known: tuple[Any, ...], what: str) -> T:
    if not isinstance(value, str) or value not in known:
        raise BadInput(f"{what} is one of {', '.join(known)}, got {_short(value)}")
    return cast(T, value)


def _whole(value: object, low: int, high: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadInput(f"{what} is a whole number from {low} to {high}, got {_short(value)}")
    return value


def _number(value: object, low: float, high: float, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high or not math.isfinite(value):
        raise BadInput(f"{what} is a number from {low:g} to {high:g}, got {_short(value)}")
    return float(value)


def _point(value: object) -> tuple[float, float]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise BadInput(f"a point is a pair of numbers, got {_short(value)}")
    x, y = (_snap(_number(v, -MAX_SIDE, MAX_SIDE, "a point's coordinate")) for v in value)
    return x, y


def _snap(x: float) -> float:
    return round(x * GRID) / GRID + 0.0  # + 0.0: no negative zero


def _short(value: object) -> str:
    text = repr(value) if not isinstance(value, (dict, list, tuple)) else type(value).__name__
    return text if len(text) <= 60 else text[:57] + "…"


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")

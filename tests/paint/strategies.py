"""Random paintings, as a person or a file could make them."""
from __future__ import annotations

from hypothesis import strategies as st

from core.paint import Painting, Stroke
from core.units import UnitSet

names = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F, exclude_categories=("Cc", "Cf", "Cs", "Cn", "Zs")),
                min_size=1, max_size=20).filter(str.isprintable)
coordinate = st.floats(-50, 400, allow_nan=False)
points = st.tuples(coordinate, coordinate)


@st.composite
def strokes(draw: st.DrawFn, brushes: st.SearchStrategy[str] = names) -> Stroke:
    shape = draw(st.sampled_from(["free", "line", "rect", "polygon", "all"]))
    least, most = {"free": (1, 12), "line": (2, 2), "rect": (2, 2), "polygon": (3, 12), "all": (0, 0)}[shape]
    return Stroke(draw(brushes), draw(st.sampled_from(["draw", "remove"])), draw(st.integers(1, 512)), draw(st.floats(0, 1)),
                  draw(st.floats(0.5, 256)), tuple(draw(st.lists(points, min_size=least, max_size=most))), shape,
                  draw(st.sampled_from(["q99", "mean"])), draw(st.sampled_from(["best", "ace", "iou"])), draw(st.booleans()))


@st.composite
def paintings(draw: st.DrawFn) -> Painting:
    sets = []
    for name in draw(st.lists(names, max_size=3, unique=True)):
        units = draw(st.lists(st.integers(0, 511), min_size=1, max_size=6, unique=True))
        values = draw(st.one_of(st.just([]), st.lists(st.floats(-9, 9), min_size=len(units), max_size=len(units))))
        sets.append(UnitSet(name, "scenes", "layer4", tuple(units), tuple(values)))
    brushes = st.sampled_from([s.name for s in sets]) if sets else names
    painted = draw(st.lists(strokes(brushes), max_size=8))
    used = {s.brush for s in painted}
    return Painting("scenes", "layer4", draw(st.integers(0, 2**32 - 1)), tuple(painted), tuple(s for s in sets if s.name in used),
                    draw(st.sampled_from(["", "0" * 64, "0123456789abcdef" * 4])))

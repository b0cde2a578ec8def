"""Several people at once, and people who send what no canvas sends: real websocket sessions on one server."""
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from core import dissect, zoo
from core.paint import Painting, Stroke, from_link, paint, stored_rankings, to_link
from core.store import Store
from tests.e2e.visitor import Visitor, digest

MODEL = "scenes"
LAYER = zoo.card(MODEL).default_layer


def painting(n: int) -> Painting:
    """Eight paintings that have nothing in common."""
    brush = ("tree", "grass", "sky", "dome")[n % 4]
    return Painting(MODEL, LAYER, 3 + n).add(Stroke(brush, "remove" if n % 2 else "draw", 10, 1.0, 12 + n,
                                                    ((6.0 + 4 * n, 30.0), (40.0, 20.0 + 4 * n)), order="iou"))


@pytest.fixture(scope="module")
def expected() -> list[np.ndarray]:
    store, generator = Store(), zoo.load(MODEL, "cpu")
    d = dissect.load(store, MODEL, LAYER)
    assert d is not None, "the bundled dissection is missing"
    return [paint(generator, p, d, stored_rankings(p, store)).image for p in map(painting, range(8))]


def open_link(address: str, n: int) -> Visitor:
    return Visitor(address, "paint", model=MODEL, layer=LAYER, p=to_link(painting(n)))


def near(a: np.ndarray, b: np.ndarray) -> bool:
    """The same picture: one grey level apart at most, which another number of threads may cause."""
    return a.shape == b.shape and int(np.abs(a.astype(int) - b.astype(int)).max()) <= 1


def test_eight_people_at_once_each_get_their_own_picture(server: str, expected: list[np.ndarray]) -> None:
    with ThreadPoolExecutor(8) as pool:
        visitors = list(pool.map(lambda n: open_link(server, n), range(8)))
    try:
        pictures = [v.picture() for v in visitors]
        assert [n for n in range(8) if not near(pictures[n], expected[n])] == []
        assert len({digest(p) for p in pictures}) == 8
    finally:
        for visitor in visitors:
            visitor.close()


TREE = "#" + "".join(f"{c & 0xF0:02x}" for c in (0x00, 0x9E, 0x73)) + "a0"  # tree, draw, the first settings of a visit


def stroke_object(colour: str, y: int = 200) -> dict[str, Any]:
    """A free stroke as the canvas sends it, in canvas pixels."""
    return {"type": "Path", "originX": "center", "originY": "center", "left": 150, "top": y, "width": 100, "height": 0,
            "stroke": colour, "strokeWidth": 48, "path": [["M", 100, y], ["L", 200, y]]}


def drawing(*objects: dict[str, Any]) -> dict[str, Any]:
    return {"drawing": {"raw": {"objects": list(objects)}, "data": None}}


def test_eight_people_who_draw_at_once_keep_their_own_strokes_and_all_finish(server: str) -> None:
    def draw(n: int) -> Visitor:
        visitor = Visitor(server, "paint", model=MODEL, layer=LAYER, seed=str(20 + n))
        objects = []
        for y in (60 + 10 * n, 330 - 10 * n):
            objects.append(stroke_object(TREE, y))
            visitor.rerun(paint_canvas_scenes=drawing(*objects))
        return visitor

    with ThreadPoolExecutor(8) as pool:
        visitors = list(pool.map(draw, range(8)))
    store, generator = Store(), zoo.load(MODEL, "cpu")
    d = dissect.load(store, MODEL, LAYER)
    try:
        for n, visitor in enumerate(visitors):
            painted = from_link(visitor.data("paint_window")["query"]["p"])
            assert painted.seed == 20 + n
            high, low = (s.points[0][1] for s in painted.strokes)
            step = (high + low) / 39  # ten canvas pixels in image pixels
            assert [round(y / step) for y in (high, low)] == [6 + n, 33 - n]
            assert near(visitor.picture(), paint(generator, painted, d, stored_rankings(painted, store)).image)
    finally:
        for visitor in visitors:
            visitor.close()


def test_two_people_never_see_each_others_strokes(server: str) -> None:
    one, two = (Visitor(server, "paint", model=MODEL, layer=LAYER, seed="5") for _ in range(2))
    try:
        plain = digest(one.picture())
        assert digest(two.picture()) == plain
        one.rerun(paint_canvas_scenes=drawing(stroke_object(TREE)))
        assert digest(one.picture()) != plain
        two.rerun()
        assert digest(two.picture()) == plain
        assert digest(two.picture(side="before")) == digest(one.picture(side="before"))
    finally:
        one.close()
        two.close()


@pytest.mark.parametrize("forged", [
    {"drawing": {"raw": {"objects": [stroke_object("#123456ff")]}, "data": None}},
    {"drawing": {"raw": {"objects": [stroke_object("#009e73a0") | {"path": [["M", 1e300, 1]]}]}, "data": None}},
    {"drawing": {"raw": {"objects": [stroke_object("#009e73a0")] * 5000}, "data": None}},
    {"drawing": {"raw": {"objects": "x"}, "data": None}},
    {"drawing": "x"},
    {"drawing": {"raw": {"objects": []}, "data": "data:image/png;base64,AAAA"}},
])
def test_forged_drawings_are_refused_and_the_painting_stays(server: str, forged: Any) -> None:
    visitor = open_link(server, 0)
    other = open_link(server, 1)
    try:
        before = digest(visitor.picture())
        others = digest(other.picture())
        visitor.rerun(paint_canvas_scenes=forged)
        said = " ".join(visitor.texts)
        if forged["drawing"] != {"raw": {"objects": []}, "data": "data:image/png;base64,AAAA"}:
            assert "arrived" in said
        assert "Error" not in said
        again = Visitor(server, "paint", model=MODEL, layer=LAYER, p=to_link(painting(0)))
        assert digest(again.picture()) == before
        again.close()
        other.rerun()
        assert digest(other.picture()) == others
    finally:
        visitor.close()
        other.close()


@pytest.mark.parametrize("link", ["1AAAA", "../../etc/passwd", "s" + "0" * 64, "1" + "A" * 5000, "<script>"])
def test_a_damaged_link_says_so_and_the_page_is_there(server: str, link: str) -> None:
    visitor = Visitor(server, "paint", p=link)
    try:
        assert "could not be opened" in " ".join(visitor.texts)
        assert visitor.picture().shape[2] == 3
    finally:
        visitor.close()

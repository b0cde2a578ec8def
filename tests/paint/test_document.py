"""The document survives saving, and refuses what is hostile or wrong."""
from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from core.errors import BadInput
from core.paint import Painting, Stroke
from core.paint.document import MAX_POINTS, MAX_STROKES, MAX_TEXT
from tests.paint.strategies import paintings

GOOD = {"model": "scenes", "layer": "layer4", "seed": 7,
        "strokes": [{"brush": "tree", "mode": "draw", "units": 20, "strength": 1.0, "size": 24, "points": [[3, 4], [5.5, 6]]}]}


@settings(max_examples=60, deadline=None)
@given(paintings())
def test_json_gives_the_same_painting_back(painting: Painting) -> None:
    again = Painting.from_json(painting.to_json())
    assert again == painting
    assert again.to_json() == painting.to_json()


def test_the_documents_of_the_issue_open() -> None:
    painting = Painting.from_json(json.dumps(GOOD))
    assert painting.strokes == (Stroke("tree", "draw", 20, 1.0, 24.0, ((3.0, 4.0), (5.5, 6.0))),)


def with_stroke(**changes: object) -> dict[str, object]:
    return GOOD | {"strokes": [GOOD["strokes"][0] | changes]}  # type: ignore[operator,index]


@pytest.mark.parametrize(("data", "word"), [
    ([], "object"), (7, "object"), ({}, "model"), (GOOD | {"seed": -1}, "seed"), (GOOD | {"seed": True}, "seed"),
    (GOOD | {"seed": 1.5}, "seed"), (GOOD | {"seed": 2**32}, "seed"), (GOOD | {"model": ""}, "model"),
    (GOOD | {"model": "x" * 81}, "model"), (GOOD | {"layer": "a\nb"}, "layer"), (GOOD | {"script": "x"}, "script"),
    (GOOD | {"version": 2}, "version"), (GOOD | {"strokes": {}}, "list"), (GOOD | {"strokes": [7]}, "object"),
    (GOOD | {"strokes": GOOD["strokes"] * (MAX_STROKES + 1)}, "strokes"),  # type: ignore[operator]
    (with_stroke(brush=7), "brush"), (with_stroke(brush="a" * 100), "brush"), (with_stroke(mode="erase"), "draw, remove"),
    (with_stroke(mode=["draw"]), "draw, remove"), (with_stroke(units=0), "units"), (with_stroke(units=10**9), "units"),
    (with_stroke(units="20"), "units"), (with_stroke(strength=1.01), "strength"), (with_stroke(strength="1"), "strength"),
    (with_stroke(strength=True), "strength"), (with_stroke(size=0), "size"), (with_stroke(size=1e9), "size"),
    (with_stroke(points=[]), "points"), (with_stroke(points="ab"), "points"), (with_stroke(points=[[1]]), "pair"),
    (with_stroke(points=[[1, 2, 3]]), "pair"), (with_stroke(points=[["1", 2]]), "coordinate"),
    (with_stroke(points=[[1e9, 2]]), "coordinate"), (with_stroke(points=[[1, 2]] * (MAX_POINTS + 1)), "points"),
    (with_stroke(shape="rect", points=[[1, 2]]), "2 to 2"), (with_stroke(shape="polygon", points=[[1, 2]] * 2), "3 to"),
    (GOOD | {"dissection": "x"}, "dissection"), (GOOD | {"dissection": 7}, "dissection"), (GOOD | {"dissection": "A" * 64}, "dissection"),
    (with_stroke(hidden=1), "hidden"), (with_stroke(strenght=0.5), "strenght"),
    (GOOD | {"sets": [{"name": "a", "layer": "l", "units": [1, 1]}]}, "twice"),
    (GOOD | {"sets": [{"name": "a", "layer": "l", "units": [1], "values": [1, 2]}]}, "values"),
    (GOOD | {"sets": [{"name": "a", "layer": "l", "units": [-1]}]}, "unit"),
    (GOOD | {"sets": [{"name": "a", "layer": "l", "units": [1]}] * 2}, "same name"),
])
def test_wrong_documents_are_refused_and_named(data: object, word: str) -> None:
    with pytest.raises(BadInput, match=word):
        Painting.from_json(json.dumps(data))


@pytest.mark.parametrize("text", [
    "", "{", "nonsense", '{"seed": NaN}', '{"model":"a","layer":"b","seed":Infinity}', "[" * 100_000,
    '{"model":"a","layer":"b","seed":' + "9" * 5000 + "}", " " * (MAX_TEXT + 1), b"\xff\xfe\x00",
    '{"model":"a","layer":"b","seed":1,"strokes":[{"brush":"t","strength":1e999,"points":[[1,1]]}]}',
])
def test_hostile_text_is_refused(text: str | bytes) -> None:
    with pytest.raises(BadInput):
        Painting.from_json(text)


def test_strokes_are_changed_by_making_another_painting() -> None:
    a, b, c = (Stroke(name, points=((1, 1),)) for name in ("tree", "door", "sky"))
    painting = Painting("scenes", "layer4", 7).add(a).add(b).add(c)
    assert painting.without(1).strokes == (a, c)
    assert painting.change(2, strength=0.5).strokes[2].strength == 0.5
    assert painting.change(0, hidden=True).visible == (b, c)
    assert painting.on(9).seed == 9
    assert painting.on(9).strokes == painting.strokes
    assert painting.on(9, keep=False).strokes == ()
    assert painting.strokes == (a, b, c)
    for wrong in (-1, 3):
        with pytest.raises(BadInput, match="no stroke"):
            painting.without(wrong)


def test_coordinates_lie_on_the_grid_so_that_every_way_of_saving_agrees() -> None:
    assert Stroke("tree", points=((1 / 3, -1e-9),), size=10 / 3, strength=1 / 3).points == ((0.375, 0.0),)
    assert Stroke("tree", points=((1, 1),), strength=1 / 3).strength == 0.333

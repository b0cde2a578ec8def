"""The painting and the canvas agree after every step, whatever arrives when."""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.paint import Painting, Stroke
from core.units import UnitSet
from pages.parts import canvas, easel
from pages.parts.canvas import Mark
from pages.parts.easel import Easel, Style

TREE, GRASS = Style("tree", "draw", 20, 1.0), Style("grass", "remove", 10, 0.5)
EMPTY = Painting("scenes", "layer4", 7)


@dataclass
class Browser:
    """The canvas as it behaves: it loads when `load` changes, keeps its own undo since then, and sends its whole drawing."""

    objects: list[dict[str, Any]] = field(default_factory=list)
    undone: list[dict[str, Any]] = field(default_factory=list)
    nonce: int = -1
    base: int = 0
    scale: float = 1.0

    def take(self, e: Easel) -> bool:
        """Loads what is asked for, where that is new; says whether it did (then it answers with an echo)."""
        if e.load is None or e.load["nonce"] == self.nonce:
            return False
        self.nonce, self.objects, self.undone = e.load["nonce"], list(e.load["objects"]), []
        self.base, self.scale = len(self.objects), e.scale
        return True

    def draw(self, e: Easel, style: Style, x: float) -> Easel:
        e, colour = easel.with_style(e, style)
        self.objects = [*self.objects, *canvas.objects([Mark("free", ((x, 5.0), (x, 30.0)), 8.0, colour)], self.scale)]
        self.undone = []
        return e


def send(e: Easel, browser: Browser) -> Easel:
    return easel.arrived(e, list(browser.objects))


def fresh() -> tuple[Easel, Browser]:
    e, browser = easel.mounted(easel.start(EMPTY), 1.0), Browser()
    browser.take(e)
    return e, browser


def xs(painting: Painting) -> list[float]:
    return [s.points[0][0] for s in painting.strokes if s.points]


def drawn(*places: float) -> tuple[Easel, Browser]:
    e, browser = fresh()
    for x in places:
        e = send(browser.draw(e, TREE, x), browser)
    return e, browser


def test_a_stroke_keeps_the_settings_it_was_drawn_with() -> None:
    e, browser = fresh()
    e = browser.draw(e, TREE, 10)
    e = browser.draw(e, GRASS, 20)  # the brush was changed before the first stroke arrived
    e = send(e, browser)
    first, second = e.now.strokes
    assert (first.brush, first.mode, first.units, first.strength) == ("tree", "draw", 20, 1.0)
    assert (second.brush, second.mode, second.units, second.strength) == ("grass", "remove", 10, 0.5)
    assert second.size == 8


def test_strokes_that_arrive_together_are_steps_of_their_own() -> None:
    e, browser = fresh()
    for n in range(20):
        e = browser.draw(e, TREE, float(n))
    e = send(e, browser)
    assert xs(e.now) == [float(n) for n in range(20)]
    assert len(e.timeline.steps) == 21


def test_an_echo_is_no_step() -> None:
    e, browser = drawn(1, 2)
    assert send(e, browser).timeline == e.timeline


def test_the_toolbars_undo_and_redo_move_in_the_same_history() -> None:
    e, browser = drawn(1, 2, 3)
    last = browser.objects[-1]
    browser.objects = browser.objects[:-1]
    e = send(e, browser)
    assert xs(e.now) == [1, 2]
    assert e.timeline.can_redo
    browser.objects = [*browser.objects, last]
    assert xs(send(e, browser).now) == [1, 2, 3]
    browser.objects = browser.objects[:1]  # two at once
    e = send(e, browser)
    assert xs(e.now) == [1]
    assert len(e.timeline.steps) == 4


def test_own_undo_and_redo_load_the_canvas_and_its_answer_is_no_step() -> None:
    e, browser = drawn(1, 2, 3)
    e = easel.set_now(e, e.timeline.undo())
    assert browser.take(e)
    assert len(browser.objects) == 2
    e = send(e, browser)
    assert xs(e.now) == [1, 2]
    assert len(e.timeline.steps) == 4
    e = easel.set_now(e, e.timeline.redo())
    browser.take(e)
    assert xs(send(e, browser).now) == [1, 2, 3]


def test_undoing_the_first_stroke_is_not_undone_by_a_late_echo() -> None:
    e, browser = drawn(1)
    e = easel.set_now(e, e.timeline.undo())
    e = send(e, browser)  # sent before the load came
    assert xs(e.now) == []
    browser.take(e)
    assert xs(send(e, browser).now) == []


def test_a_stroke_drawn_before_the_undo_came_is_kept() -> None:
    e, browser = drawn(1, 2)
    e = browser.draw(e, TREE, 3)
    e = easel.set_now(e, e.timeline.undo())
    e = send(e, browser)  # [1, 2, 3] although the painting is at [1]
    assert xs(e.now) == [1, 3]
    browser.take(e)
    e = send(e, browser)
    assert xs(e.now) == [1, 3]
    assert len(browser.objects) == 2


def test_deleting_a_middle_stroke_and_undoing_it() -> None:
    e, browser = drawn(1, 2, 3)
    e = easel.step(e, e.now.without(1))
    browser.take(e)
    e = send(e, browser)
    assert xs(e.now) == [1, 3]
    e = easel.set_now(e, e.timeline.undo())
    browser.take(e)
    assert xs(send(e, browser).now) == [1, 2, 3]


def test_reset_is_a_step_and_the_next_stroke_starts_anew() -> None:
    e, browser = drawn(1, 2)
    e = easel.step(e, e.now.on(7, keep=False))
    browser.take(e)
    e = send(e, browser)
    e = send(browser.draw(e, TREE, 9), browser)
    assert xs(e.now) == [9]
    assert xs(e.timeline.undo().undo().now) == [1, 2]


def test_the_toolbars_bin_can_be_undone() -> None:
    e, browser = drawn(1, 2, 3)
    e = easel.step(e, e.now.change(0, strength=0.4))
    browser.take(e)
    e = send(send(browser.draw(send(e, browser), TREE, 4), browser), browser)
    browser.objects = browser.objects[: browser.base]  # back to what was loaded last
    e = send(e, browser)
    assert xs(e.now) == [1, 2, 3]
    assert xs(e.timeline.redo().now) == [1, 2, 3, 4]


def test_a_stroke_moved_with_the_edit_tool_is_one_step() -> None:
    e, browser = drawn(1, 2, 3)
    browser.objects[1] = browser.objects[1] | {"left": browser.objects[1]["left"] + 10}
    e = send(e, browser)
    assert xs(e.now) == [1, 12, 3]
    assert xs(e.timeline.undo().now) == [1, 2, 3]


def test_a_stroke_deleted_with_the_edit_tool_is_one_step() -> None:
    e, browser = drawn(1, 2, 3)
    del browser.objects[0]
    e = send(e, browser)
    assert xs(e.now) == [2, 3]
    assert len(e.timeline.steps) == 5


def test_whole_picture_strokes_have_no_mark_and_keep_their_place() -> None:
    e, browser = drawn(1)
    e = easel.step(e, e.now.add(Stroke("sky", "remove", shape="all")))
    browser.take(e)
    e = send(browser.draw(send(e, browser), TREE, 2), browser)
    assert [s.shape for s in e.now.strokes] == ["free", "all", "free"]
    assert len(browser.objects) == 2
    del browser.objects[0]
    assert [s.shape for s in send(e, browser).now.strokes] == ["free", "all"]


def test_hidden_strokes_stay_on_the_canvas_and_in_the_document() -> None:
    e, browser = drawn(1, 2)
    e = easel.step(e, e.now.change(0, hidden=True))
    browser.take(e)
    e = send(browser.draw(send(e, browser), TREE, 3), browser)
    assert [s.hidden for s in e.now.strokes] == [True, False, False]


def test_veiled_strokes_are_unseen_and_all_there() -> None:
    e, browser = drawn(1, 2)
    e = easel.show(e, veiled=True)
    browser.take(e)
    assert {o["opacity"] for o in browser.objects} == {0.0}
    e = send(browser.draw(send(e, browser), TREE, 3), browser)
    assert xs(e.now) == [1, 2, 3]


def test_another_size_of_canvas_keeps_the_painting() -> None:
    e, browser = drawn(1, 2)
    before = e.timeline
    for scale in (6.0, 8.0, 0.5, 4.0):
        e = easel.show(e, scale=scale)
        browser.take(e)
        e = send(e, browser)
        assert e.timeline == before


def test_coming_back_to_the_page_shows_the_painting_again() -> None:
    e, _ = drawn(1, 2)
    browser = Browser()
    e = easel.mounted(e, 1.0)
    browser.take(e)
    assert len(browser.objects) == 2
    e = send(browser.draw(e, TREE, 3), browser)
    assert xs(e.now) == [1, 2, 3]


def test_a_painting_from_a_file_survives_a_stroke_more() -> None:
    """Its strokes were not made by this canvas: collinear points, sizes of boxes, unknown settings."""
    given_ = EMPTY.add(Stroke("dome", "remove", 7, 0.123, 3, ((1, 1), (2, 2), (3, 3), (9, 9)), value="mean", order="ace")) \
        .add(Stroke("sky", shape="rect", size=17, points=((30, 30), (10, 12)))).add(Stroke("brick", shape="all", units=3)) \
        .add(Stroke("mine", points=((5, 5),)), UnitSet("mine", "scenes", "layer7", (3, 1), (0.5, 2.0)))
    e, browser = easel.mounted(easel.start(given_), 1.0), Browser()
    browser.take(e)
    e = send(browser.draw(e, TREE, 3), browser)
    assert e.now.strokes[:-1] == given_.strokes
    assert len(e.timeline.steps) == 2
    assert e.now.sets == given_.sets


def test_a_set_brush_brings_its_set_into_the_painting() -> None:
    own = UnitSet("mine", "scenes", "layer4", (3, 1), (0.5, 2.0))
    e, browser = fresh()
    e = send(browser.draw(e, Style("mine", "draw", 2, 1.0, "q99", "best", own), 3), browser)
    assert e.now.sets == (own,)
    assert e.now.strokes[0].brush == "mine"


@pytest.mark.parametrize("colour", ["#000000", "red", "#12345", "", "#009e73", "#ffffffff", "#0a0b0ca0", "#zzzzzzzz"])
def test_colours_that_no_brush_has_are_refused_and_nothing_is_lost(colour: str) -> None:
    e, browser = drawn(1, 2)
    with pytest.raises(BadInput):
        easel.arrived(e, [*browser.objects, browser.objects[0] | {"stroke": colour}])
    assert xs(e.now) == [1, 2]


def test_settings_have_colours_of_their_own_that_look_alike() -> None:
    e = easel.start(EMPTY)
    seen = set()
    for n in range(300):
        e, colour = easel.with_style(e, replace(TREE, strength=n / 300))
        seen.add(colour)
        assert abs(int(colour[3:5], 16) - 0x9E) < 16
    assert len(seen) == 300
    assert easel.with_style(e, TREE)[1] == easel.with_style(e, TREE)[1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["draw", "send", "load", "undo", "redo", "delete", "hide", "size", "veil", "toolbar undo"]),
                max_size=30))
def test_whatever_happens_canvas_and_painting_end_up_the_same(actions: list[str]) -> None:
    """Everything in any order; then the browser is left to catch up: what it shows is what the painting says."""
    e, browser = fresh()
    number = 0
    for action in actions:
        if action == "draw":
            number += 1
            e = browser.draw(e, TREE, float(number))
        elif action == "send":
            e = send(e, browser)
        elif action == "load":
            browser.take(e)
        elif action == "undo":
            e = easel.set_now(e, e.timeline.undo())
        elif action == "redo":
            e = easel.set_now(e, e.timeline.redo())
        elif action == "delete" and e.now.strokes:
            e = easel.step(e, e.now.without(len(e.now.strokes) // 2))
        elif action == "hide" and e.now.strokes:
            e = easel.step(e, e.now.change(0, hidden=not e.now.strokes[0].hidden))
        elif action == "size":
            e = easel.show(e, scale=2.0 if e.scale == 1.0 else 1.0)
        elif action == "veil":
            e = easel.show(e, veiled=not e.veiled)
        elif action == "toolbar undo" and len(browser.objects) > browser.base:
            browser.objects = browser.objects[:-1]
    for _ in range(4):
        browser.take(e)
        e = send(e, browser)
    assert [m.points for m in canvas.read(browser.objects, e.scale)] == [m.points for m in easel.marks_of(e, e.now)[1]]
    assert e.waiting is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["draw", "draw", "send", "veil", "size", "change"]), max_size=25))
def test_no_stroke_that_was_sent_is_ever_lost(actions: list[str]) -> None:
    """Strokes that cross a load on the way (strokes unseen, another size, a changed stroke) are all there, in order."""
    e, browser = fresh()
    number = sent = 0
    for action in actions:
        if action == "draw":
            number += 1
            e = browser.draw(e, TREE, float(number))
        elif action == "send":
            e = send(e, browser)
            sent = number
            browser.take(e)
            e = send(e, browser)
        elif action == "veil":
            e = easel.show(e, veiled=not e.veiled)
        elif action == "size":
            e = easel.show(e, scale=2.0 if e.scale == 1.0 else 1.0)
        elif action == "change" and e.now.strokes:
            e = easel.step(e, e.now.change(0, strength=number / 100))
    for _ in range(3):
        browser.take(e)
        e = send(e, browser)
    assert xs(e.now)[:sent] == [float(n) for n in range(1, sent + 1)]


def test_an_undo_called_before_the_stroke_that_was_sent_with_it_undoes_that_stroke() -> None:
    e, browser = drawn(1)
    e = browser.draw(e, TREE, 2)
    e = easel.up_to_date(e, list(browser.objects))
    e = easel.set_now(e, e.timeline.undo())
    e = send(e, browser)  # the canvas's own callback, with the same drawing
    assert xs(e.now) == [1]
    assert e.timeline.can_redo
    browser.take(e)
    assert xs(send(e, browser).now) == [1]


def test_what_was_sent_before_or_is_no_drawing_brings_nothing_up_to_date() -> None:
    e, browser = drawn(1, 2)
    assert easel.up_to_date(e, list(browser.objects)) == e
    undone = easel.set_now(e, e.timeline.undo())
    assert easel.up_to_date(undone, list(browser.objects)) == undone
    for forged in (None, "x", [{"type": "Image"}], [1]):
        assert easel.up_to_date(e, forged) == e

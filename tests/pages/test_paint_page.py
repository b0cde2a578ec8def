"""The paint page in this process, on the planted generator: history, brushes, layers, links, refusals."""
from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.paint import Painting, Stroke, to_link
from core.units import UnitSet
from pages.parts import easel
from pages.parts.easel import Easel
from tests.toys import FAKE_TREE, TREE

Show = Callable[..., AppTest]
PLACE = Stroke("tree", "draw", 1, shape="rect", points=((0, 24), (8, 32)), order="iou")


def at_easel(page: AppTest) -> Easel:
    found: Easel = page.session_state["paint.easel.toy"]
    return found


def with_stroke(page: AppTest, stroke: Stroke = PLACE, unit_set: UnitSet | None = None) -> AppTest:
    """As if the canvas had sent it."""
    e = at_easel(page)
    page.session_state["paint.easel.toy"] = easel.step(e, e.now.add(stroke, unit_set))
    return page.run()


def said(page: AppTest) -> str:
    """All sentences on the page, without the marks that keep them plain."""
    kinds = (page.caption, page.warning, page.info, page.error, page.markdown)
    return " ".join(str(x.value) for kind in kinds for x in kind).replace("\\", "")


def open_section(page: AppTest, name: str) -> AppTest:
    page.session_state["paint_section"] = name
    return page.run()


def test_the_page_opens_on_a_good_picture(dissected: None, show: Show) -> None:
    page = show("paint")
    assert not page.exception
    assert "strokes 0" in said(page)
    assert "units ranked by IoU" in said(page)
    assert page.button(key="paint_undo").disabled
    assert page.button(key="paint_reset").disabled


def test_undo_redo_and_reset_move_in_one_history(dissected: None, show: Show) -> None:
    page = with_stroke(with_stroke(show("paint")), PLACE)
    assert "strokes 2" in said(page)
    page.button(key="paint_undo").click().run()
    assert "strokes 1" in said(page)
    page.button(key="paint_redo").click().run()
    assert "strokes 2" in said(page)
    page.button(key="paint_reset").click().run()
    assert "strokes 0" in said(page)
    page.button(key="paint_undo").click().run()
    assert "strokes 2" in said(page)
    assert not page.exception


def test_a_whole_class_is_removed_without_drawing(dissected: None, show: Show) -> None:
    page = show("paint")
    page.session_state["paint_mode"] = "remove"
    page.run()
    page.button(key="paint_all").click().run()
    stroke = at_easel(page).now.strokes[0]
    assert (stroke.brush, stroke.mode, stroke.shape) == ("tree", "remove", "all")
    assert "Mean change inside the stroke" in said(page) or "changed almost nothing" in said(page)


def test_the_strength_of_one_step_can_be_changed(dissected: None, show: Show) -> None:
    page = with_stroke(with_stroke(show("paint")), PLACE)
    page.session_state["paint.step"] = 0
    page.run()
    page.slider(key="paint_step_strength.0").set_value(0.3).run()
    assert [s.strength for s in at_easel(page).now.strokes] == [0.3, 1.0]
    page.button(key="paint_undo").click().run()
    assert [s.strength for s in at_easel(page).now.strokes] == [1.0, 1.0]


def test_another_layer_in_the_sidebar_moves_the_painting_there(dissected: None, show: Show) -> None:
    page = show("paint")
    e = at_easel(page)
    page.session_state["paint.easel.toy"] = easel.step(e, e.now.add(PLACE))
    page.selectbox(key="layer").select("layer2").run()
    assert not page.exception
    assert at_easel(page).now.layer == "layer2"
    assert at_easel(page).now.strokes == (PLACE,)
    assert "layer layer2" in said(page)
    page.button(key="paint_undo").click().run()
    assert at_easel(page).now.layer == "layer1"


def test_a_set_from_the_basket_is_a_brush_with_values_to_draw_with(dissected: None, show: Show) -> None:
    page = show("paint")
    page.session_state["basket.sets"] = [UnitSet("mine", "toy", "layer1", (TREE,)), UnitSet("other", "scenes", "layer4", (1,))]
    page.session_state["paint.brush"] = "set:mine"
    page.run()
    page.button(key="paint_all").click().run()
    assert not page.exception
    painting = at_easel(page).now
    assert painting.strokes[0].brush == "mine"
    assert painting.sets[0].values[0] > 2.5
    assert "units ranked by hand" in said(page)


def test_units_in_the_address_become_a_brush(dissected: None, show: Show) -> None:
    page = show("paint", units="1,3,1,999,x")
    page.button(key="paint_all").click().run()
    assert not page.exception
    assert at_easel(page).now.sets[0].units == (1, 3)
    assert [s.units for s in page.session_state["basket.sets"]] == [(1, 3)]


def test_a_link_opens_its_painting(dissected: None, show: Show) -> None:
    painting = Painting("toy", "layer1", 12).add(PLACE)
    page = show("paint", p=to_link(painting))
    assert at_easel(page).now == painting
    assert not page.exception


@pytest.mark.parametrize("link", ["1AAAA", "s" + "0" * 64, "nonsense", "1" + "A" * 3000])
def test_a_damaged_link_is_said_and_the_page_works(dissected: None, show: Show, link: str) -> None:
    page = show("paint", p=link)
    assert "The link could not be opened" in said(page)
    assert "strokes 0" in said(page)
    assert not page.exception


def test_a_link_to_a_layer_that_is_not_there_is_said(dissected: None, show: Show) -> None:
    page = show("paint", p=to_link(Painting("toy", "layer99", 12).add(PLACE)))
    assert "The link could not be opened: no layer named 'layer99'" in said(page)
    assert at_easel(page).now.layer == "layer1"
    assert not page.exception


@pytest.mark.parametrize("query", [{"seed": "9" * 5000}, {"seed": "4294967296"}, {"seed": "-1"}, {"class": "unicorn"}, {"set": "none"},
                                   {"units": "1,x,99999,1,-3"}, {"units": "9" * 5000}])
def test_odd_words_in_the_address_are_passed_over(dissected: None, show: Show, query: dict[str, str]) -> None:
    page = show("paint", **query)
    assert not page.exception
    assert not page.error
    assert "strokes 0" in said(page)


def test_a_link_of_another_model_says_which_model_to_choose(dissected: None, show: Show) -> None:
    page = show("paint", p=to_link(Painting("scenes", "layer4", 12).add(PLACE)))
    assert "made with the model scenes" in said(page)
    assert not page.exception


def test_a_layer_that_is_not_dissected_says_so(toy: None, show: Show) -> None:
    page = show("paint")
    assert not page.exception
    assert "nothing of it has been dissected" in said(page)


def test_another_picture_is_a_step_and_its_number_may_be_typed(dissected: None, show: Show) -> None:
    page = with_stroke(show("paint"))
    page.number_input(key="paint_seed.0").set_value(31).run()
    assert (at_easel(page).now.seed, at_easel(page).now.strokes) == (31, ())
    page.button(key="paint_undo").click().run()
    assert at_easel(page).now.strokes == (PLACE,)


def test_a_refusal_is_explained(dissected: None, show: Show) -> None:
    """A unit that looks like tree and draws nothing, painted over the sky."""
    own = UnitSet("tree", "toy", "layer1", (FAKE_TREE,), (5.0,))
    page = with_stroke(show("paint"), Stroke("tree", "draw", 1, shape="rect", points=((0, 0), (8, 4))), own)
    assert "refused to draw tree on sky" in said(page)
    assert "context" in said(page)


def test_all_brushes_make_a_sheet_to_download(dissected: None, show: Show) -> None:
    page = open_section(with_stroke(show("paint")), "All brushes")
    page.button(key="paint_try").click().run()
    assert not page.exception
    assert page.session_state["paint.sheet"][1][:4] == b"\x89PNG"


@pytest.mark.parametrize("section", ["Pictures", "Same strokes, other pictures", "All brushes", "Save and share", "Units used"])
def test_every_section_opens_with_and_without_strokes(dissected: None, show: Show, section: str) -> None:
    page = open_section(show("paint"), section)
    assert not page.exception
    assert not page.error
    page = with_stroke(page)
    assert not page.exception
    assert not page.error


def test_forged_state_in_the_canvas_is_refused_and_nothing_is_lost(dissected: None, show: Show) -> None:
    page = with_stroke(show("paint"))
    page.session_state["paint_canvas_toy"] = {"drawing": {"raw": {"objects": [{"type": "Image"}]}}}
    page.run()
    assert not page.exception
    assert at_easel(page).now.strokes == (PLACE,)


def test_a_stroke_acts_on_the_chosen_number_of_units_and_on_no_more_than_there_are(dissected: None, show: Show) -> None:
    page = show("paint")
    for amount, units in ((4, 4), (60, 9), ("own", 9)):                # the toy has nine
        page.session_state["paint_amount"] = amount
        page.run()
        assert not page.exception
        page.button(key="paint_all").click().run()
        assert at_easel(page).now.strokes[-1].units == units
    page.session_state["paint_units"] = 200                            # chosen in a layer of more units
    page.run()
    assert not page.exception

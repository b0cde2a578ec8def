"""The compare page in this process: what it says and offers, on the planted generator."""
from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core import benchmark, compare, inpaint, zoo
from core.compare import kept
from core.image import encode
from core.units import UnitSet
from pages.parts import answers, evidence, masks
from pages.parts.canvas import Mark
from tests.toys import FAKE_TREE

RED = Mark("free", ((4.0, 4.0), (12.0, 4.0)), 4.0, masks.FILL)
BLUE = Mark("rect", ((20.0, 20.0), (28.0, 26.0)), 1.0, masks.KEEP_OUT)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.jobs import Jobs

    monkeypatch.setattr(kept, "comparisons", Jobs(capacity=8, keep=6))


@pytest.fixture
def judged(dissected: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy with a judge."""
    from dataclasses import replace

    monkeypatch.setattr(zoo, "CARDS", {"toy": replace(zoo.CARDS["toy"], segmenters=("toy", "toy-judge"))})


def finished(page: AppTest, seconds: float = 60) -> AppTest:
    """Runs the page until its comparison is done."""
    end = time.monotonic() + seconds
    while any(j.active for j in kept.comparisons.list()) and time.monotonic() < end:
        time.sleep(0.05)
    return page.run()


def words(page: AppTest) -> str:
    return " ".join(str(x.value) for kind in (page.markdown, page.caption, page.subheader, page.info, page.error) for x in kind)


def test_class_is_removed_by_every_method_without_a_click(judged, show: Callable[..., AppTest]):
    page = finished(show("compare", **{"class": "tree", "n": "1"}))
    assert not page.exception
    assert not page.error
    told = words(page)
    for name in compare.methods():
        assert compare.title(name) in told
    assert "removed 100 %" in told


def test_units_of_the_basket_can_be_compared(judged, show: Callable[..., AppTest]):
    page = finished(show("compare", **{"class": "tree", "n": "1"}))
    page.session_state["basket.sets"] = [UnitSet("goes along", "toy", "layer1", (FAKE_TREE,))]
    page.run()
    page.selectbox(key="units.of").select("goes along").run()
    page = finished(page)
    assert not page.exception
    told = words(page)
    assert "1 of the basket, goes along" in told
    assert "removed 0 %" in told  # it only goes along with trees


def test_finished_comparison_is_stored_and_shown_again_without_a_job(judged, show: Callable[..., AppTest]):
    finished(show("compare", **{"class": "tree", "n": "1"}))
    done = len(kept.comparisons.list())
    again = show("compare", **{"class": "tree", "n": "1"})
    assert len(kept.comparisons.list()) == done
    assert "removed 100 %" in words(again)


def test_vote_is_blind_until_it_is_cast_and_counts_once(judged, show: Callable[..., AppTest]):
    page = finished(show("compare", **{"class": "tree", "n": "1"}))

    def ballot():
        return page.session_state["same.ballot"]

    def buttons() -> dict[str, str]:
        return {b.key: b.label for b in page.button if b.key.startswith("same.vote.")}

    assert set(buttons().values()) == {"Left", "Right", "Can't say"}
    _, shown, cast = ballot()
    assert cast is None
    assert not {shown.left, shown.right} & {compare.BEFORE, compare.GAN_RANDOM}
    page.button(key="same.vote.left").click().run()
    assert not page.exception
    assert list(buttons().values()) == ["Next pair"]
    assert [v.preferred for v in page.session_state["votes"]] == [shown.left]
    tallied = next(d.value for d in page.dataframe if "preferred" in d.value)
    assert tallied["preferred"].tolist() == [compare.title(shown.left)]
    assert tallied["share"].tolist() == ["100% [21%, 100%]"]
    page.button(key="same.vote.next").click().run()
    assert {ballot()[1].left, ballot()[1].right} != {shown.left, shown.right}
    page.button(key="same.vote.neither").click().run()
    assert [v.preferred for v in page.session_state["votes"]] == [shown.left, ""]


def test_page_comes_to_rest_when_a_comparison_of_a_photo_is_finished(judged, show: Callable[..., AppTest],
                                                                     monkeypatch: pytest.MonkeyPatch):
    import streamlit as st

    monkeypatch.setattr(compare, "methods", lambda **k: ["telea", "before"])
    page = show("compare", tab="Real photos")
    next(b for b in page.button if b.label == "Compare all methods").click().run()
    page = finished(page)
    asked = []
    monkeypatch.setattr(st, "rerun", lambda *a, **k: asked.append(a))
    page.run()
    sheet = page.session_state["mask.photo"]
    page.run()
    assert "All scores" in words(page)
    assert not asked
    assert page.session_state["mask.photo"] == sheet  # a drawing that is loaded anew at every run would be sent at every run
    assert len(kept.comparisons.list()) == 1


def test_class_that_is_not_in_the_picture_is_said(judged, show: Callable[..., AppTest]):
    page = show("compare", **{"class": "dome"})
    assert "sees no dome" in words(page)
    assert not kept.comparisons.list()


def test_running_comparison_shows_what_is_there_and_can_be_cancelled(judged, show: Callable[..., AppTest],
                                                                     monkeypatch: pytest.MonkeyPatch):
    methods = sys.modules["core.compare.methods"]  # the package has a function of that name
    plain, on, calls = methods.fill_hole, threading.Event(), []

    def held(*given, **named):
        calls.append(1)
        if len(calls) == 2:
            on.wait()
        return plain(*given, **named)

    monkeypatch.setattr(methods, "fill_hole", held)
    try:
        page = show("compare", **{"class": "tree", "n": "3"})
        while len(calls) < 2 and any(j.active for j in kept.comparisons.list()):
            time.sleep(0.02)
        page.run()
        told = words(page)
        assert compare.title("telea") in told
        assert told.count("waiting …") == len(compare.methods()) - 1
        next(b for b in page.button if b.key == "same.cancel").click().run()
    finally:
        on.set()
    page = finished(page)
    assert not page.exception
    assert "Cancelled; what was finished is kept." in words(page)
    assert compare.title("telea") in words(page)
    assert compare.title("patchmatch7") not in words(page)
    page = finished(next(b for b in page.button if b.key == "same.again").click().run())
    assert compare.title("patchmatch7") in words(page)


def test_pictures_can_be_shown_as_the_judge_sees_them_and_from_near(judged, show: Callable[..., AppTest]):
    page = finished(show("compare", **{"class": "tree", "n": "1"}))

    def shown(key: str, value: str) -> dict[str, str]:
        """What each method's picture is, by its title."""
        next(c for c in page.segmented_control if c.key == key).set_value(value).run()
        assert not page.exception
        images = [image.proto.imgs[0] for image in page.get("image")]
        return {i.alt.split(":")[0]: i.url for i in images if ":" in i.alt}

    views = [shown("same.what", "Picture"), shown("same.what", "Segmentation"), shown("same.what", "Difference"),
             shown("same.near", "Hole")]
    for name in compare.methods():
        assert len({view[compare.title(name)] for view in views}) == 4, f"every view of {name} is another picture"


def test_result_made_elsewhere_becomes_a_column_with_its_minutes(judged, show: Callable[..., AppTest]):
    page = finished(show("compare", **{"class": "tree", "n": "1"}))
    seed = int(next(n for n in page.number_input if n.label == "Picture (seed)").value)
    before = compare.plain(zoo.load("toy"), seed)
    next(n for n in page.number_input if n.key == "same.own.minutes").set_value(7.5)
    uploader = next(u for u in page.get("file_uploader") if u.key == "same.own")
    uploader.set_value(("mine.png", encode(before), "image/png")).run()
    assert not page.exception
    told = words(page)
    assert "7.5 min of a person" in told
    assert "**Photoshop**" in told
    uploader = next(u for u in page.get("file_uploader") if u.key == "same.own")
    uploader.set_value(("mine.png", encode(before[:-1]), "image/png")).run()
    assert "save it at the picture's size" in words(page)


def test_drawn_mask_asks_to_be_drawn_first(judged, show: Callable[..., AppTest]):
    page = show("compare", mask="Drawn")
    assert "paint over what should go" in words(page)
    assert not kept.comparisons.list()


def test_undissected_layer_offers_to_dissect(toy, show: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch, store):
    from pages.parts import state

    monkeypatch.setattr(state, "store", lambda: store)
    monkeypatch.setattr(state, "layers", lambda name: ("layer1",))
    page = show("compare")
    assert not page.exception
    assert "has not been dissected yet" in words(page)


def test_photo_tab_offers_a_sample_with_something_to_remove(judged, show: Callable[..., AppTest]):
    page = show("compare", tab="Real photos")
    assert not page.exception
    assert "No GAN column here" in words(page)
    button = next(b for b in page.button if b.label == "Compare all methods")
    assert button.disabled is False


def test_known_holes_say_what_is_missing_and_then_show_the_lesson(judged, show: Callable[..., AppTest]):
    from pages.parts import state

    assert "No benchmark is stored yet" in words(show("compare", tab="Known holes"))
    benchmark.measure(benchmark.Plan(("harmonic", "patchmatch"), size=64, scenes=0, photos=("gravel",)), store=state.store())
    page = show("compare", tab="Known holes")
    assert not page.exception
    assert "The harmonic fill is fog" in words(page)


def test_reports_table_names_its_gaps_until_it_is_measured(judged, show: Callable[..., AppTest]):
    page = show("compare", tab="The report's table")
    assert not page.exception
    assert "has not been measured" in words(page)
    assert list(page.table[0].value.columns)[0] == "Photoshop (report, 2019)"
    assert "Time: a person" in page.table[0].value.index


def test_reports_table_is_filled_by_what_was_measured(judged, show: Callable[..., AppTest]):
    from core import removals
    from pages.parts import state
    from tests.test_removals import run

    found = run(store=state.store())
    page = show("compare", tab="The report's table")
    assert not page.exception
    table = page.table[0].value
    assert table.loc[evidence.EFFECT, compare.title(compare.GAN)] == "100 %"
    for name in (compare.GAN, "telea"):
        cell = table.loc[evidence.EFFECT, compare.title(name)]
        assert cell.startswith(f"{found.interval(name, 'removal').median:.0f}")
        assert table.loc[evidence.COMPUTING, compare.title(name)].endswith(" s")
    assert table.loc["Time: once", compare.title(compare.GAN)].startswith("training (hours), dissection")
    assert {"Can add things", "Needs a mask", "Any photo", "Drawback"} <= set(table.index)
    assert "removes 100 % of what the judge saw" in words(page)
    assert removals.load(state.store(), "toy", generator="other") is None


# --- masks drawn by hand ----------------------------------------------------------------------------------------------------
def test_colours_tell_fill_from_keep_out():
    fill, keep = masks.areas((RED, BLUE), (32, 32))
    assert fill[4, 8]
    assert not fill[22, 22]
    assert keep[22, 22]
    assert not keep[4, 8]


def test_strokes_arrive_and_are_kept():
    sheet = masks.arrived(masks.Sheet(), (RED, BLUE), 4.0)
    assert sheet.marks == (RED, BLUE)


def test_stale_drawing_after_clear_does_not_bring_the_strokes_back():
    sheet = masks.pushed(masks.Sheet(marks=(RED,)), (), 4.0)
    sheet = masks.arrived(sheet, (RED,), 4.0)
    assert sheet.marks == ()
    assert masks.arrived(sheet, (), 4.0).waiting is None


def test_stroke_drawn_while_an_undo_was_on_its_way_is_kept():
    sheet = masks.pushed(masks.Sheet(marks=(RED, BLUE)), (RED,), 4.0)
    third = Mark("free", ((1.0, 1.0),), 4.0, masks.FILL)
    assert masks.arrived(sheet, (RED, BLUE, third), 4.0).marks == (RED, third)


def test_canvas_shows_what_it_is_asked_to_load():
    from pages.parts import canvas

    sheet = masks.pushed(masks.Sheet(), (RED, BLUE), 4.0, mounted=True)
    assert canvas.read(sheet.load["objects"], 4.0) == (RED, BLUE)


def test_forged_colour_is_refused():
    from core.errors import BadInput

    with pytest.raises(BadInput, match="colour"):
        masks.arrived(masks.Sheet(), (Mark("free", ((1.0, 1.0),), 4.0, "#00ff00ff"),), 4.0)


@pytest.mark.parametrize(("shape", "scale"), [((64, 64), 7.0), ((427, 640), 0.75), ((1600, 1200), 0.3)])
def test_canvas_fits_its_room(shape, scale):
    assert masks.scale_for(shape) == pytest.approx(scale)
    assert round(max(shape) * masks.scale_for(shape, narrow=True)) <= 340


# --- answers ----------------------------------------------------------------------------------------------------------------
def board() -> compare.Board:
    image = np.full((40, 60, 3), 90, np.uint8)
    mask = np.zeros((40, 60), bool)
    mask[10:14, 30:36] = True
    out = compare.Board(compare.Question(image, mask, grow=0, feather=0))
    out.fill(compare.compare(out.question, ["telea", "before"]))
    return out


def test_zoom_shows_a_square_with_the_hole_inside():
    shown = board()
    hole = shown.question.hole()
    part = answers._around(hole.box, hole.inside.shape)
    inside = hole.inside[part]
    assert inside.shape[0] == inside.shape[1] < 40
    assert inside.sum() == hole.inside.sum()


def test_difference_is_dark_where_nothing_changed_and_brighter_with_change():
    change = np.zeros((8, 8))
    change[2, 2], change[5, 5] = 128, 40
    picture = answers.heat(change).astype(int).sum(axis=2)
    assert picture[0, 0] < picture[5, 5] < picture[2, 2]
    assert np.array_equal(answers.heat(np.zeros((8, 8)))[0, 0], answers.heat(change)[0, 0])


def test_line_under_a_picture_names_time_and_scores_and_leaves_out_the_meaningless():
    told = answers.under(board().answers[0])
    assert "seam" not in told  # a flat picture has no neighbours' contrast to compare with
    assert "changed outside 0.0 %" in told


def test_problem_replaces_the_line():
    import dataclasses

    answer = dataclasses.replace(board().answers[0], problem="no *library*")
    assert "no \\*library\\*" in answers.under(answer)


def test_csv_has_a_row_for_every_answer():
    lines = answers.csv_of(board()).strip().splitlines()
    assert [line.split(",")[0] for line in lines] == ["method", "telea", "before"]


def test_own_results_minutes_are_shown_as_a_persons():
    shown = board()
    mine = compare.own_answer(shown.question, shown.question.before, 6, "Photoshop")
    assert answers.under(mine).startswith("6 min of a person")
    told = answers.csv_of(shown.plus(mine)).splitlines()[-1].split(",")
    assert told[:4] == [compare.OWN, "", "", "6"], "its computing time is not known"


def test_every_method_has_a_drawback_in_the_table():
    assert set(evidence.DRAWBACKS) == {*compare.methods(), *inpaint.REGISTRY}


def test_mask_file_round_trip():
    mask = np.zeros((20, 30), bool)
    mask[3:9, 4:20] = True
    from core.image import mask_from_png, mask_to_png

    assert np.array_equal(mask_from_png(mask_to_png(mask), (20, 30)), mask)
    assert encode(mask.astype(np.uint8) * 255)


@pytest.mark.parametrize(("file", "said"), [
    ("fits", ""), ("other shape", "save the mask at the picture's size"), ("no picture", "not a PNG"), ("nothing marked", "")])
def test_saved_mask_can_be_put_in_on_a_photo(judged, show: Callable[..., AppTest], file, said):
    from core.image import mask_to_png
    from core.inpaint import samples

    page = show("compare", tab="Real photos")
    next(c for c in page.segmented_control if c.key == "photo.mask").set_value("File").run()
    assert not page.exception

    def go():
        return next(b for b in page.button if b.label == "Compare all methods")

    assert go().disabled
    height, width = samples.load(samples.names()[0]).shape[:2]
    mask = np.zeros((height, width if file != "other shape" else width + 40), bool)
    mask[20:40, 30:60] = file != "nothing marked"
    data = b"GIF89a, or something" if file == "no picture" else mask_to_png(mask)
    uploader = next(u for u in page.get("file_uploader") if u.key == "mask.photo.file")
    uploader.set_value(("mask.png", data, "image/png")).run()
    assert not page.exception
    assert go().disabled == (file != "fits")
    assert said in words(page)

"""The pen on every page that has a canvas: a stroke is sent when it is lifted, and whole, whatever reaches the canvas meanwhile."""
from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from core import zoo
from core.benchmark import picture
from core.image import encode
from tests.e2e.helpers import WAIT_MS, settled, stroke, visit
from tests.e2e.test_paint import PHONE, TOP, after_change, cards, open_page, own, paint, painting, still, wait_until

# the component itself sends a stroke 200 ms after the pen is lifted: here that never comes
NEVER = "const wait = window.setTimeout; window.setTimeout = (f, ms, ...more) => wait(f, ms === 200 ? 1e9 : ms, ...more);"


def assert_whole_stroke(page: Page, width: float, first: float, last: float) -> None:
    """One stroke is in the history, from `first` to `last` pixels of a canvas that is `width` wide."""
    wait_until(page, lambda: len(cards(page)) == 1, "the stroke that was drawn meanwhile")
    settled(page)
    xs = [x for x, _ in painting(page).strokes[0].points]
    step = width / zoo.card("scenes").image_size[0]
    assert min(xs) == pytest.approx(first / step, abs=1.5)
    assert max(xs) == pytest.approx(last / step, abs=1.5)


def on_paint(page: Page, server: str) -> Callable[[], None]:
    open_page(page, server, "/paint?seed=12")
    return lambda: wait_until(page, lambda: cards(page) == ["1 + tree"], "a stroke in the history")


def on_photo(page: Page, server: str) -> Callable[[], None]:
    visit(page, f"{server}/photo?steps=0", "Photo")
    page.locator("canvas.upper-canvas").wait_for()
    return lambda: expect(page.get_by_text("Reconstruction only")).to_be_visible()


def on_compare(page: Page, server: str) -> Callable[[], None]:
    visit(page, f"{server}/compare?tab=Real+photos", "Compare")
    upload = {"name": "photo.png", "mimeType": "image/png", "buffer": encode(picture("coffee", 96))}
    page.get_by_test_id("stFileUploader").locator("input").first.set_input_files(upload)
    expect(page.get_by_text("96 × 96 px")).to_be_visible(timeout=4 * WAIT_MS)
    go = page.get_by_role("button", name="Compare all methods")
    expect(go).to_be_disabled()
    return lambda: expect(go).to_be_enabled()


def on_units(page: Page, server: str) -> Callable[[], None]:
    visit(page, f"{server}/units?view=Region&seed=1", "Units")
    return lambda: expect(page.get_by_text("of the picture is marked")).to_be_visible()


def on_concepts(page: Page, server: str) -> Callable[[], None]:
    visit(page, f"{server}/models?show=Concepts", "Models")
    page.get_by_label("Concept").fill("left edge")
    page.get_by_label("Concept").press("Enter")
    keep = page.get_by_role("button", name="Keep region")
    expect(keep).to_be_disabled()
    return lambda: expect(keep).to_be_enabled()


@pytest.mark.parametrize("open_with_canvas", [on_paint, on_photo, on_compare, on_units, on_concepts])
def test_stroke_is_sent_when_the_pen_is_lifted(server: str, page: Page, open_with_canvas: Callable[..., Callable[[], None]]) -> None:
    page.add_init_script(NEVER)
    arrived = open_with_canvas(page, server)
    settled(page)
    still(page)
    stroke(page, [(60, 150), (90, 190), (160, 200)])
    arrived()
    expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.parametrize("tool", ["brush", "rectangle"])
def test_stroke_stays_whole_when_the_canvas_is_loaded_while_the_pen_is_down(server: str, page: Page, tool: str) -> None:
    open_page(page, server, "/paint?seed=13")
    page.get_by_role("radio", name=f"{tool} icon").click()
    settled(page)
    paint(page, TOP)
    canvas = page.locator("canvas.upper-canvas")
    undo = own(page, "undo")
    still(page)
    box = canvas.bounding_box()
    assert box is not None

    def undo_and_draw_at_once() -> None:
        undo.click()
        page.mouse.move(box["x"] + 60, box["y"] + 260)
        page.mouse.down()
        page.mouse.move(box["x"] + 160, box["y"] + 280, steps=8)
        wait_until(page, lambda: not cards(page), "the undo has come")
        settled(page)
        page.mouse.move(box["x"] + 260, box["y"] + 300, steps=8)
        page.mouse.up()
    after_change(page, undo_and_draw_at_once)
    assert_whole_stroke(page, box["width"], 60, 260)


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_finger_on_a_canvas_that_is_loaded_meanwhile_draws_a_whole_stroke(server: str, page: Page) -> None:
    open_page(page, server, "/paint?seed=17")
    finger = page.context.new_cdp_session(page)
    box = page.locator("canvas.upper-canvas").bounding_box()
    assert box is not None

    def touch(kind: str, *points: tuple[float, float]) -> None:
        spots = [{"x": box["x"] + x, "y": box["y"] + y} for x, y in points]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": spots})

    def draw(meanwhile: Callable[[], None]) -> None:
        touch("touchStart", (50, 150))
        for x in range(60, 150, 10):
            touch("touchMove", (x, 150))
        meanwhile()
        for x in range(150, 241, 10):
            touch("touchMove", (x, 150))
        touch("touchEnd")

    after_change(page, lambda: draw(lambda: None))
    assert len(cards(page)) == 1
    undo = own(page, "undo")  # above the canvas: both are on the screen
    expect(undo).to_be_in_viewport()

    def undo_and_draw_at_once() -> None:
        undo.dispatch_event("click")  # a tap would take longer than the answer does
        draw(lambda: wait_until(page, lambda: not cards(page), "the undo has come"))
    after_change(page, undo_and_draw_at_once)
    assert_whole_stroke(page, box["width"], 50, 240)

"""Painting in a real browser: mouse, keys, buttons, history, links, phone. Pictures are compared by their hash."""
from __future__ import annotations

import base64
import hashlib
import io
import itertools
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from core import segment, zoo
from core.paint import Painting, Stroke, from_link, mask_of, pair, to_link
from tests.e2e.helpers import ROOT, WAIT_MS, query, settled, stroke, visit
from tests.e2e.visitor import Visitor

MODEL = "scenes"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True,
         "user_agent": "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/150 Mobile"}

TOP, MIDDLE, LOW = [(60, 60), (200, 90)], [(100, 180), (260, 200)], [(60, 300), (300, 330)]


def source(page: Page, side: str = "after") -> str:
    found = page.locator(f".wipe img.{side}").get_attribute("src")
    assert found is not None
    return found


def digest(page: Page, side: str = "after") -> str:
    return hashlib.sha256(source(page, side).encode()).hexdigest()[:16]


def pixels(page: Page, side: str = "after") -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source(page, side).split(",")[1]))).convert("RGB"))


def cards(page: Page) -> list[str]:
    """Captions of the history's strokes, in order."""
    return page.locator("[aria-label='Strokes, oldest first'] .card .text").all_inner_texts()


def wait_until(page: Page, fact: Callable[[], bool], what: str) -> None:
    for _ in range(WAIT_MS // 100):
        if fact():
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"still not so after {WAIT_MS / 1000:.0f} s: {what}")


def own(page: Page, name: str) -> Locator:
    """The page's own button; the canvas's toolbar has one of the same name."""
    return page.locator(f".st-key-paint_{name} button").first


def after_change(page: Page, act: Callable[[], object], side: str = "after") -> str:
    """Does something and waits for another picture; gives its hash."""
    old = digest(page, side)
    act()
    wait_until(page, lambda: digest(page, side) != old, "another picture")
    settled(page)
    return digest(page)


def still(page: Page) -> None:
    """Waits until nothing moves the canvas any more."""
    canvas = page.locator("canvas.upper-canvas")
    before: object = None
    for _ in range(100):
        canvas.scroll_into_view_if_needed()
        now = canvas.bounding_box()
        if now == before:
            return
        before = now
        page.wait_for_timeout(300)


def paint(page: Page, points: list[tuple[float, float]]) -> str:
    still(page)
    return after_change(page, lambda: stroke(page, points))


def painting(page: Page) -> Painting:
    return from_link(query(page)["p"][0])


def open_page(page: Page, address: str, path: str = "/paint?seed=5") -> None:
    visit(page, address + path, "Paint")
    page.locator("canvas.upper-canvas").wait_for(timeout=WAIT_MS)
    page.locator(".wipe img.after[src]").wait_for(timeout=WAIT_MS)
    page.locator("[aria-label='Good pictures to begin with'] .card").first.wait_for(timeout=WAIT_MS)
    settled(page)
    still(page)


def test_draw_undo_redo_delete_and_open_again_by_link(page: Page, server: str, tmp_path: Path) -> None:
    open_page(page, server)
    plain = digest(page)
    one, two, three = paint(page, TOP), paint(page, MIDDLE), paint(page, LOW)
    assert len({plain, one, two, three}) == 4
    assert cards(page) == ["1 + tree", "2 + tree", "3 + tree"]

    assert after_change(page, lambda: page.keyboard.press("Control+z")) == two
    assert after_change(page, lambda: own(page, "redo").click()) == three
    assert cards(page) == ["1 + tree", "2 + tree", "3 + tree"]

    without = after_change(page, lambda: page.get_by_role("button", name="Delete stroke 2").click())
    assert without not in {plain, one, two, three}
    assert [s.points[0][1] for s in painting(page).strokes] == sorted(s.points[0][1] for s in painting(page).strokes)
    assert len(painting(page).strokes) == 2

    saved = pixels(page)
    page.reload()
    open_page(page, "", page.url)
    assert digest(page) == without
    assert cards(page) == ["1 + tree", "2 + tree"]

    out = tmp_path / "picture.png"
    command = [sys.executable, "-m", "core", "paint", query(page)["p"][0], "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=180)
    drawn = np.asarray(Image.open(out).convert("RGB")).astype(int)
    assert np.abs(drawn - saved.astype(int)).max() <= 1  # one grey level, where the command has other threads

    more = paint(page, MIDDLE)
    page.locator("canvas.upper-canvas").hover()
    assert after_change(page, page.locator(".dc-toolbar button[aria-label=Undo]").click) == without
    assert after_change(page, lambda: own(page, "redo").click()) == more
    assert after_change(page, lambda: own(page, "reset").click()) == digest(page, "before")
    assert after_change(page, lambda: own(page, "undo").click()) == more


def test_what_is_done_right_after_a_stroke_comes_after_it(page: Page, server: str) -> None:
    """No pause for the canvas to send the stroke: the key, the click or the other page would once have taken it away."""
    open_page(page, server, "/paint?seed=11")
    paint(page, TOP)

    def rows() -> list[int]:
        return [round(s.points[0][1] / s.size, 1) for s in painting(page).strokes]

    first = rows()
    stroke(page, MIDDLE)
    page.keyboard.press("Control+z")
    wait_until(page, lambda: own(page, "redo").is_enabled(), "a stroke that was drawn and undone")
    settled(page)
    assert rows() == first
    after_change(page, lambda: own(page, "redo").click())
    both = rows()
    assert len(both) == 2
    still(page)
    stroke(page, LOW)
    page.get_by_text("Show strokes").click()
    wait_until(page, lambda: len(cards(page)) == 3, "a stroke whose canvas was loaded anew at once")
    settled(page)
    assert rows()[:2] == both
    still(page)
    stroke(page, TOP)
    page.get_by_role("link", name="Units").click()
    expect(page.get_by_role("heading", name="Units", level=1)).to_be_visible(timeout=WAIT_MS)
    page.get_by_role("link", name="Paint").click()
    wait_until(page, lambda: len(cards(page)) == 4, "the stroke drawn before the page was left")
    settled(page)
    assert rows()[:2] == both
    assert len(rows()) == 4


@contextmanager
def busy(server: str) -> Iterator[None]:
    """Two other visitors have the model paint without a pause."""
    over = threading.Event()

    def visit(n: int) -> None:
        for seed in itertools.count(100 * (n + 1)):
            if over.is_set():
                return
            strokes = Painting(MODEL, zoo.card(MODEL).default_layer, seed).add(Stroke("tree", shape="all", order="iou"))
            Visitor(server, "paint", p=to_link(strokes)).close()

    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(visit, n) for n in range(2)]
        try:
            yield
        finally:
            over.set()
        for other in others:
            other.result()


def test_twenty_quick_strokes_are_all_there_in_order(page: Page, server: str) -> None:
    open_page(page, server, "/paint?seed=6")
    with busy(server):
        twenty_quick_strokes(page)
    wait_until(page, lambda: len(cards(page)) == 20, "twenty strokes in the history")
    settled(page)
    starts = [s.points[0][0] for s in painting(page).strokes]
    assert starts == sorted(starts)
    assert len(set(starts)) == 20


def twenty_quick_strokes(page: Page) -> None:
    canvas = page.locator("canvas.upper-canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    for n in range(20):
        x, y = box["x"] + 12 + 18 * n, box["y"] + 60 + 200 * (n % 2)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 4, y + 30, steps=2)
        page.mouse.up()
        if n in (5, 11):
            page.wait_for_timeout(350)  # long enough that the server begins to paint while the next ones are drawn


def test_leaving_the_page_other_sizes_and_themes_lose_nothing(page: Page, server: str) -> None:
    open_page(page, server, "/paint?seed=7")
    paint(page, TOP)
    two = paint(page, LOW)
    strokes = painting(page).strokes
    page.get_by_role("link", name="Units").click()
    expect(page.get_by_role("heading", name="Units", level=1)).to_be_visible(timeout=WAIT_MS)
    settled(page)
    page.get_by_role("link", name="Paint").click()
    page.locator("canvas.upper-canvas").wait_for(timeout=WAIT_MS)
    wait_until(page, lambda: page.locator(".wipe img.after[src]").count() == 1 and digest(page) == two, "the painting again")
    settled(page)
    for size in ("L", "S"):
        page.get_by_role("radio", name=size, exact=True).or_(page.get_by_role("button", name=size, exact=True)).first.click()
        settled(page)
        side = {"S": 256, "L": 512}[size]
        expect(page.locator("canvas.upper-canvas")).to_have_attribute("width", str(side))
        assert digest(page) == two
    page.emulate_media(color_scheme="dark")
    settled(page)
    page.get_by_text("Show strokes").click()
    settled(page)
    assert painting(page).strokes == strokes
    three = paint(page, [(40, 120), (200, 130)])
    assert three != two
    assert painting(page).strokes[:2] == strokes
    assert len(cards(page)) == 3


def test_brushes_keys_modes_and_the_whole_picture(page: Page, server: str) -> None:
    open_page(page, server, "/paint?seed=8")
    page.keyboard.press("g")
    settled(page)
    page.get_by_text("Remove", exact=True).click()
    settled(page)
    paint(page, LOW)
    made = painting(page).strokes[0]
    assert (made.brush, made.mode) == ("grass", "remove")
    after_change(page, lambda: page.get_by_role("button", name="Remove grass everywhere").click())
    assert painting(page).strokes[1].shape == "all"
    assert cards(page) == ["1 − grass", "2 − grass"]
    page.get_by_role("button", name="Hide stroke 2").click()
    wait_until(page, lambda: painting(page).strokes[1].hidden, "a hidden stroke")
    settled(page)
    own(page, "undo").click()
    wait_until(page, lambda: not painting(page).strokes[1].hidden, "the stroke in sight again")
    own(page, "undo").click()
    wait_until(page, lambda: len(cards(page)) == 1, "one stroke left")
    own(page, "undo").click()
    wait_until(page, lambda: digest(page) == digest(page, "before"), "the plain picture")
    wait_until(page, lambda: "p" not in query(page), "an address without a painting")


def test_a_real_stroke_of_the_tree_brush_makes_trees_for_the_judge(page: Page, server: str) -> None:
    from tests.paint.test_bundled_brushes import seen

    judge = segment.load("scenes-judge", "cpu")
    gains = []
    for seed in (0, 3, 4):
        open_page(page, server, f"/paint?seed={seed}")
        paint(page, [(60, 252), (180, 264)])
        mask = mask_of(painting(page).strokes[0], zoo.card(MODEL).image_size)
        before, after = seen(judge, [pixels(page, "before"), pixels(page)], "tree")
        gains.append(float(after[mask].mean() - before[mask].mean()))
    assert np.mean(gains) > 0, gains


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_a_phone_paints_with_a_finger(page: Page, server: str) -> None:
    open_page(page, server, "/paint?seed=9")
    canvas = page.locator("canvas.upper-canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    assert box["width"] <= 340
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    finger = page.context.new_cdp_session(page)

    def draw() -> None:
        x, y = box["x"] + 60, box["y"] + 200
        finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for n in range(1, 12):
            finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x + 12 * n, "y": y + 3 * n}]})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    one = after_change(page, draw)
    assert one != digest(page, "before")
    assert len(painting(page).strokes) == 1
    undo = own(page, "undo")
    undo.scroll_into_view_if_needed()
    expect(undo).to_be_visible()
    assert after_change(page, undo.tap) == digest(page, "before")
    assert after_change(page, own(page, "redo").tap) == one
    hold = page.locator(".wipe .hold")
    hold.scroll_into_view_if_needed()
    spot = hold.bounding_box()
    assert spot is not None
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": spot["x"] + 20, "y": spot["y"] + 15}]})
    expect(page.locator(".wipe .stage.peek")).to_be_visible()
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.locator(".wipe .stage.peek")).to_have_count(0)


def test_every_shape_is_drawn_with_the_mouse(page: Page, server: str) -> None:
    open_page(page, server, "/paint?seed=14")

    def take(tool: str) -> None:
        page.get_by_role("radio", name=f"{tool} icon").click()
        settled(page)
        still(page)

    def corners(*points: tuple[float, float]) -> None:
        box = page.locator("canvas.upper-canvas").bounding_box()
        assert box is not None
        for x, y in points:
            page.mouse.click(box["x"] + x, box["y"] + y)

    paint(page, TOP)
    take("horizontal_rule")
    paint(page, [(60, 120), (300, 144)])
    take("rectangle")
    paint(page, [(78, 198), (162, 258)])
    take("pentagon")
    after_change(page, lambda: corners((198, 198), (300, 210), (258, 300), (198, 198)))
    strokes = painting(page).strokes
    assert [s.shape for s in strokes] == ["free", "line", "rect", "polygon"]
    scale = 384 / zoo.card("scenes").image_size[0]
    for stroke_made, points in zip(strokes[1:], ([(60, 120), (300, 144)], [(78, 198), (162, 258)],
                                                 [(198, 198), (300, 210), (258, 300)]), strict=True):
        np.testing.assert_allclose(stroke_made.points, np.asarray(points) / scale, atol=0.5)


def test_downloads_hold_the_pictures_and_a_document_that_opens_again(page: Page, server: str) -> None:
    def downloaded(name: str) -> bytes:
        with page.expect_download() as sent:
            page.get_by_role("button", name=name, exact=True).click()
        return Path(sent.value.path()).read_bytes()

    open_page(page, server, "/paint?seed=15")
    paint(page, TOP)
    page.get_by_text("Remove", exact=True).click()
    settled(page)
    made = paint(page, LOW)
    page.get_by_role("tab", name="Save and share").click()
    settled(page)
    before, after, document = pixels(page, "before"), pixels(page), downloaded("Painting (JSON)")
    assert (before != after).any()
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(downloaded("Picture")))), after)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(downloaded("Before and after")))), pair(before, after))
    assert Painting.from_json(document).strokes == painting(page).strokes

    open_page(page, server, "/paint?seed=3")
    page.get_by_role("tab", name="Save and share").click()
    settled(page)
    file = {"name": "mine.json", "mimeType": "application/json", "buffer": document}
    assert after_change(page, lambda: page.locator("input[type=file]").set_input_files(file)) == made
    assert cards(page) == ["1 + tree", "2 − tree"]


def test_another_picture_is_picked_drawn_by_lot_or_typed_and_undo_brings_the_painting_back(page: Page, server: str) -> None:
    open_page(page, server, "/paint?seed=5")
    made = paint(page, TOP)
    picked = page.locator("[aria-label='Good pictures to begin with'] .card").nth(3)
    seed = picked.locator(".text").inner_text()
    after_change(page, picked.locator("img").click)
    assert query(page)["seed"] == [seed]
    assert cards(page) == []
    after_change(page, page.get_by_role("button", name="Random picture").click)
    assert query(page)["seed"] != [seed]
    field = page.get_by_label("Seed", exact=True)
    field.fill("31")
    after_change(page, lambda: field.press("Enter"))
    assert query(page)["seed"] == ["31"]
    for _ in range(3):
        last = after_change(page, own(page, "undo").click)
    assert last == made
    assert cards(page) == ["1 + tree"]


def test_units_chosen_on_causes_are_a_brush_here(page: Page, server: str) -> None:
    visit(page, f"{server}/causes", "Causes")
    page.get_by_role("button", name="to the basket").click()
    expect(page.get_by_text("are in the basket")).to_be_visible()
    page.get_by_test_id("stSidebar").get_by_role("link", name="Paint").click()
    mine = page.locator("[aria-label=Brushes] .card").filter(has_text=" units")
    expect(mine).to_have_count(1)
    page.locator("canvas.upper-canvas").wait_for()
    settled(page)
    name, count = mine.inner_text().strip().rsplit(" · ", 1)
    mine.click()
    settled(page)
    paint(page, LOW)
    document = painting(page)
    assert document.strokes[0].brush == document.sets[0].name == name
    assert f"{len(document.sets[0].units)} units" == count
    expect(page.get_by_text("units ranked by hand")).to_be_visible()


def test_the_strength_of_a_step_is_changed_and_undone_for_good(page: Page, server: str) -> None:
    open_page(page, server, "/paint?seed=16")
    paint(page, TOP)
    made = paint(page, LOW)
    page.locator("[aria-label='Strokes, oldest first'] .card").first.locator("img").click()
    thumb = page.get_by_role("slider", name="Strength of stroke 1")
    thumb.focus()
    for strength in (0.99, 0.98):
        after_change(page, lambda: page.keyboard.press("ArrowLeft"))
        assert [s.strength for s in painting(page).strokes] == [strength, 1.0]
    after_change(page, own(page, "undo").click)
    assert after_change(page, own(page, "undo").click) == made
    page.wait_for_timeout(1500)  # what the canvas answers to that is no choice of the visitor's
    settled(page)
    assert digest(page) == made
    assert [s.strength for s in painting(page).strokes] == [1.0, 1.0]
    assert len(cards(page)) == 2

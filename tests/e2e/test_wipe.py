"""The before/after component by itself: as wide as its column, inside a tab that opens later, with finger, keys and a button to hold."""
from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.helpers import ROOT, serving, visit

SIDE = 40
APP = f"""
import numpy as np
import streamlit as st
from pages.parts import wipe
st.set_page_config(layout="wide")
st.title("Wipe")
black, white = (np.full(({SIDE}, {SIDE}, 3), v, np.uint8) for v in (0, 255))
first, second = st.tabs(["First", "Second"])
first.write("nothing here")
with second:
    wide, narrow = st.columns([3, 1])
    with wide:
        wipe.wipe(black, white, "wide", max_side=600)
    with narrow:
        wipe.wipe(black, white, "narrow", labels=("old", "new"), at=0)
"""


@pytest.fixture(scope="module")
def wipes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a page with two of them in its second tab."""
    folder = tmp_path_factory.mktemp("wipe")
    (folder / "app.py").write_text(APP)
    with serving(folder / "cache", folder / "server.log", folder / "app.py", PYTHONPATH=str(ROOT)) as address:
        yield address


def opened(page: Page, address: str) -> tuple[Locator, Locator]:
    visit(page, address, "Wipe")
    page.get_by_role("tab", name="Second").click()
    stages = page.locator(".wipe .stage")
    expect(stages).to_have_count(2)
    for n in (0, 1):
        expect(stages.nth(n)).to_have_attribute("style", re.compile(r"width: \d"))  # it has measured itself
    return stages.nth(0), stages.nth(1)


def share_before(stage: Locator) -> float:
    """Share of the width on which the picture before is seen."""
    return float(stage.evaluate("s => parseFloat(getComputedStyle(s).getPropertyValue('--at')) / 100"))


def width(stage: Locator) -> int:
    return int(stage.evaluate("s => s.getBoundingClientRect().width"))


def room(stage: Locator) -> int:
    return int(stage.evaluate("s => s.parentElement.clientWidth"))


def test_it_is_as_wide_as_its_column_in_whole_pixels(page: Page, wipes: str) -> None:
    wide, narrow = opened(page, wipes)
    expect(wide).to_have_css("width", "600px")  # its largest, and a multiple of the picture's
    assert room(narrow) - SIDE < width(narrow) <= room(narrow)
    assert width(narrow) % SIDE == 0
    page.set_viewport_size({"width": 900, "height": 700})
    for _ in range(50):
        if room(wide) - SIDE < width(wide) <= room(wide):
            break
        page.wait_for_timeout(100)
    assert room(wide) - SIDE < width(wide) <= room(wide)
    assert width(wide) % SIDE == 0


def test_the_line_moves_with_keys_and_the_picture_before_is_held(page: Page, wipes: str) -> None:
    wide, narrow = opened(page, wipes)
    assert (share_before(wide), share_before(narrow)) == (0.5, 0)
    line = page.get_by_role("slider", name="Line between before and after")
    line.focus()
    line.press("End")
    assert share_before(wide) == 1
    line.press("Home")
    assert share_before(wide) == 0
    hold = page.get_by_role("button", name="Hold: old")
    hold.focus()
    page.keyboard.down(" ")
    expect(page.locator(".wipe .stage.peek")).to_have_count(1)
    page.keyboard.up(" ")
    expect(page.locator(".wipe .stage.peek")).to_have_count(0)


@pytest.mark.parametrize("page", [{"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}], indirect=True)
def test_a_finger_moves_the_line(page: Page, wipes: str) -> None:
    wide, _ = opened(page, wipes)
    assert width(wide) <= 390
    wide.scroll_into_view_if_needed()
    box = wide.bounding_box()
    assert box is not None
    finger = page.context.new_cdp_session(page)
    y = box["y"] + box["height"] / 2

    def touch(kind: str, share: float | None = None) -> None:
        points = [] if share is None else [{"x": box["x"] + share * box["width"], "y": y}]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.5)
    for n in range(1, 11):
        touch("touchMove", 0.5 + 0.03 * n)
    touch("touchEnd")
    assert 0.75 < share_before(wide) < 0.85

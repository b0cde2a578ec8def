"""The photo page: a picture comes in, a stroke changes it under the stroke only, a hostile file is refused."""
from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

from core import zoo
from tests.e2e.helpers import WAIT_MS, settled, stroke, visit


def shown(page: Page, side: str) -> np.ndarray:
    """The "before" or "after" picture of the slider, as the browser has it."""
    source = page.locator(f"img.{side}").first.get_attribute("src")
    assert source is not None
    assert source.startswith("data:image/png")  # lossless
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))).convert("RGB"))


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def test_an_upload_comes_in_and_a_stroke_changes_only_what_is_under_it(server: str, page: Page) -> None:
    height, width = zoo.card("scenes").image_size
    rows, columns = np.mgrid[:90, :160]
    photo = np.stack([rows * 2, columns, 255 - columns], axis=-1).astype(np.uint8)
    visit(page, f"{server}/photo?source=Your+own&steps=0", "Photo")
    page.locator("input[type=file]").set_input_files({"name": "mine.png", "mimeType": "image/png", "buffer": png(photo)})
    page.get_by_text("What the GAN cannot draw").wait_for()
    page.locator("canvas.upper-canvas").wait_for()
    settled(page)
    before = shown(page, "before")
    assert before.shape == (height, width, 3)
    np.testing.assert_array_equal(shown(page, "after"), before)
    page.get_by_text("Box", exact=True).click()
    settled(page)
    stroke(page, [(60, 60), (180, 240)])
    page.get_by_text("Reconstruction only").wait_for()
    settled(page)
    changed = (shown(page, "after") != before).any(axis=2)
    scale = 384 // width
    inside = np.zeros((height, width), bool)
    inside[60 // scale - 1:240 // scale + 2, 60 // scale - 1:180 // scale + 2] = True
    assert changed[inside].mean() > 0.5
    assert not changed[~inside].any()
    page.get_by_role("button", name="Undo Shortcut").click()
    settled(page)
    np.testing.assert_array_equal(shown(page, "after"), before)


def test_a_file_that_is_no_picture_is_refused_in_one_sentence(server: str, page: Page) -> None:
    visit(page, f"{server}/photo?source=Your+own", "Photo")
    page.locator("input[type=file]").set_input_files({"name": "evil.png", "mimeType": "image/png",
                                                      "buffer": b"<script>alert(1)</script>" * 40})
    expect(page.get_by_text("This file cannot be used: this is not a PNG, JPEG or WEBP picture")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_text("What the GAN cannot draw")).to_have_count(0)


def test_steps_run_as_a_job_that_can_be_stopped(server: str, page: Page) -> None:
    page.goto(f"{server}/photo?scene=77&steps=300")  # not `visit`: a page that shows a running job never comes to rest
    page.get_by_role("button", name="Cancel").click(timeout=2 * WAIT_MS)
    expect(page.get_by_text("Stopped:")).to_be_visible()
    settled(page)
    expect(page.get_by_role("button", name="Optimise 300 steps")).to_be_visible()
    expect(page.get_by_text("Reconstruction, ")).to_be_visible()

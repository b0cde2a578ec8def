"""The compare page in a real browser: a mask drawn on a photo of one's own, every method, and what comes out."""
from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.benchmark import picture
from core.image import decode, encode
from tests.e2e.helpers import settled, stroke, visit

LONG = 240_000


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(encode(picture("coffee", 96)))
    return path


def test_stroke_on_a_photo_is_filled_by_every_method_and_the_rest_stays(server: str, page: Page, photo: Path, tmp_path: Path) -> None:
    visit(page, f"{server}/compare?tab=Real+photos", "Compare")
    page.get_by_test_id("stFileUploader").locator("input").first.set_input_files(str(photo))
    expect(page.get_by_text("96 × 96 px")).to_be_visible(timeout=LONG)
    settled(page)
    stroke(page, [(150, 200), (260, 220)])
    go = page.get_by_role("button", name="Compare all methods")
    expect(go).to_be_enabled(timeout=LONG)
    with page.expect_download() as sent:
        page.get_by_role("button", name="Mask", exact=True).click()
    sent.value.save_as(tmp_path / "mask.png")
    mask = decode((tmp_path / "mask.png").read_bytes())[..., 0] > 127
    assert mask[42, 41]
    assert 0.005 < mask.mean() < 0.2
    go.click()
    expect(page.get_by_text("All scores")).to_be_visible(timeout=LONG)
    settled(page)
    for name in ("Telea", "PatchMatch, radius 7", "Harmonic"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    with page.expect_download() as sent:
        page.get_by_role("button", name="PNG", exact=True).last.click()
    sent.value.save_as(tmp_path / "out.png")
    before, out = decode(photo.read_bytes()), decode((tmp_path / "out.png").read_bytes())
    changed = (before != out).any(axis=2)
    assert changed[mask].mean() > 0.5
    rows, columns = np.nonzero(mask)
    near = np.zeros_like(mask)
    near[max(0, rows.min() - 4): rows.max() + 5, max(0, columns.min() - 4): columns.max() + 5] = True
    assert not changed[~near].any()


def test_page_opens_with_every_method_on_a_generated_picture(server: str, page: Page) -> None:
    visit(page, f"{server}/compare", "Compare")
    expect(page.get_by_text("All scores")).to_be_visible(timeout=LONG)
    settled(page)
    expect(page.get_by_text("GAN edit, composited", exact=True).first).to_be_visible()
    expect(page.get_by_text(re.compile(r"removed -?\d+ %")).first).to_be_visible()
    page.get_by_role("button", name="Difference").or_(page.get_by_role("radio", name="Difference")).first.click()
    settled(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)

"""The models page in a browser: what is here, a fetch that fails, painting a concept, looking after stored results."""
from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from torch import nn

from core.store import Run, Store
from tests.e2e.helpers import serving, settled, stroke, visit
from tests.zoo.nets import TutorialGenerator, randomised
from tests.zoo.server import Served, serve


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with a DCGAN, a file that is no generator, and two stored results."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "models").mkdir()
    torch.save(randomised(TutorialGenerator(nz=16, ngf=4, doublings=3)).state_dict(), folder / "models" / "faces.pth")
    torch.save(nn.Linear(3, 3).state_dict(), folder / "models" / "critic.pth")
    store = Store(folder / "runs", shipped=())
    for n in (1, 2):
        store.put(Run("toy", {"model": "faces", "layer": "layer2", "n": n}), {"x": np.zeros(n)}, seconds=1.5)
    return folder


@pytest.fixture(scope="module")
def files() -> Iterator[Served]:
    """A file server with 4 MB that are no weights."""
    with serve(b"not the weights\n" * 2**18) as served:
        yield served


@pytest.fixture(scope="module")
def dashboard(cache: Path, files: Served) -> Iterator[str]:
    """A server on that cache, whose only way to the network is a mirror with corrupt files."""
    with serving(cache, cache / "server.log", GAN_DISSECTION_MIRROR=f"{files.base}/corrupt/", NO_PROXY="127.0.0.1",
                    HTTP_PROXY="http://127.0.0.1:9", HTTPS_PROXY="http://127.0.0.1:9") as address:
        yield address


def test_everything_is_listed_and_what_cannot_be_used_says_why(dashboard: str, page: Page) -> None:
    visit(page, f"{dashboard}/models", "Models")
    expect(page.get_by_text("DCGAN · 32 × 32 · 3 layers")).to_be_visible()
    expect(page.get_by_text("critic.pth is of no known generator family")).to_be_visible()
    expect(page.get_by_text("LSUN church", exact=True)).to_be_visible()
    page.get_by_text("Segmenters", exact=True).first.click()
    settled(page)
    expect(page.get_by_text("Unified parsing (UPerNet)")).to_be_visible()
    assert "show=Segmenters" in page.url


def test_fetch_that_fails_says_so_in_one_sentence_and_the_page_goes_on(dashboard: str, page: Page, cache: Path) -> None:
    visit(page, f"{dashboard}/models", "Models")
    page.get_by_text("LSUN kitchen").click()
    page.get_by_role("button", name="Fetch").and_(page.locator(":visible")).first.click()
    failed = page.get_by_text(re.compile("Fetch LSUN kitchen failed"))
    expect(failed).to_be_visible(timeout=90_000)
    expect(failed).to_contain_text("67f1e16c was expected")
    expect(failed).to_contain_text("put the file at")
    assert not list((cache / "weights").glob("*.pth"))
    visit(page, dashboard, "GAN Dissection")


def elsewhere(page: Page, title: str) -> None:
    """Opens the form for a mirror or a file of one's own below a closed line of the models page."""
    if title:
        page.get_by_text(title, exact=False).first.click()
    page.get_by_role("button", name="From a mirror, or a file you have").and_(page.locator(":visible")).first.click()


def test_fetch_from_a_mirror_shows_speed_is_cancelled_and_goes_on(dashboard: str, page: Page, cache: Path, files: Served) -> None:
    visit(page, f"{dashboard}/models?show=Segmenters", "Models")
    elsewhere(page, "")
    address = page.get_by_role("textbox", name="Address of a folder with these files")
    address.fill(f"{files.base}/slowonce/")
    address.press("Enter")
    settled(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Fetch").first.click()
    expect(page.get_by_text(re.compile(r"[1-3] of 4 MB, \d+ s left · labels.json, 0\.\d MB/s"))).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Cancel").click()
    go_on = page.get_by_role("button", name="Continue")
    expect(go_on).to_be_visible(timeout=30_000)
    expect(page.get_by_text("MB are here already; it goes on from there")).to_be_visible()
    part = cache / "weights" / "upernet" / "labels.json.part"
    came = part.stat().st_size
    assert came > 2**18
    go_on.click()
    expect(page.locator(".stMarkdownBadge", has_text="here")).to_have_count(3, timeout=60_000)
    assert ("slowonce", f"bytes={came}-") in files.requests
    for file in ("labels.json", "encoder_epoch_40.pth", "decoder_epoch_40.pth"):
        path = cache / "weights" / "upernet" / file
        assert path.read_bytes() == b"not the weights\n" * 2**18
        path.unlink()
    assert not part.exists()


def test_file_of_ones_own_is_taken_only_when_it_is_the_published_one(dashboard: str, page: Page, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "church.pth").write_bytes(b"something else" * 1000)
    visit(page, f"{dashboard}/models", "Models")
    elsewhere(page, "LSUN church")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(tmp_path / "church.pth")
    expect(page.get_by_text("church.pth is not the published file: its SHA-256 begins with")).to_be_visible(timeout=30_000)
    address = page.get_by_role("textbox", name="Address of the file, or of a folder with it").and_(page.locator(":visible"))
    address.fill("/etc/passwd")
    address.press("Enter")
    expect(page.get_by_text("a mirror is an http or https address, got")).to_be_visible()
    assert not list((cache / "weights").glob("proggan_churchoutdoor*"))


def test_concept_is_painted_and_units_are_ranked_by_it(dashboard: str, page: Page) -> None:
    visit(page, f"{dashboard}/models?show=Concepts&model=faces", "Models")
    page.locator("canvas.upper-canvas").wait_for()
    page.get_by_label("Concept").fill("left edge")
    page.get_by_label("Concept").press("Enter")
    settled(page)
    expect(page.get_by_role("button", name="Keep region")).to_be_disabled()
    stroke(page, [(20, 30), (20, 200), (40, 240)])
    keep = page.get_by_role("button", name="Keep region")
    expect(keep).to_be_enabled()
    keep.click()
    settled(page)
    expect(page.get_by_alt_text("left edge on seed 0")).to_be_visible()
    page.get_by_text("Rank units by what I painted").click()
    expect(page.get_by_text(re.compile(r"left edge in layer\d: \d+ \(0\.\d\d\)"))).to_be_visible()
    page.get_by_role("button", name="0", exact=True).first.click()
    settled(page)
    expect(page.get_by_text("Nothing is painted yet")).to_be_visible()


def test_stored_result_is_looked_at_and_deleted(dashboard: str, page: Page, cache: Path) -> None:
    visit(page, f"{dashboard}/models?show=Results", "Models")
    before = len(list((cache / "runs" / "toy").iterdir()))
    table = page.get_by_test_id("stDataFrame")
    box = table.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 16, box["y"] + 58)
    delete = page.get_by_role("button", name="Delete")
    delete.wait_for()
    expect(page.get_by_text(re.compile(r"^toy · [0-9a-f]{12}$"))).to_be_visible()
    delete.first.click()
    page.get_by_role("button", name="Delete this result").click()
    settled(page)
    assert len(list((cache / "runs" / "toy").iterdir())) == before - 1

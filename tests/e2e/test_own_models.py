"""A model that somebody brings is used without a line of code: a DCGAN from its file to concepts, causes and paint."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from playwright.sync_api import Page, expect

from core import cli
from tests.e2e.helpers import serving, settled, stroke, visit
from tests.e2e.test_paint import pixels, wait_until
from tests.zoo.nets import TutorialGenerator, randomised

UPPER_HALF = [(10, 10), (370, 10), (370, 60), (10, 60), (10, 110), (370, 110), (370, 160), (10, 160)]

LONG_MS = 240_000  # a server that imports torch, opens a model and works, on a busy machine

Shell = Callable[..., str]


@pytest.fixture
def cache(own_cache: Path) -> Path:
    """A cache folder that the shell of this process and a server share."""
    return own_cache


@pytest.fixture
def shell(cache: Path) -> Shell:
    """`python -m core …` in this process; its output."""
    def run(*words: Any) -> str:
        done = CliRunner().invoke(cli.main, [str(w) for w in words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output
    return run


def draw_and_see(page: Page) -> float:
    """One stroke on the paint page; the share of pixels that it changed."""
    page.locator(".wipe img.after").wait_for(timeout=LONG_MS)
    page.locator("canvas.upper-canvas").wait_for(timeout=LONG_MS)
    before = pixels(page)
    stroke(page, [(60, 200), (320, 220)])
    wait_until(page, lambda: not np.array_equal(pixels(page), before), "the stroke's picture")
    return float((pixels(page) != before).any(2).mean())


def test_dcgan_goes_from_file_to_concepts_causes_and_paint(tmp_path: Path, cache: Path, shell: Shell, page: Page) -> None:
    torch.save({"epoch": 5, "netG_state_dict": randomised(TutorialGenerator(nz=100, ngf=4)).state_dict()}, tmp_path / "weights.tar")
    assert "faces: DCGAN, pictures of 64 × 64" in shell("models", "add", tmp_path / "weights.tar", "--name", "faces")
    with serving(cache, tmp_path / "server.log") as dashboard:
        visit(page, f"{dashboard}/layers?model=faces", "Layers")
        page.get_by_role("link", name="Paint concepts").click()
        page.locator("canvas.upper-canvas").wait_for(timeout=LONG_MS)
        settled(page)
        page.get_by_label("Concept").fill("upper half")
        page.get_by_label("Concept").press("Enter")
        settled(page)
        for seed in (0, 1):
            page.get_by_text(f"seeds {seed}").wait_for()
            stroke(page, UPPER_HALF)
            page.get_by_role("button", name="Keep region").click()
            expect(page.get_by_alt_text(f"upper half on seed {seed}")).to_be_visible()
            settled(page)
        page.get_by_role("button", name="Make it a segmenter").click()
        page.get_by_role("heading", name="Ready to use").wait_for(timeout=LONG_MS)
        expect(page.get_by_text("IoU on painted pictures that it had not seen")).to_be_visible()
        page.get_by_role("link", name="Dissect this model").click()
        page.get_by_text("200", exact=True).click()
        settled(page)
        page.get_by_role("button", name="Dissect this model").click()
        expect(page.get_by_text("A unit counts when")).to_be_visible(timeout=LONG_MS)
        shell("causes", "--model", "faces", "--layer", "layer3", "--class", "upper half", "--pool", 16, "--images", 4, "--draws", 2,
              "--single", 2, "--context", 4)
        visit(page, f"{dashboard}/causes?model=faces&layer=layer3&class=upper+half", "Causes")
        expect(page.get_by_text("Switching off the first")).to_be_visible()
        visit(page, f"{dashboard}/paint?model=faces&layer=layer3", "Paint")
        expect(page.get_by_role("button", name="Brush: upper half")).to_be_visible()
        assert draw_and_see(page) > 0.01

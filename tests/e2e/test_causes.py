"""Causes and artifacts in a real browser: stored results open at once, choices work, a cleaned model becomes a model."""
from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from safetensors.torch import save_file

from core.artifacts.quality import quality
from core.artifacts.scores import artifact_scores
from core.causal.presets import PRESETS
from core.causal.study import Plan, measure
from core.dissect import dissect
from core.edits import ablation, render
from core.image import to_u8
from core.store import Store
from core.zoo import proggan
from tests import toys
from tests.e2e.helpers import WAIT_MS, serving, settled, visit

MODEL = "scenes-toy"          # results of the planted generator, under the name of a small model file that can be opened
PLAN = Plan(replace(PRESETS["quick"], pool=48, train=16, evaluate=4, steps=30, samples=8), single=8, images=8, draws=3,
            random_images=4, context=4)


expect.set_options(timeout=WAIT_MS)


class Judge(toys.ToySegmenter):
    name = "toy-judge"
    fingerprint = "toy-judge-1"


def fill(cache: Path) -> None:
    """A model file, and everything the two pages show of it."""
    torch.manual_seed(0)
    (cache / "models").mkdir(parents=True)
    file = cache / "models" / f"{MODEL}.safetensors"
    save_file({k: v.clone() for k, v in proggan.ProgGANNet([8, 12, 12, 12]).state_dict().items()}, file)
    generator, chooser, store = toys.ToyGenerator(MODEL), toys.ToySegmenter(), Store(cache / "runs", shipped=())
    generator.fingerprint = hashlib.sha256(file.read_bytes()).hexdigest()
    d = dissect(generator, chooser, ["layer1"], range(64), level_seeds=range(1000, 1032), store=store)["layer1"]
    measure(generator, chooser, Judge(), d, "tree", plan=PLAN, store=store)
    real: np.ndarray = to_u8(render(generator, generator.z_for_seeds(range(700, 740)), [ablation("layer1", [toys.SMEAR])]))
    found = artifact_scores(generator, chooser, d, real, reference="scenes", images=48, store=store)
    quality(generator, Judge(), "layer1", found.top(2), real, images=16, draws=3, reference="scenes", store=store)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    cache = tmp_path_factory.mktemp("causes") / "cache"
    fill(cache)
    with serving(cache, cache.parent / "server.log") as found:
        yield found


def test_causes_opens_with_curves_rows_and_numbers(page: Page, address: str) -> None:
    visit(page, f"{address}/causes?model={MODEL}&layer=layer1", "Causes")
    expect(page.get_by_text("Switching off the first")).to_contain_text("0 % of the tree")
    expect(page.get_by_test_id("stPlotlyChart")).to_have_count(5)
    expect(page.get_by_role("img", name="pictures before (above)")).to_have_count(2)
    expect(page.get_by_text("scored by toy-judge")).to_be_visible()
    page.get_by_role("button", name="to the basket").click()
    expect(page.get_by_text("are in the basket")).to_be_visible()


@pytest.mark.parametrize("page", [{"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}], indirect=True)
@pytest.mark.parametrize("name", ["causes", "artifacts"])
def test_nothing_runs_off_a_phone(page: Page, address: str, name: str) -> None:
    visit(page, f"{address}/{name}?model={MODEL}&layer=layer1", name.capitalize())
    main = page.get_by_test_id("stMain")
    assert main.evaluate("e => e.scrollWidth - e.clientWidth") <= 1


def test_a_click_on_a_point_opens_the_unit(page: Page, address: str) -> None:
    visit(page, f"{address}/causes?model={MODEL}&layer=layer1", "Causes")
    point = page.locator(".st-key-scatter .scatterlayer .point").last
    point.scroll_into_view_if_needed()
    settled(page)
    box = point.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 4, y - 2)
    page.wait_for_timeout(200)
    page.mouse.move(x, y, steps=4)
    page.wait_for_timeout(200)
    page.mouse.click(x, y)
    expect(page.get_by_role("heading", name="Units", level=1)).to_be_visible()
    assert "unit=" in page.url


def test_units_are_judged_with_keys(page: Page, address: str) -> None:
    visit(page, f"{address}/artifacts?model={MODEL}&layer=layer1&view=One+by+one", "Artifacts")
    expect(page.get_by_text(f"Unit {toys.SMEAR}, number 1 of 9 · ticked")).to_be_visible()
    page.keyboard.press("k")
    expect(page.get_by_text("number 2 of 9")).to_be_visible()
    page.keyboard.press("b")
    expect(page.get_by_text(f"Unit {toys.SMEAR}, number 1 of 9 · not ticked")).to_be_visible()
    page.keyboard.press("j")
    expect(page.get_by_text("number 2 of 9")).to_be_visible()


def test_a_cleaned_model_is_a_choice_of_model_everywhere(page: Page, address: str) -> None:
    visit(page, f"{address}/artifacts?model={MODEL}&layer=layer1", "Artifacts")
    expect(page.get_by_text("the Fréchet distance to real pictures goes from")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    settled(page)
    page.get_by_role("button", name=f"Switch to {MODEL}-cleaned").click()
    settled(page)
    assert f"model={MODEL}-cleaned" in page.url
    visit(page, f"{address}/units?model={MODEL}-cleaned&layer=layer2", "Units")
    expect(page.get_by_role("combobox", name="Model")).to_have_value(f"{MODEL}-cleaned")

"""Overview, layers and units in a real browser, on what ships with the project."""
from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from core import zoo
from core.dissect import load
from core.store import BUNDLED_RUNS, Store
from tests.e2e.helpers import query, settled, visit

LAYER = zoo.card("scenes").default_layer


def shipped() -> Store:
    return Store(BUNDLED_RUNS / "none", shipped=(BUNDLED_RUNS,))


def click_bar(page: Page, chart: Locator, nth: int) -> None:
    """Plotly takes a click for one on a bar only after it has seen the pointer come over it."""
    box = chart.locator(".point path").nth(nth).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 4, y - 2)
    page.wait_for_timeout(200)
    page.mouse.move(x, y, steps=4)
    page.wait_for_timeout(200)
    page.mouse.click(x, y)


def test_clicking_a_bar_opens_the_units_of_that_class(server: str, page: Page) -> None:
    d = load(shipped(), "scenes", LAYER)
    assert d is not None
    groups = d.at("iqr").distribution()
    visit(page, f"{server}/layers?compare={LAYER}", "Layers")
    chart = page.get_by_test_id("stPlotlyChart").first
    expect(chart.locator(".point path")).to_have_count(len(groups))
    click_bar(page, chart, 1)
    expect(page.get_by_role("heading", name="Units", level=1)).to_be_visible()
    settled(page)
    label, units = groups[1]
    assert query(page)["class"] == [label.name]
    numbers = page.get_by_role("button", name=re.compile(r"^Unit \d+$"))
    expect(numbers).to_have_count(min(24, len(units)))
    assert {int(t.split()[1]) for t in numbers.all_inner_texts()} <= set(units)


def test_unit_class_and_page_are_in_the_address_and_filters_survive_a_look_at_one_unit(server: str, page: Page) -> None:
    visit(page, f"{server}/units?page=2&sort=number", "Units")
    page.get_by_role("button", name="Unit 30", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("^Unit 30 of"))).to_be_visible()
    settled(page)
    assert query(page)["unit"] == ["30"]
    assert query(page)["sort"] == ["number"]
    page.get_by_role("button", name="Next", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("^Unit 31 of"))).to_be_visible()
    page.get_by_role("button", name="All units").click()
    expect(page.get_by_role("button", name="Unit 30", exact=True)).to_be_visible()
    settled(page)
    assert "unit" not in query(page)
    assert query(page)["page"] == ["2"]


def test_the_threshold_slider_moves_the_numbers_and_the_pictures(server: str, page: Page) -> None:
    visit(page, f"{server}/units?unit=3", "Units")
    values = page.get_by_test_id("stMetricValue")
    expect(values).to_have_count(4)
    before = values.all_inner_texts()
    picture = page.get_by_test_id("stImage").locator("img").first.get_attribute("src")
    thumb = page.get_by_role("slider", name=re.compile("^Threshold"))
    thumb.focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    settled(page)
    after = values.all_inner_texts()
    assert float(after[3]) < float(before[3])                                    # level
    assert float(after[2].rstrip(" %")) > float(before[2].rstrip(" %"))          # share
    assert page.get_by_test_id("stImage").locator("img").first.get_attribute("src") != picture


def test_a_region_drawn_on_the_picture_lists_units(server: str, page: Page) -> None:
    from tests.e2e.helpers import stroke

    visit(page, f"{server}/units?view=Region&seed=1", "Units")
    stroke(page, [(60, 260), (120, 300), (160, 320)])
    expect(page.get_by_role("button", name=re.compile(r"^Unit \d+$"))).to_have_count(12)
    expect(page.get_by_text("of the picture is marked")).to_be_visible()


def test_switching_units_off_shows_another_picture(server: str, page: Page) -> None:
    visit(page, server, "GAN Dissection")
    last = page.get_by_test_id("stImage").locator("img").last
    before = last.get_attribute("src")
    page.get_by_test_id("stCheckbox").locator("label").filter(has_text="Switch off").click()
    expect(page.get_by_text(re.compile("units off"))).to_be_visible()
    settled(page)
    assert page.get_by_test_id("stImage").locator("img").last.get_attribute("src") != before
    expect(page.get_by_test_id("stSidebar").get_by_text("Generator on")).to_be_visible()


@pytest.mark.parametrize("page", [{"viewport": {"width": 390, "height": 844}}, {"color_scheme": "dark"}], indirect=True,
                         ids=["phone", "dark"])
@pytest.mark.parametrize("address", ["", "layers", "units", "units?unit=3"])
def test_nothing_sticks_out_and_the_ground_follows_the_theme(server: str, page: Page, address: str, request) -> None:
    visit(page, f"{server}/{address}")
    page.wait_for_timeout(500)
    width = page.viewport_size["width"]
    wide = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth")
    assert wide <= width
    ground = page.evaluate("() => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    brightness = sum(int(n) for n in re.findall(r"\d+", ground)[:3]) / 3
    assert brightness < 60 if "dark" in request.node.callspec.id else brightness > 200

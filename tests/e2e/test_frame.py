"""The frame around every page: deep links, sidebar, address, light and dark, narrow screens."""
from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from core import zoo
from pages.parts import frame
from tests.e2e.helpers import query, visit

PAGES = [(name, title) for listed in frame.PAGES.values() for name, title, _ in listed if frame.present(name)]


def test_a_link_opened_first_on_a_fresh_server_shows_its_page_with_the_sidebar(fresh_server: str, page: Page) -> None:
    layer = zoo.card("scenes").layers[1].name
    visit(page, f"{fresh_server}/units?layer={layer}&unit=7", "Units")
    expect(page.get_by_test_id("stSidebarNav").get_by_text("Overview")).to_be_visible()
    expect(page.get_by_test_id("stSidebar").get_by_text(f"{layer}: ")).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)
    assert query(page) == {"layer": [layer], "unit": ["7"]}


@pytest.mark.parametrize(("name", "title"), PAGES)
def test_every_page_opens_from_its_address(server: str, page: Page, name: str, title: str) -> None:
    visit(page, f"{server}/{'' if name == 'overview' else name}")
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    expect(page.get_by_test_id("stSidebarNav").get_by_text(title, exact=True)).to_be_visible()

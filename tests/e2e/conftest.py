"""Fixtures of the browser tests: a server of one's own and a Chromium to look at it with."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.helpers import CHROMIUM, FLAGS, WAIT_MS, serving


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the browser tests. One that fails gets one more try: on a busy two-core machine a browser may time out by itself."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """The system's Chromium. Without one the browser tests fail and say what to install."""
    if not Path(CHROMIUM).is_file():
        pytest.fail(f"the browser tests need Chromium at {CHROMIUM}: install it (Debian: apt-get install chromium) or name "
                    "another one in the variable CHROMIUM", pytrace=False)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a dashboard started for these tests, with an empty cache folder; shared by all of them."""
    folder = tmp_path_factory.mktemp("dashboard")
    with serving(folder / "cache", folder / "server.log") as address:
        yield address


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[str]:
    """Address of a server that nobody has visited yet."""
    with serving(tmp_path / "cache", tmp_path / "server.log") as address:
        yield address


@pytest.fixture
def page(browser, request) -> Iterator[object]:  # type: ignore[no-untyped-def]
    """A browser tab of its own, 1280 × 900; parametrise indirectly with other context options (viewport, color_scheme)."""
    options = {"viewport": {"width": 1280, "height": 900}, **(getattr(request, "param", None) or {})}
    context = browser.new_context(**options)
    tab = context.new_page()
    tab.set_default_timeout(WAIT_MS)
    yield tab
    context.close()

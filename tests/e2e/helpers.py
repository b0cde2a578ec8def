"""What every browser test needs: wait until the app has settled, draw a stroke, photograph a page."""
from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
WAIT_MS = 60_000
SETTLED = "[data-testid=stApp][data-test-connection-state=CONNECTED][data-test-script-state=notRunning]"


def settled(page: Page, timeout: int = WAIT_MS) -> None:
    """Waits until the script of the page has run to its end (a rerun that was just asked for included)."""
    page.wait_for_timeout(200)
    page.locator(SETTLED).wait_for(state="attached", timeout=timeout)
    page.wait_for_timeout(100)
    page.locator(SETTLED).wait_for(state="attached", timeout=timeout)


def visit(page: Page, address: str, title: str = "") -> None:
    """Opens an address and waits until the page with this title has settled without an exception."""
    page.goto(address, wait_until="domcontentloaded")
    page.get_by_test_id("stApp").wait_for(timeout=WAIT_MS)
    settled(page)
    if title:
        expect(page.get_by_role("heading", name=title, level=1)).to_be_visible(timeout=WAIT_MS)
        settled(page)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=WAIT_MS)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def stroke(page: Page, points: Sequence[tuple[float, float]], nth: int = 0) -> None:
    """Draws with the mouse on the nth canvas; points are in canvas pixels from its upper left corner."""
    canvas = page.get_by_test_id("stBidiComponentIsolated").locator("canvas.upper-canvas").nth(nth)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None, "the canvas is not on the page"
    (x, y), *rest = [(box["x"] + a, box["y"] + b) for a, b in points]
    page.mouse.move(x, y)
    page.mouse.down()
    for x, y in rest:
        page.mouse.move(x, y, steps=8)
    page.mouse.up()


def query(page: Page) -> dict[str, list[str]]:
    """The parameters in the page's address."""
    from urllib.parse import parse_qs, urlsplit

    return parse_qs(urlsplit(page.url).query)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def serving(cache: Path, log: Path, app: str | Path = "app.py", **env: str) -> Iterator[str]:
    """A freshly started server of the dashboard, or of another script, with its own cache folder; gives its address, ends it
    afterwards."""
    port = free_port()
    settings = {**os.environ, "GAN_DISSECTION_CACHE": str(cache), "OMP_WAIT_POLICY": "passive", "PYTHONUNBUFFERED": "1", **env}
    command = [sys.executable, "-m", "streamlit", "run", str(app), f"--server.port={port}", "--server.address=127.0.0.1",
               "--server.headless=true", "--browser.gatherUsageStats=false"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=settings, stdout=out, stderr=subprocess.STDOUT)
        try:
            _healthy(process, f"http://127.0.0.1:{port}", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(15)


def _healthy(process: subprocess.Popen[bytes], address: str, log: Path, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise AssertionError(f"the server ended at once:\n{log.read_text(errors='replace')[-2000:]}")
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"the server did not answer within {seconds:.0f} s:\n{log.read_text(errors='replace')[-2000:]}")

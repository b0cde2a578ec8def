"""Takes the README's screenshots: starts the dashboard with an empty cache, opens every page, saves docs/img/<page>.png.

    make screenshot                                   # the README's: wide, light
    python scripts/screenshot.py --out /tmp/shots --dark --width 390 --pages units,paint
"""
from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from core import zoo  # noqa: E402
from core.paint import Painting, Stroke, to_link  # noqa: E402

PAGES = ("overview", "layers", "units", "causes", "artifacts", "paint", "compare", "photo", "models")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]


def painted() -> str:
    """Address parameters of the paint page with a few strokes, so that one sees what it does."""
    strokes = (Stroke("tree", size=26, points=((106, 74), (110, 100))), Stroke("cloud", size=16, points=((66, 16), (98, 20))),
               Stroke("dome", size=34, points=((56, 46), (70, 46))))
    return "p=" + to_link(Painting("scenes", zoo.card("scenes").default_layer, 36, strokes))


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def start(port: int, cache: str) -> subprocess.Popen[bytes]:
    """A dashboard of its own, waited for until it answers."""
    env = {**os.environ, "GAN_DISSECTION_CACHE": cache, "STREAMLIT_SERVER_PORT": str(port)}
    server = subprocess.Popen([sys.executable, "-m", "streamlit", "run", "app.py"], cwd=ROOT, env=env,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1):
                return server
        except OSError:
            time.sleep(0.2)
    server.terminate()
    raise SystemExit("the dashboard did not start within a minute")


def settled(page: Page, quiet: float = 1.5) -> None:
    """Waits until the script has stopped running and stayed so."""
    page.wait_for_timeout(400)
    idle = page.locator("[data-testid=stApp][data-test-connection-state=CONNECTED][data-test-script-state=notRunning]")
    for _ in range(3):
        idle.wait_for(state="attached", timeout=120_000)
        page.wait_for_timeout(int(quiet * 1000 / 3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "img")
    parser.add_argument("--cache", default="", help="a cache folder with results of one's own (default: an empty one)")
    parser.add_argument("--pages", default=",".join(PAGES))
    parser.add_argument("--query", default="", help="address parameters, such as 'layer=layer4&unit=3'")
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--height", type=int, default=1000)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--full", action="store_true", help="the whole page, not only what fits the window")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    empty, port = tempfile.mkdtemp(prefix="gan-dissection-shots-"), free_port()
    server = start(port, args.cache or empty)
    try:
        with sync_playwright() as p:
            path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
            browser = p.chromium.launch(executable_path=path, args=FLAGS)
            context = browser.new_context(viewport={"width": args.width, "height": args.height},
                                          color_scheme="dark" if args.dark else "light", device_scale_factor=1)
            page = context.new_page()
            for name in args.pages.split(","):
                query = args.query or (painted() if name == "paint" else "")
                url = f"http://127.0.0.1:{port}/{'' if name == 'overview' else name}?{query}"
                began = time.monotonic()
                page.goto(url)
                settled(page)
                print(f"{name}: {time.monotonic() - began:.1f} s")
                if args.full:
                    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
                    page.set_viewport_size({"width": args.width, "height": min(int(height) + 80, 6000)})
                    settled(page)
                page.screenshot(path=args.out / f"{name}.png")
                page.set_viewport_size({"width": args.width, "height": args.height})
            browser.close()
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(empty, ignore_errors=True)


if __name__ == "__main__":
    main()

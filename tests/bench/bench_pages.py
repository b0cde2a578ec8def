"""How long pages take to show content in Chromium: the first visit of a fresh server, and later ones.

    python tests/bench/bench_pages.py                  # an empty cache; each page cold on a server of its own, then all on one server
    python tests/bench/bench_pages.py paint photo      # only these
    python tests/bench/bench_pages.py --warm           # without the cold starts
    python tests/bench/bench_pages.py --make           # only `make run`, with everything installed: from the command to the first page

"Content" is the page's heading and, where the page has them, its first picture or chart, drawn. The limit of the design is 3 s for
a page of a server that has been visited once; cold figures are printed beside it, with the start of the server itself.
"""
from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from tests.e2e.helpers import CHROMIUM, FLAGS, free_port, serving, settled  # noqa: E402

PAGES = ("overview", "layers", "units", "causes", "artifacts", "paint", "compare", "photo", "models")
WITHOUT_PICTURES = {"models"}
LIMIT, START = 3.0, 5.0
DRAWN = """bare => {
  const seen = e => { const r = e.getBoundingClientRect(); return r.width > 40 && r.height > 40; };
  const main = document.querySelector('[data-testid=stMain]');
  if (!main || ![...main.querySelectorAll('h1')].some(e => e.innerText.trim())) return false;
  if (bare) return main.querySelectorAll('[data-testid=stDataFrame], [data-testid=stExpander], [data-testid=stTable]').length > 0;
  const inside = [...main.querySelectorAll('*')].flatMap(e => e.shadowRoot ? [...e.shadowRoot.querySelectorAll('img, canvas')] : []);
  const pictures = [...main.querySelectorAll('img'), ...inside].filter(e => e.tagName !== 'IMG' || (e.complete && e.naturalWidth > 16));
  return [...pictures, ...main.querySelectorAll('.js-plotly-plot .main-svg')].some(seen);
}"""


def opened(browser: Browser, address: str, name: str) -> float:
    """Seconds from asking for the page, in a tab of its own, to its content."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    start = time.perf_counter()
    page.goto(f"{address}/{'' if name == 'overview' else name}", wait_until="commit")
    page.wait_for_function(DRAWN, arg=name in WITHOUT_PICTURES, timeout=120_000, polling=50)
    spent = time.perf_counter() - start
    settled(page, timeout=120_000)
    context.close()
    return spent


def made(browser: Browser, folder: Path) -> float:
    """Seconds from `make run` to the first page's content, with an empty cache and the environment that runs this."""
    port = free_port()
    env = {**os.environ, "VENV": sys.prefix, "GAN_DISSECTION_CACHE": str(folder), "STREAMLIT_SERVER_PORT": str(port),
           "STREAMLIT_SERVER_HEADLESS": "true", "STREAMLIT_SERVER_ADDRESS": "127.0.0.1"}
    start = time.perf_counter()
    process = subprocess.Popen(["make", "run"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        return time.perf_counter() - start + opened(browser, f"http://127.0.0.1:{port}", "overview")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def second_starts(times: int = 3) -> int:
    """Prints them; 1 when the median is over START."""
    with sync_playwright() as play, tempfile.TemporaryDirectory() as folder:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        spent = [made(browser, Path(folder) / str(n)) for n in range(times)]
    print(f"make run to the first page: {statistics.median(spent):.2f} s ({', '.join(f'{x:.2f}' for x in spent)})")
    return int(statistics.median(spent) > START)


def main(names: tuple[str, ...], cold: bool) -> int:
    """Prints the table; 1 when a visited server is slower than the limit."""
    slow = False
    with sync_playwright() as play, tempfile.TemporaryDirectory() as folder:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        log = Path(folder) / "log"
        for name in names if cold else ():
            began = time.perf_counter()
            with serving(Path(folder) / name, log) as address:
                up = time.perf_counter() - began
                first = opened(browser, address, name)
                print(f"{name:<10} server up after {up:.1f} s, its first page after {first:.1f} s more", flush=True)
        with serving(Path(folder) / "warm", log) as address:
            for name in names:
                opened(browser, address, name)
            for name in names:
                spent = [opened(browser, address, name) for _ in range(3)]
                print(f"{name:<10} visited: {statistics.median(spent):.2f} s ({', '.join(f'{x:.2f}' for x in spent)})", flush=True)
                slow |= statistics.median(spent) > LIMIT
    return int(slow)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("pages", nargs="*", choices=[*PAGES, []], default=[])
    parser.add_argument("--warm", action="store_true")
    parser.add_argument("--make", action="store_true")
    chosen = parser.parse_args()
    sys.exit(second_starts() if chosen.make else main(tuple(chosen.pages) or PAGES, not chosen.warm))

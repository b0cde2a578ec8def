"""How long pages take to show content in Chromium: the first visit of a fresh server, and later ones.

    python tests/bench/bench_pages.py             # an empty cache; every page cold on a server of its own, then three times warm

"Content" is the page's heading and, where the page has them, its first picture or chart, drawn. The limit of the design is 3 s for
a page of a server that has been visited once; cold figures are printed beside it, with the start of the server itself.
"""
from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from tests.e2e.helpers import CHROMIUM, FLAGS, serving, settled  # noqa: E402

PAGES = ("overview", "layers", "units", "causes", "artifacts", "paint", "compare", "photo", "models")
WITHOUT_PICTURES = {"models"}
LIMIT = 3.0
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


def main() -> int:
    """Prints the table; 1 when a visited server is slower than the limit."""
    slow = []
    with sync_playwright() as play, tempfile.TemporaryDirectory() as folder:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        cold = {}
        for name in PAGES:
            began = time.perf_counter()
            with serving(Path(folder) / name, Path(folder) / "log") as address:
                up = time.perf_counter() - began
                cold[name] = up, opened(browser, address, name)
                if name == PAGES[-1]:
                    for page in PAGES:
                        opened(browser, address, page)
                    warm = {page: [opened(browser, address, page) for _ in range(3)] for page in PAGES}
        print(f"{'page':<10} {'server up':>10} {'cold':>7} {'visited':>8}   seconds")
        for name in PAGES:
            median = statistics.median(warm[name])
            print(f"{name:<10} {cold[name][0]:10.1f} {cold[name][1]:7.1f} {median:8.2f}   ({', '.join(f'{x:.2f}' for x in warm[name])})")
            if median > LIMIT:
                slow.append(name)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())

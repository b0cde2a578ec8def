"""What a stroke costs: one edit against the bare tail, and pointer-up to new picture in a browser, with its parts.

    python tests/bench/bench_paint.py              # the ratio, and the browser's median of 20 strokes
    python tests/bench/bench_paint.py --no-browser
"""
from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

LIMIT = 1.25
MODEL = "scenes"


def interleaved(a: Callable[[], object], b: Callable[[], object], times: int = 60) -> tuple[float, float, float]:
    """Median seconds of a and of b, and the median of their ratios, run turn and turn about so that load hits both alike."""
    spent: list[tuple[float, float]] = []
    for _ in range(times):
        t0 = time.perf_counter()
        a()
        t1 = time.perf_counter()
        b()
        spent.append((t1 - t0, time.perf_counter() - t1))
    return (statistics.median(x for x, _ in spent), statistics.median(y for _, y in spent),
            statistics.median(x / y for x, y in spent))


def ratio() -> tuple[float, float]:
    """Time of one stroke more (head known) ÷ time of the bare tail, from the dissected layer; and the stroke's seconds. Reported for
    5 and 20 strokes too, whose edits are all applied again."""
    import torch

    from core import dissect, zoo
    from core.paint import Painting, Stroke, paint
    from core.store import Store

    g = zoo.load(MODEL, "cpu")
    layer = zoo.card(MODEL).default_layer
    d = dissect.load(Store(), MODEL, layer)
    if d is None:
        raise SystemExit(f"{MODEL} {layer} has no stored dissection")
    acts = g.head(g.z_for_seeds([5]), layer)
    rng, side = np.random.RandomState(0), g.image_size[1]

    def stroke() -> Stroke:
        return Stroke("tree", points=tuple(map(tuple, rng.uniform(0, side, (8, 2)))), size=side / 8)

    def tail() -> None:
        with torch.no_grad():
            g.tail(acts, layer)

    first = (0.0, 0.0)
    for strokes in (1, 5, 20):
        painting = Painting(MODEL, layer, 5)
        for _ in range(strokes - 1):
            painting = painting.add(stroke())

        def edit(base: Painting = painting) -> None:
            paint(g, base.add(stroke()), d)

        edit()
        one, bare, quotient = interleaved(edit, tail)
        print(f"{strokes:2d} strokes: edit {one * 1e3:6.2f} ms, bare tail {bare * 1e3:6.2f} ms, ratio {quotient:.3f}")
        if strokes == 1:
            first = quotient, one
    return first


def browser(strokes: int = 20) -> float:
    """Median seconds from pointer-up to the new picture, in Chromium."""
    from playwright.sync_api import sync_playwright

    from tests.e2e.helpers import CHROMIUM, FLAGS, serving, settled
    from tests.e2e.test_paint import open_page, still

    watch = """() => { window.seen = []; const image = document.querySelectorAll('[data-testid=stBidiComponentIsolated]');
      for (const host of image) { const found = host.shadowRoot?.querySelector('.wipe img.after') ;
        if (found) new MutationObserver(() => window.seen.push(performance.now())).observe(found, {attributes: true}); }
      window.addEventListener('pointerup', () => { window.up = performance.now(); }, true); }"""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "cache", Path(folder) / "log") as address, \
            sync_playwright() as play:
        page = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS).new_page(viewport={"width": 1280, "height": 900})
        open_page(page, address)
        still(page)
        page.evaluate(watch)
        box = page.locator("canvas.upper-canvas").bounding_box()
        assert box is not None
        spent = []
        for n in range(strokes):
            page.evaluate("() => { window.seen.length = 0; }")
            x, y = box["x"] + 20 + 16 * n, box["y"] + 80 + 13 * n
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + 30, y + 8, steps=4)
            page.mouse.up()
            page.wait_for_function("() => window.seen.length > 0", timeout=60_000)
            spent.append(float(page.evaluate("() => window.seen[0] - window.up")) / 1e3)
            settled(page)
        log = sorted(spent)
        print(f"pointer-up to new picture: median {statistics.median(log):.2f} s of {strokes} strokes "
              f"(fastest {log[0]:.2f}, slowest {log[-1]:.2f})")
        return statistics.median(log)


def served(strokes: int = 20) -> float:
    """The server's and the generator's share: median seconds of a stroke over a bare websocket, from sending it to the picture."""
    from tests.e2e.helpers import serving
    from tests.e2e.visitor import Visitor

    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "cache", Path(folder) / "log") as address:
        visitor = Visitor(address, "paint", seed="5")
        objects: list[dict[str, object]] = []
        spent = []
        for n in range(strokes):
            objects.append({"type": "Path", "originX": "center", "originY": "center", "left": 150, "top": 60 + 13 * n, "width": 100,
                            "height": 0, "stroke": "#009070a0", "strokeWidth": 48,
                            "path": [["M", 100, 60 + 13 * n], ["L", 200, 60 + 13 * n]]})
            start = time.perf_counter()
            visitor.rerun(paint_canvas_scenes={"drawing": {"raw": {"objects": objects}, "data": None}})
            spent.append(next(when for name, when in visitor.came.items() if name.endswith("paint_result")) - start)
        visitor.close()
        return statistics.median(spent)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-browser", action="store_true")
    chosen = parser.parse_args()
    found, edit = ratio()
    if not chosen.no_browser:
        server, whole = served(), browser()
        for what, seconds in (("generator", edit), ("server", server - edit), ("network and browser", whole - server)):
            print(f"  of that {what}: {seconds:.2f} s, {seconds / whole:.0%}")
    sys.exit(0 if found <= LIMIT else f"one edit costs {found:.2f} bare tails; at most {LIMIT} is allowed")

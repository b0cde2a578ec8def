"""What a stroke costs: one edit against the bare tail, and pointer-up to new picture in a browser, with its parts.

    python tests/bench/bench_paint.py              # the ratio, and the browser's median of 20 strokes, alone and beside a dissection
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

LIMIT, SECOND = 1.25, 1.0
MODEL = "scenes"
# in the server's own process, as when somebody presses Dissect: all layers, over and over, through the queue of jobs
DISSECTING = """
import threading, time
def begin():
    time.sleep(5)
    from core import dissect, segment, zoo
    from core.jobs import jobs
    generator, judge = zoo.load("scenes"), segment.load("scenes")
    def work(report):
        while True:
            dissect.dissect(generator, judge, [info.name for info in generator.layers], range(1000), report=report)
    job = jobs.submit("bench", "Dissect without end", work)
    while job.active:
        print("dissecting", job.done, flush=True)
        time.sleep(1)
    print("dissection ended", job.state, job.error, flush=True)
threading.Thread(target=begin, daemon=True).start()
"""


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


def browser(strokes: int = 20, dissecting: bool = False) -> float:
    """Median seconds from pointer-up to the new picture, in Chromium; `dissecting`: while a dissection runs on the server."""
    from playwright.sync_api import sync_playwright

    from tests.e2e.helpers import CHROMIUM, FLAGS, serving, settled
    from tests.e2e.test_paint import open_page, still

    watch = """() => { window.seen = [];
      for (const host of document.querySelectorAll('[data-testid=stBidiComponentIsolated]')) {
        const found = host.shadowRoot?.querySelector('.wipe img.after');
        if (found) new MutationObserver(() => window.seen.push(performance.now())).observe(found, {attributes: true}); }
      window.addEventListener('pointerup', () => { window.up = performance.now(); }, true); }"""
    with tempfile.TemporaryDirectory() as folder:
        log, env = Path(folder) / "log", {}
        if dissecting:
            (Path(folder) / "sitecustomize.py").write_text(DISSECTING)
            env["PYTHONPATH"] = f"{folder}:{Path(__file__).resolve().parents[2]}"
        with serving(Path(folder) / "cache", log, **env) as address, sync_playwright() as play:
            page = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS).new_page(viewport={"width": 1280, "height": 900})
            open_page(page, address)
            still(page)
            page.evaluate(watch)
            box = page.locator("canvas.upper-canvas").bounding_box()
            assert box is not None
            while dissecting and not progress(log):
                page.wait_for_timeout(200)
            spent, began, before = [], time.perf_counter(), progress(log)
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
            done = f"; it went on at {(progress(log) - before) / (time.perf_counter() - began):.0f} pictures/s" if dissecting else ""
    spent.sort()
    print(f"pointer-up to new picture{' while a dissection runs' if dissecting else ''}: median {statistics.median(spent):.2f} s of "
          f"{strokes} strokes (fastest {spent[0]:.2f}, slowest {spent[-1]:.2f}){done}", flush=True)
    return statistics.median(spent)


def progress(log: Path) -> int:
    """Pictures that the server's endless dissection has been through."""
    said = log.read_text(errors="replace")
    if "dissection ended" in said:
        raise SystemExit(said[said.index("dissection ended"):])
    return max((int(line.split()[1]) for line in said.splitlines() if line.startswith("dissecting ")), default=0)


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
    wrong = [f"one edit costs {found:.2f} bare tails; at most {LIMIT} is allowed"] if found > LIMIT else []
    if not chosen.no_browser:
        server, whole = served(), browser()
        for what, seconds in (("generator", edit), ("server", server - edit), ("network and browser", whole - server)):
            print(f"  of that {what}: {seconds:.2f} s, {seconds / whole:.0%}")
        slowest = max(whole, browser(dissecting=True))
        wrong += [f"a stroke takes {slowest:.2f} s; at most {SECOND} is allowed"] if slowest > SECOND else []
    sys.exit("\n".join(wrong) or 0)

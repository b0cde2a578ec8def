"""What the adapter costs, what 12 megapixels take, and how soon a comparison shows something.

    python tests/bench/bench_inpaint.py                 # all three, with the limits they must keep
    python tests/bench/bench_inpaint.py overhead|memory|together

Ratios are of processor time within one run, so a busy machine changes them little; wall times are told beside them.
"""
from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core import compare, inpaint, zoo  # noqa: E402
from core.benchmark import picture  # noqa: E402
from core.inpaint import fill_hole, make_hole  # noqa: E402
from core.inpaint.holes import blob  # noqa: E402
from core.invert import load_encoder  # noqa: E402

OVERHEAD_LIMIT, TOGETHER_LIMIT, FIRST_LIMIT, MEMORY_LIMIT_MB = 1.15, 3.0, 0.3, 200


def overhead(side: int = 512, repeats: int = 7) -> float:
    """Processor time of a method behind the adapter ÷ of the method alone, for the quickest methods; the largest ratio."""
    image = picture("astronaut", side)
    mask = blob((side, side), 0.05, np.random.default_rng(0))
    worst = 0.0
    for name in ("telea", "navier-stokes", "patchmatch", "harmonic", "biharmonic"):
        method = inpaint.get(name)
        hole = make_hole(mask).inside
        seen = np.where(hole[..., None], np.uint8(0), image)
        method.fill(seen, hole, avoid=None, seed=0)
        bare, full = [], []
        for _ in range(repeats if name in ("telea", "navier-stokes") else 3):
            start = time.thread_time()
            method.fill(seen, hole, avoid=None, seed=0)
            middle = time.thread_time()
            fill_hole(method, image, mask)
            bare.append(middle - start)
            full.append(time.thread_time() - middle)
        ratio = float(np.median(full) / np.median(bare))
        worst = max(worst, ratio)
        print(f"{name:<15} alone {np.median(bare) * 1000:7.1f} ms   behind the adapter × {ratio:.3f}")
    print(f"largest ratio at {side} px: {worst:.3f} (limit {OVERHEAD_LIMIT})")
    return worst


def memory() -> float:
    """Most memory above the picture and its mask, MB, of any of four methods on 4000 × 3000 pixels with a hole of 10 %."""
    code = "import sys; sys.path.insert(0, '.'); from tests.bench.bench_inpaint import twelve; twelve(sys.argv[1])"
    worst = 0.0
    for name in ("telea", "patchmatch", "harmonic", "biharmonic"):
        done = subprocess.run([sys.executable, "-c", code, name], cwd=ROOT, check=True, capture_output=True, text=True)
        print(done.stdout.strip())
        worst = max(worst, float(done.stdout.split()[1]))
    print(f"largest: {worst:.0f} MB (limit {MEMORY_LIMIT_MB})")
    return worst


def held() -> float:
    """MB that this process holds now, which a peak of earlier work would hide. Linux."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def twelve(name: str) -> None:
    """One method on 12 megapixels, in a process of its own."""
    image = np.tile(picture("coffee", 500), (6, 8, 1))
    mask = np.zeros(image.shape[:2], bool)
    mask[900:2000, 1400:2500] = True
    method = inpaint.get(name)
    fill_hole(method, picture("coffee", 64), np.eye(64, dtype=bool))
    before = held()
    start = time.thread_time()
    filled = fill_hole(method, image, mask)
    spent, peak = time.thread_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    assert np.array_equal(filled.image[~filled.hole.inside], image[~filled.hole.inside])
    print(f"{name:<12} {peak:.0f} MB above the start, result of 36 MB included; {spent:.1f} s of processor time on 12 MP")


def together(side: int = 256) -> tuple[float, float]:
    """All methods on one picture, the generator's redrawing among them: processor seconds to the first result and to the last."""
    question = compare.Question(picture("astronaut", side), blob((side, side), 0.05, np.random.default_rng(0)))
    names = [n for n in compare.methods(gan=False, photo=True) if n != compare.BEFORE]
    redrawer = compare.Redrawer(zoo.load("scenes", "cpu"), load_encoder("scenes"))
    list(compare.compare(question, names, redrawer=redrawer))
    wall, cpu = time.perf_counter(), time.process_time()
    told = []
    for answer in compare.compare(question, names, redrawer=redrawer):
        told.append((time.process_time() - cpu, time.perf_counter() - wall))
        own, clock = told[-1]
        print(f"{answer.title:<22} {answer.cpu:6.3f} s, there after {own:.3f} s of processor time ({clock:.3f} s wall)")
    print(f"first {told[0][0]:.3f} s (limit {FIRST_LIMIT}), all {told[-1][0]:.2f} s (limit {TOGETHER_LIMIT}) at {side} px")
    return told[0][0], told[-1][0]


def main() -> int:
    """Exit status 1 when a limit is broken."""
    wanted = sys.argv[1:] or ["overhead", "memory", "together"]
    kept = True
    if "overhead" in wanted:
        kept &= overhead() <= OVERHEAD_LIMIT
    if "memory" in wanted:
        kept &= memory() <= MEMORY_LIMIT_MB
    if "together" in wanted:
        first, last = together()
        kept &= first <= FIRST_LIMIT and last <= TOGETHER_LIMIT
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

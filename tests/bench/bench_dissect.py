"""Ratios of the dissection engine against making and segmenting the same pictures once: `python tests/bench/bench_dissect.py`.

Every number is a ratio of two things that alternate in one process (medians over --repeat); seconds of a shared machine mean
little. CPU time is shown beside wall time: other work on the machine disturbs it less, but it does not show that the engine makes
the next pictures while it counts. --only runs one part: forward, published, counting, memory, scaling or gpu; --images 1000 is the
full size (1000 + 200 images; published: an eighth), the default a fifth of it.
"""
from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch

from core import segment, zoo
from core.dissect import dissect
from core.dissect.engine import Source
from core.errors import MissingWeights
from core.segment import Label
from core.stats import CrossCounts, label_map, resampling
from core.store import Store
from core.zoo.generator import ChainGenerator, Generator
from core.zoo.proggan import ProgGANNet

PUBLISHED = [512, 512, 512, 512, 256, 128, 64, 32]
BUNDLED = [128, 256, 256, 256, 128, 64, 32]
Timing = tuple[float, float]


class AlmostFree:
    """Labels 1 … 10: the largest of ten fixed mixes of the colours, on the picture at 64 × 64."""

    name, fingerprint = "almost-free", "almost-free-1"
    labels = tuple(Label(i, f"label {i}" if i else "no label", "object" if i else "none") for i in range(11))

    def __init__(self) -> None:
        self._mix = torch.randn(10, 3, 1, 1, generator=torch.Generator().manual_seed(0))

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        small = torch.nn.functional.adaptive_avg_pool2d(images, 64)
        return torch.nn.functional.conv2d(small, self._mix.to(images.device)).argmax(1, keepdim=True) + 1

    def scores(self, images: torch.Tensor, label: int) -> torch.Tensor:
        return images.sum(1) * 0

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)


def random_generator(sizes: list[int]) -> ChainGenerator:
    """A Progressive GAN with random weights."""
    torch.manual_seed(0)
    net = ProgGANNet(sizes)
    with torch.no_grad():
        for weight in net.parameters():
            torch.nn.init.normal_(weight, std=1.0 if weight.ndim > 1 else 0.2)
    return ChainGenerator(net, name="random", fingerprint="random", z_dim=sizes[0])


def timed(work: Callable[[], Any]) -> Timing:
    """(wall, CPU) seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def forward(generator: Generator, segmenter: Any, images: int) -> None:
    """The bare work: every picture made and segmented once, in the engine's micro-batches."""
    source = Source(generator, segmenter, ())
    for start in range(0, images, source.batch):
        source.run(range(start, min(start + source.batch, images)))


def compare(title: str, generator: Generator, segmenter: Any, cases: dict[str, tuple[Sequence[str], int]], images: int,
            repeat: int, only: str = "") -> None:
    """Prints time / forward of each case (layers, levels) whose name contains `only`."""
    cases = {name: case for name, case in cases.items() if only in name}
    levels = max(4, images // 5)
    runs: dict[str, list[Timing]] = {name: [] for name in ("forward", *cases)}
    for layers, t in cases.values():  # compile before the clock runs
        dissect(generator, segmenter, list(layers)[:1], range(4), level_seeds=range(1000, 1004), levels=t)
    for _ in range(repeat):
        runs["forward"].append(timed(lambda: forward(generator, segmenter, images + levels)))
        for name, (layers, t) in cases.items():
            runs[name].append(timed(lambda layers=layers, t=t: dissect(  # type: ignore[misc]
                generator, segmenter, list(layers), range(images), level_seeds=range(10**6, 10**6 + levels), levels=t)))
    base = runs.pop("forward")
    print(f"\n{title}: {images} + {levels} images, {repeat} alternating runs, {torch.get_num_threads()} threads")
    print(f"  {'':<34}{'wall':>8}{'CPU':>8}")
    print(f"  {'forward, ms an image':<34}" + "".join(
        f"{1e3 * statistics.median(b[k] for b in base) / (images + levels):>8.1f}" for k in (0, 1)))
    for name, own in runs.items():
        ratios = [statistics.median(o[k] / b[k] for o, b in zip(own, base, strict=True)) for k in (0, 1)]
        print(f"  {name + ' / forward':<34}" + "".join(f"{r:>8.2f}" for r in ratios))


def bench_forward(images: int, repeat: int, only: str = "") -> None:
    """The bundled model (random weights of its sizes when it is not there), levels, counts and the curves of 64 levels."""
    try:
        generator: Generator = zoo.load("scenes", "cpu")
        segmenter: Any = segment.load("scenes", "cpu")
        title = "bundled model"
    except MissingWeights:
        generator, segmenter, title = random_generator(BUNDLED), AlmostFree(), "bundled sizes, random weights, free segmenter"
    names = [info.name for info in generator.layers]
    middle = names[len(names) // 2 - 1]
    compare(title, generator, segmenter, {f"{middle}, levels and counts": ([middle], 1), f"{middle}, with 64-level curves": ([middle], 64),
                                         "all layers, levels and counts": (names, 1), "all layers, with 64-level curves": (names, 64)},
            images, repeat, only)


def bench_published(images: int, repeat: int, only: str = "") -> None:
    """The 256-px architecture, layer4, with a segmenter that costs almost nothing."""
    cases = {"layer4, levels and counts": (["layer4"], 1), "layer4, with 64-level curves": (["layer4"], 64)}
    compare("256-px architecture", random_generator(PUBLISHED), AlmostFree(), cases, max(8, images // 8), repeat, only)


def bench_gpu(images: int) -> None:
    """The 256-px architecture on a GPU: three layers, levels and counts; pictures a second, and the generator's share of the time."""
    if not torch.cuda.is_available():
        print("\nno GPU here")
        return
    random = random_generator(PUBLISHED)
    generator = ChainGenerator(random.net.cuda(), name="random", fingerprint="random", z_dim=PUBLISHED[0])
    layers, levels = ["layer4", "layer7", "layer10"], max(4, images // 5)
    source = Source(generator, AlmostFree(), ())

    def make() -> None:
        with torch.inference_mode():
            for start in range(0, images + levels, source.batch):
                generator.span(generator.z_for_seeds(range(start, min(start + source.batch, images + levels))), None, None)
        torch.cuda.synchronize()

    print(f"\n256-px architecture on {torch.cuda.get_device_name()}, {', '.join(layers)}: {images} + {levels} images, "
          f"batches of {source.batch}")
    for t in (1, 64):
        def run(images: int = images, levels: int = levels, t: int = t) -> None:
            dissect(generator, AlmostFree(), layers, range(images), level_seeds=range(10**6, 10**6 + levels), levels=t)
            torch.cuda.synchronize()

        run(64, 32)
        make()
        bare, whole = timed(make)[0], timed(run)[0]
        print(f"  {'levels and counts' if t == 1 else '64-level curves'}: {whole:.1f} s, {(images + levels) / whole:.0f} images a second, "
              f"generator alone {bare:.1f} s ({bare / whole:.0%})", flush=True)


def synthetic(units: int, size: int, labels: int, images: int = 8,
              seed: int = 0) -> tuple[torch.Tensor, np.ndarray, tuple[Label, ...]]:
    """Smooth maps (N,U,size,size) and blocky label maps (N,1,64,64)."""
    rng = np.random.default_rng(seed)
    acts = torch.nn.functional.leaky_relu(torch.from_numpy(rng.normal(size=(images, units, size, size)).astype(np.float32)), 0.2)
    segs = rng.integers(1, labels + 1, (images, 1, 16, 16)).repeat(4, 2).repeat(4, 3)
    return acts, segs, tuple(Label(i, str(i), "object" if i else "none") for i in range(labels + 1))


def straightforward(acts: torch.Tensor, segs: np.ndarray, levels: np.ndarray, labels: int) -> np.ndarray:
    """(U,T,C): every unit upsampled densely, compared with each level, summed under each label's mask."""
    to = resampling((acts.shape[2], acts.shape[3]), (64, 64), "border")
    masks = torch.stack([torch.from_numpy(segs[:, 0] == c) for c in range(1, labels + 1)], 1)
    out = np.zeros((acts.shape[1], levels.shape[1], labels), np.int64)
    x0, x1, y0, y1 = (torch.from_numpy(i) for i in (to.x0, to.x1, to.y0, to.y1))
    for u in range(acts.shape[1]):
        one = acts[:, u]
        wide = one[..., x0] * torch.from_numpy(to.wx0) + one[..., x1] * torch.from_numpy(to.wx1)
        up = wide[:, y0] * torch.from_numpy(to.wy0)[:, None] + wide[:, y1] * torch.from_numpy(to.wy1)[:, None]
        for t, level in enumerate(levels[u]):
            above = up > float(level)
            for c in range(labels):
                out[u, t, c] = int((above & masks[:, c]).sum())
    return out


def count(acts: torch.Tensor, segs: np.ndarray, levels: np.ndarray, labels: tuple[Label, ...]) -> np.ndarray:
    """(U,T,C) by the engine."""
    found = CrossCounts(levels, len(labels) + 1, resampling((acts.shape[2], acts.shape[3]), (64, 64), "border"))
    found.add(acts, label_map(segs, labels, (64, 64)))
    above = np.cumsum(found.counts[:, :, ::-1], 2)[:, :, -2::-1]
    return above[:, 1:len(labels)].transpose(0, 2, 1)


def levels_of(acts: torch.Tensor, t: int) -> np.ndarray:
    """(U,t) ascending levels between the median and the top 1 %, the last one at 1 %."""
    flat = acts.transpose(0, 1).flatten(1).numpy()
    return np.quantile(flat, 1 - np.geomspace(0.5, 0.01, t) if t > 1 else [0.99], axis=1).T.astype(np.float32)


def bench_counting(repeat: int) -> None:
    """Counting alone against the straightforward way, with equal integers."""
    acts, segs, labels = synthetic(64, 8, 20)
    print("\ncounting alone, 64 units of 8 × 8, 8 images, 20 labels")
    for t in (1, 8, 64):
        levels = levels_of(acts, t)
        count(acts, segs, levels, labels)
        slow: list[Timing] = []
        fast: list[Timing] = []
        for _ in range(repeat if t < 64 else 1):
            slow.append(timed(lambda levels=levels: straightforward(acts, segs, levels, 20)))  # type: ignore[misc]
            fast.append(timed(lambda levels=levels: count(acts, segs, levels, labels)))  # type: ignore[misc]
        equal = np.array_equal(straightforward(acts, segs, levels, 20), count(acts, segs, levels, labels))
        ratio = statistics.median(s[1] / f[1] for s, f in zip(slow, fast, strict=True))
        print(f"  {t:>3} levels: straightforward / engine {ratio:>7.0f} ×   equal integers: {equal}")


class Canned:
    """A generator of one layer that gives the same maps and picture again and again, a little shifted, at no cost."""

    name = fingerprint = "canned"
    z_dim, device = 4, torch.device("cpu")

    def __init__(self, acts: torch.Tensor, side: int = 64) -> None:
        self._acts, self.image_size = acts, (side, side)
        self.layers = (zoo.LayerInfo("layer", acts.shape[1], (acts.shape[2], acts.shape[3])),)
        noise = torch.randn(1, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(0))
        self._picture = torch.nn.functional.interpolate(noise, (side, side), mode="bicubic").clamp(-1, 1)

    def z_for_seeds(self, seeds: Sequence[int]) -> torch.Tensor:
        return torch.tensor([[float(s)] * 4 for s in seeds])

    def span(self, x: torch.Tensor, start: str | None, stop: str | None, z: torch.Tensor | None = None) -> torch.Tensor:
        return self._acts[:len(x)] + x[:, :1, None, None].sin() if stop else self._picture.repeat(len(x), 1, 1, 1)


class CannedLabels:
    """The segmenter of Canned."""

    name = fingerprint = "canned"

    def __init__(self, segs: np.ndarray, labels: tuple[Label, ...]) -> None:
        self._segs, self.labels = torch.from_numpy(segs), labels

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        return self._segs[:len(pictures)]


def bench_memory(images: int) -> None:
    """Peak memory above the models while the 256-px architecture's layer4 streams into the store, thumbnails and all;
    activations are random and cost nothing, everything else is as on the command line."""
    acts, segs, labels = synthetic(512, 8, 10, images=4)
    generator, segmenter = Canned(acts, 256), CannedLabels(segs, labels)
    print("\npeak memory above the models, 256-px layer4 (512 units of 8 × 8), 64 levels, 10 labels, kept in a store")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), shipped=())
        dissect(generator, segmenter, ["layer"], range(4), level_seeds=range(10**6, 10**6 + 4), store=store)  # type: ignore[arg-type]
        start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for n in sorted({max(100, images // 100), max(100, images // 10), images}):
            dissect(generator, segmenter, ["layer"], range(n), store=store)  # type: ignore[arg-type]
            print(f"  {n:>6} images: {(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 1024:>7.0f} MB", flush=True)


BASE = {"images": 200, "units": 128, "labels": 20, "levels": 64}
GROWTH = {"images": (100, 200, 400, 800), "units": (64, 128, 256, 512), "labels": (5, 20, 80), "levels": (8, 64, 128, 200)}


def bench_scaling(repeat: int, plot: Path | None) -> None:
    """CPU time of the engine alone (levels from 40 images, counts, curves) against images, units, labels and levels."""
    def cost(images: int, units: int, labels: int, levels: int) -> float:
        acts, segs, names = synthetic(units, 8, labels, 4)
        generator, segmenter = Canned(acts), CannedLabels(segs, names)
        return statistics.median(timed(lambda: dissect(
            generator, segmenter, ["layer"], range(images),  # type: ignore[arg-type]
            level_seeds=range(10**6, 10**6 + 40), levels=levels))[1] for _ in range(repeat))

    cost(**{**BASE, "images": 8})
    first = cost(**BASE)
    found = {what: [(v, cost(**{**BASE, what: v}) / first) for v in values] for what, values in GROWTH.items()}
    print(f"\nthe engine without forward passes, relative to {BASE}")
    for what, points in found.items():
        print(f"  {what:<8}" + "".join(f"{v:>6}: {y:<6.2f}" for v, y in points))
    if plot is not None:
        plot.write_text(drawn(found), encoding="utf-8")


def drawn(found: dict[str, list[tuple[int, float]]]) -> str:
    """Cost against each size as an SVG, one panel each on one scale."""
    side, gap, most = 200, 60, max(y for points in found.values() for _, y in points) * 1.1
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{len(found) * (side + gap) + gap}" height="{side + 90}" '
           'font-family="sans-serif" font-size="14"><rect width="100%" height="100%" fill="white"/>']
    for k, (what, points) in enumerate(found.items()):
        left, wide = gap + k * (side + gap), points[-1][0] * 1.05
        at = [(left + side * x / wide, 20 + side * (1 - y / most)) for x, y in points]
        out.append(f'<path d="M{left} 20v{side}h{side}" fill="none" stroke="#8A8A93"/>'
                   f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in at)}" fill="none" stroke="#4B4CBF" stroke-width="2.5"/>')
        for (x, y), (size, value) in zip(at, points, strict=True):
            out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#4B4CBF"><title>{size} {what}: {value:.2f}</title></circle>')
        for text, x, y, anchor in ((what, left + side / 2, side + 68, "middle"), ("0", left, side + 40, "middle"),
                                   (f"{points[-1][0]}", at[-1][0], side + 40, "middle"), ("0", left - 8, side + 25, "end"),
                                   (f"{most / 1.1:.1f}", left - 8, 20 + side * (1 - 1 / 1.1) + 5, "end")):
            out.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>')
    base = ", ".join(f"{value} {name}" for name, value in BASE.items())
    return "\n".join([*out, f'<text x="{gap}" y="{side + 86}" fill="#555">CPU time of the engine, 1 = {base}</text></svg>']) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--memory-images", type=int, default=10_000)
    parser.add_argument("--plot", type=Path, help="SVG of the scaling part")
    parser.add_argument("--only", choices=["forward", "published", "counting", "memory", "scaling", "gpu"])
    parser.add_argument("--case", default="", help="of forward and published, only the cases whose name contains this")
    options = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "counting": lambda: bench_counting(options.repeat), "scaling": lambda: bench_scaling(options.repeat, options.plot),
        "forward": lambda: bench_forward(options.images, options.repeat, options.case),
        "published": lambda: bench_published(options.images, options.repeat, options.case),
        "memory": lambda: bench_memory(options.memory_images), "gpu": lambda: bench_gpu(options.images)}
    for name, part in parts.items():
        if options.only in (None, name):
            part()


if __name__ == "__main__":
    main()

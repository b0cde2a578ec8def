"""Ratios of the dissection engine against making and segmenting the same pictures once: `python tests/bench/bench_dissect.py`.

Every number is a ratio of two things that alternate in one process (medians over --repeat); seconds of a shared machine mean
little. CPU time is shown beside wall time. --only runs one part: forward, published, counting, memory or scaling.
"""
from __future__ import annotations

import argparse
import resource
import statistics
import sys
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
from core.zoo.generator import ChainGenerator, Generator
from core.zoo.proggan import ProgGANNet

PUBLISHED = [512, 512, 512, 512, 256, 128, 64, 32]
BUNDLED = [128, 256, 256, 256, 128, 64]
Timing = tuple[float, float]


class AlmostFree:
    """Labels 1 … 10: the largest of ten fixed mixes of the colours, on the picture at 64 × 64."""

    name, fingerprint = "almost-free", "almost-free-1"
    labels = tuple(Label(i, f"label {i}" if i else "no label", "object" if i else "none") for i in range(11))

    def __init__(self) -> None:
        self._mix = torch.randn(10, 3, 1, 1, generator=torch.Generator().manual_seed(0))

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        small = torch.nn.functional.adaptive_avg_pool2d(images, 64)
        return torch.nn.functional.conv2d(small, self._mix).argmax(1, keepdim=True) + 1

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
            repeat: int) -> None:
    """Prints time / forward of each case: (layers, levels)."""
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


def bench_forward(images: int, repeat: int) -> None:
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
            images, repeat)


def bench_published(images: int, repeat: int) -> None:
    """The 256-px architecture, layer4, with a segmenter that costs almost nothing."""
    cases = {"layer4, levels and counts": (["layer4"], 1), "layer4, with 64-level curves": (["layer4"], 64)}
    compare("256-px architecture", random_generator(PUBLISHED), AlmostFree(), cases, max(8, images // 8), repeat)


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


def bench_memory(images: int) -> None:
    """Peak memory above the models while the 256-px architecture's layer4 streams; activations are random, the rest is real."""
    acts, segs, labels = synthetic(512, 8, 10, images=4)

    class Canned:
        """Gives the same maps again and again, at no cost: memory is what is measured."""

        name = fingerprint = "canned"
        z_dim, image_size, device = 4, (64, 64), torch.device("cpu")
        layers = (zoo.LayerInfo("layer4", 512, (8, 8)),)

        def z_for_seeds(self, seeds: Sequence[int]) -> torch.Tensor:
            return torch.tensor([[float(s)] * 4 for s in seeds])

        def span(self, x: torch.Tensor, start: str | None, stop: str | None, z: torch.Tensor | None = None) -> torch.Tensor:
            return acts[:len(x)] + x[:, :1, None, None].sin() if stop else torch.zeros(len(x), 3, 64, 64)

    class Labels:
        name = fingerprint = "canned"

        def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(segs[:len(pictures)])

    Labels.labels = labels  # type: ignore[attr-defined]
    print("\npeak memory above the models, 256-px layer4 (512 units of 8 × 8), 64 levels, 10 labels")
    dissect(Canned(), Labels(), ["layer4"], range(4), level_seeds=range(10**6, 10**6 + 4))  # type: ignore[arg-type]
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for n in sorted({max(100, images // 10), images}):
        dissect(Canned(), Labels(), ["layer4"], range(n))  # type: ignore[arg-type]
        print(f"  {n:>6} images: {(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 1024:>7.0f} MB")


def bench_scaling(repeat: int) -> None:
    """Counting against images, units, labels and levels."""
    def cost(units: int, labels: int, levels: int, images: int) -> float:
        acts, segs, names = synthetic(units, 8, labels, images)
        edges = levels_of(acts, levels)
        count(acts, segs, edges, names)
        return statistics.median(timed(lambda: count(acts, segs, edges, names))[1] for _ in range(repeat))

    base = {"units": 128, "labels": 20, "levels": 64, "images": 8}
    first = cost(**base)
    print(f"\ncounting, relative to {base}")
    for what, values in (("images", (8, 16, 32, 64)), ("units", (128, 256, 512)), ("labels", (5, 20, 80)),
                         ("levels", (8, 64, 200))):
        print(f"  {what:<8}" + "".join(f"{v:>6}: {cost(**{**base, what: v}) / first:<6.2f}" for v in values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--memory-images", type=int, default=1000)
    parser.add_argument("--only", choices=["forward", "published", "counting", "memory", "scaling"])
    options = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "counting": lambda: bench_counting(options.repeat), "scaling": lambda: bench_scaling(options.repeat),
        "forward": lambda: bench_forward(options.images, options.repeat),
        "published": lambda: bench_published(options.images, options.repeat),
        "memory": lambda: bench_memory(options.memory_images)}
    for name, part in parts.items():
        if options.only in (None, name):
            part()


if __name__ == "__main__":
    main()

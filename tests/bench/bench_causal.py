"""Optimisation of α: time of a step ÷ time of the forward and backward pass of tail and segmenter that it needs (at most 1.3).

Run: python tests/bench/bench_causal.py [generator.safetensors]. CPU time of this process, median of pairs taken in turn.
With `--quick tree`: the whole `quick` ranking of a class of the bundled model on two cores, search included, nothing stored (at most
300 s on the clock).
"""
from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core import segment, zoo
from core.causal import descent
from core.causal.corpus import Activations, Chosen, block_for, grid_for
from core.causal.objective import loss_and_gradient
from core.causal.presets import PRESETS
from core.zoo.generator import layer_info

LIMIT, QUICK_LIMIT = 1.3, 300.0
ROUNDS = 7


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def quick(label: str) -> float:
    """Seconds of one class from nothing."""
    from core import dissect
    from core.causal.optimise import ace
    from core.store import Store

    torch.set_num_threads(2)
    layer = zoo.card("scenes").default_layer
    found = dissect.load(Store(), "scenes", layer)
    assert found is not None, "run first: make bundled"
    start, used = time.monotonic(), time.process_time()
    ranking = ace(zoo.load("scenes", "cpu"), segment.load("scenes", "cpu"), layer, label, found.iou[:, found.column(label)],
                  found.q99)
    took = time.monotonic() - start
    print(f"quick ranking of {label}: {took:.0f} s ({time.process_time() - used:.0f} s of processor; at most {QUICK_LIMIT:.0f} s); "
          f"first {', '.join(map(str, ranking.top(5)))}")
    return took


def main() -> float:
    torch.set_num_threads(1)
    generator = zoo.open(sys.argv[1], "cpu") if len(sys.argv) > 1 else zoo.load("scenes", "cpu")
    dissector = segment.load("scenes", "cpu")
    layer = zoo.card("scenes").default_layer
    p = PRESETS["quick"]
    info = layer_info(generator, layer)
    grid = grid_for(info.size, p.cells)
    rng = np.random.RandomState(0)
    chosen = [Chosen(np.arange(at, at + p.samples), rng.randint(0, grid[0] * grid[1], p.samples)) for at in (0, 100)]
    present, candidates = (Activations(generator, layer, c) for c in chosen)
    values, label = torch.rand(info.units), 4

    def score(images: torch.Tensor) -> torch.Tensor:
        return dissector.scores(images, label)

    def step() -> None:
        state = descent.start(torch.rand(info.units))
        gradient = torch.zeros(info.units)
        for at in range(0, p.samples, p.batch):
            index = np.arange(at, at + p.batch)
            gradient = gradient + loss_and_gradient(generator, score, layer, state.alpha, values, present.places(index),
                                                    candidates.places(index), grid, block=block_for(grid, p.block), usual=0.1)[1]
        descent.step(state, descent.scaled(gradient, p, grid) + descent.penalty_gradient(state.alpha, p), p)

    kept = torch.cat([present.places(np.arange(p.batch)).acts, candidates.places(np.arange(p.batch)).acts])

    def bare() -> None:
        for _ in range(0, p.samples, p.batch):
            acts = kept.clone().requires_grad_()
            score(generator.tail(acts, layer)).sum().backward()

    step(), bare()
    pairs = [(seconds(step), seconds(bare)) for _ in range(ROUNDS)]
    ratio = float(np.median([a / b for a, b in pairs]))
    whole, bare_time = np.median(pairs, axis=0)
    print(f"one step {whole:.2f} s, bare passes {bare_time:.2f} s, ratio {ratio:.2f} (at most {LIMIT})")
    return ratio


if __name__ == "__main__":
    sys.exit(quick(sys.argv[2]) > QUICK_LIMIT if sys.argv[1:2] == ["--quick"] else main() > LIMIT)

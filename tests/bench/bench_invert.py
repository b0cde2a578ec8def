"""Seconds of an inversion with the bundled generator and encoder, and its overhead over bare forward and backward passes.

python tests/bench/bench_invert.py [--threads 2] [--long] [--check]

--check fails when a 50-step preview takes more than 15 s of processor time a thread, or more than 1.6 times that of its passes.
"""
from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from core import zoo
from core.errors import GanLabError
from core.invert import invert, load_encoder, sample_scene
from core.zoo.generator import Generator

LIMIT, RATIO = 15.0, 1.6


def passes(generator: Generator, layer: str, steps: int) -> float:
    """Seconds of processor time of bare forward and backward passes through the whole generator, batch 1."""
    z = generator.z_for_seeds([0]).requires_grad_()
    began = time.process_time()
    for _ in range(steps):
        generator.tail(generator.head(z, layer), layer, z).square().mean().backward()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--long", action="store_true", help="also 300 steps")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    generator = zoo.load("scenes", "cpu")
    try:
        encoder = load_encoder("scenes")
        layer = encoder.layer
    except GanLabError as error:
        print(f"no encoder: {error}")
        encoder, layer = None, zoo.card("scenes").default_layer
    target = sample_scene(0, generator.image_size[0])
    invert(generator, target, layer=layer, encoder=encoder, steps=3)  # warm
    began, cpu = time.perf_counter(), time.process_time()
    found = invert(generator, target, layer=layer, encoder=encoder, steps=50)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    bare = min(passes(generator, layer, 25) for _ in range(3)) * 2
    print(f"50 steps: {seconds:.1f} s ({cpu:.1f} s of processor time) on {args.threads} threads, {found.curve[0].psnr:.1f} -> "
          f"{found.psnr:.1f} dB; {cpu / bare:.2f} x its forward and backward passes ({bare / 50 * 1000:.0f} ms each)")
    if args.long:
        longer = invert(generator, target, layer=layer, encoder=encoder, steps=300)
        print(f"300 steps: {longer.seconds:.1f} s, {longer.psnr:.1f} dB")
    if args.check and (cpu / args.threads > LIMIT or cpu / bare > RATIO):
        raise SystemExit(f"too slow: at most {LIMIT:.0f} s and {RATIO} times the passes are allowed")


if __name__ == "__main__":
    main()

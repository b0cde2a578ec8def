"""Scenes per second of one core, and how much of the world each label covers.

python tests/bench/bench_scenes.py [--scenes 400] [--size 128] [--areas 2000]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from core.scenes import LABELS, paint_scene


def scenes_per_second(count: int, size: int) -> float:
    """Scenes per second of processor time, with the texture tiles already made."""
    for seed in range(40):
        paint_scene(seed, size)
    start = time.process_time()
    for seed in range(count):
        paint_scene(seed, size)
    return count / (time.process_time() - start)


def print_areas(count: int, size: int) -> None:
    """Mean area of every label over seeds 0..count-1, and the share of scenes that have it."""
    area, found = np.zeros(len(LABELS)), np.zeros(len(LABELS))
    for seed in range(count):
        share = np.bincount(paint_scene(seed, size).labels.ravel(), minlength=len(LABELS)) / size**2
        area += share
        found += share > 0
    for label in LABELS[1:]:
        mean, present = 100 * area[label.id] / count, 100 * found[label.id] / count
        print(f"{label.category:9} {label.name:9} {mean:6.2f} % of pixels, in {present:5.1f} % of scenes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--areas", type=int, default=0, metavar="SEEDS", help="also print the table of areas")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"{scenes_per_second(args.scenes, args.size):.0f} scenes/s at {args.size} px on one core")
    if args.areas:
        print_areas(args.areas, args.size)

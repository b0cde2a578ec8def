"""Which scene seeds belong to whom. The ranges are disjoint: nobody is tested on what it, or its rival, was trained on."""
from __future__ import annotations

SCENE_SEEDS: dict[str, range] = {
    "test": range(0, 500),                          # segmenter IoU
    "unseen": range(500, 1_000),                    # the same on scenes that decided nothing
    "world": range(10_000, 14_000),                 # reference set of every figure about the generator
    "dissector": range(100_000, 200_000),
    "judge": range(200_000, 300_000),
    "gan": range(1_000_000, 2_000_000),
}

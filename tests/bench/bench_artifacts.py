"""Does the automatic list find units that are known to spoil pictures? Damaged copies of the bundled generator, 10 units each.

Run: python tests/bench/bench_artifacts.py [LAYER] [SEED …]. For each damage seed (0 by default) of the layer (layer4 by default): how
many of the 10 damaged units are among the first 20 of the list (at least 8 for seed 0 of layer4), and at which ranks. About 4 minutes a
seed on a free core; nothing is stored.
"""
from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from safetensors.torch import save_file

from core import segment, zoo
from core.artifacts import reference
from core.artifacts.examine import SUSPECTS
from core.artifacts.scores import artifact_scores
from core.dissect import dissect
from core.training.damage import damage
from core.zoo import proggan
from core.zoo.files import read_state

PICTURES, TOPS, REALS, DAMAGED, LEAST = 240, 5, 200, 10, 8
LAYER = "layer4"


def ranks(layer: str, seed: int) -> list[int]:
    """Places (from 1) of the damaged units in the automatic list."""
    card = zoo.card("scenes")
    hurt, units = damage(proggan.new_keys(read_state(zoo.weights_path("scenes"))), layer, DAMAGED, seed)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "damaged.safetensors"
        save_file({k: v.contiguous() for k, v in hurt.items()}, file)
        generator = zoo.open(str(file), "cpu")
    chooser = segment.load(card.segmenters[0], "cpu")
    found = dissect(generator, chooser, [layer], range(PICTURES), levels=1)[layer]
    real = reference.pictures("scenes", generator.image_size, REALS)
    scores = artifact_scores(generator, chooser, found, real, reference="scenes", images=PICTURES, tops=TOPS)
    place = {int(u): k + 1 for k, u in enumerate(scores.order)}
    return sorted(place[u] for u in units)


def main() -> int:
    failed, given = 0, sys.argv[1:]
    layer = given.pop(0) if given and given[0].startswith("layer") else LAYER
    for seed in [int(s) for s in given] or [0]:
        found = ranks(layer, seed)
        early = sum(r <= SUSPECTS for r in found)
        failed += layer == LAYER and seed == 0 and early < LEAST
        print(f"{layer}, seed {seed}: {early} of {DAMAGED} damaged units in the first {SUSPECTS} (ranks {', '.join(map(str, found))})",
              flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())

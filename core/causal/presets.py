"""Constants of the causal measurements: presets of the optimisation, and which seeds are used for what. Imports no torch."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.errors import UnknownName

# disjoint ranges: what chooses units never sees the pictures that score them (0 … 999 and 1 000 000 … are the dissection's)
PRESENT_SEEDS = 3_000_000     # pictures to remove the class from, while learning
CANDIDATE_SEEDS = 4_000_000   # pictures to insert the class into, while learning
SINGLE_SEEDS = 5_000_000
CURVE_SEEDS = 6_000_000
CONTEXT_SEEDS = 7_000_000

COUNTS = (1, 2, 4, 8, 12, 20, 30)
MARKED = 20                   # units a class in the papers and on the paint page
BLOCK = 3                     # cells a side that curves and the context table insert into: about what a brush covers


@dataclass(frozen=True)
class Preset:
    """How α is learned. A step sees `samples` pictures of each kind, `batch` of each at a time.

    pool: pictures searched for the class, and as many for places to insert it; train, evaluate: how many of each are kept;
    locations: places tried a candidate picture; cells: the finest grid of places (0 = the layer's own).
    removal: where units are damped and what is left of the class is read: in the place's "cell", or "everywhere" as a share of
    what there was. block: side in cells of the square around a place that is inserted into and read (1 = the cell itself).
    inserts: what insertion moves units to: the "mean" where the class is (the paper's k), or the "q99" of each unit, the value that
    brushes and curves insert: units that bring the class at the one need not at the other.
    half: networks in bfloat16, where the processor is made for it about twice as fast.
    penalty: weight · samples · Σα² ("squares"), or weight · ‖α‖₂ with the score in pixels of a 128 × 128 map ("norm").
    """

    name: str
    pool: int
    train: int
    evaluate: int
    locations: int
    cells: int
    steps: int
    samples: int
    batch: int
    optimiser: Literal["adam", "sgd"]
    rate: float
    penalty: Literal["squares", "norm"]
    weight: float
    removal: Literal["cell", "everywhere"] = "cell"
    block: int = 1
    inserts: Literal["mean", "q99"] = "mean"
    half: bool = False


PRESETS = {p.name: p for p in (
    # a fiftieth of the work of `code`: fewer pictures, fewer and larger steps (α can still go all the way from 1 to 0). One cell of
    # 64 hardly changes a class that its neighbours go on drawing, so few steps learn nothing from it: units are damped
    # everywhere, and inserted into 3 × 3 cells, at the values that they are drawn with later
    Preset("quick", 200, 64, 12, 2, 8, 40, 8, 1, "adam", 0.05, "squares", 0.01, "everywhere", 3, "q99"),
    # constants of the published program (Bau et al. 2019, aceoptimize.py): 10 epochs of 1000 pictures
    Preset("code", 10_000, 1000, 200, 5, 0, 500, 20, 2, "adam", 0.01, "squares", 0.005),
    # constants of the paper: SGD, λ = 100 on ‖α‖₂; it gives no step size and no number of steps, so these two are ours.
    # λ = 100 is of the size of the effect only when the effect is counted in pixels, so it is
    Preset("paper", 10_000, 1000, 200, 5, 0, 500, 20, 2, "sgd", 1e-3, "norm", 100.0),
)}


def preset(name: str) -> Preset:
    """A preset by name. Raises UnknownName."""
    if name not in PRESETS:
        raise UnknownName("preset", name, PRESETS)
    return PRESETS[name]

"""Which units, in which order: a layer's ranking for one class, and named sets of units. Imports no torch."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.errors import BadInput
from core.store import Run

Kind = Literal["iou", "ace", "single"]


@dataclass(frozen=True)
class UnitSet:
    """Named units of one layer of one model, and the value each is set to when they are drawn (() = 0, ablation)."""

    name: str
    model: str
    layer: str
    units: tuple[int, ...]
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.units)) != len(self.units):
            raise BadInput(f"the set {self.name!r} names a unit twice")
        if self.values and len(self.values) != len(self.units):
            raise BadInput(f"the set {self.name!r} has {len(self.units)} units but {len(self.values)} values")


@dataclass(frozen=True)
class Ranking:
    """All units of a layer ordered for one label, best first.

    order (U,) int unit numbers; score (U,) float by unit (higher is better): IoU, ACE alpha 0..1, or the share of the
    class's pixels that vanish when the unit alone is switched off. `run` says what it was made from.
    """

    run: Run
    layer: str
    label: str
    order: np.ndarray
    score: np.ndarray
    kind: Kind

    def top(self, n: int) -> tuple[int, ...]:
        """The first n units."""
        return tuple(int(u) for u in self.order[:n])


def ranked(run: Run, layer: str, label: str, score: np.ndarray, kind: Kind, tie: np.ndarray | None = None) -> Ranking:
    """Ranking from scores (U,): higher first, ties by `tie` (higher first), then by unit number."""
    order = np.lexsort((np.arange(len(score)), -(tie if tie is not None else np.zeros(len(score))), -score))
    return Ranking(run, layer, label, order.astype(np.int64), np.asarray(score), kind)

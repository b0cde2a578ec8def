"""Good pictures to begin with: those that show most of the brushes' classes. Imports no torch."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.paint.brushes import CLASSES

if TYPE_CHECKING:
    from core.dissect import Pictures
    from core.segment import Label

ENOUGH = 0.01  # share of a picture from which a class counts as shown
LOOKED = 300   # stored pictures looked at


def good_starts(pictures: Pictures, labels: Sequence[Label], count: int = 16) -> tuple[int, ...]:
    """Seeds of stored pictures in which most of the seven brush classes cover at least 1 %, the richest first."""
    wanted = [label.id for label in labels if label.name in CLASSES]
    scored = []
    for seed in pictures.seeds[:LOOKED]:
        seen = pictures.segmentation(int(seed))
        area = np.bincount(seen.ravel(), minlength=max(wanted, default=0) + 1)[wanted] / seen[0].size
        scored.append((-int((area >= ENOUGH).sum()), int(seed)))
    return tuple(seed for _, seed in sorted(scored)[:count])

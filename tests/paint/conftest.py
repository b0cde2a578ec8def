"""A dissection of the planted generator, written down by hand: its answers are known on paper."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from core.errors import UnknownName
from core.segment import Label
from tests.toys import DOOR, FAKE_TREE, LABELS, SKY, TREE, WINDOW, ToyGenerator


@dataclass(frozen=True)
class PlantedDissection:
    """What `core.paint` reads of a Dissection."""

    layer: str = "layer1"
    labels: tuple[Label, ...] = LABELS

    @property
    def q99(self) -> np.ndarray:
        return np.array([4, 4, 4, 4, 5, 0, -1, 1, 4], np.float32)

    @property
    def mean_present(self) -> np.ndarray:
        out = np.full((9, len(LABELS)), np.nan, np.float32)
        out[:, :4] = 3.5
        return out

    def label(self, name: str) -> Label:
        for label in self.labels[1:]:
            if label.name == name:
                return label
        raise UnknownName("class", name, [x.name for x in self.labels[1:]])

    def units_for(self, label: str, k: int) -> tuple[int, ...]:
        best = {"sky": (SKY,), "tree": (TREE, FAKE_TREE), "door": (DOOR, WINDOW), "window": (WINDOW, DOOR)}[label]
        return (*best, *(u for u in range(9) if u not in best))[:k]


@pytest.fixture(scope="session")
def planted() -> PlantedDissection:
    return PlantedDissection()


@pytest.fixture(scope="session")
def toy() -> ToyGenerator:
    return ToyGenerator()

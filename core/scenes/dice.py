"""Random choices of one scene, from `random.Random(seed).random()` alone: its stream is the same in every Python."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Dice:
    """Draws in order; the same seed gives the same draws."""

    def __init__(self, seed: int) -> None:
        self.roll = Random(seed).random

    def between(self, low: float, high: float) -> float:
        """Uniform in low..high."""
        return low + (high - low) * self.roll()

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.roll() < probability

    def whole(self, low: int, high: int) -> int:
        """A whole number in low..high, both included."""
        return low + int(self.roll() * (high - low + 1))

    def pick(self, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """One of the options; weights sum to 1."""
        at = self.roll()
        if weights is None:
            return options[int(at * len(options))]
        for option, weight in zip(options, weights, strict=True):
            at -= weight
            if at < 0:
                return option
        return options[-1]

    def offset(self) -> tuple[int, int]:
        """Where to cut a texture tile, (y, x)."""
        return self.whole(0, 250), self.whole(0, 250)

    def jitter(self, colour: np.ndarray, spread: float = 0.06) -> np.ndarray:
        """A colour a little brighter or darker, warmer or cooler."""
        bright = 1 + self.between(-spread, spread)
        warm = self.between(-spread, spread) / 2
        return colour * np.array([bright + warm, bright, bright - warm], np.float32)

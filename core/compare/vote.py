"""Blind votes between two methods: which result looks more natural, and what the votes say with so few of them.

    ballot = draw(["telea", "patchmatch"], rng)         # two of the methods, in random order
    votes = (*votes, ballot.cast("left"))               # "left", "right", or "" for "can't say"
    tally(votes)                                        # [Duel(first, second, wins, losses, undecided, low, high), …]
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Z = 1.959964  # two-sided 95 % of the normal distribution

Choice = Literal["left", "right", ""]


@dataclass(frozen=True)
class Vote:
    """Two methods that were shown, and the one preferred ("" = can't say)."""

    left: str
    right: str
    preferred: str = ""


@dataclass(frozen=True)
class Ballot:
    """Two methods to be shown without their names."""

    left: str
    right: str

    def cast(self, choice: Choice) -> Vote:
        return Vote(self.left, self.right, {"left": self.left, "right": self.right, "": ""}[choice])


@dataclass(frozen=True)
class Duel:
    """How often `first` was preferred to `second`; low, high: 95 % Wilson interval of that share of the decided votes."""

    first: str
    second: str
    wins: int
    losses: int
    undecided: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Of the decided votes; nan where there are none."""
        return self.wins / (self.wins + self.losses) if self.wins + self.losses else math.nan


def draw(methods: Sequence[str], rng: np.random.Generator, before: Ballot | None = None) -> Ballot:
    """Two different methods in random order, not the pair of the ballot before where others are there. At least two methods."""
    pairs = [{a, b} for i, a in enumerate(methods) for b in methods[:i]]
    others = [p for p in pairs if before is None or p != {before.left, before.right}]
    chosen = sorted((others or pairs)[int(rng.integers(len(others or pairs)))])
    left, right = rng.permutation(chosen).tolist()
    return Ballot(left, right)


def wilson(wins: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share of n votes (Wilson 1927); 0 to 1 where nobody voted."""
    if n == 0:
        return 0.0, 1.0
    share, spread = wins / n, Z * Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def tally(votes: Sequence[Vote]) -> list[Duel]:
    """One duel for each pair that was voted on, most votes first; the method that won more comes first in it."""
    pairs = dict.fromkeys(tuple(sorted((v.left, v.right))) for v in votes)
    duels = []
    for a, b in pairs:
        told = [v.preferred for v in votes if {v.left, v.right} == {a, b}]
        if told.count(b) > told.count(a):
            a, b = b, a
        wins, losses = told.count(a), told.count(b)
        duels.append(Duel(a, b, wins, losses, told.count(""), *wilson(wins, wins + losses)))
    return sorted(duels, key=lambda d: -(d.wins + d.losses + d.undecided))

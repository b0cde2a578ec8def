"""Records of artifact scores and of the quality test, read and drawn without torch."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from core.causal.stored import newest
from core.image import decode
from core.store import Run, Saved, Store

SCORES = ("realism", "repair", "kernel", "shift")
COUNTED = ("realism", "repair")
MEANING = {
    "realism": "how much less like anything real the unit's region looks than the model's pictures usually do",
    "repair": "how much more real that region looks when the unit is switched off",
    "kernel": "distance between the pictures that drive the unit most and all pictures (kernel, MMD²)",
    "shift": "distance between their means, in standard deviations",
}
FIGURES = ("frechet", "kernel", "precision", "recall")
FID = "fid"               # measured besides where the user has the weights of the network it needs (core/metrics/inception.py)
SETS = ("random", "worst")


@dataclass(frozen=True)
class ArtifactScores:
    """How likely each unit of a layer is to spoil pictures.

    parts: name -> (U,), higher is worse (see MEANING); score (U,) 0..1: mean of the ranks of realism and repair;
    order (U,): worst first. tops (U,K): seeds looked at for each unit. images: pictures the distances are over; reference: what
    stands for real, "scenes" or "own" (the model's own ordinary pictures, where there are no real ones).
    """

    run: Run
    layer: str
    score: np.ndarray
    order: np.ndarray
    parts: Mapping[str, np.ndarray]
    tops: np.ndarray
    images: int
    reference: str

    def top(self, n: int) -> tuple[int, ...]:
        """The n most suspicious units."""
        return tuple(int(u) for u in self.order[:n])


@dataclass(frozen=True)
class Quality:
    """Quality with some units off, against the same pictures untouched and with as many random units off; scored by the judge.

    figures: (set, name) -> (2+D,): untouched, units off, D random draws. Sets: "random" pictures, and the "worst", in which the
    units are most active. real: name -> the same figure between two halves of the real pictures. rows: JPEG strips, see pictures.
    """

    run: Run
    layer: str
    units: tuple[int, ...]
    images: int
    reals: int
    figures: Mapping[tuple[str, str], np.ndarray]
    real: Mapping[str, float]
    seeds: Mapping[str, np.ndarray]
    rows: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def draws(self) -> int:
        """Number of random draws."""
        return len(next(iter(self.figures.values()))) - 2

    @property
    def names(self) -> tuple[str, ...]:
        """The figures that were measured."""
        return tuple(self.real)

    def untouched(self, name: str, which: str = "random") -> float:
        """The figure of the generator as it is."""
        return float(self.figures[which, name][0])

    def off(self, name: str, which: str = "random") -> float:
        """The figure with the units off."""
        return float(self.figures[which, name][1])

    def random(self, name: str, which: str = "random") -> tuple[float, float, float]:
        """Mean, lowest and highest of the figure over the random draws."""
        draws = self.figures[which, name][2:]
        return float(draws.mean()), float(draws.min()), float(draws.max())

    def pictures(self, which: str, when: str) -> list[np.ndarray]:
        """Kept pictures of a set, "before" or "after" the units are off, uint8 (H,W,3) each."""
        strip = decode(self.rows[f"{which}_{when}"].tobytes())
        return [strip[:, x:x + strip.shape[0]] for x in range(0, strip.shape[1], strip.shape[0])]

    def table(self) -> list[dict[str, object]]:
        """One row a set and figure: set, figure, untouched, off, random, lo, hi, real."""
        rows = []
        for (which, name) in self.figures:
            mean, lo, hi = self.random(name, which)
            rows.append({"set": which, "figure": name, "untouched": self.untouched(name, which), "off": self.off(name, which),
                         "random": mean, "lo": lo, "hi": hi, "real": self.real[name]})
        return rows


def load_scores(store: Store, model: str, layer: str, *, fingerprint: str | None = None) -> ArtifactScores | None:
    """The newest stored scores of a layer, or None. No torch."""
    saved = newest(store, "artifacts", model, fingerprint=fingerprint, layer=layer)
    return scores_of(saved) if saved else None


def load_quality(store: Store, model: str, layer: str, units: tuple[int, ...] | None = None, *,
                 fingerprint: str | None = None) -> Quality | None:
    """The newest stored quality test of a layer, of these units where given (in any order), or None. No torch."""
    params = {"units": sorted(units)} if units is not None else {}
    saved = newest(store, "quality", model, fingerprint=fingerprint, layer=layer, **params)
    return quality_of(saved) if saved else None


def scores_of(saved: Saved) -> ArtifactScores:
    """A stored run as a record."""
    p, a = saved.run.params, saved.arrays
    score = np.mean([rank(a[name]) for name in COUNTED], axis=0)
    order = np.lexsort((np.arange(len(score)), -score))
    return ArtifactScores(saved.run, p["layer"], score, order, {k: a[k] for k in SCORES}, a["tops"], int(p["images"]),
                          str(p["reference"]))


def rank(values: np.ndarray) -> np.ndarray:
    """(U,) -> (U,) 0..1: share of the other units that are lower; equal values share their mean rank."""
    lower = (values[None] < values[:, None]).sum(1)
    equal = (values[None] == values[:, None]).sum(1) - 1
    return np.asarray((lower + equal / 2) / max(len(values) - 1, 1))


def quality_of(saved: Saved) -> Quality:
    """A stored run as a record."""
    p, a = saved.run.params, saved.arrays
    names = [f for f in (*FIGURES, FID) if f"real_{f}" in a]
    return Quality(saved.run, p["layer"], tuple(p["units"]), int(p["images"]), int(p["reals"]),
                   {(s, f): a[f"{s}_{f}"] for s in SETS for f in names}, {f: float(a[f"real_{f}"]) for f in names},
                   {s: a[f"{s}_seeds"] for s in SETS}, {k.removeprefix("row_"): v for k, v in a.items() if k.startswith("row_")})

"""In domain or out of domain: how well the encoder alone redraws a picture, against held-out scenes and unrelated photographs.

The reading of a picture is taken at 0 steps: after optimisation almost anything can be approached, which says little about what
the generator knows. The threshold is where the two sets are told apart with the fewest errors, each set weighing the same.
"""
from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from core.errors import GanLabError
from core.invert.samples import HELD_OUT, scene, unrelated
from core.invert.start import encoder_card
from core.jobs import Report, no_report
from core.store import Run, Store

if TYPE_CHECKING:
    from core.zoo.encoder import Encoder
    from core.zoo.generator import Generator

KIND, VERSION = "domain", 1


def reading(target: np.ndarray, start: np.ndarray) -> float:
    """Share of the picture's detail that the encoder's own reconstruction explains (R²; 1 = all, ≤ 0 = none).

    target, start: uint8 (H,W,3). Detail is what a blur (σ = an eighth of the long side) takes away: a few broad areas of colour are
    redrawn of anything, and flat pictures with a small error, so neither counts.
    """
    a, b = (_detail(x) for x in (target, start))
    return 1.0 - float(((a - b) ** 2).mean()) / max(float((a**2).mean()), 1.0)


def _detail(image: np.ndarray) -> np.ndarray:
    x = image.astype(np.float32)
    return x - cv2.GaussianBlur(x, (0, 0), max(x.shape) / 8)


@dataclass(frozen=True)
class Domain:
    """Readings of pictures the generator was made for, and of others; where they part."""

    inside: tuple[float, ...]
    outside: tuple[float, ...]
    run: Run | None = None

    @property
    def threshold(self) -> float:
        """The reading that splits the two sets with the fewest errors, each set weighing the same."""
        return self._split()[0]

    @property
    def errors(self) -> float:
        """Mean share of pictures on the wrong side of the threshold, over the two sets."""
        return self._split()[1] / 2

    @property
    def wrong(self) -> tuple[int, int]:
        """How many of each set lie on the other's side of the threshold: pictures inside, pictures outside."""
        cut = self.threshold
        return sum(x < cut for x in self.inside), sum(x >= cut for x in self.outside)

    def verdict(self, value: float) -> str:
        """"in domain" or "out of domain"."""
        return "in domain" if value >= self.threshold else "out of domain"

    def _split(self) -> tuple[float, float]:
        values = sorted({*self.inside, *self.outside})
        cuts = [values[0] - 1, *((a + b) / 2 for a, b in zip(values, values[1:], strict=False)), values[-1] + 1]
        ins, outs = np.asarray(self.inside), np.asarray(self.outside)
        return min(((cut, float((ins < cut).mean() + (outs >= cut).mean())) for cut in cuts), key=lambda pair: pair[1])


def domain_run(model: str, layer: str, generator: str, encoder: str) -> Run:
    """What a calibration is made from."""
    params = {"model": model, "layer": layer, "scenes": [HELD_OUT.start, HELD_OUT.stop], "reading": "R2 of detail at 0 steps",
              "photos": "10 of scikit-image, whole and quarters"}
    return Run(KIND, params, {"generator": generator, "encoder": encoder}, VERSION)


def calibrate(store: Store, generator: Generator, encoder: Encoder, report: Report = no_report) -> Domain:
    """Reads 50 held-out scenes and 50 unrelated pictures at 0 steps and keeps the readings. A stored result is used."""
    from core.invert.descent import invert, prepare

    run = domain_run(generator.name, encoder.layer, generator.fingerprint, encoder.fingerprint)
    saved = store.get(run.key)
    if saved is not None:
        return Domain(tuple(saved.arrays["inside"].tolist()), tuple(saved.arrays["outside"].tolist()), run)
    began = time.perf_counter()
    photos = [*(scene(seed, max(generator.image_size)) for seed in HELD_OUT), *unrelated()]
    values = []
    for i, photo in enumerate(photos):
        report(i, len(photos))
        target = prepare(photo, generator.image_size)
        values.append(reading(target, invert(generator, target, layer=encoder.layer, encoder=encoder, steps=0).image))
    report(len(photos), len(photos))
    found = Domain(tuple(values[:len(HELD_OUT)]), tuple(values[len(HELD_OUT):]), run)
    store.put(run, {"inside": np.asarray(found.inside), "outside": np.asarray(found.outside)},
              seconds=time.perf_counter() - began, device=str(generator.device), threshold=found.threshold, errors=found.errors)
    return found


def load_domain(store: Store, model: str) -> Domain | None:
    """The stored calibration of a model's present weights and encoder, or None. No torch."""
    try:
        card = encoder_card(model)
    except GanLabError:
        return None
    saved = store.get(domain_run(model, card.layer, card.generator, card.fingerprint).key)
    if saved is None:
        return None
    return Domain(tuple(saved.arrays["inside"].tolist()), tuple(saved.arrays["outside"].tolist()), saved.run)

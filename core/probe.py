"""One picture, looked into and changed: a seed's picture, units switched off, units that are active in a region."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.errors import BadInput
from core.image import to_u8

if TYPE_CHECKING:
    from core.zoo.generator import Generator


@dataclass(frozen=True)
class Firing:
    """A unit's activation inside a region: mean and maximum there, and mean over the rest of the picture."""

    unit: int
    mean: float
    maximum: float
    outside: float


def picture(generator: Generator, seed: int) -> np.ndarray:
    """The picture of a seed, uint8 RGB (H,W,3)."""
    return switched_off(generator, seed, "", ())[0]


def switched_off(generator: Generator, seed: int, layer: str, units: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """(before, after), uint8 RGB (H,W,3): the seed's picture, and the same with the units of the layer set to 0 everywhere."""
    import torch

    from core.edits import ablation, render

    with torch.inference_mode():
        z = generator.z_for_seeds([seed])
        before = to_u8(render(generator, z))[0]
        after = to_u8(render(generator, z, [ablation(layer, units)]))[0] if units else before
    return before, after


def units_in_region(generator: Generator, seed: int, layer: str, mask: np.ndarray) -> list[Firing]:
    """All units of a layer, those that stand out most inside the region first.

    mask: bool (H,W) in image pixels, pooled to the layer by area as an edit's mask is. Units are ordered by how far their mean
    inside is above their mean outside, in standard deviations of the unit over this picture. Raises BadInput when it is empty.
    """
    import torch

    from core.edits import pool_mask

    if not mask.any():
        raise BadInput("nothing is marked on the picture; draw a region first")
    with torch.inference_mode():
        acts = generator.head(generator.z_for_seeds([seed]), layer)[0].double().cpu()
        weight = pool_mask(mask, (acts.shape[1], acts.shape[2]))[0, 0].double()
        inside = (acts * weight).sum((1, 2)) / weight.sum()
        rest = 1 - weight
        outside = (acts * rest).sum((1, 2)) / rest.sum().clamp_min(1e-9)
        peak = acts.where(weight > 0, torch.full_like(acts, -torch.inf)).amax((1, 2))
        spread = acts.flatten(1).std(1, correction=0).clamp_min(1e-9)
        order = torch.argsort((inside - outside) / spread, descending=True, stable=True)
    return [Firing(int(u), float(inside[u]), float(peak[u]), float(outside[u])) for u in order]

"""A generator with some units of one layer always off: obeys the Generator protocol, shares the weights of the one it wraps."""
from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from core.errors import BadInput
from core.zoo.generator import Generator, layer_info


class EditedGenerator:
    """`base` with `units` of `layer` set to 0 whenever the layer is passed; activations handed in after it stay as they are."""

    def __init__(self, base: Generator, name: str, fingerprint: str, layer: str, units: Sequence[int]) -> None:
        info = layer_info(base, layer)
        bad = [u for u in units if not 0 <= u < info.units]
        if bad:
            raise BadInput(f"unit {bad[0]} does not exist in {layer}; units are 0 to {info.units - 1}")
        self.base, self.name, self.fingerprint, self.layer, self.units = base, name, fingerprint, layer, tuple(units)
        self.z_dim, self.layers, self.image_size = base.z_dim, base.layers, base.image_size
        self._order = [info.name for info in base.layers]

    @property
    def device(self) -> torch.device:
        return self.base.device

    def z_for_seeds(self, seeds: Iterable[int]) -> Tensor:
        return self.base.z_for_seeds(seeds)

    def span(self, x: Tensor, start: str | None, stop: str | None, z: Tensor | None = None) -> Tensor:
        if not self._passes(start, stop):
            return self.base.span(x, start, stop, z)
        acts = self.base.span(x, start, self.layer, z)
        keep = torch.ones(1, acts.shape[1], 1, 1, device=acts.device, dtype=acts.dtype)
        keep[:, list(self.units)] = 0
        acts = acts * keep
        return acts if stop == self.layer else self.base.span(acts, self.layer, stop, z)

    def head(self, z: Tensor, layer: str) -> Tensor:
        return self.span(z, None, layer, z)

    def tail(self, acts: Tensor, layer: str, z: Tensor | None = None) -> Tensor:
        return self.span(acts, layer, None, z)

    def _passes(self, start: str | None, stop: str | None) -> bool:
        at = self._order.index(self.layer)
        first = -1 if start is None else self._order.index(layer_info(self.base, start).name)
        last = len(self._order) if stop is None else self._order.index(layer_info(self.base, stop).name)
        return first < at <= last

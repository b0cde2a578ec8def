"""Half precision, used only where it leaves the thresholds of a dissection where they were.

    fast = halved(g, layers=["layer4"])        # g itself where half precision would move a threshold too far

The test: for each unit, the 0.99 level found with half precision is looked up in the float32 activations of the same pictures; its
rank there must be 0.99 within RANK_ERROR, the error that dissection states for its quantiles. A unit that is the same everywhere (a
dead one) has no threshold and is compared by value.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from core.zoo.cards import LayerInfo
from core.zoo.generator import Generator

RANK_ERROR = 5e-4
QUANTILE = 0.99


class HalfGenerator:
    """The same generator with its convolutions in half precision (torch.autocast); activations and pictures come out as float32."""

    def __init__(self, generator: Generator, dtype: torch.dtype = torch.float16) -> None:
        self._full, self._dtype, self.precision = generator, dtype, str(dtype).removeprefix("torch.")
        self.name, self.fingerprint, self.z_dim = generator.name, generator.fingerprint, generator.z_dim
        self.layers: tuple[LayerInfo, ...] = generator.layers
        self.image_size = generator.image_size

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._full.device

    def z_for_seeds(self, seeds: Iterable[int]) -> Tensor:
        """See Generator."""
        return self._full.z_for_seeds(seeds)

    def span(self, x: Tensor, start: str | None, stop: str | None, z: Tensor | None = None) -> Tensor:
        """See Generator."""
        with torch.autocast(self.device.type, self._dtype):
            return self._full.span(x, start, stop, z).float()

    def head(self, z: Tensor, layer: str) -> Tensor:
        """See Generator."""
        return self.span(z, None, layer)

    def tail(self, acts: Tensor, layer: str, z: Tensor | None = None) -> Tensor:
        """See Generator."""
        return self.span(acts, layer, None, z)


def rank_error(full: Tensor, half: Tensor, quantile: float = QUANTILE) -> Tensor:
    """(N,U,h,w) activations, exact and in half precision -> (U,): how far the half level's rank in `full` is from `quantile`.

    Between the share strictly below the level and the share at or below it (ties) nothing is wrong. nan or inf in `half` gives 1.
    """
    a = full.transpose(0, 1).flatten(1).double()
    b = half.transpose(0, 1).flatten(1).double()
    level = b.kthvalue(max(1, int(quantile * b.shape[1])), dim=1, keepdim=True).values
    below, up_to = (a < level).double().mean(1), (a <= level).double().mean(1)
    error = torch.maximum(below - quantile, quantile - up_to).clamp(min=0)
    one_sample = 1 / a.shape[1]
    error = torch.where(error <= one_sample, torch.zeros_like(error), error)
    small = 2e-3 * a.abs().amax(1)
    flat = (a.amax(1) - a.amin(1) <= small) & ((level[:, 0] - a[:, 0]).abs() <= small)
    error = torch.where(flat, torch.zeros_like(error), error)
    return torch.where(torch.isfinite(b).all(1), error, torch.ones_like(error))


def halved(generator: Generator, layers: Sequence[str], *, seeds: Iterable[int] = range(64), batch: int = 8,
           dtype: torch.dtype = torch.float16) -> Generator:
    """The generator in half precision if no unit's threshold in `layers` moves by more than RANK_ERROR, else itself.

    On the CPU half precision is slower, so the generator itself comes back there.
    """
    if generator.device.type == "cpu":
        return generator
    half = HalfGenerator(generator, dtype)
    return half if is_safe(generator, half, layers, seeds=seeds, batch=batch) else generator


def is_safe(full: Generator, half: Generator, layers: Sequence[str], *, seeds: Iterable[int] = range(64), batch: int = 8) -> bool:
    """Whether `half` moves no threshold of any unit of `layers` by more than RANK_ERROR of rank."""
    z = full.z_for_seeds(seeds)
    with torch.inference_mode():
        for layer in layers:
            a, b = (torch.cat([g.head(part, layer) for part in z.split(batch)]) for g in (full, half))
            if bool((rank_error(a, b) > RANK_ERROR).any()):
                return False
    return True

"""What a generator is: latents in, pictures out, cut open after any layer.

    g = zoo.load("scenes")
    z = g.z_for_seeds([7])
    acts = g.head(z, "layer4")            # (1, U, h, w)
    images = g.tail(acts, "layer4")       # (1, 3, H, W), float -1..1; head then tail is the whole network

No hooks: visitors are threads, and a hook on a shared module would edit other people's pictures.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from core.errors import BadInput, UnknownName
from core.zoo.batch import Halving
from core.zoo.cards import LayerInfo

MAX_SEED = 2**32 - 1


@runtime_checkable
class Generator(Protocol):
    """A generator as core uses it. `span` is the primitive; `head` and `tail` are its two ends."""

    name: str
    fingerprint: str
    z_dim: int
    layers: tuple[LayerInfo, ...]
    image_size: tuple[int, int]

    @property
    def device(self) -> torch.device:
        """Where the weights are; inputs are expected there."""
        ...

    def z_for_seeds(self, seeds: Iterable[int]) -> Tensor:
        """Seeds -> (N, z_dim) float32 latents on the device; the same seed is the same latent, alone or in a batch."""
        ...

    def span(self, x: Tensor, start: str | None, stop: str | None, z: Tensor | None = None) -> Tensor:
        """Runs the layers after `start` up to and including `stop`. None is the latent (start) or the image (stop).

        Differentiable; never enters inference_mode itself. `z` is for families whose later layers see the latent.
        """
        ...

    def head(self, z: Tensor, layer: str) -> Tensor:
        """(N, z_dim) -> (N, U, h, w): activations right after `layer`. Raises UnknownName."""
        ...

    def tail(self, acts: Tensor, layer: str, z: Tensor | None = None) -> Tensor:
        """(N, U, h, w) right after `layer` -> (N, 3, H, W) float, nominally -1..1. Raises UnknownName."""
        ...


def z_for_seeds(seeds: Iterable[int], z_dim: int) -> np.ndarray:
    """Seeds (0 … 2³²−1) -> (N, z_dim) float32, each row `RandomState(seed).standard_normal(z_dim)`."""
    rows = []
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed <= MAX_SEED:
            raise BadInput(f"a seed is a whole number from 0 to {MAX_SEED}, got {str(seed)[:40]!r}")
        rows.append(np.random.RandomState(int(seed)).standard_normal(z_dim))
    return np.asarray(rows, np.float32).reshape(len(rows), z_dim)


class ChainGenerator:
    """A generator whose network is an `nn.Sequential`: its named children are the layers, cut anywhere without hooks."""

    def __init__(self, net: nn.Sequential, *, name: str, fingerprint: str, z_dim: int,
                 layers: Sequence[str] | None = None, z_shape: tuple[int, ...] = (-1, 1, 1),
                 measured: tuple[tuple[LayerInfo, ...], tuple[int, int]] | None = None) -> None:
        """`layers` are the children that can be dissected (default: all but the last, which makes the picture).

        measured: layers and image size where they are known; otherwise they are read by running one zero latent.
        """
        self.net, self.name, self.fingerprint, self.z_dim = net.eval().requires_grad_(False), name, fingerprint, z_dim
        self._order = [child for child, _ in net.named_children()]
        self._z_shape = z_shape
        wanted = list(layers) if layers is not None else self._order[:-1]
        self.layers, self.image_size = measured or self._measure(wanted)
        self._known = {info.name for info in self.layers}
        self._run = Halving()

    @property
    def device(self) -> torch.device:
        return next(self.net.parameters()).device

    def z_for_seeds(self, seeds: Iterable[int]) -> Tensor:
        return torch.from_numpy(z_for_seeds(seeds, self.z_dim)).to(self.device)

    def span(self, x: Tensor, start: str | None, stop: str | None, z: Tensor | None = None) -> Tensor:
        first = 0 if start is None else self._index(start) + 1
        last = len(self._order) if stop is None else self._index(stop) + 1
        parts = list(self.net.children())[first:last]

        def run(x: Tensor, z: Tensor | None) -> Tensor:
            x = x if start is not None else x.reshape(x.shape[0], *self._z_shape)
            for part in parts:
                x = part(x)
            return x

        return self._run(run, x)

    def head(self, z: Tensor, layer: str) -> Tensor:
        return self.span(z, None, layer)

    def tail(self, acts: Tensor, layer: str, z: Tensor | None = None) -> Tensor:
        return self.span(acts, layer, None, z)

    def _index(self, layer: str) -> int:
        if layer not in self._known:
            raise UnknownName("layer", layer, [info.name for info in self.layers])
        return self._order.index(layer)

    def _measure(self, wanted: list[str]) -> tuple[tuple[LayerInfo, ...], tuple[int, int]]:
        """Layer sizes read by running one zero latent through, child by child."""
        infos = []
        with torch.no_grad():
            x = torch.zeros(1, self.z_dim, device=self.device).reshape(1, *self._z_shape)
            for name, child in self.net.named_children():
                x = child(x)
                if name in wanted and x.ndim == 4:
                    infos.append(LayerInfo(name, int(x.shape[1]), (int(x.shape[2]), int(x.shape[3]))))
        if x.ndim != 4 or x.shape[1] not in (1, 3):
            raise BadInput(f"the network's output has shape {tuple(x.shape)}; a picture (N, 3, H, W) is needed")
        return tuple(infos), (int(x.shape[2]), int(x.shape[3]))


def layer_info(generator: Generator, layer: str) -> LayerInfo:
    """The LayerInfo of a layer by name. Raises UnknownName."""
    for info in generator.layers:
        if info.name == layer:
            return info
    raise UnknownName("layer", layer, [info.name for info in generator.layers])


def generate(generator: Generator, seeds: Iterable[int], *, batch: int = 8) -> Tensor:
    """Seeds -> (N, 3, H, W) float pictures, in micro-batches, without gradients."""
    z = generator.z_for_seeds(seeds)
    with torch.inference_mode():
        return torch.cat([generator.span(part, None, None, part) for part in z.split(batch)]) if len(z) else \
            torch.empty(0, 3, *generator.image_size)

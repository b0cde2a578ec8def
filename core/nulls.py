"""What a dissection says of nothing: the same procedure on a generator with random weights, and on pictures whose label maps
belong to other pictures. A result is worth what it is above these.

    found = nulls(generator, segmenter, ["layer4"], store=store)
    found.share("layer4", "random", cut=0.04)     # share of units that would count as interpretable
"""
from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from core.dissect import Dissection, dissect, newest, once
from core.dissect.engine import LEVEL_SEEDS, span
from core.errors import BadInput, StoreError, UnknownName
from core.jobs import Report, no_report
from core.store import Run, Saved, Store

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from core.segment import Segmenter
    from core.zoo.generator import ChainGenerator, Generator

VERSION = 1
Kind = Literal["real", "random", "shuffled"]
KINDS: tuple[Kind, ...] = ("real", "random", "shuffled")
CHANCE = 0.05  # of the units of a null lie above the bar that real ones are held to
AWAY = 3_000_000  # a picture's partner is the one of this much higher seed


@dataclass(frozen=True)
class Nulls:
    """iou, iqr (kinds,thresholds,U) of each unit with its best label, by layer; kinds as in KINDS, thresholds quantile and iqr.

    "real" is the generator itself on the same few images, so that all three are comparable.
    """

    run: Run
    layers: tuple[str, ...]
    iou: dict[str, np.ndarray]
    iqr: dict[str, np.ndarray]

    def share(self, layer: str, kind: Kind, *, cut: float = 0.04, min_iqr: float = -1.0, threshold: str = "quantile") -> float:
        """Share 0..1 of the layer's units that pass the cut. Raises UnknownName."""
        if layer not in self.layers:
            raise UnknownName("layer", layer, self.layers)
        k, t = KINDS.index(kind), ("quantile", "iqr").index(threshold)
        return float(((self.iou[layer][k, t] > cut) & (self.iqr[layer][k, t] > min_iqr)).mean())

    def beyond(self, layer: str, kind: Kind, *, threshold: str = "quantile") -> float:
        """Share 0..1 of the layer's units whose IQR with their best label is above that of 95 in 100 units of a null: 0.05 where
        the real units are no better. Unlike a cut on the IoU it does not reward classes that fill much of a picture. Raises
        UnknownName."""
        if layer not in self.layers:
            raise UnknownName("layer", layer, self.layers)
        k, t = KINDS.index(kind), ("quantile", "iqr").index(threshold)
        return float((self.iqr[layer][0, t] > np.quantile(self.iqr[layer][k, t], 1 - CHANCE)).mean())


def nulls(generator: Generator, segmenter: Segmenter, layers: Sequence[str], seeds: Sequence[int] = range(200), *,
          level_seeds: Sequence[int] = LEVEL_SEEDS[:100], report: Report = no_report, store: Store | None = None) -> Nulls:
    """Dissects layers three times: as they are, with random weights, with shuffled label maps. Raises UnknownName, BadInput
    (a generator whose weights cannot be redrawn), JobCancelled."""
    run = Run("nulls", {"model": generator.name, "images": len(seeds), "seeds": span(seeds), "level_seeds": span(level_seeds),
                        "layers": list(layers)},
              {"generator": generator.fingerprint, "segmenter": segmenter.fingerprint}, VERSION)
    return once(store, run, from_saved, lambda: _measure(run, generator, segmenter, layers, seeds, level_seeds, report, store), report)


def _measure(run: Run, generator: Generator, segmenter: Segmenter, layers: Sequence[str], seeds: Sequence[int],
             level_seeds: Sequence[int], report: Report, store: Store | None) -> Nulls:
    made = []
    for k, one in enumerate((generator, random_weights(generator), Shuffled(generator))):
        def part(done: int, total: int, note: str = "", k: int = k) -> None:
            report(k * total + done, len(KINDS) * total, KINDS[k])

        made.append(dissect(one, segmenter, layers, seeds, level_seeds=level_seeds, report=part))
    best = {layer: np.stack([np.stack([_best(one[layer]), _best(one[layer].at("iqr"))]) for one in made]) for layer in layers}
    found = Nulls(run, tuple(layers), {n: b[..., 0].astype(np.float32) for n, b in best.items()},
                  {n: b[..., 1].astype(np.float32) for n, b in best.items()})
    if store is not None:
        arrays = {f"{what}/{n}": value[n] for what, value in (("iou", found.iou), ("iqr", found.iqr)) for n in layers}
        store.put(run, arrays, device=str(generator.device))
    return found


def load(store: Store, model: str) -> Nulls | None:
    """The stored nulls of the model as it is now, or None. No torch."""
    return newest(store, "nulls", model, from_saved)


def from_saved(saved: Saved) -> Nulls:
    """Stored nulls. Raises StoreError."""
    layers = tuple(saved.run.params["layers"])
    try:
        return Nulls(saved.run, layers, *({n: saved.arrays[f"{what}/{n}"] for n in layers} for what in ("iou", "iqr")))
    except KeyError as error:
        raise StoreError(f"the stored nulls {saved.run.key[:12]} cannot be read ({error}); run again") from error


def _best(d: Dissection) -> np.ndarray:
    """(U,2): IoU and IQR with each unit's best label."""
    best = d.iou[:, 1:].argmax(1) + 1
    rows = np.arange(len(best))
    return np.stack([d.iou[rows, best], d.iqr[rows, best]], 1)


def random_weights(generator: Generator, seed: int = 0) -> ChainGenerator:
    """The same network with every weight tensor drawn anew from a normal of its own mean and spread.

    Raises BadInput for a generator that is not a chain of layers.
    """
    import torch

    from core.zoo.generator import ChainGenerator

    if not isinstance(generator, ChainGenerator):
        raise BadInput(f"the weights of {generator.name} cannot be redrawn: it is not a plain chain of layers")
    fresh = copy.copy(generator)
    fresh.net, fresh.name = copy.deepcopy(generator.net), f"{generator.name}-random"
    fresh.fingerprint = hashlib.sha256(f"{generator.fingerprint} random {seed}".encode()).hexdigest()
    coin = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in fresh.net.parameters():
            weight.copy_(_redrawn(weight, coin))
    return fresh


def _redrawn(weight: Tensor, coin: torch.Generator) -> Tensor:
    import torch

    if weight.numel() < 2:
        return weight.clone()
    noise = torch.randn(weight.shape, generator=coin).to(weight)
    return weight.mean() + weight.std() * noise


class Shuffled:
    """A generator whose pictures belong to other latents than its activations: label maps and units have nothing to do with
    each other. A latent is followed by its partner's; layers see the first, the picture is made of the second."""

    def __init__(self, generator: Generator) -> None:
        self._inner = generator
        self.name = f"{generator.name}-shuffled"
        self.fingerprint = hashlib.sha256(f"{generator.fingerprint} shuffled".encode()).hexdigest()
        self.z_dim, self.layers, self.image_size = 2 * generator.z_dim, generator.layers, generator.image_size

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._inner.device

    def z_for_seeds(self, seeds: Iterable[int]) -> Tensor:
        """Seeds -> (N, 2·z_dim)."""
        import torch

        mine = list(seeds)
        partners = [(seed + AWAY) % 2**32 for seed in mine]
        return torch.cat([self._inner.z_for_seeds(mine), self._inner.z_for_seeds(partners)], 1)

    def span(self, x: Tensor, start: str | None, stop: str | None, z: Tensor | None = None) -> Tensor:
        """Layers of the first latent, or the picture of the second."""
        if z is None:
            raise BadInput("a shuffled generator needs the latents to make the partner's picture")
        own, partner = z.split(self._inner.z_dim, 1)
        if stop is None:
            return self._inner.span(partner, None, None, partner)
        return self._inner.span(own if start is None else x, start, stop, own)

    def head(self, z: Tensor, layer: str) -> Tensor:
        """Activations of the first latent."""
        return self.span(z, None, layer, z)

    def tail(self, acts: Tensor, layer: str, z: Tensor | None = None) -> Tensor:
        """The partner's picture, whatever the activations."""
        return self.span(acts, layer, None, z)

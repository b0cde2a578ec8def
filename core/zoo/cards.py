"""What is known of a model without opening it: names, layers, where its weights come from, licence. Imports no torch.

`layers` of a Progressive GAN follow from its `sizes`, so pages can offer layers and draw stored results before anything heavy loads.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LayerInfo:
    """A layer that can be dissected and edited: its name, number of units, and map size (h, w)."""

    name: str
    units: int
    size: tuple[int, int]


@dataclass(frozen=True)
class Card:
    """One model that can be chosen by name.

    file: file name below core/zoo/bundled (bundled) or cache/weights (others); url "" = nothing to download;
    sha256: full hash or a prefix; segmenters: names for `segment.load`, best first (chooser, then judge where there are two).
    """

    name: str
    title: str
    family: str
    file: str
    sizes: tuple[int, ...] = ()
    default_layer: str = ""
    bundled: bool = False
    url: str = ""
    sha256: str = ""
    bytes: int = 0
    licence: str = ""
    citation: str = ""
    segmenters: tuple[str, ...] = ()
    notes: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """Hidden layers of a Progressive GAN read off `sizes`; () for families that must be opened first."""
        return proggan_layers(self.sizes)

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) of the pictures; (0, 0) when unknown before opening."""
        side = 2 ** len(self.sizes) if self.sizes else 0
        return side, side


def proggan_layers(sizes: tuple[int, ...]) -> tuple[LayerInfo, ...]:
    """`sizes` = (z_dim, C_4, C_8, …) -> layer1 … layerN with units and map size."""
    n = 2 * (len(sizes) - 1)
    return tuple(LayerInfo(f"layer{k}", sizes[(k + 1) // 2], (2 ** ((k + 1) // 2 + 1),) * 2) for k in range(1, n + 1))

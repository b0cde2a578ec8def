"""What is known of a model without opening it: names, layers, where its weights come from, licence. Imports no torch.

`layers` of a Progressive GAN follow from its `sizes`; a model of one's own carries its layers as they were measured when it was
added. So pages can offer layers and draw stored results before anything heavy loads.
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

    file: file name below core/zoo/bundled (bundled), cache/weights (published), or a full path (one's own);
    url "" = nothing to download; mirrors: other addresses of the same file; sha256: full hash or a prefix; bytes: size of the file,
    about; segmenters: names for `segment.load`, best first (chooser, then judge where there are two); extra: further plain facts
    (`function` of a model that is code).
    """

    name: str
    title: str
    family: str
    file: str
    sizes: tuple[int, ...] = ()
    default_layer: str = ""
    bundled: bool = False
    own: bool = False
    url: str = ""
    mirrors: tuple[str, ...] = ()
    sha256: str = ""
    bytes: int = 0
    licence: str = ""
    citation: str = ""
    segmenters: tuple[str, ...] = ()
    notes: str = ""
    measured: tuple[LayerInfo, ...] = ()
    picture: tuple[int, int] = (0, 0)
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """Layers that can be dissected: as measured, else read off a Progressive GAN's `sizes`; () when neither is known."""
        return self.measured or proggan_layers(self.sizes)

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) of the pictures; (0, 0) when unknown before opening."""
        side = 2 ** len(self.sizes) if self.sizes else 0
        return self.picture if self.picture != (0, 0) else (side, side)


def proggan_layers(sizes: tuple[int, ...]) -> tuple[LayerInfo, ...]:
    """`sizes` = (z_dim, C_4, C_8, …) -> layer1 … layerN with units and map size."""
    n = 2 * (len(sizes) - 1)
    return tuple(LayerInfo(f"layer{k}", sizes[(k + 1) // 2], (2 ** ((k + 1) // 2 + 1),) * 2) for k in range(1, n + 1))


def proggan_bytes(sizes: tuple[int, ...]) -> int:
    """Bytes of the float32 tensors of a Progressive GAN of these sizes; its file is a few kilobytes more."""
    floats = sizes[0] * sizes[1] * 16 + sizes[1] if len(sizes) > 1 else 0
    for k in range(2, 2 * (len(sizes) - 1) + 1):
        n_in, n_out = sizes[k // 2], sizes[(k + 1) // 2]
        floats += n_in * n_out * 9 + n_out
    return 4 * (floats + 3 * sizes[-1] + 3)

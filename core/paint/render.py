"""From a painting to its picture: head (once a seed) → the strokes' edits → tail.

Edits of one layer are applied in the order of the strokes, each over the one before ("over" compositing). The unedited
activations and the plain picture are kept per seed; they belong to everybody and are only read.
"""
from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.errors import BadInput
from core.paint.brushes import Chosen, Rankings, choose
from core.paint.document import Painting
from core.paint.raster import mask_of

if TYPE_CHECKING:
    from torch import Tensor

    from core.dissect import Dissection
    from core.edits import UnitEdit
    from core.zoo.generator import Generator

BATCH = 8
KEEP_BYTES = 96 * 2**20
OTHER = "this painting was made with another dissection of the model, which is not stored here; its picture may differ"


@dataclass(frozen=True)
class PaintResult:
    """A painted picture. image, before: uint8 RGB (H,W,3). chosen: what each visible stroke did, in order. remarks: what the
    person should know about the whole."""

    painting: Painting
    image: np.ndarray
    before: np.ndarray
    chosen: tuple[Chosen, ...]
    remarks: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the person should know about how units were picked."""
        return tuple(dict.fromkeys((*self.remarks, *(c.note for c in self.chosen if c.note))))


class Kept:
    """Tensors and pictures by key, the least used dropped first beyond `limit` bytes. Safe for threads."""

    def __init__(self, limit: int = KEEP_BYTES) -> None:
        self._limit, self._bytes = limit, 0
        self._items: OrderedDict[tuple[object, ...], tuple[Tensor, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[object, ...]) -> Tensor | None:
        with self._lock:
            if key not in self._items:
                return None
            self._items.move_to_end(key)
            return self._items[key][0]

    def put(self, key: tuple[object, ...], value: Tensor) -> None:
        size = value.numel() * value.element_size()
        with self._lock:
            if key in self._items or size > self._limit:
                return
            self._items[key] = (value, size)
            self._bytes += size
            while self._bytes > self._limit:
                self._bytes -= self._items.popitem(last=False)[1][1]

    def clear(self) -> None:
        with self._lock:
            self._items.clear()
            self._bytes = 0

    @property
    def bytes(self) -> int:
        return self._bytes


kept = Kept()
_turn = threading.Lock()  # one forward pass at a time: cores and memory are shared by all visitors


def paint(generator: Generator, painting: Painting, dissection: Dissection | None, ranking: Rankings = None) -> PaintResult:
    """The painting's picture and the plain one. The same painting gives the same picture.

    ranking: a causal ranking, or several by class; classes without one use IoU. Raises BadInput, UnknownName.
    """
    chosen, edits = plan(generator, painting, dissection, ranking)
    before = plain(generator, painting.seed, painting.layer)
    if not edits:
        return PaintResult(painting, before, before, chosen)
    first = _first_layer(generator, edits)
    image = _finish(generator, _head(generator, painting.seed, first), first, edits, [painting.seed])[0]
    other = bool(painting.dissection) and dissection is not None and painting.dissection != dissection.run.key
    return PaintResult(painting, image, before, chosen, (OTHER,) if other and any(c.by != "set" for c in chosen) else ())


def paint_seeds(generator: Generator, painting: Painting, dissection: Dissection | None, seeds: Sequence[int],
                ranking: Rankings = None) -> list[PaintResult]:
    """The same strokes on the pictures of other seeds, in micro-batches."""
    import torch

    chosen, edits = plan(generator, painting, dissection, ranking)
    first = _first_layer(generator, edits) if edits else painting.layer
    out: list[PaintResult] = []
    for start in range(0, len(seeds), BATCH):
        part = list(seeds[start:start + BATCH])
        acts = torch.cat([_head(generator, seed, first) for seed in part])
        before = _finish(generator, acts, first, (), part)
        after = _finish(generator, acts, first, edits, part) if edits else before
        out += [PaintResult(painting.on(seed), a, b, chosen) for seed, a, b in zip(part, after, before, strict=True)]
    return out


def plan(generator: Generator, painting: Painting, dissection: Dissection | None,
         ranking: Rankings = None) -> tuple[tuple[Chosen, ...], tuple[UnitEdit, ...]]:
    """What each visible stroke does: its units and values, and the edit with its mask in image pixels."""
    from core.edits import UnitEdit
    from core.zoo.generator import layer_info

    if painting.model != generator.name:
        raise BadInput(f"the painting is of model {painting.model!r}, the generator given is {generator.name!r}")
    layer_info(generator, painting.layer)  # UnknownName
    chosen = tuple(choose(stroke, painting, dissection, ranking) for stroke in painting.visible)
    edits = tuple(UnitEdit(c.layer, c.units, c.values, stroke.strength, mask_of(stroke, generator.image_size))
                  for c, stroke in zip(chosen, painting.visible, strict=True))
    return chosen, edits


def plain(generator: Generator, seed: int, layer: str) -> np.ndarray:
    """The unedited picture of a seed, uint8 (H,W,3), read-only; kept together with the head at `layer`."""
    import torch

    key = (generator.fingerprint, "picture", seed, str(generator.device))
    picture = kept.get(key)
    if picture is None:
        picture = torch.from_numpy(_finish(generator, _head(generator, seed, layer), layer, (), [seed])[0])
        kept.put(key, picture)
    out = picture.numpy().view()
    out.flags.writeable = False
    return out


def _head(generator: Generator, seed: int, layer: str) -> Tensor:
    """(1,U,h,w) unedited activations of a seed, computed once; never written to."""
    import torch

    key = (generator.fingerprint, layer, seed, str(generator.device))
    acts = kept.get(key)
    if acts is None:
        with _turn, torch.no_grad():
            acts = generator.head(generator.z_for_seeds([seed]), layer)
        kept.put(key, acts)
    return acts


def _finish(generator: Generator, acts: Tensor, layer: str, edits: Sequence[UnitEdit], seeds: Sequence[int]) -> np.ndarray:
    """(N,U,h,w) after `layer` -> (N,H,W,3) uint8 with the edits."""
    import torch

    from core.edits import apply_all
    from core.image import to_u8

    with _turn, torch.no_grad():
        return to_u8(apply_all(generator, acts, layer, edits, generator.z_for_seeds(seeds)))


def _first_layer(generator: Generator, edits: Sequence[UnitEdit]) -> str:
    from core.zoo.generator import layer_info

    order = [info.name for info in generator.layers]
    return min((layer_info(generator, e.layer).name for e in edits), key=order.index)

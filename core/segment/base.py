"""What a segmenter is: pictures in, concept labels out, several label channels per pixel."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Label:
    """One concept. `id` is its number in the label maps; 0 is always "no label"."""

    id: int
    name: str
    category: str


@runtime_checkable
class Segmenter(Protocol):
    """Pictures to concept maps.

    `labels[i].id == i` and `labels[0]` is "no label". `fingerprint` changes when the weights do.
    """

    name: str
    fingerprint: str
    labels: tuple[Label, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """(N,3,H,W) float -1..1 -> (N,S,h,w) int64 label ids, S label channels per pixel, 0 = no label."""
        ...

    def scores(self, images: Tensor, label: int) -> Tensor:
        """(N,3,H,W) float -1..1 -> (N,h,w) soft presence of one label, 0..1, differentiable in the pictures."""
        ...

    def features(self, images: Tensor) -> Tensor:
        """(N,3,H,W) float -1..1 -> (N,D) one descriptor a picture, for distances between sets of pictures."""
        ...

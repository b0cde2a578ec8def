"""Vocabularies put together: several segmenters as one, and any vocabulary as the seven brushes.

    both = Merged([segment.load("upernet"), painted])      # labels of the same name and category become one
    brush_labels(both.labels)["tree"]                      # the Label that the tree brush stands for, where there is one
"""
from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import BadFile, BadInput, UnknownName
from core.segment.base import Label, Segmenter

if TYPE_CHECKING:
    from torch import Tensor

BRUSHES = ("sky", "cloud", "tree", "grass", "door", "brick", "dome")
MAPPING = Path(__file__).resolve().parent / "data" / "brushes.json"


def merge(vocabularies: Sequence[Sequence[Label]]) -> tuple[tuple[Label, ...], tuple[tuple[int, ...], ...]]:
    """Labels of all vocabularies, each name and category once, and for each vocabulary its label id -> the merged id (0 -> 0)."""
    numbers: dict[tuple[str, str], int] = {}
    maps = []
    for labels in vocabularies:
        maps.append((0, *(numbers.setdefault((x.name, x.category), len(numbers) + 1) for x in labels[1:])))
    merged = (Label(0, "no label", "none"), *(Label(n, name, category) for (name, category), n in numbers.items()))
    return merged, tuple(maps)


class Merged:
    """Several segmenters as one Segmenter: their label channels side by side, in one numbering.

    Maps of different sizes are brought to the largest by nearest neighbour; a score is the highest of those that know the label.
    """

    def __init__(self, segmenters: Sequence[Segmenter]) -> None:
        if not segmenters:
            raise BadInput("at least one segmenter is needed")
        self._parts = tuple(segmenters)
        self.labels, self._maps = merge([s.labels for s in self._parts])
        self.name = "+".join(s.name for s in self._parts)
        self.fingerprint = hashlib.sha256("+".join(s.fingerprint for s in self._parts).encode()).hexdigest()

    def __call__(self, images: Tensor) -> Tensor:
        """(N,3,H,W) float -1..1 -> (N, sum of S, h, w) int64."""
        import torch

        maps = [torch.tensor(numbers, device=out.device)[out]
                for numbers, out in ((numbers, part(images)) for numbers, part in zip(self._maps, self._parts, strict=True))]
        size = max((tuple(m.shape[2:]) for m in maps), key=lambda s: s[0] * s[1])
        return torch.cat([_nearest(m, size).to(maps[0].device) for m in maps], 1)

    def scores(self, images: Tensor, label: int) -> Tensor:
        """(N,3,H,W) float -1..1 -> (N,h,w), 0..1. Raises UnknownName."""
        import torch
        from torch.nn import functional as F

        found = [part.scores(images, numbers.index(label)) for numbers, part in zip(self._maps, self._parts, strict=True)
                 if label and label in numbers]
        if not found:
            raise UnknownName("label id", label, [str(x.id) for x in self.labels[1:]])
        size = max((tuple(s.shape[1:]) for s in found), key=lambda s: s[0] * s[1])
        same = [F.interpolate(s[:, None], size=size, mode="bilinear", align_corners=False)[:, 0] if tuple(s.shape[1:]) != size else s
                for s in found]
        return torch.stack([s.to(same[0]) for s in same]).amax(0)

    def features(self, images: Tensor) -> Tensor:
        """(N,3,H,W) float -1..1 -> (N, sum of D)."""
        import torch

        found = [part.features(images) for part in self._parts]
        return torch.cat([f.to(found[0]) for f in found], 1)


def _nearest(m: Tensor, size: tuple[int, ...]) -> Tensor:
    from torch.nn import functional as F

    return m if tuple(m.shape[2:]) == size else F.interpolate(m.double(), size=size, mode="nearest-exact").long()


def mapping_file() -> Path:
    """The mapping in use: the file that GAN_DISSECTION_BRUSHES names, else the one that ships."""
    return Path(os.environ.get("GAN_DISSECTION_BRUSHES", "") or MAPPING).expanduser()


def read_mapping(path: Path | None = None) -> dict[str, tuple[str, ...]]:
    """A mapping file: JSON, brush -> label names, best first. Raises BadFile, UnknownName for a brush that does not exist."""
    path = path or mapping_file()
    try:
        data = json.loads(path.read_text())
        found = {str(brush): tuple(str(n) for n in names) for brush, names in data.items() if isinstance(names, list)}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise BadFile(f"{path.name} is not a mapping of brushes to label names ({str(error)[:120]})") from error
    for brush in found:
        if brush not in BRUSHES:
            raise UnknownName("brush", brush, BRUSHES)
    return found


def brush_labels(labels: Sequence[Label], mapping: Mapping[str, Sequence[str]] | None = None) -> dict[str, Label]:
    """Brush -> the first label of the vocabulary that the mapping names for it; brushes without one are left out."""
    by_name = {x.name.lower(): x for x in reversed(labels) if x.id}
    wanted = mapping if mapping is not None else read_mapping()
    found = {brush: next((by_name[n.lower()] for n in names if n.lower() in by_name), None) for brush, names in wanted.items()}
    return {brush: label for brush, label in found.items() if label is not None}

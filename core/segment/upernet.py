"""Unified perceptual parsing (Xiao et al. 2018): the UPerNet of GAN Dissection, reading its published files.

ResNet-50 with a three-convolution stem → pyramid pooling (PrRoI) and feature pyramid of width 512 → one head each for objects, parts
and materials. Module names are those of the published `encoder_epoch_40.pth` and `decoder_epoch_40.pth`; `labels.json` beside them
says how many classes there are. Sources: CSAILVision/gandissect `netdissect/upsegmodel` and `netdissect/segmenter.py` (MIT).

A pixel has three labels (object, material, part), with quadrants five. Numbers: objects 1 … O; with quadrants their top, left, bottom
and right halves at +O, +2O, +3O, +4O; then materials; then those part names that are not object names. A part whose name is an
object's ("door") carries the object's number.
"""
from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import BadFile, BadInput, MissingWeights, UnknownName
from core.segment.base import Label
from core.segment.cards import CARDS
from core.zoo.batch import halving

MEAN_BGR = (102.9801, 115.9465, 122.7717)
SIDE = 256
SCALES = (1, 2, 3, 6)
FEW_PARTS = ("sky", "building", "person")
QUADRANTS = ("t", "l", "b", "r")
SYNC_BN = ("_tmp_running_mean", "_tmp_running_var", "_running_iter", "num_batches_tracked")  # bookkeeping without effect here


# --- the network ----------------------------------------------------------------------------------------------------------
class Bottleneck(nn.Module):
    """1×1, 3×3 (carries the stride), 1×1 convolutions with batch norm, added to the input."""

    def __init__(self, n_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(n_in, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample = None
        if stride != 1 or n_in != 4 * width:
            self.downsample = nn.Sequential(nn.Conv2d(n_in, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x)))


class Encoder(nn.Module):
    """(N,3,H,W) → four maps, 1/4 … 1/32 of the size, 256 … 2048 channels (`base` 64). `depths` (3,4,6,3) is ResNet-50."""

    def __init__(self, base: int = 64, depths: Sequence[int] = (3, 4, 6, 3)) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, base, 3, 2, 1, bias=False), nn.BatchNorm2d(base)
        self.conv2, self.bn2 = nn.Conv2d(base, base, 3, 1, 1, bias=False), nn.BatchNorm2d(base)
        self.conv3, self.bn3 = nn.Conv2d(base, 2 * base, 3, 1, 1, bias=False), nn.BatchNorm2d(2 * base)
        n_in = 2 * base
        for k, depth in enumerate(depths):
            width = base * 2**k
            blocks = [Bottleneck(n_in if i == 0 else 4 * width, width, 2 if i == 0 and k else 1) for i in range(depth)]
            self.add_module(f"layer{k + 1}", nn.Sequential(*blocks))
            n_in = 4 * width

    def forward(self, x: Tensor) -> list[Tensor]:
        for conv, bn in ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)):
            x = F.relu(bn(conv(x)))
        x = F.max_pool2d(x, 3, 2, 1)
        maps = []
        for k in range(1, 5):
            x = self.get_submodule(f"layer{k}")(x)
            maps.append(x)
        return maps


def _cbr(n_in: int, n_out: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(n_out), nn.ReLU())


class Decoder(nn.Module):
    """Four maps → logits {"object", "part", "material"}, each (N, classes, H/4, W/4)."""

    def __init__(self, classes: Mapping[str, int], widths: Sequence[int] = (256, 512, 1024, 2048), fpn: int = 512,
                 ppm: int = 512) -> None:
        super().__init__()
        self.ppm_conv = nn.ModuleList(_cbr(widths[-1], ppm, 1) for _ in SCALES)
        self.ppm_last_conv = _cbr(widths[-1] + len(SCALES) * ppm, fpn, 3)
        self.fpn_in = nn.ModuleList(_cbr(width, fpn, 1) for width in widths[:-1])
        self.fpn_out = nn.ModuleList(nn.Sequential(_cbr(fpn, fpn, 3)) for _ in widths[:-1])
        self.conv_fusion = _cbr(len(widths) * fpn, fpn, 3)
        self.scene_head = nn.Sequential(_cbr(fpn, fpn, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(fpn, classes["scene"], 1))
        for kind in ("object", "part", "material"):
            self.add_module(f"{kind}_head", nn.Sequential(_cbr(fpn, fpn, 3), nn.Conv2d(fpn, classes[kind], 1)))

    def forward(self, maps: Sequence[Tensor]) -> dict[str, Tensor]:
        top = maps[-1]
        pooled = [conv(_resize(prroi_pool(top, scale), top.shape[2:])) for scale, conv in zip(SCALES, self.ppm_conv, strict=True)]
        x = self.ppm_last_conv(torch.cat([top, *pooled], 1))
        pyramid = [x]
        for k in reversed(range(len(maps) - 1)):
            lateral = self.fpn_in[k](maps[k])
            x = lateral + _resize(x, lateral.shape[2:])
            pyramid.insert(0, self.fpn_out[k](x))
        finest = pyramid[0]
        fused = self.conv_fusion(torch.cat([_resize(p, finest.shape[2:]) for p in pyramid], 1))
        heads = {"object": fused, "part": fused, "material": finest}
        return {kind: self.get_submodule(f"{kind}_head")(source) for kind, source in heads.items()}


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    size = tuple(size)
    return x if tuple(x.shape[2:]) == size else F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def prroi_pool(x: Tensor, bins: int) -> Tensor:
    """(N,C,h,w) → (N,C,bins,bins): precise ROI pooling (Jiang et al. 2018) over the whole map, box (0, 0, w, h), on any device.

    The map is interpolated linearly with pixel i at coordinate i and zero beyond the last; each bin is the integral of that over
    its box, divided by its area. Separable, so it is one small matrix a side. Not the same as adaptive average pooling: the first
    pixel gets half its weight.
    """
    rows, columns = (pool_weights(length, bins).to(x) for length in x.shape[2:])
    return torch.einsum("nchw,ih,jw->ncij", x, rows, columns)


def pool_weights(length: int, bins: int) -> Tensor:
    """(bins, length) float32: weight of pixel i in bin [a,b] = integral of max(0, 1−|x−i|) over it, divided by b−a."""
    edges = torch.arange(bins + 1, dtype=torch.float64) * length / bins
    d = (edges[:, None] - torch.arange(length, dtype=torch.float64)).clamp(-1, 1)
    primitive = d - d * d.abs() / 2  # of the hat function; its rise over a bin is the integral
    return ((primitive[1:] - primitive[:-1]) / (length / bins)).float()


# --- the labels -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Vocabulary:
    """How the heads' channels become shared label numbers; see the module text.

    objects, materials: names, [0] = none; owners: (object number, part names) in the order of the part head's slices, each slice
    beginning with none; used: how many of the first owners' parts are read; quad: whether objects have halves.
    """

    objects: tuple[str, ...]
    materials: tuple[str, ...]
    scenes: int
    owners: tuple[tuple[int, tuple[str, ...]], ...]
    used: tuple[int, ...]
    quad: bool = False

    @classmethod
    def read(cls, data: Mapping[str, Any], *, quad: bool = False, all_parts: bool = False) -> Vocabulary:
        """From the contents of `labels.json`. Raises BadFile."""
        try:
            objects, materials = tuple(map(str, data["object"])), tuple(map(str, data["material"]))
            number = {name: k for k, name in enumerate(objects)}
            owners = tuple(sorted((number[name], tuple(map(str, parts))) for name, parts in data["object_part"].items()))
            scenes = len(data["scene"])
        except (KeyError, TypeError, AttributeError) as error:
            raise BadFile(f"labels.json is not that of the unified parsing segmenter ({type(error).__name__}: {error})") from error
        used = tuple(k for k, (owner, _) in enumerate(owners) if all_parts or objects[owner] in FEW_PARTS)
        return cls(objects, materials, scenes, owners, used, quad)

    @property
    def classes(self) -> dict[str, int]:
        """Channels of each head."""
        return {"object": len(self.objects), "material": len(self.materials), "scene": self.scenes,
                "part": sum(len(parts) for _, parts in self.owners)}

    @property
    def n_objects(self) -> int:
        """O: objects without "none"."""
        return len(self.objects) - 1

    @property
    def first_material(self) -> int:
        """The number of the material before the first."""
        return self.n_objects * (5 if self.quad else 1)

    @cached_property
    def part_numbers(self) -> dict[int, np.ndarray]:
        """Slice k -> (parts,) label number of each part channel; index 0 is none."""
        number = {name: k for k, name in enumerate(self.objects)}
        first_part = self.first_material + len(self.materials)
        found: dict[int, np.ndarray] = {}
        for k in self.used:
            for part in self.owners[k][1]:
                if part not in number:
                    number[part] = first_part
                    first_part += 1
            found[k] = np.array([number[part] for part in self.owners[k][1]], np.int64)
        return found

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """All labels, `labels[i].id == i`."""
        names = [(name, "object") for name in self.objects[1:]]
        if self.quad:
            names += [(f"{name}-{half}", "part") for half in QUADRANTS for name in self.objects[1:]]
        names += [(name, "material") for name in self.materials[1:]]
        new = {int(n): part for k in self.used for n, part in zip(self.part_numbers[k], self.owners[k][1], strict=True)}
        names += [(part, "part") for n, part in sorted(new.items()) if n > len(names)]
        return (Label(0, "no label", "none"), *(Label(k, name, category) for k, (name, category) in enumerate(names, start=1)))

    def slices(self) -> dict[int, slice]:
        """Slice number -> its channels in the part head."""
        ends = np.cumsum([0] + [len(parts) for _, parts in self.owners])
        return {k: slice(int(ends[k]), int(ends[k + 1])) for k in self.used}


def quadrants(objects: np.ndarray, n_objects: int, *, as_published: bool = False) -> np.ndarray:
    """(h,w) object numbers -> (2,h,w): top/bottom and left/right halves of every connected component (8-neighbours).

    Halves of the bounding box; top is id+O, left id+2O, bottom id+3O, right id+4O. The published code skips the last component of
    every picture; `as_published` does so too.
    """
    from skimage.measure import label, regionprops

    out = np.zeros((2, *objects.shape), np.int64)
    parts, n = label(objects, background=0, connectivity=2, return_num=True)
    for region in regionprops(parts):
        if as_published and region.label == n:
            continue
        top, left, bottom, right = region.bbox
        middle_y, middle_x = (top + bottom) // 2, (left + right) // 2
        y, x = region.coords.T
        ids = objects[y, x]
        out[0, y, x] = ids + n_objects * np.where(y < middle_y, 1, 3)
        out[1, y, x] = ids + n_objects * np.where(x < middle_x, 2, 4)
    return out


# --- the segmenter --------------------------------------------------------------------------------------------------------
class UPerNetSegmenter:
    """A Segmenter. Pictures are brought to `side` × `side` inside; label maps have about 64 pixels a side (a quarter of 256)."""

    def __init__(self, encoder: Encoder, decoder: Decoder, vocabulary: Vocabulary, *, name: str, fingerprint: str, side: int = SIDE,
                 as_published: bool = False) -> None:
        self.encoder, self.decoder = (net.eval().requires_grad_(False) for net in (encoder, decoder))
        self.vocabulary, self.name, self.fingerprint = vocabulary, name, fingerprint
        self.labels = vocabulary.labels
        self._side, self._as_published = side, as_published

    @property
    def device(self) -> torch.device:
        """Where the weights are; pictures are brought there."""
        return next(self.encoder.parameters()).device

    @halving
    def __call__(self, images: Tensor) -> Tensor:
        """(N,3,H,W) float -1..1 -> (N,S,h,w) int64: object, material, part, and with quadrants top/bottom and left/right."""
        v = self.vocabulary
        with torch.no_grad():
            chosen = {kind: p.argmax(1) for kind, p in self._logits(images).items()}
        objects, material = chosen["object"], chosen["material"]
        channels = [objects, torch.where(material > 0, material + v.first_material, 0)]
        part = torch.zeros_like(objects)
        for k in v.used:
            numbers = torch.from_numpy(v.part_numbers[k]).to(objects.device)
            part = torch.where(objects == v.owners[k][0], numbers[chosen[f"part{k}"]], part)
        channels.append(part)
        if v.quad:
            halves = np.stack([quadrants(o, v.n_objects, as_published=self._as_published) for o in objects.cpu().numpy()])
            channels += list(torch.from_numpy(halves).to(objects.device).unbind(1))
        return torch.stack(channels, 1)

    @halving
    def scores(self, images: Tensor, label: int) -> Tensor:
        """(N,3,H,W) -> (N,h,w), differentiable: the softmax of a material or object, plus that of every part with its number.

        A label that is an object and a part ("door") can so exceed 1, as in the published code; it is clamped to 1 here.
        Quadrant labels have no score: UnknownName.
        """
        v = self.vocabulary
        probabilities = {kind: logits.softmax(1) for kind, logits in self._logits(images).items()}
        if v.first_material < label < v.first_material + len(v.materials):
            return probabilities["material"][:, label - v.first_material]
        found = [probabilities["object"][:, label]] if 0 < label <= v.n_objects else []
        for k in v.used:
            at = np.flatnonzero(v.part_numbers[k] == label)
            if label and len(at):
                found.append(probabilities[f"part{k}"][:, int(at[0])])
        if not found:
            raise UnknownName("label id with a score", label, [str(x.id) for x in self.labels[1:]])
        return torch.stack(found).sum(0).clamp(max=1)

    def mask(self, images: Tensor, label: int) -> Tensor:
        """(N,3,H,W) -> (N,h,w) bool: where the label is the best of its head (for a part: and its owner the best object)."""
        with torch.no_grad():
            return (self(images) == label).any(1)

    @halving
    def features(self, images: Tensor) -> Tensor:
        """(N,3,H,W) float -1..1 -> (N,D): the mean of the deepest map."""
        return self.encoder(self._prepare(images))[-1].mean((2, 3))

    def _prepare(self, images: Tensor) -> Tensor:
        if images.ndim != 4 or images.shape[1] != 3:
            raise BadInput(f"a segmenter reads pictures (N,3,H,W), got {tuple(images.shape)}")
        x = images.to(self.device).add(1).mul(255 / 2).flip(1) - torch.tensor(MEAN_BGR, device=self.device).view(1, 3, 1, 1)
        size = (self._side, self._side)
        if tuple(x.shape[2:]) == size:
            return x
        if min(x.shape[2:]) < self._side:
            return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
        return F.adaptive_avg_pool2d(x, size)

    def _logits(self, images: Tensor) -> dict[str, Tensor]:
        """Logits at the size of the answer: object, material, and one entry `part{k}` for each slice that is read."""
        step = max(1, min(images.shape[2:]) // 64)
        size = (images.shape[2] // step, images.shape[3] // step)
        heads = {kind: _resize(x, size) for kind, x in self.decoder(self.encoder(self._prepare(images))).items()}
        parts = heads.pop("part")
        return heads | {f"part{k}": parts[:, channels] for k, channels in self.vocabulary.slices().items()}


# --- loading --------------------------------------------------------------------------------------------------------------
def load(name: str = "upernet", device: str = "auto") -> UPerNetSegmenter:
    """A unified parsing segmenter of the table, from its fetched files. Raises MissingWeights, BadFile."""
    card = CARDS[name]
    folder = card.path(card.files[0]).parent
    missing = [file for file in card.files if not (folder / file).is_file()]
    if missing:
        raise MissingWeights(f"the segmenter {name!r} needs {', '.join(missing)} in {folder}; "
                             f"fetch them with: python -m core models fetch {name}")
    return from_folder(folder, name=name, device=device, quad=name.endswith("quad"), all_parts=name.endswith("parts"))


def from_folder(folder: Path, *, name: str = "upernet", device: str = "auto", quad: bool = False,
                all_parts: bool = False) -> UPerNetSegmenter:
    """A unified parsing segmenter from a folder with the three published files; every key and shape must fit. Raises BadFile."""
    from core.zoo.files import pick_device, read_state

    labels, encoder_file, decoder_file = (folder / file for file in CARDS["upernet"].files)
    try:
        vocabulary = Vocabulary.read(json.loads(labels.read_text()), quad=quad, all_parts=all_parts)
    except ValueError as error:
        raise BadFile(f"{labels.name} is damaged ({error})") from error
    with torch.device("meta"):
        encoder, decoder = Encoder(), Decoder(vocabulary.classes)
    chosen = pick_device(device)
    for net, file in ((encoder, encoder_file), (decoder, decoder_file)):
        _load_strictly(net, read_state(file), file.name)
    digest = hashlib.sha256(f"{name} {quad} {all_parts}".encode())
    for file in (labels, encoder_file, decoder_file):
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return UPerNetSegmenter(encoder.to(chosen), decoder.to(chosen), vocabulary, name=name, fingerprint=digest.hexdigest())


def _load_strictly(net: nn.Module, state: Mapping[str, Tensor], file: str) -> None:
    """Every tensor of the network from the file and none left over, but for the bookkeeping of synchronised batch norm."""
    tensors = {key: value.float() for key, value in state.items() if key.rpartition(".")[2] not in SYNC_BN}
    counters = {key: torch.tensor(0) for key in net.state_dict() if key.endswith("num_batches_tracked")}
    try:
        net.load_state_dict(tensors | counters, strict=True, assign=True)
    except RuntimeError as error:
        raise BadFile(f"{file} does not fit the unified parsing network: {' '.join(str(error).split())[:300]}") from error

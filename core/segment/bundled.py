"""The two segmenters that ship with the project, read from `core/zoo/bundled/*.safetensors`.

A file carries its own description: architecture, labels, and which labels share a softmax (one group a label channel, each led by
0 = no label). Pictures with a side under 128 px are enlarged to 128 inside, and the answer is brought back to the picture's size.
"""
from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import BadFile, BadInput, MissingWeights, UnknownName
from core.segment.base import Label
from core.segment.nets import ARCHITECTURES, SegmentationNet, placed
from core.zoo.batch import halving

BUNDLED = Path(__file__).resolve().parent.parent / "zoo" / "bundled"
FILES = {"scenes": "scenes-dissector.safetensors", "scenes-judge": "scenes-judge.safetensors"}
WORKING_SIDE = 128


class BundledSegmenter:
    """A Segmenter around one of the two nets. `groups` are label ids a channel, in the order of the logits."""

    def __init__(self, net: nn.Module, *, name: str, fingerprint: str, labels: Sequence[Label],
                 groups: Sequence[Sequence[int]]) -> None:
        self.name, self.fingerprint, self.labels = name, fingerprint, tuple(labels)
        self.groups = tuple(tuple(group) for group in groups)
        self.net = net.eval().requires_grad_(False)
        self._ids = [torch.tensor(group) for group in self.groups]

    @property
    def device(self) -> torch.device:
        """Where the weights are; pictures are brought there."""
        return next(self.net.parameters()).device

    @halving
    def __call__(self, images: Tensor) -> Tensor:
        """(N,3,H,W) float -1..1 -> (N,S,H,W) int64 label ids."""
        with torch.no_grad():
            parts = self._logits(images)
            return torch.stack([ids.to(part.device)[part.argmax(1)] for ids, part in zip(self._ids, parts, strict=True)], 1)

    @halving
    def scores(self, images: Tensor, label: int) -> Tensor:
        """(N,3,H,W) float -1..1 -> (N,H,W): softmax of the label within its channel; differentiable. Raises UnknownName."""
        for group, part in zip(self.groups, self._logits(images), strict=True):
            if label != 0 and label in group:
                return part.softmax(1)[:, group.index(label)]
        raise UnknownName("label id", label, [str(x.id) for x in self.labels[1:]])

    @halving
    def features(self, images: Tensor) -> Tensor:
        """(N,3,H,W) float -1..1 -> (N,D): spatial means of the context maps and of the maps that the head reads."""
        maps = self._trunk(self._prepare(images)[0])
        return torch.cat([maps[0].mean((2, 3)), maps[-1].mean((2, 3))], 1)

    def _trunk(self, x: Tensor) -> list[Tensor]:
        return cast(SegmentationNet, self.net).trunk(x)

    def _logits(self, images: Tensor) -> tuple[Tensor, ...]:
        """Logits a channel, (N,C,H,W) at the size of the pictures."""
        x, working = self._prepare(images)
        net = cast(SegmentationNet, self.net)
        logits = net.head(net.trunk(x))[..., :working[0], :working[1]]
        if working != images.shape[2:]:
            logits = F.adaptive_avg_pool2d(logits, (images.shape[2], images.shape[3]))
        return logits.split([len(group) for group in self.groups], 1)

    def _prepare(self, images: Tensor) -> tuple[Tensor, torch.Size]:
        """Pictures at working size, padded to the net's stride; and the working size before padding."""
        if images.ndim != 4 or images.shape[1] != 3:
            raise BadInput(f"a segmenter reads pictures (N,3,H,W), got {tuple(images.shape)}")
        x = images.to(self.device).clamp(-1, 1)
        if (short := min(x.shape[2:])) < WORKING_SIDE:
            size = [round(side * WORKING_SIDE / short) for side in x.shape[2:]]
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
        working = x.shape[2:]
        stride = cast(SegmentationNet, self.net).stride
        pad = [-side % stride for side in working]
        if any(pad):
            x = F.pad(x, (0, pad[1], 0, pad[0]), mode="replicate")
        return x.contiguous(memory_format=torch.channels_last), working


def load(name: str, device: str = "auto") -> BundledSegmenter:
    """The dissector ("scenes") or the judge ("scenes-judge"). Raises UnknownName, MissingWeights, BadFile."""
    if name not in FILES:
        raise UnknownName("segmenter", name, FILES)
    return open_file(BUNDLED / FILES[name], name=name, device=device)


def open_file(path: Path, *, name: str, device: str = "auto") -> BundledSegmenter:
    """A segmenter from a file written by `core.training`. Raises MissingWeights, BadFile."""
    from safetensors import SafetensorError
    from safetensors.torch import load as load_tensors

    from core.zoo.files import pick_device

    if not path.is_file():
        raise MissingWeights(f"the weights of the segmenter {name!r} are not at {path}; they ship with the project: "
                             "check them out again, or train them with: python -m core.training segmenter")
    data = path.read_bytes()
    try:
        state = load_tensors(data)
        meta = json.loads(data[8:8 + int.from_bytes(data[:8], "little")]).get("__metadata__", {})
    except (SafetensorError, ValueError, UnicodeDecodeError) as error:
        raise BadFile(f"{path.name} is damaged or not a .safetensors file ({str(error)[:160]})") from error
    net, labels, groups = _build(path.name, meta, state)
    net = placed(net, pick_device(device))
    return BundledSegmenter(net, name=name, fingerprint=hashlib.sha256(data).hexdigest(), labels=labels, groups=groups)


def _build(file: str, meta: Mapping[str, str], state: Mapping[str, Tensor]) -> tuple[nn.Module, list[Label], list[list[int]]]:
    try:
        kind = ARCHITECTURES[meta["architecture"]]
        labels = [Label(int(i), str(name), str(category)) for i, name, category in json.loads(meta["labels"])]
        groups = [[int(i) for i in group] for group in json.loads(meta["groups"])]
        net = kind(sum(map(len, groups)), json.loads(meta["widths"]), folded=True)
        net.load_state_dict({key: value.float() for key, value in state.items()})
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BadFile(f"{file} is not a segmenter of this project: {reason}") from error
    return net, labels, groups

"""SegFormer (Xie et al. 2021), trained on ADE20K: 150 objects, through the optional package `transformers`.

Weights are kept in the hub's own cache, see core/segment/hub.py.
"""
from __future__ import annotations

import hashlib
import importlib
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import BadFile, BadInput, UnknownName
from core.segment import hub
from core.segment.base import Label
from core.zoo.batch import halving

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class SegFormerSegmenter:
    """A Segmenter around `SegformerForSemanticSegmentation`: one label channel, class k of the network is label k+1.

    The answer has a quarter of the network's working size; ADE20K's classes are called objects here.
    """

    def __init__(self, net: nn.Module, *, name: str, fingerprint: str, side: int = 512) -> None:
        self.net, self.name, self.fingerprint, self._side = net.eval().requires_grad_(False), name, fingerprint, side
        names: dict[int, str] = {int(k): str(v) for k, v in net.config.id2label.items()}  # type: ignore[union-attr, operator]
        self.labels = (Label(0, "no label", "none"), *(Label(k + 1, names[k], "object") for k in sorted(names)))

    @property
    def device(self) -> torch.device:
        """Where the weights are; pictures are brought there."""
        return next(self.net.parameters()).device

    @halving
    def __call__(self, images: Tensor) -> Tensor:
        """(N,3,H,W) float -1..1 -> (N,1,h,w) int64 label ids."""
        with torch.no_grad():
            return self._run(images).logits.argmax(1, keepdim=True) + 1

    @halving
    def scores(self, images: Tensor, label: int) -> Tensor:
        """(N,3,H,W) float -1..1 -> (N,h,w): softmax of one label; differentiable. Raises UnknownName."""
        if not 0 < label < len(self.labels):
            raise UnknownName("label id", label, [str(x.id) for x in self.labels[1:]])
        return self._run(images).logits.softmax(1)[:, label - 1]

    @halving
    def features(self, images: Tensor) -> Tensor:
        """(N,3,H,W) float -1..1 -> (N,D): the mean of the encoder's last map."""
        return self._run(images).hidden_states[-1].mean((2, 3))

    def _run(self, images: Tensor) -> Any:
        if images.ndim != 4 or images.shape[1] != 3:
            raise BadInput(f"a segmenter reads pictures (N,3,H,W), got {tuple(images.shape)}")
        mean, std = (torch.tensor(v, device=self.device).view(1, 3, 1, 1) for v in (MEAN, STD))
        x = (images.to(self.device).clamp(-1, 1).add(1).div(2) - mean) / std
        if tuple(x.shape[2:]) != (self._side, self._side):
            x = F.interpolate(x, size=(self._side, self._side), mode="bilinear", align_corners=False)
        return self.net(pixel_values=x, output_hidden_states=True)


def load(name: str = "segformer-b0", device: str = "auto") -> SegFormerSegmenter:
    """A SegFormer by name; its weights are fetched where they are not there. Raises MissingPackage, MissingWeights, BadFile."""
    from core.zoo.files import pick_device

    path = hub.fetch(name)
    transformers = importlib.import_module(hub.PACKAGE)
    where, side = hub.repository(name)
    try:
        net, told = transformers.SegformerForSemanticSegmentation.from_pretrained(path.parent, local_files_only=True,
                                                                                  output_loading_info=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise BadFile(f"{where} in the hub's cache is damaged or of another network ({str(error).splitlines()[0][:160]}); delete "
                      f"{path.parent} and fetch it again") from error
    if told["missing_keys"]:
        raise BadFile(f"{where} in the hub's cache lacks {len(told['missing_keys'])} tensors, such as {min(told['missing_keys'])}; "
                      f"delete {path.parent} and fetch it again")
    return SegFormerSegmenter(net.to(pick_device(device)), name=name, fingerprint=fingerprint_of(net, where), side=side)


def fingerprint_of(net: nn.Module, where: str) -> str:
    """SHA-256 of the weights and where they came from."""
    digest = hashlib.sha256(where.encode())
    for key, value in sorted(net.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

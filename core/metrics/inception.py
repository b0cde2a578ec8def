"""Descriptors for the published FID: pooled features of Inception v3, from a weight file that the user brings.

    net = inception.load()                # None unless cache/weights holds the file
    net(images)                           # (N,3,H,W) float −1..1 -> (N,2048)

The file is the usual conversion of the original TensorFlow network (`pt_inception-2015-12-05-6726825d.pth`, or the same tensors as
.safetensors). Architecture: Szegedy et al. 2016; as in the network FIDs are published with (Heusel et al. 2017), mean pools leave
the padding out, and the last block pools by maximum.
"""
from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from core import store
from core.errors import BadFile

STEM = "pt_inception-2015-12-05-6726825d"
SIDE, EPSILON = 299, 1e-3


def path() -> Path | None:
    """The user's file, if it is there."""
    found = (store.CACHE / "weights" / f"{STEM}{suffix}" for suffix in (".safetensors", ".pth"))
    return next((p for p in found if p.is_file()), None)


def load(device: str | torch.device = "cpu") -> Inception | None:
    """The network, or None without a file. Raises BadFile when it is another one."""
    from core.zoo.files import read_state

    file = path()
    if file is None:
        return None
    net = Inception(read_state(file), device)
    try:
        if net(torch.zeros(1, 3, 8, 8, device=device)).shape[1] != 2048:
            raise BadFile(f"{file.name} is not the Inception network FIDs are made with")
    except (KeyError, RuntimeError) as error:
        raise BadFile(f"{file.name} is not the Inception network FIDs are made with ({str(error)[:120]})") from error
    return net


class Inception:
    """Inception v3 up to its last pool, batch norms folded into the convolutions."""

    def __init__(self, state: dict[str, Tensor], device: str | torch.device = "cpu") -> None:
        self._w: dict[str, tuple[Tensor, Tensor]] = {}
        for name in (k.removesuffix(".conv.weight") for k in state if k.endswith(".conv.weight")):
            try:
                scale = state[f"{name}.bn.weight"] / (state[f"{name}.bn.running_var"] + EPSILON).sqrt()
                bias = state[f"{name}.bn.bias"] - state[f"{name}.bn.running_mean"] * scale
            except KeyError:
                continue
            self._w[name] = (state[f"{name}.conv.weight"] * scale[:, None, None, None]).to(device), bias.to(device)

    def __call__(self, images: Tensor) -> Tensor:
        """(N,3,H,W) float −1..1 -> (N,2048)."""
        x = F.interpolate(images.clamp(-1, 1), size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        x = self._conv("Conv2d_1a_3x3", x, stride=2, pad=False)
        x = self._conv("Conv2d_2a_3x3", x, pad=False)
        x = F.max_pool2d(self._conv("Conv2d_2b_3x3", x), 3, 2)
        x = self._conv("Conv2d_4a_3x3", self._conv("Conv2d_3b_1x1", x), pad=False)
        x = F.max_pool2d(x, 3, 2)
        for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
            x = torch.cat([self._chain(name, x, "branch1x1"), self._chain(name, x, "branch5x5_1", "branch5x5_2"),
                           self._chain(name, x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
                           self._chain(name, _mean(x), "branch_pool")], 1)
        x = torch.cat([self._conv("Mixed_6a.branch3x3", x, stride=2, pad=False),
                       self._conv("Mixed_6a.branch3x3dbl_3", self._chain("Mixed_6a", x, "branch3x3dbl_1", "branch3x3dbl_2"),
                                  stride=2, pad=False), F.max_pool2d(x, 3, 2)], 1)
        for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
            x = torch.cat([self._chain(name, x, "branch1x1"), self._chain(name, x, *(f"branch7x7_{k}" for k in (1, 2, 3))),
                           self._chain(name, x, *(f"branch7x7dbl_{k}" for k in (1, 2, 3, 4, 5))),
                           self._chain(name, _mean(x), "branch_pool")], 1)
        x = torch.cat([self._conv("Mixed_7a.branch3x3_2", self._chain("Mixed_7a", x, "branch3x3_1"), stride=2, pad=False),
                       self._conv("Mixed_7a.branch7x7x3_4", self._chain("Mixed_7a", x, *(f"branch7x7x3_{k}" for k in (1, 2, 3))),
                                  stride=2, pad=False), F.max_pool2d(x, 3, 2)], 1)
        for name in ("Mixed_7b", "Mixed_7c"):
            pooled = _mean(x) if name == "Mixed_7b" else F.max_pool2d(x, 3, 1, 1)
            one, two = self._chain(name, x, "branch3x3_1"), self._chain(name, x, "branch3x3dbl_1", "branch3x3dbl_2")
            x = torch.cat([self._chain(name, x, "branch1x1"),
                           self._chain(name, one, "branch3x3_2a"), self._chain(name, one, "branch3x3_2b"),
                           self._chain(name, two, "branch3x3dbl_3a"), self._chain(name, two, "branch3x3dbl_3b"),
                           self._chain(name, pooled, "branch_pool")], 1)
        return x.mean((2, 3))

    def _conv(self, name: str, x: Tensor, stride: int = 1, pad: bool = True) -> Tensor:
        weight, bias = self._w[name]
        h, w = weight.shape[2:]
        return F.relu(F.conv2d(x, weight, bias, stride, (h // 2, w // 2) if pad else 0))

    def _chain(self, block: str, x: Tensor, *names: str) -> Tensor:
        for name in names:
            x = self._conv(f"{block}.{name}", x)
        return x


def _mean(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)

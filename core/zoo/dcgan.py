"""The DCGAN generator (Radford et al. 2016) as in the PyTorch tutorial, read off a state dict alone.

A chain of transposed convolutions, each but the last followed by batch norm and ReLU, the last by tanh. `main.0.weight`, `main.1.*`,
`main.3.weight` … in the tutorial; any other module names will do, because the order and the shapes say everything:

    kernel k of the first    1×1 latent → k×k                 kernel 4, 2   size ×2 (padding 1, 0)
    kernel 3, 1              same size                        last kernel 1 on 32 px grey: cropped to 28 (the MNIST variant)

What no file tells is assumed as in the tutorial: ReLU inside, tanh at the end, a standard normal latent.
A layer (`layer1` …) is what follows its ReLU; the last is `output_HxW`. Grey pictures are shown as RGB.
"""
from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import BadFile
from core.zoo.cards import LayerInfo

MAX_SIDE = 1024
NORM_PARTS = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Stage:
    """Module paths of one stage: a transposed convolution and the batch norm after it ("" = none)."""

    conv: str
    norm: str


class Up(nn.Module):
    """One stage: transposed convolution → batch norm as learned → ReLU; the last one → tanh, and grey becomes RGB."""

    bias: Tensor | None
    norm_weight: Tensor | None
    norm_bias: Tensor | None
    norm_running_mean: Tensor | None
    norm_running_var: Tensor | None

    def __init__(self, state: Mapping[str, Tensor], stage: Stage, stride: int, padding: int, *, last: bool) -> None:
        super().__init__()
        self.stride, self.padding, self.last = stride, padding, last
        bias = state.get(f"{stage.conv}.bias")
        self.weight = nn.Parameter(state[f"{stage.conv}.weight"].float(), requires_grad=False)
        self.register_buffer("bias", None if bias is None else bias.float())
        for part in NORM_PARTS:
            self.register_buffer(f"norm_{part}", state[f"{stage.norm}.{part}"].float() if stage.norm else None)

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv_transpose2d(x, self.weight, self.bias, self.stride, self.padding)
        if self.norm_weight is not None:
            x = F.batch_norm(x, self.norm_running_mean, self.norm_running_var, self.norm_weight, self.norm_bias)
        if not self.last:
            return F.relu(x)
        x = torch.tanh(x)
        return x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x


def stages(state: Mapping[str, Tensor]) -> list[Stage]:
    """The chain of stages found in the file, first to last; [] when the tensors do not form a DCGAN generator."""
    for prefix in _prefixes(state):
        inside = [key for key in state if key.startswith(prefix)]
        for order in (lambda p: 0, _natural, _by_number):
            found = _chain(state, sorted(_modules(inside), key=order))
            if found:
                return found
    return []


def is_dcgan(state: Mapping[str, Tensor]) -> bool:
    """Whether the tensors form a chain of transposed convolutions from a latent to one or three channels."""
    return bool(stages(state))


def geometry(state: Mapping[str, Tensor]) -> list[tuple[Stage, int, int, int, int]]:
    """Each stage with its stride, padding, channels and side. Raises BadFile."""
    chain = stages(state)
    if not chain:
        raise BadFile("these tensors do not form a DCGAN generator")
    found, side = [], 1
    for number, stage in enumerate(chain, start=1):
        _, channels, kernel, _ = state[f"{stage.conv}.weight"].shape
        stride, padding = _stride(kernel, first=number == 1, crop=number == len(chain) and side == 32 and channels == 1)
        side = (side - 1) * stride - 2 * padding + kernel
        if not 0 < side <= MAX_SIDE:
            raise BadFile(f"this DCGAN would make pictures of {side} pixels; 1 to {MAX_SIDE} can be used")
        found.append((stage, stride, padding, channels, side))
    return found


def build(state: Mapping[str, Tensor]) -> nn.Sequential:
    """State dict → network in eval mode, float32, children `layer1` … `output_HxW`. Raises BadFile."""
    plan = geometry(state)
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    for number, (stage, stride, padding, _, side) in enumerate(plan, start=1):
        last = number == len(plan)
        blocks[f"output_{side}x{side}" if last else f"layer{number}"] = Up(state, stage, stride, padding, last=last)
    return nn.Sequential(blocks).eval().requires_grad_(False)


def measured(state: Mapping[str, Tensor]) -> tuple[tuple[LayerInfo, ...], tuple[int, int]]:
    """Layers and image size."""
    *hidden, (_, _, _, _, side) = geometry(state)
    infos = tuple(LayerInfo(f"layer{k}", channels, (s, s)) for k, (_, _, _, channels, s) in enumerate(hidden, start=1))
    return infos, (side, side)


def z_dim_of(state: Mapping[str, Tensor]) -> int:
    """Length of the latent."""
    return int(state[f"{stages(state)[0].conv}.weight"].shape[0])


def _stride(kernel: int, *, first: bool, crop: bool) -> tuple[int, int]:
    """Stride and padding that go with a kernel; see the module text. Raises BadFile where a file cannot tell them."""
    if first:
        return 1, 0
    known = {1: (1, 2 if crop else 0), 2: (2, 0), 3: (1, 1), 4: (2, 1)}
    if kernel not in known:
        raise BadFile(f"a transposed convolution has kernel {kernel}; the stride that goes with it is not in the file. "
                      "Name the network's code instead: --model package.module:function")
    return known[kernel]


def _prefixes(state: Mapping[str, Tensor]) -> list[str]:
    """"" first, then every first and second path step (`netG.`, `generator.main.`): a file may hold a discriminator too."""
    steps = {".".join(key.split(".")[:n]) + "." for n in (1, 2) for key in state if key.count(".") > n}
    return ["", *sorted(steps, key=len)]


def _modules(keys: Sequence[str]) -> list[str]:
    """Paths of modules that hold tensors, in the order of the file."""
    return list(dict.fromkeys(key.rpartition(".")[0] for key in keys))


def _natural(path: str) -> tuple[tuple[int, int | str], ...]:
    return tuple((0, int(step)) if step.isdigit() else (1, step) for step in re.split(r"[._]|(?<=\D)(?=\d)", path) if step)


def _by_number(path: str) -> tuple[int, bool]:
    """`bn1` after `conv1`, `conv2` after `bn1`."""
    numbers = re.findall(r"\d+", path)
    return (int(numbers[-1]) if numbers else 10**6), "bn" in path.lower() or "norm" in path.lower()


def _chain(state: Mapping[str, Tensor], paths: Sequence[str]) -> list[Stage]:
    """Stages in this order of modules, or [] where something is not a transposed convolution, a batch norm, or does not fit."""
    found: list[Stage] = []
    width = -1
    for path in paths:
        weight = state.get(f"{path}.weight")
        if weight is None:
            return []
        square = weight.ndim == 4 and weight.shape[2] == weight.shape[3]
        if square and width in (-1, weight.shape[0]):
            found.append(Stage(path, ""))
            width = weight.shape[1]
        elif found and not found[-1].norm and all(_is_vector(state.get(f"{path}.{part}"), width) for part in NORM_PARTS):
            found[-1] = Stage(found[-1].conv, path)
        else:
            return []
    ends_well = len(found) >= 3 and width in (1, 3) and not found[-1].norm
    return found if ends_well and state[f"{found[0].conv}.weight"].shape[0] > 3 else []


def _is_vector(tensor: Tensor | None, width: int) -> bool:
    return tensor is not None and tuple(tensor.shape) == (width,)

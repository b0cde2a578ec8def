"""The Progressive-GAN generator (Karras et al. 2018), with the block structure and keys of the published `proggan_*.pth`.

`sizes = [z_dim, C_4, C_8, …]` fixes everything: two hidden blocks a resolution, `layer1` … `layerN`, then `output_RxR`.
A hidden block is pixel norm → [nearest ×2 on odd layers from 3 on] → convolution without bias → × scale + b → LeakyReLU(0.2),
so a layer's output (what is dissected and edited) is the un-normalised map after the LeakyReLU.
"""
from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import BadFile


class WScale(nn.Module):
    """Equalised learning rate: x · scale + b; the scale has no stored tensor."""

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.b = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.b.view(1, -1, 1, 1)


def pixel_norm(x: Tensor) -> Tensor:
    """x / sqrt(mean over channels of x² + 1e-8), per pixel."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class Block(nn.Module):
    """One hidden block; see the module text."""

    def __init__(self, n_in: int, n_out: int, *, kernel: int, padding: int, upsample: bool) -> None:
        super().__init__()
        self.upsample = upsample
        self.conv = nn.Conv2d(n_in, n_out, kernel, padding=padding, bias=False)
        self.wscale = WScale(n_out, math.sqrt(2) / kernel / math.sqrt(n_in))

    def forward(self, x: Tensor) -> Tensor:
        x = pixel_norm(x)
        if self.upsample:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        # scale·(W*x) is (scale·W)*x: one pass over the small weights instead of one over the big map
        y = F.conv2d(x, self.conv.weight * self.wscale.scale, self.wscale.b, padding=self.conv.padding)
        return F.leaky_relu(y, 0.2)


def fused_kernel(weight: Tensor) -> Tensor:
    """"Enlarge ×2 by nearest neighbour, then convolve 3×3" as one `conv_transpose2d(stride=2, padding=1)`.

    (O,I,3,3) -> (I,O,4,4). The same map with 16 multiplications an input pixel in place of 36: the 4×4 kernel is the 3×3 one
    turned round and summed over its four shifts, here as one small matrix (9,16).
    """
    one = torch.eye(9, device=weight.device, dtype=weight.dtype).view(9, 3, 3).flip(1, 2)
    p = F.pad(one, (1, 1, 1, 1))
    shifts = (p[..., 1:, 1:] + p[..., :-1, 1:] + p[..., 1:, :-1] + p[..., :-1, :-1]).reshape(9, 16)
    n_out, n_in = weight.shape[:2]
    return (weight.reshape(n_out, n_in, 9).transpose(0, 1) @ shifts).reshape(n_in, n_out, 4, 4)


class FrozenBlock(nn.Module):
    """A hidden block for use without training: the scale is folded into the pixel norm, the enlargement into the kernel.

    The kernel is enlarged when it is first used, so that opening a model costs little more than reading its file.
    """

    kernel: Tensor
    offset: Tensor

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.upsample, self.padding, self.scale = block.upsample, block.conv.padding, block.wscale.scale
        self.register_buffer("kernel", block.conv.weight.detach())
        self.register_buffer("offset", block.wscale.b.detach())

    def forward(self, x: Tensor) -> Tensor:
        x = x * (torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8) * self.scale)
        y = F.conv_transpose2d(x, self._enlarged(), self.offset, stride=2, padding=1) if self.upsample else \
            F.conv2d(x, self.kernel, self.offset, padding=self.padding)
        return F.leaky_relu(y, 0.2)

    def _enlarged(self) -> Tensor:
        kernel = self.kernel  # read once: another thread may put the enlarged one in its place meanwhile
        if kernel.shape[-1] == 3:
            # kept for all later use: not as an inference tensor, which could not be differentiated through, and not in the half
            # precision of whoever comes first
            with torch.inference_mode(False), torch.no_grad(), torch.autocast(kernel.device.type, enabled=False):
                kernel = fused_kernel(kernel)
            self.kernel = kernel
        return kernel


def freeze(net: ProgGANNet) -> ProgGANNet:
    """Replaces the hidden blocks by frozen ones, in place: the same pictures up to rounding, about 1.7 times as fast on a CPU."""
    for name, child in list(net.named_children()):
        if isinstance(child, Block):
            setattr(net, name, FrozenBlock(child))
    return net


class ToRGB(nn.Module):
    """The output block: pixel norm → 1×1 convolution → × scale + b; range nominally -1..1, not clamped."""

    def __init__(self, n_in: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, 3, 1, bias=False)
        self.wscale = WScale(3, 1 / math.sqrt(n_in))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(pixel_norm(x), self.conv.weight * self.wscale.scale, self.wscale.b)


class ProgGANNet(nn.Sequential):
    """(N, z_dim) or (N, z_dim, 1, 1) → (N, 3, R, R). `sizes` has one entry for z and one a resolution; R = 2**len(sizes)."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.sizes = list(sizes)
        n_layers = 2 * (len(sizes) - 1)
        for k in range(1, n_layers + 1):
            n_in, n_out = sizes[k // 2], sizes[(k + 1) // 2]
            first = k == 1
            self.add_module(f"layer{k}", Block(n_in, n_out, kernel=4 if first else 3, padding=3 if first else 1,
                                               upsample=k > 2 and k % 2 == 1))
        side = 2 ** len(sizes)
        self.add_module(f"output_{side}x{side}", ToRGB(sizes[-1]))

    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z.reshape(z.shape[0], -1, 1, 1))


def new_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Old names (`features.{i}.conv.weight`, `output.conv.weight`) → published names; other keys of old files are dropped."""
    if "features.0.conv.weight" not in state:
        return dict(state)
    layers = sorted({int(m[1]) for k in state if (m := re.match(r"features\.(\d+)\.", k))})
    side = 2 ** (len(layers) // 2 + 1)
    names = {f"features.{i}": f"layer{i + 1}" for i in layers} | {"output": f"output_{side}x{side}"}
    return {f"{new}.{part}": state[f"{old}.{part}"] for old, new in names.items()
            for part in ("conv.weight", "wscale.b") if f"{old}.{part}" in state}


def is_proggan(state: Mapping[str, Tensor]) -> bool:
    """Whether the keys are those of a Progressive GAN, new or old names."""
    return {"layer1.conv.weight", "layer1.wscale.b"} <= set(state) or "features.0.conv.weight" in state


def sizes_of(state: Mapping[str, Tensor]) -> list[int]:
    """Reads `sizes` off tensor shapes: z from layer1's input, then the output channels of every odd layer."""
    sizes, k = [], 1
    while (weight := state.get(f"layer{k}.conv.weight")) is not None:
        if weight.ndim != 4:
            raise BadFile(f"layer{k}.conv.weight has shape {tuple(weight.shape)}; four dimensions are needed")
        if k == 1:
            sizes.append(weight.shape[1])
        if k % 2 == 1:
            sizes.append(weight.shape[0])
        k += 1
    if not sizes or k % 2 == 0:
        raise BadFile(f"a Progressive GAN has an even number of hidden layers, this file has {k - 1}")
    if len(sizes) > 11 or max(sizes) > 4096:
        raise BadFile(f"sizes {sizes} are larger than any Progressive GAN this program can hold")
    return sizes


def build(state: Mapping[str, Tensor]) -> ProgGANNet:
    """State dict (new or old names) → frozen network with float32 weights. Raises BadFile when keys or shapes do not fit."""
    state = new_keys(state)
    with torch.device("meta"):
        net = ProgGANNet(sizes_of(state))
    try:
        net.load_state_dict({k: v.float() for k, v in state.items()}, strict=True, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise BadFile(f"the file looks like a Progressive GAN but its tensors do not fit: {reason}") from error
    return freeze(net.eval().requires_grad_(False))

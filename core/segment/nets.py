"""The two small networks that read the bundled world: a U-Net (the dissector) and a dilated residual net (the judge).

They differ on purpose in topology, widths and receptive field, so that a picture that pleases one by accident need not
please the other. Both map (N,3,H,W) float -1..1, H and W multiples of `stride`, to logits (N, ΣC, H, W): one softmax
group a label channel.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval


class SegmentationNet(Protocol):
    """What the two networks share."""

    stride: int

    def trunk(self, x: Tensor) -> list[Tensor]:
        """Feature maps, coarse context first, the last at full size: what `head` reads."""
        ...

    def head(self, maps: list[Tensor]) -> Tensor:
        """Feature maps -> logits (N, ΣC, H, W)."""
        ...


class ConvUnit(nn.Sequential):
    """Convolution → batch norm → ReLU; `fold` leaves one convolution with bias, which is what ships."""

    def __init__(self, n_in: int, n_out: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1,
                 folded: bool = False) -> None:
        padding = dilation * (kernel - 1) // 2
        conv = nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=padding, dilation=dilation, bias=folded)
        super().__init__()
        self.conv = conv
        if not folded:
            self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return F.relu(self.norm(x) if "norm" in self._modules else x)

    def fold(self) -> None:
        """Merges the batch norm (in its eval form) into the convolution, in place."""
        if "norm" in self._modules:
            self.conv = fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
            del self.norm


class UNet(nn.Module):
    """Dissector. Five scales down by strided convolutions, up again with skips; about 0.5 G multiplications at 128 px."""

    stride = 16

    def __init__(self, outputs: int, widths: Sequence[int] = (16, 32, 64, 96, 128), *, folded: bool = False) -> None:
        super().__init__()
        w0 = widths[0]
        self.stem = nn.Sequential(ConvUnit(3, w0, folded=folded), ConvUnit(w0, w0, folded=folded))
        self.down = nn.ModuleList(
            nn.Sequential(ConvUnit(a, b, stride=2, folded=folded), ConvUnit(b, b, folded=folded))
            for a, b in zip(widths, widths[1:], strict=False))
        self.up = nn.ModuleList(ConvUnit(b + a, a, folded=folded) for a, b in zip(widths, widths[1:], strict=False))
        self.out = nn.Conv2d(w0, outputs, 1)

    def encode(self, x: Tensor) -> list[Tensor]:
        """Maps at 1, 1/2, 1/4, 1/8, 1/16 of the size, fine first."""
        maps = [self.stem(x)]
        for step in self.down:
            maps.append(step(maps[-1]))
        return maps

    def decode(self, maps: list[Tensor], steps: int = 4) -> list[Tensor]:
        """Encoder maps -> decoder maps at 1/8, 1/4, 1/2, 1 (the first `steps` of them), coarse first."""
        x, decoded = maps[-1], []
        for skip, step in list(zip(reversed(maps[:-1]), reversed(self.up), strict=True))[:steps]:
            x = step(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), skip], 1))
            decoded.append(x)
        return decoded

    def trunk(self, x: Tensor) -> list[Tensor]:
        maps = self.encode(x)
        return [maps[-1], *self.decode(maps)]

    def head(self, maps: list[Tensor]) -> Tensor:
        return cast(Tensor, self.out(maps[-1]))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x))


class DilatedBlock(nn.Module):
    """x + pointwise(dilated 3×3(x)), then ReLU."""

    def __init__(self, width: int, dilation: int, *, folded: bool) -> None:
        super().__init__()
        self.spread = ConvUnit(width, width, dilation=dilation, folded=folded)
        self.mix = ConvUnit(width, width, 1, folded=folded)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(self.spread(x))


class DilatedNet(nn.Module):
    """Judge. Stays at 1/4 size, sees far by dilation and a global average, sharpens with two skips."""

    stride = 4
    dilations = (1, 2, 4, 8, 1, 2, 4)

    def __init__(self, outputs: int, widths: Sequence[int] = (16, 32, 64), *, folded: bool = False) -> None:
        super().__init__()
        a, b, c = widths
        self.at_full = ConvUnit(3, a, folded=folded)
        self.at_half = ConvUnit(a, b, 4, stride=2, folded=folded)
        self.at_quarter = ConvUnit(b, c, 4, stride=2, folded=folded)
        self.body = nn.Sequential(*(DilatedBlock(c, d, folded=folded) for d in self.dilations))
        self.scene = nn.Linear(c, c)
        self.join_half = nn.Sequential(ConvUnit(c + b, b, 1, folded=folded), ConvUnit(b, b, folded=folded))
        self.join_fine = nn.Sequential(ConvUnit(b + a, a, 1, folded=folded), ConvUnit(a, a, folded=folded))
        self.out = nn.Conv2d(a, outputs, 1)

    def trunk(self, x: Tensor) -> list[Tensor]:
        fine = self.at_full(x)
        half = self.at_half(fine)
        deep = self.body(self.at_quarter(half))
        deep = deep + self.scene(deep.mean((2, 3)))[:, :, None, None]
        y = self.join_half(torch.cat([F.interpolate(deep, size=half.shape[2:], mode="bilinear"), half], 1))
        z = self.join_fine(torch.cat([F.interpolate(y, size=fine.shape[2:], mode="bilinear"), fine], 1))
        return [deep, y, z]

    def head(self, maps: list[Tensor]) -> Tensor:
        return cast(Tensor, self.out(maps[-1]))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x))


M = TypeVar("M", bound=nn.Module)


def placed(net: M, device: torch.device | str) -> M:
    """The net on a device, its weights laid out channels last, which the CPU's convolutions like best."""
    return net.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


ARCHITECTURES: dict[str, type[UNet] | type[DilatedNet]] = {"unet": UNet, "dilated": DilatedNet}


def fold(net: nn.Module) -> nn.Module:
    """Merges every batch norm into its convolution, in place; the net is in eval mode afterwards and computes the same."""
    net.eval()
    for module in net.modules():
        if isinstance(module, ConvUnit):
            module.fold()
    return net

"""What the generator must convince: heads on the frozen dissector's feature maps, and an ordinary critic of pictures.

Heads on frozen features learn fast what belongs where (Sauer et al., "Projected GANs converge faster", 2021) but hardly
see colour and texture; the picture critic, with minibatch deviation (Karras et al. 2018) and R1 (Mescheder et al. 2018),
brings those back.
"""
from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from core.segment.nets import UNet

# (which map, halvings in its head): encoder maps e1…e4 = 1/2 … 1/16 of the size, decoder maps d3, d2, d1 = 1/8, 1/4, 1/2
TAPS: tuple[tuple[str, int], ...] = (("e1", 2), ("e2", 1), ("e3", 0), ("e4", 0), ("d2", 1), ("d1", 2))
HEAD_WIDTH = 64


def feature_maps(net: UNet, images: Tensor) -> list[Tensor]:
    """Pictures at their own size -> the maps named in TAPS."""
    encoded = net.encode(images)
    decoded = net.decode(encoded, steps=3)
    named = {f"e{i}": x for i, x in enumerate(encoded)} | {f"d{i}": x for i, x in zip((3, 2, 1), decoded, strict=True)}
    return [named[name] for name, _ in TAPS]


def tap_widths(net: UNet) -> list[int]:
    """Channels of each map of `feature_maps`."""
    with torch.no_grad():
        probe = torch.zeros(1, 3, 32, 32, device=next(net.parameters()).device)
        return [x.shape[1] for x in feature_maps(net, probe)]


class FeatureCritic(nn.Module):
    """One head a map: fixed random mixing of channels, then few convolutions under spectral norm -> a map of scores."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.mixes = nn.ParameterList(nn.Parameter(_orthogonal(HEAD_WIDTH, width), requires_grad=False) for width in widths)
        self.heads = nn.ModuleList(_head(halvings) for _, halvings in TAPS)

    def calibrate(self, maps: list[Tensor]) -> None:
        """Scales each mixing so that on these maps (of real pictures) mixed channels have unit mean square."""
        for mix, x in zip(self.mixes, maps, strict=True):
            mix.data /= F.conv2d(x.float(), mix).square().mean().sqrt().clamp_min(1e-6)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        return [head(F.conv2d(x, mix)) for head, mix, x in zip(self.heads, self.mixes, maps, strict=True)]


def _orthogonal(rows: int, columns: int) -> Tensor:
    matrix = torch.empty(rows, columns)
    nn.init.orthogonal_(matrix)
    return matrix[:, :, None, None]


def _head(halvings: int) -> nn.Sequential:
    w = HEAD_WIDTH
    layers: list[nn.Module] = []
    for _ in range(halvings):
        layers += [spectral_norm(nn.Conv2d(w, w, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
    if not halvings:
        layers += [spectral_norm(nn.Conv2d(w, w, 3, padding=1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, spectral_norm(nn.Conv2d(w, 1, 3, padding=1)))


class EqualConv(nn.Module):
    """Convolution with equalised learning rate (Karras et al. 2018)."""

    def __init__(self, n_in: int, n_out: int, kernel: int, *, stride: int = 1, gain: float = math.sqrt(2)) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.scale = gain / math.sqrt(n_in * kernel * kernel)
        self.stride, self.padding = stride, (kernel - 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, stride=self.stride, padding=self.padding)


class Descent(nn.Module):
    """(N,3,R,R) -> (N,C,4,4). Blocks are named by the side of the map they read: a larger one takes over a smaller one's."""

    widths = {128: 32, 64: 32, 32: 64, 16: 128, 8: 192, 4: 256}

    def __init__(self, size: int, times: int = 1) -> None:
        super().__init__()
        self.size = size
        w = self.widths = {side: width * times for side, width in self.widths.items()}
        self.entry = nn.ModuleDict({str(size): EqualConv(3, w[size], 1)})
        sides = [side for side in w if 4 < side <= size]
        self.down = nn.ModuleDict({str(side): EqualConv(w[side], w[side // 2], 4, stride=2) for side in sides})
        self.same = nn.ModuleDict({str(side): EqualConv(w[side], w[side], 3) for side in (16, 8) if side <= size})

    def forward(self, images: Tensor) -> Tensor:
        x = F.leaky_relu(self.entry[str(self.size)](images), 0.2)
        for side, down in self.down.items():
            if side in self.same:
                x = F.leaky_relu(self.same[side](x), 0.2)
            x = F.leaky_relu(down(x), 0.2)
        return x


class PictureCritic(nn.Module):
    """(N,3,R,R) -> (N,1)."""

    def __init__(self, size: int, times: int = 1) -> None:
        super().__init__()
        self.descent = Descent(size, times)
        width = self.descent.widths[4]
        self.last = EqualConv(width + 1, width, 3)
        self.score = EqualConv(width, 1, 4, gain=1.0)

    def forward(self, images: Tensor) -> Tensor:
        x = self.descent(images)
        x = F.leaky_relu(self.last(torch.cat([x, deviation(x)], 1)), 0.2)
        score = F.conv2d(x, self.score.weight * self.score.scale, self.score.bias)
        return score.flatten(1)


def deviation(x: Tensor, groups: int = 8) -> Tensor:
    """(N,C,H,W) -> (N,1,H,W): how much pictures of a group differ, averaged over channels and places."""
    n, _, h, w = x.shape
    size = groups if n % groups == 0 else n
    spread = x.float().view(size, -1, *x.shape[1:])
    value = (spread.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    return value.to(x.dtype).repeat(size).view(n, 1, 1, 1).expand(n, 1, h, w)


def r1(critic: PictureCritic, images: Tensor) -> Tensor:
    """Mean squared gradient of the critic at real pictures, in full precision."""
    images = images.detach().float().requires_grad_()
    with torch.autocast(images.device.type, enabled=False):
        gradient, = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()

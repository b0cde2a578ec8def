"""Architectures as other people write them, with random weights, for tests that save, detect and reload."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TutorialGenerator(nn.Module):
    """The DCGAN generator of the PyTorch tutorial for 4·2**n pixels; `attribute` is `main` there."""

    def __init__(self, *, nz: int = 20, ngf: int = 4, channels: int = 3, doublings: int = 4, bias: bool = False, norm: bool = True,
                 attribute: str = "main", last: tuple[int, int, int] | None = None, first: int = 4) -> None:
        super().__init__()
        widths = [ngf * 2**k for k in reversed(range(doublings))]
        parts: list[nn.Module] = []
        for k, (n_in, n_out) in enumerate(zip([nz, *widths], [*widths, channels], strict=False)):
            kernel, stride, padding = (first, 1, 0) if k == 0 else (4, 2, 1)
            if last and k == doublings:
                kernel, stride, padding = last
            parts.append(nn.ConvTranspose2d(n_in, n_out, kernel, stride, padding, bias=bias))
            if k < doublings:
                parts += [*([nn.BatchNorm2d(n_out)] if norm else []), nn.ReLU(True)]
        setattr(self, attribute, nn.Sequential(*parts, nn.Tanh()))
        self.attribute = attribute

    def forward(self, z: Tensor) -> Tensor:
        return getattr(self, self.attribute)(z)


class NamedGenerator(nn.Module):
    """A DCGAN with one attribute a module (`tconv1`, `bn1` …), as many repositories write it."""

    def __init__(self) -> None:
        super().__init__()
        self.tconv1, self.bn1 = nn.ConvTranspose2d(12, 16, 4, 1, 0, bias=False), nn.BatchNorm2d(16)
        self.tconv2, self.bn2 = nn.ConvTranspose2d(16, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16)
        self.tconv3 = nn.ConvTranspose2d(16, 3, 4, 2, 1)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.tconv3(F.relu(self.bn2(self.tconv2(F.relu(self.bn1(self.tconv1(z))))))))


class NestedGenerator(nn.Module):
    """A DCGAN of blocks inside a sequence (`net.0.0`, `net.0.1` …)."""

    def __init__(self) -> None:
        super().__init__()

        def block(n_in: int, n_out: int, stride: int, padding: int) -> nn.Sequential:
            return nn.Sequential(nn.ConvTranspose2d(n_in, n_out, 4, stride, padding, bias=False), nn.BatchNorm2d(n_out), nn.ReLU())

        self.net = nn.Sequential(block(10, 16, 1, 0), block(16, 8, 2, 1), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)


class Branched(nn.Module):
    """Not a chain: `skip` passes around `middle`, `styled` sees the latent, the output is 0..1 and grey."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Linear(6, 8 * 16)
        self.first = nn.Conv2d(8, 8, 3, padding=1)
        self.middle = nn.Conv2d(8, 8, 3, padding=1)
        self.joined = nn.Conv2d(8, 8, 3, padding=1)
        self.style = nn.Linear(6, 8)
        self.last = nn.Conv2d(8, 1, 1)

    def forward(self, z: Tensor) -> Tensor:
        x = F.relu(self.first(self.start(z).view(-1, 8, 4, 4)))
        x = self.joined(F.relu(self.middle(x)) + x)
        x = F.interpolate(x * (1 + self.style(z))[:, :, None, None], scale_factor=2.0)
        return torch.sigmoid(self.last(x))


def randomised(net: nn.Module, seed: int = 0) -> nn.Module:
    """Every tensor drawn anew, running statistics too, so that nothing is 0 or 1 by default."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if tensor.is_floating_point():
                drawn = torch.randn(tensor.shape, generator=rng) * 0.5
                tensor.copy_(drawn.abs() + 0.5 if "running_var" in name else drawn)
    return net.eval()


def branched() -> tuple[nn.Module, int]:
    """For "module:function" tests: a module and the length of its latent."""
    return randomised(Branched()), 6


def tutorial() -> nn.Module:
    """For "module:function" tests: a module that only wraps a sequence."""
    return randomised(TutorialGenerator(doublings=3))


def unseeded() -> nn.Module:
    """Other weights each time."""
    return nn.Sequential(nn.ConvTranspose2d(4, 4, 4), nn.ConvTranspose2d(4, 3, 4, 2, 1))


def not_a_module() -> int:
    """A mistake."""
    return 7


def broken() -> nn.Module:
    """Another mistake."""
    raise FileNotFoundError("weights.pth")

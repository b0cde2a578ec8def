"""The third voice: what an encoder reads off a painted scene, the generator must be able to draw again.

A convincing picture is easy to repeat; critics alone let a generator forget half of its world. So every batch holds latents drawn
from the prior and latents that an encoder found for real scenes, and the latter's pictures are compared with those scenes, in
pixels and in the dissector's features (Larsen et al., "Autoencoding beyond pixels using a learned similarity metric", 2016). How
much an encoder may tell is held at `nats` a scene by the weight of the divergence from the prior, so that latents of scenes and
latents from the prior stay the same kind of thing. The generator keeps its form: N(0, I) in, pictures out; the encoder is thrown away.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.training.critics import Descent, EqualConv


class SceneEncoder(nn.Module):
    """(N,3,R,R) -> mean and log variance of the latent, (N,z_dim) each."""

    def __init__(self, size: int, z_dim: int) -> None:
        super().__init__()
        self.descent = Descent(size)
        width = self.descent.widths[4]
        self.mix = EqualConv(width, width, 4)
        self.out = EqualConv(width, 2 * z_dim, 1, gain=1.0)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.descent(images)
        x = F.leaky_relu(F.conv2d(x, self.mix.weight * self.mix.scale, self.mix.bias), 0.2)
        mean, spread = self.out(x).flatten(1).float().chunk(2, 1)
        return mean, spread.clamp(-8, 4)


@dataclass
class Budget:
    """Weight of the divergence, moved until scenes cost `nats` each."""

    nats: float
    weight: float = 1e-3

    def move(self, spent: float, rate: float = 0.01) -> None:
        """A step up when too much was told, down when too little."""
        self.weight = min(max(self.weight * (1 + rate if spent > self.nats else 1 - rate), 1e-6), 10.0)


def divergence(mean: Tensor, spread: Tensor) -> Tensor:
    """KL(N(mean, exp(spread)) ‖ N(0, I)) in nats a scene, averaged over the batch."""
    return 0.5 * (mean.square() + spread.exp() - 1 - spread).sum(1).mean()


def surprise(latent: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    """Negative log likelihood of known latents under the encoder's normals, without its constant; in nats a picture."""
    return 0.5 * ((latent - mean).square() * (-spread).exp() + spread).sum(1).mean()


def drawn(mean: Tensor, spread: Tensor, rng: torch.Generator) -> Tensor:
    """A latent of each scene's own normal distribution; differentiable."""
    noise = torch.randn(mean.shape, generator=rng).to(mean.device)
    return mean + (0.5 * spread).exp() * noise


def gap(fake: Tensor, real: Tensor, fake_maps: list[Tensor], real_maps: list[Tensor]) -> Tensor:
    """Mean absolute difference of pictures, plus that of each feature map in units of the real map's mean size, averaged."""
    maps = [(a.float() - b.float()).abs().mean() / b.float().abs().mean().clamp_min(1e-6)
            for a, b in zip(fake_maps, real_maps, strict=True)]
    return (fake.float() - real.float()).abs().mean() + torch.stack(maps).mean()

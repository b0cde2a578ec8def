"""What happens to painted scenes before a segmenter sees them, so that it also reads the softer pictures of a generator."""
from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional as F


def roughen(images: Tensor, labels: Tensor, rng: Generator) -> tuple[Tensor, Tensor]:
    """(N,3,H,W) -1..1 and labels (N,S,H,W) -> the same shapes: mirrored, softened, recoloured, with noise; each by chance."""
    n = len(images)
    mirror = torch.rand(n, generator=rng) < 0.5
    images = torch.where(mirror.view(-1, 1, 1, 1), images.flip(3), images)
    labels = torch.where(mirror.view(-1, 1, 1, 1), labels.flip(3), labels)
    how = torch.rand(n, generator=rng).view(-1, 1, 1, 1)
    images = torch.where(how < 0.35, through_half_size(images), torch.where(how < 0.5, blur(images), images))
    gain = 1 + 0.12 * torch.randn(n, 3, 1, 1, generator=rng).clamp(-2, 2) * torch.rand(n, 1, 1, 1, generator=rng)
    shift = 0.12 * torch.randn(n, 1, 1, 1, generator=rng).clamp(-2, 2)
    noise = 0.08 * torch.rand(n, 1, 1, 1, generator=rng) * (torch.rand(n, 1, 1, 1, generator=rng) < 0.5)
    return (images * gain + shift + noise * torch.randn(images.shape, generator=rng)).clamp(-1, 1), labels


def through_half_size(images: Tensor) -> Tensor:
    """As if painted at half the size and enlarged bilinearly, which is how pictures under 128 px are read."""
    small = F.avg_pool2d(images, 2)
    return F.interpolate(small, scale_factor=2.0, mode="bilinear", align_corners=False)


def blur(images: Tensor) -> Tensor:
    """A 5-tap binomial blur, edges repeated."""
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    kernel = (taps[:, None] * taps[None]).expand(3, 1, 5, 5)
    return F.conv2d(F.pad(images, (2, 2, 2, 2), mode="replicate"), kernel, groups=3)


def half_size(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures and labels at half the size: lets the encoder see small pictures as they are, as the generator's critic does."""
    return F.avg_pool2d(images, 2), labels[:, :, ::2, ::2]

"""A small pixel classifier: learns from a few labelled pictures what each pixel is, from its colour and surroundings.

    net = fit(images, targets, exclusive=False)        # seconds on a CPU
    probabilities = net(images)                        # (N,C,h,w), differentiable in the pictures

No pretrained weights: 35 hand-made features a pixel (colour and texture at several scales, place, the picture as a whole) and two
small hidden layers, the recipe of interactive segmentation tools (Sommer et al., ilastik, ISBI 2011).
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.errors import BadInput

WORKING_SIDE = 64
BLURS = (1.0, 2.0, 4.0, 8.0)
WINDOWS = (3, 7, 15)
HIDDEN = 32
MAX_SAMPLES = 24_000
BATCH = 1024
STEPS = 250
UNKNOWN = -1


def working_size(height: int, width: int) -> tuple[int, int]:
    """The size at which pixels are classified: the picture's, or the largest below WORKING_SIDE in whole steps."""
    step = max(1, min(height, width) // WORKING_SIDE)
    return height // step, width // step


def pixel_features(images: Tensor) -> Tensor:
    """(N,3,H,W) float -1..1 -> (N,35,h,w) at the working size; differentiable."""
    if images.ndim != 4 or images.shape[1] != 3:
        raise BadInput(f"pictures are (N,3,H,W), got {tuple(images.shape)}")
    x = F.adaptive_avg_pool2d(images.clamp(-1, 1), working_size(images.shape[2], images.shape[3]))
    n, _, h, w = x.shape
    blurred = [_blur(x, sigma) for sigma in BLURS]
    grey = x.mean(1, keepdim=True)
    texture = [(_box(grey.square(), k) - _box(grey, k).square()).clamp(min=1e-6).sqrt() for k in WINDOWS]
    slopes = [slope for b in blurred[:3] for slope in _slopes(b.mean(1, keepdim=True))]
    ys = torch.linspace(-1, 1, h, device=x.device).view(1, 1, h, 1).expand(n, 1, h, w)
    xs = torch.linspace(-1, 1, w, device=x.device).view(1, 1, 1, w).expand(n, 1, h, w)
    whole = torch.cat([x.mean((2, 3)), x.std((2, 3))], 1)[:, :, None, None].expand(-1, -1, h, w)
    return torch.cat([x, *blurred, *texture, *slopes, ys, xs, xs.square(), whole], 1)[:, :N_FEATURES]


N_FEATURES = 3 + 3 * len(BLURS) + len(WINDOWS) + 2 * 3 + 3 + 6


@dataclass(frozen=True)
class PixelNet:
    """Weights of the classifier. Classes are independent (sigmoid), or with `exclusive` share a softmax led by "none"."""

    mean: Tensor
    scale: Tensor
    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    exclusive: bool

    def __call__(self, images: Tensor) -> Tensor:
        """(N,3,H,W) -> (N,C,h,w) probabilities of the classes."""
        return self._read(pixel_features(images.to(self.mean.device)))

    def _read(self, features: Tensor) -> Tensor:
        x = self.logits((features.permute(0, 2, 3, 1) - self.mean) * self.scale).permute(0, 3, 1, 2)
        return x.softmax(1)[:, 1:] if self.exclusive else x.sigmoid()

    def logits(self, x: Tensor) -> Tensor:
        """Standardised features (…, F) -> logits (…, classes)."""
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = F.linear(x, weight, bias)
            x = F.silu(x) if k < len(self.weights) - 1 else x
        return x

    def to(self, device: torch.device) -> PixelNet:
        """The same on another device."""
        return PixelNet(self.mean.to(device), self.scale.to(device), tuple(w.to(device) for w in self.weights),
                        tuple(b.to(device) for b in self.biases), self.exclusive)

    def arrays(self) -> dict[str, np.ndarray]:
        """All tensors by name, for the Store."""
        layers = {f"{what}{k}": t.cpu().numpy() for what, ts in (("weight", self.weights), ("bias", self.biases))
                  for k, t in enumerate(ts)}
        return {"mean": self.mean.cpu().numpy(), "scale": self.scale.cpu().numpy(), "exclusive": np.array(self.exclusive), **layers}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> PixelNet:
        """The inverse of `arrays`."""
        n = sum(k.startswith("weight") for k in arrays)
        t = {k: torch.from_numpy(np.array(v)) for k, v in arrays.items() if k != "exclusive"}
        return cls(t["mean"], t["scale"], tuple(t[f"weight{k}"] for k in range(n)), tuple(t[f"bias{k}"] for k in range(n)),
                   bool(arrays["exclusive"]))


def fit(images: Tensor, targets: Tensor, *, exclusive: bool, seed: int = 0) -> PixelNet:
    """Learns the classes of pixels.

    images (N,3,H,W) float -1..1. targets at the working size, UNKNOWN (-1) where nobody said anything:
    exclusive: (N,h,w) int, 0 = none, 1 … C; else (N,C,h,w) of 0 and 1, each class for itself. The 0.5 of an independent class is
    where its agreement (IoU) with the targets is highest.
    """
    features = pixel_features(images)
    n_classes = (int(targets.max()) if exclusive else targets.shape[1])
    if n_classes < 1:
        raise BadInput("nothing was labelled")
    rng = torch.Generator().manual_seed(seed)
    flat = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])
    known = targets.reshape(-1, 1) if exclusive else targets.permute(0, 2, 3, 1).reshape(-1, n_classes)
    some = (known != UNKNOWN).any(1).nonzero()[:, 0]
    chosen = some[torch.randperm(len(some), generator=rng)[:MAX_SAMPLES]]
    x, y = flat[chosen], known[chosen]
    mean, scale = x.mean(0), 1 / x.std(0).clamp(min=1e-3)
    x = (x - mean) * scale
    sizes = (features.shape[1], HIDDEN, HIDDEN, n_classes + exclusive)
    weights = [torch.randn(o, i, generator=rng) * (2 / i) ** 0.5 * (0.1 if o == sizes[-1] else 1)
               for i, o in zip(sizes, sizes[1:], strict=False)]
    biases = [torch.zeros(o) for o in sizes[1:]]
    parameters = [t.requires_grad_(True) for t in (*weights, *biases)]
    net = PixelNet(mean, scale, tuple(weights), tuple(biases), exclusive)
    optimiser = torch.optim.Adam(parameters, lr=0.02, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.02, total_steps=STEPS)
    with torch.enable_grad():
        for _ in range(STEPS):
            some = torch.randint(len(x), (min(BATCH, len(x)),), generator=rng)
            optimiser.zero_grad()
            _loss(net.logits(x[some]), y[some], exclusive=exclusive).backward()
            optimiser.step()
            schedule.step()
    plain = PixelNet(mean, scale, tuple(w.detach() for w in weights), tuple(b.detach() for b in biases), exclusive)
    if exclusive:
        return plain
    with torch.no_grad():
        last = plain.biases[-1] - _best_cuts(plain.logits(x), y)
    return PixelNet(mean, scale, plain.weights, (*plain.biases[:-1], last), exclusive)


def _loss(logits: Tensor, y: Tensor, *, exclusive: bool) -> Tensor:
    if exclusive:
        return F.cross_entropy(logits, y[:, 0])
    known = y != UNKNOWN
    share = ((y == 1).sum(0) / known.sum(0).clamp(min=1)).clamp(1e-3, 1)
    weight = torch.where(y == 1, (0.5 / share).clamp(max=20), 1.0) * known
    return (F.binary_cross_entropy_with_logits(logits, y.clamp(min=0).float(), reduction="none") * weight).sum() / weight.sum()


def _best_cuts(logits: Tensor, y: Tensor) -> Tensor:
    """(C,): the logit at which each class agrees best with its targets."""
    cuts = []
    for c in range(logits.shape[1]):
        known = y[:, c] != UNKNOWN
        order = logits[known, c].argsort(descending=True)
        hit = (y[known, c][order] == 1).double().cumsum(0)
        total = hit[-1] if len(hit) else torch.tensor(0.0)
        iou = hit / (torch.arange(1, len(hit) + 1) + total - hit)
        k = int(iou.argmax()) if len(iou) else 0
        values = logits[known, c][order]
        cuts.append((values[k] + values[min(k + 1, len(values) - 1)]) / 2 if len(values) else torch.tensor(0.0))
    return torch.stack(cuts)


def _blur(x: Tensor, sigma: float) -> Tensor:
    radius = int(2.5 * sigma + 0.5)
    t = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-t.square() / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    c = x.shape[1]
    x = F.pad(x, (radius, radius, radius, radius), mode="replicate")
    x = F.conv2d(x, kernel.view(1, 1, 1, -1).expand(c, 1, 1, -1), groups=c)
    return F.conv2d(x, kernel.view(1, 1, -1, 1).expand(c, 1, -1, 1), groups=c)


def _box(x: Tensor, k: int) -> Tensor:
    return F.avg_pool2d(F.pad(x, (k // 2,) * 4, mode="replicate"), k, 1)


def _slopes(x: Tensor) -> tuple[Tensor, Tensor]:
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return (x[:, :, 1:-1, 2:] - x[:, :, 1:-1, :-2]).abs(), (x[:, :, 2:, 1:-1] - x[:, :, :-2, 1:-1]).abs()

"""A network from pictures back into one generator: latent and activations of one layer, the start of an inversion.

It is trained on the generator's own samples, whose latents and activations are known (`python -m core.training encoder`), so it
needs no photographs. One file belongs to one generator; its metadata says which (fingerprint) and which layer.
"""
from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import BadFile, MissingWeights


class Residual(nn.Module):
    """x + two 3×3 convolutions, pre-activated, with batch-independent normalisation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, width), nn.GroupNorm(8, width)
        self.conv1, self.conv2 = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(y)))


class EncoderNet(nn.Module):
    """(N,3,S,S) float −1..1 → latent (N, z_dim) of length √z_dim and activations (N, units, grid, grid).

    S is `side`, a power of two times `grid`. `mean` and `spread` (units,) are those of the generator's activations, stored with
    the weights: the net itself works in units of them.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, side: int, grid: int, units: int, z_dim: int, width: int = 32) -> None:
        super().__init__()
        self.config = {"side": side, "grid": grid, "units": units, "z_dim": z_dim, "width": width}
        widths = [min(width * (i + 1), 4 * width) for i in range(int(math.log2(side // grid)) + 1)]
        steps: list[nn.Module] = [nn.Conv2d(3, widths[0], 3, padding=1)]
        for a, b in zip(widths, widths[1:], strict=False):
            steps += [nn.Conv2d(a, b, 4, stride=2, padding=1), Residual(b)]
        self.trunk = nn.Sequential(*steps, Residual(widths[-1]), nn.GroupNorm(8, widths[-1]), nn.SiLU())
        self.acts = nn.Conv2d(widths[-1], units, 1)
        self.squeeze = nn.Conv2d(widths[-1], 16, 1)
        self.latent = nn.Linear(16 * grid * grid, z_dim)
        self.register_buffer("mean", torch.zeros(units))
        self.register_buffer("spread", torch.ones(units))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.trunk(images)
        z = self.latent(F.silu(self.squeeze(x)).flatten(1))
        z = F.normalize(z) * math.sqrt(z.shape[1])  # a Gaussian latent of many dimensions has this length, nearly always
        return z, self.acts(x) * self.spread.view(1, -1, 1, 1) + self.mean.view(1, -1, 1, 1)


@dataclass(frozen=True)
class Encoder:
    """An encoder with what it belongs to: `generator` is the fingerprint of the weights it was trained on."""

    net: EncoderNet
    layer: str
    generator: str
    fingerprint: str

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N,3,H,W) float −1..1 → (N, z_dim) latent and (N,U,h,w) activations right after `layer`."""
        return self.net(images)


def save(net: EncoderNet, path: Path, *, layer: str, generator: str, **notes: str) -> None:
    """Writes the encoder as .safetensors (half precision) with its metadata, beside and then renamed."""
    from safetensors.torch import save_file

    state = {k: v.detach().cpu().half().contiguous() for k, v in net.state_dict().items()}
    aside = path.with_suffix(".tmp")
    save_file(state, aside, metadata={"config": json.dumps(net.config), "layer": layer, "generator": generator, **notes})
    aside.replace(path)


def load(path: Path, device: str | torch.device = "cpu") -> Encoder:
    """Reads an encoder. Raises MissingWeights when the file is not there, BadFile when it is not an encoder's."""
    import hashlib

    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise MissingWeights(f"there is no encoder at {path}; train one with: python -m core.training encoder")
    try:
        with safe_open(path, "pt") as file:
            meta = file.metadata() or {}
            state = {k: file.get_tensor(k).float() for k in file.keys()}  # noqa: SIM118 (not a dict)
        net = EncoderNet(**json.loads(meta["config"]))
        net.load_state_dict(state)
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise BadFile(f"{path.name} is not an encoder's weight file ({str(error)[:160]})") from error
    mark = hashlib.sha256(path.read_bytes()).hexdigest()
    return Encoder(net.eval().requires_grad_(False).to(device), meta["layer"], meta["generator"], mark)

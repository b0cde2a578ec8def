"""A photo into the generator: the latent and the activations of one layer whose picture comes closest to it.

    target = prepare(photo, generator.image_size)
    found = invert(generator, target, layer="layer4", encoder=encoder, features=dissector.features, steps=50)
    found.image                       # the reconstruction; edit found.acts and run the tail to edit the photo

Start from an encoder trained on the generator's own samples, then gradient descent on the latent z and on a residual δ added
right after `layer`, so that activations = head(z) + δ (Bau et al. 2019, *Semantic photo manipulation*, §3.1: the generator stays
frozen, the residual is kept small). Editing then works as on any generated picture; pixels outside the mask are taken from the
photo.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core import image as pictures
from core.errors import BadInput
from core.jobs import Report, no_report

if TYPE_CHECKING:
    from torch import Tensor

    from core.segment.base import Segmenter
    from core.zoo.encoder import Encoder
    from core.zoo.generator import Generator

LR_LATENT, LR_RESIDUAL = 0.03, 0.05
RESIDUAL_WEIGHT, FEATURE_WEIGHT = 0.002, 0.1


@dataclass(frozen=True)
class Step:
    """One point of the error curve: optimisation steps done, PSNR in dB of the 8-bit reconstruction against the target."""

    step: int
    psnr: float


@dataclass(frozen=True)
class Inversion:
    """What was found. target, image: uint8 (H,W,3); z (1, z_dim) and acts (1,U,h,w): float32 arrays right after `layer`."""

    layer: str
    target: np.ndarray
    image: np.ndarray
    z: np.ndarray
    acts: np.ndarray
    curve: tuple[Step, ...]
    seconds: float

    @property
    def psnr(self) -> float:
        """dB, of the final reconstruction."""
        return self.curve[-1].psnr


def prepare(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 RGB of any size -> the largest centred crop of the generator's shape, resized to `size` (h, w)."""
    photo = pictures.check_rgb(photo)
    height, width = photo.shape[:2]
    h, w = size
    scale = min(height / h, width / w)
    ch, cw = max(1, round(h * scale)), max(1, round(w * scale))
    top, left = (height - ch) // 2, (width - cw) // 2
    return pictures.resize(photo[top:top + ch, left:left + cw], size)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 pictures of one shape; 99 when they are equal."""
    mse = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return 99.0 if mse == 0 else float(10 * np.log10(255**2 / mse))


def invert(generator: Generator, target: np.ndarray, *, layer: str, encoder: Encoder | None = None,
           features: Callable[[Tensor], Tensor] | None = None, steps: int = 50, seed: int = 0, preview_every: int = 10,
           preview: Callable[[Step, np.ndarray], None] | None = None, report: Report = no_report) -> Inversion:
    """Finds z and the activations of `layer` for a target picture, uint8 (H,W,3) of the generator's size.

    encoder: the start; without one it is the best of 64 random latents from `seed`. features: (N,3,H,W) -> (N,D) or a feature
    map, compared besides the pixels (never the judge's). `preview` sees the curve's points. steps=0 is the encoder alone.
    """
    import torch

    if target.shape[:2] != generator.image_size:
        raise BadInput(f"the picture must be {generator.image_size}, got {target.shape[:2]}; use prepare()")
    if encoder is not None and (encoder.layer != layer or encoder.generator != generator.fingerprint):
        raise BadInput(f"the encoder was made for {encoder.layer} of other weights, not for {layer} of {generator.name}")
    began = time.perf_counter()
    goal = pictures.from_u8(target).to(generator.device)
    with torch.no_grad():
        z, acts = _start(generator, goal, layer, encoder, seed)
        base = generator.head(z, layer)
        spread = base.std((0, 2, 3), keepdim=True).clamp_min(1e-3)
        want = features(goal) if features is not None else None
    z = z.clone().requires_grad_()
    residual = ((acts - base) / spread).clone().requires_grad_()
    optimiser = torch.optim.Adam([{"params": [z], "lr": LR_LATENT}, {"params": [residual], "lr": LR_RESIDUAL}])
    curve: list[Step] = []

    def show(step: int) -> np.ndarray:
        with torch.no_grad():
            shot = pictures.to_u8(generator.tail(generator.head(z, layer) + residual * spread, layer, z))[0]
        curve.append(Step(step, psnr(shot, target)))
        if preview is not None:
            preview(curve[-1], shot)
        return shot

    shot = show(0)
    for step in range(1, steps + 1):
        report(step - 1, steps, f"{curve[-1].psnr:.1f} dB")
        for group, rate in zip(optimiser.param_groups, (LR_LATENT, LR_RESIDUAL), strict=True):
            group["lr"] = rate * min(1.0, 2.0 * (1 - (step - 1) / steps))  # constant, then a linear decay in the second half
        made = generator.tail(generator.head(z, layer) + residual * spread, layer, z)
        loss = (made - goal).abs().mean() + RESIDUAL_WEIGHT * residual.square().mean()
        if features is not None and want is not None:
            loss = loss + FEATURE_WEIGHT * (features(made.clamp(-1, 1)) - want).abs().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if step % preview_every == 0 or step == steps:
            shot = show(step)
    report(steps, steps, f"{curve[-1].psnr:.1f} dB")
    with torch.no_grad():
        final = generator.head(z, layer) + residual * spread
    seconds = time.perf_counter() - began
    return Inversion(layer, target, shot, z.detach().cpu().numpy(), final.cpu().numpy(), tuple(curve), seconds)


def _start(generator: Generator, goal: Tensor, layer: str, encoder: Encoder | None, seed: int) -> tuple[Tensor, Tensor]:
    """Latent and activations to begin with."""
    import torch

    if encoder is not None:
        z, acts = encoder(goal)
        return z, acts
    z = generator.z_for_seeds(range(seed, seed + 64))
    errors = torch.cat([(generator.span(part, None, None, part) - goal).abs().mean((1, 2, 3)) for part in z.split(8)])
    best = z[errors.argmin()][None]
    return best, generator.head(best, layer)


@dataclass(frozen=True)
class Loss:
    """What the reconstruction alone loses or invents of one label: shares of the picture, before and after."""

    label: str
    before: float
    after: float


def lost(segmenter: Segmenter, target: np.ndarray, image: np.ndarray, *, least: float = 0.005) -> list[Loss]:
    """"What the GAN cannot draw": per label its area in the photo and in the reconstruction, largest loss first.

    Labels below `least` of the picture in both are left out. Without this, a loss would look like a successful removal.
    """
    import torch

    with torch.inference_mode():
        maps = segmenter(pictures.from_u8(np.stack([target, image])))
    area = [(maps == label.id).any(1).float().mean((1, 2)).tolist() for label in segmenter.labels]
    rows = [Loss(label.name, before, after) for label, (before, after) in zip(segmenter.labels, area, strict=True)
            if label.id and max(before, after) >= least]
    return sorted(rows, key=lambda row: row.after - row.before)


@dataclass(frozen=True)
class Domain:
    """How well a generator's encoder fits what it was made for, and what it was not: PSNR in dB at 0 steps of either set."""

    inside: tuple[float, ...]
    outside: tuple[float, ...]

    @property
    def threshold(self) -> float:
        """The PSNR that splits the two sets with the fewest errors, each set weighing the same (dB)."""
        values = sorted({*self.inside, *self.outside})
        cuts = [values[0] - 1, *((a + b) / 2 for a, b in zip(values, values[1:], strict=False)), values[-1] + 1]
        ins, outs = np.asarray(self.inside), np.asarray(self.outside)
        return float(min(cuts, key=lambda cut: float((ins < cut).mean() + (outs >= cut).mean())))

    def verdict(self, value: float) -> str:
        """"in domain" or "out of domain"."""
        return "in domain" if value >= self.threshold else "out of domain"


def correct(generator: Generator, found: Inversion, edited: np.ndarray, keep: np.ndarray, *, steps: int = 40,
            report: Report = no_report) -> np.ndarray:
    """Image-specific correction: late layers adapted so that the edited picture equals the photo where `keep` is True.

    edited: (1,U,h,w) activations of `found.layer` after the edit; keep: bool (H,W). Every layer after it gets a gain and an
    offset per unit, learned with a masked L1 loss and a penalty (Bau et al. 2019, *Semantic photo manipulation*, §3.2, with
    per-unit modulations in place of weight perturbations). Returns uint8 (H,W,3).
    """
    import torch

    names = [info.name for info in generator.layers]
    late = generator.layers[names.index(found.layer) + 1:]
    goal = pictures.from_u8(found.target).to(generator.device)
    weight = torch.from_numpy(np.ascontiguousarray(keep, np.float32)).to(generator.device)
    start = torch.from_numpy(np.array(edited)).to(generator.device)
    z = torch.from_numpy(np.array(found.z)).to(generator.device)
    gains = [torch.zeros(1, info.units, 1, 1, device=generator.device, requires_grad=True) for info in late]
    offsets = [torch.zeros(1, info.units, 1, 1, device=generator.device, requires_grad=True) for info in late]

    def make() -> Tensor:
        x, here = start, found.layer
        for info, gain, offset in zip(late, gains, offsets, strict=True):
            x, here = generator.span(x, here, info.name, z) * (1 + gain) + offset, info.name
        return generator.tail(x, here, z)

    optimiser = torch.optim.Adam([*gains, *offsets], lr=0.01)
    for step in range(steps):
        report(step, steps)
        penalty = torch.stack([t.square().mean() for t in (*gains, *offsets)]).sum() if late else start.sum() * 0
        loss = ((make() - goal).abs().mean(1) * weight).sum() / weight.sum().clamp_min(1) + 0.01 * penalty
        if not late:
            break
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    report(steps, steps)
    with torch.no_grad():
        return pictures.to_u8(make())[0]


def measure(generator: Generator, targets: Sequence[np.ndarray], *, layer: str, encoder: Encoder | None, judge: Segmenter,
            features: Callable[[Tensor], Tensor] | None, steps: Sequence[int] = (0, 50, 300),
            report: Report = no_report) -> dict[int, np.ndarray]:
    """Reconstruction quality of a set of pictures: {steps: (N,2) PSNR in dB and pixel agreement of the judge's label maps}."""
    import torch

    rows: dict[int, list[tuple[float, float]]] = {n: [] for n in steps}
    for i, target in enumerate(targets):
        report(i, len(targets))
        for n in steps:
            found = invert(generator, target, layer=layer, encoder=encoder, features=features, steps=n)
            with torch.inference_mode():
                maps = judge(pictures.from_u8(np.stack([target, found.image])))
            rows[n].append((found.psnr, float((maps[0] == maps[1]).float().mean())))
    report(len(targets), len(targets))
    return {n: np.asarray(values) for n, values in rows.items()}

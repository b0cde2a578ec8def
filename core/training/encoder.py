"""Trains the encoder of one generator on that generator's own samples: pictures in, latent and activations of one layer out."""
from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from core.scenes import paint_scenes
from core.training import checkpoint
from core.zoo.encoder import EncoderNet, save
from core.zoo.generator import Generator, layer_info

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EncoderConfig:
    """`images` samples of the generator, each seen once; the learning rate ends at zero there.

    scenes: share of a batch that are painted scenes, compared in pixels through the generator's tail: real pictures are what the
    encoder is for, and their latents are not known.
    """

    layer: str
    images: int = 20_000
    batch: int = 16
    lr: float = 2e-3
    width: int = 32
    scenes: float = 0.25
    seed: int = 0


def train(config: EncoderConfig, generator: Generator, home: Path, *, stop_after: int | None = None) -> EncoderNet:
    """Trains to the end, or to `stop_after` samples, resuming from the checkpoint of the same generator and configuration."""
    info = layer_info(generator, config.layer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        net = EncoderNet(generator.image_size[0], info.size[0], info.units, generator.z_dim, config.width).to(generator.device)
    net.mean, net.spread = _statistics(generator, config.layer)
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.lr, weight_decay=1e-4)
    path = home / f"encoder-{generator.fingerprint[:12]}-{config.layer}.pt"
    identity = {**asdict(config), "generator": generator.fingerprint}
    state = checkpoint.load(path)
    step, steps = 0, config.images // config.batch
    if state is not None and state["config"] == identity:
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        step = int(state["step"])
    last = steps if stop_after is None else min(steps, stop_after // config.batch)
    clock = checkpoint.Clock(step * config.batch, config.images)
    while step < last:
        for group in optimiser.param_groups:
            group["lr"] = config.lr * min(1.0, (step + 1) / 50) * max(0.02, 1 - step / steps)
        loss = _loss(config, net, generator, step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        if clock.due_to_tell():
            log.info("encoder: %s, loss %.3f", clock.line(step * config.batch), float(loss))
        if clock.due_to_save() or step == last:
            checkpoint.save(path, {"config": identity, "step": step, "net": net.state_dict(),
                                   "optimiser": optimiser.state_dict()})
    return net.eval()


def _statistics(generator: Generator, layer: str) -> tuple[Tensor, Tensor]:
    """Mean and spread of every unit over 64 samples: the encoder's outputs are in these units."""
    with torch.no_grad():
        acts = generator.head(generator.z_for_seeds(range(64)), layer)
    return acts.mean((0, 2, 3)), acts.std((0, 2, 3)).clamp_min(1e-3)


def _loss(config: EncoderConfig, net: EncoderNet, generator: Generator, step: int) -> Tensor:
    """Samples: latent (direction only: the generator normalises it) and activations. Painted scenes: pixels through the tail."""
    rng = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    n_scenes = round(config.batch * config.scenes)
    z = torch.randn(config.batch - n_scenes, generator.z_dim, generator=rng).to(generator.device)
    with torch.no_grad():
        acts = generator.head(z, config.layer)
        images = generator.tail(acts, config.layer, z).clamp(-1, 1)
    seen_z, seen = net(images)
    spread = net.spread.view(1, -1, 1, 1)
    loss = ((seen - acts) / spread).abs().mean() + 1 - F.cosine_similarity(seen_z, z).mean()
    if n_scenes:
        first = 2_000_000 + step * n_scenes  # beyond every other set of scenes
        painted, _ = paint_scenes(range(first, first + n_scenes), generator.image_size[0])
        goal = torch.from_numpy(painted).permute(0, 3, 1, 2).float().div(127.5).sub(1).to(generator.device)
        _, found = net(goal)
        loss = loss + (generator.tail(found, config.layer).clamp(-1.2, 1.2) - goal).abs().mean()
    return loss


def export(net: EncoderNet, config: EncoderConfig, generator: Generator, path: Path) -> None:
    """Writes the bundled file."""
    save(net, path, layer=config.layer, generator=generator.fingerprint, licence="MIT", images=str(config.images))

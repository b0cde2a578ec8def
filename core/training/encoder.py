"""Trains the encoder of one generator on that generator's own samples: pictures in, latent and activations of one layer out."""
from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.errors import BadInput
from core.training import checkpoint
from core.training.pool import Pool, open_pool
from core.zoo.encoder import EncoderNet, load, save
from core.zoo.generator import Generator, layer_info

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EncoderConfig:
    """`images` pictures are seen; the learning rate ends at zero there.

    scenes: share of a batch that are painted scenes, compared in pixels through the generator's tail: they are what the encoder
    of the bundled model is for, and their latents are not known. They are those the generator was trained on (`pool` of them).
    start: fingerprint of another encoder's file whose weights are the beginning, "" = random ones.
    """

    layer: str
    images: int = 20_000
    batch: int = 16
    lr: float = 2e-3
    width: int = 32
    scenes: float = 0.5
    pool: int = 30_000
    seed: int = 0
    start: str = ""


def train(config: EncoderConfig, generator: Generator, home: Path, *, stop_after: int | None = None,
          start: EncoderNet | None = None) -> EncoderNet:
    """Trains to the end, or to `stop_after` pictures, resuming from the checkpoint of the same generator and configuration."""
    if config.images < config.batch:
        raise BadInput(f"an encoder is trained on at least one batch of {config.batch} pictures, got {config.images}")
    info = layer_info(generator, config.layer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        net = EncoderNet(generator.image_size[0], info.size[0], info.units, generator.z_dim, config.width).to(generator.device)
    if start is not None:
        if start.config != net.config:
            raise BadInput(f"the encoder to begin with has the sizes {start.config}; this generator needs {net.config}")
        net.load_state_dict(start.state_dict())
    net.mean, net.spread = _statistics(generator, config.layer)
    net.requires_grad_().train()
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
    pool = open_pool(home, "gan", generator.image_size[0], config.pool)
    if config.scenes:
        pool.fill(min(config.pool, round(config.images * config.scenes)))
    clock = checkpoint.Clock(step * config.batch, config.images)
    while step < last:
        for group in optimiser.param_groups:
            group["lr"] = config.lr * min(1.0, (step + 1) / 50) * max(0.02, 1 - step / steps)
        loss = _loss(config, net, generator, pool, step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        if clock.due_to_tell():
            log.info("encoder: %s, loss %.3f", clock.line(step * config.batch), float(loss.detach()))
        if clock.due_to_save() or step == last:
            checkpoint.save(path, {"config": identity, "step": step, "net": net.state_dict(),
                                   "optimiser": optimiser.state_dict()})
    return net.eval().requires_grad_(False)


def _statistics(generator: Generator, layer: str) -> tuple[Tensor, Tensor]:
    """Mean and spread of every unit over 64 samples: the encoder's outputs are in these units."""
    with torch.no_grad():
        acts = generator.head(generator.z_for_seeds(range(64)), layer)
    return acts.mean((0, 2, 3)), acts.std((0, 2, 3)).clamp_min(1e-3)


def _loss(config: EncoderConfig, net: EncoderNet, generator: Generator, pool: Pool, step: int) -> Tensor:
    """Samples: direction of the latent, and activations. Painted scenes: pixels through the tail. A function of (seed, step)."""
    rng = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    n_scenes = round(config.batch * config.scenes)
    loss = torch.zeros((), device=generator.device)
    if config.batch > n_scenes:
        z = torch.randn(config.batch - n_scenes, generator.z_dim, generator=rng).to(generator.device)
        with torch.no_grad():
            acts = generator.head(z, config.layer)
            images = generator.tail(acts, config.layer, z).clamp(-1, 1)
        seen_z, seen = net(images)
        loss = ((seen - acts) / net.spread.view(1, -1, 1, 1)).abs().mean() + 1 - F.cosine_similarity(seen_z, z).mean()
    if n_scenes:
        ready = min(config.pool, round(config.images * config.scenes))
        goal, _ = pool.batch(np.sort(torch.randint(ready, (n_scenes,), generator=rng).numpy()))
        goal = goal.contiguous().to(generator.device)
        seen_z, seen = net(goal)
        loss = loss + 2 * (generator.tail(seen, config.layer, seen_z).clamp(-1.2, 1.2) - goal).abs().mean()
    return loss


def make(name: str, config: EncoderConfig, home: Path, path: Path, *, device: str = "cpu", start: Path | None = None) -> Path:
    """Trains the encoder of a known model and writes its file (half precision, metadata say for which weights). Resumes."""
    from dataclasses import replace

    from core import zoo

    generator = zoo.load(name, device)
    first = load(start, device) if start is not None else None
    if first is not None:
        config = replace(config, start=first.fingerprint)
    net = train(config, generator, home, start=first.net if first is not None else None)
    path.parent.mkdir(parents=True, exist_ok=True)
    save(net, path, layer=config.layer, generator=generator.fingerprint, licence="MIT", images=str(config.images))
    return path

"""Trains one of the two bundled segmenters on painted scenes, and measures it on held-out ones."""
from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.scenes import CHANNELS, LABELS, channel_ids
from core.segment.nets import ARCHITECTURES, placed
from core.training import checkpoint
from core.training.augment import half_size, roughen
from core.training.pool import Pool, open_pool, world_mark

log = logging.getLogger(__name__)
Which = Literal["dissector", "judge"]
ARCHITECTURE: dict[Which, tuple[str, tuple[int, ...]]] = {
    "dissector": ("unet", (16, 32, 64, 96, 128)),
    "judge": ("dilated", (16, 32, 64)),
}
GROUPS: tuple[tuple[int, ...], ...] = tuple((0, *channel_ids(channel)) for channel in CHANNELS)


@dataclass(frozen=True)
class SegmenterConfig:
    """Everything that decides the result. `images` are pictures seen, repeats included; the learning rate ends at zero."""

    which: Which
    images: int = 48_000
    pool: int = 8_000
    size: int = 128
    batch: int = 16
    lr: float = 3e-3
    half_share: float = 0.2
    seed: int = 0
    widths: tuple[int, ...] = ()

    @classmethod
    def of(cls, kept: dict[str, Any]) -> SegmenterConfig:
        """From the `config` entry of a checkpoint."""
        values: dict[str, Any] = {k: tuple(v) if k == "widths" else v for k, v in kept.items() if k != "world"}
        return cls(**values)

    @property
    def architecture(self) -> tuple[str, tuple[int, ...]]:
        """Name and widths of the network."""
        name, widths = ARCHITECTURE[self.which]
        return name, self.widths or widths


def new_net(config: SegmenterConfig) -> nn.Module:
    """The network with its first weights, which depend on the seed alone."""
    kind, widths = config.architecture
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return ARCHITECTURES[kind](sum(map(len, GROUPS)), widths)


def train(config: SegmenterConfig, home: Path, *, device: str = "cpu", stop_after: int | None = None,
          compiled: bool = False) -> nn.Module:
    """Trains to the end (or to `stop_after` images), resuming from the checkpoint; returns the net, batch norms and all."""
    pool = open_pool(home, config.which, config.size, config.pool)
    pool.fill(64 * config.batch)
    path = home / f"segmenter-{config.which}.pt"
    net = placed(new_net(config), device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.lr, betas=(0.9, 0.99), weight_decay=1e-4)
    identity = {**asdict(config), "widths": list(config.widths), "world": world_mark()}
    step, history = _resume(path, identity, net, optimizer)
    steps = config.images // config.batch
    clock = checkpoint.Clock(step * config.batch, config.images)
    last = steps if stop_after is None else min(steps, stop_after // config.batch)
    forward = torch.compile(net, dynamic=False) if compiled else net
    with checkpoint.Stop() as stop:
        while step < last and not stop.asked:
            for group in optimizer.param_groups:
                group["lr"] = config.lr * min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * step / steps))
            images, labels = _batch(config, pool, step)
            loss = _train_step(forward, net, optimizer, images.to(device), labels.to(device))
            step += 1
            if clock.due_to_tell():
                log.info("%s: %s, loss %.3f", config.which, clock.line(step * config.batch), float(loss))
            if clock.due_to_save():
                _save(path, identity, net, optimizer, step, history)
    _save(path, identity, net, optimizer, step, history)
    return net


def _batch(config: SegmenterConfig, pool: Pool, step: int) -> tuple[Tensor, Tensor]:
    """The pictures of one step: a function of seed and step, and of how much of the pool is painted."""
    pool.add_some()
    rng = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    images, labels = pool.batch(torch.randint(pool.ready, (config.batch,), generator=rng).numpy())
    images, labels = roughen(images, labels, rng)
    return half_size(images, labels) if torch.rand((), generator=rng) < config.half_share else (images, labels)


def _train_step(forward: Callable[[Tensor], Tensor], net: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor,
                labels: Tensor) -> Tensor:
    net.train()
    with torch.autocast(images.device.type, dtype=torch.bfloat16):
        logits = forward(images.contiguous(memory_format=torch.channels_last))
    loss = segmentation_loss(logits.float(), labels)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    optimizer.step()
    return loss.detach()


def segmentation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy plus soft Dice (which weighs a rare label like a common one), averaged over the label channels."""
    total = logits.new_zeros(())
    lookup = group_index().to(labels.device)
    for channel, part in enumerate(logits.split([len(group) for group in GROUPS], 1)):
        target = lookup[channel][labels[:, channel].long()]
        total = total + F.cross_entropy(part, target) + _dice(part.softmax(1), target)
    return total / len(GROUPS)


def _dice(probability: Tensor, target: Tensor) -> Tensor:
    truth = F.one_hot(target, probability.shape[1]).permute(0, 3, 1, 2)
    both = (probability * truth).sum((0, 2, 3))
    size = (probability + truth).sum((0, 2, 3))
    present = truth.sum((0, 2, 3)) > 0
    return (1 - (2 * both + 1) / (size + 1))[present].mean()


def group_index() -> Tensor:
    """(S, labels) int64: position of a global label id within its channel's softmax; 0 elsewhere."""
    lookup = torch.zeros(len(GROUPS), len(LABELS), dtype=torch.int64)
    for channel, group in enumerate(GROUPS):
        lookup[channel, list(group)] = torch.arange(len(group))
    return lookup


def _save(path: Path, identity: dict[str, Any], net: nn.Module, optimizer: torch.optim.Optimizer, step: int,
          history: list[dict[str, Any]]) -> None:
    checkpoint.save(path, {"config": identity, "step": step, "history": history, "net": net.state_dict(),
                           "optimizer": optimizer.state_dict()})


def _resume(path: Path, identity: dict[str, Any], net: nn.Module,
            optimizer: torch.optim.Optimizer) -> tuple[int, list[dict[str, Any]]]:
    """Steps already done, and the runs before this one.

    Another configuration or another world begins a new run, from the old weights where they fit.
    """
    state = checkpoint.load(path)
    if state is None:
        return 0, []
    history: list[dict[str, Any]] = state["history"]
    if state["config"] == identity:
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        return int(state["step"]), history
    changed = sorted(k for k in identity if state["config"].get(k) != identity[k])
    shapes = {k: v.shape for k, v in net.state_dict().items()}
    warm = shapes == {k: v.shape for k, v in state["net"].items()}
    how = " from its weights" if warm else ""
    log.warning("%s was made with another %s: beginning anew%s", path.name, ", ".join(changed), how)
    if warm:
        net.load_state_dict(state["net"])
        return 0, [*history, {**state["config"], "steps": state["step"]}]
    return 0, []


def iou_table(predicted: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> list[dict[str, Any]]:
    """Batches of (N,S,H,W) label ids -> one row a label: name, category, share of pixels, IoU (nan where it never occurs)."""
    n = len(LABELS)
    both, said, true, pixels = np.zeros(n), np.zeros(n), np.zeros(n), 0
    for p, t in zip(predicted, truth, strict=True):
        both += np.bincount(p[p == t].ravel(), minlength=n)
        said += np.bincount(p.ravel(), minlength=n)
        true += np.bincount(t.ravel(), minlength=n)
        pixels += t.size // t.shape[1]
    union = said + true - both
    return [{"label": x.name, "category": x.category, "share": true[x.id] / pixels,
             "iou": both[x.id] / union[x.id] if union[x.id] else math.nan} for x in LABELS[1:]]


def held_out(segmenter: Any, home: Path, *, owner: str = "test", count: int = 500, size: int = 128,
             batch: int = 20) -> list[dict[str, Any]]:
    """`iou_table` of a Segmenter on the scenes of `owner`: "test" or "unseen"."""
    pool = open_pool(home, owner, size, 500)
    pool.fill(count)
    predicted, truth = [], []
    for start in range(0, count, batch):
        images, labels = pool.batch(np.arange(start, min(start + batch, count)))
        predicted.append(segmenter(images).cpu().numpy().astype(np.int64))
        truth.append(labels.numpy().astype(np.int64))
    return iou_table(predicted, truth)


def table_text(rows: Sequence[dict[str, Any]]) -> str:
    """The rows of `iou_table` as JSON lines, largest first."""
    ordered = sorted(rows, key=lambda row: -row["share"])
    return "\n".join(json.dumps({**row, "share": round(row["share"], 5), "iou": round(row["iou"], 4)}) for row in ordered)

"""How a generator is doing while it trains: distance to the world, areas of labels, a sheet of pictures nobody chose."""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.image import encode, to_u8
from core.metrics.frechet import frechet
from core.segment.bundled import BundledSegmenter
from core.training.pool import Pool
from core.zoo.generator import z_for_seeds
from core.zoo.proggan import ProgGANNet

REAL = 1000


@dataclass(frozen=True)
class Reading:
    """Of one set of pictures, as one segmenter sees them: descriptors (N,D), the mean area of every label (C,), and each picture's
    areas (N,C), which a reading kept on disk has not."""

    features: np.ndarray
    areas: np.ndarray
    each: np.ndarray | None = None


def read(segmenter: BundledSegmenter, batches: list[Tensor]) -> Reading:
    """Pictures, in batches, -> Reading."""
    features, each, columns = [], [], len(segmenter.labels)
    with torch.no_grad():
        for images in batches:
            features.append(segmenter.features(images).float().cpu().numpy())
            maps = segmenter(images).cpu().numpy()
            pixels = maps.shape[2] * maps.shape[3]
            each += [np.bincount(one.ravel(), minlength=columns) / pixels for one in maps]
    return Reading(np.concatenate(features), np.mean(each, 0), np.stack(each))


def world_reading(segmenter: BundledSegmenter, pool: Pool, count: int = REAL) -> Reading:
    """Reading of the first scenes of a pool, kept beside the pool."""
    path = pool.folder / f"reading-{segmenter.fingerprint[:12]}-{count}.npz"
    if path.is_file():
        with np.load(path) as kept:
            return Reading(kept["features"], kept["areas"])
    pool.fill(count)
    reading = read(segmenter, [pool.batch(np.arange(i, min(i + 20, count)))[0] for i in range(0, count, 20)])
    np.savez(path, features=reading.features, areas=reading.areas)
    return reading


def pictures(net: ProgGANNet, seeds: range, batch: int = 20) -> list[Tensor]:
    """Pictures of these seeds, as the shipped generator would make them."""
    z = torch.from_numpy(z_for_seeds(seeds, net.sizes[0])).to(next(net.parameters()).device)
    with torch.no_grad():
        return [net(part) for part in z.split(batch)]


def sheet(images: np.ndarray, columns: int = 8, fmt: str = "PNG") -> bytes:
    """(N,H,W,3) uint8 -> bytes of one picture, PNG or JPEG: a grid, N a multiple of `columns`."""
    n, h, w, _ = images.shape
    grid = images.reshape(n // columns, columns, h, w, 3).transpose(0, 2, 1, 3, 4).reshape(n // columns * h, columns * w, 3)
    return encode(np.ascontiguousarray(grid), fmt)


def watch(net: ProgGANNet, segmenter: BundledSegmenter, world: Reading, *, count: int = 400) -> tuple[dict[str, Any], bytes]:
    """Figures of seeds 0…count-1 beside the world's, and the sheet of seeds 0…63."""
    batches = pictures(net, range(count))
    reading = read(segmenter, batches)
    areas = {x.name: [round(float(r.areas[x.id]), 5) for r in (reading, world)] for x in segmenter.labels[1:]}
    figures = {"frechet": round(frechet(reading.features, world.features), 4), "samples": count, "areas": areas}
    first = np.concatenate([to_u8(batch) for batch in batches])[:64]
    return figures, sheet(first)


def append(path: Path, figures: dict[str, Any]) -> None:
    """One JSON line more."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(figures) + "\n")

"""Painted scenes kept as memory-mapped bytes, so that training reads them at disk speed while a painter still adds more.

A pool is a folder: `images.u8` (N,S,S,3), `labels.u8` (N,3,S,S), and `ready.json` with the number of scenes painted so far.
The folder's name carries a mark of the painter itself: when the painter changes, a new pool begins.
"""
from __future__ import annotations

import hashlib
import json
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from filelock import BaseFileLock, FileLock, Timeout
from torch import Tensor

from core.image import from_u8, scaled
from core.scenes import paint_scenes
from core.training.seeds import SCENE_SEEDS


@lru_cache(maxsize=1)
def world_mark() -> str:
    """Twelve hex digits that change when the painter paints anything differently."""
    images, labels = paint_scenes(range(8), 64)
    return hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()[:12]


@dataclass(frozen=True)
class Pool:
    """`count` scenes of `size` px, seeds from the start of the owner's range. Reads what is ready."""

    folder: Path
    owner: str
    size: int
    count: int

    @property
    def ready(self) -> int:
        """Scenes painted so far."""
        file = self.folder / "ready.json"
        return int(json.loads(file.read_text())["ready"]) if file.is_file() else 0

    def images(self) -> np.ndarray:
        """(N,S,S,3) uint8, memory-mapped."""
        return self._map("images.u8", (self.count, self.size, self.size, 3))

    def labels(self) -> np.ndarray:
        """(N,3,S,S) uint8 label ids, memory-mapped."""
        return self._map("labels.u8", (self.count, 3, self.size, self.size))

    def pictures(self, index: np.ndarray) -> Tensor:
        """Indices -> pictures (n,3,S,S) float32 -1..1, in the order of the pool."""
        return from_u8(self.images()[np.sort(index)]).contiguous(memory_format=torch.channels_last)

    def batch(self, index: np.ndarray) -> tuple[Tensor, Tensor]:
        """Indices -> their pictures and labels (n,3,S,S) uint8, in the order of the pool."""
        return self.pictures(index), torch.from_numpy(self.labels()[np.sort(index)])

    def fill(self, upto: int | None = None, *, workers: int = 1, chunk: int = 32) -> None:
        """Paints until `upto` scenes (default: all) are ready, `workers` processes a few chunks at a time. Painters take turns."""
        upto = self.count if upto is None else min(upto, self.count)
        crew = ProcessPoolExecutor(workers, get_context("spawn"), cv2.setNumThreads, (1,)) if workers > 1 else nullcontext()
        with crew as painters:
            while self.ready < upto:
                with self._turn(timeout=-1):
                    self._paint(min(self.ready + (1 if workers == 1 else 4 * workers) * chunk, upto), painters, chunk)

    def add_some(self, *, chunk: int = 32) -> None:
        """Paints one chunk more if scenes are missing and nobody else is painting."""
        if self.ready < self.count:
            with suppress(Timeout), self._turn(timeout=0):
                self._paint(min(self.ready + chunk, self.count))

    def _turn(self, timeout: float) -> BaseFileLock:
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / "painter.lock", timeout=timeout)

    def _paint(self, end: int, painters: Executor | None = None, chunk: int = 32) -> None:
        if (done := self.ready) >= end:
            return
        seeds = SCENE_SEEDS[self.owner]
        parts = [seeds[start:min(start + chunk, end)] for start in range(done, end, chunk)]
        painted = (painters.map if painters else map)(paint_scenes, parts, [self.size] * len(parts))
        for images, labels in painted:
            self._write("images.u8", done, images)
            self._write("labels.u8", done, labels.astype(np.uint8))
            done += len(images)
        aside = self.folder / "ready.json.tmp"
        aside.write_text(json.dumps({"ready": end}))
        aside.replace(self.folder / "ready.json")

    def _map(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        return np.memmap(self.folder / name, np.uint8, "r", shape=shape)

    def _write(self, name: str, start: int, rows: np.ndarray) -> None:
        path = self.folder / name
        target = np.memmap(path, np.uint8, "r+" if path.is_file() else "w+", shape=(self.count, *rows.shape[1:]))
        target[start:start + len(rows)] = rows
        target.flush()


class Resident:
    """A pool whose pictures are kept on a device, for a GPU that would wait for the disk. Takes over what is painted meanwhile."""

    def __init__(self, pool: Pool, device: torch.device) -> None:
        self._pool = pool
        self._kept = torch.empty(pool.count, 3, pool.size, pool.size, dtype=torch.uint8, device=device)
        self.ready = 0
        self.add_some()

    def pictures(self, index: np.ndarray) -> Tensor:
        """As `Pool.pictures`, on the device."""
        rows = torch.from_numpy(np.sort(index)).to(self._kept.device)
        return scaled(self._kept[rows]).contiguous(memory_format=torch.channels_last)

    def add_some(self, *, chunk: int = 4096) -> None:
        """Takes over scenes painted since; paints none."""
        end = min(self._pool.ready, self.ready + chunk)
        if end > self.ready:
            new = torch.from_numpy(np.array(self._pool.images()[self.ready:end]))
            self._kept[self.ready:end] = new.to(self._kept.device).permute(0, 3, 1, 2)
            self.ready = end


def open_pool(home: Path, owner: str, size: int, count: int) -> Pool:
    """The pool of one owner ("gan", "dissector", "judge", "test", "world") in the world as painted today."""
    return Pool(home / f"world-{world_mark()}" / f"{owner}-{size}-{count}", owner, size, count)

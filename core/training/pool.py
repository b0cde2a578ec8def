"""Painted scenes kept as memory-mapped bytes, so that training reads them at disk speed while a painter still adds more.

A pool is a folder: `images.u8` (N,S,S,3), `labels.u8` (N,3,S,S), and `ready.json` with the number of scenes painted so far.
The folder's name carries a mark of the painter itself: when the painter changes, a new pool begins.
"""
from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from filelock import BaseFileLock, FileLock, Timeout
from torch import Tensor

from core.image import from_u8
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

    def batch(self, index: np.ndarray) -> tuple[Tensor, Tensor]:
        """Indices -> pictures (n,3,S,S) float32 -1..1 and labels (n,3,S,S) uint8."""
        index = np.sort(index)
        pictures = from_u8(self.images()[index])
        return pictures.contiguous(memory_format=torch.channels_last), torch.from_numpy(self.labels()[index])

    def fill(self, upto: int | None = None, *, chunk: int = 32) -> None:
        """Paints until `upto` scenes (default: all) are ready. Several painters take turns."""
        upto = self.count if upto is None else min(upto, self.count)
        while self.ready < upto:
            with self._turn(timeout=-1):
                self._paint(min(self.ready + chunk, upto))

    def add_some(self, *, chunk: int = 32) -> None:
        """Paints one chunk more if scenes are missing and nobody else is painting."""
        if self.ready < self.count:
            with suppress(Timeout), self._turn(timeout=0):
                self._paint(min(self.ready + chunk, self.count))

    def _turn(self, timeout: float) -> BaseFileLock:
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / "painter.lock", timeout=timeout)

    def _paint(self, end: int) -> None:
        if (done := self.ready) >= end:
            return
        images, labels = paint_scenes(SCENE_SEEDS[self.owner][done:end], self.size)
        self._write("images.u8", done, images)
        self._write("labels.u8", done, labels.astype(np.uint8))
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


def open_pool(home: Path, owner: str, size: int, count: int) -> Pool:
    """The pool of one owner ("gan", "dissector", "judge", "test", "world") in the world as painted today."""
    return Pool(home / f"world-{world_mark()}" / f"{owner}-{size}-{count}", owner, size, count)

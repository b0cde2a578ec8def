"""Thumbnails and label maps by seed, kept once for all layers, so that pages show them without a generator. No torch.

Stored as JPEG and PNG bytes end to end, with where each begins; decoded one at a time.
"""
from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from core import image
from core.errors import BadInput, StoreError
from core.store import Run, Saved

SIDE = 128  # thumbnails are at most this large; smaller pictures keep their size
QUALITY = 85


@dataclass(frozen=True)
class Pictures:
    """Pictures of the measured seeds (N,). `image` and `segmentation` raise BadInput for a seed that is not among them."""

    run: Run
    seeds: np.ndarray
    shape: tuple[int, int, int]
    arrays: Mapping[str, np.ndarray]

    def has(self, seed: int) -> bool:
        """Whether this seed was measured."""
        return bool((self.seeds == seed).any())

    def jpeg(self, seed: int) -> bytes:
        """The stored JPEG bytes."""
        return self._bytes("jpeg", seed)

    def image(self, seed: int) -> np.ndarray:
        """uint8 RGB (H,W,3)."""
        return np.asarray(Image.open(io.BytesIO(self.jpeg(seed))).convert("RGB")).copy()

    def segmentation(self, seed: int) -> np.ndarray:
        """Label ids (S,H,W) of the picture's size: uint8, or uint16 where a segmenter has more than 255 labels."""
        channels, height, width = self.shape
        stack = np.asarray(Image.open(io.BytesIO(self._bytes("png", seed))))
        return stack.reshape(channels, height, width).astype(np.uint8 if stack.dtype == np.uint8 else np.uint16)

    def _bytes(self, kind: str, seed: int) -> bytes:
        found = np.flatnonzero(self.seeds == seed)
        if not len(found):
            raise BadInput(f"no picture of seed {seed} is stored; {len(self.seeds)} seeds from {self.seeds.min()} are")
        start, stop = self.arrays[f"{kind}_at"][found[0]:found[0] + 2]
        return self.arrays[kind][start:stop].tobytes()


class Album:
    """Collects pictures during a dissection."""

    def __init__(self, n_labels: int) -> None:
        self._wide = n_labels > 256
        self._seeds: list[int] = []
        self._blobs: dict[str, list[bytes]] = {"jpeg": [], "png": []}
        self._shape = (0, 0, 0)

    def add(self, seeds: np.ndarray, images: np.ndarray, segs: np.ndarray) -> None:
        """uint8 (N,H,W,3) and label ids (N,S,h,w)."""
        from core.stats.counts import to_grid

        size = fitted((images.shape[1], images.shape[2]))
        for seed, picture, labels in zip(seeds, images, to_grid(segs, size), strict=True):
            small = picture if picture.shape[:2] == size else image.resize(picture, size)
            stack = labels.reshape(-1, size[1]).astype(np.uint16 if self._wide else np.uint8)
            png = io.BytesIO()
            Image.fromarray(stack).save(png, "PNG", compress_level=6)
            self._seeds.append(int(seed))
            self._blobs["jpeg"].append(image.encode(small, "JPEG", quality=QUALITY))
            self._blobs["png"].append(png.getvalue())
        self._shape = segs.shape[1], *size

    def arrays(self) -> dict[str, np.ndarray]:
        """What is stored, and what a checkpoint keeps."""
        out: dict[str, np.ndarray] = {"seeds": np.array(self._seeds, np.int64), "shape": np.array(self._shape, np.int64)}
        for kind, blobs in self._blobs.items():
            out[kind] = np.frombuffer(b"".join(blobs), np.uint8)
            out[f"{kind}_at"] = np.concatenate([[0], np.cumsum([len(b) for b in blobs])]).astype(np.int64)
        return out

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Continues where `arrays` was taken."""
        self._seeds = [int(s) for s in arrays["seeds"]]
        self._shape = tuple(int(v) for v in arrays["shape"])  # type: ignore[assignment]
        for kind in self._blobs:
            at = arrays[f"{kind}_at"]
            self._blobs[kind] = [arrays[kind][a:b].tobytes() for a, b in zip(at, at[1:], strict=False)]


def fitted(size: tuple[int, int]) -> tuple[int, int]:
    """The thumbnail's size of a picture (H,W)."""
    scale = min(1.0, SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def pictures_from(saved: Saved) -> Pictures:
    """Stored pictures. Raises StoreError."""
    try:
        shape = tuple(int(v) for v in saved.arrays["shape"])
        return Pictures(saved.run, saved.arrays["seeds"], shape, saved.arrays)  # type: ignore[arg-type]
    except KeyError as error:
        raise StoreError(f"the stored pictures {saved.run.key[:12]} cannot be read ({error}); run again") from error

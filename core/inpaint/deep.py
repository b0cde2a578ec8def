"""Learned fills from a file that the user puts there: LaMa or MI-GAN, as TorchScript. Nothing is downloaded.

Loading TorchScript runs what is in the file, so a file is loaded only when its hash is that of the published one, and only from
the folder below (never from an upload). Both nets were trained on Places2, whose pictures are for non-commercial research.

LaMa: Suvorov et al., "Resolution-robust large mask inpainting with Fourier convolutions" (WACV 2022). MI-GAN: Sargsyan et al.
(ICCV 2023). The conventions of their inputs are those of the exported files.
"""
from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from core.errors import BadFile
from core.image import from_u8, to_u8
from core.inpaint.base import Fill

if TYPE_CHECKING:
    from torch import Tensor

FOLDER_VARIABLE = "GAN_DISSECTION_INPAINT"
MULTIPLE = 8
MIGAN_SIDE, MIGAN_MARGIN = 512, 128


@dataclass(frozen=True)
class Weights:
    """A published file: its name, size, hash ("sha256:…" or "md5:…") and licence."""

    file: str
    bytes: int
    hash: str
    licence: str


LAMA = Weights("big-lama.pt", 205_669_692, "sha256:344c77bbcb158f17dd143070d1e789f38a66c04202311ae3a258ef66667a9ea9",
               "Apache-2.0")
MIGAN = Weights("migan_traced.pt", 28_000_000, "md5:76eb3b1a71c400ee3290524f7a11b89c", "MIT")


def folder() -> Path:
    """Where the files are looked for: the variable GAN_DISSECTION_INPAINT, else cache/weights/inpaint."""
    from core.store import CACHE

    return Path(os.environ.get(FOLDER_VARIABLE, CACHE / "weights" / "inpaint"))


def missing(weights: Weights) -> str:
    """"" when the file is there and is the published one, else what to do."""
    path = folder() / weights.file
    if not path.is_file():
        return (f"put the published file {weights.file} ({weights.bytes / 1e6:.0f} MB, {weights.licence}) into {path.parent}, "
                f"or name its folder in {FOLDER_VARIABLE}")
    stat = path.stat()
    found = _hash(path, weights.hash.split(":")[0], stat.st_mtime_ns, stat.st_size)
    return "" if found == weights.hash else (f"{path} is not the published file: its hash is {found[:23]}…, that of the "
                                             f"published one {weights.hash[:23]}…; fetch it again")


@lru_cache(maxsize=8)
def _hash(path: Path, kind: str, mtime: int, size: int) -> str:
    with path.open("rb") as file:
        return f"{kind}:{hashlib.file_digest(file, kind).hexdigest()}"


@lru_cache(maxsize=1)
def _open(path: Path, kind: str, mtime: int, size: int) -> Callable[..., Tensor]:
    import torch

    try:
        net: Any = torch.jit.load(str(path), map_location="cpu")
    except RuntimeError as error:
        raise BadFile(f"{path.name} cannot be opened as TorchScript: {str(error)[:160]}") from error
    return net.eval()


def _net(weights: Weights) -> Callable[..., Tensor]:
    """The net of a file whose hash is right. Checked again, since the file may have changed since it was listed."""
    path, reason = folder() / weights.file, missing(weights)
    if reason:
        raise BadFile(reason)
    stat = path.stat()
    return _open(path, weights.hash, stat.st_mtime_ns, stat.st_size)


def lama(weights: Weights = LAMA) -> Fill:
    """Picture 0..1 and mask (1 = hole), padded to a multiple of 8 by mirroring; answers with a picture 0..1."""

    def fill(image: np.ndarray, hole: np.ndarray, *, avoid: np.ndarray | None, seed: int) -> np.ndarray:
        """See core.inpaint.base.Fill."""
        import torch

        height, width = hole.shape
        pad = ((0, -height % MULTIPLE), (0, -width % MULTIPLE))
        x = np.pad(image, (*pad, (0, 0)), mode="symmetric").transpose(2, 0, 1)[None].astype(np.float32) / 255
        m = np.pad(hole, pad, mode="symmetric")[None, None].astype(np.float32)
        with torch.inference_mode():
            out = _net(weights)(torch.from_numpy(x), torch.from_numpy(m))
        return np.asarray((out[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()[:height, :width])

    return fill


def migan(weights: Weights = MIGAN) -> Fill:
    """The hole with 128 pixels around it, brought to 512 × 512; picture −1..1 times what is known, beside 0.5 − mask."""

    def fill(image: np.ndarray, hole: np.ndarray, *, avoid: np.ndarray | None, seed: int) -> np.ndarray:
        """See core.inpaint.base.Fill."""
        import torch

        rows, columns = (_with_margin(np.flatnonzero(hole.any(axis=axis)), n) for axis, n in zip((1, 0), hole.shape, strict=True))
        part, mask = image[rows, columns], hole[rows, columns]
        scale = min(1.0, MIGAN_SIDE / max(mask.shape))
        size = (max(1, round(mask.shape[0] * scale)), max(1, round(mask.shape[1] * scale)))
        small = cv2.resize(part, size[::-1], interpolation=cv2.INTER_AREA)
        small_mask = cv2.resize(mask.astype(np.uint8) * 255, size[::-1], interpolation=cv2.INTER_AREA) > 0
        pad = ((0, MIGAN_SIDE - size[0]), (0, MIGAN_SIDE - size[1]))
        x = from_u8(np.pad(small, (*pad, (0, 0)), mode="symmetric")).numpy()
        m = np.pad(small_mask, pad, mode="symmetric")[None, None].astype(np.float32)
        with torch.inference_mode():
            out = _net(weights)(torch.from_numpy(np.concatenate([0.5 - m, x * (1 - m)], axis=1)))
        made = to_u8(out)[0][:size[0], :size[1]]
        result = image.copy()
        result[rows, columns] = cv2.resize(np.ascontiguousarray(made), mask.shape[::-1], interpolation=cv2.INTER_CUBIC)
        return result

    return fill


def _with_margin(where: np.ndarray, n: int) -> slice:
    return slice(max(0, int(where[0]) - MIGAN_MARGIN), min(n, int(where[-1]) + 1 + MIGAN_MARGIN))

"""The published models: cards of the seven LSUN Progressive GANs and the face model, and the brushes of the GANPaint demo.

    from core.zoo import published
    published.brushes("lsun-church")["tree"]       # UnitSet: 20 units of layer4, each with the level a brush inserts
    published.z_rows([726], 512)                   # the latent of the demo's image 726

Addresses and hash prefixes: CSAILVision/gandissect and davidbau/dissect (both MIT). Imports no torch.
"""
from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadInput
from core.store import Run
from core.units import Ranking, UnitSet
from core.zoo.cards import Card, proggan_bytes

DATA = Path(__file__).resolve().parent / "data"
HOST = "https://dissect.csail.mit.edu/models/"
MIRROR = "http://gandissect.csail.mit.edu/models/"
SIZES_256 = (512, 512, 512, 512, 256, 128, 64, 32)
SIZES_1024 = (512, 512, 512, 512, 512, 256, 128, 64, 32, 16)
LICENCE = "CC BY-NC 4.0 (weights of Karras et al., converted by Bau et al.): not for commercial use"
CITATION = ("T. Karras, T. Aila, S. Laine, J. Lehtinen: Progressive Growing of GANs, ICLR 2018; "
            "D. Bau et al.: GAN Dissection, ICLR 2019")
MAX_ROW = 1_000_000


def _card(name: str, title: str, file: str, sizes: tuple[int, ...] = SIZES_256, notes: str = "") -> Card:
    """A published model; the hash prefix is part of the file's name, as torch.hub writes it."""
    return Card(name, title, "Progressive GAN", file, sizes=sizes, default_layer="layer4", url=HOST + file,
                mirrors=(MIRROR + file,), sha256=file.rsplit("-", 1)[1].removesuffix(".pth"), bytes=proggan_bytes(sizes),
                licence=LICENCE, citation=CITATION, notes=notes)


CARDS: dict[str, Card] = {c.name: c for c in (
    _card("lsun-church", "LSUN church", "proggan_churchoutdoor-7e701dd5.pth",
          notes="Has the brushes of the GANPaint demo at once, before any dissection."),
    _card("lsun-livingroom", "LSUN living room", "proggan_livingroom-5ef336dd.pth"),
    _card("lsun-bedroom", "LSUN bedroom", "proggan_bedroom-d8a89ff1.pth"),
    _card("lsun-conferenceroom", "LSUN conference room", "proggan_conferenceroom-21e85882.pth"),
    _card("lsun-diningroom", "LSUN dining room", "proggan_diningroom-3aa0ab80.pth"),
    _card("lsun-kitchen", "LSUN kitchen", "proggan_kitchen-67f1e16c.pth"),
    _card("lsun-restaurant", "LSUN restaurant", "proggan_restaurant-b8578299.pth"),
    _card("celebahq", "CelebA-HQ faces (1024 px)", "proggan_celebhq-620d161c.pth", SIZES_1024,
          "1024 pixels: count on seconds a picture without a GPU."),
)}


@lru_cache(maxsize=1)
def _church() -> dict[str, Any]:
    data: dict[str, Any] = json.loads((DATA / "lsun_church_brushes.json").read_text())
    return data


def has_brushes(model: str) -> bool:
    """Whether brushes were published for this model."""
    return bool(model == _church()["model"])


def brushes(model: str, units: int = 20) -> dict[str, UnitSet]:
    """Brush name -> its first `units` (at most 30) published units, with the level each is set to when drawing; {} for others.

    The values are 0.99 quantiles of the raw activation, as the GANPaint demo inserted them.
    """
    if not has_brushes(model):
        return {}
    if not 1 <= units <= 30:
        raise BadInput(f"1 to 30 published units a brush are known, {units} were asked for")
    layer = str(_church()["layer"])
    return {key.rpartition("-")[0]: UnitSet(key.rpartition("-")[0], model, layer, tuple(rows["unit"][:units]),
                                            tuple(float(v) for v in rows["level"][:units]))
            for key, rows in _church()["brushes"].items()}


def rankings(model: str, n_units: int = 512) -> dict[str, Ranking]:
    """Brush name -> Ranking over all units: the published ones first, in their order, the others after them with score 0.

    Published scores are negated (lower is better); here higher is better. `kind` says what was measured: ace or iou.
    """
    if not has_brushes(model):
        return {}
    data, found = _church(), {}
    for key, rows in data["brushes"].items():
        brush, _, kind = key.rpartition("-")
        score = np.zeros(n_units)
        score[rows["unit"]] = -np.asarray(rows["score"], float)
        rest = np.setdiff1d(np.arange(n_units), rows["unit"])
        run = Run("published", {"model": model, "layer": data["layer"], "label": brush, "kind": kind, "source": data["source"]})
        found[brush] = Ranking(run, data["layer"], brush, np.concatenate([np.asarray(rows["unit"]), rest]).astype(np.int64), score,
                               "ace" if kind == "ace" else "iou")
    return found


def levels(model: str) -> dict[int, float]:
    """Unit -> published level (0.99 quantile of the raw activation), for the units that any brush uses."""
    rows = _church()["brushes"].values() if has_brushes(model) else ()
    return {int(u): float(v) for row in rows for u, v in zip(row["unit"], row["level"], strict=True)}


def demo_rows(model: str) -> tuple[int, ...]:
    """Image numbers that the GANPaint demo offered: rows of the seed-1 stream, not seeds (see `z_rows`)."""
    return tuple(_church()["demo_rows"]) if has_brushes(model) else ()


def z_rows(ids: Iterable[int], z_dim: int = 512) -> np.ndarray:
    """Rows of `RandomState(1).standard_normal((size, z_dim))` -> (N, z_dim) float32: "image #726" of the papers is row 726."""
    wanted = [int(i) for i in ids]
    if any(not 0 <= i < MAX_ROW for i in wanted):
        raise BadInput(f"image numbers are 0 to {MAX_ROW - 1}, got {wanted[:5]}")
    out = np.zeros((len(wanted), z_dim), np.float32)
    stream, at, chunk = np.random.RandomState(1), 0, 1024
    while wanted and at <= max(wanted):
        rows = stream.standard_normal(chunk * z_dim).reshape(chunk, z_dim)
        for k, i in enumerate(wanted):
            if at <= i < at + chunk:
                out[k] = rows[i - at]
        at += chunk
    return out

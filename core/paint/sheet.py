"""Pictures to take away: before and after side by side, and the sheet of all brushes on one region.

A sheet's pictures are enlarged by whole numbers, unblurred, with a line of text under each.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from core.paint.brushes import CLASSES, Rankings
from core.paint.document import Mode, Painting, Stroke
from core.paint.raster import mask_of

if TYPE_CHECKING:
    from core.dissect import Dissection
    from core.zoo.generator import Generator

GAP = 12
LINE = 22
INK, PAPER = (29, 30, 36), (255, 255, 255)


@dataclass(frozen=True)
class Trial:
    """One brush tried on a region: the picture before and after (uint8 RGB), and the mean change inside the region (0..255)."""

    brush: str
    mode: Mode
    before: np.ndarray
    after: np.ndarray
    change: float


def all_brushes(generator: Generator, painting: Painting, region: Stroke, dissection: Dissection, ranking: Rankings = None, *,
                brushes: Sequence[str] = (), modes: Sequence[Mode] = ("draw", "remove")) -> list[Trial]:
    """Every brush on the region of one stroke, each alone on top of the painting as it is.

    brushes: () = the seven of GANPaint that the dissection knows. Units, strength and the rest are those of `region`.
    """
    from core.paint.render import paint

    known = {label.name for label in dissection.labels}
    mask = mask_of(region, generator.image_size)
    before = paint(generator, painting, dissection, ranking).image
    out = []
    for brush in brushes or [c for c in CLASSES if c in known]:
        for mode in modes:
            stroke = replace(region, brush=brush, mode=mode, value="q99", order="best", hidden=False)
            after = paint(generator, painting.add(stroke), dissection, ranking).image
            change = np.abs(after.astype(np.int16) - before.astype(np.int16)).mean(axis=2)
            out.append(Trial(brush, mode, before, after, float(change[mask].mean()) if mask.any() else 0.0))
    return out


def pair(before: np.ndarray, after: np.ndarray, *, captions: tuple[str, str] = ("before", "after"),
         side: int = 256) -> np.ndarray:
    """Two pictures (H,W,3) side by side with a caption each -> uint8 RGB."""
    return grid([[(before, captions[0]), (after, captions[1])]], side=side)


def trials_sheet(trials: Sequence[Trial], title: str, *, side: int = 128) -> np.ndarray:
    """One row a brush: a before/after pair for each mode, with the change in numbers -> uint8 RGB."""
    rows: dict[str, list[tuple[np.ndarray, str]]] = {}
    for trial in trials:
        rows.setdefault(trial.brush, []).extend([
            (trial.before, f"{trial.brush}: before"), (trial.after, f"{trial.mode} ({trial.change:.0f}/255)")])
    return grid(list(rows.values()), title=title, side=side)


def grid(rows: Sequence[Sequence[tuple[np.ndarray, str]]], *, title: str = "", side: int = 128) -> np.ndarray:
    """Rows of (picture, caption) on white -> uint8 RGB."""
    height, width = rows[0][0][0].shape[:2]
    times = max(1, side // max(height, width))
    cell_h, cell_w = height * times + LINE + GAP, width * times + GAP
    columns = max(len(row) for row in rows)
    top = GAP + (LINE + 4 if title else 0)
    sheet = Image.new("RGB", (columns * cell_w + GAP, top + len(rows) * cell_h), PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((GAP, GAP // 2), title, INK, ImageFont.load_default(15))
    for r, row in enumerate(rows):
        for c, (picture, caption) in enumerate(row):
            x, y = GAP + c * cell_w, top + r * cell_h
            sheet.paste(Image.fromarray(picture.repeat(times, 0).repeat(times, 1)), (x, y))
            draw.text((x, y + height * times + 3), caption, INK, ImageFont.load_default(13))
    return np.asarray(sheet).copy()

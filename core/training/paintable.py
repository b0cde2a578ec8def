"""How well the brushes paint, by the judge: what drawing adds inside a stroke and what removing leaves, beside random units.

Drawing: for each seed one round stroke, an eighth of the side in radius, in a place where the painted world has the class and this
picture has not (at most a tenth of the stroke). Removing: the region that the dissector calls the class, in pictures where it covers
at least 1 %. The units are those that the paint page would take. The judge, which had no part in choosing them, says what share of
the region shows the class before and after, and after the same edit of as many random units.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.dissect import Dissection
from core.edits import UnitEdit, apply_all
from core.paint import Painting, Stroke
from core.paint.brushes import choose
from core.paint.document import Value
from core.scenes import BRUSHES, IDS, paint_scenes
from core.segment import Segmenter
from core.training.seeds import SCENE_SEEDS
from core.units import Ranking
from core.zoo.generator import Generator, layer_info

UNITS, BATCH = 20, 10
TABLE_SEEDS = range(100)
LAYER_SEEDS = range(20_000, 20_040)
"""Seeds on which a layer is chosen; the table is of other seeds."""
_Way = tuple[str, Dissection, dict[str, Any]]   # a column: its name, the layer's dissection, what else differs from the brush


@dataclass(frozen=True)
class Brushed:
    """Mean share of the region that shows the class (0..1): before, after, after with random units; over `n` pictures."""

    before: float
    after: float
    random: float
    n: int

    @property
    def gain(self) -> float:
        """What the edit adds, in shares of the region."""
        return self.after - self.before

    @property
    def left(self) -> float:
        """After ÷ before."""
        return self.after / self.before if self.before else float("nan")


@lru_cache(maxsize=2)
def _world(side: int, count: int) -> np.ndarray:
    """Labels of the first scenes of the world: painted once for all brushes, layers and ways."""
    _, labels = paint_scenes(SCENE_SEEDS["world"][:count], side)
    return labels


def places(label: str, side: int, count: int = 300) -> np.ndarray:
    """(side, side) float, sums to 1: where painted scenes have the class."""
    share = (_world(side, count) == IDS[label]).any(1).mean(0)
    return np.asarray(share / share.sum())


def disc(side: int, at: tuple[int, int]) -> np.ndarray:
    """bool (side, side): a round stroke of radius side / 8 around (row, column)."""
    y, x = np.ogrid[:side, :side]
    return np.asarray((y - at[0]) ** 2 + (x - at[1]) ** 2 <= (side / 8) ** 2)


def free_place(seen: np.ndarray, where: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """A stroke drawn from `where` on which the class covers at most a tenth; None when 50 draws find none."""
    side = len(where)
    for at in rng.choice(where.size, 50, p=where.ravel()):
        mask = disc(side, divmod(int(at), side))
        if seen[mask].mean() <= 0.1:
            return mask
    return None


def seen_by(segmenter: Segmenter, images: Tensor, label: str) -> np.ndarray:
    """bool (N,H,W): where the segmenter sees the class."""
    number = next(x.id for x in segmenter.labels if x.name == label)
    return np.asarray((segmenter(images) == number).any(1).cpu().numpy())


def brushed(generator: Generator, chooser: Segmenter, judge: Segmenter, d: Dissection, label: str, mode: str, seeds: Sequence[int],
            rankings: Mapping[str, Ranking] | None = None, *, count: int = UNITS, value: Value = "q99") -> Brushed | None:
    """One brush on many pictures; None where no picture suits. mode: draw or remove; count: how many units; value: what is drawn."""
    side = max(generator.image_size)
    painting = Painting(generator.name, d.layer, 0)
    # the region is given below, so the stroke names units and values only
    units = layer_info(generator, d.layer).units
    chosen = choose(Stroke(label, "draw" if mode == "draw" else "remove", min(count, units), shape="all", value=value), painting, d,
                    rankings)
    where = places(label, side) if mode == "draw" else None
    shares = []
    with torch.no_grad():
        for start in range(0, len(seeds), BATCH):
            part = list(seeds[start:start + BATCH])
            acts = generator.head(generator.z_for_seeds(part), d.layer)
            plain = generator.tail(acts, d.layer)
            before = seen_by(judge, plain, label)
            region = before if where is not None else seen_by(chooser, plain, label)
            for k, seed in enumerate(part):
                rng = np.random.default_rng([seed, IDS[label]])
                mask = free_place(region[k], where, rng) if where is not None else region[k] if region[k].mean() >= 0.01 else None
                if mask is None or (where is None and not before[k][mask].any()):
                    continue
                values = np.asarray(chosen.values, np.float32)
                others = tuple(int(u) for u in rng.choice(units, len(chosen.units), replace=False))
                theirs = np.asarray(d.q99, np.float32)[list(others)] if where is not None else np.zeros(len(others), np.float32)
                edits = (UnitEdit(d.layer, chosen.units, values, mask=mask), UnitEdit(d.layer, others, theirs, mask=mask))
                pictures = torch.cat([apply_all(generator, acts[k:k + 1], d.layer, [edit]) for edit in edits])
                after = seen_by(judge, pictures, label)
                shares.append([x[mask].mean() for x in (before[k], *after)])
    if not shares:
        return None
    means = np.mean(shares, 0)
    return Brushed(float(means[0]), float(means[1]), float(means[2]), len(shares))


def score_layer(generator: Generator, chooser: Segmenter, judge: Segmenter, d: Dissection, seeds: Sequence[int] = LAYER_SEEDS) -> float:
    """What a layer is chosen by: over all brushes, the mean of what drawing adds and what removing takes, units by IoU.

    The chooser stands in for the judge here when it is given twice: a choice must not be made by the network that scores it.
    """
    gains = []
    for label in BRUSHES:
        drawn, gone = (brushed(generator, chooser, judge, d, label, mode, seeds) for mode in ("draw", "remove"))
        gains += [drawn.gain if drawn else 0.0, 1 - gone.left if gone else 0.0]
    return float(np.mean(gains))


def table_text(generator: Generator, chooser: Segmenter, judge: Segmenter, d: Dissection,
               rankings: Mapping[str, Ranking] | None = None, seeds: Sequence[int] = TABLE_SEEDS) -> str:
    """Markdown: one row a brush."""
    lines = [f"| brush ({d.layer}, {UNITS} units) | class in the stroke before | drawn | {UNITS} random units | n "
             f"| class in its region before | removed | {UNITS} random units | n |", "|---|---|---|---|---|---|---|---|---|"]
    for label in BRUSHES:
        cells = [label]
        for mode in ("draw", "remove"):
            found = brushed(generator, chooser, judge, d, label, mode, seeds, rankings)
            cells += [f"{found.before:.2f}", f"**{found.after:.2f}**", f"{found.random:.2f}", str(found.n)] if found else ["–"] * 4
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def layers_text(generator: Generator, chooser: Segmenter, dissections: Mapping[str, Dissection]) -> str:
    """Markdown: every layer's score by the dissector, on seeds that the table does not use."""
    lines = ["| layer | mean of what drawing adds and removing takes |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {score_layer(generator, chooser, chooser, d):.3f} |" for name, d in dissections.items()])


def reasons_text(generator: Generator, chooser: Segmenter, judge: Segmenter, dissections: Mapping[str, Dissection], layer: str,
                 rankings: Mapping[str, Ranking] | None = None, seeds: Sequence[int] = LAYER_SEEDS) -> str:
    """Markdown: what a brush of `layer` misses by, one thing changed at a time: value inserted, number of units, layer.

    "all units" sets every unit of the layer to its mean where the class is present: what no choice of units can exceed by much.
    Other layers' units are by IoU where no causal ranking is stored. Seeds are not those of the table.
    """
    names, d = list(dissections), dissections[layer]
    near = [names[i] for i in (names.index(layer) - 2, names.index(layer) + 2) if 0 <= i < len(names)]
    others: list[_Way] = [(name, dissections[name], {}) for name in near]
    every = {"count": layer_info(generator, layer).units, "value": "mean"}
    drawn: list[_Way] = [
        ("as it is", d, {}), ("mean where present", d, {"value": "mean"}), ("60 units", d, {"count": 60}),
        ("all units, mean where present", d, every), *others]
    gone: list[_Way] = [("as it is", d, {}), ("60 units", d, {"count": 60}), ("120 units", d, {"count": 120}), *others]
    parts = []
    for mode, head, ways in (("draw", "class in the stroke after drawing", drawn), ("remove", "share left after removing", gone)):
        lines = [f"| {head} | {' | '.join(name for name, _, _ in ways)} |", "|---" * (len(ways) + 1) + "|"]
        for label in BRUSHES:
            found = [brushed(generator, chooser, judge, where, label, mode, seeds, rankings if where is d else None, **how)
                     for _, where, how in ways]
            cells = ["–" if x is None else f"{x.after if mode == 'draw' else x.left:.2f}" for x in found]
            lines.append(f"| {label} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)

"""What the pages say about a dissection: cuts, counts, tables, and the same unit at another threshold.

    cut = CUTS["iou"]
    distribution(d, cut)            # [(Label, units), …], by category and count, as in the bar chart of the paper
    at_level(d, unit=17, t=40)      # label, IoU and runner-up labels of unit 17 when its threshold is d.level_grid[17, 40]

Reads `Dissection` records only and imports no torch.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import BadInput
from core.segment import Label

if TYPE_CHECKING:
    from core.dissect import Dissection

CATEGORIES = ("object", "part", "material", "colour")


@dataclass(frozen=True)
class Cut:
    """When a unit counts as interpretable: IoU with its best label above `iou`, and the IQR of that pair above `iqr`."""

    name: str
    iou: float
    iqr: float = -1.0

    @property
    def title(self) -> str:
        """As written in the papers: "IoU > 0.04", "IoU > 0.05 and IQR > 0.01"."""
        return f"IoU > {self.iou:g}" + (f" and IQR > {self.iqr:g}" if self.iqr >= 0 else "")


# Bau et al. 2020 (code: IoU > 0.04), and Bau et al. 2019 (IoU > 0.05 with the information quality ratio)
CUTS = {cut.name: cut for cut in (Cut("iou", 0.04), Cut("iqr", 0.05, 0.01))}


@dataclass(frozen=True)
class Reading:
    """One unit at one threshold. share: of all pixels above the level, 0..1; label: the best one, labels[0] if it meets none."""

    level: float
    share: float
    label: Label
    iou: float
    runners_up: tuple[tuple[Label, float], ...]


@dataclass(frozen=True)
class Cell:
    """The best unit of one layer for one class."""

    layer: str
    unit: int
    iou: float


def leaders(d: Dissection) -> np.ndarray:
    """(U,) column of each unit's label of highest IoU; "no label" (column 0) never wins."""
    return np.asarray(d.iou[:, 1:].argmax(axis=1) + 1)


def best_iou(d: Dissection) -> np.ndarray:
    """(U,) IoU of each unit with its best label."""
    return np.asarray(d.iou[np.arange(len(d.iou)), leaders(d)])


def passing(d: Dissection, cut: Cut) -> np.ndarray:
    """(U,) bool: units that count as interpretable."""
    return d.interpretable(cut.iou, cut.iqr)


def distribution(d: Dissection, cut: Cut) -> list[tuple[Label, tuple[int, ...]]]:
    """Labels with the units they name, over the cut; see `Dissection.distribution`."""
    return d.distribution(cut.iou, cut.iqr)


def category_rank(category: str) -> tuple[int, str]:
    """Sorts categories as the papers do; unknown ones come last, by name."""
    return (CATEGORIES.index(category), "") if category in CATEGORIES else (len(CATEGORIES), category)


def tally(groups: Sequence[tuple[Label, tuple[int, ...]]]) -> dict[str, tuple[int, int]]:
    """category -> (units, distinct labels), in the order of the distribution."""
    out: dict[str, tuple[int, int]] = {}
    for label, units in groups:
        n, k = out.get(label.category, (0, 0))
        out[label.category] = (n + len(units), k + 1)
    return out


def sentence(groups: Sequence[tuple[Label, tuple[int, ...]]]) -> str:
    """"86 object units (9 labels), 149 part (12), 10 material (1)"; "no unit passes" for an empty distribution."""
    first, *rest = [(n, category, k) for category, (n, k) in tally(groups).items()] or [(0, "", 0)]
    if not first[0]:
        return "no unit passes"
    n, category, k = first
    return ", ".join([f"{n} {category} unit{'s' * (n != 1)} ({k} label{'s' * (k != 1)})", *(f"{n} {c} ({k})" for n, c, k in rest)])


def unit_rows(d: Dissection, cut: Cut) -> list[dict[str, Any]]:
    """One row a unit for tables and CSV: unit, label, category, IoU, IQR, interpretable, ceiling, level, top seeds."""
    lead, ok = leaders(d), passing(d, cut)
    rows = []
    for unit, column in enumerate(lead):
        label = d.labels[int(column)]
        rows.append({"layer": d.layer, "unit": unit, "label": label.name, "category": label.category,
                     "iou": float(d.iou[unit, column]), "iqr": float(d.iqr[unit, column]), "interpretable": bool(ok[unit]),
                     "ceiling": d.ceiling(label, unit), "level": float(d.levels[unit]),
                     "top_seeds": " ".join(str(int(s)) for s in d.top_seeds[unit])})
    return rows


def class_rows(found: Mapping[str, Dissection], cut: Cut) -> list[dict[str, Any]]:
    """One row a class: category, share of pixels (%), units in each layer; at the quantile threshold also the highest IoU a unit
    can reach with it there, and whether that passes the cut."""
    if not found:
        return []
    first = next(iter(found.values()))
    counted = {layer: {label.id: len(units) for label, units in distribution(d, cut)} for layer, d in found.items()}
    rows = []
    for column, label in enumerate(first.labels):
        if column == 0:
            continue
        row: dict[str, Any] = {"class": label.name, "category": label.category,
                               "% of pixels": 100 * float(first.label_share[column])}
        if first.threshold == "quantile":
            row |= {"ceiling": first.ceiling(label), "can pass": first.ceiling(label) > cut.iou}
        rows.append(row | {layer: counted[layer].get(label.id, 0) for layer in found})
    return sorted(rows, key=lambda r: (category_rank(r["category"]), -sum(r[layer] for layer in found), r["class"]))


def best_units(found: Mapping[str, Dissection], label: str) -> list[Cell]:
    """For one class, the unit of highest IoU of every layer. Raises UnknownName."""
    cells = []
    for layer, d in found.items():
        column = d.column(label)
        iou = d.iou[:, column]
        cells.append(Cell(layer, int(iou.argmax()), float(iou.max())))
    return cells


def at_level(d: Dissection, unit: int, t: int, k: int = 3) -> Reading:
    """A unit read at the t-th level of its curve: best label, its IoU, the next k labels, the share of pixels above it."""
    curve = d.iou_curve(unit)[1:, t]
    order = np.argsort(-curve, kind="stable")
    runners = tuple((d.labels[int(i) + 1], float(curve[i])) for i in order[1:k + 1])
    best = int(order[0])
    label = d.labels[best + 1] if curve[best] > 0 else d.labels[0]
    return Reading(float(d.level_grid[unit, t]), float(d.share_curve(unit)[t]), label, float(curve[best]), runners)


def nearest_step(d: Dissection, unit: int, level: float) -> int:
    """Index of the level of the unit's curve that is nearest to `level`."""
    return int(np.abs(d.level_grid[unit] - level).argmin())


def of_category(d: Dissection, segmentation: np.ndarray, category: str) -> np.ndarray:
    """(S,H,W) label ids -> (H,W): each pixel's label of one category, 0 where it has none."""
    ids = [label.id for label in d.labels[1:] if label.category == category]
    return np.where(np.isin(segmentation, ids), segmentation, 0).max(axis=0)


def categories(d: Dissection) -> list[str]:
    """Categories of the labels, in the papers' order."""
    return sorted({label.category for label in d.labels[1:]}, key=category_rank)


def seeds_text(d: Dissection) -> str:
    """The measured seeds as shown in captions: "0–999", or how many there are of others."""
    seeds = d.run.params["seeds"]
    return f"{seeds[0]}–{seeds[1] - 1}" if isinstance(seeds, list) else f"{len(seeds['seeds'])} listed ones"


def threshold_text(d: Dissection) -> str:
    """How the levels were chosen, as shown in captions."""
    top = f"top {100 * float(d.run.params['quantile']):g} % of the unit's activations"
    return {"quantile": top, "iqr": "level of highest information quality ratio (IQR)",
            "pair": "level of highest information quality ratio of each unit and class"}[d.threshold]


@dataclass(frozen=True)
class Filter:
    """Which units a list shows. Empty values do not filter. `near` lists every unit, best for `label` first."""

    label: str = ""
    category: str = ""
    text: str = ""
    min_iou: float = 0.0
    near: bool = False
    sort: str = "IoU"


SORTS = ("IoU", "class", "number", "activation")


def select(d: Dissection, cut: Cut, wanted: Filter) -> list[int]:
    """Units of a layer that a filter lets through, in its order. Raises UnknownName for a class that does not exist."""
    lead, iou, ok = leaders(d), best_iou(d), passing(d, cut)
    keep = iou >= wanted.min_iou
    score = iou
    if wanted.label == d.labels[0].name:
        keep &= ~ok
    elif wanted.label:
        column = d.column(wanted.label)
        if wanted.near:
            score = d.iou[:, column]
            keep = score >= wanted.min_iou
        else:
            keep &= ok & (lead == column)
    if wanted.category:
        keep &= ok & np.array([d.labels[int(c)].category == wanted.category for c in lead])
    if wanted.text.strip():
        keep &= np.array([_matches(wanted.text, unit, d.labels[int(c)]) for unit, c in enumerate(lead)])
    units = np.flatnonzero(keep)
    if wanted.sort == "number":
        return [int(u) for u in units]
    if wanted.sort == "class":
        rank = {label.id: place for place, (label, _) in enumerate(distribution(d, cut))}
        return sorted((int(u) for u in units), key=lambda u: (not ok[u], rank.get(d.labels[int(lead[u])].id, 999), -iou[u]))
    if wanted.sort == "activation":
        return [int(u) for u in units[np.argsort(-d.top_scores[units, 0], kind="stable")]]
    if wanted.sort == "IoU":
        return [int(u) for u in units[np.argsort(-score[units], kind="stable")]]
    raise BadInput(f"units can be sorted by {', '.join(SORTS)}, not by {wanted.sort[:40]!r}")


def _matches(text: str, unit: int, label: Label) -> bool:
    """Every word of the text is part of the label, the category, or is the unit's number."""
    words = text.lower().split()[:8]
    return all(word == str(unit) or word in label.name.lower() or word in label.category.lower() for word in words)

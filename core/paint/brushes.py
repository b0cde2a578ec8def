"""From a brush's name to units and the values they are set to. Imports no torch.

A class brush takes the best units of the class: by average causal effect where that is known, by IoU otherwise. A set brush takes
the set's own units. Drawing inserts each unit's 0.99 quantile of raw activations (GANPaint), or its mean where the class is
present; removing sets 0.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.errors import BadInput
from core.paint.document import Painting, Stroke
from core.units import Ranking, UnitSet

if TYPE_CHECKING:
    from core.dissect import Dissection
    from core.store import Store

# the brushes of GANPaint, each with the letter that picks it (C and R are keys of Streamlit's own)
CLASSES = ("sky", "cloud", "tree", "grass", "door", "brick", "dome")
LETTERS = {"sky": "S", "cloud": "L", "tree": "T", "grass": "G", "door": "D", "brick": "B", "dome": "O"}
AMOUNTS = (4, 10, 20, 60)  # numbers of units offered
USUAL = 20                 # the papers' number; classes that sit in many units (sky, grass) need more

Rankings = Ranking | Mapping[str, Ranking] | None


@dataclass(frozen=True)
class Chosen:
    """What a stroke does to the network: `units` of `layer` are moved to `values` (U,). `by` says how they were picked."""

    layer: str
    units: tuple[int, ...]
    values: np.ndarray
    by: str
    note: str = ""


def choose(stroke: Stroke, painting: Painting, dissection: Dissection | None, rankings: Rankings = None) -> Chosen:
    """Units and values of one stroke. Raises UnknownName for a class that is not known, BadInput for what cannot be done."""
    own = painting.unit_set(stroke.brush)
    if own is not None:
        return _of_set(stroke, own, dissection)
    if dissection is None or dissection.layer != painting.layer:
        there = "none" if dissection is None else f"that of {dissection.layer}"
        raise BadInput(f"the brush {stroke.brush!r} needs the dissection of {painting.layer}, got {there}; make it with: "
                       f"python -m core dissect --model {painting.model} --layers {painting.layer}")
    units, by, note = _ranked(stroke, dissection, rankings)
    if stroke.mode == "remove":
        return Chosen(painting.layer, units, np.zeros(len(units), np.float32), by, note)
    return Chosen(painting.layer, units, _levels(stroke, units, dissection), by, note)


def dissection_for(painting: Painting, store: Store) -> Dissection | None:
    """The dissection the painting was made with where it is stored and of the model's present weights, else the one at hand."""
    from core import dissect, zoo
    from core.dissect.record import from_saved

    saved = store.get(painting.dissection) if painting.dissection else None
    if saved is not None and saved.run.kind == "dissect" and saved.run.params.get("layer") == painting.layer \
            and saved.run.inputs.get("generator") == zoo.fingerprint(painting.model):
        return from_saved(saved)
    return dissect.load(store, painting.model, painting.layer)


def stored_rankings(painting: Painting, store: Store) -> dict[str, Ranking]:
    """The causal rankings that are stored for the painting's class brushes, by class."""
    from core.causal import load_ranking

    names = {s.brush for s in painting.strokes if painting.unit_set(s.brush) is None and s.order != "iou"}
    found = {name: load_ranking(store, painting.model, painting.layer, name, kind="ace") for name in sorted(names)}
    return {name: ranking for name, ranking in found.items() if ranking is not None}


def _ranked(stroke: Stroke, dissection: Dissection, rankings: Rankings) -> tuple[tuple[int, ...], str, str]:
    label = dissection.label(stroke.brush)  # UnknownName for a class that is not there
    if isinstance(rankings, Ranking):
        rankings = {rankings.label: rankings}
    ranking = (rankings or {}).get(label.name)
    if ranking is not None and ranking.layer != dissection.layer:
        raise BadInput(f"the ranking given for {label.name!r} is of {ranking.layer}, the painting of {dissection.layer}")
    if stroke.order != "iou" and ranking is not None:
        return ranking.top(stroke.units), ranking.kind, ""
    note = ""
    if stroke.order == "ace":
        note = f"no causal ranking of {label.name} is stored for {dissection.layer}, so its units are those of highest IoU"
    return dissection.units_for(label.name, stroke.units), "iou", note


def _levels(stroke: Stroke, units: tuple[int, ...], dissection: Dissection) -> np.ndarray:
    index = list(units)
    if stroke.value == "q99":
        return np.asarray(dissection.q99, np.float32)[index]
    column = [label.name for label in dissection.labels].index(stroke.brush)
    levels = np.asarray(dissection.mean_present, np.float32)[index, column]
    if not np.isfinite(levels).all():
        raise BadInput(f"{stroke.brush!r} never occurs in the dissection's pictures, so its mean activation is not known; "
                       "draw with the 0.99 quantile")
    return levels


def _of_set(stroke: Stroke, own: UnitSet, dissection: Dissection | None) -> Chosen:
    units = own.units[: stroke.units]
    if stroke.mode == "remove":
        return Chosen(own.layer, units, np.zeros(len(units), np.float32), "set")
    if stroke.value == "mean":
        raise BadInput(f"{own.name!r} is a set of units, not a class, so it has no mean where the class is present; "
                       "draw with the 0.99 quantile")
    if own.values:
        return Chosen(own.layer, units, np.asarray(own.values[: stroke.units], np.float32), "set")
    if dissection is None or dissection.layer != own.layer:
        raise BadInput(f"the set {own.name!r} has no values to draw with, and the dissection of {own.layer} is not at hand")
    return Chosen(own.layer, units, np.asarray(dissection.q99, np.float32)[list(units)], "set")

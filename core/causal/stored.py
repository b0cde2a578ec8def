"""Stored results of the causal measurements, read without torch: rankings, single-unit effects.

A result counts for a model only while the model's weights are the ones it was made with.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core import zoo
from core.causal.presets import PRESETS
from core.errors import BadInput, StoreError, UnknownName
from core.segment import Label
from core.store import Run, Saved, Store
from core.units import Kind, Ranking, ranked


def label_id(labels: Sequence[Label], name: str) -> int:
    """Number of a label by name. Raises UnknownName."""
    for label in labels[1:]:
        if label.name == name:
            return label.id
    raise UnknownName("label", name, [label.name for label in labels[1:]])


def stored(store: Store, kind: str, model: str, *, fingerprint: str | None = None, **params: Any) -> Iterator[Saved]:
    """Sound results of a kind for the model's present weights, newest first; damaged ones are passed over."""
    mark = zoo.fingerprint(model) if fingerprint is None else fingerprint
    for entry in store.find(kind, model=model, **params):
        if entry.manifest["run"]["inputs"].get("generator") != mark:
            continue
        try:
            saved = store.get(entry.key)
        except StoreError:
            continue
        if saved is not None:
            yield saved


def newest(store: Store, kind: str, model: str, *, fingerprint: str | None = None, **params: Any) -> Saved | None:
    """The first of `stored`, or None."""
    return next(stored(store, kind, model, fingerprint=fingerprint, **params), None)


@dataclass(frozen=True)
class Single:
    """What happens when each unit of a layer alone is switched off, over `seeds`.

    before (C,), after (U,C): pixels of each label over all pictures as the segmenter sees them; change (U,): mean absolute
    change of the picture in grey levels; pixels: of all pictures together.
    """

    run: Run
    layer: str
    labels: tuple[Label, ...]
    seeds: tuple[int, int]
    before: np.ndarray
    after: np.ndarray
    change: np.ndarray
    pixels: int

    def effect(self, label: str) -> np.ndarray:
        """(U,) share of the label's pixels that vanish with each unit, at most 1, negative where there is more after.

        Raises UnknownName, and BadInput when the label is in no picture.
        """
        c = label_id(self.labels, label)
        if not self.before[c]:
            raise BadInput(f"{label!r} is in none of the {self.seeds[1] - self.seeds[0]} pictures looked at")
        return 1 - self.after[:, c] / self.before[c]

    def ranking(self, label: str) -> Ranking:
        """Units by their single effect on the label."""
        return ranked(self.run, self.layer, label, self.effect(label), "single")


def load_single(store: Store, model: str, layer: str, *, fingerprint: str | None = None) -> Single | None:
    """The newest stored single-unit effects of a layer, or None. No torch."""
    saved = newest(store, "single", model, fingerprint=fingerprint, layer=layer)
    return single_of(saved) if saved else None


def load_ranking(store: Store, model: str, layer: str, label: str, kind: Kind = "ace", *, preset: str | None = None,
                 fingerprint: str | None = None) -> Ranking | None:
    """The newest stored ranking of a layer's units for a label, or None. kind "ace" (of this preset, or of the first of PRESETS that was

    learned, so that an experiment with other constants changes no brush), "single", or "iou" (read from the newest stored dissection).
    No torch.
    """
    if kind == "iou":
        from core import dissect

        found = dissect.load(store, model, layer)
        return found.ranking(label) if found is not None else None
    if kind == "single":
        single = load_single(store, model, layer, fingerprint=fingerprint)
        known = single is not None and any(x.name == label and single.before[x.id] for x in single.labels[1:])
        return single.ranking(label) if single is not None and known else None
    for name in [preset] if preset else PRESETS:
        saved = newest(store, "ace", model, fingerprint=fingerprint, layer=layer, label=label, preset=name)
        if saved is not None:
            return ace_ranking(saved)
    return None


def load_values(store: Store, ranking: Ranking) -> np.ndarray | None:
    """(U,) what an ACE ranking was learned inserting (see Preset.inserts); None for another kind of ranking."""
    saved = store.get(ranking.run.key) if ranking.kind == "ace" else None
    return saved.arrays["values"] if saved else None


def ace_ranking(saved: Saved) -> Ranking:
    """Stored α as a ranking: higher first.

    Ties: among units with an effect the higher IoU first; among units at 0 the lower, so that a unit which agrees with the class
    but was found to cause none of it comes last.
    """
    p, alpha, iou = saved.run.params, saved.arrays["alpha"], saved.arrays["iou"]
    return ranked(saved.run, p["layer"], p["label"], alpha, "ace", tie=np.where(alpha > 0, iou, -iou))


def single_of(saved: Saved) -> Single:
    """A stored run as a record."""
    p, a = saved.run.params, saved.arrays
    return Single(saved.run, p["layer"], labels_of(p["labels"]), (p["seeds"][0], p["seeds"][1]), a["before"], a["after"],
                  a["change"], int(a["pixels"]))


def labels_as(labels: Sequence[Label]) -> list[list[Any]]:
    """Labels as plain values of a Run."""
    return [[x.id, x.name, x.category] for x in labels]


def labels_of(plain: Sequence[Sequence[Any]]) -> tuple[Label, ...]:
    """Labels from plain values of a Run."""
    return tuple(Label(int(i), str(name), str(category)) for i, name, category in plain)

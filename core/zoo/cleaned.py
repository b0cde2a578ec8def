"""Cleaned models: a known model with some units of one layer always off, under a name of its own. Imports no torch by itself.

They are kept in the Store (kind "cleaned"), so the dashboard and the command line share them; `zoo.names()` lists them and
`zoo.load` opens them like any other model.
"""
from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from core.errors import BadInput, StoreError
from core.store import Run, Store, canonical
from core.zoo.cards import Card

if TYPE_CHECKING:
    from core.zoo.generator import Generator

KIND = "cleaned"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
VERSION = 1


@dataclass(frozen=True)
class Cleaned:
    """A named ablation set: `units` of `layer` of the model `base` are off. `base_mark`: the fingerprint of the base then."""

    name: str
    base: str
    layer: str
    units: tuple[int, ...]
    base_mark: str
    key: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the base's fingerprint and of what is off: results of the base never count for it."""
        return hashlib.sha256(canonical([self.base_mark, self.layer, list(self.units)]).encode()).hexdigest()

    def card(self, base: Card) -> Card:
        """The base's card under this name."""
        return replace(base, name=self.name, title=f"{base.title}, cleaned", bundled=False, url="", sha256="",
                       notes=f"{base.name} with {len(self.units)} units of {self.layer} always off.")

    def wrap(self, base: Generator) -> Generator:
        """The base with the units off."""
        from core.zoo.edited import EditedGenerator

        return EditedGenerator(base, self.name, self.fingerprint, self.layer, self.units)


def cleaned(store: Store | None = None) -> dict[str, Cleaned]:
    """All cleaned models by name, the newest of a name; of the default store unless one is given."""
    found: dict[str, Cleaned] = {}
    for entry in (store or Store()).list(KIND):
        if entry.problem:
            continue
        p, inputs = entry.manifest["run"]["params"], entry.manifest["run"]["inputs"]
        item = Cleaned(p["name"], p["base"], p["layer"], tuple(p["units"]), inputs["generator"], entry.key)
        found.setdefault(item.name, item)
    return found


def save_cleaned(store: Store, name: str, base: str, layer: str, units: Sequence[int]) -> Cleaned:
    """Keeps an ablation set as a model. Raises BadInput for a name that cannot be used or is taken, and for no units."""
    from core import zoo

    if not _NAME.fullmatch(name):
        raise BadInput(f"a name has small letters, digits, '-', '_' and '.' (at most 40), got {name[:60]!r}")
    if name in zoo.known() or name in cleaned(store):
        raise BadInput(f"there is a model named {name!r} already; choose another name")
    card = zoo.card(base)
    chosen = tuple(sorted({int(u) for u in units}))
    layers = {info.name: info for info in card.layers}
    if card.layers and (layer not in layers or not all(0 <= u < layers[layer].units for u in chosen)):
        raise BadInput(f"{base} has no such units: {layer} {chosen[:8]}")
    if not chosen:
        raise BadInput("choose at least one unit to switch off")
    run = Run(KIND, {"name": name, "base": base, "model": base, "layer": layer, "units": list(chosen)},
              {"generator": zoo.fingerprint(base)}, VERSION)
    store.put(run, {"units": np.asarray(chosen, np.int64)})
    return Cleaned(name, base, layer, chosen, run.inputs["generator"], run.key)


def delete_cleaned(store: Store, name: str) -> None:
    """Forgets a cleaned model; results made with it stay. Raises StoreError when there is none of one's own."""
    item = cleaned(store).get(name)
    if item is None:
        raise StoreError(f"there is no cleaned model named {name!r}")
    store.delete(item.key)

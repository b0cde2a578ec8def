"""Which unit of which layer draws what: `dissect(...) -> {layer: Dissection}`.

    from core.dissect import dissect, dissect_activations, load, load_pictures
    runs = dissect(generator, segmenter, ["layer4", "layer7"], range(1000), store=store)
    d = load(store, "scenes", "layer4")          # what a page shows; imports no torch

    record       Dissection: what is known of one layer; methods only read
    thresholds   levels chosen on the level images
    measure      counts on the measuring images
    engine       the two passes over a generator, store, checkpoints
    own          the same for arrays one already has
    pictures     thumbnails and label maps by seed
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from core import zoo
from core.dissect.engine import dissect
from core.dissect.own import dissect_activations
from core.dissect.pictures import Pictures, pictures_from
from core.dissect.record import Counts, Dissection, from_saved
from core.errors import MissingWeights, StoreError, UnknownName
from core.store import Saved, Store

__all__ = ["Counts", "Dissection", "Pictures", "dissect", "dissect_activations", "load", "load_pictures"]
T = TypeVar("T")


def load(store: Store, model: str, layer: str) -> Dissection | None:
    """The stored dissection of a layer of the model as it is now, with the most images (then the newest), or None."""
    return _newest(store, "dissect", model, from_saved, layer=layer)


def load_pictures(store: Store, model: str) -> Pictures | None:
    """The stored pictures of the model as it is now, with the most seeds (then the newest), or None."""
    return _newest(store, "pictures", model, pictures_from)


def _newest(store: Store, kind: str, model: str, read: Callable[[Saved], T], **params: object) -> T | None:
    try:
        now: str | None = zoo.fingerprint(model)
    except (UnknownName, MissingWeights):
        now = None  # not a named model, or its weights were deleted: there is nothing newer to contradict what is stored
    entries = [e for e in store.find(kind, model=model, **params) if now in (None, e.manifest["run"]["inputs"].get("generator"))]
    for entry in sorted(entries, key=lambda e: int(e.manifest["run"]["params"].get("images", 0)), reverse=True):
        try:
            saved = store.get(entry.key)
            if saved is not None:
                return read(saved)
        except StoreError:
            continue  # damaged: the models page names it, the next one is shown
    return None

"""Which unit of which layer draws what: `dissect(...) -> {layer: Dissection}`.

    from core.dissect import dissect, dissect_activations, load, load_pictures
    runs = dissect(generator, segmenter, ["layer4", "layer7"], range(1000), store=store)
    d = load(store, "scenes", "layer4")          # what a page shows; imports no torch

    record       Dissection: what is known of one layer; methods only read
    thresholds   levels chosen on the level images
    profile      histogram and class means on the level images
    measure      counts and top images on the measuring images
    engine       the two passes over a generator
    halfway      what is kept of a run that is not done yet
    own          the same for arrays one already has
    pictures     thumbnails and label maps by seed
    stored       the newest stored result of a kind; results made once
"""
from __future__ import annotations

from core.dissect.engine import dissect
from core.dissect.own import dissect_activations
from core.dissect.pictures import Pictures, pictures_from
from core.dissect.record import Counts, Dissection, from_saved
from core.dissect.stored import newest, once
from core.store import Store

__all__ = ["Counts", "Dissection", "Pictures", "dissect", "dissect_activations", "load", "load_pictures", "newest",
           "once"]


def load(store: Store, model: str, layer: str) -> Dissection | None:
    """The stored dissection of a layer of the model as it is now, with the most images (then the newest), or None."""
    return newest(store, "dissect", model, from_saved, layer=layer)


def load_pictures(store: Store, model: str) -> Pictures | None:
    """The stored pictures of the model as it is now, with the most seeds (then the newest), or None."""
    return newest(store, "pictures", model, pictures_from)

"""Segmenters that somebody made from painted or clustered concepts: kept in the Store, found by name. Lists without torch.

A name is `concepts-NAME-KEY8`, where KEY8 begins the key of the run that holds the weights; another painting is another name.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import UnknownName
from core.store import Entry, Store

if TYPE_CHECKING:
    from core.segment.base import Segmenter

KIND = "concepts"


def saved_name(name: str, key: str) -> str:
    """The segmenter's name for a stored run."""
    return f"concepts-{name}-{key[:8]}"


def entries(model: str = "", store: Store | None = None) -> list[Entry]:
    """Stored concept segmenters, newest first; of one model when it is named."""
    return list((store or Store()).find(KIND, **({"model": model} if model else {})))


def saved_names(model: str = "", store: Store | None = None) -> list[str]:
    """Names of stored concept segmenters, newest first; of one model when it is named."""
    return [saved_name(str(e.manifest["run"]["params"]["name"]), e.key) for e in entries(model, store)]


def load_saved(name: str, device: str = "auto", store: Store | None = None) -> Segmenter:
    """The concept segmenter of this name. Raises UnknownName, StoreError."""
    from core.segment.concepts import from_saved

    here = store or Store()
    for entry in entries(store=here):
        if saved_name(str(entry.manifest["run"]["params"]["name"]), entry.key) == name:
            saved = here.get(entry.key)
            if saved is not None:
                return from_saved(saved, device)
    raise UnknownName("segmenter", name, saved_names(store=here))

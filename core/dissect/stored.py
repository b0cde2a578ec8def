"""The newest stored result of a kind that belongs to a model as it is now. No torch."""
from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from core import zoo
from core.errors import MissingWeights, StoreError, UnknownName
from core.store import Saved, Store

T = TypeVar("T")


def newest(store: Store, kind: str, model: str, read: Callable[[Saved], T], **params: object) -> T | None:
    """What `read` makes of the sound stored run with the most images (then the newest), or None.

    Runs of other weights of the same model do not count; damaged ones are passed over (the models page names them).
    """
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
            continue
    return None

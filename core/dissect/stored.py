"""Stored results: the newest of a kind that belongs to a model as it is now, and one that is made once. No torch."""
from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from core import zoo
from core.errors import MissingWeights, StoreError, UnknownName
from core.jobs import Report
from core.store import Run, Saved, Store

T = TypeVar("T")
log = logging.getLogger(__name__)


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


def sound(store: Store, run: Run, read: Callable[[Saved], T]) -> T | None:
    """What `read` makes of the stored run, or None; a damaged one is named in the log and set aside, to be made again."""
    try:
        saved = store.get(run.key)
        return None if saved is None else read(saved)
    except StoreError as error:
        log.warning("%s", error)
        store.set_aside(run.key)
        return None


def once(store: Store | None, run: Run, read: Callable[[Saved], T], work: Callable[[], T], report: Report) -> T:
    """The stored run, or `work`, which stores it; of two processes that ask at a time one works and the other waits for it."""
    if store is None:
        return work()
    found = sound(store, run, read)
    if found is None:
        with store.claim(run, lambda: report(0, 1, "waiting for another process that makes the same")):
            found = sound(store, run, read)
            if found is None:
                found = work()
    return found

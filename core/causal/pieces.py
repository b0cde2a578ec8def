"""Long work in pieces that are kept as they are finished, so that a cancelled or broken run goes on where it stopped."""
from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from core.errors import StoreError
from core.jobs import Report
from core.store import Run, Saved, Store

Arrays = Mapping[str, np.ndarray]
KIND = "part"


class Pieces:
    """The finished parts of one run; nothing is kept without a store."""

    def __init__(self, store: Store | None, run: Run) -> None:
        self._store, self._run = store, run

    def get(self, name: str) -> Arrays | None:
        """A finished part, if there is one; a damaged one counts as not finished."""
        if self._store is None:
            return None
        try:
            saved = self._store.get(self._part(name).key)
        except StoreError:
            self._store.set_aside(self._part(name).key)
            return None
        return saved.arrays if saved else None

    def keep(self, name: str, arrays: Arrays) -> Arrays:
        """Keeps a part under its name."""
        if self._store is not None:
            self._store.put(self._part(name), arrays)
        return arrays

    def drop(self, name: str) -> None:
        """Forgets a part, if it is there."""
        if self._store is not None and self._store.has(self._part(name).key):
            self._store.delete(self._part(name).key)

    def _part(self, name: str) -> Run:
        return Run(KIND, {"of": self._run.key, "name": name})


NOWHERE = Pieces(None, Run(KIND, {}))     # keeps nothing


def cached(run: Run, store: Store | None, work: Callable[[Pieces], tuple[Arrays, list[str]]], *, device: str = "cpu") -> Saved:
    """The stored result of the run, or `work` done and stored now; its parts (the names it returns) are dropped after.

    Raises StoreError when the result is stored but damaged.
    """
    if store is None:
        arrays, _ = work(Pieces(None, run))
        return Saved(run, {"run": run.as_dict()}, arrays)
    found = store.get(run.key)
    if found is not None:
        return found
    with store.claim(run):
        found = store.get(run.key)
        if found is not None:
            return found
        pieces, began = Pieces(store, run), time.monotonic()
        arrays, parts = work(pieces)
        saved = store.put(run, arrays, seconds=time.monotonic() - began, device=device)
    for name in parts:
        pieces.drop(name)
    return saved


def within(report: Report, start: int, total: int, note: str) -> Report:
    """A report for a stage of a longer run, which counts on from `start` to `total` under its own note."""
    whole, title = total, note

    def inner(done: int, total: int, note: str = "") -> None:
        report(start + done, whole, note or title)

    return inner

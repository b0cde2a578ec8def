"""Everything a person can cause to go wrong, as one tree.

    GanLabError             shown to people as it stands: what came, what is known, what to do
    ├── BadInput            a value, file or upload that cannot be used
    │   ├── UnknownName     a name that is not in a list of known names
    │   └── BadFile         a file that is damaged, of another kind, or not what its hash says
    ├── MissingPackage      an optional library is not installed
    ├── MissingWeights      weights that are neither here nor could be fetched
    ├── StoreError          a result could not be kept or read (full disk, damaged run)
    ├── JobCancelled        somebody asked a job to stop
    └── Busy                too much work is waiting already

Any other exception is a bug and is left to crash.
"""
from __future__ import annotations

import difflib
from collections.abc import Iterable


class GanLabError(Exception):
    """Base of all errors whose text is meant for the person in front of the screen."""


class BadInput(GanLabError):
    """A value, file or upload that cannot be used."""


class UnknownName(BadInput):
    """A name that is not in a list of known names; suggests the nearest ones."""

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, str(name), tuple(known)
        near = difflib.get_close_matches(self.name, self.known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        shown = ", ".join(self.known[:24]) + (", …" if len(self.known) > 24 else "")
        super().__init__(f"no {kind} named {self.name[:80]!r}; {hint}known: {shown or 'none'}")


class BadFile(BadInput):
    """A file that is damaged, of another kind, or not what its hash says."""


class MissingPackage(GanLabError):
    """An optional library is not installed."""

    def __init__(self, feature: str, package: str) -> None:
        super().__init__(f"{feature} needs the package {package!r}; install it with: pip install {package}")


class MissingWeights(GanLabError):
    """Weights that are neither here nor could be fetched."""


class StoreError(GanLabError):
    """A result could not be kept or read."""


class JobCancelled(GanLabError):
    """Somebody asked a job to stop."""


class Busy(GanLabError):
    """Too much work is waiting already."""

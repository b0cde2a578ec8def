"""Segmenters by name: what a picture shows, pixel by pixel.

    from core import segment
    s = segment.load("scenes")             # the bundled dissector; "scenes-judge" is the one that only ever scores
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import UnknownName
from core.segment.base import Label, Segmenter

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Label", "Segmenter", "load", "names"]


def _bundled(name: str, device: str) -> Segmenter:
    from core.segment.bundled import load as load_bundled

    return load_bundled(name, device)


LOADERS: dict[str, Callable[[str, str], Segmenter]] = {"scenes": _bundled, "scenes-judge": _bundled}


def names() -> list[str]:
    """Names of all known segmenters."""
    return list(LOADERS)


def load(name: str, device: str = "auto") -> Segmenter:
    """A segmenter by name, ready to use. Raises UnknownName, MissingWeights, BadFile."""
    if name not in LOADERS:
        raise UnknownName("segmenter", name, LOADERS)
    return LOADERS[name](name, device)

"""Segmenters by name: what a picture shows, pixel by pixel.

    from core import segment
    s = segment.load("scenes")             # the bundled dissector; "scenes-judge" is the one that only ever scores
    segment.load("upernet+concepts-mine-1a2b3c4d")   # several as one: labels of the same name and category are one label
    segment.names()                        # those that can be used here; segment.cards() tells what else could be fetched
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import UnknownName
from core.segment.base import Label, Segmenter
from core.segment.cards import CARDS, SegmenterCard

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Label", "Segmenter", "SegmenterCard", "cards", "for_model", "load", "names"]

CONCEPTS = "concepts-"


def _bundled(name: str, device: str) -> Segmenter:
    from core.segment.bundled import load as load_bundled

    return load_bundled(name, device)


def _upernet(name: str, device: str) -> Segmenter:
    from core.segment.upernet import load as load_upernet

    return load_upernet(name, device)


def _segformer(name: str, device: str) -> Segmenter:
    from core.segment.segformer import load as load_segformer

    return load_segformer(name, device)


_BY_FAMILY: dict[str, Callable[[str, str], Segmenter]] = {"bundled": _bundled, "upernet": _upernet, "segformer": _segformer}
LOADERS: dict[str, Callable[[str, str], Segmenter]] = {name: _BY_FAMILY[c.family] for name, c in CARDS.items()}


def cards() -> dict[str, SegmenterCard]:
    """All segmenters that have a card, here or not, by name."""
    return dict(CARDS)


def here(name: str) -> bool:
    """Whether a segmenter of the table can be used without fetching or installing anything."""
    card = CARDS[name]
    if card.package:
        from core.segment import hub

        return hub.cached(name)
    return all(card.path(file).is_file() for file in card.files)


def names() -> list[str]:
    """Names of the segmenters that can be used here, painted concepts last."""
    from core.segment.saved import saved_names

    return [name for name in CARDS if here(name)] + saved_names()


def for_model(model: str) -> tuple[str, ...]:
    """Segmenters for a model that has none of its own, best first: concepts painted for it, then the general ones that are here.

    A file named scenes-… is a generator of the bundled world (such as a damaged copy), which the bundled segmenters read.
    """
    from core.segment.saved import saved_names

    general = [name for name, card in CARDS.items() if card.general and here(name)]
    world = [name for name in ("scenes", "scenes-judge") if model.startswith("scenes-") and here(name)]
    return (*saved_names(model), *world, *general)


def load(name: str, device: str = "auto") -> Segmenter:
    """A segmenter by name, or several with "+" between them as one. Raises UnknownName, MissingWeights, MissingPackage, BadFile."""
    if "+" in name:
        from core.segment.vocabulary import Merged

        return Merged([load(part, device) for part in name.split("+")])
    if name.startswith(CONCEPTS):
        from core.segment.saved import load_saved

        return load_saved(name, device)
    if name not in LOADERS:
        raise UnknownName("segmenter", name, names())
    return LOADERS[name](name, device)

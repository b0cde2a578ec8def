"""Generators by name or by file.

    from core import zoo
    g = zoo.load("scenes")                 # bundled, or downloaded on first use
    g = zoo.open("file.pth")               # family detected from the file alone
    zoo.names(); zoo.card("scenes")        # what is known without loading anything (no torch)
"""
from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import MissingWeights, UnknownName
from core.zoo.cards import Card, LayerInfo

if TYPE_CHECKING:
    from core.zoo.generator import Generator

__all__ = ["BUNDLED", "Card", "LayerInfo", "card", "fingerprint", "load", "names", "open"]

BUNDLED = Path(__file__).resolve().parent / "bundled"

CARDS: dict[str, Card] = {
    c.name: c for c in (
        Card("scenes", "Painted churches (bundled)", "proggan", "scenes.safetensors", sizes=(128, 256, 256, 256, 128, 64),
             default_layer="layer4", bundled=True, licence="MIT", segmenters=("scenes", "scenes-judge"),
             notes="Trained from nothing on procedurally painted church scenes; see core/zoo/bundled/MODEL.md."),
    )
}


def names() -> list[str]:
    """Names of all known models, the bundled one first."""
    return list(CARDS)


def card(name: str) -> Card:
    """What is known of a model. Raises UnknownName."""
    if name not in CARDS:
        raise UnknownName("model", name, CARDS)
    return CARDS[name]


def weights_path(name: str) -> Path:
    """Where the weights of a known model are (whether they are there or not)."""
    c = card(name)
    if c.bundled:
        return BUNDLED / c.file
    from core.store import CACHE

    return CACHE / "weights" / c.file


def fingerprint(name: str) -> str:
    """SHA-256 of the model's weight file: the `generator` input of every Run. No torch. Raises MissingWeights."""
    path = weights_path(name)
    if not path.is_file():
        raise MissingWeights(f"the weights of {name!r} are not at {path}; fetch them with: python -m core models fetch {name}")
    stat = path.stat()
    return _sha256(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _sha256(path: Path, mtime: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(name: str, device: str = "auto") -> Generator:
    """A known model, ready to use, on `device` ("auto", "cpu", "cuda", "mps").

    Raises UnknownName, MissingWeights, BadFile.
    """
    c = card(name)
    mark = fingerprint(name)
    from core.zoo.files import open_weights

    return open_weights(weights_path(name), name=c.name, fingerprint=mark, device=device)


def open(path: str | Path, device: str = "auto") -> Generator:
    """A generator from a weight file of a known family, detected from the file alone. Raises BadFile."""
    from core.zoo.files import open_weights

    path = Path(path)
    if not path.is_file():
        raise MissingWeights(f"there is no file {path}")
    stat = path.stat()
    return open_weights(path, name=path.stem, fingerprint=_sha256(path.resolve(), stat.st_mtime_ns, stat.st_size), device=device)

"""Generators by name or by file.

    from core import zoo
    g = zoo.load("scenes")                 # bundled, published (once fetched), one's own, or a cleaned model
    g = zoo.open("file.pth")               # family detected from the file alone
    zoo.names(); zoo.card("scenes")        # what is here, without loading anything (no torch)
    zoo.known()                            # … and what could be fetched
"""
from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from core import store
from core.errors import BadFile, GanLabError, MissingWeights, UnknownName
from core.zoo import cleaned, own, published
from core.zoo.cards import Card, LayerInfo

if TYPE_CHECKING:
    from core.zoo.generator import Generator

__all__ = ["BUNDLED", "Card", "LayerInfo", "card", "fingerprint", "here", "known", "load", "names", "open", "pick", "problems",
           "weights_path"]

BUNDLED = Path(__file__).resolve().parent / "bundled"

CARDS: dict[str, Card] = {
    "scenes": Card("scenes", "Painted churches (bundled)", "Progressive GAN", "scenes.safetensors", sizes=(128, 256, 256, 256, 128, 64, 32),
                   default_layer="layer6", bundled=True, licence="MIT", segmenters=("scenes", "scenes-judge"),
                   notes="Trained from nothing on procedurally painted church scenes; see core/zoo/bundled/MODEL.md."),
    **published.CARDS,
}


def names() -> list[str]:
    """Names of the models that can be used here: the bundled one, fetched ones, one's own, cleaned ones."""
    return [n for n, c in CARDS.items() if c.bundled or here(n)] + list(_usable()) + list(_cleaned())


def known() -> list[str]:
    """Names of all models that can be named: those of `names()` and those that could be fetched."""
    return [*CARDS, *_usable(), *_cleaned()]


def here(name: str) -> bool:
    """Whether the weights of a known model are on this disk, and right."""
    path = weights_path(name)
    return path.is_file() and not (name in published.CARDS and _problem(path, CARDS[name].sha256))


def card(name: str) -> Card:
    """What is known of a model. Raises UnknownName, and BadFile for a file of one's own that cannot be used."""
    from core import segment

    if name in CARDS:
        found = CARDS[name]
        return found if found.bundled else _with(found, segment.for_model(name))
    path = _own().get(name)
    if path is None:
        if (set_ := _cleaned().get(name)) is not None:
            return set_.card(card(set_.base))
        raise UnknownName("model", name, known())
    return own.card(name, path, segment.for_model(name))


def problems() -> dict[str, str]:
    """Files that cannot be used, in the models folders and among the fetched ones -> what keeps them from it."""
    found = {path.name: _problem(path) for path in _own().values()}
    found |= {weights_path(n).name: _problem(weights_path(n), CARDS[n].sha256) for n in published.CARDS if weights_path(n).is_file()}
    return {file: problem for file, problem in found.items() if problem}


def weights_path(name: str) -> Path:
    """Where the weights of a known model are (whether they are there or not)."""
    if name not in CARDS:
        path = _own().get(name)
        if path is None:
            if (set_ := _cleaned().get(name)) is not None:
                return weights_path(set_.base)
            raise UnknownName("model", name, known())
        return path
    found = CARDS[name]
    if found.bundled:
        return BUNDLED / found.file
    fetched = store.CACHE / "weights" / found.file
    return fetched if fetched.is_file() else own.find_published(found.file) or fetched


def fingerprint(name: str) -> str:
    """SHA-256 of the model's weights: the `generator` input of every Run. No torch. Raises MissingWeights, BadFile."""
    if name not in CARDS and name not in _own() and (set_ := _cleaned().get(name)) is not None:
        return set_.fingerprint
    path = weights_path(name)
    if not path.is_file():
        raise MissingWeights(f"the weights of {name!r} are not at {path}; fetch them with: python -m core models fetch {name}")
    if name in CARDS and CARDS[name].bundled:
        stat = path.stat()
        return _sha256(path, stat.st_mtime_ns, stat.st_size)
    if name in published.CARDS and (problem := _problem(path, CARDS[name].sha256)):
        raise BadFile(problem)
    return own.fingerprint(path)


@lru_cache(maxsize=64)
def _sha256(path: Path, mtime: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(name: str, device: str = "auto") -> Generator:
    """A known model, ready to use, on `device` ("auto", "cpu", "cuda", "mps").

    Raises UnknownName, MissingWeights, BadFile.
    """
    if name not in CARDS and name not in _own() and (set_ := _cleaned().get(name)) is not None:
        return set_.wrap(load(set_.base, device))
    mark, path = fingerprint(name), weights_path(name)
    if path.suffix == ".json":
        from core.zoo.modules import from_function

        return from_function(own.function_of(path), name=name, fingerprint=mark, device=device)
    from core.zoo.files import open_weights

    return open_weights(path, name=name, fingerprint=mark, device=device)


def open(path: str | Path, device: str = "auto") -> Generator:
    """A generator from a weight file of a known family, detected from the file alone. Raises BadFile."""
    from core.zoo.files import open_weights

    path = Path(path)
    if not path.is_file():
        raise MissingWeights(f"there is no file {path}")
    stat = path.stat()
    return open_weights(path, name=path.stem, fingerprint=_sha256(path.resolve(), stat.st_mtime_ns, stat.st_size), device=device)


def pick(text: str) -> str:
    """What a command line names as a known name: a model, a weight file, or "package.module:function".

    A file or code is known to this process from then on; its name is the file's or the function's, with a mark where another model
    has that name. Never called with a visitor's text. Raises UnknownName, BadFile, BadInput.
    """
    if text in known():
        return text
    path = Path(text).expanduser()
    if path.is_file():
        found = own.inspect(path)
        if found.problem:
            raise BadFile(f"{path.name}: {found.problem}")
        if (name := path.stem) in known() and fingerprint(name) != found.sha256:
            name = f"{name}-{found.sha256[:8]}"
        return name if name in known() else own.lend(name, path)
    if ":" in text and not path.drive:
        name = text.partition(":")[2]
        return own.lend_function(text, f"{name}-code" if name in known() else name)
    raise UnknownName("model", text, known())


def _cleaned() -> dict[str, cleaned.Cleaned]:
    """Cleaned models of the default store, as long as their base is the one they were made for."""
    found = {}
    for name, set_ in cleaned.cleaned().items():
        base_here = set_.base in CARDS or set_.base in _own()
        if base_here and weights_path(set_.base).is_file() and fingerprint(set_.base) == set_.base_mark:
            found[name] = set_
    return found


def _own() -> dict[str, Path]:
    return own.files({c.file: c.name for c in CARDS.values()})


def _usable() -> list[str]:
    return [name for name, path in _own().items() if not _problem(path)]


def _problem(path: Path, sha256: str = "") -> str:
    """What keeps a file from being used, "" for nothing; `sha256` is what its hash must begin with."""
    try:
        found = own.inspect(path)
    except (OSError, GanLabError) as error:
        return str(error)
    if not found.problem and not found.sha256.startswith(sha256):
        return f"{path.name} is not the published file: its SHA-256 begins with {found.sha256[:8]}, not with {sha256}; fetch it again, " \
               "or rename it to use it as a model of your own"
    return found.problem


def _with(found: Card, segmenters: tuple[str, ...]) -> Card:
    from dataclasses import replace

    return replace(found, segmenters=segmenters)

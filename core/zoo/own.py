"""Models of one's own: weight files and code named in a folder, found without opening them twice. Imports no torch by itself.

A model of one's own is a file in `cache/models` or in a folder named by GAN_DISSECTION_MODELS:

    faces.pth, faces.safetensors      tensors of a known family
    faces.json                        {"function": "package.module:function"}: code, written by `python -m core models add`

What a file holds is found by opening it once; the answer is kept in `cache/cards/` with the file's size and time, so that a page can
list layers without torch. A browser can choose among these names only: no path and no code ever comes from a visitor.
"""
from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core import store
from core.errors import BadFile, BadInput, GanLabError
from core.zoo import weights
from core.zoo.cards import Card, LayerInfo

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Found:
    """What opening a file told: a family and its sizes, or the `problem` that keeps it from being used."""

    family: str = ""
    z_dim: int = 0
    layers: tuple[LayerInfo, ...] = ()
    picture: tuple[int, int] = (0, 0)
    sha256: str = ""
    problem: str = ""
    notes: str = ""


def add_folder() -> Path:
    """Where `models add` puts files."""
    return store.CACHE / "models"


def folders() -> tuple[Path, ...]:
    """Folders searched for models: cache/models, then those of GAN_DISSECTION_MODELS (separated as PATH is)."""
    named = [Path(p).expanduser() for p in os.environ.get("GAN_DISSECTION_MODELS", "").split(os.pathsep) if p]
    return (add_folder(), *named)


_lent: dict[str, Path] = {}


def lend(name: str, path: Path) -> str:
    """Makes a file a model of this process alone, as a command line does; no browser gets here."""
    _lent[check_name(name)] = path.resolve()
    return name


def lend_function(function: str, name: str) -> str:
    """The same with a "package.module:function"; looked at anew each time, because its weights may have changed. Raises BadInput."""
    target = store.CACHE / "cards" / "code" / f"{check_name(name)}.json"
    weights.write_text(target, json.dumps({"function": function}) + "\n")
    if problem := inspect(target).problem:
        raise BadInput(problem)
    return lend(name, target)


def files(reserved: Mapping[str, str]) -> dict[str, Path]:
    """Model name -> file. The name is the file's stem; `reserved` maps published file names to models and is left out."""
    found: dict[str, Path] = {name: path for name, path in _lent.items() if path.is_file()}
    for folder in folders():
        if not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            fits = path.suffix in (*SUFFIXES, ".json") and _NAME.fullmatch(path.stem) and path.is_file()
            if fits and path.name not in reserved and path.stem not in reserved.values():
                found.setdefault(path.stem, path)
    return found


def check_name(name: str) -> str:
    """The name, or BadInput."""
    if not _NAME.fullmatch(name):
        raise BadInput(f"a model's name has letters, digits, '.', '_' and '-' (at most 64), got {name[:80]!r}")
    return name


def find_published(file: str) -> Path | None:
    """A published file that somebody put into a models folder by hand."""
    return next((f / file for f in folders() if (f / file).is_file()), None)


def inspect(path: Path) -> Found:
    """What the file holds; opened once, then remembered by its size and time. A file that cannot be used has a `problem`."""
    stat = path.stat()
    return _inspect(path.resolve(), stat.st_size, stat.st_mtime_ns, store.CACHE)


@lru_cache(maxsize=128)
def _inspect(path: Path, size: int, mtime: int, cache: Path) -> Found:
    record = cache / "cards" / f"{hashlib.sha256(str(path).encode()).hexdigest()[:24]}.json"
    stamp = {"path": str(path), "bytes": size, "mtime_ns": mtime, "format": 1}
    known = _read(record, stamp)
    if known is None:
        known = _open(path)
        try:
            weights.write_text(record, json.dumps(stamp | {"found": asdict(known)}, indent=1))
        except GanLabError:
            return known  # a read-only disk: looked at again by the next process
    return known


def _read(record: Path, stamp: Mapping[str, Any]) -> Found | None:
    try:
        kept = json.loads(record.read_text())
        if any(kept.get(k) != v for k, v in stamp.items()):
            return None
        data = kept["found"]
        layers = tuple(LayerInfo(str(x["name"]), int(x["units"]), (int(x["size"][0]), int(x["size"][1]))) for x in data["layers"])
        return Found(data["family"], data["z_dim"], layers, (data["picture"][0], data["picture"][1]), data["sha256"], data["problem"],
                     data["notes"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _open(path: Path) -> Found:
    from core.zoo.files import look

    try:
        return look(path)
    except GanLabError as error:
        return Found(problem=str(error))


def fingerprint(path: Path) -> str:
    """SHA-256 of a weight file, remembered; of a model that is code, the hash of its tensors when it was added. Raises BadFile."""
    found = inspect(path)
    if found.problem:
        raise BadFile(found.problem)
    return found.sha256


def function_of(path: Path) -> str:
    """The "package.module:function" that a .json entry names. Raises BadFile."""
    try:
        return str(json.loads(path.read_text())["function"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadFile(f'{path.name} does not name a function; it should read {{"function": "package.module:function"}}') from error


def card(name: str, path: Path, segmenters: tuple[str, ...] = ()) -> Card:
    """The card of a model of one's own. Raises BadFile when the file cannot be used."""
    found = inspect(path)
    if found.problem:
        raise BadFile(f"{path.name}: {found.problem}")
    middle = found.layers[len(found.layers) // 2].name if found.layers else ""
    extra = {"function": function_of(path)} if path.suffix == ".json" else {}
    return Card(name, name, found.family, str(path), default_layer=middle, own=True, sha256=found.sha256, bytes=path.stat().st_size,
                licence="yours", segmenters=segmenters, measured=found.layers, picture=found.picture, notes=found.notes, extra=extra)


def add(source: Path, name: str = "", report: Any = None) -> Path:
    """Checks a weight file and copies it into the models folder under `name` (default: its stem). Raises BadFile, BadInput."""
    found = inspect(source)
    if found.problem:
        raise BadFile(f"{source.name}: {found.problem}")
    suffix = source.suffix if source.suffix in SUFFIXES else SUFFIXES[1]  # a torch file of any other ending, such as .tar
    target = add_folder() / f"{check_name(name or source.stem)}{suffix}"
    return weights.place(source, target, **({"report": report} if report is not None else {}))


def add_function(function: str, name: str) -> Path:
    """Checks a "package.module:function" and keeps its name as a model. Raises BadInput with what is missing."""
    from core.zoo.modules import from_function

    from_function(function, name=check_name(name))
    target = add_folder() / f"{name}.json"
    weights.write_text(target, json.dumps({"function": function}) + "\n")
    return target

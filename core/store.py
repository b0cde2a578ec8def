"""What a result was made from (Run), and where results are kept (Store).

    run = Run("dissect", {"layer": "layer4", "images": 1000}, {"generator": g.fingerprint, "segmenter": s.fingerprint}, version=1)
    store.put(run, {"iou": iou}, seconds=12.3)
    saved = store.get(run.key)            # None, or Saved(run, manifest, arrays)

A run is a folder `<root>/<kind>/<key>/` with `manifest.json` and `arrays.npz` (no pickle), written aside and then renamed, so a
half-written run is never seen. The key is the SHA-256 of the run's canonical JSON: whoever asks for the same work finds it.
"""
from __future__ import annotations

import errno
import hashlib
import json
import logging
import math
import os
import platform
import re
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock, Timeout

from core.errors import BadInput, StoreError

PROJECT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("GAN_DISSECTION_CACHE", PROJECT / "cache"))
BUNDLED_RUNS = PROJECT / "core" / "zoo" / "bundled" / "runs"
_KEY = re.compile(r"[0-9a-f]{64}")
_KIND = re.compile(r"[a-z][a-z_-]{0,30}")
log = logging.getLogger(__name__)
IDLE = 3600.0  # seconds without a write after which a half-done run counts as given up
PACKAGES = ("torch", "numpy", "numba", "opencv-python-headless", "scikit-image")


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; the same value is the same text. Raises BadInput for what JSON cannot hold."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadInput(f"run parameters must be plain values: {error}") from error


@dataclass(frozen=True)
class Run:
    """What a result was made from. `params` are plain values; `inputs` maps a role to a fingerprint."""

    kind: str
    params: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)
    version: int = 1

    @property
    def key(self) -> str:
        """SHA-256 of the canonical JSON of all fields: the run's identity."""
        return hashlib.sha256(canonical(self.as_dict()).encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "params": dict(self.params), "inputs": dict(self.inputs), "version": self.version}


@dataclass(frozen=True)
class Saved:
    """A stored result: its run, the whole manifest, and its arrays."""

    run: Run
    manifest: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Entry:
    """One line of the list of stored runs. `problem` names what is wrong with a damaged one."""

    key: str
    kind: str
    manifest: Mapping[str, Any]
    bytes: int
    read_only: bool
    problem: str = ""


class Store:
    """Results in folders: one root to write to, any number of read-only ones (what ships with the project)."""

    def __init__(self, root: Path | None = None, shipped: Sequence[Path] = (BUNDLED_RUNS,)) -> None:
        self.root = Path(root) if root is not None else CACHE / "runs"
        self.shipped = tuple(shipped)

    def get(self, key: str) -> Saved | None:
        """The stored result, or None. Raises StoreError (naming the folder) when it is there but damaged."""
        folder = self._find(key)
        if folder is None:
            return None
        manifest = _read_manifest(folder, key)
        run = Run(**{k: manifest["run"][k] for k in ("kind", "params", "inputs", "version")})
        return Saved(run, manifest, _read_arrays(folder))

    def has(self, key: str) -> bool:
        """Whether the run is stored, without reading its arrays."""
        return self._find(key) is not None

    def put(self, run: Run, arrays: Mapping[str, np.ndarray], *, seconds: float = 0.0, device: str = "cpu",
            **extra: Any) -> Saved:
        """Keeps a result; `extra` plain values go into the manifest. An existing result of the same run stays as it is."""
        manifest = {"run": run.as_dict(), "key": run.key, "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                    "seconds": round(seconds, 3), "device": device, "packages": _versions(), **extra}
        folder = self._folder(run.kind, run.key)
        aside = ""
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            aside = tempfile.mkdtemp(prefix=".part-", dir=folder.parent)
            np.savez_compressed(Path(aside) / "arrays.npz", **{k: np.asarray(v) for k, v in arrays.items()})  # type: ignore[arg-type]
            (Path(aside) / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))
            os.chmod(aside, 0o755)
            os.replace(aside, folder)
        except OSError as error:
            shutil.rmtree(aside, ignore_errors=True)
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return Saved(run, manifest, arrays)  # somebody else finished the same run first
            what = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror or str(error)
            raise StoreError(f"the result could not be kept in {folder.parent}: {what}. Free space or set "
                             "GAN_DISSECTION_CACHE to another folder; results already stored are intact") from error
        return Saved(run, manifest, arrays)

    def list(self, kind: str | None = None) -> list[Entry]:
        """All stored runs, newest first; damaged ones carry a `problem`."""
        entries: dict[str, Entry] = {}
        for root in (self.root, *self.shipped):
            for folder in sorted(root.glob(f"{kind or '*'}/*")):
                if _KEY.fullmatch(folder.name) and folder.name not in entries:
                    entries[folder.name] = _entry(folder, read_only=root != self.root)
        return sorted(entries.values(), key=lambda e: str(e.manifest.get("created", "")), reverse=True)

    def find(self, kind: str, **params: Any) -> Sequence[Entry]:
        """Sound stored runs of a kind whose parameters include all of `params`, newest first."""
        return [e for e in self.list(kind) if not e.problem
                and all(e.manifest["run"]["params"].get(k) == v for k, v in params.items())]

    def delete(self, key: str) -> None:
        """Removes a run of one's own; shipped ones stay. Raises StoreError if it is not there."""
        folder = next((f for f in self.root.glob(f"*/{_check_key(key)}")), None)
        if folder is None:
            raise StoreError(f"run {key[:12]} is not in {self.root}; runs that ship with the project cannot be deleted")
        shutil.rmtree(folder)

    def set_aside(self, key: str) -> None:
        """Takes a damaged run out of the way so that it can be made again."""
        for folder in self.root.glob(f"*/{_check_key(key)}"):
            shutil.rmtree(folder, ignore_errors=True)

    def put_partial(self, run: Run, arrays: Mapping[str, np.ndarray], piece: str = "") -> None:
        """Keeps how far a run has come, or one more `piece` of it, in place of what was kept under that name. Raises StoreError."""
        path = self._partial(run, piece)
        aside = path.with_name(f"{path.name}.writing")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("wb") as file:
                _pack(file, arrays)
            os.replace(aside, path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise StoreError(f"a half-done run could not be kept in {path.parent}: {error.strerror or error}. Free space, or set "
                             "GAN_DISSECTION_CACHE to another folder; results already stored are intact") from error

    def get_partial(self, run: Run, piece: str = "") -> dict[str, np.ndarray] | None:
        """What `put_partial` kept, or None. A damaged file is named in the log and removed."""
        path = self._partial(run, piece)
        if not path.is_file():
            return None
        try:
            return _unpacked(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the kept state %s is damaged (%s); that part of the run is made again", path, error)
            path.unlink(missing_ok=True)
            return None

    def drop_partial(self, run: Run, *, pieces_only: bool = False) -> None:
        """Removes what was kept of a half-done run, or only its pieces."""
        path = self._partial(run)
        for file in path.parent.glob(f"{path.name}.*" if pieces_only else f"{path.name}*"):
            file.unlink(missing_ok=True)

    def half_done(self, idle: float = IDLE) -> tuple[int, int]:
        """(runs, bytes) of one's own that were begun and not gone on with for `idle` seconds: cut off, or somebody gave them up."""
        files = self._idle(idle)
        return len({path.name.partition(".")[0] for path, _ in files}), sum(size for _, size in files)

    def drop_half_done(self, idle: float = IDLE) -> None:
        """Removes what is kept of them; such a run begins anew when it is asked for again."""
        for path, _ in self._idle(idle):
            path.unlink(missing_ok=True)

    def _idle(self, idle: float) -> Sequence[tuple[Path, int]]:
        """Files of half-done runs with their sizes, of runs of which no file was written in the last `idle` seconds."""
        found, written = [], dict[str, float]()
        for path in self.root.glob("*/*.partial*"):
            with suppress(FileNotFoundError):  # a run that goes on drops its pieces meanwhile
                stat, key = path.stat(), path.name.partition(".")[0]
                found.append((path, key, stat.st_size))
                written[key] = max(written.get(key, 0.0), stat.st_mtime)
        return [(path, size) for path, key, size in found if time.time() - written[key] >= idle]

    def _partial(self, run: Run, piece: str = "") -> Path:
        folder = self._folder(run.kind, run.key)
        return folder.with_name(f"{folder.name}.partial" + (f".{piece}" if piece else ""))

    @contextmanager
    def claim(self, run: Run, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        """Lock over processes: whoever holds it computes the run, the others wait and then find it stored.

        `waiting` is called about twice a second while somebody else holds it; what it raises ends the wait.
        """
        folder = self._folder(run.kind, run.key)
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{folder}.lock")
        while True:
            try:
                lock.acquire(timeout=-1 if waiting is None else 0.5)
                break
            except Timeout:
                assert waiting is not None
                waiting()
        try:
            yield
        finally:
            lock.release()

    def _folder(self, kind: str, key: str) -> Path:
        if not _KIND.fullmatch(kind):
            raise BadInput(f"a run's kind is a short lower-case word, got {kind!r}")
        return self.root / kind / _check_key(key)

    def _find(self, key: str) -> Path | None:
        _check_key(key)
        for root in (self.root, *self.shipped):
            for folder in root.glob(f"*/{key}"):
                return folder
        return None


def _check_key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise BadInput(f"a run's key is 64 hexadecimal digits, got {key[:80]!r}")
    return key


def _read_manifest(folder: Path, key: str) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
        run = Run(**{k: manifest["run"][k] for k in ("kind", "params", "inputs", "version")})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"the stored run {folder} is damaged (manifest.json: {error}); delete it and run again") from error
    if run.key != key:
        raise StoreError(f"the stored run {folder} is damaged (its manifest belongs to another run); delete it and run again")
    return manifest


def _read_arrays(folder: Path) -> dict[str, np.ndarray]:
    try:
        with (folder / "arrays.npz").open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise StoreError(f"the stored run {folder} is damaged (arrays.npz: {error}); delete it and run again") from error
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def _pack(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """A line with the names, types, shapes and checksums of the arrays, behind its own checksum, then their bytes; three times
    as fast as a zip file."""
    whole = {name: np.require(value, requirements="C") for name, value in arrays.items()}
    views = {name: value.reshape(-1).view(np.uint8).data for name, value in whole.items()}
    head = canonical([[name, value.dtype.str, list(value.shape), zlib.crc32(views[name])] for name, value in whole.items()]).encode()
    file.write(b"%08x %b\n" % (zlib.crc32(head), head))
    for view in views.values():
        file.write(view)


def _unpacked(path: Path) -> dict[str, np.ndarray]:
    """Raises ValueError, KeyError, TypeError or OSError on anything that `_pack` did not write."""
    out = {}
    with path.open("rb") as file:
        own, _, head = file.readline().rstrip(b"\n").partition(b" ")
        if own != b"%08x" % zlib.crc32(head):
            raise ValueError("the checksum of its first line is wrong")
        for name, kind, shape, checksum in json.loads(head):
            dtype = np.dtype(kind)
            if dtype.hasobject:
                raise ValueError("it holds objects")
            data = bytearray(file.read(math.prod(shape) * dtype.itemsize))
            if zlib.crc32(data) != checksum:
                raise ValueError(f"the checksum of {name} is wrong")
            out[name] = np.frombuffer(data, dtype).reshape(shape)
    return out


def _entry(folder: Path, *, read_only: bool) -> Entry:
    size = sum(f.stat().st_size for f in folder.glob("*") if f.is_file())
    try:
        manifest: Mapping[str, Any] = _read_manifest(folder, folder.name)
        problem = "" if (folder / "arrays.npz").is_file() else "arrays.npz is missing"
    except StoreError as error:
        manifest, problem = {}, str(error)
    return Entry(folder.name, folder.parent.name, manifest, size, read_only, problem)


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found

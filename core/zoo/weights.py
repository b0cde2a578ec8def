"""Getting weight files: download, check, keep. The only code that uses the network.

    weights.fetch("lsun-church", report=report)                # from its published address
    weights.fetch("lsun-church", source="https://mirror/…")    # another address, a folder of a mirror, or a file on this disk

Each step first decides (`plan`, pure), then does: a partial file `NAME.part` beside the target is continued where the server
allows it, checked by length and SHA-256, and renamed only when right. Whatever fails becomes one sentence with the next step.
"""
from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from core.errors import BadFile, BadInput, MissingWeights, StoreError, UnknownName
from core.jobs import Jobs, Report, no_report

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 14  # what a broken connection can lose
SPARE = 64 * 2**20
CONNECT_SECONDS, READ_SECONDS = 10.0, 20.0
ATTEMPTS = 3
MAX_FILE = 4 * 2**30


@dataclass(frozen=True)
class Remote:
    """A file to fetch: where from (first address first), where to, SHA-256 or a prefix of it ("" = unknown), bytes (about, or 0)."""

    name: str
    urls: tuple[str, ...]
    target: Path
    sha256: str = ""
    bytes: int = 0


Step = Literal["keep", "resume", "download"]
downloads = Jobs()
"""The queue of fetches: they wait for the network, so they run beside the jobs that compute."""


def plan(target_exists: bool, target_sound: bool, part_bytes: int) -> Step:
    """What to do for a file: keep it, continue a partial one, or download anew."""
    if target_exists and target_sound:
        return "keep"
    return "resume" if part_bytes else "download"


def offline() -> bool:
    """Whether this installation was told not to use the network (GAN_DISSECTION_OFFLINE=1)."""
    return os.environ.get("GAN_DISSECTION_OFFLINE", "") not in ("", "0")


def hosted() -> bool:
    """Whether strangers use this installation (GAN_DISSECTION_HOSTED=1): then pages neither fetch nor delete anything."""
    return os.environ.get("GAN_DISSECTION_HOSTED", "") not in ("", "0")


def addresses(remote: Remote, source: str = "") -> tuple[str, ...]:
    """Addresses to try, in order. `source`, else GAN_DISSECTION_MIRROR: a file's address, or a folder's (ends with "/")."""
    chosen = source or os.environ.get("GAN_DISSECTION_MIRROR", "")
    if not chosen:
        return remote.urls
    chosen = address(chosen)
    if chosen.endswith("/"):
        chosen += remote.target.name
    return (chosen,) if source else (chosen, *remote.urls)


def address(text: str) -> str:
    """The text of an address, not of a path. Raises BadInput."""
    text = text.strip()
    if urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname:
        raise BadInput(f"a mirror is an http or https address, got {text[:120]!r}")
    return text


def remote_of(name: str) -> Remote:
    """The file of a published model. Raises UnknownName; BadInput for a model that is not downloaded."""
    from core import zoo

    card = zoo.card(name)
    if not card.url:
        what = "ships with the project" if card.bundled else "is a file of yours"
        raise BadInput(f"{name!r} {what}; there is nothing to fetch")
    return Remote(name, (card.url, *card.mirrors), zoo.weights_path(name), card.sha256, card.bytes)


def fetch(name: str, *, source: str = "", report: Report = no_report) -> Path:
    """The weights of a published model on this disk; downloads, or takes `source` (an address or a local file). See fetch_file."""
    from core.zoo import own

    path = fetch_file(remote_of(name), source=source, report=report)
    own.inspect(path)
    return path


def of_segmenter(name: str) -> list[Remote]:
    """The files of a segmenter. Raises UnknownName; BadInput for one that is not downloaded."""
    from core import segment

    cards = segment.cards()
    if name not in cards:
        raise UnknownName("segmenter", name, cards)
    card = cards[name]
    if not card.hosts:
        what = "is kept by the hub's own library" if card.package else "ships with the project; there is nothing to fetch"
        raise BadInput(f"{name!r} {what}")
    return [Remote(f"{name}: {file}", tuple(host + file for host in card.hosts), card.path(file)) for file in card.files]


def fetch_segmenter(name: str, *, source: str = "", report: Report = no_report) -> list[Path]:
    """All files of a segmenter; `source` is a folder of this disk or an address that ends with "/". See fetch_file."""
    from core import segment
    from core.segment import hub

    cards = segment.cards()
    if name in cards and cards[name].package:
        if source:
            raise BadInput(f"the weights of {name} are kept by the hub's own library; name a mirror with HF_ENDPOINT")
        return [hub.fetch(name, report)]
    remotes = of_segmenter(name)
    if source and not (source.endswith("/") and "://" in source):
        folder = Path(source).expanduser()
        if not folder.is_dir():
            raise BadInput(f"{name} has several files; name a folder with them or an address that ends with /, not {source[:120]!r}")
        return [fetch_file(r, source=str(folder / r.target.name), report=_of(r.target.name, report)) for r in remotes]
    return [fetch_file(r, source=source, report=_of(r.target.name, report)) for r in remotes]


def _of(file: str, report: Report) -> Report:
    """Says which of several files it is."""
    return lambda done, total, note="": report(done, total, f"{file}, {note}")


def fetch_file(remote: Remote, *, source: str = "", report: Report = no_report) -> Path:
    """Makes sure a file is here and right; returns its path.

    `report(done, total, note)` is called in bytes (the note tells the speed), several times a second, and may raise JobCancelled:
    the partial file stays and the next call continues it. Raises MissingWeights (network, offline), BadFile (wrong content),
    StoreError (disk).
    """
    if source and urlsplit(source).scheme not in ("http", "https"):
        return place(Path(source).expanduser(), remote.target, sha256=remote.sha256, report=report)
    with _writing(remote.target):
        try:
            with FileLock(f"{_part(remote.target)}.lock", timeout=1):
                return _fetch_locked(remote, source, report)
        except Timeout as error:
            raise MissingWeights(f"{remote.target.name} is being fetched by another process; wait for it") from error


def _fetch_locked(remote: Remote, source: str, report: Report) -> Path:
    target, part = remote.target, _part(remote.target)
    here = target.is_file()
    sound = here and matches(target, remote.sha256)
    if plan(here, sound, 0) == "keep":
        return target
    if offline():
        raise MissingWeights(f"{target.name} is not here and the network is switched off (GAN_DISSECTION_OFFLINE); "
                             f"put the file at {target}")
    problems: list[str] = []
    for url in addresses(remote, source):
        try:
            continued = _size(part) > 0
            _download(url, part, remote, report)
            if continued and not matches(part, remote.sha256):  # perhaps the beginning was of another file: once more, whole
                part.unlink()
                _download(url, part, remote, report)
            if not matches(part, remote.sha256):
                found = sha256_of(part)
                part.unlink()
                raise BadFile(f"{_host(url)} sent a file whose SHA-256 begins with {found[:8]}, {remote.sha256[:8]} was expected; "
                              "nothing was kept. Try another mirror or a file of your own")
            os.replace(part, target)
            return target
        except (MissingWeights, BadFile) as error:
            problems.append(str(error))
            bad = error
    if len(problems) == 1 and isinstance(bad, BadFile):
        raise bad
    raise MissingWeights(f"{remote.name}: {'; '.join(problems)}. Next: try again later, name a mirror (--source ADDRESS), "
                         f"or put the file at {target}")


def _download(url: str, part: Path, remote: Remote, report: Report) -> None:
    """`url` into `part`, complete by its announced length; continues a broken connection as long as that brings more bytes."""
    import requests

    stuck = 0
    while True:
        before = _size(part)
        try:
            _stream(url, part, remote, report)
            return
        except requests.exceptions.HTTPError as error:
            code = error.response.status_code if error.response is not None else 0
            if code == 416 and before:  # the part is longer than the file: not a part of it
                part.unlink()
                continue
            raise MissingWeights(f"{_host(url)} answers {code} for {Path(urlsplit(url).path).name}"
                                 f"{' (not found)' if code == 404 else ''}") from error
        except (requests.exceptions.ConnectionError, requests.exceptions.Timeout,
                requests.exceptions.ChunkedEncodingError, _Short) as error:
            have = _size(part)
            stuck = 0 if have > before else stuck + 1
            if stuck == ATTEMPTS or not have:
                kept = f" after {megabytes(have)}, which are kept for the next try" if have else ""
                raise MissingWeights(f"the connection to {_host(url)} failed{kept} ({_reason(error)})") from error
            time.sleep(0.2)
        except requests.exceptions.RequestException as error:
            raise MissingWeights(f"{_host(url)} cannot be read ({_reason(error)})") from error


class _Short(Exception):
    """The connection ended before the announced length."""


def _stream(url: str, part: Path, remote: Remote, report: Report) -> None:
    """One request: the rest of the file appended to `part`, or the whole when the server does not continue."""
    import requests

    have = _size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as answer:
        answer.raise_for_status()
        have = have if answer.status_code == 206 and _starts_at(answer) == have else 0
        announced = answer.headers.get("Content-Length", "")
        total = have + int(announced) if announced.isdigit() else 0
        if total > MAX_FILE:
            raise BadFile(f"{_host(url)} announces {megabytes(total)}; at most {megabytes(MAX_FILE)} are fetched")
        need_space(part.parent, max(total, remote.bytes) - have)
        done, started, told = have, time.monotonic(), 0.0
        with part.open("ab" if have else "wb") as file:
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                done += len(chunk)
                if done > MAX_FILE:
                    raise BadFile(f"{_host(url)} sends more than {megabytes(MAX_FILE)}")
                if (now := time.monotonic()) - told > 0.1:
                    told = now
                    report(done, max(total, done), speed(done - have, now - started))
    if total and done < total:
        raise _Short(f"{megabytes(done)} of {megabytes(total)} came")
    report(done, done, "checking")


def _starts_at(answer: requests.Response) -> int:
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def place(source: Path, target: Path, *, sha256: str = "", report: Report = no_report) -> Path:
    """Copies a file of this disk to `target`; see `receive`."""
    if not source.is_file():
        raise MissingWeights(f"there is no file {source}")
    with source.open("rb") as file:
        return receive(file, source.stat().st_size, target, name=source.name, sha256=sha256, report=report)


def receive(file: BinaryIO, total: int, target: Path, *, name: str, sha256: str = "", report: Report = no_report) -> Path:
    """Writes an open file of `total` bytes to `target` (aside, checked, renamed). Raises BadFile where the hash does not fit."""
    digest = hashlib.sha256()
    with _writing(target):
        need_space(target.parent, total)
        handle, aside = tempfile.mkstemp(prefix=".part-", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as out:
                while chunk := file.read(1 << 22):
                    out.write(chunk)
                    digest.update(chunk)
                    report(out.tell(), total, "copying")
            if not digest.hexdigest().startswith(sha256.lower()):
                raise BadFile(f"{name} is not the published file: its SHA-256 begins with {digest.hexdigest()[:8]}, {sha256[:8]} was "
                              "expected. To use it as a model of your own: python -m core models add FILE")
            os.chmod(aside, 0o644)
            os.replace(aside, target)
        finally:
            Path(aside).unlink(missing_ok=True)
    return target


def write_text(target: Path, text: str) -> None:
    """Writes a small file aside and renames it."""
    with _writing(target):
        handle, aside = tempfile.mkstemp(prefix=".part-", dir=target.parent)
        try:
            with os.fdopen(handle, "w") as out:
                out.write(text)
            os.chmod(aside, 0o644)
            os.replace(aside, target)
        finally:
            Path(aside).unlink(missing_ok=True)


def partial_bytes(target: Path) -> int:
    """Bytes of a download that was interrupted; 0 when there is none."""
    return _size(_part(target))


def matches(path: Path, sha256: str) -> bool:
    """Whether the file's SHA-256 begins with `sha256` ("" fits every file)."""
    return not sha256 or sha256_of(path).startswith(sha256.lower())


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def need_space(folder: Path, size: int) -> None:
    """Raises StoreError when fewer than `size` bytes and a reserve are free where `folder` is."""
    free = shutil.disk_usage(folder).free
    if size > 0 and free < size + SPARE:
        raise StoreError(f"{megabytes(size)} are needed in {folder} but {megabytes(free)} are free; free some space or set "
                         "GAN_DISSECTION_CACHE to a folder on another disk")


def speed(size: int, seconds: float) -> str:
    """"3.4 MB/s"."""
    return f"{megabytes(int(size / seconds))}/s" if seconds > 0.05 else "starting"


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno is None:  # errors of the network are OSErrors too; they were dealt with
            raise
        what = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
        raise StoreError(f"{target} cannot be written: {what}; set GAN_DISSECTION_CACHE to another folder") from error


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _host(url: str) -> str:
    return urlsplit(url).hostname or url[:60]


def megabytes(size: int) -> str:
    """"70.3 MB", "1.20 GB"."""
    return f"{size / 2**30:.2f} GB" if size >= 2**30 else f"{size / 2**20:.1f} MB"


def _reason(error: Exception) -> str:
    text = str(error)
    for sign, meaning in (("Name or service not known", "its name is not known here"), ("resolve", "its name cannot be resolved"),
                          ("refused", "it refused"), ("timed out", "no answer in time"), ("IncompleteRead", "it ended early"),
                          ("unreachable", "it cannot be reached")):
        if sign.lower() in text.lower():
            return meaning
    return type(error).__name__ if not isinstance(error, _Short) else text

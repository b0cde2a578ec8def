"""A painting in a link: compressed into the address when it fits, otherwise kept in the Store under its content's key.

    text = to_link(p)              # "1…" (the painting itself) or, too long for an address, BadInput
    text = link_for(p, store)      # the same, or "s" and a key of what was kept
    p = from_link(text, store)
"""
from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
import zlib
from typing import Any

from core.errors import BadInput, StoreError
from core.paint.document import GRID, MAX_TEXT, VERSION, Painting
from core.store import Run, Store

MAX_LINK = 1800      # characters of the address that a painting may take
MAX_KEPT = 400       # paintings kept for visitors; the oldest go first
MAX_KEPT_BYTES = 16 * 2**20
KIND = "painting"
_STORED = re.compile(r"s[0-9a-f]{64}")
_STROKE_FIELDS = ("brush", "mode", "units", "strength", "size", "shape", "value", "order", "hidden")


def to_link(painting: Painting) -> str:
    """The painting as address-safe text, at most MAX_LINK characters. Raises BadInput when it does not fit."""
    text = _pack(painting)
    if len(text) > MAX_LINK:
        raise BadInput(f"the painting takes {len(text)} characters in a link; at most {MAX_LINK} fit. Save it as a file instead")
    return text


def link_for(painting: Painting, store: Store) -> str:
    """Like to_link, but a painting that does not fit is kept in the store and named by its key."""
    text = _pack(painting)
    return text if len(text) <= MAX_LINK else f"s{keep(painting, store)}"


def from_link(text: str, store: Store | None = None) -> Painting:
    """The painting of a link. Raises BadInput for anything that is not one, StoreError when a kept one is gone."""
    if _STORED.fullmatch(text):
        return fetch(text[1:], store or Store())
    if len(text) > MAX_LINK:
        raise BadInput(f"the link's painting has {len(text)} characters; at most {MAX_LINK} can be read")
    if not text.startswith("1"):
        raise BadInput(f"this is not a link to a painting: {text[:40]!r}")
    try:
        packed = base64.b64decode(text[1:] + "=" * (-(len(text) - 1) % 4), altchars=b"-_", validate=True)
        inflate = zlib.decompressobj(wbits=-15)
        raw = inflate.decompress(packed, MAX_TEXT)
        if inflate.unconsumed_tail or not inflate.eof:
            raise BadInput("the link's painting is cut off or too large")
        data = json.loads(raw)
    except (binascii.Error, zlib.error, ValueError, RecursionError) as error:
        raise BadInput("the link's painting is damaged; copy the whole link again") from error
    return Painting.from_dict(_unfold(data))


def keep(painting: Painting, store: Store) -> str:
    """Keeps a painting under the key of its content; the oldest kept ones make room. Gives the key."""
    run = Run(KIND, painting.as_dict(), version=VERSION)
    if not store.has(run.key):
        store.put(run, {})
        _make_room(store, run.key)
    return run.key


def fetch(key: str, store: Store) -> Painting:
    """A kept painting by its key. Raises StoreError when it is not there."""
    saved = store.get(key)
    if saved is None or saved.run.kind != KIND:
        raise StoreError("this link's painting is not kept here any more; ask for the painting's file instead")
    return Painting.from_dict(saved.run.params)


def _make_room(store: Store, newest: str) -> None:
    folders = []
    for folder in (store.root / KIND).glob("[0-9a-f]*"):
        with contextlib.suppress(OSError):  # another visitor's clean-up may be quicker
            if folder.is_dir():
                folders.append((folder.stat().st_mtime, folder.name, sum(f.stat().st_size for f in folder.iterdir())))
    folders.sort(reverse=True)
    total = 0
    for number, (_, key, size) in enumerate(folders):
        total += size
        if (number >= MAX_KEPT or total > MAX_KEPT_BYTES) and key != newest:
            with contextlib.suppress(StoreError):
                store.delete(key)


def _pack(painting: Painting) -> str:
    deflate = zlib.compressobj(9, wbits=-15)
    raw = json.dumps(_fold(painting), separators=(",", ":")).encode()
    return "1" + base64.urlsafe_b64encode(deflate.compress(raw) + deflate.flush()).decode().rstrip("=")


def _fold(painting: Painting) -> list[Any]:
    """Short form: settings that strokes share are said once; points are steps on the grid of 1/GRID pixel."""
    data = painting.as_dict()
    styles: list[list[Any]] = []
    strokes = []
    for stroke in painting.strokes:
        style = [getattr(stroke, field) for field in _STROKE_FIELDS]
        if style not in styles:
            styles.append(style)
        steps, x0, y0 = [], 0, 0
        for x, y in ((round(px * GRID), round(py * GRID)) for px, py in stroke.points):
            steps += [x - x0, y - y0]
            x0, y0 = x, y
        strokes.append([styles.index(style), *steps])
    sets = [[s["name"], s["layer"], s["units"], s["values"]] for s in data.get("sets", [])]
    more: list[Any] = [sets, painting.dissection] if painting.dissection else [sets] if sets else []
    return [painting.model, painting.layer, painting.seed, styles, strokes, *more]


def _unfold(data: Any) -> dict[str, Any]:
    try:
        model, layer, seed, styles, folded, *rest = data
        if len(rest) > 2:
            raise ValueError("too many parts")
        strokes = []
        for number, *steps in folded:
            if isinstance(number, bool) or number < 0 or len(steps) % 2 or not all(type(s) is int for s in steps):
                raise ValueError("steps are pairs of whole numbers")
            points, x, y = [], 0, 0
            for dx, dy in zip(steps[::2], steps[1::2], strict=True):
                x, y = x + dx, y + dy
                points.append([x / GRID, y / GRID])
            strokes.append(dict(zip(_STROKE_FIELDS, styles[number], strict=True)) | {"points": points})
        sets = [dict(zip(("name", "layer", "units", "values"), s, strict=True)) for s in (rest[0] if rest else [])]
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        raise BadInput("the link's painting is damaged; copy the whole link again") from error
    return {"model": model, "layer": layer, "seed": seed, "strokes": strokes, "sets": sets,
            "dissection": rest[1] if len(rest) > 1 else ""}

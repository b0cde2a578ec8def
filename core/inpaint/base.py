"""What a hole-filling method is, and the one adapter around all of them.

    filled = fill_hole(method, image, mask)         # checks, grows the mask, caps the size, copies known pixels back
    out = method(image, mask, avoid=keep_out)       # the same, only the picture

A method itself sees a contiguous uint8 RGB picture whose hole is zero, and never decides what happens outside the hole.
"""
from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from core.errors import BadInput, GanLabError, MissingPackage, MissingWeights
from core.image import MAX_PIXELS, check_mask, check_rgb
from core.stopwatch import timed

MAX_SIDE = 1024
MAX_HOLE = 0.9
GROW = 0.01
FEATHER = 0.005


class Fill(Protocol):
    """The bare method: a picture whose hole pixels are zero -> a picture of the same size. Free to change anything."""

    def __call__(self, image: np.ndarray, hole: np.ndarray, *, avoid: np.ndarray | None, seed: int) -> np.ndarray:
        """uint8 (H,W,3), bool (H,W), bool (H,W) or None, seed -> uint8 (H,W,3)."""
        ...


def _always() -> str:
    return ""


@dataclass(frozen=True)
class Inpainter:
    """One way to fill a hole.

    fill: the bare method; about: what it does, in a sentence; needs: the package it cannot work without ("" also for methods
    that need a file, whose `missing` says which);
    missing: "" when it can be used, else why not; avoids: takes a "do not copy from here" mask; max_side and max_hole:
    the most pixels along a side, and inside the hole, it is given (larger ones are shrunk first); imports: what it imports
    when it is first used, which is not counted as its time; threads: works in threads of its own (see core.stopwatch).
    """

    name: str
    title: str
    fill: Fill
    about: str
    needs: str = ""
    missing: Callable[[], str] = _always
    avoids: bool = False
    max_side: int = MAX_SIDE
    max_hole: int = MAX_SIDE * MAX_SIDE
    imports: tuple[str, ...] = ()
    threads: bool = False

    def __call__(self, image: np.ndarray, mask: np.ndarray, *, avoid: np.ndarray | None = None,
                 seed: int = 0) -> np.ndarray:
        """uint8 RGB (H,W,3) and bool (H,W), True = fill -> uint8 (H,W,3). See `fill_hole`."""
        return fill_hole(self, image, mask, avoid=avoid, seed=seed).image


@dataclass(frozen=True)
class Hole:
    """A mask made ready: what is filled, and how strongly the fill shows.

    inside (H,W) bool: the mask grown by `grow` + `feather` pixels; outside of it nothing ever changes. `box` is its
    bounding box (rows, columns), and alpha (h,w) float32 the weight of the fill there: 1 within `grow` of the mask,
    falling along a smoothstep to 0 over the `feather` pixels beyond.
    """

    inside: np.ndarray
    box: tuple[slice, slice]
    alpha: np.ndarray
    grow: int
    feather: int


@dataclass(frozen=True)
class Filled:
    """What came out: the composite, and what the method did before it.

    image (H,W,3) uint8: equal to the input outside hole.inside. seen, raw (h,w,3) uint8 and seen_hole (h,w) bool: the
    picture as the method saw it (possibly a shrunken part, hole zero), and what it returned, known pixels not copied back.
    seconds, cpu: wall and processor time of the bare method; overhead: wall time of everything around it.
    """

    image: np.ndarray
    hole: Hole
    seen: np.ndarray
    seen_hole: np.ndarray
    raw: np.ndarray
    seconds: float
    cpu: float
    overhead: float


def unusable(method: Inpainter, reason: str) -> GanLabError:
    """The error of a method that cannot be used here."""
    return MissingPackage(f"{method.title} ({reason})", method.needs) if method.needs else \
        MissingWeights(f"{method.title} cannot be used yet: {reason}")


def default_grow(shape: tuple[int, int]) -> int:
    """Pixels a mask is grown by unless told otherwise: 1 % of the long side (a tight mask leaves the object's fringe)."""
    return max(1, round(GROW * max(shape)))


def default_feather(shape: tuple[int, int]) -> int:
    """Pixels of soft edge beyond the grown mask unless told otherwise: 0.5 % of the long side."""
    return round(FEATHER * max(shape))


def make_hole(mask: np.ndarray, grow: int | None = None, feather: int | None = None) -> Hole:
    """bool (H,W) -> Hole. Raises BadInput for a mask without a pixel, or negative sizes."""
    shape = (mask.shape[0], mask.shape[1])
    grow = default_grow(shape) if grow is None else grow
    feather = default_feather(shape) if feather is None else feather
    if grow < 0 or feather < 0:
        raise BadInput(f"a mask grows by 0 pixels or more, with 0 or more of soft edge; got {grow} and {feather}")
    reach = grow + feather
    box = _padded(_bounds(mask), reach + 1, shape)
    away = cv2.distanceTransform((~mask[box]).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    near = away <= reach
    step = np.clip((reach + 1 - away) / (feather + 1), 0, 1)
    alpha = np.where(near, step * step * (3 - 2 * step), 0).astype(np.float32)
    inside = np.zeros(shape, bool)
    inside[box] = near
    return Hole(inside, box, alpha, grow, feather)


def composite(before: np.ndarray, after: np.ndarray, hole: Hole) -> np.ndarray:
    """`after` inside the hole, `before` outside of it bit for bit, blended along the feather; both uint8 (H,W,3)."""
    return _blend(before, after[hole.box], hole)


def _blend(before: np.ndarray, patch: np.ndarray, hole: Hole) -> np.ndarray:
    """`before` with `patch` (the hole's box, uint8) put in."""
    out = before.copy()
    target, alpha = out[hole.box], hole.alpha
    hard, soft = alpha == 1, (alpha > 0) & (alpha < 1)
    weight = alpha[soft][:, None]
    target[soft] = np.rint(target[soft] * (1 - weight) + patch[soft] * weight).astype(np.uint8)
    target[...] = cv2.copyTo(np.ascontiguousarray(patch), hard.astype(np.uint8), np.ascontiguousarray(target))
    return out


def fill_hole(method: Inpainter, image: np.ndarray, mask: np.ndarray, *, avoid: np.ndarray | None = None, seed: int = 0,
              grow: int | None = None, feather: int | None = None, runs: int = 1) -> Filled:
    """Fills the True pixels of `mask` in `image` with one method.

    image uint8 RGB (H,W,3), at most 25 million pixels; mask bool (H,W), True = fill; avoid bool (H,W) or None, True = never
    copy from here; grow, feather: pixels, see Hole (None = 1 % and 0.5 % of the long side). An empty mask gives the input
    back. Pixels outside the grown mask are bit-identical to the input. A picture with a side over `method.max_side` is cut
    to a window around the hole, shrunk where that is still too large, and the fill is enlarged back. runs: how often the
    bare method is timed (see core.stopwatch).

    Raises BadInput (wrong type, size or value; a hole of more than 90 %; nothing left to copy from; `avoid` given to a
    method that does not copy), MissingPackage, MissingWeights.
    """
    started = time.perf_counter()
    reason = method.missing()
    if reason:
        raise unusable(method, reason)
    _check_size(image)
    image = check_rgb(image)
    shape = (image.shape[0], image.shape[1])
    mask = check_mask(mask, shape)
    if avoid is not None:
        avoid = check_mask(avoid, shape)
        if not method.avoids:
            raise BadInput(f"{method.title} does not copy from elsewhere, so it cannot keep out of an area; leave the "
                           "keep-out mask away or take a PatchMatch method")
    if not mask.any():
        return _untouched(image, time.perf_counter() - started)
    _check_share(mask, "")
    hole = make_hole(mask, grow, feather)
    _check_share(hole.inside, f" once grown by {hole.grow} + {hole.feather} pixels")

    window = _window(hole.box, shape, method.max_side)
    if avoid is not None and _nothing_to_copy(hole.inside[window], avoid[window]):
        window = _whole(shape)
        if _nothing_to_copy(hole.inside, avoid):
            raise BadInput("the hole and the keep-out area cover the whole picture: nothing is left to copy from")
    seen, seen_hole, seen_avoid = _shrunk(image, hole, avoid, window, method)
    for name in method.imports:
        importlib.import_module(name)
    prepared = time.perf_counter()
    raw, seconds, cpu = timed(lambda: method.fill(seen, seen_hole, avoid=seen_avoid, seed=seed), runs=runs,
                              threads=method.threads)
    done = time.perf_counter()
    if raw.shape != seen.shape or raw.dtype != np.uint8:
        raise AssertionError(f"{method.name} returned {raw.dtype} {raw.shape} for uint8 {seen.shape}")

    patch = _enlarged(raw, seen, seen_hole, hole.box, window)
    blended = _blend(image, patch, hole)
    return Filled(blended, hole, seen, seen_hole, raw, seconds, cpu, prepared - started + time.perf_counter() - done)


def _shrunk(image: np.ndarray, hole: Hole, avoid: np.ndarray | None, window: tuple[slice, slice],
            method: Inpainter) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """What the method is given: the window, no larger than it can take, with the hole zero."""
    seen, seen_hole = image[window], hole.inside[window]
    seen_avoid = None if avoid is None else avoid[window] & ~seen_hole
    scale = min(1.0, method.max_side / max(seen_hole.shape))
    pixels = int(np.count_nonzero(hole.alpha)) * scale**2
    scale *= min(1.0, float(np.sqrt(method.max_hole / max(1.0, pixels))))
    size = (max(1, round(seen_hole.shape[0] * scale)), max(1, round(seen_hole.shape[1] * scale)))
    if size != seen_hole.shape:
        seen = cv2.resize(seen, size[::-1], interpolation=cv2.INTER_AREA)
        seen_hole = _any_pixel(seen_hole, size)
        seen_avoid = None if seen_avoid is None else _any_pixel(seen_avoid, size) & ~seen_hole
    seen = np.asarray(cv2.copyTo(seen, (~seen_hole).astype(np.uint8)))  # zero elsewhere
    return seen, np.ascontiguousarray(seen_hole), seen_avoid


def _enlarged(raw: np.ndarray, seen: np.ndarray, seen_hole: np.ndarray, box: tuple[slice, slice],
              window: tuple[slice, slice]) -> np.ndarray:
    """The fill at the picture's own size, cut to the hole's box; enlarged together with the known pixels around it."""
    size = (window[0].stop - window[0].start, window[1].stop - window[1].start)
    rows, columns = (slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, window, strict=True))
    if seen_hole.shape == size:
        return raw[rows, columns]
    known = np.where(seen_hole[..., None], raw, seen)
    return np.asarray(cv2.resize(known, size[::-1], interpolation=cv2.INTER_CUBIC))[rows, columns]


def _nothing_to_copy(hole: np.ndarray, avoid: np.ndarray) -> bool:
    return bool((hole | avoid).all())


def _whole(shape: tuple[int, int]) -> tuple[slice, slice]:
    return slice(0, shape[0]), slice(0, shape[1])


def _untouched(image: np.ndarray, overhead: float) -> Filled:
    """The result of an empty mask."""
    nothing = np.zeros(image.shape[:2], bool)
    hole = Hole(nothing, (slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.float32), 0, 0)
    return Filled(image.copy(), hole, image, nothing, image, 0.0, 0.0, overhead)


def _check_size(image: np.ndarray) -> None:
    if isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise BadInput(f"the picture has {image.shape[1]} × {image.shape[0]} pixels; at most {MAX_PIXELS / 1e6:.0f} "
                       "million can be used")


def _check_share(mask: np.ndarray, when: str) -> None:
    share = float(mask.mean())
    if share > MAX_HOLE:
        raise BadInput(f"the hole covers {share:.0%} of the picture{when}; at most {MAX_HOLE:.0%} can be filled from the "
                       "rest. Mark a smaller area (white = fill)")


def _bounds(mask: np.ndarray) -> tuple[slice, slice]:
    """The bounding box of the True pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise BadInput("the mask marks no pixel")
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _padded(box: tuple[slice, slice], pad: int, shape: tuple[int, int]) -> tuple[slice, slice]:
    a, b = (slice(max(0, s.start - pad), min(n, s.stop + pad)) for s, n in zip(box, shape, strict=True))
    return a, b


def _window(box: tuple[slice, slice], shape: tuple[int, int], max_side: int) -> tuple[slice, slice]:
    """The part of a too large picture that a method sees: the hole with half its size on each side, `max_side` at least."""
    if max(shape) <= max_side:
        return _whole(shape)
    long = max(s.stop - s.start for s in box)
    rows, columns = (_around(s, n, max(max_side, s.stop - s.start + long)) for s, n in zip(box, shape, strict=True))
    return rows, columns


def _around(s: slice, n: int, want: int) -> slice:
    """`want` of n positions around a slice's middle, at most all of them."""
    want = min(n, want)
    start = min(max(0, (s.start + s.stop - want) // 2), n - want)
    return slice(start, start + want)


def _any_pixel(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask shrunk so that a pixel is True when any pixel it covers was."""
    return np.asarray(cv2.resize(mask.astype(np.uint8) * 255, size[::-1], interpolation=cv2.INTER_AREA) > 0)

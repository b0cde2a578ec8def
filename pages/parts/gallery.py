"""Pictures for the screen: crisp enlargements, outlined regions, coloured segmentations, strips, before and after.

Everything here takes and gives uint8 RGB (H,W,3) arrays or encoded bytes; nothing is computed about units.
"""
from __future__ import annotations

import html
import io
from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st
from PIL import Image

from core.image import encode, resize
from pages.parts import colours

CIVIDIS = ((0, 34, 78), (18, 53, 112), (59, 73, 108), (87, 93, 109), (112, 113, 115), (138, 134, 120), (165, 156, 116),
           (195, 179, 105), (254, 232, 56))


def enlarge(image: np.ndarray, side: int) -> np.ndarray:
    """(H,W[,C]) uint8 -> the largest whole-number enlargement whose longer side is at most `side` (at least 1×), unblurred."""
    factor = max(1, side // max(image.shape[:2]))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def fitted(image: np.ndarray, side: int) -> np.ndarray:
    """(H,W,3) uint8 brought near `side` pixels: enlarged crisply, or shrunk smoothly when it is larger than that."""
    if max(image.shape[:2]) <= side:
        return enlarge(image, side)
    scale = side / max(image.shape[:2])
    return resize(image, (round(image.shape[0] * scale), round(image.shape[1] * scale)))


def upsampled(act: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h,w) activations -> (H,W) float32, bilinear with half-pixel centres and the border repeated."""
    picture = Image.fromarray(np.ascontiguousarray(act, dtype=np.float32))
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR))


def region(mask_or_act: np.ndarray, level: float | None, size: tuple[int, int]) -> np.ndarray:
    """bool (H,W): where the (upsampled) activation is above `level`, or the given bool mask brought to `size`."""
    if mask_or_act.dtype == np.bool_:
        if mask_or_act.shape == tuple(size):
            return mask_or_act
        mask = Image.fromarray(mask_or_act.astype(np.uint8) * 255)
        return np.asarray(mask.resize((size[1], size[0]), Image.Resampling.NEAREST)) >= 128
    return upsampled(mask_or_act, size) > (0.0 if level is None else level)


def outlined(image: np.ndarray, mask_or_act: np.ndarray, level: float | None = None, *, side: int = 0, dim: float = 0.45,
             width: int = 2, colour: tuple[int, int, int] = colours.OUTLINE) -> np.ndarray:
    """The picture with the region outlined and everything outside darkened, enlarged to at most `side` pixels first.

    mask_or_act: bool (h,w), or activations (h,w) of any size that are cut at `level`. dim: 0 = black outside, 1 = unchanged.
    """
    big = fitted(image, side) if side else image
    inside = region(mask_or_act, level, (big.shape[0], big.shape[1]))
    out = np.where(inside[..., None], big, (big * dim).astype(np.uint8))
    out[_edge(inside, width)] = colour
    return out


def mask_picture(mask_or_act: np.ndarray, level: float | None, size: tuple[int, int]) -> np.ndarray:
    """The region alone: white inside, black outside."""
    return region(mask_or_act, level, size)[..., None].repeat(3, axis=2).astype(np.uint8) * 255


def heat(act: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h,w) activations -> (H,W,3), unblurred: dark blue = lowest here, yellow = highest (matplotlib's cividis, nine stops)."""
    low, high = float(act.min()), float(act.max())
    x = (act.astype(np.float32) - low) / max(1e-9, high - low)
    table = np.asarray(CIVIDIS, np.float32)
    stops = np.linspace(0, 1, len(table))
    cells = np.stack([np.interp(x, stops, table[:, c]) for c in range(3)], axis=-1).astype(np.uint8)
    return resize(cells, size, nearest=True)


def coloured(segmentation: np.ndarray, label_colours: Mapping[int, str]) -> np.ndarray:
    """(H,W) label ids -> (H,W,3): each label in its colour, 0 dark grey."""
    table = np.full((int(max([int(segmentation.max(initial=0)), *label_colours])) + 1, 3), 48, np.uint8)
    for index, colour in label_colours.items():
        table[index] = colours.rgb(colour)
    table[0] = 48
    return table[segmentation]


def legend(label_colours: Mapping[str, str]) -> None:
    """Names beside chips of their colours, in one wrapping line."""
    chip = ('<span style="display:inline-block;width:.85em;height:.85em;border-radius:2px;margin-right:.35em;'
            'background:{}"></span>')
    items = "".join(f'<span style="white-space:nowrap;margin-right:1.1em">{chip.format(colour)}{html.escape(name)}</span>'
                    for name, colour in label_colours.items())
    st.html(f'<div style="line-height:1.7">{items}</div>')


def tinted(image: np.ndarray, mask: np.ndarray, colour: str, alpha: float = 0.55) -> np.ndarray:
    """The picture with a colour laid over the bool mask (H,W)."""
    tint = np.asarray(colours.rgb(colour), np.float32)
    mixed = (image * (1 - alpha) + tint * alpha).astype(np.uint8)
    return np.where(mask[..., None], mixed, image)


def difference(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """What changed: the largest channel difference, doubled, as a grey picture."""
    change = np.abs(before.astype(np.int16) - after.astype(np.int16)).max(axis=2)
    return np.minimum(change * 2, 255).astype(np.uint8)[..., None].repeat(3, axis=2)


def strip(images: Sequence[np.ndarray], gap: int = 3, background: int = 255) -> np.ndarray:
    """Pictures of one size side by side with a gap between them."""
    if not images:
        return np.full((1, 1, 3), background, np.uint8)
    space = np.full((images[0].shape[0], gap, 3), background, np.uint8)
    parts: list[np.ndarray] = []
    for image in images:
        parts += [image, space]
    return np.concatenate(parts[:-1], axis=1)


def sheet(images: Sequence[np.ndarray], columns: int, gap: int = 3, background: int = 255) -> np.ndarray:
    """Pictures of one size as rows of `columns`, with a gap between them."""
    blank = np.full_like(images[0], background)
    full = [*images, *[blank] * (-len(images) % columns)]
    rows = [strip(full[i:i + columns], gap, background) for i in range(0, len(full), columns)]
    space = np.full((gap, rows[0].shape[1], 3), background, np.uint8)
    parts: list[np.ndarray] = []
    for row in rows:
        parts += [row, space]
    return np.concatenate(parts[:-1], axis=0)


def strip_bytes(images: Sequence[np.ndarray], acts: Sequence[np.ndarray] | None = None, level: float | None = None, *,
                tile: int = 128, quality: int = 88) -> bytes:
    """JPEG of pictures side by side, each with its activated region outlined when `acts` (h,w) and `level` are given."""
    tiles = [fitted(image, tile) for image in images] if acts is None else \
        [outlined(image, act, level, side=tile) for image, act in zip(images, acts, strict=True)]
    return encode(strip(tiles, background=128), "JPEG", quality=quality)


def png(image: np.ndarray, side: int = 0) -> bytes:
    """PNG bytes of a picture, enlarged crisply to at most `side` pixels."""
    return encode(enlarge(image, side) if side else image, "PNG")


def show(image: np.ndarray | bytes, caption: str = "", *, side: int = 384, alt: str = "", stretch: bool = False) -> None:
    """One picture on the page, crisp; a caption is shown as plain text under it."""
    data = image if isinstance(image, bytes) else png(image, side)
    st.image(data, caption=caption or None, alt=alt or caption or None, width="stretch" if stretch else "content")


def before_after(before: np.ndarray, after: np.ndarray, captions: tuple[str, str] = ("Before", "After"), *,
                 side: int = 384) -> None:
    """Two pictures side by side, the plain one left."""
    left, right = st.columns(2)
    with left:
        show(before, captions[0], side=side)
    with right:
        show(after, captions[1], side=side)


def download(image: np.ndarray, name: str, label: str = "PNG", *, key: str) -> None:
    """A button that saves the picture as PNG at its own size."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    st.download_button(label, buffer.getvalue(), file_name=name, mime="image/png", key=key, icon=":material/download:")


def _edge(inside: np.ndarray, width: int) -> np.ndarray:
    """bool (H,W): pixels of the region within `width` of its border (the picture's own rim is no border)."""
    eroded = inside
    for _ in range(width):
        padded = np.pad(eroded, 1, mode="edge")
        eroded = padded[1:-1, 1:-1] & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~eroded

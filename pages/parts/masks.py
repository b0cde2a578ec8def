"""A mask drawn by hand: what to fill, and where never to copy from. Kept while its visitor is here, also over page changes.

    mask, avoid = masks.editor(image, key="photo", keep_out=True)        # bool (H,W) each

The visitor's marks are the document; the canvas is one editor of them. What the canvas sends while a load of ours (undo, clear,
another picture) is still on its way is recognised by `arrived` and not taken for new strokes.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st

from core.errors import BadInput
from core.image import decode, mask_to_png, resize
from pages.parts import canvas, frame, state, window
from pages.parts.canvas import Mark

FILL, KEEP_OUT = "#d1495ba8", "#2f6fd6a8"
ROOM = 480  # widest canvas, in CSS pixels
TOOLS = {"Brush": "free", "Polygon": "polygon", "Rectangle": "rect"}


@dataclass(frozen=True)
class Sheet:
    """A visitor's marks on one picture (`about` names it).

    load: what the canvas was last asked to show; waiting: the marks of that load until the canvas answers; shown: what was on
    the canvas before.
    """

    about: str = ""
    marks: tuple[Mark, ...] = ()
    load: dict[str, Any] | None = None
    nonce: int = 0
    waiting: tuple[Mark, ...] | None = None
    shown: tuple[Mark, ...] = ()


def pushed(sheet: Sheet, marks: tuple[Mark, ...], scale: float, *, mounted: bool = False) -> Sheet:
    """The sheet with other marks, which the canvas is asked to load; `mounted`: it was just put on the page."""
    nonce = sheet.nonce + 1
    before = () if mounted else (sheet.shown if sheet.waiting is not None else sheet.marks)
    return replace(sheet, marks=marks, load={"objects": canvas.objects(marks, scale), "nonce": nonce}, nonce=nonce,
                   waiting=None if mounted else marks, shown=before)


def arrived(sheet: Sheet, marks: tuple[Mark, ...], scale: float) -> Sheet:
    """The sheet after the canvas sent these marks."""
    if any(m.colour.lower() not in (FILL, KEEP_OUT) for m in marks):
        raise BadInput("a stroke of a colour that is not in use arrived; the mask stays as it was")
    if sheet.waiting is None:
        return replace(sheet, marks=marks)
    asked, before = sheet.waiting, sheet.shown
    loaded, stale = marks[: len(asked)] == asked, marks[: len(before)] == before
    if loaded and not (stale and len(before) > len(asked)):
        return replace(sheet, marks=marks, waiting=None, shown=())
    if stale:  # sent before the load came; strokes added meanwhile are kept
        new = marks[len(before):]
        return pushed(replace(sheet, shown=marks), sheet.marks + new, scale) if new else sheet
    return pushed(sheet, sheet.marks, scale)


def areas(marks: tuple[Mark, ...], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(what to fill, where not to copy from), bool (H,W) each."""
    fill, keep = ([m for m in marks if m.colour.lower() == colour] for colour in (FILL, KEEP_OUT))
    return canvas.mask(fill, shape), canvas.mask(keep, shape)


def scale_for(shape: tuple[int, int], *, narrow: bool = False) -> float:
    """Canvas pixels for one image pixel: small pictures whole times enlarged, large ones shrunk to fit."""
    room = canvas.NARROW if narrow else ROOM
    return float(room // max(shape)) if max(shape) <= room else room / max(shape)


def editor(image: np.ndarray, *, key: str, about: str, keep_out: bool = False,
           start: tuple[Mark, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    """The canvas with its tools. `about` names the picture: another one begins with the marks `start`.

    Returns bool (H,W) twice: what to fill, where not to copy from.
    """
    shape = (image.shape[0], image.shape[1])
    scale = scale_for(shape, narrow=window.likely_narrow())
    name, widget = f"mask.{key}", f"mask.{key}.canvas"
    sheet: Sheet = state.get(name) or Sheet()
    if sheet.about != about:
        sheet = pushed(Sheet(about=about, nonce=sheet.nonce), start, scale, mounted=state.get(widget) is None)
    elif state.get(widget) is None:
        sheet = pushed(sheet, sheet.marks, scale, mounted=True)
    state.put(name, sheet)

    with st.container(horizontal=True, vertical_alignment="bottom"):
        tool = st.segmented_control("Tool", list(TOOLS), default="Brush", key=f"{name}.tool", required=True)
        use = st.segmented_control("Marks", ["Fill", "Keep out"], default="Fill", key=f"{name}.use", required=True,
                                   help="Keep out: PatchMatch never copies from there.") if keep_out else "Fill"
        size = st.slider("Brush", 2, max(8, max(shape) // 6), max(4, max(shape) // 24), key=f"{name}.size", width=180)
        st.button("Undo", key=f"{name}.undo", icon=":material/undo:", on_click=_change, args=(name, scale, -1),
                  disabled=not sheet.marks)
        st.button("Clear", key=f"{name}.clear", icon=":material/delete:", on_click=_change, args=(name, scale, 0),
                  disabled=not sheet.marks)
    try:
        canvas.draw(image, key=widget, tool=TOOLS[tool or "Brush"], colour=FILL if use == "Fill" else KEEP_OUT, size=float(size),
                    scale=scale, load=sheet.load, on_change=lambda: _receive(name, widget, scale))
    except BadInput as error:
        frame.failed(error, "The drawing could not be read")
    problem = state.get(f"{name}.problem")
    if problem:
        st.warning(frame.escape(problem), icon=":material/draw:")
    return areas(state.get(name).marks, shape)


def _receive(name: str, widget: str, scale: float) -> None:
    sheet: Sheet = state.get(name)
    try:
        objects = state.get(widget)["drawing"]["raw"]["objects"]
        state.put(name, arrived(sheet, canvas.read(objects, scale), scale))
        state.drop(f"{name}.problem")
    except BadInput as error:
        state.put(f"{name}.problem", str(error))
    except (TypeError, KeyError):
        state.put(f"{name}.problem", "the drawing that arrived is damaged; it was not used")


def _change(name: str, scale: float, kept: int) -> None:
    """Undo (kept = -1: all but the last mark) or clear (0)."""
    if state.get(f"{name}.canvas") is not None:  # a stroke sent in the same message comes before
        _receive(name, f"{name}.canvas", scale)
    sheet: Sheet = state.get(name)
    state.put(name, pushed(sheet, sheet.marks[:kept], scale))


def from_outline(corners: np.ndarray) -> tuple[Mark, ...]:
    """A polygon (n,2) in image pixels as marks to start with."""
    points = tuple((round(float(x) * 8) / 8, round(float(y) * 8) / 8) for x, y in corners)
    return (Mark("polygon", points, 1.0, FILL),)


def reuse(shape: tuple[int, int], *, key: str) -> np.ndarray | None:
    """A mask file put in by the visitor, bool (H,W), or None; one of another shape is refused in words."""
    sent = st.file_uploader("Mask file (PNG, white = fill)", type=["png"], key=f"mask.{key}.file", max_upload_size=8)
    if sent is None:
        return None
    try:
        grey = decode(sent.getvalue()).mean(axis=2).astype(np.uint8)
        if grey.shape[0] * shape[1] != grey.shape[1] * shape[0]:
            raise BadInput(f"the mask has {grey.shape[1]} × {grey.shape[0]} pixels, the picture {shape[1]} × {shape[0]}; "
                           "save the mask at the picture's size")
    except BadInput as error:
        frame.failed(error, "The mask cannot be used")
        return None
    return np.asarray((grey if grey.shape == shape else resize(grey, shape, nearest=True)) >= 128)


def save(mask: np.ndarray, *, key: str, name: str = "mask.png") -> None:
    """A button that saves the mask as PNG, white = fill."""
    st.download_button("Mask", mask_to_png(mask), file_name=name, mime="image/png", key=f"mask.{key}.save",
                       icon=":material/download:", disabled=not mask.any(), help="Save the mask to use it again")

"""What every method made of one question, side by side: pictures, scores under each, a wipe between any two, one table.

    answers.live(board_key, …) while the comparison runs, answers.show(board, …) when it is done.
"""
from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import compare, metrics
from core.compare import Answer, Board
from core.image import encode
from core.segment import Label
from pages.parts import colours, frame, gallery, window, wipe

VIEWS = ("Picture", "Difference", "Segmentation")
UNDER = ("removal", "collateral", "seam", "texture")
SIDE, NARROW = 256, 160  # width of a card, CSS pixels; on a phone


@dataclass(frozen=True)
class View:
    """How pictures are shown: what of them, and the part (rows, columns)."""

    what: str
    part: tuple[slice, slice]
    labels: Mapping[int, str]


def view_of(board: Board, key: str, labels: Sequence[Label] = ()) -> View:
    """The controls of all pictures: picture, difference or segmentation; the whole or the hole's surroundings."""
    shown = [v for v in VIEWS if v != "Segmentation" or any(a.labels is not None for a in board.answers)]
    with st.container(horizontal=True, gap="medium"):
        what = st.segmented_control("Show", shown, default="Picture", key=f"{key}.what", required=True,
                                    help="Difference: how far each pixel is from the picture before, brighter is more. "
                                         "Segmentation: objects as the judge sees them.")
        near = st.segmented_control("Zoom", ["Whole picture", "Hole"], default="Whole picture", key=f"{key}.near", required=True)
    hole = board.question.hole()
    part = _around(hole.box, hole.inside.shape) if near == "Hole" else (slice(None), slice(None))
    return View(what or "Picture", part, {x.id: colours.label_colour(x.name, x.id) for x in labels[1:]})


def _around(box: tuple[slice, slice], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """A square around the hole with a quarter of its size on each side, inside the picture."""
    side = min(min(shape), round(1.5 * max(s.stop - s.start for s in box)) + 8)
    starts = [min(max(0, (s.start + s.stop - side) // 2), n - side) for s, n in zip(box, shape, strict=True)]
    return slice(starts[0], starts[0] + side), slice(starts[1], starts[1] + side)


def picture(board: Board, answer: Answer, view: View) -> np.ndarray:
    """What is shown of an answer: uint8 RGB."""
    before = board.question.before
    if view.what == "Segmentation" and answer.labels is not None:
        return gallery.coloured(answer.labels[0], view.labels)[view.part]
    if view.what == "Difference":
        change = np.abs(before.astype(np.int16) - answer.image).max(axis=2).astype(np.float32)
        return heat(change)[view.part]
    return answer.image[view.part]


def heat(change: np.ndarray) -> np.ndarray:
    """(H,W) change in grey levels -> (H,W,3): dark = none, yellow = 128 or more, the same scale for every method."""
    fixed = np.vstack([np.minimum(change, 128), np.full((1, change.shape[1]), 128)]).astype(np.float32)
    return gallery.heat(fixed, (fixed.shape[0], fixed.shape[1]))[:-1]


def grid(board: Board, view: View, *, key: str, expected: int = 0) -> None:
    """A card for the question, one for each answer, and empty ones for what is still to come."""
    question, side = board.question, NARROW if window.likely_narrow() else SIDE
    with st.container(horizontal=True, gap="small"):
        with st.container(width=side, gap="xsmall"):
            _image(_asked(board, view, side), "The picture and its hole", side)
            st.markdown("**The question**")
            hole = question.hole()
            st.caption(f"{hole.inside.mean():.1%} of the picture, grown by {hole.grow} + {hole.feather} px")
        for answer in board.answers:
            with st.container(width=side, gap="xsmall"):
                _image(picture(board, answer, view), f"{answer.title}: {answer.about}", side)
                st.markdown(f"**{frame.escape(answer.title)}**", help=answer.about)
                st.caption(under(answer))
        for _ in range(max(0, expected - len(board.answers))):
            with st.container(width=side, gap="xsmall"):
                _image(np.full((64, 64, 3), 128, np.uint8), "Not there yet", side)
                st.caption("waiting …")


def _asked(board: Board, view: View, side: int) -> np.ndarray:
    """The question's own picture: with the hole outlined, zoomed, or as the judge sees it."""
    question = board.question
    untouched = next((a for a in board.answers if a.method == compare.BEFORE), None)
    if view.what == "Segmentation" and untouched is not None:
        return picture(board, untouched, view)
    if view.part[0] != slice(None):
        return question.before[view.part]
    return gallery.outlined(question.before, question.hole().inside, side=side, dim=0.75)


def _image(image: np.ndarray, alt: str, side: int) -> None:
    st.image(encode(gallery.fitted(image, side), "PNG" if max(image.shape) <= side else "JPEG"), alt=alt)


def under(answer: Answer) -> str:
    """The line under a picture: computing time (of the processor), then the scores that matter most."""
    if answer.problem:
        return f":material/error: {frame.escape(answer.problem)}"
    parts = [_time(answer)]
    parts += [f"{metrics.REGISTRY[name].title.lower()} {text(name, answer.scores[name])}" for name in UNDER
              if name in answer.scores and not math.isnan(answer.scores[name])]
    return " · ".join(parts) + (f" · {frame.escape(answer.note)}" if answer.note else "")


def made_here(answer: Answer) -> bool:
    """Whether its computing time is known: what was put in was made elsewhere."""
    return answer.method != compare.OWN


def _time(answer: Answer) -> str:
    if not made_here(answer):
        return f"{answer.minutes:g} min of a person"
    if answer.method == compare.BEFORE:
        return "no time"
    return f"{answer.cpu:.2f} s" if answer.cpu >= 0.005 else f"{answer.cpu * 1000:.1f} ms"


def text(name: str, value: float) -> str:
    """A score with its unit; – where it has no meaning."""
    metric = metrics.REGISTRY[name]
    if math.isnan(value):
        return "–"
    gap = "" if metric.unit in ("", "×") else " "
    return f"{round(value, metric.digits) + 0.0:.{metric.digits}f}{gap}{metric.unit}" if math.isfinite(value) else "∞"


def slider(board: Board, view: View, *, key: str) -> None:
    """A wipe between any two of the pictures, the question's own among them; zoomed as the view is."""
    titles = {"before": "Before", **{a.method: a.title for a in board.answers if not a.problem and a.method != compare.BEFORE}}
    images = {"before": board.question.before, **{a.method: a.image for a in board.answers}}
    names = list(titles)
    if len(names) < 2:
        return
    favourite = next((n for n in ("patchmatch", "gan-composite") if n in names), names[1])
    left, right = st.columns(2)
    first = left.selectbox("Left", names, format_func=titles.__getitem__, key=f"{key}.left")
    second = right.selectbox("Right", names, index=names.index(favourite), format_func=titles.__getitem__, key=f"{key}.right")
    wipe.wipe(images[first][view.part], images[second][view.part], key=f"{key}.wipe", labels=(titles[first], titles[second]), max_side=640)


def table(board: Board, *, key: str, name: str = "comparison") -> None:
    """All scores in one table, with what each means, and as CSV."""
    ordered = [*(metrics.REGISTRY[n] for n in UNDER), *(m for n, m in metrics.REGISTRY.items() if n not in UNDER)]
    found = [m for m in ordered if any(m.name in a.scores for a in board.answers)]
    by_hand = not all(map(made_here, board.answers))
    rows = [{"method": a.title, **({"person, min": None if made_here(a) else a.minutes} if by_hand else {}),
             "compute, s": a.cpu if made_here(a) else None, "wall, s": a.seconds if made_here(a) else None,
             **{_head(m): a.scores.get(m.name) for m in found}} for a in board.answers if not a.problem]
    settings = {_head(m): st.column_config.NumberColumn(format=f"%.{m.digits}f", help=m.meaning) for m in found}
    settings |= {"compute, s": st.column_config.NumberColumn(format="%.3f", help="Processor time of the method alone."),
                 "wall, s": st.column_config.NumberColumn(format="%.3f", help="On the clock: longer on a busy machine.")}
    data = pd.DataFrame(rows)
    st.dataframe(data, column_config=settings, hide_index=True, placeholder="–")
    st.download_button("CSV", csv_of(board), file_name=f"{name}.csv", mime="text/csv", key=f"{key}.csv",
                       icon=":material/download:")


def _head(metric: metrics.Metric) -> str:
    return f"{metric.title}, {metric.unit}" if metric.unit not in ("", "×") else metric.title


def csv_of(board: Board) -> str:
    """Every answer and score as CSV."""
    out = io.StringIO()
    names = list(metrics.REGISTRY)
    writer = csv.writer(out)
    writer.writerow(["method", "seconds", "cpu", "minutes", *names, "problem"])
    for a in board.answers:
        times = (a.seconds, a.cpu, "") if made_here(a) else ("", "", a.minutes)
        writer.writerow([a.method, *times, *(a.scores.get(n, "") for n in names), a.problem])
    return out.getvalue()


def downloads(board: Board, *, key: str) -> None:
    """A button for one method's picture at full size."""
    usable = [a for a in board.answers if not a.problem]
    if not usable:
        return
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    chosen = left.selectbox("Save the picture of", [a.method for a in usable],
                            format_func={a.method: a.title for a in usable}.__getitem__, key=f"{key}.save")
    with right:
        gallery.download(next(a.image for a in usable if a.method == chosen), f"{chosen}.png", key=f"{key}.png")


def live(job_key: str, view_key: str, expected: int) -> None:
    """The answers as they come in, with progress and Cancel; the page runs again when the last is there."""
    left, right = st.columns([5, 1], vertical_alignment="center")
    right.button("Cancel", key=f"{view_key}.cancel", icon=":material/stop:", on_click=compare.cancel, args=(job_key,))
    _coming_in(job_key, view_key, expected, left)


@st.fragment(run_every=1.0)
def _coming_in(job_key: str, view_key: str, expected: int, row: DeltaGenerator) -> None:
    job = compare.job(job_key)
    if job is None or not job.active or job.result is None:
        st.rerun()
    board: Board = job.result
    there = len(board.answers)
    said = f"{there} of {expected} methods" + (f" · {frame.escape(job.note)} …" if job.note else "")
    row.progress(min(1.0, there / max(1, expected)), text=said if job.state == "running" else "waiting for its turn")
    grid(board, View("Picture", (slice(None), slice(None)), {}), key=view_key, expected=expected)

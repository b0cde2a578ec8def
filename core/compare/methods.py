"""Every method on one question, and the judge's word on each answer."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core import image as pictures
from core import inpaint, invert, metrics
from core.compare.question import (
    BEFORE,
    GAN,
    GAN_COMPOSITE,
    GAN_PHOTO,
    GAN_RANDOM,
    GANS,
    OWN,
    Answer,
    GanEdit,
    Question,
    about,
    title,
)
from core.errors import BadInput, GanLabError
from core.image import check_rgb, from_u8, to_u8
from core.inpaint import Hole, composite, fill_hole
from core.jobs import Report, no_report
from core.stopwatch import timed

if TYPE_CHECKING:
    from core.segment import Segmenter
    from core.zoo.encoder import Encoder
    from core.zoo.generator import Generator

SPECK = 500


@dataclass(frozen=True)
class Redrawer:
    """What brings a photo into a generator: the generator, its encoder, and the calibration of what is in its domain, if any."""

    generator: Generator
    encoder: Encoder
    domain: invert.Domain | None = None


def compare(question: Question, names: Sequence[str], *, gan: GanEdit | None = None, generator: Generator | None = None,
            judge: Segmenter | None = None, redrawer: Redrawer | None = None, truth: np.ndarray | None = None, runs: int = 1,
            report: Report = no_report,
            during: Callable[[], AbstractContextManager[None]] = nullcontext) -> Iterator[Answer]:
    """Answers of the named methods, each as soon as it is there. Every method runs inside a context of `during`.

    Methods that need a generator (or, for a photo, a redrawer) are left out without one. A method that cannot answer (too large a
    hole, a missing library) gives an Answer with its `problem`; the others go on. truth: what belongs into the hole, where that
    is known. runs: how often each method is timed (see core.stopwatch).
    """
    able = {*(GANS if gan is not None and generator is not None else ()), *((GAN_PHOTO,) if redrawer is not None else ())}
    todo = [n for n in names if n in able or n not in (*GANS, GAN_PHOTO)]
    hole = question.hole()
    seen = label_maps(judge, question.before) if judge is not None else None
    label = label_id(judge, question.label) if judge is not None else 0
    drawn: dict[str, tuple[np.ndarray, float, float]] = {}
    for number, name in enumerate(todo):
        report(number, len(todo), title(name))
        with during():
            try:
                made = _redrawn(redrawer, question, hole) if name == GAN_PHOTO and redrawer is not None else \
                    _answer(name, question, hole, gan, generator, drawn, runs)
                answer = _judged(made, question, hole, seen, label, judge, truth)
            except GanLabError as error:
                answer = Answer(name, title(name), about(name), question.before, problem=str(error))
        yield answer
    report(len(todo), len(todo))


@dataclass(frozen=True)
class _Made:
    """One method's picture, and what it did before known pixels were put back (raw_*; None when it was asked for nothing)."""

    name: str
    image: np.ndarray
    seconds: float
    cpu: float
    raw_before: np.ndarray
    raw_after: np.ndarray
    raw_hole: np.ndarray
    note: str = ""


def _answer(name: str, question: Question, hole: Hole, gan: GanEdit | None, generator: Generator | None,
            drawn: dict[str, tuple[np.ndarray, float, float]], runs: int) -> _Made:
    before = question.before
    if name == BEFORE:
        return _Made(name, before, 0.0, 0.0, before, before, hole.inside)
    if name in GANS:
        assert gan is not None
        assert generator is not None
        which = GAN_RANDOM if name == GAN_RANDOM else GAN
        if which not in drawn:
            chosen = gan if which == GAN else GanEdit(gan.model, gan.layer, gan.seed, random_units(generator, gan))
            drawn[which] = gan_edit(generator, chosen, hole.inside, runs=runs)
        raw, seconds, cpu = drawn[which]
        if raw.shape != before.shape:
            raise BadInput(f"the picture is not the generator's own: {before.shape[:2]}, but it draws {raw.shape[:2]}")
        image = composite(before, raw, hole) if name == GAN_COMPOSITE else raw
        return _Made(name, image, seconds, cpu, before, image, hole.inside)
    method = inpaint.get(name)
    avoid = question.avoid if question.avoid is not None and question.avoid.any() else None
    used = avoid if method.avoids else None
    filled = fill_hole(method, before, question.mask, avoid=used, seed=question.seed, grow=question.grow,
                       feather=question.feather, runs=runs)
    note = "the keep-out area is not used: this method does not copy" if avoid is not None and used is None else ""
    return _Made(name, filled.image, filled.seconds, filled.cpu, filled.seen, filled.raw, filled.seen_hole, note)


def _redrawn(redrawer: Redrawer, question: Question, hole: Hole) -> _Made:
    """The photo's middle as the encoder and the generator redraw it, inside the hole; and whether it is in their domain."""
    generator, before = redrawer.generator, question.before
    top, left, bottom, right = invert.crop_box((before.shape[0], before.shape[1]), generator.image_size)
    middle = np.zeros_like(hole.inside)
    middle[top:bottom, left:right] = True
    if not (hole.inside & middle).any():
        raise BadInput("the hole lies outside of the middle square, which is all the generator redraws of a photo")
    target = invert.prepare(before, generator.image_size)
    found, wall, cpu = timed(lambda: invert.invert(generator, target, layer=redrawer.encoder.layer, encoder=redrawer.encoder,
                                                   steps=0), threads=not _alone(generator))
    raw = before.copy()
    raw[top:bottom, left:right] = pictures.resize(found.image, (bottom - top, right - left))
    value, domain = invert.reading(target, found.start), redrawer.domain
    note = f"the encoder explains {max(0.0, value):.0%} of the photo's detail"
    if domain is not None:
        note = f"{domain.verdict(value)}: {note}, the line lies at {domain.threshold:.0%}"
    if not middle[hole.inside].all():
        note += "; only the middle square is redrawn"
    return _Made(GAN_PHOTO, composite(before, raw, hole), wall, cpu, before, raw, hole.inside, note)


def _alone(generator: Generator) -> bool:
    """Whether one thread does all of a generator's work, so that its time is the whole time."""
    import torch

    return torch.get_num_threads() == 1 and generator.device.type == "cpu"


def _judged(made: _Made, question: Question, hole: Hole, seen: np.ndarray | None, label: int, judge: Segmenter | None,
            truth: np.ndarray | None) -> Answer:
    labels = label_maps(judge, made.image) if judge is not None else None
    case = metrics.Case(question.before, made.image, hole.inside, truth, made.raw_before, made.raw_after, made.raw_hole, seen,
                        labels, label)
    return Answer(made.name, title(made.name), about(made.name), made.image, made.seconds, made.cpu, scores=metrics.score(case),
                  labels=labels, note=made.note)


def own_answer(question: Question, image: np.ndarray, minutes: float, name: str = "Own result",
               judge: Segmenter | None = None) -> Answer:
    """A result made elsewhere, by hand or by another program, scored like the others. Raises BadInput when sizes differ.

    image (H,W,3) uint8 of the picture's size; minutes: how long a person worked on it.
    """
    image = check_rgb(image)
    if image.shape != question.before.shape:
        raise BadInput(f"the result has {image.shape[1]} × {image.shape[0]} pixels but the picture has "
                       f"{question.before.shape[1]} × {question.before.shape[0]}; save it at the picture's size")
    hole = question.hole()
    made = _Made(OWN, image, 0.0, 0.0, question.before, image, hole.inside)
    seen = label_maps(judge, question.before) if judge is not None else None
    label = label_id(judge, question.label) if judge is not None else 0
    scored = _judged(made, question, hole, seen, label, judge, None)
    return replace(scored, title=name, minutes=minutes)


# --- the generator's part ---------------------------------------------------------------------------------------------------
def gan_edit(generator: Generator, edit: GanEdit, where: np.ndarray, *, runs: int = 1) -> tuple[np.ndarray, float, float]:
    """The picture of a seed with units set to 0 inside bool (H,W) -> uint8 (H,W,3), wall seconds, processor seconds.

    Units are switched off in every cell of the layer that the hole touches: half-off cells would leave half of the thing. Times
    are those of core.stopwatch, of so many `runs`.
    """
    import torch

    from core.edits import UnitEdit, render

    def draw() -> np.ndarray:
        with torch.inference_mode():
            return to_u8(render(generator, generator.z_for_seeds([edit.seed]), [edits]))[0]

    edits = UnitEdit(edit.layer, edit.units, mask=where, pooling="max")
    return timed(draw, runs=runs, threads=not _alone(generator))


def plain(generator: Generator, seed: int) -> np.ndarray:
    """The unedited picture of a seed: uint8 (H,W,3)."""
    import torch

    from core.edits import render

    with torch.inference_mode():
        return to_u8(render(generator, generator.z_for_seeds([seed])))[0]


def random_units(generator: Generator, edit: GanEdit) -> tuple[int, ...]:
    """As many units of the layer as the edit has, none of them the edit's own: the control. The seed decides which."""
    from core.zoo.generator import layer_info

    others = np.setdiff1d(np.arange(layer_info(generator, edit.layer).units), edit.units)
    rng = np.random.default_rng([edit.seed, len(edit.units)])
    return tuple(int(u) for u in np.sort(rng.permutation(others)[: len(edit.units)]))


def label_maps(segmenter: Segmenter, image: np.ndarray) -> np.ndarray:
    """uint8 (H,W,3) -> uint8 (S,H,W): what the segmenter sees, at the picture's size."""
    import torch

    with torch.inference_mode():
        labels = segmenter(from_u8(image).to(_device(segmenter)))[0].cpu().numpy()
    size = image.shape[:2]
    if labels.shape[1:] != size:
        rows, columns = ((np.arange(n) * m) // n for n, m in zip(size, labels.shape[1:], strict=True))
        labels = labels[:, rows[:, None], columns[None]]
    return labels.astype(np.uint8 if labels.max(initial=0) < 256 else np.int32)


def _device(segmenter: Segmenter) -> Any:
    return getattr(segmenter, "device", "cpu")


def mask_of(labels: np.ndarray, label: int) -> np.ndarray:
    """Label maps (S,H,W) -> bool (H,W): where the label is, without specks under 1/500 of the picture (unless all are)."""
    import cv2

    found = (labels == label).any(axis=0)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8), connectivity=8)
    large = stats[:, cv2.CC_STAT_AREA] >= found.size / SPECK
    large[0] = False
    return np.asarray(large[parts] if large.any() else found)


def label_id(segmenter: Segmenter, name: str) -> int:
    """The id of a label by name; 0 for "" or a name the segmenter does not know."""
    return next((label.id for label in segmenter.labels if label.name == name), 0) if name else 0

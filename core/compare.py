"""One picture, one mask, every method: results and scores, one after the other as they finish.

    question = Question(before, mask, label="tree")
    gan = GanEdit("scenes", "layer4", seed=7, units=(3, 17))
    for answer in compare(question, methods(), gan=gan, generator=g, judge=segment.load("scenes-judge")):
        answer.title, answer.image, answer.seconds, answer.scores["removal"]

Methods are the inpainters by name, and four more that need a generator: "gan" (units switched off inside the hole, the whole
picture as the generator then draws it), "gan-composite" (the same, everything outside the hole put back), and two controls,
"gan-random" (as many other units) and "before" (nothing done). The judge that scores is never the network that chose the units.
"""
from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core import inpaint, metrics
from core.errors import BadInput, GanLabError
from core.image import check_mask, check_rgb, from_u8, to_u8
from core.inpaint import Hole, composite, fill_hole, make_hole
from core.jobs import Job, Jobs, Report, interactive, no_report
from core.store import Run, Saved, Store

if TYPE_CHECKING:
    from core.segment import Segmenter
    from core.zoo.generator import Generator

GAN, GAN_COMPOSITE, GAN_RANDOM, BEFORE = "gan", "gan-composite", "gan-random", "before"
OWN = "own"
TITLES = {GAN: "GAN edit", GAN_COMPOSITE: "GAN edit, composited", GAN_RANDOM: "GAN, random units", BEFORE: "Nothing done",
          OWN: "Own result"}
ABOUT = {
    GAN: "The class's units switched off inside the hole; the generator redraws the whole picture.",
    GAN_COMPOSITE: "The same, and everything outside the hole put back as it was.",
    GAN_RANDOM: "Control: as many units that do not belong to the class.",
    BEFORE: "Control: the picture as it was.",
    OWN: "Made elsewhere and put in by a person.",
}
GANS = (GAN, GAN_COMPOSITE, GAN_RANDOM)
ORDER = ("telea", "navier-stokes", GAN, GAN_COMPOSITE, "patchmatch", "patchmatch5", "patchmatch7", "harmonic", "biharmonic",
         GAN_RANDOM, BEFORE)
QUICK = ("telea", "navier-stokes")
KIND = "compare"
VERSION = 1

comparisons = Jobs(capacity=8, keep=6)
"""Where comparisons run: apart from the long jobs' queue, so that a person does not wait behind a dissection."""


@dataclass(frozen=True)
class Question:
    """What every method is asked.

    before (H,W,3) uint8; mask bool (H,W), True = fill; label: the class to be removed ("" = none); grow, feather: pixels, None =
    usual; avoid bool (H,W) or None: where PatchMatch must not copy from.
    """

    before: np.ndarray
    mask: np.ndarray
    label: str = ""
    grow: int | None = None
    feather: int | None = None
    avoid: np.ndarray | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        image = check_rgb(self.before)
        check_mask(self.mask, (image.shape[0], image.shape[1]))
        if not self.mask.any():
            raise BadInput("the mask is empty: mark what the methods should fill")

    def hole(self) -> Hole:
        """The mask made ready, the same for every method."""
        return make_hole(self.mask, self.grow, self.feather)


@dataclass(frozen=True)
class GanEdit:
    """Units of one layer switched off in the picture of one seed, inside the hole."""

    model: str
    layer: str
    seed: int
    units: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """What one method made of the question.

    image (H,W,3) uint8; seconds, cpu: computing time of the method alone; minutes: a person's, where it was made by hand;
    scores by metric name (nan = no meaning); labels (S,H,W) uint8 or None: what the judge sees; problem: why there is no result.
    """

    method: str
    title: str
    about: str
    image: np.ndarray
    seconds: float = 0.0
    cpu: float = 0.0
    minutes: float = 0.0
    scores: Mapping[str, float] = field(default_factory=dict)
    labels: np.ndarray | None = None
    note: str = ""
    problem: str = ""


def methods(*, gan: bool = True) -> list[str]:
    """Names of all methods that can run here, in the order they are shown: quick ones first, controls last."""
    known = inpaint.names()
    wanted = [n for n in ORDER if n in known or (gan and n in GANS) or n == BEFORE]
    return wanted[:-1] + [n for n in known if n not in ORDER] + wanted[-1:]


def title(method: str) -> str:
    """What a method is called on the page."""
    return TITLES[method] if method in TITLES else inpaint.REGISTRY[method].title


def about(method: str) -> str:
    """What a method does, in a sentence."""
    return ABOUT[method] if method in ABOUT else inpaint.REGISTRY[method].about


def compare(question: Question, names: Sequence[str], *, gan: GanEdit | None = None, generator: Generator | None = None,
            judge: Segmenter | None = None, truth: np.ndarray | None = None, report: Report = no_report,
            during: Callable[[], AbstractContextManager[None]] = nullcontext) -> Iterator[Answer]:
    """Answers of the named methods, each as soon as it is there. Every method runs inside a context of `during`.

    Methods that need a generator are left out without one. A method that cannot answer (too large a hole, a missing library)
    gives an Answer with its `problem`; the others go on. truth: what belongs into the hole, where that is known.
    """
    todo = [n for n in names if n not in GANS or (gan is not None and generator is not None)]
    hole = question.hole()
    seen = label_maps(judge, question.before) if judge is not None else None
    label = label_id(judge, question.label) if judge is not None else 0
    drawn: dict[str, tuple[np.ndarray, float, float]] = {}
    for number, name in enumerate(todo):
        report(number, len(todo), title(name))
        with during():
            try:
                made = _answer(name, question, hole, gan, generator, drawn)
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
            drawn: dict[str, tuple[np.ndarray, float, float]]) -> _Made:
    before = question.before
    if name == BEFORE:
        return _Made(name, before, 0.0, 0.0, before, before, hole.inside)
    if name in GANS:
        assert gan is not None
        assert generator is not None
        which = GAN_RANDOM if name == GAN_RANDOM else GAN
        if which not in drawn:
            chosen = gan if which == GAN else GanEdit(gan.model, gan.layer, gan.seed, random_units(generator, gan))
            drawn[which] = gan_edit(generator, chosen, hole.inside)
        raw, seconds, cpu = drawn[which]
        if raw.shape != before.shape:
            raise BadInput(f"the picture is not the generator's own: {before.shape[:2]}, but it draws {raw.shape[:2]}")
        image = raw if name == GAN else composite(before, raw, hole)
        return _Made(name, image, seconds, cpu, before, raw, hole.inside)
    method = inpaint.get(name)
    avoid = question.avoid if question.avoid is not None and question.avoid.any() else None
    used = avoid if method.avoids else None
    filled = fill_hole(method, before, question.mask, avoid=used, seed=question.seed, grow=question.grow,
                       feather=question.feather)
    note = "the keep-out area is not used: this method does not copy" if avoid is not None and used is None else ""
    return _Made(name, filled.image, filled.seconds, filled.cpu, filled.seen, filled.raw, filled.seen_hole, note)


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
def gan_edit(generator: Generator, edit: GanEdit, where: np.ndarray) -> tuple[np.ndarray, float, float]:
    """The picture of a seed with units set to 0 inside bool (H,W) -> uint8 (H,W,3), wall seconds, processor seconds.

    Where the generator uses several threads or a GPU, whose time one thread does not see, both are wall seconds.
    """
    import torch

    from core.edits import UnitEdit, render

    wall, cpu = time.perf_counter(), time.thread_time()
    with torch.inference_mode():
        image = render(generator, generator.z_for_seeds([edit.seed]), [UnitEdit(edit.layer, edit.units, mask=where)])
        picture = to_u8(image)[0]
    seconds, own = time.perf_counter() - wall, time.thread_time() - cpu
    alone = torch.get_num_threads() == 1 and generator.device.type == "cpu"
    return picture, seconds, own if alone else seconds


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


def label_id(segmenter: Segmenter, name: str) -> int:
    """The id of a label by name; 0 for "" or a name the segmenter does not know."""
    return next((label.id for label in segmenter.labels if label.name == name), 0) if name else 0


# --- a comparison in progress -----------------------------------------------------------------------------------------------
class Board:
    """Answers as they come in: written by one worker, read by a page at any time."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self._answers: list[Answer] = []
        self._lock = threading.Lock()

    def add(self, answer: Answer) -> None:
        with self._lock:
            self._answers = [a for a in self._answers if a.method != answer.method] + [answer]

    def plus(self, answer: Answer) -> Board:
        """Another board with one answer more; this one, which others may be looking at, stays as it is."""
        board = Board(self.question)
        for known in (*self.answers, answer):
            board.add(known)
        return board

    @property
    def answers(self) -> list[Answer]:
        """Those that are there, in the order of `ORDER`, results made elsewhere last."""
        with self._lock:
            return sorted(self._answers, key=lambda a: ORDER.index(a.method) if a.method in ORDER else len(ORDER))

    def fill(self, answers: Iterator[Answer]) -> None:
        """Takes all answers."""
        for answer in answers:
            self.add(answer)


def submit(key: str, question: Question, names: Sequence[str], *, gan: GanEdit | None = None, generator: Generator | None = None,
           judge: Segmenter | None = None, keep_as: tuple[Store, Run] | None = None) -> Job:
    """Starts a comparison in the background, or joins the one of the same key. `job.result` is its Board from the start.

    Long jobs wait while a method runs, since a person does.

    keep_as: where a finished one is stored. Raises Busy.
    """
    board = Board(question)

    def work(report: Report) -> Board:
        started = time.perf_counter()
        board.fill(compare(question, names, gan=gan, generator=generator, judge=judge, report=report,
                           during=interactive))
        if keep_as is not None:
            keep(*keep_as, board, time.perf_counter() - started)
        return board

    job = comparisons.submit(key, "Compare methods", work)
    if job.result is None:
        job.result = board
    return job


# --- kept comparisons -------------------------------------------------------------------------------------------------------
def run_of(gan: GanEdit, label: str, grow: int | None, *, generator: str, chooser: str, judge: str) -> Run:
    """The run of a comparison whose mask is the class as the chooser sees it; the last three are fingerprints."""
    return Run(KIND, _params(gan, label, grow), {"generator": generator, "segmenter": chooser, "judge": judge}, VERSION)


def _params(gan: GanEdit, label: str, grow: int | None) -> dict[str, Any]:
    return {"model": gan.model, "layer": gan.layer, "seed": gan.seed, "units": list(gan.units), "label": label,
            "grow": -1 if grow is None else grow, "methods": methods()}


def find(store: Store, gan: GanEdit, label: str, grow: int | None, *, generator: str) -> str:
    """The key of the newest stored comparison of these settings made with this generator (a fingerprint), or "". No torch."""
    found = store.find(KIND, **_params(gan, label, grow))
    return next((e.key for e in found if e.manifest["run"]["inputs"].get("generator") == generator), "")


def keep(store: Store, run: Run, board: Board, seconds: float = 0.0) -> Saved:
    """Stores a finished comparison."""
    arrays = {"before": board.question.before, "mask": board.question.mask}
    told = []
    for number, a in enumerate(board.answers):
        arrays[f"image{number}"] = a.image
        if a.labels is not None:
            arrays[f"labels{number}"] = a.labels
        told.append({"method": a.method, "title": a.title, "about": a.about, "seconds": a.seconds, "cpu": a.cpu, "note": a.note,
                     "problem": a.problem, "scores": {k: (None if np.isnan(v) else v) for k, v in a.scores.items()}})
    return store.put(run, arrays, seconds=seconds, answers=told)


def load(store: Store, key: str) -> Board | None:
    """A stored comparison, or None. No torch. Raises StoreError for a damaged one."""
    saved = store.get(key)
    if saved is None:
        return None
    params, arrays = saved.run.params, saved.arrays
    grow = None if params["grow"] < 0 else int(params["grow"])
    board = Board(Question(arrays["before"], arrays["mask"], str(params["label"]), grow))
    for number, told in enumerate(saved.manifest["answers"]):
        scores = {k: float("nan") if v is None else float(v) for k, v in told["scores"].items()}
        board.add(Answer(told["method"], told["title"], told["about"], arrays[f"image{number}"], told["seconds"], told["cpu"],
                         scores=scores, labels=arrays.get(f"labels{number}"), note=told["note"], problem=told["problem"]))
    return board


def mark(*arrays: np.ndarray | None) -> str:
    """A short fingerprint of pictures and masks, for keys."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(b"-" if array is None else f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]

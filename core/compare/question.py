"""What is asked of every method, what each answers, and the answers as they come in. Imports no torch."""
from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from core import inpaint
from core.errors import BadInput
from core.image import check_mask, check_rgb
from core.inpaint import Hole, make_hole

GAN, GAN_COMPOSITE, GAN_RANDOM, BEFORE = "gan", "gan-composite", "gan-random", "before"
GAN_PHOTO = "gan-photo"
OWN = "own"
TITLES = {GAN: "GAN edit", GAN_COMPOSITE: "GAN edit, composited", GAN_RANDOM: "GAN, random units", BEFORE: "Nothing done",
          GAN_PHOTO: "GAN, redrawn", OWN: "Own result"}
ABOUT = {
    GAN: "The class's units switched off inside the hole; the generator redraws the whole picture.",
    GAN_COMPOSITE: "The same, and everything outside the hole put back as it was.",
    GAN_RANDOM: "Control: as many units that do not belong to the class.",
    BEFORE: "Control: the picture as it was.",
    GAN_PHOTO: "The photo as the generator redraws it, put into the hole without any edit: what it cannot draw goes missing, which is "
               "loss, not removal.",
    OWN: "Made elsewhere and put in by a person.",
}
GANS = (GAN, GAN_COMPOSITE, GAN_RANDOM)
ORDER = ("telea", "navier-stokes", GAN, GAN_COMPOSITE, GAN_PHOTO, "patchmatch", "patchmatch5", "patchmatch7", "harmonic", "biharmonic",
         GAN_RANDOM, BEFORE)


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


def methods(*, gan: bool = True, photo: bool = False) -> list[str]:
    """Names of all methods that can run here, in the order they are shown: quick ones first, controls last.

    gan: those that edit a picture of the generator's own; photo: the one that redraws a photo.
    """
    known = {*inpaint.names(), BEFORE, *(GANS if gan else ()), *((GAN_PHOTO,) if photo else ())}
    wanted = [n for n in ORDER if n in known]
    return wanted[:-1] + [n for n in inpaint.names() if n not in ORDER] + wanted[-1:]


def title(method: str) -> str:
    """What a method is called on the page."""
    return TITLES[method] if method in TITLES else inpaint.REGISTRY[method].title


def about(method: str) -> str:
    """What a method does, in a sentence."""
    return ABOUT[method] if method in ABOUT else inpaint.REGISTRY[method].about


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


def mark(*arrays: np.ndarray | None) -> str:
    """A short fingerprint of pictures and masks, for keys."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(b"-" if array is None else f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]

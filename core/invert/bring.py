"""Bringing a picture in, and adapting late layers to it, as jobs: what is computed apart from the page and looked at meanwhile.

    made = brought(store, run)                                          # Brought, or None: neither stored nor just made
    live = Live()
    job = begin(run.key, "50 steps", bringing(generator, target, run, encoder=encoder, judge=judge, live=live), live)
    watched(job).shot                                                   # where it is now, for everybody who watches
"""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from core.invert.descent import Inversion, Step, invert
from core.invert.edit import Edited, edit
from core.invert.quality import Loss, kept_photo, lost
from core.jobs import Job, Report, interactive, no_report, short
from core.store import Run, Store

if TYPE_CHECKING:
    from core.dissect import Dissection
    from core.paint.brushes import Rankings
    from core.paint.document import Painting
    from core.segment import Segmenter
    from core.zoo.encoder import Encoder
    from core.zoo.generator import Generator

EVERY, CORRECTION = 5, 40  # steps between two looks at a running inversion; steps of the image-specific correction


@dataclass
class Live:
    """What a running inversion shows: written by the job, read by pages. Replaced whole, so that a reader sees one state."""

    curve: tuple[Step, ...] = ()
    shot: np.ndarray | None = None

    def put(self, step: Step, shot: np.ndarray) -> None:
        self.shot, self.curve = shot, (*self.curve, step)


@dataclass(frozen=True)
class Brought:
    """An inversion, what it was made from, and the classes it loses (None: this model has no judge)."""

    run: Run
    found: Inversion
    losses: list[Loss] | None

    def key(self, painting: Painting, dissection: Dissection) -> str:
        """Names what these strokes, with this dissection's brushes, make of the picture."""
        return sha256("|".join((self.run.key, painting.to_json(), dissection.run.key)).encode()).hexdigest()


def brought(store: Store, run: Run) -> Brought | None:
    """An inversion that is stored, or whose job is done; else None. No torch."""
    kept = kept_photo(store, run.key)
    if kept is not None:
        return Brought(run, *kept)
    job = short.get(run.key)
    return job.result if job is not None and isinstance(job.result, Brought) else None


def bringing(generator: Generator, target: np.ndarray, run: Run, *, encoder: Encoder | None = None, judge: Segmenter | None = None,
             live: Live | None = None, start: Brought | None = None) -> Callable[[Report], Brought]:
    """The work of one inversion, by the layer and steps of its run. start: what was found at 0 steps, so that nobody searches twice."""
    def work(report: Report) -> Brought:
        latent = start.found.z if start is not None and encoder is None else None
        found = invert(generator, target, layer=run.params["layer"], encoder=encoder, latent=latent, steps=run.params["steps"],
                       preview_every=EVERY, preview=None if live is None else live.put, report=report)
        return Brought(run, found, None if judge is None else lost(judge, target, found.image))
    return work


def at_once(work: Callable[[Report], Brought]) -> Brought:
    """Does the work here and now, before any long job's next step: somebody waits."""
    with interactive():
        return work(no_report)


def soon(job: Job, seconds: float = 1.0) -> Job:
    """The job, after a wait for it that nobody minds: what is quick needs no progress bar."""
    end = time.monotonic() + seconds
    while job.active and time.monotonic() < end:
        time.sleep(0.02)
    return job


def begin(key: str, title: str, work: Callable[[Report], Brought], live: Live) -> Job:
    """Starts the job, anew if it failed or was stopped; one that runs is joined. Raises Busy."""
    short.forget(key)
    job = short.submit(key, title, work)
    if job.result is None:
        job.result = live
    return job


def watched(job: Job) -> Live:
    """What a job of `begin` shows at present."""
    return job.result if isinstance(job.result, Live) else Live()


def adapting(key: str, generator: Generator, found: Inversion, painting: Painting, dissection: Dissection | None,
             rankings: Rankings) -> Job:
    """The job that edits with the later layers adapted to the picture; started where it is not there. Raises Busy."""
    def work(report: Report) -> Edited:
        return edit(generator, found, painting, dissection, rankings, correction=CORRECTION, report=report)
    job = short.get(key)
    return job if job is not None and job.state != "cancelled" else short.submit(key, "Adapting the late layers", work)

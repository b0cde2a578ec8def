"""Comparisons that run in the background and that are kept: by their settings, so that the same question is answered at once."""
from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.compare.methods import Redrawer, compare, label_maps, mask_of, plain
from core.compare.question import Answer, Board, GanEdit, Question, methods
from core.jobs import Job, Jobs, Report, interactive, no_report
from core.metrics import Case
from core.metrics.base import lab
from core.store import Run, Saved, Store

if TYPE_CHECKING:
    from core.dissect import Dissection, Pictures
    from core.segment import Segmenter
    from core.units import Ranking
    from core.zoo.generator import Generator

KIND, VERSION = "compare", 2
BUNDLED_LABELS = ("tree", "door", "dome", "cloud", "window", "grass", "brick")
UNITS, RUNS = 20, 3  # units switched off; how often each method is timed, after a warm-up, in what ships

comparisons = Jobs(capacity=8, keep=6)
"""Where comparisons run: apart from the long jobs' queue, so that a person does not wait behind a dissection."""


def submit(key: str, question: Question, names: Sequence[str], *, gan: GanEdit | None = None, generator: Generator | None = None,
           judge: Segmenter | None = None, redrawer: Redrawer | None = None,
           keep_as: tuple[Store, Run] | None = None) -> Job:
    """Starts a comparison in the background, or joins the one of the same key. `job.result` is its Board from the start.

    Long jobs wait while a method runs, since a person does.

    keep_as: where a finished one is stored. Raises Busy.
    """
    board = Board(question)

    def work(report: Report) -> Board:
        started = time.perf_counter()
        board.fill(compare(question, names, gan=gan, generator=generator, judge=judge, redrawer=redrawer,
                           report=report, during=interactive))
        if keep_as is not None:
            keep(*keep_as, board, time.perf_counter() - started)
        return board

    job = comparisons.submit(key, "Compare methods", work)
    if job.result is None:
        job.result = board
    return job


def job(key: str) -> Job | None:
    """A comparison in progress or just finished."""
    return comparisons.get(key)


def cancel(key: str) -> None:
    """Stops a comparison that nobody else waits for, after the method that runs."""
    comparisons.cancel(key)


def forget(key: str) -> None:
    """Drops a finished comparison, so that it can be run again."""
    comparisons.forget(key)


def run_of(gan: GanEdit, label: str, grow: int | None, *, generator: str, chooser: str, judge: str) -> Run:
    """The run of a comparison whose mask is the class as the chooser sees it; the last three are fingerprints."""
    return Run(KIND, _params(gan, label, grow), {"generator": generator, "segmenter": chooser, "judge": judge}, VERSION)


def _params(gan: GanEdit, label: str, grow: int | None) -> dict[str, Any]:
    return {"model": gan.model, "layer": gan.layer, "seed": gan.seed, "units": list(gan.units), "label": label,
            "grow": -1 if grow is None else grow, "methods": methods()}


def find(store: Store, gan: GanEdit, label: str, grow: int | None, *, generator: str) -> str:
    """The key of the newest stored comparison of these settings made with this generator (a fingerprint), or "". No torch."""
    runs = ((e.key, e.manifest["run"]) for e in store.find(KIND, **_params(gan, label, grow)))
    return next((key for key, run in runs if run["inputs"].get("generator") == generator and run["version"] == VERSION), "")


def keep(store: Store, run: Run, board: Board, seconds: float = 0.0) -> Saved:
    """Stores a finished comparison. Of each answer its difference from the picture before (modulo 256), which outside the mask is
    mostly 0 and packs to a fraction."""
    before = board.question.before
    arrays = {"before": before, "mask": board.question.mask}
    told = []
    for number, a in enumerate(board.answers):
        arrays[f"change{number}"] = a.image - before
        if a.labels is not None:
            arrays[f"labels{number}"] = a.labels
        told.append({"method": a.method, "title": a.title, "about": a.about, "seconds": a.seconds, "cpu": a.cpu, "note": a.note,
                     "problem": a.problem, "scores": {k: (None if np.isnan(v) else v) for k, v in a.scores.items()}})
    return store.put(run, arrays, seconds=seconds, answers=told)


def load(store: Store, key: str) -> Board | None:
    """A stored comparison, or None. No torch. Raises StoreError for a damaged one."""
    saved = store.get(key)
    if saved is None or saved.run.version != VERSION:
        return None
    params, arrays = saved.run.params, saved.arrays
    grow = None if params["grow"] < 0 else int(params["grow"])
    board = Board(Question(arrays["before"], arrays["mask"], str(params["label"]), grow))
    for number, told in enumerate(saved.manifest["answers"]):
        scores = {k: float("nan") if v is None else float(v) for k, v in told["scores"].items()}
        image = arrays["before"] + arrays[f"change{number}"]
        board.add(Answer(told["method"], told["title"], told["about"], image, told["seconds"], told["cpu"], scores=scores,
                         labels=arrays.get(f"labels{number}"), note=told["note"], problem=told["problem"]))
    return board


# --- what a page opens with -------------------------------------------------------------------------------------------------
def best_units(d: Dissection, ranking: Ranking | None, label: str, count: int) -> tuple[tuple[int, ...], str]:
    """The class's best units, and what ranks them: causal effect where that is known, else IoU."""
    return (ranking.top(count), "causal effect") if ranking is not None else (d.units_for(label, count), "IoU")


def usual_seed(d: Dissection, pictures: Pictures | None, label: str) -> int:
    """Of the top images of the class's best unit that show it on 3 to 25 % of their pixels, the one in which it is seen best."""
    seeds = [int(s) for s in d.top_seeds[d.units_for(label, 1)[0]]]
    seen = {}
    for seed in seeds:
        if pictures is not None and pictures.has(seed):
            mask = mask_of(pictures.segmentation(seed), d.label(label).id)
            if 0.03 <= mask.mean() <= 0.25:
                seen[seed] = _contrast(pictures.image(seed), mask)
    return max(seen, key=seen.__getitem__) if seen else seeds[0]


def _contrast(image: np.ndarray, mask: np.ndarray) -> float:
    """How far the mean colour inside the mask is from that of what lies around it (ΔE); 0 where nothing does."""
    colours, ring = lab(image), Case(image, image, mask).ring
    return float(np.linalg.norm(colours[mask].mean(axis=0) - colours[ring].mean(axis=0))) if ring.any() else 0.0


def bundle(store: Store, *, model: str, report: Report = no_report, labels: Sequence[str] = BUNDLED_LABELS) -> None:
    """Makes and stores what the page opens with for each class: so a fresh server shows it before anything heavy is loaded."""
    from core import causal, dissect, segment, zoo
    from core.inpaint import default_grow

    card = zoo.card(model)
    d, pictures = dissect.load(store, model, card.default_layer), dissect.load_pictures(store, model)
    if d is None:
        return
    generator, judge = zoo.load(model), segment.load(card.segmenters[1])
    known = [name for name in labels if any(x.name == name for x in d.labels)]
    for number, name in enumerate(known):
        report(number, len(known), name)
        units, _ = best_units(d, causal.load_ranking(store, model, d.layer, name, "ace"), name, min(UNITS, len(d.iou)))
        gan = GanEdit(model, d.layer, usual_seed(d, pictures, name), units)
        before, label = plain(generator, gan.seed), d.label(name)
        grow = default_grow((before.shape[0], before.shape[1]))
        maps = pictures.segmentation(gan.seed) if pictures is not None and pictures.has(gan.seed) else None
        if maps is None or maps.shape[1:] != before.shape[:2]:
            maps = label_maps(segment.load(card.segmenters[0]), before)
        mask = mask_of(maps, label.id)
        run = run_of(gan, name, grow, generator=generator.fingerprint, chooser=d.run.inputs.get("segmenter", ""),
                     judge=judge.fingerprint)
        if mask.any() and not store.has(run.key):
            board, began = Board(Question(before, mask, name, grow)), time.perf_counter()
            board.fill(compare(board.question, methods(), gan=gan, generator=generator, judge=judge, runs=RUNS))
            keep(store, run, board, time.perf_counter() - began)

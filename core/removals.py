"""How well each method removes a class from generated pictures: the measured rows of the report's table.

    study = measure(Study("scenes", "layer4", ("tree", "door")), generator=g, chooser=s, judge=j, dissection=d, store=Store())
    study.interval("gan", "removal")            # Interval(median, low, high, n)

For every seed and class the hole is the class as the chooser sees it, grown by 1 %; holes under 1 % or over 40 % of the picture
are left out. The chooser picked the units, so another network, the judge, scores; the same number of random units and the
untouched picture are scored beside them. Intervals are bootstrapped over seeds. Time is the median of three runs after a warm-up.

Realism is the kernel distance, on the judge's features, of the results to as many pictures the generator drew without the class by
itself. It says nothing with few pictures, so it is left out below 500 of a class. Reading a study imports no torch.
"""
from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core import compare, metrics
from core.benchmark import Interval
from core.compare import GanEdit, Question
from core.errors import BadInput
from core.image import from_u8
from core.jobs import Report, no_report
from core.metrics.frechet import kernel_distance
from core.stopwatch import machine
from core.store import Run, Saved, Store
from core.units import Ranking

if TYPE_CHECKING:
    from core.segment import Segmenter
    from core.zoo.generator import Generator

KIND, VERSION = "removals", 2
METRICS = (*(n for n, m in metrics.REGISTRY.items() if "truth" not in m.needs), "seconds", "cpu")
LABELS = ("tree", "door", "dome", "cloud", "window")
LEAST, MOST = 0.01, 0.40
RESAMPLES = 1000
RUNS, EVERY = 3, 4      # each method is timed so often, on the holes of every so many seeds
REALISTIC = 500         # pictures a class from which on the kernel distance is told
CLASS_FREE = range(100_000, 110_000)  # seeds that are not removed from: their pictures without the class are the measure


@dataclass(frozen=True)
class Study:
    """What is measured: classes removed from the pictures of seeds 0 … seeds−1 with `units` units of one layer."""

    model: str
    layer: str
    labels: tuple[str, ...]
    seeds: int = 64
    units: int = 20
    methods: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The methods: those named, or all that can run here."""
        return self.methods or tuple(compare.methods())

    def run(self, generator: str, chooser: str, judge: str, rankings: Mapping[str, Ranking]) -> Run:
        """The run of this study; the first three are fingerprints."""
        params = {"model": self.model, "layer": self.layer, "labels": list(self.labels), "seeds": self.seeds, "units": self.units,
                  "methods": list(self.names), "metrics": list(METRICS),
                  "ranked_by": {name: r.kind for name, r in sorted(rankings.items())},
                  "chosen": {name: list(r.top(self.units)) for name, r in sorted(rankings.items())}}
        return Run(KIND, params, {"generator": generator, "segmenter": chooser, "judge": judge}, VERSION)


@dataclass(frozen=True)
class Removals:
    """scores (M methods, K metrics, N holes) float64, nan = no meaning; seeds (N,) and label_of (N,) index into study.labels;
    realism (M,L): kernel distance to pictures without the class, nan below REALISTIC holes of it."""

    study: Study
    run: Run
    scores: np.ndarray
    seeds: np.ndarray
    label_of: np.ndarray
    realism: np.ndarray
    created: str = ""
    machine: str = ""

    def interval(self, method: str, metric: str, label: str = "") -> Interval | None:
        """Median and 95 % interval over seeds, for one class or all; None where no hole has a score."""
        where = self.label_of == self.study.labels.index(label) if label else np.ones(len(self.seeds), bool)
        values = self.scores[self.study.names.index(method), METRICS.index(metric)]
        where &= np.isfinite(values)
        if not where.any():
            return None
        groups = [values[where & (self.seeds == s)] for s in np.unique(self.seeds[where])]
        rng = np.random.default_rng(0)
        drawn = [np.median(np.concatenate([groups[i] for i in rng.integers(len(groups), size=len(groups))]))
                 for _ in range(RESAMPLES)]
        low, high = np.percentile(drawn, [2.5, 97.5])
        return Interval(float(np.median(values[where])), float(low), float(high), int(where.sum()))


def measure(study: Study, *, generator: Generator, chooser: Segmenter, judge: Segmenter, rankings: Mapping[str, Ranking],
            store: Store | None = None, report: Report = no_report) -> Removals:
    """Runs every method on every hole; answers from the store where this study is kept.

    rankings: the units of each class, best first. Raises BadInput when the judge is the chooser, or no hole is left.
    """
    if judge.fingerprint == chooser.fingerprint:
        raise BadInput("the judge must not be the network that chose the units; give a second segmenter")
    run = study.run(generator.fingerprint, chooser.fingerprint, judge.fingerprint, rankings)
    saved = store.get(run.key) if store is not None else None
    if saved is not None:
        return _read(saved)
    started = time.perf_counter()
    columns: list[np.ndarray] = []
    features: list[np.ndarray] = []
    found: list[tuple[int, int]] = []
    for seed in range(study.seeds):
        report(seed, study.seeds, f"seed {seed}")
        before = compare.plain(generator, seed)
        seen = compare.label_maps(chooser, before)
        for number, name in enumerate(study.labels):
            mask = compare.mask_of(seen, compare.label_id(chooser, name))
            if not mask.any():
                continue
            question = Question(before, mask, name)
            if LEAST <= question.hole().inside.mean() <= MOST:
                gan = GanEdit(study.model, study.layer, seed, rankings[name].top(study.units))
                scores, seen_as = _column(study, question, gan, generator, judge)
                columns.append(scores)
                features.append(seen_as)
                found.append((seed, number))
    if not found:
        raise BadInput(f"none of {', '.join(study.labels)} covers {LEAST:.0%} to {MOST:.0%} of any of the {study.seeds} pictures")
    report(study.seeds, study.seeds)
    label_of = np.array([n for _, n in found])
    arrays = {"scores": np.stack(columns, axis=-1), "seeds": np.array([s for s, _ in found]), "label_of": label_of,
              "realism": _realism(study, np.stack(features, axis=1), label_of, generator, judge)}
    if store is not None:
        return _read(store.put(run, arrays, seconds=time.perf_counter() - started, machine=machine()))
    return Removals(study, run, arrays["scores"], arrays["seeds"], arrays["label_of"], arrays["realism"], machine=machine())


def _column(study: Study, question: Question, gan: GanEdit, generator: Generator,
            judge: Segmenter) -> tuple[np.ndarray, np.ndarray]:
    """(M,K) scores of one hole; (M,D) what the judge's features say of the results, nan where there is none."""
    out = np.full((len(study.names), len(METRICS)), np.nan)
    features: dict[str, np.ndarray] = {}
    timed = gan.seed % EVERY == 0
    for answer in compare.compare(question, study.names, gan=gan, generator=generator, judge=judge, runs=RUNS if timed else 1):
        if not answer.problem:
            told = {**answer.scores, **({"seconds": answer.seconds, "cpu": answer.cpu} if timed else {})}
            out[study.names.index(answer.method)] = [told.get(k, np.nan) for k in METRICS]
            features[answer.method] = _features(judge, answer.image)
    nothing = np.full(next(iter(features.values()), np.empty(1)).shape, np.nan)
    return out, np.stack([features.get(name, nothing) for name in study.names])


def _features(judge: Segmenter, image: np.ndarray) -> np.ndarray:
    """(D,) the judge's features of one picture, uint8 (H,W,3)."""
    import torch

    with torch.inference_mode():
        return np.asarray(judge.features(from_u8(image).to(getattr(judge, "device", "cpu")))[0].float().cpu().numpy())


def _realism(study: Study, features: np.ndarray, label_of: np.ndarray, generator: Generator, judge: Segmenter) -> np.ndarray:
    """(M,L) kernel distances of (M,N,D) features to as many pictures without the class; nan where either are too few."""
    out = np.full((len(study.names), len(study.labels)), np.nan)
    for number, name in enumerate(study.labels):
        where = label_of == number
        if where.sum() < REALISTIC:
            continue
        free = _class_free(generator, judge, compare.label_id(judge, name), int(where.sum()))
        for m, given in enumerate(features[:, where]):
            given = given[np.isfinite(given).all(axis=1)]
            if min(len(given), len(free)) >= REALISTIC:
                out[m, number] = kernel_distance(given, free)
    return out


def _class_free(generator: Generator, judge: Segmenter, label: int, wanted: int) -> np.ndarray:
    """(≤ wanted, D) features of the first pictures of CLASS_FREE in which the judge sees none of the label."""
    out: list[np.ndarray] = []
    for seed in CLASS_FREE:
        if len(out) == wanted:
            break
        image = compare.plain(generator, seed)
        if not (compare.label_maps(judge, image) == label).any():
            out.append(_features(judge, image))
    return np.stack(out) if out else np.empty((0, 1))


def of_model(store: Store, model: str, layer: str = "", labels: Sequence[str] = LABELS, *, seeds: int = 64, units: int = 20,
             device: str = "auto", report: Report = no_report) -> Removals:
    """The study of a stored dissection's layer ("" = the model's default), with its model and segmenters opened.

    Classes the dissection does not know are left out. Raises BadInput when there is no dissection, class or second segmenter.
    """
    from core import causal, dissect, segment, zoo

    card = zoo.card(model)
    if len(card.segmenters) < 2:
        raise BadInput(f"{model!r} has no second segmenter to judge with; known for it: {', '.join(card.segmenters) or 'none'}")
    layer = layer or card.default_layer
    d = dissect.load(store, model, layer)
    if d is None:
        raise BadInput(f"{layer} of {model!r} is not dissected yet; run: python -m core dissect --model {model} --layers {layer}")
    known = tuple(name for name in labels if any(x.name == name for x in d.labels[1:]))
    if not known:
        raise BadInput(f"the dissection knows none of {', '.join(labels)}; it knows {', '.join(x.name for x in d.labels[1:])}")
    rankings = {n: causal.load_ranking(store, model, layer, n, "ace") or d.ranking(n) for n in known}
    chooser, judge = (segment.load(name, device) for name in card.segmenters[:2])
    return measure(Study(model, layer, known, seeds, units), generator=zoo.load(model, device), chooser=chooser, judge=judge,
                   rankings=rankings, store=store, report=report)


def bundle(store: Store, *, model: str, report: Report = no_report) -> None:
    """Makes and stores the study that ships with the project."""
    of_model(store, model, report=report)


def load(store: Store, model: str, *, generator: str) -> Removals | None:
    """The stored study of a model (with this generator fingerprint) with most seeds, or None."""
    entries = [e for e in store.find(KIND, model=model)
               if e.manifest["run"]["inputs"].get("generator") == generator and e.manifest["run"]["version"] == VERSION]
    if not entries:
        return None
    saved = store.get(max(entries, key=lambda e: int(e.manifest["run"]["params"]["seeds"])).key)
    return _read(saved) if saved is not None else None


def _read(saved: Saved) -> Removals:
    p, a = saved.run.params, saved.arrays
    study = Study(p["model"], p["layer"], tuple(p["labels"]), int(p["seeds"]), int(p["units"]), tuple(p["methods"]))
    return Removals(study, saved.run, a["scores"], a["seeds"], a["label_of"], a["realism"], str(saved.manifest.get("created", "")),
                    str(saved.manifest.get("machine", "")))


def as_text(found: Removals) -> str:
    """The table for a terminal."""
    shown = ("removal", "removal_whole", "collateral", "seam", "texture", "agreement", "new_class", "cpu")
    study = found.study
    lines = [f"{len(found.seeds)} holes ({', '.join(study.labels)}) in {study.seeds} pictures of {study.model}, "
             f"{study.units} units of {study.layer}; median [95 % over seeds]; time: median of {RUNS} runs after a warm-up, on every "
             f"{EVERY}th seed; {found.machine}", "",
             f"{'':<15}" + "".join(f"  {k:>20}" for k in shown)]
    for name in study.names:
        cells = [found.interval(name, k) for k in shown]
        lines.append(f"{name:<15}" + "".join(f"  {_cell(c):>20}" for c in cells))
    lines += ["", f"realism: kernel distance to pictures without the class, by the judge's features (told from {REALISTIC} holes a class)"]
    for number, label in enumerate(study.labels):
        told = [f"{name} {x:.3g}" for name, x in zip(study.names, found.realism[:, number], strict=True) if np.isfinite(x)]
        lines.append(f"{label:<15}" + (", ".join(told) or f"not told: {int((found.label_of == number).sum())} holes"))
    return "\n".join(lines)


def _cell(found: Interval | None) -> str:
    return "–" if found is None else f"{found.median:.3g} [{found.low:.3g}, {found.high:.3g}]"

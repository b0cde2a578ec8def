"""How well each method removes a class from generated pictures: the measured rows of the report's table.

    study = measure(Study("scenes", "layer4", ("tree", "door")), generator=g, chooser=s, judge=j, dissection=d, store=Store())
    study.interval("gan", "removal")            # Interval(median, low, high, n)

For every seed and class the hole is the class as the chooser sees it, grown by 1 %; holes under 1 % or over 40 % of the picture
are left out. The chooser picked the units, so another network, the judge, scores; the same number of random units and the
untouched picture are scored beside them. Intervals are bootstrapped over seeds. Reading a study imports no torch.
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
from core.jobs import Report, no_report
from core.store import Run, Saved, Store
from core.units import Ranking

if TYPE_CHECKING:
    from core.segment import Segmenter
    from core.zoo.generator import Generator

KIND, VERSION = "removals", 1
METRICS = (*(n for n, m in metrics.REGISTRY.items() if "truth" not in m.needs), "seconds", "cpu")
LABELS = ("tree", "door", "dome", "cloud", "window")
LEAST, MOST = 0.01, 0.40
RESAMPLES = 1000


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
    """scores (M methods, K metrics, N holes) float64, nan = no meaning; seeds (N,) and label_of (N,) index into study.labels."""

    study: Study
    run: Run
    scores: np.ndarray
    seeds: np.ndarray
    label_of: np.ndarray
    created: str = ""

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
                columns.append(_column(study, question, gan, generator, judge))
                found.append((seed, number))
    if not found:
        raise BadInput(f"none of {', '.join(study.labels)} covers {LEAST:.0%} to {MOST:.0%} of any of the {study.seeds} pictures")
    report(study.seeds, study.seeds)
    arrays = {"scores": np.stack(columns, axis=-1), "seeds": np.array([s for s, _ in found]),
              "label_of": np.array([n for _, n in found])}
    if store is not None:
        return _read(store.put(run, arrays, seconds=time.perf_counter() - started))
    return Removals(study, run, arrays["scores"], arrays["seeds"], arrays["label_of"])


def _column(study: Study, question: Question, gan: GanEdit, generator: Generator, judge: Segmenter) -> np.ndarray:
    """(M,K) scores of one hole."""
    out = np.full((len(study.names), len(METRICS)), np.nan)
    for answer in compare.compare(question, study.names, gan=gan, generator=generator, judge=judge):
        if not answer.problem:
            told = {**answer.scores, "seconds": answer.seconds, "cpu": answer.cpu}
            out[study.names.index(answer.method)] = [told.get(k, np.nan) for k in METRICS]
    return out


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
    entries = [e for e in store.find(KIND, model=model) if e.manifest["run"]["inputs"].get("generator") == generator]
    if not entries:
        return None
    saved = store.get(max(entries, key=lambda e: int(e.manifest["run"]["params"]["seeds"])).key)
    return _read(saved) if saved is not None else None


def _read(saved: Saved) -> Removals:
    p, a = saved.run.params, saved.arrays
    study = Study(p["model"], p["layer"], tuple(p["labels"]), int(p["seeds"]), int(p["units"]), tuple(p["methods"]))
    return Removals(study, saved.run, a["scores"], a["seeds"], a["label_of"], str(saved.manifest.get("created", "")))


def as_text(found: Removals) -> str:
    """The table for a terminal."""
    shown = ("removal", "removal_whole", "collateral", "seam", "texture", "agreement", "new_class", "cpu")
    study = found.study
    lines = [f"{len(found.seeds)} holes ({', '.join(study.labels)}) in {study.seeds} pictures of {study.model}, "
             f"{study.units} units of {study.layer}; median [95 % over seeds]", "",
             f"{'':<15}" + "".join(f"{k:>21}" for k in shown)]
    for name in study.names:
        cells = [found.interval(name, k) for k in shown]
        lines.append(f"{name:<15}" + "".join(f"{_cell(c):>21}" for c in cells))
    return "\n".join(lines)


def _cell(found: Interval | None) -> str:
    return "–" if found is None else f"{found.median:.3g} [{found.low:.3g}, {found.high:.3g}]"

"""Which units cause a class: α learned on the ablation–insertion objective, and the ranking read off it."""
from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from core.causal import descent
from core.causal.corpus import Activations, Chosen, Corpus, block_for, gather, grid_for, searched
from core.causal.objective import Reach, Score, loss, loss_and_gradient
from core.causal.pieces import Arrays, Pieces, cached, within
from core.causal.presets import CANDIDATE_SEEDS, PRESENT_SEEDS, Preset, preset
from core.causal.stored import ace_ranking, label_id
from core.errors import BadInput
from core.jobs import Report, no_report
from core.segment.base import Segmenter
from core.store import Run, Store
from core.units import Ranking
from core.zoo.batch import ERRORS, ran_out, too_large
from core.zoo.generator import Generator, layer_info

VERSION = 2
EVERY = 10          # steps between two kept states
PASSES = 3          # a forward and backward pass costs about three forward passes; only for the progress bar


def ace_run(generator: Generator, segmenter: Segmenter, layer: str, label: str, iou: np.ndarray, setting: Preset,
            q99: np.ndarray | None = None) -> Run:
    """What the optimisation is made from: also its first α and the values it is given, so that another dissection is another run."""
    given = {"start": iou} | ({"values": q99} if q99 is not None and setting.inserts == "q99" else {})
    return Run("ace", {"model": generator.name, "layer": layer, "label": label, "segmenter": segmenter.name, **_named(setting),
                       **{name: [round(float(x), 6) for x in array] for name, array in given.items()},
                       "seeds": [PRESENT_SEEDS, CANDIDATE_SEEDS, setting.pool]},
               {"generator": generator.fingerprint, "segmenter": segmenter.fingerprint}, VERSION)


def ace(generator: Generator, segmenter: Segmenter, layer: str, label: str, iou: np.ndarray, q99: np.ndarray | None = None, *,
        setting: str | Preset = "quick", report: Report = no_report, store: Store | None = None) -> Ranking:
    """Units of the layer by learned α, highest first; for ties see `stored.ace_ranking`.

    iou: (U,) of each unit with the label, from a dissection; α starts at iou / max iou. q99: (U,) the dissection's, needed by presets
    that insert it. `segmenter` chooses: results must be scored with another one. Goes on where a cancelled run stopped when a store is
    given. Raises UnknownName, BadInput.
    """
    p = preset(setting) if isinstance(setting, str) else setting
    units = layer_info(generator, layer).units
    if iou.shape != (units,):
        raise BadInput(f"{layer} has {units} units; one IoU for each is needed, got shape {iou.shape}")
    if p.inserts == "q99" and (q99 is None or q99.shape != (units,)):
        raise BadInput(f"the preset {p.name!r} inserts each unit's 0.99 quantile: give the dissection's q99, shape ({units},); got "
                       f"{'none' if q99 is None else f'shape {q99.shape}'}")
    label_id(segmenter.labels, label)
    run = ace_run(generator, segmenter, layer, label, iou, p, q99)

    def work(pieces: Pieces) -> tuple[Arrays, list[str]]:
        with torch.autocast(generator.device.type, torch.bfloat16, enabled=p.half):
            return _Optimisation(generator, segmenter, layer, label, p, report, pieces).run(iou, q99)

    return ace_ranking(cached(run, store, work, device=str(generator.device)))


@dataclass(frozen=True)
class _Optimisation:
    generator: Generator
    segmenter: Segmenter
    layer: str
    label: str
    preset: Preset
    report: Report
    pieces: Pieces

    def run(self, iou: np.ndarray, q99: np.ndarray | None) -> tuple[Arrays, list[str]]:
        p = self.preset
        searching, learning = 2 * p.pool, 2 * PASSES * p.steps * p.samples
        corpus = self._corpus(within(self.report, 0, searching + learning, "looking for the class"))
        cut = len(corpus.present.seeds) - min(p.evaluate, len(corpus.present.seeds) // 4)
        cut_candidates = len(corpus.candidates.seeds) - min(p.evaluate, len(corpus.candidates.seeds) // 4)
        present = Activations(self.generator, self.layer, corpus.present)
        candidates = Activations(self.generator, self.layer, corpus.candidates)
        inserted = corpus.values if q99 is None or p.inserts == "mean" else np.asarray(q99, np.float32)
        values = torch.tensor(inserted, device=self.generator.device)
        start = torch.from_numpy((iou / max(float(iou.max()), 1e-12)).astype(np.float32)).clamp(0, 1).to(values)
        state, losses, kept = self._resume(start)
        held = (np.arange(cut, len(corpus.present.seeds)), np.arange(cut_candidates, len(corpus.candidates.seeds)))
        before = self._held_out(start, values, corpus, present, candidates, *held)
        batch = p.batch
        while state.steps < p.steps:
            mine = schedule(state.steps, p.samples, cut)
            theirs = schedule(state.steps, p.samples, cut_candidates)
            gradient, total = torch.zeros_like(state.alpha), 0.0
            at = 0
            while at < p.samples:
                try:
                    value, part = loss_and_gradient(
                        self.generator, self._score(), self.layer, state.alpha, values, present.places(mine[at:at + batch]),
                        candidates.places(theirs[at:at + batch]), corpus.grid, **self._reach(corpus))
                except ERRORS as error:
                    if not ran_out(error):
                        raise
                    if batch == 1:
                        raise too_large() from error
                    batch = (batch + 1) // 2  # the sum over pictures is the same in smaller parts
                    continue
                gradient, total, at = gradient + part, total + value, at + batch
                done = searching + 2 * PASSES * (state.steps * p.samples + at)
                self.report(min(done, searching + learning), searching + learning, f"step {state.steps + 1} of {p.steps}")
            penalty = descent.penalty_gradient(state.alpha, p)
            state = descent.step(state, descent.scaled(gradient, p, corpus.grid) + penalty, p)
            losses.append(total / p.samples)
            kept = self._keep(state, losses, kept)
        after = self._held_out(state.alpha, values, corpus, present, candidates, *held)
        arrays = {"alpha": state.alpha.cpu().numpy(), "iou": np.asarray(iou, np.float32), "values": inserted,
                  "popularity": corpus.popularity, "losses": np.asarray(losses, np.float32),
                  "held_out": np.asarray([before, after], np.float32),
                  "pictures": np.asarray([cut, cut_candidates, len(held[0])], np.int64)}
        return arrays, ["corpus", *([kept] if kept else [])]

    def _score(self) -> Score:
        label = label_id(self.segmenter.labels, self.label)
        return lambda images: self.segmenter.scores(images, label)

    def _corpus(self, report: Report) -> Corpus:
        grid = grid_for(layer_info(self.generator, self.layer).size, self.preset.cells)
        kept = self.pieces.get("corpus")
        if kept is None:
            label = label_id(self.segmenter.labels, self.label)
            c = gather(self.generator, self.segmenter, self.layer, label, self.preset, report=report, pieces=self.pieces)
            kept = self.pieces.keep("corpus", {
                "present": np.stack([c.present.seeds, c.present.cells]), "values": c.values, "popularity": c.popularity,
                "candidates": np.stack([c.candidates.seeds, c.candidates.cells]), "usual": np.asarray(c.usual)})
            for name in searched(self.preset.pool):
                self.pieces.drop(name)
        return Corpus(grid, Chosen(*kept["present"].copy()), Chosen(*kept["candidates"].copy()), kept["values"].copy(),
                      kept["popularity"], float(kept["usual"]))

    def _reach(self, corpus: Corpus) -> Reach:
        """How far `objective.loss` edits: see Preset."""
        return {"block": block_for(corpus.grid, self.preset.block),
                "usual": corpus.usual if self.preset.removal == "everywhere" else 0}

    def _resume(self, alpha: torch.Tensor) -> tuple[descent.State, list[float], str]:
        last = self.preset.steps - self.preset.steps % EVERY
        for steps in range(last, 0, -EVERY):
            kept = self.pieces.get(f"state-{steps}")
            if kept is not None:
                tensors = [torch.from_numpy(kept[k].copy()).to(alpha) for k in ("alpha", "first", "second")]
                state = descent.State(tensors[0], tensors[1], tensors[2], steps)
                return state, list(map(float, kept["losses"])), f"state-{steps}"
        return descent.start(alpha), [], ""

    def _keep(self, state: descent.State, losses: list[float], previous: str) -> str:
        if state.steps % EVERY:
            return previous
        name = f"state-{state.steps}"
        self.pieces.keep(name, {"alpha": state.alpha.cpu().numpy(), "first": state.first.cpu().numpy(),
                                "second": state.second.cpu().numpy(), "losses": np.asarray(losses)})
        if previous:
            self.pieces.drop(previous)
        return name

    def _held_out(self, alpha: torch.Tensor, values: torch.Tensor, corpus: Corpus, present: Activations, candidates: Activations,
                  mine: np.ndarray, theirs: np.ndarray) -> float:
        """The objective a pair of pictures that were never learned from."""
        n = min(len(mine), len(theirs))
        total = 0.0
        with torch.no_grad():
            for at in range(0, n, 4):
                part = slice(at, min(at + 4, n))
                total += float(loss(self.generator, self._score(), self.layer, alpha, values, present.places(mine[part]),
                                    candidates.places(theirs[part]), corpus.grid, **self._reach(corpus)))
        return total / max(n, 1)


def schedule(step: int, samples: int, n: int) -> np.ndarray:
    """(samples,) numbers of the pictures that a step sees: one pass after another over all n, each in an order of its own."""
    at = np.arange(step * samples, (step + 1) * samples)
    orders = {epoch: np.random.RandomState(epoch).permutation(n) for epoch in sorted(set((at // n).tolist()))}
    return np.asarray([orders[i // n][i % n] for i in at.tolist()], np.int64)


def smaller(setting: Preset, pool: int) -> Preset:
    """The preset with its constants but another number of pictures to search; keeps the shares learned from and held out."""
    if pool < 16:
        raise BadInput(f"at least 16 pictures are needed to search for a class, got {pool}")
    train, evaluate = (round(n * pool / setting.pool) for n in (setting.train, setting.evaluate))
    return replace(setting, pool=pool, train=max(8, train), evaluate=max(4, evaluate))


def _named(setting: Preset) -> dict[str, object]:
    constants = asdict(setting)
    for name, usual in (("half", False), ("inserts", "mean")):     # so that runs of before there was a choice keep their key
        if constants[name] == usual:
            del constants[name]
    return {"preset": constants.pop("name"), **constants}

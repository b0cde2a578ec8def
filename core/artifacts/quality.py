"""Are pictures better with some units off? Scored by the judge against real pictures, with random units as the control.

Where the user has the weights of Inception v3, the FID (with so few pictures, only to be compared with figures of this test) too.

Two sets of pictures: random ones, and those of a larger pool in which the units are most active, as Bau et al. 2019 chose theirs.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch

from core.artifacts.results import FID, SETS, Quality, quality_of
from core.causal.pieces import Arrays, Pieces, cached
from core.causal.results import strip
from core.errors import BadInput
from core.image import from_u8, to_u8
from core.jobs import Report, no_report
from core.metrics.frechet import frechet, kernel_distance
from core.metrics.precision import precision_recall
from core.segment.base import Segmenter
from core.store import Run, Store
from core.zoo.generator import Generator, layer_info

VERSION = 1
BATCH = 4
FIRST_SEED = 8_000_000
POOL = 4               # the worst pictures are the worst quarter
SHOWN = 8

Features = Callable[[torch.Tensor], torch.Tensor]      # (N,3,H,W) pictures −1..1 -> (N,D)


def quality_run(generator: Generator, judge: Segmenter, layer: str, units: Sequence[int], images: int, reals: int, draws: int,
                reference: str) -> Run:
    """What the test is made from."""
    return Run("quality", {"model": generator.name, "layer": layer, "units": sorted(units), "scorer": judge.name,
                           "images": images, "reals": reals, "draws": draws, "reference": reference,
                           "seeds": [FIRST_SEED, FIRST_SEED + POOL * images]},
               {"generator": generator.fingerprint, "segmenter": judge.fingerprint}, VERSION)


def quality(generator: Generator, judge: Segmenter, layer: str, units: Sequence[int], real: np.ndarray, *, images: int = 250,
            draws: int = 10, reference: str = "given", inception: Features | None = None, report: Report = no_report,
            store: Store | None = None) -> Quality:
    """Fréchet and kernel distance, precision and recall on the judge's features: untouched, units off, random units off.

    inception: pictures −1..1 -> descriptors that the FID is over (core.metrics.inception.load()), or None for no FID.
    real: uint8 (N,H,W,3) of the generator's size. Random units are drawn from the others of the layer, as many as `units`.
    Raises BadInput when there are too few of anything.
    """
    total_units = layer_info(generator, layer).units
    units = tuple(sorted(set(int(u) for u in units)))
    if not units or units[-1] >= total_units or 2 * len(units) > total_units:
        raise BadInput(f"choose 1 to {total_units // 2} units of {layer} (0 to {total_units - 1}), got {len(units)}")
    run = quality_run(generator, judge, layer, units, images, len(real), draws, reference)
    if inception is not None:
        run = replace(run, params={**run.params, "also": FID})

    def work(pieces: Pieces) -> tuple[Arrays, list[str]]:
        test = _Test(generator, judge, inception, layer, report, len(real) + len(SETS) * (2 + draws) * images + POOL * images)
        with torch.inference_mode():
            reals = test.real(real)
            sets = dict(zip(SETS, test.choose(units, images), strict=True))
            others = [u for u in range(total_units) if u not in units]
            offs: list[Sequence[int]] = [(), units]
            offs += [np.random.RandomState(d).choice(others, len(units), replace=False).tolist() for d in range(draws)]
            arrays: dict[str, np.ndarray] = {f"{name}_seeds": seeds for name, seeds in sets.items()}
            names = []
            for name, seeds in sets.items():
                rows = []
                for k, off in enumerate(offs):
                    names.append(f"{name}-{k}")
                    kept = pieces.get(names[-1])
                    if kept is None:
                        kept = pieces.keep(names[-1], test.features(seeds, off))
                    rows.append(every_figure(reals, kept))
                arrays |= {f"{name}_{f}": np.array([row[f] for row in rows]) for f in rows[0]}
                for when, off in (("before", ()), ("after", units)):
                    arrays[f"row_{name}_{when}"] = strip(list(to_u8(test.pictures(seeds[:SHOWN], off))))
        half = len(real) // 2
        halves = ({k: v[:half] for k, v in reals.items()}, {k: v[half:] for k, v in reals.items()})
        arrays |= {f"real_{f}": np.asarray(v) for f, v in every_figure(*halves).items()}
        return arrays, names

    return quality_of(cached(run, store, work, device=str(generator.device)))


def figures(real: np.ndarray, generated: np.ndarray) -> dict[str, float]:
    """All figures of two sets of descriptors (N,D), (M,D)."""
    mean, std = real.mean(0), real.std(0) + 1e-6
    precision, recall = precision_recall(real, generated)
    kernel = kernel_distance((real - mean) / std, (generated - mean) / std)
    return {"frechet": frechet(real, generated), "kernel": kernel, "precision": precision, "recall": recall}


def every_figure(real: Arrays, generated: Arrays) -> dict[str, float]:
    """Figures of the judge's descriptors, and the FID where there are descriptors for it."""
    found = figures(real["features"], generated["features"])
    return {**found, FID: frechet(real[FID], generated[FID])} if FID in real else found


class _Test:
    def __init__(self, generator: Generator, judge: Segmenter, inception: Features | None, layer: str, report: Report,
                 total: int) -> None:
        self.generator, self.layer, self.report, self.total, self.done = generator, layer, report, total, 0
        self.networks: dict[str, Features] = {"features": judge.features, **({FID: inception} if inception is not None else {})}

    def real(self, pictures: np.ndarray) -> Arrays:
        """Descriptors (N,D) of real pictures, by network."""
        batches = (from_u8(pictures[at:at + BATCH]).to(self.generator.device) for at in range(0, len(pictures), BATCH))
        return self._describe(batches, "real pictures")

    def choose(self, units: Sequence[int], images: int) -> tuple[np.ndarray, np.ndarray]:
        """Seeds of the random and of the worst pictures; worst = highest sum over the units of their maximum activation."""
        seeds = np.arange(FIRST_SEED, FIRST_SEED + POOL * images)
        peaks = []
        for at in range(0, len(seeds), BATCH):
            acts = self.generator.head(self.generator.z_for_seeds(seeds[at:at + BATCH].tolist()), self.layer)
            peaks.append(acts[:, list(units)].flatten(2).amax(2).sum(1).double().cpu().numpy())
            self.done += len(acts)
            self.report(self.done, self.total, "looking for pictures with these units on")
        order = np.argsort(-np.concatenate(peaks), kind="stable")
        return seeds[:images], seeds[order[:images]]

    def pictures(self, seeds: np.ndarray, off: Sequence[int]) -> torch.Tensor:
        """(N,3,H,W) with the units off."""
        z = self.generator.z_for_seeds(seeds.tolist())
        acts = self.generator.head(z, self.layer)
        if off:
            acts[:, list(off)] = 0
        return self.generator.tail(acts, self.layer, z)

    def features(self, seeds: np.ndarray, off: Sequence[int]) -> Arrays:
        """The same of the seeds' pictures with the units off."""
        return self._describe((self.pictures(seeds[at:at + BATCH], off) for at in range(0, len(seeds), BATCH)), "scoring")

    def _describe(self, batches: Iterable[torch.Tensor], note: str) -> Arrays:
        rows: dict[str, list[np.ndarray]] = {name: [] for name in self.networks}
        for batch in batches:
            for name, network in self.networks.items():
                rows[name].append(network(batch).double().cpu().numpy())
            self.done += len(batch)
            self.report(min(self.done, self.total), self.total, note)
        return {name: np.concatenate(parts) for name, parts in rows.items()}

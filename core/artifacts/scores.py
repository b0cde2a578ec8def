"""Automatic artifact scores: which units are on where pictures look like nothing real.

Four measures a unit, on the features of the segmenter that chooses (the judge is kept for the outcome):

    realism   the pictures that drive the unit most, cut to a window around its peak: distance to the nearest windows of real
              pictures at the same place, against what the model's pictures usually have there (log ratio)
    repair    by how much that distance falls when the unit is switched off (log ratio)
    kernel    MMD² between the pictures that drive the unit most and all pictures (the published notebook's per-unit FID, made for
              few pictures)
    shift     distance between the two means in standard deviations

The score is the mean rank of realism and repair: it looks wrong where the unit is on, and better with the unit off. The two distances
are shown beside it and not counted: a unit that draws a rare class is far from all pictures, yet near real ones.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.artifacts.results import SCORES, ArtifactScores, scores_of
from core.causal.pieces import Arrays, Pieces, cached
from core.image import from_u8
from core.jobs import Report, no_report
from core.metrics.frechet import kernel_distance
from core.metrics.precision import distances
from core.segment.base import Segmenter
from core.store import Run, Store
from core.zoo.generator import Generator

if TYPE_CHECKING:
    from core.dissect import Dissection

VERSION = 1
BATCH = 4
WINDOWS = tuple((y, x) for y in (0.0, 0.25, 0.5) for x in (0.0, 0.25, 0.5))     # upper left corners of half-size windows
NEIGHBOURS = 3
ORDINARY = 160         # pictures of the model that say what is usual at a window
PIECE = 16             # units examined between two kept states


def artifacts_run(generator: Generator, segmenter: Segmenter, dissection: Dissection, reals: int, reference: str, images: int,
                  tops: int) -> Run:
    """What the scores are made from."""
    return Run("artifacts", {"model": generator.name, "layer": dissection.layer, "segmenter": segmenter.name, "images": images,
                             "tops": tops, "reference": reference, "reals": reals, "dissection": dissection.run.key},
               {"generator": generator.fingerprint, "segmenter": segmenter.fingerprint}, VERSION)


def artifact_scores(generator: Generator, segmenter: Segmenter, dissection: Dissection, real: np.ndarray | None = None, *,
                    reference: str = "", images: int = 1000, tops: int = 8, report: Report = no_report,
                    store: Store | None = None) -> ArtifactScores:
    """Scores of all units of the dissection's layer.

    real: uint8 (N,H,W,3) of the generator's size; None = ordinary pictures of the generator itself stand for real, named "own".
    reference names where they are from. images: pictures the distances are over; tops: strongest pictures a unit.
    """
    name = (reference or "given") if real is not None else "own"
    reals = len(real) if real is not None else ORDINARY
    k = min(tops, dissection.top_seeds.shape[1])
    run = artifacts_run(generator, segmenter, dissection, reals, name, images, k)

    def work(pieces: Pieces) -> tuple[Arrays, list[str]]:
        return _Scoring(generator, segmenter, dissection, real, images, k, report, pieces).run()

    return scores_of(cached(run, store, work, device=str(generator.device)))


class _Scoring:
    """One run, in pieces that are kept. Work is counted in pictures that pass through the segmenter."""

    def __init__(self, generator: Generator, segmenter: Segmenter, dissection: Dissection, real: np.ndarray | None, images: int,
                 tops: int, report: Report, pieces: Pieces) -> None:
        self.generator, self.segmenter, self.real, self.images, self.report = generator, segmenter, real, images, report
        self.pieces, self.names = pieces, list[str]()
        self.layer, self.seeds = dissection.layer, dissection.top_seeds[:, :tops]
        self.windows = peak_windows(np.asarray(dissection.top_acts[:, :tops], np.float32))
        self.done = 0
        self._reals = len(real) if real is not None else ORDINARY
        self.total = images + len(WINDOWS) * (self._reals + ORDINARY) + 2 * self.seeds.size + self.seeds.size

    def run(self) -> tuple[dict[str, np.ndarray], list[str]]:
        """The arrays, and the names of the pieces they were put together from."""
        with torch.inference_mode():
            far = self._kept("distances", self.images, self._distances)
            windows = self._kept("windows", len(WINDOWS) * (self._reals + ORDINARY), self._windows)
            real = [(windows["real"][k], windows["mean"][k], windows["std"][k]) for k in range(len(WINDOWS))]
            parts = [self._kept(f"units-{at}", 2 * self.seeds[at:at + PIECE].size, partial(self._tops, real, at))
                     for at in range(0, len(self.seeds), PIECE)]
        on, off = (np.concatenate([part[k] for part in parts]) for k in ("on", "off"))
        usual_here = windows["usual"][self.windows]
        found = {"realism": np.log(on / usual_here).mean(1), "repair": np.log(on / off).mean(1), **far}
        return {**{k: found[k].astype(np.float32) for k in SCORES}, "tops": self.seeds}, self.names

    def _kept(self, name: str, pictures: int, work: Callable[[], Arrays]) -> Arrays:
        """A piece that was kept, counted as done, or the work done and kept now."""
        self.names.append(name)
        part = self.pieces.get(name)
        if part is None:
            return self.pieces.keep(name, work())
        self.done += pictures
        return part

    def _distances(self) -> Arrays:
        """Kernel distance and mean shift, (U,) each, of each unit's top pictures from all pictures."""
        everything = self._features_of_seeds(list(range(self.images)), "all pictures")
        mean, std = everything.mean(0), everything.std(0) + 1e-6
        needed = sorted(set(self.seeds.flatten().tolist()) - set(range(self.images)))
        extra = self._features_of_seeds(needed, "top pictures") if needed else np.zeros((0, everything.shape[1]))
        row = {seed: k for k, seed in enumerate([*range(self.images), *needed])}
        z = (np.concatenate([everything, extra]) - mean) / std
        sample = z[:min(self.images, 250)]
        tops = [z[[row[int(s)] for s in seeds]] for seeds in self.seeds]
        kernel = np.array([kernel_distance(t, sample) if len(t) > 1 else 0.0 for t in tops])
        return {"kernel": kernel, "shift": np.array([float(np.sqrt(np.square(t.mean(0)).mean())) for t in tops])}

    def _windows(self) -> Arrays:
        """For each window: standardised features of real pictures real (W,N,D), the mean and std (W,D) they had, and usual (W,): the
        median distance of the generator's pictures to them."""
        real = self._real_windows()
        return {**{k: np.stack([r[i] for r in real]) for i, k in enumerate(("real", "mean", "std"))}, "usual": self._ordinary(real)}

    def _real_windows(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """For each window: standardised features of real pictures (N,D), and the mean and standard deviation they had."""
        if self.real is not None:
            pictures = [from_u8(self.real[at:at + BATCH]).to(self.generator.device) for at in range(0, len(self.real), BATCH)]
        else:
            pictures = self._pictures(range(self.images + ORDINARY, self.images + 2 * ORDINARY))
        out = []
        for window in range(len(WINDOWS)):
            f = np.concatenate([self._features(cut(p, window), "windows of real pictures") for p in pictures])
            mean, std = f.mean(0), f.std(0) + 1e-6
            out.append(((f - mean) / std, mean, std))
        return out

    def _ordinary(self, real: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> np.ndarray:
        """(windows,): the median distance of the generator's pictures to real ones."""
        pictures = self._pictures(range(self.images, self.images + ORDINARY))
        usual = []
        for window in range(len(WINDOWS)):
            f = np.concatenate([self._features(cut(p, window), "windows of ordinary pictures") for p in pictures])
            usual.append(float(np.median(to_nearest(f, *real[window]))))
        return np.asarray(usual)

    def _tops(self, real: list[tuple[np.ndarray, np.ndarray, np.ndarray]], first: int) -> Arrays:
        """Distances of the windows at the peaks of PIECE units from `first` on, (u,K) with each unit on, and off."""
        chosen = slice(first, first + PIECE)
        on, off = np.zeros(self.seeds[chosen].shape), np.zeros(self.seeds[chosen].shape)
        for row, (seeds, windows) in enumerate(zip(self.seeds[chosen], self.windows[chosen], strict=True)):
            for at in range(0, len(seeds), BATCH):
                part = slice(at, at + BATCH)
                z = self.generator.z_for_seeds(seeds[part].tolist())
                acts = self.generator.head(z, self.layer)
                edited = acts.clone()
                edited[:, first + row] = 0
                for x, out in ((acts, on), (edited, off)):
                    images = self.generator.tail(x, self.layer, z)
                    crops = torch.cat([cut(images[k:k + 1], int(w)) for k, w in enumerate(windows[part])])
                    f = self._features(crops, "top pictures with each unit on and off")
                    out[row, part] = [to_nearest(f[k:k + 1], *real[int(w)])[0] for k, w in enumerate(windows[part])]
        return {"on": on, "off": off}

    def _pictures(self, seeds: Sequence[int]) -> list[Tensor]:
        return [self.generator.span(z, None, None, z) for z in self.generator.z_for_seeds(seeds).split(BATCH)]

    def _features_of_seeds(self, seeds: Sequence[int], note: str) -> np.ndarray:
        latents = self.generator.z_for_seeds(seeds).split(BATCH)
        return np.concatenate([self._features(self.generator.span(z, None, None, z), note) for z in latents])

    def _features(self, images: Tensor, note: str) -> np.ndarray:
        f = self.segmenter.features(images).double().cpu().numpy()
        self.done += len(images)
        self.report(min(self.done, self.total), self.total, note)
        return f


def cut(images: Tensor, window: int) -> Tensor:
    """(N,3,H,W) -> the same size: the half-size window enlarged to the whole."""
    h, w = images.shape[2:]
    y, x = round(WINDOWS[window][0] * h), round(WINDOWS[window][1] * w)
    return F.interpolate(images[:, :, y:y + h // 2, x:x + w // 2], size=(h, w), mode="bilinear", align_corners=False)


def peak_windows(acts: np.ndarray) -> np.ndarray:
    """(U,K,h,w) activations -> (U,K) number of the window whose middle is nearest to the peak."""
    h, w = acts.shape[2:]
    peak = acts.reshape(*acts.shape[:2], -1).argmax(2)
    place = np.stack([(peak // w + 0.5) / h, (peak % w + 0.5) / w], -1)
    middles = np.asarray(WINDOWS) + 0.25
    return np.asarray(np.square(place[:, :, None] - middles).sum(-1).argmin(-1))


def to_nearest(features: np.ndarray, real: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """(N,D) raw features -> (N,) mean distance to the nearest real ones, in standard deviations a dimension (at least 0.001)."""
    d = distances((features - mean) / std, real)
    k = min(NEIGHBOURS, len(real))
    return np.maximum(np.partition(d, k - 1, axis=1)[:, :k].mean(1) / np.sqrt(features.shape[1]), 1e-3)

"""The dissection of any list of layers in one pass: each image is generated once and segmented once.

First the level images (thresholds), then the measuring images (counts). Work is cut into micro-batches; after each, the
report may stop it. With a store, a run that was cancelled or killed goes on where it was: see `core.dissect.halfway`.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from core.dissect.halfway import Keeper, Kept
from core.dissect.measure import TOP, Measure
from core.dissect.pictures import Album
from core.dissect.profile import Region, regions
from core.dissect.record import Dissection, Threshold, from_saved, labels_for, to_arrays
from core.dissect.stored import sound
from core.dissect.thresholds import LevelFinder, Levels
from core.errors import BadInput, UnknownName
from core.jobs import Report, no_report
from core.segment.base import Label
from core.stats import LabelMap, Padding, label_map
from core.store import Run, Store

if TYPE_CHECKING:
    from torch import Tensor

    from core.segment import Segmenter
    from core.zoo.generator import Generator

VERSION = 3
BATCH = {"cpu": 4}  # images a micro-batch; fixed, so that results are the same bits every time
BATCH_GPU = 32
LEVELS = 64  # levels of the curves
LEVEL_SEEDS = range(1_000_000, 1_000_200)


@dataclass(frozen=True)
class Request:
    """What was asked for, checked. `levels` is T, the number of levels of the curves."""

    layers: tuple[str, ...]
    seeds: tuple[int, ...]
    level_seeds: tuple[int, ...]
    quantile: float
    grid: tuple[int, int]
    padding: Padding
    threshold: Threshold
    levels: int = LEVELS

    def __post_init__(self) -> None:
        check(self.quantile, self.padding, self.threshold, self.levels)
        if not self.seeds or not self.level_seeds:
            raise BadInput("a dissection needs at least one image to measure and one to choose levels on")
        shared = set(self.seeds) & set(self.level_seeds)
        if shared:
            raise BadInput(f"seed {min(shared)} would both choose the levels and measure; the two sets of seeds must differ")
        if min(self.grid) < 1 or max(self.grid) > 1024:
            raise BadInput(f"the counting grid is (H, W) up to 1024, got {self.grid}")
        if len(self.seeds) * self.grid[0] * self.grid[1] >= 2**31:
            raise BadInput(f"{len(self.seeds)} images on a grid of {self.grid} are more than 2³¹ pixels; use fewer images")


def check(quantile: float, padding: str, threshold: str, levels: int) -> None:
    """Raises BadInput on settings that no dissection can have."""
    if not 0 < quantile < 1:
        raise BadInput(f"the quantile is the share of pixels above the level, between 0 and 1, got {quantile}")
    if padding not in ("border", "zeros"):
        raise BadInput(f"padding is 'border' or 'zeros', got {padding!r}")
    if threshold not in ("quantile", "iqr"):
        raise BadInput(f"threshold is 'quantile' or 'iqr', got {threshold!r}; levels per pair: Dissection.at('pair')")
    if levels != 1 and not 3 <= levels <= 256:
        raise BadInput(f"curves have 3 to 256 levels, or 1 for the quantile level alone, got {levels}")


def dissect(generator: Generator, segmenter: Segmenter, layers: Sequence[str], seeds: Sequence[int] = range(1000), *,
            level_seeds: Sequence[int] = LEVEL_SEEDS, quantile: float = 0.01, grid: tuple[int, int] = (64, 64),
            padding: Padding = "border", threshold: Threshold = "quantile", levels: int = LEVELS,
            report: Report = no_report, store: Store | None = None) -> dict[str, Dissection]:
    """Dissects layers of a generator: {layer: Dissection}.

    Levels are chosen on `level_seeds` (the exact top `quantile` of upsampled activations, and by information quality ratio)
    and measured on `seeds`. With a store, what is there already is read from disk, and the rest is kept there, together with
    thumbnails and label maps of the measured seeds. `levels` is the length of the curves; 1 counts at the quantile level
    alone, which is faster and leaves out curves and IQR levels. One run holds both thresholds: see Dissection.at. Raises UnknownName
    (layer), BadInput, JobCancelled (from `report`).
    """
    known = [info.name for info in generator.layers]
    if not layers:
        raise BadInput(f"name at least one layer of {generator.name}: {', '.join(known)}")
    for layer in layers:
        if layer not in known:
            raise UnknownName("layer", layer, known)
    wanted = tuple(sorted(set(layers), key=known.index))
    request = Request(wanted, _seeds(seeds), _seeds(level_seeds), float(quantile), (int(grid[0]), int(grid[1])), padding,
                      threshold, levels)
    runs = {layer: run_of(generator, segmenter, request, layer) for layer in wanted}
    images = len(request.seeds) + len(request.level_seeds)
    found = _stored(store, runs) if store is not None else _compute(generator, segmenter, request, runs, report, None)
    if store is not None and len(found) < len(runs):
        with ExitStack() as locks:
            for run in sorted((r for layer, r in runs.items() if layer not in found), key=lambda r: r.key):
                locks.enter_context(store.claim(run, lambda: report(0, images, "waiting for another process that makes the same")))
            found |= _stored(store, {layer: run for layer, run in runs.items() if layer not in found})
            missing = {layer: run for layer, run in runs.items() if layer not in found}
            if missing:
                part = replace(request, layers=tuple(missing))
                found |= _compute(generator, segmenter, part, missing, report, store)
    report(images, images)
    return {layer: found[layer] if threshold == "quantile" else found[layer].at(threshold) for layer in wanted}


def run_of(generator: Generator, segmenter: Segmenter, request: Request, layer: str) -> Run:
    """The Run of one layer; the same whichever layers are asked for together."""
    params = {"model": generator.name, "layer": layer, "images": len(request.seeds), "seeds": span(request.seeds),
              "level_seeds": span(request.level_seeds), "quantile": request.quantile, "grid": list(request.grid),
              "padding": request.padding, "levels": request.levels, "segmenter": segmenter.name, "top": TOP}
    return Run("dissect", params, {"generator": generator.fingerprint, "segmenter": segmenter.fingerprint}, VERSION)


def pictures_run(generator: Generator, segmenter: Segmenter, seeds: tuple[int, ...]) -> Run:
    """The Run of the pictures of these seeds."""
    params = {"model": generator.name, "images": len(seeds), "seeds": span(seeds), "segmenter": segmenter.name}
    return Run("pictures", params, {"generator": generator.fingerprint, "segmenter": segmenter.fingerprint}, VERSION)


def span(seeds: Sequence[int]) -> list[int] | dict[str, list[int]]:
    """[start, stop] of consecutive seeds; any others are listed as {"seeds": […]}."""
    if list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return [int(seeds[0]), int(seeds[0]) + len(seeds)]
    return {"seeds": [int(s) for s in seeds]}


def _seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    out = tuple(int(s) for s in seeds)
    if len(set(out)) != len(out):
        raise BadInput("a seed is named twice; each picture counts once")
    return out


def _stored(store: Store, runs: Mapping[str, Run]) -> dict[str, Dissection]:
    """What the store holds; a damaged run is named in the log, set aside, and made again."""
    found = {layer: sound(store, run, from_saved) for layer, run in runs.items()}
    return {layer: d for layer, d in found.items() if d is not None}


class Source:
    """Generates and segments micro-batches: activations of all wanted layers and label maps, each image once."""

    def __init__(self, generator: Generator, segmenter: Segmenter, layers: Sequence[str]) -> None:
        from core.zoo.batch import first_size

        self._generator, self._segmenter, self._layers = generator, segmenter, layers
        self.device = generator.device
        self.batch = BATCH.get(self.device.type) or min(BATCH_GPU, first_size(generator))

    def run(self, seeds: Sequence[int]) -> tuple[dict[str, Tensor], Tensor, np.ndarray]:
        """{layer: (N,U,h,w) float32}, pictures (N,3,H,W), label ids (N,S,h,w); in halves where memory runs out. Raises BadInput."""
        import torch

        from core.zoo.batch import ran_out, too_large

        try:
            return self._run(seeds)
        except (MemoryError, RuntimeError) as error:
            if not ran_out(error):
                raise
            if len(seeds) == 1:
                raise too_large() from error
        half = (len(seeds) + 1) // 2  # outside the handler, so that the failed attempt's tensors are gone
        parts = [self.run(seeds[:half]), self.run(seeds[half:])]
        acts = {layer: torch.cat([part[0][layer] for part in parts]) for layer in self._layers}
        return acts, torch.cat([part[1] for part in parts]), np.concatenate([part[2] for part in parts])

    def _run(self, seeds: Sequence[int]) -> tuple[dict[str, Tensor], Tensor, np.ndarray]:
        import torch

        acts: dict[str, Tensor] = {}
        with torch.inference_mode():
            z = self._generator.z_for_seeds(seeds)
            x, here = z, None
            for layer in self._layers:
                x = self._generator.span(x, here, layer, z)
                here = layer
                acts[layer] = x.float().contiguous()
                if not bool(torch.isfinite(acts[layer].sum())):
                    raise BadInput(f"{layer} of {self._generator.name} has values that are not finite for seeds from {seeds[0]}; "
                                   "the weights are damaged or of another family")
            images = self._generator.span(x, here, None, z)
            segs = self._segmenter(images).cpu().numpy()
        return acts, images, segs


def _batches(seeds: tuple[int, ...], size: int, start: int = 0) -> list[tuple[int, tuple[int, ...]]]:
    return [(i, seeds[i:i + size]) for i in range(start, len(seeds), size)]


def _compute(generator: Generator, segmenter: Segmenter, request: Request, runs: Mapping[str, Run], report: Report,
             store: Store | None) -> dict[str, Dissection]:
    source = Source(generator, segmenter, request.layers)
    labels = tuple(segmenter.labels)
    sizes = {info.name: (info.units, info.size) for info in generator.layers}
    ahead, total = len(request.level_seeds), len(request.level_seeds) + len(request.seeds)
    pictures = pictures_run(generator, segmenter, request.seeds)
    keeper = Keeper(store, Run("dissect", {"parts": sorted(run.key for run in runs.values())}, version=3), source)
    kept = keeper.kept()
    report(0, total, "choosing thresholds")
    levels = kept.levels or _levels(keeper, source, request, labels, sizes, report, kept)
    keep_pictures = store is not None and (bool(kept.album) if kept.levels else not store.has(pictures.key))
    album = Album(len(labels)) if keep_pictures else None
    layers = {layer: Measure(layer, *sizes[layer], request.grid, request.padding, levels[layer], labels)
              for layer in request.layers}
    if kept.levels:
        for layer, measure in layers.items():
            measure.restore(kept.layers[layer])
        if album is not None:
            album.restore(kept.album)

    def state(done: int) -> Kept:
        return Kept(done, levels, {layer: measure.state() for layer, measure in layers.items()},
                    album.arrays() if album is not None else {})

    start = kept.done if kept.levels else 0
    todo = _batches(request.seeds, source.batch, start)
    for (i, seeds), batch in zip(todo, keeper.batches([seeds for _, seeds in todo], pictures=album is not None), strict=True):
        mapped = label_map(batch.segs, labels, request.grid)
        for layer, measure in layers.items():
            measure.add(batch.acts[layer], mapped, np.array(seeds))
        if album is not None and batch.pictures is not None:
            album.add(np.array(seeds), batch.pictures, batch.segs)
        done = i + len(seeds)
        keeper.step(partial(state, done), partial(report, ahead + done, total, "measuring"))
    results = {layer: measure.result(runs[layer], "quantile") for layer, measure in layers.items()}
    if store is not None:
        seconds, device = keeper.seconds, str(generator.device)
        if album is not None:
            store.put(pictures, album.arrays(), seconds=seconds, device=device, labels=labels_for(labels))
        for d in results.values():
            store.put(d.run, to_arrays(d), seconds=seconds, device=device, labels=labels_for(labels),
                      together=list(request.layers), batch=source.batch, precision=getattr(generator, "precision", "float32"))
        keeper.drop()
    return results


def level_batch(layers: Mapping[str, LevelFinder], acts: Mapping[str, Tensor], labels: LabelMap, n_labels: int,
                grid: tuple[int, int], padding: Padding) -> None:
    """Shows one micro-batch to every layer's finder; label regions are pooled once a map size."""
    pooled: dict[tuple[int, int], Region] = {}
    for layer, finder in layers.items():
        size = (int(acts[layer].shape[2]), int(acts[layer].shape[3]))
        if size not in pooled:
            pooled[size] = regions(labels, n_labels, size, grid, padding, acts[layer])
        finder.add(acts[layer], labels, pooled[size])


def _levels(keeper: Keeper, source: Source, request: Request, labels: tuple[Label, ...],
            sizes: Mapping[str, tuple[int, tuple[int, int]]], report: Report, kept: Kept) -> dict[str, Levels]:
    """Thresholds from the level images. Between the slower steps of single layers the report may stop it too."""
    finders = {layer: LevelFinder(*sizes[layer], request.grid, len(request.level_seeds), labels, padding=request.padding,
                                  quantile=request.quantile, quantile_of="upsampled", condition="all", steps=request.levels)
               for layer in request.layers}
    for layer, state in kept.layers.items():
        finders[layer].restore(state, source.device)

    def step(done: int) -> None:
        keeper.step(lambda: Kept(done, {}, {layer: finder.state() for layer, finder in finders.items()}, {}),
                    partial(report, done, len(request.level_seeds) + len(request.seeds), "choosing thresholds"))

    todo = _batches(request.level_seeds, source.batch, kept.done)
    for (i, seeds), batch in zip(todo, keeper.batches([seeds for _, seeds in todo]), strict=True):
        for finder in finders.values():  # before the next batch, also in a run that goes on: levels depend on what is held back
            while finder.full:
                finder.settle()
                step(i)
        level_batch(finders, batch.acts, label_map(batch.segs, labels, request.grid), len(labels), request.grid, request.padding)
        step(i + len(seeds))
    found = {}
    for layer, finder in finders.items():
        while finder.settle():
            step(len(request.level_seeds))
        found[layer] = finder.finish()
        step(len(request.level_seeds))
    return found

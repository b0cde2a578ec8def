"""Do later layers outline things more tightly? For units of the same label, layer by layer: how well the outline of the active
region follows the outline of the thing, and how large the region is next to it.

    found = tightness(generator, segmenter, dissections)     # {layer: Dissection} -> Tightness
    found.outline[layer, label]                              # boundary F-score: mean, low, high (95 % bootstrap over pictures)

A region is where a unit, upsampled to the picture, is above its level of highest information quality ratio with the label (so
that no layer is favoured by one common share of pixels). Boundary F-score: harmonic mean of the share of the region's outline
within `tolerance` pixels of the label's outline, and the reverse (Martin, Fowlkes, Malik 2004; Perazzi et al. 2016).
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.dissect import Dissection, newest, once
from core.dissect.engine import Source, span
from core.errors import BadInput, StoreError
from core.jobs import Report, no_report
from core.stats import dense, resampling
from core.store import Run, Saved, Store

if TYPE_CHECKING:
    from torch import Tensor

    from core.segment import Segmenter
    from core.zoo.generator import Generator

VERSION = 1
LEAST_IOU = 0.04  # a layer's unit stands for a label when its IoU at the label's own level is above this
LEAST_SHARE = 0.005  # pictures in which the label covers less are left out
DRAWS = 2000
Choice = dict[int, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Tightness:
    """Per layer (L) and label (C): mean, low and high end of the 95 % interval; nan where a layer has no unit for the label.

    outline (L,C,3) boundary F-score 0..1 · area (L,C,3) active area / label's area (geometric mean) · pictures (L,C) int ·
    iou (L,C) of the units used · overall_outline, overall_area (L,3): over the labels that every listed layer has a unit for.
    """

    run: Run
    layers: tuple[str, ...]
    labels: tuple[str, ...]
    outline: np.ndarray
    area: np.ndarray
    pictures: np.ndarray
    iou: np.ndarray
    overall_outline: np.ndarray
    overall_area: np.ndarray
    shared: tuple[str, ...]

    def ends(self) -> tuple[int, int] | None:
        """The first and the last layer that have units for the shared labels; None with fewer than two."""
        there = np.flatnonzero(np.isfinite(self.overall_outline[:, 0]))
        return (int(there[0]), int(there[-1])) if len(there) > 1 else None

    def trend(self) -> int:
        """1 where the last of these layers outlines more tightly than the first, −1 where less, 0 where the intervals overlap."""
        ends = self.ends()
        if ends is None:
            return 0
        (_, low, high), (_, low_last, high_last) = self.overall_outline[list(ends)]
        return int(low_last > high) - int(high_last < low)


def tightness(generator: Generator, segmenter: Segmenter, dissections: Mapping[str, Dissection],
              seeds: Sequence[int] = range(2_000_000, 2_000_200), *, units: int = 3, tolerance: int = 1,
              report: Report = no_report, store: Store | None = None) -> Tightness:
    """Measured on seeds that neither chose levels nor measured IoU. `units`: how many of each layer's best for a label.

    Raises BadInput without dissections, JobCancelled from `report`.
    """
    if not dissections:
        raise BadInput("dissect at least one layer before its tightness can be measured")
    layers = tuple(info.name for info in generator.layers if info.name in dissections)
    run = Run("tightness", {"model": generator.name, "images": len(seeds), "seeds": span(seeds), "layers": list(layers),
                            "units": units, "tolerance": tolerance, "dissections": [dissections[n].run.key for n in layers]},
              {"generator": generator.fingerprint, "segmenter": segmenter.fingerprint}, VERSION)
    return once(store, run, from_saved,
                lambda: _compute(run, generator, segmenter, dissections, layers, seeds, units, tolerance, report, store), report)


def _compute(run: Run, generator: Generator, segmenter: Segmenter, dissections: Mapping[str, Dissection], layers: tuple[str, ...],
             seeds: Sequence[int], units: int, tolerance: int, report: Report, store: Store | None) -> Tightness:
    chosen = {layer: _choose(dissections[layer], units) for layer in layers}
    labels = dissections[layers[0]].labels
    values = np.full((len(layers), len(labels), len(seeds), 2), np.nan)
    source = Source(generator, segmenter, layers)
    for start in range(0, len(seeds), source.batch):
        part = list(seeds[start:start + source.batch])
        acts, images, segs = source.run(part)
        size = (int(images.shape[2]), int(images.shape[3]))
        for n, layer in enumerate(layers):
            up = resampling((int(acts[layer].shape[2]), int(acts[layer].shape[3])), size, "border")
            for c, (which, levels) in chosen[layer].items():
                truth = _truth(segs, labels[c].id, size)
                maps = dense(acts[layer][:, which.tolist()], up).cpu().numpy() > levels[:, None, None]
                values[n, c, start:start + len(part)] = _measure(maps, truth, tolerance)
        report(start + len(part), len(seeds), "outlines")
    found = _summary(run, layers, tuple(label.name for label in labels), values, chosen, dissections)
    if store is not None:
        store.put(run, _arrays(found), labels=list(found.labels), shared=list(found.shared), device=str(generator.device))
    return found


def load(store: Store, model: str) -> Tightness | None:
    """The stored measurement of the model as it is now, or None. No torch."""
    return newest(store, "tightness", model, from_saved)


FIELDS = ("outline", "area", "pictures", "iou", "overall_outline", "overall_area")


def _arrays(found: Tightness) -> dict[str, np.ndarray]:
    return {name: getattr(found, name) for name in FIELDS}


def from_saved(saved: Saved) -> Tightness:
    """A stored measurement. Raises StoreError."""
    try:
        return Tightness(saved.run, tuple(saved.run.params["layers"]), tuple(saved.manifest["labels"]),
                         **{name: saved.arrays[name] for name in FIELDS}, shared=tuple(saved.manifest["shared"]))
    except KeyError as error:
        raise StoreError(f"the stored tightness {saved.run.key[:12]} cannot be read ({error}); run again") from error


def _choose(d: Dissection, k: int) -> Choice:
    """column -> (units, their levels) for the labels some unit stands for."""
    pair = d.at("pair")
    out = {}
    for c in range(1, len(d.labels)):
        order = np.argsort(-pair.iou[:, c], kind="stable")[:k]
        order = order[(pair.iou[order, c] > LEAST_IOU) & (d.pair_iqr[order, c] > 0)]
        if len(order):
            out[c] = (order, d.pair_levels[order, c])
    return out


def _truth(segs: np.ndarray, label: int, size: tuple[int, int]) -> np.ndarray:
    from core.stats.counts import to_grid

    return np.asarray((to_grid(segs, size) == label).any(1))


def _measure(maps: np.ndarray, truth: np.ndarray, tolerance: int) -> np.ndarray:
    """maps bool (N,k,H,W), truth bool (N,H,W) -> (N,2): boundary F and log area ratio, means over the k units; nan where the
    label is (almost) absent."""
    import torch

    masks, label = torch.from_numpy(maps), torch.from_numpy(truth)[:, None]
    f = boundary_f(masks, label, tolerance).mean(1).double().numpy()
    ratio = (masks.sum((2, 3)).double() + 1) / (label.sum((2, 3)) + 1)
    area = ratio.log().mean(1).numpy()
    there = truth.mean((1, 2)) >= LEAST_SHARE
    return np.where(there[:, None], np.stack([f, area], 1), np.nan)


def boundary_f(masks: Tensor, truth: Tensor, tolerance: int) -> Tensor:
    """Boundary F-score (N,k) 0..1 of bool masks (N,k,H,W) against bool truth (N,1,H,W); 0 where one of them has no outline.

    The outline is the region's pixels next to a pixel outside; the picture's own edge is no outline.
    """
    a, b = outline(masks), outline(truth)
    hit_a = (a & _grown(b, tolerance)).sum((2, 3)).double()
    hit_b = (_grown(a, tolerance) & b).sum((2, 3)).double()
    precision = hit_a / a.sum((2, 3)).clamp(min=1)
    recall = hit_b / b.sum((2, 3)).clamp(min=1)
    return 2 * precision * recall / (precision + recall).clamp(min=1e-12)


def outline(region: Tensor) -> Tensor:
    """bool (…,H,W) -> bool: pixels of the region with one of 4 neighbours inside the picture that is not in it."""
    inner = region.clone()
    inner[..., 1:, :] &= region[..., :-1, :]
    inner[..., :-1, :] &= region[..., 1:, :]
    inner[..., 1:] &= region[..., :-1]
    inner[..., :-1] &= region[..., 1:]
    return region & ~inner


def _grown(region: Tensor, by: int) -> Tensor:
    from torch.nn import functional as F

    return F.max_pool2d(region.float(), 2 * by + 1, stride=1, padding=by) > 0


def _summary(run: Run, layers: tuple[str, ...], labels: tuple[str, ...], values: np.ndarray,
             chosen: Mapping[str, Choice], dissections: Mapping[str, Dissection]) -> Tightness:
    count = np.isfinite(values[..., 0]).sum(2)
    shape = (len(layers), len(labels), 3)
    outlines, area, iou = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape[:2], np.nan)
    for n, layer in enumerate(layers):
        for c, (which, _) in chosen[layer].items():
            iou[n, c] = dissections[layer].at("pair").iou[which, c].mean()
            if count[n, c] >= 5:
                outlines[n, c] = interval(values[n, c, :, 0])
                area[n, c] = np.exp(interval(values[n, c, :, 1]))
    usable = np.isfinite(outlines[..., 0])
    shared = np.flatnonzero(usable[usable.any(1)].all(0)) if usable.any() else np.array([], int)
    overall = np.full((2, len(layers), 3), np.nan)
    for n in range(len(layers)):
        if len(shared) and usable[n].any():
            for k in range(2):
                overall[k, n] = interval(values[n, shared, :, k])
    return Tightness(run, layers, labels, outlines, area, count, iou, overall[0], np.exp(overall[1]),
                     tuple(labels[c] for c in shared))


def interval(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """(…,N) values of N pictures (nan = not measured) -> mean and 95 % bootstrap interval (3,), pictures drawn with replacement.

    With several rows (labels), rows count equally and keep their pictures together.
    """
    rows = values.reshape(-1, values.shape[-1])
    pick = np.random.RandomState(seed).randint(rows.shape[1], size=(DRAWS, rows.shape[1]))
    known = np.isfinite(rows)
    sums, counts = np.where(known, rows, 0.0), known.astype(float)
    with np.errstate(invalid="ignore"):
        draws = np.stack([row[pick].sum(1) / count[pick].sum(1) for row, count in zip(sums, counts, strict=True)])
        mean = float((sums.sum(1) / counts.sum(1)).mean())
        low, high = np.nanquantile(draws.mean(0), (0.025, 0.975))
    return np.array([mean, low, high])

"""Concepts without a segmenter: painted by a person on a few pictures, or found by clustering activations.

    painted = [Painted(seed=3, concept="hair", mask=mask), …]              # where the concept is, on a few pictures
    rank(generator, "layer3", painted)["hair"]                             # Ranking: units by IoU with the painted regions
    saved = make_painted(generator, painted, name="faces", store=store)    # a Segmenter for any picture of the model
    saved = make_clusters(generator, "layer3", 8, name="auto", store=store)

A stored one is loaded by name (`core.segment.saved`). It is a pixel classifier that learned from the labelled pictures, so dissection,
causes and paint work with it as with any segmenter; how well it agrees on a picture that it did not see is kept beside it.
"""
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.errors import BadInput, StoreError, UnknownName
from core.jobs import Report, no_report
from core.segment.base import Label
from core.segment.pixels import UNKNOWN, PixelNet, fit, pixel_features, working_size
from core.segment.saved import KIND, saved_name
from core.store import Run, Saved, Store
from core.units import Ranking, ranked
from core.zoo.batch import halving

if TYPE_CHECKING:
    from core.zoo.generator import Generator

MAX_PAINTED, MAX_CONCEPTS, MAX_CLUSTERS = 64, 12, 24
BATCH = 8
FOLDS = 4
LEVEL_SEEDS = range(1_000_000, 1_000_064)


@dataclass(frozen=True)
class Painted:
    """Where a concept is on the picture of a seed: bool (H,W) in image pixels. An all-False mask says that it is not there."""

    seed: int
    concept: str
    mask: np.ndarray


class PixelSegmenter:
    """A Segmenter around a PixelNet: a channel for each concept, or one channel where concepts exclude each other."""

    def __init__(self, net: PixelNet, labels: Sequence[Label], *, name: str, fingerprint: str) -> None:
        self._net, self.labels, self.name, self.fingerprint = net, tuple(labels), name, fingerprint

    @halving
    def __call__(self, images: Tensor) -> Tensor:
        """(N,3,H,W) float -1..1 -> (N,S,h,w) int64."""
        with torch.no_grad():
            p = self._net(images)
        if self._net.exclusive:
            none = 1 - p.sum(1, keepdim=True)
            return torch.cat([none, p], 1).argmax(1, keepdim=True)
        ids = torch.arange(1, p.shape[1] + 1, device=p.device).view(1, -1, 1, 1)
        return torch.where(p > 0.5, ids, 0)

    @halving
    def scores(self, images: Tensor, label: int) -> Tensor:
        """(N,3,H,W) float -1..1 -> (N,h,w), 0..1, differentiable. Raises UnknownName."""
        if not 0 < label < len(self.labels):
            raise UnknownName("label id", label, [str(x.id) for x in self.labels[1:]])
        return self._net(images)[:, label - 1]

    @halving
    def features(self, images: Tensor) -> Tensor:
        """(N,3,H,W) float -1..1 -> (N,D): mean and spread of the pixel features."""
        x = pixel_features(images.to(self._net.mean.device))
        return torch.cat([x.mean((2, 3)), x.std((2, 3))], 1)


# --- painted by a person --------------------------------------------------------------------------------------------------
def check(painted: Sequence[Painted], size: tuple[int, int]) -> tuple[str, ...]:
    """Names of the painted concepts in order of appearance. Raises BadInput with what is wrong or missing."""
    if not painted or len(painted) > MAX_PAINTED:
        raise BadInput(f"1 to {MAX_PAINTED} painted pictures can be used, got {len(painted)}")
    for p in painted:
        if p.mask.shape != size or p.mask.dtype != np.bool_:
            raise BadInput(f"a painted region is bool {size}, got {p.mask.dtype} {p.mask.shape}")
        if not p.concept.strip() or len(p.concept) > 40 or p.concept != p.concept.strip():
            raise BadInput(f"a concept has a name of 1 to 40 letters, got {p.concept[:60]!r}")
    names = tuple(dict.fromkeys(p.concept for p in painted))
    if len(names) > MAX_CONCEPTS:
        raise BadInput(f"at most {MAX_CONCEPTS} concepts can be painted together, got {len(names)}")
    for name in names:
        if not any(p.mask.any() for p in painted if p.concept == name):
            raise BadInput(f"{name!r} is painted nowhere; paint it on at least one picture")
        if all(p.mask.all() for p in painted if p.concept == name):
            raise BadInput(f"{name!r} covers every pixel; leave what is not {name!r} unpainted")
    return names


def iou_with_masks(acts: np.ndarray, levels: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """acts (N,U,h,w) float, levels (U,), masks (N,H,W) bool -> (U,) IoU of {activation > level} with the masks, over all pictures.

    Activations are enlarged to the masks' size bilinearly (half-pixel centres, border clamped), as in dissection. Eq. 1 of Bau et al.
    """
    up = F.interpolate(torch.from_numpy(np.asarray(acts, np.float32)), size=masks.shape[1:], mode="bilinear", align_corners=False)
    above = up.numpy() > np.asarray(levels, np.float32)[None, :, None, None]
    both = (above & masks[:, None]).sum((0, 2, 3))
    either = (above | masks[:, None]).sum((0, 2, 3))
    return np.divide(both, either, out=np.zeros(len(levels)), where=either > 0)


def rank(generator: Generator, layer: str, painted: Sequence[Painted], *, levels: np.ndarray | None = None,
         quantile: float = 0) -> dict[str, Ranking]:
    """Concept -> units of the layer by IoU with the regions painted for it. No classifier: only the painted pictures count.

    levels (U,): thresholds, such as those of a dissection; None = the top `quantile` of 64 other pictures. quantile 0 = the share
    of its pictures that is painted, so that a unit can match a region of any size (IoU ≤ 0.01 / share with the top 1 %).
    """
    names = check(painted, generator.image_size)
    found = {}
    with torch.inference_mode():
        values = np.empty((0, 0), np.float32)
        if levels is None:
            values = torch.cat([generator.head(z, layer).transpose(0, 1).flatten(1)
                                for z in generator.z_for_seeds(LEVEL_SEEDS).split(BATCH)], 1).cpu().numpy()
        for name in names:
            mine = [p for p in painted if p.concept == name]
            masks = np.stack([p.mask for p in mine])
            share = quantile or float(masks.mean())
            mark = np.quantile(values, 1 - share, axis=1) if levels is None else levels
            acts = generator.head(generator.z_for_seeds([p.seed for p in mine]), layer).cpu().numpy()
            settings = {"model": generator.name, "layer": layer, "label": name, "painted": digest(mine),
                        "seeds": [p.seed for p in mine], "share above level": round(share, 6) if levels is None else "given"}
            run = Run("painted", settings, {"generator": generator.fingerprint})
            found[name] = ranked(run, layer, name, iou_with_masks(acts, mark, masks), "iou")
    return found


def make_painted(generator: Generator, painted: Sequence[Painted], *, name: str, store: Store, report: Report = no_report) -> Saved:
    """Learns a segmenter from the painted regions and keeps it.

    How well it agrees with the painter is in the manifest: `agreement`, for each concept, the IoU on painted pictures of
    classifiers that did not see them (up to FOLDS values; none where a concept is on one picture only).
    """
    names = check(painted, generator.image_size)
    run = Run(KIND, {"model": generator.name, "name": _name(name), "how": "painted", "concepts": list(names),
                     "painted": digest(painted), "seeds": sorted({p.seed for p in painted})}, {"generator": generator.fingerprint})
    if (known := _known(store, run)) is not None:
        return known
    seeds = sorted({p.seed for p in painted})
    images, targets = _pictures(generator, seeds), _targets(painted, names, seeds, generator.image_size)
    folds = min(FOLDS, len(seeds)) if len(seeds) > 1 else 0
    steps = 1 + folds
    report(0, steps, "learning")
    net = fit(images, targets, exclusive=False)
    agreement: dict[str, list[float]] = {n: [] for n in names}
    for fold in range(folds):
        report(1 + fold, steps, "checking on pictures not seen")
        left_out = torch.arange(len(seeds)) % folds == fold
        if not bool((targets[~left_out] == 1).any()):
            continue
        found = fit(images[~left_out], targets[~left_out], exclusive=False)(images[left_out]) > 0.5
        for c, n in enumerate(names):
            right = targets[left_out][:, c] == 1
            if bool(right.any()) and bool((targets[~left_out][:, c] == 1).any()):
                agreement[n].append(_iou(found[:, c] & (targets[left_out][:, c] != UNKNOWN), right))
    report(steps, steps)
    return _keep(store, run, net, names, agreement={n: [round(v, 4) for v in values] for n, values in agreement.items()})


def _targets(painted: Sequence[Painted], names: Sequence[str], seeds: Sequence[int], size: tuple[int, int]) -> Tensor:
    """(N,C,h,w): 1 painted, 0 not painted on a picture that was painted for this concept, UNKNOWN on others but where another
    concept was painted."""
    targets = torch.full((len(seeds), len(names), *working_size(*size)), UNKNOWN)
    masks = [(seeds.index(p.seed), names.index(p.concept), _small(p.mask, working_size(*size))) for p in painted]
    for i, c, mask in masks:
        for other in range(len(names)):
            if other != c:
                targets[i, other][mask & (targets[i, other] == UNKNOWN)] = 0
    for i, c, mask in masks:
        targets[i, c] = torch.maximum(targets[i, c].clamp(min=0), mask.long())
    return targets


# --- found by clustering --------------------------------------------------------------------------------------------------
def cluster_maps(generator: Generator, layer: str, k: int, *, seeds: Sequence[int] = range(64), seed: int = 0) -> np.ndarray:
    """Spherical k-means of a layer's activations, a vector a position -> (N,h,w) int, clusters 1 … k, the largest first.

    With `dissect_activations(acts, maps[:, None], labels)` the clusters are dissected exactly; `make_clusters` carries them to
    pictures that were not clustered.
    """
    if not 2 <= k <= MAX_CLUSTERS:
        raise BadInput(f"2 to {MAX_CLUSTERS} clusters can be found, {k} were asked for")
    with torch.inference_mode():
        acts = torch.cat([generator.head(z, layer) for z in generator.z_for_seeds(seeds).split(BATCH)]).float().cpu()
    n, units, h, w = acts.shape
    x = F.normalize(acts.permute(0, 2, 3, 1).reshape(-1, units) - acts.mean((0, 2, 3)), dim=1)
    rng = torch.Generator().manual_seed(seed)
    sample = x[torch.randperm(len(x), generator=rng)[:20_000]]
    centres = sample[:1]
    for _ in range(k - 1):  # k-means++
        far = (1 - (sample @ centres.T).amax(1)).clamp(min=0) + 1e-9
        centres = torch.cat([centres, sample[torch.multinomial(far, 1, generator=rng)]])
    for _ in range(25):
        member = (sample @ centres.T).argmax(1)
        sums = torch.zeros_like(centres).index_add_(0, member, sample)
        centres = torch.where(sums.norm(dim=1, keepdim=True) > 0, F.normalize(sums, dim=1), centres)
    member = (x @ centres.T).argmax(1)
    order = torch.bincount(member, minlength=k).argsort(descending=True)
    place = torch.empty(k, dtype=torch.long)
    place[order] = torch.arange(1, k + 1)
    return place[member].reshape(n, h, w).numpy()


def make_clusters(generator: Generator, layer: str, k: int, *, name: str, store: Store, seeds: Sequence[int] = range(64),
                  report: Report = no_report) -> Saved:
    """A segmenter whose labels are clusters of a layer's activations; on a quarter of the pictures, held out, the share of pixels on
    which it agrees with the clustering is in the manifest (`agreement`)."""
    run = Run(KIND, {"model": generator.name, "name": _name(name), "how": "clusters", "layer": layer, "clusters": k,
                     "seeds": [int(seeds[0]), int(seeds[-1]) + 1]}, {"generator": generator.fingerprint})
    if (known := _known(store, run)) is not None:
        return known
    report(0, 3, "clustering")
    maps = torch.from_numpy(cluster_maps(generator, layer, k, seeds=seeds))
    images = _pictures(generator, list(seeds))
    size = working_size(*generator.image_size)
    targets = F.interpolate(maps[:, None].double(), size=size, mode="nearest-exact")[:, 0].long()
    report(1, 3, "learning")
    held = torch.arange(len(images)) % 4 == 0
    trial = fit(images[~held], targets[~held], exclusive=True)
    agree = (trial(images[held]).argmax(1) + 1 == targets[held]).double().mean().item()
    report(2, 3, "learning")
    net = fit(images, targets, exclusive=True)
    report(3, 3)
    names = tuple(f"cluster {i}" for i in range(1, k + 1))
    return _keep(store, run, net, names, agreement={"all": [round(agree, 4)]})


# --- kept and loaded ------------------------------------------------------------------------------------------------------
def from_saved(saved: Saved, device: str = "auto") -> PixelSegmenter:
    """The segmenter of a stored run. Raises StoreError when it is of another format."""
    from core.zoo.files import pick_device

    try:
        net = PixelNet.from_arrays(saved.arrays)
        names = [str(n) for n in saved.manifest["labels"]]
    except KeyError as error:
        raise StoreError(f"the stored concepts {saved.run.key[:12]} are damaged ({error} is missing); delete them on the Models page") \
            from error
    mark = hashlib.sha256(saved.run.key.encode())
    for key in sorted(saved.arrays):
        mark.update(np.ascontiguousarray(saved.arrays[key]).tobytes())
    return PixelSegmenter(net.to(pick_device(device)), labels_of(names), name=saved_name(str(saved.run.params["name"]), saved.run.key),
                          fingerprint=mark.hexdigest())


def labels_of(names: Sequence[str]) -> tuple[Label, ...]:
    """Concept names -> labels; painted and clustered concepts count as objects."""
    return (Label(0, "no label", "none"), *(Label(i, n, "object") for i, n in enumerate(names, start=1)))


def _keep(store: Store, run: Run, net: PixelNet, names: Sequence[str], agreement: dict[str, list[float]]) -> Saved:
    return store.put(run, net.arrays(), labels=list(names), agreement=agreement)


def _known(store: Store, run: Run) -> Saved | None:
    try:
        return store.get(run.key)
    except StoreError:
        store.set_aside(run.key)
        return None


def _pictures(generator: Generator, seeds: Sequence[int]) -> Tensor:
    with torch.inference_mode():
        made = [generator.span(z, None, None, z).cpu() for z in generator.z_for_seeds(seeds).split(BATCH)]
    return torch.cat(made).float().clone()


def _small(mask: np.ndarray, size: tuple[int, int]) -> Tensor:
    return F.adaptive_avg_pool2d(torch.from_numpy(mask.astype(np.float32))[None], size)[0] >= 0.5


def _iou(a: Tensor, b: Tensor) -> float:
    return float((a & b).sum() / max(1, int((a | b).sum())))


def digest(painted: Sequence[Painted]) -> str:
    """SHA-256 of what was painted where and under which name, whatever the order."""
    total = hashlib.sha256()
    for p in sorted(painted, key=lambda p: (p.seed, p.concept)):
        total.update(f"{p.seed} {p.concept} {p.mask.shape}".encode())
        total.update(np.packbits(p.mask).tobytes())
    return total.hexdigest()


def _name(name: str) -> str:
    if not name or len(name) > 32 or not all(c.isalnum() or c in "._-" for c in name):
        raise BadInput(f"a set of concepts has a name of 1 to 32 letters, digits, '.', '_' or '-', got {name[:60]!r}")
    return name

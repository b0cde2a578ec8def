"""The pictures and places that α is learned from: where the class is, and where it could be put (Bau et al. 2019, §3.2).

Present: of a pool of pictures those with most of the class, each with the cell that holds most of it.
Candidates: of another pool, pictures with a cell where inserting all units at their usual values brings most of the class;
the cells tried are drawn where the class is usual.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.causal.objective import Grid, Places, moved
from core.causal.presets import CANDIDATE_SEEDS, PRESENT_SEEDS, Preset
from core.errors import BadInput
from core.jobs import Report, no_report
from core.segment.base import Segmenter
from core.zoo.generator import Generator, layer_info

BATCH = 4
KEEP_BYTES = 512 * 2**20     # activations of a corpus are kept up to here, and made again from the seeds beyond


@dataclass(frozen=True)
class Chosen:
    """Pictures with one place each: seeds (n,), cells (n,) numbers in the grid."""

    seeds: np.ndarray
    cells: np.ndarray

    def part(self, index: slice) -> Chosen:
        return Chosen(self.seeds[index], self.cells[index])


@dataclass(frozen=True)
class Corpus:
    """What α is learned from. values (U,): mean activation where the class is, which is what is inserted.

    popularity (cells,): how often each cell of the grid holds the class best. usual: the share of the present pictures that the
    class covers.
    """

    grid: Grid
    present: Chosen
    candidates: Chosen
    values: np.ndarray
    popularity: np.ndarray
    usual: float


class Activations:
    """Activations of chosen pictures at a layer, kept where they fit into memory."""

    def __init__(self, generator: Generator, layer: str, chosen: Chosen) -> None:
        self._generator, self._layer, self._chosen = generator, layer, chosen
        info = layer_info(generator, layer)
        fits = 4 * len(chosen.seeds) * info.units * info.size[0] * info.size[1] <= KEEP_BYTES
        self._kept = self._make(np.arange(len(chosen.seeds))) if fits else None

    def places(self, index: np.ndarray) -> Places:
        """The pictures numbered `index` (n,) of the chosen ones."""
        acts = self._kept[torch.from_numpy(index)] if self._kept is not None else self._make(index)
        device = self._generator.device
        return Places(acts, torch.from_numpy(self._chosen.cells[index]).to(device), self._latents(index))

    def _latents(self, index: np.ndarray) -> Tensor:
        return self._generator.z_for_seeds(int(s) for s in self._chosen.seeds[index])

    def _make(self, index: np.ndarray) -> Tensor:
        with torch.no_grad():
            return torch.cat([self._generator.head(z, self._layer) for z in self._latents(index).split(BATCH)])


def grid_for(size: tuple[int, int], cells: int = 8) -> Grid:
    """The grid of places for a layer of this size: its own cells, but at most `cells` a side (0 = no limit)."""
    h, w = size
    return (min(h, cells), min(w, cells)) if cells else (h, w)


def block_for(grid: Grid, block: int) -> int:
    """Side in cells of what is inserted into: `block`, or one cell where that would be more than half of the picture's side."""
    return block if 2 * block <= min(grid) else 1


def presence(segmentation: Tensor, label: int, grid: Grid) -> np.ndarray:
    """(N,S,H,W) label ids -> (N,cells) float64: share of each cell that carries the label in any channel."""
    here = (segmentation == label).any(1).double()
    return torch.nn.functional.adaptive_avg_pool2d(here[:, None], grid).flatten(1).cpu().numpy()


def gather(generator: Generator, segmenter: Segmenter, layer: str, label: int, preset: Preset, *,
           report: Report = no_report) -> Corpus:
    """Searches both pools. Raises BadInput when the class is in too few pictures to learn from."""
    grid = grid_for(layer_info(generator, layer).size, preset.cells)
    total = 2 * preset.pool
    seeds = range(PRESENT_SEEDS, PRESENT_SEEDS + preset.pool)
    shares, values = _survey(generator, segmenter, layer, label, seeds, grid, total, report)
    present, popularity = choose_present(shares, preset.train + preset.evaluate)
    if len(present.seeds) < 8:
        name = segmenter.labels[label].name
        raise BadInput(f"{name!r} is in only {len(present.seeds)} of {preset.pool} pictures; at least 8 are needed to learn from")
    usual = float(shares[present.seeds].mean())
    present = Chosen(present.seeds + PRESENT_SEEDS, present.cells)
    candidates = _search(generator, segmenter, layer, label, torch.from_numpy(values), popularity, preset, grid, report)
    return Corpus(grid, present, candidates, values, popularity, usual)


def choose_present(shares: np.ndarray, keep: int) -> tuple[Chosen, np.ndarray]:
    """(N,cells) shares -> the `keep` pictures with most of the class, in order of number, each with its best cell;

    and how often each cell is a best one, over all pictures that show the class, (cells,).
    """
    mass = shares.sum(1)
    best = shares.argmax(1)
    order = np.argsort(-mass, kind="stable")[:keep]
    index = np.sort(order[mass[order] > 0])
    popularity = np.bincount(best[index], minlength=shares.shape[1])
    return Chosen(index.astype(np.int64), best[index].astype(np.int64)), popularity


def _survey(generator: Generator, segmenter: Segmenter, layer: str, label: int, seeds: Sequence[int], grid: Grid, total: int,
            report: Report) -> tuple[np.ndarray, np.ndarray]:
    """Shares (N,cells) of the label over the pool, and the mean activation (U,) weighted by them."""
    size = layer_info(generator, layer).size
    shares, weighted, weight = [], 0.0, 0.0
    with torch.no_grad():
        for z in generator.z_for_seeds(seeds).split(BATCH):
            acts = generator.head(z, layer)
            segmentation = segmenter(generator.tail(acts, layer, z))
            shares.append(presence(segmentation, label, grid))
            here = shares[-1] if grid == size else presence(segmentation, label, size)
            weighted = weighted + np.einsum("nuk,nk->u", acts.flatten(2).double().cpu().numpy(), here)
            weight += float(here.sum())
            report(sum(map(len, shares)), total, "looking for the class")
    return np.concatenate(shares), np.asarray(weighted / max(weight, 1e-12), np.float32)


def draw_cells(popularity: np.ndarray, locations: int, seed: int) -> np.ndarray:
    """`locations` different cells, likelier where the class is usual; the picture's seed fixes the draw."""
    weight = popularity + popularity.mean() / 10
    return np.random.RandomState(seed).choice(len(weight), min(locations, len(weight)), replace=False, p=weight / weight.sum())


def _search(generator: Generator, segmenter: Segmenter, layer: str, label: int, values: Tensor, popularity: np.ndarray,
            preset: Preset, grid: Grid, report: Report) -> Chosen:
    """Per picture of the second pool the drawn cell that gains most of the class; of these the best pictures.

    The baseline is the clean picture (the published program's still holds the batch before's last insertion), and the gain is
    0 where the class is there already.
    """
    seeds = list(range(CANDIDATE_SEEDS, CANDIDATE_SEEDS + preset.pool))
    values, block = values.to(generator.device), block_for(grid, preset.block)
    every = torch.ones_like(values)
    gains, cells = [], []
    with torch.no_grad():
        for at in range(0, len(seeds), BATCH):
            part = seeds[at:at + BATCH]
            z = generator.z_for_seeds(part)
            acts = generator.head(z, layer)
            before = segmenter(generator.tail(acts, layer, z))
            shares = presence(before, label, grid)
            tried = np.stack([draw_cells(popularity, preset.locations, seed) for seed in part])
            gain = np.zeros(tried.shape)
            for k in range(tried.shape[1]):
                places = Places(acts, torch.from_numpy(tried[:, k]).to(z.device), z)
                after = segmenter(generator.tail(moved(places, every, grid, values, block), layer, z))
                gain[:, k] = (_pixels(after, label) - _pixels(before, label)) * (shares[np.arange(len(part)), tried[:, k]] == 0)
                report(preset.pool + at + len(part) * (k + 1) // tried.shape[1], 2 * preset.pool, "looking for places")
            gains.append(gain.max(1))
            cells.append(tried[np.arange(len(part)), gain.argmax(1)])
    index = np.sort(np.argsort(-np.concatenate(gains), kind="stable")[:preset.train + preset.evaluate])
    return Chosen(index + CANDIDATE_SEEDS, np.concatenate(cells)[index].astype(np.int64))


def _pixels(segmentation: Tensor, label: int) -> np.ndarray:
    return (segmentation == label).any(1).flatten(1).sum(1).cpu().numpy()

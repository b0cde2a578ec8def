"""The pictures and places that α is learned from: where the class is, and where it could be put (Bau et al. 2019, §3.2).

Present: of a pool of pictures those with most of the class, each with the cell that holds most of it.
Candidates: of another pool, pictures with a cell where inserting all units at their usual values brings most of the class;
the cells tried are drawn where the class is usual.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.causal.objective import Grid, Places, moved
from core.causal.pieces import NOWHERE, Arrays, Pieces
from core.causal.presets import CANDIDATE_SEEDS, PRESENT_SEEDS, Preset
from core.errors import BadInput
from core.jobs import Report, no_report
from core.segment.base import Segmenter
from core.zoo.generator import Generator, layer_info

BATCH = 4
PIECE = 500                  # pictures searched between two kept states
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
    """What α is learned from. values (U,): mean activation where the class is, which is what is inserted while looking for places.

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
           report: Report = no_report, pieces: Pieces = NOWHERE) -> Corpus:
    """Searches both pools, in pieces that are kept (see `searched`). Raises BadInput when the class is in too few pictures."""
    grid = grid_for(layer_info(generator, layer).size, preset.cells)
    shares, values = _survey(generator, segmenter, layer, label, preset, grid, report, pieces)
    present, popularity = choose_present(shares, preset.train + preset.evaluate)
    if len(present.seeds) < 8:
        name = segmenter.labels[label].name
        raise BadInput(f"{name!r} is in only {len(present.seeds)} of {preset.pool} pictures; at least 8 are needed to learn from")
    usual = float(shares[present.seeds].mean())
    present = Chosen(present.seeds + PRESENT_SEEDS, present.cells)
    candidates = _search(generator, segmenter, layer, label, torch.from_numpy(values), popularity, preset, grid, report,
                         pieces)
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


def _survey(generator: Generator, segmenter: Segmenter, layer: str, label: int, preset: Preset, grid: Grid, report: Report,
            pieces: Pieces) -> tuple[np.ndarray, np.ndarray]:
    """Shares (N,cells) of the label over the pool, and the mean activation (U,) weighted by them."""
    size = layer_info(generator, layer).size

    def look(at: int, stop: int) -> Arrays:
        shares, weighted, weight = [], 0.0, 0.0
        for z in generator.z_for_seeds(range(PRESENT_SEEDS + at, PRESENT_SEEDS + stop)).split(BATCH):
            acts = generator.head(z, layer)
            segmentation = segmenter(generator.tail(acts, layer, z))
            shares.append(presence(segmentation, label, grid))
            here = shares[-1] if grid == size else presence(segmentation, label, size)
            weighted = weighted + np.einsum("nuk,nk->u", acts.flatten(2).double().cpu().numpy(), here)
            weight += float(here.sum())
            report(at + sum(map(len, shares)), 2 * preset.pool, "looking for the class")
        return {"shares": np.concatenate(shares), "weighted": np.asarray(weighted), "weight": np.asarray(weight)}

    parts = _in_pieces("present", preset.pool, look, pieces)
    weighted, weight = (sum(part[k] for part in parts) for k in ("weighted", "weight"))
    return np.concatenate([part["shares"] for part in parts]), np.asarray(weighted / max(float(weight), 1e-12), np.float32)


def _pieces(kind: str, pool: int) -> list[tuple[int, str]]:
    """First picture and name of each piece of a pool."""
    return [(at, f"{kind}-{at}") for at in range(0, pool, PIECE)]


def searched(pool: int) -> list[str]:
    """Names of the pieces that `gather` keeps, to be dropped when the corpus is."""
    return [name for kind in ("present", "candidates") for _, name in _pieces(kind, pool)]


def _in_pieces(kind: str, pool: int, look: Callable[[int, int], Arrays], pieces: Pieces) -> list[Arrays]:
    """What `look` finds in each PIECE of the pool, (first, after last) picture; a piece that was kept is not looked at again."""
    found = []
    for at, name in _pieces(kind, pool):
        part = pieces.get(name)
        if part is None:
            with torch.no_grad():
                part = pieces.keep(name, look(at, min(at + PIECE, pool)))
        found.append(part)
    return found


def draw_cells(popularity: np.ndarray, locations: int, seed: int) -> np.ndarray:
    """`locations` different cells, likelier where the class is usual; the picture's seed fixes the draw."""
    weight = popularity + popularity.mean() / 10
    return np.random.RandomState(seed).choice(len(weight), min(locations, len(weight)), replace=False, p=weight / weight.sum())


def _search(generator: Generator, segmenter: Segmenter, layer: str, label: int, values: Tensor, popularity: np.ndarray,
            preset: Preset, grid: Grid, report: Report, pieces: Pieces) -> Chosen:
    """Per picture of the second pool the drawn cell that gains most of the class; of these the best pictures.

    The baseline is the clean picture (the published program's still holds the batch before's last insertion), and the gain is
    0 where the class is there already, so nothing is inserted there.
    """
    values, block = values.to(generator.device), block_for(grid, preset.block)
    every = torch.ones_like(values)

    def look(at: int, stop: int) -> Arrays:
        gains, cells = [], []
        for start in range(at, stop, BATCH):
            seeds = range(CANDIDATE_SEEDS + start, CANDIDATE_SEEDS + min(start + BATCH, stop))
            z = generator.z_for_seeds(seeds)
            acts = generator.head(z, layer)
            before = segmenter(generator.tail(acts, layer, z))
            had, shares = _pixels(before, label), presence(before, label, grid)
            tried = np.stack([draw_cells(popularity, preset.locations, seed) for seed in seeds])
            gain = np.zeros(tried.shape)
            free = np.argwhere(np.take_along_axis(shares, tried, 1) == 0)
            for part in (free[k:k + BATCH] for k in range(0, len(free), BATCH)):
                rows = torch.from_numpy(part[:, 0])
                places = Places(acts[rows], torch.from_numpy(tried[tuple(part.T)]).to(z.device), z[rows])
                after = segmenter(generator.tail(moved(places, every, grid, values, block), layer, places.z))
                gain[tuple(part.T)] = _pixels(after, label) - had[part[:, 0]]
                report(preset.pool + start, 2 * preset.pool, "looking for places")
            gains.append(gain.max(1))
            cells.append(tried[np.arange(len(tried)), gain.argmax(1)])
        return {"gains": np.concatenate(gains), "cells": np.concatenate(cells)}

    parts = _in_pieces("candidates", preset.pool, look, pieces)
    gains, cells = (np.concatenate([part[k] for part in parts]) for k in ("gains", "cells"))
    index = np.sort(np.argsort(-gains, kind="stable")[:preset.train + preset.evaluate])
    return Chosen(index + CANDIDATE_SEEDS, cells[index].astype(np.int64))


def _pixels(segmentation: Tensor, label: int) -> np.ndarray:
    return (segmentation == label).any(1).flatten(1).sum(1).cpu().numpy()

"""The ablation–insertion objective: how much of a class comes and goes with units weighted α (Bau et al. 2019, eq. 5–7).

A place is one cell of a small grid over the picture, or a block of cells around it. Where the class is present, units are damped
by α at that place; in other pictures they are moved towards their usual values by α at another place. The score is the soft
presence of the class, averaged over the place. Removal may instead be everywhere in the picture.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypedDict

import torch
from torch import Tensor
from torch.nn import functional as F

from core.zoo.generator import Generator

Score = Callable[[Tensor], Tensor]            # (N,3,H,W) pictures -> (N,h,w) soft presence of the class
Grid = tuple[int, int]
Read = Literal["inserted", "present"]


class Reach(TypedDict, total=False):
    """How far a loss edits and reads, see `loss`."""

    block: int
    usual: float


@dataclass(frozen=True)
class Places:
    """A batch of pictures at a layer, each with one place: acts (N,U,h,w), cells (N,) numbers in the grid, latents (N,z)."""

    acts: Tensor
    cells: Tensor
    z: Tensor

    def __len__(self) -> int:
        return len(self.cells)


def cell_mask(cells: Tensor, grid: Grid, size: tuple[int, int], block: int = 1) -> Tensor:
    """(N,) cell numbers of the grid -> (N,1,h,w) float mask at the layer's size, 1 inside the cell, or the block of cells (an odd

    number a side, cut at the border) around it.
    """
    mask = F.one_hot(cells, grid[0] * grid[1]).float().view(-1, 1, *grid)
    if block > 1:
        mask = F.max_pool2d(mask, block, 1, block // 2)
    return mask if grid == tuple(size) else F.interpolate(mask, size=size, mode="nearest")


def cell_scores(scores: Tensor, cells: Tensor, grid: Grid, block: int = 1) -> Tensor:
    """(N,h,w) score maps -> (N,): mean over each picture's cell, or block of cells."""
    mask = cell_mask(cells, grid, grid, block).to(scores).flatten(1)
    return (F.adaptive_avg_pool2d(scores[:, None], grid).flatten(1) * mask).sum(1) / mask.sum(1)


def moved(places: Places, alpha: Tensor, grid: Grid, values: Tensor | None = None, block: int = 1) -> Tensor:
    """(N,U,h,w) activations moved by α (U,) towards `values` (U,), or towards 0, at each picture's place."""
    size = (places.acts.shape[2], places.acts.shape[3])
    a = alpha.view(1, -1, 1, 1) * cell_mask(places.cells, grid, size, block).to(alpha)
    target = 0 if values is None else values.view(1, -1, 1, 1)
    return places.acts * (1 - a) + target * a


def loss(generator: Generator, score: Score, layer: str, alpha: Tensor, values: Tensor, present: Places,
         candidates: Places, grid: Grid, *, read: Read = "inserted", block: int = 1, usual: float = 0) -> Tensor:
    """Σ presence left after removal − Σ presence after insertion: low when α holds the units that cause the class.

    `read` is where the second term is read: at the cell where it was inserted, or at the first picture's cell as the published
    program does (by mistake). block: side in cells of what is inserted into and read. usual: 0, or the share of these pictures
    that the class covers; then units are damped everywhere, and the first term is what is left over the whole picture ÷ usual.
    """
    damped = present.acts * (1 - alpha.view(1, -1, 1, 1)) if usual else moved(present, alpha, grid)
    acts = torch.cat([damped, moved(candidates, alpha, grid, values, block)])
    z = torch.cat([present.z, candidates.z])
    maps = score(generator.tail(acts, layer, z))
    n = len(present)
    where = candidates.cells if read == "inserted" else present.cells
    left = maps[:n].mean((1, 2)) / usual if usual else cell_scores(maps[:n], present.cells, grid)
    return left.sum() - cell_scores(maps[n:], where, grid, block).sum()


def loss_and_gradient(generator: Generator, score: Score, layer: str, alpha: Tensor, values: Tensor, present: Places,
                      candidates: Places, grid: Grid, *, read: Read = "inserted", block: int = 1,
                      usual: float = 0) -> tuple[float, Tensor]:
    """The objective and its gradient (U,) in α."""
    with torch.enable_grad():
        a = alpha.detach().clone().requires_grad_()
        value = loss(generator, score, layer, a, values, present, candidates, grid, read=read, block=block, usual=usual)
        (gradient,) = torch.autograd.grad(value, a, allow_unused=True)
    return float(value.detach()), torch.zeros_like(a) if gradient is None else gradient

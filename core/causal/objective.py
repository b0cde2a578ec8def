"""The ablation–insertion objective: how much of a class comes and goes with units weighted α (Bau et al. 2019, eq. 5–7).

A place is one cell of a small grid over the picture. Where the class is present, units are damped by α at that place; in other
pictures they are moved towards their usual values by α at another place. The score is the soft presence of the class, averaged
over the place's cell.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from core.zoo.generator import Generator

Score = Callable[[Tensor], Tensor]            # (N,3,H,W) pictures -> (N,h,w) soft presence of the class
Grid = tuple[int, int]
Read = Literal["inserted", "present"]


@dataclass(frozen=True)
class Places:
    """A batch of pictures at a layer, each with one place: acts (N,U,h,w), cells (N,) numbers in the grid, latents (N,z)."""

    acts: Tensor
    cells: Tensor
    z: Tensor

    def __len__(self) -> int:
        return len(self.cells)


def cell_mask(cells: Tensor, grid: Grid, size: tuple[int, int]) -> Tensor:
    """(N,) cell numbers of the grid -> (N,1,h,w) float mask, 1 inside the cell, at the layer's size."""
    mask = F.one_hot(cells, grid[0] * grid[1]).float().view(-1, 1, *grid)
    return mask if grid == tuple(size) else F.interpolate(mask, size=size, mode="nearest")


def cell_scores(scores: Tensor, cells: Tensor, grid: Grid) -> Tensor:
    """(N,h,w) score maps -> (N,): mean over each picture's cell."""
    return F.adaptive_avg_pool2d(scores[:, None], grid).flatten(1).gather(1, cells[:, None])[:, 0]


def moved(places: Places, alpha: Tensor, grid: Grid, values: Tensor | None = None) -> Tensor:
    """(N,U,h,w) activations moved by α (U,) towards `values` (U,), or towards 0, at each picture's place."""
    a = alpha.view(1, -1, 1, 1) * cell_mask(places.cells, grid, (places.acts.shape[2], places.acts.shape[3])).to(alpha)
    target = 0 if values is None else values.view(1, -1, 1, 1)
    return places.acts * (1 - a) + target * a


def loss(generator: Generator, score: Score, layer: str, alpha: Tensor, values: Tensor, present: Places,
         candidates: Places, grid: Grid, *, read: Read = "inserted") -> Tensor:
    """Σ presence left after removal − Σ presence after insertion: low when α holds the units that cause the class.

    `read` is where the second term is read: at the cell where it was inserted, or at the first picture's cell as the published
    program does (by mistake).
    """
    acts = torch.cat([moved(present, alpha, grid), moved(candidates, alpha, grid, values)])
    z = torch.cat([present.z, candidates.z])
    maps = score(generator.tail(acts, layer, z))
    n = len(present)
    where = candidates.cells if read == "inserted" else present.cells
    return cell_scores(maps[:n], present.cells, grid).sum() - cell_scores(maps[n:], where, grid).sum()


def loss_and_gradient(generator: Generator, score: Score, layer: str, alpha: Tensor, values: Tensor, present: Places,
                      candidates: Places, grid: Grid, *, read: Read = "inserted") -> tuple[float, Tensor]:
    """The objective and its gradient (U,) in α."""
    with torch.enable_grad():
        a = alpha.detach().clone().requires_grad_()
        value = loss(generator, score, layer, a, values, present, candidates, grid, read=read)
        (gradient,) = torch.autograd.grad(value, a, allow_unused=True)
    return float(value.detach()), torch.zeros_like(a) if gradient is None else gradient

"""Gradient descent of α in [0,1]^U: one step, written out so that it can be stopped, kept and gone on with."""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.causal.presets import Preset

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
SIDE = 128                      # side of the map whose pixels the "norm" penalty counts the effect in


@dataclass(frozen=True)
class State:
    """Where the descent is: α (U,), Adam's two moments (U,), and the steps done."""

    alpha: Tensor
    first: Tensor
    second: Tensor
    steps: int = 0


def start(alpha: Tensor) -> State:
    """The state before the first step."""
    return State(alpha.clamp(0, 1), torch.zeros_like(alpha), torch.zeros_like(alpha))


def penalty_gradient(alpha: Tensor, preset: Preset) -> Tensor:
    """Gradient (U,) of the penalty on α that is added to one step's summed objective."""
    if preset.penalty == "squares":
        return 2 * preset.weight * preset.samples * alpha
    return preset.weight * alpha / alpha.norm().clamp(min=1e-12)


def scaled(gradient: Tensor, preset: Preset, grid: tuple[int, int]) -> Tensor:
    """The summed gradient of a step in the preset's unit: as it is, or as pixels a picture."""
    if preset.penalty == "squares":
        return gradient
    return gradient / preset.samples * (SIDE * SIDE / (grid[0] * grid[1]))


def step(state: State, gradient: Tensor, preset: Preset) -> State:
    """One update by a whole step's gradient (penalty included), then α clamped to 0..1. Adam: Kingma & Ba 2015, alg. 1."""
    t = state.steps + 1
    if preset.optimiser == "sgd":
        return State((state.alpha - preset.rate * gradient).clamp(0, 1), state.first, state.second, t)
    first = BETA1 * state.first + (1 - BETA1) * gradient
    second = BETA2 * state.second + (1 - BETA2) * gradient.square()
    move = first / (1 - BETA1 ** t) / ((second / (1 - BETA2 ** t)).sqrt() + EPSILON)
    return State((state.alpha - preset.rate * move).clamp(0, 1), first, second, t)

"""A change to some units of one layer, and its application.

    edit = UnitEdit("layer4", (3, 17), value=0.0)                       # ablation of two units, everywhere
    images = render(generator, z, [edit])

One edit is out = x·(1−a) + value·a with a = strength · mask pooled to the layer (Bau et al. 2019, §3.2). Several edits of one
layer are applied in order, each over the one before, which is the "over" rule A = 1−(1−a2)(1−a1) of the original server.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.errors import BadInput
from core.zoo.generator import Generator, layer_info

Pooling = Literal["area", "max"]


@dataclass(frozen=True)
class UnitEdit:
    """Units of `layer` moved towards `value` with `strength` 0..1 inside `mask`.

    value, strength: a number, or (U,) floats, one a unit of `units`. mask: None = everywhere, or bool/float 0..1 in image
    pixels, (H,W) or (N,H,W); it is pooled to the layer's grid by `apply` only, by area (soft edges) or by maximum.
    """

    layer: str
    units: tuple[int, ...]
    value: float | np.ndarray = 0.0
    strength: float | np.ndarray = 1.0
    mask: np.ndarray | None = None
    pooling: Pooling = "area"


def ablation(layer: str, units: Sequence[int]) -> UnitEdit:
    """Units switched off: set to 0 over the whole map."""
    return UnitEdit(layer, tuple(int(u) for u in units))


def pool_mask(mask: np.ndarray, size: tuple[int, int], pooling: Pooling = "area") -> Tensor:
    """(H,W) or (N,H,W), bool or float 0..1 -> (1 or N, 1, h, w) float32 pooled to `size` by mean or maximum."""
    m = torch.from_numpy(np.ascontiguousarray(mask, dtype=np.float32))
    if m.ndim not in (2, 3):
        raise BadInput(f"a mask is (H,W) or (N,H,W), got {tuple(mask.shape)}")
    m = m.reshape(-1, 1, *m.shape[-2:])
    return F.adaptive_avg_pool2d(m, size) if pooling == "area" else F.adaptive_max_pool2d(m, size)


def apply(acts: Tensor, edit: UnitEdit) -> Tensor:
    """(N,U,h,w) activations of the edit's layer -> the same, edited; the input is untouched. Raises BadInput."""
    n_units = acts.shape[1]
    bad = [u for u in edit.units if not 0 <= u < n_units]
    if bad:
        raise BadInput(f"unit {bad[0]} does not exist in {edit.layer}; units are 0 to {n_units - 1}")
    if not edit.units:
        return acts
    index = torch.tensor(edit.units, device=acts.device)
    if len(set(edit.units)) != len(edit.units):
        raise BadInput(f"units {edit.units} name a unit twice")
    value = _per_unit(edit.value, edit, "value").to(acts)
    alpha = _per_unit(edit.strength, edit, "strength").to(acts)
    if bool((alpha < 0).any()) or bool((alpha > 1).any()):
        raise BadInput("strength is a number from 0 to 1")
    if edit.mask is not None:
        pooled = pool_mask(edit.mask, (acts.shape[2], acts.shape[3]), edit.pooling).to(acts)
        if pooled.shape[0] not in (1, acts.shape[0]):
            raise BadInput(f"{pooled.shape[0]} masks for {acts.shape[0]} pictures")
        alpha = alpha * pooled
    out = acts.clone()
    old = acts[:, index]
    out[:, index] = old * (1 - alpha) + value * alpha
    return out


def _per_unit(x: float | np.ndarray, edit: UnitEdit, what: str) -> Tensor:
    t = torch.as_tensor(np.asarray(x, np.float32))
    if t.ndim > 1 or (t.ndim == 1 and len(t) != len(edit.units)):
        raise BadInput(f"{what} must be a number or one number for each of {len(edit.units)} units, got shape {tuple(t.shape)}")
    if not bool(torch.isfinite(t).all()):
        raise BadInput(f"{what} must be finite")
    return t.reshape(1, -1, 1, 1)


def apply_all(generator: Generator, acts: Tensor, layer: str, edits: Sequence[UnitEdit], z: Tensor | None = None) -> Tensor:
    """From (N,U,h,w) activations right after `layer` to (N,3,H,W) pictures with all edits, layer by layer.

    Edits of one layer keep their order. An edit of a layer before `layer` cannot be applied any more: BadInput.
    """
    names = [info.name for info in generator.layers]
    for edit in edits:
        layer_info(generator, edit.layer)
        if names.index(edit.layer) < names.index(layer):
            raise BadInput(f"an edit of {edit.layer} comes too late: the activations given are those of {layer}")
    x, here = acts, layer
    for name in names[names.index(layer):]:
        todo = [e for e in edits if e.layer == name]
        if not todo:
            continue
        if name != here:
            x, here = generator.span(x, here, name, z), name
        for edit in todo:
            x = apply(x, edit)
    return generator.tail(x, here, z)


def render(generator: Generator, z: Tensor, edits: Sequence[UnitEdit] = ()) -> Tensor:
    """(N, z_dim) -> (N,3,H,W) float pictures with the edits applied; no edits = the plain picture. Differentiable."""
    if not edits:
        return generator.span(z, None, None, z)
    names = [info.name for info in generator.layers]
    first = min((layer_info(generator, e.layer).name for e in edits), key=names.index)
    return apply_all(generator, generator.head(z, first), first, edits, z)

"""The images in which each unit is strongest (by the maximum of its raw map), with those maps."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


class TopK:
    """Top k images a unit: exact, highest first, ties to the image seen first.

    seeds (U,K) int64 (−1 = none yet), scores (U,K) float32, maps (U,K,h,w) float16; maps above `limit` are area-pooled to it.
    """

    def __init__(self, units: int, k: int, size: tuple[int, int], limit: tuple[int, int]) -> None:
        self.size = min(size[0], limit[0]), min(size[1], limit[1])
        self.scores = np.full((units, k), -np.inf, np.float32)
        self.seeds = np.full((units, k), -1, np.int64)
        self.maps = np.zeros((units, k, *self.size), np.float16)

    def add(self, acts: Tensor, seeds: np.ndarray) -> None:
        """(N,U,h,w) float32 and the N seeds they belong to."""
        k = self.scores.shape[1]
        peaks = acts.amax((2, 3)).T.cpu().numpy()
        units = np.flatnonzero((peaks > self.scores[:, -1:]).any(1))
        if not len(units):
            return
        scores = np.concatenate([self.scores[units], peaks[units]], 1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        owner = np.concatenate([self.seeds[units], np.broadcast_to(seeds, (len(units), len(seeds)))], 1)
        old = self.maps[units]
        new = self._pooled(acts, units)
        self.scores[units] = np.take_along_axis(scores, order, 1)
        self.seeds[units] = np.take_along_axis(owner, order, 1)
        rows = np.arange(len(units))[:, None]
        kept = old[rows, np.minimum(order, k - 1)]
        fresh = new[rows, np.maximum(order - k, 0)]
        self.maps[units] = np.where((order < k)[:, :, None, None], kept, fresh)

    def _pooled(self, acts: Tensor, units: np.ndarray) -> np.ndarray:
        """(len(units),N,h,w) float16."""
        import torch
        from torch.nn import functional as F

        chosen = acts[:, torch.from_numpy(units).to(acts.device)].transpose(0, 1)
        if tuple(acts.shape[2:]) != self.size:
            chosen = F.adaptive_avg_pool2d(chosen, self.size)
        return chosen.clamp(-65504, 65504).half().cpu().numpy()

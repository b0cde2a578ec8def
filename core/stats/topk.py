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
        self._maps = np.zeros((units, k, *self.size), np.float16)
        self._place = np.broadcast_to(np.arange(k), (units, k)).copy()  # where in _maps the map of each rank lies

    @property
    def maps(self) -> np.ndarray:
        """(U,K,h,w) float16, strongest first."""
        return np.take_along_axis(self._maps, self._place[:, :, None, None], 1)

    def add(self, acts: Tensor, seeds: np.ndarray, peaks: np.ndarray | None = None) -> None:
        """(N,U,h,w) float32 and the N seeds they belong to; peaks (N,U): each map's maximum, where it is known already."""
        k = self.scores.shape[1]
        peaks = (acts.amax((2, 3)).cpu().numpy() if peaks is None else peaks).T
        units = np.flatnonzero((peaks > self.scores[:, -1:]).any(1))
        if not len(units):
            return
        scores = np.concatenate([self.scores[units], peaks[units]], 1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        owner = np.concatenate([self.seeds[units], np.broadcast_to(seeds, (len(units), len(seeds)))], 1)
        self.scores[units] = np.take_along_axis(scores, order, 1)
        self.seeds[units] = np.take_along_axis(owner, order, 1)
        new = order >= k  # they take the places of the last ranks, which fall out
        left = np.minimum((~new).sum(1, keepdims=True) + np.cumsum(new, 1) - 1, k - 1)
        place = np.take_along_axis(self._place[units], np.where(new, left, order), 1)
        self._place[units] = place
        row, rank = np.nonzero(new)
        self._maps[units[row], place[row, rank]] = self._pooled(acts, order[row, rank] - k, units[row])

    def _pooled(self, acts: Tensor, images: np.ndarray, units: np.ndarray) -> np.ndarray:
        """(M,h,w) float16 of M pairs of image and unit."""
        import torch
        from torch.nn import functional as F

        chosen = acts[torch.from_numpy(images).to(acts.device), torch.from_numpy(units).to(acts.device)]
        if tuple(acts.shape[2:]) != self.size:
            chosen = F.adaptive_avg_pool2d(chosen[:, None], self.size)[:, 0]
        return chosen.clamp(-65504, 65504).half().cpu().numpy()

    def restore(self, scores: np.ndarray, seeds: np.ndarray, maps: np.ndarray) -> None:
        """Continues from the three arrays of an earlier one."""
        self.scores[...], self.seeds[...], self._maps[...] = scores, seeds, maps
        self._place[...] = np.arange(scores.shape[1])

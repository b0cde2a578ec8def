"""Quantiles of each unit over a stream of values.

`Tail` keeps the largest values only: any top fraction it was made for comes out exactly, however long the stream.
`Quantiles` answers any fraction: exactly up to `size` values a unit, then within a stated rank error (a KLL-type sketch:
Karnin, Lang, Liberty 2016, with equal buffers). Positions follow numpy's method "hazen", as the reference code does.
"""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from core.errors import BadInput
from core.stats.grid import DENSE_VALUES, Resampling, dense, over_units

if TYPE_CHECKING:
    from torch import Tensor


SPARE = 1.25  # a guess leaves a quarter more values than must be kept


def hazen(values: np.ndarray, q: np.ndarray | float) -> np.ndarray:
    """Quantiles q of the last axis (…,n) -> (…,) or (…,Q), float32. Sorting once for all q; dead units cost nothing more."""
    ordered = np.sort(values, axis=-1)
    at = np.clip(np.asarray(q, np.float64) * ordered.shape[-1] - 0.5, 0, ordered.shape[-1] - 1)
    return _between(ordered, at)


def _between(ordered: np.ndarray, at: np.ndarray) -> np.ndarray:
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, ordered.shape[-1] - 1)
    a, b = ordered[..., low].astype(np.float64), ordered[..., high].astype(np.float64)
    return np.asarray(a + (b - a) * (at - low), np.float32)


class Tail:
    """The largest values of each unit, upsampled: exact quantiles for top fractions up to `fraction` of `count` values.

    count: how many values a unit will see in all (images × grid pixels). Memory: about 1.5 · fraction · count · 4 bytes a unit.
    """

    def __init__(self, units: int, count: int, fraction: float, to: Resampling) -> None:
        self.count, self.to, self.seen = count, to, 0
        self.keep = tail_length(count, fraction)
        capacity = min(count, self.keep + max(self.keep // 2, 4096))
        self._buffer = np.full((units, capacity + 1), -np.inf, np.float32)
        self._fill = np.zeros(units, np.int64)
        self._bound = np.full(units, -np.inf, np.float32)
        self._there: Tensor | None = None

    def add(self, acts: Tensor) -> None:
        """(N,U,h,w) float32."""
        self.seen += acts.shape[0] * self.to.grid[0] * self.to.grid[1]
        if self.seen > self.count:
            raise BadInput(f"a tail made for {self.count} values a unit was given {self.seen}")
        if acts.device.type == "cpu":
            over_units(len(self._fill), lambda a, b: self._push(acts, a, b))
        else:
            for part in acts.split(max(1, DENSE_VALUES // (acts.shape[1] * self.to.grid[0] * self.to.grid[1]))):
                self._add_torch(part)

    def begin(self, acts: Tensor, sample: np.ndarray) -> None:
        """`add` for the first maps of a stream, faster when they are many: an even `sample` (U,n) of their values says from where
        on values can be passed over. Units that it misleads are done again."""
        share = SPARE * self.keep / (len(acts) * self.to.grid[0] * self.to.grid[1])
        if acts.device.type == "cpu" and share < 0.5:
            at = min(int((1 - share) * sample.shape[1]), sample.shape[1] - 1)
            self._bound[...] = np.partition(sample, at, 1)[:, at]
        self.add(acts)
        for unit in np.flatnonzero((self._fill < self.keep) & (self._bound > -np.inf)).tolist():
            self._fill[unit], self._bound[unit] = 0, -np.inf
            self._push(acts, unit, unit + 1)

    def _push(self, acts: Tensor, first: int, last: int) -> None:
        from core import kernels

        kernels.push(acts.contiguous().numpy(), *self.to.taps, first, last, self.keep, self._buffer, self._fill, self._bound)

    def _add_torch(self, acts: Tensor) -> None:
        import torch

        new = dense(acts, self.to).transpose(0, 1).reshape(acts.shape[1], -1)
        if self._there is None and self._fill[0]:
            self._there = torch.from_numpy(self._buffer[:, :self._fill[0]]).to(acts.device)
        both = new if self._there is None else torch.cat([self._there, new], 1)
        self._there = both.topk(min(self.keep, both.shape[1]), dim=1).values

    def _gather(self) -> None:
        if self._there is not None:
            n = self._there.shape[1]
            self._buffer[:, :n] = self._there.cpu().numpy()
            self._fill[:] = n
            self._there = None

    def top(self, fraction: float) -> np.ndarray:
        """(U,) float32: the level that the top `fraction` of the values seen exceeds (quantile 1 − fraction, hazen)."""
        self._gather()
        n = self.seen
        at = float(np.clip((1 - fraction) * n - 0.5, 0, n - 1))
        need = n - math.floor(at)
        if need > self.keep or n == 0:
            raise BadInput(f"a tail of {self.keep} of {n} values cannot answer the top {fraction:.3g}")
        out = np.empty(len(self._fill), np.float32)
        for unit, (row, used) in enumerate(zip(self._buffer, self._fill, strict=True)):
            low, high = used - need, min(used - need + 1, used - 1)
            part = np.partition(row[:used], (low, high))
            a, b = float(part[low]), float(part[high])
            out[unit] = a + (b - a) * (at - math.floor(at))
        return out


    def state(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps."""
        buffer, fill = self._buffer, self._fill
        if self._there is not None:
            buffer = self._there.cpu().numpy()
            fill = np.full_like(fill, buffer.shape[1])
        return {"buffer": buffer[:, :fill.max()], "fill": fill, "bound": self._bound, "seen": np.array(self.seen)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continues from `state()` of a tail made alike."""
        self._buffer[:, :state["buffer"].shape[1]] = state["buffer"]
        self._fill[...], self._bound[...], self.seen = state["fill"], state["bound"], int(state["seen"])


def tail_length(count: int, fraction: float) -> int:
    """How many of `count` values must be kept to read the quantile 1 − fraction."""
    return count - max(0, math.floor((1 - fraction) * count - 0.5))


class Quantiles:
    """Any quantile of each unit over a stream; exact up to `size` values, then rank error ≤ `rank_error()`.

    With the default size the rank error stays below 5e-4 of the stream's length with probability 1 − 1e-9 for every single
    question, whatever the values and however long the stream: each halving of a full buffer errs by at most its weight, with
    a random sign, and Hoeffding's inequality bounds the sum. Memory: size · (1 + log2(n / size)) · 4 bytes a unit.
    """

    def __init__(self, units: int, size: int = 20480, seed: int = 0) -> None:
        if size % 2:
            raise BadInput(f"the size of a quantile buffer is even, got {size}")
        self.units, self.size, self.seen = units, size, 0
        self._levels: list[np.ndarray] = [np.empty((units, 0), np.float32)]
        self._squares, self._tosses = 0.0, 0
        self._coin = np.random.RandomState(seed)

    def add(self, values: np.ndarray) -> None:
        """(U,n) float32, every unit the same number of values."""
        self.seen += values.shape[1]
        for start in range(0, values.shape[1], self.size):
            self._push(0, values[:, start:start + self.size])

    def _push(self, level: int, values: np.ndarray) -> None:
        if level == len(self._levels):
            self._levels.append(np.empty((self.units, 0), np.float32))
        full = np.concatenate([self._levels[level], values], 1)
        if full.shape[1] <= self.size:
            self._levels[level] = full
            return
        cut = full.shape[1] // 2 * 2
        ordered = np.sort(full[:, :cut], 1)
        self._levels[level] = full[:, cut:]
        self._squares += 4.0**level
        self._tosses += 1
        self._push(level + 1, ordered[:, self._coin.randint(2)::2])

    def rank_error(self, failure: float = 1e-9) -> float:
        """Bound on |rank asked − rank answered| / n that holds with probability 1 − failure; 0 while exact."""
        return math.sqrt(2 * self._squares * math.log(2 / failure)) / max(self.seen, 1)

    def quantile(self, q: np.ndarray | float) -> np.ndarray:
        """q in 0..1 (scalar or (Q,)) -> (U,) or (U,Q) float32."""
        q = np.asarray(q, np.float64)
        if len(self._levels) == 1:
            return hazen(self._levels[0], q)
        values = np.concatenate(self._levels, 1)
        weights = np.concatenate([np.full(b.shape[1], 2.0**i) for i, b in enumerate(self._levels)])
        order = np.argsort(values, 1, kind="stable")
        out = np.empty((self.units, q.size), np.float32)
        for u in range(self.units):
            w = weights[order[u]]
            middle = (np.cumsum(w) - w / 2) / w.sum()
            out[u] = np.interp(q.ravel(), middle, values[u][order[u]])
        return out.reshape(self.units, *q.shape)

    def state(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps."""
        return {"values": np.concatenate(self._levels, 1), "sizes": np.array([level.shape[1] for level in self._levels]),
                "seen": np.array(self.seen), "squares": np.array(self._squares), "tosses": np.array(self._tosses)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continues from `state()` of a fresh sketch of the same size and seed."""
        self._levels = np.split(state["values"], np.cumsum(state["sizes"])[:-1], 1)
        self.seen, self._squares = int(state["seen"]), float(state["squares"])
        for _ in range(int(state["tosses"]) - self._tosses):
            self._coin.randint(2)
        self._tosses = int(state["tosses"])

"""A dissection half done, on disk: however a process ends, no batch that it reported is made again.

Two things are kept beside the result's place. The *log* holds every micro-batch as generator and segmenter made it; writing
that costs far less than making it. The *checkpoint* holds what is counted; it is written when the log is full, which then
begins anew, and on a cancel. A run that goes on starts from the checkpoint and counts the log again: the same bits.

A GPU makes batches faster than a disk takes them; there only checkpoints are kept, as often as a small share of the time allows.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from core.dissect.thresholds import Levels
from core.errors import JobCancelled
from core.store import Run, Store

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LOG_BYTES = 2**28  # a log larger than this is folded into a checkpoint
CHECKPOINT_SHARE = 0.02  # of a GPU's time goes into checkpoints


@dataclass(frozen=True)
class Batch:
    """A micro-batch: activations by layer (N,U,h,w) float32, label ids (N,S,h,w), pictures uint8 (N,H,W,3) where wanted."""

    acts: dict[str, Tensor]
    segs: np.ndarray
    pictures: np.ndarray | None


@dataclass(frozen=True)
class _Made:
    """A batch, the seconds that it took, and the arrays of the log that it came from, if it did."""

    batch: Batch
    seconds: float
    kept: dict[str, np.ndarray] | None


class Maker(Protocol):
    """Makes batches: `core.dissect.engine.Source`."""

    device: torch.device

    def run(self, seeds: Sequence[int]) -> tuple[dict[str, Tensor], Tensor, np.ndarray]: ...


@dataclass(frozen=True)
class Kept:
    """A run half done: with `levels`, `done` measuring images are in, and `layers` holds each Measure's state; without,
    `done` level images are in, and it holds each LevelFinder's."""

    done: int
    levels: dict[str, Levels]
    layers: dict[str, dict[str, np.ndarray]]
    album: dict[str, np.ndarray]


class Keeper:
    """Makes batches once and keeps how far a run is. Without a store it only makes them. `seconds`: time spent on the run so
    far, earlier attempts included."""

    def __init__(self, store: Store | None, run: Run, source: Maker) -> None:
        self.run = run
        self._store, self._source = store, source
        self._logs = store is not None and source.device.type == "cpu"
        self._logged = 0
        self._began = self._last = time.monotonic()
        self._pause = 0.0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def kept(self) -> Kept:
        """The checkpoint of an earlier attempt, or an empty beginning."""
        arrays = self._store.get_partial(self.run) if self._store is not None else None
        if arrays is None:
            return Kept(0, {}, {}, {})
        self._began -= float(arrays["seconds"])
        trees: dict[str, dict[str, dict[str, Any]]] = {"levels": {}, "layers": {}, "album": {"": {}}}
        for name, value in arrays.items():
            part, _, rest = name.partition("/")
            if rest:
                layer, _, key = rest.partition("/")
                trees[part].setdefault(layer, {})[key] = value
        levels = {layer: Levels(**fields) for layer, fields in trees["levels"].items()}
        return Kept(int(arrays["done"]), levels, trees["layers"], trees["album"][""])

    def batches(self, todo: Iterable[Sequence[int]], *, pictures: bool = False) -> Generator[Batch]:
        """The batches of these seeds in turn, from the log where they are there.

        On a CPU the next one is made while the caller counts: neither keeps all cores busy alone. A caller that leaves early does
        not wait for it. A GPU has its own queue, and no memory to spare for a second batch.
        """
        if self._source.device.type != "cpu":
            for seeds in todo:
                yield self._taken(seeds, self._made(seeds, pictures))
            return
        worker = ThreadPoolExecutor(1, thread_name_prefix="make")
        try:
            made = ((seeds, worker.submit(self._made, seeds, pictures)) for seeds in todo)
            waiting = next(made, None)
            while waiting is not None:
                seeds, future = waiting
                found = future.result()
                waiting = next(made, None)
                yield self._taken(seeds, found)
        finally:
            worker.shutdown(wait=False, cancel_futures=True)

    def step(self, state: Callable[[], Kept], report: Callable[[], None]) -> None:
        """A batch is counted: writes a checkpoint (`state`) if one is due, then reports; also when the report says to stop."""
        if self._store is None:
            report()
            return
        due = self._logged > LOG_BYTES if self._logs else time.monotonic() - self._last >= self._pause
        if due:
            self._checkpoint(state())
        try:
            report()
        except JobCancelled:
            self._checkpoint(state())
            raise

    def drop(self) -> None:
        """The run is done."""
        if self._store is not None:
            self._store.drop_partial(self.run)

    def _made(self, seeds: Sequence[int], pictures: bool) -> _Made:
        """One batch, from the log or anew; changes nothing here, so it may run beside the caller."""
        import torch

        from core.image import to_u8

        if self._logs:
            assert self._store is not None
            arrays = self._store.get_partial(self.run, str(seeds[0]))
            if arrays is not None and list(arrays["seeds"]) == list(seeds) and pictures <= ("pictures" in arrays):
                acts = {name.removeprefix("acts/"): torch.from_numpy(value) for name, value in arrays.items()
                        if name.startswith("acts/")}
                return _Made(Batch(acts, arrays["segs"], arrays.get("pictures")), float(arrays["seconds"]), arrays)
        start = time.monotonic()
        acts, images, segs = self._source.run(seeds)
        return _Made(Batch(acts, segs, to_u8(images) if pictures else None), time.monotonic() - start, None)

    def _taken(self, seeds: Sequence[int], made: _Made) -> Batch:
        """The batch, which now is in the log, and in the account of it."""
        if not self._logs:
            return made.batch
        arrays = made.kept
        if arrays is None:
            arrays = {"seeds": np.array(seeds, np.int64), "seconds": np.array(made.seconds), "segs": made.batch.segs}
            arrays |= {f"acts/{layer}": value.numpy() for layer, value in made.batch.acts.items()}
            if made.batch.pictures is not None:
                arrays["pictures"] = made.batch.pictures
            assert self._store is not None
            self._store.put_partial(self.run, arrays, str(seeds[0]))
        else:
            self._began -= made.seconds
        self._logged += sum(value.nbytes for value in arrays.values())
        return made.batch

    def _checkpoint(self, state: Kept) -> None:
        assert self._store is not None
        start = time.monotonic()
        arrays: dict[str, np.ndarray] = {"done": np.array(state.done), "seconds": np.array(self.seconds)}
        for layer, level in state.levels.items():
            arrays |= {f"levels/{layer}/{name}": value for name, value in vars(level).items()}
        for layer, part in state.layers.items():
            arrays |= {f"layers/{layer}/{name}": value for name, value in part.items()}
        arrays |= {f"album//{name}": value for name, value in state.album.items()}
        self._store.put_partial(self.run, arrays)
        self._store.drop_partial(self.run, pieces_only=True)
        self._logged = 0
        self._last = time.monotonic()
        self._pause = (self._last - start) / CHECKPOINT_SHARE

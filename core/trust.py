"""Do two segmenters that never saw each other's training pictures see the same in what a generator paints? Label by label."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.dissect import newest, once
from core.dissect.engine import Source, span
from core.errors import BadInput, StoreError
from core.jobs import Report, no_report
from core.stats import scores
from core.stats.counts import to_grid
from core.store import Run, Saved, Store

if TYPE_CHECKING:
    from core.segment import Segmenter
    from core.zoo.generator import Generator

VERSION = 1
LOW = 0.6


@dataclass(frozen=True)
class Trust:
    """labels (C) known to both · iou (C,) between their label maps, nan where neither sees the label · share (2,C) of pixels,
    first segmenter then second."""

    run: Run
    labels: tuple[str, ...]
    iou: np.ndarray
    share: np.ndarray

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Labels on which the two agree less than LOW: what units say about them is to be read with care."""
        return tuple(name for name, value in zip(self.labels, self.iou, strict=True) if value < LOW)


def trust(generator: Generator, first: Segmenter, second: Segmenter, seeds: Sequence[int] = range(1000), *,
          report: Report = no_report, store: Store | None = None) -> Trust:
    """Agreement of two segmenters on generated pictures. Raises BadInput when they share no label, JobCancelled."""
    names = tuple(label.name for label in first.labels[1:] if any(label.name == other.name for other in second.labels[1:]))
    if not names:
        raise BadInput(f"{first.name} and {second.name} have no label in common")
    run = Run("trust", {"model": generator.name, "images": len(seeds), "seeds": span(seeds),
                        "segmenters": [first.name, second.name]},
              {"generator": generator.fingerprint, "segmenter": first.fingerprint, "judge": second.fingerprint}, VERSION)
    return once(store, run, from_saved, lambda: _compare(run, generator, first, second, seeds, names, report, store), report)


def _compare(run: Run, generator: Generator, first: Segmenter, second: Segmenter, seeds: Sequence[int], names: tuple[str, ...],
             report: Report, store: Store | None) -> Trust:
    ids = [{label.name: label.id for label in one.labels} for one in (first, second)]
    both, each, pixels = np.zeros(len(names), np.int64), np.zeros((2, len(names)), np.int64), 0
    source = Source(generator, first, ())
    for start in range(0, len(seeds), source.batch):
        _, images, mine = source.run(list(seeds[start:start + source.batch]))
        theirs = to_grid(second(images).cpu().numpy(), (mine.shape[2], mine.shape[3]))
        for c, name in enumerate(names):
            a, b = (mine == ids[0][name]).any(1), (theirs == ids[1][name]).any(1)
            both[c] += (a & b).sum()
            each[:, c] += a.sum(), b.sum()
        pixels += mine[:, 0].size
        report(start + len(mine), len(seeds), "two segmenters")
    iou = scores.iou(both, each[0], each[1])
    found = Trust(run, names, np.where(each.sum(0) > 0, iou, np.nan), each / max(pixels, 1))
    if store is not None:
        store.put(run, {"iou": found.iou, "share": found.share}, labels=list(names), device=str(generator.device))
    return found


def load(store: Store, model: str) -> Trust | None:
    """The stored agreement for the model as it is now, or None. No torch."""
    return newest(store, "trust", model, from_saved)


def from_saved(saved: Saved) -> Trust:
    """A stored agreement. Raises StoreError."""
    try:
        return Trust(saved.run, tuple(saved.manifest["labels"]), saved.arrays["iou"], saved.arrays["share"])
    except KeyError as error:
        raise StoreError(f"the stored agreement {saved.run.key[:12]} cannot be read ({error}); run again") from error

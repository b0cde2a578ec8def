"""Single-unit effects: every unit of a layer switched off alone, and what becomes of every class. One run serves all classes."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from core.causal.measure import BATCH, grey_change, label_counts
from core.causal.pieces import Arrays, Pieces, cached
from core.causal.presets import SINGLE_SEEDS
from core.causal.stored import Single, labels_as, single_of
from core.jobs import Report, no_report
from core.segment.base import Segmenter
from core.store import Run, Store
from core.zoo.generator import Generator, layer_info

VERSION = 1
PIECE = 8          # pictures a kept part


def single_run(generator: Generator, segmenter: Segmenter, layer: str, seeds: range) -> Run:
    """What the measurement is made from."""
    return Run("single", {"model": generator.name, "layer": layer, "segmenter": segmenter.name, "images": len(seeds),
                          "seeds": [seeds.start, seeds.stop], "labels": labels_as(segmenter.labels)},
               {"generator": generator.fingerprint, "segmenter": segmenter.fingerprint}, VERSION)


def single(generator: Generator, segmenter: Segmenter, layer: str, *, images: int = 64, report: Report = no_report,
           store: Store | None = None) -> Single:
    """Effects of all units of a layer over `images` pictures. Used to choose units, so `segmenter` is the chooser."""
    seeds = range(SINGLE_SEEDS, SINGLE_SEEDS + images)
    units = layer_info(generator, layer).units

    def work(pieces: Pieces) -> tuple[Arrays, list[str]]:
        names, totals = [], None
        for start in range(0, images, PIECE):
            name = f"pictures-{start}"
            part = pieces.get(name)
            if part is None:
                tell = partial(_tell, report, start * units, images * units)
                part = pieces.keep(name, _pictures(generator, segmenter, layer, seeds[start:start + PIECE], tell))
            names.append(name)
            totals = dict(part) if totals is None else {k: totals[k] + part[k] for k in totals}
        assert totals is not None
        return {**totals, "change": totals["change"] / images}, names

    return single_of(cached(single_run(generator, segmenter, layer, seeds), store, work, device=str(generator.device)))


def _tell(report: Report, start: int, total: int, done: int) -> None:
    report(start + done, total, "switching units off one by one")


def _pictures(generator: Generator, segmenter: Segmenter, layer: str, seeds: Sequence[int],
              tell: Callable[[int], None]) -> Arrays:
    """Counts summed over some pictures; change is the sum over pictures."""
    c = len(segmenter.labels)
    before = np.zeros(c, np.int64)
    pixels, done = 0, 0
    after: np.ndarray | None = None
    change: np.ndarray | None = None
    with torch.inference_mode():
        for seed in seeds:
            z = generator.z_for_seeds([seed])
            acts = generator.head(z, layer)
            units = acts.shape[1]
            if after is None or change is None:
                after, change = np.zeros((units, c), np.int64), np.zeros(units)
            plain = generator.tail(acts, layer, z)
            seen = segmenter(plain)
            before += label_counts(seen, c)[0]
            pixels += seen.shape[2] * seen.shape[3]
            for at in range(0, units, BATCH):
                chosen = torch.arange(at, min(at + BATCH, units), device=acts.device)
                edited = acts.repeat(len(chosen), 1, 1, 1)
                edited[torch.arange(len(chosen), device=acts.device), chosen] = 0
                images = generator.tail(edited, layer, z.expand(len(chosen), -1))
                after[at:at + len(chosen)] += label_counts(segmenter(images), c)
                change[at:at + len(chosen)] += grey_change(plain, images).mean((1, 2)).cpu().numpy()
                done += len(chosen)
                tell(done)
    assert after is not None
    assert change is not None
    return {"before": before, "after": after, "change": change, "pixels": np.asarray(pixels)}

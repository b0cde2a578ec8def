"""The door experiment for any class: insert it around every cell of many pictures, and see where the generator lets it appear."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from core.causal.corpus import block_for, grid_for
from core.causal.curves import inserted
from core.causal.measure import BATCH
from core.causal.pieces import Arrays, Pieces, cached
from core.causal.presets import BLOCK, CONTEXT_SEEDS, MARKED
from core.causal.results import Context, context_of
from core.causal.stored import label_id, labels_as
from core.jobs import Report, no_report
from core.segment.base import Segmenter
from core.store import Run, Store
from core.units import Ranking
from core.zoo.generator import Generator, layer_info

VERSION = 2


def context_run(generator: Generator, scorer: Segmenter, ranking: Ranking, units: Sequence[int], values: np.ndarray,
                images: int, block: int = 1) -> Run:
    """What the table is made from."""
    return Run("context", {
        "model": generator.name, "layer": ranking.layer, "label": ranking.label, "scorer": scorer.name, "units": list(units),
        "ranking": ranking.run.key, "order": ranking.kind, "images": images, "seeds": [CONTEXT_SEEDS, CONTEXT_SEEDS + images],
        "grid": list(grid_for(layer_info(generator, ranking.layer).size)), "block": block,
        "inserted_values": [round(float(values[u]), 5) for u in units], "labels": labels_as(scorer.labels)},
        {"generator": generator.fingerprint, "segmenter": scorer.fingerprint}, VERSION)


def context(generator: Generator, scorer: Segmenter, ranking: Ranking, values: np.ndarray, *, n: int = MARKED, images: int = 24,
            block: int = BLOCK, report: Report = no_report, store: Store | None = None) -> Context:
    """Inserts the top n units at values (U,) into the block of `block` × `block` cells around each cell of `images` pictures.

    One cell at a time. What was at the cell's middle and what is gained in the picture is read by the scorer. Cells are the
    layer's, or 8 × 8 of them for finer layers.
    """
    layer, units = ranking.layer, ranking.top(n)
    label, grid = label_id(scorer.labels, ranking.label), grid_for(layer_info(generator, ranking.layer).size)
    block = block_for(grid, block)
    run = context_run(generator, scorer, ranking, units, values, images, block)
    cells = grid[0] * grid[1]

    def work(pieces: Pieces) -> tuple[Arrays, list[str]]:
        device = generator.device
        chosen = torch.tensor([units], device=device)
        levels = torch.from_numpy(np.array(values, np.float32)).to(device)
        seeds = range(CONTEXT_SEEDS, CONTEXT_SEEDS + images)

        def look(k: int, seed: int) -> Arrays:
            z = generator.z_for_seeds([seed])
            acts = generator.head(z, layer)
            seen = scorer(generator.tail(acts, layer, z))
            had, row = int((seen == label).any(1).sum()), []
            for at in range(0, cells, BATCH):
                where = torch.arange(at, min(at + BATCH, cells), device=device)
                edited = inserted(acts, chosen.expand(len(where), -1), levels, where, grid, block)
                after = scorer(generator.tail(edited, layer, z.expand(len(where), -1)))
                row.append(((after == label).any(1).flatten(1).sum(1) - had).cpu().numpy())
                report(k * cells + at + len(where), images * cells, f"picture {k + 1} of {images}")
            return {"gain": np.concatenate(row) / (seen.shape[2] * seen.shape[3]), "before": _middles(seen[0], grid)}

        names, parts = [f"picture-{seed}" for seed in seeds], []
        with torch.inference_mode():
            for k, (seed, name) in enumerate(zip(seeds, names, strict=True)):
                part = pieces.get(name)
                parts.append(pieces.keep(name, look(k, seed)) if part is None else part)
        gain, before = (np.stack([part[k] for part in parts]) for k in ("gain", "before"))
        return {"gain": gain.astype(np.float32), "before": before, "seeds": np.asarray(seeds)}, names

    return context_of(cached(run, store, work, device=str(generator.device)))


def _middles(segmentation: torch.Tensor, grid: tuple[int, int]) -> np.ndarray:
    """(S,h,w) label ids -> (cells,S) int16: what is at the middle of each cell."""
    h, w = segmentation.shape[1:]
    y = [int((k + 0.5) * h / grid[0]) for k in range(grid[0])]
    x = [int((k + 0.5) * w / grid[1]) for k in range(grid[1])]
    return segmentation[:, y][:, :, x].flatten(1).T.to(torch.int16).cpu().numpy()

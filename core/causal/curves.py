"""Removal and insertion curves: how much of a class is left, or gained, with the top n units of several orders, and at random."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.causal.corpus import block_for, draw_cells, grid_for, presence
from core.causal.measure import BATCH, grey_change, label_counts, switched_off
from core.causal.objective import Grid, cell_mask
from core.causal.pieces import Arrays, Pieces, cached
from core.causal.presets import BLOCK, COUNTS, CURVE_SEEDS, MARKED
from core.causal.results import Curves, curves_of, strip
from core.causal.stored import label_id, labels_as
from core.errors import BadInput
from core.image import to_u8
from core.jobs import Report, no_report
from core.segment.base import Segmenter
from core.store import Run, Store
from core.units import Ranking
from core.zoo.generator import Generator, layer_info

VERSION = 2
SHARE = 0.005          # of the picture: a class this large counts as shown
SHOWN = 8              # pictures in the before/after rows
LEAST = 4


def curves_run(generator: Generator, scorer: Segmenter, rankings: Sequence[Ranking], values: np.ndarray, *, images: int,
               draws: int, random_images: int, counts: Sequence[int], block: int = 1) -> Run:
    """What the curves are made from."""
    first = rankings[0]
    longest = max(counts)
    return Run("curves", {
        "model": generator.name, "layer": first.layer, "label": first.label, "scorer": scorer.name,
        "choosers": sorted({str(r.run.params.get("segmenter", "")) for r in rankings}), "orders": [r.kind for r in rankings],
        "units": {r.kind: list(r.top(longest)) for r in rankings}, "rankings": {r.kind: r.run.key for r in rankings},
        "counts": list(counts), "images": images, "draws": draws, "random_images": random_images, "first_seed": CURVE_SEEDS,
        "block": block,
        "inserted_values": [round(float(v), 5) for v in values], "labels": labels_as(scorer.labels)},
        {"generator": generator.fingerprint, "segmenter": scorer.fingerprint}, VERSION)


def curves(generator: Generator, scorer: Segmenter, rankings: Sequence[Ranking], values: np.ndarray, *, images: int = 32,
           draws: int = 10, random_images: int | None = None, counts: Sequence[int] = COUNTS, block: int = BLOCK,
           report: Report = no_report, store: Store | None = None) -> Curves:
    """Curves of several rankings of one layer and label, and of random orders.

    values (U,): what insertion sets units to, the same for all orders (q99 of a dissection: what brushes draw with). Removal is
    over the first `images` pictures in which the scorer sees the class; insertion into a block of `block` × `block` cells of each
    of the first `images` pictures of the same range, drawn where the class is usual and not there yet. `random_images` of them
    serve each random draw (default all). The scorer should not be what chose the units. Raises BadInput when the class is too rare.
    """
    if not rankings or len({(r.layer, r.label) for r in rankings}) != 1:
        raise BadInput("curves need one or more rankings of one layer and one label")
    layer, name = rankings[0].layer, rankings[0].label
    total_units = layer_info(generator, layer).units
    counts = tuple(n for n in counts if n <= total_units)
    few = min(images, random_images or images)
    grid = grid_for(layer_info(generator, layer).size)
    block = block_for(grid, block)
    run = curves_run(generator, scorer, rankings, values, images=images, draws=draws, random_images=few, counts=counts,
                     block=block)

    def work(pieces: Pieces) -> tuple[Arrays, list[str]]:
        bench = _Bench(generator, scorer, layer, label_id(scorer.labels, name), grid, block,
                       torch.from_numpy(np.array(values, np.float32)).to(generator.device), counts)
        whole = 2 * len(counts) * (len(rankings) * images + draws * few)
        seen = bench.look(images, lambda d: report(0, whole, f"looking for {name}: {d} pictures"))
        names, parts = [], []
        orders: list[tuple[str, np.ndarray, int]] = [(r.kind, r.order, images) for r in rankings]
        orders += [(f"random-{d}", np.random.RandomState(d).permutation(total_units), few) for d in range(draws)]
        done = 0
        for title, order, n in orders:
            names.append(f"order-{title}")
            part = pieces.get(names[-1])
            if part is None:
                part = pieces.keep(names[-1], bench.order(order, seen, n, report, done, whole, f"{title} order"))
            parts.append(part)
            done += 2 * len(counts) * n
        own, random = parts[:len(rankings)], parts[len(rankings):]
        arrays = {**seen.arrays(), **{k: np.stack([p[k] for p in own]) for k in ("removed", "inserted", "inside", "outside")},
                  **{f"random_{k}": np.stack([p[k] for p in random]) for k in ("removed", "inserted")},
                  **bench.rows(rankings[0].order, seen)}
        return arrays, names

    return curves_of(cached(run, store, work, device=str(generator.device)))


@dataclass(frozen=True)
class _Seen:
    """Pictures found to work on, and their counts before."""

    seeds: np.ndarray
    before: np.ndarray
    insert_seeds: np.ndarray
    insert_cells: np.ndarray
    insert_before: np.ndarray
    pixels: int
    scanned: int

    def arrays(self) -> dict[str, np.ndarray]:
        return {k: np.asarray(v) for k, v in vars(self).items()}


@dataclass(frozen=True)
class _Bench:
    generator: Generator
    scorer: Segmenter
    layer: str
    label: int
    grid: Grid
    block: int
    values: Tensor
    counts: tuple[int, ...]

    @torch.inference_mode()
    def look(self, images: int, tell: Callable[[int], None]) -> _Seen:
        """Goes through seeds until `images` pictures show the class, and at least through `images` of them."""
        c = len(self.scorer.labels)
        counted: list[np.ndarray] = []
        shares: list[np.ndarray] = []
        pixels = 1
        limit = max(64, 40 * images)
        while len(counted) * BATCH < limit:
            start = CURVE_SEEDS + len(counted) * BATCH
            z = self.generator.z_for_seeds(range(start, start + BATCH))
            seen = self.scorer(self.generator.span(z, None, None, z))
            pixels = seen.shape[2] * seen.shape[3]
            counted.append(label_counts(seen, c))
            shares.append(presence(seen, self.label, self.grid))
            tell(len(counted) * BATCH)
            shown = sum(int((x[:, self.label] >= SHARE * pixels).sum()) for x in counted)
            if shown >= images and len(counted) * BATCH >= max(images, 64):
                break
        before, share = np.concatenate(counted), np.concatenate(shares)
        index = np.flatnonzero(before[:, self.label] >= SHARE * pixels)[:images]
        if len(index) < LEAST:
            raise BadInput(f"{self.scorer.labels[self.label].name!r} is seen in {len(index)} of {len(before)} pictures; "
                           f"at least {LEAST} are needed for a curve")
        usual = share.mean(0)
        near = F.max_pool2d(torch.from_numpy(share).view(-1, 1, *self.grid), self.block, 1, self.block // 2).flatten(1).numpy()
        cells = np.array([self._free_cell(usual, near[i], CURVE_SEEDS + i) for i in range(images)], np.int64)
        anywhere = np.arange(images)
        return _Seen(CURVE_SEEDS + index, before[index], CURVE_SEEDS + anywhere, cells, before[anywhere], pixels, len(before))

    @staticmethod
    def _free_cell(usual: np.ndarray, share: np.ndarray, seed: int) -> int:
        """A cell likelier where the class is usual; of those the first one around which it is not there yet."""
        tried = draw_cells(usual, len(usual), seed) if usual.any() else np.random.RandomState(seed).permutation(len(usual))
        return int(min(tried, key=lambda k: share[k]))      # the first of the least

    @torch.inference_mode()
    def order(self, order: np.ndarray, seen: _Seen, n: int, report: Report, done: int, whole: int, note: str) -> Arrays:
        """Counts (N,S,C) with the first units of an order off and inserted, and changes (N,S) in grey levels, for n pictures."""
        units = self._prefixes(order)
        removed, inserted, inside, outside = [], [], [], []
        for k, seed in enumerate(seen.seeds[:n].tolist()):
            z = self.generator.z_for_seeds([seed])
            acts = self.generator.head(z, self.layer)
            plain = self.generator.tail(acts, self.layer, z)
            off = switched_off(acts.expand(len(units), -1, -1, -1), units)
            images = self.generator.tail(off, self.layer, z.expand(len(units), -1))
            removed.append(label_counts(self.scorer(images), len(self.scorer.labels)))
            here = (self.scorer(plain) == self.label).any(1, keepdim=True).float()
            here = F.interpolate(here, size=images.shape[2:], mode="nearest")[:, 0]
            change = grey_change(plain, images)
            inside.append(((change * here).sum((1, 2)) / here.sum().clamp(min=1)).cpu().numpy())
            outside.append(((change * (1 - here)).sum((1, 2)) / (1 - here).sum().clamp(min=1)).cpu().numpy())
            report(done + len(units) * (k + 1), whole, f"removing, {note}")
        done += len(units) * n
        for k, seed in enumerate(seen.insert_seeds[:n].tolist()):
            images = self._inserted(seed, int(seen.insert_cells[k]), units)
            inserted.append(label_counts(self.scorer(images), len(self.scorer.labels)))
            report(done + len(units) * (k + 1), whole, f"inserting, {note}")
        small = {"removed": np.stack(removed, 1).astype(np.int32), "inserted": np.stack(inserted, 1).astype(np.int32)}
        return {**small, "inside": np.stack(inside, 1).astype(np.float32), "outside": np.stack(outside, 1).astype(np.float32)}

    @torch.inference_mode()
    def rows(self, order: np.ndarray, seen: _Seen) -> dict[str, np.ndarray]:
        """Before/after pictures of the first seeds with the first 20 units of an order off, or inserted."""
        most = max((i for i, n in enumerate(self.counts) if n <= MARKED), default=0)
        units = self._prefixes(order)[most:most + 1]
        before, removed, insert_before, inserted = [], [], [], []
        for seed in seen.seeds[:SHOWN].tolist():
            z = self.generator.z_for_seeds([seed])
            acts = self.generator.head(z, self.layer)
            before.append(to_u8(self.generator.tail(acts, self.layer, z))[0])
            removed.append(to_u8(self.generator.tail(switched_off(acts, units), self.layer, z))[0])
        for seed, cell in zip(seen.insert_seeds[:SHOWN].tolist(), seen.insert_cells.tolist(), strict=False):
            z = self.generator.z_for_seeds([seed])
            insert_before.append(to_u8(self.generator.span(z, None, None, z))[0])
            inserted.append(to_u8(self._inserted(seed, cell, units))[0])
        rows = {"before": before, "removed": removed, "insert_before": insert_before, "inserted": inserted}
        return {f"row_{k}": strip(v) for k, v in rows.items()}

    def _prefixes(self, order: np.ndarray) -> Tensor:
        """(N, longest) unit numbers: the first n of the order, -1 after them."""
        table = np.full((len(self.counts), max(self.counts)), -1, np.int64)
        for row, n in zip(table, self.counts, strict=True):
            row[:n] = order[:n]
        return torch.from_numpy(table).to(self.generator.device)

    def _inserted(self, seed: int, cell: int, units: Tensor) -> Tensor:
        """(N,3,H,W): units (N,k) set to their values inside the block around one cell of the seed's picture."""
        z = self.generator.z_for_seeds([seed])
        acts = self.generator.head(z, self.layer)
        return self.generator.tail(inserted(acts, units, self.values, torch.tensor([cell], device=acts.device), self.grid,
                                            self.block), self.layer, z.expand(len(units), -1))


def inserted(acts: Tensor, units: Tensor, values: Tensor, cells: Tensor, grid: Grid, block: int = 1) -> Tensor:
    """(1 or N,U,h,w) -> (N,U,h,w) activations with the units (N,k; -1 = none) at their values inside the cells (1 or N), or the

    blocks around them.
    """
    chosen = 1 - switched_off(torch.ones(len(units), acts.shape[1], 1, 1, device=acts.device), units)
    a = chosen * cell_mask(cells, grid, (acts.shape[2], acts.shape[3]), block).to(acts)
    return acts * (1 - a) + values.view(1, -1, 1, 1) * a

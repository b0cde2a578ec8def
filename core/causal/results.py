"""Records of removal and insertion curves and of the context table, read and drawn without torch."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from core.causal.presets import MARKED, PRESETS
from core.causal.stored import ace_ranking, label_id, labels_of, newest, stored
from core.errors import StoreError, UnknownName
from core.image import decode, encode
from core.segment import Label
from core.store import Run, Saved, Store
from core.units import Ranking

Mode = Literal["remove", "insert"]
RESAMPLES = 1000
RANDOM = "random"


@dataclass(frozen=True)
class Band:
    """A curve with its uncertainty: mean, lo and hi, each (N,)."""

    mean: np.ndarray
    lo: np.ndarray
    hi: np.ndarray


@dataclass(frozen=True)
class SideEffect:
    """One label under an edit: its share of the pictures before, and what became of it (1 = as before)."""

    label: Label
    share: float
    left: float


@dataclass(frozen=True)
class Curves:
    """Removal and insertion of the top n units in several orders, all at strength 1, scored by `scorer`.

    counts (N,) numbers of units; orders: names, their units (30 first) in `units`. Removal: seeds (S,), before (S,C) pixels of
    each label, removed (O,N,S,C); random_removed (D,N,R,C) over the first R seeds. inside, outside (O,N,S): mean absolute change
    in grey levels within and outside the region where the scorer saw the class. Insertion into one block of cells a picture: insert_seeds,
    insert_cells (S,) at its middle, insert_before (S,C), inserted (O,N,S,C), random_inserted (D,N,R,C). pixels: of one label map.
    rows: before/after pictures at 20 units, K side by side, as JPEG: "before", "removed", "insert_before", "inserted".
    """

    run: Run
    layer: str
    label: Label
    labels: tuple[Label, ...]
    counts: tuple[int, ...]
    orders: tuple[str, ...]
    units: Mapping[str, tuple[int, ...]]
    seeds: np.ndarray
    before: np.ndarray
    removed: np.ndarray
    random_removed: np.ndarray
    inside: np.ndarray
    outside: np.ndarray
    insert_seeds: np.ndarray
    insert_cells: np.ndarray
    insert_before: np.ndarray
    inserted: np.ndarray
    random_inserted: np.ndarray
    pixels: int
    scanned: int
    rows: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def one_segmenter(self) -> bool:
        """Whether the scorer is the network that chose the units (a model with only one segmenter)."""
        return self.run.params["scorer"] in self.run.params["choosers"]

    def area_left(self, order: str) -> Band:
        """Class area after removal ÷ before, (N,). Band: 95 % over pictures by bootstrap; for "random" 95 % over draws."""
        c = self.label.id
        if order == RANDOM:
            r = self.random_removed.shape[2]
            return _over_draws(self.random_removed[..., c].sum(2) / max(self.before[:r, c].sum(), 1))
        after, before = self.removed[self._order(order), :, :, c], self.before[:, c]
        pick = _resamples(len(before))
        ratios = after[:, pick].sum(2) / np.maximum(before[pick].sum(1), 1)
        return Band(after.sum(1) / max(before.sum(), 1), *np.percentile(ratios, (2.5, 97.5), axis=1))

    def gain(self, order: str) -> Band:
        """Class area added by insertion into one block of cells, as a share of the picture, (N,). Bands as for area_left."""
        c = self.label.id
        if order == RANDOM:
            r = self.random_inserted.shape[2]
            return _over_draws((self.random_inserted[..., c] - self.insert_before[:r, c]).mean(2) / self.pixels)
        gain = (self.inserted[self._order(order), :, :, c] - self.insert_before[:, c]) / self.pixels
        means = gain[:, _resamples(gain.shape[1])].mean(2)
        return Band(gain.mean(1), *np.percentile(means, (2.5, 97.5), axis=1))

    @property
    def block(self) -> int:
        """Side in cells of what was inserted into."""
        return int(self.run.params.get("block", 1))

    @property
    def where(self) -> str:
        """What was inserted into, in words."""
        return place(self.block)

    @property
    def marked(self) -> int:
        """20 units, or the most measured in a layer that has fewer."""
        return max(n for n in self.counts if n <= MARKED)

    def side_effects(self, order: str, n: int = 0) -> list[SideEffect]:
        """What else changed when n units (0 = `marked`) are off: every label with at least 0.1 % of the pictures, most changed first."""
        after = self.removed[self._order(order), self._count(n)].sum(0)
        before = self.before.sum(0)
        total = self.pixels * len(self.seeds)
        found = [SideEffect(x, before[x.id] / total, after[x.id] / before[x.id]) for x in self.labels[1:]
                 if before[x.id] >= 0.001 * total]
        return sorted(found, key=lambda e: -abs(e.left - 1))

    def change(self, order: str, n: int = 0) -> tuple[float, float]:
        """Mean absolute change of the picture in grey levels (inside, outside) the class's region; n units (0 = `marked`) off."""
        o, k = self._order(order), self._count(n)
        return float(np.nanmean(self.inside[o, k])), float(np.nanmean(self.outside[o, k]))

    def pictures(self, row: str) -> list[np.ndarray]:
        """The kept pictures of a row, uint8 (H,W,3) each; [] where there are none."""
        if row not in self.rows:
            return []
        strip = decode(self.rows[row].tobytes())
        return [strip[:, x:x + strip.shape[0]] for x in range(0, strip.shape[1], strip.shape[0])]

    def table(self) -> list[dict[str, object]]:
        """One row an order, mode and n: order, mode, n, area_left, gain, lo, hi. lo and hi belong to area_left when units are

        removed and to gain when they are inserted.
        """
        rows: list[dict[str, object]] = []
        for order in (*self.orders, RANDOM):
            left, gain = self.area_left(order), self.gain(order)
            removed, inserted = self._totals(order)
            for k, n in enumerate(self.counts):
                rows.append({"order": order, "mode": "remove", "n": n, "area_left": left.mean[k], "gain": removed[k],
                             "lo": left.lo[k], "hi": left.hi[k]})
            for k, n in enumerate(self.counts):
                rows.append({"order": order, "mode": "insert", "n": n, "area_left": inserted[k], "gain": gain.mean[k],
                             "lo": gain.lo[k], "hi": gain.hi[k]})
        return rows

    def _totals(self, order: str) -> tuple[np.ndarray, np.ndarray]:
        """Added share of the picture by removal (negative), and area after ÷ before by insertion, (N,) each."""
        c = self.label.id
        if order == RANDOM:
            removed, inserted = self.random_removed[..., c].mean(0), self.random_inserted[..., c].mean(0)
        else:
            removed, inserted = self.removed[self._order(order), :, :, c], self.inserted[self._order(order), :, :, c]
        before, insert_before = self.before[:removed.shape[1], c], self.insert_before[:inserted.shape[1], c]
        return (removed - before).mean(1) / self.pixels, inserted.sum(1) / max(insert_before.sum(), 1)

    def _order(self, order: str) -> int:
        if order not in self.orders:
            raise UnknownName("order", order, (*self.orders, RANDOM))
        return self.orders.index(order)

    def _count(self, n: int) -> int:
        n = n or self.marked
        if n not in self.counts:
            raise UnknownName("number of units", n, map(str, self.counts))
        return self.counts.index(n)


@dataclass(frozen=True)
class Place:
    """Insertion where one label was before: cells, pictures they are of, mean gain (share of the picture), its 95 % band."""

    label: Label
    cells: int
    pictures: int
    gain: float
    lo: float
    hi: float


@dataclass(frozen=True)
class Context:
    """A class inserted around every cell of many pictures, one cell at a time.

    gain (S,G): class pixels added ÷ pixels of the picture; before (S,G,D) label ids at the cell's middle in the picture as it
    was, D label channels; seeds (S,); grid (gh, gw) with G = gh·gw; units: what was inserted.
    """

    run: Run
    layer: str
    label: Label
    labels: tuple[Label, ...]
    units: tuple[int, ...]
    grid: tuple[int, int]
    seeds: np.ndarray
    gain: np.ndarray
    before: np.ndarray

    @property
    def where(self) -> str:
        """What was inserted into, in words."""
        return place(int(self.run.params.get("block", 1)))

    def table(self, min_cells: int = 8) -> list[Place]:
        """One row a label that was at `min_cells` cells or more, highest gain first. Bands: bootstrap over pictures."""
        pick = _resamples(len(self.seeds))
        rows = []
        for label in self.labels[1:]:
            here = (self.before == label.id).any(2)
            if here.sum() < min_cells:
                continue
            sums, cells = np.where(here, self.gain, 0).sum(1), here.sum(1)
            drawn = cells[pick].sum(1)
            means = sums[pick].sum(1)[drawn > 0] / drawn[drawn > 0]
            lo, hi = np.percentile(means, (2.5, 97.5))
            gain = float(sums.sum() / cells.sum())
            rows.append(Place(label, int(here.sum()), int(here.any(1).sum()), gain, float(lo), float(hi)))
        return sorted(rows, key=lambda r: -r.gain)

    def map(self) -> np.ndarray:
        """(gh, gw) mean gain by place in the picture."""
        return np.asarray(self.gain.mean(0).reshape(self.grid))


def place(block: int) -> str:
    """A block of cells in words."""
    return "one cell" if block == 1 else f"{block} × {block} cells"


def load_curves(store: Store, model: str, layer: str, label: str, *, fingerprint: str | None = None) -> Curves | None:
    """The newest stored curves, or None. No torch."""
    saved = newest(store, "curves", model, fingerprint=fingerprint, layer=layer, label=label)
    return curves_of(saved) if saved else None


def by_preset(store: Store, model: str, layer: str, label: str, *, fingerprint: str | None = None) -> dict[str, tuple[Ranking, Curves]]:
    """For every preset with tested results the newest curves and the causal ranking they are of, in the order of PRESETS. No torch."""
    found: dict[str, tuple[Ranking, Curves]] = {}
    for saved in stored(store, "curves", model, fingerprint=fingerprint, layer=layer, label=label):
        key = saved.run.params["rankings"].get("ace")
        try:
            learned = store.get(key) if key else None
        except StoreError:
            continue
        if learned is not None:
            found.setdefault(str(learned.run.params["preset"]), (ace_ranking(learned), curves_of(saved)))
    return {name: found[name] for name in PRESETS if name in found}


@dataclass(frozen=True)
class Agreement:
    """Two presets on one class: rank correlation of their α, units that are among the first `n` of both, area left by each's."""

    presets: tuple[str, str]
    correlation: float
    n: int
    shared: int
    left: tuple[float, float]


def agreements(measured: Mapping[str, tuple[Ranking, Curves]]) -> list[Agreement]:
    """Every preset against the first one."""
    names = list(measured)
    out = []
    for name in names[1:]:
        (a, first), (b, second) = measured[names[0]], measured[name]
        n = min(first.marked, second.marked)
        left = [float(c.area_left("ace").mean[c.counts.index(n)]) for c in (first, second)]
        out.append(Agreement((names[0], name), rank_correlation(a.score, b.score), n, len({*a.top(n)} & {*b.top(n)}),
                             (left[0], left[1])))
    return out


def load_context(store: Store, model: str, layer: str, label: str, *, ranking: str = "",
                 fingerprint: str | None = None) -> Context | None:
    """The newest stored context table, of the ranking with this key where given, or None. No torch."""
    saved = newest(store, "context", model, fingerprint=fingerprint, layer=layer, label=label, **({"ranking": ranking} if ranking else {}))
    return context_of(saved) if saved else None


def curves_of(saved: Saved) -> Curves:
    """A stored run as a record."""
    p, a = saved.run.params, saved.arrays
    labels = labels_of(p["labels"])
    plain = ("seeds", "before", "removed", "random_removed", "inside", "outside", "insert_seeds", "insert_cells", "insert_before",
             "inserted", "random_inserted")
    return Curves(saved.run, p["layer"], labels[label_id(labels, p["label"])], labels, tuple(p["counts"]), tuple(p["orders"]),
                  {k: tuple(v) for k, v in p["units"].items()}, pixels=int(a["pixels"]), scanned=int(a["scanned"]),
                  rows={k.removeprefix("row_"): v for k, v in a.items() if k.startswith("row_")}, **{k: a[k] for k in plain})


def context_of(saved: Saved) -> Context:
    """A stored run as a record."""
    p, a = saved.run.params, saved.arrays
    labels = labels_of(p["labels"])
    return Context(saved.run, p["layer"], labels[label_id(labels, p["label"])], labels, tuple(p["units"]),
                   (p["grid"][0], p["grid"][1]), a["seeds"], a["gain"], a["before"])


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation of (U,) and (U,); equal values share their mean rank; nan when one side is all equal."""
    ranks = []
    for x in (a, b):
        lower = (x[None] < x[:, None]).sum(1)
        ranks.append(lower + ((x[None] == x[:, None]).sum(1) - 1) / 2)
    if min(r.std() for r in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def strip(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Square pictures (H,H,3) -> (bytes,) uint8: a JPEG of all side by side."""
    return np.frombuffer(encode(np.concatenate(list(pictures), axis=1), "JPEG", quality=93), np.uint8)


def _resamples(n: int) -> np.ndarray:
    """(R,n) numbers of n pictures drawn with replacement; the same every time."""
    return np.random.RandomState(0).randint(0, n, (RESAMPLES, n))


def _over_draws(values: np.ndarray) -> Band:
    """(D,N) -> mean over draws and the middle 95 % of them."""
    return Band(values.mean(0), *np.percentile(values, (2.5, 97.5), axis=0))

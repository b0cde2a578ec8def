"""Known holes: holes cut into intact pictures, filled by every method, and compared with what was there.

    result = measure(Plan(methods=("telea", "patchmatch")), store=Store(), report=report)
    summary(result, "hole_ssim")            # {method: Interval(median, low, high, n)}
    wins(result, "texture")                 # how often one method beats another on the same hole
    result.worst("telea")                   # its five worst: pictures truth | hole | fill

Intact pictures are the photos inside scikit-image and world scenes no network has seen. The hole is zeroed before a method sees
it, and nothing is grown or feathered: what was there is the only judge. Intervals are bootstrapped over pictures, not over
holes. Time is taken on every third hole: the median of three runs after a warm-up. Imports no torch.
"""
from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from PIL import Image

from core import inpaint, metrics
from core.image import encode
from core.inpaint import fill_hole, holes, samples
from core.jobs import Report, no_report
from core.scenes import WORLD_VERSION, paint_scene
from core.stopwatch import machine
from core.store import Run, Store

KIND, VERSION = "benchmark", 3
PHOTOS = ("rocket", "coffee", "astronaut", "motorcycle", "chelsea", "hubble", "camera", "grass")
SCENE_SEEDS = range(20_000, 20_500)
BINS = ((0.01, 0.05), (0.05, 0.15), (0.15, 0.40))
METRICS = ("hole_psnr", "hole_ssim", "hole_mae", "gmsd", "texture", "seam", "collateral", "seconds", "cpu")
WORST, THUMB = 5, 160
RUNS = 3
RESAMPLES = 1000


@dataclass(frozen=True)
class Plan:
    """What is measured: methods, side of the square pictures, number of world scenes, holes of each kind and size a picture."""

    methods: tuple[str, ...]
    size: int = 256
    scenes: int = 8
    repeats: int = 1
    photos: tuple[str, ...] = PHOTOS

    def run(self) -> Run:
        """The run of this plan."""
        params = {"methods": list(self.methods), "size": self.size, "scenes": self.scenes, "repeats": self.repeats,
                  "photos": list(self.photos), "metrics": list(METRICS), "bins": [list(b) for b in BINS],
                  "kinds": list(holes.KINDS)}
        return Run(KIND, params, {"world": str(WORLD_VERSION)}, VERSION)

    @property
    def pictures(self) -> tuple[str, ...]:
        """Names of the intact pictures: photos by name, scenes as "scene 20000"."""
        return (*self.photos, *(f"scene {s}" for s in SCENE_SEEDS[: self.scenes]))

    @property
    def cases(self) -> list[Known]:
        """All holes, in a fixed order."""
        return [Known(picture, p, kind, b, repeat) for p, picture in enumerate(self.pictures) for kind in holes.KINDS
                for b in range(len(BINS)) for repeat in range(self.repeats)]


@dataclass(frozen=True)
class Known:
    """One hole: its picture (name and number), kind, size bin and number."""

    picture: str
    number: int
    kind: str
    bin: int
    repeat: int

    @property
    def timed(self) -> bool:
        """Whether methods are timed on it: one in three, of every kind, size and picture."""
        return (self.number + list(holes.KINDS).index(self.kind) + self.bin + self.repeat) % 3 == 0

    def mask(self, shape: tuple[int, int]) -> np.ndarray:
        """bool (H,W); the same every time."""
        rng = np.random.default_rng([20, self.number, list(holes.KINDS).index(self.kind), self.bin, self.repeat])
        share = float(rng.uniform(*BINS[self.bin]))
        if self.kind == "object":
            return holes.object_shape(shape, share, rng, objects(self.picture, shape))
        return holes.KINDS[self.kind](shape, share, rng)


@dataclass(frozen=True)
class Interval:
    """A median with its 95 % bootstrap interval, over n holes."""

    median: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Benchmark:
    """Scores (M methods, K metrics, N holes) float64, nan = no meaning; and JPEG strips of each method's worst holes."""

    plan: Plan
    run: Run
    scores: np.ndarray
    thumbs: np.ndarray
    thumb_ends: np.ndarray
    worst_cases: np.ndarray
    machine: str = ""
    created: str = ""

    @cached_property
    def cases(self) -> list[Known]:
        """The holes, in the order of `scores`."""
        return self.plan.cases

    def values(self, method: str, metric: str) -> np.ndarray:
        """(N,) scores of one method."""
        return np.asarray(self.scores[self.plan.methods.index(method), METRICS.index(metric)])

    def chosen(self, *, kind: str = "", bin: int = -1, source: str = "") -> np.ndarray:
        """bool (N,): holes of a kind, of a size bin, in "photos" or "scenes"; "" and -1 = all."""
        return np.array([(not kind or c.kind == kind) and (bin < 0 or c.bin == bin)
                         and (not source or c.picture.startswith("scene ") == (source == "scenes")) for c in self.cases])

    def worst(self, method: str) -> list[tuple[Known, np.ndarray]]:
        """The method's worst holes, worst first: the hole, and a picture (H,3·H,3) of truth, hole and fill side by side."""
        m = self.plan.methods.index(method)
        ends = [0, *self.thumb_ends.tolist()]
        out = []
        for i, case in enumerate(self.worst_cases[m].tolist()):
            at = m * self.worst_cases.shape[1] + i
            data = self.thumbs[ends[at]: ends[at + 1]].tobytes()
            out.append((self.cases[case], np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))))
        return out


def default_methods() -> tuple[str, ...]:
    """Every method that can run here."""
    return tuple(inpaint.names())


def picture(name: str, size: int) -> np.ndarray:
    """An intact picture by name: a photo's middle square, or a world scene; uint8 (size,size,3)."""
    if name.startswith("scene "):
        made = paint_scene(int(name.removeprefix("scene ")), min(size, 256)).image
        return made if made.shape[0] == size else np.asarray(cv2.resize(made, (size, size), interpolation=cv2.INTER_CUBIC))
    image = samples.load(name)
    side = min(image.shape[:2])
    top, left = ((n - side) // 2 for n in image.shape[:2])
    square = image[top: top + side, left: left + side]
    how = cv2.INTER_AREA if side >= size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (size, size), interpolation=how))


def objects(name: str, shape: tuple[int, int]) -> np.ndarray | None:
    """The object labels (H,W) of an intact picture: known of world scenes, None of photos."""
    if not name.startswith("scene "):
        return None
    labels = paint_scene(int(name.removeprefix("scene ")), min(max(shape), 256)).labels[0]
    return np.asarray(cv2.resize(labels.astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST))


def measure(plan: Plan, *, store: Store | None = None, report: Report = no_report) -> Benchmark:
    """Fills every hole with every method; answers from the store where this plan is kept. Raises UnknownName, MissingPackage."""
    found = _stored(store, plan.run().key) if store is not None else None
    if found is not None:
        return found
    for name in plan.methods:
        inpaint.get(name)
    started, cases = time.perf_counter(), plan.cases
    scores = np.full((len(plan.methods), len(METRICS), len(cases)), np.nan)
    truth, drawn = np.empty(0), ""
    for n, case in enumerate(cases):
        report(n, len(cases), case.picture)
        if case.picture != drawn:
            truth, drawn = picture(case.picture, plan.size), case.picture
        mask = case.mask((plan.size, plan.size))
        for m, name in enumerate(plan.methods):
            scores[m, :, n] = _scored(name, truth, mask, timed=case.timed)
    worst = _worst(scores)
    strips = [_strip(plan, cases[n], name) for name, row in zip(plan.methods, worst, strict=True) for n in row]
    thumbs = np.frombuffer(b"".join(strips), np.uint8)
    ends = np.cumsum([len(s) for s in strips])
    report(len(cases), len(cases))
    arrays = {"scores": scores, "thumbs": thumbs, "thumb_ends": ends, "worst_cases": worst}
    if store is not None:
        store.put(plan.run(), arrays, seconds=time.perf_counter() - started, machine=machine())
    return Benchmark(plan, plan.run(), scores, thumbs, ends, worst, machine())


def load(store: Store) -> Benchmark | None:
    """The stored benchmark with most holes (newest of equals), or None."""
    entries = [e for e in store.list(KIND) if not e.problem]
    if not entries:
        return None
    best = max(entries, key=lambda e: len(_plan(e.manifest["run"]["params"]).cases))
    return _stored(store, best.key)


def _stored(store: Store, key: str) -> Benchmark | None:
    saved = store.get(key)
    if saved is None:
        return None
    a = saved.arrays
    return Benchmark(_plan(saved.run.params), saved.run, a["scores"], a["thumbs"], a["thumb_ends"], a["worst_cases"],
                     str(saved.manifest.get("machine", "")), str(saved.manifest.get("created", "")))


def _plan(params: Any) -> Plan:
    return Plan(tuple(params["methods"]), int(params["size"]), int(params["scenes"]), int(params["repeats"]),
                tuple(params["photos"]))


def _scored(name: str, truth: np.ndarray, mask: np.ndarray, *, timed: bool) -> list[float]:
    filled = fill_hole(inpaint.get(name), truth, mask, grow=0, feather=0, runs=RUNS if timed else 1)
    case = metrics.Case(truth, filled.image, mask, truth, filled.seen, filled.raw, filled.seen_hole)
    times = {"seconds": filled.seconds, "cpu": filled.cpu} if timed else {}
    found = {**metrics.score(case), **times}
    return [found.get(k, np.nan) for k in METRICS]


def _worst(scores: np.ndarray) -> np.ndarray:
    """(M, 5) numbers of the holes where a method is furthest behind the best one, by mean absolute error."""
    mae = scores[:, METRICS.index("hole_mae")]
    behind = mae - mae.min(axis=0)
    return np.argsort(-behind, axis=1, kind="stable")[:, :WORST]


def fills(plan: Plan, case: Known, names: Sequence[str]) -> list[np.ndarray]:
    """The hole's picture with the hole grey, then the fills of the named methods, made anew: uint8 (size,size,3) each."""
    truth, mask = picture(case.picture, plan.size), case.mask((plan.size, plan.size))
    made = [fill_hole(inpaint.get(name), truth, mask, grow=0, feather=0).image for name in names]
    return [np.where(mask[..., None], np.uint8(128), truth), *made]


def _strip(plan: Plan, case: Known, name: str) -> bytes:
    """JPEG of truth | hole | fill."""
    parts = [cv2.resize(p, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
             for p in (picture(case.picture, plan.size), *fills(plan, case, [name]))]
    return encode(np.hstack(parts), "JPEG", quality=85)


# --- reading it -------------------------------------------------------------------------------------------------------------
def goodness(metric: str, values: np.ndarray) -> np.ndarray:
    """Scores turned so that higher is better: -|log x| for ratios that should be 1 (0 as 1/1000), -x for errors and times."""
    better = metrics.REGISTRY[metric].better if metric in metrics.REGISTRY else "lower"
    if better == "higher":
        return values
    if better == "one":
        return -np.abs(np.log(np.maximum(values, 1e-3)))
    return -values


def _drawn(pictures: int) -> np.ndarray:
    """(R, P) picture numbers drawn with replacement, the same every time."""
    return np.random.default_rng(0).integers(pictures, size=(RESAMPLES, pictures))


def _median(values: np.ndarray) -> np.ndarray:
    """Median over the last axis, nan left out (nan where nothing is left)."""
    ordered = np.sort(values, axis=-1)
    n = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    low, high = (np.take_along_axis(ordered, np.maximum(i, 0), axis=-1) for i in ((n - 1) // 2, n // 2))
    return np.where(n[..., 0] > 0, (low + high)[..., 0] / 2, np.nan)


def summary(benchmark: Benchmark, metric: str, *, kind: str = "", bin: int = -1, source: str = "") -> dict[str, Interval]:
    """Median and interval of a metric for every method, over the chosen holes. Infinite and meaningless scores are left out;
    a method that has no others is missing."""
    where = np.flatnonzero(benchmark.chosen(kind=kind, bin=bin, source=source))
    if not len(where):
        return {}
    values = np.stack([benchmark.values(m, metric)[where] for m in benchmark.plan.methods])
    values = np.where(np.isfinite(values), values, np.nan)
    of_picture = values.reshape(len(values), -1, _per_picture(benchmark, where))
    draws = of_picture[:, _drawn(of_picture.shape[1])].reshape(len(values), RESAMPLES, -1)
    medians = _median(draws)
    out = {}
    for m, name in enumerate(benchmark.plan.methods):
        kept = medians[m][np.isfinite(medians[m])]
        if len(kept):
            low, high = np.percentile(kept, [2.5, 97.5])
            out[name] = Interval(float(_median(values[m])), float(low), float(high), int(np.isfinite(values[m]).sum()))
    return out


def _per_picture(benchmark: Benchmark, where: np.ndarray) -> int:
    """How many of the chosen holes each picture has: the same for all, since every picture gets the same holes."""
    numbers = np.array([benchmark.cases[i].number for i in where])
    return int((numbers == numbers[0]).sum())


@dataclass(frozen=True)
class Wins:
    """share (M,M): how often the method of the row beats that of the column on the same hole (a tie is half); low, high: 95 %."""

    methods: tuple[str, ...]
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: int = field(default=0)

    def sure(self) -> np.ndarray:
        """bool (M,M): where the interval excludes one half."""
        return np.asarray((self.low > 0.5) | (self.high < 0.5))


def wins(benchmark: Benchmark, metric: str, *, kind: str = "", bin: int = -1, source: str = "") -> Wins:
    """Pairwise wins by one metric over the chosen holes; holes where any method has no score are left out."""
    methods = benchmark.plan.methods
    good = goodness(metric, np.stack([benchmark.values(m, metric) for m in methods]))
    where = benchmark.chosen(kind=kind, bin=bin, source=source) & ~np.isnan(good).any(axis=0)
    if not where.any():
        blank = np.full((len(methods), len(methods)), np.nan)
        return Wins(methods, blank, blank, blank)
    duel = np.where(good[:, None] > good[None], 1.0, np.where(good[:, None] == good[None], 0.5, 0.0))
    numbers = np.array([c.number for c in benchmark.cases])[where]
    pictures = np.unique(numbers)
    won = np.stack([duel[:, :, where][:, :, numbers == p].sum(axis=2) for p in pictures], axis=-1)
    count = np.array([(numbers == p).sum() for p in pictures])
    draws = _drawn(len(pictures))
    shares = won[:, :, draws].sum(axis=-1) / count[draws].sum(axis=-1)
    low, high = np.percentile(shares, [2.5, 97.5], axis=-1)
    return Wins(methods, duel[:, :, where].mean(axis=2), low, high, int(where.sum()))


def order(benchmark: Benchmark, metric: str, **chosen: Any) -> list[str]:
    """Methods from best to worst by their median."""
    medians = summary(benchmark, metric, **chosen)
    return sorted(medians, key=lambda m: -float(goodness(metric, np.array([medians[m].median]))[0]))


def telling(benchmark: Benchmark, fog: str, other: str) -> int | None:
    """The hole on which SSIM prefers `fog` most to `other`, although the texture of `other` is within a quarter of the truth's.

    Its number; None when there is no such hole.
    """
    texture, fogs = benchmark.values(other, "texture"), benchmark.values(fog, "texture")
    gap = benchmark.values(fog, "hole_ssim") - benchmark.values(other, "hole_ssim")
    gap = np.where((np.abs(texture - 1) < 0.25) & (fogs < 0.25) & (gap > 0), gap, -1.0)
    return int(np.argmax(gap)) if gap.max(initial=-1.0) > 0 else None


def as_rows(benchmark: Benchmark, shown: Sequence[str] = METRICS, **chosen: Any) -> list[dict[str, Any]]:
    """One row a method: its name, for each metric `metric`, `metric low`, `metric high`; `n`: the most holes of any metric."""
    tables = {k: summary(benchmark, k, **chosen) for k in shown}
    rows = []
    for name in benchmark.plan.methods:
        row: dict[str, Any] = {"method": name}
        for k, table in tables.items():
            if name in table:
                row |= {k: table[name].median, f"{k} low": table[name].low, f"{k} high": table[name].high,
                        "n": max(row.get("n", 0), table[name].n)}
        rows.append(row)
    return rows


def as_text(benchmark: Benchmark) -> str:
    """The table for a terminal: medians with intervals by size of hole, then duels and orders by SSIM and by texture."""
    shown = ("hole_psnr", "hole_ssim", "hole_mae", "gmsd", "texture", "seam", "cpu")
    lines = [f"{len(benchmark.cases)} holes in {len(benchmark.plan.pictures)} pictures of {benchmark.plan.size} px; median "
             f"[95 % over pictures]; time: median of {RUNS} runs after a warm-up, on every third hole; {benchmark.machine}", ""]
    for bin, (low, high) in [(-1, (0.01, 0.40)), *enumerate(BINS)]:
        lines.append(f"holes of {low:.0%} to {high:.0%} of the picture")
        lines.append(f"{'':<15}" + "".join(f"  {k:>20}" for k in shown))
        tables = {k: summary(benchmark, k, bin=bin) for k in shown}
        for name in benchmark.plan.methods:
            cells = [_cell(tables[k].get(name)) for k in shown]
            lines.append(f"{name:<15}" + "".join(f"  {c:>20}" for c in cells))
        lines.append("")
    for metric in ("hole_ssim", "texture"):
        won = wins(benchmark, metric)
        lines.append(f"duels by {metrics.REGISTRY[metric].title}: how often the row beats the column on one of {won.n} holes "
                     "(* the 95 % interval excludes one half)")
        lines.append(" " * 15 + "".join(f"{name:>15}" for name in won.methods))
        for name, shares, sure in zip(won.methods, won.share, won.sure(), strict=True):
            lines.append(f"{name:<15}" + "".join(f"{'–' if name == other else f'{s:.0%}' + '*' * bool(t):>15}" for other, s, t
                                                in zip(won.methods, shares, sure, strict=True)))
        lines.append("")
    lines.append("best to worst by SSIM:    " + ", ".join(order(benchmark, "hole_ssim")))
    lines.append("best to worst by texture: " + ", ".join(order(benchmark, "texture")))
    return "\n".join(lines)


def _cell(found: Interval | None) -> str:
    return "–" if found is None else f"{found.median:.3g} [{found.low:.3g}, {found.high:.3g}]"

"""Everything that ships derived from the bundled weights: `make bundled`. Runs of older weights are removed first.

Each part is stored under `core/zoo/bundled/runs` as it is finished, so a run that is cut off goes on where it stopped.
"""
from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from core.errors import UnknownName
from core.jobs import Report
from core.store import BUNDLED_RUNS, Store

log = logging.getLogger(__name__)
MODEL = "scenes"
IMAGES = 1000


def _dissect(store: Store, report: Report) -> None:
    from core import dissect, segment, zoo

    names = [info.name for info in zoo.card(MODEL).layers]
    chooser = segment.load(zoo.card(MODEL).segmenters[0])
    dissect.dissect(zoo.load(MODEL), chooser, names, range(IMAGES), store=store, report=report)


def _checks(store: Store, report: Report) -> None:
    from core.checks import checks

    checks(store, MODEL, images=IMAGES, report=report)


def _causes(store: Store, report: Report) -> None:
    from core.causal.study import bundle

    bundle(store, model=MODEL, report=report)


def _artifacts(store: Store, report: Report) -> None:
    from core.artifacts.examine import bundle

    bundle(store, model=MODEL, report=report)


def _encoder(store: Store, report: Report) -> None:
    from core import segment, zoo
    from core.invert import load_encoder
    from core.invert.quality import bundle

    judge = segment.load(zoo.card(MODEL).segmenters[-1])
    bundle(store, zoo.load(MODEL), load_encoder(MODEL), judge, report=report)


def _benchmark(store: Store, report: Report) -> None:
    from core import benchmark

    benchmark.measure(benchmark.Plan(benchmark.default_methods()), store=store, report=report)


def _compare(store: Store, report: Report) -> None:
    from core import compare, removals

    compare.bundle(store, model=MODEL, report=report)
    removals.bundle(store, model=MODEL, report=report)


PARTS: dict[str, Callable[[Store, Report], None]] = {
    "dissect": _dissect, "benchmark": _benchmark, "encoder": _encoder, "artifacts": _artifacts, "causes": _causes, "compare": _compare,
    "checks": _checks}


def remove_stale(store: Store) -> list[str]:
    """Deletes shipped runs of other weights or another world, damaged ones, and what cut-off runs left behind. Returns their names."""
    from core import segment, zoo
    from core.invert.start import encoder_path
    from core.scenes import WORLD_VERSION
    from core.zoo.weights import sha256_of

    now = {zoo.fingerprint(MODEL), str(WORLD_VERSION), *(segment.load(name).fingerprint for name in zoo.card(MODEL).segmenters)}
    if encoder_path(MODEL).is_file():
        now.add(sha256_of(encoder_path(MODEL)))
    gone = []
    for entry in store.list():
        if entry.problem or not set(entry.manifest["run"]["inputs"].values()) <= now:
            store.set_aside(entry.key)
            gone.append(f"{entry.kind}/{entry.key[:12]}")
    for leftover in [*store.root.glob("*/*.lock"), *store.root.glob("*/.part-*")]:
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    return gone


def bundle(parts: Sequence[str] = (), root: Path = BUNDLED_RUNS) -> None:
    """Computes what is missing of the named parts (all of them by default). Raises UnknownName."""
    store = Store(root, shipped=())
    for name in parts:
        if name not in PARTS:
            raise UnknownName("part", name, PARTS)
    for name in remove_stale(store):
        log.info("removed %s", name)
    for name in parts or PARTS:
        began, told = time.monotonic(), [0.0]

        def report(done: int, total: int, note: str = "", name: str = name, told: list[float] = told) -> None:
            if time.monotonic() - told[0] > 20:
                told[0] = time.monotonic()
                log.info("%s: %d of %d %s", name, done, total, note)

        PARTS[name](store, report)
        log.info("%s: done in %.0f s", name, time.monotonic() - began)
    for leftover in store.root.glob("*/*.lock"):
        leftover.unlink()

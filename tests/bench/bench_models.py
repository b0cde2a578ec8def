"""Opening a model ÷ reading its file (at most 1.5), and what a full-size published model costs here.

    python tests/bench/bench_models.py load          # each family: zoo.load ÷ reading the file, both from the disk
    python tests/bench/bench_models.py full          # 256 px, full width: time a picture, dissecting, painting, memory
    python tests/bench/bench_models.py light         # bundled model, one thread: picture and edit ÷ their convolutions alone
    python tests/bench/bench_models.py pages         # … and every page of the dashboard, drawn with it in this process

Weights are random (not in `light`): their values change nothing here. Opening and reading are timed in turn, from the disk (the file is
dropped from the page cache before each) and from memory; the best of ROUNDS. The lower ratio is judged: on a busy machine either may be
disturbed.
"""
from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ["GAN_DISSECTION_CACHE"] = tempfile.mkdtemp(prefix="bench-models-")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

from core import zoo  # noqa: E402
from core.zoo import own  # noqa: E402
from core.zoo.proggan import ProgGANNet  # noqa: E402
from core.zoo.published import SIZES_256  # noqa: E402

if TYPE_CHECKING:
    from core.segment.concepts import PixelSegmenter
    from core.zoo.generator import Generator

LIMIT = 1.5
ROUNDS = 15


def seconds(work: Callable[[], object], cold: Path | None = None) -> float:
    if cold is not None:
        with cold.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def files() -> dict[str, Path]:
    """A file of each family, in the models folder: the published 256-px Progressive GAN's keys and shapes, the tutorial's DCGAN."""
    torch.manual_seed(0)
    folder = own.add_folder()
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: torch.randn_like(v) * 0.5 for k, v in ProgGANNet(list(SIZES_256)).state_dict().items()}
    torch.save(state, folder / "proggan.pth")
    widths, parts = [100, 512, 256, 128, 64, 3], []
    for k, (n_in, n_out) in enumerate(zip(widths, widths[1:], strict=False)):
        parts.append(nn.ConvTranspose2d(n_in, n_out, 4, 2 if k else 1, 1 if k else 0, bias=False))
        parts += [nn.BatchNorm2d(n_out), nn.ReLU()] if n_out > 3 else [nn.Tanh()]
    torch.save({f"main.{k}": v for k, v in nn.Sequential(*parts).state_dict().items()}, folder / "dcgan.pth")
    return {path.stem: path for path in sorted(folder.iterdir())}


def load() -> bool:
    fine = True
    for name, path in files().items():
        zoo.card(name)  # looked at once, as `models add` does
        works: dict[str, Callable[[], object]] = {"read": path.read_bytes, "open": lambda n=name: zoo.load(n, "cpu")}
        best = {(what, cold): float("inf") for what in works for cold in (True, False)}
        for _ in range(ROUNDS):
            for (what, cold), so_far in best.items():
                best[what, cold] = min(so_far, seconds(works[what], path if cold else None))
        ratio = min(best["open", cold] / best["read", cold] for cold in (True, False))
        fine &= ratio <= LIMIT
        print(f"{name}: {path.stat().st_size / 2**20:.1f} MB, read {best['read', True] * 1e3:.0f} ms, opened "
              f"{best['open', True] * 1e3:.0f} ms: {ratio:.2f} × (limit {LIMIT}); from memory {best['read', False] * 1e3:.0f} ms and "
              f"{best['open', False] * 1e3:.0f} ms")
    return fine


def labelled(g: Generator) -> PixelSegmenter:
    """A segmenter for a model of random weights: what is in the upper part, painted on two pictures; kept in the store."""
    from core.segment.concepts import Painted, from_saved, make_painted
    from core.store import Store

    mask = np.zeros((256, 256), bool)
    mask[:100] = True
    return from_saved(make_painted(g, [Painted(seed, "upper", mask) for seed in (0, 1)], name="toy", store=Store()), "cpu")


def pages() -> bool:
    """Every page with the full-size model, dissected on 20 pictures; fine when none fails, one stroke is taken and a photo comes in."""
    from core.dissect import dissect
    from core.store import Store
    from tests.pages.everywhere import every_page, photo_came

    files()
    g = zoo.load("proggan", "cpu")
    dissect(g, labelled(g), ["layer4"], range(20), level_seeds=range(1_000_000, 1_000_020), store=Store())
    fine, start, busy = True, time.perf_counter(), time.process_time()
    for name, app, wrong in every_page("proggan", "layer4", seconds=120):
        told = f"{time.perf_counter() - start:.1f} s, {time.process_time() - busy:.1f} s of processor time"
        if name == "photo":
            came = photo_came(app, 300)
            told += f"; its start {time.perf_counter() - start:.1f} s, {time.process_time() - busy:.1f} s of processor time"
            wrong += [] if came else ["no photo came"]
        print(f"{name}: {wrong or 'drawn and painted on' if name == 'paint' else wrong or 'drawn'}; {told}", flush=True)
        fine &= not wrong
        start, busy = time.perf_counter(), time.process_time()
    return fine


def full() -> bool:
    from core.dissect import dissect
    from core.paint import Painting, Stroke, paint
    from core.store import Store

    torch.set_num_threads(2)
    files()
    g = zoo.load("proggan", "cpu")
    print(f"opened: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB resident")
    with torch.inference_mode():
        z = g.z_for_seeds(range(4))
        g.span(z[:1], None, None)
        start, busy = time.perf_counter(), time.process_time()
        g.span(z, None, None)
    print(f"picture: {(time.perf_counter() - start) / 4:.2f} s each, {(time.process_time() - busy) / 4:.2f} s of processor time, "
          f"256 px, {torch.get_num_threads()} threads")
    store, s = Store(), labelled(g)
    start, busy = time.perf_counter(), time.process_time()
    found = dissect(g, s, ["layer4"], range(20), level_seeds=range(1_000_000, 1_000_020), store=store)["layer4"]
    print(f"dissection of layer4 on 20 pictures (and 20 for levels): {time.perf_counter() - start:.1f} s, "
          f"{time.process_time() - busy:.1f} s of processor time, {len(found.levels)} units, best {found.best(0)}")
    painting = Painting("proggan", "layer4", 3, (Stroke("upper", "draw", 20, 1.0, 40, ((30.0, 30.0), (200.0, 60.0))),))
    paint(g, painting, found)
    start = time.perf_counter()
    result = paint(g, painting, found)
    changed = float((result.image != result.before).any(2).mean())
    print(f"stroke: {time.perf_counter() - start:.2f} s; {changed:.0%} of the pixels changed")
    print(f"peak: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB resident")
    return changed > 0


def convolutions(work: Callable[[], object]) -> list[Callable[[], object]]:
    """The convolutions that `work` does, each to be done again with the same tensors."""
    from torch.nn import functional as F

    calls: list[Callable[[], object]] = []
    own = {name: getattr(F, name) for name in ("conv2d", "conv_transpose2d")}

    def recorded(name: str) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            calls.append(lambda: own[name](*args, **options))
            return own[name](*args, **options)
        return call

    for name in own:
        setattr(F, name, recorded(name))
    try:
        work()
    finally:
        for name, function in own.items():
            setattr(F, name, function)
    return calls


def light() -> bool:
    """One picture at most 60 ms, one edit at the default layer at most 40, on one core of the development machine; beside them the
    same over the convolutions alone, which another machine can be compared by."""
    from core.edits import UnitEdit, apply
    from core.image import to_u8

    torch.set_num_threads(1)
    g = zoo.load("scenes", "cpu")
    layer = zoo.card("scenes").default_layer
    mask = np.zeros(g.image_size, bool)
    mask[20:60, 20:60] = True
    edit = UnitEdit(layer, tuple(range(20)), 2.0, mask=mask)
    fine = True
    with torch.inference_mode():
        z = g.z_for_seeds([0])
        acts = g.head(z, layer)
        for name, limit, work in (("picture", 60, lambda: to_u8(g.span(z, None, None))),
                                  (f"edit of 20 units of {layer}", 40, lambda: to_u8(g.tail(apply(acts, edit), layer)))):
            work()
            calls = convolutions(work)
            whole, bare = [], []
            for _ in range(60):
                whole.append(seconds(work))
                bare.append(seconds(lambda calls=calls: [call() for call in calls]))  # type: ignore[misc]
            fine &= 1e3 * np.median(whole) <= limit
            print(f"{name}: {1e3 * np.median(whole):.1f} ms on one core (limit {limit}), {np.median(np.divide(whole, bare)):.2f} × its "
                  f"{len(calls)} convolutions alone")
    return fine


if __name__ == "__main__":
    chosen = {"load": load, "full": full, "light": light, "pages": pages}
    done = [chosen[name]() for name in (sys.argv[1:] or list(chosen))]
    sys.exit(0 if all(done) else "over the limit")

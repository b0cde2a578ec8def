"""What a reconstruction is worth: classes it loses, figures over held-out scenes, inversions kept. Read without torch."""
from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from core import image as pictures
from core.errors import GanLabError
from core.inpaint import samples
from core.invert.descent import Inversion, Step, invert, invert_all, prepare
from core.invert.domain import calibrate
from core.invert.samples import HELD_OUT, sample_scene, scene
from core.invert.start import encoder_card
from core.jobs import Report, no_report
from core.store import Run, Saved, Store

if TYPE_CHECKING:
    from core.segment import Segmenter
    from core.zoo.encoder import Encoder
    from core.zoo.generator import Generator

log = logging.getLogger(__name__)
VERSION = 3
STEPS = (0, 50, 300)
BATCH = 10
SHIPPED_SCENES, SHIPPED_PHOTOS, SHIPPED_STEPS = (0, 1, 2), ("rocket",), (0, 50)


@dataclass(frozen=True)
class Loss:
    """What the reconstruction alone loses or invents of one label: shares of the picture, before and after."""

    label: str
    before: float
    after: float


def lost(segmenter: Segmenter, target: np.ndarray, image: np.ndarray, *, least: float = 0.005) -> list[Loss]:
    """"What the GAN cannot draw": per label its area in the photo and in the reconstruction, largest loss first.

    Labels below `least` of the picture in both are left out. Without this, a loss would look like a successful removal.
    """
    first, second = shares(segmenter, [target, image])
    rows = [Loss(name, before, second[name]) for name, before in first.items() if max(before, second[name]) >= least]
    return sorted(rows, key=lambda row: row.after - row.before)


def shares(segmenter: Segmenter, images: Sequence[np.ndarray], mask: np.ndarray | None = None) -> list[dict[str, float]]:
    """Per picture, uint8 (H,W,3) of one size: {label: share of the pixels that carry it}, within the mask bool (H,W) if given."""
    import torch

    with torch.no_grad():
        maps = segmenter(pictures.from_u8(np.stack(images))).cpu().numpy()
    if mask is not None and mask.shape != maps.shape[2:]:
        mask = pictures.resize(mask.astype(np.uint8) * 255, maps.shape[2:], nearest=True) >= 128
    where = np.ones(maps.shape[2:], bool) if mask is None else mask
    count = max(1, int(where.sum()))
    return [{label.name: float((one == label.id).any(0)[where].sum()) / count for label in segmenter.labels[1:]} for one in maps]


# --- inversions that are kept (samples only: a visitor's own photo is never written to disk) -----------------------------------
def photo_run(target: np.ndarray, *, model: str, layer: str, steps: int, generator: str, encoder: str = "") -> Run:
    """What an inversion is made from; its key also names the job. generator, encoder: fingerprints, encoder "" = without one."""
    params = {"model": model, "layer": layer, "steps": steps, "picture": hashlib.sha256(target.tobytes()).hexdigest()}
    return Run("photo", params, {"generator": generator, "encoder": encoder}, VERSION)


def keep_photo(store: Store, run: Run, found: Inversion, losses: Sequence[Loss]) -> Saved:
    """Stores an inversion with its table of losses."""
    arrays = {"target": found.target, "start": found.start, "image": found.image, "z": found.z, "acts": found.acts,
              "steps": np.asarray([s.step for s in found.curve]), "psnr": np.asarray([s.psnr for s in found.curve])}
    return store.put(run, arrays, seconds=found.seconds, losses=[asdict(row) for row in losses])


def kept_photo(store: Store, key: str) -> tuple[Inversion, list[Loss]] | None:
    """A stored inversion and its losses, or None. No torch."""
    saved = store.get(key)
    if saved is None:
        return None
    a = saved.arrays
    curve = tuple(Step(int(s), float(p)) for s, p in zip(a["steps"], a["psnr"], strict=True))
    target, start, image = (np.array(a[name]) for name in ("target", "start", "image"))  # what is stored is read-only
    found = Inversion(str(saved.run.params["layer"]), target, start, image, a["z"], a["acts"], curve,
                      float(saved.manifest["seconds"]))
    return found, [Loss(**row) for row in saved.manifest["losses"]]


# --- figures over held-out scenes ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Quality:
    """Reconstruction of held-out scenes after `steps` steps: psnr (N,) in dB; agreement (N,): share of pixels, over all label
    channels, where the judge gives the scene and its reconstruction the same label; seconds a picture."""

    steps: int
    psnr: np.ndarray
    agreement: np.ndarray
    seconds: float

    @property
    def summary(self) -> str:
        """Medians in words."""
        return (f"{np.median(self.psnr):.1f} dB and {np.median(self.agreement):.0%} of the judge's labels at {self.steps} steps "
                f"(n = {len(self.psnr)})")


def quality_run(model: str, layer: str, steps: int, scenes: range, inputs: Mapping[str, str]) -> Run:
    """What a measurement is made from. inputs: fingerprints of generator, encoder and judge."""
    params = {"model": model, "layer": layer, "steps": steps, "scenes": [scenes.start, scenes.stop]}
    return Run("inversion", params, inputs, VERSION)


def measure(store: Store, generator: Generator, encoder: Encoder, judge: Segmenter, *, steps: int, scenes: range = HELD_OUT,
            report: Report = no_report) -> Quality:
    """Inverts held-out painted scenes and compares; a stored result is used."""
    import torch

    inputs = {"generator": generator.fingerprint, "encoder": encoder.fingerprint, "judge": judge.fingerprint}
    run = quality_run(generator.name, encoder.layer, steps, scenes, inputs)
    saved = store.get(run.key)
    if saved is not None:
        return _quality(saved)
    began, rows = time.perf_counter(), []
    for at in range(0, len(scenes), BATCH):
        targets = [prepare(scene(seed, max(generator.image_size)), generator.image_size) for seed in scenes[at:at + BATCH]]

        def part(done: int, total: int, note: str = "", at: int = at, n: int = len(targets)) -> None:
            report(at * max(1, total) + done * n, len(scenes) * max(1, total), note)

        for found in invert_all(generator, targets, layer=encoder.layer, encoder=encoder, steps=steps, report=part):
            with torch.no_grad():
                maps = judge(pictures.from_u8(np.stack([found.target, found.image])))
            rows.append((found.psnr, float((maps[0] == maps[1]).float().mean())))
    table = np.asarray(rows)
    medians = dict(zip(("median_psnr", "median_agreement"), np.median(table, axis=0).round(4).tolist(), strict=True))
    return _quality(store.put(run, {"psnr": table[:, 0], "agreement": table[:, 1]}, seconds=time.perf_counter() - began,
                              device=str(generator.device), **medians))


def load_quality(store: Store, model: str) -> list[Quality]:
    """Stored measurements of a model's present weights and encoder, fewest steps first; the one over most scenes. No torch."""
    try:
        card = encoder_card(model)
    except GanLabError:
        return []
    best: dict[int, Quality] = {}
    for entry in store.find("inversion", model=model):
        inputs = entry.manifest["run"]["inputs"]
        if inputs["generator"] == card.generator and inputs["encoder"] == card.fingerprint:
            saved = store.get(entry.key)
            found = _quality(saved) if saved is not None else None
            if found is not None and (found.steps not in best or len(found.psnr) > len(best[found.steps].psnr)):
                best[found.steps] = found
    return [best[steps] for steps in sorted(best)]


def _quality(saved: Saved) -> Quality:
    psnr, agreement = saved.arrays["psnr"], saved.arrays["agreement"]
    return Quality(int(saved.run.params["steps"]), psnr, agreement, float(saved.manifest["seconds"]) / max(1, len(psnr)))


# --- what ships ----------------------------------------------------------------------------------------------------------------
def bundle(store: Store, generator: Generator, encoder: Encoder, judge: Segmenter, *, measured: Sequence[int] = STEPS,
           scenes: range = HELD_OUT, report: Report = no_report) -> list[Quality]:
    """Computes what the photo page shows before torch is loaded: calibration, sample inversions, figures.

    measured: the numbers of steps; 300 on all held-out scenes are by far the dearest part (about 15 minutes of one core).
    Finished parts are stored and not made again.
    """
    domain = calibrate(store, generator, encoder, report)
    log.info("domain: threshold %.3f, %.0f %% errors", domain.threshold, 100 * domain.errors)
    side = max(generator.image_size)
    for photo in [*(sample_scene(n, side) for n in SHIPPED_SCENES), *(samples.load(name) for name in SHIPPED_PHOTOS)]:
        target = prepare(photo, generator.image_size)
        for steps in SHIPPED_STEPS:
            run = photo_run(target, model=generator.name, layer=encoder.layer, steps=steps, generator=generator.fingerprint,
                            encoder=encoder.fingerprint)
            if not store.has(run.key):
                found = invert(generator, target, layer=encoder.layer, encoder=encoder, steps=steps, report=report)
                keep_photo(store, run, found, lost(judge, target, found.image))
    out = []
    for count in measured:
        out.append(measure(store, generator, encoder, judge, steps=count, scenes=scenes, report=report))
        log.info("%d steps, %d scenes: median %.2f dB, judge agrees on %.1f %%", count, len(scenes),
                 np.median(out[-1].psnr), 100 * np.median(out[-1].agreement))
    return out

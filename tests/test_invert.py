"""Photo into generator: the start, the descent, the verdict, strokes on a photo, what is kept."""
from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from core import image as pictures
from core import zoo
from core.errors import BadFile, BadInput, MissingWeights
from core.invert import (
    Brought,
    Domain,
    Inversion,
    Live,
    adapting,
    at_once,
    begin,
    bringing,
    brought,
    composite,
    correct,
    edit,
    encoder_card,
    invert,
    invert_all,
    keep_photo,
    kept_photo,
    load_domain,
    load_encoder,
    load_quality,
    lost,
    photo_run,
    prepare,
    psnr,
    reading,
    sample_scene,
    shares,
    watched,
)
from core.invert.domain import calibrate
from core.invert.quality import measure
from core.invert.samples import HELD_OUT, SCENES
from core.jobs import Job, Jobs, Report
from core.paint import Painting, Stroke
from core.segment.base import Label
from core.store import Store
from core.training.encoder import EncoderConfig, train
from core.training.seeds import SCENE_SEEDS
from core.units import UnitSet
from core.zoo import encoder as encoders
from core.zoo.generator import ChainGenerator
from core.zoo.proggan import ProgGANNet

LAYER = "layer4"


@pytest.fixture(scope="module")
def generator() -> ChainGenerator:
    torch.manual_seed(3)
    net = ProgGANNet([8, 16, 16, 16, 8])  # 32 px
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.6 if parameter.ndim > 1 else 0.1)
    return ChainGenerator(net, name="tiny", fingerprint="f" * 64, z_dim=8)


@pytest.fixture(scope="module")
def encoder() -> encoders.Encoder:
    torch.manual_seed(4)
    net = encoders.EncoderNet(32, 8, 16, 8, 8).eval().requires_grad_(False)
    return encoders.Encoder(net, LAYER, "f" * 64, "e" * 64)


@pytest.fixture(scope="module")
def found(generator: ChainGenerator) -> Inversion:
    return invert(generator, sample(generator, 900), layer=LAYER, steps=10)


def sample(generator: ChainGenerator, seed: int) -> np.ndarray:
    with torch.no_grad():
        return pictures.to_u8(generator.span(generator.z_for_seeds([seed]), None, None))[0]


def painting(*strokes: Stroke, layer: str = LAYER, units: tuple[int, ...] = tuple(range(16))) -> Painting:
    return Painting("tiny", layer, 0, strokes, (UnitSet("mine", "tiny", layer, units),))


def box(mode: str = "remove", strength: float = 1.0) -> Stroke:
    return Stroke("mine", mode, strength=strength, shape="rect", points=((8, 8), (24, 24)))  # type: ignore[arg-type]


# --- the picture that is sought -----------------------------------------------------------------------------------------------
def test_prepare_crops_the_centre_and_keeps_the_shape() -> None:
    photo = np.zeros((40, 100, 3), np.uint8)
    photo[:, 30:70] = 200
    out = prepare(photo, (32, 32))
    assert out.shape == (32, 32, 3)
    assert out.min() == 200
    with pytest.raises(BadInput):
        prepare(photo[..., 0], (32, 32))


def test_sample_scenes_belong_to_nobody_else() -> None:
    for owner, seeds in SCENE_SEEDS.items():
        for ours in (SCENES, HELD_OUT):
            assert ours.stop <= seeds.start or seeds.stop <= ours.start, owner
    assert sample_scene(3, 64).shape == (64, 64, 3)
    assert sample_scene(3, 1024).shape == (256, 256, 3)
    with pytest.raises(BadInput, match="0 to 999"):
        sample_scene(1000, 64)


# --- descent ------------------------------------------------------------------------------------------------------------------
def test_descent_comes_closer_to_a_sample_of_the_generator_itself(generator: ChainGenerator) -> None:
    target = sample(generator, 500)  # not among the random starts
    shots: list[int] = []
    found = invert(generator, target, layer=LAYER, steps=45, preview_every=20, preview=lambda step, _: shots.append(step.step))
    assert shots == [s.step for s in found.curve] == [0, 20, 40, 45]
    assert found.psnr > found.curve[0].psnr + 3
    assert found.curve[0].psnr == psnr(found.start, target)
    again = pictures.to_u8(generator.tail(torch.from_numpy(found.acts), LAYER))[0]
    np.testing.assert_array_equal(again, found.image)


def test_pictures_of_a_batch_do_not_see_each_other(generator: ChainGenerator) -> None:
    targets = [sample(generator, seed) for seed in (500, 501, 502)]
    together = invert_all(generator, targets, layer=LAYER, steps=12)
    for target, one in zip(targets, together, strict=True):
        alone = invert(generator, target, layer=LAYER, steps=12)
        np.testing.assert_allclose(one.acts, alone.acts, atol=2e-3)
        assert np.abs(one.image.astype(int) - alone.image).max() <= 1


def test_the_generator_is_left_as_it_was(generator: ChainGenerator, found: Inversion) -> None:
    before = {k: v.clone() for k, v in generator.net.state_dict().items()}
    invert(generator, found.target, layer=LAYER, steps=3)
    edit(generator, found, painting(box()), None, correction=3)
    assert all(torch.equal(v, before[k]) for k, v in generator.net.state_dict().items())
    assert not any(p.requires_grad for p in generator.net.parameters())


def test_a_cancelled_inversion_stops(generator: ChainGenerator) -> None:
    def stop(done: int, total: int, note: str = "") -> None:
        if done >= 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        invert(generator, sample(generator, 1), layer=LAYER, steps=50, report=stop)


def test_wrong_size_and_foreign_encoder_are_refused(generator: ChainGenerator, encoder: encoders.Encoder) -> None:
    with pytest.raises(BadInput, match="prepare"):
        invert(generator, np.zeros((8, 8, 3), np.uint8), layer=LAYER)
    foreign = encoders.Encoder(encoder.net, LAYER, "other", "x")
    with pytest.raises(BadInput, match="other weights"):
        invert(generator, sample(generator, 1), layer=LAYER, encoder=foreign)


# --- the encoder --------------------------------------------------------------------------------------------------------------
def test_encoder_learns_resumes_and_survives_a_file(generator: ChainGenerator, tmp_path: Path) -> None:
    config = EncoderConfig(LAYER, images=48, batch=8, width=8, pool=24)
    straight = train(config, generator, tmp_path / "a")
    train(config, generator, tmp_path / "b", stop_after=24)
    resumed = train(config, generator, tmp_path / "b")
    for key, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    path = tmp_path / "e.safetensors"
    encoders.save(straight, path, layer=LAYER, generator=generator.fingerprint)
    loaded = encoders.load(path)
    images = pictures.from_u8(sample(generator, 2))
    z, acts = loaded(images)
    assert z.shape == (1, 8)
    assert float(z.norm()) == pytest.approx(8**0.5, rel=1e-4)
    assert acts.shape == (1, 16, 8, 8)
    assert torch.allclose(acts, straight(images)[1], atol=2e-2, rtol=2e-2)
    started = invert(generator, sample(generator, 2), layer=LAYER, encoder=loaded, steps=0)
    assert [s.step for s in started.curve] == [0]
    np.testing.assert_array_equal(started.start, started.image)


def test_training_brings_the_start_closer(generator: ChainGenerator, tmp_path: Path) -> None:
    z = generator.z_for_seeds(range(700, 708))
    true = generator.head(z, LAYER)
    images = generator.tail(true, LAYER).clamp(-1, 1)

    def error(count: int) -> float:
        net = train(EncoderConfig(LAYER, images=count, batch=8, width=8, scenes=0.0, lr=5e-3), generator, tmp_path)
        with torch.no_grad():
            return float(((net(images)[1] - true).abs() / net.spread.view(1, -1, 1, 1)).mean())

    assert error(320) < 0.95 * error(8)  # that of one step is the spread itself


def test_missing_and_damaged_encoder_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match=r"core\.training encoder"):
        encoders.load(tmp_path / "none.safetensors")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"nonsense")
    with pytest.raises(BadFile, match=r"bad\.safetensors"):
        encoders.load(bad)


def test_the_bundled_encoder_must_fit_the_weights(encoder: encoders.Encoder, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "BUNDLED", tmp_path)
    monkeypatch.setattr(zoo, "fingerprint", lambda name: "f" * 64)
    with pytest.raises(MissingWeights, match="no encoder"):
        encoder_card("scenes")
    path = tmp_path / "scenes-encoder.safetensors"
    encoders.save(encoder.net, path, layer=LAYER, generator="0" * 64)
    with pytest.raises(BadFile, match="other weights"):
        load_encoder("scenes")
    encoders.save(encoder.net, path, layer=LAYER, generator="f" * 64)
    opened, card = load_encoder("scenes"), encoder_card("scenes")
    assert (opened.layer, opened.generator, opened.fingerprint) == (card.layer, card.generator, card.fingerprint)
    path.write_bytes(b"\xff" * 64)
    with pytest.raises(BadFile, match="not an encoder"):
        encoder_card("scenes")


# --- strokes on a photo -------------------------------------------------------------------------------------------------------
def test_outside_the_strokes_the_photo_is_untouched_and_inside_it_changes(generator: ChainGenerator, found: Inversion) -> None:
    made = edit(generator, found, painting(box()), None)
    inside = np.zeros((32, 32), bool)
    inside[8:24, 8:24] = True
    np.testing.assert_array_equal(made.mask, inside)
    np.testing.assert_array_equal(made.image[~inside], found.target[~inside])
    np.testing.assert_array_equal(made.control[~inside], found.target[~inside])
    assert np.abs(made.image[inside].astype(int) - made.control[inside]).mean() > 5
    np.testing.assert_array_equal(made.image[12:20, 12:20], made.raw[12:20, 12:20])  # beyond the soft edge: what was drawn


def test_no_stroke_and_no_strength_change_nothing(generator: ChainGenerator, found: Inversion) -> None:
    np.testing.assert_array_equal(edit(generator, found, painting(), None).image, found.target)
    weak = edit(generator, found, painting(box(strength=0.0)), None)
    np.testing.assert_array_equal(weak.image, weak.control)


def test_a_later_layer_can_be_painted_and_an_earlier_one_cannot(generator: ChainGenerator, found: Inversion) -> None:
    later = edit(generator, found, painting(box(), layer="layer6"), None)
    assert (later.image != later.control).any()
    with pytest.raises(BadInput, match="layer4 or a later layer"):
        edit(generator, found, painting(box(), layer="layer2"), None)


@pytest.mark.parametrize("feather", [0, 1, 5, None])
def test_composite_keeps_pixels_outside_and_rises_inwards(feather: int | None) -> None:
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 100, (40, 30, 3), dtype=np.uint8)
    made = np.full_like(photo, 255)
    mask = np.zeros((40, 30), bool)
    mask[5:35, 5:25] = True
    out = composite(photo, made, mask, feather)
    np.testing.assert_array_equal(out[~mask], photo[~mask])
    assert (out[19:21, 14:16] == 255).all()
    row = out[20, 4:15].astype(int).min(1) - photo[20, 4:15].astype(int).min(1)
    assert row[0] == 0
    assert (row[1:] > 0).all()
    if feather == 0:
        assert (out[mask] == 255).all()
    everywhere = composite(photo, made, np.ones((40, 30), bool), feather)
    np.testing.assert_array_equal(everywhere, made)
    np.testing.assert_array_equal(composite(photo, made, ~np.ones((40, 30), bool), feather), photo)


def test_composite_refuses_what_does_not_fit() -> None:
    photo = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(BadInput, match="sizes"):
        composite(photo, np.zeros((5, 4, 3), np.uint8), np.ones((4, 4), bool))
    with pytest.raises(BadInput, match="mask"):
        composite(photo, photo, np.ones((5, 4), bool))
    with pytest.raises(BadInput, match="soft edge"):
        composite(photo, photo, np.ones((4, 4), bool), -1)


def test_correction_brings_the_kept_pixels_closer(generator: ChainGenerator, found: Inversion) -> None:
    from core.edits import UnitEdit

    photo = np.clip(found.target.astype(int) + 30, 0, 255).astype(np.uint8)  # a brightness the generator did not draw
    moved = Inversion(found.layer, photo, found.start, found.image, found.z, found.acts, found.curve, found.seconds)
    keep = np.ones(photo.shape[:2], bool)
    keep[8:16, 8:16] = False
    nothing = (UnitEdit(LAYER, (0,), strength=0.0),)
    out = correct(generator, moved, nothing, keep, steps=30)
    assert psnr(out[keep][None], photo[keep][None]) > psnr(found.image[keep][None], photo[keep][None]) + 1
    last = (UnitEdit("layer8", (0,), strength=0.0),)
    np.testing.assert_array_equal(correct(generator, moved, last, keep, steps=30), found.image)  # nothing left to adapt


# --- what is lost, in domain, kept --------------------------------------------------------------------------------------------
class TwoLabels:
    """Bright is sky, dark is nothing."""

    name, fingerprint = "two", "2"
    labels = (Label(0, "no label", "none"), Label(1, "sky", "object"))

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return (images.mean(1, keepdim=True) > 0).long()


def test_what_the_reconstruction_loses_is_listed() -> None:
    bright, dark = np.full((4, 4, 3), 255, np.uint8), np.zeros((4, 4, 3), np.uint8)
    (row,) = lost(TwoLabels(), bright, dark)  # type: ignore[arg-type]
    assert (row.label, row.before, row.after) == ("sky", 1.0, 0.0)
    assert lost(TwoLabels(), dark, dark) == []  # type: ignore[arg-type]
    half = bright.copy()
    half[:, 2:] = 0
    left = np.zeros((4, 4), bool)
    left[:, :2] = True
    assert shares(TwoLabels(), [half, bright], left) == [{"sky": 1.0}, {"sky": 1.0}]  # type: ignore[arg-type]
    assert shares(TwoLabels(), [half])[0] == {"sky": 0.5}  # type: ignore[arg-type]


def test_the_reading_is_one_for_the_picture_itself_and_none_for_its_mean() -> None:
    photo = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    flat = np.broadcast_to(photo.mean((0, 1)).round().astype(np.uint8), photo.shape)
    assert reading(photo, photo) == 1.0
    assert abs(reading(photo, flat)) < 1e-3
    assert np.isfinite(reading(flat, photo))


def test_the_reading_counts_detail_and_no_broad_areas_of_colour() -> None:
    rows, columns = np.mgrid[:64, :64]
    sky = np.repeat(np.where(rows < 32, 220, 60)[..., None], 3, 2).astype(np.uint8)
    detailed = sky.copy()
    detailed[(rows // 3 + columns // 3) % 2 == 0] -= 50
    assert reading(detailed, sky) < 0.6
    assert reading(detailed, detailed // 2 * 2) > 0.99


def test_the_domain_threshold_splits_what_can_be_split() -> None:
    domain = Domain(inside=(0.8, 0.9, 0.95), outside=(0.1, 0.2, 0.4))
    assert 0.4 < domain.threshold < 0.8
    assert domain.errors == 0
    assert domain.verdict(0.9) == "in domain"
    assert domain.verdict(0.3) == "out of domain"
    mixed = Domain(inside=(0.5, 0.9, 0.95, 0.99), outside=(0.1, 0.2, 0.4, 0.97))
    assert mixed.errors == pytest.approx(0.125)
    assert (domain.wrong, mixed.wrong) == ((0, 0), (0, 1))


def test_calibration_is_made_once_and_read_without_a_generator(generator: ChainGenerator, encoder: encoders.Encoder, store: Store,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    from core.invert import domain as domains
    from core.invert.start import EncoderCard

    monkeypatch.setattr(domains, "HELD_OUT", range(21_000, 21_003))
    monkeypatch.setattr(domains, "unrelated", lambda: [np.full((40, 50, 3), 99, np.uint8)] * 2)
    made = calibrate(store, generator, encoder)
    assert (len(made.inside), len(made.outside)) == (3, 2)
    monkeypatch.setattr(domains, "unrelated", lambda: pytest.fail("computed twice"))
    assert calibrate(store, generator, encoder).inside == made.inside
    card = EncoderCard(Path("x"), LAYER, generator.fingerprint, encoder.fingerprint)
    monkeypatch.setattr(domains, "encoder_card", lambda name: card)
    read = load_domain(store, "tiny")
    assert read is not None
    assert read.outside == made.outside
    monkeypatch.setattr(domains, "encoder_card", lambda name: EncoderCard(Path("x"), LAYER, "other", encoder.fingerprint))
    assert load_domain(store, "tiny") is None  # calibrated for other weights


def test_figures_are_kept_by_number_of_steps(generator: ChainGenerator, encoder: encoders.Encoder, store: Store,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    from core.invert import quality
    from core.invert.start import EncoderCard

    judge = TwoLabels()
    for steps in (4, 0):
        figures = measure(store, generator, encoder, judge, steps=steps, scenes=HELD_OUT[:2])  # type: ignore[arg-type]
        assert figures.psnr.shape == figures.agreement.shape == (2,)
        assert ((figures.agreement >= 0) & (figures.agreement <= 1)).all()
    card = EncoderCard(Path("x"), LAYER, generator.fingerprint, encoder.fingerprint)
    monkeypatch.setattr(quality, "encoder_card", lambda name: card)
    none, some = load_quality(store, "tiny")
    assert (none.steps, some.steps) == (0, 4)
    assert some.psnr.mean() > none.psnr.mean()


def test_what_ships_is_made_once(generator: ChainGenerator, encoder: encoders.Encoder, store: Store,
                                 monkeypatch: pytest.MonkeyPatch) -> None:
    from core.invert import domain as domains
    from core.invert import quality

    monkeypatch.setattr(domains, "HELD_OUT", HELD_OUT[:2])
    monkeypatch.setattr(domains, "unrelated", lambda: [np.full((40, 50, 3), 99, np.uint8)])
    for name, value in (("SHIPPED_SCENES", (0,)), ("SHIPPED_PHOTOS", ()), ("SHIPPED_STEPS", (0, 2))):
        monkeypatch.setattr(quality, name, value)
    first = quality.bundle(store, generator, encoder, TwoLabels(), measured=(0,), scenes=HELD_OUT[:2])  # type: ignore[arg-type]
    assert sorted(e.kind for e in store.list()) == ["domain", "inversion", "photo", "photo"]
    for name in ("invert", "invert_all"):
        monkeypatch.setattr(quality, name, lambda *a, **k: pytest.fail("made twice"))
    again = quality.bundle(store, generator, encoder, TwoLabels(), measured=(0,), scenes=HELD_OUT[:2])  # type: ignore[arg-type]
    np.testing.assert_array_equal(again[0].psnr, first[0].psnr)


def test_what_ships_tells_the_reconstruction_of_fifty_scenes_at_0_50_and_300_steps(tmp_path: Path) -> None:
    figures = load_quality(Store(tmp_path), "scenes")
    assert [(f.steps, len(f.psnr), len(f.agreement)) for f in figures] == [(0, 50, 50), (50, 50, 50), (300, 50, 50)]
    for first, second in zip(figures, figures[1:], strict=False):
        assert np.median(second.psnr) > np.median(first.psnr)
        assert np.median(second.agreement) > np.median(first.agreement)


def test_a_kept_inversion_comes_back_as_it_was(found: Inversion, store: Store) -> None:
    def key(target: np.ndarray, steps: int) -> str:
        return photo_run(target, model="tiny", layer=LAYER, steps=steps, generator="f" * 64).key

    run = photo_run(found.target, model="tiny", layer=LAYER, steps=10, generator="f" * 64)
    assert kept_photo(store, run.key) is None
    keep_photo(store, run, found, lost(TwoLabels(), found.target, found.image, least=0))  # type: ignore[arg-type]
    back = kept_photo(store, run.key)
    assert back is not None
    again, losses = back
    np.testing.assert_array_equal(again.acts, found.acts)
    assert again.curve == found.curve
    assert [row.label for row in losses] == ["sky"]
    other = found.target.copy()
    other[0, 0, 0] ^= 1
    assert len({key(found.target, 10), key(found.target, 50), key(other, 10)}) == 3


# --- as jobs ------------------------------------------------------------------------------------------------------------------
@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Jobs:
    from core.invert import bring

    own = Jobs()
    monkeypatch.setattr(bring, "short", own)
    return own


def over(job: Job) -> Job:
    end = time.monotonic() + 120
    while job.active and time.monotonic() < end:
        time.sleep(0.01)
    return job


def test_everybody_who_watches_a_job_sees_the_same_and_finds_its_result(generator: ChainGenerator, store: Store, queue: Jobs) -> None:
    target = sample(generator, 700)
    run = photo_run(target, model="tiny", layer=LAYER, steps=10, generator="f" * 64)
    assert brought(store, run) is None
    go = threading.Event()
    live = Live()
    work = bringing(generator, target, run, judge=TwoLabels(), live=live)  # type: ignore[arg-type]

    def held(report: Report) -> Brought:
        go.wait(60)
        return work(report)

    job = begin(run.key, "ten steps", held, live)
    assert begin(run.key, "ten steps", held, Live()) is job
    assert watched(job) is live
    assert brought(store, run) is None
    go.set()
    assert over(job).state == "done"
    made = brought(store, run)
    assert made is not None
    assert [s.step for s in live.curve] == [0, 5, 10]
    np.testing.assert_array_equal(live.shot, made.found.image)
    np.testing.assert_array_equal(at_once(work).found.image, made.found.image)


def test_a_job_that_failed_begins_anew(generator: ChainGenerator, queue: Jobs) -> None:
    target = sample(generator, 700)
    run = photo_run(target, model="tiny", layer=LAYER, steps=0, generator="f" * 64)

    def broken(report: Report) -> Brought:
        raise BadInput("no way down")

    assert over(begin(run.key, "broken", broken, Live())).error == "no way down"
    assert over(begin(run.key, "whole", bringing(generator, target, run), Live())).state == "done"


def test_late_layers_are_adapted_once_for_the_same_strokes(generator: ChainGenerator, found: Inversion, queue: Jobs) -> None:
    job = adapting("k", generator, found, painting(box()), None, None)
    assert over(job).state == "done"
    assert adapting("k", generator, found, painting(box()), None, None) is job
    kept = job.result.mask == 0
    np.testing.assert_array_equal(job.result.image[kept], found.target[kept])


def test_reading_kept_results_needs_no_torch() -> None:
    code = ("import sys; import core.invert as i; from core.store import Store; i.load_domain(Store(), 'scenes');"
            "i.load_quality(Store(), 'scenes'); i.kept_photo(Store(), '0' * 64); import numpy as np; p = np.zeros((8, 8, 3), np.uint8);"
            "i.untouched(i.Inversion('layer4', p, p, p, p, p, (), 0.0)); i.prepare(i.sample_scene(0, 64), (64, 64));"
            "assert 'torch' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parent.parent)

"""Dissecting the planted generator gives what its text says."""
from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch

from core.dissect import Dissection, dissect, load, load_pictures
from core.errors import BadInput, JobCancelled, UnknownName
from core.image import to_u8
from core.store import Store
from core.zoo.generator import generate
from tests import toys

SEEDS, LEVEL_SEEDS = range(40), range(1000, 1030)


def run(layers: Sequence[str] = ("layer1", "layer2"), **settings: object) -> dict[str, Dissection]:
    settings = {"grid": (32, 32), **settings}
    return dissect(toys.ToyGenerator(), toys.ToySegmenter(), list(layers), SEEDS, level_seeds=LEVEL_SEEDS,
                   **settings)  # type: ignore[arg-type]


@lru_cache
def both() -> dict[str, Dissection]:
    return run()


def test_planted_units_get_their_labels() -> None:
    d = both()["layer2"].at("iqr")
    for unit, name in ((toys.SKY, "sky"), (toys.TREE, "tree"), (toys.DOOR, "door"), (toys.WINDOW, "window"),
                       (toys.FAKE_TREE, "tree")):
        label, iou = d.best(8 - unit)
        assert label.name == name
        assert iou > 0.75
    assert set(d.units_for("tree", 2)) == {8 - toys.TREE, 8 - toys.FAKE_TREE}
    assert d.ranking("door").top(1) == (8 - toys.DOOR,)


def test_layers_asked_together_or_alone_are_the_same() -> None:
    alone = run(["layer2"])["layer2"]
    for name, value in vars(both()["layer2"]).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(alone, name), err_msg=name)
    np.testing.assert_array_equal(both()["layer2"].counts.bins, alone.counts.bins)


def test_counts_equal_the_straightforward_way() -> None:
    """IoU and agreement at levels of the whole range, recomputed with dense upsampling and boolean masks."""
    d = both()["layer1"]
    g, s = toys.ToyGenerator(), toys.ToySegmenter()
    segs = s(generate(g, SEEDS)).numpy()
    acts = g.head(g.z_for_seeds(SEEDS), "layer1")
    at = (np.arange(32) + 0.5) / 4 - 0.5
    low, high = np.floor(at).astype(int).clip(0, 7), np.floor(at).astype(int).__add__(1).clip(0, 7)
    w = (at.clip(0, 7) - low).astype(np.float32)
    wide = acts.numpy()[..., low] * (1 - w) + acts.numpy()[..., high] * w
    up = wide[..., low, :] * (1 - w)[:, None] + wide[..., high, :] * w[:, None]
    for unit in (toys.SKY, toys.TREE, toys.NOISE, toys.NEGATIVE):
        curve, agreement = d.iou_curve(unit), d.agreement_curve(unit)
        for t in range(0, 64, 9):
            mask = up[:, unit] > d.level_grid[unit, t]
            for c in range(1, 8):
                truth = (segs == c).any(1)
                union = (mask | truth).sum()
                assert curve[c, t] == pytest.approx((mask & truth).sum() / union if union else 0.0, abs=1e-12)
                assert agreement[c, t] == pytest.approx((mask == truth).mean(), abs=1e-12)


def test_levels_are_exact_quantiles_of_the_level_images() -> None:
    g = toys.ToyGenerator()
    acts = g.head(g.z_for_seeds(LEVEL_SEEDS), "layer2").transpose(0, 1).reshape(9, -1).numpy()
    d = run(["layer2"], grid=(16, 16))["layer2"]
    np.testing.assert_array_equal(d.levels, np.quantile(acts, 0.99, axis=1, method="hazen").astype(np.float32))
    np.testing.assert_array_equal(d.q99, d.levels)


def test_share_curve_and_histogram_count_every_pixel() -> None:
    d = both()["layer1"]
    assert (d.hist.sum(1) == 30 * 64).all()  # the level images
    share = d.share_curve(toys.NOISE)
    assert (np.diff(share) <= 0).all()
    t = int(np.abs(d.level_grid[toys.NOISE] - d.levels[toys.NOISE]).argmin())
    assert share[t] == pytest.approx(0.01, abs=0.01)


def test_mean_present_is_the_mean_of_the_upsampled_map_over_the_label() -> None:
    d = run(["layer2"], grid=(16, 16))["layer2"]
    g, s = toys.ToyGenerator(), toys.ToySegmenter()
    acts = g.head(g.z_for_seeds(LEVEL_SEEDS), "layer2").numpy()
    tree = (s(generate(g, LEVEL_SEEDS)).numpy() == 2).any(1)[:, ::2, ::2]
    want = acts.transpose(1, 0, 2, 3)[:, tree].mean(1)
    np.testing.assert_allclose(d.mean_present[:, 2], want, rtol=1e-5, atol=1e-6)
    assert np.isnan(d.mean_present[:, 4]).all()


def test_the_ceiling_is_reached_by_a_perfect_unit() -> None:
    d = both()["layer2"]
    share = float(d.label_share[d.column("window")])
    assert d.ceiling("window") == pytest.approx(share / 0.01 if share < 0.01 else 0.01 / share)
    assert d.ceiling("sky") < 0.05
    assert all(d.iou[:, d.column(label)].max() <= d.ceiling(label) + 0.15 for label in d.labels[1:])
    for unit in range(len(d.iou)):
        assert all(d.iou[unit, d.column(label)] <= d.ceiling(label, unit) + 1e-6 for label in d.labels[1:])
    assert d.ceiling("dome") == 0


def test_distribution_is_ordered_by_category_and_count() -> None:
    rows = both()["layer2"].at("iqr").distribution(0.5)
    assert [(label.name, len(units)) for label, units in rows] == [("tree", 2), ("sky", 1), ("door", 1), ("window", 1)]


def test_a_second_request_answers_from_disk(store: Store) -> None:
    first = run(store=store)
    batches: list[int] = []
    again = run(store=store, report=lambda done, total, note="": batches.append(done))
    assert batches == [70]
    for layer, d in first.items():
        for name, value in vars(d).items():
            if isinstance(value, np.ndarray):
                got = getattr(again[layer], name)
                assert got.dtype == value.dtype
                assert got.shape == value.shape
                np.testing.assert_allclose(got, value, atol=0.05 if name == "top_acts" else 0, rtol=0, err_msg=name)
        np.testing.assert_array_equal(d.counts.bins, again[layer].counts.bins)


def test_stored_results_are_found_by_model_and_layer(store: Store) -> None:
    assert load(store, "toy", "layer1") is None
    run(store=store)
    d = load(store, "toy", "layer1")
    assert d is not None
    assert d.layer == "layer1"
    assert load(store, "toy", "layer9") is None
    pictures = load_pictures(store, "toy")
    assert pictures is not None
    assert pictures.has(39)
    assert not pictures.has(40)
    want = to_u8(generate(toys.ToyGenerator(), [7]))[0]
    assert np.abs(pictures.image(7).astype(int) - want).mean() < 12  # JPEG
    np.testing.assert_array_equal(pictures.segmentation(7), toys.ToySegmenter()(generate(toys.ToyGenerator(), [7]))[0])
    with pytest.raises(BadInput, match="seed 40"):
        pictures.image(40)


def test_stored_results_are_drawn_without_torch(store: Store) -> None:
    run(store=store)
    code = ("import sys; from pathlib import Path; from core.store import Store; from core.dissect import load, load_pictures\n"
            f"store = Store(Path({str(store.root)!r}), shipped=())\n"
            "d = load(store, 'toy', 'layer2'); d.at('pair'); d.distribution(); d.iou_curve(1)\n"
            "load_pictures(store, 'toy').image(3)\n"
            "print([m for m in ('torch', 'numba') if m in sys.modules])")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_cancelling_stops_at_the_next_batch_and_the_next_run_goes_on(store: Store) -> None:
    def until(stop: int, seen: list[int]) -> object:
        def report(done: int, total: int, note: str = "") -> None:
            seen.append(done)
            if done >= stop:
                raise JobCancelled("cancelled")
        return report

    first: list[int] = []
    with pytest.raises(JobCancelled):
        run(store=store, report=until(50, first))
    assert first[-1] == 50
    assert store.list("dissect") == []
    rest: list[int] = []
    resumed = run(store=store, report=until(10**6, rest))
    assert rest[1] == 54  # neither the level images nor the 20 measured ones are made again
    for layer, d in both().items():
        np.testing.assert_array_equal(d.counts.bins, resumed[layer].counts.bins)
        for name in ("levels", "iou", "iqr", "hist", "mean_present", "top_seeds", "top_scores", "top_acts", "q99"):
            np.testing.assert_array_equal(getattr(d, name), getattr(resumed[layer], name), err_msg=name)
    assert not list(store.root.rglob("*.partial"))
    pictures = load_pictures(store, "toy")
    assert pictures is not None
    np.testing.assert_array_equal(pictures.seeds, np.arange(40))


@pytest.mark.parametrize("tail", [2**17, 1], ids=["tails", "sketches"])
@pytest.mark.parametrize("held", [24 * 2**20, 1], ids=["maps held back", "levels chosen early"])
@pytest.mark.parametrize("stop", [4, 16, 30])
def test_a_run_cancelled_while_it_chooses_levels_goes_on_from_its_last_batch(
        store: Store, monkeypatch: pytest.MonkeyPatch, stop: int, held: int, tail: int) -> None:
    from core.dissect import thresholds

    monkeypatch.setattr(thresholds, "KEEP_BYTES", held)
    monkeypatch.setattr(thresholds, "TAIL_VALUES", tail)

    def cancelling(done: int, total: int, note: str = "") -> None:
        if done >= stop:
            raise JobCancelled("cancelled")

    with pytest.raises(JobCancelled):
        run(store=store, report=cancelling)
    rest: list[int] = []
    resumed = run(store=store, report=lambda done, total, note="": rest.append(done))
    assert rest[0] == 0
    assert min(rest[1:]) >= stop
    for layer, d in run().items():
        np.testing.assert_array_equal(d.counts.bins, resumed[layer].counts.bins)
        for name, value in vars(d).items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(value, getattr(resumed[layer], name), err_msg=name)


def test_a_run_can_be_cancelled_at_every_report_and_ends_bit_for_bit_equal(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also between the steps in which the maps held back are counted."""
    from core.dissect import thresholds

    monkeypatch.setattr(thresholds, "KEEP_BYTES", 1)  # eight images are held back
    want, reports = run(["layer1"])["layer1"], []
    run(["layer1"], report=lambda done, total, note="": reports.append(done))
    assert reports.count(8) > 2  # a batch, the choice of levels, and each batch held back

    for k in range(reports.index(12)):
        calls = 0

        def cancelling(done: int, total: int, note: str = "", k: int = k) -> None:
            nonlocal calls
            calls += 1
            if calls > k:
                raise JobCancelled("cancelled")

        with pytest.raises(JobCancelled):
            run(["layer1"], store=store, report=cancelling)
        resumed = run(["layer1"], store=store)["layer1"]
        for name, value in [*vars(want).items(), ("bins", want.counts.bins)]:
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(value, getattr(resumed.counts if name == "bins" else resumed, name), err_msg=f"{k} {name}")
        for entry in store.list():
            store.delete(entry.key)


def test_a_damaged_checkpoint_is_named_and_the_run_starts_anew(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    def stop(done: int, total: int, note: str = "") -> None:
        if done > 40:
            raise JobCancelled("cancelled")

    with pytest.raises(JobCancelled):
        run(store=store, report=stop)
    (partial,) = store.root.rglob("*.partial")
    data = bytearray(partial.read_bytes())
    middle = slice(len(data) // 2, len(data) // 2 + 400)
    data[middle] = bytes(255 - b for b in data[middle])
    partial.write_bytes(bytes(data))
    d = run(store=store)
    assert str(partial) in caplog.text
    np.testing.assert_array_equal(d["layer1"].counts.bins, both()["layer1"].counts.bins)


def test_a_damaged_stored_run_is_named_and_made_again(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    d = run(["layer1"], store=store)["layer1"]
    path = store.root / "dissect" / d.run.key / "arrays.npz"
    path.write_bytes(path.read_bytes()[:-300])
    again = run(["layer1"], store=store)["layer1"]
    assert d.run.key in caplog.text
    np.testing.assert_array_equal(d.iou, again.iou)
    assert load(store, "toy", "layer1") is not None


def test_dense_tensors_and_fused_kernels_count_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way a GPU counts gives the same whole numbers and levels."""
    from core.stats import counts, quantiles

    def dense_counts(self: counts.CrossCounts, acts: torch.Tensor, labels: counts.LabelMap) -> None:
        self.pixels += labels.pixels
        self._add_torch(acts, labels)

    def dense_tail(self: quantiles.Tail, acts: torch.Tensor) -> None:
        self.seen += acts.shape[0] * self.to.grid[0] * self.to.grid[1]
        self._add_torch(acts)

    monkeypatch.setattr(counts.CrossCounts, "add", dense_counts)
    monkeypatch.setattr(quantiles.Tail, "add", dense_tail)
    d = run()
    for layer, want in both().items():
        np.testing.assert_array_equal(d[layer].counts.bins, want.counts.bins)
        np.testing.assert_array_equal(d[layer].levels, want.levels)
        np.testing.assert_array_equal(d[layer].iqr_levels, want.iqr_levels)


@pytest.mark.gpu
def test_a_gpu_counts_the_same() -> None:
    g, s = toys.ToyGenerator(), toys.ToySegmenter()
    g.net.cuda()
    d = dissect(g, s, ["layer1"], SEEDS, level_seeds=LEVEL_SEEDS, grid=(32, 32))["layer1"]
    np.testing.assert_allclose(d.iou, both()["layer1"].iou, atol=1e-3)


def test_counting_at_the_quantile_level_alone_gives_the_same_scores_there() -> None:
    d = run(["layer1"], levels=1)["layer1"]
    want = both()["layer1"]
    assert d.level_grid.shape == (9, 1)
    for name in ("levels", "iou", "iqr", "hist", "q99", "mean_present", "top_seeds"):
        np.testing.assert_array_equal(getattr(d, name), getattr(want, name), err_msg=name)
    np.testing.assert_array_equal(d.at("iqr").iou, d.iou)
    np.testing.assert_array_equal(d.at("pair").iou, d.iou)


def test_zero_padding_differs_from_border_padding_only_at_the_edge_rows() -> None:
    d = run(["layer1"], padding="zeros")["layer1"]
    assert d.levels[toys.NEGATIVE] > both()["layer1"].levels[toys.NEGATIVE]  # the blend towards 0 at the border is its maximum
    np.testing.assert_array_equal(d.levels[toys.DEAD], 0)


def test_pair_thresholds_are_at_least_as_good_as_any_unit_threshold_on_the_level_images() -> None:
    d = both()["layer1"]
    assert (d.pair_iqr.max(1) >= 0).all()
    pair = d.at("pair")
    assert pair.iou[toys.TREE, d.column("tree")] == pytest.approx(d.at("iqr").iou[toys.TREE, d.column("tree")])
    t = np.abs(d.level_grid[toys.TREE] - d.pair_levels[toys.TREE, d.column("door")]).argmin()
    if d.pair_iqr[toys.TREE, d.column("door")] > 0:
        assert pair.iou[toys.TREE, d.column("door")] == pytest.approx(d.iou_curve(toys.TREE)[d.column("door"), t], abs=1e-6)


@pytest.mark.parametrize(("change", "message"), [
    ({"layers": ["layer9"]}, "no layer named 'layer9'"), ({"layers": []}, "name at least one layer"),
    ({"quantile": 1.5}, "quantile"), ({"padding": "mirror"}, "mirror"), ({"threshold": "pair"}, "Dissection.at"),
    ({"grid": (0, 32)}, "grid")])
def test_wrong_requests_get_one_clear_sentence(change: dict[str, object], message: str) -> None:
    layers = change.pop("layers", ["layer1"])
    with pytest.raises((BadInput, UnknownName), match=message):
        run(layers, **change)  # type: ignore[arg-type]


def test_seeds_that_choose_levels_cannot_measure() -> None:
    with pytest.raises(BadInput, match="seed 5 "):
        dissect(toys.ToyGenerator(), toys.ToySegmenter(), ["layer1"], range(10), level_seeds=range(5, 20))


def test_a_record_never_changes() -> None:
    d = both()["layer1"]
    with pytest.raises(ValueError, match="read-only"):
        d.iou[0, 0] = 1
    with pytest.raises(AttributeError):
        d.layer = "x"  # type: ignore[misc]
    assert replace(d, layer="x").layer == "x"

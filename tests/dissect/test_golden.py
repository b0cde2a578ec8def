"""Agreement with arrays made by running the two reference implementations (tolerances: the golden README's)."""
from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from core.dissect import Dissection, dissect_activations
from core.segment import Label
from core.stats import dense, hazen, resampling

GOLDEN = Path(__file__).parents[1] / "golden"
UNITS_WITH_TIES = 11  # the dead unit: all images score the same


@lru_cache
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "dissect.npz") as file:
        return {name: file[name] for name in file.files}


def labels() -> tuple[Label, ...]:
    g = golden()
    return tuple(Label(i, str(n), str(c)) for i, (n, c) in enumerate(zip(g["label_names"], g["label_cats"], strict=True)))


@lru_cache
def run(**settings: object) -> Dissection:
    return dissect_activations(golden()["acts"], golden()["seg"], labels(), **settings)  # type: ignore[arg-type]


def test_upsampling_equals_both_references() -> None:
    acts = torch.from_numpy(golden()["acts"][:4])
    for padding, name in (("border", "g18/up_border_first4"), ("zeros", "d20/up_zeros_first4")):
        np.testing.assert_allclose(dense(acts, resampling((8, 8), (32, 32), padding)), golden()[name], atol=2e-6)


def test_quantiles_equal_the_reference_sketch_where_it_is_exact() -> None:
    raw = golden()["acts"].transpose(1, 0, 2, 3).reshape(12, -1)
    np.testing.assert_allclose(hazen(raw, golden()["quantile_qs"]), golden()["g18/quantiles_2018"], atol=1e-5)


@pytest.mark.parametrize(("name", "quantile"), [("q01_exact", 0.01), ("q005_exact", 0.005)])
def test_2020_conventions(name: str, quantile: float) -> None:
    d = run(quantile=quantile, padding="zeros")
    want = {key: golden()[f"d20/{name}/{key}"] for key in ("levels", "iou", "best_iou", "best_label", "interp_iou_gt_004")}
    np.testing.assert_allclose(d.levels, want["levels"], atol=1e-5)
    np.testing.assert_allclose(d.iou[:, 1:10], want["iou"][:, 1:], atol=1e-6)
    assert [d.best(unit)[0].id for unit in range(12)] == want["best_label"].tolist()
    np.testing.assert_array_equal(d.interpretable(0.04), want["interp_iou_gt_004"])


@pytest.mark.parametrize(("name", "quantile"), [("q01_exact", 0.01), ("q005_exact", 0.005)])
def test_2018_conventions(name: str, quantile: float) -> None:
    d = run(quantile=quantile, quantile_of="raw", condition="category")
    want = {key: golden()[f"g18/{name}/{key}"] for key in
            ("levels", "iou", "iqr_at_level", "intersection", "best_label", "interp", "cat_activation")}
    np.testing.assert_allclose(d.levels, want["levels"], atol=1e-5)
    np.testing.assert_allclose(d.iou[:, 1:], want["iou"][:, 1:], atol=1e-6)
    np.testing.assert_allclose(d.iqr[:, 1:], want["iqr_at_level"][:, 1:], atol=1e-6)
    assert [d.column(d.best(unit)[0]) for unit in range(11)] == want["best_label"][:11].tolist()
    np.testing.assert_array_equal(d.interpretable(0.05, 0.01), want["interp"])
    t = np.abs(d.level_grid - d.levels[:, None]).argmin(1)
    above = np.take_along_axis(d.counts.above, t[:, None, None], 2)[..., 0]
    np.testing.assert_array_equal(above[:, 1:11], want["intersection"][:, 1:])
    np.testing.assert_array_equal(above[:, 12:], want["cat_activation"])
    np.testing.assert_array_equal(d.counts.truth[1:], golden()["label_counts"][1:])
    np.testing.assert_array_equal(d.counts.pixels[12:], golden()["total_counts"])


def test_2018_search_for_the_best_information_quality_ratio() -> None:
    d = run(threshold="iqr", condition="category", levels=101)
    want = {key: golden()[f"g18/iqr_exact/{key}"] for key in ("max_iqr", "levels", "iou", "iqr_at_level", "best_label", "interp")}
    live = want["max_iqr"].max(1) > 0
    np.testing.assert_allclose(d.pair_iqr[:, 1:], want["max_iqr"][:, 1:], atol=3e-3)
    np.testing.assert_array_equal(d.pair_iqr[live, 1:].argmax(1) + 1, want["best_label"][live])
    same = live & (np.abs(d.levels - want["levels"]) < 1e-5)
    assert same.sum() >= live.sum() - 1  # one unit has two candidates of almost the same IQR
    np.testing.assert_allclose(d.iou[same, 1:], want["iou"][same, 1:], atol=1e-5)
    np.testing.assert_allclose(d.iqr[same, 1:], want["iqr_at_level"][same, 1:], atol=1e-5)
    np.testing.assert_array_equal(d.interpretable(0.05, 0.01), want["interp"])


def test_information_tables_equal_the_reference_at_every_candidate() -> None:
    from core.stats import scores

    d = run(threshold="iqr", condition="category", levels=101)
    g = golden()
    column, unit = 3, 2
    levels = d.level_grid[unit]
    keep = np.delete(np.arange(101), np.abs(levels - d.quantile_levels[unit]).argmin())[::-1]  # the candidates, high to low
    share = d.counts.truth[column] / d.counts.pixels[11]
    inter = d.counts.above[unit, column, keep] / d.counts.pixels[column] * share
    above = d.counts.above[unit, d.counts.scope[column], keep] / d.counts.pixels[d.counts.scope[column]]
    mutual, joint = scores.table(inter, above, share)
    np.testing.assert_allclose(joint, g["g18/iqr_exact/full_je"][unit, column], atol=3e-3)
    np.testing.assert_allclose(mutual[:-1], g["g18/iqr_exact/full_mi"][unit, column, :-1], atol=3e-3)


def test_top_images_equal_both_references_exactly() -> None:
    d = run(top=10)
    with np.load(GOLDEN / "top.npz") as want:
        np.testing.assert_array_equal(d.top_seeds[:UNITS_WITH_TIES], want["g18_top_idx"][:UNITS_WITH_TIES])
        np.testing.assert_array_equal(d.top_seeds[:UNITS_WITH_TIES, :5], want["d20_top5_idx"][:UNITS_WITH_TIES])
        np.testing.assert_array_equal(d.top_scores, want["g18_top_vals"])

"""The traps named in the reference, each with its defined answer."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.dissect import Dissection, dissect_activations
from core.errors import BadInput
from core.segment import Label

LABELS = (Label(0, "no label", "none"), Label(1, "sky", "object"), Label(2, "tree", "object"), Label(3, "roof", "part"),
          Label(4, "brick", "material"), Label(5, "never", "material"))


def scene(n: int = 6, size: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Activations (n,3,size,size), label maps (n,3,size,size): unit 0 follows sky."""
    rng = np.random.default_rng(seed)
    segs = np.zeros((n, 3, size, size), np.int64)
    segs[:, 0] = rng.integers(0, 3, (n, size, size))
    segs[:, 1] = np.where(segs[:, 0] == 2, 3, 0)
    segs[:, 2] = rng.integers(0, 2, (n, size, size)) * 4
    acts = rng.normal(size=(n, 3, size, size)).astype(np.float32)
    acts[:, 0] = (segs[:, 0] == 1) + 0.01 * acts[:, 0]
    return acts, segs


def run(acts: np.ndarray, segs: np.ndarray, **settings: Any) -> Dissection:
    return dissect_activations(acts, segs, LABELS, **settings)


def test_a_dead_unit_meets_no_label_and_is_never_interpretable() -> None:
    acts, segs = scene()
    acts[:, 1] = 0
    for padding in ("border", "zeros"):
        d = run(acts, segs, padding=padding)
        assert d.best(1) == (LABELS[0], 0.0)
        assert d.runners_up(1) == []
        for threshold in ("quantile", "iqr", "pair"):
            there = d.at(threshold)  # type: ignore[arg-type]
            assert there.iou[1].tolist() == [0] * 6
            assert not there.interpretable(0.0)[1]
            assert np.isfinite(there.iou).all()
            assert np.isfinite(there.iqr).all()
        assert d.levels[1] == 0
        assert np.isfinite(d.hist_edges).all()
        assert d.hist[1].sum() == 6 * 64


def test_an_always_negative_unit_has_a_negative_level_but_no_iqr_level() -> None:
    acts, segs = scene()
    acts[:, 1] = -1 - np.abs(acts[:, 1])
    acts[:, 1][segs[:, 0] == 2] += 0.9
    d = run(acts, segs, quantile=0.2)
    assert d.levels[1] < 0
    assert d.best(1)[0].name == "tree"  # the quantile asks only for the largest values
    assert (d.pair_iqr[1] == 0).all()  # the search takes no level at or below 0 (2018 code)
    assert d.at("iqr").iou[1].max() < d.iou[1].max()


def test_zero_padding_makes_the_border_win_for_a_negative_unit_and_border_padding_does_not() -> None:
    rng = np.random.default_rng(0)
    acts = (-3 - np.abs(rng.normal(size=(6, 1, 4, 4)))).astype(np.float32)
    segs = np.zeros((6, 3, 32, 32), np.int64)
    segs[:, 0, :2] = 1  # the top rows
    d = run(acts, segs, padding="zeros", quantile=0.05)
    assert d.levels[0] > acts.max()  # values blended with the zeros outside
    assert d.best(0)[0].name == "sky"
    assert run(acts, segs, padding="border", quantile=0.05).levels[0] <= acts.max()


def test_a_label_that_never_occurs_has_zero_iou_and_no_mean() -> None:
    d = run(*scene())
    c = d.column("never")
    assert d.label_share[c] == 0
    assert d.ceiling("never") == 0
    assert (d.iou[:, c] == 0).all()
    assert (d.iqr[:, c] == 0).all()
    assert (d.pair_iqr[:, c] == 0).all()
    assert np.isnan(d.mean_present[:, c]).all()
    assert (d.iou_curve(0)[c] == 0).all()
    assert "never" not in [label.name for label, _ in d.distribution(-1.0)]


def test_with_ties_at_the_level_only_values_above_it_count() -> None:
    acts, segs = scene()
    acts[:, 1] = np.round(acts[:, 1])  # few distinct values: many pixels at the level
    d = run(acts, segs, quantile=0.2)
    t = int(np.abs(d.level_grid[1] - d.levels[1]).argmin())
    assert d.levels[1] in acts[:, 1]
    assert d.share_curve(1)[t] == pytest.approx((acts[:, 1] > d.levels[1]).mean())
    assert d.share_curve(1)[t] < 0.2


def test_no_label_is_where_no_channel_carries_one_and_never_the_best() -> None:
    acts, segs = scene()
    nothing = (segs == 0).all(1)
    acts[:, 1] = nothing + 0.01 * acts[:, 1]
    d = run(acts, segs, quantile=float(nothing.mean()))
    assert d.label_share[0] == pytest.approx(nothing.mean())
    assert d.iou[1, 0] == pytest.approx(1.0, abs=0.02)
    assert d.best(1)[1] == 0  # it meets no other label, so it names none
    assert all(label.id != 0 for label, _ in d.distribution(-1.0))


def test_a_label_in_two_channels_counts_once_and_twice_only_in_the_2018_truth() -> None:
    acts, segs = scene()
    segs[:, 1] = np.where(segs[:, 0] == 1, 1, 0)  # a part that is also an object, as "door" upstream
    pixels = int((segs[:, 0] == 1).sum())
    d = run(acts, segs, quantile=pixels / segs[:, 0].size)
    assert d.iou[0, 1] == pytest.approx(1.0, abs=0.02)
    assert d.label_share[1] == pytest.approx(pixels / segs[:, 0].size)
    old = run(acts, segs, quantile=pixels / segs[:, 0].size, condition="category")
    assert old.counts.truth[1] == 2 * pixels
    assert old.iou[0, 1] == pytest.approx(0.5, abs=0.02)


def test_category_condition_counts_only_images_where_the_category_occurs() -> None:
    acts, segs = scene()
    segs[3:, 2] = 0  # no material in half of the images
    acts[3:, 2] = 9.0  # where unit 2 fires everywhere
    acts[:3, 2] = np.where(segs[:3, 2] == 4, 5.0, 0.0)
    everywhere, inside = run(acts, segs, quantile=0.9), run(acts, segs, quantile=0.9, condition="category")
    c = everywhere.column("brick")
    assert inside.iou_curve(2)[c].max() == pytest.approx(1.0)
    assert everywhere.iou_curve(2)[c].max() < 0.5


def test_a_one_pixel_map_is_a_constant() -> None:
    _, segs = scene()
    acts = np.arange(6, dtype=np.float32).reshape(6, 1, 1, 1)
    d = run(acts, segs, quantile=0.5)
    assert d.levels[0] == pytest.approx(2.5)
    assert d.share_curve(0)[int(np.abs(d.level_grid[0] - 2.5).argmin())] == pytest.approx(0.5)


@pytest.mark.parametrize(("acts", "segs", "message"), [
    (np.zeros((2, 3, 4), np.float32), None, "activations are floats"),
    (np.zeros((5, 3, 8, 8), np.float32), None, "same 5 images"),
    (np.full((6, 3, 8, 8), np.nan, np.float32), None, "not finite"),
    (None, np.full((6, 3, 8, 8), 77), "id 77"), (None, np.full((6, 3, 8, 8), -1), "id -1")])
def test_arrays_that_cannot_be_dissected_are_named(acts: np.ndarray | None, segs: np.ndarray | None, message: str) -> None:
    good_acts, good_segs = scene()
    with pytest.raises(BadInput, match=message):
        run(good_acts if acts is None else acts, good_segs if segs is None else segs)


def test_label_ids_may_have_gaps_and_any_order() -> None:
    acts, segs = scene()
    ids = np.array([0, 40, 7, 9, 11, 5])
    shuffled = tuple(Label(int(ids[label.id]), label.name, label.category) for label in LABELS)
    a = run(acts, segs)
    b = dissect_activations(acts, ids[segs], shuffled)
    np.testing.assert_array_equal(a.iou, b.iou)


@settings(max_examples=25, deadline=None)
@example(7154, 2, "border", "upsampled", "all")     # mask and label are independent, and the terms of IQR cancel
@given(st.integers(0, 10**6), st.integers(1, 5), st.sampled_from(["border", "zeros"]),
       st.sampled_from(["upsampled", "raw"]), st.sampled_from(["all", "category"]))
def test_scores_are_shares_and_images_may_come_in_any_order(seed: int, n: int, padding: str, of: str, condition: str) -> None:
    acts, segs = scene(n, 6, seed)
    order = np.random.default_rng(seed).permutation(n)
    a = run(acts, segs, padding=padding, quantile_of=of, condition=condition)
    b = run(acts[order], segs[order], padding=padding, quantile_of=of, condition=condition)
    np.testing.assert_array_equal(a.counts.bins, b.counts.bins)
    np.testing.assert_array_equal(a.iou, b.iou)
    np.testing.assert_array_equal(a.top_scores, b.top_scores)
    for part in (a, a.at("iqr"), a.at("pair")):
        assert (part.iou >= 0).all()
        assert (part.iou <= 1).all()
        assert (part.iqr >= 0).all()
        assert (part.iqr <= 1 + 1e-6).all()
    inter, above, truth, _ = a.counts.tables()
    assert (inter <= np.minimum(above, truth[None])).all() or condition == "category"

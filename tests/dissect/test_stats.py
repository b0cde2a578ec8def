"""Streaming statistics agree with numpy, whatever the order and the batches."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.segment import Label
from core.stats import CrossCounts, Padding, Quantiles, Tail, TopK, dense, hazen, label_map, resampling, scores
from core.stats.counts import joined

LABELS = tuple(Label(i, f"l{i}", "part" if i > 3 else "object") for i in range(6))


def maps(n: int, units: int, size: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, units, size, size)).astype(np.float32))


def segs(n: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 6, (n, 2, size, size))


@pytest.mark.parametrize("padding", ["border", "zeros"])
@pytest.mark.parametrize(("source", "grid"), [(1, 8), (4, 8), (8, 8), (12, 8), (3, 7)])
def test_upsampling_equals_torch_and_its_matrices(source: int, grid: int, padding: str) -> None:
    acts = maps(2, 3, source)
    to = resampling((source, source), (grid, grid), padding)  # type: ignore[arg-type]
    up = dense(acts, to)
    rows, columns = (torch.from_numpy(m) for m in to.matrices())
    torch.testing.assert_close(up, rows @ acts @ columns.T, atol=1e-5, rtol=1e-5)
    if padding == "border" and grid >= source:
        want = torch.nn.functional.interpolate(acts, (grid, grid), mode="bilinear", align_corners=False)
        torch.testing.assert_close(up, want, atol=1e-5, rtol=1e-5)
    if padding == "border":
        flat = torch.full((1, 1, source, source), 0.1)
        assert (dense(flat, to) == flat[0, 0, 0, 0]).float().mean() > 0.3  # edges are repeated exactly


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.floats(0.001, 0.6), st.integers(1, 7))
def test_a_tail_gives_the_exact_quantile_in_any_batches(seed: int, n: int, fraction: float, batch: int) -> None:
    acts = maps(n, 3, 5, seed)
    acts[:, 2] = acts[:, 2].round()  # ties
    to = resampling((5, 5), (9, 9), "border")
    tail = Tail(3, n * 81, fraction, to)
    for part in acts.split(batch):
        tail.add(part)
    want = hazen(dense(acts, to).transpose(0, 1).reshape(3, -1).numpy(), 1 - fraction)
    np.testing.assert_array_equal(tail.top(fraction), want)


def test_a_tail_stays_exact_when_it_has_to_forget() -> None:
    acts = maps(300, 3, 8)
    acts[:, 2] = (8 * acts[:, 2]).round() / 8  # ties
    to = resampling((8, 8), (32, 32), "border")
    tail, again = Tail(3, 300 * 1024, 0.01, to), Tail(3, 300 * 1024, 0.01, to)
    for k, part in enumerate(acts.split(8)):
        tail.add(part)
        again.add(part)
        if k == 20:
            kept = again.state()
            again = Tail(3, 300 * 1024, 0.01, to)
            again.restore(kept)
    up = dense(acts, to).transpose(0, 1).reshape(3, -1).numpy()
    np.testing.assert_array_equal(again.top(0.01), tail.top(0.01))
    np.testing.assert_array_equal(tail.top(0.01), hazen(up, 0.99))
    np.testing.assert_array_equal(tail.top(0.001), hazen(up, 0.999))
    with pytest.raises(BadInput, match="cannot answer"):
        tail.top(0.2)
    with pytest.raises(BadInput, match="made for"):
        tail.add(acts[:8])


@pytest.mark.parametrize("padding", ["border", "zeros"])
@pytest.mark.parametrize(("source", "grid"), [(1, 16), (4, 32), (7, 24), (16, 16), (24, 10)])
@pytest.mark.parametrize("shift", [0.0, -4.0], ids=["mixed", "mostly negative"])
def test_pixels_passed_over_together_are_none_above_the_level(source: int, grid: int, padding: Padding, shift: float) -> None:
    """One level and the tail skip whole stretches of pixels between map values that are too low."""
    acts = maps(12, 4, source) + shift
    acts[:, 2] = acts[:, 2].round()  # ties
    to = resampling((source, source), (grid, grid), padding)
    up = dense(acts, to).transpose(0, 1).reshape(4, -1).numpy()
    tail = Tail(4, up.shape[1], 0.03, to)
    for part in acts.split(5):
        tail.add(part)
    level = tail.top(0.03)
    np.testing.assert_array_equal(level, hazen(up, 0.97))
    where = segs(12, grid)
    one = CrossCounts(level[:, None], len(LABELS) + 3, to)
    one.add(acts, label_map(where, LABELS, (grid, grid), "category"))
    for column in range(1, len(LABELS)):
        here = (where == column).any(1).ravel()
        np.testing.assert_array_equal(one.counts[:, column, 1], ((up > level[:, None]) & here).sum(1))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.floats(0.001, 0.3), st.floats(-3, 3))
def test_a_tail_begun_with_any_sample_is_exact(seed: int, n: int, fraction: float, off: float) -> None:
    """A sample far too high or too low costs time, never a value."""
    acts = maps(n, 3, 5, seed)
    acts[:, 1] = 0  # dead
    to = resampling((5, 5), (9, 9), "border")
    tail = Tail(3, (n + 4) * 81, fraction, to)
    up = dense(acts, to).transpose(0, 1).reshape(3, -1).numpy()
    tail.begin(acts, up[:, ::7] + np.float32(off))
    more = maps(4, 3, 5, seed + 1)
    tail.add(more)
    both = np.concatenate([up, dense(more, to).transpose(0, 1).reshape(3, -1).numpy()], 1)
    np.testing.assert_array_equal(tail.top(fraction), hazen(both, 1 - fraction))


def test_hazen_equals_numpy() -> None:
    values = np.random.default_rng(1).normal(size=(3, 101)).astype(np.float32)
    q = np.linspace(0, 1, 23)
    np.testing.assert_allclose(hazen(values, q), np.quantile(values.astype(np.float64), q, axis=1, method="hazen").T, atol=1e-6)


@pytest.mark.parametrize("order", ["random", "sorted", "reversed", "clustered"])
def test_the_sketch_keeps_its_rank_error(order: str) -> None:
    rng = np.random.default_rng(3)
    n = 400_000
    stream = rng.lognormal(size=n).astype(np.float32)
    if order != "random":
        stream = np.sort(stream)[:: -1 if order == "reversed" else 1].copy()
    if order == "clustered":
        stream = stream.reshape(400, -1)[rng.permutation(400)].ravel()
    sketch = Quantiles(1)
    for start in range(0, n, 7919):
        sketch.add(stream[None, start:start + 7919])
        if start == 7919 * 20:
            kept = sketch.state()
            sketch = Quantiles(1)
            sketch.restore(kept)
    assert 0 < sketch.rank_error() <= 5e-4
    q = np.linspace(0.001, 0.999, 97)
    got = sketch.quantile(q)[0]
    ranks = np.searchsorted(np.sort(stream), got, side="right") / n
    assert np.abs(ranks - q).max() <= sketch.rank_error() + 2 / 20480


def test_the_sketch_is_exact_while_everything_fits() -> None:
    values = np.random.default_rng(0).normal(size=(4, 900)).astype(np.float32)
    sketch = Quantiles(4)
    sketch.add(values[:, :300])
    sketch.add(values[:, 300:])
    assert sketch.rank_error() == 0
    np.testing.assert_array_equal(sketch.quantile(np.array([0.1, 0.99])), hazen(values, np.array([0.1, 0.99])))


def counted(acts: torch.Tensor, labels: np.ndarray, levels: np.ndarray, batch: int) -> CrossCounts:
    to = resampling((5, 5), (9, 9), "border")
    counts = CrossCounts(levels, len(LABELS) + 1 + 2, to)
    for i in range(0, len(acts), batch):
        counts.add(acts[i:i + batch], label_map(labels[i:i + batch], LABELS, (9, 9), "category"))
    return counts


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 9), st.booleans(), st.sampled_from([1, 7]))
def test_batches_singles_merges_and_dense_tensors_count_the_same(seed: int, n: int, batch: int, ties: bool, steps: int) -> None:
    acts, labels = maps(n, 4, 5, seed), segs(n, 9, seed)
    levels = np.sort(np.random.default_rng(seed).normal(size=(4, steps)).astype(np.float32), 1)
    if ties:
        acts, levels = acts.round(), levels.round()
    whole = counted(acts, labels, levels, n)
    assert np.array_equal(counted(acts, labels, levels, batch).counts, whole.counts)
    cut = n // 2
    a, b = counted(acts[:cut], labels[:cut], levels, 3), counted(acts[cut:], labels[cut:], levels, 2)
    assert np.array_equal(a.merge(b).counts, whole.counts)
    assert np.array_equal(b.merge(a).counts, whole.counts)
    up = dense(acts, whole.to).numpy()
    for column in range(6):
        here = (labels == 0).all(1) if column == 0 else (labels == column).any(1)
        for b_ in range(steps + 1):
            above = (up[..., None] > levels[None, :, None, None, :]).sum(-1) == b_
            want = (above & here[:, None]).sum((0, 2, 3))
            np.testing.assert_array_equal(whole.counts[:, column, b_], want)
    np.testing.assert_array_equal(whole.counts.sum(2), np.broadcast_to(whole.pixels, (4, 9)))
    together = CrossCounts(levels, 9, whole.to)
    together.add(acts, joined([label_map(labels[i:i + batch], LABELS, (9, 9), "category") for i in range(0, n, batch)]))
    assert np.array_equal(together.counts, whole.counts)
    assert np.array_equal(together.pixels, whole.pixels)


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("size", [1, 4, 8, 12])
@pytest.mark.parametrize("shift", [0.0, -10.0])
def test_counting_tells_the_largest_value_of_each_map(steps: int, size: int, shift: float) -> None:
    acts = maps(3, 4, size) + shift
    levels = np.sort(maps(1, 4, 8, 1).flatten(2)[0].numpy()[:, :steps], 1)
    counts = CrossCounts(levels, len(LABELS) + 1, resampling((size, size), (8, 8), "border"))
    np.testing.assert_array_equal(counts.add(acts, label_map(segs(3, 8), LABELS, (8, 8))), acts.amax((2, 3)).numpy())


def test_extreme_levels_and_values_are_counted_exactly() -> None:
    """Levels so close that the starting guess cannot tell them apart, and values far outside."""
    levels = np.array([[0, np.nextafter(np.float32(0), 1, dtype=np.float32), 1e-30, 1, 1, 3e38]], np.float32)
    values = np.array([-3e38, -1, 0, 1e-45, 1e-31, 2e-30, 1, np.nextafter(np.float32(1), 2), 3e38, 3.4e38], np.float32)
    acts = torch.from_numpy(values).reshape(-1, 1, 1, 1)
    counts = CrossCounts(levels, 9, resampling((1, 1), (1, 1), "border"))
    counts.add(acts, label_map(np.ones((10, 1, 1, 1), int), LABELS, (1, 1), "category"))
    want = np.bincount((values[:, None] > levels).sum(1), minlength=7)
    np.testing.assert_array_equal(counts.counts[0, 1], want)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 8))
def test_top_images_equal_a_full_sort(seed: int, n: int, batch: int) -> None:
    acts = maps(n, 3, 4, seed)
    acts[:, 2] = acts[:, 2].round()
    top = TopK(3, 5, (4, 4), (64, 64))
    for i in range(0, n, batch):
        top.add(acts[i:i + batch], np.arange(i, min(i + batch, n)))
    peaks = acts.amax((2, 3)).numpy()
    for unit in range(3):
        order = np.argsort(-peaks[:, unit], kind="stable")[:5]
        np.testing.assert_array_equal(top.seeds[unit, :len(order)], order)
        np.testing.assert_array_equal(top.maps[unit, :len(order)], acts[order, unit].half())
        assert (top.seeds[unit, len(order):] == -1).all()


def test_large_maps_of_top_images_are_pooled_to_the_limit() -> None:
    acts = maps(3, 2, 16)
    top = TopK(2, 2, (16, 16), (8, 8))
    top.add(acts, np.arange(3))
    best = int(acts[:, 0].amax((1, 2)).argmax())
    np.testing.assert_allclose(top.maps[0, 0], torch.nn.functional.avg_pool2d(acts[best:best + 1, :1], 2)[0, 0], atol=2e-3)


def test_information_quality_ratio_of_known_tables() -> None:
    half = np.array(0.5)
    assert scores.iqr(half, half, half) == pytest.approx(1.0)  # the same set
    assert scores.iqr(np.array(0.25), half, half) == pytest.approx(0.0, abs=1e-12)  # independent
    assert scores.iqr(np.array(0.0), np.array(0.0), half) == 0
    assert scores.agreement(np.array(0.25), half, half) == pytest.approx(0.5)
    assert scores.iou(np.array(0), np.array(0), np.array(0)) == 0

"""Single effects, curves and the context table give the answers known on paper for the planted generator."""
from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from core import causal
from core.causal.context import context
from core.causal.corpus import block_for
from core.causal.curves import curves, inserted
from core.causal.measure import label_counts, switched_off
from core.causal.results import Curves
from core.causal.single import single
from core.errors import BadInput, JobCancelled
from core.store import Run, Store
from core.units import Ranking
from tests import toys

# what each unit is set to when it is inserted; nothing of the smear
VALUES = np.array([3.5, 3.5, 3.5, 3.5, 4.5, 0, 0, 0, 0], np.float32)


@pytest.fixture(scope="module")
def generator() -> toys.ToyGenerator:
    return toys.ToyGenerator()


@pytest.fixture(scope="module")
def segmenter() -> toys.ToySegmenter:
    return toys.ToySegmenter()


def ranking(kind: str, first: int, label: str = "tree", chooser: str = "chooser") -> Ranking:
    order = np.array([first, *[u for u in range(9) if u != first]])
    run = Run(kind, {"model": "toy", "layer": "layer1", "label": label, "segmenter": chooser}, {"generator": "toy-generator-1"})
    return Ranking(run, "layer1", label, order, np.linspace(1, 0, 9)[np.argsort(order)], kind)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tree_curves(generator: toys.ToyGenerator, segmenter: toys.ToySegmenter) -> Curves:
    orders = [ranking("ace", toys.TREE), ranking("iou", toys.FAKE_TREE)]
    return curves(generator, segmenter, orders, VALUES, images=12, draws=10, counts=(1, 2, 4))


def test_a_single_effect_is_the_share_that_vanishes(generator: toys.ToyGenerator, segmenter: toys.ToySegmenter) -> None:
    found = single(generator, segmenter, "layer1", images=16)
    tree = found.effect("tree")
    assert tree[toys.TREE] == 1
    assert (tree[[toys.SKY, toys.FAKE_TREE, toys.DEAD, toys.NEGATIVE, toys.NOISE]] == 0).all()
    assert (found.change[[toys.TREE, toys.SKY]] > 1).all()
    assert found.change[toys.DEAD] == 0
    assert found.ranking("window").order[0] in (toys.WINDOW, toys.DOOR)
    with pytest.raises(BadInput, match="dome"):
        found.effect("dome")


def test_a_single_run_goes_on_from_kept_pieces(generator: toys.ToyGenerator, segmenter: toys.ToySegmenter, store: Store) -> None:
    def stop(done: int, total: int, note: str = "") -> None:
        if done > total // 2:
            raise JobCancelled("enough")

    with pytest.raises(JobCancelled):
        single(generator, segmenter, "layer1", images=32, store=store, report=stop)
    first: list[int] = []
    again = single(generator, segmenter, "layer1", images=32, store=store, report=lambda d, t, n="": first.append(d))
    assert first[0] > 32 * 9 // 4  # two of four pieces were there
    whole = single(generator, segmenter, "layer1", images=32)
    np.testing.assert_array_equal(again.after, whole.after)
    assert causal.load_single(store, "toy", "layer1", fingerprint="toy-generator-1") is not None
    assert store.list("part") == []


def test_removal_leaves_nothing_with_the_cause_and_everything_with_the_correlate(tree_curves: Curves) -> None:
    assert tree_curves.area_left("ace").mean.tolist() == [0, 0, 0]
    assert tree_curves.area_left("iou").mean[0] == 1
    assert (tree_curves.before[:, 2] > 0).all()


def test_a_random_unit_has_no_effect_unless_it_is_the_cause(tree_curves: Curves) -> None:
    hit = np.mean([np.random.RandomState(d).permutation(9)[0] == toys.TREE for d in range(10)])
    assert tree_curves.area_left("random").mean[0] == pytest.approx(1 - hit)
    assert tree_curves.random_removed.shape[0] == 10


@pytest.mark.parametrize("block", [1, 3])
def test_insertion_adds_the_class_with_the_cause_only_and_where_it_is_put(
        generator: toys.ToyGenerator, segmenter: toys.ToySegmenter, block: int) -> None:
    orders = [ranking("ace", toys.TREE), ranking("iou", toys.FAKE_TREE)]
    found = curves(generator, segmenter, orders, VALUES, images=12, draws=2, counts=(1,), block=block)
    gain, most = found.gain("ace"), block ** 2 * 16 / 32 ** 2  # a cell is one of 64; a block at the border is cut
    assert 0.4 * most < gain.mean[0] <= most  # sometimes a door is drawn over it
    assert found.gain("iou").mean[0] == 0
    assert gain.lo[0] <= gain.mean[0] <= gain.hi[0]
    assert found.block == block
    assert found.where == {1: "one cell", 3: "3 × 3 cells"}[block]


def test_what_is_inserted_into_never_covers_most_of_a_coarse_layer() -> None:
    assert [block_for(grid, 3) for grid in ((4, 4), (8, 8), (8, 4))] == [1, 3, 1]


def test_side_effects_name_what_else_changed(tree_curves: Curves) -> None:
    left = {e.label.name: e.left for e in tree_curves.side_effects("ace", 1)}
    assert left["tree"] == left["foliage"] == 0
    assert left["sky"] == left["door"] == 1
    inside, outside = tree_curves.change("ace", 1)
    assert inside > 50
    assert outside == 0


def test_bands_hold_the_mean_and_the_table_has_every_row(tree_curves: Curves) -> None:
    rows = tree_curves.table()
    assert len(rows) == 3 * 2 * 3
    assert {(r["order"], r["mode"]) for r in rows} == {(o, m) for o in ("ace", "iou", "random") for m in ("remove", "insert")}
    for row in rows:
        value = row["area_left" if row["mode"] == "remove" else "gain"]
        assert row["lo"] <= value + 1e-12  # type: ignore[operator]
        assert value <= row["hi"] + 1e-12  # type: ignore[operator]


def test_rows_show_the_pictures_before_and_after(tree_curves: Curves) -> None:
    before, removed = tree_curves.pictures("before"), tree_curves.pictures("removed")
    assert len(before) == len(removed) == 8
    assert before[0].shape == (32, 32, 3)
    green = [(p[..., 1] > 180).mean() for p in before], [(p[..., 1] > 180).mean() for p in removed]
    assert min(green[0]) > 0.02
    assert max(green[1]) < 0.005


def test_curves_are_stored_without_torch_and_say_who_scored(
        generator: toys.ToyGenerator, segmenter: toys.ToySegmenter, store: Store) -> None:
    order = ranking("ace", toys.DOOR, "door", chooser="toy")
    made = curves(generator, segmenter, [order], VALUES, images=4, draws=2, counts=(1,), store=store)
    read = causal.load_curves(store, "toy", "layer1", "door", fingerprint="toy-generator-1")
    assert read is not None
    assert read.table() == made.table()
    assert read.one_segmenter
    code = "import core.causal, core.artifacts, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_class_that_is_never_seen_is_refused(generator: toys.ToyGenerator, segmenter: toys.ToySegmenter) -> None:
    with pytest.raises(BadInput, match="dome.* in 0 of"):
        curves(generator, segmenter, [ranking("ace", 0, "dome")], VALUES, images=2, draws=1, counts=(1,))
    with pytest.raises(BadInput, match="one layer and one label"):
        curves(generator, segmenter, [ranking("ace", 0, "tree"), ranking("iou", 0, "door")], VALUES)


def test_the_context_table_tells_where_a_class_can_appear(generator: toys.ToyGenerator, segmenter: toys.ToySegmenter) -> None:
    order = ranking("ace", toys.TREE)
    found = context(generator, segmenter, order, VALUES, n=1, images=12, block=1)
    table = {p.label.name: p for p in found.table(min_cells=1)}
    # a door is drawn over a tree, so a tree put there does not show; over sky it does, in full
    assert table["door"].gain == 0
    assert table["sky"].gain == pytest.approx(16 / 1024, rel=0.05)
    assert table["tree"].gain == pytest.approx(0, abs=1e-4)
    assert table["sky"].pictures == 12
    assert found.map().shape == (8, 8)
    assert [p.gain for p in found.table(1)] == sorted((p.gain for p in found.table(1)), reverse=True)


def test_a_cancelled_context_table_goes_on_where_it_stopped(
        generator: toys.ToyGenerator, segmenter: toys.ToySegmenter, store: Store) -> None:
    order = ranking("ace", toys.TREE)

    def stop(done: int, total: int, note: str = "") -> None:
        if note == "picture 3 of 4":
            raise JobCancelled("enough")

    with pytest.raises(JobCancelled):
        context(generator, segmenter, order, VALUES, n=1, images=4, store=store, report=stop)
    notes: list[str] = []
    again = context(generator, segmenter, order, VALUES, n=1, images=4, store=store, report=lambda d, t, note="": notes.append(note))
    assert notes[0] == "picture 3 of 4"
    whole = context(generator, segmenter, order, VALUES, n=1, images=4)
    np.testing.assert_array_equal(again.gain, whole.gain)
    np.testing.assert_array_equal(again.before, whole.before)
    assert store.list("part") == []


def test_counting_counts_a_pixel_once() -> None:
    segmentation = torch.tensor([[[[1, 0], [2, 2]], [[1, 1], [0, 3]]]])
    assert label_counts(segmentation, 5).tolist() == [[0, 2, 2, 1, 0]]


def test_switching_off_and_inserting_touch_only_their_units() -> None:
    acts = torch.rand(2, 4, 4, 4) + 1
    units = torch.tensor([[0, 2], [3, -1]])
    off = switched_off(acts, units)
    assert (off[0, [0, 2]] == 0).all()
    assert (off[1, 3] == 0).all()
    assert torch.equal(off[0, [1, 3]], acts[0, [1, 3]])
    assert torch.equal(off[1, :3], acts[1, :3])
    put = inserted(acts, units, torch.full((4,), 9.0), torch.tensor([0, 3]), (2, 2))
    assert (put[0, 0, :2, :2] == 9).all()
    assert torch.equal(put[0, 0, 2:], acts[0, 0, 2:])
    assert (put[1, 3, 2:, 2:] == 9).all()
    assert torch.equal(put[1, :3], acts[1, :3])

"""What is shown beside a dissection: tightness by depth, nulls, agreement of two segmenters."""
from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from core import nulls as nulls_of
from core import tightness as tight
from core import trust as trust_of
from core.dissect import dissect
from core.errors import BadInput, UnknownName
from core.store import Run, Store
from tests import toys

LAYERS = ["layer1", "layer2"]


def square(size: int, at: int, side: int) -> torch.Tensor:
    region = torch.zeros(1, 1, size, size, dtype=torch.bool)
    region[..., at:at + side, at:at + side] = True
    return region


def test_boundary_f_is_one_on_the_outline_and_falls_with_distance() -> None:
    truth = square(32, 8, 12)
    assert tight.boundary_f(truth, truth, 1).item() == pytest.approx(1)
    grown = [tight.boundary_f(square(32, 8 - d, 12 + 2 * d), truth, 1).item() for d in (1, 2, 4)]
    assert grown[0] > 0.9
    assert grown[1] == pytest.approx(0)
    assert grown[2] == pytest.approx(0)
    assert tight.boundary_f(torch.zeros_like(truth), truth, 1).item() == 0


def test_the_outline_ignores_the_picture_edge() -> None:
    top = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    top[..., :3, :] = True
    want = torch.zeros_like(top)
    want[..., 2, :] = True
    assert torch.equal(tight.outline(top), want)


def test_the_bootstrap_interval_holds_the_mean_and_narrows_with_pictures() -> None:
    rng = np.random.default_rng(0)
    few, many = tight.interval(rng.normal(size=20)), tight.interval(rng.normal(size=2000))
    for mean, low, high in (few, many):
        assert low <= mean <= high
    assert many[2] - many[1] < (few[2] - few[1]) / 5
    assert np.isfinite(tight.interval(np.array([1.0, np.nan, 2.0, 3.0, np.nan, 1.5]))).all()


def test_the_finer_layer_outlines_its_things_more_tightly(store: Store) -> None:
    g, s = toys.ToyGenerator(), toys.ToySegmenter()
    found = dissect(g, s, LAYERS, range(40), level_seeds=range(1000, 1030), grid=(32, 32))
    t = tight.tightness(g, s, found, range(2_000_000, 2_000_040), units=1, tolerance=0,
                       store=store)
    assert t.layers == ("layer1", "layer2")
    assert "tree" in t.shared
    c = t.labels.index("tree")
    assert t.outline[1, c, 0] > t.outline[0, c, 0]
    assert t.overall_outline[1, 0] > t.overall_outline[0, 0]
    assert (t.outline[..., 1] <= t.outline[..., 2])[np.isfinite(t.outline[..., 0])].all()
    assert abs(np.log(t.area[1, c, 0])) < 0.3
    assert np.isnan(t.outline[:, t.labels.index("dome")]).all()
    again = tight.load(store, "toy")
    assert again is not None
    np.testing.assert_array_equal(again.outline, t.outline)


def test_nulls_have_no_tree_units(store: Store) -> None:
    g, s = toys.ToyGenerator(), toys.ToySegmenter()
    found = nulls_of.nulls(g, s, LAYERS, range(40), level_seeds=range(1000, 1030), store=store)
    tree = 8 - toys.TREE
    real, shuffled = found.iou["layer2"][0, 1, tree], found.iou["layer2"][2, 1, tree]
    assert real > 0.8
    assert shuffled < 0.3
    assert found.share("layer2", "real", threshold="iqr", cut=0.5) > found.share("layer2", "shuffled", threshold="iqr", cut=0.5)
    assert found.beyond("layer2", "shuffled", threshold="iqr") >= 4 / 9  # sky, tree, door and the false tree
    again = nulls_of.load(store, "toy")
    assert again is not None
    np.testing.assert_array_equal(again.iou["layer1"], found.iou["layer1"])
    assert again.share("layer1", "shuffled") == found.share("layer1", "shuffled")


def test_units_no_better_than_a_null_are_beyond_it_as_often_as_chance_says() -> None:
    rng = np.random.default_rng(0)
    iqr = rng.uniform(size=(3, 2, 4000)).astype(np.float32)
    iqr[2] /= 10
    found = nulls_of.Nulls(Run("nulls", {}), ("layer1",), {"layer1": iqr}, {"layer1": iqr})
    assert found.beyond("layer1", "random") == pytest.approx(nulls_of.CHANCE, abs=0.01)
    assert found.beyond("layer1", "shuffled") == pytest.approx(0.905, abs=0.02)
    with pytest.raises(UnknownName):
        found.beyond("layer2", "random")


@pytest.mark.parametrize(("last", "trend"), [((0.5, 0.45, 0.55), 1), ((0.32, 0.28, 0.36), 0), ((0.1, 0.05, 0.15), -1)])
def test_the_trend_is_told_only_where_the_intervals_are_apart(last: tuple[float, ...], trend: int) -> None:
    outline = np.array([[np.nan] * 3, (0.3, 0.25, 0.35), (0.9, 0.9, 0.9), last])
    found = tight.Tightness(Run("tightness", {}), ("a", "b", "c", "d"), (), *[np.empty(0)] * 4, outline, np.empty(0), ())
    assert found.ends() == (1, 3)
    assert found.trend() == trend


def test_random_weights_keep_shapes_and_spread_and_leave_the_generator_alone() -> None:
    from core.zoo.generator import ChainGenerator
    from core.zoo.proggan import ProgGANNet

    torch.manual_seed(0)
    g = ChainGenerator(ProgGANNet([8, 16, 8]), name="small", fingerprint="f", z_dim=8)
    before = {k: v.clone() for k, v in g.net.state_dict().items()}
    random = nulls_of.random_weights(g)
    for name, weight in random.net.state_dict().items():
        assert weight.shape == before[name].shape
        assert torch.equal(g.net.state_dict()[name], before[name])
    w, v = before["layer1.conv.weight"], random.net.state_dict()["layer1.conv.weight"]
    assert not torch.equal(w, v)
    assert v.std() == pytest.approx(float(w.std()), rel=0.05)
    assert random.fingerprint != g.fingerprint
    assert torch.equal(nulls_of.random_weights(g).net.state_dict()["layer1.conv.weight"], v)


def test_shuffled_pictures_belong_to_other_latents_alone_and_in_a_batch() -> None:
    g = toys.ToyGenerator()
    mixed = nulls_of.Shuffled(g)
    z = mixed.z_for_seeds([3, 4])
    torch.testing.assert_close(mixed.head(z, "layer1"), g.head(g.z_for_seeds([3, 4]), "layer1"))
    away = g.z_for_seeds([3 + nulls_of.AWAY, 4 + nulls_of.AWAY])
    torch.testing.assert_close(mixed.tail(mixed.head(z, "layer1"), "layer1", z), g.span(away, None, None))
    torch.testing.assert_close(mixed.z_for_seeds([4])[0], z[1])


class Contrary(toys.ToySegmenter):
    """Takes every second door for a tree."""

    name, fingerprint = "contrary", "contrary-1"

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        out = super().__call__(images)
        wrong = (out[:, 0] == 3) & (torch.arange(out.shape[3]) % 4 < 2)
        out[:, 0][wrong] = 2
        return out


def test_segmenters_that_disagree_are_named_label_by_label(store: Store) -> None:
    g = toys.ToyGenerator()
    found = trust_of.trust(g, toys.ToySegmenter(), Contrary(), range(40), store=store)
    assert found.iou[found.labels.index("sky")] == 1
    assert found.iou[found.labels.index("door")] == pytest.approx(0.5)
    assert found.doubtful == ("door",)
    assert np.isnan(found.iou[found.labels.index("dome")])
    again = trust_of.load(store, "toy")
    assert again is not None
    assert again.doubtful == found.doubtful


def test_a_damaged_stored_check_is_named_and_made_again(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    g, s = toys.ToyGenerator(), toys.ToySegmenter()
    first = trust_of.trust(g, s, Contrary(), range(8), store=store)
    arrays = store.root / "trust" / first.run.key / "arrays.npz"
    arrays.write_bytes(arrays.read_bytes()[:-100])
    again = trust_of.trust(g, s, Contrary(), range(8), store=store)
    assert first.run.key in caplog.text
    np.testing.assert_array_equal(again.iou, first.iou)
    assert trust_of.load(store, "toy") is not None


def test_checks_name_what_is_missing() -> None:
    g, s = toys.ToyGenerator(), toys.ToySegmenter()
    with pytest.raises(BadInput, match="dissect at least one layer"):
        tight.tightness(g, s, {})
    strangers = toys.ToySegmenter()
    strangers.labels = strangers.labels[:1]
    with pytest.raises(BadInput, match="no label in common"):
        trust_of.trust(g, s, strangers)


def test_stored_checks_are_read_without_torch() -> None:
    code = ("import sys, core.nulls, core.tightness, core.trust\n"
            "print([m for m in ('torch', 'numba') if m in sys.modules])")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"

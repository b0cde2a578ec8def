"""Concepts that somebody painted or that clustering found work as a segmenter; the planted generator says what is right."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from core import segment
from core.errors import BadInput, UnknownName
from core.segment import Segmenter, saved
from core.segment.concepts import (
    Painted,
    PixelSegmenter,
    check,
    cluster_maps,
    from_saved,
    iou_with_masks,
    make_clusters,
    make_painted,
    rank,
)
from core.segment.pixels import N_FEATURES, pixel_features
from core.store import Saved, Store
from tests import toys

SIZE = (32, 32)


def truth(name: str, seeds: list[int]) -> np.ndarray:
    """Where a thing of the planted generator is, bool (N,32,32)."""
    g, s = toys.ToyGenerator(), toys.ToySegmenter()
    out = s(g.span(g.z_for_seeds(seeds), None, None))
    label = next(x for x in s.labels if x.name == name)
    return np.kron((out == label.id).any(1).numpy(), np.ones((1, 32 // out.shape[2], 32 // out.shape[3]), bool))


def painted(names: tuple[str, ...] = ("tree", "door"), seeds: tuple[int, ...] = tuple(range(8))) -> list[Painted]:
    return [Painted(seed, name, mask) for name in names for seed, mask in zip(seeds, truth(name, list(seeds)), strict=True)]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """Trees and doors, painted on eight pictures."""
    return make_painted(toys.ToyGenerator(), painted(), name="toys", store=Store(tmp_path_factory.mktemp("runs"), shipped=()))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learning that is not judged."""
    monkeypatch.setattr("core.segment.pixels.STEPS", 10)
    monkeypatch.setattr("core.segment.concepts.FOLDS", 0)


def test_units_are_ranked_by_iou_with_what_was_painted() -> None:
    g = toys.ToyGenerator()
    found = rank(g, "layer1", painted())
    assert found["tree"].order[0] in (toys.TREE, toys.FAKE_TREE)
    assert found["door"].order[0] == toys.DOOR
    assert found["door"].kind == "iou"
    assert found["door"].score[toys.DEAD] == 0
    assert found["door"].run.key != rank(g, "layer1", painted(seeds=(0, 7)))["door"].run.key


def test_level_is_as_rare_as_what_was_painted_so_that_a_large_region_can_be_matched() -> None:
    g = toys.ToyGenerator()
    sky = painted(("sky",))
    share = float(np.mean([p.mask for p in sky]))
    assert share > 0.05
    best, rare = rank(g, "layer1", sky)["sky"], rank(g, "layer1", sky, quantile=0.01)["sky"]
    assert best.order[0] == toys.SKY
    assert best.score[toys.SKY] > 0.6
    assert rare.score[toys.SKY] < 0.2, "the top 1 % of a unit cannot cover a tenth of the picture"
    assert best.run.params["share above level"] == pytest.approx(share, abs=1e-6)


def test_iou_with_masks_is_the_plain_count() -> None:
    rng = np.random.RandomState(0)
    acts, masks = rng.randn(3, 4, 8, 8), rng.rand(3, 8, 8) > 0.6
    levels = np.array([0.0, 0.5, -0.5, 9.0])
    above = acts.astype(np.float32) > levels.astype(np.float32)[None, :, None, None]
    expected = [(above[:, u] & masks).sum() / (above[:, u] | masks).sum() for u in range(4)]
    np.testing.assert_allclose(iou_with_masks(acts, levels, masks), expected)


def test_painted_concepts_become_a_segmenter(kept: Saved) -> None:
    g = toys.ToyGenerator()
    s = from_saved(kept, device="cpu")
    assert isinstance(s, Segmenter)
    assert [x.name for x in s.labels] == ["no label", "tree", "door"]
    new = list(range(100, 130))
    images = g.span(g.z_for_seeds(new), None, None)
    out = s(images)
    assert out.shape == (30, 2, *SIZE)
    for k, name in enumerate(("tree", "door")):
        seen, right = (out[:, k] == k + 1).numpy(), truth(name, new)
        assert (seen & right).sum() / (seen | right).sum() > 0.8, f"{name} on pictures that nobody painted"
    assert np.mean(kept.manifest["agreement"]["tree"]) > 0.6
    assert s.features(images).shape[0] == 30


def test_score_is_a_differentiable_probability(kept: Saved) -> None:
    g = toys.ToyGenerator()
    s = from_saved(kept, device="cpu")
    images = g.span(g.z_for_seeds([0, 1]), None, None).clone().requires_grad_(True)
    score = s.scores(images, 1)
    assert score.shape == (2, *SIZE)
    assert score.min() >= 0
    assert score.max() <= 1
    assert ((score > 0.5) == (s(images)[:, 0] == 1)).all()
    score.sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    with pytest.raises(UnknownName):
        s.scores(images, 3)


def test_picture_alone_is_as_in_a_batch(kept: Saved) -> None:
    g = toys.ToyGenerator()
    s = from_saved(kept, device="cpu")
    images = g.span(g.z_for_seeds(range(4)), None, None)
    assert torch.equal(s(images)[2:3], s(images[2:3]))


def test_same_painting_is_found_again_and_another_is_another(store: Store, quick: None) -> None:
    g = toys.ToyGenerator()
    first = make_painted(g, painted(("tree",), (0, 1, 7)), name="a", store=store)
    assert make_painted(g, painted(("tree",), (0, 1, 7)), name="a", store=store).run.key == first.run.key
    assert len(store.list("concepts")) == 1
    assert make_painted(g, painted(("tree",), (0, 7, 6)), name="a", store=store).run.key != first.run.key


def test_stored_concepts_are_found_by_name_and_model(store: Store, quick: None) -> None:
    g = toys.ToyGenerator()
    kept = make_painted(g, painted(("tree",)), name="doors", store=store)
    name = saved.saved_name("doors", kept.run.key)
    assert saved.saved_names(g.name, store) == [name]
    assert saved.saved_names("another", store) == []
    s = saved.load_saved(name, "cpu", store)
    assert isinstance(s, PixelSegmenter)
    assert s.name == name
    assert s.fingerprint == from_saved(kept, "cpu").fingerprint
    with pytest.raises(UnknownName, match="concepts-doors"):
        saved.load_saved("concepts-doors-00000000", "cpu", store)
    with pytest.raises(UnknownName):
        segment.load("concepts-nothing-12345678")


def test_clusters_of_activations_follow_what_is_drawn(store: Store) -> None:
    g = toys.ToyGenerator()
    maps = cluster_maps(g, "layer1", 5, seeds=range(40))
    assert maps.shape == (40, 8, 8)
    counts = np.bincount(maps.ravel(), minlength=6)
    assert counts[0] == 0
    assert (np.diff(counts[1:]) <= 0).all(), "the largest comes first"
    door = truth("door", list(range(40)))[:, 2::4, 2::4]
    best = max(((maps == c) & door).sum() / ((maps == c) | door).sum() for c in range(1, 6))
    assert best > 0.6
    assert np.array_equal(maps, cluster_maps(g, "layer1", 5, seeds=range(40)))


def test_clusters_become_a_segmenter(store: Store) -> None:
    g = toys.ToyGenerator()
    kept = make_clusters(g, "layer1", 4, name="auto", store=store, seeds=range(32))
    s = from_saved(kept, device="cpu")
    out = s(g.span(g.z_for_seeds([50, 51]), None, None))
    assert out.shape == (2, 1, *SIZE)
    assert set(out.unique().tolist()) <= {0, 1, 2, 3, 4}
    assert kept.manifest["agreement"]["all"][0] > 0.6


def test_features_are_as_many_as_said() -> None:
    assert pixel_features(torch.rand(2, 3, 48, 40)).shape == (2, N_FEATURES, 48, 40)
    assert pixel_features(torch.rand(1, 3, 256, 256)).shape == (1, N_FEATURES, 64, 64)


@pytest.mark.parametrize(("wrong", "says"), [
    ([], "1 to"),
    ([Painted(0, "x", np.zeros((8, 8), bool))], "bool"),
    ([Painted(0, "x", np.zeros(SIZE, bool))], "painted nowhere"),
    ([Painted(0, "x", np.ones(SIZE, bool))], "every pixel"),
    ([Painted(0, "  ", np.ones(SIZE, bool))], "name"),
    ([Painted(0, f"c{k}", np.eye(32, dtype=bool)) for k in range(13)], "at most 12"),
])
def test_painting_that_cannot_be_learned_from_says_why(wrong: list[Painted], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        check(wrong, SIZE)

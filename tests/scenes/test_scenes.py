"""The painter of church scenes: what its pictures and labels promise."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import BadInput
from core.scenes import BRUSHES, CHANNELS, IDS, LABELS, WORLD_VERSION, channel_ids, paint_scene, paint_scenes

WORLD = Path(__file__).parent / "world2.npz"  # seeds 0..7 of WORLD_VERSION 2: images (8,64,64,3), labels (8,3,64,64)


@cache
def many() -> np.ndarray:
    """Labels of seeds 0..399 at 64 px, (400, 3, 64, 64)."""
    return paint_scenes(range(400), 64)[1]


@cache
def shares() -> np.ndarray:
    """(400, labels) share of each scene's pixels that carry a label."""
    return np.stack([np.bincount(labels.ravel(), minlength=len(LABELS)) / 64**2 for labels in many()])


def test_labels_are_numbered_in_order_and_start_with_no_label() -> None:
    assert [label.id for label in LABELS] == list(range(len(LABELS)))
    assert (LABELS[0].name, LABELS[0].category) == ("no label", "none")
    assert len({label.name for label in LABELS}) == len(LABELS)
    assert {label.category for label in LABELS[1:]} == set(CHANNELS)


def test_every_brush_is_a_label() -> None:
    assert set(BRUSHES) <= {label.name for label in LABELS}


def test_a_seed_is_one_scene_and_another_seed_another() -> None:
    first, again, other = paint_scene(7, 64), paint_scene(7, 64), paint_scene(8, 64)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.labels, again.labels)
    assert (first.labels != other.labels).mean() > 0.1
    assert np.abs(first.image.astype(int) - other.image).mean() > 5


def test_a_scene_is_the_same_alone_and_in_a_batch_of_any_order() -> None:
    images, labels = paint_scenes([11, 3, 5], 48)
    for at, seed in enumerate([11, 3, 5]):
        scene = paint_scene(seed, 48)
        assert np.array_equal(images[at], scene.image)
        assert np.array_equal(labels[at], scene.labels)


def test_shapes_and_types() -> None:
    scene = paint_scene(1, 100)
    assert (scene.image.shape, scene.image.dtype) == ((100, 100, 3), np.uint8)
    assert (scene.labels.shape, scene.labels.dtype) == ((3, 100, 100), np.uint8)
    assert paint_scene(1).image.shape == (128, 128, 3)
    images, labels = paint_scenes([], 32)
    assert (images.shape, labels.shape) == ((0, 32, 32, 3), (0, 3, 32, 32))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [32, 64, 96, 128])
def test_a_scene_is_the_same_at_every_size(seed: int, size: int) -> None:
    big, small = paint_scene(seed, 256), paint_scene(seed, size)
    shrunk = cv2.resize(big.image, (size, size), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(int) - small.image).max() <= 1
    grown = cv2.resize(small.labels.transpose(1, 2, 0), (256, 256), interpolation=cv2.INTER_NEAREST_EXACT)
    assert (grown.transpose(2, 0, 1) == big.labels).mean() > {32: 0.85, 64: 0.92, 96: 0.94, 128: 0.96}[size]


@pytest.mark.parametrize("seed", range(4))
def test_pictures_at_half_size_are_the_halved_pictures(seed: int) -> None:
    halved = cv2.resize(paint_scene(seed, 128).image, (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(halved.astype(int) - paint_scene(seed, 64).image).max() <= 1


def test_every_channel_holds_only_its_own_labels() -> None:
    for at, channel in enumerate(CHANNELS):
        found = set(np.unique(many()[:, at]).tolist()) - {0}
        assert found == set(channel_ids(channel))


def test_every_pixel_is_some_object() -> None:
    assert (many()[:, 0] > 0).all()


def test_parts_belong_to_their_objects() -> None:
    objects, parts, materials = many()[:, 0], many()[:, 1], many()[:, 2]
    on_trees = np.isin(parts, [IDS["trunk"], IDS["crown"]])
    assert (objects[on_trees] == IDS["tree"]).all()
    assert (on_trees == (objects == IDS["tree"])).all()
    assert (objects[(parts > 0) & ~on_trees] == IDS["building"]).all()
    assert (materials[parts == IDS["window"]] == IDS["glass"]).all()
    assert (materials[parts == IDS["door"]] == IDS["wood"]).all()
    assert ((objects == IDS["path"]) == (materials == IDS["gravel"])).all()
    assert (materials[np.isin(objects, [IDS["sky"], IDS["cloud"], IDS["person"], IDS["grass"]])] == 0).all()


AREAS = {  # per cent of pixels: least and most over seeds 0..399
    "sky": (27, 36), "cloud": (3, 7), "hill": (1.5, 4), "tree": (6, 11), "grass": (11, 18), "path": (2, 4),
    "building": (28, 38), "fence": (1, 2.5), "lamp": (0.3, 0.8), "bench": (0.4, 1), "person": (0.3, 1),
    "door": (1.2, 3.5), "window": (3, 5), "dome": (1.2, 3.5), "roof": (4, 7), "spire": (1, 3), "tower": (3, 6),
    "wall": (10, 16), "trunk": (0.3, 0.8), "crown": (6, 11), "brick": (6, 11), "stone": (4, 8), "plaster": (1.5, 4),
    "wood": (4, 7), "glass": (3, 5), "copper": (2, 5), "slate": (2, 5), "tile": (1.5, 4), "foliage": (6, 11),
    "gravel": (2, 4),
}  # fmt: skip


@pytest.mark.parametrize("name", [label.name for label in LABELS[1:]])
def test_each_label_has_its_share_of_the_world(name: str) -> None:
    low, high = AREAS[name]
    assert low < 100 * shares()[:, IDS[name]].mean() < high
    assert (shares()[:, IDS[name]] > 0).mean() > 0.15


def test_colours_follow_the_labels() -> None:
    images, labels = paint_scenes(range(60), 64)
    image = images.astype(int)
    brick, plaster = image[labels[:, 2] == IDS["brick"]], image[labels[:, 2] == IDS["plaster"]]
    assert np.mean(brick[:, 0] - brick[:, 2]) > np.mean(plaster[:, 0] - plaster[:, 2]) + 25
    grass, sky = image[labels[:, 0] == IDS["grass"]], image[labels[:, 0] == IDS["sky"]]
    assert np.mean(grass[:, 1] - grass[:, 2]) > 15
    assert np.mean(sky[:, 2] - sky[:, 1]) > 10


def test_clouds_stand_out_from_the_sky_beside_them() -> None:
    clear = []
    for seed in range(40):
        scene = paint_scene(seed, 128)
        cloud = scene.labels[0] == IDS["cloud"]
        if cloud.mean() < 0.01:
            continue
        around = (cv2.dilate(cloud.astype(np.uint8), np.ones((15, 15))) > 0) & (scene.labels[0] == IDS["sky"])
        brightness = scene.image.mean(axis=2)
        clear.append(brightness[cloud].mean() - brightness[around].mean())
    assert min(clear) > 10


@pytest.mark.parametrize("size", [0, 31, 257, -128])
def test_sizes_out_of_range_are_refused(size: int) -> None:
    with pytest.raises(BadInput, match=f"{size}.*32 to 256"):
        paint_scene(0, size)


@pytest.mark.parametrize("size", [31, 100000])
def test_a_batch_refuses_a_bad_size_too(size: int) -> None:
    with pytest.raises(BadInput, match="32 to 256"):
        paint_scenes([0], size)
    with pytest.raises(BadInput, match="32 to 256"):
        paint_scenes([], size)


def test_negative_seeds_are_refused() -> None:
    with pytest.raises(BadInput, match="-1"):
        paint_scene(-1)


@pytest.mark.parametrize("seed", [1.5, "7", None])
def test_seeds_that_are_no_whole_numbers_are_refused(seed: object) -> None:
    with pytest.raises(BadInput, match="not a whole number"):
        paint_scene(seed)  # type: ignore[arg-type]


def test_numpy_integers_are_seeds() -> None:
    assert np.array_equal(paint_scene(np.int64(5), 32).image, paint_scene(5, 32).image)


def test_the_world_is_the_one_the_bundled_weights_were_trained_on() -> None:
    """A change of any pixel here needs a new WORLD_VERSION and new weights."""
    assert WORLD_VERSION == 2
    kept = np.load(WORLD)
    images, labels = paint_scenes(range(8), 64)
    assert np.array_equal(labels, kept["labels"])
    assert np.abs(images.astype(int) - kept["images"]).max() <= 2  # other processors round the last bit differently

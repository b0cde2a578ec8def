"""Pictures and label maps by seed come back as they were."""
from __future__ import annotations

import numpy as np
import pytest

from core.dissect.pictures import Album, Pictures, fitted
from core.errors import BadInput
from core.store import Run


def album(labels: int, channels: int, side: int, seg: int, n: int = 3) -> tuple[Pictures, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images = np.repeat(np.repeat(rng.integers(0, 255, (n, side // 8, side // 8, 3), np.uint8), 8, 1), 8, 2)
    segs = rng.integers(0, labels, (n, channels, seg, seg))
    kept = Album(labels)
    kept.add(np.array([5, 9]), images[:2], segs[:2])
    kept.add(np.array([2]), images[2:], segs[2:])
    arrays = kept.arrays()
    again = Album(labels)
    again.restore(arrays)
    for name, value in again.arrays().items():
        np.testing.assert_array_equal(value, arrays[name])
    shape = tuple(int(v) for v in arrays["shape"])
    return Pictures(Run("pictures", {}), arrays["seeds"], shape, arrays), images, segs  # type: ignore[arg-type]


@pytest.mark.parametrize(("labels", "kind"), [(31, np.uint8), (256, np.uint8), (400, np.uint16)])
def test_label_maps_come_back_exactly_also_with_many_labels(labels: int, kind: type) -> None:
    pictures, images, segs = album(labels, 3, 64, 64)
    for seed, i in ((5, 0), (9, 1), (2, 2)):
        assert pictures.has(seed)
        assert pictures.segmentation(seed).dtype == kind
        np.testing.assert_array_equal(pictures.segmentation(seed), segs[i])
        assert np.abs(pictures.image(seed).astype(int) - images[i]).mean() < 12  # JPEG
    assert not pictures.has(0)
    with pytest.raises(BadInput, match="seed 0"):
        pictures.image(0)


def test_large_pictures_become_thumbnails_with_label_maps_of_the_same_size() -> None:
    pictures, _, segs = album(31, 2, 256, 64)
    assert pictures.image(5).shape == (128, 128, 3)
    assert pictures.segmentation(5).shape == (2, 128, 128)
    np.testing.assert_array_equal(pictures.segmentation(5)[:, ::2, ::2], segs[0])


def test_thumbnails_keep_the_picture_s_shape() -> None:
    assert fitted((64, 64)) == (64, 64)
    assert fitted((256, 512)) == (64, 128)
    assert fitted((1, 4096)) == (1, 128)

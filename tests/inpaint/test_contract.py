"""What holds for every inpainting method, on every awkward picture. Learned methods run with stand-in nets of their signature."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from core import inpaint
from core.errors import BadInput
from core.inpaint import deep, fill_hole
from tests.inpaint.standins import StandInLama, StandInMigan, saved

LEARNED = ("lama", "migan")
METHODS = [*(name for name in inpaint.names() if name not in LEARNED), *LEARNED]


@pytest.fixture(scope="module", autouse=True)
def _standins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The learned methods find files in their folder, of nets that fill with the mean of what is known."""
    folder = tmp_path_factory.mktemp("nets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(deep.FOLDER_VARIABLE, str(folder))
        for name, fill, net in (("lama", deep.lama, StandInLama()), ("migan", deep.migan, StandInMigan())):
            weights = saved(net, folder, f"{name}.pt")
            patch.setitem(inpaint.REGISTRY, name, replace(inpaint.REGISTRY[name], fill=fill(weights),
                                                          missing=partial(deep.missing, weights)))
        yield


def picture(height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    """A coloured gradient with texture on it."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(seed).integers(-20, 20, (height, width, 3))
    base = np.stack([y * 255 / max(1, height - 1), x * 255 / max(1, width - 1), 128 + 60 * np.sin(x / 3.0)], axis=-1)
    return np.clip(base + noise, 0, 255).astype(np.uint8)


def mask(height: int, width: int, rows: slice, columns: slice) -> np.ndarray:
    m = np.zeros((height, width), bool)
    m[rows, columns] = True
    return m


def salt(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).random((height, width)) < 0.02


ALL = slice(None)
HOLES = {
    "middle": (48, 64, mask(48, 64, slice(18, 30), slice(20, 34))),
    "on the border": (48, 64, mask(48, 64, slice(18, 30), slice(50, 64))),
    "corner": (48, 64, mask(48, 64, slice(0, 12), slice(0, 12))),
    "one pixel": (48, 64, mask(48, 64, slice(9, 10), slice(9, 10))),
    "one pixel at the corner": (48, 64, mask(48, 64, slice(47, 48), slice(63, 64))),
    "salt": (48, 64, salt(48, 64)),
    "two blobs": (48, 64, mask(48, 64, slice(4, 10), slice(4, 10)) | mask(48, 64, slice(34, 44), slice(50, 60))),
    "a whole row": (48, 64, mask(48, 64, slice(20, 24), ALL)),
    "small picture": (16, 20, mask(16, 20, slice(5, 9), slice(6, 10))),
    "tiny picture": (5, 5, mask(5, 5, slice(2, 3), slice(2, 3))),
    "one row high": (1, 30, mask(1, 30, ALL, slice(10, 13))),
}


@pytest.mark.parametrize("case", HOLES)
@pytest.mark.parametrize("name", METHODS)
def test_hole_is_filled_and_the_rest_is_bit_identical(name, case):
    height, width, m = HOLES[case]
    image = picture(height, width)
    filled = fill_hole(inpaint.get(name), image, m, grow=1, feather=0)
    assert filled.image.shape == image.shape
    assert filled.image.dtype == np.uint8
    assert np.array_equal(filled.image[~filled.hole.inside], image[~filled.hole.inside])
    assert filled.hole.inside[m].all()
    error = np.abs(filled.image[m].astype(int) - image[m]).mean()
    assert name in LEARNED or error < 90, "the fill is nowhere near its surroundings"


@pytest.mark.parametrize("name", METHODS)
def test_pixels_under_the_hole_have_no_influence(name):
    image, m = picture(), HOLES["middle"][2]
    other = image.copy()
    other[m] = 255 - other[m]
    method = inpaint.get(name)
    a, b = (fill_hole(method, x, m, grow=0, feather=0).image for x in (image, other))
    assert np.array_equal(a, b)


@pytest.mark.parametrize("name", METHODS)
def test_empty_mask_gives_the_input_back(name):
    image = picture()
    out = inpaint.get(name)(image, np.zeros(image.shape[:2], bool))
    assert np.array_equal(out, image)
    assert out is not image


@pytest.mark.parametrize("name", METHODS)
def test_full_mask_is_refused_in_words(name):
    image = picture()
    with pytest.raises(BadInput, match="100% of the picture"):
        inpaint.get(name)(image, np.ones(image.shape[:2], bool))


@pytest.mark.parametrize("name", METHODS)
def test_nine_known_pixels_are_refused_in_words(name):
    m = np.ones((48, 64), bool)
    m[:3, :3] = False
    with pytest.raises(BadInput, match="at most 90%"):
        inpaint.get(name)(picture(), m)


@pytest.mark.parametrize("name", METHODS)
def test_same_seed_same_picture(name):
    image, m = picture(), HOLES["middle"][2]
    method = inpaint.get(name)
    assert np.array_equal(method(image, m, seed=3), method(image, m, seed=3))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("bad", [
    picture()[..., 0], picture()[..., :1], np.dstack([picture(), picture()[..., 0]]), picture().astype(np.uint16),
    picture().astype(np.float32) / 255,
], ids=["grey", "one channel", "rgba", "uint16", "float"])
def test_other_pixel_formats_are_refused_in_words(name, bad):
    with pytest.raises(BadInput, match="expected a uint8 RGB picture"):
        inpaint.get(name)(bad, np.zeros(bad.shape[:2], bool))


@pytest.mark.parametrize("name", METHODS)
def test_mask_of_another_size_or_type_is_refused_in_words(name):
    with pytest.raises(BadInput, match="the mask must have the picture's size"):
        inpaint.get(name)(picture(), np.zeros((20, 20), bool))
    with pytest.raises(BadInput, match="must be bool"):
        inpaint.get(name)(picture(), np.zeros((48, 64), np.uint8))


@pytest.mark.parametrize("name", METHODS)
def test_views_and_read_only_pictures_work_and_stay_as_they_are(name):
    image, m = picture(96, 128)[::2, ::-2], HOLES["middle"][2]
    image.flags.writeable = False
    m = np.asfortranarray(m)
    kept = image.copy()
    out = inpaint.get(name)(image, m)
    assert np.array_equal(out, inpaint.get(name)(kept, m))
    assert np.array_equal(image, kept)


@pytest.mark.parametrize("name", METHODS)
def test_flat_picture_is_filled_flat(name):
    image = np.full((40, 40, 3), 90, np.uint8)
    out = inpaint.get(name)(image, mask(40, 40, slice(10, 20), slice(10, 20)))
    assert np.abs(out.astype(int) - 90).max() <= 2


@pytest.mark.parametrize("name", METHODS)
def test_avoid_mask_is_honoured_or_refused(name):
    """A red block is the only place that looks unlike the rest: kept out, none of it may be copied."""
    image, m = picture(), HOLES["middle"][2]
    image[:, :16] = (255, 0, 0)
    avoid = mask(48, 64, ALL, slice(0, 16))
    method = inpaint.get(name)
    if not method.avoids:
        with pytest.raises(BadInput, match="does not copy"):
            method(image, m, avoid=avoid)
        return
    out = method(image, m, avoid=avoid)
    red = (out[m] == (255, 0, 0)).all(axis=1)
    assert not red.any()


@pytest.mark.parametrize("name", [n for n in METHODS if inpaint.REGISTRY[n].avoids])
def test_nothing_left_to_copy_from_is_refused_in_words(name):
    m = HOLES["middle"][2]
    with pytest.raises(BadInput, match="nothing is left to copy from"):
        inpaint.get(name)(picture(), m, avoid=np.ones_like(m))


def test_every_entry_explains_itself():
    for name, method in inpaint.REGISTRY.items():
        assert method.name == name
        assert method.title
        assert method.about.endswith(".")

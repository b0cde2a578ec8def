"""The adapter around every method: growing, feathering, size cap, compositing."""
from __future__ import annotations

import threading

import numpy as np
import pytest

from core import inpaint
from core.errors import BadInput, MissingPackage, UnknownName
from core.inpaint import Inpainter, composite, fill_hole, make_hole
from tests.inpaint.test_contract import mask, picture


def painter(colour: tuple[int, int, int] = (255, 0, 255), **options) -> Inpainter:
    """A "method" that paints the whole picture, known pixels included, and keeps what it was given."""
    def fill(image, hole, *, avoid, seed):
        calls.append((image.copy(), hole.copy(), avoid))
        return np.broadcast_to(np.array(colour, np.uint8), image.shape).copy()
    calls: list = []
    method = Inpainter("painter", "Painter", fill, "Paints all.", **options)
    object.__setattr__(method, "calls", calls)
    return method


def test_hole_grows_by_the_asked_pixels_and_never_less_than_the_mask():
    m = mask(50, 50, slice(20, 30), slice(20, 30))
    for grow in (0, 1, 4):
        hole = make_hole(m, grow, 0)
        assert hole.inside.sum() >= m.sum()
        rows = np.flatnonzero(hole.inside.any(axis=1))
        assert (rows[0], rows[-1]) == (20 - grow, 29 + grow)


def test_feather_shows_the_fill_fully_on_the_mask_and_fades_beyond_it():
    m = mask(60, 60, slice(25, 35), slice(25, 35))
    before, after = np.zeros((60, 60, 3), np.uint8), np.full((60, 60, 3), 200, np.uint8)
    out = composite(before, after, make_hole(m, grow=2, feather=5))[30, :, 0].astype(int)
    assert (out[23:37] == 200).all()
    fade = out[36:43]
    assert (np.diff(fade) < 0).all()
    assert out[42] == 0 or out[42] < 20
    assert (out[43:] == 0).all()
    assert (out[:17] == 0).all()


def test_composite_changes_nothing_outside_the_hole():
    image, other = picture(seed=1), picture(seed=2)
    hole = make_hole(mask(48, 64, slice(10, 20), slice(0, 20)), 3, 3)
    out = composite(image, other, hole)
    assert np.array_equal(out[~hole.inside], image[~hole.inside])
    assert (out[10:20, :20] == other[10:20, :20]).all()


def test_known_pixels_come_back_even_from_a_method_that_paints_all():
    method, image = painter(), picture()
    filled = fill_hole(method, image, mask(48, 64, slice(10, 20), slice(10, 20)), grow=2, feather=2)
    assert np.array_equal(filled.image[~filled.hole.inside], image[~filled.hole.inside])
    assert (filled.raw == (255, 0, 255)).all()
    assert (filled.image[10:20, 10:20] == (255, 0, 255)).all()


def test_method_sees_zeros_in_the_hole():
    method, image = painter(), picture()
    filled = fill_hole(method, image, mask(48, 64, slice(10, 20), slice(10, 20)))
    (seen, hole, _), = method.calls
    assert (seen[hole] == 0).all()
    assert np.array_equal(hole, filled.hole.inside)
    assert np.array_equal(seen[~hole], image[~hole])


def test_large_picture_is_worked_on_at_the_cap_and_returned_at_full_size():
    image = picture(90, 400)
    m = mask(90, 400, slice(10, 80), slice(20, 380))
    method = painter(max_side=64)
    filled = fill_hole(method, image, m, grow=1, feather=0)
    (seen, _, _), = method.calls
    assert max(seen.shape) <= 64
    assert filled.image.shape == image.shape
    assert np.array_equal(filled.image[~filled.hole.inside], image[~filled.hole.inside])
    assert (filled.image[m] == (255, 0, 255)).mean() > 0.98


def test_small_hole_in_a_large_picture_is_worked_on_at_full_sharpness():
    image = picture(300, 500)
    m = mask(300, 500, slice(200, 210), slice(400, 415))
    method = painter(max_side=100)
    filled = fill_hole(method, image, m)
    (seen, hole, _), = method.calls
    assert seen.shape[:2] == (100, 100)
    assert hole.sum() == filled.hole.inside.sum()
    assert (filled.image[m] == (255, 0, 255)).all()


def test_hole_pixels_do_not_leak_into_a_shrunken_picture():
    image = np.full((400, 400, 3), 100, np.uint8)
    m = mask(400, 400, slice(51, 352), slice(47, 349))
    image[m] = 255
    method = painter(max_side=90)
    fill_hole(method, image, m, grow=0, feather=0)
    (seen, hole, _), = method.calls
    assert np.abs(seen[~hole].astype(int) - 100).max() <= 1


def test_hole_pixel_budget_shrinks_the_picture():
    method = painter(max_hole=100)
    fill_hole(method, picture(200, 200), mask(200, 200, slice(50, 150), slice(50, 150)), grow=0, feather=0)
    (_, hole, _), = method.calls
    assert hole.sum() <= 150


def test_keep_out_beyond_the_window_is_still_kept_out():
    """The window of a large picture may hold nothing but keep-out: then the method gets the whole picture."""
    image = picture(200, 400)
    m, avoid = mask(200, 400, slice(90, 110), slice(20, 40)), mask(200, 400, slice(None), slice(0, 300))
    method = painter(max_side=100, avoids=True)
    fill_hole(method, image, m, avoid=avoid)
    (seen, hole, kept_out), = method.calls
    assert seen.shape[1] == 100
    assert (~(hole | kept_out)).any()


def test_hole_that_outgrows_the_picture_is_refused_with_the_growth_named():
    with pytest.raises(BadInput, match=r"once grown by 30 \+ 0"):
        fill_hole(painter(), picture(), mask(48, 64, slice(10, 40), slice(10, 55)), grow=30, feather=0)


def test_negative_growth_is_refused():
    with pytest.raises(BadInput, match="0 pixels or more"):
        fill_hole(painter(), picture(), mask(48, 64, slice(10, 20), slice(10, 20)), grow=-1)


def test_picture_over_25_megapixels_is_refused_before_it_is_touched():
    huge = np.broadcast_to(np.uint8(0), (6000, 6000, 3))
    with pytest.raises(BadInput, match="6000 × 6000"):
        fill_hole(painter(), huge, np.broadcast_to(np.bool_(False), (6000, 6000)))


def test_unusable_method_is_listed_with_its_reason_and_refused(monkeypatch):
    broken = painter(needs="SomeLibrary", missing=lambda: "its compiled library does not load")
    monkeypatch.setitem(inpaint.REGISTRY, "painter", broken)
    assert "painter" not in inpaint.names()
    assert "painter" in inpaint.names(usable=False)
    with pytest.raises(MissingPackage, match="pip install SomeLibrary"):
        inpaint.get("painter")
    with pytest.raises(MissingPackage, match="does not load"):
        broken(picture(), np.zeros((48, 64), bool))


def test_unknown_method_names_the_known_ones():
    with pytest.raises(UnknownName, match="did you mean 'patchmatch'"):
        inpaint.get("patchmach")


def test_seeds_of_different_threads_do_not_mix():
    image, m = picture(64, 64), mask(64, 64, slice(20, 40), slice(20, 40))
    method = inpaint.get("patchmatch")
    alone = {seed: method(image, m, seed=seed) for seed in range(4)}
    assert not np.array_equal(alone[0], alone[1])
    together: dict[int, np.ndarray] = {}
    threads = [threading.Thread(target=lambda s=s: together.__setitem__(s, method(image, m, seed=s))) for s in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(np.array_equal(alone[s], together[s]) for s in alone)

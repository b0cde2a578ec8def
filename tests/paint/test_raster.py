"""Which pixels a stroke covers."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.paint import Stroke, mask_of, union

SIZE = (64, 64)
SOME = Stroke("tree", points=((10, 10), (40, 20)), size=8)


def test_a_dot_is_a_disc_of_its_size() -> None:
    mask = mask_of(Stroke("tree", points=((32, 32),), size=20), SIZE)
    assert mask.sum() == pytest.approx(np.pi * 100, rel=0.03)
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (22, 41, 22, 41)


def test_a_line_is_as_wide_as_the_brush() -> None:
    mask = mask_of(Stroke("tree", points=((10, 32), (50, 32)), size=6, shape="line"), SIZE)
    assert mask[:, 30].sum() == 6
    assert mask.sum() == pytest.approx(40 * 6 + np.pi * 9, rel=0.03)


def test_a_rectangle_covers_the_pixels_whose_centres_it_holds() -> None:
    corners = Stroke("tree", shape="rect", points=((10, 20), (30, 25)))
    mask = mask_of(corners, SIZE)
    expected = np.zeros(SIZE, bool)
    expected[20:25, 10:30] = True
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(mask_of(Stroke("tree", shape="rect", points=((30, 25), (10, 20))), SIZE), expected)


def test_a_polygon_agrees_with_scikit_image() -> None:
    from skimage.draw import polygon2mask

    points = ((5.0, 7.0), (50.0, 12.0), (31.0, 33.0), (44.0, 60.0), (8.0, 50.0))
    theirs = polygon2mask(SIZE, [(y - 0.5, x - 0.5) for x, y in points])
    mine = mask_of(Stroke("tree", shape="polygon", points=points), SIZE)
    assert (mine != theirs).sum() <= 4  # centres that lie on an edge


def test_all_covers_everything_and_nothing_is_covered_outside() -> None:
    assert mask_of(Stroke("tree", shape="all"), SIZE).all()
    assert not mask_of(Stroke("tree", points=((-100, -100), (-50, 900)), size=20), SIZE).any()


def test_the_finest_brush_covers_the_pixel_it_is_in() -> None:
    for x, y in ((3.01, 3.99), (10.0, 10.0), (63.9, 0.1)):
        assert mask_of(Stroke("tree", points=((x, y),), size=0.125), SIZE)[int(y), int(x)]


def test_masks_are_shared_and_therefore_read_only() -> None:
    mask = mask_of(SOME, SIZE)
    with pytest.raises(ValueError, match="read-only"):
        mask[0, 0] = True
    assert mask_of(Stroke("door", "remove", points=SOME.points, size=8), SIZE) is mask


@settings(max_examples=40, deadline=None)
@given(st.integers(-20, 20), st.integers(-20, 20), st.sampled_from(["free", "rect", "polygon"]))
def test_moving_a_stroke_moves_its_mask(dx: int, dy: int, shape: str) -> None:
    points = ((22.5, 25.0), (40.0, 30.25)) if shape != "polygon" else ((22.5, 25.0), (40.0, 30.25), (25.0, 41.0))
    here = mask_of(Stroke("tree", shape=shape, points=points, size=7), SIZE)  # type: ignore[arg-type]
    there = mask_of(Stroke("tree", shape=shape, points=tuple((x + dx, y + dy) for x, y in points), size=7),  # type: ignore[arg-type]
                    (104, 104))
    moved = np.zeros((104, 104), bool)
    moved[max(0, dy):64 + dy, max(0, dx):64 + dx] = here[max(0, -dy):, max(0, -dx):]
    np.testing.assert_array_equal(there, moved)


def test_a_union_is_all_of_them() -> None:
    other = Stroke("door", shape="rect", points=((0, 0), (5, 5)))
    np.testing.assert_array_equal(union([SOME, other], SIZE), mask_of(SOME, SIZE) | mask_of(other, SIZE))

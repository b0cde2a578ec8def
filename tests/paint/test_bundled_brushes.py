"""On the bundled generator the brushes do what they say, as a segmenter sees it that had no part in choosing the units."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from core import dissect, segment, zoo
from core.dissect import Dissection
from core.image import from_u8
from core.paint import Painting, Stroke, mask_of, paint_seeds, stored_rankings
from core.segment import Segmenter
from core.store import Store
from core.zoo.generator import Generator

MODEL = "scenes"
LAYER = zoo.card(MODEL).default_layer
SIDE = max(zoo.card(MODEL).image_size)
SEEDS = range(20)


def at(*shares: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """Points given as shares of the picture's side, in image pixels."""
    return tuple((x * SIDE, y * SIDE) for x, y in shares)


PLACE = at((0.22, 0.66), (0.41, 0.69))  # left of the church, where the ground begins
BRUSH = SIDE / 4


@pytest.fixture(scope="module")
def generator() -> Generator:
    return zoo.load(MODEL, "cpu")


@pytest.fixture(scope="module")
def d() -> Dissection:
    found = dissect.load(Store(), MODEL, LAYER)
    assert found is not None, "the dissection that ships with the bundled model is missing or of other weights: make bundled"
    return found


@pytest.fixture(scope="module")
def judge() -> Segmenter:
    return segment.load("scenes-judge", "cpu")


def seen(judge: Segmenter, images: Sequence[np.ndarray], name: str) -> np.ndarray:
    """bool (N,H,W): where the judge sees the class."""
    label = next(x.id for x in judge.labels if x.name == name)
    with torch.no_grad():
        return (judge(from_u8(np.stack(images))) == label).any(1).numpy()


def gains(generator: Generator, d: Dissection, judge: Segmenter, stroke: Stroke, seeds: Sequence[int]) -> np.ndarray:
    """Share of the stroke's pixels that the class won, for each seed."""
    painting = Painting(MODEL, LAYER, 0, (stroke,))
    results = paint_seeds(generator, painting, d, seeds, stored_rankings(painting, Store()))
    mask = mask_of(stroke, generator.image_size)
    before, after = (seen(judge, [getattr(r, side) for r in results], stroke.brush)[:, mask].mean(axis=1)
                     for side in ("before", "image"))
    return np.asarray(after - before)


def surely_above(values: np.ndarray, level: float) -> bool:
    """The mean lies above the level by more than two standard errors."""
    return bool(values.mean() - 2 * values.std(ddof=1) / np.sqrt(len(values)) > level)


def test_the_tree_brush_raises_the_judges_tree_inside_the_stroke(generator: Generator, d: Dissection, judge: Segmenter) -> None:
    stroke = Stroke("tree", "draw", 20, 1.0, BRUSH, PLACE)
    won = gains(generator, d, judge, stroke, SEEDS)
    assert surely_above(won, 0.0), f"mean gain {won.mean():.3f}"
    half = gains(generator, d, judge, Stroke("tree", "draw", 20, 0.3, BRUSH, PLACE), SEEDS)
    assert half.mean() < won.mean()


def test_the_remove_brush_takes_trees_away(generator: Generator, d: Dissection, judge: Segmenter) -> None:
    everywhere = Stroke("tree", "remove", 20, shape="all")
    painting = Painting(MODEL, LAYER, 0, (everywhere,))
    results = paint_seeds(generator, painting, d, range(40), stored_rankings(painting, Store()))
    before, after = (seen(judge, [getattr(r, side) for r in results], "tree").mean(axis=(1, 2)) for side in ("before", "image"))
    with_trees = before > 0.02
    assert with_trees.sum() >= 10
    lost = 1 - after[with_trees] / before[with_trees]
    assert surely_above(lost, 0.0), f"mean share of tree pixels lost {lost.mean():.3f}"


@pytest.mark.parametrize(("brush", "place"), [("grass", at((0.31, 0.9), (0.69, 0.9))), ("sky", at((0.22, 0.16), (0.78, 0.16)))])
def test_ground_and_sky_can_be_removed_where_they_are(brush: str, place: tuple[tuple[float, float], ...], generator: Generator,
                                                      d: Dissection, judge: Segmenter) -> None:
    lost = -gains(generator, d, judge, Stroke(brush, "remove", 20, 1.0, 1.25 * BRUSH, place), SEEDS)
    assert lost.mean() > 0


def test_a_stroke_acts_where_it_is_more_than_elsewhere(generator: Generator, d: Dissection) -> None:
    stroke = Stroke("tree", "draw", 20, 1.0, BRUSH, PLACE)
    mask = mask_of(stroke, generator.image_size)
    results = paint_seeds(generator, Painting(MODEL, LAYER, 0, (stroke,)), d, SEEDS)
    change = np.mean([np.abs(r.image.astype(int) - r.before).mean(axis=2) for r in results], axis=0)
    assert change[mask].mean() > 3 * change[~mask].mean()

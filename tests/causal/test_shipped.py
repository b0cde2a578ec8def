"""What ships with the project: causes of every brush class and artifacts of the default layer, measured with controls, no torch needed."""
from __future__ import annotations

import pytest

from core import artifacts, causal, zoo
from core.causal import COUNTS, MARKED, figures
from core.causal.results import RANDOM
from core.scenes import BRUSHES
from core.store import Store

MODEL = "scenes"
LAYER = zoo.card(MODEL).default_layer


@pytest.fixture(scope="module")
def store() -> Store:
    return Store()


@pytest.mark.parametrize("label", BRUSHES)
def test_every_brush_class_has_a_ranking_curves_and_a_context_table(store: Store, label: str) -> None:
    measured = causal.by_preset(store, MODEL, LAYER, label)
    learned, curves = measured["quick"]
    assert curves.counts == COUNTS
    assert set(curves.orders) == {"ace", "iou", "single"}
    assert curves.random_removed.shape[0] >= 10
    assert not curves.one_segmenter                     # the judge scores, the dissector chose
    assert len(curves.pictures("before")) >= 4
    context = causal.load_context(store, MODEL, LAYER, label, ranking=learned.run.key)
    assert context is not None
    assert len(context.table()) > 5
    single = causal.load_single(store, MODEL, LAYER)
    assert single is not None
    assert len(single.effect(label)) == len(learned.order)


@pytest.mark.parametrize("mode", ["remove", "insert"])
def test_the_figure_says_how_many_pictures_and_seeds_and_marks_20_units(store: Store, mode: str) -> None:
    curves = causal.by_preset(store, MODEL, LAYER, "tree")["quick"][1]
    figure = figures.curves_figure(curves, mode)  # type: ignore[arg-type]
    said = figure.layout.xaxis.title.text
    assert f"{len(curves.seeds)} pictures, seeds {curves.seeds[0]} to" in said
    assert "10 random orders" in said
    assert [a.text for a in figure.layout.annotations] == [f"n = {MARKED}"]
    lines = [t.name for t in figure.data if t.name]
    bands = [t for t in figure.data if t.fill == "toself"]
    assert lines == [figures.TITLES[o] for o in (*curves.orders, RANDOM)]
    assert len(bands) == len(lines)
    assert all(len(t.x) == 2 * len(COUNTS) for t in bands)


def test_units_by_causal_effect_remove_more_than_random_ones_of_every_brush_class(store: Store) -> None:
    for label in BRUSHES:
        curves = causal.by_preset(store, MODEL, LAYER, label)["quick"][1]
        at = curves.counts.index(MARKED)
        assert curves.area_left("ace").hi[at] < curves.area_left(RANDOM).lo[at]


def test_artifacts_of_the_default_layer_are_examined_and_the_outcome_is_tested(store: Store) -> None:
    scores = artifacts.load_scores(store, MODEL, LAYER)
    assert scores is not None
    assert scores.images == 1000
    assert scores.reference == "scenes"
    assert scores.run.params["segmenter"] == zoo.card(MODEL).segmenters[0]
    outcome = artifacts.load_quality(store, MODEL, LAYER, scores.top(20))
    assert outcome is not None
    assert outcome.draws >= 10
    assert outcome.run.params["scorer"] == zoo.card(MODEL).segmenters[1]
    for which in ("random", "worst"):
        assert len(outcome.pictures(which, "before")) == len(outcome.pictures(which, "after")) == 8

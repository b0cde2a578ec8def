"""How brushes are measured: where strokes go, and that the figures tell removing from drawing and from random units."""
from __future__ import annotations

import numpy as np
import pytest

from core import dissect, segment, zoo
from core.scenes import BRUSHES, IDS, paint_scenes
from core.store import Store
from core.training import paintable
from core.training.report import inside_text

SIDE = 64


def test_strokes_go_where_the_world_has_the_class() -> None:
    door, sky = paintable.places("door", SIDE, 60), paintable.places("sky", SIDE, 60)
    assert door.sum() == pytest.approx(1)
    rows = np.arange(SIDE)
    assert (door.sum(1) @ rows) > SIDE / 2 > (sky.sum(1) @ rows)
    _, labels = paint_scenes(paintable.SCENE_SEEDS["world"][:60], SIDE)
    assert (door > 0).sum() == ((labels == IDS["door"]).any(1).any(0)).sum()


def test_a_free_place_has_almost_none_of_the_class() -> None:
    seen, where = np.zeros((SIDE, SIDE), bool), np.full((SIDE, SIDE), 1 / SIDE**2)
    seen[:, : SIDE // 2] = True
    for seed in range(20):
        mask = paintable.free_place(seen, where, np.random.default_rng(seed))
        assert mask is not None
        assert seen[mask].mean() <= 0.1
    assert paintable.free_place(np.ones_like(seen), where, np.random.default_rng(0)) is None


def test_a_disc_has_the_stated_radius() -> None:
    mask = paintable.disc(SIDE, (32, 32))
    assert mask[32, 32 + SIDE // 8]
    assert not mask[32, 33 + SIDE // 8]


def test_figures_tell_chosen_units_from_random_ones() -> None:
    card = zoo.card("scenes")
    d = dissect.load(Store(), "scenes", card.default_layer)
    assert d is not None
    generator, chooser, judge = zoo.load("scenes", "cpu"), *(segment.load(name, "cpu") for name in card.segmenters)
    gone = paintable.brushed(generator, chooser, judge, d, "tree", "remove", range(30))
    assert gone is not None
    assert gone.after < gone.random < 1.1 * gone.before
    drawn = paintable.brushed(generator, chooser, judge, d, "tree", "draw", range(30))
    assert drawn is not None
    assert drawn.before <= 0.1
    assert drawn.gain > drawn.random - drawn.before
    assert "| layer |" in inside_text({d.layer: d})


def test_reasons_change_one_thing_at_a_time() -> None:
    card = zoo.card("scenes")
    names = [info.name for info in card.layers]
    near = names[names.index(card.default_layer):][:3]
    d = {name: found for name in near if (found := dissect.load(Store(), "scenes", name)) is not None}
    generator, chooser, judge = zoo.load("scenes", "cpu"), *(segment.load(name, "cpu") for name in card.segmenters)
    drawn, gone = paintable.reasons_text(generator, chooser, judge, d, card.default_layer, seeds=range(6)).split("\n\n")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in drawn.splitlines()]
    assert [row[0] for row in rows[2:]] == list(BRUSHES)
    assert rows[0][-1] == near[2]                                    # two layers on; none two layers before
    tree = rows[2 + BRUSHES.index("tree")]
    alone = paintable.brushed(generator, chooser, judge, d[near[2]], "tree", "draw", range(6))
    assert alone is not None
    assert tree[-1] == f"{alone.after:.2f}"
    sky = [line for line in gone.splitlines() if line.startswith("| sky |")][0].split("|")[2:-1]
    assert float(sky[2]) < float(sky[0])                             # 120 units off leave less than 20

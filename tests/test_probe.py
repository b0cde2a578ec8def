"""One picture, looked into and changed."""
from __future__ import annotations

import numpy as np
import pytest

from core import probe
from core.errors import BadInput
from tests.toys import DOOR, TREE, ToyGenerator, ToySegmenter


def seed_with_tree_and_door() -> int:
    from core.zoo.generator import generate

    segs = ToySegmenter()(generate(ToyGenerator(), range(40))).numpy()
    ids = {x.name: x.id for x in ToySegmenter.labels}
    return next(s for s in range(40) if (segs[s] == ids["tree"]).any() and (segs[s] == ids["door"]).any())


def test_switching_no_unit_off_changes_nothing() -> None:
    before, after = probe.switched_off(ToyGenerator(), 3, "layer1", ())
    assert (before == after).all()
    assert (before == probe.picture(ToyGenerator(), 3)).all()


def test_switching_the_tree_unit_off_removes_the_tree_and_nothing_else() -> None:
    from core.image import from_u8

    before, after = probe.switched_off(ToyGenerator(), seed_with_tree_and_door(), "layer1", (TREE,))
    ids = {x.name: x.id for x in ToySegmenter.labels}
    old, new = (ToySegmenter()(from_u8(x))[0].numpy() for x in (before, after))
    assert (old == ids["tree"]).any()
    assert not (new == ids["tree"]).any()
    assert ((old == ids["door"]) == (new == ids["door"])).all()


def test_the_unit_that_draws_a_thing_stands_out_where_the_thing_is() -> None:
    from core.image import from_u8

    seed = seed_with_tree_and_door()
    seen = ToySegmenter()(from_u8(probe.picture(ToyGenerator(), seed)))[0].numpy()
    mask = (seen == next(x.id for x in ToySegmenter.labels if x.name == "door")).any(0)
    found = probe.units_in_region(ToyGenerator(), seed, "layer1", mask)
    assert found[0].unit == DOOR
    assert found[0].mean > 2.9
    assert found[0].outside == pytest.approx(0, abs=1e-6)
    assert found[0].maximum >= found[0].mean
    assert sorted(f.unit for f in found) == list(range(9))


def test_an_empty_region_is_refused() -> None:
    with pytest.raises(BadInput, match="draw a region"):
        probe.units_in_region(ToyGenerator(), 0, "layer1", np.zeros((32, 32), bool))

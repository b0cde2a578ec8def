"""The published brushes are carried as data, and the demo's pictures are rows of one stream."""
from __future__ import annotations

import numpy as np
import pytest

from core.errors import BadInput
from core.zoo import published


def test_seven_brushes_of_twenty_units_with_levels() -> None:
    brushes = published.brushes("lsun-church")
    assert set(brushes) == {"tree", "grass", "door", "sky", "cloud", "brick", "dome"}
    for brush in brushes.values():
        assert len(brush.units) == len(brush.values) == 20
        assert brush.layer == "layer4"
        assert all(0 <= u < 512 for u in brush.units)
        assert all(v > 0 for v in brush.values)
    assert brushes["tree"].units[:3] == (119, 125, 157)
    assert brushes["tree"].values[0] == pytest.approx(8.01758)


def test_other_models_have_none() -> None:
    assert published.brushes("scenes") == {}
    assert published.rankings("lsun-kitchen") == {}
    assert published.levels("scenes") == {}
    with pytest.raises(BadInput, match="30"):
        published.brushes("lsun-church", 31)


def test_rankings_hold_every_unit_once_published_ones_first() -> None:
    brushes = published.brushes("lsun-church")
    for name, ranking in published.rankings("lsun-church").items():
        assert sorted(ranking.order) == list(range(512))
        assert ranking.top(20) == brushes[name].units
        assert (np.diff(ranking.score[ranking.order]) <= 0).all()
    assert published.rankings("lsun-church")["sky"].kind == "iou"


def test_rows_are_those_of_one_stream_whatever_is_asked() -> None:
    whole = np.random.RandomState(1).standard_normal((1400, 16)).astype(np.float32)
    assert np.array_equal(published.z_rows([726, 0, 1362], 16), whole[[726, 0, 1362]])
    assert set(published.demo_rows("lsun-church")) >= {104, 726, 1362}
    with pytest.raises(BadInput):
        published.z_rows([-1], 16)

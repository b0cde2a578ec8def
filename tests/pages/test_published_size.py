"""A file with the published keys, at the published 256 pixels but narrow: opened, dissected, painted on, and on every page."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from core import cli, store, zoo
from core.dissect import dissect
from core.segment.concepts import Painted, from_saved, make_painted
from core.zoo.proggan import ProgGANNet
from tests.pages.everywhere import every_page, photo_came
from tests.zoo.nets import randomised

SIZES = (24, 24, 24, 24, 16, 12, 8, 8)


@pytest.fixture
def cache(own_cache: Path) -> Path:
    return own_cache


def test_from_the_file_to_every_page(cache: Path, tmp_path: Path) -> None:
    torch.save(randomised(ProgGANNet(list(SIZES))).state_dict(), tmp_path / "published.pth")
    added = CliRunner().invoke(cli.main, ["models", "add", str(tmp_path / "published.pth"), "--name", "mine"], catch_exceptions=False)
    assert "mine: Progressive GAN, pictures of 256 × 256, layers layer1, " in added.output
    g = zoo.load("mine", "cpu")
    upper = np.zeros((256, 256), bool)
    upper[:100] = True
    kept = store.Store()
    s = from_saved(make_painted(g, [Painted(seed, "upper", upper) for seed in (0, 1)], name="toy", store=kept), "cpu")
    found = dissect(g, s, ["layer4"], range(20), level_seeds=range(1_000_000, 1_000_020), store=kept)["layer4"]
    assert found.iou.max() > 0
    for name, app, wrong in every_page("mine", "layer4", seconds=60):
        assert not wrong, f"{name}: {wrong}"
        if name == "photo":
            assert photo_came(app, 60)

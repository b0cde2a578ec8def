"""Pools of painted scenes: the same however many paint, and the same on a device as on disk."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from core.scenes import paint_scenes
from core.training.pool import Resident, open_pool
from core.training.seeds import SCENE_SEEDS


def test_painters_side_by_side_paint_the_pool_of_one(tmp_path: Path) -> None:
    one, many = (open_pool(tmp_path / name, "gan", 32, 100) for name in ("one", "many"))
    one.fill()
    # in a process of its own: page tests leave another __main__ behind, which spawned painters would import
    command = ["-m", "core.training", "scenes", "--owner", "gan", "--size", "32", "--count", "100", "--workers", "2"]
    subprocess.run([sys.executable, *command, "--home", str(tmp_path / "many")], check=True, capture_output=True)
    assert one.ready == many.ready == 100
    np.testing.assert_array_equal(one.images(), many.images())
    np.testing.assert_array_equal(one.labels(), many.labels())
    images, _ = paint_scenes([SCENE_SEEDS["gan"][99]], 32)
    np.testing.assert_array_equal(many.images()[99], images[0])


def test_a_resident_pool_gives_the_same_pictures_and_takes_over_new_ones(tmp_path: Path) -> None:
    pool = open_pool(tmp_path, "gan", 32, 24)
    pool.fill(8)
    resident = Resident(pool, torch.device("cpu"))
    assert resident.ready == 8
    pool.fill()
    resident.add_some()
    assert resident.ready == 24
    index = np.array([23, 2, 7])
    torch.testing.assert_close(resident.pictures(index), pool.pictures(index), rtol=0, atol=1e-6)

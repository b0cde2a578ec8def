"""The segmenters' training: it learns, resumes exactly, and measures by the book."""
from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from core.scenes import CHANNELS, IDS, LABELS, paint_scenes
from core.segment.bundled import open_file
from core.segment.nets import ARCHITECTURES, fold
from core.training import segmenter as training
from core.training.augment import roughen
from core.training.export import export_segmenter
from core.training.pool import open_pool
from core.training.seeds import SCENE_SEEDS

CONFIG = training.SegmenterConfig("judge", images=32, pool=16, size=32, batch=4, widths=(4, 6, 8))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training")


def test_seed_ranges_are_disjoint() -> None:
    for (a, seeds_a), (b, seeds_b) in combinations(SCENE_SEEDS.items(), 2):
        assert max(seeds_a.start, seeds_b.start) >= min(seeds_a.stop, seeds_b.stop), (a, b)


def test_dissector_and_judge_are_different_architectures() -> None:
    (kind_a, _), (kind_b, _) = training.ARCHITECTURE["dissector"], training.ARCHITECTURE["judge"]
    assert ARCHITECTURES[kind_a] is not ARCHITECTURES[kind_b]


def test_an_interrupted_run_equals_an_uninterrupted_one_bit_for_bit(home: Path) -> None:
    file = home / "segmenter-judge.pt"
    whole = training.train(CONFIG, home).state_dict()
    file.unlink()
    training.train(CONFIG, home, stop_after=12)
    assert torch.load(file, weights_only=True)["step"] == 3
    resumed = training.train(CONFIG, home).state_dict()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    first = training.new_net(CONFIG).state_dict()
    assert not any(torch.equal(whole[key], first[key]) for key in whole if key.endswith("conv.weight"))


def test_a_run_with_other_settings_starts_from_the_old_weights_and_says_so(home: Path) -> None:
    (home / "segmenter-judge.pt").unlink(missing_ok=True)
    old = training.train(CONFIG, home).state_dict()
    new = training.train(replace(CONFIG, lr=1e-3), home, stop_after=0).state_dict()
    assert all(torch.equal(old[key], new[key]) for key in old)
    kept = torch.load(home / "segmenter-judge.pt", weights_only=True)
    assert kept["step"] == 0
    assert [(run["lr"], run["steps"]) for run in kept["history"]] == [(CONFIG.lr, 8)]


@pytest.mark.parametrize("which", ["dissector", "judge"])
def test_two_hundred_steps_lower_the_loss(tmp_path: Path, which: training.Which) -> None:
    widths = (4, 6, 8, 8, 8) if which == "dissector" else (4, 6, 8)
    config = training.SegmenterConfig(which, images=800, pool=16, size=32, batch=4, widths=widths)
    before, after = training.new_net(config).eval(), training.train(config, tmp_path).eval()
    images, labels = open_pool(tmp_path, which, 32, 16).batch(np.arange(8))
    with torch.no_grad():
        start, end = (training.segmentation_loss(net(images), labels) for net in (before, after))
    assert end < 0.9 * start        # 0.75 to 0.81 of it with seeds 0, 1 and 2


def test_exported_file_reads_pictures_as_the_trained_net_does(home: Path, tmp_path: Path) -> None:
    net = training.train(replace(CONFIG, images=48), home).eval()
    segmenter = open_file(export_segmenter("judge", home, tmp_path), name="judge")
    assert segmenter.labels == LABELS
    images = torch.rand(2, 3, 128, 128) * 2 - 1
    with torch.no_grad():
        logits = net(images).split([len(group) for group in training.GROUPS], 1)
    for channel, (group, part) in enumerate(zip(training.GROUPS, logits, strict=True)):
        same = torch.tensor(group)[part.argmax(1)] == segmenter(images)[:, channel]
        assert same.float().mean() > 0.99, CHANNELS[channel]
        torch.testing.assert_close(segmenter.scores(images, group[1]), part.softmax(1)[:, 1], atol=0.02, rtol=0)


@pytest.mark.parametrize("kind", list(ARCHITECTURES))
def test_folding_batch_norms_changes_nothing(kind: str) -> None:
    torch.manual_seed(0)
    net = ARCHITECTURES[kind](12)
    net.train()(torch.randn(4, 3, 32, 32))
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        before = net.eval()(x)
        torch.testing.assert_close(fold(net)(x), before, atol=1e-4, rtol=1e-4)
    assert not [key for key in net.state_dict() if "norm" in key]


def test_a_pool_holds_the_painters_scenes(home: Path) -> None:
    pool = open_pool(home, "world", 32, 10)
    pool.fill(4)
    assert pool.ready == 4
    pool.add_some(chunk=2)
    assert pool.ready == 6
    images, labels = pool.batch(np.array([5, 1]))
    painted, truth = paint_scenes([SCENE_SEEDS["world"][1], SCENE_SEEDS["world"][5]], 32)
    assert np.array_equal(((images.permute(0, 2, 3, 1) + 1) * 127.5).round().numpy().astype(np.uint8), painted)
    assert np.array_equal(labels.numpy(), truth)


def test_roughening_mirrors_labels_with_pictures() -> None:
    ramp = torch.linspace(-0.5, 0.5, 16).expand(32, 3, 16, 16).contiguous()
    labels = (ramp[:, :1] > 0).to(torch.uint8)
    images, turned = roughen(ramp, labels, torch.Generator().manual_seed(0))
    rising = images[..., 8:].mean((1, 2, 3)) > images[..., :8].mean((1, 2, 3))
    assert torch.equal(rising, turned[:, 0, 0, -1] == 1)
    assert 0 < rising.sum() < 32
    assert images.abs().max() <= 1


def test_iou_table_on_paper() -> None:
    sky, grass = IDS["sky"], IDS["grass"]
    truth = np.array([[[[sky, sky, grass, grass]]]])
    said = np.array([[[[sky, grass, grass, grass]]]])
    rows = {row["label"]: row for row in training.iou_table([said], [truth])}
    assert rows["sky"]["iou"] == pytest.approx(1 / 2)
    assert rows["grass"]["iou"] == pytest.approx(2 / 3)
    assert rows["sky"]["share"] == pytest.approx(0.5)
    assert math.isnan(rows["door"]["iou"])

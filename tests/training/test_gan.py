"""The generator's training: same map, same run after a break, honest record."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core import zoo
from core.image import decode
from core.scenes import LABELS
from core.segment.bundled import BundledSegmenter
from core.segment.nets import UNet, fold
from core.training import checkpoint, critics, fast, gan, watch
from core.training.export import export_generator
from core.training.report import by_presence
from core.training.segmenter import GROUPS
from core.zoo.proggan import ProgGANNet

CONFIG = gan.GanConfig((8, 12, 10, 8, 8), images=32, pool=32, batch=8, r1_every=2, ema_images=64)


def dissector(seed: int = 0) -> BundledSegmenter:
    torch.manual_seed(seed)
    net = fold(UNet(sum(map(len, GROUPS)), (4, 4, 6, 6, 8)))
    return BundledSegmenter(net, name="tiny", fingerprint=f"tiny-{seed}", labels=LABELS, groups=GROUPS)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pool of 32-px scenes is painted once."""
    return tmp_path_factory.mktemp("training")


@pytest.fixture(autouse=True)
def small_critics(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same critics, narrow enough for a test."""
    monkeypatch.setattr(critics, "HEAD_WIDTH", 8)
    monkeypatch.setattr(critics.Descent, "widths", dict.fromkeys(critics.Descent.widths, 8))


def run(home: Path, config: gan.GanConfig, seed: int = 0) -> gan.State:
    return gan.train(config, home, dissector(seed), watch_every=0)


def forget(home: Path) -> None:
    (home / "gan-32.pt").unlink(missing_ok=True)


def leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for key in sorted(value, key=str) for leaf in leaves(value[key])]
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def test_fast_forward_is_the_published_map() -> None:
    torch.manual_seed(0)
    net = ProgGANNet([8, 12, 10, 8, 6])
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter)
    z = torch.randn(3, 8)
    torch.testing.assert_close(fast.forward(net, z), net(z), atol=1e-4, rtol=1e-4)


def test_an_interrupted_run_equals_an_uninterrupted_one_bit_for_bit(home: Path) -> None:
    forget(home)
    whole = run(home, CONFIG)
    forget(home)
    run(home, replace(CONFIG, images=16))
    resumed = run(home, CONFIG)
    assert resumed.images == whole.images == 32
    pairs = list(zip(leaves(whole.state_dict()), leaves(resumed.state_dict()), strict=True))
    assert len(pairs) > 50
    for a, b in pairs:
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def test_generator_and_critics_learn_and_the_average_lags(home: Path) -> None:
    forget(home)
    first = run(home, replace(CONFIG, images=0))
    start = {k: v.clone() for k, v in first.g.state_dict().items()}
    last = run(home, CONFIG)
    for key, value in last.g.state_dict().items():
        assert not torch.equal(value, start[key]), key
        moved, lagged = (value - start[key]).norm(), (last.ema.state_dict()[key] - start[key]).norm()
        assert 0 < lagged < moved, key
    told = gan.State(CONFIG, critics.tap_widths(dissector().net), torch.device("cpu")).encoder.state_dict()  # type: ignore[arg-type]
    assert not torch.equal(last.encoder.state_dict()["out.weight"], told["out.weight"])


def test_growing_keeps_the_pictures_and_the_blocks(home: Path) -> None:
    forget(home)
    small = run(home, CONFIG)
    config = replace(CONFIG, sizes=(*CONFIG.sizes, 8), images=0, grow_images=200, lr=0.02)
    large = run(home, config)
    (home / "gan-64.pt").unlink()
    for name in ("layer1", "layer8"):
        for key, value in getattr(small.ema, name).state_dict().items():
            assert torch.equal(value, getattr(large.ema, name).state_dict()[key])
    z = torch.randn(8, CONFIG.sizes[0], generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        old, new = small.g(z), torch.nn.functional.avg_pool2d(large.g(z), 2)
    assert new.shape == old.shape
    left = (new - old).square().mean() / (old - old.mean()).square().mean()
    assert left < 0.6
    assert large.history[-1]["taken_over"] == 32


def test_weights_of_the_same_side_are_taken_over_and_only_the_others_learn_at_first(home: Path, tmp_path: Path) -> None:
    forget(home)
    old = run(home, CONFIG)
    file = export_generator(home, 32, tmp_path)
    forget(home)
    config = replace(CONFIG, images=0, grow_images=32)
    state = gan.train(config, home, dissector(), watch_every=0, start=file)
    for key, value in old.ema.state_dict().items():
        torch.testing.assert_close(state.ema.state_dict()[key], value, atol=2e-3, rtol=2e-3)      # half precision
        assert torch.equal(state.g.state_dict()[key], state.ema.state_dict()[key])
    untrained = gan.State(config, critics.tap_widths(dissector().net), torch.device("cpu"))       # type: ignore[arg-type]
    for name in ("encoder", "picture", "heads"):
        pairs = zip(getattr(state, name).parameters(), getattr(untrained, name).parameters(), strict=True)
        assert any(not torch.equal(a, b) for a, b in pairs), name
    assert state.history[-1]["taken_over"] == 32


def test_history_tells_what_changed_and_when(home: Path) -> None:
    forget(home)
    run(home, replace(CONFIG, images=16))
    state = run(home, replace(CONFIG, lr=1e-4))
    assert [entry["images"] for entry in state.history] == [0, 16]
    assert state.history[1] == {"images": 16, "lr": 1e-4}
    assert state.opt_g.param_groups[0]["lr"] == 1e-4


def test_another_dissector_renews_the_heads_and_keeps_the_generator(home: Path) -> None:
    forget(home)
    before = run(home, replace(CONFIG, images=16))
    after = run(home, replace(CONFIG, images=16), seed=1)
    assert torch.equal(before.g.layer1.conv.weight, after.g.layer1.conv.weight)
    assert len(after.opt_heads.state) == 0 < len(before.opt_heads.state)
    assert after.history[-1] == {"images": 16, "dissector": "tiny-1"}


def test_exported_generator_opens_in_the_zoo_and_draws_the_same(home: Path, tmp_path: Path) -> None:
    forget(home)
    state = run(home, CONFIG)
    path = export_generator(home, 32, tmp_path)
    generator = zoo.open(path)
    z = generator.z_for_seeds(range(4))
    drawn, meant = generator.span(z, None, None), state.ema(z)
    assert drawn.shape == (4, 3, 32, 32)
    assert [layer.units for layer in generator.layers] == [12, 12, 10, 10, 8, 8, 8, 8]
    assert (drawn - meant).abs().mean() * 127.5 < 1      # half precision costs less than one grey level
    assert meant.std() > 0.01


def test_checkpoints_are_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.pt"
    checkpoint.save(path, {"step": 1})

    def broken(state: object, file: Path) -> None:
        Path(file).write_bytes(b"half a file")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(path, {"step": 2})
    assert checkpoint.load(path) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.pt"]
    assert checkpoint.load(tmp_path / "none.pt") is None


def test_the_watch_reads_areas_off_the_pictures() -> None:
    reader = dissector()
    images = torch.rand(6, 3, 32, 32) * 2 - 1
    reading = watch.read(reader, [images[:4], images[4:]])
    said = reader(images)
    for label in LABELS:
        assert reading.areas[label.id] == pytest.approx((said == label.id).sum().item() / (6 * 32 * 32))
    assert reading.features.shape == (6, 8 + 4)
    assert reading.each is not None
    np.testing.assert_allclose(reading.each.mean(0), reading.areas)
    assert reading.each[5, 0] == pytest.approx((said[5] == 0).sum().item() / 32**2)


def test_precision_and_recall_are_told_apart_by_what_pictures_show() -> None:
    def reading(*shares: float) -> watch.Reading:
        each = np.array([[0, share] for share in shares])
        return watch.Reading(np.zeros((len(shares), 1)), each.mean(0), each)

    made, world = reading(0.4, 0.2, 0, 0.001), reading(0, 0, 0, 0.3)
    inside = np.array([True, False, True, True]), np.array([True, False, False, False])
    assert by_presence(inside, (made, world), 1) == (0.5, 0, 1, pytest.approx(1 / 3))   # a speck of 0.1 % does not count
    assert all(np.isnan(by_presence(inside, (made, world), 0)[:2]))                     # nobody shows it


def test_a_sheet_keeps_the_order_of_seeds() -> None:
    images = np.arange(16, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    grid = decode(watch.sheet(images))
    assert grid.shape == (4, 16, 3)
    assert grid[0, ::2, 0].tolist() == list(range(8))
    assert grid[2, ::2, 0].tolist() == list(range(8, 16))


def test_minibatch_deviation_is_nought_for_equal_pictures_only() -> None:
    same = torch.randn(1, 4, 4, 4).expand(8, 4, 4, 4)
    assert critics.deviation(same).max() < 1e-3
    torch.manual_seed(0)
    assert critics.deviation(torch.randn(8, 4, 4, 4)).mean() == pytest.approx(0.93, abs=0.1)


def test_r1_of_a_steep_critic_is_larger() -> None:
    torch.manual_seed(0)
    critic, images = critics.PictureCritic(32), torch.randn(4, 3, 32, 32)
    gentle = critics.r1(critic, images)
    critic.score.weight.data *= 2
    assert critics.r1(critic, images).item() == pytest.approx(4 * gentle.item(), rel=1e-3)

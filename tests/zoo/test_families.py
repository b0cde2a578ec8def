"""Families are recognised from a file alone, and what is rebuilt is the network that was saved."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from core import zoo
from core.errors import BadFile
from core.zoo.files import FAMILIES, read_state
from core.zoo.proggan import ProgGANNet
from tests.zoo.nets import NamedGenerator, NestedGenerator, TutorialGenerator, randomised

DCGANS = {
    "tutorial 64": (TutorialGenerator(), 20, 64),
    "tutorial 32": (TutorialGenerator(doublings=3), 20, 32),
    "tutorial 128": (TutorialGenerator(doublings=5, ngf=2), 20, 128),
    "with bias": (TutorialGenerator(bias=True), 20, 64),
    "without norm": (TutorialGenerator(norm=False, bias=True), 20, 64),
    "grey": (TutorialGenerator(channels=1), 20, 64),
    "other module name": (TutorialGenerator(attribute="gen"), 20, 64),
    "28 pixels from 7": (TutorialGenerator(doublings=2, first=7, channels=1), 20, 28),
    "28 pixels, cropped": (TutorialGenerator(doublings=4, channels=1, last=(1, 1, 2)), 20, 28),
    "one attribute a module": (NamedGenerator(), 12, 16),
    "nested blocks": (NestedGenerator(), 10, 16),
}


def whole(net: nn.Module, z: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return net(z.reshape(*z.shape, 1, 1)).expand(-1, 3, -1, -1)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", DCGANS)
def test_dcgan_is_rebuilt_from_its_file(tmp_path: Path, name: str, suffix: str) -> None:
    made, z_dim, side = DCGANS[name]
    net = randomised(made)
    path = tmp_path / f"mine{suffix}"
    if suffix == ".pth":
        torch.save(net.state_dict(), path)
    else:
        save_file({k: v.contiguous() for k, v in net.state_dict().items()}, path)
    g = zoo.open(path, device="cpu")
    z = g.z_for_seeds(range(3))
    assert (g.name, g.z_dim, g.image_size) == ("mine", z_dim, (side, side))
    torch.testing.assert_close(g.span(z, None, None), whole(net, z), atol=1e-5, rtol=0)
    for info in g.layers:
        acts = g.head(z, info.name)
        assert tuple(acts.shape[1:]) == (info.units, *info.size)
        torch.testing.assert_close(g.tail(acts, info.name), g.span(z, None, None), atol=0, rtol=0)


@pytest.mark.parametrize("sizes", [[8, 12, 10], [16, 16, 8, 8, 4]])
@pytest.mark.parametrize("old", [False, True])
def test_proggan_is_rebuilt_from_its_file(tmp_path: Path, sizes: list[int], old: bool) -> None:
    net = randomised(ProgGANNet(sizes))
    state = net.state_dict()
    if old:
        n = 2 * (len(sizes) - 1)
        names = {f"layer{k}": f"features.{k - 1}" for k in range(1, n + 1)} | {f"output_{2**len(sizes)}x{2**len(sizes)}": "output"}
        state = {f"{names[k.split('.')[0]]}.{k.split('.', 1)[1]}": v for k, v in state.items()} | {"features.0.wscale.scale": torch.ones(1)}
    torch.save({"state_dict": state}, tmp_path / "pg.pth")
    g = zoo.open(tmp_path / "pg.pth", device="cpu")
    z = g.z_for_seeds([0, 5])
    assert g.z_dim == sizes[0]
    assert [i.units for i in g.layers] == [c for c in sizes[1:] for _ in (0, 1)]
    with torch.no_grad():
        torch.testing.assert_close(g.span(z, None, None), net(z), atol=1e-5, rtol=0)


@pytest.mark.parametrize("net", [ProgGANNet([8, 12, 10, 6]), TutorialGenerator(doublings=3), NestedGenerator()],
                         ids=lambda n: type(n).__name__)
def test_sizes_read_off_a_file_are_those_of_a_run(net: nn.Module) -> None:
    from core.zoo.generator import ChainGenerator

    family = next(f for f in FAMILIES if f.fits(net.state_dict()))
    known = family.open(net.state_dict(), "a", "", torch.device("cpu"))
    by_run = ChainGenerator(family.build(net.state_dict()), name="a", fingerprint="", z_dim=known.z_dim)
    assert (known.layers, known.image_size) == (by_run.layers, by_run.image_size)


def test_generator_is_found_in_a_training_checkpoint(tmp_path: Path) -> None:
    net = randomised(TutorialGenerator(doublings=3))
    critic = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 1, 4))
    torch.save({"epoch": 7, "netD": critic.state_dict(), "optimizer": {"state": {0: {"exp_avg": torch.ones(2, 2)}}},
                "netG": {f"module.{k}": v for k, v in net.state_dict().items()}}, tmp_path / "all.pth")
    flat = {f"generator.{k}": v for k, v in net.state_dict().items()} | {f"critic.{k}": v for k, v in critic.state_dict().items()}
    torch.save({"state_dict": flat}, tmp_path / "lightning.ckpt")
    for file in ("all.pth", "lightning.ckpt"):
        g = zoo.open(tmp_path / file, device="cpu")
        z = g.z_for_seeds([3])
        torch.testing.assert_close(g.span(z, None, None), whole(net, z), atol=1e-5, rtol=0)


def test_discriminator_is_not_taken_for_a_generator() -> None:
    critic = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 16, 4, 2, 1), nn.Conv2d(16, 1, 4))
    assert not any(family.fits(critic.state_dict()) for family in FAMILIES)


def spoil(path: Path, how: str) -> None:
    data = path.read_bytes()
    path.write_bytes({"truncated": data[: len(data) // 2], "empty": b"", "text": b"<html>404</html>" * 40,
                      "flipped": data[:2] + bytes(64) + data[66:]}[how])


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("how", ["truncated", "empty", "text", "flipped"])
def test_damaged_file_is_one_sentence(tmp_path: Path, how: str, suffix: str) -> None:
    path = tmp_path / f"damaged{suffix}"
    state = TutorialGenerator(doublings=3).state_dict()
    torch.save(state, path) if suffix == ".pth" else save_file(state, path)
    spoil(path, how)
    with pytest.raises(BadFile, match="damaged"):
        zoo.open(path)


def test_whole_pickled_module_is_refused_with_the_way_out(tmp_path: Path) -> None:
    torch.save(TutorialGenerator(doublings=3), tmp_path / "whole.pth")
    with pytest.raises(BadFile, match="state_dict"):
        zoo.open(tmp_path / "whole.pth")


@pytest.mark.parametrize(("content", "says"), [
    (nn.Linear(3, 4).state_dict(), "no known generator family"),
    ({"epoch": 3}, "no tensors"),
    ([torch.ones(3)], "no tensors"),
    ({k: v for k, v in ProgGANNet([8, 8, 8]).state_dict().items() if "layer3.wscale" not in k}, "do not fit"),
    ({k: v for k, v in ProgGANNet([8, 8, 8]).state_dict().items() if "layer4" not in k}, "even number"),
])
def test_unusable_content_says_what_is_missing(tmp_path: Path, content: object, says: str) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(BadFile, match=says):
        zoo.open(tmp_path / "x.pth")


def test_kernel_whose_stride_is_unknown_is_named(tmp_path: Path) -> None:
    torch.save(TutorialGenerator(doublings=3, last=(5, 2, 2)).state_dict(), tmp_path / "k5.pth")
    with pytest.raises(BadFile, match="kernel 5"):
        zoo.open(tmp_path / "k5.pth")


def test_reading_never_runs_code(tmp_path: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "pwned",))  # type: ignore[return-value]

    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"w": Evil()}, protocol=2))
    with pytest.raises(BadFile):
        read_state(tmp_path / "evil.pth")
    assert not (tmp_path / "pwned").exists()

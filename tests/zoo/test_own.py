"""A model of one's own is a file in a folder: found, listed without torch, refused with a reason."""
from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from core import zoo
from core.errors import BadFile, BadInput, UnknownName
from core.zoo import own
from core.zoo.proggan import ProgGANNet
from tests.zoo.nets import TutorialGenerator, randomised


@pytest.fixture
def cache(own_cache: Path) -> Path:
    return own_cache


def save(path: Path, net: nn.Module) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(net.state_dict(), path)
    return path


def test_added_file_is_a_model(cache: Path, tmp_path: Path) -> None:
    source = save(tmp_path / "netG_epoch_24.pth", randomised(TutorialGenerator()))
    own.add(source, "faces")
    assert "faces" in zoo.names()
    card = zoo.card("faces")
    assert (card.family, card.image_size, card.own) == ("DCGAN", (64, 64), True)
    assert [(i.name, i.units) for i in card.layers] == [("layer1", 32), ("layer2", 16), ("layer3", 8), ("layer4", 4)]
    assert card.default_layer in {i.name for i in card.layers}
    g = zoo.load("faces", device="cpu")
    assert g.fingerprint == zoo.fingerprint("faces") == zoo.open(source).fingerprint
    assert g.layers == card.layers


@pytest.mark.parametrize("ending", [".pth.tar", ".tar", ".bin", ""])
def test_torch_file_of_any_ending_can_be_added(cache: Path, tmp_path: Path, ending: str) -> None:
    own.add(save(tmp_path / f"weights{ending}", randomised(TutorialGenerator(doublings=3))), "faces")
    assert "faces" in zoo.names()
    assert zoo.load("faces", device="cpu").image_size == (32, 32)


def test_file_in_a_named_folder_is_a_model(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "mine" / "pg.pth", ProgGANNet([8, 8, 8]))
    save(tmp_path / "more" / "dc.pt", TutorialGenerator(doublings=3))
    monkeypatch.setenv("GAN_DISSECTION_MODELS", os.pathsep.join(str(tmp_path / n) for n in ("mine", "more", "gone")))
    assert {"pg", "dc"} <= set(zoo.names())


def test_second_process_lists_layers_without_torch(cache: Path) -> None:
    save(cache / "models" / "faces.pth", TutorialGenerator(doublings=3))
    zoo.card("faces")
    code = ("import sys; from core import zoo; c = zoo.card('faces'); zoo.fingerprint('faces'); "
            "assert len(c.layers) == 3; sys.exit('torch' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "GAN_DISSECTION_CACHE": str(cache)}, check=False, timeout=60)
    assert done.returncode == 0


def test_changed_file_is_looked_at_again(cache: Path) -> None:
    path = save(cache / "models" / "faces.pth", randomised(TutorialGenerator(doublings=3)))
    first = zoo.fingerprint("faces")
    time.sleep(0.01)
    save(path, randomised(TutorialGenerator(doublings=4)))
    assert zoo.fingerprint("faces") != first
    assert zoo.card("faces").image_size == (64, 64)


def test_file_that_cannot_be_used_is_listed_with_its_reason_and_hurts_nothing(cache: Path) -> None:
    save(cache / "models" / "critic.pth", nn.Linear(3, 3))
    (cache / "models" / "half.safetensors").write_bytes(b"abc")
    (cache / "models" / "code.json").write_text('{"function": "no.such:thing"}')
    (cache / "models" / "notes.txt").write_text("hello")
    assert zoo.names() == ["scenes"]
    assert set(zoo.problems()) == {"critic.pth", "half.safetensors", "code.json"}
    with pytest.raises(BadFile, match="family"):
        zoo.card("critic")
    with pytest.raises(BadFile, match="damaged"):
        zoo.load("half")


def test_published_file_dropped_into_the_folder_is_that_model(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(cache / "models" / "proggan_kitchen-67f1e16c.pth", ProgGANNet([8, 8, 8]))
    right = dataclasses.replace(zoo.CARDS["lsun-kitchen"], sha256=hashlib.sha256(path.read_bytes()).hexdigest()[:8])
    monkeypatch.setitem(zoo.CARDS, "lsun-kitchen", right)
    assert "lsun-kitchen" in zoo.names()
    assert "proggan_kitchen-67f1e16c" not in zoo.names()
    assert zoo.load("lsun-kitchen", device="cpu").z_dim == 8


def test_file_with_a_published_name_and_other_content_is_refused(cache: Path) -> None:
    for folder in ("models", "weights"):
        path = save(cache / folder / "proggan_kitchen-67f1e16c.pth", ProgGANNet([8, 8, 8]))
        assert not zoo.here("lsun-kitchen")
        assert zoo.names() == ["scenes"]
        assert "not the published file" in zoo.problems()[path.name]
        with pytest.raises(BadFile, match="67f1e16c"):
            zoo.load("lsun-kitchen")
        path.unlink()


def test_own_file_never_takes_a_published_name(cache: Path) -> None:
    save(cache / "models" / "lsun-church.pth", TutorialGenerator(doublings=3))
    assert zoo.names() == ["scenes"]
    assert zoo.card("lsun-church").url


def test_code_is_kept_by_its_name(cache: Path) -> None:
    own.add_function("tests.zoo.nets:branched", "branchy")
    assert "branchy" in zoo.names()
    card = zoo.card("branchy")
    assert card.extra["function"] == "tests.zoo.nets:branched"
    assert [i.name for i in card.layers] == ["first", "joined"]
    g = zoo.load("branchy", device="cpu")
    assert (g.name, g.fingerprint) == ("branchy", zoo.fingerprint("branchy"))


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "x" * 65, "a b"])
def test_name_that_could_leave_the_folder_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="letters"):
        own.check_name(name)


def test_pick_makes_a_name_a_file_or_code_known_to_this_process(cache: Path, tmp_path: Path) -> None:
    path = save(tmp_path / "dc.pth", TutorialGenerator(doublings=3))
    assert zoo.pick("scenes") == "scenes"
    assert zoo.pick(str(path)) == zoo.pick(str(path)) == "dc"
    assert zoo.load("dc", device="cpu").name == zoo.card("dc").name == "dc"
    assert zoo.load("dc", device="cpu").fingerprint == zoo.fingerprint("dc") == zoo.open(path, device="cpu").fingerprint
    assert zoo.pick("tests.zoo.nets:tutorial") == "tutorial"
    assert zoo.load("tutorial", device="cpu").image_size == zoo.card("tutorial").image_size == (32, 32)
    assert not list(own.add_folder().glob("*")), "nothing was added for others"
    with pytest.raises(UnknownName, match="scenes"):
        zoo.pick("scens")
    with pytest.raises(BadInput, match="no_such_module"):
        zoo.pick("no_such_module:function")
    with pytest.raises(BadFile, match="no known generator family"):
        zoo.pick(str(save(tmp_path / "critic.pth", nn.Linear(3, 3))))


def test_picked_file_never_takes_another_models_name(cache: Path, tmp_path: Path) -> None:
    own.add(save(tmp_path / "faces.pth", TutorialGenerator(doublings=3)))
    other = save(tmp_path / "elsewhere" / "faces.pth", TutorialGenerator(doublings=2))
    mark = hashlib.sha256(other.read_bytes()).hexdigest()
    assert zoo.pick(str(other)) == f"faces-{mark[:8]}"
    assert zoo.load(f"faces-{mark[:8]}", device="cpu").fingerprint == mark
    assert zoo.load("faces", device="cpu").fingerprint != mark
    assert zoo.pick(str(tmp_path / "faces.pth")) == "faces", "the same file as the one added"


def test_load_never_takes_code_or_a_path(cache: Path, tmp_path: Path) -> None:
    path = save(tmp_path / "dc.pth", TutorialGenerator(doublings=3))
    for text in (str(path), "tests.zoo.nets:tutorial", "../dc"):
        with pytest.raises(UnknownName):
            zoo.load(text)

"""`python -m core models …`, as a person at a terminal meets it."""
from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from core import segment, zoo
from core.cli.models import command
from core.errors import BadFile, BadInput, UnknownName
from core.zoo.proggan import ProgGANNet
from tests.zoo.nets import TutorialGenerator, randomised
from tests.zoo.server import serve


@pytest.fixture(autouse=True)
def cache(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return own_cache


def run(*args: str) -> Result:
    return CliRunner().invoke(command, list(args), catch_exceptions=True)


def dcgan(path: Path) -> Path:
    torch.save(randomised(TutorialGenerator()).state_dict(), path)
    return path


def test_check_tells_what_a_file_is(tmp_path: Path) -> None:
    answer = run("check", str(dcgan(tmp_path / "g.pth")), "--json")
    assert answer.exit_code == 0
    told = json.loads(answer.output)
    assert (told["usable"], told["family"], told["latent"], told["image_size"]) == (True, "DCGAN", 20, [64, 64])
    assert told["layers"][0] == {"name": "layer1", "units": 32, "height": 4, "width": 4}
    torch.save(ProgGANNet([8, 12, 10]).state_dict(), tmp_path / "p.pth")
    text = run("check", str(tmp_path / "p.pth")).output
    assert "Progressive GAN, latent of 8, pictures of 8 × 8" in text
    assert "layer4" in text


def test_check_tells_what_keeps_a_file_from_being_used(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "x.pth")
    (tmp_path / "y.pth").write_bytes(b"nothing")
    for file, says in (("x.pth", "no known generator family"), ("y.pth", "damaged"), ("z.pth", "no such file")):
        answer = run("check", str(tmp_path / file), "--json")
        assert answer.exit_code == 1
        told = json.loads(answer.output)
        assert told["usable"] is False
        assert says in told["problem"]
    code = json.loads(run("check", "tests.zoo.nets:branched", "--json").output)
    assert [i["name"] for i in code["layers"]] == ["first", "joined"]


def test_added_file_is_listed(tmp_path: Path) -> None:
    answer = run("add", str(dcgan(tmp_path / "netG.pth")), "--name", "faces")
    assert answer.exit_code == 0
    assert "faces: DCGAN, pictures of 64 × 64, layers layer1, layer2, layer3, layer4" in answer.output
    assert "paint concepts" in answer.output
    assert "faces" in run("list").output
    listed = {m["name"]: m for m in json.loads(run("list", "--json").output)["models"]}
    assert listed["faces"]["here"] is True
    assert listed["lsun-church"]["here"] is False
    assert zoo.load("faces", device="cpu").image_size == (64, 64)


def test_what_cannot_be_added_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "x.pth")
    for args, error in ((("add", str(tmp_path / "x.pth")), BadFile), (("add", "nowhere.pth"), BadInput),
                        (("add", str(dcgan(tmp_path / "g.pth")), "--name", "lsun-church"), BadInput),
                        (("add", str(tmp_path / "g.pth"), "--name", "../x"), BadInput)):
        answer = run(*args)
        assert isinstance(answer.exception, error)
    assert not (cache / "models").exists() or not list((cache / "models").iterdir())


def test_code_is_added(tmp_path: Path) -> None:
    assert run("add", "tests.zoo.nets:tutorial", "--name", "mine").exit_code == 0
    assert zoo.card("mine").image_size == (32, 32)


def test_fetch_from_a_mirror_and_from_a_file(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses
    import hashlib

    torch.save(ProgGANNet([8, 8, 8]).state_dict(), tmp_path / "small.pth")
    data = (tmp_path / "small.pth").read_bytes()
    card = dataclasses.replace(zoo.CARDS["lsun-kitchen"], sha256=hashlib.sha256(data).hexdigest()[:8])
    monkeypatch.setitem(zoo.CARDS, "lsun-kitchen", card)
    with serve(data) as server:
        answer = run("fetch", "lsun-kitchen", "--source", f"{server.base}/right/")
        assert answer.exit_code == 0, answer.exception
        assert server.requests == [("right", "")]
    assert "lsun-kitchen" in zoo.names()
    assert zoo.load("lsun-kitchen", device="cpu").z_dim == 8
    (cache / "weights" / card.file).unlink()
    assert run("fetch", "lsun-kitchen", "--source", str(tmp_path / "small.pth")).exit_code == 0
    assert "lsun-kitchen" in zoo.names()


def test_segmenter_is_fetched_file_by_file(tmp_path: Path) -> None:
    with serve(b"some bytes" * 50) as server:
        assert run("fetch", "upernet", "--source", f"{server.base}/right/").exit_code == 0
        assert len(server.requests) == 3
    assert segment.here("upernet")
    assert "upernet" in segment.for_model("whatever")
    assert isinstance(run("fetch", "upernet", "--source", "http://127.0.0.1/file").exception, BadInput)


def test_wrong_names_say_what_is_known() -> None:
    unknown = run("fetch", "lsun-chruch").exception
    assert isinstance(unknown, UnknownName)
    assert "did you mean 'lsun-church'" in str(unknown)
    assert isinstance(run("fetch", "scenes").exception, BadInput)

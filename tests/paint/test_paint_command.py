"""`python -m core paint`: the same picture as `paint`, and one sentence for what cannot be done."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from core import zoo
from core.cli.paint import command
from core.errors import BadInput, GanLabError, UnknownName
from core.image import decode
from core.paint import Painting, Stroke, paint, to_link
from core.units import UnitSet
from tests.toys import TREE, ToyGenerator

DRAWN = Painting("toy", "layer1", 3).add(Stroke("mine", shape="rect", points=((0, 24), (8, 32))),
                                         UnitSet("mine", "toy", "layer1", (TREE,), (4.0,)))


@pytest.fixture(autouse=True)
def _toy_is_known(monkeypatch: pytest.MonkeyPatch, toy: ToyGenerator) -> None:
    monkeypatch.setattr(zoo, "load", lambda name, device="auto": toy)
    monkeypatch.setattr(zoo, "fingerprint", lambda name: toy.fingerprint)


@pytest.mark.parametrize("by_link", [False, True])
def test_a_file_and_a_link_give_the_picture(by_link: bool, tmp_path: Path, toy: ToyGenerator) -> None:
    document, out = tmp_path / "doc.json", tmp_path / "out.png"
    document.write_text(DRAWN.to_json())
    result = CliRunner().invoke(command, [to_link(DRAWN) if by_link else str(document), "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    np.testing.assert_array_equal(decode(out.read_bytes()), paint(toy, DRAWN, None).image)


def test_seed_scale_and_pair(tmp_path: Path, toy: ToyGenerator) -> None:
    out = tmp_path / "out.png"
    CliRunner().invoke(command, [to_link(DRAWN), "--out", str(out), "--seed", "9", "--scale", "3"], catch_exceptions=False)
    expected = paint(toy, DRAWN.on(9), None).image.repeat(3, 0).repeat(3, 1)
    np.testing.assert_array_equal(decode(out.read_bytes()), expected)
    CliRunner().invoke(command, [to_link(DRAWN), "--out", str(out), "--pair"], catch_exceptions=False)
    assert decode(out.read_bytes()).shape[1] > 64


def test_what_cannot_be_painted_is_said(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    out = str(tmp_path / "out.png")
    unknown = to_link(Painting("toy", "layer7", 3).add(Stroke("tree", shape="all")))
    for arguments, kind, word in (([str(bad), "--out", out], BadInput, "JSON"),
                                  ([str(tmp_path / "no.json"), "--out", out], BadInput, "no file"),
                                  (["nonsense", "--out", out], BadInput, "link"), ([unknown, "--out", out], UnknownName, "layer7"),
                                  ([to_link(DRAWN), "--out", str(tmp_path / "no" / "out.png")], GanLabError, "could not be written")):
        result = CliRunner().invoke(command, arguments)
        assert isinstance(result.exception, kind)
        assert word in str(result.exception)
    assert not Path(out).exists()

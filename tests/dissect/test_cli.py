"""`python -m core dissect`: progress, table, export, and one clear sentence for what goes wrong."""
from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from core import segment, zoo
from core.cli.dissect import clock, command
from core.dissect import load
from core.errors import BadInput, UnknownName
from core.store import Store
from tests import toys

ARGUMENTS = ["--model", "toy", "--segmenter", "toy", "--layers", "layer2, layer1", "--images", "40", "--level-images", "30"]


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(zoo.CARDS, "toy", zoo.Card("toy", "Planted toy", "toy", "toy.safetensors", bundled=True))
    monkeypatch.setattr(zoo, "load", lambda name, device="auto": toys.ToyGenerator(name))
    monkeypatch.setattr(segment, "load", lambda name, device="auto": toys.ToySegmenter())
    monkeypatch.setattr("core.store.CACHE", tmp_path / "cache")


def test_the_command_ends_with_a_table_and_exports_every_unit(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(command, [*ARGUMENTS, "--threshold", "iqr", "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "70/70 images" in result.output
    layers = result.output.index("layer1:"), result.output.index("layer2:")
    assert layers[0] < layers[1]
    assert "tree          object" in result.output
    d = load(Store(shipped=()), "toy", "layer2")
    assert d is not None
    d = d.at("iqr")
    with (out / "layer2" / "units.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["unit", "label", "category", "iou", "iqr", "level", "top_seeds"]
    assert len(rows) == 9
    tree = rows[8 - toys.TREE]
    assert (tree["label"], tree["category"]) == ("tree", "object")
    assert float(tree["iou"]) == pytest.approx(d.best(8 - toys.TREE)[1], abs=1e-6)
    assert [int(s) for s in tree["top_seeds"].split()] == d.top_seeds[8 - toys.TREE].tolist()
    report = json.loads((out / "report.json").read_text())
    assert [layer["layer"] for layer in report["layers"]] == ["layer1", "layer2"]
    assert report["layers"][1]["run"] == d.run.key
    assert {"label": "tree", "category": "object", "units": [4, 7], "ceiling": 1.0} in report["layers"][1]["labels"]


def test_a_second_command_reads_from_disk() -> None:
    runner = CliRunner()
    first = runner.invoke(command, ARGUMENTS, catch_exceptions=False)
    again = runner.invoke(command, ARGUMENTS, catch_exceptions=False)
    assert first.output.splitlines()[-3:] == again.output.splitlines()[-3:]
    assert "0/70" in first.output
    assert "0/70" not in again.output.replace("70/70", "")


def test_wrong_names_and_paths_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no layer named 'layer9'"):
        CliRunner().invoke(command, ["--model", "toy", "--segmenter", "toy", "--layers", "layer9", "--images", "4"], catch_exceptions=False)
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match="is a file"):
        CliRunner().invoke(command, [*ARGUMENTS, "--out", str(tmp_path / "file")], catch_exceptions=False)
    with pytest.raises(BadInput, match="quantile"):
        CliRunner().invoke(command, [*ARGUMENTS, "--quantile", "2"], catch_exceptions=False)


def test_an_unknown_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(UnknownName, match="no model named 'nope'"):
        CliRunner().invoke(command, ["--model", "nope"], catch_exceptions=False)
    assert "scenes" in zoo.names()


def test_a_model_whose_pictures_nothing_names_is_not_read_by_another_models_segmenter() -> None:
    with pytest.raises(BadInput, match=r"paint concepts .*--segmenter .*scenes"):
        CliRunner().invoke(command, ["--model", "toy", "--layers", "layer1"], catch_exceptions=False)


def test_time_left_reads_as_a_clock() -> None:
    assert [clock(s) for s in (4.4, 75, 3671)] == ["0:04", "1:15", "1:01:11"]

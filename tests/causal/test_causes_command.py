"""`python -m core causes` and `python -m core artifacts` write what they say, through the same Store."""
from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from core import segment, store, zoo
from core.artifacts import reference
from core.cli.artifacts import command as artifacts_command
from core.cli.causes import command as causes_command
from core.dissect import dissect
from core.edits import ablation, render
from core.errors import BadInput, UnknownName
from core.image import to_u8
from core.store import Store
from tests import toys


class Judge(toys.ToySegmenter):
    name = "toy-judge"
    fingerprint = "toy-judge-1"


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy as the only known model, its dissection stored, real pictures at hand. Returns the cache folder."""
    card = zoo.Card("toy", "Planted toy", "toy", "toy.safetensors", default_layer="layer1", segmenters=("toy", "toy-judge"), bundled=True)
    monkeypatch.setattr(store, "CACHE", tmp_path)
    monkeypatch.setattr(zoo, "CARDS", {"toy": card})
    monkeypatch.setattr(zoo, "fingerprint", lambda name: "toy-generator-1")
    monkeypatch.setattr(zoo, "load", lambda name, device="auto": toys.ToyGenerator())
    monkeypatch.setattr(segment, "load", lambda name, device="auto": Judge() if "judge" in name else toys.ToySegmenter())
    monkeypatch.setattr(reference, "source", lambda model: "scenes")
    monkeypatch.setattr(reference, "pictures", lambda model, size, n: real(n))
    dissect(toys.ToyGenerator(), toys.ToySegmenter(), ["layer1"], range(64), level_seeds=range(1000, 1032), store=Store())
    return tmp_path


def real(n: int) -> np.ndarray:
    g = toys.ToyGenerator()
    return to_u8(render(g, g.z_for_seeds(range(900, 900 + min(n, 60))), [ablation("layer1", [toys.SMEAR])]))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def run(command: object, *args: str) -> str:
    result = CliRunner().invoke(command, args, catch_exceptions=False)  # type: ignore[arg-type]
    assert result.exit_code == 0, result.output
    return result.output


CAUSES = ("--model", "toy", "--layer", "layer1", "--class", "tree", "--pool", "48", "--images", "6", "--draws", "3", "--single", "8",
          "--context", "3")


def test_causes_writes_the_ranking_the_curves_figures_and_settings(toy: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = run(causes_command, *CAUSES, "--out", str(out))
    assert f"first units by causal effect {toys.TREE}," in said
    ranking = rows(out / "ranking.csv")
    assert list(ranking[0]) == ["unit", "label", "iou", "ace", "single_effect"]
    assert ranking[0] | {"iou": "", "ace": ""} == {"unit": "1", "label": "tree", "iou": "", "ace": "", "single_effect": "1.0"}
    assert len(ranking) == 9
    curves = rows(out / "curves.csv")
    assert list(curves[0]) == ["order", "mode", "n", "area_left", "gain", "lo", "hi"]
    assert {(r["order"], r["mode"]) for r in curves} == {(o, m) for o in ("ace", "iou", "single", "random")
                                                        for m in ("remove", "insert")}
    first = next(r for r in curves if (r["order"], r["mode"], r["n"]) == ("ace", "remove", "1"))
    assert float(first["area_left"]) == 0
    assert {p.name for p in out.glob("*.html")} == {"curves_remove.html", "curves_insert.html", "side_effects.html", "context.html",
                                                    "scatter.html"}
    settings = json.loads((out / "settings.json").read_text())
    assert (settings["chooser"], settings["scorer"], settings["scorer_is_chooser"]) == ("toy", "toy-judge", False)
    assert settings["plan"]["draws"] == 3


def test_a_second_call_answers_from_the_store(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(causes_command, *CAUSES)

    def must_not_run(*args: object) -> object:
        raise AssertionError("the generator was used again")

    monkeypatch.setattr(toys.ToyGenerator, "span", must_not_run)
    assert "causal effect" in run(causes_command, *CAUSES)
    assert {e.kind for e in Store().list()} >= {"ace", "single", "curves", "context"}


def test_wrong_requests_to_causes_are_explained(toy: Path) -> None:
    for args, error, message in ((("--class", "cathedral"), UnknownName, "cathedral"), (("--class", "tree", "--layer", "layer7"),
                                                                                       BadInput, "not been dissected"),
                                 (("--class", "tree", "--model", "nobody"), UnknownName, "nobody")):
        result = CliRunner().invoke(causes_command, ["--model", "toy", *args])
        assert isinstance(result.exception, error)
        assert message in str(result.exception)


def test_artifacts_lists_tests_and_keeps_a_cleaned_model(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.artifacts.scores.ORDINARY", 24)
    out = tmp_path / "out"
    said = run(artifacts_command, "--model", "toy", "--images", "40", "--off", "1", "--quality-images", "12", "--draws", "3",
               "--save", "toy-clean", "--out", str(out))
    assert f"most suspicious units {toys.SMEAR}" in said
    assert "toy-clean is now a model: 1 units of layer1 are off" in said
    listed = rows(out / "units.csv")
    assert listed[0]["unit"] == str(toys.SMEAR)
    quality = rows(out / "quality.csv")
    assert {r["figure"] for r in quality} == {"frechet", "kernel", "precision", "recall"}
    frechet = next(r for r in quality if (r["set"], r["figure"]) == ("worst", "frechet"))
    assert float(frechet["off"]) < float(frechet["untouched"])
    assert {p.name for p in out.glob("*.jpg")} == {f"{s}_{w}.jpg" for s in ("random", "worst") for w in ("before", "after")}


def test_wrong_units_are_explained(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.artifacts.scores.ORDINARY", 24)
    result = CliRunner().invoke(artifacts_command, ["--model", "toy", "--images", "40", "--units", "three"])
    assert isinstance(result.exception, BadInput)
    assert "'three'" in str(result.exception)

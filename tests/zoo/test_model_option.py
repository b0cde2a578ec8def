"""`--model` takes a weight file or somebody's code in every verb that has it, and a browser never gets that far."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from core import cli, store, zoo
from core.errors import BadInput, UnknownName
from core.invert import encoder_path
from core.segment.concepts import Painted, make_painted
from core.training.cli import main as training
from core.zoo import own
from tests.zoo.nets import TutorialGenerator, randomised

Run = Callable[..., Result]
SMALL = {"dissect": ("--layers", "LAYER", "--images", 8, "--level-images", 8),
         "causes": ("--layer", "LAYER", "--class", "upper", "--pool", 16, "--images", 4, "--draws", 2, "--single", 2, "--context", 4),
         "artifacts": ("--layer", "LAYER", "--images", 20, "--off", 0)}


@pytest.fixture(autouse=True)
def cache(own_cache: Path) -> Path:
    return own_cache


def run(*words: object) -> Result:
    return CliRunner().invoke(cli.main, [str(w) for w in words])


@pytest.mark.parametrize("kind", ["code", "file"])
def test_every_verb_takes_it(kind: str, tmp_path: Path) -> None:
    torch.save(randomised(TutorialGenerator(doublings=3)).state_dict(), tmp_path / "netG.pth")
    text, name = ("tests.zoo.nets:tutorial", "tutorial") if kind == "code" else (str(tmp_path / "netG.pth"), "netG")
    g = zoo.load(zoo.pick(text), "cpu")
    upper = np.zeros((32, 32), bool)
    upper[:16] = True
    make_painted(g, [Painted(seed, "upper", upper) for seed in (0, 1)], name="halves", store=store.Store())
    layer = g.layers[-1].name
    for verb, words in SMALL.items():
        own._lent.clear()  # each command is a process of its own
        done = run(verb, "--model", text, *(layer if w == "LAYER" else w for w in words))
        assert done.exit_code == 0, (verb, done.output, done.exception)
    kept = store.Store()
    for what in ("dissect", "ace", "artifacts"):
        assert kept.find(what, model=name), what
    own._lent.clear()
    judged = run("inpaint", "removals", "--model", text, "--layer", layer, "--classes", "upper").exception
    assert isinstance(judged, BadInput)
    assert f"'{name}' has no second segmenter" in str(judged), "it got as far as what this model lacks"
    own._lent.clear()
    trained = CliRunner().invoke(training, ["encoder", "--model", text, "--layer", layer, "--images", "16", "--home",
                                          str(tmp_path / "home")])
    assert trained.exit_code == 0, (trained.output, trained.exception)
    assert encoder_path(name).is_file()


@pytest.mark.parametrize("verb", [("dissect",), ("causes", "--class", "tree"), ("artifacts",), ("inpaint", "removals")])
def test_what_is_no_model_is_one_sentence_in_every_verb(verb: tuple[str, ...]) -> None:
    unknown = run(*verb, "--model", "scens").exception
    assert isinstance(unknown, UnknownName)
    assert "did you mean 'scenes'" in str(unknown)
    missing = run(*verb, "--model", "no_such_module:function").exception
    assert isinstance(missing, BadInput)
    assert "No module named 'no_such_module'" in str(missing)


def test_a_browser_cannot_name_code_or_a_file(tmp_path: Path) -> None:
    from streamlit.testing.v1 import AppTest

    torch.save(randomised(TutorialGenerator(doublings=3)).state_dict(), tmp_path / "netG.pth")
    for text in ("tests.zoo.nets:tutorial", str(tmp_path / "netG.pth"), "netG"):
        app = AppTest.from_file(str(Path(__file__).parents[2] / "app.py"), default_timeout=60)
        app.query_params["model"] = text
        app.run()
        assert not app.exception
        assert app.selectbox(key="model").value == "scenes"
        assert own._lent == {}

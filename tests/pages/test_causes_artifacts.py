"""The causes and artifacts pages in this process, on the planted generator: stored results, ticks, the cleaned model."""
from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core import artifacts, probe
from core.artifacts import load_scores, reference
from core.artifacts.quality import quality
from core.artifacts.scores import artifact_scores
from core.causal.optimise import ace
from core.causal.presets import PRESETS
from core.causal.study import Plan, measure
from core.dissect import load
from core.edits import ablation, render
from core.image import to_u8
from core.store import Store
from core.units import UnitSet
from core.zoo.generator import Generator
from tests import toys

Show = Callable[..., AppTest]
SETTING = replace(PRESETS["quick"], pool=48, train=16, evaluate=4, steps=30, samples=8, rate=0.05)
SMALL = Plan(SETTING, single=8, images=8, draws=3, random_images=4, context=6)


class Judge(toys.ToySegmenter):
    name = "toy-judge"
    fingerprint = "toy-judge-1"


@pytest.fixture
def store(toy: None, toy_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The toy's dissection in a store of one's own."""
    from pages.parts import state

    shutil.copytree(toy_runs, tmp_path / "runs")
    kept = Store(tmp_path / "runs", shipped=())
    monkeypatch.setattr(state, "store", lambda: kept)
    return kept


@pytest.fixture
def measured(store: Store) -> Store:
    """Besides the dissection what causes tree, and artifact scores with the test of the automatic list."""
    generator, chooser = toys.ToyGenerator(), toys.ToySegmenter()
    d = load(store, "toy", "layer1")
    assert d is not None
    measure(generator, chooser, Judge(), d, "tree", plan=SMALL, store=store)
    real = to_u8(render(generator, generator.z_for_seeds(range(700, 740)), [ablation("layer1", [toys.SMEAR])]))
    found = artifact_scores(generator, chooser, d, real, reference="scenes", images=64, store=store)
    quality(generator, Judge(), "layer1", found.top(2), real, images=16, draws=3, reference="scenes", store=store)
    return store


def texts(app: AppTest) -> str:
    return "\n".join([*(m.value for m in app.markdown), *(c.value for c in app.caption), *(i.value for i in app.info)])


def test_causes_opens_with_the_answer_its_control_and_who_scored(show: Show, measured: Store) -> None:
    app = show("causes")
    assert not app.exception
    said = texts(app)
    assert "leaves **0 %** of the tree" in said
    assert "random units leave" in said
    assert "scored by toy\\-judge" in said
    assert "chosen by toy" in said
    table = app.dataframe[0].value
    assert int(table["unit"].iloc[0]) == toys.TREE
    assert float(table["single effect"].iloc[0]) == 1.0


def test_presets_that_were_measured_are_held_against_each_other(show: Show, measured: Store) -> None:
    assert "rank correlation of α" not in texts(show("causes"))
    d = load(measured, "toy", "layer1")
    assert d is not None
    code = replace(PRESETS["code"], pool=48, train=16, evaluate=4, steps=20, rate=0.05)
    measure(toys.ToyGenerator(), toys.ToySegmenter(), Judge(), d, "tree", plan=replace(SMALL, setting=code), store=measured)
    app = show("causes")
    assert not app.exception
    assert "**quick** against **code**: rank correlation of α" in texts(app)
    assert "those of quick leave 0 %, those of code 0 %" in texts(app)
    # quick is shown, until the other is asked for
    assert "units damped everywhere, inserted into 3 × 3 cells at their 0\\.99 quantile" in texts(app)
    app = show("causes", learned="code")
    assert "units damped in one cell, inserted into one cell at their mean where the class is" in texts(app)


def test_what_is_shown_is_what_was_tested(show: Show, measured: Store) -> None:
    d = load(measured, "toy", "layer1")
    assert d is not None
    ace(toys.ToyGenerator(), toys.ToySegmenter(), "layer1", "tree", d.iou[:, d.column("tree")], d.q99,
        setting=replace(SETTING, steps=1, rate=1.0), store=measured)  # learned since, but never tested
    assert "30 steps of 8 pictures" in texts(show("causes"))


def test_the_order_and_number_of_units_change_the_answer(show: Show, measured: Store) -> None:
    app = show("causes", order="IoU", n="1")
    assert "first **1** units by IoU" in texts(app)
    assert len(app.dataframe[0].value) == 1


def test_chosen_units_go_into_the_shared_basket_with_their_values(show: Show, measured: Store) -> None:
    app = show("causes", n="2")
    app.button(key="to_basket").click().run()
    assert not app.exception
    (kept,) = app.session_state["basket.sets"]
    assert kept.layer == "layer1"
    assert kept.units[0] == toys.TREE
    assert 3 <= kept.values[0] <= 4


def test_a_class_that_is_not_measured_is_offered_not_failed(show: Show, measured: Store) -> None:
    app = show("causes", class_="sky")
    assert not app.exception
    assert "has not been measured yet" in texts(app)
    assert any(b.label == "Measure it" for b in app.button)
    assert f"switching off **unit {toys.SKY}** alone takes **100.0 %**" in texts(app)     # the cheap answer is there for every class
    app.button(key="to_basket").click().run()
    assert app.session_state["basket.sets"][0].units[0] == toys.SKY


def test_one_segmenter_in_both_roles_is_said_plainly(show: Show, store: Store) -> None:
    d, both = load(store, "toy", "layer1"), toys.ToySegmenter()
    assert d is not None
    measure(toys.ToyGenerator(), both, both, d, "tree", plan=SMALL, store=store)
    app = show("causes")
    assert not app.exception
    assert any("only one segmenter" in w.value for w in app.warning)


def test_the_chosen_units_are_switched_off_on_seeds_of_ones_own(
        show: Show, measured: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[int, tuple[int, ...]]] = []
    really = probe.switched_off

    def watched(generator: Generator, seed: int, layer: str, units: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        tried.append((seed, units))
        return really(generator, seed, layer, units)

    monkeypatch.setattr(probe, "switched_off", watched)
    app = show("causes", n="1", row="7")
    app.toggle(key="live").set_value(True).run()
    assert not app.exception
    assert tried == [(seed, (toys.TREE,)) for seed in range(7, 13)]


def test_artifacts_opens_with_the_automatic_list_and_its_test(show: Show, measured: Store) -> None:
    app = show("artifacts")
    assert not app.exception
    said = texts(app)
    assert "With these **2** units off, the Fréchet distance" in said
    assert "scored by toy\\-judge" in said
    found = load_scores(measured, "toy", "layer1", fingerprint="toy-generator-1")
    assert found is not None
    assert [c.value for c in app.checkbox][:3] == [True, True, False]
    assert app.checkbox[0].label.startswith(f"1. unit {toys.SMEAR} ")


def test_a_set_of_the_basket_can_be_ticked(show: Show, measured: Store) -> None:
    here, other = (UnitSet("smears", "toy", layer, (toys.SMEAR, toys.NOISE, toys.DEAD)) for layer in ("layer1", "layer2"))
    app = show("artifacts")
    app.session_state["basket.sets"] = [here, other]
    app.run()
    offered = [b for b in app.button if "of the basket" in b.label]
    assert [b.label for b in offered] == ["Tick 3 of the basket: smears"]
    offered[0].click().run()
    assert not app.exception
    assert app.session_state["artifacts.ticks.toy.layer1"] == tuple(sorted(here.units))
    assert {int(c.label.split()[2]) for c in app.checkbox if c.value} == set(here.units)


def test_another_set_is_not_passed_off_as_measured(show: Show, measured: Store) -> None:
    app = show("artifacts")
    app.checkbox[2].check().run()
    assert not app.exception
    said = texts(app)
    assert "With these" not in said
    assert "no real pictures" in said


def test_a_set_that_was_not_tested_is_offered_for_testing_beside_one_that_was(
        show: Show, measured: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "source", lambda model: "scenes")
    app = show("artifacts")
    app.checkbox[2].check().run()
    assert not app.exception
    said = texts(app)
    assert "**3** units are ticked. What switching them off does to quality has not been measured" in said
    assert any(b.label == "Test these units" for b in app.button)
    assert "With these **2** units off" in said
    assert "Measured for the automatic list" in [h.value for h in app.subheader]


def test_units_are_ticked_one_by_one(show: Show, measured: Store) -> None:
    app = show("artifacts", view="One by one")
    assert f"**Unit {toys.SMEAR}**, number 1" in texts(app)
    app.button(key="fine").click().run()
    assert not app.exception
    assert toys.SMEAR not in app.session_state["artifacts.ticks.toy.layer1"]
    assert "number 2 of 9" in texts(app)
    app.button(key="back").click().run()
    app.button(key="bad").click().run()
    assert toys.SMEAR in app.session_state["artifacts.ticks.toy.layer1"]


def test_a_cleaned_model_is_kept_and_bad_names_are_explained(show: Show, measured: Store) -> None:
    app = show("artifacts")
    app.text_input(key="clean_name").input("Not a name").run()
    app.button(key="save").click().run()
    assert any("small letters" in e.value for e in app.error)
    app.text_input(key="clean_name").input("toy-clean").run()
    app.button(key="save").click().run()
    assert not app.exception
    assert artifacts.cleaned(measured)["toy-clean"].units == tuple(sorted(artifacts.cleaned(measured)["toy-clean"].units))
    app.button(key="delete.toy-clean").click().run()
    assert "toy-clean" not in artifacts.cleaned(measured)


@pytest.mark.parametrize(("page", "button"), [("causes", "Measure it"), ("artifacts", "Examine this layer")])
def test_both_pages_offer_the_work_when_it_is_not_done(show: Show, store: Store, page: str, button: str) -> None:
    app = show(page)
    assert not app.exception
    assert any(b.label == button for b in app.button)

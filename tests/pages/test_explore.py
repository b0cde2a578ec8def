"""Overview, layers and units, on the planted generator."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.dissect import Dissection, load
from core.store import Store
from tests.toys import DEAD, DOOR, NEGATIVE, TREE

Show = Callable[..., AppTest]


@pytest.fixture
def layer1(toy_runs: Path) -> Dissection:
    found = load(Store(toy_runs, shipped=()), "toy", "layer1")
    assert found is not None
    return found.at("iqr")


def texts(app: AppTest) -> str:
    return "\n".join([*(m.value for m in app.markdown), *(c.value for c in app.caption), *(i.value for i in app.info),
                      *(s.value for s in app.subheader), *(e.value for e in app.error)])


def metric(app: AppTest, name: str) -> str:
    return next(m.value for m in app.metric if m.label == name)


@pytest.mark.parametrize(("page", "title"), [("overview", "GAN Dissection"), ("layers", "Layers"), ("units", "Units")])
def test_page_shows_its_title_one_sentence_and_no_error(dissected: None, show: Show, page: str, title: str) -> None:
    app = show(page)
    assert [t.value for t in app.title] == [title]
    assert not app.exception
    assert not app.error
    assert app.markdown[0].value.endswith(".")


@pytest.mark.parametrize("page", ["overview", "layers", "units"])
def test_without_a_stored_dissection_the_page_explains_and_offers_to_run_one(
        toy: None, show: Show, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, page: str) -> None:
    from pages.parts import state

    monkeypatch.setattr(state, "store", lambda: Store(tmp_path, shipped=()))
    monkeypatch.setattr(state, "layers", lambda name: ("layer1", "layer2"))
    app = show(page)
    assert not app.exception
    assert "has not been dissected yet" in texts(app)
    assert "Dissect this model" in [b.label for b in app.button]


def test_units_are_listed_with_label_and_iou_best_first(dissected: None, show: Show, layer1: Dissection) -> None:
    app = show("units")
    shown = [int(b.label.removeprefix("Unit ")) for b in app.button if b.label.startswith("Unit ")]
    assert sorted(shown) == list(range(9))
    values = [layer1.best(u)[1] for u in shown]
    assert values == sorted(values, reverse=True)
    assert f"**tree** · object · IoU {layer1.best(TREE)[1]:.3f}" in texts(app)


def test_a_class_in_the_address_shows_only_its_units(dissected: None, show: Show, layer1: Dissection) -> None:
    app = show("units", class_="tree")
    shown = {int(b.label.removeprefix("Unit ")) for b in app.button if b.label.startswith("Unit ")}
    assert shown == set(dict((x.name, u) for x, u in layer1.distribution())["tree"])
    assert TREE in shown
    assert DOOR not in shown


def test_search_by_number_finds_the_unit(dissected: None, show: Show) -> None:
    app = show("units", q=str(DOOR))
    assert [b.label for b in app.button if b.label.startswith("Unit ")] == [f"Unit {DOOR}"]


def test_filters_that_let_nothing_through_say_so(dissected: None, show: Show) -> None:
    app = show("units", q="nothing of this name")
    assert "No unit passes these filters" in texts(app)


def test_one_unit_is_named_and_counted(dissected: None, show: Show, layer1: Dissection) -> None:
    app = show("units", unit=str(DOOR))
    assert not app.exception
    assert f"Unit {DOOR} of layer1: {layer1.best(DOOR)[0].name}" in texts(app)
    assert metric(app, "IoU") == f"{layer1.best(DOOR)[1]:.3f}"


@pytest.mark.parametrize("unit", [DEAD, NEGATIVE])
def test_a_unit_that_draws_nothing_is_shown_as_having_no_label(dissected: None, show: Show, unit: int) -> None:
    app = show("units", unit=str(unit), threshold="top 1 %")
    assert not app.exception
    assert f"Unit {unit} of layer1: no label" in texts(app)


def test_the_threshold_slider_moves_iou_share_and_level_together(dissected: None, show: Show, layer1: Dissection) -> None:
    app = show("units", unit=str(TREE))
    slider = next(s for s in app.select_slider if s.label.startswith("Threshold"))
    step = len(slider.options) - 1
    slider.set_value(step).run()
    curve = layer1.iou_curve(TREE)[1:, step]
    assert metric(app, "IoU") == f"{curve.max():.3f}"
    assert metric(app, "Level") == f"{layer1.level_grid[TREE, step]:.3g}"
    assert metric(app, "Active") == f"{100 * layer1.share_curve(TREE)[step]:.2g} %"


def test_values_in_the_address_that_do_not_exist_are_ignored(dissected: None, show: Show) -> None:
    app = show("units", unit="9999", layer="../../etc/passwd", model="<script>", class_="![x](http://x)", sort="nonsense",
               page_="-3")
    assert not app.exception
    assert [b.label for b in app.button if b.label.startswith("Unit ")]
    assert app.selectbox(key="layer").value == "layer1"


def test_picked_units_meet_in_the_tray_and_in_the_basket(dissected: None, show: Show) -> None:
    app = show("units")
    app.button(key=f"pick.{TREE}").click().run()
    app.button(key=f"pick.{DOOR}").click().run()
    [held] = app.session_state["basket.sets"]
    assert (held.model, held.layer, held.units) == ("toy", "layer1", (TREE, DOOR))
    app.segmented_control(key="view").set_value("Tray").run()
    assert not app.exception
    assert f"**Unit {TREE}**" in texts(app)
    assert f"**Unit {DOOR}**" in texts(app)


def test_all_units_of_a_layer_are_counted_in_the_sentence_over_its_chart(dissected: None, show: Show, layer1: Dissection) -> None:
    from core import survey

    app = show("layers", threshold="IQR")
    groups = layer1.distribution()
    assert f"**layer1**: {sum(len(units) for _, units in groups)} of 9 units have a class" in texts(app)
    assert survey.sentence(groups) in texts(app)


def test_the_cut_changes_what_counts(dissected: None, show: Show) -> None:
    strict = show("layers", cut="IoU > 0.05 and IQR > 0.01", threshold="top 1 %")
    assert not strict.exception
    assert "cut IoU \\> 0\\.05" in texts(strict)


def test_both_tables_can_be_saved(dissected: None, show: Show) -> None:
    app = show("layers")
    assert {"Classes as CSV", "Units as CSV"} <= {b.label for b in app.get("download_button")}


def test_switching_units_off_on_the_overview_changes_the_picture(dissected: None, show: Show,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    from core import probe

    seen: list = []
    real = probe.switched_off
    monkeypatch.setattr(probe, "switched_off", lambda *a: seen.append(real(*a)) or seen[-1])
    app = show("overview")
    assert seen == []  # stored pictures need no generator
    app.toggle(key="off").set_value(True).run()
    assert not app.exception
    before, after = seen[-1]
    assert (before != after).any()


def test_pages_draw_stored_results_without_torch(toy_runs: Path) -> None:
    import subprocess
    import sys

    code = f"""
import sys
from core import zoo
from core.store import Store
zoo.CARDS = {{"toy": zoo.Card("toy", "Toy", "toy", "toy.safetensors", default_layer="layer1", segmenters=("toy",), bundled=True)}}
zoo.fingerprint = lambda name: "toy-generator-1"
from pages.parts import state
state.store = lambda: Store({str(toy_runs)!r}, shipped=())
state.warm = lambda: None
from streamlit.testing.v1 import AppTest
for page in ("overview", "layers", "units"):
    app = AppTest.from_file("app.py", default_timeout=60)
    if page != "overview":
        app.switch_page(f"pages/{{page}}.py")
    app.run()
    assert not app.exception, page
    assert "torch" not in sys.modules, page
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_evidence_is_offered_while_it_is_not_stored_and_shown_once_it_is(toy: None, toy_runs: Path, tmp_path: Path, show: Show,
                                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    from core.nulls import load as load_nulls
    from core.nulls import nulls
    from core.tightness import load as load_tightness
    from core.tightness import tightness
    from pages.parts import state
    from tests.toys import ToyGenerator, ToySegmenter

    shutil.copytree(toy_runs, tmp_path / "runs")
    store = Store(tmp_path / "runs", shipped=())
    monkeypatch.setattr(state, "store", lambda: store)
    assert [b.label for b in show("layers").button if b.label == "Measure"] == ["Measure"] * 2
    found = {name: load(store, "toy", name) for name in ("layer1", "layer2")}
    nulls(ToyGenerator(), ToySegmenter(), ["layer1"], range(16), level_seeds=range(1000, 1016), store=store)
    tightness(ToyGenerator(), ToySegmenter(), found, range(2_000_000, 2_000_016), store=store)
    app = show("layers")
    assert not app.exception
    assert [b for b in app.button if b.label == "Measure"] == []
    assert "seeds 0–15" in texts(app)
    assert "seeds 2000000–2000015" in texts(app)
    zero, tight = load_nulls(store, "toy"), load_tightness(store, "toy")
    assert zero is not None
    assert tight is not None
    assert f"**{100 * zero.beyond('layer1', 'random', threshold='iqr'):.0f} %** of layer1" in texts(app)
    assert {1: "Yes: later", -1: "No: earlier", 0: "Not measurably"}[tight.trend()] in texts(app)
    low, high = tight.overall_outline[1, 1:]
    assert f"({low:.2f}–{high:.2f}) in layer2" in texts(app)


def test_a_threshold_in_the_address_is_used(dissected: None, show: Show, layer1: Dissection) -> None:
    level = f"{layer1.level_grid[TREE, 50]:.4g}"
    app = show("units", unit=str(TREE), level=level)
    assert metric(app, "Level") == f"{float(level):.3g}"


def test_pointing_reads_the_classes_of_the_first_top_image(dissected: None, show: Show) -> None:
    app = show("units", unit=str(TREE))
    app.toggle(key="pointing").set_value(True).run()
    assert not app.exception


def test_the_next_unit_starts_at_its_own_level_again(dissected: None, show: Show, layer1: Dissection) -> None:
    app = show("units", unit=str(TREE), sort="number")
    slider = next(s for s in app.select_slider if s.label.startswith("Threshold"))
    slider.set_value(3).run()
    app.button(key="next").click().run()
    assert f"Unit {TREE + 1} of layer1" in texts(app)
    assert metric(app, "Level") == f"{layer1.levels[TREE + 1]:.3g}"
    assert not app.warning


def test_switching_one_unit_off_shows_pictures_with_and_without_it(dissected: None, show: Show) -> None:
    app = show("units", unit=str(TREE))
    assert "as generated" not in texts(app)
    app.toggle(key="off.False").set_value(True).run()
    assert not app.exception
    assert f"unit {TREE} off" in texts(app)

"""What pages say about a dissection, checked on the planted generator."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core import survey
from core.dissect import Dissection, dissect
from core.errors import BadInput, UnknownName
from core.survey import CUTS, Filter
from tests.toys import DOOR, SKY, TREE, ToyGenerator, ToySegmenter


@pytest.fixture(scope="module")
def d() -> Dissection:
    return dissect(ToyGenerator(), ToySegmenter(), ["layer1"], range(64), level_seeds=range(1000, 1064))["layer1"].at("iqr")


def test_selecting_without_a_filter_gives_every_unit_once_best_iou_first(d: Dissection) -> None:
    units = survey.select(d, CUTS["iou"], Filter())
    assert sorted(units) == list(range(len(d.iou)))
    iou = survey.best_iou(d)[units]
    assert (np.diff(iou) <= 0).all()


def test_a_class_filter_and_no_label_split_the_units_that_have_that_class_or_none(d: Dissection) -> None:
    cut = CUTS["iou"]
    named = [u for label, _ in survey.distribution(d, cut) for u in survey.select(d, cut, Filter(label=label.name))]
    without = survey.select(d, cut, Filter(label=d.labels[0].name))
    assert sorted(named + without) == list(range(len(d.iou)))


def test_ranking_all_units_for_a_class_starts_with_its_best_unit(d: Dissection) -> None:
    units = survey.select(d, CUTS["iou"], Filter(label="door", near=True))
    assert len(units) == len(d.iou)
    assert units[0] == d.units_for("door", 1)[0]


def test_search_matches_every_word(d: Dissection) -> None:
    assert TREE in survey.select(d, CUTS["iou"], Filter(text="tree object"))
    assert survey.select(d, CUTS["iou"], Filter(text=f"tree {DOOR}")) == []


def test_a_class_or_an_order_that_does_not_exist_is_refused(d: Dissection) -> None:
    with pytest.raises(UnknownName):
        survey.select(d, CUTS["iou"], Filter(label="spaceship"))
    with pytest.raises(BadInput, match="number"):
        survey.select(d, CUTS["iou"], Filter(sort="shoe size"))


def test_the_stricter_cut_keeps_a_subset(d: Dissection) -> None:
    assert not (survey.passing(d, CUTS["iqr"]) & ~survey.passing(d, CUTS["iou"])).any()


def test_the_tally_counts_units_and_distinct_labels(d: Dissection) -> None:
    groups = survey.distribution(d, CUTS["iou"])
    tally = survey.tally(groups)
    assert sum(n for n, _ in tally.values()) == survey.passing(d, CUTS["iou"]).sum()
    assert sum(k for _, k in tally.values()) == len(groups)
    assert survey.sentence([]) == "no unit passes"
    n, k = tally["object"]
    assert survey.sentence(groups).startswith(f"{n} object unit")
    assert f"({k} label" in survey.sentence(groups)


def test_reading_at_the_units_own_level_gives_its_iou_and_label(d: Dissection) -> None:
    for unit in (SKY, TREE, DOOR):
        reading = survey.at_level(d, unit, survey.nearest_step(d, unit, float(d.levels[unit])))
        assert reading.label == d.best(unit)[0]
        assert reading.iou == pytest.approx(d.best(unit)[1], abs=1e-6)
        assert [x for x, v in reading.runners_up if v > 0] == [x for x, _ in d.runners_up(unit)]


def test_best_units_names_one_unit_a_layer(d: Dissection) -> None:
    [cell] = survey.best_units({"layer1": d}, "sky")
    assert (cell.layer, cell.unit) == ("layer1", d.units_for("sky", 1)[0])
    assert cell.iou == pytest.approx(float(d.iou[cell.unit, d.column("sky")]))


def test_rows_of_classes_hold_every_label_and_its_ceiling(d: Dissection) -> None:
    plain = d.at("quantile")
    rows = {r["class"]: r for r in survey.class_rows({"layer1": plain}, CUTS["iou"])}
    assert set(rows) == {x.name for x in d.labels[1:]}
    assert rows["sky"]["can pass"] is (plain.ceiling("sky") > 0.04)
    assert "ceiling" not in survey.class_rows({"layer1": d}, CUTS["iou"])[0]
    assert rows["dome"]["layer1"] == 0
    assert len(survey.unit_rows(plain, CUTS["iou"])) == len(d.iou)


def test_labels_of_one_category_leave_the_others_out(d: Dissection) -> None:
    ids = {x.name: x.id for x in d.labels}
    maps = np.array([[[ids["door"], ids["tree"]]], [[ids["window"], 0]], [[ids["wood"], ids["foliage"]]]])
    assert survey.of_category(d, maps, "part").tolist() == [[ids["window"], 0]]
    assert survey.of_category(d, maps, "object").tolist() == [[ids["door"], ids["tree"]]]


def test_listed_seeds_are_described(d: Dissection) -> None:
    run = replace(d.run, params={**d.run.params, "seeds": {"seeds": [3, 5, 8]}})
    assert survey.seeds_text(replace(d, run=run)) == "3 listed ones"
    assert survey.seeds_text(d) == "0–63"

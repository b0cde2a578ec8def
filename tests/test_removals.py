"""Removing a class from generated pictures: on the planted generator."""
from __future__ import annotations

import numpy as np
import pytest

from core import compare, removals
from core.errors import BadInput
from core.store import Run
from core.units import ranked
from tests import toys

GENERATOR, CHOOSER = toys.ToyGenerator(), toys.ToySegmenter()


class Judge(toys.ToySegmenter):
    fingerprint = "another network"


def ranking(label: str, unit: int):
    score = np.zeros(9)
    score[unit] = 1
    return ranked(Run("x", {}), "layer1", label, score, "iou")


RANKINGS = {"tree": ranking("tree", toys.TREE), "door": ranking("door", toys.DOOR)}
STUDY = removals.Study("toy", "layer1", ("tree", "door"), seeds=8, units=1, methods=("telea", *compare.GANS, compare.BEFORE))


def run(study=STUDY, **options) -> removals.Removals:
    return removals.measure(study, generator=GENERATOR, chooser=CHOOSER, judge=Judge(), rankings=RANKINGS, **options)


def test_the_unit_that_draws_the_tree_removes_it_and_controls_do_not():
    found = run()
    assert found.interval("gan", "removal").median == 100
    assert found.interval("gan-random", "removal", "tree").median == 0
    assert found.interval("before", "removal").median == 0
    assert found.interval("gan", "collateral", "tree").median == 0


def test_holes_are_those_where_the_class_is_seen():
    found = run()
    for seed, number in zip(found.seeds, found.label_of, strict=True):
        seen = compare.label_maps(CHOOSER, compare.plain(GENERATOR, int(seed)))
        assert (seen == compare.label_id(CHOOSER, STUDY.labels[number])).any()
    assert len(found.seeds) == found.interval("telea", "seam").n


def test_stored_study_answers_at_once_and_is_found_for_its_generator(store):
    first = run(store=store)
    again = run(store=store, report=lambda *a: pytest.fail("measured again"))
    assert np.array_equal(first.scores, again.scores, equal_nan=True)
    assert removals.load(store, "toy", generator=GENERATOR.fingerprint).study == STUDY
    assert removals.load(store, "toy", generator="another") is None


def test_judge_that_chose_the_units_is_refused():
    with pytest.raises(BadInput, match="second segmenter"):
        removals.measure(STUDY, generator=GENERATOR, chooser=CHOOSER, judge=CHOOSER, rankings=RANKINGS)


def test_class_that_never_occurs_is_said():
    study = removals.Study("toy", "layer1", ("dome",), seeds=2, methods=("telea",))
    with pytest.raises(BadInput, match="none of dome"):
        removals.measure(study, generator=GENERATOR, chooser=CHOOSER, judge=Judge(), rankings={"dome": ranking("dome", 5)})


def test_interval_covers_its_median_and_missing_scores_have_none():
    found = run()
    seam = found.interval("telea", "seam")
    assert seam.low <= seam.median <= seam.high
    blank = removals.Removals(found.study, found.run, np.full_like(found.scores, np.nan), found.seeds, found.label_of,
                              found.realism)
    assert blank.interval("telea", "seam") is None
    assert "–" in removals.as_text(blank)


def test_table_names_every_method():
    text = removals.as_text(run())
    assert all(name in text for name in STUDY.names)


def test_undissected_model_and_missing_judge_say_what_to_do(store, monkeypatch):
    from core import zoo

    with pytest.raises(BadInput, match="core dissect --model scenes"):
        removals.of_model(store, "scenes")
    card = zoo.Card("lone", "Lone", "toy", "lone.safetensors", segmenters=("toy",), bundled=True)
    monkeypatch.setattr(zoo, "CARDS", {"lone": card})
    with pytest.raises(BadInput, match="no second segmenter"):
        removals.of_model(store, "lone")


def test_study_and_opening_comparisons_of_a_dissected_model_are_stored(store, monkeypatch):
    from core import segment, zoo
    from core.dissect import dissect

    card = zoo.Card("toy", "Toy", "toy", "toy.safetensors", default_layer="layer1", segmenters=("toy", "toy-judge"), bundled=True)
    monkeypatch.setattr(zoo, "CARDS", {"toy": card})
    monkeypatch.setattr(zoo, "fingerprint", lambda name: GENERATOR.fingerprint)
    monkeypatch.setattr(zoo, "load", lambda name, device="auto": GENERATOR)
    monkeypatch.setattr(segment, "load", lambda name, device="auto": Judge() if name == "toy-judge" else CHOOSER)
    dissect(GENERATOR, CHOOSER, ["layer1"], range(24), level_seeds=range(100, 116), store=store)
    found = removals.of_model(store, "toy", labels=("tree", "unknown"), seeds=6, units=1)
    assert found.study.labels == ("tree",)
    compare.bundle(store, model="toy", labels=("tree", "door"))
    kept = [compare.load(store, e.key) for e in store.list("compare")]
    assert sorted(b.question.label for b in kept) == ["door", "tree"]
    compare.bundle(store, model="toy", labels=("tree", "door"))
    assert len(store.list("compare")) == 2


def test_methods_are_timed_on_every_fourth_seed():
    found = run()
    timed = np.isfinite(found.scores[0, removals.METRICS.index("cpu")])
    assert timed.tolist() == [seed % removals.EVERY == 0 for seed in found.seeds.tolist()]
    assert found.interval("telea", "cpu").n == timed.sum()
    assert "cores" in found.machine


def test_realism_is_told_from_enough_pictures_only(monkeypatch, store):
    assert np.isnan(run().realism).all()
    assert "not told" in removals.as_text(run())
    monkeypatch.setattr(removals, "REALISTIC", 3)
    few = removals.Study("toy", "layer1", ("tree",), seeds=12, units=1, methods=("gan", "before"))
    found = run(few, store=store)
    gan, untouched = found.realism[:, 0]
    assert gan < untouched  # a tree that was never drawn is nearer to pictures without one than a tree
    assert np.array_equal(run(few, store=store).realism, found.realism)

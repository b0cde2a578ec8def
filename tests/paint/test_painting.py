"""The picture follows from the document: identities, what strokes do to a planted generator, their order, what is shared."""
from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.edits import UnitEdit, apply, render
from core.errors import BadInput, UnknownName
from core.image import to_u8
from core.paint import (
    Painting,
    Stroke,
    all_brushes,
    dissection_for,
    mask_of,
    measure,
    paint,
    paint_seeds,
    pair,
    stored_rankings,
    trials_sheet,
)
from core.paint import render as render_module
from core.paint.brushes import choose
from core.store import Run, Store
from core.units import Ranking, UnitSet, ranked
from core.zoo.generator import generate
from tests.paint.conftest import PlantedDissection
from tests.toys import DOOR, FAKE_TREE, TREE, ToyGenerator, ToySegmenter

EMPTY = Painting("toy", "layer1", 3)
# cells are 4 pixels: this covers the cells of rows 6-7, columns 0-1, where a tree can stand
TREE_PLACE = Stroke("tree", "draw", units=1, shape="rect", points=((0, 24), (8, 32)))


def plain(toy: ToyGenerator, seed: int) -> np.ndarray:
    return to_u8(generate(toy, [seed]))[0]


def trees(image: np.ndarray) -> np.ndarray:
    from core.image import from_u8

    return (ToySegmenter()(from_u8(image))[0, 0] == 2).numpy()


def seed_without_tree(toy: ToyGenerator) -> int:
    return next(s for s in range(100) if not trees(plain(toy, s)).any())


def seed_with_tree(toy: ToyGenerator) -> int:
    return next(s for s in range(100) if trees(plain(toy, s)).any())


def test_no_strokes_give_the_plain_picture(toy: ToyGenerator, planted: PlantedDissection) -> None:
    result = paint(toy, EMPTY, planted)
    np.testing.assert_array_equal(result.image, plain(toy, 3))
    np.testing.assert_array_equal(result.before, result.image)


@pytest.mark.parametrize("same", [replace(TREE_PLACE, strength=0.0), replace(TREE_PLACE, hidden=True),
                                  replace(TREE_PLACE, points=((-90, -90), (-80, -80)))])
def test_no_strength_hidden_or_outside_gives_the_plain_picture(same: Stroke, toy: ToyGenerator,
                                                               planted: PlantedDissection) -> None:
    np.testing.assert_array_equal(paint(toy, EMPTY.add(same), planted).image, plain(toy, 3))


def test_drawing_puts_the_thing_inside_the_stroke_and_nothing_outside(toy: ToyGenerator, planted: PlantedDissection) -> None:
    seed = seed_without_tree(toy)
    result = paint(toy, EMPTY.on(seed).add(TREE_PLACE), planted)
    np.testing.assert_array_equal(trees(result.image), mask_of(TREE_PLACE, (32, 32)))
    np.testing.assert_array_equal(result.before, plain(toy, seed))


def test_removing_the_whole_class_takes_it_away(toy: ToyGenerator, planted: PlantedDissection) -> None:
    seed = seed_with_tree(toy)
    removed = paint(toy, EMPTY.on(seed).add(Stroke("tree", "remove", units=1, shape="all")), planted).image
    assert not trees(removed).any()
    np.testing.assert_array_equal(removed[~trees(plain(toy, seed))], plain(toy, seed)[~trees(plain(toy, seed))])


def test_strength_is_continuous(toy: ToyGenerator, planted: PlantedDissection) -> None:
    """The painter's opacity is tanh(4·strength): more strength, more of the tree's colour."""
    seed = seed_without_tree(toy)
    reds = [int(paint(toy, EMPTY.on(seed).add(replace(TREE_PLACE, strength=a)), planted).image[28, 2, 0])
            for a in (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)]
    assert reds == sorted(reds, reverse=True)
    assert len(set(reds)) == 6


def test_the_later_stroke_lies_over_the_earlier(toy: ToyGenerator, planted: PlantedDissection) -> None:
    seed = seed_without_tree(toy)
    remove = replace(TREE_PLACE, mode="remove")
    base = EMPTY.on(seed)
    np.testing.assert_array_equal(paint(toy, base.add(TREE_PLACE).add(remove), planted).image, plain(toy, seed))
    np.testing.assert_array_equal(paint(toy, base.add(remove).add(TREE_PLACE), planted).image,
                                  paint(toy, base.add(TREE_PLACE), planted).image)


def test_strokes_compose_by_the_over_rule(toy: ToyGenerator, planted: PlantedDissection) -> None:
    """A = 1−(1−a2)(1−a1), V = (v1·a1·(1−a2) + v2·a2)/A, as the original server has it."""
    first = replace(TREE_PLACE, strength=0.6, points=((0, 20), (10, 32)))
    second = replace(TREE_PLACE, mode="remove", strength=0.3, points=((4, 26), (20, 32)))
    painting = EMPTY.add(first).add(second)
    a1, a2 = (torch.from_numpy(mask_of(s, (32, 32)).reshape(8, 4, 8, 4).mean(axis=(1, 3))) * s.strength for s in (first, second))
    over = 1 - (1 - a2) * (1 - a1)
    value = 4 * a1 * (1 - a2) / (over + 1e-40)
    z = toy.z_for_seeds([3])
    acts = toy.head(z, "layer1").clone()
    acts[:, TREE] = acts[:, TREE] * (1 - over) + value * over
    expected = to_u8(toy.tail(acts, "layer1"))[0].astype(int)
    assert np.abs(paint(toy, painting, planted).image.astype(int) - expected).max() <= 1


def test_a_mask_that_covers_part_of_a_cell_acts_in_part(toy: ToyGenerator, planted: PlantedDissection) -> None:
    quarter = replace(TREE_PLACE, points=((0, 24), (2, 26)))
    same = UnitEdit("layer1", (TREE,), 4.0, 0.25, np.kron(np.eye(1, 64, 48).reshape(8, 8), np.ones((4, 4))))
    expected = to_u8(render(toy, toy.z_for_seeds([3]), [same]))[0]
    np.testing.assert_array_equal(paint(toy, EMPTY.add(quarter), planted).image, expected)


def test_units_come_from_the_causal_ranking_where_there_is_one(toy: ToyGenerator, planted: PlantedDissection) -> None:
    """By IoU a unit that draws nothing may lead; the causal ranking given puts the one that draws first."""
    misled = replace(TREE_PLACE, order="iou")
    score = np.zeros(9)
    score[DOOR] = 1
    ace = ranked(Run("ace", {}), "layer1", "tree", score, "ace")
    assert choose(TREE_PLACE, EMPTY, planted).units == (TREE,)  # type: ignore[arg-type]
    assert choose(TREE_PLACE, EMPTY, planted, ace).units == (DOOR,)  # type: ignore[arg-type]
    assert choose(TREE_PLACE, EMPTY, planted, ace).by == "ace"  # type: ignore[arg-type]
    assert choose(misled, EMPTY, planted, {"tree": ace}).units == (TREE,)  # type: ignore[arg-type]
    asked = paint(toy, EMPTY.add(replace(TREE_PLACE, order="ace")), planted)  # type: ignore[arg-type]
    assert "no causal ranking of tree" in asked.notes[0]
    with pytest.raises(BadInput, match="layer2"):
        choose(TREE_PLACE, EMPTY, planted, Ranking(ace.run, "layer2", "tree", ace.order, ace.score, "ace"))  # type: ignore[arg-type]


def test_stored_causal_rankings_are_those_of_the_class_brushes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from core import causal

    made = ranked(Run("ace", {}), "layer1", "tree", np.arange(9.0), "ace")
    monkeypatch.setattr(causal, "load_ranking", lambda store, model, layer, label, **more: made if label == "tree" else None)
    assert stored_rankings(EMPTY.add(TREE_PLACE).add(replace(TREE_PLACE, brush="door")), store) == {"tree": made}
    assert stored_rankings(EMPTY.add(replace(TREE_PLACE, order="iou")), store) == {}


def test_what_drawing_inserts(planted: PlantedDissection) -> None:
    two = replace(TREE_PLACE, units=2)
    assert choose(two, EMPTY, planted).units == (TREE, FAKE_TREE)  # type: ignore[arg-type]
    np.testing.assert_array_equal(choose(two, EMPTY, planted).values, [4, 5])  # type: ignore[arg-type]
    np.testing.assert_array_equal(choose(replace(two, value="mean"), EMPTY, planted).values, [3.5, 3.5])  # type: ignore[arg-type]
    np.testing.assert_array_equal(choose(replace(two, mode="remove"), EMPTY, planted).values, [0, 0])  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="never occurs"):
        choose(replace(two, brush="window", value="mean"), EMPTY, planted)  # type: ignore[arg-type]


def test_a_set_of_ones_own_is_a_brush(toy: ToyGenerator, planted: PlantedDissection) -> None:
    seed = seed_without_tree(toy)
    own = UnitSet("mine", "toy", "layer1", (TREE,), (3.0,))
    painting = EMPTY.on(seed).add(replace(TREE_PLACE, brush="mine"), own)
    assert trees(paint(toy, painting, planted).image).any()
    assert trees(paint(toy, painting, None).image).any()  # its values are its own: no dissection needed
    late = UnitSet("late", "toy", "layer2", (8 - TREE,), (3.0,))
    both = painting.add(replace(TREE_PLACE, brush="late", mode="remove"), late)
    assert not trees(paint(toy, both, planted).image).any()  # an edit of a later layer acts after those of earlier ones
    assert choose(replace(TREE_PLACE, brush="mine"), painting, planted).by == "set"  # type: ignore[arg-type]
    valueless = EMPTY.add(replace(TREE_PLACE, brush="late"), replace(late, values=()))
    with pytest.raises(BadInput, match="no values"):
        paint(toy, valueless, planted)


def test_what_cannot_be_painted_is_named(toy: ToyGenerator, planted: PlantedDissection) -> None:
    with pytest.raises(UnknownName, match="unicorn"):
        paint(toy, EMPTY.add(replace(TREE_PLACE, brush="unicorn")), planted)
    with pytest.raises(UnknownName, match="layer9"):
        paint(toy, replace(EMPTY, layer="layer9"), planted)
    with pytest.raises(BadInput, match="generator given is 'toy'"):
        paint(toy, replace(EMPTY, model="scenes"), planted)
    for wrong in (None, PlantedDissection("layer2")):
        with pytest.raises(BadInput, match="python -m core dissect"):
            paint(toy, EMPTY.add(TREE_PLACE), wrong)  # type: ignore[arg-type]


def test_the_same_document_gives_the_same_picture_and_a_stored_one_too(toy: ToyGenerator, planted: PlantedDissection) -> None:
    painting = EMPTY.add(replace(TREE_PLACE, strength=0.37)).add(Stroke("door", points=((20, 22), (25, 30)), size=5, units=2))
    first = paint(toy, painting, planted).image
    render_module.kept.clear()
    np.testing.assert_array_equal(paint(toy, Painting.from_json(painting.to_json()), planted).image, first)
    assert (first != plain(toy, 3)).any()


def test_other_seeds_get_the_same_strokes(toy: ToyGenerator, planted: PlantedDissection) -> None:
    painting = EMPTY.add(TREE_PLACE)
    seeds = list(range(11))  # more than a micro-batch
    for result, seed in zip(paint_seeds(toy, painting, planted, seeds), seeds, strict=True):
        alone = paint(toy, painting.on(seed), planted)
        np.testing.assert_array_equal(result.image, alone.image)
        np.testing.assert_array_equal(result.before, alone.before)
        assert result.painting.seed == seed


class Counting(ToyGenerator):
    """Counts what it runs."""

    def __init__(self) -> None:
        self.calls: list[tuple[str | None, str | None]] = []
        super().__init__()
        self.fingerprint = "toy-counting"

    def span(self, x, start, stop, z=None):  # type: ignore[no-untyped-def]
        self.calls.append((start, stop))
        return super().span(x, start, stop, z)


def test_a_stroke_costs_the_layers_after_it_only(planted: PlantedDissection) -> None:
    counting = Counting()
    render_module.kept.clear()
    paint(counting, EMPTY, planted)
    assert counting.calls.count((None, "layer1")) == 1
    counting.calls.clear()
    paint(counting, EMPTY.add(TREE_PLACE), planted)
    paint(counting, EMPTY.add(TREE_PLACE).add(TREE_PLACE), planted)
    assert counting.calls == [("layer1", None)] * 2


def test_what_is_kept_is_bounded_and_never_written_to(toy: ToyGenerator, planted: PlantedDissection) -> None:
    kept = render_module.Kept(limit=10_000)
    for n in range(50):
        kept.put(("t", n), torch.zeros(500))
    assert kept.bytes <= 10_000
    assert kept.get(("t", 49)) is not None
    assert kept.get(("t", 0)) is None
    first = paint(toy, EMPTY, planted)
    with pytest.raises(ValueError, match="read-only"):
        first.before[0] = 0
    paint(toy, EMPTY.add(Stroke("sky", "remove", units=9, shape="all")), planted)
    np.testing.assert_array_equal(paint(toy, EMPTY, planted).image, plain(toy, 3))


def test_people_who_paint_at_once_get_their_own_pictures(toy: ToyGenerator, planted: PlantedDissection) -> None:
    def work(seed: int) -> Painting:
        return EMPTY.on(seed).add(replace(TREE_PLACE, strength=(seed % 7) / 7))

    alone = {seed: paint(toy, work(seed), planted).image for seed in range(24)}
    wrong: list[int] = []

    def visit(start: int) -> None:
        for seed in range(start, 24, 2):
            if (paint(toy, work(seed), planted).image != alone[seed]).any():
                wrong.append(seed)

    threads = [threading.Thread(target=visit, args=(n % 2,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_painting_keeps_to_the_dissection_it_was_made_with(toy: ToyGenerator, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dissection of more images comes later: a link made before it still opens the same picture."""
    from core import zoo
    from core.dissect import dissect, load

    monkeypatch.setattr(zoo, "fingerprint", lambda name: toy.fingerprint)
    first, later = (dissect(toy, ToySegmenter(), ["layer1"], range(n), level_seeds=range(1000, 1000 + n), store=store)["layer1"]
                    for n in (12, 40))
    assert load(store, "toy", "layer1").run.key == later.run.key  # type: ignore[union-attr]
    painting = replace(EMPTY.add(replace(TREE_PLACE, units=3)), dissection=first.run.key)
    found = dissection_for(painting, store)
    assert found is not None
    assert found.run.key == first.run.key
    result = paint(toy, painting, found)
    np.testing.assert_array_equal(result.image, paint(toy, replace(painting, dissection=""), first).image)
    assert result.notes == ()
    assert "another dissection" in paint(toy, painting, later).notes[0]
    gone = replace(painting, dissection="0" * 64)
    assert dissection_for(gone, store).run.key == later.run.key  # type: ignore[union-attr]
    store.delete(first.run.key)
    assert dissection_for(painting, store).run.key == later.run.key  # type: ignore[union-attr]


# --- what a stroke changed ---
def test_a_stroke_that_works_is_measured_and_not_called_a_refusal(toy: ToyGenerator, planted: PlantedDissection) -> None:
    result = paint(toy, EMPTY.on(seed_without_tree(toy)).add(TREE_PLACE), planted)
    found = measure(result.before, result.image, mask_of(TREE_PLACE, (32, 32)), TREE_PLACE, ToySegmenter())
    assert not found.refused
    assert (found.share_before, found.share_after) == (0, 1)
    assert found.outside == 0
    assert "100%" in found.sentence


def test_a_refusal_is_seen_and_said_in_the_papers_words(toy: ToyGenerator, planted: PlantedDissection) -> None:
    """Unit 4 looks like tree and draws nothing: painting with it alone changes no pixel."""
    own = UnitSet("tree", "toy", "layer1", (FAKE_TREE,), (5.0,))
    in_the_sky = replace(TREE_PLACE, points=((0, 0), (8, 4)))
    result = paint(toy, EMPTY.add(in_the_sky, own), planted)
    found = measure(result.before, result.image, mask_of(in_the_sky, (32, 32)), in_the_sky, ToySegmenter())
    assert found.refused
    assert found.context == "sky"
    assert "refused to draw tree on sky" in found.sentence
    assert "context" in found.sentence


def test_removing_what_is_not_there_is_said(toy: ToyGenerator, planted: PlantedDissection) -> None:
    remove = replace(TREE_PLACE, mode="remove")
    result = paint(toy, EMPTY.on(seed_without_tree(toy)).add(remove), planted)
    found = measure(result.before, result.image, mask_of(remove, (32, 32)), remove, ToySegmenter())
    assert found.refused
    assert "there is no tree under the stroke" in found.sentence


def test_a_change_is_noticed_without_a_segmenter_too() -> None:
    before, after = np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32, 3), np.uint8)
    after[24:, :8] = 100
    mask = mask_of(TREE_PLACE, (32, 32))
    assert not measure(before, after, mask, TREE_PLACE).refused
    assert measure(before, before, mask, TREE_PLACE).refused
    assert not measure(before, before, mask, replace(TREE_PLACE, strength=0.0)).refused  # nothing was asked for


# --- pictures to take away ---
def test_all_brushes_are_tried_alone_on_the_painting(toy: ToyGenerator, planted: PlantedDissection) -> None:
    painting = EMPTY.on(seed_without_tree(toy)).add(Stroke("sky", "remove", units=1, shape="all"))
    trials = all_brushes(toy, painting, TREE_PLACE, planted, brushes=("tree", "door"))  # type: ignore[arg-type]
    assert [(t.brush, t.mode) for t in trials] == [("tree", "draw"), ("tree", "remove"), ("door", "draw"), ("door", "remove")]
    np.testing.assert_array_equal(trials[0].after, paint(toy, painting.add(TREE_PLACE), planted).image)
    assert trials[0].change > 50
    assert trials[1].change == 0
    sheet = trials_sheet(trials, "toy", side=64)
    assert sheet.dtype == np.uint8
    assert sheet.shape[2] == 3
    found = [(y, x) for y in range(60) for x in range(60)
             if (sheet[y:y + 64, x:x + 64] == trials[0].before.repeat(2, 0).repeat(2, 1)).all()]
    assert len(found) == 1  # the picture is on the sheet, enlarged and unblurred


def test_a_pair_shows_both_pictures(toy: ToyGenerator) -> None:
    a, b = plain(toy, 1), plain(toy, 2)
    both = pair(a, b, side=32)
    assert both.shape[1] > 2 * 32
    columns = [x for x in range(both.shape[1] - 32) if (both[12:44, x:x + 32] == b).all()]
    assert len(columns) == 1


def test_apply_in_order_is_what_paint_does(toy: ToyGenerator, planted: PlantedDissection) -> None:
    painting = EMPTY.add(TREE_PLACE).add(Stroke("door", "draw", units=2, strength=0.5, points=((20, 25),), size=9))
    acts = toy.head(toy.z_for_seeds([3]), "layer1")
    for edit in render_module.plan(toy, painting, planted)[1]:  # type: ignore[arg-type]
        acts = apply(acts, edit)
    np.testing.assert_array_equal(paint(toy, painting, planted).image, to_u8(toy.tail(acts, "layer1"))[0])

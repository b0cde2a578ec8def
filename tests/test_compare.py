"""One picture, one mask, every method: on the planted generator, whose answers are known on paper."""
from __future__ import annotations

import math
import time
from types import SimpleNamespace

import numpy as np
import pytest

from core import compare as c
from core import inpaint
from core.errors import BadInput, JobCancelled
from core.invert import Domain
from core.store import Run
from tests import toys

GENERATOR, JUDGE = toys.ToyGenerator(), toys.ToySegmenter()


def tree_seed() -> int:
    """A seed whose picture has a tree."""
    return next(s for s in range(50) if (c.label_maps(JUDGE, c.plain(GENERATOR, s))[0] == 2).any())


SEED = tree_seed()
PICTURE = c.plain(GENERATOR, SEED)
TREE = c.label_maps(JUDGE, PICTURE)[0] == 2
QUESTION = c.Question(PICTURE, TREE, "tree", grow=1, feather=0)
EDIT = c.GanEdit("toy", "layer1", SEED, (toys.TREE,))
SOME = ["telea", "harmonic", *c.GANS, c.BEFORE]


def answers(names=SOME, question=QUESTION, edit=EDIT, **options) -> dict[str, c.Answer]:
    options = {"generator": GENERATOR, "judge": JUDGE, **options}
    return {a.method: a for a in c.compare(question, names, gan=edit, **options)}


def test_every_asked_method_answers_in_the_asked_order():
    assert list(answers()) == SOME


def test_gan_edit_that_switches_off_the_trees_unit_removes_the_tree_and_nothing_else():
    found = answers()["gan"]
    assert found.scores["removal"] == 100
    assert found.scores["removal_whole"] == 100
    assert found.scores["collateral"] == 0
    assert found.scores["spill"] == 0


def test_doing_nothing_removes_nothing():
    found = answers()["before"]
    assert found.scores["removal"] == 0
    assert np.array_equal(found.image, PICTURE)


def test_random_units_are_a_control_that_leaves_the_tree():
    assert toys.TREE not in c.random_units(GENERATOR, EDIT)
    assert answers()["gan-random"].scores["removal"] == 0


def test_only_the_raw_gan_edit_may_change_pixels_outside_the_hole():
    """Unit 0 draws the sky: switched off inside the tree's hole it changes nothing there, everywhere it changes the sky."""
    sky = c.Question(PICTURE, c.label_maps(JUDGE, PICTURE)[0] == 1, "sky", grow=4, feather=0)
    inside = sky.hole().inside
    for answer in answers([n for n in c.methods() if n != c.GAN], sky, c.GanEdit("toy", "layer1", SEED, (toys.SKY,))).values():
        assert np.array_equal(answer.image[~inside], PICTURE[~inside]), answer.method


def test_raw_edit_is_charged_for_what_it_changes_outside_and_the_composite_is_not():
    """A hole of 3 × 3 pixels is a part of its layer's cell of 4 × 4: the whole cell's sky fades."""
    part = np.zeros_like(TREE)
    part[:3, 8:11] = True
    question = c.Question(PICTURE, part, "sky", grow=0, feather=0)
    found = answers(["gan", "gan-composite"], question, c.GanEdit("toy", "layer1", SEED, (toys.SKY,)))
    assert found["gan"].scores["collateral_delta"] > 0
    assert found["gan-composite"].scores["collateral_delta"] == 0


def test_composited_edit_equals_the_raw_one_inside_the_mask():
    found = answers()
    assert np.array_equal(found["gan-composite"].image[TREE], found["gan"].image[TREE])


def test_edit_acts_inside_the_hole_only():
    half = np.zeros_like(TREE)
    columns = np.flatnonzero(TREE.any(axis=0))
    half[:, columns[0]: columns[0] + 4] = TREE[:, columns[0]: columns[0] + 4]
    raw, _, _ = c.gan_edit(GENERATOR, EDIT, half)
    left = c.label_maps(JUDGE, raw)[0] == 2
    assert not left[half].any()
    assert left[TREE & ~half].all()


def test_answers_come_one_by_one_with_progress():
    told = []
    stream = c.compare(QUESTION, ["telea", "harmonic"], report=lambda done, total, note="": told.append((done, total, note)))
    next(stream)
    assert told == [(0, 2, "Telea")]
    list(stream)
    assert told[1:] == [(1, 2, "Harmonic"), (2, 2, "")]


def test_cancelling_stops_between_methods():
    def report(done: int, total: int, note: str = "") -> None:
        if done == 1:
            raise JobCancelled("cancelled")

    stream = c.compare(QUESTION, ["telea", "harmonic"], report=report)
    assert next(stream).method == "telea"
    with pytest.raises(JobCancelled):
        next(stream)


def test_without_a_generator_the_gan_columns_are_left_out():
    assert list(answers(generator=None)) == ["telea", "harmonic", "before"]


def test_without_a_judge_there_are_no_class_scores():
    found = answers(["telea"], judge=None)["telea"]
    assert "removal" not in found.scores
    assert "seam" in found.scores
    assert found.labels is None


def test_a_method_that_cannot_answer_says_why_and_the_others_go_on(monkeypatch):
    broken = inpaint.Inpainter("broken", "Broken", inpaint.REGISTRY["telea"].fill, "Is broken.", needs="nothing",
                               missing=lambda: "it is broken")
    monkeypatch.setitem(inpaint.REGISTRY, "broken", broken)
    found = answers(["broken", "telea"])
    assert "it is broken" in found["broken"].problem
    assert not found["telea"].problem


def test_picture_that_is_not_the_generators_gets_no_gan_edit():
    other = c.Question(np.zeros((20, 20, 3), np.uint8), np.eye(20, dtype=bool), grow=0)
    found = answers(["gan", "telea"], other, judge=None)
    assert "not the generator's own" in found["gan"].problem
    assert not found["telea"].problem


class OwnEncoder:
    """Brings every picture in as the toy's picture of one seed."""

    layer, generator, fingerprint = "layer1", GENERATOR.fingerprint, "e"

    def __call__(self, images):
        z = GENERATOR.z_for_seeds([SEED]).expand(len(images), -1)
        return z, GENERATOR.head(z, self.layer)


REDRAWER = c.Redrawer(GENERATOR, OwnEncoder(), Domain((0.9, 0.8), (0.1, 0.2)))


def test_photo_the_generator_can_redraw_is_in_domain_and_comes_back_as_it_was():
    found = answers(["telea", c.GAN_PHOTO], judge=None, redrawer=REDRAWER)[c.GAN_PHOTO]
    assert found.note == "in domain: the encoder explains 100% of the photo's detail, the line lies at 50%"
    assert np.abs(found.image.astype(int) - PICTURE).max() <= 1


def test_photo_the_generator_cannot_redraw_is_out_of_domain_and_changes_in_the_hole_only():
    photo = np.random.default_rng(0).integers(0, 255, (48, 80, 3)).astype(np.uint8)
    hole = np.zeros((48, 80), bool)
    hole[10:30, 8:40] = True
    question = c.Question(photo, hole, grow=0, feather=0)
    found = answers([c.GAN_PHOTO], question, judge=None, redrawer=REDRAWER)[c.GAN_PHOTO]
    assert found.note.startswith("out of domain: the encoder explains 0% of the photo's detail")
    assert found.note.endswith("only the middle square is redrawn")
    changed = (found.image != photo).any(axis=2)
    assert not changed[~hole].any()
    assert not changed[:, :16].any()  # left of the middle square
    assert changed[10:30, 16:40].mean() > 0.9
    assert found.scores["collateral"] > 50  # what it redrew outside of the hole, before the photo was put back


def test_hole_beside_what_the_generator_redraws_is_said():
    photo, hole = np.zeros((32, 96, 3), np.uint8), np.zeros((32, 96), bool)
    hole[:, :10] = True
    found = answers([c.GAN_PHOTO], c.Question(photo, hole, grow=0, feather=0), judge=None, redrawer=REDRAWER)[c.GAN_PHOTO]
    assert "outside of the middle square" in found.problem


def test_photo_has_a_gan_column_only_where_something_brings_it_in():
    assert c.GAN_PHOTO not in c.methods()
    assert [n for n in c.methods(gan=False, photo=True) if n not in inpaint.names()] == [c.GAN_PHOTO, c.BEFORE]
    assert list(answers(["telea", c.GAN_PHOTO], generator=None)) == ["telea"]


def test_keep_out_area_goes_to_patchmatch_and_the_others_say_they_cannot_use_it():
    avoid = np.zeros_like(TREE)
    avoid[:4] = True
    question = c.Question(PICTURE, TREE, "tree", avoid=avoid)
    found = answers(["telea", "patchmatch"], question)
    assert "keep-out" in found["telea"].note
    assert found["patchmatch"].note == ""


def test_truth_adds_the_scores_that_need_it():
    assert math.isinf(answers(["before"], truth=PICTURE)["before"].scores["hole_psnr"])


def test_empty_mask_is_refused_in_words():
    with pytest.raises(BadInput, match="the mask is empty"):
        c.Question(PICTURE, np.zeros_like(TREE))


def test_own_result_is_scored_like_the_others_and_keeps_its_minutes():
    raw, _, _ = c.gan_edit(GENERATOR, EDIT, np.ones_like(TREE))
    found = c.own_answer(QUESTION, raw, 7.5, "Photoshop", JUDGE)
    assert (found.title, found.minutes, found.scores["removal"]) == ("Photoshop", 7.5, 100)
    changed = PICTURE.copy()
    changed[:3] = 255 - changed[:3]
    assert c.own_answer(QUESTION, changed, 1, judge=JUDGE).scores["collateral"] > 5


def test_own_result_of_another_size_is_refused_in_words():
    with pytest.raises(BadInput, match="16 × 16 pixels but the picture has 32 × 32"):
        c.own_answer(QUESTION, PICTURE[::2, ::2], 1)


def test_board_keeps_the_fixed_order_and_the_newest_answer():
    board = c.Board(QUESTION)
    board.fill(c.compare(QUESTION, ["harmonic", "before", "telea"]))
    board.fill(c.compare(QUESTION, ["telea"]))
    assert [a.method for a in board.answers] == ["telea", "harmonic", "before"]


def test_own_result_goes_on_a_board_of_ones_own():
    board = c.Board(QUESTION)
    board.fill(c.compare(QUESTION, ["telea", "before"]))
    mine = board.plus(c.own_answer(QUESTION, PICTURE, 5, "Photoshop"))
    assert [a.title for a in mine.answers][-1] == "Photoshop"
    assert len(board.answers) == 2


def test_kept_comparison_comes_back_as_it_was(store):
    board = c.Board(QUESTION)
    board.fill(c.compare(QUESTION, SOME, gan=EDIT, generator=GENERATOR, judge=JUDGE))
    run = c.run_of(EDIT, "tree", 1, generator="g", chooser="s", judge="j")
    assert c.load(store, run.key) is None
    c.keep(store, run, board)
    again = c.load(store, run.key)
    assert again is not None
    assert np.array_equal(again.question.mask, TREE)
    for a, b in zip(board.answers, again.answers, strict=True):
        assert np.array_equal(a.image, b.image)
        assert np.array_equal(a.labels, b.labels)
        assert a.scores == pytest.approx(b.scores, nan_ok=True)


def test_other_units_or_another_judge_make_another_run():
    keys = {c.run_of(edit, "tree", grow, generator="g", chooser="s", judge=judge).key
            for edit in (EDIT, c.GanEdit("toy", "layer1", SEED, (1, 2))) for grow in (None, 3) for judge in ("j", "k")}
    assert len(keys) == 8


def test_stored_comparison_is_found_by_its_settings_and_generator(store):
    board = c.Board(QUESTION)
    run = c.run_of(EDIT, "tree", 1, generator="g", chooser="s", judge="j")
    c.keep(store, run, board)
    assert c.find(store, EDIT, "tree", 1, generator="g") == run.key
    assert c.find(store, EDIT, "tree", 2, generator="g") == ""
    assert c.find(store, EDIT, "tree", 1, generator="another") == ""


def test_comparison_kept_in_an_older_form_is_neither_found_nor_read(store):
    run = c.run_of(EDIT, "tree", 1, generator="g", chooser="s", judge="j")
    older = Run(run.kind, run.params, run.inputs, run.version - 1)
    store.put(older, {"before": PICTURE, "mask": TREE, "image0": PICTURE}, answers=[])
    assert c.find(store, EDIT, "tree", 1, generator="g") == ""
    assert c.load(store, older.key) is None


def test_submitted_comparison_shows_its_board_while_it_runs_and_is_stored_at_the_end(store):
    run = c.run_of(EDIT, "tree", 1, generator="g", chooser="s", judge="j")
    job = c.submit(run.key, QUESTION, SOME, gan=EDIT, generator=GENERATOR, judge=JUDGE, keep_as=(store, run))
    assert isinstance(job.result, c.Board)
    again = c.submit(run.key, QUESTION, SOME)
    assert again is job
    end = time.monotonic() + 30
    while job.active and time.monotonic() < end:
        time.sleep(0.02)
    assert job.state == "done", job.error
    assert sorted(a.method for a in job.result.answers) == sorted(SOME)
    assert store.has(run.key)


def test_mask_of_a_class_leaves_out_specks_unless_there_is_nothing_else():
    labels = np.zeros((2, 64, 64), int)
    labels[0, 5:20, 5:20] = 3
    labels[1, 40, 40] = 3
    assert c.mask_of(labels, 3).sum() == 225
    labels[0] = 0
    assert c.mask_of(labels, 3).sum() == 1
    assert not c.mask_of(labels, 4).any()


class _Album:
    """Pictures of four seeds with a block of class 1: hardly seen, well seen, well seen but far too large, absent."""

    def has(self, seed: int) -> bool:
        return seed < 4

    def segmentation(self, seed: int) -> np.ndarray:
        labels = np.zeros((1, 40, 40), np.uint8)
        start, stop = ((10, 20), (10, 20), (0, 35), (0, 0))[seed]
        labels[0, start:stop, start:stop] = 1
        return labels

    def image(self, seed: int) -> np.ndarray:
        image = np.full((40, 40, 3), 20, np.uint8)
        image[self.segmentation(seed)[0] == 1] = (22, 250, 255, 0)[seed]
        return image


def test_page_opens_with_the_picture_in_which_the_class_is_seen_best():
    label = SimpleNamespace(id=1)
    dissected = SimpleNamespace(top_seeds=np.array([[9, 2, 0, 1, 3]]), units_for=lambda name, n: (0,), label=lambda name: label)
    assert c.usual_seed(dissected, _Album(), "tree") == 1
    assert c.usual_seed(dissected, None, "tree") == 9
    dissected.top_seeds = np.array([[2, 3]])
    assert c.usual_seed(dissected, _Album(), "tree") == 2

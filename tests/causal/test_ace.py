"""The ranking by average causal effect finds what draws a class, on the planted generator."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from core import causal
from core.causal.corpus import choose_present, draw_cells, gather, presence
from core.causal.objective import Places, cell_mask, cell_scores, loss
from core.causal.optimise import ace, schedule
from core.causal.pieces import Pieces
from core.causal.presets import PRESETS
from core.errors import BadInput, JobCancelled, UnknownName
from core.store import Run, Store
from tests import toys

SMALL = replace(PRESETS["quick"], pool=48, train=16, evaluate=4, steps=20, samples=8, rate=0.05, inserts="mean")


@pytest.fixture(scope="module")
def generator() -> toys.ToyGenerator:
    return toys.ToyGenerator()


@pytest.fixture(scope="module")
def segmenter() -> toys.ToySegmenter:
    return toys.ToySegmenter()


def iou(**units: float) -> np.ndarray:
    """IoU (9,) of each unit with a class: 0.05 unless said."""
    out = np.full(9, 0.05)
    for name, value in units.items():
        out[getattr(toys, name)] = value
    return out


def test_the_unit_that_draws_the_class_is_first_and_the_one_that_only_correlates_last(
        generator: toys.ToyGenerator, segmenter: toys.ToySegmenter) -> None:
    ranking = ace(generator, segmenter, "layer1", "tree", iou(TREE=0.6, FAKE_TREE=0.9), setting=replace(SMALL, steps=40))
    assert ranking.order[0] == toys.TREE
    assert ranking.score[toys.TREE] > 0.9
    assert ranking.order[-1] == toys.FAKE_TREE  # although its IoU is the highest of all
    assert ranking.score[toys.FAKE_TREE] == 0


def test_what_is_inserted_is_the_mean_activation_where_the_class_is(
        generator: toys.ToyGenerator, segmenter: toys.ToySegmenter) -> None:
    corpus = gather(generator, segmenter, "layer1", 2, SMALL)
    assert 3 <= corpus.values[toys.TREE] <= 4
    assert corpus.values[toys.SKY] == 0
    assert corpus.values[toys.FAKE_TREE] == pytest.approx(1.3 * corpus.values[toys.TREE])


def test_a_preset_inserts_the_values_it_is_given(generator: toys.ToyGenerator, segmenter: toys.ToySegmenter, store: Store) -> None:
    start, given = iou(DOOR=0.5), replace(SMALL, inserts="q99")
    means = gather(generator, segmenter, "layer1", 3, SMALL).values
    by_mean = ace(generator, segmenter, "layer1", "door", start, setting=SMALL)
    same, none = (ace(generator, segmenter, "layer1", "door", start, q99, setting=given, store=store)
                  for q99 in (means, np.zeros_like(means)))
    np.testing.assert_array_equal(same.score, by_mean.score)
    assert same.run.key != none.run.key                               # another dissection is another run
    losses = []
    for ranking, values in ((same, means), (none, np.zeros_like(means))):
        np.testing.assert_array_equal(causal.load_values(store, ranking), values)
        saved = store.get(ranking.run.key)
        assert saved is not None
        losses.append(saved.arrays["losses"].mean())
    assert losses[1] > losses[0] + 0.5                                # nothing is inserted, so no door appears


def test_places_hold_the_class_or_gain_it(generator: toys.ToyGenerator, segmenter: toys.ToySegmenter) -> None:
    corpus = gather(generator, segmenter, "layer1", 2, SMALL)
    for chosen, there in ((corpus.present, True), (corpus.candidates, False)):
        acts = generator.head(generator.z_for_seeds(chosen.seeds.tolist()), "layer1")
        inside = (acts[:, toys.TREE] * cell_mask(torch.from_numpy(chosen.cells), corpus.grid, (8, 8))[:, 0]).sum((1, 2))
        assert ((inside > 0) == there).all()
    assert not set(corpus.present.seeds.tolist()) & set(corpus.candidates.seeds.tolist())


def test_presence_is_the_share_of_each_cell() -> None:
    segmentation = torch.zeros(1, 2, 4, 4, dtype=torch.int64)
    segmentation[0, 0, 0, :2] = 3
    segmentation[0, 1, 0, 0] = 3   # in both channels: counts once
    assert presence(segmentation, 3, (2, 2)).tolist() == [[0.5, 0, 0, 0]]


def test_present_pictures_are_those_with_most_of_the_class() -> None:
    shares = np.array([[0, 0.1], [0, 0], [0.5, 0.2], [0.3, 0]])
    chosen, popularity = choose_present(shares, 2)
    assert chosen.seeds.tolist() == [2, 3]
    assert chosen.cells.tolist() == [0, 0]
    assert popularity.tolist() == [2, 0]


def test_cells_are_drawn_where_the_class_is_usual() -> None:
    popularity = np.array([50, 0, 0, 50, 0, 0, 0, 0])
    drawn = [draw_cells(popularity, 1, seed)[0] for seed in range(200)]
    assert np.isin(drawn, (0, 3)).mean() > 0.8
    assert len(set(draw_cells(popularity, 8, 1).tolist())) == 8


def test_no_alpha_leaves_the_pictures_as_they_are(generator: toys.ToyGenerator, segmenter: toys.ToySegmenter) -> None:
    z = generator.z_for_seeds(range(6))
    places = Places(generator.head(z, "layer1"), torch.tensor([50, 51, 52, 53, 54, 55]), z)
    alpha, values = torch.zeros(9), torch.full((9,), 3.0)
    value = loss(generator, lambda x: segmenter.scores(x, 2), "layer1", alpha, values, places, places, (8, 8))
    assert float(value) == pytest.approx(0, abs=1e-6)


def test_a_block_is_the_cells_around_a_cell_cut_at_the_border() -> None:
    mask = cell_mask(torch.tensor([0, 5]), (4, 4), (8, 8), block=3)
    assert mask.sum((1, 2, 3)).tolist() == [4 * 4, 9 * 4]
    assert float(cell_scores(mask[:, 0], torch.tensor([0, 5]), (4, 4), block=3).sum()) == 2
    assert torch.equal(cell_mask(torch.tensor([0, 5]), (4, 4), (8, 8)), cell_mask(torch.tensor([0, 5]), (4, 4), (8, 8), block=1))


def test_removal_everywhere_is_read_as_a_share_of_what_there_was(
        generator: toys.ToyGenerator, segmenter: toys.ToySegmenter) -> None:
    corpus = gather(generator, segmenter, "layer1", 2, SMALL)
    z = generator.z_for_seeds(corpus.present.seeds.tolist())
    acts = generator.head(z, "layer1")
    assert corpus.usual == pytest.approx(float((segmenter(generator.tail(acts, "layer1")) == 2).any(1).float().mean()))
    present = Places(acts, torch.from_numpy(corpus.present.cells), z)
    nothing = Places(torch.zeros_like(present.acts), present.cells, z)
    values, score = torch.zeros(9), lambda x: segmenter.scores(x, 2)  # inserting nothing into nothing: the second term is constant
    left = [float(loss(generator, score, "layer1", alpha, values, present, nothing, corpus.grid, usual=corpus.usual))
            for alpha in (torch.zeros(9), torch.eye(9)[toys.TREE], torch.eye(9)[toys.FAKE_TREE])]
    before, after = (score(generator.tail(x, "layer1")).mean() for x in (acts, acts * (1 - torch.eye(9)[toys.TREE].view(1, -1, 1, 1))))
    assert (left[0] - left[1]) / len(z) == pytest.approx(float(before - after) / corpus.usual, rel=1e-3)
    assert (left[0] - left[1]) / len(z) > 0.8                         # it goes with its unit
    assert left[2] == pytest.approx(left[0])                          # none with the one that only goes along


def test_every_picture_is_seen_once_a_pass() -> None:
    seen = np.concatenate([schedule(step, 6, 9) for step in range(3)])
    assert sorted(seen.tolist()) == sorted(2 * list(range(9)))


def test_a_cancelled_run_goes_on_where_it_stopped_and_ends_the_same(
        generator: toys.ToyGenerator, segmenter: toys.ToySegmenter, store: Store) -> None:
    def stop(done: int, total: int, note: str = "") -> None:
        if note == "step 15 of 20":
            raise JobCancelled("enough")

    start = iou(DOOR=0.5)
    with pytest.raises(JobCancelled):
        ace(generator, segmenter, "layer1", "door", start, setting=SMALL, store=store, report=stop)
    assert store.list("ace") == []
    notes: list[str] = []
    again = ace(generator, segmenter, "layer1", "door", start, setting=SMALL, store=store,
                report=lambda done, total, note="": notes.append(note))
    assert notes[0] == "step 11 of 20"
    whole = ace(generator, segmenter, "layer1", "door", start, setting=SMALL)
    np.testing.assert_array_equal(again.score, whole.score)
    assert store.list("part") == []


def test_a_cancelled_search_goes_on_where_it_stopped_and_finds_the_same(
        generator: toys.ToyGenerator, segmenter: toys.ToySegmenter, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.causal.corpus.PIECE", 16)
    whole = gather(generator, segmenter, "layer1", 2, SMALL)
    pieces = Pieces(store, Run("ace", {}))
    for at in (20, SMALL.pool + 20):                                  # in the first pool, then in the second
        def stop(done: int, total: int, note: str = "", at: int = at) -> None:
            if done > at:
                raise JobCancelled("enough")

        with pytest.raises(JobCancelled):
            gather(generator, segmenter, "layer1", 2, SMALL, report=stop, pieces=pieces)
    told: list[int] = []
    again = gather(generator, segmenter, "layer1", 2, SMALL, report=lambda done, total, note="": told.append(done), pieces=pieces)
    assert told[0] >= SMALL.pool + 16                                 # the first pool and a piece of the second were there
    for a, b in ((whole.present, again.present), (whole.candidates, again.candidates)):
        np.testing.assert_array_equal(a.seeds, b.seeds)
        np.testing.assert_array_equal(a.cells, b.cells)
    np.testing.assert_array_equal(whole.values, again.values)


def test_half_precision_finds_the_same_and_is_another_run(
        generator: toys.ToyGenerator, segmenter: toys.ToySegmenter, store: Store) -> None:
    start, half = iou(DOOR=0.5), replace(SMALL, half=True)
    full, fast = (ace(generator, segmenter, "layer1", "door", start, setting=s, store=store) for s in (SMALL, half))
    assert full.run.key != fast.run.key
    assert "half" not in full.run.params                              # runs of before there was a choice keep their key
    assert fast.order[0] == full.order[0] == toys.DOOR
    np.testing.assert_allclose(fast.score, full.score, atol=0.05)


def test_a_stored_ranking_is_read_back_for_the_same_weights_only(
        generator: toys.ToyGenerator, segmenter: toys.ToySegmenter, store: Store) -> None:
    made = ace(generator, segmenter, "layer1", "door", iou(DOOR=0.5), setting=replace(SMALL, steps=2), store=store)
    read = causal.load_ranking(store, "toy", "layer1", "door", "ace", fingerprint=generator.fingerprint)
    assert read is not None
    np.testing.assert_array_equal(read.order, made.order)
    values = causal.load_values(store, read)
    assert values is not None
    assert 3 <= values[toys.DOOR] <= 4
    assert causal.load_ranking(store, "toy", "layer1", "door", "ace", fingerprint="other weights") is None
    assert causal.load_ranking(store, "toy", "layer1", "sky", "ace", fingerprint=generator.fingerprint) is None


def test_a_ranking_with_other_constants_takes_no_brush_over(
        generator: toys.ToyGenerator, segmenter: toys.ToySegmenter, store: Store) -> None:
    usual = replace(SMALL, steps=2)
    other = replace(PRESETS["code"], pool=48, train=16, evaluate=4, steps=2)

    def found(**which: str) -> str | None:
        ranking = causal.load_ranking(store, "toy", "layer1", "door", "ace", fingerprint=generator.fingerprint, **which)  # type: ignore[arg-type]
        return str(ranking.run.params["preset"]) if ranking is not None else None

    ace(generator, segmenter, "layer1", "door", iou(DOOR=0.5), setting=other, store=store)
    assert found() == "code"                                          # better than none
    ace(generator, segmenter, "layer1", "door", iou(DOOR=0.5), setting=usual, store=store)
    ace(generator, segmenter, "layer1", "door", iou(DOOR=0.6), setting=other, store=store)
    assert (found(), found(preset="code")) == ("quick", "code")


def test_wrong_requests_are_named(generator: toys.ToyGenerator, segmenter: toys.ToySegmenter) -> None:
    with pytest.raises(UnknownName, match="cathedral"):
        ace(generator, segmenter, "layer1", "cathedral", iou(), setting=SMALL)
    with pytest.raises(UnknownName, match="layer9"):
        ace(generator, segmenter, "layer9", "tree", iou(), setting=SMALL)
    with pytest.raises(BadInput, match="9 units"):
        ace(generator, segmenter, "layer1", "tree", np.zeros(4), setting=SMALL)
    with pytest.raises(BadInput, match="dome.* in only 0 of 48"):
        ace(generator, segmenter, "layer1", "dome", iou(), setting=SMALL)
    for wrong in (None, np.zeros(4)):
        with pytest.raises(BadInput, match="quick.* 0.99 quantile.*shape \\(9,\\); got"):
            ace(generator, segmenter, "layer1", "tree", iou(), wrong)
    with pytest.raises(UnknownName, match="quik"):
        ace(generator, segmenter, "layer1", "tree", iou(), setting="quik")


@pytest.mark.parametrize("name", ["code", "paper"])
def test_the_published_constants_find_the_unit_too(generator: toys.ToyGenerator, segmenter: toys.ToySegmenter, name: str) -> None:
    setting = replace(PRESETS[name], pool=48, train=16, evaluate=4, steps=30, rate=PRESETS[name].rate * 3)
    ranking = ace(generator, segmenter, "layer1", "door", iou(DOOR=0.3, TREE=0.4), setting=setting)
    assert ranking.order[0] == toys.DOOR

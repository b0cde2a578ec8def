"""The unit that spoils pictures is found, and switching it off is seen to help, on the planted generator."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from core import artifacts
from core.artifacts.quality import figures, quality
from core.artifacts.results import ArtifactScores, Quality, rank
from core.artifacts.scores import artifact_scores, cut, peak_windows
from core.dissect import Dissection, dissect
from core.edits import ablation, render
from core.errors import BadInput, JobCancelled
from core.image import to_u8
from core.store import Store
from tests import toys


def real_pictures(n: int) -> np.ndarray:
    """What the toy world is like without smears."""
    g = toys.ToyGenerator()
    return to_u8(render(g, g.z_for_seeds(range(500_000, 500_000 + n)), [ablation("layer1", [toys.SMEAR])]))


@pytest.fixture(scope="module")
def generator() -> toys.ToyGenerator:
    return toys.ToyGenerator()


@pytest.fixture(scope="module")
def segmenter() -> toys.ToySegmenter:
    return toys.ToySegmenter()


@pytest.fixture(scope="module")
def dissection(generator: toys.ToyGenerator, segmenter: toys.ToySegmenter) -> Dissection:
    return dissect(generator, segmenter, ["layer1"], range(80), level_seeds=range(1_000_000, 1_000_040), grid=(32, 32))["layer1"]


@pytest.fixture(scope="module")
def scores(generator: toys.ToyGenerator, segmenter: toys.ToySegmenter, dissection: Dissection) -> ArtifactScores:
    return artifact_scores(generator, segmenter, dissection, real_pictures(80), images=80)


@pytest.fixture(scope="module")
def outcome(generator: toys.ToyGenerator, segmenter: toys.ToySegmenter) -> Quality:
    return quality(generator, segmenter, "layer1", [toys.SMEAR], real_pictures(120), images=60)


def test_the_unit_that_spoils_pictures_is_first(scores: ArtifactScores) -> None:
    assert scores.order[0] == toys.SMEAR
    assert scores.parts["realism"].argmax() == toys.SMEAR
    assert scores.parts["repair"].argmax() == toys.SMEAR
    assert sorted(scores.order.tolist()) == list(range(9))


def test_switching_off_a_unit_that_draws_something_real_repairs_nothing(scores: ArtifactScores) -> None:
    for unit in (toys.DEAD, toys.NEGATIVE, toys.FAKE_TREE, toys.NOISE):
        assert scores.parts["repair"][unit] == 0
    assert scores.parts["repair"][toys.SMEAR] > 0.1 > scores.parts["repair"][toys.SKY]


def test_without_real_pictures_the_models_own_stand_for_them_and_it_is_said(
        generator: toys.ToyGenerator, segmenter: toys.ToySegmenter, dissection: Dissection) -> None:
    own = artifact_scores(generator, segmenter, dissection, images=40)
    assert own.reference == "own"


def test_scores_are_read_back_from_the_store(
        generator: toys.ToyGenerator, segmenter: toys.ToySegmenter, dissection: Dissection, store: Store) -> None:
    made = artifact_scores(generator, segmenter, dissection, real_pictures(40), reference="toys", images=40, store=store)
    read = artifacts.load_scores(store, "toy", "layer1", fingerprint=generator.fingerprint)
    assert read is not None
    np.testing.assert_array_equal(read.order, made.order)
    assert read.reference == "toys"
    assert artifacts.load_scores(store, "toy", "layer1", fingerprint="others") is None


def test_cancelled_scores_go_on_where_they_stopped_and_end_the_same(
        generator: toys.ToyGenerator, segmenter: toys.ToySegmenter, dissection: Dissection, store: Store,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.artifacts.scores.PIECE", 2)
    real = real_pictures(20)
    for share in (0.5, 0.97):                       # among the windows, then among the units

        def stop(done: int, total: int, note: str = "", share: float = share) -> None:
            if done > total * share:
                raise JobCancelled("enough")

        with pytest.raises(JobCancelled):
            artifact_scores(generator, segmenter, dissection, real, images=400, tops=4, store=store, report=stop)
    assert store.list("artifacts") == []
    told: list[tuple[int, int]] = []
    again = artifact_scores(generator, segmenter, dissection, real, images=400, tops=4, store=store,
                            report=lambda done, total, note="": told.append((done, total)))
    assert told[0][0] > 0.9 * told[0][1]            # neither the distances nor the windows were done again
    whole = artifact_scores(generator, segmenter, dissection, real, images=400, tops=4)
    for name in whole.parts:
        np.testing.assert_array_equal(again.parts[name], whole.parts[name])
    assert store.list("part") == []


def test_quality_rises_with_the_bad_unit_off_and_not_with_random_ones(outcome: Quality) -> None:
    assert outcome.draws == 10
    for which in ("random", "worst"):
        assert outcome.off("frechet", which) < outcome.untouched("frechet", which)
        assert outcome.off("frechet", which) < outcome.random("frechet", which)[1]
        assert outcome.off("precision", which) > outcome.untouched("precision", which)
    assert outcome.untouched("frechet", "worst") > outcome.untouched("frechet", "random")


def test_the_worst_pictures_are_those_with_the_unit_on(outcome: Quality) -> None:
    g = toys.ToyGenerator()
    on = g.head(g.z_for_seeds(outcome.seeds["worst"][:10].tolist()), "layer1")[:, toys.SMEAR].flatten(1).amax(1)
    assert (on > 0).all()
    before, after = outcome.pictures("worst", "before"), outcome.pictures("worst", "after")
    assert len(before) == len(after) == 8
    assert all((b.astype(int) != a).any() for b, a in zip(before, after, strict=True))


def test_a_cancelled_quality_test_goes_on_where_it_stopped(
        generator: toys.ToyGenerator, segmenter: toys.ToySegmenter, store: Store) -> None:
    real = real_pictures(40)

    def stop(done: int, total: int, note: str = "") -> None:
        if done > total * 0.7:
            raise JobCancelled("enough")

    with pytest.raises(JobCancelled):
        quality(generator, segmenter, "layer1", [toys.SMEAR], real, images=20, draws=3, store=store, report=stop)
    calls: list[int] = []
    again = quality(generator, segmenter, "layer1", [toys.SMEAR], real, images=20, draws=3, store=store,
                    report=lambda done, total, note="": calls.append(done))
    whole = quality(generator, segmenter, "layer1", [toys.SMEAR], real, images=20, draws=3)
    assert calls[-1] < 0.8 * (40 + 80 + 2 * 5 * 20)  # not all of the work was done again
    assert again.table() == whole.table()
    assert store.list("part") == []


def test_a_set_against_itself_is_perfect() -> None:
    x = np.random.RandomState(0).randn(40, 6)
    found = figures(x, x)
    assert found["frechet"] == pytest.approx(0, abs=1e-8)
    assert found["precision"] == found["recall"] == 1


def test_a_network_of_ones_own_gives_the_fid_besides(generator: toys.ToyGenerator, segmenter: toys.ToySegmenter, store: Store) -> None:
    def colours(images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))

    plain = quality(generator, segmenter, "layer1", [toys.SMEAR], real_pictures(40), images=20, draws=2, store=store)
    found = quality(generator, segmenter, "layer1", [toys.SMEAR], real_pictures(40), images=20, draws=2, inception=colours, store=store)
    assert found.names == (*plain.names, "fid")
    assert found.off("fid", "worst") < found.untouched("fid", "worst")
    assert found.untouched("frechet") == plain.untouched("frechet")
    assert {row["figure"] for row in found.table()} == {"frechet", "kernel", "precision", "recall", "fid"}


def test_sets_that_cannot_be_tested_are_refused(generator: toys.ToyGenerator, segmenter: toys.ToySegmenter) -> None:
    for units in ([], [99], list(range(6))):
        with pytest.raises(BadInput, match="choose 1 to 4 units"):
            quality(generator, segmenter, "layer1", units, real_pictures(8))


def test_windows_follow_the_peak() -> None:
    acts = np.zeros((1, 3, 8, 8), np.float32)
    acts[0, 0, 0, 0] = acts[0, 1, 7, 7] = acts[0, 2, 4, 4] = 1
    assert peak_windows(acts).tolist() == [[0, 8, 4]]
    images = torch.zeros(1, 3, 8, 8)
    images[:, :, 4:, 4:] = 1
    assert float(cut(images, 8).mean()) == 1
    assert float(cut(images, 0).mean()) == 0


def test_equal_values_share_a_rank() -> None:
    assert rank(np.array([3.0, 1.0, 1.0, 5.0])).tolist() == pytest.approx([2 / 3, 1 / 6, 1 / 6, 1])

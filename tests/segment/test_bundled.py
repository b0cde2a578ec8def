"""The two segmenters that ship: what they promise, checked on the real files."""
from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from core import segment
from core.errors import BadFile, BadInput, MissingWeights, UnknownName
from core.image import from_u8
from core.scenes import IDS, LABELS, channel_ids, paint_scenes
from core.segment.bundled import BUNDLED, FILES, BundledSegmenter, open_file
from core.training.pool import world_mark
from core.training.seeds import SCENE_SEEDS
from core.training.segmenter import iou_table

NAMES = list(FILES)


@pytest.fixture(scope="module", params=NAMES)
def reader(request: pytest.FixtureRequest) -> BundledSegmenter:
    return segment.load(request.param, "cpu")


@pytest.fixture(scope="module")
def scenes() -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = paint_scenes(SCENE_SEEDS["test"][:20], 128)
    return from_u8(images), torch.from_numpy(labels).long()


def metadata(name: str) -> dict[str, str]:
    with safe_open(BUNDLED / FILES[name], "pt") as file:
        return dict(file.metadata())


def test_labels_are_the_worlds(reader: BundledSegmenter) -> None:
    assert reader.labels == LABELS
    assert [label.id for label in reader.labels] == list(range(len(LABELS)))


def test_files_tell_how_they_were_made_and_of_todays_world() -> None:
    made = {name: metadata(name) for name in NAMES}
    assert made["scenes"]["architecture"] != made["scenes-judge"]["architecture"]
    for name, which in (("scenes", "dissector"), ("scenes-judge", "judge")):
        training = json.loads(made[name]["training"])
        assert training["which"] == which
        assert training["world"] == world_mark(), "the painter changed: train the segmenters again"


def test_fingerprints_differ() -> None:
    assert len({segment.load(name, "cpu").fingerprint for name in NAMES}) == len(NAMES)


def test_held_out_scenes_are_read_well(reader: BundledSegmenter, scenes: tuple[torch.Tensor, torch.Tensor]) -> None:
    images, truth = scenes
    rows = {row["label"]: row for row in iou_table([reader(images).numpy()], [truth.numpy()])}
    for row in rows.values():
        if row["share"] >= 0.005:
            assert row["iou"] > 0.75, row
    for brush in ("sky", "tree", "grass", "door", "cloud", "brick", "dome"):
        assert rows[brush]["iou"] > 0.8, rows[brush]


def test_small_pictures_are_read_nearly_as_well(reader: BundledSegmenter) -> None:
    images, labels = paint_scenes(SCENE_SEEDS["test"][:20], 64)
    said = reader(from_u8(images))
    assert said.shape == (20, 3, 64, 64)
    agree = (said == torch.from_numpy(labels).long()).float().mean((0, 2, 3))
    assert agree.min() > 0.9, agree


@pytest.mark.parametrize("size", [(128, 128), (64, 64), (96, 130), (150, 141)])
def test_any_size_comes_back_at_that_size(reader: BundledSegmenter, size: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *size) * 2 - 1
    said = reader(images)
    assert said.shape == (2, 3, *size)
    assert said.dtype == torch.int64
    for channel, category in enumerate(("object", "part", "material")):
        assert set(said[:, channel].unique().tolist()) <= {0, *channel_ids(category)}
    assert reader.scores(images, IDS["sky"]).shape == (2, *size)


def test_scores_agree_with_the_answer(reader: BundledSegmenter, scenes: tuple[torch.Tensor, torch.Tensor]) -> None:
    images = scenes[0][:2]
    said = reader(images)
    for channel, category in enumerate(("object", "part", "material")):
        each = torch.stack([reader.scores(images, label) for label in channel_ids(category)])
        assert each.min() >= 0
        assert each.sum(0).max() <= 1 + 1e-5
        best, which = each.max(0)
        sure = best > 0.5
        assert torch.equal(torch.tensor(channel_ids(category))[which][sure], said[:, channel][sure])


def test_scores_can_be_climbed(reader: BundledSegmenter, scenes: tuple[torch.Tensor, torch.Tensor]) -> None:
    images = (scenes[0][:1, :, ::2, ::2] * 0.9).requires_grad_()
    score = reader.scores(images, IDS["tree"]).mean()
    score.backward()
    assert images.grad is not None
    with torch.no_grad():
        step = images + 0.02 * images.grad.sign()
        assert reader.scores(step, IDS["tree"]).mean() > score


def test_features_are_one_row_a_picture_and_differ(reader: BundledSegmenter, scenes: tuple[torch.Tensor, torch.Tensor]) -> None:
    both = reader.features(scenes[0][:3])
    assert both.shape[0] == 3
    assert both.ndim == 2
    assert (both[0] - both[1]).abs().max() > 0.01
    torch.testing.assert_close(both[:1], reader.features(scenes[0][:1]), atol=1e-4, rtol=1e-4)


def test_what_cannot_be_used_is_said(reader: BundledSegmenter, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="known: scenes"):
        segment.load("scenes-juge")
    with pytest.raises(UnknownName, match="label id"):
        reader.scores(torch.zeros(1, 3, 32, 32), 0)
    with pytest.raises(BadInput, match=r"\(3, 32, 32\)"):
        reader(torch.zeros(3, 32, 32))
    with pytest.raises(MissingWeights, match=r"core\.training"):
        open_file(tmp_path / "none.safetensors", name="x")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes((BUNDLED / FILES["scenes"]).read_bytes()[:5000])
    with pytest.raises(BadFile, match=r"broken\.safetensors"):
        open_file(broken, name="x")
    generator = BUNDLED / "scenes.safetensors"
    if generator.is_file():
        with pytest.raises(BadFile, match="not a segmenter"):
            open_file(generator, name="x")

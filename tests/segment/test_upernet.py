"""The unified parsing segmenter: pooling, label numbers, quadrants, and files in the published format."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from core.errors import BadFile, MissingWeights, UnknownName
from core.segment import Segmenter, upernet
from core.segment.upernet import Decoder, Encoder, UPerNetSegmenter, Vocabulary, pool_weights, prroi_pool, quadrants

LABELS = {
    "object": ["-", "wall", "sky", "tree", "door", "building", "person"],
    "material": ["-", "brick", "wood", "skin"],
    "scene": ["street", "field", "room", "church"],
    "part": ["-", "cloud", "door", "roof", "window", "leg", "head", "handle"],
    "object_part": {"sky": ["-", "cloud"], "building": ["-", "door", "roof", "window"], "person": ["-", "leg", "head"],
                    "door": ["-", "handle", "window"]},
}
# part slices in ascending object number: sky (2 channels), door (3), building (4), person (3)


def small(**options: bool) -> UPerNetSegmenter:
    torch.manual_seed(0)
    vocabulary = Vocabulary.read(LABELS, **options)
    encoder, decoder = Encoder(4, (1, 1, 1, 1)), Decoder(vocabulary.classes, (16, 32, 64, 128), fpn=8, ppm=8)
    return UPerNetSegmenter(encoder, decoder, vocabulary, name="small", fingerprint="x", side=64)


def integral(f: np.ndarray, a: float, b: float, n: int = 20_000) -> float:
    """Of the linear interpolation of f (zero beyond its ends) over [a, b], by the midpoint rule."""
    x = a + (np.arange(n) + 0.5) * (b - a) / n
    return float(np.interp(x, np.arange(-1, len(f) + 1), np.concatenate([[0], f, [0]])).mean())


@pytest.mark.parametrize(("length", "bins"), [(8, 1), (8, 2), (8, 3), (8, 6), (7, 3), (2, 6), (1, 1)])
def test_precise_pooling_is_the_integral(length: int, bins: int) -> None:
    f = np.random.RandomState(length).standard_normal(length)
    got = (pool_weights(length, bins).double() @ torch.from_numpy(f)).numpy()
    expected = [integral(f, k * length / bins, (k + 1) * length / bins) for k in range(bins)]
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_precise_pooling_is_not_average_pooling() -> None:
    x = torch.ones(1, 1, 8, 8)
    assert F.adaptive_avg_pool2d(x, 1).item() == 1
    assert prroi_pool(x, 1).item() == pytest.approx((7.5 / 8) ** 2)  # the first pixel counts half in y and in x
    assert prroi_pool(torch.randn(2, 5, 8, 6), 3).shape == (2, 5, 3, 3)


def test_label_numbers() -> None:
    v = Vocabulary.read(LABELS)
    names = [(x.name, x.category) for x in v.labels]
    assert names[1:7] == [(n, "object") for n in LABELS["object"][1:]]
    assert names[7:10] == [("brick", "material"), ("wood", "material"), ("skin", "material")]
    assert names[10:] == [(n, "part") for n in ("cloud", "roof", "window", "leg", "head")]
    assert [x.id for x in v.labels] == list(range(len(v.labels)))
    assert [LABELS["object"][v.owners[k][0]] for k in v.used] == ["sky", "building", "person"]
    assert v.part_numbers[2].tolist() == [0, 4, 11, 12]  # none, door = the object's number, roof, window
    assert v.slices() == {0: slice(0, 2), 2: slice(5, 9), 3: slice(9, 12)}
    assert v.classes == {"object": 7, "material": 4, "scene": 4, "part": 12}


def test_quadrants_come_between_objects_and_materials() -> None:
    v = Vocabulary.read(LABELS, quad=True, all_parts=True)
    by_name = {x.name: x for x in v.labels}
    assert by_name["sky-t"].id == 2 + 6
    assert by_name["sky-l"].id == 2 + 12
    assert by_name["sky-b"].id == 2 + 18
    assert by_name["sky-r"].id == 2 + 24
    assert by_name["sky-t"].category == "part"
    assert by_name["brick"].id == 31
    assert by_name["handle"].category == "part"


def test_quadrants_are_those_of_the_reference() -> None:
    golden = np.load(Path(__file__).parents[1] / "golden" / "quad.npz")
    n = int(golden["num_object_classes"])
    for seg_in, seg_out in zip(golden["seg_in"], golden["seg_out"], strict=True):
        np.testing.assert_array_equal(quadrants(seg_in[0], n, as_published=True), seg_out[3:])


def test_every_component_has_quadrants_unless_as_published() -> None:
    objects = np.zeros((8, 8), int)
    objects[1:3, 1:3] = 2
    objects[5:8, 4:8] = 1
    ours, theirs = quadrants(objects, 6), quadrants(objects, 6, as_published=True)
    assert ((ours > 0) == (objects > 0)).all()
    assert set(np.unique(ours[0])) == {0, 2 + 6, 2 + 18, 1 + 6, 1 + 18}
    assert set(np.unique(ours[1])) == {0, 2 + 12, 2 + 24, 1 + 12, 1 + 24}
    assert (theirs[:, 5:] == 0).all()
    assert (theirs[:, :5] == ours[:, :5]).all()


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (32, 48), (256, 192)])
def test_segmenter_keeps_its_contract(size: tuple[int, int]) -> None:
    s = small(quad=True)
    assert isinstance(s, Segmenter)
    images = torch.rand(2, 3, *size) * 2 - 1
    out = s(images)
    step = max(1, min(size) // 64)
    assert out.shape == (2, 5, size[0] // step, size[1] // step)
    assert out.dtype == torch.int64
    assert out.min() >= 0
    assert out.max() < len(s.labels)
    assert s.features(images).shape == (2, 128)
    assert torch.equal(s(images[1:]), out[1:])


def test_parts_appear_only_on_their_owner_and_materials_have_their_numbers() -> None:
    s = small()
    out = s(torch.rand(3, 3, 64, 64) * 2 - 1)
    owners = {s.vocabulary.owners[k][0] for k in s.vocabulary.used}
    objects, material, part = out.unbind(1)
    assert not part[~torch.isin(objects, torch.tensor(sorted(owners)))].any()
    assert set(material.unique().tolist()) <= {0, 7, 8, 9}


class Planted(UPerNetSegmenter):
    """Logits written by hand: one row of four pixels."""

    def __init__(self, logits: dict[str, Tensor]) -> None:
        base = small()
        super().__init__(base.encoder, base.decoder, base.vocabulary, name="p", fingerprint="x")
        self.planted = logits

    def _logits(self, images: Tensor) -> dict[str, Tensor]:
        return self.planted


def planted() -> Planted:
    objects = torch.full((1, 7, 1, 4), -9.0)
    objects[0, [5, 4, 1, 5], 0, range(4)] = 9.0  # building, door, wall, building
    building = torch.full((1, 4, 1, 4), -9.0)
    building[0, 1] = 9.0  # all pixels look like a building's door …
    building[0, 1, 0, 3] = -9.0
    building[0, 2, 0, 3] = 9.0  # … but the last like its roof
    flat = torch.zeros(1, 4, 1, 4)
    return Planted({"object": objects, "material": flat, "part0": flat[:, :2], "part2": building, "part3": flat[:, :3]})


def test_door_is_an_object_and_a_part_under_one_number() -> None:
    s, images = planted(), torch.zeros(1, 3, 64, 64)
    assert s(images)[0, 0].tolist() == [[5, 4, 1, 5]]
    assert s(images)[0, 2].tolist() == [[4, 0, 0, 11]]
    assert s.mask(images, 4)[0].tolist() == [[True, True, False, False]]
    score = s.scores(images, 4)[0, 0]
    assert score[:3] == pytest.approx([1, 1, 1], abs=1e-3)  # the part head is read wherever it fires, as published
    assert score[3] == pytest.approx(0, abs=1e-3)
    assert s.scores(images, 11)[0, 0, 3] == pytest.approx(1, abs=1e-3)
    assert s.scores(images, 7)[0, 0, 0] == pytest.approx(0.25)


def test_score_is_differentiable_and_quadrants_have_none() -> None:
    s = small(quad=True)
    images = torch.zeros(1, 3, 64, 64, requires_grad=True)
    s.scores(images, 2).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    for nothing in (0, 2 + 6, 10**6):
        with pytest.raises(UnknownName):
            s.scores(images, nothing)


def write_published(folder: Path, *, drop: str = "", shape: str = "") -> None:
    """A folder in the published format: names and shapes written out here, not taken from the network under test."""
    def bn(path: str, n: int, *, old: bool = False) -> dict[str, Tensor]:
        found = {f"{path}.{k}": torch.ones(n) for k in ("weight", "bias", "running_mean", "running_var")}
        return found | ({f"{path}._tmp_running_mean": torch.ones(n), f"{path}._tmp_running_var": torch.ones(n),
                         f"{path}._running_iter": torch.ones(1)} if old else {})

    def zeros(*shape: int) -> Tensor:
        return torch.zeros(1).expand(*shape)  # a view: saved with one number, so that the test's files stay small

    encoder: dict[str, Tensor] = {}
    for k, (n_in, n_out) in enumerate(((3, 64), (64, 64), (64, 128)), start=1):
        encoder |= {f"conv{k}.weight": zeros(n_out, n_in, 3, 3)} | bn(f"bn{k}", n_out, old=True)
    n_in = 128
    for stage, (depth, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), start=1):
        for block in range(depth):
            path = f"layer{stage}.{block}"
            encoder |= {f"{path}.conv1.weight": zeros(width, n_in, 1, 1), f"{path}.conv2.weight": zeros(width, width, 3, 3),
                        f"{path}.conv3.weight": zeros(4 * width, width, 1, 1)}
            encoder |= bn(f"{path}.bn1", width) | bn(f"{path}.bn2", width) | bn(f"{path}.bn3", 4 * width)
            if block == 0:
                encoder |= {f"{path}.downsample.0.weight": zeros(4 * width, n_in, 1, 1)} | bn(f"{path}.downsample.1", 4 * width)
            n_in = 4 * width
    decoder: dict[str, Tensor] = {}
    for k in range(4):
        decoder |= {f"ppm_conv.{k}.0.weight": zeros(512, 2048, 1, 1)} | bn(f"ppm_conv.{k}.1", 512)
    decoder |= {"ppm_last_conv.0.weight": zeros(512, 4096, 3, 3)} | bn("ppm_last_conv.1", 512)
    for k, width in enumerate((256, 512, 1024)):
        decoder |= {f"fpn_in.{k}.0.weight": zeros(512, width, 1, 1)} | bn(f"fpn_in.{k}.1", 512)
        decoder |= {f"fpn_out.{k}.0.0.weight": zeros(512, 512, 3, 3)} | bn(f"fpn_out.{k}.0.1", 512)
    decoder |= {"conv_fusion.0.weight": zeros(512, 2048, 3, 3)} | bn("conv_fusion.1", 512)
    for head, classes in (("scene", 4), ("object", 7), ("part", 12), ("material", 4)):
        last = 2 if head == "scene" else 1
        decoder |= {f"{head}_head.0.0.weight": zeros(512, 512, 3, 3)} | bn(f"{head}_head.0.1", 512)
        decoder |= {f"{head}_head.{last}.weight": zeros(classes, 512, 1, 1), f"{head}_head.{last}.bias": torch.zeros(classes)}
    decoder.pop(drop, None)
    if shape:
        decoder[shape] = torch.zeros(5)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "labels.json").write_text(json.dumps(LABELS))
    torch.save(encoder, folder / "encoder_epoch_40.pth")
    torch.save(decoder, folder / "decoder_epoch_40.pth")


def test_files_in_the_published_format_load_strictly(tmp_path: Path) -> None:
    write_published(tmp_path)
    s = upernet.from_folder(tmp_path, device="cpu", quad=True)
    assert len(s.labels) == 1 + 6 * 5 + 3 + 5
    assert sum(p.numel() for p in s.encoder.parameters()) == pytest.approx(23.6e6, rel=0.02)  # a ResNet-50 without its classifier
    other = upernet.from_folder(tmp_path, device="cpu")
    assert s.fingerprint != other.fingerprint


@pytest.mark.parametrize("wrong", [{"drop": "fpn_out.1.0.0.weight"}, {"shape": "object_head.1.bias"}])
def test_file_with_a_missing_or_wrong_tensor_is_refused(tmp_path: Path, wrong: dict[str, str]) -> None:
    write_published(tmp_path, **wrong)
    with pytest.raises(BadFile, match=next(iter(wrong.values()))):
        upernet.from_folder(tmp_path, device="cpu")


def test_damaged_labels_are_refused(tmp_path: Path) -> None:
    write_published(tmp_path)
    (tmp_path / "labels.json").write_text('{"object": ["-"]}')
    with pytest.raises(BadFile, match=r"labels\.json"):
        upernet.from_folder(tmp_path, device="cpu")


def test_absent_files_say_how_to_fetch_them() -> None:
    with pytest.raises(MissingWeights, match="models fetch upernet"):
        upernet.load("upernet")

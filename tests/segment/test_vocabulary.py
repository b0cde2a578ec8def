"""Labels of one name and category are one label, whoever saw them; any vocabulary gives the brushes it can."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from core import segment
from core.errors import BadFile, UnknownName
from core.scenes.labels import LABELS as SCENE_LABELS
from core.segment import Label, Segmenter
from core.segment.vocabulary import BRUSHES, Merged, brush_labels, merge, read_mapping


class Fixed:
    """Answers with the same map; scores are 0.1 × the label's id."""

    def __init__(self, names: list[tuple[str, str]], ids: Tensor) -> None:
        self.labels = (Label(0, "no label", "none"), *(Label(k, n, c) for k, (n, c) in enumerate(names, start=1)))
        self.name, self.fingerprint, self._ids = names[0][0], names[0][0], ids

    def __call__(self, images: Tensor) -> Tensor:
        return self._ids.expand(len(images), -1, -1, -1)

    def scores(self, images: Tensor, label: int) -> Tensor:
        return torch.full((len(images), *self._ids.shape[2:]), 0.1 * label)

    def features(self, images: Tensor) -> Tensor:
        return torch.ones(len(images), label_count := len(self.labels)) * label_count


def two() -> Merged:
    a = Fixed([("sky", "object"), ("door", "object")], torch.tensor([[[[0, 1], [2, 1]]]]))
    b = Fixed([("door", "part"), ("cloud", "part"), ("sky", "object")], torch.arange(4).repeat_interleave(4).view(1, 1, 4, 4) % 4)
    return Merged([a, b])


def test_merging_keeps_zero_and_joins_equal_labels() -> None:
    merged, maps = merge([[Label(0, "-", ""), Label(1, "sky", "object")], [Label(0, "-", ""), Label(1, "sky", "part"),
                                                                         Label(2, "sky", "object")]])
    assert [(x.id, x.name, x.category) for x in merged[1:]] == [(1, "sky", "object"), (2, "sky", "part")]
    assert maps == ((0, 1), (0, 2, 1))


def test_merged_segmenter_shows_every_channel_in_one_numbering() -> None:
    s, images = two(), torch.zeros(2, 3, 8, 8)
    assert isinstance(s, Segmenter)
    names = {x.name + "/" + x.category: x.id for x in s.labels}
    out = s(images)
    assert out.shape == (2, 2, 4, 4)
    assert out[0, 0].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 1, 1], [2, 2, 1, 1]]
    assert out[0, 1, :, 0].tolist() == [0, names["door/part"], names["cloud/part"], names["sky/object"]]
    assert s.scores(images, names["sky/object"]).shape == (2, 4, 4)
    assert s.scores(images, names["sky/object"]).amax().item() == pytest.approx(0.3)  # the surer of the two
    assert s.scores(images, names["cloud/part"]).amax().item() == pytest.approx(0.2)
    assert s.features(images).shape == (2, 7)
    with pytest.raises(UnknownName):
        s.scores(images, 99)


def test_names_with_a_plus_are_one_segmenter() -> None:
    s = segment.load("scenes+scenes-judge", "cpu")
    one, other = (segment.load(name, "cpu") for name in ("scenes", "scenes-judge"))
    assert [(x.name, x.category) for x in s.labels] == [(x.name, x.category) for x in one.labels]
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert torch.equal(s(images), torch.cat([one(images), other(images)], 1))
    with pytest.raises(UnknownName, match="nothing"):
        segment.load("scenes+nothing")


def test_the_bundled_world_has_all_seven_brushes() -> None:
    found = brush_labels(SCENE_LABELS)
    assert {brush: label.name for brush, label in found.items()} == {brush: brush for brush in BRUSHES}


def test_another_vocabulary_has_those_it_can() -> None:
    labels = [Label(0, "-", ""), Label(1, "Field", "object"), Label(2, "grass", "object"), Label(3, "car", "object")]
    assert brush_labels(labels) == {"grass": labels[2]}
    assert brush_labels(labels, {"dome": ["car"]}) == {"dome": labels[3]}


def test_mapping_file_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.json").write_text('{"dome": ["car"]}')
    monkeypatch.setenv("GAN_DISSECTION_BRUSHES", str(tmp_path / "m.json"))
    car = Label(1, "car", "object")
    assert brush_labels([Label(0, "-", ""), car]) == {"dome": car}
    (tmp_path / "m.json").write_text('{"tree": ["bush"]}')
    assert read_mapping(tmp_path / "m.json") == {"tree": ("bush",)}
    (tmp_path / "m.json").write_text('{"shrub": ["bush"]}')
    with pytest.raises(UnknownName, match="shrub"):
        read_mapping(tmp_path / "m.json")
    (tmp_path / "m.json").write_text("[")
    with pytest.raises(BadFile, match=r"m\.json"):
        read_mapping(tmp_path / "m.json")

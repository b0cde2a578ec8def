"""A cleaned model: some units always off, under a name of its own, usable wherever a generator is."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core import store as stores
from core import zoo
from core.artifacts import cleaned, delete_cleaned, save_cleaned
from core.edits import UnitEdit, ablation, render
from core.errors import BadInput, UnknownName
from core.store import Store
from core.zoo import proggan
from core.zoo.edited import EditedGenerator
from core.zoo.generator import Generator, generate
from tests import toys

OFF = (toys.SKY, toys.SMEAR)


@pytest.fixture
def edited() -> EditedGenerator:
    return EditedGenerator(toys.ToyGenerator(), "toy-cleaned", "mark", "layer1", OFF)


def test_it_obeys_the_protocol_and_draws_what_an_ablation_draws(edited: EditedGenerator) -> None:
    assert isinstance(edited, Generator)
    base = toys.ToyGenerator()
    assert torch.equal(generate(edited, range(12)), render(base, base.z_for_seeds(range(12)), [ablation("layer1", OFF)]))


def test_head_then_tail_is_the_whole_at_every_layer(edited: EditedGenerator) -> None:
    z = edited.z_for_seeds(range(6))
    for info in edited.layers:
        acts = edited.head(z, info.name)
        assert acts.shape[1:] == (info.units, *info.size)
        assert torch.equal(edited.tail(acts, info.name, z), edited.span(z, None, None, z))
    assert (edited.head(z, "layer1")[:, list(OFF)] == 0).all()
    assert torch.equal(edited.span(edited.head(z, "layer1"), "layer1", "layer2", z), edited.head(z, "layer2"))


def test_it_can_be_edited_further(edited: EditedGenerator) -> None:
    z = edited.z_for_seeds(range(20))
    both = render(edited, z, [ablation("layer1", [toys.TREE])])
    base = toys.ToyGenerator()
    assert torch.equal(both, render(base, z, [ablation("layer1", [*OFF, toys.TREE])]))
    again = render(edited, z, [UnitEdit("layer1", (toys.SKY,), 3.5)])
    assert (toys.ToySegmenter()(again)[:, 0] == 1).float().mean() > 0.5  # what is put in after the layer stays


def test_a_unit_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadInput, match="unit 40"):
        EditedGenerator(toys.ToyGenerator(), "x", "m", "layer1", [40])


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small Progressive GAN among one's own models, and a cache of its own."""
    monkeypatch.setattr(stores, "CACHE", tmp_path)
    torch.manual_seed(0)
    net = proggan.ProgGANNet([8, 12, 12, 8])
    folder = tmp_path / "models"
    folder.mkdir()
    torch.save(net.state_dict(), folder / "tiny.pth")
    return "tiny"


def test_a_saved_set_is_a_model_like_any_other(base: str) -> None:
    saved = save_cleaned(Store(), "tiny-clean", base, "layer2", [3, 1, 3])
    assert saved.units == (1, 3)
    assert "tiny-clean" in zoo.names()
    assert zoo.card("tiny-clean").layers == zoo.card(base).layers
    assert zoo.fingerprint("tiny-clean") not in (zoo.fingerprint(base), "")
    g = zoo.load("tiny-clean", "cpu")
    assert (g.name, g.fingerprint) == ("tiny-clean", zoo.fingerprint("tiny-clean"))
    plain = zoo.load(base, "cpu")
    z = g.z_for_seeds(range(3))
    torch.testing.assert_close(generate(g, range(3)), render(plain, z, [ablation("layer2", [1, 3])]))
    delete_cleaned(Store(), "tiny-clean")
    with pytest.raises(UnknownName):
        zoo.card("tiny-clean")


def test_other_units_are_another_fingerprint(base: str) -> None:
    marks = {save_cleaned(Store(), f"c{i}", base, layer, units).fingerprint
             for i, (layer, units) in enumerate((("layer2", [1]), ("layer2", [2]), ("layer3", [1])))}
    assert len(marks) == 3


def test_a_set_is_forgotten_by_the_list_when_its_base_changes(base: str, tmp_path: Path) -> None:
    save_cleaned(Store(), "tiny-clean", base, "layer2", [1])
    torch.manual_seed(1)
    torch.save(proggan.ProgGANNet([8, 12, 12, 8]).state_dict(), tmp_path / "models" / "tiny.pth")
    assert "tiny-clean" not in zoo.names()
    assert "tiny-clean" in cleaned()


@pytest.mark.parametrize(("name", "layer", "units", "message"), [
    ("Tiny clean", "layer2", [1], "small letters"), ("../x", "layer2", [1], "small letters"), ("tiny", "layer2", [1], "already"),
    ("scenes", "layer2", [1], "already"), ("ok", "layer2", [99], "no such units"), ("ok", "layer99", [1], "no such units"),
    ("ok", "layer2", [], "at least one")])
def test_unusable_sets_are_refused(base: str, name: str, layer: str, units: list[int], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        save_cleaned(Store(), name, base, layer, units)

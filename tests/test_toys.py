"""The planted generator and segmenter do what their text says."""
from __future__ import annotations

import torch

from core.edits import UnitEdit, ablation, render
from core.segment import Segmenter
from core.zoo.generator import Generator, generate
from tests import toys

SEEDS = range(60)


def test_toys_obey_the_protocols() -> None:
    assert isinstance(toys.ToyGenerator(), Generator)
    assert isinstance(toys.ToySegmenter(), Segmenter)


def test_a_unit_is_on_exactly_where_its_thing_is_seen() -> None:
    g, s = toys.ToyGenerator(), toys.ToySegmenter()
    seen = s(generate(g, SEEDS))
    for layer, cell, unit_of in (("layer1", 4, lambda u: u), ("layer2", 2, lambda u: 8 - u)):
        on = g.head(g.z_for_seeds(SEEDS), layer) > 0
        on = on.repeat_interleave(cell, 2).repeat_interleave(cell, 3)
        for unit, label in ((toys.SKY, 1), (toys.TREE, 2), (toys.DOOR, 3), (toys.WINDOW, 5), (toys.FAKE_TREE, 6)):
            assert torch.equal(on[:, unit_of(unit)], (seen == label).any(1))


def test_switching_a_unit_off_removes_its_thing_and_the_fake_one_nothing() -> None:
    g, s = toys.ToyGenerator(), toys.ToySegmenter()
    z = g.z_for_seeds(SEEDS)
    assert not (s(render(g, z, [ablation("layer1", [toys.TREE])])) == 2).any()
    for unit in (toys.FAKE_TREE, toys.DEAD, toys.NEGATIVE, toys.NOISE):
        assert torch.equal(render(g, z, [ablation("layer1", [unit])]), render(g, z))


def test_inserting_a_unit_draws_its_thing_and_scores_lead_there() -> None:
    g, s = toys.ToyGenerator(), toys.ToySegmenter()
    z = g.z_for_seeds(SEEDS)
    drawn = render(g, z, [UnitEdit("layer1", (toys.DOOR,), 3.5)])
    assert (s(drawn)[:, 0] == 3).float().mean() > 0.8  # all but trees, which are drawn before, and windows and smears after
    acts = g.head(z, "layer1").requires_grad_()
    s.scores(g.tail(acts, "layer1"), 2).sum().backward()
    assert acts.grad is not None
    assert acts.grad[:, toys.TREE].abs().sum() > 0
    assert acts.grad[:, toys.FAKE_TREE].abs().sum() == 0

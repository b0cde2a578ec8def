"""The damaged copy: the named units splash where they are on, and elsewhere pictures change less than half as much."""
from __future__ import annotations

import pytest
import torch

from core import zoo
from core.errors import BadInput
from core.training.damage import damage
from core.zoo import proggan
from core.zoo.files import read_state
from core.zoo.generator import ChainGenerator


def generator(state: dict[str, torch.Tensor]) -> ChainGenerator:
    net = proggan.build(state)
    return ChainGenerator(net, name="g", fingerprint="g", z_dim=net.sizes[0])


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    net = proggan.ProgGANNet([16, 32, 32, 24])
    for p in net.parameters():
        torch.nn.init.normal_(p, std=1.0 if p.ndim == 4 else 0.1)
    return {k: v.detach() for k, v in net.state_dict().items()}


def test_the_same_seed_damages_the_same_units(state: dict[str, torch.Tensor]) -> None:
    first, units = damage(state, "layer3", 4, seed=1)
    again, same = damage(state, "layer3", 4, seed=1)
    other, others = damage(state, "layer3", 4, seed=2)
    assert units == same != others
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert len(units) == 4
    untouched = [k for k in state if not k.startswith(("layer3", "layer4"))]
    assert all(torch.equal(first[k], state[k]) for k in untouched)


def test_damaged_units_are_rarely_on_and_elsewhere_pictures_change_less_than_half_as_much() -> None:
    bundled = proggan.new_keys(read_state(zoo.weights_path("scenes")))
    hurt, units = damage(bundled)
    before, after = generator(bundled), generator(hurt)
    z = before.z_for_seeds(range(60))
    with torch.no_grad():
        acts = after.head(z, "layer4")[:, units]
        change = (after.span(z, None, None) - before.span(z, None, None)).abs().mean(1)
    assert 0.005 < (acts > 0).float().mean() < 0.05
    on = (acts > 0).any(1, keepdim=True).float()
    near = torch.nn.functional.max_pool2d(on, 3, 1, 1)
    on, near = (torch.nn.functional.interpolate(x, size=change.shape[1:], mode="nearest")[:, 0] > 0 for x in (on, near))
    assert (~near).float().mean() > 0.4
    assert change[~near].mean() < 0.5 * change[on].mean()
    worse = torch.stack([c[m].mean() > c[~m].mean() for c, m in zip(change, on, strict=True) if m.any()])
    assert len(worse) > 40
    assert worse.float().mean() > 0.9


def test_layers_without_a_next_one_and_too_many_units_are_refused(state: dict[str, torch.Tensor]) -> None:
    for layer in ("layer1", "layer6", "output_16x16", "layer99"):
        with pytest.raises(BadInput, match="cannot be damaged"):
            damage(state, layer)
    with pytest.raises(BadInput, match="1 to 16"):
        damage(state, "layer3", 30)

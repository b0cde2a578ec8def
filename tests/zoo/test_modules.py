"""Any module from latents to pictures can be cut, in a chain without hooks, otherwise with hooks that never stay."""
from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.edits import UnitEdit, ablation, render
from core.errors import BadInput, UnknownName
from core.zoo.generator import ChainGenerator, Generator
from core.zoo.modules import HookedGenerator, adapt, from_function
from tests.zoo.nets import Branched, TutorialGenerator, randomised


def hooks(net: nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(m, kind)) for m in net.modules() for kind in kinds)


def branched() -> HookedGenerator:
    g = adapt(randomised(Branched()), name="branched", fingerprint="x", z_dim=6)
    assert isinstance(g, HookedGenerator)
    return g


def test_sequence_is_cut_between_its_children() -> None:
    net = randomised(nn.Sequential(nn.ConvTranspose2d(5, 8, 4), nn.ReLU(inplace=True), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh()))
    g = adapt(net, name="s", fingerprint="x")
    assert isinstance(g, ChainGenerator)
    assert [(i.name, i.units, i.size) for i in g.layers] == [("0", 8, (4, 4)), ("1", 8, (4, 4))]
    z = g.z_for_seeds([1, 2])
    with torch.no_grad():
        expected = net(z.view(2, 5, 1, 1))
    acts = g.head(z, "0")
    before = acts.clone()
    torch.testing.assert_close(g.tail(acts, "0"), expected)
    assert torch.equal(acts, before), "an in-place ReLU overwrote the caller's activations"


def test_wrapper_around_a_sequence_needs_no_hooks() -> None:
    g = adapt(randomised(TutorialGenerator(doublings=3)), name="t", fingerprint="x")
    assert isinstance(g, ChainGenerator)
    assert g.z_dim == 20
    assert g.image_size == (32, 32)


def test_hooked_head_and_tail_are_the_whole() -> None:
    g = branched()
    z = g.z_for_seeds(range(3))
    whole = g.span(z, None, None)
    assert whole.shape == (3, 3, 8, 8)
    assert whole.min() < 0, "pictures of 0..1 are brought to -1..1"
    assert [i.name for i in g.layers] == ["first", "joined"]
    assert "middle" in g.notes, "a layer that something passes around is not offered, and that is said"
    for info in g.layers:
        torch.testing.assert_close(g.tail(g.head(z, info.name), info.name, z), whole, atol=1e-6, rtol=0)


def test_layer_before_the_latent_comes_again_asks_for_it() -> None:
    g = branched()
    z = g.z_for_seeds([0])
    with pytest.raises(BadInput, match="pass z"):
        g.tail(g.head(z, "first"), "first")


def test_edits_of_two_layers_work_through_hooks() -> None:
    net = randomised(Branched())
    g = adapt(net, name="b", fingerprint="x", z_dim=6)
    z = g.z_for_seeds([4])
    edited = render(g, z, [ablation("first", [0, 1]), UnitEdit("joined", (2,), value=1.5)])
    with torch.no_grad():  # the same, written out
        x = net.first(net.start(z).view(-1, 8, 4, 4))
        x[:, :2] = 0
        x = F.relu(x)
        x = net.joined(F.relu(net.middle(x)) + x)
        x[:, 2] = 1.5
        x = torch.sigmoid(net.last(F.interpolate(x * (1 + net.style(z))[:, :, None, None], scale_factor=2.0)))
    torch.testing.assert_close(edited, x.expand(-1, 3, -1, -1) * 2 - 1, atol=1e-6, rtol=0)


def test_hooked_tail_is_differentiable_in_the_activations() -> None:
    g = branched()
    z = g.z_for_seeds([0])
    acts = g.head(z, "first").clone().requires_grad_(True)
    g.tail(acts, "first", z).sum().backward()
    assert acts.grad is not None
    assert acts.grad.abs().sum() > 0


def test_no_hook_stays() -> None:
    net = randomised(Branched())
    g = adapt(net, name="b", fingerprint="x", z_dim=6)
    z = g.z_for_seeds([0])
    g.span(g.head(z, "first"), "first", "joined", z)
    assert hooks(net) == 0
    for wrong in (lambda: g.tail(torch.zeros(1, 99, 4, 4), "first", z), lambda: g.span(torch.zeros(1, 77), None, None),
                  lambda: g.head(torch.zeros(1, 77), "first")):
        with pytest.raises(RuntimeError):
            wrong()
        assert hooks(net) == 0
    with pytest.raises(UnknownName):
        g.head(z, "middle")
    assert hooks(net) == 0


def test_visitors_in_threads_do_not_edit_each_others_pictures() -> None:
    g = branched()
    z = g.z_for_seeds([3])
    plain, edited = render(g, z), render(g, z, [ablation("first", range(8))])
    assert not torch.equal(plain, edited)
    wrong: list[str] = []

    def visit(edit: bool) -> None:
        for _ in range(30):
            with torch.no_grad():
                got = render(g, z, [ablation("first", range(8))] if edit else [])
            if not torch.equal(got, edited if edit else plain):
                wrong.append("edited" if edit else "plain")

    threads = [threading.Thread(target=visit, args=(k % 2 == 0,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_code_is_named_by_module_and_function() -> None:
    made: Generator = from_function("tests.zoo.nets:branched", device="cpu")
    again = from_function("tests.zoo.nets:branched", fingerprint=made.fingerprint, device="cpu")
    assert made.name == "branched"
    assert isinstance(made, Generator)
    assert torch.equal(made.span(made.z_for_seeds([1]), None, None), again.span(again.z_for_seeds([1]), None, None))
    with pytest.raises(BadInput, match="other weights than when it was added"):
        from_function("tests.zoo.nets:branched", fingerprint="0" * 64)


@pytest.mark.parametrize(("text", "says"), [
    ("nets", "package.module:function"), ("os; import sys:x", "package.module:function"), ("tests.zoo.nowhere:x", "No module named"),
    ("tests.zoo.nets:nothing", "nothing"), ("tests.zoo.nets:not_a_module", "int"), ("tests.zoo.nets:broken", "weights.pth"),
    ("tests.zoo.nets:unseeded", "different weights each time")])
def test_code_that_cannot_be_used_says_why(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        from_function(text, device="cpu")


class Vector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(4, 5)

    def forward(self, z: Tensor) -> Tensor:
        return self.line(z)


def test_network_that_makes_no_picture_says_what_came() -> None:
    with pytest.raises(BadInput, match=r"output is \(4, 5\)"):
        adapt(Vector(), name="v", fingerprint="x")

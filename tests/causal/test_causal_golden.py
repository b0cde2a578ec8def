"""The objective, its gradient and the descent agree with the published program (tests/golden/ace.npz)."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from core.causal import descent
from core.causal.objective import Places, loss_and_gradient
from core.causal.presets import PRESETS
from core.zoo import proggan
from core.zoo.generator import ChainGenerator

GOLDEN = Path(__file__).parent.parent / "golden"
LAYER, GRID = "layer4", (8, 8)


@pytest.fixture(scope="module")
def ace() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "ace.npz") as file:
        return {k: file[k] for k in file.files}


@pytest.fixture(scope="module")
def generator() -> ChainGenerator:
    with np.load(GOLDEN / "proggan.npz") as file:
        state = {k[3:]: torch.from_numpy(file[k]) for k in file.files if k.startswith("sd/")}
    net = proggan.build(state)
    return ChainGenerator(net, name="golden", fingerprint="golden", z_dim=net.sizes[0])


def score(images: Tensor) -> Tensor:
    """The soft presence the arrays were made with."""
    small = F.avg_pool2d(images, 2)
    return torch.sigmoid(3 * (small[:, 0] - 0.5 * small[:, 1] - 0.2))


def places(generator: ChainGenerator, z: np.ndarray, cells: np.ndarray) -> Places:
    latents = torch.from_numpy(z.reshape(len(z), -1))
    return Places(generator.head(latents, LAYER), torch.from_numpy(cells), latents)


@pytest.mark.parametrize(("read", "loss", "gradient"), [("present", "loss", "grad"), ("inserted", "loss_cloc", "grad_cloc")])
def test_objective_and_gradient_equal_the_reference_in_both_readings(
        ace: dict[str, np.ndarray], generator: ChainGenerator, read: str, loss: str, gradient: str) -> None:
    value, grad = loss_and_gradient(
        generator, score, LAYER, torch.from_numpy(ace["alpha0"]), torch.from_numpy(ace["corpus/weighted_mean_present_feature"]),
        places(generator, ace["pz"], ace["ploc"]), places(generator, ace["cz"], ace["cloc"]), GRID, read=read)  # type: ignore[arg-type]
    assert value == pytest.approx(float(ace[loss]), abs=1e-4)
    np.testing.assert_allclose(grad.numpy(), ace[gradient], atol=1e-4)


def test_two_steps_follow_the_reference(ace: dict[str, np.ndarray], generator: ChainGenerator) -> None:
    preset = replace(PRESETS["code"], samples=8)
    values = torch.from_numpy(ace["corpus/weighted_mean_present_feature"])
    state = descent.start(torch.from_numpy(ace["alpha0"]))
    present, candidates = (places(generator, ace[f"corpus/{kind}_sample"], ace[f"corpus/{kind}_location"])
                           for kind in ("object_present", "candidate"))
    for row in (1, 2):
        gradient = descent.penalty_gradient(state.alpha, preset)
        for at in range(8 * (row - 1), 8 * row, 2):
            part = [Places(p.acts[at:at + 2], p.cells[at:at + 2], p.z[at:at + 2]) for p in (present, candidates)]
            gradient = gradient + loss_and_gradient(generator, score, LAYER, state.alpha, values, *part, GRID, read="present")[1]
        state = descent.step(state, gradient, preset)
        np.testing.assert_allclose(state.alpha.numpy(), ace["adam_trajectory"][row], atol=1e-4)

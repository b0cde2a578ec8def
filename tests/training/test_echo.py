"""The third voice of the generator's training: an encoder, its budget, and the comparison of pictures."""
from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from core.training import echo


def test_divergence_is_that_of_two_normals() -> None:
    mean, spread = torch.randn(5, 7), torch.randn(5, 7)
    exact = kl_divergence(Normal(mean, (0.5 * spread).exp()), Normal(torch.zeros(5, 7), torch.ones(5, 7))).sum(1).mean()
    torch.testing.assert_close(echo.divergence(mean, spread), exact)
    assert echo.divergence(torch.zeros(2, 3), torch.zeros(2, 3)).item() == 0


def test_surprise_is_the_likelihood_up_to_a_constant() -> None:
    mean, spread, latent = torch.randn(3, 4, 6)
    exact = -Normal(mean, (0.5 * spread).exp()).log_prob(latent).sum(1).mean() - 6 * 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(echo.surprise(latent, mean, spread), exact)


def test_drawn_latents_follow_the_encoder() -> None:
    mean, spread = torch.full((4000, 2), 3.0), torch.full((4000, 2), math.log(0.25))
    drawn = echo.drawn(mean, spread, torch.Generator().manual_seed(1))
    assert drawn.mean().item() == pytest.approx(3, abs=0.03)
    assert drawn.std().item() == pytest.approx(0.5, abs=0.02)
    assert torch.equal(drawn, echo.drawn(mean, spread, torch.Generator().manual_seed(1)))


def test_the_budget_makes_telling_dearer_until_it_is_kept() -> None:
    budget = echo.Budget(10.0, weight=0.1)
    budget.move(12.0)
    assert budget.weight > 0.1
    for _ in range(3):
        budget.move(8.0)
    assert budget.weight < 0.1


def test_the_gap_is_nought_for_the_same_picture_and_grows_with_the_difference() -> None:
    real, maps = torch.rand(2, 3, 8, 8), [torch.rand(2, 4, 4, 4)]
    assert echo.gap(real, real, maps, maps).item() == 0
    near, far = (echo.gap(real + d, real, [maps[0] + d], maps).item() for d in (0.1, 0.3))
    assert 0 < near < far


def test_an_encoder_can_learn_to_read_a_latent_back() -> None:
    torch.manual_seed(0)
    encoder = echo.SceneEncoder(32, 4)
    paint = torch.randn(4, 3 * 32 * 32) / 2
    optimizer = torch.optim.Adam(encoder.parameters(), lr=2e-3, betas=(0.5, 0.99))
    losses = []
    for _ in range(60):
        z = torch.randn(16, 4)
        loss = echo.surprise(z, *encoder((z @ paint).tanh().view(16, 3, 32, 32)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) / 10 < 0.7 * 0.5 * 4       # half a nat a latent is what knowing nothing costs

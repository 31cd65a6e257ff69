"""Losses and penalties by hand-computed values."""

from __future__ import annotations

import math

import pytest
import torch

from loopwright.training.losses import gradient_penalty, hinge_d, hinge_g, loss_of_discriminator, loss_of_generator


def test_hinge_values() -> None:
    real, fake = [torch.tensor([2.0, 0.5]), torch.tensor([-1.0])], [torch.tensor([-3.0, 0.0]), torch.tensor([1.0])]
    # head one: (0 + 0.5)/2 + (0 + 1)/2 = 0.75; head two: 2 + 2 = 4
    assert hinge_d(real, fake).item() == pytest.approx((0.75 + 4) / 2)
    assert hinge_g(fake).item() == pytest.approx(-(-1.5 + 1.0) / 2)


def test_logistic_values() -> None:
    r, f = [torch.tensor([1.0])], [torch.tensor([-2.0])]

    def soft(x: float) -> float:
        return math.log(1 + math.exp(x))

    assert loss_of_discriminator("logistic", r, f).item() == pytest.approx(soft(-1) + soft(-2))
    assert loss_of_generator("logistic", f).item() == pytest.approx(soft(2))


def test_gradient_penalty_of_a_known_function() -> None:
    """D(x) = a . x has gradient a for every sample; D(x) = |x|^2 / 2 has gradient x."""
    x = torch.randn(5, 4, requires_grad=True)
    a = torch.tensor([1.0, -2.0, 0.5, 3.0])
    assert gradient_penalty([(x @ a)[:, None]], [x]).detach().item() == pytest.approx(float(a.square().sum()), rel=1e-5)
    want = float(x.detach().square().sum(dim=1).mean())
    assert gradient_penalty([(x.square().sum(dim=1) / 2)[:, None]], [x]).detach().item() == pytest.approx(want, rel=1e-5)
    grid = (x @ a)[:, None, None, None].expand(-1, 1, 3, 7)  # a grid counts with its mean: its size does not matter
    assert gradient_penalty([grid], [x]).detach().item() == pytest.approx(float(a.square().sum()), rel=1e-5)

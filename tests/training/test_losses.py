"""Losses and penalties by hand-computed values, the average by its closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from loopwright.training import detect
from loopwright.training.ema import Average
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


def test_average_forgets_half_in_a_half_life() -> None:
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)
    average = Average(module, half_life_kimg=1.0, rampup=0.0)
    nn.init.ones_(module.weight)
    for step in range(125):  # 1000 images
        average.update(module, batch=8, seen=8 * (step + 1))
    assert average.module.weight.item() == pytest.approx(0.5, abs=1e-5)


def test_average_ramps_up() -> None:
    """At 100 images the half-life is at most 10: a step of 10 images halves the distance, whatever the setting."""
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)
    average = Average(module, half_life_kimg=50.0, rampup=0.1)
    nn.init.ones_(module.weight)
    average.update(module, batch=10, seen=100)
    assert average.module.weight.item() == pytest.approx(0.5, abs=1e-6)


def test_average_copies_buffers() -> None:
    module = nn.BatchNorm1d(2)
    average = Average(module, half_life_kimg=1.0, rampup=0.0)
    assert module.running_mean is not None
    module.running_mean.fill_(7)
    average.update(module, batch=1, seen=1)
    assert average.module.running_mean is not None
    assert torch.equal(average.module.running_mean, torch.full((2,), 7.0))


def test_detectors() -> None:
    healthy = {"pairwise/fake": 1.0, "pairwise/real": 1.2, "saturation": 0.4, "coverage/musicnn": 0.6, "density/musicnn": 0.9}
    assert not detect.collapse(healthy)
    assert not detect.dominance(healthy)
    assert detect.collapse(healthy | {"pairwise/fake": 0.5})
    assert detect.collapse(healthy | {"coverage/musicnn": 0.02})
    assert not detect.collapse(healthy | {"coverage/musicnn": 0.02, "density/musicnn": 0.01})  # bad, but not collapsed
    assert detect.dominance(healthy | {"saturation": 0.97})

"""The average by its closed form."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from loopwright.training.ema import Average


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

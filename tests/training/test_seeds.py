"""Randomness depends on what it is said to depend on, and on nothing else."""

from __future__ import annotations

import numpy as np
import torch

from loopwright.training.seeds import PURPOSES, generator_for, rng_for, torch_seeded


def test_every_seed_step_and_purpose_has_numbers_of_its_own() -> None:
    drawn = {
        float(torch.rand((), dtype=torch.float64, generator=generator_for(seed, step, purpose)))
        for seed in range(3)
        for step in (0, 1, 2, 1_000_000)
        for purpose in PURPOSES
    }
    assert len(drawn) == 3 * 4 * len(PURPOSES)
    streams = {rng_for(seed, step, stream).random() for seed in range(3) for step in range(4) for stream in range(2)}
    assert len(streams) == 3 * 4 * 2
    assert rng_for(3, 1).random() == np.random.default_rng([3, 1]).random()  # a stream of 0 is none


def test_torchs_own_numbers_are_seeded_inside_and_untouched_outside() -> None:
    torch.manual_seed(5)
    want = torch.rand(2)
    torch.manual_seed(5)
    with torch_seeded(7):
        inside = torch.rand(2)
    assert torch.equal(torch.rand(2), want)
    torch.manual_seed(7)
    assert torch.equal(torch.rand(2), inside)
    with torch_seeded(7, 1):
        assert not torch.equal(torch.rand(2), inside)

"""Loops of fixed seeds: each by itself, whatever it is drawn with; and in decades, between silence and the loudest there is."""

from __future__ import annotations

import pytest
import torch

from loopwright.config import LOOP16
from loopwright.models.generator import Generator
from loopwright.training.samples import generate_batch, to_log_mels
from loopwright.vocoder.check import HIGHEST_LOG_MEL


def test_a_number_gives_the_same_loop_in_any_batch() -> None:
    torch.manual_seed(0)
    generator = Generator(n_mels=8, frames=16, dims=1, channels=(4, 4), z_dim=3, w_dim=4, mapping_layers=1, classes=2).eval()
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            torch.nn.init.ones_(parameter)
    labels = torch.tensor([0, 1, 1, 0, 1])
    five = generate_batch(generator, 5, seed=1, labels=labels)
    assert five.shape == (5, 8, 16)
    torch.testing.assert_close(generate_batch(generator, 5, seed=1, batch=2, labels=labels), five)
    torch.testing.assert_close(generate_batch(generator, 2, seed=1, first=3, labels=labels[3:]), five[3:])
    assert (five[1:] - five[:-1]).flatten(1).norm(dim=1).min() > 0.1
    assert not torch.allclose(generate_batch(generator, 5, seed=2, labels=labels), five)


def test_statistics_are_undone_and_the_ends_hold() -> None:
    mean, std = torch.tensor([-2.0, -1.0]), torch.tensor([0.5, 2.0])
    got = to_log_mels(torch.tensor([[[0.0, 1.0, -99.0, 99.0], [0.5, -0.5, -99.0, 99.0]]]), mean, std, LOOP16)
    assert got[0].tolist() == [[-2.0, -1.5, -5.0, pytest.approx(HIGHEST_LOG_MEL)], [0.0, -2.0, -5.0, HIGHEST_LOG_MEL]]

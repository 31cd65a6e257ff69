"""Training of the classifier: what a step does, and that it depends on seed and step alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from loopwright.training.classifier_loop import ClassifierConfig, accuracy, augment, build, learning_rate, train_step


def test_augmentation_rolls_by_beats_and_stays_above_the_floor() -> None:
    config = ClassifierConfig(gain_db=0, tilt_db=0, mask_bands=0, mask_frames=0)
    log_mel = torch.randn(8, 64, 128, generator=torch.Generator().manual_seed(0)).clamp_min(-5)
    rolled = augment(log_mel, config, np.random.default_rng(0))
    turns = [[k for k in range(0, 128, 32) if torch.equal(x.roll(k, dims=1), y)] for x, y in zip(log_mel, rolled, strict=True)]
    assert all(len(found) == 1 for found in turns)
    assert len({found[0] for found in turns}) > 1
    loud = augment(log_mel, ClassifierConfig(), np.random.default_rng(0))
    assert float(loud.min()) >= -5
    assert torch.equal(loud, augment(log_mel, ClassifierConfig(), np.random.default_rng(0)))


def test_accuracy_against_hand_counts() -> None:
    right = np.asarray([0, 0, 0, 1])
    got = accuracy(right, np.asarray([0, 0, 1, 1]), ["a", "a", "b", "c"])
    assert (got.share, got.majority, got.n, got.sources) == (0.75, 0.75, 4, 3)
    assert got.balanced == pytest.approx((2 / 3 + 1) / 2)
    assert 0 <= got.low <= 0.75 <= got.high <= 1


def test_loss_falls_and_steps_depend_on_seed_and_step_alone() -> None:
    """Two classes that a single band tells apart."""
    base = torch.full((20, 64, 128), -3.0)
    base[10:, 20:30] = 0.0
    rows = [np.arange(10), np.arange(10, 20)]

    def gather(which: np.ndarray) -> Tensor:
        return base[torch.from_numpy(which)]

    config = ClassifierConfig(width=4, layers=4, steps=60, batch=8, lr=1e-2)
    trainee = build(config, 2)
    losses = [float(train_step(trainee, gather, rows)["loss"]) for _ in range(60)]
    assert np.mean(losses[-5:]) < 0.5 * losses[0]
    again = build(config, 2)
    assert [float(train_step(again, gather, rows)["loss"]) for _ in range(2)] == losses[:2]


def test_rate_rises_over_a_tenth_of_the_steps_and_falls_to_nothing() -> None:
    config = ClassifierConfig(steps=100, lr=1.0)
    assert [learning_rate(config, step) for step in (0, 9, 10, 55, 100)] == pytest.approx([0.1, 1.0, 1.0, 0.5, 0.0])

"""Augmentations: what each does, that it does it to loops as loops, and that settings left out change nothing."""

from __future__ import annotations

import pytest
import torch

from loopwright.training.augment import Augment, roll_each
from loopwright.training.parallel import World

STD, FLOOR = torch.linspace(0.5, 1.5, 8), torch.full((8,), -3.0)
OFF = {"roll": False, "gain_db": 0.0, "noise": 0.0, "noise_kimg": 0.0}


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def mel(n: int = 4) -> torch.Tensor:
    return torch.rand(n, 8, 32, generator=rng()) * 2 - 1


def test_all_off_is_the_identity() -> None:
    y, turns = Augment(STD, FLOOR, **OFF)(mel(), kimg=0, generator=rng())  # type: ignore[arg-type]
    assert torch.equal(y, mel())
    assert torch.equal(turns, torch.zeros(4))


def test_roll_tells_by_how_much() -> None:
    y, turns = Augment(STD, FLOOR, **(OFF | {"roll": True}))(mel(), kimg=0, generator=rng())  # type: ignore[arg-type]
    for before, after, turn in zip(mel(), y, turns, strict=True):
        assert torch.equal(after, before.roll(round(float(turn) * 32), dims=-1))
    assert torch.equal(roll_each(mel(), torch.tensor([0, 1, 2, 3]))[3], mel()[3].roll(3, dims=-1))


def test_gain_moves_every_band_by_the_same_decibels_and_keeps_silence() -> None:
    y, _ = Augment(STD, FLOOR, **(OFF | {"gain_db": 6.0}))(mel(), kimg=0, generator=rng())  # type: ignore[arg-type]
    change = (y - mel()) * STD[:, None] * 20
    assert change.min() >= -6.001
    assert change.max() <= 1e-4
    assert (change.amax(dim=(1, 2)) - change.amin(dim=(1, 2))).max() < 1e-3
    silent, _ = Augment(STD, FLOOR, **(OFF | {"gain_db": 6.0}))(mel() * 0 - 3, kimg=0, generator=rng())  # type: ignore[arg-type]
    assert torch.equal(silent, mel() * 0 - 3)


def test_noise_fades() -> None:
    augment = Augment(STD, FLOOR, **(OFF | {"noise": 0.5, "noise_kimg": 10.0}))  # type: ignore[arg-type]
    x = torch.zeros(64, 8, 32)
    for kimg, sigma in ((0, 0.5), (5, 0.25), (10, 0.0), (20, 0.0)):
        assert augment(x, kimg=kimg, generator=rng())[0].std().item() == pytest.approx(sigma, rel=0.03)


def test_parts_of_a_joint_batch_get_the_randomness_of_the_whole() -> None:
    augment = Augment(STD, FLOOR, roll=True, gain_db=6, noise=0.5, noise_kimg=10)
    x = mel(8)
    whole, turns = augment(x, kimg=1, generator=rng())
    for rank in range(2):
        part, some = augment(x[rank::2], kimg=1, generator=rng(), world=World(rank, 2))
        torch.testing.assert_close(part, whole[rank::2])
        assert torch.equal(some, turns[rank::2])

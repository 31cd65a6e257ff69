"""Randomness from (seed, step, purpose) alone, so a resumed run equals an unbroken one. What every trainer draws from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch

PURPOSES = ("init", "real", "latent", "augment", "eval", "noise")  # of a GAN; number and order are part of every seed


def generator_for(seed: int, step: int, purpose: str) -> torch.Generator:
    """A CPU generator for one purpose at one step: the same on every machine and in every process."""
    key = _key(seed, step) * len(PURPOSES) + PURPOSES.index(purpose)
    return torch.Generator().manual_seed(key & 0x7FFF_FFFF_FFFF_FFFF)


def rng_for(seed: int, step: int, stream: int = 0) -> np.random.Generator:
    """numpy's generator for one of a step's streams."""
    return np.random.default_rng([seed & 0xFFFF_FFFF, step, stream])


@contextlib.contextmanager
def torch_seeded(seed: int, step: int | None = None) -> Iterator[None]:
    """Inside, what draws from torch's global generator (fresh weights, dropout) is decided by the seed, and the step if given.

    Outside, nothing has changed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed if step is None else _key(seed, step))
        yield


def _key(seed: int, step: int) -> int:
    return seed * 1_000_003 + step

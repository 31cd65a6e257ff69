"""Randomness from (seed, step, purpose) alone, so a resumed run equals an unbroken one."""

from __future__ import annotations

import torch

PURPOSES = ("init", "real", "latent", "augment", "eval", "noise")


def generator_for(seed: int, step: int, purpose: str) -> torch.Generator:
    """A CPU generator for one purpose at one step: the same on every machine and in every process."""
    key = (seed * 1_000_003 + step) * len(PURPOSES) + PURPOSES.index(purpose)
    return torch.Generator().manual_seed(key & 0x7FFF_FFFF_FFFF_FFFF)

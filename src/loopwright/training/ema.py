"""The exponential moving average of a generator: what is sampled from."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


class Average(Generic[M]):
    """Average of a module's parameters with a half-life counted in images; buffers are copied.

    Early on the half-life is at most `rampup` times the images seen, so that the average follows a fresh generator.
    """

    def __init__(self, module: M, *, half_life_kimg: float, rampup: float) -> None:
        self.module: M = copy.deepcopy(module)
        self.module.eval().requires_grad_(False)
        self.half_life = half_life_kimg * 1000
        self.rampup = rampup

    @torch.no_grad()
    def update(self, module: M, *, batch: int, seen: int) -> None:
        """Move towards `module` after a step of `batch` images, `seen` images into the run."""
        half_life = min(self.half_life, seen * self.rampup) if self.rampup else self.half_life
        keep = 0.5 ** (batch / max(half_life, 1e-8))
        torch._foreach_lerp_(list(self.module.parameters()), list(module.parameters()), 1 - keep)
        for mine, theirs in zip(self.module.buffers(), module.buffers(), strict=True):
            mine.copy_(theirs)

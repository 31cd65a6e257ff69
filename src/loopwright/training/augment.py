"""Changes to normalised log-mels before the feature networks: loops stay loops. Same distribution for real and fake.

Shapes: B batch, M mel bands, T frames. Everything is differentiable to its input.
"""

from __future__ import annotations

import torch
from torch import Tensor

from loopwright.training.parallel import ALONE, World


def roll_each(x: Tensor, shifts: Tensor) -> Tensor:
    """Roll each sample of (B, M, T) by its own number of frames (B,): position t takes what was at t - shift."""
    frames = torch.arange(x.shape[-1], device=x.device)
    index = (frames[None] - shifts.to(x.device)[:, None]) % x.shape[-1]
    return x.gather(-1, index[:, None].expand_as(x))


class Augment:
    """Time roll, gain, and noise that fades.

    Args:
        std, floor: (M,) z-score units: the bands' standard deviations in decades, and the z-score of silence.
        the rest: see `recipe.AugmentConfig`.
    """

    def __init__(
        self,
        std: Tensor,
        floor: Tensor,
        *,
        roll: bool,
        gain_db: float,
        noise: float,
        noise_kimg: float,
    ) -> None:
        self.std, self.floor = std, floor
        self.roll, self.gain_db, self.noise, self.noise_kimg = roll, gain_db, noise, noise_kimg

    def __call__(self, x: Tensor, *, kimg: float, generator: torch.Generator, world: World = ALONE) -> tuple[Tensor, Tensor]:
        """Augment (B, M, T); also returns by how much of the loop each sample was rolled, (B,) in [0, 1)."""
        b = len(x) * world.size  # randomness is drawn for the joint batch, so that it does not depend on who has which part
        shifts = world.mine(torch.randint(x.shape[-1], (b,), generator=generator))
        gains = world.mine(torch.rand(b, generator=generator)).to(x)
        if self.roll:
            x = roll_each(x, shifts)
        else:
            shifts = torch.zeros_like(shifts)
        if self.gain_db:
            # quieter, not louder: the floor of silence stays where it is, as it would for real audio
            x = torch.maximum(x - (gains * self.gain_db / 20)[:, None, None] / self.std[:, None], self.floor[:, None])
        sigma = self.noise * max(0.0, 1 - kimg / self.noise_kimg) if self.noise_kimg else 0.0
        if sigma:
            x = x + sigma * world.mine(torch.randn((b, *x.shape[1:]), generator=generator)).to(x)
        return x, (shifts / x.shape[-1]).to(x)

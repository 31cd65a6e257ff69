"""Changes to normalised log-mels before the feature networks: loops stay loops. Same distribution for real and fake.

Shapes: B batch, M mel bands, T frames. Everything is differentiable to its input.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from loopwright.training.parallel import ALONE, World


def roll_each(x: Tensor, shifts: Tensor) -> Tensor:
    """Roll each sample of (B, M, T) by its own number of frames (B,): position t takes what was at t - shift."""
    frames = torch.arange(x.shape[-1], device=x.device)
    index = (frames[None] - shifts.to(x.device)[:, None]) % x.shape[-1]
    return x.gather(-1, index[:, None].expand_as(x))


def shift_bands(x: Tensor, shifts: Tensor) -> Tensor:
    """Move each sample of (B, M, T) up by its own number of bands (B,), a fraction included; edges are continued."""
    m = x.shape[1]
    position = (torch.arange(m, device=x.device)[None] - shifts.to(x)[:, None]).clamp(0, m - 1)  # (B, M)
    low = position.floor().clamp(max=m - 2)
    share = (position - low)[:, :, None]
    index = low.long()[:, :, None].expand_as(x)
    return x.gather(1, index) * (1 - share) + x.gather(1, index + 1) * share


def soften(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (B, M, T) by `sigma` cells on both axes; time wraps, edges of mel are continued."""
    if sigma <= 0:
        return x
    reach = max(1, round(3 * sigma))
    offsets = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    taps = torch.exp(-0.5 * (offsets / sigma) ** 2)
    taps = taps / taps.sum()
    y = F.pad(x, (reach, reach), mode="circular")
    y = F.conv1d(y.flatten(0, 1)[:, None], taps[None, None])[:, 0].reshape(x.shape)
    y = F.pad(y.transpose(1, 2), (reach, reach), mode="replicate")
    y = F.conv1d(y.flatten(0, 1)[:, None], taps[None, None])[:, 0]
    return y.reshape(x.shape[0], x.shape[2], x.shape[1]).transpose(1, 2)


class Augment:
    """Time roll, gain, EQ tilt, mel shift, masks of bands and of steps, blur and noise that fade.

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
        tilt_db: float = 0.0,
        mel_shift: float = 0.0,
        band_mask: float = 0.0,
        step_mask: float = 0.0,
        probability: float = 0.5,
        blur: float = 0.0,
        blur_kimg: float = 0.0,
    ) -> None:
        self.std, self.floor = std, floor
        self.roll, self.gain_db, self.noise, self.noise_kimg = roll, gain_db, noise, noise_kimg
        self.tilt_db, self.mel_shift, self.band_mask, self.step_mask = tilt_db, mel_shift, band_mask, step_mask
        self.probability, self.blur, self.blur_kimg = probability, blur, blur_kimg

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
        if self.tilt_db or self.mel_shift or self.band_mask or self.step_mask:
            x = self._shape(x, b, generator, world)
        if self.blur and self.blur_kimg:
            x = soften(x, self.blur * max(0.0, 1 - kimg / self.blur_kimg))
        sigma = self.noise * max(0.0, 1 - kimg / self.noise_kimg) if self.noise_kimg else 0.0
        if sigma:
            x = x + sigma * world.mine(torch.randn((b, *x.shape[1:]), generator=generator)).to(x)
        return x, (shifts / x.shape[-1]).to(x)

    def _shape(self, x: Tensor, b: int, generator: torch.Generator, world: World) -> Tensor:
        """Changes of the spectrum's shape and masks, each on a random `probability` of the samples."""
        _, m, t = x.shape
        draws = world.mine(torch.rand(b, 10, generator=generator)).to(x)
        on = (draws[:, :4] < self.probability).to(x)
        height = (x - self.floor[:, None]) * self.std[:, None]  # decades above silence
        if self.tilt_db:
            slope = (2 * draws[:, 4] - 1) * on[:, 0] * (self.tilt_db / 20)
            height = (height + slope[:, None, None] * torch.linspace(-1, 1, m, device=x.device)[:, None]).clamp(min=0)
        if self.mel_shift:
            height = shift_bands(height, (2 * draws[:, 5] - 1) * on[:, 1] * self.mel_shift)
        if self.band_mask:
            width, start = draws[:, 6] * self.band_mask * on[:, 2], draws[:, 7]
            band = (torch.arange(m, device=x.device) + 0.5) / m
            low = (start * (1 - width))[:, None]
            height = height * ~((band >= low) & (band < low + width[:, None]))[:, :, None]
        if self.step_mask:
            width, start = draws[:, 8] * self.step_mask * on[:, 3], draws[:, 9]
            phase = ((torch.arange(t, device=x.device) + 0.5) / t - start[:, None]) % 1  # a stretch of the circle
            height = height * ~(phase < width[:, None])[:, None]
        return height / self.std[:, None] + self.floor[:, None]

"""Noise that belongs to the mel: the same frame always gets the same noise.

A vocoder needs randomness (cymbals, breath) but must be exactly circular and repeatable: rolling the frames must roll the
noise with them. So the noise of a frame is a hash of the frame's own values, in integer arithmetic, which does not depend
on the order or the place of the frames.

Shapes: B batch, M mel bands, T frames, C noise values a frame.
"""

from __future__ import annotations

import torch
from torch import Tensor

STEPS_PER_DECADE = 4096  # log-mels are rounded to this grid before hashing
GOLDEN = -7046029254386353131  # 2^64 / golden ratio, odd, as a signed number


def _shift(x: Tensor, bits: int) -> Tensor:
    """Logical right shift of 64-bit integers (torch's own keeps the sign)."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def splitmix64(x: Tensor) -> Tensor:
    """Sebastiano Vigna's finaliser: 64 well-mixed bits from any 64-bit integer. int64 -> int64, elementwise."""
    x = (x ^ _shift(x, 30)) * -4658895280553007687  # 0xBF58476D1CE4E5B9
    x = (x ^ _shift(x, 27)) * -7723592293110705685  # 0x94D049BB133111EB
    return x ^ _shift(x, 31)


def content_noise(log_mel: Tensor, channels: int) -> Tensor:
    """White noise of unit variance, uniform in +-sqrt(3), fixed by each frame's values. (B, M, T) -> (B, C, T)."""
    grid = (log_mel.double() * STEPS_PER_DECADE).round().long()
    band = splitmix64(torch.arange(1, log_mel.shape[1] + 1, device=log_mel.device))
    frame = (grid * band[:, None]).sum(dim=1)  # wraps modulo 2^64
    counter = torch.arange(channels, device=log_mel.device) * GOLDEN
    bits = splitmix64(splitmix64(frame)[:, None, :] + counter[:, None])
    unit = _shift(bits, 40).to(torch.float32) * 2.0**-24  # 24 bits: exact in float32
    return (unit - 0.5) * 12**0.5

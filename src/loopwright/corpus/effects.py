"""Effects that are not linear, or move, on a loop that never ends: compressor, saturation, crusher, sweep, noise, pump.

All take and give one period (N,) and treat it as a circle. Levels are followed in blocks of 1 ms, so a loop rolled by whole
milliseconds gives the effect rolled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loopwright.arrays import Complex64, Float32, Float64

BLOCK = 48  # samples in 1 ms
_RAMP = (np.arange(BLOCK, dtype=np.float32) + np.float32(0.5)) / np.float32(BLOCK)


def smooth(values: NDArray[np.floating], blocks: float) -> Float64:
    """A one-pole average with a time constant of `blocks`, in its steady state round the circle. (B,) -> (B,)."""
    n = len(values)
    pole = np.exp(-1 / max(blocks, 1e-3))
    z1 = np.exp(-2j * np.pi * np.arange(n // 2 + 1) / n)
    return np.fft.irfft(np.fft.rfft(values) * (1 - pole) / (1 - pole * z1), n)


def per_sample(blocks: NDArray[np.floating]) -> Float32:
    """A straight line from block to block, round the circle. (B,) -> (B * BLOCK,)."""
    here = blocks.astype(np.float32)[:, None]
    after = np.roll(blocks, -1).astype(np.float32)[:, None]
    out: Float32 = (here + (after - here) * _RAMP).ravel()
    return out


@dataclass(frozen=True)
class Compressor:
    """Feed-forward, hard knee. `over_db` is the threshold against the loop's own RMS; `mix` is how much of it is heard."""

    over_db: float
    ratio: float
    attack_ms: float
    release_ms: float
    mix: float = 1.0

    def __call__(self, x: Float32) -> Float32:
        power = smooth((x.reshape(-1, BLOCK) ** 2).mean(axis=1), self.release_ms)
        level_db = 10 * np.log10(np.maximum(power, 1e-12) / max(float(power.mean()), 1e-12))
        gain_db = -(1 - 1 / self.ratio) * np.maximum(level_db - self.over_db, 0)
        gain = smooth(10 ** (gain_db / 20), self.attack_ms)
        return x * per_sample(1 - self.mix + self.mix * gain)


def saturate(x: Float32, drive: float, oversample: int = 1) -> Float32:
    """tanh, its output at the level of the input for a full-scale peak; with `oversample`, free of audible aliases."""
    n = len(x)
    if oversample == 1:
        return (np.tanh(np.float32(drive) * x) / np.float32(np.tanh(drive))).astype(np.float32)
    fine = np.fft.irfft(np.fft.rfft(x), oversample * n).astype(np.float32) * np.float32(oversample * drive)
    bent = np.fft.rfft(np.tanh(fine))[: n // 2 + 1] / (oversample * np.tanh(drive))
    return np.fft.irfft(bent, n).astype(np.float32)


@dataclass(frozen=True)
class Crusher:
    """A sampler of few bits and a low rate: each value held for `hold` samples (a divisor of the loop), then rounded."""

    bits: float
    hold: int

    def __call__(self, x: Float32) -> Float32:
        step = np.float32(2 ** (1 - self.bits) * max(float(np.abs(x).max()), 1e-9))
        return np.rint(np.repeat(x[:: self.hold], self.hold) / step) * step


@dataclass(frozen=True)
class Sweep:
    """A filter that comes and goes `turns` times round the loop, from fully on at `phase` (in turns)."""

    response: Complex64  # (N // 2 + 1,)
    turns: int
    phase: float
    depth: float

    def __call__(self, x: Float32) -> Float32:
        n = len(x)
        blocks = np.arange(n // BLOCK) * (BLOCK / n)
        share = per_sample(self.depth * (0.5 + 0.5 * np.cos(2 * np.pi * (self.turns * blocks - self.phase))))
        filtered = np.fft.irfft(np.fft.rfft(x) * self.response, n).astype(np.float32)
        return x + share * (filtered - x)


@dataclass(frozen=True)
class Noise:
    """What an old record or tape adds: hiss, darker upwards, and crackles. Levels against the loop's peak."""

    hiss_db: float
    crackles: int
    crackle_db: float
    seed: int

    def __call__(self, x: Float32) -> Float32:
        n, rng = len(x), np.random.default_rng([self.seed, 13])
        peak = max(float(np.abs(x).max()), 1e-9)
        hiss = rng.standard_normal(n, dtype=np.float32)
        hiss += np.roll(hiss, 1)  # a gentle high cut
        out = x + np.float32(peak * 10 ** (self.hiss_db / 20) / np.sqrt(2)) * hiss
        places = rng.integers(0, n, self.crackles)
        sizes = peak * 10 ** ((self.crackle_db + rng.normal(0, 5, self.crackles)) / 20) * rng.choice([-1, 1], self.crackles)
        for offset, share in enumerate((0.5, 1.0, -0.7, -0.4, 0.2)):
            np.add.at(out, (places + offset) % n, (share * sizes).astype(np.float32))
        return out.astype(np.float32)


def pump(n: int, beats: int, depth: float, recover: float) -> Float32:
    """A gain (N,) that ducks on each of `beats` beats and comes back within `recover` of a beat, as a side-chain does."""
    blocks = n // BLOCK
    within = (np.arange(blocks) * beats / blocks) % 1.0
    dip = 1 - depth * np.exp(-((within / recover) ** 2))
    return per_sample(smooth(dip, 3.0))

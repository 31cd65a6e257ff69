"""From a seed to numbers: latents, noise maps, a vocoder's noise, and the seeds of further bars. The same in every engine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from loopwright.arrays import Float32
from loopwright.errors import InputError

Blend = Sequence[tuple[int, float]]  # seeds and weights whose squares sum to 1: independent noises, mixed at one strength

MAX_SEED = 2**32 - 1
_BAR_STEP = 0x9E3779B1  # 2**32 over the golden ratio, made odd (Knuth): bars of neighbouring seeds do not meet


def check_seeds(seeds: Iterable[int]) -> list[int]:
    """Seeds as a list. Raises InputError for one out of range."""
    out = [int(seed) for seed in seeds]
    bad = [seed for seed in out if not 0 <= seed <= MAX_SEED]
    if bad:
        raise InputError(f"seed {bad[0]} is out of range: seeds go from 0 to {MAX_SEED}.")
    return out


def seed_of_bar(seed: int, bar: int) -> int:
    """The seed whose style a further bar walks towards; bar 0 is the seed itself."""
    return (seed + _BAR_STEP * bar) % (MAX_SEED + 1)


def draw(seed: int, purpose: str, shape: tuple[int, ...]) -> Float32:
    """Normal numbers that depend on (seed, purpose) alone: numpy's Philox, the same in every engine and on every machine."""
    return _source(seed, purpose).standard_normal(shape, dtype=np.float32)


def noise_map(noise: int | Blend, index: int, shape: tuple[int, int]) -> Float32:
    """The `index`-th noise map (1, m, t) of a generator: of a seed, or a blend of seeds at the strength of one."""
    parts = ((noise, 1.0),) if isinstance(noise, int) else noise
    return _sum([(draw(seed, f"noise {index}", (1, *shape)), weight) for seed, weight in parts])


def white_noise(noise: int | Blend, hop: int, frames: int) -> Float32:
    """What a vocoder makes hiss of, fixed by the seed: (hop, frames), uniform in +-sqrt(3), of unit variance.

    A vocoder's own noise is a hash of the log-mel (`vocoder.noise`): the last digit of one number changes a whole frame of it,
    and those digits differ from engine to engine and with the size of a batch. A blend of seeds is as strong, though its
    numbers are no longer uniform: between two loops their hiss goes over as everything else does, without a switch.
    """
    parts = ((noise, 1.0),) if isinstance(noise, int) else noise
    return np.ascontiguousarray(_sum([(_uniform(seed, (frames, hop)), weight) for seed, weight in parts]).T)


def pick(seed: int, purpose: str, count: int) -> int:
    """One of 0 .. count - 1 that depends on (seed, purpose) alone."""
    return int(_source(seed, purpose).integers(count))


def strongest(noise: int | Blend) -> int:
    """The seed itself, or that of a blend with the largest weight, the first of equals."""
    return noise if isinstance(noise, int) else max(noise, key=lambda pair: abs(pair[1]))[0]


def _uniform(seed: int, shape: tuple[int, int]) -> Float32:
    unit = _source(seed, "vocoder").random(shape, dtype=np.float32)
    return (unit - np.float32(0.5)) * np.float32(12**0.5)


def _sum(parts: Sequence[tuple[Float32, float]]) -> Float32:
    if len(parts) == 1 and parts[0][1] == 1.0:
        return parts[0][0]
    out = np.zeros_like(parts[0][0])
    for values, weight in parts:
        out += np.float32(weight) * values
    return out


def _source(seed: int, purpose: str) -> np.random.Generator:
    key = int.from_bytes(hashlib.sha256(f"{seed} {purpose}".encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))

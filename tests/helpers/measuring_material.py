"""Small folders of loops, and an evaluation that is quick: a judge of random weights, so no files from outside are needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from loopwright.measuring.settings import Settings

JUDGE = "random:yamnet"
QUICK = Settings(judges=(JUDGE,), k=2, repeats=4, bins=4, pictures=False)


def loop(seed: int, rate_hz: int = 16_000, seconds: float = 2.0) -> np.ndarray:
    """Some noise bursts of different colour on the sixteenths, wrapped round."""
    rng = np.random.default_rng(seed)
    n = round(rate_hz * seconds)
    out = np.zeros(n)
    for step in rng.choice(16, 6, replace=False):
        burst = np.convolve(rng.normal(size=n // 20), np.ones(rng.integers(1, 12)), "same")
        burst *= np.exp(-np.arange(len(burst)) / (n / 60))
        np.add.at(out, (step * n // 16 + np.arange(len(burst))) % n, burst)
    return (0.5 * out / np.abs(out).max()).astype(np.float32)


def folder(path: Path, seeds: range, rate_hz: int = 16_000) -> Path:
    path.mkdir(parents=True)
    for seed in seeds:
        soundfile.write(path / f"loop{seed:03d}.wav", loop(seed, rate_hz), rate_hz, subtype="FLOAT")
    return path

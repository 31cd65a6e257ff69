"""Small recordings with known answers, made from closed forms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


def burst(rng: np.random.Generator, rate_hz: int, *, seconds: float = 0.12, low: bool = False) -> Float32:
    """A hit: decaying noise, or a decaying 60 Hz tone."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    body = np.sin(2 * np.pi * 60 * t) if low else rng.standard_normal(len(t))
    return (body * np.exp(-t / (seconds / 5))).astype(np.float32)


def drum_loop(
    bpm: float, bars: int, rate_hz: int, *, seed: int = 0, beats_per_bar: int = 4, step: int = 2, tail_s: float = 0.0
) -> Float32:
    """Kick on 1 and 3, snare on 2 and 4, hats every `step` sixteenths with accents; hits wrap round the loop. (N,)."""
    rng = np.random.default_rng(seed)
    n = round(60 * rate_hz * bars * beats_per_bar / bpm)
    out = np.zeros(n, dtype=np.float32)
    hat, snare, kick = burst(rng, rate_hz, seconds=0.05), burst(rng, rate_hz), burst(rng, rate_hz, seconds=0.2, low=True)
    for sixteenth in range(bars * beats_per_bar * 4):
        at = round(sixteenth * 15 / bpm * rate_hz)
        beat, part = divmod(sixteenth, 4)
        hits = []
        if sixteenth % step == 0:
            hits.append(0.25 * rng.uniform(0.6, 1.0) * hat)
        if part == 0:
            hits.append(0.8 * kick if beat % 2 == 0 else 0.6 * snare)
        for hit in hits:
            np.add.at(out, (at + np.arange(len(hit))) % n, hit)
    return np.concatenate([out, np.zeros(round(tail_s * rate_hz), dtype=np.float32)]) * 0.7

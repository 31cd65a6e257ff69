"""Small recordings with known answers, made from closed forms."""

from __future__ import annotations

import numpy as np

from loopwright.arrays import Float32


def burst(rng: np.random.Generator, rate_hz: int, *, seconds: float = 0.12, tone_hz: float = 0.0) -> Float32:
    """A hit: decaying noise, or a decaying tone."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    body = np.sin(2 * np.pi * tone_hz * t) if tone_hz else rng.standard_normal(len(t))
    return (body * np.exp(-t / (seconds / 5))).astype(np.float32)


def drum_loop(
    bpm: float, bars: int, rate_hz: int, *, seed: int = 0, beats_per_bar: int = 4, step: int = 2, tail_s: float = 0.0
) -> Float32:
    """Kick on 1 and 3, snare on 2 and 4, hats every `step` sixteenths with accents; hits wrap round the loop. (N,).

    Seeds above 0 also have a kit of their own and two toms where they like.
    """
    rng = np.random.default_rng(seed)
    n = round(60 * rate_hz * bars * beats_per_bar / bpm)
    out = np.zeros(n, dtype=np.float32)
    hat, snare, kick = burst(rng, rate_hz, seconds=0.05), burst(rng, rate_hz), burst(rng, rate_hz, seconds=0.2, tone_hz=60)
    toms: dict[int, Float32] = {}
    if seed:
        hat, snare = burst(rng, rate_hz, seconds=rng.uniform(0.03, 0.1)), burst(rng, rate_hz, seconds=rng.uniform(0.05, 0.3))
        kick = burst(rng, rate_hz, seconds=rng.uniform(0.1, 0.4), tone_hz=rng.uniform(50, 120))
        places = rng.choice(4 * beats_per_bar, 2, replace=False)
        toms = {int(p): burst(rng, rate_hz, seconds=0.4, tone_hz=rng.uniform(150, 2500)) for p in places}
    for sixteenth in range(bars * beats_per_bar * 4):
        at = round(sixteenth * 15 / bpm * rate_hz)
        beat, part = divmod(sixteenth, 4)
        hits = []
        if sixteenth % step == 0:
            hits.append(0.25 * rng.uniform(0.6, 1.0) * hat)
        if part == 0:
            hits.append(0.8 * kick if beat % 2 == 0 else 0.6 * snare)
        if sixteenth % (4 * beats_per_bar) in toms:
            hits.append(0.6 * toms[sixteenth % (4 * beats_per_bar)])
        for hit in hits:
            np.add.at(out, (at + np.arange(len(hit))) % n, hit)
    return np.concatenate([out, np.zeros(round(tail_s * rate_hz), dtype=np.float32)]) * np.float32(0.7)

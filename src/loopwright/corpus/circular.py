"""Effects on a loop that never ends: every filter, delay and room here is linear and exactly periodic.

A loop of N samples is one period of an endless signal. A causal filter in its steady state multiplies the DFT of the
period by the filter's frequency response at the bins, so there is no start-up and no seam, and rolling the input
rolls the output. Filters are biquads of the Audio EQ Cookbook (R. Bristow-Johnson).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loopwright.arrays import Complex64, Float32

FilterKind = Literal["lowpass", "highpass", "bandpass", "lowshelf", "highshelf", "peak"]


@lru_cache(maxsize=8)
def _unit_circle(n: int) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """z^-1 and z^-2 at the rfft bins of an n-sample loop."""
    z1 = np.exp(-2j * np.pi * np.arange(n // 2 + 1) / n)
    return z1, z1 * z1


def biquad(kind: FilterKind, freq_hz: float, rate_hz: int, n: int, *, q: float = 0.7071, gain_db: float = 0.0) -> Complex64:
    """Frequency response of a biquad at the rfft bins of an n-sample loop, shape (n // 2 + 1,).

    `q` is the resonance (for shelves the slope at q = 0.7071 is 12 dB an octave at most); `gain_db` is for shelves and peak.
    """
    w = 2 * np.pi * min(max(freq_hz, 1.0), 0.49 * rate_hz) / rate_hz
    cos, alpha, a = np.cos(w), np.sin(w) / (2 * q), 10 ** (gain_db / 40)
    if kind == "lowpass":
        b, d = ((1 - cos) / 2, 1 - cos, (1 - cos) / 2), (1 + alpha, -2 * cos, 1 - alpha)
    elif kind == "highpass":
        b, d = ((1 + cos) / 2, -1 - cos, (1 + cos) / 2), (1 + alpha, -2 * cos, 1 - alpha)
    elif kind == "bandpass":
        b, d = (alpha, 0.0, -alpha), (1 + alpha, -2 * cos, 1 - alpha)
    elif kind == "peak":
        b, d = (1 + alpha * a, -2 * cos, 1 - alpha * a), (1 + alpha / a, -2 * cos, 1 - alpha / a)
    else:
        s = 2 * np.sqrt(a) * alpha
        sign = 1.0 if kind == "lowshelf" else -1.0  # the high shelf is the low shelf mirrored at half Nyquist
        b = (
            a * ((a + 1) - sign * (a - 1) * cos + s),
            sign * 2 * a * ((a - 1) - sign * (a + 1) * cos),
            a * ((a + 1) - sign * (a - 1) * cos - s),
        )
        d = (
            (a + 1) + sign * (a - 1) * cos + s,
            sign * -2 * ((a - 1) + sign * (a + 1) * cos),
            (a + 1) + sign * (a - 1) * cos - s,
        )
    z1, z2 = _unit_circle(n)
    return ((b[0] + b[1] * z1 + b[2] * z2) / (d[0] + d[1] * z1 + d[2] * z2)).astype(np.complex64)


def echo(delay_samples: float, feedback: float, n: int) -> Complex64:
    """Response of the wet part of a feedback delay going round the loop for ever: d / (1 - feedback * d). (n // 2 + 1,)."""
    d = np.exp(-2j * np.pi * np.arange(n // 2 + 1) * delay_samples / n)
    return (d / (1 - feedback * d)).astype(np.complex64)


def room(rng: np.random.Generator, decay_s: float, rate_hz: int, n: int, *, damp_hz: float = 6000.0) -> Complex64:
    """Response of a made-up room, shape (n // 2 + 1,): noise that falls by 60 dB in `decay_s`, high notes sooner.

    The energy of the impulse response is 1. Tails longer than the loop wrap round, as they would if it had always played.
    """
    length = min(int(1.2 * decay_s * rate_hz) + 64, 4 * n)
    time_s = np.arange(length) / rate_hz
    noise = rng.standard_normal((2, length))
    start = 1 - np.exp(-time_s / 0.004)  # reflections grow dense over the first milliseconds
    dark = noise[0] * np.exp(-6.9 * time_s / decay_s) * start
    bright = noise[1] * np.exp(-6.9 * time_s / (0.35 * decay_s)) * start
    rounds = -(-length // n)
    folded = np.zeros((2, rounds * n))
    folded[0, :length], folded[1, :length] = dark, bright
    spectra = np.fft.rfft(folded.reshape(2, rounds, n).sum(axis=1))
    low = biquad("lowpass", damp_hz, rate_hz, n, q=0.5)
    response = spectra[0] * low + spectra[1] * (1 - low)
    energy = np.mean(np.abs(np.fft.irfft(response, n)) ** 2) * n
    return (response / np.sqrt(energy)).astype(np.complex64)


def convolve(x: Float32, response: NDArray[np.complexfloating]) -> Float32:
    """Circular convolution of loops x (..., N) with a response (N // 2 + 1,)."""
    return np.fft.irfft(np.fft.rfft(x) * response, x.shape[-1]).astype(np.float32)


def add_wrapped(out: Float32, x: Float32, start: int, gain: float = 1.0) -> None:
    """Add x to the loop `out` (N,) from sample `start` on, in place; what passes the end goes on at the beginning."""
    n, done, at = len(out), 0, start % len(out)
    while done < len(x):
        step = min(n - at, len(x) - done)
        out[at : at + step] += np.float32(gain) * x[done : done + step]
        done, at = done + step, 0

"""Loudness of a loop that goes round for ever, and the limiter. Shapes: N samples of one turn."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from loopwright.arrays import Float32
from loopwright.audio.resample import fast_length

SETTLED_S = 0.3  # after which nothing is left of the weighting's answer to a sample: below 1e-20


def loudness_lufs(loop: Float32, rate_hz: int) -> float:
    """Loudness of a loop that goes on for ever, in LUFS: ITU-R BS.1770-4 without gating, mono.

    The K-weighting's two biquads are applied as their frequency response to the loop with its own end before it: what comes
    out for one turn is what a loop gives that has always been playing. The length of a loop may well be prime; so padded, its
    transform is as quick as any.
    """
    n = len(loop)
    before = round(SETTLED_S * rate_hz)
    size = fast_length(n + before)
    turn = np.take(loop.astype(np.float64), np.arange(-before, n), mode="wrap")
    weighted = np.fft.irfft(np.fft.rfft(turn, size) * _k_weighting(size, rate_hz), size)[before : before + n]
    return -0.691 + 10 * float(np.log10(max(float(np.mean(np.square(weighted))), 1e-12)))


@functools.lru_cache(maxsize=4)
def _k_weighting(size: int, rate_hz: int) -> npt.NDArray[np.complex128]:
    """Frequency response of both biquads, (size // 2 + 1,)."""
    z = np.exp(-2j * np.pi * np.fft.rfftfreq(size))

    def biquad(f0: float, q: float, gain_db: float | None) -> npt.NDArray[np.complex128]:
        k = np.tan(np.pi * f0 / rate_hz)
        a0 = 1 + k / q + k * k
        a1, a2 = 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0
        if gain_db is None:  # high pass
            b0, b1, b2 = 1.0, -2.0, 1.0
        else:  # high shelf
            vh = 10 ** (gain_db / 20)
            vb = vh**0.4996667741545416
            b0, b1, b2 = ((vh + vb * k / q + k * k) / a0, 2 * (k * k - vh) / a0, (vh - vb * k / q + k * k) / a0)
        return np.asarray((b0 + b1 * z + b2 * z * z) / (1 + a1 * z + a2 * z * z))

    return biquad(1681.974450955533, 0.7071752369554196, 3.999843853973347) * biquad(
        38.13547087602444, 0.5003270373238773, None
    )


def limit_peaks(loop: Float32, rate_hz: int, ceiling: float, *, look_s: float = 0.0015) -> Float32:
    """Turn the loop down round its peaks so that none is above `ceiling`, going round the circle: no seam. (N,) -> (N,).

    The gain is the least that any sample within `look_s` needs, smoothed over as long: it is down when the peak comes.
    """
    gain = np.minimum(1.0, ceiling / np.maximum(np.abs(loop), 1e-9))
    reach = round(look_s * rate_hz)
    size, covered = 2 * reach + 1, 1
    while covered < size:  # the least of `covered` samples from each on
        step = min(covered, size - covered)
        gain = np.minimum(gain, np.roll(gain, -step))
        covered += step
    sums = np.cumsum(np.concatenate([[0.0], gain, gain[:size]]))  # a mean of what begins up to 2 * reach before
    smooth = np.roll((sums[size : size + len(loop)] - sums[: len(loop)]) / size, 2 * reach)
    return (loop * np.minimum(smooth, 1.0)).astype(np.float32)


def level_to(loop: Float32, rate_hz: int, *, lufs: float = -18.0, peak_db: float = -0.5, most_db: float = 15.0) -> Float32:
    """Gain to a loudness; peaks above `peak_db` are limited, by `most_db` at most: what is spikier stays quieter."""
    peak, ceiling = float(np.abs(loop).max(initial=0.0)), 10 ** (peak_db / 20)
    if peak < 1e-6:
        return loop
    most = 10 ** (most_db / 20) * ceiling / peak
    gain, levelled = 1.0, loop
    for _ in range(3):  # limiting costs loudness, which the next round gives back
        gain = min(most, gain * 10 ** ((lufs - loudness_lufs(levelled, rate_hz)) / 20))
        levelled = (loop * np.float32(gain)).astype(np.float32)
        if gain * peak <= ceiling:
            break
        levelled = limit_peaks(levelled, rate_hz, ceiling)
    return levelled

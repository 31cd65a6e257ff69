"""Loudness of a loop that goes round for ever, and the limiter. Shapes: N samples of one turn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


def loudness_lufs(loop: Float32, rate_hz: int) -> float:
    """Loudness of a loop that goes on for ever, in LUFS: ITU-R BS.1770-4 without gating, mono.

    The K-weighting's two biquads are applied as their frequency response to the loop's Fourier series: exact on a circle.
    """
    spectrum = np.fft.rfft(loop.astype(np.float64))
    omega = 2 * np.pi * np.fft.rfftfreq(len(loop))
    z = np.exp(-1j * omega)

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
        return (b0 + b1 * z + b2 * z * z) / (1 + a1 * z + a2 * z * z)

    shelf = biquad(1681.974450955533, 0.7071752369554196, 3.999843853973347)
    high_pass = biquad(38.13547087602444, 0.5003270373238773, None)
    power = np.abs(spectrum * shelf * high_pass) ** 2
    power[1:-1] *= 2  # a real signal's negative frequencies
    if len(loop) % 2:
        power[-1] *= 2
    mean_square = float(power.sum()) / len(loop) ** 2
    return -0.691 + 10 * float(np.log10(max(mean_square, 1e-12)))


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

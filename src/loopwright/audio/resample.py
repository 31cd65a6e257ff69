"""Change of rate: soxr for recordings, an exact Fourier method for circles."""

from __future__ import annotations

import numpy as np
import soxr

from loopwright.arrays import Float32


def around(turn: Float32, start: int, stop: int) -> Float32:
    """Samples `start` to `stop` of a loop (..., N) that goes round for ever. -> (..., stop - start)."""
    n = turn.shape[-1]
    first = turn[..., start % n :][..., : stop - start]
    turns, rest = divmod(stop - start - first.shape[-1], n)
    return np.concatenate([first, *[turn] * turns, turn[..., :rest]], axis=-1)


def resample(samples: Float32, from_hz: int, to_hz: int) -> Float32:
    """Resample along axis 0 with soxr (HQ). Shape (N,) or (N, C) -> (round(N*to/from), ...)."""
    if from_hz == to_hz:
        return samples
    out: Float32 = np.asarray(soxr.resample(samples, from_hz, to_hz, quality="HQ"), dtype=np.float32)
    return out


def resample_circle(loop: Float32, n_out: int) -> Float32:
    """Resample one turn of a periodic signal to `n_out` samples along the last axis, exactly periodic.

    The discrete Fourier series of the loop is cut or zero-padded: the ideal band-limited change of rate for a circle,
    with no edges to go wrong and any length exact. Shape (..., N) -> (..., n_out).
    """
    n = loop.shape[-1]
    if n == n_out:
        return loop
    spectrum = np.fft.rfft(loop.astype(np.float64), axis=-1)
    keep = min(n, n_out) // 2 + 1
    out = np.zeros((*loop.shape[:-1], n_out // 2 + 1), dtype=np.complex128)
    out[..., :keep] = spectrum[..., :keep]
    if min(n, n_out) % 2 == 0:  # the Nyquist line of the shorter side is shared by +f and -f
        out[..., keep - 1] *= 0.5 if n_out > n else 2.0
        if n_out < n:
            out[..., keep - 1] = out[..., keep - 1].real
    resampled: Float32 = (np.fft.irfft(out, n_out, axis=-1) * (n_out / n)).astype(np.float32)
    return resampled


def resample_turn(row: Float32, n_out: int) -> Float32:
    """Resample one turn of a loop to `n_out` samples with soxr, through its own wrap-around. (N,) -> (n_out,).

    Recordings' lengths are any numbers, often nearly prime, for which `resample_circle` is ten times slower. The result is as
    periodic (the ratio of rates is that of the lengths), and off by less than half a sample.
    """
    n = len(row)
    if n == n_out:
        return row
    reach = 1024  # samples at the lower rate; soxr's longest filter is far shorter
    pad = int(np.ceil(reach * max(1.0, n / n_out)))
    out = resample(around(row, -pad, n + pad), n, n_out)
    start = round(pad * n_out / n)
    return out[start : start + n_out]


def fast_length(n: int) -> int:
    """The least number not below `n` without prime factors above 5: transforms of other lengths take ten times as long."""
    best = 1 << (n - 1).bit_length()
    power5 = 1
    while power5 < best:
        power = power5
        while power < best:
            rest = -(-n // power)
            best = min(best, power << max(0, (rest - 1).bit_length()))
            power *= 3
        power5 *= 5
    return best

"""The circular STFT, its inverse and the inverse of the mel matrix, for one loop, frames first.

As `audio.stft` and `audio.mel`, in numpy. Shapes: N samples of one turn, T = N/hop frames, F = n_fft/2 + 1 bins, M bands.
"""

from __future__ import annotations

import functools

import numpy as np

from loopwright.arrays import Complex64, Float32
from loopwright.audio.melscale import filterbank
from loopwright.config import MelConfig


@functools.lru_cache(maxsize=8)
def hann(n_fft: int) -> Float32:
    """Periodic Hann window (n_fft,)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)


@functools.lru_cache(maxsize=8)
def _scaled_window(n_fft: int) -> Float32:
    return hann(n_fft) * np.float32(n_fft)


def stft(loop: Float32, n_fft: int, hop: int) -> Complex64:
    """STFT of one turn of a loop, frame t centred on sample t*hop. (N,) -> (T, F)."""
    n = len(loop)
    padded = np.take(loop, np.arange(-(n_fft // 2), n + n_fft - n_fft // 2), mode="wrap")
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop][: n // hop]
    # norm "forward" divides by n_fft; so asked, numpy computes in float32, and otherwise in float64, four times as long
    spectrum = np.fft.rfft(frames * _scaled_window(n_fft), norm="forward")
    return spectrum.astype(np.complex64, copy=False)


@functools.lru_cache(maxsize=8)
def _synthesis_window(n_fft: int, hop: int) -> Float32:
    """The window over the sum of all squared windows at the same place: what makes the inverse exact."""
    squared = hann(n_fft).astype(np.float64) ** 2
    pieces = -(-n_fft // hop)
    envelope = np.pad(squared, (0, pieces * hop - n_fft)).reshape(pieces, hop).sum(axis=0)
    return (hann(n_fft) / np.maximum(np.tile(envelope, pieces)[:n_fft], 1e-8)).astype(np.float32)


def istft(spectrum: Complex64, n_fft: int, hop: int) -> Float32:
    """Least-squares inverse of `stft`: frames are added up round the circle. (T, F) -> (T*hop,)."""
    t = len(spectrum)
    frames = np.fft.irfft(spectrum, n_fft).astype(np.float32, copy=False)
    frames *= _synthesis_window(n_fft, hop)
    pieces = -(-n_fft // hop)
    cells = np.zeros((t + pieces, hop), dtype=np.float32)
    for j in range(pieces):
        part = frames[:, j * hop : (j + 1) * hop]
        cells[j : j + t, : part.shape[1]] += part
    for j in range(pieces):  # what hangs over the end belongs to the beginning
        cells[j % t] += cells[t + j]
    return np.roll(cells[:t].reshape(-1), -(n_fft // 2))


class MelInverse:
    """Non-negative magnitudes whose mel is the given one: pseudo-inverse, then multiplicative (NNLS) updates.

    The updates are those of Lee and Seung (2001) for the Euclidean distance: they keep magnitudes non-negative and never
    raise the error. Shape: log-mel (T, M) -> magnitude (T, F).
    """

    def __init__(self, mel: MelConfig, iterations: int = 32) -> None:
        self.iterations = iterations
        # In double precision: the last digit of a product depends on the row it stands in, and Griffin-Lim magnifies it.
        self.bank = filterbank(mel).astype(np.float64)
        self.inverse = np.linalg.pinv(self.bank, rcond=max(self.bank.shape) * np.finfo(np.float64).eps)

    def __call__(self, log_mel: Float32) -> Float32:
        target = 10.0 ** log_mel.astype(np.float64)
        magnitude = np.maximum(target @ self.inverse.T, 1e-7)
        numerator = target @ self.bank
        for _ in range(self.iterations):
            magnitude *= numerator / np.maximum(magnitude @ self.bank.T @ self.bank, 1e-12)
        return magnitude.astype(np.float32)

"""Griffin-Lim on a circle: the vocoder that needs no training, and the control the trained ones are measured against.

Magnitudes by the non-negative inverse of the mel matrix, a first phase by phase-gradient integration (`pghi`), then fast
Griffin-Lim (Perraudin, Balazs, Sondergaard 2013) between a circular STFT and its least-squares inverse.

Shapes: M mel bands, F bins, T frames, N = T * hop samples. Spectra are (T, F).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from loopwright.arrays import Float32
from loopwright.audio.pghi import phase_from_magnitude
from loopwright.audio.spectra import MelInverse, istft, stft
from loopwright.config import MelConfig


class GriffinLim:
    """The untrained vocoder. For reflect-padded settings (`paper16`) it reads the frames as a circle all the same.

    Args:
        mel: settings of the log-mels it takes.
        iterations: rounds of Griffin-Lim after the first phase.
        start: "pghi", or "random" and "zero" for comparison.
        momentum: 0.99 is fast Griffin-Lim, 0 plain.
    """

    name = "griffinlim"

    def __init__(
        self,
        mel: MelConfig,
        *,
        iterations: int = 32,
        start: Literal["pghi", "random", "zero"] = "pghi",
        momentum: float = 0.99,
    ) -> None:
        self.mel = mel
        self.iterations, self.start, self.momentum = iterations, start, np.float32(momentum)
        self.inverse = MelInverse(mel)

    def first_phase(self, magnitude: Float32) -> Float32:
        """Phase to start from, in radians. (T, F) -> (T, F)."""
        if self.start == "pghi":
            return phase_from_magnitude(magnitude.T[None], self.mel.n_fft, self.mel.hop)[0].T
        if self.start == "random":
            return np.random.default_rng(0).uniform(0, 2 * np.pi, magnitude.shape).astype(np.float32)
        return np.zeros_like(magnitude)

    def make_loop(self, log_mel: Float32, noise: Float32 | None) -> Float32:  # noqa: ARG002
        """One loop; it makes no use of noise. (M, T) -> (T*hop,).

        Each iteration makes the spectrum consistent (inverse and forward STFT), steps on in the direction of the change
        (`momentum` 0.99 as published; 0 is Griffin and Lim 1984), and restores the magnitude.
        """
        n_fft, hop = self.mel.n_fft, self.mel.hop
        magnitude = self.inverse(np.ascontiguousarray(log_mel.T))
        phase = self.first_phase(magnitude)
        spectrum = (magnitude * (np.cos(phase) + 1j * np.sin(phase))).astype(np.complex64, copy=False)
        previous = np.zeros_like(spectrum)
        for _ in range(self.iterations):
            consistent = stft(istft(spectrum, n_fft, hop), n_fft, hop)
            moved = consistent + self.momentum * (consistent - previous)
            previous = consistent
            scale = magnitude / np.maximum(np.abs(moved), np.float32(1e-12))
            spectrum = (moved * scale).astype(np.complex64, copy=False)
        loop = istft(spectrum, n_fft, hop)
        # Reflect padding of (n_fft - hop)/2 centres frame t half a hop later than the circular analysis does.
        return loop if self.mel.circular else np.roll(loop, hop // 2)

"""Shaped noise: sound of log-mels that hold nothing but noise, such as a coarse residual. Numpy alone, no network.

White noise in a circular STFT, each bin at the level that its bands ask for. There is no network and nothing is corrected: in
the mean over time a band reads what was asked for, and around it as noise does.

Shapes: M mel bands, F bins, T frames, N = T * hop samples.
"""

from __future__ import annotations

import math

import numpy as np

from loopwright.arrays import Float32
from loopwright.audio.melscale import filterbank
from loopwright.audio.spectra import hann, istft, stft
from loopwright.config import MelConfig

MEAN_MAGNITUDE = math.sqrt(math.pi) / 2  # of complex noise of unit power: Rayleigh's


class HissVocoder:
    """A `vocoder.render.LoopVocoder` for noise.

    Args:
        mel: settings of the log-mels it takes.
    """

    def __init__(self, mel: MelConfig) -> None:
        self.name, self.mel = "hiss", mel
        bank = filterbank(mel)
        share = bank / np.maximum(bank.sum(axis=0), np.float32(1e-9))  # how a bin is divided among the bands
        power = float(np.sum(hann(mel.n_fft).astype(np.float64) ** 2))  # of a bin of unit white noise
        level = 1 / (bank.sum(axis=1) * MEAN_MAGNITUDE * math.sqrt(power))
        self.spread = (level[:, None] * share).astype(np.float32)  # (M, F)

    def make_loop(self, log_mel: Float32, noise: Float32 | None) -> Float32:
        """One loop. (M, T) and white noise (hop, T) -> (T*hop,)."""
        assert noise is not None, "the noise comes from the seed"
        mel = self.mel
        spectrum = stft(np.ascontiguousarray(noise.T).reshape(-1), mel.n_fft, mel.hop)
        spectrum *= np.power(np.float32(10), log_mel.T) @ self.spread
        return istft(spectrum, mel.n_fft, mel.hop)

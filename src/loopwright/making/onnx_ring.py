"""The ring vocoder in numpy, with the network in onnxruntime. `vocoder.ring` explains; this only computes.

Shapes: M mel bands, F bins, T frames, S short frames per frame, N = T * hop samples. One loop at a time: what does not fit
the caches costs more than a batch saves, and a loop cannot depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from loopwright.arrays import Float32
from loopwright.audio.melscale import filterbank
from loopwright.audio.pghi import phase_from_magnitude
from loopwright.audio.spectra import hann, istft, stft
from loopwright.config import MelConfig
from loopwright.making.onnx_session import Session
from loopwright.vocoder.ring_config import RingConfig, short_window

LN10 = np.float32(np.log(10))


class BandProduct:
    """`vocoder.ring.BandProduct`: product with a matrix that is zero but for a band along its diagonal. (T, I) -> (T, O)."""

    def __init__(self, matrix: Float32, edges: Sequence[int]) -> None:
        """`edges` are the columns at which a block ends, the last one O."""
        self.blocks = []
        for start, stop in pairwise([0, *edges]):
            used = np.flatnonzero(matrix[:, start:stop].any(axis=1))
            first, last = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
            self.blocks.append((first, last, np.ascontiguousarray(matrix[first:last, start:stop])))

    def __call__(self, x: Float32) -> Float32:
        return np.concatenate([x[:, first:last] @ block for first, last, block in self.blocks], axis=1)


class OnnxRing:
    """`vocoder.ring.RingVocoder`.

    Args:
        mel: settings of the log-mels it takes.
        config: its settings.
        session: the network: log_mel (1, M, T) and noise (1, C, T) to tone, air, click and hiss (1, T, ...).
    """

    def __init__(self, mel: MelConfig, config: RingConfig, session: Session) -> None:
        self.name, self.mel, self.session = "ring", mel, session
        self.noise_channels, self.refine, self.hold = config.noise_channels, config.refine, np.float32(config.hold)
        self.steps, self.short_fft, self.short_hop = short_window(mel)
        self.bins, self.short_bins = mel.n_fft // 2 + 1, self.short_fft // 2 + 1
        self.pool = mel.n_fft // self.short_fft
        self.tone_bins = min(self.bins, round(config.tone_hz * mel.n_fft / mel.rate_hz))
        self.top_bins = max(self.tone_bins, min(self.bins, round(config.top_hz * mel.n_fft / mel.rate_hz)))
        bank = filterbank(mel)
        share = bank / np.maximum(bank.sum(axis=0), np.float32(1e-9))
        quarters = [mel.n_mels * i // 4 for i in (1, 2, 3, 4)]
        peaks = [int(bank[m - 1].argmax()) for m in quarters[:3]]
        self.heard, self.spread = BandProduct(bank.T, quarters), BandProduct(share, [*peaks, self.bins])
        self.level = 1 / bank.sum(axis=1)
        below = bank[:, : 1 + round(config.tone_hz * mel.n_fft / mel.rate_hz)].any(axis=1)
        bands = int(np.flatnonzero(below)[-1]) + 1
        bins = int(np.flatnonzero(bank[:bands].any(axis=0))[-1]) + 1
        self.low_bank, self.low_share = np.ascontiguousarray(bank[:bands, :bins].T), np.ascontiguousarray(share[:bands, :bins])
        self.low_rest = 1 - self.low_share.sum(axis=0)

    def prior(self, log_mel: Float32, steps: int = 2, low_steps: int = 8) -> Float32:
        """Smooth magnitudes with nearly the given mel. (T, M) -> (T, F)."""
        least, lowest, highest = np.float32(1e-8), np.float32(0.1), np.float32(10.0)
        target = np.exp(log_mel * LN10)
        magnitude = self.spread(target * self.level)
        for _ in range(steps):
            magnitude *= np.clip(self.spread(target / np.maximum(self.heard(magnitude), least)), lowest, highest)
        bands, bins = self.low_share.shape
        low, target = np.ascontiguousarray(magnitude[:, :bins]), target[:, :bands]
        for _ in range(low_steps):
            ratio = target / np.maximum(low @ self.low_bank, least)
            low *= np.clip(ratio @ self.low_share + self.low_rest, lowest, highest)
        magnitude[:, :bins] = low
        return magnitude

    def make_loop(self, log_mel: Float32, noise: Float32 | None) -> Float32:
        """One loop. (M, T) and white noise (hop, T) -> (T*hop,)."""
        assert noise is not None, "the noise comes from the seed"
        mel, t, k = self.mel, log_mel.shape[1], self.tone_bins
        wanted = np.ascontiguousarray(log_mel.T)
        magnitude = self.prior(wanted)
        phase = phase_from_magnitude(np.ascontiguousarray(magnitude[:, :k].T)[None], mel.n_fft, mel.hop)[0].T
        seen = np.ascontiguousarray(noise[: self.noise_channels])
        tone, air, click, hiss = (x[0] for x in self.session.run({"log_mel": log_mel[None], "noise": seen[None]}))
        white = np.ascontiguousarray(noise.T).reshape(t * mel.hop)

        top = self.top_bins
        low = tone[:, :top] + 1j * tone[:, top:]
        low[:, :k] += 1
        low[:, :k] *= np.cos(phase) + 1j * np.sin(phase)
        low *= magnitude[:, :top]
        spectrum = stft(white, mel.n_fft, mel.hop)
        spectrum *= np.exp(self.spread(air)) * (magnitude / _norm(mel.n_fft))
        spectrum[:, :top] += low
        loop = istft(spectrum, mel.n_fft, mel.hop)

        fine = self._between(self._pooled(magnitude))
        click = click.reshape(len(fine), 2 * self.short_bins)
        spectrum = stft(white, self.short_fft, self.short_hop)
        spectrum *= np.exp(hiss.reshape(fine.shape)) * (fine / _norm(self.short_fft))
        spectrum += fine * (click[:, : self.short_bins] + 1j * click[:, self.short_bins :])
        loop += istft(spectrum, self.short_fft, self.short_hop)
        return self._correct(loop, wanted, np.log(np.maximum(magnitude[:, :k], np.float32(1e-7))))

    def _pooled(self, magnitude: Float32) -> Float32:
        """Mean over the bins around each short bin, those beyond the ends left out, at the level of the short window."""
        half, pool = self.pool // 2, self.pool
        if pool == 1:
            return magnitude
        width = self.short_bins * pool
        padded = np.zeros((len(magnitude), width), dtype=np.float32)
        kept = min(self.bins, width - half)
        padded[:, half : half + kept] = magnitude[:, :kept]
        count = np.zeros(width, dtype=np.float32)
        count[half : half + kept] = 1
        mean = padded.reshape(len(magnitude), self.short_bins, pool).sum(axis=2) / count.reshape(-1, pool).sum(axis=1)
        return mean * np.float32(pool**-0.5)

    def _between(self, x: Float32) -> Float32:
        """Draw frames out to short frames, linearly, round the circle. (T, F) -> (T*S, F)."""
        step = (np.roll(x, -1, axis=0) - x) / np.float32(self.steps)
        return np.stack([x + np.float32(i) * step for i in range(self.steps)], axis=1).reshape(-1, x.shape[1])

    def _correct(self, loop: Float32, wanted: Float32, prior: Float32) -> Float32:
        """Bring the mel of a loop nearer to the wanted one by smooth gains on its STFT. (N,) -> (N,)."""
        mel, k, hold = self.mel, self.tone_bins, self.hold
        for _ in range(self.refine):
            spectrum = stft(loop, mel.n_fft, mel.hop)
            magnitude = np.sqrt(spectrum.real**2 + spectrum.imag**2 + np.float32(1e-14))
            have = np.log10(np.maximum(self.heard(magnitude), np.float32(mel.log_floor)))
            gain = self.spread(np.clip(wanted - have, np.float32(-1.5), np.float32(1.5)) * LN10)
            if hold:
                toward = np.clip(prior - np.log(magnitude[:, :k]), -LN10, LN10)
                gain[:, :k] += hold * (toward - gain[:, :k])
            spectrum *= np.exp(gain, out=gain)
            loop = istft(spectrum, mel.n_fft, mel.hop)
        return loop


def _norm(n_fft: int) -> np.float32:
    """Standard deviation of an STFT bin of unit white noise."""
    return np.float32(np.sqrt(np.sum(hann(n_fft).astype(np.float64) ** 2)))

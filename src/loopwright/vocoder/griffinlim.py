"""Griffin-Lim on a circle: the vocoder that needs no training, and the control the trained ones are measured against.

Magnitudes by the non-negative inverse of the mel matrix, a first phase by phase-gradient integration (`pghi`), then fast
Griffin-Lim (Perraudin, Balazs, Sondergaard 2013) between a circular STFT and its least-squares inverse.

Shapes: B batch, M mel bands, F bins, T frames, N = T * hop samples.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from loopwright.audio.mel import MelInverse
from loopwright.audio.pghi import phase_from_magnitude
from loopwright.audio.stft import circular_istft, circular_stft
from loopwright.config import MelConfig
from loopwright.vocoder.base import Vocoder


def griffin_lim(magnitude: Tensor, phase: Tensor, n_fft: int, hop: int, *, iterations: int, momentum: float) -> Tensor:
    """Fast Griffin-Lim from a given phase, circular. Magnitude and phase (B, F, T) -> (B, T*hop).

    Each iteration makes the spectrum consistent (inverse and forward STFT), steps on in the direction of the change
    (`momentum` 0.99 as published; 0 is Griffin and Lim 1984), and restores the magnitude.
    """
    spectrum = torch.polar(magnitude, phase)
    previous = torch.zeros_like(spectrum)
    for _ in range(iterations):
        consistent = circular_stft(circular_istft(spectrum, n_fft, hop), n_fft, hop)
        moved = consistent + momentum * (consistent - previous) if momentum else consistent
        previous = consistent
        spectrum = magnitude * moved / moved.abs().clamp_min(1e-12)
    return circular_istft(spectrum, n_fft, hop)


class GriffinLim(Vocoder):
    """The untrained vocoder. For reflect-padded settings (`paper16`) it reads the frames as a circle all the same.

    Args:
        mel: settings of the log-mels it takes.
        iterations: rounds of Griffin-Lim after the first phase.
        start: "pghi", or "random" and "zero" for comparison.
        momentum: 0.99 is fast Griffin-Lim, 0 plain.
    """

    def __init__(
        self,
        mel: MelConfig,
        *,
        iterations: int = 32,
        start: Literal["pghi", "random", "zero"] = "pghi",
        momentum: float = 0.99,
    ) -> None:
        super().__init__("griffinlim", mel)
        self.iterations = iterations
        self.start = start
        self.momentum = momentum
        self.inverse = MelInverse(mel)

    def first_phase(self, magnitude: Tensor) -> Tensor:
        """Phase to start from, in radians. (B, F, T) -> (B, F, T)."""
        if self.start == "pghi":
            phase = phase_from_magnitude(magnitude.detach().cpu().numpy(), self.mel.n_fft, self.mel.hop)
            return torch.from_numpy(phase).to(magnitude)
        if self.start == "random":
            generator = torch.Generator().manual_seed(0)
            return (torch.rand(magnitude.shape, generator=generator) * 2 * math.pi).to(magnitude)
        return torch.zeros_like(magnitude)

    @torch.no_grad()
    def synthesise(self, log_mel: Tensor) -> Tensor:
        mel = self.mel
        magnitude = self.inverse(log_mel)
        waveform = griffin_lim(
            magnitude,
            self.first_phase(magnitude),
            mel.n_fft,
            mel.hop,
            iterations=self.iterations,
            momentum=self.momentum,
        )
        # Reflect padding of (n_fft - hop)/2 centres frame t half a hop later than the circular analysis does.
        return waveform if mel.circular else waveform.roll(mel.hop // 2, dims=-1)

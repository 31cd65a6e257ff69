"""Onset strength of a recording and how well a tempo's grid explains it.

Shapes: N samples, T frames of the envelope (200 a second).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from loopwright.arrays import Float32
from loopwright.audio.resample import resample

ANALYSIS_HZ = 16_000
FRAME_HZ = 200.0
_HOP = int(ANALYSIS_HZ / FRAME_HZ)
_WINDOW = 512
_BANDS = 24
_RANGE_DECADES = 3.0  # 60 dB under the loudest band is silence
_LONGEST_S = 40.0  # what follows adds nothing to a tempo
# The rise is steepest when the window's flank, not its centre, reaches the attack (measured with clicks, see the tests)
_LEAD_S = 0.0105


@functools.lru_cache(maxsize=1)
def _bands() -> torch.Tensor:
    """Averages of neighbouring bins, spaced evenly in log frequency. (bands, F)."""
    n_bins = _WINDOW // 2 + 1
    edges = np.unique(np.round(np.geomspace(2, n_bins - 1, _BANDS + 1)).astype(int))
    bank = torch.zeros(len(edges) - 1, n_bins)
    for i, (a, b) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        bank[i, a:b] = 1.0 / (b - a)
    return bank


def band_levels(mono: Float32, rate_hz: int) -> torch.Tensor:
    """Log10 levels of 24 bands, 3 decades deep under the loudest, 200 frames a second; the first 40 s. (N,) -> (bands, T)."""
    x = resample(mono[: int(_LONGEST_S * rate_hz)], rate_hz, ANALYSIS_HZ)
    if len(x) < _WINDOW:
        return torch.full((len(_bands()), max(1, len(x) // _HOP)), -_RANGE_DECADES)
    wave = torch.nn.functional.pad(torch.from_numpy(np.ascontiguousarray(x)), (_WINDOW // 2, _WINDOW // 2))
    spec = torch.stft(wave, _WINDOW, _HOP, window=torch.hann_window(_WINDOW), center=False, return_complex=True).abs()
    bands = _bands() @ spec
    return torch.log10(bands / bands.max().clamp_min(1e-9) + 10**-_RANGE_DECADES)


def rises(bands: torch.Tensor) -> Float32:
    """Mean rise of band levels (bands, T) over 10 ms: onset strength (T,)."""
    rise = torch.zeros(bands.shape[1])
    rise[1:-1] = (bands[:, 2:] - bands[:, :-2]).clamp_min(0).mean(0)
    rise[0] = (bands[:, 0] + _RANGE_DECADES).mean() if bands.shape[1] > 1 else 0.0  # a sound that is there at once
    return rise.numpy()


def onset_envelope(mono: Float32, rate_hz: int) -> Float32:
    """Onset strength at 200 frames a second; frame t is at t/200 s. (N,) -> (T,)."""
    return rises(band_levels(mono, rate_hz))


@dataclass(frozen=True)
class Tempogram:
    """Fourier transform of an onset envelope: how strongly, and at which phase, onsets repeat at a rate."""

    spectrum: npt.NDArray[np.complex128]  # normalised: 1 is an envelope that is one pure oscillation
    step_hz: float

    @classmethod
    def of(cls, envelope: Float32) -> Tempogram:
        """Transform an envelope (T,) from which slow changes of level are taken out."""
        t = len(envelope)
        width = min(201, t // 2 * 2 - 1) if t > 3 else 1
        padded = np.pad(envelope.astype(np.float64), width // 2, mode="wrap")
        smooth = np.convolve(padded, np.ones(width) / width, mode="valid")[:t]
        flat = envelope - smooth
        n = 1 << int(np.ceil(np.log2(8 * t + 1)))  # fine enough that the nearest line is the value
        energy = float(np.sqrt(np.sum(flat**2) * t))
        return cls(np.fft.rfft(flat, n) / max(energy, 1e-12), FRAME_HZ / n)

    def at(self, rate_hz: float) -> complex:
        """Value at a rate of repetition."""
        index = round(rate_hz / self.step_hz)
        return complex(self.spectrum[index]) if index < len(self.spectrum) else 0j

    def grid(self, bpm: float) -> float:
        """How well onsets repeat on the eighths, sixteenths or thirty-seconds of a tempo: 0 to 1.

        Above 0.15 is clear. Tempi an octave apart share all but one of these and come out alike: onsets alone do not tell.
        """
        beat_hz = bpm / 60
        return max(abs(self.at(k * beat_hz)) for k in (2, 4, 8))

    def phase_s(self, bpm: float) -> float:
        """How late the sixteenth grid of the onsets is, in seconds: within half a sixteenth either way."""
        rate_hz = 4 * bpm / 60
        return float(-np.angle(self.at(rate_hz)) / (2 * np.pi * rate_hz)) + _LEAD_S

    def best(self, low_bpm: float, high_bpm: float) -> list[float]:
        """Tempi at the highest local maxima of `grid` in a range, best first, refined between lines; at most 5."""
        low, high = int(low_bpm / 60 / self.step_hz), int(high_bpm / 60 / self.step_hz)
        lines = np.arange(low, high + 1)
        size = np.abs(self.spectrum)
        fine = lines if 4 * (high + 1) < len(size) else lines[4 * (lines + 1) < len(size)]
        if len(fine) < 3:
            return []
        # sum of eighths and sixteenths; four lines of a sixteenth fall on one line of a beat, so take the best of them
        near = np.stack([size[4 * fine + k] for k in (-2, -1, 0, 1)])
        score = near.max(axis=0) + size[2 * fine]
        peaks = np.flatnonzero((score[1:-1] >= score[:-2]) & (score[1:-1] > score[2:])) + 1
        out = []
        for peak in peaks[np.argsort(-score[peaks])][:5]:
            top = int(4 * fine[peak] - 2 + int(np.argmax(near[:, peak])))
            a, b, c = size[top - 1 : top + 2] if 1 <= top < len(size) - 1 else (0.0, 1.0, 0.0)
            shift = 0.5 * (a - c) / (a - 2 * b + c) if a - 2 * b + c < 0 else 0.0
            out.append((top + float(np.clip(shift, -0.5, 0.5))) * self.step_hz * 60 / 4)
        return out

"""Log-mel spectrograms. The way back to magnitudes is in `spectra`.

Shapes: N samples, M mel bands, F bins, T frames. Oracle in the tests: librosa (Slaney scale, Slaney normalisation).
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

from loopwright.audio.melscale import filterbank
from loopwright.audio.stft import circular_stft, hann
from loopwright.config import MelConfig


@functools.lru_cache(maxsize=8)
def mel_filterbank(mel: MelConfig) -> Tensor:
    """Triangles of unit area (Slaney normalisation) on the Slaney scale. (M, F) float32."""
    return torch.from_numpy(filterbank(mel).copy())


def magnitudes(spectrum: Tensor) -> Tensor:
    """Magnitudes of a complex spectrum. Where no gradient is wanted, in half the time of `abs`, which guards from overflow."""
    if spectrum.requires_grad:
        return spectrum.abs()
    return torch.addcmul(spectrum.real.square(), spectrum.imag, spectrum.imag).sqrt_()


class LogMel(nn.Module):
    """log10 magnitude mel spectrogram of whole bars.

    Circular settings wrap frames round the loop; otherwise the published analysis: reflect padding of (n_fft - hop)/2.

    Shape: (..., N) -> (..., M, N/hop).
    """

    filterbank: Tensor

    def __init__(self, mel: MelConfig) -> None:
        super().__init__()
        self.mel = mel
        self.register_buffer("filterbank", mel_filterbank(mel), persistent=False)

    def magnitude(self, waveform: Tensor) -> Tensor:
        """Magnitude spectrogram (..., F, T)."""
        mel = self.mel
        if mel.circular:
            return magnitudes(circular_stft(waveform, mel.n_fft, mel.hop))
        pad = (mel.n_fft - mel.hop) // 2
        flat = waveform.reshape(-1, waveform.shape[-1])
        padded = nn.functional.pad(flat[:, None], (pad, pad), mode="reflect")[:, 0]
        spec = torch.stft(padded, mel.n_fft, mel.hop, window=hann(mel.n_fft).to(flat), center=False, return_complex=True)
        return magnitudes(spec).reshape(*waveform.shape[:-1], *spec.shape[-2:])

    def forward(self, waveform: Tensor) -> Tensor:
        return (self.filterbank @ self.magnitude(waveform)).clamp_min(self.mel.log_floor).log10()

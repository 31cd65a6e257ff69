"""The exact front-ends of the pre-trained networks, from 16 kHz audio to linear mel.

Windows and transforms are in float64: in float32 the rounding of a loud tone is heard in the quiet bands (3e-4 in the
log, 2e-3 in a score of YAMNet), and this is a small part of what a network costs.

Shapes: B batch, N samples, F mel bands, U frames.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

AUDIOSET_WINDOW, AUDIOSET_HOP, AUDIOSET_FFT = 400, 160, 512
MTAT_FFT, MTAT_HOP = 512, 256


@functools.lru_cache(maxsize=1)
def audioset_filterbank() -> Tensor:
    """Mel matrix of VGGish and YAMNet: 64 bands, 125-7500 Hz, triangles linear in mel, peak 1, no DC. (64, 257)."""

    def to_mel(hz: np.ndarray) -> np.ndarray:
        return 1127.0 * np.log1p(hz / 700.0)

    low_edge, high_edge = to_mel(np.array([125.0, 7500.0]))
    edges = np.linspace(low_edge, high_edge, 66)
    bins = to_mel(np.linspace(0, 8000, 257))[None]
    low, mid, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    weights = np.maximum(0, np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid)))
    weights[:, 0] = 0
    return torch.from_numpy(weights.astype(np.float32))


def audioset_frames(frames: Tensor) -> Tensor:
    """Magnitude mel of frames of 400 samples. (..., U, 400) -> (..., 64, U)."""
    window = torch.hann_window(AUDIOSET_WINDOW, dtype=torch.float64, device=frames.device)
    magnitude = torch.fft.rfft(frames * window, n=AUDIOSET_FFT, dim=-1).abs().to(frames)
    return (magnitude @ audioset_filterbank().to(frames).T).transpose(-1, -2)


def audioset_mel(waveform: Tensor) -> Tensor:
    """Magnitude mel of VGGish and YAMNet: 25 ms windows, 10 ms hop, whole frames only. (B, N) -> (B, 64, 1 + (N-400)//160)."""
    return audioset_frames(waveform.unfold(-1, AUDIOSET_WINDOW, AUDIOSET_HOP))


@functools.lru_cache(maxsize=2)
def htk_filterbank(n_mels: int) -> Tensor:
    """Mel matrix of the auto-tagging networks: HTK scale, 0-8000 Hz, triangles linear in Hz, peak 1. (n_mels, 257)."""
    edges = 700.0 * (10.0 ** (np.linspace(0, 2595.0 * np.log10(1 + 8000.0 / 700.0), n_mels + 2) / 2595.0) - 1)
    bins = np.linspace(0, 8000, 257)[None]
    low, mid, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    weights = np.maximum(0, np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid)))
    return torch.from_numpy(weights.astype(np.float32))


def htk_frames(frames: Tensor, filterbank: Tensor) -> Tensor:
    """Power mel of frames of 512 samples. (..., U, 512) with filterbank (F, 257) -> (..., F, U)."""
    window = torch.hann_window(MTAT_FFT, dtype=torch.float64, device=frames.device)
    power = torch.fft.rfft(frames * window, dim=-1).abs().square().to(frames)
    return (power @ filterbank.to(frames).T).transpose(-1, -2)


def htk_mel(waveform: Tensor, filterbank: Tensor) -> Tensor:
    """Power mel of the auto-tagging networks: 32 ms windows, 16 ms hop, centred, reflected. (B, N) -> (B, F, 1 + N//256)."""
    half = MTAT_FFT // 2
    padded = torch.nn.functional.pad(waveform[:, None], (half, half), mode="reflect")[:, 0]
    return htk_frames(padded.unfold(-1, MTAT_FFT, MTAT_HOP), filterbank)

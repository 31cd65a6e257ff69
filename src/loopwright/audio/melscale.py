"""The mel scale and its triangles, with numpy alone. Oracle in the tests: librosa (Slaney scale, Slaney normalisation)."""

from __future__ import annotations

import functools

import numpy as np

from loopwright.arrays import Float32
from loopwright.config import MelConfig


def slaney_hz_to_mel(hz: np.ndarray) -> np.ndarray:
    """Slaney's mel scale: linear below 1 kHz (3 mel per 200 Hz), logarithmic above (27 mel per factor 6.4)."""
    hz = np.asarray(hz, dtype=np.float64)
    return np.where(hz < 1000.0, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1e-9) / 1000) / np.log(6.4))


def slaney_mel_to_hz(mel: np.ndarray) -> np.ndarray:
    """Inverse of `slaney_hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


@functools.lru_cache(maxsize=8)
def filterbank(mel: MelConfig) -> Float32:
    """Triangles of unit area (Slaney normalisation) on the Slaney scale. (M, F) float32, not to be written to."""
    bins = np.linspace(0, mel.rate_hz / 2, mel.n_fft // 2 + 1)
    low, high = slaney_hz_to_mel(np.array([mel.fmin_hz, mel.fmax_hz]))
    edges = slaney_mel_to_hz(np.linspace(low, high, mel.n_mels + 2))
    width = np.diff(edges)
    ramps = edges[:, None] - bins[None, :]
    weights = np.maximum(0, np.minimum(-ramps[:-2] / width[:-1, None], ramps[2:] / width[1:, None]))
    weights *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return weights.astype(np.float32)

"""Levels in dB relative to full scale."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def peak(x: npt.ArrayLike) -> float:
    """Largest absolute sample."""
    array = np.asarray(x)
    return float(max(array.max(initial=0.0), -array.min(initial=0.0)))


def rms(x: npt.ArrayLike) -> float:
    """Root mean square over all samples."""
    array = np.asarray(x, dtype=np.float32)
    return float(np.sqrt(np.mean(np.square(array)))) if array.size else 0.0


def to_db(amplitude: float, floor_db: float = -120.0) -> float:
    """20 log10(amplitude), not below `floor_db`."""
    return max(floor_db, 20 * float(np.log10(max(amplitude, 1e-12))))


def from_db(level_db: float) -> float:
    """Amplitude of a level in dB."""
    return float(10 ** (level_db / 20))

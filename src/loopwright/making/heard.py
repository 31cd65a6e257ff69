"""What a listener would say of a loop, measured on its picture: the features that directions are named after."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from loopwright.audio.melscale import slaney_hz_to_mel
from loopwright.audio.onsets import spectral_flux
from loopwright.config import Representation, ToneConfig


def band_of(mel: Representation, hz: float) -> int:
    """Index of the band nearest to a frequency."""
    if isinstance(mel, ToneConfig):
        return int(np.clip(round(mel.bands_per_octave * float(np.log2(hz / mel.fmin_hz))), 0, mel.bands - 1))
    low, high = slaney_hz_to_mel(np.array([mel.fmin_hz, mel.fmax_hz]))
    position = (slaney_hz_to_mel(np.array([hz]))[0] - low) / (high - low) * (mel.n_mels + 1) - 1
    return int(np.clip(round(float(position)), 0, mel.n_mels - 1))


def level_db(magnitude: Tensor) -> Tensor:
    """Level of each sample in dB. (B, M, T) -> (B,)."""
    return 10 * magnitude.square().mean(dim=(1, 2)).clamp_min(1e-10).log10()


def measure(log_mel: Tensor, mel: Representation) -> dict[str, Tensor]:
    """Features of loops (B, M, T), each (B,).

    density: onset strength, mean spectral flux. brightness: level above 4 kHz less level below 500 Hz, in dB.
    swing: onset strength just behind the off-beat sixteenths less that on them. kick: level below 120 Hz, in dB.
    """
    flux = spectral_flux(log_mel)
    magnitude = 10.0**log_mel
    low, high, kick = band_of(mel, 500), band_of(mel, 4000), max(1, band_of(mel, 120))
    frames = mel.bar_frames // 16
    steps = flux.reshape(len(flux), -1, frames)  # (B, sixteenths, frames each)
    late = frames // 3
    off = steps[:, 1::2]
    return {
        "density": flux.mean(dim=1),
        "brightness": level_db(magnitude[:, high:]) - level_db(magnitude[:, :low]),
        "swing": off[..., 2 : 2 + late].mean(dim=(1, 2)) - off[..., :2].mean(dim=(1, 2)),
        "kick": level_db(magnitude[:, :kick]),
    }

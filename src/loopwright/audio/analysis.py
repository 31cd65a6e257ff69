"""From a loop to its picture, in whichever representation."""

from __future__ import annotations

from collections.abc import Callable

import torch

from loopwright.arrays import Float32
from loopwright.audio.constantq import ConstantQ
from loopwright.audio.mel import LogMel
from loopwright.config import MelConfig, Representation, ToneConfig


def bank_of(tone: ToneConfig) -> ConstantQ:
    """The constant-Q of these settings."""
    return ConstantQ(
        bands=tone.bands,
        bands_per_octave=tone.bands_per_octave,
        f_min=tone.fmin_hz,
        frames_per_bar=tone.bar_frames,
        extra_hz=tone.extra_hz,
        floor=tone.log_floor,
    )


def analyser(representation: Representation) -> Callable[[Float32], Float32]:
    """A function from loops (B, N) of whole bars at the representation's rate to log10 magnitudes (B, bands, T)."""
    if isinstance(representation, MelConfig):
        log_mel = LogMel(representation)

        def by_mel(loops: Float32) -> Float32:
            with torch.inference_mode():
                out: Float32 = torch.stack([log_mel(torch.from_numpy(loop)) for loop in loops]).numpy()
            return out

        return by_mel
    bank, rate_hz, bar = bank_of(representation), representation.rate_hz, representation.bar_samples
    return lambda loops: bank(loops, rate_hz, bars=loops.shape[-1] // bar)

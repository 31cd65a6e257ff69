"""Tempo in the mel: re-time the frames, run the vocoder, return a whole number of exact samples. One loop at a time.

Shapes: M mel bands, T frames, N samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from loopwright.arrays import Float32
from loopwright.audio.melscale import slaney_hz_to_mel, slaney_mel_to_hz
from loopwright.audio.resample import resample_circle
from loopwright.audio.retime import retimed_places
from loopwright.config import MelConfig
from loopwright.errors import InputError
from loopwright.vocoder.check import check_log_mel

BEATS_PER_BAR = 4
LOWEST_BPM, HIGHEST_BPM = 30.0, 300.0
PEAK = 0.999  # a vocoder may overshoot full scale; the loop is then turned down to this, never clipped


class LoopVocoder(Protocol):
    """What `render` needs of a vocoder, whatever computes it."""

    name: str
    mel: MelConfig

    def make_loop(self, log_mel: Float32, noise: Float32 | None) -> Float32:
        """Log-mel (M, T) and white noise (hop, T), or its own noise, to one turn of a loop (T*hop,)."""
        ...


def loop_samples(bars: int, bpm: float, rate_hz: int) -> int:
    """Samples of a 4/4 loop: round(60 * rate * beats / bpm)."""
    return round(60 * rate_hz * BEATS_PER_BAR * bars / bpm)


def bars_of(frames: int, mel: MelConfig) -> int:
    """Whole bars in so many frames, of the analysis or of a model. Raises InputError for frames that are not whole bars."""
    for bar in (mel.bar_frames, mel.model_frames):
        if frames % bar == 0:
            return frames // bar
    raise InputError(f"{frames} frames are not whole bars of '{mel.name}' ({mel.bar_frames} frames a bar). Pass whole bars.")


def retime(log_mel: Float32, frames: int) -> Float32:
    """Bring the circle of frames to another count, linearly between neighbours. (M, T) -> (M, frames).

    Hits stay on the grid and ring at their own speed (`audio.retime`). Linear in the logarithm: no overshoot, no louder peaks.
    """
    t = log_mel.shape[1]
    if frames == t:
        return log_mel
    position = retimed_places(log_mel, frames)
    left = np.minimum(position.astype(np.int64), t - 1)
    part = (position - left).astype(np.float32)
    a, b = log_mel[:, left], log_mel[:, (left + 1) % t]
    return a + part * (b - a)


def shift_pitch(log_mel: Float32, mel: MelConfig, ratio: float) -> Float32:
    """Move the spectrum along the mel axis: what lay at f Hz lies at f * ratio, for ratios very near 1. (M, T) -> same."""
    if ratio == 1.0:
        return log_mel
    low, high = slaney_hz_to_mel(np.array([mel.fmin_hz, mel.fmax_hz]))
    step = (high - low) / (mel.n_mels + 1)
    centre_mel = low + step * (1 + np.arange(mel.n_mels))
    source = (slaney_hz_to_mel(slaney_mel_to_hz(centre_mel) / ratio) - low) / step - 1
    position = np.clip(source, 0, mel.n_mels - 1)
    left = np.minimum(position.astype(np.int64), mel.n_mels - 2)
    part = (position - left).astype(np.float32)[:, None]
    a, b = log_mel[left], log_mel[left + 1]
    return a + part * (b - a)


def render(
    vocoder: LoopVocoder,
    log_mel: Float32,
    bpm: float,
    *,
    rate_hz: int | None = None,
    noise: Callable[[int], Float32] | None = None,
) -> Float32:
    """A loop at a tempo, exact to the sample and seamless. (M, T) -> (round(60 * rate * beats / bpm),) in [-1, 1].

    The circle of T frames (a whole number of bars) is brought to the nearest count for the tempo and synthesised; the
    last half frame or less (under 0.3 %) is made up by an exactly periodic change of rate. That alone would move the
    pitch by up to 5 cents, so the mel is first moved by as much the other way: the pitch stays.

    Args:
        vocoder: see `load`.
        log_mel: log10 mels of whole bars.
        bpm: tempo, 30 to 300.
        rate_hz: output rate; the vocoder's own if None.
        noise: white noise (hop, T) for a number of frames T, instead of the vocoder's own.

    Raises InputError for a tempo out of range, frames that are not whole bars, and what the vocoder refuses.
    """
    mel = vocoder.mel
    if not LOWEST_BPM <= bpm <= HIGHEST_BPM:
        raise InputError(f"a tempo of {bpm:g} BPM is outside {LOWEST_BPM:g} to {HIGHEST_BPM:g}. Choose one inside.")
    if rate_hz is not None and not 8_000 <= rate_hz <= 384_000:
        raise InputError(f"a rate of {rate_hz} Hz is outside 8000 to 384000. Choose 44100 or 48000.")
    check_log_mel(log_mel[None], mel, who=f"vocoder '{vocoder.name}'")
    bars = bars_of(log_mel.shape[1], mel)
    native = loop_samples(bars, bpm, mel.rate_hz)
    frames = max(round(native / mel.hop), -(-mel.n_fft // mel.hop))
    ratio = frames * mel.hop / native  # what the change of length does to every frequency
    shifted = shift_pitch(retime(np.asarray(log_mel, dtype=np.float32), frames), mel, 1 / ratio)
    loop = vocoder.make_loop(shifted, noise(frames) if noise is not None else None)
    if not np.isfinite(loop).all():
        raise InputError(f"vocoder '{vocoder.name}' made NaN or infinity. Its weights are damaged, or its training diverged.")
    loop = resample_circle(loop, loop_samples(bars, bpm, rate_hz or mel.rate_hz))
    peak = float(np.abs(loop).max())
    return loop * np.float32(PEAK / peak) if peak > PEAK else loop

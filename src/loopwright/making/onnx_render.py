"""Tempo in the mel, as `vocoder.render`, for one loop and in numpy. Shapes: M mel bands, T frames, N samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from loopwright.audio.melscale import slaney_hz_to_mel, slaney_mel_to_hz
from loopwright.audio.resample import resample_circle
from loopwright.audio.retime import retimed_places
from loopwright.audio.spectra import Float32
from loopwright.config import MelConfig
from loopwright.errors import InputError
from loopwright.making.onnx_vocoders import LightVocoder

BEATS_PER_BAR = 4
PEAK = 0.999  # as vocoder.render: turned down to this, never clipped


def retime(log_mel: Float32, frames: int) -> Float32:
    """Bring the circle of frames to another count, linearly between neighbours. (M, T) -> (M, frames)."""
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


def render(vocoder: LightVocoder, log_mel: Float32, bpm: float, rate_hz: int, noise: Callable[[int], Float32]) -> Float32:
    """A loop at a tempo, exact to the sample and seamless. (M, T) -> (round(60 * rate * beats / bpm),) in [-1, 1].

    Args:
        vocoder: see `making.onnx_vocoders`.
        log_mel: log10 mels of whole bars.
        bpm: tempo, already checked.
        rate_hz: output rate.
        noise: white noise (hop, T) for a number of frames T.

    Raises InputError for a log-mel that is not finite.
    """
    mel = vocoder.mel
    if not np.isfinite(log_mel).all():
        raise InputError(
            f"vocoder '{vocoder.name}' was given a log-mel with NaN or infinity. The model that made it has diverged."
        )
    beats = BEATS_PER_BAR * round(log_mel.shape[1] / mel.model_frames)
    native = round(60 * mel.rate_hz * beats / bpm)
    frames = max(round(native / mel.hop), -(-mel.n_fft // mel.hop))
    ratio = frames * mel.hop / native  # what the change of length does to every frequency
    loop = vocoder(shift_pitch(retime(log_mel, frames), mel, 1 / ratio), noise(frames))
    loop = resample_circle(loop, round(60 * rate_hz * beats / bpm))
    peak = float(np.abs(loop).max())
    return loop * np.float32(PEAK / peak) if peak > PEAK else loop

"""Tempo in the mel: re-time the frames, run the vocoder, return a whole number of exact samples.

Shapes: B batch, M mel bands, T frames, N samples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from loopwright.audio.melscale import slaney_hz_to_mel, slaney_mel_to_hz
from loopwright.audio.resample import resample_circle
from loopwright.audio.retime import retimed_places
from loopwright.config import MelConfig
from loopwright.errors import InputError
from loopwright.vocoder.base import Vocoder, check_log_mel

BEATS_PER_BAR = 4
LOWEST_BPM, HIGHEST_BPM = 30.0, 300.0
PEAK = 0.999  # a vocoder may overshoot full scale; the loop is then turned down to this, never clipped


def loop_samples(bars: int, bpm: float, rate_hz: int) -> int:
    """Samples of a 4/4 loop: round(60 * rate * beats / bpm)."""
    return round(60 * rate_hz * BEATS_PER_BAR * bars / bpm)


def retime(log_mel: Tensor, frames: int) -> Tensor:
    """Bring the circle of frames to another count, linearly between neighbours. (B, M, T) -> (B, M, frames).

    Hits stay on the grid and ring at their own speed (`audio.retime`). Linear in the logarithm: no overshoot, no louder peaks.
    """
    if frames == log_mel.shape[-1]:
        return log_mel
    return torch.stack([_retime_one(one, retimed_places(one.cpu().numpy(), frames)) for one in log_mel])


def _retime_one(log_mel: Tensor, places: npt.NDArray[np.float64]) -> Tensor:
    t = log_mel.shape[-1]
    position = torch.from_numpy(places).to(log_mel.device)
    left = position.floor().long().clamp_max(t - 1)
    part = (position - left).to(log_mel.dtype)
    return torch.lerp(log_mel[:, left], log_mel[:, (left + 1) % t], part)


def shift_pitch(log_mel: Tensor, mel: MelConfig, ratio: float) -> Tensor:
    """Move the spectrum along the mel axis so that what lay at f Hz lies at f * ratio. (B, M, T) -> (B, M, T).

    For ratios very near 1 (a fraction of a band): linear between neighbouring bands.
    """
    if ratio == 1.0:
        return log_mel
    low, high = slaney_hz_to_mel(torch.tensor([mel.fmin_hz, mel.fmax_hz]).double().numpy())
    step = (high - low) / (mel.n_mels + 1)
    centre_mel = low + step * (1 + torch.arange(mel.n_mels).double().numpy())
    source = (slaney_hz_to_mel(slaney_mel_to_hz(centre_mel) / ratio) - low) / step - 1
    position = torch.from_numpy(source).clamp(0, mel.n_mels - 1).to(log_mel.device)
    left = position.floor().long().clamp_max(mel.n_mels - 2)
    part = (position - left).to(log_mel.dtype)[:, None]
    return torch.lerp(log_mel[:, left], log_mel[:, left + 1], part)


def render(
    vocoder: Vocoder, log_mel: Tensor, bpm: float, *, rate_hz: int | None = None, noise: Callable[[int], Tensor] | None = None
) -> Tensor:
    """Loops at a tempo, exact to the sample and seamless. (B, M, T) -> (B, round(60 * rate * beats / bpm)) in [-1, 1].

    The circle of T frames (a whole number of bars) is brought to the nearest count for the tempo and synthesised; the
    last half frame or less (under 0.3 %) is made up by an exactly periodic change of rate. That alone would move the
    pitch by up to 5 cents, so the mel is first moved by as much the other way: the pitch stays.

    Args:
        vocoder: see `load`.
        log_mel: log10 mels of whole bars.
        bpm: tempo, 30 to 300.
        rate_hz: output rate; the vocoder's own if None.
        noise: white noise (B, hop, T) for a number of frames T, instead of the vocoder's own.

    Raises InputError for a tempo out of range, frames that are not whole bars, and what the vocoder refuses.
    """
    mel = vocoder.mel
    if not LOWEST_BPM <= bpm <= HIGHEST_BPM:
        raise InputError(f"a tempo of {bpm:g} BPM is outside {LOWEST_BPM:g} to {HIGHEST_BPM:g}. Choose one inside.")
    if rate_hz is not None and not 8_000 <= rate_hz <= 384_000:
        raise InputError(f"a rate of {rate_hz} Hz is outside 8000 to 384000. Choose 44100 or 48000.")
    check_log_mel(log_mel, mel, who=f"vocoder '{vocoder.name}'")
    t = log_mel.shape[-1]
    bars, rest = divmod(t, mel.bar_frames)
    if rest:
        if t % mel.model_frames:
            raise InputError(f"{t} frames are not whole bars of '{mel.name}' ({mel.bar_frames} frames a bar). Pass whole bars.")
        bars = t // mel.model_frames
    native = loop_samples(bars, bpm, mel.rate_hz)
    frames = max(round(native / mel.hop), -(-mel.n_fft // mel.hop))
    ratio = frames * mel.hop / native  # what the change of length does to every frequency
    with torch.no_grad():
        shifted = shift_pitch(retime(log_mel.float(), frames), mel, 1 / ratio)
        waveform = vocoder(shifted) if noise is None else vocoder(shifted, noise(frames))
    n = loop_samples(bars, bpm, rate_hz or mel.rate_hz)
    if n != waveform.shape[-1]:
        waveform = torch.from_numpy(resample_circle(waveform.cpu().numpy(), n)).to(log_mel.device)
    return waveform * (PEAK / waveform.abs().amax(dim=-1, keepdim=True).clamp_min(PEAK))

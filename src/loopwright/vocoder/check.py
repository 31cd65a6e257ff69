"""What every vocoder asks of a log-mel before it speaks."""

from __future__ import annotations

import math

from loopwright.arrays import Float32
from loopwright.config import MelConfig
from loopwright.errors import InputError

# log10 magnitude. A full-scale sine gives about 1; a decade and a half of headroom is kept for loud noise and models.
HIGHEST_LOG_MEL = 3.0
SLACK_BELOW_FLOOR = 2.0  # models overshoot the floor a little; decades below it are a mistake of scale


def check_log_mel(log_mel: Float32, mel: MelConfig, *, who: str) -> None:
    """Raise InputError unless `log_mel` is finite (B, M, T), at least one window long and in the range of log10 mels."""
    if log_mel.ndim != 3 or log_mel.shape[1] != mel.n_mels:
        raise InputError(
            f"{who} takes log-mels of shape (batch, {mel.n_mels}, frames) for '{mel.name}', got {tuple(log_mel.shape)}. "
            "Pass --vocoder one made for this representation."
        )
    least = -(-mel.n_fft // mel.hop)
    if log_mel.shape[0] == 0 or log_mel.shape[2] < least:
        raise InputError(f"{who} needs at least one log-mel of {least} frames, got {tuple(log_mel.shape)}. Pass whole bars.")
    low, high = float(log_mel.min()), float(log_mel.max())
    if not math.isfinite(low) or not math.isfinite(high):
        raise InputError(f"{who} was given a log-mel with NaN or infinity. The model that made it has diverged.")
    floor = math.log10(mel.log_floor)
    if low < floor - SLACK_BELOW_FLOOR or high > HIGHEST_LOG_MEL:
        raise InputError(
            f"{who} was given values from {low:.3g} to {high:.3g}; log10 mels lie in {floor:.0f} .. {HIGHEST_LOG_MEL:.0f}. "
            "Pass log-mels as they are, not normalised ones and not natural logarithms."
        )

"""What every vocoder is: log-mel in, one turn of a loop out, refusing what it was not made for.

Shapes: B batch, M mel bands, T frames, N = T * hop samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from loopwright.config import MelConfig
from loopwright.errors import InputError

# log10 magnitude. A full-scale sine gives about 1; a decade and a half of headroom is kept for loud noise and models.
HIGHEST_LOG_MEL = 3.0
SLACK_BELOW_FLOOR = 2.0  # models overshoot the floor a little; decades below it are a mistake of scale


def check_log_mel(log_mel: Tensor, mel: MelConfig, *, who: str) -> None:
    """Raise InputError unless `log_mel` is finite (B, M, T), at least one window long and in the range of log10 mels."""
    if log_mel.ndim != 3 or log_mel.shape[1] != mel.n_mels:
        raise InputError(
            f"{who} takes log-mels of shape (batch, {mel.n_mels}, frames) for '{mel.name}', got {tuple(log_mel.shape)}. "
            "Pass --vocoder one made for this representation."
        )
    least = -(-mel.n_fft // mel.hop)
    if log_mel.shape[0] == 0 or log_mel.shape[2] < least:
        raise InputError(f"{who} needs at least one log-mel of {least} frames, got {tuple(log_mel.shape)}. Pass whole bars.")
    if not bool(torch.isfinite(log_mel).all()):
        raise InputError(f"{who} was given a log-mel with NaN or infinity. The model that made it has diverged.")
    floor = float(torch.tensor(mel.log_floor).log10())
    low, high = float(log_mel.min()), float(log_mel.max())
    if low < floor - SLACK_BELOW_FLOOR or high > HIGHEST_LOG_MEL:
        raise InputError(
            f"{who} was given values from {low:.3g} to {high:.3g}; log10 mels lie in {floor:.0f} .. {HIGHEST_LOG_MEL:.0f}. "
            "Pass log-mels as they are, not normalised ones and not natural logarithms."
        )


class Vocoder(nn.Module, ABC):
    """A map from log-mels (B, M, T) to loops (B, T*hop) at `mel.rate_hz`, circular in time.

    Rolling the log-mel by whole frames rolls the loop by whole hops.
    """

    name: str
    mel: MelConfig

    def __init__(self, name: str, mel: MelConfig) -> None:
        super().__init__()
        self.name = name
        self.mel = mel

    @abstractmethod
    def synthesise(self, log_mel: Tensor) -> Tensor:
        """The map itself, on a checked float32 input. (B, M, T) -> (B, T*hop)."""

    def synthesise_from(self, log_mel: Tensor, noise: Tensor) -> Tensor:  # noqa: ARG002
        """As `synthesise`, from white noise (B, hop, T) of the caller's, where the vocoder makes use of noise."""
        return self.synthesise(log_mel)

    def forward(self, log_mel: Tensor, noise: Tensor | None = None) -> Tensor:
        """Check the input (InputError), then synthesise. (B, M, T) -> (B, T*hop)."""
        check_log_mel(log_mel, self.mel, who=f"vocoder '{self.name}'")
        return self.synthesise(log_mel.float()) if noise is None else self.synthesise_from(log_mel.float(), noise)

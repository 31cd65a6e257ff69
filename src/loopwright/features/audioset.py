"""What YAMNet and VGGish share: the front-end of AudioSet networks, time first in their files."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from loopwright.features.base import Network
from loopwright.features.frontends import audioset_mel


class AudioSetNetwork(Network):
    """A network on natural logarithms of 64 mel bands plus `log_offset`."""

    log_offset: ClassVar[float]
    mel_map: ClassVar[str] = "audioset64"
    bar_frames: ClassVar[int] = 192  # 10.4 ms instead of 10: whole cells at stride 16, and 3/4 of our 256 frames
    n_bands: ClassVar[int] = 64
    typical: ClassVar[tuple[float, float]] = (-1.8, 2.1)
    min_samples: ClassVar[int] = 400 + 95 * 160  # one patch

    def prepare(self, tensors: dict[str, Tensor]) -> None:
        for key, value in tensors.items():
            if value.ndim == 4:  # the file has (time, mel); here frequency comes first
                value = value.transpose(2, 3).contiguous(memory_format=torch.channels_last)
            self.keep(key, value)

    def frontend(self, waveform: Tensor) -> Tensor:
        return audioset_mel(waveform)

    def compress(self, linear_mel: Tensor) -> Tensor:
        return torch.log(linear_mel + self.log_offset)[:, None]

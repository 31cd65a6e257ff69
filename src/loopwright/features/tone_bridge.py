"""From rows of the constant-Q to a pre-trained network's own linear mel: a rough map, but a differentiable one.

A steady sinusoid on row k reads in the rows beside it, too; the map sends what a network's own front-end makes of that
sinusoid, divided by the sum of what the rows read. Tones come out at the network's own level. Noise is only roughly right: a
row of the constant-Q is wider or narrower than the network's window.

Shapes: B batch, K rows, T frames, F mel bands of the network, U its frames.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor, nn

from loopwright.audio.constantq import ConstantQ
from loopwright.config import ToneConfig
from loopwright.errors import MelMismatchError
from loopwright.features.bridge import resize, time_weights
from loopwright.features.frontends import AUDIOSET_WINDOW, MTAT_FFT, audioset_frames, htk_filterbank, htk_frames

RATE_HZ = 16_000  # of the networks
LN10 = math.log(10.0)
PHASES = 4  # a frame's magnitude depends a little on the phase it catches


@functools.lru_cache(maxsize=8)
def tone_map(tone: ToneConfig, target: str) -> Tensor:
    """The non-negative map (F, K). Raises MelMismatchError for a front-end that is not known here."""
    bank = ConstantQ(bands=tone.bands, bands_per_octave=tone.bands_per_octave, f_min=tone.fmin_hz, extra_hz=tone.extra_hz)
    length = AUDIOSET_WINDOW if target == "audioset64" else MTAT_FFT
    phases = np.arange(PHASES) / PHASES * 2 * np.pi
    turn = 2 * np.pi * bank.frequencies[:, None, None] * np.arange(length) / RATE_HZ
    heard = (bank.frequencies < RATE_HZ / 2).astype(np.float64)
    tones = torch.from_numpy(np.sin(turn + phases[:, None]) * heard[:, None, None]).float()  # (K, phases, length)
    if target == "audioset64":
        mel, power = audioset_frames(tones), False
    elif target in ("htk96", "htk128"):
        mel, power = htk_frames(tones, htk_filterbank(int(target[3:]))), True
    else:
        raise MelMismatchError(f"no way is known from '{tone.name}' to a front-end '{target}'. Use yamnet, or folds.")
    read = bank.response(bank.frequencies)
    total = (read**2 if power else read).sum(axis=1)
    return (mel.mean(dim=-1) / torch.from_numpy(total).float()[:, None]).T.contiguous()


class ToneBridge(nn.Module):
    """Rows of the constant-Q to a network's linear mel. Shape: (B, K, T) -> (B, F, T * bar_frames / tone.bar_frames)."""

    map: Tensor
    time: Tensor

    def __init__(self, tone: ToneConfig, target: str, *, power: bool, bar_frames: int) -> None:
        """`target` names the front-end, `power` asks for squares, `bar_frames` is the network's frames per bar."""
        super().__init__()
        self.power = power
        self.register_buffer("map", tone_map(tone, target), persistent=False)
        self.register_buffer("time", time_weights(tone.bar_frames, bar_frames), persistent=False)

    def forward(self, log_rows: Tensor) -> Tensor:
        linear = torch.exp(log_rows * (2 * LN10 if self.power else LN10))
        return self.map @ resize(linear, self.time)

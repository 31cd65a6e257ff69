"""The bridge: from our log-mel to a pre-trained network's own linear mel, differentiably.

10 ** log-mel (squared where the network wants power) -> the network's frame rate -> a fixed non-negative mel-to-mel map,
fitted once on real audio (`scripts/fit_bridges.py`). The network's own log follows in its own file.

The frame rate changes by a ratio of small whole numbers, block by block (256 -> 192 frames a bar: four frames become
three), so nothing wraps and nothing needs to: rolling our log-mel by whole blocks rolls the result, exactly.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from loopwright.config import MelConfig
from loopwright.errors import MelMismatchError
from loopwright.files import load_tensors

MAPS_FILE = Path(__file__).parent / "data" / "bridges.safetensors"
SPECTRAL_FIELDS = ("rate_hz", "n_fft", "n_mels", "fmin_hz", "fmax_hz")  # what a map depends on; the hop is not among them
LN10 = math.log(10.0)
LOOP_MEAN, LOOP_SPREAD = -2.4, 1.1  # decades: log-mels of loops, all bands together


@functools.lru_cache(maxsize=1)
def _maps() -> tuple[dict[str, Tensor], dict[str, dict[str, float]]]:
    tensors, header = load_tensors(MAPS_FILE)
    return tensors, header["sources"]


def mel_map(mel: MelConfig, target: str) -> Tensor | None:
    """The non-negative map (F, M) from the linear mel of `mel` to `target`; None where none is needed.

    Raises MelMismatchError if none was fitted for these settings.
    """
    tensors, sources = _maps()
    for source, settings in sources.items():
        if all(getattr(mel, field) == settings[field] for field in SPECTRAL_FIELDS):
            return None if source == target else tensors[f"{source}.{target}"]
    raise MelMismatchError(
        f"no bridge to pre-trained networks was fitted for mel settings '{mel.name}' ({mel.n_mels} bands, n_fft {mel.n_fft}, "
        f"{mel.rate_hz} Hz). Use one of: {', '.join(sources)}, paper16; or add them to scripts/fit_bridges.py and run it."
    )


def time_weights(frames_in: int, frames_out: int) -> Tensor:
    """One block of the change of frame rate: linear interpolation at the centres of the new frames.

    Returns (p, q) with p/q = frames_in/frames_out in lowest terms; columns sum to 1. The new frames' centres lie
    symmetrically in the block, so no block needs its neighbour.
    """
    common = math.gcd(frames_in, frames_out)
    p, q = frames_in // common, frames_out // common
    if p % q == 0:  # a whole number of frames becomes one: their mean
        return torch.full((p, 1), 1.0 / p)
    weights = torch.zeros(p, q)
    for j in range(q):
        centre = min(max((j + 0.5) * p / q - 0.5, 0.0), p - 1.0)
        low = min(int(centre), max(p - 2, 0))
        weights[low, j] += 1 - (centre - low)
        if p > 1:
            weights[low + 1, j] += centre - low
    return weights


class Bridge(nn.Module):
    """Our log-mel to a network's linear mel. Shape: (B, M, T) -> (B, F, T * bar_frames / mel.bar_frames)."""

    map: Tensor | None
    time: Tensor | None

    def __init__(self, mel: MelConfig, target: str, *, power: bool, bar_frames: int) -> None:
        """`target` names the map, `power` asks for squares, `bar_frames` is the network's frames per bar.

        Settings that are not circular keep their own frames: the published 10 ms hop is the networks' own.
        """
        super().__init__()
        self.mel = mel
        self.power = power
        weights = time_weights(mel.bar_frames, bar_frames if mel.circular else mel.bar_frames)
        self.register_buffer("time", None if weights.shape == (1, 1) else weights, persistent=False)
        self.register_buffer("map", mel_map(mel, target), persistent=False)

    def forward(self, log_mel: Tensor) -> Tensor:
        linear = torch.exp(log_mel * (2 * LN10 if self.power else LN10))
        if self.time is not None:
            block = self.time.shape[0]
            if linear.shape[-1] % block:
                raise MelMismatchError(
                    f"log-mels of '{self.mel.name}' need a multiple of {block} frames here, got {linear.shape[-1]}. "
                    f"Whole bars have {self.mel.bar_frames}."
                )
            linear = (linear.reshape(*linear.shape[:-1], -1, block) @ self.time).flatten(-2)
        return linear if self.map is None else self.map @ linear


class DirectView(nn.Module):
    """Our log-mel as a picture for a network: bands and frames resized to its own, decades to its own range, nothing lost.

    The bridge tells a network what it would have heard, and so hides what it cannot hear: levels below its log's offset
    (YAMNet: -60 dB), frequencies above its top band, and the null space of the mel-to-mel map. A generator is then free to
    draw anything there, and ours did. Here every cell of the log-mel reaches the network, at the price that its bands are not
    the frequencies they were trained on. For discriminators; judges keep the bridge.

    Shape: (B, M, T) -> (B, 1, F, T * bar_frames / mel.bar_frames).
    """

    time: Tensor
    bands: Tensor

    def __init__(self, mel: MelConfig, *, bands: int, bar_frames: int, typical: tuple[float, float]) -> None:
        """`bands`, `bar_frames`: of the network's input; `typical`: mean and standard deviation of that input on loops."""
        super().__init__()
        self.mel = mel
        self.typical = typical
        self.register_buffer(
            "time", time_weights(mel.bar_frames, bar_frames if mel.circular else mel.bar_frames), persistent=False
        )
        self.register_buffer("bands", time_weights(mel.n_mels, bands), persistent=False)

    def forward(self, log_mel: Tensor) -> Tensor:
        mean, spread = self.typical
        x = resize(resize(log_mel, self.time).transpose(1, 2), self.bands).transpose(1, 2)
        return ((x - LOOP_MEAN) * (spread / LOOP_SPREAD) + mean)[:, None]


def resize(x: Tensor, weights: Tensor) -> Tensor:
    """Resize the last axis block by block with `time_weights`. (..., n * p) -> (..., n * q)."""
    block = weights.shape[0]
    if x.shape[-1] % block:
        raise MelMismatchError(
            f"log-mels need a multiple of {block} frames (and bands) here, got {x.shape[-1]}. Use whole bars."
        )
    return x if weights.shape == (1, 1) else (x.reshape(*x.shape[:-1], -1, block) @ weights).flatten(-2)

"""Our own loop-style network: a Short-Chunk ResNet on the mel of `loop16` at half its frame rate, circular in time. MIT.

Trained by `loopwright train classifier`; its file says how wide it is, how many layers and which classes it has. It is
both a domain-specific feature network and the judge of the Inception score. Any of our mels reaches it through a bridge.
Shapes: B batch, N samples at 16 kHz, F bands (64), U frames (128 a bar: 15.6 ms, as the paper's).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import linear

from loopwright.audio.mel import LogMel
from loopwright.config import LOOP16, MelConfig
from loopwright.features.base import Tap
from loopwright.features.bridge import Bridge
from loopwright.features.mtat import RANDOM_STD_DB
from loopwright.features.short_chunk import ShortChunkRes, short_chunk_layout, widths

FRAMES = 128


def style_bridge(mel: MelConfig) -> Bridge:
    """From log-mels of any circular representation to the linear mel this network sees."""
    return Bridge(mel, "loop16", power=False, bar_frames=FRAMES)


class ScnnLoop(ShortChunkRes):
    """Loop-style classifier on log10 mels (B, 1, 64, U). Taps after layers 1 to 4."""

    name: ClassVar[str] = "scnn_loop"
    taps: tuple[Tap, ...] = tuple(Tap(f"layer{i}", c, 2**i) for i, c in enumerate((16, 16, 32, 32), start=1))
    bars_at_once: ClassVar[int] = 16
    mel_map: ClassVar[str] = "loop16"
    n_bands: ClassVar[int] = 64
    power: ClassVar[bool] = False
    bar_frames: ClassVar[int] = FRAMES
    typical: ClassVar[tuple[float, float]] = (-2.3, 1.0)
    dim: int = 64
    min_samples: ClassVar[int] = 32_000

    @classmethod
    def layout(cls) -> dict[str, tuple[int, ...]]:
        return short_chunk_layout(16, 6, 18)

    @classmethod
    def layout_of(cls, tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
        needed = ("layer1.conv_2.weight", "dense2.weight")
        if any(key not in tensors for key in needed):
            return cls.layout()
        layers = sum(key.endswith(".conv_2.weight") for key in tensors)
        return short_chunk_layout(len(tensors[needed[0]]), max(layers, 4), len(tensors[needed[1]]))

    @classmethod
    def random_tensors(cls, seed: int, *, head: bool = True) -> dict[str, Tensor]:
        tensors = super().random_tensors(seed, head=head)
        # log10 of a magnitude is a twentieth of its dB
        tensors["spec_bn.running_mean"] = torch.full((1,), -2.0)
        tensors["spec_bn.running_var"] = torch.full((1,), (RANDOM_STD_DB / 20) ** 2)
        return tensors

    def prepare(self, tensors: dict[str, Tensor]) -> None:
        self.n_layers = sum(key.endswith(".conv_2.weight") for key in tensors)
        channels = widths(len(tensors["layer1.conv_2.weight"]), self.n_layers)
        self.taps = tuple(Tap(f"layer{i}", channels[i], 2**i) for i in range(1, 5))
        self.dim = len(tensors["dense1.bias"])
        super().prepare(tensors)

    def frontend(self, waveform: Tensor) -> Tensor:
        """Linear mel of a loop: frames wrap. (B, N) -> (B, 64, N // 250); what is over whole frames is left out."""
        cell = LOOP16.hop * LOOP16.bar_frames // FRAMES
        log_mel = LogMel(LOOP16).to(waveform.device)(waveform[:, : waveform.shape[1] // cell * cell])
        return style_bridge(LOOP16).to(waveform.device)(log_mel)

    def compress(self, linear_mel: Tensor) -> Tensor:
        return linear_mel.clamp_min(LOOP16.log_floor).log10()[:, None]

    def embed_waveform(self, waveform: Tensor) -> Tensor:
        return self.embed(self.compress(self.frontend(waveform)), circular=True)

    def logits(self, x: Tensor, *, circular: bool = True) -> Tensor:
        """Scores before the softmax. (B, 1, 64, U) -> (B, classes)."""
        return linear(self.embed(x, circular=circular), self.get("dense2.weight"), self.get("dense2.bias"))

    def probabilities_of_waveform(self, waveform: Tensor) -> Tensor:
        return self.logits(self.compress(self.frontend(waveform))).softmax(dim=1)

    @property
    def classes(self) -> tuple[str, ...]:
        count = len(self.get("dense2.bias"))
        return tuple(self.header.get("classes") or (f"style {number}" for number in range(count)))

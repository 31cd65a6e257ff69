"""Musicnn (Pons and Serra) as trained by Won et al. on MagnaTagATune. MIT, MTG UPF. An independent judge.

Musically shaped filters: tall ones for timbre, long ones for rhythm. Its features are one-dimensional in time, so it is
no pyramid for a discriminator; its 200-d embedding judges. Shapes: B batch, F bands (96), U frames.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import conv1d, conv2d, pad

from loopwright.features.mtat import MtatNetwork, bn_layout, conv_layout, head_layout

TIMBRE = ((0, 67), (1, 38))  # (number, height of the filters); 7 frames wide
RHYTHM = ((2, 129), (3, 65), (4, 33))  # (number, length of the filters)
BACK = ((1, 561), (2, 64), (3, 64))  # (number, channels in)


class Musicnn(MtatNetwork):
    """Musicnn on dB mels (B, 1, 96, U)."""

    name: ClassVar[str] = "musicnn"
    mel_map: ClassVar[str] = "htk96"
    n_bands: ClassVar[int] = 96
    dim: int = 200

    @classmethod
    def layout(cls) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {"mel_fb": (257, 96)} | bn_layout("spec_bn", 1)
        for number, height in TIMBRE:
            shapes |= conv_layout(f"layers.{number}", 204, 1, height, 7)
        for number, length in RHYTHM:
            shapes |= conv_layout(f"layers.{number}", 51, 1, length)
        for number, into in BACK:
            shapes |= conv_layout(f"layer{number}", 64, into, 7)
        return shapes | head_layout(1506, 200, 50)

    def prepare(self, tensors: dict[str, Tensor]) -> None:
        for key, value in tensors.items():
            if not key.startswith(("layer", "mel_fb")):
                self.keep(key, value)
        for key in [f"layers.{n}" for n, _ in (*TIMBRE, *RHYTHM)] + [f"layer{n}" for n, _ in BACK]:
            norm = self.norm_parts(tensors, f"{key}.bn")
            self.keep_conv(key, tensors[f"{key}.conv.weight"], tensors[f"{key}.conv.bias"], norm)

    def convolve(self, x: Tensor, key: str, circular: bool) -> Tensor:
        """Convolution along time (length kept), its BatchNorm, ReLU. (B, C, U) or (B, 1, F, U)."""
        weight, bias = self.get(f"{key}.weight"), self.get(f"{key}.bias")
        half = weight.shape[-1] // 2
        if circular:  # a 129-frame filter sees all 128 frames of a bar, so the circle may be needed more than once
            index = torch.arange(-half, x.shape[-1] + half, device=x.device) % x.shape[-1]
            x = x[..., index]
        else:
            x = pad(x, (half, half))
        x = (conv2d if weight.ndim == 4 else conv1d)(x, weight, bias)
        return (self.norm_of_batch(x, key) if self.batch_stats else x).relu()

    def embed(self, x: Tensor, *, circular: bool) -> Tensor:
        return self.head(self.pooled(x, circular=circular))[0]

    def pooled(self, x: Tensor, *, circular: bool) -> Tensor:
        """(B, 1, 96, U) -> (B, 1506): maximum, then mean over time, of all 753 channels."""
        x = self.batch_norm(x, "spec_bn")
        front = [self.convolve(x, f"layers.{number}", circular).amax(dim=2) for number, _ in TIMBRE]
        front += [self.convolve(x.mean(dim=2), f"layers.{number}", circular) for number, _ in RHYTHM]
        first = torch.cat(front, dim=1)
        r1 = self.convolve(first, "layer1", circular)
        r2 = self.convolve(r1, "layer2", circular) + r1
        r3 = self.convolve(r2, "layer3", circular) + r2
        everything = torch.cat([first, r1, r2, r3], dim=1)
        return torch.cat([everything.amax(dim=2), everything.mean(dim=2)], dim=1)

    def probabilities_of_waveform(self, waveform: Tensor) -> Tensor:
        return self.head(self.pooled(self.compress(self.frontend(waveform)), circular=False))[1]

"""The paper's Short-Chunk ResNet (Won et al., SMC 2020), in both widths its authors used.

`ShortChunkRes`: 128 wide, MagnaTagATune's 50 tags (SCNN_MTAT of the paper); `ShortChunkLoop`: 64 wide, 66 loop genres
(SCNN_Loop and the judge of its IS). For those who have these files; neither is distributed here.

Each layer halves both axes: conv stride 2, conv, and a convolution round them. Both convolutions on the layer's input run
as one. Shapes: B batch, F bands (128), U frames.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import relu_

from loopwright.features.base import Tap
from loopwright.features.mtat import MtatNetwork, bn_layout, head_layout, tags


def res_layout(key: str, out: int, into: int) -> dict[str, tuple[int, ...]]:
    """Keys of one residual layer: conv_1, conv_2, conv_3 (round) and bn_1, bn_2, bn_3."""
    shapes: dict[str, tuple[int, ...]] = {}
    for number, channels in ((1, into), (2, out), (3, into)):
        shapes |= {f"{key}.conv_{number}.weight": (out, channels, 3, 3), f"{key}.conv_{number}.bias": (out,)}
        shapes |= bn_layout(f"{key}.bn_{number}", out)
    return shapes


def widths(width: int, layers: int) -> tuple[int, ...]:
    """Channels before and after each layer: 7 layers of the published network, or fewer for fewer bands."""
    return (1, width, width, *[2 * width] * (layers - 3), 4 * width)


def short_chunk_layout(width: int, layers: int, n_classes: int) -> dict[str, tuple[int, ...]]:
    """All keys of a Short-Chunk ResNet, without the front-end."""
    channels = widths(width, layers)
    shapes = bn_layout("spec_bn", 1)
    for number in range(1, layers + 1):
        shapes |= res_layout(f"layer{number}", channels[number], channels[number - 1])
    return shapes | head_layout(4 * width, 4 * width, n_classes)


class ShortChunkRes(MtatNetwork):
    """Short-Chunk ResNet, 128 wide, on dB mels (B, 1, 128, U). Taps after layers 1 to 4."""

    name: ClassVar[str] = "short_chunk_res"
    width: ClassVar[int] = 128
    n_classes: ClassVar[int] = 50
    n_layers: int = 7
    taps: tuple[Tap, ...] = (
        Tap("layer1", 128, 2), Tap("layer2", 128, 4), Tap("layer3", 256, 8), Tap("layer4", 256, 16),
    )  # fmt: skip
    bars_at_once: ClassVar[int] = 4
    mel_map: ClassVar[str] = "htk128"
    n_bands: ClassVar[int] = 128
    dim: int = 512
    min_samples: ClassVar[int] = 512

    @classmethod
    def layout(cls) -> dict[str, tuple[int, ...]]:
        return {"mel_fb": (257, 128)} | short_chunk_layout(cls.width, 7, cls.n_classes)

    def prepare(self, tensors: dict[str, Tensor]) -> None:
        for key, value in tensors.items():
            if not key.startswith(("layer", "mel_fb")):
                self.keep(key, value)
        for number in range(1, self.n_layers + 1):
            layer = f"layer{number}"
            parts = {
                i: (tensors[f"{layer}.conv_{i}.weight"], tensors[f"{layer}.conv_{i}.bias"],
                    self.norm_parts(tensors, f"{layer}.bn_{i}"))
                for i in (1, 2, 3)
            }  # fmt: skip
            weight, bias = torch.cat([parts[1][0], parts[3][0]]), torch.cat([parts[1][1], parts[3][1]])
            norm = {part: torch.cat([parts[1][2][part], parts[3][2][part]]) for part in parts[1][2]}
            self.keep_conv(f"{layer}.in", weight, bias, norm)
            self.keep_conv(f"{layer}.out", *parts[2])

    def layers(self, x: Tensor, last: int, *, circular: bool) -> list[Tensor]:
        """Outputs of layers 1 to `last`."""
        outputs = []
        x = self.normalise(x)
        for number in range(1, last + 1):
            layer = f"layer{number}"
            # A circle of one or an odd number of frames has no halves: from there on, edges are zeros as in the original.
            ring = circular and x.shape[3] % 2 == 0
            inner, around = self.conv_norm(x, f"{layer}.in", circular=ring, stride=2).chunk(2, dim=1)
            x = relu_(self.conv_norm(inner.relu(), f"{layer}.out", circular=ring) + around)
            outputs.append(x)
        return outputs

    def pyramid(self, x: Tensor, *, circular: bool, depth: int) -> list[Tensor]:
        return self.layers(x, depth, circular=circular)

    def embed(self, x: Tensor, *, circular: bool) -> Tensor:
        return self.head(self.layers(x, self.n_layers, circular=circular)[-1].amax(dim=(2, 3)))[0]

    def probabilities_of_waveform(self, waveform: Tensor) -> Tensor:
        x = self.compress(self.frontend(waveform))
        return self.head(self.layers(x, self.n_layers, circular=False)[-1].amax(dim=(2, 3)))[1]

    @property
    def classes(self) -> tuple[str, ...]:
        return tags()


class ShortChunkLoop(ShortChunkRes):
    """The same, 64 wide, with 66 loop genres whose names its authors did not publish with the weights."""

    name: ClassVar[str] = "short_chunk_loop"
    width: ClassVar[int] = 64
    n_classes: ClassVar[int] = 66
    taps: tuple[Tap, ...] = (
        Tap("layer1", 64, 2), Tap("layer2", 64, 4), Tap("layer3", 128, 8), Tap("layer4", 128, 16),
    )  # fmt: skip
    dim: int = 256

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(f"genre {number}" for number in range(self.n_classes))

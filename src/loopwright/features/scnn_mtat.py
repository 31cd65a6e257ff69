"""A short-chunk CNN on separated sources: four branches of width 32 (bass, drums, other, vocals), MagnaTagATune tags.

By the author of the fork 7x11x13/sota-music-tagging-models, MIT. The mix goes into all four branches; their channels are
concatenated: 128, 128, 256, 256 at 1/2 to 1/16, the shape of the paper's SCNN_MTAT. All branches run as one pass of
grouped convolutions. Shapes: B batch, F bands (128), U frames.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, relu_

from loopwright.errors import InputError
from loopwright.features.base import Tap
from loopwright.features.mtat import MtatNetwork, bn_layout, conv_layout, head_layout

BRANCHES = 4
WIDTHS = (1, 32, 32, 64, 64, 64, 64, 128)  # channels per branch, before and after each layer


class ScnnMtat(MtatNetwork):
    """Four-branch short-chunk CNN on dB mels (B, 1, 128, U). Taps after layers 1 to 4."""

    name: ClassVar[str] = "scnn_mtat"
    taps: tuple[Tap, ...] = (
        Tap("layer1", 128, 2), Tap("layer2", 128, 4), Tap("layer3", 256, 8), Tap("layer4", 256, 16),
    )  # fmt: skip
    bars_at_once: ClassVar[int] = 2
    mel_map: ClassVar[str] = "htk128"
    n_bands: ClassVar[int] = 128
    branches: ClassVar[int] = BRANCHES
    dim: int = 128
    min_samples: ClassVar[int] = 127 * 256  # 128 frames: one cell after seven pools

    @classmethod
    def layout(cls) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {"mel_fb": (257, 128)} | bn_layout("spec_bn", BRANCHES)
        for number in range(1, 8):
            for branch in range(BRANCHES):
                shapes |= conv_layout(f"layer{number}.{branch}", WIDTHS[number], WIDTHS[number - 1], 3, 3)
        return shapes | head_layout(BRANCHES * WIDTHS[-1], 128, 50)

    def prepare(self, tensors: dict[str, Tensor]) -> None:
        for key, value in tensors.items():
            if not key.startswith(("layer", "mel_fb")):
                self.keep(key, value)
        for number in range(1, 8):
            keys = [f"layer{number}.{branch}" for branch in range(BRANCHES)]
            weight, bias = (torch.cat([tensors[f"{key}.conv.{part}"] for key in keys]) for part in ("weight", "bias"))
            norms = [self.norm_parts(tensors, f"{key}.bn") for key in keys]
            norm = {part: torch.cat([each[part] for each in norms]) for part in norms[0]}
            self.keep_conv(f"layer{number}", weight, bias, norm)

    def layers(self, x: Tensor, last: int, *, circular: bool) -> list[Tensor]:
        """Outputs of layers 1 to `last`: channels of branch 0, then of 1, 2, 3."""
        outputs = []
        x = self.normalise(x)
        for number in range(1, last + 1):
            x = self.conv_norm(x, f"layer{number}", circular=circular, groups=BRANCHES)
            x = relu_(max_pool2d(x, 2))  # they commute; this way round on a quarter of the cells
            outputs.append(x)
        return outputs

    def pyramid(self, x: Tensor, *, circular: bool, depth: int) -> list[Tensor]:
        return self.layers(x, depth, circular=circular)

    def pooled(self, x: Tensor, *, circular: bool) -> Tensor:
        """Strongest activation of each of the 512 channels of layer 7. (B, 1, 128, U) -> (B, 512); U at least 128."""
        if x.shape[3] < 128:
            raise InputError(f"the head of scnn_mtat needs 128 frames (2.04 s), got {x.shape[3]}. Give it a longer clip.")
        return self.layers(x, 7, circular=circular)[-1].amax(dim=(2, 3))

    def embed(self, x: Tensor, *, circular: bool) -> Tensor:
        return self.head(self.pooled(x, circular=circular))[0]

    def probabilities_of_waveform(self, waveform: Tensor) -> Tensor:
        return self.head(self.pooled(self.compress(self.frontend(waveform)), circular=False))[1]

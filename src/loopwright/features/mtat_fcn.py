"""FCN: the full-mix auto-tagger of Choi et al. as trained by Won et al. on MagnaTagATune. MIT, MTG UPF.

Its pools shrink time faster than frequency (2x4), so a bar gives three feature maps, at 1/4, 1/16 and 1/64 of its frames.
Shapes: B batch, F bands (96), U frames.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import linear, max_pool2d, relu_

from loopwright.errors import InputError
from loopwright.features.base import Tap
from loopwright.features.mtat import MtatNetwork, bn_layout, conv_layout

CHANNELS = (1, 64, 128, 128, 128, 64)
POOLS = ((2, 4), (2, 4), (2, 4), (3, 5), (4, 4))  # bands x frames


class MtatFcn(MtatNetwork):
    """FCN on dB mels (B, 1, 96, U). Taps after layers 1 to 3."""

    name: ClassVar[str] = "mtat_fcn"
    taps: tuple[Tap, ...] = (Tap("layer1", 64, 2, 4), Tap("layer2", 128, 4, 16), Tap("layer3", 128, 8, 64))
    bars_at_once: ClassVar[int] = 4
    mel_map: ClassVar[str] = "htk96"
    n_bands: ClassVar[int] = 96

    @classmethod
    def layout(cls) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {"mel_fb": (257, 96)} | bn_layout("spec_bn", 1)
        for number in range(1, 6):
            shapes |= conv_layout(f"layer{number}", CHANNELS[number], CHANNELS[number - 1], 3, 3)
        return shapes | {"dense.weight": (50, 64), "dense.bias": (50,)}

    def prepare(self, tensors: dict[str, Tensor]) -> None:
        for key, value in tensors.items():
            if not key.startswith(("layer", "mel_fb")):
                self.keep(key, value)
        for number in range(1, 6):
            key = f"layer{number}"
            norm = self.norm_parts(tensors, f"{key}.bn")
            self.keep_conv(key, tensors[f"{key}.conv.weight"], tensors[f"{key}.conv.bias"], norm)

    def layers(self, x: Tensor, last: int, *, circular: bool) -> list[Tensor]:
        """Outputs of layers 1 to `last`."""
        outputs = []
        x = self.normalise(x)
        for number in range(1, last + 1):
            x = max_pool2d(relu_(self.conv_norm(x, f"layer{number}", circular=circular)), POOLS[number - 1])
            outputs.append(x)
        return outputs

    def pyramid(self, x: Tensor, *, circular: bool, depth: int) -> list[Tensor]:
        return self.layers(x, depth, circular=circular)

    def probabilities_of_waveform(self, waveform: Tensor) -> Tensor:
        """Of clips of 29 s: shorter ones do not survive the five pools."""
        x = self.compress(self.frontend(waveform))
        if x.shape[3] < 4**4 * 5:
            raise InputError(f"mtat_fcn tags clips of 29 s (at least {4**4 * 5} frames), got {x.shape[3]} frames.")
        x = self.layers(x, 5, circular=False)[-1].flatten(1)
        return linear(x, self.get("dense.weight"), self.get("dense.bias")).sigmoid()

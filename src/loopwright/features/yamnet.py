"""YAMNet: MobileNet v1 on AudioSet, 521 classes. By The TensorFlow Authors (google/yamnet/1), Apache-2.0.

Layers 2, 4, 6 and 8 have exactly the channels and sizes of VGGish's four pooling stages. BatchNorm is folded into the
weights, so there are no statistics to freeze. Values to check by: checks.py.

Shapes: B batch, F bands (64), U frames, C channels.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import conv2d, linear, relu_

from loopwright.errors import WeightsError
from loopwright.features.audioset import AudioSetNetwork
from loopwright.features.base import Tap
from loopwright.features.convolution import same_conv

# (stride, channels out) of layers 1 to 14; layer 1 is an ordinary convolution, the others depthwise + pointwise.
LAYERS: tuple[tuple[int, int], ...] = (
    (2, 32), (1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512),
    (1, 512), (1, 512), (1, 512), (1, 512), (1, 512), (2, 1024), (1, 1024),
)  # fmt: skip
PATCH_FRAMES, PATCH_HOP = 96, 48
KERAS_BN_EPS = 1e-4
CLASS_MAP = Path(__file__).parent / "data" / "yamnet_class_map.csv"


class Yamnet(AudioSetNetwork):
    """YAMNet on log-mels (B, 1, 64, U). Taps after layers 2, 4, 6, 8: 64, 128, 256, 512 channels at 1/2 to 1/16."""

    name: ClassVar[str] = "yamnet"
    log_offset: ClassVar[float] = 1e-3
    taps: tuple[Tap, ...] = (
        Tap("layer2", 64, 2), Tap("layer4", 128, 4), Tap("layer6", 256, 8), Tap("layer8", 512, 16),
    )  # fmt: skip
    head_keys: ClassVar[tuple[str, ...]] = (
        "layer9.", "layer10.", "layer11.", "layer12.", "layer13.", "layer14.", "dense.",
    )  # fmt: skip
    dim: int = 1024

    @classmethod
    def layout(cls) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {"layer1.conv.weight": (32, 1, 3, 3), "layer1.conv.bias": (32,)}
        for number in range(2, 15):
            c, k = LAYERS[number - 2][1], LAYERS[number - 1][1]
            shapes |= {
                f"layer{number}.depthwise_conv.weight": (c, 1, 3, 3),
                f"layer{number}.depthwise_conv.bias": (c,),
                f"layer{number}.pointwise_conv.weight": (k, c, 1, 1),
                f"layer{number}.pointwise_conv.bias": (k,),
            }
        return shapes | {"dense.weight": (521, 1024), "dense.bias": (521,)}

    @classmethod
    def adapt(cls, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Also from the publisher's Keras h5: kernels transposed, BatchNorm (no scale, eps 1e-4) folded in."""
        if not any(key.endswith("moving_mean:0") for key in tensors):
            return tensors
        found = {"/".join(key.removesuffix(":0").split("/")[-3:]): value for key, value in tensors.items()}
        found |= {"/".join(key.removesuffix(":0").split("/")[-4:]): value for key, value in tensors.items()}
        out: dict[str, Tensor] = {}
        try:
            for key in cls.layout():
                if not key.endswith(".weight"):
                    continue
                layer = key.removesuffix(".weight").replace(".", "/")
                if layer == "dense":
                    dense = {k.rsplit("/", 1)[-1]: v for k, v in found.items() if "logits/" in k}
                    out["dense.weight"], out["dense.bias"] = dense["kernel"].T, dense["bias"]
                    continue
                depthwise = layer.endswith("depthwise_conv")
                kernel = found[f"{layer}/{'depthwise_kernel' if depthwise else 'kernel'}"]
                kernel = kernel.permute(2, 3, 0, 1) if depthwise else kernel.permute(3, 2, 0, 1)  # HWCM, HWIO
                scale = (found[f"{layer}/bn/moving_variance"] + KERAS_BN_EPS).rsqrt()
                out[key] = kernel * scale[:, None, None, None]
                out[key.replace(".weight", ".bias")] = found[f"{layer}/bn/beta"] - found[f"{layer}/bn/moving_mean"] * scale
        except KeyError as error:
            raise WeightsError(f"these are not the weights of yamnet: no {error} among its Keras layers.") from error
        return out

    def layers(self, x: Tensor, last: int, *, circular: bool) -> dict[int, Tensor]:
        """Outputs of layers 1 to `last` for input (B, 1, F, U), by layer number."""
        # One channel: both memory orders are the same bytes, so name the one that is quick: channels last.
        x = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        outputs = {}
        for number in range(1, last + 1):
            stride, _ = LAYERS[number - 1]
            name = "layer1.conv" if number == 1 else f"layer{number}.depthwise_conv"
            weight, bias = self.get(f"{name}.weight"), self.get(f"{name}.bias")
            groups = 1 if number == 1 else len(weight)
            x = relu_(same_conv(x, weight, bias, circular=circular, stride=stride, groups=groups, tensorflow=True))
            if number > 1:
                name = f"layer{number}.pointwise_conv"
                x = relu_(conv2d(x, self.get(f"{name}.weight"), self.get(f"{name}.bias")))
            outputs[number] = x
        return outputs

    def pyramid(self, x: Tensor, *, circular: bool, depth: int) -> list[Tensor]:
        outputs = self.layers(x, 2 * depth, circular=circular)
        return [outputs[2 * stage] for stage in range(1, depth + 1)]

    def embed(self, x: Tensor, *, circular: bool) -> Tensor:
        return self.layers(x, 14, circular=circular)[14].mean(dim=(2, 3))

    def patches(self, waveform: Tensor) -> Tensor:
        """The official patches of 0.96 s every 0.48 s. (B, N) -> (B * P, 1, 64, 96), clip by clip."""
        x = self.compress(self.frontend(waveform))
        return x.unfold(3, PATCH_FRAMES, PATCH_HOP).permute(0, 3, 1, 2, 4).flatten(0, 1)

    def embed_waveform(self, waveform: Tensor) -> Tensor:
        vectors = self.embed(self.patches(waveform), circular=False)
        return vectors.reshape(len(waveform), -1, self.dim).mean(dim=1)

    def probabilities_of_waveform(self, waveform: Tensor) -> Tensor:
        vectors = self.embed(self.patches(waveform), circular=False)
        scores = linear(vectors, self.get("dense.weight"), self.get("dense.bias")).sigmoid()
        return scores.reshape(len(waveform), -1, len(self.classes)).mean(dim=1)

    @property
    def classes(self) -> tuple[str, ...]:
        return _class_names()


@functools.lru_cache(maxsize=1)
def _class_names() -> tuple[str, ...]:
    """The 521 display names of the published class map."""
    with CLASS_MAP.open(encoding="utf-8", newline="") as handle:
        return tuple(row["display_name"] for row in csv.DictReader(handle))

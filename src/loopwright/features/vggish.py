"""VGGish: VGG-11-like network on AudioSet/YouTube audio. The TensorFlow Authors, Apache-2.0 (research/audioset/vggish).

Reads the published PyTorch state dict and a file with the original TensorFlow names. No weights are
distributed here. Front-end: YAMNet's, with offset 0.01. Shapes: B batch, F bands (64), U frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import linear, max_pool2d, relu, relu_

from loopwright.features.audioset import AudioSetNetwork
from loopwright.features.base import Tap
from loopwright.features.convolution import same_conv

PATCH_FRAMES, PATCH_HOP = 96, 48
# (PyTorch number, TensorFlow name, channels in, channels out, pool after it)
CONVOLUTIONS: tuple[tuple[int, str, int, int, bool], ...] = (
    (0, "conv1", 1, 64, True),
    (3, "conv2", 64, 128, True),
    (6, "conv3/conv3_1", 128, 256, False),
    (8, "conv3/conv3_2", 256, 256, True),
    (11, "conv4/conv4_1", 256, 512, False),
    (13, "conv4/conv4_2", 512, 512, True),
)
DENSE: tuple[tuple[int, str, int, int], ...] = (
    (0, "fc1/fc1_1", 12288, 4096),
    (2, "fc1/fc1_2", 4096, 4096),
    (4, "fc2", 4096, 128),
)
PCA_KEYS = ("pca_eigen_vectors", "pca_means", "pproc.pca_eigen_vectors", "pproc.pca_means")


class Vggish(AudioSetNetwork):
    """VGGish on log-mels (B, 1, 64, U). Taps after its four pools: 64, 128, 256, 512 channels at 1/2 to 1/16."""

    name: ClassVar[str] = "vggish"
    log_offset: ClassVar[float] = 1e-2
    taps: tuple[Tap, ...] = (
        Tap("pool1", 64, 2), Tap("pool2", 128, 4), Tap("pool3", 256, 8), Tap("pool4", 512, 16),
    )  # fmt: skip
    head_keys: ClassVar[tuple[str, ...]] = ("embeddings.",)
    bars_at_once: ClassVar[int] = 4
    dim: int = 128

    @classmethod
    def layout(cls) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for number, _, into, out, _ in CONVOLUTIONS:
            shapes |= {f"features.{number}.weight": (out, into, 3, 3), f"features.{number}.bias": (out,)}
        for number, _, into, out in DENSE:
            shapes |= {f"embeddings.{number}.weight": (out, into), f"embeddings.{number}.bias": (out,)}
        return shapes

    @classmethod
    def adapt(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """PyTorch layout from a file of either kind: TensorFlow names are renamed and transposed, PCA is left out."""
        if not any(key.startswith("vggish/") for key in tensors):
            return {key: value for key, value in tensors.items() if key not in PCA_KEYS}
        out: dict[str, Tensor] = {}
        for key, value in tensors.items():
            prefix, _, kind = key.removeprefix("vggish/").removesuffix(":0").rpartition("/")
            conv = [number for number, name, *_ in CONVOLUTIONS if name == prefix]
            dense = [number for number, name, *_ in DENSE if name == prefix]
            if kind not in ("weights", "biases") or not (conv or dense):
                continue  # optimiser state, global step
            new = f"features.{conv[0]}" if conv else f"embeddings.{dense[0]}"
            if kind == "biases":
                out[f"{new}.bias"] = value
            elif conv:
                out[f"{new}.weight"] = value.permute(3, 2, 0, 1)  # HWIO
            else:
                out[f"{new}.weight"] = value.T  # [in, out]
        return out

    def pyramid(self, x: Tensor, *, circular: bool, depth: int) -> list[Tensor]:
        x = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)  # channels last
        outputs = []
        for number, _, _, _, pool in CONVOLUTIONS:
            weight, bias = self.get(f"features.{number}.weight"), self.get(f"features.{number}.bias")
            x = relu_(same_conv(x, weight, bias, circular=circular))
            if pool:
                x = max_pool2d(x, 2)
                outputs.append(x)
                if len(outputs) == depth:
                    break
        return outputs

    def embed_patches(self, patches: Tensor) -> Tensor:
        """Patches (P, 1, 64, 96) -> (P, 128), with the final ReLU of the publisher."""
        x = self.pyramid(patches, circular=False, depth=4)[-1]
        x = x.permute(0, 3, 2, 1).flatten(1)  # time, mel, channel: the original's order
        for number, _, _, _ in DENSE:
            x = relu(linear(x, self.get(f"embeddings.{number}.weight"), self.get(f"embeddings.{number}.bias")))
        return x

    def embed(self, x: Tensor, *, circular: bool) -> Tensor:
        """Mean over patches of 96 frames every 48; on a circle the last one wraps."""
        if circular:
            x = torch.cat([x, x[..., :PATCH_HOP]], dim=3)
        patches = x.unfold(3, PATCH_FRAMES, PATCH_HOP).permute(0, 3, 1, 2, 4).flatten(0, 1)
        return self.embed_patches(patches).reshape(len(x), -1, self.dim).mean(dim=1)

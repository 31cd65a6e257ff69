"""What the auto-tagging networks of Won et al. (SMC 2020, MagnaTagATune, 50 tags) have in common. MIT licence, MTG UPF.

Their front-end is a dB mel of 32 ms windows every 16 ms, then a BatchNorm on the input. Layouts and front-end are
those of their published code; values to check by: checks.py. Shapes: B batch, N samples, F bands, U frames.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import linear

from loopwright.features.base import BATCH_NORM, Network
from loopwright.features.frontends import htk_filterbank, htk_mel

TAGS = Path(__file__).parent / "data" / "mtat_tags.json"
RANDOM_MEAN_DB, RANDOM_STD_DB = -20.0, 25.0  # what dB mels of music are like, for networks with random weights


@functools.lru_cache(maxsize=1)
def tags() -> tuple[str, ...]:
    """The 50 tags in output order."""
    return tuple(json.loads(TAGS.read_text(encoding="utf-8")))


def bn_layout(key: str, channels: int) -> dict[str, tuple[int, ...]]:
    """Keys of one BatchNorm."""
    return {f"{key}.{part}": (channels,) for part in BATCH_NORM}


def conv_layout(key: str, out: int, into: int, *kernel: int) -> dict[str, tuple[int, ...]]:
    """Keys of one convolution (with bias) and the BatchNorm after it: `key.conv`, `key.bn`."""
    return {f"{key}.conv.weight": (out, into, *kernel), f"{key}.conv.bias": (out,)} | bn_layout(f"{key}.bn", out)


def head_layout(into: int, hidden: int, out: int) -> dict[str, tuple[int, ...]]:
    """Keys of the two dense layers and the BatchNorm between them."""
    dense = {"dense1.weight": (hidden, into), "dense1.bias": (hidden,)}
    return dense | bn_layout("bn", hidden) | {"dense2.weight": (out, hidden), "dense2.bias": (out,)}


class MtatNetwork(Network):
    """Common front-end and head. A subclass gives `n_bands`, `branches`, `layout`, `pyramid` or `embed`."""

    typical: ClassVar[tuple[float, float]] = (-36.0, 18.0)
    branches: ClassVar[int] = 1
    power: ClassVar[bool] = True
    bar_frames: ClassVar[int] = 128  # 15.6 ms instead of 16: exactly two of our frames, and whole cells at every stride
    min_samples: ClassVar[int] = 512

    @classmethod
    def adapt(cls, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Our names for those of the published `.pth` files: counters and the standard window are left out."""
        out = {}
        for key, value in tensors.items():
            if key.endswith("num_batches_tracked") or key.endswith(".window"):
                continue
            if key.endswith("mel_scale.fb"):
                key = "mel_fb"
            out[key.replace("spec.bn.", "spec_bn.", 1) if key.startswith("spec.bn.") else key] = value
        return out

    @classmethod
    def random_tensors(cls, seed: int, *, head: bool = True) -> dict[str, Tensor]:
        tensors = super().random_tensors(seed, head=head)
        if "mel_fb" in tensors:
            tensors["mel_fb"] = htk_filterbank(cls.n_bands).T.contiguous()
        tensors["spec_bn.running_mean"] = torch.full_like(tensors["spec_bn.running_mean"], RANDOM_MEAN_DB)
        tensors["spec_bn.running_var"] = torch.full_like(tensors["spec_bn.running_var"], RANDOM_STD_DB**2)
        return tensors

    def frontend(self, waveform: Tensor) -> Tensor:
        return htk_mel(waveform, htk_filterbank(self.n_bands))

    def compress(self, linear_mel: Tensor) -> Tensor:
        """dB, without the BatchNorm on the input: that one belongs to the layers, which `batch_stats` changes."""
        return 10.0 * linear_mel.clamp_min(1e-10).log10()[:, None]

    def normalise(self, x: Tensor) -> Tensor:
        """The BatchNorm on the input, for each branch. (B, 1, F, U) -> (B, branches, F, U), channels last."""
        x = self.batch_norm(x.expand(-1, self.branches, -1, -1), "spec_bn")
        return x.contiguous(memory_format=torch.channels_last)

    def head(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) -> hidden layer (B, H) and probabilities (B, classes)."""
        hidden = linear(x, self.get("dense1.weight"), self.get("dense1.bias"))
        hidden = self.batch_norm(hidden, "bn").relu()
        return hidden, linear(hidden, self.get("dense2.weight"), self.get("dense2.bias")).sigmoid()

    @property
    def classes(self) -> tuple[str, ...]:
        return tags()

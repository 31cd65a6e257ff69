"""What a network of features is: its taps, its own front-end, its frozen weights, and the layout of its weight file.

Shapes: B batch, N samples, F bands and U frames of the network's own input,
C channels, D embedding size. Every network here has frequency on axis 2 and time on axis 3, whatever its publisher used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from loopwright.errors import WeightsError
from loopwright.features.convolution import same_conv

BATCH_NORM_EPS = 1e-5
NEGLIGIBLE = 1e-15
BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Tap:
    """A place where features are taken: its name, its channels, and how many input bands (and frames) make one cell.

    `time_stride` is 0 where frames go by the same stride as bands.
    """

    name: str
    channels: int
    stride: int
    time_stride: int = 0


class Network(nn.Module):
    """A frozen pre-trained network on its own input. One subclass a file.

    A subclass gives the class attributes below, `layout` (the exact keys and shapes of its weight file), `frontend`
    (waveform to linear mel, exact), `compress` (linear mel to its input) and `pyramid` (input to taps). One with an
    embedding gives `embed` and `dim`, one that classifies gives `probabilities_from` and `classes`.

    Weights are buffers that are not saved: frozen, out of reach of any optimizer, and no weight in a checkpoint.
    """

    name: ClassVar[str]
    taps: tuple[Tap, ...] = ()
    head_keys: ClassVar[tuple[str, ...]] = ()  # beginnings of the keys that no tap needs
    mel_map: ClassVar[str]  # which bridge map leads to its linear mel
    power: ClassVar[bool] = False  # is that mel made of power (else of magnitude)
    bar_frames: ClassVar[int]  # frames of its input per bar of 2 s, through the bridge
    n_bands: ClassVar[int]  # of its input
    typical: ClassVar[tuple[float, float]]  # mean and standard deviation of its input on loops, for the direct view
    rate_hz: ClassVar[int] = 16_000
    bars_at_once: ClassVar[int] = 16  # on a CPU: so many that no activation is above 32 MB (see FeatureNetwork.pyramid)
    dim: int = 0  # size of its embedding
    min_samples: ClassVar[int] = 0  # shortest waveform it can judge

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        *,
        batch_stats: bool = False,
        head: bool = True,
        header: Mapping[str, Any] | None = None,
    ) -> None:
        """`tensors` must match the layout.

        `batch_stats`: BatchNorm with the statistics of the batch, as published. `head`: without it, only what the taps
        need is kept. `header`: what the file says of itself, for networks of ours.
        """
        super().__init__()
        self.batch_stats = batch_stats
        self.has_head = head
        self.header = dict(header or {})
        layout = self.layout_of(tensors)
        if not head:
            layout = {key: shape for key, shape in layout.items() if not key.startswith(self.head_keys or "\0")}
            tensors = {key: value for key, value in tensors.items() if not key.startswith(self.head_keys or "\0")}
        check_layout(self.name, layout, tensors)
        self.prepare({key: value.detach().float() for key, value in tensors.items()})
        self.requires_grad_(False)
        super().train(False)

    @classmethod
    def layout(cls) -> dict[str, tuple[int, ...]]:
        """Keys and shapes of the weight file."""
        raise NotImplementedError

    @classmethod
    def layout_of(cls, tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:  # noqa: ARG003
        """The layout that a file with these tensors should have, for networks that come in sizes; here: `layout`."""
        return cls.layout()

    @classmethod
    def adapt(cls, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The tensors of `layout` from those of a publisher's file of another layout; here: as they are."""
        return tensors

    @classmethod
    def random_tensors(cls, seed: int, *, head: bool = True) -> dict[str, Tensor]:
        """Weights of the right shapes: He-normal, biases 0, BatchNorm the identity. What does pre-training buy?"""
        generator = torch.Generator().manual_seed(seed)
        tensors = {}
        for key, shape in cls.layout().items():
            if not head and key.startswith(cls.head_keys or "\0"):
                continue
            kind = key.rsplit(".", 1)[-1]
            if len(shape) > 1:
                fan_in = math.prod(shape[1:])
                tensors[key] = torch.randn(shape, generator=generator) * (2 / fan_in) ** 0.5
            else:  # a one-dimensional "weight" belongs to a BatchNorm
                tensors[key] = torch.ones(shape) if kind in ("weight", "running_var") else torch.zeros(shape)
        return tensors

    def prepare(self, tensors: dict[str, Tensor]) -> None:
        """Turn the tensors of the file into what `pyramid` computes with; here: keep them all as they are."""
        for key, value in tensors.items():
            self.keep(key, value)

    def keep(self, key: str, value: Tensor) -> None:
        """Hold a tensor under the key of the file; `self.get(key)` gives it back."""
        self.register_buffer(key.replace(".", "__"), value, persistent=False)

    def get(self, key: str) -> Tensor:
        """The tensor kept under `key`."""
        tensor = self._buffers[key.replace(".", "__")]
        assert tensor is not None
        return tensor

    def batch_norm(self, x: Tensor, key: str) -> Tensor:
        """BatchNorm `key` (eps 1e-5): frozen statistics, or the batch's own if `batch_stats`. (B, C, ...)."""
        weight, bias, mean, var = (self.get(f"{key}.{part}") for part in BATCH_NORM)
        if self.batch_stats:
            return nn.functional.batch_norm(x, None, None, weight, bias, training=True, eps=BATCH_NORM_EPS)
        return nn.functional.batch_norm(x, mean, var, weight, bias, training=False, eps=BATCH_NORM_EPS)

    def norm_parts(self, tensors: Mapping[str, Tensor], key: str) -> dict[str, Tensor]:
        """The four vectors of BatchNorm `key`."""
        return {part: tensors[f"{key}.{part}"] for part in BATCH_NORM}

    def keep_conv(self, key: str, weight: Tensor, bias: Tensor | None, norm: Mapping[str, Tensor]) -> None:
        """Hold a convolution and the BatchNorm after it: one folded convolution, or both for `batch_stats`."""
        bias = torch.zeros(len(weight)) if bias is None else bias
        if self.batch_stats:
            for part in ("weight", "bias"):
                self.keep(f"{key}.norm.{part}", norm[part])
        else:
            scale = norm["weight"] / (norm["running_var"] + BATCH_NORM_EPS).sqrt()
            weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
            bias = (bias - norm["running_mean"]) * scale + norm["bias"]
        if weight.ndim == 4:
            weight = weight.contiguous(memory_format=torch.channels_last)
        # Weight decay has left dead channels with weights near 1e-40. Arithmetic on such subnormal numbers is a hundred
        # times slower than on others, and they add nothing.
        self.keep(f"{key}.weight", torch.where(weight.abs() < NEGLIGIBLE, 0.0, weight))
        self.keep(f"{key}.bias", torch.where(bias.abs() < NEGLIGIBLE, 0.0, bias))

    def conv_norm(self, x: Tensor, key: str, *, circular: bool, stride: int = 1, groups: int = 1) -> Tensor:
        """A 3x3 convolution kept by `keep_conv`, with its BatchNorm. (B, C, F, U) -> (B, K, F/stride, U/stride)."""
        weight, bias = self.get(f"{key}.weight"), self.get(f"{key}.bias")
        x = same_conv(x, weight, bias, circular=circular, stride=stride, groups=groups)
        return self.norm_of_batch(x, key) if self.batch_stats else x

    def norm_of_batch(self, x: Tensor, key: str) -> Tensor:
        """The BatchNorm after `key` with the statistics of this batch."""
        weight, bias = self.get(f"{key}.norm.weight"), self.get(f"{key}.norm.bias")
        return nn.functional.batch_norm(x, None, None, weight, bias, training=True, eps=BATCH_NORM_EPS)

    def train(self, mode: bool = True) -> Network:  # noqa: ARG002
        """Stay in eval mode, whatever the module around it does: features must not depend on the batch."""
        return super().train(False)

    def frontend(self, waveform: Tensor) -> Tensor:
        """The network's own linear mel of 16 kHz audio, exact. (B, N) -> (B, F, U)."""
        raise NotImplementedError

    def compress(self, linear_mel: Tensor) -> Tensor:
        """The network's own log. (B, F, U) -> its input (B, 1, F, U)."""
        raise NotImplementedError

    def pyramid(self, x: Tensor, *, circular: bool, depth: int) -> list[Tensor]:
        """The first `depth` taps of input (B, 1, F, U): each (B, C, F/stride, U/stride). Stops after the last one."""
        raise NotImplementedError

    def embed(self, x: Tensor, *, circular: bool) -> Tensor:
        """One vector for each input (B, 1, F, U) -> (B, D)."""
        raise NotImplementedError

    def embed_waveform(self, waveform: Tensor) -> Tensor:
        """One vector for each clip, as the publisher does it. (B, N) at 16 kHz -> (B, D)."""
        return self.embed(self.compress(self.frontend(waveform)), circular=False)

    def probabilities_of_waveform(self, waveform: Tensor) -> Tensor:  # noqa: ARG002
        """Class probabilities for each clip, as the publisher does it. (B, N) at 16 kHz -> (B, classes)."""
        raise WeightsError(f"{self.name} does not classify. Use a network that does: yamnet, musicnn, scnn_mtat, scnn_loop.")

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities; () for a network that does not classify."""
        return ()


def check_layout(name: str, layout: Mapping[str, tuple[int, ...]], tensors: Mapping[str, Tensor]) -> None:
    """Raise WeightsError unless `tensors` has exactly the keys and shapes of `layout`, all finite."""
    missing = [key for key in layout if key not in tensors]
    extra = [key for key in tensors if key not in layout]
    wrong = [key for key in layout if key in tensors and tuple(tensors[key].shape) != layout[key]]
    problem = ""
    if missing:
        problem = f"{len(missing)} tensors are missing ({', '.join(missing[:3])}, ...)"
    elif wrong:
        key = wrong[0]
        problem = f"{key} has shape {list(tensors[key].shape)}, should be {list(layout[key])}"
    elif extra:
        problem = f"it has {len(extra)} tensors too many ({', '.join(extra[:3])}, ...)"
    elif bad := [key for key in layout if not torch.isfinite(tensors[key]).all()]:
        problem = f"{bad[0]} holds NaN or infinity"
    if problem:
        raise WeightsError(
            f"these are not the weights of {name}: {problem}. `loopwright features list` says which file is whose."
        )

"""MelGAN (Kumar et al., arXiv 1910.06711) as the paper used it, and its circular twin.

Layer for layer the published generator: ngf 32, three dilated residual blocks per stage, ratios that multiply to the hop
(paper16: 5, 4, 4, 2; written in the header, so other hops work too). The paper's pads by reflection and so has seams; the
twin only replaces padding by wrap-around, the weights fit both. Its discriminators are here too.

Shapes: B batch, M mel bands, T frames, N = T * hop samples.
"""

from __future__ import annotations

import math

import torch
from pydantic import BaseModel, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from loopwright.config import MelConfig
from loopwright.errors import ConfigError
from loopwright.vocoder.base import Vocoder


class MelGanConfig(BaseModel, frozen=True, extra="forbid"):
    """Size of a MelGAN. The defaults are the paper's."""

    width: PositiveInt = 32  # ngf
    residual_layers: PositiveInt = 3
    ratios: tuple[PositiveInt, ...] = (5, 4, 4, 2)
    circular: bool = False  # True: the twin without a seam


class _Conv(nn.Module):
    """Weight-normed convolution of unchanged length, by reflection or round the circle."""

    def __init__(self, channels: int, out: int, kernel: int, *, dilation: int = 1, circular: bool) -> None:
        super().__init__()
        self.conv = weight_norm(nn.Conv1d(channels, out, kernel, dilation=dilation))
        self.pad = dilation * (kernel // 2)
        self.mode = "circular" if circular else "reflect"

    def forward(self, x: Tensor) -> Tensor:
        if self.pad:
            x = F.pad(x, (self.pad, self.pad), mode=self.mode)
        out: Tensor = self.conv(x)
        return out


class _Upsample(nn.Module):
    """Weight-normed transposed convolution, kernel 2r, stride r. Round the circle: one frame more on both sides, cut off."""

    def __init__(self, channels: int, out: int, ratio: int, *, circular: bool) -> None:
        super().__init__()
        padding = ratio // 2 + ratio % 2
        self.conv = weight_norm(nn.ConvTranspose1d(channels, out, 2 * ratio, ratio, padding=padding, output_padding=ratio % 2))
        self.ratio = ratio
        self.circular = circular

    def forward(self, x: Tensor) -> Tensor:
        if not self.circular:
            plain: Tensor = self.conv(x)
            return plain
        n = x.shape[-1] * self.ratio
        wrapped: Tensor = self.conv(F.pad(x, (1, 1), mode="circular"))
        return wrapped[..., self.ratio : self.ratio + n]


class _Residual(nn.Module):
    """Dilated convolution and a 1x1, beside a 1x1 shortcut."""

    def __init__(self, dim: int, dilation: int, *, circular: bool) -> None:
        super().__init__()
        self.first = _Conv(dim, dim, 3, dilation=dilation, circular=circular)
        self.second = _Conv(dim, dim, 1, circular=circular)
        self.shortcut = _Conv(dim, dim, 1, circular=circular)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(F.leaky_relu(self.first(F.leaky_relu(x, 0.2)), 0.2))
        out: Tensor = self.shortcut(x) + y
        return out


class MelGan(Vocoder):
    """The generator. Log-mel (B, M, T) -> (B, T * hop) in [-1, 1]."""

    def __init__(self, mel: MelConfig, config: MelGanConfig) -> None:
        super().__init__("melgan", mel)
        if math.prod(config.ratios) != mel.hop:
            raise ConfigError(
                f"MelGAN's ratios {config.ratios} multiply to {math.prod(config.ratios)}, the hop of '{mel.name}' is {mel.hop}."
            )
        self.config = config
        circular = config.circular
        dim = config.width * 2 ** len(config.ratios)
        layers: list[nn.Module] = [_Conv(mel.n_mels, dim, 7, circular=circular)]
        for ratio in config.ratios:
            layers += [nn.LeakyReLU(0.2), _Upsample(dim, dim // 2, ratio, circular=circular)]
            dim //= 2
            layers += [_Residual(dim, 3**j, circular=circular) for j in range(config.residual_layers)]
        layers += [nn.LeakyReLU(0.2), _Conv(dim, 1, 7, circular=circular), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def synthesise(self, log_mel: Tensor) -> Tensor:
        out: Tensor = self.layers(log_mel)[:, 0]
        return out


class MelGanDiscriminator(nn.Module):
    """One scale: grouped strided convolutions on the waveform. (B, 1, N) -> logits and inner features."""

    def __init__(self, width: int = 16, layers: int = 4, stride: int = 4, *, circular: bool = False) -> None:
        super().__init__()
        self.mode = "circular" if circular else "reflect"
        channels = width
        stack: list[nn.Conv1d] = [nn.Conv1d(1, width, 15)]
        for _ in range(layers):
            following = min(channels * stride, 1024)
            stack.append(nn.Conv1d(channels, following, 10 * stride + 1, stride, groups=channels // 4))
            channels = following
        stack.append(nn.Conv1d(channels, min(channels * 2, 1024), 5))
        stack.append(nn.Conv1d(min(channels * 2, 1024), 1, 3))
        self.reaches = [layer.kernel_size[0] // 2 for layer in stack]
        self.layers = nn.ModuleList(weight_norm(layer) for layer in stack)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        features: list[Tensor] = []
        for i, (layer, reach) in enumerate(zip(self.layers, self.reaches, strict=True)):
            x = layer(F.pad(x, (reach, reach), mode=self.mode))
            if i < len(self.layers) - 1:
                x = F.leaky_relu(x, 0.2)
                features.append(x)
        return x, features


class MelGanAdversary(nn.Module):
    """Three scales, each on the waveform averaged down by two once more. (B, N) -> (logits, features) a scale."""

    def __init__(self, scales: int = 3, *, circular: bool = False) -> None:
        super().__init__()
        self.members = nn.ModuleList(MelGanDiscriminator(circular=circular) for _ in range(scales))
        self.circular = circular

    def forward(self, loop: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
        x = loop[:, None]
        out = []
        for member in self.members:
            out.append(member(x))
            if self.circular:
                x = F.avg_pool1d(F.pad(x, (1, 2), mode="circular"), 4, 2)
            else:
                x = F.avg_pool1d(x, 4, 2, 1, count_include_pad=False)
        return out


def remove_weight_norm(vocoder: MelGan) -> MelGan:
    """Fold the weight norm into plain weights, for speed. In place; returns it."""
    for module in vocoder.modules():
        if torch.nn.utils.parametrize.is_parametrized(module):
            torch.nn.utils.parametrize.remove_parametrizations(module, "weight")
    return vocoder

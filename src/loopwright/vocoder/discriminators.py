"""Adversaries of a vocoder: multi-period and multi-resolution, circular in time.

Multi-period (Kong et al., HiFi-GAN, arXiv 2010.05646) folds the loop at prime periods; multi-resolution (Jang et al.,
UnivNet, arXiv 2106.07889, complex input as in Vocos) looks at STFTs. Time wraps round in both, so the seam is judged like
any other place. Both return, per sub-discriminator, a map of logits and the inner features for feature matching.

Shapes: B batch, N samples, F bins, T frames, P period.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from loopwright.audio.stft import circular_stft
from loopwright.vocoder.losses import hop_for

PERIODS = (2, 3, 5, 7, 11)
RESOLUTIONS = (2048, 1024, 512, 256)
Judgement = tuple[Tensor, list[Tensor]]


class WrapConv2d(nn.Module):
    """2-D convolution: circular along the first axis (time), zero-padded along the second. (B, C, T, X) -> (B, K, T', X')."""

    def __init__(self, channels: int, out_channels: int, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        self.conv = weight_norm(nn.Conv2d(channels, out_channels, kernel, stride, padding=(0, kernel[1] // 2)))
        self.reach = kernel[0] // 2

    def forward(self, x: Tensor) -> Tensor:
        if self.reach:
            x = F.pad(x, (0, 0, self.reach, self.reach), mode="circular")
        out: Tensor = self.conv(x)
        return out


class _Stack(nn.Module):
    """Convolutions with leaky ReLU between, the last one gives logits."""

    def __init__(self, layers: list[WrapConv2d]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Judgement:
        features = []
        for layer in self.layers[:-1]:
            x = F.leaky_relu(layer(x), 0.1)
            features.append(x)
        return self.layers[-1](x), features


class PeriodDiscriminator(nn.Module):
    """Sees the loop as rows of P samples; convolutions run down the rows. (B, N) -> Judgement."""

    def __init__(self, period: int, width: int) -> None:
        super().__init__()
        self.period = period
        sizes = [1, width, 4 * width, 8 * width, 8 * width]
        layers = [WrapConv2d(a, b, (5, 1), (3, 1)) for a, b in zip(sizes[:-1], sizes[1:], strict=True)]
        self.stack = _Stack([*layers, WrapConv2d(sizes[-1], 1, (3, 1), (1, 1))])

    def forward(self, loop: Tensor) -> Judgement:
        n = loop.shape[-1]
        rows = -(-n // self.period)
        turned = torch.cat([loop, loop[:, : rows * self.period - n]], dim=1)  # a little of the next turn
        judged: Judgement = self.stack(turned.reshape(len(loop), 1, rows, self.period))
        return judged


class ResolutionDiscriminator(nn.Module):
    """Sees the real and imaginary part of one circular STFT. (B, N) -> Judgement."""

    def __init__(self, window: int, width: int) -> None:
        super().__init__()
        self.window = window
        layers = [WrapConv2d(2, width, (3, 9), (1, 1))]
        layers += [WrapConv2d(width, width, (3, 9), (1, 2)) for _ in range(3)]
        self.stack = _Stack([*layers, WrapConv2d(width, width, (3, 3), (1, 1)), WrapConv2d(width, 1, (3, 3), (1, 1))])

    def forward(self, loop: Tensor) -> Judgement:
        spectrum = circular_stft(loop, self.window, hop_for(loop.shape[-1], self.window)) * (4 / self.window)
        level = (spectrum.real.square() + spectrum.imag.square() + 1e-8).pow(0.35)  # power law: quiet parts count too
        unit = spectrum / (spectrum.abs() + 1e-4)
        picture = torch.stack([level * unit.real, level * unit.imag], dim=1).transpose(2, 3)
        judged: Judgement = self.stack(picture)
        return judged


class Adversary(nn.Module):
    """All sub-discriminators together. (B, N) -> a Judgement each."""

    def __init__(self, *, width: int = 16) -> None:
        super().__init__()
        self.members = nn.ModuleList(
            [PeriodDiscriminator(p, width) for p in PERIODS] + [ResolutionDiscriminator(w, width) for w in RESOLUTIONS]
        )

    def forward(self, loop: Tensor) -> list[Judgement]:
        return [member(loop) for member in self.members]


def discriminator_hinge(real: list[Judgement], fake: list[Judgement]) -> Tensor:
    """Mean hinge loss of the members. Scalar."""
    losses = [F.relu(1 - r[0]).mean() + F.relu(1 + f[0]).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(losses).mean()


def generator_hinge(fake: list[Judgement]) -> Tensor:
    """Mean over members of minus the logits. Scalar."""
    return torch.stack([-f[0].mean() for f in fake]).mean()


def feature_matching(real: list[Judgement], fake: list[Judgement]) -> Tensor:
    """Mean absolute difference of inner features, relative to the real ones' size. Scalar."""
    terms = [
        (a.detach() - b).abs().mean() / a.detach().abs().mean().clamp_min(1e-3)
        for (_, reals), (_, fakes) in zip(real, fake, strict=True)
        for a, b in zip(reals, fakes, strict=True)
    ]
    return torch.stack(terms).mean()

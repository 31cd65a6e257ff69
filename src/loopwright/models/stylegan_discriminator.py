"""StyleGAN2's own discriminator for log-mels (arXiv:1912.04958): trained from nothing, no frozen features.

Not square, and on a cylinder: time wraps round unless `circular` is off. The baseline of the paper's table (row B).

Shapes: B batch, C channels, M mel bands, T frames, z-scored log-mels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopwright.models.discriminator import CLOCK, clock, minibatch_stddev
from loopwright.models.kernels import pad_cylinder
from loopwright.models.layers import EqualLinear, blur, leaky


class EqualConv(nn.Module):
    """Square convolution with equalised learning rate, padded to keep the grid; with `down` blurred and halved on both axes.

    Shape: (B, C, M, T) -> (B, K, M, T), or (B, K, M/2, T/2).
    """

    def __init__(
        self, channels: int, out_channels: int, kernel: int, *, down: bool = False, bias: bool = True, circular: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.scale = (channels * kernel * kernel) ** -0.5
        self.kernel, self.down, self.circular = kernel, down, circular

    def forward(self, x: Tensor) -> Tensor:
        half = self.kernel // 2
        if not self.down:
            x = pad_cylinder(x, 0, half, circular=self.circular)
            return F.conv2d(x, self.weight * self.scale, self.bias, padding=(half, 0))
        pad = 1 + half  # the blur takes 3 and the kernel 2 * half; what is left is even, and centred between two cells
        x = blur(pad_cylinder(x, 0, pad, circular=self.circular), mel=True, gain=1.0, pad_mel=pad)
        return F.conv2d(x, self.weight * self.scale, self.bias, stride=2)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, the second halving, beside a halving 1x1. (B, C, M, T) -> (B, K, M/2, T/2)."""

    def __init__(self, channels: int, out_channels: int, *, circular: bool) -> None:
        super().__init__()
        self.first = EqualConv(channels, channels, 3, circular=circular)
        self.second = EqualConv(channels, out_channels, 3, down=True, circular=circular)
        self.skip = EqualConv(channels, out_channels, 1, down=True, bias=False, circular=circular)

    def forward(self, x: Tensor) -> Tensor:
        return (leaky(self.second(leaky(self.first(x)))) + self.skip(x)) * 2**-0.5


class StyleGan2Discriminator(nn.Module):
    """A residual discriminator with minibatch deviation.

    It has the two halves of a projected discriminator, `features` (here: the log-mel itself) and `logits`.

    Args:
        n_mels, frames: size of the log-mels; multiples of 2 ** (len(channels) - 1).
        channels: one count a scale, finest first.
        circular: wrap time; False pads with zeros, as published.
        clock: tell it where in the loop each frame lies, see `discriminator.clock`.
        labels: number of classes of a conditional discriminator, 0 for none: one logit a class, of which the label's counts.
    """

    def __init__(
        self,
        *,
        n_mels: int,
        frames: int,
        channels: Sequence[int] = (32, 64, 128, 256, 256),
        circular: bool = True,
        clock: bool = False,
        labels: int = 0,
    ) -> None:
        super().__init__()
        shrink = 2 ** (len(channels) - 1)
        assert n_mels % shrink == 0, (n_mels, shrink)
        assert frames % shrink == 0, (frames, shrink)
        self.clock, self.labels = clock, labels
        entry = 1 + (2 * sum(2 * h < frames for h in CLOCK) if clock else 0)
        self.entry = EqualConv(entry, channels[0], 1, circular=circular)
        self.blocks = nn.Sequential(
            *(ResidualBlock(a, b, circular=circular) for a, b in zip(channels[:-1], channels[1:], strict=True))
        )
        width, verdicts = channels[-1], max(1, labels)
        self.last = EqualConv(width + 1, width, 3, circular=circular)
        self.dense = EqualLinear(width * (n_mels // shrink) * (frames // shrink), width)
        self.verdict = EqualLinear(width, verdicts)

    def features(self, mel: Tensor) -> list[list[Tensor]]:
        """What `logits` takes: the z-scored log-mel (B, M, T) itself, as one map (B, 1, M, T)."""
        return [[mel[:, None]]]

    def logits(
        self, features: Sequence[Sequence[Tensor]], labels: Tensor | None = None, turns: Tensor | None = None
    ) -> list[Tensor]:
        """One grid of logits, of one cell: (B, 1, 1, 1). See `ProjectedDiscriminator.logits`."""
        x = features[0][0]
        if self.clock:
            assert turns is not None, "a discriminator with a clock needs to know how far its input was rolled"
            x = torch.cat([x, clock(turns, x)], dim=1)
        x = leaky(self.entry(x.contiguous(memory_format=torch.channels_last)))
        x = leaky(self.last(minibatch_stddev(self.blocks(x))))
        out: Tensor = self.verdict(leaky(self.dense(x.flatten(1))))
        if self.labels:
            assert labels is not None, "a conditional discriminator needs labels"
            out = out.gather(1, labels[:, None])
        return [out[:, :, None, None]]

    def forward(self, mel: Tensor, labels: Tensor | None = None, turns: Tensor | None = None) -> list[Tensor]:
        return self.logits(self.features(mel), labels, turns)

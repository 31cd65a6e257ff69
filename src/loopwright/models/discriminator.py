"""The projected discriminator: small trainable heads on fixed mixtures of frozen features (arXiv:2111.01007).

Shapes: B batch, C channels, M mel positions, T time positions, S log-mel frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from loopwright.models.kernels import depthwise_conv, enter_depthwise, pad_cylinder
from loopwright.models.projection import Projection


class TapLike(Protocol):
    """A place where features are taken."""

    @property
    def channels(self) -> int:
        """Channels of its maps."""


class Pyramid(Protocol):
    """What a discriminator needs of a feature network: its taps, finest first, and the features of log-mels."""

    @property
    def taps(self) -> Sequence[TapLike]:
        """The taps, finest first."""

    def __call__(self, log_mel: Tensor) -> list[Tensor]:
        """(B, M, S) -> list of (B, C, M', T'), finest first."""


def minibatch_stddev(x: Tensor, group: int = 4) -> Tensor:
    """Append one channel: the standard deviation within groups of the batch, averaged. (B, C, ..) -> (B, C+1, ..)."""
    b, _, m, t = x.shape
    g = group if b % group == 0 else b
    y = x.reshape(g, b // g, *x.shape[1:])
    y = ((y - y.mean(dim=0)).square().mean(dim=0) + 1e-8).sqrt()  # var() is slow on this layout
    y = y.mean(dim=(1, 2, 3), keepdim=True)
    return torch.cat([x, y.repeat(g, 1, 1, 1).expand(b, 1, m, t)], dim=1)


CLOCK = (1, 2, 4, 8, 16)


def clock(turns: Tensor, like: Tensor, harmonics: Sequence[int] = CLOCK) -> Tensor:
    """Where in the loop each frame lies: cosine and sine of its phase and of its musical divisions.

    A circular discriminator sees no absolute time: without a clock nothing would tell the generator where the downbeat is.
    `turns` (B,) is how far each sample was rolled, as a share of the loop, so the clock rolls along and the seam may lie
    anywhere. Divisions finer than the frames are left out. -> (B, 2 * kept, M, T) for `like` (B, C, M, T).
    """
    time = clock_row(turns, like, harmonics).to(like.dtype).expand(-1, -1, like.shape[2], -1)
    if like.is_contiguous(memory_format=torch.channels_last):  # joined to `like`, another layout would turn the whole map
        time = time.contiguous(memory_format=torch.channels_last)
    return time


def clock_row(turns: Tensor, like: Tensor, harmonics: Sequence[int] = CLOCK) -> Tensor:
    """The `clock` of one row of cells, (B, 2 * kept, 1, T), in single precision: bfloat16 errs by a quarter of a radian."""
    t = like.shape[3]
    kept = torch.tensor([h for h in harmonics if 2 * h < t], dtype=torch.float32, device=like.device)
    position = (torch.arange(t, device=like.device, dtype=torch.float32) + 0.5) / t
    phase = 2 * torch.pi * kept[None, :, None] * (position[None] - turns.to(position)[:, None])[:, None]
    return torch.cat([phase.cos(), phase.sin()], dim=1)[:, :, None]


class SeparableBlock(nn.Module):
    """Depthwise 3x3, pointwise 1x1 (both spectral-norm), normalisation, leaky ReLU, optional 2x2 average pool.

    The pool stands right behind the depthwise convolution, which makes the rest four times cheaper, or at the end
    (`pool="last"`), as published.
    """

    def __init__(self, channels: int, out_channels: int, *, norm: str, circular: bool, pool: str) -> None:
        super().__init__()
        self.depthwise = spectral_norm(nn.Conv2d(channels, channels, 3, groups=channels, bias=False))
        self.pointwise = spectral_norm(nn.Conv2d(channels, out_channels, 1, bias=False))
        self.norm: nn.Module
        if norm == "batch":
            self.norm = nn.BatchNorm2d(out_channels)
        elif norm == "group":  # per sample: real and fake cannot be told apart by whom they share a batch with
            self.norm = nn.GroupNorm(max(1, out_channels // 16), out_channels)
        else:
            assert norm == "none", norm
            self.norm = nn.Identity()
        self.circular, self.pool = circular, pool

    def forward(self, x: Tensor, beside: Tensor | None = None) -> Tensor:
        """`beside` (B, K, 1, T): more channels, the same at all mel positions."""
        weight, stride = self.depthwise.weight, 1
        assert isinstance(weight, Tensor)
        if self.pool == "first":  # a pool after a 3x3 is one 4x4 with stride 2: a quarter of the cells
            weight, stride = F.avg_pool2d(F.pad(weight, (1, 1, 1, 1)), 2, stride=1), 2
        x = enter_depthwise(x, beside, wrap=self.circular)
        x = depthwise_conv(x, weight, stride=stride, padding=(1, 0 if self.circular else 1))
        x = F.leaky_relu_(self.norm(self.pointwise(x)), 0.2)
        return F.avg_pool2d(x, 2) if self.pool == "last" else x


class Head(nn.Module):
    """One scale's verdict: separable blocks down to a coarse grid, minibatch stddev, a final convolution.

    `frames` is the time size of its input if it gets the `clock`, else 0.

    Shape: (B, C, M, T) -> logits (B, 1, M / 2**downs, T / 2**downs).
    """

    def __init__(
        self,
        channels: int,
        *,
        downs: int,
        norm: str = "group",
        circular: bool = True,
        pool: str = "first",
        widest: int = 256,
        labels: int = 0,
        frames: int = 0,
    ) -> None:
        super().__init__()
        widths = [channels]
        for _ in range(downs):
            widths.append(min(widths[-1] * 2, widest))
        entry = channels + 2 * sum(2 * h < frames for h in CLOCK)
        self.blocks = nn.ModuleList(
            SeparableBlock(a, b, norm=norm, circular=circular, pool=pool)
            for a, b in zip([entry, *widths[1:]], widths[1:], strict=False)
        )
        self.last = SeparableBlock(widths[-1] if downs else entry, widths[-1], norm=norm, circular=circular, pool="none")
        self.logits = spectral_norm(nn.Conv2d(widths[-1] + 1, 1, 3))
        self.label_embedding = spectral_norm(nn.Embedding(labels, widths[-1])) if labels else None
        self.circular, self.frames = circular, frames

    def forward(self, x: Tensor, labels: Tensor | None = None, turns: Tensor | None = None) -> Tensor:
        beside: Tensor | None = None
        if self.frames:
            assert turns is not None, "a head with a clock needs to know how far its input was rolled"
            beside = clock_row(turns, x)
        for block in [*self.blocks, self.last]:
            x, beside = block(x, beside), None
        out = self.logits(pad_cylinder(minibatch_stddev(x), 1, 1, circular=self.circular))
        if self.label_embedding is not None:  # projection discriminator (arXiv:1802.05637)
            assert labels is not None, "a conditional discriminator needs labels"
            out = out + (x.mean(dim=(2, 3)) * self.label_embedding(labels)).sum(dim=1)[:, None, None, None]
        return out


def add_swapped(grids: Sequence[Tensor]) -> Tensor:
    """The first grid of logits (B, 1, m, t) plus the others with their axes swapped, stretched to its size. As published."""
    total = grids[0]
    for grid in grids[1:]:
        total = total + F.interpolate(grid.transpose(2, 3), size=total.shape[2:], mode="nearest")
    return total


class ProjectedDiscriminator(nn.Module):
    """Heads on the projected features of one or more frozen networks. Each head has its own hinge.

    The networks are received, not built here, and are not part of `state_dict`: they are frozen and named in the recipe.

    Args:
        networks: feature networks (see `features`).
        heads: how many scales get a head, from the finest.
        ccm, csm, seed: see `Projection`.
        norm: normalisation in heads, "group", "batch" or "none".
        circular: wrap time in heads.
        pool: "first" or "last", see `SeparableBlock`.
        labels: number of classes of a conditional discriminator.
        frames: time sizes of each network's taps, for heads that get the `clock`; None: no clock, as published.
        summed: add the networks' logits head by head, as published, instead of a loss for each. Once a sum is past the
            hinge's margin, no network learns any more. The second network's grid has its axes swapped, as there.
    """

    def __init__(
        self,
        networks: Sequence[Pyramid],
        *,
        heads: int = 4,
        ccm: bool = True,
        csm: bool = True,
        norm: str = "group",
        circular: bool = True,
        pool: str = "first",
        seed: int = 0,
        labels: int = 0,
        frames: Sequence[Sequence[int]] | None = None,
        summed: bool = False,
    ) -> None:
        super().__init__()
        self.summed = summed
        self._networks = list(networks)  # a plain list: frozen networks stay out of parameters() and state_dict()
        self.projections, self.heads = nn.ModuleList(), nn.ModuleList()
        for number, network in enumerate(self._networks):
            channels = [tap.channels for tap in network.taps]
            projection = Projection(channels, ccm=ccm, csm=csm, seed=seed * 10 + number)
            count = min(heads, len(channels))
            self.projections.append(projection)
            self.heads.append(
                nn.ModuleList(
                    Head(
                        c,
                        downs=len(channels) - 1 - i,
                        norm=norm,
                        circular=circular,
                        pool=pool,
                        labels=labels,
                        frames=frames[number][i] if frames else 0,
                    )
                    for i, c in enumerate(projection.out_channels[:count])
                )
            )

    @property
    def verdicts(self) -> int:
        """How many grids of logits `logits` gives."""
        counts = [len(heads) for heads in self.heads if isinstance(heads, nn.ModuleList)]
        return min(counts) if self.summed else sum(counts)

    def features(self, log_mel: Tensor) -> list[list[Tensor]]:
        """Projected features per network and scale. log_mel: (B, M, S). Differentiable to its input."""
        return [project(net(log_mel)) for net, project in zip(self._networks, self.projections, strict=True)]

    def logits(
        self, features: Sequence[Sequence[Tensor]], labels: Tensor | None = None, turns: Tensor | None = None
    ) -> list[Tensor]:
        """Logits of every head: list of (B, 1, m, t). `turns` (B,): how far each sample was rolled, as a share of the loop."""
        verdicts: list[list[Tensor]] = []
        for heads, scales in zip(self.heads, features, strict=True):
            assert isinstance(heads, nn.ModuleList)
            verdicts.append([head(x, labels, turns) for head, x in zip(heads, scales, strict=False)])
        if self.summed and len(verdicts) > 1:
            return [add_swapped(grids) for grids in zip(*verdicts, strict=False)]
        return [grid for grids in verdicts for grid in grids]

    def forward(self, log_mel: Tensor, labels: Tensor | None = None, turns: Tensor | None = None) -> list[Tensor]:
        return self.logits(self.features(log_mel), labels, turns)

"""Random fixed projections of a feature pyramid: CCM and CSM of Projected GAN (arXiv:2111.01007, section 3.2).

Shapes: B batch, C channels in, K channels out, M mel positions, T time positions; four scales, finest first.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelMix(nn.Module):
    """Mix feature channels with one random 1x1 convolution that is never trained.

    Fixed on purpose: strong features spread over every output, so no head can live on a few. The weight is a buffer: saved
    and moved with the module, out of reach of any optimizer. Variance is kept: unit in, unit out.

    Shape: (B, C, M, T) -> (B, K, M, T).

    >>> ChannelMix(8, 4, seed=0)(torch.zeros(2, 8, 16, 6)).shape
    torch.Size([2, 4, 16, 6])
    """

    weight: Tensor

    def __init__(self, channels: int, out_channels: int, *, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        weight = torch.randn(out_channels, channels, 1, 1, generator=generator)
        self.register_buffer("weight", weight * channels**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight)


class Projection(nn.Module):
    """CCM across channels, then CSM across scales, top down: mix, upsample, add.

    With four taps and the paper's sizes: CCM to 64/128/256/512, CSM to 64/64/128/256, finest first. Each CSM output has the
    channel count of the next finer CCM output, so the two can be added.

    Args:
        channels: channels of the taps, finest first.
        widths: CCM outputs, finest first.
        ccm, csm: switch a mixing off (CCM off: taps go through as they are, then CSM uses the taps' own widths).
        seed: of the random weights.

    Shape: list of (B, C_i, M_i, T_i) -> list of (B, K_i, M_i, T_i).
    """

    def __init__(
        self,
        channels: Sequence[int],
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        ccm: bool = True,
        csm: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        assert len(widths) >= len(channels), (widths, channels)
        widths = list(widths[: len(channels)]) if ccm else list(channels)
        self.ccm = nn.ModuleList(
            ChannelMix(c, k, seed=seed * 1000 + i) if ccm else nn.Identity()
            for i, (c, k) in enumerate(zip(channels, widths, strict=True))
        )
        self.out_channels = list(widths)
        self.csm: nn.ModuleList | None = None
        if csm:
            self.out_channels = [widths[0], *widths[:-1]]
            self.csm = nn.ModuleList(
                ChannelMix(k, o, seed=seed * 1000 + 100 + i)
                for i, (k, o) in enumerate(zip(widths, self.out_channels, strict=True))
            )

    def forward(self, taps: Sequence[Tensor]) -> list[Tensor]:
        """Both mixes are linear, so each scale takes one convolution of its tap and one of the scale above.

        mix(ccm(tap) + up(above)) = (mix ccm)(tap) + up(mix(above)): the channels in between are never made, and what comes from
        above is mixed while it is still small.
        """
        if self.csm is None:
            return [ccm(tap) for ccm, tap in zip(self.ccm, taps, strict=True)]
        out: list[Tensor] = []
        for tap, ccm, csm in zip(reversed(taps), reversed(list(self.ccm)), reversed(list(self.csm)), strict=True):
            assert isinstance(csm, ChannelMix)
            mix = csm.weight * (2**-0.5 if out else 1.0)  # where two are added, their variance is kept
            weight = mix
            if isinstance(ccm, ChannelMix):
                with torch.autocast(tap.device.type, enabled=False):
                    weight = (mix[:, :, 0, 0] @ ccm.weight[:, :, 0, 0])[:, :, None, None]
            x = F.conv2d(tap, weight)
            if out:
                # nearest: each coarse cell covers whole fine cells, so a roll of the circle stays a roll
                x = x + F.interpolate(F.conv2d(out[-1], mix), size=x.shape[-2:], mode="nearest")
            out.append(x)
        return out[::-1]

"""The layers of a one-dimensional StyleGAN2 without its mapping and its last step, for generators made of several of them.

Shapes: B batch, W style, S style inputs (two a scale), C channels, T frames. Feature maps are (B, C, 1, T).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from loopwright.models.generator import StyledConv, ToMel
from loopwright.models.layers import upsample


class Trunk(nn.Module):
    """The layers of a one-dimensional StyleGAN2: a constant, doubled scale by scale, with the outputs of all scales added up.

    Args:
        channels: one count a scale, coarsest first.
        out: channels of the output.
        columns: length of the constant; the output is 2 ** (scales - 1) times as long.
        constants: how many constants there are to choose from.
        heard: channels of a signal along time that every scale hears, 0 for none.
    """

    def __init__(
        self, channels: Sequence[int], out: int, columns: int, w_dim: int, *, circular: bool, constants: int = 1, heard: int = 0
    ) -> None:
        super().__init__()
        self.circular, self.columns = circular, columns
        self.constant = nn.Parameter(torch.randn(constants, channels[0], 1, columns))

        def styled(before: int, after: int, up: bool) -> StyledConv:
            return StyledConv(before, after, w_dim, (1, 3), up=up, circular=circular)

        self.first = styled(channels[0], channels[0], False)
        self.ups = nn.ModuleList(styled(a, b, True) for a, b in zip(channels[:-1], channels[1:], strict=True))
        self.convs = nn.ModuleList(styled(b, b, False) for b in channels[1:])
        self.outs = nn.ModuleList(ToMel(c, out, w_dim) for c in channels)
        self.ears = nn.ModuleList(nn.Conv1d(heard, c, 3, bias=False) for c in channels) if heard else None
        self.n_styles = 2 * len(channels)

    def lengths(self, bars: int = 1) -> list[int]:
        """Lengths in time of the noise maps."""
        return [self.columns * bars] + [self.columns * bars << i for i in range(1, len(self.ups) + 1) for _ in range(2)]

    def forward(
        self,
        ws: Tensor,
        noise: Sequence[Tensor | None],
        *,
        bars: int = 1,
        which: Tensor | None = None,
        heard: Tensor | None = None,
    ) -> Tensor:
        """Styles to outputs.

        Args:
            ws: (B, S, W), or (B, S, W, steps).
            noise: maps (B, 1, 1, t), or None in place of one.
            bars: turns of the constant.
            which: (B,) the constant of each item.
            heard: (B, C, T) a signal as long as the output.

        Returns:
            (B, out, T).
        """
        x = self.constant.expand(len(ws), -1, -1, -1) if which is None else self.constant[which]
        x = x.repeat(1, 1, 1, bars) if bars > 1 else x
        x = self._hear(self.first(x, ws[:, 0], noise[0]), heard, 0)
        y = self.outs[0](x, ws[:, 1])
        for i, (up, conv, out) in enumerate(zip(self.ups, self.convs, self.outs[1:], strict=True)):
            x = self._hear(up(x, ws[:, 2 * i + 1], noise[2 * i + 1]), heard, i + 1)
            x = conv(x, ws[:, 2 * i + 2], noise[2 * i + 2])
            y = upsample(y, mel=False, circular=self.circular) + out(x, ws[:, 2 * i + 3])
        return y[:, :, 0]

    def _hear(self, x: Tensor, heard: Tensor | None, scale: int) -> Tensor:
        if self.ears is None:
            return x
        assert heard is not None
        t = x.shape[-1]
        summed = heard.unflatten(-1, (t, -1)).sum(-1)  # type: ignore[no-untyped-call]
        around = torch.cat([summed[..., -1:], summed, summed[..., :1]], dim=-1)
        return x + self.ears[scale](around.to(x.dtype))[:, :, None]

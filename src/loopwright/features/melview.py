"""`mel`: the log-mel itself as a feature pyramid, so that a discriminator also sees what pre-trained networks cannot.

Networks of speech and tagging hear 64 to 128 bands up to 7.5 or 8 kHz. Of a full-band log-mel of 128 bands to 21 kHz they
leave a third unseen, and the bridge's mel-to-mel map has a null space in the rest. A generator judged by them alone may draw
anything there, and ours did: bright lines above 7.5 kHz after 4,000 images. This pyramid has no weights: it folds 4x4, 8x8
and, where that leaves 8 rows, 16x16 cells of the log-mel into channels (lossless), which are then mixed and judged like any
other features.

Shapes: B batch, M mel bands, T frames.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from loopwright.config import MelConfig
from loopwright.errors import MelMismatchError
from loopwright.features.base import Tap

CENTRE, SPREAD = -2.5, 1.25  # decades: brings loops near zero mean and unit variance


class MelView(nn.Module):
    """Our log-mel folded into channels: (B, M, T) -> [(B, 16, M/4, T/4), (B, 64, M/8, T/8), ...] down to 8 rows.

    With 128 bands the coarsest scale is 16x16: heads on finer ones alone see patches, and lows and highs came apart.
    """

    name = "mel"

    def __init__(self, mel: MelConfig) -> None:
        super().__init__()
        self.mel = mel
        folds = [fold for fold in (4, 8, 16) if fold <= max(8, mel.n_mels // 8)]
        self.taps = tuple(Tap(f"fold{fold}", fold * fold, fold) for fold in folds)

    def forward(self, log_mel: Tensor) -> list[Tensor]:
        coarsest = self.taps[-1].stride
        if log_mel.ndim != 3 or log_mel.shape[1] % coarsest or log_mel.shape[2] % coarsest:
            raise MelMismatchError(
                f"the feature network mel needs log-mels (batch, bands, frames) in multiples of {coarsest}, "
                f"got {tuple(log_mel.shape)}."
            )
        x = (log_mel[:, None] - CENTRE) / SPREAD
        return [F.pixel_unshuffle(x, tap.stride) for tap in self.taps]

"""`mel`: the log-mel itself as a feature pyramid, so that a discriminator also sees what pre-trained networks cannot.

Networks of speech and tagging hear 64 to 128 bands up to 7.5 or 8 kHz. Of a full-band log-mel of 128 bands to 21 kHz they
leave a third unseen, and the bridge's mel-to-mel map has a null space in the rest. A generator judged by them alone may draw
anything there, and ours did: bright lines above 7.5 kHz after 4,000 images. This pyramid has no weights: it folds 4x4 and
8x8 cells of the log-mel into channels (lossless), which are then mixed and judged like any other features.

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
    """Our log-mel folded into channels: (B, M, T) -> [(B, 16, M/4, T/4), (B, 64, M/8, T/8)]."""

    name = "mel"
    taps = (Tap("fold4", 16, 4), Tap("fold8", 64, 8))

    def __init__(self, mel: MelConfig) -> None:
        super().__init__()
        self.mel = mel

    def forward(self, log_mel: Tensor) -> list[Tensor]:
        if log_mel.ndim != 3 or log_mel.shape[1] % 8 or log_mel.shape[2] % 8:
            raise MelMismatchError(
                f"the feature network mel needs log-mels (batch, bands, frames) in multiples of 8, got {tuple(log_mel.shape)}."
            )
        x = (log_mel[:, None] - CENTRE) / SPREAD
        return [F.pixel_unshuffle(x, 4), F.pixel_unshuffle(x, 8)]

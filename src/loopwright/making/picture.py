"""The picture of a finished loop that the studio shows."""

from __future__ import annotations

import numpy as np

from loopwright.audio.png import gray_png
from loopwright.making.loop import Loop

BAND_ROWS, BAR_COLUMNS = 64, 128  # size of a picture: rows, columns a bar
LOW, HIGH = -3.6, 0.6  # log10 magnitudes of black and white


def picture_of(loop: Loop) -> bytes:
    """A gray PNG of the loop's log-mel, lowest band at the bottom: 64 rows, 128 columns a bar. The page colours it."""
    import torch

    from loopwright.audio.mel import LogMel
    from loopwright.audio.resample import resample_circle
    from loopwright.config import LOOP48

    bars = max(1, loop.beats // 4)
    audio = resample_circle(loop.samples, bars * LOOP48.bar_samples)  # on the grid, whatever the tempo
    log_mel = LogMel(LOOP48)(torch.from_numpy(audio)[None])[0].numpy()
    rows, columns = log_mel.shape
    small = log_mel.reshape(BAND_ROWS, rows // BAND_ROWS, bars * BAR_COLUMNS, columns // (bars * BAR_COLUMNS)).max(axis=(1, 3))
    pixels = np.clip((small - LOW) / (HIGH - LOW), 0, 1) * 255
    return gray_png(np.ascontiguousarray(pixels[::-1]).astype(np.uint8))

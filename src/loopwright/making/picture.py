"""Pictures of finished loops: the studio's, a notebook's, and a sheet of many. All show the log-mel of the sound itself."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loopwright.arrays import Float32
from loopwright.audio.png import gray_png
from loopwright.making.loop import Loop

BAND_ROWS, BAR_COLUMNS = 64, 128  # size of the studio's picture: rows, columns a bar
LOW, HIGH = -3.6, 0.6  # log10 magnitudes of its black and white


def heard_log_mel(loop: Loop) -> Float32:
    """Log-mel (M, T) of a finished loop, its bars brought to the grid of `LOOP48`, whatever the tempo."""
    import torch  # not needed to make loops, only to look at them

    from loopwright.audio.mel import LogMel
    from loopwright.audio.resample import resample_circle
    from loopwright.config import LOOP48

    audio = resample_circle(loop.samples, _bars(loop) * LOOP48.bar_samples)
    return np.asarray(LogMel(LOOP48)(torch.from_numpy(audio)[None])[0].numpy(), dtype=np.float32)


def _bars(loop: Loop) -> int:
    return max(1, loop.beats // 4)


def picture_of(loop: Loop) -> bytes:
    """A gray PNG of the loop's log-mel, lowest band at the bottom: 64 rows, 128 columns a bar. The studio's page colours it."""
    log_mel = heard_log_mel(loop)
    (rows, frames), columns = log_mel.shape, _bars(loop) * BAR_COLUMNS
    small = log_mel.reshape(BAND_ROWS, rows // BAND_ROWS, columns, frames // columns).max(axis=(1, 3))
    pixels = np.clip((small - LOW) / (HIGH - LOW), 0, 1) * 255
    return gray_png(np.ascontiguousarray(pixels[::-1]).astype(np.uint8))


def notebook_png(loop: Loop, *, width: float = 6.0, height: float = 2.2) -> bytes:
    """A coloured PNG of the loop's log-mel, beats marked; sizes in hundreds of pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    log_mel = heard_log_mel(loop)
    figure = Figure(figsize=(width, height), dpi=100)
    FigureCanvasAgg(figure)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_axis_off()
    axis.imshow(log_mel, origin="lower", aspect="auto", cmap="magma", vmin=-4, vmax=0.5)
    for beat in range(1, loop.beats):
        axis.axvline(beat * log_mel.shape[1] / loop.beats - 0.5, color="white", alpha=0.25, lw=0.7)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def loop_sheet(path: Path, loops: Sequence[Loop], *, title: str = "") -> None:
    """A PNG file of the loops' log-mels. All are of one length in bars."""
    from loopwright.audio.picture import mel_sheet

    titles = [loop.name.split("_")[-1] for loop in loops]
    mel_sheet(path, np.stack([heard_log_mel(loop) for loop in loops]), titles=titles, title=title)

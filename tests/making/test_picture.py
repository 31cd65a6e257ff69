"""Pictures of finished loops show the sound itself, on the beat."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from loopwright.making.loop import Loop
from loopwright.making.picture import BAND_ROWS, BAR_COLUMNS, heard_log_mel, loop_sheet, notebook_png, picture_of


def clicks(bpm: float, beats: int = 4, rate_hz: int = 44_100) -> Loop:
    """A click on the second beat."""
    samples = np.zeros(round(60 * rate_hz * beats / bpm), np.float32)
    samples[len(samples) // beats] = 1.0
    return Loop(samples, rate_hz, beats, "Loopwright_X_120_x_click")


@pytest.mark.parametrize("bpm", [60, 120, 174])
@pytest.mark.parametrize("beats", [4, 8])
def test_beats_lie_where_they_are_whatever_the_tempo(bpm: float, beats: int) -> None:
    log_mel = heard_log_mel(clicks(bpm, beats))
    assert log_mel.shape[1] % beats == 0
    assert abs(int(log_mel.mean(axis=0).argmax()) - log_mel.shape[1] // beats) <= 1


def test_the_studios_picture_is_a_gray_png_with_low_bands_below() -> None:
    t = np.arange(88_200) / 44_100
    png = picture_of(Loop(np.sin(2 * np.pi * 100 * t).astype(np.float32), 44_100, 4, "low"))
    assert struct.unpack(">II", png[16:24]) == (BAR_COLUMNS, BAND_ROWS)
    start = png.index(b"IDAT")
    (size,) = struct.unpack(">I", png[start - 4 : start])
    rows = np.frombuffer(zlib.decompress(png[start + 4 : start + 4 + size]), np.uint8).reshape(BAND_ROWS, BAR_COLUMNS + 1)
    bright = rows[:, 1:].astype(float).mean(axis=1)
    assert bright.argmax() > 0.85 * BAND_ROWS


def test_sheets_and_notebook_pictures_are_pngs(tmp_path: Path) -> None:
    loops = [clicks(120), clicks(97)]
    loop_sheet(tmp_path / "s.png", loops, title="two")
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    assert struct.unpack(">II", notebook_png(loops[0], width=3, height=1)[16:24]) == (300, 100)

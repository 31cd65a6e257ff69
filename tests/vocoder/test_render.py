"""Rendering at a tempo: exact lengths, no seam, pitch and beats where they belong."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from loopwright.audio.mel import LogMel
from loopwright.config import LOOP16, LOOP48
from loopwright.errors import InputError
from loopwright.vocoder import render
from loopwright.vocoder.griffinlim import GriffinLim
from loopwright.vocoder.render import retime, shift_pitch

GL = GriffinLim(LOOP16, iterations=4)


def beats() -> np.ndarray:
    """Four clicks with short tails, log-mel (M, 256)."""
    x = torch.zeros(1, LOOP16.bar_samples)
    for i in range(4):
        x[0, i * 8000 : i * 8000 + 400] = torch.randn(400, generator=torch.Generator().manual_seed(i)) * 0.3
    return LogMel(LOOP16)(x)[0].numpy()


@pytest.mark.parametrize("bpm", [60, 97.3, 120, 128, 174])
@pytest.mark.parametrize("rate_hz", [None, 44_100])
def test_length_is_exact_and_nothing_clips(bpm: float, rate_hz: int | None) -> None:
    loop = render(GL, np.tile(beats(), (1, 2)), bpm, rate_hz=rate_hz)
    assert loop.shape == (round(60 * (rate_hz or 16_000) * 8 / bpm),)
    assert np.abs(loop).max() <= 1.0


def test_beats_stay_on_the_grid_at_any_tempo() -> None:
    loop = render(GL, beats(), 97.0)
    n = len(loop)
    for beat in range(4):
        start = round(beat * n / 4)
        before = np.sum(loop[np.arange(start - 1600, start - 300) % n] ** 2)
        after = np.sum(loop[np.arange(start - 100, start + 1200) % n] ** 2)
        assert after > 20 * before


def test_the_seam_is_like_any_other_place() -> None:
    """A steady noise: the step from the last sample to the first lies inside the range of the inner steps."""
    x = torch.randn(1, LOOP16.bar_samples, generator=torch.Generator().manual_seed(0)) * 0.1
    loop = render(GL, LogMel(LOOP16)(x)[0].numpy(), 131.0, rate_hz=44_100)
    assert abs(loop[0] - loop[-1]) <= np.quantile(np.abs(np.diff(loop)), 0.999)


def test_retime_keeps_the_circle_and_straight_lines() -> None:
    wave = np.cos(2 * np.pi * np.arange(256) / 256, dtype=np.float32)[None]
    out = retime(wave, 300)
    want = np.cos(2 * np.pi * np.arange(300) / 300)
    assert np.abs(out[0] - want).max() < 2e-4  # linear interpolation error: (2 pi / 256)^2 / 8
    assert np.array_equal(retime(wave, 256), wave)


@pytest.mark.parametrize("ratio", [0.997, 1.003])
def test_shift_pitch_moves_a_bump_by_the_ratio(ratio: float) -> None:
    """A bump smooth on the mel axis, sampled at f, against the same bump sampled at f / ratio."""
    low, high = 0.0, 3 * 5 + 27 * np.log(21_000 / 1000) / np.log(6.4)
    centre = np.linspace(low, high, 130)[1:-1]
    hz = np.where(centre < 15, centre * 200 / 3, 1000 * np.exp((centre - 15) * np.log(6.4) / 27))

    def bump(f: np.ndarray) -> np.ndarray:
        return -(np.log2(f / 4000) ** 2)

    mel = bump(hz).astype(np.float32)[:, None]
    got = shift_pitch(mel, LOOP48, ratio)[1:-1, 0]
    want = bump(hz / ratio)[1:-1]
    assert np.abs(got - want)[20:].max() < 0.002
    assert np.abs(bump(hz)[1:-1] - want)[20:].max() > 0.01


def test_refusals() -> None:
    with pytest.raises(InputError, match="outside 30 to 300"):
        render(GL, beats(), 10)
    with pytest.raises(InputError, match="not whole bars"):
        render(GL, beats()[:, :200], 120)
    with pytest.raises(InputError, match="Choose 44100"):
        render(GL, beats(), 120, rate_hz=100)

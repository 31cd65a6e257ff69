"""Mono mixes that do not cancel; the oracle is the energy of each channel."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright.audio.level import rms, to_db
from loopwright.data.mixdown import mixdown, mixdown_weights

RATE = 44_100
rng = np.random.default_rng(3)
noise = rng.standard_normal(2 * RATE).astype(np.float32)
tone = np.sin(2 * np.pi * 50 * np.arange(2 * RATE) / RATE).astype(np.float32)


def loss_db(samples: np.ndarray) -> float:
    return to_db(rms(samples) / np.sqrt(2) * np.sqrt(2)) - to_db(rms(mixdown(samples)))


def test_ordinary_stereo_is_the_plain_mean() -> None:
    stereo = np.stack([noise + 0.3 * np.roll(noise, 500), noise - 0.3 * np.roll(noise, 900)], axis=1)
    assert np.allclose(mixdown_weights(stereo), [0.5, 0.5])


def test_swapped_polarity_does_not_cancel() -> None:
    stereo = np.stack([noise, -0.98 * noise], axis=1)
    assert loss_db(stereo) < 1.0
    assert rms(stereo.mean(axis=1)) < 0.02  # what a plain mean would leave


def test_a_bass_out_of_phase_under_hats_in_phase_is_kept() -> None:
    """Turning a channel would lose the hats, the mean the bass: one channel has both."""
    hats = np.diff(noise, prepend=0).astype(np.float32) * 0.3
    stereo = np.stack([hats + tone, hats - tone], axis=1)
    mono = mixdown(stereo)
    spectrum = np.abs(np.fft.rfft(mono))
    assert spectrum[100] > 0.5 * len(mono) / 2 * 0.9  # 50 Hz at 2 s is bin 100; a unit tone has N/2
    assert rms(np.diff(mono)) > 0.5 * rms(np.diff(stereo[:, 0]))


def test_silent_channels_do_not_thin_the_mix() -> None:
    eight = np.zeros((RATE, 8), dtype=np.float32)
    eight[:, 2] = noise[:RATE]
    assert np.allclose(mixdown(eight), noise[:RATE])


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_silence_stays_silence(channels: int) -> None:
    assert not mixdown(np.zeros((1000, channels), dtype=np.float32)).any()

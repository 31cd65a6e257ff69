"""Shaped noise reads what was asked for."""

from __future__ import annotations

import numpy as np

from loopwright.audio.spectra import stft
from loopwright.config import LOOP48
from loopwright.making.draws import white_noise
from loopwright.vocoder.hiss import HissVocoder
from loopwright.vocoder.render import render


def mean_mel(wave: np.ndarray) -> np.ndarray:
    """Log10 of each band's mean magnitude, by librosa's filters."""
    import librosa

    bank = librosa.filters.mel(
        sr=LOOP48.rate_hz, n_fft=LOOP48.n_fft, n_mels=LOOP48.n_mels, fmin=LOOP48.fmin_hz, fmax=LOOP48.fmax_hz
    )
    return np.asarray(np.log10((np.abs(stft(wave, LOOP48.n_fft, LOOP48.hop)) @ bank.T).mean(axis=0)))


def test_in_the_mean_each_band_reads_what_was_asked_for() -> None:
    shape = -2.0 + np.cos(np.linspace(0, 7, LOOP48.n_mels))  # as smooth as 32 coarse bands
    log_mel = np.repeat(shape[:, None], 1024, axis=1).astype(np.float32)
    loop = HissVocoder(LOOP48).make_loop(log_mel, white_noise(3, LOOP48.hop, 1024))
    off_db = 20 * (mean_mel(loop) - shape)
    assert np.abs(off_db).max() < 1.5  # the lowest bands have two or three bins each: few to take a mean of
    assert np.abs(off_db[64:]).max() < 0.5
    assert np.abs(off_db.mean()) < 0.2


def test_it_is_a_circle_of_any_tempo() -> None:
    rng = np.random.default_rng(0)
    log_mel = rng.uniform(-4, -1, (LOOP48.n_mels, 256)).astype(np.float32)
    noise = white_noise(1, LOOP48.hop, 256)
    hiss = HissVocoder(LOOP48)
    loop = hiss.make_loop(log_mel, noise)
    rolled = hiss.make_loop(np.roll(log_mel, 5, axis=1), np.roll(noise, 5, axis=1))
    np.testing.assert_allclose(rolled, np.roll(loop, 5 * LOOP48.hop), atol=1e-6)
    assert len(render(hiss, log_mel, 97.3, rate_hz=44_100, noise=lambda t: white_noise(1, LOOP48.hop, t))) == 108_777

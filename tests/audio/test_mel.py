from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from loopwright.audio.mel import LogMel, mel_filterbank
from loopwright.audio.melscale import slaney_hz_to_mel, slaney_mel_to_hz
from loopwright.audio.spectra import MelInverse
from loopwright.config import LOOP16, LOOP48, PAPER16, MelConfig, check_same_mel
from loopwright.errors import MelMismatchError


@pytest.mark.parametrize("mel", [LOOP48, LOOP16, PAPER16], ids=lambda m: m.name)
def test_filterbank_equals_librosa(mel: MelConfig) -> None:
    want = librosa.filters.mel(sr=mel.rate_hz, n_fft=mel.n_fft, n_mels=mel.n_mels, fmin=mel.fmin_hz, fmax=mel.fmax_hz)
    np.testing.assert_allclose(mel_filterbank(mel).numpy(), want, atol=1e-7)
    assert (mel_filterbank(mel).sum(dim=1) > 0).all(), "a band without a bin hears nothing"


def test_slaney_scale_inverts_and_meets_its_corner() -> None:
    hz = np.array([0.0, 200.0, 1000.0, 6400.0, 20000.0])
    np.testing.assert_allclose(slaney_mel_to_hz(slaney_hz_to_mel(hz)), hz, rtol=1e-12)
    np.testing.assert_allclose(slaney_hz_to_mel(np.array([1000.0, 6400.0])), [15.0, 42.0])


@pytest.mark.parametrize("mel", [LOOP48, LOOP16], ids=lambda m: m.name)
def test_log_mel_of_a_tiled_loop_equals_librosa_in_its_middle(mel: MelConfig) -> None:
    """Oracle: librosa on three turns of the loop; the middle turn has the wrap on both sides."""
    x = np.random.default_rng(0).standard_normal(mel.bar_samples).astype(np.float32) * 0.1
    spec = librosa.stft(np.tile(x, 3), n_fft=mel.n_fft, hop_length=mel.hop, center=True)
    bank = librosa.filters.mel(sr=mel.rate_hz, n_fft=mel.n_fft, n_mels=mel.n_mels, fmin=mel.fmin_hz, fmax=mel.fmax_hz)
    want = np.log10(np.maximum(bank @ np.abs(spec), 1e-5))[:, mel.bar_frames : 2 * mel.bar_frames]
    got = LogMel(mel)(torch.from_numpy(x)).numpy()
    assert got.shape == (mel.n_mels, 256)
    np.testing.assert_allclose(got, want, atol=2e-4)


def test_published_log_mel_equals_librosa_with_reflect_padding() -> None:
    x = np.random.default_rng(1).standard_normal(32000).astype(np.float32) * 0.1
    padded = np.pad(x, (1024 - 160) // 2, mode="reflect")
    spec = np.abs(librosa.stft(padded, n_fft=1024, hop_length=160, center=False))
    want = np.log10(np.maximum(librosa.filters.mel(sr=16000, n_fft=1024, n_mels=64) @ spec, 1e-5))
    got = LogMel(PAPER16)(torch.from_numpy(x)).numpy()
    assert got.shape == (64, 200)
    np.testing.assert_allclose(got, want, atol=2e-4)


def test_rolling_the_bar_by_frames_rolls_the_log_mel() -> None:
    x = torch.randn(1, LOOP16.bar_samples, generator=torch.Generator().manual_seed(2))
    mel = LogMel(LOOP16)
    torch.testing.assert_close(mel(x.roll(37 * LOOP16.hop, -1)), mel(x).roll(37, -1))


def test_silence_is_the_floor() -> None:
    assert LogMel(LOOP16)(torch.zeros(32000)).unique().item() == pytest.approx(-5.0)


def test_mel_inverse_is_non_negative_and_has_the_mel_it_was_given() -> None:
    x = torch.randn(1, LOOP16.bar_samples, generator=torch.Generator().manual_seed(3)) * 0.1
    log_mel = LogMel(LOOP16)(x)
    magnitude = torch.from_numpy(MelInverse(LOOP16)(log_mel[0].T.numpy()).T)[None]
    assert (magnitude >= 0).all()
    again = (mel_filterbank(LOOP16) @ magnitude).clamp_min(1e-5).log10()
    assert (again - log_mel).abs().mean() < 1e-3


def test_settings_that_are_not_whole_bars_are_refused() -> None:
    with pytest.raises(ValueError, match="must be one bar of 96000 samples, got 400 x 256"):
        MelConfig(name="x", rate_hz=48000, n_fft=2048, hop=400, n_mels=64, fmax_hz=20000, bar_frames=256, model_frames=256)


def test_a_mismatch_names_both_settings_and_the_fields() -> None:
    check_same_mel("a", LOOP16, "b", LOOP16)
    with pytest.raises(MelMismatchError, match=r"'loop16'.*'loop48'.*rate_hz 16000 against 48000"):
        check_same_mel("this vocoder", LOOP16, "the run", LOOP48)

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.audio.stft import circular_istft, circular_stft, hann, overlap_add, wrap_pad


def test_stft_equals_a_plain_transform_of_wrapped_frames() -> None:
    """Oracle: numpy, frame by frame, indices modulo the length."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(60)
    n_fft, hop = 16, 5
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    want = np.stack([np.fft.rfft(window * x[(t * hop - n_fft // 2 + np.arange(n_fft)) % 60]) for t in range(12)], axis=1)
    got = circular_stft(torch.from_numpy(x), n_fft, hop).numpy()
    np.testing.assert_allclose(got, want, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(frames=st.integers(1, 40), hop=st.sampled_from([3, 4, 8]), shift=st.integers(-100, 100), seed=st.integers(0, 1000))
def test_rolling_by_frames_rolls_the_frames_and_the_inverse_undoes_it(frames: int, hop: int, shift: int, seed: int) -> None:
    x = torch.randn(2, frames * hop, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    spec = circular_stft(x, 16, hop)
    assert spec.shape == (2, 9, frames)
    torch.testing.assert_close(circular_stft(x.roll(shift * hop, -1), 16, hop), spec.roll(shift, -1))
    torch.testing.assert_close(circular_istft(spec, 16, hop), x, atol=1e-7, rtol=1e-6)


def test_overlap_add_equals_a_plain_loop_modulo_the_length() -> None:
    frames = torch.randn(6, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    want = torch.zeros(24, dtype=torch.float64)
    for t in range(6):
        for i in range(10):
            want[(t * 4 - 5 + i) % 24] += frames[t, i]
    torch.testing.assert_close(overlap_add(frames, 4, 24), want)


def test_a_periodic_tone_has_the_same_magnitude_in_every_frame() -> None:
    """No first or last frame: a tone of whole periods looks alike everywhere, the seam included."""
    x = torch.sin(2 * torch.pi * 48 * torch.arange(480, dtype=torch.float64) / 480)
    magnitude = circular_stft(x, 80, 20).abs()
    torch.testing.assert_close(magnitude, magnitude[:, :1].expand_as(magnitude), atol=1e-6, rtol=0)


def test_wrap_pad_goes_round_more_than_once() -> None:
    assert wrap_pad(torch.arange(3), 4, 5).tolist() == [2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]


def test_hop_must_divide_the_loop() -> None:
    with pytest.raises(ValueError, match="hop 7 does not divide"):
        circular_stft(torch.zeros(20), 8, 7)


def test_hann_is_periodic() -> None:
    np.testing.assert_allclose(hann(8).numpy(), 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(8) / 8), atol=1e-6)

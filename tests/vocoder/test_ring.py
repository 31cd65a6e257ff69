"""The ring vocoder: exactly circular, repeatable, bounded in its refusals, and its parts against closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from loopwright.audio.mel import LogMel, mel_filterbank
from loopwright.audio.spectra import MelInverse
from loopwright.audio.stft import circular_stft
from loopwright.config import LOOP16, LOOP48, PAPER16, MelConfig
from loopwright.errors import InputError, MelMismatchError
from loopwright.files import load_tensors, save_tensors
from loopwright.vocoder import load, modelfile, render
from loopwright.vocoder.noise import content_noise, splitmix64
from loopwright.vocoder.ring import CircularConv, MelPrior, RingVocoder
from loopwright.vocoder.ring_config import RING_SIZES, RingConfig, short_window

TINY = RingConfig(dim=24, layers=2, refine=2)


def tiny(mel: MelConfig = LOOP16, seed: int = 0) -> RingVocoder:
    torch.manual_seed(seed)
    return RingVocoder(mel, TINY).eval().requires_grad_(False)


def noisy_mel(mel: MelConfig = LOOP16, seed: int = 0) -> torch.Tensor:
    x = torch.randn(1, mel.bar_samples, generator=torch.Generator().manual_seed(seed)) * 0.1
    x *= 1 + torch.sin(2 * torch.pi * 8 * torch.arange(mel.bar_samples) / mel.bar_samples)
    return LogMel(mel)(x)


@pytest.mark.parametrize("mel", [LOOP16, LOOP48], ids=lambda m: m.name)
@pytest.mark.parametrize("frames", [1, 100, -37])
def test_rolling_the_mel_rolls_the_loop(mel: MelConfig, frames: int) -> None:
    ring, log_mel = tiny(mel), noisy_mel(mel)
    want = ring(log_mel).roll(frames * mel.hop, dims=-1)
    got = ring(log_mel.roll(frames, dims=-1))
    assert got.shape == (1, mel.bar_samples)
    assert float((got - want).norm() / want.norm()) < 1e-4


def test_the_seam_is_like_any_other_place() -> None:
    loop = tiny()(noisy_mel())[0]
    steps = loop.diff().abs()
    assert float((loop[0] - loop[-1]).abs()) <= float(torch.quantile(steps, 0.999))
    assert float(steps.max()) > 0


def test_batch_and_order_change_nothing() -> None:
    mels = torch.cat([noisy_mel(seed=i) for i in range(3)])
    ring = tiny()
    together = ring(mels)
    for i in (2, 0, 1):
        torch.testing.assert_close(ring(mels[i : i + 1])[0], together[i], rtol=1e-4, atol=1e-5)


def test_sizes_are_what_the_documents_say() -> None:
    count = {name: sum(p.numel() for p in RingVocoder(LOOP48, c).parameters()) / 1e6 for name, c in RING_SIZES.items()}
    assert 3.0 < count["small"] < 4.0
    assert 11.0 < count["base"] < 14.0


def test_correction_brings_the_mel_nearer_each_time() -> None:
    """Even from plain noise, without any network."""
    ring, log_mel = tiny(), noisy_mel()
    x = torch.randn(1, LOOP16.bar_samples, generator=torch.Generator().manual_seed(5))
    analyse = LogMel(LOOP16)
    prior = ring.prior(log_mel)
    errors = [float((analyse(ring.correct(x, log_mel, prior, k)) - log_mel).abs().mean()) for k in (0, 1, 3, 8)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.12


def test_prior_is_positive_and_near_the_mel() -> None:
    log_mel = noisy_mel()
    prior = MelPrior(LOOP16)(log_mel).transpose(1, 2)
    assert float(prior.min()) >= 0
    error = (mel_filterbank(LOOP16) @ prior).clamp_min(1e-5).log10() - log_mel
    assert float(error.abs().mean()) < 0.03
    exact = np.stack([MelInverse(LOOP16)(one.T.numpy()).T for one in log_mel])
    correlation = np.corrcoef(prior.flatten().numpy(), exact.ravel())[0, 1]
    assert correlation > 0.9


def test_circular_convolution_is_the_one_of_the_fourier_transform() -> None:
    torch.manual_seed(0)
    conv = CircularConv(1, 1, 7).double()
    x = torch.randn(1, 1, 20, dtype=torch.float64)
    kernel = torch.zeros(20, dtype=torch.float64)
    kernel[torch.arange(-3, 4) % 20] = conv.weight[0, 0].detach().flip(0)
    want = torch.fft.ifft(torch.fft.fft(x[0, 0]) * torch.fft.fft(kernel)).real + conv.bias[0].detach()
    torch.testing.assert_close(conv(x)[0, 0].detach(), want)


def test_short_windows_divide_the_hop_and_overlap() -> None:
    assert short_window(LOOP48) == (3, 512, 125)
    assert short_window(LOOP16) == (5, 128, 25)
    for mel in (LOOP48, LOOP16, PAPER16):
        steps, window, hop = short_window(mel)
        assert steps * hop == mel.hop
        assert window >= 3 * hop
        assert mel.n_fft % window == 0


def test_splitmix_is_the_published_one() -> None:
    """First outputs of SplitMix64 for seed 1234567 (Rosetta Code)."""
    numbers = np.uint64(1234567) + np.arange(1, 4, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    states = torch.from_numpy(numbers.view(np.int64))
    got = [int(v) % 2**64 for v in splitmix64(states)]
    assert got == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_content_noise_is_white_and_belongs_to_the_frame() -> None:
    log_mel = noisy_mel()
    noise = content_noise(log_mel, 125)
    assert noise.shape == (1, 125, 256)
    assert abs(float(noise.mean())) < 0.02
    assert abs(float(noise.std()) - 1) < 0.02
    signal = noise.transpose(1, 2).flatten().numpy()
    power = np.abs(np.fft.rfft(signal - signal.mean())) ** 2
    band = power[1 : 1 + 16 * 990].reshape(16, -1).mean(1)
    assert band.max() / band.min() < 1.3  # chi-square with 1980 degrees of freedom: spread of 3 %
    assert torch.equal(content_noise(log_mel.roll(9, -1), 125), noise.roll(9, -1))
    changed = log_mel.clone()
    changed[0, 5, 7] += 0.01
    assert int((content_noise(changed, 125) != noise).any(1).sum()) == 1


def test_file_round_trip_half_and_full(tmp_path: Path) -> None:
    ring, log_mel = tiny(), noisy_mel()
    want = ring(log_mel)
    for half, tolerance in ((False, 0.0), (True, 0.05)):
        modelfile.save(tmp_path / "v.safetensors", ring, {"steps": 3}, half=half)
        loaded, header = modelfile.read(tmp_path / "v.safetensors")
        got = loaded(log_mel)
        assert float((got - want).norm() / want.norm()) <= tolerance
        assert header["training"] == {"steps": 3}
    assert load(tmp_path / "v.safetensors", LOOP16).mel == LOOP16
    assert render(loaded, log_mel[0].numpy(), 97.0, rate_hz=44_100).shape == (round(60 * 44_100 * 4 / 97),)


def test_files_that_will_not_do(tmp_path: Path) -> None:
    path = tmp_path / "v.safetensors"
    ring = tiny()
    modelfile.save(path, ring, {})
    with pytest.raises(MelMismatchError, match=r"loop16.*loop48.*hop 125 against 375"):
        load(path, LOOP48)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load(path, LOOP16)
    path.write_bytes(whole)
    tensors, header = load_tensors(path)

    def write(**changes: object) -> None:
        save_tensors(path, tensors, header | changes)

    write(config={**header["config"], "dim": 32})
    with pytest.raises(InputError, match="does not fit its own header"):
        load(path, LOOP16)
    write(kind="generator")
    with pytest.raises(InputError, match="not a vocoder"):
        load(path, LOOP16)
    write(architecture="wavenet")
    with pytest.raises(InputError, match="Update loopwright"):
        load(path, LOOP16)
    ring.head.bias[0] = torch.nan
    modelfile.save(path, ring, {})
    with pytest.raises(InputError, match="NaN or infinite weights"):
        load(path, LOOP16)
    with pytest.raises(InputError, match="train vocoder"):
        load(tmp_path / "none.safetensors", LOOP16)


def test_holding_low_bins_brings_them_nearer_to_the_prior() -> None:
    ring, log_mel = tiny(), noisy_mel()
    x = torch.randn(1, LOOP16.bar_samples, generator=torch.Generator().manual_seed(5))
    whole = ring.prior(log_mel)
    prior = whole[..., : ring.tone_bins]

    def away(hold: float) -> float:
        ring.config = TINY.model_copy(update={"hold": hold})
        spectrum = circular_stft(ring.correct(x, log_mel, whole, 4), LOOP16.n_fft, LOOP16.hop).transpose(1, 2)
        return float((spectrum.abs()[..., : ring.tone_bins] - prior).norm() / prior.norm())

    assert away(0.5) < 0.8 * away(0.0)

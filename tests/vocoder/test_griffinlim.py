"""Griffin-Lim and phase-gradient integration: against closed forms, a slow plain heap, and the circle itself."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
import torch

from loopwright import vocoder
from loopwright.audio.mel import LogMel
from loopwright.audio.pghi import integrate, phase_from_magnitude
from loopwright.audio.stft import circular_stft
from loopwright.config import LOOP16, PAPER16, MelConfig
from loopwright.errors import InputError
from loopwright.vocoder.base import Batched
from loopwright.vocoder.griffinlim import GriffinLim


def drum_bar(mel: MelConfig = LOOP16, seed: int = 0) -> torch.Tensor:
    """Decaying noise and a falling sine on the beats: something with onsets, tails and pitch. (1, N)."""
    rng = np.random.default_rng(seed)
    n = mel.bar_samples
    out = np.zeros(n)
    for beat in range(8):
        start = beat * n // 8
        t = np.arange(n) / mel.rate_hz
        hit = (
            np.sin(2 * np.pi * (50 * t + 8 * (1 - np.exp(-t * 30)))) * np.exp(-t * 18)
            if beat % 2 == 0
            else rng.standard_normal(n) * np.exp(-t * 25)
        )
        out += np.roll(hit, start) * 0.4
    return torch.tensor(out / np.abs(out).max(), dtype=torch.float32)[None]


def phase_error(got: np.ndarray, spectrum: torch.Tensor) -> float:
    """Magnitude-weighted phase error up to one global phase: 1 - |<u, v>| / |u||v|."""
    other = spectrum.abs().numpy() * np.exp(1j * got)
    inner = np.abs(np.sum(np.conj(other) * spectrum.numpy()))
    return float(1 - inner / np.sum(np.abs(spectrum.numpy()) ** 2))


@pytest.mark.parametrize("start", [0, 3000])
def test_phase_of_a_click_is_linear_in_frequency(start: int) -> None:
    x = torch.zeros(1, 16000)
    x[0, start] = 1.0
    spectrum = circular_stft(x, 1024, 125)
    got = phase_from_magnitude(spectrum.abs().numpy(), 1024, 125)
    assert phase_error(got, spectrum) < 0.02


@pytest.mark.parametrize("cycles", [1000, 1005, 1013])
def test_phase_of_a_tone_advances_with_time(cycles: int) -> None:
    """On the bins of the main lobe, frame to frame; between bins a Hann window is only nearly Gaussian."""
    x = torch.cos(2 * torch.pi * cycles * torch.arange(16000) / 16000)[None]
    magnitude = circular_stft(x, 1024, 125).abs().numpy()
    got = phase_from_magnitude(magnitude, 1024, 125)[0, 64:66]
    advance = 2 * np.pi * cycles * 125 / 16000
    error = np.angle(np.exp(1j * (np.diff(got, axis=-1) - advance)))
    assert np.abs(np.median(error)) < 0.03


def test_integration_follows_the_path_of_a_heap() -> None:
    """Against the published heap (Prim's order) with the same edge weights, one node at a time, in plain Python."""
    rng = np.random.default_rng(1)
    weight = rng.standard_normal((1, 9, 7))
    step_t, step_k = rng.uniform(-3, 3, (1, 9, 7)), rng.uniform(-3, 3, (1, 8, 7))
    w, phase = weight[0], {}
    root = tuple(int(i) for i in np.unravel_index(np.argmax(w), w.shape))
    heap = [(-np.inf, root, 0.0)]
    while heap:
        _, (k, t), value = heapq.heappop(heap)
        if (k, t) in phase:
            continue
        phase[k, t] = value
        for node, step in (
            ((k, (t + 1) % 7), step_t[0, k, t]),
            ((k, (t - 1) % 7), -step_t[0, k, (t - 1) % 7]),
            ((k + 1, t), step_k[0, k, t] if k < 8 else None),
            ((k - 1, t), -step_k[0, k - 1, t] if k else None),
        ):
            if step is not None:
                heapq.heappush(heap, (-(w[k, t] + w[node]), node, value + step))
    want = np.array([[phase[k, t] for t in range(7)] for k in range(9)])
    got = integrate(weight, step_t, step_k)[0]
    np.testing.assert_allclose(np.exp(1j * got), np.exp(1j * want), atol=1e-9)


def test_rolling_the_mel_rolls_the_loop() -> None:
    log_mel = LogMel(LOOP16)(drum_bar())
    gl = Batched(GriffinLim(LOOP16, iterations=8))
    want = gl(log_mel).roll(37 * LOOP16.hop, dims=-1)
    got = gl(log_mel.roll(37, dims=-1))
    assert float((got - want).norm() / want.norm()) < 1e-4


def test_the_phase_gradient_start_and_momentum_each_help() -> None:
    """At equal iterations the mel of the result is nearer the wanted one."""
    analyse = LogMel(LOOP16)
    log_mel = analyse(drum_bar())

    def error(**settings: object) -> float:
        got = analyse(Batched(GriffinLim(LOOP16, **settings))(log_mel))  # type: ignore[arg-type]
        return float((got.clamp_min(-3) - log_mel.clamp_min(-3)).abs().mean())  # what can be heard

    best = error(iterations=16)
    assert best < error(iterations=16, start="random")
    assert best < error(iterations=16, momentum=0.0)
    assert best < 0.1  # decades: 2 dB


def test_paper16_frames_land_where_they_came_from() -> None:
    """Reflect padding centres frames half a hop late; the loop must not come out early by 5 ms."""
    x = torch.zeros(1, PAPER16.bar_samples)
    x[0, 16000] = 0.5
    y = Batched(GriffinLim(PAPER16))(LogMel(PAPER16)(x))
    assert y.shape == x.shape
    assert abs(int(y.abs().argmax()) - 16000) <= 16


def test_bad_input_is_refused_with_what_to_do() -> None:
    gl = vocoder.load("griffinlim", LOOP16)
    good = LogMel(LOOP16)(drum_bar())
    bad = good.clone()
    bad[0, 3, 3] = torch.nan
    for value, text in (
        (bad, "NaN or infinity"),
        (good[0], "shape"),
        (good[:, :32], "Pass --vocoder one made for"),
        (good[..., :4], "whole bars"),
        (good * 5, "not normalised ones"),
    ):
        with pytest.raises(InputError, match=text):
            gl(value)
    with pytest.raises(InputError, match="Known: griffinlim"):
        vocoder.load("nonsense", LOOP16)

"""The vocoders that come with the package: whole, circular, and better than Griffin-Lim on a bar they never saw."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from loopwright.audio.mel import LogMel
from loopwright.config import LOOP16, LOOP48, PAPER16, MelConfig
from loopwright.errors import InputError
from loopwright.vocoder import load, render
from loopwright.vocoder.base import Batched
from loopwright.vocoder.fidelity import attack_errors, mel_errors
from loopwright.vocoder.griffinlim import GriffinLim


@functools.cache
def a_bar(mel: MelConfig) -> torch.Tensor:
    """A kick, snare and hats made here by formula: no part of any training corpus. (1, N)."""
    rng = np.random.default_rng(3)
    n, rate = mel.bar_samples, mel.rate_hz
    t = np.arange(n) / rate
    out = np.zeros(n)
    for step in range(16):
        start = step * n // 16
        hat = np.diff(rng.standard_normal(n + 1)) * np.exp(-t * 90) * 0.1
        out += np.roll(hat, start)
        if step in (0, 6, 10):
            out += np.roll(np.sin(2 * np.pi * (48 * t + 4 * (1 - np.exp(-t * 40)))) * np.exp(-t * 9), start) * 0.7
        if step in (4, 12):
            body = np.sin(2 * np.pi * 190 * t) + rng.standard_normal(n)
            out += np.roll(body * np.exp(-t * 22), start) * 0.25
    return torch.tensor(out / np.abs(out).max() * 0.9, dtype=torch.float32)[None]


@pytest.mark.parametrize("mel", [LOOP48, LOOP16], ids=lambda m: m.name)
def test_it_is_circular_and_exact_in_length(mel: MelConfig) -> None:
    ring, bar = load("auto", mel), a_bar(mel)
    assert ring.name == "ring"
    log_mel = LogMel(mel)(bar)
    loop = ring(log_mel)
    rolled = ring(log_mel.roll(91, -1))
    want = loop.roll(91 * mel.hop, -1)
    assert float((rolled - want).norm() / want.norm()) < 1e-4
    steps = loop[0].diff().abs()
    assert float((loop[0, 0] - loop[0, -1]).abs()) <= float(torch.quantile(steps, 0.999))
    out = render(ring, log_mel[0].numpy(), 128.0, rate_hz=44_100)
    assert out.shape == (82688,)
    assert np.abs(out).max() <= 1.0


@pytest.mark.parametrize("mel", [LOOP48, LOOP16], ids=lambda m: m.name)
def test_it_beats_griffin_lim_on_colour_and_attacks(mel: MelConfig) -> None:
    analyse, bar = LogMel(mel), a_bar(mel)
    log_mel = analyse(bar)
    ours, control = load("ring", mel)(log_mel), Batched(GriffinLim(mel))(log_mel)
    assert mel_errors(log_mel, ours, analyse)[0] < mel_errors(log_mel, control, analyse)[0]
    assert attack_errors(bar, ours, mel.rate_hz)[0] < attack_errors(bar, control, mel.rate_hz)[0]


def test_where_none_is_bundled_griffin_lim_serves() -> None:
    assert load("auto", PAPER16).name == "griffinlim"
    with pytest.raises(InputError, match="no vocoder 'ring' for 'paper16'"):
        load("ring", PAPER16)

"""Music at ticks: against sounds whose figures are known."""

from __future__ import annotations

import numpy as np
import torch

from loopwright.audio.constantq import ConstantQ
from loopwright.audio.mel import LogMel
from loopwright.config import LOOP48, PAPER16, TONE48
from loopwright.training.heard import hear


def chord(cents: float) -> np.ndarray:
    t = np.arange(96_000) / 48_000
    hz = 440 * 2 ** ((np.array([-12, -8, -5]) + cents / 100) / 12)
    return np.sum([np.sin(2 * np.pi * np.round(f * 2) / 2 * t) for f in hz], axis=0) / 5


def test_a_detuned_chord_is_heard_as_far_off_as_it_is() -> None:
    bank = ConstantQ()
    for cents in (0.0, 30.0):
        told = hear(bank(chord(cents)[None], 48_000), TONE48, bars=1)
        assert abs(told["music/cents_off"] - cents) < 3
        assert told["music/tuning_r"] > 0.8


def test_clicks_rise_more_than_a_swell() -> None:
    t = np.arange(96_000) / 96_000
    noise = np.random.default_rng(0).normal(0, 0.1, 96_000)
    clicks = noise * (np.exp(-60 * (t * 8 % 1)) + 1e-3)
    swell = noise * (1 - np.cos(2 * np.pi * 4 * t)) / 2
    with torch.no_grad():
        pictures = LogMel(LOOP48)(torch.from_numpy(np.stack([clicks, swell]).astype(np.float32))).numpy()
    sharp, soft = (hear(pictures[i : i + 1], LOOP48, bars=1) for i in (0, 1))
    assert sharp["music/rise_db"] > soft["music/rise_db"] + 5


def test_a_representation_without_a_circular_vocoder_is_not_heard() -> None:
    assert hear(np.full((2, 64, 192), -3, dtype=np.float32), PAPER16, bars=1) == {}

"""Tuning, key and kind of sounds whose tuning, notes and drums are known by construction."""

from __future__ import annotations

import numpy as np
import pytest
from sounds import drum_loop

from loopwright.audio.hearing import Heard, listen
from loopwright.audio.key_fit import fit_keys
from loopwright.metrics.pitch import tuning

SCALE = {"A minor": (57, 59, 60, 62, 64, 65, 67), "Eb major": (51, 53, 55, 56, 58, 60, 62)}


def notes(midi: list[int], rate_hz: int, *, cents: float = 0.0, seconds: float = 0.25) -> np.ndarray:
    """Notes one after the other, four harmonics each, with short fades."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    fade = np.minimum(1, np.minimum(t, t[::-1]) / 0.01)
    parts = []
    for note in midi:
        f = 440 * 2 ** ((note - 69 + cents / 100) / 12)
        parts.append(fade * sum(np.sin(2 * np.pi * f * h * t) / h**1.5 for h in (1, 2, 3, 4)))
    return (0.2 * np.concatenate(parts)).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 44_100, 96_000])
@pytest.mark.parametrize("cents", [-45.0, -12.0, 0.0, 7.0, 31.0])
def test_tuning_is_what_was_played(rate_hz: int, cents: float) -> None:
    x = notes([57, 64, 60, 69, 57, 62, 65, 64], rate_hz, cents=cents)
    heard = listen(x, rate_hz)
    assert heard.cents == pytest.approx(cents, abs=2.5)
    assert heard.r > 0.8
    slow = tuning(x[None], rate_hz)
    assert heard.cents == pytest.approx(float(slow.offset[0]), abs=4)


@pytest.mark.parametrize("key", sorted(SCALE))
def test_a_key_is_heard_and_surer_with_its_scale(key: str) -> None:
    scale = SCALE[key]
    tune = [scale[i] for i in (0, 2, 4, 0, 1, 3, 5, 4, 6, 4, 2, 0, 0, 4, 2, 0)]
    heard = listen(notes(tune, 22_050), 22_050)
    assert heard.key == key
    one = listen(notes([57] * 8, 22_050), 22_050)
    assert heard.key_confidence > one.key_confidence


def test_kinds() -> None:
    rng = np.random.default_rng(0)
    rate = 44_100
    tune = notes([57, 64, 60, 69, 57, 62, 65, 64] * 2, rate, seconds=0.25)
    drums = drum_loop(120.0, 2, rate, step=1)[: len(tune)]
    hats = np.concatenate([rng.standard_normal(2000) * np.exp(-np.arange(2000) / 300) for _ in range(64)]).astype(np.float32)
    noise = 0.1 * rng.standard_normal(2 * rate).astype(np.float32)
    assert listen(tune, rate).kind == "tonal"
    assert listen(drums, rate).kind == "drums"
    assert listen(0.1 * hats, rate).kind == "drums"
    assert listen(noise, rate).kind == "other"
    assert listen(tune + drums, rate).kind in ("both", "tonal")


@pytest.mark.parametrize("x", [np.zeros(1), np.zeros(50_000), np.ones(50_000), np.full(3, 0.5), np.eye(1, 9000, 4000)[0]])
@pytest.mark.parametrize("rate_hz", [8000, 44_100, 192_000])
def test_what_holds_nothing_is_heard_as_nothing(x: np.ndarray, rate_hz: int) -> None:
    heard = listen(x.astype(np.float32), rate_hz)
    assert isinstance(heard, Heard)
    assert np.isfinite([heard.r, heard.cents, heard.tonal, heard.drums, heard.key_confidence]).all()


def test_a_scale_alone_fits_its_own_key_best() -> None:
    for number, tonic in enumerate(range(12)):
        classes = np.zeros((1, 12))
        classes[0, [(tonic + step) % 12 for step in (0, 2, 4, 5, 7, 9, 11)]] = (3, 1, 2, 1, 2.5, 1, 1)
        share, likeness = fit_keys(classes / classes.sum())
        assert share[0, number] == pytest.approx(1)
        assert int((share + likeness).argmax()) == number

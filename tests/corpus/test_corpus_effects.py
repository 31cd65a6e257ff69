"""Effects that are not linear, or move, against slow plain versions and their definitions."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from loopwright.corpus.bar import BAR_SAMPLES, CORPUS_RATE_HZ
from loopwright.corpus.circular import biquad
from loopwright.corpus.drums import DrumRenderer, loop_rng, render, setup_of
from loopwright.corpus.effects import BLOCK, Compressor, Crusher, Noise, Sweep, per_sample, pump, saturate, smooth
from loopwright.corpus.groove import read_groove

N = 9_600


def loop(seed: int = 0) -> np.ndarray:
    """Noise that swells and dies four times."""
    rng = np.random.default_rng(seed)
    hull = np.exp(-6 * ((np.arange(N) * 4 / N) % 1.0))
    return (rng.standard_normal(N) * hull * 0.3).astype(np.float32)


def test_smoothing_is_a_one_pole_average_that_has_run_for_ever() -> None:
    values = np.random.default_rng(0).random(50)
    pole, state = np.exp(-1 / 7.0), 0.0
    for _ in range(40):
        want = []
        for value in values:
            state = (1 - pole) * value + pole * state
            want.append(state)
    np.testing.assert_allclose(smooth(values, 7.0), want, rtol=1e-9)


def test_blocks_become_a_straight_line_round_the_circle() -> None:
    """Block k stands for sample BLOCK k - 1/2, so the line crosses it between two samples."""
    blocks = np.array([0.0, 1.0, 3.0, 2.0])
    places = np.arange(4 * BLOCK) + 0.5
    want = np.interp(places, BLOCK * np.arange(5), [*blocks, blocks[0]])
    np.testing.assert_allclose(per_sample(blocks), want, atol=1e-6)


def test_a_compressor_is_what_a_plain_loop_over_blocks_gives() -> None:
    x = loop()
    squeeze = Compressor(over_db=-3.0, ratio=4.0, attack_ms=3.0, release_ms=20.0, mix=0.8)
    power = [float(np.mean(x[k : k + BLOCK].astype(np.float64) ** 2)) for k in range(0, N, BLOCK)]
    release, attack = np.exp(-1 / 20.0), np.exp(-1 / 3.0)
    level = gain = 0.0
    gains = []
    for number in range(30 * len(power)):  # round and round, until nothing changes
        level = (1 - release) * power[number % len(power)] + release * level
        over = 10 * np.log10(level / np.mean(power)) + 3.0
        gain = (1 - attack) * 10 ** (-(1 - 1 / 4.0) * max(over, 0.0) / 20) + attack * gain
        gains.append(0.2 + 0.8 * gain)
    want = x * per_sample(np.array(gains[-len(power) :]))
    np.testing.assert_allclose(squeeze(x), want, rtol=1e-4, atol=1e-6)


def test_a_compressor_makes_the_loud_parts_nearer_to_the_soft_ones() -> None:
    x = loop()
    y = Compressor(-6.0, 8.0, 0.5, 10.0)(x)

    def spread(z: np.ndarray) -> float:
        level = 10 * np.log10((z.reshape(-1, 240) ** 2).mean(axis=1))
        return float(level.std())

    assert spread(y) < 0.8 * spread(x)
    assert np.abs(y).max() <= np.abs(x).max()


@pytest.mark.parametrize("shift", [BLOCK, 30 * BLOCK, N - BLOCK])
def test_effects_roll_with_a_loop_rolled_by_whole_milliseconds(shift: int) -> None:
    x = loop()
    for effect in (Compressor(-3.0, 4.0, 3.0, 20.0), Crusher(8.0, 6)):
        np.testing.assert_allclose(effect(np.roll(x, shift)), np.roll(effect(x), shift), atol=1e-5)


def test_a_crusher_holds_values_and_has_few_of_them() -> None:
    y = Crusher(4.0, 6)(loop())
    assert (y.reshape(-1, 6) == y[::6, None]).all()
    assert 4 < len(np.unique(y)) <= 2**4 + 1
    fine = Crusher(16.0, 1)(loop())
    np.testing.assert_allclose(fine, loop(), atol=2**-15)


def test_a_sweep_is_the_filter_at_its_phase_and_nothing_half_a_turn_later() -> None:
    response = biquad("lowpass", 500, CORPUS_RATE_HZ, N)
    x = loop()
    filtered = np.fft.irfft(np.fft.rfft(x) * response, N)
    y = Sweep(response, turns=1, phase=0.25, depth=1.0)(x)
    np.testing.assert_allclose(y[N // 4 - 5 : N // 4 + 5], filtered[N // 4 - 5 : N // 4 + 5], atol=1e-4)
    np.testing.assert_allclose(y[3 * N // 4 - 5 : 3 * N // 4 + 5], x[3 * N // 4 - 5 : 3 * N // 4 + 5], atol=1e-4)
    np.testing.assert_array_equal(Sweep(response, 2, 0.1, 0.0)(x), x)


def test_noise_is_as_loud_as_it_says_against_the_peak() -> None:
    x = np.zeros(BAR_SAMPLES, np.float32)
    x[0] = 0.5
    hiss = Noise(-50.0, 0, -30.0, seed=1)(x)[1000:]
    assert 20 * np.log10(np.sqrt(np.mean(hiss**2)) / 0.5) == pytest.approx(-50, abs=0.2)
    crackles = Noise(-200.0, 40, -30.0, seed=1)(x)[1:]
    clicks = np.flatnonzero(np.abs(crackles) > 0.5 * 10 ** (-45 / 20))
    assert 20 < np.count_nonzero(np.diff(clicks) > 10) + 1 <= 40
    assert np.array_equal(Noise(-50.0, 9, -30.0, 3)(x), Noise(-50.0, 9, -30.0, 3)(x))


def test_a_pump_ducks_on_every_beat_and_has_come_back_before_the_next() -> None:
    gain = pump(BAR_SAMPLES, 4, depth=0.8, recover=0.3)
    assert len(gain) == BAR_SAMPLES
    np.testing.assert_allclose(gain.reshape(4, -1), np.tile(gain[:24_000], (4, 1)), atol=1e-6)
    assert int(gain[:24_000].argmin()) < 24_000 * 0.05
    assert 0.2 <= gain.min() < 0.35
    assert gain[20_000] > 0.99
    assert np.abs(np.diff(np.append(gain, gain[0]))).max() < 0.01  # no click


def test_saturation_keeps_the_peak_and_makes_odd_harmonics() -> None:
    x = np.sin(2 * np.pi * 20 * np.arange(N) / N).astype(np.float32)
    y = saturate(x, 3.0)
    assert np.abs(y).max() == pytest.approx(1.0, abs=1e-5)
    power = np.abs(np.fft.rfft(y)) ** 2
    assert power[60] > 1e-3 * power[20]
    assert power[40] < 1e-9 * power[20]


@pytest.mark.parametrize("n_bars", [1, 2])
def test_a_processed_loop_played_later_is_the_same_loop_rolled(mini_groove: Path, mini_oneshots: Path, n_bars: int) -> None:
    """All of the chain but what is tied to the place in the loop on purpose (sweep and noise)."""
    (phrase, *_) = read_groove(mini_groove, bars=n_bars)
    renderer = DrumRenderer([phrase], mini_oneshots, 2, n_bars)
    setup = dataclasses.replace(
        setup_of(renderer.library, phrase, renderer.rooms, loop_rng(2, 5)),
        squeeze=Compressor(-3.0, 6.0, 2.0, 80.0), drive=2.0, crush=Crusher(12.0, 2), sweep=None, noise=None,
        send=renderer.rooms.responses[7],
    )  # fmt: skip
    shift = 1001 * BLOCK
    order = np.argsort((phrase.position + shift) % phrase.samples, kind="stable")
    later = dataclasses.replace(
        phrase,
        position=((phrase.position + shift) % phrase.samples)[order],
        role=phrase.role[order], velocity=phrase.velocity[order], pitch=phrase.pitch[order],
    )  # fmt: skip
    moved = dataclasses.replace(setup, jitter=setup.jitter[order], turn=setup.turn[order])
    got, want = render(renderer.library, later, moved), np.roll(render(renderer.library, phrase, setup), shift)
    assert np.quantile(np.abs(got - want), 0.999) < 1e-4  # a few values fall on the other side of a crusher's step
    assert np.abs(got - want).max() < 2**-9

"""Circular effects against steady states of ordinary filters, computed by scipy or by plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from loopwright.corpus.circular import add_wrapped, biquad, convolve, echo, room
from loopwright.corpus.synthesis import chorus

RATE, N = 48_000, 4_800


def steady_state(b: np.ndarray, a: np.ndarray, loop: np.ndarray, rounds: int = 40) -> np.ndarray:
    return signal.lfilter(b, a, np.tile(loop, rounds))[-len(loop) :]


@pytest.mark.parametrize(("kind", "q"), [("lowpass", 0.7071), ("highpass", 0.7071), ("lowpass", 4.0)])
def test_a_biquad_is_the_steady_state_of_the_filter_played_for_ever(kind: str, q: float) -> None:
    """At Q = 0.7071 the cookbook's filters are Butterworth of order 2; with resonance, of the same poles at another Q."""
    x = np.random.default_rng(0).standard_normal(N).astype(np.float32)
    hz = 1000.0
    if q == 0.7071:
        b, a = signal.butter(2, hz, kind, fs=RATE)
    else:  # bilinear transform of the analog prototype, pre-warped
        k = 2 * RATE * np.tan(np.pi * hz / RATE)
        b, a = signal.bilinear([k * k], [1, k / q, k * k], RATE)
    got = convolve(x, biquad(kind, hz, RATE, N, q=q))  # type: ignore[arg-type]
    np.testing.assert_allclose(got, steady_state(b, a, x), atol=2e-4)


@pytest.mark.parametrize("gain_db", [-9.0, 6.0])
def test_shelves_and_peak_have_their_gain_where_they_should_and_none_elsewhere(gain_db: float) -> None:
    def db(h: complex) -> float:
        return float(20 * np.log10(abs(h)))

    low = biquad("lowshelf", 500, RATE, N, gain_db=gain_db)
    high = biquad("highshelf", 4000, RATE, N, gain_db=gain_db)
    peak = biquad("peak", 2000, RATE, N, gain_db=gain_db, q=1.0)
    assert (db(low[0]), db(low[-1])) == pytest.approx((gain_db, 0.0), abs=0.01)
    assert (db(high[0]), db(high[-1])) == pytest.approx((0.0, gain_db), abs=0.01)
    assert (db(peak[0]), db(peak[200]), db(peak[-1])) == pytest.approx((0.0, gain_db, 0.0), abs=0.01)
    assert db(biquad("bandpass", 2000, RATE, N, q=2.0)[200]) == pytest.approx(0.0, abs=0.01)


def test_an_echo_goes_round_the_loop_like_one_that_has_always_played() -> None:
    x = np.random.default_rng(1).standard_normal(N).astype(np.float32)
    delay, feedback = 700, 0.6
    endless = np.tile(x, 40).astype(np.float64)
    wet = np.zeros_like(endless)
    for i in range(delay, len(wet)):
        wet[i] = endless[i - delay] + feedback * wet[i - delay]
    np.testing.assert_allclose(convolve(x, echo(delay, feedback, N)), wet[-N:], atol=1e-3)


@given(shift=st.integers(0, N - 1), seed=st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_filters_rooms_and_echoes_roll_with_their_input(shift: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(N).astype(np.float32)
    response = room(rng, 0.3, RATE, N) + echo(333, 0.5, N) * biquad("lowpass", 3000, RATE, N)
    np.testing.assert_allclose(convolve(np.roll(x, shift), response), np.roll(convolve(x, response), shift), atol=2e-5)


def test_a_room_keeps_energy_and_dies_away_by_60_db_in_its_decay_time() -> None:
    n = 96_000
    h = np.fft.irfft(room(np.random.default_rng(3), 0.8, RATE, n, damp_hz=8000), n)
    assert np.sum(h**2) == pytest.approx(1.0, rel=1e-3)
    level = [10 * np.log10(np.sum(h[int(t * RATE) : int(t * RATE) + 2400] ** 2)) for t in (0.1, 0.5)]
    assert level[0] - level[1] == pytest.approx(60 * 0.4 / 0.8, abs=5)


def test_a_tail_longer_than_the_loop_goes_round_more_than_once() -> None:
    n = 9_600
    rng = np.random.default_rng(4)
    long = np.fft.irfft(room(np.random.default_rng(4), 0.15, RATE, 4 * n), 4 * n)
    folded = long.reshape(4, n).sum(axis=0)
    short = np.fft.irfft(room(rng, 0.15, RATE, n), n)
    # the same noise, once laid out and once folded by room(); each is scaled to its own energy
    assert np.corrcoef(folded, short)[0, 1] > 0.999


@given(start=st.integers(-500, 500), length=st.integers(0, 350), gain=st.floats(-2, 2))
def test_add_wrapped_is_a_loop_over_samples_modulo_the_bar(start: int, length: int, gain: float) -> None:
    n = 100
    rng = np.random.default_rng(0)
    out, x = rng.standard_normal(n).astype(np.float32), rng.standard_normal(length).astype(np.float32)
    want = out.astype(np.float64)
    for i in range(length):
        want[(start + i) % n] += gain * x[i]
    add_wrapped(out, x, start, gain)
    np.testing.assert_allclose(out, want, atol=1e-4)


def test_chorus_has_no_seam() -> None:
    """A tone of whole cycles stays smooth at the wrap: the largest step there is no larger than elsewhere."""
    n = 96_000
    x = np.sin(2 * np.pi * 440 * np.arange(n) / RATE).astype(np.float32)
    y = chorus(x, np.random.default_rng(0), depth_ms=5.0, mix=0.7)
    steps = np.abs(np.diff(y))
    assert abs(y[0] - y[-1]) <= steps.max()
    bend = np.abs(np.diff(np.concatenate([y[-2:], y[:2]]), 2))
    assert bend.max() <= 1.05 * np.abs(np.diff(y, 2)).max()

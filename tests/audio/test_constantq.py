"""The circular constant-Q against plain sums, closed forms and its own symmetries."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.audio.constantq import ConstantQ
from loopwright.errors import InputError

BANK = ConstantQ()
SMALL = ConstantQ(bands=24, bands_per_octave=12, f_min=40.0, frames_per_bar=8)
RATE = 48_000


def noise(n: int, seed: int = 0) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(n) * 0.1


def partials(frequencies: npt.ArrayLike, rate_hz: int, bars: int = 1) -> npt.NDArray[np.float64]:
    """Sinusoids of amplitude 0.1 at the nearest whole number of cycles in bars of 2 s, phases free."""
    t = np.arange(2 * rate_hz * bars) / rate_hz
    rng = np.random.default_rng(7)
    out = np.zeros(len(t))
    for f in np.asarray(frequencies):
        out += 0.1 * np.sin(2 * np.pi * (round(f * 2 * bars) / (2 * bars) * t + rng.random()))
    return out


def test_rows_equal_plain_sums_over_the_windowed_spectrum() -> None:
    """Oracle: the definition, in double precision: each band's signal summed bin by bin at times centred on the frame."""
    rate, n, frames = 400, 800, 8
    x = noise(n)
    spectrum = np.fft.rfft(x) * 2 / n
    want = np.empty((24, frames))
    for k in range(24):
        centre = 40.0 * 2 ** (k / 12)
        half = centre * (2 ** (1 / 12) - 2 ** (-1 / 12)) + 10.0
        bins = np.arange(len(spectrum))
        distance = np.abs(bins / 2.0 - centre) / half
        window = np.where(distance < 1, 0.5 + 0.5 * np.cos(np.pi * distance), 0.0)
        size = 8
        while size < 2 * half * 2.0:
            size *= 2
        per = size // frames
        for t in range(frames):
            at = (t + (np.arange(per) - (per - 1) / 2) / per) / frames
            signal = np.exp(2j * np.pi * np.outer(at, bins)) @ (spectrum * window)
            want[k, t] = np.sqrt(np.mean(np.abs(signal) ** 2))
    got = SMALL.magnitude(x, rate)[0]
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_a_steady_sinusoid_reads_its_amplitude_times_the_window_at_any_rate(rate: int) -> None:
    rows = BANK.magnitude(partials([443.5], rate), rate)[0]
    want = 0.1 * BANK.response([443.5])[0]
    np.testing.assert_allclose(rows, np.broadcast_to(np.maximum(want, 1e-5)[:, None], rows.shape), atol=1e-5)
    assert want.argmax() == 144  # 36 log2(443.5 / 27.5) = 144.4


def test_44100_and_48000_hz_give_the_same_rows() -> None:
    tones = 27.5 * 2 ** np.linspace(1, 8, 40)
    np.testing.assert_allclose(BANK(partials(tones, 44_100), 44_100), BANK(partials(tones, 48_000), 48_000), atol=2e-3)


@settings(max_examples=15, deadline=None)
@given(shift=st.integers(-600, 600), bars=st.sampled_from([1, 2, 3]), seed=st.integers(0, 99))
def test_rolling_by_frames_rolls_the_rows(shift: int, bars: int, seed: int) -> None:
    x = noise(96_000 * bars, seed)
    rolled = BANK(np.roll(x, shift * 375), RATE, bars=bars)
    np.testing.assert_allclose(rolled, np.roll(BANK(x, RATE, bars=bars), shift, axis=-1), atol=1e-3)


@pytest.mark.parametrize("bars", [2, 3, 8])
def test_a_bar_played_again_gives_its_rows_again(bars: int) -> None:
    """Longer circles halve the spacing of bins and change nothing else."""
    x = noise(96_000)
    once = BANK.magnitude(x, RATE)
    np.testing.assert_allclose(
        BANK.magnitude(np.tile(x, bars), RATE, bars=bars), np.tile(once, (1, 1, bars)), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("semitones", [-12, -3, 1, 5])
def test_a_transposition_by_semitones_moves_the_rows_by_three_each(semitones: int) -> None:
    """Partials between C3 and 5 kHz: rows keep their peaks; levels move only by what 10 Hz are to a window."""
    notes = np.array([60, 64, 67, 72, 81])
    tones = 440 * 2 ** ((notes - 69) / 12)
    tones = np.concatenate([tones, 5 * tones])
    plain = BANK.magnitude(partials(tones, RATE, 8), RATE, bars=8)[0].mean(axis=1)
    moved = BANK.magnitude(partials(tones * 2 ** (semitones / 12), RATE, 8), RATE, bars=8)[0].mean(axis=1)
    back = np.roll(moved, -3 * semitones)

    def peaks(rows: npt.NDArray[np.float32]) -> list[int]:
        inner = (rows[1:-1] > rows[:-2]) & (rows[1:-1] >= rows[2:]) & (rows[1:-1] > 0.02)
        return (np.flatnonzero(inner) + 1).tolist()

    assert len(peaks(plain)) == len(tones)
    assert peaks(back) == peaks(plain)
    np.testing.assert_allclose(back[peaks(plain)], plain[peaks(plain)], rtol=0.05)


def test_a_band_is_not_heard_two_semitones_away() -> None:
    rows = BANK(partials([880.0], RATE), RATE)[0, :, 0]
    assert rows[180] == pytest.approx(-1, abs=0.01)
    assert np.all(rows[[174, 186]] == pytest.approx(-5))


def test_silence_reads_the_floor_and_rates_below_the_last_band_read_silence_there() -> None:
    assert np.all(BANK(np.zeros(96_000), RATE) == np.float32(-5))
    rows = BANK(noise(32_000), 16_000)[0]  # nothing above 8 kHz
    assert rows.shape == (320, 256)
    assert np.all(rows[BANK.frequencies - BANK.half_widths > 8_000] == -5)
    assert rows[200].min() > -5


@pytest.mark.parametrize("shape", [(2, 2, 96), (0,), (1,)])
def test_what_is_no_loop_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="constant-Q takes mono loops"):
        BANK(np.zeros(shape), RATE)


def test_a_bar_takes_milliseconds() -> None:
    """8 ms on a free core; the bound leaves room for a busy one."""
    x = noise(8 * 96_000).reshape(8, -1)
    BANK(x, RATE)
    best = min(_timed(x) for _ in range(5))
    assert best / 8 < 0.03


def _timed(x: npt.NDArray[np.float64]) -> float:
    start = time.perf_counter()
    BANK(x, RATE)
    return time.perf_counter() - start

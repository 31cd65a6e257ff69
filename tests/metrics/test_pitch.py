"""Tuning, notes and key on sounds and posteriors whose answer is known."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest

from loopwright import metrics
from loopwright.audio.constantq import ConstantQ
from loopwright.errors import InputError
from loopwright.metrics.pitch import pitch_classes

RATE, N = 48_000, 96_000
T = np.arange(N) / RATE


def harmonic(hz: float, harmonics: int = 6) -> np.ndarray:
    """A steady tone whose partials fall by 1/h; hz a multiple of 0.5 goes round without a seam."""
    return np.asarray(sum(0.3 / h * np.sin(2 * np.pi * h * hz * T) for h in range(1, harmonics + 1)))


def grid_hz(midi: float, cents: float = 0.0) -> float:
    """The nearest frequency with whole periods in the loop."""
    return round(2 * 440 * 2 ** ((midi - 69 + cents / 100) / 12)) / 2


def cents(hz: float) -> float:
    """Distance from the A440 grid, -50 to 50."""
    return float((1200 * log2(hz / 440) + 50) % 100 - 50)


@pytest.mark.parametrize("shift", [-40.0, -10.0, 0.0, 20.0, 35.0])
def test_the_offset_of_pure_tones_is_what_they_are_off_by(shift: float) -> None:
    """Of one partial the angle is its own cents, and r is 1."""
    hz = [grid_hz(midi, shift) for midi in (57, 69, 76, 84)]
    found = metrics.tuning(np.stack([0.3 * np.sin(2 * np.pi * f * T) for f in hz]), RATE)
    np.testing.assert_allclose(found.offset, [cents(f) for f in hz], atol=1.0)
    assert (found.r > 0.99).all()


def test_tuning_is_the_weighted_mean_phasor_of_the_partials() -> None:
    """Two tones a fifth and an octave apart, one detuned: the closed form of the mean of two phasors."""
    a, b = grid_hz(60), grid_hz(79, 30)
    x = 0.4 * np.sin(2 * np.pi * a * T) + 0.2 * np.sin(2 * np.pi * b * T)
    found = metrics.tuning(x[None], RATE)
    mean = (0.4 * np.exp(2j * np.pi * cents(a) / 100) + 0.2 * np.exp(2j * np.pi * cents(b) / 100)) / 0.6
    assert found.r[0] == pytest.approx(abs(mean), abs=0.02)
    assert found.offset[0] == pytest.approx(np.angle(mean) * 50 / np.pi, abs=1.0)


def test_tones_in_tune_are_and_tones_anywhere_are_not() -> None:
    rng = np.random.default_rng(0)
    roots = rng.integers(48, 72, 6)  # chords: notes a semitone apart beat within one row and blur each other
    tuned = np.stack([sum(harmonic(grid_hz(root + step)) for step in (0, 4, 7)) for root in roots])
    anywhere = np.stack([sum(0.1 * np.sin(2 * np.pi * grid_hz(rng.uniform(48, 90)) * T) for _ in range(30)) for _ in range(6)])
    good, bad = metrics.tuning(tuned, RATE), metrics.tuning(anywhere, RATE)
    assert good.r.min() > 0.8 > 0.5 > bad.r.max()
    assert np.abs(good.offset).max() < 3


def test_a_slow_plain_version_finds_the_same() -> None:
    """Partial by partial, in Python, from the bank's own rows."""
    rng = np.random.default_rng(1)
    rows = ConstantQ()(harmonic(grid_hz(55, 12)) + 0.02 * rng.normal(size=N), RATE)[0].astype(np.float64)
    top, weights, phasors = rows.max(), [], []
    for t in range(0, rows.shape[1]):
        for k in range(1, rows.shape[0] - 1):
            a, b, c = rows[k - 1 : k + 2, t]
            if b >= a and b > c and b > top - 1.5:
                place = k + 0.5 * (a - c) / (a - 2 * b + c)
                weights.append(10**b)
                phasors.append(10**b * np.exp(2j * np.pi * (100 * place / 3) / 100))
    mean = np.sum(phasors) / np.sum(weights)
    found = metrics.tuning_of_rows(rows[None])
    assert found.r[0] == pytest.approx(abs(mean), abs=1e-9)
    assert found.offset[0] == pytest.approx(np.angle(mean) * 50 / np.pi, abs=1e-6)


def test_tuning_ignores_where_the_loop_starts_its_level_and_its_rate() -> None:
    x = harmonic(grid_hz(62, 20)) * (0.2 + (T < 1.0))
    several = np.stack([x, np.roll(x, 12_345), 0.01 * x])
    found = metrics.tuning(several, RATE)
    np.testing.assert_allclose(found.r, found.r[0], atol=0.01)
    np.testing.assert_allclose(found.offset, found.offset[0], atol=0.2)
    two = metrics.tuning(np.tile(x, 2)[None], RATE, bars=2)
    assert two.offset[0] == pytest.approx(found.offset[0], abs=0.2)


def test_silence_and_what_cannot_be_heard_has_no_tuning() -> None:
    found = metrics.tuning(np.stack([np.zeros(N), 1e-7 * harmonic(440)]), RATE)
    assert np.isnan(found.r).all()
    assert np.isnan(found.offset).all()


def posteriors(notes: list[tuple[int, int, int]], frames: int = 172) -> tuple[np.ndarray, np.ndarray]:
    """Notes (midi, first, last + 1) as posteriors of 0.9 over a floor of 0.1, onsets at their first frame."""
    on, struck = (np.full((1, frames, 88), 0.1, np.float32) for _ in range(2))
    for midi, first, last in notes:
        on[0, first:last, midi - 21] = 0.9
        struck[0, first, midi - 21] = 0.9
    return on, struck


def test_what_is_heard_is_counted() -> None:
    on, struck = posteriors([(60, 0, 86), (64, 43, 86), (67, 100, 110)])
    struck[0, 150, 10] = 0.9  # a drum: struck, but nothing sounds
    found = metrics.heard(on, struck, bars_heard=0.5)
    assert found.share[0] == pytest.approx(96 / 172)
    assert found.notes[0] == pytest.approx((86 + 43 + 10) / 172)
    assert found.peak[0] == pytest.approx((0.9 * 96 + 0.1 * 76) / 172, abs=1e-6)
    assert found.onsets[0] == 3 / 0.5


def test_nothing_heard_is_a_figure_but_no_key() -> None:
    on, struck = posteriors([])
    assert [float(x[0]) for x in metrics.heard(on, struck)[:2]] == [0.0, 0.0]
    found = metrics.key(on)
    assert found.names == [""]
    assert (found.number[0], found.fits[0]) == (-1, 0)
    assert np.isnan(found.in_key[0])
    assert np.isnan(found.entropy[0])
    assert np.isnan(pitch_classes(on)).all()


def scale(tonic: int, steps: tuple[int, ...], weights: tuple[int, ...]) -> np.ndarray:
    """Each degree held for so many frames."""
    at, notes = 0, []
    for step, weight in zip(steps, weights, strict=True):
        notes.append((tonic + step, at, at + weight))
        at += weight
    return posteriors(notes)[0]


@pytest.mark.parametrize("tonic", range(12))
def test_scales_with_a_strong_tonic_name_their_key(tonic: int) -> None:
    """Seven notes, tonic and fifth held: the relative key has the same notes and must lose."""
    major = scale(60 + tonic, (0, 2, 4, 5, 7, 9, 11), (40, 10, 20, 10, 30, 10, 10))
    minor = scale(60 + tonic, (0, 2, 3, 5, 7, 8, 10), (40, 10, 20, 10, 30, 10, 10))
    found = metrics.key(np.concatenate([major, minor]))
    names = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
    assert found.names == [names[tonic] + "maj", names[tonic] + "min"]
    assert found.fits.tolist() == [2, 2]
    np.testing.assert_allclose(found.in_key, 1.0)


def test_share_in_key_and_entropy_by_hand() -> None:
    on = scale(60, (0, 2, 4, 5, 7, 9, 11, 1), (20, 20, 20, 20, 20, 20, 20, 10))  # a little of a black key in C
    found = metrics.key(on)
    assert found.in_key[0] == pytest.approx(140 / 150)
    p = np.array([20] * 7 + [10]) / 150
    assert found.entropy[0] == pytest.approx(-(p * np.log2(p)).sum(), abs=1e-6)
    chromatic = scale(60, tuple(range(12)), (10,) * 12)
    assert metrics.key(chromatic).in_key[0] == pytest.approx(7 / 12)
    assert metrics.key(chromatic).entropy[0] == pytest.approx(log2(12))
    assert metrics.key(scale(60, (0, 4, 7), (20, 20, 20))).fits[0] == 6  # C: C, F, G, Am, Dm, Em


def test_mistakes_are_told() -> None:
    bad = np.zeros((3, 1000))
    bad[2, 4] = np.inf
    with pytest.raises(InputError, match=r"1 of 3 loops hold NaN or infinity \(first: row 2\)"):
        metrics.tuning(bad, RATE)
    with pytest.raises(InputError, match=r"loops \(n, samples\)"):
        metrics.tuning(np.zeros(1000), RATE)
    with pytest.raises(InputError, match="0 bars"):
        metrics.tuning(np.zeros((1, 1000)), RATE, bars=0)
    on, struck = posteriors([])
    with pytest.raises(InputError, match="differ"):
        metrics.heard(on, struck[:, :5])
    with pytest.raises(InputError, match="88"):
        metrics.key(on[:, :, :60])
    with pytest.raises(InputError, match="NaN"):
        metrics.key(np.full((1, 4, 88), np.nan))
    with pytest.raises(InputError, match="constant-Q rows"):
        metrics.tuning_of_rows(np.zeros((2, 5)))

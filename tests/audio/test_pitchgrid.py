"""What parts of a pitch grid read in the bank: closed forms against sinusoids that are really analysed."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright.audio.pitchgrid import PitchGrid

GRID = PitchGrid()
RATE = 48_000
TIME = np.arange(2 * RATE) / RATE


def test_pitches_are_equal_temperament_on_a440() -> None:
    """Published frequencies of C1, A4 and C7."""
    assert GRID.fundamentals[[0, 45, 72]] == pytest.approx([32.7032, 440.0, 2093.0045], rel=1e-5)
    assert GRID.partials[2, 45] == pytest.approx(1320.0)


@pytest.mark.parametrize(("pitch", "harmonic"), [(21, 1), (33, 2), (45, 1), (60, 5), (72, 16)])
def test_combs_are_what_the_bank_measures_of_a_sinusoid(pitch: int, harmonic: int) -> None:
    """To the nearest half hertz, in which a sinusoid closes in 2 s."""
    hertz = GRID.partials[harmonic - 1, pitch]
    wave = np.sin(2 * np.pi * round(2 * hertz) / 2 * TIME)
    measured = GRID.bank.magnitude(wave, RATE)[0].mean(axis=1)
    comb = GRID.combs()[:, harmonic - 1, pitch]
    if hertz > 13_500:
        assert not comb.any()
        assert measured.max() < 2e-5
    else:
        np.testing.assert_allclose(comb, measured, atol=0.03)


@pytest.mark.parametrize("rate_hz", [1.0, 4.0, 12.0])
@pytest.mark.parametrize("row", [72, 144, 252])
def test_smear_is_what_a_band_lets_through_of_a_tremolo(row: int, rate_hz: float) -> None:
    carrier = round(2 * GRID.bank.frequencies[row]) / 2
    wave = (1 + 0.5 * np.cos(2 * np.pi * rate_hz * TIME)) * np.sin(2 * np.pi * carrier * TIME)
    measured = GRID.bank.magnitude(wave, RATE)[0, row]
    passed = GRID.smear(256, 2.0)[row, round(2 * rate_hz)]
    want = 1 + 0.5 * passed * np.cos(2 * np.pi * rate_hz * np.arange(256) / 128)
    np.testing.assert_allclose(measured, want, atol=0.02)


def test_residual_is_linear_between_its_bands_and_constant_beyond() -> None:
    spread = GRID.spread()
    np.testing.assert_allclose(spread.sum(axis=1), 1.0)
    np.testing.assert_allclose(GRID.residual_rows[:3], [2, 7, 12])
    np.testing.assert_allclose(spread[4, :3], [0.6, 0.4, 0.0])
    np.testing.assert_allclose(spread[[0, 319], [0, 63]], 1.0)


def test_magnitude_of_steady_parts_is_the_plain_sum() -> None:
    rng = np.random.default_rng(0)
    score, gains, residual = rng.random(73), rng.random(16), rng.random(64)
    want = np.zeros(320)
    combs = GRID.combs()
    for h in range(16):
        for p in range(73):
            want += combs[:, h, p] * gains[h] * score[p]
    want += GRID.spread() @ residual
    frames = [np.repeat(x[:, None], 8, axis=1) for x in (score, gains, residual)]
    got = GRID.magnitude(frames[0], frames[1], frames[2], length_s=2.0)
    np.testing.assert_allclose(got, np.repeat(want[:, None], 8, axis=1), rtol=1e-9)

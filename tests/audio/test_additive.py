"""Circular additive synthesis against plain oscillators, its own analysis, and what must never be in a loop."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pytest

from loopwright.arrays import Float64
from loopwright.audio.additive import Additive, envelope_kernel
from loopwright.audio.pitchgrid import PitchGrid
from loopwright.errors import InputError

GRID = PitchGrid()
ADDITIVE = Additive(GRID)
SILENT = np.zeros((64, 256))
ROLL = 1.0 / np.arange(1, 17)[:, None] * np.ones((1, 256))
FIRST = np.eye(16)[:, :1] * np.ones((1, 256))


def held(pitch: int, level: float = 0.2, frames: int = 256) -> Float64:
    score = np.zeros((73, frames))
    score[pitch] = level
    return score


def melody() -> Float64:
    """Decaying notes one after another over a held bass."""
    score = held(21, 0.1)
    for i, pitch in enumerate([33, 36, 40, 45]):
        score[pitch, 64 * i : 64 * i + 48] = 0.2 * np.exp(-np.arange(48) / 30)
    return score


def level_db(x: npt.ArrayLike) -> float:
    return float(10 * np.log10(np.mean(np.square(x)) + 1e-30))


def test_a_note_is_a_plain_oscillator_times_its_joined_frames() -> None:
    """Oracle: raised cosines summed in time, times a sinusoid of whole cycles whose phase is fitted."""
    rng = np.random.default_rng(3)
    score = np.zeros((73, 256))
    score[45] = np.convolve(rng.random(256), np.ones(5) / 5, mode="same")
    wave = ADDITIVE(score, FIRST, SILENT, length_s=2.0, rate_hz=44_100)
    t = np.arange(88_200) / 88_200 * 256
    envelope = np.zeros(88_200)
    for frame, value in enumerate(score[45]):
        distance = np.abs((t - frame + 128) % 256 - 128)
        envelope += value * np.where(distance < 1, 0.5 + 0.5 * np.cos(np.pi * distance), 0)
    turn = 2 * np.pi * 880 * np.arange(88_200) / 88_200  # 440 Hz
    basis = np.stack([envelope * np.cos(turn), envelope * np.sin(turn)], axis=1)
    fitted = basis @ np.linalg.lstsq(basis, wave, rcond=None)[0]
    assert level_db(wave - fitted) - level_db(wave) < -45
    assert np.hypot(*np.linalg.lstsq(basis, wave, rcond=None)[0]) == pytest.approx(1, abs=1e-3)


def test_joined_frames_of_one_value_are_that_value() -> None:
    """The kernel's series vanishes at all multiples of T but 0, where it is 1."""
    kernel = envelope_kernel(512, 256)
    np.testing.assert_allclose(kernel[[0, 256, 512, 768, 1024]], [0, 0, 1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(kernel[512 + 128], 0.5)


@pytest.mark.parametrize("length_s", [2.0, 1.7, 2.4])
@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_no_click_no_seam_no_alias_anything_written_is_near_a_partial(rate: int, length_s: float) -> None:
    """Notes that start and stop, 3 octaves of harmonics transposed beyond the range: all else is 80 dB down or more."""
    score = melody()
    score[72, 100:140] = 0.3
    wave = ADDITIVE(score, ROLL, SILENT, length_s=length_s, rate_hz=rate, transpose=19)
    spectrum = np.abs(np.fft.rfft(wave))
    hertz = np.arange(len(spectrum)) * rate / len(wave)
    partials = (GRID.partials[:, score.any(axis=1)] * 2 ** (19 / 12)).ravel()
    allowed = np.zeros(len(hertz), dtype=bool)
    for f in partials[partials <= 0.45 * rate]:
        allowed |= np.abs(hertz - f) < 385 / length_s + 1
    assert not allowed.all()
    assert spectrum[~allowed].max() < 1e-4 * spectrum.max()
    assert np.abs(np.diff(wave, append=wave[0])[-1]) <= np.abs(np.diff(wave)).max()


def test_the_bank_reads_the_parts_back() -> None:
    score = melody()
    wave = ADDITIVE(score, ROLL, SILENT, length_s=2.0, rate_hz=48_000)
    want = GRID.magnitude(score, ROLL, SILENT, 2.0)
    off = 20 * np.abs(np.log10(GRID.bank.magnitude(wave, 48_000)[0] / np.maximum(want, 1e-5)))
    loud = want > 10**-2.5
    assert np.median(off[loud]) < 0.2
    assert np.quantile(off[loud], 0.9) < 3.0


def test_noise_reads_its_level_in_the_mean_of_power() -> None:
    rng = np.random.default_rng(0)
    tilt = np.linspace(0, -0.8, 64)[:, None]  # steps in time, but neighbours alike: a step would leak into quiet rows
    residual = 10 ** (tilt + np.repeat(rng.uniform(-3, -1.5, 8), 32))
    waves = [ADDITIVE(held(0, 0), ROLL, residual, length_s=2.0, rate_hz=48_000, seed=s) for s in range(12)]
    got = np.mean([GRID.bank.magnitude(w, 48_000)[0] ** 2 for w in waves], axis=0)
    want = GRID.magnitude(held(0, 0), ROLL, residual, 2.0) ** 2
    middle = np.arange(8) * 32 + 16  # away from the steps
    high = slice(80, 320)  # bands quick enough to have settled by then
    off = 10 * np.log10(got[high][:, middle - 8 + np.arange(16)[:, None]].mean(axis=1) / want[high][:, middle])
    assert abs(off.mean()) < 0.3
    assert np.quantile(np.abs(off), 0.9) < 2.0


def test_a_rate_makes_no_difference_to_the_rows() -> None:
    residual = np.full((64, 256), 10**-3.0)
    rows = [
        GRID.bank(ADDITIVE(melody(), ROLL, residual, length_s=2.0, rate_hz=rate), rate)[0] for rate in (44_100, 48_000, 96_000)
    ]
    np.testing.assert_allclose(rows[0][:300], rows[1][:300], atol=0.02)
    np.testing.assert_allclose(rows[1], rows[2], atol=0.02)


def test_another_key_moves_rows_and_another_tempo_stretches_envelopes() -> None:
    bank = GRID.bank
    plain = bank(ADDITIVE(melody(), ROLL, SILENT, length_s=2.0, rate_hz=48_000), 48_000)[0]
    up = bank(ADDITIVE(melody(), ROLL, SILENT, length_s=2.0, rate_hz=48_000, transpose=5), 48_000)[0]
    quick = bank(ADDITIVE(melody(), ROLL, SILENT, length_s=1.5, rate_hz=48_000), 48_000)[0]
    loud = plain[100:280] > -2
    assert np.median(np.abs(up[115:295] - plain[100:280])[loud]) < 0.05
    assert np.median(np.abs(quick - plain)[100:280][loud]) < 0.05


def test_a_phrase_of_two_bars_is_twice_as_long() -> None:
    score = np.concatenate([melody(), held(40)], axis=1)
    wave = ADDITIVE(score, np.tile(ROLL, 2), np.tile(SILENT, 2), length_s=4.0, rate_hz=48_000)
    want = GRID.magnitude(score, np.tile(ROLL, 2), np.tile(SILENT, 2), 4.0)
    got = GRID.bank.magnitude(wave, 48_000, bars=2)[0]
    loud = want > 10**-2
    assert np.median(20 * np.abs(np.log10(got / np.maximum(want, 1e-5)))[loud]) < 0.2


def test_gains_may_differ_by_pitch() -> None:
    by_pitch = np.zeros((16, 73, 256))
    by_pitch[0, 45], by_pitch[3, 33] = 1.0, 1.0
    wave = ADDITIVE(held(45) + held(33), by_pitch, SILENT, length_s=2.0)
    spectrum = np.abs(np.fft.rfft(wave))
    assert spectrum.argsort()[::-1][:2].tolist() in ([880, 1760], [1760, 880])  # bins of 440 and 4 * 220 Hz
    assert np.sort(spectrum)[-3] < 1e-3 * spectrum.max()


def test_stereo_folds_down_to_mono_and_is_as_loud_on_both_sides() -> None:
    residual = np.full((64, 256), 10**-2.5)
    mono = ADDITIVE(melody(), ROLL, residual, length_s=2.0, seed=4)
    both = ADDITIVE(melody(), ROLL, residual, length_s=2.0, seed=4, stereo=True)
    assert both.shape == (88_200, 2)
    np.testing.assert_allclose(both.mean(axis=1), mono, atol=1e-6)
    assert level_db(both[:, 0]) == pytest.approx(level_db(both[:, 1]), abs=0.3)
    assert 0.3 < np.corrcoef(both.T)[0, 1] < 0.95
    narrow = Additive(GRID, width=0.0)(melody(), ROLL, residual, length_s=2.0, seed=4, stereo=True)
    np.testing.assert_array_equal(narrow[:, 0], narrow[:, 1])


def test_a_seed_is_a_loop() -> None:
    residual = np.full((64, 256), 10**-2.5)
    one, again, other = (ADDITIVE(melody(), ROLL, residual, length_s=2.0, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0.01


def test_nothing_in_is_silence_out() -> None:
    assert not ADDITIVE(held(0, 0), ROLL, SILENT, length_s=2.0).any()


@pytest.mark.parametrize(
    ("score", "gains", "residual", "length_s", "message"),
    [
        (np.zeros((72, 256)), ROLL, SILENT, 2.0, r"this grid takes \(73, T\)"),
        (np.zeros((73, 255)), ROLL, SILENT, 2.0, "of one T"),
        (held(3), ROLL[:8], SILENT, 2.0, "of one T"),
        (held(3, -1), ROLL, SILENT, 2.0, "not below 0"),
        (held(3, np.nan), ROLL, SILENT, 2.0, "finite"),
        (held(3), ROLL, SILENT, 0.0, "too few samples"),
    ],
)
def test_what_cannot_be_rendered_is_refused(
    score: Float64, gains: Float64, residual: Float64, length_s: float, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ADDITIVE(score, gains, residual, length_s=length_s)


def test_a_bar_takes_milliseconds() -> None:
    """All 73 pitches and 16 harmonics at once; 18 ms on a free core, the bound leaves room for a busy one."""
    score, residual = np.full((73, 256), 0.01), np.full((64, 256), 10**-3.0)

    def timed() -> float:
        start = time.perf_counter()
        ADDITIVE(score, ROLL, residual, length_s=2.0)
        return time.perf_counter() - start

    assert min(timed() for _ in range(4)) < 0.1

"""The oscillators against closed forms: pitch, spectrum, no aliases."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import special

from loopwright.corpus.bar import BAR_SAMPLES, CORPUS_RATE_HZ
from loopwright.corpus.effects import saturate
from loopwright.corpus.synthesis import TABLE, TOP_HZ, Envelope, Timbre, analog_harmonics, frequency, harmonics_of, play, tables

FLAT = Envelope(0.001, 0.1, 1.0, 0.01)
OPEN = Timbre(harmonics=analog_harmonics("saw"), amp=FLAT, filter_env=FLAT, cutoff_hz=24_000, env_octaves=0, track=0)


def spectrum_of(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    power = np.abs(np.fft.rfft(x * np.blackman(len(x)))) ** 2
    return np.fft.rfftfreq(len(x), 1 / CORPUS_RATE_HZ), power


def away_db(x: np.ndarray, f0: float, width: float = 0.0005, width_hz: float = 8.0) -> float:
    """Power outside the harmonics of f0 below TOP_HZ, a share `width` of it and `width_hz` to both sides, in dB of all."""
    hz, power = spectrum_of(x)
    order = np.maximum(np.round(hz / f0), 1)
    near = (np.abs(hz - order * f0) < width * order * f0 + width_hz) & (order * f0 <= TOP_HZ * 1.01)
    return float(10 * np.log10(power[~near].sum() / power.sum()))


KINDS = {
    "filter": OPEN,
    "swept": dataclasses.replace(OPEN, cutoff_hz=2000, sweep_octaves=2.0, resonance=1.0),
    "stack": dataclasses.replace(OPEN, voices=7, detune_cents=20.0),
    "fm": dataclasses.replace(OPEN, moves="fm", modulator=3, index=(6.0, 6.0)),
    "fm moving": dataclasses.replace(OPEN, moves="fm", modulator=5, index=(0.0, 8.0), sweep_octaves=1.0),
    "pluck": dataclasses.replace(OPEN, moves="pluck", damping_s=0.5),
}


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("midi", [60, 91, 108])
def test_no_kind_of_oscillator_aliases(kind: str, midi: int) -> None:
    """All power lies at whole multiples of the note below 20 kHz: detuned ones within their 20 cents, moving ones within
    the side bands of the movement."""
    tone = play(KINDS[kind], midi, 2 * CORPUS_RATE_HZ, 1.0, np.random.default_rng(0))[4800 : 4800 + 76_800]
    moving = kind in ("swept", "fm moving")
    assert away_db(tone, frequency(midi), 0.013 if kind == "stack" else 0.0005, 80.0 if moving else 8.0) < -50


def test_an_alias_would_be_seen() -> None:
    """The same measure on a saw that is not band-limited."""
    naive = 2 * ((frequency(91) / CORPUS_RATE_HZ * np.arange(76_800)) % 1.0) - 1
    assert away_db(naive, frequency(91), 0.0005, 80.0) > -30


def test_oversampled_saturation_keeps_aliases_down() -> None:
    """A loop with whole cycles: what tanh adds beyond 24 kHz must not come back in between."""
    cycles = 2 * 4400
    x = (0.9 * np.sin(2 * np.pi * cycles * np.arange(BAR_SAMPLES) / BAR_SAMPLES)).astype(np.float32)

    def between_db(y: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(y)) ** 2
        power[::cycles] = 0
        return float(10 * np.log10(power.sum() / np.sum(np.abs(np.fft.rfft(y)) ** 2)))

    assert between_db(saturate(x, 5.0, oversample=4)) < -70 < -35 < between_db(saturate(x, 5.0))
    np.testing.assert_allclose(saturate(x * 0.01, 0.01, oversample=4), saturate(x * 0.01, 0.01), atol=1e-5)


def test_fm_has_the_bessel_spectrum() -> None:
    """sin(t + I sin(m t)) = sum over k of J_k(I) sin((1 + k m) t) (Chowning 1973)."""
    index, midi = 2.5, 57
    timbre = dataclasses.replace(
        OPEN, moves="fm", modulator=2, index=(index, index + 1e-9), amp=Envelope(0.001, 0.1, 1.0, 0.01)
    )
    x = play(timbre, midi, CORPUS_RATE_HZ, 1.0, np.random.default_rng(0))[4800 : 4800 + CORPUS_RATE_HZ * 4 // 5].astype(
        np.float64
    )
    time = np.arange(len(x)) / CORPUS_RATE_HZ
    got = [np.abs(np.mean(x * np.hanning(len(x)) * np.exp(-2j * np.pi * 220 * h * time))) * 2 for h in (1, 3, 5, 7)]
    lines = {1: special.jv(0, index) - special.jv(-1, index) * 1.0}  # 1 + 2 (-1) = -1: folded, with its sign turned
    lines |= {1 + 2 * k: special.jv(k, index) - special.jv(-(k + 1), index) for k in (1, 2, 3)}
    want = np.abs([lines[h] for h in (1, 3, 5, 7)])
    np.testing.assert_allclose(np.array(got) / got[0], want / want[0], rtol=0.02, atol=0.005)


def test_a_plucked_string_loses_its_high_harmonics_first_and_stays_in_tune() -> None:
    x = play(dataclasses.replace(KINDS["pluck"], damping_s=0.4), 60, CORPUS_RATE_HZ, 1.0, np.random.default_rng(0))
    f0 = frequency(60)

    def level(h: int, at_s: float) -> float:
        segment = x[int(at_s * CORPUS_RATE_HZ) :][:4800]
        tone = np.exp(-2j * np.pi * h * f0 * np.arange(4800) / CORPUS_RATE_HZ)
        return float(20 * np.log10(np.abs(np.mean(segment * np.hanning(4800) * tone))))

    fall = [level(h, 0.05) - level(h, 0.25) for h in (1, 10)]
    assert fall[1] - fall[0] == pytest.approx(60 * 0.2 / 0.4, abs=3)


def test_a_slide_begins_at_the_other_note_and_ends_on_its_own() -> None:
    timbre = dataclasses.replace(OPEN, harmonics=analog_harmonics("sine"), glide_s=0.05)
    x = play(timbre, 57, CORPUS_RATE_HZ, 1.0, np.random.default_rng(0), slide=-12)
    crossings = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0)).astype(float)
    exact = crossings + x[crossings.astype(int)] / (x[crossings.astype(int)] - x[crossings.astype(int) + 1])
    hz = CORPUS_RATE_HZ / np.diff(exact)
    middle_s = (exact[:-1] + exact[1:]) / 2 / CORPUS_RATE_HZ
    np.testing.assert_allclose(hz, 220 * 2 ** -np.exp(-middle_s / 0.05), rtol=5e-3)
    assert 110 < hz[0] < 130
    assert hz[-5:] == pytest.approx(220, rel=1e-4)


def test_vibrato_swings_about_the_note_by_its_depth() -> None:
    timbre = dataclasses.replace(OPEN, harmonics=analog_harmonics("sine"), vibrato_cents=20.0, vibrato_hz=5.0)
    x = play(timbre, 69, 2 * CORPUS_RATE_HZ, 1.0, np.random.default_rng(0))[
        CORPUS_RATE_HZ // 2 : 2 * CORPUS_RATE_HZ - CORPUS_RATE_HZ // 10
    ]
    crossings = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))
    exact = crossings + x[crossings] / (x[crossings] - x[crossings + 1])
    cents = 1200 * np.log2(CORPUS_RATE_HZ / np.diff(exact) / 440)
    assert cents.max() == pytest.approx(20, abs=2)
    assert cents.min() == pytest.approx(-20, abs=2)
    assert abs(cents.mean()) < 1


def test_harmonics_of_a_saw_fall_as_one_over_k() -> None:
    cycle = 1 - 2 * np.arange(600) / 600
    a = np.abs(harmonics_of(cycle))[:20]
    np.testing.assert_allclose(a / a[0], 1 / np.arange(1, 21), rtol=0.01)
    np.testing.assert_allclose(np.abs(analog_harmonics("saw"))[:20] / np.abs(analog_harmonics("saw"))[0], 1 / np.arange(1, 21))
    square = np.abs(analog_harmonics("square"))
    np.testing.assert_allclose(square[1:20:2], 0, atol=1e-12)
    assert not harmonics_of(np.zeros(600)).any()


def test_a_waveform_played_back_is_the_waveform() -> None:
    """With the filter open, one cycle of the table is the cycle we gave, up to its mean and scale."""
    cycle = np.random.default_rng(0).standard_normal(600)
    smooth = np.fft.irfft(np.fft.rfft(cycle) * (np.arange(301) < 40), 600)
    table = tables(harmonics_of(smooth), 100.0, np.array([1e9]), 0.0, 2.0)[0]
    want = smooth - smooth.mean()
    got = np.interp(np.arange(600) / 600, np.arange(TABLE + 1) / TABLE, table)
    assert np.corrcoef(want, got)[0, 1] > 0.9999


def test_the_filter_takes_off_what_is_above_its_cutoff() -> None:
    closed = dataclasses.replace(OPEN, cutoff_hz=300, slope=4.0)

    def high(t: Timbre) -> float:
        x = play(t, 45, CORPUS_RATE_HZ, 0.8, np.random.default_rng(0))[:CORPUS_RATE_HZ]
        s = np.abs(np.fft.rfft(x)) ** 2
        return float(s[3000:].sum() / s.sum())

    assert high(closed) < 1e-4 < high(OPEN)


def test_an_envelope_rises_holds_and_ends_at_zero() -> None:
    curve = Envelope(0.01, 0.05, 0.5, 0.1).curve(CORPUS_RATE_HZ // 2)
    assert curve[0] == 0
    assert curve.max() == pytest.approx(1.0, abs=0.02)
    assert curve[CORPUS_RATE_HZ // 2 - 10] == pytest.approx(0.5, abs=0.01)
    assert curve[-1] == pytest.approx(0.0, abs=1e-3)
    assert np.abs(np.diff(curve)).max() < 0.01  # no clicks

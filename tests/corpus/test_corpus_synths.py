"""Synth loops: notes against music theory, the oscillator against closed forms, splits, bad input."""

from __future__ import annotations

import dataclasses
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from loopwright.corpus.groove import BAR_SAMPLES, STEP_SAMPLES
from loopwright.corpus.notes import MAJOR, MINOR, PARTS, parse_numeral, rhythm, voicing
from loopwright.corpus.rooms import Rooms
from loopwright.corpus.synthesis import (
    RATE_HZ,
    Envelope,
    Timbre,
    analog_harmonics,
    frequency,
    harmonics_of,
    play,
    tables,
)
from loopwright.corpus.synths import SYNTH_STYLES, Sources, SynthRenderer, mix_notes, plan_synth, scale_of
from loopwright.errors import InputError

FLAT = Envelope(0.001, 0.1, 1.0, 0.01)
OPEN = Timbre(harmonics=analog_harmonics("saw"), amp=FLAT, filter_env=FLAT, cutoff_hz=24_000, env_octaves=0, track=0)


@pytest.mark.parametrize(
    ("text", "mode", "root", "intervals"),
    [
        ("I", "major", 0, (0, 4, 7)),
        ("vi", "major", 9, (0, 3, 7)),
        ("VI", "minor", 8, (0, 4, 7)),
        ("iv", "minor", 5, (0, 3, 7)),
        ("ii7", "major", 2, (0, 3, 7, 10)),
        ("Idom7", "major", 0, (0, 4, 7, 10)),
        ("Vsus2", "major", 7, (0, 2, 7)),
        ("bVIIM", "modal", 10, (0, 4, 7)),
        ("bIIM7", "modal", 1, (0, 4, 7, 11)),
        ("Im", "modal", 0, (0, 3, 7)),
        ("viidim", "major", 11, (0, 3, 6)),
    ],
)
def test_roman_numerals(text: str, mode: str, root: int, intervals: tuple[int, ...]) -> None:
    assert parse_numeral(text, mode) == (root, intervals)


@pytest.mark.parametrize("text", ["", "H", "Iwhat", "viii"])
def test_unknown_numerals_are_errors(text: str) -> None:
    with pytest.raises(ValueError, match=r"numeral|quality"):
        parse_numeral(text, "major")


def test_a_voicing_has_the_notes_of_its_chord_above_the_lowest() -> None:
    notes = voicing((7, (0, 4, 7)), 2, 48)  # G over tonic D is A major: A, C sharp, E
    assert {n % 12 for n in notes} == {9, 1, 4}
    assert all(48 <= n < 60 for n in notes)


def test_rhythm_strings() -> None:
    assert rhythm("x---x-..x.......") == [(0.0, 4.0), (4.0, 2.0), (8.0, 1.0)]


@pytest.mark.parametrize("style", list(PARTS))
def test_parts_stay_in_the_bar_and_near_the_chord(style: str) -> None:
    chords = [(0, (0, 4, 7)), (5, (0, 4, 7))]
    inside = total = 0
    for seed in range(40):
        notes = PARTS[style](np.random.default_rng(seed), chords, 3, MAJOR)
        assert notes
        for note in notes:
            assert 0 <= note.at < 16
            assert note.length > 0
            assert 20 <= note.midi <= 112
            assert 0 < note.velocity <= 1
            total += 1
            inside += (note.midi - 3) % 12 in MAJOR
    assert inside / total > (0.75 if style == "bass" else 0.99)


def test_an_oscillator_sounds_at_its_pitch_and_does_not_alias() -> None:
    """A saw at 4,186 Hz (C8) has four harmonics below 20 kHz; anything else is an alias."""
    tone = play(OPEN, 108, RATE_HZ, 1.0, np.random.default_rng(0))[4800 : 4800 + 38_400]
    spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone)))) ** 2
    hz = np.fft.rfftfreq(len(tone), 1 / RATE_HZ)
    near = np.zeros(len(hz), bool)
    for k in range(1, 5):
        near |= np.abs(hz - k * frequency(108)) < 15
    assert abs(hz[spectrum.argmax()] - frequency(108)) < 2
    assert 10 * np.log10(spectrum[~near].sum() / spectrum.sum()) < -50


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
    got = np.interp(np.arange(600) / 600, np.arange(4097) / 4096, np.append(table, table[0]))
    assert np.corrcoef(want, got)[0, 1] > 0.9999


def test_the_filter_takes_off_what_is_above_its_cutoff() -> None:
    closed = dataclasses.replace(OPEN, cutoff_hz=300, slope=4.0)

    def high(t: Timbre) -> float:
        x = play(t, 45, RATE_HZ, 0.8, np.random.default_rng(0))[:RATE_HZ]
        s = np.abs(np.fft.rfft(x)) ** 2
        return float(s[3000:].sum() / s.sum())

    assert high(closed) < 1e-4 < high(OPEN)


def test_an_envelope_rises_holds_and_ends_at_zero() -> None:
    curve = Envelope(0.01, 0.05, 0.5, 0.1).curve(RATE_HZ // 2)
    assert curve[0] == 0
    assert curve.max() == pytest.approx(1.0, abs=0.02)
    assert curve[RATE_HZ // 2 - 10] == pytest.approx(0.5, abs=0.01)
    assert curve[-1] == pytest.approx(0.0, abs=1e-3)
    assert np.abs(np.diff(curve)).max() < 0.01  # no clicks


@pytest.fixture(scope="module")
def sources(shared_dir: Path) -> Sources:
    data = shared_dir / "data"
    return Sources(data / "waveforms", data / "tonal", data / "chords")


@pytest.mark.shared
def test_sources_stay_on_their_side_and_styles_and_splits_are_even(sources: Sources) -> None:
    kits, progressions = defaultdict(set), defaultdict(set)
    keys = set()
    for number in range(1500):
        plan, _ = plan_synth(sources, number, 0)
        kits[plan.kit].add(plan.split)
        progressions[plan.source.rsplit("/", 1)[1]].add(plan.split)
        keys.add(plan.key)
        assert plan.style == SYNTH_STYLES[number % 5]
    assert all(len(s) == 1 for s in kits.values())
    assert all(len(s) == 1 for s in progressions.values())
    assert len(keys) == 24
    assert {"validation", "test", "train"} == {split for s in kits.values() for split in s}


@pytest.mark.shared
def test_the_dry_loop_is_a_plain_sum_of_notes_round_the_bar(sources: Sources) -> None:
    for number in (5, 6, 7, 9):
        plan, _ = plan_synth(sources, number, 1)
        if plan.timbre is not None:  # unison and noise draw random phases: leave them out to compare
            plan = dataclasses.replace(plan, timbre=dataclasses.replace(plan.timbre, voices=1, noise=0.0))
        rng = np.random.default_rng(0)
        got = mix_notes(sources, plan, rng)
        want = np.zeros(BAR_SAMPLES)
        for note in plan.notes:
            if plan.timbre is None:
                continue
            x = play(plan.timbre, note.midi, max(int(note.length * STEP_SAMPLES), 240), round(note.velocity * 12) / 12, rng)
            places = (round(note.at * STEP_SAMPLES) + np.arange(len(x))) % BAR_SAMPLES
            np.add.at(want, places, x)
        if plan.timbre is not None:
            np.testing.assert_allclose(got, want, atol=1e-4)


@pytest.mark.shared
def test_synth_loops_are_whole_distinct_seeded_and_do_not_clip(shared_dir: Path) -> None:
    data = shared_dir / "data"
    one, two = (SynthRenderer(15, data / "waveforms", data / "tonal", data / "chords", seed) for seed in (0, 1))
    seen = set()
    for number in range(15):
        (row, render), (_, again), (_, other) = one.loop(number), one.loop(number), two.loop(number)
        x = render()
        assert x.shape == (BAR_SAMPLES,)
        assert np.isfinite(x).all()
        assert 10 ** (-6.01 / 20) <= np.abs(x).max() <= 10 ** (-0.99 / 20)
        if number < 5:
            assert x.tobytes() == again().tobytes() != other().tobytes()
        assert row["kind"] == "synth"
        seen.add(x.tobytes())
    assert len(seen) == 15


@pytest.mark.shared
def test_scales_hold_the_notes_of_their_chords(sources: Sources) -> None:
    for progressions in sources.progressions.values():
        for progression in progressions:
            scale, minor = scale_of(progression)
            if progression.mode == "modal":
                assert {(r + i) % 12 for r, ints in progression.chords for i in ints} <= set(scale)
            else:
                assert scale == (MINOR if minor else MAJOR)


@pytest.mark.shared
def test_broken_sources_say_what_is_wrong(shared_dir: Path, tmp_path: Path) -> None:
    data = shared_dir / "data"
    with pytest.raises(InputError, match=r"no file .*akwf_600\.npy"):
        Sources(tmp_path, data / "tonal", data / "chords")
    shutil.copy(data / "waveforms" / "akwf_600.csv", tmp_path)
    (tmp_path / "akwf_600.npy").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="not a NumPy array"):
        Sources(tmp_path, data / "tonal", data / "chords")
    np.save(tmp_path / "akwf_600.npy", np.zeros((3, 600), np.int16))
    with pytest.raises(InputError, match=r"is not in akwf_600\.npy"):
        Sources(tmp_path, data / "tonal", data / "chords")
    (tmp_path / "progressions.csv").write_text("group,chords\nmajor,I Q\n")
    with pytest.raises(InputError, match="row 1: not a Roman numeral"):
        Sources(data / "waveforms", data / "tonal", tmp_path)


def test_rooms_are_the_same_for_a_seed() -> None:
    assert np.array_equal(Rooms(3).responses[5], Rooms(3).responses[5])

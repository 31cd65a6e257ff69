"""Tempo and bars, from sounds whose tempo is known by construction, and from real loops with their names hidden."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from sounds import drum_loop

from loopwright.audio.io import read_audio
from loopwright.data.clues import Clue
from loopwright.data.mixdown import mixdown
from loopwright.data.rhythm import Tempogram, onset_envelope
from loopwright.data.tempo import Reading, read_tempo

RATE = 22_050


def read(x: np.ndarray, *clues: Clue, rate_hz: int = RATE, beats_per_bar: int = 4) -> Reading:
    reading = read_tempo(len(x) / rate_hz, Tempogram.of(onset_envelope(x, rate_hz)), clues, beats_per_bar=beats_per_bar)
    assert reading is not None
    return reading


@pytest.mark.parametrize("bpm", [92.0, 100.0, 126.5, 140.0, 172.0])
@pytest.mark.parametrize("bars", [1, 4])
def test_whole_loops(bpm: float, bars: int) -> None:
    reading = read(drum_loop(bpm, bars, RATE))
    assert reading.bpm == pytest.approx(bpm, rel=1e-3)
    assert reading.beats == 4 * bars
    assert reading.whole


def test_six_bars_are_not_four_or_eight() -> None:
    reading = read(drum_loop(130.0, 6, RATE))
    assert (reading.beats, round(reading.bpm)) == (24, 130)


def test_a_waltz_needs_to_be_told() -> None:
    reading = read(drum_loop(110.0, 4, RATE, beats_per_bar=3), beats_per_bar=3)
    assert (reading.beats, round(reading.bpm)) == (12, 110)


def test_a_loop_with_a_tail_is_read_from_its_onsets() -> None:
    reading = read(drum_loop(120.0, 4, RATE, tail_s=0.7))
    assert not reading.whole
    assert reading.bpm == pytest.approx(120.0, rel=0.003)
    assert reading.beats == 16


def test_the_grid_is_found_where_the_clicks_are() -> None:
    """Phase: a loop 30 ms late is 30 ms later than one on the grid, which is on the grid within the analysis window's flank."""
    x = drum_loop(120.0, 4, RATE)
    phases = []
    for late_s in (0.0, 0.015, 0.03):
        late = np.roll(x, round(late_s * RATE))
        phases.append(Tempogram.of(onset_envelope(late, RATE)).phase_s(120.0))
    assert phases[0] == pytest.approx(0.0, abs=0.008)
    assert np.diff(phases) == pytest.approx([0.015, 0.015], abs=0.002)


def test_a_true_name_makes_sure_and_a_false_one_is_reported() -> None:
    x = drum_loop(126.0, 4, RATE)
    silent, true, false = read(x), read(x, Clue("name", 7.0, bpm=126.0)), read(x, Clue("name", 7.0, bpm=97.0))
    assert true.confidence > silent.confidence
    assert not true.warnings
    assert false.bpm == pytest.approx(126.0, rel=1e-3)
    assert "the name says 97 BPM, the audio 126.00" in false.warnings[0]


@pytest.mark.parametrize("stated", [71.0, 83.0, 93.0, 97.0, 104.0, 117.0, 131.0, 143.0, 166.0, 175.0])
def test_a_false_tempo_is_never_believed_in_silence(stated: float) -> None:
    """Neither the length nor the onsets bear it out, so the sound wins, or the report says what the sound would be."""
    reading = read(drum_loop(150.0, 4, RATE), Clue("name", 7.0, bpm=stated))
    assert reading.warnings
    seen = reading.bpm == pytest.approx(150.0, rel=1e-3) or reading.confidence < 0.5
    assert seen or "would be 150.00" in reading.warnings[-1]


def test_what_the_user_states_is_taken_and_the_doubt_reported() -> None:
    reading = read(drum_loop(150.0, 4, RATE), Clue("user", 50.0, bpm=93.0))
    assert (reading.bpm, reading.confidence) == (93.0, pytest.approx(1.0))
    assert "the audio would be 150.00 BPM, 16 beats" in reading.warnings[0]


def test_the_name_decides_between_octaves() -> None:
    x = drum_loop(85.0, 4, RATE, step=1)
    assert read(x, Clue("name", 7.0, bpm=85.0)).bpm == pytest.approx(85.0, rel=1e-3)
    assert read(x, Clue("name", 7.0, bpm=170.0)).bpm == pytest.approx(170.0, rel=1e-3)


def test_noise_is_not_trusted() -> None:
    x = np.random.default_rng(0).standard_normal(7 * RATE).astype(np.float32)
    assert read(x).confidence < 0.5


def test_too_short_for_any_beat() -> None:
    assert read_tempo(0.1, None) is None


def real_loops(folder: Path) -> list[tuple[str, float, float, Reading]]:
    with (folder / "real_loops.csv").open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["bpm"]]
    out = []
    for row in rows:
        audio = read_audio(folder / row["file"])
        reading = read(mixdown(audio.samples), rate_hz=audio.rate_hz)  # the samples alone: no name, no tag, no table
        out.append((row["file"], float(row["bpm"]), float(row["n_bars"]), reading))
    return out


@pytest.mark.shared
def test_real_loops_with_names_and_tags_hidden(shared_dir: Path) -> None:
    """At least 95 % within 1 %, at least 90 % of the bar counts."""
    found = real_loops(shared_dir / "data" / "real_loops")
    assert len(found) == 36
    tempi = [abs(reading.bpm / bpm - 1) < 0.01 for _, bpm, _, reading in found]
    bars = [reading.beats == round(4 * n_bars) for _, _, n_bars, reading in found]
    assert np.mean(tempi) >= 0.95
    assert np.mean(bars) >= 0.90

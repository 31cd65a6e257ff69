"""A recording of known tempo -> rows: circles of whole bars at its own rate, brought to the tempo and rate of the data."""

from __future__ import annotations

import numpy as np

from loopwright.arrays import Float32
from loopwright.audio import level
from loopwright.audio.resample import resample_turn
from loopwright.audio.stretch import SAME_PITCH, stretch_circle
from loopwright.data.cut import cut_circle, cut_loop
from loopwright.data.settings import PrepareSettings
from loopwright.data.tempo import Reading

_LATE_S = 0.012  # a first attack this much after the grid is a lead-in to cut, not a feel


def _lead_in(mono: Float32, rate_hz: int, reading: Reading) -> int:
    """Samples before the first bar. Loops start on the bar; only silence before a first attack off the grid says otherwise."""
    sixteenth_s = 15.0 / reading.bpm
    early = np.abs(mono[: int(2 * sixteenth_s * rate_hz) + 2])
    loud = early > 0.003 * level.peak(mono)  # a soft attack is no silence
    if not loud.any():
        return 0
    first_s = float(np.argmax(loud)) / rate_hz
    late_s = first_s - sixteenth_s * round(first_s / sixteenth_s)  # a rest on the grid is music
    if first_s < _LATE_S or abs(late_s) < _LATE_S or first_s > 2 * sixteenth_s:
        return 0
    return int(first_s * rate_hz)


def cut_rows(mono: Float32, rate_hz: int, reading: Reading, settings: PrepareSettings, notes: list[str]) -> list[Float32] | str:
    """Circles of one row each at the file's rate, or why there can be none. What a user may want to know goes to `notes`."""
    row_beats = settings.bars * settings.beats_per_bar
    beat = rate_hz * 60 / reading.bpm  # samples, not whole
    row_length = beat * row_beats
    ratio = settings.row_seconds * rate_hz / row_length
    if not 1 / settings.max_stretch <= ratio <= settings.max_stretch:
        limit = f"the limit is {settings.max_stretch:g}"
        return f"at {reading.bpm:.1f} BPM it would have to be stretched by {ratio:.2f}, {limit}"
    if reading.whole and not reading.firm and reading.beats % settings.beats_per_bar and reading.beats % 3 == 0:
        return f"{reading.beats} beats are no whole bars of {settings.beats_per_bar}: a waltz? try --beats-per-bar 3"
    if reading.beats < row_beats:
        if reading.whole and settings.beats_per_bar % reading.beats == 0 and settings.bars == 1:
            notes.append(f"{reading.beats} beats long, repeated to make a bar")
            return [np.tile(cut_loop(mono, 1, rate_hz)[0], row_beats // reading.beats)]
        wanted = f"{settings.bars} bar{'s' if settings.bars > 1 else ''}"
        return f"shorter than {wanted} ({reading.beats} beats at {reading.bpm:.1f} BPM)"
    n_rows = min(reading.beats // row_beats, settings.max_bars // settings.bars)
    left = reading.beats - n_rows * row_beats
    start = 0 if reading.firm or reading.length else _lead_in(mono, rate_hz, reading)
    if start:
        notes.append(f"starts {1000 * start / rate_hz:.0f} ms late")
    if reading.whole:
        loop = np.roll(mono, -start) if start else mono
        if left == 0:
            rows = cut_loop(loop, n_rows, rate_hz)
        else:
            notes.append(f"{left} beats left over")
            turn = np.concatenate([loop[-rate_hz // 10 :], loop])
            head = len(turn) - len(loop)
            rows = [cut_circle(turn, head + round(i * row_length), round(row_length), rate_hz) for i in range(n_rows)]
        return rows
    n_rows = min(n_rows, int((len(mono) - start) / row_length + 1e-6))
    if n_rows < 1:
        return f"shorter than {settings.bars} bars after its late start"
    extra_s = (len(mono) - start - n_rows * row_length) / rate_hz
    notes.append(f"not a whole loop: {n_rows * settings.bars} bars cut, {extra_s:.2f} s left")
    return [cut_circle(mono, start + round(i * row_length), round(row_length), rate_hz) for i in range(n_rows)]


def retuned(row: Float32, cents: float) -> Float32:
    """One circle played so much higher, and so much shorter: resampled. Its tempo is fitted afterwards."""
    return resample_turn(row, round(len(row) * 2.0 ** (-cents / 1200))) if cents else row


def fit_row(row: Float32, rate_hz: int, mel_rate_hz: int, n_out: int) -> Float32:
    """One circle at any rate and tempo -> `n_out` samples at `mel_rate_hz`, same pitch. All steps are circular.

    The stretch runs at the lower of the two rates.
    """
    ratio = n_out / mel_rate_hz / (len(row) / rate_hz)
    if abs(ratio - 1) < SAME_PITCH:
        return resample_turn(row, n_out)
    if rate_hz >= mel_rate_hz:
        return stretch_circle(row, n_out, mel_rate_hz, from_hz=rate_hz)
    return resample_turn(stretch_circle(row, round(n_out * rate_hz / mel_rate_hz), rate_hz), n_out)

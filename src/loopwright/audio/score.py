"""Scores of a pitch grid from notes, and notes from scores: what MIDI goes in and out by. Numpy only, circular.

Shapes: E notes, P pitches, T frames. A note is a row of start and length in seconds, MIDI note, velocity (0 to 1).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from loopwright.arrays import Float32, Float64
from loopwright.audio.pitchgrid import PitchGrid
from loopwright.errors import InputError

ON_DB, OFF_DB = -20.0, -32.0  # below the score's loudest: a note begins above the first and ends below the second
AGAIN_DB, AGAIN_FRAMES = 6.0, 3  # a held pitch that rises by so much within so many frames is struck again


def _notes(notes: npt.ArrayLike) -> Float64:
    rows = np.asarray(notes, dtype=np.float64)
    rows = rows.reshape(0, 4) if rows.size == 0 else rows
    if rows.ndim != 2 or rows.shape[1] != 4 or not np.isfinite(rows).all():
        raise InputError(f"notes are rows of start, length, MIDI note and velocity, got shape {np.shape(notes)}.")
    return rows


def into_range(notes: npt.ArrayLike, grid: PitchGrid) -> tuple[Float64, int]:
    """Notes outside the grid moved into it by octaves, and how many were. (E, 4) -> (E, 4), count. Raises InputError."""
    rows = _notes(notes).copy()
    low, high = grid.lowest, grid.lowest + grid.pitches - 1
    below, above = np.maximum(low - rows[:, 2], 0), np.maximum(rows[:, 2] - high, 0)
    rows[:, 2] += 12 * (np.ceil(below / 12) - np.ceil(above / 12))
    return rows, int(np.count_nonzero(below + above))


def score_of_notes(notes: npt.ArrayLike, grid: PitchGrid, *, frames: int, length_s: float) -> Float32:
    """A score: how much of each frame a pitch is held for, times its velocity.

    Args:
        notes: (E, 4). A note may go over the seam; one longer than the circle goes all round; none is shorter than a frame.
        grid: its pitches.
        frames, length_s: of the circle. Frame t is centred on t / frames of it.

    Returns:
        (P, T), 0 to 1.

    Raises:
        InputError: notes of another shape, or outside the grid's pitches (see `into_range`).
    """
    out = np.zeros((grid.pitches, frames), dtype=np.float32)
    for start_s, note_s, note, velocity in _notes(notes):
        row = round(note) - grid.lowest
        if not 0 <= row < grid.pitches:
            raise InputError(
                f"MIDI note {round(note)} is outside this model's {grid.lowest} to {grid.lowest + grid.pitches - 1}. "
                "Transpose it by octaves."
            )
        start = start_s * frames / length_s
        stop = start + min(max(note_s * frames / length_s, 1.0), float(frames))
        at = np.arange(int(np.floor(start)) - 1, int(np.ceil(stop)) + 2)
        held = np.clip(np.minimum(stop, at + 0.5) - np.maximum(start, at - 0.5), 0.0, 1.0)
        one = np.zeros(frames)
        np.add.at(one, at % frames, held)
        out[row] = np.maximum(out[row], np.minimum(one, 1.0) * min(max(velocity, 0.0), 1.0))
    return out


def notes_of_score(score: npt.ArrayLike, grid: PitchGrid, *, length_s: float) -> Float64:
    """Notes that a score holds: amplitudes (P, T) -> (E, 4), by start and pitch. Velocity is the share of the loudest."""
    amplitude = np.asarray(score, dtype=np.float64)
    frames = amplitude.shape[1]
    top = amplitude.max(initial=0.0)
    if top <= 0:
        return np.zeros((0, 4))
    level = 20.0 * np.log10(np.maximum(amplitude / top, 1e-10))
    found = []
    for row in np.flatnonzero((level > ON_DB).any(axis=1)):
        starts = _starts(level[row])
        for start, following in zip(starts, [*starts[1:], starts[0] + frames], strict=True):
            way = np.take(level[row], np.arange(start, following), mode="wrap")
            over = np.flatnonzero(way < OFF_DB)
            count = int(over[0]) if len(over) else len(way)
            found.append(
                (start * length_s / frames, count * length_s / frames, row + grid.lowest, 10 ** (way[:count].max() / 20))
            )
    return np.array(sorted(found), dtype=np.float64).reshape(-1, 4)


def _starts(level: Float64) -> list[int]:
    """Frames at which a pitch is struck; the circle is entered where it is quietest. (T,) -> ascending."""
    frames = len(level)
    first = int(level.argmin())
    sounding, last, starts = False, -AGAIN_FRAMES, []
    for step in range(frames):
        t = (first + step) % frames
        rise = level[t] - min(level[t - back] for back in range(1, AGAIN_FRAMES + 1))
        struck = level[t] > ON_DB and (not sounding or (rise > AGAIN_DB and step - last > AGAIN_FRAMES))
        if struck:
            starts.append(t)
            last = step
        sounding = struck or (sounding and level[t] >= OFF_DB)
    return sorted(starts)

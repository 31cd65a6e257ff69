"""Notes as events: pitch, when, how long, how hard. Read from MIDI and event lists, written as MIDI, drawn as scores.

Time is a circle in bars, as that of `drum_events`: a note that goes on over the end of the loop goes on at its start.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy.typing as npt

from loopwright.arrays import Float32
from loopwright.audio import midi
from loopwright.audio.drum_events import GM_DRUM_CHANNEL
from loopwright.audio.pitchgrid import PitchGrid
from loopwright.audio.score import into_range, notes_of_score, score_of_notes
from loopwright.errors import InputError

PLAIN_VELOCITY = 0.8  # of notes whose source does not say
SHORTEST = 1 / 256  # bars


class Note(NamedTuple):
    """One note: MIDI number, `start` and `length` in bars, `velocity` above 0, at most 1."""

    note: int
    start: float
    length: float
    velocity: float


def wrapped(notes: Iterable[Note], bars: int) -> list[Note]:
    """Notes with starts in 0 .. `bars` and no longer than the circle, by start and pitch."""
    turned = [n._replace(start=n.start % bars, length=min(max(n.length, SHORTEST), float(bars))) for n in notes]
    return sorted(turned, key=lambda n: (n.start, n.note))


def score_of(notes: Sequence[Note], grid: PitchGrid, *, bars: int, bar_frames: int) -> Float32:
    """The score of notes, those outside the grid moved into it by octaves: (P, bars * bar_frames)."""
    rows = into_range([[n.start, n.length, n.note, n.velocity] for n in notes], grid)[0]
    return score_of_notes(rows, grid, frames=bars * bar_frames, length_s=float(bars))


def notes_in(score: npt.ArrayLike, grid: PitchGrid, *, bars: int) -> list[Note]:
    """The notes that a score (P, T) of so many bars holds."""
    rows = notes_of_score(score, grid, length_s=float(bars))
    return [Note(round(n), float(start), float(length), min(float(v), 1.0)) for start, length, n, v in rows]


def read_notes(source: Path | bytes, *, bars: int | None = None) -> tuple[list[Note], int]:
    """Notes of a clip in a MIDI file, channel 10 (drums) left out, and its length in bars.

    Args:
        source: a file, or its bytes.
        bars: take this many bars from the start and wrap what is later; None reads the length from the file.

    Raises InputError as `midi.read_clip` does, and for a file without notes or with more than four bars.
    """
    name = midi.name_of(source)
    clip = midi.read_clip(source)
    pitched = [n for n in clip.notes if n.channel != GM_DRUM_CHANNEL]
    if not pitched:
        also = " outside channel 10, which is drums" if clip.notes else ""
        raise InputError(f"{name} has no notes{also}. Give it a clip with a melody, a bass or chords.")
    whole = midi.bars_of_clip([n.start for n in pitched], clip.end, bars=bars, name=name)
    return wrapped([Note(n.note, n.start, n.length, n.velocity / 127) for n in pitched], whole), whole


def midi_bytes(notes: Sequence[Note], *, bars: int, bpm: float) -> bytes:
    """A MIDI clip of exactly `bars` bars on channel 1. A note that goes over the seam is cut there: MIDI has no circles."""
    out = [midi.MidiNote(n.start, n.length, n.note, max(1, min(127, round(127 * n.velocity))), 0) for n in wrapped(notes, bars)]
    return midi.write_clip(out, bars=bars, bpm=bpm)

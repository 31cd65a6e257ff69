"""What a loop plays: bars of notes in a key, or of drum hits. From a model's own bank, a MIDI file, or written by the model.

Times are in bars and go round the clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from loopwright.audio import drum_events, note_events
from loopwright.audio.drum_events import ROLE_INDEX, Hit
from loopwright.audio.keys import Key, parse_key
from loopwright.audio.note_events import PLAIN_VELOCITY, Note
from loopwright.errors import InputError
from loopwright.metrics.pitch import LOWEST_MIDI, PITCHES
from loopwright.metrics.pitch import key as key_of_posteriors

FRAMES = 64  # a bar, in which keys are looked for


@dataclass(frozen=True)
class Clip:
    """Bars of notes or of hits.

    Attributes:
        events: all notes, or all hits; by start, in 0 .. `bars`.
        bars: length.
        key: of notes, where it is known.
        style: what its music is called, where that is known.
        credits: whom the licences of its music ask to name.
    """

    events: tuple[Note, ...] | tuple[Hit, ...]
    bars: int
    key: Key | None = None
    style: str = ""
    credits: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[Note, ...]:
        """The events of a clip of notes."""
        assert all(isinstance(event, Note) for event in self.events)
        return cast("tuple[Note, ...]", self.events)

    @property
    def hits(self) -> tuple[Hit, ...]:
        """The events of a clip of hits."""
        assert all(isinstance(event, Hit) for event in self.events)
        return cast("tuple[Hit, ...]", self.events)

    def over(self, bars: int) -> Clip:
        """The clip repeated, or cut, to so many bars."""
        if bars == self.bars:
            return self
        turns = range(-(-bars // self.bars))
        moved = [event._replace(start=event.start + turn * self.bars) for turn in turns for event in self.events]
        kept = sorted((event for event in moved if event.start < bars), key=lambda event: event.start)
        return replace(self, events=cast("tuple[Note, ...] | tuple[Hit, ...]", tuple(kept)), bars=bars)

    def moved(self, semitones: int) -> Clip:
        """The notes, and the key, so many semitones higher. Hits stay as they are."""
        if not semitones or any(isinstance(event, Hit) for event in self.events):
            return self
        notes = tuple(n._replace(note=n.note + semitones) for n in self.notes)
        return replace(self, events=notes, key=self.key.moved(semitones) if self.key else None)

    def in_key(self, key: Key | None) -> Clip:
        """The notes moved to a key, or to its relative. Raises InputError if nobody knows the key they are in."""
        if key is None:
            return self
        if self.key is None:
            raise InputError("nobody knows the key of what is played. Leave --key out.")
        return self.moved(self.key.to(key))

    def midi(self, bpm: float) -> bytes:
        """The clip as a MIDI file of exactly its bars."""
        if self.events and isinstance(self.events[0], Note):
            return note_events.midi_bytes(self.notes, bars=self.bars, bpm=bpm)
        return drum_events.midi_bytes(self.hits, bars=self.bars, bpm=bpm)


def notes_from_midi(source: Path | bytes, *, bars: int | None = None) -> Clip:
    """A clip of notes from a MIDI file, its key guessed from them. Raises InputError, see `audio.note_events.read_notes`."""
    notes, length = note_events.read_notes(source, bars=bars)
    return Clip(tuple(notes), length, key_of(notes, length))


def hits_from_midi(source: Path | bytes, *, bars: int | None = None) -> Clip:
    """A clip of hits from a MIDI file. Raises InputError, see `audio.drum_events.read_midi`."""
    hits, length = drum_events.read_midi(source, bars=bars)
    return Clip(tuple(hits), length)


def clip_of_rows(rows: Sequence[Sequence[Any]], bars: int, *, notes: bool, key: Key | None = None, style: str = "") -> Clip:
    """A clip from events as `data.events` has them: note, start, length, velocity; or role, start, velocity.

    Raises InputError for rows that are none.
    """
    try:
        if notes:
            some = [Note(int(r[0]), float(r[1]), float(r[2]), _velocity(r[3] if len(r) > 3 else PLAIN_VELOCITY)) for r in rows]
            return Clip(tuple(note_events.wrapped(some, bars)), bars, key, style)
        hits = [Hit(str(r[0]), float(r[1]), _velocity(r[2])) for r in rows if r[0] in ROLE_INDEX]
    except (TypeError, ValueError, IndexError) as error:
        raise InputError(f"events are [note, start, length, velocity] or [role, start, velocity] ({error}).") from error
    return Clip(tuple(drum_events.wrapped(hits, bars)), bars, style=style)


def _velocity(value: Any) -> float:
    return min(max(float(value), 0.01), 1.0)


def key_of(notes: Sequence[Note], bars: int) -> Key | None:
    """The best of 24 keys for notes, each by how long it is held; None without notes. See `metrics.key`."""
    held = np.zeros((1, bars * FRAMES, PITCHES))
    for n in notes:
        row = n.note - LOWEST_MIDI
        if 0 <= row < PITCHES:
            first = round(n.start * FRAMES)
            frames = np.arange(first, first + max(1, round(n.length * FRAMES))) % held.shape[1]
            held[0, frames, row] = 1.0
    (name,) = key_of_posteriors(held).names
    return parse_key(name) if name else None

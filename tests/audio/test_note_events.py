"""Notes in and out of MIDI and scores."""

from __future__ import annotations

import io
from pathlib import Path

import mido
import numpy as np
import pytest

from loopwright.audio.midi import MidiNote, read_clip, write_clip
from loopwright.audio.note_events import Note, midi_bytes, notes_in, read_notes, score_of, wrapped
from loopwright.audio.pitchgrid import PitchGrid
from loopwright.errors import InputError

GRID = PitchGrid()
NOTES = [Note(45, 0.0, 0.25, 0.9), Note(60, 0.25, 0.125, 0.5), Note(64, 0.25, 0.125, 0.5), Note(57, 1.5, 0.25, 1.0)]


def clip(messages: list[tuple[str, int, int, int]], *, channel: int = 0, beat: int = 480) -> bytes:
    """A MIDI file by mido, from (kind, note, velocity, ticks since the last)."""
    track = mido.MidiTrack([mido.Message(k, note=n, velocity=v, time=t, channel=channel) for k, n, v, t in messages])
    out = io.BytesIO()
    mido.MidiFile(ticks_per_beat=beat, tracks=[track]).save(file=out)
    return out.getvalue()


def test_notes_come_back_from_midi() -> None:
    back, bars = read_notes(midi_bytes(NOTES, bars=2, bpm=93.7))
    assert bars == 2
    for got, want in zip(back, NOTES, strict=True):
        assert got == pytest.approx(want, abs=1 / 250)  # velocities are whole 127ths
    played = mido.MidiFile(file=io.BytesIO(midi_bytes(NOTES, bars=2, bpm=93.7)))
    assert played.length == pytest.approx(2 * 240 / 93.7, rel=1e-4)


def test_lengths_are_those_of_the_file_whatever_its_ticks() -> None:
    for beat in (96, 480, 960):
        notes, bars = read_notes(clip([("note_on", 60, 100, 0), ("note_off", 60, 0, 3 * beat)], beat=beat))
        assert (notes, bars) == ([Note(60, 0.0, 0.75, 100 / 127)], 1)


def test_a_note_struck_again_before_it_ends_and_one_that_nobody_ends() -> None:
    messages = [("note_on", 60, 100, 0), ("note_on", 60, 50, 480), ("note_off", 60, 0, 480), ("note_off", 60, 0, 480)]
    notes, _ = read_notes(clip(messages))
    assert [(n.start, n.length) for n in notes] == [(0.0, 0.5), (0.25, 0.5)]
    notes, bars = read_notes(clip([("note_on", 60, 100, 0), ("note_on", 62, 100, 1920), ("note_off", 62, 0, 1920)]))
    assert bars == 2
    assert [n.length for n in notes] == [2.0, 1.0]


def test_a_note_over_the_seam_is_cut_in_midi_and_whole_in_a_score() -> None:
    note = Note(60, 0.875, 0.25, 1.0)
    (back,), _ = read_notes(midi_bytes([note], bars=1, bpm=120))
    assert back == Note(60, 0.875, 0.125, 1.0)
    score = score_of([note], GRID, bars=1, bar_frames=64)
    row = 60 - GRID.lowest
    np.testing.assert_allclose(score[row, 57:], 1)
    np.testing.assert_allclose(score[row, :8], 1)
    assert score[row, 9:55].max() == 0


def test_notes_come_back_from_a_score() -> None:
    score = score_of(NOTES, GRID, bars=2, bar_frames=256)
    back = notes_in(score, GRID, bars=2)
    assert [n.note for n in back] == [n.note for n in wrapped(NOTES, 2)]
    np.testing.assert_allclose([n.start for n in back], [n.start for n in NOTES], atol=1 / 256)
    np.testing.assert_allclose([n.length for n in back], [n.length for n in NOTES], atol=2 / 256)
    np.testing.assert_allclose([n.velocity for n in back], [n.velocity for n in NOTES], atol=0.01)


def test_notes_out_of_range_are_moved_by_octaves() -> None:
    score = score_of([Note(9, 0.0, 0.5, 1.0), Note(120, 0.5, 0.5, 1.0)], GRID, bars=1, bar_frames=64)
    assert [int(row) + GRID.lowest for row in np.flatnonzero(score.max(axis=1))] == [33, 96]


def test_what_cannot_be_played_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the MIDI file has no notes\. Give it a clip"):
        read_notes(clip([]))
    with pytest.raises(InputError, match="no notes outside channel 10, which is drums"):
        read_notes(clip([("note_on", 36, 100, 0)], channel=9))
    with pytest.raises(InputError, match="has 9 bars; loops have 1 to 4"):
        read_notes(clip([("note_on", 60, 100, 8 * 1920), ("note_off", 60, 0, 480)]))
    with pytest.raises(InputError, match="not a readable MIDI file"):
        read_notes(b"RIFF and no MIDI")
    with pytest.raises(InputError, match=r"no file .*gone\.mid"):
        read_notes(tmp_path / "gone.mid")
    track = mido.MidiTrack([mido.MetaMessage("time_signature", numerator=7, denominator=8)])
    out = io.BytesIO()
    mido.MidiFile(tracks=[track]).save(file=out)
    with pytest.raises(InputError, match="is in 7/8; loops are in 4/4"):
        read_notes(out.getvalue())


def test_a_clip_is_as_long_as_it_was_asked_to_be() -> None:
    clip = read_clip(write_clip([MidiNote(0.9, 0.5, 60, 100, 0)], bars=1, bpm=120))
    assert clip.end == 1.0
    assert clip.notes[0].length == pytest.approx(0.1, abs=1e-3)

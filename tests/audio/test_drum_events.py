"""Hits: as an analysis sees them, from MIDI and back, round the circle, and what is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import mido
import numpy as np
import pytest
import torch

from loopwright.audio.drum_events import (
    NOTE_ROLES,
    ROLE_NOTES,
    ROLES,
    WINDOW_FRAMES,
    Hit,
    activations,
    layer_weights,
    midi_bytes,
    parse_hits,
    read_events,
    read_midi,
)
from loopwright.audio.stft import circular_stft
from loopwright.config import LOOP48
from loopwright.corpus import groove
from loopwright.errors import InputError


def clip(notes: list[tuple[int, int, int]], *, end: int | None = None, metre: str = "4/4", channel: int = 9) -> bytes:
    """A MIDI file of (tick, note, velocity) at 480 ticks a beat."""
    above, below = map(int, metre.split("/"))
    track = mido.MidiTrack([mido.MetaMessage("time_signature", numerator=above, denominator=below)])
    now = 0
    for tick, note, velocity in sorted(notes):
        track.append(mido.Message("note_on", channel=channel, note=note, velocity=velocity, time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=0 if end is None else end - now))
    out = io.BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=480, tracks=[track]).save(file=out)
    return out.getvalue()


@pytest.mark.parametrize("sample", [0, 100, 48_211, 95_900])
def test_a_hit_is_drawn_as_the_analysis_sees_a_click(sample: int) -> None:
    click = torch.zeros(LOOP48.bar_samples)
    click[sample] = 1.0
    seen = circular_stft(click, LOOP48.n_fft, LOOP48.hop).abs()
    drawn = activations([Hit("rim", sample / LOOP48.bar_samples, 1.0)])
    assert LOOP48.n_fft / LOOP48.hop == WINDOW_FRAMES
    np.testing.assert_allclose(drawn[ROLES.index("rim"), 1], seen[100].numpy(), atol=1e-5)
    assert drawn.sum() == drawn[ROLES.index("rim"), 1].sum()  # the hard layer alone


def test_layers_share_a_hit_by_its_velocity() -> None:
    soft, hard = layer_weights(0.25)
    assert (soft, hard) == (pytest.approx(0.125 * 0.75**0.5), pytest.approx(0.125 * 0.5))
    assert soft**2 + hard**2 == pytest.approx(0.25**3)
    drawn = activations([Hit("snare", 0.5, 0.25)])[1]
    np.testing.assert_allclose(drawn[:, 128], [soft, hard], rtol=1e-6)


def test_a_roll_of_the_hits_is_a_roll_of_the_frames() -> None:
    hits = [Hit("kick", 0.99, 1.0), Hit("kick", 0.4, 0.3), Hit("ride", 1.3, 0.7)]
    turned = [Hit(h.role, h.start + 300 / 256, h.velocity) for h in hits]
    np.testing.assert_allclose(activations(turned, bars=2), np.roll(activations(hits, bars=2), 300, axis=-1), atol=1e-6)


def test_hits_come_back_from_midi() -> None:
    hits = [Hit(role, i / len(ROLES) * 2, (i + 1) / 13) for i, role in enumerate(ROLES)]
    back, bars = read_midi(midi_bytes(hits, bars=2, bpm=93.7))
    assert bars == 2
    assert [h.role for h in back] == [h.role for h in hits]
    np.testing.assert_allclose([h.start for h in back], [h.start for h in hits], atol=0.5 / 1920)
    np.testing.assert_allclose([h.velocity for h in back], [h.velocity for h in hits], atol=0.5 / 127)
    played = mido.MidiFile(file=io.BytesIO(midi_bytes(hits, bars=2, bpm=93.7)))
    assert played.length == pytest.approx(2 * 240 / 93.7, rel=1e-4)


def test_an_early_downbeat_of_the_next_bar_stays_in_the_circle() -> None:
    hits, bars = read_midi(clip([(0, 36, 100), (1910, 36, 90)]))
    assert bars == 1
    assert [round(h.start * 1920) for h in hits] == [0, 1910]


@pytest.mark.parametrize(
    ("notes", "end", "bars"),
    [
        ([(0, 36, 9)], None, 1),
        ([(0, 36, 9)], 3840, 2),
        ([(1920, 36, 9)], None, 2),
        ([(5000, 36, 9)], 5100, 3),
        ([(7679, 36, 9)], 7680, 4),
    ],
)
def test_length_of_a_clip(notes: list[tuple[int, int, int]], end: int | None, bars: int) -> None:
    assert read_midi(clip(notes, end=end))[1] == bars


def test_bars_asked_for_wrap_what_is_later() -> None:
    hits, bars = read_midi(clip([(0, 36, 100), (2400, 38, 100)]), bars=1)
    assert bars == 1
    assert [(h.role, h.start) for h in hits] == [("kick", 0.0), ("snare", 0.25)]


def test_drums_are_channel_ten_where_there_is_one(tmp_path: Path) -> None:
    both = mido.MidiFile(file=io.BytesIO(clip([(0, 36, 100)])))
    both.type = 1
    both.tracks.append(mido.MidiFile(file=io.BytesIO(clip([(0, 42, 100)], channel=0))).tracks[0])
    both.save(tmp_path / "both.mid")
    assert [h.role for h in read_midi(tmp_path / "both.mid")[0]] == ["kick"]
    assert [h.role for h in read_midi(clip([(0, 42, 100)], channel=3))[0]] == ["hat_closed"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"no midi at all", "not a readable MIDI file"),
        (clip([(0, 36, 9)], metre="7/8"), "is in 7/8; loops are in 4/4"),
        (clip([(0, 10, 9)]), "no notes of the General MIDI drum map"),
        (clip([(0, 36, 9)], end=5 * 1920), "has 5 bars; loops have 1 to 4"),
    ],
)
def test_what_is_no_drum_loop_is_refused(source: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_midi(source)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file .*gone\.mid"):
        read_midi(tmp_path / "gone.mid")


def test_roles_and_notes_agree_with_the_corpus() -> None:
    assert ROLES == groove.ROLES
    assert set(ROLE_NOTES) == set(ROLES)
    assert all(NOTE_ROLES[ROLE_NOTES[role][0]] == role for role in ROLES)  # written notes are read back
    assert sum(len(notes) for notes in ROLE_NOTES.values()) == len(NOTE_ROLES)  # no note has two roles
    assert set(range(35, 82)) <= set(NOTE_ROLES) | {58}


def test_event_lists(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = [{"file": "a.wav", "events": [["kick", 0.25, 1.0]]}, {"file": "b.wav", "events": []}]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    assert read_events(path) == {"a.wav": [Hit("kick", 0.25, 1.0)], "b.wav": []}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["kick", 0.1]], "a hit is"),
        ([["gong", 0.1, 1.0]], "unknown role 'gong'"),
        ([["kick", 0.1, 0.0]], "velocity in 0..1"),
        ([["kick", float("nan"), 1.0]], "a number of bars"),
        ("kick", "expected a list"),
    ],
)
def test_bad_rows_say_where(rows: object, words: str) -> None:
    with pytest.raises(InputError, match=f"here: .*{words}"):
        parse_hits(rows, where="here")


def test_bad_event_files_say_which_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"file": "a.wav", "events": []}\n{"file": 1}\n', encoding="utf-8")
    with pytest.raises(InputError, match="line 2"):
        read_events(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_events(tmp_path / "none.jsonl")

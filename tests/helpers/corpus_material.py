"""Writes miniature performances for the tests of the drum renderer."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np

TICKS = 480
ROCK = [
    (0, 36, 100),
    (0, 42, 80),
    (2, 42, 60),
    (4, 38, 110),
    (4, 42, 80),
    (6, 46, 90),
    (8, 36, 90),
    (10, 42, 70),
    (12, 40, 120),
    (14, 44, 60),
]


def write_midi(path: Path, hits: list[tuple[int, int, int]]) -> None:
    """Write (tick, pitch, velocity) note-ons, each with a note-off 10 ticks later."""
    events = sorted(
        [(tick, 1, pitch, velocity) for tick, pitch, velocity in hits] + [(tick + 10, 0, pitch, 0) for tick, pitch, _ in hits]
    )
    track, now = mido.MidiTrack(), 0
    for tick, on, pitch, velocity in events:
        track.append(mido.Message("note_on" if on else "note_off", note=pitch, velocity=velocity, time=tick - now))
        now = tick
    midi = mido.MidiFile(ticks_per_beat=TICKS)
    midi.tracks.append(track)
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.save(path)


def rock_bars(n: int, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """n bars of a beat, played a little loosely; from bar to bar some hits are left out, so that bars differ."""
    hits = []
    for bar in range(n):
        for step, pitch, velocity in ROCK:
            if step and rng.random() < 0.25:
                continue
            tick = max(bar * 4 * TICKS + step * TICKS // 4 + int(rng.integers(-20, 21)), 0)
            hits.append((tick, pitch, velocity))
        hits.append((bar * 4 * TICKS + 15 * TICKS // 4, 38, 30))
    return hits

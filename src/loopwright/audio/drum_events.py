"""Drum patterns as hits: a role, when, how hard. Read from MIDI and event lists, written as MIDI, drawn as activations.

Time is a circle: a hit just before the downbeat and one at the end of the loop are the same hit.

Shapes: R roles, L velocity layers (soft first), T frames of the whole loop.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from loopwright.arrays import Float32
from loopwright.audio import midi
from loopwright.errors import InputError

ROLES = (
    "kick", "snare", "clap", "rim", "hat_closed", "hat_open", "tom_low", "tom_mid", "tom_high", "ride", "crash", "perc",
    "cowbell",
)  # fmt: skip
ROLE_INDEX = {role: i for i, role in enumerate(ROLES)}
LAYERS = 2
WINDOW_FRAMES = 2048 / 375  # length of the analysis window of `loop48` in frames

# General MIDI percussion; 22, 26 and 58 are edges of Roland pads. The first note of a role is the one written.
ROLE_NOTES: dict[str, tuple[int, ...]] = {
    "kick": (36, 35), "snare": (38, 40), "clap": (39,), "rim": (37, 31), "hat_closed": (42, 44, 22), "hat_open": (46, 26),
    "tom_low": (41, 43, 58), "tom_mid": (45, 47), "tom_high": (48, 50), "ride": (51, 53, 59), "crash": (49, 52, 55, 57),
    "perc": (64, 54, *range(60, 64), *range(65, 82)), "cowbell": (56,),
}  # fmt: skip
NOTE_ROLES = {note: role for role in reversed(ROLES) for note in ROLE_NOTES[role]}
GM_DRUM_CHANNEL = 9  # channel 10, counted from 0


class Hit(NamedTuple):
    """One hit: `start` in bars from the downbeat, round the circle; `velocity` above 0, at most 1."""

    role: str
    start: float
    velocity: float


def parse_hits(rows: object, *, where: str) -> list[Hit]:
    """Hits from rows [role, start, velocity], as they stand in `events.jsonl`. Raises InputError naming `where`."""
    if not isinstance(rows, list):
        raise InputError(f"{where}: expected a list of [role, start, velocity], got {type(rows).__name__}.")
    hits = []
    for row in rows:
        try:
            role, start, velocity = row
            hit = Hit(str(role), float(start), float(velocity))
        except (TypeError, ValueError) as error:
            raise InputError(f"{where}: a hit is [role, start, velocity], got {json.dumps(row)[:80]}.") from error
        if hit.role not in ROLE_INDEX:
            raise InputError(f"{where}: unknown role {hit.role!r}; known are {', '.join(ROLES)}.")
        if not math.isfinite(hit.start) or not 0 < hit.velocity <= 1:
            raise InputError(f"{where}: start must be a number of bars and velocity in 0..1, got {hit.start}, {hit.velocity}.")
        hits.append(hit)
    return hits


def read_events(path: Path) -> dict[str, list[Hit]]:
    """Hits of each file from JSON lines {"file": ..., "events": [[role, start, velocity], ...]}. Raises InputError."""
    out: dict[str, list[Hit]] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as UTF-8 text ({error}).") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            record = json.loads(line)
            name, rows = record["file"], record["events"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f'{where}: expected {{"file": ..., "events": [...]}}.') from error
        out[str(name)] = parse_hits(rows, where=where)
    return out


def layer_weights(velocity: float) -> tuple[float, float]:
    """Amplitudes of a hit in the soft and the hard layer: velocity ** 1.5 in all, and the hard share of power is velocity."""
    level = velocity**1.5
    return level * math.sqrt(1 - velocity), level * math.sqrt(velocity)


def activations(hits: Iterable[Hit], *, bars: int = 1, bar_frames: int = 256, window_frames: float = WINDOW_FRAMES) -> Float32:
    """The pattern as an analysis sees it: each hit smeared by the window, at its exact place between frames.

    A click at p frames has in frame t the magnitude of the Hann window at the distance t - p, so that is what is drawn,
    times the weights of the layers. Rolling the hits by a frame rolls the result, exactly.

    Returns:
        (R, L, bars * bar_frames).
    """
    t = bars * bar_frames
    out = np.zeros((len(ROLES), LAYERS, t))
    half = window_frames / 2
    for hit in hits:
        place = hit.start * bar_frames
        frames = np.arange(math.ceil(place - half), math.floor(place + half) + 1)
        window = 0.5 + 0.5 * np.cos(2 * np.pi * (frames - place) / window_frames)
        for layer, weight in enumerate(layer_weights(hit.velocity)):
            np.add.at(out[ROLE_INDEX[hit.role], layer], frames % t, weight * window)
    return out.astype(np.float32)


def read_midi(source: Path | bytes, *, bars: int | None = None) -> tuple[list[Hit], int]:
    """Hits of a drum clip in a MIDI file (General MIDI drum map), and its length in bars.

    Notes of channel 10 count; of all channels if it has none. The tempo does not matter. The length is that of the clip if it
    ends on a bar line, else up to the bar of the last hit.

    Args:
        source: a file, or its bytes.
        bars: take this many bars from the start and wrap what is later; None reads the length from the file.

    Raises InputError for a broken file, metres other than 4/4, no drums, and more than four bars.
    """
    name = midi.name_of(source)
    clip = midi.read_clip(source)
    notes = [n for n in clip.notes if n.channel == GM_DRUM_CHANNEL] or clip.notes
    hits = [Hit(NOTE_ROLES[n.note], n.start, n.velocity / 127) for n in notes if n.note in NOTE_ROLES]
    if not hits:
        raise InputError(f"{name} has no notes of the General MIDI drum map (35 to 81).")
    bars = midi.bars_of_clip([hit.start for hit in hits], clip.end, bars=bars, name=name)
    return wrapped(hits, bars), bars


def wrapped(hits: Iterable[Hit], bars: int) -> list[Hit]:
    """Hits with starts in 0 .. `bars`, in order of time, then of role."""
    turned = [Hit(hit.role, hit.start % bars, hit.velocity) for hit in hits]
    return sorted(turned, key=lambda hit: (hit.start, ROLE_INDEX[hit.role]))


def midi_bytes(hits: Sequence[Hit], *, bars: int, bpm: float) -> bytes:
    """A MIDI clip of exactly `bars` bars in 4/4 on channel 10, one track; notes last a sixty-fourth at most."""
    notes = [
        midi.MidiNote(hit.start, 1 / 64, ROLE_NOTES[hit.role][0], max(1, min(127, round(127 * hit.velocity))), GM_DRUM_CHANNEL)
        for hit in wrapped(hits, bars)
    ]
    return midi.write_clip(notes, bars=bars, bpm=bpm)

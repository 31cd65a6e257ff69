"""Drum patterns as hits: a role, when, how hard. Read from MIDI and event lists, written as MIDI, drawn as activations.

Time is a circle: a hit just before the downbeat and one at the end of the loop are the same hit.

Shapes: R roles, L velocity layers (soft first), T frames of the whole loop.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from loopwright.errors import InputError

Float32 = npt.NDArray[np.float32]

ROLES = (
    "kick", "snare", "clap", "rim", "hat_closed", "hat_open", "tom_low", "tom_mid", "tom_high", "ride", "crash", "perc",
    "cowbell",
)  # fmt: skip
ROLE_INDEX = {role: i for i, role in enumerate(ROLES)}
MOST_BARS = 4
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
TICKS_PER_BEAT = 480


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
    import mido

    name = "the MIDI file" if isinstance(source, bytes) else str(source)
    try:
        midi = mido.MidiFile(file=io.BytesIO(source)) if isinstance(source, bytes) else mido.MidiFile(source)
        bar = 4 * int(midi.ticks_per_beat)
        notes: list[tuple[int, int, int, int]] = []
        end = 0
        metres: set[str] = set()
        for track in midi.tracks:
            tick = 0
            for message in track:
                tick += message.time
                if message.type == "time_signature":
                    metres.add(f"{message.numerator}/{message.denominator}")
                elif message.type == "note_on" and message.velocity > 0:
                    notes.append((tick, message.channel, message.note, message.velocity))
            end = max(end, tick)
    except FileNotFoundError as error:
        raise InputError(f"no file {name}.") from error
    except (OSError, EOFError, ValueError, IndexError, KeyError, TypeError) as error:
        raise InputError(f"{name}: not a readable MIDI file ({error or type(error).__name__}).") from error
    if bar <= 0:
        raise InputError(f"{name} counts time in SMPTE frames, not in beats. Export it with a tempo.")
    if odd := sorted(metres - {"4/4"}):
        raise InputError(f"{name} is in {', '.join(odd)}; loops are in 4/4. Give it a clip in 4/4.")
    if any(channel == GM_DRUM_CHANNEL for _, channel, _, _ in notes):
        notes = [note for note in notes if note[1] == GM_DRUM_CHANNEL]
    hits = [Hit(NOTE_ROLES[n], tick / bar, velocity / 127) for tick, _, n, velocity in notes if n in NOTE_ROLES]
    if not hits:
        raise InputError(f"{name} has no notes of the General MIDI drum map (35 to 81).")
    if bars is None:
        last = max(hit.start for hit in hits)
        bars = math.floor(last) + 1  # an early downbeat is near the end of its bar: it does not begin one more
        whole = round(end / bar)
        bars = max(bars, whole if abs(end / bar - whole) < 1e-3 else 0)
    if not 1 <= bars <= MOST_BARS:
        raise InputError(f"{name} has {bars} bars; loops have 1 to {MOST_BARS}. Cut the clip, or say how many bars to take.")
    return wrapped(hits, bars), bars


def wrapped(hits: Iterable[Hit], bars: int) -> list[Hit]:
    """Hits with starts in 0 .. `bars`, in order of time, then of role."""
    turned = [Hit(hit.role, hit.start % bars, hit.velocity) for hit in hits]
    return sorted(turned, key=lambda hit: (hit.start, ROLE_INDEX[hit.role]))


def midi_bytes(hits: Sequence[Hit], *, bars: int, bpm: float) -> bytes:
    """A MIDI clip of exactly `bars` bars in 4/4 on channel 10, one track; notes last a sixty-fourth at most."""
    import mido

    bar = 4 * TICKS_PER_BEAT
    events: list[tuple[int, int, int, int]] = []  # tick, off before on, note, velocity
    for hit in wrapped(hits, bars):
        tick = min(round(hit.start * bar), bars * bar - 1)
        note = ROLE_NOTES[hit.role][0]
        events.append((tick, 1, note, max(1, min(127, round(127 * hit.velocity)))))
        events.append((min(tick + bar // 64, bars * bar), 0, note, 0))
    track = mido.MidiTrack([mido.MetaMessage("time_signature", numerator=4, denominator=4)])
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm)))
    now = 0
    for tick, on, note, velocity in sorted(events):
        kind = "note_on" if on else "note_off"
        track.append(mido.Message(kind, channel=GM_DRUM_CHANNEL, note=note, velocity=velocity, time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=bars * bar - now))
    out = io.BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_BEAT, tracks=[track]).save(file=out)
    return out.getvalue()

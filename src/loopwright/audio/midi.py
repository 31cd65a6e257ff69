"""One-track MIDI clips in 4/4: notes in and out, in bars. What notes mean (pitches, drums) is for others to say."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from loopwright.errors import InputError

TICKS_PER_BEAT = 480
MOST_BARS = 4
MOST_NOTES = 20_000


class MidiNote(NamedTuple):
    """A note of a clip: start and length in bars, MIDI note and velocity (1 to 127), channel counted from 0."""

    start: float
    length: float
    note: int
    velocity: int
    channel: int


class MidiClip(NamedTuple):
    """Notes by start, and where the longest track ends, in bars."""

    notes: list[MidiNote]
    end: float


def read_clip(source: Path | bytes) -> MidiClip:
    """The notes of a MIDI file (or its bytes). The tempo does not matter. A note nobody ends lasts to the end of the file.

    Raises InputError for a broken file, time in SMPTE frames, and metres other than 4/4.
    """
    import mido

    name = name_of(source)
    try:
        midi = mido.MidiFile(file=io.BytesIO(source)) if isinstance(source, bytes) else mido.MidiFile(source)
        bar = 4 * int(midi.ticks_per_beat)
        found: list[tuple[int, int, int, int, int]] = []
        end = 0
        metres: set[str] = set()
        for track in midi.tracks:
            tick = 0
            open_notes: dict[tuple[int, int], list[tuple[int, int]]] = {}
            for message in track:
                tick += message.time
                if message.type == "time_signature":
                    metres.add(f"{message.numerator}/{message.denominator}")
                elif message.type == "note_on" and message.velocity > 0:
                    open_notes.setdefault((message.channel, message.note), []).append((tick, message.velocity))
                elif message.type in ("note_on", "note_off") and (stack := open_notes.get((message.channel, message.note))):
                    start, velocity = stack.pop(0)
                    found.append((start, tick, message.note, velocity, message.channel))
            for (channel, note), stack in open_notes.items():
                found += [(start, tick, note, velocity, channel) for start, velocity in stack]
            end = max(end, tick)
    except FileNotFoundError as error:
        raise InputError(f"no file {name}.") from error
    except (OSError, EOFError, ValueError, IndexError, KeyError, TypeError) as error:
        raise InputError(f"{name}: not a readable MIDI file ({error or type(error).__name__}).") from error
    if bar <= 0:
        raise InputError(f"{name} counts time in SMPTE frames, not in beats. Export it with a tempo.")
    if odd := sorted(metres - {"4/4"}):
        raise InputError(f"{name} is in {', '.join(odd)}; loops are in 4/4. Give it a clip in 4/4.")
    if len(found) > MOST_NOTES:
        raise InputError(f"{name} has {len(found)} notes; a clip of {MOST_BARS} bars has no more than {MOST_NOTES}.")
    notes = [MidiNote(a / bar, (b - a) / bar, note, velocity, channel) for a, b, note, velocity, channel in sorted(found)]
    return MidiClip(notes, end / bar)


def bars_of_clip(starts: Sequence[float], end: float, *, bars: int | None, name: str) -> int:
    """Bars of a clip: those asked for, else to where it ends if that is a bar line, else up to the bar of the last start.

    Raises InputError for none, or more than `MOST_BARS`.
    """
    if bars is None:
        bars = math.floor(max(starts)) + 1  # an early downbeat is near the end of its bar: it does not begin one more
        whole = round(end)
        bars = max(bars, whole if abs(end - whole) < 1e-3 else 0)
    if not 1 <= bars <= MOST_BARS:
        raise InputError(f"{name} has {bars} bars; loops have 1 to {MOST_BARS}. Cut the clip, or say how many bars to take.")
    return bars


def write_clip(notes: Sequence[MidiNote], *, bars: int, bpm: float) -> bytes:
    """A MIDI clip of exactly `bars` bars in 4/4, one track. Notes that go over the end of the clip are cut there."""
    import mido

    bar = 4 * TICKS_PER_BEAT
    events: list[tuple[int, int, int, int, int]] = []  # tick, off before on, channel, note, velocity
    for note in notes:
        tick = min(round(note.start * bar), bars * bar - 1)
        stop = min(max(round((note.start + note.length) * bar), tick + 1), bars * bar)
        events += [(tick, 1, note.channel, note.note, note.velocity), (stop, 0, note.channel, note.note, 0)]
    track = mido.MidiTrack([mido.MetaMessage("time_signature", numerator=4, denominator=4)])
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm)))
    now = 0
    for tick, on, channel, number, velocity in sorted(events):
        kind = "note_on" if on else "note_off"
        track.append(mido.Message(kind, channel=channel, note=number, velocity=velocity, time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=bars * bar - now))
    out = io.BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_BEAT, tracks=[track]).save(file=out)
    return out.getvalue()


def name_of(source: Path | bytes) -> str:
    """What messages call a source."""
    return "the MIDI file" if isinstance(source, bytes) else str(source)

"""Tempo, key and kind from inside the file: `acid` and Apple Loops' chunks, and the tags of MP3, FLAC, OGG, AIFF and WAV."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import tinytag

from loopwright.audio.wavmeta import WavMeta, read_chunks
from loopwright.data.clues import Clue, normal_key
from loopwright.data.facts import positive_number
from loopwright.data.kinds import kind_from_words
from loopwright.errors import InputError

_NOTES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


@dataclass
class Tags:
    """What a file says of itself. `beats_per_bar` only where it is no program's default."""

    clues: list[Clue] = field(default_factory=list)
    key: str = ""
    one_shot: bool = False
    beats_per_bar: int | None = None
    kind: str = ""


def chunk_clues(meta: WavMeta) -> list[Clue]:
    """What `acid` or an Apple Loop's chunks say.

    Many programs write 120 BPM and 4 beats into everything: tempo and beats are one statement, and `read_tempo` believes it
    little where the file does not hold such a loop. Apple Loops have beats alone; their length is the tempo.
    """
    beats = float(meta.beats) if meta.beats else None
    if meta.apple_loop:
        return [Clue("apple loop", 9.0, beats=beats, firm=True)] if beats and beats <= 1024 else []
    if meta.bpm and 20 <= meta.bpm <= 400:
        bpm = round(meta.bpm, 4)  # a float of 32 bits
        half = 0.5 if bpm == round(bpm) else 0.0
        default = (bpm, beats) == (120, 4)
        return [Clue("acid", 10.0 if beats else 3.0, bpm=bpm, beats=beats, half=half, firm=bool(beats) and not default)]
    return []


def read_tags(path: Path) -> Tags:
    """All that a file's chunks and tags say. Damaged ones say nothing."""
    tags = Tags()
    try:
        meta = read_chunks(path)
    except InputError:
        meta = WavMeta()
    tags.clues += chunk_clues(meta)
    tags.one_shot = meta.one_shot
    if meta.root_note is not None and not meta.one_shot:
        tags.key = f"{_NOTES[meta.root_note % 12]} {meta.scale}".strip()
    if meta.beats_per_bar and (meta.apple_loop or meta.beats_per_bar == 3):
        tags.beats_per_bar = meta.beats_per_bar
    tags.kind = kind_from_words(" ".join(meta.categories))
    try:
        tag = tinytag.TinyTag.get(path, duration=False)
        other = {name: [str(value) for value in values] for name, values in tag.other.items()}
    except Exception:  # whatever a damaged tag makes of the reader
        return tags
    for text in other.get("bpm", []):
        bpm = positive_number(text)
        if bpm and 20 <= bpm <= 400 and math.isfinite(bpm):
            half = 0.5 if bpm == round(bpm) else 0.005
            tags.clues.append(Clue("tag", 5.0, bpm=bpm, half=half))
            break
    for text in other.get("initial_key", []):
        tags.key = normal_key(text) or tags.key
    return tags

"""Tempo and key from inside the file: `acid` chunks and the tags of MP3, FLAC, OGG, AIFF and WAV."""

from __future__ import annotations

import math
from pathlib import Path

import tinytag

from loopwright.audio.wavmeta import WavMeta, read_chunks
from loopwright.data.clues import Clue, normal_key
from loopwright.data.facts import positive_number

_NOTES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def acid_clues(meta: WavMeta, length_s: float) -> list[Clue]:
    """What an `acid` chunk says. Many programs write 120 BPM and 4 beats into everything, so it must agree with the length."""
    clues: list[Clue] = []
    agree = bool(meta.bpm and meta.beats and length_s > 0 and abs(60 * meta.beats / meta.bpm / length_s - 1) < 0.03)
    if meta.bpm and 20 <= meta.bpm <= 400:
        clues.append(Clue("acid", 6.0 if agree else 2.0, bpm=60 * (meta.beats or 0) / length_s if agree else meta.bpm))
    if meta.beats and agree:
        clues.append(Clue("acid", 4.0, beats=float(meta.beats)))
    return clues


def read_tags(path: Path, length_s: float) -> tuple[list[Clue], str, bool]:
    """Clues about the tempo, the key, and whether the file says it is a one-shot. Damaged tags say nothing."""
    clues: list[Clue] = []
    key, one_shot = "", False
    if path.suffix.lower() == ".wav":
        meta = read_chunks(path)
        clues += acid_clues(meta, length_s)
        one_shot = meta.one_shot
        if meta.root_note is not None and not one_shot:
            key = _NOTES[meta.root_note % 12]
    try:
        tag = tinytag.TinyTag.get(path, duration=False)
        other = tag.other
    except Exception:
        return clues, key, one_shot
    for text in other.get("bpm", []):
        bpm = positive_number(text)
        if bpm and 20 <= bpm <= 400 and math.isfinite(bpm):
            clues.append(Clue("tag", 5.0, bpm=bpm))
            break
    for text in other.get("initial_key", []):
        key = normal_key(str(text)) or key
    return clues, key, one_shot

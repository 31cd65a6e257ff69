"""Keys, Roman numerals, chords and their voicings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Rng = np.random.Generator
KEY_NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
MAJOR = (0, 2, 4, 5, 7, 9, 11)
MINOR = (0, 2, 3, 5, 7, 8, 10)
_DEGREES = {"i": 0, "ii": 1, "iii": 2, "iv": 3, "v": 4, "vi": 5, "vii": 6}
_NUMERAL = re.compile(r"^([b#]?)(VII|VI|IV|V|III|II|I|vii|vi|iv|v|iii|ii|i)(.*)$")
# suffix -> intervals in semitones; without one the letter case decides
_QUALITIES = {
    "M": (0, 4, 7), "m": (0, 3, 7), "dim": (0, 3, 6), "aug": (0, 4, 8), "+": (0, 4, 8), "sus2": (0, 2, 7), "sus4": (0, 5, 7),
    "7": (0, 4, 7, 10), "dom7": (0, 4, 7, 10), "M7": (0, 4, 7, 11), "maj7": (0, 4, 7, 11), "m7": (0, 3, 7, 10),
    "6": (0, 4, 7, 9), "M6": (0, 4, 7, 9), "m6": (0, 3, 7, 9), "9": (0, 4, 7, 10, 14), "M9": (0, 4, 7, 11, 14),
    "m9": (0, 3, 7, 10, 14), "dim7": (0, 3, 6, 9), "m7b5": (0, 3, 6, 10), "add9": (0, 4, 7, 14), "5": (0, 7), "M-5": (0, 4, 6),
    "69": (0, 4, 7, 9, 14), "madd9": (0, 3, 7, 14),
}  # fmt: skip


@dataclass(frozen=True)
class Note:
    """A note of a part; times in sixteenths of a bar."""

    at: float
    length: float
    midi: int
    velocity: float  # 0 .. 1
    slide: int = 0  # semitones from this note to the pitch it slides from


def parse_numeral(text: str, mode: str) -> tuple[int, tuple[int, ...]]:
    """Root (semitones above the tonic) and intervals of a Roman numeral such as `iv`, `bVIIM`, `Vsus2`, `Idom7`.

    In `minor` degrees are those of natural minor; in `major` and `modal` those of major. Raises ValueError if unknown.
    """
    match = _NUMERAL.match(text)
    if not match:
        raise ValueError(f"not a Roman numeral: {text!r}")
    flat, numeral, suffix = match.groups()
    scale = MINOR if mode == "minor" else MAJOR
    root = scale[_DEGREES[numeral.lower()]] + {"b": -1, "#": 1, "": 0}[flat]
    small = numeral.islower()
    if suffix == "":
        return root % 12, (0, 3, 7) if small else (0, 4, 7)
    if suffix == "7":
        return root % 12, (0, 3, 7, 10) if small else (0, 4, 7, 10)
    if suffix in ("6", "9", "add9") and small:
        return root % 12, {"6": (0, 3, 7, 9), "9": (0, 3, 7, 10, 14), "add9": (0, 3, 7, 14)}[suffix]
    if suffix not in _QUALITIES:
        raise ValueError(f"unknown chord quality {suffix!r} in {text!r}")
    return root % 12, _QUALITIES[suffix]


Chord = tuple[int, tuple[int, ...]]


def voicing(chord: Chord, tonic: int, low: int, rng: Rng | None = None) -> list[int]:
    """MIDI notes of a chord, each within the octave and a half from `low`; with `rng`, inverted and sometimes opened."""
    root, intervals = chord
    notes = sorted({low + (tonic + root + i - low) % 12 for i in intervals})
    if rng is not None:
        for _ in range(int(rng.integers(0, len(notes)))):
            notes = [*notes[1:], notes[0] + 12]
        if rng.random() < 0.3 and len(notes) > 2:
            notes = sorted([notes[0], *notes[2:], notes[1] + 12])
    return notes


def led(chords: Sequence[Chord], tonic: int, low: int, rng: Rng) -> list[list[int]]:
    """Voicings of chords in a row whose voices move as little as they can; the last one is chosen for the first as well.

    The first is drawn; each other is, of all inversions within the octaves about `low`, the one with the least distance from
    the notes before it (to the nearest each), and for the last also from those of the first.
    """
    out: list[list[int]] = []
    for k, chord in enumerate(chords):
        if not out:
            out.append(voicing(chord, tonic, low, rng))
            continue
        near = [out[-1]] if k < len(chords) - 1 else [out[-1], out[0]]
        closed = voicing(chord, tonic, low - 12)
        options = [sorted(closed[turn:] + [note + 12 for note in closed[:turn]]) for turn in range(len(closed))]
        options += [[note + 12 for note in option] for option in options] + [
            [note + 24 for note in option] for option in options
        ]
        out.append(min(options, key=lambda option: sum(_motion(notes, option) for notes in near)))
    return out


def _motion(before: Sequence[int], after: Sequence[int]) -> int:
    """Semitones from each note to the nearest one of the other chord, both ways."""
    return sum(min(abs(a - b) for b in before) for a in after) + sum(min(abs(a - b) for a in after) for b in before)

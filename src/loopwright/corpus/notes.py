"""What synth loops play: keys, Roman numerals, and one-bar parts on the sixteenth grid."""

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
    """A note of a part; times in sixteenths of the bar."""

    at: float
    length: float
    midi: int
    velocity: float  # 0 .. 1


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


def chord_at(chords: Sequence[Chord], step: float) -> Chord:
    """The chord that sounds at a sixteenth, the bar shared evenly among the chords."""
    return chords[min(int(step * len(chords) / 16), len(chords) - 1)]


def _pick(rng: Rng, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


_BASS_RHYTHMS = """
    x---x---x---x--- x-x-x-x-x-x-x-x- xxxxxxxxxxxxxxxx --x---x---x---x- x--x--x-x--x--x- x-----x---x-----
    x---------x-x--- .-x-x-x-.-x-x-x- x.xx.xx.x.xx.xx. x------x--x-x--- x-.x-.x-x-.x-.x- x.............x.
    ..xx..xx..xx..xx x..x..x...x.x...
""".split()  # noqa: SIM905
_STABS = """
    x-----x-----x--- x--x--x-x--x--x- ..x...x...x...x. x-------x------- x---x---x---x--- ..x-..x-..x-..x-
    x..x..x...x..x.. x--------------- ....x-......x-.. x.....x...x..... x--x---x--x-x--- ..x..x..x..x..x.
""".split()  # noqa: SIM905


def rhythm(text: str) -> list[tuple[float, float]]:
    """(start, length) of a string: `x` starts a note, `-` holds it, `.` rests."""
    out: list[tuple[float, float]] = []
    for i, c in enumerate(text):
        if c == "x":
            held = len(text[i + 1 :]) - len(text[i + 1 :].lstrip("-"))
            out.append((float(i), 1.0 + held))
    return out


def _mutate(rng: Rng, text: str, chance: float) -> str:
    """Add, drop or shift a few notes, so that a rhythm is a family and not one bar."""
    cells = list(text)
    for i in range(16):
        if rng.random() < chance:
            cells[i] = "." if cells[i] == "x" and i else "x"
    return "".join(cells)


def bass(rng: Rng, chords: Sequence[Chord], tonic: int, scale: Sequence[int]) -> list[Note]:
    """Roots with octaves, fifths and passing notes."""
    low, out = int(rng.integers(26, 36)), []
    gate, jump = rng.uniform(0.45, 1.0), rng.uniform(0.05, 0.4)
    for at, length in rhythm(_mutate(rng, _pick(rng, _BASS_RHYTHMS), 0.08)):
        root = voicing((chord_at(chords, at)[0], (0,)), tonic, low)[0]
        if at and rng.random() < jump:
            root += int(rng.choice([12, 12, 7, -5, scale[int(rng.integers(len(scale)))]]))
        out.append(Note(at, length * gate, root, 0.95 if at % 4 == 0 else float(rng.uniform(0.6, 0.9))))
    return out


def arp(rng: Rng, chords: Sequence[Chord], tonic: int, scale: Sequence[int]) -> list[Note]:  # noqa: ARG001
    """Broken chords in a fixed order."""
    step = float(rng.choice([1.0, 1.0, 1.0, 2.0, 4 / 3]))
    low, octaves = int(rng.integers(52, 66)), int(rng.integers(1, 4))
    order, gate = _pick(rng, ["up", "down", "updown", "random", "skip"]), rng.uniform(0.35, 1.2)
    mask = [rng.random() < (0.92 if rng.random() < 0.6 else 0.7) for _ in range(16)]
    shuffle = rng.permutation(16)
    out = []
    for i in range(round(16 / step)):
        at = i * step
        tones = [t + 12 * o for o in range(octaves) for t in voicing(chord_at(chords, at), tonic, low)]
        size = len(tones)
        turn = {
            "up": i,
            "down": -1 - i,
            "updown": i % max(2 * size - 2, 1)
            if i % max(2 * size - 2, 1) < size
            else -(i % max(2 * size - 2, 1)) - 2 + 2 * size,
            "random": int(shuffle[i % 16]),
            "skip": i * 2 + i // 4,
        }[order]
        if mask[i % 16] or i == 0:
            out.append(Note(at, step * gate, tones[turn % size], 0.95 if i % 4 == 0 else float(rng.uniform(0.6, 0.85))))
    return out


def stabs(rng: Rng, chords: Sequence[Chord], tonic: int, scale: Sequence[int]) -> list[Note]:  # noqa: ARG001
    """Block chords in a rhythm."""
    low, gate = int(rng.integers(48, 60)), rng.uniform(0.4, 1.0)
    voiced: dict[Chord, list[int]] = {}
    out = []
    for at, length in rhythm(_mutate(rng, _pick(rng, _STABS), 0.06)):
        chord = chord_at(chords, at)
        tones = voiced.setdefault(chord, voicing(chord, tonic, low, rng))
        loud = float(rng.uniform(0.65, 0.95))
        out += [Note(at, length * gate, tone, loud) for tone in tones]
    return out


def pad(rng: Rng, chords: Sequence[Chord], tonic: int, scale: Sequence[int]) -> list[Note]:  # noqa: ARG001
    """Held chords that overlap."""
    low, size = int(rng.integers(46, 60)), 16 / len(chords)
    out = []
    for i, chord in enumerate(chords):
        tones = voicing(chord, tonic, low, rng)
        if rng.random() < 0.5:
            tones = [tones[0] - 12, *tones]
        out += [Note(i * size, size * 0.98, tone, 0.8) for tone in tones]
    return out


def lead(rng: Rng, chords: Sequence[Chord], tonic: int, scale: Sequence[int]) -> list[Note]:
    """A tune: a walk on the scale that meets the chord on the beats."""
    low = int(rng.integers(60, 74))
    ladder = [low + k for k in range(20) if (low + k - tonic) % 12 in scale]
    place, at, out = int(rng.integers(len(ladder))), 0.0, []
    gate, busy = rng.uniform(0.6, 1.05), rng.uniform(0.2, 1.0)
    while at < 16:
        length = float(rng.choice([1, 2, 3, 4, 6], p=_lengths(busy)))
        length = min(length, 16 - at)
        if rng.random() < 0.85:
            place = int(np.clip(place + rng.choice([-3, -2, -1, -1, 0, 1, 1, 2, 4]), 0, len(ladder) - 1))
            midi = ladder[place]
            if at % 4 == 0:
                tones = voicing(chord_at(chords, at), tonic, low)
                midi = min(tones + [m + 12 for m in tones], key=lambda m, here=midi: abs(m - here))  # type: ignore[misc]
            out.append(Note(at, length * gate, midi, float(rng.uniform(0.65, 0.98))))
        at += length
    return out or [Note(0.0, 8.0, ladder[place], 0.9)]


def _lengths(busy: float) -> list[float]:
    slow, fast = (0.02, 0.2, 0.25, 0.3, 0.23), (0.45, 0.35, 0.1, 0.1, 0.0)
    return [s + busy * (f - s) for s, f in zip(slow, fast, strict=True)]


PARTS = {"bass": bass, "arp": arp, "chords": stabs, "pad": pad, "lead": lead}

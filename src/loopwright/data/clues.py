"""Tempo, bars and key from file names and tags, the way producers write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

SLOWEST_BPM = 50.0
FASTEST_BPM = 220.0


@dataclass(frozen=True)
class Clue:
    """One statement about a file. `weight` is in nats: how much likelier the statement makes what it says."""

    origin: str  # "name", "folder", "acid", "tag", "sidecar", "given"
    weight: float
    bpm: float | None = None
    beats: float | None = None


_WORD = r"(?<![A-Za-z0-9.])"
_END = r"(?![A-Za-z0-9])"
# 120bpm, 120 BPM, bpm120, bpm_120, 92.5bpm
_EXPLICIT = re.compile(
    r"(?<![\d.])(\d{2,3}(?:[.,]\d{1,3})?)[ _\-]?bpms?(?![a-z])|(?<![a-z])bpm[ _\-=]?(\d{2,3}(?:[.,]\d{1,3})?)(?!\d)", re.I
)
_BARE = re.compile(r"(?<![A-Za-z0-9#.])(\d{2,3})(?![A-Za-z0-9#])")
_BARS = re.compile(_WORD + r"(\d{1,2})[ _\-]?bars?" + _END, re.I)
_BEATS = re.compile(_WORD + r"(\d{1,3})[ _\-]?beats?" + _END, re.I)
# Amin, A_min, C#m, Bb minor, F#maj, Gm; a lone letter only between separators
_KEY = re.compile(
    r"(?<![A-Za-z0-9#])([A-G])[ _\-]?(#|b|♯|♭|sharp|flat|s(?=maj|min|m\b))?"
    r"[ _\-]?(major|minor|maj|min|dur|moll|m|M)?(?![A-Za-z0-9#])"
)
_ONE_SHOT = re.compile(r"(?<![a-z])(one[ _\-]?shots?|oneshots?|single[ _\-]?hits?)(?![a-z])", re.I)
_NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def clues_from_name(name: str) -> list[Clue]:
    """Clues from a path relative to the folder prepared, with "/" between folders. Nearer words weigh more."""
    path = PurePosixPath(name)
    clues: list[Clue] = []
    texts = [("name", path.stem)] + [("folder", part) for part in reversed(path.parts[:-1])]
    for origin, text in texts:
        near = 1.0 if origin == "name" else 0.7
        explicit = [float((a or b).replace(",", ".")) for a, b in _EXPLICIT.findall(text)]
        explicit = [bpm for bpm in explicit if SLOWEST_BPM <= bpm <= FASTEST_BPM]
        clues += [Clue(origin, 7.0 * near, bpm=bpm) for bpm in explicit]
        bare = [float(number) for number in _BARE.findall(text)]
        bare = [bpm for bpm in bare if SLOWEST_BPM <= bpm <= FASTEST_BPM and bpm not in explicit]
        # a number without "bpm" may be a serial number: several of them weaken each other, an explicit one silences them
        if not explicit and not any(clue.bpm for clue in clues):
            clues += [Clue(origin, (4.5 if len(bare) == 1 else 2.5) * near, bpm=bpm) for bpm in bare]
        clues += [Clue(origin, 4.0 * near, beats=4.0 * int(n)) for n in _BARS.findall(text) if 0 < int(n) <= 64]
        clues += [Clue(origin, 4.0 * near, beats=float(n)) for n in _BEATS.findall(text) if 0 < int(n) <= 256]
    return clues


def restate_tempo(stem: str, bpm: float) -> str:
    """A file name in which each "93bpm" is another tempo.

    >>> restate_tempo("beat 93bpm Amin", 120.0), restate_tempo("Kit_93", 120.0)
    ('beat 120bpm Amin', 'Kit_93')
    """
    return _EXPLICIT.sub(f"{bpm:g}bpm", stem)


def says_one_shot(name: str) -> bool:
    """Whether the name, or a folder's, says that the file is a single hit."""
    return bool(_ONE_SHOT.search(name))


def normal_key(text: str) -> str:
    """A key as "A minor", "F# major" or, where the mode is not said, "A"; "" if the text is no key.

    >>> normal_key("Bbmin"), normal_key("f#"), normal_key("Amaj"), normal_key("8A"), normal_key("xyz")
    ('Bb minor', 'F#', 'A major', '', '')
    """
    text = text.strip()
    match = _KEY.fullmatch(text[:1].upper() + text[1:])
    if not match:
        return ""
    note, accidental, mode = match.groups()
    pitch = _NATURAL[note]
    if accidental:
        pitch += -1 if accidental in ("b", "♭", "flat") else 1
    mode_name = {"m": "minor", "min": "minor", "minor": "minor", "moll": "minor"}.get(mode or "", "")
    if mode and not mode_name:
        mode_name = "major"
    return f"{_NAMES[pitch % 12]} {mode_name}".strip()


def key_from_name(name: str) -> str:
    """The key that a file's own name states, or "". A lone letter counts only as the last word or beside a number."""
    stem = PurePosixPath(name).stem
    lone = ""
    for match in _KEY.finditer(stem):
        note, accidental, mode = match.groups()
        if mode or accidental:
            return normal_key(match.group(0).strip(" _-"))
        after, before = stem[match.end() :], stem[: match.start()]
        if after == "" or re.match(r"[ _\-]+\d", after) or re.search(r"\d[ _\-]+$", before):
            lone = lone or normal_key(note)
    return lone

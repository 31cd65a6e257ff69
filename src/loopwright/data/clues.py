"""Tempo, bars and key from file names and tags, the way producers write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

SLOWEST_BPM = 50.0
FASTEST_BPM = 220.0


@dataclass(frozen=True)
class Clue:
    """One statement about a file. `weight` is in nats: how much likelier the statement makes what it says.

    A clue with tempo and beats states both of one loop, as an `acid` chunk or a table does.
    """

    origin: str  # "user", "table", "name", "folder", "acid", "apple loop", "tag"
    weight: float
    bpm: float | None = None
    beats: float | None = None
    half: float = 0.0  # half of the last digit's unit: a tempo written as 93 may be 92.6
    explicit: bool = False  # says that it is a tempo
    firm: bool = False  # given by someone who knows, or beside the beats: obeyed even where sound reaches both ends


_WORD = r"(?<![A-Za-z0-9.])"
_END = r"(?![A-Za-z0-9])"
# 120bpm, 120 BPM, bpm120, bpm_120, 92.5bpm
_EXPLICIT = re.compile(
    r"(?<![\d.])(\d{2,3}(?:[.,]\d{1,3})?)[ _\-]?bpms?(?![a-z])|(?<![a-z])bpm[ _\-=]?(\d{2,3}(?:[.,]\d{1,3})?)(?!\d)", re.I
)
_BARE = re.compile(r"(?<![A-Za-z0-9#.])(\d{2,3})(?![A-Za-z0-9#])")
_LITTLE = 0.8  # nats
# What stands before a model number: Juno 60, MPC-60, SID 64, CR-78, DX 100, Amiga 500
_MODEL = re.compile(
    r"(?<![a-z])(juno|jupiter|mpc|sid|cr|tr|tb|sh|jx|jp|jd|mc|mks|mkb|dx|tx|rx|ry|rm|qy|sy|fb|sp|sk|cz|vl|rz|pss|psr|ms|ddd|dw|op|ob"
    r"|ax|vz|hr|sr|er|emx|esx|es|kr|ek|mfb|rd|td|spd|sds|dmx|lm|linn|poly|matrix|prophet|pro|moog|mini|korg|roland|yamaha|casio|akai"
    r"|boss|alesis|amiga|atari|commodore|spectrum|mirage|drumtraks|simmons|rhythm|ace|vocoder|svc|va|vc|rs|ep|cp|cs|gx|dr|m|s|d|k|c)"
    r"[ _\-]?$",
    re.I,
)
_SERIAL = re.compile(
    r"(?<![a-z])(take|track|trk|vol|volume|part|pt|no|nr|num|version|ver|v|preset|patch|program|prog|bank|pattern|ptn|scene|song|sample"
    r"|smp|channel|chn|ch|disc|disk|cd|page|side|file|clip|rec|recording|tape|mix)[ _.\-]*$",
    re.I,
)
_IDS = re.compile(r"\d+_\d+(\.wav)?", re.I)  # Freesound Loop Dataset: sound and user
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


def _stated(text: str) -> tuple[float, float]:
    """A tempo as written, and half of its last digit's unit."""
    text = text.replace(",", ".")
    return float(text), 0.5 * 10.0 ** -len(text.partition(".")[2])


def half_of(bpm: float) -> float:
    """Half of the last digit's unit of a tempo that was written as a number: 93 may be 92.6."""
    return 0.5 * 10.0 ** -len(f"{bpm:.10g}".partition(".")[2])


def _weight(text: str, number: re.Match[str]) -> float:
    """What a bare number is worth as a tempo: little as part of an instrument's name, as an id or a serial number."""
    before = text[: number.start()]
    if _MODEL.search(before) or (not before and text[number.end() :].startswith("__")) or _IDS.fullmatch(text):
        return _LITTLE
    return 1.5 if _SERIAL.search(before) else 4.5


def stem_of(name: str) -> str:
    """A file's own name without its suffix. "loop 92.5bpm" has none."""
    own = PurePosixPath(name).name
    return re.sub(r"(?<=.)\.[a-z][a-z0-9]{0,5}$", "", own, flags=re.I)


def clues_from_name(name: str) -> list[Clue]:
    """Clues from a path relative to the folder prepared, with "/" between folders. Nearer words weigh more."""
    path = PurePosixPath(name)
    clues: list[Clue] = []
    texts = [("name", stem_of(name))] + [("folder", part) for part in reversed(path.parts[:-1])]
    for origin, text in texts:
        near = 1.0 if origin == "name" else 0.7
        explicit = [_stated(a or b) for a, b in _EXPLICIT.findall(text)]
        explicit = [(bpm, half) for bpm, half in explicit if SLOWEST_BPM <= bpm <= FASTEST_BPM]
        clues += [Clue(origin, 7.0 * near, bpm=bpm, half=half, explicit=True) for bpm, half in explicit]
        bare = [(float(match[1]), _weight(text, match)) for match in _BARE.finditer(text)]
        bare = [(bpm, weight) for bpm, weight in bare if SLOWEST_BPM <= bpm <= FASTEST_BPM and (bpm, 0.5) not in explicit]
        # a number without "bpm" may be a serial number: several of them weaken each other, an explicit one silences them
        if not explicit and not any(clue.bpm for clue in clues):
            likely = sum(weight > _LITTLE for _, weight in bare)
            most = 4.5 if likely == 1 else 2.5
            clues += [Clue(origin, min(weight, most) * near, bpm=bpm, half=0.5) for bpm, weight in bare]
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
    stem = stem_of(name)
    lone = ""
    for match in _KEY.finditer(stem):
        note, accidental, mode = match.groups()
        if mode or accidental:
            return normal_key(match.group(0).strip(" _-"))
        after, before = stem[match.end() :], stem[: match.start()]
        if after == "" or re.match(r"[ _\-]+\d", after) or re.search(r"\d[ _\-]+$", before):
            lone = lone or normal_key(note)
    return lone

"""Musical keys by name: `Amin`, `F# major`, `bbm`. Numpy-free: names, and how far it is from one to another."""

from __future__ import annotations

import re
from typing import NamedTuple

from loopwright.errors import InputError

TONICS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
_LETTERS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_NAME = re.compile(r"([a-g])([#♯b♭]?)[\s_-]*(major|maj|minor|min|m|)")
_FROM_MINOR = 3  # semitones from a minor tonic up to that of the major key with the same notes


class Key(NamedTuple):
    """A major or natural minor key."""

    tonic: int  # semitones above C
    minor: bool

    @property
    def name(self) -> str:
        """As our corpora and file names write it: `Amin`, `Dbmaj`."""
        return TONICS[self.tonic] + ("min" if self.minor else "maj")

    @property
    def scale(self) -> int:
        """The tonic of the major key with the same notes: a key and its relative agree in it."""
        return (self.tonic + _FROM_MINOR * self.minor) % 12

    def moved(self, semitones: int) -> Key:
        """The key of the same music so many semitones higher."""
        return Key((self.tonic + semitones) % 12, self.minor)

    def to(self, other: Key) -> int:
        """Semitones, -6 to 5, that bring music in this key to the notes of another: of its own mode or of the relative one."""
        return (other.scale - self.scale + 6) % 12 - 6


def parse_key(text: str) -> Key:
    """A key from its name, in upper or lower case; a letter alone is major, `Am` and `am` are minor.

    >>> parse_key("F# minor").name, parse_key("bb").name, parse_key("Am").name
    ('Gbmin', 'Bbmaj', 'Amin')

    Raises InputError for what is no key.
    """
    found = _NAME.fullmatch(text.strip().lower())
    if found is None:
        raise InputError(f"no key '{text}'. Keys are named like Amin, F#min, Ebmaj or C.")
    letter, sign, mode = found.groups()
    shift = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}[sign]
    return Key((_LETTERS[letter] + shift) % 12, mode in ("minor", "min", "m"))

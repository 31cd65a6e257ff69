"""What kind of loop a file is: "drums", "tonal", "both" or "other". Words say it, else the sound does."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

KINDS = ("drums", "tonal", "both", "other")
_DRUMS = (
    r"drums?|drumloops?|percs?|percussions?|percussive|beats?|breaks?|breakbeats?|tops?|toploops?|hats?|hi ?hats?|hihats?"
    r"|kicks?|snares?|claps?|shakers?|congas?|bongos?|tabla|toms?|rides?|cymbals?|tambourines?|fills?|grooves?"
)
_TONAL = (
    r"synths?|bass|basses|basslines?|leads?|pads?|arps?|arpeggios?|chords?|keys|pianos?|rhodes|organs?|guitars?|gtrs?|strings|melody"
    r"|melodies|melodic|melodics|plucks?|stabs?|brass|horns?|sax|flutes?|violins?|cellos?|harps?|bells?|marimba|kalimba|sub|subs|drones?"
    r"|riffs?|clavs?|tonal"
)
_BOTH = r"mixed|mixes|full ?mix|songstarters?|construction|both"
_OTHER = r"fx|sfx|vocals?|vox|acapellas?|textures?|noises?|risers?|ambiences?|atmos|foley|field|other"
_WORDS = {"drums": _DRUMS, "tonal": _TONAL, "both": _BOTH, "other": _OTHER}
_FIND = {kind: re.compile(rf"(?<![a-z])(?:{words})(?![a-z])", re.I) for kind, words in _WORDS.items()}


def kind_from_words(text: str) -> str:
    """The kind that words speak of; "" where they say none, or several.

    >>> kind_from_words("Drums Kits"), kind_from_words("synth"), kind_from_words("bass and drums"), kind_from_words("x")
    ('drums', 'tonal', 'both', '')
    """
    text = text.replace("_", " ")
    found = {kind for kind, words in _FIND.items() if words.search(text)}
    if found == {"drums", "tonal"}:
        return "both"
    return found.pop() if len(found) == 1 else ""


def kind_from_name(name: str) -> str:
    """The kind that a file's own name says, or the nearest folder's that says one."""
    path = PurePosixPath(name)
    for text in (path.name, *reversed(path.parts[:-1])):
        if kind := kind_from_words(text):
            return kind
    return ""

"""The tempo of a file, from all that speaks of it: the user, a table, tags, its name, its length and its sound."""

from __future__ import annotations

import dataclasses

import numpy as np

from loopwright.arrays import Float32
from loopwright.audio import level
from loopwright.audio.wavmeta import exact_bpm
from loopwright.data.clues import Clue, clues_from_name, half_of
from loopwright.data.facts import Facts
from loopwright.data.rhythm import FRAME_HZ, Tempogram, onset_envelope
from loopwright.data.scan import FoundFile
from loopwright.data.settings import PrepareSettings
from loopwright.data.stated import Span, describe, is_whole, placements, warning_of
from loopwright.data.tags import Tags
from loopwright.data.tempo import Reading, read_tempo


def tempo_of_file(
    mono: Float32, rate_hz: int, found: FoundFile, facts: Facts, tags: Tags, settings: PrepareSettings
) -> Reading | str:
    """The tempo of a file, or why it has none."""
    length_s = len(mono) / rate_hz
    beats_per_bar = facts.beats_per_bar or tags.beats_per_bar or settings.beats_per_bar
    if beats_per_bar != settings.beats_per_bar:
        return f"has {beats_per_bar} beats a bar, {settings.beats_per_bar} are wanted"
    given = _given(facts, settings, beats_per_bar)
    if given is not None and is_whole(given, len(mono), rate_hz):
        return _whole(given, len(mono), rate_hz)
    span = Span.of(mono, rate_hz)
    others = [] if settings.bpm else [*clues_from_name(found.name), *tags.clues]
    if given is not None and given.beats and not given.bpm:  # bars of a table with the tempo of a name, if the file holds them
        named = next((clue for clue in others if clue.bpm and (clue.explicit or clue.firm)), None)
        paired = dataclasses.replace(named, beats=given.beats) if named else given
        given = paired if placements(paired, [paired], span, 1) else given
    if given is not None and (sure := _by_table(given, length_s, span)):
        return sure
    clues = [*([given] if given else []), *others]
    envelope = onset_envelope(mono, rate_hz)
    if not settings.bpm and not facts.bpm and _one_shot(envelope, mono, length_s):
        return "sounds like a one-shot: a single attack that dies away"
    reading = read_tempo(length_s, Tempogram.of(envelope), clues, beats_per_bar=beats_per_bar, span=span)
    return reading or f"no tempo from 60 to 200 BPM fits its length of {length_s:.2f} s"


def _given(facts: Facts, settings: PrepareSettings, beats_per_bar: int) -> Clue | None:
    """What the user or a table says. It overrules the rest."""
    beats = facts.bars * beats_per_bar if facts.bars else None
    if settings.bpm:
        return Clue("user", 50.0, bpm=settings.bpm, beats=beats, firm=True)
    if not facts.bpm and not beats:
        return None
    half = 0.0 if beats or not facts.bpm else half_of(facts.bpm)
    return Clue("table", 40.0 if facts.bpm else 30.0, bpm=facts.bpm, beats=beats, half=half, firm=True)


def _whole(clue: Clue, n: int, rate_hz: int) -> Reading:
    """The reading of a file of `n` samples that is just as long as a clue says."""
    beats = round(clue.beats or 0)
    evidence = f"{clue.origin} says {clue.bpm:g} BPM and {beats} beats"
    return Reading(exact_bpm(n, beats, rate_hz), beats, True, 1.0, (evidence, "the length agrees"), firm=True)


def _by_table(clue: Clue, length_s: float, span: Span) -> Reading | None:
    """A reading by what was stated alone, where tempo and beats, or whole beats, are: nothing is left to ask of the onsets."""
    if not clue.beats or clue.beats != round(clue.beats):
        return None
    if not clue.bpm:
        return Reading(60 * clue.beats / length_s, round(clue.beats), True, 1.0, (f"the table says {clue.beats:g} beats",))
    places = placements(clue, [clue], span, 1)
    if not places:
        return None
    place = places[0]
    if place.how == "whole":
        return _whole(clue, span.n, span.rate_hz)
    evidence = [f"{clue.origin} says {clue.bpm:g} BPM and {clue.beats:g} beats"]
    notes = [warning] if (warning := warning_of(place)) else []
    return Reading(
        place.bpm, place.beats, True, 1.0, (*evidence, describe(place)), tuple(notes), place.start, place.length, firm=True
    )


def _one_shot(envelope: Float32, mono: Float32, length_s: float) -> bool:
    """One attack at the start and nothing after it but decay, in a file shorter than a slow bar."""
    if length_s > 4.0 or len(envelope) < 8:
        return False
    early = int(0.1 * FRAME_HZ)
    first = float(envelope[:early].max(initial=0.0))
    later = float(envelope[early:].max(initial=0.0))
    quarters = [level.rms(part) for part in np.array_split(mono, 4)]
    decays = all(b <= 0.8 * a for a, b in zip(quarters[:-1], quarters[1:], strict=True))
    return decays and later < 0.25 * first and quarters[3] < 0.1 * quarters[0]

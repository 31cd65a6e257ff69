"""The tempo of a file, from all that speaks of it: the user, a table, tags, its name, its length and its sound."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from loopwright.audio import level
from loopwright.data.clues import Clue, clues_from_name
from loopwright.data.facts import Facts
from loopwright.data.rhythm import FRAME_HZ, Tempogram, onset_envelope
from loopwright.data.scan import FoundFile
from loopwright.data.settings import PrepareSettings
from loopwright.data.tempo import Reading, read_tempo

Float32 = npt.NDArray[np.float32]


def tempo_of_file(
    mono: Float32, rate_hz: int, found: FoundFile, facts: Facts, tag_clues: list[Clue], settings: PrepareSettings
) -> Reading | str:
    """The tempo of a file, or why it has none."""
    length_s = len(mono) / rate_hz
    beats_per_bar = facts.beats_per_bar or settings.beats_per_bar
    if beats_per_bar != settings.beats_per_bar:
        return f"has {beats_per_bar} beats a bar, {settings.beats_per_bar} are wanted"
    stated = settings.bpm or facts.bpm
    if stated or facts.bars:
        beats = facts.bars * beats_per_bar if facts.bars else length_s * (stated or 0) / 60
        by_length = 60 * beats / length_s
        sure = facts.bars and (not stated or abs(by_length / stated - 1) < 0.012) and beats == round(beats)
        if sure:  # a table and the length say the same: nothing is left to ask of the onsets
            return Reading(by_length, round(beats), True, 1.0, ("the table and the length agree",))
    envelope = onset_envelope(mono, rate_hz)
    if not stated and _one_shot(envelope, mono, length_s):
        return "sounds like a one-shot: a single attack that dies away"
    clues = [*clues_from_name(found.name), *tag_clues]
    if facts.bpm:
        clues.append(Clue("table", 8.0, bpm=facts.bpm))
    if facts.bars:
        clues.append(Clue("table", 6.0, beats=facts.bars * beats_per_bar))
    if settings.bpm:
        clues = [Clue("user", 50.0, bpm=settings.bpm)]
    reading = read_tempo(length_s, Tempogram.of(envelope), clues, beats_per_bar=beats_per_bar)
    return reading or f"no tempo from 60 to 200 BPM fits its length of {length_s:.2f} s"


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

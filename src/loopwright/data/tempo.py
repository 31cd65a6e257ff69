"""Tempo and bars of a loop: everything that speaks for a tempo, weighed, and how sure the answer is.

Each tempo that anything suggests is a candidate: the length (a loop is a whole number of beats), names and tags, and the
onsets themselves. A candidate's score is a sum of log-likelihoods in nats: how common the tempo and the number of bars are,
how well the onsets sit on its grid, and what the clues say. The confidence is the share of the best candidate in the sum over
all, times the doubt that the file has a tempo at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from loopwright.data.clues import Clue
from loopwright.data.rhythm import Tempogram

LOW_BPM, HIGH_BPM = 60.0, 200.0
# How common tempi are among loops: log-normal round 124, 0.4 octaves wide
_CENTRE_BPM = 124.0
_SPREAD_OCTAVES = 0.4
# How common numbers of bars are among loops that are whole; others share what is left
_BARS = {
    0.25: -5.0,
    0.5: -3.0,
    1.0: -1.8,
    2.0: -1.6,
    3.0: -5.0,
    4.0: -0.9,
    6.0: -4.0,
    8.0: -1.8,
    12.0: -4.5,
    16.0: -2.5,
    32.0: -4.0,
}
_OTHER_BARS = -6.0
_NOT_WHOLE = -4.5  # a file that is no whole number of beats: a recording, or a loop with a tail
_GRID_NATS = 20.0  # per unit of Tempogram.grid; chosen on 160 loops of human drumming (docs/results/data.md)
# Where a file is no whole loop, only its onsets show a tempo: half a nat less at this grid, 4 nats less without any
_LOOSE_GRID, _LOOSE_EDGE = 0.1, 0.02
_DOUBT_NATS = 3.0  # the audio speaks this much more for another tempo than for the one that was stated: a warning
SAME_TEMPO = 0.012  # tempi this close (relative) are the same statement


@dataclass(frozen=True)
class Reading:
    """Tempo and length of a file in beats. `whole`: the file is exactly that long, so it is a loop as it stands."""

    bpm: float
    beats: int
    whole: bool
    confidence: float
    evidence: tuple[str, ...] = ()  # what spoke for it
    warnings: tuple[str, ...] = ()  # what spoke against it


@dataclass
class _Candidate:
    bpm: float
    beats: int
    whole: bool
    score: float = 0.0
    heard: float = 0.0  # the part of the score that needs no name, tag or table
    evidence: list[str] = field(default_factory=list)


def _tempo_prior(bpm: float) -> float:
    return -0.5 * (math.log2(bpm / _CENTRE_BPM) / _SPREAD_OCTAVES) ** 2


def _candidates(length_s: float, tempogram: Tempogram | None, clues: Sequence[Clue], beats_per_bar: int) -> list[_Candidate]:
    out: list[_Candidate] = []
    lowest, highest = math.ceil(LOW_BPM * length_s / 60), math.floor(HIGH_BPM * length_s / 60)
    for beats in range(max(1, lowest), min(highest, 64 * beats_per_bar) + 1):
        bars = beats / beats_per_bar
        if bars in _BARS or bars == int(bars):
            out.append(_Candidate(60 * beats / length_s, beats, True, _BARS.get(bars, _OTHER_BARS)))
    stated = {clue.bpm for clue in clues if clue.bpm}
    heard = tempogram.best(LOW_BPM, HIGH_BPM) if tempogram is not None else []
    for bpm in [*sorted(stated), *heard]:
        exact = bpm * length_s / 60
        nearest = round(exact)
        bars = nearest / beats_per_bar
        near_whole = nearest >= 1 and abs(exact / nearest - 1) < SAME_TEMPO if nearest else False
        if near_whole and (bars in _BARS or bars == int(bars)):
            if not any(c.beats == nearest and c.whole for c in out):  # a stated tempo outside the usual range
                out.append(_Candidate(60 * nearest / length_s, nearest, True, _BARS.get(bars, _OTHER_BARS)))
            continue
        whole_bars = math.floor((exact + 0.02 * bpm / 60) / beats_per_bar)
        if whole_bars >= 1 and not any(not c.whole and abs(c.bpm / bpm - 1) < 0.003 for c in out):
            out.append(_Candidate(bpm, whole_bars * beats_per_bar, False, _NOT_WHOLE))
    return out


def read_tempo(
    length_s: float, tempogram: Tempogram | None, clues: Sequence[Clue] = (), *, beats_per_bar: int = 4
) -> Reading | None:
    """Weigh all evidence. None if nothing fits: shorter than a beat, or no tempo between 60 and 200 is possible.

    Args:
        length_s: length of the file.
        tempogram: of its onsets; None if it was not analysed.
        clues: from names, tags and tables.
        beats_per_bar: 4, or 3 for waltzes.
    """
    candidates = _candidates(length_s, tempogram, clues, beats_per_bar)
    if not candidates:
        return None
    for c in candidates:
        c.score += _tempo_prior(c.bpm)
        if c.whole:
            c.evidence.append(f"length is {c.beats} beats")
        if tempogram is not None:
            grid = tempogram.grid(c.bpm)
            c.score += _GRID_NATS * grid
            if not c.whole:
                c.score -= math.log1p(math.exp((_LOOSE_GRID - grid) / _LOOSE_EDGE))
            if grid > 0.12:
                c.evidence.append(f"onsets on the grid ({grid:.2f})")
        c.heard = c.score
        for clue in clues:
            if (clue.bpm and abs(c.bpm / clue.bpm - 1) < SAME_TEMPO) or (clue.beats and c.beats == clue.beats):
                c.score += clue.weight
                said = f"{clue.bpm:g} BPM" if clue.bpm else f"{clue.beats:g} beats"
                c.evidence.append(f"{clue.origin} says {said}")
    candidates.sort(key=lambda c: -c.score)
    best = candidates[0]
    shares = [math.exp(c.score - best.score) for c in candidates]
    confidence = 1.0 / sum(shares)
    if not any("says" in text for text in best.evidence):  # no clue: then the onsets must say that there is a metre
        grid = tempogram.grid(best.bpm) if tempogram is not None else 0.0
        confidence *= 1 / (1 + math.exp(-(grid - 0.06) / 0.02)) * (1.0 if best.whole else 0.7)
    warnings = [
        f"the {clue.origin} says {clue.bpm:g} BPM, the audio {best.bpm:.2f}"
        for clue in clues
        if clue.bpm and clue.weight >= 4 and abs(best.bpm / clue.bpm - 1) >= SAME_TEMPO
    ]
    other = max(candidates, key=lambda c: c.heard)
    octaves = abs(math.log2(other.bpm / best.bpm))
    if other.heard - best.heard > _DOUBT_NATS and min(octaves, abs(octaves - 1)) > SAME_TEMPO:  # the name decides octaves
        warnings.append(f"without what is stated the audio would be {other.bpm:.2f} BPM, {other.beats} beats")
    return Reading(best.bpm, best.beats, best.whole, confidence, tuple(best.evidence), tuple(warnings))

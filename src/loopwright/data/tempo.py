"""Tempo and bars of a loop: everything that speaks for a tempo, weighed, and how sure the answer is.

Each tempo that anything suggests is a candidate: the length (a loop is a whole number of beats), names and tags, and the
onsets themselves. A candidate's score is a sum of log-likelihoods in nats: how common the tempo and the number of bars are,
how well the onsets sit on its grid, and what the clues say. The confidence is the share of the best candidate in the sum over
all, times the doubt that the file has a tempo at all.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from loopwright.data.clues import Clue
from loopwright.data.rhythm import Tempogram
from loopwright.data.stated import Placed, Span, describe, placements, warning_of

LOW_BPM, HIGH_BPM = 60.0, 200.0
# How common tempi are among loops: log-normal round 124, 0.4 octaves wide
_CENTRE_BPM = 124.0
_SPREAD_OCTAVES = 0.4
# How common numbers of bars are among loops that are whole; others share what is left
_BARS = {
    0.25: -5.0,
    0.5: -3.0,
    1.0: -1.8,
    1.5: -5.5,  # six beats: a waltz
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
_DOUBT_SILENCE_NATS = 0.7  # the same where silence was cut off to make the stated tempo fit
_AGREE = 0.03
SAME_TEMPO = 0.012  # tempi this close (relative) are the same statement


@dataclass(frozen=True)
class Reading:
    """Tempo and length of a file in beats.

    Attributes:
        whole: the file is exactly that long, or holds a loop of that length (`start`, `length`) and silence.
        start, length: the loop in the file, in samples; length 0: all of it.
        firm: tempo and place were stated by someone who knows: neither is to be improved on.
    """

    bpm: float
    beats: int
    whole: bool
    confidence: float
    evidence: tuple[str, ...] = ()  # what spoke for it
    warnings: tuple[str, ...] = ()  # what spoke against it
    start: int = 0
    length: int = 0
    firm: bool = False


@dataclass
class _Candidate:
    bpm: float
    beats: int
    whole: bool
    score: float = 0.0
    heard: float = 0.0  # the part of the score that needs no name, tag or table
    evidence: list[str] = field(default_factory=list)
    placed: Placed | None = None


def _tempo_prior(bpm: float) -> float:
    return -0.5 * (math.log2(bpm / _CENTRE_BPM) / _SPREAD_OCTAVES) ** 2


def _candidates(
    length_s: float, tempogram: Tempogram | None, clues: Sequence[Clue], placed: Sequence[Placed], beats_per_bar: int
) -> list[_Candidate]:
    out: list[_Candidate] = []
    lowest, highest = math.ceil(LOW_BPM * length_s / 60), math.floor(HIGH_BPM * length_s / 60)
    for beats in range(max(1, lowest), min(highest, 64 * beats_per_bar) + 1):
        bars = beats / beats_per_bar
        if bars in _BARS or bars == int(bars):
            out.append(_Candidate(60 * beats / length_s, beats, True, _BARS.get(bars, _OTHER_BARS)))
    for place in placed:
        same = [c for c in out if c.beats == place.beats and (place.how == "whole" or abs(c.bpm / place.bpm - 1) < 1e-4)]
        if same:
            same[0].placed = same[0].placed or place
            continue
        bars = place.beats / beats_per_bar
        out.append(_Candidate(place.bpm, place.beats, True, _BARS.get(bars, _OTHER_BARS), placed=place))
    stated = {clue.bpm for clue in clues if clue.bpm}
    heard = tempogram.best(LOW_BPM, HIGH_BPM) if tempogram is not None else []
    # where a tempo is stated, what is heard near it is that tempo
    heard = [bpm for bpm in heard if not any(abs(bpm / said - 1) < SAME_TEMPO for said in stated)]
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


def _speaks_for(clue: Clue, c: _Candidate, exact: bool) -> bool:
    """Whether a clue says what a candidate is. `exact`: the loop it states was found in the file, so near is not enough."""
    if clue.bpm:
        near = max(1e-4, clue.half / clue.bpm) if c.placed and c.placed.how != "whole" else 1e-4
        return abs(c.bpm / clue.bpm - 1) <= (near if exact else SAME_TEMPO) and not (clue.beats and c.beats != clue.beats)
    return bool(clue.beats) and c.beats == clue.beats


def _default(clue: Clue, length_s: float) -> bool:
    """Whether an `acid` chunk's tempo and beats are of another length than the file."""
    both = clue.origin == "acid" and clue.bpm and clue.beats
    return bool(both) and abs(60 * (clue.beats or 0) / (clue.bpm or 1) / length_s - 1) > _AGREE


def read_tempo(
    length_s: float,
    tempogram: Tempogram | None,
    clues: Sequence[Clue] = (),
    *,
    beats_per_bar: int = 4,
    span: Span | None = None,
) -> Reading | None:
    """Weigh all evidence. None if nothing fits: shorter than a beat, or no tempo between 60 and 200 is possible.

    Args:
        length_s: length of the file.
        tempogram: of its onsets; None if it was not analysed.
        clues: from names, tags and tables.
        beats_per_bar: 4, or 3 for waltzes.
        span: where sound begins and ends; None: it reaches from end to end.
    """
    span = span or Span.full(length_s)
    found = [placements(clue, clues, span, beats_per_bar) for clue in clues]
    # a tempo with beats that the file does not hold is one that a program writes into everything
    clues = [
        dataclasses.replace(clue, weight=2.0, beats=None, firm=False)
        if clue.origin == "acid" and clue.beats and not at
        else clue
        for clue, at in zip(clues, found, strict=True)
    ]
    candidates = _candidates(length_s, tempogram, clues, [place for places in found for place in places], beats_per_bar)
    if not candidates:
        return None
    for c in candidates:
        c.score += _tempo_prior(c.bpm)
        if c.placed and c.placed.how != "whole":
            c.evidence.append(describe(c.placed))
        elif c.whole:
            c.evidence.append(f"length is {c.beats} beats")
        if tempogram is not None:
            grid = tempogram.grid(c.bpm)
            c.score += _GRID_NATS * grid
            if not c.whole:
                c.score -= math.log1p(math.exp((_LOOSE_GRID - grid) / _LOOSE_EDGE))
            if grid > 0.12:
                c.evidence.append(f"onsets on the grid ({grid:.2f})")
        c.heard = c.score
        for clue, places in zip(clues, found, strict=True):
            if _speaks_for(clue, c, bool(places)):
                c.score += clue.weight
                said = [f"{clue.bpm:g} BPM"] if clue.bpm else []
                said += [f"{clue.beats:g} beats"] if clue.beats else []
                c.evidence.append(f"{clue.origin} says {' and '.join(said)}")
    candidates.sort(key=lambda c: -c.score)
    best = candidates[0]
    shares = [math.exp(c.score - best.score) for c in candidates]
    confidence = 1.0 / sum(shares)
    if not any("says" in text for text in best.evidence):  # no clue: then the onsets must say that there is a metre
        grid = tempogram.grid(best.bpm) if tempogram is not None else 0.0
        confidence *= 1 / (1 + math.exp(-(grid - 0.06) / 0.02)) * (1.0 if best.whole else 0.7)
    place = best.placed if best.placed and best.placed.how != "whole" else None
    return Reading(
        best.bpm,
        best.beats,
        best.whole,
        confidence,
        tuple(best.evidence),
        tuple(_warnings(best, candidates, clues)),
        place.start if place else 0,
        place.length if place else 0,
        firm=any(clue.firm and _speaks_for(clue, best, bool(at)) for clue, at in zip(clues, found, strict=True)),
    )


def _warnings(best: _Candidate, candidates: Sequence[_Candidate], clues: Sequence[Clue]) -> list[str]:
    """What speaks against the best candidate."""
    out = [warning] if best.placed and (warning := warning_of(best.placed)) else []
    for clue in clues:
        if not clue.bpm or clue.weight < 4:
            continue
        turned = math.log2(best.bpm / clue.bpm)
        if abs(best.bpm / clue.bpm - 1) < SAME_TEMPO:
            if not best.placed and abs(best.bpm / clue.bpm - 1) > max(1e-4, clue.half / clue.bpm):
                out.append(f"the {clue.origin} says {clue.bpm:g} BPM, the length makes it {best.bpm:.2f}")
        elif abs(turned) < 2.1 and abs(turned - round(turned)) < SAME_TEMPO:
            out.append(f"the {clue.origin} says {clue.bpm:g} BPM, read as {best.bpm:.2f}: an octave turned")
        else:
            out.append(f"the {clue.origin} says {clue.bpm:g} BPM, the audio {best.bpm:.2f}")
    if best.placed and best.placed.how == "silence":
        for c in candidates:
            if c.whole and not c.placed and c.beats == best.beats and c.heard - best.heard > _DOUBT_SILENCE_NATS:
                out.append(f"the onsets speak for {c.bpm:.2f} BPM, the whole file with the silence that was cut off")
    other = max(candidates, key=lambda c: c.heard)
    octaves = abs(math.log2(other.bpm / best.bpm))
    if other.heard - best.heard > _DOUBT_NATS and min(octaves, abs(octaves - 1)) > SAME_TEMPO:  # the name decides octaves
        out.append(f"without what is stated the audio would be {other.bpm:.2f} BPM, {other.beats} beats")
    return out

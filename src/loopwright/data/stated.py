"""A stated tempo, obeyed to the sample: where in a file the loop lies that name, table or tag speak of.

A loop that was once an MP3, has an export's tail, or filled a codec's last block is that loop and silence. The silence is cut,
from the front where the front is silent; the tempo is what was stated, not what the longer file would have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loopwright.arrays import Float32
from loopwright.audio.wavmeta import exact_bpm, loop_length
from loopwright.data.clues import Clue

_SILENT = 0.003  # of the peak: -50 dB
# -30 dB: what a codec smears into silence, or a tail so soft that silence behind it may have been trimmed
_SOFT = 0.03
_ATTACK = 0.25
_SMEAR_S = 0.002  # sound this long and soft before an attack is a codec's smear
_NEAR_S = 0.012  # a first attack this near to the grid is on it
_EARLY_S = 0.003  # silence at the front that is an attack's own
_SAME = 5e-5  # lengths this close (relative) are the same
NEARLY = 0.0125  # a length this close to what is stated is meant to be it: a little more than tempi that are called the same


@dataclass(frozen=True)
class Span:
    """A file's `n` samples and where sound begins (`first`) and ends (`last`, exclusive) in it.

    `soft` are the same for sound above -30 dB: an MP3 smears an attack into the silence before it. `sharp`: the sound that
    `soft` begins with is an attack.
    """

    n: int
    rate_hz: int
    first: int
    last: int
    soft: tuple[int, int]
    sharp: bool = False

    @classmethod
    def of(cls, mono: Float32, rate_hz: int) -> Span:
        """Look at both ends of a recording (N,)."""
        n = len(mono)
        peak = max(float(mono.max(initial=0.0)), -float(mono.min(initial=0.0)))
        if peak <= 0:
            return cls(n, rate_hz, 0, n, (0, n))
        back = mono[::-1]
        soft = _edge(mono, _SOFT * peak), n - _edge(back, _SOFT * peak)
        attack = np.abs(mono[soft[0] : soft[0] + max(1, rate_hz // 200)])
        sharp = float(attack.max(initial=0.0)) > _ATTACK * peak
        return cls(n, rate_hz, _edge(mono, _SILENT * peak), n - _edge(back, _SILENT * peak), soft, sharp)

    @classmethod
    def full(cls, length_s: float, rate_hz: int = 44_100) -> Span:
        """A file that sounds from end to end."""
        n = round(length_s * rate_hz)
        return cls(n, rate_hz, 0, n, (0, n))


def _edge(samples: Float32, level: float) -> int:
    """Index of the first sample that is no silence, looked for in growing parts: most files begin with sound."""
    at, size = 0, 4096
    while at < len(samples):
        loud = np.abs(samples[at : at + size]) > level
        if loud.any():
            return at + int(np.argmax(loud))
        at, size = at + size, size * 4
    return 0


@dataclass(frozen=True)
class Placed:
    """A stated loop found in a file: `length` samples from `start` on.

    `how`: "whole" (the file is that long), "silence" (the rest is silent), "cut" (sound reaches both ends, so where it lies
    cannot be told: what is over was cut from the end), "short" (less than stated, with a soft end: silence was added).
    """

    bpm: float  # of `length` samples, exactly
    beats: int
    start: int
    length: int
    how: str
    over_ms: float = 0.0  # how much longer the file is
    origin: str = ""
    said: float = 0.0  # the tempo as it was stated


def describe(place: Placed) -> str:
    """A placement as evidence, with the tempo as it was stated."""
    what = f"{place.beats} beats at {place.said:g} BPM"
    if place.how == "silence":
        return f"{what} and {place.over_ms:.0f} ms of silence, cut off"
    if place.how == "cut":
        return f"{what}, {place.over_ms:.0f} ms cut off"
    return f"{what}, {-place.over_ms:.0f} ms of silence added"


def warning_of(place: Placed) -> str:
    """What a user should know of a placement, or ""."""
    if place.how == "cut":
        return (
            f"{place.over_ms:.0f} ms longer than {place.beats} beats at {place.said:g} BPM, and sound reaches both ends: what "
            "is over was cut from the end"
        )
    return f"{-place.over_ms:.0f} ms shorter than {place.beats} beats at {place.said:g} BPM" if place.how == "short" else ""


def cut_to(samples: Float32, start: int, length: int) -> Float32:
    """The loop of a placement out of a file (N,) or (N, C); silence where the file ends too soon."""
    if start == 0 and length == len(samples):
        return samples
    part = samples[start : start + length]
    if len(part) == length:
        return part
    return np.concatenate([part, np.zeros((length - len(part), *samples.shape[1:]), dtype=np.float32)])


def is_whole(clue: Clue, n: int, rate_hz: int) -> bool:
    """Whether `n` samples are just what a clue with tempo and beats states."""
    if not clue.bpm or not clue.beats or clue.beats != round(clue.beats):
        return False
    length = loop_length(clue.bpm, clue.beats, rate_hz)
    return abs(n - length) <= max(1.0, _SAME * length)


def placements(clue: Clue, clues: Sequence[Clue], span: Span, beats_per_bar: int) -> list[Placed]:
    """Where the loop of one stated tempo may lie. Nothing if the file is not that loop and silence."""
    if not clue.bpm or span.n < 2:
        return []
    known = [clue.beats] if clue.beats else [c.beats for c in clues if c.beats and c.firm and not c.bpm]
    options = known or [1.0, 2.0, *(float(bar * beats_per_bar) for bar in range(1, 65))]
    found = [_place(clue, beats, span, sure=bool(known)) for beats in options if beats == round(beats) and beats >= 1]
    return [place for place in found if place is not None]


def _place(clue: Clue, beats: float, span: Span, *, sure: bool) -> Placed | None:
    assert clue.bpm
    length = loop_length(clue.bpm, beats, span.rate_hz)
    if length < 2:
        return None
    over = span.n - length
    over_ms = 1000 * over / span.rate_hz

    def placed(how: str, start: int, size: int = length) -> Placed:
        bpm = exact_bpm(size, beats, span.rate_hz)
        return Placed(bpm, round(beats), start, size, how, over_ms, clue.origin, clue.bpm or 0.0)

    if abs(over) <= max(1.0, _SAME * length):
        return placed("whole", 0, span.n)
    rounded = abs(over) <= clue.half / clue.bpm * length
    if over > 0:
        for first, last in ((span.first, span.last), span.soft):
            low, high = max(0, over - (span.n - last)), min(first, over)
            # a soft tail alone does not tell a loop of 139.7 BPM from one of 140 and padding, silence before an attack does
            late = span.sharp and span.soft[0] > _EARLY_S * span.rate_hz
            told = (first, last) == (span.first, span.last) or not rounded or clue.firm or low > 0 or late
            if span.sharp and span.soft[0] - first > _SMEAR_S * span.rate_hz:
                first, high = span.soft[0], min(span.soft[0], over)
            if low <= high and told and (sure or beats >= 4 or over < NEARLY * length):
                return placed("silence", _start(first, span.rate_hz, low, high, 15.0 / clue.bpm))
        bars_too = clue.beats is not None and clue.origin in ("user", "table")  # then the length is stated as well
        if bars_too or (over <= NEARLY * length and not rounded and (clue.firm or clue.explicit)):
            return placed("cut", min(span.first, over))
        return None
    soft_end = span.soft[1] < span.n - span.rate_hz // 200
    if -over <= NEARLY * length and not rounded and (clue.firm or soft_end):
        return placed("short", 0)
    return None


def _start(first: int, rate_hz: int, low: int, high: int, sixteenth_s: float) -> int:
    """The start between two that leave only silence out: at the first sound, unless that comes after a rest on the grid."""
    first_s = first / rate_hz
    rests = round(first_s / sixteenth_s)
    off_s = first_s - rests * sixteenth_s
    if low == 0 and first_s < _EARLY_S:
        return 0
    if rests and (abs(off_s) < _NEAR_S or first_s > 2 * sixteenth_s):  # what precedes the rest is no music
        return min(max(low, round(off_s * rate_hz)), high)
    return high

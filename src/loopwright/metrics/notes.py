"""Are the notes heard the notes played? Pairs of notes of one pitch whose starts are near each other, on a circle.

The onset measure of MIREX and mir_eval (Raffel et al., ISMIR 2014) with two changes: time goes round, and a pitch is a MIDI
note, right or wrong. Where notes end is not asked: releases and echoes sound past a key's end.

Shapes: E notes; a note is a row of start and length in seconds, and MIDI note (what follows is not looked at).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from loopwright.arrays import Float64
from loopwright.errors import InputError

ONSET_TOLERANCE_S = 0.05


class NoteScores(NamedTuple):
    """Shares, 0 to 1: of the notes heard that were played, of the notes played that were heard, and the two's harmonic mean."""

    precision: float
    recall: float
    f1: float


def match_notes(played: ArrayLike, heard: ArrayLike, *, length_s: float, tolerance_s: float = ONSET_TOLERANCE_S) -> int:
    """How many pairs of a note played (E, 3) and a note heard (F, 3) can be made: each note is in one pair at most.

    A pair has one MIDI note, and starts at most `tolerance_s` apart on a circle of `length_s`. As many pairs as possible are
    made. Raises InputError for arrays of other shapes.

    >>> match_notes([[0.0, 0.5, 60]], [[1.97, 0.1, 60], [0.01, 0.1, 61]], length_s=2.0)
    1
    """
    a, b = _rows(played), _rows(heard)
    apart = np.abs(a[:, None, 0] - b[None, :, 0]) % length_s
    apart = np.minimum(apart, length_s - apart)
    fits = (apart <= tolerance_s + 1e-9) & (np.round(a[:, None, 2]) == np.round(b[None, :, 2]))
    partner = np.full(len(b), -1)

    def pair(i: int, tried: set[int]) -> bool:
        """Find note i a partner; partners already given may be asked to find another (Kuhn's augmenting paths)."""
        for j in np.flatnonzero(fits[i]):
            if j in tried:
                continue
            tried.add(int(j))
            if partner[j] < 0 or pair(int(partner[j]), tried):
                partner[j] = i
                return True
        return False

    return sum(pair(i, set()) for i in range(len(a)))


def note_scores(counts: ArrayLike) -> NoteScores:
    """Scores of many loops together, from (N, 3) or (3,) counts: matched, played, heard. Nothing of nothing is 0."""
    matched, played, heard = np.asarray(counts, dtype=np.float64).reshape(-1, 3).sum(axis=0)
    return NoteScores(
        float(matched / heard) if heard else 0.0,
        float(matched / played) if played else 0.0,
        float(2 * matched / (played + heard)) if played + heard else 0.0,
    )


def _rows(notes: ArrayLike) -> Float64:
    rows = np.asarray(notes, dtype=np.float64)
    if rows.size == 0:
        return np.zeros((0, 3))
    if rows.ndim != 2 or rows.shape[1] < 3 or not np.isfinite(rows).all():
        raise InputError(f"notes are rows of start, length and MIDI note, got shape {rows.shape}.")
    return rows
